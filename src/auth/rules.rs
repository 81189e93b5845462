//! The rules: the immutable snapshot a decision is made on, and the one function that decides.
//!
//! A change of key, policy or expectation makes new [`Rules`]; whoever decides holds an `Arc` of these and no lock.

use std::borrow::Cow;
use std::sync::Arc;

use super::claims::{Claims, Principal};
use super::date::NumericDate;
use super::decision::{Decision, Reason, Verdict};
use super::inspection::Judged;
use super::key::{Key, KeyRing};
use super::lifetime::{Leeway, Lifetime};
use super::members::{self, Member};
use super::policy::Policy;
use super::revocations::Revocations;
use super::token::{self, Split};
use crate::text;

/// What a decision is made on.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The keys that verify, and the one that signs.
    pub keys: KeyRing,
    /// Which permission opens which tool.
    pub policy: Arc<Policy>,
    /// The `iss` every token must carry, if one is expected.
    pub issuer: Option<Arc<str>>,
    /// The audience every token must name, if one is expected.
    pub audience: Option<Arc<str>>,
    /// Whether a token that names no audience at all passes although one is expected.
    pub audience_may_lack: bool,
    /// Allowance for clocks that differ.
    pub leeway: Leeway,
    /// What is refused although its time has not come.
    pub revoked: Arc<Revocations>,
}

/// A question to the gate. It holds a token, so it has no `Debug`.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// The token, exactly as it came; an empty one counts as none.
    pub token: Option<&'a str>,
    /// The tool's name.
    pub tool: &'a str,
}

/// What is left of a token that passed checks 1 to 5: what the clock decides, and what checks 7 and 8 say, which are taken
/// after the time.
#[derive(Clone, Debug)]
pub(super) struct Examined {
    claims: Claims,
    lifetime: Lifetime,
    pub binding: Result<(), Reason>,
    pub revocation: Result<(), Reason>,
}

impl Examined {
    /// Checks 6 to 8, in this order.
    pub fn at(&self, now: NumericDate) -> Result<(), Reason> {
        self.lifetime.check(now)?;
        self.binding.clone()?;
        self.revocation.clone()
    }

    /// The claims, as far as they count at `now`.
    pub fn claims(&self, now: NumericDate) -> Result<&Claims, Reason> {
        self.at(now)?;
        Ok(&self.claims)
    }
}

impl Rules {
    /// Rules with this key, the policy built in, nothing else expected, and no leeway.
    pub fn new(key: Key) -> Self {
        Self {
            keys: KeyRing::new(key),
            policy: Arc::default(),
            issuer: None,
            audience: None,
            audience_may_lack: false,
            leeway: Leeway::NONE,
            revoked: Arc::default(),
        }
    }

    /// What it judges by beside key and policy, where that is not what holds without options; safe to show.
    pub fn described(&self) -> Vec<String> {
        let name = |label: &str, name: &str| format!("{label} {}", text::name(name, 64));
        let leeway = (self.leeway != Leeway::NONE).then(|| format!("leeway {}", self.leeway));
        let issuer = self.issuer.as_deref().map(|issuer| name("iss", issuer));
        let audience = self.audience.as_deref().map(|audience| name("aud", audience));
        let audience = audience.map(|said| if self.audience_may_lack { said + " or none" } else { said });
        [leeway, issuer, audience].into_iter().flatten().collect()
    }

    /// Whether a token must name an issuer or an audience.
    pub fn expects_binding(&self) -> bool {
        self.issuer.is_some() || self.audience.is_some()
    }

    /// **The** decision: every preview, command, server and matrix cell asks here.
    pub fn decide(&self, call: &Call<'_>, now: NumericDate) -> Decision {
        let decided = self.passed(call.token.unwrap_or_default(), now, |claims| self.authorize(&claims, call.tool));
        decided.unwrap_or_else(Decision::refused)
    }

    /// [`Rules::decide`] for a token that these very rules have judged: nothing is verified a second time. `None` is a
    /// caller without a token.
    pub fn decide_judged(&self, judged: Option<&Judged>, tool: &str, now: NumericDate) -> Decision {
        match judged.map_or(Err(Reason::MissingToken), |judged| judged.claims(now)) {
            Ok(claims) => self.authorize(claims, tool),
            Err(reason) => Decision::refused(reason),
        }
    }

    /// The verdict of [`Rules::decide_judged`], without the words for it; `None` is a caller without a token.
    pub fn verdict(&self, judged: Option<&Judged>, tool: &str, now: NumericDate) -> Verdict {
        let Some(held) = judged.and_then(|judged| judged.held(now)) else {
            return Verdict::Unauthorized;
        };
        match self.policy.tool(tool).and_then(|rule| self.policy.grant(held, rule)) {
            Some(_) => Verdict::Allowed,
            None => Verdict::Forbidden,
        }
    }

    /// Checks 1 to 8: who this token speaks for at `now`.
    pub fn verify(&self, token: &str, now: NumericDate) -> Result<Principal, Reason> {
        self.passed(token, now, |claims| Principal::new(claims.into_owned()))
    }

