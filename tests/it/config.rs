//! The configuration as an operator meets it: defaults, environment, paths, and what is said about a bad value.
//!
//! The environment belongs to the whole process, so what depends on it runs the program itself.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use lakegate::config::{Config, IssuerConfig, parse_duration, parse_size};
use lakegate::policy::principal::Principal;
use serde_json::Value;

fn load(text: &str) -> Result<(Config, tempfile::TempDir), String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lakegate.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(Some(&path)).map(|config| (config, dir)).map_err(|error| error.to_string())
}

#[test]
fn an_empty_file_gives_the_defaults_with_absolute_paths() {
    let (config, dir) = load("").unwrap();
    let dir = dir.path().display();
    assert_eq!(config.server.http.to_string(), "127.0.0.1:8080");
    assert_eq!(config.store.url, format!("sqlite://{dir}/lakegate.db"));
    assert_eq!(config.lake.root, format!("file://{dir}/lake"));
    assert!(
        config.auth.administrators.is_empty() && config.auth.issuers.is_empty() && !config.auth.local_issuer
    );
    assert_eq!(config.limits.memory, 512 << 20);
    assert_eq!(config.limits.ingest_memory, 128 << 20);
    assert_eq!(config.limits.batch_size, 8192);
    assert!(!config.limits.pushdown_filters);
}

#[test]
fn relative_paths_are_from_the_files_folder_and_absolute_ones_stay() {
    let (config, dir) = load(
        "store.url = 'sqlite://data/p.db?mode=rwc'\nlake.root = 'file:///srv/lake'\n[auth]\nlocal_issuer = true\n\
         administrators = ['user:admin', 'group:ops']\n[[auth.issuers]]\nissuer = 'corp'\naudience = 'x'\njwks_file = 'k.json'",
    )
    .unwrap();
    assert_eq!(config.store.url, format!("sqlite://{}/data/p.db?mode=rwc", dir.path().display()));
    assert_eq!(config.lake.root, "file:///srv/lake");
    assert_eq!(config.auth.signing_key.as_deref(), Some(dir.path().join("signing-key.pem").as_path()));
    assert_eq!(config.auth.issuers[0].jwks_file.as_deref(), Some(dir.path().join("k.json").as_path()));
    assert_eq!(config.auth.issuers[0].audience, ["x"]);
    assert_eq!(config.auth.administrators, [Principal::User("admin".into()), Principal::Group("ops".into())]);
}

#[test]
fn a_bad_value_is_told_with_its_key_and_the_reason() {
    let issuer = |line: &str| format!("[[auth.issuers]]\nissuer = 'https://a'\naudience = 'x'\n{line}");
    for (text, expected) in [
        (
            "limits.memory = '12 parsecs'".to_owned(),
            "`limits.memory`: `12 parsecs` is not a size: write bytes or `512MiB`",
        ),
        ("limits.memory = -1".into(), "`limits.memory`: `-1` is not a size"),
        ("limits.memory = 0".into(), "`limits.memory`: must be more than 0"),
        ("limits.query_timeout = 'soon'".into(), "`limits.query_timeout`: `soon` is not a span of time"),
        (
            "limits.batch_size = 'many'".into(),
            "`limits.batch_size`: text is not what belongs here: write a whole number",
        ),
        (
            "limits.pushdown_filters = 'perhaps'".into(),
            "`limits.pushdown_filters`: text is not what belongs here: write true or false",
        ),
        ("limits.memroy = 1".into(), "`limits.memroy`: there is no such key; known here: `memory`"),
        ("servre.http = 1".into(), "`servre`: there is no such key; known here: `server`"),
        ("server = 5".into(), "`server`: a number is not what belongs here: write a table of keys"),
        (
            "server.http = 'localhost'".into(),
            "`server.http`: `localhost` is not an address: write an IP and a port",
        ),
        (
            "store.url = 'mysql://root:hunter2@db/x'".into(),
            "`store.url`: an address that starts with `mysql://` cannot",
        ),
        ("store.url = 'hunter2'".into(), "`store.url`: has no scheme"),
        ("lake.root = '/data'".into(), "`lake.root`: is not a place for tables"),
        ("lake.endpoint = 'http://minio:9000'".into(), "`lake.endpoint`: has no TLS"),
        ("auth.administrators = ['admin']".into(), "`auth.administrators.0`: `admin` is not a principal"),
        ("[[auth.issuers]]\naudience = 'x'".into(), "`auth.issuers.0.issuer`: must be set"),
        ("[[auth.issuers]]\nissuer = 'https://a'".into(), "`auth.issuers.0.audience`: must be set"),
        (
            issuer("algorithms = ['HS256']"),
            "`auth.issuers.0.algorithms.0`: `HS256` is not accepted; write one of `RS256`",
        ),
        (issuer("algorithms = ['none']"), "`none` is not accepted"),
        (issuer("algorithms = []"), "`auth.issuers.0.algorithms`: must name at least one"),
        (issuer("leeway = '1h'"), "`auth.issuers.0.leeway`: must be 5 minutes at most"),
        (
            issuer("jwks_url = 'https://b'\njwks_file = 'c'"),
            "set one of `discovery_url`, `jwks_url` and `jwks_file`",
        ),
        (
            issuer("[[auth.issuers]]\nissuer = 'https://a'\naudience = 'y'"),
            "`auth.issuers.1.issuer`: `https://a` is configured twice",
        ),
        ("[[auth.issuers]]\nissuer = 'lakegate:local'\naudience = 'x'".into(), "local issuer's own name"),
        (
            "[[auth.issuers]]\nissuer = 'corp'\naudience = 'x'".into(),
            "`auth.issuers.0.issuer`: `corp` is not a URL",
        ),
        ("a = 1\nstore.url = 'postgres://u:hunter2@h".into(), "line 2, column"),
    ] {
        let error = load(&text).err().unwrap_or_else(|| panic!("accepted: {text}"));
        assert!(error.contains(expected), "{text}\n  said: {error}\n  not:  {expected}");
        assert!(!error.contains("hunter2"), "a password is told: {error}");
    }
}

