//! The options: one table from which clap makes parsing, help, completions and man pages.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Arg, ArgAction, Args, ColorChoice, Parser, Subcommand};

use super::EXITS;
use super::arguments::{
    CallArgs, CheckArgs, DrillArgs, InspectArgs, IssueArgs, KeysCommand, MatrixArgs, PolicyCommand, RevokeArgs,
    ServeArgs, ServerOptions, TestArgs, TestkitArgs, ToolsArgs, WhyArgs,
};
use super::group;
use super::reference::{Scope, VARIABLES, Variable};
use super::target::TargetOptions;
use super::values::{Shell, duration, instant, theme};
use crate::auth::mapping::{PRESETS, STANDARD};
use crate::auth::{Issuer, Leeway, NumericDate, TokenLimit};
use crate::config::{self, IssuerConfig, IssuerError, KeysFrom};
use crate::endpoint::Address;
use crate::look::ThemeChoice;

/// Shows who may call what with a token, and why: a console and commands for authenticated MCP servers.
///
/// Without a command, the console starts. Without a secret, it generates a key that is discarded on exit.
#[derive(Debug, Default, Parser)]
#[command(
    version,
    about,
    long_about,
    after_help = after_help(),
    after_long_help = after_long_help(),
    override_usage = "portcullis [OPTIONS] [COMMAND]\n       portcullis [OPTIONS] -- PROGRAM [ARGUMENTS]",
    max_term_width = 100,
    disable_help_flag = true,
    disable_version_flag = true,
    // `-h` is a summary: a command's own options and the general ones.
    mut_args(|option| { let is_shown = is_in_summary(&option); option.hide_short_help(!is_shown) })
)]
pub struct Options {
    // Declared here and not left to clap, which would put them into a group without a name.
    /// Print help: a summary with -h, everything with --help
    #[arg(short, long, global = true, action = ArgAction::Help, help_heading = group::GENERAL, display_order = 998)]
    pub help: Option<bool>,

    /// Print the version
    #[arg(short = 'V', long, action = ArgAction::Version, help_heading = group::GENERAL, display_order = 999)]
    pub version: Option<bool>,

    /// Start the console with a token for each permission in the policy, one without permissions, and one that expires
    /// in 60 seconds
    #[arg(long, help_heading = group::CONSOLE)]
    pub demo: bool,

    /// Also serve MCP, at 127.0.0.1:8640 or the given address
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "127.0.0.1:8640", help_heading = group::CONSOLE)]
    pub serve: Option<Address>,

    /// Colours of the console: auto (matches the terminal's background), dark, light, contrast or plain [default: auto]
    #[arg(long, value_name = "THEME", value_parser = theme, help_heading = group::CONSOLE)]
    pub theme: Option<ThemeChoice>,

    /// The options of every command.
    #[command(flatten)]
    pub settings: Settings,

    /// The server that calls of the console go to at the start.
    #[command(flatten)]
    pub target: TargetOptions,

    /// The options of the server.
    #[command(flatten)]
    pub server: ServerOptions,

    /// The command to run instead of the console.
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Options {
    /// Reads the arguments of the program. Without any, nothing is parsed: the table of all options and commands takes
    /// a tenth of the time until the first frame.
    pub fn read() -> Result<Self, clap::Error> {
        match std::env::args_os().len() {
            0 | 1 => Ok(Self::default()),
            _ => Self::try_parse(),
        }
    }
}

/// Whether `-h` shows an option of the program: the others are in `--help`.
fn is_in_summary(option: &Arg) -> bool {
    option.get_help_heading().is_none_or(|group| [group::GENERAL, group::CONSOLE].contains(&group))
}

/// The text below the options in `portcullis -h`.
fn after_help() -> String {
    format!(
        "{EXAMPLES}\n\nMore:\n  portcullis COMMAND -h  the options of a command\n  portcullis --help      all options, \
         environment, files and exit codes\n  portcullis man         the manual"
    )
}

