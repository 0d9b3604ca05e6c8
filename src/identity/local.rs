//! The local issuer: an Ed25519 key in a file, which signs `lakegate token`.
//!
//! Whoever reads the key file can be anybody, so it is made readable for its owner alone.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::jwks::KeySet;
use crate::config::LOCAL_ISSUER;
use crate::error::{Error, Result};

/// The audience of local tokens.
pub const LOCAL_AUDIENCE: &str = "lakegate";

/// Claims that the issuer itself sets, so that no attribute can stand in for one.
const RESERVED: [&str; 8] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "groups"];

/// Signs tokens with the key of a file.
pub struct LocalIssuer {
    key: SigningKey,
}

impl LocalIssuer {
    /// Makes a new key at `path`, with mode 0600. An existing file is never written over.
    pub fn create(path: &Path) -> Result<Self> {
        let key = SigningKey::from_bytes(&rand::random());
        let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(|error| Error::internal(error.to_string()))?;
        let written =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).and_then(|mut file| {
                file.write_all(pem.as_bytes())?;
                file.sync_all()
            });
        written.map_err(|error| {
            Error::invalid_request(format!("cannot write the signing key `{}`: {error}", path.display()))
        })?;
        Ok(Self { key })
    }

    /// Reads the key at `path`.
    pub fn open(path: &Path) -> Result<Self> {
        let shown = path.display();
        let pem = std::fs::read_to_string(path).map_err(|error| {
            Error::invalid_request(format!(
                "`auth.signing_key`: cannot read `{shown}`: {error}; `lakegate init` makes one"
            ))
        })?;
        let mode = std::fs::metadata(path).map(|data| data.permissions().mode()).unwrap_or_default();
        if mode & 0o077 != 0 {
            tracing::warn!(path = %shown, "the signing key can be read by others: `chmod 600` it");
        }
        let key = SigningKey::from_pkcs8_pem(&pem).map_err(|_| {
            Error::invalid_request(format!(
                "`auth.signing_key`: `{shown}` is not an Ed25519 key in PEM (PKCS#8)"
            ))
        })?;
        Ok(Self { key })
    }

    /// A token for `user` that expires after `ttl`.
    pub fn issue(
        &self,
        user: &str,
        groups: &[String],
        attributes: &BTreeMap<String, Value>,
        ttl: Duration,
    ) -> Result<String> {
        if user.trim().is_empty() {
            return Err(Error::invalid_request("the user name is empty"));
        }
        if let Some(name) = attributes.keys().find(|name| RESERVED.contains(&name.as_str())) {
            return Err(Error::invalid_request(format!(
                "`{name}` cannot be an attribute: the issuer sets it"
            )));
        }
        let now =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_err(Error::internal)?.as_secs();
        let mut claims: Map<String, Value> = attributes.clone().into_iter().collect();
        claims.insert("iss".into(), json!(LOCAL_ISSUER));
        claims.insert("aud".into(), json!(LOCAL_AUDIENCE));
        claims.insert("sub".into(), json!(user));
        claims.insert("groups".into(), json!(groups));
        claims.insert("iat".into(), json!(now));
        claims.insert("exp".into(), json!(now.saturating_add(ttl.as_secs())));
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.kid());
        let der = self.key.to_pkcs8_der().map_err(|error| Error::internal(error.to_string()))?;
        jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(der.as_bytes()))
            .map_err(Error::internal)
    }

    /// The public half, as the verifying side wants it.
    pub(super) fn key_set(&self) -> Result<KeySet> {
        let x = URL_SAFE_NO_PAD.encode(self.key.verifying_key().as_bytes());
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": self.kid(), "x": x});
        KeySet::parse(json!({"keys": [jwk]}).to_string().as_bytes()).map_err(Error::internal)
    }

    fn kid(&self) -> String {
        let digest = Sha256::digest(self.key.verifying_key().as_bytes());
        URL_SAFE_NO_PAD.encode(digest.get(..12).unwrap_or_default())
    }
}

/// The key stays out of logs.
impl std::fmt::Debug for LocalIssuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalIssuer").field("kid", &self.kid()).finish_non_exhaustive()
    }
}
