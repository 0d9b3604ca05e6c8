//! Statements over what the reader may name, and some over what they may not.

use super::data::{Column, Flavor, Kind, ZEROS};
use super::expression::{Cell, Grammar, cells, letter};
use super::random::Random;
use super::world::World;

/// A statement and how its answers compare.
#[derive(Debug, Clone, Default)]
pub struct Question {
    pub sql: String,
    /// The order of the rows is the question's and not chance.
    pub ordered: bool,
    pub params: Vec<serde_json::Value>,
    pub strict: bool,
    pub max_rows: Option<u64>,
}

/// A query without order, and the kinds of its columns.
struct Select {
    sql: String,
    letters: Vec<char>,
}

/// What stands in a FROM.
struct Source {
    from: String,
    scope: Vec<Cell>,
    /// Its rows come in the order of the files.
    in_order: bool,
}

/// Makes statements for one world.
pub struct Asking<'a> {
    grammar: &'a Grammar,
    tables: Vec<(String, Vec<Column>)>,
    hidden: Vec<String>,
    in_file_order: bool,
}

impl<'a> Asking<'a> {
    pub fn of(world: &World, grammar: &'a Grammar) -> Self {
        let readable = &world.tables[..world.tables.len() - 1];
        let hidden = readable.iter().flat_map(|table| table.hidden_columns()).map(|column| column.name);
        Self {
            grammar,
            tables: readable
                .iter()
                .map(|table| (format!("db.{}", table.name), table.visible_columns()))
                .collect(),
            hidden: hidden.chain(["other_i1".to_owned(), "extra".to_owned()]).collect(),
            in_file_order: world.target_partitions == 1 && !world.pushdown_filters,
        }
    }

    /// A statement.
    pub fn question(&self, random: &mut Random) -> Question {
        let mut question = match random.below(100) {
            0..=4 => Question { sql: self.listing(random), ..Question::default() },
            5..=10 => Question { sql: self.mistake(random), ..Question::default() },
            _ => self.query(random),
        };
        if question.sql.contains("$1") {
            question.params = vec![random.pick(&[serde_json::json!(null), 7.into(), "ana".into()]).clone()];
        }
        if random.percent(8) {
            // Which of the two is not drawn, so that the other statements stay as they are.
            let how = if question.sql.len().is_multiple_of(3) { "ANALYZE " } else { "" };
            question.sql = format!("EXPLAIN {how}{}", question.sql);
            question.max_rows = None;
        }
        question.strict = random.percent(1);
        question
    }

    fn query(&self, random: &mut Random) -> Question {
        if random.percent(6) {
            return self.first_rows(random);
        }
        let depth = *random.pick(&[0, 1, 1, 2]);
        let select = self.select(depth, random);
        let sortable = select.letters.iter().all(|letter| "IFNTDSB".contains(*letter));
        if !sortable || random.percent(40) {
            return Question { sql: select.sql, ..Question::default() };
        }
        let places = (1..=select.letters.len()).map(|at| at.to_string()).collect::<Vec<_>>().join(", ");
        let limit = match random.below(4) {
            0 => format!(" LIMIT {}", random.between(0, 6)),
            1 => format!(" LIMIT {} OFFSET {}", random.between(1, 6), random.between(0, 3)),
            _ => String::new(),
        };
        let max_rows = random.percent(6).then_some(3);
        Question {
            sql: format!("{} ORDER BY {places}{limit}", select.sql),
            ordered: true,
            max_rows,
            ..Question::default()
        }
    }

    /// The first rows in the order of plain columns, and of them something that may fail: the engine leaves out files
    /// that cannot hold a first row any more.
    fn first_rows(&self, random: &mut Random) -> Question {
        let source = self.source(0, random);
        let condition = self.condition(&source, 0, random);
        let items = [self.grammar.any(&source.scope, 2, random), self.item(&source.scope, random)];
        let mut order = source.scope.iter().map(|cell| cell.text.clone()).collect::<Vec<_>>();
        let first = random.below(order.len());
        order.swap(0, first);
        let way = random.pick(&["", " DESC", " NULLS FIRST"]);
        let body = listed("SELECT ", &items, &format!("FROM {}{condition}", source.from));
        let limit = random.between(1, 4);
        let sql = format!("{} ORDER BY {}{way} LIMIT {limit}", body.sql, order.join(", "));
        Question { sql, ordered: true, ..Question::default() }
    }

