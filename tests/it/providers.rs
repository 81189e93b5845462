//! Tokens of other issuers: shaped as each provider makes them, and forged in every classic way.

use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use portcullis::Rules;
use portcullis::auth::algorithm::Algorithm;
use portcullis::auth::explain::mapped;
use portcullis::auth::keys::jwk::{self, KeySource};
use portcullis::auth::keys::{Components, Generated};
use portcullis::auth::mapping::guess;
use portcullis::auth::{Audience, Issuer, Issuers, KeyOrigin, KeySet, Mapping, Signer};
use rstest::rstest;
use serde_json::{Value, json};

use crate::forge::{NOW, b64, mac};

/// An issuer's key pair, with the `kid` of its tokens.
pub struct Pair {
    algorithm: Algorithm,
    private: Vec<u8>,
    components: Components,
    kid: &'static str,
}

impl Pair {
    pub fn new(algorithm: Algorithm, kid: &'static str) -> Self {
        let (signer, generated) = Signer::generate(algorithm).expect("a key");
        let Generated::Pkcs8(der) = generated else { panic!("{algorithm} has a pair") };
        let components = signer.verifier().components().expect("a public key").clone();
        Self { algorithm, private: der.to_vec(), components, kid }
    }

    pub fn jwk(&self) -> Value {
        let mut jwk = jwk::write(&self.components);
        jwk.insert("kid".to_owned(), self.kid.into());
        Value::Object(jwk)
    }

    /// The set as the provider publishes it.
    pub fn keys(&self) -> KeySet {
        let set = json!({ "keys": [self.jwk()] }).to_string();
        let source = KeySource { origin: KeyOrigin::File, is_private: false };
        jwk::read(set.as_bytes(), source).expect("a set").keys.into_iter().collect()
    }

    pub fn sign(&self, header: &Value, payload: &Value) -> String {
        let signed = format!("{}.{}", b64(header.to_string()), b64(payload.to_string()));
        let random = SystemRandom::new();
        let signature = if self.algorithm == Algorithm::Es256 {
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.private).expect("a key");
            pair.sign(&random, signed.as_bytes()).expect("a signature").as_ref().to_vec()
        } else {
            let pair = RsaKeyPair::from_pkcs8(&self.private).expect("a key");
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).expect("a signature");
            signature
        };
        format!("{signed}.{}", b64(signature))
    }

    pub fn token(&self, payload: &Value) -> String {
        self.sign(&json!({ "alg": self.algorithm.name(), "kid": self.kid, "typ": "JWT" }), payload)
    }
}

/// Returns the claims with the times of a token that was issued ten seconds ago.
pub fn claims(mut payload: Value) -> Value {
    payload["exp"] = json!(NOW.seconds() + 3600);
    payload["iat"] = json!(NOW.seconds() - 10);
    payload
}

fn rules(issuers: impl IntoIterator<Item = Issuer>) -> Rules {
    let none = Issuers::new(Issuer::default());
    let issuers = issuers.into_iter().fold(none, |all, issuer| all.with(issuer).expect("another name"));
    Rules { issuers, ..Rules::new(KeySet::default()) }
}

fn issuer(name: &str, preset: &str, pair: &Pair) -> Issuer {
    let mapping = Arc::new(Mapping::named(preset).expect("a preset"));
    Issuer { name: Some(name.into()), mapping, keys: pair.keys(), ..Issuer::default() }
}

/// The tokens of each provider, as its documentation and its clients show them: the preset, the algorithm, the claims,
/// and where user and permissions come from.
#[rstest]
#[case("keycloak", Algorithm::Rs256, json!({"iss":"https://sso.example/realms/prod","aud":"account","sub":"f3a1","typ":"Bearer","azp":"orders","preferred_username":"buyer","realm_access":{"roles":["admin","offline_access"]},"resource_access":{"orders":{"roles":["clerk"]}},"scope":"openid orders:write","groups":["/staff"]}),
    "user f3a1 from sub; permissions admin, offline_access from realm_access.roles; permissions openid, orders:write from scope; permissions /staff from groups")]
#[case("auth0", Algorithm::Rs256, json!({"iss":"https://tenant.eu.auth0.com/","sub":"auth0|5f7","aud":["https://api.example","https://tenant.eu.auth0.com/userinfo"],"azp":"c1","scope":"openid profile read:orders","permissions":["read:orders","write:orders"]}),
    "user auth0|5f7 from sub; permissions read:orders, write:orders from permissions; permissions openid, profile from scope")]
