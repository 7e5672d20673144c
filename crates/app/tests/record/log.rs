//! The sealed log: what was recorded is proven to people who do not trust the operator; nothing is
//! lost between recording and signing; whoever changes, deletes or reorders is found out.

#![allow(clippy::disallowed_methods, reason = "tests are told what to do by variables")]

use crate::common::{World, sns, sscc, start};
use crate::on_both;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use domain::id::EventId;
use domain::log::checkpoint::Checkpoint;
use domain::log::tree::{Hash, root, verify_consistency};
use dossier::bundle::{Bundle, Doubt};
use dossier::files::Kind;
use dossier::flows::doctor::{Extent, examine};
use dossier::flows::house::Settings;
use dossier::flows::log::{self, Paths, signed_head};
use dossier::flows::{House, history};
use std::collections::BTreeSet;
use store::commit::Commit;
use store::engine::{Plan, Step};
use store::event::{Body, Event};

on_both! {
    a_units_history_is_proven_without_the_server,
    a_carton_that_is_touched_again_leaves_its_units_proven,
    a_transaction_that_commits_late_is_sealed_late,
    a_crash_at_any_point_leaves_one_history,
    sealers_at_work_together_give_each_place_once,
    changed_deleted_and_reordered_events_are_named,
    a_column_that_is_not_what_the_text_says_is_named,
    a_torn_log_and_an_unreadable_row_hide_no_other_check
}

/// Twelve units in a carton on a pallet, shipped; one activated.
async fn goods(world: &World) {
    world.make(&sns(0..12)).await;
    let (carton, pallet) = (sscc(1), sscc(2));
    let mut packs = "sscc,child,packed_at\n".to_owned();
    for sn in sns(0..12) {
        packs.push_str(&format!("{carton},{sn},2026-05-21T09:00:00+08:00\n"));
    }
    packs.push_str(&format!("{pallet},{carton},2026-05-21T10:00:00+08:00\n"));
    world.take(Kind::Packs, &packs).await;
    let shipment = format!(
        "shipment_no,from_code,to_code,happened_at,subject\n\
         S1,FAC-SZ,T1-53,2026-05-22T08:00:00+08:00,{pallet}\n"
    );
    world.take(Kind::Shipments, &shipment).await;
    assert!(start(&world.house, "sn", "CY000003", "a").await);
}

async fn seal(house: &House) -> u64 {
    log::seal(house).await.expect("it seals")
}

async fn bundle(world: &World, sn: &str) -> Bundle {
    let number = world.unit(sn).await;
    let caller = world.caller().await;
    let history = history::prove(&world.house, &caller, number).await.expect("it proves");
    let history = history.expect("a head");
    assert_eq!(history.waiting_count, 0);
    Bundle::new(number, &history)
}

async fn a_units_history_is_proven_without_the_server(world: &World) {
    goods(world).await;
    let events = world.house.store.events_count().await.expect("it counts");
    assert_eq!(seal(&world.house).await, events as u64);
    assert_eq!(seal(&world.house).await, 0, "nothing is sealed twice");
    let head = signed_head(&world.house).await.expect("it reads").expect("it is signed");
    assert_eq!(head.checkpoint.size, events as u64);

    let file = serde_json::to_vec(&bundle(world, "CY000003").await).expect("it is written");
    let believed = Bundle::read(&file).expect("it reads").check(Some(&head.public));
    let kinds: Vec<_> =
        believed.expect("it holds").events.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["commissioned", "packed", "packed", "shipped", "activated"]);

    // Any one bit.
    for at in 0..file.len() {
        let mut changed = file.clone();
        changed[at] ^= 1 << (at % 8);
        let believed = Bundle::read(&changed).and_then(|b| b.check(Some(&head.public)));
        let near = String::from_utf8_lossy(&file[at.saturating_sub(20)..at + 1]).into_owned();
        assert!(believed.is_err(), "a bit of byte {at} changed unnoticed: …{near}");
    }
    // Another's history is not passed off as this unit's.
    let mut other = bundle(world, "CY000003").await;
    other.number = world.unit("CY000004").await;
    assert!(matches!(other.check(Some(&head.public)), Err(Doubt::Event { .. })));
    // An event left out is not noticed by the file alone; one of another unit is.
    let mut mixed = bundle(world, "CY000004").await;
    mixed.events.extend(bundle(world, "CY000003").await.events.pop());
    assert!(matches!(mixed.check(Some(&head.public)), Err(Doubt::Event { number: 5, .. })));

    // What was proven stays proven while the log grows, and the log only grew.
    let before = Bundle::read(&file).expect("it reads");
    assert!(start(&world.house, "sn", "CY000004", "b").await);
    assert_eq!(seal(&world.house).await, 1);
    assert!(before.check(Some(&head.public)).is_ok());
    let after = signed_head(&world.house).await.expect("it reads").expect("it is signed");
    let mut paths = Paths::new(&world.house, after.checkpoint.size);
    let path = paths.consistency(head.checkpoint.size).await.expect("it proves");
    let (old, new) = (&head.checkpoint, &after.checkpoint);
    let grew = verify_consistency((old.size, &old.root), (new.size, &new.root), &path);
    assert_eq!(grew, Ok(()));
    world.agrees().await;
}

