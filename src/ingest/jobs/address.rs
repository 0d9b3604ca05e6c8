//! URLs of sources: which part may be shown, and how secrets come into them from the environment.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use super::seal::Sealer;
use crate::error::{Error, Result};
use crate::ingest::source::without_secrets;
use crate::store::record::{Address, SourceRecord};

/// How the names of variables begin that a URL may refer to. Whoever makes a source says where it connects to, so any other
/// variable could be sent anywhere.
const PREFIX: &str = "LAKEGATE_SOURCE_";

/// A source called `name` at `url`, which is encrypted unless there is no secret in it.
///
/// # Errors
///
/// `invalid_request` for what is no URL, or for a password that there is no key for.
pub fn record(
    name: &str,
    url: &str,
    comment: Option<String>,
    sealer: Option<&Sealer>,
) -> Result<SourceRecord> {
    let shown = shown(url)?;
    let address = match sealer {
        _ if !has_secret(url) => Address::Plain(url.to_owned()),
        Some(sealer) => Address::Sealed(sealer.seal(name, url)?),
        None => {
            return Err(Error::invalid_request(format!(
                "the password cannot be kept, since there is no `store.key_file` to encrypt it with: set one, or write \
                 `${{{PREFIX}…}}` in its place and put it into the gateway's environment"
            )));
        }
    };
    Ok(SourceRecord { name: name.to_owned(), shown, address, comment })
}

/// The URL to connect to, with what the environment of this process has of it.
pub fn url_of(source: &SourceRecord, sealer: Option<&Sealer>) -> Result<String> {
    let url = match (&source.address, sealer) {
        (Address::Plain(url), _) => url.clone(),
        (Address::Sealed(sealed), Some(sealer)) => sealer.unseal(&source.name, sealed)?,
        (Address::Sealed(_), None) => {
            return Err(Error::invalid_request(format!(
                "the URL of the source `{}` is encrypted, and this node has no `store.key_file`",
                source.name
            )));
        }
    };
    expanded(&url, |name| std::env::var(name).ok())
}

/// `url` without its password and its options.
fn shown(url: &str) -> Result<String> {
    let wrong = || {
        Error::invalid_request(
            "a source is `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, `mysql://…` or `sqlite://FILE`",
        )
    };
    if is_reference(url) {
        return Ok(url.to_owned());
    }
    // What refers to the environment is no secret, and whoever looks should see it.
    let (before, password) = if has_secret(url) { (url, false) } else { (url, true) };
    let parsed = Url::parse(before).map_err(|_| wrong())?;
    let is_server = ["postgres", "postgresql", "mysql", "mariadb"].contains(&parsed.scheme());
    // A password with `/` or `#` ends the address where nobody meant it to, and the rest would be shown.
    if is_server && (parsed.fragment().is_some() || parsed.path().contains('@')) {
        return Err(Error::invalid_request(
            "the URL has a `#`, or an `@` behind the server: write such letters of a password as `%23`, `%2F`, `%40`",
        ));
    }
    if password {
        let end = url.find('?').unwrap_or(url.len());
        return Ok(url.get(..end).unwrap_or(url).to_owned());
    }
    without_secrets(parsed).ok_or_else(wrong)
}

/// Whether there is something in `url` that nobody should read: a password that is no reference, or options, which may be
/// passwords too.
fn has_secret(url: &str) -> bool {
    if is_reference(url) {
        return false;
    }
    let Ok(parsed) = Url::parse(url) else { return true };
    let password = parsed.password().is_some_and(|_| !password_of(url).is_some_and(is_reference));
    password || (parsed.query().is_some() && parsed.scheme() != "sqlite")
}

/// The password as it is written, before any decoding.
fn password_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let (user, _) = rest.split('/').next()?.rsplit_once('@')?;
    user.split_once(':').map(|(_, password)| password)
}

fn is_reference(text: &str) -> bool {
    let name = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| !name.contains(['$', '{', '}']))
}

