//! Webhooks: which events a party may be told of unasked, when a failed delivery is tried again,
//! and when it is over. Where one may be sent is in [`target`].
//!
//! **Who is told what.** The brand: every event of its own; records of its trail only where the
//! webhook names them. Any other party: what goods were handed on, accepted or handed back where
//! it, or a party below it, sent or receives them; and nothing else.

pub mod target;

use crate::id::PartyId;
use crate::mandate;
use crate::party::PartyTree;
use jiff::{SignedDuration, Timestamp};

/// Webhooks one party may have.
pub const WEBHOOKS_MAX: usize = 10;
/// Webhooks that the parties of one brand may have together: each reads the log by itself.
pub const WEBHOOKS_OF_BRAND_MAX: usize = 100;
/// Subjects one message lists; of more it says the count.
pub const SUBJECTS_MAX: usize = 100;
/// The wait after the first failure; each further one waits four times as long.
const WAIT_FIRST: SignedDuration = SignedDuration::from_secs(10);
/// The longest wait, before it is spread.
const WAIT_MAX: SignedDuration = SignedDuration::from_hours(1);
/// So long after its first failure an event is given up, and the next one goes on.
pub const EVENT_PATIENCE: SignedDuration = SignedDuration::from_hours(24);
/// So long without any success a webhook is switched off.
pub const WEBHOOK_PATIENCE: SignedDuration = SignedDuration::from_hours(5 * 24);
/// Where nothing was tried for so long after it was due, patience begins anew: what failed before
/// says little of now. Longer than the longest wait, and than a process is away for an update.
pub const QUIET_MAX: SignedDuration = SignedDuration::from_hours(6);
/// A webhook may be told again from an earlier entry of the log once in so long.
pub const REWIND_EVERY: SignedDuration = SignedDuration::from_hours(1);
/// How long a secret before may stay good beside the new one.
pub const OVERLAP_MAX: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Deliveries kept for each webhook, and for how long.
pub const DELIVERIES_MAX: usize = 1_000;
/// See [`DELIVERIES_MAX`].
pub const DELIVERIES_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Whom besides the brand an event may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Audience {
    /// Nobody.
    Brand,
    /// Who sent the goods and who receives them.
    Hands,
    /// Nobody, and the brand only where the webhook names the kind: it is the audit trail.
    Trail,
}

/// Kinds of events, by the words of the ledger, and whom they may be told. A kind that is not here
/// is told nobody.
pub const KINDS: [(&str, Audience); 30] = [
    ("minted", Audience::Brand),
    ("commissioned", Audience::Brand),
    ("inspected", Audience::Brand),
    ("packed", Audience::Brand),
    ("unpacked", Audience::Brand),
    ("shipped", Audience::Hands),
    ("received", Audience::Hands),
    ("receipt_differed", Audience::Hands),
    ("returned", Audience::Hands),
    ("shipment_voided", Audience::Hands),
    ("activated", Audience::Brand),
    ("finding_added", Audience::Brand),
    ("finding_withdrawn", Audience::Brand),
    ("recalled", Audience::Brand),
    ("recall_lifted", Audience::Brand),
    ("recall_remedied", Audience::Brand),
    ("decommissioned", Audience::Brand),
    ("stolen_reported", Audience::Brand),
    ("stolen_cleared", Audience::Brand),
    ("codes_voided", Audience::Brand),
    ("batch_delivered", Audience::Brand),
    ("batch_exported", Audience::Brand),
    ("alias_bound", Audience::Brand),
    ("identifier_moved", Audience::Brand),
    ("sold", Audience::Brand),
    ("registered", Audience::Brand),
    ("proof_passed", Audience::Brand),
    ("suspicion_reported", Audience::Brand),
    ("life_opened", Audience::Brand),
    ("changed", Audience::Trail),
];

/// Whom events of a kind may be told.
pub fn audience(kind: &str) -> Option<Audience> {
    KINDS.iter().find(|(word, _)| *word == kind).map(|(_, audience)| *audience)
}

/// Whether a webhook of these kinds (none for all) wants a kind.
pub fn wants(kinds: &[String], kind: &str) -> bool {
    match audience(kind) {
        None => false,
        Some(Audience::Trail) => kinds.iter().any(|wanted| wanted == kind),
        Some(_) => kinds.is_empty() || kinds.iter().any(|wanted| wanted == kind),
    }
}

/// Whether a party may be told events of a kind at all: what it cannot be told it need not ask
/// for.
pub fn may_ask(tree: &PartyTree, party: PartyId, kind: &str) -> bool {
    let hands = Some(Audience::Hands);
    audience(kind).is_some() && (mandate::is_brand(tree, party) || audience(kind) == hands)
}

/// Who sent the goods of an event and who receives them, where it is about goods that move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Between {
    /// The sender.
    pub from: Option<PartyId>,
    /// The receiver.
    pub to: Option<PartyId>,
}

