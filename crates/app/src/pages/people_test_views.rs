//! Believable views of the pages of people, for the tests of every page.

use super::i18n::Lang;
use super::people::*;
use super::shell::SiteView;

/// A name that breaks nowhere, as a careless import makes them.
const LONG: &str =
    "澄野电子有限公司华东大区授权服务中心售后技术支持与备件管理部ABCDEFGHIJKLMNOPQRSTUVWXYZ";

fn form(lang: Lang, site: &SiteView, fields: &[Asked]) -> FormView {
    FormView {
        lang,
        site: site.clone(),
        brand: None,
        title: lang.t("people.sign_up_title"),
        lead: lang.t("people.sign_up_lead").to_owned(),
        alert: None,
        action: "/sign-up".to_owned(),
        fields: fields.iter().map(|asked| (*asked, String::new())).collect(),
        wrong: None,
        hidden: Vec::new(),
        submit: lang.t("people.sign_up_submit"),
        help: None,
        ways: vec![("/sign-in", lang.t("people.sign_in_instead"))],
    }
}

fn account(lang: Lang, site: &SiteView) -> AccountView {
    let membership = |id: &str, party: &str, chosen| MembershipView {
        id: id.to_owned(),
        party: party.to_owned(),
        role: role_word(lang, "owner"),
        chosen,
    };
    let session = |id: &str, present| SessionView {
        id: id.to_owned(),
        present,
        agent: "Chrome".to_owned(),
        place: "2001:db8:1111:2222:3333:4444:5555:6666".to_owned(),
        used: lang.t("time.just_now").to_owned(),
    };
    AccountView {
        lang,
        site: site.clone(),
        name: LONG.to_owned(),
        sign_in_name: "li.wei@example.com".to_owned(),
        notice: None,
        wrong: None,
        codes: Vec::new(),
        memberships: vec![membership("a", LONG, true), membership("b", "门店", false)],
        factor: FactorView::Off,
        sessions: vec![session("a", true), session("b", false)],
        audits: true,
        unvouched: true,
    }
}

/// Each page by name.
pub(super) fn pages(lang: Lang, site: &SiteView) -> Vec<(&'static str, String)> {
    let fields = [Asked::BrandCode, Asked::BrandName, Asked::NewSignInName, Asked::NewPassword];
    let plain = form(lang, site, &fields);
    let refused = FormView {
        alert: Some(lang.t("people.fault_form").to_owned()),
        wrong: Some((Asked::BrandCode, lang.t("people.fault_brand"))),
        ..plain.clone()
    };
    let link = "otpauth://totp/Dossier:li?secret=AAAABBBB&issuer=Dossier".to_owned();
    let drawing = crate::symbol::Symbol::Qr.draw(&link).expect("it fits");
    let off = account(lang, site);
    let bad = |text: &str| Some(Notice { good: false, text: text.to_owned() });
    let begun = AccountView {
        factor: FactorView::Begun { secret: "AAAABBBB".to_owned(), link, drawing },
        notice: bad(lang.t("people.fault_form")),
        wrong: Some((field::CODE, lang.t("people.fault_code"))),
        ..off.clone()
    };
    let on = AccountView { factor: FactorView::On(9), memberships: Vec::new(), ..off.clone() };
    let wrong = Some((field::NEXT, lang.t("people.fault_password")));
    let wrong = AccountView { notice: bad("!"), wrong, ..off.clone() };
    let codes = AccountView { codes: vec!["ABCDE-FGHJK".to_owned(); 10], ..off.clone() };
    let mut pages: Vec<_> = [("people-form", plain), ("people-form-refused", refused)]
        .map(|(name, view)| (name, render_form(&view).expect(name)))
        .into();
    let accounts = [
        ("people-account", off),
        ("people-factor-begun", begun),
        ("people-factor-on", on),
        ("people-password-refused", wrong),
        ("people-codes", codes),
    ];
    pages.extend(accounts.map(|(name, view)| (name, render_account(&view).expect(name))));
    pages
}
