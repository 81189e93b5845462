//! The cost of a decision compared with `jsonwebtoken::decode`, and the cost of inspecting and drawing.
//!
//! All contestants run in one process in alternating rounds, so that a busy machine slows all of them: the ratios are
//! more reliable than the times. `cargo bench` runs it, and the exit code shows whether the budget is met.

#![expect(clippy::print_stdout, reason = "a benchmark's only purpose is what it prints")]

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser as _;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use portcullis::app::key::Code;
use portcullis::app::overlay::Overlay;
use portcullis::app::{self, App, InitialState, Msg, Times, update};
use portcullis::auth::keys::Components;
use portcullis::auth::{self, Call, IssueRequest, Issuer, KeyOrigin, Mapping, NumericDate, Policy, Signer};
use portcullis::cli::{Environment, Exit, Options, Runner};
use portcullis::clock::ManualClock;
use portcullis::gate::{Provenance, Snapshot};
use portcullis::text::{Span, read_token};
use portcullis::view;
use portcullis::{AuthenticatedMcpServer, Rules};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

const SECRET: &[u8] = b"a secret of thirty-two bytes, ok";
const ROUNDS: usize = 1000;
/// The budget for a decision, as a share of `jsonwebtoken::decode`.
const BUDGET: f64 = 0.45;
/// The budget for a decision about an asymmetric token, as a share of the bare check of its signature.
const ASYMMETRIC: f64 = 1.1;
/// The budget per token for inspecting a stream, in the same unit.
const STREAM: f64 = 6.0;

/// One measured function, with its name and how often it runs in a round.
struct Contestant<'a> {
    name: &'static str,
    times: u32,
    run: Box<dyn FnMut() + 'a>,
}

fn contestant<'a, R>(name: &'static str, times: u32, mut run: impl FnMut() -> R + 'a) -> Contestant<'a> {
    let run = Box::new(move || {
        black_box(run());
    });
    Contestant { name, times, run }
}

/// The results of one contestant over all rounds.
struct Figures {
    median: Duration,
    least: Duration,
    /// The median of the per-round ratios to the first contestant.
    ratio: f64,
}

fn measure(contestants: &mut [Contestant<'_>], rounds: usize) -> Vec<Figures> {
    let mut taken = vec![Vec::with_capacity(rounds); contestants.len()];
    for _ in 0..rounds {
        for (contestant, taken) in contestants.iter_mut().zip(&mut taken) {
            #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
            let started = Instant::now();
            for _ in 0..contestant.times {
                (contestant.run)();
            }
            taken.push(started.elapsed() / contestant.times);
        }
    }
    let figures = |times: &Vec<Duration>| {
        let mut ratios: Vec<f64> = times.iter().zip(&taken[0]).map(|(t, first)| t.div_duration_f64(*first)).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        let mut times = times.clone();
        times.sort_unstable();
        Figures { median: times[rounds / 2], least: times[0], ratio: ratios[rounds / 2] }
    };
    taken.iter().map(figures).collect()
}

/// Measures the contestants, prints each with its ratio to the first, and returns the ratios.
fn race(title: &str, contestants: &mut [Contestant<'_>], rounds: usize) -> Vec<f64> {
    let figures = measure(contestants, rounds);
    println!("{title}");
    println!("  {:<46} {:>10} {:>10} {:>8}", "", "median", "least", "ratio");
    for (contestant, Figures { median, least, ratio }) in contestants.iter().zip(&figures) {
        println!("  {:<46} {median:>10.2?} {least:>10.2?} {ratio:>8.3}", contestant.name);
    }
    figures.iter().map(|figures| figures.ratio).collect()
}

/// The claims that jsonwebtoken deserializes: typed, as in a careful program.
#[derive(serde::Deserialize)]
#[expect(dead_code, reason = "read only by jsonwebtoken")]
struct Claims {
    user_id: String,
    permissions: Vec<String>,
    exp: i64,
    iat: i64,
    jti: String,
}

fn signer() -> Signer {
    Signer::hs256(SECRET, KeyOrigin::Program).expect("a key")
}

fn rules() -> Rules {
    Rules::new(&signer())
}

fn token(now: NumericDate) -> std::sync::Arc<str> {
    let request =
        IssueRequest { user_id: "user123".to_owned(), permissions: vec!["user".to_owned()], ..IssueRequest::default() };
    signer().issue(&request, "0190b7c1d2e3f4a5b6c7d8e9f0a1b2c3", now).expect("a token")
}

/// A token of about this many bytes, signed with our key, because the console does not sign tokens above 8 KiB.
fn token_of(bytes: usize, member: impl Fn(usize) -> String) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let mut payload = r#"{"user_id":"user123","permissions":["user"],"exp":4102444800"#.to_owned();
    let mut n = 0;
    while payload.len() < bytes * 3 / 4 - 80 {
        payload.push(',');
        payload.push_str(&member(n));
        n += 1;
    }
    payload.push('}');
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#), URL_SAFE_NO_PAD.encode(payload));
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, SECRET);
    let mac = aws_lc_rs::hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac))
}

