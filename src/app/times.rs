//! Formats for points in time.

use super::list::next_of;
use crate::auth::NumericDate;
use crate::text::Span;

/// Formats for points in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words below say it")]
pub enum TimeStyle {
    #[default]
    Utc,
    Local,
    Epoch,
}

/// Returns the UTC offset of the user's time zone at an instant, in seconds; positive to the east.
pub type Zone = fn(NumericDate) -> i32;

impl TimeStyle {
    const ALL: [Self; 3] = [Self::Utc, Self::Local, Self::Epoch];

    /// Returns the words shown for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Utc => "UTC",
            Self::Local => "local time",
            Self::Epoch => "seconds since the epoch",
        }
    }

    /// Returns the style `by` steps further, wrapping around.
    #[must_use]
    pub fn turned(self, by: isize) -> Self {
        next_of(&Self::ALL, &self, by)
    }

    /// Formats an instant with its date: `2026-11-22 20:41:05Z`.
    pub fn date(self, at: NumericDate, zone: Zone) -> String {
        self.told(at, zone, "%Y-%m-%d %H:%M:%S")
    }

    /// Formats an instant without its date: `20:41:05Z`.
    pub fn time(self, at: NumericDate, zone: Zone) -> String {
        self.told(at, zone, "%H:%M:%S")
    }

    fn told(self, at: NumericDate, zone: Zone, format: &str) -> String {
        let fraction = match at.past(Span::SECOND).as_micros() {
            0 => String::new(),
            micros => format!(".{micros:06}").trim_end_matches('0').to_owned(),
        };
        match self {
            Self::Utc => format!("{}{fraction}Z", at.utc().format(format)),
            Self::Local => {
                let local = at.at_offset(zone(at));
                format!("{}{fraction}{}", local.format(format), local.format("%:z"))
            }
            Self::Epoch => format!("{}{fraction}", at.seconds()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_told_in_three_ways() {
        let at = NumericDate::from_micros(1_795_380_065_500_000);
        let zone: Zone = |_| 3600;
        assert_eq!(TimeStyle::Utc.date(at, zone), "2026-11-22 20:41:05.5Z");
        assert_eq!(TimeStyle::Local.time(at, zone), "21:41:05.5+01:00");
        assert_eq!(TimeStyle::Epoch.time(at, zone), "1795380065.5");
    }
}
