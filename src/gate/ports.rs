//! The gate's port to the outside: a [`Backend`] that has tools and calls them.

use std::fmt;
use std::future::{self, Future};
use std::pin::Pin;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::auth::policy::Schema;
use crate::auth::{Permit, Policy};
use crate::text;

/// The arguments of a tool: a JSON object.
pub type Arguments = Map<String, Value>;

/// A boxed future. Dropping it cancels the operation.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Runs allowed calls. Every call needs a [`Permit`], and only a decision creates one.
pub trait Backend: Send + Sync {
    /// The tools that it can call, in the order of listings.
    fn tools(&self) -> Arc<[ToolInfo]>;

    /// Calls a tool. The arguments already match the policy's schema for it. Dropping the future cancels the call.
    /// Neither the function nor the future may block or compute for long: both run on threads that draw and serve.
    fn call<'a>(&'a self, permit: &'a Permit, arguments: Arguments) -> BoxFuture<'a, Result<Value, ToolError>>;

    /// Completes when [`Backend::tools`] has changed since the last time. The tools of most backends never change.
    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(future::pending())
    }
}

/// A backend's description of one of its tools.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolInfo {
    /// The name, as written in calls.
    pub name: Arc<str>,
    /// The display name, if the backend has one.
    pub title: Option<Arc<str>>,
    /// A description, as a phrase that follows the name.
    pub description: Arc<str>,
    /// The JSON Schema of its arguments, for listings. Calls are checked against the schema of the policy.
    pub schema: Value,
    /// Example arguments, as JSON text.
    pub example: Arc<str>,
    /// Whether it is read-only (`readOnlyHint`).
    pub reads_only: bool,
    /// Whether it may destroy something (`destructiveHint`).
    pub destroys: bool,
    /// Whether repeated calls with the same arguments have no further effect (`idempotentHint`).
    pub is_idempotent: bool,
}

impl ToolInfo {
    /// Describes a tool of which nothing else is known: it may change and destroy something.
    pub fn new(name: &str, description: &str, schema: Value) -> Self {
        Self {
            name: name.into(),
            title: None,
            description: description.into(),
            schema,
            example: "{}".into(),
            reads_only: false,
            destroys: true,
            is_idempotent: false,
        }
    }
}

/// Why a permitted call failed. The message is safe to show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ToolError(String);

impl ToolError {
    /// Creates an error with any message, which is made safe to show.
    pub fn new(sentence: impl fmt::Display) -> Self {
        Self(text::display_safe(&sentence.to_string(), 500))
    }

    /// Creates the error for a tool that the backend does not have.
    pub fn missing(tool: &str) -> Self {
        Self(format!("no such tool here: the policy allows {}, but nothing implements it", text::name(tool, 64)))
    }
}

/// The tools that calls can reach, as the backend describes them. Clones share them.
#[derive(Clone, Debug, PartialEq)]
pub struct Catalogue(Arc<[ToolInfo]>);

/// Answers the allowed calls of a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Responder {
    /// The backend answers.
    Backend,
    /// The gate answers with the stub that the policy declares (`stub = true`).
    Stub,
    /// Nothing answers, because only the policy contains the tool: allowed calls fail.
    Missing,
}

impl Catalogue {
    /// Creates a catalogue of a backend's tools.
    pub fn new(tools: Arc<[ToolInfo]>) -> Self {
        Self(tools)
    }

    /// The tools, in the backend's order.
    pub fn tools(&self) -> &[ToolInfo] {
        &self.0
    }

    /// The tool with this name.
    pub fn find(&self, name: &str) -> Option<&ToolInfo> {
        self.0.iter().find(|tool| *tool.name == *name)
    }

    /// Returns what answers an allowed call of this tool under this policy.
    pub fn answers(&self, policy: &Policy, name: &str) -> Responder {
        match policy.tool(name) {
            Some(rule) if rule.stub => Responder::Stub,
            _ if self.find(name).is_some() => Responder::Backend,
            _ => Responder::Missing,
        }
    }

    /// Whether the policy contains this tool but nothing implements it.
    pub fn lacks(&self, policy: &Policy, name: &str) -> bool {
        policy.tool(name).is_some() && self.answers(policy, name) == Responder::Missing
    }

    /// Returns a tool's description: the policy's, or else the backend's.
    pub fn description<'a>(&'a self, policy: &'a Policy, name: &str) -> Option<&'a str> {
        let rule = policy.tool(name);
        let own = rule.and_then(|rule| rule.description.as_deref());
        let stub = rule.filter(|rule| rule.stub).map(|_| "stub: echoes the tool name and arguments");
        own.or(stub).or_else(|| self.find(name).map(|tool| &*tool.description))
    }

    /// Returns the JSON Schema of a tool's arguments: the policy's, or else the backend's.
    pub fn schema<'a>(&'a self, policy: &'a Policy, name: &str) -> Option<&'a Value> {
        let own = policy.tool(name).and_then(|rule| rule.schema.as_ref());
        own.map(Schema::source).or_else(|| self.find(name).map(|tool| &tool.schema))
    }

    /// Whether both are the same catalogue, without comparing the tools.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Returns example arguments of a tool, as JSON text: the first example of the policy's schema for it, or else the
    /// backend's.
    pub fn example(&self, policy: &Policy, name: &str) -> String {
        let own = policy.tool(name).and_then(|rule| rule.schema.as_ref()?.example());
        own.unwrap_or_else(|| self.find(name).map_or("{}", |tool| &*tool.example).to_owned())
    }
}

impl Default for Catalogue {
    /// Creates an empty catalogue.
    fn default() -> Self {
        Self(Arc::from([]))
    }
}