/// Whether a party may be told an event of its brand.
pub fn may_know(tree: &PartyTree, party: PartyId, kind: &str, between: Between) -> bool {
    match audience(kind) {
        None => false,
        Some(_) if mandate::is_brand(tree, party) => true,
        Some(Audience::Hands) => {
            let mut hands = [between.from, between.to].into_iter().flatten();
            hands.any(|hand| tree.is_within(hand, party))
        }
        Some(Audience::Brand | Audience::Trail) => false,
    }
}

/// How a webhook fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failing {
    /// Failures in a row of the event that is next, this one included.
    pub failures: u32,
    /// When that event first failed.
    pub event_since: Timestamp,
    /// When the first delivery failed since the last one that did not.
    pub webhook_since: Timestamp,
}

/// Since when it fails, of an attempt that fails `at` an instant and was `due` before: since the
/// `first` failure, unless it was quiet in between.
pub fn failing_since(first: Option<Timestamp>, due: Timestamp, at: Timestamp) -> Timestamp {
    first.filter(|_| at.duration_since(due) <= QUIET_MAX).unwrap_or(at)
}

/// Whether a webhook may go back, by when it last did.
pub fn may_rewind(last: Option<Timestamp>, now: Timestamp) -> bool {
    last.is_none_or(|last| now.duration_since(last) >= REWIND_EVERY)
}

/// What follows a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The event is tried again then.
    Again(Timestamp),
    /// The event is given up; the next one is tried at once.
    GiveUp,
    /// The webhook is switched off; the event waits.
    SwitchOff,
}

/// What follows a failure. `spread` is drawn at random: webhooks that failed together come again
/// apart, up to a quarter of the wait later.
pub fn after(failing: &Failing, now: Timestamp, spread: u16) -> Then {
    if now.duration_since(failing.webhook_since) >= WEBHOOK_PATIENCE {
        return Then::SwitchOff;
    }
    if now.duration_since(failing.event_since) >= EVENT_PATIENCE {
        return Then::GiveUp;
    }
    Then::Again(now + wait(failing.failures, spread))
}

