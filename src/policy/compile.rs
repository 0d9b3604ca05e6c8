//! The policy as an immutable index, made once a policy version and read by every decision.
//!
//! A decision asks two things: which principals does this identity count as, and which of their rules speak of this
//! object. Both are answered by keys, so a decision costs what the identity and the object have to do with the
//! policy, not what the policy weighs. Knows nothing of columns and rows: that is the decision's.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::decide::Asker;
use super::holdings::Holdings;
use super::model::{Filter, Grant, PolicySet, Role, TableName, Target};
use super::principal::{Identity, Principal};
use super::restriction::{Restriction, Scope};
use super::tag::{Tag, TaggedObject, Tags};

/// A policy with its grants found by target and principal, its restrictions by place, and its roles by member.
///
/// A copy shares everything with its original; changing the copy changes what it must and leaves the original whole.
#[derive(Debug, Clone, Default)]
pub struct Index {
    holdings: Holdings,
    /// As they were given: the grants that name a filter, by its name.
    by_filter: imbl::HashMap<String, Vec<Arc<Grant>>>,
    rules: Arc<RuleSet>,
}

/// Everything but the grants: few, and made anew when one of them changes.
#[derive(Debug, Default)]
struct RuleSet {
    roles: BTreeMap<String, Role>,
    filters: BTreeMap<String, Filter>,
    restrictions: BTreeMap<String, Restriction>,
    tags: BTreeMap<String, Tag>,
    /// The names of the restrictions that name a database or something in it.
    restricting: HashMap<String, BTreeSet<String>>,
    /// The names of the restrictions on tags.
    restricting_tags: BTreeSet<String>,
    tagged: HashMap<String, DatabaseTags>,
    unreleased: BTreeMap<TableName, BTreeSet<String>>,
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
static NO_PATHS: BTreeSet<String> = BTreeSet::new();

impl Index {
    /// Indexes `policy`.
    pub fn new(mut policy: PolicySet) -> Self {
        let grants = std::mem::take(&mut policy.grants);
        Self::of(policy, grants.into_iter().map(Arc::new))
    }

    /// Indexes the rules of `policy` with `grants` in the place of its own.
    pub fn of(policy: PolicySet, grants: impl IntoIterator<Item = Arc<Grant>>) -> Self {
        let mut index = Self { rules: Arc::new(RuleSet::new(policy)), ..Self::default() };
        grants.into_iter().for_each(|grant| index.add_grant(&grant));
        index
    }

    /// Adds a grant.
    pub fn add_grant(&mut self, grant: &Arc<Grant>) {
        let Some(name) = &grant.filter else {
            self.holdings.add(Arc::clone(grant));
            return;
        };
        self.by_filter.entry(name.clone()).or_default().push(Arc::clone(grant));
        // A grant whose filter is gone gives nothing: what it was to leave out is not known any more.
        if let Some(filter) = self.rules.filters.get(name) {
            let (columns, rows) = (filter.columns.clone(), filter.rows.clone());
            self.holdings.add(Arc::new(Grant { columns, rows, ..Grant::clone(grant) }));
        }
    }

    /// Takes a grant out.
    pub fn remove_grant(&mut self, grant: &Grant) {
        self.holdings.remove(grant);
        if let Some(grants) = grant.filter.as_ref().and_then(|name| self.by_filter.get_mut(name)) {
            grants.retain(|other| other.id != grant.id);
        }
    }

    /// Puts the rules of `policy` in the place of those there are; the grants stay, under the filters as they are now.
    pub fn set_rules(&mut self, policy: PolicySet) {
        self.rules = Arc::new(RuleSet::new(policy));
        let named: Vec<Arc<Grant>> = self.by_filter.values().flatten().cloned().collect();
        self.by_filter = imbl::HashMap::new();
        for grant in named {
            self.holdings.remove(&grant);
            self.add_grant(&grant);
        }
    }

    /// Everything the identity counts as: its user, its groups, the roles these reach, and `public`.
    ///
    /// Roles come from the policy alone: a claim of the token that calls itself a role makes none.
    pub fn principals_of(&self, identity: &Identity) -> BTreeSet<Principal> {
        let groups = identity.groups.iter().cloned().map(Principal::Group);
        self.reached_from(groups.chain([Principal::User(identity.user.clone())]))
    }

