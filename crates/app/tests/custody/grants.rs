//! Territories that end, and end otherwise than was said at first.

use crate::common::{PHONE, World, sns};
use crate::on_both;
use domain::region::{Coverage, Polygon, RegionCode};
use dossier::files::{Format, Kind, Table};
use dossier::flows::RowOutcome;
use dossier::flows::import::{Importer, import};
use dossier::flows::masterdata::Taking;
use dossier::flows::reference::Reference;
use jiff::civil::date;
use serde_json::{Value, json};
use std::io::Cursor;
use std::sync::Arc;
use store::engine::{Plan, Step};
use store::reference::TerritoryRow;

on_both! {
    a_grant_is_given_another_last_day,
    only_its_last_day_changes,
    a_grant_is_the_same_however_its_regions_are_written,
    what_was_granted_twice_under_other_words_ends_whole,
    an_unknown_region_is_named_where_it_stands,
    a_party_is_moved_only_to_where_its_grants_lie_inside,
    rows_that_name_all_parts_of_a_region_grant_the_region,
    a_fence_is_divided_along_its_border,
    a_grant_that_did_not_change_is_not_read_again,
}

const HEADER: &str = "party_code,gtin,regions,from_on,channel,to_on\n";

/// Takes grants with `update`: what became of each, in words.
async fn updates(world: &World, text: &str) -> Vec<String> {
    updates_of(world, Kind::Territories, text).await
}

async fn updates_of(world: &World, kind: Kind, text: &str) -> Vec<String> {
    let input = Box::new(Cursor::new(text.as_bytes().to_vec()));
    let mut table = Table::from_reader(kind, Format::Csv, input).expect("a file");
    let (mut told, taking) = (Vec::new(), Taking { update: true, ..Taking::default() });
    let mut on_row = |_: &_, outcome: &RowOutcome| {
        told.push(match outcome {
            RowOutcome::Taken => "taken".to_owned(),
            RowOutcome::Unchanged => "unchanged".to_owned(),
            RowOutcome::Refused(why) => {
                why.first().map_or(String::new(), |r| format!("{} {}", r.refusal.code(), r.field))
            }
            other => format!("{other:?}"),
        });
    };
    let done = import(&world.house, Importer::Operator(None), &mut table, taking, &mut on_row);
    done.await.expect("the file is read");
    told
}

/// Goods go to the tier 1 of Yunnan: the code of the refusal, if it is one.
async fn ships(world: &World, paper: &str, (day, sn): (&str, &str)) -> Option<String> {
    let row = json!({"shipment_no": paper, "from_code": "FAC-SZ", "to_code": "T1-53",
        "subject": sn, "happened_at": format!("{day}T08:00:00+08:00")});
    let desk = world.desk("BRAND", "all").await;
    let (_, reply) = desk.post("/api/v1/shipments", &json!({"rows": [row]})).await;
    reply["results"][0]["problems"][0]["code"].as_str().map(str::to_owned)
}

