//! Activation: a unit's first start, once per life. It is never refused for its clock, its place
//! or its history; what does not fit becomes a finding.

use crate::code::UnitNumber;
use crate::custody::CustodyFacts;
use crate::finding::{Finding, FindingGrade, FindingKind, Nature};
use crate::id::PartyId;
use crate::party::PartyTree;
use jiff::{SignedDuration, Timestamp};

/// How far a sender's clock may run ahead before a command is future-dated.
pub const CLOCK_LEEWAY: SignedDuration = SignedDuration::from_mins(10);

/// How the activation reached us: what its signals are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Assurance {
    /// The caller may vouch for attested signals.
    Attested,
    /// The brand's own server.
    BrandServer,
    /// The brand's app.
    App,
    /// Anyone: the device itself without a key, or the public page.
    Public,
}

impl Assurance {
    /// The word in API and store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Attested => "attested",
            Self::BrandServer => "brand_server",
            Self::App => "app",
            Self::Public => "public",
        }
    }

    /// Whether its word counts for how the device is connected. `cellular` makes an address of an
    /// unknown network worth less as evidence, so whoever could gain by saying it is not believed.
    pub fn vouches_for_access(self) -> bool {
        matches!(self, Self::Attested | Self::BrandServer)
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Attested, Self::BrandServer, Self::App, Self::Public]
            .into_iter()
            .find(|a| a.as_str() == word)
    }
}

/// When the activation is held to have happened, and whether the sender's clock was believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActivatedAt {
    /// The instant custody and territory are read at.
    pub at: Timestamp,
    /// False: the sender's time was before production or ahead of us; receipt is used instead.
    pub clock_believed: bool,
}

/// `happened_at` when it lies between production and receipt + 10 minutes, else the receipt.
/// `not_before`: the production; while nothing tells of one, the making of the code, as nothing
/// that bears it can be older.
pub fn activated_at(
    happened_at: Timestamp,
    received_at: Timestamp,
    not_before: Option<Timestamp>,
) -> ActivatedAt {
    let not_before = not_before.is_none_or(|made| made <= happened_at);
    if not_before && happened_at <= received_at + CLOCK_LEEWAY {
        ActivatedAt { at: happened_at, clock_believed: true }
    } else {
        ActivatedAt { at: received_at, clock_believed: false }
    }
}

/// When a unit that was made then can have been started, as far as clocks may differ.
pub fn first_possible(produced_at: Timestamp) -> Timestamp {
    produced_at.saturating_sub(CLOCK_LEEWAY).unwrap_or(produced_at)
}

/// Whether a start can be one of the unit that was made then. One before it was of something else
/// that bore its name: it is nobody's first start, and dates no guarantee.
pub fn is_of_the_unit(at: Timestamp, produced_at: Option<Timestamp>) -> bool {
    produced_at.is_none_or(|made| first_possible(made) <= at)
}

/// The life an activation belongs to, 0 for the first: the latest that was open by then.
/// `openings` are those of lives 1, 2 … in order. A device reports late, sometimes after its unit
/// was taken back and renewed: its start belongs to the life it was in, and opens no later one.
pub fn life_at(openings: &[Timestamp], at: Timestamp) -> usize {
    openings.iter().rposition(|opened| *opened <= at).map_or(0, |place| place + 1)
}

/// What the location evidence says, already weighed.
#[derive(Clone, Debug, Default)]
pub struct Outside {
    /// How sure; none when it is not outside or nobody can say.
    pub grade: Option<FindingGrade>,
    /// Which kind of outside.
    pub nature: Option<Nature>,
    /// Stable reason codes.
    pub reasons: Vec<String>,
}

/// The first activation of this life, when there was one.
#[derive(Clone, Debug)]
pub struct Earlier {
    /// The keyed hash of its device's fingerprint, when one was sent.
    pub fingerprint: Option<Vec<u8>>,
}

