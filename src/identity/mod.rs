//! Identity: credentials in, who asks out. Decides nothing.
//!
//! A bearer token is read in this order, and each step trusts only what the earlier ones proved: its shape, its
//! issuer (which must be a configured one, before any key is fetched), its algorithm, the key, the signature, its
//! times and audience, and last its claims. Whatever fails, the caller is told one and the same text; the reason
//! is for the log, which never has the token. User names of all issuers share one namespace unless an issuer has
//! a `user_prefix`.

mod claims;
mod jwks;
mod jwt;
mod local;

use std::sync::Arc;
use std::time::SystemTime;

pub use local::{LOCAL_AUDIENCE, LocalIssuer};

use crate::config::{AuthConfig, IssuerConfig, LOCAL_ISSUER, SigningAlgorithm};
use crate::error::{Error, ErrorKind, Result};
use crate::policy::principal::Identity;
use jwks::{Choice, KeyCache, Source};

/// What every refused caller is told, so that nobody learns from it which part of a forgery was wrong.
pub const REFUSAL: &str = "missing or invalid bearer token";

/// Turns bearer tokens into identities. Cheap to clone; clones share the cached keys.
#[derive(Debug, Clone)]
pub struct Authenticator {
    issuers: Arc<Vec<Issuer>>,
}

/// One issuer: its rules and its keys.
#[derive(Debug)]
struct Issuer {
    config: IssuerConfig,
    keys: Arc<KeyCache>,
}

impl Authenticator {
    /// Prepares every configured issuer. Key files are read now, so that a bad one stops the start; remote keys are
    /// fetched when the first token needs them, so that an issuer that is down does not.
    pub async fn new(config: &AuthConfig) -> Result<Self> {
        let mut issuers = Vec::new();
        for issuer in &config.issuers {
            let keys = KeyCache::new(issuer)
                .await
                .map_err(|reason| Error::invalid_request(format!("issuer `{}`: {reason}", issuer.issuer)))?;
            issuers.push(Issuer { config: issuer.clone(), keys: Arc::new(keys) });
        }
        if config.local_issuer {
            issuers.push(local_issuer(config)?);
        }
        if issuers.is_empty() {
            tracing::warn!("no issuer is configured: every request will be refused");
        }
        Ok(Self { issuers: Arc::new(issuers) })
    }

    /// Who bears this token (the part after `Bearer `). Any failure is `unauthenticated` with one text.
    pub async fn authenticate(&self, bearer: &str) -> Result<Identity> {
        self.verify(bearer).await.map_err(|reason| {
            tracing::info!(%reason, "a bearer token was refused");
            Error::new(ErrorKind::Unauthenticated, REFUSAL)
        })
    }

    async fn verify(&self, bearer: &str) -> Result<Identity, String> {
        let token = jwt::parse(bearer)?;
        let issuer = self
            .issuers
            .iter()
            .find(|issuer| issuer.config.issuer == token.issuer)
            .ok_or_else(|| format!("its issuer {} is not configured", jwt::shown(&token.issuer)))?;
        if !issuer.config.algorithms.contains(&token.algorithm) {
            return Err(format!("algorithm {:?} is not allowed for its issuer", token.algorithm));
        }
        let key = issuer.key_for(token.algorithm, token.kid.as_deref()).await?;
        token.check_signature(&key)?;
        token.check_claims(&issuer.config.audience, issuer.config.leeway, SystemTime::now())?;
        claims::identity(&issuer.config, token.claims)
    }
}

impl Issuer {
    /// The one key that fits. Keys are fetched anew only for a key id that the cached set does not have.
    async fn key_for(
        &self,
        algorithm: SigningAlgorithm,
        kid: Option<&str>,
    ) -> Result<jsonwebtoken::DecodingKey, String> {
        let keys = self.keys.current().await.ok_or("its issuer's keys could not be had")?;
        let choice = match keys.choose(algorithm, kid) {
            Choice::UnknownKid => match self.keys.refreshed().await {
                Some(keys) => keys.choose(algorithm, kid),
                None => Choice::UnknownKid,
            },
            choice => choice,
        };
        match choice {
            Choice::Key(key) => Ok(*key),
            Choice::UnknownKid => Err(format!("no key has the id {}", jwt::shown(kid.unwrap_or_default()))),
            Choice::Refused(reason) => Err(reason.to_owned()),
        }
    }
}

fn local_issuer(config: &AuthConfig) -> Result<Issuer> {
    let path = config.signing_key.as_deref().ok_or_else(|| {
        Error::invalid_request("`auth.signing_key`: must be set, since `auth.local_issuer` is on")
    })?;
    let keys = LocalIssuer::open(path)?.key_set()?;
    let config = IssuerConfig {
        issuer: LOCAL_ISSUER.to_owned(),
        audience: vec![LOCAL_AUDIENCE.to_owned()],
        algorithms: vec![SigningAlgorithm::EdDSA],
        ..IssuerConfig::default()
    };
    let keys = Arc::new(KeyCache::with(&config, Source::Fixed, Some(keys)));
    Ok(Issuer { config, keys })
}
