//! Inspection of any string: what can be read of it, the result of each check, and what is odd about it.
//!
//! It never fails: a bad token is something to show. The verdict is computed by the functions that the gate uses.

use std::borrow::Cow;
use std::sync::Arc;

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, alphabet};

use super::audience::{AudienceClaim, Audiences};
use super::check::{Check, CheckResult};
use super::claims::Claims;
use super::date::NumericDate;
use super::decision::Decision;
use super::evaluation::{self, Evaluation, Examined, Step, Steps};
use super::findings::{self, Finding, Readable, SelectedKeys};
use super::granted;
use super::issuers::{Audience, Issuer};
use super::keys::Candidates;
use super::kind::{IdTokens, TokenKind};
use super::leeway::Leeway;
use super::lifetime::Lifetime;
use super::mapping::ClaimPath;
use super::members::{self, Member, value};
use super::proof::Principal;
use super::reason::Reason;
use super::rules::{Rules, candidates, signature};
use super::token::{Fault, Split, TokenId};
use crate::text;

/// A part of the token, decoded as far as possible.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// The decoded text; bytes that are not UTF-8 are replaced.
    pub text: String,
    /// Its members in order, duplicates included: name, and the value's JSON text. Empty if it is not a JSON object.
    pub members: Vec<(String, String)>,
    /// Why it has no members, in words that are safe to show.
    pub fault: Option<String>,
}

/// The longest value in a report, in characters, and the most values in a list.
const VALUE: usize = 1024;
const VALUES: usize = 64;

/// Everything that can be shown of one string. It contains a token, so it does not implement `Debug`.
#[derive(Clone)]
pub struct Inspection {
    /// The string.
    pub token: Arc<str>,
    /// The token's ID.
    pub id: TokenId,
    /// The length of each segment, in bytes, without the dots.
    pub segments: Vec<usize>,
    /// The first segment.
    pub header: Document,
    /// The second segment.
    pub payload: Document,
    /// The evaluation of the token by the rules.
    pub judged: Evaluation,
    /// Findings that do not depend on the time.
    pub findings: Vec<Finding>,
}

/// One line of a report: a check, or half of one, with the values that it compared. Everything is safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportRow {
    /// The check.
    pub check: Check,
    /// The check's label; issuer and audience, which are one check, have a row each.
    pub label: &'static str,
    /// Its result.
    pub passed: CheckResult,
    /// Why it failed; `None` if it did not.
    pub reason: Option<Reason>,
    /// The value in the token, in full, if the check compares one.
    pub found: Option<String>,
    /// The value that passes; `None` if any value passes or nothing is compared.
    pub wanted: Option<String>,
}

/// A token's `iss`, `aud` and `jti`, read leniently.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedClaims {
    /// `iss`, if it is a string.
    pub iss: Option<String>,
    /// The audiences of `aud`.
    pub aud: Vec<String>,
    /// `jti`, if it is a string.
    pub jti: Option<String>,
}

impl Inspection {
    /// The token's `iss`, `aud` and `jti`.
    pub fn named(&self) -> NamedClaims {
        let value = |name| value_of(&self.payload, name);
        let string = |name| value(name).and_then(members::string).map(Cow::into_owned);
        let aud = value("aud").map(|aud| Audiences::read(AudienceClaim::Aud, aud).names).unwrap_or_default();
        NamedClaims { iss: string("iss"), aud: aud.into_iter().map(Cow::into_owned).collect(), jti: string("jti") }
    }

    /// The audiences that the rules compare: those of the claim that the token's issuer names them in.
    pub fn audiences(&self, rules: &Rules) -> Vec<String> {
        let named = self.named();
        let Ok(issuer) = rules.issuers.named(named.iss.as_deref(), None) else { return named.aud };
        let audiences = issuer.mapping.audiences(|name| value_of(&self.payload, name));
        audiences.map(|aud| aud.names.into_iter().map(Cow::into_owned).collect()).unwrap_or_default()
    }

    /// The `kid` of the header, if it is a string.
    pub fn kid(&self) -> Option<String> {
        value_of(&self.header, "kid").and_then(members::string).map(Cow::into_owned)
    }

    /// Whether the payload has a claim with exactly this name.
    pub fn has_claim(&self, name: &str) -> bool {
        value_of(&self.payload, name).is_some()
    }

