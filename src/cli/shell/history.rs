//! What was typed, kept between sessions in a file that its owner alone may read.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;

use rustyline::history::{FileHistory, History};

/// The most entries to keep.
pub const MOST: usize = 10_000;

/// Where the history is kept: as `LAKEGATE_HISTORY` says, which may be empty for nowhere, or else in the folder for state
/// of the XDG base directories.
pub fn file() -> Option<PathBuf> {
    found(|name| std::env::var_os(name))
}

fn found(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    if let Some(file) = variable("LAKEGATE_HISTORY") {
        return Some(PathBuf::from(file)).filter(|file| !file.as_os_str().is_empty());
    }
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(state.join("lakegate/history"))
}

/// Makes the file and its folder, if need be, for the owner alone.
pub fn prepare(file: &PathBuf) -> io::Result<()> {
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let opened = File::options().append(true).create(true).mode(0o600).open(file)?;
    let meant = fs::metadata(file)?;
    if meant.is_file() && meant.permissions().mode() & 0o077 != 0 {
        opened.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// Adds what is new; other sessions may have added theirs.
pub fn save(history: &mut FileHistory, file: &PathBuf) -> rustyline::Result<()> {
    prepare(file)?;
    history.append(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_is_where_it_is_said_to_be_or_nowhere() {
        let of = |variables: &[(&str, &str)]| {
            found(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
        };
        let home = ("HOME", "/home/bo");
        assert_eq!(of(&[home]), Some("/home/bo/.local/state/lakegate/history".into()));
        assert_eq!(of(&[home, ("XDG_STATE_HOME", "/state")]), Some("/state/lakegate/history".into()));
        assert_eq!(
            of(&[home, ("XDG_STATE_HOME", "state")]),
            Some("/home/bo/.local/state/lakegate/history".into())
        );
        assert_eq!(of(&[home, ("LAKEGATE_HISTORY", "/h")]), Some("/h".into()));
        assert_eq!(of(&[home, ("LAKEGATE_HISTORY", "")]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn only_its_owner_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a/b/history");
        let mode = || fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        prepare(&file).unwrap();
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        prepare(&file).unwrap();
        assert_eq!(mode(), 0o600);
    }
}
