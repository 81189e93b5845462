//! The theme that the user chose, and what the terminal can show.

/// The theme that the user chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ThemeChoice {
    /// Dark or light, by the background of the terminal.
    #[default]
    Auto,
    /// Light text, for a dark background.
    Dark,
    /// Dark text, for a light background.
    Light,
    /// White on black and pure colours, with a background of its own.
    Contrast,
    /// Only bold, dim and reverse, without colours.
    Plain,
}

impl ThemeChoice {
    /// Every choice, in order.
    pub const ALL: [Self; 5] = [Self::Auto, Self::Dark, Self::Light, Self::Contrast, Self::Plain];

    /// Returns the name that options and configuration use.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Dark => "dark",
            Self::Light => "light",
            Self::Contrast => "contrast",
            Self::Plain => "plain",
        }
    }

    /// Parses such a name.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|choice| choice.word() == word)
    }
}

/// The background of the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Background {
    /// White text can be read on it.
    Dark,
    /// Black text can be read on it.
    Light,
}

impl Background {
    /// Classifies a background colour, each part from 0 to 1, by its relative luminance (WCAG 2): it is light if black
    /// has more contrast on it than white.
    pub fn of(red: f64, green: f64, blue: f64) -> Self {
        if luminance(red, green, blue) > 0.179 { Self::Light } else { Self::Dark }
    }

    /// Parses `COLORFGBG`, which some terminals set: `15;0`, or `0;default;15`.
    pub fn from_colorfgbg(value: &str) -> Option<Self> {
        match value.rsplit(';').next()?.parse::<u8>().ok()? {
            0..=6 | 8 => Some(Self::Dark),
            7 | 9..=15 => Some(Self::Light),
            _ => None,
        }
    }
}

/// Returns the relative luminance of an sRGB colour (WCAG 2), each part from 0 to 1.
pub fn luminance(red: f64, green: f64, blue: f64) -> f64 {
    let linear = |part: f64| if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) };
    0.0722f64.mul_add(linear(blue), 0.2126f64.mul_add(linear(red), 0.7152 * linear(green)))
}

/// How many colours the terminal shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// Sixteen, which the user's palette defines.
    #[default]
    Sixteen,
    /// 24-bit colour.
    True,
}

impl Depth {
    /// Parses `COLORTERM`, which terminals with 24-bit colour set.
    pub fn from_colorterm(value: &str) -> Self {
        if matches!(value, "truecolor" | "24bit") { Self::True } else { Self::Sixteen }
    }
}

/// The inputs for choosing a theme.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// The theme that the user chose.
    pub choice: ThemeChoice,
    /// The background of the terminal, once it is known.
    pub background: Option<Background>,
    /// How many colours the terminal shows.
    pub depth: Depth,
    /// Whether the terminal must not be asked for its background: the Linux console would print the request.
    pub is_mute: bool,
}

impl Look {
    /// Whether the terminal should be asked for its background.
    pub fn asks(self) -> bool {
        self.choice == ThemeChoice::Auto && !self.is_mute
    }

    /// Returns the choice, with `Auto` resolved. An unknown background counts as dark, because most terminals are dark.
    pub fn decided(self) -> ThemeChoice {
        match (self.choice, self.background) {
            (ThemeChoice::Auto, Some(Background::Light)) => ThemeChoice::Light,
            (ThemeChoice::Auto, _) => ThemeChoice::Dark,
            (choice, _) => choice,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case((0.0, 0.0, 0.0), Background::Dark)]
    #[case((1.0, 1.0, 1.0), Background::Light)]
    #[case((0.99, 0.96, 0.89), Background::Light)]
    #[case((0.0, 0.17, 0.21), Background::Dark)]
    #[case((0.5, 0.5, 0.5), Background::Light)]
    #[case((0.0, 0.0, 1.0), Background::Dark)]
    fn a_background_is_what_can_be_read_on_it(#[case] (red, green, blue): (f64, f64, f64), #[case] is: Background) {
        assert_eq!(Background::of(red, green, blue), is);
    }

    #[rstest]
    #[case("15;0", Some(Background::Dark))]
    #[case("0;default;15", Some(Background::Light))]
    #[case("0;7", Some(Background::Light))]
    #[case("default;default", None)]
    #[case("", None)]
    fn some_terminals_name_their_background(#[case] value: &str, #[case] is: Option<Background>) {
        assert_eq!(Background::from_colorfgbg(value), is);
    }

    #[test]
    fn auto_follows_the_background_and_nothing_else_does() {
        let look = |choice, background| Look { choice, background, ..Look::default() }.decided();
        assert_eq!(look(ThemeChoice::Auto, None), ThemeChoice::Dark);
        assert_eq!(look(ThemeChoice::Auto, Some(Background::Light)), ThemeChoice::Light);
        assert_eq!(look(ThemeChoice::Dark, Some(Background::Light)), ThemeChoice::Dark);
        assert_eq!(look(ThemeChoice::Plain, Some(Background::Light)), ThemeChoice::Plain);
        let all: Vec<_> = ThemeChoice::ALL.iter().map(|choice| ThemeChoice::named(choice.word())).collect();
        assert_eq!(all, ThemeChoice::ALL.map(Some));
    }
}
