//! Rules as values that this harness can evaluate by itself, and as the SQL that the policy keeps.
//!
//! Only rules that cannot fail are made: a policy's own fault is told as `policy_error`, and that it happened is told.

use std::collections::BTreeSet;

use super::data::{Column, Flavor, Kind, Row, Value};
use super::random::Random;

/// A condition on a row.
#[derive(Debug, Clone)]
pub enum Rule {
    Is(bool),
    /// Column, operator, constant.
    Compare(String, &'static str, Value),
    In(String, Vec<Value>),
    StartsWith(String, String),
    IsNull(String),
    /// The column is the reader's attribute `region`.
    OwnRegion(String),
    Not(Box<Rule>),
    And(Box<Rule>, Box<Rule>),
    Or(Box<Rule>, Box<Rule>),
}

/// The reader's attribute `region`.
pub const REGION: &str = "east";

impl Rule {
    /// A rule over `columns`.
    pub fn draw(columns: &[Column], depth: usize, random: &mut Random) -> Self {
        if depth > 0 && random.percent(35) {
            let one = Box::new(Self::draw(columns, depth - 1, random));
            let other = Box::new(Self::draw(columns, depth - 1, random));
            return match random.below(5) {
                0 => Self::Not(one),
                1 | 2 => Self::And(one, other),
                _ => Self::Or(one, other),
            };
        }
        if random.percent(2) {
            return Self::Is(random.percent(70));
        }
        let plain = columns.iter().filter(|column| column.kind != Kind::Decimal && !is_struct(&column.kind));
        let plain = plain.filter(|column| column.kind != Kind::Float).collect::<Vec<_>>();
        let column = *random.pick(&plain);
        let name = column.name.clone();
        if random.percent(6) {
            return Self::IsNull(name);
        }
        match &column.kind {
            Kind::Int if random.percent(30) => {
                Self::In(name, [1, 2, 3, 60, 13, 7].into_iter().map(Value::Int).collect())
            }
            Kind::Int => {
                let (op, value) =
                    *random.pick(&[("<", 8), ("<=", 9), (">", 2), ("<>", 60), ("<", 13), (">=", 1)]);
                Self::Compare(name, op, Value::Int(value))
            }
            Kind::Text(Flavor::Word) if random.percent(40) => Self::OwnRegion(name),
            Kind::Text(_) => match random.below(3) {
                0 => Self::StartsWith(name, (*random.pick(&["a", "2", "e", "1", "s"])).to_owned()),
                1 => Self::Compare(name, "<>", Value::Text("secret-42".to_owned())),
                _ => Self::Compare(name, "<", Value::Text("s".to_owned())),
            },
            Kind::Date => {
                let comparison: &&str = random.pick(&["<", ">="]);
                Self::Compare(name, comparison, Value::Date(*random.pick(&[18_300, 20_000, 0])))
            }
            _ => Self::Compare(name, "=", Value::Bool(random.percent(50))),
        }
    }

    /// The rule as SQL.
    pub fn sql(&self) -> String {
        match self {
            Self::Is(value) => value.to_string(),
            Self::Compare(column, op, value) => format!("{column} {op} {}", literal(value)),
            Self::In(column, values) => {
                format!("{column} IN ({})", values.iter().map(literal).collect::<Vec<_>>().join(", "))
            }
            Self::StartsWith(column, start) => format!("{column} LIKE '{start}%'"),
            Self::IsNull(column) => format!("{column} IS NULL"),
            Self::OwnRegion(column) => format!("{column} = attr('region')"),
            Self::Not(rule) => format!("NOT ({})", rule.sql()),
            Self::And(one, other) => format!("({} AND {})", one.sql(), other.sql()),
            Self::Or(one, other) => format!("({} OR {})", one.sql(), other.sql()),
        }
    }

