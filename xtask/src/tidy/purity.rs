//! Machines are pure: they are handed the time and hand back values, so a seeded run replays to the byte.
//!
//! A machine may not name tokio, a clock, randomness, a thread, or a map whose order differs from run to run. Outside
//! of them, the client crates may not spawn: only `runtime` does, and `close()` joins what it spawned.

use super::report::Violation;
use super::source::Source;
use syn::spanned::Spanned;
use syn::visit::Visit;

/// Folders whose code is pure although no part of their path is called `machine`.
const PURE_FOLDERS: &[&str] = &[
    "membership/src/",
    "broker-mock/src/cluster/",
    "broker-mock/src/log/",
    "broker-mock/src/group/",
    "broker-mock/src/transaction/",
    "streams/src/task/",
    "streams/src/topology/",
    "connect/src/worker/",
];

/// Crates in which everything that runs by itself was spawned by `runtime`.
const NEVER_SPAWN: &[&str] =
    &["protocol/", "client/", "producer/", "consumer/", "admin/", "handlers/", "src/"];

/// Checks one file.
pub(crate) fn check(source: &Source) -> Vec<Violation> {
    let (pure, tame) =
        (is_pure(&source.path), NEVER_SPAWN.iter().any(|folder| source.path.starts_with(folder)));
    let Some(file) = source.product().filter(|_| pure || tame) else { return Vec::new() };
    let mut names = Names::default();
    names.visit_file(file);
    let mut found = Vec::new();
    for (line, name) in names.found {
        if let Some(reason) = impure(&name).filter(|_| pure) {
            found.push(Violation::at(
                &source.path,
                line,
                format!("a machine names `{}`: {reason}", name.join("::")),
            ));
        } else if tame && spawns(&name) {
            let text = format!("`{}`: only `runtime` spawns, so that `close()` can join", name.join("::"));
            found.push(Violation::at(&source.path, line, text));
        }
    }
    found
}

/// Whether the rule binds a file.
fn is_pure(path: &str) -> bool {
    let of_machine = |part: &str| part == "machine" || part == "machine.rs";
    path.contains("/src/") && path.split('/').any(of_machine)
        || PURE_FOLDERS.iter().any(|folder| path.starts_with(folder) || path == file_beside(folder))
}

/// `log/` and `log.rs` are the same module.
fn file_beside(folder: &str) -> String {
    format!("{}.rs", folder.trim_end_matches('/'))
}

/// Why a machine may not name something.
fn impure(name: &[String]) -> Option<&'static str> {
    let name: Vec<&str> = name.iter().map(String::as_str).collect();
    match name.as_slice() {
        ["tokio", ..] => Some("it has no runtime"),
        ["rand" | "fastrand" | "getrandom" | "rand_core", ..] => Some("it has no randomness of its own"),
        ["std", "thread", ..] | ["thread", "spawn" | "sleep" | "scope"] => Some("it has no thread"),
        ["std", "collections", "HashMap" | "HashSet" | "hash_map" | "hash_set" | "*", ..]
        | [.., "RandomState"] => {
            Some("its order differs from run to run; take `BTreeMap` or `hashbrown` with a fixed hasher")
        }
        [".elapsed()"] => Some("it reads the clock; subtract from the `now` that is handed in"),
        [.., "Instant", "now"] | ["Utc" | "Local", "now"] => Some("time is handed in as `now`"),
        _ if name.contains(&"SystemTime") => Some("wall-clock time is handed in as `UnixMillis`"),
        _ => None,
    }
}

/// Whether a name starts a task or a thread.
fn spawns(name: &[String]) -> bool {
    let name: Vec<&str> = name.iter().map(String::as_str).collect();
    let starts = |last: &str| last.starts_with("spawn");
    match name.as_slice() {
        ["tokio", .., last] | ["task", last] | ["thread", last] | ["std", "thread", last] => starts(last),
        _ => false,
    }
}

/// Every path that a file names, with its line.
#[derive(Default)]
struct Names {
    found: Vec<(usize, Vec<String>)>,
}