fn wait(failures: u32, spread: u16) -> SignedDuration {
    let factor = 4_i32.checked_pow(failures.saturating_sub(1)).unwrap_or(i32::MAX);
    let plain = WAIT_FIRST.saturating_mul(factor).min(WAIT_MAX);
    let quarter = plain.as_millis() / 4;
    let later = quarter * i128::from(spread) / i128::from(u16::MAX);
    plain + SignedDuration::from_millis(i64::try_from(later).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::BrandId;
    use crate::party::{Party, PartyKind};
    use proptest::prelude::*;
    use std::collections::HashSet;

    const FACTORY: PartyId = PartyId(2);
    const TIER_1: PartyId = PartyId(3);
    const TIER_2: PartyId = PartyId(4);
    const OTHER_TIER_1: PartyId = PartyId(5);
    const BRAND: PartyId = PartyId(1);

    fn tree() -> PartyTree {
        let party = |id: PartyId, kind, parent: Option<PartyId>| Party {
            id,
            brand: BrandId(1),
            code: format!("P{}", id.0),
            kind,
            name: String::new(),
            parent,
            region: None,
            address: String::new(),
            phone: String::new(),
            point: None,
            public: false,
            organisation: None,
            categories: Vec::new(),
        };
        PartyTree::new([
            party(BRAND, PartyKind::Brand, None),
            party(FACTORY, PartyKind::Factory, Some(BRAND)),
            party(TIER_1, PartyKind::Tier1, Some(BRAND)),
            party(TIER_2, PartyKind::Tier2, Some(TIER_1)),
            party(OTHER_TIER_1, PartyKind::Tier1, Some(BRAND)),
        ])
    }

    #[test]
    fn the_brand_is_told_everything_and_others_what_passes_through_their_hands() {
        let tree = tree();
        let between = |from, to| Between { from: Some(from), to: Some(to) };
        let table = [
            (FACTORY, "shipped", between(FACTORY, TIER_1), true),
            (TIER_1, "shipped", between(FACTORY, TIER_1), true),
            (OTHER_TIER_1, "shipped", between(FACTORY, TIER_1), false),
            (TIER_2, "shipped", between(FACTORY, TIER_1), false),
            (TIER_1, "received", between(TIER_1, TIER_2), true),
            (TIER_2, "received", between(TIER_1, TIER_2), true),
            (TIER_1, "returned", between(TIER_2, BRAND), true),
            (TIER_1, "shipment_voided", Between::default(), false),
            (TIER_1, "activated", between(TIER_1, TIER_2), false),
            (TIER_1, "finding_added", between(TIER_1, TIER_2), false),
            (TIER_1, "changed", between(TIER_1, TIER_2), false),
            (TIER_1, "no such kind", between(TIER_1, TIER_2), false),
            (BRAND, "no such kind", between(TIER_1, TIER_2), false),
        ];
        for (party, kind, hands, told) in table {
            assert_eq!(may_know(&tree, party, kind, hands), told, "{kind} to {party:?}");
        }
        for (kind, audience) in KINDS {
            assert!(may_know(&tree, BRAND, kind, Between::default()), "{kind}");
            assert!(may_ask(&tree, BRAND, kind));
            assert_eq!(may_ask(&tree, TIER_1, kind), audience == Audience::Hands, "{kind}");
        }
        // A party that is in no tree is told nothing.
        assert!(!may_know(&tree, PartyId(9), "shipped", between(FACTORY, TIER_1)));
    }

    #[test]
    fn a_webhook_without_kinds_wants_all_but_the_trail() {
        let kinds = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        assert!(wants(&[], "shipped") && wants(&[], "activated"));
        assert!(!wants(&[], "changed") && wants(&kinds(&["changed"]), "changed"));
        assert!(!wants(&kinds(&["shipped"]), "received"));
        assert!(!wants(&[], "unheard_of") && !wants(&kinds(&["unheard_of"]), "unheard_of"));
        let words: HashSet<_> = KINDS.iter().map(|(word, _)| word).collect();
        assert_eq!(words.len(), KINDS.len());
    }

    #[test]
    fn docs_hold_every_kind_and_whom_it_is_told() {
        let docs = include_str!("../../../docs/access.md");
        for (kind, audience) in KINDS {
            let row = match audience {
                Audience::Brand => format!("| {kind} | yes | – |"),
                Audience::Hands => format!("| {kind} | yes | theirs |"),
                Audience::Trail => format!("| {kind} | named | – |"),
            };
            assert!(docs.contains(&row), "docs/access.md lacks the row\n{row}");
        }
    }

    #[test]
    fn waits_grow_and_end() {
        let start: Timestamp = "2026-06-10T00:00:00Z".parse().unwrap();
        let at = |failures, hours: i64, since: i64, spread| {
            let failing = Failing {
                failures,
                event_since: start + SignedDuration::from_hours(hours),
                webhook_since: start,
            };
            after(&failing, start + SignedDuration::from_hours(since), spread)
        };
        let again = |hours: i64, secs: i64| {
            Then::Again(start + SignedDuration::from_secs(hours * 3600 + secs))
        };
        assert_eq!(at(1, 0, 0, 0), again(0, 10));
        assert_eq!(at(2, 0, 0, 0), again(0, 40));
        assert_eq!(at(5, 0, 1, 0), again(1, 2560));
        assert_eq!(at(6, 0, 1, 0), again(1, 3600));
        assert_eq!(at(u32::MAX, 0, 23, 0), again(24, 0));
        assert_eq!(at(6, 0, 1, u16::MAX), again(1, 4500));
        assert_eq!(at(30, 0, 24, 0), Then::GiveUp);
        assert_eq!(at(1, 118, 119, 0), again(119, 10));
        assert_eq!(at(1, 120, 120, 0), Then::SwitchOff);
    }

    #[test]
    fn patience_counts_attempts_without_a_gap() {
        let start: Timestamp = "2026-06-10T00:00:00Z".parse().unwrap();
        let at = |hours: i64| start + SignedDuration::from_hours(hours);
        // First failure, when it was due, when it is tried; since when it fails.
        let table = [
            (None, 0, 0, 0),
            (None, 0, 90, 90),
            (Some(0), 1, 1, 0),
            (Some(0), 1, 7, 0),
            (Some(0), 1, 8, 8),
            (Some(0), 100, 101, 0),
            (Some(0), 119, 120, 0),
            (Some(0), 24, 24 * 5, 24 * 5),
        ];
        for (first, due, tried, since) in table {
            let told = failing_since(first.map(at), at(due), at(tried));
            assert_eq!(told, at(since), "{first:?} {due} {tried}");
        }
        // After an outage and quiet days one failure is one failure.
        let since = failing_since(Some(at(0)), at(24), at(24 * 6));
        let failing = Failing { failures: 1, event_since: since, webhook_since: since };
        let again = Then::Again(at(24 * 6) + WAIT_FIRST);
        assert_eq!(after(&failing, at(24 * 6), 0), again);
    }

    #[test]
    fn a_webhook_goes_back_once_an_hour() {
        let start: Timestamp = "2026-06-10T00:00:00Z".parse().unwrap();
        let second = SignedDuration::from_secs(1);
        for (since, may) in
            [(SignedDuration::ZERO, false), (REWIND_EVERY - second, false), (REWIND_EVERY, true)]
        {
            assert_eq!(may_rewind(Some(start), start + since), may, "{since}");
        }
        assert!(may_rewind(None, start));
    }

    proptest! {
        #[test]
        fn no_wait_is_shorter_than_the_one_before(failures in 1_u32..60, spread in any::<u16>()) {
            prop_assert!(wait(failures + 1, 0) >= wait(failures, 0));
            let spread_out = wait(failures, spread);
            prop_assert!(spread_out >= wait(failures, 0));
            prop_assert!(spread_out <= WAIT_MAX * 5 / 4);
        }
    }
}
