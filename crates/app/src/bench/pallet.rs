//! Shipping a pallet of 10,000 units, against shipping one unit.

use super::brand::{sn, sscc};
use super::{BenchError, Measured, Size, brand, median, scratch};
use crate::clock::Stopwatch;
use crate::files::{Draft, Kind, parse_row};
use crate::flows::House;
use crate::flows::caller::Caller;
use crate::flows::import::{Importer, import};
use crate::flows::masterdata::Taking;
use crate::flows::outcome::RowOutcome;
use crate::flows::ship::{Way, ship};
use std::path::Path;

const PALLETS: u64 = 11;
const UNITS: u64 = 10_000;

/// Packs the pallets, then ships them and as many single units in turn.
pub async fn measure(dir: &Path, size: Size) -> Result<Measured, BenchError> {
    let dir = scratch(dir, "pallet")?;
    let (house, caller) = brand::open(&dir).await?;
    let (count, units) = (size.of(PALLETS, 2), size.of(UNITS, 50));
    brand::make_units(&house, &caller, 0..count * units + count).await?;
    pack(&house, count, units).await?;
    let (mut pallets, mut singles) = (Vec::new(), Vec::new());
    for number in 0..count {
        pallets.push(ship_one(&house, &caller, &format!("P{number}"), &sscc(number)).await?);
        let single = sn(count * units + number);
        singles.push(ship_one(&house, &caller, &format!("U{number}"), &single).await?);
    }
    house.store.close().await;
    let (ours, bare) = (median(pallets), median(singles));
    Ok(Measured {
        path: "pallet: ship 10,000 units",
        ours: format!("{ours:.2} ms"),
        baseline: format!("{bare:.2} ms (ship one unit)"),
        ratio: ours / bare,
        wanted: "≤ 1.5",
    })
}

async fn pack(house: &House, pallets: u64, units: u64) -> Result<(), BenchError> {
    let mut text = String::from("sscc,child,packed_at\n");
    for pallet in 0..pallets {
        for unit in 0..units {
            let line = format!(
                "{},{},2026-01-06T08:00:00+08:00\n",
                sscc(pallet),
                sn(pallet * units + unit)
            );
            text.push_str(&line);
        }
    }
    let mut table = brand::table(Kind::Packs, text)?;
    let report =
        import(house, Importer::Operator(None), &mut table, Taking::default(), &mut |_, _| {})
            .await
            .map_err(|e| BenchError::Machine(e.to_string()))?;
    if report.refused > 0 {
        return Err(BenchError::Machine(format!("{} packing rows refused", report.refused)));
    }
    Ok(())
}

/// Milliseconds one shipment took.
async fn ship_one(
    house: &House,
    caller: &Caller,
    paper: &str,
    subject: &str,
) -> Result<f64, BenchError> {
    let text = format!(
        "shipment_no,from_code,to_code,happened_at,subject\n\
         {paper},F,T1,2026-01-07T08:00:00+08:00,{subject}\n"
    );
    let mut table = brand::table(Kind::Shipments, text)?;
    let row = table.rows().next().and_then(Result::ok);
    let draft = row.and_then(|r| parse_row(&r, &jiff::tz::TimeZone::UTC).ok());
    let Some(Draft::Shipment(draft)) = draft else {
        return Err(BenchError::Machine("a shipment row does not parse".to_owned()));
    };
    let watch = Stopwatch::start();
    let done = ship(house, caller, &[draft], Way::Forward, Taking::default()).await?;
    let took = watch.elapsed().as_secs_f64() * 1e3;
    match done.first() {
        Some(RowOutcome::Taken) => Ok(took),
        other => Err(BenchError::Machine(format!("{subject}: {other:?}"))),
    }
}
