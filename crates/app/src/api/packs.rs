//! Packs: what one is, where it was and what is in it.

use super::error::Problem;
use super::gate::Keyholder;
use super::input::{Asked, At, bounded};
use super::movements::NAME_CHARS_MAX;
use super::paging::{PageQuery, PageReply};
use super::timeline::{EventReply, Telling};
use super::verdicts::{HopReply, ProductReply};
use crate::flows::contents::{self, Inside, PackDossier, Page, Paper, Parent};
use crate::flows::custody::Subject;
use crate::flows::find::unit_number;
use crate::flows::{Caller, FlowError, House, Scope};
use axum::Json;
use axum::extract::State;
use domain::access::Fact;
use domain::code::TraceCode;
use domain::id::{PartyId, ProductId};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// A pack around a unit or pack, over a time.
#[derive(Debug, Serialize, ToSchema)]
pub struct ParentReply {
    /// 18 digits.
    pub sscc: String,
    /// Since when.
    pub since: String,
    /// Until when; null while it lasts.
    #[schema(required = true)]
    pub until: Option<String>,
}

/// A paper the pack travelled on, by itself or inside another pack.
#[derive(Debug, Serialize, ToSchema)]
pub struct PaperReply {
    /// The sender's number.
    pub shipment_no: String,
    /// `shipment` or `return`.
    pub kind: &'static str,
    /// Code of the sender.
    #[schema(required = true)]
    pub from: Option<String>,
    /// Code of the receiver.
    #[schema(required = true)]
    pub to: Option<String>,
    /// When the goods left.
    pub sent_at: String,
    /// When the receiver accepted them; null while no receipt is recorded.
    #[schema(required = true)]
    pub received_at: Option<String>,
    /// When it was taken back; null while it stands.
    #[schema(required = true)]
    pub voided_at: Option<String>,
}

/// What lies directly inside: a unit or a pack.
#[derive(Debug, Serialize, ToSchema)]
pub struct ContentReply {
    /// `unit` or `pack`.
    pub kind: &'static str,
    /// Trace code of a unit, SSCC of a pack.
    pub id: String,
    /// Serial number of a unit, where the caller may see it.
    #[schema(required = true)]
    pub sn: Option<String>,
    /// GTINs, 14 digits: the unit's one, or all a pack holds or held.
    pub products: Vec<String>,
    /// Since when it is inside.
    pub since: String,
}

/// A pack, as far as the caller may see it.
#[derive(Debug, Serialize, ToSchema)]
pub struct PackReply {
    /// 18 digits.
    pub sscc: String,
    /// What it holds or held.
    pub products: Vec<ProductReply>,
    /// What is directly inside now, a page of it.
    pub contents: PageReply<ContentReply>,
    /// The packs it was ever in, oldest first.
    pub parents: Vec<ParentReply>,
    /// The hands it went through, oldest first.
    pub hops: Vec<HopReply>,
    /// The papers it travelled on, oldest first.
    pub papers: Vec<PaperReply>,
    /// What happened, oldest first.
    pub timeline: Vec<EventReply>,
}

