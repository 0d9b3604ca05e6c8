//! What a connection is about: whose it is, where it looks up tables, and its settings.

use std::sync::{Arc, Mutex, PoisonError};

use pgwire::api::{ClientInfo, ConnectionHandle};
use pgwire::error::{PgWireError, PgWireResult};

use super::settings::Settings;
use super::status;
use crate::app::App;
use crate::policy::principal::Identity;

/// A connection whose token was good when it began.
#[derive(Debug)]
pub(super) struct Session {
    token: String,
    settings: Mutex<Settings>,
}

/// What a connection runs, by which its client can cancel it.
#[derive(Debug)]
pub(super) struct Running(pub Arc<ConnectionHandle>);

impl Session {
    pub fn new(token: String, settings: Settings) -> Self {
        Self { token, settings: Mutex::new(settings) }
    }

    /// The session of `client`; none before it has said who it is.
    pub fn of(client: &impl ClientInfo) -> Option<Arc<Self>> {
        client.session_extensions().get()
    }

    /// The session of a client that wants something.
    pub fn needed(client: &impl ClientInfo) -> PgWireResult<Arc<Self>> {
        Self::of(client).ok_or_else(|| status::fatal("28000", "say who you are first"))
    }

    /// Who asks, as their token says now.
    pub async fn identity(&self, app: &App) -> Result<Arc<Identity>, PgWireError> {
        let identity = app.authenticator.authenticate(&self.token).await;
        identity.map(Arc::new).map_err(|error| status::fatal_error(&error))
    }

    /// The settings, for as long as `work` takes.
    pub fn settings<T>(&self, work: impl FnOnce(&mut Settings) -> T) -> T {
        work(&mut self.settings.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
