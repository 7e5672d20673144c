//! The log tells on nobody: a real server is asked with planted data about people and units, and
//! writes all it ever writes.

use crate::common::server::{Client, Place, Server};
use crate::common::{PHONE, World, sns};
use crate::on_both;
use dossier::files::Kind;
use serde_json::{Value, json};
use std::fs::File;
use std::path::PathBuf;

on_both! { nothing_that_was_planted_is_in_the_log, a_failure_shows_no_row }

const IMEI: &str = "860837783533742";
const TELEPHONE: &str = "13987650123";
const ADDRESS: &str = "203.0.113.77";
const STREET: &str = "昆明市盘龙区北京路一千二百三十四号";
const FINGERPRINT: &str = "fp-planted-77aa";
const SN: &str = "CY-PLANTED-7";

/// Planted texts, each as it is and as an address would carry it.
const PLANTED: [&str; 9] =
    [IMEI, "3533742", TELEPHONE, "87650123", ADDRESS, STREET, FINGERPRINT, SN, "%E6%98%86"];

struct Asked {
    client: Client,
    code: String,
    token: String,
    count: usize,
}

impl Asked {
    fn send(&mut self, method: &str, path: &str, media: &str, body: &str) -> String {
        self.count += 1;
        let more = format!("x-forwarded-for: {ADDRESS}\r\nuser-agent: {FINGERPRINT}\r\n");
        let call = self.client.call(method, path, media, body.len(), &more);
        call.send(body).answer().text
    }

    fn everything(&mut self) {
        let code = self.code.clone();
        let json = "application/json";
        for path in [
            format!("/d/{code}"),
            format!("/d/{code}?lang=en&q={TELEPHONE}"),
            format!("/?code={IMEI}"),
            format!("/api/v1/verify/{IMEI}"),
            format!("/api/v1/verify/{SN}?seller={TELEPHONE}"),
            format!("/api/v1/units/{IMEI}"),
            format!("/{TELEPHONE}/{IMEI}"),
            format!("/api/v1/{IMEI}?phone={TELEPHONE}"),
            "/%E6%98%86%E6%98%8E".to_owned(),
        ] {
            self.send("GET", &path, "text/plain", "");
        }
        let start = json!({"identifier": {"scheme": "imei", "value": IMEI},
            "happened_at": "2026-06-09T08:00:00+08:00", "device_fingerprint": FINGERPRINT,
            "signals": {"ip": ADDRESS}});
        let started = self.send("POST", "/api/v1/activations", json, &start.to_string());
        assert!(started.contains("activated_at"), "{started}");
        for body in [
            json!({"identifier": {"scheme": "imei", "value": "860837783533759"},
                "happened_at": TELEPHONE, "device_fingerprint": FINGERPRINT}),
            json!({"identifier": TELEPHONE}),
            json!({IMEI: STREET}),
            json!([[[STREET]]]),
        ] {
            self.send("POST", "/api/v1/activations", json, &body.to_string());
        }
        let form = "application/x-www-form-urlencoded";
        let told = format!(
            "idempotency_key=k1&phone={TELEPHONE}&purchased_on=2026-06-01&proof=imei4&imei4=3742\
             &consent=yes"
        );
        self.send("POST", &format!("/d/{code}/register"), form, &told);
        let report = format!("idempotency_key=k2&text={STREET}&shop={STREET}&place={TELEPHONE}");
        self.send("POST", &format!("/d/{code}/report"), form, &report);
        let proof = format!("idempotency_key=k3&kind=imei&value={}", &IMEI[11..]);
        self.send("POST", &format!("/d/{code}/proof"), form, &proof);
        let rows = format!("party_code,{TELEPHONE}\n{IMEI},{STREET}\n");
        self.send("POST", "/api/v1/import/parties", "text/csv", &rows);
        self.send("POST", &format!("/api/v1/import/{IMEI}"), "text/csv", &rows);
        self.send(&format!("X{TELEPHONE}"), "/", "text/plain", "");
    }
}

/// A unit with its IMEI, its code, and a server that writes its log to a file.
async fn served(world: &World) -> (Server, Asked, PathBuf) {
    let row = format!(
        "sn,gtin,produced_at,site_code,imei1\n\
        {SN},{PHONE},2026-05-20T08:00:00+08:00,FAC-SZ,{IMEI}\n"
    );
    world.take(Kind::Production, &row).await;
    world.make(&sns(0..2)).await;
    let place = Place::new(&world.target, world.scratch.path());
    let shown = place.run(&["verify", SN, "--json"]);
    let token = place.key();
    let shown: Value = serde_json::from_str(shown.lines().next().expect("a line")).expect("JSON");
    let code = shown["code"].as_str().expect("a code").to_owned();
    let path = world.scratch.path().join("log.json");
    let log = File::create(&path).expect("a file");
    let mut command = place.command(&["serve", "--limits", "off", "--log", "json"]);
    command.args(["--access-log", "--trusted-proxy", "127.0.0.1"]).env("DOSSIER_LOG", "trace");
    let server = Server::logging(command, log.into());
    let client = server.client(&token);
    (server, Asked { client, code, token, count: 0 }, path)
}

async fn nothing_that_was_planted_is_in_the_log(world: &World) {
    let (server, mut asked, path) = served(world).await;
    asked.everything();
    server.kill();
    let log = std::fs::read_to_string(path).expect("the log");
    let secret = asked.token.split('_').next_back().expect("a token");
    for planted in PLANTED.into_iter().chain([asked.code.as_str(), &asked.token, secret]) {
        let line = log.lines().find(|line| line.contains(planted));
        assert!(line.is_none(), "{planted} is in the log: {line:?}");
    }
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    let access: Vec<_> = lines.iter().filter(|line| line["target"] == "access").collect();
    assert_eq!(access.len(), asked.count, "{log}");
    let one = |route: &str| {
        let found = access.iter().find(|line| line["route"] == route);
        (*found.unwrap_or_else(|| panic!("{route} is missing in\n{log}"))).clone()
    };
    let line = one("/d/{code}");
    assert_eq!(line["from"], "203.0.113.0/24");
    assert_eq!((&line["method"], &line["status"]), (&json!("GET"), &json!(200)));
    assert!(line["who"].as_str().is_some_and(|who| who.starts_with("key:")), "{line}");
    assert!(line["micros"].is_u64() && line["timestamp"].is_string(), "{line}");
    // What was planted was taken where it belongs: it was there to be told.
    for route in ["register", "report", "proof"] {
        let line = one(&format!("/d/{{code}}/{route}"));
        assert!(line["status"].as_u64().is_some_and(|status| status < 400), "{line}");
    }
    assert_eq!(one("/api/v1/activations")["status"], 201);
    one("other");
    assert!(access.iter().any(|line| line["method"] == "other"), "{log}");
}

/// What a database says of a row that it refused stays with the database.
async fn a_failure_shows_no_row(world: &World) {
    use store::engine::{Plan, Step, Value, WriteError};
    let sql = "INSERT INTO pack (number, brand_id, sscc, products, recorded_at, revision) \
        VALUES ($1, $2, $3, $4, $5, $6)";
    let one = Value::Int(1);
    let params = vec![one.clone(), one.clone(), TELEPHONE.into(), Value::Null, one.clone(), one];
    let refused = world.house.store.engine().write(Plan::new(vec![Step::run(sql, params)])).await;
    let Err(WriteError::Internal(fault)) = refused else { panic!("{refused:?}") };
    assert!(!fault.cause().contains(TELEPHONE), "{}", fault.cause());
    assert!(fault.cause().contains("products"), "{}", fault.cause());
}
