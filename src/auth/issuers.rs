//! Issuers: who may sign tokens, with which keys, and for which audiences.

use std::sync::Arc;

use super::algorithm::Algorithm;
use super::audience::Audiences;
use super::claims::Claims;
use super::keys::KeySet;
use super::kind::{IdTokens, TokenKind};
use super::mapping::{self, Mapping};
use super::members::{self, Member};
use super::reason::Reason;
use crate::text;

/// One issuer: its `iss`, the audiences that its tokens must name, and the keys that check its signatures.
#[derive(Clone, Debug, Default)]
pub struct Issuer {
    /// The `iss` that its tokens must have; `None` accepts any, and tokens without one.
    pub name: Option<Arc<str>>,
    /// A token must name at least one of these as its audience (`aud`); empty accepts any.
    pub audiences: Arc<[Arc<str>]>,
    /// The algorithms that its tokens may use; empty for all that its keys allow.
    pub algorithms: Arc<[Algorithm]>,
    /// How user and permissions are read from its tokens.
    pub mapping: Arc<Mapping>,
    /// Whether its tokens must have the type `at+jwt` (RFC 9068 §2.1).
    pub require_typ: bool,
    /// The keys that check its signatures.
    pub keys: KeySet,
}

/// Whether a token without an audience passes although one is expected. A server can be configured to accept such
/// tokens from its clients; everything else uses [`Audience::Required`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Audience {
    /// A token must name one of the expected audiences.
    #[default]
    Required,
    /// A token without `aud` passes too, but one with only other audiences does not.
    MayLack,
}

impl Issuer {
    /// Makes check 7: the token is from this issuer, and for one of its audiences.
    pub(super) fn binding<S: AsRef<str>>(&self, claims: &Claims<S>, audience: Audience) -> Result<(), Reason> {
        self.names_issuer(claims.iss.as_ref().map(AsRef::as_ref))?;
        self.names_audience(claims.aud.as_ref(), audience)
    }

    /// The kind of one of its tokens, if it can be recognized.
    pub(super) fn kind(&self, header: &[Member<'_>], payload: &[Member<'_>]) -> Option<TokenKind> {
        TokenKind::of(header, payload, self.mapping.id_tokens())
    }

    /// Makes the last part of check 3: the token is an access token, or an ID token of an issuer whose ID tokens are
    /// accepted. Tokens as they are issued here contain their permissions, so that only the type in the header is compared.
    pub(super) fn accepts_type(&self, header: &[Member<'_>], payload: &[Member<'_>]) -> Result<(), Reason> {
        const WANTED: &str = "an access token";
        let kind = || self.kind(header, payload);
        if self.require_typ {
            let typ = members::value(header, "typ").and_then(members::string);
            let is_access =
                |typ: &str| ["at+jwt", "application/at+jwt"].iter().any(|own| typ.eq_ignore_ascii_case(own));
            if !typ.as_deref().is_some_and(is_access) {
                let found = match (typ, kind()) {
                    (_, Some(kind @ (TokenKind::Id | TokenKind::Refresh))) => kind.noun().to_owned(),
                    (Some(typ), _) => format!("of the type {}", text::name(&typ, 32)),
                    (None, _) => "without a type".to_owned(),
                };
                return Err(Reason::WrongType { found: found.into(), wanted: "the type at+jwt" });
            }
        }
        // RFC 8725 §3.11: a type that names another purpose excludes this one.
        if let Some(typ) = members::value(header, "typ").filter(|typ| names_other_purpose(typ)) {
            let typ = members::string(typ).unwrap_or_default();
            let found = format!("of the type {}", text::name(&typ, 32)).into();
            return Err(Reason::WrongType { found, wanted: WANTED });
        }
        if self.mapping.is_strict() {
            return Ok(());
        }
        match kind() {
            Some(TokenKind::Id) if self.mapping.id_tokens() == IdTokens::Accepted => Ok(()),
            Some(kind @ (TokenKind::Id | TokenKind::Refresh)) => {
                Err(Reason::WrongType { found: kind.noun().into(), wanted: WANTED })
            }
            _ => Ok(()),
        }
    }

    /// Makes the first half of check 7: `iss` is the expected one.
    pub(super) fn names_issuer(&self, iss: Option<&str>) -> Result<(), Reason> {
        if let Some(wanted) = self.name.as_ref().filter(|wanted| iss != Some(wanted)) {
            return Err(Reason::IssuerMismatch { found: iss.map(Into::into), wanted: Arc::clone(wanted) });
        }
        Ok(())
    }

