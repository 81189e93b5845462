//! Findings of an inspection besides its verdict: odd, risky or misleading things in a token that no check refuses, and
//! explanations of some that a check refuses.

use std::fmt;
use std::str::Chars;

use super::algorithm::Algorithm;
use super::date::NumericDate;
use super::issuers::Issuer;
use super::keys::jwk::{self, JwkError};
use super::keys::{NearFit, RefusedKey, Verifier};
use super::lifetime::Lifetime;
use super::members::{self, Member};
use super::policy::Policy;
use crate::text::safe::{Hidden, hidden};
use crate::text::{self, Span, words};

/// One thing worth pointing out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sentence of each says what it is; fields are named for what they hold")]
pub enum Finding {
    AlgorithmNone,
    HmacUnderAsymmetric { alg: String },
    KeyInHeader { member: String },
    Encrypted,
    CutOff,
    Duplicate { name: String },
    WeakKey { bits: usize, alg: Algorithm },
    NoExpiry,
    Milliseconds { claim: String, meant: NumericDate },
    EndsBeforeStart { start: &'static str },
    LongLife { length: Span },
    Invisible { place: String, class: Hidden, found: char },
    NotAscii { place: String, found: char },
    UnknownPermission { permission: String },
    NoAudience { wanted: String },
    QuotedTime { claim: String, meant: NumericDate, millis: bool },
    Duration { claim: String, seconds: i64 },
    IssuedAhead { iat: NumericDate },
    GroupsLeftOut { member: &'static str },
    BoundToKey { method: String },
    SecretNearlyFits { fit: NearFit },
    RefusedKey { key: RefusedKey, count: usize },
    NoKid { keys: usize, alg: String },
    Sha1Thumbprint,
    IdTokenAccepted { is_bound: bool },
}

impl Finding {
    /// The finding's code, for scripts.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AlgorithmNone => "algorithm_none",
            Self::HmacUnderAsymmetric { .. } => "key_confusion",
            Self::KeyInHeader { .. } => "key_in_header",
            Self::Encrypted => "encrypted",
            Self::CutOff => "cut_off",
            Self::Duplicate { .. } => "duplicate_member",
            Self::WeakKey { .. } => "weak_key",
            Self::NoExpiry => "no_expiry",
            Self::Milliseconds { .. } => "milliseconds",
            Self::EndsBeforeStart { .. } => "ends_before_start",
            Self::LongLife { .. } => "long_life",
            Self::Invisible { .. } => "hidden_character",
            Self::NotAscii { .. } => "not_ascii",
            Self::UnknownPermission { .. } => "unknown_permission",
            Self::NoAudience { .. } => "no_audience",
            Self::QuotedTime { .. } => "quoted_time",
            Self::Duration { .. } => "duration",
            Self::IssuedAhead { .. } => "issued_ahead",
            Self::GroupsLeftOut { .. } => "groups_left_out",
            Self::BoundToKey { .. } => "bound_to_key",
            Self::SecretNearlyFits { .. } => "secret_nearly_fits",
            Self::RefusedKey { .. } => "refused_key",
            Self::NoKid { .. } => "no_kid",
            Self::Sha1Thumbprint => "sha1_thumbprint",
            Self::IdTokenAccepted { .. } => "id_token_accepted",
        }
    }
}

