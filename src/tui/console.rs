//! The event loop: one `select!` over the terminal, the signals, the shared auth state and the next moment at which the
//! picture changes.
//!
//! A turn reads the clock once, passes all messages to `update` and runs the returned effects; then the frame is drawn.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ratatui::layout::Rect;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::sleep;

use super::burst::{Burst, is_undecided};
use super::clipboard::Clipboard;
use super::effects::EffectTargets;
use super::executor::{Executor, Queue};
use super::foreign::{self, ProgressReceiver};
use super::input::{Awaited, Batch, Batches, Input};
use super::limiter::Limiter;
use super::screen::{ASK_BACKGROUND, Frame, osc_52};
use super::signals::{HANG_UP, HangUp, SignalRequest, Signals};
use super::terminal::{Modes, StopTarget, can_be_continued, forget_input, has_hung_up, mouse, size, stop};
use super::{Start, TuiError, effects};
use crate::gate::Listener;
use crate::app::{App, Effect, Msg};
use crate::clock::Clock;
use crate::config::SigningFile;
use crate::store::{Follower, News, Replica};
use crate::view;

/// How long the start of a possible burst waits for the rest. It delays a typed key by the same time.
const TRICKLE: Duration = Duration::from_millis(1);

/// The maximum number of events taken in one turn. More would keep signals waiting.
const TURN: usize = 16 * 1024;

/// How long quitting waits for a slow terminal.
const LAST_OUTPUT: Duration = Duration::from_secs(5);

/// How long the console, when it ends, waits for revocations that are being saved.
const LAST_SAVE: Duration = Duration::from_millis(500);

/// The minimum time until the picture changes by itself, so that a wrong `next_change` cannot make the loop spin.
const SHORTEST: Duration = Duration::from_millis(1);

/// Runs the console on the current runtime, until it ends.
pub async fn run(start: Start) -> Result<(), TuiError> {
    let Start { app, gate, clock, server, store, edition, signing_file, keys, foreign } = start;
    // Before any mode is switched on, so that no signal can leave the modes on.
    let (signals, hang_up) = (Signals::listen()?, HangUp::watch()?);
    let sources = Sources { signals, hang_up, changes: gate.shared().changes(), progress: foreign.progress() };
    let modes = Modes::enter()?;
    let input = Batches::listen(Arc::clone(&clock))?;
    let (columns, rows) = size();
    let replica = Arc::new(Replica::new(&gate, store, edition));
    let outside = EffectTargets::new(gate, replica, server);
    let outside = outside.with_clipboard(Clipboard::of_environment()).with_keys(keys).with_foreign(foreign);
    let mut executor = Executor::default();
    let console = Console {
        modes: &modes,
        awaited: input.awaited(),
        burst: Burst::default(),
        limiter: Limiter::default(),
        next_change: None,
        next_deed: None,
        is_stale: true,
        has_quit: false,
        app,
        outside: &outside,
        executor: &mut executor,
        clock,
        signing_file,
    };
    let ended = Box::pin(console.run(sources, input, Msg::Resized { columns, rows })).await;
    if ended.is_err() {
        forget_input();
    }
    let ended = match ended {
        // The hang-up is the cause, whatever error it led to first.
        Err(TuiError::Terminal(_)) if has_hung_up() => Err(TuiError::Signalled(HANG_UP)),
        ended => ended,
    };
    // First, because the rest may take a moment: the user gets the shell back meanwhile.
    let writer = modes.writer().clone();
    drop(modes);
    outside.foreign.close();
    executor.finish(Queue::Revocations, LAST_SAVE).await;
    if ended.is_ok() {
        // After a signal the server is not waited for; its connections end with the process.
        outside.stop_server();
    }
    match (outside.replica.unsaved_changes(), ended) {
        // If the terminal is blocked, printing an error would keep the program from ending.
        (0, ended) => ended,
        (_, ended) if !writer.is_done() => ended,
        (changes, Ok(())) => Err(TuiError::Unsaved { changes, signal: None }),
        (changes, Err(TuiError::Signalled(number))) => Err(TuiError::Unsaved { changes, signal: Some(number) }),
        (_, ended) => ended,
    }
}

/// The event sources other than the terminal.
struct Sources {
    signals: Signals,
    hang_up: HangUp,
    changes: Listener,
    progress: ProgressReceiver,
}

/// The event that woke the loop.
enum WakeEvent {
    Asked(SignalRequest),
    Input(Option<Batch>),
    Shared,
    Answer(Option<Msg>),
    News(News),
    Progress(Option<Msg>),
    Time,
}

