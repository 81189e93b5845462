//! What probe tokens are modelled on: the header and claims of a good token, and the keys.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use crate::auth::algorithm::Family;
use crate::auth::keys::{self, Components, SignerOptions, hs256, jwk};
use crate::auth::mapping;
use crate::auth::{Algorithm, KeyError, KeyOrigin, NumericDate, Signer, Verifier};
use crate::lab::kit::another_rsa;
use crate::text::Span;
use crate::text::material::Metadata;

/// A secret that no server uses.
const ANOTHER: &[u8] = b"another secret, which signs nothing but probe tokens. It has 64B";

/// A `kid` that no key has.
const NO_KEY: &str = "no-such-key";

/// The good token and the keys around it. It contains keys, so it has no `Debug`.
#[derive(Clone)]
pub struct Model {
    /// The header of the good token.
    pub header: Map<String, Value>,
    /// The claims of the good token.
    pub claims: Map<String, Value>,
    /// The good token, as it was given or signed.
    pub good: String,
    /// The key that the server trusts; without it, only the token in hand can be varied.
    signer: Option<Signer>,
    /// The same secret for another algorithm.
    variant: Option<Signer>,
    /// A key of the same kind that no server trusts.
    stranger: Signer,
    /// An ECDSA key that no server trusts.
    ecdsa: Signer,
    /// The public key that the server verifies with, if it is known.
    public: Option<Components>,
    /// The instant of the probe, a whole second.
    pub now: NumericDate,
}

/// Why a token cannot be the model of others. The sentence is safe to show.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The token is not a JWT.
    #[error("the token to model others on is not a JWT with a JSON header and payload")]
    NotAToken,
    /// A key could not be made.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// The claims of a good token, if there is none in hand.
#[derive(Clone, Copy)]
pub struct GoodClaims<'a> {
    /// The user.
    pub user: &'a str,
    /// The permissions.
    pub permissions: &'a [String],
    /// The issuer.
    pub issuer: Option<&'a str>,
    /// The audiences.
    pub audiences: &'a [String],
    /// The preset whose claims are used; `None` for the claims that most servers read.
    pub preset: Option<&'a str>,
}

impl GoodClaims<'_> {
    /// Passes on these wishes; an issuer and audiences that are not given are those of the server's metadata.
    pub fn completed<T>(&self, metadata: Option<&Metadata>, make: impl FnOnce(&GoodClaims<'_>) -> T) -> T {
        let resource = metadata.and_then(|metadata| metadata.resource.clone());
        let of_server: Vec<String> = resource.iter().cloned().collect();
        // A server that names itself as the issuer may well expect none.
        let own = |issuer: &&String| resource.as_ref().is_some_and(|resource| resource.starts_with(issuer.as_str()));
        let issuer = metadata.and_then(|metadata| metadata.issuers.first()).filter(|issuer| !own(issuer));
        make(&GoodClaims {
            issuer: self.issuer.or(issuer.map(String::as_str)),
            audiences: if self.audiences.is_empty() { &of_server } else { self.audiences },
            ..*self
        })
    }

    /// The claims for these wishes.
    fn claims(&self) -> Map<String, Value> {
        let mut claims = Value::Object(Map::new());
        let mut set = |path: &str, value: Value| set_claim(&mut claims, path, value);
        if let Some(name) = self.preset {
            let preset = mapping::preset(name);
            set(preset.user.first().copied().unwrap_or("sub"), json!(self.user));
            set("sub", json!(self.user));
            let path = preset.permissions.first().copied().unwrap_or("scope");
            set(path, permissions_for(path, self.permissions));
        } else {
            for name in ["sub", "user_id", "client_id"] {
                set(name, json!(self.user));
            }
            set("scope", json!(self.permissions.join(" ")));
            set("permissions", json!(self.permissions));
        }
        if let Some(issuer) = self.issuer {
            set("iss", json!(issuer));
        }
        match self.audiences {
            [] => {}
            [one] => set("aud", json!(one)),
            several => set("aud", json!(several)),
        }
        match claims {
            Value::Object(claims) => claims,
            _ => Map::new(),
        }
    }
}

/// The claims that may name the user: those of the presets, and those that servers bind sessions to.
const USERS: [&str; 11] = [
    "sub",
    "user_id",
    "client_id",
    "azp",
    "uid",
    "oid",
    "username",
    "preferred_username",
    "email",
    "name",
    "user_login",
];

/// The value of a claim for permissions: most are lists, scopes are a string.
fn permissions_for(path: &str, permissions: &[String]) -> Value {
    match path.rsplit('.').next() {
        Some("scope") => json!(permissions.join(" ")),
        _ => json!(permissions),
    }
}

