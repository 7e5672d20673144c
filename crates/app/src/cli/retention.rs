//! `retention`: how long what is beside the ledger is kept, and what was deleted.

use super::term::{Paint, table};
use super::{Exit, Fault, open, term, words};
use crate::config::Global;
use crate::flows::custody::instant;
use crate::flows::persons::retention;

/// Runs the command.
pub async fn run(global: &Global) -> Result<Exit, Fault> {
    let house = open::house(global).await?;
    let caller = open::caller(&house, global).await?;
    let listed = retention::list(&house, &caller).await;
    house.store.close().await;
    let (policies, runs) = listed?;
    let zone = jiff::tz::TimeZone::UTC;
    let terms: Vec<_> = policies
        .into_iter()
        .map(|p| vec![p.kept.as_str().to_owned(), p.days.to_string(), p.basis])
        .collect();
    let told: Vec<_> = runs
        .into_iter()
        .map(|r| {
            let at = |at| words::minute(&zone, instant(at));
            vec![r.day_on, r.policy, r.row_count.to_string(), at(r.upto), at(r.at)]
        })
        .collect();
    let paint = Paint::for_stdout();
    let mut text = table(&["kind", "days", "from"], &terms, paint);
    text.push('\n');
    text +=
        &table(&["day (UTC)", "kind", "deleted", "up to (UTC)", "last run (UTC)"], &told, paint);
    term::print(&text)?;
    Ok(Exit::Done)
}
