//! What is recorded of a start: the decision, what each family of evidence said, what does not fit,
//! and what the start reads as once more is known.

use serde::{Deserialize, Serialize};

/// A finding as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FindingRow {
    /// `observe`, `suspect`, `likely`, `confirmed`.
    pub grade: String,
    /// What is suspected.
    pub kind: String,
    /// `cross_region` or `cross_border`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub nature: Option<String>,
    /// Stable reason codes.
    pub reasons: Vec<String>,
}

/// What one family of evidence said, kept whatever the grade.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FamilyRow {
    /// `ip`, `device`, `retail`, `order`.
    pub family: String,
    /// In, out, or not usable.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub inside: Option<bool>,
    /// `country`, `province`, `city`, `district`, `none`.
    pub level: String,
    /// Why it says so, beyond in and out: stable codes, in the order in which they were found.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub reasons: Vec<String>,
    /// Where it says the device is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub region: Option<String>,
    /// Log-likelihood in thousandths; positive is outside.
    pub score_milli: i64,
}

/// A fence of a grant that a position lay in. A grant never gets other fences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FenceRow {
    /// Its place among the fences of the grant, from 0.
    pub place: i64,
    /// The grant.
    pub territory: i64,
}

/// The decision an activation event holds. Raw signals are not here: they live encrypted in an
/// observation and are forgotten after their retention.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ActivatedBody {
    /// When it is held to have happened, microseconds.
    pub activated_at: i64,
    /// `attested`, `brand_server`, `app`, `public`.
    pub assurance: String,
    /// The batch its code comes from, when this event is the first ever said of the unit: it was
    /// activated before its production record came.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub batch: Option<i64>,
    /// The party the goods were bound to then.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bound_to: Option<i64>,
    /// False: the sender's clock was not believed.
    pub clock_believed: bool,
    /// Per-family readings.
    pub families: Vec<FamilyRow>,
    /// The fences, of the grants that bound the goods, that the position lay in.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub fences: Vec<FenceRow>,
    /// What does not fit.
    pub findings: Vec<FindingRow>,
    /// Keyed hash of the device fingerprint, hex.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fingerprint: Option<String>,
    /// First of its life.
    pub first: bool,
    /// `consistent`, `unknown`, `observe`, `suspect`, `likely`.
    pub grade: String,
    /// Which life.
    pub life: i64,
    /// The level the grade speaks at.
    pub level: String,
    /// The class the address was weighed as: `fixed`, `mobile`, `unknown`, `hosting`. Events from
    /// before this field do not say it, nor do those without an address that could say anything.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub network: Option<String>,
    /// Product of that batch, given together with it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub product: Option<i64>,
    /// Best believed region without what anyone may say, where that is another; empty for none.
    /// What the public is told.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub public_region: Option<String>,
    /// Best believed region.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub region: Option<String>,
    /// SHA-256 of the canonical signals and a blind, hex.
    pub signals_digest: String,
    /// Databases, location model and policies used.
    pub versions: String,
}

impl ActivatedBody {
    /// The region that the public is told.
    pub fn region_told(&self) -> Option<&str> {
        let told = self.public_region.as_ref().or(self.region.as_ref());
        told.map(String::as_str).filter(|region| !region.is_empty())
    }
}

/// A start that was held to be of the life before: that a further one had opened by then was told
/// only after it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartRow {
    /// When it is held to have happened, microseconds.
    pub activated_at: i64,
    /// The activation, hex.
    pub activation: String,
    /// Keyed hash of the device fingerprint, hex.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fingerprint: Option<String>,
    /// Its region, as the public is told it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub region: Option<String>,
}

