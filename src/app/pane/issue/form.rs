//! The Issue pane's form, and the request made from it.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::app::field::{Lines, TextField};
use crate::app::list::{next_of, turned};
use crate::auth::issue::TimeInput;
use crate::auth::{Algorithm, IssueRequest, NumericDate, Policy, Signer, members};
use crate::text;
use crate::text::strict_json::exact_value;

/// The Issue pane's form.
#[derive(Clone, Debug)]
pub struct IssueForm {
    /// The token's user.
    pub user_id: TextField,
    /// The policy's permissions, ticked or not.
    pub ticks: Vec<(Arc<str>, bool)>,
    /// The index of the tick under the cursor.
    pub tick: usize,
    /// Further permissions, separated by commas, or by spaces if there is no comma.
    pub others: TextField,
    /// When the token expires: a duration, or an instant.
    pub expires: TextField,
    /// When the token becomes valid: `now`, a duration, or an instant.
    pub not_before: TextField,
    /// The `iss` claim; empty to leave it out.
    pub issuer: TextField,
    /// The `aud` claim; empty to leave it out.
    pub audience: TextField,
    /// The expected audience that was last filled in automatically.
    expected: String,
    /// The issuer that was last filled in automatically.
    published: String,
    /// Further claims: a JSON object, or empty.
    pub extra: TextField,
    /// The index of the preset that was chosen last.
    pub preset: usize,
    /// The algorithm of the signature; `None` for the usual one of the key.
    pub algorithm: Option<Algorithm>,
    /// The `kid` of the header; empty for the key's own.
    pub kid: TextField,
    /// The `typ` of the header; empty for `JWT`.
    pub typ: TextField,
    /// Further members of the header: a JSON object, or empty.
    pub header: TextField,
}

/// Values that fill the form at once: one preset for each permission of the policy, followed by the lifetimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Preset {
    /// Only the permission of this tick, for an hour from now.
    Permission(usize),
    /// A lifetime; the permissions stay as they are.
    Lifetime(&'static Lifetime),
}

#[derive(Debug, PartialEq, Eq)]
struct Lifetime {
    name: &'static str,
    expires: &'static str,
    not_before: &'static str,
}

/// The lifetime of the permission presets.
const USUAL: Lifetime = Lifetime { name: "", expires: "1h", not_before: "now" };

/// The lifetime presets.
const LIFETIMES: [Lifetime; 3] = [
    Lifetime { name: "expires in 15 s", expires: "15s", not_before: "now" },
    Lifetime { name: "not yet valid", expires: "1h", not_before: "15s" },
    Lifetime { name: "already expired", expires: "-1m", not_before: "now" },
];

/// Why the form is invalid: the field, and what to write in it. Safe to show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// The user is empty.
    #[error("user_id: expected a user name")]
    NoUser,
    /// The expiry is neither a duration nor an instant.
    #[error("expires in: {0}")]
    Expires(String),
    /// The start of validity is neither a duration nor an instant.
    #[error("not before: {0}; or now")]
    NotBefore(String),
    /// The extra claims are not a JSON object that can be signed.
    #[error("extra claims: {0}")]
    Extra(String),
    /// The header members are not a JSON object, or contain one that has a field of its own.
    #[error("header: {0}")]
    Header(String),
}

impl IssueForm {
    /// Creates an empty form for a policy, with the first preset.
    pub fn new(policy: &Policy, issuer: Option<&str>, audience: Option<&str>) -> Self {
        let one = |text: &str| TextField::new(text, Lines::One);
        let mut form = Self {
            user_id: one(""),
            ticks: Vec::new(),
            tick: 0,
            others: one(""),
            expires: one("1h"),
            not_before: one("now"),
            issuer: one(issuer.unwrap_or_default()),
            audience: one(audience.unwrap_or_default()),
            expected: audience.unwrap_or_default().to_owned(),
            published: issuer.unwrap_or_default().to_owned(),
            extra: one(""),
            preset: 0,
            algorithm: None,
            kid: one(""),
            typ: one(""),
            header: one(""),
        };
        form.follow(policy);
        form.apply_preset(0);
        form
    }

