//! Products: what is sold, known by its GTIN (the "69 code").

use crate::certification::Certification;
use crate::id::{BrandId, ProductId};
use crate::policy::Category;

/// What is sold. The fields consumers see are those a unit code must resolve to (product, maker,
/// contract maker, standards executed, certificate).
#[derive(Clone, Debug, PartialEq)]
pub struct Product {
    /// Row identity.
    pub id: ProductId,
    /// The tenant it belongs to.
    pub brand: BrandId,
    /// 14 digits, left-padded.
    pub gtin: String,
    /// Its name in Chinese.
    pub name_zh: String,
    /// Its name in English, may be empty.
    pub name_en: String,
    /// Chooses the warranty policy.
    pub category: Category,
    /// The maker's model designation.
    pub model: String,
    /// Size, colour, memory: one line.
    pub spec: String,
    /// Who answers for it.
    pub maker: String,
    /// Who made it, when another.
    pub contract_maker: String,
    /// Standards executed, in the order given.
    pub standards: Vec<String>,
    /// CCC certificate number, empty when none applies.
    pub ccc_certificate: String,
    /// Address of a picture, empty when none.
    pub picture: String,
    /// List price in fen; none when not stated.
    pub list_price_fen: Option<i64>,
    /// Whether the device reports its own first start. Without it, registering the consumer
    /// counts as the activation.
    pub network_start: bool,
    /// Its papers.
    pub certification: Certification,
}

impl Product {
    /// Its picture, where a page under TLS can show it: from the page's own host, or from one that
    /// speaks TLS itself. No browser shows another there.
    pub fn shown_picture(&self) -> Option<&str> {
        let own = self.picture.starts_with('/') && !self.picture.starts_with("//");
        let shown = own || self.picture.starts_with("https://");
        shown.then_some(self.picture.as_str())
    }
}

/// Largest price accepted, in fen: ten million yuan.
pub const PRICE_FEN_MAX: i64 = 1_000_000_000;

/// Why a price was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceProblem {
    /// Below zero.
    #[error("must not be negative")]
    Negative,
    /// Not yuan with at most two decimals.
    #[error("must be yuan with at most two decimals, such as 3999.00")]
    Form,
    /// Above [`PRICE_FEN_MAX`].
    #[error("must be at most 10000000.00 yuan")]
    TooLarge,
}

/// Reads yuan with at most two decimals as fen. No floating point touches money.
pub fn fen_from_yuan(raw: &str) -> Result<i64, PriceProblem> {
    let raw = raw.trim();
    if let Some(rest) = raw.strip_prefix('-') {
        let digits = rest.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        return Err(if digits { PriceProblem::Negative } else { PriceProblem::Form });
    }
    let (yuan, fen) = raw.split_once('.').unwrap_or((raw, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if yuan.is_empty() || !digits(yuan) || !digits(fen) || fen.len() > 2 {
        return Err(PriceProblem::Form);
    }
    if raw.ends_with('.') {
        return Err(PriceProblem::Form);
    }
    let yuan: i64 = yuan.parse().map_err(|_| PriceProblem::TooLarge)?;
    let fen: i64 = format!("{fen:0<2}").parse().map_err(|_| PriceProblem::Form)?;
    yuan.checked_mul(100)
        .and_then(|n| n.checked_add(fen))
        .filter(|n| *n <= PRICE_FEN_MAX)
        .ok_or(PriceProblem::TooLarge)
}

/// Fen as yuan with two decimals.
pub fn yuan_from_fen(fen: i64) -> String {
    format!("{}.{:02}", fen / 100, fen % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices() {
        assert_eq!(fen_from_yuan("3999.00"), Ok(399_900));
        assert_eq!(fen_from_yuan("0.5"), Ok(50));
        assert_eq!(fen_from_yuan(" 7 "), Ok(700));
        assert_eq!(fen_from_yuan("-5"), Err(PriceProblem::Negative));
        for bad in ["", "1.234", "1,000", "1e3", "=1", "1.", ".5", "-x", "￥5"] {
            assert_eq!(fen_from_yuan(bad), Err(PriceProblem::Form), "{bad}");
        }
        assert_eq!(fen_from_yuan("10000000.01"), Err(PriceProblem::TooLarge));
        assert_eq!(fen_from_yuan("99999999999999999999"), Err(PriceProblem::TooLarge));
        assert_eq!(yuan_from_fen(399_905), "3999.05");
    }
}