#[case("okta", Algorithm::Rs256, json!({"ver":1,"jti":"AT.x","iss":"https://dev.okta.com/oauth2/default","aud":"api://default","cid":"0oa1","uid":"00u1","scp":["openid","orders"],"groups":["Everyone"],"sub":"buyer@example.com"}),
    "user 00u1 from uid; permissions openid, orders from scp; permissions Everyone from groups")]
#[case("entra", Algorithm::Rs256, json!({"aud":"api://orders","iss":"https://login.microsoftonline.com/t1/v2.0","azp":"c1","name":"Buyer","oid":"o-1","preferred_username":"buyer@example.com","scp":"Orders.Read Orders.Write","sub":"pairwise","tid":"t1","uti":"u1","ver":"2.0","roles":["Orders.Admin"],"wids":["62e90394"]}),
    "user o-1 from oid; permissions Orders.Read, Orders.Write from scp; permissions Orders.Admin from roles; permissions 62e90394 from wids")]
#[case("cognito", Algorithm::Rs256, json!({"sub":"u-1","cognito:groups":["admins"],"iss":"https://cognito-idp.eu-west-1.amazonaws.com/p1","client_id":"c1","token_use":"access","scope":"aws.cognito.signin.user.admin","username":"buyer","jti":"j"}),
    "user u-1 from sub; permissions admins from cognito:groups; permissions aws.cognito.signin.user.admin from scope")]
#[case("zitadel", Algorithm::Rs256, json!({"iss":"https://z.example","sub":"171","aud":["c1","c2"],"client_id":"c1","urn:zitadel:iam:org:project:roles":{"admin":{"1":"z.example"},"clerk":{"1":"z.example"}}}),
    "user 171 from sub; permissions admin, clerk from urn:zitadel:iam:org:project:roles")]
#[case("authentik", Algorithm::Es256, json!({"iss":"https://a.example/application/o/orders/","sub":"hash","aud":"c1","azp":"c1","groups":["authentik Admins"],"scope":"openid email"}),
    "user hash from sub; permissions \"authentik Admins\" from groups; permissions openid, email from scope")]
#[case("hydra", Algorithm::Rs256, json!({"iss":"https://h.example/","sub":"buyer","aud":[],"client_id":"c1","scp":["orders","offline"],"ext":{}}),
    "user buyer from sub; permissions orders, offline from scp")]
#[case("supabase", Algorithm::Es256, json!({"iss":"https://p.supabase.co/auth/v1","sub":"u-1","aud":"authenticated","email":"buyer@example.com","role":"authenticated","app_metadata":{"provider":"email","roles":["editor"]}}),
    "user u-1 from sub; permissions authenticated from role; permissions editor from app_metadata.roles")]
#[case("kubernetes", Algorithm::Rs256, json!({"iss":"https://kubernetes.default.svc","sub":"system:serviceaccount:shop:orders","aud":["https://kubernetes.default.svc"],"kubernetes.io":{"namespace":"shop","serviceaccount":{"name":"orders"}}}),
    "user system:serviceaccount:shop:orders from sub; permissions system:serviceaccount:shop:orders from sub")]
#[case("github", Algorithm::Rs256, json!({"iss":"https://token.actions.githubusercontent.com","sub":"repo:octo/shop:ref:refs/heads/main","aud":"mcp","repository":"octo/shop","ref":"refs/heads/main","jti":"j"}),
    "user repo:octo/shop:ref:refs/heads/main from sub; permissions octo/shop from repository")]
#[case("gitlab", Algorithm::Rs256, json!({"namespace_path":"octo","project_path":"octo/shop","user_login":"buyer","pipeline_id":"574","ref":"main","ref_type":"branch","runner_id":1,"jti":"j","iss":"https://gitlab.example","sub":"project_path:octo/shop:ref_type:branch:ref:main","aud":"mcp"}),
    "user project_path:octo/shop:ref_type:branch:ref:main from sub; permissions octo/shop from project_path")]
