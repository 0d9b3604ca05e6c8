//! What the demo says when it is ready: commands to paste, one question with three answers.
//!
//! Only text: it starts nothing and reads nothing. The users are those of `policies/demo.yaml`.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

/// A user of the demo, and what the policy grants them.
struct User {
    name: &'static str,
    sees: &'static str,
}

const USERS: [User; 3] = [
    User { name: "ana", sees: "everything" },
    User {
        name: "bo",
        sees: "all customers, but phone and balance only of those in BUILDING; the pressing orders",
    },
    User { name: "eve", sees: "three columns of the customers, and no orders" },
];

/// A question whose answers have other columns and cells for each user.
const QUESTION: &str = "SELECT * FROM tpch.customer ORDER BY c_custkey LIMIT 5";

/// A question whose answers count other rows.
const COUNT: &str = "SELECT count(*) FROM tpch.orders";

/// The commands, ready to be pasted into a shell in the folder where the demo was started.
pub fn text(program: &Path, config: &Path, http: SocketAddr) -> String {
    let (program, config) = (quoted(&program.to_string_lossy()), quoted(&config.to_string_lossy()));
    let url = format!("http://{http}");
    let mut text =
        String::from("\nThe same questions, asked by three users. Paste them into another terminal:\n");
    for user in USERS {
        let body = quoted(&serde_json::json!({ "sql": COUNT }).to_string());
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\n# {name} sees {sees}\n\
             export LAKEGATE_TOKEN=$({program} token --config {config} --user {name})\n\
             {program} sql --url {url} -c {question}\n\
             curl -sS {url}/v1/sql -H \"authorization: Bearer $LAKEGATE_TOKEN\" \\\n  \
               -H 'content-type: application/json' -d {body}\n",
            name = user.name,
            sees = user.sees,
            question = quoted(QUESTION),
        );
    }
    text
}

/// A word as a POSIX shell reads it back.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(config: &str) -> String {
        text(Path::new("lakegate"), Path::new(config), SocketAddr::from(([127, 0, 0, 1], 8080)))
    }

    #[test]
    fn every_user_gets_a_token_and_both_ways_to_ask() {
        let text = example("demo/lakegate.toml");
        for user in ["ana", "bo", "eve"] {
            let token = format!("$(lakegate token --config demo/lakegate.toml --user {user}");
            assert_eq!(text.matches(&token).count(), 1, "{text}");
        }
        assert_eq!(text.matches("lakegate sql --url http://127.0.0.1:8080 -c 'SELECT *").count(), 3);
        assert_eq!(text.matches("curl -sS http://127.0.0.1:8080/v1/sql").count(), 3);
    }

    /// Pasting is what the text is for, so a shell reads it here.
    #[test]
    fn a_shell_reads_each_command_as_it_is_meant() {
        let script = format!(
            "lakegate() {{ printf '[%s]' \"$@\"; echo; }}\ncurl() {{ printf '<%s>' \"$@\"; echo; }}\n{}",
            example("it's a demo/lakegate.toml").split_once('#').unwrap().1.split_once('\n').unwrap().1
        );
        let output = std::process::Command::new("sh").args(["-eu", "-c", &script]).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains(&format!("[sql][--url][http://127.0.0.1:8080][-c][{QUESTION}]")), "{said}");
        assert!(said.contains(&format!("<{{\"sql\":\"{COUNT}\"}}>")), "{said}");
        assert!(said.contains("[token][--config][it's a demo/lakegate.toml][--user][ana]"), "{said}");
    }
}
