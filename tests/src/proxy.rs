//! A proxy that cuts a connection to the server at a word.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::postgres_server::Server;

/// The message that ends a transaction.
pub const COMMIT: &[u8] = b"COMMIT\0";

/// What happens to a message of the client that holds the proxy's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The connection is closed on both sides, and the server never sees the message.
    Before,
    /// The server gets it and answers; the answer is thrown away.
    AfterAnswer,
    /// The server gets it, and both sides are closed at once.
    After,
}

/// A proxy before the shared server that cuts one connection.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    /// Afterwards nobody is let through.
    dead: Arc<AtomicBool>,
    cuts: Arc<AtomicU32>,
}

impl Proxy {
    /// Cuts at the message with `word` that comes after `skip` others with it, once.
    pub fn start(word: &'static [u8], skip: u32, cut: Cut, dies: bool) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let dead = Arc::new(AtomicBool::new(false));
        let cuts = Arc::new(AtomicU32::new(0));
        let seen = Arc::new(AtomicU32::new(0));
        let shared = (Arc::clone(&dead), Arc::clone(&cuts));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (dead, cuts, seen) = (shared.0.clone(), shared.1.clone(), seen.clone());
                let client = client.unwrap();
                if dead.load(Ordering::SeqCst) {
                    continue;
                }
                std::thread::spawn(move || {
                    let server =
                        TcpStream::connect(("127.0.0.1", Server::shared().port())).unwrap();
                    let muted = Arc::new(AtomicBool::new(false));
                    let answered = Arc::new(AtomicBool::new(false));
                    back(&server, &client, &muted, &answered);
                    let (mut from, mut to) = (client, server);
                    let mut buffer = vec![0; 1 << 16];
                    while let Ok(count @ 1..) = from.read(&mut buffer) {
                        let chunk = &buffer[..count];
                        let hit = chunk.windows(word.len()).any(|part| part == word)
                            && seen.fetch_add(1, Ordering::SeqCst) == skip;
                        if hit {
                            dead.store(dies, Ordering::SeqCst);
                            muted.store(true, Ordering::SeqCst);
                            if cut != Cut::Before {
                                to.write_all(chunk).unwrap();
                            }
                            if cut == Cut::AfterAnswer {
                                until(&answered);
                            }
                            cuts.fetch_add(1, Ordering::SeqCst);
                            break;
                        }
                        if to.write_all(chunk).is_err() {
                            break;
                        }
                    }
                    let _ = from.shutdown(Shutdown::Both);
                    let _ = to.shutdown(Shutdown::Both);
                });
            }
        });
        Proxy { port, dead, cuts }
    }

    /// A URL of the shared server, led through here.
    pub fn url(&self, url: &str) -> String {
        let server = format!(":{}", Server::shared().port());
        url.replace(&server, &format!(":{}", self.port))
    }

    /// Where it listens on this machine.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections were cut.
    pub fn cuts(&self) -> u32 {
        self.cuts.load(Ordering::SeqCst)
    }

    /// Whether nobody is let through any more.
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }
}

fn back(
    server: &TcpStream,
    client: &TcpStream,
    muted: &Arc<AtomicBool>,
    answered: &Arc<AtomicBool>,
) {
    let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let (muted, answered) = (muted.clone(), answered.clone());
    std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if muted.load(Ordering::SeqCst) {
                answered.store(true, Ordering::SeqCst);
            } else if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}

fn until(answered: &AtomicBool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !answered.load(Ordering::SeqCst) {
        assert!(Instant::now() < deadline, "the answer never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}
