//! Recognizes pasted text that is not a token: an HTTP response with its challenge, a key or a key set, a discovery
//! document. Pure: it only parses and classifies; `auth::why` explains the meaning for a token.

use std::fmt;

use serde_json::{Map, Value};

use super::secret::{PRIVATE_MEMBERS, is_private_label};

/// The content of a paste or a file, other than a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Material {
    /// An HTTP response, or a part of one.
    Response(Box<Response>),
    /// Keys: a JWKS, a JWK or PEM.
    Keys(Keys),
    /// A discovery document.
    Metadata(Box<Metadata>),
}

/// An HTTP response, as far as it was pasted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: Option<u16>,
    /// The challenge of `WWW-Authenticate`.
    pub challenge: Option<Challenge>,
    /// The `Date` header: when the server answered, according to its clock.
    pub date: Option<String>,
    /// The members of a JSON error body, such as `error` and `message`.
    pub body: Vec<(String, String)>,
}

impl Response {
    /// Returns a parameter of the challenge, or else the body's member with that name.
    pub fn param(&self, name: &str) -> Option<&str> {
        let of_challenge = self.challenge.as_ref().and_then(|challenge| challenge.param(name));
        of_challenge.or_else(|| self.body.iter().find(|(n, _)| n == name).map(|(_, value)| &**value))
    }
}

/// A challenge (RFC 9110 §11.6.1): its scheme and parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// The scheme: `Bearer`, `DPoP`, …
    pub scheme: String,
    /// The parameters: names in lower case, values without quotes.
    pub params: Vec<(String, String)>,
}

impl Challenge {
    /// Returns the value of a parameter.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(n, _)| n == name).map(|(_, value)| &**value)
    }
}

/// The format of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyForm {
    /// A JWK Set (RFC 7517 §5).
    Jwks,
    /// A JWK (RFC 7517 §4).
    Jwk,
    /// PEM (RFC 7468).
    Pem,
}

/// One key of a text, described without its material.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyInfo {
    /// The `kid` member.
    pub kid: Option<String>,
    /// The `kty` member, or the label of a PEM block.
    pub kind: String,
    /// The `alg` member.
    pub alg: Option<String>,
    /// The `use` member.
    pub purpose: Option<String>,
    /// Whether it can sign: a private key or a shared secret.
    pub is_secret: bool,
}

/// Pasted keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Their format.
    pub form: KeyForm,
    /// The keys.
    pub keys: Vec<KeyInfo>,
}

/// The specification that a discovery document follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataKind {
    /// `OpenID` Connect Discovery.
    OpenId,
    /// RFC 8414.
    AuthorizationServer,
    /// RFC 9728.
    ProtectedResource,
}

/// A discovery document: the members that matter for a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Its specification.
    pub kind: MetadataKind,
    /// The `issuer`, or the `authorization_servers` of a protected resource.
    pub issuers: Vec<String>,
    /// The `resource` member.
    pub resource: Option<String>,
    /// The `jwks_uri` member.
    pub jwks_uri: Option<String>,
    /// The `scopes_supported` member.
    pub scopes: Vec<String>,
}

/// The largest text that is examined, in bytes.
const LARGEST: usize = 256 * 1024;

/// The maximum number of keys or values taken from a list.
const MOST: usize = 64;

/// Recognises material in a text; `None` for a token and for any other text.
pub fn recognize(text: &str) -> Option<Material> {
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() || text.len() > LARGEST {
        return None;
    }
    if let Some(Value::Object(members)) = json(text) {
        return of_json(&members);
    }
    pem(text).map(Material::Keys).or_else(|| response(text).map(|response| Material::Response(Box::new(response))))
}

fn json(text: &str) -> Option<Value> {
    if text.starts_with('{') { serde_json::from_str(text).ok() } else { None }
}

