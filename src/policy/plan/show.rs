//! Edits and rules as sentences, one line each. For administrators: expressions are in them.

use std::collections::BTreeSet;
use std::fmt;

use super::{Edit, Item};
use crate::policy::grant::GrantSpec;
use crate::policy::model::Columns;
use crate::policy::principal::Principal;
use crate::policy::restriction::{Effect, Mask, Restriction};
use crate::policy::tag::Tags;

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add(item) => write!(f, "+ {item}"),
            Self::Update { before, after } => {
                f.write_str("~ ")?;
                show_difference(before, after, f)
            }
            // What it said does not matter any more, but for tags: they have no other place to be read.
            Self::Remove(item @ Item::Tagging(_)) => write!(f, "- {item}"),
            Self::Remove(item) => write!(f, "- {}", item.named()),
            Self::AddGrant(grant) => {
                write!(f, "+ {grant}")?;
                show(f, "reason", grant.reason.as_deref())
            }
            Self::UpdateGrant(grant) => {
                write!(f, "~ {}", GrantSpec::from(grant))?;
                show(f, "reason", Some(grant.reason.as_deref().unwrap_or("none")))
            }
            Self::RemoveGrant(grant) => write!(f, "- {} [{}]", GrantSpec::from(grant), grant.id),
        }
    }
}

impl Item {
    /// What kind of thing it is, and its name.
    pub fn named(&self) -> String {
        match self {
            Self::Database(database) => format!("database {}", database.name),
            Self::Role(role) => format!("role {}", role.name),
            Self::Tag(tag) => format!("tag {}", tag.key),
            Self::Tagging(tagging) => format!("tags of {}", tagging.object),
            Self::Filter(filter) => format!("filter {}", filter.name),
            Self::Restriction(rule) => format!("restriction {}", rule.name),
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.named())?;
        match self {
            Self::Database(database) => show(f, "comment", database.comment.as_deref()),
            Self::Role(role) => write!(f, " with {}", principals(&role.members, "nobody")),
            Self::Tag(tag) => write!(f, ": {}", tag.values.join(", ")),
            Self::Tagging(tagging) => write!(f, ": {}", assigned(&tagging.tags)),
            Self::Filter(filter) => {
                write!(f, " on {}", filter.on)?;
                show_columns(&filter.columns, f)?;
                show(f, "where", filter.rows.as_deref())
            }
            Self::Restriction(rule) => show_restriction(rule, f),
        }
    }
}

fn show_difference(before: &Item, after: &Item, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match (before, after) {
        (Item::Role(before), Item::Role(new)) => {
            write!(f, "{}:", after.named())?;
            show_sets(&before.members, &new.members, f)
        }
        (Item::Tag(before), Item::Tag(new)) => {
            let set = |values: &[String]| values.iter().cloned().collect::<BTreeSet<_>>();
            let (old, now) = (set(&before.values), set(&new.values));
            if old == now {
                return write!(f, "{after} (in another order)");
            }
            write!(f, "{}:", after.named())?;
            show_sets(&old, &now, f)
        }
        (Item::Tagging(before), Item::Tagging(new)) => {
            let set = |tags: &Tags| tags.iter().map(|(k, v)| format!("{k}={v}")).collect::<BTreeSet<_>>();
            write!(f, "{}:", after.named())?;
            show_sets(&set(&before.tags), &set(&new.tags), f)
        }
        _ => write!(f, "{after}"),
    }
}

fn show_sets<T: fmt::Display + Ord>(
    before: &BTreeSet<T>,
    after: &BTreeSet<T>,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    after.difference(before).try_for_each(|added| write!(f, " +{added}"))?;
    before.difference(after).try_for_each(|removed| write!(f, " -{removed}"))
}

fn show_restriction(rule: &Restriction, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let on: Vec<String> = rule.on.iter().map(ToString::to_string).collect();
    write!(f, " on {} for {}", on.join(", "), principals(&rule.applies_to, "nobody"))?;
    if !rule.except.is_empty() {
        write!(f, " except {}", principals(&rule.except, "nobody"))?;
    }
    match &rule.effect {
        Effect::Rows(rows) => show(f, "where", Some(rows))?,
        Effect::Hide => f.write_str(" · hide")?,
        Effect::Mask(Mask::Using(expression)) => show(f, "mask using", Some(expression))?,
        Effect::Mask(mask) => show(f, "mask", Some(mask.name()))?,
    }
    match rule.priority {
        0 => Ok(()),
        priority => write!(f, " · priority {priority}"),
    }
}

/// A grant without its reason, as a sentence: `grant select (id, total) on sales.orders to role:analyst`.
impl fmt::Display for GrantSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let permissions: Vec<&str> = self.permissions.iter().map(|permission| permission.name()).collect();
        write!(f, "grant {}", permissions.join(", "))?;
        show_columns(&self.columns, f)?;
        write!(f, " on {} to {}", self.on, self.to)?;
        show(f, "filter", self.filter.as_deref())?;
        show(f, "where", self.rows.as_deref())?;
        if self.grantable {
            f.write_str(" · grantable")?;
        }
        let time =
            |time: chrono::DateTime<chrono::Utc>| time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
        show(f, "from", self.from.map(time).as_deref())?;
        show(f, "until", self.until.map(time).as_deref())
    }
}

fn show_columns(columns: &Columns, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let names = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
    match columns {
        Columns::All => Ok(()),
        Columns::Include(included) => write!(f, " ({})", names(included)),
        Columns::Exclude(excluded) => write!(f, " (all but {})", names(excluded)),
    }
}

fn principals(principals: &BTreeSet<Principal>, none: &str) -> String {
    match principals.is_empty() {
        true => none.to_owned(),
        false => principals.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

fn assigned(tags: &Tags) -> String {
    tags.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", ")
}

/// Adds ` · word text` when there is a text, on the same line whatever the text has in it.
fn show(f: &mut fmt::Formatter<'_>, word: &str, text: Option<&str>) -> fmt::Result {
    match text {
        Some(text) => write!(f, " · {word} {}", text.split_whitespace().collect::<Vec<_>>().join(" ")),
        None => Ok(()),
    }
}
