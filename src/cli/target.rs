//! The options that name a foreign server, and the steps that commands for one share.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value, json};
use tokio::runtime::Builder;
use tokio::time::sleep;

use super::group;
use super::values::duration;
use super::{CliError, Context, Runner};
use crate::auth::{Decision, Inspection, NumericDate, Rules, TokenId};
use crate::config::TargetConfig;
use crate::gate::RawArguments;
use crate::gate::arguments;
use crate::observe::{Observation, Observed, Reply, Sightings, Visibility, Why};
use crate::signals::TerminationSignals;
use crate::target::{
    CALL_TIMEOUT, Carriage, Connection, Dialect, Exchange, Header, OpenError, Place, Target, TargetError, TimedReply,
    ToolList,
};
use crate::text;

/// The server that a command is about: our own gate, unless one of these is given.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = group::TARGET)]
pub struct TargetOptions {
    /// URL of the MCP endpoint of another server, which decides for itself
    #[arg(long, value_name = "URL", conflicts_with_all = ["target", "command"])]
    pub url: Option<String>,

    /// Name of a server in the configuration file
    #[arg(long, value_name = "NAME", conflicts_with = "command")]
    pub target: Option<String>,

    /// Additional header for each request, as in --header 'X-Tenant: blue'; a value env:NAME is taken from the
    /// environment. Repeatable
    #[arg(long = "header", value_name = "NAME: VALUE")]
    pub headers: Vec<String>,

    /// How long to wait for each answer of that server [default: 1m; for testkit and drill 15s]. Connecting takes at most
    /// 20s
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<Duration>,

    /// Program that is another server, with its arguments; it speaks MCP over standard input and output
    #[arg(last = true, value_name = "PROGRAM")]
    pub command: Vec<OsString>,
}

/// Returns a variable of the environment.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Creates the target of a configuration. A header that cannot be used, for example because its variable is not set, is a
/// fault of this target and no reason to reject the others.
fn configured(config: &TargetConfig) -> Result<Target, TargetError> {
    let headers = config.headers.iter().map(|(name, value)| Header::new(name, value, variable));
    if let Some(url) = &config.url {
        return match headers.collect::<Result<Vec<_>, _>>() {
            Ok(headers) => Target::http(&config.name, url, headers),
            Err(fault) => Ok(Target { fault: Some(fault), ..Target::http(&config.name, url, Vec::new())? }),
        };
    }
    let command: Vec<OsString> = config.command.iter().map(OsString::from).collect();
    Target::command(&config.name, &command)
}

impl TargetOptions {
    /// Returns the foreign server of a command, if the options name one.
    pub fn target(&self, context: &Context) -> Result<Option<Target>, CliError> {
        let found = self.named(context)?;
        if found.is_some() && context.is_set() {
            let sentence = "--now cannot be used with another server, which has its own clock";
            return Err(CliError::Usage(sentence.to_owned()));
        }
        Ok(found)
    }

    /// Returns the foreign server that the options name, if they name one.
    fn named(&self, context: &Context) -> Result<Option<Target>, CliError> {
        let headers =
            || self.headers.iter().map(|written| Header::parse(written, variable)).collect::<Result<Vec<_>, _>>();
        let found = match (&self.url, &self.target, self.command.as_slice()) {
            (Some(url), ..) => Target::http("url", url, headers()?)?,
            (None, Some(name), _) => {
                let Some(config) = context.targets.iter().find(|config| config.name == *name) else {
                    let known = text::names(context.targets.iter().map(|config| &config.name), 64, 16, ", ");
                    let known = if context.targets.is_empty() {
                        "the configuration file has none".to_owned()
                    } else {
                        format!("the configuration file has: {known}")
                    };
                    let sentence = format!("unknown target {}; {known}", text::name(name, 64));
                    return Err(CliError::Usage(sentence));
                };
                let target = configured(config)?;
                if let Some(fault) = target.fault {
                    return Err(fault.into());
                }
                let more = headers()?;
                if matches!(target.place, Place::Command(_)) && !more.is_empty() {
                    return Err(CliError::Usage("--header cannot be used with a program".to_owned()));
                }
                let is_replaced = |header: &&Header| more.iter().any(|new| new.name == header.name);
                let kept: Vec<Header> = target.headers.iter().filter(|header| !is_replaced(header)).cloned().collect();
                Target { headers: kept.into_iter().chain(more).collect(), ..target }
            }
            (None, None, []) => {
                if !self.headers.is_empty() || self.timeout.is_some() {
                    let needs = match self.headers.is_empty() {
                        true => "--timeout needs --url, --target or a program",
                        false => "--header needs --url or --target",
                    };
                    return Err(CliError::Usage(needs.to_owned()));
                }
                return Ok(None);
            }
            (None, None, command) => {
                if !self.headers.is_empty() {
                    return Err(CliError::Usage("--header cannot be used with a program".to_owned()));
                }
                Target::command("program", command)?
            }
        };
        Ok(Some(Target { ca_file: context.fetching.ca_file.clone(), timeout: self.timeout, ..found }))
    }