/// A line packs one unit at a time; one comes out again, and goes into a carton of its own.
async fn a_carton_that_is_touched_again_leaves_its_units_proven(world: &World) {
    world.make(&sns(0..3)).await;
    let packed = async |pack: u64, child: &str, hour: u32| {
        let (pack, at) = (sscc(pack), format!("2026-05-21T{hour:02}:00:00+08:00"));
        let text = format!("sscc,child,packed_at\n{pack},{child},{at}\n");
        world.take(Kind::Packs, &text).await;
    };
    let [one, two, three] = [0, 1, 2].map(|n| sns(n..n + 1).swap_remove(0));
    packed(1, &one, 9).await;
    packed(1, &two, 10).await;
    packed(3, &three, 9).await;
    packed(2, &sscc(1), 11).await;
    packed(2, &sscc(3), 12).await;
    let desk = world.desk("BRAND", "all").await;
    let out = serde_json::json!({"sscc": sscc(1), "children": [two],
        "happened_at": "2026-05-21T13:00:00+08:00"});
    assert_eq!(desk.post("/api/v1/packs/unpack", &out).await.0, 200);
    packed(4, &two, 14).await;
    seal(&world.house).await;
    let expected = [
        (&one, vec!["commissioned", "packed", "packed"]),
        (&two, vec!["commissioned", "packed", "packed", "unpacked", "packed"]),
        (&three, vec!["commissioned", "packed", "packed"]),
    ];
    for (sn, kinds) in expected {
        let believed = bundle(world, sn).await.check(None).expect("it is proven");
        let told: Vec<_> = believed.events.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(told, kinds, "{sn}");
        // Nor does its story tell what became of the others.
        let (_, dossier) = desk.get(&format!("/api/v1/units/{sn}?scheme=sn")).await;
        let story = dossier["timeline"].as_array().expect("a story");
        let told: Vec<_> = story.iter().map(|e| e["kind"].as_str().unwrap_or_default()).collect();
        assert_eq!(told, kinds, "{sn}");
        let left = story.iter().find(|e| e["kind"] == "unpacked");
        assert!(left.is_none_or(|e| e["detail"]["out_of"] == sscc(1)), "{left:?}");
    }
}

/// An event by its name alone.
fn event(world: &World, brand: i64, id: [u8; 16]) -> Event {
    let now = world.house.clock.now().as_microsecond();
    Event {
        home: 1,
        id: EventId(id),
        brand: domain::id::BrandId(brand),
        party: None,
        site: None,
        actor: "cli".to_owned(),
        happened_at: now,
        offset_minutes: 480,
        recorded_at: now,
        body: Body::BatchExported {},
        subjects: Vec::new(),
    }
}

async fn record(world: &World, events: Vec<Event>) {
    let commit = Commit { events, ..Commit::default() };
    world.house.store.commit(&commit).await.expect("it is recorded");
}

