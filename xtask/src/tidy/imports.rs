//! Who may depend on whom, from `cargo metadata`.
//!
//! The table is ARCHITECTURE.md's picture, read from the bottom up: what stands below knows nothing of what stands
//! above. It binds normal and build dependencies. Dev-dependencies may also point at the mock, the seeded world and
//! the testkit, by path and without a version, so that a crate can be published before what tests it.

use super::report::Violation;
use anyhow::{Context, Result};
use serde_json::Value;

/// A crate and what it may import of ours.
struct Row(&'static str, &'static [&'static str]);

/// The import rules; a crate without a row is a violation.
const TABLE: &[Row] = &[
    Row("protocol", &[]),
    Row("runtime", &["protocol"]),
    Row("client", &["protocol", "runtime"]),
    Row("membership", &["protocol", "runtime", "client"]),
    Row("producer", &["protocol", "runtime", "client"]),
    Row("consumer", &["protocol", "runtime", "client", "membership"]),
    Row("admin", &["protocol", "runtime", "client"]),
    Row("broker-mock", &["protocol", "runtime"]),
    Row("sim", &["protocol", "runtime", "broker-mock"]),
    Row("handlers", &["protocol", "runtime", "client", "membership", "producer", "consumer"]),
    Row(
        "streams",
        &[
            CLIENTS[0],
            CLIENTS[1],
            CLIENTS[2],
            CLIENTS[3],
            CLIENTS[4],
            CLIENTS[5],
            CLIENTS[6],
            "broker-mock",
            "sim",
        ],
    ),
    Row(
        "connect",
        &[
            CLIENTS[0],
            CLIENTS[1],
            CLIENTS[2],
            CLIENTS[3],
            CLIENTS[4],
            CLIENTS[5],
            CLIENTS[6],
            "broker-mock",
            "sim",
        ],
    ),
    Row("", ANYTHING_PUBLISHED),
    Row("testkit", ANYTHING_PUBLISHED),
    Row("xtask", ANYTHING_PUBLISHED),
];

/// What streams and connect stand on.
const CLIENTS: [&str; 7] = ["protocol", "runtime", "client", "membership", "producer", "consumer", "admin"];

/// What the facade may re-export.
const ANYTHING_PUBLISHED: &[&str] = &["*"];

/// What only tests may import, besides the row.
const FOR_TESTS: &[&str] = &["broker-mock", "sim", "testkit"];

/// What nothing that is published may import.
const UNPUBLISHED: &[&str] = &["testkit", "bench", "xtask"];

/// Foreign crates that a crate of ours may not import.
const BANNED: &[(&str, &[&str])] = &[
    ("protocol", &["tokio", "tracing", "log", "futures-core", "futures-util", "async-trait", "rand"]),
    ("membership", &["tokio", "rand"]),
];

/// Features of tokio that the application picks, not a library.
const APPLICATION_FEATURES: &[&str] = &["full", "rt-multi-thread"];

/// Checks the output of `cargo metadata --no-deps`.
pub(crate) fn check(metadata: &Value) -> Result<Vec<Violation>> {
    let packages =
        metadata.get("packages").and_then(Value::as_array).context("cargo metadata lists no packages")?;
    let mut found = Vec::new();
    for package in packages {
        let name = text(package, "name");
        let publishes = package.get("publish").is_none_or(Value::is_null);
        let Some(Row(short, allowed)) = TABLE.iter().find(|Row(short, _)| short_name(name) == Some(*short))
        else {
            found.push(Violation::of(name, "has no row in the import table of xtask/src/tidy/imports.rs"));
            continue;
        };
        if publishes == UNPUBLISHED.contains(short) {
            found.push(Violation::of(name, "a crate is published unless it is a tool (`publish = false`)"));
        }
        for dependency in package.get("dependencies").and_then(Value::as_array).into_iter().flatten() {
            found
                .extend(problem(short, allowed, publishes, dependency).map(|text| Violation::of(name, text)));
        }
    }
    Ok(found)
}

/// What is wrong with one dependency.
fn problem(short: &str, allowed: &[&str], publishes: bool, dependency: &Value) -> Option<String> {
    let (name, for_tests) = (text(dependency, "name"), text(dependency, "kind") == "dev");
    let Some(import) = short_name(name) else { return foreign_problem(short, for_tests, dependency) };
    if for_tests && FOR_TESTS.contains(&import) {
        let bare = text(dependency, "req") == "*";
        return (publishes && !bare)
            .then(|| format!("dev-dependency on {name} carries a version: give the path alone"));
    }
    if publishes && UNPUBLISHED.contains(&import) {
        return Some(format!("is published and may not import {name}"));
    }
    // A crate's tests may ask for features of the crate itself.
    let fits = allowed.contains(&import) || allowed == ANYTHING_PUBLISHED || (for_tests && import == short);
    (!fits).then(|| format!("may not import {name}"))
}

/// What is wrong with a dependency on somebody else's crate.
fn foreign_problem(short: &str, for_tests: bool, dependency: &Value) -> Option<String> {
    let name = text(dependency, "name");
    if for_tests {
        return None;
    }
    if BANNED.iter().any(|(of, names)| *of == short && names.contains(&name)) {
        return Some(format!("may not import {name}"));
    }
    let features = dependency.get("features").and_then(Value::as_array).into_iter().flatten();
    let picked = features.filter_map(Value::as_str).find(|feature| APPLICATION_FEATURES.contains(feature))?;
    // The mock is a program too, and a tool picks for itself.
    let picks = matches!(short, "broker-mock" | "testkit" | "xtask");
    (name == "tokio" && !picks).then(|| format!("asks tokio for `{picked}`, which the application picks"))
}

/// `courant-client` is `client`, the facade is the empty name, anything else is not ours.
fn short_name(name: &str) -> Option<&str> {
    match name.strip_prefix("courant")? {
        "" => Some(""),
        rest => rest.strip_prefix('-'),
    }
}

/// A field of a JSON object, or nothing.
fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn texts(name: &str, publish: Value, dependencies: Value) -> Result<Vec<String>> {
        let metadata =
            json!({"packages": [{"name": name, "publish": publish, "dependencies": dependencies}]});
        Ok(check(&metadata)?.into_iter().map(|violation| violation.to_string()).collect())
    }

    fn on(name: &str, kind: Value, req: &str) -> Value {
        json!([{"name": name, "kind": kind, "req": req, "features": []}])
    }

    #[test]
    fn an_import_against_the_table_is_found() -> Result<()> {
        let against = on("courant-consumer", Value::Null, "^0.1.0");
        assert_eq!(
            texts("courant-producer", Value::Null, against)?,
            ["courant-producer: may not import courant-consumer"]
        );
        assert_eq!(
            texts("courant-producer", Value::Null, on("courant-client", Value::Null, "^0.1.0"))?,
            [""; 0]
        );
        assert_eq!(
            texts("courant-producer", Value::Null, on("courant-consumer", json!("dev"), "*"))?.len(),
            1
        );
        assert_eq!(
            texts("courant-client", Value::Null, on("courant-broker-mock", json!("build"), "*"))?.len(),
            1
        );
        Ok(())
    }

    #[test]
    fn tests_may_import_the_mock_by_path_alone() -> Result<()> {
        assert_eq!(
            texts("courant-client", Value::Null, on("courant-broker-mock", json!("dev"), "*"))?,
            [""; 0]
        );
        assert_eq!(
            texts("courant-client", Value::Null, on("courant-sim", json!("dev"), "^0.1.0"))?,
            ["courant-client: dev-dependency on courant-sim carries a version: give the path alone"]
        );
        Ok(())
    }

    #[test]
    fn nothing_published_imports_the_tools_and_no_tool_is_published() -> Result<()> {
        let found = texts("courant", Value::Null, on("courant-testkit", Value::Null, "*"))?;
        assert_eq!(found, ["courant: is published and may not import courant-testkit"]);
        assert_eq!(texts("courant-xtask", Value::Null, json!([]))?.len(), 1);
        assert_eq!(texts("courant-testkit", json!([]), on("courant-producer", Value::Null, "*"))?, [""; 0]);
        Ok(())
    }

    #[test]
    fn the_wire_format_has_no_runtime_and_libraries_pick_no_scheduler() -> Result<()> {
        assert_eq!(texts("courant-protocol", Value::Null, on("tokio", Value::Null, "^1"))?.len(), 1);
        let full = json!([{"name": "tokio", "kind": null, "req": "^1", "features": ["rt-multi-thread"]}]);
        assert_eq!(
            texts("courant-client", Value::Null, full)?,
            ["courant-client: asks tokio for `rt-multi-thread`, which the application picks"]
        );
        Ok(())
    }

    #[test]
    fn a_crate_without_a_row_is_found() -> Result<()> {
        assert_eq!(texts("courant-common", Value::Null, json!([]))?.len(), 1);
        Ok(())
    }
}
