//! The README's examples: TypeScript against the real types, commands against what they name.

use crate::shell::{Failure, Outcome, failed};
use crate::toolchain::Environment;
use crate::{VERBS, check, workspace};
use serde_json::Value;
use std::path::Path;

/// Compiles the TypeScript and looks the commands up.
pub fn check(environment: &Environment) -> Outcome {
    let text = read("README.md")?;
    let package: Value = serde_json::from_str(&read("package.json")?).unwrap_or_default();
    let scripts: Vec<&str> =
        package["scripts"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    let commands: String = blocks(&text, "sh").concat();
    let unknown = unknown_commands(&commands, &scripts);
    if !unknown.is_empty() {
        return failed(format!("README names commands that do not exist: {}", unknown.join(", ")));
    }
    type_check(environment, &blocks(&text, "ts"))
}

fn read(path: &str) -> Result<String, Failure> {
    std::fs::read_to_string(path).or_else(|error| failed(format!("cannot read {path}: {error}")))
}

/// The fenced blocks whose fence names `language`.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for line in text.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(name)) if name == language => open = Some(String::new()),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => {
                block.push_str(line);
                block.push('\n');
            }
            _ => {}
        }
    }
    blocks
}

/// `npm run X`, `npm test`, `npm start` and `cargo xtask X` that nothing answers to.
fn unknown_commands(text: &str, scripts: &[&str]) -> Vec<String> {
    let mut unknown = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let known = match words.as_slice() {
            ["npm", "run", script, ..] | ["npm", script @ ("start" | "test"), ..] => scripts.contains(script),
            ["cargo", "xtask", verb, ..] => VERBS.iter().any(|known| known.name == *verb),
            _ => true,
        };
        if !known {
            unknown.push(line.trim().to_owned());
        }
    }
    unknown
}

/// Each example becomes a module beside a tsconfig that maps the package's name to its source.
fn type_check(environment: &Environment, examples: &[String]) -> Outcome {
    if examples.is_empty() {
        return failed("README has no TypeScript example");
    }
    let root = std::env::current_dir().or_else(|error| failed(format!("no current folder: {error}")))?;
    let folder = workspace::target()?.join("readme");
    let name = |path: &Path| path.to_string_lossy().replace('\\', "/");
    let config = serde_json::json!({
        "extends": name(&root.join("tsconfig.json")),
        "compilerOptions": {
            "noEmit": true,
            "composite": false,
            "isolatedDeclarations": false,
            "declaration": false,
            "noUnusedLocals": false,
            "typeRoots": [name(&root.join("node_modules/@types"))],
            "paths": { "coffer-db": [name(&root.join("js/src/index.ts"))] },
        },
        "include": [name(&folder.join("*.ts"))],
    });
    let write = |path: &Path, text: &str| {
        std::fs::write(path, text).or_else(|error| failed(format!("cannot write {}: {error}", path.display())))
    };
    // Examples of an earlier README must not be compiled again.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).or_else(|error| failed(format!("cannot make {}: {error}", folder.display())))?;
    write(&folder.join("tsconfig.json"), &config.to_string())?;
    for (index, example) in examples.iter().enumerate() {
        // `export {}` makes it a module, in which `await` may stand at the top.
        write(&folder.join(format!("example{index}.ts")), &format!("{example}\nexport {{}}\n"))?;
    }
    check::node_tool(environment, "tsc", &["--project", &name(&folder)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_one_language_are_taken_whole() {
        assert_eq!(blocks("```ts\na\nb\n```\n```sh\nc\n```\n", "ts"), ["a\nb\n"]);
    }

    #[test]
    fn a_command_that_nothing_answers_to_is_found() {
        assert!(unknown_commands("npm test\nnpm run build\ncargo xtask tidy\nls\n", &["test", "build"]).is_empty());
        assert_eq!(unknown_commands("npm run gone\ncargo xtask gone\n", &["test"]).len(), 2);
    }
}