fn string(members: &Map<String, Value>, name: &str) -> Option<String> {
    members.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn strings(members: &Map<String, Value>, name: &str) -> Vec<String> {
    let list = members.get(name).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).take(MOST).map(str::to_owned).collect()
}

fn of_json(members: &Map<String, Value>) -> Option<Material> {
    if let Some(keys) = members.get("keys").and_then(Value::as_array) {
        let keys: Vec<KeyInfo> = keys.iter().filter_map(Value::as_object).filter_map(jwk).take(MOST).collect();
        return (!keys.is_empty()).then_some(Material::Keys(Keys { form: KeyForm::Jwks, keys }));
    }
    if let Some(key) = jwk(members) {
        return Some(Material::Keys(Keys { form: KeyForm::Jwk, keys: vec![key] }));
    }
    if let Some(metadata) = metadata(members) {
        return Some(Material::Metadata(Box::new(metadata)));
    }
    let body = body(members);
    let is_refusal = body.iter().any(|(name, _)| name == "error");
    is_refusal.then(|| Material::Response(Box::new(Response { body, ..Response::default() })))
}

fn jwk(members: &Map<String, Value>) -> Option<KeyInfo> {
    let kind = string(members, "kty")?;
    // `d` is the private part of RSA, EC and OKP keys, `k` is a whole secret, `priv` is the private part of an AKP key.
    let is_secret = PRIVATE_MEMBERS.iter().any(|name| members.contains_key(*name));
    let of = |name| string(members, name);
    Some(KeyInfo { kid: of("kid"), kind, alg: of("alg"), purpose: of("use"), is_secret })
}

fn metadata(members: &Map<String, Value>) -> Option<Metadata> {
    let has = |name: &str| members.contains_key(name);
    let kind = if has("resource") && (has("authorization_servers") || has("bearer_methods_supported")) {
        MetadataKind::ProtectedResource
    } else if has("issuer") && has("jwks_uri") && (has("subject_types_supported") || has("userinfo_endpoint")) {
        MetadataKind::OpenId
    } else if has("issuer") && (has("jwks_uri") || has("token_endpoint") || has("authorization_endpoint")) {
        MetadataKind::AuthorizationServer
    } else {
        return None;
    };
    let issuers = match kind {
        MetadataKind::ProtectedResource => strings(members, "authorization_servers"),
        _ => string(members, "issuer").into_iter().collect(),
    };
    let (resource, jwks_uri) = (string(members, "resource"), string(members, "jwks_uri"));
    Some(Metadata { kind, issuers, resource, jwks_uri, scopes: strings(members, "scopes_supported") })
}

/// Returns the members of an error body: flat ones as in OAuth, or those of a JSON-RPC error.
fn body(members: &Map<String, Value>) -> Vec<(String, String)> {
    let names = ["error", "error_description", "scope", "message"];
    let mut body: Vec<(String, String)> =
        names.iter().filter_map(|name| Some(((*name).to_owned(), string(members, name)?))).collect();
    if let Some(Value::Object(error)) = members.get("error") {
        body.push(("error".to_owned(), error.get("code").map(ToString::to_string).unwrap_or_default()));
        body.extend(string(error, "message").map(|message| ("message".to_owned(), message)));
    }
    body
}

/// Returns the PEM blocks in a text, by their labels.
fn pem(text: &str) -> Option<Keys> {
    let labels = text.split("-----BEGIN ").skip(1).filter_map(|rest| Some(rest.split_once("-----")?.0)).take(MOST);
    let is_label = |label: &&str| label.len() <= 64 && label.bytes().all(|b| b.is_ascii_uppercase() || b == b' ');
    let keys: Vec<KeyInfo> = labels
        .filter(is_label)
        .map(|label| KeyInfo { kind: label.to_owned(), is_secret: is_private_label(label), ..KeyInfo::default() })
        .collect();
    (!keys.is_empty()).then_some(Keys { form: KeyForm::Pem, keys })
}

