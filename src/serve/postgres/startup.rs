//! Who connects: the token is the password.
//!
//! SCRAM and MD5 prove that both sides know the password without saying it. The gateway knows no tokens, it judges them,
//! so a token must be said; therefore only over TLS, or on one machine.

use std::collections::HashMap;
use std::fmt::Debug;

use async_trait::async_trait;
use futures::{Sink, SinkExt};
use pgwire::api::auth::{
    ServerParameterProvider, StartupHandler, finish_authentication, protocol_negotiation,
    save_startup_parameters_to_metadata,
};
use pgwire::api::{ClientInfo, METADATA_USER, PgWireConnectionState, PidSecretKeyGenerator};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::startup::{Authentication, Startup};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};

use super::handler::Door;
use super::session::{Running, Session};
use super::settings::{self, Settings};
use super::status;
use crate::error::{Error, ErrorKind};
use crate::identity::REFUSAL;

#[async_trait]
impl StartupHandler for Door {
    async fn on_startup<C>(&self, client: &mut C, message: PgWireFrontendMessage) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        match message {
            PgWireFrontendMessage::Startup(startup) => ask_for_token(client, &startup).await,
            PgWireFrontendMessage::PasswordMessageFamily(password)
                if matches!(client.state(), PgWireConnectionState::AuthenticationInProgress) =>
            {
                let token = password.into_password()?.password;
                let session = self.admitted(client, token).await?;
                client.session_extensions().insert(session);
                self.register(client);
                finish_authentication(client, &Told).await
            }
            _ => Err(status::fatal("08P01", "a password was expected")),
        }
    }
}

async fn ask_for_token<C>(client: &mut C, startup: &Startup) -> PgWireResult<()>
where
    C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
    C::Error: Debug,
    PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
{
    protocol_negotiation(client, startup).await?;
    if !client.is_secure() && !client.socket_addr().ip().is_loopback() {
        let text = "a token is accepted over TLS only, or from the same machine: set `sslmode=require`";
        return Err(status::fatal("28000", text));
    }
    save_startup_parameters_to_metadata(client, startup);
    client.set_state(PgWireConnectionState::AuthenticationInProgress);
    client.send(PgWireBackendMessage::Authentication(Authentication::CleartextPassword)).await?;
    Ok(())
}

impl Door {
    async fn admitted(&self, client: &impl ClientInfo, token: String) -> PgWireResult<Session> {
        let refused = |error: Error| status::fatal_error(&error);
        self.app.refuse_stale().map_err(refused)?;
        let identity = self.app.authenticator.authenticate(&token).await.map_err(refused)?;
        let user = client.metadata().get(METADATA_USER).map(String::as_str).unwrap_or_default();
        // A name that is not the token's would be taken for who is asking.
        if user != identity.user {
            tracing::info!("a token came with the name of another user");
            return Err(refused(Error::new(ErrorKind::Unauthenticated, REFUSAL)));
        }
        let settings = Settings::of_startup(&identity.user, client.metadata())?;
        Ok(Session::new(token, settings))
    }

    /// Makes what the connection runs something that its client can cancel, until it ends.
    fn register<C: ClientInfo>(&self, client: &mut C) {
        let (pid, secret) = self.keys.generate(client);
        client.set_pid_and_secret_key(pid, secret.clone());
        let (handle, guard) = self.connections.register(pid, secret);
        client.session_extensions().insert(Running(handle));
        client.session_extensions().insert(guard);
    }
}

/// What the client is told of its settings.
struct Told;

impl ServerParameterProvider for Told {
    fn server_parameters<C: ClientInfo>(&self, client: &C) -> Option<HashMap<String, String>> {
        let session = Session::of(client)?;
        let told = session.settings(|settings| {
            settings::REPORTED
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), settings.get(name)?)))
                .collect()
        });
        Some(told)
    }
}
