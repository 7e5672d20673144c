//! `key`: API keys. A secret is shown once and kept only as a digest.

use super::{Exit, Fault, open, term, words};
use crate::config::Global;
use crate::files::{read_date, read_instant};
use crate::flows::api_keys::{self, Order, Told, id_of};
use crate::flows::custody::instant;
use crate::flows::reference::Reference;
use crate::flows::{Caller, FlowError, House, Scope};
use domain::address::Prefix;
use domain::id::PartyId;
use domain::key::OVERLAP_MAX;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// API keys.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Make a key; it is the last word printed, and is never shown again
    New(NewArgs),
    /// List the keys of the brand
    List,
    /// Give a key another secret; it is the last word printed, and is never shown again
    Rotate {
        /// The part between dos_ and the dot
        id: String,
        /// How long the secret of now stays good beside the new one: 7d, 12h; 90d at most
        #[arg(long, value_name = "TIME", default_value = "0h", value_parser = overlap)]
        overlap: SignedDuration,
    },
    /// Withdraw a key: it is refused from now on
    Revoke {
        /// The part between dos_ and the dot
        id: String,
    },
}

/// A key to be made.
#[derive(clap::Args, Debug)]
pub struct NewArgs {
    /// The party that acts with it
    #[arg(long, value_name = "CODE")]
    party: String,
    /// all, or some of: verify activation activation:app activation:attested master mint
    /// produce ship lifecycle read persons audit export keys people keys:read people:read
    /// codes:read persons:read cases webhooks webhooks:read
    #[arg(long, value_delimiter = ',', required = true, value_parser = scope)]
    scopes: Vec<Scope>,
    /// What it is for
    #[arg(long, default_value = "")]
    name: String,
    /// The last day it is good, or the instant it ends at; never unless said
    #[arg(long, value_name = "DATE")]
    expires: Option<String>,
    /// Addresses or ranges such as 10.0.0.0/8 it may be used from; anywhere unless said
    #[arg(long, value_name = "PREFIX", value_delimiter = ',', num_args = 1..)]
    from: Vec<Prefix>,
}

fn scope(word: &str) -> Result<Scope, String> {
    Scope::parse(word).ok_or_else(|| {
        let known: Vec<_> = Scope::ALL.iter().map(|s| s.as_str()).collect();
        format!("scopes are {}", known.join(", "))
    })
}

/// Reads a time such as `7d` or `12h`.
fn overlap(word: &str) -> Result<SignedDuration, String> {
    let form = || "a number of days or hours such as 7d or 12h, 90d at most".to_owned();
    let (digits, hours) = match (word.strip_suffix('d'), word.strip_suffix('h')) {
        (Some(digits), _) => (digits, 24),
        (_, Some(digits)) => (digits, 1),
        _ => return Err(form()),
    };
    let count: u16 = digits.parse().map_err(|_| form())?;
    let time = SignedDuration::from_hours(i64::from(count) * hours);
    if time > OVERLAP_MAX { Err(form()) } else { Ok(time) }
}

/// When a key ends: a day counts to its last moment.
fn end_of(text: &str, zone: &TimeZone) -> Result<Timestamp, Fault> {
    let wrong = |why: &str| Fault::Usage(format!("--expires {text}: {why}"));
    match read_date(text) {
        Ok(day) => {
            let next = day.tomorrow().map_err(|_| wrong("no such date"))?;
            let midnight = zone.to_timestamp(next.to_datetime(Time::midnight()));
            midnight.map_err(|_| wrong("no such date"))
        }
        Err(_) => read_instant(text, zone).map(|end| end.at).map_err(wrong),
    }
}

/// When a key ends, in the words that `--expires` takes: the last day it is good, where that ends
/// with it.
fn end_text(zone: &TimeZone, at: Timestamp) -> String {
    let end = zone.to_datetime(at);
    match end.date().yesterday() {
        Ok(last) if end.time() == Time::midnight() => last.to_string(),
        _ => words::minute(zone, at),
    }
}

