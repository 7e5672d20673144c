//! `webhook`: where messages about events go. A secret is shown once and kept sealed.

use super::{Exit, Fault, open, term, words};
use crate::config::{Global, ReachArgs};
use crate::flows::custody::instant;
use crate::flows::house::Settings;
use crate::flows::reference::Reference;
use crate::flows::webhooks::send::Attempt;
use crate::flows::webhooks::{self, Change, Order, Told};
use crate::flows::{Caller, House};
use crate::geo::Geo;
use domain::id::PartyId;
use jiff::SignedDuration;
use std::collections::BTreeSet;

/// Deliveries shown unless said otherwise.
const SHOWN: usize = 20;
/// What the words for failures mean, with the way out, in Chinese and English.
const CAUSES: &[(&str, &str, &str)] = &[
    (
        "address",
        "该主机没有公网地址；自有网络的主机，这里和 serve 都要加 --webhook-allow HOST[:PORT]",
        "no public address behind the host; for one of your own network say --webhook-allow \
         HOST[:PORT], here and to serve",
    ),
    (
        "name",
        "获准的主机名查不到地址；请检查 URL 和本机的域名解析",
        "the host you allow has no address; check the URL and what this machine knows of names",
    ),
    (
        "connect",
        "该地址和端口连不上；请检查接收方是否在运行、防火墙是否放行",
        "nobody answers at its address and port; see that the receiver runs and no firewall \
         stands between",
    ),
    (
        "tls",
        "TLS 握手失败或证书不受信任；自有证书机构请加 --webhook-ca FILE",
        "the handshake failed or its certificate is not trusted; for an authority of your own \
         say --webhook-ca FILE",
    ),
    (
        "timeout",
        "接收方没有及时应答；应先应答 2xx，再处理消息",
        "no answer in time; the receiver should answer 2xx first and do its work afterwards",
    ),
    (
        "protocol",
        "收到的不是 HTTP 应答；请检查 URL 的协议和端口",
        "what came is no HTTP answer; check the scheme and the port of the URL",
    ),
    (
        "redirect",
        "接收方要求转到别处，这里不跟随；请把 URL 改为最终的地址",
        "it answers with a redirect, which is not followed; change the URL to where that leads",
    ),
    (
        "status",
        "接收方应答的不是 2xx；原因请看接收方的日志",
        "it answers something else than 2xx; the receiver's own log says why",
    ),
];

/// What `webhook` takes.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    reach: ReachArgs,
    #[command(subcommand)]
    command: Command,
}

/// Webhooks.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Make a webhook; its secret is the last word printed, and is never shown again
    Add(AddArgs),
    /// List webhooks and how they fare
    List,
    /// Change a webhook: what is not said stays
    Change(ChangeArgs),
    /// Give a webhook another secret; it is the last word printed, and is never shown again
    Rotate {
        /// Its id in the list
        id: String,
        /// Hours in which messages are signed with the secret of now as well, 168 at most
        #[arg(long, value_name = "HOURS", default_value_t = 24,
            value_parser = clap::value_parser!(i64).range(0..=168))]
        overlap_hours: i64,
    },
    /// Remove a webhook with its secret and the log of its deliveries
    Remove {
        /// Its id in the list
        id: String,
    },
    /// Send a signed test message and tell what became of it (exit 4 not taken)
    Ping {
        /// Its id in the list
        id: String,
    },
    /// List deliveries of a webhook, the newest first
    Deliveries {
        /// Its id in the list
        id: String,
        /// How many
        #[arg(long, value_name = "COUNT", default_value_t = SHOWN)]
        limit: usize,
    },
    /// Send an event of the deliveries once more (exit 4 not taken)
    Resend {
        /// The webhook's id in the list
        id: String,
        /// The event in the deliveries
        event: String,
    },
}