/// One sentence without a full stop. Safe to show.
impl fmt::Display for Finding {
    #[expect(clippy::too_many_lines, reason = "one arm for each finding, so that none is forgotten")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |text: &str| text::name(text, 48);
        match self {
            Self::AlgorithmNone => f.write_str("alg is none: the token is not signed, so anyone can make one"),
            Self::HmacUnderAsymmetric { alg } => {
                write!(
                    f,
                    "alg is {}, but the signature has 32 bytes like one of HS256: this may be a key confusion attack",
                    name(alg)
                )
            }
            Self::KeyInHeader { member } => {
                write!(f, "the header contains a key or the address of one ({}); it is ignored", name(member))
            }
            Self::Encrypted => f.write_str("encrypted (JWE): the claims cannot be read without the recipient's key"),
            Self::CutOff => f.write_str("looks cut off: the end is missing, as if only part of the token was copied"),
            Self::Duplicate { name: member } => {
                write!(f, "{} occurs twice, and parsers disagree on which one to use", name(member))
            }
            Self::WeakKey { bits, alg } => {
                write!(f, "weak key: {bits} bits, {alg} needs at least {} (RFC 7518 §3.2)", alg.strong_bits())
            }
            Self::NoExpiry => f.write_str("no exp: the token would never expire"),
            Self::Milliseconds { claim, meant } => {
                write!(
                    f,
                    "{} looks like milliseconds instead of seconds; as milliseconds it is {}",
                    name(claim),
                    meant.rfc3339()
                )
            }
            Self::EndsBeforeStart { start } => write!(f, "exp is not later than {start}"),
            Self::LongLife { length } => {
                write!(f, "very long lifetime: {}", words::span(Span::days(length.div_euclid(Span::DAY))))
            }
            Self::Invisible { place, class, found } => {
                write!(f, "{} contains {} (\\u{{{:x}}})", name(place), class.noun(), u32::from(*found))
            }
            Self::NotAscii { place, found } => {
                write!(
                    f,
                    "{} contains a non-ASCII character (U+{:04X}), which may look like another one",
                    name(place),
                    u32::from(*found)
                )
            }
            Self::UnknownPermission { permission } => {
                write!(f, "the policy does not use the permission {}", name(permission))
            }
            Self::NoAudience { wanted } => {
                write!(f, "no aud: the token is not bound to a server; expected {}", text::name(wanted, 100))
            }
            Self::QuotedTime { claim, meant, millis } => {
                let number = if *millis { "as milliseconds" } else { "as a number" };
                let (claim, meant) = (name(claim), meant.rfc3339());
                write!(f, "{claim} is a string, but a time must be a number; {number} it is {meant}")
            }
            Self::Duration { claim, seconds } => {
                let span = words::span(Span::seconds(*seconds));
                write!(
                    f,
                    "{} is {seconds}, expected seconds since 1970; it looks like a duration ({span})",
                    name(claim)
                )
            }
            Self::IssuedAhead { iat } => {
                write!(f, "iat is in the future ({}): check the clocks of the issuer and this machine", iat.rfc3339())
            }
            Self::GroupsLeftOut { member } => {
                write!(
                    f,
                    "the issuer left out the groups because there are too many ({member}); permissions that come from \
                     groups are missing; assign app roles instead"
                )
            }
            Self::BoundToKey { method } => {
                let how = match &**method {
                    "jkt" => ", DPoP",
                    "x5t#S256" => ", mutual TLS",
                    _ => "",
                };
                write!(f, "sender-constrained (cnf {}{how}): proof of possession is not checked here", name(method))
            }
            Self::SecretNearlyFits { fit } => write!(f, "the signature matches {fit}"),
            Self::RefusedKey { key, count: 1 } => {
                write!(f, "the issuer's key set has a key that cannot be used: {key}")
            }
            Self::RefusedKey { key, count } => {
                write!(f, "the issuer's key set has {count} keys that cannot be used, the first is {key}")
            }
            Self::NoKid { keys, alg } => {
                write!(
                    f,
                    "the header has no kid, and the issuer has {keys} {} keys: all are tried; the issuer should set kid",
                    name(alg)
                )
            }
            Self::Sha1Thumbprint => f.write_str(
                "the header has a SHA-1 thumbprint (x5t) without x5t#S256; it is ignored here, so select keys by kid",
            ),
            Self::IdTokenAccepted { is_bound } => {
                f.write_str("an ID token, accepted because the issuer has no other JWTs")?;
                let unbound = "; each client of the issuer gets one, so require your client's ID as the audience";
                f.write_str(if *is_bound { "" } else { unbound })
            }
        }
    }
}