    /// Chooses the next or the previous of the algorithms that the key can sign with.
    pub fn turn_algorithm(&mut self, signer: &Signer, by: isize) {
        let all = signer.verifier().algorithms();
        let present = self.algorithm.unwrap_or(signer.algorithm());
        self.algorithm = Some(next_of(all, &present, by)).filter(|algorithm| *algorithm != signer.algorithm());
    }

    /// Returns to the key's usual algorithm if the key that signs now cannot use the chosen one.
    pub fn follow_signer(&mut self, signer: &Signer) {
        self.algorithm.take_if(|algorithm| !signer.verifier().algorithms().contains(algorithm));
    }

    /// Fills in the expected audience if it has changed, unless the user has entered something else.
    pub fn follow_audience(&mut self, expected: Option<&str>) {
        follow(&mut self.audience, &mut self.expected, expected.unwrap_or_default());
    }

    /// Fills in the issuer that others know the console by if it has changed, unless the user has entered something
    /// else.
    pub fn follow_issuer(&mut self, published: Option<&str>) {
        follow(&mut self.issuer, &mut self.published, published.unwrap_or_default());
    }

    /// Adopts another policy's permissions. Ticked permissions that it does not have move to the other permissions.
    pub fn follow(&mut self, policy: &Policy) {
        if self.ticks.iter().map(|(name, _)| name).eq(policy.permissions()) {
            return;
        }
        let ticked = self.permissions();
        let lifetime = self.preset.checked_sub(self.ticks.len());
        let here = self.ticks.get(self.tick).map(|(name, _)| Arc::clone(name));
        self.ticks = policy.permissions().iter().map(|p| (Arc::clone(p), ticked.iter().any(|t| **t == **p))).collect();
        let unknown: Vec<String> =
            ticked.into_iter().filter(|t| self.ticks.iter().all(|(known, _)| **known != **t)).collect();
        self.set_others(&unknown);
        self.preset =
            lifetime.map_or_else(|| self.preset.min(self.ticks.len()), |lifetime| self.ticks.len() + lifetime);
        let place = self.ticks.iter().position(|(name, _)| Some(name) == here.as_ref());
        self.tick = place.unwrap_or_else(|| self.tick.min(self.ticks.len().saturating_sub(1)));
    }

    fn set_others(&mut self, others: &[impl AsRef<str>]) {
        let text = others.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(", ");
        self.others.set(&text);
        if others.len() == 1 && text.contains(' ') {
            self.others.insert(",");
        }
    }

    /// Returns every permission that the token will hold: the ticked ones, then the others.
    pub fn permissions(&self) -> Vec<String> {
        let mut all: Vec<String> = self.ticks.iter().filter(|(_, on)| *on).map(|(name, _)| name.to_string()).collect();
        let others = self.others.text();
        let separator = if others.contains(',') { ',' } else { ' ' };
        for other in others.split(separator).map(str::trim).filter(|other| !other.is_empty()) {
            if all.iter().all(|known| known != other) {
                all.push(other.to_owned());
            }
        }
        all
    }

    /// Ticks or unticks the permission under the cursor.
    pub fn toggle(&mut self) {
        if let Some((_, on)) = self.ticks.get_mut(self.tick) {
            *on = !*on;
        }
    }

    fn preset_at(&self, number: usize) -> Option<Preset> {
        match number.checked_sub(self.ticks.len()) {
            None => Some(Preset::Permission(number)),
            Some(lifetime) => LIFETIMES.get(lifetime).map(Preset::Lifetime),
        }
    }

    /// Returns the name of the preset that was chosen last; safe to show.
    pub fn preset_name(&self) -> String {
        match self.preset_at(self.preset) {
            Some(Preset::Permission(tick)) => text::name(&self.ticks[tick].0, 24),
            Some(Preset::Lifetime(lifetime)) => lifetime.name.to_owned(),
            None => String::new(),
        }
    }

    /// Fills the form with the next or the previous preset.
    pub fn turn_preset(&mut self, by: isize) {
        self.apply_preset(turned(self.preset, by, self.ticks.len() + LIFETIMES.len()));
    }

    /// Fills the form with a preset; the user stays as it is.
    pub fn apply_preset(&mut self, number: usize) {
        let Some(preset) = self.preset_at(number) else { return };
        self.preset = number;
        let lifetime = match preset {
            Preset::Permission(wanted) => {
                self.ticks.iter_mut().enumerate().for_each(|(tick, (_, on))| *on = tick == wanted);
                self.others.set("");
                &USUAL
            }
            Preset::Lifetime(lifetime) => lifetime,
        };
        self.expires.set(lifetime.expires);
        self.not_before.set(lifetime.not_before);
    }

