//! The rules: the immutable snapshot that a decision is based on, and the functions that decide. They all share two
//! functions: the private `passed` for the checks of the token, and `Policy::authorize` for those of the tool.
//!
//! A change of keys, policy or expectations makes new [`Rules`]. A decision uses an `Arc` of them, without a lock.

use std::borrow::Cow;
use std::sync::Arc;

use super::check::Verdict;
use super::claims::Claims;
use super::date::NumericDate;
use super::decision::Decision;
use super::evaluation::{Evaluation, Examined, TokenStatus};
use super::issuers::{Audience, Issuer, Issuers};
use super::keys::{Candidates, KeySet, Verifier};
use super::leeway::Leeway;
use super::mapping::once_each;
use super::members::{self, Member};
use super::policy::{DenialReason, Grant, Policy};
use super::proof::{Permit, Principal};
use super::reason::Reason;
use super::revocations::Revocations;
use super::token::{Split, TokenId, TokenLimit};
use crate::text;

/// The immutable snapshot that a decision is based on. It contains no secret that can sign.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The accepted issuers and their keys.
    pub issuers: Issuers,
    /// The policy.
    pub policy: Arc<Policy>,
    /// The tolerance for clock differences.
    pub leeway: Leeway,
    /// The revoked tokens.
    pub revoked: Arc<Revocations>,
    /// The largest accepted token.
    pub token_limit: TokenLimit,
}

/// A call to decide about. It contains a token, so it does not implement `Debug`.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// The token exactly as received; an empty one is treated as missing.
    pub token: Option<&'a str>,
    /// The tool's name.
    pub tool: &'a str,
}

impl Rules {
    /// Creates rules with one issuer that has these keys and accepts any `iss` and any audience, the built-in policy,
    /// and no leeway.
    pub fn new(keys: impl Into<KeySet>) -> Self {
        Self {
            issuers: Issuers::new(Issuer { keys: keys.into(), ..Issuer::default() }),
            policy: Arc::default(),
            leeway: Leeway::NONE,
            revoked: Arc::default(),
            token_limit: TokenLimit::default(),
        }
    }

    /// Returns the same rules with `keys` as the keys of our own issuer.
    #[must_use]
    pub fn with_keys(self, keys: impl Into<KeySet>) -> Self {
        let own = Issuer { keys: keys.into(), ..self.issuers.own().clone() };
        Self { issuers: self.issuers.with_own(own), ..self }
    }

    /// Returns the same rules with this `iss` required of our own tokens, or with any `iss` if it is `None`.
    #[must_use]
    pub fn with_issuer(self, name: Option<Arc<str>>) -> Self {
        let own = Issuer { name, ..self.issuers.own().clone() };
        Self { issuers: self.issuers.with_own(own), ..self }
    }

    /// Returns the same rules with these audiences required of our own tokens, or with any audience if the list is
    /// empty.
    #[must_use]
    pub fn with_audiences(self, audiences: impl IntoIterator<Item = Arc<str>>) -> Self {
        let own = Issuer { audiences: audiences.into_iter().collect(), ..self.issuers.own().clone() };
        Self { issuers: self.issuers.with_own(own), ..self }
    }

    /// Returns the same rules with this audience required by every issuer that does not require one.
    #[must_use]
    pub fn with_default_audience(self, audience: &Arc<str>) -> Self {
        let issuers = self.issuers.map(|_, issuer| match issuer.audiences.is_empty() {
            true => Issuer { audiences: [Arc::clone(audience)].into(), ..issuer.clone() },
            false => issuer.clone(),
        });
        Self { issuers, ..self }
    }

    /// Returns the same rules without this audience where it is the only one that an issuer at one of these
    /// places requires; our own is at 0.
    #[must_use]
    pub fn without_audience(self, audience: &Arc<str>, places: &[usize]) -> Self {
        let issuers = self.issuers.map(|place, issuer| match &*issuer.audiences {
            [only] if only == audience && places.contains(&place) => {
                Issuer { audiences: Arc::default(), ..issuer.clone() }
            }
            _ => issuer.clone(),
        });
        Self { issuers, ..self }
    }

    /// The `iss` that our own tokens must have.
    pub fn issuer(&self) -> Option<&Arc<str>> {
        self.issuers.own().name.as_ref()
    }

