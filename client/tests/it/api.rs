//! The public interface as a list, so that no change of it goes unseen: `client/API.txt`.
//!
//! A line that is new is a new minor version. A line that is gone or different breaks programs: it is a new major version, or
//! the second number's while the first is 0. Reads the sources as text, as rustfmt writes them; that is rough, and enough: what
//! is public begins with `pub` or is an implementation, and stands on a line of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const LIST: &str = "API.txt";

#[test]
fn the_public_interface_is_the_one_that_is_written_down() {
    let found = interface();
    let list = root().join(LIST);
    if std::env::var_os("UPDATE_API").is_some() {
        fs::write(&list, &found).unwrap();
    }
    let written = fs::read_to_string(&list).unwrap_or_default();
    let gone = written.lines().filter(|line| !found.lines().any(|found| found == *line)).collect::<Vec<_>>();
    let new =
        found.lines().filter(|line| !written.lines().any(|written| written == *line)).collect::<Vec<_>>();
    assert!(
        found == written,
        "the public interface has changed; is the version right? Write it down with `UPDATE_API=1 cargo test -p \
         lakegate-client`.\ngone: {gone:#?}\nnew: {new:#?}"
    );
}

/// A check that cannot fail is no check: it is shown code, and finds what is public in it.
#[test]
fn what_is_public_is_found() {
    let code = "#[derive(Debug)]\npub struct Shown {\n    pub field: u8,\n    hidden: u8,\n}\n\npub(crate) struct Unseen;\n\nimpl Shown {\n    \
        pub fn of(\n        self,\n    ) -> u8 {\n        0\n    }\n\n    pub(crate) fn no(self) {}\n\n    \
        add!(\"a\");\n}\n\nimpl Unseen {\n    pub fn no(self) {}\n}\n\nimpl fmt::Debug for Shown {\n    fn fmt() {}\n}\n\n\
        pub enum Shown2 {\n    /// Words.\n    One,\n}\n\nmacro_rules! add {\n    () => {\n        pub fn added(self) {\n        \
        }\n    };\n}\n\nmany! { u8, u16 }\n";
    let exported = ["Shown", "Shown2"].map(str::to_owned).into();
    let expected = [
        "#[derive(Debug)] pub struct Shown { pub field: u8 }",
        "impl Shown { add!(\"a\"); }",
        "impl Shown { pub fn of(self) -> u8 }",
        "impl fmt::Debug for Shown",
        "macro add: pub fn added(self)",
        "many! { u8, u16 }",
        "pub enum Shown2 { One }",
    ];
    assert_eq!(public_of(code, &exported).into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn everything_public_has_an_example() {
    let mut missing = Vec::new();
    each_file(|_, code, exported| missing.extend(without_example(code, exported)));
    assert!(missing.is_empty(), "without an example: {missing:#?}");
    let code = "/// A.\npub struct A;\n\nimpl A {\n    /// B.\n    pub fn b() {}\n\n    /// ```\n    /// A::c()\n    \
        /// ```\n    pub fn c() {}\n}\n";
    assert_eq!(without_example(code, &["A".to_owned()].into()), ["pub struct A", "impl A pub fn b() {}"]);
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn interface() -> String {
    let mut modules: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    each_file(|module, code, exported| {
        let lines = modules.entry(module).or_default();
        lines.extend(exported.iter().map(|name| format!("pub use {name}")));
        lines.extend(public_of(code, exported));
    });
    let mut text = format!("lakegate-client {}\n", env!("CARGO_PKG_VERSION"));
    for (module, lines) in modules {
        text += &format!("\nlakegate_client{}{module}\n", if module.is_empty() { "" } else { "::" });
        lines.iter().for_each(|line| text += &format!("  {line}\n"));
    }
    text
}

/// Calls `see` with each file's module and text, and with what that module exports.
fn each_file(mut see: impl FnMut(&'static str, &str, &BTreeSet<String>)) {
    for (module, folder, list) in
        [("", "src", "src/lib.rs"), ("blocking", "src/blocking", "src/blocking/mod.rs")]
    {
        let exported = exported(&fs::read_to_string(root().join(list)).unwrap());
        assert!(!exported.is_empty());
        for file in files(&root().join(folder), module.is_empty()) {
            see(module, &fs::read_to_string(file).unwrap(), &exported);
        }
    }
}

/// The sources of one module: without `blocking` where it is not that.
fn files(folder: &Path, leaves_out_blocking: bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true if leaves_out_blocking && path.ends_with("blocking") => {}
            true => found.extend(files(&path, leaves_out_blocking)),
            false => found.push(path),
        }
    }
    found
}

/// The names behind `pub use`.
fn exported(code: &str) -> BTreeSet<String> {
    let uses = statements(code).into_iter().filter_map(|statement| {
        let line = one_line(&statement.code());
        line.strip_prefix("pub use ").map(|names| names.trim_end_matches(';').to_owned())
    });
    let names = uses.flat_map(|names| {
        let last = names.rsplit("::").next().unwrap().trim_matches(['{', '}', ' ']).to_owned();
        last.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>()
    });
    names.filter(|name| !name.is_empty()).collect()
}

/// What stands at the left edge of code, with what belongs to it.
struct Statement<'a> {
    /// Comments and attributes.
    before: Vec<&'a str>,
    lines: Vec<&'a str>,
}

/// Without tests, and without the comments of the file.
fn statements(code: &str) -> Vec<Statement<'_>> {
    let code = code.split("\n#[cfg(test)]").next().unwrap();
    let mut found: Vec<Statement<'_>> = Vec::new();
    let mut before = Vec::new();
    for line in code.lines().filter(|line| !line.is_empty() && !line.starts_with("//!")) {
        match found.last_mut() {
            _ if line.starts_with(['/', '#']) => before.push(line),
            Some(last) if line.starts_with([' ', '}', ')', '{']) || line.starts_with("where") => {
                last.lines.push(line);
            }
            _ => found.push(Statement { before: std::mem::take(&mut before), lines: vec![line] }),
        }
    }
    found
}

