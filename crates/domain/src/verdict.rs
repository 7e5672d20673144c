//! What a person or a platform is told about a code or a unit.
//!
//! **Words.** A *verdict* is the one answer; its *reason* says which rule gave it; the *checks* are
//! the single things looked at, shown beside it, so that an answer claims only what was checked.
//! A *proof* is a physical one: the scratch code under its coating.
//!
//! **How.** [`PRECEDENCE`] is a list; the first rule that holds answers. Its order is the policy of
//! this file and is argued there.
//!
//! **Not here.** Where a unit was sold or activated: diversion is between the brand and its
//! distributors, so no field for it exists in [`UnitFacts`] and no verdict can come from it.
//! Who may see which check, and the wording, belong to the callers.

mod check;
pub mod scan;

pub use check::{Check, CheckState};

/// The answer, a closed set with stable names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Made by the brand, activated, nothing against it (正品).
    Genuine,
    /// Made by the brand, not yet activated (正品，待激活).
    NotActivated,
    /// May be a copy, or never passed inspection: compare with the thing itself (请核对).
    Check,
    /// The code was issued but no unit left production with it (尚未出厂).
    NotReleased,
    /// Recalled (召回).
    Recalled,
    /// Reported stolen or lost (已挂失).
    Stolen,
    /// The unit was taken out of use or the code was voided (已停用).
    Retired,
    /// No such code was ever issued (无法确认为正品).
    Forged,
    /// Nothing is known under this text (无法确认为正品).
    Unknown,
    /// It could not be checked now (暂时无法验证).
    Unavailable,
}

impl Verdict {
    /// Every verdict, in the order of declaration.
    pub const ALL: [Self; 10] = [
        Self::Genuine,
        Self::NotActivated,
        Self::Check,
        Self::NotReleased,
        Self::Recalled,
        Self::Stolen,
        Self::Retired,
        Self::Forged,
        Self::Unknown,
        Self::Unavailable,
    ];

    /// The stable name used in replies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Genuine => "genuine",
            Self::NotActivated => "not_activated",
            Self::Check => "check",
            Self::NotReleased => "not_released",
            Self::Recalled => "recalled",
            Self::Stolen => "stolen",
            Self::Retired => "retired",
            Self::Forged => "forged",
            Self::Unknown => "unknown",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Which rule gave the verdict, a closed set with stable names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The code fails its own arithmetic or its number lies outside every issued range. One name
    /// for both: a forger must not learn how near he came.
    NeverIssued,
    /// The store did not answer.
    StoreUnavailable,
    /// Neither a code nor a known identifier.
    NotFound,
    /// The operator has not confirmed who the brand is, so nothing that it says counts.
    BrandNotVouched,
    /// The unit is under a recall.
    Recalled,
    /// The unit was reported stolen or lost.
    ReportedStolen,
    /// The unit was taken out of use.
    Decommissioned,
    /// The code was voided.
    CodeVoid,
    /// No unit was commissioned with this code.
    NotCommissioned,
    /// The unit failed its inspection.
    InspectionFailed,
    /// The unit's inspection is on hold.
    InspectionHeld,
    /// Another device activated the same unit.
    ActivatedAgain,
    /// The code is scanned as only a copied one is.
    ScanAnomaly,
    /// Everything is in order; the first start is still to come.
    AwaitingActivation,
    /// Everything is in order.
    InOrder,
}

impl Reason {
    /// The stable name used in replies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NeverIssued => "never_issued",
            Self::StoreUnavailable => "store_unavailable",
            Self::NotFound => "not_found",
            Self::BrandNotVouched => "brand_not_vouched",
            Self::Recalled => "recalled",
            Self::ReportedStolen => "reported_stolen",
            Self::Decommissioned => "decommissioned",
            Self::CodeVoid => "code_void",
            Self::NotCommissioned => "not_commissioned",
            Self::InspectionFailed => "inspection_failed",
            Self::InspectionHeld => "inspection_held",
            Self::ActivatedAgain => "activated_again",
            Self::ScanAnomaly => "scan_anomaly",
            Self::AwaitingActivation => "awaiting_activation",
            Self::InOrder => "in_order",
        }
    }
}

