//! What the registration form promises before it is sent: which day of purchase counts depends on
//! what this unit lets anybody prove, and nothing is named that it does not have.

use super::forms::{ProofKind, RegisterView};

/// How the unit can be shown to be in hand; none where an invoice number is all there is.
fn ways(view: &RegisterView) -> Option<&'static str> {
    let has = |kind| view.proofs.iter().any(|choice| choice.kind == kind);
    let key = match (has(ProofKind::Scratch), has(ProofKind::Imei4)) {
        (true, true) => "register.way_both",
        (true, false) => "register.way_scratch",
        (false, true) => "register.way_imei",
        (false, false) => return None,
    };
    Some(view.lang.t(key))
}

/// Whether an earlier registration was the first start: then the guarantee runs.
fn runs(view: &RegisterView) -> bool {
    !view.activates && !view.starts_itself
}

/// The sentence on top.
pub(super) fn lead(view: &RegisterView) -> String {
    let (with, without) = match view.activates {
        true => ("register.lead_activates", "register.lead_activates_invoice"),
        false => ("register.lead", "register.lead_invoice"),
    };
    match ways(view).filter(|_| !runs(view)) {
        Some(way) => view.lang.with(with, "way", way),
        None => view.lang.t(without).to_owned(),
    }
}

/// The sentence beside the day of purchase: which day counts, and which does not.
pub(super) fn day_hint(view: &RegisterView) -> String {
    let lang = view.lang;
    let counts = match (ways(view), view.starts_itself) {
        (None, _) => lang.t("register.day_invoice").to_owned(),
        _ if runs(view) => lang.t("register.day_runs").to_owned(),
        (Some(way), true) => lang.with("register.day_started", "way", way),
        (Some(way), false) => lang.with("register.day_counts", "way", way),
    };
    let gap = if lang == crate::pages::i18n::Lang::Zh { "" } else { " " };
    [lang.t("register.purchased_hint"), gap, &counts].concat()
}
