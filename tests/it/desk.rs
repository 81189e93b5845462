//! A console without a terminal: the real state, gate and views, with a clock that the test controls.
//!
//! `Desk` is driven by key scripts (`"Tab Space x"`), typed text and pastes; `shows` searches the drawn screen.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use futures_util::future::select_all;
use portcullis::AuthenticatedMcpServer;
use portcullis::app::key::{Code, Key};
use portcullis::app::{App, Effect, InitialState, Mouse, MouseKind, Msg, Times, frame_info::Target};
use portcullis::auth::{KeyOrigin, NumericDate, Rules, Signer};
use portcullis::clock::{Clock, ManualClock};
use portcullis::gate::Snapshot;
use portcullis::gate::ports::Backend;
use portcullis::store::{Memory, News, Replica, Store, read_policy};
use portcullis::tui::effects::{self, EffectTargets, Job, Queue};
use portcullis::tui::foreign::{ProgressReceiver, reported};
use portcullis::view;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// 2026-11-22T20:40:00Z.
pub const START: NumericDate = NumericDate::from_seconds(1_795_380_000);
pub const SECRET: &[u8] = b"a-secret-of-thirty-two-bytes-ok!";

/// Runs a future to its end.
pub fn waits<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// Whether something becomes true within some seconds.
pub fn eventually(is_true: impl Fn() -> bool) -> bool {
    (0..2000).any(|_| {
        is_true() || {
            thread::park_timeout(Duration::from_millis(5));
            false
        }
    })
}

pub struct Desk {
    pub app: App,
    pub gate: AuthenticatedMcpServer,
    pub clock: Arc<ManualClock>,
    pub outside: EffectTargets,
    /// Effects left to the terminal: copying, quitting, suspending.
    pub left: Vec<Effect>,
    pub keys_pressed: usize,
    /// Calls that wait for an answer.
    running: Vec<Pin<Box<dyn Future<Output = Msg> + Send>>>,
    progress: ProgressReceiver,
    /// Whether policies and evidence are written to files. Off for random keys, which could name any file.
    pub writes_files: bool,
}

impl Desk {
    pub fn new(columns: u16, rows: u16) -> Self {
        Self::with(Rules::new(&Signer::hs256(SECRET, KeyOrigin::Program).expect("a key")), columns, rows)
    }

    pub fn with(rules: Rules, columns: u16, rows: u16) -> Self {
        let memory = Memory::new((*rules.revoked).clone());
        Self::with_store(rules, Arc::new(memory), columns, rows)
    }

    /// Like [`Desk::untouched`], with the focus in the user ID of the next token, where most tests begin.
    pub fn with_store(rules: Rules, store: Arc<dyn Store>, columns: u16, rows: u16) -> Self {
        let mut desk = Self::untouched(rules, store, columns, rows);
        desk.keys("Enter");
        desk.keys_pressed = 0;
        desk
    }

    /// Returns a console in its initial state.
    pub fn untouched(rules: Rules, store: Arc<dyn Store>, columns: u16, rows: u16) -> Self {
        let clock = Arc::new(ManualClock::new(START));
        let signer = Signer::hs256(SECRET, KeyOrigin::Program).expect("a key");
        let gate = AuthenticatedMcpServer::with(rules, signer, Arc::clone(&clock) as Arc<dyn Clock>);
        Self::at_gate(gate, clock, store, columns, rows)
    }

    /// Returns a console in its initial state, in front of other tools than the built-in ones.
    pub fn in_front_of(backend: Arc<dyn Backend>, rules: Rules, columns: u16, rows: u16) -> Self {
        let clock = Arc::new(ManualClock::new(START));
        let signer = Signer::hs256(SECRET, KeyOrigin::Program).expect("a key");
        let gate = AuthenticatedMcpServer::in_front_of(backend, rules, signer, Arc::clone(&clock) as Arc<dyn Clock>);
        Self::at_gate(gate, clock, Arc::new(Memory::default()), columns, rows)
    }

