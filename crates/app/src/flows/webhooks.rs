//! Webhooks: making, changing and removing them, and seeing how they fare. What one is told is
//! decided in `domain::webhook`, read out of the log by [`feed`], brought by [`courier`].
//!
//! **Whose it is.** A webhook belongs to a party, the maker's own or one below it, and goes on when
//! the key it was made with is withdrawn. It is told no more than that party may know. Its secret
//! is told once and kept sealed; nothing it is told names a person.

pub mod courier;
mod feed;
pub mod send;

use super::access;
use super::caller::{Caller, Scope};
use super::changes::Author;
use super::find;
use super::house::House;
use super::keys::put;
use super::log;
use super::mandate;
use super::outcome::{FlowError, RACES_MAX};
use super::reference::Reference;
use crate::secrets;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use domain::id::PartyId;
use domain::party::Party;
use domain::refusal::{Refusal, Refused};
use domain::webhook::target::Target;
use domain::webhook::{
    Audience, DELIVERIES_KEPT, DELIVERIES_MAX, KINDS, OVERLAP_MAX, WEBHOOKS_MAX,
    WEBHOOKS_OF_BRAND_MAX, audience, may_ask, may_rewind,
};
use jiff::SignedDuration;
use std::collections::HashMap;
use std::sync::Arc;
use store::canonical::hex;
use store::reference::ReferenceChange;
use store::webhook::{CursorRow, DeliveryRow, PreviousSealed, WebhookRow};
use zeroize::Zeroizing;

/// How a secret begins, by the Standard Webhooks specification.
const SECRET_PREFIX: &str = "whsec_";

/// A webhook to be made.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// Code of the party it belongs to.
    pub party: String,
    /// What it is for, in words.
    pub name: String,
    /// Where messages go.
    pub url: String,
    /// Kinds of events; none for all the party may be told but the audit trail.
    pub kinds: Vec<String>,
}

/// What is to be different. What is not said stays.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// What it is for, in words.
    pub name: Option<String>,
    /// Where messages go.
    pub url: Option<String>,
    /// Kinds of events.
    pub kinds: Option<Vec<String>>,
    /// Whether anything is sent. Switched on again, it goes on where it stopped.
    pub active: Option<bool>,
    /// The index in the log to go on from: earlier to be told again, later to skip.
    pub from_index: Option<u64>,
}

/// A webhook that was made, or given another secret.
pub struct Made {
    /// The only copy of its secret, `whsec_…`.
    pub secret: Zeroizing<String>,
    /// What is kept of it.
    pub told: Told,
}

/// A webhook as it is told.
#[derive(Clone, Debug)]
pub struct Told {
    /// The webhook.
    pub row: Arc<WebhookRow>,
    /// How far it got.
    pub cursor: Option<CursorRow>,
    /// Entries of the log.
    pub size: u64,
    /// Whether all of its address may be shown: path and query may hold a secret.
    pub shows_url: bool,
}

impl Told {
    /// Entries of the log it has not looked at yet.
    pub fn behind(&self) -> u64 {
        let next = self.cursor.as_ref().map_or(0, |cursor| cursor.next);
        self.size.saturating_sub(u64::try_from(next).unwrap_or(0))
    }

    /// `active`, `retrying`, `off`.
    pub fn state(&self) -> &'static str {
        match &self.cursor {
            _ if !self.row.is_active => "off",
            Some(cursor) if cursor.failures > 0 => "retrying",
            _ => "active",
        }
    }

    /// Where messages go, as far as the asker may see.
    pub fn url(&self) -> String {
        let origin = |url: &str| url.parse().map(|t: Target| t.origin()).unwrap_or_default();
        if self.shows_url { self.row.url.clone() } else { origin(&self.row.url) }
    }
}

/// Makes a webhook. It is told what is sealed from now on.
///
/// # Errors
/// [`Refusal::InvalidField`], [`Refusal::NotAllowed`], [`Refusal::UnknownParty`],
/// [`Refusal::WebhooksFull`].
pub async fn make(house: &House, caller: &Caller, order: &Order) -> Result<Made, FlowError> {
    caller.need(Scope::Webhooks)?;
    let name = named(&order.name)?;
    let url = sound_url(house, &order.url)?;
    // What was recorded before is not told, so it gets its place first.
    log::seal(house).await?;
    for _ in 0..RACES_MAX {
        let reference = house.reference_now().await?;
        let party = find::party(&reference, caller.brand, ("party", &order.party))?;
        mandate::speaks_for(&reference, caller, party.id, "party")?;
        knows_no_regions(caller, "party")?;
        let kinds = sound_kinds(&reference, caller, party.id, &order.kinds)?;
        not_full(&reference, party)?;
        let id = hex(&secrets::random::<6>()?);
        let (secret, sealed) = fresh_secret(house, &id)?;
        let row = WebhookRow {
            id,
            brand: caller.brand.0,
            party: party.id.0,
            name: name.clone(),
            url: url.clone(),
            kinds,
            is_active: true,
            off_because: None,
            created_at: house.clock.now().as_microsecond(),
            rotated_at: None,
            rewound_at: None,
            previous: None,
            starts: 1,
            from_index: index(size(house).await?),
            sealed,
        };
        let change = ReferenceChange::Webhook(row.clone());
        if put(house, &caller.into(), &reference, change).await? {
            return Ok(Made { secret, told: told(house, Arc::new(row)).await? });
        }
    }
    Err(FlowError::Busy)
}

