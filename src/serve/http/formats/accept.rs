//! Which of the five formats an `accept` header asks for.

use super::Format;
use crate::error::{Error, Result};

/// The format that the values of the `accept` header like best; JSON when there is none, or when all are as good.
/// The most specific range that covers a format says how much it is liked (RFC 9110, section 12.5.1).
pub fn negotiate<'a>(accept: impl IntoIterator<Item = &'a str>) -> Result<Format> {
    let asked: Vec<&str> = accept
        .into_iter()
        .flat_map(|value| value.split(','))
        .filter(|text| !text.trim().is_empty())
        .collect();
    if asked.is_empty() {
        return Ok(Format::Json);
    }
    // What is no media type, such as `csv`, is one that is not known: JSON in its place would not be what was asked.
    let ranges: Vec<Range<'_>> = asked.into_iter().filter_map(Range::parse).collect();
    let mut best: Option<(Liking, Format)> = None;
    for format in Format::ALL {
        let Some(liking) = liking(&ranges, format) else { continue };
        if best.is_none_or(|(other, _)| liking > other) {
            best = Some((liking, format));
        }
    }
    best.map(|(_, format)| format).ok_or_else(none_acceptable)
}

/// How much a format is liked: by quality in thousandths, then by how exactly it was named.
type Liking = (u16, u8);

struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    quality: u16,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let quality = parts
            .filter_map(|parameter| parameter.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
            .and_then(|(_, value)| value.trim().parse::<f32>().ok())
            .map_or(1000, |quality| (quality.clamp(0.0, 1.0) * 1000.0).round() as u16);
        Some(Self { kind: kind.trim(), subtype: subtype.trim(), quality })
    }

    /// How exactly this range covers `format`: 2 by name, 1 by `type/*`, 0 by `*/*`.
    fn exactness(&self, format: Format) -> Option<u8> {
        let (kind, subtype) = format.media_type().split_once('/')?;
        match (self.kind, self.subtype) {
            ("*", "*") => Some(0),
            (own, "*") if own.eq_ignore_ascii_case(kind) => Some(1),
            (own, named) if own.eq_ignore_ascii_case(kind) && named.eq_ignore_ascii_case(subtype) => Some(2),
            _ => None,
        }
    }
}

fn liking(ranges: &[Range<'_>], format: Format) -> Option<Liking> {
    let (exactness, quality) = ranges
        .iter()
        .filter_map(|range| range.exactness(format).map(|exactness| (exactness, range.quality)))
        .max_by_key(|(exactness, _)| *exactness)?;
    (quality > 0).then_some((quality, exactness))
}

fn none_acceptable() -> Error {
    let known: Vec<String> = Format::ALL.iter().map(|format| format!("`{}`", format.media_type())).collect();
    Error::invalid_request(format!("no format in `accept` is known here: use one of {}", known.join(", ")))
}