/// The text below the options in `portcullis --help`.
fn after_long_help() -> String {
    let variables = VARIABLES.iter().filter(|row| row.scope == Scope::Program);
    let line = |row: &Variable| format!("\n  {:<18} {}", row.names.join(", "), row.effect.replace('`', ""));
    let variables = variables.map(line).collect::<Vec<_>>().concat();
    let formats = FORMATS.map(|(title, text)| format!("{title}: {}\n\n", text.replace('`', ""))).concat();
    let exits = EXITS.map(|(exit, meaning)| format!("\n  {}  {meaning}", exit as u8)).concat();
    format!(
        "{EXAMPLES}\n\nEnvironment (portcullis man lists all variables):{variables}\n\n{formats}Exit codes:{exits}"
    )
}

const EXAMPLES: &str = examples!(
    "portcullis --demo\n  portcullis --policy policy.toml --secret-file secret\n  portcullis check @token.txt write_data --secret-file secret"
);

/// The formats of files and values: a title, and a text with literals in backticks.
pub const FORMATS: [(&str, &str); 3] = [
    (
        "Configuration",
        "`portcullis/portcullis.toml` in the configuration directory (`$XDG_CONFIG_HOME` or `~/.config`), in TOML. It may \
         set `secret-file` or `signing-key`, `old-secret-file`, `policy`, `lifetime`, `leeway`, `issuer`, `audience`, \
         `max-token-size`, `issuers`, `targets`, `state`, `theme` and `keys`. Relative paths are relative to the file's \
         directory.",
    ),
    (
        "Policy",
        "a TOML file with a table `[tools.NAME]` for each tool. `permissions = [\"...\"]` lists the permissions, any one of \
         which allows a call. Optional: `description`, `schema` (JSON Schema) and `stub = true` (the gate itself answers by \
         echoing the call). `[permissions.NAME]` may set `description` and `implies = [\"...\"]`. `[[expect]]` sets `user` or \
         `permissions`, `tool`, and `outcome = \"allowed\"` or `\"forbidden\"`. The built-in policy: `read_data` (user or \
         admin), `write_data` (admin), `delete_data` (admin).",
    ),
    (
        "Secrets and durations",
        "a secret is plain text, hex digits after `hex:`, or base64 after `b64:`. Durations are written as `90s`, `15m`, \
         `1h`, `7d` or `1h30m`.",
    ),
];

/// Options of every command, before its name and behind it; one behind the name overrides one before it.
#[derive(Clone, Debug, Default, Args)]
pub struct Settings {
    /// File with the signing secret; a trailing line break is ignored
    #[arg(long, global = true, value_name = "FILE", help_heading = group::GENERAL)]
    pub secret_file: Option<PathBuf>,

    /// File with the private key that signs tokens, instead of a secret: PEM, DER or JWK, for RSA, EC or Ed25519
    #[arg(long, global = true, value_name = "FILE", help_heading = group::GENERAL)]
    pub signing_key: Option<PathBuf>,

    /// Policy file, instead of the built-in policy
    #[arg(long, global = true, value_name = "FILE", help_heading = group::GENERAL)]
    pub policy: Option<PathBuf>,

    /// File that stores revocations; created by the first revocation
    #[arg(long, global = true, value_name = "FILE", help_heading = group::GENERAL)]
    pub state: Option<PathBuf>,

    /// Configuration file, instead of the default one
    #[arg(long, global = true, value_name = "FILE", help_heading = group::GENERAL)]
    pub config: Option<PathBuf>,

    /// Print JSON, one object per line
    #[arg(long, global = true, help_heading = group::GENERAL)]
    pub json: bool,

    /// When to use colour [default: auto]
    #[arg(long, global = true, value_name = "WHEN", help_heading = group::GENERAL)]
    pub color: Option<ColorChoice>,

    /// File with an earlier secret, which verifies tokens but signs none; repeatable
    #[arg(long = "old-secret-file", global = true, value_name = "FILE", help_heading = group::KEYS)]
    pub old_secret_files: Vec<PathBuf>,