/// Changes a webhook.
///
/// # Errors
/// [`Refusal::InvalidField`], [`Refusal::NotAllowed`], [`Refusal::UnknownWebhook`],
/// [`Refusal::RewoundLately`].
pub async fn change(
    house: &House,
    caller: &Caller,
    id: &str,
    change: &Change,
) -> Result<Told, FlowError> {
    caller.need(Scope::Webhooks)?;
    let name = change.name.as_deref().map(named).transpose()?;
    let url = change.url.as_deref().map(|url| sound_url(house, url)).transpose()?;
    for _ in 0..RACES_MAX {
        let reference = house.reference_now().await?;
        let now = within_reach(&reference, caller, id)?;
        let kinds = change.kinds.as_ref().unwrap_or(&now.kinds);
        // Who gives it another address has its messages, so the kinds count though they stay.
        let kinds = sound_kinds(&reference, caller, PartyId(now.party), kinds)?;
        let mut row = WebhookRow { kinds, ..WebhookRow::clone(&now) };
        row.name = name.clone().unwrap_or(row.name);
        row.url = url.clone().unwrap_or(row.url);
        row.is_active = change.active.unwrap_or(row.is_active);
        placed(house, &now, &mut row, change.from_index).await?;
        row.off_because = row.off_because.filter(|_| !row.is_active);
        if row == *now {
            return told(house, now).await;
        }
        let written = ReferenceChange::Webhook(row.clone());
        if put(house, &caller.into(), &reference, written).await? {
            return told(house, Arc::new(row)).await;
        }
    }
    Err(FlowError::Busy)
}

/// Where a changed webhook goes on. Switched on or sent elsewhere it starts anew where it stopped:
/// what failed before says nothing of an address that is another.
async fn placed(
    house: &House,
    now: &WebhookRow,
    row: &mut WebhookRow,
    from_index: Option<u64>,
) -> Result<(), FlowError> {
    let anew = (row.is_active && !now.is_active) || row.url != now.url;
    if from_index.is_none() && !anew {
        return Ok(());
    }
    let stopped = house.store.webhook_cursor(&row.id).await?.map(|cursor| cursor.next);
    if let Some(from) = from_index {
        if from > size(house).await? {
            return Err(Refused::invalid("from_index", "the log does not reach so far").into());
        }
        let at = house.clock.now();
        if stopped.is_some_and(|next| index(from) < next) {
            if !may_rewind(row.rewound_at.map(super::custody::instant), at) {
                return Err(Refused::new(Refusal::RewoundLately, "from_index").into());
            }
            row.rewound_at = Some(at.as_microsecond());
        }
        row.from_index = index(from);
    } else {
        row.from_index = stopped.unwrap_or(row.from_index);
    }
    row.starts += 1;
    Ok(())
}

/// Gives a webhook another secret. For the overlap every message is signed with both; one from a
/// rotation before ends now.
///
/// # Errors
/// [`Refusal::InvalidField`], [`Refusal::NotAllowed`], [`Refusal::UnknownWebhook`].
pub async fn rotate(
    house: &House,
    caller: &Caller,
    id: &str,
    overlap: SignedDuration,
) -> Result<Made, FlowError> {
    caller.need(Scope::Webhooks)?;
    if overlap.is_negative() || overlap > OVERLAP_MAX {
        return Err(Refused::invalid("overlap", "at most 7 days").into());
    }
    for _ in 0..RACES_MAX {
        let reference = house.reference_now().await?;
        let now = within_reach(&reference, caller, id)?;
        let at = house.clock.now();
        let previous = (!overlap.is_zero()).then(|| PreviousSealed {
            sealed: hex(&now.sealed),
            until: (at + overlap).as_microsecond(),
        });
        let (secret, sealed) = fresh_secret(house, id)?;
        let rotated_at = Some(at.as_microsecond());
        let row = WebhookRow { sealed, previous, rotated_at, ..WebhookRow::clone(&now) };
        let written = ReferenceChange::Webhook(row.clone());
        if put(house, &caller.into(), &reference, written).await? {
            return Ok(Made { secret, told: told(house, Arc::new(row)).await? });
        }
    }
    Err(FlowError::Busy)
}

