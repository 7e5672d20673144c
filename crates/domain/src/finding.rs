//! Findings: suspicions with evidence. A finding never stops a command, locks a device or touches
//! a consumer's rights; it is for the people who watch the channel.

/// How sure a finding is. `Confirmed` is said by a person only, never by a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FindingGrade {
    /// Worth counting, not worth a call.
    Observe,
    /// Two independent reasons; someone should look.
    Suspect,
    /// Very probably so.
    Likely,
    /// A person looked and says so.
    Confirmed,
}

impl FindingGrade {
    /// Every grade, weakest first.
    pub const ALL: [Self; 4] = [Self::Observe, Self::Suspect, Self::Likely, Self::Confirmed];

    /// The word in API and store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Suspect => "suspect",
            Self::Likely => "likely",
            Self::Confirmed => "confirmed",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|g| g.as_str() == word)
    }

    /// The least that someone must see.
    pub const LEAST_ALERTED: Self = Self::Suspect;

    /// Whether someone must see it: an alert is written.
    pub fn alerts(self) -> bool {
        self >= Self::LEAST_ALERTED
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $word:literal $zh:literal;)+) => {
        /// What is suspected.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum FindingKind {
            $($(#[$doc])* $name,)+
        }

        impl FindingKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The word in API and store.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word),+ }
            }

            /// The word for people who read Chinese.
            pub fn zh(self) -> &'static str {
                match self { $(Self::$name => $zh),+ }
            }

            /// Reads the word back.
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|k| k.as_str() == word)
            }
        }
    };
}

kinds! {
    /// Activated where the goods may not be sold.
    OutsideTerritory "outside_territory" "异地激活";
    /// Sold by a shop outside the subtree of the party the goods are bound to.
    OtherChannel "other_channel" "非所属渠道销售";
    /// Activated though no shipment moved it out of its maker's hands.
    NeverShipped "never_shipped" "未发运即激活";
    /// Activated before any production record.
    NotProduced "not_produced" "无生产记录";
    /// A second activation of one life by another device.
    ActivatedAgain "activated_again" "重复激活";
    /// Activated while under recall.
    Recalled "recalled" "召回中";
    /// Reported stolen, before the activation or since.
    Stolen "stolen" "已挂失";
    /// Activated after it was decommissioned.
    Decommissioned "decommissioned" "已停用";
}

/// Inside the country or across its customs border: 窜货 or 水货.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Nature {
    /// 窜货: another region of the same market.
    CrossRegion,
    /// 水货: another market.
    CrossBorder,
}

impl Nature {
    /// The word in API and store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CrossRegion => "cross_region",
            Self::CrossBorder => "cross_border",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::CrossRegion, Self::CrossBorder].into_iter().find(|n| n.as_str() == word)
    }
}

/// A suspicion with its evidence.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What is suspected.
    pub kind: FindingKind,
    /// How sure.
    pub grade: FindingGrade,
    /// For [`FindingKind::OutsideTerritory`]: which kind of outside.
    pub nature: Option<Nature>,
    /// Stable reason codes, most telling first.
    pub reasons: Vec<String>,
}

impl Finding {
    /// A finding that needs no nature.
    pub fn new(kind: FindingKind, grade: FindingGrade, reason: &str) -> Self {
        Self { kind, grade, nature: None, reasons: vec![reason.to_owned()] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip() {
        for kind in FindingKind::ALL {
            assert_eq!(FindingKind::parse(kind.as_str()), Some(*kind));
        }
        for grade in FindingGrade::ALL {
            assert_eq!(FindingGrade::parse(grade.as_str()), Some(grade));
        }
    }

    #[test]
    fn only_suspect_and_above_alert() {
        assert!(!FindingGrade::Observe.alerts());
        assert!(FindingGrade::Suspect.alerts() && FindingGrade::Likely.alerts());
    }
}
