//! Who may read what in a PostgreSQL database, as the server itself answers for each role (`has_table_privilege`, …): with what
//! comes to it through roles, PUBLIC, ownership and the server's own roles. So the rules of no version are repeated here.
//!
//! The catalog tells everybody the privileges of all, so any account will do. What lies behind a view is read in `views`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::postgres::{PgConnection, PgRow};

use super::super::pattern::{Found, choose};
use super::super::privileges::{
    Held, HeldColumn, HeldTable, Holder, HolderId, HolderKind, Part, Privileges, RowPolicy, RowSecurity,
    Values,
};
use super::discover::value;
use super::{is_schema, is_table, read_failed, views};
use crate::error::Result;

/// Each role, and the roles whose privileges it has without asking. A superuser has all of them and passes none of that on.
const ROLES: &str = "SELECT r.oid::int8, r.rolname::text, r.rolcanlogin, r.rolsuper, r.rolbypassrls, \
       has_database_privilege(r.oid, current_database(), 'CONNECT'), \
       ARRAY(SELECT g.oid::int8 FROM pg_roles g \
         WHERE g.oid <> r.oid AND NOT r.rolsuper AND pg_has_role(r.oid, g.oid, 'USAGE')), \
       r.oid < 16384 \
     FROM pg_roles r ORDER BY r.rolname";

/// Memberships that give nothing until somebody asks for the role.
const ASKED_FOR: &str = "SELECT m.rolname::text, g.rolname::text FROM pg_auth_members a \
     JOIN pg_roles m ON m.oid = a.member JOIN pg_roles g ON g.oid = a.roleid \
     WHERE NOT m.rolsuper AND m.oid >= 16384 AND NOT pg_has_role(m.oid, g.oid, 'USAGE') ORDER BY 1, 2";

/// Each table, and which of the roles `$1` may use its schema, read all of it, and add rows to all of it.
const TABLES: &str = concat!(
    "SELECT c.oid::int8, n.nspname::text, c.relname::text, c.relkind::text, \
       c.relrowsecurity, CASE WHEN NOT c.relforcerowsecurity THEN c.relowner::int8 END, \
       ARRAY(SELECT h FROM unnest($1::int8[]) h WHERE has_schema_privilege(h::oid, n.oid, 'USAGE')), \
       ARRAY(SELECT h FROM unnest($1::int8[]) h WHERE has_table_privilege(h::oid, c.oid, 'SELECT')), \
       ARRAY(SELECT h FROM unnest($1::int8[]) h WHERE has_table_privilege(h::oid, c.oid, 'INSERT')) \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ",
    is_table!(),
    " ORDER BY 2, 3"
);

/// Each column of the tables `$2`, with the type that its domain, if it has one, is over in the end, and which of the roles `$1`
/// may read or write it, where there are privileges of its own.
const COLUMNS: &str = "WITH RECURSIVE base (attrelid, attnum, oid) AS ( \
       SELECT attrelid, attnum, atttypid FROM pg_attribute \
       WHERE attrelid = ANY ($2::int8[]::oid[]) AND attnum > 0 AND NOT attisdropped \
       UNION ALL \
       SELECT base.attrelid, base.attnum, t.typbasetype FROM base JOIN pg_type t ON t.oid = base.oid WHERE t.typtype = 'd') \
     SELECT a.attrelid::int8, a.attname::text, t.typname::text, t.typtype::text, format_type(a.atttypid, NULL), \
       COALESCE((to_jsonb(l) ->> 'collisdeterministic')::boolean, true), \
       ARRAY(SELECT h FROM unnest($1::int8[]) h \
         WHERE a.attacl IS NOT NULL AND has_column_privilege(h::oid, a.attrelid, a.attnum, 'SELECT')), \
       ARRAY(SELECT h FROM unnest($1::int8[]) h \
         WHERE a.attacl IS NOT NULL AND has_column_privilege(h::oid, a.attrelid, a.attnum, 'INSERT')) \
     FROM base JOIN pg_type t ON t.oid = base.oid AND t.typtype <> 'd' \
     JOIN pg_attribute a ON a.attrelid = base.attrelid AND a.attnum = base.attnum \
     LEFT JOIN pg_collation l ON l.oid = a.attcollation \
     ORDER BY a.attrelid, a.attnum";

