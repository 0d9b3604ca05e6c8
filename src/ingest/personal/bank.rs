//! Payment cards and bank accounts.

use super::digits;

/// How long an IBAN is, by country, as in the registry of ISO 13616 that SWIFT keeps.
const IBANS: &[(usize, &str)] = &[
    (15, "NO"),
    (16, "BE"),
    (18, "DK FI FK FO GL NL SD"),
    (19, "MK SI"),
    (20, "AT BA EE KZ LT LU MN XK"),
    (21, "CH HR LI LV"),
    (22, "BG BH CR DE GB GE IE ME RS VA"),
    (23, "AE GI IL IQ OM SO TL"),
    (24, "AD CZ ES MD PK RO SA SE SK TN VG"),
    (25, "LY PT ST"),
    (26, "IS TR"),
    (27, "BI DJ FR GR IT MC MR SM"),
    (28, "AL AZ BY CY DO GT HN HU LB NI PL SV"),
    (29, "BR EG PS QA UA"),
    (30, "JO KW MU YE"),
    (31, "MT SC"),
    (32, "LC"),
    (33, "RU"),
];

/// The first digits that issuers have (ISO/IEC 7812), from and to, with the lengths of their numbers.
const ISSUERS: &[(u64, u64, &[usize])] = &[
    (4, 4, &[13, 16, 19]),
    (51, 55, &[16]),
    (2221, 2720, &[16]),
    (34, 34, &[15]),
    (37, 37, &[15]),
    (6011, 6011, &[16, 19]),
    (644, 649, &[16, 19]),
    (65, 65, &[16, 19]),
    (300, 305, &[14, 16]),
    (36, 36, &[14, 16]),
    (38, 39, &[14, 16]),
    (3528, 3589, &[16, 19]),
    (62, 62, &[16, 17, 18, 19]),
    (5018, 5018, &[12, 13, 14, 15, 16, 17, 18, 19]),
    (5020, 5020, &[12, 13, 14, 15, 16, 17, 18, 19]),
    (5038, 5038, &[12, 13, 14, 15, 16, 17, 18, 19]),
    (5893, 5893, &[12, 13, 14, 15, 16, 17, 18, 19]),
    (6304, 6304, &[12, 13, 14, 15, 16, 17, 18, 19]),
    (6759, 6763, &[12, 13, 14, 15, 16, 17, 18, 19]),
];

/// Whether it is a number of an issuer, as long as theirs are, with the right check digit.
pub(super) fn is_card(text: &str) -> bool {
    let Some(digits) = digits(text.trim(), &[' ', '-']) else { return false };
    let begins = |from: u64, to: u64| {
        let places = from.to_string().len();
        let start = digits.iter().take(places).fold(0, |number, digit| number * 10 + u64::from(*digit));
        (from..=to).contains(&start)
    };
    luhn(&digits)
        && ISSUERS.iter().any(|(from, to, lengths)| begins(*from, *to) && lengths.contains(&digits.len()))
}

/// Whether it could be a card where the name says so: the right check digit, or all but the last digits crossed out.
pub(super) fn could_be_card(text: &str) -> bool {
    let is_crossed_out = text.ends_with(|c: char| c.is_ascii_digit())
        && text.chars().filter(|c| "*xX•".contains(*c)).count() >= 6
        && text.chars().all(|c| c.is_ascii_digit() || "*xX• -".contains(c));
    let is_number = |digits: Vec<u32>| (12..=19).contains(&digits.len()) && luhn(&digits);
    is_crossed_out || digits(text.trim(), &[' ', '-']).is_some_and(is_number)
}

/// ISO/IEC 7812-1, annex B: every second digit from the right doubled, the sum of all digits a multiple of 10.
fn luhn(digits: &[u32]) -> bool {
    let doubled = |(at, digit): (usize, &u32)| match at % 2 {
        0 => *digit,
        _ if *digit > 4 => digit * 2 - 9,
        _ => digit * 2,
    };
    let sum = digits.iter().rev().enumerate().map(doubled).sum::<u32>();
    sum > 0 && sum.is_multiple_of(10)
}

/// ISO 13616: a country, two check digits and as many characters as the country has; the remainder by 97 is 1 (ISO 7064).
pub(super) fn is_iban(text: &str) -> bool {
    let text = text.chars().filter(|c| *c != ' ').map(|c| c.to_ascii_uppercase()).collect::<String>();
    let Some((country, rest)) = text.split_at_checked(2) else { return false };
    let length = IBANS.iter().find(|(_, countries)| countries.split(' ').any(|one| one == country));
    if length.is_none_or(|(length, _)| *length != text.len()) {
        return false;
    }
    let Some((check, account)) = rest.split_at_checked(2) else { return false };
    if !check.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let turned = account.chars().chain(country.chars()).chain(check.chars());
    let remainder = turned.map(|c| c.to_digit(36)).try_fold(0, |remainder, value| {
        let value = value?;
        Some((remainder * if value < 10 { 10 } else { 100 } + value) % 97)
    });
    remainder == Some(1)
}

/// Whether it could be an account where the name says so: an IBAN, or 6 to 20 digits.
pub(super) fn could_be_account(text: &str) -> bool {
    let digits = digits(text.trim(), &[' ', '-', '.', '/']);
    is_iban(text) || digits.is_some_and(|digits| (6..=20).contains(&digits.len()))
}
