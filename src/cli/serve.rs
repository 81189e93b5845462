//! `portcullis serve`: the gate as an MCP server, without the console. Calls are printed as they come.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::runtime::Builder;

use super::arguments::ServeArgs;
use super::paint::{Paint, of_verdict};
use super::{CliError, Exit, Ground, Headless, json};
use crate::auth::Record;
use crate::config;
use crate::gate::AuthenticatedMcpServer;
use crate::lab::evidence::call_json;
use crate::server::{self, Server};
use crate::text;
use crate::watch::Watch;

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
    if args.stdio {
        let token = on.environment.token.clone();
        if token.is_none() {
            on.say("no PORTCULLIS_TOKEN, so the client calls without a token");
        }
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
    let log = Log { gate: &gate, json, paint, quiet: args.quiet, seen: 0 };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(log.follow(on, ground));
    server.stop();
    ended
}

/// The calls, printed as they come.
struct Log<'a> {
    gate: &'a AuthenticatedMcpServer,
    json: bool,
    paint: Paint,
    quiet: bool,
    /// The number of the call printed last.
    seen: u64,
}

impl Log<'_> {
    async fn follow(mut self, on: &mut Headless<'_>, ground: &Ground) -> Result<Exit, CliError> {
        let mut changes = self.gate.shared().changes();
        let (mut policy, mut state) = (Watch::new(), Watch::new());
        for (watch, path) in [(&mut policy, &ground.policy_path), (&mut state, &ground.state_path)] {
            if let Err(sentence) = watch.follow(path) {
                on.say(sentence);
            }
        }
        let mut end = Box::pin(ended()?);
        loop {
            tokio::select! {
                () = &mut end => return Ok(Exit::Good),
                _ = changes.changed() => self.print(on)?,
                () = policy.touched() => self.reread_policy(on, &ground.policy_path),
                () = state.touched() => self.reread_state(on, &ground.state_path),
            }
        }
    }

    fn reread_policy(&self, on: &mut Headless<'_>, path: &str) {
        let shared = self.gate.shared();
        match config::policy(Path::new(path)) {
            Ok(policy) if policy.says_as(&shared.rules().policy) => {}
            Ok(policy) => {
                shared.update(|state| state.set_policy(policy));
                on.say("the policy's file has changed");
            }
            Err(error) => on.say(format_args!("the last good policy decides: {error}")),
        }
    }

    fn reread_state(&self, on: &mut Headless<'_>, path: &str) {
        let shared = self.gate.shared();
        match config::revoked_still(Path::new(path), &shared.rules().revoked) {
            Ok(revoked) => shared.update(|state| state.set_revoked(revoked)),
            Err(error) => on.say(format_args!("what was revoked stays revoked: {error}")),
        }
    }

    /// Prints the calls that were not printed yet.
    fn print(&mut self, on: &mut Headless<'_>) -> io::Result<()> {
        let new: Vec<Arc<Record>> = self.gate.shared().read(|state| {
            let fresh = state.activity().newest().take_while(|record| record.seq > self.seen);
            fresh.cloned().collect()
        });
        let Some(newest) = new.first().map(|record| record.seq).filter(|_| !self.quiet) else { return Ok(()) };
        let lost = newest - self.seen - new.len() as u64;
        if lost > 0 {
            on.say(format_args!("calls that came too fast to be printed: {lost}"));
        }
        self.seen = newest;
        for record in new.iter().rev() {
            match self.json {
                true => json::line(on.out, &call_json(record, None))?,
                false => self.line(on, record)?,
            }
        }
        on.out.flush()
    }

    fn line(&self, on: &mut Headless<'_>, record: &Record) -> io::Result<()> {
        let decision = &record.decision;
        let verdict = decision.verdict();
        let id = record.token_id.map_or_else(|| "no token".to_owned(), |id| id.to_string());
        let subject = decision.subject.as_deref().map_or_else(|| "-".to_owned(), |name| text::name(name, 64));
        let why = record.trouble.as_deref().map_or_else(|| decision.sentence(), str::to_owned);
        let word = self.paint.styled(verdict.word(), of_verdict(verdict));
        let (at, client) = (record.at.rfc3339(), record.client.as_deref().unwrap_or_default());
        let tool = text::name(&record.tool, 64);
        writeln!(on.out, "{at} {client} {id} {subject} {tool} {word} {why}")
    }
}

/// Waits for a signal that asks the program to end.
fn ended() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
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
    #[cfg(not(unix))]
    Ok(async {
        // Without a handler nothing would end it in order.
        let _ = tokio::signal::ctrl_c().await;
    })
}
