//! One table of roles and their styles. Each role has one colour and each colour one role. Nothing is shown by colour alone.

use ratatui::style::{Color, Modifier, Style};

use crate::auth::Verdict;
use crate::auth::check::CheckResult;
use crate::gate::RequestOutcome;
use crate::look::{Depth, Look, ThemeChoice};

/// The meaning of a piece of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Text without a role of its own.
    Plain,
    /// The name of a field or a column.
    Label,
    /// A title, or the subject of a row.
    Title,
    /// The label or the frame that has the focus.
    Focused,
    /// The row or the choice under the cursor.
    Selected,
    /// Allowed, valid, passed.
    Ok,
    /// Forbidden, invalid, failed.
    Denied,
    /// Unauthorized: the caller is unknown.
    Unauthenticated,
    /// Worth attention, whatever the verdict is.
    Warning,
    /// Helpful, but not essential.
    Hint,
    /// A key to press.
    Key,
    /// The frame of a pane without the focus.
    Frame,
    /// Text behind an overlay.
    Faint,
    /// The first segment of a token.
    Header,
    /// The second segment of a token.
    Payload,
    /// The third segment of a token.
    Signature,
    /// [`Role::Ok`], filled.
    OkChip,
    /// [`Role::Denied`], filled.
    DeniedChip,
    /// [`Role::Unauthenticated`], filled.
    UnauthenticatedChip,
    /// [`Role::Warning`], filled.
    WarningChip,
    /// One of several strings that a token lists.
    Tag,
    /// The current screen, and the title of the focused pane.
    ScreenChip,
}

impl Role {
    /// Returns the role of a verdict.
    pub const fn of_verdict(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Allowed => Self::Ok,
            Verdict::Forbidden => Self::Denied,
            Verdict::Unauthorized => Self::Unauthenticated,
        }
    }

    /// Returns the role of a verdict; `fails` is whether an allowed call fails, or would fail.
    pub const fn of_call(verdict: Verdict, fails: bool) -> Self {
        match (verdict, fails) {
            (Verdict::Allowed, true) => Self::Warning,
            (verdict, _) => Self::of_verdict(verdict),
        }
    }

    /// Returns the role of the answer to a call or another request; `fails` is whether it failed although it was
    /// allowed.
    pub fn of_answer(answered: &RequestOutcome, fails: bool) -> Self {
        answered.verdict().map_or(Self::Denied, |verdict| Self::of_call(verdict, fails))
    }

    /// Returns the role of a check's result.
    pub const fn of_check(passed: CheckResult) -> Self {
        match passed {
            CheckResult::Yes => Self::Ok,
            CheckResult::No => Self::Denied,
            CheckResult::NotReached => Self::Hint,
        }
    }

    /// Returns the role's filled form, or the role itself if it does not have one.
    #[must_use]
    pub const fn chip(self) -> Self {
        match self {
            Self::Ok => Self::OkChip,
            Self::Denied => Self::DeniedChip,
            Self::Unauthenticated | Self::Hint => Self::UnauthenticatedChip,
            Self::Warning => Self::WarningChip,
            other => other,
        }
    }
}

/// A colour: as RGB, and as the nearest readable one of the sixteen. `None` is the terminal's own colour.
#[derive(Clone, Copy)]
struct Ink {
    rgb: Option<u32>,
    sixteen: Option<Color>,
}

/// The terminal's own colour.
const OWN: Ink = Ink { rgb: None, sixteen: None };

const fn ink(rgb: u32, sixteen: Color) -> Ink {
    Ink { rgb: Some(rgb), sixteen: Some(sixteen) }
}

/// Returns a colour for true-colour terminals; with only sixteen colours, the terminal's own is used.
const fn rgb(rgb: u32) -> Ink {
    Ink { rgb: Some(rgb), sixteen: None }
}

/// Text and background in one theme.
type Pair = (Ink, Ink);

const fn text(ink: Ink) -> Pair {
    (ink, OWN)
}

/// The styles of one role.
struct Row {
    role: Role,
    dark: Pair,
    light: Pair,
    contrast: Pair,
    /// The modifier in every theme with colours.
    modifier: Modifier,
    /// The modifier in the theme without colours.
    plain: Modifier,
}

