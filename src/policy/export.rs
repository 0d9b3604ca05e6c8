//! The policy as a policy file: what `plan` compares it with gives no difference.
//!
//! The order is fixed by what the rules say and not by when they were made, so two stores with the same rules give
//! the same text, and a change of one rule is a change of one line.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};

use super::grant::GrantSpec;
use super::model::{Columns, Filter, PolicySet, Role, TableName, Target};
use super::principal::Principal;
use super::restriction::{Effect, Mask, Restriction, Scope};
use super::tag::{TagExpression, TaggedObject, Tags};

/// `policy` and the `databases` with their comments as the text of a policy file.
pub fn export(policy: &PolicySet, databases: &BTreeMap<String, Option<String>>) -> String {
    let roles = policy.roles.values().map(role);
    let tags = policy.tags.values().map(|tag| format!("  {}: {}", quoted(&tag.key), list(tag.values.iter())));
    let filters = policy.filters.values().map(filter);
    let mut specs = BTreeMap::new();
    let mut grants: Vec<_> = policy.grants.iter().collect();
    grants.sort_by(|a, b| a.id.cmp(&b.id));
    for spec in grants.into_iter().map(GrantSpec::from) {
        specs.entry((spec.on.clone(), spec.without_reason())).or_insert(spec);
    }
    let sections = [
        ("roles", roles.collect::<Vec<_>>()),
        ("tags", tags.collect()),
        ("databases", all_databases(&policy.tagged, databases)),
        ("filters", filters.collect()),
        ("grants", specs.values().map(grant).collect()),
        ("restrictions", policy.restrictions.values().map(restriction).collect()),
    ];
    let mut text = String::new();
    for (name, lines) in sections.into_iter().filter(|(_, lines)| !lines.is_empty()) {
        let gap = if text.is_empty() { "" } else { "\n" };
        let _ = write!(text, "{gap}{name}:\n{}\n", lines.join("\n"));
    }
    text
}

/// A role as the section `roles` has it.
pub fn role(role: &Role) -> String {
    let members = list(role.members.iter().map(ToString::to_string));
    format!("  {}: {{ members: {members} }}", quoted(&role.name))
}

/// `text` as a comment of one line, whatever is in it, behind `indent`.
pub fn comment(indent: &str, text: &str) -> String {
    format!("{indent}# {}\n", text.chars().map(shown).collect::<String>())
}

/// What is said of a database and of what is in it.
#[derive(Default)]
struct Described<'a> {
    tags: Option<&'a Tags>,
    tables: BTreeMap<&'a str, Table<'a>>,
}

#[derive(Default)]
struct Table<'a> {
    tags: Option<&'a Tags>,
    columns: BTreeMap<&'a str, &'a Tags>,
}

fn all_databases(
    tagged: &BTreeMap<TaggedObject, Tags>,
    databases: &BTreeMap<String, Option<String>>,
) -> Vec<String> {
    let mut all: BTreeMap<&str, Described<'_>> =
        databases.keys().map(|name| (name.as_str(), Described::default())).collect();
    for (object, tags) in tagged.iter().filter(|(_, tags)| !tags.is_empty()) {
        let database = all.entry(object.database()).or_default();
        match object {
            TaggedObject::Database(_) => database.tags = Some(tags),
            TaggedObject::Table(TableName { table, .. }) => {
                database.tables.entry(table).or_default().tags = Some(tags);
            }
            TaggedObject::Column(TableName { table, .. }, path) => {
                database.tables.entry(table).or_default().columns.insert(path, tags);
            }
        }
    }
    all.iter()
        .map(|(name, said)| database(name, databases.get(*name).and_then(Option::as_deref), said))
        .collect()
}

fn database(name: &str, comment: Option<&str>, said: &Described<'_>) -> String {
    let mut lines = vec![format!("  {}:", quoted(name))];
    lines.extend(comment.map(|comment| format!("    comment: {}", quoted(comment))));
    lines.extend(said.tags.map(|tags| format!("    tags: {}", assigned(tags))));
    if !said.tables.is_empty() {
        lines.push("    tables:".to_owned());
    }
    for (name, table) in &said.tables {
        lines.push(format!("      {}:", quoted(name)));
        lines.extend(table.tags.map(|tags| format!("        tags: {}", assigned(tags))));
        if !table.columns.is_empty() {
            lines.push("        columns:".to_owned());
        }
        for (path, tags) in &table.columns {
            lines.push(format!("          {}: {{ tags: {} }}", quoted(path), assigned(tags)));
        }
    }
    lines.join("\n")
}

fn filter(filter: &Filter) -> String {
    let mut fields = vec![("on", quoted(&filter.on.to_string()))];
    fields.extend(columns(&filter.columns).map(|columns| ("columns", columns)));
    fields.extend(filter.rows.as_deref().map(|rows| ("rows", text(rows))));
    format!("  {}: {}", quoted(&filter.name), mapping(&fields))
}

