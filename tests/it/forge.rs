//! Tokens made by hand, because no library signs what these tests need.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::auth::{KeyOrigin, NumericDate, Rules, Signer};

/// The secret used by the tests, long enough not to be weak.
pub const SECRET: &[u8] = b"a secret of thirty-two bytes, ok";

/// 2026-11-22T20:41:05Z, the instant at which the tests take place.
pub const NOW: NumericDate = NumericDate::from_seconds(1_795_380_065);

/// 2100-01-01: in the future for the tests and for anyone who runs the same tokens against the system clock.
pub const EXP: i64 = 4_102_444_800;

/// The header of an ordinary token.
pub const HS256: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// The rules used by the tests: this secret, the built-in policy, and no expected issuer or audience.
pub fn rules() -> Rules {
    rules_of(SECRET)
}

/// Rules with another secret.
pub fn rules_of(secret: &[u8]) -> Rules {
    Rules::new(&signer_of(secret))
}

/// The signer used by the tests.
pub fn signer() -> Signer {
    signer_of(SECRET)
}

/// A signer with another secret.
pub fn signer_of(secret: &[u8]) -> Signer {
    Signer::hs256(secret, KeyOrigin::Program).expect("a good secret")
}

/// Base64url without padding.
pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The MAC of a text, as the bytes of a signature.
pub fn mac(text: &str, secret: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), text.as_bytes()).as_ref().to_vec()
}

/// A token with any header and payload, signed with any secret.
pub fn sign_with(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>, secret: &[u8]) -> String {
    let signed = format!("{}.{}", b64(header), b64(payload));
    let signature = b64(mac(&signed, secret));
    format!("{signed}.{signature}")
}

/// A token with any header and payload, signed with [`SECRET`].
pub fn sign(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    sign_with(header, payload, SECRET)
}

/// An ordinary token with this payload.
pub fn token(payload: impl AsRef<[u8]>) -> String {
    sign(HS256, payload)
}

/// The payload of an ordinary token for `user123`, with more members before its own.
pub fn claims(further: &str) -> String {
    format!(r#"{{{further}"user_id":"user123","permissions":["user"],"exp":{EXP}}}"#)
}

/// Runs a future to its end, without a runtime.
pub fn waits<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut std::task::Context::from_waker(&waker)) {
            std::task::Poll::Ready(result) => return result,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}
