//! A limit for byte streams that the HTTP crate does not have: how long a write may wait.

use std::future::Future as _;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A stream whose writes fail if they make no progress for a while. Otherwise, a client that never reads its answers
/// would occupy its connection and the answers forever.
pub struct TimedStream<S> {
    stream: S,
    within: Duration,
    /// Completes when the pending write has waited too long.
    waits: Option<Pin<Box<Sleep>>>,
}

impl<S: Unpin> TimedStream<S> {
    /// Creates a stream whose writes may wait for `within`.
    pub fn new(stream: S, within: Duration) -> Self {
        Self { stream, within, waits: None }
    }

    /// Returns the result of a write, or an error if the write has been pending for too long.
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

impl<S: AsyncRead + Unpin> AsyncRead for TimedStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        pin!(&mut self.stream).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimedStream<S> {
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

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    #[tokio::test]
    async fn a_write_that_nobody_reads_fails() {
        let (_reader, stream) = duplex(1000);
        let mut stream = TimedStream::new(stream, Duration::from_millis(1));
        let refused = stream.write_all(&[0; 4000]).await.expect_err("nobody reads");
        assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_write_that_is_read_slowly_gets_the_whole_time_again_after_each_step() {
        let (mut reader, stream) = duplex(100);
        let mut stream = TimedStream::new(stream, Duration::from_hours(1));
        let mut cx = Context::from_waker(Waker::noop());
        let mut write = |stream: &mut TimedStream<_>| Pin::new(stream).poll_write(&mut cx, &[0; 100]).is_ready();
        assert!(write(&mut stream) && stream.waits.is_none());
        let mut before = None;
        for _ in 0..3 {
            assert!(!write(&mut stream), "the reader has taken nothing");
            let ends = stream.waits.as_ref().map(|waits| waits.deadline());
            assert!(ends > before, "{ends:?} {before:?}");
            assert!(!write(&mut stream) && stream.waits.as_ref().map(|waits| waits.deadline()) == ends);
            reader.read_exact(&mut [0; 100]).await.expect("it is there");
            assert!(write(&mut stream) && stream.waits.is_none());
            before = ends;
        }
    }
}
