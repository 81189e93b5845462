//! How the user and the permissions are read from the claims of an issuer's tokens: lists of claim paths, with a preset
//! for each common provider.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use super::audience::{AudienceClaim, Audiences};
use super::kind::IdTokens;
use super::members::{self, Member};
use super::reason::Reason;
use crate::text;

/// Which claims contain the user and the permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The claims that name the user; the first one that is present counts.
    user: Arc<[ClaimPath]>,
    /// The claims that contain permissions; their values are united.
    permissions: Arc<[ClaimPath]>,
    /// The claims that name the audience; the first one that is present counts.
    audience: &'static [AudienceClaim],
    /// How ID tokens are recognized, and whether they are accepted.
    id_tokens: IdTokens,
    /// Whether `permissions` must be present, and an array of strings: the contract of tokens that are issued here.
    is_strict: bool,
}

/// A claim: the name of a member, or names of nested members joined by dots. A member with exactly the whole name takes
/// precedence, so that names which contain dots themselves, as in `https://example/roles`, are found.
///
/// A comma at the end says that its value is a list with commas. Otherwise a string is split at spaces, because a scope
/// may contain commas (RFC 6749 §3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPath(Arc<str>);

impl From<&str> for ClaimPath {
    fn from(path: &str) -> Self {
        Self(path.into())
    }
}

impl ClaimPath {
    /// The path, without the comma for a list.
    pub fn as_str(&self) -> &str {
        self.0.strip_suffix(',').unwrap_or(&self.0)
    }

    /// The path as it is configured.
    pub fn written(&self) -> &str {
        &self.0
    }

    /// The character between the names in a string.
    fn separator(&self) -> char {
        if self.0.ends_with(',') { ',' } else { ' ' }
    }

    /// Returns the JSON text of the claim's value.
    fn find<'t>(&self, payload: &[Member<'t>]) -> Option<&'t str> {
        find(payload, self.as_str())
    }
}

fn find<'t>(members: &[Member<'t>], path: &str) -> Option<&'t str> {
    let named = |name: &str| members::value(members, name);
    if let Some(value) = named(path) {
        return Some(value);
    }
    // The longest name first: `kubernetes.io` is one member.
    let mut dots = path.rmatch_indices('.');
    dots.find_map(|(at, _)| {
        let (name, rest) = (path.get(..at)?, path.get(at + 1..)?);
        let inner = members::parse(named(name)?.as_bytes()).ok()?;
        // Of two members with one name, it is ambiguous which counts.
        members::duplicate(&inner).is_none().then(|| find(&inner, rest)).flatten()
    })
}

/// A row of [`PRESETS`].
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// Its name in options and configuration.
    pub name: &'static str,
    /// The provider.
    pub provider: &'static str,
    /// The claims that name the user, the first one that is present counts.
    pub user: &'static [&'static str],
    /// The claims whose values are united as permissions.
    pub permissions: &'static [&'static str],
    /// The claims that name the audience; the first one that is present counts.
    pub audience: &'static [AudienceClaim],
    /// How its ID tokens are recognized, and whether they are accepted.
    pub id_tokens: IdTokens,
    /// Marks of the provider's tokens, one of which suffices to recognize them.
    marks: &'static [Mark],
}

/// A mark that only the tokens of one provider have.
#[derive(Clone, Copy, Debug)]
enum Mark {
    /// All of these claims.
    Claims(&'static [&'static str]),
    /// This text in `iss`.
    Iss(&'static str),
}

impl Preset {
    const fn marked(self, marks: &'static [Mark]) -> Self {
        Self { marks, ..self }
    }

    const fn id_tokens(self, id_tokens: IdTokens) -> Self {
        Self { id_tokens, ..self }
    }
}

const fn row(
    name: &'static str,
    provider: &'static str,
    user: &'static [&'static str],
    permissions: &'static [&'static str],
) -> Preset {
    let (audience, id_tokens): (&[_], _) = (&[AudienceClaim::Aud], IdTokens::ByNonce);
    Preset { name, provider, user, permissions, audience, id_tokens, marks: &[] }
}

