//! `activate`: records an activation as the brand's server would, and prints the decision.

use super::term::{Paint, Tone, pad};
use super::{Exit, Fault, open, term, words};
use crate::api::instant_text;
use crate::config::{GeoArgs, Global};
use crate::flows::House;
use crate::flows::activate::{Activated, Report, Signals, activate, read_happened_at};
use crate::flows::find::unit_number;
use crate::flows::idempotency::Answer;
use crate::flows::reference::Reference;
use crate::geo::Geo;
use crate::pages::i18n::Lang;
use domain::identifier::Scheme;
use domain::refusal::Refused;
use domain::warranty::WarrantyReading;
use jiff::tz::TimeZone;
use serde_json::json;
use std::net::IpAddr;
use std::sync::Mutex;

/// Records an activation.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// What the value is: code, imei, meid, eid, mac, sn, part
    #[arg(long, value_parser = words::scheme)]
    scheme: Scheme,
    /// The identifier
    #[arg(long)]
    value: String,
    /// When it happened; now when left out
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// What tells this device from another
    #[arg(long)]
    fingerprint: Option<String>,
    /// Client address
    #[arg(long)]
    ip: Option<IpAddr>,
    /// Country code of the serving mobile network
    #[arg(long, value_name = "MCC")]
    serving_mcc: Option<String>,
    /// Country code of the SIM's home network
    #[arg(long, value_name = "MCC")]
    sim_mcc: Option<String>,
    /// Position in WGS-84 degrees, with its radius in metres (1000 when left out)
    #[arg(long, value_name = "LAT,LON[,RADIUS]", value_parser = position)]
    #[arg(allow_hyphen_values = true)]
    gps: Option<(f64, f64, f64)>,
    /// The position is vouched for
    #[arg(long, requires = "gps")]
    attested: bool,
    /// Party code of the shop that sold it
    #[arg(long, value_name = "CODE")]
    store_code: Option<String>,
    /// Where the sale was shipped to
    #[arg(long, value_name = "REGION")]
    shipping_region: Option<String>,
    /// How it is connected
    #[arg(long, value_parser = ["fixed", "wifi", "cellular"])]
    access: Option<String>,
    /// IANA zone of the device
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// The decision as one JSON object
    #[arg(long)]
    json: bool,
    /// Language: zh or en
    #[arg(long, default_value = "zh", value_parser = words::lang)]
    lang: Lang,
    #[command(flatten)]
    geo: GeoArgs,
}

fn position(text: &str) -> Result<(f64, f64, f64), String> {
    let numbers: Result<Vec<f64>, _> = text.split(',').map(|n| n.trim().parse()).collect();
    match numbers.as_deref() {
        Ok([lat, lon]) => Ok((*lat, *lon, 1_000.0)),
        Ok([lat, lon, radius]) => Ok((*lat, *lon, *radius)),
        _ => Err("must be LAT,LON or LAT,LON,RADIUS".to_owned()),
    }
}

/// Runs the command.
pub async fn run(global: &Global, args: Args) -> Result<Exit, Fault> {
    let geo = Geo::load(&args.geo.paths())?;
    let house = open::house_with(global, geo, global.settings(None)?).await?;
    let caller = open::caller(&house, global).await?;
    let reference = house.reference().await?;
    let zone = reference.zone(caller.brand);
    let report = report(&house, zone, &args)?;
    let decided = Mutex::new(None);
    let render = |activated: &Activated| {
        if let Ok(mut decided) = decided.lock() {
            *decided = Some(activated.clone());
        }
        Answer::new(201, String::new())
    };
    activate(&house, Some(&caller), &report, None, &render).await?;
    let activated = decided.lock().ok().and_then(|mut decided| decided.take());
    let text = activated.map(|activated| match args.json {
        true => json_of(&house, &reference, &activated),
        false => told(&house, &reference, zone, args.lang, &activated),
    });
    house.store.close().await;
    term::print(&text.unwrap_or_default())?;
    Ok(Exit::Done)
}

fn report(house: &House, zone: &TimeZone, args: &Args) -> Result<Report, Fault> {
    let when = match &args.at {
        Some(text) => {
            let read = read_happened_at(text, zone).map_err(|why| Refused::invalid("--at", why))?;
            (read.at, read.offset_minutes)
        }
        None => {
            let now = house.clock.now();
            (now, zone.to_offset(now).seconds() / 60)
        }
    };
    Ok(Report {
        scheme: args.scheme.as_str().to_owned(),
        value: args.value.clone(),
        happened_at: when.0.as_microsecond(),
        offset_minutes: when.1,
        fingerprint: args.fingerprint.clone().filter(|f| !f.is_empty()),
        signals: Signals {
            attestation: None,
            ip: args.ip,
            serving_mcc: args.serving_mcc.clone(),
            sim_mcc: args.sim_mcc.clone(),
            gps: args.gps.map(|(lat, lon, radius)| (lat, lon, radius, args.attested)),
            store_code: args.store_code.clone(),
            shipping_region: args.shipping_region.clone(),
            access: args.access.clone(),
            time_zone: args.time_zone.clone(),
        },
    })
}

