//! Good inputs of every parser of our own, changed at random: refused or read, and never a panic.
//!
//! The targets in `fuzz/` search longer, and with the coverage in sight.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_ipc::writer::StreamWriter;
use lakegate::fuzzing::PARSERS;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// How many changed inputs each parser gets.
const INPUTS: usize = 1500;

/// What stands between the parts of most inputs, and what limits are made of.
const PIECES: [&[u8]; 16] = [
    b"(",
    b")",
    b"'",
    b"\"",
    b",",
    b";",
    b"*",
    b"--",
    b"\n",
    b" AND ",
    b"NULL",
    b"{",
    b"}",
    b"99999999999999999999",
    &[0xff, 0xff, 0xff, 0xff],
    &[0x7f, 0xff, 0xff, 0xff],
];

#[test]
fn no_input_breaks_a_parser() {
    for (name, read) in PARSERS {
        let corpus = corpus(name);
        assert!(!corpus.is_empty(), "{name} has no inputs");
        corpus.iter().for_each(|input| read(input));
        let mut random = StdRng::seed_from_u64(0x9a5e);
        for _ in 0..INPUTS {
            read(&changed(&corpus, &mut random));
        }
    }
}

/// One of `corpus` with a few changes.
fn changed(corpus: &[Vec<u8>], random: &mut StdRng) -> Vec<u8> {
    let mut input = corpus[random.random_range(0..corpus.len())].clone();
    for _ in 0..random.random_range(1..5) {
        if input.is_empty() {
            input.push(b'x');
        }
        let at = random.random_range(0..input.len());
        let end = random.random_range(at..input.len().min(at + 30));
        match random.random_range(0..6) {
            0 => input[at] ^= 1 << random.random_range(0..7),
            1 => drop(input.drain(at..=end)),
            2 => input.truncate(at),
            3 => {
                let part = input[at..=end].to_vec();
                input.splice(at..at, part);
            }
            4 => {
                let other = &corpus[random.random_range(0..corpus.len())];
                let from = random.random_range(0..=other.len());
                input.splice(at.., other[from..].iter().copied());
            }
            _ => {
                let piece = PIECES[random.random_range(0..PIECES.len())];
                input.splice(at..at, piece.iter().copied());
            }
        }
    }
    input
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let texts = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    match name {
        "statement" => [statements(), texts(&CATALOG)].concat(),
        "expression" => texts(&EXPRESSIONS),
        "policy_file" => files(&["policies", "tests/slt"], "yaml"),
        "accept_header" => {
            texts(&["text/csv;q=0.5, */*;q=0.1", "application/vnd.apache.arrow.stream, application/json"])
        }
        "flight_ticket" => texts(&[
            r#"{"sql":"SELECT 1","database":"s","strict":true,"max_rows":7,"params":null,"run":"01890000-0000-7000-8000-000000000000"}"#,
        ]),
        "flight_parameters" => vec![parameters()],
        "postgres_frames" => vec![messages()],
        "postgres_copy" => vec![copy()],
        "delta_statistics" => texts(&[
            r#"{"numRecords":3,"minValues":{"c0":-1,"c1":0.5,"c2":"a","c3":"2020-01-01","c4":1.25,"c5":"2020-01-01T00:00:00.123Z","c6":false},
            "maxValues":{"c0":9,"c1":1e300,"c2":"z","c3":"9999-12-31","c4":99,"c5":"2021-01-01T00:00:00Z","c6":true},"nullCount":{"c0":0,"c1":3}}"#,
        ]),
        "settings" => texts(&["512MiB", "30m", "8 h", "18446744073709551615", "7d"]),
        other => panic!("`{other}` has no inputs: add some"),
    }
}

/// The statements of the acceptance cases.
fn statements() -> Vec<Vec<u8>> {
    let cases = files(&["tests/slt"], "slt");
    let blocks = cases.iter().flat_map(|file| {
        let text = String::from_utf8(file.clone()).unwrap();
        text.split("\n\n").map(str::to_owned).collect::<Vec<_>>()
    });
    let statement = |block: String| {
        let lines =
            block.lines().skip_while(|line| !line.starts_with("query") && !line.starts_with("statement"));
        lines.skip(1).take_while(|line| *line != "----").collect::<Vec<_>>().join("\n").into_bytes()
    };
    blocks.map(statement).filter(|statement| !statement.is_empty()).collect()
}

fn files(folders: &[&str], extension: &str) -> Vec<Vec<u8>> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let paths = folders.iter().flat_map(|folder| std::fs::read_dir(root.join(folder)).unwrap());
    let mut paths: Vec<PathBuf> = paths.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// What psql and drivers ask of PostgreSQL's catalog.
const CATALOG: [&str; 4] = [
    "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('r','v') AND n.nspname !~ '^pg_toast' AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 1,2",
    "SELECT 't'::regclass::oid, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a WHERE a.attnum > 0 AND a.attrelid = '16384'",
    "SELECT current_schema(), version(), set_config('x', 'y', false), pg_get_expr(adbin, adrelid) FROM pg_attrdef",
    "SHOW search_path",
];

const EXPRESSIONS: [&str; 7] = [
    "region = attr('region') AND tenant IN ('a', 'b') OR a % 2 = 0",
    "is_member('analysts') OR current_user() = owner",
    "dept = ANY(attr_list('dept'))",
    "left(phone, 3) || '***'",
    "CASE WHEN a IS NULL THEN false ELSE a BETWEEN 1 AND 5 END",
    "a IS DISTINCT FROM b AND NOT (c LIKE 'x%' OR d ILIKE '%y')",
    "CAST(a AS DECIMAL(10, 2)) > 1.5e3 AND date_trunc('day', t) = TIMESTAMP '2020-01-01 00:00:00'",
];

fn parameters() -> Vec<u8> {
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![7]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("EU")]));
    let row = RecordBatch::try_from_iter([("a", numbers), ("b", texts)]).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &row.schema()).unwrap();
    writer.write(&row).unwrap();
    writer.into_inner().unwrap()
}

fn messages() -> Vec<u8> {
    let mut bytes = vec![0, 0, 0, 18, 0, 3, 0, 0];
    bytes.extend(b"user\0ana\0\0");
    for (kind, body) in [(b'p', "token\0"), (b'Q', "SELECT 1\0"), (b'S', ""), (b'X', "")] {
        bytes.push(kind);
        bytes.extend(i32::try_from(body.len() + 4).unwrap().to_be_bytes());
        bytes.extend(body.as_bytes());
    }
    bytes
}

/// Two rows of the columns that the parser is given, and one of NULLs.
fn copy() -> Vec<u8> {
    let mut bytes = b"PGCOPY\n\xff\r\n\0".to_vec();
    bytes.extend([0; 8]);
    let numeric = [0, 2, 0, 0, 0, 0, 0, 2, 0, 1, 0x13, 0x88];
    let list = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 23, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 9];
    let row: [&[u8]; 8] = [
        &[1],
        &7_i64.to_be_bytes(),
        &0.5_f64.to_be_bytes(),
        &numeric,
        b"text",
        &[0, 0, 0, 9],
        &[0, 0, 0, 0, 0, 0, 0, 9],
        &list,
    ];
    for _ in 0..2 {
        bytes.extend(8_i16.to_be_bytes());
        for value in row {
            bytes.extend(i32::try_from(value.len()).unwrap().to_be_bytes());
            bytes.extend(value);
        }
    }
    bytes.extend(8_i16.to_be_bytes());
    bytes.extend([0xff; 4 * 8]);
    bytes.extend((-1_i16).to_be_bytes());
    bytes
}
