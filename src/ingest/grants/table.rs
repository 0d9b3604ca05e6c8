//! What is held on one table as grants, and what its policies hold back as restrictions.
//!
//! Each holder has what it has in full, and is granted what none of its roles gives it already. So grants of several roles never
//! come to more than the source gives: the rows of each are rows that its members see there. A policy that lets rows through
//! is a grant of its own, since grants add; one that holds rows back is a restriction, which holds for every grant.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::OfferedTable;
use super::people::People;
use super::rows::{Rule, rule};
use crate::ingest::source::privileges::{Held, HeldTable, HolderId, Part, RowPolicy, RowSecurity};
use crate::policy::grant::GrantSpec;
use crate::policy::model::{Columns, Permission, TableName, Target};
use crate::policy::principal::Principal;
use crate::policy::restriction::{Effect, Restriction, Scope};

/// The longest name of a restriction before it is cut, in bytes.
const LONGEST_NAME: usize = 100;

/// Row rules that show nothing.
const NO_ROWS: &str = "false";

/// What is offered of `table`, which is `name` here.
pub(super) fn offered(
    table: &HeldTable,
    name: &TableName,
    people: &People<'_>,
    restriction_names: &mut BTreeSet<String>,
) -> OfferedTable {
    let review = Review::of(table, name, people);
    let mut offered = OfferedTable::named(table);
    for id in people.ids() {
        review.offer(id, &mut offered);
    }
    let is_empty = offered.grants.is_empty() && offered.withheld.is_empty();
    if let Some(security) = table.rows.as_ref().filter(|_| !is_empty) {
        let held_back = security.policies.iter().filter(|policy| !policy.permissive);
        offered
            .restrictions
            .extend(held_back.filter_map(|policy| review.restriction(policy, restriction_names)));
        offered.notes.push("row level security: rows that no policy lets through are seen by nobody but those who are exempt".to_owned());
    }
    offered.notes.extend(review.notes());
    offered
}

/// A table with what each holder has on it.
struct Review<'a> {
    table: &'a HeldTable,
    name: &'a TableName,
    people: &'a People<'a>,
    reads: BTreeMap<HolderId, Reads>,
}

/// What a holder may read: through which policies of the table, or every row.
#[derive(Default)]
struct Reads {
    columns: Part,
    rows: Vec<Rows>,
    adds: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rows {
    All,
    /// Those that the policy at this place lets through.
    Of(usize),
}

impl<'a> Review<'a> {
    fn of(table: &'a HeldTable, name: &'a TableName, people: &'a People<'a>) -> Self {
        let mut review = Self { table, name, people, reads: BTreeMap::new() };
        review.reads = people.ids().filter_map(|id| Some((id, review.reads(id)?))).collect();
        review
    }

    fn reads(&self, id: HolderId) -> Option<Reads> {
        let held = self.table.held.get(&id).filter(|held| held.usage)?;
        let rows = match &self.table.rows {
            Some(security) if !self.is_exempt(id, security) => {
                let lets_through = |policy: &RowPolicy| {
                    policy.permissive && policy.using.is_some() && self.is_for(policy, id)
                };
                let policies = security.policies.iter().enumerate();
                policies.filter(|(_, policy)| lets_through(policy)).map(|(at, _)| Rows::Of(at)).collect()
            }
            _ => vec![Rows::All],
        };
        let adds = held.insert == Part::All && self.table.takes_rows && rows == [Rows::All];
        Some(Reads { columns: self.separable(&held.select), rows, adds })
    }

    fn is_exempt(&self, id: HolderId, security: &RowSecurity) -> bool {
        security.exempt.is_some_and(|owner| self.people.has_all_of(id, owner))
    }

    fn is_for(&self, policy: &RowPolicy, id: HolderId) -> bool {
        policy.to.iter().any(|to| self.people.has_all_of(id, *to))
    }

    /// Without columns whose name would be taken for a struct around another one that is not held: `a` beside `a.b`.
    fn separable(&self, part: &Part) -> Part {
        let Part::Columns(names) = part else { return part.clone() };
        let is_around = |name: &str| {
            let inside = |column: &str| column.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
            self.table.columns.iter().any(|column| inside(&column.name) && !names.contains(&column.name))
        };
        Part::columns(names.iter().filter(|name| !is_around(name)).cloned())
    }

    /// What `id` has beside what its roles have.
    fn offer(&self, id: HolderId, offered: &mut OfferedTable) {
        let (Some(reads), Some(to)) = (self.reads.get(&id), self.people.principal(id)) else { return };
        let roles = || self.people.roles_of(id).filter_map(|role| self.reads.get(&role));
        let mut adds = reads.adds && !roles().any(|role| role.adds);
        for rows in &reads.rows {
            let have = roles()
                .filter(|role| role.rows.contains(rows))
                .fold(Part::Nothing, |have, role| have.or(role.columns.clone()));
            if !have.has(&reads.columns) {
                self.grant(to.clone(), *rows, &reads.columns, std::mem::take(&mut adds), offered);
            }
        }
        if adds {
            let grant = GrantSpec::new(to, self.target(), [Permission::Insert].into());
            self.give(Ok(grant), offered);
        }
    }

    fn target(&self) -> Target {
        Target::Table(self.name.clone())
    }

