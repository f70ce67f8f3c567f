//! A program that the tests put in the place of a step's: does what its arguments say, in order.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::exit,
    reason = "it is a test"
)]

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn main() {
    let parent = std::os::unix::process::parent_id();
    let mut args = std::env::args();
    let program = args.next().unwrap();
    let tool = Path::new(&program).file_name().unwrap().to_str().unwrap();
    for arg in args {
        let (act, value) = arg.split_once('=').unwrap_or((&arg, ""));
        match act {
            "say" => println!("{value}"),
            "err" => eprintln!("{value}"),
            "raw" => {
                let bytes: Vec<u8> = value.split(',').map(|byte| byte.parse().unwrap()).collect();
                std::io::stdout().write_all(&bytes).unwrap();
                std::io::stdout().flush().unwrap();
            }
            "flood" => flood(value.parse().unwrap()),
            "env" => println!("{value}={}", std::env::var(value).unwrap_or_default()),
            "result" => result(tool, value),
            "touch" => std::fs::write(value, "").unwrap(),
            "note" => note(value),
            "until" => until(|| Path::new(value).exists()),
            // FILE,COUNT: as many have noted themselves.
            "noted" => {
                let (file, count) = value.split_once(',').unwrap();
                let count = count.parse().unwrap();
                until(|| {
                    std::fs::read_to_string(file).is_ok_and(|text| text.lines().count() >= count)
                });
            }
            "orphaned" => until(|| std::os::unix::process::parent_id() != parent),
            "sleep" => until(|| false),
            "ms" => std::thread::sleep(Duration::from_millis(value.parse().unwrap())),
            "ignore" => drop(flag(value.parse().unwrap())),
            "await" => {
                let flag = flag(value.parse().unwrap());
                println!("awaiting {value}");
                until(|| flag.load(Ordering::SeqCst));
            }
            // FILE,CODE: the first time leaves the file and exits.
            "once" => {
                let (file, code) = value.split_once(',').unwrap();
                if !Path::new(file).exists() {
                    std::fs::write(file, "").unwrap();
                    std::process::exit(code.parse().unwrap());
                }
            }
            "kill" => {
                signal_hook::low_level::emulate_default_handler(value.parse().unwrap()).unwrap()
            }
            // A child in the same group that holds the pipes: acts separated by spaces.
            "child" => drop(
                Command::new(&program)
                    .args(value.split(' '))
                    .spawn()
                    .unwrap(),
            ),
            "setsid" => {
                drop(
                    Command::new("setsid")
                        .arg(&program)
                        .args(value.split(' '))
                        .spawn()
                        .unwrap(),
                );
            }
            "group" => drop(
                Command::new(&program)
                    .args(value.split(' '))
                    .process_group(0)
                    .spawn()
                    .unwrap(),
            ),
            "exit" => std::process::exit(value.parse().unwrap()),
            _ => panic!("{arg}"),
        }
    }
}

fn flood(bytes: usize) {
    let line = [b'x'; 1023];
    let mut stdout = std::io::stdout().lock();
    for _ in 0..bytes / 1024 {
        stdout.write_all(&line).unwrap();
        stdout.write_all(b"\n").unwrap();
    }
}

/// class[,changed[,finding]]
fn result(tool: &str, value: &str) {
    let mut words = value.split(',');
    let class = contract::Class::from_name(words.next().unwrap()).unwrap();
    let changed = words.next().unwrap_or("no");
    let findings: Vec<_> = words
        .map(|message| {
            serde_json::json!({
                "check": "thing-present", "status": "fail", "subject": "a", "message": message,
            })
        })
        .collect();
    let dir = std::env::var_os("LOCKSTEP_EVIDENCE").unwrap();
    let evidence = contract::evidence::Evidence::open(Path::new(&dir)).unwrap();
    evidence
        .append(&serde_json::json!({
            "tool": tool,
            "class": class.name(),
            "exit_code": class.code(),
            "changed": changed,
            "findings": findings,
        }))
        .unwrap();
}

/// One line with this process's id; the file then tells how often and by whom it was run.
fn note(file: &str) {
    let mut file = std::fs::File::options()
        .create(true)
        .append(true)
        .open(file)
        .unwrap();
    file.write_all(format!("{}\n", std::process::id()).as_bytes())
        .unwrap();
}

fn flag(signal: i32) -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal, Arc::clone(&flag)).unwrap();
    flag
}

/// Ends this process when its working folder is gone, which is the test's: no test leaves doubles
/// behind, however it ends.
fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        if std::env::current_dir().is_err() {
            std::process::exit(99);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
