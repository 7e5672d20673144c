//! An operator's files, as [`Geo::load`] takes them.

use std::path::PathBuf;

use super::makers::{self, Value};
use super::*;

/// Files of an operator in a folder of their own.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn put(&self, name: &str, bytes: Vec<u8>) -> Option<PathBuf> {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        Some(path)
    }
}

fn refusal(paths: &GeoPaths) -> String {
    Geo::load(paths).err().expect("it is refused").to_string()
}

/// Region and city by the database of Chinese provinces, and the class of the network.
fn china(geo: &Geo, address: &str) -> (String, String, Network) {
    let reading = geo.lookup(ip(address));
    let text = |code: Option<RegionCode>| code.map_or_else(|| "-".to_owned(), |c| c.to_string());
    let china = reading.china.unwrap_or_default();
    (text(china.region), text(china.city), reading.network)
}

fn told(region: &str, city: &str, network: Network) -> (String, String, Network) {
    (region.to_owned(), city.to_owned(), network)
}

/// The region by the database of countries.
fn world(geo: &Geo, address: &str) -> Option<String> {
    geo.lookup(ip(address)).world.and_then(|w| w.region).map(|code| code.to_string())
}

#[test]
fn the_files_that_upstream_makes_now_are_read() {
    let files = Files::new();
    let v4 = [
        ("1.2.3.0", "1.2.3.255", "Australia|Queensland|Brisbane|0|AU"),
        ("36.96.0.0", "36.96.0.255", "中国|广东省|深圳市|电信|CN"),
        ("36.96.1.0", "36.96.1.255", "中国|新疆|喀什地区|移动|CN"),
        ("36.96.2.0", "36.96.2.255", "中国|香港特别行政区|0|0|CN"),
        ("36.96.3.0", "36.96.3.255", "中国|0|0|中国移动|CN"),
        ("36.96.4.0", "36.96.4.255", "Freedonia|0|0|0|US"),
        ("36.96.5.0", "36.96.5.255", "Freedonia|0|0|0|ZZ"),
        ("36.96.6.0", "36.96.6.255", "0|0|Reserved|Reserved|Reserved"),
    ];
    let v6 = [
        ("2001:268::", "2001:268:ffff:ffff::", "Japan|Aichi|Nagoya|KDDI CORPORATION|JP"),
        ("2409:8000::", "2409:8fff:ffff::", "中国|云南省|昆明市|移动|CN"),
        ("240e:3b7:3272::", "240e:3b7:3272:ffff::", "中国|广东省|深圳市|电信|CN"),
    ];
    let (xdb, xdb_v6) =
        (files.put("v4.xdb", makers::xdb(3, &v4)), files.put("v6.xdb", makers::xdb(3, &v6)));
    let paths = GeoPaths { xdb, xdb_v6, ..GeoPaths::default() };
    let geo = Geo::load(&paths).expect("both are read");
    for (address, region, city, network) in [
        ("1.2.3.4", "AU", "-", Network::Unknown),
        ("36.96.0.7", "44", "4403", Network::Unknown),
        ("36.96.1.7", "65", "6531", Network::Mobile),
        ("36.96.2.7", "81", "-", Network::Unknown),
        ("36.96.3.7", "CN", "-", Network::Mobile),
        ("36.96.4.7", "US", "-", Network::Unknown),
        ("36.96.5.7", "-", "-", Network::Unknown),
        ("36.96.6.7", "-", "-", Network::Unknown),
        ("36.96.7.7", "-", "-", Network::Unknown),
        ("2001:268:1::1", "JP", "-", Network::Unknown),
        ("240e:3b7:3272:d8d0:db09:c067:8d59:539e", "44", "4403", Network::Unknown),
        ("2409:8a00::1", "53", "5301", Network::Mobile),
        ("240e::1", "-", "-", Network::Unknown),
        ("::ffff:36.96.0.7", "44", "4403", Network::Unknown),
    ] {
        assert_eq!(china(&geo, address), told(region, city, network), "{address}");
    }
    // A name nobody knows counts as disagreement; what is reserved says nothing.
    assert_eq!(geo.lookup(ip("36.96.5.7")).china, Some(SourceReading::default()));
    assert_eq!(geo.lookup(ip("36.96.6.7")).china, None);
    let roles: Vec<_> = geo.databases().iter().map(|d| (d.role.as_str(), d.built_on)).collect();
    let built: Option<Date> = "2025-09-06".parse().ok();
    let shipped: Option<Date> = "2026-06-01".parse().ok();
    assert_eq!(roles, [(CHINA_V4, built), ("country", shipped), (CHINA_V6, built)]);
    assert!(geo.versions().contains("ipv6-china 2025-09-06"), "{}", geo.versions());
    let lines = geo.explain(ip("2409:8a00::1"));
    let line = lines.iter().find(|line| line.0 == CHINA_V6).map(|line| line.1.as_str());
    assert_eq!(line, Some("中国|云南省|昆明市|移动|CN = 53 云南省, 5301 昆明市"));
}

