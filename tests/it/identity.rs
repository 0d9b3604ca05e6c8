//! Tokens against a real issuer (an HTTP server in this process): what is accepted, and all that is not.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::{Json, Router, http::StatusCode, routing::get};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use lakegate::config::{AuthConfig, IssuerConfig, SigningAlgorithm};
use lakegate::error::ErrorKind;
use lakegate::identity::{Authenticator, LocalIssuer, REFUSAL};
use lakegate::policy::principal::Identity;
use serde_json::{Value, json};

const RSA1: &str = include_str!("keys/rsa1.pem");
const RSA1_PUBLIC: &str = include_str!("keys/rsa1.pub.pem");
const RSA2: &str = include_str!("keys/rsa2.pem");
const RSA_SMALL: &str = include_str!("keys/rsasmall.pem");
const P256: &str = include_str!("keys/p256.pem");
const P384: &str = include_str!("keys/p384.pem");
const ED: &str = include_str!("keys/ed.pem");
const PUBLIC: &str = include_str!("keys/public.json");

/// The public JWK of a test key, under a key id.
fn jwk(name: &str, kid: &str) -> Value {
    let mut key = serde_json::from_str::<Value>(PUBLIC).unwrap()[name].clone();
    key["kid"] = json!(kid);
    key
}

/// An issuer on loopback whose key set can change, fail, and counts its requests.
struct Issuer {
    url: String,
    keys: Arc<Mutex<Option<Value>>>,
    fetches: Arc<AtomicUsize>,
}

impl Issuer {
    async fn start(keys: Vec<Value>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let keys = Arc::new(Mutex::new(Some(json!({ "keys": keys }))));
        let fetches = Arc::new(AtomicUsize::new(0));
        let document = json!({"issuer": url, "jwks_uri": format!("{url}/jwks")});
        let (held, count) = (keys.clone(), fetches.clone());
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(move || async move { Json(document) }))
            .route(
                "/jwks",
                get(move || async move {
                    count.fetch_add(1, SeqCst);
                    held.lock().unwrap().clone().map(Json).ok_or(StatusCode::SERVICE_UNAVAILABLE)
                }),
            );
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, keys, fetches }
    }

    fn publish(&self, keys: Option<Vec<Value>>) {
        *self.keys.lock().unwrap() = keys.map(|keys| json!({ "keys": keys }));
    }

    fn config(&self) -> IssuerConfig {
        IssuerConfig {
            issuer: self.url.clone(),
            audience: vec!["lakegate".into()],
            ..IssuerConfig::default()
        }
    }

    fn claims(&self) -> Value {
        json!({"iss": self.url, "aud": "lakegate", "sub": "bo", "groups": ["analysts"], "exp": now() + 600})
    }

    fn fetched(&self) -> usize {
        self.fetches.load(SeqCst)
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64
}

fn all_keys() -> Vec<Value> {
    vec![jwk("rsa1", "rsa"), jwk("p256", "p256"), jwk("p384", "p384"), jwk("ed", "ed")]
}

async fn authenticator(issuers: Vec<IssuerConfig>) -> Authenticator {
    Authenticator::new(&AuthConfig { issuers, ..AuthConfig::default() }).await.unwrap()
}

fn private(algorithm: Algorithm) -> (&'static str, EncodingKey) {
    match algorithm {
        Algorithm::ES256 => ("p256", EncodingKey::from_ec_pem(P256.as_bytes()).unwrap()),
        Algorithm::ES384 => ("p384", EncodingKey::from_ec_pem(P384.as_bytes()).unwrap()),
        Algorithm::EdDSA => ("ed", EncodingKey::from_ed_pem(ED.as_bytes()).unwrap()),
        _ => ("rsa", EncodingKey::from_rsa_pem(RSA1.as_bytes()).unwrap()),
    }
}

fn sign(algorithm: Algorithm, kid: Option<&str>, claims: &Value) -> String {
    let mut header = Header::new(algorithm);
    header.kid = kid.map(str::to_owned);
    jsonwebtoken::encode(&header, claims, &private(algorithm).1).unwrap()
}

