//! A test of an hour's lifetime without waiting: the gate reads a clock that only moves on request.
//!
//! `cargo run --example custom_clock`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;
use std::time::Duration;

use portcullis::auth::{KeyOrigin, NumericDate};
use portcullis::clock::ManualClock;
use portcullis::{Gate, Rules, Signer};
use serde_json::json;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let signer = Signer::hs256(b"a secret that is at least 32 bytes long", KeyOrigin::Program)?;
    let rules = Rules::new(signer.verifier().clone());
    let clock = Arc::new(ManualClock::new(NumericDate::from_seconds(1_800_000_000)));
    let gate = Gate::with(rules, signer, clock.clone());
    let token = gate.generate_token("user123", &["user"])?;

    clock.advance(Duration::from_secs(3_599));
    assert_eq!(gate.call_tool(&*token, "read_data", &json!({"id": 1}))["success"], true);
    println!("after 59:59 the call is allowed");

    clock.advance(Duration::from_secs(1));
    assert_eq!(gate.call_tool(&*token, "read_data", &json!({"id": 1})), json!({"error": "unauthorized"}));
    let reason = gate.verify_token(&token).map(|_| ()).expect_err("an hour is over");
    println!("after 60:00 it is not: {reason} ({})", reason.code());
    Ok(())
}