#[test]
fn a_province_of_ipv6_is_weighed_like_one_of_ipv4() {
    let files = Files::new();
    let v6 = [("2409:8000::", "2409:8fff:ffff::", "中国|云南省|昆明市|电信|CN")];
    let xdb_v6 = files.put("v6.xdb", makers::xdb(3, &v6));
    let geo = Geo::load(&GeoPaths { xdb_v6, ..GeoPaths::default() }).expect("it is read");
    let seen = Observations { ip: Some(geo.lookup(ip("2409:8a00::1"))), ..Default::default() };
    for (granted, grade) in [("53", Grade::Consistent), ("37", Grade::Observe)] {
        let set = RegionSet::new(&[code(granted)], &[], vec![], geo.divisions()).expect("known");
        let got = assess(&seen, Some(&set), 0.02, &Model::default(), geo.divisions());
        assert_eq!(got.grade, grade, "{granted}: {got:#?}");
    }
    // The shipped file still reads with its own fields.
    assert_eq!(china(&geo, "222.172.200.68"), told("53", "5301", Network::Unknown));
}

#[test]
fn names_of_countries_are_read_in_either_language() {
    let files = Files::new();
    let lines = [
        ("5.0.0.0", "5.0.0.255", "电信|中国|云南省|昆明市"),
        ("5.0.1.0", "5.0.1.255", "0|United States|California|0"),
        ("5.0.2.0", "5.0.2.255", "0|Bahamas|0|0"),
        ("5.0.3.0", "5.0.3.255", "0|Hong Kong|0|0"),
        ("5.0.4.0", "5.0.4.255", "0|日本|0|0"),
        ("5.0.5.0", "5.0.5.255", "铁通|China|Shandong|0"),
    ];
    let xdb = files.put("own.xdb", makers::xdb(2, &lines));
    let layout = |fields: &str| Some(fields.to_owned());
    let paths = GeoPaths {
        xdb: xdb.clone(),
        xdb_layout: layout("isp|country|province|city"),
        ..GeoPaths::default()
    };
    let geo = Geo::load(&paths).expect("it is read");
    for (address, region, city, network) in [
        ("5.0.0.1", "53", "5301", Network::Unknown),
        ("5.0.1.1", "US", "-", Network::Unknown),
        ("5.0.2.1", "BS", "-", Network::Unknown),
        ("5.0.3.1", "81", "-", Network::Unknown),
        ("5.0.4.1", "JP", "-", Network::Unknown),
        ("5.0.5.1", "37", "-", Network::Mobile),
    ] {
        assert_eq!(china(&geo, address), told(region, city, network), "{address}");
    }
    // Without the layout it is taken for one of upstream's, which has one field more.
    let told = refusal(&GeoPaths { xdb: xdb.clone(), ..GeoPaths::default() });
    assert!(told.contains("own.xdb") && told.contains("has 4 fields"), "{told}");
    let told = refusal(&GeoPaths { xdb, xdb_layout: layout("isp"), ..GeoPaths::default() });
    assert!(told.contains("own.xdb") && told.contains("names neither country nor iso2"), "{told}");
}

#[test]
fn a_layout_is_that_of_the_operators_files_alone() {
    let files = Files::new();
    let lines = [("240e::", "240e:ffff::", "CN|云南省|昆明市")];
    let paths = GeoPaths {
        xdb_v6: files.put("v6.xdb", makers::xdb(3, &lines)),
        xdb_layout: Some("iso2|province|city".to_owned()),
        ..GeoPaths::default()
    };
    let geo = Geo::load(&paths).expect("it is read");
    assert_eq!(china(&geo, "240e::1"), told("53", "5301", Network::Unknown));
    assert_eq!(china(&geo, "222.172.200.68"), told("53", "5301", Network::Unknown));
}

