//! `recall`: opens, lists, shows, remedies and closes recalls.

use super::term::{Paint, plain, table};
use super::{Exit, Fault, open, term, words};
use crate::config::Global;
use crate::files::read_instant;
use crate::flows::custody::instant;
use crate::flows::recalls::recalled::{self, Figures};
use crate::flows::recalls::{self, Chosen, Words};
use crate::flows::reference::Recall;
use crate::flows::{Caller, House};
use domain::recall::Whereabouts;
use domain::refusal::Refused;
use jiff::Timestamp;
use std::path::PathBuf;
use std::sync::Arc;

/// Recalls.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Open a recall: from then on every unit it selects is told as recalled
    New(Box<NewArgs>),
    /// List the recalls of the brand
    List,
    /// Show a recall and where the units it selects are
    Show {
        /// The recall's number
        recall: i64,
    },
    /// Record that units got what the recall asks for
    Remedied {
        /// The recall's number
        recall: i64,
        /// Trace codes or serial numbers
        #[arg(required = true)]
        units: Vec<String>,
        /// What was done
        #[arg(long)]
        note: String,
    },
    /// Close a recall; what was not remedied goes on being told as recalled
    Close {
        /// The recall's number
        recall: i64,
        /// What is said of it
        #[arg(long)]
        note: String,
        /// It was a mistake: no unit is told as recalled any more
        #[arg(long)]
        withdrawn: bool,
    },
}

/// What a recall says, and which units it selects.
#[derive(clap::Args, Debug)]
pub struct NewArgs {
    /// What it is called, in Chinese
    #[arg(long)]
    title: String,
    /// The same in English
    #[arg(long, default_value = "")]
    title_en: String,
    /// What is wrong, in Chinese
    #[arg(long)]
    reason: String,
    /// The same in English
    #[arg(long, default_value = "")]
    reason_en: String,
    /// What the owner should do, in Chinese
    #[arg(long)]
    action: String,
    /// The same in English
    #[arg(long, default_value = "")]
    action_en: String,
    /// Address of the published notice
    #[arg(long, value_name = "URL")]
    link: Option<String>,
    #[command(flatten)]
    which: Which,
    /// Product of the lot
    #[arg(long, requires = "lot")]
    gtin: Option<String>,
    /// Of the lot, from this serial number on
    #[arg(long, value_name = "SN", requires_all = ["lot", "sn_last"])]
    sn_first: Option<String>,
    /// Of the lot, up to this serial number
    #[arg(long, value_name = "SN", requires_all = ["lot", "sn_first"])]
    sn_last: Option<String>,
    /// Of the lot, made at this day or instant or later
    #[arg(long, value_name = "WHEN", requires = "lot")]
    made_from: Option<String>,
    /// Of the lot, made at this day or instant or earlier
    #[arg(long, value_name = "WHEN", requires = "lot")]
    made_to: Option<String>,
}

/// One way to name the units.
#[derive(clap::Args, Debug)]
#[group(required = true, multiple = false)]
struct Which {
    /// All whose code is of this batch
    #[arg(long)]
    batch: Option<i64>,
    /// All of this production lot; say its --gtin
    #[arg(long, requires = "gtin")]
    lot: Option<String>,
    /// These trace codes or serial numbers; may be said again
    #[arg(long, value_name = "CODE|SN")]
    unit: Vec<String>,
    /// The trace codes or serial numbers in this file, one on each line
    #[arg(long, value_name = "FILE")]
    units_from: Option<PathBuf>,
    /// All with this part built in; may be said again
    #[arg(long, value_name = "SERIAL")]
    part: Vec<String>,
    /// All with a part whose serial number begins so: a component lot
    #[arg(long, value_name = "PREFIX")]
    part_prefix: Option<String>,
}

