//! What the name of a column says, in English, German, Dutch, French, Spanish and Italian.

use super::{Column, Kind};

/// Words that say a kind. Several words stand together as they are, or as one: `first name` means `first_name`, `firstName`
/// and `firstname`.
const SAID: &[(Kind, &str)] = &[
    (
        Kind::Email,
        "email, e mail, mail, mail address, mailadresse, emailadres, courriel, correo electronico, posta elettronica",
    ),
    (
        Kind::Phone,
        "phone, telephone, telefon, telefoon, telefono, tel, mobile, mobil, mobiel, movil, cellulare, handy, fax, \
         msisdn, gsm",
    ),
    (
        Kind::PaymentCard,
        "card number, card no, card num, credit card, creditcard, debit card, cc number, cc num, pan, kreditkarte, \
         kartennummer, kaartnummer, carte bancaire, numero carte, tarjeta, carta di credito, numero carta",
    ),
    (
        Kind::BankAccount,
        "iban, bank account, bankkonto, kontonummer, rekeningnummer, bankrekening, compte bancaire, cuenta bancaria, \
         conto corrente, conto bancario",
    ),
    (
        Kind::NationalId,
        "ssn, social security, nino, national insurance, national id, tax id, passport, identity card, drivers license, \
         driver license, driving licence, steuer id, steueridentifikationsnummer, steuernummer, \
         sozialversicherungsnummer, reisepass, personalausweis, ausweisnummer, fuehrerschein, fuhrerschein, bsn, \
         burgerservicenummer, sofinummer, paspoort, rijbewijs, nir, securite sociale, numero secu, passeport, dni, nie, nif, \
         pasaporte, codice fiscale, cod fisc, passaporto",
    ),
    (
        Kind::IpAddress,
        "ip, ip address, ip addr, ip adresse, adresse ip, direccion ip, indirizzo ip, remote addr, ipv4, ipv6",
    ),
    (
        Kind::BirthDate,
        "birth, birth date, birthday, date of birth, dob, geburtsdatum, geburtstag, geboortedatum, naissance, nacimiento, \
         nascita",
    ),
    (
        Kind::PersonName,
        "first name, last name, full name, given name, family name, middle name, maiden name, surname, forename, fname, \
         lname, user name, contact name, customer name, employee name, patient name, contact person, card holder, \
         account holder, vorname, nachname, familienname, ansprechpartner, kundenname, karteninhaber, kontoinhaber, \
         voornaam, achternaam, tussenvoegsel, contactpersoon, klantnaam, prenom, nom de famille, nom famille, nom complet, \
         nom client, apellido, apellidos, nombre completo, nombre cliente, cognome, nome completo, nome cliente",
    ),
    (
        Kind::PostalAddress,
        "address, addr, street, zip, zip code, postal code, post code, adresse, anschrift, strasse, hausnummer, \
         postleitzahl, plz, adres, straat, straatnaam, huisnummer, rue, code postal, direccion, domicilio, calle, \
         codigo postal, indirizzo, codice postale",
    ),
];

/// Words that say a person's name in a table of people, and anything elsewhere.
const NAMES: [&str; 5] = ["name", "naam", "nom", "nombre", "nome"];

/// How tables of people are called; an ending of a plural may follow.
const PEOPLE: &str = "customer, client, user, employee, staff, person, people, patient, member, contact, student, teacher, guest, \
     passenger, subscriber, kunde, mitarbeiter, benutzer, kontakt, klant, medewerker, gebruiker, utilisateur, salarie, \
     personne, cliente, empleado, usuario, persona, paciente, clienti, dipendente, dipendenti, utente, utenti, paziente, pazienti";

/// What may stand beside `name` in such a table; with anything else it is the name of that.
const BESIDE: &str = "display, real, legal, official, complete, anzeige";

/// What a long word may be compounded with, as `telefonnummer` is.
const COMPOUNDED: &str = "s, number, nummer, nr, num, numero, address, adresse, adres, name, naam, home, work, office, privat,      private, contact, kontakt, customer, kunden, klant, user, billing, shipping, main, haupt, mobil, mobile";

/// Words that make something else of a column: the `email_status`, the `phone_type`.
const OTHER: &str = "type, kind, status, state, verified, confirmed, valid, validated, count, flag, opt, optin, optout, template, subject, \
     body, provider, format, id, ids, uuid, code, label, enabled, disabled, preference, preferences, version, model, brand, host, \
     domain, place, lieu, luogo, lugar, ort, plaats, path, file, url, server, sent, hash, digest, country, rate, expiry, typ, art";