const NONE: Modifier = Modifier::empty();
const BOLD: Modifier = Modifier::BOLD;
const DIM: Modifier = Modifier::DIM;
const REVERSED: Modifier = Modifier::REVERSED;
const FILLED: Modifier = REVERSED.union(BOLD);

/// The contrast theme's own text and background.
const CONTRAST: Pair = (ink(0x00ff_ffff, Color::White), ink(0, Color::Black));

const BLACK: Ink = ink(0, Color::Black);
const WHITE: Ink = ink(0x00ff_ffff, Color::White);
/// Text on a filled chip of the dark theme.
const NIGHT: Ink = ink(0x0016_161e, Color::Black);

/// The table, in the order of [`Role`].
const TABLE: [Row; 22] = {
    use Role as M;
    const fn row(role: M, dark: Pair, light: Pair, contrast: Pair, modifier: Modifier, plain: Modifier) -> Row {
        Row { role, dark, light, contrast, modifier, plain }
    }
    const DARK_ACCENT: Ink = ink(0x007d_abff, Color::Cyan);
    const LIGHT_ACCENT: Ink = ink(0x000b_57d0, Color::Blue);
    const CONTRAST_ACCENT: Ink = ink(0x005c_d6ff, Color::LightCyan);
    const DARK_OK: Ink = ink(0x009e_ce6a, Color::Green);
    const DARK_DENIED: Ink = ink(0x00ff_8497, Color::LightRed);
    const LIGHT_DENIED: Ink = ink(0x00b3_261e, Color::Red);
    const DARK_WARNING: Ink = ink(0x00e5_b567, Color::Yellow);
    const CONTRAST_OK: Ink = ink(0x004d_ff88, Color::LightGreen);
    const CONTRAST_DENIED: Ink = ink(0x00ff_8080, Color::LightRed);
    const CONTRAST_WARNING: Ink = ink(0x00ff_d83d, Color::LightYellow);
    [
        row(M::Plain, text(OWN), text(OWN), text(WHITE), NONE, NONE),
        row(M::Label, text(rgb(0x009a_a5ce)), text(rgb(0x004a_5568)), text(WHITE), NONE, NONE),
        row(M::Title, text(OWN), text(OWN), text(WHITE), BOLD, BOLD),
        row(M::Focused, text(DARK_ACCENT), text(LIGHT_ACCENT), text(CONTRAST_ACCENT), BOLD, BOLD),
        row(
            M::Selected,
            (ink(0x00ff_ffff, Color::Black), ink(0x002f_4a7d, Color::Gray)),
            (ink(0x000b_2a5b, Color::White), ink(0x00cf_e0ff, Color::Blue)),
            (BLACK, WHITE),
            NONE,
            REVERSED,
        ),
        row(M::Ok, text(DARK_OK), text(rgb(0x000b_6b35)), text(CONTRAST_OK), BOLD, BOLD),
        row(M::Denied, text(DARK_DENIED), text(LIGHT_DENIED), text(CONTRAST_DENIED), BOLD, BOLD),
        row(
            M::Unauthenticated,
            text(ink(0x00b4_bac8, Color::Gray)),
            text(rgb(0x0055_595f)),
            text(ink(0x00d8_d8d8, Color::Gray)),
            BOLD,
            BOLD,
        ),
        row(M::Warning, text(DARK_WARNING), text(ink(0x007a_4a00, Color::Magenta)), text(CONTRAST_WARNING), BOLD, BOLD),
        row(
            M::Hint,
            text(ink(0x009a_a2b1, Color::DarkGray)),
            text(rgb(0x005b_6370)),
            text(ink(0x00d0_d0d0, Color::Gray)),
            NONE,
            DIM,
        ),
        row(M::Key, text(DARK_ACCENT), text(LIGHT_ACCENT), text(CONTRAST_ACCENT), NONE, BOLD),
        row(
            M::Frame,
            text(ink(0x004f_5669, Color::DarkGray)),
            text(ink(0x00b4_bac4, Color::Gray)),
            text(ink(0x009a_9a9a, Color::Gray)),
            NONE,
            DIM,
        ),
        row(
            M::Faint,
            text(ink(0x0067_6e7d, Color::DarkGray)),
            text(ink(0x0095_9ba6, Color::DarkGray)),
            text(ink(0x0090_9090, Color::DarkGray)),
            NONE,
            DIM,
        ),
        row(
            M::Header,
            text(ink(0x00ff_9e64, Color::LightMagenta)),
            text(rgb(0x00a0_3c00)),
            text(ink(0x00ff_b366, Color::LightMagenta)),
            NONE,
            BOLD,
        ),
        row(
            M::Payload,
            text(rgb(0x00c8_a8ff)),
            text(ink(0x006f_2dbd, Color::LightBlue)),
            text(ink(0x00d9_b3ff, Color::White)),
            NONE,
            NONE,
        ),
        row(
            M::Signature,
            text(ink(0x007d_cfff, Color::LightCyan)),
            text(rgb(0x0000_607a)),
            text(ink(0x0080_e5ff, Color::LightCyan)),
            NONE,
            DIM,
        ),
        row(
            M::OkChip,
            (NIGHT, DARK_OK),
            (ink(0x00ff_ffff, Color::Black), ink(0x000f_7b3f, Color::Green)),
            (BLACK, CONTRAST_OK),
            BOLD,
            FILLED,
        ),
        row(M::DeniedChip, (NIGHT, DARK_DENIED), (WHITE, LIGHT_DENIED), (BLACK, CONTRAST_DENIED), BOLD, FILLED),
        row(
            M::UnauthenticatedChip,
            (WHITE, ink(0x005a_6070, Color::Black)),
            (WHITE, ink(0x005f_6368, Color::Black)),
            (BLACK, ink(0x00d8_d8d8, Color::Gray)),
            BOLD,
            REVERSED,
        ),
        row(
            M::WarningChip,
            (NIGHT, DARK_WARNING),
            (BLACK, ink(0x00ff_d24d, Color::Yellow)),
            (BLACK, CONTRAST_WARNING),
            BOLD,
            FILLED,
        ),
        row(
            M::Tag,
            (ink(0x00e6_e9f0, Color::White), ink(0x003a_4258, Color::Blue)),
            (ink(0x001f_2937, Color::White), ink(0x00dd_e3ec, Color::Black)),
            (WHITE, ink(0x0044_4444, Color::Black)),
            NONE,
            REVERSED,
        ),
        row(M::ScreenChip, (NIGHT, DARK_ACCENT), (WHITE, LIGHT_ACCENT), (BLACK, CONTRAST_ACCENT), BOLD, FILLED),
    ]
};

