//! A PostgreSQL server for the tests of a suite; what goes wrong with it ends the test.

use fixtures::postgres;

/// A running server.
pub struct Server(postgres::Server);

impl Server {
    pub fn start() -> Server {
        Server(postgres::Server::start().unwrap())
    }

    /// Makes an empty database; its URL.
    pub fn database(&self) -> String {
        self.0.database().unwrap()
    }

    pub fn url(&self, name: &str) -> String {
        self.0.url(name)
    }

    /// Runs statements as the server's owner; the first column of what they answer.
    pub fn sql(&self, database: &str, sql: &str) -> Vec<String> {
        self.0.sql(database, sql).unwrap()
    }

    /// Kills the server with all its processes.
    pub fn kill(&self) {
        self.0.kill().unwrap();
    }

    /// Stops it without a word to its clients.
    pub fn stop(&self) {
        self.0.stop().unwrap();
    }

    /// Starts it again; back when it answers.
    pub fn start_again(&self) {
        self.0.start_again().unwrap();
    }
}