/// Removes a webhook with its secret and the log of its deliveries.
///
/// # Errors
/// [`Refusal::NotAllowed`], [`Refusal::UnknownWebhook`].
pub async fn remove(house: &House, caller: &Caller, id: &str) -> Result<(), FlowError> {
    caller.need(Scope::Webhooks)?;
    for _ in 0..RACES_MAX {
        let reference = house.reference_now().await?;
        let now = within_reach(&reference, caller, id)?;
        let removed = ReferenceChange::WebhookRemoved(WebhookRow::clone(&now));
        if put(house, &caller.into(), &reference, removed).await? {
            return Ok(());
        }
    }
    Err(FlowError::Busy)
}

/// The webhooks of the caller's party and those below it, by their id.
///
/// # Errors
/// The store cannot be read.
pub async fn list(house: &House, caller: &Caller) -> Result<Vec<Told>, FlowError> {
    caller.need(Scope::WebhooksRead)?;
    let reference = house.reference_now().await?;
    let size = size(house).await?;
    let cursors = house.store.webhook_cursors().await?;
    let mut cursors: HashMap<_, _> = cursors.into_iter().map(|c| (c.webhook.clone(), c)).collect();
    let mut rows: Vec<_> = reference.webhooks().filter(|w| sees(&reference, caller, w)).collect();
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    let shows_url = caller.may(Scope::Webhooks);
    let told = |row: &Arc<WebhookRow>| Told {
        cursor: cursors.remove(&row.id),
        row: Arc::clone(row),
        size,
        shows_url,
    };
    Ok(rows.into_iter().map(told).collect())
}

/// Deliveries of a webhook, the newest first, of these only those before one: its instant and
/// identity.
///
/// # Errors
/// [`Refusal::UnknownWebhook`].
pub async fn deliveries(
    house: &House,
    caller: &Caller,
    id: &str,
    before: (i64, [u8; 16]),
    most: usize,
) -> Result<Vec<DeliveryRow>, FlowError> {
    caller.need(Scope::WebhooksRead)?;
    let reference = house.reference_now().await?;
    seen(&reference, caller, id)?;
    let since = (house.clock.now() - DELIVERIES_KEPT).as_microsecond();
    Ok(house.store.deliveries((id, since), before, most).await?)
}

/// Sends a test message and tells what became of it. It is in no log of deliveries.
///
/// # Errors
/// [`Refusal::NotAllowed`], [`Refusal::UnknownWebhook`].
pub async fn ping(house: &House, caller: &Caller, id: &str) -> Result<send::Attempt, FlowError> {
    caller.need(Scope::Webhooks)?;
    let reference = house.reference_now().await?;
    let row = within_reach(&reference, caller, id)?;
    let _turn = house.errands.take(caller).await;
    send::send(house, &row, &feed::ping(house, &reference, &row)?).await
}

/// Sends an event of the log of deliveries once more, now, and tells what became of it. The webhook
/// itself goes on as it was.
///
/// # Errors
/// [`Refusal::NotAllowed`], [`Refusal::UnknownWebhook`], [`Refusal::UnknownDelivery`].
pub async fn resend(
    house: &House,
    caller: &Caller,
    id: &str,
    event: &str,
) -> Result<send::Attempt, FlowError> {
    caller.need(Scope::Webhooks)?;
    let reference = house.reference_now().await?;
    let row = within_reach(&reference, caller, id)?;
    let unknown = || Refused::new(Refusal::UnknownDelivery, "event");
    let before = house.store.delivery_of(id, event).await?.ok_or_else(unknown)?;
    // Who may be told what is asked afresh: the tree may be another by now.
    let place = (before.position, before.position + 1);
    let found = feed::between(house, &reference, &row, place).await?.pop().ok_or_else(unknown)?;
    let message = feed::message(house, &reference, &found).await?;
    let _turn = house.errands.take(caller).await;
    let attempt = send::send(house, &row, &message).await?;
    // Of one that was removed meanwhile nothing is kept.
    if house.store.delivery_add(&attempt.row(&row.id, &message, 0)).await? {
        let upto = (house.clock.now() - DELIVERIES_KEPT).as_microsecond();
        house.store.deliveries_prune(&row.id, upto, DELIVERIES_MAX).await?;
    }
    Ok(attempt)
}