    /// Returns the targets of the console: those of the configuration file and the one that the options name, and the index
    /// of the latter.
    pub fn for_console(&self, context: &Context) -> Result<(Vec<Target>, Option<usize>), CliError> {
        let given = self.named(context)?;
        let mut all = context.targets.iter().map(configured).collect::<Result<Vec<_>, _>>()?;
        for target in &mut all {
            target.ca_file.clone_from(&context.fetching.ca_file);
        }
        let Some(mut given) = given else { return Ok((all, None)) };
        if self.target.is_none() {
            let unnamed = Target { name: "".into(), ..given.clone() };
            given.name = unnamed.unique_name(|name| all.iter().any(|target| *target.name == *name)).into();
        }
        // One of the configuration file is already in the list, perhaps with fewer headers.
        let known = all.iter().position(|target| self.target.is_some() && target.name == given.name);
        if let Some(known) = known {
            all[known] = given;
            return Ok((all, Some(known)));
        }
        all.insert(0, given);
        Ok((all, Some(0)))
    }

    /// How long to wait for an answer.
    pub fn bound(&self) -> Duration {
        self.timeout.unwrap_or(CALL_TIMEOUT)
    }
}

/// A caller of a foreign server: the token and what is known of it here.
pub struct Caller {
    /// The token; `None` calls without one.
    pub token: Option<String>,
    /// The token as it looks here.
    pub inspection: Option<Inspection>,
    /// The rules here, with the keys of the token's issuer where they could be read.
    pub rules: Rules,
    /// Whether a policy was given, from which the server's decisions can be predicted. The built-in one is that of our
    /// own gate.
    has_policy: bool,
}

impl Caller {
    /// Reads a token and what is known of it here. Keys that cannot be read are no error: the other server decides.
    pub fn new(token: Option<String>, context: &Context) -> Self {
        let rules = match &token {
            Some(token) => context.keyed(context.rules(), token).unwrap_or_else(|_| context.rules()),
            None => context.rules(),
        };
        let inspection = token.as_deref().map(|token| rules.inspect(token));
        Self { token, inspection, has_policy: !context.policy_path.is_empty(), rules }
    }

    /// Our decision about a call; `None` if no policy that contains the tool was given.
    pub fn prediction(&self, tool: &str, now: NumericDate) -> Option<Decision> {
        let judged = self.inspection.as_ref().map(|inspection| &inspection.judged);
        self.rules.predict(judged, tool, now).filter(|_| self.has_policy)
    }

    /// The permissions that a server may find in the token.
    pub fn permissions(&self) -> Vec<String> {
        self.inspection.as_ref().map(|inspection| inspection.judged.granted().to_vec()).unwrap_or_default()
    }

    /// Explains an answer to this caller that has just arrived: to the handshake, to the list, or to a call of `tool`.
    pub async fn explain(
        &self,
        target: &Target,
        tool: Option<&str>,
        reply: &Reply,
        visibility: Option<Visibility>,
        now: NumericDate,
    ) -> Why {
        let prediction = tool.and_then(|tool| self.prediction(tool, now));
        let (token, rules) = (self.inspection.as_ref(), &self.rules);
        let asked = Exchange { target, token, rules, prediction: prediction.as_ref(), tool, reply, visibility, now };
        asked.explain().await
    }

    /// How requests carry the token.
    pub fn carriage(&self) -> Carriage {
        Carriage::bearer(self.token.as_deref())
    }

    /// The token's ID.
    pub fn token_id(&self) -> Option<TokenId> {
        self.token.as_deref().map(TokenId::of)
    }
}