/// What must be known to judge an activation.
#[derive(Clone, Debug)]
pub struct ActivationFacts<'a> {
    /// The unit.
    pub unit: UnitNumber,
    /// When it is held to have happened.
    pub at: Timestamp,
    /// When it was produced; none when there is no production record.
    pub produced_at: Option<Timestamp>,
    /// Under recall since.
    pub recalled_at: Option<Timestamp>,
    /// Stolen since, as reported.
    pub stolen_at: Option<Timestamp>,
    /// Decommissioned since.
    pub retired_at: Option<Timestamp>,
    /// The first activation of the life it belongs to, when there was one.
    pub earlier: Option<Earlier>,
    /// Keyed hash of this device's fingerprint.
    pub fingerprint: Option<Vec<u8>>,
    /// The party named by the `store_code`, when one was sent.
    pub store: Option<PartyId>,
    /// The party whose grant binds the goods, else their holder.
    pub bound_to: Option<PartyId>,
    /// What the location evidence says.
    pub outside: Outside,
    /// Custody of the unit.
    pub custody: &'a CustodyFacts,
    /// The parties.
    pub tree: &'a PartyTree,
}

/// What an activation amounts to.
#[derive(Clone, Debug, PartialEq)]
pub struct Activation {
    /// First of its life.
    pub first: bool,
    /// What does not fit.
    pub findings: Vec<Finding>,
}

/// Judges an activation. It cannot fail: there is no way to refuse a device its first start.
pub fn decide(facts: &ActivationFacts<'_>) -> Activation {
    use FindingGrade::{Likely, Observe, Suspect};
    use FindingKind as Kind;
    let mut findings = Vec::new();
    let mut when = |holds: bool, kind, grade, reason: &str| {
        if holds {
            findings.push(Finding::new(kind, grade, reason));
        }
    };
    // Devices report late. One that was started before its recall or its end was started rightly.
    // A theft is often noticed only after the first start, so it warns in that order too; but the
    // owner may as well have started it before it was stolen from them: that is less sure.
    let since = |state: Option<Timestamp>| state.is_some_and(|from| from <= facts.at);
    let stolen = since(facts.stolen_at);
    let stolen_later = facts.stolen_at.is_some() && !stolen;
    when(stolen, Kind::Stolen, Likely, "reported_stolen");
    when(stolen_later, Kind::Stolen, Suspect, "reported_stolen_later");
    when(since(facts.recalled_at), Kind::Recalled, Suspect, "under_recall");
    when(since(facts.retired_at), Kind::Decommissioned, Likely, "decommissioned");
    let early = !is_of_the_unit(facts.at, facts.produced_at);
    when(facts.produced_at.is_none(), Kind::NotProduced, Suspect, "no_production_record");
    when(early, Kind::NotProduced, Suspect, "before_production");
    let earlier = facts.earlier.as_ref();
    if let Some((grade, reason)) = earlier.and_then(|it| again(it, facts.fingerprint.as_deref())) {
        when(true, Kind::ActivatedAgain, grade, reason);
    }
    when(never_shipped(facts), Kind::NeverShipped, Suspect, "no_shipment_left_the_maker");
    when(other_channel(facts), Kind::OtherChannel, Observe, "store_outside_bound_subtree");
    if let Some(grade) = facts.outside.grade {
        findings.push(Finding {
            kind: Kind::OutsideTerritory,
            grade,
            nature: facts.outside.nature,
            reasons: facts.outside.reasons.clone(),
        });
    }
    Activation { first: facts.earlier.is_none(), findings }
}

/// What a further start of a life says beside the first: one by the same device nothing; by another
/// it is suspect; where a side sent no fingerprint nobody can tell, which is worth counting.
pub fn again(
    earlier: &Earlier,
    fingerprint: Option<&[u8]>,
) -> Option<(FindingGrade, &'static str)> {
    match (earlier.fingerprint.as_deref(), fingerprint) {
        (Some(a), Some(b)) if a == b => None,
        (Some(_), Some(_)) => Some((FindingGrade::Suspect, "another_device")),
        _ => Some((FindingGrade::Observe, "fingerprint_missing")),
    }
}

