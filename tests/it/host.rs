//! The library inside another program: it does not change any state outside itself.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use portcullis::AuthenticatedMcpServer;
use serde_json::{Value, json};

use crate::forge::EXP;

/// An RSA key of 2048 bits, as a host program uses it for its own tokens.
fn rsa() -> (EncodingKey, DecodingKey) {
    use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    use aws_lc_rs::signature::KeyPair as _;
    let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
    let pkcs8: Pkcs8V1Der<'_> = pair.as_der().expect("DER");
    // PKCS #8 puts 26 bytes before an RSA key of this size; jsonwebtoken expects the PKCS #1 key after them.
    let private = EncodingKey::from_rsa_der(pkcs8.as_ref().get(26..).expect("a key"));
    (private, DecodingKey::from_rsa_der(pair.public_key().as_ref()))
}

#[test]
fn a_host_program_still_verifies_rs256_after_it_created_a_gate() {
    let gate = AuthenticatedMcpServer::new("my-secret").expect("a secret");
    let token = gate.generate_token("user123", &["user"]).expect("a token");
    assert!(gate.verify_token(&token).is_ok());

    let (private, public) = rsa();
    let claims = json!({"sub": "host", "exp": EXP});
    let own = encode(&Header::new(Algorithm::RS256), &claims, &private).expect("the host's own token");
    let read = decode::<Value>(&own, &public, &Validation::new(Algorithm::RS256)).expect("the token verifies");
    assert_eq!(read.claims, claims);
    // The other way round: the host verifies the gate's token.
    let mut loose = Validation::new(Algorithm::HS256);
    loose.validate_exp = false;
    assert!(decode::<Value>(&*token, &DecodingKey::from_secret(b"my-secret"), &loose).is_ok());
    assert!(gate.verify_token(&own).is_err());
}
