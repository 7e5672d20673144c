//! `case`: opens, lists, shows, works on and closes cases, as the brand.

use super::term::{Paint, plain, table};
use super::{Exit, Fault, open, term, words};
use crate::config::Global;
use crate::flows::cases::{self, CASES_MAX, Doing, Entry, Order, Saying, Wanted};
use crate::flows::custody::instant;
use crate::flows::find::unit_number;
use crate::flows::reference::Reference;
use crate::flows::{Caller, House, audit};
use domain::case::{CaseState, Outcome};
use domain::id::PartyId;
use jiff::civil::Date;
use store::canonical::hex;
use store::case::CaseRow;

/// Cases.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// List cases, those opened last first
    List {
        /// In this state alone: open, answered, closed
        #[arg(long, value_parser = state)]
        state: Option<CaseState>,
        /// About this party alone
        #[arg(long, value_name = "CODE")]
        party: Option<String>,
        /// Cases listed
        #[arg(long, default_value_t = 100,
            value_parser = clap::value_parser!(u64).range(1..=CASES_MAX as u64))]
        limit: u64,
    },
    /// Show a case: its units and what was said
    Show {
        /// The case's id
        case: String,
    },
    /// Open a case about one party
    Open {
        /// The party it is about
        #[arg(long, value_name = "CODE")]
        party: String,
        /// The trace codes or serial numbers of its units
        #[arg(required = true, value_name = "UNIT")]
        units: Vec<String>,
        /// What it is about; the party is told it too
        #[arg(long, default_value = "")]
        summary: String,
        /// The last day for an answer
        #[arg(long, value_name = "YYYY-MM-DD")]
        answer_by: Option<Date>,
    },
    /// Add a note that the brand alone sees, or with --to-party say something to the party
    Note {
        /// The case's id
        case: String,
        /// The words
        text: String,
        /// The party sees it and has to answer
        #[arg(long)]
        to_party: bool,
        /// The last day for an answer to it
        #[arg(long, value_name = "YYYY-MM-DD", requires = "to_party")]
        answer_by: Option<Date>,
    },
    /// Close a case
    Close {
        /// The case's id
        case: String,
        /// How it ended: confirmed, unfounded, settled
        #[arg(long, value_parser = outcome)]
        outcome: Outcome,
        /// In words that the party is told too
        #[arg(long)]
        text: String,
    },
    /// Take a closed case up again
    Reopen {
        /// The case's id
        case: String,
        /// Why; the party is told it too
        #[arg(long)]
        text: String,
        /// The last day for an answer
        #[arg(long, value_name = "YYYY-MM-DD")]
        answer_by: Option<Date>,
    },
}

fn state(word: &str) -> Result<CaseState, String> {
    CaseState::parse(word).ok_or_else(|| "say open, answered or closed".to_owned())
}

fn outcome(word: &str) -> Result<Outcome, String> {
    Outcome::parse(word).ok_or_else(|| "say confirmed, unfounded or settled".to_owned())
}

/// Runs the command.
pub async fn run(global: &Global, command: Command) -> Result<Exit, Fault> {
    let house = open::house(global).await?;
    let caller = open::caller(&house, global).await?;
    let told = told(&house, &caller, command).await;
    // Looks at cases are recorded, whether or not anybody reads what is printed.
    audit::flush(&house).await?;
    house.store.close().await;
    term::print(&told?)?;
    Ok(Exit::Done)
}

async fn told(house: &House, caller: &Caller, command: Command) -> Result<String, Fault> {
    let stands = |row: CaseRow| format!("case {} is {}\n", hex(&row.id), row.state);
    Ok(match command {
        Command::List { state, party, limit } => {
            let most = usize::try_from(limit).unwrap_or(CASES_MAX);
            let wanted = Wanted { state, party, most, ..Wanted::default() };
            list(house, caller, wanted).await?
        }
        Command::Show { case } => show(house, caller, &case).await?,
        Command::Open { party, units, summary, answer_by } => {
            let order = Order { party, units, summary, answer_by };
            stands(cases::open(house, caller, &order).await?)
        }
        Command::Note { case, text, to_party, answer_by } => {
            let saying = Saying { text, internal: !to_party, answer_by };
            stands(cases::say(house, caller, &case, &saying).await?)
        }
        Command::Close { case, outcome, text } => {
            let doing = Doing::close(outcome, &text);
            stands(cases::act(house, caller, &case, &doing).await?)
        }
        Command::Reopen { case, text, answer_by } => {
            let doing = Doing::reopen(&text, answer_by);
            stands(cases::act(house, caller, &case, &doing).await?)
        }
    })
}

async fn list(house: &House, caller: &Caller, wanted: Wanted) -> Result<String, Fault> {
    let (found, next) = cases::list(house, caller, wanted).await?;
    let reference = house.reference().await?;
    let zone = reference.zone(caller.brand);
    let today = reference.day(caller.brand, house.clock.now());
    let row = |row: &CaseRow| {
        let overdue = if cases::is_overdue(row, today) { " (overdue)" } else { "" };
        vec![
            hex(&row.id),
            row.state.clone() + overdue,
            code_of(&reference, PartyId(row.party)),
            row.unit_count.to_string(),
            words::minute(zone, instant(row.opened_at)),
            row.answer_by.clone().unwrap_or_default(),
            row.outcome.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = found.iter().map(row).collect();
    let header = ["case", "state", "party", "units", "opened", "answer by", "outcome"];
    let mut text = table(&header, &rows, Paint::for_stdout());
    if next.is_some() {
        text += "older ones: --limit\n";
    }
    Ok(text)
}

fn code_of(reference: &Reference, party: PartyId) -> String {
    reference.tree.get(party).map(|party| plain(&party.code)).unwrap_or_default()
}

async fn show(house: &House, caller: &Caller, id: &str) -> Result<String, Fault> {
    let shown = cases::show(house, caller, id).await?;
    let reference = house.reference().await?;
    let zone = reference.zone(caller.brand);
    let row = &shown.row;
    let party = code_of(&reference, PartyId(row.party));
    let mut lines = vec![format!("case {}  {}  {party}", hex(&row.id), row.state)];
    lines.push(format!("  opened {}", words::minute(zone, instant(row.opened_at))));
    lines.extend(row.answer_by.as_ref().map(|day| format!("  answer by {day}")));
    lines.extend(row.outcome.as_ref().map(|outcome| format!("  outcome {outcome}")));
    let ring = house.ring();
    let code = |unit: &i64| format!("  unit {}", ring.encode(unit_number(*unit)).printed());
    lines.extend(shown.units.iter().map(code));
    let entry = |entry: &Entry| {
        let at = words::minute(zone, instant(entry.said_at));
        let by = code_of(&reference, entry.party);
        let actor = entry.actor.as_deref().map(plain).unwrap_or_default();
        let head = format!("  {at}  {}  {by}  {actor}", entry.kind.as_str());
        let text = entry.words.as_deref().unwrap_or("(forgotten)");
        let text = text.lines().map(|line| format!("    {}", plain(line)));
        std::iter::once(head).chain(text).collect::<Vec<_>>()
    };
    lines.extend(shown.entries.iter().flat_map(entry));
    Ok(lines.join("\n") + "\n")
}