async fn a_transaction_that_commits_late_is_sealed_late(world: &World) {
    goods(world).await;
    seal(&world.house).await;
    let before = signed_head(&world.house).await.expect("it reads").expect("it is signed");
    // Named long before everything that is sealed.
    let brand = world.caller().await.brand.0;
    record(world, vec![event(world, brand, [0; 16])]).await;
    assert_eq!(seal(&world.house).await, 1);
    let position = world.house.store.log_position(&[0; 16], 1).await.expect("it reads");
    assert_eq!(position, Some(before.checkpoint.size), "behind all others");
    doctor_is_content(world).await;
}

async fn a_crash_at_any_point_leaves_one_history(world: &World) {
    goods(world).await;
    let house = &world.house;
    let waiting = house.store.unsealed_fetch(100).await.expect("it reads");
    let count = waiting.len() as u64;
    let leaves: Vec<Hash> = waiting.iter().map(|w| w.leaf).collect();
    // Before anything was written there is nothing; a plan is whole or not there.
    assert_eq!(signed_head(house).await.expect("it reads"), None);
    let empty = house.store.log_head().await.expect("it reads").tree;
    let (first, second) = waiting.split_at(3);
    let three = house.store.log_append(&empty, first).await.expect("it is written");
    // Dead before it was signed: nothing is published, and whoever comes signs what is there.
    assert_eq!(signed_head(house).await.expect("it reads"), None);
    let again = house.store.log_append(&empty, first).await;
    assert!(again.expect_err("the head has moved").is_race());
    log::sign(house).await.expect("it signs");
    let old = signed_head(house).await.expect("it reads").expect("it is signed").checkpoint;
    assert_eq!((old.size, old.root), (3, root(leaves[..3].to_vec())));
    // Dead before the second head was signed: the first stands and is served.
    house.store.log_append(&three, second).await.expect("it is written");
    let served = signed_head(house).await.expect("it reads").expect("it is signed").checkpoint;
    assert_eq!(served, old);
    // A sealer that slept keeps its old signature to itself.
    log::sign(house).await.expect("it signs");
    let stale = old.sign(&house.secrets.log_key());
    house.store.log_note_put(old.size, &stale).await.expect("it is no error");
    let new = signed_head(house).await.expect("it reads").expect("it is signed").checkpoint;
    assert_eq!((new.size, new.root), (count, root(leaves)));
    let path = Paths::new(house, new.size).consistency(old.size).await.expect("it proves");
    let grew = verify_consistency((old.size, &old.root), (new.size, &new.root), &path);
    assert_eq!(grew, Ok(()));
    doctor_is_content(world).await;
}

async fn sealers_at_work_together_give_each_place_once(world: &World) {
    let brand = world.caller().await.brand.0;
    let another = world.another().await;
    seal(&world.house).await;
    let before = world.house.store.log_head().await.expect("it reads").tree.size();
    let recording = async {
        for n in 0..60_u8 {
            let id = |i: u8| std::array::from_fn(|at| if at == 0 { n } else { i });
            record(world, (1..6).map(|i| event(world, brand, id(i))).collect()).await;
        }
    };
    let sealing = |house: std::sync::Arc<House>| async move {
        for _ in 0..20 {
            // A loser leaves the rest to the winner.
            seal(&house).await;
        }
    };
    tokio::join!(recording, sealing(std::sync::Arc::clone(&world.house)), sealing(another));
    while world.house.store.unsealed_count().await.expect("it counts") > 0 {
        seal(&world.house).await;
    }
    let head = world.house.store.log_head().await.expect("it reads");
    assert_eq!(head.tree.size(), before + 300);
    let mut places = BTreeSet::new();
    for n in 0..60_u8 {
        for i in 1..6 {
            let id = std::array::from_fn(|at| if at == 0 { n } else { i });
            let place = world.house.store.log_position(&id, 1).await.expect("it reads");
            assert!(places.insert(place.expect("it is sealed")));
        }
    }
    doctor_is_content(world).await;
}

async fn doctor(world: &World) -> Vec<(&'static str, String)> {
    let extent = Extent { data_dir: None, all_events: true };
    let checks = examine(&world.house, extent).await.expect("the store reads");
    let ill = checks.into_iter().filter(|c| !c.ok && c.name != "geodata");
    ill.map(|c| (c.name, c.detail)).collect()
}