fn decide() -> bool {
    #[expect(
        clippy::disallowed_methods,
        reason = "jsonwebtoken reads the system clock, so the token must be valid by it"
    )]
    let now = NumericDate::from(chrono::Utc::now());
    let rules = rules();
    let token = token(now);
    let key = DecodingKey::from_secret(SECRET);
    let validation = Validation::new(Algorithm::HS256);
    let expired = now.plus(Span::hours(2));
    let call = |tool| Call { token: Some(&token), tool };
    assert!(rules.decide(&call("read_data"), now).result.is_ok(), "the token must be allowed");
    assert!(jsonwebtoken::decode::<Claims>(&*token, &key, &validation).is_ok(), "jsonwebtoken must accept the token");
    let ratios = race(
        "one decision",
        &mut [
            contestant("jsonwebtoken::decode, key and claims prebuilt", 100, || {
                jsonwebtoken::decode::<Claims>(&*token, &key, &validation).is_ok()
            }),
            contestant("rules.decide, allowed", 100, || rules.decide(&call("read_data"), now)),
            contestant("rules.decide, forbidden", 100, || rules.decide(&call("write_data"), now)),
            contestant("rules.decide, expired", 100, || rules.decide(&call("read_data"), expired)),
            contestant("rules.verify", 100, || rules.verify(&token, now)),
        ],
        ROUNDS,
    );
    let kept = ratios[1] <= BUDGET;
    println!("  budget {BUDGET}: {}\n", if kept { "kept" } else { "EXCEEDED" });
    kept
}

/// A decision about a token of another issuer, with its claims mapped, beside the bare check of its signature by the same
/// cryptography.
fn asymmetric() -> bool {
    let now = NumericDate::from_seconds(1_795_380_000);
    let mut kept = true;
    for (algorithm, theirs) in [(auth::Algorithm::Rs256, Algorithm::RS256), (auth::Algorithm::Es256, Algorithm::ES256)]
    {
        let (signer, _) = Signer::generate(algorithm).expect("a key");
        let key = match signer.verifier().components().expect("a public key") {
            Components::Rsa { n, e } => DecodingKey::from_rsa_raw_components(n, e),
            Components::Curve { x, y, .. } => DecodingKey::from_ec_der(&[&[4], &**x, &**y].concat()),
            Components::Ed25519 { x } => DecodingKey::from_ed_der(x),
        };
        let request = IssueRequest {
            user_id: "user123".to_owned(),
            permissions: vec!["user".to_owned()],
            issuer: Some("https://as.example".to_owned()),
            ..IssueRequest::default()
        };
        let token = signer.issue(&request, "0190b7c1d2e3f4a5b6c7d8e9f0a1b2c3", now).expect("a token");
        let mapping = Mapping::named("standard").expect("a preset");
        let mapping = mapping.with_user(&["user_id".to_owned()]).with_permissions(&["permissions".to_owned()]);
        let other = Issuer {
            name: Some("https://as.example".into()),
            mapping: Arc::new(mapping),
            keys: signer.verifier().clone().into(),
            ..Issuer::default()
        };
        let rules = rules();
        let rules = Rules { issuers: rules.issuers.with(other).expect("another name"), ..rules };
        let call = Call { token: Some(&token), tool: "read_data" };
        assert_eq!(rules.decide(&call, now).code(), "allowed");
        let (text, signature) = token.rsplit_once('.').expect("three segments");
        let bare = || jsonwebtoken::crypto::verify(signature, text.as_bytes(), &key, theirs);
        assert_eq!(bare().ok(), Some(true));
        let ratios = race(
            algorithm.name(),
            &mut [
                contestant("jsonwebtoken::crypto::verify, the signature", 4, bare),
                contestant("rules.decide, another issuer, claims mapped", 4, || rules.decide(&call, now)),
            ],
            ROUNDS,
        );
        let is_kept = ratios[1] <= ASYMMETRIC;
        println!("  budget {ASYMMETRIC}: {}\n", if is_kept { "kept" } else { "EXCEEDED" });
        kept &= is_kept;
    }
    kept
}