    /// Returns the issuer that a token names; the name is not verified. `None` if the token is malformed or the issuer
    /// is unknown.
    pub fn issuer_of(&self, token: &str) -> Option<&Issuer> {
        self.present(token).ok()?;
        let split = Split::new(token).ok()?;
        self.issuers.select(&split.header().ok()?, &split.payload().ok()?).ok()
    }

    /// The first audience that our own tokens must name: the one that issued tokens get.
    pub fn audience(&self) -> Option<&Arc<str>> {
        self.issuers.own().audiences.first()
    }

    /// The non-default settings besides keys and policy, for display.
    pub fn described(&self) -> Vec<String> {
        let name = |label: &str, name: &str| format!("{label} {}", text::name(name, 64));
        let leeway = (self.leeway != Leeway::NONE).then(|| format!("leeway {}", self.leeway));
        let issuers = self.issuers.iter().filter_map(|issuer| {
            let preset = issuer.mapping.preset().filter(|_| !issuer.mapping.is_strict());
            let preset = preset.map_or_else(String::new, |preset| format!(" ({})", preset.name));
            Some(name("iss", issuer.name.as_deref()?) + &preset)
        });
        let mut audiences: Vec<&Arc<str>> = Vec::new();
        for audience in self.issuers.iter().flat_map(|issuer| issuer.audiences.iter()) {
            // Several issuers can expect the same one, for example the URL of the server.
            if !audiences.contains(&audience) {
                audiences.push(audience);
            }
        }
        let limit = Some(self.token_limit).filter(|limit| *limit != TokenLimit::default());
        let limit = limit.map(|limit| format!("tokens of up to {limit}"));
        leeway
            .into_iter()
            .chain(limit)
            .chain(issuers)
            .chain(audiences.into_iter().map(|audience| name("aud", audience)))
            .collect()
    }

    /// Whether tokens must name an issuer or an audience.
    pub fn expects_binding(&self) -> bool {
        self.issuers.iter().any(|issuer| issuer.name.is_some() || !issuer.audiences.is_empty())
    }

    /// Decides about a call that is not made: a preview, or `portcullis check`.
    pub fn decide(&self, call: &Call<'_>, now: NumericDate) -> Decision {
        let token = call.token.unwrap_or_default();
        let decided = self.passed(token, Audience::Required, now, |claims| self.decision(&claims, call.tool));
        decided.unwrap_or_else(Decision::refused)
    }

    /// Like [`Rules::decide`], for a token that these rules have judged already; it is not verified again. `None` means
    /// a caller without a token.
    pub fn decide_judged(&self, judged: Option<&Evaluation>, tool: &str, now: NumericDate) -> Decision {
        match judged.map_or(Err(Reason::MissingToken), |judged| judged.claims(now)) {
            Ok(claims) => self.decision(claims, tool),
            Err(reason) => Decision::refused(reason),
        }
    }

    /// Like [`Rules::decide`], for any caller whose token is valid and has these permissions.
    pub fn decide_holding(&self, permissions: &[String], tool: &str) -> Decision {
        Decision { result: self.granted(permissions, tool), subject: Some("any user".into()) }
    }

    /// Predicts the decision of a server that follows this policy; `None` if the policy does not contain the tool. Another
    /// server reads other claims: of a token without a mapping, all claims that usually contain permissions count. Where the
    /// signature cannot be checked here, it is taken for good: the server may have the key.
    pub fn predict(&self, judged: Option<&Evaluation>, tool: &str, now: NumericDate) -> Option<Decision> {
        self.policy.tool(tool)?;
        Some(match judged.map(|judged| (judged, judged.status(now))) {
            Some((judged, TokenStatus::Valid(_))) if judged.granted.is_some() => {
                self.decide_holding(judged.granted(), tool)
            }
            Some((judged, TokenStatus::NotVerified(_))) => self.decide_holding(judged.granted(), tool),
            Some((judged, TokenStatus::Invalid(reason))) if !is_of_any_server(&reason) => {
                self.decide_holding(judged.granted(), tool)
            }
            _ => self.decide_judged(judged, tool, now),
        })
    }

    /// The verdict of [`Rules::decide_judged`], without its reason. `None` means a caller without a token.
    pub fn verdict(&self, judged: Option<&Evaluation>, tool: &str, now: NumericDate) -> Verdict {
        let Some(held) = judged.and_then(|judged| judged.held(now)) else {
            return Verdict::Unauthorized;
        };
        self.policy.verdict(held, tool)
    }

