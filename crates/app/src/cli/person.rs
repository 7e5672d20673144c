//! `person`: what is held about a consumer, for the operator who answers their letter.

use super::term::plain;
use super::{Exit, Fault, open, term, words};
use crate::config::Global;
use crate::flows::persons::personal::{self, Held};
use crate::flows::{Caller, FlowError, House, audit};
use domain::refusal::{Refusal, Refused};
use jiff::tz::TimeZone;
use std::fmt::Write as _;

/// What is held about a consumer.
#[derive(clap::Args, Debug)]
#[command(group = clap::ArgGroup::new("who").required(true).args(["phone", "id"]))]
pub struct Args {
    /// Their telephone: 11 digits of a mainland mobile, or + and the country code
    #[arg(long)]
    phone: Option<String>,
    /// Their id, as found before
    #[arg(long)]
    id: Option<String>,
    /// Why, 3 to 300 characters; kept sealed beside the record of the look
    #[arg(long)]
    reason: String,
    /// What to do
    #[arg(value_enum, default_value_t = Act::Show)]
    act: Act,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Act {
    /// Show what is held, with the end of the telephone
    Show,
    /// Everything as JSON, to be given to them
    Export,
    /// Erase them; what the ledger says of their units stays
    Erase,
    /// Put a legal hold on their data
    Hold,
    /// Lift it
    Release,
}

/// Runs the command.
pub async fn run(global: &Global, args: Args) -> Result<Exit, Fault> {
    let house = open::house(global).await?;
    let caller = open::caller(&house, global).await?;
    let done = act(&house, &caller, &args).await;
    // Who looked is recorded, whatever was found.
    audit::flush(&house).await?;
    house.store.close().await;
    match done {
        Ok(text) => {
            term::print(&text)?;
            Ok(Exit::Done)
        }
        Err(FlowError::Refused(refused)) if refused.refusal == Refusal::UnknownPerson => {
            eprintln!("dossier: {}", refused.reason);
            Ok(Exit::No)
        }
        Err(FlowError::Refused(refused)) => Err(as_option(refused).into()),
        Err(error) => Err(error.into()),
    }
}

/// A refusal that names what was given as it was given here.
fn as_option(refused: Refused) -> Refused {
    let given = ["phone", "id", "reason"].contains(&&*refused.field);
    let Refused { refusal, field, reason } = refused;
    let field = if given { format!("--{field}").into() } else { field };
    Refused { refusal, field, reason }
}

async fn act(house: &House, caller: &Caller, args: &Args) -> Result<String, FlowError> {
    let zone = house.reference().await?.zone(caller.brand).clone();
    let sheet = |held: &Held| sheet(&zone, held);
    let held = match (&args.phone, &args.id) {
        (Some(phone), _) => personal::find(house, caller, phone, &args.reason).await?,
        (None, id) => {
            let id = id.as_deref().unwrap_or_default();
            personal::show(house, caller, id, (&args.reason, false)).await?
        }
    };
    Ok(match args.act {
        Act::Show => sheet(&held),
        Act::Export => {
            let whole = personal::show(house, caller, &held.id, (&args.reason, true)).await?;
            serde_json::to_string_pretty(&whole).unwrap_or_default() + "\n"
        }
        Act::Erase => {
            personal::erase(house, caller, &held.id).await?;
            format!("{} is erased; backups made before hold the data until they end\n", held.id)
        }
        Act::Hold => sheet(&personal::hold(house, caller, &held.id, Some(&args.reason)).await?),
        Act::Release => sheet(&personal::hold(house, caller, &held.id, None).await?),
    })
}

fn sheet(zone: &TimeZone, held: &Held) -> String {
    let at = |text: &str| words::minute_of(zone, text);
    let since = at(&held.created_at);
    let mut text = format!("person  {}\nphone   {}\nsince   {since}\n", held.id, held.phone);
    // Writing into a String cannot fail.
    if let Some(since) = &held.held_at {
        let since = at(since);
        let why = plain(held.hold_reason.as_deref().unwrap_or_default());
        let _ = writeln!(text, "held    {since}  {why}");
    }
    for r in &held.registrations {
        let unstarted = || "the guarantee has no start yet".to_owned();
        let until = r.kept_until.as_deref().map_or_else(unstarted, at);
        let registered = at(&r.registered_at);
        let product = plain(&r.product);
        let bought = plain(&r.purchased_on);
        let gave_way = r.displaced_at.as_deref().map(|way| format!("  gave way {}", at(way)));
        let gave_way = gave_way.unwrap_or_default();
        let _ = writeln!(
            text,
            "unit    {}  {product}  registered {registered}  bought {bought}{gave_way}  \
             kept until {until}",
            r.code
        );
    }
    for c in &held.consents {
        let until = c.withdrawn_at.as_deref().map(|end| format!("  withdrawn {}", at(end)));
        let until = until.unwrap_or_default();
        let (purpose, version) = (&c.purpose, &c.text_version);
        let _ = writeln!(text, "agreed  {purpose} ({version})  {}{until}", at(&c.given_at));
    }
    text
}
