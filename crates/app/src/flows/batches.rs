//! Minting: any number of codes is one row. Streaming, delivering and voiding them.

use super::access;
use super::audit;
use super::caller::{Caller, Scope};
use super::changes;
use super::house::{EventDraft, House};
use super::idempotency::{Answer, Keyed};
use super::mandate::brand_only;
use super::outcome::{FlowError, RACES_MAX};
use super::people::sign_up;
use super::reference::Reference;
use domain::audit::SensitiveRead;
use domain::code::{TraceCode, UnitNumber};
use domain::gs1::{Gtin, digital_link_prefix, short_link_prefix};
use domain::id::{BatchId, PartyId, ProductId};
use domain::party::Party;
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
/// The caller is not the brand; the count is out of range; the line of numbers is used up.
pub async fn mint(house: &House, caller: &Caller, mint: Mint) -> Result<Batch, FlowError> {
    let minted = std::sync::Mutex::new(None);
    let render = |batch: &Batch| {
        if let Ok(mut minted) = minted.lock() {
            *minted = Some(batch.clone());
        }
        Answer::new(201, String::new())
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
        brand_only(&reference, caller)?;
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
) -> Result<Batch, FlowError> {
    let minted = commit.reference.iter().filter_map(|change| match change {
        ReferenceChange::Batch(batch) => Some(batch),
        _ => None,
    });
    let (end, last_id) = minted
        .fold((reference.line_end(), reference.last_ids.batch), |(end, id), batch| {
            (end.max(batch.end()), id.max(batch.id))
        });
    sign_up::share_of_numbers(caller, reference, (mint.count, commit))?;
    if u64::try_from(end + mint.count).ok().and_then(UnitNumber::new).is_none() {
        return Err(Refused::invalid("count", "the line of numbers is used up").into());
    }
    if let Some(product) = mint.product {
        let product = reference.product_by_id(product).filter(|p| p.brand == caller.brand);
        product.ok_or(Refused::new(Refusal::UnknownProduct, "gtin"))?;
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
        delivered_to: None,
        delivered_words: None,
        created_at: house.clock.now().as_microsecond(),
    };
    let relied = Relied::Reference(reference.version);
    if !commit.relies_on.contains(&relied) {
        commit.relies_on.push(relied);
    }
    let made = vec![ReferenceChange::Batch(batch.clone())];
    changes::add(house, &caller.into(), reference, made, commit)?;
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

/// The odds, 0 to 1, that one guess is a code of this batch, void ones too. Numbers of packs are no
/// codes. Of one batch alone: who was handed it is not told how many others there are.
pub fn guess_odds(batch: &Batch) -> f64 {
    let codes = if batch.product.is_some() { batch.count } else { 0 };
    domain::code::guess_odds(u64::try_from(codes).unwrap_or(0))
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

/// The codes of a batch as CSV text, chunk by chunk: `code,url` or `code,url,scratch`. Voided codes
/// are left out.
pub struct CodeStream {
    ring: std::sync::Arc<domain::code::KeyRing>,
    scratch: Option<domain::scratch::ScratchKey>,
    prefix: String,
    /// What is still to be made, the last run first.
    runs: Vec<std::ops::Range<i64>>,
    epoch: u8,
    codes: Vec<TraceCode>,
}

impl CodeStream {
    /// Streams `first..end` of a batch.
    pub fn new(
        house: &House,
        reference: &Reference,
        batch: &Batch,
        prefix: String,
        range: std::ops::Range<i64>,
    ) -> Self {
        let range = range.start.max(batch.first)..range.end.min(batch.end());
        let is_void = batch.state == BatchState::Void;
        let mut runs = if is_void { Vec::new() } else { reference.unvoided(range) };
        runs.reverse();
        let blank = house.ring().encode(super::find::unit_number(batch.first));
        Self {
            ring: house.ring(),
            scratch: batch.scratch.then(|| house.secrets.scratch_key()),
            prefix,
            runs,
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
        let next = self.runs.last_mut()?;
        let first = next.start;
        let left = usize::try_from(next.end - first).unwrap_or(0).min(CHUNK);
        let key = domain::code::Epoch::new(self.epoch).and_then(|e| self.ring.key(e))?;
        let run = &mut self.codes[..left];
        key.encode_run(super::find::unit_number(first), run).ok()?;
        next.start += left as i64;
        if next.is_empty() {
            self.runs.pop();
        }
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
        self.runs.iter().map(|run| run.end - run.start).sum()
    }
}

/// Notes that codes of a batch leave the house, those of the numbers asked for. An unprinted batch
/// hands out no more from then on; of other batches nothing changes. Called before the first code
/// is shown; where none is, nothing changes and nothing was read. Who may only read codes is given
/// those that were handed out.
///
/// # Errors
/// [`Refusal::UnknownBatch`], also where it was not handed to the caller.
pub async fn export(
    house: &House,
    caller: &Caller,
    id: BatchId,
    asked: std::ops::Range<i64>,
) -> Result<Batch, FlowError> {
    let reference = house.reference_now().await?;
    let mut batch = readable(&reference, caller, id)?;
    let mints = caller.may(Scope::Mint);
    if !mints {
        batch = handed_out(house, batch).await?;
    }
    let sent = CodeStream::new(house, &reference, &batch, String::new(), asked).left();
    if sent == 0 {
        return Ok(batch);
    }
    // Whoever it was handed over to changes nothing: it hands out nothing silently any more.
    if mints && brand_only(&reference, caller).is_ok() {
        batch = change(house, caller, id, |_, batch| {
            if batch.purpose != Purpose::Unprinted || batch.state != BatchState::Issued {
                return Ok(None);
            }
            batch.state = BatchState::Exported;
            Ok(Some((Body::BatchExported {}, Vec::new())))
        })
        .await?;
    }
    note_codes(house, caller, &batch, usize::try_from(sent).unwrap_or(usize::MAX));
    Ok(batch)
}

/// A batch as far as its codes were handed out: one that is still drawn from holds codes that
/// nobody knows yet. Scratch codes are for the printer alone.
async fn handed_out(house: &House, batch: Batch) -> Result<Batch, FlowError> {
    let mut count = batch.count;
    if batch.purpose == Purpose::Unprinted && batch.state == BatchState::Issued {
        let next = house.store.draw_fetch(batch.id).await?;
        count = next.map_or(0, |next| (next - batch.first).clamp(0, count));
    }
    Ok(Batch { count, scratch: false, ..batch })
}

fn note_codes(house: &House, caller: &Caller, batch: &Batch, count: usize) {
    let object = batch.id.to_string();
    audit::note(house, &caller.into(), SensitiveRead::Codes, &object, count);
}

/// Notes that one code of a batch is shown: of a number not yet handed out it is an export.
///
/// # Errors
/// As [`export`]; [`Refusal::UnknownSubject`] where the caller may only read what was handed out.
pub async fn show(
    house: &House,
    caller: &Caller,
    batch: &Batch,
    number: i64,
) -> Result<(), FlowError> {
    if is_handed_out(house, caller, batch, number).await? {
        note_codes(house, caller, batch, 1);
    } else {
        export(house, caller, batch.id(), number..number + 1).await?;
    }
    Ok(())
}

/// Whether a code was handed out, so that to show it is no export. Changes and notes nothing: for
/// who asks without being shown it.
///
/// # Errors
/// As [`show`].
pub(crate) async fn is_handed_out(
    house: &House,
    caller: &Caller,
    batch: &Batch,
    number: i64,
) -> Result<bool, FlowError> {
    readable(&*house.reference().await?, caller, BatchId(batch.id))?;
    let drawn = batch.purpose != Purpose::Unprinted
        || house.store.draw_fetch(batch.id).await?.is_some_and(|next| number < next);
    if !drawn && !caller.may(Scope::Mint) && batch.state == BatchState::Issued {
        return Err(Refused::new(Refusal::UnknownSubject, "code").into());
    }
    Ok(drawn)
}

/// Marks a batch as handed over. A later delivery takes the place of the one before it; the same
/// again changes nothing.
///
/// # Errors
/// [`Refusal::UnknownBatch`]; [`Refusal::CodeVoid`]; the caller is not the brand; the receiver's
/// name is empty or too long, or a party's code but for its case.
pub async fn deliver(
    house: &House,
    caller: &Caller,
    id: BatchId,
    to: &str,
) -> Result<Batch, FlowError> {
    let to = note("to", to)?;
    change(house, caller, id, |reference, batch| {
        let party = reference.party(caller.brand, &to).map(|party| party.id.0);
        if party.is_none() {
            is_no_code(reference, caller, &to)?;
        }
        if batch.state == BatchState::Void {
            return Err(Refused::because(Refusal::CodeVoid, "batch", "the whole batch was"));
        }
        let before = batch.clone();
        // To somebody in words, no party reads the codes any more: the last delivery counts.
        batch.delivered_words = party.is_none().then(|| to.clone());
        batch.delivered_to = party;
        batch.state = BatchState::Delivered;
        if *batch == before {
            return Ok(None);
        }
        Ok(Some((Body::BatchDelivered { to: to.clone() }, Vec::new())))
    })
    .await
}

/// Refuses words that are a party's code but for its case: the party was meant, and would read
/// none of the codes.
fn is_no_code(reference: &Reference, caller: &Caller, words: &str) -> Result<(), Refused> {
    let words = words.to_lowercase();
    let same = |party: &&Party| party.brand == caller.brand && party.code.to_lowercase() == words;
    let Some(meant) = reference.tree.iter().find(same) else { return Ok(()) };
    let why =
        format!("no party has this code, but {} is one: write it so, or say more", meant.code);
    Err(Refused::invalid("to", why))
}

/// What voiding did.
#[derive(Clone, Debug)]
pub struct Voided {
    /// The batch as it now stands.
    pub batch: Batch,
    /// Codes among them that units wear, made with them or relabelled: they stay good.
    pub bound_count: i64,
}

/// Voids the free codes of a whole batch, or of a range of it (a lost reel of labels). Codes that
/// units wear are passed over, and what is void already stays so.
///
/// # Errors
/// [`Refusal::UnknownBatch`]; the caller is not the brand; the range lies outside the batch; no
/// reason is given.
pub async fn void(
    house: &House,
    caller: &Caller,
    id: BatchId,
    range: Option<(TraceCode, TraceCode)>,
    reason: &str,
) -> Result<Voided, FlowError> {
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
    let batch = change(house, caller, id, |reference, batch| {
        let (first, last) = range.unwrap_or((batch.first, batch.end() - 1));
        if first > last {
            return Err(Refused::invalid("last", "the first number must not be above the last"));
        }
        if first < batch.first || last >= batch.end() {
            return Err(Refused::invalid("last", "the range lies outside the batch"));
        }
        let free = reference.unvoided(first..last + 1);
        if batch.state == BatchState::Void || (range.is_some() && free.is_empty()) {
            return Ok(None);
        }
        let mut changes = Vec::new();
        match range {
            None => batch.state = BatchState::Void,
            // Only what is not void yet: each voided code stands in one row.
            Some(_) => changes.extend(free.into_iter().map(|free| {
                let (first, last, reason) = (free.start, free.end - 1, reason.clone());
                ReferenceChange::Void(VoidRow { first, last, brand: batch.brand, reason })
            })),
        }
        Ok(Some((Body::CodesVoided { first, last, reason: reason.clone() }, changes)))
    })
    .await?;
    let (first, last) = range.unwrap_or((batch.first, batch.end() - 1));
    let bound_count = house.store.bound_count(first, last).await?;
    Ok(Voided { batch, bound_count })
}

/// What a change of a batch is recorded as; none when there is nothing to change.
type Change = Option<(Body, Vec<ReferenceChange>)>;

async fn change(
    house: &House,
    caller: &Caller,
    id: BatchId,
    edit: impl Fn(&Reference, &mut Batch) -> Result<Change, Refused>,
) -> Result<Batch, FlowError> {
    caller.need(Scope::Mint)?;
    for _ in 0..RACES_MAX {
        let reference = house.reference_now().await?;
        let before = own(&reference, caller, id)?;
        let mut batch = before.clone();
        let Some((body, mut changed)) = edit(&reference, &mut batch)? else { return Ok(batch) };
        if batch != before {
            changed.push(ReferenceChange::Batch(batch.clone()));
        }
        let now = house.clock.now();
        let event = house.event(EventDraft::about(caller, batch.first, now, 0, body));
        let mut commit = Commit {
            relies_on: vec![Relied::Reference(reference.version)],
            events: vec![event],
            ..Commit::default()
        };
        changes::add(house, &caller.into(), &reference, changed, &mut commit)?;
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

/// The batches a caller may read, in the order they were minted: the brand all of its own, another
/// party those that were handed to it or to one below it.
///
/// # Errors
/// [`Refusal::NotAllowed`].
pub fn list<'a>(reference: &'a Reference, caller: &Caller) -> Result<Vec<&'a Batch>, Refused> {
    caller.need(Scope::CodesRead)?;
    let own = reference.batches().iter().filter(|batch| may_read(reference, caller, batch));
    let mut own: Vec<_> = own.collect();
    own.sort_by_key(|batch| batch.id);
    Ok(own)
}

fn may_read(reference: &Reference, caller: &Caller, batch: &Batch) -> bool {
    let ours = |party: i64| access::concerns(reference, caller, PartyId(party));
    let handed = || batch.delivered_to.is_some_and(ours);
    batch.brand == caller.brand.0 && (brand_only(reference, caller).is_ok() || handed())
}

/// A batch of codes that the caller may read.
///
/// # Errors
/// [`Refusal::NotAllowed`]; [`Refusal::UnknownBatch`], also where it was not handed to the caller.
pub fn readable(reference: &Reference, caller: &Caller, id: BatchId) -> Result<Batch, Refused> {
    caller.need(Scope::CodesRead)?;
    let found = reference.batch(id.0);
    let found = found.filter(|b| b.product.is_some() && may_read(reference, caller, b));
    found.cloned().ok_or_else(|| Refused::because(Refusal::UnknownBatch, "batch", id.0))
}

/// A batch of codes of the caller's brand, to be changed. Numbers of packs are no codes.
///
/// # Errors
/// [`Refusal::NotAllowed`]: only the brand changes batches; [`Refusal::UnknownBatch`].
fn own(reference: &Reference, caller: &Caller, id: BatchId) -> Result<Batch, Refused> {
    caller.need(Scope::Mint)?;
    of_brand(reference, caller, id)
}

/// A batch of codes of the caller's brand, for the brand itself.
pub(super) fn of_brand(
    reference: &Reference,
    caller: &Caller,
    id: BatchId,
) -> Result<Batch, Refused> {
    brand_only(reference, caller)?;
    let found = reference.batch(id.0);
    let found = found.filter(|b| b.brand == caller.brand.0 && b.product.is_some());
    found.cloned().ok_or_else(|| Refused::because(Refusal::UnknownBatch, "batch", id.0))
}

fn note(field: &'static str, raw: &str) -> Result<String, Refused> {
    domain::text::lasting(raw, domain::text::NOTE_CHARS_MAX).map_err(|e| Refused::invalid(field, e))
}