    /// The findings that explain why no key verifies the signature: that a secret nearly fits it, and keys of the issuer
    /// that cannot be used. Empty if a key verifies it.
    pub fn key_hints(&self) -> impl Iterator<Item = &Finding> {
        let is_of_key = |check: &Check| matches!(check, Check::Header | Check::Signature);
        let failed = self.judged.steps.iter().any(|(check, step)| is_of_key(check) && matches!(step, Some(Err(_))));
        let explains =
            |finding: &&Finding| matches!(finding, Finding::SecretNearlyFits { .. } | Finding::RefusedKey { .. });
        self.findings.iter().filter(explains).take(if failed { usize::MAX } else { 0 })
    }

    /// Every check with its result at `now`, and the found and expected values.
    pub fn report(&self, rules: &Rules, now: NumericDate) -> Vec<ReportRow> {
        let mut rows = Vec::new();
        for (check, step) in self.judged.steps(now) {
            if check == Check::Binding {
                rows.extend(self.binding_rows(rules));
                continue;
            }
            let (passed, reason) = evaluation::outcome(step);
            let (found, wanted) = match check {
                Check::Time => self.times(now),
                Check::Revocation => {
                    let jti = self.named().jti.map(|jti| format!("jti {}", text::name(&jti, VALUE)));
                    (jti, None)
                }
                _ => (None, None),
            };
            rows.push(ReportRow { check, label: check.label(), passed, reason, found, wanted });
        }
        rows
    }

    fn binding_rows(&self, rules: &Rules) -> [ReportRow; 2] {
        let (iss, aud) = (self.named().iss, self.audiences(rules));
        let (issuers, audiences) = rules.expected(iss.as_deref());
        let list = |names: &[&str], join| (!names.is_empty()).then(|| text::names(names.iter(), VALUE, VALUES, join));
        let texts = |names: &[Arc<str>]| list(&names.iter().map(|name| &**name).collect::<Vec<_>>(), " or ");
        let aud: Vec<&str> = aud.iter().map(String::as_str).collect();
        let values = [(iss.map(|iss| text::name(&iss, VALUE)), texts(&issuers)), (list(&aud, ", "), texts(&audiences))];
        let [issuer, audience] = self.judged.binding.clone();
        let row = |label, step: Option<_>, (found, wanted)| {
            let (passed, reason) = evaluation::outcome(step);
            ReportRow { check: Check::Binding, label, passed, reason, found, wanted }
        };
        let [of_issuer, of_audience] = values;
        [row("issuer", issuer, of_issuer), row("audience", audience, of_audience)]
    }

    /// The times that the time check compares at `now`, and the time that they should include.
    fn times(&self, now: NumericDate) -> (Option<String>, Option<String>) {
        let life = &self.judged.lifetime;
        let times = [("nbf", life.nbf), ("exp", life.exp)];
        let told: Vec<String> =
            times.iter().filter_map(|(name, at)| Some(format!("{name} {}", (*at)?.rfc3339()))).collect();
        let leeway = if life.leeway == Leeway::NONE { String::new() } else { format!(" (leeway {})", life.leeway) };
        let wanted = match (life.nbf, life.exp) {
            (None, None) => None,
            (None, Some(_)) => Some(format!("later than {}{leeway}", now.rfc3339())),
            (Some(_), _) => Some(format!("around {}{leeway}", now.rfc3339())),
        };
        ((!told.is_empty()).then(|| told.join(", ")), wanted)
    }

    /// The findings at `now`. If a token does not say when its lifetime began, only its remaining time can show that it
    /// is very long.
    pub fn findings_at(&self, now: NumericDate) -> Vec<Finding> {
        let mut found = self.findings.clone();
        let life = &self.judged.lifetime;
        if let Some(iat) = life.iat.filter(|iat| *iat > now.plus(life.leeway.span())) {
            found.push(Finding::IssuedAhead { iat });
        }
        if let Some(exp) = life.exp.filter(|_| life.nbf.or(life.iat).is_none()) {
            let length = exp.since(now);
            found.extend((length > findings::LONG).then_some(Finding::LongLife { length }));
        }
        found
    }
}

/// Returns the JSON text of a member.
pub(super) fn value_of<'d>(document: &'d Document, name: &str) -> Option<&'d str> {
    document.members.iter().find(|(member, _)| member == name).map(|(_, value)| &**value)
}