/// The policies of the tables `$1` that are about reading. A condition names what is not the server's own in its dependencies.
const POLICIES: &str = "SELECT p.polrelid::int8, p.polname::text, p.polpermissive, p.polroles::oid[]::int8[], \
       pg_get_expr(p.polqual, p.polrelid), \
       EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_policy'::regclass AND d.objid = p.oid \
         AND d.refclassid IN ('pg_operator'::regclass, 'pg_proc'::regclass)) \
     FROM pg_policy p WHERE p.polrelid = ANY ($1::int8[]::oid[]) AND p.polcmd IN ('*', 'r') ORDER BY p.polrelid, p.polname";

/// In the place of a role it is everybody.
const PUBLIC: i64 = 0;

/// The holders by their object ids.
struct Roles(HashMap<i64, HolderId>);

/// All that is held on what `patterns` mean.
pub(super) async fn privileges(connection: &mut PgConnection, patterns: &[String]) -> Result<Privileges> {
    let rows = connection_rows(connection, ROLES).await?;
    let (roles, holders) = holders(&rows)?;
    let mut notes = Vec::new();
    for row in connection_rows(connection, ASKED_FOR).await? {
        let (member, role) = (value::<String>(&row, 0)?, value::<String>(&row, 1)?);
        notes.push(format!("`{member}` has `{role}` only after SET ROLE: it is no member of it here"));
    }
    let oids = roles.0.keys().copied().collect::<Vec<_>>();
    let rows = sqlx::query(TABLES).bind(&oids).fetch_all(&mut *connection).await.map_err(read_failed)?;
    let mut tables =
        rows.iter().map(|row| Ok((value(row, 0)?, roles.table(row)?))).collect::<Result<Vec<_>>>()?;
    if !patterns.is_empty() {
        let found = |table: &HeldTable| Found { schema: table.schema.clone(), name: table.name.clone() };
        let all = tables.iter().map(|(_, table)| found(table)).collect();
        let mut chosen = choose(all, patterns, Some("public"))?.into_iter().peekable();
        // Both are in one order.
        tables.retain(|(_, table)| chosen.next_if(|next| *next == found(table)).is_some());
    }
    let chosen = tables.iter().map(|(oid, _)| *oid).collect::<Vec<_>>();
    let mut by_oid = tables.iter_mut().map(|(oid, table)| (*oid, table)).collect::<HashMap<i64, _>>();
    let query = sqlx::query(COLUMNS).bind(&oids).bind(&chosen);
    for row in query.fetch_all(&mut *connection).await.map_err(read_failed)? {
        if let Some(table) = by_oid.get_mut(&value(&row, 0)?) {
            roles.add_column(table, &row)?;
        }
    }
    for row in sqlx::query(POLICIES).bind(&chosen).fetch_all(&mut *connection).await.map_err(read_failed)? {
        let table = by_oid.get_mut(&value(&row, 0)?);
        if let Some(security) = table.and_then(|table| table.rows.as_mut()) {
            security.policies.push(roles.policy(&row)?);
        }
    }
    for (oid, why) in views::that_depend_on_their_reader(connection).await? {
        if let Some(table) = by_oid.get_mut(&oid) {
            table.depends_on_reader = Some(why);
        }
    }
    Ok(Privileges { holders, tables: tables.into_iter().map(|(_, table)| table).collect(), notes })
}

async fn connection_rows(connection: &mut PgConnection, question: &'static str) -> Result<Vec<PgRow>> {
    sqlx::query(question).fetch_all(connection).await.map_err(read_failed)
}

/// Everybody, then each role: but not those of the server's own roles that nobody has.
fn holders(rows: &[PgRow]) -> Result<(Roles, Vec<Holder>)> {
    let mut reached = BTreeSet::new();
    for row in rows {
        reached.extend(value::<Vec<i64>>(row, 6)?);
    }
    let mut roles = Roles([(PUBLIC, 0)].into());
    let mut kept = Vec::new();
    for row in rows {
        let oid = value(row, 0)?;
        let (is_own, signs_in) = (value::<bool>(row, 7)?, value::<bool>(row, 2)?);
        if !is_own || signs_in || reached.contains(&oid) {
            kept.push(row);
            roles.0.insert(oid, kept.len());
        }
    }
    let everyone = Holder {
        name: "PUBLIC".to_owned(),
        kind: HolderKind::Everyone,
        reaches: BTreeSet::new(),
        unbound: None,
        notes: Vec::new(),
    };
    let holders = std::iter::once(Ok(everyone)).chain(kept.into_iter().map(|row| roles.holder(row)));
    let holders = holders.collect::<Result<Vec<_>>>()?;
    Ok((roles, holders))
}

