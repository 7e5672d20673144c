//! `verify CODE…`: the verdict on codes or identifiers. A look from here is not counted as a scan.

use super::term::{Paint, Tone};
use super::{Exit, Fault, open, term, words};
use crate::config::Global;
use crate::flows::access::Sight;
use crate::flows::verify::{self, Depth, Known, Reading, Verified};
use crate::flows::{Caller, House};
use crate::pages::i18n::Lang;
use domain::access::Fact;
use domain::identifier::Scheme;
use domain::verdict::{Check, CheckState, Verdict};
use serde_json::{Value, json};

/// Verifies.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Trace codes, SNs or IMEIs
    #[arg(required = true, value_name = "CODE")]
    codes: Vec<String>,
    /// One JSON object per line
    #[arg(long)]
    json: bool,
    /// Whether this party may sell it today
    #[arg(long, value_name = "PARTY")]
    seller: Option<String>,
    /// Read them only as: code, imei, meid, eid, mac, sn, part
    #[arg(long, value_parser = words::scheme)]
    scheme: Option<Scheme>,
    /// Language: zh or en
    #[arg(long, default_value = "zh", value_parser = words::lang)]
    lang: Lang,
}

/// Runs the command: exit 0 when every answer is genuine or not_activated, 4 otherwise.
pub async fn run(global: &Global, args: Args) -> Result<Exit, Fault> {
    let house = open::house(global).await?;
    let caller = open::caller(&house, global).await?;
    let mut all_good = true;
    let mut reference = house.reference().await?;
    let (mut text, mut hints) = (String::new(), String::new());
    for raw in &args.codes {
        let reading =
            verify::read(&house, &mut reference, Some(caller.brand), raw, args.scheme).await?;
        let numbers = match reading {
            Reading::Number(number, code) => vec![(None, Some(number), code)],
            Reading::Nothing(code) => vec![(None, None, code)],
            // Both are shown: which was meant only the person can say.
            Reading::Ambiguous(one, other) => {
                all_good = false;
                let (raw, (a, _), (b, _)) = (term::plain(raw), one, other);
                hints += &format!("{raw} names two units: say which with --scheme {a} or {b}\n");
                let read = |it: (Scheme, i64)| {
                    (Some(it.0), Some(it.1), verify::reading_of(&reference, it))
                };
                vec![read(one), read(other)]
            }
        };
        for (scheme, number, code) in numbers {
            let verified = verify::verify(&house, &reference, (code, number), Depth::Whole).await?;
            all_good &=
                matches!(verified.decision.verdict, Verdict::Genuine | Verdict::NotActivated);
            text += &answer(&house, &caller, &args, (raw, scheme), &verified).await?;
        }
    }
    house.store.close().await;
    term::print(&text)?;
    eprint!("{hints}");
    Ok(if all_good { Exit::Done } else { Exit::No })
}

/// One answer; as what it was read is told where it could be read as two things. Of another brand's
/// unit it holds what anyone is told.
async fn answer(
    house: &House,
    caller: &Caller,
    args: &Args,
    (raw, scheme): (&str, Option<Scheme>),
    verified: &Verified,
) -> Result<String, Fault> {
    let reference = house.reference().await?;
    let sight = verified.unit.as_deref().map(|known| {
        Sight::of_unit(house, &reference, Some(caller), &known.record, &known.custody)
    });
    let asked = args.seller.as_deref();
    let asked = asked.filter(|_| sight.as_ref().is_none_or(|sight| sight.shows(Fact::Seller)));
    let seller = match asked {
        Some(code) => Some(verify::seller(house, &reference, verified, caller, code)?),
        None => None,
    };
    let known = verified.worded(Some(caller.brand));
    if args.json {
        let named = known.filter(|_| sight.is_some_and(|sight| sight.shows(Fact::Identifiers)));
        let seller = seller.map(verify::SellerAnswer::as_str);
        return Ok(format!("{}\n", json_of((raw, scheme), verified, (known, named), seller)));
    }
    let lang = args.lang;
    let paint = Paint::for_stdout();
    let decision = &verified.decision;
    let title = words::verdict(lang, decision.verdict);
    let mut line = paint.tone(words::verdict_tone(decision.verdict), &term::pad(title, 16));
    line += &format!("  {}", term::pad(&term::plain(raw), 18));
    if let Some(scheme) = scheme {
        line += &format!("  {scheme:4}");
    }
    if let Some(known) = known {
        line += &format!("  {}", words::product_name(lang, &known.product));
    }
    line += &paint.tone(Tone::Dim, &format!("  {}", words::reason(lang, decision.reason)));
    if let Some(seller) = seller {
        let label = words::pick(lang, "卖家：", "seller: ");
        line += &format!("  {label}{}", words::seller(lang, seller));
    }
    Ok(line + "\n")
}

/// The answer as JSON; the unit by what may be said of it, and by what may be told of its numbers.
fn json_of(
    (raw, scheme): (&str, Option<Scheme>),
    verified: &Verified,
    (known, named): (Option<&Known>, Option<&Known>),
    seller: Option<&str>,
) -> Value {
    let decision = &verified.decision;
    let row = |c: Check, s: CheckState| json!({ "check": c.as_str(), "state": s.as_str() });
    let checks: Vec<_> = decision.checks.iter().map(|(c, s)| row(*c, *s)).collect();
    let mut value = json!({
        "query": raw,
        "verdict": decision.verdict.as_str(),
        "reason": decision.reason.as_str(),
        "checks": checks,
    });
    if let Some(scheme) = scheme {
        value["scheme"] = json!(scheme.as_str());
    }
    if let Some(known) = named {
        value["code"] = json!(known.code().as_str());
        value["sn"] = json!(known.record.sn);
    }
    if let Some(known) = known {
        value["product"] = json!({
            "gtin": known.product.gtin,
            "name_zh": known.product.name_zh,
            "name_en": known.product.name_en,
        });
    }
    if let Some(seller) = seller {
        value["seller"] = json!(seller);
    }
    value
}