    /// Checks 9 and 10: whether whoever these verified claims speak for may call a tool, and by which permission.
    fn authorize<S: AsRef<str>>(&self, claims: &Claims<S>, tool: &str) -> Decision {
        let rule = self.policy.tool(tool);
        let grant = rule.and_then(|rule| self.policy.grant(&claims.permissions, rule));
        let result = match (rule, grant) {
            (Some(_), Some(grant)) => Ok(grant),
            (Some(rule), None) => Err(Reason::PermissionMissing {
                held: claims.permissions.iter().map(|held| held.as_ref().to_owned()).collect(),
                needs: Arc::clone(&rule.permissions),
                tool: Arc::clone(&rule.name),
            }),
            (None, _) => Err(Reason::UnknownTool { tool: tool.into() }),
        };
        Decision { result, subject: Some(claims.user_id.as_ref().into()) }
    }

    /// What the later checks will say of these claims at any time.
    pub(super) fn examined(&self, token: &str, claims: Claims<Cow<'_, str>>) -> Examined {
        let lifetime = claims.lifetime(self.leeway.micros());
        let revocation = self.revoked.check(token, claims.jti.as_deref());
        Examined { lifetime, binding: self.binding(&claims), revocation, claims: claims.into_owned() }
    }

    /// Checks 1 to 8: what is made of the claims of a token that passes them.
    fn passed<R>(
        &self,
        token: &str,
        now: NumericDate,
        make: impl FnOnce(Claims<Cow<'_, str>>) -> R,
    ) -> Result<R, Reason> {
        present(token)?;
        let split = Split::new(token).map_err(Reason::Malformed)?;
        let header = split.header().map_err(Reason::Malformed)?;
        let payload = split.payload().map_err(Reason::Malformed)?;
        let key = self.header(&header)?;
        signature(key, &split)?;
        let claims = Claims::read(&payload)?;
        claims.lifetime(self.leeway.micros()).check(now)?;
        self.binding(&claims)?;
        self.revoked.check(token, claims.jti.as_deref())?;
        Ok(make(claims))
    }

    /// Check 3: the key that the header asks for.
    pub(super) fn header(&self, header: &[Member<'_>]) -> Result<&Key, Reason> {
        let (mut alg, mut kid, mut refused) = (None, None, None);
        for Member { name, value } in header {
            match &**name {
                "alg" => alg = Some(string("alg", value)),
                "kid" => kid = Some(string("kid", value)),
                name => refused = refused.or(REFUSED.into_iter().find(|member| *member == name)),
            }
        }
        let alg = alg.transpose()?;
        let held = self.keys.algorithm();
        if held.is_none() || alg.as_deref() != held {
            return Err(Reason::AlgorithmRefused { found: alg.map(Into::into), held });
        }
        if let Some(member) = refused {
            return Err(Reason::HeaderRefused { member });
        }
        let kid = kid.transpose()?;
        self.keys.choose(kid.as_deref()).ok_or_else(|| Reason::UnknownKey { kid: kid.unwrap_or_default().into() })
    }

    /// Check 7.
    fn binding(&self, claims: &Claims<Cow<'_, str>>) -> Result<(), Reason> {
        if let Some(wanted) = self.issuer.clone().filter(|wanted| claims.iss.as_deref() != Some(wanted)) {
            return Err(Reason::IssuerMismatch { found: claims.iss.as_deref().map(Into::into), wanted });
        }
        let named = claims.aud.as_deref().unwrap_or_default();
        let may_pass = claims.aud.is_none() && self.audience_may_lack;
        match self.audience.clone().filter(|wanted| !may_pass && named.iter().all(|aud| **aud != **wanted)) {
            Some(wanted) => {
                let found = named.iter().map(|aud| aud.clone().into_owned()).collect();
                Err(Reason::AudienceMismatch { found, wanted })
            }
            None => Ok(()),
        }
    }
}

/// Header members that change what a signature means (RFC 7515 §4.1.11, RFC 7797, RFC 7516): none of them is done here.
const REFUSED: [&str; 4] = ["crit", "b64", "zip", "enc"];

/// The string that a header member must be.
fn string<'v>(member: &'static str, value: &'v str) -> Result<Cow<'v, str>, Reason> {
    members::string(value).ok_or_else(|| Reason::HeaderInvalid { member, found: members::kind_or_broken(value) })
}

/// Check 1.
pub(super) fn present(token: &str) -> Result<(), Reason> {
    match token.len() {
        0 => Err(Reason::MissingToken),
        bytes if bytes > token::MAX_BYTES => Err(Reason::TooLarge { bytes }),
        _ => Ok(()),
    }
}

/// Check 4.
pub(super) fn signature(key: &Key, split: &Split<'_>) -> Result<(), Reason> {
    if key.verify(split.signed, split.signature()) { Ok(()) } else { Err(Reason::BadSignature) }
}
