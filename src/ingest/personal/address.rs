//! Where people live.

use super::name::folded;

/// Words after a number, as in `12 Main Street`. Words that things are called by too (`drive`, `way`, `court`) are not among them.
const AFTER: &str = "street st road rd avenue ave boulevard blvd lane terrace close crescent";

/// Words after a number and before a name, as in `4 rue du Bac`.
const BETWEEN: &str = "rue avenue boulevard chemin impasse allee quai";

/// Words before a name, with the number behind it, as in `Via Roma 5`.
const BEFORE: &str = "calle avenida plaza paseo carrer via viale piazza corso rua rue";

/// How words end that a number follows, as in `Hauptstrasse 7` and `Kerkstraat 2`.
const ENDS: [&str; 9] = ["strasse", "str", "gasse", "platz", "allee", "straat", "laan", "plein", "gracht"];

/// Whether it has a street with a number.
pub(super) fn is_address(text: &str) -> bool {
    if text.chars().count() > 200 {
        return false;
    }
    let text = folded(text);
    let words = text.split(|c: char| c.is_whitespace() || ",.;".contains(c)).filter(|word| !word.is_empty());
    let words = words.collect::<Vec<_>>();
    let among = |list: &str, word: &str| list.split(' ').any(|one| one == word);
    let has_number = || words.iter().skip(1).any(|word| is_number(word));
    match words.as_slice() {
        [first, rest @ ..] if is_number(first) => {
            let is_after = rest.iter().skip(1).take(3).any(|word| among(AFTER, word));
            is_after || rest.len() > 1 && rest.first().is_some_and(|word| among(BETWEEN, word))
        }
        [first, _, ..] if among(BEFORE, first) => has_number(),
        words => words.windows(2).any(|pair| match pair {
            [street, number] => is_number(number) && ENDS.iter().any(|end| street.ends_with(end)),
            _ => false,
        }),
    }
}

/// Whether it could be an address or a part of one where the name says so: letters and more, or a postal code.
pub(super) fn could_be_address(text: &str) -> bool {
    let text = text.trim();
    let count = |is: fn(char) -> bool| text.chars().filter(|c| is(*c)).count();
    let (letters, digits) = (count(char::is_alphabetic), count(|c| c.is_ascii_digit()));
    let is_code = (3..=10).contains(&text.chars().count()) && digits >= 3 && letters <= 4;
    is_code
        || letters >= 3
            && text.chars().count() <= 300
            && text.contains(|c: char| c == ' ' || c.is_ascii_digit())
}

/// A house's number: up to five digits, and a letter perhaps.
fn is_number(word: &str) -> bool {
    let digits = word.trim_end_matches(|c: char| c.is_ascii_lowercase());
    (1..=5).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && word.len() <= digits.len() + 1
}
