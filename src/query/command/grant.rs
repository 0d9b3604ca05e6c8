//! `GRANT` and `REVOKE`.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::ast::{
    Action, Grant as GrantSyntax, GrantObjects, Grantee, GranteeName, GranteesType, Ident, ObjectName,
    Privileges, Revoke,
};

use super::super::parse::{full_object_name, not_allowed};
use crate::app::App;
use crate::error::{Error, ErrorKind, Result};
use crate::policy::grant::GrantSpec;
use crate::policy::model::{Columns, Grant, Permission, TableName, Target};
use crate::policy::principal::{Identity, Principal};
use crate::store::record::Change;

/// A `GRANT`: one grant for each object and principal.
#[derive(Debug)]
pub struct Granting {
    specs: Vec<GrantSpec>,
}

/// A `REVOKE`.
#[derive(Debug)]
pub struct Revoking {
    from: Vec<Principal>,
    on: Vec<Target>,
    privileges: Privilege,
}

/// The permissions, and the columns when they are named.
#[derive(Debug)]
struct Privilege {
    permissions: BTreeSet<Permission>,
    columns: Option<BTreeSet<String>>,
}

impl Granting {
    pub(super) fn of(syntax: &GrantSyntax, database: Option<&str>) -> Result<Self> {
        if syntax.as_grantor.is_some() || syntax.granted_by.is_some() || syntax.current_grants.is_some() {
            return Err(not_allowed("GRANT with this option"));
        }
        let (on, to) = (targets(syntax.objects.as_ref(), database)?, principals(&syntax.grantees)?);
        let mut specs = Vec::new();
        for target in &on {
            let Privilege { permissions, columns } = privilege(&syntax.privileges, target)?;
            let columns = columns.map_or(Columns::All, Columns::Include);
            for principal in &to {
                let spec = GrantSpec::new(principal.clone(), target.clone(), permissions.clone());
                specs.push(GrantSpec {
                    columns: columns.clone(),
                    grantable: syntax.with_grant_option,
                    ..spec
                });
            }
        }
        Ok(Self { specs })
    }

    pub(super) fn tables(&self) -> Vec<TableName> {
        named(self.specs.iter().map(|spec| &spec.on))
    }

    pub(super) async fn run(self, app: &App, identity: &Identity) -> Result<&'static str> {
        crate::app::grants::grant(app, identity, self.specs).await.map(|_| "GRANT")
    }
}

impl Revoking {
    pub(super) fn of(syntax: &Revoke, database: Option<&str>) -> Result<Self> {
        if syntax.granted_by.is_some() || syntax.cascade.is_some() {
            return Err(not_allowed("REVOKE with this option"));
        }
        let on = targets(syntax.objects.as_ref(), database)?;
        let first = on.first().ok_or_else(nothing_named)?;
        let privileges = privilege(&syntax.privileges, first)?;
        Ok(Self { from: principals(&syntax.grantees)?, on, privileges })
    }

    pub(super) fn tables(&self) -> Vec<TableName> {
        named(self.on.iter())
    }

    /// Only administrators revoke: a grant does not say who made it.
    pub(super) async fn run(self, app: &App, identity: &Identity) -> Result<&'static str> {
        if !app.is_administrator(identity) {
            return Err(Error::new(ErrorKind::PermissionDenied, "only administrators revoke"));
        }
        let governance = app.state();
        let mut changes = Vec::new();
        for kept in governance.state.grants.values() {
            let is_meant = self.from.contains(&kept.value.to) && self.on.contains(&kept.value.on);
            if !is_meant || kept.value.permissions.is_disjoint(&self.privileges.permissions) {
                continue;
            }
            let expected = Some(kept.revision);
            changes.push(match self.left_of(&kept.value) {
                Some(value) => Change::UpdateGrant { value, expected },
                None => Change::DropGrant { id: kept.value.id.clone(), expected },
            });
        }
        if changes.is_empty() {
            return Err(Error::new(ErrorKind::NotFound, "there is no such grant: see `SHOW GRANTS`"));
        }
        app.change(&identity.user, changes).await.map(|_| "REVOKE")
    }

    /// What is left of `grant`, if anything is.
    fn left_of(&self, grant: &Grant) -> Option<Grant> {
        let mut left = grant.clone();
        match &self.privileges.columns {
            None => {
                left.permissions.retain(|permission| !self.privileges.permissions.contains(permission));
                if !left.permissions.contains(&Permission::Select) {
                    (left.columns, left.rows, left.filter) = (Columns::All, None, None);
                }
                (!left.permissions.is_empty()).then_some(left)
            }
            Some(gone) => {
                left.columns = match left.columns {
                    Columns::All => Columns::Exclude(gone.clone()),
                    Columns::Exclude(names) => Columns::Exclude(names.union(gone).cloned().collect()),
                    Columns::Include(names) => Columns::Include(names.difference(gone).cloned().collect()),
                };
                (left.columns != Columns::Include(BTreeSet::new())).then_some(left)
            }
        }
    }
}

