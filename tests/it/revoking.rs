//! Revoked tokens: refused everywhere at once, and stored in a file.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use portcullis::Rules;
use portcullis::auth::revocations::{Revocation, RevocationTarget};
use portcullis::auth::{Call, KeyOrigin, Revocations, Signer, TokenId, TokenStatus};
use portcullis::store::{FileStore, Store as _};

use crate::cli::{CommandOutput, portcullis};
use crate::desk::{Desk, SECRET, START};
use crate::forge::{NOW, claims, rules, token};
use tempfile::TempDir;

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().expect("a folder"))
    }

    fn file(&self) -> String {
        self.0.path().join("state.json").to_str().expect("UTF-8").to_owned()
    }

    /// A console with this state file, started with these revocations.
    fn desk(&self, revoked: Revocations) -> Desk {
        desk(self.file().into(), revoked)
    }
}

fn desk(file: PathBuf, revoked: Revocations) -> Desk {
    let key = Signer::hs256(SECRET, KeyOrigin::Program).expect("a key");
    let rules = Rules { revoked: Arc::new(revoked), ..Rules::new(&key) };
    Desk::with_store(rules, Arc::new(FileStore::new(file)), 120, 36)
}

fn revoking(what: RevocationTarget) -> Rules {
    let mut all = Revocations::default();
    all.revoke(what, Revocation { at: NOW, until: None, user: None });
    Rules { revoked: Arc::new(all), ..rules() }
}

