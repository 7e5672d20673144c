//! What a handler must know to show a device: plain data, no wording, no markup.
//!
//! Dates are civil dates in Asia/Shanghai, instants are instants. Texts that come from the brand
//! (names, places, notices) are already in the page's language; they are escaped on the way out.
//! An absent fact is `None` or an empty list, and its block is then absent from the page.

use domain::life::Cause;
use jiff::Timestamp;
use jiff::civil::Date;

use crate::pages::i18n::Lang;
use crate::pages::shell::SiteView;

/// The public page of one code.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceView {
    /// The page's language.
    pub lang: Lang,
    /// Brand line and footer.
    pub site: SiteView,
    /// The verdict.
    pub state: PageState,
    /// It started over since it was new: first starts of the lives before stand in its timeline.
    pub further_life: bool,
    /// What was checked, in the order shown. Empty where nothing could be.
    pub checks: Vec<Check>,
    /// The consumer scans of this code, this one included.
    pub scans: Option<ScansView>,
    /// What is odd about the scans, where a check says so and the verdict speaks of something else.
    pub odd_scans: Option<CheckReason>,
    /// The digest of the rosette. `None` draws none (forged codes have no figure).
    pub digest: Option<[u8; 32]>,
    /// The unit. `None` where no unit may be shown.
    pub device: Option<ProductView>,
    /// The physical proof; shown where [`PageState::asks_for_proof`].
    pub proof: Option<ProofView>,
    /// The recall; shown in [`PageState::Recalled`] only.
    pub recall: Option<RecallView>,
    /// The warranty as it stands today.
    pub warranty: Option<WarrantyView>,
    /// What happened, newest first.
    pub timeline: Vec<TimelineEntry>,
    /// Maker and production.
    pub facts: FactsView,
    /// Service centres, nearest first.
    pub centres: Option<CentresView>,
    /// Where the actions lead. An action without an address does not exist.
    pub links: LinksView,
}

/// The verdict, with what its sentence needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageState {
    /// Genuine and activated.
    Active(ActiveNote),
    /// Genuine, not activated yet.
    NotActivated {
        /// What its guarantee waits for.
        starts: Starts,
        /// As [`ActiveNote::ProvedElsewhere`].
        proved_elsewhere: Option<Date>,
    },
    /// Please check: the code is ours, the scans or activations do not fit one unit.
    Check(CheckReason),
    /// Issued, but no factory has produced a unit with it.
    NotReleased,
    /// Recalled by the maker.
    Recalled,
    /// Reported lost or stolen.
    Stolen {
        /// The day of the report, where it may be told.
        reported_on: Option<Date>,
    },
    /// Taken out of use.
    Retired(RetiredReason),
    /// Forged or never issued: one page for both.
    Unverifiable,
    /// The server could not check.
    Unavailable,
}

impl PageState {
    /// The day on which somebody else showed the original, which lifted *please check*.
    #[must_use]
    pub fn proved_elsewhere(self) -> Option<Date> {
        match self {
            Self::Active(ActiveNote::ProvedElsewhere(on)) => Some(on),
            Self::NotActivated { proved_elsewhere, .. } => proved_elsewhere,
            _ => None,
        }
    }

    /// Whether the thing at hand is still to be compared: the scans or activations fit no one
    /// unit, or somebody else showed the original. That a unit failed its inspection is not a
    /// question of copies: nothing that is compared answers it.
    #[must_use]
    pub fn asks_for_proof(self) -> bool {
        match self {
            Self::Check(why) => why != CheckReason::NotCleared,
            _ => self.proved_elsewhere().is_some(),
        }
    }
}

/// What is said beside "genuine".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActiveNote {
    /// This scan and the activation are in the same place.
    SamePlace,
    /// Nothing more is claimed.
    Plain,
    /// The scratch code was proved on this day in this very browser, which lifted *please check*.
    Proved(Date),
    /// It was proved on this day by somebody else. Whoever holds a copy reads this, too.
    ProvedElsewhere(Date),
}

/// What the guarantee of a unit that was not started yet waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Starts {
    /// Its first start.
    FirstStart,
    /// Its registration.
    Registration,
    /// Nothing: it runs from the day it was sold.
    Sold,
}

/// Why a visitor is asked to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckReason {
    /// Too many scans in too many places.
    ManyScans {
        /// Scans in the window.
        scan_count: u64,
        /// Cities in the window.
        city_count: u64,
        /// Length of the window.
        hours: u64,
    },
    /// Two scans too far apart for the time between them.
    ImpossibleTravel {
        /// Distance between the two.
        km: u64,
        /// Minutes between the two.
        minutes: u64,
    },
    /// A second first start.
    ActivatedAgain,
    /// Its inspection failed or is on hold: it should not be on sale.
    NotCleared,
    /// The operator does not vouch for the brand.
    UnknownBrand,
}