/// Switches a webhook off without anybody asking for it, and says why.
///
/// # Errors
/// The store cannot be written.
pub(super) async fn switch_off(
    house: &House,
    id: &str,
    because: &'static str,
) -> Result<(), FlowError> {
    for _ in 0..RACES_MAX {
        let reference = house.reference_now().await?;
        let Some(now) = reference.webhook(id).filter(|w| w.is_active) else { return Ok(()) };
        let off_because = Some(because.to_owned());
        let row = WebhookRow { is_active: false, off_because, ..WebhookRow::clone(now) };
        let author = Author { brand: domain::id::BrandId(row.brand), ..Author::system() };
        if put(house, &author, &reference, ReferenceChange::Webhook(row)).await? {
            return Ok(());
        }
    }
    Err(FlowError::Busy)
}

/// Entries of the log.
pub(super) async fn size(house: &House) -> Result<u64, FlowError> {
    Ok(house.store.log_head().await?.tree.size())
}

fn index(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

async fn told(house: &House, row: Arc<WebhookRow>) -> Result<Told, FlowError> {
    let cursor = house.store.webhook_cursor(&row.id).await?;
    Ok(Told { row, cursor, size: size(house).await?, shows_url: true })
}

fn fresh_secret(house: &House, id: &str) -> Result<(Zeroizing<String>, Vec<u8>), FlowError> {
    let secret = Zeroizing::new(secrets::random::<32>()?);
    let sealed = house.secrets.seal_webhook(id, secret.as_slice())?;
    let text = Zeroizing::new(BASE64.encode(secret.as_slice()));
    Ok((Zeroizing::new(format!("{SECRET_PREFIX}{}", text.as_str())), sealed))
}

fn named(name: &str) -> Result<String, Refused> {
    domain::text::optional(name, domain::text::NAME_CHARS_MAX)
        .map_err(|why| Refused::invalid("name", why))
}

fn sound_url(house: &House, url: &str) -> Result<String, Refused> {
    let target: Result<Target, _> = url.trim().parse();
    let target = target.and_then(|t| t.admit(house.outbound.allowed()).map(|()| t));
    target.map(|t| t.to_string()).map_err(|why| Refused::invalid("url", why))
}

fn not_full(reference: &Reference, party: &Party) -> Result<(), Refused> {
    let count =
        |ours: &dyn Fn(&WebhookRow) -> bool| reference.webhooks().filter(|w| ours(w)).count();
    let of_party = count(&|w| w.party == party.id.0);
    let of_brand = count(&|w| w.brand == party.brand.0);
    if of_party >= WEBHOOKS_MAX || of_brand >= WEBHOOKS_OF_BRAND_MAX {
        return Err(Refused::new(Refusal::WebhooksFull, "party"));
    }
    Ok(())
}

/// The kinds in the order of the table, each once.
fn sound_kinds(
    reference: &Reference,
    caller: &Caller,
    party: PartyId,
    kinds: &[String],
) -> Result<Vec<String>, Refused> {
    for (i, kind) in kinds.iter().enumerate() {
        let field = format!("kinds[{i}]");
        let Some(audience) = audience(kind) else {
            let known: Vec<_> = KINDS.iter().map(|(word, _)| *word).collect();
            return Err(Refused::invalid(field, format!("must be one of {}", known.join(", "))));
        };
        if !may_ask(&reference.tree, party, kind) {
            let why = "a party other than the brand is told of goods in its hands alone";
            return Err(Refused::because(Refusal::NotAllowed, field, why));
        }
        if audience == Audience::Trail && !caller.may(Scope::Audit) {
            let why = "it is the audit trail: it needs scope audit as well";
            return Err(Refused::because(Refusal::NotAllowed, field, why));
        }
    }
    let wanted = |word: &&str| kinds.iter().any(|kind| kind == word);
    Ok(KINDS.iter().map(|(word, _)| *word).filter(wanted).map(str::to_owned).collect())
}

/// A webhook knows no regions, so whoever is bound to some would be told more than it may see.
fn knows_no_regions(caller: &Caller, field: &'static str) -> Result<(), Refused> {
    if caller.regions.is_empty() {
        return Ok(());
    }
    let why = "it is bound to regions, and a webhook is not";
    Err(Refused::because(Refusal::NotAllowed, field, why))
}

fn sees(reference: &Reference, caller: &Caller, row: &WebhookRow) -> bool {
    row.brand == caller.brand.0 && access::concerns(reference, caller, PartyId(row.party))
}

fn seen(reference: &Reference, caller: &Caller, id: &str) -> Result<Arc<WebhookRow>, Refused> {
    let row = reference.webhook(id).filter(|row| sees(reference, caller, row));
    row.cloned().ok_or_else(|| Refused::new(Refusal::UnknownWebhook, "id"))
}

fn within_reach(
    reference: &Reference,
    caller: &Caller,
    id: &str,
) -> Result<Arc<WebhookRow>, Refused> {
    let row = seen(reference, caller, id)?;
    knows_no_regions(caller, "id")?;
    Ok(row)
}
