//! `geo IP`: what each source says of an address, and what is made of it. Needs no store.

use super::{Exit, Fault, term, words};
use crate::config::GeoArgs;
use crate::geo::Geo;
use crate::pages::i18n::Lang;
use detect::location::{FamilyReading, Reason};
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
    let mut lines = geo.explain(args.ip);
    let weighed = geo.weighed(args.ip);
    lines.extend(weighed.map(|weighed| ("conclusion".to_owned(), conclusion(&geo, &weighed))));
    let widest = lines.iter().map(|(label, _)| term::width(label)).max().unwrap_or(0);
    let line = |(label, text): &(String, String)| {
        format!("{}  {}\n", term::pad(label, widest), term::plain(text))
    };
    term::print(&lines.iter().map(line).collect::<String>())?;
    Ok(Exit::Done)
}

/// The place that a first start from the address is held to have, and what speaks against it.
fn conclusion(geo: &Geo, weighed: &FamilyReading) -> String {
    let place = weighed.region.map_or_else(
        || "no place".to_owned(),
        |region| format!("{} ({})", geo.named(region), words::level(Lang::En, weighed.level)),
    );
    // That no territory was named is no doubt of the address.
    let doubts = weighed.reasons.iter().filter(|reason| **reason != Reason::TooCoarse);
    let doubts: Vec<_> = doubts.map(|reason| words::why(Lang::En, reason.code())).collect();
    if doubts.is_empty() { place } else { format!("{place}: {}", doubts.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::GeoPaths;
    use detect::location::Family;
    use domain::region::Level;

    #[test]
    fn what_is_made_of_an_address_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let ranges = folder.path().join("ranges.csv");
        let text = "cidr,region,network,note\n5.1.0.0/16,3205,fixed,depot\n\
                    5.2.0.0/16,,hosting,vpn\n5.3.0.0/16,530102,mobile,\n";
        std::fs::write(&ranges, text).expect("a file");
        let paths = GeoPaths { ranges: Some(ranges), ..GeoPaths::default() };
        let geo = Geo::load(&paths).expect("it loads");
        for (address, expected) in [
            ("222.172.200.68", "53 云南省 (province)"),
            ("8.8.8.8", "US 美国 (country)"),
            ("2400:3200::1", "CN 中国 (country)"),
            ("10.1.1.1", "no place: reserved address"),
            ("5.1.1.1", "3205 苏州市 (city)"),
            ("5.2.1.1", "no place: of a data centre or VPN"),
            ("5.3.1.1", "530102 五华区 (district): address of a mobile network"),
        ] {
            let weighed = geo.weighed(address.parse().expect("an address"));
            let told = weighed.map(|weighed| conclusion(&geo, &weighed));
            assert_eq!(told.as_deref(), Some(expected), "{address}");
        }
        let torn = FamilyReading {
            family: Family::Ip,
            inside: None,
            score: 0.0,
            e: 0.5,
            level: Level::None,
            region: None,
            nature: None,
            reasons: vec![Reason::TooCoarse, Reason::DatabasesDisagree],
        };
        assert_eq!(conclusion(&geo, &torn), "no place: the address databases disagree");
    }
}
