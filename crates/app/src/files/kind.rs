//! The kinds of file and their columns: the one table that reading, checking and documents share.

use std::fmt;
use std::str::FromStr;

/// What the rows of a file mean. The order is the one in which files of a new brand are imported,
/// but for products and parties, which do not name each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// What is sold.
    Products,
    /// Who takes part, and under whom.
    Parties,
    /// Further places of a party.
    Sites,
    /// Who may sell what where.
    Territories,
    /// Units as they were made.
    Production,
    /// What was put into which carton or pallet.
    Packs,
    /// What was handed to whom.
    Shipments,
}

/// One column of the import contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its header, in lower case.
    pub name: &'static str,
    /// Whether a file without it is refused as a whole.
    pub required: bool,
    /// Whether a cell may hold several values joined with `|`.
    pub list: bool,
    /// What JSON may say instead of a text.
    pub json: Json,
    /// What a cell holds.
    pub about: &'static str,
}

/// What a value may be in JSON. A text as in a table always may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Json {
    /// A string only: a number would lose zeros in front.
    Text,
    /// A number.
    Number,
    /// True or false.
    Truth,
    /// An object: GeoJSON.
    Object,
}

const fn must(name: &'static str, about: &'static str) -> Column {
    Column { name, required: true, list: false, json: Json::Text, about }
}

const fn may(name: &'static str, about: &'static str) -> Column {
    Column { name, required: false, list: false, json: Json::Text, about }
}

const fn list(name: &'static str, about: &'static str) -> Column {
    Column { name, required: false, list: true, json: Json::Text, about }
}

impl Column {
    const fn or(self, json: Json) -> Self {
        Self { json, ..self }
    }
}

/// Whether a column names a unit, a pack, a paper or a row of ours by its own number.
pub(super) fn is_identifier(column: &str) -> bool {
    let of_units = ["sn", "code", "imei1", "imei2", "meid", "eid", "mac", "parts", "kit"];
    of_units.contains(&column) || ["sscc", "child", "subject", "shipment_no"].contains(&column)
}

const PRODUCTS: &[Column] = &[
    must("gtin", "GTIN of 8, 12, 13 (the 69 code) or 14 digits with a valid check digit"),
    must("name_zh", "name in Chinese, at most 200 characters"),
    may("name_en", "name in English, at most 200 characters"),
    must("category", "phone, tablet, notebook, power_bank, …: chooses the warranty policy"),
    may("model", "the maker's model designation, at most 64 characters"),
    may("spec", "size, colour, memory in one line, at most 200 characters"),
    may("maker", "who answers for the product"),
    may("contract_maker", "who made it, when another"),
    list("standards", "standards executed"),
    may("ccc_certificate", "number of the CCC certificate, empty when none applies"),
    may("certificate_body", "who gave the certificate"),
    may("certificate_from_on", "first day of the certificate"),
    may("certificate_to_on", "last day of the certificate"),
    may("certificate_status", "valid, suspended or withdrawn, as its body says"),
    may("licence", "number of the production licence, empty when none applies"),
    may("test_report", "number or address of the test report"),
    may("service_months", "months from production that its use is recommended for")
        .or(Json::Number),
    may("list_price_yuan", "yuan with at most two decimals").or(Json::Number),
    may("picture", "address of a picture: https://HOST/…, http://HOST/… or /…"),
    may("network_start", "yes or no: whether the device reports its own first start")
        .or(Json::Truth),
];

const PARTIES: &[Column] = &[
    must("code", "the brand's short name for the party, unique within the brand"),
    must(
        "kind",
        "brand, factory, tier1, tier2, shop, service_centre, recycler, platform, regulator",
    ),
    must("name", "name as shown, at most 200 characters"),
    may("parent_code", "code of the party above; it may come later in the file"),
    may("region", "GB/T 2260 code of its seat"),
    may("address", "street address"),
    may("phone", "telephone as written"),
    may("lon", "longitude of its seat, WGS-84 degrees").or(Json::Number),
    may("lat", "latitude of its seat, WGS-84 degrees").or(Json::Number),
    may("public", "yes or no: whether consumers may see its name; empty means no").or(Json::Truth),
    may("organisation", "unified social credit code of the legal body, 18 characters"),
    list("categories", "of a regulator: the categories it oversees; none means nothing"),
];

