//! `portcullis keys`: makes private keys, publishes their public halves, and lists the keys that verify tokens. Nothing
//! here prints a private key, except `keys new` where it is asked to.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::arguments::{KeysJwksArgs, KeysNewArgs};
use super::options::Settings;
use super::{CliError, Context, Exit, Runner, json};
use crate::auth::algorithm::Family;
use crate::auth::keys::{KeyFileError, SignerOptions, jwk, read_private, read_public};
use crate::auth::{Algorithm, Issuer, KeyOrigin, Signer, Verifier};
use crate::config::{self, ConfigError, KeyText};
use crate::text;
use crate::text::escape::ascii_json;

/// The kind of file, for messages.
const WHAT: &str = "key file";

/// Generates a private key and writes it to a new file or to standard output.
pub fn new(on: &mut Runner<'_>, args: &KeysNewArgs) -> Result<Exit, CliError> {
    let file = args.out.as_deref().filter(|path| *path != Path::new("-"));
    if args.out.is_none() && on.environment.prints_to_terminal {
        let sentence = "a private key is not printed to a terminal by default; pass --out FILE, or --out - to print it";
        return Err(CliError::Usage(sentence.to_owned()));
    }
    let failed = |error| ConfigError::Secret { from: "new key".to_owned(), error };
    let (signer, generated) = Signer::generate(args.alg).map_err(failed)?;
    let written = generated.to_file();
    if let Some(path) = file {
        config::write_private(path, &written)?;
    } else {
        on.out.write_all(written.as_bytes())?;
        on.out.flush()?;
    }
    let place = file.map_or_else(|| "FILE".to_owned(), config::quoted);
    let kid = signer.verifier().kid().map_or_else(|| "without kid".to_owned(), |kid| format!("kid {kid}"));
    on.say(format_args!(
        "new {} key, {} bits, {kid}{}",
        args.alg,
        signer.verifier().bits(),
        file.map_or_else(String::new, |_| format!(", written to {place}"))
    ));
    // The algorithm is not written in the file, so one that is not the usual one of such a key is repeated.
    let alg = match is_usual(args.alg) {
        true => String::new(),
        false => format!(" --alg {}", args.alg),
    };
    on.say(match args.alg.family() {
        Family::Hmac => format!("next: portcullis issue USER --secret-file {place}{alg}"),
        _ => format!(
            "next: portcullis issue USER --signing-key {place}{alg}; its public key: portcullis keys jwks {place}{alg}"
        ),
    });
    Ok(Exit::Good)
}

/// Whether a key that names no algorithm signs with this one.
fn is_usual(algorithm: Algorithm) -> bool {
    algorithm.family().algorithms().next() == Some(algorithm)
}

/// Prints the public JWK set of key files.
pub fn jwks_of_files(on: &mut Runner<'_>, args: &KeysJwksArgs, settings: &Settings) -> Result<Exit, CliError> {
    let mut keys = Vec::new();
    for path in &args.files {
        keys.extend(public_keys(on, path, args.alg, settings)?);
    }
    print(on, &keys, settings.json)
}

/// Prints the public JWK set of the signing key.
pub fn jwks(on: &mut Runner<'_>, context: &Context, json: bool) -> Result<Exit, CliError> {
    let signer = context.signer().ok_or(ConfigError::NoSecret)?;
    let key = jwk::public(signer.verifier(), Some(signer.algorithm()));
    let key = key.ok_or_else(|| ConfigError::NoPublicKey { from: "signing secret".to_owned() })?;
    print(on, &[key], json)
}

fn print(on: &mut Runner<'_>, keys: &[Map<String, Value>], json: bool) -> Result<Exit, CliError> {
    let set = json!({ "keys": keys });
    match json {
        true => json::line(on.out, &set)?,
        false => {
            for line in format!("{set:#}").lines() {
                writeln!(on.out, "{}", ascii_json(line))?;
            }
        }
    }
    Ok(Exit::Good)
}