    /// Makes checks 1 to 8, and returns the principal of the token at `now`.
    pub fn verify(&self, token: &str, now: NumericDate) -> Result<Principal, Reason> {
        self.verify_for(token, Audience::Required, now)
    }

    /// Like [`Rules::verify`], but `audience` can allow tokens without an audience.
    pub fn verify_for(&self, token: &str, audience: Audience, now: NumericDate) -> Result<Principal, Reason> {
        self.passed(token, audience, now, |claims| Principal::new(claims.into_owned(), now))
    }

    /// Makes checks 6 to 8 again for a principal that rules with the same keys have verified. The signature is not
    /// checked again, so the hash of the token is sufficient.
    pub fn check_again(
        &self,
        principal: &Principal,
        token: TokenId,
        audience: Audience,
        now: NumericDate,
    ) -> Result<(), Reason> {
        principal.lifetime(self.leeway).check(now)?;
        self.issuers.named(principal.iss.as_deref(), None)?.binding(principal, audience)?;
        self.revoked.check_id(token, principal.jti.as_deref())
    }

    /// Whether both rules check signatures with the same key sets: clones, not merely equal ones.
    pub fn has_keys_of(&self, other: &Self) -> bool {
        let (ours, theirs) = (&self.issuers, &other.issuers);
        ours.iter().count() == theirs.iter().count()
            && ours.iter().zip(theirs.iter()).all(|(ours, theirs)| ours.keys.is(&theirs.keys))
    }

    /// Makes checks 9 and 10: returns a permit for the tool, or the decision that refuses the call. The principal must
    /// have been verified by these rules, or by rules that were made from them.
    pub fn authorize(&self, principal: &Arc<Principal>, tool: &str) -> Result<Permit, Decision> {
        match self.granted(&principal.permissions, tool) {
            Ok(grant) => {
                let (principal, policy) = (Arc::clone(principal), Arc::clone(&self.policy));
                Ok(Permit::new(principal, policy, tool.into(), grant))
            }
            Err(reason) => Err(Decision { result: Err(reason), subject: Some(principal.user_id.as_str().into()) }),
        }
    }

    /// Makes checks 9 and 10, and returns the reason if they fail.
    fn granted(&self, held: &[impl AsRef<str>], tool: &str) -> Result<Grant, Reason> {
        self.policy.authorize(held, tool).map_err(|denied| match denied {
            DenialReason::UnknownTool => Reason::UnknownTool { tool: tool.into() },
            DenialReason::PermissionMissing(rule) => {
                let mut held: Vec<String> = held.iter().map(|held| held.as_ref().to_owned()).collect();
                once_each(&mut held, |permission| permission);
                let (needs, tool) = (Arc::clone(&rule.permissions), Arc::clone(&rule.name));
                Reason::PermissionMissing { held: held.into(), needs, tool }
            }
        })
    }

    fn decision<S: AsRef<str>>(&self, claims: &Claims<S>, tool: &str) -> Decision {
        Decision { result: self.granted(&claims.permissions, tool), subject: Some(claims.user_id.as_ref().into()) }
    }

    /// Evaluates checks 7 and 8, which do not depend on the time.
    pub(super) fn examined(&self, token: &str, issuer: &Issuer, claims: Claims<Cow<'_, str>>) -> Examined {
        let lifetime = claims.lifetime(self.leeway);
        let revocation = self.revoked.check(token, claims.jti.as_deref());
        let binding = issuer.binding(&claims, Audience::Required);
        Examined { lifetime, binding, revocation, claims: claims.into_owned() }
    }

    /// Makes the second part of check 3 for a token of our own issuer whose header has this `alg` and `kid`: whether they
    /// select a key. For the expectations of test tokens.
    pub(crate) fn selects_key(&self, alg: &str, kid: Option<&str>) -> Result<(), Reason> {
        let issuer = self.issuers.named(self.issuer().map(|name| &**name), Some(alg))?;
        let algorithm = issuer.keys.accept(Some(alg), &issuer.algorithms)?;
        issuer.keys.find(algorithm, kid).map(|_| ())
    }

    /// Makes check 1.
    pub(super) fn present(&self, token: &str) -> Result<(), Reason> {
        match token.len() {
            0 => Err(Reason::MissingToken),
            bytes if bytes > self.token_limit.bytes() => Err(Reason::TooLarge { bytes, limit: self.token_limit }),
            _ => Ok(()),
        }
    }

