//! Key files: every format and algorithm is read, a wrong file is named together with the option that takes it, and no
//! key file is ever a secret. The files in `key_files` were made with OpenSSL, OpenSSH and Python's cryptography.

use portcullis::auth::keys::{SignerOptions, jwk, read_private, read_public};
use portcullis::auth::{Algorithm, IssueRequest, KeyOrigin, NumericDate, Rules, Signer};
use rstest::rstest;
use serde_json::json;

pub const RSA_PKCS1: &str = include_str!("key_files/rsa-pkcs1.pem");
pub const P256_SEC1: &str = include_str!("key_files/p256-sec1.pem");
pub const ENCRYPTED: &str = include_str!("key_files/encrypted.pem");
const ENCRYPTED_SEC1: &str = include_str!("key_files/encrypted-sec1.pem");
const ENCRYPTED_DER: &[u8] = include_bytes!("key_files/encrypted.der");
pub const CERTIFICATE: &str = include_str!("key_files/certificate.pem");
const OPENSSH: &str = include_str!("key_files/openssh.pem");
pub const RSA_JWK: &str = include_str!("key_files/rsa.jwk");
const P256_JWK: &str = include_str!("key_files/p256.jwk");
const P384_JWK: &str = include_str!("key_files/p384.jwk");
const P521_JWK: &str = include_str!("key_files/p521.jwk");
const ED25519_JWK: &str = include_str!("key_files/ed25519.jwk");
const OCT_JWK: &str =
    r#"{"kty":"oct","kid":"s","alg":"HS384","k":"YS1zZWNyZXQtb2YtZm9ydHktZWlnaHQtYnl0ZXMtaXMtZW5vdWdoLWZvci1oczM4NA"}"#;

const NOW: NumericDate = NumericDate::from_seconds(1_795_380_000);

fn private(bytes: impl AsRef<[u8]>, options: SignerOptions<'_>) -> Result<Signer, String> {
    read_private(bytes.as_ref(), KeyOrigin::File, options).map_err(|error| error.to_string())
}

fn usual(bytes: impl AsRef<[u8]>) -> Result<Signer, String> {
    private(bytes, SignerOptions::default())
}

/// The content of the first PEM block.
fn der(pem: &str) -> Vec<u8> {
    use base64::Engine as _;
    let inner = pem.split("-----").nth(2).expect("a block");
    let text: String = inner.split_whitespace().collect();
    base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
}

/// The public half as a set with one key.
fn published(signer: &Signer) -> String {
    let key = jwk::public(signer.verifier(), Some(signer.algorithm())).expect("a public key");
    json!({ "keys": [key] }).to_string()
}

/// A set with the public half of a private JWK.
fn public_jwk(text: &str) -> String {
    let mut key: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).expect("JSON");
    key.retain(|name, _| ["kty", "crv", "x", "y", "n", "e", "kid"].contains(&name.as_str()));
    serde_json::Value::from(key).to_string()
}

#[test]
fn a_new_key_of_every_algorithm_is_read_back_from_its_file_and_verified_by_what_it_publishes() {
    for algorithm in Algorithm::ALL {
        let (signer, generated) = Signer::generate(algorithm).expect("a key");
        let options = SignerOptions { algorithm: Some(algorithm), kid: None };
        let read = private(generated.to_file().as_bytes(), options).expect("a key");
        assert_eq!(read.verifier().kid(), signer.verifier().kid());
        let request = IssueRequest { user_id: "user123".to_owned(), ..IssueRequest::default() };
        let token = read.issue(&request, "jti", NOW).expect("a token");
        assert!(Rules::new(&signer).verify(&token, NOW).is_ok(), "{algorithm}");
        let Some(_) = read.verifier().components() else {
            assert!(jwk::public(read.verifier(), None).is_none(), "{algorithm}: a secret is never published");
            continue;
        };
        let public = read_public(published(&read).as_bytes(), KeyOrigin::File).expect("a set");
        assert_eq!(public.keys[0].algorithms(), [algorithm]);
        let rules = Rules::new(public.keys.into_iter().collect::<portcullis::auth::KeySet>());
        assert!(rules.verify(&token, NOW).is_ok(), "{algorithm}");
        assert!(Rules::new(&Signer::generate(algorithm).expect("a key").0).verify(&token, NOW).is_err());
    }
}