struct Console<'a> {
    app: App,
    outside: &'a EffectTargets,
    executor: &'a mut Executor,
    clock: Arc<dyn Clock>,
    signing_file: Option<SigningFile>,
    modes: &'a Modes,
    awaited: Awaited,
    burst: Burst,
    limiter: Limiter,
    /// When the picture changes by itself, on the monotonic clock.
    next_change: Option<Duration>,
    /// When the drill makes its next call, on the monotonic clock.
    next_deed: Option<Duration>,
    /// Whether the state may have changed since the last frame.
    is_stale: bool,
    has_quit: bool,
}

impl Console<'_> {
    async fn run(mut self, mut sources: Sources, mut input: Batches, first: Msg) -> Result<(), TuiError> {
        sources.changes.mark_changed();
        if self.app.look.asks() {
            // The first frame does not wait for the answer.
            self.ask_background();
        }
        self.turn(vec![first], &mut sources.changes)?;
        self.draw();
        // After the first frame, which does not need this thread and must not wait for it.
        let (follower, mut news) = self.follow()?;
        let gate = self.outside.gate.clone();
        let mut backend = std::pin::pin!(gate.follow_backend());
        while !self.has_quit {
            self.draw();
            follower.follow_policy(&self.app.policy_file.path);
            let nap = self.nap();
            let woken = tokio::select! {
                biased;
                asked = sources.signals.next() => WakeEvent::Asked(asked),
                failure = self.modes.writer().failed() => {
                    return Err(failure.map_or(TuiError::Panicked, TuiError::Terminal));
                }
                () = sources.hang_up.happened() => return Err(TuiError::Signalled(HANG_UP)),
                answer = self.executor.next() => WakeEvent::Answer(answer),
                batch = input.next() => WakeEvent::Input(batch),
                progress = foreign::reported(&mut sources.progress) => WakeEvent::Progress(progress),
                () = changed(&mut sources.changes) => WakeEvent::Shared,
                // It stores the backend's tools in the shared state, which wakes the loop.
                () = backend.as_mut() => WakeEvent::Shared,
                Some(news) = news.recv() => WakeEvent::News(news),
                () = pause(nap) => WakeEvent::Time,
            };
            let mut told = Vec::new();
            match woken {
                WakeEvent::Asked(SignalRequest::End(signal)) => return Err(TuiError::Signalled(signal)),
                WakeEvent::Asked(SignalRequest::Stop) => told.push(self.suspend(StopTarget::Program)?),
                WakeEvent::Asked(SignalRequest::Continue) => told.push(self.resume()?),
                WakeEvent::Asked(SignalRequest::Resize) => told.push(self.resize()),
                // The input thread reports errors; without one, it ends only by a panic.
                WakeEvent::Input(None) => return Err(TuiError::Panicked),
                WakeEvent::Input(Some(batch)) => {
                    let batch = self.gather(batch?, &mut input).await?;
                    self.burst.take(batch, self.clock.monotonic(), &mut told);
                }
                WakeEvent::Shared => {}
                WakeEvent::Answer(answer) | WakeEvent::Progress(answer) => told.extend(answer),
                WakeEvent::News(news) => told.extend(effects::message(&self.app, news)),
                WakeEvent::Time if self.burst.ends().is_some() && input.has_more() => {
                    self.burst.go_on(self.clock.monotonic());
                }
                WakeEvent::Time => told.extend(self.burst.end(self.clock.monotonic())),
            }
            self.turn(told, &mut sources.changes)?;
        }
        // A slow terminal has to take the pending output before it can be restored.
        tokio::select! {
            biased;
            signal = sources.signals.end() => Err(TuiError::Signalled(signal)),
            () = self.modes.writer().drain() => Ok(()),
            () = sleep(LAST_OUTPUT) => Ok(()),
        }
    }

    fn ask_background(&self) {
        self.awaited.begin();
        self.modes.writer().order(ASK_BACKGROUND.to_vec());
    }

    /// Starts to follow the files that other processes may change.
    fn follow(&self) -> Result<(Follower, UnboundedReceiver<News>), TuiError> {
        let (sender, news) = unbounded_channel();
        let (replica, policy) = (Arc::clone(&self.outside.replica), self.app.policy_file.path.clone());
        let follower = Follower::start(replica, policy, self.signing_file.clone(), move |news| {
            // An error means that the loop has ended and the program is about to end.
            let _ = sender.send(news);
        })?;
        Ok((follower, news))
    }

    /// Takes everything else that has arrived, and waits a moment if that may decide whether it was typed or pasted: on
    /// a slow line or a busy machine, the first characters of a paste arrive some time before the others.
    async fn gather(&self, mut batch: Vec<Input>, input: &mut Batches) -> Result<Vec<Input>, TuiError> {
        let mut has_waited = false;
        loop {
            let before = batch.len();
            while batch.len() < TURN
                && let Some(more) = input.next_there()
            {
                batch.extend(more?);
            }
            let is_silent = has_waited && batch.len() == before;
            if is_silent || self.burst.ends().is_some() || !is_undecided(&batch) {
                return Ok(batch);
            }
            sleep(TRICKLE).await;
            has_waited = true;
        }
    }

    /// Reads the clock, synchronizes the app and passes it the messages. Does nothing without a message, a change or a
    /// due time.
    fn turn(&mut self, messages: Vec<Msg>, changes: &mut Listener) -> Result<(), TuiError> {
        let (now, mono) = self.clock.both();
        let has_come = [self.next_change, self.next_deed].into_iter().flatten().any(|moment| moment <= mono);
        if has_come {
            // The next frame sets this again; until then it must not wake the loop.
            self.next_change = None;
        }
        let is_behind = changes.take();
        if messages.is_empty() && !has_come && !is_behind {
            return Ok(());
        }
        self.app.at(now, mono);
        if is_behind {
            effects::sync(&mut self.app, &self.outside.gate);
        }
        let woke = has_come.then_some(Msg::Woke);
        self.tell(woke.into_iter().chain(messages).collect())?;
        // Includes the changes that effects have just made to the shared state.
        if changes.take() {
            effects::sync(&mut self.app, &self.outside.gate);
        }
        self.is_stale = true;
        self.next_deed = self.app.next_deed().map(|left| mono + left);
        Ok(())
    }

    fn tell(&mut self, mut waiting: VecDeque<Msg>) -> Result<(), TuiError> {
        while !self.has_quit
            && let Some(msg) = waiting.pop_front()
        {
            let executor = &mut *self.executor;
            for effect in effects::tell(&mut self.app, self.outside, msg, |job| executor.begin(job)) {
                match effect {
                    Effect::Quit => self.has_quit = true,
                    Effect::Suspend if can_be_continued() => waiting.push_back(self.suspend(StopTarget::Group)?),
                    Effect::Mouse(on) => self.modes.writer().order(mouse(on)),
                    Effect::AskBackground => self.ask_background(),
                    Effect::ToTerminal(text) => self.modes.writer().order(osc_52(&text)?),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Draws a frame, if one is needed and due, and passes it to the writer.
    fn draw(&mut self) {
        let now = self.clock.monotonic();
        if self.is_stale && self.modes.are_on() && self.limiter.wait(now).is_zero() {
            let (columns, rows) = self.app.size;
            let mut buffer = self.modes.writer().buffer(Rect::new(0, 0, columns, rows));
            self.app.drawn = view::draw(&self.app, &mut buffer);
            self.modes.writer().show(Frame { buffer, cursor: self.app.drawn.cursor });
            self.limiter.drew(now);
            self.is_stale = false;
            // Only drawing a frame determines which times it shows.
            self.next_change = self.app.next_change().map(|nap| self.app.times.mono + nap.max(SHORTEST));
        }
    }

    /// Returns how long the loop can sleep unless an event occurs; `None` without a limit.
    fn nap(&self) -> Option<Duration> {
        let now = self.clock.monotonic();
        let frame = (self.is_stale && self.modes.are_on()).then(|| now + self.limiter.wait(now));
        [self.next_change, self.next_deed, self.burst.ends(), frame]
            .into_iter()
            .flatten()
            .min()
            .map(|moment| moment.saturating_sub(now))
    }

    /// Restores the terminal for the shell, stops the program, and takes the terminal back when it is continued.
    fn suspend(&mut self, whom: StopTarget) -> Result<Msg, TuiError> {
        self.modes.off();
        stop(whom)?;
        // Resumes here and again on SIGCONT: the first process of a container cannot be stopped and never receives
        // SIGCONT.
        self.resume()
    }

    /// Sets up the terminal again after a stop, by the console or by SIGSTOP. Its state is unknown, because a shell has
    /// used it.
    fn resume(&mut self) -> Result<Msg, TuiError> {
        self.modes.on()?;
        if !self.app.has_mouse {
            self.modes.writer().order(mouse(false));
        }
        let (now, mono) = self.clock.both();
        self.app.at(now, mono);
        let (columns, rows) = size();
        Ok(Msg::Resized { columns, rows })
    }

    /// Handles a new size. The next frame is written whole, because a resize may move what the terminal shows.
    fn resize(&self) -> Msg {
        self.modes.writer().doubt();
        let (columns, rows) = size();
        Msg::Resized { columns, rows }
    }
}

/// Waits for a change of the shared state, and leaves it for [`Listener::take`].
async fn changed(changes: &mut Listener) {
    changes.heard().await;
    changes.mark_changed();
}

async fn pause(nap: Option<Duration>) {
    match nap {
        Some(nap) => sleep(nap).await,
        None => std::future::pending().await,
    }
}