/// A grant as the section `grants` has it, on one line.
pub fn grant(grant: &GrantSpec) -> String {
    let on = match &grant.on {
        Target::Tagged(expression) => expressed(expression),
        other => quoted(&other.to_string()),
    };
    let permissions = list(grant.permissions.iter().map(ToString::to_string));
    let mut fields = vec![("to", quoted(&grant.to.to_string())), ("on", on), ("permissions", permissions)];
    fields.extend(columns(&grant.columns).map(|columns| ("columns", columns)));
    fields.extend(grant.rows.as_deref().map(|rows| ("rows", text(rows))));
    fields.extend(grant.filter.as_deref().map(|filter| ("filter", quoted(filter))));
    fields.extend(grant.grantable.then(|| ("grantable", "true".to_owned())));
    fields.extend(grant.from.map(|from| ("from", time(from))));
    fields.extend(grant.until.map(|until| ("until", time(until))));
    fields.extend(grant.reason.as_deref().map(|reason| ("reason", text(reason))));
    format!("  - {}", mapping(&fields))
}

/// A restriction as the section `restrictions` has it, on one line.
pub fn restriction(rule: &Restriction) -> String {
    let scopes: Vec<String> = rule
        .on
        .iter()
        .map(|scope| match scope {
            Scope::Tagged(expression) => expressed(expression),
            other => quoted(&other.to_string()),
        })
        .collect();
    let on = match scopes.as_slice() {
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    };
    let mut fields = vec![("name", quoted(&rule.name)), ("on", on)];
    if rule.applies_to != BTreeSet::from([Principal::Public]) {
        fields.push(("applies_to", list(rule.applies_to.iter().map(ToString::to_string))));
    }
    if !rule.except.is_empty() {
        fields.push(("except", list(rule.except.iter().map(ToString::to_string))));
    }
    fields.push(match &rule.effect {
        Effect::Rows(rows) => ("rows", text(rows)),
        Effect::Hide => ("hide", "true".to_owned()),
        Effect::Mask(Mask::Using(expression)) => ("mask", format!("{{ using: {} }}", text(expression))),
        Effect::Mask(mask) => ("mask", quoted(mask.name())),
    });
    if rule.priority != 0 {
        fields.push(("priority", rule.priority.to_string()));
    }
    format!("  - {}", mapping(&fields))
}

fn columns(columns: &Columns) -> Option<String> {
    match columns {
        Columns::All => None,
        Columns::Include(names) => Some(format!("{{ include: {} }}", list(names.iter()))),
        Columns::Exclude(names) => Some(format!("{{ exclude: {} }}", list(names.iter()))),
    }
}

fn expressed(expression: &TagExpression) -> String {
    let keys =
        expression.keys().iter().map(|(key, values)| format!("{}: {}", quoted(key), list(values.iter())));
    format!("{{ tags: {{ {} }} }}", keys.collect::<Vec<_>>().join(", "))
}

fn assigned(tags: &Tags) -> String {
    let tags = tags.iter().map(|(key, value)| format!("{}: {}", quoted(key), quoted(value)));
    format!("{{ {} }}", tags.collect::<Vec<_>>().join(", "))
}

fn mapping(fields: &[(&str, String)]) -> String {
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    format!("{{ {} }}", fields.join(", "))
}

fn list(items: impl Iterator<Item = impl AsRef<str>>) -> String {
    let items: Vec<String> = items.map(|item| quoted(item.as_ref())).collect();
    format!("[{}]", items.join(", "))
}

fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// A name: in quotes only where YAML needs them.
fn quoted(name: &str) -> String {
    if is_plain(name) { name.to_owned() } else { text(name) }
}

/// Whether YAML reads `name` as this very text, also inside `{}` and `[]`. Careful rather than short: words that some
/// YAML takes for a number or a truth value are not plain.
fn is_plain(name: &str) -> bool {
    const READ_OTHERWISE: [&str; 11] =
        ["null", "true", "false", "yes", "no", "on", "off", "y", "n", "inf", "nan"];
    let starts = name.starts_with(|first: char| first.is_ascii_alphabetic());
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "_-./:*".contains(letter);
    starts
        && name.chars().all(fits)
        && !name.ends_with(':')
        && !READ_OTHERWISE.contains(&name.to_ascii_lowercase().as_str())
}

/// A text in double quotes, on one line, with everything escaped that could be read or shown as something else.
fn text(value: &str) -> String {
    let mut text = String::from("\"");
    for letter in value.chars() {
        match letter {
            '"' | '\\' => text.extend(['\\', letter]),
            other => text.push_str(&shown(other)),
        }
    }
    text.push('"');
    text
}

/// The letter, or its escape where it could end a line or be shown as something else.
fn shown(letter: char) -> String {
    match letter {
        '\n' => "\\n".to_owned(),
        '\t' => "\\t".to_owned(),
        plain if plain == ' ' || plain.is_ascii_graphic() || plain.is_alphanumeric() => plain.to_string(),
        other => format!("\\U{:08X}", u32::from(other)),
    }
}
