//! Restrictions in a policy file: what each is on, for whom, and the one thing that it does.

use std::collections::BTreeSet;

use super::at::{At, Fields};
use super::node::Value;
use super::{FileError, Placed, read};
use crate::policy::check;
use crate::policy::principal::Principal;
use crate::policy::restriction::{Effect, Mask, Restriction, Scope};

const FIELDS: [&str; 8] = ["name", "on", "applies_to", "except", "rows", "hide", "mask", "priority"];
const EFFECTS: &str = "write one of `rows: EXPRESSION`, `hide: true` and `mask: MASK`";

pub(super) fn read(at: &At<'_>) -> Result<Placed<Restriction>, FileError> {
    let fields = at.fields("a restriction", &FIELDS)?;
    let name = at.required(&fields, "name", "one that no other restriction has")?.name("a restriction")?;
    let on_at =
        at.required(&fields, "on", "`DATABASE.TABLE`, `DATABASE.TABLE.COLUMN`, `DATABASE.*` or tags")?;
    let mut on = BTreeSet::new();
    for at in on_at.one_or_more()? {
        if !on.insert(scope(&at)?) {
            return Err(at.error("this is here twice; keep one"));
        }
    }
    let principals = |field: &str| fields.get(field).map(At::one_or_parsed_set::<Principal>).transpose();
    let rule = Restriction {
        name,
        on,
        applies_to: principals("applies_to")?.unwrap_or_else(|| BTreeSet::from([Principal::Public])),
        except: principals("except")?.unwrap_or_default(),
        effect: effect(at, &fields)?,
        priority: fields.get("priority").map(At::whole_number).transpose()?.unwrap_or_default(),
    };
    check::check_restriction(&rule)
        .map_err(|invalid| fields.get(invalid.field).unwrap_or(at).error(invalid.message))?;
    Ok(at.placed(rule, &fields))
}

fn scope(at: &At<'_>) -> Result<Scope, FileError> {
    match at.node.value {
        Value::Map(_) => read::tag_expression(at).map(Scope::Tagged),
        _ => at.parsed(),
    }
}

fn effect(at: &At<'_>, fields: &Fields<'_>) -> Result<Effect, FileError> {
    let said: Vec<(&str, &At<'_>)> =
        ["rows", "hide", "mask"].into_iter().filter_map(|name| Some((name, fields.get(name)?))).collect();
    match said.as_slice() {
        [("rows", at)] => Ok(Effect::Rows(at.text()?)),
        [("mask", at)] => mask(at).map(Effect::Mask),
        [(_, at)] => match at.flag()? {
            true => Ok(Effect::Hide),
            false => {
                Err(at.error("`hide: false` hides nothing: write `hide: true`, or leave the restriction out"))
            }
        },
        [] => Err(at.error(format!("a restriction does something: {EFFECTS}"))),
        [_, (second, at), ..] => {
            Err(at.error(format!("a restriction does one thing, and `{second}` is a second: {EFFECTS}")))
        }
    }
}

/// The name of a mask, or `{ using: EXPRESSION }`. YAML reads the name `null` as nothing.
fn mask(at: &At<'_>) -> Result<Mask, FileError> {
    match &at.node.value {
        Value::Null => Ok(Mask::Null),
        Value::Map(_) => {
            let fields = at.fields("a mask", &["using"])?;
            at.required(&fields, "using", "an expression of the column's type")?.text().map(Mask::Using)
        }
        _ => at.parsed(),
    }
}
