//! `portcullis testkit --run --url`: the gate probe of a foreign server.

use std::io::{self, Write};

use super::arguments::TestkitArgs;
use super::paint::{Paint, bad, good, of_observation, warning};
use super::report::Form;
use super::target::{self, Caller, block_on};
use super::{CliError, Context, Exit, Runner, json};
use crate::lab::probe::{Card, Extra, GoodClaims, Mark, Model, Row, planned};
use crate::observe::{Observed, Why};
use crate::probing::{self, Request, Stopped};
use crate::report::tap;
use crate::target::{Target, describes, fetch_metadata};
use crate::text::material::Metadata;
use crate::text::{padded, words};

/// The result of a probe: the card, or why it was not made.
enum Outcome {
    Made(Box<Card>),
    NotAccepted(Box<Why>),
    PublicList(String),
}

/// Probes a foreign server.
pub fn run(
    on: &mut Runner<'_>,
    args: &TestkitArgs,
    context: &Context,
    target: &Target,
    form: Form,
    paint: Paint,
) -> Result<Exit, CliError> {
    let json = form == Form::Json;
    if !args.run {
        return Err(CliError::Usage("--url needs --run: test tokens are printed only for our own gate".to_owned()));
    }
    on.needs_tokens(target)?;
    let like = match &args.like {
        Some(given) => on.source(Some(given))?.map(|source| on.some(source)).transpose()?,
        None if context.signer().is_none() => on.source(None)?.map(|source| on.some(source)).transpose()?,
        None => None,
    };
    let arguments = args.arguments.as_deref().map(target::arguments).transpose()?;
    confirm(on, args, target)?;
    let caller = Caller::new(like, context);
    let signer = context.signer().filter(|signer| probing::fits(signer, caller.token.as_deref()));
    if signer.is_none() && caller.token.is_none() {
        return Err(CliError::Usage(
            "missing key or token: pass the server's secret (--secret-file), a signing key whose public key it trusts (--signing-key), or a valid token (--like TOKEN)".to_owned(),
        ));
    }
    let shows_progress = on.shows_hints && !json;
    let err = &mut *on.err;
    let mut so_far: Option<Card> = None;
    let outcome = block_on(async {
        let metadata = fetch_metadata(target, None).await;
        let now = context.now();
        let model = match (&caller.token, signer) {
            (Some(token), signer) => Model::of_token(token, signer, now),
            (None, Some(signer)) => {
                wishes(context, target, metadata.as_ref(), &args.user, &args.permissions, |wanted| {
                    Model::of_wishes(wanted, signer, now)
                })
            }
            (None, None) => Err(crate::lab::probe::ModelError::NotAToken),
        };
        let model = model.map_err(|error| CliError::Usage(error.to_string()))?;
        let verifier = caller.inspection.as_ref().and_then(|token| probing::public_key(&caller.rules, token));
        let model = model.with_public(verifier.as_ref()).with_variant(context.variant.clone());
        let request = Request {
            target,
            model: &model,
            tool: args.tool.as_deref(),
            arguments: arguments.as_ref(),
            is_quick: args.quick,
            metadata: metadata.as_ref(),
        };
        let (all, mut n) = (planned(args.quick), 0);
        let each = |card: &Card| {
            let Some(row) = card.rows.last() else { return };
            n += 1;
            so_far = Some(card.clone());
            if shows_progress && row.mark != Mark::Sound && row.mark != Mark::Skipped {
                let _ = writeln!(err, "{n}/{all} {} {}: {}", row.mark.sign(), row.probe.name, row.came());
            }
        };
        match probing::probe(&request, || context.now(), each).await {
            Ok(card) => Ok(Outcome::Made(Box::new(card))),
            Err(Stopped::Target(error)) => Err(CliError::from(error)),
            Err(stopped @ Stopped::NoSuchTool(_)) => Err(CliError::Usage(stopped.to_string())),
            Err(stopped @ Stopped::PublicList) => Ok(Outcome::PublicList(stopped.to_string())),
            Err(Stopped::NotAccepted(stopped)) => {
                let (reply, tool) = *stopped;
                let good = Caller::new(Some(model.good.clone()), context);
                let why = good.explain(target, tool.as_deref(), &reply, None, context.now()).await;
                Ok(Outcome::NotAccepted(Box::new(why)))
            }
        }
    });
    match (outcome, so_far) {
        (Err(CliError::Signalled(signal)), Some(card)) => {
            // What was found may have taken a long time.
            let all = words::count(planned(args.quick), "probe");
            let made = card.rows.len();
            on.say(format_args!("interrupted: {made} of {all} were made, and their results follow"));
            report(on, args, Outcome::Made(Box::new(card)), form, paint)?;
            Err(CliError::Signalled(signal))
        }
        (outcome, _) => report(on, args, outcome??, form, paint),
    }
}

