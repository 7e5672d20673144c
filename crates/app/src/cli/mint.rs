//! `mint`: makes a batch and streams its codes. Nothing but CSV goes to standard output.

use super::{Exit, Fault, open, term, words};
use crate::config::Global;
use crate::flows::batches::{self, CodeStream, LinkStyle, Mint};
use crate::flows::{House, audit};
use clap::ValueEnum;
use domain::gs1::Gtin;
use domain::refusal::{Refusal, Refused};
use std::io::Write;
use store::reference::{Batch, Purpose};

/// What codes are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PurposeWord {
    /// On labels: only files that name the code bind it
    Printed,
    /// For production files without a code column, while its codes are not written out
    Unprinted,
}

/// Which link stands in the second column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LinkWord {
    /// GS1 Digital Link: https://HOST/01/{gtin14}/21/{code}
    Digital,
    /// HTTPS://HOST/D/{CODE}: a smaller QR code
    Short,
}

impl From<LinkWord> for LinkStyle {
    fn from(word: LinkWord) -> Self {
        match word {
            LinkWord::Digital => Self::DigitalLink,
            LinkWord::Short => Self::Short,
        }
    }
}

/// Mints.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The product, by its 69 code
    #[arg(long, value_name = "GTIN")]
    product: String,
    /// How many codes, up to 1,000,000,000
    #[arg(long, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(i64).range(1..=batches::BATCH_COUNT_MAX))]
    count: i64,
    /// What they are for
    #[arg(long, value_enum, default_value_t = PurposeWord::Printed)]
    purpose: PurposeWord,
    /// Add the six-digit scratch codes as a third column
    #[arg(long)]
    scratch: bool,
    /// Write no codes: an unprinted batch stays open for production
    #[arg(long, conflicts_with_all = ["link", "scratch"])]
    no_codes: bool,
    /// The link in the second column
    #[arg(long, value_enum, default_value_t = LinkWord::Digital)]
    link: LinkWord,
}

/// Runs the command.
pub async fn run(global: &Global, args: Args) -> Result<Exit, Fault> {
    let house = open::house(global).await?;
    let caller = open::caller(&house, global).await?;
    let gtin = Gtin::parse(&args.product).map_err(|e| Refused::invalid("--product", e))?;
    let reference = house.reference().await?;
    let product = reference
        .product(caller.brand, gtin.as14())
        .ok_or_else(|| Refused::because(Refusal::UnknownProduct, "--product", &args.product))?;
    let purpose = match args.purpose {
        PurposeWord::Printed => Purpose::Printed,
        PurposeWord::Unprinted => Purpose::Unprinted,
    };
    let mint =
        Mint { product: Some(product.id), purpose, count: args.count, scratch: args.scratch };
    let batch = batches::mint(&house, &caller, mint).await?;
    if term::is_watched() {
        let codes = words::counted(batch.count, ["code", "codes"]);
        eprintln!("batch {} with {codes}; again: dossier codes {}", batch.id, batch.id);
    }
    if args.no_codes {
        house.store.close().await;
        return Ok(Exit::Done);
    }
    warn_of_host(global);
    let batch = batches::export(&house, &caller, batch.id(), batch.numbers()).await?;
    audit::flush(&house).await?;
    let written = write_csv(&house, &batch, args.link.into(), batch.first..batch.end()).await;
    house.store.close().await;
    written?;
    Ok(Exit::Done)
}

/// Says that links lead nowhere, also where nobody watches: they are often written to a file and
/// printed unread.
pub fn warn_of_host(global: &Global) {
    if !global.names_host() {
        eprintln!("the links say localhost: give --host NAME before printing labels");
    }
}

/// Streams codes of a batch as CSV to standard output, half a megabyte at a time.
pub async fn write_csv(
    house: &House,
    batch: &Batch,
    style: LinkStyle,
    range: std::ops::Range<i64>,
) -> Result<(), Fault> {
    let reference = house.reference().await?;
    let prefix = batches::link_prefix(house, &reference, batch, style);
    let mut stream = CodeStream::new(house, &reference, batch, prefix, range);
    let total = u64::try_from(stream.left()).unwrap_or(0);
    let bar = term::bar(total, "codes");
    let mut out = term::raw_stdout()?;
    let mut lines = Vec::with_capacity(1 << 20);
    lines.extend_from_slice(stream.header().as_bytes());
    while stream.next_csv(&mut lines) {
        out.write_all(&lines)?;
        lines.clear();
        bar.set_position(total - u64::try_from(stream.left()).unwrap_or(0));
    }
    out.write_all(&lines)?;
    bar.finish_and_clear();
    Ok(())
}
