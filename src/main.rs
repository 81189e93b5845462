//! The program: parses options, runs a command or the console, and converts the result into messages and exit codes.

use std::io::{self, BufReader, BufWriter, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::ColorChoice;
use portcullis::app::{App, InitialState, Times, keymap};
use portcullis::cli::{
    CliError, Command, Context, Environment, Exit, GateWithClock, Options, Runner, answer_completions,
};
use portcullis::clock;
use portcullis::config::WritableFile;
use portcullis::gate::Snapshot;
use portcullis::issuer_keys::KeyFollower;
use portcullis::look::{Look, ThemeChoice};
use portcullis::server::Server;
use portcullis::text::display_safe;
use portcullis::tui::foreign::{self, Foreign};
use portcullis::tui::{self, Start, effects};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

fn main() -> ExitCode {
    // Before anything else: the line that a shell completes must not have any other effect.
    if let Some(exit) = answer_completions(&mut io::stdout()) {
        return ExitCode::from(exit as u8);
    }
    // A server may have more clients than the usual soft limit on file descriptors allows.
    let descriptors = getrlimit(Resource::Nofile).maximum;
    let _ = setrlimit(Resource::Nofile, Rlimit { current: descriptors, maximum: descriptors });
    // A core file would contain the secret, and SIGQUIT causes one until the program listens to signals.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let options = match Options::read() {
        Ok(options) => options,
        Err(error) => return misused(&error),
    };
    match &options.command {
        Some(command) => runner(&options, command),
        None => console(&options),
    }
}

/// Prints clap's output: help to standard output, errors to standard error. An error quotes the arguments, which may
/// contain any text, so it is escaped.
fn misused(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    for line in error.render().to_string().lines() {
        let _ = writeln!(io::stderr(), "{}", display_safe(line, 4096));
    }
    ExitCode::from(Exit::Usage as u8)
}

fn runner(options: &Options, command: &Command) -> ExitCode {
    let stdout = io::stdout();
    let shows_colour = stdout.is_terminal() && std::env::var_os("TERM").is_some_and(|term| term != "dumb");
    // The streams are not locked, because a server on standard streams uses its own threads for them.
    let mut runner = Runner {
        input: &mut BufReader::new(io::stdin()),
        out: &mut BufWriter::with_capacity(16 * 1024, stdout),
        err: &mut io::stderr(),
        shows_colour,
        shows_hints: io::stderr().is_terminal(),
        environment: Environment::read(),
        known: Exit::Good,
    };
    match runner.run(options, command) {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(error) => fail(&error),
    }
}

fn console(options: &Options) -> ExitCode {
    if options.settings.json {
        return complain("--json needs a command; it cannot be used with the console", Exit::Usage as u8);
    }
    let environment = Environment::read();
    if options.serve.is_some() && options.settings.now.is_some() {
        return complain(
            "--now cannot be used with --serve: clients are always checked in real time",
            Exit::Usage as u8,
        );
    }
    let context = match Context::new(&options.settings, &environment) {
        Ok(context) => context,
        Err(error) => return fail(&error),
    };
    if let Err(error) = tui::check_terminal() {
        return complain(error, Exit::Usage as u8);
    }
    if let Err(error) = color_eyre::config::HookBuilder::default()
        .panic_section("This is a bug in portcullis. The report above contains no secrets or tokens; please report it.")
        .install()
    {
        return complain(error, Exit::Trouble as u8);
    }
    let GateWithClock { gate, clock } = match context.begin() {
        Ok(beginning) => beginning,
        Err(error) => return fail(&error.into()),
    };
    let issuer_keys = match KeyFollower::start(&gate, context.sources.clone()) {
        Ok(follower) => follower.with_defaults(context.fetching.clone()),
        Err(error) => return fail(&error.into()),
    };
    let settings = options.server.settings(options.serve.clone().unwrap_or_default());
    let server = match options.serve.as_ref().map(|_| Server::start(settings.clone(), &gate)).transpose() {
        Ok(server) => server,
        Err(error) => return fail(&error.into()),
    };
    if options.demo {
        context.add_demo(&gate);
    }
    let has_colours = match options.settings.color {
        Some(ColorChoice::Always) => true,
        Some(ColorChoice::Never) => false,
        _ => !environment.no_colour,
    };
    let keys = match keymap::remapped(&context.keys) {
        Ok(keys) => keys,
        Err(error) => return complain(format!("configuration file: [keys]: {error}"), Exit::Trouble as u8),
    };
    let choice = options.theme.or(context.theme).unwrap_or_default();
    let look = Look { choice: if has_colours { choice } else { ThemeChoice::Plain }, ..environment.look };
    let (targets, selected) = match options.target.for_console(&context) {
        Ok(targets) => targets,
        Err(error) => return fail(&error),
    };
    let now = clock.now();
    let times = Times { real: now, judged: now, mono: clock.monotonic() };
    let app = App::new(InitialState {
        zone: clock::local_offset,
        files: context.files(),
        writable: context.writable().iter().map(WritableFile::what).collect(),
        policy_path: context.policy_path,
        keeps_revocations: context.store.is_durable(),
        server: settings,
        listening: server.as_ref().map(effects::listening),
        start_at: options.settings.now,
        lifetime: context.lifetime,
        look,
        keys,
        targets: targets.iter().map(foreign::facts).collect(),
        target: selected,
        ..InitialState::new(gate.shared().read(Snapshot::of), times)
    });
    match tui::run(Start {
        app,
        gate,
        clock,
        server,
        store: context.store,
        edition: context.edition,
        signing_file: context.signing_file,
        keys: issuer_keys,
        foreign: Foreign::new(targets, context.fetching.ca_file),
    }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.should_print() => complain(&error, error.exit_code()),
        Err(error) => ExitCode::from(error.exit_code()),
    }
}

fn fail(error: &CliError) -> ExitCode {
    match error {
        // The end by a signal is not explained, because the sender of the signal does not expect that.
        CliError::Signalled(_) => ExitCode::from(error.exit_code()),
        error => complain(error, error.exit_code()),
    }
}

/// Prints one line to standard error, ignoring a failed write, and returns the exit code.
fn complain(error: impl std::fmt::Display, code: u8) -> ExitCode {
    let _ = writeln!(io::stderr(), "portcullis: {error}");
    ExitCode::from(code)
}
