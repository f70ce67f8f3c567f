//! A session of its own for a step, so that no terminal is the step's.
//!
//! A program that asks for a password opens `/dev/tty`, whatever its stdin is. A step is in the
//! background of the terminal's session: the kernel would stop it there until its timeout. Without
//! a controlling terminal that open fails at once. Only a process itself can leave its session,
//! setsid(2), so this program is started in the step's place, leaves, and becomes the step's. Where
//! there is no terminal, as in CI, the step is started at once.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Error, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::io::fcntl_dupfd_cloexec;
use rustix::pipe::{PipeFlags, pipe_with};

/// What this program is called while it stands in a step's place.
const IN_PLACE: &str = "lockstep-step";

/// A program in a process group of its own, and away from any terminal.
pub(crate) struct Apart {
    command: Command,
    /// Where the program in its place tells that it could not become it.
    told: Option<File>,
}

impl Apart {
    /// # Errors
    ///
    /// When there are no descriptors left.
    pub(crate) fn new(program: &Path, arguments: &[String]) -> std::io::Result<Apart> {
        if !has_terminal() {
            let mut command = Command::new(program);
            command
                .args(arguments)
                .process_group(0)
                .stdin(Stdio::null());
            return Ok(Apart {
                command,
                told: None,
            });
        }
        let (told, tell) = pipe_with(PipeFlags::CLOEXEC)?;
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0(IN_PLACE)
            .arg(program)
            .args(arguments)
            .stdin(Stdio::from(tell));
        Ok(Apart {
            command,
            told: Some(told.into()),
        })
    }

    pub(crate) fn command(&mut self) -> &mut Command {
        &mut self.command
    }

    /// Starts it.
    ///
    /// # Errors
    ///
    /// When it can't be started; nothing of it ran then.
    pub(crate) fn spawn(mut self) -> std::io::Result<Child> {
        let mut child = self.command.spawn()?;
        // Its end of the pipe is open for the child alone then.
        drop(self.command);
        let Some(mut told) = self.told else {
            return Ok(child);
        };
        let mut errno = Vec::new();
        told.read_to_end(&mut errno)?;
        match <[u8; 4]>::try_from(errno) {
            Ok(errno) => {
                child.wait()?;
                Err(Error::from_raw_os_error(i32::from_ne_bytes(errno)))
            }
            // Closed by the program's start, or by a signal that will be seen.
            Err(_) => Ok(child),
        }
    }
}

fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// Whether this process stands in a step's place. Then it has failed to become it: it does not
/// return otherwise.
pub(crate) fn stands_in_place() -> bool {
    let mut args = std::env::args_os();
    if args.next().as_deref() != Some(OsStr::new(IN_PLACE)) {
        return false;
    }
    let stdin = rustix::stdio::stdin();
    // Behind the three that the step has; closed when it starts.
    let Ok(tell) = fcntl_dupfd_cloexec(stdin, 3) else {
        return true;
    };
    let error = match (rustix::process::setsid(), args.next()) {
        (Err(errno), _) => errno.into(),
        (Ok(_), None) => Error::from(std::io::ErrorKind::InvalidInput),
        (Ok(_), Some(program)) => Command::new(program).args(args).stdin(Stdio::null()).exec(),
    };
    let errno = error
        .raw_os_error()
        .unwrap_or(rustix::io::Errno::INVAL.raw_os_error());
    // Who does not listen sees the exit code.
    let _ = File::from(tell).write_all(&errno.to_ne_bytes());
    true
}
