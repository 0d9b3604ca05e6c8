//! What stands between the values of a CSV file, by its first lines; a file that leaves it open is refused.

use std::io::{Cursor, Read};

use super::super::input::Input;
use super::super::object::Object;
use super::record::Records;
use crate::error::{Error, Result};

/// What may stand between values.
const CANDIDATES: [u8; 4] = [b',', b';', b'\t', b'|'];

const LOOKED_AT_BYTES: u64 = 1024 * 1024;
const LOOKED_AT_RECORDS: usize = 100;

/// The delimiter with which most records have as many fields as the header; a comma for one column.
pub(super) fn find(object: &Object) -> Result<u8> {
    let mut start = Vec::new();
    object
        .bytes()?
        .take(LOOKED_AT_BYTES)
        .read_to_end(&mut start)
        .map_err(|cause| object.read_failed(cause))?;
    let mut best: Vec<u8> = Vec::new();
    let mut most = 0;
    for delimiter in CANDIDATES {
        let widths = widths(object, &start, delimiter)?;
        let Some((header, rows)) = widths.split_first().filter(|(header, _)| **header > 1) else { continue };
        let alike = rows.iter().filter(|row| *row == header).count();
        if alike > most || best.is_empty() {
            (best, most) = (vec![delimiter], alike);
        } else if alike == most {
            best.push(delimiter);
        }
    }
    match best.as_slice() {
        [] => Ok(b','),
        [delimiter] => Ok(*delimiter),
        _ => Err(Error::invalid_request(format!(
            "what stands between the values of `{}` cannot be told: name it with `--csv-delimiter`",
            object.url()
        ))),
    }
}

/// How many fields the first records have; 0 of one that is none.
fn widths(object: &Object, start: &[u8], delimiter: u8) -> Result<Vec<usize>> {
    let mut records = Records::new(Input::over(object, Box::new(Cursor::new(start.to_vec())))?, delimiter);
    let mut widths = Vec::new();
    while widths.len() < LOOKED_AT_RECORDS {
        let Some(record) = records.next()? else {
            // The last one may have been cut.
            if start.len() as u64 == LOOKED_AT_BYTES && widths.len() > 1 {
                widths.pop();
            }
            break;
        };
        if !record.is_blank() {
            widths.push(if record.fault.is_some() { 0 } else { record.fields.len() });
        }
    }
    Ok(widths)
}
