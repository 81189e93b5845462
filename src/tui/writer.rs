//! The thread that writes to the terminal, and its queue.
//!
//! A terminal may block for a long time if it is stopped or at the other end of a hanging connection. Only this thread
//! waits for it. It queues at most the newest frame, so that a slow terminal shows the current state. Mode switches and
//! clipboard sequences are never dropped and keep their order. `terminal` decides what is written.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::stdio::stdout;
use tokio::sync::Notify;

use super::screen::{Frame, Screen};

/// How long a caller waits for the terminal to be restored. The terminal may be blocked, but the program has to end.
const RESTORE: Duration = Duration::from_millis(400);

/// The owner of the terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// The shell.
    #[default]
    Off,
    /// The console.
    On,
    /// The report of a panic; the console never gets the terminal back.
    Over,
}

/// A handle on the thread; clones share it.
#[derive(Clone)]
pub struct Writer(Arc<Outbox>);

#[derive(Default)]
struct Outbox {
    /// Locked only for moments, never during a write. No code that can panic may run under the lock, because the panic
    /// hook takes it too.
    state: Mutex<State>,
    has_work: Condvar,
    is_done: Condvar,
    has_written: Notify,
    has_failed: Notify,
}

#[derive(Default)]
struct State {
    phase: Phase,
    /// Sequences to write before the frame.
    orders: VecDeque<Vec<u8>>,
    frame: Option<Frame>,
    /// Whether another program may have written to the terminal since the last frame.
    is_unknown: bool,
    /// Whether a write is in progress.
    is_busy: bool,
    /// Whether the thread ends once everything is written.
    is_closed: bool,
    /// A buffer that can be reused.
    spare: Option<Buffer>,
    /// Why the terminal cannot be written to, until it is reported.
    failure: Option<io::Error>,
    thread: Option<ThreadId>,
}

impl Writer {
    /// Starts the thread. `write` writes all bytes that it gets and may block; outside of tests it is [`write_all`].
    pub fn start(write: impl FnMut(&[u8]) -> io::Result<()> + Send + 'static) -> io::Result<Self> {
        let outbox = Arc::new(Outbox::default());
        let thread = thread::Builder::new().name("terminal-output".to_owned()).spawn({
            let outbox = Arc::clone(&outbox);
            move || outbox.run(write)
        })?;
        outbox.state().thread = Some(thread.thread().id());
        Ok(Self(outbox))
    }

    /// Returns the current owner of the terminal.
    pub fn phase(&self) -> Phase {
        self.0.state().phase
    }

    /// Gives the terminal to the console, unless a thread has panicked; returns whether the console has it.
    pub fn claim(&self) -> bool {
        let mut state = self.0.state();
        if state.phase != Phase::Over {
            state.phase = Phase::On;
        }
        state.phase == Phase::On
    }

    /// Takes the terminal from the console, if it had it, and writes `bytes` to restore it. Waits at most [`RESTORE`]
    /// for that. Returns whether the console had the terminal.
    pub fn release(&self, next: Phase, bytes: Vec<u8>) -> bool {
        let mut state = self.0.state();
        let was_on = state.phase == Phase::On;
        if state.phase != Phase::Over {
            state.phase = next;
        }
        if !was_on {
            return false;
        }
        recycle(&mut state);
        if state.thread == Some(thread::current().id()) {
            drop(state);
            // The thread has panicked itself. An error cannot be handled here.
            let _ = write_all(&bytes);
            return true;
        }
        state.orders.push_back(bytes);
        self.0.has_work.notify_one();
        let is_writing = |state: &mut State| state.is_busy || !state.orders.is_empty();
        drop(self.0.is_done.wait_timeout_while(state, RESTORE, is_writing));
        true
    }

    /// Whether everything is written.
    pub fn is_done(&self) -> bool {
        let state = self.0.state();
        !state.is_busy && state.orders.is_empty()
    }