// A role is looked up by its index.
const _: () = {
    let mut n = 0;
    while n < TABLE.len() {
        assert!(TABLE[n].role as usize == n, "the table is not in the order of the roles");
        n += 1;
    }
};

/// The theme in use: it gives each role its style.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    choice: ThemeChoice,
    depth: Depth,
}

impl From<Look> for Theme {
    fn from(look: Look) -> Self {
        Self { choice: look.decided(), depth: look.depth }
    }
}

impl Theme {
    /// Returns the style of a role.
    pub fn of(self, role: Role) -> Style {
        let row = &TABLE[role as usize];
        let (fg, bg) = match self.choice {
            // A style with a colour would remove bold (crossterm under `NO_COLOR`).
            ThemeChoice::Plain => return Style::new().add_modifier(row.plain),
            ThemeChoice::Light => row.light,
            ThemeChoice::Contrast => row.contrast,
            ThemeChoice::Dark | ThemeChoice::Auto => row.dark,
        };
        let mut style = Style::new().add_modifier(row.modifier);
        style.fg = self.colour(fg);
        style.bg = self.colour(bg);
        style
    }

    /// Returns the style under everything; `None` leaves the terminal's own background.
    pub fn ground(self) -> Option<Style> {
        let (fg, bg) = (self.choice == ThemeChoice::Contrast).then_some(CONTRAST)?;
        Some(Style { fg: self.colour(fg), bg: self.colour(bg), ..Style::new() })
    }

