//! Which columns look personal, by their names and by a sample of their values.
//!
//! Pure: a column's name, its type and some values in, a finding with its reason in words out. The words have counts and
//! parts of the name, never a value. A finding is a proposal for a person to judge: it is neither proof that a column is
//! personal nor, where there is none, that it is not. The shares that `RULES` asks for are in docs/INGESTION.md.

mod address;
mod bank;
mod contact;
mod identifier;
mod name;
mod network;
mod person;

use std::collections::HashSet;
use std::fmt;

use arrow_schema::DataType;

/// What a column is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Column<'a> {
    /// The name of its table, which tells whose `name` a name is.
    pub table: &'a str,
    pub name: &'a str,
    pub data_type: &'a DataType,
    /// Sampled values as texts, without NULL. Empty when nothing was sampled.
    pub values: &'a [String],
}

/// What personal data a column looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Email,
    Phone,
    PaymentCard,
    BankAccount,
    NationalId,
    IpAddress,
    BirthDate,
    PersonName,
    PostalAddress,
}

/// That a column looks personal, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub kind: Kind,
    /// For a person, without any value.
    pub evidence: String,
}

/// Whether a value is of a form.
type Form = fn(&str) -> bool;

/// One form of values.
struct Rule {
    kind: Kind,
    /// What values of this form are called.
    plural: &'static str,
    is: Form,
    /// When values say it without the name; never, where nothing about a single value does.
    alone: Option<Alone>,
}

/// How much of a sample has to be of a form, when the name says nothing.
struct Alone {
    /// Of a hundred values.
    share: usize,
    /// So many different ones, since a few may be of the form by chance.
    distinct: usize,
}

const fn rule(kind: Kind, plural: &'static str, is: Form, share: usize, distinct: usize) -> Rule {
    Rule { kind, plural, is, alone: Some(Alone { share, distinct }) }
}

/// A form that one of `n` random values meets needs so many different values that chance is no explanation: a check digit is
/// met by one of 10 or 11, a check letter by one of 23 or 26, two check digits by one of 97.
const RULES: &[Rule] = &[
    rule(Kind::Email, "e-mail addresses", contact::is_email, 60, 3),
    rule(Kind::BankAccount, "IBANs", bank::is_iban, 60, 3),
    rule(Kind::NationalId, "Italian codici fiscali", identifier::is_codice_fiscale, 60, 3),
    rule(Kind::NationalId, "French NIRs", identifier::is_nir, 80, 5),
    rule(Kind::NationalId, "Spanish DNIs or NIEs", identifier::is_dni, 80, 5),
    rule(Kind::NationalId, "British national insurance numbers", identifier::is_nino, 90, 10),
    rule(Kind::NationalId, "US social security numbers", identifier::is_ssn, 90, 10),
    rule(Kind::PaymentCard, "payment card numbers", bank::is_card, 80, 10),
    rule(Kind::NationalId, "German tax ids", identifier::is_steuer_id, 95, 20),
    rule(Kind::NationalId, "Dutch BSNs", identifier::is_bsn, 95, 20),
    rule(Kind::IpAddress, "IP addresses", network::is_ip, 60, 3),
    rule(Kind::Phone, "phone numbers", contact::is_phone, 70, 3),
    rule(Kind::PersonName, "names of people", person::is_name, 50, 5),
    rule(Kind::PostalAddress, "postal addresses", address::is_address, 40, 5),
];

/// The kinds that a name can say, with what values are then enough not to contradict it.
const NAMED: &[(Kind, Form)] = &[
    (Kind::Email, contact::is_email),
    (Kind::BankAccount, bank::could_be_account),
    (Kind::PaymentCard, bank::could_be_card),
    (Kind::NationalId, identifier::could_be_id),
    (Kind::IpAddress, network::could_be_ip),
    (Kind::BirthDate, person::could_be_birth),
    (Kind::Phone, contact::could_be_phone),
    (Kind::PersonName, person::could_be_name),
    (Kind::PostalAddress, address::could_be_address),
];

/// Of a hundred values, how many must bear out a name; fewer contradict it.
const BORNE_OUT: usize = 50;

/// Fewer values than that neither bear a name out nor contradict it.
const FEWEST: usize = 3;

