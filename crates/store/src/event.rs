//! Stored events: the ledger's own record types. What is written here is written for ever, so a
//! field is only ever added, never renamed; numbers are integers, instants are microseconds, and
//! nothing that a person could ask to have erased may stand in any of them.
//!
//! Fields are declared in alphabetical order: compact JSON of such a record is its canonical form
//! (RFC 8785), which a test checks.

mod activation;

pub use activation::{ActivatedBody, FamilyRow, FenceRow, FindingRow, ReadingRow, StartRow};

use domain::id::{BrandId, EventId, PartyId, SiteId};
use domain::life::Cause;
use serde::{Deserialize, Serialize};

/// One fact, by an authorised party, about one home subject and possibly many rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The unit, pack or batch it is filed under: for a bulk event the first subject's. Audit
    /// records are filed under their brand, see `domain::audit::home`.
    pub home: i64,
    /// Its name.
    pub id: EventId,
    /// The tenant.
    pub brand: BrandId,
    /// The party that says so, when one does.
    pub party: Option<PartyId>,
    /// Where, when known.
    pub site: Option<SiteId>,
    /// Who acted: an API key, `cli`, `device`, `visitor`, `system`.
    pub actor: String,
    /// When it happened, microseconds since 1970 UTC.
    pub happened_at: i64,
    /// The sender's offset from UTC, in minutes.
    pub offset_minutes: i32,
    /// When it was recorded, microseconds since 1970 UTC.
    pub recorded_at: i64,
    /// What happened.
    pub body: Body,
    /// The rows of a bulk event; empty when it is about its home alone.
    pub subjects: Vec<Subject>,
}

/// One row of a bulk event.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// The unit or pack the row is about.
    pub number: i64,
    /// What the event says of it.
    pub row: Row,
}

/// What a bulk event says of one subject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Row {
    /// A unit came off the line.
    Commissioned(Box<CommissionedRow>),
    /// The subject is one of those the event is about, and nothing more is said.
    Member {},
}

/// A unit's production record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CommissionedRow {
    /// The batch its code comes from.
    pub batch: i64,
    /// `sale`, `demo`, `gift`, `staff`, `export`, `duty_free`, `spare`, `refurbished`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub disposition: Option<String>,
    /// Its other identifiers, canonical.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub identifiers: Vec<IdentifierRow>,
    /// `pass`, `fail`, `hold`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub inspection: Option<String>,
    /// The main unit of the saleable set it belongs to: that unit's serial number or code.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kit: Option<String>,
    /// Production line.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<String>,
    /// Production lot.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lot: Option<String>,
    /// Microseconds since 1970 UTC.
    pub produced_at: i64,
    /// What it is.
    pub product: i64,
    /// Where it was made.
    pub site: i64,
    /// Brand serial number as given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sn: Option<String>,
}

/// An identifier of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentifierRow {
    /// `imei`, `meid`, `eid`, `mac`, `part`.
    pub scheme: String,
    /// Canonical value.
    pub value: String,
}

/// What a unit answers to besides its code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswersTo {
    /// Its other identifiers, canonical.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub identifiers: Vec<IdentifierRow>,
    /// Brand serial number as given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sn: Option<String>,
}