const SITES: &[Column] = &[
    must("code", "the brand's short name for the site, unique within the brand"),
    must("party_code", "the party that runs it, for ever"),
    must("kind", "plant, warehouse, shop, office"),
    must("name", "name as shown, at most 200 characters"),
    may("region", "GB/T 2260 code of the place"),
    may("address", "street address"),
    may("phone", "telephone as written"),
    may("lon", "longitude of the place, WGS-84 degrees").or(Json::Number),
    may("lat", "latitude of the place, WGS-84 degrees").or(Json::Number),
];

const TERRITORIES: &[Column] = &[
    must("party_code", "who may sell"),
    must("gtin", "the product, or * for all products"),
    Column {
        required: true,
        ..list("regions", "GB/T 2260 prefixes or ISO 3166-1 alpha-2; CN is the mainland")
    },
    list("excluded", "regions left out of them"),
    must("from_on", "first day"),
    may("to_on", "last day; empty while open"),
    may("channel", "online, offline or both; empty means both"),
    may("polygons", "fences as GeoJSON text, WGS-84").or(Json::Object),
];

const PRODUCTION: &[Column] = &[
    must("sn", "the brand's serial number: 1-32 of A-Z a-z 0-9 . / _ -"),
    must("gtin", "the product"),
    must("produced_at", "when it was made"),
    must("site_code", "where: a site, or a party (its main site)"),
    may("code", "the trace code to bind; without it one of the open unprinted batch is taken"),
    may("imei1", "IMEI of the first modem"),
    may("imei2", "IMEI of the second modem"),
    list("meid", "MEIDs"),
    list("eid", "EIDs of embedded SIMs"),
    list("mac", "MAC addresses given by the maker"),
    list("parts", "serial numbers of built-in parts"),
    may("line", "production line, at most 64 characters"),
    may("lot", "production lot"),
    may("inspection", "pass, fail, hold or empty; fail and hold cannot be packed"),
    may("kit", "the serial number or code of the main unit, the same for all of one saleable set"),
    may("disposition", "sale, demo, gift, staff, export, duty_free, spare, refurbished or empty"),
];

const PACKS: &[Column] = &[
    must("sscc", "the carton or pallet: 18 digits with a valid check digit"),
    must("child", "what was put in: a serial number, a trace code or an SSCC"),
    must("packed_at", "when"),
];

const SHIPMENTS: &[Column] = &[
    must("shipment_no", "number of the shipment"),
    must("from_code", "the party that hands over"),
    must("to_code", "the party it goes to"),
    must("happened_at", "when the goods left"),
    must("subject", "what was shipped: a serial number, a trace code or an SSCC"),
    may("reason", "why, where no territory binds the receiver"),
    may("declared_group_purchase", "yes or no: sold to a group outside; empty means no")
        .or(Json::Truth),
];

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Products,
        Self::Parties,
        Self::Sites,
        Self::Territories,
        Self::Production,
        Self::Packs,
        Self::Shipments,
    ];

    /// The word in commands and addresses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Products => "products",
            Self::Parties => "parties",
            Self::Sites => "sites",
            Self::Territories => "territories",
            Self::Production => "production",
            Self::Packs => "packs",
            Self::Shipments => "shipments",
        }
    }

    /// Every column the kind knows. Others are ignored in a table, and refused in JSON.
    pub const fn columns(self) -> &'static [Column] {
        match self {
            Self::Products => PRODUCTS,
            Self::Parties => PARTIES,
            Self::Sites => SITES,
            Self::Territories => TERRITORIES,
            Self::Production => PRODUCTION,
            Self::Packs => PACKS,
            Self::Shipments => SHIPMENTS,
        }
    }

    /// The columns without which a file is refused as a whole.
    pub fn required(self) -> impl Iterator<Item = &'static str> {
        self.columns().iter().filter(|column| column.required).map(|column| column.name)
    }

    /// The place of a column in [`Self::columns`], its name given as in a header: any case, space
    /// around it.
    pub(super) fn place(self, header: &str) -> Option<usize> {
        let name = header.trim();
        self.columns().iter().position(|column| column.name.eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that names no [`Kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a file is one of products, parties, sites, territories, production, packs, shipments")]
pub struct UnknownKind;

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(word: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word).ok_or(UnknownKind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_columns_are_unique() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            for (place, column) in kind.columns().iter().enumerate() {
                assert_eq!(kind.place(column.name), Some(place), "{}", column.name);
            }
        }
        assert_eq!("Products".parse::<Kind>(), Err(UnknownKind));
        assert_eq!(Kind::Products.required().collect::<Vec<_>>(), ["gtin", "name_zh", "category"]);
        assert_eq!(Kind::Parties.place(" Parent_CODE "), Some(3));
    }
}
