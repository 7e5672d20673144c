//! What lies ahead of the clock: a command that is dated more than ten minutes ahead is refused,
//! whatever it is about; only a first start is not, which is held to have happened on receipt.

use crate::common::{FACTORY, PHONE, World, sns, sscc};
use crate::on_both;
use jiff::SignedDuration;
use serde_json::{Value, json};

on_both! { no_command_is_taken_from_ahead }

/// A command for a time, and the field that says the time.
struct Command {
    path: &'static str,
    field: &'static str,
    body: Box<dyn Fn(&str) -> Value>,
}

fn command(
    path: &'static str,
    field: &'static str,
    body: impl Fn(&str) -> Value + 'static,
) -> Command {
    Command { path, field, body: Box::new(body) }
}

/// One of each kind, in an order in which all can be carried out.
fn commands() -> Vec<Command> {
    let moved = |no: &'static str, (from, to): (&'static str, &'static str), sn: &'static str| {
        move |at: &str| {
            let row = json!({"shipment_no": no, "from_code": from, "to_code": to,
                "happened_at": at, "subject": sn});
            json!({"rows": [row]})
        }
    };
    let (carton, again) = (sscc(1), sscc(1));
    vec![
        command("units/commission", "produced_at", |at| {
            let row = json!({"sn": "NEW1", "gtin": PHONE, "site_code": FACTORY,
                "produced_at": at});
            json!({"rows": [row]})
        }),
        command(
            "packs",
            "packed_at",
            move |at| json!({"rows": [{"sscc": carton, "child": "CY000000", "packed_at": at}]}),
        ),
        command(
            "packs/unpack",
            "happened_at",
            move |at| json!({"sscc": again, "children": ["CY000000"], "happened_at": at}),
        ),
        command("shipments", "happened_at", moved("S1", (FACTORY, "T1-53"), "CY000001")),
        command(
            "receipts",
            "happened_at",
            |at| json!({"party_code": "T1-53", "subjects": ["CY000001"], "happened_at": at}),
        ),
        command("returns", "happened_at", moved("R1", ("T1-53", "BRAND"), "CY000001")),
        command("shipments", "happened_at", moved("S2", (FACTORY, "T1-53"), "CY000002")),
        command(
            "shipments/S2/void",
            "happened_at",
            |at| json!({"from": FACTORY, "happened_at": at}),
        ),
        command("units/changes", "happened_at", |at| {
            json!({"change": "report_stolen", "units": ["CY000002"], "reason": "x",
                "happened_at": at})
        }),
    ]
}

/// The refusal of a command about one thing, wherever its reply holds it: code and field.
fn refusal(reply: &Value) -> Option<(String, String)> {
    let row = &reply["results"][0];
    let told = [reply, &row["problem"], &row["problems"][0]];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    told.into_iter().find_map(|told| Some((text(&told["code"])?, text(&told["field"])?)))
}

async fn no_command_is_taken_from_ahead(world: &World) {
    world.make(&sns(0..3)).await;
    let desk = world.desk("BRAND", "all").await;
    let now = world.clock.now();
    let recorded = async || world.house.store.events_count().await.expect("it reads");
    let ahead = (now + SignedDuration::from_secs(601)).to_string();
    for (second, Command { path, field, body }) in (0_i64..).zip(commands()) {
        let path = format!("/api/v1/{path}");
        let expected = Some(("future_dated".to_owned(), field.to_owned()));
        let before = recorded().await;
        let (_, reply) = desk.post(&path, &body(&ahead)).await;
        assert_eq!(refusal(&reply), expected, "{path}: {reply}");
        assert_eq!(recorded().await, before, "{path}: nothing was recorded");
        let soon = (now + SignedDuration::from_secs(560 + second)).to_string();
        let (status, reply) = desk.post(&path, &body(&soon)).await;
        assert_eq!((status, refusal(&reply)), (200, None), "{path}: {reply}");
    }
    // To the very microsecond.
    let leeway = now + SignedDuration::from_mins(10);
    assert!(world.house.not_ahead(leeway, "at").is_ok());
    let over = world.house.not_ahead(leeway + SignedDuration::from_micros(1), "at");
    assert_eq!(over.expect_err("it lies ahead").refusal.code(), "future_dated");
    world.agrees().await;
}