/// What makes an address no postal one.
const NOT_POSTAL: &str =
    "email, mail, ip, mac, url, web, wallet, memory, contract, bitcoin, http, remote, server";

/// The words of the column's name that say `kind`; none when it says nothing of it, or something else.
pub(super) fn hint(kind: Kind, column: &Column<'_>) -> Option<&'static str> {
    let words = words(column.name);
    let has = |list: &'static str, but: &str| {
        words
            .iter()
            .any(|word| listed(list).any(|one| one == word) && !but.split(' ').any(|part| part == word))
    };
    if kind == Kind::PostalAddress && has(NOT_POSTAL, "") {
        return None;
    }
    let phrases = SAID.iter().filter(|(of, _)| *of == kind).flat_map(|(_, phrases)| listed(phrases));
    // The `tax_id` is an id, and the `zip_code` a code.
    let said = phrases.filter(|phrase| says(&words, phrase) && !has(OTHER, phrase));
    let of_people = kind == Kind::PersonName && is_of_people(column.table);
    let is_beside =
        |word: &String| word.len() < 3 || listed(BESIDE).any(|one| one == word) || is_of_people(word);
    let is_it = |name: &&str| words.iter().all(|word| word == name || is_beside(word));
    let name = || NAMES.into_iter().find(|name| words.iter().any(|word| word == name) && is_it(name));
    // The longest one; `email` is said as `email` and not as `e mail`.
    let length = |phrase: &&str| (phrase.replace(' ', "").len(), std::cmp::Reverse(phrase.len()));
    said.max_by_key(length).or_else(|| name().filter(|_| of_people))
}

fn listed(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.split(',').map(str::trim)
}

/// Whether `phrase` stands in `words`: its words beside each other, or as one, of which a long one may be a part of a
/// compound such as `telefonnummer`.
fn says(words: &[String], phrase: &str) -> bool {
    let parts = phrase.split(' ').collect::<Vec<_>>();
    let joined = parts.concat();
    let is_compound = |word: &String| {
        let rest = word.strip_prefix(&joined).or_else(|| word.strip_suffix(&joined));
        joined.len() > 4 && rest.is_some_and(|rest| listed(COMPOUNDED).any(|one| one == rest))
    };
    words.windows(parts.len()).any(|window| window == parts)
        || words.iter().any(|word| *word == joined || is_compound(word))
}

fn is_of_people(table: &str) -> bool {
    let words = words(table);
    let is_it = |word: &String, people: &str| {
        word.strip_prefix(people).is_some_and(|end| matches!(end, "" | "s" | "n" | "en" | "e"))
    };
    listed(PEOPLE).any(|people| words.iter().any(|word| is_it(word, people)))
}

/// The words of a name, folded: cut at `_` and the like and where a capital follows a small letter, and without the number in
/// `email2`.
fn words(name: &str) -> Vec<String> {
    let (mut words, mut word, mut before) = (Vec::new(), String::new(), ' ');
    for c in name.chars() {
        let is_border = !c.is_alphanumeric() || c.is_uppercase() && before.is_lowercase();
        if is_border && !word.is_empty() {
            words.push(folded(&std::mem::take(&mut word)));
        }
        if c.is_alphanumeric() {
            word.push(c);
        }
        before = c;
    }
    words.push(folded(&word));
    let bare = |word: String| match word.trim_end_matches(|c: char| c.is_ascii_digit()) {
        "" | "ipv" => word,
        bare => bare.to_owned(),
    };
    words.into_iter().filter(|word| !word.is_empty()).map(bare).collect()
}

/// In small letters without accents, with `ä` as `a` and `ß` as `ss`.
pub(super) fn folded(text: &str) -> String {
    let fold = |c| match c {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => 'a',
        'è' | 'é' | 'ê' | 'ë' => 'e',
        'ì' | 'í' | 'î' | 'ï' => 'i',
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' => 'o',
        'ù' | 'ú' | 'û' | 'ü' => 'u',
        'ç' => 'c',
        'ñ' => 'n',
        other => other,
    };
    text.to_lowercase().replace('ß', "ss").chars().map(fold).collect()
}
