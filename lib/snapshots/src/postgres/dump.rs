//! Runs `pg_dump` and reads its stream while it is compressed.

use std::io::{self, BufRead, Read};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::pace::Pace;
use super::program::{PasswordFile, PgDump, Server, without_passwords};
use crate::compressed::{self, Compressed, Frame};
use crate::error::Error;
use crate::stop::{Running, Stop};

/// Bytes that are read, digested and compressed at once.
const READ_BYTES: usize = 1 << 18;

/// Buffers that wait for the compressor.
const WAITING_BUFFERS: usize = 8;

/// Of what `pg_dump` says to stderr, this much of the end is kept.
const SAID_BYTES: usize = 1 << 14;

/// What goes into a run of `pg_dump`.
pub(super) struct Dump<'a> {
    pub(super) program: &'a PgDump,
    pub(super) server: &'a Server,
    pub(super) settings: &'a [(&'a str, &'a str)],
    pub(super) arguments: Vec<String>,
    pub(super) folder: &'a Path,
    pub(super) name: &'a str,
    pub(super) pace: &'a Pace<'a>,
    pub(super) stop: &'a Stop,
}

/// What came out, besides what `read` returned.
pub(super) struct Dumped<T> {
    pub(super) read: T,
    pub(super) compressed: Compressed,
    pub(super) warnings: Vec<String>,
}

/// How a run failed.
pub(super) struct Failed {
    pub(super) error: Error,
    /// Whether `pg_dump` had written anything: it writes only after it has its locks.
    pub(super) begun: bool,
}

impl Dump<'_> {
    /// Dumps, hands the stream to `read`, and compresses it to `folder/name`. `read` must read to
    /// the end. `pg_dump` is ended when anything fails.
    pub(super) fn run<T>(
        &self,
        read: impl FnOnce(&mut Stream<'_>) -> Result<T, Error>,
    ) -> Result<Dumped<T>, Failed> {
        let before = |error| Failed {
            error,
            begun: false,
        };
        let password = self.server.write_password(self.folder).map_err(before)?;
        let mut running = self.start(password.as_ref()).map_err(before)?;
        let stdout = running.child.stdout.take();
        let stderr = running.child.stderr.take();
        let (sender, receiver) = sync_channel(WAITING_BUFFERS);
        let (folder, name) = (self.folder, self.name);
        thread::scope(|scope| {
            let saying = scope.spawn(move || tail_of(stderr));
            let compressing = scope.spawn(move || compress(folder, name, receiver));
            let mut stream = Stream {
                stdout,
                sender: Some(sender),
                buffer: Arc::default(),
                at: 0,
                bytes: 0,
                password,
                pace: self.pace,
                stopped: false,
            };
            let read = read(&mut stream);
            let (begun, ended, stopped) =
                (stream.bytes > 0, stream.stdout.is_none(), stream.stopped);
            drop(stream);
            // Before the end of the stream it is still writing, to nobody.
            let status = if ended {
                running.wait()
            } else {
                running.kill()
            };
            let said = join(saying);
            let compressed = join(compressing);
            let failed = |error| Failed { error, begun };
            if stopped {
                compressed.map_err(failed)?;
                let error = Error::DumpDiffers {
                    found: "its compression ended early".to_owned(),
                };
                return Err(failed(error));
            }
            let status = status.map_err(|error| failed(self.not_started(error)))?;
            if ended && !status.success() {
                return Err(failed(Error::PgDump {
                    status: status.to_string(),
                    said: in_a_line(&said),
                }));
            }
            let read = read.map_err(failed)?;
            let warnings = said.lines().map(str::to_owned).collect();
            Ok(Dumped {
                read,
                compressed: compressed.map_err(failed)?,
                warnings,
            })
        })
    }

    fn start(&self, password: Option<&PasswordFile>) -> Result<Running, Error> {
        let (program, first) = self.program.command.split_first().ok_or(Error::NoPgDump {
            wanted: 0,
            found: "an empty command".to_owned(),
        })?;
        let mut command = Command::new(program);
        command
            .args(first)
            .args(&self.arguments)
            .arg("--dbname")
            .arg(self.server.connection_string(self.settings))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // What the caller resolved counts, and no variable that libpq would read besides.
        without_passwords(&mut command);
        if let Some(password) = password {
            command.env("PGPASSFILE", &password.path);
        }
        let running = self
            .stop
            .spawn(&mut command)
            .map_err(|error| self.not_started(error))?;
        if let Some(stdout) = &running.child.stdout {
            // A larger pipe means fewer turns between the two processes; it works without.
            let _ = rustix::pipe::fcntl_setpipe_size(stdout, 1 << 20);
        }
        Ok(running)
    }

    fn not_started(&self, source: io::Error) -> Error {
        Error::StartPgDump {
            command: self.program.command.join(" "),
            source,
        }
    }
}

fn compress(
    folder: &Path,
    name: &str,
    receiver: Receiver<Arc<Vec<u8>>>,
) -> Result<Compressed, Error> {
    let feed = |frame: &mut Frame<'_>| {
        receiver
            .iter()
            .try_for_each(|buffer: Arc<Vec<u8>>| frame.put(&buffer))
    };
    // Reading back keeps up with the dump, whose own progress is told.
    compressed::write(folder, name, None, &AtomicU64::new(0), feed)
}

/// The dump as it passes: each buffer that is read goes to the compressor as well.
pub(super) struct Stream<'a> {
    /// None once its end was seen.
    stdout: Option<ChildStdout>,
    sender: Option<SyncSender<Arc<Vec<u8>>>>,
    buffer: Arc<Vec<u8>>,
    at: usize,
    bytes: u64,
    /// Needed until the first byte: by then `pg_dump` has logged in.
    password: Option<PasswordFile>,
    pace: &'a Pace<'a>,
    stopped: bool,
}

impl BufRead for Stream<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.buffer.len()
            && let Some(stdout) = &mut self.stdout
        {
            let mut buffer = Vec::with_capacity(READ_BYTES);
            stdout
                .by_ref()
                .take(READ_BYTES as u64)
                .read_to_end(&mut buffer)?;
            self.password = None;
            self.at = 0;
            let read = buffer.len() as u64;
            self.bytes += read;
            self.buffer = Arc::new(buffer);
            if self.buffer.is_empty() {
                self.stdout = None;
            } else if let Some(sender) = &self.sender
                && sender.send(Arc::clone(&self.buffer)).is_err()
            {
                self.stopped = true;
                return Err(io::Error::other("the compression ended"));
            }
            self.pace.read(read);
        }
        Ok(&self.buffer[self.at..])
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let ready = self.fill_buf()?;
        let count = ready.len().min(bytes.len());
        bytes[..count].copy_from_slice(&ready[..count]);
        self.consume(count);
        Ok(count)
    }
}

/// What was said, as one line: hint and statement stand on lines of their own.
fn in_a_line(said: &str) -> String {
    let lines = said.lines().map(str::trim);
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    lines.join("; ")
}

fn tail_of(source: Option<impl Read>) -> String {
    let Some(mut source) = source else {
        return String::new();
    };
    let mut tail = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count) = source.read(&mut buffer) {
        if count == 0 {
            break;
        }
        tail.extend_from_slice(&buffer[..count]);
        let surplus = tail.len().saturating_sub(SAID_BYTES);
        tail.drain(..surplus);
    }
    String::from_utf8_lossy(&tail).into_owned()
}

fn join<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
