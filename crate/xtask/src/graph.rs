//! Which packages and levels a change can reach: files to packages, packages to those that use them.

use crate::levels::Level;
use crate::workspace::Package;
use std::collections::BTreeSet;

/// What must be tested again.
#[derive(Debug, Default, PartialEq)]
pub struct Reach {
    pub packages: BTreeSet<String>,
    pub levels: BTreeSet<Level>,
}

/// Files that every native package stands on.
const FOUNDATIONS: &[&str] = &["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", ".cargo/config.toml"];

/// Folders and files of the JavaScript side, and the levels that see them.
const SCRIPTS: &[(&str, &[Level])] = &[
    ("js/", &[Level::Node, Level::Browser]),
    ("www/", &[Level::Browser]),
    ("scripts/", &[Level::Node, Level::Wasm, Level::Browser]),
    ("tests/node/", &[Level::Node]),
    ("tests/browser/", &[Level::Browser]),
    ("bench/browser/", &[Level::Node, Level::Browser]),
    ("package.json", &[Level::Node, Level::Browser]),
    ("package-lock.json", &[Level::Node, Level::Browser]),
    ("webpack.config.js", &[Level::Browser]),
];

/// Files outside of any package that tests of native packages read.
const SHARED: &[(&str, &[&str])] = &[
    ("tests/vectors/", &["coffer-store", "coffer-sqlite", "coffer-sim", "coffer"]),
    ("tests/it/", &["coffer-sqlite"]),
];

/// What the changed files can break.
pub fn reach(changed: &[String], packages: &[Package]) -> Reach {
    let mut reach = Reach::default();
    for path in changed {
        if FOUNDATIONS.contains(&path.as_str()) {
            reach.packages.extend(packages.iter().map(|package| package.name.clone()));
        }
        if let Some(package) = packages.iter().find(|package| inside(path, &package.folder)) {
            reach.packages.insert(package.name.clone());
        }
        for (_, names) in SHARED.iter().filter(|(folder, _)| path.starts_with(folder)) {
            let known = names.iter().filter(|name| packages.iter().any(|package| package.name == **name));
            reach.packages.extend(known.map(|name| (*name).to_owned()));
        }
        for (_, levels) in SCRIPTS.iter().filter(|(start, _)| path.starts_with(start)) {
            reach.levels.extend(levels.iter());
        }
    }
    close(&mut reach.packages, packages);
    if !reach.packages.is_empty() {
        reach.levels.insert(Level::Native);
    }
    if reach.packages.contains("coffer-web") {
        reach.levels.extend([Level::Wasm, Level::Browser]);
    }
    reach
}

fn inside(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// Adds whoever uses one of `names`, until nobody new does. Dev-dependencies count: their tests change too.
fn close(names: &mut BTreeSet<String>, packages: &[Package]) {
    loop {
        let uses_one =
            |package: &&Package| package.dependencies.iter().any(|dependency| names.contains(&dependency.name));
        let users: Vec<String> = packages.iter().filter(uses_one).map(|package| package.name.clone()).collect();
        let before = names.len();
        names.extend(users);
        if names.len() == before {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn workspace() -> Vec<Package> {
        let package = |name: &str, folder: &str, uses: &[&str]| Package {
            name: name.to_owned(),
            folder: folder.to_owned(),
            dependencies: uses.iter().map(|name| Dependency { name: (*name).to_owned(), dev: false }).collect(),
        };
        vec![
            package("coffer-store", "crate/store", &["sha2"]),
            package("coffer-sqlite", "crate/sqlite", &["coffer-store"]),
            package("coffer-web", "crate/web", &["coffer-sqlite"]),
            package("xtask", "crate/xtask", &[]),
        ]
    }

    fn reached(path: &str) -> (Vec<String>, Vec<Level>) {
        let reach = reach(&[path.to_owned()], &workspace());
        (reach.packages.into_iter().collect(), reach.levels.into_iter().collect())
    }

    #[test]
    fn a_change_reaches_everybody_above_it() {
        let (packages, levels) = reached("crate/store/src/lib.rs");
        assert_eq!(packages, ["coffer-sqlite", "coffer-store", "coffer-web"]);
        assert_eq!(levels, [Level::Native, Level::Wasm, Level::Browser]);
    }

    #[test]
    fn a_change_does_not_reach_below_or_aside() {
        assert_eq!(reached("crate/xtask/src/main.rs"), (vec!["xtask".to_owned()], vec![Level::Native]));
    }

    #[test]
    fn a_script_reaches_only_the_levels_that_see_it() {
        assert_eq!(reached("js/src/open.ts"), (Vec::new(), vec![Level::Node, Level::Browser]));
    }

    #[test]
    fn a_document_reaches_nothing_and_a_lock_file_everything() {
        assert_eq!(reached("README.md"), (Vec::new(), Vec::new()));
        assert_eq!(reached("Cargo.lock").0.len(), 4);
    }
}
