//! What the invented brand makes and where: products and factories.

use crate::files::ProductDraft;
use crate::flows::FlowError;
use domain::certification::Certification;
use domain::gs1::Gtin;
use domain::policy::Category;
use domain::refusal::Refused;

/// The brand's party code.
pub const BRAND_CODE: &str = "CHENGYE";
/// The brand's name.
pub const BRAND_NAME: &str = "澄野电子";
/// Company prefix in GTINs and SSCCs, of GS1 China (690–699).
pub const COMPANY_PREFIX: &str = "69747216";
const MAKER: &str = "杭州澄野电子有限公司";
const CONTRACT_MAKER: &str = "东莞市澜岳精密制造有限公司";

/// A factory.
pub struct Factory {
    /// Its party code.
    pub code: &'static str,
    /// Its name.
    pub name: &'static str,
    /// GB/T 2260.
    pub region: &'static str,
    /// Street.
    pub address: &'static str,
}

/// The two works of the brand and its contract maker.
pub const FACTORIES: [Factory; 3] = [
    Factory {
        code: "CY-HZ",
        name: "澄野电子杭州工厂",
        region: "330108",
        address: "杭州市滨江区澄野路 1 号",
    },
    Factory {
        code: "LY-DG",
        name: CONTRACT_MAKER,
        region: "4419",
        address: "东莞市澜岳工业园 6 栋",
    },
    Factory {
        code: "CY-CD",
        name: "澄野电子成都工厂",
        region: "510117",
        address: "成都市郫都区澄野西路 88 号",
    },
];

/// A product and how it is made.
pub struct Model {
    /// Four digits behind the company prefix.
    pub item: &'static str,
    /// Two letters in its serial numbers.
    pub letters: &'static str,
    /// Chinese name.
    pub zh: &'static str,
    /// English name.
    pub en: &'static str,
    /// Category.
    pub category: Category,
    /// Model designation.
    pub model: &'static str,
    /// Size, colour, memory. There is one for both languages: the colour is named in each.
    pub spec: &'static str,
    /// List price in yuan.
    pub yuan: i64,
    /// Standards executed.
    pub standards: &'static [&'static str],
    /// CCC certificate.
    pub ccc: &'static str,
    /// Place in [`FACTORIES`].
    pub factory: usize,
    /// Units in a carton, 10 to 20.
    pub carton: usize,
    /// Share of all units.
    pub share: f64,
    /// Type allocation code of its IMEIs, where it has some.
    pub tac: &'static str,
    /// Whether it reports its own first start.
    pub network: bool,
    /// Share of sold units that are ever started or registered.
    pub started: f64,
}

const IT: &[&str] = &["GB 4943.1-2022", "GB/T 9254.1-2021", "GB 17625.1-2022"];
const PHONE: &[&str] = &["GB 4943.1-2022", "GB/T 9254.1-2021", "GB 31241-2022", "YD/T 1592.1-2012"];
const POWER: &[&str] = &["GB 31241-2022", "GB 4943.1-2022", "GB/T 35590-2017"];
const WORN: &[&str] = &["GB 4943.1-2022", "GB/T 9254.1-2021", "GB 31241-2022"];

