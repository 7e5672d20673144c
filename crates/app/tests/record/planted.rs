//! Nothing about a person lies anywhere in plain: it is planted through every door of a real
//! server, then the whole store, the log and what the server wrote are searched for it, in every
//! form a careless program could have left it in. What may be there is searched for too, so that
//! the search is known to find.

use crate::common::search::{everything, forms, needles, texts};
use crate::common::server::{Client, Place, Server};
use crate::common::{FACTORY, PHONE, World};
use crate::on_both;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use dossier::files::Kind;
use dossier::flows::batches::{Mint, mint};
use dossier::flows::find::unit_number;
use dossier::flows::log;
use serde_json::{Value, json};
use std::fs::File;
use store::reference::Purpose;

on_both! { nothing_that_was_planted_is_anywhere_in_plain }

const SN: &str = "CYCONTROL0042";
const TELEPHONE: &str = "13987650123";
const OTHER_TELEPHONE: &str = "13612345678";
const NAME: &str = "欧阳测试用";
const STREET: &str = "昆明市盘龙区北京路一千二百三十四号";
const MAIL: &str = "mary.planted@mail.example";
const INVOICE: &str = "26312000009876543210";
const FORWARDED: &str = "203.0.113.77";
const SIGNAL: &str = "198.51.100.201";
const LATITUDE: f64 = 24.987_654_3;
const LONGITUDE: f64 = 102.712_345_6;
const AGENT: &str = "PlantedAgent/77aa (Mary)";
const FINGERPRINT: &str = "fp-planted-77aa-mary";

const PLANTED: [&str; 12] = [
    TELEPHONE,
    OTHER_TELEPHONE,
    NAME,
    STREET,
    MAIL,
    INVOICE,
    FORWARDED,
    SIGNAL,
    "24.98765",
    "102.71234",
    AGENT,
    FINGERPRINT,
];

#[test]
fn the_search_finds_every_form() {
    for text in PLANTED {
        for needle in needles(text) {
            let hay = [&b"..~"[..], &needle.bytes, b"~.."].concat();
            assert!(forms(text, &hay).contains(&needle.form), "{text} {}", needle.form);
        }
        for prefix in ["", "x", "xy", "xyz"] {
            let whole = format!("{prefix}{text}zzz");
            let hay = STANDARD_NO_PAD.encode(whole);
            assert!(forms(text, hay.as_bytes()).contains(&"base64"), "{text} behind {prefix:?}");
        }
        assert!(forms(text, b"nothing of it").is_empty());
    }
}

struct Doors {
    client: Client,
    codes: Vec<String>,
    scratches: Vec<String>,
}

impl Doors {
    fn send(&self, method: &str, path: &str, media: &str, body: &str) -> (u16, String) {
        let more = format!(
            "x-forwarded-for: {FORWARDED}\r\nuser-agent: {AGENT}\r\nreferer: http://x/{TELEPHONE}\r\n"
        );
        let call = self.client.call(method, path, media, body.len(), &more);
        let reply = call.send(body).answer();
        (reply.status, reply.text)
    }

    fn form(&self, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let encode = |text: &str| -> String { text.bytes().map(|b| format!("%{b:02X}")).collect() };
        let pairs = fields.iter().map(|(name, value)| format!("{name}={}", encode(value)));
        let body = pairs.collect::<Vec<_>>().join("&");
        self.send("POST", path, "application/x-www-form-urlencoded", &body)
    }

    fn json(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, text) = self.send(method, path, "application/json", &body.to_string());
        assert!(status < 300, "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    fn good(&self, path: &str, fields: &[(&str, &str)]) -> String {
        let (status, text) = self.form(path, fields);
        assert_eq!(status, 200, "{path}: {text}");
        text
    }

