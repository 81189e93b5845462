//! `portcullis serve`: the gate as an MCP server, without the console. Calls are printed as they come.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinHandle, spawn_blocking};

use super::arguments::ServeArgs;
use super::paint::{Paint, of_verdict};
use super::{CliError, Exit, Ground, Headless, json};
use crate::config;
use crate::gate::AuthenticatedMcpServer;
use crate::gate::Record;
use crate::lab::evidence::{call_json, json_line};
use crate::server::{self, Server};
use crate::text;
use crate::watch::Watch;

/// Calls that wait to be printed; nobody looks back further.
const KEPT: usize = 10_000;

/// Serves until a signal ends it.
pub fn run(
    on: &mut Headless<'_>,
    args: &ServeArgs,
    ground: &Ground,
    json: bool,
    paint: Paint,
) -> Result<Exit, CliError> {
    if ground.is_set() {
        let wanted = "--now sets the time of one decision, and a server decides for what time it is; leave it out";
        return Err(CliError::Usage(wanted.to_owned()));
    }
    let gate = ground.gate(true)?;
    gate.shared().update(|state| state.keep_calls(KEPT));
    if args.stdio {
        let token = on.environment.token.clone();
        if token.is_none() {
            on.say("no PORTCULLIS_TOKEN, so the client calls without a token");
        }
        let files = Files::of(&gate, ground);
        thread::Builder::new().name("files".to_owned()).spawn(move || {
            let (tell, mut told) = unbounded_channel();
            if let Ok(runtime) = Builder::new_current_thread().enable_all().build() {
                runtime.spawn(files.follow(tell));
                // Standard output belongs to the protocol.
                while let Some(sentence) = runtime.block_on(told.recv()) {
                    let _ = writeln!(io::stderr(), "portcullis: {sentence}");
                }
            }
        })?;
        server::stdio(&gate, token.as_deref(), args.server.list.unwrap_or_default())?;
        return Ok(Exit::Good);
    }
    let server = Server::start(args.server.settings(args.listen.clone().unwrap_or_default()), &gate)?;
    let uri = &server.uri;
    match json {
        true => json::line(on.out, &serde_json::json!({ "kind": "serving", "uri": uri }))?,
        false => writeln!(on.out, "serving {uri}")?,
    }
    on.out.flush()?;
    let rules = gate.shared().rules();
    on.say(format_args!("judged by {}; Ctrl-C ends it", rules.described().join(", ")));
    let log = Log { gate: &gate, json, paint, seen: 0 };
    // The calls go past the buffer: whoever does not read them must not keep anything else waiting.
    let out = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let out = (!args.quiet).then(|| Arc::new(out));
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (tell, told) = unbounded_channel();
    runtime.spawn(Files::of(&gate, ground).follow(tell));
    let ended = runtime.block_on(log.follow(on, told, out));
    server.stop();
    runtime.shutdown_background();
    ended
}

/// The files that decide, followed.
struct Files {
    gate: AuthenticatedMcpServer,
    policy: String,
    state: String,
}

impl Files {
    fn of(gate: &AuthenticatedMcpServer, ground: &Ground) -> Self {
        Self { gate: gate.clone(), policy: ground.policy_path.clone(), state: ground.state_path.clone() }
    }

    /// Takes over what they say whenever they change, and tells of it.
    async fn follow(self, tell: UnboundedSender<String>) {
        let (mut policy, mut state) = (Watch::new(), Watch::new());
        let unwatched = [policy.follow(&self.policy), state.follow(&self.state)];
        let mut sentences: Vec<String> = unwatched.into_iter().filter_map(Result::err).collect();
        loop {
            for sentence in sentences.drain(..) {
                // Whoever would say it is gone with the program.
                let _ = tell.send(sentence);
            }
            tokio::select! {
                () = policy.touched() => sentences.extend(self.reread_policy()),
                () = state.touched() => sentences.extend(self.reread_state()),
            }
        }
    }

