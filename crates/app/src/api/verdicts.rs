//! What a verify request is told: every field is always there, so that the shape of an answer
//! says nothing the verdict does not.

use super::activations::WarrantyReply;
use crate::flows::reference::{Recall, Reference};
use domain::custody::Hop;
use domain::product::Product;
use domain::verdict::{Check, CheckState, Checks};
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// One thing looked at.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckReply {
    /// Which.
    pub check: &'static str,
    /// `ok`, `warn`, `not_applicable`.
    pub state: &'static str,
}

/// The checks as they stand in an answer. There are few ways for them to come out and many answers,
/// so each is written once.
#[derive(Clone, Debug)]
pub struct ChecksText(Arc<RawValue>);

impl ChecksText {
    /// Ways that a thread keeps the texts of; beyond that it begins anew.
    const KEPT_MAX: usize = 1_024;

    /// The text of checks that came out like this.
    pub fn of(checks: &Checks) -> Self {
        thread_local! {
            static KEPT: RefCell<HashMap<Checks, Arc<RawValue>>> = RefCell::default();
        }
        KEPT.with_borrow_mut(|kept| {
            if let Some(text) = kept.get(checks) {
                return Self(Arc::clone(text));
            }
            let reply = |&(check, state): &(Check, CheckState)| CheckReply {
                check: check.as_str(),
                state: state.as_str(),
            };
            let written = to_raw_value(&checks.each_ref().map(reply));
            let text: Arc<RawValue> = Arc::from(written.unwrap_or_default());
            if kept.len() >= Self::KEPT_MAX {
                kept.clear();
            }
            kept.insert(*checks, Arc::clone(&text));
            Self(text)
        })
    }
}

impl Serialize for ChecksText {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(output)
    }
}

/// What it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProductReply {
    /// 14 digits.
    pub gtin: String,
    /// Name in Chinese.
    pub name_zh: String,
    /// Name in English.
    pub name_en: String,
    /// Which warranty policy holds.
    pub category: &'static str,
    /// The maker's designation.
    pub model: String,
    /// Size, colour, memory.
    pub spec: String,
    /// Who answers for it.
    pub maker: String,
    /// Who made it, when another.
    pub contract_maker: String,
    /// Standards executed.
    pub standards: Vec<String>,
    /// CCC certificate.
    pub ccc_certificate: String,
    /// Who gave the certificate.
    pub certificate_body: String,
    /// `valid`, `suspended` or `withdrawn`, as its body says; null where nobody said.
    #[schema(required = true)]
    pub certificate_status: Option<&'static str>,
    /// First day of the certificate.
    #[schema(required = true)]
    pub certificate_from_on: Option<String>,
    /// Last day of the certificate.
    #[schema(required = true)]
    pub certificate_to_on: Option<String>,
    /// Production licence.
    pub licence: String,
    /// Reference of the test report.
    pub test_report: String,
    /// Months from production that its use is recommended for.
    #[schema(required = true)]
    pub service_months: Option<u16>,
    /// Address of a picture.
    pub picture: String,
}

impl From<&Product> for ProductReply {
    fn from(p: &Product) -> Self {
        let papers = &p.certification;
        Self {
            gtin: p.gtin.clone(),
            name_zh: p.name_zh.clone(),
            name_en: p.name_en.clone(),
            category: p.category.as_str(),
            model: p.model.clone(),
            spec: p.spec.clone(),
            maker: p.maker.clone(),
            contract_maker: p.contract_maker.clone(),
            standards: p.standards.clone(),
            ccc_certificate: p.ccc_certificate.clone(),
            certificate_body: papers.body.clone(),
            certificate_status: papers.status.map(|status| status.as_str()),
            certificate_from_on: papers.from_on.map(|day| day.to_string()),
            certificate_to_on: papers.to_on.map(|day| day.to_string()),
            licence: papers.licence.clone(),
            test_report: papers.test_report.clone(),
            service_months: papers.service_months,
            picture: p.picture.clone(),
        }
    }
}

/// A product as it stands in an answer about one of its units. Its text is the same in all of them
/// and half of most, so it is written once for each product, not for each answer.
#[derive(Clone, Debug)]
pub struct ProductText(Arc<RawValue>);

impl ProductText {
    /// Products whose texts a thread keeps; beyond that it begins anew.
    const KEPT_MAX: usize = 1_024;

    /// The text of a product; none where it cannot be written, which does not happen.
    pub fn of(product: &Arc<Product>) -> Option<Self> {
        type Kept = HashMap<*const Product, (Arc<Product>, Arc<RawValue>)>;
        thread_local! {
            static KEPT: RefCell<Kept> = RefCell::default();
        }
        KEPT.with_borrow_mut(|kept| {
            // What is kept keeps its product, so no other can come to lie at its address.
            if let Some((_, text)) = kept.get(&Arc::as_ptr(product)) {
                return Some(Self(Arc::clone(text)));
            }
            let written = to_raw_value(&ProductReply::from(product.as_ref()));
            let text: Arc<RawValue> = Arc::from(written.ok()?);
            if kept.len() >= Self::KEPT_MAX {
                kept.clear();
            }
            kept.insert(Arc::as_ptr(product), (Arc::clone(product), Arc::clone(&text)));
            Some(Self(text))
        })
    }
}

impl Serialize for ProductText {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(output)
    }
}

