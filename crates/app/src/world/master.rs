//! The first rows: brand, products, parties, sites, grants, and the printed labels of one product.

use super::catalogue::{FACTORIES, MODELS};
use super::plan::Plan;
use super::{acting, all_taken};
use crate::files::ProductDraft;
use crate::flows::batches::{self, CodeStream, Mint};
use crate::flows::import;
use crate::flows::masterdata::{self, Taking};
use crate::flows::sites;
use crate::flows::territories;
use crate::flows::{Caller, FlowError, House};
use domain::code::TraceCode;
use domain::id::{BatchId, PartyId};
use domain::refusal::{Refusal, Refused};
use store::reference::Purpose;

/// The product whose labels are printed, with scratch codes.
pub const PRINTED: usize = 0;
/// Codes printed beyond the units that wear them.
pub const SPARE_CODES: usize = 60;
/// Codes at the end of the printed batch whose reel was lost.
pub const LOST_CODES: usize = 20;

/// Takes the master data; the brand's operator.
pub async fn master(house: &House, plan: &Plan) -> Result<Caller, FlowError> {
    let taking = Taking::default();
    let brand = masterdata::claim_brand(house, &plan.channel.parties, None).await?;
    // The brand's own party is not there yet.
    let first = Caller::operator(brand, PartyId(0));
    all_taken(&masterdata::parties(house, &first, &plan.channel.parties, taking).await?)?;
    let caller = acting(&import::operator(house, None).await?, "world");
    let products = MODELS.iter().map(|m| m.draft()).collect::<Result<Vec<ProductDraft>, _>>()?;
    all_taken(&masterdata::products(house, &caller, &products, taking).await?)?;
    all_taken(&sites::sites(house, &caller, &plan.channel.sites, taking).await?)?;
    let grants = &plan.channel.territories;
    all_taken(&territories::territories(house, &caller, grants, taking).await?)?;
    Ok(caller)
}

/// Prints the labels of the product that wears printed ones, more than it needs.
pub async fn print(
    house: &House,
    caller: &Caller,
    plan: &Plan,
) -> Result<(BatchId, Vec<TraceCode>), FlowError> {
    let worn = plan.units.iter().filter(|u| u.model == PRINTED).count();
    let count = worn + SPARE_CODES + LOST_CODES;
    let reference = house.reference_now().await?;
    let gtin = MODELS[PRINTED].gtin()?;
    let product = reference.product(caller.brand, gtin.as14());
    let product = product.ok_or(Refused::new(Refusal::UnknownProduct, "gtin"))?.id;
    let mint = Mint {
        product: Some(product),
        purpose: Purpose::Printed,
        count: count as i64,
        scratch: true,
    };
    let batch = batches::mint(house, caller, mint).await?;
    batches::deliver(house, caller, batch.id(), FACTORIES[MODELS[PRINTED].factory].name).await?;
    let mut codes = Vec::with_capacity(count);
    let mut stream =
        CodeStream::new(house, &reference, &batch, String::new(), batch.first..batch.end());
    while let Some((_, run)) = stream.next_codes() {
        codes.extend_from_slice(run);
    }
    Ok((batch.id(), codes))
}