#[rstest]
#[case::pkcs1(RSA_PKCS1, Algorithm::Rs256, None)]
#[case::sec1_with_parameters(P256_SEC1, Algorithm::Es256, None)]
#[case::rsa_jwk(RSA_JWK, Algorithm::Ps256, Some("rsa-1"))]
#[case::p256_jwk(P256_JWK, Algorithm::Es256, Some("p256"))]
#[case::p384_jwk(P384_JWK, Algorithm::Es384, Some("p384"))]
#[case::p521_jwk(P521_JWK, Algorithm::Es512, Some("p521"))]
#[case::ed25519_jwk(ED25519_JWK, Algorithm::Ed25519, None)]
#[case::oct_jwk(OCT_JWK, Algorithm::Hs384, Some("s"))]
#[case::secret("b64:YS1zZWNyZXQtb2YtdGhpcnR5LXR3by1ieXRlcy1vayE=\n", Algorithm::Hs256, None)]
fn a_private_key_is_read_in_every_format(#[case] text: &str, #[case] algorithm: Algorithm, #[case] kid: Option<&str>) {
    let signer = usual(text).expect("a key");
    assert_eq!(signer.algorithm(), algorithm);
    let own = signer.verifier().components().map(jwk::thumbprint);
    assert_eq!(signer.verifier().kid(), kid.or(own.as_deref()));
    let named = private(text, SignerOptions { algorithm: None, kid: Some("other") }).expect("a key");
    assert_eq!(named.verifier().kid(), Some("other"));
    let request = IssueRequest { user_id: "user123".to_owned(), ..IssueRequest::default() };
    let token = signer.issue(&request, "jti", NOW).expect("a token");
    assert!(Rules::new(&signer).verify(&token, NOW).is_ok());
}

#[test]
fn a_key_is_the_same_as_pem_as_der_as_jwk_and_in_a_set() {
    let key = usual(RSA_PKCS1).expect("a key");
    let set = format!("\u{feff} {{\"keys\": [{RSA_JWK}, {}]}}", public_jwk(P256_JWK));
    let bundle = format!("Bag Attributes\r\n{}{CERTIFICATE}", RSA_PKCS1.replace('\n', "\r\n"));
    for bytes in [der(RSA_PKCS1), RSA_JWK.into(), set.into(), bundle.into()] {
        let read = usual(bytes).expect("a key");
        assert_eq!(read.verifier().components(), key.verifier().components());
    }
}

#[test]
fn an_rsa_key_that_names_no_algorithm_fits_all_of_rsa_and_one_that_does_fits_only_that() {
    let ps512 = SignerOptions { algorithm: Some(Algorithm::Ps512), kid: None };
    let (any, other) = (usual(RSA_PKCS1).expect("a key"), private(RSA_PKCS1, ps512).expect("a key"));
    let request = IssueRequest { user_id: "user123".to_owned(), ..IssueRequest::default() };
    let token = other.issue(&request, "jti", NOW).expect("a token");
    assert!(Rules::new(&any).verify(&token, NOW).is_ok());
    assert_eq!(other.verifier().algorithms(), [Algorithm::Ps512]);
    assert_eq!(usual(RSA_JWK).expect("a key").verifier().algorithms(), [Algorithm::Ps256]);
    let error = |text: &str, algorithm| {
        private(text, SignerOptions { algorithm: Some(algorithm), kid: None }).expect_err("it does not fit")
    };
    assert_eq!(error(RSA_JWK, Algorithm::Rs256), "RS256 cannot be used with this key: its alg is PS256");
    assert_eq!(error(RSA_PKCS1, Algorithm::Es256), "ES256 cannot be used with this key (RSA)");
    assert_eq!(error(P256_SEC1, Algorithm::Hs256), "HS256 cannot be used with this key (EC P-256)");
    assert_eq!(error("b64:AAAA", Algorithm::Rs256), "RS256 cannot be used with this key (HMAC secret)");
}

