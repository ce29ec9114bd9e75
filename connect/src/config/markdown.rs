//! The properties of a connector as a table for its documentation.
use std::fmt::Write;

use super::describe;
use crate::Config;

/// The properties of a configuration as a Markdown table: name, what it takes, default, what it is for.
pub fn markdown<C: Config>() -> String {
    let mut table = "| property | takes | default | |\n|---|---|---|---|\n".to_owned();
    for property in describe::<C>() {
        let default = match (property.default_value(), property.is_required()) {
            (Some(default), _) => format!("`{default}`"),
            (None, true) => "(required)".to_owned(),
            (None, false) => String::new(),
        };
        // Writing to a text does not fail.
        let _ = writeln!(
            table,
            "| `{}` | {} | {default} | {} |",
            property.name(),
            property.takes(),
            property.doc().replace('|', "\\|")
        );
    }
    table
}
