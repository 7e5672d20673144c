//! Durable activations by 64 clients on SQLite, against a bare group-committing writer that
//! inserts the very same rows into a copy of the same store.

use super::{BenchError, Measured, Size, brand, per_second, rate, scratch};
use crate::clock::Stopwatch;
use crate::flows::activate::{Activated, Report, Signals, activate};
use crate::flows::idempotency::{Answer, Keyed};
use std::path::Path;
use std::sync::Arc;
use store::engine::{Engine, Plan, Row, SqliteOptions, Step, Target, Value};
use tokio::task::JoinSet;

const UNITS: u64 = 60_000;
const CLIENTS: usize = 64;

const UNIT_AFTER: &str = "SELECT number, activated_at, region, fingerprint, revision, recorded_at \
    FROM unit WHERE activated_at IS NOT NULL";
const EVENTS: &str = "SELECT e.home, e.id, e.brand_id, e.kind, e.happened_at, e.recorded_at, \
    e.canonical FROM event e WHERE e.kind = 'activated'";
const LEAVES: &str = "SELECT u.home, u.event_id, u.leaf FROM unsealed u JOIN event e \
    ON e.home = u.home AND e.id = u.event_id WHERE e.kind = 'activated'";
const ACTIVATIONS: &str = "SELECT unit, life, event_id, activated_at FROM activation";
const FINDINGS: &str = "SELECT unit, event_id, kind, grade, reasons, activated_at FROM finding";
const ALERTS: &str = "SELECT home, dedup_key, brand_id, kind, grade, event_id, due_at FROM alert";
const SIDES: &str = "SELECT home, id, sealed, expires_at FROM observation";
const ANSWERS: &str = "SELECT home, scope, content, status, reply, expires_at FROM idempotency";

const UNIT_PUT: &str = "UPDATE unit SET activated_at = $2, region = $3, fingerprint = $4, \
    revision = $5, recorded_at = $6 WHERE number = $1";
const EVENT_PUT: &str = "INSERT INTO event (home, id, brand_id, kind, happened_at, recorded_at, \
    canonical) VALUES ($1, $2, $3, $4, $5, $6, $7)";
const LEAF_PUT: &str = "INSERT INTO unsealed (home, event_id, leaf) VALUES ($1, $2, $3)";
const ACTIVATION_PUT: &str =
    "INSERT INTO activation (unit, life, event_id, activated_at) VALUES ($1, $2, $3, $4)";
const FINDING_PUT: &str = "INSERT INTO finding (unit, event_id, kind, grade, reasons, \
    activated_at) VALUES ($1, $2, $3, $4, $5, $6)";
const ALERT_PUT: &str = "INSERT INTO alert (home, dedup_key, brand_id, kind, grade, event_id, \
    due_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
const SIDE_PUT: &str =
    "INSERT INTO observation (home, id, sealed, expires_at) VALUES ($1, $2, $3, $4)";
const ANSWER_PUT: &str = "INSERT INTO idempotency (home, scope, content, status, reply, \
    expires_at) VALUES ($1, $2, $3, $4, $5, $6)";

/// Measures ours, then replays the rows it wrote.
pub async fn measure(dir: &Path, size: Size) -> Result<Measured, BenchError> {
    let units = size.of(UNITS, 200);
    let ours_dir = scratch(dir, "activation")?;
    let bare_dir = scratch(dir, "activation-bare")?;
    let (house, caller) = brand::open(&ours_dir).await?;
    brand::make_units(&house, &caller, 0..units).await?;
    house
        .store
        .engine()
        .backup_to(&bare_dir.join(store::engine::FILE_NAME))
        .await
        .map_err(machine)?;
    // A start is told when it happens: its unit was recorded before.
    let at = house.clock.now().as_microsecond();
    let reports: Arc<Vec<_>> = Arc::new((0..units).map(|number| report(number, at)).collect());
    let watch = Stopwatch::start();
    let mut clients = JoinSet::new();
    // As the server answers them: on all its threads.
    for first in 0..CLIENTS {
        let (house, caller) = (Arc::clone(&house), caller.clone());
        let reports = Arc::clone(&reports);
        clients.spawn(async move {
            for (number, report) in reports.iter().enumerate().skip(first).step_by(CLIENTS) {
                let key = Keyed::new("bench", "activations", &format!("k{number}"), "{}").ok();
                activate(&house, Some(&caller), report, key.as_ref(), &answer).await?;
            }
            Ok::<(), BenchError>(())
        });
    }
    joined(clients).await?;
    let ours = rate(units, watch.elapsed());
    let plans = plans(house.store.engine()).await?;
    house.store.close().await;
    if plans.len() as u64 != units {
        return Err(BenchError::Machine(format!("{} of {units} were activated", plans.len())));
    }
    let bare = replay(&bare_dir, plans).await?;
    Ok(Measured {
        path: "activation: durable, 64 clients, SQLite",
        ours: per_second(ours, "activations"),
        baseline: format!("{} (same rows, bare group commit)", per_second(bare, "plans")),
        ratio: ours / bare,
        wanted: "≥ 0.5",
    })
}

