//! `portcullis tools`: the tools of a server, as a token sees them, and those that are hidden from it.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::arguments::ToolsArgs;
use super::paint::{Paint, of_observation};
use super::target::{self, Caller, block_on};
use super::{CliError, Context, Exit, Runner, json};
use crate::gate::ports::ToolInfo;
use crate::observe::{Observation, Why};
use crate::target::{Connection, Dialect, Target, TimedReply, ToolList, summary};
use crate::text::{self, words};

/// What the listing found.
enum Found {
    /// The lists for the token and for the one to compare with.
    Lists { server: Value, line: String, listed: ToolList, other: Option<Result<ToolList, Box<Observation>>> },
    /// The server refused.
    Refused(Box<Why>),
}

/// Lists the tools of a foreign server.
pub fn run(
    on: &mut Runner<'_>,
    args: &ToolsArgs,
    context: &Context,
    json: bool,
    paint: Paint,
) -> Result<Exit, CliError> {
    let Some(target) = args.server.target(context)? else {
        return own(on, context, json);
    };
    let token = on.token_for(&target, args.token.as_deref(), args.no_token)?;
    let caller = Caller::new(token, context);
    let other = on.compared(args.compare.as_deref(), &target, context)?;
    let found = block_on(list(&target, &caller, other.as_ref(), args, context))??;
    match found {
        Found::Lists { server, line, listed, other } => {
            let hidden: Vec<&ToolInfo> = match &other {
                Some(Ok(other)) => other.tools.iter().filter(|tool| !listed.has(&tool.name)).collect(),
                _ => Vec::new(),
            };
            if let Some(Err(why)) = &other {
                on.say(format_args!("the other token cannot list the tools: {why}"));
            }
            if json {
                print_json(on.out, &server, &listed, &hidden, other.as_ref())?;
            } else {
                print(on.out, &line, &listed, &hidden)?;
            }
            Ok(match &other {
                // Nothing is said about hidden tools without the other list.
                Some(Err(why)) => Exit::of_observation(why),
                _ => Exit::Good,
            })
        }
        Found::Refused(why) => {
            let exit = Exit::of_observation(&why.observation);
            if json {
                json::line(on.out, &why.json())?;
            } else {
                paint.explanation(on.out, &why.explanation(), of_observation(&why.observation))?;
            }
            Ok(exit)
        }
    }
}

async fn list(
    target: &Target,
    caller: &Caller,
    other: Option<&Caller>,
    args: &ToolsArgs,
    context: &Context,
) -> Result<Found, CliError> {
    let bound = args.server.bound();
    let refused =
        async |reply| Found::Refused(Box::new(caller.explain(target, None, &reply, None, context.now()).await));
    let connection = match target::open(target, &caller.carriage(), &Dialect::Auto).await? {
        Ok(connection) => connection,
        Err(TimedReply { reply, .. }) => return Ok(refused(reply).await),
    };
    let (listing, listed) = connection.list(bound).await;
    let Some(listed) = listed else { return Ok(refused(listing.reply).await) };
    let other = match other {
        Some(other) => Some(list_as(target, other, &connection.dialect(), bound).await?),
        None => None,
    };
    let server = target::server_json(target, &connection);
    let line = described(target, &connection);
    connection.close().await;
    Ok(Found::Lists { server, line, listed, other })
}

/// Lists the tools as another caller sees them; the error is the refusal.
async fn list_as(
    target: &Target,
    caller: &Caller,
    dialect: &Dialect,
    bound: std::time::Duration,
) -> Result<Result<ToolList, Box<Observation>>, CliError> {
    let connection = match target::open(target, &caller.carriage(), dialect).await? {
        Ok(connection) => connection,
        Err(TimedReply { reply, .. }) => return Ok(Err(Box::new(Observation::of(&reply)))),
    };
    let (listing, listed) = connection.list(bound).await;
    connection.close().await;
    Ok(listed.ok_or_else(|| Box::new(Observation::of(&listing.reply))))
}