    /// Accept the file with the secret or private key even if other users can read it
    #[arg(long, global = true, help_heading = group::KEYS)]
    pub insecure_secret_file: bool,

    /// Issuer (iss) required of our own tokens, and set in issued ones
    #[arg(long, global = true, value_name = "NAME", value_parser = NonEmptyStringValueParser::new(), help_heading = group::KEYS)]
    pub issuer: Option<String>,

    /// Accepted audience (aud); repeatable. Every token must name at least one; `issue` sets all, the console only the
    /// first
    #[arg(long = "audience", global = true, value_name = "NAME", value_parser = NonEmptyStringValueParser::new(), help_heading = group::KEYS)]
    pub audiences: Vec<String>,

    /// Largest accepted token, in KiB, at most 64 [default: 8]
    #[arg(long, global = true, value_name = "KIB", help_heading = group::KEYS)]
    pub max_token_size: Option<TokenLimit>,

    /// Tolerance for clock differences, at most 300s [default: 0s]
    #[arg(long, global = true, value_name = "DURATION", allow_hyphen_values = true, help_heading = group::TIME)]
    pub leeway: Option<Leeway>,

    /// Time to check tokens at, such as 2026-11-22T20:41:05Z; the console's clock starts at it
    #[arg(long, global = true, value_name = "RFC3339", value_parser = instant, help_heading = group::TIME)]
    pub now: Option<NumericDate>,

    /// The issuer of the tokens, if it is another one.
    #[command(flatten)]
    pub other: IssuerOptions,
}

/// Options that describe another issuer, for this run. Without its keys, they describe the tokens that our own key
/// verifies.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = group::ISSUER)]
pub struct IssuerOptions {
    /// JWK set that verifies tokens: a file or a URL
    #[arg(long, global = true, value_name = "FILE|URL", conflicts_with_all = ["public_key", "discover"])]
    pub jwks: Option<String>,

    /// Public key or certificate that verifies tokens
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "discover")]
    pub public_key: Option<PathBuf>,

    /// Find the keys through the metadata below the URL given with --issuer
    #[arg(long, global = true, requires = "issuer")]
    pub discover: bool,

    /// Accepted algorithms, such as RS256,ES256 [default: those of the keys; HS256 for a secret]
    #[arg(long, global = true, value_name = "NAMES", value_delimiter = ',')]
    pub algorithms: Vec<String>,

    /// Where user and permissions are, by provider.
    #[arg(long, global = true, value_name = "NAME", help = preset_help())]
    pub preset: Option<String>,

    /// Claim that names the user, instead of the preset's; repeatable, the first one present is used
    #[arg(long = "user-claim", global = true, value_name = "CLAIM")]
    pub user_claims: Vec<String>,

    /// Claim that contains permissions, instead of the preset's; a trailing comma says that they are comma-separated;
    /// repeatable
    #[arg(long = "permissions-claim", global = true, value_name = "CLAIM")]
    pub permissions_claims: Vec<String>,

    /// Accept only tokens of the type at+jwt
    #[arg(long, global = true)]
    pub require_typ: bool,

    /// How long to keep using an issuer's last keys if they cannot be fetched, before its tokens get 503 [default: 1h]
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration)]
    pub jwks_max_stale: Option<Duration>,

    /// Certificate authorities (PEM) to trust besides the system's, for keys and other servers
    #[arg(long, global = true, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

/// The help of `--preset`, with the names of all presets.
fn preset_help() -> String {
    let mut names: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
    let last = names.pop().unwrap_or_default();
    format!("Which provider's claims contain the user and the permissions: {} or {last} [default: {STANDARD}]", names.join(", "))
}

