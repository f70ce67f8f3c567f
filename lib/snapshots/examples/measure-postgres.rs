//! Takes a snapshot of a PostgreSQL database without a password and leaves it unpublished, to be
//! measured from outside: `measure-postgres HOST PORT USER DATABASE PARENT`.

use std::path::PathBuf;

use snapshots::Stop;
use snapshots::postgres::{self as pg, Patience};
use snapshots::publish::Partial;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [host, port, user, database, parent] = &args[..] else {
        return Err("usage: measure-postgres HOST PORT USER DATABASE PARENT".into());
    };
    let mut client = postgres::Config::new()
        .host(host)
        .port(port.parse()?)
        .user(user)
        .dbname(database)
        .connect(postgres::NoTls)?;
    let pairs = [
        ("host", host),
        ("port", port),
        ("user", user),
        ("dbname", database),
    ];
    let pair = |(name, value): (&str, &String)| (name.to_owned(), value.clone());
    let server = pg::Server {
        parameters: pairs.map(pair).to_vec(),
        password: None,
    };
    let partial = Partial::create(&PathBuf::from(parent), "measured")?;
    pg::snapshot(&mut pg::Request {
        client: &mut client,
        server: &server,
        pg_dump: None,
        folder: partial.path(),
        own: &|_, _| false,
        in_snapshot: &mut |_| true,
        patience: Patience::default(),
        progress: &|_, _, _| {},
        stop: &Stop::default(),
    })?;
    Ok(())
}
