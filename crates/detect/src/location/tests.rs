//! Each sentence of the scoring model, as a case.

use std::sync::Arc;

use domain::region::{Datum, DivisionRow, GeoPoint, Polygon};
use proptest::prelude::*;

use super::*;

const ROWS: &[(&str, &str, f64, f64)] = &[
    ("11", "北京市", 116.41, 39.90),
    ("110101", "东城区", 116.42, 39.93),
    ("37", "山东省", 117.00, 36.68),
    ("3701", "济南市", 117.00, 36.68),
    ("370102", "历下区", 117.04, 36.66),
    ("42", "湖北省", 114.30, 30.58),
    ("4201", "武汉市", 114.30, 30.58),
    ("420106", "武昌区", 114.31, 30.55),
    ("43", "湖南省", 112.98, 28.19),
    ("4301", "长沙市", 112.98, 28.19),
    ("430102", "芙蓉区", 112.99, 28.19),
    ("4306", "岳阳市", 113.13, 29.37),
    ("430602", "岳阳楼区", 113.12, 29.37),
    ("53", "云南省", 102.71, 25.04),
    ("5301", "昆明市", 102.71, 25.04),
    ("530102", "五华区", 102.70, 25.04),
    ("5303", "曲靖市", 103.80, 25.50),
    ("530302", "麒麟区", 103.80, 25.50),
    ("81", "香港特别行政区", 114.17, 22.28),
    ("CN", "中国", f64::NAN, f64::NAN),
    ("US", "美国", f64::NAN, f64::NAN),
    ("JP", "日本", f64::NAN, f64::NAN),
];

fn table() -> Divisions {
    let rows = ROWS.iter().map(|&(code, zh, lon, lat)| DivisionRow {
        code,
        zh,
        en: "",
        lon_lat: lon.is_finite().then_some((lon, lat)),
        valid_to: None,
        successor: None,
    });
    let abroad = [("US", 37.77, -122.42), ("JP", 35.68, 139.69)];
    let places = abroad.map(|(c, lat, lon)| (code(c), GeoPoint::new(lat, lon).expect("valid")));
    Divisions::from_rows(rows, places).expect("the fixture is sound")
}

fn code(text: &str) -> RegionCode {
    RegionCode::parse(text).expect("a code in a test")
}

fn set(regions: &[&str]) -> RegionSet {
    let codes: Vec<_> = regions.iter().map(|r| code(r)).collect();
    RegionSet::new(&codes, &[], vec![], &table()).expect("known codes")
}

fn source(region: &str) -> Option<SourceReading> {
    Some(SourceReading { region: Some(code(region)), city: None })
}

fn ip(china: &str, world: &str, network: Network) -> Option<IpReading> {
    let known = |r: &str| if r.is_empty() { None } else { source(r) };
    Some(IpReading { china: known(china), world: known(world), network, ..Default::default() })
}

fn gps(lat: f64, lon: f64, attested: bool) -> Option<Gps> {
    Some(Gps { lat, lon, radius_m: 30.0, attested })
}

fn run(seen: &Observations, regions: &[&str]) -> Assessment {
    assess(seen, Some(&set(regions)), 0.02, &Model::default(), &table())
}

fn family(assessment: &Assessment, wanted: Family) -> &FamilyReading {
    assessment.families.iter().find(|f| f.family == wanted).expect("the family was observed")
}

const KUNMING: (f64, f64) = (25.04, 102.70);
const JINAN: (f64, f64) = (36.66, 117.04);

