//! Writes the body of an `encode` function: one statement per field, in the order of the table.
use std::fmt::Write as _;

use anyhow::{Context, Result, ensure};

use super::names;
use super::schema::{Field, Kind, Side, Struct, Versions};
use super::types::is_set;

/// The statements that write every field of `one`, and its tagged fields.
pub(crate) fn body(side: &Side, one: &Struct) -> Result<String> {
    let mut out = String::new();
    for field in one.fields.iter().filter(|field| field.tag.is_none()) {
        let seen = field.versions.intersection(one.versions).context("a field of no version")?;
        let write = null_check(field, seen) + &statement(side, field, seen)?;
        out.push_str(&guarded(side, one, field, &write)?);
    }
    out.push_str(&tags(side, one)?);
    Ok(out)
}

/// The statement, under the condition that the version has the field; a field that is set and cannot be carried
/// is an error unless it is ignorable.
fn guarded(side: &Side, one: &Struct, field: &Field, write: &str) -> Result<String> {
    let Some(condition) = field.versions.condition(one.versions) else { return Ok(write.to_owned()) };
    let mut out = format!("if {condition} {{\n{write}}}");
    if !field.ignorable {
        write!(out, " else if {} {{\n{}}}", is_set(side, field)?, unsupported(field))?;
    }
    out.push('\n');
    Ok(out)
}

fn unsupported(field: &Field) -> String {
    format!("return Err(EncodeError::UnsupportedField {{ field: {:?}, version }});\n", field.name)
}

/// What refuses null in the versions that do not know it.
fn null_check(field: &Field, seen: Versions) -> String {
    let me = names::field(&field.name);
    let refuse = format!("return Err(EncodeError::UnexpectedNull {{ field: {:?}, version }});\n", field.name);
    match null_condition(field, seen) {
        Nullable::Always => String::new(),
        Nullable::Never => format!("if self.{me}.is_none() {{\n{refuse}}}\n"),
        Nullable::Unless(condition) => format!("if self.{me}.is_none() && {condition} {{\n{refuse}}}\n"),
    }
}

/// In which of the versions `seen` a field may be null.
pub(crate) enum Nullable {
    Always,
    Never,
    /// Always but under this condition.
    Unless(String),
}

pub(crate) fn null_condition(field: &Field, seen: Versions) -> Nullable {
    match field.nullable.map(|nullable| nullable.intersection(seen)) {
        None if field.kind != Kind::Records => Nullable::Always,
        None | Some(None) => Nullable::Never,
        Some(Some(nullable)) => nullable.outside(seen).map_or(Nullable::Always, Nullable::Unless),
    }
}

/// The statement that writes one field.
fn statement(side: &Side, field: &Field, seen: Versions) -> Result<String> {
    let me = format!("self.{}", names::field(&field.name));
    let flexible = side.flexible_in(seen);
    let option = field.is_option();
    Ok(match &field.kind {
        Kind::String if option => format!("w.nullable_string({me}.as_ref(), {flexible})?;\n"),
        Kind::String => format!("w.string(&{me}, {flexible})?;\n"),
        Kind::Bytes if option => format!("w.nullable_bytes({me}.as_ref(), {flexible})?;\n"),
        Kind::Bytes => format!("w.bytes(&{me}, {flexible})?;\n"),
        Kind::Records => format!("w.records({me}.as_ref(), {flexible})?;\n"),
        Kind::Struct(name) if option => {
            let all = matches!(null_condition(field, seen), Nullable::Always);
            ensure!(all, "{}: nullable in some versions only", field.name);
            format!("w.nullable_struct({me}.as_ref(), version, {}::encode)?;\n", rust_name(side, name)?)
        }
        Kind::Struct(_) => format!("{me}.encode(w, version)?;\n"),
        Kind::Array(element) => {
            let element = element_writer(side, element, &flexible)?;
            if option {
                format!("w.nullable_array({me}.as_deref(), {flexible}, version, {element})?;\n")
            } else {
                format!("w.array(&{me}, {flexible}, version, {element})?;\n")
            }
        }
        primitive => {
            ensure!(!option, "{}: a number cannot be null", field.name);
            format!("w.{}({me});\n", method(primitive)?)
        }
    })
}

/// Rust text of what writes an element of an array.
fn element_writer(side: &Side, element: &Kind, flexible: &str) -> Result<String> {
    let version = if flexible.contains("version") { "version" } else { "_" };
    Ok(match element {
        Kind::Struct(name) => format!("{}::encode", rust_name(side, name)?),
        Kind::String => format!("|x, w, {version}| w.string(x, {flexible})"),
        Kind::Bytes => format!("|x, w, {version}| w.bytes(x, {flexible})"),
        primitive => format!("|x, w, _| {{ w.{}(*x); Ok(()) }}", method(primitive)?),
    })
}

/// The tagged fields: how many are set, then each that is.
fn tags(side: &Side, one: &Struct) -> Result<String> {
    let Some(first) = side.flexible.filter(|first| *first <= one.versions.max) else {
        return Ok(String::new());
    };
    let mut tagged: Vec<&Field> = one.fields.iter().filter(|field| field.tag.is_some()).collect();
    tagged.sort_by_key(|field| field.tag);
    let flexible = Versions { min: first, max: i16::MAX };
    let (mut out, mut count, mut writes) = (String::new(), Vec::new(), String::new());
    for field in &tagged {
        let set = is_set(side, field)?;
        let seen = field.versions.intersection(one.versions).context("a field of no version")?;
        ensure!(seen.min >= first, "{}: a tagged field in versions that have no tags", field.name);
        let within = flexible.intersection(one.versions).unwrap_or(one.versions);
        let condition = match seen.condition(within) {
            Some(condition) => format!("{condition} && {set}"),
            None => set.clone(),
        };
        count.push(format!("u32::from({condition})"));
        let write = statement(side, field, seen)?;
        let write = write.trim_end_matches([';', '\n']);
        let value = match write.strip_suffix('?') {
            Some(fallible) => fallible.to_owned(),
            None => format!("{{ {write}; Ok(()) }}"),
        };
        let tag = field.tag.unwrap_or_default();
        writeln!(writes, "if {condition} {{\nw.tag({tag}, |w| {value})?;\n}}")?;
        if !field.ignorable
            && let Some(condition) = seen.outside(one.versions)
        {
            writeln!(out, "if {set} && {condition} {{\n{}}}", unsupported(field))?;
        }
    }
    let count = if count.is_empty() { "0".to_owned() } else { count.join(" + ") };
    let all = format!("w.unsigned_varint({count});\n{writes}");
    match flexible.condition(one.versions) {
        Some(condition) => writeln!(out, "if {condition} {{\n{all}}}")?,
        None => out.push_str(&all),
    }
    Ok(out)
}

pub(crate) fn rust_name<'a>(side: &'a Side, name: &str) -> Result<&'a str> {
    Ok(&side.find(name).with_context(|| format!("no struct {name}"))?.rust_name)
}

/// The method of `Reader` and `Writer` for a type of fixed size.
// tidy: one match
pub(crate) fn method(kind: &Kind) -> Result<&'static str> {
    Ok(match kind {
        Kind::Bool => "bool",
        Kind::I8 => "i8",
        Kind::I16 => "i16",
        Kind::U16 => "u16",
        Kind::I32 => "i32",
        Kind::U32 => "u32",
        Kind::I64 => "i64",
        Kind::F64 => "f64",
        Kind::Uuid => "uuid",
        other => anyhow::bail!("{other:?} has no fixed size"),
    })
}
