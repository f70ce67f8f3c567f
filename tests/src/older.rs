//! The shared server, as if it were of an older major.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};

use crate::postgres_server::Server;

/// A proxy before the shared server that puts another version into its answers.
#[derive(Debug)]
pub struct Older {
    port: u16,
}

impl Older {
    /// Where the server says its version as a number (`server_version_num`), `version_num` stands in
    /// its place, of as many digits. Without encryption only.
    pub fn start(version_num: &'static str) -> Older {
        let server = Server::shared();
        let own: String = server
            .connect("postgres")
            .query_one("SHOW server_version_num", &[])
            .unwrap()
            .get(0);
        assert_eq!(own.len(), version_num.len());
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let to = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
                let (mut up, mut down) = (client.try_clone().unwrap(), to.try_clone().unwrap());
                let own = own.clone();
                std::thread::spawn(move || copy(&mut up, to, |_| {}));
                std::thread::spawn(move || {
                    copy(&mut down, client, |chunk| {
                        replace(chunk, own.as_bytes(), version_num.as_bytes());
                    });
                });
            }
        });
        Older { port }
    }

    /// A URL of the shared server, led through here.
    pub fn url(&self, url: &str) -> String {
        let server = format!(":{}", Server::shared().port());
        url.replace(&server, &format!(":{}", self.port))
    }
}

fn copy(from: &mut TcpStream, mut to: TcpStream, change: impl Fn(&mut [u8])) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        change(&mut buffer[..count]);
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

fn replace(chunk: &mut [u8], word: &[u8], with: &[u8]) {
    let mut at = 0;
    while at + word.len() <= chunk.len() {
        let place = &mut chunk[at..at + word.len()];
        if place == word {
            place.copy_from_slice(with);
        }
        at += 1;
    }
}
