//! The screens. `pane/mod.rs` defines which panes each one shows.

/// A screen: five panes over the one token list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the titles on the screen")]
pub enum Screen {
    #[default]
    Gate,
    Matrix,
    Time,
    Server,
    Issuers,
    Targets,
}

impl Screen {
    /// Every screen, in the order of their keys.
    pub const ALL: [Self; 6] = [Self::Gate, Self::Matrix, Self::Time, Self::Server, Self::Issuers, Self::Targets];

    /// Returns the title on the screen.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Gate => "Gate",
            Self::Matrix => "Matrix",
            Self::Time => "Time",
            Self::Server => "Server",
            Self::Issuers => "Issuers",
            Self::Targets => "Targets",
        }
    }

    /// Returns the screen that a letter after `g` shows.
    pub fn by_letter(letter: char) -> Option<Self> {
        Self::ALL.into_iter().find(|screen| screen.letter() == letter)
    }

    /// Returns the letter that shows it, after `g`.
    pub const fn letter(self) -> char {
        match self {
            Self::Gate => 'g',
            Self::Matrix => 'm',
            Self::Time => 't',
            Self::Server => 's',
            Self::Issuers => 'i',
            Self::Targets => 'u',
        }
    }
}

/// The minimum columns and rows for two columns of panes.
pub const TWO_COLUMNS: (u16, u16) = (92, 26);
