//! A PostgreSQL server on a Unix socket in a folder of its own. A shell keeps it and ends it by its process id when the
//! tests end, however they end.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio_postgres::NoTls;

/// `$1` is the folder of the programs. It says where the server is, carries out orders, and ends with its input.
const KEEPER: &str = r#"
# The end of the input ends it, and nothing sooner: the server must not be left behind.
trap '' INT TERM HUP
folder=$(mktemp -d "${TMPDIR:-/tmp}/pacs-postgres-XXXXXX")
"$1/initdb" -D "$folder/data" --no-sync -A trust -U pacs -E UTF8 --locale=C >"$folder/log" 2>&1 || { cat "$folder/log" >&2; exit 1; }
start() {
  for attempt in $(seq 100); do
    "$1/pg_ctl" -D "$folder/data" -s -w -l "$folder/log" -o "-c listen_addresses='' -c unix_socket_directories='$folder' \
      -c fsync=off -c full_page_writes=off -c max_connections=300 -c shared_buffers=64MB" start \
      </dev/null >/dev/null 2>&1 && return 0
    sleep 0.05
  done
  cat "$folder/log" >&2
  return 1
}
start "$1" || exit 1
echo "$folder"
while read -r order; do
  case $order in
    kill) kill -9 "$(head -n 1 "$folder/data/postmaster.pid")" ;;
    stop) "$1/pg_ctl" -D "$folder/data" -s -w -m immediate stop </dev/null >/dev/null 2>&1 ;;
    start) start "$1" ;;
  esac
  echo "$order"
done
"$1/pg_ctl" -D "$folder/data" -s -w -m immediate stop </dev/null >/dev/null 2>&1
rm -rf "$folder"
"#;

/// A running server.
pub struct Server {
    folder: PathBuf,
    keeper: Child,
    /// None once the keeper is to end.
    orders: Mutex<Option<(ChildStdin, BufReader<ChildStdout>)>>,
    databases: AtomicU32,
}

impl Server {
    /// Starts one, as the user `postgres` where the tests run as root.
    pub fn start() -> Server {
        let programs = programs();
        let root = std::fs::metadata("/proc/self").is_ok_and(|own| {
            use std::os::unix::fs::MetadataExt;
            own.uid() == 0
        });
        let mut command = if root {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "sh"]);
            command
        } else {
            Command::new("sh")
        };
        command.args(["-c", KEEPER, "keeper"]).arg(programs).current_dir("/");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut stdout = BufReader::new(stdout);
        let mut folder = String::new();
        stdout.read_line(&mut folder).unwrap();
        assert!(!folder.is_empty(), "PostgreSQL did not start");
        Server {
            folder: folder.trim().into(),
            keeper: child,
            orders: Mutex::new(Some((stdin, stdout))),
            databases: AtomicU32::new(0),
        }
    }

    /// Makes an empty database; its URL.
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::SeqCst));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    pub fn url(&self, name: &str) -> String {
        format!("postgres://pacs@{}/{name}", self.folder.display().to_string().replace('/', "%2F"))
    }

    /// Runs statements as the server's owner; the first column of the last answer.
    pub fn sql(&self, database: &str, sql: &str) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&self.url(database), NoTls).await.unwrap();
            let driver = tokio::spawn(connection);
            let answer = client.simple_query(sql).await.unwrap();
            drop(client);
            driver.await.unwrap().unwrap();
            let first = |message: &tokio_postgres::SimpleQueryMessage| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => {
                    Some(row.get(0).unwrap_or_default().to_owned())
                }
                _ => None,
            };
            answer.iter().filter_map(first).collect()
        })
    }

    /// Kills the server with all its connections, as a loss of power of its machine does.
    pub fn kill(&self) {
        self.order("kill");
    }

    /// Stops it without a word to its clients.
    pub fn stop(&self) {
        self.order("stop");
    }

    /// Starts it again; back when it answers.
    pub fn start_again(&self) {
        self.order("start");
    }

    fn order(&self, order: &str) {
        let mut orders = self.orders.lock().unwrap();
        let orders = orders.as_mut().unwrap();
        writeln!(orders.0, "{order}").unwrap();
        let mut answer = String::new();
        orders.1.read_line(&mut answer).unwrap();
        assert_eq!(answer.trim(), order);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.orders.lock().map(|mut orders| orders.take()));
        let _ = self.keeper.wait();
    }
}

/// The folder of the server's programs.
fn programs() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    folders.extend(versions.map(|version| version.path().join("bin")));
    let has_all =
        |folder: &&PathBuf| ["initdb", "pg_ctl"].iter().all(|name| Path::new(folder).join(name).exists());
    let found = folders.iter().find(has_all);
    found
        .expect("PostgreSQL is not installed: run scripts/install-test-needs, or install `postgresql`")
        .clone()
}