/// Writes the result.
fn report(
    on: &mut Runner<'_>,
    args: &TestkitArgs,
    outcome: Outcome,
    form: Form,
    paint: Paint,
) -> Result<Exit, CliError> {
    match outcome {
        Outcome::Made(card) => {
            let report = card.report(args.strict);
            on.known = report.verdict().into();
            on.report(&args.report, &report, |out| match form {
                Form::Json => {
                    card.rows.iter().try_for_each(|row| json::line(out, &card.row_json(row)))?;
                    json::line(out, &card.json())
                }
                Form::Markdown => write!(out, "{}", card.markdown()),
                Form::Tap => write!(out, "{}", tap(&report)),
                Form::Text => show(out, &card, paint),
            })?;
            Ok(on.known)
        }
        Outcome::NotAccepted(why) => {
            on.known = match Exit::of_observation(&why.observation) {
                Exit::Trouble => Exit::Trouble,
                _ => Exit::NoVerdict,
            };
            on.say(match why.observation.observed() {
                Observed::Refused | Observed::Forbidden => {
                    "the good token is not accepted, so nothing can be said about the others"
                }
                Observed::BadArguments => {
                    "the arguments of the good call are rejected; pass others with --arguments JSON"
                }
                _ => "the server did not answer the call of the good token",
            });
            if form == Form::Json {
                json::line(on.out, &why.json())?;
            } else {
                paint.explanation(on.out, &why.explanation(), of_observation(&why.observation))?;
            }
            Ok(on.known)
        }
        Outcome::PublicList(sentence) => {
            on.say(sentence);
            on.known = Exit::NoVerdict;
            Ok(on.known)
        }
    }
}

/// Passes on what a good token for the server contains: as the options say, or else as the server's metadata do.
pub fn wishes<T>(
    context: &Context,
    target: &Target,
    metadata: Option<&Metadata>,
    user: &str,
    permissions: &[String],
    make: impl FnOnce(&GoodClaims<'_>) -> T,
) -> T {
    // Others must not choose the audience and the issuer of tokens that our key signs.
    let metadata = metadata.filter(|metadata| describes(metadata, target));
    let usual = ["user".to_owned()];
    let wanted = GoodClaims {
        user,
        permissions: if permissions.is_empty() { &usual } else { permissions },
        issuer: context.issuer.as_deref(),
        audiences: &context.audiences,
        preset: context.preset.as_deref(),
    };
    wanted.completed(metadata, make)
}

/// Other machines are probed only with consent.
fn confirm(on: &mut Runner<'_>, args: &TestkitArgs, target: &Target) -> Result<(), CliError> {
    if target.is_local() || args.yes {
        return Ok(());
    }
    let count = planned(args.quick);
    let question = format!("make {count} probes, up to three requests each, most with bad tokens, at {}", target.place);
    if !on.environment.at_terminal {
        return Err(CliError::Usage(format!("--yes is needed to {question}")));
    }
    let _ = write!(on.err, "portcullis: {question}? [y/N] ");
    let _ = on.err.flush();
    let mut answer = String::new();
    on.input.read_line(&mut answer)?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(CliError::Usage("not confirmed".to_owned())),
    }
}

/// As many lines with the same answer are written as one.
const MANY: usize = 4;

fn show(out: &mut dyn Write, card: &Card, paint: Paint) -> io::Result<()> {
    for group in card.groups() {
        let rows: Vec<&Row> =
            card.rows.iter().filter(|row| row.probe.group == group && row.mark != Mark::Skipped).collect();
        let extras: Vec<&Extra> = card.extras.iter().filter(|extra| extra.group == group).collect();
        let sound = rows.iter().filter(|row| row.mark == Mark::Sound).count()
            + extras.iter().filter(|extra| extra.is_sound == Some(true)).count();
        let measured = rows.iter().filter(|row| matches!(row.mark, Mark::Measured(_))).count();
        let all = rows.len() + extras.len();
        if all == 0 {
            continue;
        }
        let (sign, style) = if sound + measured == all { ("✔", good()) } else { ("✘", warning()) };
        let said = match (measured, all - measured) {
            (0, all) => format!("{sound} of {all} as a sound server answers"),
            (n, 0) => format!("{n} measured"),
            (n, all) => format!("{sound} of {all} as a sound server answers, {n} measured"),
        };
        writeln!(out, "{} {} {}", paint.styled(sign, style), padded(group, 14), paint.note(&said))?;
        let odd: Vec<&&Row> = rows.iter().filter(|row| !matches!(row.mark, Mark::Sound | Mark::Measured(_))).collect();
        let alike = |row: &Row| -> Vec<&Row> {
            let same = |other: &&&&Row| other.weight() == row.weight() && other.came() == row.came();
            odd.iter().filter(same).map(|other| **other).collect()
        };
        for row in &odd {
            let style = if row.is_failure() { bad() } else { warning() };
            let weight = paint.styled(row.weight(), style);
            let came = row.came();
            let same = alike(row);
            match same.len() {
                // Many lines with one answer hide the others: the first of them names the rest.
                n if n >= MANY => {
                    if same.first().is_some_and(|first| std::ptr::eq(*first, **row)) {
                        let names: Vec<&str> = same.iter().map(|row| row.probe.name).collect();
                        writeln!(out, "    {weight} × {n}: {came}")?;
                        writeln!(out, "        {}", paint.note(&names.join(", ")))?;
                    }
                }
                _ => {
                    writeln!(out, "    {weight} {}: {came}", row.probe.name)?;
                    writeln!(out, "        {}", paint.note(&format!("{}; {}", row.probe.what, row.mark.words())))?;
                }
            }
        }
        for extra in extras.iter().filter(|extra| extra.is_sound != Some(true)) {
            let style = if extra.is_failure() { bad() } else { warning() };
            writeln!(out, "    {} {}: {}", paint.styled(extra.weight(), style), extra.name, extra.found)?;
        }
    }
    let style = match (card.failures(), card.findings() + card.undecided()) {
        (0, 0) => good(),
        (0, _) => warning(),
        _ => bad(),
    };
    writeln!(out, "{}", paint.styled(&card.summary(), style))?;
    for note in card.notes() {
        writeln!(out, "{note}")?;
    }
    writeln!(out, "{}", card.about())
}