/// Runs the command.
pub async fn run(global: &Global, command: Command) -> Result<Exit, Fault> {
    let house = open::house(global).await?;
    let caller = open::caller(&house, global).await?;
    let text = match command {
        Command::New(args) => {
            let recall = open_new(&house, &caller, *args).await?;
            format!("recall {} is open\n", recall.row.id)
        }
        Command::List => list(&house, &caller).await?,
        Command::Show { recall } => show(&house, &caller, recall).await?,
        Command::Remedied { recall, units, note } => {
            let count = recalls::remedy(&house, &caller, recall, &units, &note).await?;
            let units = words::counted(count, ["unit is", "units are"]);
            format!("{units} remedied under recall {recall}\n")
        }
        Command::Close { recall, note, withdrawn } => {
            let closed = recalls::close(&house, &caller, recall, withdrawn, &note).await?;
            format!("recall {recall} is {}\n", closed.row.state)
        }
    };
    house.store.close().await;
    term::print(&text)?;
    Ok(Exit::Done)
}

async fn open_new(house: &House, caller: &Caller, args: NewArgs) -> Result<Arc<Recall>, Fault> {
    let zone = house.reference().await?.zone(caller.brand).clone();
    let at = |name: &'static str, text: Option<String>| -> Result<Option<Timestamp>, Fault> {
        let Some(text) = text else { return Ok(None) };
        let read = read_instant(&text, &zone);
        Ok(Some(read.map_err(|why| Refused::invalid(name, why))?.at))
    };
    let which = args.which;
    let chosen = if let Some(batch) = which.batch {
        Chosen::Batch(batch)
    } else if let Some(lot) = which.lot {
        Chosen::Lot {
            gtin: args.gtin.unwrap_or_default(),
            lot,
            serials: args.sn_first.zip(args.sn_last),
            from_at: at("--made-from", args.made_from)?,
            to_at: at("--made-to", args.made_to)?,
        }
    } else if let Some(prefix) = which.part_prefix {
        Chosen::PartLot(prefix)
    } else if !which.part.is_empty() {
        Chosen::Parts(which.part)
    } else if let Some(path) = which.units_from {
        let text = std::fs::read_to_string(&path).map_err(|e| Fault::file(&path, &e))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        Chosen::Units(lines.map(str::to_owned).collect())
    } else {
        Chosen::Units(which.unit)
    };
    let words = Words {
        title: (args.title, args.title_en),
        reason: (args.reason, args.reason_en),
        action: (args.action, args.action_en),
        link: args.link,
    };
    Ok(recalls::open(house, caller, &words, &chosen).await?)
}

async fn list(house: &House, caller: &Caller) -> Result<String, Fault> {
    let reference = house.reference().await?;
    let zone = reference.zone(caller.brand);
    let row = |recall: &Arc<Recall>| {
        let row = &recall.row;
        vec![
            row.id.to_string(),
            row.state.clone(),
            recall.selector.kind().to_owned(),
            words::minute(zone, instant(row.opened_at)),
            row.closed_at.map(|at| words::minute(zone, instant(at))).unwrap_or_default(),
            plain(&row.title_zh),
        ]
    };
    let rows: Vec<_> = reference.recalls(caller.brand).map(row).collect();
    let header = ["recall", "state", "selects", "opened", "closed", "title"];
    Ok(table(&header, &rows, Paint::for_stdout()))
}

async fn show(house: &House, caller: &Caller, id: i64) -> Result<String, Fault> {
    let reference = house.reference().await?;
    let recall = recalls::show(&reference, caller, id)?;
    let figures = recalled::figures(house, &recall, u64::MAX).await?;
    let row = &recall.row;
    let zone = reference.zone(caller.brand);
    let mut lines = vec![
        format!("recall {id}  {}  {}", row.state, plain(&row.title_zh)),
        format!("  {}", plain(&row.reason_zh)),
        format!("  {}", plain(&row.action_zh)),
        format!("  opened {}", words::minute(zone, instant(row.opened_at))),
    ];
    lines.extend(row.link.as_deref().map(|link| format!("  {}", plain(link))));
    lines.extend(told(&figures));
    Ok(lines.join("\n") + "\n")
}

fn told(figures: &Figures) -> Vec<String> {
    let count = |place: &Whereabouts| format!("  {:<10} {}", place.as_str(), figures.of(*place));
    let rate = figures.rate();
    let head = [
        format!("  {:<10} {}", "selected", figures.selected_count),
        format!("  {:<10} {}.{:02} %", "rate", rate / 100, rate % 100),
    ];
    head.into_iter().chain(Whereabouts::ALL.iter().map(count)).collect()
}
