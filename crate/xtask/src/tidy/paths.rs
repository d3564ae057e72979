//! Rule: no file names a folder of one person's machine.

use super::{File, Finding, lines};

pub const RULE: &str = "machine path";

/// Folders that exist on one machine only. A system folder such as /usr/bin is the same for everybody.
const FOLDERS: &[&str] = &["/root/", "/work/", "/home/", "/Users/", ":\\Users\\", "/mnt/", "/private/var/"];

pub fn check(file: &File) -> Vec<Finding> {
    lines(&file.text)
        .filter_map(|(line, text)| {
            let folder = FOLDERS.iter().find(|folder| names(text, folder))?;
            let what = format!("'{folder}' is somebody's own machine");
            Some(Finding { rule: RULE, path: file.path.clone(), line, what })
        })
        .collect()
}

/// Whether a path in `text` starts with `folder`: `/pkg/home/x` and `https://a.example/home/` do not.
fn names(text: &str, folder: &str) -> bool {
    text.match_indices(folder).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        !folder.starts_with('/')
            || !before.is_some_and(|letter| letter.is_alphanumeric() || "._-~/}$)".contains(letter))
    })
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    #[test]
    fn home_folders_are_found() {
        assert_eq!(check(&file("a.toml", "x = 1\npath = \"/root/x\"\n"))[0].line, 2);
        assert_eq!(check(&file("a.md", "C:\\Users\\me\n")).len(), 1);
        assert_eq!(check(&file("a.md", "/home/me/x\n")).len(), 1);
    }

    #[test]
    fn addresses_relative_paths_and_system_folders_are_fine() {
        let text = "https://a.example/home/x\nwww/work/x\n/usr/bin/chromium\n${root}/work/x\n";
        assert!(check(&file("a.md", text)).is_empty());
    }
}
