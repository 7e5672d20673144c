//! Several brands in one store, and the legal bodies that stand behind parties of more than one.

mod common;

use common::World;
use dossier::files::{Format, Kind, Table};
use dossier::flows::RowOutcome;
use dossier::flows::import::{Importer, import};
use dossier::flows::masterdata::Taking;
use dossier::flows::organisations::across;
use std::io::Cursor;

on_both! { one_plant_makes_for_two_brands }

const ODM: &str = "91440300708461136T";

/// Takes a file for a brand; the refused rows as text.
async fn take(world: &World, brand: &str, text: &str) -> Vec<String> {
    let input = Box::new(Cursor::new(text.as_bytes().to_vec()));
    let mut table = Table::from_reader(Kind::Parties, Format::Csv, input).expect("a sound file");
    let mut refused = Vec::new();
    let mut on_row = |_: &_, outcome: &RowOutcome| {
        if let RowOutcome::Refused(why) = outcome {
            refused.push(format!("{why:?}"));
        }
    };
    let taking = Taking { update: true, ..Taking::default() };
    let who = Importer::Operator(Some(brand));
    import(&world.house, who, &mut table, taking, &mut on_row).await.expect("the file is taken");
    refused
}

async fn one_plant_makes_for_two_brands(world: &World) {
    let head = "code,kind,name,parent_code,organisation\n";
    let ours = format!("{head}FAC-SZ,factory,深圳工厂,BRAND,{}\n", ODM.to_lowercase());
    assert_eq!(take(world, "BRAND", &ours).await, [""; 0]);
    let theirs = format!("{head}OTHER,brand,别家,,\nPLANT,factory,代工厂,OTHER,{ODM}\n");
    assert_eq!(take(world, "OTHER", &theirs).await, [""; 0]);
    let mistyped = format!("{head}PLANT-2,factory,二厂,OTHER,91440300708461137T\n");
    let refused = take(world, "OTHER", &mistyped).await;
    assert!(refused.len() == 1 && refused[0].contains("organisation"), "{refused:?}");

    let reference = world.another().await.reference_now().await.expect("rows");
    let found = across(&reference);
    let (code, parties) = found.first_key_value().expect("one organisation");
    let named: Vec<_> = parties.iter().map(|party| party.code.as_str()).collect();
    assert_eq!((found.len(), code.as_str(), named), (1, ODM, vec!["FAC-SZ", "PLANT"]));
    // It opens nothing: the plant of one brand is told nothing of the other.
    let brands: Vec<_> = parties.iter().map(|party| party.brand).collect();
    assert_ne!(brands[0], brands[1]);
    let (ours, theirs) = (parties[0].id, parties[1].id);
    assert!(!domain::mandate::speaks_for(&reference.tree, theirs, ours));
    world.agrees().await;
}
