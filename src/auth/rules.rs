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
use super::token::{self, Split};

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
    /// Allowance for clocks that differ.
    pub leeway: Leeway,
}

/// A question to the gate. It holds a token, so it has no `Debug`.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// The token, exactly as it came; an empty one counts as none.
    pub token: Option<&'a str>,
    /// The tool's name.
    pub tool: &'a str,
}

/// What is left of a token that passed checks 1 to 5: what the clock decides, and what check 7 says, which is taken after
/// the time.
#[derive(Clone, Debug)]
pub(super) struct Examined {
    claims: Claims,
    lifetime: Lifetime,
    pub binding: Result<(), Reason>,
}

impl Examined {
    /// Checks 6 and 7, in this order.
    pub fn at(&self, now: NumericDate) -> Result<(), Reason> {
        self.lifetime.check(now)?;
        self.binding.clone()
    }

    /// Who the token speaks for at `now`.
    pub fn principal(&self, now: NumericDate) -> Result<Principal, Reason> {
        self.at(now)?;
        Ok(Principal::new(self.claims.clone()))
    }

    /// The permissions held at `now`.
    pub fn permissions(&self, now: NumericDate) -> Option<&[String]> {
        self.at(now).ok().map(|()| &*self.claims.permissions)
    }
}

impl Rules {
    /// Rules with this key, the policy built in, nothing else expected, and no leeway.
    pub fn new(key: Key) -> Self {
        Self { keys: KeyRing::new(key), policy: Arc::default(), issuer: None, audience: None, leeway: Leeway::NONE }
    }

    /// Whether a token must name an issuer or an audience.
    pub fn expects_binding(&self) -> bool {
        self.issuer.is_some() || self.audience.is_some()
    }

    /// **The** decision: every preview, command, server and matrix cell asks here.
    pub fn decide(&self, call: &Call<'_>, now: NumericDate) -> Decision {
        match self.verify(call.token.unwrap_or_default(), now) {
            Ok(principal) => self.authorize(principal, call.tool),
            Err(reason) => Decision { result: Err(reason), subject: None },
        }
    }

    /// [`Rules::decide`] for a token that these very rules have judged: nothing is verified a second time. `None` is a
    /// caller without a token.
    pub fn decide_judged(&self, judged: Option<&Judged>, tool: &str, now: NumericDate) -> Decision {
        match judged.map_or(Err(Reason::MissingToken), |judged| judged.principal(now)) {
            Ok(principal) => self.authorize(principal, tool),
            Err(reason) => Decision { result: Err(reason), subject: None },
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
        let claims = self.claims(token)?;
        self.lifetime(&claims).check(now)?;
        self.binding(&claims)?;
        Ok(Principal::new(claims))
    }

    /// Checks 9 and 10: whether a principal may call a tool, and by which permission.
    fn authorize(&self, principal: Principal, tool: &str) -> Decision {
        let rule = self.policy.tool(tool);
        let grant = rule.and_then(|rule| self.policy.grant(&principal.permissions, rule));
        let Claims { user_id, permissions, .. } = principal.into_claims();
        let result = match (rule, grant) {
            (Some(_), Some(grant)) => Ok(grant),
            (Some(rule), None) => Err(Reason::PermissionMissing {
                held: permissions.into(),
                needs: Arc::clone(&rule.permissions),
                tool: Arc::clone(&rule.name),
            }),
            (None, _) => Err(Reason::UnknownTool { tool: tool.into() }),
        };
        Decision { result, subject: Some(user_id.into()) }
    }

    /// What the later checks will say of these claims at any time.
    pub(super) fn examined(&self, claims: Claims) -> Examined {
        Examined { lifetime: self.lifetime(&claims), binding: self.binding(&claims), claims }
    }

    fn lifetime(&self, claims: &Claims) -> Lifetime {
        claims.lifetime(self.leeway.micros())
    }

    /// Checks 1 to 5.
    fn claims(&self, token: &str) -> Result<Claims, Reason> {
        present(token)?;
        let split = Split::new(token).map_err(Reason::Malformed)?;
        let header = split.header().map_err(Reason::Malformed)?;
        let payload = split.payload().map_err(Reason::Malformed)?;
        let key = self.header(&header)?;
        signature(key, &split)?;
        Claims::read(&payload)
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
    fn binding(&self, claims: &Claims) -> Result<(), Reason> {
        if let Some(wanted) = self.issuer.clone().filter(|wanted| claims.iss.as_deref() != Some(wanted)) {
            return Err(Reason::IssuerMismatch { found: claims.iss.as_deref().map(Into::into), wanted });
        }
        if let Some(wanted) = self.audience.clone().filter(|wanted| claims.aud.iter().all(|aud| **aud != **wanted)) {
            return Err(Reason::AudienceMismatch { found: claims.aud.clone().into(), wanted });
        }
        Ok(())
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
