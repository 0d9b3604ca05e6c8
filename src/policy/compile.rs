//! The policy as an immutable index, made once a policy version and read by every decision.
//!
//! A decision asks two things: which principals does this identity count as, and which of their rules speak of this
//! object. Both are answered by keys, so a decision costs what the identity and the object have to do with the
//! policy, not what the policy weighs. Knows nothing of columns and rows: that is the decision's.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::decide::Asker;
use super::model::{Filter, Grant, PolicySet, Role, TableName, Target};
use super::principal::{Identity, Principal};
use super::restriction::{Restriction, Scope};
use super::tag::{Tag, TaggedObject, Tags};

/// A policy set with its grants found by target and principal, its restrictions by place, and its roles by member.
#[derive(Debug, Default)]
pub struct Index {
    roles: BTreeMap<String, Role>,
    /// Ordered by id, with the columns and rows of their filters in them.
    grants: Vec<Grant>,
    filters: BTreeMap<String, Filter>,
    restrictions: BTreeMap<String, Restriction>,
    tags: BTreeMap<String, Tag>,
    /// Positions in `grants`, by what the grant is on and whom it is for.
    covering: HashMap<Target, HashMap<Principal, Vec<usize>>>,
    /// Positions in `grants` of those on tags, by whom they are for.
    on_tags: HashMap<Principal, Vec<usize>>,
    /// Who has any grant on a database or on something in it, at any time.
    touching: HashMap<String, BTreeSet<Principal>>,
    /// Positions in `grants` of those on a database or on something in it that hold for a time only.
    touching_for_a_time: HashMap<String, Vec<usize>>,
    /// The names of the restrictions that name a database or something in it.
    restricting: HashMap<String, BTreeSet<String>>,
    /// The names of the restrictions on tags.
    restricting_tags: BTreeSet<String>,
    tagged: HashMap<String, DatabaseTags>,
    /// The roles that name a principal as a member themselves.
    member_of: HashMap<Principal, Vec<String>>,
}

/// The tags of a database and of what is in it. A table that has none of its own, nor on a column, has the
/// database's.
#[derive(Debug, Default)]
struct DatabaseTags {
    own: Tags,
    tables: HashMap<String, AssignedTags>,
}

#[derive(Debug, Default)]
struct AssignedTags {
    /// With those of the database.
    effective: Tags,
    /// By the path of the column.
    columns: BTreeMap<String, Tags>,
}

/// The tags of one table.
#[derive(Debug, Clone, Copy)]
pub struct TableTags<'a> {
    table: &'a Tags,
    columns: Option<&'a BTreeMap<String, Tags>>,
}

static NO_TAGS: Tags = Tags::new();

impl Index {
    /// Indexes `policy`. Grants are kept ordered by id, so that reasons read the same from run to run.
    pub fn new(policy: PolicySet) -> Self {
        let PolicySet { roles, mut grants, filters, restrictions, tags, tagged } = policy;
        grants.sort_by(|a, b| a.id.cmp(&b.id));
        let mut index = Self { roles, filters, restrictions, tags, ..Self::default() };
        grants.into_iter().for_each(|grant| index.add_grant(grant));
        index.add_restrictions();
        index.add_tags(tagged);
        for (name, role) in &index.roles {
            for member in &role.members {
                index.member_of.entry(member.clone()).or_default().push(name.clone());
            }
        }
        index
    }

    fn add_grant(&mut self, mut grant: Grant) {
        if let Some(name) = &grant.filter {
            // A grant whose filter is gone gives nothing: what it was to leave out is not known any more.
            let Some(filter) = self.filters.get(name) else { return };
            grant.columns = filter.columns.clone();
            grant.rows = filter.rows.clone();
        }
        let position = self.grants.len();
        match grant.on.database() {
            Some(database) => {
                let by_principal = self.covering.entry(grant.on.clone()).or_default();
                by_principal.entry(grant.to.clone()).or_default().push(position);
                if grant.from.is_none() && grant.until.is_none() {
                    self.touching.entry(database.to_owned()).or_default().insert(grant.to.clone());
                } else {
                    self.touching_for_a_time.entry(database.to_owned()).or_default().push(position);
                }
            }
            None => self.on_tags.entry(grant.to.clone()).or_default().push(position),
        }
        self.grants.push(grant);
    }

    fn add_restrictions(&mut self) {
        for restriction in self.restrictions.values() {
            for scope in &restriction.on {
                let names = match scope {
                    Scope::Database(database) => self.restricting.entry(database.clone()).or_default(),
                    Scope::Table(table) | Scope::Column(table, _) => {
                        self.restricting.entry(table.database.clone()).or_default()
                    }
                    Scope::Tagged(_) => &mut self.restricting_tags,
                };
                names.insert(restriction.name.clone());
            }
        }
    }

