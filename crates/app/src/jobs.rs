//! What a serving process does beside answering: writes down scans, uses of keys and sensitive
//! reads, looks again at activations that late facts concern, replays reports whose unit came and
//! that nobody came to, notices what other processes changed in the reference rows, seals what was
//! recorded into the log, forgets what may only be kept for a while, rewrites telephone hashes
//! under a new key, learns units by heart, and brings what was sealed to webhooks.
//!
//! Every job may be lost at any moment and run anywhere: nothing here holds state that is missed.

use crate::clock::Stopwatch;
use crate::flows::people::sessions;
use crate::flows::webhooks::courier::{self, Turn};
use crate::flows::{
    FlowError, House, api_keys, audit, expiry, later, log, persons, scans, waiting,
};
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use store::glance::Learned;
use tokio::sync::{Mutex, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::MissedTickBehavior;

/// How often it is looked whether gathered scans have their turn, 200 units at a time; writing may
/// take a 300th of the time (`flows::scans`): some 200 units a second where a commit takes 3 ms.
const SCANS_EVERY: Duration = Duration::from_millis(100);
/// How often noted sensitive reads are written.
const READS_EVERY: Duration = Duration::from_millis(100);
/// How often the outbox is looked into.
const OUTBOX_EVERY: Duration = Duration::from_millis(500);
/// How often it is looked whether reports wait for units that are there.
const REPORTS_EVERY: Duration = Duration::from_secs(30);
/// How often the version of the reference rows is read. On SQLite it is read at every use anyway.
const REFERENCE_EVERY: Duration = Duration::from_millis(100);
/// How often expired rows are looked for: more than once in the time a slice of them is due.
const EXPIRY_EVERY: Duration = Duration::from_secs(10);
/// How often uses of keys are written: they are known to the hour.
const KEY_USES_EVERY: Duration = Duration::from_secs(60);

/// How often sessions that are over are forgotten; they are refused at once anyway.
const SESSIONS_EVERY: Duration = Duration::from_secs(600);

/// How often what was recorded is sealed: a signed head is at most a second behind.
const SEAL_EVERY: Duration = Duration::from_millis(500);

/// How often webhooks are looked after.
const WEBHOOKS_EVERY: Duration = Duration::from_millis(500);
/// A message on its way may take so long after the signal; what is cut off is sent again.
const WEBHOOKS_WITHIN: Duration = Duration::from_secs(2);

/// Of the time in which units are learnt by heart, learning takes one part in so many: answers are
/// not to wait for it.
const LEARN_SHARE: u32 = 6;
/// Once all are known, or none can be, it is looked again so much later.
const LEARN_AGAIN: Duration = Duration::from_secs(10);

/// Jobs at work.
pub struct Jobs {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    house: Arc<House>,
}

/// Starts every job.
pub fn start(house: &Arc<House>) -> Jobs {
    let (stop, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();
    let of = || (Arc::clone(house), stopped.clone());
    let (house_1, stop_1) = of();
    tasks.spawn(repeat(SCANS_EVERY, stop_1, "scans", house_1, |house| async move {
        scans::flush_in_turn(&house).await
    }));
    let (house_2, stop_2) = of();
    tasks.spawn(repeat(OUTBOX_EVERY, stop_2, "outbox", house_2, |house| async move {
        let most = usize::try_from(later::JOBS_MAX).unwrap_or(1);
        while later::run_due(&house).await? == most {}
        Ok(())
    }));
    let (house_3, stop_3) = of();
    tasks.spawn(repeat(REFERENCE_EVERY, stop_3, "reference", house_3, |house| async move {
        house.reference_now().await.map(|_| ())
    }));
    let (house_4, stop_4) = of();
    tasks.spawn(repeat(EXPIRY_EVERY, stop_4, "expiry", house_4, |house| async move {
        let due = expiry::slice_now(&house);
        expiry::forget(&house, due).await?;
        persons::tend(&house).await.map(|_| ())
    }));
    let (house_5, stop_5) = of();
    tasks.spawn(repeat(SEAL_EVERY, stop_5, "seal", house_5, |house| async move {
        log::seal(&house).await.map(|_| ())
    }));
    let (house_6, stop_6) = of();
    tasks.spawn(repeat(READS_EVERY, stop_6, "audit", house_6, |house| async move {
        audit::flush(&house).await.map(|_| ())
    }));
    let (house_7, stop_7) = of();
    tasks.spawn(repeat(KEY_USES_EVERY, stop_7, "key uses", house_7, |house| async move {
        api_keys::write_uses(&house).await.map(|_| ())
    }));
    let (house_8, stop_8) = of();
    tasks.spawn(repeat(SESSIONS_EVERY, stop_8, "sessions", house_8, |house| async move {
        sessions::forget(&house).await
    }));
    let (house_9, stop_9) = of();
    // Where the next turn goes on; a process that starts begins anew.
    let behind = Arc::new(Mutex::new(String::new()));
    let stopping = stop_9.clone();
    tasks.spawn(repeat(REPORTS_EVERY, stop_9, "waiting reports", house_9, move |house| {
        let (behind, stopping) = (Arc::clone(&behind), stopping.clone());
        async move {
            let mut behind = behind.lock().await;
            while let Some(next) = waiting::catch_up(&house, &behind).await? {
                *behind = next;
                if *stopping.borrow() {
                    return Ok(());
                }
                tokio::task::yield_now().await;
            }
            behind.clear();
            Ok(())
        }
    }));
    tasks.spawn(learn(stopped.clone(), Arc::clone(house)));
    if house.settings.webhooks {
        tasks.spawn(couriers(stopped.clone(), Arc::clone(house)));
    }
    Jobs { stop, tasks, house: Arc::clone(house) }
}

impl Jobs {
    /// Ends every job at its next pause and writes what still waits: records before counts, since
    /// there may be no time for all.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
        if let Err(error) = audit::flush(&self.house).await {
            tracing::warn!(%error, "the last sensitive reads could not be recorded");
        }
        if let Err(error) = api_keys::write_uses(&self.house).await {
            tracing::warn!(%error, "the last uses of keys could not be written");
        }
        if let Err(error) = scans::flush(&self.house).await {
            tracing::warn!(%error, "the last scans could not be written");
        }
    }
}

/// Has what the public asks about units remembered before it asks.
async fn learn(mut stop: watch::Receiver<bool>, house: Arc<House>) {
    let mut pause = LEARN_AGAIN;
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(pause) => {}
        }
        let watch = Stopwatch::start();
        pause = match house.store.glances_learn().await {
            Ok(Learned::Some | Learned::Outrun) => watch.elapsed() * (LEARN_SHARE - 1),
            // What cannot be read now, others tell of; nothing rests on this.
            Ok(Learned::All | Learned::Nothing) | Err(_) => LEARN_AGAIN,
        };
    }
}