/// What the text is, read as a trace code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CodeReading {
    /// Not shaped like one, or read as another identifier.
    NotACode,
    /// Fails its check character or its redundancy: known without any table.
    Forged,
    /// Sound, but its number lies outside every issued range.
    Unissued,
    /// Sound and issued.
    Issued,
    /// Issued and voided since.
    Void,
}

impl CodeReading {
    /// The same of a code that a unit wears. Only free codes are voided: whoever made or relabelled
    /// a unit with one did so before, and the unit is ended by a command of its own.
    pub fn of_bound(self) -> Self {
        if self == Self::Void { Self::Issued } else { self }
    }
}

/// The quality result of a unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Inspection {
    /// None was given; that alone speaks against nothing.
    #[default]
    None,
    /// Passed.
    Pass,
    /// Failed: the unit must not be on sale.
    Fail,
    /// On hold: the unit must not be on sale yet.
    Hold,
}

/// What is known of the unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct UnitFacts {
    /// The operator does not vouch for the brand whose code or number it is.
    pub brand_not_vouched: bool,
    /// Production reported the unit.
    pub commissioned: bool,
    /// Its quality result.
    pub inspection: Inspection,
    /// It was activated in its present life.
    pub activated: bool,
    /// A second activation by another device, of grade suspect or above.
    pub activated_again_suspect: bool,
    /// It is under a recall.
    pub recalled: bool,
    /// It was reported stolen or lost.
    pub stolen: bool,
    /// It was taken out of use.
    pub decommissioned: bool,
    /// [`scan::ScanPolicy::anomaly`] found one.
    pub scan_anomaly: bool,
    /// A scratch code proved the thing at hand to be the one of the brand.
    pub proof_lifted: bool,
    /// Its present life was opened by an official refurbishment.
    pub official_refurbished: bool,
}

/// Everything a verdict rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VerdictFacts {
    /// The text, read as a trace code.
    pub code: CodeReading,
    /// Whether the store answered. True as well where nothing needed to be asked.
    pub store_available: bool,
    /// The unit under the code or identifier, if any.
    pub unit: Option<UnitFacts>,
}

/// One line of the precedence list.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The answer when the rule holds.
    pub verdict: Verdict,
    /// Its reason.
    pub reason: Reason,
    /// Whether it holds.
    pub holds: fn(&VerdictFacts) -> bool,
}

