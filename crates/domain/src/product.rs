//! Products: what is sold, known by its GTIN (the "69 code").

use crate::certification::Certification;
use crate::id::{BrandId, ProductId};
use crate::policy::Category;
use crate::webhook::target::Allowed;

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
        let address = self.picture.as_str();
        let secure = address.starts_with("https://") && picture_host(address).is_some();
        (secure || is_own_path(address)).then_some(address)
    }
}

/// Why an address of a picture was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be an address such as https://pictures.example.com/n3.jpg, its host of letters, digits, \
     dots and hyphens, or /n3.jpg on the page's own host"
)]
pub struct PictureProblem;

/// Refuses what is no address of a picture: no `javascript:`, no `data:`, nothing that ends the
/// attribute it is written into.
///
/// # Errors
/// [`PictureProblem`].
pub fn check_picture(address: &str) -> Result<(), PictureProblem> {
    let fit = is_own_path(address) || picture_host(address).is_some();
    match fit && !address.contains([' ', '"', '\'', '<', '>', '\\']) {
        true => Ok(()),
        false => Err(PictureProblem),
    }
}

/// The other host that an address of a picture leads to, with the port if one is named. It stands
/// in a page's content policy, where a `*` would let in every host.
pub fn picture_host(address: &str) -> Option<&str> {
    let rest = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://"))?;
    let host = rest.split(['/', '?', '#']).next()?;
    let plain = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:".contains(&byte));
    (plain && host.parse::<Allowed>().is_ok()).then_some(host)
}

fn is_own_path(address: &str) -> bool {
    address.starts_with('/') && !address.starts_with("//")
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
    fn a_picture_lies_on_a_host_or_on_the_pages_own() {
        for (address, host) in [
            ("https://pictures.example.com/n3.jpg", Some("pictures.example.com")),
            ("https://cdn-1.example.com:8443?n=3", Some("cdn-1.example.com:8443")),
            ("http://Pictures.Example.com#n3", Some("Pictures.Example.com")),
            ("https://127.0.0.1:9000/n3.jpg", Some("127.0.0.1:9000")),
            ("https://pictures.example.com", Some("pictures.example.com")),
            ("https://pictures.example.com/机/*.jpg", Some("pictures.example.com")),
            ("/n3.jpg", None),
        ] {
            assert_eq!((check_picture(address), picture_host(address)), (Ok(()), host));
        }
        for address in [
            "",
            "n3.jpg",
            "//elsewhere.example/n3.jpg",
            "data:image/png;base64,AA",
            "javascript:alert(1)",
            "https://",
            "https:///x",
            "https://*/a",
            "https://*.example.com/a",
            "https://.example.com/a",
            "https://a..b/",
            "https://-a.example.com/",
            "https://a_b.example.com/",
            "https://user@pictures.example.com/",
            "https://pictures.example.com:/",
            "https://pictures.example.com:x/",
            "https://;/a",
            "https://例子.cn/a",
            "https://pictures.example.com/a b",
            "https://pictures.example.com/\"onerror=",
            "/\\elsewhere.example/n3.jpg",
        ] {
            assert_eq!(check_picture(address), Err(PictureProblem), "{address}");
        }
    }

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
