//! Where allowed calls go: a backend other than the built-in tools, stubs, and tools that are not implemented.

use std::future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis::Gate;
use portcullis::auth::{Permit, Policy, Rules};
use portcullis::clock::ManualClock;
use portcullis::gate::ports::{Arguments, Backend, BoxFuture, Responder, ToolError, ToolInfo};
use portcullis::gate::{Origin, RawArguments, Source};
use serde_json::{Value, json};

use crate::forge::waits;
use crate::forge::{NOW, rules, signer};

/// A backend whose tools answer only when polled twice, with the caller and the arguments.
#[derive(Default)]
struct Slow {
    called: AtomicUsize,
}

impl Backend for Slow {
    fn tools(&self) -> Arc<[ToolInfo]> {
        let tool = |name: &str| ToolInfo {
            name: name.into(),
            title: None,
            description: "takes its time".into(),
            schema: json!({"type": "object"}),
            example: "{}".into(),
            reads_only: true,
            destroys: false,
            is_idempotent: false,
        };
        [tool("read_data"), tool("broken")].into()
    }

    fn call<'a>(&'a self, permit: &'a Permit, arguments: Arguments) -> BoxFuture<'a, Result<Value, ToolError>> {
        self.called.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let mut is_first = true;
            future::poll_fn(|context| match std::mem::take(&mut is_first) {
                true => {
                    context.waker().wake_by_ref();
                    std::task::Poll::Pending
                }
                false => std::task::Poll::Ready(()),
            })
            .await;
            match &**permit.tool() {
                "broken" => Err(ToolError::new("the disk \u{202e}is gone")),
                _ => Ok(json!({ "user": permit.principal().user_id, "arguments": arguments })),
            }
        })
    }
}

fn policy(text: &str) -> Rules {
    Rules { policy: Arc::new(Policy::parse(text).expect("a policy")), ..rules() }
}

fn before(backend: Arc<Slow>, rules: Rules) -> Gate {
    Gate::in_front_of(backend, rules, signer(), Arc::new(ManualClock::new(NOW)))
}

const OPEN: &str = "[tools.read_data]\npermissions = [\"user\"]\n[tools.broken]\npermissions = [\"user\"]\n[tools.admin_only]\npermissions = [\"admin\"]\n";

#[test]
fn a_slow_tool_answers_an_asynchronous_call_and_fails_a_synchronous_one() {
    let backend = Arc::new(Slow::default());
    let gate = before(Arc::clone(&backend), policy(OPEN));
    let token = gate.generate_token("user123", &["user"]).expect("a token");
    let answer = waits(gate.call_tool_async(Some(&token), "read_data", &json!({"id": 1})));
    assert_eq!(answer, json!({"success": true, "result": {"user": "user123", "arguments": {"id": 1}}}));
    assert_eq!(gate.call_tool(&*token, "read_data", &json!({})), json!({"error": "tool_failed"}));
    let trouble = gate.shared().read(|state| state.activity().newest().next().and_then(|row| row.trouble.clone()));
    assert_eq!(trouble.as_deref(), Some("the tool does not answer synchronously; use the asynchronous call"));
}

#[test]
fn a_backend_is_called_only_with_a_permit_and_its_errors_are_escaped() {
    let backend = Arc::new(Slow::default());
    let gate = before(Arc::clone(&backend), policy(OPEN));
    let token = gate.generate_token("user123", &["user"]).expect("a token");
    for (token, tool) in [(None, "read_data"), (Some("junk"), "read_data"), (Some(&*token), "admin_only")] {
        let answer = waits(gate.call_tool_async(token, tool, &json!({})));
        assert!(answer["error"] == "unauthorized" || answer["error"] == "forbidden", "{answer}");
    }
    assert_eq!(waits(gate.call_tool_async(Some(&token), "read_data", &json!([1])))["error"], "invalid_arguments");
    assert_eq!(backend.called.load(Ordering::Relaxed), 0);
    assert_eq!(waits(gate.call_tool_async(Some(&token), "broken", &json!({})))["error"], "tool_failed");
    let trouble = gate.shared().read(|state| state.activity().newest().next().and_then(|row| row.trouble.clone()));
    assert_eq!(trouble.as_deref(), Some("the disk \\u{202e}is gone"));
}