/// A token with any header, signed with RS256 by `pem`.
fn sign_raw(header: &Value, claims: &Value, pem: &str) -> String {
    let message = format!("{}.{}", part(header), part(claims));
    let key = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::RS256).unwrap();
    format!("{message}.{signature}")
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

#[track_caller]
fn refused(case: &str, outcome: lakegate::error::Result<Identity>) {
    let error = outcome.err().unwrap_or_else(|| panic!("{case}: was accepted"));
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{case}");
    assert_eq!(error.to_string(), REFUSAL, "{case}");
    assert!(std::error::Error::source(&error).is_none(), "{case}: the reason is for the log");
}

fn with(base: &Value, key: &str, value: Value) -> Value {
    let mut changed = base.clone();
    changed[key] = value;
    changed
}

fn without(base: &Value, key: &str) -> Value {
    let mut changed = base.clone();
    changed.as_object_mut().unwrap().remove(key);
    changed
}

#[tokio::test]
async fn every_algorithm_is_verified_with_its_own_key_type() {
    use Algorithm::*;
    let issuer = Issuer::start(all_keys()).await;
    let tokens = authenticator(vec![issuer.config()]).await;
    for algorithm in [RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA] {
        let token = sign(algorithm, Some(private(algorithm).0), &issuer.claims());
        let who = tokens.authenticate(&token).await.unwrap_or_else(|_| panic!("{algorithm:?}"));
        assert_eq!(who.user, "bo");
        assert_eq!(who.groups, ["analysts".to_owned()].into());
        assert_eq!(who.attributes["aud"], json!("lakegate"));
        let (message, _) = token.rsplit_once('.').unwrap();
        let other = sign(algorithm, Some(private(algorithm).0), &with(&issuer.claims(), "sub", json!("eve")));
        let foreign = other.rsplit_once('.').unwrap().1;
        refused("another token's signature", tokens.authenticate(&format!("{message}.{foreign}")).await);
        refused("no signature", tokens.authenticate(&format!("{message}.")).await);
    }
    assert_eq!(issuer.fetched(), 1, "keys are cached");
}

#[tokio::test]
async fn an_algorithm_outside_the_allow_list_is_refused() {
    let issuer = Issuer::start(all_keys()).await;
    let config = IssuerConfig { algorithms: vec![SigningAlgorithm::ES256], ..issuer.config() };
    let tokens = authenticator(vec![config]).await;
    tokens.authenticate(&sign(Algorithm::ES256, Some("p256"), &issuer.claims())).await.unwrap();
    refused("RS256", tokens.authenticate(&sign(Algorithm::RS256, Some("rsa"), &issuer.claims())).await);
}

#[tokio::test]
async fn key_confusion_is_impossible() {
    let issuer = Issuer::start(all_keys()).await;
    let tokens = authenticator(vec![issuer.config()]).await;
    let n = URL_SAFE_NO_PAD.decode(jwk("rsa1", "")["n"].as_str().unwrap()).unwrap();
    for (case, secret) in [("public PEM", RSA1_PUBLIC.as_bytes()), ("modulus", &n), ("empty", b"")] {
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some("rsa".into());
        let token =
            jsonwebtoken::encode(&header, &issuer.claims(), &EncodingKey::from_secret(secret)).unwrap();
        refused(case, tokens.authenticate(&token).await);
    }
    for alg in ["none", "None", "NONE", "nOnE", "", "RS1", "rs256"] {
        let head = part(&json!({"alg": alg, "kid": "rsa"}));
        refused(alg, tokens.authenticate(&format!("{head}.{}.", part(&issuer.claims()))).await);
    }
    refused(
        "kid of another type",
        tokens.authenticate(&sign(Algorithm::RS256, Some("ed"), &issuer.claims())).await,
    );
    refused(
        "kid of another curve",
        tokens.authenticate(&sign(Algorithm::ES256, Some("p384"), &issuer.claims())).await,
    );
}