#[case("clerk", Algorithm::Rs256, json!({"azp":"https://orders.example","fva":[7,-1],"iss":"https://clerk.orders.example","sid":"sess_1","sub":"user_2abc","sts":"active","v":2,"o":{"id":"org_1","rol":"admin","slg":"octo","per":"read,manage","fpm":"3,2"}}),
    "user user_2abc from sub; permissions admin from o.rol")]
#[case("clerk", Algorithm::Rs256, json!({"client_id":"c1","iss":"https://shop.clerk.accounts.dev","jti":"j","scope":"email orders:read","sub":"user_2abc"}),
    "user user_2abc from sub; permissions email, orders:read from scope")]
#[case("google", Algorithm::Rs256, json!({"iss":"https://accounts.google.com","azp":"c1.apps.googleusercontent.com","aud":"c1.apps.googleusercontent.com","sub":"1101","email":"buyer@example.com","at_hash":"HK6E_P6Dh8Y93mRNtsDB1Q","nonce":"n"}),
    "user 1101 from sub; no permissions")]
#[case("authentik", Algorithm::Rs256, json!({"iss":"https://a.example/application/o/orders/","sub":"hash","aud":"c1","azp":"c1","nonce":"0S6_WzA2Mj","groups":["buyers"]}),
    "user hash from sub; permissions buyers from groups")]
#[case("keycloak", Algorithm::Rs256, json!({"iss":"https://sso.example/auth/realms/prod","sub":"f3a1","typ":"Bearer","nonce":"n","azp":"orders","realm_access":{"roles":["admin"]}}),
    "user f3a1 from sub; permissions admin from realm_access.roles")]
#[case("okta", Algorithm::Rs256, json!({"ver":1,"jti":"AT.y","iss":"https://dev-1.okta.com/oauth2/default","aud":"api://default","cid":"0oa1","scp":["orders"],"sub":"0oa1"}),
    "user 0oa1 from sub; permissions orders from scp")]
#[case("entra", Algorithm::Rs256, json!({"aud":"api://orders","iss":"https://sts.windows.net/t1/","appid":"c0","oid":"o-1","scp":"Orders.Read","sub":"pairwise","tid":"t1","unique_name":"buyer@example.com","ver":"1.0","_claim_names":{"groups":"src1"}}),
    "user o-1 from oid; permissions Orders.Read from scp")]
#[case("entra", Algorithm::Rs256, json!({"aud":"api://orders","iss":"https://login.microsoftonline.com/t1/v2.0","azp":"c0","azpacr":"1","oid":"sp-1","roles":["Orders.Read.All"],"sub":"sp-1","tid":"t1","ver":"2.0"}),
    "user sp-1 from oid; permissions Orders.Read.All from roles")]
#[case("cognito", Algorithm::Rs256, json!({"sub":"c1","token_use":"access","scope":"orders/read","iss":"https://cognito-idp.eu-west-1.amazonaws.com/p1","version":2,"client_id":"c1"}),
    "user c1 from sub; permissions orders/read from scope")]
#[case("hydra", Algorithm::Rs256, json!({"iss":"https://h.example/","aud":[],"client_id":"c1","ext":{},"scp":"orders offline","scope":["orders","profile"]}),
    "user c1 from client_id; permissions orders, offline from scp; permissions profile from scope")]
#[case("zitadel", Algorithm::Rs256, json!({"iss":"https://shop.zitadel.cloud","sub":"171","aud":["1710@shop"],"client_id":"1710@shop","scope":"openid"}),
    "user 171 from sub; permissions openid from scope")]
#[case("standard", Algorithm::Es256, json!({"iss":"https://as.example","sub":"buyer","aud":"mcp","client_id":"c1","scope":"orders:read orders:write","roles":["clerk"]}),
    "user buyer from sub; permissions orders:read, orders:write from scope; permissions clerk from roles")]
