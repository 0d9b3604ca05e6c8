//! A gateway and who asks it: what connections are made of.

use adbc_core::error::Result;
use adbc_core::options::{OptionConnection, OptionDatabase, OptionValue};
use adbc_core::{Database, Driver, Optionable};
use lakegate_client::ConnectOptions;

use crate::connection::LakegateConnection;
use crate::fault::{invalid, of_client};
use crate::options::{only_texts, text, unknown, unset};

/// The driver, which holds nothing.
#[derive(Debug, Default)]
pub struct LakegateDriver;

/// Where the gateway is (`uri`) and the token (`password`, or in the address).
#[derive(Default)]
pub struct LakegateDatabase {
    uri: Option<String>,
    user: Option<String>,
    token: Option<String>,
}

impl Driver for LakegateDriver {
    type DatabaseType = LakegateDatabase;

    fn new_database(&mut self) -> Result<LakegateDatabase> {
        Ok(LakegateDatabase::default())
    }

    fn new_database_with_opts(
        &mut self,
        options: impl IntoIterator<Item = (OptionDatabase, OptionValue)>,
    ) -> Result<LakegateDatabase> {
        let mut database = self.new_database()?;
        options.into_iter().try_for_each(|(key, value)| database.set_option(key, value))?;
        Ok(database)
    }
}

impl Optionable for LakegateDatabase {
    type Option = OptionDatabase;

    fn set_option(&mut self, key: OptionDatabase, value: OptionValue) -> Result<()> {
        let value = text(key.as_ref(), value)?;
        match key {
            OptionDatabase::Uri => self.uri = Some(value),
            // The token says who asks; a name beside it is taken, since driver managers send one, and not used.
            OptionDatabase::Username => self.user = Some(value),
            OptionDatabase::Password => self.token = Some(value),
            other => return Err(unknown(other.as_ref())),
        }
        Ok(())
    }

    /// An address may hold the token, so neither is told.
    fn get_option_string(&self, key: OptionDatabase) -> Result<String> {
        match key {
            OptionDatabase::Username => self.user.clone().ok_or_else(|| unset(key.as_ref())),
            _ => Err(unset(key.as_ref())),
        }
    }

    only_texts!(OptionDatabase);
}

impl Database for LakegateDatabase {
    type ConnectionType = LakegateConnection;

    fn new_connection(&self) -> Result<LakegateConnection> {
        self.new_connection_with_opts([])
    }

    fn new_connection_with_opts(
        &self,
        options: impl IntoIterator<Item = (OptionConnection, OptionValue)>,
    ) -> Result<LakegateConnection> {
        let uri = self
            .uri
            .as_deref()
            .ok_or_else(|| invalid("the option `uri` must be set: `lakegate://HOST:PORT`"))?;
        let mut gateway: ConnectOptions = uri.parse().map_err(|error| of_client(&error))?;
        if let Some(token) = &self.token {
            gateway = gateway.token(token);
        }
        let mut connection = LakegateConnection::new(gateway)?;
        options.into_iter().try_for_each(|(key, value)| connection.set_option(key, value))?;
        Ok(connection)
    }
}

impl std::fmt::Debug for LakegateDatabase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LakegateDatabase").field("user", &self.user).finish_non_exhaustive()
    }
}