/// How the unit stands. What the caller may not see is null.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct StateReply {
    /// Day of production, in the brand's zone.
    #[schema(required = true)]
    pub produced_on: Option<String>,
    /// Whether it was activated in its present life.
    #[schema(required = true)]
    pub activated: Option<bool>,
    /// On which day.
    #[schema(required = true)]
    pub activated_on: Option<String>,
    /// In which city (or province, when no more is known).
    #[schema(required = true)]
    pub activated_in: Option<String>,
    /// Which of its lives.
    #[schema(required = true)]
    pub life: Option<i64>,
    /// Trace code.
    #[schema(required = true)]
    pub code: Option<String>,
    /// Serial number.
    #[schema(required = true)]
    pub sn: Option<String>,
    /// Quality result.
    #[schema(required = true)]
    pub inspection: Option<String>,
    /// Looks by consumers, this one not counted.
    #[schema(required = true)]
    pub scan_count: Option<i64>,
    /// The first of them.
    #[schema(required = true)]
    pub first_scanned_at: Option<String>,
}

/// One hand the unit went through.
#[derive(Debug, Serialize, ToSchema)]
pub struct HopReply {
    /// Party code.
    pub party: String,
    /// Its name.
    pub name: String,
    /// Since when.
    pub since: String,
    /// `produced`, `shipped`, `received`, `returned`, …
    pub kind: &'static str,
    /// Whether it is still on its way to that party.
    pub in_transit: bool,
    /// Whether the party's receipt is presumed from its later shipment.
    pub presumed: bool,
}

impl HopReply {
    /// A hop as a reply; nothing when its party is unknown.
    pub fn of(reference: &Reference, brand: i64, hop: &Hop<'_>) -> Option<Self> {
        let hold = hop.hold;
        let party = reference.tree.get(hold.party)?;
        Some(Self {
            party: party.code.clone(),
            name: party.name.clone(),
            since: super::instant_text(reference, brand, hold.at),
            kind: hold.kind.as_str(),
            in_transit: hop.in_transit,
            presumed: hop.presumed,
        })
    }
}

/// In whose hands it is, as far as the caller may know.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct CustodyReply {
    /// Name of the channel, when its party is public.
    #[schema(required = true)]
    pub channel: Option<String>,
    /// The hands the caller may see, oldest first.
    pub hops: Vec<HopReply>,
}

/// Whether a party may sell it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SellerReply {
    /// The party asked about.
    pub party: String,
    /// Whether it may.
    pub authorised: bool,
    /// Why or why not.
    pub answer: &'static str,
}

/// What a recall says to everybody.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecallNoticeReply {
    /// Its number.
    pub id: i64,
    /// What it is called, in Chinese.
    pub title_zh: String,
    /// In English, may be empty.
    pub title_en: String,
    /// What is wrong, in Chinese.
    pub reason_zh: String,
    /// In English, may be empty.
    pub reason_en: String,
    /// What the owner should do, in Chinese.
    pub action_zh: String,
    /// In English, may be empty.
    pub action_en: String,
    /// Address of the published notice.
    #[schema(required = true)]
    pub link: Option<String>,
    /// When it was opened.
    pub opened_at: String,
}

impl RecallNoticeReply {
    /// The words of a recall.
    pub fn of(reference: &Reference, recall: &Recall) -> Self {
        let row = &recall.row;
        let opened_at = crate::flows::custody::instant(row.opened_at);
        Self {
            id: row.id,
            title_zh: row.title_zh.clone(),
            title_en: row.title_en.clone(),
            reason_zh: row.reason_zh.clone(),
            reason_en: row.reason_en.clone(),
            action_zh: row.action_zh.clone(),
            action_en: row.action_en.clone(),
            link: row.link.clone(),
            opened_at: super::instant_text(reference, row.brand, opened_at),
        }
    }
}

/// The answer. Every field is always there, whatever the verdict.
#[derive(Debug, Serialize, ToSchema)]
pub struct VerifyReply {
    /// `genuine`, `not_activated`, `check`, `not_released`, `recalled`, `stolen`, `retired`,
    /// `forged`, `unknown`, `unavailable`.
    pub verdict: &'static str,
    /// Which rule gave it.
    pub reason: &'static str,
    /// What was looked at.
    #[schema(value_type = Vec<CheckReply>)]
    pub checks: ChecksText,
    /// What it is.
    #[schema(value_type = Option<ProductReply>, required = true)]
    pub product: Option<ProductText>,
    /// How it stands.
    pub state: StateReply,
    /// In whose hands it is.
    pub custody: CustodyReply,
    /// The recall it stands under.
    #[schema(required = true)]
    pub recall: Option<RecallNoticeReply>,
    /// The guarantee.
    #[schema(required = true)]
    pub warranty: Option<WarrantyReply>,
    /// The seller asked about.
    #[schema(required = true)]
    pub seller: Option<SellerReply>,
}

/// One reading of a text that names two units.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChoiceReply {
    /// The scheme that gives this reading.
    pub scheme: &'static str,
    /// Its answer.
    #[serde(flatten)]
    pub reply: VerifyReply,
}

/// A text that names two units: ask again with `?scheme=`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChoicesReply {
    /// Both readings.
    pub choices: Vec<ChoiceReply>,
}

/// One answer of many.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum ResultReply {
    /// It names one thing or none.
    One(Box<VerifyReply>),
    /// It names two.
    Two(ChoicesReply),
}

/// Many answers, in the order asked.
#[derive(Debug, Serialize, ToSchema)]
pub struct VerifyManyReply {
    /// One for each item.
    pub results: Vec<ResultReply>,
}