fn a_token_of_each_provider_is_verified_and_mapped(
    #[case] preset: &str,
    #[case] algorithm: Algorithm,
    #[case] payload: Value,
    #[case] wanted: &str,
) {
    let pair = Pair::new(algorithm, "k1");
    // Its shape alone is enough to recognize the provider.
    let iss = payload["iss"].as_str().unwrap_or_default();
    assert_eq!(guess(iss, |claim| payload.get(claim).is_some()).name, preset);
    let name = payload["iss"].as_str().expect("an issuer").to_owned();
    let rules = rules([issuer(&name, preset, &pair)]);
    let token = pair.token(&claims(payload));
    let principal = rules.verify_for(&token, Audience::Required, NOW).expect("it is valid");
    let judged = rules.inspect(token.as_str()).judged;
    let user = judged.user.as_ref().map(|(user, _)| user);
    let shown = judged.name.as_ref().filter(|name| Some(*name) != user);
    let shown = shown.map_or_else(String::new, |name| format!(", shown as {name}"));
    assert_eq!(mapped(&judged).join("; ").replacen(&shown, "", 1), wanted, "but for the display name");
    assert!(mapped(&judged).first().is_some_and(|user| user.ends_with(&shown)), "it is beside the stable ID");
    assert_eq!(principal.permissions, judged.permissions, "what is shown is what counts");
    assert_eq!(Some(&principal.user_id), judged.user.as_ref().map(|(user, _)| user));
}

/// Tokens whose claims an operator names, because no preset can know them.
#[rstest]
#[case::client_roles("keycloak", json!({"iss":"https://sso.example/realms/prod","sub":"f3a1","preferred_username":"buyer","resource_access":{"orders":{"roles":["clerk"]},"my.app":{"roles":["dotted"]}}}),
    &["preferred_username"], &["resource_access.orders.roles", "resource_access.my.app.roles"],
    "user buyer from preferred_username; permissions clerk from resource_access.orders.roles; permissions dotted from resource_access.my.app.roles")]
#[case::namespaced_roles("auth0", json!({"iss":"https://tenant.eu.auth0.com/","sub":"m2m@clients","gty":"client-credentials","https://orders.example/roles":["clerk","two words"]}),
    &[], &["https://orders.example/roles"],
    "user m2m@clients from sub; permissions clerk, \"two words\" from https://orders.example/roles")]
#[case::roles_of_a_project("zitadel", json!({"iss":"https://z.example","sub":"171","urn:zitadel:iam:org:project:1711:roles":{"project-admin":{"1709":"z.example"}}}),
    &[], &["urn:zitadel:iam:org:project:1711:roles"],
    "user 171 from sub; permissions project-admin from urn:zitadel:iam:org:project:1711:roles")]
#[case::service_account("kubernetes", json!({"iss":"https://kubernetes.default.svc","sub":"system:serviceaccount:shop:orders","kubernetes.io":{"namespace":"shop","serviceaccount":{"name":"orders"}}}),
    &["kubernetes.io.serviceaccount.name"], &["kubernetes.io.namespace"],
    "user orders from kubernetes.io.serviceaccount.name; permissions shop from kubernetes.io.namespace")]
#[case::gateway("standard", json!({"iss":"mcpgateway","sub":"admin@example.com","token_use":"session","user":{"email":"admin@example.com"},"teams":["t1"],"scopes":["tools.read","tools.execute"]}),
    &[], &["scopes", "teams"],
    "user admin@example.com from sub; permissions tools.read, tools.execute from scopes; permissions t1 from teams")]
#[case::list_with_commas("standard", json!({"iss":"https://as.example","sub":"buyer","rights":"read,write all"}),
    &[], &["rights,"],
    "user buyer from sub; permissions read, \"write all\" from rights")]
fn claims_that_an_operator_names_are_mapped(
    #[case] preset: &str,
    #[case] payload: Value,
    #[case] user: &[&str],
    #[case] permissions: &[&str],
    #[case] wanted: &str,
) {
    let pair = Pair::new(Algorithm::Es256, "k1");
    let name = payload["iss"].as_str().expect("an issuer").to_owned();
    let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mapping = Mapping::named(preset).expect("a preset");
    let mapping = mapping.with_user(&owned(user)).with_permissions(&owned(permissions));
    let rules = rules([Issuer { mapping: Arc::new(mapping), ..issuer(&name, preset, &pair) }]);
    let token = pair.token(&claims(payload));
    let principal = rules.verify_for(&token, Audience::Required, NOW).expect("it is valid");
    let judged = rules.inspect(token.as_str()).judged;
    // The display name beside the user is another claim's.
    let lines: Vec<String> = mapped(&judged);
    let lines: Vec<&str> = lines.iter().filter_map(|line| line.split(", shown as ").next()).collect();
    assert_eq!(lines.join("; "), wanted);
    assert_eq!(principal.permissions, judged.permissions);
}

