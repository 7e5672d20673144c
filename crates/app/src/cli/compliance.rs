//! `compliance`: how the products of the brand stand with mandatory coding.

use super::term::{Paint, Tone, plain, table};
use super::{Exit, Fault, open, term, words};
use crate::config::Global;
use crate::flows::compliance::{self, ProductReport};
use crate::pages::i18n::Lang;
use domain::certification::Standing;
use domain::coding::Compliance;

/// Shows how products stand with mandatory coding.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// One product with all it is judged by; all products without it
    #[arg(value_name = "GTIN")]
    gtin: Option<String>,
    /// Language: zh or en
    #[arg(long, default_value = "zh", value_parser = words::lang)]
    lang: Lang,
}

/// Runs the command: exit 4 when a product is in breach.
pub async fn run(global: &Global, args: Args) -> Result<Exit, Fault> {
    let house = open::house(global).await?;
    let caller = open::caller(&house, global).await?;
    let mut reports = Vec::new();
    match &args.gtin {
        Some(gtin) => {
            reports.push(compliance::report(&house, &caller, gtin, 0, u64::MAX).await?);
        }
        None => {
            for known in compliance::reports(&house, &caller).await? {
                let gtin = &known.product.gtin;
                reports.push(compliance::report(&house, &caller, gtin, 0, u64::MAX).await?);
            }
        }
    }
    house.store.close().await;
    let breach = |r: &ProductReport| r.compliance == Compliance::Breach;
    let exit = if reports.iter().any(breach) { Exit::No } else { Exit::Done };
    let text = match (&args.gtin, reports.first()) {
        (Some(_), Some(report)) => sheet(args.lang, report),
        _ => list(args.lang, &reports),
    };
    term::print(&text)?;
    Ok(exit)
}

/// How a product stands, or how grave a reason is.
fn stands(lang: Lang, compliance: Compliance) -> &'static str {
    let zh = match compliance {
        Compliance::Ok => "合规",
        Compliance::Attention => "需关注",
        Compliance::Breach => "不合规",
    };
    words::pick(lang, zh, compliance.as_str())
}

fn certificate(lang: Lang, standing: Standing) -> String {
    let zh = match standing {
        Standing::Expiring { days_left } => {
            return match lang {
                Lang::Zh => format!("将到期（还剩 {days_left} 天）"),
                Lang::En => format!("expiring ({days_left} d)"),
            };
        }
        Standing::Current => "有效",
        Standing::NotYet => "尚未生效",
        Standing::Expired => "已过期",
        Standing::Lost => "被暂停或撤销",
        Standing::Unknown => "未知",
    };
    words::pick(lang, zh, standing.as_str()).to_owned()
}

/// What is missing, in Chinese; in English the words of the files that bring it.
const FIELDS: &[(&str, &str)] = &[
    ("name_zh", "中文名称"),
    ("model", "型号"),
    ("picture", "图片"),
    ("standards", "执行标准"),
    ("test_report", "检验报告"),
    ("maker", "生产者"),
    ("ccc_certificate", "CCC 证书"),
    ("certificate_body", "认证机构"),
    ("certificate_status", "证书状态"),
    ("service_months", "建议使用年限"),
];

/// What is wrong besides, in Chinese.
const REASONS: &[(&str, &str)] = &[
    ("uncoded_units", "有设备未赋码出厂"),
    ("certificate_expiring", "证书将到期"),
    ("certificate_not_yet", "证书尚未生效"),
    ("certificate_expired", "证书已过期"),
    ("certificate_lost", "证书被暂停或撤销"),
    ("certificate_missing", "没有证书编号"),
    ("certificate_unknown", "证书有效期未知"),
];

/// The Chinese of a word, where it is asked for and known.
fn told<'a>(lang: Lang, table: &[(&str, &'static str)], word: &'a str) -> &'a str {
    let found = table.iter().find(|(known, _)| lang == Lang::Zh && *known == word);
    found.map_or(word, |(_, zh)| *zh)
}