fn machine(error: impl std::fmt::Display) -> BenchError {
    BenchError::Machine(error.to_string())
}

fn report(number: u64, at: i64) -> Report {
    let line = brand::production_line(number);
    let sn = line.split(',').next().unwrap_or_default().to_owned();
    Report {
        scheme: "sn".to_owned(),
        value: sn,
        happened_at: at,
        offset_minutes: 480,
        fingerprint: Some(format!("fp-{number}")),
        signals: Signals { ip: "202.96.128.86".parse().ok(), ..Signals::default() },
    }
}

fn answer(outcome: &Activated) -> Answer {
    let reply = format!("{{\"first\":{},\"grade\":\"-\"}}", outcome.first);
    Answer::new(201, reply)
}

/// The rows ours wrote, one plan for each unit: with an answer of its own, of whichever.
async fn plans(engine: &Engine) -> Result<Vec<Plan>, BenchError> {
    let mut by_unit: std::collections::BTreeMap<i64, Vec<Step>> = Default::default();
    let mut answers = Vec::new();
    type Kinds = &'static [char];
    let tables: [(&'static str, &'static str, Kinds); 8] = [
        (UNIT_AFTER, UNIT_PUT, &['i', 'i', 't', 'b', 'i', 'i']),
        (EVENTS, EVENT_PUT, &['i', 'b', 'i', 't', 'i', 'i', 't']),
        (LEAVES, LEAF_PUT, &['i', 'b', 'b']),
        (ACTIVATIONS, ACTIVATION_PUT, &['i', 'i', 'b', 'i']),
        (FINDINGS, FINDING_PUT, &['i', 'b', 't', 't', 't', 'i']),
        (ALERTS, ALERT_PUT, &['i', 't', 'i', 't', 't', 'b', 'i']),
        (SIDES, SIDE_PUT, &['i', 'b', 'b', 'i']),
        (ANSWERS, ANSWER_PUT, &['i', 'b', 'b', 'i', 't', 'i']),
    ];
    for (select, put, kinds) in tables {
        let read = |row: &Row<'_>| {
            kinds
                .iter()
                .enumerate()
                .map(|(i, kind)| match kind {
                    'i' => row.opt_int(i).map(Value::from),
                    't' => row.opt_text(i).map(Value::from),
                    _ => row.opt_bytes(i).map(Value::from),
                })
                .collect::<Result<Vec<Value>, _>>()
        };
        for values in engine.query(select, &[], read).await.map_err(machine)? {
            let Some(Value::Int(home)) = values.first() else { continue };
            if put == ANSWER_PUT {
                // Under the home of its key, which tells no unit.
                answers.push(Step::run(put, values));
            } else if let Some(steps) = by_unit.get_mut(home) {
                steps.push(Step::run(put, values));
            } else if put == UNIT_PUT {
                by_unit.insert(*home, vec![Step::run(put, values)]);
            }
        }
    }
    if answers.len() != by_unit.len() {
        let (answers, units) = (answers.len(), by_unit.len());
        return Err(BenchError::Machine(format!("{answers} answers of {units} activations")));
    }
    for (steps, answer) in by_unit.values_mut().zip(answers) {
        steps.push(answer);
    }
    Ok(by_unit.into_values().map(Plan::new).collect())
}

async fn replay(dir: &Path, plans: Vec<Plan>) -> Result<f64, BenchError> {
    let target = Target::Sqlite { dir: dir.to_owned(), options: SqliteOptions::default() };
    let store = store::Store::open(&target).await?;
    let count = plans.len() as u64;
    // Each client sends the rows of the units that it activated.
    let mut shares: Vec<Vec<Plan>> = (0..CLIENTS).map(|_| Vec::new()).collect();
    for (number, plan) in plans.into_iter().enumerate() {
        shares[number % CLIENTS].push(plan);
    }
    let watch = Stopwatch::start();
    let mut clients = JoinSet::new();
    for share in shares {
        let engine = store.engine().clone();
        clients.spawn(async move {
            for plan in share {
                engine.write(plan).await.map_err(machine)?;
            }
            Ok::<(), BenchError>(())
        });
    }
    joined(clients).await?;
    let took = watch.elapsed();
    store.engine().close().await;
    Ok(rate(count, took))
}

/// Waits for all clients.
async fn joined(mut clients: JoinSet<Result<(), BenchError>>) -> Result<(), BenchError> {
    while let Some(client) = clients.join_next().await {
        client.map_err(machine)??;
    }
    Ok(())
}
