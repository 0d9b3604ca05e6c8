//! Tags: what is assigned and asked for must be among the values that a key may have.

use super::{Judge, Names, Wrong, invalid};
use crate::error::{Error, ErrorKind};
use crate::policy::check;
use crate::policy::model::{Columns, Target};
use crate::policy::path::has_path;
use crate::policy::restriction::Scope;
use crate::policy::tag::{Tag, TagExpression, TaggedObject};
use crate::store::record::Tagging;

impl Judge<'_> {
    pub(super) fn tag(&self, tag: &Tag) -> Result<(), Wrong> {
        check::check_tag(tag).map_err(invalid)?;
        let gone = |value: &String| !tag.values.contains(value);
        let assigned =
            self.after.taggings.values().find(|tagging| tagging.value.tags.get(&tag.key).is_some_and(gone));
        if let Some(tagging) = assigned {
            let text = format!(
                "`{}` has a value of the tag `{}` that is to go: change it first",
                tagging.value.object, tag.key
            );
            return Err(("values", Error::conflict(text)));
        }
        match self
            .expressions_in_rules()
            .find(|expression| expression.keys().get(&tag.key).is_some_and(|asked| asked.iter().any(gone)))
        {
            Some(expression) => {
                let text = format!("a rule asks for `{expression}`, whose value is to go: change it first");
                Err(("values", Error::conflict(text)))
            }
            None => Ok(()),
        }
    }

    pub(super) fn tag_is_unused(&self, key: &str) -> Result<(), Wrong> {
        let used = self.after.taggings.values().any(|tagging| tagging.value.tags.contains_key(key))
            || self.expressions_in_rules().any(|expression| expression.keys().contains_key(key));
        match used {
            false => Ok(()),
            true => Err((
                "",
                Error::conflict(format!("the tag `{key}` is in use: remove it from objects and rules first")),
            )),
        }
    }

    pub(super) fn tagging(&self, tagging: &Tagging) -> Result<(), Wrong> {
        for (key, value) in &tagging.tags {
            self.value(key, value)?;
        }
        if self.names == Names::MustExist {
            self.object(&tagging.object)?;
        }
        if let (TaggedObject::Column(table, path), true) = (&tagging.object, self.names == Names::MayCome) {
            self.columns(table, &Columns::Include([path.clone()].into()))?;
        }
        self.rules_still_fit(&tagging.object)
    }

    /// That the rules on tags can hold on what is now tagged otherwise: also a tag that is taken off changes what an
    /// object has, for then it inherits.
    pub(super) fn rules_still_fit(&self, object: &TaggedObject) -> Result<(), Wrong> {
        let concerned = |name: &crate::policy::model::TableName| match object {
            TaggedObject::Database(database) => *database == name.database,
            TaggedObject::Table(table) | TaggedObject::Column(table, _) => table == name,
        };
        for (name, table) in self.after.tables.iter().filter(|(name, _)| concerned(name)) {
            for rule in self.index.restrictions().values() {
                self.expressions.restriction(rule, name, &table.value, &self.index).map_err(
                    |(_, error)| {
                        let text =
                            format!("the restriction `{}` would then not fit: {}", rule.name, error.detail());
                        ("tags", Error::conflict(text))
                    },
                )?;
            }
        }
        self.no_masks_compete(concerned).map_err(|(_, error)| ("tags", error))
    }

    /// That the tag expression asks for keys and values that exist.
    pub(super) fn expression(&self, expression: &TagExpression) -> Result<(), Wrong> {
        for (key, values) in expression.keys() {
            for value in values {
                self.value(key, value).map_err(|(_, error)| ("on", error))?;
            }
        }
        Ok(())
    }

    fn value(&self, key: &str, value: &str) -> Result<(), Wrong> {
        let tag = self.after.tags.get(key).ok_or_else(|| ("tags", Error::not_found("tag", key)))?;
        if tag.value.values.iter().any(|known| known == value) {
            return Ok(());
        }
        let text = format!(
            "`{value}` is not a value of the tag `{key}`: it has `{}`",
            tag.value.values.join("`, `")
        );
        Err(("tags", Error::invalid_request(text)))
    }

    fn object(&self, object: &TaggedObject) -> Result<(), Wrong> {
        let found = match object {
            TaggedObject::Database(database) => {
                return match self.after.databases.contains_key(database) {
                    true => Ok(()),
                    false => Err(("object", Error::not_found("database", database))),
                };
            }
            TaggedObject::Table(table) | TaggedObject::Column(table, _) => self.schema(table),
        };
        let Some(schema) = found else {
            let text =
                format!("table not found: `{}`", object.table().map(ToString::to_string).unwrap_or_default());
            return Err(("object", Error::new(ErrorKind::TableNotFound, text)));
        };
        match object {
            TaggedObject::Column(table, path) if !has_path(&schema, path) => {
                let text = format!("`{table}` has no column `{path}`");
                Err(("object", Error::new(ErrorKind::ColumnNotFound, text)))
            }
            _ => Ok(()),
        }
    }

    fn expressions_in_rules(&self) -> impl Iterator<Item = &TagExpression> {
        let of_grants = self.after.grants.values().filter_map(|grant| match &grant.value.on {
            Target::Tagged(expression) => Some(expression),
            Target::Database(_) | Target::AllTables(_) | Target::Table(_) => None,
        });
        let scopes = self.after.restrictions.values().flat_map(|rule| &rule.value.on);
        of_grants.chain(scopes.filter_map(|scope| match scope {
            Scope::Tagged(expression) => Some(expression),
            Scope::Database(_) | Scope::Table(_) | Scope::Column(..) => None,
        }))
    }
}
