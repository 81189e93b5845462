//! Inspection of any string whatever: what can be read of it, what each check says, and what is odd about it.
//!
//! It never fails: a bad token is something to show. The verdict comes from the same functions as the gate's.

use std::sync::Arc;

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, alphabet};

use super::claims::{self, Claims};
use super::date::NumericDate;
use super::decision::{Check, Light, Passed, Reason};
use super::findings::{self, Finding, Readable};
use super::lifetime::{Lifetime, Phase};
use super::members::{self, Member};
use super::rules::{Examined, Rules, present, signature};
use super::token::{Split, TokenId};
use crate::text;

/// A part of the token, decoded as far as it goes.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// The decoded text; what is not UTF-8 is replaced.
    pub text: String,
    /// Its members in order, duplicates included: name, and the value's JSON text. Empty where it is no JSON object.
    pub members: Vec<(String, String)>,
    /// Why there are no members, in words that are safe to show.
    pub fault: Option<String>,
}

/// What there is to show of a token at any time, without its documents: the row of a list.
#[derive(Clone, Debug)]
pub struct Judged {
    /// `user_id`, or else `sub`, as it stands in the token and whether or not it is to be believed.
    pub name: Option<String>,
    /// `permissions` as they stand in the token.
    pub permissions: Vec<String>,
    /// `alg` as it stands in the token.
    pub alg: Option<String>,
    /// The token's times, as far as they can be read.
    pub lifetime: Lifetime,
    /// `exp` can be read, and so can `nbf` where there is one: the time can be checked, whatever else is wrong.
    times_readable: bool,
    examined: Result<Examined, Reason>,
    /// What each check says that does not depend on the clock; `None` where it could not be made.
    steps: [(Check, Option<Result<(), Reason>>); 6],
}

/// The token's state in one word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It would pass; the phase is `Live`, `Early` or `Grace`.
    Valid(Phase),
    /// Everything fits but the time; the phase is `NotYet` or `Expired`.
    OutOfTime(Phase, Reason),
    /// A check says no.
    Invalid(Reason),
    /// Signed in a way that cannot be checked here: neither valid nor invalid.
    NotVerified(Reason),
    /// There is no token.
    Absent,
}

impl Standing {
    /// The word shown, in capitals.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Valid(Phase::Grace { .. }) => "GRACE",
            Self::Valid(Phase::Early { .. }) => "VALID (early)",
            Self::Valid(_) => "VALID",
            Self::OutOfTime(Phase::NotYet { .. }, _) => "NOT YET VALID",
            Self::OutOfTime(..) => "EXPIRED",
            Self::Invalid(_) => "INVALID",
            Self::NotVerified(_) => "NOT VERIFIED",
            Self::Absent => "NO TOKEN",
        }
    }

    /// Why it would not pass.
    pub const fn reason(&self) -> Option<&Reason> {
        match self {
            Self::OutOfTime(_, reason) | Self::Invalid(reason) | Self::NotVerified(reason) => Some(reason),
            Self::Valid(_) | Self::Absent => None,
        }
    }
}

/// What one light says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LightState {
    /// Checked and good.
    Good,
    /// Checked and bad.
    Bad(Reason),
    /// Not checked.
    Unchecked,
}

impl Judged {
    /// The token's state at `now`.
    pub fn standing(&self, now: NumericDate) -> Standing {
        match &self.examined {
            Ok(examined) => match examined.at(now) {
                Ok(()) => Standing::Valid(self.lifetime.phase(now)),
                Err(reason) if reason.check() == Check::Time => Standing::OutOfTime(self.lifetime.phase(now), reason),
                Err(reason) => Standing::Invalid(reason),
            },
            Err(Reason::MissingToken) => Standing::Absent,
            Err(reason) if foreign(reason) => Standing::NotVerified(reason.clone()),
            Err(reason) => Standing::Invalid(reason.clone()),
        }
    }

    /// The light's state at `now`: the first failure among its checks, else good if every one of them was made.
    pub fn light(&self, light: Light, now: NumericDate) -> LightState {
        let steps = self.steps(now).into_iter().filter(|(check, _)| check.light() == Some(light));
        let mut state = LightState::Good;
        for (_, step) in steps {
            match step {
                Some(Err(reason)) if !foreign(&reason) => return LightState::Bad(reason),
                Some(Ok(())) => {}
                Some(Err(_)) | None => state = LightState::Unchecked,
            }
        }
        state
    }

    /// Every check of a token in order, with what it says at `now`, or `None` where it could not be made.
    pub fn steps(&self, now: NumericDate) -> Vec<(Check, Option<Result<(), Reason>>)> {
        let mut steps = self.steps.to_vec();
        let well_formed = self.steps.iter().any(|(check, step)| *check == Check::Structure && *step == Some(Ok(())));
        let at = steps.iter().position(|(check, _)| *check > Check::Time).unwrap_or(steps.len());
        steps.insert(at, (Check::Time, (well_formed && self.times_readable).then(|| self.lifetime.check(now))));
        steps
    }

    /// The steps as a trace: check, sign, and the sentence of what failed.
    pub fn trace(&self, now: NumericDate) -> Vec<(Check, Passed, Option<Reason>)> {
        let told = |(check, step)| match step {
            Some(Ok(())) => (check, Passed::Yes, None),
            Some(Err(reason)) => (check, Passed::No, Some(reason)),
            None => (check, Passed::NotReached, None),
        };
        self.steps(now).into_iter().map(told).collect()
    }

