//! Where the cursor is `|`, and what is offered there.

use super::*;

fn names() -> Names {
    let table = |name: &str, columns: &[&str]| {
        (name.to_owned(), columns.iter().map(|&name| name.to_owned()).collect())
    };
    let database = |name: &str, tables: Vec<_>| (name.to_owned(), tables.into_iter().collect());
    Names {
        databases: [
            database(
                "shop",
                vec![
                    table("items", &["id", "name", "Net Price", "order"]),
                    table("Orders", &["id", "item_id"]),
                ],
            ),
            database("sales", vec![table("stock", &["item", "amount"])]),
            database("information_schema", vec![table("tables", &["table_name"])]),
        ]
        .into_iter()
        .collect(),
    }
}

fn offered(offer: Offer) -> (usize, Vec<String>) {
    match offer {
        Offer::Words { replaces, words } => (replaces, words),
        Offer::Files(length) => (length, vec!["FILES".to_owned()]),
    }
}

fn check(read: impl Fn(&str, &str) -> Offer, cases: &[(&str, usize, &[&str])]) {
    for (text, replaces, words) in cases {
        let (before, after) = text.split_once('|').unwrap();
        let expected: Vec<_> = words.iter().map(|&word| word.to_owned()).collect();
        assert_eq!(offered(read(before, after)), (*replaces, expected), "{text}");
    }
}

#[test]
fn a_name_is_offered_where_it_can_stand() {
    let names = Arc::new(names());
    let read = |before: &str, after: &str| sql(before, after, &|| Arc::clone(&names), Some("shop"));
    check(
        read,
        &[
            ("sel|", 3, &["select"]),
            ("SE|", 2, &["SELECT"]),
            ("select 1; sel|", 3, &["select"]),
            ("explain sel|", 3, &["select"]),
            ("select * from it|", 2, &["items"]),
            ("select * from IT|", 2, &["items"]),
            ("select * from o|", 1, &["\"Orders\""]),
            ("select * from \"Or|", 3, &["\"Orders\""]),
            ("select * from \"Or|\"", 3, &["\"Orders"]),
            ("select * from s|", 1, &["sales.", "sales.stock", "shop."]),
            ("select * from |", 0, &["\"Orders\"", "information_schema.", "items", "sales.", "shop."]),
            ("select * from sales.|", 0, &["stock"]),
            ("select * from items, sto|", 3, &["sales.stock"]),
            ("select * from items join sales.st|", 2, &["stock"]),
            ("grant select on it|", 2, &["items"]),
            ("describe it|", 2, &["items"]),
            ("select na| from items", 2, &["name", "natural"]),
            ("select | from items", 0, &["\"Net Price\"", "\"order\"", "id", "items", "name"]),
            ("select i.n| from shop.items as i", 1, &["\"Net Price\"", "name"]),
            ("select o.| from items i, \"Orders\" o", 0, &["id", "item_id"]),
            ("select items.na| from items", 2, &["name"]),
            ("select a.am| from sales.stock a join items b on true", 2, &["amount"]),
            ("select \"N| from items", 2, &["\"Net Price\"", "\"name\""]),
            ("select sales.stock.am|", 2, &["amount"]),
            ("select count(na|) from items", 2, &["name", "natural"]),
            ("select item_|", 5, &["item_id"]),
            ("select amo|", 3, &[]),
            ("select * from items whe|", 3, &["when", "where"]),
            ("select * from items where na|", 2, &["name", "natural"]),
            (
                "select * from items order by i|, x",
                1,
                &["id", "ilike", "in", "inner", "intersect", "interval", "into", "is", "items"],
            ),
        ],
    );
}

#[test]
fn nothing_is_offered_where_nothing_is_known() {
    let names = Arc::new(names());
    let read = |before: &str, after: &str| sql(before, after, &|| Arc::clone(&names), Some("shop"));
    check(
        read,
        &[
            ("select 'it|", 0, &[]),
            ("select 'it'|", 0, &[]),
            ("select 1 -- it|", 0, &[]),
            ("select $$it|", 0, &[]),
            ("select 12|", 0, &[]),
            ("select \"id\"|", 0, &[]),
            ("select nothing.|", 0, &[]),
            ("select secret.| from secret", 0, &[]),
            ("select a.b.c.|", 0, &[]),
            ("select * from secr|", 4, &[]),
        ],
    );
    let long = format!("select {} it|", "x, ".repeat(LONGEST));
    check(read, &[(&long, 0, &[])]);
}

#[test]
fn without_a_database_tables_are_offered_in_theirs() {
    let names = Arc::new(names());
    let read = |before: &str, after: &str| sql(before, after, &|| Arc::clone(&names), None);
    check(
        read,
        &[
            ("select * from it|", 2, &["shop.items"]),
            ("select * from i|", 1, &["information_schema.", "shop.items"]),
            ("select amo|", 3, &["amount"]),
        ],
    );
}

#[test]
fn commands_are_offered_with_what_they_take() {
    let names = Arc::new(names());
    let read = |before: &str, after: &str| command(before, after, &|| Arc::clone(&names), Some("shop"));
    check(
        read,
        &[
            ("\\tim|", 4, &["\\timing"]),
            ("\\timing o|", 1, &["on", "off"]),
            ("\\pager a|", 1, &["auto"]),
            ("\\format nd|", 2, &["ndjson"]),
            ("\\d it|", 2, &["items"]),
            ("\\d sales.|", 0, &["stock"]),
            ("\\c sa|", 2, &["sales"]),
            ("\\q |", 0, &[]),
            ("\\i ./x|", 3, &["FILES"]),
            ("\\copy it|", 2, &["items"]),
            ("\\copy (select na| from items) to x", 2, &["name", "natural"]),
            ("\\copy (select 1) |", 0, &[]),
            ("\\copy items to |", 0, &["FILES"]),
            ("\\copy items to 'my |", 4, &["FILES"]),
            ("\\copy items to x.csv |", 0, &["FORMAT"]),
            ("\\copy items to 'x' format p|", 1, &["parquet"]),
        ],
    );
}

#[test]
fn names_are_asked_for_where_they_are_wanted_alone() {
    let never = || -> Arc<Names> { panic!("asked for names") };
    for text in ["sel", "select 'it", "select 1; "] {
        sql(text, "", &never, None);
    }
    for text in ["\\tim", "\\timing ", "\\i x", "\\copy items to x", "\\q "] {
        command(text, "", &never, None);
    }
}