#[test]
fn secrets_stay_out_of_debug() {
    let (config, _dir) = load("store.url = 'postgres://u:hunter2@h/d'").unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn sizes_and_spans_have_one_grammar() {
    for (text, bytes) in [("1", 1), ("2KiB", 2048), ("512 MiB", 512 << 20), ("1gb", 1_000_000_000)] {
        assert_eq!(parse_size(text), Ok(bytes));
    }
    for (text, seconds) in [("90", 90), ("30m", 1800), ("8h", 28_800), ("7d", 604_800)] {
        assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)));
    }
    for text in ["", "h", "-1h", "1.5h", "8 hours", "99999999999999999999", "18446744073709551615d"] {
        assert!(parse_duration(text).is_err(), "{text}");
        assert!(parse_size(text).is_err(), "{text}");
    }
}

/// Every key that can be written is in the operator's document, by its full name.
#[test]
fn the_document_names_every_key() {
    let document =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CONFIGURATION.md")).unwrap();
    let mut keys = Vec::new();
    collect("", &serde_json::to_value(Config::default()).unwrap(), &mut keys);
    collect("auth.issuers", &serde_json::to_value(IssuerConfig::default()).unwrap(), &mut keys);
    assert!(keys.len() > 30, "{keys:?}");
    let missing: Vec<_> = keys.iter().filter(|key| !document.contains(&format!("`{key}`"))).collect();
    assert!(missing.is_empty(), "docs/CONFIGURATION.md lacks {missing:?}");
}

fn collect(prefix: &str, value: &Value, keys: &mut Vec<String>) {
    let Value::Object(fields) = value else { return keys.push(prefix.to_owned()) };
    for (name, value) in fields {
        collect(&if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") }, value, keys);
    }
}

fn lakegate(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lakegate"));
    command.current_dir(dir).env_remove("LAKEGATE_CONFIG");
    command
}

fn outcome(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn init_lays_out_a_folder_that_token_works_on() {
    let dir = tempfile::tempdir().unwrap();
    let (code, out, err) = outcome(lakegate(dir.path()).args(["init", "--dir", "gate"]));
    assert_eq!((code, out.as_str()), (Some(0), ""), "{err}");
    let gate = dir.path().join("gate");
    let config = Config::load(Some(&gate.join("lakegate.toml"))).unwrap();
    assert_eq!(config.auth.administrators, [Principal::User("admin".into())]);
    assert!(gate.join("lake").is_dir());
    let (code, _, err) = outcome(lakegate(dir.path()).args(["init", "--dir", "gate"]));
    assert_eq!(code, Some(1), "a configuration is never written over");
    assert!(err.starts_with("error: ") && err.contains("exists already"), "{err}");

    // The three ways to the configuration: the option, the folder, the environment.
    let token = ["token", "--user", "bo", "--group", "ops", "--attr", "level=3", "--ttl", "30m"];
    for command in [
        lakegate(dir.path()).args(token).args(["--config", "gate/lakegate.toml"]),
        lakegate(&gate).args(token),
        lakegate(dir.path()).args(token).env("LAKEGATE_CONFIG", gate.join("lakegate.toml")),
    ] {
        let (code, out, err) = outcome(command);
        assert_eq!((code, err.as_str()), (Some(0), ""));
        assert_eq!(out.trim_end().split('.').count(), 3);
        assert_eq!(out.lines().count(), 1);
    }
}

#[test]
fn the_environment_goes_over_the_file_and_mistakes_have_exit_codes() {
    let dir = tempfile::tempdir().unwrap();
    let (code, _, err) = outcome(lakegate(dir.path()).args(["token", "--user", "bo"]));
    assert_eq!(code, Some(1));
    assert!(err.contains("lakegate init"), "{err}");
    let (code, _, err) =
        outcome(lakegate(dir.path()).args(["token", "--user", "bo", "--config", "none.toml"]));
    assert_eq!(code, Some(1));
    assert!(err.contains("`none.toml`"), "{err}");
    assert_eq!(outcome(lakegate(dir.path()).args(["init", "--dir", "."])).0, Some(0));
    for (key, value, expected) in [
        ("LAKEGATE__LIMITS__MEMORY", "12 parsecs", "`limits.memory`: `12 parsecs` is not a size"),
        ("LAKEGATE__SERVER__HTTP", "nowhere", "`server.http`: `nowhere` is not an address"),
        ("LAKEGATE__AUTH__LOCAL_ISSUER", "false", "the local issuer is off"),
        ("LAKEGATE__AUTH__SIGNING_KEY", "other.pem", "other.pem"),
        ("LAKEGATE__STORE", "postgres://u:hunter2@h/d", "`store`: text is not what belongs here"),
    ] {
        let (code, out, err) = outcome(lakegate(dir.path()).args(["token", "--user", "bo"]).env(key, value));
        assert_eq!((code, out.as_str()), (Some(1), ""), "{key}");
        assert!(err.contains(expected) && !err.contains("hunter2"), "{err}");
    }
    assert_eq!(outcome(lakegate(dir.path()).args(["token", "--user", "bo", "--ttl", "soon"])).0, Some(2));
    assert_eq!(outcome(&mut lakegate(dir.path())).0, Some(2));
}
