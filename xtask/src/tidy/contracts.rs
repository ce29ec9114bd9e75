//! What a public async function promises stands in its docs, and a driver's `select!` has a fixed order.
//!
//! `# Cancel safety` says what is lost when the future is dropped, `# Errors` says by kind what can go wrong. Without
//! `biased;` tokio draws the branch that is polled first at random, and a seeded run would not replay.

use super::report::Violation;
use super::source::{Source, doc_text, is_hidden};
use syn::visit::Visit;

/// Checks one file.
pub(crate) fn check(source: &Source) -> Vec<Violation> {
    let Some(file) = source.product() else { return Vec::new() };
    let mut contracts = Contracts {
        path: &source.path,
        // A binary has no users who could await its functions, and neither has a tool.
        documents: !source.is_house() && !source.path.ends_with("/main.rs"),
        found: Vec::new(),
    };
    contracts.visit_file(file);
    contracts.found
}

/// Collects broken promises.
struct Contracts<'a> {
    path: &'a str,
    documents: bool,
    found: Vec<Violation>,
}

impl Contracts<'_> {
    fn function(&mut self, attributes: &[syn::Attribute], signature: &syn::Signature) {
        if signature.asyncness.is_none() || !self.documents || is_hidden(attributes) {
            return;
        }
        let docs = doc_text(attributes);
        let has_section = |name: &str| docs.lines().any(|line| line.trim() == format!("# {name}"));
        let mut missing = Vec::new();
        if !has_section("Cancel safety") {
            missing.push("`# Cancel safety`");
        }
        if returns_result(signature) && !has_section("Errors") {
            missing.push("`# Errors`");
        }
        if !missing.is_empty() {
            let text =
                format!("public async `{}` has no {} section", signature.ident, missing.join(" and no "));
            self.found.push(Violation::at(self.path, signature.ident.span().start().line, text));
        }
    }
}

/// Whether a function's return type is called a result.
fn returns_result(signature: &syn::Signature) -> bool {
    let syn::ReturnType::Type(_, kind) = &signature.output else { return false };
    let syn::Type::Path(path) = &**kind else { return false };
    path.path.segments.last().is_some_and(|segment| segment.ident.to_string().ends_with("Result"))
}

/// Whether something is `pub` without a restriction.
fn is_public(visibility: &syn::Visibility) -> bool {
    matches!(visibility, syn::Visibility::Public(_))
}

impl<'ast> Visit<'ast> for Contracts<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if is_public(&item.vis) {
            self.function(&item.attrs, &item.sig);
        }
        syn::visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if is_public(&item.vis) {
            self.function(&item.attrs, &item.sig);
        }
        syn::visit::visit_impl_item_fn(self, item);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let documents = self.documents;
        self.documents &= !is_hidden(&item.attrs);
        syn::visit::visit_item_impl(self, item);
        self.documents = documents;
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let documents = self.documents;
        self.documents &= !is_hidden(&item.attrs);
        syn::visit::visit_item_mod(self, item);
        self.documents = documents;
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        for part in &item.items {
            if let syn::TraitItem::Fn(function) = part
                && is_public(&item.vis)
            {
                self.function(&function.attrs, &function.sig);
            }
        }
        syn::visit::visit_item_trait(self, item);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let selects = call.path.segments.last().is_some_and(|segment| segment.ident == "select");
        let first = call.tokens.clone().into_iter().next().map(|token| token.to_string());
        if selects && first.as_deref() != Some("biased") {
            let line = call.path.segments.first().map_or(0, |segment| segment.ident.span().start().line);
            self.found.push(Violation::at(
                self.path,
                line,
                "`select!` without `biased;`: a seeded run would not replay",
            ));
        }
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
    fn a_public_async_function_says_what_a_drop_loses() -> Result<()> {
        let bare = "impl A {\n/// Sends.\npub async fn send(&self) -> Result<(), Error> {}\n}";
        assert_eq!(
            texts("producer/src/a.rs", bare)?,
            ["producer/src/a.rs:3: public async `send` has no `# Cancel safety` and no `# Errors` section"]
        );
        let said = "/// Waits.\n///\n/// # Cancel safety\n///\n/// Nothing is lost.\npub async fn wait() {}";
        assert_eq!(texts("producer/src/a.rs", said)?, [""; 0]);
        Ok(())
    }

    #[test]
    fn what_users_cannot_name_needs_no_section() -> Result<()> {
        let text = "pub(crate) async fn a() {}\nasync fn b() {}\n#[doc(hidden)]\nimpl C { pub async fn d(&self) {} }\n\
                    #[doc(hidden)]\npub async fn e() {}";
        assert_eq!(texts("producer/src/a.rs", text)?, [""; 0]);
        assert_eq!(texts("testkit/src/a.rs", "pub async fn a() {}")?, [""; 0]);
        Ok(())
    }

    #[test]
    fn a_select_without_a_fixed_order_is_found() -> Result<()> {
        let text = "async fn a() { tokio::select! { _ = b() => {} } }";
        assert_eq!(texts("client/src/driver.rs", text)?.len(), 1);
        let text = "async fn a() { tokio::select! { biased; _ = b() => {} } }";
        assert_eq!(texts("client/src/driver.rs", text)?, [""; 0]);
        Ok(())
    }
}