fn privilege(privileges: &Privileges, target: &Target) -> Result<Privilege> {
    let actions = match privileges {
        Privileges::All { .. } => return Ok(Privilege { permissions: all_of(target), columns: None }),
        Privileges::Actions(actions) => actions,
    };
    let (mut permissions, mut columns) = (BTreeSet::new(), None);
    for action in actions {
        permissions.insert(match action {
            Action::Select { columns: named } => {
                columns = named.as_ref().map(|names| names.iter().map(column).collect());
                Permission::Select
            }
            Action::Insert { columns: None } => Permission::Insert,
            Action::Drop => Permission::Drop,
            Action::Create { .. } => Permission::CreateTable,
            other => return Err(not_allowed(&format!("GRANT {other}"))),
        });
    }
    if columns.is_some() && permissions.len() > 1 {
        return Err(Error::invalid_request(
            "columns are for `SELECT`: grant the other permissions on their own",
        ));
    }
    Ok(Privilege { permissions, columns })
}

fn all_of(target: &Target) -> BTreeSet<Permission> {
    let on_database = matches!(target, Target::Database(_));
    let fits = |permission: &Permission| match permission {
        Permission::Select | Permission::Insert => !on_database,
        Permission::CreateTable => on_database,
        Permission::Describe | Permission::Alter | Permission::Drop => true,
    };
    Permission::ALL.into_iter().filter(fits).collect()
}

/// A name without quotes is in small letters, as everywhere in SQL.
fn column(name: &Ident) -> String {
    match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_lowercase(),
    }
}

fn targets(objects: Option<&GrantObjects>, database: Option<&str>) -> Result<Vec<Target>> {
    let of = |names: &[ObjectName], make: fn(String) -> Target| {
        names.iter().map(|name| one_name(name).map(make)).collect()
    };
    match objects {
        Some(GrantObjects::Tables(names) | GrantObjects::Views(names)) => {
            names.iter().map(|name| full_object_name(name, database).map(Target::Table)).collect()
        }
        Some(
            GrantObjects::AllTablesInSchema { schemas } | GrantObjects::FutureTablesInSchema { schemas },
        ) => of(schemas, Target::AllTables),
        Some(GrantObjects::Schemas(names) | GrantObjects::Databases(names)) => of(names, Target::Database),
        Some(_) => Err(not_allowed("GRANT on this kind of object")),
        None => Err(nothing_named()),
    }
}

fn one_name(name: &ObjectName) -> Result<String> {
    match name.0.as_slice() {
        [part] => part.as_ident().map(column).ok_or_else(nothing_named),
        _ => Err(Error::invalid_request(format!("`{name}` is not a database"))),
    }
}

fn nothing_named() -> Error {
    Error::invalid_request(
        "write what it is on: `ON DATABASE.TABLE`, `ON ALL TABLES IN SCHEMA DATABASE` or `ON SCHEMA DATABASE`",
    )
}

fn principals(grantees: &[Grantee]) -> Result<Vec<Principal>> {
    grantees.iter().map(principal).collect()
}

fn principal(grantee: &Grantee) -> Result<Principal> {
    let name = || match &grantee.name {
        Some(GranteeName::ObjectName(name)) => match name.0.as_slice() {
            // The case of a name is kept: users and groups are other systems' names.
            [part] => part.as_ident().map(|ident| ident.value.clone()).ok_or_else(nobody),
            _ => Ok(name.to_string()),
        },
        Some(GranteeName::UserHost { .. }) | None => Err(nobody()),
    };
    match grantee.grantee_type {
        GranteesType::Role => Ok(Principal::Role(name()?)),
        GranteesType::User => Ok(Principal::User(name()?)),
        GranteesType::Group => Ok(Principal::Group(name()?)),
        GranteesType::Public => Ok(Principal::Public),
        _ => Err(nobody()),
    }
}

fn nobody() -> Error {
    Error::invalid_request("write for whom: `ROLE NAME`, `GROUP NAME`, `USER NAME` or `PUBLIC`")
}

fn named<'a>(targets: impl Iterator<Item = &'a Target>) -> Vec<TableName> {
    let tables = targets.filter_map(|target| match target {
        Target::Table(table) => Some(table.clone()),
        Target::Database(_) | Target::AllTables(_) | Target::Tagged(_) => None,
    });
    tables.collect()
}
