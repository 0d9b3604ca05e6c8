//! The public keys of issuers: what a key may verify, and when a key set is fetched again.
//!
//! A key's own type says which algorithms it fits, never the token, so no public key is ever used as an HMAC
//! secret. Sets are cached and fetched by one task at a time, at most once in an interval, since everybody can send
//! a token with an unknown key id. When fetching fails, the keys that are there go on serving.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde_json::Value;
use tokio::sync::Mutex;
use url::{Host, Url};

use crate::config::{IssuerConfig, SigningAlgorithm};

const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_BODY_BYTES: usize = 1 << 20;
/// While there are no keys at all, waiting out the whole interval would only lengthen an outage.
const RETRY_WITHOUT_KEYS: Duration = Duration::from_secs(1);
/// Shorter RSA keys can be factored.
const MIN_RSA_BYTES: usize = 256;

/// Public keys that may verify signatures.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    keys: Vec<Key>,
}

#[derive(Debug)]
struct Key {
    kid: Option<String>,
    fits: Vec<SigningAlgorithm>,
    key: DecodingKey,
}

/// The answer to which key verifies a token.
pub(super) enum Choice {
    Key(Box<DecodingKey>),
    /// Perhaps the set has been rotated: worth one more fetch.
    UnknownKid,
    Refused(&'static str),
}

impl KeySet {
    /// Reads a JWK set. A key that cannot be used here is left out, so that it does not take the others with it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let document: Value =
            serde_json::from_slice(bytes).map_err(|error| format!("is not JSON: {error}"))?;
        let keys = document.get("keys").and_then(Value::as_array).ok_or("has no list `keys`")?;
        let mut usable = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            match Key::read(key) {
                Ok(key) => usable.push(key),
                Err(reason) => tracing::debug!(index, %reason, "a key of the set is left out"),
            }
        }
        Ok(Self { keys: usable })
    }

    /// The one key for a signature. A token without a key id is only accepted when a single key fits.
    pub(super) fn choose(&self, algorithm: SigningAlgorithm, kid: Option<&str>) -> Choice {
        let named: Vec<&Key> =
            self.keys.iter().filter(|key| kid.is_none() || key.kid.as_deref() == kid).collect();
        if named.is_empty() {
            return Choice::UnknownKid;
        }
        let mut fitting = named.into_iter().filter(|key| key.fits.contains(&algorithm));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Choice::Key(Box::new(key.key.clone())),
            (None, _) => Choice::Refused("its algorithm does not fit the key"),
            _ => Choice::Refused("more than one key fits"),
        }
    }
}

impl Key {
    fn read(jwk: &Value) -> Result<Self, &'static str> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        if text("use").is_some_and(|purpose| purpose != "sig") {
            return Err("it is not for signatures");
        }
        let verifies = |ops: &Vec<Value>| ops.iter().any(|op| op == "verify");
        if jwk.get("key_ops").and_then(Value::as_array).is_some_and(|ops| !verifies(ops)) {
            return Err("it is not for verifying");
        }
        let (mut fits, key) = Self::material(text("kty"), text("crv"), &text)?;
        if let Some(named) = text("alg") {
            fits.retain(|algorithm| format!("{algorithm:?}") == named);
        }
        if fits.is_empty() {
            return Err("its type and its `alg` do not go together");
        }
        Ok(Self { kid: text("kid").map(str::to_owned), fits, key })
    }

    /// The lengths are checked here: the verifying library takes a key's bytes as they come.
    fn material<'a>(
        kty: Option<&str>,
        crv: Option<&str>,
        text: &impl Fn(&str) -> Option<&'a str>,
    ) -> Result<(Vec<SigningAlgorithm>, DecodingKey), &'static str> {
        use SigningAlgorithm::*;
        let part = |name| text(name).ok_or("a part of it is missing");
        let length = |name| -> Result<usize, &'static str> {
            URL_SAFE_NO_PAD
                .decode(part(name)?)
                .map(|bytes| bytes.len())
                .map_err(|_| "a part is not base64url")
        };
        let sized =
            |name, bytes| if length(name)? == bytes { Ok(()) } else { Err("a part has a wrong length") };
        let (fits, key) = match (kty, crv) {
            (Some("RSA"), _) => {
                if length("n")? < MIN_RSA_BYTES {
                    return Err("it has fewer than 2048 bits");
                }
                let fits = vec![RS256, RS384, RS512, PS256, PS384, PS512];
                (fits, DecodingKey::from_rsa_components(part("n")?, part("e")?))
            }
            (Some("EC"), Some(curve @ ("P-256" | "P-384"))) => {
                let (algorithm, bytes) = if curve == "P-256" { (ES256, 32) } else { (ES384, 48) };
                sized("x", bytes)?;
                sized("y", bytes)?;
                (vec![algorithm], DecodingKey::from_ec_components(part("x")?, part("y")?))
            }
            (Some("OKP"), Some("Ed25519")) => {
                sized("x", 32)?;
                (vec![EdDSA], DecodingKey::from_ed_components(part("x")?))
            }
            _ => return Err("its type is not one that is verified with here"),
        };
        key.map(|key| (fits, key)).map_err(|_| "it cannot be read")
    }
}

