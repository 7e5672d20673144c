//! Mandatory coding (赋码): which regimes cover a category on a day, and what each asks.
//!
//! **Why rows.** The regimes overlap, begin in stages and are known from published copies of
//! uneven quality: each row has its dates, its source, and whether somebody compared it with that.
//! A row that nobody compared is told like any other and never makes a breach: only attention.

use crate::certification::Standing;
use crate::policy::{Category, MAINLAND, UnknownName};
use crate::product::Product;
use jiff::civil::Date;
use std::str::FromStr;

/// What a regime may ask of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    /// Every unit bears a code of its own when it leaves the maker.
    UnitCode,
    /// A certificate in force.
    Certificate,
    /// The certificate's QR stands beside the CCC mark. It is of the certificate, not of the unit,
    /// and replaces no unit code; whether it is on the label no record of ours can tell.
    CertificateQr,
    /// What a scan must show to anybody.
    Fields,
    /// The recommended service life is stated.
    ServiceLife,
}

impl Ask {
    /// Every one.
    pub const ALL: [Self; 5] =
        [Self::UnitCode, Self::Certificate, Self::CertificateQr, Self::Fields, Self::ServiceLife];

    /// The word in files and replies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnitCode => "unit_code",
            Self::Certificate => "certificate",
            Self::CertificateQr => "certificate_qr",
            Self::Fields => "fields",
            Self::ServiceLife => "service_life",
        }
    }
}

impl FromStr for Ask {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|ask| ask.as_str() == text).ok_or(UnknownName("ask"))
    }
}

/// One row: a regime covers a category from a day on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodingPolicy {
    /// Names the row for ever.
    pub version: String,
    /// The regime: `A`, `A'`, `B`, `C`, `D`, `D'`.
    pub regime: String,
    /// Which category it covers.
    pub category: Category,
    /// What it asks.
    pub asks: Vec<Ask>,
    /// The same in words, for people.
    pub requirement: String,
    /// First day in force.
    pub from_on: Date,
    /// Last day in force; open when nothing.
    pub to_on: Option<Date>,
    /// Where: [`MAINLAND`], or a GB/T 2260 prefix.
    pub jurisdiction: String,
    /// Where it is known from.
    pub source_note: String,
    /// Whether somebody compared it with a published copy of that source.
    pub verified: bool,
}

impl CodingPolicy {
    /// Whether the row is in force on a day; both ends count.
    pub fn in_force(&self, on: Date) -> bool {
        self.from_on <= on && self.to_on.is_none_or(|last| on <= last)
    }
}

/// The table of regimes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Codings(Vec<CodingPolicy>);

impl Codings {
    /// Builds the table, or says which rows cannot stand in it.
    ///
    /// # Errors
    /// A version that is empty or there twice, a row that ends before it begins or asks nothing in
    /// words.
    pub fn from_rows(rows: Vec<CodingPolicy>) -> Result<Self, String> {
        for (place, row) in rows.iter().enumerate() {
            let twice = rows[..place].iter().any(|other| other.version == row.version);
            let reversed = row.to_on.is_some_and(|last| last < row.from_on);
            if row.version.is_empty() || row.requirement.is_empty() || twice || reversed {
                return Err(format!("coding policy row {place}: {:?}", row.version));
            }
        }
        Ok(Self(rows))
    }

    /// The nationwide rows that cover a category on a day, in the order given.
    pub fn covering(&self, category: Category, on: Date) -> impl Iterator<Item = &CodingPolicy> {
        let covers = move |row: &&CodingPolicy| {
            row.category == category && row.jurisdiction == MAINLAND && row.in_force(on)
        };
        self.0.iter().filter(covers)
    }

    /// Every row.
    pub fn rows(&self) -> &[CodingPolicy] {
        &self.0
    }
}

/// Whether units bear the codes of their batch: it was made for labels, or its codes were written
/// out or handed over for somebody to print. What was drawn silently and never left the house is on
/// no label.
pub fn is_coded(for_labels: bool, written_out: bool) -> bool {
    for_labels || written_out
}

