//! Where the user is: a screen, a pane on it, and a field in that.

/// A screen: five panes over the one token list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the titles on the screen")]
pub enum Screen {
    #[default]
    Gate,
    Matrix,
    Time,
    Server,
}

impl Screen {
    /// Every screen, in the order of their keys.
    pub const ALL: [Self; 4] = [Self::Gate, Self::Matrix, Self::Time, Self::Server];

    /// The title on the screen.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Gate => "Gate",
            Self::Matrix => "Matrix",
            Self::Time => "Time",
            Self::Server => "Server",
        }
    }

    /// The key that shows it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Gate => "F2",
            Self::Matrix => "F3",
            Self::Time => "F4",
            Self::Server => "F5",
        }
    }

    /// Its panes, in the order of the digits. Tokens, Call and Activity are the same wherever they are.
    pub const fn panes(self) -> [Pane; 5] {
        match self {
            Self::Gate => [Pane::Issue, Pane::Tokens, Pane::Inspect, Pane::Call, Pane::Activity],
            Self::Matrix => [Pane::Matrix, Pane::Policy, Pane::Who, Pane::Call, Pane::Activity],
            Self::Time => [Pane::Timeline, Pane::Clock, Pane::Drill, Pane::Kit, Pane::Activity],
            Self::Server => [Pane::Server, Pane::Tokens, Pane::Traffic, Pane::Connect, Pane::Activity],
        }
    }
}

/// A pane; its number on a screen is the digit that chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the titles on the screen")]
pub enum Pane {
    Issue,
    Tokens,
    Inspect,
    Call,
    Activity,
    Matrix,
    Policy,
    Who,
    Timeline,
    Clock,
    Drill,
    Kit,
    Server,
    Traffic,
    Connect,
}

impl Pane {
    /// The digit that chooses it.
    pub const fn digit(self) -> usize {
        match self {
            Self::Issue | Self::Matrix | Self::Timeline | Self::Server => 1,
            Self::Tokens | Self::Policy | Self::Clock => 2,
            Self::Inspect | Self::Who | Self::Drill | Self::Traffic => 3,
            Self::Call | Self::Kit | Self::Connect => 4,
            Self::Activity => 5,
        }
    }

    /// The title on the screen.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Issue => "Issue",
            Self::Tokens => "Tokens",
            Self::Inspect => "Inspect",
            Self::Call => "Call",
            Self::Activity => "Activity",
            Self::Matrix => "Matrix",
            Self::Policy => "Policy",
            Self::Who => "Who may",
            Self::Timeline => "Timeline",
            Self::Clock => "Clock",
            Self::Drill => "Drill",
            Self::Kit => "Test kit",
            Self::Server => "Server",
            Self::Traffic => "Traffic",
            Self::Connect => "Connect",
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
            Self::Matrix => &[Field::Cells],
            Self::Policy => &[Field::Rules],
            Self::Who => &[Field::WhoView],
            Self::Timeline => &[Field::Bars, Field::Scale],
            Self::Clock => &[Field::Dial, Field::Jump, Field::GoTo, Field::Pace, Field::Stamps],
            Self::Drill => &[Field::DrillToken, Field::DrillTool, Field::DrillEvery, Field::DrillWay],
            Self::Kit => &[Field::KitRows],
            Self::Server => &[Field::Listen, Field::ServeAudience, Field::ServeDenial, Field::ServeList],
            Self::Traffic => &[Field::ClientRows],
            Self::Connect => &[Field::ClientKind, Field::ClientTool],
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
    Cells,
    Rules,
    WhoView,
    Bars,
    Scale,
    Dial,
    Jump,
    GoTo,
    Pace,
    Stamps,
    DrillToken,
    DrillTool,
    DrillEvery,
    DrillWay,
    KitRows,
    Listen,
    ServeAudience,
    ServeDenial,
    ServeList,
    ClientRows,
    ClientKind,
    ClientTool,
}

/// What a field does with keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum FieldKind {
    Text,
    Ticks,
    Choice,
    Rows,
    Grid,
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
            Self::Cells => "cells",
            Self::Rules => "rules",
            Self::WhoView => "show",
            Self::Bars => "bars",
            Self::Scale => "zoom",
            Self::Dial => "shows",
            Self::Jump => "jump to",
            Self::GoTo => "set to",
            Self::Pace => "runs",
            Self::Stamps => "issue at",
            Self::DrillToken => "token",
            Self::DrillTool => "tool",
            Self::DrillEvery => "every",
            Self::DrillWay => "in",
            Self::KitRows => "tokens",
            Self::Listen => "address",
            Self::ServeAudience => "audience",
            Self::ServeDenial => "denial",
            Self::ServeList => "tools",
            Self::ClientRows => "clients",
            Self::ClientKind => "for",
            Self::ClientTool => "tool",
        }
    }

    /// What it does with keys.
    pub const fn kind(self) -> FieldKind {
        match self {
            Self::Permissions => FieldKind::Ticks,
            Self::Preset | Self::InspectView | Self::CallToken | Self::CallTool | Self::WhoView => FieldKind::Choice,
            Self::Scale | Self::Jump | Self::Pace | Self::Stamps => FieldKind::Choice,
            Self::DrillToken | Self::DrillTool | Self::DrillEvery | Self::DrillWay => FieldKind::Choice,
            Self::ServeAudience | Self::ServeDenial | Self::ServeList | Self::ClientKind | Self::ClientTool => {
                FieldKind::Choice
            }
            Self::Cells | Self::Rules | Self::Bars | Self::Dial => FieldKind::Grid,
            Self::TokenRows | Self::ActivityRows | Self::KitRows | Self::ClientRows => FieldKind::Rows,
            _ => FieldKind::Text,
        }
    }

    /// The pane it belongs to.
    pub fn pane(self) -> Pane {
        let mut panes = Screen::ALL.into_iter().flat_map(Screen::panes);
        panes.find(|pane| pane.fields().contains(&self)).unwrap_or(Pane::Issue)
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

    /// At the next (`1`) or previous (`-1`) field, across the panes of a screen.
    #[must_use]
    pub fn stepped(self, screen: Screen, by: isize) -> Self {
        let all: Vec<Field> = screen.panes().into_iter().flat_map(Pane::fields).copied().collect();
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
        for screen in Screen::ALL {
            let start = Focus::first(screen.panes()[0]);
            let mut seen = vec![];
            let mut focus = start;
            loop {
                seen.extend(focus.field);
                focus = focus.stepped(screen, 1);
                if focus == start {
                    break;
                }
                assert_eq!(focus.stepped(screen, -1).field, seen.last().copied());
            }
            assert_eq!(seen.len(), screen.panes().into_iter().map(|pane| pane.fields().len()).sum::<usize>());
        }
    }

    #[test]
    fn a_digit_is_the_place_of_a_pane_on_its_screen() {
        for screen in Screen::ALL {
            assert_eq!(screen.panes().map(Pane::digit), [1, 2, 3, 4, 5]);
        }
    }
}