    /// Databases come before their tables and tables before their columns, as their names are ordered.
    fn add_tags(&mut self, tagged: BTreeMap<TaggedObject, Tags>) {
        for (object, tags) in tagged {
            let database = self.tagged.entry(object.database().to_owned()).or_default();
            let Some(name) = object.table() else {
                database.own = tags;
                continue;
            };
            let inherited = &database.own;
            let table = database
                .tables
                .entry(name.table.clone())
                .or_insert_with(|| AssignedTags { effective: inherited.clone(), columns: BTreeMap::new() });
            match object {
                TaggedObject::Column(_, path) => {
                    table.columns.insert(path, tags);
                }
                TaggedObject::Table(_) | TaggedObject::Database(_) => table.effective.extend(tags),
            }
        }
    }

    /// Everything the identity counts as: its user, its groups, the roles these reach, and `public`.
    ///
    /// Roles come from the policy alone: a claim of the token that calls itself a role makes none.
    pub fn principals_of(&self, identity: &Identity) -> BTreeSet<Principal> {
        let mut principals = BTreeSet::new();
        let mut waiting = vec![Principal::User(identity.user.clone())];
        waiting.extend(identity.groups.iter().cloned().map(Principal::Group));
        // Each principal is followed once, so a diamond counts once and a cycle ends.
        while let Some(principal) = waiting.pop() {
            if !principals.insert(principal.clone()) {
                continue;
            }
            let reached = self.member_of.get(&principal).into_iter().flatten();
            waiting.extend(reached.cloned().map(Principal::Role));
        }
        // Added last: a role is a set of users, groups and roles, so nobody is in one by being anybody.
        principals.insert(Principal::Public);
        principals
    }

    /// The roles that the identity is in, by itself, by a group, or through other roles.
    pub fn roles_of(&self, identity: &Identity) -> BTreeSet<String> {
        let roles = self.principals_of(identity).into_iter().filter_map(|principal| match principal {
            Principal::Role(name) => Some(name),
            Principal::User(_) | Principal::Group(_) | Principal::Public => None,
        });
        roles.collect()
    }

    /// The asker's grants in force on exactly one of `targets`, ordered by id.
    pub fn grants_on(&self, targets: &[Target], asker: &Asker) -> Vec<&Grant> {
        self.at(self.positions(targets, asker), asker)
    }

    /// The asker's grants in force that may cover `table`: on it, on all tables of its database, or on tags,
    /// whichever they are. Ordered by id.
    pub fn grants_for(&self, table: &TableName, asker: &Asker) -> Vec<&Grant> {
        let targets = [Target::Table(table.clone()), Target::AllTables(table.database.clone())];
        let mut positions = self.positions(&targets, asker);
        if !self.on_tags.is_empty() {
            positions.extend(asker.principals.iter().filter_map(|one| self.on_tags.get(one)).flatten());
        }
        self.at(positions, asker)
    }

    fn positions(&self, targets: &[Target], asker: &Asker) -> BTreeSet<usize> {
        let mut positions = BTreeSet::new();
        for by_principal in targets.iter().filter_map(|target| self.covering.get(target)) {
            positions.extend(asker.principals.iter().filter_map(|one| by_principal.get(one)).flatten());
        }
        positions
    }

    fn at(&self, positions: BTreeSet<usize>, asker: &Asker) -> Vec<&Grant> {
        let grants = positions.into_iter().filter_map(|position| self.grants.get(position));
        grants.filter(|grant| grant.is_valid_at(asker.now)).collect()
    }

    /// The restrictions that hold for the asker and may speak of `table`: of it, of its database, or of tags,
    /// whichever they are. Ordered by name.
    pub fn restrictions_for(&self, table: &TableName, asker: &Asker) -> Vec<&Restriction> {
        let here = self.restricting.get(&table.database).into_iter().flatten();
        let names: BTreeSet<&String> = here.chain(&self.restricting_tags).collect();
        let restrictions = names.into_iter().filter_map(|name| self.restrictions.get(name));
        restrictions
            .filter(|restriction| {
                !restriction.applies_to.is_disjoint(&asker.principals)
                    && restriction.except.is_disjoint(&asker.principals)
            })
            .collect()
    }

