//! The command line that every program has in common.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, Command, FromArgMatches as _, ValueEnum};

use crate::Tool;
use crate::manual;

/// How the result is written to stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One line per finding, the verdict last.
    #[default]
    Human,
    /// Exactly one JSON document.
    Json,
}

/// Whether colour is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal that has it.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Result")]
pub(crate) struct Common {
    /// How the result is written to stdout.
    #[arg(long, value_name = "FORMAT", default_value = "human", global = true)]
    pub(crate) format: Format,

    /// Also append the full account to FILE.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) log: Option<PathBuf>,

    /// Append the result to the evidence chain in DIR [env: LOCKSTEP_EVIDENCE].
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) evidence: Option<PathBuf>,

    /// Treat warnings as failures.
    #[arg(long, global = true)]
    pub(crate) strict: bool,

    /// When to use colour.
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true)]
    pub(crate) color: Color,

    /// List what this program checks, and exit.
    #[arg(long)]
    pub(crate) list_checks: bool,

    /// Write completions for SHELL (bash, elvish, fish, powershell, zsh), and exit.
    #[arg(long, value_name = "SHELL")]
    pub(crate) completions: Option<clap_complete::Shell>,

    /// Write the manual page in roff, and exit.
    #[arg(long)]
    pub(crate) man: bool,
}

/// What the arguments come to.
pub(crate) enum Parsed<A> {
    /// To run with these.
    Run(Box<(A, Common)>),
    /// To write this text to stdout and exit with 0.
    Text(Vec<u8>),
    /// Not usable; clap's message.
    Misuse(clap::Error),
}

/// The whole command of a program whose own arguments are `A`.
pub(crate) fn command<A: Args>(tool: &Tool) -> Command {
    let command = Command::new(tool.name)
        .version(tool.version)
        .disable_help_subcommand(true);
    // After the arguments: clap would take a flattened struct's own comment for the program's.
    let below = manual::below_help(tool);
    Common::augment_args(A::augment_args(command))
        .about(tool.about)
        .long_about(None::<&str>)
        .mut_subcommands(|subcommand| subcommand.after_help(below.clone()))
        .after_help(below)
}

pub(crate) fn parse<A: Args>(tool: &Tool, args: &[OsString]) -> Parsed<A> {
    let parsed = command::<A>(tool)
        .try_get_matches_from(args)
        .and_then(read::<A>);
    // A text is written without the arguments that a run needs, but not beside a mistyped one.
    let text = match &parsed {
        Ok(_) => text_asked_for::<A>(tool, args),
        Err(error) if is_of_a_run(error.kind()) => text_asked_for::<A>(tool, args),
        Err(_) => None,
    };
    if let Some(text) = text {
        return Parsed::Text(text);
    }
    match parsed {
        Ok(both) => Parsed::Run(Box::new(both)),
        Err(error) if !error.use_stderr() => Parsed::Text(error.render().to_string().into_bytes()),
        Err(error) => Parsed::Misuse(error),
    }
}

/// Whether only what a run needs is missing.
fn is_of_a_run(error: ErrorKind) -> bool {
    matches!(
        error,
        ErrorKind::MissingRequiredArgument
            | ErrorKind::MissingSubcommand
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    )
}

fn read<A: Args>(matches: ArgMatches) -> Result<(A, Common), clap::Error> {
    Ok((
        A::from_arg_matches(&matches)?,
        Common::from_arg_matches(&matches)?,
    ))
}

/// What `--list-checks`, `--man` or `--completions` ask for.
fn text_asked_for<A: Args>(tool: &Tool, args: &[OsString]) -> Option<Vec<u8>> {
    let own = own_options(args);
    let has = |option: &str| own.iter().any(|arg| arg == option);
    if !(has("--list-checks") || has("--man") || value_of(&own, "--completions").is_some()) {
        return None;
    }
    if has("--list-checks") {
        return Some(list_checks(tool, format_of(args)).into_bytes());
    }
    let mut text = Vec::new();
    if has("--man") {
        return manual::page(tool, command::<A>(tool)).ok();
    }
    let shell = clap_complete::Shell::from_str(value_of(&own, "--completions")?, false).ok()?;
    clap_complete::generate(shell, &mut command::<A>(tool), tool.name, &mut text);
    Some(text)
}

fn list_checks(tool: &Tool, format: Format) -> String {
    match format {
        Format::Json => {
            let checks: Vec<_> = tool
                .checks
                .iter()
                .map(|check| {
                    serde_json::json!({
                        "id": check.id, "holds": check.holds, "remedy": check.remedy,
                    })
                })
                .collect();
            format!("{}\n", serde_json::Value::Array(checks))
        }
        Format::Human => tool
            .checks
            .iter()
            .map(|check| {
                format!(
                    "{}\n  {}\n  remedy: {}\n",
                    check.id, check.holds, check.remedy
                )
            })
            .collect(),
    }
}

/// The format, read before clap has accepted the arguments: a misuse is one JSON document too.
pub(crate) fn format_of(args: &[OsString]) -> Format {
    match value_of(&own_options(args), "--format") {
        Some("json") => Format::Json,
        _ => Format::Human,
    }
}

/// The file or folder that an option names, read before clap has accepted the arguments.
pub(crate) fn path_of(args: &[OsString], option: &str) -> Option<PathBuf> {
    value_of(&own_options(args), option)
        .filter(|value| !value.starts_with('-'))
        .map(PathBuf::from)
}

fn own_options(args: &[OsString]) -> Vec<String> {
    args.iter()
        .skip(1)
        .map(|arg| arg.to_string_lossy().into_owned())
        .take_while(|arg| arg != "--")
        .collect()
}

fn value_of<'a>(args: &'a [String], option: &str) -> Option<&'a str> {
    args.iter().enumerate().find_map(|(at, arg)| {
        if arg == option {
            args.get(at + 1).map(String::as_str)
        } else {
            arg.strip_prefix(option)?.strip_prefix('=')
        }
    })
}
