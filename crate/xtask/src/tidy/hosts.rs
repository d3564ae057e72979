//! Rule: no file names the host a package was downloaded from.
//!
//! A lock file with hosts in it makes every clone ask one person's mirror; the registry is each person's own setting.

use super::{File, Finding, lines};

pub const RULE: &str = "registry host";

const HOSTS: &[&str] =
    &["registry.npmjs.org", "registry.yarnpkg.com", "npm.pkg.github.com", "static.crates.io", "index.crates.io"];

/// Cargo's own name for crates.io; anything else in a lock file is a mirror.
const CARGO: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub fn check(file: &File) -> Vec<Finding> {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    lines(&file.text)
        .filter_map(|(line, text)| {
            let what = what_is_wrong(name, text.trim())?;
            Some(Finding { rule: RULE, path: file.path.clone(), line, what })
        })
        .collect()
}

fn what_is_wrong(name: &str, line: &str) -> Option<String> {
    if let Some(host) = HOSTS.iter().find(|host| line.contains(**host)) {
        return Some(format!("names {host}"));
    }
    match name {
        "package-lock.json" if line.starts_with("\"resolved\": \"http") => {
            Some("records where it was downloaded; npm: omit-lockfile-registry-resolved".to_owned())
        }
        "Cargo.lock" if line.starts_with("source = ") && !line.contains(CARGO) => {
            Some("a source other than crates.io".to_owned())
        }
        ".npmrc" if line.starts_with("registry") => {
            Some("which registry to ask is each person's own setting".to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    #[test]
    fn hosts_in_lock_files_and_settings_are_found() {
        assert_eq!(check(&file("package-lock.json", "{\n  \"resolved\": \"https://m.example/x.tgz\",\n}"))[0].line, 2);
        assert_eq!(check(&file("Cargo.lock", "source = \"registry+https://mirror.example/index\"\n")).len(), 1);
        assert_eq!(check(&file("js/.npmrc", "registry=https://m.example\n")).len(), 1);
        assert_eq!(check(&file("README.md", "see https://registry.npmjs.org/x\n")).len(), 1);
    }

    #[test]
    fn cargos_own_index_is_fine() {
        let text = format!("source = \"{CARGO}\"\n");
        assert!(check(&file("Cargo.lock", &text)).is_empty());
        assert!(check(&file("package-lock.json", "\"resolved\": \"js/fixtures/a\"\n")).is_empty());
    }
}