#[test]
fn posteriors_at_two_percent_are_those_of_the_model() {
    let seen = |ip, gps: Option<Gps>, mcc: &str, ship: &str| Observations {
        ip,
        gps,
        serving_mcc: (!mcc.is_empty()).then(|| code(mcc)),
        shipping_region: (!ship.is_empty()).then(|| code(ship)),
        ..Default::default()
    };
    let fixed = || ip("37", "CN", Network::Fixed);
    let unknown = || ip("37", "CN", Network::Unknown);
    let inside = |attested| gps(KUNMING.0, KUNMING.1, attested);
    let outside = || gps(JINAN.0, JINAN.1, true);
    let abroad = || ip("US", "US", Network::Unknown);
    for (name, seen, posterior, expected) in [
        ("fixed", seen(fixed(), None, "", ""), 0.289, Grade::Observe),
        ("class unknown", seen(unknown(), None, "", ""), 0.119, Grade::Observe),
        ("mobile", seen(ip("37", "CN", Network::Mobile), None, "", ""), 0.075, Grade::Unknown),
        ("disagree", seen(ip("37", "42", Network::Fixed), None, "", ""), 0.042, Grade::Unknown),
        ("fixed, gps", seen(fixed(), outside(), "", ""), 0.957, Grade::Likely),
        ("unknown, gps", seen(unknown(), outside(), "", ""), 0.88, Grade::Suspect),
        ("fixed, gps inside", seen(fixed(), inside(true), "", ""), 0.007, Grade::Consistent),
        ("unknown, gps inside", seen(unknown(), inside(true), "", ""), 0.003, Grade::Consistent),
        ("fixed, gps unattested", seen(fixed(), inside(false), "", ""), 0.083, Grade::Unknown),
        ("fixed, shipped inside", seen(fixed(), None, "", "53"), 0.083, Grade::Unknown),
        ("abroad", seen(abroad(), None, "", ""), 0.289, Grade::Observe),
        ("abroad, mcc", seen(abroad(), None, "US", ""), 0.957, Grade::Likely),
        ("abroad, home mcc", seen(abroad(), None, "CN", ""), 0.083, Grade::Unknown),
        ("gps alone", seen(None, outside(), "", ""), 0.527, Grade::Observe),
        ("inside", seen(ip("53", "CN", Network::Unknown), None, "", ""), 0.001, Grade::Consistent),
    ] {
        let got = run(&seen, &["53"]);
        assert!((got.posterior - posterior).abs() < 0.0012, "{name}: {}", got.posterior);
        assert_eq!(got.grade, expected, "{name}");
        assert_eq!(got.nature.is_some(), got.grade.is_finding(), "{name}");
    }
}

#[test]
fn nothing_is_said_below_the_level_of_the_evidence() {
    for (china, world, regions) in
        [("53", "CN", &["5301"][..]), ("", "CN", &["53"]), ("CN", "CN", &["53"])]
    {
        let seen = Observations { ip: ip(china, world, Network::Fixed), ..Default::default() };
        let got = run(&seen, regions);
        assert_eq!(got.grade, Grade::Unknown, "{china} {world}");
        assert_eq!(got.reasons, [Reason::NothingUsable]);
        assert_eq!(got.families[0].inside, None);
    }
    let seen = Observations { ip: ip("", "CN", Network::Unknown), ..Default::default() };
    assert_eq!(run(&seen, &["CN"]).grade, Grade::Consistent, "a country grant is a country");
}

#[test]
fn addresses_that_say_nothing() {
    let reserved = IpReading { reserved: true, china: source("37"), ..Default::default() };
    let hosting = ip("37", "CN", Network::Hosting);
    for (reading, reason) in [
        (Some(reserved), Reason::AddressReserved),
        (hosting, Reason::AddressHosting),
        (ip("", "", Network::Fixed), Reason::AddressUnknown),
    ] {
        let got = run(&Observations { ip: reading, ..Default::default() }, &["53"]);
        assert_eq!(got.grade, Grade::Unknown);
        assert_eq!(got.families[0].reasons, [reason]);
        assert_eq!((got.region, got.level), (None, Level::None));
    }
}

#[test]
fn databases_that_disagree_speak_only_with_one_voice() {
    let of = |china: &str, world: &str| {
        let seen = Observations { ip: ip(china, world, Network::Unknown), ..Default::default() };
        let got = run(&seen, &["53"]);
        (got.families[0].inside, got.families[0].e, got.families[0].region)
    };
    assert_eq!(of("53", "US"), (None, 0.45, None));
    assert_eq!(of("37", "US"), (Some(false), 0.45, None));
    assert_eq!(of("US", "81"), (Some(false), 0.45, None));
    assert_eq!(of("US", ""), (Some(false), 0.45, Some(code("US"))));
    assert_eq!(of("", "US"), (Some(false), 0.45, Some(code("US"))));
    assert_eq!(of("81", "81"), (Some(false), 0.05, Some(code("81"))));
    let unmapped = IpReading {
        china: Some(SourceReading::default()),
        world: source("US"),
        ..Default::default()
    };
    let got = run(&Observations { ip: Some(unmapped), ..Default::default() }, &["53"]);
    assert_eq!(got.families[0].e, 0.45);
    assert!(got.families[0].reasons.contains(&Reason::DatabasesDisagree));
}

