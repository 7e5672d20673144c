//! Physical proofs: what only the person who holds the unit can read. The scratch code lifts
//! *please check* once and for all; the IMEI's last digits never do: they only tell the visitor to
//! compare with what the phone shows. Wrong tries are limited per visitor and unit and, far above
//! what honest people do, per batch; what others guess never makes the owner's own session wait:
//! whoever proved the unit by its scratch code is given a *pass*, with which only their own wrong
//! tries count, those of all passes of the unit together.

use super::caller::Caller;
use super::house::{EventDraft, House};
use super::idempotency::{Answer, Keyed};
use super::outcome::{FlowError, RACES_MAX};
use super::reference::Reference;
use super::verify::odd_since;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use domain::id::{BrandId, PartyId};
use domain::refusal::Refused;
use domain::scratch::ScratchCode;
use domain::text::half_width;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use store::commit::{Commit, Relied, Side};
use store::event::Body;
use store::unit::UnitRecord;

/// Wrong tries on a unit from one address before it waits.
pub const TRIES_PER_VISITOR: usize = 5;
/// Wrong tries on a unit from everywhere before it waits.
pub const TRIES_PER_UNIT: usize = 10;
/// Wrong tries on a whole batch within the window before the batch waits: someone is guessing.
pub const TRIES_PER_BATCH: i64 = 1_000;
/// How long a wait lasts, and how far back tries count.
pub const WAIT: SignedDuration = SignedDuration::from_hours(1);

/// What is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofKind {
    /// The six digits under the scratch layer.
    Scratch,
    /// The last four digits of an IMEI.
    Imei4,
}

/// How a proof came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProofOutcome {
    /// Right, for the first time.
    First,
    /// Right, and it was right before, first at this instant.
    Again(Timestamp),
    /// Right, but it proves nothing by itself: compare with the screen.
    Compare,
    /// Wrong, with so many tries left.
    Wrong {
        /// Wrong tries left before this visitor waits, for its own or for those of others.
        tries_left: usize,
    },
    /// Too many tries: wait until then.
    Wait(Timestamp),
    /// This unit has no such proof.
    NotOffered,
}

impl ProofOutcome {
    /// How many seconds to wait, when that is what it says; never none.
    pub fn wait_seconds(&self, now: Timestamp) -> Option<u32> {
        let Self::Wait(until) = self else { return None };
        Some(u32::try_from(until.as_second() - now.as_second()).unwrap_or(0).max(1))
    }

    /// How a recorded outcome is kept for repetition.
    fn kept(&self) -> String {
        match self {
            Self::First => "first".to_owned(),
            Self::Again(at) => format!("again {}", at.as_microsecond()),
            Self::Compare => "compare".to_owned(),
            Self::Wrong { tries_left } => format!("wrong {tries_left}"),
            Self::Wait(_) | Self::NotOffered => String::new(),
        }
    }

    fn repeated(reply: &str) -> Option<Self> {
        match reply.split_once(' ').unwrap_or((reply, "")) {
            ("first", _) => Some(Self::First),
            ("again", at) => Some(Self::Again(super::custody::instant(at.parse().ok()?))),
            ("compare", _) => Some(Self::Compare),
            ("wrong", left) => Some(Self::Wrong { tries_left: left.parse().ok()? }),
            _ => None,
        }
    }
}

/// A proof as tried.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The unit.
    pub number: i64,
    /// What is proved.
    pub kind: ProofKind,
    /// The digits as typed.
    pub value: &'a str,
    /// The address it comes from.
    pub visitor: &'a str,
    /// What an earlier proof gave, see [`pass`].
    pub pass: Option<&'a str>,
}

/// What whoever proved a unit by its scratch code is given to bring along: a keyed function of the
/// unit and its life, so nothing is stored, and a new owner's life knows none of the one before.
pub fn pass(house: &House, unit: &UnitRecord) -> String {
    BASE64.encode(house.secrets.hash("owner", &format!("{} {}", unit.number, unit.life)))
}

