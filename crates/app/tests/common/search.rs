//! Searching everything that is stored for what must not be there.

use super::World;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use store::engine::{Engine, Row, Target};

/// Bytes that must not be found.
pub struct Needle {
    pub form: &'static str,
    pub bytes: Vec<u8>,
}

/// The forms in which a careless program could have left a text.
pub fn needles(text: &str) -> Vec<Needle> {
    let hex = store::canonical::hex(text.as_bytes());
    let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    let percent: String = text.bytes().map(|b| format!("%{b:02X}")).collect();
    let mut backwards = text.as_bytes().to_vec();
    backwards.reverse();
    let mut found = vec![
        Needle { form: "plain", bytes: text.as_bytes().to_vec() },
        Needle { form: "HEX", bytes: hex.to_uppercase().into_bytes() },
        Needle { form: "hex", bytes: hex.into_bytes() },
        Needle { form: "reversed", bytes: text.chars().rev().collect::<String>().into_bytes() },
        Needle { form: "reversed bytes", bytes: backwards },
        Needle { form: "escaped", bytes: escaped.into_bytes() },
        Needle { form: "percent", bytes: percent.into_bytes() },
    ];
    // Base64 of a text depends on where in the whole it begins.
    for pad in 0..3_usize {
        let mut whole = vec![0; pad];
        whole.extend(text.as_bytes());
        let skip = [0, 2, 3][pad];
        let cut = usize::from(whole.len() % 3 != 0);
        for (form, encoded) in [
            ("base64", STANDARD_NO_PAD.encode(&whole)),
            ("base64url", URL_SAFE_NO_PAD.encode(&whole)),
        ] {
            let bytes = encoded.as_bytes()[skip..encoded.len() - cut].to_vec();
            found.push(Needle { form, bytes });
        }
    }
    found
}

/// In which forms a text is in there.
/// The forms in which a text is found.
pub fn forms(text: &str, hay: &[u8]) -> Vec<&'static str> {
    let inside = |needle: &Needle| hay.windows(needle.bytes.len()).any(|w| w == needle.bytes);
    needles(text).iter().filter(|n| fast(n, hay) && inside(n)).map(|n| n.form).collect()
}

/// Whether the first bytes occur at all: the search above is slow.
fn fast(needle: &Needle, hay: &[u8]) -> bool {
    let [first, second, ..] = needle.bytes[..] else { return true };
    hay.windows(2).any(|w| w == [first, second])
}

/// A statement of the test's own.
pub async fn texts(world: &World, sql: String) -> Vec<String> {
    let sql: &'static str = Box::leak(sql.into_boxed_str());
    let rows = world.house.store.engine().query(sql, &[], |r: &Row<'_>| r.text(0)).await;
    rows.unwrap_or_else(|e| panic!("{sql}: {e}"))
}

/// Every row of every table as text; on SQLite also the bytes of every file.
pub async fn everything(world: &World) -> Vec<u8> {
    let mut hay = Vec::new();
    let lite = matches!(world.house.store.engine(), Engine::Lite(_));
    let tables = if lite {
        "SELECT name FROM sqlite_master WHERE type = 'table'"
    } else {
        "SELECT CAST(table_name AS TEXT) FROM information_schema.tables \
         WHERE table_schema = 'public'"
    };
    let tables = texts(world, tables.to_owned()).await;
    for must in ["person", "registration", "event", "idempotency", "observation", "audit_read"] {
        assert!(tables.iter().any(|t| t == must), "{must}: {tables:?}");
    }
    for table in &tables {
        let row = if lite {
            let sql = format!("SELECT name FROM pragma_table_info('{table}')");
            let quoted = |c: String| format!("quote(\"{c}\")");
            let columns: Vec<_> = texts(world, sql).await.into_iter().map(quoted).collect();
            columns.join(" || '|' || ")
        } else {
            "CAST(t AS TEXT)".to_owned()
        };
        for line in texts(world, format!("SELECT {row} FROM \"{table}\" t")).await {
            hay.extend(format!("{table}: {line}\n").bytes());
        }
    }
    if let Target::Sqlite { dir, .. } = &world.target {
        for file in std::fs::read_dir(dir).expect("a folder").flatten() {
            let bytes = std::fs::read(file.path()).expect("a file");
            hay.extend(format!("\n{}:\n", file.path().display()).bytes());
            hay.extend(bytes);
        }
    }
    hay
}
