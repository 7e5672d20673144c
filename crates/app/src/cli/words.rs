//! Words of the terminal in Chinese and English, and how records are told in them.

use super::term::{Tone, plain};
use crate::flows::verify::SellerAnswer;
use crate::pages::i18n::Lang;
use detect::location::Family;
use domain::custody::HoldKind;
use domain::finding::{FindingKind, Nature};
use domain::identifier::Scheme;
use domain::life::Cause;
use domain::product::Product;
use domain::region::{Divisions, Level, RegionCode};
use domain::verdict::{Check, CheckState, Reason, Verdict};
use domain::warranty::{Gap, StartBasis};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt::Display;

/// The text in the language chosen.
pub fn pick(lang: Lang, zh: &'static str, en: &'static str) -> &'static str {
    match lang {
        Lang::Zh => zh,
        Lang::En => en,
    }
}

/// Reads `--lang`.
pub fn lang(tag: &str) -> Result<Lang, String> {
    Lang::from_tag(tag).ok_or_else(|| "zh or en".to_owned())
}

/// Reads `--scheme` where a unit is meant.
pub fn scheme(word: &str) -> Result<Scheme, String> {
    let of_units = Scheme::ALL.into_iter().filter(|scheme| *scheme != Scheme::Sscc);
    one_of(&of_units.collect::<Vec<_>>(), word)
}

/// Reads `--scheme` where a unit or a pack is meant.
pub fn any_scheme(word: &str) -> Result<Scheme, String> {
    one_of(&Scheme::ALL, word)
}

fn one_of(schemes: &[Scheme], word: &str) -> Result<Scheme, String> {
    let found = schemes.iter().find(|scheme| scheme.as_str() == word);
    found.copied().ok_or_else(|| {
        let known: Vec<_> = schemes.iter().map(|scheme| scheme.as_str()).collect();
        format!("one of {}", known.join(", "))
    })
}

/// A minute in a zone.
pub fn minute(zone: &TimeZone, at: Timestamp) -> String {
    zone.to_datetime(at).strftime("%Y-%m-%d %H:%M").to_string()
}

/// The same of an instant that is told as a text; a text that is none stays.
pub fn minute_of(zone: &TimeZone, text: &str) -> String {
    text.parse::<Timestamp>().map_or_else(|_| plain(text), |at| minute(zone, at))
}

/// The same in UTC, for what is of no brand and so in no zone; nothing where the text is none.
pub fn minute_utc(text: &str) -> Option<String> {
    let at = text.parse::<Timestamp>().ok()?;
    Some(format!("{} UTC", minute(&TimeZone::UTC, at)))
}

/// A count with the word for one, or with that for more.
pub fn counted<N>(count: N, [one, more]: [&str; 2]) -> String
where
    N: From<u8> + PartialEq + Display,
{
    let word = if count == N::from(1) { one } else { more };
    format!("{count} {word}")
}

/// What a verdict is called.
pub fn verdict(lang: Lang, verdict: Verdict) -> &'static str {
    let (zh, en) = match verdict {
        Verdict::Genuine => ("正品", "Genuine"),
        Verdict::NotActivated => ("正品，待激活", "Not activated"),
        Verdict::Check => ("请核对", "Please check"),
        Verdict::NotReleased => ("尚未出厂", "Not released"),
        Verdict::Recalled => ("召回", "Recalled"),
        Verdict::Stolen => ("已挂失", "Stolen"),
        Verdict::Retired => ("已停用", "Retired"),
        Verdict::Forged => ("无法确认：伪码", "Forged"),
        Verdict::Unknown => ("无法确认：查无", "Unknown"),
        Verdict::Unavailable => ("暂时无法验证", "Unavailable"),
    };
    pick(lang, zh, en)
}

/// Why a life was opened.
pub fn cause(lang: Lang, cause: Cause) -> &'static str {
    let (zh, en) = match cause {
        Cause::Return => ("退货验收", "return accepted"),
        Cause::Refurbishment => ("官方翻新", "official refurbishment"),
        Cause::Replacement => ("保修换新", "replaced under guarantee"),
    };
    pick(lang, zh, en)
}

/// How a verdict is coloured.
pub fn verdict_tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Genuine | Verdict::NotActivated => Tone::Good,
        Verdict::Check | Verdict::NotReleased | Verdict::Unavailable => Tone::Warn,
        _ => Tone::Bad,
    }
}