/// The name of the preset for tokens as they are issued here.
pub const LAB: &str = "lab";

/// The name of the preset for issuers without one: the claims of RFC 9068.
pub const STANDARD: &str = "standard";

/// The preset for issuers without one.
static STANDARD_PRESET: Preset = row(STANDARD, "RFC 9068", &["sub"], &["scope", "roles", "groups", "entitlements"]);

/// The claims of each provider's access tokens. Of the rows whose marks a token has, the first one is meant.
pub static PRESETS: [Preset; 16] = {
    use Mark::{Claims, Iss};
    [
        row(LAB, "tokens issued here", &["user_id"], &["permissions"]).marked(&[Claims(&["user_id", "permissions"])]),
        STANDARD_PRESET,
        row("keycloak", "Keycloak", &["sub"], &["realm_access.roles", "scope", "groups"]).marked(&[
            Claims(&["realm_access"]),
            Claims(&["resource_access"]),
            Iss("/realms/"),
        ]),
        row("auth0", "Auth0", &["sub"], &["permissions", "scope"])
            .marked(&[Iss(".auth0.com/"), Claims(&["permissions", "azp"])]),
        row("okta", "Okta", &["uid", "sub"], &["scp", "groups"]).marked(&[
            Iss(".okta.com"),
            Claims(&["uid", "cid"]),
            Claims(&["scp", "cid"]),
        ]),
        row("entra", "Microsoft Entra ID", &["oid", "sub"], &["scp", "roles", "groups", "wids"]).marked(&[
            Claims(&["oid", "tid"]),
            Iss("login.microsoftonline.com/"),
            Iss("sts.windows.net/"),
        ]),
        Preset {
            audience: &[AudienceClaim::Aud, AudienceClaim::ClientId],
            ..row("cognito", "Amazon Cognito", &["sub"], &["cognito:groups", "scope"])
                .marked(&[Claims(&["cognito:groups"]), Iss("//cognito-idp.")])
        },
        // Its access tokens are opaque.
        row("google", "Google", &["sub"], &[]).marked(&[Iss("accounts.google.com")]).id_tokens(IdTokens::Accepted),
        row("zitadel", "Zitadel", &["sub"], &["urn:zitadel:iam:org:project:roles", "scope"])
            .marked(&[Claims(&["urn:zitadel:iam:org:project:roles"]), Iss(".zitadel.cloud")]),
        // Its access tokens have the nonce of the request, like its ID tokens, which have `at_hash` too.
        row("authentik", "authentik", &["sub"], &["groups", "scope"])
            .marked(&[Iss("/application/o/")])
            .id_tokens(IdTokens::ByHash),
        row("hydra", "Ory Hydra", &["sub", "client_id"], &["scp", "scope"])
            .marked(&[Claims(&["ext", "client_id"]), Iss(".oryapis.com")]),
        row("supabase", "Supabase", &["sub"], &["role", "app_metadata.roles"])
            .marked(&[Claims(&["app_metadata"]), Iss(".supabase.co/")]),
        row("kubernetes", "Kubernetes service accounts", &["sub"], &["sub"])
            .marked(&[Claims(&["kubernetes.io"]), Iss("//kubernetes.default.svc")]),
        row("github", "GitHub Actions", &["sub"], &["repository"])
            .marked(&[Iss("token.actions.githubusercontent.com"), Claims(&["repository", "workflow"])]),
        row("gitlab", "GitLab CI/CD", &["sub"], &["project_path"])
            .marked(&[Iss("//gitlab.com"), Claims(&["project_path", "pipeline_id"])]),
        // `o.per` does not say for which feature a permission is.
        row("clerk", "Clerk", &["sub"], &["o.rol", "scp", "scope"])
            .marked(&[Iss(".clerk.accounts.dev"), Claims(&["fva", "sid"])]),
    ]
};

