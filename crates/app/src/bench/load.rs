//! Asking over HTTP: as fast as it goes, or each request at its appointed time.

use super::ticks::Ticks;
use super::{BenchError, rate};
use crate::clock::Stopwatch;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// How finely requests are paced: a runtime's own timers know only whole milliseconds, and a load
/// that is two of them late measures itself.
const TICK: Duration = Duration::from_micros(250);

/// How requests are sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub address: SocketAddr,
    /// Connections that are kept alive; each has one request on its way.
    pub connections: usize,
    /// Which request is the first: the next ones follow it, and the last is followed by the first.
    pub from: usize,
    /// Requests in all.
    pub count: usize,
    /// Requests a second that are due, each timed from when it is; as many as go where there is
    /// none, each timed from when it is sent.
    pub pace: Option<f64>,
}

/// How requests were answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Answered {
    /// Requests a second.
    pub rate: f64,
    /// How long each waited, in milliseconds, in no order.
    pub waits: Vec<f64>,
}

/// What 99 of 100 did not wait longer than, in milliseconds.
pub(super) fn p99(mut waits: Vec<f64>) -> f64 {
    waits.sort_by(f64::total_cmp);
    waits.get(waits.len() * 99 / 100).copied().unwrap_or(f64::NAN)
}

impl Load {
    /// Sends requests.
    ///
    /// The load has a thread of its own: among the tasks of the server it would wait for them, and
    /// what it measured would be its own waiting.
    pub async fn send(self, requests: &[Vec<u8>]) -> Result<Answered, BenchError> {
        let requests: Arc<[Vec<u8>]> = requests.into();
        let (told, telling) = tokio::sync::oneshot::channel();
        std::thread::Builder::new().name("load".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let answered = match runtime {
                Ok(runtime) => runtime.block_on(self.lanes(requests)),
                Err(error) => Err(error.into()),
            };
            // Nobody listens any more where the measurement was given up.
            let _ = told.send(answered);
        })?;
        telling.await.map_err(|_| BenchError::Machine("the load broke off".to_owned()))?
    }

    async fn lanes(self, requests: Arc<[Vec<u8>]>) -> Result<Answered, BenchError> {
        let mut clients = Vec::with_capacity(self.connections);
        for _ in 0..self.connections {
            clients.push(Client::connect(self.address).await?);
        }
        let watch = Stopwatch::start();
        let mut tasks = tokio::task::JoinSet::new();
        let mut turns = Vec::with_capacity(self.connections);
        for (lane, client) in clients.into_iter().enumerate() {
            let turn = Arc::new(Semaphore::new(0));
            tasks.spawn(self.lane(lane, client, Arc::clone(&turn), Arc::clone(&requests), watch));
            turns.push(turn);
        }
        if let Some(pace) = self.pace {
            tasks.spawn(self.give_turns(pace, turns, watch));
        }
        let mut waits = Vec::with_capacity(self.count);
        while let Some(done) = tasks.join_next().await {
            waits.extend(done.map_err(|e| BenchError::Machine(e.to_string()))??);
        }
        let rate = rate(waits.len() as u64, watch.elapsed());
        Ok(Answered { rate, waits })
    }

    /// Lets each connection send a request once it is due; one that still waits for an answer
    /// sends it thereafter. Asks nothing itself.
    async fn give_turns(
        self,
        pace: f64,
        turns: Vec<Arc<Semaphore>>,
        watch: Stopwatch,
    ) -> Result<Vec<f64>, BenchError> {
        let mut ticks = Ticks::every(TICK)?;
        let mut given = 0;
        while given < self.count {
            let due = (watch.elapsed().as_secs_f64() * pace) as usize + 1;
            for number in given..due.min(self.count) {
                turns[number % self.connections].add_permits(1);
            }
            given = given.max(due);
            ticks.next().await?;
        }
        Ok(Vec::new())
    }

    /// What one connection asks.
    async fn lane(
        self,
        lane: usize,
        mut client: Client,
        turn: Arc<Semaphore>,
        requests: Arc<[Vec<u8>]>,
        watch: Stopwatch,
    ) -> Result<Vec<f64>, BenchError> {
        let mut waits = Vec::with_capacity(self.count / self.connections + 1);
        for number in (lane..self.count).step_by(self.connections) {
            let due = self.pace.map(|pace| Duration::from_secs_f64(number as f64 / pace));
            if due.is_some() {
                turn.acquire().await.map_err(|e| BenchError::Machine(e.to_string()))?.forget();
            }
            let sent = due.unwrap_or_else(|| watch.elapsed());
            client.ask(&requests[(self.from + number) % requests.len()]).await?;
            waits.push(watch.elapsed().saturating_sub(sent).as_secs_f64() * 1e3);
        }
        Ok(waits)
    }
}

/// One keep-alive connection that reads just enough HTTP to know where an answer ends.
pub(super) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    body_at: usize,
    end: usize,
}

impl Client {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> Result<Self, BenchError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 64 * 1024], body_at: 0, end: 0 })
    }

    /// Sends a request and waits for all of its answer, which has to be 200.
    pub async fn ask(&mut self, request: &[u8]) -> Result<(), BenchError> {
        let broken = || BenchError::Machine("an answer is not one".to_owned());
        self.stream.write_all(request).await?;
        let mut filled = 0;
        loop {
            let more = self.stream.read(&mut self.buffer[filled..]).await?;
            if more == 0 {
                return Err(broken());
            }
            filled += more;
            let seen = &self.buffer[..filled];
            let Some(head) = seen.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
            let text = std::str::from_utf8(&seen[..head]).map_err(|_| broken())?;
            if !text.starts_with("HTTP/1.1 200") {
                return Err(BenchError::Machine(
                    text.lines().next().unwrap_or_default().to_owned(),
                ));
            }
            let length = text
                .lines()
                .filter_map(|l| l.split_once(": "))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .and_then(|(_, value)| value.trim().parse::<usize>().ok())
                .ok_or_else(broken)?;
            self.body_at = head + 4;
            self.end = self.body_at + length;
            if filled >= self.end {
                return Ok(());
            }
        }
    }

    /// The body of the last answer.
    pub fn last_body(&self) -> &[u8] {
        &self.buffer[self.body_at..self.end]
    }
}
