//! The built binary as a serving process, and a client that speaks HTTP to it.

use serde_json::Value;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use store::engine::Target;

/// Nothing a test asks for takes so long.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where the records are, as the command line says it.
#[derive(Clone)]
pub struct Place {
    args: Vec<String>,
}

impl Place {
    /// The records at `target` under the master key that all tests share, written to `scratch`.
    pub fn new(target: &Target, scratch: &Path) -> Self {
        let key = scratch.join("master.key");
        std::fs::write(&key, "5a".repeat(32)).expect("a file");
        let (option, at) = match target {
            Target::Sqlite { dir, .. } => ("--data", dir.display().to_string()),
            Target::Postgres { url } => ("--database", url.clone()),
        };
        let key = key.display().to_string();
        Self { args: vec![option.to_owned(), at, "--master-key".to_owned(), key] }
    }

    pub fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dossier"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DOSSIER_")) {
            command.env_remove(name);
        }
        command.args(args).args(&self.args).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end, which must be a good one.
    pub fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> String {
        let Output { status, stdout, stderr } = self.command(args).output().expect("it runs");
        let err = String::from_utf8_lossy(&stderr);
        assert!(status.success(), "{status}: {err}");
        String::from_utf8(stdout).expect("UTF-8")
    }

    /// The whole ledger is what the tables say.
    pub fn agrees(&self) {
        self.run(&["rebuild", "--check"]);
    }

    /// A key of the brand that may do everything.
    pub fn key(&self) -> String {
        let printed = self.run(&["key", "new", "--party", "BRAND", "--scopes", "all"]);
        printed.split_whitespace().last().expect("the key is the last word").to_owned()
    }
}

/// A `dossier serve` of its own.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Server {
    pub fn start(place: &Place) -> Self {
        Self::logging(place.command(&["serve", "--limits", "off"]), Stdio::null())
    }

    /// One with more to say than where its records are; its log goes to `log`.
    pub fn logging(mut command: Command, log: Stdio) -> Self {
        command.stderr(log);
        command.args(["--listen", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("it has an output");
        BufReader::new(out).read_line(&mut line).expect("it says where it listens");
        let address = line.trim().split_once("://").and_then(|(_, a)| a.parse().ok());
        let address = address.unwrap_or_else(|| panic!("it does not listen: {line:?}"));
        Self { child, address }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn client(&self, token: &str) -> Client {
        Client { address: self.address, token: token.to_owned() }
    }

    /// SIGKILL: no farewell.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// Somebody with a key.
#[derive(Clone)]
pub struct Client {
    address: SocketAddr,
    token: String,
}

/// What was answered.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e} in {}", self.text))
    }

    /// The answer's JSON lines.
    pub fn lines(&self) -> Vec<Value> {
        let read = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line}"));
        self.text.lines().map(read).collect()
    }
}

/// A request whose head is on its way.
pub struct Call(TcpStream);

impl Client {
    /// Connects and sends the head. HTTP/1.0, so that the answer ends with the connection.
    pub fn call(&self, method: &str, path: &str, media: &str, bytes: usize, more: &str) -> Call {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let head = format!(
            "{method} {path} HTTP/1.0\r\nhost: test\r\nauthorization: Bearer {}\r\n\
             content-type: {media}\r\ncontent-length: {bytes}\r\n{more}\r\n",
            self.token
        );
        stream.write_all(head.as_bytes()).expect("it reads");
        Call(stream)
    }

    pub fn get(&self, path: &str) -> Reply {
        self.call("GET", path, "text/plain", 0, "").answer()
    }

    pub fn post(&self, path: &str, body: &Value, more: &str) -> Reply {
        let body = body.to_string();
        self.call("POST", path, "application/json", body.len(), more).send(&body).answer()
    }

    pub fn import(&self, kind: &str, csv: &str) -> Reply {
        let path = format!("/api/v1/import/{kind}");
        self.call("POST", &path, "text/csv", csv.len(), "").send(csv).answer()
    }

    pub fn activate(&self, sn: &str, fingerprint: &str) -> Reply {
        let body = serde_json::json!({
            "identifier": {"scheme": "sn", "value": sn},
            "happened_at": "2026-06-09T08:00:00+08:00",
            "device_fingerprint": fingerprint,
        });
        self.post("/api/v1/activations", &body, "")
    }
}

impl Call {
    pub fn send(mut self, body: &str) -> Self {
        self.0.write_all(body.as_bytes()).expect("it reads");
        self
    }

    /// A second handle on the connection, for writing while it is read.
    pub fn writer(&self) -> TcpStream {
        self.0.try_clone().expect("a socket")
    }

    pub fn answer(self) -> Reply {
        self.answer_watched(|| {})
    }

    /// The whole answer; `look` is called whenever a piece of it has come.
    pub fn answer_watched(mut self, mut look: impl FnMut()) -> Reply {
        let mut bytes = Vec::new();
        let mut piece = vec![0; 64 * 1024];
        loop {
            match self.0.read(&mut piece).expect("it answers") {
                0 => break,
                count => bytes.extend_from_slice(&piece[..count]),
            }
            look();
        }
        let text = String::from_utf8(bytes).expect("UTF-8");
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}"));
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status");
        Reply { status, text: body.to_owned() }
    }
}

/// Anonymous memory of a process in KiB: what it holds itself, not mapped file pages.
pub fn anonymous_kib(pid: u32) -> Option<u64> {
    let path = PathBuf::from(format!("/proc/{pid}/smaps_rollup"));
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with("Anonymous:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
