//! Looks, from a second session, at who keeps a migration waiting.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use db_connect::Link;
use postgres::types::Type;
use settings::PostgresTarget;

use super::session::OWN_PATH;
use crate::Options;

/// A migration that takes less is not worth a second connection, unless its lock timeout is
/// shorter still.
const FIRST_LOOK_MAX: Duration = Duration::from_millis(500);
const TICK_MIN: Duration = Duration::from_millis(10);

/// Watches one session's migrations, one after the other. Telling it that one begins or ends wakes
/// nobody: most end before there is anything to see.
pub(super) struct Watcher {
    shared: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The session that is at work, and since when.
    watched: Option<(i32, Instant)>,
    blockers: Vec<String>,
    over: bool,
}

impl Watcher {
    pub(super) fn start(target: &PostgresTarget, options: &Options) -> Watcher {
        let shared = Arc::new(Mutex::new(State::default()));
        let first_look = FIRST_LOOK_MAX.min(options.lock_timeout / 4);
        let looking = Looking {
            target: target.clone(),
            name: format!("{}/{}/watcher", options.tool, options.run_id),
            first_look,
            tick: (first_look / 2).max(TICK_MIN),
            shared: Arc::clone(&shared),
        };
        // Without a thread, nobody is named; the migration's own error says that it waited.
        let _ = std::thread::Builder::new()
            .name("watcher".into())
            .spawn(move || looking.look());
        Watcher { shared }
    }

    /// From now on the session of `pid` is watched.
    pub(super) fn begin(&self, pid: i32) {
        let mut state = lock(&self.shared);
        state.blockers.clear();
        state.watched = Some((pid, Instant::now()));
    }

    /// Ends the watch: who blocked when it last looked.
    pub(super) fn end(&self) -> Vec<String> {
        let mut state = lock(&self.shared);
        state.watched = None;
        std::mem::take(&mut state.blockers)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // The thread sees it at its next look; the process does not wait for that.
        lock(&self.shared).over = true;
    }
}

struct Looking {
    target: PostgresTarget,
    name: String,
    first_look: Duration,
    tick: Duration,
    shared: Arc<Mutex<State>>,
}

impl Looking {
    fn look(&self) {
        let mut link = None;
        loop {
            std::thread::sleep(self.tick);
            let state = lock(&self.shared);
            if state.over {
                return;
            }
            let watched = state.watched;
            drop(state);
            let Some((pid, _)) = watched.filter(|(_, since)| since.elapsed() >= self.first_look)
            else {
                continue;
            };
            if link.is_none() {
                let options = db_connect::Options::new(self.name.clone());
                link = db_connect::connect(&self.target, &options).ok();
                // The role's own path may lead to other operators than the catalog's.
                if let Some(link) = &mut link
                    && (!link.route.is_direct() || link.client.batch_execute(OWN_PATH).is_err())
                {
                    return;
                }
            }
            let Some(blockers) = link.as_mut().and_then(|link| blockers(link, pid)) else {
                // What can't be seen is not reported, and not asked for again.
                return;
            };
            let mut state = lock(&self.shared);
            if state.watched == watched && !blockers.is_empty() {
                state.blockers = blockers;
            }
        }
    }
}

fn lock(shared: &Mutex<State>) -> MutexGuard<'_, State> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn blockers(link: &mut Link, pid: i32) -> Option<Vec<String>> {
    let rows = link
        .client
        .query_typed(
            "SELECT pg_catalog.format('%s%s (process %s%s%s)', \
                coalesce(nullif(application_name, ''), backend_type, 'a session'), \
                ' as ' || usename, pid, ', ' || state, \
                ', its transaction ' || pg_catalog.date_part('epoch', \
                    pg_catalog.date_trunc('second', \
                        pg_catalog.clock_timestamp() - xact_start)) || ' s old') \
             FROM pg_catalog.pg_stat_activity \
             WHERE pid = ANY (pg_catalog.pg_blocking_pids($1))",
            &[(&pid, Type::INT4)],
        )
        .ok()?;
    Some(rows.iter().map(|row| row.get(0)).collect())
}
