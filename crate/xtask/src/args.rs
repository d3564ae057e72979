//! The command line of one verb: flags, options with a value, and plain words, each taken out as it is read.
//!
//! What nobody took is a usage error, so a mistyped option never passes in silence. Knows no verb.

use crate::shell::Failure;

pub struct Args {
    verb: &'static str,
    words: Vec<String>,
    /// Everything behind `--`, passed on untouched.
    rest: Vec<String>,
}

impl Args {
    pub fn new(verb: &'static str, mut words: Vec<String>) -> Self {
        let rest = match words.iter().position(|word| word == "--") {
            Some(at) => words.split_off(at).split_off(1),
            None => Vec::new(),
        };
        Self { verb, words, rest }
    }

    /// Whether `name` (with its dashes) was given.
    pub fn flag(&mut self, name: &str) -> bool {
        let before = self.words.len();
        self.words.retain(|word| word != name);
        self.words.len() < before
    }

    /// The value of `--name VALUE` or `--name=VALUE`.
    pub fn option(&mut self, name: &str) -> Result<Option<String>, Failure> {
        let joined = format!("{name}=");
        if let Some(at) = self.words.iter().position(|word| word.starts_with(&joined)) {
            return Ok(Some(self.words.remove(at).split_off(joined.len())));
        }
        let Some(at) = self.words.iter().position(|word| word == name) else {
            return Ok(None);
        };
        if at + 1 == self.words.len() || self.words[at + 1].starts_with("--") {
            return Err(self.usage(&format!("{name} wants a value")));
        }
        self.words.remove(at);
        Ok(Some(self.words.remove(at)))
    }

    /// The words left over: at most `max`, and no option among them.
    pub fn words(mut self, max: usize) -> Result<Vec<String>, Failure> {
        let words = std::mem::take(&mut self.words);
        if let Some(option) = words.iter().find(|word| word.starts_with('-')) {
            return Err(self.usage(&format!("no option '{option}'")));
        }
        if words.len() > max {
            return Err(self.usage(&format!("'{}' is one word too many", words[max])));
        }
        if !self.rest.is_empty() {
            return Err(self.usage("nothing follows '--' here"));
        }
        Ok(words)
    }

    /// As [`Args::words`], with what followed `--` beside it.
    pub fn words_and_rest(mut self, max: usize) -> Result<(Vec<String>, Vec<String>), Failure> {
        let rest = std::mem::take(&mut self.rest);
        Ok((self.words(max)?, rest))
    }

    fn usage(&self, what: &str) -> Failure {
        Failure::Usage(format!("{what}; see cargo xtask {} --help", self.verb))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Args {
        Args::new("verb", line.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn flags_options_and_words_are_taken_in_any_order() {
        let mut args = args("word --base main --native");
        assert!(args.flag("--native"));
        assert!(!args.flag("--native"));
        assert_eq!(args.option("--base").ok().flatten().as_deref(), Some("main"));
        assert_eq!(args.words(1).ok(), Some(vec!["word".to_owned()]));
    }

    #[test]
    fn an_option_joined_by_an_equals_sign_is_the_same() {
        let mut args = args("--base=a..b");
        assert_eq!(args.option("--base").ok().flatten().as_deref(), Some("a..b"));
        assert!(args.words(0).is_ok());
    }

    #[test]
    fn what_nobody_asked_for_is_refused() {
        assert!(args("--nativ").words(0).is_err());
        assert!(args("one two").words(1).is_err());
        assert!(args("-- three").words(1).is_err());
        assert!(args("--base --native").option("--base").is_err());
        assert!(args("--base").option("--base").is_err());
    }

    #[test]
    fn what_follows_two_dashes_is_passed_on_untouched() {
        let (words, rest) = args("one -- --two three").words_and_rest(1).unwrap_or_default();
        assert_eq!(words, ["one"]);
        assert_eq!(rest, ["--two", "three"]);
    }
}