/// Why a verdict was given.
pub fn reason(lang: Lang, reason: Reason) -> &'static str {
    let (zh, en) = match reason {
        Reason::NeverIssued => ("这个码从未发放", "this code was never issued"),
        Reason::StoreUnavailable => ("数据库没有应答", "the store did not answer"),
        Reason::NotFound => {
            ("既不是追溯码，也没有这个标识", "neither a code nor a known identifier")
        }
        Reason::BrandNotVouched => {
            ("运营方尚未核实这个品牌", "the operator does not vouch for this brand")
        }
        Reason::Recalled => ("正在召回", "under recall"),
        Reason::ReportedStolen => ("已挂失", "reported stolen"),
        Reason::Decommissioned => ("设备已停用", "taken out of use"),
        Reason::CodeVoid => ("追溯码已作废", "the code was voided"),
        Reason::NotCommissioned => ("没有生产记录", "no production record"),
        Reason::InspectionFailed => ("检验不合格", "failed its inspection"),
        Reason::InspectionHeld => ("检验待定", "inspection on hold"),
        Reason::ActivatedAgain => ("被另一台设备重复激活", "activated again by another device"),
        Reason::ScanAnomaly => ("扫码异常，可能被复制", "scanned as only a copied code is"),
        Reason::AwaitingActivation => {
            ("一切正常，等待首次激活", "in order, awaiting its first start")
        }
        Reason::InOrder => ("一切正常", "everything is in order"),
    };
    pick(lang, zh, en)
}

/// What was checked.
pub fn check(lang: Lang, check: Check) -> &'static str {
    let (zh, en) = match check {
        Check::CodeValid => ("编码有效", "code valid"),
        Check::ActivationUnique => ("激活唯一", "activation unique"),
        Check::ScansNormal => ("查询正常", "scans normal"),
        Check::InspectionPassed => ("检验合格", "inspection passed"),
        Check::NotRecalled => ("未被召回", "not recalled"),
        Check::NotStolen => ("未挂失", "not stolen"),
        Check::InService => ("在用", "in service"),
        Check::PhysicalProof => ("实物验证", "physical proof"),
        Check::OfficialRefurbished => ("官方翻新", "officially refurbished"),
    };
    pick(lang, zh, en)
}

/// The sign before a check.
pub fn check_sign(state: CheckState) -> (&'static str, Tone) {
    match state {
        CheckState::Ok => ("✓", Tone::Good),
        CheckState::Warn => ("!", Tone::Bad),
        CheckState::NotApplicable => ("·", Tone::Dim),
    }
}

/// Whether a party may sell.
pub fn seller(lang: Lang, answer: SellerAnswer) -> &'static str {
    let (zh, en) = match answer {
        SellerAnswer::Authorised => ("有权销售", "may sell it"),
        SellerAnswer::OtherHands => ("货不在其手中", "the goods are in other hands"),
        SellerAnswer::NoGrant => ("没有授权区域", "has no territory for it"),
        SellerAnswer::AlreadyActivated => ("已激活，不是新机", "activated, not new"),
        SellerAnswer::NotSaleable => ("不可销售", "not to be sold"),
    };
    pick(lang, zh, en)
}

/// How goods came to somebody.
pub fn hold(lang: Lang, kind: HoldKind) -> &'static str {
    let zh = match kind {
        HoldKind::Produced => "生产",
        HoldKind::Packed => "装箱",
        HoldKind::Shipped => "发运",
        HoldKind::Received => "签收",
        HoldKind::Returned => "退回",
        HoldKind::Voided => "发运作废",
    };
    pick(lang, zh, kind.as_str())
}

/// What is suspected.
pub fn finding(lang: Lang, kind: &str) -> String {
    match (lang, FindingKind::parse(kind)) {
        (Lang::Zh, Some(kind)) => kind.zh().to_owned(),
        _ => plain(kind).replace('_', " "),
    }
}

/// How sure: of a finding or of a place.
pub fn grade(lang: Lang, grade: &str) -> &'static str {
    let (zh, en) = match grade {
        "consistent" => ("相符", "consistent"),
        "observe" => ("观察", "observe"),
        "suspect" => ("可疑", "suspect"),
        "likely" => ("很可能", "likely"),
        "confirmed" => ("已确认", "confirmed"),
        _ => ("无法判断", "unknown"),
    };
    pick(lang, zh, en)
}