/// Why a code is out of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetiredReason {
    /// The code was voided.
    CodeVoid,
    /// The unit was scrapped or recycled.
    Decommissioned,
}

/// One of the three checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The code decrypts to an issued number.
    Code(Mark),
    /// One first activation.
    Activation(Mark),
    /// The scans fit one unit.
    Scans(Mark),
    /// What takes the unit out of the market, beside whatever else passed.
    Against(Against),
}

/// What speaks against a unit whose code is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// Its inspection failed or is on hold.
    Inspection,
    /// It is under a recall.
    Recalled,
    /// It was reported lost or stolen.
    Stolen,
    /// It was taken out of use.
    Retired,
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Passed.
    Ok,
    /// Look at this. For the activation: a second one.
    Warn,
    /// Failed.
    Bad,
    /// Does not apply yet: no activation so far.
    None,
}

/// The scan history line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScansView {
    /// Which query this is, from 1.
    pub count: u64,
    /// The first one. `None` if this is the first.
    pub first: Option<ScanView>,
    /// The one before this. `None` if this is the first.
    pub last: Option<ScanView>,
}

/// An earlier scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanView {
    /// When.
    pub at: Timestamp,
    /// The city, where known.
    pub city: Option<String>,
}

/// The device card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductView {
    /// Brand and product name.
    pub name: String,
    /// Colour and capacity.
    pub spec: Option<String>,
    /// Which drawing stands in for a picture.
    pub drawing: Drawing,
    /// Address of the product's picture: from our own host, or from one that the page's content
    /// security policy names.
    pub picture_url: Option<String>,
    /// The trace code: 13 characters without hyphens.
    pub code: String,
}

/// Neutral drawings by category.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawing {
    /// A phone.
    Phone,
    /// A power bank.
    PowerBank,
    /// A notebook.
    Notebook,
    /// A smart watch.
    SmartWatch,
    /// A tablet.
    Tablet,
    /// Earphones.
    Earphones,
    /// Anything else: a box.
    Other,
}

/// The physical proof. Steps whose fact is absent are left out; the last, comparing colour and
/// model, comes from the device card.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProofView {
    /// The IMEI's last four, for units with an IMEI. POST with `kind=imei4&value=`.
    pub imei: Option<ProofForm>,
    /// The scratch code, for labels that carry one. POST with `kind=scratch&value=`.
    pub scratch: Option<ProofForm>,
}

/// One proof form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProofForm {
    /// Where it posts.
    pub action: String,
    /// Hidden field `idempotency_key`.
    pub idempotency_key: String,
    /// What the visitor typed, and what was wrong with it.
    pub field: FieldView,
}

/// What a visitor typed into a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldView {
    /// Shown again as typed.
    pub value: String,
    /// The message beside the field.
    pub fault: Option<FieldFault>,
}

/// Why a field was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldFault {
    /// Nothing was given.
    Missing,
    /// Not of the form the hint asks for.
    Malformed,
    /// More than so many characters.
    TooLong(u16),
    /// A date after today.
    InFuture,
    /// A date before the unit was produced, on that day, which its page tells too.
    TooEarly(Date),
    /// Well formed, but not this unit's.
    Mismatch,
}

/// A recall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecallView {
    /// The day it was announced.
    pub announced_on: Date,
    /// What it is called, where it has a name.
    pub title: Option<String>,
    /// What is wrong, in the maker's words.
    pub cause: String,
    /// What the owner should do, in the maker's words.
    pub remedy: Option<String>,
    /// The official notice.
    pub notice_url: Option<String>,
}

/// The warranty card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WarrantyView {
    /// It has not begun.
    NotStarted {
        /// Its length.
        months: u16,
        /// Whose promise it is.
        promise: Promise,
        /// What counts while no buyer's day is known, where the day it left the factory is.
        from_factory: Option<FromFactoryView>,
    },
    /// It runs or has ended.
    Dated(CoverageView),
}

/// A warranty that runs from the factory for want of a buyer's day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FromFactoryView {
    /// The last covered day.
    pub ends_on: Date,
    /// It may still move: the holidays of its year are not published yet.
    pub provisional: bool,
}

