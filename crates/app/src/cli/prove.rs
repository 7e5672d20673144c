//! `prove UNIT` writes the provable history of a unit; `verify-proof FILE` checks one, with nothing
//! but the file and the log's public key: no store, no server, no network.

use super::term::{Paint, Tone, table};
use super::{Exit, Fault, open, term, words};
use crate::bundle::{BUNDLE_BYTES_MAX, Bundle, Doubt};
use crate::config::Global;
use crate::flows::custody::instant;
use crate::flows::verify::{self, Depth, Reading};
use crate::flows::{FlowError, audit, history, log};
use crate::pages::event_words::event_word;
use crate::pages::i18n::Lang;
use domain::identifier::Scheme;
use domain::log::checkpoint::{PublicKey, Unsigned};
use domain::refusal::Refusal;
use std::path::PathBuf;

/// Writes a proof bundle.
#[derive(clap::Args, Debug)]
pub struct ProveArgs {
    /// Trace code, SN or IMEI of the unit
    unit: String,
    /// Read it only as: code, imei, meid, eid, mac, sn, part
    #[arg(long, value_parser = words::scheme)]
    scheme: Option<Scheme>,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Checks a proof bundle.
#[derive(clap::Args, Debug)]
pub struct VerifyProofArgs {
    /// The bundle
    file: PathBuf,
    /// The log's public key as you know it, or a file that holds it; without it the file is only
    /// checked against the key it brings along
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Language: zh or en
    #[arg(long, default_value = "zh", value_parser = words::lang)]
    lang: Lang,
}

/// Runs `prove`: exit 4 when there is no such unit.
pub async fn run(global: &Global, args: ProveArgs) -> Result<Exit, Fault> {
    let house = open::house(global).await?;
    let caller = open::caller(&house, global).await?;
    let mut reference = house.reference().await?;
    let brand = Some(caller.brand);
    let reading = verify::read(&house, &mut reference, brand, &args.unit, args.scheme).await?;
    let number = match reading {
        Reading::Number(number, _) => crate::flows::find::unit_of_code(&house, number).await?,
        Reading::Nothing(code) => {
            let told = verify::verify(&house, &reference, (code, None), Depth::Whole).await?;
            return Ok(nobody(&args.unit, words::reason(Lang::En, told.decision.reason)));
        }
        Reading::Ambiguous((one, _), (other, _)) => {
            let which = format!("say which with --scheme {one} or {other}");
            return Err(Fault::failed(format!("it names two units: {which}")));
        }
    };
    // Without a server nobody else seals.
    log::seal(&house).await?;
    let history = match history::prove(&house, &caller, number).await {
        Err(FlowError::Refused(refused)) if refused.refusal == Refusal::UnknownSubject => {
            return Ok(nobody(&args.unit, "no unit of this brand answers to it"));
        }
        proven => proven?.ok_or_else(|| Fault::failed("nothing was recorded of it yet"))?,
    };
    let bundle = Bundle::new(number, &history);
    audit::flush(&house).await?;
    house.store.close().await;
    let mut text =
        serde_json::to_string_pretty(&bundle).map_err(|e| Fault::failed(e.to_string()))?;
    text.push('\n');
    match &args.out {
        Some(path) => std::fs::write(path, text).map_err(|e| Fault::file(path, &e))?,
        None => term::print(&text)?,
    }
    Ok(Exit::Done)
}

/// Says that there is no such unit, and why.
fn nobody(what: &str, why: &str) -> Exit {
    eprintln!("dossier: {}: {why}", term::plain(what));
    Exit::No
}

/// Why a bundle is not believed: in Chinese what the page says that checks one, in English more
/// exactly what does not hold.
fn doubted(lang: Lang, doubt: &Doubt) -> String {
    match (lang, doubt) {
        (Lang::En, _) => doubt.to_string(),
        (Lang::Zh, Doubt::Form(_) | Doubt::Head(Unsigned::Form)) => lang.t("history.form").into(),
        (Lang::Zh, Doubt::Head(Unsigned::Key)) => lang.t("history.key_wrong").into(),
        (Lang::Zh, Doubt::Head(_)) => lang.t("history.head").into(),
        (Lang::Zh, Doubt::Event { number, .. }) => lang.with("history.event", "n", number),
    }
}

/// Runs `verify-proof`: exit 4 when it is not proven.
pub fn check(args: &VerifyProofArgs) -> Result<Exit, Fault> {
    let file = std::fs::metadata(&args.file).map_err(|e| Fault::file(&args.file, &e))?;
    if file.len() > BUNDLE_BYTES_MAX {
        return Err(Fault::failed(format!("a bundle has at most {BUNDLE_BYTES_MAX} bytes")));
    }
    let text = std::fs::read(&args.file).map_err(|e| Fault::file(&args.file, &e))?;
    let trusted = args.key.as_deref().map(public_key).transpose()?;
    let checked = Bundle::read(&text).and_then(|b| Ok((b.check(trusted.as_ref())?, b)));
    let paint = Paint::for_stdout();
    let say = |zh, en| words::pick(args.lang, zh, en);
    let (believed, bundle) = match checked {
        Ok(both) => both,
        Err(doubt) => {
            let no = paint.tone(Tone::Bad, say("不成立", "not proven"));
            term::print(&format!("{no}  {}\n", term::plain(&doubted(args.lang, &doubt))))?;
            return Ok(Exit::No);
        }
    };
    let zone = jiff::tz::TimeZone::UTC;
    let row = |(kind, at): &(String, i64)| {
        let word = event_word(args.lang, kind);
        vec![words::minute(&zone, instant(*at)), term::plain(word)]
    };
    let rows: Vec<_> = believed.events.iter().map(row).collect();
    let proven = paint.tone(Tone::Good, say("证明成立", "proven"));
    let origin = term::plain(&believed.origin);
    let entries = args.lang.with("history.entries", "n", believed.size);
    let mut text = format!("{proven}  {origin}  {entries}\n");
    if trusted.is_none() {
        let own = term::plain(&bundle.public_key);
        text += &format!("{}\n  {own}\n", args.lang.t("history.own"));
    }
    text += &table(&[say("时间（UTC）", "time (UTC)"), say("事件", "event")], &rows, paint);
    term::print(&text)?;
    Ok(Exit::Done)
}

/// A key as text, or in a file.
fn public_key(given: &str) -> Result<PublicKey, Fault> {
    if let Ok(key) = given.parse() {
        return Ok(key);
    }
    let path = PathBuf::from(given);
    let text = std::fs::read_to_string(&path).map_err(|e| Fault::file(&path, &e))?;
    text.parse().map_err(|why| Fault::failed(format!("{}: {why}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubt_is_told_in_the_language_of_the_reader() {
        let event = Doubt::Event { number: 3, why: "the path leads to another root".to_owned() };
        assert_eq!(doubted(Lang::En, &event), "event 3: the path leads to another root");
        assert_eq!(doubted(Lang::Zh, &event), "第 3 条事件与日志不符。");
        let form = Doubt::Form("it holds no event".to_owned());
        for doubt in [form, Doubt::Head(Unsigned::Key), Doubt::Head(Unsigned::Wrong)] {
            let told = doubted(Lang::Zh, &doubt);
            assert!(told.ends_with('。') && !told.contains("history"), "{told}");
        }
    }
}