/// The pass of a unit by its number.
///
/// # Errors
/// The store cannot be read.
pub async fn pass_of(house: &House, number: i64) -> Result<Option<String>, FlowError> {
    Ok(house.store.unit_fetch(number).await?.map(|unit| pass(house, &unit)))
}

/// Whether a pass is the unit's: both are hashed first, so that the time tells nothing.
pub fn is_pass(house: &House, unit: &UnitRecord, brought: &str) -> bool {
    Sha256::digest(brought) == Sha256::digest(pass(house, unit))
}

/// Whether somebody brings the pass of the unit of this number.
///
/// # Errors
/// The store cannot be read.
pub async fn is_owner(
    house: &House,
    number: i64,
    brought: Option<&str>,
) -> Result<bool, FlowError> {
    let Some(brought) = brought else { return Ok(false) };
    let unit = house.store.unit_fetch(number).await?;
    Ok(unit.is_some_and(|unit| is_pass(house, &unit, brought)))
}

/// Which proofs a unit offers to whoever has the label of this number before them: the scratch
/// code is printed beside it, or is not, whatever the unit's first label was like.
pub fn offered(reference: &Reference, unit: &UnitRecord, worn: i64) -> (bool, bool) {
    let scratch = reference.batch_of(worn).is_some_and(|b| b.scratch);
    let imei = unit.identifiers.iter().any(|i| i.scheme == "imei");
    (scratch, imei)
}

/// Tries a proof; a try that was recorded under the same key is answered as it was then and counts
/// once.
///
/// # Errors
/// The value is malformed, or the store does not answer.
pub async fn prove_once(
    house: &House,
    attempt: &Attempt<'_>,
    key: Option<&Keyed>,
) -> Result<ProofOutcome, FlowError> {
    judge(house, attempt, key, None).await
}

/// As [`prove_once`] for a telephone and a scratch code together: the try is right only when the
/// code is right and the telephone is that of the unit's owner. A pass does not help, else whoever
/// holds the unit could go through telephones.
///
/// # Errors
/// As [`prove_once`].
pub(super) async fn prove_owner(
    house: &House,
    attempt: &Attempt<'_>,
    is_owner: bool,
    key: Option<&Keyed>,
) -> Result<ProofOutcome, FlowError> {
    judge(house, attempt, key, Some(is_owner)).await
}

async fn judge(
    house: &House,
    attempt: &Attempt<'_>,
    key: Option<&Keyed>,
    is_owner: Option<bool>,
) -> Result<ProofOutcome, FlowError> {
    let Attempt { number, kind, value, .. } = *attempt;
    for _ in 0..RACES_MAX {
        if let Some(key) = key
            && let Some(answer) = key.replay(house).await?
            && let Some(outcome) = ProofOutcome::repeated(&answer.reply)
        {
            return Ok(outcome);
        }
        let reference = house.reference().await?;
        let unit = house.store.unit_fetch(number).await?;
        let Some(unit) = unit else { return Ok(ProofOutcome::NotOffered) };
        let (scratch, imei) = offered(&reference, &unit, unit.number);
        let labels = match kind {
            ProofKind::Scratch => scratch_labels(house, &reference, &unit, scratch).await?,
            ProofKind::Imei4 => Vec::new(),
        };
        let right = match kind {
            ProofKind::Scratch if !labels.is_empty() => {
                let tried = ScratchCode::parse(value).map_err(|e| Refused::invalid("value", e))?;
                let key = house.secrets.scratch_key();
                let of = |label: &i64| key.code(super::find::unit_number(*label)).matches(tried);
                labels.iter().any(of)
            }
            ProofKind::Imei4 if imei => imei_ends(&unit, value)?,
            _ => return Ok(ProofOutcome::NotOffered),
        };
        let right = right && is_owner.unwrap_or(true);
        let passes = || attempt.pass.is_some_and(|brought| is_pass(house, &unit, brought));
        let tries = if is_owner.is_none() && passes() { Tries::Owner } else { Tries::Everybody };
        let visitor = match tries {
            Tries::Owner => house.secrets.hash("visitor", "owner"),
            Tries::Everybody => house.secrets.hash("visitor", attempt.visitor),
        };
        // Read before the tries are counted: whoever counted the same ones loses the race.
        let last = house.store.proof_last(number).await?;
        let now = house.clock.now();
        let left = match room(house, &unit, (&visitor, tries), now).await? {
            Room::Full(until) => return Ok(ProofOutcome::Wait(until)),
            Room::Left(left) => left,
        };
        let wrong = ProofOutcome::Wrong { tries_left: left.saturating_sub(1) };
        let judged = if right { Ok(kind) } else { Err(wrong) };
        let (outcome, mut commit) = settle(house, &unit, judged, &visitor, now).await?;
        follow(&mut commit, last);
        let answer = Answer::new(200, outcome.kept());
        commit.idempotency = key.map(|k| k.keep(number, &answer, now.as_microsecond()));
        match house.store.commit(&commit).await {
            Err(e) if e.is_race() => continue,
            Err(e) => return Err(e.into()),
            Ok(()) => return Ok(outcome),
        }
    }
    Err(FlowError::Busy)
}

