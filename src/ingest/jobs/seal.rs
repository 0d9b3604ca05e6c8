//! Encryption of what must not be read in the store: AES-256-GCM under a key that is not in it.

use std::fmt;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::error::{Error, Result};

/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// Encrypts and decrypts under one key.
pub struct Sealer(LessSafeKey);

impl Sealer {
    /// The key in the file at `path`, as base64; none when no file is configured.
    pub fn open(path: Option<&Path>) -> Result<Option<Self>> {
        let Some(path) = path else { return Ok(None) };
        let wrong =
            |why: &str| Error::invalid_request(format!("`store.key_file` `{}`: {why}", path.display()));
        let text =
            std::fs::read_to_string(path).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
        let key = STANDARD.decode(text.trim()).map_err(|_| wrong("it is not base64"))?;
        let key = UnboundKey::new(&AES_256_GCM, &key).map_err(|_| wrong("it is not a key of 32 bytes"))?;
        Ok(Some(Self(LessSafeKey::new(key))))
    }

    /// Writes a new key to `path`, for its owner alone. One that is there stays.
    pub fn create(path: &Path) -> Result<()> {
        let written =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).and_then(|mut file| {
                let key = STANDARD.encode(rand::random::<[u8; KEY_BYTES]>());
                file.write_all(format!("{key}\n").as_bytes())
            });
        match written {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                Err(Error::invalid_request(format!("cannot write `{}`: {error}", path.display())))
            }
            _ => Ok(()),
        }
    }

    /// `text`, which belongs to `name` and can be read as nothing else.
    pub fn seal(&self, name: &str, text: &str) -> Result<String> {
        let nonce = rand::random::<[u8; NONCE_LEN]>();
        let mut sealed = text.as_bytes().to_vec();
        self.0
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(name.as_bytes()),
                &mut sealed,
            )
            .map_err(|_| Error::internal("a text could not be encrypted"))?;
        Ok(STANDARD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// What was sealed as `name`.
    pub fn unseal(&self, name: &str, sealed: &str) -> Result<String> {
        let wrong = || {
            Error::invalid_request(format!(
                "the URL of the source `{name}` cannot be decrypted: it was kept under another `store.key_file`; write it anew"
            ))
        };
        let bytes = STANDARD.decode(sealed).map_err(|_| wrong())?;
        let (nonce, text) = bytes.split_at_checked(NONCE_LEN).ok_or_else(wrong)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| wrong())?;
        let mut text = text.to_vec();
        let text = self.0.open_in_place(nonce, Aad::from(name.as_bytes()), &mut text).map_err(|_| wrong())?;
        String::from_utf8(text.to_vec()).map_err(|_| wrong())
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_read_under_its_name_and_key_alone() {
        let folder = tempfile::tempdir().unwrap();
        let sealer = |name: &str| {
            let path = folder.path().join(name);
            Sealer::create(&path).unwrap();
            Sealer::open(Some(&path)).unwrap().unwrap()
        };
        let (one, other) = (sealer("one"), sealer("other"));
        let sealed = one.seal("shop", "postgres://etl:secret@db/shop").unwrap();
        assert!(
            !sealed.contains("secret")
                && sealed != one.seal("shop", "postgres://etl:secret@db/shop").unwrap()
        );
        assert_eq!(sealer("one").unseal("shop", &sealed).unwrap(), "postgres://etl:secret@db/shop");
        let mut bytes = STANDARD.decode(&sealed).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        let changed = STANDARD.encode(bytes);
        for told in [
            one.unseal("copied", &sealed),
            other.unseal("shop", &sealed),
            one.unseal("shop", "AAAA"),
            one.unseal("shop", &changed),
        ] {
            assert!(told.unwrap_err().detail().contains("cannot be decrypted"));
        }
        std::fs::write(folder.path().join("short"), "AAAA").unwrap();
        assert!(Sealer::open(Some(&folder.path().join("short"))).is_err());
        assert!(Sealer::open(None).unwrap().is_none());
    }
}
