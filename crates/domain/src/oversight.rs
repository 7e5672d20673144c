//! What an authority may look at: the products and sites that are its business.
//!
//! A regulator is of a place and for some categories. One for whom no category is named sees
//! nothing: a right to look is given, never presumed.

use crate::party::{Party, PartyKind};
use crate::policy::Category;
use crate::region::lies_in;

/// Whether a regulator sees units of a category that were made in a region. Without a region of its
/// own it is the country's and sees every region; with one, those inside it. Where a unit was made
/// is not always known: then only the country's sees it.
pub fn sees(regulator: &Party, category: Category, made_in: Option<&str>) -> bool {
    regulator.kind == PartyKind::Regulator
        && regulator.categories.contains(&category)
        && regulator.region.as_deref().is_none_or(|own| made_in.is_some_and(|it| lies_in(it, own)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::party::tests::party;

    #[test]
    fn an_authority_sees_its_categories_in_its_region() {
        let of = |region: Option<&str>, categories: &[Category]| {
            let mut one = party(9, PartyKind::Regulator, Some(1));
            one.region = region.map(str::to_owned);
            one.categories = categories.to_vec();
            one
        };
        let both = [Category::Phone, Category::PowerBank];
        for (region, made_in, expected) in [
            (None, Some("440307"), true),
            (None, None, true),
            (Some("CN"), Some("440307"), true),
            (Some("440000"), Some("440307"), true),
            (Some("440300"), Some("440307"), true),
            (Some("440300"), Some("440106"), false),
            (Some("530000"), Some("440307"), false),
            (Some("440000"), None, false),
            (Some("440000"), Some("VN"), false),
            (Some("CN"), Some("VN"), false),
            // Another customs territory, though its codes have digits too.
            (Some("CN"), Some("810000"), false),
            (Some("81"), Some("810000"), true),
        ] {
            let regulator = of(region, &both);
            assert_eq!(sees(&regulator, Category::Phone, made_in), expected, "{region:?}");
        }
        assert!(!sees(&of(None, &[Category::Tv]), Category::Phone, None));
        assert!(!sees(&of(None, &[]), Category::Phone, None));
        let mut shop = of(None, &both);
        shop.kind = PartyKind::Shop;
        assert!(!sees(&shop, Category::Phone, None), "no other party has this right");
    }
}