/// A lifetime longer than this is reported as very long.
pub(super) const LONG: Span = Span::days(30);

/// The input of the findings: a token read as leniently as possible.
pub(super) struct Readable<'a> {
    pub header: &'a [Member<'a>],
    pub payload: &'a [Member<'a>],
    /// Whether the payload is a JSON object.
    pub is_object: bool,
    /// Whether header or payload is JSON that ends early.
    pub ends_early: bool,
    pub segments: usize,
    pub signature_bytes: usize,
    pub lifetime: Lifetime,
    pub keys: SelectedKeys<'a>,
    pub is_verified: bool,
    /// The issuer, if the token is an ID token that it accepts.
    pub accepted_id_of: Option<&'a Issuer>,
    pub policy: &'a Policy,
    /// The audience that the token should name, if it names none.
    pub audience: Option<&'a str>,
}

/// The keys of the token's issuer that its header selects.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SelectedKeys<'k> {
    /// The key that made the signature, or else the first one that is selected.
    pub key: Option<&'k Verifier>,
    /// How many are selected.
    pub count: usize,
    /// How the secret would have to be written for the signature to match, which it does not.
    pub near_fit: Option<NearFit>,
    /// The keys of the issuer that cannot be used.
    pub refused: &'k [RefusedKey],
}

/// Returns the findings, roughly in order of gravity, at most 24.
pub(super) fn find(token: &Readable<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(token.keys.near_fit.map(|fit| Finding::SecretNearlyFits { fit }));
    in_header(token, &mut found);
    of_keys(token, &mut found);
    for part in [token.header, token.payload] {
        found.extend(members::duplicate(part).map(|name| Finding::Duplicate { name: head(name) }));
    }
    if let Some(key) = token.keys.key.filter(|key| token.is_verified && key.is_weak()) {
        found.extend(key.algorithms().first().map(|alg| Finding::WeakKey { bits: key.bits(), alg: *alg }));
    }
    times(token, &mut found);
    provider(token, &mut found);
    letters(token, &mut found);
    permissions(token, &mut found);
    if let Some(wanted) = token.audience.filter(|_| token.is_object) {
        found.push(Finding::NoAudience { wanted: head(wanted) });
    }
    found.truncate(24);
    found
}

fn head(text: &str) -> String {
    text::head(text, 200).to_owned()
}

fn in_header(token: &Readable<'_>, found: &mut Vec<Finding>) {
    let alg = members::value(token.header, "alg").and_then(members::string).unwrap_or_default();
    if token.segments == 5 {
        found.push(Finding::Encrypted);
    } else if alg.eq_ignore_ascii_case("none") {
        found.push(Finding::AlgorithmNone);
    } else if alg.get(..2).is_some_and(|family| ["RS", "PS", "ES", "Ed"].contains(&family))
        && token.signature_bytes == 32
    {
        found.push(Finding::HmacUnderAsymmetric { alg: head(&alg) });
    }
    // An HS256 signature has 32 bytes; a shorter one is incomplete.
    let short = alg == Algorithm::Hs256.name() && token.segments == 3 && token.signature_bytes < 32;
    if token.segments < 4 && (token.ends_early || short || (token.segments == 2 && !alg.is_empty())) {
        found.push(Finding::CutOff);
    }
    for member in token.header.iter().filter(|m| ["jku", "jwk", "x5u", "x5c"].contains(&&*m.name)) {
        found.push(Finding::KeyInHeader { member: head(&member.name) });
    }
}