    /// Whether the signature was checked and does not fit.
    pub fn bad_signature(&self) -> bool {
        matches!(self.examined, Err(Reason::BadSignature))
    }
}

/// Signed with an algorithm for which there is no key here, so nothing can be said about the signature.
fn foreign(reason: &Reason) -> bool {
    match reason {
        Reason::AlgorithmRefused { found: Some(alg), .. } => !alg.eq_ignore_ascii_case("none"),
        Reason::UnknownKey { .. } => true,
        _ => false,
    }
}

/// Everything there is to show of one string.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The string.
    pub token: Arc<str>,
    /// The name the token goes by.
    pub id: TokenId,
    /// The length of each segment, in bytes; dots not counted.
    pub segments: Vec<usize>,
    /// The first segment.
    pub header: Document,
    /// The second segment.
    pub payload: Document,
    /// What the gate says of it.
    pub judged: Judged,
    /// What is odd about it.
    pub findings: Vec<Finding>,
}

/// For showing only: padded or not, trailing bits or not.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The bytes of a segment, as far as they can be read.
fn readable(segment: &str) -> Vec<u8> {
    let plain = segment.trim_end_matches('=').replace('+', "-").replace('/', "_");
    let good = plain.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')).count();
    // One character alone holds less than a byte.
    let good = if good % 4 == 1 { good - 1 } else { good };
    LENIENT.decode(&plain.as_bytes()[..good]).unwrap_or_default()
}

fn document(bytes: &[u8], read: &Result<Vec<Member<'_>>, members::Fault>) -> Document {
    let members = read.as_ref().map(|list| list.iter().map(|m| (m.name.to_string(), m.value.to_owned())).collect());
    Document {
        text: String::from_utf8_lossy(bytes).into_owned(),
        fault: members.as_ref().err().map(ToString::to_string),
        members: members.unwrap_or_default(),
    }
}

impl Rules {
    /// Reads and judges any string whatever.
    pub fn inspect(&self, token: impl Into<Arc<str>>) -> Inspection {
        let token: Arc<str> = token.into();
        let mut parts = token.split('.');
        let first = readable(parts.next().unwrap_or_default());
        let second = readable(parts.next().unwrap_or_default());
        let signature_bytes = readable(parts.next().unwrap_or_default()).len();
        let header = members::parse(&first);
        let payload = members::parse(&second);
        let judged = self.judge(&token, header.as_deref().unwrap_or_default(), payload.as_deref().unwrap_or_default());
        let segments: Vec<usize> = token.split('.').map(str::len).take(64).collect();
        let verified = judged.steps.iter().any(|(check, step)| *check == Check::Signature && *step == Some(Ok(())));
        let findings = findings::find(&Readable {
            header: header.as_deref().unwrap_or_default(),
            payload: payload.as_deref().unwrap_or_default(),
            segments: segments.len(),
            signature_bytes,
            lifetime: judged.lifetime,
            verified_by: verified.then(|| self.keys.signing()),
            policy: &self.policy,
        });
        Inspection {
            id: TokenId::of(&token),
            header: document(&first, &header),
            payload: document(&second, &payload),
            token,
            segments,
            judged,
            findings,
        }
    }

    fn judge(&self, token: &str, header: &[Member<'_>], payload: &[Member<'_>]) -> Judged {
        let value = |part: &[Member<'_>], name: &str| part.iter().find(|m| m.name == name).map(|m| m.value.to_owned());
        let string =
            |part, name| value(part, name).and_then(|value| members::string(&value).map(std::borrow::Cow::into_owned));
        let time = |name| value(payload, name).and_then(|value| NumericDate::from_json_number(&value));
        Judged {
            name: string(payload, "user_id")
                .or_else(|| string(payload, "sub"))
                .map(|name| text::head(&name, 1024).to_owned()),
            permissions: value(payload, "permissions").and_then(|value| claims::strings(&value)).unwrap_or_default(),
            alg: string(header, "alg"),
            lifetime: Lifetime { iat: time("iat"), nbf: time("nbf"), exp: time("exp"), leeway: self.leeway },
            times_readable: time("exp").is_some() && (time("nbf").is_some() || value(payload, "nbf").is_none()),
            examined: self.examine(token),
            steps: self.steps(token),
        }
    }

    /// Every check that can be made, each by the function that the gate uses.
    fn steps(&self, token: &str) -> [(Check, Option<Result<(), Reason>>); 6] {
        let present = present(token);
        let split = Split::new(token);
        let parts = split.as_ref().map_err(Clone::clone).and_then(Split::members);
        let absent = matches!(present, Err(Reason::MissingToken));
        let structure = (!absent).then(|| parts.as_ref().map(|_| ()).map_err(|fault| Reason::Malformed(fault.clone())));
        let parts = parts.ok();
        let header = parts.as_ref().map(|(header, _)| self.header(header));
        let key = header.as_ref().and_then(|header| header.as_ref().ok());
        let signature = key.zip(split.as_ref().ok()).map(|(key, split)| signature(key, split));
        let claims = parts.as_ref().map(|(_, payload)| Claims::read(payload));
        let binding = claims.as_ref().and_then(|claims| claims.as_ref().ok()).map(|claims| self.binding(claims));
        [
            (Check::Present, Some(present)),
            (Check::Structure, structure),
            (Check::Header, header.as_ref().map(|header| header.as_ref().map(|_| ()).map_err(Clone::clone))),
            (Check::Signature, signature),
            (Check::Claims, claims.map(|claims| claims.map(|_| ()))),
            (Check::Binding, binding),
        ]
    }
}
