//! Lists in pages: a bounded number of rows, and a cursor that says where the next page starts.
//! Rows are in the order of their identity, so a page is never disturbed by what is added.

use super::error::Problem;
use crate::flows::{Caller, House};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Rows of a page unless said otherwise.
const LIMIT: usize = 100;
/// Rows of a page at most.
pub const LIMIT_MAX: usize = 1_000;

/// Which page.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Rows, 1 to 1,000; 100 unless said.
    pub limit: Option<usize>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// A page.
#[derive(Debug, Serialize, ToSchema)]
pub struct PageReply<T> {
    /// Its rows.
    pub items: Vec<T>,
    /// Where the next page starts; null at the end.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}

impl PageQuery {
    /// How many rows.
    ///
    /// # Errors
    /// The limit is out of range.
    pub fn rows(&self) -> Result<usize, Problem> {
        let limit = self.limit.unwrap_or(LIMIT);
        if (1..=LIMIT_MAX).contains(&limit) {
            return Ok(limit);
        }
        Err(Problem::invalid("limit", format!("must be 1 to {LIMIT_MAX}")))
    }

    /// Behind which identity the page begins.
    ///
    /// # Errors
    /// The cursor is none of ours.
    pub fn after(&self) -> Result<Option<i64>, Problem> {
        let Some(text) = self.cursor.as_deref() else { return Ok(None) };
        let read = text.strip_prefix('a').and_then(|t| i64::from_str_radix(t, 16).ok());
        // Only as we write it: a sign or a capital is somebody else's.
        let read = read.filter(|id| cursor(*id) == text);
        read.map(Some).ok_or_else(|| Problem::invalid("cursor", "take it from next_cursor"))
    }

    /// Behind which unit the page begins; 0 for the beginning.
    ///
    /// # Errors
    /// The cursor is none of ours.
    pub fn behind_unit(&self, house: &House, caller: &Caller) -> Result<i64, Problem> {
        let Some(text) = self.cursor.as_deref() else { return Ok(0) };
        let number = unsealed(house, caller, text).and_then(|number| number.parse().ok());
        number.ok_or_else(|| Problem::invalid("cursor", "take it from next_cursor"))
    }

    /// Cuts a page out of rows that come in the order of `id`.
    ///
    /// # Errors
    /// The limit is out of range, or the cursor is none of ours.
    pub fn cut<T, R>(
        &self,
        rows: impl Iterator<Item = T>,
        id: impl Fn(&T) -> i64,
        reply: impl Fn(T) -> R,
    ) -> Result<PageReply<R>, Problem> {
        let limit = self.rows()?;
        let after = self.after()?.unwrap_or(i64::MIN);
        let mut rows = rows.filter(|row| id(row) > after);
        let page: Vec<T> = rows.by_ref().take(limit).collect();
        let more = rows.next().is_some();
        let last = page.last().map(&id).filter(|_| more);
        let next_cursor = last.map(cursor);
        Ok(PageReply { items: page.into_iter().map(reply).collect(), next_cursor })
    }
}

/// The cursor of a page that begins behind an identity.
fn cursor(id: i64) -> String {
    format!("a{id:x}")
}

/// A place sealed for a brand: whoever holds it learns nothing by it. Units are numbered on one
/// line for all brands, so their numbers would tell how many others make.
///
/// # Errors
/// The system gave no randomness.
pub fn sealed(house: &House, caller: &Caller, place: &str) -> Result<String, Problem> {
    let sealed = house.secrets.seal(&label(caller), place.as_bytes());
    Ok(BASE64.encode(sealed.map_err(Problem::internal)?))
}

/// The place that [`sealed`] sealed for the same brand.
pub fn unsealed(house: &House, caller: &Caller, text: &str) -> Option<String> {
    let sealed = BASE64.decode(text).ok()?;
    let place = house.secrets.open(&label(caller), &sealed).ok()?;
    String::from_utf8(place.to_vec()).ok()
}

fn label(caller: &Caller) -> String {
    format!("cursor v1 {}", caller.brand.0)
}

/// The cursor of a page that begins behind a unit.
///
/// # Errors
/// As [`sealed`].
pub fn unit_cursor(house: &House, caller: &Caller, number: i64) -> Result<String, Problem> {
    sealed(house, caller, &number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_to_the_end() {
        let mut query = PageQuery { limit: Some(3), cursor: None };
        let mut seen = Vec::new();
        loop {
            let page = query.cut(0..8_i64, |n| *n, |n| n).unwrap();
            seen.extend(page.items);
            query.cursor = page.next_cursor;
            if query.cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, (0..8).collect::<Vec<_>>());
        assert!(PageQuery { limit: Some(0), cursor: None }.rows().is_err());
        for forged in ["x", "a", "a-1", "a-5", "a+5", "aF", "a05", "a5 "] {
            let bad = PageQuery { limit: None, cursor: Some(forged.into()) };
            let refused = bad.cut(0..1_i64, |n| *n, |n| n).unwrap_err();
            assert_eq!(refused.field.as_deref(), Some("cursor"), "{forged}");
        }
    }
}