    fn grant(&self, to: Principal, rows: Rows, columns: &Part, adds: bool, offered: &mut OfferedTable) {
        let mut grant = GrantSpec::new(to, self.target(), [Permission::Select].into());
        grant.permissions.extend(adds.then_some(Permission::Insert));
        if let Part::Columns(names) = columns {
            grant.columns = Columns::Include(names.clone());
        }
        let policy = match (rows, &self.table.rows) {
            (Rows::Of(at), Some(security)) => security.policies.get(at),
            _ => None,
        };
        let Some(policy) = policy else { return self.give(Ok(grant), offered) };
        grant.reason = Some(format!("policy {} of the source", policy.name));
        let outcome = match self.rule(policy) {
            Ok(Rule::AllRows) => Ok(grant),
            Ok(Rule::Rows(rows)) => Ok(GrantSpec { rows: Some(rows), ..grant }),
            Err(why) => {
                let why = format!("the policy `{}` cannot be said here with certainty: {why}", policy.name);
                Err((why, GrantSpec { rows: policy.using.clone(), ..grant }))
            }
        };
        self.give(outcome, offered);
    }

    /// A view that shows each reader something else is given to nobody.
    fn give(&self, outcome: Result<GrantSpec, (String, GrantSpec)>, offered: &mut OfferedTable) {
        match (outcome, &self.table.depends_on_reader) {
            (Ok(grant), Some(why)) => offered.withheld.push((why.clone(), grant)),
            (Ok(grant), None) if offered.grants.iter().any(|other| other.same_as(&grant)) => {}
            (Ok(grant), None) => offered.grants.push(grant),
            (Err(withheld), _) => offered.withheld.push(withheld),
        }
    }

    fn rule(&self, policy: &RowPolicy) -> Result<Rule, String> {
        if policy.has_own_functions {
            return Err("it has functions or operators that are not the server's own".to_owned());
        }
        rule(policy.using.as_deref().unwrap_or(NO_ROWS), &self.table.columns)
    }

    /// What a policy that holds rows back is here. One that cannot be said holds back every row.
    fn restriction(
        &self,
        policy: &RowPolicy,
        names: &mut BTreeSet<String>,
    ) -> Option<(Option<String>, Restriction)> {
        let using = policy.using.as_ref()?;
        let (rows, note) = match self.rule(policy) {
            Ok(Rule::AllRows) => return None,
            Ok(Rule::Rows(rows)) => (rows, None),
            Err(why) => {
                let note = format!(
                    "stands for the policy `{}`, which cannot be said here with certainty: {why}; it reads {using}; until somebody \
                     writes a rule, no row is shown to those it is for",
                    policy.name
                );
                (NO_ROWS.to_owned(), Some(note))
            }
        };
        let ids =
            |has: &dyn Fn(HolderId) -> bool| self.people.ids().filter(|id| has(*id)).collect::<BTreeSet<_>>();
        let applies_to = match policy.to.iter().any(|to| self.people.is_everyone(*to)) {
            true => [Principal::Public].into(),
            false => self.people.named(&ids(&|id| self.is_for(policy, id))),
        };
        if applies_to.is_empty() {
            return None;
        }
        let security = self.table.rows.as_ref()?;
        let rule = Restriction {
            name: restriction_name(self.name, &policy.name, names),
            on: [Scope::Table(self.name.clone())].into(),
            applies_to,
            except: self.people.named(&ids(&|id| self.is_exempt(id, security))),
            effect: Effect::Rows(rows),
            priority: 0,
        };
        Some((note, rule))
    }

    /// What grants do not say of what is held.
    fn notes(&self) -> Vec<String> {
        let held = || self.people.ids().filter_map(|id| self.table.held.get(&id)).filter(|held| held.usage);
        let some = |part: &Part| matches!(part, Part::Columns(_));
        let mut notes = Vec::new();
        if held().any(|held| self.separable(&held.select) != held.select) {
            notes.push(
                "a column is left out: as a path its name is around that of another column which is not held"
                    .to_owned(),
            );
        }
        if held().any(|held: &Held| some(&held.insert)) {
            notes.push(
                "some may add rows with values of certain columns alone, which no grant here says".to_owned(),
            );
        }
        if self.table.rows.is_some() && held().any(|held| held.insert != Part::Nothing) {
            notes.push("whom policies allow to add which rows is not said here".to_owned());
        }
        notes
    }
}

/// A name that no other restriction of the file has, and none of another table.
fn restriction_name(table: &TableName, policy: &str, names: &mut BTreeSet<String>) -> String {
    let full = format!("{table} {policy}");
    let mistakable = |letter: char| letter.is_control() || ".*/\"`".contains(letter);
    let mut name =
        full.chars().map(|letter| if mistakable(letter) { '_' } else { letter }).collect::<String>();
    if name.len() > LONGEST_NAME {
        name.truncate(name.floor_char_boundary(LONGEST_NAME));
        // What is cut off tells it from others.
        let hash = Sha256::digest(full.as_bytes());
        name.extend(hash.iter().take(6).map(|byte| format!("{byte:02x}")));
    }
    let name = name.trim().to_owned();
    let mut numbered = (2..).map(|number: u32| format!("{name} {number}"));
    let mut free = name.clone();
    while !names.insert(free.clone()) {
        free = numbered.next().unwrap_or_default();
    }
    free
}