    /// Waits until everything is written, except for a frame whose writing has not begun.
    pub async fn drain(&self) {
        recycle(&mut self.0.state());
        while !self.is_done() {
            self.0.has_written.notified().await;
        }
    }

    /// Writes bytes after all earlier orders, if the console has the terminal.
    pub fn order(&self, bytes: Vec<u8>) {
        let mut state = self.0.state();
        if state.phase == Phase::On {
            state.orders.push_back(bytes);
            self.0.has_work.notify_one();
        }
    }

    /// Makes the next frame be written whole, because another program may have written to the terminal.
    pub fn doubt(&self) {
        self.0.state().is_unknown = true;
    }

    /// Returns an empty buffer of this size to draw into.
    pub fn buffer(&self, area: Rect) -> Buffer {
        let mut buffer = self.0.state().spare.take().unwrap_or_default();
        buffer.resize(area);
        buffer.reset();
        buffer
    }

    /// Shows a frame in place of one that still waits to be written, if the console has the terminal.
    pub fn show(&self, frame: Frame) {
        let mut state = self.0.state();
        recycle(&mut state);
        if state.phase == Phase::On {
            state.frame = Some(frame);
            self.0.has_work.notify_one();
        }
    }

    /// Reports that a thread has panicked and that its report is written.
    pub fn panicked(&self) {
        self.0.has_failed.notify_one();
    }

    /// Waits until the terminal can no longer be used; returns the error, or `None` if a thread has panicked.
    pub async fn failed(&self) -> Option<io::Error> {
        loop {
            self.0.has_failed.notified().await;
            let mut state = self.0.state();
            if state.phase == Phase::Over {
                return None;
            }
            if let Some(error) = state.failure.take() {
                return Some(error);
            }
        }
    }

    /// Ends the thread once everything is written.
    pub fn close(&self) {
        self.0.state().is_closed = true;
        self.0.has_work.notify_one();
    }
}

/// Drops the waiting frame, but keeps its buffer.
fn recycle(state: &mut State) {
    if let Some(frame) = state.frame.take() {
        state.spare = Some(frame.buffer);
    }
}

enum Work {
    Order(Vec<u8>),
    Frame(Frame, bool),
}

