//! What was said in cases: sealed where it lies, in no event, and gone after its term.

use crate::common::World;
use crate::common::search::{everything, forms};
use crate::on_both;
use crate::scene::{WORKS, goods, opened, says, shown, told};
use domain::retention::Kept;
use dossier::flows::{audit, expiry};
use dossier::rules::kept;
use jiff::SignedDuration;
use serde_json::json;

on_both! { words_lie_sealed_and_in_no_event, words_go_after_their_term_and_not_before }

const SAID: [&str; 3] =
    ["欧阳测试用 carried them over", "13987650123 is his number", "paid by Mary"];

async fn words_lie_sealed_and_in_no_event(world: &World) {
    goods(world).await;
    let brand = world.desk("BRAND", WORKS).await;
    let tier2 = world.desk("T2-53", WORKS).await;
    let id = opened(&brand, "T2-53", &["CY000000"]).await;
    assert_eq!(says(&brand, &id, SAID[0], true).await.0, 200);
    assert_eq!(says(&tier2, &id, SAID[1], false).await.0, 200);
    let end = json!({"outcome": "settled", "text": SAID[2]});
    assert_eq!(brand.post(&format!("/api/v1/cases/{id}/close"), &end).await.0, 200);
    let whole = shown(&brand, &id).await.to_string();
    audit::flush(&world.house).await.expect("written");
    let hay = everything(world).await;
    for text in SAID.iter().chain(&["where did they go?"]) {
        assert!(whole.contains(text), "it was there to be told: {text}");
        let found = forms(text, &hay);
        assert!(found.is_empty(), "{text} is there: {found:?}");
    }
    assert!(forms("settled", &hay).contains(&"plain"), "what may be there is found");
    world.agrees().await;
}

async fn words_go_after_their_term_and_not_before(world: &World) {
    goods(world).await;
    let brand = world.desk("BRAND", WORKS).await;
    let id = opened(&brand, "T2-53", &["CY000000"]).await;
    let forget = async || {
        let all = 0..expiry::SLICES;
        expiry::forget(&world.house, all).await.expect("the store deletes");
    };
    let pass = |time: SignedDuration| world.clock.set(world.clock.now() + time);
    let moment = SignedDuration::from_secs(1);
    let words = async || {
        let case = shown(&brand, &id).await;
        told(&case).into_iter().map(|(_, words)| words).collect::<Vec<_>>()
    };
    // An open case is kept whatever time passes.
    pass(kept(Kept::CaseWords) * 2);
    forget().await;
    assert_eq!(words().await, ["where did they go?"]);
    let close = async || {
        let end = json!({"outcome": "unfounded", "text": "over"});
        let (status, _) = brand.post(&format!("/api/v1/cases/{id}/close"), &end).await;
        assert_eq!(status, 200);
    };
    close().await;
    pass(kept(Kept::CaseWords) - moment);
    forget().await;
    assert_eq!(words().await, ["where did they go?", "over"]);
    // Taken up again, it is kept on; closed again, from then on.
    let (status, _) =
        brand.post(&format!("/api/v1/cases/{id}/reopen"), &json!({"text": "again"})).await;
    assert_eq!(status, 200);
    pass(moment * 2);
    forget().await;
    assert_eq!(words().await.len(), 3);
    assert!(words().await.iter().all(|words| words != "-"));
    close().await;
    pass(kept(Kept::CaseWords) + moment);
    // Over, though nothing has deleted it yet.
    assert_eq!(words().await, ["-", "-", "-", "-"]);
    forget().await;
    assert_eq!(words().await, ["-", "-", "-", "-"]);
    let case = shown(&brand, &id).await;
    assert_eq!((&case["state"], &case["outcome"]), (&json!("closed"), &json!("unfounded")));
    let runs = world.house.store.retention_runs("2000-01-01", 100).await.expect("they read");
    let words: i64 = runs.iter().filter(|r| r.policy == "case_words").map(|r| r.row_count).sum();
    assert_eq!(words, 4, "{runs:?}");
}
