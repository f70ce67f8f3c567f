//! Against real servers, and against listeners that only pretend.

#![allow(
    clippy::unwrap_used,
    reason = "a helper that fails fails the test that asked for it"
)]

mod refusals;
mod routes;
mod silence;
mod tls;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use db_connect::{CancelHandle, ConnectError, Link, Options, connect};
use settings::{PostgresTarget, Target};

fn target(text: &str) -> PostgresTarget {
    match Target::parse(text, Path::new("/")) {
        Ok((Target::Postgres(target), _)) => target,
        other => panic!("{other:?}"),
    }
}

fn dial(text: &str) -> Result<Link, ConnectError> {
    connect(&target(text), &Options::new("test"))
}

fn dial_within(text: &str, timeout: Duration) -> Result<Link, ConnectError> {
    let options = Options {
        connect_timeout: Some(timeout),
        ..Options::new("test")
    };
    connect(&target(text), &options)
}

/// A listener on 127.0.0.1 that hands each connection to `serve`, for as long as the test runs.
fn pretend(mut serve: impl FnMut(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            serve(stream);
        }
    });
    address
}

/// Cancels what a session runs, once it sleeps: a request that comes too early is lost.
fn cancel_asleep(
    mut observer: postgres::Client,
    pid: i32,
    cancel: CancelHandle,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        loop {
            let asleep = observer.query_one(
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1 \
                 AND state = 'active' AND wait_event = 'PgSleep')",
                &[&pid],
            );
            if asleep.unwrap().get(0) {
                return cancel.cancel().unwrap();
            }
        }
    })
}
