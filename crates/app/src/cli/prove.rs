//! `prove UNIT` writes the provable history of a unit; `verify-proof FILE` checks one, with nothing
//! but the file and the log's public key: no store, no server, no network.

use super::term::{Paint, Tone, table};
use super::{Exit, Fault, open, term, words};
use crate::bundle::{BUNDLE_BYTES_MAX, Bundle};
use crate::config::Global;
use crate::flows::custody::instant;
use crate::flows::verify::{self, Reading};
use crate::flows::{FlowError, audit, history, log};
use crate::pages::event_words::event_word;
use crate::pages::i18n::Lang;
use domain::identifier::Scheme;
use domain::log::checkpoint::PublicKey;
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
        Reading::Nothing(_) => return Ok(Exit::No),
        Reading::Ambiguous((one, _), (other, _)) => {
            let which = format!("say which with --scheme {one} or {other}");
            return Err(Fault::failed(format!("it names two units: {which}")));
        }
    };
    // Without a server nobody else seals.
    log::seal(&house).await?;
    let history = match history::prove(&house, &caller, number).await {
        Err(FlowError::Refused(refused)) if refused.refusal == Refusal::UnknownSubject => {
            return Ok(Exit::No);
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
            term::print(&format!("{no}  {}\n", term::plain(&doubt.to_string())))?;
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
    let mut text = format!("{proven}  {origin}, {}\n", believed.size);
    if trusted.is_none() {
        let own = term::plain(&bundle.public_key);
        text += say(
            "所用公钥来自文件本身, 请与品牌公布的公钥核对",
            "checked with the key in the file itself: compare it with the one the brand publishes",
        );
        text += &format!(":\n  {own}\n");
    }
    text += &table(&[say("时间(UTC)", "time (UTC)"), say("事件", "event")], &rows, paint);
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
