//! `batch`: lists, delivers and voids batches of codes.

use super::term::{Paint, plain, table};
use super::{Exit, Fault, open, term, words};
use crate::config::Global;
use crate::flows::batches;
use crate::flows::custody::instant;
use crate::flows::reference::Reference;
use domain::code::TraceCode;
use domain::id::{BatchId, BrandId, ProductId};
use domain::refusal::Refused;
use store::reference::Batch;

/// Batches of codes.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// List the batches of the brand
    List,
    /// Note that a batch was handed over
    Deliver {
        /// The batch's number
        batch: i64,
        /// To whom, in words: a printer, a factory
        #[arg(long, value_name = "WHOM")]
        to: String,
    },
    /// Void a batch, or a range of it (a lost reel of labels)
    Void {
        /// The batch's number
        batch: i64,
        /// First code of the range
        #[arg(long, value_name = "CODE", requires = "to")]
        from: Option<String>,
        /// Last code of the range
        #[arg(long, value_name = "CODE", requires = "from")]
        to: Option<String>,
        /// Why
        #[arg(long)]
        reason: String,
    },
}

/// Runs the command.
pub async fn run(global: &Global, command: Command) -> Result<Exit, Fault> {
    let house = open::house(global).await?;
    let caller = open::caller(&house, global).await?;
    let text = match command {
        Command::List => {
            let reference = house.reference().await?;
            let zone = reference.zone(caller.brand);
            list(&reference, caller.brand, zone)
        }
        Command::Deliver { batch, to } => {
            let batch = batches::deliver(&house, &caller, BatchId(batch), &to).await?;
            format!("batch {} is delivered to {}\n", batch.id, plain(&to))
        }
        Command::Void { batch, from, to, reason } => {
            let range = match (from, to) {
                (Some(from), Some(to)) => Some((code("--from", &from)?, code("--to", &to)?)),
                _ => None,
            };
            let voided = batches::void(&house, &caller, BatchId(batch), range, &reason).await?;
            let which = match range {
                Some((first, last)) => format!("codes {first} to {last} of batch {batch}"),
                None => {
                    let codes = words::counted(voided.batch.count, ["code", "codes"]);
                    format!("the {codes} of batch {batch}")
                }
            };
            match voided.bound_count {
                0 => format!("{which} are void\n"),
                n => format!("{which} are void, but for {n} that units wear\n"),
            }
        }
    };
    house.store.close().await;
    term::print(&text)?;
    Ok(Exit::Done)
}

fn code(field: &'static str, text: &str) -> Result<TraceCode, Refused> {
    TraceCode::parse(text).map_err(|e| Refused::invalid(field, e))
}

fn list(reference: &Reference, brand: BrandId, zone: &jiff::tz::TimeZone) -> String {
    let row = |batch: &Batch| {
        let product = batch.product.and_then(|p| reference.product_by_id(ProductId(p)));
        vec![
            batch.id.to_string(),
            batch.purpose.as_str().to_owned(),
            batch.count.to_string(),
            batch.state.as_str().to_owned(),
            words::minute(zone, instant(batch.created_at)),
            odds(batches::guess_odds(batch)),
            product.map_or_else(String::new, |p| p.gtin.clone()),
            product.map_or_else(String::new, |p| plain(&p.name_zh)),
        ]
    };
    let of_brand = reference.batches().iter().filter(|b| b.brand == brand.0);
    let rows: Vec<_> = of_brand.map(row).collect();
    let header =
        ["batch", "purpose", "codes", "state", "minted", "odds of a guess", "gtin", "product"];
    table(&header, &rows, Paint::for_stdout())
}

/// Odds, 0 to 1, as people say them; nothing where no guess can hit.
pub(super) fn odds(odds: f64) -> String {
    if odds > 0.0 { format!("1 in {:.0}", odds.recip()) } else { String::new() }
}
