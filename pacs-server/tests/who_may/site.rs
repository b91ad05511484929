//! A real server over a temporary folder, its commands, and an HTTP client on a plain or encrypted socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring};

pub const PASSWORD: &str = "con mèo ngủ trưa";

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// The cookie that it sets, as a browser sends it back.
    pub fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap().to_owned()
    }
}

/// A folder with a configuration, and the server over it once it is started.
pub struct Site {
    pub dir: TempDir,
    settings: Vec<(String, String)>,
    child: Option<Child>,
    pub address: SocketAddr,
    pub said: String,
    pub tls: Option<Arc<ClientConfig>>,
}

impl Site {
    pub fn new() -> Site {
        let site = Site {
            dir: TempDir::new().unwrap(),
            settings: Vec::new(),
            child: None,
            address: ([127, 0, 0, 1], 0).into(),
            said: String::new(),
            tls: None,
        };
        let data = site.dir.path().join("data").display().to_string();
        site.with("DATA_DIR", &data)
            .with("DIMSE__LISTEN", "127.0.0.1:0")
            .with("HTTP__LISTEN", "127.0.0.1:0")
            .with("STORE__LIMITS__MIN_FREE_PERCENT", "0")
    }

    pub fn with(mut self, key: &str, value: &str) -> Site {
        self.settings.retain(|(known, _)| *known != format!("PACS_{key}"));
        self.settings.push((format!("PACS_{key}"), value.to_owned()));
        self
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pacs-server"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PACS_")) {
            command.env_remove(name);
        }
        command.args(arguments).envs(self.settings.iter().cloned()).current_dir(self.dir.path());
        command
    }

    /// Runs another command with `input`, to its end.
    pub fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that refuses its arguments reads nothing.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// What a command that has to fail says.
    pub fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments, "");
        assert!(!output.status.success(), "{arguments:?} was done");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Makes an account by command.
    pub fn add(&self, name: &str, role: &str) {
        let arguments = ["account", "add", name, "--role", role, "--password-stdin"];
        let output = self.run(&arguments, &format!("{PASSWORD}\n"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    pub fn start(mut self) -> Site {
        let log = std::fs::File::create(self.dir.path().join("log.txt")).unwrap();
        let mut child = self.command(&["serve"]).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        self.child = Some(child);
        for line in lines.map_while(Result::ok) {
            if let Some(url) = line.trim_start().strip_prefix("DICOMweb") {
                let at = url.trim().trim_end_matches("/dicom-web");
                let at = at.split_once("://").unwrap().1;
                // Where a public address is told, the port is not; such a site is not asked.
                self.address = at.parse().unwrap_or(self.address);
            }
            self.said.push_str(&line);
            self.said.push('\n');
            if line.starts_with("Data folder") {
                // From elsewhere 0.0.0.0 is no address.
                self.address.set_ip([127, 0, 0, 1].into());
                return self;
            }
        }
        panic!("not started: {}", self.log());
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log.txt")).unwrap()
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// A figure of `/proc/PID/status`, in KiB.
    pub fn memory_kib(&self, figure: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(':'));
        line.unwrap().split_whitespace().next().unwrap().parse().unwrap()
    }

    /// Trusts the certificate in `file` alone.
    pub fn trust(&mut self, file: &Path) {
        use tokio_rustls::rustls::pki_types::pem::PemObject;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(file).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        self.tls = Some(Arc::new(config));
    }

    /// An answer, or why there is none. `head` is what stands behind the request line, lines ended.
    pub fn try_ask(&self, line: &str, head: &str, body: &[u8]) -> std::io::Result<Answer> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        // HTTP/1.0: the answer ends where the connection ends.
        let length = body.len();
        let host = format!("localhost:{}", self.address.port());
        let head = format!("{line} HTTP/1.0\r\nHost: {host}\r\nContent-Length: {length}\r\n{head}\r\n");
        let mut all = Vec::new();
        match &self.tls {
            None => talk(stream, &head, body, &mut all)?,
            Some(tls) => {
                let name = ServerName::try_from("localhost").unwrap();
                let connection = ClientConnection::new(tls.clone(), name).map_err(std::io::Error::other)?;
                talk(StreamOwned::new(connection, stream), &head, body, &mut all)?;
            }
        }
        let end = all.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.ok_or(std::io::ErrorKind::UnexpectedEof)?;
        let text = String::from_utf8_lossy(&all[..end]).into_owned();
        let mut lines = text.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        Ok(Answer { status, headers, body: all.split_off(end + 4) })
    }

    pub fn ask(&self, line: &str, head: &str, body: &[u8]) -> Answer {
        self.try_ask(line, head, body).unwrap_or_else(|error| panic!("{line}: {error}: {}", self.log()))
    }

    /// What a program gets.
    pub fn get(&self, path: &str, head: &str) -> Answer {
        self.ask(&format!("GET {path}"), head, b"")
    }

    /// What a browser gets.
    pub fn page(&self, path: &str, cookie: &str) -> Answer {
        self.get(path, &format!("Accept: text/html,*/*\r\nAccept-Language: en\r\nCookie: {cookie}\r\n"))
    }

    /// Posts a form as a browser does from our own page.
    pub fn form(&self, path: &str, cookie: &str, form: &str) -> Answer {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let origin = format!("{scheme}://localhost:{}", self.address.port());
        self.ask(&format!("POST {path}"), &form_head(&origin, cookie), form.as_bytes())
    }

    pub fn try_sign_in(&self, account: &str, password: &str) -> Answer {
        self.form("/sign-in", "", &format!("account={account}&password={}", percent(password)))
    }

    /// Signs in: the cookie.
    pub fn sign_in(&self, account: &str) -> String {
        let answer = self.try_sign_in(account, PASSWORD);
        assert_eq!(answer.status, 303, "{}", answer.text());
        answer.cookie()
    }

    /// Stores a file by STOW-RS.
    pub fn stow(&self, head: &str, file: &[u8]) -> Answer {
        let mut body = b"\r\n--edge\r\nContent-Type: application/dicom\r\n\r\n".to_vec();
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n--edge--\r\n");
        let kind = "Content-Type: multipart/related; type=\"application/dicom\"; boundary=edge\r\n";
        self.ask("POST /dicom-web/studies", &format!("{kind}{head}"), &body)
    }

    /// Asks again and again until `wanted`, at most 20 seconds.
    pub fn until<T>(&self, what: &str, mut wanted: impl FnMut() -> Option<T>) -> T {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(got) = wanted() {
                return got;
            }
            assert!(Instant::now() < end, "{what}: not in time; {}", self.log());
            // The pause of a poll with a deadline.
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn talk(mut stream: impl Read + Write, head: &str, body: &[u8], all: &mut Vec<u8>) -> std::io::Result<()> {
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    stream.flush()?;
    match stream.read_to_end(all) {
        // A server that ends a connection with bytes unread resets it; a TLS end without a word is an end too.
        Err(_) if !all.is_empty() => Ok(()),
        read => read.map(drop),
    }
}

/// The head of a form that a page of `origin` posts.
pub fn form_head(origin: &str, cookie: &str) -> String {
    format!(
        "Origin: {origin}\r\nCookie: {cookie}\r\nAccept: text/html\r\nAccept-Language: en\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n"
    )
}

/// A value of a form.
pub fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
