//! The shipped data: digests, canaries, and activations whose grade is known. Below it: small files
//! made here, and what becomes of an operator's.

pub(super) mod makers;
mod own;

use std::net::IpAddr;

use detect::location::{Gps, Grade, Model, Network, Observations, assess};
use domain::region::{GeoPoint, Level, RegionCode, RegionSet};

use super::*;

fn geo() -> Geo {
    Geo::load(&GeoPaths::default()).expect("the shipped data loads")
}

fn code(text: &str) -> RegionCode {
    RegionCode::parse(text).expect("a code in a test")
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address in a test")
}

#[test]
fn shipped_files_are_those_of_the_manifest() {
    let entries = manifest::shipped().expect("the manifest reads");
    let files = [
        ("ip2region.xdb.zst", XDB),
        ("dbip-country.mmdb.zst", MMDB),
        ("places.csv.zst", tables::PLACES),
    ];
    let tables = [("countries.csv", tables::COUNTRIES), ("mcc.csv", tables::MCC)];
    let packed = files.map(|(path, packed)| (path, packed, unpack(packed).expect("unpacks")));
    let plain = tables.map(|(path, text)| (path, text.as_bytes(), text.as_bytes().to_vec()));
    for (path, stored, plain) in packed.iter().chain(&plain) {
        let entry = entries.iter().find(|e| e.path == *path).expect("listed");
        assert_eq!(sha256_hex(stored), entry.sha256, "{path}");
        assert_eq!(sha256_hex(plain), entry.sha256_plain, "{path}");
        assert_eq!(plain.len(), entry.bytes_plain, "{path}");
        assert!(!entry.licence.is_empty() && !entry.attribution.is_empty(), "{path}");
    }
    // Every file of the folder is one of them, but what tells of them.
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/geo");
    let mut there: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|file| file.expect("a file").file_name().into_string().expect("a plain name"))
        .filter(|name| name != "NOTICE" && name != "geo.toml")
        .collect();
    let mut listed: Vec<_> = entries.into_iter().map(|entry| entry.path).collect();
    there.sort();
    listed.sort();
    assert_eq!(there, listed);
    let notice = include_str!("../../../../data/geo/NOTICE");
    for path in listed {
        assert!(notice.contains(&format!(". {path}\n")), "{path} is not in NOTICE");
    }
}

#[test]
fn everything_that_ships_of_dbip_is_marked() {
    let geo = geo();
    assert!(geo.uses_dbip());
    let marked = |d: &&Database| d.attribution == DBIP_ATTRIBUTION;
    assert_eq!(geo.databases().iter().find(marked).map(|d| d.role.as_str()), Some("country"));
    assert!(!Geo::tables_only().expect("the tables load").uses_dbip());
}