/// A dated warranty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoverageView {
    /// The day it is counted from.
    pub starts_on: Date,
    /// The last covered day.
    pub ends_on: Date,
    /// Today in Asia/Shanghai.
    pub today: Date,
    /// What the start rests on.
    pub basis: Basis,
    /// Whose promise it is.
    pub promise: Promise,
    /// The last day fell on a day off and moved to the next working day.
    pub rolled: bool,
    /// The last day may still move: the holidays of its year are not published yet.
    pub provisional: bool,
    /// The clocks the policy gives (7-day return, 15-day exchange, repair). May be empty.
    pub terms: Vec<TermView>,
}

/// What the start of a warranty rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The date on the invoice.
    Invoice,
    /// The sale the shop recorded, or the consumer's purchase date.
    Sale,
    /// First activation.
    Activation,
    /// Ex-factory + 90 days, for want of better evidence.
    ExFactory,
}

/// Whose promise a warranty is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// Statutory (三包).
    Statutory,
    /// The maker's own.
    Maker,
}

/// One clock of the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TermView {
    /// Which remedy.
    pub kind: TermKind,
    /// The last covered day.
    pub ends_on: Date,
}

/// A remedy with its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TermKind {
    /// Return within so many days.
    Return(u16),
    /// Exchange within so many days.
    Exchange(u16),
    /// Repair for so many months.
    Repair(u16),
}

/// A line of the dossier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineEntry {
    /// What happened.
    pub kind: TimelineKind,
    /// When.
    pub when: When,
    /// City or province.
    pub place: Option<String>,
    /// A party that may be named in public.
    pub party: Option<String>,
    /// A further fact, already in the page's language.
    pub note: Option<String>,
}

/// When a line of the dossier happened, as precisely as may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// A day.
    On(Date),
    /// An instant.
    At(Timestamp),
}

/// What can happen to a unit, as the public sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimelineKind {
    /// The scan that shows this page.
    ThisScan,
    /// Produced.
    Produced,
    /// Passed its inspection.
    Inspected,
    /// Packed.
    Packed,
    /// Handed to a party.
    Shipped,
    /// Accepted by a party.
    Received,
    /// Sold by a shop.
    Sold,
    /// First activation.
    Activated,
    /// Another device was activated under its name.
    ActivatedAgain,
    /// Bound to a consumer.
    Registered,
    /// The scratch code was proved.
    Proved,
    /// Repaired.
    Repaired,
    /// Returned.
    Returned,
    /// A new life, and for what; events from before causes were asked for name none.
    Renewed(Option<Cause>),
    /// Recalled.
    Recalled,
    /// Reported lost or stolen.
    Stolen,
    /// Taken out of use.
    Decommissioned,
}

/// Maker and production. Every field may be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FactsView {
    /// The maker's designation.
    pub model: Option<String>,
    /// The maker's registered name.
    pub maker: Option<String>,
    /// The contract maker's registered name.
    pub contract_maker: Option<String>,
    /// Where it was made.
    pub origin: Option<String>,
    /// The day of production.
    pub produced_on: Option<Date>,
    /// The production lot.
    pub lot: Option<String>,
    /// The day it passed the inspection.
    pub inspected_on: Option<Date>,
    /// Standards it was made to, e.g. `GB 4943.1-2022`.
    pub standards: Vec<String>,
    /// The number of its CCC certificate.
    pub ccc: Option<String>,
    /// Who gave it, and how it stands.
    pub certificate: Option<String>,
    /// The number of the production licence.
    pub licence: Option<String>,
    /// The reference of the test report.
    pub test_report: Option<String>,
    /// For how long from production its use is recommended.
    pub service_life: Option<String>,
}

/// The service centres of the device page (at most three are shown) or of their own page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CentresView {
    /// The place distances are counted from, e.g. the visitor's city.
    pub near: Option<String>,
    /// Nearest first.
    pub centres: Vec<CentreView>,
}

/// One service centre.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CentreView {
    /// Its name.
    pub name: String,
    /// Street address.
    pub address: Option<String>,
    /// Opening hours as the brand writes them.
    pub hours: Option<String>,
    /// Distance in metres.
    pub metres: Option<u32>,
    /// Telephone as people write it.
    pub phone: Option<String>,
    /// Where the way is shown.
    pub map_url: Option<String>,
}

/// Where the actions lead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinksView {
    /// All service centres.
    pub centres: Option<String>,
    /// Registration.
    pub register: Option<String>,
    /// Report a suspicion.
    pub report: Option<String>,
    /// What is held about whoever registered it, whatever its state.
    pub my_data: Option<String>,
    /// This very page again, for [`PageState::Unavailable`].
    pub retry: Option<String>,
}