/// The rules, first one first.
///
/// 1. **Forged by arithmetic** comes before *unavailable*: it needs no table, so it is as true
///    while the store is down, and a forger gains nothing from breaking it.
/// 2. **Unavailable** comes before all that rests on the store. It is never green.
/// 3. **Forged by range** needs the fresh list of ranges, hence after 2; same answer as 1.
/// 4. **Unknown** needs the absence of a unit, so everything below speaks of one thing.
/// 5. **A brand nobody vouches for** comes before all that rests on that brand's word, warnings
///    included: anyone may sign up under any name where the operator allows it, and this service
///    must not say *genuine*, or frighten anybody, on a stranger's word.
/// 6. **Recalled** comes before *stolen*: it warns of danger to life and limb, which the seller
///    and the maker owe at once to whoever holds the thing (Consumer Law Art. 19). The theft is
///    not hidden: its check shows a warning beside.
/// 7. **Stolen** comes before *retired*: a stolen unit is often taken out of use later, and what
///    the holder or a trade-in desk must learn is the theft.
/// 8. **Retired** comes before *not released*: a lost reel of labels is voided before any unit
///    wears it, and "not released yet" would promise that it will be.
/// 9. **Not released** comes before *check*: a unit that production never reported is never called
///    genuine, whatever was scanned or activated under its code.
/// 10. **Check**: inspection first, since no proof lifts it; then a second activation, the stronger
///     evidence of a copy; then scans. A proof lifts the latter two.
/// 11. **Not activated**, then **genuine**, which is all that is left.
pub const PRECEDENCE: [Rule; 16] = [
    rule(Verdict::Forged, Reason::NeverIssued, |it| it.code == CodeReading::Forged),
    rule(Verdict::Unavailable, Reason::StoreUnavailable, |it| !it.store_available),
    rule(Verdict::Forged, Reason::NeverIssued, |it| it.code == CodeReading::Unissued),
    rule(Verdict::Unknown, Reason::NotFound, |it| {
        it.code == CodeReading::NotACode && it.unit.is_none()
    }),
    rule(Verdict::Check, Reason::BrandNotVouched, |it| unit(it, |unit| unit.brand_not_vouched)),
    rule(Verdict::Recalled, Reason::Recalled, |it| unit(it, |unit| unit.recalled)),
    rule(Verdict::Stolen, Reason::ReportedStolen, |it| unit(it, |unit| unit.stolen)),
    rule(Verdict::Retired, Reason::Decommissioned, |it| unit(it, |unit| unit.decommissioned)),
    rule(Verdict::Retired, Reason::CodeVoid, |it| it.code == CodeReading::Void),
    rule(Verdict::NotReleased, Reason::NotCommissioned, |it| !unit(it, |unit| unit.commissioned)),
    rule(Verdict::Check, Reason::InspectionFailed, |it| {
        unit(it, |unit| unit.inspection == Inspection::Fail)
    }),
    rule(Verdict::Check, Reason::InspectionHeld, |it| {
        unit(it, |unit| unit.inspection == Inspection::Hold)
    }),
    rule(Verdict::Check, Reason::ActivatedAgain, |it| {
        unit(it, |unit| unit.activated_again_suspect && !unit.proof_lifted)
    }),
    rule(Verdict::Check, Reason::ScanAnomaly, |it| {
        unit(it, |unit| unit.scan_anomaly && !unit.proof_lifted)
    }),
    rule(Verdict::NotActivated, Reason::AwaitingActivation, |it| {
        unit(it, |unit| unit.commissioned && !unit.activated)
    }),
    rule(Verdict::Genuine, Reason::InOrder, |it| {
        unit(it, |unit| unit.commissioned && unit.activated)
    }),
];

const fn rule(verdict: Verdict, reason: Reason, holds: fn(&VerdictFacts) -> bool) -> Rule {
    Rule { verdict, reason, holds }
}

fn unit(facts: &VerdictFacts, holds: fn(&UnitFacts) -> bool) -> bool {
    facts.unit.as_ref().is_some_and(holds)
}

/// Every check with its state, in the order of [`Check::ALL`].
pub type Checks = [(Check, CheckState); Check::ALL.len()];

/// The answer with its reason and everything looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The answer.
    pub verdict: Verdict,
    /// Which rule gave it.
    pub reason: Reason,
    /// How they came out.
    pub checks: Checks,
}

impl Decision {
    /// How one check came out.
    pub fn state_of(&self, check: Check) -> CheckState {
        let found = self.checks.iter().find(|(it, _)| *it == check);
        found.map_or(CheckState::NotApplicable, |(_, state)| *state)
    }
}

