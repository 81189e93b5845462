//! Inspection of any string whatever: what can be read of it, what each check says, and what is odd about it.
//!
//! It never fails: a bad token is something to show. The verdict comes from the same functions as the gate's.

use std::borrow::Cow;
use std::sync::Arc;

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, alphabet};

use super::check::Check;
use super::claims::{self, Claims};
use super::date::NumericDate;
use super::findings::{self, Finding, Readable};
use super::issuers::Audience;
use super::judged::{Examined, Judged, Steps};
use super::keys::Verifier;
use super::lifetime::Lifetime;
use super::members::{self, Member};
use super::proof::Principal;
use super::reason::Reason;
use super::rules::{Rules, present, signature, verifier};
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
            let length = exp.since(now);
            found.extend((length > findings::LONG).then_some(Finding::LongLife { length }));
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
        let (judged, key) =
            self.judge(&token, header.as_deref().unwrap_or_default(), payload.as_deref().unwrap_or_default());
        let segments: Vec<usize> = token.split('.').map(str::len).take(64).collect();
        let verified = judged.steps.iter().any(|(check, step)| *check == Check::Signature && *step == Some(Ok(())));
        let findings = findings::find(&Readable {
            header: header.as_deref().unwrap_or_default(),
            payload: payload.as_deref().unwrap_or_default(),
            segments: segments.len(),
            signature_bytes,
            lifetime: judged.lifetime,
            verified_by: key.filter(|_| verified),
            policy: &self.policy,
            audience: self.audience().map(|audience| &**audience),
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

    /// What lists show of a principal that rules with the same keys have verified, of whose token only the hash is known.
    pub fn judge_again(&self, principal: &Principal, token: TokenId) -> Judged {
        let lifetime = principal.lifetime(self.leeway);
        let issuer = self.issuers.named(principal.iss.as_deref());
        let binding = issuer.and_then(|issuer| issuer.binding(principal, Audience::Required));
        let revocation = self.revoked.check_id(token, principal.jti.as_deref());
        let before = [Check::Present, Check::Structure, Check::Header, Check::Signature, Check::Claims, Check::Time];
        let [present, structure, header, signature, claims, time] = before.map(|check| (check, Some(Ok(()))));
        let binding_step = (Check::Binding, Some(binding.clone()));
        let revocation_step = (Check::Revocation, Some(revocation.clone()));
        Judged {
            name: Some(text::head(&principal.user_id, 1024).to_owned()),
            permissions: principal.permissions.clone(),
            jti: principal.jti.as_deref().map(|jti| text::head(jti, 256).to_owned()),
            alg: None,
            lifetime,
            examined: Ok(Examined { claims: principal.clone().into_claims(), lifetime, binding, revocation }),
            steps: [present, structure, header, signature, claims, time, binding_step, revocation_step],
        }
    }

    /// What the checks say, and the key that the header asks for.
    fn judge(&self, token: &str, header: &[Member<'_>], payload: &[Member<'_>]) -> (Judged, Option<&Verifier>) {
        let (examined, steps, key) = self.steps(token);
        let string = |part, name| value(part, name).and_then(members::string);
        let time = |name| value(payload, name).and_then(NumericDate::from_json_number);
        let judged = Judged {
            name: string(payload, "user_id")
                .or_else(|| string(payload, "sub"))
                .map(|name| text::head(&name, 1024).to_owned()),
            permissions: value(payload, "permissions")
                .and_then(claims::strings)
                .map(|all| all.into_iter().map(Cow::into_owned).collect())
                .unwrap_or_default(),
            jti: string(payload, "jti").map(|jti| text::head(&jti, 256).to_owned()),
            alg: string(header, "alg").map(Cow::into_owned),
            lifetime: Lifetime { iat: time("iat"), nbf: time("nbf"), exp: time("exp"), leeway: self.leeway },
            examined,
            steps,
        };
        (judged, key)
    }

    /// Every check that can be made, each by the function that the gate uses, and what comes of those in their order.
    fn steps(&self, token: &str) -> (Result<Examined, Reason>, Steps, Option<&Verifier>) {
        let present = present(token);
        let absent = matches!(present, Err(Reason::MissingToken));
        let split = Split::new(token);
        let header = split.as_ref().ok().map(Split::header);
        let payload = split.as_ref().ok().map(Split::payload);
        let faults = [split.as_ref().err(), fault(header.as_ref()), fault(payload.as_ref())];
        let structure =
            faults.into_iter().flatten().next().map_or(Ok(()), |fault| Err(Reason::Malformed(fault.clone())));
        let (header, payload) = (header.and_then(Result::ok), payload.and_then(Result::ok));
        let issuer = payload.as_ref().map(|payload| self.issuers.select(payload));
        // A payload that cannot be read names no issuer; what its header asks for is still worth reporting.
        let chosen = issuer.unwrap_or(Ok(self.issuers.own()));
        let key = header.as_ref().map(|header| chosen.clone().and_then(|issuer| verifier(issuer, header)));
        let held = key.as_ref().and_then(|key| key.as_ref().ok()).copied();
        let signature = held.zip(split.as_ref().ok());
        let claims = payload.as_ref().map(|payload| Claims::read(payload));
        let examined = match (&claims, &chosen) {
            (Some(Ok(claims)), Ok(issuer)) => Some(self.examined(token, issuer, claims.clone())),
            _ => None,
        };
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
        (examined, steps, held)
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
