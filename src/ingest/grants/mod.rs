//! The privileges of a source as a policy file to review: what is the same here is written as rules, and what is not, or
//! not surely, as comments with the reason.
//!
//! Pure: from values to values and text. Nobody is to see more under the rules than in the source, so whatever is in doubt
//! is less: a grant that would need a row rule which cannot be said here is not given without it.

mod people;
mod print;
mod rows;
mod table;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use self::people::People;
use crate::error::{Error, Result};
use crate::ingest::source::privileges::{HeldTable, Holder, Privileges};
use crate::policy::check::{check_database, check_name};
use crate::policy::file;
use crate::policy::grant::GrantSpec;
use crate::policy::model::{Role, TableName};
use crate::policy::restriction::Restriction;

/// What is offered for review.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    /// What is to be known of all of it.
    pub notes: Vec<String>,
    pub roles: Vec<Role>,
    pub tables: Vec<OfferedTable>,
}

/// What is offered of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OfferedTable {
    /// In the source.
    pub name: String,
    pub notes: Vec<String>,
    pub grants: Vec<GrantSpec>,
    /// What would show more than the source does as it stands here, each with the reason.
    pub withheld: Vec<(String, GrantSpec)>,
    /// Each with what a person has to know of it.
    pub restrictions: Vec<(Option<String>, Restriction)>,
}

/// What `privileges` are as rules on the tables of the database `into`. The roles are called as in the source, behind `prefix`.
///
/// # Errors
///
/// `invalid_request` for a name that no database or role can have.
pub fn offer(privileges: &Privileges, into: &str, prefix: &str) -> Result<Offer> {
    check_database(into)?;
    check_name("role", &format!("{prefix}x"))?;
    let people = People::new(&privileges.holders, prefix);
    let mut names = BTreeMap::<&str, usize>::new();
    for table in &privileges.tables {
        let count = names.entry(&table.name).or_default();
        *count = count.saturating_add(1);
    }
    let restriction_names = &mut BTreeSet::new();
    let tables = privileges.tables.iter().map(|table| match problem(table, into, &names) {
        None => table::offered(table, &TableName::new(into, &table.name), &people, restriction_names),
        Some(problem) => OfferedTable { notes: vec![problem], ..OfferedTable::named(table) },
    });
    let tables = tables.filter(OfferedTable::says_something).collect::<Vec<_>>();
    let roles = people.roles_for(&tables.iter().flat_map(OfferedTable::principals).collect());
    let mut notes = privileges.notes.clone();
    notes.extend(privileges.holders.iter().flat_map(Holder::said).cloned());
    let passed_over =
        |name| format!("`{name}` cannot be a role here; its members are granted what they have through it");
    notes.extend(people.passed_over().map(passed_over));
    Ok(Offer { notes, roles, tables })
}

/// Why no rule can be on the table.
fn problem(table: &HeldTable, into: &str, names: &BTreeMap<&str, usize>) -> Option<String> {
    if check_name("table", &table.name).is_err() {
        return Some("left out: its name is not one that a table can have here".to_owned());
    }
    (names.get(table.name.as_str()) > Some(&1)).then(|| {
        format!(
            "left out: another table of the source would be `{into}.{}` too; choose one of them with `--tables` or `--exclude`",
            table.name
        )
    })
}

impl Offer {
    /// As the text of a policy file.
    ///
    /// # Errors
    ///
    /// `invalid_request` when no policy file can hold that much, `internal` when the text would not be read as what is offered.
    pub fn print(&self, source: &str) -> Result<String> {
        let text = print::print(self, source);
        // The names in it are somebody else's. Should one have found a way out of its quotes, nothing is shown.
        match file::parse("offer", &text) {
            Ok(read) if self.is_said_by(&read) => Ok(text),
            Ok(_) => Err(Error::internal("the policy file does not say what is offered")),
            Err(error) => Err(Error::invalid_request(format!(
                "what is offered cannot be one policy file: {}; choose fewer tables with `--tables`",
                error.message
            ))),
        }
    }

    /// How many rules are offered, and how many are withheld.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let sum = |of: fn(&OfferedTable) -> usize| self.tables.iter().map(of).sum();
        (
            sum(|table| table.grants.len().saturating_add(table.restrictions.len())),
            sum(|table| table.withheld.len()),
        )
    }

    fn is_said_by(&self, read: &file::PolicyFile) -> bool {
        let offered = |of: &file::PolicyFile| {
            let is_more =
                [of.tags.len(), of.databases.len(), of.tagged.len(), of.filters.len(), of.tests.len()];
            is_more.iter().all(|more| *more == 0)
        };
        let grants = self.tables.iter().flat_map(|table| &table.grants);
        let restrictions =
            self.tables.iter().flat_map(|table| table.restrictions.iter().map(|(_, rule)| rule));
        offered(read)
            && self.roles.iter().eq(read.roles.iter().map(|role| &role.value))
            && grants.eq(read.grants.iter().map(|grant| &grant.value))
            && restrictions.eq(read.restrictions.iter().map(|rule| &rule.value))
    }
}

impl OfferedTable {
    fn named(table: &HeldTable) -> Self {
        Self { name: table.full_name(), ..Self::default() }
    }

    fn says_something(&self) -> bool {
        !(self.notes.is_empty() && self.grants.is_empty() && self.withheld.is_empty())
    }

    /// All who are named, also where it is withheld.
    fn principals(&self) -> impl Iterator<Item = crate::policy::principal::Principal> {
        let withheld = self.withheld.iter().map(|(_, grant)| grant);
        let granted = self.grants.iter().chain(withheld).map(|grant| grant.to.clone());
        granted.chain(
            self.restrictions
                .iter()
                .flat_map(|(_, rule)| rule.applies_to.iter().chain(&rule.except).cloned()),
        )
    }
}