#[test]
fn a_file_in_the_wrong_place_is_named_with_the_right_one() {
    let files = Files::new();
    let v4 = files.put("a.xdb", makers::xdb(2, &[("5.0.0.0", "5.0.0.1", "日本|0|0|0|0")]));
    let v6 = files.put("b.xdb", makers::xdb(3, &[("2400::", "2400::1", "Japan|0|0|0|JP")]));
    let swapped = refusal(&GeoPaths { xdb_v6: v4, ..GeoPaths::default() });
    assert!(swapped.contains("a.xdb: is of IPv4: give it as --geo-xdb"), "{swapped}");
    let swapped = refusal(&GeoPaths { xdb: v6, ..GeoPaths::default() });
    assert!(swapped.contains("b.xdb: is of IPv6: give it as --geo-xdb-v6"), "{swapped}");
    let whole = makers::xdb(3, &[("2400::", "2400::1", "Japan|0|0|0|JP")]);
    let cut = files.put("c.xdb", whole[..whole.len() - 1].to_vec());
    let cut = refusal(&GeoPaths { xdb_v6: cut, ..GeoPaths::default() });
    assert!(cut.contains("c.xdb: xdb: its index at 0x2400 leads out of the file"), "{cut}");
    let text = files.put("d.mmdb", b"no database".to_vec());
    let text = refusal(&GeoPaths { mmdb: text, ..GeoPaths::default() });
    assert!(text.contains("d.mmdb: mmdb: "), "{text}");
}

/// A row of the flat schema.
fn flat(country: &'static str, state: &'static str) -> Value {
    Value::Map(vec![
        ("city", Value::Text("Somewhere (a district with a name of some length)")),
        ("country_code", Value::Text(country)),
        ("state1", Value::Text(state)),
    ])
}

/// A row of MaxMind's schema.
fn nested(country: &'static str, state: Option<&'static str>) -> Value {
    let names = |en| Value::Map(vec![("de", Value::Text("?")), ("en", Value::Text(en))]);
    let code = ("iso_code", Value::Text(country));
    let mut row = vec![
        ("city", Value::Map(vec![("names", names("Somewhere"))])),
        ("country", Value::Map(vec![("names", names("Some country")), code])),
    ];
    let part = |en| Value::Map(vec![("iso_code", Value::Text("XX")), ("names", names(en))]);
    row.extend(state.map(|en| ("subdivisions", Value::List(vec![part(en), part("Smaller")]))));
    Value::Map(row)
}

#[test]
fn an_operators_mmdb_is_read_in_both_schemas() {
    let flat = [
        ("36.96.0.0", 16, flat("CN", "Guangdong")),
        ("36.97.0.0", 16, flat("CN", "Beijing")),
        ("73.0.0.0", 8, flat("US", "California")),
        ("2400:3200::", 32, flat("CN", "Zhejiang")),
        ("2001:268::", 32, flat("JP", "")),
    ];
    let nested = [
        ("36.96.0.0", 16, nested("CN", Some("Guangdong"))),
        ("36.97.0.0", 16, nested("CN", Some("Beijing"))),
        ("73.0.0.0", 8, nested("US", Some("California"))),
        ("2400:3200::", 32, nested("CN", Some("Zhejiang"))),
        ("2001:268::", 32, nested("JP", None)),
    ];
    let files = Files::new();
    for bits in [24, 28, 32] {
        for (name, kind, networks, beijing, is_dbip) in [
            ("own.mmdb", "DBIP-City-Lite", &flat, "CN", true),
            ("own.mmdb", "DB-IP City", &nested, "CN", true),
            // The flat schema does not say whose data it holds; the name of the file may.
            ("geolite2-city.mmdb", "city ipvAll", &flat, "CN", false),
            ("dbip-city.mmdb", "city ipvAll", &flat, "CN", true),
            ("own.mmdb", "GeoLite2-City", &nested, "11", false),
        ] {
            let mmdb = files.put(name, makers::mmdb(kind, bits, networks));
            let geo = Geo::load(&GeoPaths { mmdb, ..GeoPaths::default() }).expect("it is read");
            for (address, region) in [
                ("36.96.7.7", Some("44")),
                ("36.97.7.7", Some(beijing)),
                ("73.162.0.1", Some("US")),
                // Nobody's database places IPv6 in China better than by country.
                ("2400:3200::1", Some("CN")),
                ("2001:268::1", Some("JP")),
                ("36.98.0.1", None),
                ("2400:3201::1", None),
            ] {
                let found = world(&geo, address);
                assert_eq!(found.as_deref(), region, "{kind} of {bits} bits: {address}");
            }
            assert_eq!(geo.uses_dbip(), is_dbip, "{name} {kind}");
            let database = &geo.databases()[1];
            let attribution = if is_dbip { DBIP_ATTRIBUTION } else { "" };
            assert_eq!((database.role.as_str(), &*database.attribution), ("country", attribution));
            assert_eq!(database.built_on, "2025-09-06".parse().ok(), "the stamp inside the file");
            let lines = geo.explain(ip("36.96.7.7"));
            assert_eq!(lines.iter().any(|line| line.1 == DBIP_ATTRIBUTION), is_dbip);
        }
    }
}