    /// Makes the second half of check 7: the token names one of the expected audiences.
    pub(super) fn names_audience<S: AsRef<str>>(
        &self,
        aud: Option<&Audiences<S>>,
        audience: Audience,
    ) -> Result<(), Reason> {
        let named = aud.map(|aud| &*aud.names).unwrap_or_default();
        let is_named = |wanted: &Arc<str>| named.iter().any(|aud| *aud.as_ref() == **wanted);
        let may_pass = aud.is_none() && audience == Audience::MayLack;
        if self.audiences.is_empty() || may_pass || self.audiences.iter().any(is_named) {
            return Ok(());
        }
        let found = named.iter().map(|aud| aud.as_ref().to_owned()).collect();
        let claim = aud.map(|aud| aud.claim).unwrap_or_default();
        Err(Reason::AudienceMismatch { claim, found, wanted: Arc::clone(&self.audiences) })
    }
}

/// Two issuers have this name, so it cannot select the keys that check a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("duplicate issuer {}", text::name(.0, 64))]
pub struct DuplicateIssuer(pub Arc<str>);

/// The issuers whose tokens are accepted. The first one is our own, for which tokens are signed here.
#[derive(Clone, Debug)]
pub struct Issuers {
    own: Issuer,
    others: Arc<[Issuer]>,
}

/// Whether a JSON value is a type of tokens other than access tokens: `…+jwt`, except `at+jwt`.
fn names_other_purpose(typ: &str) -> bool {
    // Nearly every token has the type JWT.
    if typ == r#""JWT""# {
        return false;
    }
    let typ = members::string(typ).unwrap_or_default().to_ascii_lowercase();
    typ.ends_with("+jwt") && !typ.ends_with("at+jwt")
}

impl Issuers {
    /// Creates a list with only our own issuer.
    pub fn new(own: Issuer) -> Self {
        Self { own, others: Arc::default() }
    }

    /// Adds further issuers. Each needs a unique name, because the name selects the issuer. If our own issuer accepts
    /// any `iss`, tokens of unknown issuers are checked with our keys.
    pub fn with_others(self, others: impl IntoIterator<Item = (Arc<str>, Issuer)>) -> Result<Self, DuplicateIssuer> {
        let named = |(name, issuer)| Issuer { name: Some(name), ..issuer };
        others.into_iter().map(named).try_fold(self, |issuers, other| issuers.with(other))
    }

    /// Our own issuer.
    pub fn own(&self) -> &Issuer {
        &self.own
    }

    /// Every issuer, our own first.
    pub fn iter(&self) -> impl Iterator<Item = &Issuer> {
        std::iter::once(&self.own).chain(self.others.iter())
    }

    /// Returns the same issuers with `own` in place of our own.
    #[must_use]
    pub fn with_own(&self, own: Issuer) -> Self {
        Self { own, others: Arc::clone(&self.others) }
    }

    /// Adds an issuer. Of those without a name, which accept any `iss`, a token selects the first one that has a key for
    /// its `alg`.
    pub fn with(&self, issuer: Issuer) -> Result<Self, DuplicateIssuer> {
        if let Some(name) = issuer.name.clone().filter(|name| self.iter().any(|own| own.name.as_ref() == Some(name))) {
            return Err(DuplicateIssuer(name));
        }
        let others = self.others.iter().cloned().chain([issuer]).collect();
        Ok(Self { own: self.own.clone(), others })
    }

    /// The place of [`Issuers::of_name`] among the others, from 0; `None` for our own issuer and an unknown one.
    fn other_of_name(&self, name: Option<&str>) -> Option<usize> {
        self.others.iter().rposition(|issuer| issuer.name.as_deref() == name)
    }

    /// Checks that no other issuer has the name of our own: its tokens would be checked with our keys.
    pub fn check_own_name(&self) -> Result<(), DuplicateIssuer> {
        match &self.own.name {
            Some(name) if self.other_of_name(Some(name)).is_some() => Err(DuplicateIssuer(Arc::clone(name))),
            _ => Ok(()),
        }
    }