    /// Whether it holds of `row`; nothing for NULL.
    pub fn holds(&self, columns: &[Column], row: &Row) -> Option<bool> {
        let cell = |name: &String| &row[columns.iter().position(|column| column.name == *name).unwrap()];
        match self {
            Self::Is(value) => Some(*value),
            Self::Compare(column, op, value) => compare(cell(column), op, value),
            Self::In(column, values) => match cell(column) {
                Value::Null => None,
                cell => Some(values.contains(cell)),
            },
            Self::StartsWith(column, start) => match cell(column) {
                Value::Text(text) => Some(text.starts_with(start.as_str())),
                _ => None,
            },
            Self::IsNull(column) => Some(*cell(column) == Value::Null),
            Self::OwnRegion(column) => compare(cell(column), "=", &Value::Text(REGION.to_owned())),
            Self::Not(rule) => rule.holds(columns, row).map(|holds| !holds),
            Self::And(one, other) => match (one.holds(columns, row), other.holds(columns, row)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Self::Or(one, other) => match (one.holds(columns, row), other.holds(columns, row)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
        }
    }

    /// The same rule over renamed columns.
    pub fn renamed(&self, name: &dyn Fn(&str) -> String) -> Self {
        match self {
            Self::Is(value) => Self::Is(*value),
            Self::Compare(column, op, value) => Self::Compare(name(column), op, value.clone()),
            Self::In(column, values) => Self::In(name(column), values.clone()),
            Self::StartsWith(column, start) => Self::StartsWith(name(column), start.clone()),
            Self::IsNull(column) => Self::IsNull(name(column)),
            Self::OwnRegion(column) => Self::OwnRegion(name(column)),
            Self::Not(rule) => Self::Not(Box::new(rule.renamed(name))),
            Self::And(one, other) => Self::And(Box::new(one.renamed(name)), Box::new(other.renamed(name))),
            Self::Or(one, other) => Self::Or(Box::new(one.renamed(name)), Box::new(other.renamed(name))),
        }
    }
}

fn is_struct(kind: &Kind) -> bool {
    matches!(kind, Kind::Struct(_))
}

fn compare(left: &Value, op: &str, right: &Value) -> Option<bool> {
    let order = match (left, right) {
        (Value::Int(left), Value::Int(right)) => left.cmp(right),
        (Value::Text(left), Value::Text(right)) => left.as_bytes().cmp(right.as_bytes()),
        (Value::Date(left), Value::Date(right)) => left.cmp(right),
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::Null, _) => return None,
        other => panic!("{other:?} cannot be compared"),
    };
    Some(match op {
        "=" => order.is_eq(),
        "<>" => order.is_ne(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        ">=" => order.is_ge(),
        other => panic!("no operator {other}"),
    })
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Int(value) => value.to_string(),
        Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Value::Date(day) => {
            let day = chrono::NaiveDate::default() + chrono::Duration::days(i64::from(*day));
            format!("DATE '{day}'")
        }
        Value::Bool(value) => value.to_string(),
        other => panic!("no literal for {other:?}"),
    }
}

/// What a mask makes of a value that is not NULL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Masking {
    Null,
    Redact,
    Last4,
    First4,
    Year,
    /// `using` another column, by its name.
    Other(String),
    /// `using: 'x'`, `7`, …
    Constant,
    /// `using: left(column, 2)`.
    Left2,
    /// Keyed with a secret of the store, which is another one in the other lake: made equal there.
    Hash,
}

/// A mask that fits `column`.
pub fn masking(column: &Column, columns: &[Column], random: &mut Random) -> Masking {
    let others = columns.iter().filter(|other| other.kind == column.kind && other.name != column.name);
    let others = others.map(|other| other.name.clone()).collect::<BTreeSet<_>>();
    let any = [Masking::Null, Masking::Redact];
    let fitting: Vec<Masking> = match &column.kind {
        Kind::Int => vec![Masking::Constant, Masking::Hash],
        Kind::Text(_) => {
            vec![Masking::Last4, Masking::First4, Masking::Left2, Masking::Constant, Masking::Hash]
        }
        Kind::Date => vec![Masking::Year],
        _ => Vec::new(),
    };
    let using = others.into_iter().map(Masking::Other);
    random.pick(&any.into_iter().chain(fitting).chain(using).collect::<Vec<_>>()).clone()
}