/// How small a place is known; nothing where none is.
pub fn level(lang: Lang, level: Level) -> &'static str {
    let (zh, en) = match level {
        Level::None => ("", ""),
        Level::Country => ("国家级", "country"),
        Level::Province => ("省级", "province"),
        Level::City => ("市级", "city"),
        Level::District => ("区县级", "district"),
    };
    pick(lang, zh, en)
}

/// What says where a unit was started.
pub fn family(lang: Lang, family: Family) -> &'static str {
    let (zh, en) = match family {
        Family::Ip => ("网络地址", "address"),
        Family::Device => ("设备", "device"),
        Family::Retail => ("门店", "shop"),
        Family::Order => ("收货地", "shipping"),
    };
    pick(lang, zh, en)
}

/// Which kind of outside.
pub fn nature(lang: Lang, nature: Nature) -> &'static str {
    let (zh, en) = match nature {
        Nature::CrossRegion => ("窜货", "from another region"),
        Nature::CrossBorder => ("水货", "from another market"),
    };
    pick(lang, zh, en)
}

/// Why something is suspected, or why no more is.
pub fn why(lang: Lang, code: &str) -> String {
    match WHY.iter().find(|(known, _, _)| *known == code) {
        Some((_, zh, en)) => pick(lang, zh, en).to_owned(),
        None => plain(code).replace('_', " "),
    }
}

/// The reasons of findings, in Chinese and English: of the rules, then of the evidence of places.
const WHY: &[(&str, &str, &str)] = &[
    ("reported_stolen", "激活前已挂失", "reported stolen before"),
    ("reported_stolen_later", "激活后挂失", "reported stolen since"),
    ("under_recall", "激活时正在召回", "under recall"),
    ("decommissioned", "激活前已停用", "taken out of use before"),
    ("no_production_record", "没有生产记录", "no production record"),
    ("before_production", "激活早于生产", "before it was made"),
    ("another_device", "设备指纹不同", "another device"),
    ("fingerprint_missing", "缺少设备指纹，无法比较", "no fingerprint to compare"),
    ("no_shipment_left_the_maker", "没有离开生产者的发运", "no shipment left the maker"),
    ("store_outside_bound_subtree", "门店不属于授权渠道", "a shop of another channel"),
    ("ip_outside", "网络地址在区域外", "address outside"),
    ("device_outside", "设备位置在区域外", "device outside"),
    ("retail_outside", "门店在区域外", "shop outside"),
    ("order_outside", "收货地在区域外", "shipping outside"),
    ("no_territory", "没有授权区域", "no territory"),
    ("nothing_usable", "没有可用的位置证据", "nothing usable says where"),
    ("one_family_only", "只有一类证据", "one kind of evidence only"),
    ("families_disagree", "各类证据不一致", "the evidence disagrees"),
    ("inside", "区域内", "inside"),
    ("outside", "区域外", "outside"),
    ("level_too_coarse", "位置过粗", "the place is too coarse"),
    ("sold_online", "网上销售，地址不作依据", "sold online, no evidence"),
    ("address_reserved", "内网或保留地址", "reserved address"),
    ("address_unknown", "地址库没有该地址", "unknown address"),
    ("address_hosting", "机房或 VPN 地址", "of a data centre or VPN"),
    ("address_mobile", "移动网络出口地址", "address of a mobile network"),
    ("databases_disagree", "地址库不一致", "the address databases disagree"),
    ("near_border", "靠近区域边界", "near the border"),
    ("position_invalid", "坐标无效", "no point on earth"),
    ("position_ambiguous", "坐标落在区域之间", "between regions"),
    ("unattested", "位置未经证明", "position not vouched for"),
    ("network_abroad", "服务网络在境外", "network abroad"),
    ("network_home", "服务网络在境内", "network at home"),
];

/// How a grade is coloured.
pub fn grade_tone(grade: &str) -> Tone {
    match grade {
        "consistent" => Tone::Good,
        "suspect" | "likely" | "confirmed" => Tone::Bad,
        "observe" => Tone::Warn,
        _ => Tone::Dim,
    }
}

