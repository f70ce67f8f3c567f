//! The manual page, and what stands below the help: what is said of a program beyond its arguments.

use std::fmt::Write as _;
use std::io::Error;

use clap::Command;
use clap_mangen::Man;

use crate::Tool;
use crate::class::exit_table;
use crate::tool::Entry;

/// What every program reads.
const ENVIRONMENT: [Entry; 5] = [
    (
        "LOCKSTEP_EVIDENCE",
        "The folder of the evidence chain, where --evidence names none.",
    ),
    (
        "LOCKSTEP_RUN_ID",
        "The name of the run that this one is a part of.",
    ),
    (
        "GITHUB_ACTIONS, GITHUB_STEP_SUMMARY",
        "In a job of GitHub Actions, failures are annotations too, and the result is added to its \
         summary.",
    ),
    (
        "CLICOLOR_FORCE, NO_COLOR, TERM",
        "Whether colour is used, in this order, where --color does not say it.",
    ),
    (
        "GITHUB_ACTOR, GITLAB_USER_LOGIN, USER, LOGNAME",
        "Who acts, for the record: the first that is set.",
    ),
];

/// What every program reads and writes, where it is asked to.
const FILES: [Entry; 1] = [(
    "DIR/evidence.jsonl, DIR/HEAD",
    "The evidence chain in the folder that --evidence names: one result a line.",
)];

/// What stands below the help: commands to type, and the exit codes.
pub(crate) fn below_help(tool: &Tool) -> String {
    let mut text = String::new();
    if !tool.manual.examples.is_empty() {
        text.push_str("Examples:\n");
        for (command, does) in tool.manual.examples {
            // Writing to a String does not fail.
            let _ = writeln!(text, "  {command}\n      {does}");
        }
        text.push('\n');
    }
    text.push_str(&exit_codes(tool));
    text
}

fn exit_codes(tool: &Tool) -> String {
    tool.exit_codes.map_or_else(exit_table, str::to_owned)
}

/// The page in roff. clap_mangen would refer to a page for each subcommand, and a program can write
/// only one: it has theirs inside. Sections and their order are those of man-pages(7).
pub(crate) fn page(tool: &Tool, mut command: Command) -> Result<Vec<u8>, Error> {
    let mut text = Vec::new();
    let mut subcommands = Vec::new();
    if command.has_subcommands() {
        // Gives the subcommands their full names and the options that all of them take.
        command.build();
        subcommands.extend(command.get_subcommands().cloned());
    }
    let man = Man::new(command);
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    for subcommand in subcommands {
        text.extend(section(subcommand)?.into_bytes());
    }
    text.extend(own_sections(tool).into_bytes());
    man.render_version_section(&mut text)?;
    Ok(text)
}

/// What a subcommand has of its own, as a section.
fn section(command: Command) -> Result<String, Error> {
    let title = command
        .get_bin_name()
        .unwrap_or(command.get_name())
        .to_uppercase();
    // The options that all take stand above; this one is the program's too.
    let command = command.mut_args(|arg| {
        let hidden = arg.is_global_set() || arg.get_id() == "help";
        arg.hide(hidden)
    });
    let man = Man::new(command);
    let mut body = Vec::new();
    man.render_synopsis_section(&mut body)?;
    man.render_description_section(&mut body)?;
    man.render_options_section(&mut body)?;
    let mut text = heading(&title);
    for line in String::from_utf8_lossy(&body).lines() {
        // Only requests begin with a dot: those of the text are escaped.
        let line = match line.strip_prefix(".SH ") {
            Some(heading) => format!(".SS {heading}"),
            None => line.to_owned(),
        };
        text.push_str(&line);
        text.push('\n');
    }
    Ok(text)
}

fn own_sections(tool: &Tool) -> String {
    let manual = &tool.manual;
    let read = || manual.reads.iter();
    let environment = read().flat_map(|reads| reads.environment);
    let files = read().flat_map(|reads| reads.files);
    let mut text = heading("EXIT STATUS");
    text.push_str(".nf\n");
    // Their first line says what the heading says.
    for line in exit_codes(tool).lines().skip(1) {
        text.push_str(&escaped(line));
        text.push('\n');
    }
    text.push_str(".fi\n");
    text.push_str(&list("ENVIRONMENT", environment.chain(&ENVIRONMENT)));
    text.push_str(&list("FILES", files.chain(&FILES)));
    if !manual.examples.is_empty() {
        text.push_str(&list("EXAMPLES", manual.examples.iter()));
    }
    if !manual.see_also.is_empty() {
        let pages = manual.see_also.iter();
        let pages: Vec<String> = pages
            .map(|name| format!("\\fB{}\\fR(1)", escaped(name)))
            .collect();
        text.push_str(&heading("SEE ALSO"));
        text.push_str(&pages.join(", "));
        text.push('\n');
    }
    text
}

fn heading(title: &str) -> String {
    format!(".SH \"{title}\"\n")
}

fn list<'a>(title: &str, entries: impl Iterator<Item = &'a Entry>) -> String {
    let mut text = heading(title);
    for (term, means) in entries {
        let _ = writeln!(text, ".TP\n\\fB{}\\fR\n{}", escaped(term), escaped(means));
    }
    text
}

/// Text as roff takes it: no hyphen becomes a dash, and no line a request.
fn escaped(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-");
    match escaped.starts_with(['.', '\'']) {
        true => format!("\\&{escaped}"),
        false => escaped,
    }
}
