//! `portcullis revoke`: changes the revocations in the state file. Every console and server that uses the file applies
//! the change immediately.

use serde_json::{Value, json};

use super::arguments::RevokeArgs;
use super::{CliError, Context, Exit, Runner, json};
use crate::auth::revocations::{Revocation, RevocationTarget};
use crate::auth::{NumericDate, TokenId};
use crate::clock::{Clock as _, SystemClock};
use crate::text::{self, Span};

/// How long a `jti` stays revoked by default. The expiry of its tokens is not known, and the list must not grow
/// forever.
const REMEMBERED: Span = Span::seconds(366 * 24 * 60 * 60);

/// Revokes or restores a token or a `jti`, or lists revocations.
pub fn run(on: &mut Runner<'_>, args: &RevokeArgs, context: &Context, json: bool) -> Result<Exit, CliError> {
    if !context.store.is_durable() {
        let wanted = "no state file; pass --state FILE, or set state in portcullis.toml";
        return Err(CliError::Usage(wanted.to_owned()));
    }
    if args.list {
        for (what, since) in context.store.load()?.revoked.iter() {
            show(on, what, since, "revoked", json)?;
        }
        return Ok(Exit::Good);
    }
    let now = context.now();
    let (what, since) = match (&args.jti, on.source(args.token.as_deref())?) {
        (Some(jti), _) => {
            let until = args.until.map_or_else(|| now.plus(REMEMBERED), |when| when.from(now));
            if until <= now && !args.restore {
                let wanted = format!("--until is {}, expected a time in the future", until.rfc3339());
                return Err(CliError::Usage(wanted));
            }
            (RevocationTarget::Jti(jti.as_str().into()), Revocation { at: now, until: Some(until), user: None })
        }
        (None, Some(source)) => {
            let token = on.some(source)?;
            let judged = context.rules().inspect(&*token).judged;
            if judged.lifetime.exp.is_none() {
                let wanted = "not revoked: expected a token with a readable exp; the gate refuses this one anyway";
                return Err(CliError::Usage(wanted.to_owned()));
            }
            let user = judged.name.as_deref().map(Into::into);
            let since = Revocation { at: now, until: judged.lifetime.exp, user };
            (RevocationTarget::Token(TokenId::of(&token)), since)
        }
        (None, None) => {
            let wanted = "no token; pass TOKEN, - (standard input), @FILE, --jti or --list";
            return Err(CliError::Usage(wanted.to_owned()));
        }
    };
    let mut was_revoked = false;
    let mut kept = since.clone();
    // Expired revocations are removed according to the earlier of the two clocks: a `--now` in the future must not
    // remove other revocations.
    context.store.change(now.min(SystemClock::new().now()), &mut |stored| {
        let all = &mut stored.revoked;
        was_revoked = all.get(&what).is_some();
        match args.restore {
            true => drop(all.restore(&what)),
            false => all.revoke(what.clone(), since.clone()),
        }
        kept = all.get(&what).unwrap_or(&since).clone();
    })?;
    let word = match (args.restore, was_revoked) {
        (false, false) => "revoked",
        (false, true) => "was revoked already",
        (true, true) => "restored",
        (true, false) => "was not revoked",
    };
    // A restored jti has no entry that would be dropped.
    let until = kept.until.filter(|_| !args.restore || matches!(what, RevocationTarget::Token(_)));
    show(on, &what, &Revocation { until, ..kept }, word, json)?;
    Ok(Exit::Good)
}

fn show(
    on: &mut Runner<'_>,
    what: &RevocationTarget,
    since: &Revocation,
    word: &str,
    json: bool,
) -> Result<(), CliError> {
    let until = since.until.map(NumericDate::rfc3339);
    if json {
        let (token, jti) = match what {
            RevocationTarget::Token(id) => (Value::from(id.hex()), Value::Null),
            RevocationTarget::Jti(jti) => (Value::Null, Value::from(&**jti)),
        };
        let user = since.user.as_deref();
        let at = since.at.rfc3339();
        let line =
            json!({ "state": word, "token_sha256": token, "jti": jti, "user_id": user, "at": at, "until": until });
        return Ok(json::line(on.out, &line)?);
    }
    let named = match what {
        RevocationTarget::Token(id) => format!("token {id}"),
        RevocationTarget::Jti(jti) => format!("every token with the jti {}", text::name(jti, 64)),
    };
    let user = since.user.as_deref().map_or_else(String::new, |user| format!(" ({})", text::name(user, 64)));
    let until = match (until, what) {
        (None, _) => String::new(),
        (Some(until), RevocationTarget::Token(_)) => format!("; expires at {until}"),
        (Some(until), RevocationTarget::Jti(_)) => format!("; kept until {until}"),
    };
    writeln!(on.out, "{word}: {named}{user}{until}")?;
    Ok(())
}
