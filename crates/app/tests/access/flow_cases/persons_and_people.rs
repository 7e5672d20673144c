//! Consumers to whom units are bound, and the people who work here.

use super::*;
use dossier::flows::people;

const WHY: &str = "the owner asked";

pub(super) fn persons() -> Vec<Flow> {
    vec![
        flow!("personal::admit", "BRAND" Persons, not ALL_BUT_BRAND, OwnOnly, |stage, caller| {
            told(personal::admit(&stage.house, &caller).await)
        }),
        flow!("personal::find", "BRAND" PersonsRead, not ALL_BUT_BRAND, Refused, |stage, caller| {
            told(personal::find(&stage.house, &caller, TELEPHONE, WHY).await)
        }),
        flow!("personal::show", "BRAND" Persons, not ALL_BUT_BRAND, Refused, |stage, caller| {
            told(personal::show(&stage.house, &caller, &stage.person, (WHY, true)).await)
        }),
        flow!("personal::agree", "BRAND" Persons, not ALL_BUT_BRAND, Refused, |stage, caller| {
            let agreed = (domain::person::Purpose::Marketing, true);
            told(personal::agree(&stage.house, &caller, &stage.person, agreed).await)
        }),
        flow!("personal::correct", "BRAND" Persons, not ALL_BUT_BRAND, Refused, |stage, caller| {
            let phone = Some("+8613900139000".to_owned());
            let correction = personal::Correction { phone, ..personal::Correction::default() };
            told(personal::correct(&stage.house, &caller, &stage.person, &correction).await)
        }),
        flow!("personal::hold", "BRAND" Persons, not ALL_BUT_BRAND, Refused, |stage, caller| {
            told(personal::hold(&stage.house, &caller, &stage.person, None).await)
        }),
        flow!("personal::erase", "BRAND" Persons, not ALL_BUT_BRAND, Refused, |stage, caller| {
            told(personal::erase(&stage.house, &caller, &stage.person).await)
        }),
        flow!("retention::list", "BRAND" Audit, not ALL_BUT_BRAND, OwnOnly, |stage, caller| {
            told(retention::list(&stage.house, &caller).await)
        }),
    ]
}

fn desk() -> people::Order {
    people::Order {
        party: "T1-53".to_owned(),
        role: Role::Desk,
        regions: Vec::new(),
        name: String::new(),
    }
}

/// Who gives a role holds every scope of it.
fn as_able_as_a_desk(caller: Caller) -> Caller {
    let mut scopes = caller.scopes.clone();
    scopes.extend([Scope::Verify, Scope::Read]);
    Caller { scopes, ..caller }
}

pub(super) fn who_works_here() -> Vec<Flow> {
    const OTHERS: &[&str] = &["T1-42", "SHOP-53"];
    vec![
        flow!("people::list", "T1-53" PeopleRead, not &[], OwnOnly, |stage, caller| {
            let list = people::list(&stage.house, &caller).await?;
            let named = list.iter().map(|one| (&one.names.name, one.membership.account));
            told::<_, FlowError>(Ok(named.collect::<Vec<_>>()))
        }),
        flow!("people::invitations", "T1-53" PeopleRead, not &[], OwnOnly, |stage, caller| {
            told(people::invitations(&stage.house, &caller).await)
        }),
        flow!("people::invite", "T1-53" People, not OTHERS, Refused, |stage, caller| {
            let caller = as_able_as_a_desk(caller);
            told(people::invite(&stage.house, &caller, &desk()).await)
        }),
        flow!("people::change", "T1-53" People, not OTHERS, Refused, |stage, caller| {
            let caller = as_able_as_a_desk(caller);
            let regions = Some(vec!["53".to_owned()]);
            let change = people::Change { regions, ..people::Change::default() };
            let done = people::change(&stage.house, &caller, &stage.member, &change).await;
            done.map(|_| "changed".to_owned())
        }),
        flow!("people::remove", "T1-53" People, not OTHERS, Refused, |stage, caller| {
            let caller = as_able_as_a_desk(caller);
            told(people::remove(&stage.house, &caller, (&stage.member, None)).await)
        }),
        flow!("people::withdraw", "T1-53" People, not OTHERS, Refused, |stage, caller| {
            let caller = as_able_as_a_desk(caller);
            told(people::withdraw(&stage.house, &caller, &stage.invitation).await)
        }),
    ]
}
