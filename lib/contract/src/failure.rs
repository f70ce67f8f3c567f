//! Why a program could not come to an answer, or could not act.

use crate::Class;

/// An error that knows its class. One line in each crate's error enum makes `?` do the rest.
pub trait Classify: std::error::Error {
    /// Which exit code this error is.
    fn class(&self) -> Class;

    /// What to do next, where there is something to say.
    fn remedy(&self) -> Option<String> {
        None
    }
}

/// What ends a run without a verdict of its own: class, message, the chain of causes, remedy.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Decides the exit code.
    pub class: Class,
    /// "cannot VERB OBJECT", without the cause.
    pub message: String,
    /// The causes, outermost first.
    pub causes: Vec<String>,
    /// What to do next.
    pub remedy: Option<String>,
}

impl Failure {
    /// A failure without a cause beneath it.
    pub fn new(class: Class, message: impl Into<String>) -> Failure {
        Failure {
            class,
            message: message.into(),
            causes: Vec::new(),
            remedy: None,
        }
    }

    /// A failure with the chain of an error beneath it.
    pub fn caused_by(
        class: Class,
        message: impl Into<String>,
        cause: &dyn std::error::Error,
    ) -> Failure {
        let mut failure = Failure::new(class, message);
        failure.causes = chain(Some(cause));
        failure
    }

    /// The same with what to do next.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Failure {
        self.remedy = Some(remedy.into());
        self
    }

    /// Message and causes in one line.
    pub fn line(&self) -> String {
        let mut line = self.message.clone();
        for cause in &self.causes {
            line.push_str(": ");
            line.push_str(cause);
        }
        line
    }
}

impl<E: Classify> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure {
            class: error.class(),
            message: error.to_string(),
            causes: chain(error.source()),
            remedy: error.remedy(),
        }
    }
}

/// The messages of an error and its sources. A source that its parent repeats is left out, and so
/// is one that repeats its parent: some libraries' messages end in their source's, and SQLite's
/// source is its code with the same words.
fn chain(mut error: Option<&dyn std::error::Error>) -> Vec<String> {
    let mut messages: Vec<String> = Vec::new();
    while let Some(current) = error {
        let message = current.to_string();
        let repeats = messages.last().is_some_and(|last| {
            let (last, next) = (last.to_lowercase(), message.to_lowercase());
            last.contains(&next) || next.contains(&last)
        });
        if !repeats {
            messages.push(message);
        }
        error = current.source();
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Said {
        text: &'static str,
        source: Option<Box<Said>>,
    }

    #[test]
    fn what_was_said_is_not_said_again() {
        let said = |text, source| Said { text, source };
        let code = said("Error code 8: Attempt to write a readonly database", None);
        let engine = said("attempt to write a readonly database", Some(Box::new(code)));
        let error = said("cannot write the mark", Some(Box::new(engine)));
        assert_eq!(
            chain(Some(&error)),
            [
                "cannot write the mark",
                "attempt to write a readonly database"
            ]
        );
    }
}
