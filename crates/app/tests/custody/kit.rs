//! A saleable set: a charger with a code of its own in one box with its main unit.

use crate::common::{PHONE, World};
use crate::on_both;
use dossier::files::Kind;

on_both! { a_kit_is_kept_and_told }

async fn a_kit_is_kept_and_told(world: &World) {
    let row =
        |sn: &str, kit: &str| format!("{sn},{PHONE},2026-05-20T08:00:00+08:00,FAC-SZ,{kit}\n");
    let file = |rows: &[String]| format!("sn,gtin,produced_at,site_code,kit\n{}", rows.concat());
    let rows = [row("MAIN1", "MAIN1"), row("PLUG1", "MAIN1"), row("ALONE1", "")];
    assert_eq!(world.take(Kind::Production, &file(&rows)).await.taken, 3);
    assert_eq!(world.take(Kind::Production, &file(&rows)).await.unchanged, 3);
    // A file without the column says the same of a unit that is in no set.
    let plain =
        format!("sn,gtin,produced_at,site_code\nALONE1,{PHONE},2026-05-20T08:00:00+08:00,FAC-SZ\n");
    assert_eq!(world.take(Kind::Production, &plain).await.unchanged, 1);
    for (sn, kit) in [("MAIN1", Some("MAIN1")), ("PLUG1", Some("MAIN1")), ("ALONE1", None)] {
        let unit = world.house.store.unit_fetch(world.unit(sn).await).await.expect("it reads");
        assert_eq!(unit.expect("it is there").kit.as_deref(), kit, "{sn}");
    }
    world.agrees().await;
}
