//! Every file opens with a module doc; `lib.rs` and `mod.rs` hold docs, modules and re-exports only.

use super::report::Violation;
use super::source::Source;

/// Checks one file.
pub(crate) fn check(source: &Source) -> Vec<Violation> {
    let mut found = Vec::new();
    let first = source.text.lines().find(|line| !line.trim().is_empty() && !line.starts_with("#!/"));
    if !first.is_some_and(|line| line.starts_with("//!")) {
        found.push(Violation::at(&source.path, 1, "opens without a module doc (`//! …`)"));
    }
    let name = source.path.rsplit('/').next().unwrap_or_default();
    if matches!(name, "lib.rs" | "mod.rs")
        && let Some(file) = source.product()
    {
        found.extend(file.items.iter().filter(|item| !declares(item)).map(|item| {
            let line = syn::spanned::Spanned::span(item).start().line;
            let text =
                format!("{name} holds docs, `mod` and `pub use` only: give this item a file of its own");
            Violation::at(&source.path, line, text)
        }));
    }
    found
}

/// Whether an item only says what there is. A macro must stand before the modules that use it, so it may stay.
fn declares(item: &syn::Item) -> bool {
    match item {
        syn::Item::Use(_) | syn::Item::ExternCrate(_) | syn::Item::Macro(_) => true,
        syn::Item::Mod(module) => module.content.as_ref().is_none_or(|(_, items)| items.iter().all(declares)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Result;

    fn texts(path: &str, text: &str) -> Result<Vec<String>> {
        Ok(check(&Source::parse(path, text)?).into_iter().map(|violation| violation.to_string()).collect())
    }

    #[test]
    fn a_file_without_a_module_doc_is_found() -> Result<()> {
        let missing = ["client/src/a.rs:1: opens without a module doc (`//! …`)"];
        assert_eq!(texts("client/src/a.rs", "// A comment.\nfn a() {}")?, missing);
        assert_eq!(texts("client/src/a.rs", "/// Of the item.\nfn a() {}")?, missing);
        assert_eq!(texts("client/src/a.rs", "\n//! Doc.\nfn a() {}")?, [""; 0]);
        Ok(())
    }

    #[test]
    fn lib_and_mod_only_declare() -> Result<()> {
        let text =
            "//! Doc.\nmod a;\npub use a::A;\n#[doc(hidden)]\npub mod internal { pub use crate::a::B; }\n";
        assert_eq!(texts("client/src/lib.rs", text)?, [""; 0]);
        let found = texts(
            "client/src/config/mod.rs",
            "//! Doc.\nmod a;\nstruct B;\n#[cfg(test)]\nmod tests { fn a() {} }",
        )?;
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("client/src/config/mod.rs:3: mod.rs holds docs"), "{found:?}");
        Ok(())
    }
}
