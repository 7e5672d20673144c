//! A plain brand to measure on: one product, one factory, one distributor, made through the flows.

use super::BenchError;
use crate::clock::Clock;
use crate::files::{Draft, Kind, Table, parse_row};
use crate::flows::caller::Caller;
use crate::flows::house::{House, Settings};
use crate::flows::import::{Importer, import, operator};
use crate::flows::masterdata::Taking;
use crate::flows::outcome::RowOutcome;
use crate::flows::pack::pack;
use crate::flows::produce::commission;
use crate::flows::ship::{Way, ship};
use crate::geo::{Geo, GeoPaths};
use crate::secrets::MasterKey;
use std::path::Path;
use std::sync::Arc;
use store::engine::{SqliteOptions, Target};

const PARTIES: &str = "code,kind,name,parent_code,region\n\
    B,brand,测试品牌,,440305\nF,factory,工厂,B,440307\n\
    T1,tier1,总代,B,440106\nT2,tier2,二级,T1,440106\n";
const PRODUCTS: &str = "gtin,name_zh,category\n6900000000014,测试手机,phone\n";
const TERRITORIES: &str =
    "party_code,gtin,regions,excluded,from_on,to_on,channel\nT1,*,44,,2020-01-01,,both\n";
/// When every measured unit is made.
const PRODUCED_AT: &str = "2026-01-05T08:00:00+08:00";
/// Units made, packed and shipped at a time.
const STRETCH: u64 = 20_000;
/// Units in a carton.
const CARTON: u64 = 20;
/// Units on a pallet.
const PALLET: u64 = 1_000;

/// Opens (or makes) a store with the plain brand in it.
pub async fn open(dir: &Path) -> Result<(Arc<House>, Caller), BenchError> {
    let machine = |e: &dyn std::fmt::Display| BenchError::Machine(e.to_string());
    let master = MasterKey::from_file_or_new(&dir.join("master.key")).map_err(|e| machine(&e))?;
    let geo = Arc::new(Geo::load(&GeoPaths::default()).map_err(|e| machine(&e))?);
    let target = Target::Sqlite { dir: dir.to_owned(), options: SqliteOptions::default() };
    let house = House::open(&target, master, Clock::System, geo, Settings::default()).await?;
    found(house).await
}

/// Gives a new store the plain brand; one that has it is left as it is.
pub async fn found(house: House) -> Result<(Arc<House>, Caller), BenchError> {
    let machine = |e: &dyn std::fmt::Display| BenchError::Machine(e.to_string());
    let tables =
        [(Kind::Parties, PARTIES), (Kind::Products, PRODUCTS), (Kind::Territories, TERRITORIES)];
    for (kind, text) in tables {
        let mut table = table(kind, text.to_owned())?;
        import(&house, Importer::Operator(None), &mut table, Taking::default(), &mut |_, _| {})
            .await
            .map_err(|e| machine(&e))?;
    }
    let caller = operator(&house, None).await?;
    Ok((Arc::new(house), caller))
}

/// A table over text in memory.
pub fn table(kind: Kind, text: String) -> Result<Table, BenchError> {
    let reader = Box::new(std::io::Cursor::new(text.into_bytes()));
    Table::from_reader(kind, crate::files::Format::Csv, reader)
        .map_err(|e| BenchError::Machine(e.to_string()))
}

/// The header of a production file.
pub const PRODUCTION_HEADER: &str =
    "sn,gtin,imei1,imei2,produced_at,site_code,line,lot,inspection\n";

/// One production row: an SN and two IMEIs, none of which sorts like its neighbour's.
pub fn production_line(number: u64) -> String {
    let scattered = scatter(number);
    let imei = |slot: u64| {
        let body = format!("86{:012}", (scattered.wrapping_mul(2) + slot) % 1_000_000_000_000);
        domain::identifier::imei15(&body).unwrap_or(body)
    };
    format!(
        "{},6900000000014,{},{},{PRODUCED_AT},F,L1,LOT{},pass\n",
        sn(number),
        imei(0),
        imei(1),
        number / 10_000
    )
}

/// A bijection on 0..2^38 that looks random: neighbours in number are strangers in order.
fn scatter(number: u64) -> u64 {
    const MASK: u64 = (1 << 38) - 1;
    let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) & MASK;
    ((mixed ^ (mixed >> 19)).wrapping_mul(0x2545_F491_4F6C_DD1D)) & MASK
}

