//! What is shown at a terminal: as it is when it fits, in a pager when it does not.
//!
//! Holds at most what fits on the screen, and a pager that is not read slows the query instead of filling the memory. A
//! pipe and a file have no screen.

use std::io::{self, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

use unicode_width::UnicodeWidthStr;

/// The lines that stand below a result: what is told of it, and the prompt.
const BELOW: usize = 3;

/// When a pager is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paging {
    Always,
    /// For what is taller or wider than the screen.
    Auto,
    Never,
}

/// A pager, and the screen that it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pager {
    pub command: String,
    pub columns: usize,
    pub rows: usize,
    pub always: bool,
}

/// Where a result goes.
pub struct Screen {
    pager: Option<Pager>,
    state: State,
}

enum State {
    /// What came fits so far.
    Held(Held),
    Paged {
        child: Child,
        input: Option<io::BufWriter<ChildStdin>>,
    },
    Plain(io::BufWriter<io::Stdout>),
}

/// Takes what would speak to the terminal out of the formats that leave it as it is.
pub struct Harmless<W: Write> {
    out: W,
    /// The first byte of a control character of two has come.
    is_inside: bool,
}

impl<W: Write> Harmless<W> {
    pub fn new(out: W) -> Self {
        Self { out, is_inside: false }
    }
}

impl<W: Write> Write for Harmless<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut shown = Vec::with_capacity(bytes.len());
        for byte in bytes {
            match byte {
                0x80..=0x9f if self.is_inside => shown.push(b'?'),
                _ if self.is_inside => shown.extend([0xc2, *byte]),
                0xc2 => {}
                b'\n' | b'\r' | b'\t' => shown.push(*byte),
                control if control.is_ascii_control() => shown.push(b'?'),
                other => shown.push(*other),
            }
            self.is_inside = *byte == 0xc2 && !self.is_inside;
        }
        self.out.write_all(&shown).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[derive(Default)]
struct Held {
    bytes: Vec<u8>,
    /// How many of the bytes are counted, which are whole lines.
    counted: usize,
    lines: usize,
    widest: usize,
}

impl Screen {
    /// A screen with a pager beside it, or the plain standard output.
    pub fn new(pager: Option<Pager>) -> Self {
        let state = match pager {
            Some(_) => State::Held(Held::default()),
            None => plain(),
        };
        Self { pager, state }
    }

    /// Shows what is left, and waits until the pager is left. Blocks.
    pub fn close(mut self) -> io::Result<()> {
        match &mut self.state {
            State::Held(held) => {
                let bytes = std::mem::take(&mut held.bytes);
                let mut out = io::stdout();
                out.write_all(&bytes)?;
                out.flush()
            }
            State::Paged { child, input } => {
                let flushed = input.take().map_or(Ok(()), |mut input| input.flush());
                child.wait()?;
                // Who leaves before the last lines has seen enough.
                flushed.or_else(
                    |error| if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) },
                )
            }
            State::Plain(out) => out.flush(),
        }
    }

    /// Goes on in the pager; without one that starts, on the screen.
    fn turn(&mut self, bytes: &[u8]) -> io::Result<()> {
        let child = self.pager.as_ref().and_then(|pager| start(&pager.command).ok());
        self.state = match child {
            Some(mut child) => State::Paged { input: child.stdin.take().map(io::BufWriter::new), child },
            None => plain(),
        };
        self.write_all(bytes)
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.state {
            State::Held(held) => {
                held.add(bytes);
                if self.pager.as_ref().is_none_or(|pager| held.exceeds(pager)) {
                    let held = std::mem::take(&mut held.bytes);
                    self.turn(&held)?;
                }
                Ok(bytes.len())
            }
            State::Paged { input: Some(input), .. } => input.write(bytes),
            State::Paged { input: None, .. } => Err(io::ErrorKind::BrokenPipe.into()),
            State::Plain(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.state {
            State::Paged { input: Some(input), .. } => input.flush(),
            State::Plain(out) => out.flush(),
            _ => Ok(()),
        }
    }
}

impl Held {
    fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        let Some(end) = self.bytes.iter().rposition(|byte| *byte == b'\n') else { return };
        let fresh = self.bytes.get(self.counted..=end).unwrap_or_default();
        for line in String::from_utf8_lossy(fresh).lines() {
            self.lines += 1;
            self.widest = self.widest.max(width(line));
        }
        self.counted = end + 1;
    }

    fn exceeds(&self, pager: &Pager) -> bool {
        // A line that has not ended may be the whole result, as in JSON.
        let area = pager.columns.saturating_mul(pager.rows);
        pager.always
            || self.lines + BELOW > pager.rows
            || self.widest > pager.columns
            || self.bytes.len() - self.counted > area
    }
}

/// What a line takes on the screen, without the codes of its colours.
fn width(line: &str) -> usize {
    let mut parts = line.split("\x1b[");
    let first = parts.next().map_or(0, UnicodeWidthStr::width);
    first + parts.map(|part| part.split_once('m').map_or(0, |(_, text)| text.width())).sum::<usize>()
}

fn plain() -> State {
    State::Plain(io::BufWriter::new(io::stdout()))
}

/// As other programs start it: through `sh`, since `$PAGER` may have arguments.
fn start(command: &str) -> io::Result<Child> {
    let mut pager = Command::new("sh");
    pager.args(["-c", command]).stdin(Stdio::piped());
    if std::env::var_os("LESS").is_none() {
        // Leaves at once when it fits after all, cuts long lines, shows colours, and leaves the result on the screen.
        pager.env("LESS", "FRSX");
    }
    pager.spawn()
}

/// `$PAGER`, which may be empty for none; otherwise `less`, when there is one.
pub fn pager_command() -> Option<String> {
    if let Ok(command) = std::env::var("PAGER") {
        return Some(command).filter(|command| !command.trim().is_empty());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).any(|folder| folder.join("less").is_file()).then(|| "less".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(text: &str) -> Held {
        let mut held = Held::default();
        text.as_bytes().chunks(3).for_each(|bytes| held.add(bytes));
        held
    }

    #[test]
    fn what_speaks_to_the_terminal_is_shown_as_a_question() {
        let mut shown = Vec::new();
        let mut harmless = Harmless::new(&mut shown);
        for bytes in "a\u{1b}[31mb\u{9b}c\u{7f}\tü¢\u{80}\n".as_bytes().chunks(1) {
            harmless.write_all(bytes).unwrap();
        }
        assert_eq!(String::from_utf8(shown).unwrap(), "a?[31mb?c?\tü¢?\n");
    }

    #[test]
    fn what_is_taller_or_wider_than_the_screen_exceeds_it() {
        let pager = Pager { command: "less".to_owned(), columns: 10, rows: 6, always: false };
        for (text, exceeds) in [
            ("", false),
            ("1\n2\n3\n", false),
            ("1\n2\n3\n4\n", true),
            ("0123456789\n", false),
            ("01234567890\n", true),
            ("\x1b[1m日本日本日\x1b[0m\n", false),
            ("\x1b[1m日本日本日本\x1b[0m\n", true),
            (&"x".repeat(61), true),
        ] {
            assert_eq!(held(text).exceeds(&pager), exceeds, "{text:?}");
        }
        assert!(held("").exceeds(&Pager { always: true, ..pager }));
    }
}
