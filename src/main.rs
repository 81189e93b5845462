//! The program: reads options, and hands over to the console. Errors become words and exit codes here.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use portcullis::app::{App, Times};
use portcullis::auth::Snapshot;
use portcullis::cli::{self, Beginning, Options};
use portcullis::clock;
use portcullis::tui;
use portcullis::view::Theme;

/// Trouble: I/O, configuration.
const TROUBLE: u8 = 1;
/// Wrong usage; also of clap.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let options = Options::parse();
    if let Err(error) = tui::check_terminal() {
        return complain(&error, USAGE);
    }
    if let Err(error) = color_eyre::config::HookBuilder::default()
        .panic_section(
            "This is a defect of portcullis. Its report above holds no secret and no token; please pass it on.",
        )
        .install()
    {
        return complain(&error, TROUBLE);
    }
    let Beginning { gate, clock, policy_source } = match options.begin(cli::secret_variable()) {
        Ok(beginning) => beginning,
        Err(error) => return complain(&error, TROUBLE),
    };
    let theme =
        if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) { Theme::Plain } else { Theme::Colours };
    let now = clock.now();
    let times = Times { real: now, judged: now, mono: clock.monotonic() };
    let mut app = App::new(gate.shared().read(Snapshot::of), times, clock::local_offset, policy_source);
    app.clock_is_set = options.now.is_some();
    match tui::run(app, gate, clock, theme) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_worth_telling() => complain(&error, error.exit_code()),
        Err(error) => ExitCode::from(error.exit_code()),
    }
}

/// One line for the user; a standard error that is gone is no further trouble.
fn complain(error: &dyn std::fmt::Display, code: u8) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "portcullis: {error}");
    ExitCode::from(code)
}
