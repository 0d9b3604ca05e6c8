//! Deletion vectors as the Delta protocol has them: a roaring bitmap, inside the log or in a file.

use std::path::Path;

use serde_json::{Value, json};
use uuid::Uuid;

/// The vector of `rows` as the log has it, with the bitmap inside.
pub fn inline(rows: &[u16]) -> Value {
    let bitmap = bitmap(rows);
    json!({
        "storageType": "i", "pathOrInlineDv": z85(&bitmap), "sizeInBytes": bitmap.len(), "cardinality": rows.len(),
    })
}

/// Writes one file with all of `vectors` to the table's folder; gives each as the log has it.
pub fn in_file<const N: usize>(folder: &Path, vectors: [&[u16]; N]) -> [Value; N] {
    let id = Uuid::new_v4();
    // The version of the file's format.
    let mut file = vec![1_u8];
    let entries = vectors.map(|rows| {
        let (offset, bitmap) = (file.len(), bitmap(rows));
        file.extend(u32::try_from(bitmap.len()).unwrap().to_be_bytes());
        file.extend(&bitmap);
        file.extend(crc32(&bitmap).to_be_bytes());
        json!({
            "storageType": "u", "pathOrInlineDv": z85(id.as_bytes()), "offset": offset,
            "sizeInBytes": bitmap.len(), "cardinality": rows.len(),
        })
    });
    std::fs::write(folder.join(format!("deletion_vector_{id}.bin")), file).unwrap();
    entries
}

/// A list of 32-bit roaring bitmaps, of which the first alone is there, with one container of at most 65536 rows.
fn bitmap(rows: &[u16]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(1_681_511_377_u32.to_le_bytes());
    bytes.extend(1_u64.to_le_bytes());
    for word in [0_u32, 12_346, 1] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(0_u16.to_le_bytes());
    bytes.extend(u16::try_from(rows.len() - 1).unwrap().to_le_bytes());
    // Where the container begins, from the start of its bitmap.
    bytes.extend(16_u32.to_le_bytes());
    rows.iter().for_each(|row| bytes.extend(row.to_le_bytes()));
    bytes
}

/// Base 85 in the alphabet of ZeroMQ; the last word is filled with zeros.
fn z85(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 85] =
        b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    let mut text = String::new();
    for chunk in bytes.chunks(4) {
        let mut word = [0; 4];
        word[..chunk.len()].copy_from_slice(chunk);
        let word = u32::from_be_bytes(word);
        text.extend(
            [52_200_625, 614_125, 7_225, 85, 1].map(|place| ALPHABET[(word / place % 85) as usize] as char),
        );
    }
    text
}

fn crc32(bytes: &[u8]) -> u32 {
    let byte = |sum: u32, byte: &u8| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg()))
    };
    !bytes.iter().fold(!0, byte)
}
