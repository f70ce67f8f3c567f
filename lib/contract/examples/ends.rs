//! A program that ends as it is told to: the test double of the contract's own tests.

use std::process::ExitCode;

use contract::{Changed, Check, Class, Failure, Report, Tool};

const TOLD: Check = Check {
    id: "end-as-told",
    holds: "the end is the one that was asked for",
    remedy: "ask for another one",
};

const TOOL: Tool = contract::tool!([TOLD]);

#[derive(clap::Args)]
struct Args {
    /// How to end.
    end: String,
    /// The text of findings, errors and panics.
    #[arg(default_value = "text")]
    text: String,
}

fn main() -> ExitCode {
    contract::run(&TOOL, |args: Args, run| {
        if args.end == "hurried" {
            run.limit_patience(std::time::Duration::from_millis(100));
        }
        run.environment("dev");
        run.say("working");
        let mut report = Report::default();
        match args.end.as_str() {
            "hold" => {
                report.held(&TOLD, &args.text);
            }
            "warn" => {
                report.warned(&TOLD, &args.text, "odd");
            }
            "break" => {
                for number in 0..12 {
                    report.broken(&TOLD, format!("{} {number}", args.text), "gone");
                }
            }
            "panic" => panic!("{}", args.text),
            "panic-on-a-thread" => {
                let text = args.text.clone();
                let _ = std::thread::spawn(move || panic!("{text}")).join();
            }
            "panic-after-change" => {
                run.change_began();
                panic!("{}", args.text);
            }
            "fail-after-change" => {
                run.change_began();
                return Err(Failure::new(Class::Unavailable, args.text));
            }
            "change" => {
                run.change_began();
                report.changed(Changed::Yes);
            }
            "change-oddly" => {
                run.change_began();
                report.changed(Changed::Yes);
                report.warned(&TOLD, &args.text, "odd");
            }
            "wait" => wait(),
            "work" => loop {
                std::hint::spin_loop();
            },
            "wait-after-change" => {
                run.change_began();
                wait();
            }
            "wait-and-answer" => {
                let (sender, asked) = std::sync::mpsc::channel();
                let ask = move || sender.send(()).unwrap_or_default();
                if let Err(error) = contract::signals::take_over(ask) {
                    return Err(Failure::caused_by(Class::Error, "cannot take over", &error));
                }
                run.say("waiting");
                let _ = asked.recv();
                return Err(Failure::new(Class::Fail, "cannot wait any longer"));
            }
            "hurried" => {
                report.broken(&TOLD, &args.text, "gone");
            }
            "partial" => return Err(Failure::new(Class::Partial, args.text)),
            _ => return Err(Failure::new(Class::Unavailable, args.text).remedy("wait")),
        }
        Ok(report)
    })
}

/// For a signal.
fn wait() -> ! {
    loop {
        std::thread::park();
    }
}