    /// Returns the same issuers with `issuer` in place of the other one that has its name, or at the end. Returns its
    /// place too; our own issuer, which cannot be replaced by another one, has the place 0.
    pub fn with_other(&self, issuer: Issuer) -> Result<(Self, usize), DuplicateIssuer> {
        match self.other_of_name(issuer.name.as_deref()) {
            Some(place) => {
                Ok((self.map(|n, old| if n == place + 1 { issuer.clone() } else { old.clone() }), place + 1))
            }
            None => self.with(issuer).map(|issuers| (issuers, self.others.len() + 1)),
        }
    }

    /// Removes the issuer with this name, other than our own. Returns the remaining issuers and its former place, or
    /// `None` if there is no such issuer.
    pub fn without_other(&self, name: Option<&str>) -> Option<(Self, usize)> {
        let place = self.other_of_name(name)?;
        let others = self.others.iter().enumerate().filter(|(n, _)| *n != place).map(|(_, issuer)| issuer.clone());
        Some((Self { own: self.own.clone(), others: others.collect() }, place + 1))
    }

    /// Returns the same issuers, each as `change` returns it from its place, our own at 0.
    #[must_use]
    pub fn map(&self, change: impl Fn(usize, &Issuer) -> Issuer) -> Self {
        let others = self.others.iter().enumerate().map(|(n, issuer)| change(n + 1, issuer)).collect();
        Self { own: change(0, &self.own), others }
    }

    /// The issuer with this name. Of those that accept any `iss`, it is the last one: our own comes first, and its keys
    /// come from the signer.
    pub fn of_name(&self, name: Option<&str>) -> Option<&Issuer> {
        self.iter().filter(|issuer| issuer.name.as_deref() == name).last()
    }

    /// Returns the same issuers with `keys` in place of those of [`Issuers::of_name`], or `None` if there is no such
    /// issuer.
    #[must_use]
    pub fn with_keys_of(&self, name: Option<&str>, keys: KeySet) -> Option<Self> {
        match self.other_of_name(name) {
            Some(place) => {
                let mut others = self.others.to_vec();
                others.get_mut(place)?.keys = keys;
                Some(Self { own: self.own.clone(), others: others.into() })
            }
            None if self.own.name.as_deref() == name => Some(self.with_own(Issuer { keys, ..self.own.clone() })),
            None => None,
        }
    }

    /// Makes the first part of check 3: selects the issuer that the payload names. The claim is not verified yet, so it
    /// only selects: check 4 uses the keys of this issuer alone, and check 7 compares the claim with its name. With a
    /// single issuer nothing is selected, so that a wrong `iss` is reported by check 7, after the signature was
    /// checked.
    pub(super) fn select(&self, header: &[Member<'_>], payload: &[Member<'_>]) -> Result<&Issuer, Reason> {
        if self.others.is_empty() {
            return Ok(&self.own);
        }
        let iss = members::value(payload, "iss").and_then(members::string);
        let alg = members::value(header, "alg").and_then(members::string);
        self.named(iss.as_deref(), alg.as_deref())
    }

    /// The audiences of all issuers, if each of them requires one; a token whose issuer is unknown is compared with
    /// these.
    pub(super) fn all_audiences(&self) -> Option<Arc<[Arc<str>]>> {
        let expects = |issuer: &Issuer| !issuer.audiences.is_empty();
        self.iter().all(expects).then(|| {
            let mut all: Vec<Arc<str>> = self.iter().flat_map(|issuer| issuer.audiences.iter().cloned()).collect();
            mapping::once_each(&mut all, |name| name);
            all.into()
        })
    }

    /// Returns the issuer that an `iss` selects. Where several accept any `iss`, `alg` selects among them.
    pub(super) fn named(&self, iss: Option<&str>, alg: Option<&str>) -> Result<&Issuer, Reason> {
        if self.others.is_empty() {
            return Ok(&self.own);
        }
        let named = iss.and_then(|iss| self.iter().find(|issuer| issuer.name.as_deref() == Some(iss)));
        let any = || self.iter().filter(|issuer| issuer.name.is_none() && !issuer.keys.is_empty());
        let fits = |issuer: &&Issuer| issuer.keys.accept(alg, &issuer.algorithms).is_ok();
        let found = named.or_else(|| any().find(fits)).or_else(|| any().next());
        found.ok_or_else(|| Reason::UnknownIssuer {
            found: iss.map(Into::into),
            known: self.iter().filter_map(|issuer| issuer.name.clone()).collect(),
        })
    }
}
