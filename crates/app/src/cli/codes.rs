//! `codes`: writes the codes of a batch again, or one code as a symbol.

use super::mint::{LinkWord, warn_of_host, write_csv};
use super::{Exit, Fault, open, term};
use crate::config::Global;
use crate::flows::batches::{self, CodeStream, LinkStyle, link_prefix};
use crate::flows::find::{self, CodeFound, unit_number};
use crate::flows::{Caller, House, audit};
use crate::symbol::Symbol;
use clap::ValueEnum;
use domain::code::TraceCode;
use domain::id::BatchId;
use domain::refusal::{Refusal, Refused};
use std::io::Write;
use store::reference::Batch;

/// How codes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormatWord {
    /// code,url
    Csv,
    /// One JSON object per line
    Ndjson,
}

/// Writes codes again.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The batch's number (see batch list); with --svg a trace code
    #[arg(value_name = "BATCH|CODE")]
    what: String,
    /// How codes are written
    #[arg(long, value_enum, default_value_t = FormatWord::Csv, conflicts_with = "svg")]
    format: FormatWord,
    /// First code to write, counted from 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    from: Option<i64>,
    /// Last code to write
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    to: Option<i64>,
    /// Write this one code as a symbol
    #[arg(long, value_enum, conflicts_with_all = ["from", "to", "scratch", "no_scratch"])]
    svg: Option<Symbol>,
    /// Refuse a batch that was minted without scratch codes; one with them has them as the third
    /// column in any case
    #[arg(long)]
    scratch: bool,
    /// Leave scratch codes out
    #[arg(long, conflicts_with = "scratch")]
    no_scratch: bool,
    /// The link that is written
    #[arg(long, value_enum, default_value_t = LinkWord::Digital)]
    link: LinkWord,
}

/// Runs the command.
pub async fn run(global: &Global, args: Args) -> Result<Exit, Fault> {
    let house = open::house(global).await?;
    let caller = open::caller(&house, global).await?;
    let done = match args.svg {
        Some(symbol) => svg(&house, &caller, &args, symbol).await,
        None => batch(&house, &caller, &args).await,
    };
    audit::flush(&house).await?;
    house.store.close().await;
    done?;
    warn_of_host(global);
    Ok(Exit::Done)
}

async fn batch(house: &House, caller: &Caller, args: &Args) -> Result<(), Fault> {
    let id: i64 = args.what.parse().map_err(|_| {
        Fault::Usage("codes takes a batch number; for one code as a symbol add --svg qr".to_owned())
    })?;
    let batch = batches::readable(&*house.reference().await?, caller, BatchId(id))?;
    if args.scratch && !batch.scratch {
        let why = format!("batch {id} was minted without scratch codes; mint one with --scratch");
        return Err(Fault::Failed(why));
    }
    let first = args.from.unwrap_or(1);
    let last = args.to.unwrap_or(batch.count);
    if first > last || last > batch.count {
        let why = format!("--from and --to lie within 1 to {} for this batch", batch.count);
        return Err(Fault::Failed(why));
    }
    let range = batch.first + first - 1..batch.first + last;
    let mut batch = batches::export(house, caller, batch.id(), range.clone()).await?;
    batch.scratch &= !args.no_scratch;
    match args.format {
        FormatWord::Csv => write_csv(house, &batch, args.link.into(), range).await,
        FormatWord::Ndjson => write_ndjson(house, &batch, args.link.into(), range).await,
    }
}

async fn write_ndjson(
    house: &House,
    batch: &Batch,
    style: LinkStyle,
    range: std::ops::Range<i64>,
) -> Result<(), Fault> {
    let reference = house.reference().await?;
    let prefix = link_prefix(house, &reference, batch, style);
    let mut stream = CodeStream::new(house, &reference, batch, prefix.clone(), range);
    let scratch = batch.scratch.then(|| house.secrets.scratch_key());
    let total = u64::try_from(stream.left()).unwrap_or(0);
    let bar = term::bar(total, "codes");
    let mut out = term::raw_stdout()?;
    let mut lines = Vec::with_capacity(1 << 20);
    // Nothing here needs escaping: codes, digits, and a host that was checked.
    while let Some((first, codes)) = stream.next_codes() {
        for (number, code) in (first..).zip(codes) {
            write!(lines, r#"{{"code":"{code}","url":"{prefix}{code}""#)?;
            if let Some(key) = &scratch {
                write!(lines, r#","scratch":"{}""#, key.code(unit_number(number)))?;
            }
            lines.extend_from_slice(b"}\n");
        }
        out.write_all(&lines)?;
        lines.clear();
        bar.set_position(total - u64::try_from(stream.left()).unwrap_or(0));
    }
    bar.finish_and_clear();
    Ok(())
}

async fn svg(house: &House, caller: &Caller, args: &Args, symbol: Symbol) -> Result<(), Fault> {
    let code = TraceCode::parse(&args.what).map_err(|e| Refused::invalid("code", e))?;
    let number = match find::code(house, &args.what).await? {
        CodeFound::Issued(number) => number,
        CodeFound::Void(_) => return Err(Refused::new(Refusal::CodeVoid, "code").into()),
        _ => return Err(Refused::new(Refusal::ForgedCode, "code").into()),
    };
    let reference = house.reference().await?;
    let batch = reference.batch_of(number).filter(|b| b.brand == caller.brand.0);
    let batch = batch.ok_or(Refused::new(Refusal::ForgedCode, "code"))?;
    batches::show(house, caller, batch, number).await?;
    let text = link_prefix(house, &reference, batch, args.link.into()) + code.as_str();
    let drawn = symbol.draw(&text);
    let drawn = drawn.ok_or_else(|| Fault::failed("the link is too long for a symbol"))?;
    Ok(term::print(&drawn)?)
}
