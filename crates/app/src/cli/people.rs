//! `invite` and `people`: who works here. The operator acts as an owner.

use super::serve::link_to;
use super::{Exit, Fault, open, term, words};
use crate::config::Global;
use crate::flows::custody::instant;
use crate::flows::people::{self, Order, Person};
use crate::flows::reference::Reference;
use domain::id::PartyId;
use domain::role::Role;
use jiff::tz::TimeZone;

/// An invitation.
#[derive(clap::Args, Debug)]
pub struct InviteArgs {
    /// The party to act for
    #[arg(long, value_name = "CODE")]
    party: String,
    /// owner, admin, quality, channel_manager, after_sales, finance, auditor, line_operator,
    /// warehouse or desk
    #[arg(long, value_parser = role)]
    role: Role,
    /// Regions to be bound to, such as 53 or 5301; everywhere the party reaches unless said
    #[arg(long, value_name = "CODE", value_delimiter = ',', num_args = 1..)]
    regions: Vec<String>,
    /// Who is meant
    #[arg(long, default_value = "")]
    name: String,
}

fn role(word: &str) -> Result<Role, String> {
    Role::parse(word).ok_or_else(|| {
        let known: Vec<_> = Role::ALL.iter().map(|role| role.as_str()).collect();
        format!("roles are {}", known.join(", "))
    })
}

/// Where a server listens unless told otherwise.
const BASE: &str = "http://localhost:8080";

/// Invites somebody.
pub async fn invite(global: &Global, args: InviteArgs) -> Result<Exit, Fault> {
    let house = open::house(global).await?;
    let caller = open::caller(&house, global).await?;
    let InviteArgs { party, role, regions, name } = args;
    let order = Order { party, role, regions, name };
    let (token, invitation) = people::invite(&house, &caller, &order).await?;
    let zone = house.reference().await?.zone(caller.brand).clone();
    let until = words::minute(&zone, instant(invitation.row.expires_at));
    let link = link_to(&house.settings.host, BASE, &format!("invitation/{token}"));
    house.store.close().await;
    let (role, party) = (order.role.as_str(), &order.party);
    if !global.names_host() {
        eprintln!("the link says localhost: give --host NAME before sending it to somebody");
    }
    term::print(&format!(
        "Shown only once, good until {until}. Invitation for {party} as {role}: {link}\n"
    ))?;
    Ok(Exit::Done)
}

/// Lists who works here.
pub async fn list(global: &Global) -> Result<Exit, Fault> {
    let house = open::house(global).await?;
    let caller = open::caller(&house, global).await?;
    let found = people::list(&house, &caller).await?;
    crate::flows::audit::flush(&house).await?;
    let reference = house.reference().await?;
    let zone = reference.zone(caller.brand);
    let rows: Vec<_> = found.iter().map(|person| row(&reference, zone, person)).collect();
    house.store.close().await;
    let header = ["id", "name", "signs in as", "party", "role", "regions", "2nd", "since", "state"];
    term::print(&term::table(&header, &rows, term::Paint::for_stdout()))?;
    Ok(Exit::Done)
}

fn row(reference: &Reference, zone: &TimeZone, person: &Person) -> Vec<String> {
    let membership = &person.membership;
    let party = reference.tree.get(PartyId(membership.party));
    let regions = membership.regions.join(",");
    vec![
        store::canonical::hex(&membership.account),
        term::plain(&person.names.name),
        term::plain(&person.names.sign_in),
        party.map_or("-", |p| p.code.as_str()).to_owned(),
        membership.role.clone(),
        if regions.is_empty() { "-".to_owned() } else { regions },
        if person.second_factor { "yes" } else { "no" }.to_owned(),
        words::minute(zone, instant(membership.created_at)),
        if person.disabled_at.is_some() { "disabled" } else { "active" }.to_owned(),
    ]
}
