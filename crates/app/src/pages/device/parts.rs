//! What each state says and offers: the wording decisions of the device page, as plain values.
//!
//! Everything here is a function of the view. The templates only lay it out.

use domain::code::CODE_LEN;

use crate::pages::i18n::Lang;
use crate::pages::inline::Icon;
use crate::pages::shell::{Tone, href};

use super::view::{
    ActiveNote, Against, Check, CheckReason, DeviceView, LinksView, Mark, PageState, RetiredReason,
    ScanView, ScansView, Starts, TimelineKind,
};

/// A line is "wide" beyond so many Latin letters; a Chinese character counts as two.
const TITLE_LETTERS_LARGE_MAX: usize = 8;
const TITLE_LETTERS_MIDDLE_MAX: usize = 13;

/// The top of the page: the verdict and what it rests on.
pub(super) struct Hero {
    pub icon: Icon,
    pub title: &'static str,
    pub size: &'static str,
    pub reason: String,
    pub chips: Vec<Chip>,
    pub scans: Vec<String>,
}

/// A check with its outcome.
pub(super) struct Chip {
    pub icon: Icon,
    pub text: &'static str,
}

/// A link that does something.
pub(super) struct Action {
    pub icon: Icon,
    pub text: &'static str,
    pub url: String,
}

/// The filled button and the quiet one beside it.
pub(super) struct Actions {
    pub main: Option<Action>,
    pub second: Option<Action>,
}

pub(super) fn tone(state: PageState) -> Tone {
    match state {
        PageState::Active(_) | PageState::NotActivated { .. } => Tone::Ok,
        PageState::Check(_) | PageState::NotReleased => Tone::Warn,
        PageState::Recalled
        | PageState::Stolen { .. }
        | PageState::Retired(_)
        | PageState::Unverifiable => Tone::Bad,
        PageState::Unavailable => Tone::Mute,
    }
}

pub(super) fn title(lang: Lang, state: PageState) -> &'static str {
    lang.t(match state {
        PageState::Active(_) => "title.active",
        PageState::NotActivated { .. } => "title.not_activated",
        PageState::Check(_) => "title.check",
        PageState::NotReleased => "title.not_released",
        PageState::Recalled => "title.recalled",
        PageState::Stolen { .. } => "title.stolen",
        PageState::Retired(_) => "title.retired",
        PageState::Unverifiable => "title.unverifiable",
        PageState::Unavailable => "title.unavailable",
    })
}

fn icon(state: PageState) -> Icon {
    match state {
        PageState::Active(_) | PageState::NotActivated { .. } => Icon::Genuine,
        PageState::Check(_) | PageState::NotReleased => Icon::Look,
        PageState::Recalled => Icon::Off,
        PageState::Stolen { .. } | PageState::Retired(_) => Icon::Banned,
        PageState::Unverifiable => Icon::Refused,
        PageState::Unavailable => Icon::Offline,
    }
}

/// How large the title can be set without breaking on a narrow phone.
pub(super) fn size(title: &str) -> &'static str {
    let letters: usize = title.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum();
    match letters {
        0..=TITLE_LETTERS_LARGE_MAX => "t1",
        n if n <= TITLE_LETTERS_MIDDLE_MAX => "t2",
        _ => "t3",
    }
}

/// The one sentence under the verdict.
fn reason(view: &DeviceView) -> String {
    let lang = view.lang;
    let brand = |key| lang.with(key, "brand", &view.site.brand);
    match view.state {
        PageState::Active(ActiveNote::SamePlace) => brand("reason.active_here"),
        PageState::Active(ActiveNote::Plain) if view.further_life => brand("reason.active_renewed"),
        PageState::Active(ActiveNote::Plain) => brand("reason.active"),
        PageState::Active(ActiveNote::Proved(on)) => {
            lang.with("reason.active_proved", "date", lang.date(on))
        }
        PageState::Active(ActiveNote::ProvedElsewhere(on)) => {
            lang.with("reason.active_proved_elsewhere", "date", lang.date(on))
        }
        PageState::NotActivated { proved_elsewhere: Some(on), .. } => {
            lang.with("reason.not_activated_proved_elsewhere", "date", lang.date(on))
        }
        PageState::NotActivated { .. } if view.further_life => {
            brand("reason.not_activated_renewed")
        }
        PageState::NotActivated { starts, .. } => brand(match starts {
            Starts::FirstStart => "reason.not_activated",
            Starts::Registration => "reason.not_activated_register",
            Starts::Sold => "reason.not_activated_sold",
        }),
        PageState::Check(why) => reason_to_check(lang, why),
        PageState::NotReleased => lang.t("reason.not_released").to_owned(),
        PageState::Recalled => brand("reason.recalled"),
        PageState::Stolen { reported_on: Some(on) } => {
            lang.with("reason.stolen_on", "date", lang.date(on))
        }
        PageState::Stolen { reported_on: None } => lang.t("reason.stolen").to_owned(),
        PageState::Retired(RetiredReason::CodeVoid) => lang.t("reason.code_void").to_owned(),
        PageState::Retired(RetiredReason::Decommissioned) => {
            lang.t("reason.decommissioned").to_owned()
        }
        PageState::Unverifiable => brand("reason.unverifiable"),
        PageState::Unavailable => lang.t("reason.unavailable").to_owned(),
    }
}