/// What a guarantee starts from.
pub fn basis(lang: Lang, basis: StartBasis) -> &'static str {
    let (zh, en) = match basis {
        StartBasis::Invoice => ("从发票日期算起", "from the invoice"),
        StartBasis::Sale => ("从购买日算起", "from the sale"),
        StartBasis::Activation => ("从激活日算起", "from the activation"),
        StartBasis::ExFactoryPlus90 => ("从出厂后第 90 天算起", "from day 90 after the factory"),
    };
    pick(lang, zh, en)
}

/// Why nothing is known of a guarantee.
pub fn gap(lang: Lang, gap: Gap) -> &'static str {
    match gap {
        Gap::NoStart => pick(lang, "尚无起算依据", "no start is known yet"),
        Gap::NoPolicy => pick(lang, "该类别当日没有政策", "no policy for the category then"),
    }
}

/// The word of an inspection.
pub fn inspection(lang: Lang, word: Option<&str>) -> &'static str {
    let (zh, en) = match word {
        Some("pass") => ("合格", "pass"),
        Some("fail") => ("不合格", "fail"),
        Some("hold") => ("待定", "hold"),
        _ => ("-", "-"),
    };
    pick(lang, zh, en)
}

/// The name of a product.
pub fn product_name(lang: Lang, product: &Product) -> String {
    match lang {
        Lang::En if !product.name_en.is_empty() => plain(&product.name_en),
        _ => plain(&product.name_zh),
    }
}

/// A region as its names, the widest first: `云南省 昆明市 5301`.
pub fn region(lang: Lang, divisions: &Divisions, text: &str) -> String {
    let Ok(code) = divisions.parse(text) else { return plain(text) };
    // Up to the province: the country around it is no news.
    let upward = std::iter::successors(Some(code), RegionCode::parent);
    let upward = upward.take_while(|wider| wider.is_division() || *wider == code);
    let found = upward.filter_map(|code| divisions.get(code));
    // The layer between a municipality and its districts has no name of its own.
    let named = found.filter(|division| !matches!(&*division.zh, "市辖区" | "县"));
    let mut parts: Vec<_> = named
        .map(|division| match lang {
            Lang::En if !division.en.is_empty() => division.en.to_string(),
            _ => division.zh.to_string(),
        })
        .collect();
    parts.reverse();
    parts.push(code.to_string());
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_words() {
        for reason in detect::location::Reason::ALL {
            let code = reason.code();
            assert!(WHY.iter().any(|(known, _, _)| *known == code), "{code}");
        }
        for &(code, zh, en) in WHY {
            let of_code = WHY.iter().filter(|(known, _, _)| *known == code);
            assert_eq!(of_code.count(), 1, "{code}");
            assert!(!zh.is_ascii() && en.is_ascii() && !en.contains('_'), "{code}");
        }
        assert_eq!(why(Lang::En, "something_new"), "something new");
    }

    #[test]
    fn a_region_is_told_without_the_brackets_of_its_code() {
        let geo = crate::geo::Geo::tables_only().expect("the tables");
        for (code, zh, en) in [
            ("310117", "上海市 松江区 310117", "Shanghai Songjiang 310117"),
            ("3101", "上海市 3101", "Shanghai 3101"),
            ("530102", "云南省 昆明市 五华区 530102", "Yunnan Kunming Wuhua 530102"),
            ("53", "云南省 53", "Yunnan 53"),
            ("nowhere", "nowhere", "nowhere"),
        ] {
            let told = |lang| region(lang, geo.divisions(), code);
            assert_eq!((told(Lang::Zh).as_str(), told(Lang::En).as_str()), (zh, en));
        }
    }

    #[test]
    fn one_is_no_plural() {
        let units = |count: u64| counted(count, ["unit is", "units are"]);
        assert_eq!([units(0), units(1), units(2)], ["0 units are", "1 unit is", "2 units are"]);
    }

    #[test]
    fn an_instant_is_told_to_the_minute() {
        let text = "2026-12-02T00:31:54.383787+08:00";
        let zone = TimeZone::get("Asia/Shanghai").expect("a zone");
        assert_eq!(minute_of(&zone, text), "2026-12-02 00:31");
        assert_eq!(minute_utc(text).as_deref(), Some("2026-12-01 16:31 UTC"));
        assert_eq!((minute_of(&zone, "soon").as_str(), minute_utc("soon")), ("soon", None));
    }
}