impl IssuerOptions {
    /// The issuer that the options describe, with the values of --issuer and --audience; `None` without a source of
    /// keys.
    pub fn issuer(&self, name: Option<&String>, audiences: &[String]) -> Option<IssuerConfig> {
        let keys = match (&self.jwks, &self.public_key, self.discover) {
            (Some(url), ..) if url.starts_with("https://") || url.starts_with("http://") => {
                KeysFrom::JwksUri(url.clone())
            }
            (Some(file), ..) => KeysFrom::JwksFile(config::typed(file)),
            (None, Some(file), _) => KeysFrom::PublicKey(file.clone()),
            (None, None, true) => KeysFrom::Discovery,
            (None, None, false) => return None,
        };
        Some(self.config(name, audiences, Some(keys)))
    }

    fn config(&self, name: Option<&String>, audiences: &[String], keys: Option<KeysFrom>) -> IssuerConfig {
        IssuerConfig {
            name: name.cloned(),
            preset: self.preset.clone(),
            user: self.user_claims.clone(),
            permissions: self.permissions_claims.clone(),
            audiences: audiences.to_vec(),
            algorithms: self.algorithms.clone(),
            require_typ: self.require_typ,
            max_stale: None,
            keys,
        }
    }

    /// Returns an issuer of the configuration file as the options describe it. A preset replaces all of its claims.
    pub fn over(&self, configured: IssuerConfig) -> IssuerConfig {
        let or = |given: &Vec<String>, present| if given.is_empty() { present } else { given.clone() };
        let present = match self.preset {
            Some(_) => IssuerConfig { preset: self.preset.clone(), user: vec![], permissions: vec![], ..configured },
            None => configured,
        };
        IssuerConfig {
            user: or(&self.user_claims, present.user),
            permissions: or(&self.permissions_claims, present.permissions),
            algorithms: or(&self.algorithms, present.algorithms),
            require_typ: self.require_typ || present.require_typ,
            ..present
        }
    }

    /// The issuer of the tokens that our own key verifies, without its keys. With other claims than `lab`, those of
    /// issued tokens are still read first.
    pub fn own(&self) -> Result<Issuer, IssuerError> {
        if self.preset.is_none() && self.user_claims.is_empty() && self.permissions_claims.is_empty() {
            return Ok(Issuer { require_typ: self.require_typ, ..Issuer::default() });
        }
        let issuer = self.config(None, &[], None).issuer()?;
        Ok(Issuer { mapping: Arc::new(issuer.mapping.and_issued_here()), ..issuer })
    }

    /// The first option that has no meaning without a key.
    pub fn first_without_key(&self) -> Option<&'static str> {
        [
            (!self.algorithms.is_empty(), "--algorithms"),
            (self.preset.is_some(), "--preset"),
            (!self.user_claims.is_empty(), "--user-claim"),
            (!self.permissions_claims.is_empty(), "--permissions-claim"),
            (self.require_typ, "--require-typ"),
        ]
        .into_iter()
        .find_map(|(given, name)| given.then_some(name))
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sign a token and print it
    #[command(after_help = examples!("portcullis issue user123 -p user --ttl 15m\n  portcullis issue user123 -p user --signing-key key.pem --sub user123"))]
    Issue(IssueArgs),

    /// Decode tokens and check them
    #[command(after_help = examples!("portcullis inspect @token.txt\n  portcullis --json inspect - <tokens.txt"))]
    Inspect(InspectArgs),

    /// Show whether a token may call a tool, and why, without calling it
    #[command(after_help = examples!("PORTCULLIS_TOKEN=$token portcullis check write_data\n  portcullis check @token.txt write_data\n  portcullis check --no-token read_data"))]
    Check(CheckArgs),

    /// Call a tool with a token; print the answer, and the reason on standard error
    #[command(after_help = examples!("PORTCULLIS_TOKEN=$token portcullis call read_data '{\"id\": 1}'\n  portcullis call @token.txt read_data"))]
    Call(CallArgs),

    /// List the tools of a server, as a token sees them
    #[command(after_help = examples!("portcullis tools @token.txt --url https://orders.example/mcp\n  portcullis tools --no-token -- python server.py"))]
    Tools(ToolsArgs),

    /// Explain why a server answered as it did
    #[command(after_help = examples!("portcullis why @token.txt --url https://orders.example/mcp --tool read_data\n  portcullis why @token.txt @answer.txt"))]
    Why(WhyArgs),