fn told(
    house: &House,
    reference: &Reference,
    zone: &TimeZone,
    lang: Lang,
    activated: &Activated,
) -> String {
    let paint = Paint::for_stdout();
    let code = house.ring().encode(unit_number(activated.unit.number)).printed();
    let when = words::minute(zone, activated.activated_at);
    let title = match activated.first {
        true => words::pick(lang, "首次激活", "First activation"),
        false => words::pick(lang, "再次激活，首次在", "Activated again, first"),
    };
    let product = domain::id::ProductId(activated.unit.product);
    let product = reference.product_by_id(product);
    let product = product.map(|p| words::product_name(lang, p)).unwrap_or_default();
    let mut text = format!("{}  {when}  {code}  {product}\n", paint.tone(Tone::Bold, title));
    for &reason in &activated.reasons {
        text += &format!("  {}\n", reason_word(lang, reason));
    }
    let assessment = &activated.assessment;
    let grade = assessment.grade.as_str();
    let region = assessment.region.map(|r| r.to_string());
    let region = region.map(|r| words::region(lang, house.geo.divisions(), &r));
    let place = pad(words::pick(lang, "位置", "place"), 10);
    let word = paint.tone(words::grade_tone(grade), words::grade(lang, grade));
    let level = words::level(lang, assessment.level);
    let level = if level.is_empty() { String::new() } else { format!("  [{level}]") };
    let region = region.map_or_else(String::new, |region| format!("  {region}"));
    text += &format!("  {place}{word}{region}{level}\n");
    for family in &assessment.families {
        let says = match family.inside {
            Some(true) => words::pick(lang, "区域内", "inside"),
            Some(false) => words::pick(lang, "区域外", "outside"),
            None => words::pick(lang, "不可用", "not usable"),
        };
        let region = family.region.map(|r| r.to_string());
        let region = region.map(|r| words::region(lang, house.geo.divisions(), &r));
        let name = pad(words::family(lang, family.family), 10);
        let region = region.unwrap_or_default();
        text += &format!("  {:10}{name}{says}  {:+.2}  {region}\n", "", family.score);
    }
    for finding in &activated.findings {
        let grade = finding.grade.as_str();
        let label = pad(words::pick(lang, "发现", "finding"), 10);
        let word = paint.tone(words::grade_tone(grade), words::grade(lang, grade));
        let kind = words::finding(lang, finding.kind.as_str());
        let nature = finding.nature.map(|nature| words::nature(lang, nature).to_owned());
        let reasons = finding.reasons.iter().map(|reason| words::why(lang, reason));
        let reasons = reasons.collect::<Vec<_>>().join(words::pick(lang, "，", ", "));
        let told = [Some(word), Some(kind), nature, Some(reasons)].into_iter().flatten();
        let told: Vec<_> = told.collect();
        text += &format!("  {label}{}\n", told.join("  "));
    }
    let label = pad(words::pick(lang, "保修", "warranty"), 10);
    let warranty = match &activated.warranty {
        WarrantyReading::Unknown(gap) => words::gap(lang, *gap).to_owned(),
        WarrantyReading::Known(c) => {
            format!("{} → {}  {}", c.starts_on, c.ends_on, words::basis(lang, c.basis))
        }
    };
    text + &format!("  {label}{warranty}\n")
}

/// What is to be said of the report as a whole.
fn reason_word(lang: Lang, reason: &'static str) -> &'static str {
    let (zh, en) = match reason {
        "clock" => ("时钟不可信，按收到时间记", "clock not believed: as received"),
        "store_code_unknown" => ("门店代码无人使用", "nobody has this store code"),
        "shipping_region_unknown" => ("收货地区无法识别", "no region is called so"),
        other => (other, other),
    };
    words::pick(lang, zh, en)
}

/// The members that the API tells too, in the same form.
fn json_of(house: &House, reference: &Reference, activated: &Activated) -> String {
    let assessment = &activated.assessment;
    let finding = |f: &domain::finding::Finding| {
        json!({
            "kind": f.kind.as_str(),
            "grade": f.grade.as_str(),
            "nature": f.nature.map(|n| n.as_str()),
            "reasons": f.reasons,
        })
    };
    let warranty = activated.warranty.known().map(|c| {
        json!({
            "starts_on": c.starts_on.to_string(),
            "ends_on": c.ends_on.to_string(),
            "basis": c.basis.as_str(),
        })
    });
    let value = json!({
        "code": house.ring().encode(unit_number(activated.unit.number)).as_str(),
        "first": activated.first,
        "activated_at": instant_text(reference, activated.unit.brand, activated.activated_at),
        "clock_believed": activated.clock_believed,
        "reasons": activated.reasons,
        "location": {
            "region": assessment.region.map(|r| r.to_string()),
            "level": assessment.level.as_str(),
            "grade": assessment.grade.as_str(),
        },
        "findings": activated.findings.iter().map(finding).collect::<Vec<_>>(),
        "assurance": activated.assurance.as_str(),
        "warranty": warranty,
    });
    format!("{value}\n")
}
