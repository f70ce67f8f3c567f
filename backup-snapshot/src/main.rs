//! Backs the database up into a snapshot that carries the proof of its content.
//!
//! Copies or dumps the database as of one moment, digests every row of it, reads back what it
//! wrote and gives the folder its name when it is whole. Reads the database only; writes nothing
//! but that folder. A copy of production is production, so the guards of an action apply.
//!
//! It restores nothing, and deletes nothing but what its own killed runs left behind.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use contract::{Check, Class, Failure, Manual, Report, Run, Tool};
use guards::Action;
use jiff::Timestamp;
use records::{LedgerName, Survey};
use settings::{Resolved, Target, TargetArgs};
use snapshots::manifest::{self, Git, Manifest};
use snapshots::publish::{self, Partial};
use snapshots::storage::Place;
use snapshots::{Cause, Phase, Stop, files, git, storage, verify};

mod failure;
mod libpq;
mod outside;
mod source;

use failure::failed;
use source::{Source, Taken};

const TOOL: Tool = contract::tool!(&CHECKS).with_manual(Manual {
    examples: &[
        (
            "backup-snapshot",
            "copy the environment's database to the folder that [backup] names",
        ),
        (
            "backup-snapshot sqlite:app.db --dir backups",
            "copy this database to this folder",
        ),
    ],
    reads: &[settings::TARGET_READS, guards::READS],
    see_also: &["deploy-db", "verify-guards"],
});

const STORAGE_LASTS: Check = Check {
    id: "storage-lasts",
    holds: "what is stored in the snapshots' folder outlives the machine, or is stored elsewhere too",
    remedy: "name a folder on a disk that lasts with [backup] dir, or store the snapshot elsewhere \
             with [backup] publish",
};

const STORAGE_APART: Check = Check {
    id: "storage-apart",
    holds: "the snapshots' folder is on another device than the SQLite database, or they are stored \
            elsewhere too (a warning)",
    remedy: "name a folder on another device with [backup] dir, or store the snapshot elsewhere with \
             [backup] publish",
};

const CONTENT_DIGESTED: Check = Check {
    id: "content-digested",
    holds: "every row is counted and digested from what was written",
    remedy: "look at what is named in the database; the snapshot holds it as it is",
};

const SNAPSHOT_WHOLE: Check = Check {
    id: "snapshot-whole",
    holds: "the snapshot was read back, and is what its manifest says",
    remedy: "look for faults of the disk, and take another snapshot",
};

const STORED_ELSEWHERE: Check = Check {
    id: "stored-elsewhere",
    holds: "the command of [backup] publish stored the snapshot elsewhere",
    remedy: "store the snapshot by hand, or mend the command or its credentials and take another one",
};

const RUNS_ENDED: Check = Check {
    id: "runs-ended",
    holds: "every earlier run in the snapshots' folder ended well",
    remedy: "none is needed: what a killed run left is removed",
};

const COMMIT_RECORDED: Check = Check {
    id: "commit-recorded",
    holds: "the manifest names the commit that is checked out, if there is one",
    remedy: "let git read the work tree, with safe.directory where another user owns it",
};

const FILES_CLEAN: Check = Check {
    id: "files-clean",
    holds: "no file that [backup] files names holds a secret",
    remedy: "leave it out of [backup] files, or move the secret out of it into a variable",
};

const OWN: [Check; 9] = [
    STORAGE_LASTS,
    STORAGE_APART,
    CONTENT_DIGESTED,
    SNAPSHOT_WHOLE,
    STORED_ELSEWHERE,
    RUNS_ENDED,
    COMMIT_RECORDED,
    FILES_CLEAN,
    settings::SETTINGS_USED,
];

const CHECKS: [Check; OWN.len() + guards::CHECKS.len()] = contract::join([&OWN, &guards::CHECKS]);

#[derive(clap::Args)]
struct Args {
    /// Folder of the snapshots, instead of dir in [backup] of lockstep.toml.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    #[command(flatten)]
    target: TargetArgs,
}

fn main() -> ExitCode {
    contract::run(&TOOL, |args: Args, run| backup(&args, run))
}