fn missing(lang: Lang, report: &ProductReport) -> String {
    let fields = report.missing.iter().map(|field| told(lang, FIELDS, field));
    fields.collect::<Vec<_>>().join(words::pick(lang, "、", " "))
}

fn reason(lang: Lang, code: &str) -> String {
    match code.strip_prefix("missing_") {
        Some(field) if lang == Lang::Zh => format!("缺项：{}", told(lang, FIELDS, field)),
        _ => told(lang, REASONS, code).to_owned(),
    }
}

fn covered(report: &ProductReport) -> String {
    report.coverage.map_or(String::new(), |coverage| {
        let rate = coverage.rate();
        let (coded, left) = (coverage.coded_count, coverage.left_count);
        format!("{}.{:02} % ({coded}/{left})", rate / 100, rate % 100)
    })
}

fn list(lang: Lang, reports: &[ProductReport]) -> String {
    let say = |zh, en| words::pick(lang, zh, en);
    let row = |report: &ProductReport| {
        let mut regimes: Vec<_> = report.rows.iter().map(|row| row.regime.clone()).collect();
        regimes.dedup();
        vec![
            report.product.gtin.clone(),
            words::product_name(lang, &report.product),
            stands(lang, report.compliance).to_owned(),
            regimes.join(" "),
            covered(report),
            certificate(lang, report.standing),
            missing(lang, report),
        ]
    };
    let header = [
        "GTIN",
        say("产品", "product"),
        say("结论", "stands"),
        say("制度", "regimes"),
        say("出厂赋码", "coded"),
        say("证书", "certificate"),
        say("缺项", "missing"),
    ];
    table(&header, &reports.iter().map(row).collect::<Vec<_>>(), Paint::for_stdout())
}

fn sheet(lang: Lang, report: &ProductReport) -> String {
    let say = |zh, en| words::pick(lang, zh, en);
    let paint = Paint::for_stdout();
    let product = &report.product;
    let mut lines = vec![
        format!("{}  {}", product.gtin, words::product_name(lang, product)),
        format!("  {}  {}", say("结论", "stands"), stands(lang, report.compliance)),
        format!("  {}  {}", say("出厂赋码", "coded"), covered(report)),
        format!("  {}  {}", say("证书", "certificate"), certificate(lang, report.standing)),
        format!("  {}  {}", say("缺项", "missing"), missing(lang, report)),
    ];
    for row in &report.reasons {
        let (grave, why) = (stands(lang, row.compliance), reason(lang, &row.code));
        lines.push(format!("  - {grave}  {why}  {}", paint.tone(Tone::Dim, &row.version)));
    }
    for row in &report.rows {
        let checked = match row.verified {
            true => say("已核对", "checked"),
            false => say("未核对", "not checked"),
        };
        let (regime, from) = (&row.regime, row.from_on);
        lines.push(format!("  {regime}  {from}  {checked}  {}", plain(&row.requirement)));
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::certification::EXPIRING_DAYS;

    #[test]
    fn nothing_of_it_stays_half_in_english() {
        for compliance in [Compliance::Ok, Compliance::Attention, Compliance::Breach] {
            assert!(!stands(Lang::Zh, compliance).is_ascii());
            assert_eq!(stands(Lang::En, compliance), compliance.as_str());
        }
        let days_left = EXPIRING_DAYS;
        for standing in [Standing::Expiring { days_left }, Standing::Lost, Standing::Unknown] {
            assert!(!certificate(Lang::Zh, standing).is_ascii());
            assert!(certificate(Lang::En, standing).is_ascii());
        }
        for (zh, en) in [
            ("缺项：检验报告", "missing_test_report"),
            ("有设备未赋码出厂", "uncoded_units"),
            ("something_new", "something_new"),
        ] {
            assert_eq!((&*reason(Lang::Zh, en), &*reason(Lang::En, en)), (zh, en));
        }
    }
}
