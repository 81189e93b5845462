//! The audiences that a token names, and the claim that names them.

use std::borrow::Cow;

use super::members;

/// A claim that names the audience.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AudienceClaim {
    /// `aud` (RFC 7519 §4.1.3).
    #[default]
    Aud,
    /// `client_id`, in access tokens of Cognito, which have an `aud` only if they are bound to a resource.
    ClientId,
}

impl AudienceClaim {
    /// The claim's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aud => "aud",
            Self::ClientId => "client_id",
        }
    }
}

/// The audiences that a token names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audiences<S = String> {
    /// The claim that names them.
    pub claim: AudienceClaim,
    /// Their names; empty if the claim is neither a string nor an array of strings.
    pub names: Vec<S>,
}

impl<'t> Audiences<Cow<'t, str>> {
    /// Reads the value of a claim.
    pub(super) fn read(claim: AudienceClaim, value: &'t str) -> Self {
        let one = members::string(value).map(|one| vec![one]);
        // Only `aud` may be an array.
        let several = || members::strings(value).filter(|_| claim == AudienceClaim::Aud);
        Self { claim, names: one.or_else(several).unwrap_or_default() }
    }
}