#[test]
fn every_function_refuses_a_revoked_token() {
    let good = token(claims(r#""jti":"7","#));
    for what in [RevocationTarget::Token(TokenId::of(&good)), RevocationTarget::Jti("7".into())] {
        let rules = revoking(what);
        let judged = rules.inspect(&*good).judged;
        let decision = rules.decide(&Call { token: Some(&good), tool: "read_data" }, NOW);
        assert_eq!(decision.code(), "revoked");
        assert_eq!(rules.decide_judged(Some(&judged), "read_data", NOW), decision);
        assert_eq!(rules.verdict(Some(&judged), "read_data", NOW), decision.verdict());
        assert_eq!(rules.verify(&good, NOW).err().as_ref(), decision.reason());
        assert_eq!(judged.status(NOW), TokenStatus::Invalid(decision.reason().expect("refused").clone()));
        assert_eq!(judged.held(NOW), None);
        // Another token of the same user is still valid.
        let other = token(claims(r#""jti":"8","#));
        assert_eq!(rules.decide(&Call { token: Some(&other), tool: "read_data" }, NOW).code(), "allowed");
    }
}

#[test]
fn space_in_tokens_revokes_and_restores_and_both_can_be_undone() {
    let mut desk = Desk::new(120, 36);
    desk.types("user123").keys("Enter Alt-4").must_show(&["ALLOWED", "all checks passed"]);
    desk.keys("Esc 2 Space").must_show(&["revoked until the console exits", "REVOKED"]);
    desk.keys("Esc 4 Enter").must_show(&["UNAUTHORIZED", "the token was revoked at"]);
    desk.must_show(&[r#"{"error":"unauthorized"}"#]);
    desk.keys("Esc 2 Space").must_show(&["user123 restored", "VALID"]);
    desk.keys("Ctrl-7").must_show(&["REVOKED"]).keys("Ctrl-7").must_show(&["VALID"]);
    desk.keys("Ctrl-R").must_show(&["REVOKED"]);
    // Revoking needs a selected token.
    desk.keys("Home Space").must_show(&["select a token to revoke"]);
}

#[test]
fn revocations_survive_a_restart_and_changes_by_other_processes_apply() {
    let place = Place::new();
    let mut desk = place.desk(Revocations::default());
    desk.types("user123").keys("Enter Esc 2 Space").must_show(&["user123 revoked", "REVOKED"]);
    let text = desk.app.selected().expect("a token").text().expect("its text").to_string();
    assert!(!fs::read_to_string(place.file()).expect("written").contains(&text), "the token itself must not be stored");

    let mut again = place.desk(FileStore::new(place.file().into()).load().expect("read").revoked);
    again.pastes(&text).must_show(&["REVOKED"]);

    let now = START.rfc3339();
    let run = |more: &[&str]| portcullis(&[&["revoke", "--state", &place.file(), "--now", &now], more].concat()).out();
    assert!(run(&["--restore", &text]).starts_with("restored: token"), "restored by the command");
    again.store_touched().must_show(&["VALID"]);
    run(&[&text]);
    again.store_touched().must_show(&["REVOKED"]);

    fs::write(place.file(), "{").expect("written");
    again.store_touched().must_show(&["cannot read revocations; the last known ones stay in force", "REVOKED"]);
    fs::remove_file(place.file()).expect("removed");
    again.waits(Duration::from_secs(6));
    again.store_touched().must_show(&["deleted; revocations stay in force", "REVOKED"]);
}

#[test]
fn an_unsaved_revocation_is_shown_in_the_header_until_it_is_stored() {
    let place = Place::new();
    let mut desk = place.desk(Revocations::default());
    // A directory in place of the file makes writing fail.
    fs::create_dir(place.file()).expect("a folder");
    desk.types("user123").keys("Enter Esc 2 Space").must_show(&["not stored: state file", "not stored: 1 revocation"]);
    desk.waits(Duration::from_mins(1));
    desk.must_show(&["not stored: 1 revocation", "REVOKED"]);
    fs::remove_dir(place.file()).expect("removed");
    desk.keys("Space Space");
    assert!(!desk.screen().contains("not stored"), "{}", desk.screen());
}

#[test]
fn a_failed_write_does_not_undo_the_revocation() {
    let mut desk = desk("/nonexistent/state.json".into(), Revocations::default());
    desk.types("user123")
        .keys("Enter Esc 2 Space")
        .must_show(&["not stored: state file /nonexistent/state.json", "REVOKED"]);
}

#[test]
fn applying_settings_keeps_a_revocation_by_another_process() {
    let place = Place::new();
    let mut desk = place.desk(Revocations::default());
    desk.types("user123").keys("Enter Ctrl-S").must_show(&["settings"]);
    let token = desk.token().to_string();
    portcullis(&["revoke", "--state", &place.file(), "--now", &START.rfc3339(), &token]).out();
    // The follower has read it, but the console has not been updated yet.
    desk.outside.replica.reload().expect("read");
    desk.keys("Enter").must_show(&["settings applied", "REVOKED"]);
}

#[test]
fn revoke_fails_when_another_process_keeps_the_state_file_locked() {
    let place = Place::new();
    let lock = fs::File::create(place.0.path().join("state.json.lock")).expect("a lock file");
    lock.lock().expect("the lock is free");
    let CommandOutput { err, exit, .. } = portcullis(&["revoke", "--state", &place.file(), "--jti", "7"]).run();
    assert_eq!(exit, 1, "{err}");
    assert!(err.ends_with("state.json: locked by another process for more than 2s; try again\n"), "{err}");
    // Reading does not need the lock.
    portcullis(&["revoke", "--state", &place.file(), "--list"]).out();
    drop(lock);
    portcullis(&["revoke", "--state", &place.file(), "--jti", "7"]).out();
}

#[test]
fn the_command_revokes_restores_and_lists() {
    let place = Place::new();
    let state = ["--state", &place.file()];
    let token = portcullis(&["issue", "user123", "-p", "user"]).out().trim().to_owned();
    let check = || portcullis(&[&state[..], &["check", &token, "read_data"]].concat()).run();
    assert_eq!(check().exit, 0);

    let output = portcullis(&[&state[..], &["revoke", &token]].concat()).out();
    assert!(output.starts_with("revoked: token ") && output.contains("(user123); expires at 2"), "{output}");
    assert!(!output.contains(&token) && !fs::read_to_string(place.file()).expect("written").contains(&token));
    let CommandOutput { out, exit, .. } = check();
    assert!(exit == 3 && out.contains("UNAUTHORIZED revoked: the token was revoked at "), "{exit}: {out}");
    assert!(portcullis(&[&state[..], &["revoke", &token]].concat()).out().starts_with("was revoked already"));
    portcullis(&[&state[..], &["revoke", "--jti", "7"]].concat()).out();
    let list = portcullis(&[&state[..], &["revoke", "--list", "--json"]].concat()).out();
    assert_eq!(list.lines().count(), 2, "{list}");

    assert!(portcullis(&[&state[..], &["revoke", "--restore", &token]].concat()).out().starts_with("restored"));
    assert_eq!(check().exit, 0);
    assert!(portcullis(&[&state[..], &["revoke", "--restore", &token]].concat()).out().starts_with("was not revoked"));
}

#[test]
fn invalid_revocations_are_rejected_with_a_reason() {
    let place = Place::new();
    let none = portcullis(&["revoke", "a.b.c"]).run();
    assert!(none.exit == 2 && none.err.contains("no state file"), "{}", none.err);
    let state = ["--state", &place.file()];
    let dead = portcullis(&[&state[..], &["revoke", "a.b.c"]].concat()).run();
    assert!(dead.exit == 2 && dead.err.contains("expected a token with a readable exp"), "{}", dead.err);
    fs::write(place.file(), "[]").expect("written");
    let broken = portcullis(&[&state[..], &["check", "--no-token", "read_data"]].concat()).run();
    assert!(broken.exit == 1 && broken.err.contains("state file"), "{}", broken.err);
}

#[test]
fn a_revocation_with_a_far_future_time_does_not_drop_others() {
    let place = Place::new();
    let file = place.file();
    let token = portcullis(&["issue", "user123", "-p", "user"]).out();
    assert_eq!(portcullis(&["revoke", "--state", &file, token.trim()]).run().exit, 0);
    let ahead = ["revoke", "--state", &file, "--now", "2099-01-01T00:00:00Z", "--jti", "7"];
    assert_eq!(portcullis(&ahead).run().exit, 0);
    let listed = portcullis(&["revoke", "--state", &file, "--list"]).out();
    assert_eq!(listed.lines().count(), 2, "{listed}");
    assert_eq!(portcullis(&["check", "--state", &file, token.trim(), "read_data"]).run().exit, 3);
}

/// The list of revocations does not grow for ever: the expiry of the tokens with a `jti` is given or assumed.
#[test]
fn a_revoked_jti_is_removed_after_its_tokens_have_expired() {
    let place = Place::new();
    let run = |more: &[&str]| portcullis(&[&["revoke", "--state", &place.file()], more].concat()).out();
    let at = ["--now", "2026-11-22T20:40:00Z"];
    let output = run(&[&["--jti", "7"], &at[..]].concat());
    assert!(output.contains("every token with the jti 7; kept until 2027-11-23T20:40:00Z"), "{output}");
    let output = run(&[&["--jti", "8", "--until", "1h"], &at[..]].concat());
    assert!(output.contains("kept until 2026-11-22T21:40:00Z"), "{output}");
    assert_eq!(run(&["--list"]).lines().count(), 2);
    assert_eq!(run(&["--jti", "8", "--restore"]), "restored: every token with the jti 8\n");
}

/// What is printed is what is stored: a target that was revoked before is kept for longer, and never for less long.
#[test]
fn revoking_again_extends_a_revocation_and_an_end_in_the_past_is_refused() {
    let place = Place::new();
    let dead = r#"{"version":1,"store":"a","generation":1,"revoked":[{"jti":"7","at":"2026-11-01T00:00:00Z","until":"2026-11-02T00:00:00Z"}]}"#;
    std::fs::write(place.file(), dead).expect("written");
    let run = |more: &[&str]| {
        portcullis(&[&["revoke", "--state", &place.file(), "--now", "2026-11-22T20:40:00Z"], more].concat()).run()
    };
    let again = run(&["--jti", "7", "--until", "1h"]);
    assert_eq!(again.out, "was revoked already: every token with the jti 7; kept until 2026-11-22T21:40:00Z\n");
    let shorter = run(&["--jti", "7", "--until", "1s"]);
    assert_eq!(shorter.out, again.out);
    assert!(run(&["--list"]).out.contains("kept until 2026-11-22T21:40:00Z"));
    let past = run(&["--jti", "8", "--until", "2020-01-01T00:00:00Z"]);
    assert_eq!((past.exit, past.out.as_str()), (2, ""));
    assert_eq!(past.err, "portcullis: --until is 2020-01-01T00:00:00Z, expected a time in the future\n");
}
