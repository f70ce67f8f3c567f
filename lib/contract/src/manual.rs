//! The manual page.

use std::io::{Error, Write as _};

use clap::Command;
use clap_mangen::Man;

/// The page in roff. clap_mangen would refer to a page for each subcommand, and a program can write
/// only one: it has theirs inside.
pub(crate) fn page(mut command: Command) -> Result<Vec<u8>, Error> {
    let mut text = Vec::new();
    if !command.has_subcommands() {
        Man::new(command).render(&mut text)?;
        return Ok(text);
    }
    // Gives the subcommands their full names and the options that all of them take.
    command.build();
    let after = command.get_after_help().cloned();
    let subcommands: Vec<Command> = command.get_subcommands().cloned().collect();
    let man = Man::new(command);
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    for subcommand in subcommands {
        let same_after = subcommand.get_after_help() == after.as_ref();
        text.extend(section(subcommand, same_after)?);
    }
    man.render_extra_section(&mut text)?;
    man.render_version_section(&mut text)?;
    Ok(text)
}

/// What a subcommand has of its own, as a section. `same_after`: what stands below its help stands
/// on the page already.
fn section(command: Command, same_after: bool) -> Result<Vec<u8>, Error> {
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
    if !same_after {
        man.render_extra_section(&mut body)?;
    }
    let mut text = Vec::new();
    writeln!(text, ".SH \"{title}\"")?;
    for line in String::from_utf8_lossy(&body).lines() {
        // Only requests begin with a dot: those of the text are escaped.
        match line.strip_prefix(".SH ") {
            Some(heading) => writeln!(text, ".SS {heading}")?,
            None => writeln!(text, "{line}")?,
        }
    }
    Ok(text)
}