/// Parses a response: a status line with headers and perhaps a JSON body, a single header, or the value of one.
fn response(text: &str) -> Option<Response> {
    // `curl -v` marks received lines with `< ` and sent lines with `> `.
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("> ") && !line.starts_with("* ")).collect();
    let lines: Vec<&str> = lines.iter().map(|line| line.strip_prefix("< ").unwrap_or(line).trim_end()).collect();
    let mut response = Response::default();
    for (n, line) in lines.iter().enumerate().take(2000) {
        let line = line.trim_start();
        if let Some(status) = status(line) {
            // After a redirect or an interim response, only the last response counts.
            response = Response { status: Some(status), ..Response::default() };
        } else if let Some(value) = header(line, "www-authenticate") {
            let challenge = bearer_challenge(&whole_value(value, lines.get(n + 1..).unwrap_or_default()));
            // Of several challenges, the one for a bearer token is used.
            let is_bearer = challenge.as_ref().is_some_and(|c| c.scheme.eq_ignore_ascii_case("bearer"));
            if response.challenge.is_none() || is_bearer {
                response.challenge = challenge.or(response.challenge);
            }
        } else if let Some(date) = header(line, "date") {
            response.date = Some(date.to_owned());
        } else if response.body.is_empty() && line.starts_with('{') {
            let rest = lines.get(n..).unwrap_or_default().join("\n");
            if let Some(Value::Object(members)) = json(rest.trim()) {
                response.body = body(&members);
            }
        }
    }
    if response.status.is_none() && response.challenge.is_none() {
        let first = bearer_challenge(&lines.join(" "))?;
        let known = ["error", "scope", "realm", "resource_metadata", "error_description"];
        let is_known = known.iter().any(|name| first.param(name).is_some());
        response.challenge = Some(first).filter(|_| is_known);
    }
    (response.status.is_some() || response.challenge.is_some()).then_some(response)
}

/// Returns the code of a status line.
fn status(line: &str) -> Option<u16> {
    let (version, rest) = line.strip_prefix("HTTP/")?.split_once(' ')?;
    let is_version = !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let code = rest.split(' ').next()?.parse().ok()?;
    (is_version && (100..600).contains(&code)).then_some(code)
}

/// Returns the value of a header line with this name.
fn header<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    let (found, value) = line.split_once(':')?;
    found.trim().eq_ignore_ascii_case(name).then(|| value.trim())
}

/// The maximum number of continuation lines and the maximum length in bytes of a header's value. A text with only such
/// lines would otherwise take time quadratic in its length.
const MOST_FOLDS: usize = 32;
const LONGEST_VALUE: usize = 8 << 10;

/// Returns a header's value, joined with the lines onto which a terminal or header folding broke it.
fn whole_value(value: &str, below: &[&str]) -> String {
    let mut whole = value.to_owned();
    let mut is_open = false;
    let mut counted = 0;
    for line in below.iter().take(MOST_FOLDS) {
        is_open ^= whole.get(counted..).unwrap_or_default().matches('"').count() % 2 == 1;
        counted = whole.len();
        if whole.len() > LONGEST_VALUE {
            break;
        }
        if !is_open && !whole.ends_with(',') && !line.starts_with([' ', '\t']) {
            break;
        }
        if !is_open {
            whole.push(' ');
        }
        whole.push_str(if is_open { line } else { line.trim_start() });
    }
    whole
}

/// Parses the value of a `WWW-Authenticate` header, which may have several challenges, separated by commas (RFC 9110
/// §11.6.1). Returns the one for a bearer token, or else the first.
pub fn bearer_challenge(value: &str) -> Option<Challenge> {
    let mut is_quoted = false;
    let commas = value.char_indices().filter(|(_, c)| {
        is_quoted ^= *c == '"';
        *c == ',' && !is_quoted
    });
    let starts = [0].into_iter().chain(commas.map(|(at, _)| at + 1));
    let mut all = starts.filter_map(|at| parse_challenge(value.get(at..)?)).peekable();
    let first = all.peek().cloned();
    all.find(|challenge| challenge.scheme.eq_ignore_ascii_case("bearer")).or(first)
}

