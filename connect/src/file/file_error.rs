//! What the file system says, with the name of the file.
use std::io;
use std::path::Path;

use crate::error::Error;

/// An error of the file system about a file; its kind decides whether trying again makes sense.
pub(super) fn file_error(what: &str, path: &Path, error: io::Error) -> Error {
    let kind = Error::from(io::Error::from(error.kind())).kind();
    let full = error.kind() == io::ErrorKind::StorageFull;
    let named = Error::new(kind, format!("cannot {what} {}", path.display())).because(error);
    if full { named.hinting("make room on the disk") } else { named }
}