async fn doctor_is_content(world: &World) {
    assert_eq!(doctor(world).await, []);
}

const CHANGE: &str = "UPDATE event SET canonical = replace(canonical, '\"first\":true', \
    '\"first\":false') WHERE kind = 'activated' AND home = $1";
const CHANGE_BACK: &str = "UPDATE event SET canonical = replace(canonical, '\"first\":false', \
    '\"first\":true') WHERE kind = 'activated' AND home = $1";
const SWAP: &str = "UPDATE sealed SET position = $1 - position WHERE position = $2 \
    OR position = $1 - $2";
const FORGET: &str = "DELETE FROM sealed WHERE position = $1";
const DELETE: &str = "DELETE FROM event WHERE kind = 'activated' AND home = $1";
const TEAR: &str = "DELETE FROM log_tile WHERE level = $1";

async fn changed_deleted_and_reordered_events_are_named(world: &World) {
    goods(world).await;
    seal(&world.house).await;
    doctor_is_content(world).await;
    let unit = world.unit("CY000003").await;
    let forge = async |sql: &'static str, params: Vec<i64>| forge(world, sql, params).await;
    forge(CHANGE, vec![unit]).await;
    let ill = doctor(world).await;
    assert!(ill[0].1.contains("1 of ") && ill[0].1.contains("not the text"), "{ill:?}");
    forge(CHANGE_BACK, vec![unit]).await;
    doctor_is_content(world).await;
    // Two events change places.
    forge(SWAP, vec![3, 1]).await;
    let ill = doctor(world).await;
    assert!(ill[0].1.starts_with("2 of "), "{ill:?}");
    forge(SWAP, vec![3, 1]).await;
    doctor_is_content(world).await;
    // An event that claims never to have been sealed.
    forge(FORGET, vec![2]).await;
    let ill = doctor(world).await;
    assert!(ill[0].1.contains("never recorded") && ill[0].1.contains("entry 2"), "{ill:?}");
    forge(DELETE, vec![unit]).await;
    let ill = doctor(world).await;
    assert!(ill.iter().any(|(_, what)| what.contains("its event is gone")), "{ill:?}");
    forge(TEAR, vec![0]).await;
    let ill = doctor(world).await;
    assert!(ill.iter().any(|(name, what)| *name == "log" && what.contains("missing")), "{ill:?}");
}

async fn forge(world: &World, sql: &'static str, params: Vec<i64>) {
    let params = params.into_iter().map(Into::into).collect();
    let plan = Plan::new(vec![Step::run(sql, params)]);
    world.house.store.engine().write(plan).await.expect("the forger can write");
}

/// Each column of the ledger: a forgery, what takes it back, and what is said.
const COLUMNS: [(&str, &str, &str); 7] = [
    (
        "UPDATE event SET happened_at = happened_at + 1 WHERE kind = 'activated' AND home = $1",
        "UPDATE event SET happened_at = happened_at - 1 WHERE kind = 'activated' AND home = $1",
        "its column happened_at is not what its text says",
    ),
    (
        "UPDATE event SET recorded_at = recorded_at + 1 WHERE kind = 'activated' AND home = $1",
        "UPDATE event SET recorded_at = recorded_at - 1 WHERE kind = 'activated' AND home = $1",
        "its column recorded_at is not what its text says",
    ),
    (
        "UPDATE event SET brand_id = brand_id + 1 WHERE kind = 'activated' AND home = $1",
        "UPDATE event SET brand_id = brand_id - 1 WHERE kind = 'activated' AND home = $1",
        "its column brand_id is not what its text says",
    ),
    (
        "UPDATE event SET kind = 'inspected' WHERE kind = 'activated' AND home = $1",
        "UPDATE event SET kind = 'activated' WHERE kind = 'inspected' AND home = $1",
        "its column kind is not what its text says",
    ),
    (
        "UPDATE event_subject SET subject = subject + 1000000 WHERE subject = $1 AND \
            content LIKE '%commissioned%'",
        "UPDATE event_subject SET subject = subject - 1000000 WHERE subject = $1 + 1000000",
        "a row is not the row that was recorded",
    ),
    (
        "UPDATE event_subject SET home = home + 1000000 WHERE subject = $1",
        "UPDATE event_subject SET home = home - 1000000 WHERE subject = $1",
        "rows are missing or were added",
    ),
    (
        "UPDATE event_subject SET content = replace(content, 'LOT1', 'LOT2') WHERE subject = $1",
        "UPDATE event_subject SET content = replace(content, 'LOT2', 'LOT1') WHERE subject = $1",
        "a row is not the row that was recorded",
    ),
];