/// A token of Cognito is for its client, unless it is bound to a resource: then only the resource counts.
#[rstest]
#[case(json!({"client_id":"c1"}), Ok(()))]
#[case(json!({"client_id":"c2"}), Err("client_id is c2, expected c1 or https://orders.example"))]
#[case(json!({"client_id":"c2","aud":"https://orders.example"}), Ok(()))]
#[case(json!({"client_id":"c1","aud":"https://other.example"}), Err("aud is https://other.example, expected c1 or https://orders.example"))]
#[case(json!({"client_id":"c1","aud":7}), Err("the token has no audience (aud), expected c1 or https://orders.example"))]
#[case(json!({}), Err("the token has no audience (aud), expected c1 or https://orders.example"))]
fn a_bound_token_of_cognito_counts_by_its_resource(
    #[case] mut payload: Value,
    #[case] wanted: Result<(), &'static str>,
) {
    let pair = Pair::new(Algorithm::Rs256, "k1");
    let name = "https://cognito-idp.eu-west-1.amazonaws.com/p1";
    payload["iss"] = json!(name);
    payload["sub"] = json!("u-1");
    let named: Vec<Value> = ["aud", "client_id"].iter().filter_map(|claim| payload.get(claim).cloned()).collect();
    let audiences = ["c1", "https://orders.example"].map(Into::into).into();
    let rules = rules([Issuer { audiences, ..issuer(name, "cognito", &pair) }]);
    let token = pair.token(&claims(payload));
    let verified = rules.verify_for(&token, Audience::Required, NOW).map(|_| ()).map_err(|reason| reason.to_string());
    assert_eq!(verified, wanted.map_err(str::to_owned));
    // What is compared is what is shown.
    let shown: Vec<Value> = rules.inspect(token.as_str()).audiences(&rules).into_iter().map(Into::into).collect();
    assert_eq!(shown, named.into_iter().take(1).filter(Value::is_string).collect::<Vec<_>>());
    let failed = rules.inspect(token.as_str()).judged.failures(NOW).first().map(ToString::to_string);
    assert_eq!(failed.as_deref(), wanted.err());
}

/// ID tokens are refused, except those of an issuer without any other JWTs.
#[rstest]
#[case("cognito", json!({"iss":"https://cognito-idp.eu-west-1.amazonaws.com/p1","sub":"a","aud":"c1","token_use":"id","cognito:groups":["admins"]}))]
#[case("authentik", json!({"iss":"https://a.example/application/o/orders/","sub":"hash","aud":"c1","nonce":"n","at_hash":"h","scope":"openid","groups":["buyers"]}))]
#[case("keycloak", json!({"iss":"https://sso.example/realms/prod","sub":"f3a1","typ":"ID","nonce":"n","at_hash":"h"}))]
#[case("auth0", json!({"iss":"https://tenant.eu.auth0.com/","sub":"auth0|5f7","aud":"c1","nonce":"n"}))]
#[case("okta", json!({"iss":"https://dev-1.okta.com/oauth2/default","sub":"00u1","aud":"0oa1","at_hash":"h","amr":["pwd"]}))]
#[case("entra", json!({"iss":"https://login.microsoftonline.com/t1/v2.0","oid":"o-1","tid":"t1","aud":"c0","nonce":"n"}))]
fn an_id_token_of_each_provider_is_refused(#[case] preset: &str, #[case] payload: Value) {
    let pair = Pair::new(Algorithm::Es256, "k1");
    let name = payload["iss"].as_str().expect("an issuer").to_owned();
    let rules = rules([issuer(&name, preset, &pair)]);
    let refused = rules.verify(&pair.token(&claims(payload)), NOW).expect_err("it is an ID token");
    assert_eq!(refused.to_string(), "the token is an ID token, expected an access token");
}

