//! Inspection of any string whatever: what can be read of it, what each check says, and what is odd about it.
//!
//! It never fails: a bad token is something to show. The verdict comes from the same functions as the gate's.

use std::borrow::Cow;
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
use super::token::{Fault, Split, TokenId};
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

/// What one check says.
type Step = Result<(), Reason>;

/// What each check of a token says, in order; `None` where it could not be made.
type Steps = [(Check, Option<Step>); 8];

/// What there is to show of a token at any time, without its documents: the row of a list.
#[derive(Clone, Debug)]
pub struct Judged {
    /// `user_id`, or else `sub`, as it stands in the token and whether or not it is to be believed.
    pub name: Option<String>,
    /// `permissions` as they stand in the token.
    pub permissions: Vec<String>,
    /// `jti` as it stands in the token.
    pub jti: Option<String>,
    /// `alg` as it stands in the token.
    pub alg: Option<String>,
    /// The token's times, as far as they can be read.
    pub lifetime: Lifetime,
    examined: Result<Examined, Reason>,
    /// What each check says that does not depend on the clock; `None` where it could not be made. For the time it is
    /// only told whether it can be made.
    steps: Steps,
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
            Self::Invalid(Reason::Revoked { .. }) => "REVOKED",
            Self::Invalid(_) => "INVALID",
            Self::NotVerified(_) => "NOT VERIFIED",
            Self::Absent => "NO TOKEN",
        }
    }

    /// The state as scripts read it.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Valid(Phase::Grace { .. }) => "grace",
            Self::Valid(Phase::Early { .. }) => "early",
            Self::Valid(_) => "valid",
            Self::OutOfTime(Phase::NotYet { .. }, _) => "not_yet_valid",
            Self::OutOfTime(..) => "expired",
            Self::Invalid(Reason::Revoked { .. }) => "revoked",
            Self::Invalid(_) => "invalid",
            Self::NotVerified(_) => "not_verified",
            Self::Absent => "no_token",
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
    /// The claims at `now`, or why they count for nothing.
    pub(super) fn claims(&self, now: NumericDate) -> Result<&Claims, Reason> {
        self.examined.as_ref().map_err(Clone::clone)?.claims(now)
    }

    /// The permissions that count at `now`: those of a token that passes every check of its own.
    pub fn held(&self, now: NumericDate) -> Option<&[String]> {
        Some(&self.examined.as_ref().ok()?.claims(now).ok()?.permissions)
    }

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
        let mut state = LightState::Good;
        for (check, step) in self.steps.iter().filter(|(check, _)| check.light() == Some(light)) {
            match self.step(*check, step.as_ref(), now).as_deref() {
                Some(Err(reason)) if !foreign(reason) => return LightState::Bad(reason.clone()),
                Some(Ok(())) => {}
                Some(Err(_)) | None => state = LightState::Unchecked,
            }
        }
        state
    }

    /// Every check of a token in order, with what it says at `now`, or `None` where it could not be made.
    pub fn steps(&self, now: NumericDate) -> Vec<(Check, Option<Step>)> {
        let at =
            |(check, step): &(Check, Option<_>)| (*check, self.step(*check, step.as_ref(), now).map(Cow::into_owned));
        self.steps.iter().map(at).collect()
    }

    fn step<'s>(&self, check: Check, step: Option<&'s Step>, now: NumericDate) -> Option<Cow<'s, Step>> {
        step.map(|step| if check == Check::Time { Cow::Owned(self.lifetime.check(now)) } else { Cow::Borrowed(step) })
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

/// Everything there is to show of one string. It holds a token, so it has no `Debug`.
#[derive(Clone)]
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
    /// What is odd about it, whatever time it is.
    pub findings: Vec<Finding>,
}

