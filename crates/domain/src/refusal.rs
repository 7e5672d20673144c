//! Refusals: why a command was not done. A closed list in order of precedence: when several hold
//! at once, the earliest is answered, on every path and both engines. Each has a stable code, one
//! row in `docs/api.md`, and a sentence that says what to do next.
//!
//! A refusal stops a command. A finding never does; a verdict is what a person is told.

use std::borrow::Cow;
use std::fmt;

/// What kind of answer a refusal is: the API maps it to a status, the CLI to an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The input cannot be read: mend it.
    Invalid,
    /// Something it names is not here.
    NotFound,
    /// The caller may not.
    Forbidden,
    /// It contradicts what is recorded.
    Conflict,
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident $code:literal $class:ident $sentence:literal;)+) => {
        /// Why a command was not done, in order of precedence.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Refusal {
            $($(#[$doc])* $name,)+
        }

        impl Refusal {
            /// Every refusal, in order of precedence.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The stable code in API, CLI and error files.
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code),+ }
            }

            /// What kind of answer it is.
            pub fn class(self) -> Class {
                match self { $(Self::$name => Class::$class),+ }
            }

            /// One sentence: what is wrong and the way out.
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence),+ }
            }
        }
    };
}

refusals! {
    /// A field is missing, malformed, over-long or outside its alphabet.
    InvalidField "invalid_field" Invalid "a field cannot be read; the reason names it";
    /// The command lies more than ten minutes ahead of the clock.
    FutureDated "future_dated" Invalid
        "happened_at is more than 10 minutes ahead; check the sender's clock";
    /// The store has no brand yet.
    NoBrand "no_brand" NotFound "there is no brand yet; import parties first";
    /// The caller's key does not reach what it asks for.
    NotAllowed "not_allowed" Forbidden "this key may not do that; ask for the scope it needs";
    /// No such party.
    UnknownParty "unknown_party" NotFound "no party has this code; import parties first";
    /// No such site.
    UnknownSite "unknown_site" NotFound
        "no site or party has this code; import parties and sites first";
    /// No such product.
    UnknownProduct "unknown_product" NotFound "no product has this GTIN; import products first";
    /// No such region.
    UnknownRegion "unknown_region" Invalid
        "not a GB/T 2260 prefix or ISO 3166-1 alpha-2 code; look it up in data/divisions";
    /// No such batch.
    UnknownBatch "unknown_batch" NotFound "no batch has this number; list the batches";
    /// No such API key, or none the caller may see.
    UnknownKey "unknown_key" NotFound "no key has this id; list the keys";
    /// No such webhook, or none the caller may see.
    UnknownWebhook "unknown_webhook" NotFound "no webhook has this id; list the webhooks";
    /// The webhook's log of deliveries does not hold the event.
    UnknownDelivery "unknown_delivery" NotFound
        "nothing of this event is in the webhook's deliveries; have it go on from an earlier index";
    /// No such person, or none of the caller's brand.
    UnknownPerson "unknown_person" NotFound "no person has this id or telephone here";
    /// No such account, or none the caller may see.
    UnknownAccount "unknown_account" NotFound "no account has this id; list the people";
    /// No such membership, or none the caller may see.
    UnknownMembership "unknown_membership" NotFound "no membership of this account has this id";
    /// No such open invitation.
    UnknownInvitation "unknown_invitation" NotFound
        "no open invitation is there; it was accepted, withdrawn or is over: ask for another";
    /// No such link for setting up or signing in.
    UnknownLink "unknown_link" NotFound
        "this link is not good; it was used or is over: ask for another";
    /// No such session of one's own.
    UnknownSession "unknown_session" NotFound "no session of yours has this id; list them";
    /// The password given beside a command is not the account's.
    WrongPassword "wrong_password" Forbidden "this is not your present password";
    /// The operator lets no brand sign up.
    SignUpClosed "sign_up_closed" Forbidden
        "brands do not sign up here by themselves; ask the operator of this deployment";
    /// The one-time password given beside a command is not good.
    WrongCode "wrong_code" Forbidden
        "the code is not good, or was taken already; wait for the next one";
    /// No such recall.
    UnknownRecall "unknown_recall" NotFound "no recall has this number; list the recalls";
    /// No such case, or none the caller may see.
    UnknownCase "unknown_case" NotFound "no case has this id; list the cases";
    /// No unit, pack or code answers to this.
    UnknownSubject "unknown_subject" NotFound
        "no unit or pack answers to this; commission or pack it first";
    /// No shipment has this number.
    UnknownShipment "unknown_shipment" NotFound
        "no shipment has this number here; check the number and whose paper it is";
    /// The code fails its own arithmetic.
    ForgedCode "forged_code" Invalid "the code is not one of ours; read it again from the label";
    /// The code was never issued.
    CodeNotIssued "code_not_issued" Conflict "the code's number was never issued; mint first";
    /// The code was voided.
    CodeVoid "code_void" Conflict "the code was voided and can no longer be used";
    /// The code is already on another unit.
    CodeBound "code_bound" Conflict "the code already belongs to a unit";
    /// The code belongs to another product.
    CodeOtherProduct "code_other_product" Conflict "the code was minted for another product";
    /// The code is a site of another party.
    SiteOfOther "site_of_other" Conflict
        "this code is a site of another party, and a site stays with its party; take another code";
    /// The API key is good no more.
    KeyOver "key_over" Conflict "the key is withdrawn or expired; make a new one";
    /// The party has as many webhooks as one may.
    WebhooksFull "webhooks_full" Conflict
        "the party has as many webhooks as one may; remove one, or give one more kinds of events";
    /// The webhook went back to an earlier entry of the log a short while ago.
    RewoundLately "rewound_lately" Conflict
        "the webhook was told to go back less than an hour ago; wait, or send single events again";
    /// A legal hold keeps a person's data.
    PersonHeld "person_held" Conflict
        "a legal hold keeps this person's data from use and from being erased; release it first";
    /// Another person has this telephone.
    PhoneTaken "phone_taken" Conflict "another person is registered under this telephone";
    /// Another brand has this code.
    BrandTaken "brand_taken" Conflict "another brand has this code here; choose another";
    /// The operator does not vouch for the brand, and it would take what is unique over all brands.
    BrandNotVouched "brand_not_vouched" Forbidden
        "numbers that are unique over all brands wait until the operator vouches for this brand: \
         dossier brand vouch CODE";
    /// The deployment was set up already.
    SetUpOver "set_up_over" Conflict "it was set up already; ask an owner for an invitation";
    /// Another account signs in with this name.
    SignInNameTaken "sign_in_name_taken" Conflict
        "somebody signs in with this name; if it is you, sign in first, then open the link again";
    /// The account is a member for this party already.
    AlreadyMember "already_member" Conflict
        "this account is a member for that party already; change its role instead";
    /// The second factor is on already, or none was begun.
    SecondFactorState "second_factor_state" Conflict
        "the second factor does not stand where that needs it; look at your account";
    /// The recall is closed.
    RecallOver "recall_over" Conflict "the recall is closed or withdrawn; open a new one";
    /// The recall does not select the unit.
    OutsideRecall "outside_recall" Conflict
        "the recall does not select this unit; see which it selects";
    /// The case does not stand where that step follows.
    CaseState "case_state" Conflict
        "the case does not stand where that follows: a closed one is reopened first, and only that";
    /// The unit stands in an open case.
    InOpenCase "in_open_case" Conflict
        "a unit stands in one open case at a time; go on there, or close that one first";
    /// The case holds as much as one may.
    CaseFull "case_full" Conflict
        "the case holds as many units or entries as one may; close it and open another";
    /// The unit's retention clock still runs.
    RetentionRuns "retention_runs" Conflict
        "trace data of this unit must still be kept; its dossier says until when";
    /// A second row with this key but other content.
    ContentDiffers "content_differs" Conflict
        "already recorded with other content; correct the row, or say --update where it applies";
    /// A party is to be of another kind than it is.
    KindStays "kind_stays" Conflict
        "a party stays of the kind it was entered as; enter the other one under another code";
    /// A serial number is taken, now or in history.
    SnTaken "sn_taken" Conflict "this serial number already belongs to a unit; it is never reused";
    /// Another identifier is on a unit: one that was decommissioned still answers to its own.
    IdentifierTaken "identifier_taken" Conflict
        "this identifier already belongs to another unit; check for a mixed-up label";
    /// The unit bears as many identifiers of this kind as one may.
    IdentifiersFull "identifiers_full" Conflict
        "the unit bears as many of these as it may: two IMEIs, one serial number; move the old one \
         away first";
    /// The parent named is not one the tree allows.
    ParentKind "parent_kind" Invalid "a party of this kind cannot stand under that parent";
    /// The parent chain would close on itself.
    ParentCycle "parent_cycle" Conflict "a party cannot stand under itself";
    /// A territory ends before it starts.
    PeriodReversed "period_reversed" Invalid "to_on lies before from_on";
    /// A tier-2 territory that no tier-1 territory contains on all its days.
    OutsideTier1 "outside_tier1" Conflict
        "a tier-2 territory must lie inside its tier 1's, for the same product and days";
    /// Only selling parties are granted territory.
    NotASeller "not_a_seller" Invalid "only tier 1, tier 2 and shops are granted territory";
    /// Units are made by the brand or a factory.
    NotAMaker "not_a_maker" Invalid
        "units are made at a site of the brand or of a factory; name the site that made them";
    /// The unit was decommissioned.
    Decommissioned "decommissioned" Conflict "the unit was decommissioned";
    /// The subject is under recall and may not move on.
    UnderRecall "under_recall" Conflict "the unit is recalled; only a return may move it";
    /// Inspection says hold or fail.
    InspectionOpen "inspection_open" Conflict
        "its inspection is hold or fail; record a pass before it moves";
    /// Not yet produced at that time.
    BeforeProduction "before_production" Conflict "that was before the unit was produced";
    /// A pack cannot be inside itself.
    PackInItself "pack_in_itself" Conflict "a pack cannot be inside itself";
    /// A pack cannot be inside what it contains.
    PackCycle "pack_cycle" Conflict "that would close a circle of packs";
    /// Packs nested deeper than eight.
    PackTooDeep "pack_too_deep" Conflict "packs can be nested eight deep at most";
    /// The child is already inside a pack at that time or later.
    AlreadyPacked "already_packed" Conflict "already inside another pack; unpack it first";
    /// Not inside that pack at that time.
    NotPacked "not_packed" Conflict "not inside that pack at that time";
    /// Child and pack are in different hands.
    OtherHolder "other_holder" Conflict "child and pack are held by different parties then";
    /// Sender and receiver are the same.
    ToItself "to_itself" Invalid "sender and receiver are the same party";
    /// This sender shipped it already.
    AlreadyShipped "already_shipped" Conflict "this sender already shipped it";
    /// The sender does not hold it.
    NotHolder "not_holder" Conflict
        "the sender does not hold it then; record how it got there first";
    /// A later fact would no longer fit.
    ContradictsLater "contradicts_later" Conflict
        "a later recorded fact would no longer fit; correct that one first";
    /// The receiver takes no goods.
    NotAReceiver "not_a_receiver" Invalid "platforms and regulators take no goods";
    /// A return must go up the tree.
    NotAnAncestor "not_an_ancestor" Conflict "a return goes to an ancestor or to the brand";
    /// The goods would leave the channel they were sold into.
    OutsideChannel "outside_channel" Conflict
        "a seller ships to those below or above it; else the brand records it and says why";
    /// No grant up the tree.
    NoTerritory "no_territory" Conflict
        "no grant up the tree binds this product to the receiver that day; grant one or say why";
    /// The shipment is not on its way to this receiver.
    NotInTransit "not_in_transit" Conflict "nothing of that is on its way to this party";
    /// The shipment was already received.
    AlreadyReceived "already_received" Conflict "this party already received it";
    /// Goods that moved on cannot be called back by voiding the paper.
    MovedOn "moved_on" Conflict "the goods moved on since; record a return instead";
    /// A new life needs the old one to be over.
    LifeOpen "life_open" Conflict "this life has no activation yet; there is nothing to renew";
    /// The same key with another body.
    IdempotencyMismatch "idempotency_mismatch" Conflict
        "this Idempotency-Key was used with another body; take a new key";
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

impl std::error::Error for Refusal {}

/// A refusal at a place in the input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{reason}", field_prefix(.field))]
pub struct Refused {
    /// Which refusal.
    pub refusal: Refusal,
    /// The field it is about; empty when it is about the whole. A name of ours, or the sender's
    /// word for what is none of ours.
    pub field: Cow<'static, str>,
    /// What exactly, and the way out.
    pub reason: String,
}

/// A sentence may repeat what the sender wrote: nothing in it moves a terminal's cursor, ends a
/// line of a log or hides what stands beside it.
fn printable(mut reason: String) -> String {
    let harmful =
        |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if reason.contains(harmful) {
        reason = reason.replace(harmful, "\u{fffd}");
    }
    reason
}

fn field_prefix(field: &str) -> String {
    if field.is_empty() { String::new() } else { format!("{field}: ") }
}

impl Refused {
    /// A refusal with its standard sentence.
    pub fn new(refusal: Refusal, field: impl Into<Cow<'static, str>>) -> Self {
        Self { refusal, field: field.into(), reason: refusal.sentence().to_owned() }
    }

    /// A malformed field, with what exactly is wrong.
    pub fn invalid(field: impl Into<Cow<'static, str>>, reason: impl fmt::Display) -> Self {
        let (refusal, field) = (Refusal::InvalidField, field.into());
        Self { refusal, field, reason: printable(reason.to_string()) }
    }

    /// A refusal that says more than its standard sentence.
    pub fn because(
        refusal: Refusal,
        field: impl Into<Cow<'static, str>>,
        more: impl fmt::Display,
    ) -> Self {
        let reason = printable(format!("{} ({more})", refusal.sentence()));
        Self { refusal, field: field.into(), reason }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal, "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_unique_and_ordered() {
        let codes: HashSet<_> = Refusal::ALL.iter().map(|r| r.code()).collect();
        assert_eq!(codes.len(), Refusal::ALL.len());
        assert!(Refusal::ALL.is_sorted());
    }

    #[test]
    fn a_refusal_names_field_and_reason() {
        let refused = Refused::invalid("sn", "must not be empty");
        assert_eq!(refused.to_string(), "sn: must not be empty");
    }

    #[test]
    fn what_a_sentence_repeats_does_no_harm() {
        let refused = Refused::because(Refusal::UnknownParty, "party", "a\u{1b}[2J\r\nb\u{202e}c");
        assert!(refused.reason.ends_with("(a\u{fffd}[2J\u{fffd}\u{fffd}b\u{fffd}c)"), "{refused}");
    }
}