impl Statement<'_> {
    /// Without comments and attributes.
    fn code(&self) -> Vec<&str> {
        self.lines.iter().filter(|line| !line.trim_start().starts_with(['/', '#'])).copied().collect()
    }

    fn attributes(&self) -> String {
        let attributes =
            self.before.iter().filter(|line| line.starts_with("#[derive") || line.starts_with("#[non_"));
        attributes.map(|line| format!("{line} ")).collect()
    }
}

fn public_of(code: &str, exported: &BTreeSet<String>) -> BTreeSet<String> {
    let names_exported = |text: &str| names_any(text, exported);
    let mut found = BTreeSet::new();
    for statement in statements(code) {
        let lines = statement.code();
        let attributes = statement.attributes();
        let head = signature(&lines);
        if let Some(name) = lines[0].strip_prefix("macro_rules! ") {
            let name = name.trim_end_matches(" {");
            found.extend(functions(&lines).map(|line| format!("macro {name}: {line}")));
        } else if lines[0].split(' ').next().unwrap().ends_with('!') {
            found.insert(one_line(&lines));
        } else if head.starts_with("impl") && head.contains(" for ") {
            found.extend(names_exported(&head).then_some(head));
        } else if head.starts_with("impl") && names_exported(&head) {
            found.extend(functions(&lines).map(|line| format!("{head} {{ {line} }}")));
        } else if head.starts_with("pub struct ") && names_exported(&head) {
            let fields = lines.iter().map(|line| line.trim()).filter(|line| line.starts_with("pub ")).skip(1);
            let fields = fields.map(|field| field.trim_end_matches(',')).collect::<Vec<_>>().join(", ");
            found.insert(format!("{attributes}{} {{ {fields} }}", head.trim_end_matches(';')));
        } else if head.starts_with("pub ") && !head.starts_with("pub use ") && names_exported(&head) {
            found.insert(attributes + &one_line(&lines));
        }
    }
    found
}

fn names_any(text: &str, names: &BTreeSet<String>) -> bool {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').any(|word| names.contains(word))
}

/// What is public and shows nobody how it is used.
fn without_example(code: &str, exported: &BTreeSet<String>) -> Vec<String> {
    let is_example = |line: &&str| line.trim_start().starts_with("/// ```");
    let is_about = |line: &&&str| line.trim_start().starts_with(['/', '#']);
    let mut found = Vec::new();
    for Statement { before, lines } in statements(code) {
        let head = signature(&lines);
        let is_item = head.starts_with("pub ") && !head.starts_with("pub use ") && names_any(&head, exported);
        if is_item && !before.iter().any(is_example) {
            found.push(head.clone());
        }
        let is_macro = head.starts_with("macro_rules!");
        if !is_macro && (!head.starts_with("impl") || head.contains(" for ") || !names_any(&head, exported)) {
            continue;
        }
        for (at, line) in lines.iter().enumerate().filter(|(_, line)| is_function(line)) {
            let about = lines[..at].iter().rev().take_while(is_about);
            if !about.clone().any(is_example) {
                found.push(format!("{head} {}", line.trim()));
            }
        }
    }
    found
}

fn is_function(line: &str) -> bool {
    ["pub fn ", "pub async fn ", "pub const "].iter().any(|start| line.trim_start().starts_with(start))
}

/// The functions, constants and lines of macros that stand in a block.
fn functions<'a>(lines: &'a [&'a str]) -> impl Iterator<Item = String> + 'a {
    lines.iter().enumerate().skip(1).filter_map(|(at, line)| {
        let word = line.trim_start();
        let is_macro = line.starts_with("    ") && word.contains("_methods!(") || word.starts_with("add!(");
        let is_public =
            ["pub fn ", "pub async fn ", "pub const "].iter().any(|start| word.starts_with(start));
        (is_public || is_macro).then(|| signature(&lines[at..]))
    })
}

/// Up to the body.
fn signature(lines: &[&str]) -> String {
    let end = lines.iter().position(|line| line.ends_with([';', '{', '}'])).unwrap_or(lines.len() - 1);
    let text = one_line(&lines[..=end]);
    let text = text.trim_end_matches(" {");
    if text.contains("!(") { text.to_owned() } else { text.trim_end_matches(';').to_owned() }
}

fn one_line(lines: &[&str]) -> String {
    let text = lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    text.replace("( ", "(").replace(", )", ")").replace(" )", ")").replace(", }", " }")
}
