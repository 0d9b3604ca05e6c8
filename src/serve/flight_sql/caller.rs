//! Who calls: a bearer token, or a user's name with the token for a password.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tonic::Status;
use tonic::metadata::MetadataMap;
use uuid::Uuid;

use super::status::status;
use crate::app::App;
use crate::error::{Error, ErrorKind};
use crate::identity::REFUSAL;
use crate::policy::principal::Identity;

/// Somebody whose credentials are good, and the token that says so.
#[derive(Debug)]
pub(super) struct Caller {
    pub identity: Arc<Identity>,
    pub token: String,
}

/// The caller that the headers of a call name.
pub(super) async fn caller(app: &App, headers: &MetadataMap) -> Result<Caller, Status> {
    authenticated(app, headers).await.map_err(|error| status(&error, Uuid::now_v7()))
}

async fn authenticated(app: &App, headers: &MetadataMap) -> Result<Caller, Error> {
    app.refuse_stale()?;
    let mut values = headers.get_all("authorization").iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(refused()) };
    let (scheme, credentials) =
        value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(refused)?;
    let (user, token) = match scheme.to_ascii_lowercase().as_str() {
        "bearer" => (None, credentials.trim().to_owned()),
        "basic" => {
            let (user, token) = user_and_token(credentials).ok_or_else(refused)?;
            (Some(user), token)
        }
        _ => return Err(refused()),
    };
    let identity = app.authenticator.authenticate(&token).await?;
    // A name that is not the token's would be taken for who is asking.
    if user.is_some_and(|user| !user.is_empty() && user != identity.user) {
        tracing::info!("a token came with the name of another user");
        return Err(refused());
    }
    Ok(Caller { identity: Arc::new(identity), token })
}

fn user_and_token(credentials: &str) -> Option<(String, String)> {
    let bytes = BASE64_STANDARD.decode(credentials.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (user, token) = text.split_once(':')?;
    Some((user.to_owned(), token.to_owned()))
}

fn refused() -> Error {
    Error::new(ErrorKind::Unauthenticated, REFUSAL)
}
