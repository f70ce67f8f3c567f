//! Text that is used and never shown.

use std::fmt;

/// A password. It has no `Display`, its `Debug` is `…`, and it can't be serialized; [`expose`] is
/// the one way to its text.
///
/// [`expose`]: Secret::expose
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text in. The redactor learns it where the names that results show are known too
    /// ([`Secret::register`]).
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text itself, for the driver and for a helper program's private file.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Makes the redactor mask the text wherever the contract prints; `public` are the names that
    /// results show anyway.
    pub fn register(&self, public: &[&str]) {
        contract::secret::register(&self.0, public);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}
