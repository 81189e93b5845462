//! Reads the body of a request. Of an unverified caller, only a short body is read, for the log.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_LENGTH;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::time::timeout;

/// The longest body that is read before the caller is verified, in bytes.
pub const SHORT: usize = 4 << 10;

/// Why a body could not be read; contains the status of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyError(pub StatusCode);

/// Whether the body of a request is read.
pub fn is_expected(parts: &Parts) -> bool {
    parts.method == Method::POST
}

/// Whether the body of a request is short according to its `Content-Length`.
pub fn is_short(parts: &Parts) -> bool {
    let length = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    length.is_some_and(|length| length <= SHORT)
}

/// Reads a body of at most `most` bytes to its end. Fails if that takes longer than `within`.
pub async fn read(body: Body, most: usize, within: Duration) -> Result<Bytes, BodyError> {
    let read = timeout(within, Limited::new(body, most).collect()).await;
    match read.map_err(|_| BodyError(StatusCode::REQUEST_TIMEOUT))? {
        Ok(read) => Ok(read.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyError(StatusCode::PAYLOAD_TOO_LARGE)),
        Err(_) => Err(BodyError(StatusCode::BAD_REQUEST)),
    }
}