/// The preset with this name; that of issuers without one for any other name.
pub fn preset(name: &str) -> &'static Preset {
    PRESETS.iter().find(|preset| preset.name == name).unwrap_or(&STANDARD_PRESET)
}

/// Guesses the preset of an issuer's tokens from its `iss` and from the claims of one of them.
pub fn guess(iss: &str, has_claim: impl Fn(&str) -> bool) -> &'static Preset {
    let fits = |mark: &Mark| match mark {
        Mark::Claims(names) => names.iter().all(|name| has_claim(name)),
        Mark::Iss(part) => iss.contains(part),
    };
    PRESETS.iter().find(|preset| preset.marks.iter().any(fits)).unwrap_or_else(|| preset(STANDARD))
}

/// Formats [`PRESETS`] as the Markdown table in the docs.
pub fn presets_markdown() -> String {
    use AudienceClaim::ClientId;
    let join = |names: &[&str], by| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(by);
    let rows = PRESETS.iter().map(|preset| {
        let audience = match preset.audience {
            [_, ClientId] => "; without `aud`, the audience is `client_id`",
            _ => "",
        };
        let user = join(preset.user, " or ");
        let permissions =
            if preset.permissions.is_empty() { "none".to_owned() } else { join(preset.permissions, ", ") };
        let id_tokens = match preset.id_tokens {
            IdTokens::ByNonce => "",
            IdTokens::ByHash => "; a token with a `nonce` is not an ID token, one with an `at_hash` is",
            IdTokens::Accepted => "; ID tokens are accepted, because access tokens are opaque",
        };
        format!("| `{}` | {} | {} | {permissions}{audience}{id_tokens} |\n", preset.name, preset.provider, user)
    });
    let head = "| preset | tokens of | user | permissions |\n|---|---|---|---|\n".to_owned();
    rows.fold(head, |table, row| table + &row)
}

/// The text names no preset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown preset {}, expected one of: {}", text::name(.0, 32), PRESETS.map(|row| row.name).join(", "))]
pub struct UnknownPreset(pub String);

impl Default for Mapping {
    /// The mapping of tokens that are issued here.
    fn default() -> Self {
        Self::of(&PRESETS[0])
    }
}

impl Mapping {
    /// The mapping of a preset.
    pub fn of(preset: &Preset) -> Self {
        let paths = |names: &[&str]| names.iter().map(|name| ClaimPath::from(*name)).collect();
        Self {
            user: paths(preset.user),
            permissions: paths(preset.permissions),
            audience: preset.audience,
            id_tokens: preset.id_tokens,
            is_strict: preset.name == LAB,
        }
    }

    /// The mapping of the preset with this name.
    pub fn named(name: &str) -> Result<Self, UnknownPreset> {
        let preset = PRESETS.iter().find(|preset| preset.name == name);
        preset.map(Self::of).ok_or_else(|| UnknownPreset(name.to_owned()))
    }

    /// Returns the same mapping with other claims for the user, unless the list is empty.
    #[must_use]
    pub fn with_user(self, claims: &[String]) -> Self {
        if claims.is_empty() {
            return self;
        }
        Self { user: claims.iter().map(|claim| ClaimPath::from(claim.as_str())).collect(), is_strict: false, ..self }
    }

    /// Returns the same mapping with other claims for the permissions, unless the list is empty.
    #[must_use]
    pub fn with_permissions(self, claims: &[String]) -> Self {
        if claims.is_empty() {
            return self;
        }
        let permissions = claims.iter().map(|claim| ClaimPath::from(claim.as_str())).collect();
        Self { permissions, is_strict: false, ..self }
    }

