//! Who may read what in a source, by its own privileges, as plain values.
//!
//! What one holder has is told in full, with what comes to it through others, as the server itself answers. So whoever
//! reads these values needs no rules of any server. What they become here is the business of `ingest/grants/`.

use std::collections::{BTreeMap, BTreeSet};

use super::pattern;
use crate::error::Result;

/// The privileges that are in force in a source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Privileges {
    pub holders: Vec<Holder>,
    pub tables: Vec<HeldTable>,
    /// What a person has to know who reads what is made of them.
    pub notes: Vec<String>,
}

/// The place of a holder in [`Privileges::holders`].
pub type HolderId = usize;

/// Somebody who can hold privileges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub name: String,
    pub kind: HolderKind,
    /// All others whose privileges are its own without being asked for: directly or through others, itself not included.
    pub reaches: BTreeSet<HolderId>,
    /// Why privileges do not say what it may see, such as that it is a superuser. Nothing may be made of what it holds.
    pub unbound: Option<String>,
    pub notes: Vec<String>,
}

/// What a holder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HolderKind {
    /// Signs in to the source.
    User,
    /// Is held by others.
    Group,
    /// Everybody who has an account in the source; there is at most one.
    Everyone,
}

/// A table or view with what is held on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeldTable {
    pub schema: Option<String>,
    pub name: String,
    pub columns: Vec<HeldColumn>,
    pub held: BTreeMap<HolderId, Held>,
    /// Row level security, where it is on.
    pub rows: Option<RowSecurity>,
    /// Whether it is a table that rows are added to, and no view.
    pub takes_rows: bool,
    /// Why its rows or values may be others for another reader, by more than row level security.
    pub depends_on_reader: Option<String>,
}

/// A column with what its values are to a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldColumn {
    pub name: String,
    pub values: Values,
}

/// What the values of a column are to a comparison, as far as source and lake agree about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values {
    Truth,
    /// Whole numbers of at most 64 bits.
    Whole,
    /// Texts that are equal when their bytes are.
    Text,
    /// Of a type with this name whose values are equal when their texts are, and that have another order.
    Label(String),
    /// Days; the lake may lack those that never come.
    Day,
    /// Nothing is known to be the same.
    Other,
}

/// What one holder has on one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Whether the schema may be used at all; without it the rest is of no use.
    pub usage: bool,
    pub select: Part,
    pub insert: Part,
}

/// Which columns a privilege is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Part {
    #[default]
    Nothing,
    /// The table, with columns that come later.
    All,
    Columns(BTreeSet<String>),
}

/// Row level security of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowSecurity {
    /// Whoever has its privileges sees all rows.
    pub exempt: Option<HolderId>,
    /// Those about reading. Without one that lets a row through nobody sees it.
    pub policies: Vec<RowPolicy>,
}

/// A policy of row level security.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowPolicy {
    pub name: String,
    /// Lets rows through; else it holds them back.
    pub permissive: bool,
    pub to: BTreeSet<HolderId>,
    /// The condition in the words of the source; one without lets nothing through and holds nothing back.
    pub using: Option<String>,
    /// Whether operators or functions are in it that somebody made, whose names may be those of the server's own.
    pub has_own_functions: bool,
}

impl Privileges {
    /// The same without the tables that `exclude` means.
    ///
    /// # Errors
    ///
    /// `not_found` for a name among them that is no table here.
    pub fn without(self, exclude: &[String]) -> Result<Self> {
        let tables = pattern::without(self.tables, exclude, |table| (table.schema.as_deref(), &table.name))?;
        Ok(Self { tables, ..self })
    }
}

impl Holder {
    /// What there is to say of it; of one that nothing is made of, only why.
    pub fn said(&self) -> impl Iterator<Item = &String> {
        let notes = if self.unbound.is_some() { &[] } else { self.notes.as_slice() };
        self.unbound.iter().chain(notes)
    }
}

impl HeldTable {
    /// Its name with its schema, where it has one.
    #[must_use]
    pub fn full_name(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{schema}.{}", self.name),
            None => self.name.clone(),
        }
    }
}

impl Part {
    /// Both together.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, _) | (_, Self::All) => Self::All,
            (Self::Nothing, part) | (part, Self::Nothing) => part,
            (Self::Columns(mut all), Self::Columns(more)) => {
                all.extend(more);
                Self::Columns(all)
            }
        }
    }

    /// What is in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, _) | (_, Self::Nothing) => Self::Nothing,
            (Self::All, part) | (part, Self::All) => part,
            (Self::Columns(one), Self::Columns(other)) => Self::columns(one.intersection(&other).cloned()),
        }
    }

    /// These columns; nothing when there are none.
    #[must_use]
    pub fn columns(names: impl IntoIterator<Item = String>) -> Self {
        let names = names.into_iter().collect::<BTreeSet<_>>();
        if names.is_empty() { Self::Nothing } else { Self::Columns(names) }
    }

    /// Whether all of `other` is in it.
    #[must_use]
    pub fn has(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Nothing) | (Self::All, _) => true,
            (Self::Columns(all), Self::Columns(some)) => some.is_subset(all),
            (Self::Nothing | Self::Columns(_), _) => false,
        }
    }
}