#[test]
fn the_operators_list_overrides_the_databases() {
    let reading = IpReading {
        operator: source("53"),
        china: source("37"),
        world: source("CN"),
        network: Network::Fixed,
        ..Default::default()
    };
    let got = run(&Observations { ip: Some(reading), ..Default::default() }, &["53"]);
    assert_eq!((got.grade, got.region), (Grade::Consistent, Some(code("53"))));
}

#[test]
fn cellular_access_makes_an_unknown_class_mobile() {
    let seen = |access| Observations {
        ip: ip("37", "CN", Network::Unknown),
        access,
        ..Default::default()
    };
    assert_eq!(run(&seen(Some(Access::Cellular)), &["53"]).families[0].e, 0.25);
    assert_eq!(run(&seen(Some(Access::Local)), &["53"]).families[0].e, 0.15);
}

#[test]
fn a_chinese_network_says_nothing_about_the_province() {
    let alone = Observations { serving_mcc: Some(RegionCode::MAINLAND), ..Default::default() };
    let got = run(&alone, &["53"]);
    assert_eq!((got.grade, got.region), (Grade::Unknown, Some(RegionCode::MAINLAND)));
    assert_eq!(run(&alone, &["CN"]).grade, Grade::Consistent);

    let mut seen = Observations { ip: ip("37", "CN", Network::Unknown), ..alone };
    assert_eq!(run(&seen, &["53"]).grade, Grade::Observe, "it does not clear another province");
    seen.ip = ip("US", "US", Network::Unknown);
    assert!(family(&run(&seen, &["53"]), Family::Device).reasons.contains(&Reason::NetworkHome));
}

#[test]
fn the_device_family_is_capped_and_counts_once() {
    let seen = Observations {
        gps: gps(35.68, 139.69, true),
        serving_mcc: Some(code("JP")),
        sim_mcc: Some(code("JP")),
        time_zone: Some("Asia/Tokyo".to_owned()),
        ..Default::default()
    };
    let got = run(&seen, &["53"]);
    assert_eq!(family(&got, Family::Device).score, 4.0);
    assert_eq!((got.grade, got.nature), (Grade::Observe, Some(Nature::CrossBorder)));

    let faked = Observations {
        gps: gps(KUNMING.0, KUNMING.1, false),
        serving_mcc: Some(RegionCode::MAINLAND),
        sim_mcc: Some(RegionCode::MAINLAND),
        time_zone: Some("Asia/Shanghai".to_owned()),
        ..Default::default()
    };
    assert_eq!(family(&run(&faked, &["CN"]), Family::Device).score, -1.5);
}

#[test]
fn tie_breakers_are_no_family() {
    let seen = Observations {
        ip: ip("37", "CN", Network::Fixed),
        sim_mcc: Some(code("US")),
        time_zone: Some("America/New_York".to_owned()),
        ..Default::default()
    };
    let got = run(&seen, &["53"]);
    assert_eq!(family(&got, Family::Device).score, 1.0);
    assert_eq!(family(&got, Family::Device).inside, None);
    assert_eq!(got.grade, Grade::Observe);
}

#[test]
fn store_and_order_are_families_of_their_own() {
    let seen = Observations {
        store_region: Some(code("420106")),
        store_vouched: true,
        shipping_region: Some(code("42")),
        ..Default::default()
    };
    let got = run(&seen, &["53"]);
    assert_eq!(family(&got, Family::Retail).score, 3.5);
    assert_eq!(family(&got, Family::Order).score, 1.5);
    assert_eq!((got.grade, got.nature), (Grade::Suspect, Some(Nature::CrossRegion)));
    assert_eq!((got.region, got.level), (Some(code("420106")), Level::District));
    let got = run(&seen, &["42"]);
    assert_eq!(family(&got, Family::Retail).score, -3.5);
    assert_eq!(family(&got, Family::Order).score, -1.5);
}

#[test]
fn a_store_that_anybody_can_name_clears_little() {
    let seen = |store_vouched, store: &str| Observations {
        ip: ip("37", "CN", Network::Fixed),
        store_region: Some(code(store)),
        store_vouched,
        ..Default::default()
    };
    let retail = |vouched, store| {
        let got = run(&seen(vouched, store), &["53"]);
        (family(&got, Family::Retail).score, got.grade, got.posterior)
    };
    let (score, _, cleared) = retail(true, "530102");
    assert!((score + 3.5).abs() < 1e-9 && cleared < 0.02, "{score} {cleared}");
    let (score, grade, doubtful) = retail(false, "530102");
    assert_eq!((score, grade), (-1.5, Grade::Unknown));
    assert!((doubtful - 0.083).abs() < 0.0012, "{doubtful}");
    let got = run(&seen(false, "530102"), &["53"]);
    assert!(family(&got, Family::Retail).reasons.contains(&Reason::Unattested));
    // Against its sender a word counts in full.
    assert_eq!(retail(false, "420106"), retail(true, "420106"));
}