/// Does a job again and again. The first failure in a row is told, the others would only repeat it.
async fn repeat<F, D>(
    every: Duration,
    mut stop: watch::Receiver<bool>,
    name: &'static str,
    house: Arc<House>,
    job: F,
) where
    F: Fn(Arc<House>) -> D,
    D: Future<Output = Result<(), FlowError>>,
{
    let mut failing = false;
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(every) => {}
        }
        match job(Arc::clone(&house)).await {
            Ok(()) => failing = false,
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(job = name, %error, "a job failed and will be tried again");
            }
            Err(_) => {}
        }
    }
}

/// Brings to webhooks, several at a time: one that is slow holds up no other. Whose turn it is is
/// asked on and on, whoever waits for another to come back.
async fn couriers(mut stop: watch::Receiver<bool>, house: Arc<House>) {
    let mut errands = Errands { house, running: JoinSet::new(), busy: HashMap::new() };
    let mut waiting: Vec<Turn> = Vec::new();
    let mut looking = tokio::time::interval(WEBHOOKS_EVERY);
    looking.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        let ended = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            Some(ended) = errands.running.join_next_with_id() => Some(ended),
            _ = looking.tick() => None,
        };
        let failed = match ended {
            Some(ended) => errands.ended(ended),
            None => match courier::turns(&errands.house).await {
                Ok(turns) => {
                    waiting = in_line(&waiting, turns);
                    None
                }
                Err(error) => Some(error),
            },
        };
        waiting.retain(|turn| !errands.begin(turn));
        match failed {
            Some(error) if !failing => {
                failing = true;
                tracing::warn!(job = "webhooks", %error, "a job failed and will be tried again");
            }
            Some(_) => {}
            None => failing = false,
        }
    }
    let last = async { while errands.running.join_next().await.is_some() {} };
    if tokio::time::timeout(WEBHOOKS_WITHIN, last).await.is_err() {
        tracing::info!("messages to webhooks were cut off; they are sent again");
    }
}

/// Whose turn it is by now: who waited already stays before who did not, so nobody waits for ever.
fn in_line(waiting: &[Turn], mut turns: Vec<Turn>) -> Vec<Turn> {
    let places = waiting.iter().enumerate().map(|(place, turn)| (turn.row.id.as_str(), place));
    let places: HashMap<_, _> = places.collect();
    turns.sort_by_key(|turn| places.get(turn.row.id.as_str()).copied().unwrap_or(usize::MAX));
    turns
}

/// Couriers on their way, and to which webhook of which brand.
struct Errands {
    house: Arc<House>,
    running: JoinSet<Result<usize, FlowError>>,
    busy: HashMap<Id, (String, i64)>,
}

impl Errands {
    /// Sends a courier, or says that another must come back first.
    fn begin(&mut self, turn: &Turn) -> bool {
        let (webhook, brand) = (&turn.row.id, turn.row.brand);
        if self.busy.values().any(|(id, _)| id == webhook) {
            // It has its turn already.
            return true;
        }
        let of_brand = self.busy.values().filter(|(_, of)| *of == brand).count();
        if self.busy.len() >= courier::AT_ONCE_MAX || of_brand >= courier::AT_ONCE_OF_BRAND_MAX {
            return false;
        }
        let (house, turn) = (Arc::clone(&self.house), turn.clone());
        let (webhook, brand) = (webhook.clone(), brand);
        let sent = self.running.spawn(async move { courier::bring(&house, turn).await });
        self.busy.insert(sent.id(), (webhook, brand));
        true
    }

    /// One came back, or was lost on the way: the lease of its webhook ends by itself.
    fn ended(
        &mut self,
        ended: Result<(Id, Result<usize, FlowError>), JoinError>,
    ) -> Option<FlowError> {
        match ended {
            Ok((id, result)) => {
                self.busy.remove(&id);
                result.err()
            }
            Err(error) => {
                self.busy.remove(&error.id());
                tracing::error!(%error, "a courier was lost");
                None
            }
        }
    }
}