/// Where a key set comes from.
#[derive(Debug)]
pub(super) enum Source {
    /// Keys that do not change while the process runs.
    Fixed,
    File(PathBuf),
    Url(Url),
    Discovery(Url),
}

/// The keys of one issuer.
#[derive(Debug)]
pub(super) struct KeyCache {
    source: Source,
    issuer: String,
    allow_http: bool,
    max_age: Duration,
    interval: Duration,
    held: ArcSwapOption<(KeySet, Instant)>,
    /// When the last fetch began; held while one runs, so that there is only one.
    attempt: Mutex<Option<Instant>>,
}

/// Keys as they were at one moment.
pub(super) struct Held(Arc<(KeySet, Instant)>);

impl std::ops::Deref for Held {
    type Target = KeySet;

    fn deref(&self) -> &KeySet {
        &self.0.0
    }
}

impl KeyCache {
    /// Prepares an issuer's keys. The error is the reason why its configuration cannot work.
    pub(super) async fn new(config: &IssuerConfig) -> Result<Self, String> {
        let url = |text: &str| -> Result<Url, String> {
            let url = Url::parse(text).map_err(|error| format!("`{text}` is not a URL: {error}"))?;
            permitted(&url, config.allow_http)?;
            Ok(url)
        };
        if let Some(path) = &config.jwks_file {
            let cache = Self::with(config, Source::File(path.clone()), None);
            let keys = cache.fetch().await.map_err(|reason| format!("`{}` {reason}", path.display()))?;
            if keys.keys.is_empty() {
                return Err(format!("`{}` has no key that can be used", path.display()));
            }
            return Ok(Self::with(config, Source::File(path.clone()), Some(keys)));
        }
        let source = match (&config.jwks_url, &config.discovery_url) {
            (Some(text), _) => Source::Url(url(text)?),
            (None, Some(text)) => Source::Discovery(url(text)?),
            (None, None) => Source::Discovery(url(&format!(
                "{}/.well-known/openid-configuration",
                config.issuer.trim_end_matches('/')
            ))?),
        };
        Ok(Self::with(config, source, None))
    }

    /// A cache that holds `keys` already.
    pub(super) fn with(config: &IssuerConfig, source: Source, keys: Option<KeySet>) -> Self {
        Self {
            source,
            issuer: config.issuer.clone(),
            allow_http: config.allow_http,
            max_age: config.max_key_age,
            interval: config.min_refresh_interval,
            held: ArcSwapOption::new(keys.map(|keys| Arc::new((keys, Instant::now())))),
            attempt: Mutex::new(None),
        }
    }

    /// The keys, fetched before if there are none or they are too old; the old ones if that fails.
    pub(super) async fn current(self: &Arc<Self>) -> Option<Held> {
        match self.held.load_full() {
            Some(held) if self.is_fixed() || held.1.elapsed() < self.max_age => Some(Held(held)),
            _ => self.refreshed().await,
        }
    }