/// Lenient base64url, for display only: accepts padding, and bits in the last character that no byte uses.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Decodes a segment as far as it is readable.
fn readable(segment: &str) -> Vec<u8> {
    if let Ok(bytes) = LENIENT.decode(segment) {
        return bytes;
    }
    let plain = segment.trim_end_matches('=').replace('+', "-").replace('/', "_");
    let good = plain.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')).count();
    // A single remaining character encodes less than a byte.
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
    /// The issuers and audiences that a token with this `iss` is compared with; an empty list accepts any.
    pub fn expected(&self, iss: Option<&str>) -> (Vec<Arc<str>>, Arc<[Arc<str>]>) {
        if let Ok(issuer) = self.issuers.named(iss, None) {
            return (issuer.name.iter().cloned().collect(), Arc::clone(&issuer.audiences));
        }
        let names = self.issuers.iter().filter_map(|issuer| issuer.name.clone()).collect();
        (names, self.issuers.all_audiences().unwrap_or_default())
    }

    /// Returns the reasons why a previewed call would be refused besides the one in the decision: those of checks that
    /// were not reached and that would fail by themselves. The permissions are those written in the token, verified or
    /// not.
    pub fn also_refuses(
        &self,
        decision: &Decision,
        judged: Option<&Evaluation>,
        tool: &str,
        now: NumericDate,
    ) -> Vec<Reason> {
        let (Some(reason), Some(judged)) = (decision.reason(), judged) else {
            return Vec::new();
        };
        let mut also = judged.failures(now);
        also.retain(|other| other != reason);
        // A token without readable permissions lacks a claim, which has been reported already.
        if reason.check() < Check::Tool && !judged.permissions.is_empty() {
            also.extend(self.decide_holding(&judged.permissions, tool).result.err());
        }
        also
    }

    /// Reads and judges any string.
    pub fn inspect(&self, token: impl Into<Arc<str>>) -> Inspection {
        let token: Arc<str> = token.into();
        let mut parts = token.split('.');
        let first = readable(parts.next().unwrap_or_default());
        let second = readable(parts.next().unwrap_or_default());
        let signature_bytes = readable(parts.next().unwrap_or_default()).len();
        let header = members::parse(&first);
        let payload = members::parse(&second);
        let (judged, keys, issuer) = self.judge(&token, header.as_deref().unwrap_or_default(), payload.as_deref().ok());
        let accepts_id = issuer.mapping.id_tokens() == IdTokens::Accepted && !issuer.require_typ;
        let segments: Vec<usize> = token.split('.').map(str::len).take(64).collect();
        let verified = judged.steps.iter().any(|(check, step)| *check == Check::Signature && *step == Some(Ok(())));
        let claims = payload.as_deref().unwrap_or_default();
        let has_audience = issuer.mapping.audiences(|name| members::value(claims, name)).is_some();
        let findings = findings::find(&Readable {
            header: header.as_deref().unwrap_or_default(),
            payload: claims,
            segments: segments.len(),
            signature_bytes,
            lifetime: judged.lifetime,
            keys,
            is_verified: verified,
            accepted_id_of: (accepts_id && judged.kind == Some(TokenKind::Id)).then_some(issuer),
            policy: &self.policy,
            audience: self.audience().filter(|_| !has_audience).map(|audience| &**audience),
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

    /// Evaluates a principal that rules with the same keys have verified, for lists. Only the hash of its token is
    /// known, so the signature is not checked again.
    pub fn judge_again(&self, principal: &Principal, token: TokenId) -> Evaluation {
        let lifetime = principal.lifetime(self.leeway);
        let issuer = self.issuers.named(principal.iss.as_deref(), None);
        let binding = issuer.clone().and_then(|issuer| issuer.binding(principal, Audience::Required));
        let (iss, aud) = (principal.iss.as_deref(), principal.aud.as_ref());
        let by_issuer = issuer.clone().and_then(|issuer| issuer.names_issuer(iss));
        let by_audience = issuer.ok().map(|issuer| issuer.names_audience(aud, Audience::Required));
        let revocation = self.revoked.check_id(token, principal.jti.as_deref());
        let before = [Check::Present, Check::Structure, Check::Header, Check::Signature, Check::Claims, Check::Time];
        let [present, structure, header, signature, claims, time] = before.map(|check| (check, Some(Ok(()))));
        let binding_step = (Check::Binding, Some(binding.clone()));
        let revocation_step = (Check::Revocation, Some(revocation.clone()));
        Evaluation {
            name: Some(text::head(&principal.user_id, 1024).to_owned()),
            permissions: principal.permissions.clone(),
            granted: None,
            user: None,
            sources: Vec::new(),
            jti: principal.jti.as_deref().map(|jti| text::head(jti, 256).to_owned()),
            alg: None,
            kind: None,
            lifetime,
            examined: Ok(Examined { claims: principal.clone().into_claims(), lifetime, binding, revocation }),
            steps: [present, structure, header, signature, claims, time, binding_step, revocation_step],
            binding: [Some(by_issuer), by_audience],
        }
    }

    /// Evaluates the token, and returns what is known of the keys that its header selects, and the issuer.
    fn judge(
        &self,
        token: &str,
        header: &[Member<'_>],
        payload: Option<&[Member<'_>]>,
    ) -> (Evaluation, SelectedKeys<'_>, &Issuer) {
        let CheckRun { examined, steps, binding, keys, user, sources, issuer } = self.steps(token, payload);
        let payload = payload.unwrap_or_default();
        let string = |part, name| value(part, name).and_then(members::string);
        let time = |name| value(payload, name).and_then(NumericDate::from_json_number);
        let permissions: Vec<String> = sources.iter().map(|(permission, _)| permission.clone()).collect();
        let granted =
            issuer.mapping.is_strict().then(|| granted::once(granted::by_claim(|claim| value(payload, claim))));
        let judged = Evaluation {
            granted: granted.filter(|granted| *granted != permissions).map(Into::into),
            name: evaluation::NAMES
                .iter()
                .find_map(|name| string(payload, name))
                .map(|name| text::head(&name, 1024).to_owned()),
            user,
            permissions,
            sources: sources.into_iter().map(|(_, claim)| claim).collect(),
            jti: string(payload, "jti").map(|jti| text::head(&jti, 256).to_owned()),
            alg: string(header, "alg").map(Cow::into_owned),
            kind: issuer.kind(header, payload),
            lifetime: Lifetime { iat: time("iat"), nbf: time("nbf"), exp: time("exp"), leeway: self.leeway },
            examined,
            steps,
            binding,
        };
        (judged, keys, issuer)
    }

    /// Makes every check that can be made, with the functions that the gate uses, and derives the result of checks 1 to
    /// 5 in their order. Time, issuer, audience and revocation need only the claims that they read: they are checked
    /// even if the structure, key, signature or other claims fail, on the payload read leniently.
    fn steps(&self, token: &str, lenient: Option<&[Member<'_>]>) -> CheckRun<'_> {
        let present = self.present(token);
        let absent = matches!(present, Err(Reason::MissingToken));
        let split = Split::new(token);
        let header = split.as_ref().ok().map(Split::header);
        let payload = split.as_ref().ok().map(Split::payload);
        let faults = [split.as_ref().err(), fault(header.as_ref()), fault(payload.as_ref())];
        let structure =
            faults.into_iter().flatten().next().map_or(Ok(()), |fault| Err(Reason::Malformed(fault.clone())));
        let (header, payload) = (header.and_then(Result::ok), payload.and_then(Result::ok));
        let issuer =
            payload.as_ref().map(|payload| self.issuers.select(header.as_deref().unwrap_or_default(), payload));
        // A payload that cannot be read names no issuer; what its header selects is still worth reporting.
        let chosen = issuer.unwrap_or(Ok(self.issuers.own()));
        let keys = header.as_ref().map(|header| chosen.clone().and_then(|issuer| candidates(issuer, header)));
        let typed = match (&chosen, &header, payload.as_deref()) {
            (Ok(issuer), Some(header), Some(payload)) => issuer.accepts_type(header, payload),
            _ => Ok(()),
        };
        // A token of the wrong type may well be signed, which is worth reporting.
        let held = keys.as_ref().and_then(|keys| keys.as_ref().ok());
        let signature = held.zip(split.as_ref().ok()).map(|(keys, split)| self::signature(keys, split));
        let failed = matches!(signature, Some(Err(_)));
        let keys_used = SelectedKeys {
            key: signature.clone().and_then(Result::ok).or_else(|| held.map(Candidates::first)),
            count: held.map_or(0, Candidates::count),
            near_fit: held
                .zip(split.as_ref().ok())
                .filter(|_| failed)
                .and_then(|(keys, split)| keys.near_fit(split.signed, split.signature())),
            refused: chosen.as_ref().map_or(&[], |issuer| issuer.keys.refused()),
        };
        let header_step = keys.as_ref().map(|keys| keys.as_ref().map(|_| ()).map_err(Clone::clone).and(typed));
        let issuer = *chosen.as_ref().unwrap_or(&self.issuers.own());
        let mapping = &issuer.mapping;
        let claims = payload.as_ref().map(|payload| Claims::read(payload, mapping));
        let examined = match (&claims, &chosen) {
            (Some(Ok(claims)), Ok(issuer)) => Some(self.examined(token, issuer, claims.clone())),
            _ => None,
        };
        // With a duplicate member, it is ambiguous which value counts.
        let lenient = lenient.filter(|payload| members::duplicate(payload).is_none());
        let readable = payload.as_deref().or(lenient);
        let binding = readable.map(|payload| self.bound(&chosen, payload));
        let revocation = readable.map(|payload| {
            let jti = value(payload, "jti").and_then(members::string);
            self.revoked.check(token, jti.as_deref())
        });
        let steps = [
            (Check::Present, Some(present)),
            (Check::Structure, (!absent).then_some(structure)),
            (Check::Header, header_step),
            (Check::Signature, signature.map(|made| made.map(|_| ()))),
            (Check::Claims, claims.map(|claims| claims.map(|_| ()))),
            (Check::Time, readable.filter(|payload| times_are_readable(payload)).map(|_| Ok(()))),
            (Check::Binding, binding.clone().and_then(both)),
            (Check::Revocation, revocation),
        ];
        // If none of these failed, the claims were read.
        let mut failed = steps.iter().take(5).filter_map(|(_, step)| step.clone()?.err());
        let examined = failed.next().map_or_else(|| examined.ok_or(Reason::MissingToken), Err);
        let sources = lenient.map(|payload| mapping.sources(payload)).unwrap_or_default();
        let user = lenient.and_then(|payload| mapping.user_source(payload));
        CheckRun { examined, steps, binding: binding.unwrap_or_default(), keys: keys_used, user, sources, issuer }
    }

    /// Makes both halves of check 7: compares the payload's issuer and audience with the issuer that it selects.
    fn bound(&self, chosen: &Result<&Issuer, Reason>, payload: &[Member<'_>]) -> [Option<Step>; 2] {
        let iss = value(payload, "iss").and_then(members::string);
        let audience = |issuer: &Issuer| {
            let aud = issuer.mapping.audiences(|name| value(payload, name));
            issuer.names_audience(aud.as_ref(), Audience::Required)
        };
        if let Ok(issuer) = chosen {
            return [Some(issuer.names_issuer(iss.as_deref())), Some(audience(issuer))];
        }
        // The header check already reports an unknown issuer. An audience that no issuer accepts is wrong in any case.
        let any = self.issuers.all_audiences().map(|audiences| Issuer { audiences, ..Issuer::default() });
        [None, any.map(|any| audience(&any)).filter(Result::is_err)]
    }
}

/// The results of all checks of a token that could be made.
struct CheckRun<'r> {
    /// The result of checks 1 to 5 in their order, as the gate makes them.
    examined: Result<Examined, Reason>,
    steps: Steps,
    /// Issuer and audience.
    binding: [Option<Step>; 2],
    keys: SelectedKeys<'r>,
    /// The user and the permissions as far as they can be read, each with its claim.
    user: Option<(String, ClaimPath)>,
    sources: Vec<(String, ClaimPath)>,
    /// The issuer that the token selects, or else our own.
    issuer: &'r Issuer,
}

/// Joins the halves of a check: returns the first failure, or success if both were made.
fn both([first, second]: [Option<Step>; 2]) -> Option<Step> {
    match (first, second) {
        (Some(Err(reason)), _) | (_, Some(Err(reason))) => Some(Err(reason)),
        (Some(Ok(())), Some(Ok(()))) => Some(Ok(())),
        _ => None,
    }
}

fn fault<T>(part: Option<&Result<T, Fault>>) -> Option<&Fault> {
    part.and_then(|part| part.as_ref().err())
}

/// Whether `exp` is present, and every `exp` and `nbf` is readable: an unreadable time must not pass the check.
fn times_are_readable(payload: &[Member<'_>]) -> bool {
    let mut times = payload.iter().filter(|m| m.name == "exp" || m.name == "nbf");
    payload.iter().any(|m| m.name == "exp") && times.all(|m| NumericDate::from_json_number(m.value).is_some())
}