impl Runner<'_> {
    /// Returns the token for a foreign server. A program takes its credentials from its environment, and a header may
    /// carry them.
    pub fn token_for(
        &mut self,
        target: &Target,
        given: Option<&str>,
        no_token: bool,
    ) -> Result<Option<String>, CliError> {
        if target.has_own_credentials() {
            return match (given, no_token) {
                (Some(_), _) => Err(CliError::Usage("a header Authorization cannot be used with a token".to_owned())),
                (None, true) => {
                    Err(CliError::Usage("--no-token cannot be used with a header Authorization".to_owned()))
                }
                (None, false) => Ok(None),
            };
        }
        let is_program = matches!(target.place, Place::Command(_));
        if is_program {
            if given.is_some() {
                let sentence = "a program takes its credentials from its environment; a token cannot be passed to it";
                return Err(CliError::Usage(sentence.to_owned()));
            }
            return Ok(None);
        }
        if let Some(warning) = target.exposure() {
            self.say(warning);
        }
        self.asked(given, no_token)
    }
}

impl Runner<'_> {
    /// Prepares a command whose requests carry tokens of their own. Rejects a header with credentials, because two
    /// `Authorization` headers would be sent and the server would choose; and a program, to which no token is sent. Warns
    /// if tokens are sent in clear.
    pub fn needs_tokens(&mut self, target: &Target) -> Result<(), CliError> {
        if target.has_own_credentials() {
            return Err(CliError::Usage(
                "a header Authorization cannot be used here: each request carries a token of its own".to_owned(),
            ));
        }
        if matches!(target.place, Place::Command(_)) {
            let sentence = "a program takes no token from its client, so tokens cannot be tested with it; use --url";
            return Err(CliError::Usage(sentence.to_owned()));
        }
        if let Some(warning) = target.exposure() {
            self.say(warning);
        }
        Ok(())
    }

    /// Reads the token of `--compare`, with which the tools are listed once more.
    pub fn compared(
        &mut self,
        given: Option<&str>,
        target: &Target,
        context: &Context,
    ) -> Result<Option<Caller>, CliError> {
        let Some(given) = given else { return Ok(None) };
        self.needs_tokens(target)?;
        let source = self.source(Some(given))?;
        Ok(Some(Caller::new(source.map(|source| self.some(source)).transpose()?, context)))
    }
}

/// Reads arguments from their JSON text.
pub fn arguments(written: &str) -> Result<Map<String, Value>, CliError> {
    arguments::read(RawArguments::Text(written), None).map_err(|error| CliError::Usage(format!("arguments: {error}")))
}

/// Opens a connection; `Err` in the result is the server's refusal.
pub async fn open(
    target: &Target,
    carriage: &Carriage,
    dialect: &Dialect,
) -> Result<Result<Connection, TimedReply>, TargetError> {
    match Connection::open(target, carriage, dialect).await {
        Ok(connection) => Ok(Ok(connection)),
        Err(OpenError::Target(error)) => Err(error),
        Err(OpenError::Server(refused)) => {
            let took = refused.took;
            Ok(Err(TimedReply { reply: refused.into_reply(), took }))
        }
    }
}

/// Finds out whether a tool exists, from the lists for the callers and from a call of a name that does not exist.
pub async fn visibility(
    connection: &Connection,
    listed: Option<&ToolList>,
    other: Option<&ToolList>,
    tool: &str,
    called: &Reply,
    bound: Duration,
) -> Visibility {
    let called = Observation::of(called);
    let random = match called.observed() {
        Observed::NoTool | Observed::Forbidden => {
            let random = connection.call(crate::probing::NO_SUCH_TOOL, Map::new(), bound).await;
            Some(Observation::of(&random.reply))
        }
        _ => None,
    };
    Sightings {
        listed: listed.map(|listed| listed.has(tool)),
        listed_for_other: other.map(|listed| listed.has(tool)),
        called: Some(&called),
        random: random.as_ref(),
    }
    .visibility()
}

/// How long the end of a command waits for programs to be stopped and sessions to be ended.
const ENDING: Duration = Duration::from_millis(100);

/// Runs a future to its end, unless a signal ends the program.
pub fn block_on<T>(future: impl Future<Output = T>) -> Result<T, CliError> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        let mut endings = TerminationSignals::listen()?;
        let done = tokio::select! {
            biased;
            done = future => Ok(done),
            signal = endings.next() => Err(CliError::Signalled(signal)),
        };
        if done.is_err() {
            sleep(ENDING).await;
        }
        done
    });
    // Does not wait: the system may still be resolving a name.
    runtime.shutdown_background();
    done
}

/// Describes a server for scripts.
pub fn server_json(target: &Target, connection: &Connection) -> Value {
    let seen = &connection.seen;
    json!({
        "target": target.place.to_string(),
        "protocol": seen.protocol,
        "name": seen.name,
        "version": seen.version,
        "session": seen.has_session,
        "connected_in": connection.took.as_secs_f64(),
    })
}