/// A field of a changed object, before and after.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldRow {
    /// What stands there now.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub after: Option<String>,
    /// What stood there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub before: Option<String>,
    /// Which field.
    pub field: String,
    /// It is personal: it changed, and its values are told nowhere.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub hidden: bool,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Body {
    /// A range of codes was minted.
    Minted {
        /// The batch.
        batch: i64,
        /// How many.
        count: i64,
        /// First number.
        first: i64,
        /// `printed`, `unprinted`, `pack`.
        purpose: String,
    },
    /// Units came off the line; one row each.
    Commissioned {
        /// The site's main product line of the chunk, for readers.
        count: i64,
    },
    /// A quality inspection.
    Inspected {
        /// `pass`, `fail`, `hold`.
        inspection: String,
        /// What was seen.
        note: String,
        /// Whether a later fact was known already that says otherwise: it is history.
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        outdated: bool,
    },
    /// Children went into a pack; one row each.
    Packed {
        /// The paper that was told, or taken back, late, and shows in whose hands the pack was
        /// opened; no children then.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        by_paper: Option<String>,
        /// Whose paper that is.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        by_sender: Option<i64>,
        /// Who holds it.
        holder: i64,
        /// True when this event opens the pack.
        opens: bool,
        /// The pack was known, and opened then, by this holder, whatever was told before.
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        opens_again: bool,
        /// Products now inside, all of them.
        products: Vec<i64>,
        /// The pack's SSCC.
        sscc: String,
    },
    /// Children left a pack; one row each.
    Unpacked {},
    /// Handed to a party, in transit.
    Shipped {
        /// Sold to one buyer as a group: explains activations far away.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        declared_group_purchase: Option<bool>,
        /// Of a late paper: when it was known to have left that pack, and when that was recorded.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        known_out: Option<(i64, i64)>,
        /// Receiver.
        to: i64,
        /// True when the sender never confirmed receipt.
        presumed: bool,
        /// Why goods go where no grant binds them.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reason: Option<String>,
        /// The sender's paper.
        shipment_no: String,
        /// The pack it left by being shipped alone.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        unpacked_from: Option<i64>,
    },
    /// Accepted.
    Received {
        /// Differences the receiver noted.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        note: Option<String>,
        /// The pack it left by being received alone.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        unpacked_from: Option<i64>,
    },
    /// A receipt did not find what its paper names.
    ReceiptDiffered {
        /// Who sent it.
        from: i64,
        /// It did not come.
        missing: bool,
        /// The sender's paper.
        shipment_no: String,
    },
    /// Handed back up the tree, in transit.
    Returned {
        /// Of a late paper: when it was known to have left that pack, and when that was recorded.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        known_out: Option<(i64, i64)>,
        /// True when the sender never confirmed receipt.
        presumed: bool,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reason: Option<String>,
        /// The sender's paper.
        shipment_no: String,
        /// Receiver.
        to: i64,
        /// The pack it left by being returned alone.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        unpacked_from: Option<i64>,
    },
    /// A shipment was taken back before it arrived.
    ShipmentVoided {
        /// The pack it had left by the paper alone, and is in again.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        back_into: Option<i64>,
        /// Who holds again.
        holder: i64,
        /// When it left that pack all the same, and when that was recorded, microseconds; none
        /// while it is in it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        out: Option<(i64, i64)>,
        /// Since when it was in that pack, microseconds.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        packed_at: Option<i64>,
        /// The paper.
        shipment_no: String,
    },
    /// First or further start of a life.
    Activated(Box<ActivatedBody>),
    /// A late fact shows what could not be known when the activation was recorded: further
    /// findings, or, where they stand, whose goods they were alone.
    FindingAdded {
        /// When the activation is held to have happened, microseconds.
        activated_at: i64,
        /// The activation it concerns, hex.
        activation: String,
        /// The fact that shows it, hex.
        because: String,
        /// The party the goods were bound to then, on what is known now.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        bound_to: Option<i64>,
        /// What does not fit; nothing further where only the reading is another.
        findings: Vec<FindingRow>,
        /// Which life the activation is of, where a life told of late says what does not fit.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        life: Option<i64>,
        /// What the activation reads as since then; none where its signals were forgotten.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reading: Option<Box<ReadingRow>>,
        /// Databases, location model and policies used.
        versions: String,
    },
    /// A late fact took a finding back.
    FindingWithdrawn {
        /// The event that wrote it, hex.
        finding: String,
        /// What was suspected.
        finding_kind: String,
        /// The fact that explains it, hex.
        because: String,
        /// What the activation reads as since then, in the last event of a look at it alone.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reading: Option<Box<ReadingRow>>,
    },
    /// A recall opened over these units; one row each.
    Recalled {
        /// Whether a later fact was known already that says otherwise: it is history.
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        outdated: bool,
        /// Why.
        reason: String,
    },
    /// A recall ended for these units.
    RecallLifted {
        /// Whether a later fact was known already that says otherwise: it is history.
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        outdated: bool,
        /// Why.
        reason: String,
    },
    /// What a recall asks was done to these units; one row each.
    RecallRemedied {
        /// What was done, in words.
        note: String,
        /// Which recall.
        recall: i64,
    },
    /// Taken out of use for ever.
    Decommissioned {
        /// Why.
        reason: String,
    },
    /// Reported stolen.
    StolenReported {
        /// Whether a later fact was known already that says otherwise: it is history.
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        outdated: bool,
        /// By whom, in words.
        reason: String,
    },
    /// Found again.
    StolenCleared {
        /// Whether a later fact was known already that says otherwise: it is history.
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        outdated: bool,
        /// Why.
        reason: String,
    },
    /// Codes that may no longer be used.
    CodesVoided {
        /// First number.
        first: i64,
        /// Last number, inclusive.
        last: i64,
        /// Why.
        reason: String,
    },
    /// A batch was handed over.
    BatchDelivered {
        /// To whom, in words.
        to: String,
    },
    /// Codes of a batch that hands them out were written out: it hands out no more.
    BatchExported {},
    /// Another code became a further name of the unit.
    AliasBound {
        /// The code's number.
        alias: i64,
    },
    /// An identifier moved away from or onto the unit.
    IdentifierMoved {
        /// What the unit answers to from now on. Events from before this field do not say it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        answers_to: Option<AnswersTo>,
        /// True: onto the unit; false: away from it.
        onto: bool,
        /// Why.
        reason: String,
        /// Which scheme.
        scheme: String,
        /// Scope number: the brand for SNs, 0 for the deployment.
        scope: i64,
        /// Canonical value.
        value: String,
    },
    /// A consumer bound the unit to a person; the person is an opaque reference.
    Registered {
        /// Opaque.
        person: String,
        /// `scratch`, `imei4`, `invoice`.
        proof: String,
        /// Day of purchase as stated, civil date.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        sold_on: Option<String>,
    },
    /// Somebody of the house has a paper of its sale.
    Sold {
        /// Whether the guarantee runs from that day.
        counts: bool,
        /// The day on the paper, civil date.
        on: String,
        /// `invoice`, `delivery`.
        paper: String,
    },
    /// A physical proof succeeded: for the first time in this life, or since another device was
    /// activated under the unit's name.
    ProofPassed {
        /// `scratch`.
        proof: String,
    },
    /// Someone found the unit suspicious; their words are kept apart.
    SuspicionReported {
        /// The observation that holds the words, hex.
        observation: String,
    },
    /// A row of reference data was made or changed; filed under its brand's home of audit records.
    Changed {
        /// What the object is called in the brand: a GTIN, a party's code, a batch's number.
        code: String,
        /// What differs; nothing where the change is all that is to be said.
        fields: Vec<FieldRow>,
        /// `product`, `party`, `site`, `territory`, `batch`, `api_key`, `code_key`, `brand`,
        /// `webhook`.
        object: String,
        /// The observation that holds the address it came from, hex.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        observation: Option<String>,
        /// `created`, `changed`, `minted`, `exported`, `delivered`, `voided`, `rotated`, `revoked`,
        /// `rewrapped`, `opened`, `closed`, `removed`, `switched_off`.
        verb: String,
    },
    /// The unit starts over: a return, a refurbishment, a replacement.
    LifeOpened {
        /// What opened it. Events from before this field say it in `reason`, in words.
        #[serde(skip_serializing_if = "Option::is_none", default, with = "life_cause")]
        cause: Option<Cause>,
        /// The new life.
        life: i64,
        /// What else is said of it.
        reason: String,
        /// Starts of the life before that are of this one, since it was told of only after them;
        /// the earliest, by which it begins, first.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        starts: Vec<StartRow>,
    },
}

