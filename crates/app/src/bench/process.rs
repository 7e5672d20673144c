//! Processes of our own, watched from outside: how soon they answer, how much memory they hold.

use super::BenchError;
use crate::clock::Stopwatch;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

const POLL: Duration = Duration::from_millis(20);

fn this_program() -> Result<std::path::PathBuf, BenchError> {
    Ok(std::env::current_exe()?)
}

/// Anonymous memory of a process in MiB: what it holds itself, not mapped file pages.
pub fn anonymous_mib(pid: u32) -> Option<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find(|l| l.starts_with("Anonymous:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}

/// The most anonymous memory a process holds while it imports a file.
pub async fn import_peak_mib(data: &Path, file: &Path) -> Result<f64, BenchError> {
    let mut child = Command::new(this_program()?)
        .arg("import")
        .arg("production")
        .arg(file)
        .arg("--data")
        .arg(data)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let mut peak = 0.0_f64;
    loop {
        if let Some(status) = child.try_wait()? {
            if !status.success() {
                return Err(BenchError::Machine(format!("the import ended with {status}")));
            }
            return Ok(peak);
        }
        if let Some(mib) = child.id().and_then(anonymous_mib) {
            peak = peak.max(mib);
        }
        tokio::time::sleep(POLL).await;
    }
}

/// A `dossier serve` in a process of its own.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: std::net::SocketAddr,
    /// From its start to its first answer.
    pub first_answer: Duration,
}

impl Server {
    /// Starts it and waits for its first answer to `path`.
    pub async fn start(data: &Path, path: &str) -> Result<Self, BenchError> {
        let watch = Stopwatch::start();
        let mut child = Command::new(this_program()?)
            .args(["serve", "--listen", "127.0.0.1:0", "--limits", "off", "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let out = child.stdout.take().ok_or(BenchError::Machine("no output".to_owned()))?;
        let mut lines = BufReader::new(out).lines();
        let mut address = None;
        while let Some(line) = lines.next_line().await? {
            let found = line.split("http://").nth(1);
            address = found.and_then(|rest| rest.trim_end_matches('/').trim().parse().ok());
            if address.is_some() {
                break;
            }
        }
        let address =
            address.ok_or(BenchError::Machine("serve did not say where it listens".to_owned()))?;
        let mut stream = tokio::net::TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).await?;
        let first_answer = watch.elapsed();
        if !reply.starts_with(b"HTTP/1.1 200") {
            let head = String::from_utf8_lossy(&reply[..reply.len().min(80)]).into_owned();
            return Err(BenchError::Machine(format!("serve answered {head}")));
        }
        Ok(Self { child, address, first_answer })
    }

    /// Its anonymous memory now, in MiB.
    pub fn anonymous_mib(&self) -> f64 {
        self.child.id().and_then(anonymous_mib).unwrap_or(f64::NAN)
    }

    /// Ends it.
    pub async fn stop(mut self) {
        if let Err(error) = self.child.kill().await {
            tracing::warn!(%error, "the server did not end");
        }
    }
}