#[rstest]
#[case::empty(" \n", "the file is empty, expected a private key")]
#[case::encrypted(ENCRYPTED, "the private key is encrypted; decrypt it with `openssl pkey -in FILE -out NEW`")]
#[case::encrypted_sec1(
    ENCRYPTED_SEC1,
    "the private key is encrypted; decrypt it with `openssl pkey -in FILE -out NEW`"
)]
#[case::encrypted_der(ENCRYPTED_DER, "the private key is encrypted; decrypt it with `openssl pkey -in FILE -out NEW`")]
#[case::openssh(OPENSSH, "OpenSSH's key format is not supported; convert a copy with `ssh-keygen -p -m PKCS8 -f COPY`")]
#[case::dsa(
    "-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----\n",
    "PEM label DSA PRIVATE KEY is not supported, expected PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY"
)]
#[case::damaged(
    "-----BEGIN PRIVATE KEY-----\nAA!!\n-----END PRIVATE KEY-----\n",
    "invalid PEM: expected base64 between matching BEGIN and END lines"
)]
#[case::cut("-----BEGIN PRIVATE KEY-----\nAAAA\n", "invalid PEM: expected base64 between matching BEGIN and END lines")]
#[case::not_a_key(
    "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    "expected a private key: PKCS #8, PKCS #1 (RSA) or SEC 1 (EC), for RSA, P-256, P-384, P-521 or Ed25519"
)]
#[case::certificate(CERTIFICATE, "expected a private key, got a certificate; pass it with --public-key")]
#[case::certificate_der(der(CERTIFICATE), "expected a private key, got a certificate; pass it with --public-key")]
#[case::request(
    "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
    "expected a private key, got a PEM file without a key"
)]
#[case::public_pem(
    "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    "expected a private key, got a public key; pass it with --public-key"
)]
#[case::public_jwk(public_jwk(P256_JWK), "expected a private key, got a public JWK; pass it with --jwks")]
#[case::public_set(
    format!(r#"{{"keys":[{}]}}"#, public_jwk(P256_JWK)),
    "expected a private key, got a JWK set; pass it with --jwks"
)]
#[case::several(
    format!("{P256_SEC1}{RSA_PKCS1}"),
    "expected one private key, got 2; save the one to sign with in its own file"
)]
#[case::several_jwks(
    format!(r#"{{"keys":[{P256_JWK},{RSA_JWK}]}}"#),
    "expected one private key, got 2; save the one to sign with in its own file"
)]
#[case::plain_secret(
    "my-secret",
    "expected a private key as PEM, DER or JWK, or a secret as hex: or b64:; pass a plain secret with --secret-file"
)]
#[case::json("{}", "not a JWK or a JWK set: expected a member keys (a set) or kty (a key)")]
#[case::keys(r#"{"keys":7}"#, "not a JWK set: keys is a number, expected an array")]
#[case::without_primes(RSA_JWK.replace("\"p\"", "\"pp\""), "invalid JWK: p is missing")]
#[case::three_primes(
    RSA_JWK.replace("\"kid\"", "\"oth\""),
    "invalid JWK: oth (more than two primes) is not supported"
)]
#[case::wrong_half(
    P256_JWK.replace("\"d\": \"", "\"d\": \"AAAA").replace("AAAA", "AAAB"),
    "the values do not form a valid EC P-256 key"
)]
#[case::short_secret(r#"{"kty":"oct","k":"AAAA"}"#, "invalid JWK: a secret of 24 bits is too short for HS256")]
#[case::pem_as_secret(
    r#"{"kty":"oct","k":"LS0tLS1CRUdJTiBQVUJMSUMgS0VZLS0tLS0KQUFBQQotLS0tLUVORCBQVUJMSUMgS0VZLS0tLS0K"}"#,
    "invalid JWK: k is the text of a public key, which is not a secret"
)]
#[case::pem_in_base64(
    "b64:LS0tLS1CRUdJTiBQVUJMSUMgS0VZLS0tLS0KQUFBQQotLS0tLUVORCBQVUJMSUMgS0VZLS0tLS0K",
    "expected a secret, got a public key; pass it with --public-key"
)]
#[case::for_encryption(RSA_JWK.replace("\"sig\"", "\"enc\""), "invalid JWK: it is for encryption")]
fn a_file_that_is_no_private_key_is_named(#[case] bytes: impl AsRef<[u8]>, #[case] sentence: &str) {
    assert_eq!(usual(bytes).expect_err("it is not a private key"), sentence);
}

#[rstest]
#[case::private(RSA_PKCS1, "expected a secret, got a private key; pass it with --signing-key")]
#[case::private_der(der(RSA_PKCS1), "expected a secret, got a private key; pass it with --signing-key")]
#[case::encrypted(ENCRYPTED, "expected a secret, got a private key; pass it with --signing-key")]
#[case::openssh(OPENSSH, "expected a secret, got a private key; pass it with --signing-key")]
#[case::certificate(CERTIFICATE, "expected a secret, got a certificate; pass it with --public-key")]
#[case::certificate_der(der(CERTIFICATE), "expected a secret, got a certificate; pass it with --public-key")]
#[case::public("-----BEGIN PUBLIC KEY-----\nA", "expected a secret, got a public key; pass it with --public-key")]
#[case::private_jwk(RSA_JWK, "expected a secret, got a private JWK; pass it with --signing-key")]
#[case::secret_jwk(OCT_JWK, "expected a secret, got a private JWK; pass it with --signing-key")]
#[case::public_jwk(public_jwk(RSA_JWK), "expected a secret, got a public JWK; pass it with --jwks")]
#[case::set(r#"{"keys":[]}"#, "expected a secret, got a JWK set; pass it with --jwks")]
#[case::encoded("hex:2d2d2d2d2d424547494e20", "expected a secret, got a PEM file without a key")]
fn a_key_file_is_never_a_secret(#[case] bytes: impl AsRef<[u8]>, #[case] sentence: &str) {
    let error = Signer::from_written(bytes.as_ref(), KeyOrigin::File).expect_err("it is not a secret");
    assert_eq!(error.to_string(), sentence);
    // Nor if a program passes its bytes.
    if !bytes.as_ref().starts_with(b"hex:") {
        let error = Signer::hs256(bytes.as_ref(), KeyOrigin::Program).expect_err("it is not a secret");
        assert_eq!(error.to_string(), sentence);
    }
}