/// Sets a claim: at its name, or along a dotted path.
fn set_claim(claims: &mut Value, path: &str, value: Value) {
    let path = path.trim_end_matches(',');
    // A name such as `https://…/roles` or `cognito:groups` is not a path.
    if path.contains("://") || !path.contains('.') {
        claims[path] = value;
        return;
    }
    let mut at = claims;
    for name in path.split('.') {
        if !at.is_object() {
            *at = json!({});
        }
        at = &mut at[name];
    }
    *at = value;
}

impl Model {
    /// Models probe tokens on these wishes, signed by a key that the server trusts.
    pub fn of_wishes(wanted: &GoodClaims<'_>, signer: &Signer, now: NumericDate) -> Result<Self, ModelError> {
        let mut header = Map::new();
        header.insert("alg".to_owned(), json!(signer.algorithm().name()));
        header.insert("typ".to_owned(), json!("JWT"));
        header.extend(signer.verifier().kid().map(|kid| ("kid".to_owned(), json!(kid))));
        Self::new(header, wanted.claims(), None, Some(signer.clone()), now)
    }

    /// Models probe tokens on a good one. With a key that the server trusts, they get fresh times.
    pub fn of_token(token: &str, signer: Option<&Signer>, now: NumericDate) -> Result<Self, ModelError> {
        let mut segments = token.split('.');
        let mut segment = || {
            let bytes = URL_SAFE_NO_PAD.decode(segments.next()?).ok()?;
            match serde_json::from_slice(&bytes).ok()? {
                Value::Object(members) => Some(members),
                _ => None,
            }
        };
        let (header, claims) = (segment().ok_or(ModelError::NotAToken)?, segment().ok_or(ModelError::NotAToken)?);
        let header = match signer {
            Some(signer) => {
                let mut own = header;
                own.insert("alg".to_owned(), json!(signer.algorithm().name()));
                // The key's own name, if it has one: the token may be from another key of the same issuer.
                own.extend(signer.verifier().kid().map(|kid| ("kid".to_owned(), json!(kid))));
                own
            }
            None => header,
        };
        Self::new(header, claims, Some(token), signer.cloned(), now)
    }

    fn new(
        header: Map<String, Value>,
        mut claims: Map<String, Value>,
        token: Option<&str>,
        signer: Option<Signer>,
        now: NumericDate,
    ) -> Result<Self, ModelError> {
        let now = now.whole_second();
        let named = header.get("alg").and_then(Value::as_str).and_then(Algorithm::named);
        let algorithm = signer.as_ref().map_or(named.unwrap_or(Algorithm::Rs256), Signer::algorithm);
        let kid = header.get("kid").and_then(Value::as_str).unwrap_or(NO_KEY).to_owned();
        let stranger = match algorithm.family() {
            Family::Hmac => Signer::hmac(algorithm, ANOTHER, KeyOrigin::Program, Some(&kid))?,
            Family::Rsa => {
                let der = another_rsa()?;
                let options = SignerOptions { algorithm: Some(algorithm), kid: Some(&kid) };
                Signer::from_der(der, KeyOrigin::Program, options)?
            }
            _ => Signer::generate(algorithm)?.0,
        };
        let ecdsa = match algorithm.family() {
            Family::P256 | Family::P384 | Family::P521 => stranger.clone(),
            _ => Signer::generate(Algorithm::Es256)?.0,
        };
        let public = signer.as_ref().and_then(|signer| signer.verifier().components()).cloned();
        if let Some(signer) = &signer {
            let lifetime = Span::HOUR;
            claims.insert("iat".to_owned(), now.json_number());
            claims.insert("exp".to_owned(), now.plus(lifetime).json_number());
            claims.insert("jti".to_owned(), json!(format!("probe-{}", now.seconds())));
            claims.shift_remove("nbf");
            let good = signer.seal(&text(&header), &text(&claims));
            return Ok(Self {
                header,
                claims,
                good,
                signer: Some(signer.clone()),
                variant: None,
                stranger,
                ecdsa,
                public,
                now,
            });
        }
        let good = token.unwrap_or_default().to_owned();
        Ok(Self { header, claims, good, signer, variant: None, stranger, ecdsa, public, now })
    }

    /// Adds the key that the server verifies with, as its issuer publishes it.
    #[must_use]
    pub fn with_public(mut self, verifier: Option<&Verifier>) -> Self {
        if self.public.is_none() {
            self.public = verifier.and_then(Verifier::components).cloned();
        }
        self
    }

