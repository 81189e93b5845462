//! The evaluation of a token by the rules, without its documents: what lists show at any time, and what decisions need.

use std::borrow::Cow;

use super::check::{Check, CheckResult, Light};
use super::claims::Claims;
use super::date::NumericDate;
use super::kind::TokenKind;
use super::lifetime::{Lifetime, Phase};
use super::mapping::ClaimPath;
use super::reason::Reason;

/// Claims that name the user, the most readable first. The token of a client itself names only the client.
pub(super) const NAMES: [&str; 9] =
    ["user_id", "preferred_username", "upn", "username", "email", "sub", "azp", "client_id", "appid"];

/// The result of one check.
pub(super) type Step = Result<(), Reason>;

/// The results of the checks of a token, in order; `None` for a check that could not be made.
pub(super) type Steps = [(Check, Option<Step>); 8];

/// The displayable evaluation of a token, without its documents: the data of a row in a list.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// The first claim of `NAMES` that is present, verified or not. For display: a decision reads `user_id`.
    pub name: Option<String>,
    /// The user and the claim that names them, as the issuer's mapping finds them, verified or not; `None` if the
    /// token's text is not known.
    pub user: Option<(String, ClaimPath)>,
    /// The permissions as written in the token.
    pub permissions: Vec<String>,
    /// The permissions that other servers may find in the token, if they are not the same.
    pub(super) granted: Option<Box<[String]>>,
    /// The claim that each of the permissions comes from; empty if the token's text is not known.
    pub sources: Vec<ClaimPath>,
    /// `jti` as written in the token.
    pub jti: Option<String>,
    /// `alg` as written in the token.
    pub alg: Option<String>,
    /// The kind of the token, if it can be recognized.
    pub kind: Option<TokenKind>,
    /// The token's times, as far as they are readable.
    pub lifetime: Lifetime,
    pub(super) examined: Result<Examined, Reason>,
    /// The results of the checks; `None` for a check that could not be made. The entry of the time check only states
    /// whether that check can be made, because its result depends on the clock.
    pub(super) steps: Steps,
    /// The results of the two halves of check 7, issuer and audience; `None` for one that could not be checked.
    pub(super) binding: [Option<Step>; 2],
}

/// The token's state in one word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenStatus {
    /// The token passes; the phase is `Live`, `Early` or `Grace`.
    Valid(Phase),
    /// The token is not valid yet (checks 1 to 5 pass, and the phase is `NotYet`), or it has expired, whatever the
    /// other checks say.
    OutOfTime(Phase, Reason),
    /// A check fails.
    Invalid(Reason),
    /// The signature cannot be checked here, so the token is neither valid nor invalid.
    NotVerified(Reason),
    /// There is no token.
    Absent,
}

impl TokenStatus {
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

    /// The state's code, for scripts.
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

    /// Why the token would not pass.
    pub const fn reason(&self) -> Option<&Reason> {
        match self {
            Self::OutOfTime(_, reason) | Self::Invalid(reason) | Self::NotVerified(reason) => Some(reason),
            Self::Valid(_) | Self::Absent => None,
        }
    }
}

/// The state of one light.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LightState {
    /// Every check passed.
    Good,
    /// A check failed, for this reason.
    Bad(Reason),
    /// A check could not be made, and no check failed.
    Unchecked,
}

impl Evaluation {
    /// Returns the claims if the token passes checks 1 to 8 at `now`, or the reason why it does not.
    pub(super) fn claims(&self, now: NumericDate) -> Result<&Claims, Reason> {
        self.examined.as_ref().map_err(Clone::clone)?.claims(now)
    }

    /// The claims that contain permissions, each with the ones it contributes: `orders:read, orders:write from scope`.
    /// Empty for a token as it is issued here, whose claims are called what they are.
    pub fn provenance(&self) -> Vec<(String, Vec<&str>)> {
        let mut claims: Vec<(String, Vec<&str>)> = Vec::new();
        for (permission, claim) in self.permissions.iter().zip(&self.sources) {
            match claims.iter_mut().find(|(name, _)| *name == claim.as_str()) {
                Some((_, all)) => all.push(permission),
                None => claims.push((claim.as_str().to_owned(), vec![permission])),
            }
        }
        if matches!(claims.as_slice(), [(only, _)] if only == "permissions") { Vec::new() } else { claims }
    }

    /// The permissions that other servers may find in the token: by the mapping of its issuer, or else in every claim that
    /// usually contains some.
    pub fn granted(&self) -> &[String] {
        self.granted.as_deref().unwrap_or(&self.permissions)
    }

    /// The permissions in effect at `now`; `None` if the token fails one of checks 1 to 8.
    pub fn held(&self, now: NumericDate) -> Option<&[String]> {
        Some(&self.examined.as_ref().ok()?.claims(now).ok()?.permissions)
    }

    /// The token's state at `now`. Expiry takes precedence over everything else that fails or is unknown.
    pub fn status(&self, now: NumericDate) -> TokenStatus {
        if let Some(Err(reason @ Reason::Expired { .. })) = self.at(Check::Time, now) {
            return TokenStatus::OutOfTime(self.lifetime.phase(now), reason);
        }
        match &self.examined {
            Ok(examined) => match examined.at(now) {
                Ok(()) => TokenStatus::Valid(self.lifetime.phase(now)),
                Err(reason) if reason.check() == Check::Time => {
                    TokenStatus::OutOfTime(self.lifetime.phase(now), reason)
                }
                Err(reason) => TokenStatus::Invalid(reason),
            },
            Err(Reason::MissingToken) => TokenStatus::Absent,
            Err(reason) if foreign(reason) => TokenStatus::NotVerified(reason.clone()),
            Err(reason) => TokenStatus::Invalid(reason.clone()),
        }
    }