    fn at_gate(
        gate: AuthenticatedMcpServer,
        clock: Arc<ManualClock>,
        store: Arc<dyn Store>,
        columns: u16,
        rows: u16,
    ) -> Self {
        let times = Times { real: START, judged: START, mono: Duration::ZERO };
        let app = App::new(InitialState {
            zone: |_| 3600,
            keeps_revocations: store.is_durable(),
            ..InitialState::new(gate.shared().read(Snapshot::of), times)
        });
        let replica = Arc::new(Replica::new(&gate, store, None));
        let outside = EffectTargets::new(gate.clone(), replica, None);
        let (left, running, progress) = (Vec::new(), Vec::new(), outside.foreign.progress());
        let mut desk = Self { app, gate, clock, outside, left, keys_pressed: 0, running, progress, writes_files: true };
        desk.tell(Msg::Resized { columns, rows });
        desk
    }

    pub fn tell(&mut self, msg: Msg) -> &mut Self {
        self.app.at(self.clock.now(), self.clock.monotonic());
        // A job runs immediately, on this thread.
        let writes_files = self.writes_files;
        let running = &mut self.running;
        let run = |job| match job {
            Job::Blocking(Queue::Policy | Queue::Evidence, _) if !writes_files => None,
            Job::Call(mut call) => match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(msg) => Some(msg),
                Poll::Pending => {
                    running.push(call);
                    None
                }
            },
            job @ Job::Blocking(..) => job.run(),
        };
        self.left.extend(effects::tell(&mut self.app, &self.outside, msg, run));
        effects::sync(&mut self.app, &self.gate);
        self.app.drawn = self.draw().1;
        self
    }

    /// Waits for the answers of foreign servers, until no call runs.
    pub fn settles(&mut self) -> &mut Self {
        while !self.running.is_empty() {
            let call = self.running.remove(0);
            let msg = waits(call);
            self.tell(msg);
        }
        self
    }

    /// Waits for the answer that comes first.
    pub fn settles_one(&mut self) -> &mut Self {
        let (msg, _, rest) = waits(select_all(std::mem::take(&mut self.running)));
        self.running = rest;
        self.tell(msg)
    }

    /// Waits until a server has reported progress.
    pub fn hears_progress(&mut self) -> &mut Self {
        let msg = waits(reported(&mut self.progress));
        self.tell(msg.expect("progress"))
    }

    /// Simulates a write to the policy file by another process.
    pub fn policy_touched(&mut self) -> &mut Self {
        let news = read_policy(&self.app.policy_file.path);
        self.hears(news)
    }

    /// Simulates a write to the store by another process.
    pub fn store_touched(&mut self) -> &mut Self {
        let replica = &self.outside.replica;
        let read = replica.reload();
        let (store, setback) = (replica.store().name(), replica.take_setback());
        match (read, setback) {
            (Err(error), _) => self.hears(News::NotReloaded(error)),
            (Ok(()), Some(setback)) => self.hears(News::Setback { store, setback }),
            (Ok(()), None) => self.tell(Msg::Woke),
        }
    }

    /// Delivers news from the follower.
    pub fn hears(&mut self, news: News) -> &mut Self {
        let msg = effects::message(&self.app, news);
        self.tell(msg.unwrap_or(Msg::Woke))
    }

    /// The address of the server, if one is running.
    pub fn serves_at(&self) -> Option<SocketAddr> {
        self.outside.server().as_ref().map(|server| server.address)
    }

    /// Presses the keys named in a script, separated by spaces.
    pub fn keys(&mut self, script: &str) -> &mut Self {
        for name in script.split_whitespace() {
            self.keys_pressed += 1;
            self.tell(Msg::Key(name.parse().unwrap_or_else(|e| panic!("{e}"))));
        }
        self
    }

    /// Types a text, one key per character.
    pub fn types(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            let name = if c == ' ' { "Space".to_owned() } else { c.to_string() };
            self.keys(&name);
        }
        self
    }

    /// Sends a text as a program does that writes it to the terminal line by line: only its first key could be typed.
    pub fn sends(&mut self, text: &str) -> &mut Self {
        for (n, c) in text.chars().enumerate() {
            let code = match c {
                '\n' => Code::Enter,
                '\t' => Code::Tab,
                c => Code::Char(c),
            };
            let key = Key::plain(code);
            self.keys_pressed += 1;
            self.tell(if n == 0 { Msg::Key(key) } else { Msg::QuickKey(key) });
        }
        self
    }

    pub fn pastes(&mut self, text: &str) -> &mut Self {
        self.tell(Msg::Paste(text.to_owned()))
    }

    pub fn clicks(&mut self, target: Target) -> &mut Self {
        let hit = self.app.drawn.targets.iter().rev().find(|(_, t)| *t == target);
        let (area, _) = hit.unwrap_or_else(|| panic!("{target:?} is not on the screen"));
        let mouse = Mouse { kind: MouseKind::Click, column: area.x, row: area.y };
        self.tell(Msg::Mouse(mouse))
    }

    /// Advances the clock, waking the console whenever it asked for it, and returns how often the screen was drawn.
    pub fn waits(&mut self, time: Duration) -> usize {
        let end = self.clock.monotonic() + time;
        let mut drawn = 0;
        let next = |app: &App| app.next_change().into_iter().chain(app.next_deed()).min();
        while let Some(nap) = next(&self.app).filter(|nap| self.clock.monotonic() + *nap <= end) {
            self.clock.advance(nap.max(Duration::from_micros(1)));
            self.tell(Msg::Woke);
            drawn += 1;
            assert!(drawn < 100_000, "the console never sleeps");
        }
        self.clock.advance(end.saturating_sub(self.clock.monotonic()));
        self.tell(Msg::Woke);
        drawn
    }

    pub fn draw(&self) -> (Buffer, portcullis::app::FrameInfo) {
        let (columns, rows) = self.app.size;
        let mut buffer = Buffer::empty(Rect::new(0, 0, columns, rows));
        let drawn = view::draw(&self.app, &mut buffer);
        (buffer, drawn)
    }

    /// Returns the screen as text, one line per row.
    pub fn screen(&self) -> String {
        text_of(&self.draw().0)
    }

    /// Whether the screen contains a text.
    pub fn shows(&self, text: &str) -> bool {
        self.screen().contains(text)
    }

    /// Returns the background of the first occurrence of a text.
    pub fn fill_of(&self, text: &str) -> ratatui::style::Color {
        let buffer = self.draw().0;
        let screen = text_of(&buffer);
        let found = screen.lines().enumerate().find_map(|(row, line)| Some((row, line.find(text)?, line)));
        let (row, at, line) = found.unwrap_or_else(|| panic!("{text:?} is not on the screen:\n{screen}"));
        let column = portcullis::text::width(line.get(..at).unwrap_or_default());
        buffer.content[row * usize::from(buffer.area.width) + column].bg
    }

    /// Fails and prints the screen unless it contains every text.
    pub fn must_show(&mut self, texts: &[&str]) -> &mut Self {
        let screen = self.screen();
        for text in texts {
            assert!(screen.contains(text), "{text:?} is not on the screen:\n{screen}");
        }
        self
    }

    /// Returns the text copied last.
    pub fn copied(&self) -> &str {
        let copied = self.left.iter().rev().find_map(|effect| match effect {
            Effect::ToTerminal(text) => Some(text.as_str()),
            _ => None,
        });
        copied.expect("something was copied")
    }

    /// Returns the text of the selected token.
    pub fn token(&self) -> Arc<str> {
        self.app.selected().and_then(|entry| entry.text()).cloned().expect("a token is selected")
    }

    pub fn tokens(&self) -> usize {
        self.app.auth.tokens.len()
    }

    pub fn calls(&self) -> usize {
        self.app.auth.activity.len()
    }
}

/// Returns the characters of a buffer, one line per row, without trailing blanks.
pub fn text_of(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width);
    let rows = buffer.content.chunks(width).map(|row| {
        let mut line = String::new();
        let mut skip = 0;
        for cell in row {
            if skip == 0 {
                line.push_str(cell.symbol());
                skip = portcullis::text::width(cell.symbol()).max(1);
            }
            skip -= 1;
        }
        line.trim_end().to_owned()
    });
    rows.collect::<Vec<_>>().join("\n")
}