    const fn colour(self, ink: Ink) -> Option<Color> {
        match (self.depth, ink.rgb) {
            (Depth::True, Some(rgb)) => Some(Color::from_u32(rgb)),
            (Depth::True, None) => None,
            (Depth::Sixteen, _) => ink.sixteen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::look::luminance;

    /// The sixteen colours in xterm's default palette.
    const XTERM: [(Color, u32); 16] = [
        (Color::Black, 0),
        (Color::Red, 0x00cd_0000),
        (Color::Green, 0x0000_cd00),
        (Color::Yellow, 0x00cd_cd00),
        (Color::Blue, 0x0000_00ee),
        (Color::Magenta, 0x00cd_00cd),
        (Color::Cyan, 0x0000_cdcd),
        (Color::Gray, 0x00e5_e5e5),
        (Color::DarkGray, 0x007f_7f7f),
        (Color::LightRed, 0x00ff_0000),
        (Color::LightGreen, 0x0000_ff00),
        (Color::LightYellow, 0x00ff_ff00),
        (Color::LightBlue, 0x005c_5cff),
        (Color::LightMagenta, 0x00ff_00ff),
        (Color::LightCyan, 0x0000_ffff),
        (Color::White, 0x00ff_ffff),
    ];

    /// Roles that do not have to be readable: lines, and text behind an overlay.
    const NOT_READ: [Role; 2] = [Role::Frame, Role::Faint];

    fn value(colour: Color) -> u32 {
        match colour {
            Color::Rgb(r, g, b) => u32::from_be_bytes([0, r, g, b]),
            named => XTERM.iter().find(|(known, _)| *known == named).expect("one of sixteen").1,
        }
    }

    /// Returns the contrast ratio of WCAG 2, from 1 to 21.
    fn ratio(a: u32, b: u32) -> f64 {
        let part = |colour: u32, shift: u32| f64::from(colour >> shift & 0xff) / 255.0;
        let of = |colour| luminance(part(colour, 16), part(colour, 8), part(colour, 0)) + 0.05;
        f64::max(of(a) / of(b), of(b) / of(a))
    }

    /// Each theme with the backgrounds that it is made for.
    const GROUNDS: [(ThemeChoice, &[u32]); 3] = [
        (ThemeChoice::Dark, &[0, 0x0016_161e, 0x0028_2c34]),
        (ThemeChoice::Light, &[0x00ff_ffff, 0x00f5_f5f5, 0x00fd_f6e3]),
        (ThemeChoice::Contrast, &[0]),
    ];

    #[test]
    fn every_role_can_be_read_on_its_background() {
        for (choice, grounds) in GROUNDS {
            for depth in [Depth::True, Depth::Sixteen] {
                let theme = Theme { choice, depth };
                // The sixteen colours are made for plain black and white.
                let grounds = if depth == Depth::True { grounds } else { &grounds[..1] };
                for (row, ground) in TABLE.iter().flat_map(|row| grounds.iter().map(move |ground| (row, *ground))) {
                    let style = theme.of(row.role);
                    // The terminal's own colours are the user's choice.
                    let (Some(fg), false) = (style.fg, NOT_READ.contains(&row.role)) else { continue };
                    let found = ratio(value(fg), style.bg.map_or(ground, value));
                    assert!(found >= 4.5, "{choice:?} {depth:?} {:?} on {ground:06x}: {found:.2}", row.role);
                }
            }
        }
    }

    #[test]
    fn a_colour_has_one_role() {
        let accent = [Role::Focused, Role::Key];
        for (choice, _) in GROUNDS {
            let theme = Theme { choice, depth: Depth::True };
            let colours: Vec<_> = TABLE
                .iter()
                .filter(|row| !NOT_READ.contains(&row.role) && row.role != accent[1])
                .map(|row| (theme.of(row.role), row.role))
                .filter(|(style, _)| style.bg.is_none() && style.fg.is_some_and(|fg| value(fg) != 0x00ff_ffff))
                .collect();
            for (n, (style, role)) in colours.iter().enumerate() {
                let other = colours[..n].iter().find(|(other, _)| other.fg == style.fg);
                assert!(other.is_none(), "{choice:?}: {role:?} looks like {:?}", other.map(|(_, other)| other));
            }
        }
    }

    #[test]
    fn plain_names_no_colour() {
        let plain = Theme { choice: ThemeChoice::Plain, depth: Depth::True };
        for row in &TABLE {
            let style = plain.of(row.role);
            assert_eq!((style.fg, style.bg), (None, None), "{:?}", row.role);
        }
        assert_eq!(plain.ground(), None);
    }
}