    /// The tags of `table` and of its columns.
    pub fn tags_of<'a>(&'a self, table: &TableName) -> TableTags<'a> {
        let Some(database) = self.tagged.get(&table.database) else {
            return TableTags { table: &NO_TAGS, columns: None };
        };
        match database.tables.get(&table.table) {
            Some(assigned) => TableTags { table: &assigned.effective, columns: Some(&assigned.columns) },
            None => TableTags { table: &database.own, columns: None },
        }
    }

    /// Whether the asker has any grant in force on the database, on something in it, or on tags that it has.
    pub fn touches(&self, database: &str, asker: &Asker) -> bool {
        let positions = self.touching_for_a_time.get(database).into_iter().flatten().copied().collect();
        self.touching.get(database).is_some_and(|touching| !touching.is_disjoint(&asker.principals))
            || self.at(positions, asker).iter().any(|grant| asker.principals.contains(&grant.to))
            || self.touches_by_tags(database, asker)
    }

    fn touches_by_tags(&self, database: &str, asker: &Asker) -> bool {
        let Some(tagged) = self.tagged.get(database) else { return false };
        let positions = asker.principals.iter().filter_map(|one| self.on_tags.get(one)).flatten().copied();
        self.at(positions.collect(), asker).iter().any(|grant| match &grant.on {
            Target::Tagged(expression) => tagged.any(|tags| expression.matches(tags)),
            Target::Database(_) | Target::AllTables(_) | Target::Table(_) => false,
        })
    }

    /// All roles, by name.
    pub fn roles(&self) -> &BTreeMap<String, Role> {
        &self.roles
    }

    /// All grants that give something, ordered by id, with the columns and rows of their filters.
    pub fn grants(&self) -> &[Grant] {
        &self.grants
    }

    /// All restrictions, by name.
    pub fn restrictions(&self) -> &BTreeMap<String, Restriction> {
        &self.restrictions
    }

    /// All filters, by name.
    pub fn filters(&self) -> &BTreeMap<String, Filter> {
        &self.filters
    }

    /// All tags, by key.
    pub fn tags(&self) -> &BTreeMap<String, Tag> {
        &self.tags
    }
}

impl DatabaseTags {
    /// Whether the tags of the database, of a table in it or of a column are such as `matches` says.
    fn any(&self, matches: impl Fn(&Tags) -> bool) -> bool {
        let of_column = |table: &AssignedTags| {
            table.columns.values().any(|own| {
                let mut tags = table.effective.clone();
                tags.extend(own.clone());
                matches(&tags)
            })
        };
        matches(&self.own) || self.tables.values().any(|table| matches(&table.effective) || of_column(table))
    }
}

impl<'a> TableTags<'a> {
    /// Of the table itself, with those of its database.
    pub fn of_table(&self) -> &'a Tags {
        self.table
    }

    /// What is assigned to the column at `path`, without what it inherits.
    pub fn assigned_to(&self, path: &str) -> Option<&'a Tags> {
        self.columns.and_then(|columns| columns.get(path))
    }
}

/// Refuses roles that contain themselves, naming the cycle from its first role back to it: `a`, `b`, `a`.
pub fn check_cycles(roles: &BTreeMap<String, Role>) -> Result<(), Vec<String>> {
    let mut done = BTreeSet::new();
    for start in roles.keys() {
        walk(start, roles, &mut done)?;
    }
    Ok(())
}

/// Follows the roles that are members of `start`, depth first. A list of its own instead of recursion: how deep
/// roles are nested is the writer's choice, the size of the stack is not.
fn walk(start: &str, roles: &BTreeMap<String, Role>, done: &mut BTreeSet<String>) -> Result<(), Vec<String>> {
    let mut path: Vec<(String, Vec<String>)> = Vec::new();
    let mut open = BTreeSet::new();
    if !done.contains(start) {
        open.insert(start.to_owned());
        path.push((start.to_owned(), nested(start, roles)));
    }
    while let Some((role, members)) = path.last_mut() {
        let Some(member) = members.pop() else {
            open.remove(role);
            done.insert(role.clone());
            path.pop();
            continue;
        };
        if open.contains(&member) {
            let first = path.iter().position(|(on_path, _)| *on_path == member).unwrap_or_default();
            let cycle = path.iter().skip(first).map(|(on_path, _)| on_path.clone());
            return Err(cycle.chain([member]).collect());
        }
        if !done.contains(&member) {
            let members = nested(&member, roles);
            open.insert(member.clone());
            path.push((member, members));
        }
    }
    Ok(())
}

fn nested(role: &str, roles: &BTreeMap<String, Role>) -> Vec<String> {
    let members = roles.get(role).into_iter().flat_map(|role| &role.members);
    let roles = members.filter_map(|member| match member {
        Principal::Role(name) => Some(name.clone()),
        Principal::User(_) | Principal::Group(_) | Principal::Public => None,
    });
    roles.collect()
}