    /// Whether the form still has the values of the preset that was chosen last.
    pub fn is_as_preset(&self) -> bool {
        let is = |lifetime: &Lifetime| {
            self.expires.text() == lifetime.expires && self.not_before.text() == lifetime.not_before
        };
        match self.preset_at(self.preset) {
            Some(Preset::Permission(tick)) => is(&USUAL) && self.permissions() == [&*self.ticks[tick].0],
            Some(Preset::Lifetime(lifetime)) => is(lifetime),
            None => true,
        }
    }

    /// Returns the request for a token issued at `now`.
    pub fn request(&self, now: NumericDate) -> Result<IssueRequest, FormError> {
        let expires = TimeInput::parse(self.expires.text()).map_err(|wanted| FormError::Expires(wanted.to_string()))?;
        let not_before = match self.not_before.text().trim() {
            "" | "now" => None,
            text => Some(TimeInput::parse(text).map_err(|wanted| FormError::NotBefore(wanted.to_string()))?),
        };
        let text = |field: &TextField| Some(field.text()).filter(|text| !text.is_empty()).map(str::to_owned);
        let user_id = self.user_id.text();
        if user_id.is_empty() {
            return Err(FormError::NoUser);
        }
        Ok(IssueRequest {
            user_id: user_id.to_owned(),
            permissions: self.permissions(),
            expires: Some(expires.from(now)),
            not_before: not_before.map(|when| when.from(now)),
            issuer: text(&self.issuer),
            audience: text(&self.audience),
            extra: object(&self.extra).map_err(FormError::Extra)?,
            algorithm: self.algorithm,
            token_type: text(&self.typ),
            header: self.header_members()?,
            ..IssueRequest::default()
        })
    }

    /// Returns the members of the header that differ from the usual ones.
    fn header_members(&self) -> Result<Map<String, Value>, FormError> {
        let mut members = object(&self.header).map_err(FormError::Header)?;
        for (name, own) in [("alg", None), ("kid", Some(&self.kid)), ("typ", Some(&self.typ))] {
            if members.contains_key(name) && own.is_none_or(|own| !own.is_empty()) {
                return Err(FormError::Header(format!("{name} is set in its own field")));
            }
        }
        if !self.kid.is_empty() {
            members.insert("kid".to_owned(), self.kid.text().into());
        }
        Ok(members)
    }
}

/// Sets a field that still has the value that was filled in last.
fn follow(field: &mut TextField, filled: &mut String, value: &str) {
    if filled != value {
        if field.text() == filled {
            field.set(value);
        }
        value.clone_into(filled);
    }
}

