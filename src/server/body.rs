//! The body of a request: read as far as its sender may send. Until the sender is verified that is little.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use http_body_util::BodyExt as _;
use tokio::time::timeout;

/// What may be sent before the sender is verified, in bytes: enough to log what was asked for.
pub const UNVERIFIED: usize = 64 << 10;

/// A body on its way.
pub struct Incoming {
    rest: Body,
    read: Vec<u8>,
    is_whole: bool,
}

/// Why a body could not be read: the status of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread(pub StatusCode);

impl Incoming {
    /// No body.
    pub fn none() -> Self {
        Self { rest: Body::empty(), read: Vec::new(), is_whole: true }
    }

    /// Reads a body to its end, or to the first [`UNVERIFIED`] bytes.
    pub async fn begin(body: Body, within: Duration) -> Result<Self, Unread> {
        let mut incoming = Self { rest: body, read: Vec::new(), is_whole: false };
        incoming.read_to(UNVERIFIED, within).await?;
        Ok(incoming)
    }

    /// The whole body. It is read on only for a verified sender, who may send `most` bytes; of any other it has to be here.
    pub async fn finish(mut self, most: Option<usize>, within: Duration) -> Result<Bytes, Unread> {
        if let Some(most) = most {
            self.read_to(most, within).await?;
        }
        if self.is_whole { Ok(self.read.into()) } else { Err(Unread(StatusCode::PAYLOAD_TOO_LARGE)) }
    }

    async fn read_to(&mut self, most: usize, within: Duration) -> Result<(), Unread> {
        let read = async {
            while !self.is_whole && self.read.len() <= most {
                match self.rest.frame().await {
                    Some(Ok(frame)) => self.read.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
                    Some(Err(_)) => return Err(Unread(StatusCode::BAD_REQUEST)),
                    None => self.is_whole = true,
                }
            }
            Ok(())
        };
        timeout(within, read).await.unwrap_or(Err(Unread(StatusCode::REQUEST_TIMEOUT)))
    }
}