async fn a_grant_is_given_another_last_day(world: &World) {
    world.make(&sns(0..2)).await;
    let (tier1, tier2) = ("T1-53,*,53,2026-01-01,both,", "T2-53,*,53,2026-01-01,offline,");
    let rows = |rows: &[(&str, &str)]| {
        let lines: String = rows.iter().map(|(row, end)| format!("{row}{end}\n")).collect();
        format!("{HEADER}{lines}")
    };
    // What was granted below it would stick out.
    let alone = updates(world, &rows(&[(tier1, "2026-06-05")])).await;
    assert_eq!(alone, ["outside_tier1 to_on"]);
    assert_eq!(ships(world, "S1", ("2026-06-06", "CY000000")).await, None, "nothing changed");
    // Both in one file, in either order.
    let both = rows(&[(tier1, "2026-06-05"), (tier2, "2026-06-05")]);
    assert_eq!(updates(world, &both).await, ["taken", "taken"]);
    assert_eq!(updates(world, &both).await, ["unchanged", "unchanged"]);
    let late = ships(world, "S2", ("2026-06-06", "CY000001")).await;
    assert_eq!(late.as_deref(), Some("no_territory"));
    let longer = updates(world, &rows(&[(tier2, "2026-12-31")])).await;
    assert_eq!(longer, ["outside_tier1 regions"]);
    let longer = rows(&[(tier2, "2026-12-31"), (tier1, "")]);
    assert_eq!(updates(world, &longer).await, ["taken", "taken"]);
    assert_eq!(ships(world, "S2", ("2026-06-06", "CY000001")).await, None);
    // Each end is told in the audit trail, before and after.
    let trail =
        world.desk("BRAND", "all").await.get("/api/v1/audit?kind=territory&limit=100").await.1;
    let ends: Vec<_> = trail["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|item| item["verb"] == "changed")
        .flat_map(|item| item["changes"].as_array().cloned().unwrap_or_default())
        .filter(|field| field["field"] == "to_on")
        .collect();
    assert_eq!(ends.len(), 4, "{trail}");
    world.agrees().await;
    // Another process reads what became of them.
    let other = world.another().await;
    let reference = other.reference_now().await.expect("it reads");
    let ended = reference.territories.iter().filter(|grant| grant.to_on.is_some()).count();
    assert_eq!(ended, 1);
}

async fn only_its_last_day_changes(world: &World) {
    let without_end = "party_code,gtin,regions,from_on,channel\nT1-42,*,42,2026-01-01,both\n";
    let ended = format!("{HEADER}T1-42,*,42,2026-01-01,both,2026-07-31\n");
    assert_eq!(updates(world, &ended).await, ["taken"]);
    assert_eq!(updates(world, without_end).await, ["unchanged"], "it says nothing of the end");
    let more = "party_code,gtin,regions,excluded,from_on,channel,to_on\n\
        T1-42,*,42,4201,2026-01-01,both,2026-07-31\n";
    assert_eq!(updates(world, more).await, ["content_differs regions"]);
    let reversed = format!("{HEADER}T1-42,*,42,2026-01-01,both,2025-12-31\n");
    assert_eq!(updates(world, &reversed).await, ["period_reversed to_on"]);
    // Anew, from the day after.
    let anew = format!("{HEADER}T1-42,{PHONE},42,2026-08-01,both,\n");
    assert_eq!(updates(world, &anew).await, ["taken"]);
    world.agrees().await;
}

/// The grants of the tier 1 of Hubei that begin on a day, as they are listed: regions and last day.
async fn listed(world: &World, from_on: &str) -> Vec<(String, Option<String>)> {
    let desk = world.desk("BRAND", "all").await;
    let (status, page) = desk.get("/api/v1/territories?limit=1000").await;
    assert_eq!(status, 200, "{page}");
    let items = page["items"].as_array().expect("a list");
    let meant = items.iter().filter(|it| it["party_code"] == "T1-42" && it["from_on"] == from_on);
    let words = |it: &Value| {
        let regions = it["regions"].as_array().expect("regions").iter().filter_map(Value::as_str);
        regions.collect::<Vec<_>>().join("|")
    };
    let end = |it: &Value| it["to_on"].as_str().map(str::to_owned);
    let mut listed: Vec<_> = meant.map(|it| (words(it), end(it))).collect();
    listed.sort();
    listed
}

async fn a_grant_is_the_same_however_its_regions_are_written(world: &World) {
    let put = async |regions: &str, end: &str| {
        let row = format!("{HEADER}T1-42,*,{regions},2026-02-01,both,{end}\n");
        updates(world, &row).await.join(", ")
    };
    assert_eq!(put("50|51|us|HK", "").await, "taken");
    for again in ["51|50|HK|us", "510000|US|81|5000", "50|51|us|51|hk|500000"] {
        assert_eq!(put(again, "").await, "unchanged", "{again}");
    }
    assert_eq!(put("US|81|510000|50", "2026-06-30").await, "taken");
    let ended = [("50|51|us|HK".to_owned(), Some("2026-06-30".to_owned()))];
    assert_eq!(listed(world, "2026-02-01").await, ended, "it is the one grant, as it was entered");
    assert_eq!(put("hk|51|50|us", "2026-06-30").await, "unchanged");
    // So is what is taken out.
    let without = async |excluded: &str| {
        let header = "party_code,gtin,regions,excluded,from_on,channel";
        let row = format!("{header}\nT1-42,*,42,{excluded},2026-03-01,both\n");
        updates(world, &row).await.join(", ")
    };
    assert_eq!(without("4201|4202").await, "taken");
    assert_eq!(without("420200|420100|4201").await, "unchanged");
    assert_eq!(without("4201").await, "content_differs regions");
    // In one file, too.
    let rows = "T1-42,*,53|54,2026-04-01,both,\nT1-42,*,540000|53,2026-04-01,both,2026-05-31\n";
    assert_eq!(updates(world, &format!("{HEADER}{rows}")).await, ["taken", "taken"]);
    let ended = [("53|54".to_owned(), Some("2026-05-31".to_owned()))];
    assert_eq!(listed(world, "2026-04-01").await, ended);
    world.agrees().await;
}

/// As it could be granted before it made no difference how regions are written.
async fn what_was_granted_twice_under_other_words_ends_whole(world: &World) {
    const GRANTED: &str = "INSERT INTO territory (id, brand_id, natural_key, record) \
        VALUES ($1, $2, $3, $4)";
    const BUMP: &str = "UPDATE version SET value = value + 1 WHERE name = 'reference'";
    let put = async |regions: &str, end: &str| {
        let row = format!("{HEADER}T1-42,*,{regions},2026-02-01,both,{end}\n");
        updates(world, &row).await.join(", ")
    };
    assert_eq!(put("50|51", "").await, "taken");
    let reference = world.house.reference_now().await.expect("it reads");
    let brand = world.caller().await.brand;
    let of = |row: &&TerritoryRow| row.from_on == "2026-02-01";
    let first = reference.territory_rows(brand).find(of).expect("it is granted").clone();
    let id = reference.last_ids.territory + 1;
    let regions = vec!["51".to_owned(), "50".to_owned()];
    let second = TerritoryRow { id, regions, ..first };
    let record = serde_json::to_string(&second).expect("JSON");
    let key = format!("{} * 51|50 both 2026-02-01", second.party);
    let params = vec![id.into(), brand.0.into(), key.into(), record.into()];
    let steps = vec![Step::run(GRANTED, params), Step::run(BUMP, vec![])];
    world.house.store.engine().write(Plan::new(steps)).await.expect("it is written");
    world.house.reference_now().await.expect("it reads");
    let both = |end: Option<&str>| {
        ["50|51", "51|50"].map(|regions| (regions.to_owned(), end.map(str::to_owned)))
    };
    assert_eq!(listed(world, "2026-02-01").await, both(None));
    for again in ["50|51", "51|50", "510000|50"] {
        assert_eq!(put(again, "").await, "unchanged", "{again}");
    }
    assert_eq!(put("50|510000", "2026-06-30").await, "taken");
    assert_eq!(listed(world, "2026-02-01").await, both(Some("2026-06-30")));
    assert_eq!(put("51|50", "2026-06-30").await, "unchanged");
    let other = world.another().await.reference_now().await.expect("it reads");
    assert_eq!(other.territory_rows(brand).filter(of).count(), 2, "another process reads both");
    assert_eq!(other.unread, [""; 0]);
    world.agrees().await;
}

async fn an_unknown_region_is_named_where_it_stands(world: &World) {
    for (regions, excluded, expected) in
        [("zz", "", "regions"), ("42", "zz", "excluded"), ("42|zz", "4201", "regions")]
    {
        let header = "party_code,gtin,regions,excluded,from_on,channel";
        let row = format!("{header}\nT1-42,*,{regions},{excluded},2026-02-01,both\n");
        let told = updates(world, &row).await;
        assert_eq!(told, [format!("unknown_region {expected}")], "{regions} without {excluded}");
    }
}

async fn a_party_is_moved_only_to_where_its_grants_lie_inside(world: &World) {
    let under = |tier1: &str, name: &str| {
        format!("code,kind,name,parent_code\nT2-53,tier2,{name},{tier1}\n")
    };
    let put = async |tier1: &str, name: &str| {
        updates_of(world, Kind::Parties, &under(tier1, name)).await.join(", ")
    };
    assert_eq!(put("T1-42", "昆明二级").await, "outside_tier1 parent_code");
    let row = json!({"code": "T2-53", "kind": "tier2", "name": "昆明", "parent_code": "T1-42"});
    let desk = world.desk("BRAND", "all").await;
    let told = desk.take_lines("parties?update=true", &format!("{row}\n")).await;
    for word in ["T2-53", "53 from 2026-01-01", "T1-42", "last day"] {
        assert!(told.contains(word), "{word}: {told}");
    }
    assert_eq!(put("T1-53", "昆明").await, "taken", "it stays where it is");
    // Whoever is above it from now on has the same.
    let beside = format!("{HEADER}T1-42,*,53,2026-01-01,offline,\n");
    assert_eq!(updates(world, &beside).await, ["taken"]);
    assert_eq!(put("T1-42", "昆明").await, "taken");
    assert_eq!(put("T1-53", "昆明").await, "taken");
    let tier1 = "T1-42,*,53,2026-01-01,offline,2026-02-28";
    let ended = format!("{HEADER}{tier1}\nT2-53,*,53,2026-01-01,offline,2026-05-31\n");
    assert_eq!(updates(world, &ended).await, ["taken", "taken"]);
    assert_eq!(put("T1-42", "昆明").await, "taken", "what is over is no hindrance");
    let reference = world.house.reference_now().await.expect("it reads");
    let brand = world.caller().await.brand;
    let above = |code: &str| reference.party(brand, code).and_then(|party| party.parent);
    assert_eq!(above("T2-53"), reference.party(brand, "T1-42").map(|party| party.id));
    world.agrees().await;
}

async fn rows_that_name_all_parts_of_a_region_grant_the_region(world: &World) {
    let party = "code,kind,name,parent_code,region\nT2-46,tier2,海南二级,T1-42,460105\n";
    world.take(Kind::Parties, party).await;
    let give = async |party: &str, regions: &str| {
        updates(world, &format!("{HEADER}{party},*,{regions},2026-01-01,both,\n")).await.join(", ")
    };
    let coverage = async || {
        let reference = world.house.reference_now().await.expect("it reads");
        let brand = world.caller().await.brand;
        let holder = reference.party(brand, "T1-42").expect("a party").id;
        let (tree, product) = (&reference.tree, reference.products(brand)[0].id);
        let bound = reference.territories.binding(tree, holder, product, date(2026, 6, 1));
        bound.expect("it binds").regions().coverage(RegionCode::parse("46").expect("a code"))
    };
    for city in ["4601", "4602", "4603", "4604"] {
        assert_eq!(give("T1-42", city).await, "taken", "{city}");
        assert_eq!(give("T2-46", "46").await, "outside_tier1 regions", "{city}");
    }
    assert_eq!(coverage().await, Coverage::Partial);
    // The counties that answer to the province itself.
    assert_eq!(give("T1-42", "4690").await, "taken");
    assert_eq!(coverage().await, Coverage::Inside);
    assert_eq!(give("T2-46", "46").await, "taken");
    world.agrees().await;
}

/// A row that grants a block: west, south, east, north.
fn fenced(party: &str, from_on: &str, (w, s, e, n): (f64, f64, f64, f64)) -> String {
    let ring = json!([[w, s], [e, s], [e, n], [w, n], [w, s]]);
    let fence = json!({"type": "Polygon", "coordinates": [ring]}).to_string();
    let cell = fence.replace('"', "\"\"");
    let header = "party_code,gtin,regions,from_on,channel,polygons";
    format!("{header}\n{party},*,,{from_on},both,\"{cell}\"\n")
}

async fn a_fence_is_divided_along_its_border(world: &World) {
    let whole = fenced("T1-53", "2026-02-01", (100.0, 20.0, 110.0, 30.0));
    assert_eq!(updates(world, &whole).await, ["taken"]);
    for (day, part) in [
        ("2026-02-02", (105.0, 25.0, 110.0, 30.0)),
        ("2026-02-03", (100.0, 25.0, 105.0, 30.0)),
        ("2026-02-04", (105.0, 20.0, 110.0, 25.0)),
        ("2026-02-05", (100.0, 20.0, 105.0, 25.0)),
    ] {
        let row = fenced("T2-53", day, part);
        assert_eq!(updates(world, &row).await, ["taken"], "{part:?}");
    }
    let out = fenced("T2-53", "2026-02-06", (105.0, 25.0, 110.1, 30.0));
    assert_eq!(updates(world, &out).await, ["outside_tier1 regions"]);
    world.agrees().await;
}

async fn a_grant_that_did_not_change_is_not_read_again(world: &World) {
    let row = fenced("T1-53", "2026-02-01", (100.0, 20.0, 110.0, 30.0));
    assert_eq!(updates(world, &row).await, ["taken"]);
    let fence = |reference: &Reference| -> Arc<Polygon> {
        let mut fences = reference.territories.iter().flat_map(|grant| grant.regions.fences());
        Arc::clone(fences.next().expect("a fence"))
    };
    let before = world.house.reference_now().await.expect("it reads");
    let party = "code,kind,name,parent_code,region\nT1-44,tier1,广东总代,BRAND,440106\n";
    world.take(Kind::Parties, party).await;
    let after = world.house.reference_now().await.expect("it reads");
    assert!(before.version < after.version, "a party was added");
    assert!(Arc::ptr_eq(&fence(&before), &fence(&after)));
    let other = world.another().await.reference_now().await.expect("it reads");
    assert_eq!(fence(&other), fence(&after), "another process reads the same");
}