    fn select(&self, depth: usize, random: &mut Random) -> Select {
        match random.below(20) {
            0..=6 => self.plain(depth, random),
            7..=10 => self.grouped(depth, random),
            11..=13 => self.windowed(depth, random),
            14..=15 if depth > 0 => self.combined(depth, random),
            16..=17 if depth > 0 => self.with(depth, random),
            18 => self.recursive(random),
            _ => self.plain(depth, random),
        }
    }

    fn plain(&self, depth: usize, random: &mut Random) -> Select {
        let source = self.source(depth, random);
        let condition = self.condition(&source, depth, random);
        if random.percent(12) && !source.scope.is_empty() {
            return Select { sql: format!("SELECT * FROM {}{condition}", source.from), letters: vec!['?'] };
        }
        let count = random.between(1, 4);
        let mut items = (0..count).map(|_| self.item(&source.scope, random)).collect::<Vec<_>>();
        if random.percent(8) {
            items.push(('I', self.scalar_subquery(random)));
        }
        let distinct = if random.percent(12) { "DISTINCT " } else { "" };
        listed(&format!("SELECT {distinct}"), &items, &format!("FROM {}{condition}", source.from))
    }

    fn item(&self, scope: &[Cell], random: &mut Random) -> (char, String) {
        match scope {
            [] => self.grammar.any(scope, 1, random),
            scope if random.percent(45) => {
                let cell = random.pick(scope);
                (letter(&cell.kind), cell.text.clone())
            }
            scope => self.grammar.any(scope, *random.pick(&[1, 1, 2, 3]), random),
        }
    }

    fn grouped(&self, depth: usize, random: &mut Random) -> Select {
        let source = self.source(depth, random);
        let condition = self.condition(&source, depth, random);
        let exact = !source.in_order || !self.in_file_order || random.percent(50);
        let keys = (0..random.below(3)).map(|_| self.key(&source.scope, random)).collect::<Vec<_>>();
        let mut items = keys.clone();
        // One that sorts its rows would sort those of another, which depends on their order.
        let count = if exact { random.between(1, 3) } else { 1 };
        for _ in 0..count {
            items.push(self.grammar.aggregate(&source.scope, exact, random));
        }
        let names = keys.iter().map(|(_, key)| key.as_str()).collect::<Vec<_>>().join(", ");
        let group = match (keys.len(), random.below(8)) {
            (0, _) => String::new(),
            (_, 0) => format!(" GROUP BY ROLLUP ({names})"),
            (_, 1) => format!(" GROUP BY CUBE ({names})"),
            (_, 2) => {
                items.push(('I', format!("grouping({})", keys[0].1)));
                format!(" GROUP BY GROUPING SETS (({names}), ({}), ())", keys[0].1)
            }
            _ => format!(" GROUP BY {names}"),
        };
        let having = if exact && random.percent(20) {
            format!(" HAVING {} > 0", self.grammar.aggregate(&source.scope, true, random).1)
        } else {
            String::new()
        };
        listed("SELECT ", &items, &format!("FROM {}{condition}{group}{having}", source.from))
    }

    fn key(&self, scope: &[Cell], random: &mut Random) -> (char, String) {
        let kind = *random.pick(&['I', 'T', 'B', 'D']);
        (kind, self.grammar.of(kind, scope, 1, random))
    }

    fn windowed(&self, depth: usize, random: &mut Random) -> Select {
        let source = self.source(depth.min(1), random);
        let condition = self.condition(&source, depth, random);
        let order = if source.scope.is_empty() {
            String::new()
        } else {
            let all = source.scope.iter().map(|cell| cell.text.clone()).collect::<Vec<_>>();
            format!("ORDER BY {}", all.join(", "))
        };
        let items = [self.item(&source.scope, random), self.grammar.window(&source.scope, &order, random)];
        listed("SELECT ", &items, &format!("FROM {}{condition}", source.from))
    }