/// What an activation reads as on what became known later, in place of what was recorded with it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReadingRow {
    /// The activation, hex.
    pub activation: String,
    /// The party the goods were bound to then.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bound_to: Option<i64>,
    /// Per-family readings.
    pub families: Vec<FamilyRow>,
    /// The fences, of the grants that bound the goods, that the position lay in.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub fences: Vec<FenceRow>,
    /// `consistent`, `unknown`, `observe`, `suspect`, `likely`.
    pub grade: String,
    /// The level the grade speaks at.
    pub level: String,
    /// The class the address was weighed as.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub network: Option<String>,
    /// Best believed region.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub region: Option<String>,
    /// Databases, location model and policies used.
    pub versions: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{BlindKey, canonical_text, seal, unseal};
    use crate::event::Body;

    /// As it was written before there were reasons of families, fences and classes.
    const BEFORE: &str = concat!(
        r#"{"actor":"device","body":{"activated_at":5,"assurance":"app","bound_to":4,"#,
        r#""clock_believed":true,"families":[{"family":"ip","inside":false,"level":"province","#,
        r#""region":"42","score_milli":1897}],"findings":[],"first":true,"grade":"observe","#,
        r#""kind":"activated","level":"province","life":0,"region":"42","#,
        r#""signals_digest":"00","versions":"v"},"brand":1,"happened_at":5,"home":7,"#,
        r#""id":"01010101-0101-0101-0101-010101010101","offset_minutes":480,"recorded_at":6}"#
    );
    const ADDED_BEFORE: &str = concat!(
        r#"{"kind":"finding_added","activated_at":3,"activation":"0a","because":"0b","#,
        r#""bound_to":4,"findings":[],"versions":"v"}"#
    );
    const WITHDRAWN_BEFORE: &str = concat!(
        r#"{"kind":"finding_withdrawn","finding":"0a","finding_kind":"never_shipped","#,
        r#""because":"0b"}"#
    );

    #[test]
    fn what_was_written_before_a_field_keeps_its_bytes() {
        let event = unseal(BEFORE, &[]).unwrap();
        let sealed = seal(&event, &BlindKey::new(&[1; 32])).unwrap();
        assert_eq!(sealed.canonical, BEFORE);
        let Body::Activated(body) = &event.body else { panic!("{event:?}") };
        assert_eq!((&body.network, body.fences.len()), (&None, 0));
        assert!(body.families[0].reasons.is_empty());
        for old in [ADDED_BEFORE, WITHDRAWN_BEFORE] {
            let body: Body = serde_json::from_str(old).unwrap();
            assert_eq!(serde_json::to_string(&body).unwrap(), old);
        }
    }

    #[test]
    fn what_is_written_now_is_in_canonical_form_and_reads_back() {
        let family = FamilyRow {
            family: "ip".into(),
            inside: None,
            level: "none".into(),
            reasons: vec!["address_hosting".into()],
            region: None,
            score_milli: 0,
        };
        let fences = vec![FenceRow { place: 1, territory: 9 }];
        let reading = ReadingRow {
            activation: "0a".into(),
            bound_to: Some(4),
            families: vec![family.clone()],
            fences: fences.clone(),
            grade: "unknown".into(),
            level: "none".into(),
            network: Some("hosting".into()),
            versions: "v".into(),
            ..ReadingRow::default()
        };
        let text = serde_json::to_string(&reading).unwrap();
        assert_eq!(text, canonical_text(&serde_json::to_value(&reading).unwrap()).unwrap());
        let body = ActivatedBody {
            families: vec![family],
            fences,
            network: Some("hosting".into()),
            ..ActivatedBody::default()
        };
        let text = serde_json::to_string(&body).unwrap();
        assert_eq!(serde_json::from_str::<ActivatedBody>(&text).unwrap(), body);
        let withdrawn = Body::FindingWithdrawn {
            finding: "0a".into(),
            finding_kind: "never_shipped".into(),
            because: "0b".into(),
            reading: Some(Box::new(reading)),
        };
        let text = serde_json::to_string(&withdrawn).unwrap();
        assert_eq!(serde_json::from_str::<Body>(&text).unwrap(), withdrawn);
    }
}