    /// The light's state at `now`: bad with the first failure among its checks, good if all of them passed.
    pub fn light(&self, light: Light, now: NumericDate) -> LightState {
        let mut state = LightState::Good;
        let shown_by = |(check, step): &&(Check, Option<Step>)| match step {
            // The header check finds it, but the signature is not at fault.
            Some(Err(Reason::WrongType { .. })) => Some(Light::Claims),
            _ => check.light(),
        };
        for (check, step) in self.steps.iter().filter(|step| shown_by(step) == Some(light)) {
            match self.step(*check, step.as_ref(), now).as_deref() {
                Some(Err(reason)) if !foreign(reason) => return LightState::Bad(reason.clone()),
                Some(Ok(())) => {}
                Some(Err(_)) | None => state = LightState::Unchecked,
            }
        }
        state
    }

    /// Every check of a token in order, with its result at `now`, or `None` if it could not be made.
    pub fn steps(&self, now: NumericDate) -> Vec<(Check, Option<Step>)> {
        let at =
            |(check, step): &(Check, Option<_>)| (*check, self.step(*check, step.as_ref(), now).map(Cow::into_owned));
        self.steps.iter().map(at).collect()
    }

    fn step<'s>(&self, check: Check, step: Option<&'s Step>, now: NumericDate) -> Option<Cow<'s, Step>> {
        step.map(|step| if check == Check::Time { Cow::Owned(self.lifetime.check(now)) } else { Cow::Borrowed(step) })
    }

    /// The result of one check at `now`, or `None` if it could not be made.
    pub(super) fn at(&self, check: Check, now: NumericDate) -> Option<Step> {
        let (_, step) = self.steps.iter().find(|(made, _)| *made == check)?;
        self.step(check, step.as_ref(), now).map(Cow::into_owned)
    }

    /// The checks as a trace: each with its result, and the reason if it failed.
    pub fn trace(&self, now: NumericDate) -> Vec<(Check, CheckResult, Option<Reason>)> {
        let row = |(check, step)| {
            let (passed, reason) = outcome(step);
            (check, passed, reason)
        };
        self.steps(now).into_iter().map(row).collect()
    }

    /// The reasons of all checks that fail at `now`, in the order of the checks; issuer and audience each have their
    /// own.
    pub fn failures(&self, now: NumericDate) -> Vec<Reason> {
        let of = |(check, step): &(Check, Option<Step>)| match check {
            Check::Binding => self.binding.iter().filter_map(|half| half.clone()?.err()).collect(),
            _ => Vec::from_iter(self.step(*check, step.as_ref(), now).and_then(|step| step.into_owned().err())),
        };
        self.steps.iter().flat_map(of).collect()
    }

    /// [`Evaluation::failures`] without the one that [`Evaluation::status`] names. Failures that another key would not
    /// change come first: time, issuer, audience and revocation.
    pub fn also(&self, now: NumericDate) -> Vec<Reason> {
        let status = self.status(now);
        let mut failures = self.failures(now);
        let named = failures.iter().position(|reason| Some(reason) == status.reason());
        named.map(|at| failures.remove(at));
        let is_independent =
            |reason: &Reason| matches!(reason.check(), Check::Time | Check::Binding | Check::Revocation);
        failures.sort_by_key(|reason| !is_independent(reason));
        failures
    }

    /// Whether the signature was checked and matches.
    pub fn is_verified(&self) -> bool {
        self.steps.iter().any(|(check, step)| *check == Check::Signature && *step == Some(Ok(())))
    }

    /// Whether the token is refused because its signature does not match.
    pub fn bad_signature(&self) -> bool {
        matches!(self.examined, Err(Reason::BadSignature))
    }
}

/// Converts a step to the result of a check, and the reason if it failed.
pub(super) fn outcome(step: Option<Step>) -> (CheckResult, Option<Reason>) {
    match step {
        Some(Ok(())) => (CheckResult::Yes, None),
        Some(Err(reason)) => (CheckResult::No, Some(reason)),
        None => (CheckResult::NotReached, None),
    }
}

/// Whether the reason is an unknown algorithm or key, so that nothing can be said about the signature.
fn foreign(reason: &Reason) -> bool {
    match reason {
        Reason::AlgorithmRefused { found: Some(alg), .. } => !alg.eq_ignore_ascii_case("none"),
        Reason::UnknownKey { .. } | Reason::KeysUnavailable { .. } => true,
        _ => false,
    }
}

/// The remaining checks of a token that passed checks 1 to 5: its times, which the clock decides about, and the results
/// of checks 7 and 8, which are made after the time check.
#[derive(Clone, Debug)]
pub(super) struct Examined {
    pub claims: Claims,
    pub lifetime: Lifetime,
    pub binding: Result<(), Reason>,
    pub revocation: Result<(), Reason>,
}

impl Examined {
    /// Makes checks 6 to 8, in this order.
    pub fn at(&self, now: NumericDate) -> Result<(), Reason> {
        self.lifetime.check(now)?;
        self.binding.clone()?;
        self.revocation.clone()
    }

    /// Returns the claims if checks 6 to 8 pass at `now`.
    pub fn claims(&self, now: NumericDate) -> Result<&Claims, Reason> {
        self.at(now)?;
        Ok(&self.claims)
    }
}
