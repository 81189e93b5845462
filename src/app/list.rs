//! Steps in a list, wrapping around or stopping at its ends.

/// Returns the index `by` steps from `at` in a list of `len` items, wrapping around; 0 for an empty list.
pub const fn turned(at: usize, by: isize, len: usize) -> usize {
    if len == 0 {
        return 0;
    }
    at.wrapping_add_signed(by.rem_euclid(len.cast_signed())) % len
}

/// Returns the index `by` steps from `at` within `0..len`, stopping at both ends.
pub const fn moved(at: usize, by: isize, len: usize) -> usize {
    let to = at.saturating_add_signed(by);
    if to >= len { len.saturating_sub(1) } else { to }
}

/// Returns the choice `by` steps from `now`, wrapping around. An unknown choice is treated as the first.
pub fn next_of<T: Clone + PartialEq>(all: &[T], now: &T, by: isize) -> T {
    let at = all.iter().position(|one| one == now).unwrap_or(0);
    all.get(turned(at, by, all.len())).unwrap_or(now).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_wrap_or_stop() {
        assert_eq!((turned(0, -1, 3), turned(2, 1, 3), turned(0, 1, 0)), (2, 0, 0));
        assert_eq!((moved(0, -1, 3), moved(2, 5, 3), moved(0, 1, 0)), (0, 2, 0));
    }

    #[test]
    fn choices_wrap_and_an_unknown_one_counts_as_the_first() {
        let all = ['a', 'b', 'c'];
        assert_eq!((next_of(&all, &'c', 1), next_of(&all, &'a', -1), next_of(&all, &'x', 1)), ('a', 'c', 'b'));
        assert_eq!(next_of(&[], &'x', 1), 'x');
    }
}