    /// Show who may call what: a table of callers and tools
    #[command(after_help = examples!("portcullis matrix --as user --as admin\n  portcullis matrix - <tokens.txt\n  portcullis matrix --policy policy.toml --markdown"))]
    Matrix(MatrixArgs),

    /// Call a tool before and after a token expires; find when the gate starts to refuse it
    #[command(after_help = examples!("portcullis drill --ttl 3s read_data\n  portcullis drill --shifted @token.txt read_data"))]
    Drill(DrillArgs),

    /// Make test tokens with every classic fault, or check how the gate answers them
    #[command(after_help = examples!("portcullis testkit --run\n  portcullis testkit user123 -p user"))]
    Testkit(TestkitArgs),

    /// Run a test plan: tokens, calls and expected answers in one file
    #[command(after_help = examples!("portcullis test plan.toml\n  portcullis test plan.toml --junit report.xml"))]
    Test(TestArgs),

    /// Serve the tools behind the gate over MCP, for clients with tokens
    #[command(after_help = examples!("portcullis serve --secret-file secret\n  portcullis serve --stdio"))]
    Serve(ServeArgs),

    /// Revoke a token before it expires, restore it, or list revocations
    #[command(after_help = examples!("portcullis revoke --state state.json @token.txt\n  portcullis revoke --state state.json --list"))]
    Revoke(RevokeArgs),

    /// Make private keys, publish their public halves, and list the keys that verify tokens
    #[command(subcommand, after_help = examples!("portcullis keys new --alg ES256 --out key.pem\n  portcullis keys jwks key.pem"))]
    Keys(KeysCommand),

    /// Check policy files
    #[command(subcommand, after_help = examples!("portcullis policy check policy.toml"))]
    Policy(PolicyCommand),

    /// Print the completion script for a shell, and where to put it
    #[command(after_help = examples!("portcullis completions\n  portcullis completions bash >~/.local/share/bash-completion/completions/portcullis\n  portcullis completions zsh >~/.zfunc/_portcullis\n  portcullis completions fish >~/.config/fish/completions/portcullis.fish"))]
    Completions {
        /// The shell [default: the login shell, from `SHELL`]
        shell: Option<Shell>,
    },

    /// Print the man page, or write all man pages to a directory
    #[command(after_help = examples!("portcullis man\n  portcullis man --dir man1"))]
    Man {
        /// Directory to write to, one page per command
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
    fn without_arguments_nothing_is_parsed_and_the_options_are_the_same() {
        let parsed = Options::try_parse_from(["portcullis"]).expect("nothing is required");
        assert_eq!(format!("{parsed:?}"), format!("{:?}", Options::default()));
    }

    /// clap checks the type of a value only when it is read.
    #[test]
    fn the_value_of_every_option_of_a_server_can_be_read() {
        let mut command = Options::command();
        command.build();
        let serve = command.find_subcommand("serve").expect("it is a command");
        let values = [
            "1h",
            "5s",
            "10",
            "https://a.example",
            "a.example",
            "http",
            "all",
            "file",
            "2026-11-22T20:41:05Z",
            "auto",
            "127.0.0.1:0",
        ];
        for option in serve.get_arguments().filter(|option| option.get_action().takes_values()) {
            let Some(long) = option.get_long() else { continue };
            let accepts = |value: &&str| {
                let given = format!("--{long}={value}");
                let with = |more: &[&str]| Options::try_parse_from([&["portcullis", "serve", &given], more].concat());
                with(&[]).is_ok() || with(&["--stdio"]).is_ok() || with(&["--issuer", "a"]).is_ok()
            };
            assert!(values.iter().any(accepts), "--{long} accepts none of the values");
        }
        let options = Options::parse_from(["portcullis", "serve", "--max-stale", "5s"]);
        let Some(Command::Serve(serve)) = options.command else { panic!("another command") };
        assert_eq!(serve.server.max_stale, Some(Duration::from_secs(5)));
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
