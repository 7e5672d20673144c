//! The dossier of a pack on one screen.

use super::Args;
use super::pen::Pen;
use super::story::join;
use crate::cli::term::{Tone, plain};
use crate::cli::{Fault, words};
use crate::flows::contents::{
    Inside, PackDossier, Page, Paper, contents, pack_dossier, pack_named, papers,
};
use crate::flows::custody::{Subject, instant};
use crate::flows::reference::Reference;
use crate::flows::{Caller, FlowError, House};
use crate::pages::i18n::Lang;
use domain::id::{BrandId, ProductId};
use domain::identifier::Scheme;
use domain::refusal::Refusal;
use store::unit::PackRecord;

/// Children read with one question.
const PAGE_ROWS: usize = 1_000;

/// The pack that was asked for, if the text is the SSCC of one.
pub(super) async fn named(
    house: &House,
    caller: &Caller,
    args: &Args,
) -> Result<Option<PackRecord>, Fault> {
    if !matches!(args.scheme, None | Some(Scheme::Sscc)) {
        return Ok(None);
    }
    match pack_named(house, caller.brand, &args.what).await {
        Ok(pack) => Ok(Some(pack)),
        Err(FlowError::Refused(refused))
            if matches!(refused.refusal, Refusal::InvalidField | Refusal::UnknownSubject) =>
        {
            Ok(None)
        }
        Err(other) => Err(other.into()),
    }
}

/// Everything about a pack.
pub(super) async fn sheet(
    house: &House,
    reference: &Reference,
    lang: Lang,
    pack: PackRecord,
) -> Result<String, Fault> {
    let pen = Pen::new(house, reference, BrandId(pack.brand), lang);
    let number = pack.number;
    let dossier = pack_dossier(house, pack).await?;
    let mut inside = Vec::new();
    let mut page = Page { beyond: i64::MIN, most: PAGE_ROWS, hands: None };
    loop {
        let found = contents(house, reference, number, page).await?;
        page.beyond = found.items.last().map_or(page.beyond, |last| last.subject.number());
        inside.extend(found.items);
        if !found.more {
            break;
        }
    }
    let parts = [
        head(&pen, &dossier),
        products(&pen, &dossier),
        state(&pen, &dossier, inside.len()),
        within(&pen, &dossier),
        pen.chain(&dossier.custody, number),
        travelled(&pen, &papers(&dossier.events)),
        pen.timeline(&dossier.events, number),
        held(&pen, &inside),
    ];
    Ok(parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n"))
}

fn head(pen: &Pen<'_>, dossier: &PackDossier) -> String {
    let title = pen.paint.tone(Tone::Good, &format!("● {}", pen.pick("包装", "Pack")));
    let sscc = pen.paint.tone(Tone::Bold, &plain(&dossier.pack.sscc));
    format!("{title}  SSCC {sscc}\n")
}

fn products(pen: &Pen<'_>, dossier: &PackDossier) -> String {
    let mut text = pen.heading("产品", "Products");
    for id in &dossier.pack.products {
        let Some(product) = pen.reference.product_by_id(ProductId(*id)) else { continue };
        let gtin = product.gtin.strip_prefix('0').unwrap_or(&product.gtin);
        let name = match (pen.lang, product.name_en.as_str()) {
            (Lang::En, english) if !english.is_empty() => english,
            _ => &product.name_zh,
        };
        text += &pen.line("69 码", "GTIN", &format!("{gtin}  {name}"));
    }
    text
}

fn state(pen: &Pen<'_>, dossier: &PackDossier, count: usize) -> String {
    let now = pen.house.clock.now();
    let holder = pen.holder(&dossier.custody, dossier.pack.number);
    let parent = dossier.parents.iter().find(|p| p.from <= now && p.to.is_none_or(|to| now < to));
    let parent = parent.map(|parent| format!("SSCC {}", parent.sscc)).unwrap_or_default();
    pen.heading("状态", "State")
        + &pen.line("持有", "held by", &holder)
        + &pen.line("在", "inside", &parent)
        + &pen.line("直接内含", "contents", &count.to_string())
}

/// The packs it was ever in.
fn within(pen: &Pen<'_>, dossier: &PackDossier) -> String {
    if dossier.parents.is_empty() {
        return String::new();
    }
    let mut text = pen.heading("外层包装", "Packs around it");
    for parent in &dossier.parents {
        let from = words::minute(&pen.zone, parent.from);
        let to = parent.to.map(|to| words::minute(&pen.zone, to)).unwrap_or_default();
        text += &format!("  {from} → {to:16}  SSCC {}\n", plain(&parent.sscc));
    }
    text
}

fn travelled(pen: &Pen<'_>, papers: &[Paper]) -> String {
    if papers.is_empty() {
        return String::new();
    }
    let mut text = pen.heading("单据", "Papers");
    for paper in papers {
        let when = words::minute(&pen.zone, instant(paper.sent_at));
        let what = match paper.returns {
            true => pen.pick("退回", "return"),
            false => pen.pick("发运", "shipment"),
        };
        let from = paper.from.map(|party| pen.party(party)).unwrap_or_default();
        let way = format!("{from} → {}", pen.party(paper.to));
        let end = match (paper.voided_at, paper.received_at) {
            (Some(at), _) => (pen.pick("作废", "void"), at),
            (None, Some(at)) => (pen.pick("签收", "received"), at),
            (None, None) => (pen.pick("未签收", "no receipt"), 0),
        };
        let end = match end {
            (word, 0) => word.to_owned(),
            (word, at) => format!("{word} {}", words::minute(&pen.zone, instant(at))),
        };
        let told = join([plain(&paper.shipment_no), what.to_owned(), way, end]);
        text += &format!("  {when}  {told}\n");
    }
    text
}

/// What is directly inside.
fn held(pen: &Pen<'_>, inside: &[Inside]) -> String {
    if inside.is_empty() {
        return String::new();
    }
    let mut text = pen.heading("内含", "Contents");
    for one in inside {
        let since = words::minute(&pen.zone, one.from);
        let told = match &one.subject {
            Subject::Unit(unit) => {
                let sn = unit.sn.as_deref().map(plain).unwrap_or_default();
                join([pen.code(unit.number), sn])
            }
            Subject::Pack(pack) => format!("SSCC {}", plain(&pack.sscc)),
        };
        text += &format!("  {since}  {told}\n");
    }
    text
}