/// No shipment moved the unit, or a pack around it, out of the hands of its maker by then.
fn never_shipped(facts: &ActivationFacts<'_>) -> bool {
    let produced = facts.produced_at.is_some() && is_of_the_unit(facts.at, facts.produced_at);
    produced && facts.custody.first_shipped(facts.unit, facts.at).is_none()
}

fn other_channel(facts: &ActivationFacts<'_>) -> bool {
    match (facts.store, facts.bound_to) {
        (Some(store), Some(bound)) => !facts.tree.is_within(store, bound),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::custody::Hold;
    use crate::custody::tests::{hold, journey, n, t, voided};
    use crate::party::tests::tree;

    fn facts<'a>(custody: &'a CustodyFacts, tree: &'a PartyTree) -> ActivationFacts<'a> {
        ActivationFacts {
            unit: n(1),
            at: t(500),
            produced_at: Some(t(100)),
            recalled_at: None,
            stolen_at: None,
            retired_at: None,
            earlier: None,
            fingerprint: Some(vec![1]),
            store: None,
            bound_to: Some(PartyId(4)),
            outside: Outside::default(),
            custody,
            tree,
        }
    }

    fn kinds(facts: &ActivationFacts<'_>) -> Vec<FindingKind> {
        decide(facts).findings.iter().map(|f| f.kind).collect()
    }

    #[test]
    fn a_plain_first_start_finds_nothing() {
        let (custody, tree) = (journey(), tree());
        assert_eq!(decide(&facts(&custody, &tree)), Activation { first: true, findings: vec![] });
    }

    #[test]
    fn clocks() {
        let at = |happened, produced: Option<i64>| {
            let when = activated_at(t(happened), t(10_000), produced.map(t));
            (when.at.as_second(), when.clock_believed)
        };
        assert_eq!(at(9_000, Some(5_000)), (9_000, true));
        assert_eq!(at(10_600, Some(5_000)), (10_600, true));
        assert_eq!(at(10_601, Some(5_000)), (10_000, false));
        assert_eq!(at(4_999, Some(5_000)), (10_000, false));
        assert_eq!(at(1, None), (1, true));
    }

    #[test]
    fn a_start_before_production_is_none_of_the_unit() {
        let (custody, tree) = (journey(), tree());
        for (produced_at, found) in [
            (None, Some("no_production_record")),
            (Some(500), None),
            (Some(500 + 600), None),
            (Some(500 + 601), Some("before_production")),
        ] {
            let produced_at = produced_at.map(t);
            let facts = ActivationFacts { produced_at, ..facts(&custody, &tree) };
            let wanted = found.map(|reason| {
                Finding::new(FindingKind::NotProduced, FindingGrade::Suspect, reason)
            });
            assert_eq!(decide(&facts).findings, Vec::from_iter(wanted), "{produced_at:?}");
            assert_eq!(is_of_the_unit(t(500), produced_at), found != Some("before_production"));
        }
    }

    #[test]
    fn an_activation_belongs_to_the_life_that_was_open_by_then() {
        let cases: [(&[i64], i64, usize); 7] = [
            (&[], 5, 0),
            (&[10], 9, 0),
            (&[10], 10, 1),
            (&[10, 20], 9, 0),
            (&[10, 20], 19, 1),
            (&[10, 20], 20, 2),
            (&[10, 10], 10, 2),
        ];
        for (openings, at, life) in cases {
            let opened: Vec<_> = openings.iter().map(|s| t(*s)).collect();
            assert_eq!(life_at(&opened, t(at)), life, "{openings:?} {at}");
        }
    }

    #[test]
    fn second_starts() {
        let (custody, tree) = (journey(), tree());
        let again = |before: Option<Vec<u8>>, now: Option<Vec<u8>>| {
            let earlier = Some(Earlier { fingerprint: before });
            let decided =
                decide(&ActivationFacts { earlier, fingerprint: now, ..facts(&custody, &tree) });
            assert!(!decided.first);
            decided.findings.first().map(|f| (f.kind, f.grade))
        };
        let kind = FindingKind::ActivatedAgain;
        assert_eq!(again(Some(vec![1]), Some(vec![1])), None);
        assert_eq!(again(Some(vec![1]), Some(vec![2])), Some((kind, FindingGrade::Suspect)));
        assert_eq!(again(None, Some(vec![2])), Some((kind, FindingGrade::Observe)));
        assert_eq!(again(Some(vec![1]), None), Some((kind, FindingGrade::Observe)));
    }

    #[test]
    fn states_count_as_of_the_first_start() {
        let (custody, tree) = (journey(), tree());
        let decided = |at: i64, [recalled_at, stolen_at, retired_at]: [Option<i64>; 3]| {
            let [recalled_at, stolen_at, retired_at] =
                [recalled_at, stolen_at, retired_at].map(|s| s.map(t));
            let facts = facts(&custody, &tree);
            let facts = ActivationFacts { at: t(at), recalled_at, stolen_at, retired_at, ..facts };
            let found = decide(&facts).findings;
            found.into_iter().map(|f| (f.kind, f.grade)).collect::<Vec<_>>()
        };
        use FindingGrade::{Likely, Suspect};
        use FindingKind::{Decommissioned, Recalled, Stolen};
        let (recalled, stolen, retired) =
            ([Some(450), None, None], [None, Some(450), None], [None, None, Some(450)]);
        assert_eq!(decided(500, recalled), [(Recalled, Suspect)]);
        assert_eq!(decided(450, recalled), [(Recalled, Suspect)]);
        assert_eq!(decided(400, recalled), []);
        assert_eq!(decided(500, stolen), [(Stolen, Likely)]);
        assert_eq!(decided(400, stolen), [(Stolen, Suspect)]);
        assert_eq!(decided(500, retired), [(Decommissioned, Likely)]);
        assert_eq!(decided(400, retired), []);
    }

    #[test]
    fn only_the_brands_own_servers_vouch_for_the_access() {
        let vouches = |a: Assurance| a.vouches_for_access();
        assert!(vouches(Assurance::Attested) && vouches(Assurance::BrandServer));
        assert!(!vouches(Assurance::App) && !vouches(Assurance::Public));
    }

    #[test]
    fn never_shipped_looks_through_packs_as_of_then() {
        let (custody, tree) = (journey(), tree());
        let before = ActivationFacts { at: t(99), ..facts(&custody, &tree) };
        assert_eq!(kinds(&before), [FindingKind::NeverShipped]);
        let bare = CustodyFacts::new([hold(1, 10, 2, None)], []);
        assert_eq!(kinds(&facts(&bare, &tree)), [FindingKind::NeverShipped]);
        let unmade = ActivationFacts { produced_at: None, ..facts(&bare, &tree) };
        assert_eq!(kinds(&unmade), [FindingKind::NotProduced]);
    }

    #[test]
    fn goods_the_factory_sent_to_the_brand_were_shipped() {
        let sent = Hold { shipment_no: Some("S".to_owned()), ..hold(1, 100, 1, Some(2)) };
        let mut custody = CustodyFacts::new([hold(1, 10, 2, None), sent], []);
        let tree = tree();
        assert_eq!(kinds(&facts(&custody, &tree)), []);
        let before = ActivationFacts { at: t(99), ..facts(&custody, &tree) };
        assert_eq!(kinds(&before), [FindingKind::NeverShipped]);
        custody.extend([voided(1, 200, 2)], []);
        assert_eq!(kinds(&facts(&custody, &tree)), [FindingKind::NeverShipped]);
    }

    #[test]
    fn the_shop_must_stand_under_the_bound_party() {
        let (custody, tree) = (journey(), tree());
        let own = ActivationFacts { store: Some(PartyId(5)), ..facts(&custody, &tree) };
        assert_eq!(kinds(&own), []);
        let other = ActivationFacts { store: Some(PartyId(7)), ..facts(&custody, &tree) };
        assert_eq!(kinds(&other), [FindingKind::OtherChannel]);
    }
}