/// Runs the command on a stream of tokens, including reading and printing.
fn stream() -> bool {
    #[expect(
        clippy::disallowed_methods,
        reason = "jsonwebtoken reads the system clock, so the token must be valid by it"
    )]
    let now = NumericDate::from(chrono::Utc::now());
    let rules = rules();
    let tokens: Vec<_> = (0..1000).map(|n| token(now.plus(Span::micros(-n)))).collect();
    let lines = tokens.join("\n");
    let key = DecodingKey::from_secret(SECRET);
    let validation = Validation::new(Algorithm::HS256);
    let options = Options::parse_from(["portcullis", "--json", "inspect", "-"]);
    let command = options.command.as_ref().expect("a command");
    let run = |mut out: &mut Vec<u8>| {
        let environment = Environment { secret: Some(SECRET.to_vec().into()), ..Environment::default() };
        let (input, err) = (&mut lines.as_bytes(), &mut std::io::sink());
        Runner { input, out: &mut out, err, shows_colour: false, shows_hints: false, environment, known: Exit::Good }
            .run(&options, command)
    };
    let mut out = Vec::new();
    assert_eq!(run(&mut out).ok(), Some(Exit::Good), "every token must be valid");
    assert_eq!(out.split(|b| *b == b'\n').count(), tokens.len() + 1, "every token must be printed");
    let ratios = race(
        "a stream of 1,000 tokens",
        &mut [
            contestant("jsonwebtoken::decode, key and claims prebuilt", 1, || {
                tokens.iter().all(|t| jsonwebtoken::decode::<Claims>(&**t, &key, &validation).is_ok())
            }),
            contestant("rules.verify", 1, || tokens.iter().all(|t| rules.verify(t, now).is_ok())),
            contestant("portcullis --json inspect -", 1, || {
                out.clear();
                run(&mut out).is_ok()
            }),
        ],
        ROUNDS / 10,
    );
    let kept = ratios[2] <= STREAM;
    println!("  budget {STREAM}: {}\n", if kept { "kept" } else { "EXCEEDED" });
    kept
}