/// `url` with the values of the variables that it refers to, as `${NAME}`.
fn expanded(url: &str, variable: impl Fn(&str) -> Option<String>) -> Result<String> {
    let mut text = String::new();
    let mut rest = url;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, behind) = after
            .split_once('}')
            .ok_or_else(|| Error::invalid_request("the source's URL has a `${` without its `}`"))?;
        if !name.starts_with(PREFIX) {
            return Err(Error::invalid_request(format!(
                "the source's URL refers to `{name}`: only variables whose names begin with `{PREFIX}` can be used"
            )));
        }
        let value = variable(name).ok_or_else(|| {
            Error::invalid_request(format!(
                "the source's URL refers to `{name}`, which the environment does not have"
            ))
        })?;
        text += before;
        // A part of a URL is written as URLs are; all of one is as it is.
        match is_reference(url) {
            true => text += &value,
            false => text.extend(utf8_percent_encode(&value, NON_ALPHANUMERIC)),
        }
        rest = behind;
    }
    Ok(text + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        for (url, seen, secret) in [
            ("postgres://etl:p%40ss@db:5432/shop?sslmode=require", "postgres://etl@db:5432/shop", true),
            ("postgres://etl@db/shop", "postgres://etl@db/shop", false),
            ("postgres://etl@db/shop?password=x", "postgres://etl@db/shop", true),
            ("mysql://etl:${LAKEGATE_SOURCE_PW}@db/shop", "mysql://etl:${LAKEGATE_SOURCE_PW}@db/shop", false),
            ("mysql://etl:${LAKEGATE_SOURCE_PW}x@db/shop", "mysql://etl@db/shop", true),
            ("${LAKEGATE_SOURCE_SHOP}", "${LAKEGATE_SOURCE_SHOP}", false),
            ("sqlite:///data/shop.db?mode=ro", "sqlite:///data/shop.db", false),
        ] {
            assert_eq!((shown(url).unwrap(), has_secret(url)), (seen.to_owned(), secret), "{url}");
        }
        assert!(shown("no url").is_err());
        for url in
            ["postgres://etl:2024#secret@db/shop", "postgres://etl:2024/secret@db/shop", "mysql://e:1#s@db/x"]
        {
            let refused = record("shop", url, None, None).unwrap_err();
            assert!(refused.detail().contains("%23") && !refused.detail().contains("secret"), "{refused}");
        }
        let refused = record("shop", "postgres://etl:secret@db/shop", None, None).unwrap_err();
        assert!(refused.detail().contains("store.key_file") && !refused.detail().contains("secret"));
    }

    #[test]
    fn variables_are_taken_from_the_environment() {
        let variable = |name: &str| match name {
            "LAKEGATE_SOURCE_PW" => Some("p@ss:/?".to_owned()),
            "LAKEGATE_SOURCE_ALL" => Some("postgres://etl:x@db/shop".to_owned()),
            "AWS_SECRET_ACCESS_KEY" => Some("gone".to_owned()),
            _ => None,
        };
        let of = |url: &str| expanded(url, variable);
        assert_eq!(of("mysql://e:${LAKEGATE_SOURCE_PW}@db/s").unwrap(), "mysql://e:p%40ss%3A%2F%3F@db/s");
        assert_eq!(of("${LAKEGATE_SOURCE_ALL}").unwrap(), "postgres://etl:x@db/shop");
        assert_eq!(of("sqlite://x").unwrap(), "sqlite://x");
        for (url, told) in [
            ("mysql://e:${AWS_SECRET_ACCESS_KEY}@evil/s", "only variables"),
            ("mysql://e:${LAKEGATE_SOURCE_NONE}@db/s", "does not have"),
            ("mysql://e:${LAKEGATE", "without its"),
        ] {
            assert!(of(url).unwrap_err().detail().contains(told), "{url}");
        }
    }
}