    fn combined(&self, depth: usize, random: &mut Random) -> Select {
        let count = random.between(1, 2);
        let letters = (0..count).map(|_| *random.pick(&['I', 'T', 'D'])).collect::<Vec<_>>();
        let mut side = || {
            let source = self.source(depth - 1, random);
            let condition = self.condition(&source, 0, random);
            let items = letters.iter().map(|kind| (*kind, self.grammar.of(*kind, &source.scope, 1, random)));
            let items = items.collect::<Vec<_>>();
            listed("SELECT ", &items, &format!("FROM {}{condition}", source.from)).sql
        };
        let (left, right) = (side(), side());
        let word = random.pick(&["UNION", "UNION ALL", "INTERSECT", "EXCEPT", "INTERSECT ALL"]);
        Select { sql: format!("{left} {word} {right}"), letters }
    }

    fn with(&self, depth: usize, random: &mut Random) -> Select {
        let inner = self.select(depth - 1, random);
        let scope = outputs("w.", &inner.letters);
        let other = self.source(0, random);
        let from = match random.below(3) {
            0 => "w".to_owned(),
            1 => format!("w, {}", other.from),
            _ => "w, w AS w2".to_owned(),
        };
        let items = [self.item(&scope, random), ('I', "count(*) OVER ()".to_owned())];
        // The name of a table of ours, which the CTE hides.
        let name = if from == "w" && random.percent(30) { "db" } else { "w" };
        let (from, items) = match name {
            "w" => (from, items.to_vec()),
            _ => (from, items.into_iter().collect()),
        };
        let body =
            listed("SELECT ", &items, &format!("FROM {from} WHERE {}", self.boolean(&scope, 1, random)));
        Select { sql: format!("WITH w AS ({}) {}", inner.sql, body.sql), letters: body.letters }
    }

    fn recursive(&self, random: &mut Random) -> Select {
        let (name, columns) = random.pick(&self.tables);
        let scope = cells("t.", columns);
        let number = self.grammar.of('I', &scope, 1, random);
        let step = match random.below(2) {
            0 => format!(
                "SELECT r.k + 1, r.n FROM r WHERE r.k < 4 AND 10 / (r.n - {}) < 100",
                random.pick(ZEROS)
            ),
            _ => format!(
                "SELECT r.k + 1, {number} FROM r JOIN {name} t ON t.{} IS NOT NULL WHERE r.k < 2",
                columns[0].name
            ),
        };
        let sql = format!(
            "WITH RECURSIVE r(k, n) AS (SELECT CAST(1 AS BIGINT), CAST(min({number}) AS BIGINT) FROM {name} t UNION ALL {step}) \
             SELECT k AS c0, n AS c1 FROM r"
        );
        Select { sql, letters: vec!['I', 'I'] }
    }

    fn source(&self, depth: usize, random: &mut Random) -> Source {
        let table = |alias: &str, random: &mut Random| {
            let (name, columns) = random.pick(&self.tables);
            (format!("{name} AS {alias}"), cells(&format!("{alias}."), columns))
        };
        match random.below(12) {
            0 | 1 if depth > 0 => {
                let inner = self.select(depth - 1, random);
                let scope = outputs("q.", &inner.letters);
                Source { from: format!("({}) AS q", inner.sql), scope, in_order: false }
            }
            2..=4 => {
                let (left, mut scope) = table("a", random);
                let (right, right_scope) = table("b", random);
                let on = self.join_condition(&scope, &right_scope, random);
                let word =
                    *random.pick(&["JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN"]);
                let word = match random.below(16) {
                    0 => "LEFT SEMI JOIN",
                    1 => "LEFT ANTI JOIN",
                    _ => word,
                };
                if !word.contains("SEMI") && !word.contains("ANTI") {
                    scope.extend(right_scope);
                }
                let on = if word == "CROSS JOIN" { String::new() } else { format!(" ON {on}") };
                Source { from: format!("{left} {word} {right}{on}"), scope, in_order: false }
            }
            5 if random.percent(40) => {
                let (left, mut scope) = table("a", random);
                let kind = Kind::Int;
                let from = match random.below(3) {
                    0 => format!("{left}, generate_series(1, 3) AS g(v)"),
                    1 => format!("{left}, (VALUES (1), (60), (13)) AS g(v)"),
                    _ => format!("{left}, (SELECT unnest([1, 13, 60]) AS v) AS g"),
                };
                scope.push(Cell { text: "g.v".to_owned(), kind });
                Source { from, scope, in_order: false }
            }
            _ => {
                let (from, scope) = table("a", random);
                Source { from, scope, in_order: true }
            }
        }
    }