#[test]
fn bytes_that_only_resemble_a_key_file_are_a_secret() {
    for secret in ["0\u{3}\u{2}\u{1}", "{\"user\": 1}", "{kty}", "--BEGIN--", "0"] {
        assert!(Signer::from_written(secret.as_bytes(), KeyOrigin::Typed).is_ok(), "{secret:?}");
    }
}

#[test]
fn public_keys_are_read_from_every_format() {
    let key = usual(P256_SEC1).expect("a key");
    for bytes in [CERTIFICATE.into(), der(CERTIFICATE), published(&key).into()] {
        let read = read_public(&bytes, KeyOrigin::File).expect("keys");
        assert_eq!(read.keys[0].components(), key.verifier().components());
    }
    let bundle = format!("{CERTIFICATE}-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n");
    let read = read_public(bundle.as_bytes(), KeyOrigin::File).expect("keys");
    assert_eq!((read.keys.len(), read.refused.len()), (1, 1));
    assert_eq!(
        read.refused[0].to_string(),
        "key 2: expected a public key or certificate for RSA, P-256, P-384, P-521 or Ed25519"
    );
}

#[rstest]
#[case(RSA_PKCS1, "expected a public key, got a private key; write its public half with `portcullis keys jwks FILE`")]
#[case(
    der(RSA_PKCS1),
    "expected a public key, got a private key; write its public half with `portcullis keys jwks FILE`"
)]
#[case("my-secret", "expected public keys as PEM, DER, certificate, JWK or JWK set")]
#[case("{}", "not a JWK or a JWK set: expected a member keys (a set) or kty (a key)")]
#[case("-----BEGIN CERTIFICATE-----\nAAAA", "invalid PEM: expected base64 between matching BEGIN and END lines")]
fn a_file_without_public_keys_is_named(#[case] bytes: impl AsRef<[u8]>, #[case] sentence: &str) {
    let error = read_public(bytes.as_ref(), KeyOrigin::File).map(|_| ()).expect_err("it has none");
    assert_eq!(error.to_string(), sentence);
}

#[test]
fn a_request_changes_header_and_claims_only_where_it_says_so() {
    let signer = Signer::from_written(b"a-secret-of-thirty-two-bytes-ok!", KeyOrigin::Program).expect("a secret");
    let parts = |request: &IssueRequest| {
        let token = signer.issue(request, "abc", NOW).expect("a token");
        let inspection = Rules::new(&signer).inspect(token);
        (inspection.header.text.clone(), inspection.payload.text.clone())
    };
    let usual = IssueRequest { user_id: "u".to_owned(), ..IssueRequest::default() };
    assert_eq!(
        parts(&usual),
        (
            r#"{"typ":"JWT","alg":"HS256"}"#.to_owned(),
            r#"{"user_id":"u","permissions":[],"iat":1795380000,"exp":1795383600,"jti":"abc"}"#.to_owned()
        )
    );
    let header = json!({ "kid": 7, "cty": "x" });
    let request = IssueRequest {
        subject: Some("s".to_owned()),
        issued_at: Some(NumericDate::from_seconds(5)),
        jti: Some("own".to_owned()),
        has_no_expiry: true,
        token_type: Some("at+jwt".to_owned()),
        header: header.as_object().cloned().expect("an object"),
        ..usual.clone()
    };
    assert_eq!(
        parts(&request),
        (
            r#"{"typ":"at+jwt","alg":"HS256","kid":7,"cty":"x"}"#.to_owned(),
            r#"{"user_id":"u","permissions":[],"iat":5,"jti":"own","sub":"s"}"#.to_owned()
        )
    );
    let with = |change: &dyn Fn(&mut IssueRequest)| {
        let mut request = usual.clone();
        change(&mut request);
        signer.issue(&request, "abc", NOW).map(|_| ()).map_err(|error| error.to_string())
    };
    let sub = |request: &mut IssueRequest| drop(request.extra.insert("sub".to_owned(), "x".into()));
    assert_eq!(with(&sub), Ok(()));
    let both = |request: &mut IssueRequest| {
        sub(request);
        request.subject = Some("s".to_owned());
    };
    assert_eq!(with(&both), Err("extra claims: sub must be set in its own field or option".to_owned()));
    let alg = |request: &mut IssueRequest| drop(request.header.insert("alg".to_owned(), "none".into()));
    assert_eq!(with(&alg), Err("header: alg cannot be set, it follows from the key and --alg".to_owned()));
}
