//! `compliance`: how the products of the brand stand with mandatory coding.

use super::term::{Paint, Tone, plain, table};
use super::{Exit, Fault, open, term, words};
use crate::config::Global;
use crate::flows::compliance::{self, ProductReport};
use crate::pages::i18n::Lang;
use domain::certification::Standing;

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
    let breach = |r: &ProductReport| r.compliance == domain::coding::Compliance::Breach;
    let exit = if reports.iter().any(breach) { Exit::No } else { Exit::Done };
    let text = match (&args.gtin, reports.first()) {
        (Some(_), Some(report)) => sheet(args.lang, report),
        _ => list(args.lang, &reports),
    };
    term::print(&text)?;
    Ok(exit)
}

fn certificate(report: &ProductReport) -> String {
    match report.standing {
        Standing::Expiring { days_left } => format!("expiring ({days_left} d)"),
        standing => standing.as_str().to_owned(),
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
            plain(&report.product.name_zh),
            report.compliance.as_str().to_owned(),
            regimes.join(" "),
            covered(report),
            certificate(report),
            report.missing.join(" "),
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
        format!("{}  {}", product.gtin, plain(&product.name_zh)),
        format!("  {}  {}", say("结论", "stands"), report.compliance.as_str()),
        format!("  {}  {}", say("出厂赋码", "coded"), covered(report)),
        format!("  {}  {}", say("证书", "certificate"), certificate(report)),
        format!("  {}  {}", say("缺项", "missing"), report.missing.join(" ")),
    ];
    for reason in &report.reasons {
        let (grave, code) = (reason.compliance.as_str(), &reason.code);
        lines.push(format!("  - {grave}  {code}  {}", paint.tone(Tone::Dim, &reason.version)));
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
