//! The brand asks the planted diverters: one has answered, the others have some days left. And it
//! tells a service centre of owners whose devices run hot: repairs to be.

use super::acting;
use super::plan::Plan;
use super::year::Done;
use crate::flows::cases::{self, Order, Saying};
use crate::flows::find::unit_number;
use crate::flows::reference::Reference;
use crate::flows::{Caller, FlowError, House};
use domain::finding::FindingGrade;
use jiff::Span;
use jiff::civil::Date;
use std::collections::BTreeMap;
use store::canonical::hex;

/// Units of one case about goods that leaked.
const UNITS: usize = 12;
/// Units of the case about a fault.
const FAULTY_UNITS: usize = 5;
/// Cases opened.
const CASES: usize = 2;
/// Days a party is given to answer.
const ANSWER_DAYS: i64 = 10;

/// Opens a case about each of the first diverters over units that started where they leak to.
pub async fn open(house: &House, plan: &Plan, done: &Done) -> Result<(), FlowError> {
    let reference = house.reference_now().await?;
    let ring = house.ring();
    for (nth, (tier2, _)) in plan.diverters.iter().take(CASES).enumerate() {
        let code = &plan.channel.tier2[*tier2].code;
        let leaked = |place: &usize| {
            let own = plan.carton_of(*place).is_some_and(|c| c.tier2 == Some(*tier2));
            own && done.grades[*place].is_some_and(|grade| grade >= FindingGrade::Suspect)
        };
        let places = (0..plan.units.len()).rev().filter(leaked).take(UNITS);
        let numbers = places.filter_map(|place| done.numbers[place]);
        let units: Vec<_> =
            numbers.map(|n| ring.encode(unit_number(n)).as_str().to_owned()).collect();
        let party = reference.party(done.caller.brand, code).map(|party| party.id);
        let Some(party) = party.filter(|_| !units.is_empty()) else { continue };
        let order = Order {
            party: code.clone(),
            units,
            summary: "这些设备在授权区域外激活，请说明去向。".to_owned(),
            answer_by: answer_by(house, &reference, done),
        };
        let id = hex(&cases::open(house, &done.caller, &order).await?.id);
        let note = said("与上月的情况相同，先听对方说明。", true);
        cases::say(house, &done.caller, &id, &note).await?;
        if nth == 0 {
            let them = Caller { party, ..acting(&done.caller, "key:demo") };
            let answer = said("货已由门店售出，正在核对门店的出货单。", false);
            cases::say(house, &them, &id, &answer).await?;
        }
    }
    Ok(())
}

/// Owners of one model in one province complain: the service centre there is told which devices
/// will come, and has answered.
pub async fn announce(house: &House, plan: &Plan, done: &Done) -> Result<(), FlowError> {
    let where_started = |place: usize| {
        // What leaked is spoken of with its distributor.
        let start = plan.units[place].start.as_ref().filter(|start| !start.leaked)?;
        Some((plan.units[place].model, start.city.province()?))
    };
    let mut counts: BTreeMap<_, usize> = BTreeMap::new();
    for kind in (0..plan.units.len()).filter_map(where_started) {
        *counts.entry(kind).or_default() += 1;
    }
    let Some((kind, _)) = counts.into_iter().max_by_key(|(_, count)| *count) else {
        return Ok(());
    };
    let reference = house.reference_now().await?;
    let code = format!("SC-{}1", kind.1);
    let Some(party) = reference.party(done.caller.brand, &code).map(|party| party.id) else {
        return Ok(());
    };
    let of_kind = |place: &usize| where_started(*place) == Some(kind);
    let places = (0..plan.units.len()).rev().filter(of_kind).take(FAULTY_UNITS);
    let ring = house.ring();
    let numbers = places.filter_map(|place| done.numbers[place]);
    let units = numbers.map(|n| ring.encode(unit_number(n)).as_str().to_owned()).collect();
    let order = Order {
        party: code,
        units,
        summary: "用户反映这些设备充电时发热，请预约到店检修，并告知原因。".to_owned(),
        answer_by: answer_by(house, &reference, done),
    };
    let id = hex(&cases::open(house, &done.caller, &order).await?.id);
    let them = Caller { party, ..acting(&done.caller, "key:demo") };
    let answer = said("已约到三位用户；第一台为充电接口进水，其余待检。", false);
    cases::say(house, &them, &id, &answer).await?;
    Ok(())
}

fn answer_by(house: &House, reference: &Reference, done: &Done) -> Option<Date> {
    let today = reference.day(done.caller.brand, house.clock.now());
    today.checked_add(Span::new().days(ANSWER_DAYS)).ok()
}

fn said(text: &str, internal: bool) -> Saying {
    Saying { text: text.to_owned(), internal, answer_by: None }
}
