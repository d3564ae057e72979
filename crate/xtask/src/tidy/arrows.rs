//! Rule: dependencies between the crates point downward only, and the store uses the crates it may and no others.
//!
//! A crate that is not in the table is a finding: its place in the layers is a decision, made here in the open.

use super::Finding;
use crate::workspace::Package;

pub const RULE: &str = "arrow";

/// Which crates of the workspace each of them may use. `coffer-sim` may also test any of them (a dev-dependency).
const ARROWS: &[(&str, &[&str])] = &[
    ("coffer-gcm", &[]),
    ("coffer-store", &["coffer-gcm"]),
    ("coffer-sqlite", &["coffer-store"]),
    ("coffer-sim", &["coffer-store", "coffer-sqlite"]),
    // The simulator only behind the feature `suite`: the backend suite in browsers runs in the module itself.
    ("coffer-web", &["coffer-sqlite", "coffer-store", "coffer-sim"]),
    ("coffer", &["coffer-sqlite", "coffer-store", "coffer-sim"]),
    ("coffer-bench", &["coffer-gcm", "coffer-store"]),
    ("xtask", &[]),
];

/// Everything else the store may use: codecs, ciphers, key derivation, checksums. One more needs a decision record.
const STORE: &[&str] = &[
    "aes-gcm",
    "argon2",
    "chacha20poly1305",
    "crc32fast",
    "hkdf",
    "hmac",
    "lz4_flex",
    "miniz_oxide",
    "pbkdf2",
    "sha2",
    "zeroize",
    "zstd-safe",
];

/// And everything else that its cipher for wasm may use.
const GCM: &[&str] = &["zeroize"];

pub fn check(packages: &[Package]) -> Vec<Finding> {
    let ours = |name: &str| packages.iter().any(|package| package.name == name);
    let mut findings = Vec::new();
    for package in packages {
        let Some((_, below)) = ARROWS.iter().find(|(name, _)| *name == package.name) else {
            findings.push(finding(package, format!("'{}' has no place in the table of layers", package.name)));
            continue;
        };
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            if ours(name) && !below.contains(&name) && !(dependency.dev && name == "coffer-sim") {
                findings.push(finding(package, format!("{} must not use {name}", package.name)));
            }
            let allowed = match package.name.as_str() {
                "coffer-store" => STORE,
                "coffer-gcm" => GCM,
                _ => continue,
            };
            if !ours(name) && !dependency.dev && !allowed.contains(&name) {
                findings
                    .push(finding(package, format!("{} must not use {name} without a decision record", package.name)));
            }
        }
    }
    findings
}

fn finding(package: &Package, what: String) -> Finding {
    Finding { rule: RULE, path: format!("{}/Cargo.toml", package.folder), line: 0, what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn package(name: &str, dependencies: &[(&str, bool)]) -> Package {
        let dependency = |(name, dev): &(&str, bool)| Dependency { name: (*name).to_owned(), dev: *dev };
        Package {
            name: name.to_owned(),
            folder: format!("crate/{name}"),
            dependencies: dependencies.iter().map(dependency).collect(),
        }
    }

    fn whats(packages: &[Package]) -> Vec<String> {
        check(packages).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn arrows_downward_pass() {
        let packages = [
            package("coffer-store", &[("sha2", false), ("coffer-sim", true), ("proptest", true)]),
            package("coffer-sim", &[("coffer-store", false)]),
            package("coffer-sqlite", &[("coffer-store", false), ("rusqlite", false)]),
        ];
        assert_eq!(whats(&packages), Vec::<String>::new());
    }

    #[test]
    fn an_arrow_upward_is_found() {
        let packages = [package("coffer-store", &[("coffer-sqlite", false)]), package("coffer-sqlite", &[])];
        assert_eq!(whats(&packages), ["coffer-store must not use coffer-sqlite"]);
    }

    #[test]
    fn a_crate_the_store_or_its_cipher_may_not_use_is_found() {
        assert_eq!(whats(&[package("coffer-store", &[("serde", false)])]).len(), 1);
        // Nor may the cipher below it.
        assert_eq!(
            whats(&[package("coffer-gcm", &[("zeroize", false), ("serde", false), ("aes-gcm", true)])]).len(),
            1
        );
    }

    #[test]
    fn a_crate_without_a_place_is_found() {
        assert_eq!(whats(&[package("coffer-utils", &[])]).len(), 1);
    }
}