#[tokio::test]
async fn keys_and_extensions_that_a_token_brings_along_are_not_used() {
    let issuer = Issuer::start(all_keys()).await;
    let tokens = authenticator(vec![issuer.config()]).await;
    let good = json!({"alg": "RS256", "kid": "rsa"});
    tokens.authenticate(&sign_raw(&good, &issuer.claims(), RSA1)).await.unwrap();
    let jwks = format!("{}/jwks", issuer.url);
    for (key, value) in [("jwk", jwk("rsa2", "rsa")), ("jku", json!(jwks)), ("x5u", json!(jwks))] {
        refused(key, tokens.authenticate(&sign_raw(&with(&good, key, value), &issuer.claims(), RSA2)).await);
    }
    for crit in [json!(["exp"]), json!([]), json!(null), json!(["b64"])] {
        refused(
            "crit",
            tokens.authenticate(&sign_raw(&with(&good, "crit", crit), &issuer.claims(), RSA1)).await,
        );
    }
    assert_eq!(issuer.fetched(), 1);
}

#[tokio::test]
async fn times_audience_and_issuer_are_checked() {
    let issuer = Issuer::start(all_keys()).await;
    let tokens = authenticator(vec![issuer.config()]).await;
    let good = issuer.claims();
    let try_claims =
        async |claims: Value| tokens.authenticate(&sign(Algorithm::EdDSA, Some("ed"), &claims)).await;
    for claims in [
        with(&good, "aud", json!(["other", "lakegate"])),
        with(&good, "exp", json!(now() - 10)),
        with(&good, "nbf", json!(now() + 10)),
        with(&good, "exp", json!(now() as f64 + 99.5)),
    ] {
        try_claims(claims.clone()).await.unwrap_or_else(|_| panic!("{claims}"));
    }
    for (case, claims) in [
        ("expired", with(&good, "exp", json!(now() - 31))),
        ("no exp", without(&good, "exp")),
        ("exp as text", with(&good, "exp", json!((now() + 600).to_string()))),
        ("exp null", with(&good, "exp", json!(null))),
        ("nbf in the future", with(&good, "nbf", json!(now() + 60))),
        ("nbf as text", with(&good, "nbf", json!("soon"))),
        ("wrong audience", with(&good, "aud", json!("other"))),
        ("no audience", without(&good, "aud")),
        ("empty audience", with(&good, "aud", json!([]))),
        ("wrong issuer", with(&good, "iss", json!("https://evil.example"))),
        ("issuer with a slash", with(&good, "iss", json!(format!("{}/", issuer.url)))),
        ("list of issuers", with(&good, "iss", json!([issuer.url]))),
        ("no issuer", without(&good, "iss")),
        ("no user", without(&good, "sub")),
        ("empty user", with(&good, "sub", json!(" "))),
        ("user is a number", with(&good, "sub", json!(7))),
        ("groups is a number", with(&good, "groups", json!(7))),
        ("a group is a number", with(&good, "groups", json!(["a", 7]))),
    ] {
        refused(case, try_claims(claims).await);
    }
}

#[tokio::test]
async fn an_unknown_issuer_fetches_nothing() {
    let (ours, theirs) = (Issuer::start(all_keys()).await, Issuer::start(all_keys()).await);
    let tokens = authenticator(vec![ours.config()]).await;
    refused("foreign", tokens.authenticate(&sign(Algorithm::EdDSA, Some("ed"), &theirs.claims())).await);
    assert_eq!((ours.fetched(), theirs.fetched()), (0, 0));
}

#[tokio::test]
async fn malformed_tokens_are_refused() {
    let issuer = Issuer::start(all_keys()).await;
    let tokens = authenticator(vec![issuer.config()]).await;
    let good = sign(Algorithm::EdDSA, Some("ed"), &issuer.claims());
    let huge = sign(Algorithm::EdDSA, Some("ed"), &with(&issuer.claims(), "pad", json!("x".repeat(17_000))));
    let text = URL_SAFE_NO_PAD.encode([0xff, 0xfe, b'{', b'}']);
    let deep = URL_SAFE_NO_PAD.encode("[".repeat(8_000));
    let head = good.split('.').next().unwrap();
    for token in [
        "",
        ".",
        "..",
        "...",
        "garbage",
        "a.b.c",
        "\u{1F4A9}.x.y",
        " ",
        &huge,
        &format!("{good}.x"),
        &format!(" {good}"),
        &format!("{good}="),
        &format!("{text}.{text}.{text}"),
        &format!("{head}.{deep}.x"),
        &format!("{head}.!!!.x"),
        &format!("Bearer {good}"),
    ] {
        refused(&token.chars().take(40).collect::<String>(), tokens.authenticate(token).await);
    }
    tokens.authenticate(&good).await.unwrap();
}