fn reason_to_check(lang: Lang, why: CheckReason) -> String {
    match why {
        CheckReason::ManyScans { scan_count, city_count, hours } => lang.tf(
            "reason.many_scans",
            &[("hours", &hours), ("cities", &city_count), ("scans", &lang.number(scan_count))],
        ),
        CheckReason::ImpossibleTravel { km, minutes } => {
            let key = if minutes == 1 { "reason.travel_one" } else { "reason.travel" };
            lang.tf(key, &[("km", &lang.number(km)), ("minutes", &minutes)])
        }
        CheckReason::ActivatedAgain => lang.t("reason.activated_again").to_owned(),
        CheckReason::NotCleared => lang.t("reason.not_cleared").to_owned(),
        CheckReason::UnknownBrand => lang.t("reason.unknown_brand").to_owned(),
    }
}

/// What is unusual about the scans, where the verdict speaks of something else.
fn odd_scans(lang: Lang, why: CheckReason) -> Option<String> {
    let said = match why {
        CheckReason::ManyScans { scan_count, city_count, hours } => lang.tf(
            "scans.odd_many",
            &[("hours", &hours), ("cities", &city_count), ("scans", &lang.number(scan_count))],
        ),
        CheckReason::ImpossibleTravel { km, minutes } => {
            lang.tf("scans.odd_travel", &[("km", &lang.number(km)), ("minutes", &minutes)])
        }
        _ => return None,
    };
    Some(said)
}

fn chip(view: &DeviceView, check: Check) -> Chip {
    let (mark, key) = match check {
        Check::Against(Against::Inspection) => (Mark::Warn, "check.not_cleared"),
        Check::Against(Against::Recalled) => (Mark::Bad, "check.recalled"),
        Check::Against(Against::Stolen) => (Mark::Bad, "check.stolen"),
        Check::Against(Against::Retired) => (Mark::Bad, "check.retired"),
        Check::Code(mark @ Mark::Ok) => (mark, "check.code_ok"),
        Check::Code(mark) => (mark, "check.code_bad"),
        // Its timeline tells the first start of each life.
        Check::Activation(mark @ Mark::Ok) if view.further_life => {
            (mark, "check.activation_ok_renewed")
        }
        Check::Activation(mark @ Mark::Ok) => (mark, "check.activation_ok"),
        Check::Activation(mark @ Mark::None) => (mark, "check.activation_none"),
        Check::Activation(mark) => (mark, "check.activation_again"),
        Check::Scans(mark @ Mark::Ok) => (mark, "check.scans_ok"),
        Check::Scans(mark) => (mark, "check.scans_odd"),
    };
    let icon = match mark {
        Mark::Ok => Icon::Good,
        Mark::Warn => Icon::Warn,
        Mark::Bad => Icon::Bad,
        Mark::None => Icon::Clock,
    };
    Chip { icon, text: view.lang.t(key) }
}

/// 第 3 次查询 / 首次 5月14日，上海市 / 上次 8 分钟前，郑州市, as separate pieces.
fn scan_line(view: &DeviceView, scans: &ScansView) -> Vec<String> {
    let lang = view.lang;
    let now = view.site.queried_at;
    let piece = |key, scan: &ScanView, city: Option<&str>| {
        let when = lang.ago(scan.at, now);
        lang.with(key, "scan", lang.join([&*when, city.unwrap_or_default()]))
    };
    if scans.count <= 1 {
        return vec![lang.t("scans.first_ever").to_owned()];
    }
    let mut line = vec![lang.with("scans.count", "n", lang.number(scans.count))];
    // With two queries the first one is also the last one: saying it twice helps nobody. Nor
    // does the same city twice.
    let last = scans.last.as_ref().filter(|_| scans.count > 2 || scans.first.is_none());
    let last_city = last.and_then(|scan| scan.city.as_deref());
    line.extend(scans.first.iter().map(|scan| {
        let city = scan.city.as_deref().filter(|city| last_city != Some(city));
        piece("scans.first", scan, city)
    }));
    line.extend(last.map(|scan| piece("scans.last", scan, scan.city.as_deref())));
    line
}

