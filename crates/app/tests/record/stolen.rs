//! What somebody gets who has the database and nothing else: no code key, no root secret, no API
//! key, no password, no second factor, no session, no link. Telephones and places: `planted.rs`.

use crate::common::browser::{Browser, INVITATIONS, PASSWORD, owner};
use crate::common::search::{everything, forms};
use crate::common::{World, master, sns};
use crate::on_both;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use dossier::flows::Scope;
use dossier::flows::api_keys::{Order, give, rotate};
use dossier::flows::batches::{Mint, mint};
use dossier::flows::people::set_up::set_up_link;
use dossier::flows::reference::code_key_label;
use dossier::flows::webhooks;
use jiff::SignedDuration;
use serde_json::json;
use store::reference::Purpose;

on_both! { a_stolen_database_yields_no_secret }

async fn a_stolen_database_yields_no_secret(world: &World) {
    let (house, caller) = (&world.house, world.caller().await);
    let mut secrets: Vec<(&str, Vec<u8>)> = Vec::new();
    // Links and people, before anything else is there.
    let link = set_up_link(house).await.expect("it writes").expect("nobody has an account");
    secrets.push(("a set-up link", link.into_bytes()));
    let first = owner(world).await;
    let invited = first.post(INVITATIONS, json!({"party": "T1-53", "role": "desk"})).await;
    let token = invited.member("path").replace("/invitation/", "");
    secrets.push(("an invitation", token.into_bytes()));
    let begun = first.post("/api/v1/account/totp", json!({"password": PASSWORD})).await;
    secrets.push(("a second factor", begun.member("secret").into_bytes()));
    let cookie = first.cookie().split_once('=').expect("a pair").1.to_owned();
    secrets.push(("a session", cookie.into_bytes()));
    secrets.push(("a password", PASSWORD.as_bytes().to_vec()));
    // Keys of the API, rotated, so that two secrets of one are good.
    let order = Order { party: "BRAND".into(), scopes: vec![Scope::Read], ..Order::default() };
    let given = give(house, &caller, &order).await.expect("given");
    let again = rotate(house, &caller, &given.row.id, SignedDuration::from_hours(1)).await;
    for key in [given.key, again.expect("rotated").key] {
        let secret = key.split_once('.').expect("two halves").1.to_owned();
        secrets.push(("the bytes of an API key", store::canonical::unhex(&secret).expect("hex")));
        secrets.push(("an API key", secret.into_bytes()));
    }
    // The keys behind everything, as the master key opens them.
    let rows = house.store.reference_load().await.expect("rows").code_keys;
    assert!(rows.len() >= 2, "a code key and the root secret");
    for row in rows {
        let opened = master().open(&code_key_label(row.epoch), &row.sealed).expect("ours");
        secrets.push(("a code key or the root secret", opened.to_vec()));
    }
    // What webhooks are signed with: as it is told, and its bytes.
    let order = webhooks::Order {
        party: "BRAND".to_owned(),
        name: String::new(),
        url: "https://hooks.example.com/x".to_owned(),
        kinds: Vec::new(),
    };
    let caller = world.caller().await;
    let made = webhooks::make(&world.house, &caller, &order).await.expect("it is made");
    let told = made.secret.strip_prefix("whsec_").expect("in its form").to_owned();
    secrets.push(("the bytes of a webhook's secret", BASE64.decode(&told).expect("base 64")));
    secrets.push(("a webhook's secret", told.into_bytes()));
    secrets.push(("the master key", vec![0x5a; 32]));
    // Codes that nobody printed yet are secrets too: they are computed, never stored.
    world.make(&sns(0..3)).await;
    let reference = house.reference_now().await.expect("rows");
    let product = Some(reference.products(caller.brand)[0].id);
    let order = Mint { product, purpose: Purpose::Printed, count: 3, scratch: true };
    let batch = mint(house, &caller, order).await.expect("minted");
    for number in batch.first..batch.end() {
        let number = dossier::flows::find::unit_number(number);
        let code = house.ring().encode(number).as_str().to_owned();
        secrets.push(("a code not yet printed", code.into_bytes()));
    }
    assert_eq!(Browser::new(world).sign_in("Li.Wei", PASSWORD, None).await.status, 200);

    let hay = everything(world).await;
    for (what, secret) in &secrets {
        let found = match std::str::from_utf8(secret) {
            Ok(text) => !forms(text, &hay).is_empty(),
            Err(_) => {
                let hex = store::canonical::hex(secret);
                let plain = hay.windows(secret.len()).any(|w| w == secret);
                plain || !forms(&hex, &hay).is_empty()
            }
        };
        assert!(!found, "{what} stands in the database");
    }
    // The search finds what is there: the public half of the key, and a serial number.
    for control in [given.row.id.as_str(), "CY000001"] {
        assert!(forms(control, &hay).contains(&"plain"), "{control} is not found");
    }
}