    /// The preset with exactly these claims, if there is one.
    pub fn preset(&self) -> Option<&'static Preset> {
        PRESETS.iter().find(|preset| Self::of(preset) == *self)
    }

    /// Returns the mapping that reads the claims of tokens that are issued here first, and these claims besides.
    #[must_use]
    pub fn and_issued_here(&self) -> Self {
        if self.is_strict {
            return self.clone();
        }
        let own = Self::default();
        let join = |own: &[ClaimPath], others: &[ClaimPath]| {
            own.iter().chain(others.iter().filter(|path| !own.contains(path))).cloned().collect()
        };
        Self {
            user: join(&own.user, &self.user),
            permissions: join(&own.permissions, &self.permissions),
            ..self.clone()
        }
    }

    /// Whether it is the mapping of tokens that are issued here.
    pub const fn is_strict(&self) -> bool {
        self.is_strict
    }

    /// Reads the audiences from the claim that names them.
    pub(super) fn audiences<'t>(&self, value: impl Fn(&str) -> Option<&'t str>) -> Option<Audiences<Cow<'t, str>>> {
        self.audience.iter().find_map(|claim| Some(Audiences::read(*claim, value(claim.name())?)))
    }

    /// How ID tokens are recognized, and whether they are accepted.
    pub const fn id_tokens(&self) -> IdTokens {
        self.id_tokens
    }

    /// The claims that name the user.
    pub fn user_claims(&self) -> impl Iterator<Item = &str> {
        self.user.iter().map(ClaimPath::as_str)
    }

    /// The claims that contain permissions, as they are configured.
    pub fn permission_claims(&self) -> impl Iterator<Item = &str> {
        self.permissions.iter().map(ClaimPath::written)
    }

    /// Reads the user: the first of the claims that is present, which must be a non-empty string.
    pub(super) fn user<'t>(&self, payload: &[Member<'t>]) -> Result<Cow<'t, str>, Reason> {
        let found = self.user.iter().find_map(|path| Some((path, path.find(payload)?)));
        let Some((path, value)) = found else {
            let names: Vec<&str> = self.user_claims().collect();
            return Err(Reason::ClaimMissing { claim: names.join(" or ").into() });
        };
        match members::string(value) {
            Some(user) if !user.is_empty() => Ok(user),
            Some(_) => Err(invalid(path, "empty", "a non-empty string")),
            None => Err(invalid(path, members::kind_or_broken(value), "a string")),
        }
    }

    /// Reads the permissions: the united values of the claims, each once, or those of a token that was issued here.
    pub(super) fn permissions<'t>(&self, payload: &[Member<'t>]) -> Result<Vec<Cow<'t, str>>, Reason> {
        if self.is_strict {
            let path = &self.permissions[0];
            let value = path.find(payload).ok_or(Reason::ClaimMissing { claim: "permissions".into() })?;
            // As they were issued, even if one is repeated: `verify_token` returns the claims.
            return members::strings(value).ok_or_else(|| {
                let found = match members::kind_or_broken(value) {
                    "an array" => "an array with a non-string element",
                    kind => kind,
                };
                invalid(path, found, "an array of strings")
            });
        }
        let mut all: Vec<Cow<'t, str>> = Vec::new();
        for path in &*self.permissions {
            let Some(value) = path.find(payload) else { continue };
            all.extend(values(value, path.separator()).ok_or_else(|| {
                invalid(path, members::kind_or_broken(value), "strings, a string or an object with the names")
            })?);
        }
        once_each(&mut all, |permission| permission);
        Ok(all)
    }

    /// Returns the user with the claim that names them, as far as it can be read: for display.
    pub(super) fn user_source(&self, payload: &[Member<'_>]) -> Option<(String, ClaimPath)> {
        let (path, value) = self.user.iter().find_map(|path| Some((path, path.find(payload)?)))?;
        members::string(value).map(|user| (text::head(&user, 1024).to_owned(), path.clone()))
    }

    /// Returns each permission with the claim that it comes from, as far as they can be read: for display.
    pub(super) fn sources(&self, payload: &[Member<'_>]) -> Vec<(String, ClaimPath)> {
        let mut all: Vec<(String, ClaimPath)> = Vec::new();
        for path in &*self.permissions {
            let read = |value| match self.is_strict {
                true => members::strings(value),
                false => values(value, path.separator()),
            };
            let found = path.find(payload).and_then(read).unwrap_or_default();
            all.extend(found.into_iter().map(|permission| (permission.into_owned(), path.clone())));
        }
        once_each(&mut all, |(permission, _)| permission);
        all
    }
}

/// Keeps the first of equal permissions. Most tokens have few and no equal ones, which costs no allocation.
pub(super) fn once_each<T>(all: &mut Vec<T>, name: impl Fn(&T) -> &str) {
    const FEW: usize = 8;
    let is_repeated = |(n, item): (usize, &T)| all.iter().take(n).any(|known| name(known) == name(item));
    if all.len() <= FEW && !all.iter().enumerate().any(is_repeated) {
        return;
    }
    let mut seen = HashSet::new();
    let is_new: Vec<bool> = all.iter().map(|item| seen.insert(name(item))).collect();
    let mut is_new = is_new.into_iter();
    all.retain(|_| is_new.next().unwrap_or_default());
}

/// Returns the permissions in a value: an array of strings, a string split at `separator`, or an object's member names.
fn values(value: &str, separator: char) -> Option<Vec<Cow<'_, str>>> {
    match value.bytes().next()? {
        b'[' => members::strings(value),
        b'"' => Some(match members::string(value)? {
            Cow::Borrowed(text) => text::separated(text, separator).map(Cow::Borrowed).collect(),
            Cow::Owned(text) => text::separated(&text, separator).map(|word| Cow::Owned(word.to_owned())).collect(),
        }),
        b'{' => {
            let found = members::parse(value.as_bytes()).ok()?;
            members::duplicate(&found).is_none().then(|| found.into_iter().map(|member| member.name).collect())
        }
        b'n' => Some(Vec::new()),
        _ => None,
    }
}

