//! `brand list`, `brand vouch`: the brands of the deployment, and which of them the operator
//! vouches for.

use super::term::{Paint, plain, table};
use super::{Exit, Fault, open, term};
use crate::config::Global;
use crate::flows::brands;

/// Brands.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// List the brands of the deployment, and whether each is vouched for
    List,
    /// Vouch for a brand that signed up by itself: from then on it may enter IMEIs, MEIDs, EIDs,
    /// MACs and SSCCs, which are unique over all brands, and holds as much as it needs
    Vouch {
        /// Code of the brand
        #[arg(value_name = "CODE")]
        code: String,
        /// No longer vouch for it; what it entered stays
        #[arg(long)]
        withdraw: bool,
    },
}

/// Runs the command.
pub async fn run(global: &Global, command: Command) -> Result<Exit, Fault> {
    match command {
        Command::List => list(global).await,
        Command::Vouch { code, withdraw } => vouch(global, &code, !withdraw).await,
    }
}

async fn list(global: &Global) -> Result<Exit, Fault> {
    let house = open::house(global).await?;
    let reference = house.reference_now().await?;
    let row = |brand: &store::reference::BrandRow| {
        let vouched = if brand.vouched { "yes" } else { "no" };
        vec![brand.code.clone(), vouched.to_owned(), plain(&brand.name)]
    };
    let rows: Vec<_> = brands::all(&reference).into_iter().map(row).collect();
    house.store.close().await;
    term::print(&table(&["code", "vouched", "name"], &rows, Paint::for_stdout()))?;
    Ok(Exit::Done)
}

async fn vouch(global: &Global, code: &str, vouched: bool) -> Result<Exit, Fault> {
    let house = open::house(global).await?;
    let changed = brands::vouch(&house, code, vouched).await;
    house.store.close().await;
    let word = match (changed?, vouched) {
        (true, true) => "vouched for",
        (true, false) => "no longer vouched for",
        (false, true) => "was vouched for already",
        (false, false) => "was not vouched for",
    };
    term::print(&format!("{code}: {word}\n"))?;
    Ok(Exit::Done)
}
