//! Who may read what on a server of MySQL or MariaDB, from its grant tables in the schema `mysql`, which few accounts may read.
//!
//! What comes of them is said in `accounts`, which views show everybody the same in `views`.

use std::collections::BTreeSet;

use sqlx::mysql::{MySqlConnection, MySqlRow};

use super::super::discovery::{DiscoveredTable, TableKind};
use super::super::privileges::{HeldColumn, HeldTable, Privileges, Values};
use super::accounts::{Account, Accounts, Grants, Key, OnSchema, Rights};
use super::discover::text;
use super::{MySql, views};
use crate::error::{Error, ErrorKind, Result};

/// Accounts: name, host, SELECT, INSERT, SUPER, whether it is a role, whether it is locked, its default role, whether schemas are taken out.
const MARIADB_ACCOUNTS: &str = "SELECT u.User, u.Host, u.Select_priv, u.Insert_priv, u.Super_priv, u.is_role, \
       IF(JSON_VALUE(g.Priv, '$.account_locked') IN ('1', 'true'), 'Y', 'N'), u.default_role, 'N' \
     FROM mysql.user u JOIN mysql.global_priv g ON g.User = u.User AND g.Host = u.Host";

const MYSQL_ACCOUNTS: &str = "SELECT u.User, u.Host, u.Select_priv, u.Insert_priv, u.Super_priv, \
       IF(EXISTS (SELECT 1 FROM mysql.role_edges e WHERE e.FROM_USER = u.User AND e.FROM_HOST = u.Host), 'Y', 'N'), \
       u.account_locked, '', IF(JSON_EXTRACT(u.User_attributes, '$.Restrictions') IS NULL, 'N', 'Y') \
     FROM mysql.user u";

/// Who has which role: name and host of both.
const MARIADB_ROLES: &str = "SELECT User, Host, Role, '' FROM mysql.roles_mapping";
const MYSQL_ROLES: &str = "SELECT TO_USER, TO_HOST, FROM_USER, FROM_HOST FROM mysql.role_edges";

/// Which of them are active from the start, where that is not told with the account.
const MYSQL_DEFAULTS: &str =
    "SELECT USER, HOST, DEFAULT_ROLE_USER, DEFAULT_ROLE_HOST FROM mysql.default_roles";

const SCHEMAS: &str = "SELECT User, Host, Db, Select_priv, Insert_priv FROM mysql.db";
const TABLES: &str = "SELECT User, Host, Db, Table_name, Table_priv FROM mysql.tables_priv";
const COLUMNS: &str = "SELECT User, Host, Db, Table_name, Column_name, Column_priv FROM mysql.columns_priv";

/// With these, wildcards in the names of schemas are letters.
const PARTIAL_REVOKES: &str = "SHOW GLOBAL VARIABLES LIKE 'partial_revokes'";

impl MySql {
    /// All that is held on what `patterns` mean.
    pub(super) async fn held(&self, patterns: &[String]) -> Result<Privileges> {
        let found = self.discovered(patterns).await?;
        let mut connection = self.session().await?;
        let grants = self.grants(&mut connection).await?;
        let differing =
            views::that_depend_on_their_reader(&self.ask(&mut connection, views::VIEWS, None).await?)?;
        let accounts = Accounts::of(&grants);
        let tables = found.tables.into_iter().map(|table| {
            let at = (table.schema.clone().unwrap_or_default(), table.name.clone());
            let mut table = held_table(table, differing.get(&at).cloned());
            table.held = accounts.held(&table);
            table
        });
        let tables = tables.collect();
        Ok(Privileges { holders: accounts.holders, tables, notes: Vec::new() })
    }