pub(super) fn hero(view: &DeviceView) -> Hero {
    let title = title(view.lang, view.state);
    let mut reason = reason(view);
    if let Some(odd) = view.odd_scans.and_then(|why| odd_scans(view.lang, why)) {
        reason += if view.lang == Lang::Zh { "" } else { " " };
        reason += &odd;
    }
    Hero {
        icon: icon(view.state),
        title,
        size: size(title),
        reason,
        chips: view.checks.iter().map(|check| chip(view, *check)).collect(),
        scans: view.scans.as_ref().map(|scans| scan_line(view, scans)).unwrap_or_default(),
    }
}

fn centres(lang: Lang, links: &LinksView) -> Option<Action> {
    let url = href(links.centres.as_deref()?).to_owned();
    Some(Action { icon: Icon::Place, text: lang.t("action.centres"), url })
}

fn register(lang: Lang, links: &LinksView, text: &'static str) -> Option<Action> {
    let url = href(links.register.as_deref()?).to_owned();
    Some(Action { icon: Icon::Register, text: lang.t(text), url })
}

fn report(lang: Lang, links: &LinksView) -> Option<Action> {
    let url = href(links.report.as_deref()?).to_owned();
    Some(Action { icon: Icon::Report, text: lang.t("action.report"), url })
}

fn retry(lang: Lang, links: &LinksView) -> Option<Action> {
    let url = href(links.retry.as_deref()?).to_owned();
    Some(Action { icon: Icon::Again, text: lang.t("action.retry"), url })
}

fn call(view: &DeviceView) -> Option<Action> {
    let url = view.site.hotline_url()?;
    Some(Action { icon: Icon::Phone, text: view.lang.t("action.call"), url })
}

/// The first step of the physical proof, as a jump down the page.
fn check(view: &DeviceView) -> Option<Action> {
    let proof = view.proof.as_ref()?;
    let text = if proof.scratch.is_some() { "action.scratch" } else { "action.check" };
    let url = if proof.scratch.is_some() { "#scratch" } else { "#proof" };
    Some(Action { icon: Icon::Scan, text: view.lang.t(text), url: url.to_owned() })
}

/// Whether somebody registered it since its present life began.
fn is_registered(view: &DeviceView) -> bool {
    let renewed = |kind| matches!(kind, TimelineKind::Renewed(_));
    let mut own = view.timeline.iter().take_while(|entry| !renewed(entry.kind));
    own.any(|entry| entry.kind == TimelineKind::Registered)
}

/// One filled button, chosen by state; where its address is missing the next best step takes its
/// place, so no state is a dead end while the brand has a hotline.
pub(super) fn actions(view: &DeviceView) -> Actions {
    let (lang, links) = (view.lang, &view.links);
    let wanted = match view.state {
        // First whoever did not prove it compares what they hold.
        PageState::Active(ActiveNote::ProvedElsewhere(_)) => {
            [check(view), centres(lang, links), register(lang, links, "action.register")]
        }
        PageState::Active(_) => {
            [centres(lang, links), register(lang, links, "action.register"), call(view)]
        }
        PageState::NotActivated { starts, proved_elsewhere } => {
            // What runs already is not begun by registering, nor is what somebody registered.
            let bound = starts != Starts::Registration && is_registered(view);
            let runs = bound || starts == Starts::Sold;
            let word = if runs { "action.register" } else { "action.activate" };
            let begin = register(lang, links, word);
            match proved_elsewhere {
                Some(_) => [check(view), begin, centres(lang, links)],
                None if bound => [centres(lang, links), begin, call(view)],
                None => [begin, centres(lang, links), call(view)],
            }
        }
        PageState::Check(CheckReason::NotCleared)
        | PageState::NotReleased
        | PageState::Unverifiable => [report(lang, links), call(view), None],
        PageState::Check(_) => [check(view), report(lang, links), call(view)],
        PageState::Recalled | PageState::Retired(_) => {
            [call(view), centres(lang, links), report(lang, links)]
        }
        PageState::Stolen { .. } => [call(view), report(lang, links), None],
        PageState::Unavailable => [retry(lang, links), call(view), None],
    };
    let mut there = wanted.into_iter().flatten();
    Actions { main: there.next(), second: there.next() }
}

