//! From the tree of a policy file to its rules, each mistake with its place.
//!
//! Knows the fields and what each must look like; what fits together is `check`'s, so that a rule from a file and
//! one from a request are judged alike.

use std::collections::{BTreeMap, BTreeSet};

use super::at::{At, Fields, Named};
use super::node::{Node, Value};
use super::{DatabaseSpec, FileError, Placed, PolicyFile, TaggingSpec, assertion, restriction};
use crate::policy::check;
use crate::policy::grant::GrantSpec;
use crate::policy::model::{Columns, Filter, Permission, Role, TableName, Target};
use crate::policy::principal::Principal;
use crate::policy::tag::{Tag, TagExpression, TaggedObject};

const SECTIONS: [&str; 7] = ["roles", "tags", "databases", "filters", "grants", "restrictions", "tests"];
const GRANT: [&str; 10] =
    ["to", "on", "permissions", "columns", "rows", "filter", "grantable", "from", "until", "reason"];

/// Reads the whole file.
pub(super) fn file(path: &str, root: &Node) -> Result<PolicyFile, FileError> {
    let root = At { file: path, field: String::new(), node: root };
    let fields = root.fields("a policy file", &SECTIONS)?;
    let mut read = PolicyFile {
        roles: named(&fields, "roles", role)?,
        tags: named(&fields, "tags", tag)?,
        filters: named(&fields, "filters", filter)?,
        grants: listed(&fields, "grants", grant)?,
        restrictions: listed(&fields, "restrictions", restriction::read)?,
        tests: listed(&fields, "tests", assertion::read)?,
        ..PolicyFile::default()
    };
    if let Some(databases) = fields.get("databases") {
        for entry in databases.entries()? {
            read.databases.push(database(&entry, &mut read.tagged)?);
        }
    }
    Ok(read)
}

fn named<T>(
    fields: &Fields<'_>,
    section: &str,
    read: impl Fn(&Named<'_>) -> Result<T, FileError>,
) -> Result<Vec<T>, FileError> {
    fields.get(section).map_or(Ok(Vec::new()), |at| at.entries()?.iter().map(read).collect())
}

fn listed<T>(
    fields: &Fields<'_>,
    section: &str,
    read: impl Fn(&At<'_>) -> Result<T, FileError>,
) -> Result<Vec<T>, FileError> {
    fields.get(section).map_or(Ok(Vec::new()), |at| at.items()?.iter().map(read).collect())
}

fn role((name, at): &Named<'_>) -> Result<Placed<Role>, FileError> {
    at.check_name("a role", name)?;
    let fields = at.fields("a role", &["members"])?;
    let members_at = at.required(&fields, "members", "a list such as `[group:analysts, user:bo]`")?;
    let members = members_at.parsed_set::<Principal>()?;
    check::check_members(&members).map_err(|invalid| members_at.error(invalid.message))?;
    Ok(at.placed(Role { name: name.clone(), members }, &fields))
}

fn tag((key, at): &Named<'_>) -> Result<Placed<Tag>, FileError> {
    let tag = Tag { key: key.clone(), values: at.texts()? };
    check::check_tag(&tag).map_err(|invalid| at.error(invalid.message))?;
    let mut placed = at.placed(tag, &Fields::new());
    placed.parts.insert("values".to_owned(), at.place());
    Ok(placed)
}

/// A database, and beside it the tags in it.
fn database(
    (name, at): &Named<'_>,
    tagged: &mut Vec<Placed<TaggingSpec>>,
) -> Result<Placed<DatabaseSpec>, FileError> {
    check::check_database(name).map_err(|invalid| at.error(invalid.message))?;
    // `sales:` with nothing under it is a database of which nothing more is said.
    let fields = fields_or_none(at, "a database", &["comment", "tags", "tables"])?;
    tagged.extend(tags_of(TaggedObject::Database(name.clone()), &fields)?);
    for (table, at) in fields.get("tables").map(At::entries).transpose()?.unwrap_or_default() {
        let table = TableName::new(name.clone(), table);
        check::check_target(&Target::Table(table.clone())).map_err(|_| {
            at.error(format!("`{}` is not a table's name: it has no `.` and no `*`", table.table))
        })?;
        table_tags(&table, &at, tagged)?;
    }
    let comment = fields.get("comment").map(At::text).transpose()?;
    Ok(at.placed(DatabaseSpec { name: name.clone(), comment }, &fields))
}

fn table_tags(
    table: &TableName,
    at: &At<'_>,
    tagged: &mut Vec<Placed<TaggingSpec>>,
) -> Result<(), FileError> {
    let fields = fields_or_none(at, "a table", &["tags", "columns"])?;
    tagged.extend(tags_of(TaggedObject::Table(table.clone()), &fields)?);
    for (path, at) in fields.get("columns").map(At::entries).transpose()?.unwrap_or_default() {
        if path.split('.').any(|part| part.is_empty() || part == "*") {
            let message = format!(
                "`{path}` is not a column: write `COLUMN`, or `COLUMN.FIELD` for a field of a struct"
            );
            return Err(at.error(message));
        }
        let fields = fields_or_none(&at, "a column", &["tags"])?;
        tagged.extend(tags_of(TaggedObject::Column(table.clone(), path), &fields)?);
    }
    Ok(())
}

fn fields_or_none<'a>(at: &At<'a>, what: &str, allowed: &[&str]) -> Result<Fields<'a>, FileError> {
    match at.node.value {
        Value::Null => Ok(Fields::new()),
        _ => at.fields(what, allowed),
    }
}