    /// What visitors type.
    fn pages(&self) {
        let (code, other) = (&self.codes[0], &self.codes[1]);
        let at = |code: &str, page: &str| format!("/d/{code}{page}");
        self.send("GET", &at(code, ""), "text/plain", "");
        self.good(
            &at(code, "/register"),
            &[
                ("idempotency_key", "k1"),
                ("phone", TELEPHONE),
                ("purchased_on", "2026-06-01"),
                ("proof", "scratch"),
                ("scratch", &self.scratches[0]),
                ("consent", "yes"),
                ("marketing", "yes"),
            ],
        );
        self.good(
            &at(other, "/register"),
            &[
                ("idempotency_key", "k2"),
                ("phone", TELEPHONE),
                ("purchased_on", "2026-06-01"),
                ("proof", "invoice"),
                ("invoice", INVOICE),
                ("consent", "yes"),
            ],
        );
        let words = format!("{NAME} {STREET} {MAIL} {TELEPHONE} {INVOICE}");
        for code in [code.as_str(), "0000000000000"] {
            self.good(
                &at(code, "/report"),
                &[("idempotency_key", "k3"), ("text", &words), ("shop", MAIL), ("place", STREET)],
            );
        }
        let wrong = [("act", "open"), ("phone", OTHER_TELEPHONE), ("scratch", "000000")];
        self.form(&at(code, "/my-data"), &wrong);
        let right = [("act", "open"), ("phone", TELEPHONE), ("scratch", &*self.scratches[0])];
        let page = self.good(&at(code, "/my-data"), &right);
        let (_, rest) = page.split_once("name=\"token\" value=\"").expect("a session");
        let token = rest.split('"').next().unwrap_or_default();
        let file = self.good(&at(code, "/my-data"), &[("act", "export"), ("token", token)]);
        assert!(file.contains(TELEPHONE), "it was there to be told");
        self.good(
            &at(code, "/my-data"),
            &[
                ("act", "correct"),
                ("token", token),
                ("phone", OTHER_TELEPHONE),
                ("purchased_on", "2026-05-30"),
            ],
        );
    }

    /// What systems and staff send.
    fn api(&self) {
        for sn in [SN, "CYNOTYET0001"] {
            let start = json!({"identifier": {"scheme": "sn", "value": sn},
                "happened_at": "2026-06-09T08:00:00+08:00", "device_fingerprint": FINGERPRINT,
                "signals": {"ip": SIGNAL, "attestation": {"said": format!("{MAIL} {AGENT}")},
                    "gps": {"lat": LATITUDE, "lon": LONGITUDE, "radius_m": 20}}});
            let body = start.to_string();
            let more = format!(
                "idempotency-key: {sn}\r\nx-forwarded-for: {FORWARDED}\r\nuser-agent: {AGENT}\r\n"
            );
            let path = "/api/v1/activations";
            let call = self.client.call("POST", path, "application/json", body.len(), &more);
            let reply = call.send(&body).answer();
            let known = sn == SN;
            assert_eq!(reply.status, if known { 201 } else { 404 }, "{}", reply.text);
        }
        // What the ledger keeps for ever takes no number of a person.
        let asks = format!("lost by {TELEPHONE}");
        let stolen = json!({"change": "report_stolen", "units": [SN], "reason": asks});
        let moved = json!({"scheme": "imei", "value": "490154203237518", "onto": true,
            "reason": asks});
        let identifiers = format!("/api/v1/units/{SN}/identifiers");
        for (path, body) in [("/api/v1/units/changes", stolen), (&*identifiers, moved)] {
            let (status, told) = self.send("POST", path, "application/json", &body.to_string());
            assert!(status == 400 && told.contains("recorded for ever"), "{status} {told}");
        }
        let why = format!("{NAME}, {STREET}, {MAIL}, {TELEPHONE} asks");
        let look = json!({"phone": TELEPHONE, "reason": &why});
        let found = self.json("POST", "/api/v1/persons/find", &look);
        let path = format!("/api/v1/persons/{}", found["id"].as_str().expect("an id"));
        let reason = json!({"reason": &why});
        let whole = self.json("POST", &format!("{path}/export"), &reason);
        assert!(whole.to_string().contains(INVOICE), "{whole}");
        self.json("POST", &format!("{path}/hold"), &reason);
        self.json("DELETE", &format!("{path}/hold"), &Value::Null);
        let change = json!({"phone": "13512340000"});
        self.json("PATCH", &path, &change);
        self.json("PATCH", &path, &json!({"phone": TELEPHONE}));
        let agree = json!({"purpose": "location", "given": true});
        self.json("POST", &format!("{path}/consents"), &agree);
        self.case(&why);
        let nobody = json!({"phone": "13099990000", "reason": &why});
        let (status, _) =
            self.send("POST", "/api/v1/persons/find", "application/json", &nobody.to_string());
        assert_eq!(status, 404);
        let query: String = why.bytes().map(|b| format!("%{b:02X}")).collect();
        self.json("GET", &format!("{path}?reason={query}"), &Value::Null);
        // It was there to be told; looks are written behind their answers.
        let told = (0..5_000).any(|_| {
            let (status, trail) = self.send("GET", "/api/v1/audit", "text/plain", "");
            assert_eq!(status, 200, "{trail}");
            trail.contains(MAIL) && trail.contains(FORWARDED)
        });
        assert!(told, "it was there to be told");
        self.send("GET", "/api/v1/reports", "text/plain", "");
    }
}

