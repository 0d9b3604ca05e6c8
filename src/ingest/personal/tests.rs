//! Values that are personal, and values that only look like it. All of them are made up or published as examples.

use super::*;

/// A form, values of it, and values that are not.
type Examples<'a> = (Form, &'a [&'a str], &'a [&'a str]);

fn found(table: &str, name: &str, data_type: &DataType, values: &[String]) -> Option<Finding> {
    examine(&Column { table, name, data_type, values })
}

fn owned(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

/// A hundred values.
fn hundred(value: impl Fn(u64) -> String) -> Vec<String> {
    (0..100).map(value).collect()
}

/// A number that looks random, the same each time.
fn mixed(seed: u64) -> u64 {
    let mixed = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 8
}

/// `digits` with the check digit that `is` takes.
fn checked(digits: &str, is: Form) -> Option<String> {
    (0..10).map(|check| format!("{digits}{check}")).find(|number| is(number))
}

const FORMS: &[Examples<'_>] = &[
    (
        contact::is_email,
        &[
            "ana@example.com",
            "o'neil+news@mail.example.co.uk",
            "jürgen@bücher.example",
            "a@xn--bcher-kva.example",
        ],
        &[
            "ana@example",
            "@scope/package",
            "git@host.example:team/it.git",
            "photo@2x.png",
            "lib@1.2.3",
            "a b@example.com",
            "a@@b.com",
            "a@-b.com",
        ],
    ),
    (
        contact::is_phone,
        &[
            "+49 30 1234567",
            "+1 (212) 555-0123",
            "(212) 555-0123",
            "212-555-0123",
            "1-212-555-0123",
            "+33 1 23 45 67 89",
        ],
        &[
            "2024-01-02",
            "12345678",
            "123-456-7890",
            "978-3-16-148410-0",
            "+100",
            "+0100000000",
            "1.234.567,89",
            "192.168.1.1",
            "ORD-212-555-0123",
        ],
    ),
    (
        bank::is_card,
        &[
            "4111111111111111",
            "4111 1111 1111 1111",
            "5555-5555-5555-4444",
            "378282246310005",
            "6011111111111117",
            "3530111333300000",
            "30569309025904",
            "2223003122003222",
        ],
        &[
            "4111111111111112",
            "0000000000000000",
            "1234567812345670",
            "411111111111116",
            "1700000000000",
            "356938035643809",
        ],
    ),
    (
        bank::is_iban,
        &[
            "GB82 WEST 1234 5698 7654 32",
            "DE89370400440532013000",
            "nl91abna0417164300",
            "FR1420041010050500013M02606",
            "NO9386011117947",
        ],
        &["GB82WEST12345698765433", "DE8937040044053201300", "XX89370400440532013000", "DE", "ORDER-12345"],
    ),
    (
        identifier::is_ssn,
        &["219-09-9999", "078-05-1120"],
        &[
            "000-12-3456",
            "666-12-3456",
            "900-12-3456",
            "123-00-4567",
            "123-45-0000",
            "123456789",
            "2024-01-02",
        ],
    ),
    (
        identifier::is_nino,
        &["AB123456C", "AB 12 34 56 C"],
        &["QQ123456C", "GB123456A", "AO123456A", "AB123456E", "AB12345C", "SKU12345A"],
    ),
    (identifier::is_bsn, &["111222333", "123456782"], &["123456789", "000000000", "11122233", "A11222333"]),
    (
        identifier::is_dni,
        &["12345678Z", "X1234567L", "00000000-T"],
        &["12345678A", "X1234567A", "1234567L", "ABCDEFGHZ"],
    ),
    (
        identifier::is_codice_fiscale,
        &["RSSMRA85T10A562S", "rssmra85t10a562s"],
        &["RSSMRA85T10A562T", "RSSMRA85Z10A562S", "RSSMRA85T10A562"],
    ),
    (
        identifier::is_nir,
        &["255081416802538", "2 55 08 14 168 025 38"],
        &["255081416802539", "955081416802538", "2550814168025"],
    ),
    (
        identifier::is_steuer_id,
        &["86095742719", "47036892816", "65929970489"],
        &["86095742718", "06095742719", "12345678901", "11111111111"],
    ),
    (
        network::is_ip,
        &["192.168.1.17", "8.8.8.100", "203.0.113.9/32", "2001:db8::1", "fe80::1ff:fe23:4567:890a"],
        &["1.2.3.4", "10.0.19.1", "1.2.3", "300.1.1.1", "::", "12:34:56", "08:00:2b:01:02:03"],
    ),
    (
        person::is_name,
        &["Ana García", "DOE, John", "jean-pierre dupont", "José"],
        &["Garden chair", "Ana 5", "ACME", "Large"],
    ),
    (
        address::is_address,
        &[
            "12 Main Street",
            "221b Baker St., London",
            "Hauptstraße 12, 10115 Berlin",
            "Kerkstraat 2",
            "4 rue du Bac",
            "Calle Mayor 7",
            "Via Roma 5, Milano",
        ],
        &[
            "64 GB flash drive",
            "Main entrance",
            "12",
            "5 stars",
            "Version 2 of it",
            "streetwear",
            "12 street",
        ],
    ),
];

#[test]
fn published_examples_are_of_their_form() {
    for (is, good, bad) in FORMS {
        for text in *good {
            assert!(is(text), "{text}");
        }
        for text in *bad {
            assert!(!is(text), "{text}");
        }
    }
}

#[test]
fn values_speak_for_themselves_and_are_counted_and_never_told() {
    let text = DataType::Utf8;
    let mails = hundred(|n| if n % 8 == 0 { "unknown".to_owned() } else { format!("p{n}@example.com") });
    let finding = found("t", "contact", &text, &mails).unwrap();
    assert_eq!(
        (finding.kind, finding.evidence.as_str()),
        (Kind::Email, "87 of 100 sampled values are e-mail addresses")
    );
    let finding = found("t", "E-Mail", &text, &mails).unwrap();
    assert_eq!(finding.evidence, "87 of 100 sampled values are e-mail addresses; the name contains `e mail`");

    let check = |prefix: &str, places: u32, is: Form| {
        let number = |n| mixed(n) % 10_u64.pow(places);
        let place = usize::try_from(places).unwrap();
        (0..4000)
            .filter_map(|n| checked(&format!("{prefix}{:0place$}", number(n)), is))
            .take(100)
            .collect::<Vec<_>>()
    };
    let cases: &[(Kind, DataType, Vec<String>)] = &[
        (Kind::PaymentCard, DataType::Int64, check("4", 14, bank::is_card)),
        (Kind::NationalId, DataType::Int64, check("1", 7, identifier::is_bsn)),
        (Kind::NationalId, DataType::Int64, check("8609", 6, identifier::is_steuer_id)),
        (
            Kind::NationalId,
            text.clone(),
            hundred(|n| format!("219-{:02}-{:04}", n % 90 + 1, mixed(n) % 9000 + 1)),
        ),
        (Kind::IpAddress, text.clone(), hundred(|n| format!("10.{}.3.{}", mixed(n) % 256, n + 100))),
        (Kind::Phone, text.clone(), hundred(|n| format!("+49 30 {:07}", mixed(n) % 10_000_000))),
        (
            Kind::PersonName,
            text.clone(),
            hundred(|n| {
                format!("{} Example", ["Ana", "Peter", "Luca", "Marie", "Jürgen", "Zaphod"][n as usize % 6])
            }),
        ),
        (Kind::PostalAddress, text.clone(), hundred(|n| format!("{n} Example Road"))),
    ];
    for (kind, data_type, values) in cases {
        assert!(values.len() == 100, "{kind}: {}", values.len());
        let finding = found("t", "c", data_type, values).unwrap_or_else(|| panic!("{kind}: {values:?}"));
        assert_eq!(finding.kind, *kind, "{}", finding.evidence);
        assert!(
            values.iter().all(|value| !finding.evidence.contains(value.as_str())),
            "{}",
            finding.evidence
        );
    }
}

#[test]
fn what_only_looks_personal_is_not_proposed() {
    let (text, long) = (DataType::Utf8, DataType::Int64);
    let cases: &[(&str, DataType, Vec<String>)] = &[
        ("order_number", long.clone(), hundred(|n| (100_000_000 + n).to_string())),
        (
            "order_number",
            long.clone(),
            hundred(|n| (123_450_000_000_000_000 + mixed(n) % 1_000_000).to_string()),
        ),
        ("order_number", text.clone(), hundred(|n| format!("4{:015}", mixed(n) % 1_000_000_000_000_000))),
        (
            "order_number",
            text.clone(),
            hundred(|n| format!("{:03}-{:07}-{:07}", n, mixed(n) % 10_000_000, mixed(n + 7) % 10_000_000)),
        ),
        ("ean", text.clone(), hundred(|n| format!("400{:010}", mixed(n) % 10_000_000_000))),
        ("isbn", text.clone(), hundred(|n| format!("978-3-16-{:06}-0", mixed(n) % 1_000_000))),
        (
            "uuid",
            text.clone(),
            hundred(|n| format!("{:08x}-0000-4000-8000-{:012x}", mixed(n) as u32, mixed(n) % (1 << 48))),
        ),
        ("price", text.clone(), hundred(|n| format!("{}.{:02}", mixed(n) % 10_000, n))),
        ("created_at", text.clone(), hundred(|n| format!("2024-01-{:02} 12:00:{:02}", n % 28 + 1, n % 60))),
        ("created_ms", long.clone(), hundred(|n| (1_700_000_000_000 + mixed(n) % 1_000_000_000).to_string())),
        (
            "product_name",
            text.clone(),
            hundred(|n| format!("{} chair {n}", ["Garden", "Office", "Folding"][n as usize % 3])),
        ),
        (
            "name",
            text.clone(),
            hundred(|n| ["Garden chair", "Desk", "Lamp", "Cupboard"][n as usize % 4].to_owned()),
        ),
        ("version", text.clone(), hundred(|n| format!("{}.{}.{}.{}", n % 4, n % 10, n % 7, n % 30))),
        ("mac_address", text.clone(), hundred(|n| format!("08:00:2b:01:02:{n:02x}"))),
        ("country_code", text.clone(), hundred(|n| ["DE", "NL", "IT"][n as usize % 3].to_owned())),
        ("email_status", text.clone(), hundred(|n| ["bounced", "fine"][n as usize % 2].to_owned())),
        ("email_verified", DataType::Boolean, Vec::new()),
        ("email_count", long.clone(), hundred(|n| n.to_string())),
        ("email", text.clone(), hundred(|n| ["yes", "no"][n as usize % 2].to_owned())),
        ("phone_type", text.clone(), hundred(|n| ["home", "work"][n as usize % 2].to_owned())),
        ("address_id", long.clone(), hundred(|n| n.to_string())),
        ("ip_version", long.clone(), hundred(|n| (4 + n % 2 * 2).to_string())),
        ("birth_place", text.clone(), hundred(|_| "Springfield".to_owned())),
        ("total", DataType::Float64, Vec::new()),
        ("telemetry", text.clone(), hundred(|n| format!("{{\"n\":{n}}}"))),
        ("description", text, hundred(|n| format!("Number {n} of 100, see page {}", n * 3))),
    ];
    for (name, data_type, values) in cases {
        assert_eq!(found("products", name, data_type, values), None, "{name} {:?}", values.first());
    }
}

#[test]
fn names_say_it_in_six_languages_unless_the_values_contradict() {
    let (text, date) = (DataType::Utf8, DataType::Date32);
    let cases = [
        ("customer", "emailAddress", &text, Kind::Email),
        ("t", "E_MAIL2", &text, Kind::Email),
        ("t", "Telefonnummer", &text, Kind::Phone),
        ("t", "móvil", &text, Kind::Phone),
        ("t", "credit_card_number", &text, Kind::PaymentCard),
        ("t", "IBAN", &text, Kind::BankAccount),
        ("t", "tax_id", &text, Kind::NationalId),
        ("t", "SteuerID", &text, Kind::NationalId),
        ("t", "codice_fiscale", &text, Kind::NationalId),
        ("t", "bsn", &DataType::Int32, Kind::NationalId),
        ("t", "client_ip", &text, Kind::IpAddress),
        ("t", "date_of_birth", &date, Kind::BirthDate),
        ("t", "Geburtsdatum", &date, Kind::BirthDate),
        ("t", "date_naissance", &date, Kind::BirthDate),
        ("t", "fecha_nacimiento", &date, Kind::BirthDate),
        ("t", "firstname", &text, Kind::PersonName),
        ("t", "Prénom", &text, Kind::PersonName),
        ("t", "achternaam", &text, Kind::PersonName),
        ("t", "apellidos", &text, Kind::PersonName),
        ("t", "cognome", &text, Kind::PersonName),
        ("customers", "name", &text, Kind::PersonName),
        ("Kunden", "Name", &text, Kind::PersonName),
        ("customer", "c_name", &text, Kind::PersonName),
        ("users", "display_name", &text, Kind::PersonName),
        ("clienti", "nome", &text, Kind::PersonName),
        ("t", "customeremail", &text, Kind::Email),
        ("t", "Straße", &text, Kind::PostalAddress),
        ("t", "zip_code", &text, Kind::PostalAddress),
        ("t", "indirizzo", &text, Kind::PostalAddress),
    ];
    for (table, name, data_type, kind) in cases {
        let finding = found(table, name, data_type, &[]).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(finding.kind, kind, "{name}: {}", finding.evidence);
        assert!(finding.evidence.ends_with("no values were sampled"), "{}", finding.evidence);
    }
    for name in [
        "name",
        "names",
        "status",
        "id",
        "mailbox_count",
        "ip_type",
        "address_url",
        "nominal",
        "panel",
        "automobil",
        "handyman",
        "phonetic",
        "callee",
        "addressable",
        "email_hash",
        "birth_rate",
        "passport_country",
    ] {
        assert_eq!(found("products", name, &text, &[]), None, "{name}");
    }
    // In a table of people the name of something else is still no person's.
    for name in ["nation_name", "file_name", "productName", "name_type"] {
        assert_eq!(found("customers", name, &text, &[]), None, "{name}");
    }

    let few = owned(&["a@example.com", "soon"]);
    let evidence = found("t", "email", &text, &few).unwrap().evidence;
    assert_eq!(evidence, "the name contains `email`; 1 of 2 sampled values are e-mail addresses");
    let codes = hundred(|n| format!("{}{:05}", ["X", "Y"][n as usize % 2], mixed(n) % 100_000));
    let evidence = found("t", "passport", &text, &codes).unwrap().evidence;
    assert_eq!(evidence, "the name contains `passport`; 100 of 100 sampled values could be ids of people");
    let born = hundred(|n| format!("{}-03-{:02}", 1920 + n, n % 28 + 1));
    let evidence = found("t", "dob", &date, &born).unwrap().evidence;
    assert_eq!(evidence, "the name contains `dob`; 100 of 100 sampled values could be birth dates");
    let numbers = hundred(|n| format!("030 {:06}", mixed(n) % 1_000_000));
    assert_eq!(found("t", "phone", &text, &numbers).unwrap().kind, Kind::Phone);
    // A name that people have elsewhere too does not make a customer of what has digits.
    assert_eq!(found("customer", "c_name", &text, &hundred(|n| format!("Customer#{n:09}"))), None);
}

#[test]
fn a_few_values_by_chance_are_not_enough() {
    // One of eleven numbers passes the Dutch check, one of ten that of cards.
    let numbers = hundred(|n| (100_000_000 + mixed(n) % 800_000_000).to_string());
    let passed = numbers.iter().filter(|number| identifier::is_bsn(number)).count();
    assert!((1..30).contains(&passed), "{passed}");
    assert_eq!(found("t", "c", &DataType::Int64, &numbers), None);
    // The same one again and again is one.
    assert_eq!(found("t", "c", &DataType::Utf8, &hundred(|_| "111222333".to_owned())), None);
    assert_eq!(found("t", "c", &DataType::Utf8, &owned(&["a@example.com", "b@example.com"])), None);
}