/// The licence wants the credit wherever the data is, not wherever a file kept its name.
#[test]
fn a_file_of_dbip_is_known_under_any_name() {
    let files = Files::new();
    let rows = [("36.96.0.0", 16, flat("CN", "")), ("73.0.0.0", 8, flat("US", ""))];
    for (name, told, is_dbip) in [
        ("dbip-country.mmdb", ("Country", ""), true),
        ("own.mmdb", ("DBIP-Country-Lite", ""), true),
        ("own.mmdb", ("GeoIP2-Country", "DB-IP Country Lite"), true),
        ("own.mmdb", ("GeoIP2-Country", "Country of an address"), false),
        ("own.mmdb", ("Acme-Country", ""), false),
        // What ip-location-db packs says no more of itself.
        ("own.mmdb", ("country ipvAll", ""), true),
        ("own.mmdb", ("city ipv4", ""), true),
        ("geo-whois-asn-country.mmdb", ("country ipvAll", ""), false),
        ("GeoLite2-Country.mmdb", ("country ipv4", ""), false),
        ("iptoasn-country.mmdb", ("country ipv6", ""), false),
    ] {
        let mmdb = files.put(name, makers::mmdb_told(told, 24, &rows));
        let geo = Geo::load(&GeoPaths { mmdb, ..GeoPaths::default() }).expect("it is read");
        assert_eq!(geo.uses_dbip(), is_dbip, "{name} {told:?}");
        let attribution = if is_dbip { DBIP_ATTRIBUTION } else { "" };
        assert_eq!(geo.databases()[1].attribution, attribution, "{name} {told:?}");
        assert_eq!(world(&geo, "73.162.0.1").as_deref(), Some("US"), "{name}");
    }
    // The file that ships, under a name that claims another's.
    let mmdb = files.put("GeoLite2-Country.mmdb", unpack(MMDB).expect("unpacks"));
    let geo = Geo::load(&GeoPaths { mmdb, ..GeoPaths::default() }).expect("it is read");
    assert!(geo.uses_dbip());
}

#[test]
fn an_mmdb_of_ipv4_alone_knows_no_ipv6() {
    let rows = [("36.96.0.0", 16, flat("CN", "Guangdong")), ("1.2.3.4", 32, flat("AU", ""))];
    let files = Files::new();
    let mmdb = files.put("v4.mmdb", makers::mmdb("DBIP-City-Lite", 24, &rows));
    let geo = Geo::load(&GeoPaths { mmdb, ..GeoPaths::default() }).expect("it is read");
    assert_eq!(world(&geo, "36.96.0.1").as_deref(), Some("44"));
    assert_eq!(world(&geo, "1.2.3.4").as_deref(), Some("AU"));
    assert_eq!((world(&geo, "1.2.3.5"), world(&geo, "2400:3200::1")), (None, None));
}

#[test]
fn a_damaged_mmdb_answers_or_is_refused() {
    let rows = [("36.96.0.0", 16, nested("CN", Some("Guangdong"))), ("2400::", 12, flat("JP", ""))];
    let whole = makers::mmdb("GeoLite2-City", 28, &rows);
    let ask = |bytes: Vec<u8>| {
        let Ok(mmdb) = Mmdb::new(bytes, "own.mmdb") else { return };
        for address in ["36.96.0.1", "2400::1", "8.8.8.8", "::1"] {
            let _ = mmdb.lookup(ip(address));
        }
    };
    for at in 0..whole.len() {
        ask(whole[..at].to_vec());
        for byte in [0, 0x20, 0x7f, 0xe1, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] = byte;
            ask(damaged);
        }
    }
}