/// Reports how the header selects the issuer's keys, and keys that it would select if they could be used.
fn of_keys(token: &Readable<'_>, found: &mut Vec<Finding>) {
    let has = |name: &str| token.header.iter().any(|m| m.name == name);
    let kid = members::value(token.header, "kid").and_then(members::string).filter(|kid| !kid.is_empty());
    let is_meant = |key: &&RefusedKey| {
        let could_be = kid.is_none() || key.kid.is_none() || kid.as_deref() == key.kid.as_deref();
        // A key with alg none concerns every token of the issuer.
        key.why == JwkError::AlgorithmNone || key.is_fault() && !token.is_verified && could_be
    };
    let refused = jwk::by_reason(token.keys.refused.iter().filter(is_meant)).into_iter().take(3);
    found.extend(refused.map(|(key, count)| Finding::RefusedKey { key: key.clone(), count }));
    if kid.is_none() && token.keys.count > 1 {
        let alg = members::value(token.header, "alg").and_then(members::string).unwrap_or_default();
        found.push(Finding::NoKid { keys: token.keys.count, alg: head(&alg) });
    }
    if has("x5t") && !has("x5t#S256") {
        found.push(Finding::Sha1Thumbprint);
    }
}

fn times(token: &Readable<'_>, found: &mut Vec<Finding>) {
    let life = &token.lifetime;
    if token.is_object && token.payload.iter().all(|m| m.name != "exp") {
        found.push(Finding::NoExpiry);
    }
    for member in token.payload.iter().filter(|m| ["exp", "nbf", "iat"].contains(&&*m.name)) {
        // In seconds, numbers of this magnitude are beyond the year 33,000; in milliseconds, they are between 2001 and
        // 2286.
        if let Some(millis) = member.value.parse::<f64>().ok().filter(|n| (1e12..1e13).contains(n)) {
            #[expect(clippy::cast_possible_truncation, reason = "just checked to be below 1e13")]
            let meant = NumericDate::from_micros(millis as i64 * 1000);
            found.push(Finding::Milliseconds { claim: head(&member.name), meant });
        }
    }
    for member in token.payload.iter().filter(|m| ["exp", "nbf", "iat"].contains(&&*m.name)) {
        found.extend(quoted_time(member));
    }
    for (claim, at) in [("exp", life.exp), ("nbf", life.nbf), ("iat", life.iat)] {
        // Between a minute and ten years: as seconds since 1970, such a value would be long past.
        let seconds = at.filter(|at| at.past(Span::SECOND) == Span::ZERO).map(NumericDate::seconds);
        if let Some(seconds) = seconds.filter(|seconds| (60..=315_360_000).contains(seconds)) {
            found.push(Finding::Duration { claim: claim.to_owned(), seconds });
        }
    }
    let is_too_late = |start: Option<NumericDate>| start.zip(life.exp).is_some_and(|(start, exp)| start >= exp);
    let start = [("nbf", life.nbf), ("iat", life.iat)].into_iter().find(|(_, start)| is_too_late(*start));
    found.extend(start.map(|(start, _)| Finding::EndsBeforeStart { start }));
    if let Some(length) = life.length().filter(|length| *length > LONG) {
        found.push(Finding::LongLife { length });
    }
}

/// Reports a time that is written as a string of digits.
fn quoted_time(member: &Member<'_>) -> Option<Finding> {
    let digits = members::string(member.value)?;
    let digits = digits.trim();
    let is_number =
        digits.starts_with(|c: char| c.is_ascii_digit()) && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let seconds = is_number.then(|| NumericDate::from_json_number(digits))?;
    let millis = || {
        let millis: i64 =
            digits.parse().ok().filter(|millis| (1_000_000_000_000..10_000_000_000_000).contains(millis))?;
        Some((NumericDate::from_micros(millis.checked_mul(1000)?), true))
    };
    let (meant, millis) = seconds.map(|at| (at, false)).or_else(millis)?;
    Some(Finding::QuotedTime { claim: head(&member.name), meant, millis })
}