#[test]
fn one_family_alone_is_never_more_than_observed() {
    let seen = Observations { gps: gps(JINAN.0, JINAN.1, true), ..Default::default() };
    let sure = assess(&seen, Some(&set(&["53"])), 0.5, &Model::default(), &table());
    assert!(sure.posterior > 0.9);
    assert_eq!((sure.grade, sure.reasons), (Grade::Observe, vec![Reason::OneFamilyOnly]));
}

#[test]
fn near_the_border_an_outside_is_softened() {
    let reading = |city: &str| IpReading {
        china: Some(SourceReading { region: Some(code("43")), city: Some(code(city)) }),
        world: source("CN"),
        ..Default::default()
    };
    let seen = |city| Observations { ip: Some(reading(city)), ..Default::default() };
    let near = run(&seen("4306"), &["42"]);
    let far = run(&seen("4301"), &["42"]);
    let (near, far) = (&near.families[0], &far.families[0]);
    assert!(near.score < far.score && near.score > 0.0);
    assert!(near.reasons.contains(&Reason::NearBorder));
    assert_eq!(near.level, Level::Province, "the city is only the point");
}

/// The factor is d / 2r and 1 at most, with r 50 km for a fixed line, 100 km where the class is
/// unknown and 200 km for a mobile carrier; d is half of what the nearest centre inside is farther
/// than the nearest of all.
#[test]
fn an_outside_counts_by_its_distance_in_two_radii() {
    let point = |lat, lon| GeoPoint::new(lat, lon).expect("valid");
    let wuchang = point(30.55, 114.31);
    for (city, seat, own, factors) in [
        ("4306", point(29.37, 113.13), point(29.37, 113.12), [0.86, 0.43, 0.215]),
        ("4301", point(28.19, 112.98), point(28.19, 112.99), [1.0, 0.725, 0.36]),
    ] {
        let km = (seat.distance_km(wuchang) - seat.distance_km(own)) / 2.0;
        let classes = [
            (Network::Fixed, 50.0, 0.05),
            (Network::Unknown, 100.0, 0.15),
            (Network::Mobile, 200.0, 0.25),
        ];
        for ((network, radius_km, e), roughly) in classes.into_iter().zip(factors) {
            let place = SourceReading { region: Some(code("43")), city: Some(code(city)) };
            let ip = IpReading {
                china: Some(place),
                world: source("CN"),
                network,
                ..Default::default()
            };
            let got = run(&Observations { ip: Some(ip), ..Default::default() }, &["42"]);
            let reading = family(&got, Family::Ip);
            let factor = f64::min(km / (2.0 * radius_km), 1.0);
            assert!((factor - roughly).abs() < 0.01, "{city} {network:?}: {factor}");
            let whole = ((1.0_f64 - e * 0.05) / e).ln();
            let score = reading.score;
            assert!((score - whole * factor).abs() < 1e-3, "{city} {network:?}: {score}");
            let near = reading.reasons.contains(&Reason::NearBorder);
            assert_eq!((reading.inside, near), (Some(false), factor < 1.0), "{city} {network:?}");
        }
    }
}

#[test]
fn a_domestic_address_that_one_database_knows_is_of_unknown_class_at_best() {
    for (china, world, network, e) in [
        ("37", "CN", Network::Fixed, 0.05),
        ("37", "", Network::Fixed, 0.15),
        ("37", "", Network::Unknown, 0.15),
        ("37", "", Network::Mobile, 0.25),
        ("", "37", Network::Fixed, 0.15),
        ("", "CN", Network::Fixed, 0.15),
    ] {
        let seen = Observations { ip: ip(china, world, network), ..Default::default() };
        let got = run(&seen, &["US"]);
        let reading = &got.families[0];
        assert_eq!((reading.e, reading.inside), (e, Some(false)), "{china} {world} {network:?}");
        let whole = ((1.0 - e * 0.05) / e).ln();
        assert!((reading.score - whole).abs() < 1e-9, "{china} {world}: {}", reading.score);
    }
}

