//! `search`: whatever a text names, as the brand.

use super::term::{Paint, plain, table};
use super::{Exit, Fault, open, term};
use crate::config::Global;
use crate::flows::audit;
use crate::flows::search::{Hit, HitKind, search};

/// Finds units, packs, shipments, cases, master data, batches and reports.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// A code, an identifier, the beginning of a serial number, a part of a name
    #[arg(required = true)]
    words: Vec<String>,
    /// Of this kind alone: unit, pack, shipment, case, party, site, product, batch, report
    #[arg(long, value_parser = kind)]
    kind: Option<HitKind>,
}

fn kind(word: &str) -> Result<HitKind, String> {
    let kinds = HitKind::ALL.map(HitKind::as_str).join(", ");
    HitKind::parse(word).ok_or_else(|| format!("say one of {kinds}"))
}

/// Runs the command.
pub async fn run(global: &Global, args: Args) -> Result<Exit, Fault> {
    let house = open::house(global).await?;
    let caller = open::caller(&house, global).await?;
    let found = search(&house, &caller, &args.words.join(" "), args.kind).await;
    audit::flush(&house).await?;
    house.store.close().await;
    let found = found?;
    if found.hits.is_empty() {
        eprintln!("nothing answers to this");
        return Ok(Exit::No);
    }
    let row = |hit: &Hit| vec![hit.kind.as_str().to_owned(), plain(&hit.id), plain(&hit.label)];
    let rows: Vec<_> = found.hits.iter().map(row).collect();
    let mut text = table(&["kind", "id", "what"], &rows, Paint::for_stdout());
    if found.more {
        text += "there is more: say more of it\n";
    }
    term::print(&text)?;
    Ok(Exit::Done)
}