fn inspect() {
    let rules = rules();
    let small = token_of(1 << 10, |n| format!(r#""claim{n}":"some text""#));
    let claims = token_of(1 << 20, |n| format!(r#""claim{n}":"some text""#));
    let one = token_of(1 << 20, |n| format!(r#""claim{n}":"{}""#, "x".repeat(3 << 18)));
    let dots = ".".repeat(1 << 20);
    let words = "eyJ.x a ".repeat(1 << 17);
    race(
        "inspecting and reading",
        &mut [
            contestant("inspect 1 KiB", 20, || rules.inspect(&*small)),
            contestant("inspect 1 MiB of claims", 1, || rules.inspect(&*claims)),
            contestant("inspect 1 MiB in one claim", 1, || rules.inspect(&*one)),
            contestant("inspect 1 MiB of dots", 1, || rules.inspect(&*dots)),
            contestant("read_token, a token of 1 MiB", 1, || read_token(&one)),
            contestant("read_token, 1 MiB of words", 1, || read_token(&words)),
        ],
        ROUNDS / 50,
    );
}

/// A console at 160×50 with this many tokens and calls, and user123 selected.
fn console(tokens: usize, calls: usize) -> App {
    let now = NumericDate::from_seconds(1_795_380_000);
    let clock = Arc::new(ManualClock::new(now));
    let gate = AuthenticatedMcpServer::with(rules(), signer(), clock);
    for n in 0..tokens {
        let user_id = format!("user{n}");
        let request = IssueRequest { user_id, permissions: vec!["user".to_owned()], ..IssueRequest::default() };
        let token = gate.issue(&request, now).expect("a token");
        gate.shared().update(|state| state.add(token, Provenance::Issued, now));
    }
    let token = gate.shared().read(|state| state.tokens()[0].text().cloned()).expect("an issued token");
    for _ in 0..calls {
        gate.call_tool(&*token, "write_data", &serde_json::json!({"data": "new"}));
    }
    let times = Times { real: now, judged: now, mono: Duration::ZERO };
    App::new(InitialState::new(gate.shared().read(Snapshot::of), times))
}

/// Draws the whole screen into memory.
fn draw(app: &App) -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, 160, 50));
    black_box(view::draw(app, &mut buffer));
    buffer
}

fn frames() -> bool {
    let (few, many) = (console(10, 10), console(10_000, 100_000));
    let mut hundred = console(100, 100);
    let mut last = console(10_000, 100_000);
    (last.selected, last.activity.selected) = (last.auth.tokens.last().map(|entry| entry.number), Some(1));
    let _ = update(&mut last, Msg::Synced);
    let (mut small, mut large) = (matrix(10, 3), matrix(1000, 200));
    let mut hurried = lab(1000);
    let mut grouped = matrix(10_000, 200);
    let _ = update(&mut grouped, Msg::Key(GROUP));
    let mut opened = console(10_000, 100_000);
    opened.overlays.push(Overlay::Detail { seq: 1, scroll: 0 });
    let ratios = race(
        "a whole frame at 160x50",
        &mut [
            contestant("10 tokens, 10 calls", 5, || draw(&few)),
            contestant("10,000 tokens, 100,000 calls", 5, || draw(&many)),
            contestant("the same, the last token and the oldest call", 5, || draw(&last)),
            contestant("the same, the oldest call opened", 5, || draw(&opened)),
            contestant("matrix, 10 tokens and 3 tools, and a key", 5, || {
                let _ = update(&mut small, Msg::Key(DOWN));
                draw(&small)
            }),
            contestant("matrix, 1,000 tokens and 200 tools, and a key", 5, || {
                let _ = update(&mut large, Msg::Key(DOWN));
                draw(&large)
            }),
            contestant("time lab, 1,000 tokens at 60 times the pace, a sixtieth of a second later", 5, || {
                let (real, mono) =
                    (hurried.times.real.plus(Span::micros(16_667)), hurried.times.mono + Duration::from_micros(16_667));
                hurried.at(real, mono);
                let _ = update(&mut hurried, Msg::Woke);
                draw(&hurried)
            }),
            contestant("matrix, 10,000 tokens in rows by permissions, and a key", 5, || {
                let _ = update(&mut grouped, Msg::Key(DOWN));
                draw(&grouped)
            }),
            contestant("100 tokens, and a key pressed before", 5, || {
                let _ = update(&mut hundred, Msg::Key(KEY));
                draw(&hundred)
            }),
        ],
        ROUNDS,
    );
    // Costs that grow with the lists would exceed the double by far, because the lists are a thousand times as long. In
    // the grouped matrix, every token of a visible row is examined: this is reported without a budget.
    ratios[1..7].iter().all(|ratio| *ratio <= 2.0)
}

/// The matrix at 160×50 with this many tokens and tools.
fn matrix(tokens: usize, tools: usize) -> App {
    let mut app = console(tokens, 10);
    let rules = (0..tools).map(|n| (format!("tool{n}"), [format!("permission{}", n % 20), "user".to_owned()]));
    let rules = Rules { policy: Arc::new(Policy::new(rules)), ..(*app.auth.rules).clone() };
    app.auth.rules = Arc::new(rules);
    let _ = update(&mut app, Msg::Synced);
    let _ = update(&mut app, Msg::Key(app::key::Key::plain(app::key::Code::F(3))));
    app
}

/// The Time screen with this many tokens and a clock at 60 times the real speed.
fn lab(tokens: usize) -> App {
    let mut app = console(tokens, 10);
    for code in [Code::F(4), Code::Esc, Code::Char('2'), Code::End] {
        let _ = update(&mut app, Msg::Key(app::key::Key::plain(code)));
    }
    assert!(app.clock_badge().is_some(), "the clock must run faster");
    app
}

/// A key that moves down a list.
const DOWN: app::key::Key = app::key::Key::plain(app::key::Code::Down);

/// The key that groups the matrix by permissions.
const GROUP: app::key::Key = app::key::Key { ctrl: true, ..app::key::Key::plain(app::key::Code::Char('g')) };

/// A key that moves within a text.
const KEY: app::key::Key = app::key::Key::plain(app::key::Code::Left);

fn main() -> ExitCode {
    // Compare with jsonwebtoken's own implementation, not with jsonwebtoken over our HS256.
    let installed = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    assert!(installed.is_ok(), "the provider must not be installed yet");
    let kept = decide();
    let kept = asymmetric() && kept;
    let kept = stream() && kept;
    inspect();
    let kept = frames() && kept;
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
