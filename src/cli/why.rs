//! `portcullis why`: explains how a server answered, from its URL or from a response that was pasted, piped or saved.

use std::io::Read as _;

use serde_json::Map;

use super::arguments::WhyArgs;
use super::paint::{Paint, of_observation};
use super::target::{self, Caller, block_on};
use super::{CliError, Context, Exit, Runner, json};
use crate::config;
use crate::observe::{Certainty, Observation, Question, Unseen, Why, answer_of};
use crate::target::{Connection, Dialect, Target, TimedReply, ToolList};
use crate::text::material::{self, Material};

/// The largest response that is read, in bytes.
const MAX_RESPONSE: u64 = 4 << 20;

/// Explains an answer.
pub fn run(on: &mut Runner<'_>, args: &WhyArgs, context: &Context, json: bool, paint: Paint) -> Result<Exit, CliError> {
    let why = match args.server.target(context)? {
        Some(target) => of_server(on, args, context, &target)?,
        None => of_response(on, args, context)?,
    };
    if json {
        json::line(on.out, &why.json())?;
    } else {
        paint.explanation(on.out, &why.explanation(), of_observation(&why.observation))?;
    }
    Ok(match why.certainty {
        Certainty::CannotTell => match Exit::of_observation(&why.observation) {
            Exit::Trouble => Exit::Trouble,
            _ => Exit::NoVerdict,
        },
        _ => Exit::of_observation(&why.observation),
    })
}

fn of_server(on: &mut Runner<'_>, args: &WhyArgs, context: &Context, target: &Target) -> Result<Why, CliError> {
    let token = match args.words.as_slice() {
        [] => None,
        [token] => Some(token.as_str()),
        _ => {
            return Err(CliError::Usage(
                "expected at most one argument, the token: with --url, the response comes from the server".to_owned(),
            ));
        }
    };
    let arguments = args.arguments.as_deref().map(target::arguments).transpose()?;
    let token = on.token_for(target, token, args.no_token)?;
    let caller = Caller::new(token, context);
    let other = on.compared(args.compare.as_deref(), target, context)?;
    block_on(ask(target, &caller, other.as_ref(), args, arguments, context))?
}

/// Connects, lists the tools and calls the tool, until the server refuses.
async fn ask(
    target: &Target,
    caller: &Caller,
    other: Option<&Caller>,
    args: &WhyArgs,
    arguments: Option<Map<String, serde_json::Value>>,
    context: &Context,
) -> Result<Why, CliError> {
    let bound = args.server.bound();
    let tool = args.tool.as_deref();
    let connection = match target::open(target, &caller.carriage(), &Dialect::Auto).await? {
        Ok(connection) => connection,
        Err(TimedReply { reply, .. }) => return Ok(caller.explain(target, tool, &reply, None, context.now()).await),
    };
    let (listing, listed) = connection.list(bound).await;
    let Some(tool) = tool else {
        let why = caller.explain(target, None, &listing.reply, None, context.now()).await;
        connection.close().await;
        return Ok(why);
    };
    let arguments = arguments.unwrap_or_else(|| {
        let info = listed.as_ref().and_then(|listed| listed.tools.iter().find(|info| *info.name == *tool));
        info.and_then(|info| target::arguments(&info.example).ok()).unwrap_or_default()
    });
    let answered = connection.call(tool, arguments, bound).await;
    let at = context.now();
    let seen = list_for(target, other, &connection, bound).await?;
    let visibility =
        target::visibility(&connection, listed.as_ref(), seen.as_ref(), tool, &answered.reply, bound).await;
    let why = caller.explain(target, Some(tool), &answered.reply, Some(visibility), at).await;
    connection.close().await;
    Ok(why)
}

async fn list_for(
    target: &Target,
    other: Option<&Caller>,
    connection: &Connection,
    bound: std::time::Duration,
) -> Result<Option<ToolList>, CliError> {
    let Some(other) = other else { return Ok(None) };
    match target::open(target, &other.carriage(), &connection.dialect()).await? {
        Ok(second) => {
            let (_, listed) = second.list(bound).await;
            second.close().await;
            Ok(listed)
        }
        Err(_) => Ok(None),
    }
}

/// Explains a response that was saved, pasted or piped.
fn of_response(on: &mut Runner<'_>, args: &WhyArgs, context: &Context) -> Result<Why, CliError> {
    let for_servers = [(args.compare.is_some(), "--compare"), (args.arguments.is_some(), "--arguments")];
    if let Some((_, option)) = for_servers.into_iter().find(|(is_given, _)| *is_given) {
        return Err(CliError::Usage(format!("{option} needs --url, --target or a program")));
    }
    let (token, response) = match args.words.as_slice() {
        [] => (None, "-"),
        [only] if answer_of(only).is_some() => (None, only.as_str()),
        [only] if is_response_file(only) => (None, only.as_str()),
        [token] => (Some(token.as_str()), "-"),
        [token, response, ..] => (Some(token.as_str()), response.as_str()),
    };
    let text = response_text(on, response)?;
    let Some(answer) = answer_of(&text) else {
        let what = match material::recognize(&text) {
            Some(found @ (Material::Keys(_) | Material::Metadata(_))) => format!("got {found}"),
            _ if text.trim().is_empty() => "got nothing".to_owned(),
            _ => "found none in the text".to_owned(),
        };
        return Err(CliError::Usage(format!(
            "expected an HTTP response, a WWW-Authenticate header or a JSON-RPC answer, {what}; or give --url"
        )));
    };
    let token = match (token, args.no_token) {
        (None, true) => None,
        (given, no_token) => on.asked(given, no_token)?,
    };
    let caller = Caller::new(token, context);
    let observation = Observation::of(&Ok(answer));
    // The response arrived some time ago. Its Date is the best guess, and then the clocks cannot be compared.
    let now = observation.date.unwrap_or_else(|| context.now());
    let prediction = args.tool.as_deref().and_then(|tool| caller.prediction(tool, now));
    Ok(Why::explain(&Question {
        unseen: (!args.no_token).then_some(Unseen::NotGiven),
        observation: &observation,
        token: caller.inspection.as_ref(),
        rules: &caller.rules,
        tool: args.tool.as_deref(),
        prediction: prediction.as_ref(),
        metadata: None,
        is_described: false,
        url: None,
        visibility: None,
        now,
    }))
}

/// Whether the word names a file that contains a response and no token.
fn is_response_file(word: &str) -> bool {
    let path = config::typed(word.strip_prefix('@').unwrap_or(word));
    path.metadata().is_ok_and(|found| found.is_file() && found.len() <= MAX_RESPONSE)
        && std::fs::read_to_string(&path).is_ok_and(|text| answer_of(&text).is_some())
}

fn response_text(on: &mut Runner<'_>, word: &str) -> Result<String, CliError> {
    let mut bytes = Vec::new();
    match word {
        "-" => {
            on.input.take(MAX_RESPONSE).read_to_end(&mut bytes)?;
        }
        text if answer_of(text).is_some() => return Ok(text.to_owned()),
        file => {
            let path = config::typed(file.strip_prefix('@').unwrap_or(file));
            let open = std::fs::File::open(&path).map_err(|error| config::unreadable("response file", &path, error))?;
            open.take(MAX_RESPONSE).read_to_end(&mut bytes)?;
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
