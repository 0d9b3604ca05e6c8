//! What the functions of the engine may be used for, as seen over HTTP.

use crate::support::gateway::Gateway;

/// Expressions that must be possible in a row rule: every operator and piece of grammar that the engine plans as a
/// function, and functions of each kind.
const RULES: &[&str] = &[
    "name || 'x' <> 'bx'",
    "name LIKE 'a%' OR name ILIKE '%B%'",
    "name NOT LIKE '%z' AND name SIMILAR TO '[a-c]'",
    "name ~ '^[ab]$' AND name !~* 'Z'",
    "id IN (1, 2) AND id NOT IN (7) AND id BETWEEN 0 AND 9",
    "CASE WHEN id > 1 THEN name = 'b' ELSE true END",
    "CASE id WHEN 1 THEN 'a' ELSE 'b' END = name",
    "EXTRACT(YEAR FROM day) > 1999 AND date_part('month', day) = 1",
    "SUBSTRING(name FROM 1 FOR 1) = name AND substr(name, 1, 1) = name",
    "POSITION('a' IN name) >= 0 AND strpos(name, 'a') >= 0",
    "TRIM(BOTH ' ' FROM name) = name AND btrim(name) = ltrim(rtrim(name))",
    "OVERLAY(name PLACING 'x' FROM 1 FOR 1) = 'x'",
    "CEIL(id) = FLOOR(id) AND abs(-id) = id AND round(id) = id",
    "[id, 2][1] = id AND make_array(1, id)[2] = id",
    "array_has(['a', 'b'], name) AND ['a'] <@ ['a', 'b'] AND ([1] || 2)[2] = 2",
    "([1] || [2, 3])[1:2] = [1, 2]",
    "named_struct('a', id)['a'] = id AND struct(id)['c0'] = id",
    "{'a': id}['a'] = id AND MAP {'k': id}['k'] = id",
    "name = ANY(['a', 'b']) OR string_to_array(name, ',')[1] = name",
    "cardinality(string_to_array(name, ',')) = 1 AND array_to_string([name, name], '-') LIKE '_-_'",
    "coalesce(nullif(name, 'z'), 'y') = name AND nvl(name, '') = name AND nvl2(name, id, 0) = id",
    "greatest(id, 1) >= least(id, 1)",
    "CAST(id AS VARCHAR) = id::text AND TRY_CAST(name AS BIGINT) IS NULL",
    "arrow_cast(id, 'Int32') = id",
    "day + INTERVAL '1 day' > DATE '2000-01-01' AND day = to_date('2024-01-01')",
    "date_trunc('month', day) <= day AND to_char(day, '%Y') = '2024'",
    "to_timestamp('2024-01-01T00:00:00') = TIMESTAMP '2024-01-01'",
    "lower(upper(name)) = name AND initcap(name) <> name AND length(name) = 1 AND char_length(name) = 1",
    "starts_with(name, 'a') OR ends_with(name, 'b') OR contains(name, 'c')",
    "left(name, 1) = right(name, 1) AND lpad(name, 2, '0') = '0' || name AND repeat(name, 2) = concat(name, name)",
    "regexp_like(name, '[a-z]') AND regexp_replace(name, '[a-z]', '') = '' AND split_part(name, ',', 1) = name",
    "encode(sha256(name), 'hex') <> md5(name)",
    "id % 2 = 1 OR (id & 2) = 2 OR (id | 1) = 1 OR (id << 1) = 2 OR -id < 0",
    "(name IS DISTINCT FROM current_user()) AND NOT is_member('nobody')",
    "attr('region') IS NULL AND NOT array_has(attr_list('regions'), name)",
    "id IS NOT NULL AND (id > 0) IS TRUE AND (name = 'a') IS NOT UNKNOWN",
    "(id, name) = (id, name)",
];