impl Outbox {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next output and returns it; `None` ends the thread.
    fn next(&self) -> Option<Work> {
        let mut state = self.state();
        loop {
            let work = match state.orders.pop_front() {
                Some(bytes) => Some(Work::Order(bytes)),
                None => state.frame.take().map(|frame| Work::Frame(frame, mem::take(&mut state.is_unknown))),
            };
            if work.is_some() {
                state.is_busy = true;
                return work;
            }
            if state.is_closed {
                return None;
            }
            state = self.has_work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn run(&self, mut write: impl FnMut(&[u8]) -> io::Result<()>) {
        let mut screen = Screen::new();
        while let Some(work) = self.next() {
            let (written, spare) = match work {
                Work::Order(bytes) => (write(&bytes), None),
                Work::Frame(frame, is_unknown) => match screen.encode(frame, is_unknown) {
                    Ok(([], spare)) => (Ok(()), Some(spare)),
                    Ok((bytes, spare)) => (write(bytes), Some(spare)),
                    Err(error) => (Err(error), None),
                },
            };
            let mut state = self.state();
            state.is_busy = false;
            if spare.is_some() {
                state.spare = spare;
            }
            if let Err(error) = written {
                state.failure = Some(error);
                self.has_failed.notify_one();
            }
            self.is_done.notify_all();
            self.has_written.notify_one();
        }
    }
}

/// Writes to the terminal in as few calls as possible: one for a frame.
///
/// It does not use `std::io::stdout`, which splits at the last line feed and would write the rest of a torn frame at
/// exit.
pub fn write_all(mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(stdout(), bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            // Another program on the same terminal may have made the shared file description non-blocking.
            Err(Errno::AGAIN) => {
                poll(&mut [PollFd::new(&stdout(), PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Frame, Phase, Writer};
    use ratatui::buffer::Buffer;
    use std::io;
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// A terminal that takes output only when the test allows it, and passes on what it took.
    fn terminal() -> (Writer, Sender<()>, Receiver<String>) {
        let (take, taking) = channel();
        let (written, output) = channel();
        let writer = Writer::start(move |bytes| {
            taking.recv().map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
            written.send(String::from_utf8_lossy(bytes).into_owned()).map_err(io::Error::other)
        });
        (writer.expect("a thread"), take, output)
    }

    fn frame(line: &str) -> Frame {
        Frame { buffer: Buffer::with_lines([line]), cursor: None }
    }

    fn wait_until_busy(writer: &Writer) {
        while !writer.0.state().is_busy {
            std::thread::yield_now();
        }
    }

    #[test]
    fn of_the_frames_that_wait_the_newest_is_written_and_every_order_in_turn() {
        let (writer, take, output) = terminal();
        assert!(writer.claim());
        writer.show(frame("first"));
        wait_until_busy(&writer);
        writer.show(frame("second"));
        writer.order(b"copy".to_vec());
        writer.show(frame("third"));
        writer.order(b"copy again".to_vec());
        (0..4).for_each(|_| take.send(()).expect("the thread runs"));
        let written = || output.recv().expect("the thread runs");
        assert!(written().contains("first"));
        assert_eq!((written(), written()), ("copy".to_owned(), "copy again".to_owned()));
        let third = written();
        // The frame is compared with what was written last, so the letters of the dropped frame are missing.
        assert!(third.contains("thi") && !third.contains("second"), "{third:?}");
    }

    #[test]
    fn a_terminal_that_takes_nothing_is_not_waited_for_and_gets_no_frame_afterwards() {
        let (writer, take, output) = terminal();
        assert!(writer.claim());
        writer.show(frame("first"));
        wait_until_busy(&writer);
        writer.show(frame("second"));
        assert!(writer.release(Phase::Off, b"restore".to_vec()));
        assert!(!writer.is_done() && !writer.release(Phase::Off, Vec::new()), "given up, and not a second time");
        writer.show(frame("third"));
        writer.order(b"copy".to_vec());
        (0..2).for_each(|_| take.send(()).expect("the thread runs"));
        assert!(output.recv().expect("the thread runs").contains("first"));
        assert_eq!(output.recv().as_deref(), Ok("restore"));
        writer.close();
        assert!(output.recv().is_err(), "nothing else is written");
    }

    #[tokio::test]
    async fn what_is_on_its_way_can_be_waited_for() {
        let (writer, take, output) = terminal();
        assert!(writer.claim());
        writer.show(frame("first"));
        wait_until_busy(&writer);
        writer.order(b"copy".to_vec());
        writer.show(frame("second"));
        // Only after the waiting frame is dropped: a fast thread would begin to write it.
        let goes_on = async { (0..2).for_each(|_| take.send(()).expect("the thread runs")) };
        tokio::join!(biased; writer.drain(), goes_on);
        assert!(writer.is_done() && output.try_iter().count() == 2, "all but the frame that waited");
    }

    #[tokio::test]
    async fn after_a_panic_nothing_is_switched_on_and_the_loop_hears_of_it() {
        let (writer, take, output) = terminal();
        assert!(writer.claim());
        take.send(()).expect("the thread runs");
        assert!(writer.release(Phase::Over, b"restore".to_vec()));
        assert_eq!(output.recv().as_deref(), Ok("restore"));
        writer.panicked();
        assert!(writer.failed().await.is_none());
        assert!(!writer.claim());
    }

    #[tokio::test]
    async fn a_terminal_that_is_gone_is_reported() {
        let (writer, take, _output) = terminal();
        drop(take);
        assert!(writer.claim());
        writer.show(frame("first"));
        let error = writer.failed().await.expect("an error");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