impl Names {
    /// Every leaf of a `use`, as a whole path.
    fn use_tree(&mut self, prefix: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| prefix.iter().cloned().chain([name.to_string()]).collect::<Vec<_>>();
        let line = tree.span().start().line;
        match tree {
            syn::UseTree::Path(path) => self.use_tree(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) => self.found.push((line, with(&name.ident))),
            syn::UseTree::Rename(rename) => self.found.push((line, with(&rename.ident))),
            syn::UseTree::Glob(_) => {
                self.found.push((line, prefix.iter().cloned().chain(["*".to_owned()]).collect()));
            }
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.use_tree(prefix, tree)),
        }
    }

    /// The paths among a macro's tokens, which no parser of ours understands further.
    fn tokens(&mut self, tokens: proc_macro2::TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut line = 0;
        let mut colons = 0;
        for token in tokens {
            match token {
                proc_macro2::TokenTree::Ident(ident) if colons == 2 || path.is_empty() => {
                    line = ident.span().start().line;
                    path.push(ident.to_string());
                    colons = 0;
                    continue;
                }
                proc_macro2::TokenTree::Punct(punct) if punct.as_char() == ':' => {
                    colons += 1;
                    continue;
                }
                proc_macro2::TokenTree::Group(group) => self.tokens(group.stream()),
                proc_macro2::TokenTree::Ident(ident) => {
                    self.found.push((line, std::mem::take(&mut path)));
                    line = ident.span().start().line;
                    path.push(ident.to_string());
                    colons = 0;
                    continue;
                }
                _ => {}
            }
            self.found.push((line, std::mem::take(&mut path)));
            colons = 0;
        }
        self.found.push((line, path));
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.use_tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let name = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.found.push((path.span().start().line, name));
        syn::visit::visit_path(self, path);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if call.method == "elapsed" && call.args.is_empty() {
            self.found.push((call.method.span().start().line, vec![".elapsed()".to_owned()]));
        }
        syn::visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.tokens(call.tokens.clone());
        syn::visit::visit_macro(self, call);
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
    fn a_machine_may_not_name_what_makes_runs_differ() -> Result<()> {
        for (text, names) in [
            ("use tokio::time::Sleep;", "`tokio::time::Sleep`"),
            ("use std::time::{Duration, SystemTime};", "`std::time::SystemTime`"),
            ("fn a() { let now = std::time::Instant::now(); }", "`std::time::Instant::now`"),
            ("fn a(at: Instant) { b(at.elapsed()) }", "`.elapsed()`"),
            ("use std::collections::{BTreeMap, HashMap};", "`std::collections::HashMap`"),
            ("fn a() { std::thread::sleep(b) }", "`std::thread::sleep`"),
            ("fn a() -> u8 { rand::random() }", "`rand::random`"),
            ("fn a() { b!(x, { Instant::now() }) }", "`Instant::now`"),
        ] {
            let found = texts("client/src/connection/machine/a.rs", text)?;
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert!(found[0].contains(names), "{found:?}");
        }
        Ok(())
    }

    #[test]
    fn a_machine_may_be_handed_the_time_and_use_ordered_maps() -> Result<()> {
        let text = "use std::collections::BTreeMap;\nuse std::time::{Duration, Instant};\nfn a(now: Instant) { b!(now + c) }\n\
                    #[cfg(test)]\nmod tests { use std::collections::HashMap; fn a() { Instant::now(); } }";
        assert_eq!(texts("client/src/connection/machine.rs", text)?, [""; 0]);
        Ok(())
    }

    #[test]
    fn the_rule_binds_machines_and_the_deterministic_core_only() {
        for path in [
            "producer/src/machine/sender.rs",
            "client/src/connection/machine.rs",
            "broker-mock/src/log/a.rs",
            "broker-mock/src/log.rs",
        ] {
            assert!(is_pure(path), "{path}");
        }
        for path in ["producer/src/driver.rs", "broker-mock/src/shell/tcp.rs", "tests/machine/a.rs"] {
            assert!(!is_pure(path), "{path}");
        }
    }

    #[test]
    fn only_the_runtime_spawns() -> Result<()> {
        let text = "fn a() { tokio::spawn(b()); std::thread::spawn(c); world.spawn(\"name\", b()); }";
        assert_eq!(texts("producer/src/driver.rs", text)?.len(), 2);
        assert_eq!(texts("runtime/src/tokio_world.rs", text)?, [""; 0]);
        Ok(())
    }
}