#[test]
fn a_tie_breaker_that_says_inside_takes_half_a_point() {
    let zone = |name: &str| Some(name.to_owned());
    let seen = |sim: &str, time_zone, ip| Observations {
        ip,
        sim_mcc: (!sim.is_empty()).then(|| code(sim)),
        time_zone,
        ..Default::default()
    };
    let device = |seen: Observations, regions: &[&str]| {
        let got = run(&seen, regions);
        got.families.iter().find(|f| f.family == Family::Device).map(|f| (f.score, f.inside))
    };
    let abroad = || ip("US", "US", Network::Unknown);
    for (seen, regions, score) in [
        (seen("CN", None, None), "CN", Some(-0.5)),
        (seen("", zone("Asia/Shanghai"), None), "CN", Some(-0.5)),
        (seen("CN", zone("Asia/Shanghai"), None), "CN", Some(-1.0)),
        (seen("CN", zone("Asia/Tokyo"), None), "CN", None),
        (seen("JP", None, None), "CN", Some(0.5)),
        // Of a province the country says nothing, unless something else speaks of another country.
        (seen("CN", None, None), "53", None),
        (seen("CN", None, abroad()), "53", Some(-0.5)),
    ] {
        assert_eq!(device(seen.clone(), &[regions]), score.map(|s| (s, None)), "{seen:?}");
    }
}

#[test]
fn positions_that_say_nothing() {
    for (lat, lon, radius_m, reason) in [
        (f64::NAN, 0.0, 1.0, Reason::PositionInvalid),
        (25.04, 102.7, f64::INFINITY, Reason::PositionInvalid),
        (25.04, 102.7, -1.0, Reason::PositionInvalid),
        (0.0, -30.0, 1.0, Reason::PositionAmbiguous),
    ] {
        let gps = Some(Gps { lat, lon, radius_m, attested: true });
        let got = run(&Observations { gps, ..Default::default() }, &["53"]);
        assert_eq!(got.families[0].reasons, [reason], "{lat} {lon} {radius_m}");
        assert_eq!(got.grade, Grade::Unknown);
    }
}

#[test]
fn a_fence_is_judged_by_the_point_only() {
    let ring = [(102.6, 24.9), (102.8, 24.9), (102.8, 25.2), (102.6, 25.2), (102.6, 24.9)];
    let fence = Polygon::new("depot", &[ring.to_vec()], Datum::Wgs84).expect("sound");
    let fenced = RegionSet::new(&[], &[], vec![Arc::new(fence)], &table()).expect("sound");
    let of = |seen: &Observations| assess(seen, Some(&fenced), 0.02, &Model::default(), &table());
    let at = |lat, lon| Observations { gps: gps(lat, lon, true), ..Default::default() };
    assert_eq!(of(&at(25.04, 102.70)).grade, Grade::Consistent);
    assert_eq!(of(&at(25.50, 103.80)).families[0].inside, Some(false));
    assert_eq!(of(&at(24.9001, 102.70)).families[0].inside, None, "on the edge");
    let address = Observations { ip: ip("53", "CN", Network::Fixed), ..Default::default() };
    assert_eq!(of(&address).grade, Grade::Unknown, "no address is that exact");
}

#[test]
fn without_a_territory_nothing_is_found() {
    let seen = Observations { gps: gps(JINAN.0, JINAN.1, true), ..Default::default() };
    let got = assess(&seen, None, 0.02, &Model::default(), &table());
    assert_eq!((got.grade, got.nature), (Grade::Unknown, None));
    assert_eq!(got.reasons, [Reason::NoTerritory]);
    assert_eq!(got.region, Some(code("370102")), "where it was is known all the same");
    let nothing = run(&Observations::default(), &["53"]);
    assert_eq!((nothing.grade, nothing.families.len()), (Grade::Unknown, 0));
}

#[test]
fn reason_codes_are_different() {
    let mut codes: Vec<_> = Reason::ALL.iter().map(|r| r.code()).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), Reason::ALL.len());
}

fn any_region() -> impl Strategy<Value = Option<RegionCode>> {
    prop::option::of((0..ROWS.len()).prop_map(|at| code(ROWS[at].0)))
}