    async fn grants(&self, connection: &mut MySqlConnection) -> Result<Grants> {
        let version = self.ask(connection, "SELECT VERSION()", None).await?;
        let version = version.first().map(|row| text(row, 0)).transpose()?.unwrap_or_default();
        let is_mariadb = version.to_ascii_lowercase().contains("mariadb");
        let (accounts, roles) = match is_mariadb {
            true => (MARIADB_ACCOUNTS, MARIADB_ROLES),
            false => (MYSQL_ACCOUNTS, MYSQL_ROLES),
        };
        let mut grants = Grants::default();
        for row in self.ask_for_grants(connection, accounts).await? {
            let (key, account) = account(&row)?;
            grants.accounts.insert(key, account);
        }
        for row in self.ask_for_grants(connection, roles).await? {
            grants.granted.insert((key(&row, 0)?, key(&row, 2)?));
        }
        if !is_mariadb {
            for row in self.ask_for_grants(connection, MYSQL_DEFAULTS).await? {
                if let Some(account) = grants.accounts.get_mut(&key(&row, 0)?) {
                    account.defaults.insert(key(&row, 2)?);
                }
            }
        }
        for row in self.ask_for_grants(connection, SCHEMAS).await? {
            let rights = Rights { select: text(&row, 3)? == "Y", insert: text(&row, 4)? == "Y" };
            grants.schemas.push(OnSchema { key: key(&row, 0)?, pattern: text(&row, 2)?, rights });
        }
        for row in self.ask_for_grants(connection, TABLES).await? {
            let at = (key(&row, 0)?, text(&row, 2)?, text(&row, 3)?);
            grants.tables.insert(at, rights(&text(&row, 4)?));
        }
        for row in self.ask_for_grants(connection, COLUMNS).await? {
            let at = (key(&row, 0)?, text(&row, 2)?, text(&row, 3)?);
            let column = (text(&row, 4)?.to_lowercase(), rights(&text(&row, 5)?));
            grants.columns.entry(at).or_default().push(column);
        }
        let partial = self.ask(connection, PARTIAL_REVOKES, None).await?;
        let partial = partial.first().map(|row| text(row, 1)).transpose()?;
        grants.is_literal = partial.is_some_and(|value| value.eq_ignore_ascii_case("on"));
        Ok(grants)
    }

    /// An account that may not read the grant tables would be told of its own grants at most.
    async fn ask_for_grants(
        &self,
        connection: &mut MySqlConnection,
        question: &'static str,
    ) -> Result<Vec<MySqlRow>> {
        self.ask(connection, question, None).await.map_err(|error| {
            let detail = format!(
                "the privileges of this server cannot be read, which takes `SELECT` on the schema `mysql`: {}",
                error.detail()
            );
            Error::new(ErrorKind::InvalidRequest, detail).with_source(error)
        })
    }
}

fn key(row: &MySqlRow, at: usize) -> Result<Key> {
    Ok((text(row, at)?, text(row, at.saturating_add(1))?))
}

fn account(row: &MySqlRow) -> Result<(Key, Account)> {
    let is = |at| text(row, at).map(|value| value == "Y");
    let (is_role, is_locked, default) = (is(5)?, is(6)?, text(row, 7)?);
    let key = key(row, 0)?;
    let account = Account {
        is_role,
        // A role of MariaDB has no host to sign in from.
        signs_in: !(is_locked || is_role && key.1.is_empty()),
        is_super: is(4)?,
        everywhere: Rights { select: is(2)?, insert: is(3)? },
        is_restricted: is(8)?,
        defaults: if default.is_empty() { BTreeSet::new() } else { [(default, String::new())].into() },
    };
    Ok((key, account))
}

/// Of a list such as `Select,Insert`.
fn rights(list: &str) -> Rights {
    let has = |right: &str| list.split(',').any(|one| one.trim().eq_ignore_ascii_case(right));
    Rights { select: has("select"), insert: has("insert") }
}

/// Without what is held. No condition is ever asked of its values: the server has no row level security.
fn held_table(found: DiscoveredTable, depends_on_reader: Option<String>) -> HeldTable {
    let columns =
        found.columns.into_iter().map(|column| HeldColumn { name: column.name, values: Values::Other });
    HeldTable {
        schema: found.schema,
        name: found.name,
        columns: columns.collect(),
        takes_rows: found.kind == TableKind::Table,
        depends_on_reader,
        ..HeldTable::default()
    }
}
