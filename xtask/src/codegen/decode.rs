//! Writes the body of a `decode` function: one statement per field, in the order of the table.
use std::fmt::Write as _;

use anyhow::{Context, Result};

use super::encode::{Nullable, method, null_condition, rust_name};
use super::names;
use super::schema::{Field, Kind, Side, Struct, Versions};

/// The statements that read every field of `one` into `out`, and its tagged fields.
pub(crate) fn body(side: &Side, one: &Struct) -> Result<String> {
    let mut out = "let mut out = Self::default();\n".to_owned();
    for field in one.fields.iter().filter(|field| field.tag.is_none()) {
        let seen = field.versions.intersection(one.versions).context("a field of no version")?;
        let read = assignment(side, field, seen)?;
        match field.versions.condition(one.versions) {
            Some(condition) => writeln!(out, "if {condition} {{\n{read}}}")?,
            None => out.push_str(&read),
        }
    }
    out.push_str(&tags(side, one)?);
    out.push_str("Ok(out)\n");
    Ok(out)
}

/// The statement that reads one field, and what refuses a null that the version does not know.
fn assignment(side: &Side, field: &Field, seen: Versions) -> Result<String> {
    let me = names::field(&field.name);
    let value = expression(side, field, seen)?;
    let read = format!("out.{me} = {value};\n");
    Ok(match null_condition(field, seen) {
        Nullable::Always => read,
        Nullable::Never => format!("{read}r.present(out.{me}.as_ref())?;\n"),
        Nullable::Unless(condition) => {
            format!("{read}if {condition} {{\nr.present(out.{me}.as_ref())?;\n}}\n")
        }
    })
}

/// Rust text of a field's value.
fn expression(side: &Side, field: &Field, seen: Versions) -> Result<String> {
    let flexible = side.flexible_in(seen);
    let nullable = if field.is_option() { "nullable_" } else { "" };
    Ok(match &field.kind {
        Kind::String => format!("r.{nullable}string({flexible})?"),
        Kind::Bytes => format!("r.{nullable}bytes({flexible})?"),
        Kind::Records => format!("r.records({flexible})?"),
        Kind::Struct(name) if field.is_option() => {
            format!("r.nullable_struct(version, {}::decode)?", rust_name(side, name)?)
        }
        Kind::Struct(name) => format!("{}::decode(r, version)?", rust_name(side, name)?),
        Kind::Array(element) => {
            let min_size = side.min_size(element, seen);
            let element = element_reader(side, element, &flexible)?;
            format!("r.{nullable}array({flexible}, {min_size}, version, {element})?")
        }
        primitive => format!("r.{}()?", method(primitive)?),
    })
}

/// Rust text of what reads an element of an array.
fn element_reader(side: &Side, element: &Kind, flexible: &str) -> Result<String> {
    let version = if flexible.contains("version") { "version" } else { "_" };
    Ok(match element {
        Kind::Struct(name) => format!("{}::decode", rust_name(side, name)?),
        Kind::String => format!("|r, {version}| r.string({flexible})"),
        Kind::Bytes => format!("|r, {version}| r.bytes({flexible})"),
        primitive => format!("|r, _| r.{}()", method(primitive)?),
    })
}

/// The tagged fields that the tables know; others are skipped.
fn tags(side: &Side, one: &Struct) -> Result<String> {
    let Some(first) = side.flexible.filter(|first| *first <= one.versions.max) else {
        return Ok(String::new());
    };
    let flexible = Versions { min: first, max: i16::MAX };
    let within = flexible.intersection(one.versions).unwrap_or(one.versions);
    let mut arms = String::new();
    for field in &one.fields {
        let Some(tag) = field.tag else { continue };
        let seen = field.versions.intersection(one.versions).context("a field of no version")?;
        let guard = seen.condition(within).map(|condition| format!(" if {condition}")).unwrap_or_default();
        writeln!(arms, "{tag}{guard} => {{\n{}}}", assignment(side, field, seen)?)?;
    }
    let read = if arms.is_empty() {
        "r.skip_tags()?;\n".to_owned()
    } else {
        format!("r.tags(|r, tag| {{\nmatch tag {{\n{arms}_ => return Ok(false),\n}}\nOk(true)\n}})?;\n")
    };
    Ok(match flexible.condition(one.versions) {
        Some(condition) => format!("if {condition} {{\n{read}}}\n"),
        None => read,
    })
}