/// Commissions `range` of the plain brand's units.
pub async fn make_units(
    house: &House,
    caller: &Caller,
    range: std::ops::Range<u64>,
) -> Result<(), BenchError> {
    let mut at = range.start;
    while at < range.end {
        let end = range.end.min(at + STRETCH);
        let text: String = std::iter::once(PRODUCTION_HEADER.to_owned())
            .chain((at..end).map(production_line))
            .collect();
        let drafts = drafts(Kind::Production, text, |draft| match draft {
            Draft::Production(draft) => Some(draft),
            _ => None,
        })?;
        all_taken(&commission(house, caller, &drafts, Taking::default()).await?)?;
        at = end;
    }
    Ok(())
}

/// Commissions `range`, packs it into cartons on pallets, and sends every pallet to tier 2: the
/// state in which most units of a brand are looked at.
pub async fn stock_units(
    house: &House,
    caller: &Caller,
    range: std::ops::Range<u64>,
) -> Result<(), BenchError> {
    let mut at = range.start;
    while at < range.end {
        let end = range.end.min(at + STRETCH);
        make_units(house, caller, at..end).await?;
        let mut cartons = String::from("sscc,child,packed_at\n");
        let mut pallets = cartons.clone();
        let mut shipments = String::from("shipment_no,from_code,to_code,happened_at,subject\n");
        for unit in at..end {
            cartons += &format!("{},{},2026-01-06T08:00:00+08:00\n", carton(unit), sn(unit));
        }
        for unit in (at..end).step_by(CARTON as usize) {
            let line = format!("{},{},2026-01-06T09:00:00+08:00\n", pallet(unit), carton(unit));
            pallets += &line;
        }
        for (from, to, day) in [("F", "T1", "07"), ("T1", "T2", "09")] {
            for unit in (at..end).step_by(PALLET as usize) {
                let goods = pallet(unit);
                let paper = format!("{to}-{}", unit / PALLET);
                let when = format!("2026-01-{day}T08:00:00+08:00");
                shipments += &format!("{paper},{from},{to},{when},{goods}\n");
            }
        }
        for text in [cartons, pallets] {
            let drafts = drafts(Kind::Packs, text, |draft| match draft {
                Draft::Pack(draft) => Some(draft),
                _ => None,
            })?;
            all_taken(&pack(house, caller, &drafts, Taking::default()).await?)?;
        }
        let drafts = drafts(Kind::Shipments, shipments, |draft| match draft {
            Draft::Shipment(draft) => Some(draft),
            _ => None,
        })?;
        all_taken(&ship(house, caller, &drafts, Way::Forward, Taking::default()).await?)?;
        at = end;
    }
    Ok(())
}

/// The serial number of the plain brand's unit.
pub fn sn(number: u64) -> String {
    format!("SN{:014}", scatter(number))
}

/// An SSCC of the plain brand.
pub fn sscc(number: u64) -> String {
    domain::gs1::Sscc::build(0, "6900000", number).map_or_else(|_| String::new(), |s| s.to_string())
}

fn carton(unit: u64) -> String {
    sscc(1_000_000 + unit / CARTON)
}

fn pallet(unit: u64) -> String {
    sscc(500_000_000 + unit / PALLET)
}

fn drafts<T>(
    kind: Kind,
    text: String,
    of: impl Fn(Draft) -> Option<T>,
) -> Result<Vec<T>, BenchError> {
    let zone = jiff::tz::TimeZone::UTC;
    let mut table = table(kind, text)?;
    let mut drafts = Vec::new();
    for row in table.rows() {
        let row = row.map_err(|e| BenchError::Machine(e.to_string()))?;
        let draft = parse_row(&row, &zone).map_err(|e| BenchError::Machine(format!("{e:?}")))?;
        drafts.extend(of(draft));
    }
    Ok(drafts)
}

fn all_taken(outcomes: &[RowOutcome]) -> Result<(), BenchError> {
    match outcomes.iter().find(|o| **o != RowOutcome::Taken) {
        Some(other) => Err(BenchError::Machine(format!("a row was {other:?}"))),
        None => Ok(()),
    }
}
