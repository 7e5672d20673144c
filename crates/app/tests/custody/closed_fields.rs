//! What explains most false alarms and cannot be found out later: what a unit is meant for, whether
//! it was sold to a group, why it went where no grant binds it. It is recorded as it was told.

use crate::common::{FACTORY, PHONE, World, outcomes, sns};
use crate::on_both;
use domain::disposition::Disposition;
use dossier::files::Kind;
use serde_json::{Value, json};
use store::event::{Body, Event, Row};

on_both! {
    what_a_unit_is_meant_for_is_recorded,
    a_group_and_a_reason_are_recorded_as_told,
    who_takes_no_goods_is_sent_none,
}

async fn events(world: &World, sn: &str) -> Vec<Event> {
    world.house.store.events_fetch(world.unit(sn).await).await.expect("it reads")
}

/// What the brand reads of the events of a kind.
async fn shown(world: &World, sn: &str, kind: &str) -> Vec<Value> {
    let desk = world.desk("BRAND", "read").await;
    let (status, dossier) = desk.get(&format!("/api/v1/units/{sn}")).await;
    assert_eq!(status, 200, "{dossier}");
    let events = dossier["timeline"].as_array().cloned().unwrap_or_default();
    let of_kind = events.into_iter().filter(|event| event["kind"] == kind);
    of_kind.map(|event| event["detail"].clone()).collect()
}

async fn what_a_unit_is_meant_for_is_recorded(world: &World) {
    let mut file = "sn,gtin,produced_at,site_code,disposition\n".to_owned();
    let words = Disposition::ALL.map(|disposition| Some(disposition.as_str()));
    let named: Vec<_> = sns(0..9).into_iter().zip(words.into_iter().chain([None])).collect();
    for (sn, word) in &named {
        let word = word.unwrap_or_default();
        file += &format!("{sn},{PHONE},2026-05-20T08:00:00+08:00,{FACTORY},{word}\n");
    }
    world.take(Kind::Production, &file).await;
    for (sn, word) in &named {
        let unit = world.unit(sn).await;
        let record = world.house.store.unit_fetch(unit).await.expect("it reads");
        assert_eq!(record.expect("it is made").disposition.as_deref(), *word, "{sn}");
        let events = events(world, sn).await;
        let row =
            events.iter().flat_map(|event| &event.subjects).find_map(|subject| {
                match &subject.row {
                    Row::Commissioned(row) if subject.number == unit => Some(row),
                    _ => None,
                }
            });
        assert_eq!(row.expect("its row").disposition.as_deref(), *word, "{sn}");
        assert_eq!(shown(world, sn, "commissioned").await[0]["disposition"], json!(word));
    }
    let odd = file.lines().next().expect("a header").to_owned()
        + &format!("\nODD1,{PHONE},2026-05-20T08:00:00+08:00,{FACTORY},for sale\n");
    assert_eq!(outcomes(&world.house, Kind::Production, &odd, false).await, ["invalid_field"]);
    world.agrees().await;
}

async fn a_group_and_a_reason_are_recorded_as_told(world: &World) {
    let parties = "code,kind,name,parent_code,region\nT1-00,tier1,尚无授权,BRAND,440305\n";
    world.take(Kind::Parties, parties).await;
    world.make(&sns(0..4)).await;
    let head = "shipment_no,from_code,to_code,happened_at,subject,reason,declared_group_purchase\n";
    let row = |no: &str, to: &str, more: &str| {
        let sn = format!("CY00000{}", &no[1..]);
        format!("{no},{FACTORY},{to},2026-05-22T08:00:00+08:00,{sn},{more}\n")
    };
    // Without a grant up its tree a seller gets nothing, unless somebody says why.
    let bare = format!("{head}{}", row("S0", "T1-00", ","));
    let refused = outcomes(&world.house, Kind::Shipments, &bare, false).await;
    assert_eq!(refused, ["no_territory"]);
    let reason = Some("the contract is being signed");
    for (no, to, more, expected) in [
        ("S0", "T1-00", "the contract is being signed,", (reason, None)),
        ("S1", "T1-53", ",yes", (None, Some(true))),
        ("S2", "T1-53", ",no", (None, None)),
        ("S3", "T1-53", "the contract is being signed,yes", (reason, Some(true))),
    ] {
        world.take(Kind::Shipments, &format!("{head}{}", row(no, to, more))).await;
        let sn = format!("CY00000{}", &no[1..]);
        let told = events(world, &sn).await.into_iter().find_map(|event| match event.body {
            Body::Shipped { reason, declared_group_purchase, .. } => {
                Some((reason, declared_group_purchase))
            }
            _ => None,
        });
        let (reason, group) = told.expect("it is shipped");
        assert_eq!((reason.as_deref(), group), expected, "{no}");
        let shown = shown(world, &sn, "shipped").await;
        assert_eq!(shown[0]["reason"], json!(expected.0), "{no}");
        assert_eq!(shown[0]["declared_group_purchase"], expected.1.unwrap_or(false), "{no}");
    }
    // A return says why as well.
    let back = json!({"shipment_no": "R1", "from_code": "T1-53", "to_code": FACTORY,
        "happened_at": "2026-05-24T08:00:00+08:00", "subject": "CY000001",
        "reason": "the group went elsewhere"});
    let desk = world.desk("BRAND", "all").await;
    let (status, reply) = desk.post("/api/v1/returns", &json!({"rows": [back]})).await;
    assert_eq!(status, 200, "{reply}");
    let shown = shown(world, "CY000001", "returned").await;
    assert_eq!(shown[0]["reason"], "the group went elsewhere");
    world.agrees().await;
}

async fn who_takes_no_goods_is_sent_none(world: &World) {
    let parties = "code,kind,name,parent_code\nPLAT,platform,平台,BRAND\n\
        AUTH,regulator,市场监管局,BRAND\nSVC,service_centre,服务站,BRAND\n\
        REC,recycler,回收站,BRAND\n";
    world.take(Kind::Parties, parties).await;
    world.make(&sns(0..2)).await;
    let head = "shipment_no,from_code,to_code,happened_at,subject,reason\n";
    for (n, (to, expected)) in
        [("PLAT", "not_a_receiver"), ("AUTH", "not_a_receiver"), ("SVC", "taken"), ("REC", "taken")]
            .into_iter()
            .enumerate()
    {
        // A reason is none for them.
        let row = format!("S{n},{FACTORY},{to},2026-05-22T08:00:00+08:00,CY00000{},x", n % 2);
        let told = outcomes(&world.house, Kind::Shipments, &format!("{head}{row}\n"), false).await;
        assert_eq!(told, [expected], "{to}");
    }
    world.agrees().await;
}
