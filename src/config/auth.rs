//! `[auth]`: whose tokens are accepted, how their claims are read, and who administers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize};

use super::value;
use crate::policy::principal::Principal;

/// The name of the issuer that signs `lakegate token`; no other issuer may bear it.
pub const LOCAL_ISSUER: &str = "lakegate:local";

/// Tokens and administrators.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// `auth.administrators`, `LAKEGATE__AUTH__ADMINISTRATORS`: who may change policy and catalog and read the
    /// audit log, as `["user:admin", "group:ops"]`; nobody unless set.
    pub administrators: Vec<Principal>,
    /// `auth.local_issuer`, `LAKEGATE__AUTH__LOCAL_ISSUER`: tokens of `lakegate token` are accepted.
    pub local_issuer: bool,
    /// `auth.signing_key`, `LAKEGATE__AUTH__SIGNING_KEY`: the local issuer's private key, a PEM file;
    /// `signing-key.pem` beside the configuration unless set.
    pub signing_key: Option<PathBuf>,
    /// `[[auth.issuers]]`: other systems whose tokens are accepted. A list: not settable one by one from the
    /// environment.
    pub issuers: Vec<IssuerConfig>,
}

/// One issuer of tokens. Without `jwks_url` and `jwks_file`, its keys are found by OIDC discovery.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IssuerConfig {
    /// `auth.issuers.issuer`: the exact text of the `iss` claim; for discovery also the base of its URL.
    pub issuer: String,
    /// `auth.issuers.discovery_url`: the OIDC document, where it is not
    /// `{issuer}/.well-known/openid-configuration`.
    pub discovery_url: Option<String>,
    /// `auth.issuers.jwks_url`: the key set's URL, instead of discovery.
    pub jwks_url: Option<String>,
    /// `auth.issuers.jwks_file`: the key set as a file, instead of discovery.
    pub jwks_file: Option<PathBuf>,
    /// `auth.issuers.audience`: a token must be meant for one of these; a text or a list, never empty.
    #[serde(deserialize_with = "one_or_many")]
    pub audience: Vec<String>,
    /// `auth.issuers.algorithms`: which signatures are accepted; all asymmetric ones unless set.
    pub algorithms: Vec<SigningAlgorithm>,
    /// `auth.issuers.user_claim`: where the user name is; `sub` unless set; a dotted path reaches inside.
    pub user_claim: String,
    /// `auth.issuers.groups_claim`: where the groups are; `groups` unless set.
    pub groups_claim: String,
    /// `auth.issuers.attributes_claim`: which object holds the attributes; all claims unless set.
    pub attributes_claim: Option<String>,
    /// `auth.issuers.user_prefix`: put before user names, so that two issuers' users cannot be mixed up.
    pub user_prefix: Option<String>,
    /// `auth.issuers.group_prefix`: put before group names.
    pub group_prefix: Option<String>,
    /// `auth.issuers.leeway`: by how much clocks may differ; 30 seconds unless set, 5 minutes at most.
    #[serde(deserialize_with = "value::duration", serialize_with = "value::seconds")]
    pub leeway: Duration,
    /// `auth.issuers.max_key_age`: after that, keys are fetched again; 10 minutes unless set.
    #[serde(deserialize_with = "value::duration", serialize_with = "value::seconds")]
    pub max_key_age: Duration,
    /// `auth.issuers.min_refresh_interval`: an unknown key id fetches keys at most once in this time; 30 seconds
    /// unless set.
    #[serde(deserialize_with = "value::duration", serialize_with = "value::seconds")]
    pub min_refresh_interval: Duration,
    /// `auth.issuers.allow_http`: keys may come over a network without TLS; for a loopback host they always may.
    pub allow_http: bool,
}

/// A signature whose verifying key is public. There is no HMAC here: with one, who can verify can also sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SigningAlgorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

impl SigningAlgorithm {
    pub const ALL: [Self; 9] = [
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::EdDSA,
    ];
}

