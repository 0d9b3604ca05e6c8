//! The address of a gateway as one text: `lakegate://HOST:PORT/DATABASE?token=TOKEN&tls=true`.
//!
//! No message repeats the address, since the token may be in it.

use std::str::FromStr;
use std::time::Duration;

use reqwest::Url;

use crate::error::{Error, Result};
use crate::options::ConnectOptions;

/// The port of a gateway that says nothing else.
const DEFAULT_PORT: u16 = 8080;

pub(crate) const SCHEME: &str = "lakegate://";

impl FromStr for ConnectOptions {
    type Err = Error;

    /// Reads `lakegate://HOST:PORT/DATABASE?token=TOKEN&tls=true`, of which only the host is needed: the port is 8080 and the
    /// connection in the clear unless it says otherwise. An address of HTTP is read too, as [`ConnectOptions::new`] takes it.
    ///
    /// | option | |
    /// | --- | --- |
    /// | `token` | the bearer token |
    /// | `tls` | `true` or `false` |
    /// | `timeout` | seconds that a statement may take |
    /// | `connect_timeout` | seconds that a connection may take to open |
    /// | `retries` | how many times to try again where that is safe |
    /// | `max_idle_connections` | how many open connections to keep for later |
    /// | `idle_timeout` | seconds to keep them |
    ///
    /// ```
    /// let url = "lakegate://lake.example.com:443/sales?tls=true&token=eyJ…&timeout=30";
    /// let options: lakegate_client::ConnectOptions = url.parse()?;
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    fn from_str(text: &str) -> Result<Self> {
        let Some(rest) = text.strip_prefix(SCHEME) else {
            let options = Self::new(text);
            return options.base().map(|_| options);
        };
        // Only with a scheme of the web does the library know hosts, ports and paths.
        let url = Url::parse(&format!("http://{rest}"))
            .map_err(|_| wrong("write `lakegate://HOST:PORT/DATABASE?token=TOKEN`"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("it holds a user or a password; give a token instead"));
        }
        let mut options = Self::new(String::new());
        let mut scheme = "http";
        for (name, value) in url.query_pairs() {
            match (name.as_ref(), value.as_ref()) {
                ("tls", "true") => scheme = "https",
                ("tls", "false") => scheme = "http",
                ("tls", _) => return Err(wrong("`tls` is `true` or `false`")),
                (name, value) => options = options.with_named(name, value)?,
            }
        }
        let host = url.host_str().ok_or_else(|| wrong("it has no host"))?;
        // The port of the web is left out as the usual one.
        let port = url.port().unwrap_or(if has_port_80(rest) { 80 } else { DEFAULT_PORT });
        options = options.at(format!("{scheme}://{host}:{port}"));
        let database = url.path().trim_matches('/');
        if database.contains('/') {
            return Err(wrong("behind the port stands one database"));
        }
        if !database.is_empty() {
            let name = percent_decoded(database).ok_or_else(|| wrong("the database's name does not read"))?;
            options = options.database(name);
        }
        options.base().map(|_| options)
    }
}

impl ConnectOptions {
    fn with_named(self, name: &str, value: &str) -> Result<Self> {
        let number = || {
            value.parse::<u32>().map_err(|_| wrong(&format!("`{name}` is a whole number, and not `{value}`")))
        };
        let seconds = || number().map(|seconds| Duration::from_secs(seconds.into()));
        Ok(match name {
            "token" => self.token(value),
            "timeout" => self.statement_timeout(seconds()?),
            "connect_timeout" => self.connect_timeout(seconds()?),
            "retries" => self.retries(number()?),
            "max_idle_connections" => {
                self.max_idle_connections(usize::try_from(number()?).unwrap_or(usize::MAX))
            }
            "idle_timeout" => self.idle_timeout(seconds()?),
            other => return Err(wrong(&format!("there is no option `{other}`"))),
        })
    }
}

pub(crate) fn wrong(why: &str) -> Error {
    Error::Options(format!("not the URL of a gateway: {why}"))
}

fn has_port_80(rest: &str) -> bool {
    rest.split(['/', '?', '#']).next().is_some_and(|host| host.ends_with(":80"))
}

/// `%41` is `A`.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = match (first, tail) {
            (b'%', [high, low, tail @ ..]) => {
                let code = std::str::from_utf8(&[*high, *low]).ok()?.to_owned();
                bytes.push(u8::from_str_radix(&code, 16).ok()?);
                tail
            }
            (b'%', _) => return None,
            (byte, tail) => {
                bytes.push(*byte);
                tail
            }
        };
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_url_says_where_who_and_what() {
        let of = |url: &str| url.parse::<ConnectOptions>().unwrap();
        let base = |url: &str| of(url).base().unwrap().to_string();
        let options = of("lakegate://host:8443/sal%65s?token=a.b%2Bc&tls=true&timeout=7&retries=0");
        assert_eq!(options.base().unwrap().as_str(), "https://host:8443/");
        assert_eq!((options.token.as_deref(), options.database.as_deref()), (Some("a.b+c"), Some("sales")));
        assert_eq!((options.statement_timeout, options.retries), (Some(Duration::from_secs(7)), 0));
        assert_eq!(base("lakegate://host"), "http://host:8080/");
        assert_eq!(base("lakegate://host:80/"), "http://host/");
        assert_eq!(base("lakegate://[::1]:9"), "http://[::1]:9/");
        assert_eq!(base("https://host/lake"), "https://host/lake");
    }

    #[test]
    fn a_url_that_says_something_else_is_refused_without_its_secrets() {
        for url in [
            "lakegate://",
            "lakegate://h/a/b",
            "lakegate://h?tls=maybe",
            "lakegate://h?x=1",
            "lakegate://h?timeout=soon",
            "lakegate://h/%f",
            "lakegate://h/%ff",
            "lakegate://ana:secret@h",
            "pg://h",
        ] {
            let error = url.parse::<ConnectOptions>().unwrap_err().to_string();
            assert!(
                error.starts_with("not the URL of a gateway") && !error.contains("secret"),
                "{url}: {error}"
            );
        }
    }
}
