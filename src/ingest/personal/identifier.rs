//! Numbers that states give to people, by the rules that the states publish.

use super::digits;

/// US social security number as it is written. Areas 000, 666 and from 900 on, group 00 and serial 0000 are not given out:
/// <https://www.ssa.gov/employer/randomization.html>.
pub(super) fn is_ssn(text: &str) -> bool {
    let parts = text.trim().split('-').collect::<Vec<_>>();
    let [area, group, serial] = parts.as_slice() else { return false };
    let number = |part: &str, length| {
        (part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| part.parse::<u32>().ok())?
    };
    let is_area = |area| area != 0 && area != 666 && area < 900;
    number(area, 3).is_some_and(is_area)
        && number(group, 2).is_some_and(|group| group > 0)
        && number(serial, 4).is_some_and(|serial| serial > 0)
}

/// British national insurance number: two letters that are given out, six digits and A to D. NIM39110 of HMRC's manual:
/// <https://www.gov.uk/hmrc-internal-manuals/national-insurance-manual/nim39110>.
pub(super) fn is_nino(text: &str) -> bool {
    let text = plain(text);
    let Some((letters, rest)) = text.split_at_checked(2) else { return false };
    let Some((number, suffix)) = rest.split_at_checked(6) else { return false };
    let is_letter = |c: char| c.is_ascii_uppercase() && !"DFIQUV".contains(c);
    letters.chars().all(is_letter)
        && !letters.ends_with('O')
        && !["BG", "GB", "KN", "NK", "NT", "TN", "ZZ"].contains(&letters)
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && matches!(suffix, "A" | "B" | "C" | "D")
}

/// Dutch BSN: nine digits whose sum with the weights 9 to 2 and -1 is a multiple of 11 (“elfproef”), as in the Logisch
/// Ontwerp BSN of the Rijksdienst voor Identiteitsgegevens.
pub(super) fn is_bsn(text: &str) -> bool {
    let Some(digits) = digits(text.trim(), &['.', ' ']).filter(|digits| digits.len() == 9) else {
        return false;
    };
    let weights = [9, 8, 7, 6, 5, 4, 3, 2, -1];
    let sum = digits.iter().zip(weights).map(|(digit, weight)| i64::from(*digit) * weight).sum::<i64>();
    sum != 0 && sum % 11 == 0
}

/// Spanish DNI and NIE: a number and the letter that its remainder by 23 has. X, Y and Z before it stand for 0, 1 and 2:
/// <https://www.interior.gob.es/opencms/es/servicios-al-ciudadano/tramites-y-gestiones/dni/calculo-del-digito-de-control-del-nif-nie/>.
pub(super) fn is_dni(text: &str) -> bool {
    let text = plain(text);
    let Some((number, letter)) = text.split_at_checked(8) else { return false };
    let number = match number.split_at_checked(1) {
        Some(("X", rest)) => rest.to_owned(),
        Some(("Y", rest)) => format!("1{rest}"),
        Some(("Z", rest)) => format!("2{rest}"),
        _ => number.to_owned(),
    };
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    let Some(number) = number.parse::<usize>().ok().filter(|_| is_number) else { return false };
    "TRWAGMYFPDXBNJZSQVHLCKE".get(number % 23..number % 23 + 1) == Some(letter)
}

/// What a character in an odd place counts, 0 to 9 and A to Z, by the decree of 23 December 1976 (Gazzetta Ufficiale 345).
const ODD: [u32; 36] = [
    1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14,
    16, 10, 22, 25, 24, 23,
];

/// Italian codice fiscale: six letters, the birth's year, month, day and place, and a check letter. Where two people would have
/// the same one, digits become letters.
pub(super) fn is_codice_fiscale(text: &str) -> bool {
    let text = plain(text);
    let shape = "LLLLLLddLddLdddL";
    let fits = |(c, kind): (char, char)| match kind {
        'L' => c.is_ascii_uppercase(),
        _ => c.is_ascii_digit() || "LMNPQRSTUV".contains(c),
    };
    let is_month = text.chars().nth(8).is_some_and(|month| "ABCDEHLMPRST".contains(month));
    if text.len() != 16 || !is_month || !text.chars().zip(shape.chars()).all(fits) {
        return false;
    }
    let value = |(at, c): (usize, char)| {
        let place = c.to_digit(36)?;
        match at % 2 {
            0 => ODD.get(usize::try_from(place).ok()?).copied(),
            _ => Some(if place < 10 { place } else { place - 10 }),
        }
    };
    let sum = text.chars().take(15).enumerate().map(value).try_fold(0, |sum, value| Some(sum + value?));
    let check = text.chars().nth(15).and_then(|c| c.to_digit(36)).map(|place| place.saturating_sub(10));
    sum.map(|sum| sum % 26) == check
}

/// French NIR with its key: sex, year, month, département and more, and 97 less the remainder by 97. Corsica's 2A and 2B count as
/// 19 and 18: <https://www.insee.fr/fr/metadonnees/definition/c1409>.
pub(super) fn is_nir(text: &str) -> bool {
    let text = plain(text);
    let Some((number, key)) = text.split_at_checked(13) else { return false };
    let number = match number.get(5..7) {
        Some("2A") => number.replacen("2A", "19", 1),
        Some("2B") => number.replacen("2B", "18", 1),
        _ => number.to_owned(),
    };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if text.len() != 15 || !is_digits(&number) || !is_digits(key) {
        return false;
    }
    let part = |from: usize, to| number.get(from..to).and_then(|part| part.parse::<u64>().ok());
    // Months from 20 on stand for one that is not known.
    let is_month = part(3, 5).is_some_and(|month| matches!(month, 1..=12 | 20..=42 | 50..=99));
    let is_sex = part(0, 1).is_some_and(|sex| matches!(sex, 1..=4 | 7 | 8));
    let key = key.parse::<u64>().ok();
    is_sex && is_month && part(0, 13).map(|number| 97 - number % 97) == key
}

/// German tax id (§ 139b AO): eleven digits, no 0 at the start, in the first ten exactly one digit two or three times, and a check
/// digit by ISO 7064, MOD 11,10, as the Bundeszentralamt für Steuern describes it.
pub(super) fn is_steuer_id(text: &str) -> bool {
    let Some(digits) = digits(text.trim(), &[' ', '/']).filter(|digits| digits.len() == 11) else {
        return false;
    };
    let Some((check, first)) = digits.split_last() else { return false };
    let counts = (0..10).map(|digit| first.iter().filter(|one| **one == digit).count());
    let repeated = counts.filter(|count| *count > 1).collect::<Vec<_>>();
    if first.first() == Some(&0) || !matches!(repeated.as_slice(), [2 | 3]) {
        return false;
    }
    let product = first.iter().fold(10, |product, digit| {
        let sum = (digit + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (11 - product) % 10 == *check
}

/// Whether it could be a person's number or document where the name says so: 5 to 20 letters and digits, of which 4 are digits.
pub(super) fn could_be_id(text: &str) -> bool {
    let text = plain(text);
    (5..=20).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && text.bytes().filter(u8::is_ascii_digit).count() >= 4
}

/// In capitals, and without what is put between.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !" -./".contains(*c)).map(|c| c.to_ascii_uppercase()).collect()
}