/// What a row rule may not use, and what must stand in the refusal.
const NO_RULES: &[(&str, &str)] = &[
    ("now() > TIMESTAMP '2024-01-01'", "`now`"),
    ("current_date > DATE '2024-01-01'", "`current_date`"),
    ("CURRENT_TIMESTAMP > TIMESTAMP '2024-01-01'", "`now`"),
    ("random() < 0.5", "`random`"),
    ("length(uuid()) = 36", "`uuid`"),
    ("arrow_typeof(name) = 'Utf8'", "`arrow_typeof` is not possible in a rule"),
    ("generate_series(1, id)[1] = 1", "`generate_series` is not possible in a rule"),
    ("id = 1 OR NOT (cardinality(array_repeat(id, 2)) = 2)", "`array_repeat` is not possible in a rule"),
    ("count(*) > 1", "an aggregate"),
    ("row_number() OVER () = 1", "a window function"),
    ("version() = '1'", "version"),
    ("input_file_name() = 'x'", "input_file_name"),
];

async fn gateway() -> Gateway {
    Gateway::start().await.with_csv("shop.items", "id,name,day\n1,a,2024-01-01\n2,b,2024-01-01\n").await
}

fn grant(user: &str, rule: &str) -> String {
    format!(
        "  - {{ to: \"user:{user}\", on: shop.items, permissions: [select], rows: {} }}\n",
        serde_json::json!(rule)
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_may_be_made_of_every_operator_and_function_that_gives_the_same_answer_every_time() {
    let gateway = gateway().await;
    let mut faults = Vec::new();
    for (at, rule) in RULES.iter().enumerate() {
        if let Err(error) = gateway.apply(&format!("grants:\n{}", grant(&format!("u{at}"), rule))).await {
            faults.push(format!("{rule}\n  saving: {error}"));
            continue;
        }
        let answer = gateway.sql(&format!("u{at}"), "SELECT count(*) FROM shop.items").await;
        let rows = answer.json()["rows"][0][0].as_i64();
        if !matches!(rows, Some(1 | 2)) {
            faults.push(format!("{rule}\n  reading: {}", answer.text()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_with_another_function_is_refused_when_it_is_saved() {
    let gateway = gateway().await;
    for (rule, told) in NO_RULES {
        let refused = gateway.apply(&format!("grants:\n{}", grant("ana", rule))).await;
        let error = refused.expect_err(rule);
        assert!(error.detail().contains(told), "{rule}: {error}");
        let mask = format!(
            "restrictions: [{{ name: m, on: shop.items.id, mask: {{ using: {} }} }}]",
            serde_json::json!(format!("CASE WHEN {rule} THEN id END"))
        );
        let error = gateway.apply(&mask).await.expect_err(rule);
        assert!(error.detail().contains(told), "mask {rule}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_function_is_answered_as_one_that_was_never_there() {
    let gateway = gateway().await.with_policy(&format!("grants:\n{}", grant("ana", "true"))).await;
    // The words of the answer without the name that was asked for and the guess at another.
    let told = |text: String, name: &str| {
        let text = text.replace(name, "NAME");
        text.split("Did you mean").next().unwrap().trim_end().to_owned()
    };
    for call in [
        "SELECT NAME()|version",
        "SELECT NAME() FROM shop.items|input_file_name",
        "SELECT NAME() FROM shop.items|file_row_index",
        "SELECT NAME(id) FROM shop.items|arrow_field",
        "SELECT NAME(id) FROM shop.items|arrow_metadata",
        "SELECT NAME(id, 'a', 'b') FROM shop.items|with_metadata",
        "SELECT * FROM NAME('/etc/passwd')|read_csv",
        "SELECT * FROM NAME('/etc/passwd')|read_parquet",
        "SELECT * FROM NAME('/etc/passwd')|parquet_metadata",
        "SELECT * FROM NAME()|list_files_cache",
        "SELECT * FROM NAME()|metadata_cache",
    ] {
        let (sql, name) = call.split_once('|').unwrap();
        let refused = gateway.sql("ana", &sql.replace("NAME", name)).await;
        let unknown = gateway.sql("ana", &sql.replace("NAME", "was_never_there")).await;
        assert_eq!((refused.status, refused.code()), (unknown.status, unknown.code()), "{name}");
        assert!(refused.status >= 400, "{name}");
        let words = |answer: &crate::support::gateway::Response, name| {
            told(answer.json()["detail"].as_str().unwrap().to_owned(), name)
        };
        assert_eq!(words(&refused, name), words(&unknown, "was_never_there"), "{name}");
        let refused = refused.text();
        assert!(!refused.contains("passwd"), "{refused}");
    }
}
