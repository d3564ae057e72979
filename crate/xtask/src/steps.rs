//! A list of named steps, run in order and timed; the first that fails ends the list.

use crate::shell::{Failure, Outcome};
use std::time::{Duration, Instant};

#[derive(Default)]
pub struct Steps {
    done: Vec<(String, Duration)>,
}

impl Steps {
    /// Announces `name`, runs `step` and remembers how long it took.
    pub fn run(&mut self, name: &str, step: impl FnOnce() -> Outcome) -> Outcome {
        say!("== {name}");
        let start = Instant::now();
        let outcome = step();
        let took = start.elapsed();
        self.done.push((name.to_owned(), took));
        outcome.map_err(|failure| match failure {
            Failure::Check(message) => Failure::Check(format!("{name}, after {:.1} s: {message}", took.as_secs_f64())),
            Failure::Usage(message) => Failure::Usage(message),
        })
    }

    /// One line per step.
    pub fn print_times(&self) {
        for (name, took) in &self.done {
            say!("   {:>7.1} s  {name}", took.as_secs_f64());
        }
        let all: Duration = self.done.iter().map(|(_, took)| *took).sum();
        say!("   {:>7.1} s  in all", all.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_its_step_and_is_timed_as_well() {
        let mut steps = Steps::default();
        let outcome = steps.run("the step", || Err(Failure::Check("why".to_owned())));
        assert!(matches!(outcome, Err(Failure::Check(text)) if text.starts_with("the step") && text.ends_with("why")));
        assert_eq!(steps.done.len(), 1);
    }
}
