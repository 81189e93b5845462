//! Evidence for a ticket, copied or written to a file.

use std::collections::HashMap;

use super::clipboard::Clip;
use super::overlay::LinePurpose;
use super::pane::kit::ProbeRun;
use super::{App, Effect};
use crate::auth::TokenId;
use crate::config::ConfigError;
use crate::lab::evidence::{Evidence, Form, ReportFiles};

/// The maximum number of calls copied to the clipboard; a file contains all of them.
const COPIED: usize = 100;

/// The message if evidence is requested before any exists.
const NOTHING: &str = "nothing to copy: no call, drill or run of the test kit yet";

impl App {
    /// Returns the evidence with at most `most` calls, or `None` if there is none.
    fn evidence(&self, most: usize, form: Form) -> Option<String> {
        let listed = self.auth.tokens.iter().filter_map(|entry| Some((entry.id, entry.judged.jti.clone()?)));
        let tested =
            self.kit.card.iter().flat_map(|card| card.lines.iter().map(|line| (line.token_id, line.jti.clone())));
        let numbers: HashMap<TokenId, String> = listed.chain(tested).collect();
        let jti = |id: TokenId| numbers.get(&id).cloned();
        let all = || self.auth.activity.newest().filter(|record| record.is_call);
        let mut calls: Vec<_> = all().take(most).cloned().collect();
        calls.reverse();
        let rules = &self.auth.rules;
        let evidence = Evidence {
            at: self.times.real,
            clock: Some(self.times.judged).filter(|judged| *judged != self.times.real),
            judged_by: self.judged_by(),
            rules,
            files: ReportFiles {
                policy: &self.policy_file.path,
                policy_is_changed: !self.policy_is_saved(),
                state: self.connect.files.state.as_deref(),
            },
            unstored: if self.keeps_revocations { self.auth.health.unsaved } else { rules.revoked.iter().count() },
            left_out: all().count() - calls.len(),
            calls,
            drill: self.drill.found.as_ref().filter(|found| !found.report.is_cancelled),
            card: self.kit.card.as_ref(),
            probe: self.kit.probe.as_ref().and_then(ProbeRun::finished),
            jti: &jti,
        };
        (!evidence.is_empty()).then(|| evidence.written(form))
    }

    pub(super) fn copy_evidence(&mut self, form: Form) -> Vec<Effect> {
        let Some(text) = self.evidence(COPIED, form) else {
            self.complain(NOTHING);
            return Vec::new();
        };
        self.put(Some(Clip::new(&text, "the evidence")))
    }

    pub(super) fn ask_where_to_put_evidence(&mut self) {
        self.ask(LinePurpose::EvidenceTo, "");
    }

    /// Writes the evidence to a file, as JSON Lines if its name ends in `.jsonl`, `.ndjson` or `.json`, otherwise as
    /// Markdown.
    pub(super) fn save_evidence(&mut self, path: &str) -> Vec<Effect> {
        if path.is_empty() {
            self.complain("enter a file name");
            self.ask_where_to_put_evidence();
            return Vec::new();
        }
        let lines = [".jsonl", ".ndjson", ".json"].iter().any(|end| path.to_lowercase().ends_with(end));
        let form = if lines { Form::JsonLines } else { Form::Markdown };
        let Some(text) = self.evidence(usize::MAX, form) else {
            self.complain(NOTHING);
            return Vec::new();
        };
        vec![Effect::WriteNew { path: path.to_owned(), text }]
    }

    pub(super) fn written(&mut self, result: Result<String, (String, ConfigError)>) -> Vec<Effect> {
        match result {
            Ok(path) => self.say(format!("evidence saved to {}", crate::text::name(&path, 100))),
            Err((path, error)) => {
                self.complain(error.to_string());
                self.ask(LinePurpose::EvidenceTo, &path);
            }
        }
        Vec::new()
    }
}