/// Fields of a product that a scan must show, and that it lacks.
pub fn missing_fields(product: &Product, certified: bool) -> Vec<&'static str> {
    let papers = &product.certification;
    let no = |text: &str| text.is_empty();
    let certificate = |lacks: bool| certified && lacks;
    [
        ("name_zh", no(&product.name_zh)),
        ("model", no(&product.model) && no(&product.spec)),
        ("picture", product.shown_picture().is_none()),
        ("standards", product.standards.is_empty()),
        ("test_report", no(&papers.test_report)),
        ("maker", no(&product.maker)),
        ("ccc_certificate", certificate(no(&product.ccc_certificate) && no(&papers.licence))),
        ("certificate_body", certificate(no(&papers.body))),
        ("certificate_status", certificate(papers.status.is_none())),
    ]
    .into_iter()
    .filter_map(|(field, lacks)| lacks.then_some(field))
    .collect()
}

/// How a product stands as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Compliance {
    /// Nothing is known to be missing.
    Ok,
    /// Somebody should look.
    Attention,
    /// What a checked row asks is not there.
    Breach,
}

impl Compliance {
    /// The word in replies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Attention => "attention",
            Self::Breach => "breach",
        }
    }
}

/// What a product is judged by.
#[derive(Clone, Copy, Debug)]
pub struct ComplianceFacts<'a> {
    /// The product.
    pub product: &'a Product,
    /// How its certificate stands.
    pub standing: Standing,
    /// Units that left the maker without a code on them; nothing where they were not counted.
    pub uncoded_count: Option<u64>,
}

/// One reason why a product is not simply in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComplianceReason {
    /// Which regime's row.
    pub version: String,
    /// What it asks.
    pub ask: Ask,
    /// How grave.
    pub compliance: Compliance,
    /// What is wrong: `uncoded_units`, `certificate_expired`, a field's name with `missing_`, …
    pub code: String,
}

/// Judges a product by the rows that cover it. What only unchecked rows ask is never a breach.
pub fn judge<'a>(
    rows: impl Iterator<Item = &'a CodingPolicy>,
    facts: &ComplianceFacts<'_>,
) -> (Compliance, Vec<ComplianceReason>) {
    let mut reasons = Vec::new();
    for row in rows {
        let certified = row.asks.contains(&Ask::Certificate);
        for ask in &row.asks {
            for (grave, code) in faults(*ask, certified, facts) {
                let breach = grave && row.verified;
                reasons.push(ComplianceReason {
                    version: row.version.clone(),
                    ask: *ask,
                    compliance: if breach { Compliance::Breach } else { Compliance::Attention },
                    code,
                });
            }
        }
    }
    let worst = reasons.iter().map(|reason| reason.compliance).max();
    (worst.unwrap_or(Compliance::Ok), reasons)
}