/// A webhook to be made.
#[derive(clap::Args, Debug)]
pub struct AddArgs {
    /// Where messages go, https://…
    url: String,
    /// The party it belongs to: it is told no more than that party may know
    #[arg(long, value_name = "CODE")]
    party: String,
    /// Kinds of events; every kind the party may be told unless said
    #[arg(long, value_name = "KIND", value_delimiter = ',', num_args = 1..)]
    kinds: Vec<String>,
    /// What it is for
    #[arg(long, default_value = "")]
    name: String,
}

/// What is to be different.
#[derive(clap::Args, Debug)]
pub struct ChangeArgs {
    /// Its id in the list
    id: String,
    /// Where messages go
    #[arg(long)]
    url: Option<String>,
    /// Kinds of events; `all` for every kind the party may be told
    #[arg(long, value_name = "KIND", value_delimiter = ',', num_args = 1..)]
    kinds: Option<Vec<String>>,
    /// What it is for
    #[arg(long)]
    name: Option<String>,
    /// Send; it goes on where it stopped
    #[arg(long, conflicts_with = "off")]
    on: bool,
    /// Send nothing
    #[arg(long)]
    off: bool,
    /// The index in the log to go on from: an earlier one to be told again, a later one to skip
    #[arg(long, value_name = "INDEX")]
    from_index: Option<u64>,
}

/// Runs the command.
pub async fn run(global: &Global, args: Args) -> Result<Exit, Fault> {
    let settings = Settings { reach: args.reach.reach()?, ..global.settings(None)? };
    let house = open::house_with(global, Geo::tables_only()?, settings).await?;
    let caller = open::caller(&house, global).await?;
    let done = command(&house, &caller, args.command).await;
    house.store.close().await;
    let Said { text, hints, exit } = done?;
    term::print(&text)?;
    eprint!("{hints}");
    Ok(exit)
}

/// What a command answers, and what helps beside it.
struct Said {
    text: String,
    hints: String,
    exit: Exit,
}

async fn command(house: &House, caller: &Caller, command: Command) -> Result<Said, Fault> {
    let text = match command {
        Command::Add(AddArgs { url, party, kinds, name }) => {
            let order = Order { party, name, url, kinds };
            let made = webhooks::make(house, caller, &order).await?;
            let (id, secret) = (&made.told.row.id, made.secret.as_str());
            format!("webhook {id}. Shown only once, keep it safe: {secret}\n")
        }
        Command::List => list(house, caller).await?,
        Command::Change(args) => {
            let (id, change) = asked(args);
            let told = webhooks::change(house, caller, &id, &change).await?;
            format!("webhook {id} is {}\n", told.state())
        }
        Command::Rotate { id, overlap_hours } => {
            let overlap = SignedDuration::from_hours(overlap_hours);
            let made = webhooks::rotate(house, caller, &id, overlap).await?;
            format!("Shown only once, keep it safe: {}\n", made.secret.as_str())
        }
        Command::Remove { id } => {
            webhooks::remove(house, caller, &id).await?;
            format!("webhook {id} is removed\n")
        }
        Command::Ping { id } => return Ok(told(&webhooks::ping(house, caller, &id).await?)),
        Command::Deliveries { id, limit } => return deliveries(house, caller, &id, limit).await,
        Command::Resend { id, event } => {
            return Ok(told(&webhooks::resend(house, caller, &id, &event).await?));
        }
    };
    Ok(Said { text, hints: String::new(), exit: Exit::Done })
}

fn asked(args: ChangeArgs) -> (String, Change) {
    let all = |kinds: &Vec<String>| kinds.len() == 1 && kinds[0] == "all";
    let kinds = args.kinds.map(|kinds| if all(&kinds) { Vec::new() } else { kinds });
    let active = (args.on || args.off).then_some(args.on);
    let (name, url, from_index) = (args.name, args.url, args.from_index);
    (args.id, Change { name, url, kinds, active, from_index })
}

