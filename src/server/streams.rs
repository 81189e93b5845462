//! Limits on byte streams that neither the HTTP nor the MCP crate has: how long a write may wait, and how long a line may be.

use std::future::Future as _;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A stream on which a write that does not get on for a while is an error. Without that, a client that never reads its
/// answers would hold its connection, and the answers, for ever.
pub struct Writable<S> {
    stream: S,
    within: Duration,
    /// Ends when the write that waits has waited too long.
    waits: Option<Pin<Box<Sleep>>>,
}

impl<S: Unpin> Writable<S> {
    /// A stream on which a write may wait for so long.
    pub fn new(stream: S, within: Duration) -> Self {
        Self { stream, within, waits: None }
    }

    /// Passes on what a write says; one that waits for too long has failed.
    fn timed<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waits = None;
            return written;
        }
        let within = self.within;
        let waits = self.waits.get_or_insert_with(|| Box::pin(sleep(within)));
        waits.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Writable<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        pin!(&mut self.stream).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Writable<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = pin!(&mut self.stream).poll_write(cx, bytes);
        self.timed(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = pin!(&mut self.stream).poll_flush(cx);
        self.timed(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = pin!(&mut self.stream).poll_shutdown(cx);
        self.timed(cx, shut)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = pin!(&mut self.stream).poll_write_vectored(cx, parts);
        self.timed(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// A stream of messages, a line each, in which a line that is too long is an error.
pub struct Lines<S> {
    stream: S,
    most: usize,
    /// Bytes since the last line break.
    length: usize,
}

impl<S> Lines<S> {
    /// Lines of at most so many bytes.
    pub const fn new(stream: S, most: usize) -> Self {
        Self { stream, most, length: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lines<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        std::task::ready!(pin!(&mut self.stream).poll_read(cx, into))?;
        let new = into.filled().get(before..).unwrap_or_default();
        let (mut length, mut longest) = (self.length, 0);
        for part in new.split_inclusive(|byte| *byte == b'\n') {
            length += part.len();
            longest = longest.max(length);
            if part.ends_with(b"\n") {
                length = 0;
            }
        }
        self.length = length;
        if longest > self.most {
            // With an error nothing may have been read.
            into.set_filled(before);
            return Poll::Ready(Err(io::Error::other(format!("a message has more than {} bytes", self.most))));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    #[tokio::test(start_paused = true)]
    async fn a_write_that_nobody_reads_fails_and_one_that_is_read_slowly_does_not() {
        let (mut reader, stream) = duplex(1000);
        let mut stream = Writable::new(stream, Duration::from_secs(10));
        let slow = async {
            let mut read = [0; 100];
            for _ in 0..30 {
                sleep(Duration::from_secs(9)).await;
                reader.read_exact(&mut read).await.expect("it is there");
            }
        };
        let (written, ()) = tokio::join!(stream.write_all(&[0; 4000]), slow);
        written.expect("it gets on all the time");
        let refused = stream.write_all(&[0; 4000]).await.expect_err("nobody reads");
        assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_an_error_and_many_short_ones_are_not() {
        let read =
            |text: &'static str| async move { Lines::new(text.as_bytes(), 5).read_to_end(&mut Vec::new()).await };
        assert_eq!(read("1234\n1234\n12345").await.expect("short lines"), 15);
        let refused = read("1234\n123456").await.expect_err("a long line");
        assert_eq!(refused.to_string(), "a message has more than 5 bytes");
    }
}