#[tokio::test]
async fn an_unknown_kid_refreshes_once_in_an_interval() {
    let issuer = Issuer::start(vec![jwk("ed", "ed")]).await;
    let tokens = authenticator(vec![issuer.config()]).await;
    tokens.authenticate(&sign(Algorithm::EdDSA, Some("ed"), &issuer.claims())).await.unwrap();
    let unknown = sign(Algorithm::RS256, Some("rsa"), &issuer.claims());
    let attempts = (0..20).map(|_| tokens.authenticate(&unknown));
    for outcome in futures::future::join_all(attempts).await {
        refused("unknown kid", outcome);
    }
    assert_eq!(issuer.fetched(), 1, "the first fetch was within the interval");

    let quick = IssuerConfig { min_refresh_interval: Duration::from_millis(300), ..issuer.config() };
    let tokens = authenticator(vec![quick]).await;
    tokens.authenticate(&sign(Algorithm::EdDSA, Some("ed"), &issuer.claims())).await.unwrap();
    tokio::time::sleep(Duration::from_millis(350)).await;
    let before = issuer.fetched();
    for outcome in futures::future::join_all((0..20).map(|_| tokens.authenticate(&unknown))).await {
        refused("unknown kid", outcome);
    }
    assert_eq!(issuer.fetched(), before + 1, "one fetch for all of them");
}

#[tokio::test]
async fn a_rotated_key_works_after_a_refresh_and_a_withdrawn_one_stops() {
    let issuer = Issuer::start(vec![jwk("ed", "ed")]).await;
    let config = IssuerConfig { min_refresh_interval: Duration::ZERO, ..issuer.config() };
    let tokens = authenticator(vec![config]).await;
    let old = sign(Algorithm::EdDSA, Some("ed"), &issuer.claims());
    let new = sign(Algorithm::RS256, Some("rsa"), &issuer.claims());
    tokens.authenticate(&old).await.unwrap();
    issuer.publish(Some(vec![jwk("rsa1", "rsa")]));
    tokens.authenticate(&new).await.unwrap();
    refused("withdrawn", tokens.authenticate(&old).await);
}

#[tokio::test]
async fn old_keys_serve_while_the_issuer_is_down() {
    let issuer = Issuer::start(all_keys()).await;
    let config = IssuerConfig {
        min_refresh_interval: Duration::ZERO,
        max_key_age: Duration::from_millis(1),
        ..issuer.config()
    };
    let tokens = authenticator(vec![config.clone()]).await;
    let token = sign(Algorithm::EdDSA, Some("ed"), &issuer.claims());
    tokens.authenticate(&token).await.unwrap();
    issuer.publish(None);
    tokio::time::sleep(Duration::from_millis(5)).await;
    tokens.authenticate(&token).await.unwrap();
    assert!(issuer.fetched() >= 2, "a refresh was tried");
    let fresh = authenticator(vec![config]).await;
    refused("no keys ever", fresh.authenticate(&token).await);
    issuer.publish(Some(all_keys()));
    fresh.authenticate(&token).await.unwrap();
}

