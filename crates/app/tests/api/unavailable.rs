//! What is answered while the store cannot be read: the grey page to whoever comes, what arithmetic
//! knows all the same, and after how long to ask again.

use crate::common::browser::{Browser, owner};
use crate::common::{PHONE, World, sns};
use crate::on_both;
use domain::code::TraceCode;
use dossier::flows::find::unit_number;
use store::engine::{Plan, Step};

on_both! {
    the_grey_page_comes_to_whoever_asks,
    the_api_says_when_to_ask_again,
}

/// The letters of a code.
const LETTERS: &str = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// From now on nothing of units, names, sessions and versions can be read.
async fn breaks(world: &World) {
    let away = [
        "ALTER TABLE unit RENAME TO away_1",
        "ALTER TABLE identifier RENAME TO away_2",
        "ALTER TABLE account_session RENAME TO away_3",
        "ALTER TABLE version RENAME TO away_4",
    ];
    let steps = away.map(|sql| Step::run(sql, Vec::new())).to_vec();
    world.house.store.engine().write(Plan::new(steps)).await.expect("they are renamed");
}

/// The code of a unit, and one that passes its check character and that no key of ours made.
async fn codes(world: &World) -> (String, String) {
    world.make(&sns(0..1)).await;
    let ring = world.house.ring();
    let real = ring.encode(unit_number(world.unit("CY000000").await)).as_str().to_owned();
    let tails = LETTERS.chars().flat_map(|one| LETTERS.chars().map(move |last| (one, last)));
    let mut codes = tails.map(|(one, last)| format!("{}{one}{last}", &real[..11]));
    let forged = codes.find(|text| TraceCode::parse(text).is_ok_and(|c| ring.decode(&c).is_err()));
    let forged = forged.expect("most texts with a fitting check character are forged");
    (real, forged)
}

async fn the_grey_page_comes_to_whoever_asks(world: &World) {
    let (real, forged) = codes(world).await;
    let (staff, visitor, stranger) = (owner(world).await, Browser::new(world), Browser::new(world));
    // Of the form of a session's secret, and nobody's.
    stranger.hold(&format!("dossier={}", "x".repeat(43)));
    let all = [("staff", &staff), ("a visitor", &visitor), ("a made-up cookie", &stranger)];
    let pages = |code: &str| {
        [format!("/d/{code}?lang=zh-CN"), format!("/01/0{PHONE}/21/{code}?lang=zh-CN")]
    };
    let (grey, red) = ("暂时无法验证", "无法确认为正品");
    let look = async |(who, browser): (&str, &Browser), code: &str, status: u16| {
        let mut answers = Vec::new();
        for path in pages(code) {
            let reply = browser.get(&path).await;
            assert_eq!(reply.status, status, "{path} to {who}: {}", reply.text);
            answers.push((reply.text.contains(grey), reply.text.contains(red)));
            let again = if status == 503 { "5" } else { "" };
            assert_eq!(reply.header("retry-after"), again, "{path} to {who}");
        }
        assert_eq!(answers[0], answers[1], "{who}");
        answers[0]
    };
    for one in all {
        assert_eq!(look(one, &real, 200).await, (false, false), "{}", one.0);
        assert_eq!(look(one, &forged, 200).await, (false, true), "{}", one.0);
    }
    breaks(world).await;
    for one in all {
        assert_eq!(look(one, &real, 503).await, (true, false), "{}", one.0);
        assert_eq!(look(one, &forged, 200).await, (false, true), "{}", one.0);
    }
    assert!(!staff.cookie().is_empty(), "nobody was signed out by it");
}

async fn the_api_says_when_to_ask_again(world: &World) {
    let (_, forged) = codes(world).await;
    let anyone = Browser::new(world);
    // By its serial number: who asks by the code is answered from memory on one of the engines.
    let (unit, forged) = ("/api/v1/verify/CY000000?scheme=sn", format!("/api/v1/verify/{forged}"));
    let known = anyone.get(&forged).await.json["verdict"].clone();
    for path in [unit, forged.as_str(), "/readyz"] {
        let reply = anyone.get(path).await;
        assert_eq!((reply.status, reply.header("retry-after")), (200, ""), "{path}");
    }
    breaks(world).await;
    let reply = anyone.get(unit).await;
    assert_eq!((reply.status, &reply.json["verdict"]), (503, &"unavailable".into()));
    assert_eq!(reply.header("retry-after"), "5", "{}", reply.text);
    let reply = anyone.get(&forged).await;
    assert_eq!((reply.status, &reply.json["verdict"]), (200, &known), "{}", reply.text);
    assert_eq!(reply.header("retry-after"), "");
    let reply = anyone.get("/readyz").await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, "5"));
}