    /// Makes checks 1 to 8, and returns what `make` creates from the claims if they pass.
    fn passed<R>(
        &self,
        token: &str,
        audience: Audience,
        now: NumericDate,
        make: impl FnOnce(Claims<Cow<'_, str>>) -> R,
    ) -> Result<R, Reason> {
        self.present(token)?;
        let split = Split::new(token).map_err(Reason::Malformed)?;
        let header = split.header().map_err(Reason::Malformed)?;
        let payload = split.payload().map_err(Reason::Malformed)?;
        let issuer = self.issuers.select(&header, &payload)?;
        let keys = candidates(issuer, &header)?;
        issuer.accepts_type(&header, &payload)?;
        signature(&keys, &split)?;
        let claims = Claims::read(&payload, &issuer.mapping)?;
        claims.lifetime(self.leeway).check(now)?;
        issuer.binding(&claims, audience)?;
        self.revoked.check(token, claims.jti.as_deref())?;
        Ok(make(claims))
    }
}

impl KeySet {
    /// Checks the signature of a compact JWS (RFC 7515 §7.1) whose payload need not be a JSON object: checks 2 to 4
    /// without its claims. Returns the key that made it.
    pub fn verify_jws(&self, jws: &str) -> Result<Verifier, Reason> {
        let split = Split::new(jws).map_err(Reason::Malformed)?;
        let header = split.header().map_err(Reason::Malformed)?;
        let issuer = Issuer { keys: self.clone(), ..Issuer::default() };
        signature(&candidates(&issuer, &header)?, &split).cloned()
    }
}

/// Header members that change the meaning of a signature (RFC 7515 §4.1.11, RFC 7797, RFC 7516). None is supported.
const REFUSED: [&str; 4] = ["crit", "b64", "zip", "enc"];

/// Makes the second part of check 3: returns the keys of the issuer that a header selects.
pub(super) fn candidates<'i>(issuer: &'i Issuer, header: &[Member<'_>]) -> Result<Candidates<'i>, Reason> {
    let (mut alg, mut kid, mut refused) = (None, None, None);
    for Member { name, value } in header {
        match &**name {
            "alg" => alg = Some(string("alg", value)),
            "kid" => kid = Some(string("kid", value)),
            name => refused = refused.or(REFUSED.into_iter().find(|member| *member == name)),
        }
    }
    let alg = alg.transpose()?;
    let algorithm = issuer.keys.accept(alg.as_deref(), &issuer.algorithms)?;
    if let Some(member) = refused {
        return Err(Reason::HeaderRefused { member });
    }
    issuer.keys.find(algorithm, kid.transpose()?.as_deref())
}

/// Returns a header member's value, which must be a string.
fn string<'v>(member: &'static str, value: &'v str) -> Result<Cow<'v, str>, Reason> {
    members::string(value).ok_or_else(|| Reason::HeaderInvalid { member, found: members::kind_or_broken(value) })
}

/// Makes check 4: returns the key that made the signature.
pub(super) fn signature<'k>(keys: &Candidates<'k>, split: &Split<'_>) -> Result<&'k Verifier, Reason> {
    keys.verify(split.signed, split.signature())
}
/// Whether a fault of a token is one for every server, and not only by the rules here.
const fn is_of_any_server(reason: &Reason) -> bool {
    match reason {
        Reason::BadSignature
        | Reason::Expired { .. }
        | Reason::NotYetValid { .. }
        | Reason::Revoked { .. }
        | Reason::Malformed(_)
        | Reason::TooLarge { .. } => true,
        Reason::MissingToken
        | Reason::UnknownIssuer { .. }
        | Reason::AlgorithmRefused { .. }
        | Reason::HeaderRefused { .. }
        | Reason::HeaderInvalid { .. }
        | Reason::UnknownKey { .. }
        | Reason::KeysUnavailable { .. }
        | Reason::WrongType { .. }
        | Reason::ClaimMissing { .. }
        | Reason::ClaimInvalid { .. }
        | Reason::IssuerMismatch { .. }
        | Reason::AudienceMismatch { .. }
        | Reason::UnknownTool { .. }
        | Reason::PermissionMissing { .. } => false,
    }
}
