//! Where the user is: a pane, and a field in it.

/// A pane of the Gate screen; its number is the digit that chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the titles on the screen")]
pub enum Pane {
    Issue,
    Tokens,
    Inspect,
    Call,
    Activity,
}

impl Pane {
    /// Every pane, in the order of the digits.
    pub const ALL: [Self; 5] = [Self::Issue, Self::Tokens, Self::Inspect, Self::Call, Self::Activity];

    /// The digit that chooses it.
    pub fn digit(self) -> usize {
        Self::ALL.iter().position(|pane| *pane == self).map_or(0, |n| n + 1)
    }

    /// The title on the screen.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Issue => "Issue",
            Self::Tokens => "Tokens",
            Self::Inspect => "Inspect",
            Self::Call => "Call",
            Self::Activity => "Activity",
        }
    }

    /// Its fields, in the order of Tab.
    pub const fn fields(self) -> &'static [Field] {
        match self {
            Self::Issue => &[
                Field::UserId,
                Field::Permissions,
                Field::Others,
                Field::Expires,
                Field::NotBefore,
                Field::Issuer,
                Field::Audience,
                Field::Extra,
                Field::Preset,
            ],
            Self::Tokens => &[Field::TokenRows],
            Self::Inspect => &[Field::InspectView],
            Self::Call => &[Field::CallToken, Field::CallTool, Field::CallArguments],
            Self::Activity => &[Field::ActivityRows],
        }
    }
}

/// A field of a pane or of the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the labels below say what each is")]
pub enum Field {
    UserId,
    Permissions,
    Others,
    Expires,
    NotBefore,
    Issuer,
    Audience,
    Extra,
    Preset,
    TokenRows,
    InspectView,
    CallToken,
    CallTool,
    CallArguments,
    ActivityRows,
}

/// What a field does with keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum FieldKind {
    Text,
    Ticks,
    Choice,
    Rows,
}

impl Field {
    /// The label beside it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::UserId => "user_id",
            Self::Permissions => "permissions",
            Self::Others => "+ others",
            Self::Expires => "expires in",
            Self::NotBefore => "not before",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Extra => "extra claims",
            Self::Preset => "preset",
            Self::TokenRows => "tokens",
            Self::InspectView => "show",
            Self::CallToken => "token",
            Self::CallTool => "tool",
            Self::CallArguments => "args",
            Self::ActivityRows => "calls",
        }
    }

    /// What it does with keys.
    pub const fn kind(self) -> FieldKind {
        match self {
            Self::Permissions => FieldKind::Ticks,
            Self::Preset | Self::InspectView | Self::CallToken | Self::CallTool => FieldKind::Choice,
            Self::TokenRows | Self::ActivityRows => FieldKind::Rows,
            _ => FieldKind::Text,
        }
    }

    /// The pane it belongs to.
    pub fn pane(self) -> Pane {
        Pane::ALL.into_iter().find(|pane| pane.fields().contains(&self)).unwrap_or(Pane::Issue)
    }
}

/// Where the keys go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Focus {
    /// The pane.
    pub pane: Pane,
    /// The field in it, or none: then digits and arrows choose among panes.
    pub field: Option<Field>,
}

impl Focus {
    /// At the first field of a pane.
    pub fn first(pane: Pane) -> Self {
        Self { pane, field: pane.fields().first().copied() }
    }

    /// Where a pane's work begins; always the same place, so that a digit can be pressed without looking.
    pub fn entering(pane: Pane) -> Self {
        if pane == Pane::Call { Self::at(Field::CallTool) } else { Self::first(pane) }
    }

    /// At a field.
    pub fn at(field: Field) -> Self {
        Self { pane: field.pane(), field: Some(field) }
    }

    /// At the next (`1`) or previous (`-1`) field, across panes.
    #[must_use]
    pub fn stepped(self, by: isize) -> Self {
        let all: Vec<Field> = Pane::ALL.into_iter().flat_map(Pane::fields).copied().collect();
        let Some(field) = self.field else {
            let fields = self.pane.fields();
            return Self { field: if by > 0 { fields.first() } else { fields.last() }.copied(), ..self };
        };
        let at = all.iter().position(|f| *f == field).unwrap_or(0);
        Self::at(all[super::field::turned(at, by, all.len())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tab_alone_reaches_every_field_and_comes_back() {
        let start = Focus::first(Pane::Issue);
        let mut seen = vec![];
        let mut focus = start;
        loop {
            seen.extend(focus.field);
            focus = focus.stepped(1);
            if focus == start {
                break;
            }
            assert_eq!(focus.stepped(-1).field, seen.last().copied());
        }
        assert_eq!(seen.len(), Pane::ALL.into_iter().map(|pane| pane.fields().len()).sum::<usize>());
    }
}
