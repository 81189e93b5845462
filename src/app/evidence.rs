//! Evidence for a ticket, copied or written to a file.

use std::collections::HashMap;
use std::sync::Arc;

use super::clipboard::Clip;
use super::overlay::LinePurpose;
use super::pane::drill::Bounds;
use super::pane::kit::ProbeRun;
use super::{App, Effect};
use crate::auth::TokenId;
use crate::auth::why::granted;
use crate::config::ConfigError;
use crate::gate::{Origin, Record};
use crate::lab::evidence::{Evidence, Form, FoundBounds, ReportFiles, ServerRun};
use crate::lab::kit::Identity;
use crate::text;

/// The maximum number of calls copied to the clipboard; a file contains all of them.
const COPIED: usize = 100;

/// The message if evidence is requested before any exists.
const NOTHING: &str = "nothing to copy: no call, drill or run of the test kit yet";

impl App {
    /// Returns the evidence with at most `most` calls, and how many calls it leaves out; `None` if there is none.
    fn evidence(&self, most: usize, form: Form) -> Option<(String, usize)> {
        let listed = self.auth.tokens.iter().filter_map(|entry| Some((entry.id, entry.judged.jti.clone()?)));
        let tested =
            self.kit.card.iter().flat_map(|card| card.lines.iter().map(|line| (line.token_id, line.jti.clone())));
        let numbers: HashMap<TokenId, String> = listed.chain(tested).collect();
        let jti = |id: TokenId| numbers.get(&id).cloned();
        let (calls, left_out) = self.chosen_calls(most);
        let rules = &self.auth.rules;
        let bounds =
            self.drill.bounds.as_ref().and_then(|Bounds { run, tool, exp, nbf, .. }| {
                Some(FoundBounds { run, tool, exp: *exp, nbf: (*nbf)? })
            });
        let probe = self.kit.probe.as_ref();
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
            left_out,
            calls,
            drill: self.drill.found.as_ref().filter(|found| !found.report.is_cancelled),
            drilled: self.drill.found_at.as_ref(),
            bounds,
            card: self.kit.card.as_ref(),
            probe: probe.and_then(ProbeRun::finished).zip(probe.map(|probe| &probe.run)),
            differences: self.all_differences(),
            jti: &jti,
        };
        (!evidence.is_empty()).then(|| (evidence.written(form), left_out))
    }

    /// Returns at most `most` calls, oldest first, and how many are left out. Single calls come before the many of a drill,
    /// and these before those of a probe or of the test tokens.
    fn chosen_calls(&self, most: usize) -> (Vec<Arc<Record>>, usize) {
        let mut all: Vec<&Arc<Record>> = self.auth.activity.newest().filter(|record| record.is_call).collect();
        // The order of equals stays: newest first.
        all.sort_by_key(|record| match record.origin {
            Origin::Kit => 2,
            Origin::Drill => 1,
            Origin::Console | Origin::Library | Origin::Command | Origin::Client => 0,
        });
        let left_out = all.len().saturating_sub(most);
        let mut kept: Vec<Arc<Record>> = all.into_iter().take(most).map(Arc::clone).collect();
        kept.sort_by_key(|record| record.seq);
        (kept, left_out)
    }

    /// Describes a run against a foreign server, with this token or with new ones, for the command that repeats it.
    pub(super) fn server_run(&self, place: &Arc<str>, token: Option<&Arc<str>>, is_quick: bool) -> ServerRun {
        let (place, rules) = (Arc::clone(place), &self.auth.rules);
        match token.map(|token| rules.inspect(Arc::clone(token))) {
            Some(inspection) => {
                let named = inspection.named();
                let user_id = inspection.judged.name.clone().unwrap_or_default();
                let identity = Identity { user_id, permissions: granted(&inspection) };
                let token = Some(inspection.id);
                ServerRun { place, token, identity, issuer: named.iss, audiences: named.aud, is_quick }
            }
            None => ServerRun {
                place,
                token: None,
                identity: self.identity(),
                issuer: rules.issuer().map(ToString::to_string),
                audiences: rules.audience().iter().map(ToString::to_string).collect(),
                is_quick,
            },
        }
    }

    pub(super) fn copy_evidence(&mut self, form: Form) -> Vec<Effect> {
        let Some((evidence, left_out)) = self.evidence(COPIED, form) else {
            self.complain(NOTHING);
            return Vec::new();
        };
        let what = match left_out {
            0 => "the evidence".to_owned(),
            n => {
                let count = text::words::count(n, "call");
                format!("the evidence without {count} (\"save the evidence to a file\" in the palette writes all)")
            }
        };
        self.put(Some(Clip::new(&evidence, what)))
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
        let Some((text, _)) = self.evidence(usize::MAX, form) else {
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
