//! One signed token (JWS compact form): its shape, its signature, its times and its audience.
//!
//! Of the header only `alg`, `kid` and `crit` are read: keys that a token brings along (`jwk`, `jku`, `x5c`, `x5u`)
//! prove nothing, so they are not even parsed. Knows no issuer and fetches nothing.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::config::SigningAlgorithm;

/// Larger tokens are refused unread.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// A token that has been taken apart and, until `check_signature`, proves nothing.
pub(super) struct Token<'a> {
    pub(super) algorithm: SigningAlgorithm,
    pub(super) kid: Option<String>,
    pub(super) issuer: String,
    pub(super) claims: Map<String, Value>,
    signed: &'a str,
    signature: &'a str,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    #[serde(default, deserialize_with = "present")]
    crit: bool,
}

/// Takes a token apart. The reasons name no part of it but its own small names.
pub(super) fn parse(token: &str) -> Result<Token<'_>, String> {
    if token.is_empty() {
        return Err("there is none".into());
    }
    if token.len() > MAX_TOKEN_BYTES {
        return Err(format!("it is larger than {MAX_TOKEN_BYTES} bytes"));
    }
    let (signed, signature) = token.rsplit_once('.').ok_or("it is no signed token")?;
    let (header, payload) = signed.split_once('.').ok_or("it is no signed token")?;
    if payload.contains('.') {
        return Err("it has more than three parts".into());
    }
    let header: Header =
        serde_json::from_slice(&decode(header)?).map_err(|_| "its header cannot be read".to_owned())?;
    if header.crit {
        return Err("its header has critical extensions".into());
    }
    let algorithm = SigningAlgorithm::ALL
        .into_iter()
        .find(|algorithm| format!("{algorithm:?}") == header.alg)
        .ok_or_else(|| format!("its algorithm {} is never accepted", shown(&header.alg)))?;
    let claims: Map<String, Value> =
        serde_json::from_slice(&decode(payload)?).map_err(|_| "its claims cannot be read".to_owned())?;
    let issuer = claims.get("iss").and_then(Value::as_str).ok_or("it names no issuer")?.to_owned();
    Ok(Token { algorithm, kid: header.kid, issuer, claims, signed, signature })
}

/// Text from a token as the log may have it: escaped and cut.
pub(super) fn shown(text: &str) -> String {
    format!("{:?}", text.chars().take(100).collect::<String>())
}

/// What the verifying library calls the algorithm.
pub(super) fn library_name(algorithm: SigningAlgorithm) -> Algorithm {
    match algorithm {
        SigningAlgorithm::RS256 => Algorithm::RS256,
        SigningAlgorithm::RS384 => Algorithm::RS384,
        SigningAlgorithm::RS512 => Algorithm::RS512,
        SigningAlgorithm::PS256 => Algorithm::PS256,
        SigningAlgorithm::PS384 => Algorithm::PS384,
        SigningAlgorithm::PS512 => Algorithm::PS512,
        SigningAlgorithm::ES256 => Algorithm::ES256,
        SigningAlgorithm::ES384 => Algorithm::ES384,
        SigningAlgorithm::EdDSA => Algorithm::EdDSA,
    }
}

impl Token<'_> {
    pub(super) fn check_signature(&self, key: &DecodingKey) -> Result<(), String> {
        let algorithm = library_name(self.algorithm);
        match jsonwebtoken::crypto::verify(self.signature, self.signed.as_bytes(), key, algorithm) {
            Ok(true) => Ok(()),
            Ok(false) => Err("its signature is wrong".into()),
            Err(error) => Err(format!("its signature cannot be checked: {error}")),
        }
    }

    /// Expiry (required), not-before (honoured) and audience (required), with clocks that differ by `leeway`.
    pub(super) fn check_claims(
        &self,
        audience: &[String],
        leeway: Duration,
        now: SystemTime,
    ) -> Result<(), String> {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).map_err(|_| "the clock is wrong")?.as_secs_f64();
        let leeway = leeway.as_secs_f64();
        let expires = self.time("exp")?.ok_or("it never expires")?;
        if expires + leeway <= now {
            return Err("it has expired".into());
        }
        if self.time("nbf")?.is_some_and(|from| from - leeway > now) {
            return Err("it is not valid yet".into());
        }
        let meant = |name: &Value| name.as_str().is_some_and(|name| audience.iter().any(|ours| ours == name));
        match self.claims.get("aud") {
            Some(Value::Array(names)) if names.iter().any(meant) => Ok(()),
            Some(name) if meant(name) => Ok(()),
            _ => Err("it is meant for another audience".into()),
        }
    }

    fn time(&self, claim: &str) -> Result<Option<f64>, String> {
        match self.claims.get(claim) {
            None => Ok(None),
            Some(value) => match value.as_f64() {
                Some(seconds) if seconds.is_finite() && value.is_number() => Ok(Some(seconds)),
                _ => Err(format!("its `{claim}` is not a time")),
            },
        }
    }
}

fn decode(part: &str) -> Result<Vec<u8>, String> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| "a part of it is not base64url".to_owned())
}

/// True for a field that is there, whatever its value, `null` included.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(deserializer).map(|_| true)
}