/// The services card: every action that exists and is not already a large button.
pub(super) fn services(view: &DeviceView, actions: &Actions) -> Vec<Action> {
    let (lang, links) = (view.lang, &view.links);
    if !matches!(tone(view.state), Tone::Ok) {
        return Vec::new();
    }
    let known = [
        centres(lang, links),
        register(lang, links, "action.register"),
        report(lang, links),
        call(view),
    ];
    let taken = [&actions.main, &actions.second];
    let large = |url: &str| taken.iter().any(|a| a.as_ref().is_some_and(|a| a.url == url));
    known.into_iter().flatten().filter(|action| !large(&action.url)).collect()
}

/// What to do next, where the verdict is bad news or no news.
pub(super) fn advice(view: &DeviceView) -> Vec<&'static str> {
    // Nobody is sent to a telephone that is not there.
    let called = view.site.hotline.is_some();
    let keys: &[&'static str] = match view.state {
        PageState::Check(CheckReason::UnknownBrand) => &["advice.keep_evidence"],
        PageState::Check(CheckReason::NotCleared) => {
            &["advice.not_released_1", "advice.keep_evidence"]
        }
        PageState::Active(_)
        | PageState::NotActivated { .. }
        | PageState::Check(_)
        | PageState::Recalled => &[],
        PageState::NotReleased => {
            &["advice.not_released_1", "advice.not_released_2", "advice.keep_evidence"]
        }
        PageState::Stolen { .. } if called => &["advice.stolen_1", "advice.stolen_2"],
        PageState::Stolen { .. } => &["advice.stolen_1", "advice.stolen_2_uncalled"],
        PageState::Retired(_) if called => &["advice.retired_1", "advice.retired_2"],
        PageState::Retired(_) => &["advice.retired_1", "advice.retired_2_uncalled"],
        PageState::Unverifiable => &[
            "advice.unverifiable_1",
            "advice.unverifiable_2",
            "advice.unverifiable_3",
            "advice.keep_evidence",
        ],
        PageState::Unavailable if called => &["advice.unavailable_1", "advice.unavailable_2"],
        PageState::Unavailable => &["advice.unavailable_1"],
    };
    keys.iter().map(|key| view.lang.t(key)).collect()
}

/// What was typed for a code, written as codes are printed where it has their length.
pub(super) fn as_printed(typed: &str) -> String {
    let plain = typed.len() == CODE_LEN && typed.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if plain { printed(typed) } else { typed.to_owned() }
}

/// X8K29M4PLQ7RW as people read it: X8K2-9M4P-LQ7R-W.
pub(super) fn printed(code: &str) -> String {
    let letters: Vec<char> = code.chars().collect();
    let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
    groups.join("-")
}

/// That a code was used before: when, and where that is known.
pub(super) fn used_before(lang: Lang, when: &str, city: Option<&str>) -> String {
    // What was done just now is said with another verb than what was done at a time.
    if when == lang.t("time.just_now") {
        return match city {
            Some(city) => lang.with("result.again_now_place", "place", city),
            None => lang.t("result.again_now").to_owned(),
        };
    }
    let first = lang.join([when, city.unwrap_or_default()]);
    // Between Chinese and digits stands a space.
    let digits = lang == Lang::Zh && first.starts_with(|c: char| c.is_ascii_digit());
    let first = if digits { format!(" {first}") } else { first };
    lang.with("result.again_text", "first", first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_printed_in_fours() {
        assert_eq!(printed("X8K29M4PLQ7RW"), "X8K2-9M4P-LQ7R-W");
        assert_eq!(printed(""), "");
        for (typed, shown) in [
            ("X8K29M4PLQ7RW", "X8K2-9M4P-LQ7R-W"),
            ("X8K2-9M4P-LQ7R-W", "X8K2-9M4P-LQ7R-W"),
            ("X8K29M4P", "X8K29M4P"),
            ("伪码伪码a", "伪码伪码a"),
        ] {
            assert_eq!(as_printed(typed), shown);
        }
    }

    #[test]
    fn long_titles_are_set_smaller() {
        assert_eq!(size("正品"), "t1");
        assert_eq!(size("正品，待激活"), "t2");
        assert_eq!(size("Cannot confirm as genuine"), "t3");
    }
}