    fn join_condition(&self, left: &[Cell], right: &[Cell], random: &mut Random) -> String {
        let kind = *random.pick(&['I', 'I', 'T', 'D']);
        let depth = *random.pick(&[0, 0, 1]);
        let (one, other) =
            (self.grammar.of(kind, left, depth, random), self.grammar.of(kind, right, depth, random));
        let both = left.iter().chain(right).cloned().collect::<Vec<_>>();
        match random.below(5) {
            0 => format!("{one} = {other} AND {}", self.boolean(&both, 1, random)),
            1 => format!("{one} < {other}"),
            _ => format!("{one} = {other}"),
        }
    }

    fn boolean(&self, scope: &[Cell], depth: usize, random: &mut Random) -> String {
        self.grammar.of('B', scope, depth + 1, random)
    }

    fn condition(&self, source: &Source, depth: usize, random: &mut Random) -> String {
        if random.percent(30) {
            return String::new();
        }
        let mut parts = vec![self.boolean(&source.scope, *random.pick(&[0, 1, 1, 2]), random)];
        if random.percent(35) {
            parts.push(self.boolean(&source.scope, 0, random));
        }
        if random.percent(25) {
            parts.extend(attack(&source.scope, random));
        }
        if depth > 0 && random.percent(20) {
            parts.push(self.with_subquery(&source.scope, random));
        }
        format!(" WHERE {}", parts.join(*random.pick(&[" AND ", " AND ", " OR "])))
    }

    fn with_subquery(&self, outer: &[Cell], random: &mut Random) -> String {
        let (name, columns) = random.pick(&self.tables);
        let scope = cells("e.", columns);
        let kind = *random.pick(&['I', 'T']);
        let (inner, outside) =
            (self.grammar.of(kind, &scope, 1, random), self.grammar.of(kind, outer, 0, random));
        let condition = self.boolean(&scope, 0, random);
        match random.below(4) {
            0 => format!("EXISTS (SELECT 1 FROM {name} e WHERE {inner} = {outside} AND {condition})"),
            1 => format!("NOT EXISTS (SELECT 1 FROM {name} e WHERE {inner} = {outside})"),
            2 => format!("{outside} NOT IN (SELECT {inner} FROM {name} e WHERE {condition})"),
            _ => format!("{outside} IN (SELECT {inner} FROM {name} e WHERE {condition})"),
        }
    }

    fn scalar_subquery(&self, random: &mut Random) -> String {
        let (name, columns) = random.pick(&self.tables);
        let scope = cells("e.", columns);
        let value = self.grammar.of('I', &scope, 1, random);
        match random.below(4) {
            // More than one row is a fault, of rows that are visible.
            0 => format!("(SELECT {value} FROM {name} e WHERE {})", self.boolean(&scope, 0, random)),
            _ => format!("(SELECT max({value}) FROM {name} e WHERE {})", self.boolean(&scope, 0, random)),
        }
    }

    fn listing(&self, random: &mut Random) -> String {
        let (name, _) = random.pick(&self.tables);
        let texts = [
            "SELECT * FROM information_schema.tables".to_owned(),
            "SELECT * FROM information_schema.columns".to_owned(),
            "SELECT * FROM information_schema.schemata".to_owned(),
            "SELECT table_name, count(*) FROM information_schema.columns GROUP BY table_name".to_owned(),
            "SELECT column_name, data_type FROM information_schema.columns WHERE is_nullable = 'YES'"
                .to_owned(),
            format!("SHOW COLUMNS FROM {name}"),
            format!("DESCRIBE {name}"),
            "SHOW TABLES".to_owned(),
            format!("SELECT arrow_typeof(a) FROM {name} a"),
            format!("SELECT count(*) FROM {name}"),
            format!("SELECT * FROM {name}"),
        ];
        random.pick(&texts).clone()
    }