fn backup(args: &Args, run: &Run) -> Result<Report, Failure> {
    let resolved = args.target.load(run)?;
    let mut report = Report::default();
    settings::report(&resolved.warnings, &mut report);
    let dir = folder(args, &resolved)?;
    let publish = outside::command(&resolved.settings.backup.publish)?;
    let ledger = LedgerName::new(resolved.settings.migrations.ledger.as_deref())?;
    let root = resolved.settings.folder();
    let chosen = files::choose(root, &resolved.settings.backup.files).map_err(failed)?;
    clean(&chosen, &mut report);
    let commit = committed(root, &mut report);
    let expected = data_expected(&dir, &resolved, &mut report)?;

    let mut source = Source::open(&resolved, &ledger, run)?;
    let survey = source.survey()?;
    if survey.mark.is_some() {
        run.target_identity(&survey.identity());
    }
    let judge =
        |survey: &Survey| guards::judge_target(Action::Other, &resolved, survey, expected.clone());
    guards::report(&judge(&survey), &mut report);
    let place = storage::look(&dir).map_err(failed)?;
    lasting(&place, publish.is_some(), &survey, &mut report);
    apart(&place, publish.is_some(), &resolved.target, &mut report)?;
    if run.refuses(&report) {
        return Ok(refused(report));
    }

    source.rest()?;
    let stop = Stop::default();
    let asked = stop.clone();
    contract::signals::take_over(move || asked.ask())
        .map_err(|error| Failure::caused_by(Class::Error, "cannot take signals over", &error))?;
    swept(&dir, &mut report)?;
    let started = Timestamp::now();
    let environment = resolved.environment.as_deref().unwrap_or_default();
    let id = publish::short_id().map_err(failed)?;
    let name = publish::snapshot_name(started, environment, id);
    let partial = Partial::create(&dir, &name).map_err(failed)?;
    let progress = RefCell::new(run.progress("backed up"));
    let taken = source.take(
        partial.path(),
        &|survey| guards::allowed(&judge(survey)),
        &|phase, done, total| {
            // Of SQLite's phases the longest; PostgreSQL has one.
            if matches!(phase, Phase::Compress | Phase::Dump) {
                progress.borrow_mut().at(done, total.unwrap_or(0));
            }
        },
        &stop,
    )?;
    let (survey, mut content) = match taken {
        Taken::Whole(survey, content) => (survey, *content),
        // Somebody marked or emptied the database since it was looked at.
        Taken::Refused(survey) => {
            guards::report(&judge(&survey), &mut report);
            return Ok(refused(report));
        }
    };
    content
        .files
        .extend(chosen.copy(partial.path()).map_err(failed)?);
    let manifest = Manifest {
        format: manifest::FORMAT.to_owned(),
        id: name,
        tool: TOOL.name.to_owned(),
        version: TOOL.version.to_owned(),
        environment: environment.to_owned(),
        target_identity: survey.identity(),
        target: resolved.target.identity_hint(),
        ledger_state: migrations::ledger_state(survey.rows()),
        started_at: snapshots::rfc3339(started),
        completed_at: snapshots::rfc3339(Timestamp::now()),
        git: commit,
        content,
    };
    manifest.write(partial.path()).map_err(failed)?;
    if let Some(damage) = damage(&manifest, partial.path())? {
        report.broken(&SNAPSHOT_WHOLE, &manifest.id, damage);
        report.summary("the snapshot is damaged; nothing was published");
        return Ok(report);
    }
    stop.check().map_err(failed)?;
    let path = partial.publish().map_err(failed)?;

    describe(&manifest, &path, &mut report);
    report.held(&SNAPSHOT_WHOLE, &manifest.id);
    if let Some(publish) = publish {
        run.say("storing the snapshot elsewhere");
        publish.store(&path, &stop, &STORED_ELSEWHERE, &mut report);
    }
    report.summary(if report.counts().fail == 0 {
        let tables = counted(manifest.content.tables.len() as u64, "table");
        let rows = counted(manifest.rows(), "row");
        format!("{} with {rows} in {tables}", manifest.id)
    } else {
        format!("{} is written, but not stored elsewhere", manifest.id)
    });
    Ok(report)
}

/// `1 table`, `2 tables`.
fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Whether the files that are to be copied are free of secrets, as far as they can be read.
fn clean(chosen: &files::Chosen, report: &mut Report) {
    for (path, finding) in &chosen.secrets {
        let path = path.display().to_string();
        let line = finding
            .line
            .map(|line| u32::try_from(line).unwrap_or(u32::MAX));
        report
            .broken(&FILES_CLEAN, &path, finding.kind.to_string())
            .at(path, line);
    }
    for (path, why) in &chosen.unread {
        let message = format!("{why}, so it is copied without being looked through for secrets");
        report.warned(&FILES_CLEAN, path.display().to_string(), message);
    }
}

fn refused(mut report: Report) -> Report {
    report.summary("refused; nothing was written");
    report
}

fn folder(args: &Args, resolved: &Resolved) -> Result<PathBuf, Failure> {
    let dir = args
        .dir
        .clone()
        .or_else(|| resolved.settings.backup.dir.clone());
    let remedy = "name one with --dir, or with dir in [backup] of lockstep.toml";
    let dir = dir.ok_or_else(|| {
        let message = "cannot tell where snapshots go: no folder is named";
        Failure::new(Class::Usage, message).remedy(remedy)
    })?;
    if dir.as_os_str().is_empty() {
        let message = "cannot tell where snapshots go: the folder's name is empty";
        return Err(Failure::new(Class::Usage, message).remedy(remedy));
    }
    if dir.exists() && !dir.is_dir() {
        let message = format!(
            "cannot put snapshots into {}: it is no folder",
            dir.display()
        );
        return Err(Failure::new(Class::Usage, message).remedy(remedy));
    }
    Ok(dir)
}