impl Inspection {
    /// What is odd about it at `now`. A token that does not say when its life began can only be told to be long-lived
    /// by what is left of it.
    pub fn findings_at(&self, now: NumericDate) -> Vec<Finding> {
        let mut found = self.findings.clone();
        let life = &self.judged.lifetime;
        if let Some(exp) = life.exp.filter(|_| life.nbf.or(life.iat).is_none()) {
            let micros = exp.since(now);
            found.extend((micros > findings::LONG).then_some(Finding::LongLife { micros }));
        }
        found
    }
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
    if let Ok(bytes) = LENIENT.decode(segment) {
        return bytes;
    }
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
            verified_by: self.keys.signing().filter(|_| verified),
            policy: &self.policy,
            audience: self.audience.as_deref().filter(|_| self.audience_may_lack),
            is_object: payload.is_ok(),
            ends_early: [header.as_ref(), payload.as_ref()]
                .iter()
                .any(|part| matches!(part, Err(members::Fault::EndsEarly(at)) if *at > 0)),
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
        let (examined, steps) = self.steps(token);
        let string = |part, name| value(part, name).and_then(members::string);
        let time = |name| value(payload, name).and_then(NumericDate::from_json_number);
        Judged {
            name: string(payload, "user_id")
                .or_else(|| string(payload, "sub"))
                .map(|name| text::head(&name, 1024).to_owned()),
            permissions: value(payload, "permissions")
                .and_then(claims::strings)
                .map(|all| all.into_iter().map(Cow::into_owned).collect())
                .unwrap_or_default(),
            jti: string(payload, "jti").map(|jti| text::head(&jti, 256).to_owned()),
            alg: string(header, "alg").map(Cow::into_owned),
            lifetime: Lifetime { iat: time("iat"), nbf: time("nbf"), exp: time("exp"), leeway: self.leeway.micros() },
            examined,
            steps,
        }
    }

    /// Every check that can be made, each by the function that the gate uses, and what comes of those in their order.
    fn steps(&self, token: &str) -> (Result<Examined, Reason>, Steps) {
        let present = present(token);
        let absent = matches!(present, Err(Reason::MissingToken));
        let split = Split::new(token);
        let header = split.as_ref().ok().map(Split::header);
        let payload = split.as_ref().ok().map(Split::payload);
        let faults = [split.as_ref().err(), fault(header.as_ref()), fault(payload.as_ref())];
        let structure =
            faults.into_iter().flatten().next().map_or(Ok(()), |fault| Err(Reason::Malformed(fault.clone())));
        let (header, payload) = (header.and_then(Result::ok), payload.and_then(Result::ok));
        let key = header.as_ref().map(|header| self.header(header));
        let signature = key.as_ref().and_then(|key| key.as_ref().ok()).zip(split.as_ref().ok());
        let claims = payload.as_ref().map(|payload| Claims::read(payload));
        let examined =
            claims.as_ref().and_then(|claims| claims.clone().ok()).map(|claims| self.examined(token, claims));
        let steps = [
            (Check::Present, Some(present)),
            (Check::Structure, (!absent).then_some(structure)),
            (Check::Header, key.as_ref().map(|key| key.as_ref().map(|_| ()).map_err(Clone::clone))),
            (Check::Signature, signature.map(|(key, split)| self::signature(key, split))),
            (Check::Claims, claims.map(|claims| claims.map(|_| ()))),
            (Check::Time, payload.filter(|payload| times_are_readable(payload)).map(|_| Ok(()))),
            (Check::Binding, examined.as_ref().map(|examined| examined.binding.clone())),
            (Check::Revocation, examined.as_ref().map(|examined| examined.revocation.clone())),
        ];
        // Where none of these failed, the claims were read.
        let mut failed = steps.iter().take(5).filter_map(|(_, step)| step.clone()?.err());
        let examined = failed.next().map_or_else(|| examined.ok_or(Reason::MissingToken), Err);
        (examined, steps)
    }
}

fn value<'m>(part: &[Member<'m>], name: &str) -> Option<&'m str> {
    part.iter().find(|m| m.name == name).map(|m| m.value)
}

fn fault<T>(part: Option<&Result<T, Fault>>) -> Option<&Fault> {
    part.and_then(|part| part.as_ref().err())
}

/// Whether `exp` is there, and with `nbf` a time: a time that cannot be read must not count as one that fits.
fn times_are_readable(payload: &[Member<'_>]) -> bool {
    let mut times = payload.iter().filter(|m| m.name == "exp" || m.name == "nbf");
    payload.iter().any(|m| m.name == "exp") && times.all(|m| NumericDate::from_json_number(m.value).is_some())
}
