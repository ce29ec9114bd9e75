//! What an administrator asks of one config, and what becomes of its value.
use courant_protocol::error_code::ErrorCode;

use super::kind::Kind;
use super::row::Row;

/// Why a config cannot be changed: the error and the words that go with it.
pub(crate) type Refused = (ErrorCode, String);

/// One operation of KIP-339.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change<'a> {
    Set(&'a str),
    Delete,
    Append(&'a str),
    Subtract(&'a str),
}

impl<'a> Change<'a> {
    /// The operation of that number; all but a deletion need a value.
    pub(crate) fn from_wire(name: &str, operation: i8, value: Option<&'a str>) -> Result<Self, Refused> {
        let null = || (ErrorCode::INVALID_REQUEST, format!("Null value not supported for : {name}"));
        match (operation, value) {
            (1, _) => Ok(Self::Delete),
            (_, None) => Err(null()),
            (0, Some(value)) => Ok(Self::Set(value)),
            (2, Some(value)) => Ok(Self::Append(value)),
            (3, Some(value)) => Ok(Self::Subtract(value)),
            _ => Err((ErrorCode::INVALID_REQUEST, format!("Unknown operations type {operation}"))),
        }
    }

    /// The value that follows from the one that was set, or else from the one in force; `None` takes it back.
    pub(super) fn applied(
        self,
        row: &Row,
        set: Option<&str>,
        in_force: &str,
    ) -> Result<Option<String>, Refused> {
        let (operation, operand) = match self {
            Self::Set(value) => return Ok(Some(value.to_owned())),
            Self::Delete => return Ok(None),
            Self::Append(value) => ("APPEND", value),
            Self::Subtract(value) => ("SUBTRACT", value),
        };
        if row.kind != Kind::List {
            let name = row.name;
            let message = format!("Can't {operation} to key {name} because its type is not LIST.");
            return Err((ErrorCode::INVALID_CONFIG, message));
        }
        let parts = |list: &'_ str| -> Vec<String> {
            list.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect()
        };
        let mut list = parts(set.unwrap_or(in_force));
        for part in parts(operand) {
            match self {
                Self::Append(_) if list.contains(&part) => {}
                Self::Append(_) => list.push(part),
                _ => list.retain(|held| *held != part),
            }
        }
        Ok(Some(list.join(",")))
    }
}
