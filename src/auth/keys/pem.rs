//! Files with public keys: JWK, JWK set, PEM or DER.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::der;
use super::jwk::{self, JwkError, KeySource, KeysRead, RefusedKey, SetError};
use super::public::PublicKey;
use super::verifier::Verifier;
use crate::text;

const BEGIN: &str = "-----BEGIN ";

/// Reads the keys of a file: a JSON object is a JWK or a set of them, a text with PEM blocks contains public keys or
/// certificates (RFC 7468), and anything else is read as DER. A certificate contributes only its key: neither its
/// validity nor its issuer is checked.
pub fn read(bytes: &[u8], source: KeySource) -> Result<KeysRead, SetError> {
    if bytes.first() == Some(&0x30) {
        let mut read = KeysRead::default();
        read.add_der(1, bytes, source);
        return Ok(read);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if text.contains(BEGIN) => Ok(blocks(text, source)),
        _ => jwk::read(bytes, source),
    }
}

fn blocks(text: &str, source: KeySource) -> KeysRead {
    let mut read = KeysRead::default();
    for (n, block) in text.split(BEGIN).skip(1).enumerate() {
        if n >= jwk::MOST_KEYS {
            read.ignored += 1;
            continue;
        }
        match contents(block) {
            Ok(der) => read.add_der(n + 1, &der, source),
            Err(why) => read.refused.push(RefusedKey { place: n + 1, kid: None, why }),
        }
    }
    read
}

/// Returns the DER of a block, which begins with its label.
fn contents(block: &str) -> Result<Vec<u8>, JwkError> {
    const MALFORMED: JwkError = JwkError::Malformed("the PEM block", "complete, or not base64");
    let (label, rest) = block.split_once("-----").ok_or(MALFORMED)?;
    if !["PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE"].contains(&label) {
        return Err(JwkError::Unsupported("a PEM block", text::name(label, 32)));
    }
    let (body, _) = rest.split_once("-----END ").ok_or(MALFORMED)?;
    let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(body).map_err(|_| MALFORMED)
}

impl KeysRead {
    fn add_der(&mut self, place: usize, der: &[u8], source: KeySource) {
        match der::public_key(der).and_then(|components| PublicKey::new(components, None)) {
            Ok(key) => self.keys.push(Verifier::public(key, source.origin, None)),
            Err(why) => self.refused.push(RefusedKey { place, kid: None, why: why.into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::KeyOrigin;

    const LOCAL: KeySource = KeySource { origin: KeyOrigin::File, is_private: true };

    const ED25519: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";

    #[test]
    fn a_pem_file_may_contain_several_keys_of_which_one_is_broken() {
        let private = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        let broken = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
        let text = format!("# a comment\n{private}{ED25519}{broken}-----BEGIN PUBLIC KEY-----\nMCow");
        let read = read(text.as_bytes(), LOCAL).expect("PEM");
        let refused: Vec<String> = read.refused.iter().map(ToString::to_string).collect();
        assert_eq!(read.keys.len(), 1);
        let wanted = [
            "key 1: a PEM block PRIVATE KEY is not supported",
            "key 3: expected a public key or certificate for RSA, P-256, P-384, P-521 or Ed25519",
            "key 4: the PEM block is not complete, or not base64",
        ];
        assert_eq!(refused, wanted);
    }

    #[test]
    fn der_and_json_are_recognised_too() {
        let der = contents(ED25519.strip_prefix(BEGIN).expect("a block")).expect("DER");
        assert_eq!(read(&der, LOCAL).expect("DER").keys.len(), 1);
        let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        assert_eq!(read(jwk.as_bytes(), LOCAL).expect("JSON").keys.len(), 1);
        assert!(read(b"neither", LOCAL).is_err());
    }
}