#[test]
fn an_id_token_of_google_is_accepted_and_that_is_said_with_the_risk() {
    let pair = Pair::new(Algorithm::Rs256, "k1");
    let payload = json!({"iss":"https://accounts.google.com","aud":"c1","sub":"1101","nonce":"n","at_hash":"h"});
    let token = pair.token(&claims(payload));
    let open = issuer("https://accounts.google.com", "google", &pair);
    let bound = Issuer { audiences: ["c1".into()].into(), ..open.clone() };
    let says = |issuer: &Issuer| {
        let findings = rules([issuer.clone()]).inspect(token.as_str()).findings_at(NOW);
        let found = findings.iter().find(|finding| finding.code() == "id_token_accepted");
        found.map(ToString::to_string).unwrap_or_default()
    };
    let accepted = "an ID token, accepted because the issuer has no other JWTs";
    assert_eq!(says(&bound), accepted);
    let risk = "; each client of the issuer gets one, so require your client's ID as the audience";
    assert_eq!(says(&open), format!("{accepted}{risk}"));
    let typed = Issuer { require_typ: true, ..open };
    assert_eq!(says(&typed), "");
    assert!(rules([typed]).verify(&token, NOW).is_err());
}

/// Providers that sign with a secret they share with the server, and keys and tokens whose `kid` is empty.
#[test]
fn tokens_that_a_shared_secret_verifies_and_those_with_an_empty_kid_are_accepted() {
    for (preset, payload) in [
        ("authentik", json!({"iss":"https://a.example/application/o/orders/","sub":"hash","groups":["buyers"]})),
        ("supabase", json!({"iss":"https://p.supabase.co/auth/v1","sub":"u-1","role":"authenticated"})),
    ] {
        let key = Signer::hs256(crate::forge::SECRET, KeyOrigin::Program).expect("a key");
        let mapping = Arc::new(Mapping::named(preset).expect("a preset"));
        let name = payload["iss"].as_str().map(Arc::from);
        let rules = rules([Issuer { name, mapping, keys: KeySet::from(&key), ..Issuer::default() }]);
        let token = crate::forge::token(claims(payload).to_string());
        assert_eq!(rules.verify(&token, NOW).expect("valid").permissions.len(), 1, "{preset}");
    }
    let pair = Pair::new(Algorithm::Rs256, "");
    let rules = rules([issuer("https://kubernetes.default.svc", "kubernetes", &pair)]);
    let payload = claims(json!({"iss":"https://kubernetes.default.svc","sub":"system:serviceaccount:shop:orders"}));
    for header in [json!({"alg":"RS256","kid":""}), json!({"alg":"RS256"})] {
        assert!(rules.verify(&pair.sign(&header, &payload), NOW).is_ok(), "{header}");
    }
}

#[cfg(feature = "program")]
#[test]
fn the_console_shows_a_foreign_token_with_the_claims_that_count() {
    let pair = Pair::new(Algorithm::Rs256, "k1");
    let policy =
        portcullis::auth::Policy::parse("[tools.read_data]\npermissions = [\"orders:read\"]\n").expect("a policy");
    let other = issuer("https://as.example", "standard", &pair);
    let own = Rules::new(&Signer::hs256(crate::forge::SECRET, KeyOrigin::Program).expect("a key"));
    let issuers = own.issuers.with(other).expect("another name");
    let payload = claims(json!({"iss":"https://as.example","sub":"buyer","scope":"orders:read openid"}));
    for (columns, rows) in [(80, 24), (120, 36)] {
        let mut desk = crate::desk::Desk::with(
            Rules { policy: Arc::new(policy.clone()), issuers: issuers.clone(), ..own.clone() },
            columns,
            rows,
        );
        desk.pastes(&pair.token(&payload));
        desk.must_show(&["VALID", "user buyer from sub", "permissions orders:read, openid from"]);
        desk.keys("Esc 4").must_show(&["ALLOWED", "permission orders:read"]);
    }
}

#[test]
fn an_audience_that_several_issuers_expect_is_named_once() {
    let pair = Pair::new(Algorithm::Es256, "k1");
    let for_us = |name: &str| Issuer { audiences: ["https://mcp".into()].into(), ..issuer(name, "standard", &pair) };
    let described = rules([for_us("https://a"), for_us("https://b")]).described();
    let audiences: Vec<&String> = described.iter().filter(|setting| setting.starts_with("aud ")).collect();
    assert_eq!(audiences, ["aud https://mcp"]);
}

