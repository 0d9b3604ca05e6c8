//! Column names for the formats whose readers find columns by name.

use std::collections::HashSet;

use arrow_schema::Schema;

/// The names of the columns, each one once: the second `id` becomes `id_2`, the third `id_3`, and a name that a
/// column already has is passed over. JSON rows, CSV and Arrow keep the names as they are.
pub(super) fn distinct(schema: &Schema) -> Vec<String> {
    let taken: HashSet<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let mut given: HashSet<String> = HashSet::new();
    let mut names = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let name = if given.contains(field.name()) {
            fresh(field.name(), &taken, &given)
        } else {
            field.name().clone()
        };
        given.insert(name.clone());
        names.push(name);
    }
    names
}

fn fresh(name: &str, taken: &HashSet<&str>, given: &HashSet<String>) -> String {
    let mut number = 2_u64;
    loop {
        let candidate = format!("{name}_{number}");
        if !taken.contains(candidate.as_str()) && !given.contains(&candidate) {
            return candidate;
        }
        number += 1;
    }
}