fn imei_ends(unit: &UnitRecord, value: &str) -> Result<bool, Refused> {
    let digits: String = value.trim().chars().map(half_width).collect();
    if digits.len() != 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Refused::invalid("value", "must be the last four digits of the IMEI"));
    }
    let full = |i: &store::event::IdentifierRow| {
        (i.scheme == "imei").then(|| domain::identifier::imei15(&i.value)).flatten()
    };
    Ok(unit.identifiers.iter().filter_map(full).any(|imei| imei.ends_with(&digits)))
}

/// Whose wrong tries count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tries {
    /// Everybody's. That an address was right before says nothing: it may be many people's, and
    /// the digits of an IMEI stand on the box.
    Everybody,
    /// Those of the passes of the unit alone.
    Owner,
}

/// How much room there is for wrong tries.
enum Room {
    /// None until then.
    Full(Timestamp),
    /// For so many, at least one.
    Left(usize),
}

/// What a visitor may still get wrong: the least that its own tries, those on the unit and those on
/// the batch leave it.
async fn room(
    house: &House,
    unit: &UnitRecord,
    (visitor, whose): (&[u8], Tries),
    now: Timestamp,
) -> Result<Room, FlowError> {
    let since = (now - WAIT).as_microsecond();
    // Beyond the tries that the unit bears there are only those of its passes.
    let most = i64::try_from(TRIES_PER_UNIT + TRIES_PER_VISITOR).unwrap_or(i64::MAX);
    let wrong = house.store.proof_tries(unit.number, since, most).await?;
    let own: Vec<_> = wrong.iter().filter(|(who, _)| who == visitor).collect();
    let until = |at: i64| super::custody::instant(at) + WAIT;
    let own_left = TRIES_PER_VISITOR.saturating_sub(own.len());
    if let (0, Some((_, first))) = (own_left, own.first()) {
        return Ok(Room::Full(until(*first)));
    }
    if whose == Tries::Owner {
        return Ok(Room::Left(own_left));
    }
    let unit_left = TRIES_PER_UNIT.saturating_sub(wrong.len());
    if let (0, Some((_, first))) = (unit_left, wrong.first()) {
        return Ok(Room::Full(until(*first)));
    }
    let misses = house.store.proof_misses(unit.batch, since).await?;
    let batch_left = usize::try_from(TRIES_PER_BATCH - misses).unwrap_or(0);
    Ok(match own_left.min(unit_left).min(batch_left) {
        0 => Room::Full(now + WAIT),
        left => Room::Left(left),
    })
}