    fn reread_policy(&self) -> Option<String> {
        let shared = self.gate.shared();
        match config::policy(Path::new(&self.policy)) {
            Ok(policy) if policy.says_as(&shared.rules().policy) => None,
            Ok(policy) => {
                shared.update(|state| state.set_policy(policy));
                Some("the policy's file has changed".to_owned())
            }
            Err(error) => Some(format!("the last good policy decides: {error}")),
        }
    }

    fn reread_state(&self) -> Option<String> {
        let shared = self.gate.shared();
        match config::revoked_still(Path::new(&self.state), &shared.rules().revoked) {
            Ok(revoked) => {
                shared.update(|state| state.set_revoked(revoked));
                None
            }
            Err(error) => Some(format!("what was revoked stays revoked: {error}")),
        }
    }
}

/// The calls, printed as they come.
struct Log<'a> {
    gate: &'a AuthenticatedMcpServer,
    json: bool,
    paint: Paint,
    /// The number of the call printed last.
    seen: u64,
}

impl Log<'_> {
    async fn follow(
        mut self,
        on: &mut Headless<'_>,
        mut told: UnboundedReceiver<String>,
        mut out: Option<Arc<File>>,
    ) -> Result<Exit, CliError> {
        let mut changes = self.gate.shared().changes();
        let mut end = Box::pin(ended()?);
        let mut printing: Option<JoinHandle<io::Result<()>>> = None;
        loop {
            tokio::select! {
                () = &mut end => return Ok(Exit::Good),
                printed = finished(&mut printing), if printing.is_some() => {
                    printing = None;
                    if let Err(error) = printed {
                        out = None;
                        on.say(format_args!("calls are not printed any more: {}", config::plain(&error)));
                    }
                }
                _ = changes.changed(), if out.is_some() && printing.is_none() => {
                    let text = self.new_lines(on);
                    let out = out.clone().filter(|_| !text.is_empty());
                    printing = out.map(|out| spawn_blocking(move || (&*out).write_all(text.as_bytes())));
                }
                Some(sentence) = told.recv() => on.say(sentence),
            }
        }
    }

    /// The calls that were not printed yet, a line each.
    fn new_lines(&mut self, on: &mut Headless<'_>) -> String {
        let new: Vec<Arc<Record>> = self.gate.shared().read(|state| {
            let fresh = state.activity().newest().take_while(|record| record.seq > self.seen);
            fresh.cloned().collect()
        });
        let Some(newest) = new.first().map(|record| record.seq) else { return String::new() };
        let lost = newest - self.seen - new.len() as u64;
        if lost > 0 {
            on.say(format_args!("calls that came too fast to be printed: {lost}"));
        }
        self.seen = newest;
        new.iter().rev().fold(String::new(), |mut out, record| {
            match self.json {
                true => out.push_str(&json_line("call", call_json(record, None))),
                false => out.push_str(&self.line(record)),
            }
            out
        })
    }

    fn line(&self, record: &Record) -> String {
        let decision = &record.decision;
        let verdict = decision.verdict();
        let id = record.token_id.map_or_else(|| "no token".to_owned(), |id| id.to_string());
        let subject = decision.subject.as_deref().map_or_else(|| "-".to_owned(), |name| text::name(name, 64));
        let why = record.trouble.as_deref().map_or_else(|| decision.sentence(), str::to_owned);
        let word = self.paint.styled(verdict.word(), of_verdict(verdict));
        let (at, client) = (record.at.rfc3339(), record.client.as_deref().unwrap_or_default());
        let tool = text::name(&record.tool, 64);
        format!("{at} {client} {id} {subject} {tool} {word} {why}\n")
    }
}

/// Waits until what is being printed is printed.
async fn finished(printing: &mut Option<JoinHandle<io::Result<()>>>) -> io::Result<()> {
    match printing {
        Some(printing) => printing.await.unwrap_or(Ok(())),
        None => Ok(()),
    }
}

/// Waits for a signal that asks the program to end.
fn ended() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
    })
}
