//! A signal between tasks that needs no runtime: a number that grows, and listeners that wait until it has grown.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use event_listener::Event;

/// A number that only grows. Every [`Listener`] is woken when it has grown, and when the signal is dropped.
#[derive(Debug, Default)]
pub struct Signal(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    number: AtomicU64,
    has_ended: AtomicBool,
    event: Event,
}

impl Signal {
    /// Makes the number larger by one.
    pub fn raise(&self) {
        self.0.number.fetch_add(1, Ordering::SeqCst);
        self.0.event.notify(usize::MAX);
    }

    /// Makes the number this one, unless it is as large already.
    pub fn raise_to(&self, number: u64) {
        if self.0.number.fetch_max(number, Ordering::SeqCst) < number {
            self.0.event.notify(usize::MAX);
        }
    }

    /// Returns a listener, which is woken by every growth from now on.
    pub fn listen(&self) -> Listener {
        Listener { signal: Arc::clone(&self.0), seen: Some(self.0.number.load(Ordering::SeqCst)) }
    }

    /// Whether a listener is one of this signal.
    pub fn is_heard_by(&self, listener: &Listener) -> bool {
        Arc::ptr_eq(&self.0, &listener.signal)
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        self.0.has_ended.store(true, Ordering::SeqCst);
        self.0.event.notify(usize::MAX);
    }
}

/// Waits for the growth of a [`Signal`]. Growth in the meantime is not lost, and several steps count as one.
#[derive(Clone, Debug)]
pub struct Listener {
    signal: Arc<Inner>,
    /// The number as of the last time; `None` if something is still to be heard.
    seen: Option<u64>,
}

impl Listener {
    /// Waits until the number has grown since the last time. Returns `false` if the signal was dropped instead. Nothing
    /// is lost if the future is dropped.
    #[must_use = "after the end it returns at once"]
    pub async fn changed(&mut self) -> bool {
        loop {
            // Before the number is read, so that growth after the reading wakes this.
            let woken = self.signal.event.listen();
            // Before the number, too: nothing grows after the end, so growth before it is not missed.
            let has_ended = self.signal.has_ended.load(Ordering::SeqCst);
            if self.take() {
                return true;
            }
            if has_ended {
                return false;
            }
            woken.await;
        }
    }

    /// Waits like [`Listener::changed`]; never completes if the signal was dropped.
    pub async fn heard(&mut self) {
        if !self.changed().await {
            std::future::pending::<()>().await;
        }
    }

    /// Returns whether the number has grown since the last time, without waiting.
    pub fn take(&mut self) -> bool {
        let number = Some(self.signal.number.load(Ordering::SeqCst));
        std::mem::replace(&mut self.seen, number) != number
    }

    /// Makes the next [`Listener::changed`] return at once, and the next [`Listener::take`] return `true`.
    pub fn mark_changed(&mut self) {
        self.seen = None;
    }
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::sync::atomic::AtomicUsize;
    use std::task::{Context, Poll, Wake, Waker};

    use super::*;

    fn polled<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_listener_hears_what_happened_since_the_last_time_once() {
        let signal = Signal::default();
        signal.raise();
        let mut listener = signal.listen();
        assert!(!listener.take(), "that was before");
        assert_eq!(polled(pin!(listener.changed())), Poll::Pending);
        signal.raise();
        signal.raise();
        assert_eq!(polled(pin!(listener.changed())), Poll::Ready(true));
        assert_eq!(polled(pin!(listener.changed())), Poll::Pending);
        listener.mark_changed();
        assert!(listener.take() && !listener.take());
    }

    #[test]
    fn a_lower_number_is_no_news() {
        let signal = Signal::default();
        let mut listener = signal.listen();
        signal.raise_to(5);
        assert!(listener.take());
        signal.raise_to(4);
        signal.raise_to(5);
        assert!(!listener.take());
    }

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_waiting_task_is_woken_by_growth_and_by_the_end() {
        let (signal, count) = (Signal::default(), Arc::new(Wakes::default()));
        let waker = Waker::from(Arc::clone(&count));
        let mut cx = Context::from_waker(&waker);
        let [mut listener, mut late] = [signal.listen(), signal.listen()];
        let mut waiting = pin!(listener.changed());
        assert_eq!(waiting.as_mut().poll(&mut cx), Poll::Pending);
        signal.raise();
        assert_eq!((count.0.load(Ordering::SeqCst), waiting.poll(&mut cx)), (1, Poll::Ready(true)));
        let mut listener = signal.listen();
        let mut waiting = pin!(listener.changed());
        assert_eq!(waiting.as_mut().poll(&mut cx), Poll::Pending);
        drop(signal);
        assert_eq!((count.0.load(Ordering::SeqCst), waiting.poll(&mut cx)), (2, Poll::Ready(false)));
        // The last growth is heard although the signal has ended since.
        assert_eq!(polled(pin!(late.changed())), Poll::Ready(true));
        assert_eq!(polled(pin!(late.changed())), Poll::Ready(false));
    }
}
