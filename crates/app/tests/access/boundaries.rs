//! What an attacker tries who is somebody already: bound to regions, removed, of another brand, or
//! with a network of addresses; on both engines.

use crate::common::browser::{Browser, INVITATIONS, PASSWORD, PEOPLE, SESSION, owner, pass};
use crate::common::{FACTORY, PHONE, World, open_to_all, sns, sscc};
use crate::on_both;
use dossier::files::Kind;
use dossier::flows::batches::{Mint, mint};
use dossier::flows::people::sign_up::NUMBERS_MAX;
use dossier::flows::{Caller, audit, brands};
use jiff::SignedDuration;
use serde_json::{Value, json};
use store::reference::Purpose;

on_both! {
    regions_bound_what_is_read_of_the_whole_brand,
    regions_bound_what_is_said_and_seen_of_goods,
    regions_bound_what_is_built_and_granted,
    an_invitation_ends_with_whoever_gave_it,
    what_belongs_to_no_brand_is_told_no_brand,
    names_are_not_gone_through_where_one_is_chosen,
    nobody_who_signs_up_uses_up_what_is_everybodys,
    a_cursor_tells_no_number,
    a_household_has_the_tries_of_one_visitor,
}

/// Somebody of the brand itself who is bound to Yunnan, with everything else there is.
async fn west(world: &World, owner: &Browser) -> Browser {
    let order = json!({"party": "BRAND", "role": "admin", "regions": ["53"]});
    owner.invites(world, "west", order).await
}

async fn regions_bound_what_is_read_of_the_whole_brand(world: &World) {
    let owner = owner(world).await;
    let west = west(world, &owner).await;
    world.make(&sns(0..3)).await;
    let words = json!({"title_zh": "召回", "reason_zh": "过热", "action_zh": "停用",
        "selector": {"units": ["CY000000"]}});
    let opened = owner.post("/api/v1/recalls", words.clone()).await;
    assert_eq!(opened.status, 200, "{}", opened.text);
    let recall = opened.json["id"].as_i64().expect("a number");
    let paths = [
        "/api/v1/audit".to_owned(),
        "/api/v1/audit/export".to_owned(),
        "/api/v1/recalls".to_owned(),
        format!("/api/v1/recalls/{recall}"),
        format!("/api/v1/recalls/{recall}/units"),
    ];
    for path in paths {
        assert_eq!(owner.get(&path).await.status, 200, "{path}");
        assert_eq!(west.get(&path).await.code(), (403, "not_allowed"), "{path}");
    }
    let find = json!({"phone": "13800138000", "reason": "a letter"});
    let person = west.post("/api/v1/persons/find", find.clone()).await;
    assert_eq!(person.code(), (403, "not_allowed"));
    assert_eq!(owner.post("/api/v1/persons/find", find).await.code(), (404, "unknown_person"));
    assert_eq!(west.post("/api/v1/recalls", words).await.code(), (403, "not_allowed"));
    let wish = json!({"gtin": PHONE, "count": 10});
    assert_eq!(west.post("/api/v1/batches", wish.clone()).await.code(), (403, "not_allowed"));
    let minted = owner.post("/api/v1/batches", wish).await;
    let codes = format!("/api/v1/batches/{}/codes", minted.json["id"]);
    assert_eq!(west.get(&codes).await.code(), (404, "unknown_batch"));
    assert_eq!(west.get("/api/v1/batches").await.json["items"], json!([]));
    // Trace data goes by where a unit was made: all of these in Shenzhen.
    let rows = |text: &str| text.lines().count() - 2;
    let export = "/api/v1/compliance/export";
    assert_eq!(rows(&owner.get(export).await.text), 3);
    assert_eq!(rows(&west.get(export).await.text), 0);
    let south = json!({"party": "BRAND", "role": "auditor", "regions": ["4403"]});
    let south = owner.invites(world, "south", south).await;
    assert_eq!(rows(&south.get(export).await.text), 3);
    // Keys of parties that lie elsewhere are not listed either.
    for party in ["T1-53", "T1-42"] {
        world.desk(party, "ship").await;
    }
    let keys = west.get("/api/v1/keys").await;
    assert!(keys.text.contains("T1-53") && !keys.text.contains("T1-42"), "{}", keys.text);
    assert!(owner.get("/api/v1/keys").await.text.contains("T1-42"));
}

