//! `key`: API keys. A new key is shown once and kept only as a digest.

use super::{Exit, Fault, open, term, words};
use crate::config::Global;
use crate::flows::custody::instant;
use crate::flows::{Scope, keys};
use domain::id::PartyId;

/// API keys.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Make a key; it is the last word printed, and is never shown again
    New {
        /// The party that acts with it
        #[arg(long, value_name = "CODE")]
        party: String,
        /// all, or some of: verify activation activation:app activation:attested master mint
        /// produce ship lifecycle read audit
        #[arg(long, value_delimiter = ',', required = true, value_parser = scope)]
        scopes: Vec<Scope>,
        /// What it is for
        #[arg(long, default_value = "")]
        name: String,
    },
    /// List the keys of the brand
    List,
    /// Withdraw a key: it is refused from now on
    Revoke {
        /// The part between dos_ and the dot
        id: String,
    },
}

fn scope(word: &str) -> Result<Scope, String> {
    Scope::parse(word).ok_or_else(|| {
        let known: Vec<_> = Scope::ALL.iter().map(|s| s.as_str()).collect();
        format!("scopes are {}", known.join(", "))
    })
}

/// Runs the command.
pub async fn run(global: &Global, command: Command) -> Result<Exit, Fault> {
    let house = open::house(global).await?;
    let caller = open::caller(&house, global).await?;
    let text = match command {
        Command::New { party, scopes, name } => {
            let key = keys::new_key(&house, caller.brand, &party, &scopes, &name).await?;
            format!("Shown only once, keep it safe. Key for {party}: {key}\n")
        }
        Command::List => {
            let reference = house.reference().await?;
            let zone = reference.zone(caller.brand);
            let row = |key: &&store::reference::ApiKeyRow| {
                let party = reference.tree.get(PartyId(key.party));
                vec![
                    key.id.clone(),
                    party.map_or("-", |p| p.code.as_str()).to_owned(),
                    key.scopes.join(","),
                    term::plain(&key.name),
                    words::minute(&zone, instant(key.created_at)),
                    key.revoked_at.map_or_else(String::new, |at| words::minute(&zone, instant(at))),
                ]
            };
            let rows: Vec<_> = reference.api_keys(caller.brand).iter().map(row).collect();
            let header = ["id", "party", "scopes", "name", "created", "revoked"];
            term::table(&header, &rows, term::Paint::for_stdout())
        }
        Command::Revoke { id } => {
            let id = id.trim_start_matches("dos_").split('.').next().unwrap_or_default();
            keys::revoke(&house, caller.brand, id).await?;
            format!("key {id} is withdrawn\n")
        }
    };
    house.store.close().await;
    term::print(&text)?;
    Ok(Exit::Done)
}