/// A column moved together with everything that leans on it.
const MOVE_HOME: [&str; 2] = [
    "UPDATE event SET home = home + 1000000 WHERE kind = 'activated' AND home = $1",
    "UPDATE sealed SET home = home + 1000000 WHERE home = $1 AND event_id IN \
        (SELECT id FROM event WHERE kind = 'activated' AND home = $1 + 1000000)",
];
const RENAME: [&str; 2] = [
    "UPDATE sealed SET event_id = (SELECT id FROM event WHERE kind = 'shipped') WHERE \
        event_id = (SELECT id FROM event WHERE kind = 'activated' AND home = $1)",
    "UPDATE event SET id = (SELECT e.id FROM event e WHERE e.kind = 'shipped') WHERE \
        kind = 'activated' AND home = $1",
];

async fn a_column_that_is_not_what_the_text_says_is_named(world: &World) {
    goods(world).await;
    seal(&world.house).await;
    let unit = world.unit("CY000003").await;
    let name_of = async |home: i64, kind: &str| {
        let mut ledger = world.house.store.ledger();
        while let Some(entry) = ledger.next().await.expect("it reads") {
            let event = entry.event().expect("a sound event");
            if event.body.kind() == kind && (event.home == home || kind != "activated") {
                return entry.name();
            }
        }
        panic!("no {kind}");
    };
    let activated = name_of(unit, "activated").await;
    for (change, back, said) in COLUMNS {
        forge(world, change, vec![unit]).await;
        let ill = doctor(world).await;
        let named = |what: &str| {
            let of_event = change.starts_with("UPDATE event SET");
            what.contains(said) && (!of_event || what.contains(&activated))
        };
        assert!(ill.iter().any(|(name, what)| *name == "ledger" && named(what)), "{said}: {ill:?}");
        if change.starts_with("UPDATE event SET") {
            let report = store::rebuild::check(&world.house.store, world.scratch.path()).await;
            assert!(!report.expect("it runs").agrees(), "the rebuild is content: {said}");
        }
        forge(world, back, vec![unit]).await;
        doctor_is_content(world).await;
    }
    for (changes, said) in [(RENAME, "its column id is not"), (MOVE_HOME, "its column home is not")]
    {
        for change in changes {
            forge(world, change, vec![unit]).await;
        }
        let ill = doctor(world).await;
        assert!(ill.iter().any(|(_, what)| what.contains(said)), "{said}: {ill:?}");
    }
}

const UNREADABLE: &str = "INSERT INTO recall (id, brand_id, record) VALUES ($1, 1, '{')";