/// Runs the command.
pub async fn run(global: &Global, command: Command) -> Result<Exit, Fault> {
    let house = open::house(global).await?;
    let caller = open::caller(&house, global).await?;
    let text = match command {
        Command::New(args) => make(&house, &caller, args).await?,
        Command::List => list(&house, &caller).await?,
        Command::Rotate { id, overlap } => rotate(&house, &caller, id_of(&id), overlap).await?,
        Command::Revoke { id } => {
            let row = api_keys::revoke(&house, &caller, id_of(&id)).await?;
            format!("key {} is withdrawn\n", row.id)
        }
    };
    house.store.close().await;
    term::print(&text)?;
    Ok(Exit::Done)
}

async fn make(house: &House, caller: &Caller, args: NewArgs) -> Result<String, Fault> {
    let reference = house.reference().await?;
    let zone = reference.zone(caller.brand);
    let expires_at = args.expires.as_deref().map(|text| end_of(text, zone)).transpose()?;
    let NewArgs { party, scopes, name, from, expires } = args;
    let order = Order { party, scopes, name, from, expires_at };
    let given = api_keys::give(house, caller, &order).await.map_err(|error| match error {
        // A day that is over is as wrong a word as one that never comes.
        FlowError::Refused(refused) if refused.field == "expires_at" => {
            let day = expires.unwrap_or_default();
            Fault::Usage(format!("--expires {day}: {}", refused.reason))
        }
        other => other.into(),
    })?;
    Ok(format!("Shown only once, keep it safe. Key for {}: {}\n", order.party, given.key))
}

async fn rotate(
    house: &House,
    caller: &Caller,
    id: &str,
    overlap: SignedDuration,
) -> Result<String, Fault> {
    let given = api_keys::rotate(house, caller, id, overlap).await?;
    let zone = house.reference().await?.zone(caller.brand).clone();
    let before = given.row.previous.map_or("is refused from now on".to_owned(), |previous| {
        format!("stays good until {}", words::minute(&zone, instant(previous.until)))
    });
    Ok(format!("The secret before {before}. Shown only once, keep it safe: {}\n", given.key))
}

async fn list(house: &House, caller: &Caller) -> Result<String, Fault> {
    let mut keys = api_keys::list(house, caller).await?;
    keys.sort_by_key(|told| told.row.created_at);
    let reference = house.reference().await?;
    let rows: Vec<_> = keys.iter().map(|told| row(&reference, caller, told)).collect();
    let header = ["id", "state", "party", "scopes", "from", "expires", "last used", "made", "name"];
    Ok(term::table(&header, &rows, term::Paint::for_stdout()))
}

fn row(reference: &Reference, caller: &Caller, told: &Told) -> Vec<String> {
    let Told { row, state, used_at } = told;
    let zone = reference.zone(caller.brand);
    let minute = |at: i64| words::minute(zone, instant(at));
    let expires = row.expires_at.map(|at| end_text(zone, instant(at)));
    let party = reference.tree.get(PartyId(row.party));
    let from = if row.from.is_empty() { "-".to_owned() } else { row.from.join(",") };
    vec![
        row.id.clone(),
        state.as_str().to_owned(),
        party.map_or("-", |p| p.code.as_str()).to_owned(),
        row.scopes.join(","),
        from,
        expires.unwrap_or_else(|| "-".to_owned()),
        used_at.map_or("-".to_owned(), minute),
        minute(row.created_at),
        term::plain(&row.name),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlap_is_days_or_hours() {
        for (word, hours) in [("7d", 168), ("12h", 12), ("0h", 0), ("90d", 2160)] {
            assert_eq!(overlap(word), Ok(SignedDuration::from_hours(hours)), "{word}");
        }
        for word in ["", "7", "d", "7w", "-1d", "91d", "2161h", "1.5d", "99999d"] {
            assert!(overlap(word).is_err(), "{word}");
        }
    }

    #[test]
    fn a_day_counts_to_its_last_moment() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let end = |text| end_of(text, &zone).map(|at| at.to_string()).ok();
        assert_eq!(end("2026-12-31").as_deref(), Some("2026-12-31T16:00:00Z"));
        assert_eq!(end("2026-12-31 08:00").as_deref(), Some("2026-12-31T00:00:00Z"));
        assert_eq!(end("soon"), None);
    }

    #[test]
    fn an_end_is_told_as_it_was_given() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        for text in ["2026-12-31", "2026-12-31 08:00"] {
            let end = end_of(text, &zone).map(|at| end_text(&zone, at));
            assert_eq!(end.ok().as_deref(), Some(text));
        }
    }
}