fn tags_of(object: TaggedObject, fields: &Fields<'_>) -> Result<Option<Placed<TaggingSpec>>, FileError> {
    let Some(at) = fields.get("tags") else { return Ok(None) };
    let entries: Fields<'_> = at.entries()?.into_iter().collect();
    let tags = entries.iter().map(|(key, value)| Ok((key.clone(), value.text()?)));
    let tags = tags.collect::<Result<_, FileError>>()?;
    Ok(Some(at.placed(TaggingSpec { object, tags }, &entries)))
}

fn filter((name, at): &Named<'_>) -> Result<Placed<Filter>, FileError> {
    at.check_name("a filter", name)?;
    let fields = at.fields("a filter", &["on", "rows", "columns"])?;
    let on_at = at.required(&fields, "on", "`DATABASE.TABLE`")?;
    let on: TableName = on_at.parsed()?;
    check::check_target(&Target::Table(on.clone())).map_err(|_| {
        on_at.error(format!("a filter is on one table: `{on}` is none; write `DATABASE.TABLE`"))
    })?;
    let columns = fields.get("columns").map(columns).transpose()?.unwrap_or_default();
    let rows = fields.get("rows").map(At::text).transpose()?;
    if rows.is_none() && columns == Columns::All {
        return Err(at.error("a filter says which rows or which columns: write `rows` or `columns`"));
    }
    let checked = check::check_columns(&columns).and_then(|()| check::check_rows(rows.as_deref()));
    checked.map_err(|invalid| fields.get(invalid.field).unwrap_or(at).error(invalid.message))?;
    Ok(at.placed(Filter { name: name.clone(), on, columns, rows }, &fields))
}

fn grant(at: &At<'_>) -> Result<Placed<GrantSpec>, FileError> {
    let fields = at.fields("a grant", &GRANT)?;
    let to = at.required(&fields, "to", "`user:NAME`, `group:NAME`, `role:NAME` or `public`")?.parsed()?;
    let on_at = at.required(&fields, "on", "`DATABASE`, `DATABASE.*`, `DATABASE.TABLE` or tags")?;
    let on = match on_at.node.value {
        Value::Map(_) => Target::Tagged(tag_expression(on_at)?),
        _ => on_at.parsed()?,
    };
    let permissions =
        at.required(&fields, "permissions", "a list such as `[select]`")?.parsed_set::<Permission>()?;
    let spec = GrantSpec {
        columns: fields.get("columns").map(columns).transpose()?.unwrap_or_default(),
        rows: fields.get("rows").map(At::text).transpose()?,
        filter: fields.get("filter").map(|at| at.name("a filter")).transpose()?,
        grantable: fields.get("grantable").map(At::flag).transpose()?.unwrap_or_default(),
        from: fields.get("from").map(At::time).transpose()?,
        until: fields.get("until").map(At::time).transpose()?,
        reason: fields.get("reason").map(At::text).transpose()?,
        ..GrantSpec::new(to, on, permissions)
    };
    check::check_grant(&spec)
        .map_err(|invalid| fields.get(invalid.field).unwrap_or(at).error(invalid.message))?;
    Ok(at.placed(spec, &fields))
}

/// `{ tags: { sensitivity: [public, internal] } }`; one value of a key may be written without a list.
pub(super) fn tag_expression(at: &At<'_>) -> Result<TagExpression, FileError> {
    let fields = at.fields("`on`", &["tags"])?;
    let tags = at.required(&fields, "tags", "the keys and values to match, as `tags: { KEY: [VALUE] }`")?;
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (key, values) in tags.entries()? {
        keys.insert(key, values.one_or_parsed_set()?);
    }
    TagExpression::new(keys).map_err(|message| tags.error(message))
}

fn columns(at: &At<'_>) -> Result<Columns, FileError> {
    let fields = at.fields("`columns`", &["include", "exclude"])?;
    match (fields.get("include"), fields.get("exclude")) {
        (Some(include), None) => Ok(Columns::Include(include.parsed_set()?)),
        (None, Some(exclude)) => Ok(Columns::Exclude(exclude.parsed_set()?)),
        (Some(_), Some(exclude)) => Err(exclude.error("write either `include` or `exclude`, not both")),
        (None, None) => Err(at.error("write `include` or `exclude` with a list of columns")),
    }
}