/// Reads a JSON object from a field; an empty field is an empty object.
fn object(field: &TextField) -> Result<Map<String, Value>, String> {
    let text = field.text();
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    let members = members::parse(text.as_bytes()).map_err(|fault| fault.to_string())?;
    if let Some(name) = members::duplicate(&members) {
        return Err(format!("duplicate member {}", crate::text::name(name, 48)));
    }
    match exact_value(text) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err("expected a JSON object".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::text::Span;

    const NOW: NumericDate = NumericDate::from_seconds(1_000_000);

    fn form() -> IssueForm {
        let mut form = IssueForm::new(&Policy::default(), None, None);
        form.user_id.insert("user123");
        form
    }

    #[test]
    fn the_form_starts_as_the_labs_user() {
        let request = form().request(NOW).expect("a request");
        assert_eq!((request.user_id.as_str(), request.permissions), ("user123", vec!["user".to_owned()]));
        assert_eq!(request.expires, Some(NOW.plus(Span::HOUR)));
    }

    #[test]
    fn each_bad_field_is_named() {
        for (spoil, word) in [
            ((|f: &mut IssueForm| f.user_id.set("")) as fn(&mut IssueForm), "user_id:"),
            (|f| f.expires.set("soon"), "expires in:"),
            (|f| f.not_before.set("soon"), "not before:"),
            (|f| f.extra.set("[1]"), "extra claims: expected a JSON object, got an array"),
            (|f| f.extra.set("{\"a\":1,\"a\":2}"), "extra claims: duplicate member a"),
            (|f| f.extra.set("{\"a\":1e999}"), "extra claims:"),
            (|f| f.header.set("7"), "header: expected a JSON object, got a number"),
            (|f| f.header.set("{\"alg\":\"none\"}"), "header: alg is set in its own field"),
        ] {
            let mut form = form();
            spoil(&mut form);
            let sentence = form.request(NOW).expect_err(word).to_string();
            assert!(sentence.starts_with(word), "{sentence}");
        }
    }

    #[test]
    fn a_permission_may_hold_a_space_where_commas_separate() {
        let mut form = form();
        form.others.set("read all, write");
        assert_eq!(form.permissions(), ["user", "read all", "write"]);
        form.others.set("read write");
        assert_eq!(form.permissions(), ["user", "read", "write"]);
        form.follow(&Policy::new([("a", ["user"])]));
        assert_eq!(form.permissions(), ["user", "read", "write"]);
        form.others.set("read all,");
        form.follow(&Policy::new([("a", ["user"])]));
        assert_eq!(form.permissions(), ["user", "read all"]);
    }

    #[test]
    fn the_header_takes_kid_typ_and_free_members() {
        let mut form = form();
        form.kid.set("key 1");
        form.typ.set("at+jwt");
        form.header.set("{\"x5t\":\"abc\"}");
        let request = form.request(NOW).expect("a request");
        assert_eq!(request.token_type.as_deref(), Some("at+jwt"));
        assert_eq!(Value::Object(request.header), serde_json::json!({"x5t": "abc", "kid": "key 1"}));
        // In its own field and among the members: which one is meant?
        form.header.set("{\"kid\":\"key 2\"}");
        assert_eq!(form.request(NOW), Err(FormError::Header("kid is set in its own field".to_owned())));
        form.kid.set("");
        assert_eq!(form.request(NOW).expect("a request").header["kid"], "key 2");
    }

    #[test]
    fn an_rsa_key_signs_with_any_of_its_algorithms_and_another_key_with_its_own() {
        let rsa = Signer::generate(Algorithm::Rs256).expect("a key").0;
        let mut form = form();
        form.turn_algorithm(&rsa, 1);
        assert_eq!(form.algorithm, None, "a key generated for one algorithm has no other one");
        form.algorithm = Some(Algorithm::Ps256);
        form.follow_signer(&Signer::generate(Algorithm::Es256).expect("a key").0);
        assert_eq!(form.algorithm, None);
    }

    #[test]
    fn a_preset_that_was_changed_is_no_longer_one() {
        let mut form = form();
        assert!(form.is_as_preset());
        form.toggle();
        assert!(!form.is_as_preset());
        form.turn_preset(1);
        assert!(form.is_as_preset());
    }

    #[test]
    fn presets_are_the_permissions_of_the_policy_and_then_lifetimes() {
        let mut form = IssueForm::new(&Policy::new([("a", ["viewer", "owner"])]), None, None);
        assert_eq!((form.preset_name(), form.permissions()), ("viewer".to_owned(), vec!["viewer".to_owned()]));
        form.turn_preset(1);
        assert_eq!((form.preset_name(), form.permissions()), ("owner".to_owned(), vec!["owner".to_owned()]));
        form.turn_preset(1);
        assert_eq!((form.preset_name(), form.expires.text()), ("expires in 15 s".to_owned(), "15s"));
        form.follow(&Policy::new([("a", ["owner"])]));
        assert_eq!((form.preset_name(), form.permissions()), ("expires in 15 s".to_owned(), vec!["owner".to_owned()]));
        form.turn_preset(1);
        form.turn_preset(1);
        form.turn_preset(1);
        assert_eq!(form.preset_name(), "owner");
        // A policy without permissions has lifetimes only.
        let form = IssueForm::new(&Policy::new::<&str>([("a", [])]), None, None);
        assert_eq!(form.preset_name(), "expires in 15 s");
    }

    #[test]
    fn another_policy_keeps_what_was_ticked() {
        let mut form = form();
        form.follow(&Policy::new([("a", ["editor", "user"])]));
        assert_eq!(form.permissions(), ["user"]);
        form.follow(&Policy::new([("a", ["editor"])]));
        assert_eq!((form.permissions(), form.others.text()), (vec!["user".to_owned()], "user"));
    }
}