/// What `column` looks like, if it looks personal.
#[must_use]
pub fn examine(column: &Column<'_>) -> Option<Finding> {
    by_values(column).or_else(|| by_name(column))
}

/// Values of a form that speaks for itself.
fn by_values(column: &Column<'_>) -> Option<Finding> {
    let all = column.values.len();
    let found = RULES.iter().find_map(|rule| {
        let alone = rule.alone.as_ref().filter(|_| all >= FEWEST && may_hold(rule.kind, column.data_type))?;
        let of_form = column.values.iter().filter(|value| (rule.is)(value)).collect::<Vec<_>>();
        let distinct = of_form.iter().collect::<HashSet<_>>().len();
        let is_enough = of_form.len() * 100 >= alone.share * all && distinct >= alone.distinct;
        is_enough.then_some((rule, of_form.len()))
    });
    let (rule, count) = found?;
    let named = name::hint(rule.kind, column).map(|word| format!("; the name contains `{word}`"));
    let evidence =
        format!("{count} of {all} sampled values are {}{}", rule.plural, named.unwrap_or_default());
    Some(Finding { kind: rule.kind, evidence })
}

/// A name that says it, and no values that contradict.
fn by_name(column: &Column<'_>) -> Option<Finding> {
    let all = column.values.len();
    NAMED.iter().find_map(|(kind, could_be)| {
        let word = name::hint(*kind, column).filter(|_| may_hold(*kind, column.data_type))?;
        let count = |is: Form| column.values.iter().filter(|value| is(value)).count();
        let forms = RULES.iter().filter(|rule| rule.kind == *kind).map(|rule| (count(rule.is), rule.plural));
        let (exact, plural) = forms.max_by_key(|(count, _)| *count).unwrap_or((0, "birth dates"));
        let values = match count(*could_be).max(exact) {
            _ if all == 0 => "no values were sampled".to_owned(),
            _ if exact * 100 >= BORNE_OUT * all => format!("{exact} of {all} sampled values are {plural}"),
            could if could * 100 >= BORNE_OUT * all => {
                format!("{could} of {all} sampled values could be {}", kind.plural())
            }
            _ if all < FEWEST => "too few values were sampled to tell".to_owned(),
            _ => return None,
        };
        Some(Finding { kind: *kind, evidence: format!("the name contains `{word}`; {values}") })
    })
}

/// Whether a column of `data_type` may hold such values at all: `email_confirmed` is no address where it is a boolean.
fn may_hold(kind: Kind, data_type: &DataType) -> bool {
    let is_text = data_type.is_string();
    let is_whole = data_type.is_integer() || matches!(data_type, DataType::Decimal128(_, 0));
    match kind {
        Kind::BirthDate => is_text || is_whole || data_type.is_temporal(),
        Kind::Phone | Kind::PaymentCard | Kind::NationalId | Kind::BankAccount => is_text || is_whole,
        Kind::Email | Kind::IpAddress | Kind::PersonName | Kind::PostalAddress => is_text,
    }
}

/// Whether values of `data_type` are worth a look.
#[must_use]
pub fn is_telling(data_type: &DataType) -> bool {
    may_hold(Kind::BirthDate, data_type)
}

impl Kind {
    fn plural(self) -> &'static str {
        match self {
            Self::Email => "e-mail addresses",
            Self::Phone => "phone numbers",
            Self::PaymentCard => "payment card numbers",
            Self::BankAccount => "bank accounts",
            Self::NationalId => "ids of people",
            Self::IpAddress => "IP addresses",
            Self::BirthDate => "birth dates",
            Self::PersonName => "names of people",
            Self::PostalAddress => "postal addresses",
        }
    }
}

/// One word for a program.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Email => "email",
            Self::Phone => "phone",
            Self::PaymentCard => "payment_card",
            Self::BankAccount => "bank_account",
            Self::NationalId => "national_id",
            Self::IpAddress => "ip_address",
            Self::BirthDate => "birth_date",
            Self::PersonName => "person_name",
            Self::PostalAddress => "postal_address",
        })
    }
}

/// The digits of a text that has nothing else but them and `between`; none when it has.
fn digits(text: &str, between: &[char]) -> Option<Vec<u32>> {
    let counted = text.chars().filter(|c| !between.contains(c));
    counted.map(|c| c.to_digit(10)).collect()
}

#[cfg(test)]
mod tests;
