//! Properties of any token, any policy and any instant.

use std::sync::Arc;

use portcullis::auth::evaluation::LightState;
use portcullis::auth::{
    Call, IssueRequest, Leeway, Lifetime, Light, NumericDate, Phase, Policy, Rules, TokenStatus, Verdict, leeway,
};
use portcullis::text::{Span, words};
use proptest::prelude::*;

use crate::forge::{HS256, NOW, claims, rules, sign, signer, token};

/// Checks that verification and inspection agree on whether a token passes.
fn agree(rules: &Rules, token: &str, now: NumericDate) -> Result<(), TestCaseError> {
    let judged = rules.inspect(token).judged;
    let verified = rules.verify(token, now);
    match judged.status(now) {
        TokenStatus::Valid(phase) => {
            prop_assert!(verified.is_ok());
            prop_assert!(
                matches!(phase, Phase::Live { .. } | Phase::Early { .. } | Phase::Grace { .. }),
                "{:?}",
                phase
            );
        }
        TokenStatus::Absent => prop_assert!(token.is_empty() && verified.is_err()),
        // Expiry is reported first, even if the gate stops at an earlier check.
        TokenStatus::OutOfTime(Phase::Expired { .. }, reason) => {
            prop_assert_eq!(reason.code(), "expired");
            prop_assert!(verified.is_err());
        }
        status => prop_assert_eq!(status.reason(), verified.as_ref().err()),
    }
    let first = verified.as_ref().err();
    let failures = judged.failures(now);
    prop_assert!(first.is_none() == failures.is_empty(), "{:?} {:?}", first, failures);
    prop_assert!(first.is_none_or(|first| failures.contains(first)), "{:?} {:?}", first, failures);
    for tool in ["read_data", "write_data", "gone"] {
        let decision = rules.decide(&Call { token: Some(token), tool }, now);
        prop_assert_eq!(rules.verdict(Some(&judged), tool, now), decision.verdict());
        prop_assert_eq!(rules.decide_judged(Some(&judged), tool, now), decision);
    }
    let green = Light::ALL.iter().all(|light| judged.light(*light, now) == LightState::Good);
    prop_assert_eq!(green, verified.is_ok());
    Ok(())
}

/// Fragments of tokens, headers and payloads, so that random input comes close to valid input.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("{".to_owned()),
        Just("}".to_owned()),
        Just("\"alg\":\"HS256\"".to_owned()),
        Just("\"alg\":\"none\"".to_owned()),
        Just("\"user_id\":\"u\"".to_owned()),
        Just("\"permissions\":[\"user\"]".to_owned()),
        Just("\"permissions\":".to_owned()),
        Just("\"exp\":4102444800".to_owned()),
        Just("\"nbf\":".to_owned()),
        Just(",".to_owned()),
        Just("1e400".to_owned()),
        Just("[".to_owned()),
        Just("]".to_owned()),
        Just("\\u202e".to_owned()),
        any::<String>(),
    ]
}

fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(piece(), 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_token_with_any_changed_byte_is_refused(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let good = token(claims(""));
        let mut bytes = good.clone().into_bytes();
        let place = place.index(bytes.len());
        prop_assume!(bytes[place] != byte);
        bytes[place] = byte;
        let rules = rules();
        prop_assert!(rules.verify(&good, NOW).is_ok());
        // Bytes that are not UTF-8 cannot be passed at all.
        if let Ok(changed) = String::from_utf8(bytes) {
            prop_assert!(rules.verify(&changed, NOW).is_err(), "{}", changed);
            agree(&rules, &changed, NOW)?;
        }
    }

    #[test]
    fn a_token_with_a_character_more_or_less_is_refused(place in any::<prop::sample::Index>(), more in proptest::option::of(any::<char>())) {
        let mut changed = token(claims(""));
        let place = place.index(changed.len());
        match more {
            Some(c) => changed.insert(place, c),
            None => {
                changed.remove(place);
            }
        }
        prop_assert!(rules().verify(&changed, NOW).is_err(), "{}", changed);
        agree(&rules(), &changed, NOW)?;
    }

    #[test]
    fn a_token_verifies_exactly_while_time_remains(
        exp in -3_000_000i64..3_000_000,
        nbf in proptest::option::of(-3_000_000i64..3_000_000),
        leeway in 0u64..3,
        now in -6_000_000i64..6_000_000,
    ) {
        let rules = Rules { leeway: Leeway::seconds(leeway), ..rules() };
        let at = |micros: i64| NumericDate::from_micros(NOW.micros() + micros);
        let request = IssueRequest {
            user_id: "user123".into(),
            expires: Some(at(exp)),
            not_before: nbf.map(at),
            ..IssueRequest::default()
        };
        let token = signer().issue(&request, "1", NOW).expect("a token");
        let now = at(now);
        let remains = leeway::remaining(now, at(exp), rules.leeway) > Span::ZERO;
        let begun = nbf.is_none_or(|nbf| leeway::until_valid(now, at(nbf), rules.leeway) <= Span::ZERO);
        prop_assert_eq!(rules.verify(&token, now).is_ok(), remains && begun);
        agree(&rules, &token, now)?;
    }

    #[test]
    fn the_expiry_is_exact_to_the_microsecond(exp in 1i64..4_000_000_000_000_000, leeway in 0u64..301) {
        let rules = Rules { leeway: Leeway::seconds(leeway), ..rules() };
        let exp = NumericDate::from_micros(exp);
        let request = IssueRequest { user_id: "u".into(), expires: Some(exp), ..IssueRequest::default() };
        let token = signer().issue(&request, "1", NOW).expect("a token");
        let dead = exp.plus(rules.leeway.span());
        prop_assert!(rules.verify(&token, dead.plus(-Span::MICRO)).is_ok());
        prop_assert!(rules.verify(&token, dead).is_err());
    }

    #[test]
    fn a_call_is_allowed_only_if_the_policy_allows_it(
        policy in proptest::collection::btree_map("[abc]", proptest::collection::vec("[uvw]", 0..3), 0..3),
        held in proptest::collection::vec("[uvw]", 0..3),
        tool in "[abcd]",
    ) {
        let rules = Rules { policy: Arc::new(Policy::new(policy.clone())), ..rules() };
        let permissions = serde_json::to_string(&held).expect("JSON");
        let token = token(claims("").replace("[\"user\"]", &permissions));
        let decision = rules.decide(&Call { token: Some(&token), tool: &tool }, NOW);
        let opens = policy.get(&tool).is_some_and(|needs| needs.iter().any(|need| held.contains(need)));
        prop_assert_eq!(decision.verdict(), if opens { Verdict::Allowed } else { Verdict::Forbidden });
        let stranger = rules.decide(&Call { token: None, tool: &tool }, NOW);
        prop_assert_eq!(stranger.verdict(), Verdict::Unauthorized);
    }

    #[test]
    fn any_text_can_be_inspected(text in any::<String>(), now in any::<i64>()) {
        agree(&rules(), &text, NumericDate::from_micros(now))?;
        agree(&rules(), &format!("{text}.{text}.{text}"), NOW)?;
    }

    #[test]
    fn any_header_and_payload_can_be_inspected(header in text(), payload in text(), plain in any::<bool>()) {
        let rules = rules();
        let header = if plain { HS256.to_owned() } else { header };
        let token = sign(header, payload);
        let inspection = rules.inspect(token.as_str());
        for sentence in inspection.findings.iter().map(ToString::to_string) {
            prop_assert!(sentence.chars().all(|c| portcullis::text::safe::hidden(c).is_none()), "{:?}", sentence);
        }
        agree(&rules, &token, NOW)?;
    }

    #[test]
    fn every_issued_token_verifies(
        user in "\\PC{1,20}",
        permissions in proptest::collection::vec(any::<String>(), 0..4),
        issuer in proptest::option::of("\\PC{1,9}"),
        audience in proptest::option::of("\\PC{1,9}"),
        name in "[a-z ]{1,6}",
        value in any::<f64>(),
    ) {
        let rules = rules().with_issuer(issuer.as_deref().map(Into::into)).with_audiences(audience.as_deref().map(Into::into));
        let extra = [(format!("x{name}"), serde_json::json!(value))].into_iter().collect();
        let request = IssueRequest { user_id: user.clone(), permissions: permissions.clone(), issuer, audience, extra, ..IssueRequest::default() };
        let token = signer().issue(&request, "1", NOW).expect("a token");
        let principal = rules.verify(&token, NOW).expect("valid");
        prop_assert_eq!((&principal.user_id, &principal.permissions), (&user, &permissions));
        agree(&rules, &token, NOW)?;
    }

    #[test]
    fn a_countdown_changes_exactly_when_announced(exp in 1..Span::days(400).as_micros(), leeway in 0u64..3, nbf in proptest::option::of(0..Span::DAY.as_micros())) {
        let at = |micros: i64| NumericDate::from_micros(NOW.micros() + micros);
        let life = Lifetime { iat: None, nbf: nbf.map(at), exp: Some(at(exp)), leeway: Leeway::seconds(leeway) };
        let (Phase::Live { left } | Phase::Early { left } | Phase::Grace { left } | Phase::NotYet { left }) = life.phase(NOW) else {
            return Ok(());
        };
        let text = |now| match life.phase(now) {
            Phase::Live { left } | Phase::Early { left } | Phase::Grace { left } | Phase::NotYet { left } => words::remaining(left).text,
            over => format!("{over:?}"),
        };
        let holds = words::remaining(left).holds;
        // The countdown of a phase does not cover the next one, which begins when the countdown reaches zero.
        prop_assert!(holds <= left);
        prop_assert_eq!(text(NOW), text(NOW.plus(holds - Span::MICRO)));
        if holds < left {
            prop_assert_ne!(text(NOW), text(NOW.plus(holds)));
        } else {
            prop_assert_ne!(std::mem::discriminant(&life.phase(NOW)), std::mem::discriminant(&life.phase(NOW.plus(holds))));
        }
    }

    #[test]
    fn a_remaining_time_of_0s_means_that_the_time_is_over(micros in -3_000_000i64..3_000_000) {
        let left = Span::micros(micros);
        prop_assert_eq!(words::remaining(left).text == "0s", left <= Span::ZERO);
    }
}