#[test]
fn a_stub_echoes_its_tool_and_arguments_and_an_unimplemented_tool_fails() {
    let text = "[tools.later]\npermissions = [\"user\"]\nstub = true\n[tools.gone]\npermissions = [\"user\"]\n";
    let gate = Gate::with(policy(text), signer(), Arc::new(ManualClock::new(NOW)));
    let token = gate.generate_token("user123", &["user"]).expect("a token");
    let answer = gate.call_tool(&*token, "later", &json!({"id": 1}));
    assert_eq!(answer, json!({"success": true, "result": {"stub": true, "tool": "later", "arguments": {"id": 1}}}));
    assert_eq!(gate.call_tool(&*token, "gone", &json!({})), json!({"error": "tool_failed"}));
    let none: [&str; 0] = [];
    let stranger = gate.generate_token("user456", &none).expect("a token");
    assert_eq!(gate.call_tool(&*stranger, "later", &json!({})), json!({"error": "forbidden"}));
    gate.shared().read(|state| {
        let policy = &state.rules().policy;
        let answers = ["later", "gone", "read_data"].map(|tool| state.tools().answers(policy, tool));
        assert_eq!(answers, [Responder::Stub, Responder::Missing, Responder::Backend]);
        let lacks = ["later", "gone", "read_data"].map(|tool| state.tools().lacks(policy, tool));
        assert_eq!(lacks, [false, true, false], "read_data is not in this policy");
    });
}

#[test]
fn a_permit_stays_valid_for_its_call_when_the_token_is_revoked_meanwhile() {
    let gate = before(Arc::new(Slow::default()), policy(OPEN));
    let token = gate.generate_token("user123", &["user"]).expect("a token");
    let rules = gate.shared().rules();
    let principal = Arc::new(rules.verify(&token, NOW).expect("valid"));
    let permit = rules.authorize(&principal, "read_data").expect("allowed");
    gate.shared().update(|state| {
        let mut all = (*state.rules().revoked).clone();
        let since = portcullis::auth::revocations::Revocation { at: NOW, until: None, user: None };
        all.revoke(
            portcullis::auth::revocations::RevocationTarget::Token(portcullis::auth::TokenId::of(&token)),
            since,
        );
        state.set_revoked(all);
    });
    let source = Source {
        token: None,
        origin: Origin::Library,
        client: None,
        peer: None,
        at: NOW,
        judged_at: NOW,
        started: std::time::Duration::ZERO,
    };
    let called = waits(gate.run(permit, RawArguments::Text("{}"), &source));
    assert_eq!(called.outcome.answer()["success"], true);
    assert_eq!(gate.call_tool(&*token, "read_data", &json!({})), json!({"error": "unauthorized"}));
}

#[test]
fn a_cancelled_call_is_logged_because_its_tool_may_have_acted() {
    let backend = Arc::new(Slow::default());
    let gate = before(Arc::clone(&backend), policy(OPEN));
    let token = gate.generate_token("user123", &["user"]).expect("a token");
    {
        let no_arguments = json!({});
        let mut call = std::pin::pin!(gate.call_tool_async(Some(&token), "read_data", &no_arguments));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(call.as_mut().poll(&mut context).is_pending());
        assert_eq!(gate.shared().read(|state| state.activity().len()), 0);
    }
    gate.shared().read(|state| {
        let row = state.activity().newest().next().expect("a row");
        assert_eq!((row.answered.code(), &*row.answer), ("allowed", r#"{"error":"tool_failed"}"#));
        assert_eq!(row.trouble.as_deref(), Some("cancelled before the tool answered; it may have taken effect"));
    });
}
