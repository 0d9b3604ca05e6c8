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

/// Small statements that would make what no machine can hold, each through another door.
const BOMBS: &[&str] = &[
    "SELECT count(*) FROM (SELECT unnest(array_repeat(s, 5000)) u FROM (SELECT repeat('x', 1000000 + id) s FROM shop.items))",
    "SELECT count(*) FROM (WITH RECURSIVE r AS (SELECT repeat('x', 1000) s UNION ALL SELECT s || s FROM r) SELECT * FROM r)",
    "SELECT length(repeat('x', 2000000000))",
    "SELECT length(lpad('x', 2000000000, 'yy')) + length(rpad('x', 2147483647, 'é'))",
    "SELECT cardinality(array_repeat(1, 300000000))",
    "SELECT cardinality(array_resize([1], 300000000, 5))",
    "SELECT cardinality(range(0, 3000000000))",
    "SELECT cardinality(generate_series(9223372036854775807, -9223372036854775808, -1))",
    "SELECT cardinality(range(TIMESTAMP '2000-01-01', TIMESTAMP '2200-01-01', INTERVAL '1 microsecond'))",
    "SELECT cardinality(generate_series(DATE '0001-01-01', DATE '9999-01-01', INTERVAL '1 millisecond'))",
    "SELECT length(replace(repeat('x', 1000000), 'x', repeat('y', 10000)))",
    "SELECT length(replace(name, '', repeat('y', 1000000))) FROM (SELECT repeat(name, 10000) AS name FROM shop.items)",
    "SELECT length(regexp_replace(repeat('x', 100000), 'x', repeat('y', 100000), 'g'))",
    "SELECT length(array_to_string(string_to_array(repeat('x', 100000), NULL), repeat('y', 100000)))",
    "SELECT to_char(day, repeat('%c', 1000000)) FROM shop.items",
    "SELECT arrow_cast(NULL, 'FixedSizeList(2147483647, Int64)') IS NULL",
    "SELECT arrow_cast(NULL, 'List(FixedSizeBinary(2147483647))') IS NULL",
    "SELECT arrow_cast(NULL, 'RunEndEncoded(\"run_ends\": non-null Int32, \"values\": FixedSizeList(2147483647, Int64))') IS NULL",
    "SELECT CAST(NULL AS INT[2000000000]) IS NULL",
    "SELECT CAST(NULL AS INT[4000][4000][4000]) IS NULL",
    "WITH a AS (SELECT repeat(name, 1000000) s FROM shop.items), b AS (SELECT s||s||s||s s FROM a), \
     c AS (SELECT s||s||s||s s FROM b), d AS (SELECT s||s||s||s s FROM c), e AS (SELECT s||s||s||s s FROM d) \
     SELECT length(s) FROM e",
    "WITH a AS (SELECT repeat('x', 1000000) s), b AS (SELECT concat(s,s,s,s) s FROM a), \
     c AS (SELECT concat(s,s,s,s) s FROM b), d AS (SELECT concat_ws(s,s,s,s) s FROM c) SELECT length(s) FROM d",
    "WITH a AS (SELECT range(0, id + 100000) s FROM shop.items), b AS (SELECT s||s||s||s||s||s||s||s s FROM a), \
     c AS (SELECT s||s||s||s||s||s||s||s s FROM b), d AS (SELECT [s,s,s,s,s,s,s,s] s FROM c) \
     SELECT cardinality(s) FROM d",
    "SELECT levenshtein(repeat('xy', 500000), repeat('yx', 500000))",
    "SELECT count(*) FROM generate_series(1, 5000) WHERE regexp_like('a', concat('(\\w{9}){9}', value::text))",
    "SELECT count(*) FROM generate_series(1, 5000) WHERE 'a' ~ concat('(\\w{9}){9}', value::text)",
    "SELECT count(*) FROM generate_series(1, 5000) WHERE 'a' !~* concat('(\\w{9}){9}', value::text)",
    "SELECT approx_percentile_cont(value, 0.5, 2000000000) FROM generate_series(1, 3)",
    "SELECT approx_percentile_cont(0.5, 2000000000) WITHIN GROUP (ORDER BY value) FROM generate_series(1, 3)",
    "SELECT approx_percentile_cont(0.5, 2000000000) WITHIN GROUP (ORDER BY value) OVER () FROM generate_series(1, 3)",
    "SELECT length(string_agg('xxxxxxxx', ',') OVER (ORDER BY value)) FROM generate_series(1, 300000)",
    "SELECT cardinality(array_agg(value) OVER (ORDER BY value)) FROM generate_series(1, 300000)",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_small_statement_that_would_make_too_much_is_refused_and_the_gateway_goes_on() {
    let gateway = Gateway::start_with(|config| config.limits.memory = 64 << 20)
        .await
        .with_csv("shop.items", "id,name,day\n1,a,2024-01-01\n2,b,2024-01-01\n")
        .await
        .with_policy(&format!("grants:\n{}", grant("ana", "true")))
        .await;
    let mut faults = Vec::new();
    for sql in BOMBS {
        let patience = std::time::Duration::from_secs(10);
        let Ok(answer) = tokio::time::timeout(patience, gateway.sql("ana", sql)).await else {
            faults.push(format!("{sql}\n  no answer"));
            continue;
        };
        let code = answer.code();
        if !["limit_exceeded", "query_failed", "statement_not_allowed"].contains(&code.as_str())
            || answer.text().contains("internal error")
        {
            faults.push(format!("{sql}\n  {}", answer.text()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let peak = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = peak.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim().to_owned();
    let kilobytes: u64 = peak.trim_end_matches(" kB").parse().unwrap();
    assert!(kilobytes < 2 << 20, "the process took {peak}");
    assert_eq!(gateway.sql("ana", "SELECT 1").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fits_is_made_as_ever() {
    let gateway = gateway().await.with_policy(&format!("grants:\n{}", grant("ana", "true"))).await;
    let large = format!(
        "SELECT count(s) FROM (SELECT '{}' AS s, value FROM generate_series(1, 20000)) WHERE s <> value::text",
        "x".repeat(900_000)
    );
    for (sql, expected) in [
        ("SELECT length(repeat('x', 1000000))", "1000000"),
        ("SELECT sum(length(repeat('x', 5000 + value % 2))) FROM generate_series(1, 20000)", "100010000"),
        ("SELECT length(lpad('x', 10, 'ab') || rpad('x', 10))", "20"),
        ("SELECT cardinality(range(0, 500000))", "500000"),
        ("SELECT sum(cardinality(generate_series(0, value))) FROM generate_series(1, 1000)", "501500"),
        // Together they could be far more than they are.
        (
            "SELECT sum(length(regexp_replace(repeat('x', 2000), 'y', repeat('z', 1000 + value % 2), 'g'))) FROM generate_series(1, 9000)",
            "18000000",
        ),
        (
            "SELECT sum(length(replace(repeat('x', 2000), 'y', repeat('z', 1000 + value % 2)))) FROM generate_series(1, 9000)",
            "18000000",
        ),
        ("SELECT max(levenshtein(name, 'kitten')) FROM shop.items", "6"),
        ("SELECT count(*) FROM generate_series(1, 500) WHERE value::text ~ ('^' || value || '$')", "500"),
        ("SELECT count(*) FROM shop.items WHERE name ~* 'A' AND name !~ 'b' AND name !~* lower('B')", "1"),
        ("SELECT name || NULL IS NULL AND (1 || 'x') = '1x' FROM shop.items LIMIT 1", "true"),
        ("SELECT approx_percentile_cont(value, 0.5, 100) FROM generate_series(1, 3)", "2.0"),
        (large.as_str(), "20000"),
    ] {
        let answer = gateway.sql("ana", sql).await;
        let shown = sql.chars().take(120).collect::<String>();
        assert_eq!(answer.status, 200, "{shown}: {}", answer.text());
        assert_eq!(answer.json()["rows"][0][0].to_string(), expected, "{shown}");
    }
    let named = gateway.sql("ana", "SELECT name || 'x' FROM shop.items").await.json();
    assert_eq!(named["columns"][0]["name"], r#"shop.items.name || Utf8("x")"#);
}