async fn regions_bound_what_is_said_and_seen_of_goods(world: &World) {
    let owner = owner(world).await;
    let west = west(world, &owner).await;
    world.make(&sns(0..4)).await;
    let (near, far) = (sscc(1), sscc(2));
    let packs = format!(
        "sscc,child,packed_at\n{near},CY000002,2026-05-21T08:00:00+08:00\n\
         {far},CY000003,2026-05-21T08:00:00+08:00\n"
    );
    world.take(Kind::Packs, &packs).await;
    let at = "2026-06-01T08:00:00+08:00";
    let text = format!(
        "shipment_no,from_code,to_code,subject,happened_at\n\
        S1,{FACTORY},T1-53,CY000000,{at}\nS2,{FACTORY},T1-42,CY000001,{at}\n\
        S3,{FACTORY},T1-53,{near},{at}\nS4,{FACTORY},T1-42,{far},{at}\n"
    );
    world.take(Kind::Shipments, &text).await;
    for (path, near) in [("units/CY000000", true), ("units/CY000001", false)] {
        let status = if near { 200 } else { 404 };
        let path = format!("/api/v1/{path}");
        assert_eq!(owner.get(&path).await.status, 200, "{path}");
        assert_eq!(west.get(&path).await.status, status, "{path}");
    }
    for (pack, status) in [(&near, 200), (&far, 404)] {
        let path = format!("/api/v1/packs/{pack}");
        assert_eq!(owner.get(&path).await.status, 200, "{path}");
        assert_eq!(west.get(&path).await.status, status, "{path}");
    }
    let stolen = |unit: &str| json!({"change": "report_stolen", "units": [unit], "reason": "x"});
    let path = "/api/v1/units/changes";
    let refused = west.post(path, stolen("CY000001")).await;
    assert_eq!(refused.field(), (403, "not_allowed", "units"), "{}", refused.text);
    assert_eq!(west.post(path, stolen("CY000000")).await.status, 200);
    assert_eq!(owner.post(path, stolen("CY000001")).await.status, 200);
}

/// What becomes of one row of a file: the first line of the answer, its outcome and its field.
async fn row(who: &Browser, kind: &str, (head, row): (&str, &str)) -> (String, String) {
    let said = [("sec-fetch-site", "same-origin")];
    let path = format!("/api/v1/import/{kind}?update=true");
    let reply = who.ask(("POST", &path), &said, ("text/csv", format!("{head}\n{row}\n"))).await;
    let line = reply.text.lines().next().unwrap_or_default();
    let line: Value = serde_json::from_str(line).expect("a line of JSON");
    let told = |text: &Value| text.as_str().unwrap_or_default().to_owned();
    let problem = &line["problems"][0];
    let code = (told(&problem["code"]) == "not_allowed").then(|| told(&problem["field"]));
    (told(&line["outcome"]), code.unwrap_or_default())
}

