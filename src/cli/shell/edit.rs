//! `\e`: a statement in the editor that its writer is used to.
//!
//! What comes back is put on the prompt and not run: who reads it there decides.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;

use uuid::Uuid;

/// Lets `text` be edited, and gives what became of it. Blocks.
pub fn edit(text: &str) -> io::Result<String> {
    let file = std::env::temp_dir().join(format!("lakegate-{}.sql", Uuid::new_v4().simple()));
    let outcome = edit_in(&file, text);
    let _ = fs::remove_file(&file);
    outcome
}

fn edit_in(file: &std::path::Path, text: &str) -> io::Result<String> {
    let mut made = File::options().write(true).create_new(true).mode(0o600).open(file)?;
    writeln!(made, "{text}")?;
    drop(made);
    let variable = |name: &str| std::env::var(name).ok().filter(|command| !command.trim().is_empty());
    let editor = variable("VISUAL").or_else(|| variable("EDITOR")).unwrap_or_else(|| "vi".to_owned());
    // As other programs start it: through `sh`, since the command may have arguments.
    let left = Command::new("sh").arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(file).status()?;
    if !left.success() {
        return Err(io::Error::other(format!("`{editor}` failed")));
    }
    fs::read_to_string(file).map(|text| text.trim_end().to_owned())
}
