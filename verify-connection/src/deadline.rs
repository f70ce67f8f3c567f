//! One deadline for the whole answer.

use std::sync::mpsc;
use std::time::Duration;

use contract::{Class, Failure};
use settings::Target;

use crate::observed::{Observed, Question};
use crate::{postgres, sqlite};

/// How much longer than the deadline a session may take to say itself what did not answer.
const GRACE: Duration = Duration::from_millis(500);

/// Asks on a thread of its own, which is left behind when the deadline passes: a file system that
/// hangs can't be interrupted.
pub(crate) fn ask_within(question: &Question) -> Result<Observed, Failure> {
    let Some(limit) = question.limit else {
        return answer(question);
    };
    let (sender, receiver) = mpsc::sync_channel(1);
    let own = question.clone();
    std::thread::Builder::new()
        .name("question".to_owned())
        .spawn(move || {
            // Nobody listens any more where the deadline has passed.
            let _ = sender.send(answer(&own));
        })
        .map_err(|error| Failure::caused_by(Class::Error, "cannot start a thread", &error))?;
    receiver.recv_timeout(limit + GRACE).unwrap_or_else(|_| {
        Err(Failure::new(
            Class::Unavailable,
            format!(
                "cannot get an answer from {} within {}",
                question.target,
                settings::duration::format(limit)
            ),
        )
        .remedy("see whether the database is up; a longer --timeout helps one that is waking"))
    })
}

fn answer(question: &Question) -> Result<Observed, Failure> {
    match &question.target {
        Target::Sqlite(target) => sqlite::observe(target, question),
        Target::Postgres(target) => postgres::observe(target, question),
    }
}