/// A line about a server: `orders 1.2 at https://…, MCP 2025-11-25, connected in 12 ms`.
fn described(target: &Target, connection: &Connection) -> String {
    let seen = &connection.seen;
    let name = if seen.name.is_empty() { "a server without a name" } else { &seen.name };
    let version = if seen.version.is_empty() { String::new() } else { format!(" {}", seen.version) };
    let protocol = if seen.protocol.is_empty() { String::new() } else { format!(", MCP {}", seen.protocol) };
    let session = if seen.has_session { ", with a session" } else { "" };
    format!("{name}{version} at {}{protocol}{session}, connected in {}", target.place, words::took(connection.took))
}

/// The hints of a tool in words.
fn hints(tool: &ToolInfo) -> &'static str {
    match (tool.reads_only, tool.destroys, tool.is_idempotent) {
        (true, ..) => "read-only",
        (false, true, true) => "may destroy, idempotent",
        (false, true, false) => "may destroy",
        (false, false, true) => "changes, idempotent",
        (false, false, false) => "changes",
    }
}

fn print(out: &mut dyn Write, line: &str, listed: &ToolList, hidden: &[&ToolInfo]) -> io::Result<()> {
    writeln!(out, "{line}: {}", words::count(listed.tools.len(), "tool"))?;
    let width =
        |tools: &mut dyn Iterator<Item = &ToolInfo>| tools.map(|tool| text::width(&text::name(&tool.name, 48))).max();
    let all = width(&mut listed.tools.iter().chain(hidden.iter().copied())).unwrap_or(0);
    let row = |out: &mut dyn Write, tool: &ToolInfo, note: &str| -> io::Result<()> {
        let name = text::padded(&text::name(&tool.name, 48), all);
        let title = tool.title.as_deref().map_or_else(String::new, |title| format!("{title}; "));
        writeln!(out, "  {name}  {note}{title}{}; {}", hints(tool), summary(&tool.schema))
    };
    for tool in &listed.tools {
        row(out, tool, "")?;
    }
    for tool in hidden {
        row(out, tool, "hidden from this token; ")?;
    }
    if listed.unreadable > 0 {
        writeln!(out, "  ({} without a usable name)", words::count(listed.unreadable, "tool"))?;
    }
    if listed.is_cut {
        writeln!(out, "  (there are more)")?;
    }
    Ok(())
}

fn tool_json(tool: &ToolInfo, visibility: &str) -> Value {
    json!({
        "name": &*tool.name,
        "title": tool.title.as_deref(),
        "description": &*tool.description,
        "visibility": visibility,
        "read_only": tool.reads_only,
        "destructive": tool.destroys,
        "idempotent": tool.is_idempotent,
        "schema": tool.schema,
    })
}

fn print_json(
    out: &mut dyn Write,
    server: &Value,
    listed: &ToolList,
    hidden: &[&ToolInfo],
    other: Option<&Result<ToolList, Box<Observation>>>,
) -> io::Result<()> {
    json::line(out, server)?;
    for tool in &listed.tools {
        json::line(out, &tool_json(tool, "listed"))?;
    }
    // Without a second list, nothing can be said about tools that are not listed.
    debug_assert!(other.is_some() || hidden.is_empty());
    for tool in hidden {
        json::line(out, &tool_json(tool, "hidden"))?;
    }
    Ok(())
}

/// Lists the tools of our own gate, with the permissions that the policy requires.
fn own(on: &mut Runner<'_>, context: &Context, json: bool) -> Result<Exit, CliError> {
    let gate = context.gate(false)?;
    let tools = gate.shared().read(|state| state.tools().clone());
    let rules = context.rules();
    for rule in rules.policy.tools() {
        let info = tools.find(&rule.name);
        if json {
            let mut found = info.map_or_else(|| json!({ "name": &*rule.name }), |info| tool_json(info, "listed"));
            found["needs"] = json!(rule.permissions.iter().map(|name| &**name).collect::<Vec<_>>());
            json::line(on.out, &found)?;
        } else {
            let about = tools.description(&rules.policy, &rule.name).unwrap_or("no description");
            writeln!(
                on.out,
                "{}  needs {}; {}",
                text::name(&rule.name, 48),
                rule.needs(),
                text::display_safe(about, 200)
            )?;
        }
    }
    Ok(Exit::Good)
}