/// The commit that is checked out. A snapshot without it is still one.
fn committed(root: &Path, report: &mut Report) -> Option<Git> {
    let here = Path::new(".");
    let root = if root.as_os_str().is_empty() {
        here
    } else {
        root
    };
    match git::look(root) {
        Ok(commit) => commit,
        Err(error) => {
            let line = failed(error).line();
            report.warned(&COMMIT_RECORDED, root.display().to_string(), line);
            None
        }
    }
}

/// What differs in the folder from what was written to it. The database file was read back while it
/// was written.
fn damage(manifest: &Manifest, folder: &Path) -> Result<Option<String>, Failure> {
    match verify::written(folder) {
        Ok(found) if found == *manifest => Ok(None),
        Ok(_) => Ok(Some(
            "its manifest is not the one that was written".to_owned(),
        )),
        Err(error) if error.cause() == Cause::Refused => Ok(Some(failed(error).line())),
        Err(error) => Err(failed(error)),
    }
}

/// A protected database is not backed up to where its snapshot is lost with the machine.
fn lasting(place: &Place, stored_elsewhere: bool, survey: &Survey, report: &mut Report) {
    let subject = place.folder.display().to_string();
    let lasts = storage::outlives(place, |name| {
        std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
    });
    match lasts {
        Ok(()) => report.held(&STORAGE_LASTS, subject),
        Err(_) if stored_elsewhere => report.held(&STORAGE_LASTS, "[backup] publish"),
        Err(ephemeral) if survey.mark.as_ref().is_some_and(|mark| !mark.protected) => {
            report.warned(&STORAGE_LASTS, subject, ephemeral.reason)
        }
        Err(ephemeral) => report.broken(&STORAGE_LASTS, subject, ephemeral.reason),
    };
}

/// A snapshot beside its database is lost with it when the disk is. It helps against a bad migration
/// all the same, so this is no refusal.
fn apart(
    place: &Place,
    stored_elsewhere: bool,
    target: &Target,
    report: &mut Report,
) -> Result<(), Failure> {
    let Target::Sqlite(database) = target else {
        return Ok(());
    };
    let database = storage::look(&database.path).map_err(failed)?;
    let subject = place.folder.display().to_string();
    match place.device == database.device {
        true if !stored_elsewhere => report.warned(
            &STORAGE_APART,
            subject,
            "it is on the database's own device: what destroys the one destroys the other",
        ),
        true => report.held(&STORAGE_APART, "[backup] publish"),
        false => report.held(&STORAGE_APART, subject),
    };
    Ok(())
}

/// Why the database should have tables: the newest snapshot of this environment has some.
fn data_expected(
    dir: &Path,
    resolved: &Resolved,
    report: &mut Report,
) -> Result<Option<String>, Failure> {
    for name in publish::snapshots(dir).map_err(failed)?.iter().rev() {
        let manifest = match Manifest::read(&dir.join(name)) {
            Ok(manifest) => manifest,
            Err(error) => {
                report.warned(&RUNS_ENDED, name, failed(error).line());
                continue;
            }
        };
        if Some(manifest.environment.as_str()) == resolved.environment.as_deref() {
            let tables = manifest.content.tables.len() as u64;
            return Ok((tables > 0)
                .then(|| format!("its snapshot {name} has {}", counted(tables, "table"))));
        }
    }
    Ok(None)
}

fn swept(dir: &Path, report: &mut Report) -> Result<(), Failure> {
    for leftover in publish::sweep(dir).map_err(failed)? {
        let path = leftover.path.display().to_string();
        if leftover.removed {
            report.warned(
                &RUNS_ENDED,
                path,
                "a run was killed; what it left is removed",
            );
        } else {
            report.skipped(&RUNS_ENDED, path, "a run is still at work");
        }
    }
    Ok(())
}

fn describe(manifest: &Manifest, path: &Path, report: &mut Report) {
    let content = &manifest.content;
    report.held(
        &CONTENT_DIGESTED,
        counted(content.tables.len() as u64, "table"),
    );
    for skipped in &content.skipped {
        report.skipped(&CONTENT_DIGESTED, &skipped.name, &skipped.reason);
    }
    for warning in &content.warnings {
        report.warned(&CONTENT_DIGESTED, "database", warning);
    }
    let artefact = content
        .files
        .iter()
        .find(|file| file.path == content.database.file);
    report
        .fact("snapshot", &manifest.id)
        .fact(
            "path",
            std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
        )
        .fact("ledger_state", &manifest.ledger_state)
        .fact("consistent_at", &content.consistent_at)
        .fact("completed_at", &manifest.completed_at)
        .fact("tables", content.tables.len())
        .fact("rows", manifest.rows())
        .fact("raw_bytes", content.database.raw_size)
        .fact("stored_bytes", artefact.map(|file| file.size))
        .fact("sha256", artefact.map(|file| &file.sha256))
        .fact("manifest_sha256", manifest.sha256())
        .fact("digest_scheme", &content.digest_scheme)
        .fact("engine_version", &content.engine.version)
        .fact("source_held_ms", content.source_held_ms)
        .fact("writers_waited", content.writers_waited)
        .fact("git_commit", manifest.git.as_ref().map(|git| &git.commit));
}
