//! Expressions of one kind over the columns in scope.

use super::data::{Column, Flavor, Kind, ZEROS};
use super::random::Random;
use super::templates;

/// A column in scope as a query writes it.
#[derive(Debug, Clone)]
pub struct Cell {
    pub text: String,
    pub kind: Kind,
}

/// What expressions are made from.
pub struct Grammar {
    scalar: Vec<(char, &'static str)>,
    aggregate: Vec<(char, &'static str)>,
    ordered_aggregate: Vec<(char, &'static str)>,
    window: Vec<(char, &'static str)>,
}

impl Grammar {
    pub fn new() -> Self {
        Self {
            scalar: templates::parsed(templates::SCALAR),
            aggregate: templates::parsed(templates::AGGREGATE),
            ordered_aggregate: templates::parsed(templates::ORDERED_AGGREGATE),
            window: templates::parsed(templates::WINDOW),
        }
    }

    /// An expression of any kind.
    pub fn any(&self, scope: &[Cell], depth: usize, random: &mut Random) -> (char, String) {
        let kind = *random.pick(&['I', 'I', 'T', 'T', 'F', 'N', 'D', 'S', 'B', 'L', 'M']);
        (kind, self.of(kind, scope, depth, random))
    }

    /// An expression of `kind`.
    pub fn of(&self, kind: char, scope: &[Cell], depth: usize, random: &mut Random) -> String {
        if depth == 0 || random.percent(35) {
            return leaf(kind, scope, random);
        }
        let fitting = self.scalar.iter().filter(|(of, _)| *of == kind).collect::<Vec<_>>();
        let (_, template) = **random.pick(&fitting);
        let text = self.filled(template, scope, depth - 1, random);
        if text.contains(' ') && !text.ends_with(')') || text.contains(") ") {
            format!("({text})")
        } else {
            text
        }
    }

    /// An aggregate; one that may depend on the order of rows unless `exact`.
    pub fn aggregate(&self, scope: &[Cell], exact: bool, random: &mut Random) -> (char, String) {
        let list = if exact || random.percent(60) { &self.aggregate } else { &self.ordered_aggregate };
        let (kind, template) = *random.pick(list);
        (kind, self.filled(template, scope, 1, random))
    }

    /// A window function over rows in the order `order`.
    pub fn window(&self, scope: &[Cell], order: &str, random: &mut Random) -> (char, String) {
        let (kind, template) = *random.pick(&self.window);
        (kind, self.filled(&template.replace("{w}", order), scope, 1, random))
    }

    fn filled(&self, template: &str, scope: &[Cell], depth: usize, random: &mut Random) -> String {
        let mut text = String::new();
        let mut rest = template;
        // What an aggregate is ordered by is what it takes, so that equal ones are the same.
        let mut taken = String::new();
        while let Some((before, after)) = rest.split_once('{') {
            let (hole, after) = after.split_once('}').unwrap();
            text.push_str(before);
            match hole {
                "z" => text.push_str(&random.pick(ZEROS).to_string()),
                "n" => text.push_str(&random.between(1, 9).to_string()),
                "P" => {
                    let part: &&str = random.pick(&["month", "day", "week", "dow", "hour", "quarter"]);
                    text.push_str(part);
                }
                _ if before.ends_with("ORDER BY ") && !taken.is_empty() => text.push_str(&taken),
                kind => {
                    taken = self.of(kind.chars().next().unwrap(), scope, depth, random);
                    text.push_str(&taken);
                }
            }
            rest = after;
        }
        text.push_str(rest);
        text
    }
}

/// The letter of a column's kind.
pub fn letter(kind: &Kind) -> char {
    match kind {
        Kind::Int => 'I',
        Kind::Float => 'F',
        Kind::Text(_) => 'T',
        Kind::Date => 'D',
        Kind::Bool => 'B',
        Kind::Decimal => 'N',
        Kind::Struct(_) => '?',
    }
}

/// The cells of `columns` behind the alias `of`.
pub fn cells(of: &str, columns: &[Column]) -> Vec<Cell> {
    let mut cells = Vec::new();
    for column in columns {
        let text = format!("{of}{}", column.name);
        match &column.kind {
            Kind::Struct(fields) => {
                cells.extend(fields.iter().map(|field| Cell {
                    text: format!("{text}['{}']", field.name),
                    kind: field.kind.clone(),
                }))
            }
            kind => cells.push(Cell { text, kind: kind.clone() }),
        }
    }
    cells
}

fn leaf(kind: char, scope: &[Cell], random: &mut Random) -> String {
    let fitting = scope.iter().filter(|cell| letter(&cell.kind) == kind).collect::<Vec<_>>();
    if !fitting.is_empty() && random.percent(88) {
        return random.pick(&fitting).text.clone();
    }
    let of_flavor = |flavor: Flavor| scope.iter().find(|cell| cell.kind == Kind::Text(flavor));
    match kind {
        'I' => match of_flavor(Flavor::Number) {
            Some(cell) if random.percent(50) => format!("CAST({} AS BIGINT)", cell.text),
            _ => random.pick(&["1", "7", "13", "60", "-1", "9223372036854775807"]).to_string(),
        },
        'F' => random.pick(&["1.5e0", "0.0e0", "CAST(2 AS DOUBLE)"]).to_string(),
        'N' => format!("CAST({} AS DECIMAL(12, 2))", random.pick(&["1.50", "60.00", "0.00"])),
        'T' => random.pick(&["'ana'", "'7'", "'2020-01-05'", "'a.*'", "'(['", "''"]).to_string(),
        'D' => match of_flavor(Flavor::Day) {
            Some(cell) if random.percent(60) => format!("CAST({} AS DATE)", cell.text),
            _ => "DATE '2020-01-05'".to_owned(),
        },
        'S' => match scope.iter().find(|cell| cell.kind == Kind::Date) {
            Some(cell) if random.percent(60) => format!("CAST({} AS TIMESTAMP)", cell.text),
            _ => "TIMESTAMP '2020-01-05T10:00:00'".to_owned(),
        },
        'L' => "[1, 2, 13]".to_owned(),
        'M' => "['a', 'b']".to_owned(),
        _ => random.pick(&["true", "false", "(1 = 1)"]).to_string(),
    }
}
