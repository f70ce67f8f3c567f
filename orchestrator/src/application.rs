//! What this process becomes after a run that passed: the application, for a platform that has one
//! start command.
//!
//! It is the same process, execve(2): the platform's signals reach the application, its exit code is
//! the result, and in a container it is process 1. It gets stdin, stdout, stderr, the working folder
//! and the whole environment as they came, secrets too: they are its own. Nothing of the run stays
//! open.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use contract::{Class, Failure, Report, Voice};

use crate::PROGRAM_RUNNABLE;
use crate::prepare::Refusal;
use crate::programs::{Found, Places};
use crate::strays;
use crate::verdict::{NOT_FOUND, NOT_RUNNABLE, Verdict};

/// Longest line on stderr about it, in characters.
const LINE_MAX: usize = 400;

/// A command that can be run.
#[derive(Debug)]
pub(crate) struct Application {
    program: PathBuf,
    command: Vec<OsString>,
}

impl Application {
    /// Looks the command up as a shell would, but for the folders of PATH that are not absolute: a
    /// path is relative to the working folder, where the application will run.
    ///
    /// # Errors
    ///
    /// The report that says why it can't be run.
    pub(crate) fn find(given: &[OsString]) -> Result<Option<Application>, Box<Refusal>> {
        // Between an option and a command of many words, as elsewhere.
        let command = match given {
            [first, rest @ ..] if first == "--" => rest,
            all => all,
        };
        let name = match command.first() {
            Some(name) => name,
            None if given.is_empty() => return Ok(None),
            None => {
                let failure = Failure::new(Class::Usage, "cannot use --then: it names no command");
                return Err(Refusal::own_fault(
                    failure.remedy("write the application's command behind it"),
                ));
            }
        };
        let name = name.to_string_lossy();
        let places = Places::of_process(Path::new("here")).map_err(|error| {
            let what = "cannot tell where programs are looked for";
            Refusal::own_fault(Failure::caused_by(Class::Error, what, &error))
        })?;
        let refused = |code: u8, what: String, remedy: String| {
            let mut report = Report::default();
            let finding = report.broken(&PROGRAM_RUNNABLE, format!("--then {name}"), what);
            finding.remedy(remedy);
            report.summary("nothing was started");
            Refusal::new(report, code)
        };
        match places.find(&name) {
            Found::Runnable { path, .. } => Ok(Some(Application {
                program: path,
                command: command.to_vec(),
            })),
            Found::NotRunnable { path, obstacle } => {
                let what = format!("{} can't be run: {}", path.display(), obstacle.why);
                Err(refused(NOT_RUNNABLE, what, obstacle.remedy))
            }
            Found::Missing if name.contains('/') => {
                let what = format!("{name} does not exist");
                let remedy = "correct the path, which is relative to the working folder";
                Err(refused(NOT_FOUND, what, remedy.to_owned()))
            }
            Found::Missing => {
                let what = format!("{name} is not in PATH");
                let remedy = "install it, or write its path".to_owned();
                Err(refused(NOT_FOUND, what, remedy))
            }
        }
    }

    /// Becomes the application. It returns where the system refuses that after all, with the exit
    /// code that says so.
    pub(crate) fn start(self, voice: &Voice) -> u8 {
        let program = self.program.display();
        voice.show(&format!("starting {program}"), LINE_MAX);
        // It would be handed every orphan below it, and execve(2) keeps that.
        strays::leave_orphans();
        let mut command = Command::new(&self.program);
        if let [name, arguments @ ..] = self.command.as_slice() {
            // Some programs are told by it what they are.
            command.arg0(name).args(arguments);
        }
        let verdict = Verdict::not_started(&command.exec());
        voice.show(
            &format!(
                "orchestrator: cannot start {program}: it {}; every step has passed",
                verdict.said
            ),
            LINE_MAX,
        );
        verdict.code
    }
}