impl Roles {
    fn ids(&self, row: &PgRow, at: usize) -> Result<BTreeSet<HolderId>> {
        let oids = value::<Vec<i64>>(row, at)?;
        Ok(oids.iter().filter_map(|oid| self.0.get(oid)).copied().collect())
    }

    fn holder(&self, row: &PgRow) -> Result<Holder> {
        let name = value::<String>(row, 1)?;
        let (signs_in, is_super) = (value::<bool>(row, 2)?, value::<bool>(row, 3)?);
        let (bypasses, connects) = (value::<bool>(row, 4)?, value::<bool>(row, 5)?);
        let mut notes = Vec::new();
        if bypasses && !is_super {
            notes.push(format!(
                "`{name}` has BYPASSRLS: in the source it sees all rows, and here those that policies let through to it"
            ));
        }
        if signs_in && !connects {
            notes.push(format!("`{name}` may not connect to this database: as a user it is granted nothing"));
        }
        let mut reaches = self.ids(row, 6)?;
        reaches.extend((!is_super).then_some(0));
        let unbound =
            format!("`{name}` is a superuser, who sees everything in the source: it is granted nothing here");
        Ok(Holder {
            name,
            kind: if signs_in && connects { HolderKind::User } else { HolderKind::Group },
            reaches,
            unbound: is_super.then_some(unbound),
            notes,
        })
    }

    fn table(&self, row: &PgRow) -> Result<HeldTable> {
        let kind = value::<String>(row, 3)?;
        let (usage, select, insert) = (self.ids(row, 6)?, self.ids(row, 7)?, self.ids(row, 8)?);
        let part = |of: &BTreeSet<HolderId>, id| if of.contains(id) { Part::All } else { Part::Nothing };
        let held = usage.iter().chain(&select).chain(&insert).map(|id| {
            let held =
                Held { usage: usage.contains(id), select: part(&select, id), insert: part(&insert, id) };
            (*id, held)
        });
        let owner = value::<Option<i64>>(row, 5)?.and_then(|owner| self.0.get(&owner)).copied();
        let has_security = value::<bool>(row, 4)?;
        let is_foreign = "its rows lie in another system, which may show each reader others";
        Ok(HeldTable {
            schema: value(row, 1)?,
            name: value(row, 2)?,
            columns: Vec::new(),
            held: held.collect::<BTreeMap<_, _>>(),
            rows: has_security.then(|| RowSecurity { exempt: owner, policies: Vec::new() }),
            takes_rows: kind == "r" || kind == "p",
            depends_on_reader: (kind == "f").then(|| is_foreign.to_owned()),
        })
    }

    fn add_column(&self, table: &mut HeldTable, row: &PgRow) -> Result<()> {
        let name = value::<String>(row, 1)?;
        let one = || Part::columns([name.clone()]);
        for id in self.ids(row, 6)? {
            let held = table.held.entry(id).or_default();
            held.select = std::mem::take(&mut held.select).or(one());
        }
        for id in self.ids(row, 7)? {
            let held = table.held.entry(id).or_default();
            held.insert = std::mem::take(&mut held.insert).or(one());
        }
        let (of, kind) = (value::<String>(row, 2)?, value::<String>(row, 3)?);
        let values = values(&of, &kind, value(row, 4)?, value(row, 5)?);
        table.columns.push(HeldColumn { name, values });
        Ok(())
    }

    fn policy(&self, row: &PgRow) -> Result<RowPolicy> {
        Ok(RowPolicy {
            name: value(row, 1)?,
            permissive: value(row, 2)?,
            to: self.ids(row, 3)?,
            using: value(row, 4)?,
            has_own_functions: value(row, 5)?,
        })
    }
}

/// What a comparison of values of the type `name` means: `shown` is how the server writes the column's own type.
fn values(name: &str, kind: &str, shown: String, is_exact: bool) -> Values {
    match (kind, name) {
        ("b", "bool") => Values::Truth,
        ("b", "int2" | "int4" | "int8") => Values::Whole,
        ("b", "text" | "varchar" | "name") if is_exact => Values::Text,
        ("b", "uuid") | ("e", _) => Values::Label(shown),
        ("b", "date") => Values::Day,
        _ => Values::Other,
    }
}