    /// The same model with a `jti` of its own: a server may refuse one that it has seen.
    #[must_use]
    pub fn for_probe(&self, n: usize) -> Self {
        let mut model = self.clone();
        if model.signer.is_some() {
            model.claims.insert("jti".to_owned(), json!(format!("{}-{n}", self.string("jti").unwrap_or("probe"))));
            if let Some(good) = model.signed(&model.claims()) {
                model.good = good;
            }
        }
        model
    }

    /// Adds the trusted secret for another algorithm.
    #[must_use]
    pub fn with_variant(self, variant: Option<Signer>) -> Self {
        Self { variant, ..self }
    }

    /// The same model at a later instant, from which times are counted: a whole run takes seconds.
    #[must_use]
    pub fn at_instant(&self, now: NumericDate) -> Self {
        Self { now: now.whole_second(), ..self.clone() }
    }

    /// Whether tokens can be signed with a key that the server trusts.
    pub const fn has_key(&self) -> bool {
        self.signer.is_some()
    }

    /// The algorithm of the good token.
    pub fn algorithm(&self) -> Option<Algorithm> {
        self.header.get("alg").and_then(Value::as_str).and_then(Algorithm::named)
    }

    /// Whether the good token has a claim.
    pub fn has(&self, claim: &str) -> bool {
        self.claims.contains_key(claim)
    }

    /// The header as text, with members replaced or added.
    pub fn header_with(&self, members: &[(&str, Value)]) -> String {
        let mut header = self.header.clone();
        header.extend(members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        text(&header)
    }

    /// The header as text, without a member.
    pub fn header_without(&self, name: &str) -> String {
        let mut header = self.header.clone();
        header.shift_remove(name);
        text(&header)
    }

    /// The header as text.
    pub fn header(&self) -> String {
        text(&self.header)
    }

    /// The claims as text.
    pub fn claims(&self) -> String {
        text(&self.claims)
    }

    /// The claims as text, with one replaced or added.
    pub fn with(&self, name: &str, value: impl Into<Value>) -> String {
        let mut claims = self.claims.clone();
        claims.insert(name.to_owned(), value.into());
        text(&claims)
    }

    /// The claims as text, for another user: in every claim that may name one.
    pub fn of_another_user(&self) -> String {
        let mut claims = self.claims.clone();
        let other = json!("somebody-else");
        for (_, value) in claims.iter_mut().filter(|(name, _)| USERS.contains(&name.as_str())) {
            value.clone_from(&other);
        }
        claims.entry("sub").or_insert(other);
        text(&claims)
    }

    /// The claims as text, without some.
    pub fn without(&self, names: &[&str]) -> String {
        let mut claims = self.claims.clone();
        for name in names {
            claims.shift_remove(*name);
        }
        text(&claims)
    }

    /// The claims as text, with a member in front that the text contains once more: a duplicate.
    pub fn twice(&self, name: &str, first: &str) -> Option<String> {
        self.has(name).then(|| self.claims().replacen('{', &format!("{{{}:{first},", json!(name)), 1))
    }

    /// The value of a time claim, from now.
    pub fn at(&self, span: Span) -> Value {
        self.now.plus(span).json_number()
    }

    /// Signs a payload under the good header with the trusted key.
    pub fn signed(&self, payload: &str) -> Option<String> {
        self.signed_under(&self.header(), payload)
    }

    /// Signs a payload under a header with the trusted key.
    pub fn signed_under(&self, header: &str, payload: &str) -> Option<String> {
        Some(self.signer.as_ref()?.seal(header, payload))
    }

    /// Signs a payload that may not be text under the good header with the trusted key.
    pub fn signed_bytes(&self, payload: &[u8]) -> Option<String> {
        let signer = self.signer.as_ref()?;
        let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(self.header()), URL_SAFE_NO_PAD.encode(payload));
        let signature = URL_SAFE_NO_PAD.encode(signer.sign(&text));
        Some(format!("{text}.{signature}"))
    }

    /// Signs with the trusted key by another algorithm of its family.
    pub fn signed_as(&self, algorithm: Algorithm) -> Option<String> {
        let signer = self.signer.as_ref()?;
        let other = match &self.variant {
            Some(variant) if variant.algorithm() == algorithm => variant.clone(),
            _ if signer.verifier().algorithms().contains(&algorithm) => signer.with_algorithm(algorithm),
            _ => return None,
        };
        Some(other.seal(&self.header_with(&[("alg", json!(algorithm.name()))]), &self.claims()))
    }

