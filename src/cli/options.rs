//! The options: one table from which clap makes parsing, help, completions and man pages.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ColorChoice, Parser, Subcommand};
use clap_complete::Shell;

use super::EXITS;
use super::arguments::{
    CallArgs, CheckArgs, DrillArgs, InspectArgs, IssueArgs, MatrixArgs, PolicyCommand, RevokeArgs, ServeArgs,
    ServerOptions, TestkitArgs,
};
use super::values::{instant, theme};
use crate::auth::{Leeway, NumericDate};
use crate::endpoint::Address;
use crate::look::ThemeChoice;

/// Who may call what, with this token, now, and why: a console and commands for an authenticated MCP server.
///
/// Without a command the console starts. Without any secret it makes a fresh key, which is forgotten at the end.
#[derive(Debug, Default, Parser)]
#[command(version, about, long_about, after_help = after_help(), max_term_width = 100)]
pub struct Options {
    /// Begin the console with three identities and a token that dies in 60 seconds
    #[arg(long)]
    pub demo: bool,

    /// Serve MCP beside the console, at 127.0.0.1:8640 or another address
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "127.0.0.1:8640")]
    pub serve: Option<Address>,

    /// Colours of the console: auto (by the terminal's background), dark, light, contrast or plain [default: auto]
    #[arg(long, value_name = "THEME", value_parser = theme)]
    pub theme: Option<ThemeChoice>,

    /// How that is served.
    #[command(flatten)]
    pub server: ServerOptions,

    /// What everything is judged by, and how it is told.
    #[command(flatten)]
    pub settings: Settings,

    /// What to do instead of starting the console.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What stands below every option.
fn after_help() -> String {
    let exits = EXITS.map(|(exit, meaning)| format!("\n  {}  {meaning}", exit as u8));
    format!("{ENVIRONMENT}{}", exits.concat())
}

const ENVIRONMENT: &str = "\
Environment:
  PORTCULLIS_SECRET  the signing secret, where --secret-file names none
  PORTCULLIS_TOKEN   the token, where none is given
  PORTCULLIS_CONFIG  the configuration file, where --config names none
  NO_COLOR           no colour, unless --color always

Configuration: portcullis/portcullis.toml in the configuration directory ($XDG_CONFIG_HOME, ~/.config);
keys are secret-file, policy, lifetime, leeway, issuer, audience, state, theme; paths in it count from its
directory.

