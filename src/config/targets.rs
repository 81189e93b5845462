//! Targets as they are configured in `[[targets]]`: MCP servers that decide for themselves.

use std::collections::BTreeMap;

use toml::{Spanned, Value};

use super::issuers::IssuerFault;
use crate::text;

/// A target as it is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetConfig {
    /// The name, by which `--target` and the console select it.
    pub name: String,
    /// The URL of its MCP endpoint.
    pub url: Option<String>,
    /// The program and its arguments, for a server over stdio.
    pub command: Vec<String>,
    /// Further headers: names, and values or `env:NAME`.
    pub headers: Vec<(String, String)>,
}

/// A table as read, with the places of its values.
pub type TargetTable = BTreeMap<Spanned<String>, Spanned<Value>>;

const KEYS: [&str; 4] = ["name", "url", "command", "headers"];

impl TargetConfig {
    /// Reads a table.
    pub(super) fn parse(table: &TargetTable) -> Result<Self, IssuerFault> {
        let mut found = Self::default();
        for (key, value) in table {
            let name = key.get_ref().as_str();
            let wrong =
                |message: &str| IssuerFault { at: Some(value.span().start), message: format!("{name}: {message}") };
            let said = |value: &Value| match value {
                Value::String(said) if !said.is_empty() => Some(said.clone()),
                _ => None,
            };
            match name {
                "name" => found.name = said(value.get_ref()).ok_or_else(|| wrong("expected a quoted string"))?,
                "url" => found.url = Some(said(value.get_ref()).ok_or_else(|| wrong("expected a quoted URL"))?),
                "command" => {
                    let words = value.get_ref().as_array().map(|all| all.iter().map(said).collect::<Option<Vec<_>>>());
                    let expected = "expected a list of quoted words, such as [\"uvx\", \"server\"]";
                    found.command = words.flatten().filter(|words| !words.is_empty()).ok_or_else(|| wrong(expected))?;
                }
                "headers" => {
                    let pairs = value.get_ref().as_table().into_iter().flatten();
                    let pairs = pairs.map(|(name, value)| Some((name.clone(), said(value)?)));
                    let pairs: Option<Vec<_>> = pairs.collect();
                    let expected = "expected a table of quoted values, such as { X-Tenant = \"blue\" }";
                    found.headers = pairs.filter(|pairs| !pairs.is_empty()).ok_or_else(|| wrong(expected))?;
                }
                name => {
                    let nearest = text::nearest(name, KEYS).unwrap_or_default();
                    let message = format!("unknown key {}; did you mean {nearest}?", text::name(name, 64));
                    return Err(IssuerFault { at: Some(key.span().start), message });
                }
            }
        }
        let fault = |message: &str| Err(IssuerFault { at: None, message: message.to_owned() });
        match (&found.url, found.command.is_empty()) {
            _ if found.name.is_empty() => fault("name is missing"),
            (Some(_), false) => fault("url cannot be used with command"),
            (None, true) => fault("expected url or command"),
            (None, false) if !found.headers.is_empty() => fault("headers cannot be used with command"),
            _ => Ok(found),
        }
    }
}
