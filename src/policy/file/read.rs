//! From the tree of a policy file to its rules, each mistake with its place.
//!
//! Knows the fields and what each must look like; what fits together is `check`'s, so that a rule from a file and
//! one from a request are judged alike.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use super::{DatabaseSpec, FileError, GrantSpec, Node, Place, Placed, PolicyFile, Value};
use crate::policy::check;
use crate::policy::model::{Columns, Permission, Role};
use crate::policy::principal::Principal;

/// Reads the whole file.
pub(super) fn file(path: &str, root: &Node) -> Result<PolicyFile, FileError> {
    let root = At { file: path, field: String::new(), node: root };
    let fields = root.fields("a policy file", &["roles", "databases", "grants"])?;
    let mut read = PolicyFile::default();
    if let Some(roles) = fields.get("roles") {
        read.roles = roles.entries()?.iter().map(role).collect::<Result<_, _>>()?;
    }
    if let Some(databases) = fields.get("databases") {
        read.databases = databases.entries()?.iter().map(database).collect::<Result<_, _>>()?;
    }
    if let Some(grants) = fields.get("grants") {
        read.grants = grants.items()?.iter().map(grant).collect::<Result<_, _>>()?;
    }
    Ok(read)
}

fn role((name, at): &Named<'_>) -> Result<Placed<Role>, FileError> {
    if name.trim().is_empty() {
        return Err(at.error("a role needs a name"));
    }
    let fields = at.fields("a role", &["members"])?;
    let members_at = at.required(&fields, "members", "a list such as `[group:analysts, user:bo]`")?;
    let members = members_at.parsed_set::<Principal>()?;
    check::check_members(&members).map_err(|invalid| members_at.error(invalid.message))?;
    Ok(at.placed(Role { name: name.clone(), members }))
}

fn database((name, at): &Named<'_>) -> Result<Placed<DatabaseSpec>, FileError> {
    check::check_database(name).map_err(|invalid| at.error(invalid.message))?;
    // `sales:` with nothing under it is a database of which nothing more is said.
    let comment = match at.node.value {
        Value::Null => None,
        _ => at.fields("a database", &["comment"])?.get("comment").map(At::text).transpose()?,
    };
    Ok(at.placed(DatabaseSpec { name: name.clone(), comment }))
}

fn grant(at: &At<'_>) -> Result<Placed<GrantSpec>, FileError> {
    let fields = at.fields("a grant", &["to", "on", "permissions", "columns", "rows", "reason"])?;
    let to = at.required(&fields, "to", "`user:NAME`, `group:NAME`, `role:NAME` or `public`")?.parsed()?;
    let on = at.required(&fields, "on", "`DATABASE`, `DATABASE.*` or `DATABASE.TABLE`")?.parsed()?;
    let permissions =
        at.required(&fields, "permissions", "a list such as `[select]`")?.parsed_set::<Permission>()?;
    let columns = fields.get("columns").map(columns).transpose()?.unwrap_or_default();
    let rows = fields.get("rows").map(At::text).transpose()?;
    let reason = fields.get("reason").map(At::text).transpose()?;
    check::check_grant(&on, &permissions, &columns, rows.as_deref())
        .map_err(|invalid| fields.get(invalid.field).unwrap_or(at).error(invalid.message))?;
    Ok(at.placed(GrantSpec { to, on, permissions, columns, rows, reason }))
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

/// A node of the tree, with the path that leads to it.
struct At<'a> {
    file: &'a str,
    field: String,
    node: &'a Node,
}

/// A field or an entry: its name and what it is.
type Named<'a> = (String, At<'a>);

