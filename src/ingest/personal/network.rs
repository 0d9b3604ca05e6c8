//! Addresses of computers, which are those of people too.

use core::net::{Ipv4Addr, Ipv6Addr};

/// Without the length that PostgreSQL gives a single address.
fn address(text: &str) -> &str {
    let text = text.trim();
    text.strip_suffix("/32").or_else(|| text.strip_suffix("/128")).unwrap_or(text)
}

/// Whether it is an address and no version of something: one of the four numbers is larger than versions are.
pub(super) fn is_ip(text: &str) -> bool {
    let text = address(text);
    let is_large = |address: Ipv4Addr| address.octets().iter().any(|part| *part >= 100);
    text.parse::<Ipv4Addr>().is_ok_and(is_large) || is_v6(text)
}

/// Whether it is an address where the name says so.
pub(super) fn could_be_ip(text: &str) -> bool {
    let text = address(text);
    text.parse::<Ipv4Addr>().is_ok() || is_v6(text)
}

/// `::` alone could be anything.
fn is_v6(text: &str) -> bool {
    text.parse::<Ipv6Addr>().is_ok() && text.chars().filter(char::is_ascii_hexdigit).count() > 3
}
