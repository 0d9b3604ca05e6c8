//! CSV: values as they are written or their line is told.

use lakegate::ingest::source::files::CsvOptions;

use super::{Drop, text_types};

#[tokio::test(flavor = "multi_thread")]
async fn values_have_the_type_that_all_of_them_have() {
    let drop = Drop::new().with(
        "t.csv",
        "id,zip,price,ratio,big,flag,day,at,zoned,note\n\
         1,007,12.50,0.1,9223372036854775808,true,2024-02-29,2024-01-31 12:34:56.5,2024-01-31T12:00:00+02:00,\"a \"\"b\"\"\"\n\
         -9223372036854775808,10115,3,1e-7,1,false,0001-01-01,1969-12-31T23:59:59.999999,2024-01-31T10:00:00Z,\"\"\n\
         ,,,,,,,,,\n",
    );
    let out = drop.table("t").await.unwrap();
    assert_eq!(
        out.columns(),
        [
            "id Int64",
            "zip Utf8",
            "price Decimal128(18, 2)",
            "ratio Float64",
            "big Decimal128(27, 0)",
            "flag Boolean",
            "day Date32",
            "at Timestamp(µs)",
            "zoned Timestamp(µs, \"UTC\")",
            "note Utf8"
        ]
    );
    assert_eq!(
        out.lines(),
        [
            "1|007|12.50|0.1|9223372036854775808|true|2024-02-29|2024-01-31T12:34:56.500|2024-01-31T10:00:00Z|a \"b\"",
            "-9223372036854775808|10115|3.00|1e-7|1|false|0001-01-01|1969-12-31T23:59:59.999999|2024-01-31T10:00:00Z|",
            "NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL",
        ]
    );
    assert_eq!(out.rejected, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_guessed_that_would_read_back_differently() {
    for text in
        ["007", "+491701234567", "1/2/2024", "True", "NaN", " 1", "1,5", "0x10", "1e999", "2024-02-30", "-"]
    {
        let drop = Drop::new().with("t.csv", format!("a;b\n{text};1\n"));
        let out = drop.table("t").await.unwrap();
        assert_eq!((out.columns()[0].as_str(), out.rows()[0][0].as_deref()), ("a Utf8", Some(text)));
    }
    let mut drop = Drop::new().with("t.csv", "a,b\n1,true\n2.50,\n");
    drop.csv = text_types();
    let out = drop.table("t").await.unwrap();
    assert_eq!(
        (out.columns(), out.lines()),
        (vec!["a Utf8".into(), "b Utf8".into()], vec!["1|true".into(), "2.50|NULL".into()])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn quotes_line_ends_marks_and_delimiters_are_read() {
    for (content, expected) in [
        (&b"\xEF\xBB\xBFa,b\r\n1,\"x\r\ny,z\"\r\n2,w"[..], &["1|x\r\ny,z", "2|w"][..]),
        (b"a;b\n1;x,y\n", &["1|x,y"]),
        (b"a\tb\n1\tx;y\n", &["1|x;y"]),
        (b"a|b\n1|\"x|y\"\n", &["1|x|y"]),
        (b"a,b\n1,\"\"\"\"\n2,\"\"\n3,\n", &["1|\"", "2|", "3|NULL"]),
        (b"a,b\n\n1,x\n\n\n2,y\n\n", &["1|x", "2|y"]),
        (b"only\nx\n\ny\n", &["x", "NULL", "y"]),
        (b"a,b\n1,x\0y\n", &["1|x\0y"]),
        (b"a,b\n1,x\ry\n", &["1|x\ry"]),
        (b"a,b\n", &[]),
        (b"a,b", &[]),
        (b"Select,\xC3\xBCber \"x\",Null\n1,2,3\n", &[]),
    ] {
        let out = Drop::new().with("t.csv", content).table("t").await;
        match out {
            Ok(out) => assert_eq!(out.lines(), expected, "{content:?}"),
            Err(error) => assert!(expected.is_empty() && error.detail().contains("quotation"), "{error:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_are_no_rows_are_all_in_the_file_for_them() {
    let content = b"id,name,day\n1,a,2024-01-01\n2,b\n3,c,2024-01-02,x\nvier,d,2024-01-03\n5,e,01.05.2024\n\
        6,\"f\" g,2024-01-06\n7,h\"i,2024-01-07\n8,\xFF\xFE,2024-01-08\n9,\"j\nk\",2024-01-09\n10,\"l\nm\"n,2024-01-10\n\
        11,o,2024-01-11\n12,\"never closed,2024-01-12\n13,p,2024-01-13\n";
    // What the columns are is said by a file that has no such lines.
    let good = "id,name,day\n".to_owned() + &"0,z,2024-01-01\n".repeat(2);
    let drop = Drop::lenient().with("t/1.csv", &good).with("t/2.csv", content);
    let mut texts_of = std::collections::BTreeMap::new();
    let strict = {
        let mut strict = Drop::new().with("t/1.csv", &good).with("t/2.csv", content);
        strict.csv = CsvOptions { delimiter: Some(b','), ..CsvOptions::default() };
        strict
    };
    let out = drop.table("t").await.unwrap();
    // `vier` and `01.05.2024` are among the first rows, which say what the columns are: they make texts of them.
    assert_eq!(out.columns(), ["id Utf8", "name Utf8", "day Utf8"]);
    for entry in drop.rejects() {
        assert_eq!(entry["table"], "t");
        assert!(entry["file"].as_str().unwrap().ends_with("/t/2.csv"));
        texts_of.insert(
            entry["line"].as_u64().unwrap(),
            (entry["text"].clone(), entry["reason"].clone(), entry.clone()),
        );
    }
    let lines = texts_of.keys().copied().collect::<Vec<_>>();
    assert_eq!(lines, [3, 4, 7, 8, 9, 12, 13, 15, 16]);
    assert_eq!(out.rejected, 9);
    // Rows and rejected lines are all lines but the headers; one row is of two lines.
    assert_eq!(out.rows().len() as u64 + 1 + out.rejected, 2 + 15);
    assert_eq!(texts_of[&3].0, "2,b");
    assert_eq!(texts_of[&3].1, "it has 2 values and the header 3");
    assert!(texts_of[&7].1.as_str().unwrap().contains("behind the closing quotation mark"));
    assert!(texts_of[&8].1.as_str().unwrap().contains("inside a value"));
    assert_eq!(
        (&texts_of[&9].1, &texts_of[&9].2["base64"]),
        (&"it is not UTF-8".into(), &"OCz//iwyMDI0LTAxLTA4".into())
    );
    assert_eq!((&texts_of[&12].0, &texts_of[&13].0), (&"10,\"l".into(), &"m\"n,2024-01-10".into()));
    assert!(texts_of[&15].1.as_str().unwrap().contains("not closed"));
    assert_eq!(texts_of[&16].0, "13,p,2024-01-13");
    assert!(out.lines().contains(&"9|j\nk|2024-01-09".to_owned()));
    let refusal = strict.refusal("t").await;
    assert!(
        refusal.contains("/t/2.csv` line 3: it has 2 values and the header 3; `--rejects FILE`"),
        "{refusal}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_behind_the_first_rows_is_of_their_type_or_its_line_is_told() {
    let first = (0..10_000).map(|row| format!("{row},1.50,true,2024-01-01\n")).collect::<String>();
    let bad = [
        "x,1.50,true,2024-01-01",
        "007,1.50,true,2024-01-01",
        "9223372036854775808,1.50,true,2024-01-01",
        "1.0,1.50,true,2024-01-01",
        "1,1.505,true,2024-01-01",
        "1,1e1,true,2024-01-01",
        "1,1.50,TRUE,2024-01-01",
        "1,1.50,true,2024-13-01",
        "1,\"\",true,2024-01-01",
    ];
    let content = format!("a,b,c,d\n{first}{}\n7,2,false,1999-12-31\n", bad.join("\n"));
    let drop = Drop::lenient().with("t.csv", &content);
    let out = drop.table("t").await.unwrap();
    assert_eq!(out.columns(), ["a Int64", "b Decimal128(18, 2)", "c Boolean", "d Date32"]);
    let rejects = drop.rejects();
    let texts = rejects.iter().map(|entry| entry["text"].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(texts, bad);
    assert_eq!((out.rejected, out.rows().len()), (9, 10_001));
    assert_eq!(out.lines()[10_000], "7|2.00|false|1999-12-31");
    let refusal = Drop::new().with("t.csv", &content).refusal("t").await;
    assert!(refusal.contains("line 10002: `x` in column `a` is no `bigint`"), "{refusal}");
    assert!(refusal.contains("--rejects FILE") && refusal.contains("--csv-types text"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_is_none_refuses_its_table() {
    for (content, told) in [
        ("a,b,a\n1,2,3\n", "column `a` is there twice"),
        ("a,A\n1,2\n", "columns `a` and `A` differ in their case alone"),
        ("a,,c\n1,2,3\n", "column 2 has no name"),
        ("a,\"b\nc\"\n1,2\n", "is no name of a column"),
        ("a,\"b\n", "not closed"),
        ("", "the file is empty"),
        ("a,b;c\n1,2;3\n", "name it with `--csv-delimiter`"),
    ] {
        let refusal = Drop::lenient().with("t.csv", content).refusal("t").await;
        assert!(refusal.contains(told), "{content:?}: {refusal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_one_table_may_have_their_columns_in_any_order_or_lack_some() {
    let drop = Drop::new()
        .with("t/1.csv", "a,b\n1,x\n")
        .with("t/2.csv", "c;a\n2024-01-01;2\n")
        .with("t/3.csv", "")
        .with("t/deep/4.tsv", "b\ta\ny\t3\n");
    let out = drop.table("t").await.unwrap();
    assert_eq!(out.columns(), ["a Int64", "b Utf8", "c Date32"]);
    assert_eq!(out.lines(), ["1|x|NULL", "2|NULL|2024-01-01", "3|y|NULL"]);
    // A column that is numbers here and texts there is texts in all of them.
    let drop = Drop::new().with("t/1.csv", "a\n1\n").with("t/2.csv", "a\n01\n");
    assert_eq!(drop.table("t").await.unwrap().lines(), ["1", "01"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_values_and_many_columns_are_read() {
    let large = "ä\"\"\n".repeat(10_000_000);
    let drop = Drop::new().with("t.csv", format!("id,text\n1,\"{large}\"\n2,x\n"));
    let rows = drop.table("t").await.unwrap().rows();
    assert_eq!((rows.len(), rows[1][1].as_deref()), (2, Some("x")));
    assert!(rows[0][1].as_deref() == Some("ä\"\n".repeat(10_000_000).as_str()));
    let names = (0..1500).map(|at| format!("c{at}")).collect::<Vec<_>>().join(",");
    let values = (0..1500).map(|at| at.to_string()).collect::<Vec<_>>().join(",");
    let drop = Drop::new().with("t.csv", format!("{names}\n{values}\n{values}\n"));
    let out = drop.table("t").await.unwrap();
    assert_eq!((out.columns().len(), out.rows()[1][1499].as_deref()), (1500, Some("1499")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quotation_mark_that_is_never_closed_does_not_take_the_memory() {
    let content = format!("a,b\n1,\"{}", "x\n".repeat(40 * 1024 * 1024));
    let refusal = Drop::lenient().with("t.csv", content).refusal("t").await;
    assert!(refusal.contains("line 2: what begins here has no end within 64 MiB"), "{refusal}");
}
