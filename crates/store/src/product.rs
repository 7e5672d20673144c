//! A product as its reference row holds it.

use crate::engine::{DecodeError, Row, Value};
use crate::reference::{json, text};
use domain::certification::{CertificateStatus, Certification};
use domain::id::{BrandId, ProductId};
use domain::product::Product;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct ProductRecord {
    name_zh: String,
    name_en: String,
    category: String,
    model: String,
    spec: String,
    maker: String,
    contract_maker: String,
    standards: Vec<String>,
    ccc_certificate: String,
    picture: String,
    list_price_fen: Option<i64>,
    network_start: bool,
    // Rows from before the papers of a product were kept lack what follows.
    #[serde(default)]
    certificate_body: String,
    #[serde(default)]
    certificate_from_on: Option<String>,
    #[serde(default)]
    certificate_to_on: Option<String>,
    #[serde(default)]
    certificate_status: Option<String>,
    #[serde(default)]
    licence: String,
    #[serde(default)]
    test_report: String,
    #[serde(default)]
    service_months: Option<u16>,
}

/// A row of id, brand, GTIN and record.
pub(crate) fn read(row: &Row<'_>) -> Result<Product, DecodeError> {
    let record: ProductRecord = json(row, 3)?;
    let category = record.category.parse();
    let day = |text: Option<String>| -> Result<Option<Date>, DecodeError> {
        let Some(text) = text else { return Ok(None) };
        text.parse().map(Some).map_err(|_| DecodeError::new(3, "a date", text))
    };
    let status = |word: Option<String>| -> Result<Option<CertificateStatus>, DecodeError> {
        let Some(word) = word else { return Ok(None) };
        let known = CertificateStatus::parse(&word);
        known.map(Some).ok_or_else(|| DecodeError::new(3, "a certificate status", word))
    };
    Ok(Product {
        id: ProductId(row.int(0)?),
        brand: BrandId(row.int(1)?),
        gtin: row.text(2)?,
        name_zh: record.name_zh,
        name_en: record.name_en,
        category: category.map_err(|_| DecodeError::new(3, "a category", &record.category))?,
        model: record.model,
        spec: record.spec,
        maker: record.maker,
        contract_maker: record.contract_maker,
        standards: record.standards,
        ccc_certificate: record.ccc_certificate,
        picture: record.picture,
        list_price_fen: record.list_price_fen,
        network_start: record.network_start,
        certification: Certification {
            body: record.certificate_body,
            from_on: day(record.certificate_from_on)?,
            to_on: day(record.certificate_to_on)?,
            status: status(record.certificate_status)?,
            licence: record.licence,
            test_report: record.test_report,
            service_months: record.service_months,
        },
    })
}

/// The record of a product.
pub(crate) fn record(p: &Product) -> Value {
    let papers = &p.certification;
    text(&ProductRecord {
        name_zh: p.name_zh.clone(),
        name_en: p.name_en.clone(),
        category: p.category.as_str().to_owned(),
        model: p.model.clone(),
        spec: p.spec.clone(),
        maker: p.maker.clone(),
        contract_maker: p.contract_maker.clone(),
        standards: p.standards.clone(),
        ccc_certificate: p.ccc_certificate.clone(),
        picture: p.picture.clone(),
        list_price_fen: p.list_price_fen,
        network_start: p.network_start,
        certificate_body: papers.body.clone(),
        certificate_from_on: papers.from_on.map(|day| day.to_string()),
        certificate_to_on: papers.to_on.map(|day| day.to_string()),
        certificate_status: papers.status.map(|status| status.as_str().to_owned()),
        licence: papers.licence.clone(),
        test_report: papers.test_report.clone(),
        service_months: papers.service_months,
    })
}
