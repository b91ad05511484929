//! The server as a process of its own, over a data folder that the test chooses.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fixtures::studies::Instance;
use rustix::process::{Pid, Signal, kill_process};

use crate::database;
use crate::dimse::{Association, Context as Presentation, contexts_for};
use crate::http::Http;
use crate::wait_for;

/// How long a start may take before a test gives up; what a test promises is shorter.
const START: Duration = Duration::from_secs(60);

/// The server binary: `PACS_BIN`, or the one beside the tests in the target folder.
///
/// # Errors
/// When it is not there.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("PACS_BIN") {
        return Ok(path.into());
    }
    let test = std::env::current_exe()?;
    // target/debug/deps/TEST
    let folder = test.ancestors().nth(2).context("the test does not lie in a target folder")?;
    let path = folder.join("pacs-server");
    if !path.is_file() {
        bail!(
            "{} is missing: run `cargo build --workspace --bins` first, or name the server in PACS_BIN",
            path.display()
        );
    }
    Ok(path)
}

/// A data folder and the settings of a server over it.
#[derive(Clone, Debug)]
pub struct Setup {
    folder: PathBuf,
    settings: Vec<(String, String)>,
}

impl Setup {
    /// A server whose data, log and configuration lie below `folder`, on free ports of the loopback address.
    #[must_use]
    pub fn new(folder: &Path) -> Setup {
        let setup = Setup { folder: folder.to_owned(), settings: Vec::new() };
        setup
            .with("PACS_DATA_DIR", &folder.join("data").display().to_string())
            .with("PACS_DIMSE__LISTEN", "127.0.0.1:0")
            .with("PACS_HTTP__LISTEN", "127.0.0.1:0")
            // How full the disk of the machine is that runs the tests is none of their business.
            .with("PACS_STORE__LIMITS__MIN_FREE_PERCENT", "0")
    }

    /// Sets a variable, in the place of an earlier one of the same name.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Setup {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    fn has(&self, name: &str) -> bool {
        self.settings.iter().any(|(known, _)| known == name)
    }

    /// Writes a configuration file for what is not set by variables.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn with_file(self, toml: &str) -> Result<Setup> {
        let path = self.folder.join("pacs.toml");
        std::fs::write(&path, toml)?;
        Ok(self.with("PACS_CONFIG", &path.display().to_string()))
    }

    /// The data folder.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// All that servers of this setup have written to standard error so far.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn log(&self) -> Result<String> {
        let bytes = std::fs::read(self.log_path()).context("the log")?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(binary()?);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PACS_") {
                command.env_remove(name);
            }
        }
        if database::is_postgres() && !self.has("PACS_DATABASE__URL") {
            let data = self.settings.iter().find(|(name, _)| name == "PACS_DATA_DIR");
            let data = data.map_or_else(|| self.data_dir(), |(_, path)| path.into());
            command.env("PACS_DATABASE__URL", database::of(&data)?);
        }
        command.args(arguments).envs(self.settings.iter().cloned()).current_dir(&self.folder);
        command.stdin(Stdio::null());
        Ok(command)
    }

    /// Runs another command of the server's binary with the same settings, to its end.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(&self, arguments: &[&str]) -> Result<Output> {
        Ok(self.command(arguments)?.output()?)
    }

    /// Starts a server and waits until it says that it is ready.
    ///
    /// # Errors
    /// When it ends or says nothing in time; the error holds the end of its log.
    pub fn start(&self) -> Result<Server> {
        let log: File = OpenOptions::new().create(true).append(true).open(self.log_path())?;
        let began = Instant::now();
        let mut child = self.command(&["serve"])?.stdout(Stdio::piped()).stderr(log).spawn()?;
        let lines = lines_of(child.stdout.take().context("no standard output")?);
        let (dimse, http) = (Vec::new(), SocketAddr::from(([127, 0, 0, 1], 0)));
        let mut server =
            Server { setup: self.clone(), child, dimse, http, said: String::new(), ready_after: START };
        let announced = server.hear_announcement(&lines, began + START);
        server.ready_after = began.elapsed();
        match announced {
            Ok(()) => Ok(server),
            Err(error) => Err(error.context(format!("the server's log ends:\n{}", self.log_end()))),
        }
    }

    fn log_end(&self) -> String {
        let log = self.log().unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

/// The lines of a pipe, read by a thread that ends with it.
fn lines_of(pipe: ChildStdout) -> Receiver<String> {
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            // Read to the end also when nobody listens any more: a full pipe would stop the server.
            let _ = tell.send(line);
        }
    });
    told
}