impl<'a> At<'a> {
    /// The fields of a mapping that may have those of `allowed`.
    fn fields(&self, what: &str, allowed: &[&str]) -> Result<BTreeMap<String, At<'a>>, FileError> {
        let mut fields = BTreeMap::new();
        for (key, (name, at)) in self.keys_and_entries()? {
            if !allowed.contains(&name.as_str()) {
                let message = format!("`{name}` is not a field of {what}; {}", write_one_of(allowed));
                return Err(FileError { place: Place { field: at.field, ..self.place_of(key) }, message });
            }
            fields.insert(name, at);
        }
        Ok(fields)
    }

    /// The entries of a mapping whose keys are names.
    fn entries(&self) -> Result<Vec<Named<'a>>, FileError> {
        Ok(self.keys_and_entries()?.into_iter().map(|(_, entry)| entry).collect())
    }

    fn keys_and_entries(&self) -> Result<Vec<(&'a Node, Named<'a>)>, FileError> {
        let Value::Map(entries) = &self.node.value else {
            return Err(self.error(format!("a mapping (`name: …`) is needed here, not {}", self.kind())));
        };
        let mut seen = BTreeSet::new();
        let mut read = Vec::with_capacity(entries.len());
        for (key, node) in entries {
            let name = At { node: key, field: self.field.clone(), ..*self }.text()?;
            let dot = if self.field.is_empty() { "" } else { "." };
            let field = format!("{}{dot}{name}", self.field);
            if !seen.insert(name.clone()) {
                let message = format!("`{name}` is here twice; keep one");
                return Err(FileError { place: Place { field, ..self.place_of(key) }, message });
            }
            read.push((key, (name, At { file: self.file, field, node })));
        }
        Ok(read)
    }

    fn required<'f>(
        &self,
        fields: &'f BTreeMap<String, At<'a>>,
        name: &str,
        right: &str,
    ) -> Result<&'f At<'a>, FileError> {
        fields.get(name).ok_or_else(|| self.error(format!("`{name}` is missing: write {right}")))
    }

    fn items(&self) -> Result<Vec<At<'a>>, FileError> {
        let Value::List(items) = &self.node.value else {
            return Err(self.error(format!("a list is needed here, not {}", self.kind())));
        };
        let items = items.iter().enumerate();
        Ok(items
            .map(|(i, node)| At { file: self.file, field: format!("{}[{i}]", self.field), node })
            .collect())
    }

    fn text(&self) -> Result<String, FileError> {
        match &self.node.value {
            Value::Text(text) => Ok(text.clone()),
            Value::Other(text) => {
                Err(self.error(format!("text is needed here: write `\"{text}\"` in quotes")))
            }
            Value::Null | Value::List(_) | Value::Map(_) => {
                Err(self.error(format!("text is needed here, not {}", self.kind())))
            }
        }
    }

    fn parsed<T: FromStr<Err: ToString>>(&self) -> Result<T, FileError> {
        self.text()?.parse().map_err(|error: T::Err| self.error(error.to_string()))
    }

    fn parsed_set<T: FromStr<Err: ToString> + Ord>(&self) -> Result<BTreeSet<T>, FileError> {
        let mut set = BTreeSet::new();
        for item in self.items()? {
            if !set.insert(item.parsed()?) {
                return Err(item.error(format!("`{}` is here twice; keep one", item.text()?)));
            }
        }
        Ok(set)
    }

    fn placed<T>(&self, value: T) -> Placed<T> {
        Placed { place: self.place_of(self.node), value }
    }

    fn error(&self, message: impl Into<String>) -> FileError {
        FileError { place: self.place_of(self.node), message: message.into() }
    }

    fn place_of(&self, node: &Node) -> Place {
        Place { file: self.file.to_owned(), line: node.line, column: node.column, field: self.field.clone() }
    }

    fn kind(&self) -> &'static str {
        match self.node.value {
            Value::Text(_) | Value::Other(_) => "a single value",
            Value::Null => "nothing",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

fn write_one_of(allowed: &[&str]) -> String {
    let names: Vec<String> = allowed.iter().map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        Some((only, [])) => format!("write {only}"),
        Some((last, others)) => format!("write {} or {last}", others.join(", ")),
        None => "write nothing".to_owned(),
    }
}