/// The products. The first wears printed labels with scratch codes.
pub const MODELS: [Model; 8] = [
    Model {
        item: "1001",
        letters: "PX",
        zh: "澄野 C1 Pro 5G 手机",
        en: "Chengye C1 Pro 5G phone",
        category: Category::Phone,
        model: "CYP-AN10",
        spec: "12GB+512GB 墨青 Ink",
        yuan: 4_299,
        standards: PHONE,
        ccc: "2025011606781204",
        factory: 0,
        carton: 20,
        share: 0.22,
        tac: "86714205",
        network: true,
        started: 0.82,
    },
    Model {
        item: "1018",
        letters: "PA",
        zh: "澄野 C1 5G 手机",
        en: "Chengye C1 5G phone",
        category: Category::Phone,
        model: "CYP-AN00",
        spec: "8GB+256GB 云白 Cloud White",
        yuan: 2_499,
        standards: PHONE,
        ccc: "2025011606781211",
        factory: 1,
        carton: 20,
        share: 0.23,
        tac: "86714206",
        network: true,
        started: 0.82,
    },
    Model {
        item: "2008",
        letters: "TB",
        zh: "澄野 Pad 11 平板电脑",
        en: "Chengye Pad 11",
        category: Category::Tablet,
        model: "CYT-W09",
        spec: "8GB+256GB 银灰 Silver",
        yuan: 1_999,
        standards: IT,
        ccc: "2025010902793366",
        factory: 2,
        carton: 10,
        share: 0.13,
        tac: "",
        network: true,
        started: 0.80,
    },
    Model {
        item: "2015",
        letters: "NB",
        zh: "澄野 Book 14 笔记本电脑",
        en: "Chengye Book 14",
        category: Category::Notebook,
        model: "CYN-W76",
        spec: "32GB+1TB 深空灰 Space Grey",
        yuan: 5_699,
        standards: IT,
        ccc: "2025010902793412",
        factory: 2,
        carton: 10,
        share: 0.08,
        tac: "",
        network: true,
        started: 0.80,
    },
    Model {
        item: "3005",
        letters: "WT",
        zh: "澄野 Watch 2 智能手表",
        en: "Chengye Watch 2",
        category: Category::SmartWatch,
        model: "CYW-B19",
        spec: "46mm 曜石黑 Obsidian",
        yuan: 1_299,
        standards: WORN,
        ccc: "",
        factory: 0,
        carton: 20,
        share: 0.12,
        tac: "",
        network: true,
        started: 0.78,
    },
    Model {
        item: "3012",
        letters: "EB",
        zh: "澄野 Buds 3 无线耳机",
        en: "Chengye Buds 3",
        category: Category::Earphones,
        model: "CYE-T10",
        spec: "陶瓷白 Ceramic White",
        yuan: 499,
        standards: WORN,
        ccc: "",
        factory: 1,
        carton: 20,
        share: 0.12,
        tac: "",
        network: false,
        started: 0.60,
    },
    Model {
        item: "4002",
        letters: "PB",
        zh: "澄野 20000mAh 移动电源",
        en: "Chengye power bank 20,000 mAh",
        category: Category::PowerBank,
        model: "CYB-200",
        spec: "20000mAh 45W",
        yuan: 199,
        standards: POWER,
        ccc: "2025010914805127",
        factory: 1,
        carton: 20,
        share: 0.06,
        tac: "",
        network: false,
        started: 0.45,
    },
    Model {
        item: "4019",
        letters: "PC",
        zh: "澄野 10000mAh 移动电源",
        en: "Chengye power bank 10,000 mAh",
        category: Category::PowerBank,
        model: "CYB-100",
        spec: "10000mAh 22.5W",
        yuan: 99,
        standards: POWER,
        ccc: "2025010914805133",
        factory: 1,
        carton: 20,
        share: 0.04,
        tac: "",
        network: false,
        started: 0.45,
    },
];

impl Model {
    /// Its GTIN-13 with the check digit of GS1 General Specifications 7.9.
    ///
    /// # Errors
    /// Never for [`MODELS`]; a test reads them all.
    pub fn gtin(&self) -> Result<Gtin, FlowError> {
        let body = format!("{COMPANY_PREFIX}{}", self.item);
        let weighted = body.bytes().zip([1, 3].into_iter().cycle());
        let sum: u32 = weighted.map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
        let gtin = format!("{body}{}", (10 - sum % 10) % 10);
        Gtin::parse(&gtin).map_err(|e| Refused::invalid("gtin", e).into())
    }

    /// The row as a file of products would hold it.
    ///
    /// # Errors
    /// As [`Model::gtin`].
    pub fn draft(&self) -> Result<ProductDraft, FlowError> {
        let contract = FACTORIES.get(self.factory).is_some_and(|f| f.name == CONTRACT_MAKER);
        Ok(ProductDraft {
            gtin: self.gtin()?,
            name_zh: self.zh.to_owned(),
            name_en: self.en.to_owned(),
            category: self.category,
            model: self.model.to_owned(),
            spec: self.spec.to_owned(),
            maker: MAKER.to_owned(),
            contract_maker: if contract { CONTRACT_MAKER.to_owned() } else { String::new() },
            standards: self.standards.iter().map(|s| (*s).to_owned()).collect(),
            ccc_certificate: self.ccc.to_owned(),
            certification: Certification::default(),
            list_price_fen: Some(self.yuan * 100),
            picture: String::new(),
            network_start: Some(self.network),
            lacking: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_product_reads() {
        let gtins: Vec<_> = MODELS.iter().map(|m| m.draft().unwrap().gtin).collect();
        assert!(gtins.iter().all(|g| g.as13().is_some_and(|g| g.starts_with("69"))));
        let shares: f64 = MODELS.iter().map(|m| m.share).sum();
        assert!((shares - 1.0).abs() < 1e-9, "{shares}");
        assert!(MODELS.iter().all(|m| (10..=20).contains(&m.carton)));
    }
}
