//! One Rust file as the rules see it: its path, its lines and its syntax tree without the tests.

use anyhow::{Context, Result};
use syn::visit_mut::VisitMut;

/// A Rust file of the workspace.
pub(crate) struct Source {
    /// Relative to the workspace's root, with `/` between the parts.
    pub(crate) path: String,
    /// The text as it stands in the file.
    pub(crate) text: String,
    /// The parsed file; `None` for generated files, which only the text rules see.
    whole: Option<syn::File>,
    /// The same without items under `#[cfg(test)]`.
    product: Option<syn::File>,
}

impl Source {
    /// Parses a text as if it stood in the file `path`.
    pub(crate) fn parse(path: &str, text: impl Into<String>) -> Result<Self> {
        let (path, text) = (path.to_owned(), text.into());
        if is_generated(&path) {
            return Ok(Self { path, text, whole: None, product: None });
        }
        let whole = syn::parse_file(&text).with_context(|| format!("cannot parse {path}"))?;
        let mut product = whole.clone();
        WithoutTests.visit_file_mut(&mut product);
        Ok(Self { path, text, whole: Some(whole), product: Some(product) })
    }

    /// The lines of the text.
    pub(crate) fn lines(&self) -> Vec<&str> {
        self.text.lines().collect()
    }

    /// The syntax tree, tests included; `None` when generated.
    pub(crate) fn whole(&self) -> Option<&syn::File> {
        self.whole.as_ref()
    }

    /// The syntax tree of what ships; `None` when generated or when the whole file is a test.
    pub(crate) fn product(&self) -> Option<&syn::File> {
        if self.is_test() { None } else { self.product.as_ref() }
    }

    /// Whether the generator wrote it.
    pub(crate) fn is_generated(&self) -> bool {
        is_generated(&self.path)
    }

    /// Whether the file exists only for tests, examples and benches.
    pub(crate) fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name == "tests.rs"
            || name.ends_with("_tests.rs")
            || self.path.split('/').any(|part| matches!(part, "tests" | "examples" | "benches" | "fuzz"))
    }

    /// Whether it belongs to the tools and checks, which no user of the crates sees.
    pub(crate) fn is_house(&self) -> bool {
        ["xtask/", "testkit/", "bench/"].iter().any(|folder| self.path.starts_with(folder))
    }
}

/// The messages are written by `xtask codegen`: nobody reads them for their form.
fn is_generated(path: &str) -> bool {
    path.contains("/messages/")
}

/// Takes out everything under `#[cfg(test)]`.
struct WithoutTests;

impl VisitMut for WithoutTests {
    fn visit_file_mut(&mut self, file: &mut syn::File) {
        file.items.retain(|item| !item_attributes(item).iter().any(is_cfg_test));
        syn::visit_mut::visit_file_mut(self, file);
    }

    fn visit_item_mod_mut(&mut self, module: &mut syn::ItemMod) {
        if let Some((_, items)) = &mut module.content {
            items.retain(|item| !item_attributes(item).iter().any(is_cfg_test));
        }
        syn::visit_mut::visit_item_mod_mut(self, module);
    }

    fn visit_item_impl_mut(&mut self, block: &mut syn::ItemImpl) {
        block.items.retain(|item| match item {
            syn::ImplItem::Fn(function) => !function.attrs.iter().any(is_cfg_test),
            _ => true,
        });
    }
}

/// Whether an attribute is `#[cfg(test)]` or a `cfg` that asks for `test` among other things.
pub(crate) fn is_cfg_test(attribute: &syn::Attribute) -> bool {
    let syn::Meta::List(list) = &attribute.meta else { return false };
    list.path.is_ident("cfg") && list.tokens.clone().into_iter().any(|token| token.to_string() == "test")
}

/// The attributes of an item of any kind.
pub(crate) fn item_attributes(item: &syn::Item) -> &[syn::Attribute] {
    use syn::Item;
    match item {
        Item::Const(i) => &i.attrs,
        Item::Enum(i) => &i.attrs,
        Item::Fn(i) => &i.attrs,
        Item::Impl(i) => &i.attrs,
        Item::Macro(i) => &i.attrs,
        Item::Mod(i) => &i.attrs,
        Item::Static(i) => &i.attrs,
        Item::Struct(i) => &i.attrs,
        Item::Trait(i) => &i.attrs,
        Item::Type(i) => &i.attrs,
        Item::Use(i) => &i.attrs,
        _ => &[],
    }
}

/// The text of the doc comment on something.
pub(crate) fn doc_text(attributes: &[syn::Attribute]) -> String {
    let mut text = String::new();
    for attribute in attributes {
        if let syn::Meta::NameValue(pair) = &attribute.meta
            && pair.path.is_ident("doc")
            && let syn::Expr::Lit(literal) = &pair.value
            && let syn::Lit::Str(line) = &literal.lit
        {
            text.push_str(&line.value());
            text.push('\n');
        }
    }
    text
}

/// Whether something is public in name only: `#[doc(hidden)]`.
pub(crate) fn is_hidden(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) => list.path.is_ident("doc") && list.tokens.to_string() == "hidden",
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ships_is_the_file_without_its_tests() -> Result<()> {
        let text =
            "fn a() {}\n#[cfg(test)]\nmod tests { fn b() {} }\nmod c { #[cfg(all(test, unix))] fn d() {} }";
        let source = Source::parse("client/src/a.rs", text)?;
        assert_eq!(source.whole().map(|file| file.items.len()), Some(3));
        assert_eq!(source.product().map(|file| file.items.len()), Some(2));
        Ok(())
    }

    #[test]
    fn test_files_and_generated_files_are_known_by_their_path() -> Result<()> {
        for path in
            ["tests/story.rs", "client/src/machine/tests.rs", "client/tests/a.rs", "examples/quickstart.rs"]
        {
            assert!(Source::parse(path, "//! Doc.")?.is_test(), "{path}");
        }
        assert!(!Source::parse("client/src/latest.rs", "//! Doc.")?.is_test());
        assert!(Source::parse("protocol/src/messages/fetch.rs", "not even Rust (")?.is_generated());
        Ok(())
    }
}
