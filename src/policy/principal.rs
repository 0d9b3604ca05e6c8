//! Who asks, and whom a rule names.
//!
//! Pure values: how an identity was proven is the business of `identity`, which makes them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Who asks: made from credentials once a request, the same for every protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub user: String,
    pub groups: BTreeSet<String>,
    /// All claims of the token: policy expressions read them with `attr` and `attr_list`.
    pub attributes: BTreeMap<String, serde_json::Value>,
}

/// Whom a rule is for. Written `user:ana`, `group:analysts`, `role:steward` or `public`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Principal {
    User(String),
    Group(String),
    Role(String),
    /// Everyone who is authenticated.
    Public,
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "user:{name}"),
            Self::Group(name) => write!(f, "group:{name}"),
            Self::Role(name) => write!(f, "role:{name}"),
            Self::Public => f.write_str("public"),
        }
    }
}

impl FromStr for Principal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("user", name)) if !name.is_empty() => Ok(Self::User(name.to_owned())),
            Some(("group", name)) if !name.is_empty() => Ok(Self::Group(name.to_owned())),
            Some(("role", name)) if !name.is_empty() => Ok(Self::Role(name.to_owned())),
            None if text == "public" => Ok(Self::Public),
            _ => Err(format!(
                "`{text}` is not a principal: write `user:NAME`, `group:NAME`, `role:NAME` or `public`"
            )),
        }
    }
}

impl TryFrom<String> for Principal {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Principal> for String {
    fn from(principal: Principal) -> Self {
        principal.to_string()
    }
}
