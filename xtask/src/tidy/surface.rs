//! Public signatures name std, `bytes`, `futures-core`, `futures-sink` and our own types.
//!
//! A tokio type in a signature would tie every user to tokio's version, and a protocol message to Kafka's. Judged are
//! functions and public fields of the crates that users name; what is `#[doc(hidden)]` binds our own crates only.

use std::collections::BTreeMap;

use super::report::Violation;
use super::source::{Source, is_hidden};
use syn::visit::Visit;

/// The crates that users name.
const USER_CRATES: &[&str] = &["src/", "client/src/", "producer/src/", "consumer/src/", "admin/src/"];

/// What no signature may mention.
const FOREIGN: &[&[&str]] = &[
    &["tokio"],
    &["futures_util"],
    &["hashbrown"],
    &["arc_swap"],
    &["courant_protocol", "messages"],
    &["courant_protocol", "wire"],
];

/// Checks one file.
pub(crate) fn check(source: &Source) -> Vec<Violation> {
    let of_users = USER_CRATES.iter().any(|folder| source.path.starts_with(folder));
    let Some(file) = source.product().filter(|_| of_users) else { return Vec::new() };
    let mut imports = Imports::default();
    imports.visit_file(file);
    let mut surface = Surface { path: &source.path, imports: imports.whole, open: true, found: Vec::new() };
    surface.visit_file(file);
    surface.found
}

/// Short name to whole path, from the file's `use` lines.
#[derive(Default)]
struct Imports {
    whole: BTreeMap<String, Vec<String>>,
}

impl Imports {
    fn tree(&mut self, prefix: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| prefix.iter().cloned().chain([name.to_string()]).collect::<Vec<_>>();
        match tree {
            syn::UseTree::Path(path) => self.tree(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) if name.ident == "self" => {
                if let Some(last) = prefix.last() {
                    self.whole.insert(last.clone(), prefix.to_vec());
                }
            }
            syn::UseTree::Name(name) => {
                self.whole.insert(name.ident.to_string(), with(&name.ident));
            }
            syn::UseTree::Rename(rename) => {
                self.whole.insert(rename.rename.to_string(), with(&rename.ident));
            }
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(prefix, tree)),
            syn::UseTree::Glob(_) => {}
        }
    }
}

impl<'ast> Visit<'ast> for Imports {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&[], &item.tree);
    }
}

/// Walks what is public.
struct Surface<'a> {
    path: &'a str,
    imports: BTreeMap<String, Vec<String>>,
    open: bool,
    found: Vec<Violation>,
}

impl Surface<'_> {
    fn signature(&mut self, name: &syn::Ident, signature: &syn::Signature) {
        let mut types = Types::default();
        types.visit_generics(&signature.generics);
        signature.inputs.iter().for_each(|input| types.visit_fn_arg(input));
        types.visit_return_type(&signature.output);
        self.judge(&format!("the signature of `{name}`"), name.span().start().line, types);
    }

    fn judge(&mut self, what: &str, line: usize, types: Types) {
        for path in types.paths {
            let whole = match path.first().and_then(|first| self.imports.get(first)) {
                Some(import) => import.iter().chain(path.iter().skip(1)).cloned().collect(),
                None => path,
            };
            let foreign = FOREIGN.iter().any(|foreign| {
                foreign.len() <= whole.len() && foreign.iter().zip(&whole).all(|(a, b)| a == b)
            });
            if foreign {
                let text = format!("{what} mentions `{}`, which we do not promise", whole.join("::"));
                self.found.push(Violation::at(self.path, line, text));
            }
        }
    }
}

/// The paths of the types in a signature.
#[derive(Default)]
struct Types {
    paths: Vec<Vec<String>>,
}

impl<'ast> Visit<'ast> for Types {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.paths.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        syn::visit::visit_path(self, path);
    }
}

/// Whether a user can name an item.
fn is_open(visibility: &syn::Visibility, attributes: &[syn::Attribute]) -> bool {
    matches!(visibility, syn::Visibility::Public(_)) && !is_hidden(attributes)
}

impl<'ast> Visit<'ast> for Surface<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if self.open && is_open(&item.vis, &item.attrs) {
            self.signature(&item.sig.ident, &item.sig);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let open = self.open;
        self.open &= !is_hidden(&item.attrs);
        syn::visit::visit_item_mod(self, item);
        self.open = open;
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        for part in &item.items {
            if let syn::ImplItem::Fn(function) = part
                && self.open
                && !is_hidden(&item.attrs)
                && is_open(&function.vis, &function.attrs)
            {
                self.signature(&function.sig.ident, &function.sig);
            }
        }
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        if !self.open || !is_open(&item.vis, &item.attrs) {
            return;
        }
        for field in item.fields.iter().filter(|field| is_open(&field.vis, &field.attrs)) {
            let mut types = Types::default();
            types.visit_type(&field.ty);
            self.judge(&format!("a field of `{}`", item.ident), item.ident.span().start().line, types);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Result;

    fn texts(text: &str) -> Result<Vec<String>> {
        Ok(check(&Source::parse("producer/src/a.rs", text)?)
            .into_iter()
            .map(|violation| violation.to_string())
            .collect())
    }

    #[test]
    fn a_foreign_type_in_a_public_signature_is_found() -> Result<()> {
        let text = "use tokio::sync::{Semaphore, oneshot as once};\nimpl A {\npub fn a(&self) -> Option<Semaphore> {}\n\
                    pub fn b(&self, x: once::Sender<u8>) {}\n}";
        assert_eq!(
            texts(text)?,
            [
                "producer/src/a.rs:3: the signature of `a` mentions `tokio::sync::Semaphore`, which we do not promise",
                "producer/src/a.rs:4: the signature of `b` mentions `tokio::sync::oneshot::Sender`, which we do not promise"
            ]
        );
        let field =
            "use courant_protocol::messages::FetchRequest;\npub struct A { pub request: FetchRequest }";
        assert_eq!(texts(field)?.len(), 1);
        Ok(())
    }

    #[test]
    fn what_is_hidden_or_private_may_name_anything() -> Result<()> {
        let text = "use tokio::sync::Semaphore;\n#[doc(hidden)]\nimpl A { pub fn a(&self) -> Semaphore {} }\n\
                    impl A { pub(crate) fn b(&self) -> Semaphore {} }\npub struct B { permits: Semaphore }\n\
                    pub fn c(x: bytes::Bytes) -> std::time::Duration {}";
        assert_eq!(texts(text)?, [""; 0]);
        Ok(())
    }
}
