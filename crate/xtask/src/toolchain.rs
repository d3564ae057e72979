//! The environment in which wasm and browser commands run, as `scripts/setup.mjs` found it.
//!
//! Native commands use the cargo that started us. Commands for wasm use `COFFER_WASM_BIN` where the set-up had to take
//! another Rust than rustup's (one whose standard library knows wasm32), and plain cargo elsewhere.

use crate::shell::{self, Failure};
use std::path::PathBuf;
use std::process::Command;

/// What the set-up exports; empty where `npm` started us and the variables are in our own environment already.
#[derive(Default)]
pub struct Environment {
    variables: Vec<(String, String)>,
}

impl Environment {
    /// Asks the set-up, which installs what is missing; it costs a blink where nothing is.
    pub fn find() -> Result<Self, Failure> {
        if std::env::var_os("COFFER_SETUP").is_some() {
            return Ok(Self::default());
        }
        let mut command = Command::new("node");
        command.args(["scripts/setup.mjs", "--print-env"]);
        Ok(Self::parse(&shell::capture("set-up", &mut command)?))
    }

    fn parse(text: &str) -> Self {
        let variables = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.trim().to_owned(), value.to_owned()))
            .collect();
        Self { variables }
    }

    fn value(&self, name: &str) -> Option<String> {
        let ours = self.variables.iter().find(|(known, _)| known == name);
        match ours {
            Some((_, value)) => Some(value.clone()),
            None => std::env::var(name).ok(),
        }
        .filter(|value| !value.is_empty())
    }

    /// Any program with the set-up's variables.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// A cargo that can build for wasm32.
    pub fn wasm_cargo(&self) -> Command {
        let Some(folder) = self.wasm_folder() else {
            return self.command("cargo");
        };
        let mut command = self.command(&folder.join("cargo").to_string_lossy());
        command.env("RUSTC", folder.join("rustc"));
        // We run under rustup's cargo, which tells its children to use its own compiler.
        command.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO");
        let path = self.value("PATH").unwrap_or_default();
        let folders = std::iter::once(folder).chain(std::env::split_paths(&path));
        if let Ok(joined) = std::env::join_paths(folders) {
            command.env("PATH", joined);
        }
        command
    }

    /// Where the other Rust lives, if the set-up had to take one.
    pub fn wasm_folder(&self) -> Option<PathBuf> {
        self.value("COFFER_WASM_BIN").map(PathBuf::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_hold_an_equals_sign() {
        let environment = Environment::parse("FLAGS=-C opt=3\nnoise\n");
        assert_eq!(environment.value("FLAGS").as_deref(), Some("-C opt=3"));
    }

    #[test]
    fn an_empty_folder_means_plain_cargo() {
        let environment = Environment::parse("COFFER_WASM_BIN=\n");
        assert_eq!(environment.wasm_folder(), None);
        assert_eq!(environment.wasm_cargo().get_program(), "cargo");
    }
}