fn invalid(path: &ClaimPath, found: &str, wanted: &'static str) -> Reason {
    Reason::ClaimInvalid { claim: path.as_str().to_owned().into(), found: found.into(), wanted }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn permissions(preset: &str, payload: &str) -> Result<Vec<String>, String> {
        let payload = members::parse(payload.as_bytes()).expect("an object");
        let read = Mapping::named(preset).expect("a preset").permissions(&payload);
        read.map(|all| all.into_iter().map(Cow::into_owned).collect()).map_err(|reason| reason.to_string())
    }

    #[rstest]
    #[case(
        "keycloak",
        r#"{"realm_access":{"roles":["admin"]},"scope":"openid orders:read","groups":["/a"]}"#,
        "admin openid orders:read /a"
    )]
    #[case("auth0", r#"{"permissions":["read:x"],"scope":"read:x write:x"}"#, "read:x write:x")]
    #[case("okta", r#"{"scp":["a","b"],"groups":["c"]}"#, "a b c")]
    #[case("entra", r#"{"scp":"Files.Read User.Read","roles":["App.Admin"]}"#, "Files.Read User.Read App.Admin")]
    #[case("cognito", r#"{"cognito:groups":["admins"],"scope":"aws.cognito/x"}"#, "admins aws.cognito/x")]
    #[case("zitadel", r#"{"urn:zitadel:iam:org:project:roles":{"admin":{"1":"a"},"user":{}}}"#, "admin user")]
    #[case("hydra", r#"{"scp":"a b","scope":["c"]}"#, "a b c")]
    #[case("kubernetes", r#"{"sub":"system:serviceaccount:ns:name"}"#, "system:serviceaccount:ns:name")]
    #[case("standard", r#"{"scope":" a  b "}"#, "a b")]
    #[case("standard", r#"{"scope":null}"#, "")]
    #[case("standard", r#"{"scope":"a b\u00a0c d\te,f"}"#, "a b\u{a0}c d\te,f")]
    #[case("standard", r#"{"scope":"a b a","roles":["b","c"]}"#, "a b c")]
    #[case("clerk", r#"{"o":{"rol":"admin","per":"read,manage"},"scope":"email a,b"}"#, "admin email a,b")]
    #[case("standard", "{}", "")]
    fn permissions_are_read_as_each_provider_writes_them(
        #[case] preset: &str,
        #[case] payload: &str,
        #[case] is: &str,
    ) {
        assert_eq!(permissions(preset, payload).map(|all| all.join(" ")), Ok(is.to_owned()));
    }

    #[rstest]
    #[case(
        "standard",
        r#"{"scope":7}"#,
        "the claim scope is a number, expected strings, a string or an object with the names"
    )]
    #[case(
        "standard",
        r#"{"roles":[1]}"#,
        "the claim roles is an array, expected strings, a string or an object with the names"
    )]
    #[case(
        "keycloak",
        r#"{"realm_access":{"roles":true}}"#,
        "the claim realm_access.roles is a boolean, expected strings, a string or an object with the names"
    )]
    #[case("lab", r#"{"permissions":"admin"}"#, "the claim permissions is a string, expected an array of strings")]
    #[case("lab", "{}", "the claim permissions is missing")]
    fn a_value_of_another_type_is_refused(#[case] preset: &str, #[case] payload: &str, #[case] why: &str) {
        assert_eq!(permissions(preset, payload), Err(why.to_owned()));
    }

    #[test]
    fn a_repeated_permission_is_shown_once() {
        let payload = members::parse(br#"{"permissions":["user","admin","user"]}"#).expect("an object");
        let shown: Vec<String> = Mapping::default().sources(&payload).into_iter().map(|(name, _)| name).collect();
        assert_eq!(shown, ["user", "admin"]);
        // Beyond the few that are compared with each other.
        let mut many: Vec<String> = (0..40).map(|n| (n % 20).to_string()).collect();
        once_each(&mut many, |name| name);
        assert_eq!(many, (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
    }

    #[rstest]
    #[case("a.b", r#"{"a.b":"1","a":{"b":"2"}}"#, Some("\"1\""))]
    #[case("a.b", r#"{"a":{"b":"2"}}"#, Some("\"2\""))]
    #[case("kubernetes.io.namespace", r#"{"kubernetes.io":{"namespace":"ns"}}"#, Some("\"ns\""))]
    #[case("a.b.c", r#"{"a":{"b.c":"1"}}"#, Some("\"1\""))]
    #[case("a.b", r#"{"a":{"b":1,"b":2}}"#, None)]
    #[case("a.b", r#"{"a":["b"]}"#, None)]
    #[case("", r#"{"a":1}"#, None)]
    fn a_path_is_an_exact_name_or_nested_names(#[case] path: &str, #[case] payload: &str, #[case] value: Option<&str>) {
        let payload = members::parse(payload.as_bytes()).expect("an object");
        assert_eq!(ClaimPath::from(path).find(&payload), value);
    }

    #[test]
    fn the_first_claim_that_is_present_names_the_user() {
        let user = |preset: &str, payload: &str| {
            let payload = members::parse(payload.as_bytes()).expect("an object");
            let mapping = Mapping::named(preset).expect("a preset");
            mapping.user(&payload).map(Cow::into_owned).map_err(|reason| reason.to_string())
        };
        assert_eq!(user("entra", r#"{"sub":"a","oid":"b"}"#), Ok("b".to_owned()));
        assert_eq!(user("entra", r#"{"sub":"a"}"#), Ok("a".to_owned()));
        assert_eq!(user("entra", "{}"), Err("the claim oid or sub is missing".to_owned()));
        assert_eq!(
            user("okta", r#"{"uid":"","sub":"a"}"#),
            Err("the claim uid is empty, expected a non-empty string".to_owned())
        );
        assert_eq!(
            Mapping::named("none").map(|_| ()).unwrap_err().to_string().split(':').next(),
            Some("unknown preset none, expected one of")
        );
    }
}
