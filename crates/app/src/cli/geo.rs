//! `geo IP`: what each source says of an address. Needs no store.

use super::{Exit, Fault, term};
use crate::config::GeoArgs;
use crate::geo::Geo;
use std::net::IpAddr;

/// Explains an address.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// IPv4 or IPv6
    ip: IpAddr,
    #[command(flatten)]
    geo: GeoArgs,
}

/// Runs the command.
pub fn run(args: Args) -> Result<Exit, Fault> {
    let geo = Geo::load(&args.geo.paths())?;
    let lines = geo.explain(args.ip);
    let widest = lines.iter().map(|(label, _)| term::width(label)).max().unwrap_or(0);
    let line = |(label, text): &(String, String)| {
        format!("{}  {}\n", term::pad(label, widest), term::plain(text))
    };
    term::print(&lines.iter().map(line).collect::<String>())?;
    Ok(Exit::Done)
}