/// Reads the public keys of a file with a private key, or with public ones.
fn public_keys(
    on: &mut Runner<'_>,
    path: &Path,
    algorithm: Option<Algorithm>,
    settings: &Settings,
) -> Result<Vec<Map<String, Value>>, CliError> {
    let KeyText { bytes, others_can_read } = KeyText::read(WHAT, path)?;
    let private = read_private(&bytes, KeyOrigin::File, SignerOptions { algorithm, kid: None });
    let is_public = matches!(private, Err(KeyFileError::NotPrivate(_) | KeyFileError::Unknown));
    if !is_public && others_can_read && !settings.insecure_secret_file {
        return Err(ConfigError::OthersCanRead { what: WHAT, path: path.to_owned() }.into());
    }
    let error = match private {
        Ok(signer) => {
            let key = jwk::public(signer.verifier(), Some(signer.algorithm()));
            let from = || format!("{WHAT} {}", text::name(&path.to_string_lossy(), 200));
            return Ok(vec![key.ok_or_else(|| ConfigError::NoPublicKey { from: from() })?]);
        }
        Err(error) => error,
    };
    let read = match (read_public(&bytes, KeyOrigin::File), error) {
        // The public halves of a set with several private keys can be written all the same.
        (Ok(read), KeyFileError::NotPrivate(_) | KeyFileError::Unknown | KeyFileError::Several(_)) => read,
        (Err(error), KeyFileError::NotPrivate(_) | KeyFileError::Unknown) => {
            return Err(ConfigError::PublicKey { path: path.to_owned(), error }.into());
        }
        (_, error) => return Err(ConfigError::Key { what: WHAT, path: path.to_owned(), error }.into()),
    };
    for refused in &read.refused {
        on.say(format_args!("{WHAT} {}: {refused}", text::name(&path.to_string_lossy(), 200)));
    }
    let fits = |key: &Verifier| algorithm.filter(|algorithm| key.algorithms().contains(algorithm));
    Ok(read.keys.iter().filter_map(|key| jwk::public(key, fits(key))).collect())
}

/// Lists the keys that verify tokens, by issuer, and those of key sets that cannot be used.
pub fn list(on: &mut Runner<'_>, context: &Context, json: bool) -> Result<Exit, CliError> {
    let rules = context.all_keyed()?;
    let issuer_name =
        |issuer: &Issuer| issuer.name.as_deref().map_or_else(|| "any".to_owned(), |name| text::name(name, 64));
    let mut rows = vec![["issuer", "kid", "algorithm", "bits", "origin", "strength"].map(str::to_owned)];
    for issuer in rules.issuers.iter() {
        for key in issuer.keys.iter() {
            let algorithms: Vec<&str> = key.algorithms().iter().map(|algorithm| algorithm.name()).collect();
            if json {
                let line = json!({
                    "issuer": issuer.name.as_deref(), "kid": key.kid(), "algorithms": algorithms,
                    "kind": key.family().words(), "bits": key.bits(), "origin": key.origin().word(),
                    "weak": key.is_weak(),
                });
                json::line(on.out, &line)?;
                continue;
            }
            rows.push([
                issuer_name(issuer),
                key.kid().map_or_else(|| "none".to_owned(), |kid| text::name(kid, 64)),
                key.kind().to_owned(),
                key.bits().to_string(),
                key.origin().word().to_owned(),
                if key.is_weak() { "weak" } else { "strong" }.to_owned(),
            ]);
        }
        if let Some(why) = issuer.keys.unavailable_because() {
            on.known = Exit::Trouble;
            if json {
                json::line(on.out, &json!({ "issuer": issuer.name.as_deref(), "unavailable": why }))?;
            }
            on.say(format_args!("issuer {}: {why}", issuer_name(issuer)));
        }
    }
    if json {
        for issuer in rules.issuers.iter() {
            for key in issuer.keys.refused() {
                let line = json!({
                    "issuer": issuer.name.as_deref(), "kid": key.kid, "place": key.place, "refused": key.why.to_string(),
                });
                json::line(on.out, &line)?;
            }
        }
        return Ok(on.known);
    }
    if rows.len() == 1 {
        if !context.has_key() {
            on.say(format_args!("no key verifies tokens: {}", ConfigError::NoSecret));
        }
        return Ok(on.known);
    }
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..6).map(|column| width(column).unwrap_or_default()).collect();
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(on.out, "{}", cells.join("  ").trim_end())?;
    }
    for issuer in rules.issuers.iter() {
        for key in issuer.keys.refused() {
            writeln!(on.out, "! {}: key {} not used: {}", issuer_name(issuer), key.label(), key.why)?;
        }
    }
    Ok(on.known)
}