/// Two issuers whose keys have the same `kid` never meet, and every classic forgery is refused by its reason.
#[test]
fn forgeries_of_asymmetric_tokens_are_refused_each_by_its_reason() {
    let (ours, theirs) = (Pair::new(Algorithm::Rs256, "k1"), Pair::new(Algorithm::Es256, "k1"));
    let rules = rules([issuer("https://ours", "standard", &ours), issuer("https://theirs", "standard", &theirs)]);
    let code = |token: &str| rules.verify(token, NOW).map_or_else(|reason| reason.code(), |_| "valid");
    let payload = |iss: &str| claims(json!({ "iss": iss, "sub": "buyer", "scope": "admin" }));
    assert_eq!(
        (code(&ours.token(&payload("https://ours"))), code(&theirs.token(&payload("https://theirs")))),
        ("valid", "valid")
    );
    // The other issuer's key, whose kid is the same.
    assert_eq!(code(&theirs.token(&payload("https://ours"))), "algorithm_refused");
    let stranger = Pair::new(Algorithm::Rs256, "k1");
    assert_eq!(code(&stranger.token(&payload("https://ours"))), "bad_signature");
    assert_eq!(code(&ours.token(&payload("https://nowhere"))), "unknown_issuer");
    // The public key as an HMAC secret, in each form in which people have it.
    let public = ours.jwk().to_string();
    let Components::Rsa { n, .. } = &ours.components else { panic!("RSA") };
    for secret in [public.as_bytes(), n] {
        let signed = format!(
            "{}.{}",
            b64(json!({"alg":"HS256","kid":"k1"}).to_string()),
            b64(payload("https://ours").to_string())
        );
        let token = format!("{signed}.{}", b64(mac(&signed, secret)));
        assert_eq!(code(&token), "algorithm_refused");
    }
    // The header brings the key, or says where it is.
    let embedded =
        json!({"alg":"RS256","jwk":stranger.jwk(),"jku":"https://evil.example/jwks","x5u":"https://evil.example"});
    assert_eq!(code(&stranger.sign(&embedded, &payload("https://ours"))), "bad_signature");
    let unknown = json!({"alg":"RS256","kid":"../../k2"});
    assert_eq!(code(&ours.sign(&unknown, &payload("https://ours"))), "unknown_key");
    // CVE-2022-21449, DER instead of raw, and a signature of nothing.
    let good = theirs.token(&payload("https://theirs"));
    let signed = good.rsplit_once('.').expect("three segments").0;
    for signature in [vec![0; 64], vec![0x30, 6, 2, 1, 1, 2, 1, 1], Vec::new()] {
        assert_eq!(code(&format!("{signed}.{}", b64(signature))), "bad_signature");
    }
    // An ID token, a refresh token, and no signature at all.
    let mut id = payload("https://ours");
    id["nonce"] = "n".into();
    assert_eq!(code(&ours.token(&id)), "valid", "an access token with scopes may have a nonce too");
    id["at_hash"] = "h".into();
    assert_eq!(code(&ours.token(&id)), "wrong_type");
    let mut only_nonce = claims(json!({ "iss": "https://ours", "sub": "buyer", "nonce": "n" }));
    assert_eq!(code(&ours.token(&only_nonce)), "wrong_type");
    only_nonce["typ"] = "Bearer".into();
    assert_eq!(code(&ours.token(&only_nonce)), "valid");
    let mut refresh = payload("https://ours");
    refresh["typ"] = "Refresh".into();
    assert_eq!(code(&ours.token(&refresh)), "wrong_type");
    let none = format!("{}.{}.", b64(json!({"alg":"none"}).to_string()), b64(payload("https://ours").to_string()));
    assert_eq!(code(&none), "algorithm_refused");
}

#[test]
fn of_issuers_that_accept_any_iss_the_algorithm_selects_one() {
    let pair = Pair::new(Algorithm::Es256, "k1");
    let own = Rules::new(&Signer::hs256(crate::forge::SECRET, KeyOrigin::Program).expect("a key"));
    let other = Issuer { name: None, ..issuer("x", "standard", &pair) };
    let rules = Rules { issuers: own.issuers.with(other).expect("no name"), ..own };
    let code = |token: &str| rules.verify(token, NOW).map_or_else(|reason| reason.code(), |_| "valid");
    assert_eq!(code(&crate::forge::token(crate::forge::claims(""))), "valid");
    assert_eq!(code(&pair.token(&claims(json!({"iss":"https://anyone","sub":"buyer"})))), "valid");
    let unknown = pair.sign(&json!({"alg":"RS256"}), &claims(json!({"sub":"buyer"})));
    assert_eq!(code(&unknown), "algorithm_refused");
}
