//! The published description of the API is the one that the server gives.

use std::path::Path;

use lakegate::serve::http::document;

/// `LAKEGATE_UPDATE=1 cargo test` writes the file anew.
#[test]
fn the_published_description_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let current = document().to_pretty_json().unwrap() + "\n";
    if std::env::var_os("LAKEGATE_UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &current).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap();
    assert!(
        published == current,
        "docs/openapi.json differs; run the test with LAKEGATE_UPDATE=1 and read the difference"
    );
}

#[test]
fn every_route_is_described_with_its_failures() {
    let document = serde_json::to_value(document()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    for path in [
        "/v1/sql",
        "/v1/databases/{database}",
        "/v1/tables/{database}/{table}",
        "/v1/tables/{database}/{table}/rows",
        "/v1/roles",
        "/v1/grants/{id}",
        "/v1/filters/{filter}",
        "/v1/restrictions/{restriction}",
        "/v1/tags/{tag}",
        "/v1/tag-assignments/{object}",
        "/v1/proposals/{object}/accept",
        "/v1/views/{database}/{view}",
        "/v1/policy/plan",
        "/v1/policy/apply",
        "/v1/policy/export",
        "/v1/policy/lint",
        "/v1/policy/test",
        "/v1/access/explain",
        "/v1/access/matrix",
        "/v1/audit",
        "/v1/me",
    ] {
        assert!(paths.contains_key(path), "{path}");
    }
    for (path, methods) in
        paths.iter().filter(|(path, _)| path.starts_with("/v1/") && *path != "/v1/openapi.json")
    {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(operation["responses"]["default"].is_object(), "{method} {path}");
        }
    }
    let formats = document["paths"]["/v1/sql"]["post"]["responses"]["200"]["content"].as_object().unwrap();
    assert_eq!(formats.len(), 5);
}