impl Doors {
    /// What the brand writes of people in a case, and looks for in the one box.
    fn case(&self, words: &str) {
        let open = json!({"party": "T1-53", "units": [SN], "summary": words});
        let path = self.json("POST", "/api/v1/cases", &open)["id"]
            .as_str()
            .map(|id| format!("/api/v1/cases/{id}"));
        let path = path.expect("an id");
        let note = json!({"text": words, "internal": true});
        self.json("POST", &format!("{path}/entries"), &note);
        let end = json!({"outcome": "settled", "text": words});
        self.json("POST", &format!("{path}/close"), &end);
        let told = self.json("GET", &path, &Value::Null).to_string();
        assert_eq!(told.matches(NAME).count(), 3, "it was there to be told");
        for text in [NAME, STREET, MAIL, TELEPHONE, INVOICE] {
            let query: String = text.bytes().map(|b| format!("%{b:02X}")).collect();
            self.json("GET", &format!("/api/v1/search?q={query}"), &Value::Null);
        }
    }
}

async fn nothing_that_was_planted_is_anywhere_in_plain(world: &World) {
    let caller = world.caller().await;
    let reference = world.house.reference_now().await.expect("it reads");
    let product = reference.product(caller.brand, "06929141700010").map(|p| p.id);
    let order = Mint { product, purpose: Purpose::Printed, count: 2, scratch: true };
    let batch = mint(&world.house, &caller, order).await.expect("it is minted");
    let numbers = [batch.first, batch.first + 1];
    let code = |n: i64| world.house.ring().encode(unit_number(n)).as_str().to_owned();
    let secret = world.house.secrets.scratch_key();
    let rows = format!(
        "sn,gtin,produced_at,site_code,code\n\
         {SN},{PHONE},2026-05-20T08:00:00+08:00,{FACTORY},{}\n\
         CYCONTROL0043,{PHONE},2026-05-20T08:00:00+08:00,{FACTORY},{}\n",
        code(numbers[0]),
        code(numbers[1])
    );
    world.take(Kind::Production, &rows).await;
    let place = Place::new(&world.target, world.scratch.path());
    let token = place.key();
    let path = world.scratch.path().join("server.log");
    let mut command = place.command(&["serve", "--limits", "off", "--log", "json"]);
    command.args(["--access-log", "--trusted-proxy", "127.0.0.1"]).env("DOSSIER_LOG", "trace");
    let server = Server::logging(command, File::create(&path).expect("a file").into());
    let doors = Doors {
        client: server.client(&token),
        codes: numbers.map(code).to_vec(),
        scratches: numbers.map(|n| secret.code(unit_number(n)).to_string()).to_vec(),
    };
    doors.pages();
    doors.api();
    log::seal(&world.house).await.expect("it seals");
    let head = doors.send("GET", "/log/checkpoint", "text/plain", "").1;
    // Looks are written behind their answers: four at persons.
    let looks = "SELECT object FROM audit_read WHERE object_kind = 'person'";
    while texts(world, looks.to_owned()).await.len() < 4 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    server.kill();

    let mut hay = everything(world).await;
    hay.extend(std::fs::read(&path).expect("the log"));
    // The tiles of the log are rows of the store.
    hay.extend(head.bytes());
    for text in PLANTED {
        let found = forms(text, &hay);
        let needle = needles(text).into_iter().find(|n| found.contains(&n.form));
        let near = needle.and_then(|n| {
            let at = hay.windows(n.bytes.len()).position(|w| w == n.bytes)?;
            Some(String::from_utf8_lossy(&hay[at.saturating_sub(200)..at + 40]).into_owned())
        });
        assert!(found.is_empty(), "{text} is there, {found:?}: {near:?}");
    }
    for number in [LATITUDE, LONGITUDE] {
        for bytes in [number.to_le_bytes(), number.to_be_bytes()] {
            assert!(!hay.windows(8).any(|w| w == bytes), "{number} is there as a number");
        }
    }
    // What may be there is found, in plain and inside what the ledger keeps.
    for control in [SN, "CYCONTROL0043", "registered", "suspicion_reported"] {
        assert!(forms(control, &hay).contains(&"plain"), "{control} is not found");
    }
    place.agrees();
}
