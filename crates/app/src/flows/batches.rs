//! Minting: any number of codes is one row. Streaming, delivering and voiding them.

use super::caller::{Caller, Scope};
use super::house::{EventDraft, House};
use super::idempotency::{Answer, Keyed};
use super::outcome::{FlowError, RACES_MAX};
use super::reference::Reference;
use domain::code::{TraceCode, UnitNumber};
use domain::gs1::{Gtin, digital_link_prefix, short_link_prefix};
use domain::id::{BatchId, ProductId};
use domain::refusal::{Refusal, Refused};
use store::commit::{Commit, Relied};
use store::event::Body;
use store::reference::{Batch, BatchState, Purpose, ReferenceChange, VoidRow};

/// Most codes in one batch: a thousand million.
pub const BATCH_COUNT_MAX: i64 = 1_000_000_000;
/// Pack numbers are taken from the line in blocks of this many.
pub const PACK_BLOCK: i64 = 65_536;
/// Codes made at a time while streaming.
const CHUNK: usize = 8_192;

/// What to mint.
#[derive(Clone, Copy, Debug)]
pub struct Mint {
    /// What for; none for packs.
    pub product: Option<ProductId>,
    /// Printed, unprinted or pack.
    pub purpose: Purpose,
    /// How many, 1 to [`BATCH_COUNT_MAX`].
    pub count: i64,
    /// Whether scratch codes go with it.
    pub scratch: bool,
}

/// Mints a batch: one row, whatever its size.
///
/// # Errors
/// The count is out of range, or the line of numbers is used up.
pub async fn mint(house: &House, caller: &Caller, mint: Mint) -> Result<Batch, FlowError> {
    let minted = std::sync::Mutex::new(None);
    let render = |batch: &Batch| {
        if let Ok(mut minted) = minted.lock() {
            *minted = Some(batch.clone());
        }
        Answer { status: 201, reply: String::new() }
    };
    mint_once(house, caller, mint, None, &render).await?;
    minted.into_inner().ok().flatten().ok_or(FlowError::Busy)
}

/// How a minted batch is answered, so that the answer can be stored with the very commit.
pub type Render<'a> = &'a (dyn Fn(&Batch) -> Answer + Send + Sync);

/// Mints a batch once for each key: a repeated command gets the answer of the first.
///
/// # Errors
/// As [`mint`]; [`Refusal::IdempotencyMismatch`].
pub async fn mint_once(
    house: &House,
    caller: &Caller,
    mint: Mint,
    key: Option<&Keyed>,
    render: Render<'_>,
) -> Result<Answer, FlowError> {
    caller.need(Scope::Mint)?;
    if !(1..=BATCH_COUNT_MAX).contains(&mint.count) {
        let reason = format!("must be 1 to {BATCH_COUNT_MAX}");
        return Err(Refused::invalid("count", reason).into());
    }
    for round in 0..RACES_MAX {
        let reference = if round == 0 { house.reference().await? } else { house.reload().await? };
        // Every mint moves the reference version, so two with one key cannot both pass here and
        // be committed.
        if let Some(key) = key
            && let Some(answer) = key.replay(house).await?
        {
            return Ok(answer);
        }
        let mut commit = Commit::default();
        let batch = mint_into(house, caller, &reference, mint, &mut commit)?;
        let answer = render(&batch);
        let now = house.clock.now().as_microsecond();
        commit.idempotency = key.map(|k| k.keep(batch.first, &answer, now));
        match house.store.commit(&commit).await {
            Err(e) if e.is_race() => continue,
            Err(e) => return Err(e.into()),
            Ok(()) => {
                house.reload().await?;
                return Ok(answer);
            }
        }
    }
    Err(FlowError::Busy)
}

