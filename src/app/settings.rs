//! Applies the settings that everything on screen is judged by, and handles keys that are typed, tried or generated.

use std::sync::Arc;

use super::history::Step;
use super::overlay::{KeyChoice, KeyPrompt, Overlay, Purpose, Question, SettingsError, SettingsForm};
use super::pane::policy::RULES;
use super::policy_file::PolicyFile;
use super::{App, Effect};
use crate::auth::keys::{self, FileKind};
use crate::auth::{KeyError, KeyOrigin, Policy, Rules, Signer};
use crate::config::ConfigError;
use crate::text;

/// Returns what to do with a key file instead of using its text as a secret; `None` for a secret. The text of a key file
/// would never match as a secret, which would prove nothing.
pub(super) fn key_file_advice(text: &[u8]) -> Option<String> {
    let found = keys::file_kind(text)?;
    let next = match found {
        FileKind::PrivateKey | FileKind::PrivateJwk => "to sign with it, start the console with --signing-key FILE",
        FileKind::PublicKey | FileKind::Certificate | FileKind::PublicJwk | FileKind::JwkSet => {
            "to verify with it, paste it outside this prompt and use it as the keys of an issuer"
        }
        FileKind::OtherPem => "only a secret can be used here",
    };
    Some(format!("expected a secret, got {} (discarded); {next}", found.words()))
}

impl App {
    pub(super) fn settings(&mut self) {
        self.overlays.push(Overlay::Settings(Box::new(self.settings_form())));
    }

    /// Returns a form with the current settings.
    pub(super) fn settings_form(&self) -> SettingsForm {
        SettingsForm::new(
            &self.auth.rules,
            &self.policy_file.path,
            self.time_style,
            self.look.choice,
            &self.server.settings,
        )
    }

    /// Applies all of the settings or none: the form stays open until a new key has been typed and a new policy has
    /// been read.
    pub(super) fn apply(&mut self, mut form: Box<SettingsForm>) -> Vec<Effect> {
        let policy = form.policy.text();
        let mut effects = Vec::new();
        match form.server(&self.server.settings).and_then(|_| form.rules(&self.auth.rules)) {
            Err(error) => form.refuse(&error),
            Ok(_) if form.key == KeyChoice::Type && form.typed.is_none() => {
                self.overlays.push(Overlay::Settings(form));
                self.prompt(Purpose::Settings);
                return effects;
            }
            // The file is read again each time, in case a change was not noticed, unless that would replace unsaved
            // edits.
            Ok(_) if policy != self.policy_file.path || (!policy.is_empty() && self.policy_is_saved()) => {
                effects.push(Effect::LoadPolicy(policy.to_owned()));
            }
            Ok(rules) => return self.apply_rules(&form, rules),
        }
        self.overlays.push(Overlay::Settings(form));
        effects
    }

    fn apply_rules(&mut self, form: &SettingsForm, rules: Rules) -> Vec<Effect> {
        self.time_style = form.times;
        let mut effects = self.set_theme(form.theme);
        self.say("settings applied");
        effects.push(Effect::SetRules(Box::new(rules)));
        effects.extend(form.signer().map(|signer| Effect::SetSigner(Box::new(signer.clone()))));
        if form.key == KeyChoice::Fresh {
            effects.extend(self.fresh_key());
        }
        // Behind the key, by which a server that other machines can reach is allowed or not.
        if let Ok(server) = form.server(&self.server.settings) {
            effects.extend(self.set_server(server));
        }
        effects
    }

    /// Handles a policy file that was read for the settings.
    pub(super) fn policy_read(
        &mut self,
        asked: &str,
        result: Result<(String, Arc<Policy>), ConfigError>,
    ) -> Vec<Effect> {
        // The settings may have been closed, or name another file, by the time this one is read.
        let is_awaited = |top: &mut Overlay| matches!(top, Overlay::Settings(form) if form.policy.text() == asked);
        let Some(Overlay::Settings(mut form)) = self.overlays.pop_if(is_awaited) else {
            return Vec::new();
        };
        let rules = result.map_err(SettingsError::Policy);
        match rules.and_then(|(path, policy)| Ok((path, Rules { policy, ..form.rules(&self.auth.rules)? }))) {
            Ok((path, rules)) => {
                let before = Arc::clone(&self.auth.rules.policy);
                if !rules.policy.is_equivalent(&before) {
                    self.history.push(Step::Policy(RULES, before));
                }
                self.policy_file = PolicyFile::new(path, Arc::clone(&rules.policy));
                self.apply_rules(&form, rules)
            }
            Err(error) => {
                form.refuse(&error);
                self.overlays.push(Overlay::Settings(form));
                Vec::new()
            }
        }
    }

    pub(super) fn prompt(&mut self, purpose: Purpose) {
        // The user may type the secret right after the key, so the prompt opens for every token, even one that no
        // secret can verify.
        if purpose == Purpose::Try && self.selected().is_none() {
            self.complain("select a token to try another key on");
        } else {
            self.overlays.push(Overlay::KeyPrompt(KeyPrompt::new(purpose)));
        }
    }

    pub(super) fn use_key(&mut self, prompt: &KeyPrompt) -> Vec<Effect> {
        let fault = match (Signer::from_written(prompt.secret(), KeyOrigin::Typed), prompt.purpose) {
            (Err(KeyError::Empty), _) => prompt.fault.clone().unwrap_or_else(|| "enter the secret first".to_owned()),
            (Err(error), _) => key_file_advice(prompt.secret()).unwrap_or_else(|| error.to_string()),
            (Ok(key), Purpose::Replace) => {
                self.say("this key now signs and verifies");
                return vec![Effect::SetSigner(Box::new(key))];
            }
            (Ok(key), Purpose::Settings) => {
                let Some(Overlay::Settings(mut form)) = self.overlays.pop() else {
                    return Vec::new();
                };
                form.typed = Some(key);
                return self.apply(form);
            }
            (Ok(key), Purpose::Try) => {
                let rules = (*self.auth.rules).clone().with_keys(&key);
                let token = self.selected().and_then(|entry| entry.text()).cloned().unwrap_or_default();
                let judged = rules.inspect(token).judged;
                if judged.is_verified() {
                    self.overlays.push(Overlay::Confirm(Question::AdoptKey(Box::new(key))));
                    return Vec::new();
                }
                if !judged.bad_signature() {
                    let alg =
                        judged.alg.as_deref().map_or_else(|| "no algorithm".to_owned(), |alg| text::name(alg, 16));
                    let fault =
                        format!("not tested: the token names {alg}, and only secrets of HS256 can be used here");
                    self.ask_again(prompt.purpose, fault);
                    return Vec::new();
                }
                "not signed with this secret; tested as HS256, written as it is or as hex: or b64:".to_owned()
            }
        };
        self.ask_again(prompt.purpose, fault);
        Vec::new()
    }

    /// Prompts for another secret and shows the error of the last one. The prompt starts empty: leftover masked
    /// characters would be read as part of the next attempt.
    fn ask_again(&mut self, purpose: Purpose, fault: String) {
        let mut prompt = KeyPrompt::new(purpose);
        prompt.fault = Some(fault);
        self.overlays.push(Overlay::KeyPrompt(prompt));
    }

    pub(super) fn fresh_key(&mut self) -> Vec<Effect> {
        self.say("a fresh key now signs and verifies");
        vec![Effect::FreshKey]
    }

    /// Whether trying another key on the selected token makes sense.
    pub fn can_try_key(&self) -> bool {
        self.inspection.as_ref().is_some_and(|inspection| inspection.judged.bad_signature())
    }
}
