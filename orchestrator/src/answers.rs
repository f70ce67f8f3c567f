//! What the programs of the suite answered: the lines that a step added to the run's evidence.

use std::path::{Path, PathBuf};

use contract::evidence::{self, Evidence, Head};
use contract::{Changed, Class, EvidenceError};
use serde::Deserialize;

/// One answer.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Answer {
    /// The program that gave it.
    #[serde(default)]
    pub(crate) tool: String,
    #[serde(default)]
    pub(crate) class: String,
    pub(crate) exit_code: i64,
    /// `no`, `yes`, `unknown`; the set is open.
    #[serde(default)]
    changed: String,
    #[serde(default)]
    pub(crate) findings: Vec<AnswerFinding>,
    /// Each program's own.
    #[serde(default)]
    facts: serde_json::Value,
}

/// One finding of an answer, as far as JUnit shows it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct AnswerFinding {
    #[serde(default)]
    pub(crate) check: String,
    #[serde(default)]
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) subject: String,
    #[serde(default)]
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) remedy: Option<String>,
}

impl Answer {
    /// Where the snapshot is that this answer tells of.
    pub(crate) fn snapshot(&self) -> Option<&str> {
        let is_made = self.tool == "backup-snapshot" && self.class == Class::Pass.name();
        self.facts["path"].as_str().filter(|_| is_made)
    }

    /// Whether the target was changed. A word that this version does not know is no "no".
    pub(crate) fn changed(&self) -> Changed {
        match self.changed.as_str() {
            "no" | "" => Changed::No,
            "yes" => Changed::Yes,
            _ => Changed::Unknown,
        }
    }
}

/// The chain of one run, read as it grows.
#[derive(Debug)]
pub(crate) struct Chain {
    dir: PathBuf,
    seen: usize,
    head: Head,
    stamp: Option<Stamp>,
}

/// What changes when a file is written or replaced: inode, length, time of the last change.
type Stamp = (u64, u64, i64, i64);

impl Chain {
    /// Starts the chain.
    ///
    /// # Errors
    ///
    /// When its files can't be written.
    pub(crate) fn start(dir: &Path) -> Result<Chain, EvidenceError> {
        Evidence::open(dir)?;
        let (lines, head) = evidence::read(dir)?;
        Ok(Chain {
            dir: dir.to_owned(),
            seen: lines.len(),
            head,
            stamp: None,
        })
    }

    /// As [`news`](Chain::news), but believes a file that looks untouched. Two changes within one
    /// tick of the file system's clock look like one, so the run ends with `news` all the same.
    ///
    /// # Errors
    ///
    /// As [`news`](Chain::news).
    pub(crate) fn news_if_touched(&mut self) -> Result<Vec<Answer>, EvidenceError> {
        let stamp = self.stamp();
        if stamp.is_some() && stamp == self.stamp {
            return Ok(Vec::new());
        }
        self.news()
    }

    fn stamp(&self) -> Option<Stamp> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = self.dir.join(evidence::LINES_FILE).metadata().ok()?;
        Some((
            metadata.ino(),
            metadata.len(),
            metadata.ctime(),
            metadata.ctime_nsec(),
        ))
    }

    /// The answers since the last call.
    ///
    /// # Errors
    ///
    /// When the chain can't be read, or is not a continuation of the one that was read before.
    pub(crate) fn news(&mut self) -> Result<Vec<Answer>, EvidenceError> {
        // Before the reading: what is written meanwhile is read again next time.
        let stamp = self.stamp();
        let (lines, head) = evidence::read(&self.dir)?;
        let before = match self.seen {
            0 => Some(&head.origin),
            seen => lines.get(seen - 1).map(|line| &line.hash),
        };
        if before != Some(&self.head.hash) || head.origin != self.head.origin {
            return Err(EvidenceError::Broken {
                path: self.dir.join(evidence::LINES_FILE),
                what: "lines that were there before are gone or others".to_owned(),
            });
        }
        let answers = lines[self.seen..]
            .iter()
            .filter_map(|line| serde_json::from_value(line.value.clone()).ok())
            .collect();
        self.seen = lines.len();
        self.head = head;
        self.stamp = stamp;
        Ok(answers)
    }

    /// The chain's end, for a place that nobody can rewrite: the log of a CI run.
    pub(crate) fn head(&self) -> &Head {
        &self.head
    }
}