impl Body {
    /// The word the event's kind is stored under.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Minted { .. } => "minted",
            Self::Commissioned { .. } => "commissioned",
            Self::Inspected { .. } => "inspected",
            Self::Packed { .. } => "packed",
            Self::Unpacked {} => "unpacked",
            Self::Shipped { .. } => "shipped",
            Self::Received { .. } => "received",
            Self::ReceiptDiffered { .. } => "receipt_differed",
            Self::Returned { .. } => "returned",
            Self::ShipmentVoided { .. } => "shipment_voided",
            Self::Activated(_) => "activated",
            Self::FindingAdded { .. } => "finding_added",
            Self::FindingWithdrawn { .. } => "finding_withdrawn",
            Self::Recalled { .. } => "recalled",
            Self::RecallLifted { .. } => "recall_lifted",
            Self::RecallRemedied { .. } => "recall_remedied",
            Self::Decommissioned { .. } => "decommissioned",
            Self::StolenReported { .. } => "stolen_reported",
            Self::StolenCleared { .. } => "stolen_cleared",
            Self::CodesVoided { .. } => "codes_voided",
            Self::BatchDelivered { .. } => "batch_delivered",
            Self::BatchExported {} => "batch_exported",
            Self::AliasBound { .. } => "alias_bound",
            Self::IdentifierMoved { .. } => "identifier_moved",
            Self::Registered { .. } => "registered",
            Self::Sold { .. } => "sold",
            Self::ProofPassed { .. } => "proof_passed",
            Self::SuspicionReported { .. } => "suspicion_reported",
            Self::Changed { .. } => "changed",
            Self::LifeOpened { .. } => "life_opened",
        }
    }
}