/// What does not satisfy one thing asked, and whether a checked row makes it a breach.
fn faults(ask: Ask, certified: bool, facts: &ComplianceFacts<'_>) -> Vec<(bool, String)> {
    let one = |grave: bool, code: &str| vec![(grave, code.to_owned())];
    match ask {
        Ask::UnitCode => match facts.uncoded_count {
            Some(0) => Vec::new(),
            Some(_) => one(true, "uncoded_units"),
            None => Vec::new(),
        },
        Ask::Certificate => match facts.standing {
            Standing::Current => Vec::new(),
            Standing::Expiring { .. } => one(false, "certificate_expiring"),
            Standing::NotYet => one(true, "certificate_not_yet"),
            Standing::Expired => one(true, "certificate_expired"),
            Standing::Lost => one(true, "certificate_lost"),
            Standing::Unknown if facts.product.ccc_certificate.is_empty() => {
                one(true, "certificate_missing")
            }
            Standing::Unknown => one(false, "certificate_unknown"),
        },
        // No record tells what is printed beside the mark.
        Ask::CertificateQr => Vec::new(),
        Ask::Fields => missing_fields(facts.product, certified)
            .into_iter()
            .map(|field| (true, format!("missing_{field}")))
            .collect(),
        Ask::ServiceLife if facts.product.certification.service_months.is_none() => {
            one(true, "missing_service_months")
        }
        Ask::ServiceLife => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certification::Certification;
    use crate::id::{BrandId, ProductId};
    use jiff::civil::date;

    fn bank() -> Product {
        Product {
            id: ProductId(1),
            brand: BrandId(1),
            gtin: "06929141700034".into(),
            name_zh: "移动电源".into(),
            name_en: String::new(),
            category: Category::PowerBank,
            model: "P1".into(),
            spec: String::new(),
            maker: "澄野".into(),
            contract_maker: String::new(),
            standards: vec!["GB 31241-2022".into()],
            ccc_certificate: "2026".into(),
            picture: "/p.svg".into(),
            list_price_fen: None,
            network_start: false,
            certification: Certification { test_report: "T1".into(), ..Certification::default() },
        }
    }

    fn row(version: &str, asks: &[Ask], verified: bool) -> CodingPolicy {
        CodingPolicy {
            version: version.into(),
            regime: "A".into(),
            category: Category::PowerBank,
            asks: asks.to_vec(),
            requirement: "x".into(),
            from_on: date(2026, 1, 1),
            to_on: None,
            jurisdiction: MAINLAND.into(),
            source_note: String::new(),
            verified,
        }
    }

    #[test]
    fn rows_cover_their_category_on_their_days() {
        let mut old = row("a", &[], true);
        old.to_on = Some(date(2026, 2, 28));
        let mut province = row("b", &[], true);
        province.jurisdiction = "44".into();
        let table = Codings::from_rows(vec![old, province, row("c", &[], true)]).unwrap();
        let on = |day| {
            let rows = table.covering(Category::PowerBank, day);
            rows.map(|r| r.version.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(on(date(2025, 12, 31)), [""; 0]);
        assert_eq!(on(date(2026, 2, 28)), ["a", "c"]);
        assert_eq!(on(date(2026, 3, 1)), ["c"]);
        assert_eq!(table.covering(Category::Tv, date(2026, 3, 1)).count(), 0);
        assert!(Codings::from_rows(vec![row("a", &[], true), row("a", &[], true)]).is_err());
    }

    #[test]
    fn only_checked_rows_make_a_breach() {
        let product = bank();
        let told = |asks: &[Ask], verified, standing, uncoded_count| {
            let rows = [row("r", asks, verified)];
            let facts = ComplianceFacts { product: &product, standing, uncoded_count };
            let (whole, reasons) = judge(rows.iter(), &facts);
            let codes: Vec<_> = reasons.into_iter().map(|r| r.code).collect();
            (whole, codes.join(" "))
        };
        let unit = &[Ask::UnitCode][..];
        assert_eq!(told(unit, true, Standing::Current, Some(0)), (Compliance::Ok, String::new()));
        let uncoded = || "uncoded_units".to_owned();
        assert_eq!(told(unit, true, Standing::Current, Some(1)), (Compliance::Breach, uncoded()));
        let softer = (Compliance::Attention, uncoded());
        assert_eq!(told(unit, false, Standing::Current, Some(1)), softer);
        let papers = &[Ask::Certificate][..];
        for (standing, whole, code) in [
            (Standing::Current, Compliance::Ok, ""),
            (Standing::Expiring { days_left: 3 }, Compliance::Attention, "certificate_expiring"),
            (Standing::Expired, Compliance::Breach, "certificate_expired"),
            (Standing::Lost, Compliance::Breach, "certificate_lost"),
            (Standing::Unknown, Compliance::Attention, "certificate_unknown"),
        ] {
            assert_eq!(told(papers, true, standing, None), (whole, code.to_owned()));
        }
        let all = told(&[Ask::Fields, Ask::Certificate], true, Standing::Current, None);
        let missing = "missing_certificate_body missing_certificate_status".to_owned();
        assert_eq!(all, (Compliance::Breach, missing));
        assert_eq!(told(&[Ask::Fields], true, Standing::Unknown, None).0, Compliance::Ok);
        let life = told(&[Ask::ServiceLife], false, Standing::Current, None);
        assert_eq!(life, (Compliance::Attention, "missing_service_months".to_owned()));
    }
}
