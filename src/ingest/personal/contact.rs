//! E-mail addresses and phone numbers.

use super::digits;

/// What ends a file's name and no domain, as in `photo@2x.png`.
const FILES: [&str; 9] = ["png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js", "html"];

/// Whether it is an address that could be written to: RFC 5321 without quoted names and without hosts that are numbers.
pub(super) fn is_email(text: &str) -> bool {
    let text = text.trim();
    let Some((name, domain)) = text.split_once('@') else { return false };
    let is_name = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let is_label = |label: &str| {
        let is_inside = |c: char| c.is_alphanumeric() || c == '-';
        !label.is_empty() && label.chars().all(is_inside) && !label.starts_with('-') && !label.ends_with('-')
    };
    let Some((rest, top)) = domain.rsplit_once('.') else { return false };
    let is_top = top.chars().count() >= 2
        && (top.starts_with("xn--") || top.chars().all(char::is_alphabetic))
        && !FILES.contains(&top.to_lowercase().as_str());
    (1..=64).contains(&name.len())
        && text.len() <= 254
        && name.chars().all(is_name)
        && !name.starts_with('.')
        && is_top
        && is_label(top)
        && rest.split('.').all(is_label)
}

/// Whether it is written as phone numbers alone are: with the code of a country (ITU-T E.164: at most 15 digits), or as in
/// North America, where neither an area nor an exchange begins with 0 or 1.
pub(super) fn is_phone(text: &str) -> bool {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix('+') {
        return digits(rest, &[' ', '-', '.', '(', ')', '/'])
            .is_some_and(|digits| (9..=15).contains(&digits.len()) && digits.first() != Some(&0));
    }
    let text = text.strip_prefix("1-").or_else(|| text.strip_prefix("1 ")).unwrap_or(text);
    let shape = text.chars().map(|c| if c.is_ascii_digit() { 'd' } else { c }).collect::<String>();
    let is_shape = matches!(
        shape.as_str(),
        "(ddd) ddd-dddd" | "(ddd)ddd-dddd" | "ddd-ddd-dddd" | "ddd.ddd.dddd" | "ddd ddd dddd"
    );
    let Some(digits) = digits(text, &[' ', '-', '.', '(', ')']).filter(|_| is_shape) else { return false };
    [0, 3].iter().all(|at| digits.get(*at).is_some_and(|digit| *digit >= 2))
}

/// Whether it could be a phone number where the name says so: 6 to 15 digits, with an extension at most, and no date.
pub(super) fn could_be_phone(text: &str) -> bool {
    let lower = text.trim().to_lowercase();
    let number =
        ["ext", "x", "#"].iter().find_map(|mark| lower.split_once(mark)).map_or(&*lower, |(it, _)| it);
    let shape = number.chars().map(|c| if c.is_ascii_digit() { 'd' } else { c }).collect::<String>();
    let is_date = shape.starts_with("dddd-dd-dd") || shape.starts_with("dd.dd.dddd");
    let digits = digits(number, &[' ', '-', '.', '(', ')', '/', '+', '\u{a0}']);
    !is_date && digits.is_some_and(|digits| (6..=15).contains(&digits.len()))
}