/// Makes a commit of a try: of the kind of proof that was right, or of what is told of a wrong one.
/// A right one is written too, though it counts towards no wait: of all tries decided at once only
/// one is kept, so that a right guess among many wrong ones is no surer to be told than they.
async fn settle(
    house: &House,
    unit: &UnitRecord,
    judged: Result<ProofKind, ProofOutcome>,
    visitor: &[u8],
    now: Timestamp,
) -> Result<(ProofOutcome, Commit), FlowError> {
    let mut commit = Commit {
        sides: vec![Side::ProofTry {
            unit: unit.number,
            id: house.event_id().0,
            batch: unit.batch,
            visitor: visitor.to_vec(),
            tried_at: now.as_microsecond(),
            succeeded: judged.is_ok(),
        }],
        ..Commit::default()
    };
    let kind = match judged {
        Ok(kind) => kind,
        Err(wrong) => return Ok((wrong, commit)),
    };
    // One that lifted all there is to lift stands; what arose since is lifted by the next.
    let lifted = match unit.proof_at {
        Some(at) => !odd_since(house, unit.number, at).await?,
        None => false,
    };
    let outcome = match kind {
        ProofKind::Imei4 => ProofOutcome::Compare,
        ProofKind::Scratch => {
            let earlier = first_proof(house, unit).await?;
            if let Some(first) = earlier.filter(|_| lifted) {
                return Ok((ProofOutcome::Again(first), commit));
            }
            let visitor = Caller {
                brand: BrandId(unit.brand),
                party: PartyId(0),
                scopes: Vec::new(),
                regions: Vec::new(),
                role: None,
                actor: "visitor".to_owned(),
                address: None,
            };
            let body = Body::ProofPassed { proof: "scratch".to_owned() };
            let draft = EventDraft::about(&visitor, unit.number, now, unit.recorded_at, body);
            let mut event = house.event(draft);
            event.party = None;
            commit.events.push(event);
            commit.relies_on.push(Relied::Unit { number: unit.number, revision: unit.revision });
            earlier.map_or(ProofOutcome::First, ProofOutcome::Again)
        }
    };
    Ok((outcome, commit))
}

/// When the scratch code was first shown in the unit's present life. Only a unit that was proved,
/// became suspect, or started over, has anything to look for.
async fn first_proof(house: &House, unit: &UnitRecord) -> Result<Option<Timestamp>, FlowError> {
    if unit.proof_at.is_none() && !unit.suspect && unit.life == 0 {
        return Ok(None);
    }
    let events = house.store.events_fetch(unit.number).await?;
    let opened = events.iter().rposition(|e| matches!(e.body, Body::LifeOpened { .. }));
    let mut life = events.iter().skip(opened.map_or(0, |place| place + 1));
    let proved = life.find(|e| matches!(e.body, Body::ProofPassed { .. }));
    Ok(proved.map(|event| super::custody::instant(event.happened_at)))
}

/// The codes of a unit that have a scratch code beside them: its own, and those of labels that
/// replaced it. Each is a function of the number printed there.
async fn scratch_labels(
    house: &House,
    reference: &Reference,
    unit: &UnitRecord,
    own: bool,
) -> Result<Vec<i64>, FlowError> {
    let further = super::dossier::aliases(&house.store.events_fetch(unit.number).await?);
    let scratch = |label: &i64| reference.batch_of(*label).is_some_and(|b| b.scratch);
    let own = own.then_some(unit.number);
    Ok(own.into_iter().chain(further.into_iter().filter(scratch)).collect())
}

/// Names a try after the one before it. Two that were decided at once bear one name, so that only
/// the first is kept and the other is counted afresh: a limit is not passed by being quick.
fn follow(commit: &mut Commit, last: Option<(Vec<u8>, i64)>) {
    for side in &mut commit.sides {
        if let Side::ProofTry { id, tried_at, .. } = side {
            let (before, at) = last.clone().unwrap_or_default();
            let name = Sha256::new().chain_update(b"proof try").chain_update(before).finalize();
            id.copy_from_slice(&name[..16]);
            // It stays the last one, whatever the clocks of several nodes say.
            *tried_at = (*tried_at).max(at + 1);
        }
    }
}