/// Every activation of the acceptance set: what was seen, the territory, the grades allowed.
#[test]
fn known_activations_get_their_grade() {
    let geo = geo();
    let number = |text: &str| text.parse::<f64>().expect("a number");
    let mut wrong = Vec::new();
    let mut count = 0;
    for record in csv::Reader::from_reader(&include_bytes!("activations.csv")[..]).records() {
        let record = record.expect("a sound file");
        let field = |at: usize| Some(&record[at]).filter(|f| !f.is_empty());
        let seen = Observations {
            ip: field(1).map(|a| geo.lookup(ip(a))),
            gps: field(2).map(|lat| Gps {
                lat: number(lat),
                lon: number(&record[3]),
                radius_m: number(&record[4]),
                attested: &record[5] == "true",
            }),
            serving_mcc: field(6).and_then(|m| geo.country_of_mcc(m)),
            store_region: field(7).map(code),
            shipping_region: field(8).map(code),
            ..Observations::default()
        };
        let territory = field(9).map(|regions| {
            let codes: Vec<_> = regions.split('|').map(code).collect();
            RegionSet::new(&codes, &[], vec![], geo.divisions()).expect("known codes")
        });
        let model = Model::default();
        let got = assess(&seen, territory.as_ref(), model.prior, &model, geo.divisions());
        if !record[10].split('|').any(|allowed| allowed == got.grade.as_str()) {
            wrong.push(format!("{}: {got:#?}, allowed {}", &record[0], &record[10]));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(count, 69);
}

/// Well-known addresses whose place is published. A smoke test, not a measure of accuracy.
#[test]
fn canaries_are_where_they_are_published_to_be() {
    let geo = geo();
    for (address, region, city) in [
        ("123.123.123.123", "11", ""),
        ("202.106.0.20", "11", ""),
        ("219.141.136.10", "11", ""),
        ("202.96.209.133", "31", ""),
        ("202.96.128.86", "44", "4401"),
        ("202.96.134.133", "44", "4403"),
        ("222.172.200.68", "53", "5301"),
        ("202.114.0.242", "42", "4201"),
        ("222.246.129.80", "43", "4301"),
        ("219.146.1.66", "37", "3701"),
        ("202.102.152.3", "37", "3701"),
        ("218.2.2.2", "32", "3201"),
        ("61.139.2.69", "51", "5101"),
        ("218.30.19.40", "61", "6101"),
        ("202.117.0.20", "61", "6101"),
        ("218.85.157.99", "35", "3501"),
        ("202.98.224.68", "54", "5401"),
        ("202.100.96.68", "64", "6401"),
        ("202.100.64.68", "62", "6201"),
        ("202.96.69.38", "21", "2102"),
        ("202.103.224.68", "45", "4501"),
    ] {
        let reading = geo.lookup(ip(address));
        let china = reading.china.expect("known");
        assert_eq!(china.region, Some(code(region)), "{address}");
        assert_eq!(china.city, Some(city).filter(|c| !c.is_empty()).map(code), "{address}");
        assert_eq!(reading.world.and_then(|w| w.region), Some(RegionCode::MAINLAND), "{address}");
    }
    for (address, country) in [
        ("73.162.0.1", "US"),
        ("8.8.8.8", "US"),
        ("168.95.1.1", "TW"),
        ("2400:3200::1", "CN"),
        ("2001:da8::1", "CN"),
        ("::ffff:8.8.8.8", "US"),
    ] {
        let world = geo.lookup(ip(address)).world.and_then(|w| w.region);
        assert_eq!(world, Some(code(country)), "{address}");
    }
    let v6 = geo.lookup(ip("2400:3200::1"));
    assert_eq!(v6.china, None, "no file of IPv6 ships, so it has a country only");
    geo.china.expect("loaded").verify().expect("every segment is sound");
}

#[test]
fn carriers_and_reserved_addresses_are_marked() {
    let geo = geo();
    assert_eq!(geo.lookup(ip("221.130.13.133")).network, Network::Mobile);
    assert_eq!(geo.lookup(ip("123.123.123.123")).network, Network::Unknown);
    let private = geo.lookup(ip("::ffff:10.1.2.3"));
    assert!(private.reserved && private.china.is_none() && private.world.is_none());
    assert_eq!(private.versions, geo.versions().clone());
}

#[test]
fn every_country_the_xdb_names_is_mapped_or_known_to_be_none() {
    let geo = geo();
    // Regions of registries, not countries; and a country that is no more.
    let none = ["欧洲", "亚太地区", "北美地区", "非洲地区", "安的列斯"];
    let xdb = geo.china.as_ref().expect("loaded");
    let mut lost = std::collections::BTreeSet::new();
    for high in 0..=u16::MAX {
        for low in [0u32, 0x4000, 0x8000, 0xC000] {
            let address = std::net::Ipv4Addr::from((u32::from(high) << 16) | low);
            let text = xdb.lookup(address.into()).expect("the file covers every address");
            let reading = geo.of_xdb(&text);
            if let (Some(country), Some(SourceReading { region: None, .. })) =
                (text.country, reading)
                && !none.contains(&country)
            {
                lost.insert(text.raw.to_owned());
            }
            let china = text.country == Some("中国");
            if china
                && text.province.is_some()
                && reading.is_none_or(|r| r.region == Some(RegionCode::MAINLAND))
            {
                lost.insert(text.raw.to_owned());
            }
            let named = text.city.is_some() && china && reading.is_some_and(|r| r.city.is_none());
            // The four municipalities are provinces; Taiwan and Hong Kong have no cities here.
            let cityless = ["北京", "上海", "天津", "重庆", "台湾省", "香港", "澳门"];
            if named && !text.province.is_some_and(|p| cityless.contains(&p)) {
                lost.insert(text.raw.to_owned());
            }
        }
    }
    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn network_codes_name_their_country() {
    let geo = Geo::tables_only().expect("the tables load");
    for (mcc, country) in [
        ("460", Some("CN")),
        ("461", Some("CN")),
        ("46000", Some("CN")),
        ("454", Some("81")),
        ("455", Some("82")),
        ("466", Some("71")),
        ("310", Some("US")),
        ("901", None),
        ("46", None),
        ("46x", None),
        ("", None),
    ] {
        assert_eq!(geo.country_of_mcc(mcc), country.map(code), "{mcc}");
    }
    assert!(geo.lookup(ip("8.8.8.8")).world.is_none(), "a role without data is unknown");
}

#[test]
fn the_divisions_are_complete() {
    let geo = Geo::tables_only().expect("the tables load");
    let divisions = geo.divisions();
    let provinces: Vec<_> = divisions
        .iter()
        .filter(|d| d.code.is_division() && d.code.level() == Level::Province)
        .collect();
    assert_eq!(provinces.len(), 34);
    for division in divisions.iter().filter(|d| d.code.is_division() && d.successor.is_none()) {
        assert!(!division.en.is_empty() && !division.zh.is_empty(), "{}", division.code);
        let bracket = division.code.is_pseudo_city();
        assert!(division.centre.is_some() || bracket, "{}", division.code);
    }
    for (en, region) in [
        ("Shaanxi", "61"),
        ("Shanxi", "14"),
        ("Inner Mongolia", "15"),
        ("Tibet", "54"),
        ("Macao", "82"),
        ("Changzhi", "1404"),
        ("Luohe", "4111"),
        ("Chamdo", "5403"),
        ("Hohhot", "1501"),
        ("Liupanshui", "5202"),
    ] {
        assert_eq!(divisions.named(en).next().map(|d| d.code), Some(code(region)), "{en}");
    }
}

/// Almost every seat lies in its own province by the rule for points.
#[test]
fn seats_are_located_in_their_province() {
    let geo = Geo::tables_only().expect("the tables load");
    let divisions = geo.divisions();
    let (mut right, mut silent, mut wrong) = (0, 0, Vec::new());
    for division in divisions.iter().filter(|d| d.code.level() == Level::District) {
        let Some(centre) = division.centre else { continue };
        let located = divisions.locate(centre, 30.0);
        match located.region.and_then(|r| r.province()) {
            None => silent += 1,
            Some(province) if Some(province) == division.code.province() => right += 1,
            Some(_) => wrong.push(division.code),
        }
    }
    assert!(wrong.is_empty() && silent * 100 < right, "{wrong:?} {silent} {right}");
}

#[test]
fn points_abroad_and_at_borders_are_not_put_into_china() {
    let geo = Geo::tables_only().expect("the tables load");
    for (lat, lon, country) in [
        (13.75, 100.50, Some("TH")),
        (21.03, 105.85, Some("VN")),
        (35.68, 139.69, Some("JP")),
        (37.77, -122.42, Some("US")),
        (22.6273, 120.3014, Some("71")),
        (22.2819, 114.1582, Some("81")),
        (30.57, 104.07, Some("CN")),
        (-30.0, -110.0, None),
    ] {
        let point = GeoPoint::new(lat, lon).expect("valid");
        let located = geo.divisions().locate(point, 30.0);
        let found = located.region.map(|r| r.country());
        assert_eq!(found, country.map(code), "{lat} {lon} {located:?}");
    }
}

#[test]
fn the_operators_files_replace_the_shipped_ones() {
    let missing = GeoPaths { xdb: Some("/nonexistent.xdb".into()), ..GeoPaths::default() };
    assert!(matches!(Geo::load(&missing), Err(GeoError::File { .. })));

    let folder = tempfile::tempdir().expect("a folder");
    let xdb = folder.path().join("own.xdb");
    std::fs::write(&xdb, unpack(XDB).expect("unpacks")).expect("written");
    let ranges = folder.path().join("ranges.csv");
    std::fs::write(&ranges, "cidr,region,network,note\n10.0.0.0/8,530102,fixed,depot\n")
        .expect("written");
    let paths = GeoPaths { xdb: Some(xdb.clone()), ranges: Some(ranges), ..Default::default() };
    let own = Geo::load(&paths).expect("loads");
    let depot = own.lookup(ip("10.1.2.3"));
    assert!(!depot.reserved);
    assert_eq!(depot.operator.and_then(|o| o.region), Some(code("530102")));
    assert_eq!(depot.network, Network::Fixed);
    let lines = own.explain(ip("10.1.2.3"));
    let told = lines.iter().find(|line| line.0 == "operator's range").map(|line| line.1.as_str());
    assert_eq!(told, Some("530102 五华区 fixed depot"));
    let database = &own.databases()[0];
    assert_eq!(database.source, xdb.display().to_string());
    assert_eq!(database.built_on, "2024-02-28".parse().ok(), "the stamp inside the file");
    assert!(database.licence.is_empty());
}

#[test]
fn old_data_is_named() {
    let geo = geo();
    let stale: Vec<_> = geo
        .databases()
        .iter()
        .filter(|d| d.is_stale("2026-11-23".parse().expect("a date")))
        .map(|d| d.role.as_str())
        .collect();
    assert_eq!(stale, ["ipv4-china"]);
}

#[test]
fn explain_names_sources_and_attribution() {
    let lines = geo().explain(ip("222.172.200.68"));
    let text =
        |label: &str| lines.iter().find(|l| l.0 == label).map(|l| l.1.as_str()).unwrap_or_default();
    assert!(text("ipv4-china").contains("53 云南省, 5301 昆明市"), "{lines:?}");
    assert_eq!(text("country"), "CN = CN 中国");
    assert!(lines.iter().any(|l| l.1.contains("db-ip.com")));
}

#[test]
fn a_grade_above_observe_needs_more_than_an_address() {
    let geo = geo();
    let codes = [code("53")];
    let territory = RegionSet::new(&codes, &[], vec![], geo.divisions()).expect("known");
    for high in (1..224u8).step_by(3) {
        let address = IpAddr::from([high, 77, 13, 9]);
        let seen = Observations { ip: Some(geo.lookup(address)), ..Default::default() };
        let got = assess(&seen, Some(&territory), 0.02, &Model::default(), geo.divisions());
        assert!(got.grade <= Grade::Observe, "{address}");
    }
}

#[test]
fn prefectures_and_cities_are_found_as_people_call_them() {
    let divisions = tables::divisions().expect("the shipped table is sound");
    for (text, meant) in [
        ("Linyi, Shandong", "3713 371424"),
        ("Jinzhou, Liaoning", "2107 210213"),
        ("延边州", "2224"),
        ("恩施州", "4228"),
        ("湖南湘西州", "4331"),
        ("黔东南", "5226"),
        ("西双版纳", "5328"),
        ("海南州", "6325"),
        ("苏州", "3205"),
        ("巴州", "511902"),
    ] {
        let found: Vec<_> = divisions.meant(text).iter().map(ToString::to_string).collect();
        assert_eq!(found.join(" "), meant, "{text}");
    }
}
