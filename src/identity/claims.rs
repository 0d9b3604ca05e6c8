//! From the claims of a proven token to an identity: which claim is the user, which are the groups.
//!
//! Names are data and are kept as they are; nothing is guessed from a claim of the wrong shape.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::config::IssuerConfig;
use crate::policy::principal::Identity;

/// Reads the claims as the issuer's configuration says.
pub(super) fn identity(config: &IssuerConfig, claims: Map<String, Value>) -> Result<Identity, String> {
    let user = match find(&claims, &config.user_claim) {
        Some(Value::String(name)) if !name.trim().is_empty() => name,
        Some(Value::String(_)) => return Err(format!("its `{}` is empty", config.user_claim)),
        Some(_) => return Err(format!("its `{}` is not a text", config.user_claim)),
        None => return Err(format!("it has no `{}`", config.user_claim)),
    };
    let user = format!("{}{user}", config.user_prefix.as_deref().unwrap_or_default());
    let prefix = config.group_prefix.as_deref().unwrap_or_default();
    let groups = groups(find(&claims, &config.groups_claim))
        .map_err(|reason| format!("its `{}` {reason}", config.groups_claim))?
        .into_iter()
        .map(|name| format!("{prefix}{name}"))
        .collect();
    let attributes = match &config.attributes_claim {
        None => claims.into_iter().collect(),
        Some(path) => match find(&claims, path) {
            Some(Value::Object(object)) => object.clone().into_iter().collect(),
            None => BTreeMap::new(),
            Some(_) => return Err(format!("its `{path}` is not an object")),
        },
    };
    Ok(Identity { user, groups, attributes })
}

/// A claim by its whole name, dots included, else by a path into objects.
fn find<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    claims.get(path).or_else(|| {
        let mut steps = path.split('.');
        let first = claims.get(steps.next()?)?;
        steps.try_fold(first, |value, step| value.get(step))
    })
}

/// A list of texts, or one text with spaces or commas between names.
fn groups(value: Option<&Value>) -> Result<BTreeSet<String>, &'static str> {
    let names: Vec<&str> = match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => text.split(|c: char| c == ',' || c.is_whitespace()).collect(),
        Some(Value::Array(items)) => {
            items.iter().map(Value::as_str).collect::<Option<_>>().ok_or("has an entry that is not a text")?
        }
        Some(_) => return Err("is neither a list nor a text"),
    };
    Ok(names.into_iter().filter(|name| !name.is_empty()).map(str::to_owned).collect())
}
