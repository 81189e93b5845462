//! Key files: the bytes of a PEM, a DER structure, a certificate, a JWK or a JWK set, to a [`Signer`] or to
//! [`Verifier`](super::Verifier)s. `config` and `cli` read the bytes; nothing here touches a file.

use pem::Pem;
use zeroize::Zeroizing;

use super::der::{self, Structure};
use super::jwk::{self, JwkError, KeySource, KeysRead, RefusedKey, SetError};
use super::material;
use super::public::{Components, PublicKey, PublicKeyError};
use super::secret::{FileKind, KeyError, KeyOrigin};
use super::signer::{Signer, SignerOptions};
use super::verifier::Verifier;
use crate::auth::algorithm::Algorithm;
use crate::auth::members::{self, Member};
use crate::text;

/// A PEM block that cannot be decoded, or has no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid PEM: expected base64 between matching BEGIN and END lines")]
pub struct DamagedPem;

/// Why a file is not a usable private key. Safe to show; it never quotes the file, except for a label or a `kid`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// The file is empty.
    #[error("the file is empty, expected a private key")]
    Empty,
    /// The PEM cannot be decoded.
    #[error(transparent)]
    Damaged(#[from] DamagedPem),
    /// The private key needs a passphrase.
    #[error("the private key is encrypted; decrypt it with `openssl pkey -in FILE -out NEW`")]
    Encrypted,
    /// The private key has OpenSSH's own format.
    #[error("OpenSSH's key format is not supported; convert a copy with `ssh-keygen -p -m PKCS8 -f COPY`")]
    OpenSsh,
    /// A PEM block of another kind.
    #[error("PEM label {0} is not supported, expected PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY")]
    Unsupported(String),
    /// The file has no private key.
    #[error("expected a private key, got {}{}", .0.words(), .0.advice())]
    NotPrivate(FileKind),
    /// The file has more than one private key.
    #[error("expected one private key, got {0}; save the one to sign with in its own file")]
    Several(usize),
    /// The file is not a key file.
    #[error(
        "expected a private key as PEM, DER or JWK, or a secret as hex: or b64:; pass a plain secret with --secret-file"
    )]
    Unknown,
    /// The key names another algorithm than the requested one.
    #[error("{wanted} cannot be used with this key: its alg is {own}")]
    OtherAlgorithm {
        /// The key's `alg`.
        own: Algorithm,
        /// The requested algorithm.
        wanted: Algorithm,
    },
    /// The JWK cannot be used.
    #[error("invalid JWK: {0}")]
    Jwk(#[from] JwkError),
    /// The JSON is neither a JWK nor a set.
    #[error(transparent)]
    Set(#[from] SetError),
    /// The key itself cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Why a file has no public keys. Safe to show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicFileError {
    /// The PEM cannot be decoded.
    #[error(transparent)]
    Damaged(#[from] DamagedPem),
    /// The file has a private key, which does not belong where a public one is enough.
    #[error("expected a public key, got a private key; write its public half with `portcullis keys jwks FILE`")]
    Private,
    /// The file is not a key file.
    #[error("expected public keys as PEM, DER, certificate, JWK or JWK set")]
    Unknown,
    /// The JSON is neither a JWK nor a set.
    #[error(transparent)]
    Set(#[from] SetError),
    /// The only key of the file cannot be used.
    #[error(transparent)]
    Key(#[from] PublicKeyError),
}

/// Reads the private key of a file: PEM, DER, a JWK, a JWK set with one private key, or a secret as `hex:` or `b64:`.
/// The algorithm and the `kid` of the options override those of a JWK, but an algorithm never contradicts its `alg`.
pub fn read_private(bytes: &[u8], origin: KeyOrigin, options: SignerOptions<'_>) -> Result<Signer, KeyFileError> {
    if bytes.trim_ascii().is_empty() {
        return Err(KeyFileError::Empty);
    }
    if material::is_pem(bytes) {
        return private_pem(bytes, origin, options);
    }
    if bytes.starts_with(b"hex:") || bytes.starts_with(b"b64:") {
        return Ok(Signer::from_written_with(bytes, origin, options)?);
    }
    match der::structure(bytes) {
        Some(Structure::Private) => return Ok(Signer::from_der(bytes, origin, options)?),
        Some(Structure::Encrypted) => return Err(KeyFileError::Encrypted),
        Some(Structure::Public) => return Err(KeyFileError::NotPrivate(FileKind::PublicKey)),
        Some(Structure::Certificate) => return Err(KeyFileError::NotPrivate(FileKind::Certificate)),
        None => {}
    }
    match material::json(bytes) {
        Some(text) => private_jwk(text, origin, options),
        None => Err(KeyFileError::Unknown),
    }
}

fn private_pem(bytes: &[u8], origin: KeyOrigin, options: SignerOptions<'_>) -> Result<Signer, KeyFileError> {
    // Before decoding: the content of these is not always base64.
    for label in material::labels(bytes) {
        match label.as_str() {
            "OPENSSH PRIVATE KEY" => return Err(KeyFileError::OpenSsh),
            "ENCRYPTED PRIVATE KEY" => return Err(KeyFileError::Encrypted),
            "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY" => {}
            label if label.ends_with("PRIVATE KEY") || label.ends_with("PRIVATE KEY BLOCK") => {
                return Err(KeyFileError::Unsupported(text::name(label, 48)));
            }
            _ => {}
        }
    }
    let blocks = blocks(bytes)?;
    let mut keys = Vec::new();
    for block in blocks.into_iter().filter(|block| block.tag().ends_with("PRIVATE KEY")) {
        // RFC 1421 §4.6.1.1, as OpenSSL wrote it before PKCS #8.
        if block.headers().get("Proc-Type").is_some_and(|kind| kind.contains("ENCRYPTED")) {
            return Err(KeyFileError::Encrypted);
        }
        keys.push(Zeroizing::new(Pem::into_contents(block)));
    }
    match keys.as_slice() {
        [key] => Ok(Signer::from_der(key, origin, options)?),
        [] => Err(match material::file_kind(bytes) {
            Some(found) if found != FileKind::PrivateKey => KeyFileError::NotPrivate(found),
            _ => DamagedPem.into(),
        }),
        several => Err(KeyFileError::Several(several.len())),
    }
}

/// Decodes every PEM block. The parser skips a block without an end.
fn blocks(bytes: &[u8]) -> Result<Vec<Pem>, DamagedPem> {
    let blocks = pem::parse_many(bytes).ok();
    blocks.filter(|blocks| blocks.len() == material::labels(bytes).len()).ok_or(DamagedPem)
}

fn private_jwk(text: &[u8], origin: KeyOrigin, options: SignerOptions<'_>) -> Result<Signer, KeyFileError> {
    let found = members::parse(text).map_err(SetError::NotJson)?;
    let value = |name| members::value(&found, name);
    let Some(keys) = value("keys") else {
        return match (value("kty"), material::has_private(&found)) {
            (None, _) => Err(SetError::Neither.into()),
            (Some(_), false) => Err(KeyFileError::NotPrivate(FileKind::PublicJwk)),
            (Some(_), true) => signer(&found, origin, options),
        };
    };
    let keys = material::each(keys).ok_or(SetError::NotAnArray(members::kind_of(keys)))?;
    let private: Vec<&&str> = keys.iter().filter(|key| material::is_private(key)).collect();
    match private.as_slice() {
        [] => Err(KeyFileError::NotPrivate(FileKind::JwkSet)),
        [key] => {
            let key = members::parse(key.as_bytes()).map_err(JwkError::NotJson)?;
            signer(&key, origin, options)
        }
        several => Err(KeyFileError::Several(several.len())),
    }
}

/// Reads the signer of a private or secret JWK (RFC 7518 §6).
fn signer(jwk: &[Member<'_>], origin: KeyOrigin, options: SignerOptions<'_>) -> Result<Signer, KeyFileError> {
    let common = jwk::Common::read(jwk)?;
    if let (Some(own), Some(wanted)) = (common.alg, options.algorithm)
        && own != wanted
    {
        return Err(KeyFileError::OtherAlgorithm { own, wanted });
    }
    let algorithm = options.algorithm.or(common.alg);
    let options = SignerOptions { algorithm, kid: options.kid.or(common.kid.as_deref()) };
    if common.kty == "oct" {
        let (algorithm, secret) = jwk::secret(jwk, algorithm)?;
        return Ok(Signer::hmac(algorithm, &secret, origin, options.kid)?);
    }
    let components = jwk::components(jwk, &common.kty)?;
    common.fits(components.family())?;
    let private = |name| jwk::bytes(jwk, name).map(Zeroizing::new);
    let d = private("d")?;
    Ok(match &components {
        Components::Rsa { n, e } => {
            if members::value(jwk, "oth").is_some() {
                return Err(JwkError::Unsupported("oth", "(more than two primes)".to_owned()).into());
            }
            let (p, q) = (private("p")?, private("q")?);
            let (dp, dq, qi) = (private("dp")?, private("dq")?, private("qi")?);
            Signer::from_der(&der::rsa_private_key([n, e, &d, &p, &q, &dp, &dq, &qi]), origin, options)?
        }
        Components::Curve { family, x, y } => Signer::curve(*family, &d, &[&**x, &**y].concat(), origin, options)?,
        Components::Ed25519 { x } => Signer::ed25519(&d, x, origin, options)?,
    })
}

/// Writes a public key as PEM.
pub fn public_pem(key: &Components) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&Pem::new("PUBLIC KEY", der::public_key_info(key)), config)
}

/// Reads the public keys of a file: every public key and certificate of a PEM, a DER structure, a JWK or a JWK set. The
/// keys of a certificate chain all count, so a file should have only the certificates that sign tokens. Keys that cannot
/// be used are listed; an error means that the file has none at all.
pub fn read_public(bytes: &[u8], origin: KeyOrigin) -> Result<KeysRead, PublicFileError> {
    let verifier = |der: &[u8]| -> Result<Verifier, PublicKeyError> {
        Ok(Verifier::public(PublicKey::new(der::public_key(der)?, None)?, origin, None))
    };
    if material::is_pem(bytes) {
        if material::file_kind(bytes) == Some(FileKind::PrivateKey) {
            return Err(PublicFileError::Private);
        }
        let is_key = |block: &Pem| block.tag().ends_with("PUBLIC KEY") || block.tag().ends_with("CERTIFICATE");
        let blocks = blocks(bytes)?;
        let mut read = KeysRead::default();
        for (n, block) in blocks.iter().filter(|block| is_key(block)).enumerate() {
            match verifier(block.contents()) {
                Ok(key) => read.keys.push(key),
                Err(why) => read.refused.push(RefusedKey { place: n + 1, kid: None, why: why.into() }),
            }
        }
        return match (read.keys.is_empty(), read.refused.is_empty()) {
            (true, true) => Err(PublicFileError::Unknown),
            _ => Ok(read),
        };
    }
    match der::structure(bytes) {
        Some(Structure::Private | Structure::Encrypted) => return Err(PublicFileError::Private),
        Some(Structure::Public | Structure::Certificate) => {
            return Ok(KeysRead { keys: vec![verifier(bytes)?], ..KeysRead::default() });
        }
        None => {}
    }
    let text = material::json(bytes).ok_or(PublicFileError::Unknown)?;
    Ok(jwk::read(text, KeySource { origin, is_private: false })?)
}