/// Adds a mint to a commit that relies on this reference.
pub fn mint_into(
    house: &House,
    caller: &Caller,
    reference: &Reference,
    mint: Mint,
    commit: &mut Commit,
) -> Result<Batch, Refused> {
    let minted = commit.reference.iter().filter_map(|change| match change {
        ReferenceChange::Batch(batch) => Some(batch),
        _ => None,
    });
    let (end, last_id) = minted
        .fold((reference.line_end(), reference.last_ids.batch), |(end, id), batch| {
            (end.max(batch.end()), id.max(batch.id))
        });
    if u64::try_from(end + mint.count).ok().and_then(UnitNumber::new).is_none() {
        return Err(Refused::invalid("count", "the line of numbers is used up"));
    }
    let batch = Batch {
        id: last_id + 1,
        brand: caller.brand.0,
        product: mint.product.map(|p| p.0),
        purpose: mint.purpose,
        first: end,
        count: mint.count,
        epoch: house.ring().current().epoch().get(),
        state: BatchState::Issued,
        scratch: mint.scratch,
        created_at: house.clock.now().as_microsecond(),
    };
    let relied = Relied::Reference(reference.version);
    if !commit.relies_on.contains(&relied) {
        commit.relies_on.push(relied);
    }
    commit.reference.push(ReferenceChange::Batch(batch.clone()));
    if mint.purpose != Purpose::Printed {
        commit.reference.push(ReferenceChange::DrawStart(batch.id(), batch.first));
    }
    let body = Body::Minted {
        batch: batch.id,
        count: batch.count,
        first: batch.first,
        purpose: batch.purpose.as_str().to_owned(),
    };
    let now = house.clock.now();
    commit.events.push(house.event(EventDraft::about(caller, batch.first, now, 0, body)));
    Ok(batch)
}

/// Which link a code is printed as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkStyle {
    /// `https://HOST/01/{gtin14}/21/{code}`.
    DigitalLink,
    /// `HTTPS://HOST/D/{CODE}`: upper case makes smaller QR codes.
    Short,
}

/// What stands before the code in a batch's links.
pub fn link_prefix(
    house: &House,
    reference: &Reference,
    batch: &Batch,
    style: LinkStyle,
) -> String {
    let gtin = batch
        .product
        .and_then(|p| reference.product_by_id(ProductId(p)))
        .and_then(|p| Gtin::parse(&p.gtin).ok());
    match (style, gtin) {
        (LinkStyle::DigitalLink, Some(gtin)) => digital_link_prefix(&house.settings.host, &gtin),
        _ => short_link_prefix(&house.settings.host),
    }
}

/// The codes of a batch as CSV text, chunk by chunk: `code,url` or `code,url,scratch`.
pub struct CodeStream {
    ring: std::sync::Arc<domain::code::KeyRing>,
    scratch: Option<domain::scratch::ScratchKey>,
    prefix: String,
    next: i64,
    end: i64,
    epoch: u8,
    codes: Vec<TraceCode>,
}

impl CodeStream {
    /// Streams `first..end` of a batch.
    pub fn new(house: &House, batch: &Batch, prefix: String, range: std::ops::Range<i64>) -> Self {
        let blank = house.ring().encode(super::find::unit_number(batch.first));
        Self {
            ring: house.ring(),
            scratch: batch.scratch.then(|| house.secrets.scratch_key()),
            prefix,
            next: range.start.max(batch.first),
            end: range.end.min(batch.end()),
            epoch: batch.epoch,
            codes: vec![blank; CHUNK],
        }
    }

    /// The header line.
    pub fn header(&self) -> &'static str {
        if self.scratch.is_some() { "code,url,scratch\n" } else { "code,url\n" }
    }

    /// Makes the next codes. Empty at the end.
    pub fn next_codes(&mut self) -> Option<(i64, &[TraceCode])> {
        let left = usize::try_from(self.end - self.next).unwrap_or(0).min(CHUNK);
        if left == 0 {
            return None;
        }
        let first = self.next;
        let key = domain::code::Epoch::new(self.epoch).and_then(|e| self.ring.key(e))?;
        let run = &mut self.codes[..left];
        key.encode_run(super::find::unit_number(first), run).ok()?;
        self.next += left as i64;
        Some((first, &self.codes[..left]))
    }

    /// Appends the next lines; false at the end.
    pub fn next_csv(&mut self, out: &mut Vec<u8>) -> bool {
        let prefix = std::mem::take(&mut self.prefix);
        let scratch = self.scratch.take();
        let more = match (self.next_codes(), &scratch) {
            (None, _) => false,
            (Some((_, codes)), None) => {
                domain::code::write_csv_run(out, codes, &prefix);
                true
            }
            (Some((first, codes)), Some(key)) => {
                for (number, code) in (first..).zip(codes) {
                    let secret = key.code(super::find::unit_number(number));
                    let line = format!("{},{prefix}{},{secret}\n", code.as_str(), code.as_str());
                    out.extend_from_slice(line.as_bytes());
                }
                true
            }
        };
        self.prefix = prefix;
        self.scratch = scratch;
        more
    }

    /// Numbers still to come.
    pub fn left(&self) -> i64 {
        self.end - self.next
    }
}