Policy: TOML, for each tool [tools.NAME] with permissions = [\"…\"] of which any one suffices, and if wanted
description, schema (JSON Schema) and stub = true (the gate answers by echoing). [permissions.NAME] may have description and implies = [\"…\"];
[[expect]] has user or permissions, tool, and outcome = \"allowed\" or \"forbidden\". Built in are
read_data (user or admin), write_data (admin) and delete_data (admin).

A secret may be written as it is, as hex: and hexadecimal, or as b64: and base64.
Durations are words: 90s, 15m, 1h, 7d, 1h30m.

Exit codes:";

/// Options of every command, before its name and behind it; one behind the name overrides one before it.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "General options")]
pub struct Settings {
    /// File that holds the signing secret; a line break at its end is not part of it
    #[arg(long, global = true, value_name = "FILE")]
    pub secret_file: Option<PathBuf>,

    /// Take the secret file although others can read it
    #[arg(long, global = true)]
    pub insecure_secret_file: bool,

    /// File that says who may call what, instead of the policy built in
    #[arg(long, global = true, value_name = "FILE")]
    pub policy: Option<PathBuf>,

    /// Configuration file, instead of the platform's
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Allowance for clocks that differ, at most 300s [default: 0s]
    #[arg(long, global = true, value_name = "DURATION", allow_hyphen_values = true)]
    pub leeway: Option<Leeway>,

    /// Issuer (iss) that every token must carry, and that issued ones do
    #[arg(long, global = true, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub issuer: Option<String>,

    /// Audience (aud) that every token must name, and that issued ones do
    #[arg(long, global = true, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub audience: Option<String>,

    /// File that keeps what is revoked; it is made with the first revocation
    #[arg(long, global = true, value_name = "FILE")]
    pub state: Option<PathBuf>,

    /// Judge for this time, as in 2026-11-22T20:41:05Z; the console's clock starts there
    #[arg(long, global = true, value_name = "RFC3339", value_parser = instant)]
    pub now: Option<NumericDate>,

    /// Print JSON, one object a line
    #[arg(long, global = true)]
    pub json: bool,

    /// When to use colour [default: auto]
    #[arg(long, global = true, value_name = "WHEN")]
    pub color: Option<ColorChoice>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sign a token and print it
    #[command(after_help = examples!("portcullis issue user123 -p user --ttl 15m"))]
    Issue(IssueArgs),

    /// Decode tokens and judge them
    #[command(after_help = examples!("portcullis inspect @token.txt\n  portcullis --json inspect - <tokens.txt"))]
    Inspect(InspectArgs),

    /// Say whether a token may call a tool, and why; call nothing
    #[command(after_help = examples!("PORTCULLIS_TOKEN=$token portcullis check write_data\n  portcullis check @token.txt write_data\n  portcullis check --no-token read_data"))]
    Check(CheckArgs),

    /// Call a tool with a token; print the answer, and on standard error why
    #[command(after_help = examples!("PORTCULLIS_TOKEN=$token portcullis call read_data '{\"id\": 1}'\n  portcullis call @token.txt read_data"))]
    Call(CallArgs),

    /// Show who may call what: a table of callers and tools
    #[command(after_help = examples!("portcullis matrix --as user --as admin\n  portcullis matrix - <tokens.txt\n  portcullis matrix --policy policy.toml --markdown"))]
    Matrix(MatrixArgs),

    /// Call through the end of a token's life; tell where the gate really ends it
    #[command(after_help = examples!("portcullis drill --ttl 3s read_data\n  portcullis drill --shifted @token.txt read_data"))]
    Drill(DrillArgs),

    /// Make the classic test tokens, or judge them: every way a token can be wrong
    #[command(after_help = examples!("portcullis testkit --run\n  portcullis testkit user123 -p user"))]
    Testkit(TestkitArgs),

    /// Serve MCP: the tools behind the gate, for clients that bring tokens
    #[command(after_help = examples!("portcullis serve --secret-file secret\n  portcullis serve --stdio"))]
    Serve(ServeArgs),

    /// Refuse a token from now on although it lives on; take that back; list what is revoked
    #[command(after_help = examples!("portcullis revoke --state state.json @token.txt\n  portcullis revoke --state state.json --list"))]
    Revoke(RevokeArgs),

    /// Look after policy files
    #[command(subcommand, after_help = examples!("portcullis policy check policy.toml"))]
    Policy(PolicyCommand),

    /// Print completions for a shell
    #[command(after_help = examples!("portcullis completions bash"))]
    Completions {
        /// The shell
        shell: Shell,
    },

    /// Print the man page, or write all of them into a directory
    #[command(after_help = examples!("portcullis man\n  portcullis man --dir man1"))]
    Man {
        /// Directory for one page a command
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::text::Span;

    #[test]
    fn a_command_says_the_same_of_itself_in_the_list_and_in_its_own_help() {
        let (listed, mut built) = (Options::command(), Options::command());
        built.build();
        for command in listed.get_subcommands() {
            let own = built.find_subcommand(command.get_name()).and_then(clap::Command::get_about);
            assert_eq!(own.map(ToString::to_string), command.get_about().map(ToString::to_string));
        }
    }

    #[test]
    fn an_option_counts_on_both_sides_of_the_command_and_behind_it_first() {
        let options = Options::parse_from(["portcullis", "--leeway", "5s", "--json", "inspect", "--leeway", "9s"]);
        let settings = options.settings;
        assert_eq!((settings.leeway.map(Leeway::span), settings.json), (Some(Span::seconds(9)), true));
        let options = Options::parse_from(["portcullis", "--leeway", "5s", "inspect", "--json"]);
        assert_eq!((options.settings.leeway.map(Leeway::span), options.settings.json), (Some(Span::seconds(5)), true));
    }
}
