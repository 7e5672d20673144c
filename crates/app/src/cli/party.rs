//! `party list`: the tree of parties. `party organisations`: the legal bodies behind the parties of
//! every brand.

use super::term::{Paint, plain, table};
use super::{Exit, Fault, open, term, words};
use crate::config::Global;
use crate::flows::organisations::across;
use crate::flows::reference::Reference;
use crate::pages::i18n::Lang;
use domain::id::{BrandId, PartyId};
use domain::party::Party;
use domain::region::Divisions;

/// Levels shown; the tree has four.
const DEPTH_MAX: usize = 8;

/// Parties.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// List the parties of the brand as a tree
    List,
    /// List the organisations of the deployment: which parties of which brands are one legal body
    Organisations,
}

/// Runs the command.
pub async fn run(global: &Global, command: Command) -> Result<Exit, Fault> {
    match command {
        Command::List => list(global).await,
        Command::Organisations => organisations(global).await,
    }
}

async fn organisations(global: &Global) -> Result<Exit, Fault> {
    let house = open::house(global).await?;
    let reference = house.reference().await?;
    let mut rows = Vec::new();
    for (code, parties) in across(&reference) {
        for party in parties {
            let brand = reference.brands.get(&party.brand).map(|b| b.code.clone());
            let kind = party.kind.as_str().to_owned();
            let (party, name) = (party.code.clone(), plain(&party.name));
            rows.push(vec![code.to_string(), brand.unwrap_or_default(), party, kind, name]);
        }
    }
    house.store.close().await;
    let header = ["organisation", "brand", "party", "kind", "name"];
    term::print(&table(&header, &rows, Paint::for_stdout()))?;
    Ok(Exit::Done)
}

async fn list(global: &Global) -> Result<Exit, Fault> {
    let house = open::house(global).await?;
    let caller = open::caller(&house, global).await?;
    let reference = house.reference().await?;
    let mut rows = Vec::new();
    branch(&reference, house.geo.divisions(), (caller.brand, None), 0, &mut rows);
    house.store.close().await;
    let header = ["code", "kind", "name", "region"];
    term::print(&table(&header, &rows, Paint::for_stdout()))?;
    Ok(Exit::Done)
}

fn branch(
    reference: &Reference,
    divisions: &Divisions,
    (brand, parent): (BrandId, Option<PartyId>),
    depth: usize,
    rows: &mut Vec<Vec<String>>,
) {
    if depth > DEPTH_MAX {
        return;
    }
    let below = |p: &&Party| p.brand == brand && p.parent == parent;
    let mut children: Vec<_> = reference.tree.iter().filter(below).collect();
    children.sort_by(|a, b| (a.kind, &a.code).cmp(&(b.kind, &b.code)));
    for party in children {
        let region = party.region.as_deref();
        rows.push(vec![
            format!("{:indent$}{}", "", party.code, indent = 2 * depth),
            party.kind.as_str().to_owned(),
            plain(&party.name),
            region.map(|r| words::region(Lang::Zh, divisions, r)).unwrap_or_default(),
        ]);
        branch(reference, divisions, (brand, Some(party.id)), depth + 1, rows);
    }
}