/// Marks a batch as handed over.
///
/// # Errors
/// [`Refusal::UnknownBatch`]; the receiver's name is empty or too long.
pub async fn deliver(
    house: &House,
    caller: &Caller,
    id: BatchId,
    to: &str,
) -> Result<Batch, FlowError> {
    let to = note("to", to)?;
    change(house, caller, id, |batch| {
        batch.state = BatchState::Delivered;
        (Body::BatchDelivered { to: to.clone() }, None)
    })
    .await
}

/// Voids a whole batch, or a range of its codes (a lost reel of labels).
///
/// # Errors
/// [`Refusal::UnknownBatch`]; the range lies outside the batch; no reason is given.
pub async fn void(
    house: &House,
    caller: &Caller,
    id: BatchId,
    range: Option<(TraceCode, TraceCode)>,
    reason: &str,
) -> Result<Batch, FlowError> {
    let reason = note("reason", reason)?;
    let ring = house.ring();
    let number = |code: &TraceCode, field| {
        let refused = Refused::new(Refusal::ForgedCode, field);
        ring.decode(code).map(|n| n.get() as i64).map_err(|_| refused)
    };
    let range = match &range {
        Some((first, last)) => Some((number(first, "first")?, number(last, "last")?)),
        None => None,
    };
    if let Some((first, last)) = range {
        let reference = house.reference_now().await?;
        let batch = reference.batch(id.0).filter(|b| b.brand == caller.brand.0);
        let batch = batch.ok_or(Refused::new(Refusal::UnknownBatch, "batch"))?;
        if first > last || first < batch.first || last >= batch.end() {
            return Err(Refused::invalid("last", "the range lies outside the batch").into());
        }
    }
    change(house, caller, id, |batch| {
        let (first, last) = range.unwrap_or((batch.first, batch.end() - 1));
        let void = match range {
            None => {
                batch.state = BatchState::Void;
                None
            }
            Some(_) => Some(VoidRow { first, last, brand: batch.brand, reason: reason.clone() }),
        };
        (Body::CodesVoided { first, last, reason: reason.clone() }, void)
    })
    .await
}

async fn change(
    house: &House,
    caller: &Caller,
    id: BatchId,
    edit: impl Fn(&mut Batch) -> (Body, Option<VoidRow>),
) -> Result<Batch, FlowError> {
    caller.need(Scope::Mint)?;
    for _ in 0..RACES_MAX {
        let reference = house.reference_now().await?;
        let found = reference.batch(id.0).filter(|b| b.brand == caller.brand.0);
        let mut batch = found.cloned().ok_or(Refused::new(Refusal::UnknownBatch, "batch"))?;
        let (body, void) = edit(&mut batch);
        let mut changes = vec![ReferenceChange::Batch(batch.clone())];
        changes.extend(void.map(ReferenceChange::Void));
        let now = house.clock.now();
        let event = house.event(EventDraft::about(caller, batch.first, now, 0, body));
        let commit = Commit {
            relies_on: vec![Relied::Reference(reference.version)],
            events: vec![event],
            reference: changes,
            ..Commit::default()
        };
        match house.store.commit(&commit).await {
            Err(e) if e.is_race() => continue,
            Err(e) => return Err(e.into()),
            Ok(()) => {
                house.reload().await?;
                return Ok(batch);
            }
        }
    }
    Err(FlowError::Busy)
}

fn note(field: &'static str, raw: &str) -> Result<String, Refused> {
    domain::text::required(raw, domain::text::NOTE_CHARS_MAX)
        .map_err(|e| Refused::invalid(field, e))
}