#[tokio::test]
async fn key_ids_are_optional_only_when_one_key_fits_and_never_ambiguous() {
    let issuer = Issuer::start(vec![jwk("rsa1", "a"), jwk("ed", "b")]).await;
    let config = IssuerConfig { min_refresh_interval: Duration::ZERO, ..issuer.config() };
    let tokens = authenticator(vec![config.clone()]).await;
    let bare = sign(Algorithm::RS256, None, &issuer.claims());
    tokens.authenticate(&bare).await.unwrap();
    issuer.publish(Some(vec![jwk("rsa1", "a"), jwk("rsa2", "c")]));
    refused("two keys fit", authenticator(vec![config.clone()]).await.authenticate(&bare).await);
    issuer.publish(Some(vec![jwk("rsa1", "a"), jwk("rsa2", "a")]));
    let named = sign(Algorithm::RS256, Some("a"), &issuer.claims());
    refused("duplicate kid", authenticator(vec![config]).await.authenticate(&named).await);
}

#[tokio::test]
async fn unfit_keys_of_a_set_are_left_out_and_do_not_spoil_the_rest() {
    let keys = vec![
        json!({"kty": "oct", "k": "c2VjcmV0", "kid": "oct"}),
        json!({"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "kid": "short"}),
        json!({"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA", "kid": "curve"}),
        json!(7),
        with(&jwk("rsa1", "enc"), "use", json!("enc")),
        with(&jwk("rsa1", "ops"), "key_ops", json!(["encrypt"])),
        with(&jwk("rsa1", "alg"), "alg", json!("RS512")),
        jwk("rsasmall", "small"),
        jwk("ed", "ed"),
    ];
    let issuer = Issuer::start(keys).await;
    let tokens = authenticator(vec![issuer.config()]).await;
    tokens.authenticate(&sign(Algorithm::EdDSA, Some("ed"), &issuer.claims())).await.unwrap();
    refused("short key", tokens.authenticate(&sign(Algorithm::EdDSA, Some("short"), &issuer.claims())).await);
    for kid in ["enc", "ops", "alg"] {
        refused(kid, tokens.authenticate(&sign(Algorithm::RS256, Some(kid), &issuer.claims())).await);
    }
    let small = sign_raw(&json!({"alg": "RS256", "kid": "small"}), &issuer.claims(), RSA_SMALL);
    refused("1024 bits", tokens.authenticate(&small).await);
}

#[tokio::test]
async fn claims_are_mapped_as_configured() {
    let issuer = Issuer::start(all_keys()).await;
    let claims = json!({
        "iss": issuer.url, "aud": "lakegate", "exp": now() + 600, "sub": "id-1", "email": "bo@example.com",
        "scope": "read, write  admin", "realm_access": {"roles": ["a", "b", "a", ""]}, "https://x.y/roles": ["dotted"],
        "extra": {"regions": ["EU"], "level": 3}, "price": 12.50,
    });
    let token = sign(Algorithm::EdDSA, Some("ed"), &claims);
    let read = async |config: IssuerConfig| authenticator(vec![config]).await.authenticate(&token).await;
    let groups = async |claim: &str| {
        read(IssuerConfig { groups_claim: claim.into(), ..issuer.config() })
            .await
            .unwrap()
            .groups
            .into_iter()
            .collect::<Vec<_>>()
    };
    assert_eq!(groups("scope").await, ["admin", "read", "write"]);
    assert_eq!(groups("realm_access.roles").await, ["a", "b"]);
    assert_eq!(groups("https://x.y/roles").await, ["dotted"]);
    assert!(groups("missing").await.is_empty());
    let who = read(IssuerConfig {
        user_claim: "email".into(),
        groups_claim: "realm_access.roles".into(),
        user_prefix: Some("corp:".into()),
        group_prefix: Some("corp/".into()),
        attributes_claim: Some("extra".into()),
        ..issuer.config()
    })
    .await
    .unwrap();
    assert_eq!(who.user, "corp:bo@example.com");
    assert_eq!(who.groups, ["corp/a".to_owned(), "corp/b".to_owned()].into());
    assert_eq!(
        who.attributes,
        BTreeMap::from([("regions".into(), json!(["EU"])), ("level".into(), json!(3))])
    );
    refused("user is an object", read(IssuerConfig { user_claim: "extra".into(), ..issuer.config() }).await);
}

#[tokio::test]
async fn key_sets_come_from_files_and_urls_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jwks.json");
    std::fs::write(&path, json!({"keys": all_keys()}).to_string()).unwrap();
    let issuer = Issuer::start(all_keys()).await;
    let base = issuer.config();
    let token = sign(Algorithm::EdDSA, Some("ed"), &with(&issuer.claims(), "iss", json!("corp")));
    for config in [
        IssuerConfig { issuer: "corp".into(), jwks_file: Some(path.clone()), ..base.clone() },
        IssuerConfig {
            issuer: "corp".into(),
            jwks_url: Some(format!("{}/jwks", issuer.url)),
            ..base.clone()
        },
    ] {
        authenticator(vec![config]).await.authenticate(&token).await.unwrap();
    }
    std::fs::write(&path, "{}").unwrap();
    for (config, reason) in [
        (IssuerConfig { issuer: "corp".into(), jwks_file: Some(path), ..base.clone() }, "no list `keys`"),
        (IssuerConfig { issuer: "http://login.example.com".into(), ..base.clone() }, "without TLS"),
        (IssuerConfig { jwks_url: Some("ftp://x/y".into()), ..base }, "cannot be fetched"),
    ] {
        let auth = AuthConfig { issuers: vec![config], ..AuthConfig::default() };
        let error = Authenticator::new(&auth).await.unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[tokio::test]
async fn a_discovery_document_of_another_issuer_is_refused() {
    let issuer = Issuer::start(all_keys()).await;
    let config = IssuerConfig {
        issuer: "https://login.example.com".into(),
        discovery_url: Some(format!("{}/.well-known/openid-configuration", issuer.url)),
        ..issuer.config()
    };
    let tokens = authenticator(vec![config]).await;
    let claims = with(&issuer.claims(), "iss", json!("https://login.example.com"));
    refused("discovery", tokens.authenticate(&sign(Algorithm::EdDSA, Some("ed"), &claims)).await);
    assert_eq!(issuer.fetched(), 0);
}

#[tokio::test]
async fn local_tokens_round_trip_and_foreign_ones_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.pem");
    let local = LocalIssuer::create(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(LocalIssuer::create(&path).is_err(), "a key is never written over");
    let auth = AuthConfig { local_issuer: true, signing_key: Some(path.clone()), ..AuthConfig::default() };
    let tokens = Authenticator::new(&auth).await.unwrap();
    let attributes = BTreeMap::from([("region".to_owned(), json!(["EU", "US"]))]);
    let hour = Duration::from_secs(3600);
    let token = LocalIssuer::open(&path).unwrap().issue("bo", &["ops".into()], &attributes, hour).unwrap();
    let who = tokens.authenticate(&token).await.unwrap();
    assert_eq!((who.user.as_str(), who.groups), ("bo", ["ops".to_owned()].into()));
    assert_eq!(who.attributes["region"], json!(["EU", "US"]));

    let other = LocalIssuer::create(&dir.path().join("other.pem")).unwrap();
    refused("another key", tokens.authenticate(&other.issue("bo", &[], &attributes, hour).unwrap()).await);
    let claims = json!({"iss": "lakegate:local", "aud": "lakegate", "sub": "bo", "exp": now() + 60});
    refused("another algorithm", tokens.authenticate(&sign(Algorithm::RS256, None, &claims)).await);
    assert!(local.issue("", &[], &attributes, hour).is_err());
    assert!(local.issue("bo", &[], &BTreeMap::from([("exp".to_owned(), json!(9))]), hour).is_err());
    let off = Authenticator::new(&AuthConfig::default()).await.unwrap();
    refused("local issuer off", off.authenticate(&token).await);
}

#[tokio::test]
async fn a_missing_or_broken_signing_key_stops_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.pem");
    let auth = AuthConfig { local_issuer: true, signing_key: Some(path.clone()), ..AuthConfig::default() };
    let error = Authenticator::new(&auth).await.unwrap_err().to_string();
    assert!(error.contains("auth.signing_key") && error.contains("lakegate init"), "{error}");
    std::fs::write(&path, RSA2).unwrap();
    let error = Authenticator::new(&auth).await.unwrap_err().to_string();
    assert!(error.contains("not an Ed25519 key"), "{error}");
}