/// Parses the value of a `WWW-Authenticate` header with one challenge: a scheme and `name="value"` or `name=value`,
/// separated by commas. It is lenient, because some servers write quotes inside a quoted value without escaping them.
pub fn parse_challenge(value: &str) -> Option<Challenge> {
    let value = value.trim();
    let (scheme, mut rest) = value.split_once([' ', ',']).unwrap_or((value, ""));
    let known = ["Bearer", "DPoP", "Basic", "Digest", "Negotiate"];
    let scheme = known.iter().find(|known| known.eq_ignore_ascii_case(scheme))?;
    let mut params = Vec::new();
    while let Some((name, value)) = rest.split_once('=') {
        let name = name.trim_matches([' ', ',', '\t']).to_ascii_lowercase();
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
            break;
        }
        let value = value.trim_start();
        let (value, more) = if let Some(quoted) = value.strip_prefix('"') {
            unquoted(quoted)
        } else {
            let (value, more) = value.split_once([',', ' ']).unwrap_or((value, ""));
            (value.to_owned(), more)
        };
        params.push((name, value));
        rest = more;
        if params.len() >= MOST {
            break;
        }
    }
    Some(Challenge { scheme: (*scheme).to_owned(), params })
}

/// Returns a quoted string up to its closing quote, and the text after it (RFC 9110 §5.6.4). A quote after which no
/// other parameter can begin belongs to the value: its server did not escape it.
fn unquoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        let rest = text.get(at + 1..).unwrap_or_default();
        match c {
            '"' if ends_value(rest) => return (value, rest),
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    (value, "")
}

/// Whether a quoted value may end before this text: at the end, or before a comma or another parameter.
fn ends_value(rest: &str) -> bool {
    let after = rest.trim_start_matches([' ', '\t']);
    if after.is_empty() || after.starts_with(',') {
        return true;
    }
    let name = after.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')).count();
    after.len() < rest.len() && name > 0 && after.get(name..).is_some_and(|after| after.starts_with("=\""))
}

