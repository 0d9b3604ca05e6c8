//! What is offered as the text of a policy file, with what is withheld as comments.
//!
//! Names, conditions and messages are the source's, whose owner may not be ours: in rules they are quoted by what writes all
//! policy files, and in comments every letter that could end a line is escaped.

use super::Offer;
use crate::policy::export::{self, comment};

/// The text, which says where it is from.
pub(super) fn print(offer: &Offer, source: &str) -> String {
    let mut text = comment(
        "",
        &format!("The privileges of {source}, offered for review: nothing is in force until it is applied."),
    );
    text +=
        &comment("", "Names of users are those of the source: the same name must be the same person here.");
    offer.notes.iter().for_each(|note| text += &comment("", note));
    if !offer.roles.is_empty() {
        text += "\nroles:\n";
        offer.roles.iter().for_each(|role| text += &line(&export::role(role)));
    }
    let grants = offer.tables.iter().any(|table| !table.grants.is_empty());
    text += if grants { "\ngrants:\n" } else { "\n" };
    for table in &offer.tables {
        text += &comment("  ", &table.name);
        table.notes.iter().for_each(|note| text += &comment("  ", note));
        table.grants.iter().for_each(|grant| text += &line(&export::grant(grant)));
        for (why, grant) in &table.withheld {
            text += &comment("  ", &format!("withheld: {why}"));
            text += &comment("", &export::grant(grant));
        }
    }
    let mut restrictions = offer.tables.iter().flat_map(|table| &table.restrictions).peekable();
    if restrictions.peek().is_some() {
        text += "\nrestrictions:\n";
    }
    for (note, rule) in restrictions {
        text += &note.as_ref().map(|note| comment("  ", note)).unwrap_or_default();
        text += &line(&export::restriction(rule));
    }
    text
}

fn line(rule: &str) -> String {
    format!("{rule}\n")
}