    /// Signs the good claims under a header with a key that no server trusts.
    pub fn by_stranger(&self, header: &str) -> String {
        self.stranger.seal(header, &self.claims())
    }

    /// The stranger's public key as a JWK, as an attacker embeds it.
    pub fn stranger_jwk(&self) -> Value {
        match self.stranger.verifier().components() {
            Some(components) => Value::Object(jwk::write(components)),
            None => json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(ANOTHER) }),
        }
    }

    /// The texts of the public key that are abused as secrets; empty if the key is not known.
    pub fn public_texts(&self) -> Vec<(&'static str, Vec<u8>)> {
        let Some(public) = &self.public else { return Vec::new() };
        vec![
            ("PEM", keys::public_pem(public).into_bytes()),
            ("PEM without its last line break", keys::public_pem(public).trim_end().as_bytes().to_vec()),
            ("DER", keys::public_key_info(public)),
            ("JWK", Value::Object(jwk::write(public)).to_string().into_bytes()),
        ]
    }

    /// The good claims under a header of HS256 with this secret.
    pub fn hmac(&self, secret: &[u8], more: &[(&str, Value)]) -> String {
        let mut members = vec![("alg", json!("HS256"))];
        members.extend_from_slice(more);
        self.assemble(&self.header_with(&members), |text| hs256(secret, text))
    }

    /// The good claims under a header, with the signature that `sign` makes.
    pub fn assemble(&self, header: &str, sign: impl FnOnce(&str) -> Vec<u8>) -> String {
        let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), self.segment(1));
        let signature = URL_SAFE_NO_PAD.encode(sign(&text));
        format!("{text}.{signature}")
    }

    /// Another payload with the signature of the good token.
    pub fn resigned(&self, payload: &str) -> String {
        format!("{}.{}.{}", self.segment(0), URL_SAFE_NO_PAD.encode(payload), self.segment(2))
    }

    /// A segment of the good token.
    pub fn segment(&self, n: usize) -> &str {
        self.good.split('.').nth(n).unwrap_or_default()
    }

    /// The good token with another segment.
    pub fn with_segment(&self, n: usize, segment: &str) -> String {
        let mut segments: Vec<&str> = self.good.split('.').collect();
        if let Some(place) = segments.get_mut(n) {
            *place = segment;
        }
        segments.join(".")
    }

    /// The signature of the good token, changed.
    pub fn signature_with(&self, change: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut bytes = URL_SAFE_NO_PAD.decode(self.segment(2)).unwrap_or_default();
        change(&mut bytes);
        self.with_segment(2, &URL_SAFE_NO_PAD.encode(bytes))
    }

    /// An ECDSA token whose signature `sign` makes.
    pub fn by_ecdsa(&self, sign: impl FnOnce(&Signer, &str) -> Vec<u8>) -> String {
        let header = self.header_with(&[("alg", json!(self.ecdsa.algorithm().name()))]);
        self.assemble(&header, |text| sign(&self.ecdsa, text))
    }

    /// A segment in padded or in standard base64; `None` if it looks the same.
    pub fn encoded(&self, n: usize, is_padded: bool) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(self.segment(n)).ok()?;
        let other = if is_padded { URL_SAFE.encode(&bytes) } else { STANDARD_NO_PAD.encode(&bytes) };
        (other != self.segment(n)).then(|| self.with_segment(n, &other))
    }

    /// The first permission claim of the good token, by the names that are common: its name and its value.
    fn permission_claim(&self) -> Option<(&str, &Value)> {
        let names = ["permissions", "scope", "scp", "scopes", "roles", "groups"];
        names.iter().find_map(|name| self.claims.get_key_value(*name).map(|(name, value)| (name.as_str(), value)))
    }

    /// The claims with more permissions than the good token has.
    pub fn elevated(&self) -> String {
        let more = ["admin", "root"];
        match self.permission_claim() {
            Some((name, Value::String(held))) => self.with(name, format!("{held} {}", more.join(" "))),
            Some((name, Value::Array(held))) => {
                let all: Vec<Value> = held.iter().cloned().chain(more.map(Value::from)).collect();
                self.with(name, all)
            }
            _ => self.with("permissions", json!(more)),
        }
    }

    /// The audience or issuer of the good token, if it is a string.
    pub fn string(&self, claim: &str) -> Option<&str> {
        match self.claims.get(claim)? {
            Value::String(text) => Some(text),
            Value::Array(all) => all.first()?.as_str(),
            _ => None,
        }
    }
}

fn text(members: &Map<String, Value>) -> String {
    serde_json::to_string(members).unwrap_or_default()
}
