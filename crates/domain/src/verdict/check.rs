//! The single things looked at, shown beside a verdict.
//!
//! An answer claims only what was checked: a check that was not made, or had nothing to look at,
//! is *not applicable* and never *ok*. The tests stand in the parent, next to the verdicts.

use super::{CodeReading, Inspection, UnitFacts, VerdictFacts};

/// One thing looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Check {
    /// The code was issued and is not voided (编码有效).
    CodeValid,
    /// No second device activated the unit (激活唯一).
    ActivationUnique,
    /// The scans look like those of one thing (查询正常).
    ScansNormal,
    /// The unit passed its inspection.
    InspectionPassed,
    /// No recall.
    NotRecalled,
    /// Not reported stolen or lost.
    NotStolen,
    /// Not taken out of use.
    InService,
    /// A scratch code proved the thing at hand.
    PhysicalProof,
    /// Refurbished officially.
    OfficialRefurbished,
}

impl Check {
    /// Every check, the three of the public page first.
    pub const ALL: [Self; 9] = [
        Self::CodeValid,
        Self::ActivationUnique,
        Self::ScansNormal,
        Self::InspectionPassed,
        Self::NotRecalled,
        Self::NotStolen,
        Self::InService,
        Self::PhysicalProof,
        Self::OfficialRefurbished,
    ];

    /// The stable name used in replies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CodeValid => "code_valid",
            Self::ActivationUnique => "activation_unique",
            Self::ScansNormal => "scans_normal",
            Self::InspectionPassed => "inspection_passed",
            Self::NotRecalled => "not_recalled",
            Self::NotStolen => "not_stolen",
            Self::InService => "in_service",
            Self::PhysicalProof => "physical_proof",
            Self::OfficialRefurbished => "official_refurbished",
        }
    }
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CheckState {
    /// Looked at, in order.
    Ok,
    /// Looked at, not in order.
    Warn,
    /// Not looked at, or there was nothing to look at. Claims nothing.
    NotApplicable,
}

impl CheckState {
    /// The stable name used in replies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::NotApplicable => "not_applicable",
        }
    }

    const fn ok_if(holds: bool) -> Self {
        if holds { Self::Ok } else { Self::Warn }
    }

    const fn ok_or_nothing(holds: bool) -> Self {
        if holds { Self::Ok } else { Self::NotApplicable }
    }
}

/// How `check` came out.
pub(super) fn state(check: Check, facts: &VerdictFacts) -> CheckState {
    match (check, answered_unit(facts)) {
        (Check::CodeValid, _) => code_state(facts),
        (_, None) => CheckState::NotApplicable,
        (_, Some(unit)) => unit_state(check, &unit),
    }
}

/// The unit, unless the store did not answer or the code is no code of ours: then nothing about a
/// unit was checked.
fn answered_unit(facts: &VerdictFacts) -> Option<UnitFacts> {
    let never_issued = matches!(facts.code, CodeReading::Forged | CodeReading::Unissued);
    facts.unit.filter(|_| facts.store_available && !never_issued)
}

fn code_state(facts: &VerdictFacts) -> CheckState {
    match facts.code {
        CodeReading::NotACode => CheckState::NotApplicable,
        CodeReading::Forged => CheckState::Warn,
        _ if !facts.store_available => CheckState::NotApplicable,
        code => CheckState::ok_if(code == CodeReading::Issued),
    }
}

fn unit_state(check: Check, unit: &UnitFacts) -> CheckState {
    // A lifted suspicion claims nothing: the proof stands beside it in its place.
    let suspicion = |suspect: bool| match (suspect, unit.proof_lifted) {
        (false, _) => CheckState::Ok,
        (true, true) => CheckState::NotApplicable,
        (true, false) => CheckState::Warn,
    };
    match check {
        Check::CodeValid => CheckState::NotApplicable,
        Check::ActivationUnique if !unit.activated && !unit.activated_again_suspect => {
            CheckState::NotApplicable
        }
        Check::ActivationUnique => suspicion(unit.activated_again_suspect),
        Check::ScansNormal => suspicion(unit.scan_anomaly),
        Check::InspectionPassed => match unit.inspection {
            Inspection::None => CheckState::NotApplicable,
            Inspection::Pass => CheckState::Ok,
            Inspection::Fail | Inspection::Hold => CheckState::Warn,
        },
        Check::NotRecalled => CheckState::ok_if(!unit.recalled),
        Check::NotStolen => CheckState::ok_if(!unit.stolen),
        Check::InService => CheckState::ok_if(!unit.decommissioned),
        Check::PhysicalProof => CheckState::ok_or_nothing(unit.proof_lifted),
        Check::OfficialRefurbished => CheckState::ok_or_nothing(unit.official_refurbished),
    }
}