    fn mistake(&self, random: &mut Random) -> String {
        let (name, columns) = random.pick(&self.tables);
        let (hidden, column) = (random.pick(&self.hidden), &random.pick(columns).name);
        let texts = [
            "SELECT * FROM db.ghost".to_owned(),
            "SELECT * FROM db.sealed".to_owned(),
            "SELECT i0 FROM db.nothing".to_owned(),
            format!("SELECT {hidden} FROM {name}"),
            format!("SELECT {hidden} FROM {name}"),
            format!("SELECT count(*) FROM {name} WHERE {hidden} = 1"),
            format!("SELECT {column} FROM {name} ORDER BY {hidden}"),
            format!("SELECT a.{hidden} FROM {name} a JOIN {name} b ON a.{hidden} = b.{hidden}"),
            format!("SELECT {column} FROM {name} a JOIN {name} b ON true"),
            format!("SELECT * FROM {name} a JOIN {name} b USING ({hidden})"),
            format!("SELECT * FROM {name} a NATURAL JOIN {name} b"),
            format!("SELECT nothing FROM {name}"),
            format!("SELECT nothing({column}) FROM {name}"),
            format!("SELECT file_row_index() FROM {name}"),
            format!("SELECT input_file_name() FROM {name}"),
            format!("SELECT {column} FRM {name}"),
            format!("SELECT {column}, count(*) FROM {name}"),
            format!("SELECT sum({column}) FROM {name} GROUP BY {hidden}"),
            format!("SELECT st FROM {name}"),
            format!("SELECT st['zip'] FROM {name}"),
            format!("DELETE FROM {name}"),
            format!("SELECT {column} + INTERVAL '1 day' FROM {name}"),
        ];
        random.pick(&texts).clone()
    }
}

/// What holds of mild values and fails on hostile ones, which are mostly hidden.
fn attack(scope: &[Cell], random: &mut Random) -> Option<String> {
    let attacks = scope.iter().filter_map(|cell| {
        let text = &cell.text;
        match &cell.kind {
            Kind::Int => Some(format!("100 / ({text} - {}) > -101", random.pick(ZEROS))),
            Kind::Text(Flavor::Number) => Some(format!("CAST({text} AS BIGINT) > 0")),
            Kind::Text(Flavor::Day) => Some(format!("CAST({text} AS DATE) > DATE '1900-01-01'")),
            Kind::Text(Flavor::Pattern) => Some(format!("regexp_like('ana', {text}) IS NOT NULL")),
            Kind::Date => Some(format!("date_part('year', {text} + INTERVAL '1' DAY) > 0")),
            _ => None,
        }
    });
    let attacks = attacks.collect::<Vec<_>>();
    (!attacks.is_empty()).then(|| random.pick(&attacks).clone())
}

fn listed(head: &str, items: &[(char, String)], tail: &str) -> Select {
    let list = items.iter().enumerate().map(|(at, (_, text))| format!("{text} AS c{at}")).collect::<Vec<_>>();
    Select {
        sql: format!("{head}{} {tail}", list.join(", ")),
        letters: items.iter().map(|(kind, _)| *kind).collect(),
    }
}

/// The columns of a query as cells of the query around it.
fn outputs(of: &str, letters: &[char]) -> Vec<Cell> {
    let kind = |letter: &char| match letter {
        'I' => Some(Kind::Int),
        'F' => Some(Kind::Float),
        'N' => Some(Kind::Decimal),
        'T' => Some(Kind::Text(Flavor::Word)),
        'D' => Some(Kind::Date),
        'B' => Some(Kind::Bool),
        _ => None,
    };
    let cell = |(at, letter)| kind(letter).map(|kind| Cell { text: format!("{of}c{at}"), kind });
    letters.iter().enumerate().filter_map(cell).collect()
}