/// A running server; killed when it is dropped.
pub struct Server {
    setup: Setup,
    child: Child,
    /// Where it listens for DIMSE.
    pub dimse: Vec<SocketAddr>,
    /// Where it listens for HTTP.
    pub http: SocketAddr,
    /// What it wrote to standard output.
    pub said: String,
    /// Time from its start to its word that it is ready.
    pub ready_after: Duration,
}

impl Server {
    fn hear_announcement(&mut self, lines: &Receiver<String>, until: Instant) -> Result<()> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = match lines.recv_timeout(left) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => bail!("not ready within {START:?}"),
                Err(RecvTimeoutError::Disconnected) => bail!("ended with {}", self.child.wait()?),
            };
            let word = |prefix: &str| {
                let rest = line.trim_start().strip_prefix(prefix)?;
                rest.split_whitespace().next().map(str::to_owned)
            };
            if let Some(address) = word("modalities send to") {
                self.dimse.push(address.parse()?);
            }
            if let Some(url) = word("DICOMweb") {
                let address = url.trim_start_matches("http://").trim_end_matches("/dicom-web");
                self.http = address.parse().with_context(|| url.clone())?;
            }
            self.said.push_str(&line);
            self.said.push('\n');
            if line.starts_with("Data folder") {
                return Ok(());
            }
        }
    }

    /// The setup it was started with.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Its process number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A connection for requests to it.
    #[must_use]
    pub fn web(&self) -> Http {
        Http::new(self.http)
    }

    /// An association with it, for `contexts`.
    ///
    /// # Errors
    /// When it is not accepted.
    pub fn associate(&self, calling: &str, contexts: &[Presentation]) -> Result<Association> {
        let address = self.dimse.first().context("no DIMSE address")?;
        Association::open(*address, calling, "PACS", contexts)
    }

    /// C-STORE of instances over one association.
    ///
    /// # Errors
    /// When one of them is not taken.
    pub fn c_store<'a>(
        &self,
        calling: &str,
        instances: impl IntoIterator<Item = &'a Instance> + Clone,
    ) -> Result<()> {
        let contexts = contexts_for(instances.clone());
        let mut association = self.associate(calling, &contexts)?;
        for one in instances {
            let response = association.store(&contexts, one)?;
            if response.status != 0 {
                bail!("C-STORE of {} was answered with {response:?}", one.sop_instance);
            }
        }
        association.release()
    }

    /// Stops it, has its index made again from the packs, and starts another one over that.
    ///
    /// # Errors
    /// When one of the three fails.
    pub fn made_again(self) -> Result<Server> {
        let setup = self.setup.clone();
        self.stop()?;
        let made = setup.run(&["rebuild"])?;
        if !made.status.success() {
            bail!("not made again: {}", String::from_utf8_lossy(&made.stderr));
        }
        setup.start()
    }

    /// A C-ECHO over an association of its own, and how long both took.
    ///
    /// # Errors
    /// When it is not answered with success.
    pub fn echo(&self) -> Result<Duration> {
        let began = Instant::now();
        let syntax = "1.2.840.10008.1.2";
        let context = Presentation::new(1, fixtures::pdu::VERIFICATION, syntax);
        let mut association = self.associate("ECHO", &[context])?;
        let status = association.echo(1)?;
        association.release()?;
        if status != 0 {
            bail!("C-ECHO was answered with {status:04X}");
        }
        Ok(began.elapsed())
    }

    /// Whether the process runs.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn is_alive(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// A figure of `/proc/PID/status` in KiB, such as `VmRSS` or `VmHWM`.
    ///
    /// # Errors
    /// When the process has ended or there is no such figure.
    pub fn memory_kib(&self, figure: &str) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(':'));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.context("no such figure")?.parse().context("no number")
    }

    /// Ends it at once, as a power switch would: SIGKILL.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Sends SIGTERM and does not wait.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn ask_to_stop(&self) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::TERM)?)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end within `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        wait_for("the end of the server", limit, || Ok(self.child.try_wait()?))
    }

    /// SIGTERM, and an end in order.
    ///
    /// # Errors
    /// When it does not end in time or not with 0.
    pub fn stop(mut self) -> Result<()> {
        self.ask_to_stop()?;
        let status = self.wait(Duration::from_secs(40))?;
        if !status.success() {
            bail!("SIGTERM ended with {status}; the log ends:\n{}", self.setup.log_end());
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
