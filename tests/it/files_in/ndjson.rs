//! NDJSON: objects and lists as they are, numbers with their digits, keys that come late.

use arrow::array::{Array, RecordBatch};

use super::Drop;

#[tokio::test(flavor = "multi_thread")]
async fn values_and_what_lies_in_them_arrive_as_they_were() {
    let drop = Drop::new().with(
        "t.ndjson",
        "\u{FEFF}{\"id\":1,\"price\":0.1,\"name\":\"a\\u0000\\n\u{fc}\",\"ok\":true,\"tags\":[\"x\",null],\"at\":{\"city\":\"B\",\"geo\":[{\"lat\":1.5}]}}\r\n\
         \n\
         {\"id\":9223372036854775807,\"price\":1e300,\"name\":null,\"tags\":[],\"at\":null,\"late\":\"2024-01-01\"}\n\
         {\"id\":-1,\"at\":{\"geo\":[{\"lon\":7},{}]}}",
    );
    let out = drop.table("t").await.unwrap();
    assert_eq!(out.columns()[..4], ["id Int64", "price Float64", "name Utf8", "ok Boolean"]);
    assert_eq!(out.columns()[6], "late Utf8");
    assert_eq!(
        out.lines(),
        [
            "1|0.1|a\0\nü|true|[x, ]|{city: B, geo: [{lat: 1.5, lon: }]}|NULL",
            "9223372036854775807|1e300|NULL|NULL|[]|NULL|2024-01-01",
            "-1|NULL|NULL|NULL|NULL|{city: , geo: [{lat: , lon: 7}, {lat: , lon: }]}|NULL",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_keep_their_digits() {
    for (numbers, kind, expected) in [
        (&["1", "2"][..], "Int64", &["1", "2"][..]),
        (&["12.50", "0.99"], "Decimal128(18, 2)", &["12.50", "0.99"]),
        (&["1", "0.25", "1.5"], "Float64", &["1.0", "0.25", "1.5"]),
        (&["18446744073709551615", "-1"], "Decimal128(28, 0)", &["18446744073709551615", "-1"]),
        (
            &["0.1234567890123456789", "1"],
            "Decimal128(28, 19)",
            &["0.1234567890123456789", "1.0000000000000000000"],
        ),
    ] {
        let lines = numbers.iter().map(|number| format!("{{\"n\":{number}}}\n")).collect::<String>();
        let out = Drop::new().with("t.jsonl", lines).table("t").await.unwrap();
        assert_eq!(out.columns(), [format!("n {kind}")]);
        assert_eq!(out.lines(), expected);
    }
    let drop = Drop::new().with("t.jsonl", "{\"n\":1e5}\n{\"n\":9007199254740993}\n");
    assert!(drop.refusal("t").await.contains("no type of the lake holds all numbers of `n`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_are_no_rows_are_all_in_the_file_for_them() {
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(60), "]".repeat(60));
    let bad: Vec<Vec<u8>> = vec![
        b"{\"a\":\"x\"}".to_vec(),
        b"{\"a\":1,\"a\":2}".to_vec(),
        b"{\"a\":1".to_vec(),
        b"[1]".to_vec(),
        b"7".to_vec(),
        b"{\"a\":1}{\"a\":2}".to_vec(),
        b"{\"b\":{\"c\":[1,\"x\"]}}".to_vec(),
        b"{\"b\":{\"c\":{}}}".to_vec(),
        b"{\"b\":7,\"never\":1}".to_vec(),
        b"{\"s\":\"\\ud800\"}".to_vec(),
        b"{\"s\":\"\xFF\"}".to_vec(),
        b"{\"$serde_json::private::Number\":\"5\"}".to_vec(),
        deep.into_bytes(),
        format!("{{\"a\":{}}}", "9".repeat(60)).into_bytes(),
    ];
    let mut content = b"{\"a\":1,\"b\":{\"c\":[1]},\"s\":\"x\"}\n".to_vec();
    for line in &bad {
        content.extend(line);
        content.push(b'\n');
    }
    content.extend(b"{\"a\":2}\n");
    let drop = Drop::lenient().with("t.ndjson", &content);
    let out = drop.table("t").await.unwrap();
    // Keys of bad lines are no columns.
    assert_eq!(out.table.schema.fields().len(), 3);
    assert_eq!(out.rows().len(), 2);
    let rejects = drop.rejects();
    assert_eq!((out.rejected, rejects.len()), (bad.len() as u64, bad.len()));
    for (at, (entry, line)) in rejects.iter().zip(&bad).enumerate() {
        assert_eq!(entry["line"], at + 2);
        assert_eq!(entry["text"], String::from_utf8_lossy(line).as_ref());
    }
    assert_eq!(rejects[0]["reason"], "`a` is a text, which its column cannot hold");
    assert_eq!(rejects[6]["reason"], "`b.c` is a text, which its column cannot hold");
    let refusal = Drop::new().with("t.ndjson", &content).refusal("t").await;
    assert!(refusal.contains("t.ndjson` line 2: `a` is a text"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_column_can_be_refuses_its_table() {
    let many = (0..10_001).map(|key| format!("{{\"k{key}\":1}}\n")).collect::<String>();
    for (content, told) in [
        ("", "there is no key"),
        ("{}\n", "there is no key"),
        ("{\"a\":{}}\n", "`a` has only objects without keys"),
        ("{\"a\":1,\"A\":2}\n", "differ in their case alone"),
        ("{\"\":1}\n", "is no name of a column"),
        ("{\"x\":{\"a\\nb\":1}}\n", "in `x` is no name of a column"),
        (&many, "more than 10000 keys"),
    ] {
        let refusal = Drop::lenient().with("t.ndjson", content).refusal("t").await;
        assert!(refusal.contains(told), "{told}: {refusal}");
    }
}

/// Lines of a few bytes, each with a key of its own: written out in columns they are keys times lines.
#[tokio::test(flavor = "multi_thread")]
async fn lines_with_ever_other_keys_come_in_small_batches() {
    let (keys, lines) = (2000, 4000);
    let content = (0..lines).map(|line| format!("{{\"k{}\":{line}}}\n", line % keys)).collect::<String>();
    let out = Drop::new().with("t.ndjson", content).table("t").await.unwrap();
    assert_eq!(out.table.schema.fields().len(), keys);
    let (mut rows, mut values) = (0, 0);
    for batch in &out.batches {
        assert!(batch.num_rows() * keys <= (1 << 20) + keys, "{} rows at once", batch.num_rows());
        rows += batch.num_rows();
        values += batch.columns().iter().map(|column| column.len() - column.null_count()).sum::<usize>();
    }
    assert_eq!((rows, values), (lines, lines));
}

/// The same inside of a line.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_whose_lists_would_fill_the_memory_is_a_bad_one() {
    let keys = (0..5000).map(|key| format!("\"k{key}\":1")).collect::<Vec<_>>().join(",");
    let many = vec!["{}"; 4000].join(",");
    let content = format!("{{\"l\":[{{{keys}}}]}}\n{{\"l\":[{many}]}}\n{{\"l\":[{{}},{{}}]}}\n");
    let drop = Drop::lenient().with("t.ndjson", content);
    let out = drop.table("t").await.unwrap();
    assert_eq!((out.rejected, out.batches.iter().map(RecordBatch::num_rows).sum::<usize>()), (1, 2));
    let reason = drop.rejects()[0]["reason"].as_str().unwrap().to_owned();
    assert!(reason.starts_with("its lists have 20000001 values"), "{reason}");
}