/// Show a pack: its contents, the packs around it, its hands, papers and timeline.
///
/// The brand sees all; another party its own hops and those below it. `limit` and `cursor` are
/// those of the contents; the rest is the same on every page.
#[utoipa::path(
    get, path = "/api/v1/packs/{sscc}", tag = "units",
    params(("sscc" = String, Path, description = "18 digits"), PageQuery),
    responses(
        (status = 200, description = "The pack", body = PackReply),
        (status = 400, description = "No SSCC, limit or cursor", body = Problem),
        (status = 404, description = "No such pack, or none of yours", body = Problem),
    ),
    security(("key" = ["read"]))
)]
pub(super) async fn show_pack(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(sscc): At<String>,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<PackReply>, Problem> {
    let caller = keyholder.with(Scope::Read)?;
    bounded("sscc", &sscc, NAME_CHARS_MAX)?;
    let reference = house.reference().await?;
    let (sight, dossier) = contents::show(&house, &reference, &caller, &sscc).await?;
    let (subject, brand) = (dossier.pack.number, dossier.pack.brand);
    let (house, reference) = (&*house, &*reference);
    let told = Telling { house, reference, sight, subject, brand, story: &dossier.events };
    let contents = told.contents(&caller, &page).await?;
    Ok(Json(told.pack(&dossier, contents)))
}

/// The number a cursor stands for: the cursor of contents is the name of the last child told, so
/// that it says nothing the page did not.
async fn beyond(house: &House, caller: &Caller, cursor: &str) -> Result<i64, Problem> {
    match contents::pack_named(house, caller.brand, cursor).await {
        Ok(pack) => return Ok(pack.number),
        Err(FlowError::Refused(_)) => {}
        Err(other) => return Err(other.into()),
    }
    let code = TraceCode::parse(cursor).ok().and_then(|code| house.ring().decode(&code).ok());
    code.map(|number| number.get() as i64)
        .ok_or_else(|| Problem::invalid("cursor", "take it from next_cursor"))
}

impl Telling<'_> {
    fn hand(&self, party: PartyId) -> bool {
        self.sight.shows_hop(party)
    }

    /// Whether a pack went through a hand that may be shown.
    fn travelled(&self, dossier: &PackDossier, number: i64) -> bool {
        contents::travelled(&self.sight, &dossier.custody, number)
    }

    async fn contents(
        &self,
        caller: &Caller,
        page: &PageQuery,
    ) -> Result<PageReply<ContentReply>, Problem> {
        let most = page.rows()?;
        let beyond = match page.cursor.as_deref() {
            Some(cursor) => beyond(self.house, caller, cursor).await?,
            None => i64::MIN,
        };
        let hand = |party| self.hand(party);
        let hands = (!self.sight.shows(Fact::AllHops)).then_some((caller, &hand as _));
        let page = Page { beyond, most, hands };
        let found = contents::contents(self.house, self.reference, self.subject, page).await?;
        let items: Vec<_> = found.items.iter().map(|inside| self.content(inside)).collect();
        let last = items.last().map(|item| item.id.clone());
        Ok(PageReply { items, next_cursor: last.filter(|_| found.more) })
    }

    fn content(&self, inside: &Inside) -> ContentReply {
        let gtin = |id: &ProductId| self.reference.product_by_id(*id).map(|p| p.gtin.clone());
        let products = inside.subject.products().iter().filter_map(gtin).collect();
        let since = self.text(inside.from.as_microsecond());
        match &inside.subject {
            Subject::Unit(unit) => {
                let code = self.house.ring().encode(unit_number(unit.number));
                let id = code.as_str().to_owned();
                let sn = unit.sn.clone().filter(|_| inside.named);
                ContentReply { kind: "unit", id, sn, products, since }
            }
            Subject::Pack(pack) => {
                let id = pack.sscc.clone();
                ContentReply { kind: "pack", id, sn: None, products, since }
            }
        }
    }

    fn pack(&self, dossier: &PackDossier, contents: PageReply<ContentReply>) -> PackReply {
        let product = |id: &i64| self.reference.product_by_id(ProductId(*id));
        let products = dossier.pack.products.iter().filter_map(product);
        let parents = dossier.parents.iter().filter(|p| self.travelled(dossier, p.number));
        let hops = dossier.custody.hops(unit_number(self.subject));
        let hops = hops.iter().filter(|hop| self.hand(hop.hold.party));
        let papers = contents::papers(&dossier.events);
        let own = |paper: &&Paper| self.hand(paper.to) || paper.from.is_some_and(|p| self.hand(p));
        PackReply {
            sscc: dossier.pack.sscc.clone(),
            products: products.map(|product| product.as_ref().into()).collect(),
            contents,
            parents: parents.map(|parent| self.parent(parent)).collect(),
            hops: hops.filter_map(|h| HopReply::of(self.reference, self.brand, h)).collect(),
            papers: papers.iter().filter(own).map(|paper| self.paper(paper)).collect(),
            timeline: dossier.events.iter().filter_map(|e| self.event(e)).collect(),
        }
    }

    pub(super) fn parent(&self, parent: &Parent) -> ParentReply {
        let text = |at: jiff::Timestamp| self.text(at.as_microsecond());
        let (sscc, since) = (parent.sscc.clone(), text(parent.from));
        ParentReply { sscc, since, until: parent.to.map(text) }
    }

    fn paper(&self, paper: &Paper) -> PaperReply {
        let code = |party: PartyId| self.reference.tree.get(party).map(|p| p.code.clone());
        let text = |at: i64| self.text(at);
        PaperReply {
            shipment_no: paper.shipment_no.clone(),
            kind: if paper.returns { "return" } else { "shipment" },
            from: paper.from.and_then(code),
            to: code(paper.to),
            sent_at: text(paper.sent_at),
            received_at: paper.received_at.map(text),
            voided_at: paper.voided_at.map(text),
        }
    }
}
