//! The fixtures do what the other tests rely on.

use tests::postgres_server::Server;

#[test]
fn a_server_takes_its_password_over_tcp_and_is_gone_when_dropped() {
    let server = Server::start(&[]);
    let database = server.create_database();
    let mut client = postgres::Client::connect(&server.url(&database), postgres::NoTls).unwrap();
    let row = client.query_one("SELECT current_database()", &[]).unwrap();
    assert_eq!(row.get::<_, String>(0), database);
    let dir = server.dir().to_owned();
    drop(server);
    assert!(!dir.join("data").exists());
}
