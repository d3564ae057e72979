//! What is in the repository: its root, its files, its packages and what they depend on.

use crate::shell::{self, Failure, failed};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One package of the workspace, as `cargo metadata` describes it.
#[derive(Clone, Debug)]
pub struct Package {
    pub name: String,
    /// The folder of its manifest, relative to the root, with `/` between names.
    pub folder: String,
    pub dependencies: Vec<Dependency>,
}

#[derive(Clone, Debug)]
pub struct Dependency {
    pub name: String,
    /// Only tests, examples and benches see it.
    pub dev: bool,
}

/// Makes the root of the workspace the current folder and returns it: cargo runs us where the developer stands.
pub fn enter() -> Result<PathBuf, Failure> {
    let here = std::env::current_dir().or_else(|error| failed(format!("no current folder: {error}")))?;
    let Some(root) = here.ancestors().find(|folder| is_root(folder)) else {
        return failed("not inside the repository: no workspace Cargo.toml above this folder");
    };
    std::env::set_current_dir(root).or_else(|error| failed(format!("cannot enter the root: {error}")))?;
    Ok(root.to_owned())
}

fn is_root(folder: &Path) -> bool {
    std::fs::read_to_string(folder.join("Cargo.toml"))
        .is_ok_and(|text| text.lines().any(|line| line.trim() == "[workspace]"))
}

/// Every file that is, or with the next `git add` would be, part of the repository; sorted, with `/` between names.
pub fn files() -> Result<Vec<String>, Failure> {
    let mut command = Command::new("git");
    command.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let listing = shell::capture("git ls-files", &mut command)?;
    let mut files: Vec<String> =
        listing.split('\0').filter(|path| !path.is_empty() && Path::new(path).is_file()).map(str::to_owned).collect();
    files.sort();
    files.dedup();
    Ok(files)
}

/// Whether `path` ends in one of the file name extensions.
pub fn has_extension(path: &str, extensions: &[&str]) -> bool {
    path.rsplit_once('.').is_some_and(|(_, extension)| extensions.contains(&extension))
}

/// The packages of the workspace; `root` is where their folders are counted from.
pub fn packages(root: &Path) -> Result<Vec<Package>, Failure> {
    let mut command = Command::new("cargo");
    command.args(["metadata", "--format-version", "1", "--no-deps"]);
    let text = shell::capture("cargo metadata", &mut command)?;
    let Ok(metadata) = serde_json::from_str::<Value>(&text) else {
        return failed("cargo metadata printed no JSON");
    };
    let described = metadata["packages"].as_array().map_or(&[][..], Vec::as_slice);
    Ok(described.iter().map(|package| parse(root, package)).collect())
}

fn parse(root: &Path, package: &Value) -> Package {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let manifest = PathBuf::from(text(&package["manifest_path"]));
    let folder = manifest.parent().and_then(|folder| folder.strip_prefix(root).ok());
    let dependencies = package["dependencies"].as_array().map_or(&[][..], Vec::as_slice);
    Package {
        name: text(&package["name"]),
        folder: folder.unwrap_or(Path::new("")).to_string_lossy().replace('\\', "/"),
        dependencies: dependencies
            .iter()
            .map(|dependency| Dependency { name: text(&dependency["name"]), dev: dependency["kind"] == "dev" })
            .collect(),
    }
}

/// Where cargo builds: never assumed, since CI moves it.
pub fn target() -> Result<PathBuf, Failure> {
    let mut command = Command::new("cargo");
    command.args(["metadata", "--format-version", "1", "--no-deps"]);
    let text = shell::capture("cargo metadata", &mut command)?;
    let metadata = serde_json::from_str::<Value>(&text).unwrap_or_default();
    match metadata["target_directory"].as_str() {
        Some(folder) => Ok(PathBuf::from(folder)),
        None => failed("cargo metadata names no target folder"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_read_from_the_metadata() {
        let json = r#"{"name":"coffer-x","manifest_path":"/r/crate/x/Cargo.toml","dependencies":[
            {"name":"a","kind":null},{"name":"b","kind":"dev"}]}"#;
        let package = parse(Path::new("/r"), &serde_json::from_str(json).unwrap_or_default());
        assert_eq!((package.name.as_str(), package.folder.as_str()), ("coffer-x", "crate/x"));
        let dependencies: Vec<_> = package.dependencies.iter().map(|one| (one.name.as_str(), one.dev)).collect();
        assert_eq!(dependencies, [("a", false), ("b", true)]);
    }
}