fn told(attempt: &Attempt) -> Said {
    let answer = match (attempt.result, attempt.error()) {
        (Ok(status), None) => format!("taken: {status}"),
        (Ok(status), Some(error)) => format!("not taken: {error} {status}"),
        (Err(failure), _) => format!("not taken: {}", failure.as_str()),
    };
    let exit = if attempt.is_delivered() { Exit::Done } else { Exit::No };
    let text = format!("{answer}, after {} ms\n", attempt.duration_ms);
    Said { text, hints: hints(attempt.error()), exit }
}

/// What these failures mean and what to do, each once.
fn hints<'a>(errors: impl IntoIterator<Item = &'a str>) -> String {
    let met: BTreeSet<&str> = errors.into_iter().collect();
    let hint = |(word, zh, en): &(&str, &str, &str)| {
        format!("{word}: {zh}\n{:gap$}{en}\n", "", gap = word.len() + 2)
    };
    CAUSES.iter().filter(|(word, ..)| met.contains(word)).map(hint).collect()
}

async fn list(house: &House, caller: &Caller) -> Result<String, Fault> {
    let mut found = webhooks::list(house, caller).await?;
    found.sort_by_key(|told| told.row.created_at);
    let reference = house.reference().await?;
    let rows: Vec<_> = found.iter().map(|told| row(&reference, told)).collect();
    let header = ["id", "state", "party", "kinds", "next", "behind", "failures", "url", "name"];
    Ok(term::table(&header, &rows, term::Paint::for_stdout()))
}

fn row(reference: &Reference, told: &Told) -> Vec<String> {
    let row = &told.row;
    let party = reference.tree.get(PartyId(row.party));
    let state = match &row.off_because {
        Some(because) => format!("{} ({because})", told.state()),
        None => told.state().to_owned(),
    };
    let cursor = told.cursor.as_ref();
    let kinds = if row.kinds.is_empty() { "all".to_owned() } else { row.kinds.join(",") };
    vec![
        row.id.clone(),
        state,
        party.map_or("-", |p| p.code.as_str()).to_owned(),
        kinds,
        cursor.map_or("-".to_owned(), |cursor| cursor.next.to_string()),
        told.behind().to_string(),
        cursor.map_or("-".to_owned(), |cursor| cursor.failures.to_string()),
        told.url(),
        term::plain(&row.name),
    ]
}

async fn deliveries(house: &House, caller: &Caller, id: &str, limit: usize) -> Result<Said, Fault> {
    let newest = (i64::MAX, [0xff; 16]);
    let found = webhooks::deliveries(house, caller, id, newest, limit).await?;
    let zone = house.reference().await?.zone(caller.brand).clone();
    let hints = hints(found.iter().filter_map(|row| row.error.as_deref()));
    let rows: Vec<_> = found
        .into_iter()
        .map(|row| {
            let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
            vec![
                words::minute(&zone, instant(row.at)),
                row.outcome,
                row.kind,
                row.position.to_string(),
                row.attempt.to_string(),
                or_dash(row.status.map(|status| status.to_string())),
                or_dash(row.error),
                row.duration_ms.to_string(),
                row.event,
            ]
        })
        .collect();
    let header = ["at", "outcome", "kind", "index", "attempt", "status", "error", "ms", "event"];
    let text = term::table(&header, &rows, term::Paint::for_stdout());
    Ok(Said { text, hints, exit: Exit::Done })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::Failure;

    #[test]
    fn every_failure_says_what_to_do() {
        use Failure::{Address, Connect, Name, Protocol, Timeout, Tls};
        let failures = [Address, Connect, Name, Protocol, Timeout, Tls];
        let words = failures.map(Failure::as_str).into_iter().chain(["redirect", "status"]);
        for word in words {
            let hint = hints([word, word]);
            assert!(hint.starts_with(&format!("{word}: ")) && !hint.is_ascii(), "{hint}");
            assert_eq!(hint.lines().count(), 2, "{hint}");
        }
        assert_eq!(hints([]), "");
        assert!(hints(["address"]).contains("--webhook-allow"));
    }
}
