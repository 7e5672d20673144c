//! Running the cases of all flows that act for somebody, and holding their list against the source.
//! The flows are called directly, so what a route refuses before them hides nothing here.

use crate::common::World;
use crate::flow_cases::{Flow, Foreign, Outcome, RULES, cases};
use crate::stage::Stage;
use dossier::flows::{FlowError, Scope};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// Runs every case: first those who must be refused, then whom it is for.
pub async fn run(world: &World) {
    let cases = cases();
    complete(&cases);
    let stage = Arc::new(Stage::new(world).await);
    for case in &cases {
        denied(&stage, case).await;
        foreign(&stage, case).await;
    }
    for case in &cases {
        let caller = stage.party(case.party, &[case.scope]).await;
        let outcome = (case.run)(Arc::clone(&stage), caller).await;
        assert!(!refused(&outcome), "{} by whom it is for: {outcome:?}", case.name);
    }
    world.agrees().await;
}

async fn denied(stage: &Arc<Stage>, case: &Flow) {
    let before = stage.recorded().await;
    let others = Stage::every_scope_but(case.scope);
    let mut callers = vec![("its own party", stage.party(case.party, &others).await)];
    for party in case.not_for {
        callers.push((party, stage.party(party, &Scope::ALL).await));
    }
    for (who, caller) in callers {
        let outcome = (case.run)(Arc::clone(stage), caller).await;
        assert!(refused(&outcome), "{} by {who} without a right: {outcome:?}", case.name);
    }
    assert_eq!(stage.recorded().await, before, "{}: a refusal recorded something", case.name);
}

async fn foreign(stage: &Arc<Stage>, case: &Flow) {
    let (before, ours) = (stage.recorded().await, stage.ours().await);
    let outcome = (case.run)(Arc::clone(stage), stage.stranger.clone()).await;
    let expected = matches!(case.foreign, Foreign::Refused);
    assert_eq!(refused(&outcome), expected, "{} by a stranger: {outcome:?}", case.name);
    let text = format!("{outcome:?}");
    let told = stage.betrayed(&text, case.asks);
    assert!(told.is_empty(), "{} tells a stranger {told:?}: {text}", case.name);
    let own = i64::from(matches!(case.foreign, Foreign::OwnRow));
    let recorded = stage.recorded().await - before;
    assert_eq!(recorded, own, "{}: what a stranger recorded", case.name);
    assert_eq!(stage.ours().await, ours, "{}: a stranger changed a row of ours", case.name);
}

/// Whether the flow refused, or every row of it. A store that fails is no refusal.
fn refused(outcome: &Outcome) -> bool {
    match outcome {
        Err(FlowError::Refused(_)) => true,
        Err(other) => panic!("it failed: {other}"),
        Ok(told) => told.contains("Refused("),
    }
}

/// Every public function of the flows that takes a caller, from their source.
fn complete(cases: &[Flow]) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/flows");
    let mut known = BTreeSet::new();
    read(&dir, &mut known);
    let tried: BTreeSet<_> = cases.iter().map(|case| case.name.to_owned()).collect();
    let rules: BTreeSet<_> = RULES.iter().map(|(name, _)| (*name).to_owned()).collect();
    let listed: BTreeSet<_> = tried.union(&rules).cloned().collect();
    let untried: Vec<_> = known.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&known).collect();
    assert!(untried.is_empty(), "flows without a case: {untried:#?}");
    assert!(gone.is_empty(), "cases without a flow: {gone:#?}");
    assert!(known.len() > 40, "{}", known.len());
}

fn read(dir: &Path, known: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(dir).expect("the flows").map(|e| e.expect("an entry").path()) {
        if entry.is_dir() {
            read(&entry, known);
            continue;
        }
        let module = entry.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&entry).expect("a source file");
        for start in ["pub fn ", "pub async fn "] {
            for function in text.split(start).skip(1) {
                let name: String =
                    function.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let head = function.split_once(" {").map_or("", |(head, _)| head);
                if head.contains("&Caller") || head.contains("&'a Caller") {
                    known.insert(format!("{module}::{name}"));
                }
            }
        }
    }
}