/// Reports what identity providers omit from a token, and what they require of its sender.
fn provider(token: &Readable<'_>, found: &mut Vec<Finding>) {
    let value = |name: &str| members::value(token.payload, name);
    let has_groups = |names: &[Member<'_>]| names.iter().any(|m| m.name == "groups");
    // Instead of more than 200 groups, Entra ID names their source; in implicit flows it sets `hasgroups`.
    if value("_claim_names").and_then(|names| members::parse(names.as_bytes()).ok()).is_some_and(|n| has_groups(&n)) {
        found.push(Finding::GroupsLeftOut { member: "_claim_names" });
    } else if value("hasgroups").is_some_and(|value| ["true", "\"true\""].contains(&value)) {
        found.push(Finding::GroupsLeftOut { member: "hasgroups" });
    }
    // RFC 7800; `jkt` is RFC 9449, `x5t#S256` RFC 8705.
    let confirmation = value("cnf").and_then(|cnf| members::parse(cnf.as_bytes()).ok()).unwrap_or_default();
    let accepted = token.accepted_id_of;
    found.extend(accepted.map(|issuer| Finding::IdTokenAccepted { is_bound: !issuer.audiences.is_empty() }));
    found.extend(confirmation.first().map(|m| Finding::BoundToKey { method: head(&m.name) }));
}

/// Claims that name a person or a thing, in which a look-alike letter deceives.
const NAMES: [&str; 5] = ["user_id", "permissions", "iss", "aud", "sub"];

fn letters(token: &Readable<'_>, found: &mut Vec<Finding>) {
    for member in token.header.iter().chain(token.payload).take(2000) {
        if plain(&member.name) && plain(member.value) {
            continue;
        }
        let place = || head(&member.name);
        let odd = |c| hidden(c).map(|class| (c, class));
        if let Some((letter, class)) = member.name.chars().chain(Letters(member.value.chars())).find_map(odd) {
            found.push(Finding::Invisible { place: place(), class, found: letter });
        } else if NAMES.contains(&&*member.name) {
            let foreign = Letters(member.value.chars()).find(|c| !c.is_ascii());
            found.extend(foreign.map(|found| Finding::NotAscii { place: place(), found }));
        }
        if found.len() > 24 {
            return;
        }
    }
}

/// Whether a JSON text contains only printable ASCII and no escapes.
fn plain(text: &str) -> bool {
    text.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'\\')
}

/// The characters of a JSON text with escapes resolved, for values that no parser reads as a whole.
struct Letters<'a>(Chars<'a>);

impl Letters<'_> {
    fn unit(&mut self) -> Option<u32> {
        (0..4).try_fold(0, |unit, _| Some(unit * 16 + self.0.next()?.to_digit(16)?))
    }
}

impl Iterator for Letters<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        match self.0.next()? {
            '\\' => {}
            // These occur only between values: in a string, JSON requires them to be escaped.
            '\n' | '\r' | '\t' => return Some(' '),
            c => return Some(c),
        }
        Some(match self.0.next()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let high = self.unit()?;
                let mut rest = Letters(self.0.clone());
                let escaped = rest.0.next() == Some('\\') && rest.0.next() == Some('u');
                match escaped.then(|| rest.unit()).flatten() {
                    Some(low @ 0xdc00..0xe000) if (0xd800..0xdc00).contains(&high) => {
                        self.0 = rest.0;
                        char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))?
                    }
                    _ => char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER),
                }
            }
            other => other,
        })
    }
}

fn permissions(token: &Readable<'_>, found: &mut Vec<Finding>) {
    let held = members::value(token.payload, "permissions").and_then(members::strings);
    for permission in held.unwrap_or_default().into_iter().take(50) {
        if !token.policy.names(&permission) {
            found.push(Finding::UnknownPermission { permission: head(&permission) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_read_as_json_spells_them() {
        for (json, letters) in [
            (r#""aA\n\u0041\ud83d\ude00""#, "\"aA\nA\u{1f600}\""),
            (r#""\ud83d""#, "\"\u{fffd}\""),
            (r#""\ud83d\u0041""#, "\"\u{fffd}A\""),
            (r#""\"\\\/""#, "\"\"\\/\""),
            ("[1,\n2]", "[1, 2]"),
        ] {
            assert_eq!(Letters(json.chars()).collect::<String>(), letters, "{json}");
        }
    }
}