    /// What somebody who is each of `start` counts as: these, the roles that they reach, and `public`.
    pub fn reached_from(&self, start: impl IntoIterator<Item = Principal>) -> BTreeSet<Principal> {
        let mut principals = BTreeSet::new();
        let mut waiting: Vec<Principal> = start.into_iter().collect();
        // Each principal is followed once, so a diamond counts once and a cycle ends.
        while let Some(principal) = waiting.pop() {
            if !principals.insert(principal.clone()) {
                continue;
            }
            let reached = self.rules.member_of.get(&principal).into_iter().flatten();
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
        ordered(self.holdings.on(targets, asker))
    }

    /// The asker's grants in force that may cover `table`: on it, on all tables of its database, or on tags,
    /// whichever they are. Ordered by id.
    pub fn grants_for(&self, table: &TableName, asker: &Asker) -> Vec<&Grant> {
        let targets = [Target::Table(table.clone()), Target::AllTables(table.database.clone())];
        let mut grants = self.holdings.on(&targets, asker);
        if self.holdings.has_any_on_tags() {
            grants.extend(
                asker.principals.iter().flat_map(|principal| self.holdings.on_tags(principal, asker.now)),
            );
        }
        ordered(grants)
    }

    /// The grants on exactly `target` for exactly `principal`, in force or not.
    pub fn grants_at(&self, target: &Target, principal: &Principal) -> impl Iterator<Item = &Grant> {
        self.holdings.at(target, principal)
    }

    /// The restrictions that hold for the asker and may speak of `table`: of it, of its database, or of tags,
    /// whichever they are. Ordered by name.
    pub fn restrictions_for(&self, table: &TableName, asker: &Asker) -> Vec<&Restriction> {
        let here = self.rules.restricting.get(&table.database).into_iter().flatten();
        let names: BTreeSet<&String> = here.chain(&self.rules.restricting_tags).collect();
        let restrictions = names.into_iter().filter_map(|name| self.rules.restrictions.get(name));
        restrictions
            .filter(|restriction| {
                !restriction.applies_to.is_disjoint(&asker.principals)
                    && restriction.except.is_disjoint(&asker.principals)
            })
            .collect()
    }

    /// The tags of `table` and of its columns.
    pub fn tags_of<'a>(&'a self, table: &TableName) -> TableTags<'a> {
        let Some(database) = self.rules.tagged.get(&table.database) else {
            return TableTags { table: &NO_TAGS, columns: None };
        };
        match database.tables.get(&table.table) {
            Some(assigned) => TableTags { table: &assigned.effective, columns: Some(&assigned.columns) },
            None => TableTags { table: &database.own, columns: None },
        }
    }

    /// The paths in `table` that grants with an exclude list do not cover yet.
    pub fn unreleased(&self, table: &TableName) -> &BTreeSet<String> {
        self.rules.unreleased.get(table).unwrap_or(&NO_PATHS)
    }

    /// The same of all tables that `target` may be on.
    pub fn unreleased_in(&self, target: &Target) -> impl Iterator<Item = &String> {
        let tables = self.rules.unreleased.iter().filter(move |(table, _)| match target {
            Target::Table(name) => name == *table,
            Target::Database(database) | Target::AllTables(database) => *database == table.database,
            Target::Tagged(_) => true,
        });
        tables.flat_map(|(_, paths)| paths)
    }

    /// Whether the asker has any grant in force on the database, on something in it, or on tags that it has.
    pub fn touches(&self, database: &str, asker: &Asker) -> bool {
        self.holdings.touch(database, asker) || self.touches_by_tags(database, asker)
    }

    fn touches_by_tags(&self, database: &str, asker: &Asker) -> bool {
        let Some(tagged) = self.rules.tagged.get(database) else { return false };
        let principals = asker.principals.iter();
        let mut grants = principals.flat_map(|principal| self.holdings.on_tags(principal, asker.now));
        grants.any(|grant| match &grant.on {
            Target::Tagged(expression) => tagged.any(|tags| expression.matches(tags)),
            Target::Database(_) | Target::AllTables(_) | Target::Table(_) => false,
        })
    }

    /// All grants that give something, ordered by id, with the columns and rows of their filters.
    pub fn grants(&self) -> Vec<&Grant> {
        ordered(self.holdings.all().collect())
    }

    /// All roles, by name.
    pub fn roles(&self) -> &BTreeMap<String, Role> {
        &self.rules.roles
    }

    /// All restrictions, by name.
    pub fn restrictions(&self) -> &BTreeMap<String, Restriction> {
        &self.rules.restrictions
    }

    /// All filters, by name.
    pub fn filters(&self) -> &BTreeMap<String, Filter> {
        &self.rules.filters
    }

    /// All tags, by key.
    pub fn tags(&self) -> &BTreeMap<String, Tag> {
        &self.rules.tags
    }
}

/// By id, so that reasons read the same from run to run.
fn ordered(mut grants: Vec<&Grant>) -> Vec<&Grant> {
    grants.sort_by(|a, b| a.id.cmp(&b.id));
    grants
}

impl RuleSet {
    fn new(policy: PolicySet) -> Self {
        let PolicySet { roles, grants: _, filters, restrictions, tags, tagged, unreleased } = policy;
        let mut rules = Self { roles, filters, restrictions, tags, unreleased, ..Self::default() };
        rules.add_restrictions();
        rules.add_tags(tagged);
        for (name, role) in &rules.roles {
            for member in &role.members {
                rules.member_of.entry(member.clone()).or_default().push(name.clone());
            }
        }
        rules
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

    /// The paths that have tags of their own, with all their tags.
    pub fn of_columns(&self) -> impl Iterator<Item = (&'a str, Tags)> {
        let all = *self;
        self.columns.into_iter().flatten().map(move |(path, own)| {
            let mut tags = all.table.clone();
            // Those of the structs around it, from the outside in.
            for (end, _) in path.match_indices('.') {
                tags.extend(
                    path.get(..end).and_then(|outer| all.assigned_to(outer)).cloned().unwrap_or_default(),
                );
            }
            tags.extend(own.clone());
            (path.as_str(), tags)
        })
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