impl AuthConfig {
    pub(super) fn validate(&self) -> Result<(), String> {
        for (index, issuer) in self.issuers.iter().enumerate() {
            issuer.validate().map_err(|(key, reason)| format!("`auth.issuers.{index}.{key}`: {reason}"))?;
            if self.issuers.iter().take(index).any(|earlier| earlier.issuer == issuer.issuer) {
                return Err(format!(
                    "`auth.issuers.{index}.issuer`: `{}` is configured twice",
                    issuer.issuer
                ));
            }
        }
        Ok(())
    }

    pub(super) fn resolve(&mut self, folder: &Path) {
        if self.local_issuer && self.signing_key.is_none() {
            self.signing_key = Some(PathBuf::from("signing-key.pem"));
        }
        let files = self.issuers.iter_mut().filter_map(|issuer| issuer.jwks_file.as_mut());
        for path in self.signing_key.iter_mut().chain(files) {
            *path = folder.join(&*path);
        }
    }
}

impl IssuerConfig {
    fn validate(&self) -> Result<(), (&'static str, String)> {
        if self.issuer.is_empty() {
            return Err(("issuer", "must be set: the exact text of the `iss` claim".into()));
        }
        if self.issuer == LOCAL_ISSUER {
            return Err(("issuer", format!("`{LOCAL_ISSUER}` is the local issuer's own name")));
        }
        if self.audience.is_empty() || self.audience.iter().any(String::is_empty) {
            return Err((
                "audience",
                "must be set: tokens for other services would be accepted without it".into(),
            ));
        }
        if self.algorithms.is_empty() {
            return Err((
                "algorithms",
                "must name at least one; leave the key out for all that are safe".into(),
            ));
        }
        for (key, claim) in [("user_claim", &self.user_claim), ("groups_claim", &self.groups_claim)] {
            if claim.is_empty() {
                return Err((key, "must name a claim".into()));
            }
        }
        if self.leeway > Duration::from_secs(300) {
            return Err((
                "leeway",
                "must be 5 minutes at most: expired tokens are accepted for that long".into(),
            ));
        }
        if self.max_key_age.is_zero() {
            return Err(("max_key_age", "must be more than 0".into()));
        }
        self.validate_source()
    }

    fn validate_source(&self) -> Result<(), (&'static str, String)> {
        let sources = [self.discovery_url.is_some(), self.jwks_url.is_some(), self.jwks_file.is_some()];
        if sources.iter().filter(|set| **set).count() > 1 {
            return Err(("jwks_url", "set one of `discovery_url`, `jwks_url` and `jwks_file`".into()));
        }
        let discovered = sources.iter().all(|set| !set).then_some(&self.issuer);
        let urls = [
            ("issuer", discovered),
            ("discovery_url", self.discovery_url.as_ref()),
            ("jwks_url", self.jwks_url.as_ref()),
        ];
        for (key, url) in urls {
            if let Some(url) = url
                && !(url.starts_with("https://") || url.starts_with("http://"))
            {
                return Err((
                    key,
                    format!("`{url}` is not a URL: write `https://…`, or set `jwks_url` or `jwks_file`"),
                ));
            }
        }
        Ok(())
    }
}

impl Default for IssuerConfig {
    fn default() -> Self {
        Self {
            issuer: String::new(),
            discovery_url: None,
            jwks_url: None,
            jwks_file: None,
            audience: Vec::new(),
            algorithms: SigningAlgorithm::ALL.to_vec(),
            user_claim: "sub".to_owned(),
            groups_claim: "groups".to_owned(),
            attributes_claim: None,
            user_prefix: None,
            group_prefix: None,
            leeway: Duration::from_secs(30),
            max_key_age: Duration::from_secs(600),
            min_refresh_interval: Duration::from_secs(30),
            allow_http: false,
        }
    }
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct OneOrMany;
    impl<'de> de::Visitor<'de> for OneOrMany {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a text or a list of texts")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(vec![text.to_owned()])
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some(item) = items.next_element()? {
                all.push(item);
            }
            Ok(all)
        }
    }
    deserializer.deserialize_any(OneOrMany)
}