/// Answers by the first rule of [`PRECEDENCE`] that holds. Some rule holds for every fact (the
/// tests try them all); were the list ever to leave a hole, the answer is *unknown*, not green.
pub fn decide(facts: &VerdictFacts) -> Decision {
    let (verdict, reason) = PRECEDENCE
        .iter()
        .find(|rule| (rule.holds)(facts))
        .map_or((Verdict::Unknown, Reason::NotFound), |rule| (rule.verdict, rule.reason));
    Decision {
        verdict,
        reason,
        checks: Check::ALL.map(|check| (check, check::state(check, facts))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODES: [CodeReading; 5] = [
        CodeReading::NotACode,
        CodeReading::Forged,
        CodeReading::Unissued,
        CodeReading::Issued,
        CodeReading::Void,
    ];

    /// Every unit there can be: ten flags and four inspections.
    fn every_unit() -> impl Iterator<Item = UnitFacts> {
        let inspections = [Inspection::None, Inspection::Pass, Inspection::Fail, Inspection::Hold];
        (0u32..1 << 10).flat_map(move |bits| {
            let flag = move |place: u32| bits >> place & 1 == 1;
            inspections.into_iter().map(move |inspection| UnitFacts {
                commissioned: flag(0),
                inspection,
                activated: flag(1),
                activated_again_suspect: flag(2),
                recalled: flag(3),
                stolen: flag(4),
                decommissioned: flag(5),
                scan_anomaly: flag(6),
                proof_lifted: flag(7),
                official_refurbished: flag(8),
                brand_not_vouched: flag(9),
            })
        })
    }

    /// Every fact there can be: some forty thousand.
    fn every_fact() -> impl Iterator<Item = VerdictFacts> {
        let units = || every_unit().map(Some).chain([None]);
        CODES.into_iter().flat_map(move |code| {
            [false, true].into_iter().flat_map(move |store_available| {
                units().map(move |unit| VerdictFacts { code, store_available, unit })
            })
        })
    }

    fn sold() -> UnitFacts {
        UnitFacts { commissioned: true, activated: true, ..UnitFacts::default() }
    }

    fn answer(code: CodeReading, unit: Option<UnitFacts>) -> (Verdict, Reason) {
        let decision = decide(&VerdictFacts { code, store_available: true, unit });
        (decision.verdict, decision.reason)
    }

    /// For each rule but the last: facts that make it and the next one true at once. Nothing where
    /// the two exclude each other.
    fn neighbours() -> [Option<VerdictFacts>; PRECEDENCE.len() - 1] {
        let facts =
            |code, store_available, unit| Some(VerdictFacts { code, store_available, unit });
        let issued = |unit| facts(CodeReading::Issued, true, Some(unit));
        let (held, suspect) = (Inspection::Hold, true);
        [
            facts(CodeReading::Forged, false, None),
            facts(CodeReading::Unissued, false, None),
            None, // a code never issued; no code at all
            None, // no unit; a unit
            issued(UnitFacts { brand_not_vouched: true, recalled: true, ..sold() }),
            issued(UnitFacts { recalled: true, stolen: true, ..sold() }),
            issued(UnitFacts { stolen: true, decommissioned: true, ..sold() }),
            facts(CodeReading::Void, true, Some(UnitFacts { decommissioned: true, ..sold() })),
            facts(CodeReading::Void, true, None),
            issued(UnitFacts { inspection: Inspection::Fail, ..UnitFacts::default() }),
            None, // failed; held
            issued(UnitFacts { inspection: held, activated_again_suspect: suspect, ..sold() }),
            issued(UnitFacts { activated_again_suspect: suspect, scan_anomaly: true, ..sold() }),
            issued(UnitFacts { scan_anomaly: true, activated: false, ..sold() }),
            None, // not activated; activated
        ]
    }

    #[test]
    fn the_earlier_of_two_true_neighbours_answers() {
        for (place, facts) in neighbours().into_iter().enumerate() {
            let (earlier, later) = (PRECEDENCE[place], PRECEDENCE[place + 1]);
            let both = |it: &VerdictFacts| (earlier.holds)(it) && (later.holds)(it);
            match facts {
                Some(facts) => {
                    assert!(both(&facts), "{place}: {earlier:?} and {later:?} are both true");
                    let found = decide(&facts);
                    assert_eq!((found.verdict, found.reason), (earlier.verdict, earlier.reason));
                }
                None => assert!(!every_fact().any(|it| both(&it)), "{place}: they exclude"),
            }
        }
    }

    #[test]
    fn some_rule_holds_for_every_fact_and_every_verdict_is_given() {
        let mut given = Vec::new();
        for facts in every_fact() {
            assert!(PRECEDENCE.iter().any(|rule| (rule.holds)(&facts)), "{facts:?}");
            given.push(decide(&facts).verdict);
        }
        assert!(Verdict::ALL.iter().all(|verdict| given.contains(verdict)));
    }

    /// A naive judge, written from the promises and not from the list.
    #[test]
    fn green_promises_hold_for_every_fact() {
        for facts in every_fact() {
            let found = decide(&facts);
            if !matches!(found.verdict, Verdict::Genuine | Verdict::NotActivated) {
                continue;
            }
            let unit = facts.unit.unwrap();
            assert!(facts.store_available && unit.commissioned);
            assert!(matches!(facts.code, CodeReading::Issued | CodeReading::NotACode));
            assert!(!(unit.recalled || unit.stolen || unit.decommissioned));
            assert!(!unit.brand_not_vouched);
            assert!(!matches!(unit.inspection, Inspection::Fail | Inspection::Hold));
            assert!(unit.proof_lifted || !(unit.scan_anomaly || unit.activated_again_suspect));
            assert_eq!(found.verdict == Verdict::Genuine, unit.activated);
            assert!(found.checks.iter().all(|(_, state)| *state != CheckState::Warn));
        }
    }

    #[test]
    fn all_never_issued_codes_answer_alike() {
        for unit in every_unit().map(Some).chain([None]) {
            let of = |code| decide(&VerdictFacts { code, store_available: true, unit });
            assert_eq!(of(CodeReading::Forged), of(CodeReading::Unissued));
            assert_eq!(of(CodeReading::Forged).verdict, Verdict::Forged);
        }
    }

    #[test]
    fn answers() {
        use CodeReading::{Issued, NotACode, Void};
        let shelf = UnitFacts { activated: false, ..sold() };
        let cases = [
            (NotACode, None, Verdict::Unknown, Reason::NotFound),
            (Issued, None, Verdict::NotReleased, Reason::NotCommissioned),
            (Issued, Some(UnitFacts::default()), Verdict::NotReleased, Reason::NotCommissioned),
            (Issued, Some(shelf), Verdict::NotActivated, Reason::AwaitingActivation),
            (NotACode, Some(shelf), Verdict::NotActivated, Reason::AwaitingActivation),
            (Issued, Some(sold()), Verdict::Genuine, Reason::InOrder),
            (Void, Some(sold()), Verdict::Retired, Reason::CodeVoid),
            (Void, None, Verdict::Retired, Reason::CodeVoid),
        ];
        for (code, unit, verdict, reason) in cases {
            assert_eq!(answer(code, unit), (verdict, reason), "{code:?} {unit:?}");
        }
        let activated_early = UnitFacts { commissioned: false, ..sold() };
        assert_eq!(answer(Issued, Some(activated_early)).0, Verdict::NotReleased);
    }

    #[test]
    fn a_proof_lifts_copies_but_no_inspection() {
        let copied = UnitFacts { activated_again_suspect: true, scan_anomaly: true, ..sold() };
        assert_eq!(answer(CodeReading::Issued, Some(copied)).0, Verdict::Check);
        let proven = UnitFacts { proof_lifted: true, ..copied };
        let facts =
            VerdictFacts { code: CodeReading::Issued, store_available: true, unit: Some(proven) };
        let found = decide(&facts);
        assert_eq!(found.verdict, Verdict::Genuine);
        assert_eq!(found.state_of(Check::ActivationUnique), CheckState::NotApplicable);
        assert_eq!(found.state_of(Check::PhysicalProof), CheckState::Ok);
        let failed = UnitFacts { inspection: Inspection::Fail, ..proven };
        assert_eq!(answer(CodeReading::Issued, Some(failed)).1, Reason::InspectionFailed);
    }

    #[test]
    fn nothing_is_claimed_that_was_not_checked() {
        let checks = |code, store_available, unit| {
            let found = decide(&VerdictFacts { code, store_available, unit });
            found.checks.map(|(_, state)| state)
        };
        let nothing = [CheckState::NotApplicable; Check::ALL.len()];
        assert_eq!(checks(CodeReading::Issued, false, Some(sold())), nothing);
        assert_eq!(checks(CodeReading::NotACode, true, None), nothing);
        let forged = checks(CodeReading::Forged, true, Some(sold()));
        assert_eq!(forged[0], CheckState::Warn);
        assert_eq!(forged[1..], nothing[1..]);
    }

    #[test]
    fn a_theft_shows_beside_a_recall() {
        let unit = Some(UnitFacts { recalled: true, stolen: true, ..sold() });
        let found =
            decide(&VerdictFacts { code: CodeReading::Issued, store_available: true, unit });
        assert_eq!(found.verdict, Verdict::Recalled);
        assert_eq!(found.state_of(Check::NotStolen), CheckState::Warn);
    }
}