/// The cause of a new life as its word: the domain knows no serialisation.
mod life_cause {
    use super::Cause;
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    pub(super) fn serialize<S: Serializer>(
        cause: &Option<Cause>,
        output: S,
    ) -> Result<S::Ok, S::Error> {
        match cause {
            Some(cause) => output.serialize_str(cause.as_str()),
            None => output.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<Option<Cause>, D::Error> {
        let Some(word) = Option::<String>::deserialize(input)? else { return Ok(None) };
        let unknown = || D::Error::custom(format!("{word} opens no life"));
        Cause::parse(&word).map(Some).ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_opened_in_free_words_is_still_read() {
        let old = r#"{"kind":"life_opened","life":1,"reason":"customer sent it back"}"#;
        let body: Body = serde_json::from_str(old).unwrap();
        let reason = "customer sent it back".to_owned();
        assert_eq!(body, Body::LifeOpened { cause: None, life: 1, reason, starts: vec![] });
        assert_eq!(serde_json::to_string(&body).unwrap(), old, "and its bytes stay what they are");
        for cause in Cause::ALL {
            let reason = String::new();
            let body = Body::LifeOpened { cause: Some(cause), life: 2, reason, starts: vec![] };
            let text = serde_json::to_string(&body).unwrap();
            let said = format!(
                r#"{{"kind":"life_opened","cause":"{}","life":2,"reason":""}}"#,
                cause.as_str()
            );
            assert_eq!(text, said);
            assert_eq!(serde_json::from_str::<Body>(&text).unwrap(), body);
        }
        let other = r#"{"kind":"life_opened","cause":"whim","life":1,"reason":""}"#;
        assert!(serde_json::from_str::<Body>(other).is_err());
    }

    #[test]
    fn a_life_told_of_late_names_its_starts() {
        let start = |activated_at, fingerprint| StartRow {
            activated_at,
            activation: "0a".to_owned(),
            fingerprint,
            region: None,
        };
        let (cause, starts) =
            (Some(Cause::Return), vec![start(5, Some("0b".into())), start(6, None)]);
        let body = Body::LifeOpened { cause, life: 1, reason: String::new(), starts };
        let text = serde_json::to_string(&body).unwrap();
        let said = concat!(
            r#"{"kind":"life_opened","cause":"return","life":1,"reason":"","starts":["#,
            r#"{"activated_at":5,"activation":"0a","fingerprint":"0b"},"#,
            r#"{"activated_at":6,"activation":"0a"}]}"#
        );
        assert_eq!(text, said);
        assert_eq!(serde_json::from_str::<Body>(&text).unwrap(), body);
    }
}