async fn a_torn_log_and_an_unreadable_row_hide_no_other_check(world: &World) {
    let brand = world.caller().await.brand.0;
    for n in 0..3_u8 {
        let id = |i: u8| std::array::from_fn(|at| if at == 0 { n } else { i });
        record(world, (1..101).map(|i| event(world, brand, id(i))).collect()).await;
    }
    seal(&world.house).await;
    doctor_is_content(world).await;
    let all = examine(&world.house, Extent::default()).await.expect("it looks").len();
    forge(world, TEAR, vec![1]).await;
    let checks = examine(&world.house, Extent::default()).await.expect("it looks");
    assert_eq!(checks.len(), all);
    let ill = doctor(world).await;
    assert_eq!(ill.len(), 1, "{ill:?}");
    let (name, what) = &ill[0];
    assert!(*name == "log" && what.contains("tile 1/000") && what.contains("backup"), "{ill:?}");

    forge(world, UNREADABLE, vec![77]).await;
    let target = &world.target;
    let geo = crate::common::tables;
    let opened = House::open(
        target,
        crate::common::master(),
        crate::common::clock(),
        geo(),
        Settings::default(),
    );
    assert!(opened.await.is_err(), "nobody works with half of the recalls");
    let (key, clock) = (crate::common::master(), crate::common::clock());
    let house = House::open_damaged(target, key, clock, geo(), Settings::default()).await;
    let checks = examine(&house.expect("it opens to be looked at"), Extent::default()).await;
    let checks = checks.expect("it looks");
    assert_eq!(checks.len(), all);
    let ill: Vec<_> = checks.iter().filter(|c| !c.ok && c.name != "geodata").collect();
    assert_eq!(ill.iter().map(|c| c.name).collect::<Vec<_>>(), ["reference", "log"], "{ill:?}");
    let what = &ill[0].detail;
    assert!(what.contains("row 1 of the table recall") && what.contains("backup"), "{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn anyone_reads_the_log_and_few_a_history() {
    let world = crate::support::house().await;
    let anyone = world.anyone();
    let early = anyone.get("/log/checkpoint").await;
    assert_eq!(early.status, StatusCode::NOT_FOUND, "nothing is sealed yet");
    seal(&world.house).await;
    let head = signed_head(&world.house).await.expect("it reads").expect("it is signed");
    let note = anyone.get("/log/checkpoint").await;
    assert_eq!(note.status, StatusCode::OK);
    assert_eq!(Checkpoint::open(&note.text, &head.public), Ok(head.checkpoint.clone()));
    assert_eq!(head.checkpoint.origin, "id.example.cn/log");
    assert_eq!(anyone.get("/log/key").await.text.parse(), Ok(head.public.clone()));
    let size = head.checkpoint.size;
    let tile = anyone.get(&format!("/log/tile/0/000.p/{size}")).await;
    assert_eq!((tile.status, tile.bytes.len() as u64), (StatusCode::OK, size * 32));
    let leaves: Vec<Hash> = tile.bytes.as_chunks().0.to_vec();
    assert_eq!(root(leaves.clone()), head.checkpoint.root);
    let beyond = [
        format!("/log/tile/0/000.p/{}", size + 1),
        "/log/tile/0/000".to_owned(),
        "/log/tile/1/000.p/1".to_owned(),
        "/log/tile/0/x999/x999/x999/x999/x999/999".to_owned(),
        "/log/tile/nonsense".to_owned(),
    ];
    for path in beyond {
        assert_eq!(anyone.get(&path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let proof = anyone.get(&format!("/log/consistency/2/{size}")).await;
    assert_eq!(proof.status, StatusCode::OK);
    let hash = |text: &serde_json::Value| {
        let bytes = BASE64.decode(text.as_str().expect("a text")).expect("base64");
        Hash::try_from(bytes).expect("a hash")
    };
    let path: Vec<Hash> = proof.json["path"].as_array().expect("a path").iter().map(hash).collect();
    let old = root(leaves[..2].to_vec());
    let grew = verify_consistency((2, &old), (size, &head.checkpoint.root), &path);
    assert_eq!(grew, Ok(()));
    for bad in ["/log/consistency/0/2", "/log/consistency/3/2", "/log/consistency/x/2"] {
        assert_eq!(anyone.get(bad).await.status, StatusCode::BAD_REQUEST, "{bad}");
    }
    assert_eq!(anyone.get("/log/consistency/1/9999").await.status, StatusCode::NOT_FOUND);

    let path = "/api/v1/units/SN0001/proof";
    assert_eq!(anyone.get(path).await.status, StatusCode::UNAUTHORIZED);
    let reply = world.client("read").await.get(path).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    let bundle = Bundle::read(&reply.bytes).expect("a bundle");
    assert!(bundle.check(Some(&head.public)).is_ok());
    // It held the unit; the ledger's texts name more than a distributor may see.
    assert_eq!(world.key("T1", "read").await.get(path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.client("verify").await.get(path).await.status, StatusCode::FORBIDDEN);
    let none = world.client("read").await.get("/api/v1/units/SN9999/proof").await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
}
