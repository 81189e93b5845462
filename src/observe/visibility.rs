//! Whether a tool that a server denies exists: listed, hidden from this token, masked, or absent.

use super::denial::Observed;
use super::observation::Observation;

/// What was seen of a tool.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sightings<'a> {
    /// Whether the list for the token contains it; `None` if the list was not received.
    pub listed: Option<bool>,
    /// Whether the list for another token contains it; `None` without such a list.
    pub listed_for_other: Option<bool>,
    /// The answer to a call of it.
    pub called: Option<&'a Observation>,
    /// The answer to a call of a name that does not exist.
    pub random: Option<&'a Observation>,
}

/// Whether a tool exists, as far as it can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// It is in the list.
    Listed,
    /// It exists, but is not in the list for this token.
    Hidden,
    /// It exists, and a call is answered as if it did not.
    Masked,
    /// No list contains it, and a call is answered like that of a name that does not exist.
    Absent,
    /// It may be absent, or hidden from the only identity at hand.
    CannotTell,
}

impl Visibility {
    /// The word for it, in lists and for scripts.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Listed => "listed",
            Self::Hidden => "hidden",
            Self::Masked => "masked",
            Self::Absent => "absent",
            Self::CannotTell => "cannot tell",
        }
    }
}

/// Whether an answer is about the call of a tool that exists.
fn is_about_the_call(called: &Observation) -> bool {
    called.verdict().is_some() || called.observed() == Observed::BadArguments
}

impl Sightings<'_> {
    /// Concludes from what was seen.
    pub fn visibility(&self) -> Visibility {
        let is_denied_as_absent = self.called.is_some_and(|called| called.observed() == Observed::NoTool);
        // An answer that is not about the tool, such as that of a rate limit, says nothing.
        let told = self.random.filter(|random| matches!(random.observed(), Observed::NoTool | Observed::Forbidden));
        let is_like_random = match (self.called, told) {
            (Some(called), Some(random)) => called.shape == random.shape && called.status == random.status,
            _ => false,
        };
        match (self.listed, self.listed_for_other) {
            (Some(true), _) => Visibility::Listed,
            (_, Some(true)) if is_denied_as_absent || is_like_random => Visibility::Masked,
            (Some(false), Some(true)) => Visibility::Hidden,
            // A call that the server answers in another way than that of a random name proves that the tool exists.
            (Some(false), _) if told.is_some() && self.called.is_some_and(is_about_the_call) && !is_like_random => {
                Visibility::Hidden
            }
            (Some(false), Some(false)) if is_like_random || is_denied_as_absent => Visibility::Absent,
            _ => Visibility::CannotTell,
        }
    }
}