/// A member bound to regions builds and grants inside them alone, whatever else its role may do.
async fn regions_bound_what_is_built_and_granted(world: &World) {
    let owner = owner(world).await;
    let order = json!({"party": "BRAND", "role": "channel_manager", "regions": ["53"]});
    let west = owner.invites(world, "west", order).await;
    let order = json!({"party": "T1-53", "role": "channel_manager", "regions": ["5301"]});
    let tier = owner.invites(world, "tier", order).await;
    let ring = "[116.3,39.9],[116.5,39.9],[116.4,40.0],[116.3,39.9]";
    let fence = format!(r#""{{""type"":""Polygon"",""coordinates"":[[{ring}]]}}""#);
    let grants = "party_code,gtin,regions,from_on,polygons";
    let fenced = format!("T1-53,*,5303,2026-02-01,{fence}");
    let only_fenced = format!("T1-53,*,,2026-02-01,{fence}");
    let parties = "code,kind,name,parent_code,region";
    let seatless = "code,kind,name,parent_code";
    let sites = "code,party_code,kind,name,region";
    // Built by the owner elsewhere: whoever is bound neither draws it in nor leaves it out.
    let far = ("W-11", (sites, "W-11,T1-53,warehouse,仓,110101"));
    assert_eq!(row(&owner, "sites", far.1).await.0, "taken", "{}", far.0);
    let table = [
        (&west, "territories", (grants, "T1-53,*,11,2026-02-01,"), Some("regions")),
        (&west, "territories", (grants, "T1-53,*,5301|11,2026-02-01,"), Some("regions")),
        (&west, "territories", (grants, "T1-53,*,CN,2026-02-01,"), Some("regions")),
        (&west, "territories", (grants, "T1-53,*,US,2026-02-01,"), Some("regions")),
        (&west, "territories", (grants, &fenced), Some("polygons")),
        (&west, "territories", (grants, &only_fenced), Some("polygons")),
        (&west, "territories", (grants, "T1-53,*,5301|5303,2026-02-01,"), None),
        (&tier, "territories", (grants, "T2-53,*,53,2026-02-01,"), Some("regions")),
        (&tier, "territories", (grants, "T2-53,*,5301,2026-02-01,"), None),
        (&west, "parties", (parties, "T2-11,tier2,京,T1-53,110101"), Some("region")),
        (&west, "parties", (parties, "T2-00,tier2,无,T1-53,"), Some("region")),
        (&west, "parties", (parties, "T2-54,tier2,五华,T1-53,530102"), None),
        (&west, "parties", (parties, "T2-54,tier2,五华,T1-53,110101"), Some("region")),
        (&west, "parties", (parties, "T2-54,tier2,盘龙,T1-53,530103"), None),
        // A file without that column leaves a seat where it is, and gives none.
        (&west, "parties", (seatless, "T2-54,tier2,西山,T1-53"), None),
        (&west, "parties", (seatless, "T2-56,tier2,无,T1-53"), Some("region")),
        (&tier, "parties", (parties, "T2-55,tier2,曲靖,T1-53,530302"), Some("region")),
        (&west, "sites", (sites, "W-1,T1-53,warehouse,仓,110101"), Some("region")),
        (&west, "sites", (sites, "W-1,T1-53,warehouse,仓,"), Some("region")),
        (&west, "sites", (sites, "W-1,T1-53,warehouse,仓,530102"), None),
        (&west, "sites", (sites, "W-1,T1-53,warehouse,仓,110101"), Some("region")),
        (&west, "sites", ("code,party_code,kind,name", "W-1,T1-53,warehouse,新仓"), None),
        (&west, "sites", (sites, "W-11,T1-53,warehouse,仓,530102"), Some("region")),
    ];
    for (who, kind, text, refused) in table {
        let expected = match refused {
            Some(field) => ("refused".to_owned(), field.to_owned()),
            None => ("taken".to_owned(), String::new()),
        };
        assert_eq!(row(who, kind, text).await, expected, "{kind} {}", text.1);
    }
    // Who is bound to nothing goes on building everywhere.
    for (kind, text) in [
        ("territories", (grants, "T1-53,*,11,2026-03-01,")),
        ("territories", (grants, fenced.as_str())),
        ("parties", (parties, "T2-54,tier2,京,T1-53,110101")),
        ("sites", (sites, "W-1,T1-53,warehouse,仓,110101")),
    ] {
        assert_eq!(row(&owner, kind, text).await.0, "taken", "{kind} {}", text.1);
    }
}

async fn an_invitation_ends_with_whoever_gave_it(world: &World) {
    let owner = owner(world).await;
    let admin = json!({"party": "BRAND", "role": "admin"});
    let admin = owner.invites(world, "admin", admin).await;
    let id = admin.account().await;
    let order = json!({"party": "BRAND", "role": "admin"});
    let mut links = Vec::new();
    for _ in 0..2 {
        let invited = admin.post(INVITATIONS, order.clone()).await;
        links.push(invited.member("path").replace("/invitation/", ""));
    }
    let machine = world.desk("BRAND", "all,keys,people").await;
    let (status, given) = machine.post(INVITATIONS, &order).await;
    assert_eq!(status, 201, "{given}");
    let by_key = given["path"].as_str().expect("a link").replace("/invitation/", "");
    let accept = async |token: &str, name: &str| {
        let body = json!({"token": token, "sign_in_name": name, "password": PASSWORD});
        Browser::new(world).post("/api/v1/invitations/accept", body).await
    };
    assert_eq!(accept(&links[0], "one").await.status, 201);
    // A desk gives nobody anything, and whoever is gone leaves no way back in.
    let path = format!("{PEOPLE}/{id}");
    assert_eq!(owner.patch(&path, json!({"role": "desk"})).await.status, 200);
    assert_eq!(accept(&links[1], "two").await.code(), (404, "unknown_invitation"));
    assert_eq!(owner.get(&format!("/invitation/{}", links[1])).await.status, 404);
    assert_eq!(owner.patch(&path, json!({"role": "admin"})).await.status, 200);
    assert_eq!(owner.patch(&path, json!({"disabled": true})).await.status, 200);
    assert_eq!(accept(&links[1], "two").await.status, 404);
    assert_eq!(owner.patch(&path, json!({"disabled": false})).await.status, 200);
    assert_eq!(owner.delete(&path).await.status, 204);
    assert_eq!(accept(&links[1], "two").await.status, 404);
    // So does a key.
    let keys = owner.get("/api/v1/keys").await;
    let key = keys.json["items"].as_array().and_then(|keys| keys.first()).expect("a key");
    let key = key["id"].as_str().expect("an id");
    let revoked = owner.post(&format!("/api/v1/keys/{key}/revoke"), Value::Null).await;
    assert_eq!(revoked.status, 200, "{}", revoked.text);
    assert_eq!(accept(&by_key, "three").await.status, 404);
}

async fn what_belongs_to_no_brand_is_told_no_brand(world: &World) {
    let (owner, operator) = (owner(world).await, world.caller().await);
    let house = open_to_all(&world.target, world.clock.clone()).await;
    let stranger = Browser::before(&house, "127.0.0.1", false);
    let wish = json!({"brand_code": "NEW", "brand_name": "新品牌", "sign_in_name": "chen.jing",
        "password": PASSWORD});
    assert_eq!(stranger.post("/api/v1/brands", wish).await.status, 201);
    // A member of two parties who has not chosen, and one who is a member no more.
    let person = json!({"party": "BRAND", "role": "desk"});
    let person = owner.invites(world, "zhao", person).await;
    let id = person.account().await;
    let invited = owner.post(INVITATIONS, json!({"party": "T1-53", "role": "desk"})).await;
    let token = invited.member("path").replace("/invitation/", "");
    let accepted = person.post("/api/v1/invitations/accept", json!({"token": token})).await;
    assert_eq!(accepted.status, 201, "{}", accepted.text);
    let next = "four quite small words";
    let change = async |from: &str, to: &str| {
        let signed = person.sign_in("zhao", from, None).await;
        assert_eq!((signed.status, &signed.json["membership"]), (200, &Value::Null));
        let body = json!({"password": from, "new_password": to});
        assert_eq!(person.post("/api/v1/account/password", body).await.status, 200);
    };
    let own = format!("account:{id}");
    let told = |text: &str| text.contains(&own);
    let trail = "/api/v1/audit?kind=account";
    let count = async || owner.get(trail).await.text.matches(&own).count();
    let before = count().await;
    change(PASSWORD, next).await;
    assert_eq!(count().await, before + 1, "a brand of theirs is told");
    let memberships = person.get(SESSION).await.json["memberships"].clone();
    for membership in memberships.as_array().expect("a list") {
        let membership = membership["id"].as_str().expect("an id");
        let path = format!("{PEOPLE}/{id}?membership={membership}");
        assert_eq!(owner.delete(&path).await.status, 204);
    }
    let before = count().await;
    change(next, PASSWORD).await;
    let trail = stranger.get("/api/v1/audit").await;
    assert_eq!(trail.status, 200);
    assert!(!told(&trail.text), "{}", trail.text);
    // Page by page neither, and nothing else is missing for it.
    let (mut path, mut seen) = ("/api/v1/audit?limit=1".to_owned(), 0);
    loop {
        let page = stranger.get(&path).await;
        assert!(!told(&page.text), "{}", page.text);
        seen += page.json["items"].as_array().map_or(0, Vec::len);
        let Some(next) = page.json["next_cursor"].as_str() else { break };
        path = format!("/api/v1/audit?limit=1&cursor={next}");
    }
    assert_eq!(Some(seen), trail.json["items"].as_array().map(Vec::len));
    assert_eq!(count().await, before);
    let wanted = audit::Wanted { kind: Some("account".into()), most: 1, ..Default::default() };
    let (records, _) = audit::list(&world.house, &operator, &wanted).await.expect("it reads");
    assert_eq!(records[0].actor, own, "the operator is told");
}

async fn names_are_not_gone_through_where_one_is_chosen(world: &World) {
    let first = owner(world).await;
    let invited = first.post(INVITATIONS, json!({"party": "BRAND", "role": "desk"})).await;
    let token = invited.member("path").replace("/invitation/", "");
    let house = open_to_all(&world.target, world.clock.clone()).await;
    let sign_up = async |from: &str, name: &str| {
        let wish = json!({"brand_code": "NEW", "brand_name": "x", "sign_in_name": name,
            "password": PASSWORD});
        Browser::before(&house, from, true).post("/api/v1/brands", wish).await
    };
    let accept = async |from: &str, name: &str| {
        let body = json!({"token": token, "sign_in_name": name, "password": PASSWORD});
        Browser::at(world, from, true).post("/api/v1/invitations/accept", body).await
    };
    for n in 0..20 {
        let reply = match n % 2 {
            0 => sign_up("203.0.113.7", "Li.Wei").await,
            _ => accept("203.0.113.7", "li.wei").await,
        };
        assert_eq!(reply.code(), (409, "sign_in_name_taken"), "{n}");
    }
    for name in ["li.wei", "nobody.has.it"] {
        assert_eq!(sign_up("203.0.113.7", name).await.code(), (429, "too_many_requests"));
        assert_eq!(accept("203.0.113.7", name).await.code(), (429, "too_many_requests"));
    }
    // Elsewhere nobody waits for them, and a name that is free costs nothing.
    assert_eq!(sign_up("203.0.113.8", "chen.jing").await.status, 201);
    pass(world, SignedDuration::from_secs(61));
    assert_eq!(accept("203.0.113.7", "zhao").await.status, 201);
}

async fn nobody_who_signs_up_uses_up_what_is_everybodys(world: &World) {
    let closed = world.desk("BRAND", "mint").await;
    let house = open_to_all(&world.target, world.clock.clone()).await;
    let guest = Browser::before(&house, "127.0.0.1", false);
    let wish = json!({"brand_code": "NEW", "brand_name": "新品牌", "sign_in_name": "chen.jing",
        "password": PASSWORD});
    assert_eq!(guest.post("/api/v1/brands", wish).await.status, 201);
    let rows = "gtin,name_zh,category,maker\n6929141700010,别家手机,phone,别家\n".to_owned();
    let said = [("sec-fetch-site", "same-origin")];
    let taken = guest.ask(("POST", "/api/v1/import/products"), &said, ("text/csv", rows)).await;
    assert!(taken.text.contains("\"taken\":1"), "{}", taken.text);
    let ask = async |count: i64| {
        guest.post("/api/v1/batches", json!({"gtin": PHONE, "count": count})).await
    };
    let too_many = ask(NUMBERS_MAX + 1).await;
    assert_eq!(too_many.field(), (400, "invalid_field", "count"), "{}", too_many.text);
    assert_eq!(ask(NUMBERS_MAX - 10).await.status, 201);
    assert_eq!(ask(11).await.field(), (400, "invalid_field", "count"));
    assert_eq!(ask(10).await.status, 201);
    // Nor the memory of every process.
    let rows = (0..100).map(|n| format!("T1-{n},tier1,总代\n")).collect::<String>();
    let many = guest.ask(
        ("POST", "/api/v1/import/parties"),
        &said,
        ("text/csv", format!("code,kind,name\n{rows}")),
    );
    let many = many.await;
    assert!(many.text.contains("nobody vouches for"), "{}", many.text);
    let parties = guest.get("/api/v1/parties").await;
    assert_eq!(parties.json["items"].as_array().map(Vec::len), Some(1), "none was taken");
    // The operator gives more, or vouches for the brand; its own brands share nothing out.
    let reference = house.reference_now().await.expect("rows");
    let brand = reference.brand_by_code("NEW").expect("it is there");
    let operator = Caller::operator(brand, reference.root(brand).expect("its own party").id);
    let product = reference.products(brand).first().map(|product| product.id);
    let order = Mint { product, purpose: Purpose::Printed, count: 10, scratch: false };
    mint(&house, &operator, order).await.expect("the operator mints");
    assert_eq!(ask(1).await.field(), (400, "invalid_field", "count"));
    brands::vouch(&house, "NEW", true).await.expect("it is there");
    assert_eq!(ask(NUMBERS_MAX + 1).await.status, 201);
    let wish = json!({"gtin": PHONE, "count": NUMBERS_MAX + 1});
    assert_eq!(closed.post("/api/v1/batches", &wish).await.0, 201);
}

async fn a_cursor_tells_no_number(world: &World) {
    world.make(&sns(0..3)).await;
    let desk = world.desk("BRAND", "all").await;
    let words = json!({"title_zh": "召回", "reason_zh": "过热", "action_zh": "停用",
        "selector": {"units": sns(0..3)}});
    let (_, opened) = desk.post("/api/v1/recalls", &words).await;
    let units = format!("/api/v1/recalls/{}/units", opened["id"]);
    let number = world.unit("CY000000").await;
    let betrays = |cursor: &str| {
        [format!("{number:x}"), number.to_string()].iter().any(|told| {
            cursor.strip_prefix('a') == Some(told.as_str())
                || cursor.split('-').any(|part| part == told)
        })
    };
    let (_, page) = desk.get(&format!("{units}?limit=1")).await;
    let cursor = page["next_cursor"].as_str().expect("more follow").to_owned();
    assert!(!betrays(&cursor), "{cursor}");
    let (status, second) = desk.get(&format!("{units}?limit=2&cursor={cursor}")).await;
    assert_eq!((status, second["items"].as_array().map(Vec::len)), (200, Some(2)), "{second}");
    let export = "/api/v1/compliance/export?limit=1";
    let text = desk.text(export).await;
    let last: Value = serde_json::from_str(text.lines().last().expect("a line")).expect("JSON");
    let next = last["next"].as_str().expect("more follow").to_owned();
    assert!(!betrays(&next), "{next}");
    assert_eq!(desk.text(&format!("{export}&after={next}")).await.lines().count(), 3);
    // One that was not given out is none, nor is one of another brand.
    let house = open_to_all(&world.target, world.clock.clone()).await;
    let guest = Browser::before(&house, "127.0.0.1", false);
    let wish = json!({"brand_code": "NEW", "brand_name": "新品牌", "sign_in_name": "chen.jing",
        "password": PASSWORD});
    assert_eq!(guest.post("/api/v1/brands", wish).await.status, 201);
    let theirs = guest.get(&format!("{export}&after={next}")).await;
    assert_eq!(theirs.field(), (400, "invalid_field", "after"), "{}", theirs.text);
    let made_up = desk.get(&format!("{units}?cursor=a{number:x}")).await;
    assert_eq!((made_up.0, &made_up.1["field"]), (400, &json!("cursor")));
    let made_up = desk.get(&format!("{export}&after=1-{number:x}")).await;
    assert_eq!((made_up.0, &made_up.1["field"]), (400, &json!("after")));
}

async fn a_household_has_the_tries_of_one_visitor(world: &World) {
    let caller = world.caller().await;
    let reference = world.house.reference_now().await.expect("rows");
    let product = reference.products(caller.brand).first().map(|product| product.id);
    let order = Mint { product, purpose: Purpose::Printed, count: 1, scratch: true };
    let batch = mint(&world.house, &caller, order).await.expect("minted");
    let number = dossier::flows::find::unit_number(batch.first);
    let code = world.house.ring().encode(number).as_str().to_owned();
    let row = format!("CY000000,{PHONE},2026-05-20T08:00:00+08:00,{FACTORY},{code}");
    world.take(Kind::Production, &format!("sn,gtin,produced_at,site_code,code\n{row}\n")).await;
    let right = world.house.secrets.scratch_key().code(number).to_string();
    let wrong = if right == "000000" { "000001" } else { "000000" };
    let try_from = async |address: &str| {
        let body = json!({"kind": "scratch", "value": wrong});
        let visitor = Browser::at(world, address, true);
        visitor.post(&format!("/api/v1/verify/{code}/proof"), body).await
    };
    for n in 1..=5 {
        assert_eq!(try_from(&format!("2001:db8::{n}")).await.status, 200, "{n}");
    }
    let waits = try_from("2001:db8::6").await;
    assert_eq!(waits.status, 429, "a network is no five visitors");
    let seconds: u32 = waits.header("retry-after").parse().expect("it says after how long");
    assert!((1..=3600).contains(&seconds), "{seconds}");
    assert_eq!(waits.json["outcome"], "wait");
    let neighbour = try_from("2001:db8:0:1::1").await;
    assert_eq!(neighbour.status, 200, "a neighbour has tries of their own");
}