prop_compose! {
    fn any_observations()(
        china in any_region(), world in any_region(), reserved: bool,
        network in prop::sample::select(vec![
            Network::Fixed, Network::Mobile, Network::Unknown, Network::Hosting,
        ]),
        position in prop::option::of(
            (-91.0..91.0f64, -181.0..181.0f64, 0.0..1e6f64, any::<bool>()),
        ),
        mcc in any_region(), sim in any_region(), store in any_region(), ship in any_region(),
    ) -> Observations {
        let known = |region: Option<RegionCode>| {
            region.map(|_| SourceReading { region, city: None })
        };
        let reading = IpReading {
            reserved, network, china: known(china), world: known(world), ..Default::default()
        };
        Observations {
            ip: Some(reading),
            gps: position
                .map(|(lat, lon, radius_m, attested)| Gps { lat, lon, radius_m, attested }),
            serving_mcc: mcc,
            sim_mcc: sim,
            store_region: store,
            shipping_region: ship,
            ..Default::default()
        }
    }
}

proptest! {
    #[test]
    fn grades_keep_their_promises(seen in any_observations(), prior in 0.0..1.0f64) {
        let (table, set) = (table(), set(&["53"]));
        let got = assess(&seen, Some(&set), prior, &Model::default(), &table);
        let outside = got.families.iter().filter(|f| f.inside == Some(false)).count();
        let inside = got.families.iter().filter(|f| f.inside == Some(true)).count();
        prop_assert!((0.0..=1.0).contains(&got.posterior));
        prop_assert!(got.grade < Grade::Suspect || outside >= 2);
        prop_assert!(got.grade != Grade::Consistent || inside >= 1);
        prop_assert!(got.grade != Grade::Likely || got.posterior >= 0.9);
        prop_assert_eq!(got.nature.is_some(), got.grade.is_finding());
        for family in &got.families {
            let cap = match family.family {
                Family::Ip => 3.0,
                Family::Device => 4.0,
                Family::Retail => 3.5,
                Family::Order => 1.5,
            };
            prop_assert!(family.score.abs() <= cap);
        }
    }
}

#[test]
fn what_weighs_up_exactly_is_at_most_the_prior() {
    // A gift: started at home in Yunnan, sent to Hubei.
    let seen = Observations {
        gps: gps(25.04, 102.71, false),
        shipping_region: Some(code("42")),
        ..Default::default()
    };
    let got = run(&seen, &["53"]);
    assert_eq!(got.families.iter().map(|f| f.score).sum::<f64>(), 0.0, "{got:?}");
    assert_eq!((got.grade, &got.reasons[..]), (Grade::Consistent, &[Reason::FamiliesDisagree][..]));
}

#[test]
fn of_what_is_sold_online_the_address_tells_the_place_alone() {
    let seen = |ip, gps: Option<Gps>, mcc: &str, ship: &str| Observations {
        ip,
        gps,
        serving_mcc: (!mcc.is_empty()).then(|| code(mcc)),
        shipping_region: (!ship.is_empty()).then(|| code(ship)),
        sold_online: true,
        ..Default::default()
    };
    let elsewhere = || ip("37", "CN", Network::Fixed);
    let abroad = || ip("US", "US", Network::Unknown);
    let told = |seen: Observations, territory: &[&str]| {
        let got = run(&seen, territory);
        (got.grade, got.region.map(|region| region.to_string()))
    };
    let place = |code: &str| Some(code.to_owned());
    assert_eq!(told(seen(elsewhere(), None, "", ""), &["53"]), (Grade::Unknown, place("37")));
    assert_eq!(told(seen(abroad(), None, "", ""), &["CN"]), (Grade::Unknown, place("US")));
    let got = run(&seen(abroad(), None, "", ""), &["CN"]);
    assert!(family(&got, Family::Ip).reasons.contains(&Reason::SoldOnline));
    // The device and the sale speak as they always do.
    let tokyo = || gps(35.68, 139.69, true);
    assert_eq!(told(seen(None, tokyo(), "JP", ""), &["CN"]).0, Grade::Observe);
    assert_eq!(told(seen(None, tokyo(), "JP", "JP"), &["CN"]).0, Grade::Suspect);
    let home = seen(elsewhere(), gps(KUNMING.0, KUNMING.1, true), "CN", "53");
    assert_eq!(told(home, &["CN"]).0, Grade::Consistent);
}

#[test]
fn position_and_network_that_weigh_alike_say_nothing() {
    let seen = Observations {
        gps: gps(KUNMING.0, KUNMING.1, true),
        serving_mcc: Some(code("JP")),
        ..Default::default()
    };
    let got = run(&seen, &["53"]);
    assert_eq!((family(&got, Family::Device).inside, got.grade), (None, Grade::Unknown));
}