    /// The keys after a fetch, unless one was made just before. The fetch goes on when the asker goes away:
    /// otherwise whoever hangs up early could keep new keys from ever arriving.
    pub(super) async fn refreshed(self: &Arc<Self>) -> Option<Held> {
        if !self.is_fixed() {
            let cache = Arc::clone(self);
            if let Err(error) = tokio::spawn(async move { cache.refresh().await }).await {
                tracing::warn!(issuer = %self.issuer, %error, "fetching keys ended early");
            }
        }
        self.held.load_full().map(Held)
    }

    async fn refresh(&self) {
        let mut attempt = self.attempt.lock().await;
        let wait =
            if self.held.load().is_some() { self.interval } else { self.interval.min(RETRY_WITHOUT_KEYS) };
        if attempt.is_some_and(|begun| begun.elapsed() < wait) {
            return;
        }
        *attempt = Some(Instant::now());
        match self.fetch().await {
            Ok(keys) => self.held.store(Some(Arc::new((keys, Instant::now())))),
            Err(reason) => {
                tracing::warn!(issuer = %self.issuer, %reason, "the issuer's keys could not be had")
            }
        }
    }

    fn is_fixed(&self) -> bool {
        matches!(self.source, Source::Fixed)
    }

    async fn fetch(&self) -> Result<KeySet, String> {
        let bytes = match &self.source {
            Source::Fixed => return Err("does not change".into()),
            Source::File(path) => read(path).await?,
            Source::Url(url) => get(url, self.allow_http).await?,
            Source::Discovery(url) => get(&self.discover(url).await?, self.allow_http).await?,
        };
        KeySet::parse(&bytes).map_err(|reason| format!("key set: {reason}"))
    }

    async fn discover(&self, url: &Url) -> Result<Url, String> {
        let bytes = get(url, self.allow_http).await?;
        let document: Value = serde_json::from_slice(&bytes)
            .map_err(|error| format!("the discovery document is not JSON: {error}"))?;
        if document.get("issuer").and_then(Value::as_str) != Some(self.issuer.as_str()) {
            return Err("the discovery document is another issuer's".into());
        }
        let keys = document.get("jwks_uri").and_then(Value::as_str).and_then(|text| Url::parse(text).ok());
        let keys = keys.ok_or("the discovery document has no `jwks_uri`")?;
        if url.scheme() == "https" && keys.scheme() != "https" && !self.allow_http {
            return Err("the discovery document sends to keys without TLS".into());
        }
        Ok(keys)
    }
}

async fn read(path: &PathBuf) -> Result<Vec<u8>, String> {
    let bytes = tokio::fs::read(path).await.map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() > MAX_BODY_BYTES { Err("is larger than 1 MiB".into()) } else { Ok(bytes) }
}

/// Keys decide who gets in, so they come over TLS, or from this machine, or because the operator said so.
fn permitted(url: &Url, allow_http: bool) -> Result<(), String> {
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(()),
        "http" if loopback || allow_http => Ok(()),
        "http" => Err("its keys would come without TLS: use `https://`, or set `allow_http = true`".into()),
        scheme => Err(format!("`{scheme}://` cannot be fetched: use `https://`")),
    }
}

async fn get(url: &Url, allow_http: bool) -> Result<Vec<u8>, String> {
    permitted(url, allow_http)?;
    let failed = |error: reqwest::Error| format!("fetching failed: {}", causes(&error.without_url()));
    let client = reqwest::Client::builder()
        .timeout(FETCH_TIMEOUT)
        .redirect(redirects(allow_http))
        .build()
        .map_err(failed)?;
    let mut response =
        client.get(url.clone()).send().await.and_then(reqwest::Response::error_for_status).map_err(failed)?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Err("the answer is larger than 1 MiB".into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn redirects(allow_http: bool) -> reqwest::redirect::Policy {
    reqwest::redirect::Policy::custom(move |attempt| {
        let same = attempt.previous().last().is_some_and(|before| before.scheme() == attempt.url().scheme());
        if attempt.previous().len() > 3 || !same || permitted(attempt.url(), allow_http).is_err() {
            attempt.error("the redirect is not followed")
        } else {
            attempt.follow()
        }
    })
}

fn causes(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