/// Writes the kind of material as a noun, most with an article. Safe to show.
impl fmt::Display for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Response(response) => match (response.status, &response.challenge) {
                (Some(status), _) => write!(f, "an HTTP response, {status}"),
                (None, Some(_)) => f.write_str("a WWW-Authenticate header"),
                (None, None) => f.write_str("an error answer"),
            },
            Self::Keys(Keys { form, keys }) => match form {
                KeyForm::Jwks => write!(f, "a JWKS with {}", super::words::count(keys.len(), "key")),
                KeyForm::Jwk => f.write_str("a JWK"),
                KeyForm::Pem if keys.len() > 1 => {
                    write!(f, "PEM with {}", super::words::count(keys.len(), "block"))
                }
                KeyForm::Pem => {
                    let label = keys.first().map_or("", |key| &*key.kind);
                    write!(f, "PEM ({})", super::name(label, 64))
                }
            },
            Self::Metadata(metadata) => f.write_str(match metadata.kind {
                MetadataKind::OpenId => "an OpenID Connect discovery document",
                MetadataKind::AuthorizationServer => "the metadata of an authorization server (RFC 8414)",
                MetadataKind::ProtectedResource => "the metadata of a protected resource (RFC 9728)",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const SCOPES: &str = "Bearer error=\"insufficient_scope\", scope=\"mcp:read mcp:write\", \
                          resource_metadata=\"https://gate.example/.well-known/oauth-protected-resource/mcp\"";

    #[rstest]
    #[case(SCOPES.to_owned(), "a WWW-Authenticate header")]
    #[case(format!("WWW-Authenticate: {SCOPES}"), "a WWW-Authenticate header")]
    #[case(format!("www-authenticate: {SCOPES}\r\n"), "a WWW-Authenticate header")]
    #[case(format!("HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nWWW-Authenticate: {SCOPES}\r\n\r\n{{}}"), "an HTTP response, 403")]
    #[case(format!("> POST /mcp HTTP/1.1\n> Authorization: Bearer x\n>\n< HTTP/2 403\n< www-authenticate: {SCOPES}\n<"), "an HTTP response, 403")]
    #[case(format!("HTTP/1.1 100 Continue\n\nHTTP/1.1 403 Forbidden\nWWW-Authenticate: {}", SCOPES.replacen("mcp:write", "mcp:\nwrite", 1)), "an HTTP response, 403")]
    #[case(format!("HTTP/1.1 403 Forbidden\nWWW-Authenticate: Basic realm=\"x\"\nWWW-Authenticate: {SCOPES}"), "an HTTP response, 403")]
    fn a_response_is_recognised_however_much_of_it_was_copied(#[case] text: String, #[case] named: &str) {
        let Some(material) = recognize(&text) else { panic!("not recognized: {text}") };
        assert_eq!(material.to_string(), named);
        let Material::Response(response) = material else { panic!("not a response: {text}") };
        assert_eq!(response.param("error"), Some("insufficient_scope"));
        assert_eq!(response.param("scope"), Some("mcp:read mcp:write"));
    }

    #[rstest]
    #[case(
        r#"{"keys":[{"kty":"RSA","kid":"a","alg":"RS256","use":"sig","n":"x","e":"AQAB"},{"kty":"EC"}]}"#,
        "a JWKS with 2 keys"
    )]
    #[case(r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS"}"#, "a JWK")]
    #[case("-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----", "PEM (PUBLIC KEY)")]
    #[case(
        "-----BEGIN CERTIFICATE-----\nM\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nM",
        "PEM with 2 blocks"
    )]
    #[case(
        r#"{"issuer":"https://id","jwks_uri":"https://id/k","subject_types_supported":["public"]}"#,
        "an OpenID Connect discovery document"
    )]
    #[case(
        r#"{"issuer":"https://id","token_endpoint":"https://id/t"}"#,
        "the metadata of an authorization server (RFC 8414)"
    )]
    #[case(
        r#"{"resource":"https://g/mcp","authorization_servers":["https://id"]}"#,
        "the metadata of a protected resource (RFC 9728)"
    )]
    #[case(r#"{"error":"invalid_token","error_description":"expired"}"#, "an error answer")]
    #[case(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32001,"message":"denied"}}"#, "an error answer")]
    #[case("HTTP/1.1 200 OK\r\n\r\n", "an HTTP response, 200")]
    fn what_a_text_is_has_a_name(#[case] text: &str, #[case] named: &str) {
        assert_eq!(recognize(text).map(|material| material.to_string()).as_deref(), Some(named));
    }

    #[rstest]
    #[case("")]
    #[case("hello")]
    #[case("Bearer eyJhbGciOiJub25lIn0.e30.")]
    #[case("Bearer token")]
    #[case(r#"{"id": 1}"#)]
    #[case(r#"{"keys": ["a"]}"#)]
    #[case("error: the build failed")]
    #[case("date: today")]
    fn other_text_is_none_of_these(#[case] text: &str) {
        assert_eq!(recognize(text), None);
    }

    #[test]
    fn a_private_key_is_marked_and_its_material_is_not_kept() {
        let text = r#"{"keys":[{"kty":"EC","kid":"a","d":"SECRETSECRET"},{"kty":"oct","k":"SECRETSECRET"},
            {"kty":"RSA","n":"x","p":"SECRETSECRET"},{"kty":"RSA","n":"x","oth":[]}]}"#;
        let Some(Material::Keys(keys)) = recognize(text) else { panic!("a key set") };
        assert!(keys.keys.iter().all(|key| key.is_secret));
        assert!(!format!("{keys:?}").contains("SECRETSECRET"));
    }
}
