//! The house: everything a flow needs, opened once and shared.

use super::api_keys::KeyUses;
use super::audit::ReadQueue;
use super::caller::Caller;
use super::changes::{self, Author};
use super::log::Sealing;
use super::outcome::FlowError;
use super::reference::{Reference, code_key_label, epoch_starts, key_ring};
use super::scans::ScanQueue;
use super::turns::{ERRANDS_MAX, IMPORTS_MAX, IMPORTS_WAITING_MAX, Turns, WALKS_MAX};
use super::waiting::WaitingRoom;
use super::webhooks::courier::Couriers;
use crate::clock::Clock;
use crate::geo::Geo;
use crate::outbound::{Outbound, Reach};
use crate::rules::Rules;
use crate::secrets::{self, MasterKey, Secrets, SecretsError};
use arc_swap::ArcSwap;
use domain::code::KeyRing;
use domain::id::{EventId, PartyId, SiteId};
use domain::refusal::{Refusal, Refused};
use domain::when::When;
use jiff::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use store::commit::{Commit, Relied};
use store::engine::Target;
use store::event::{Body, Event, Subject};
use store::reference::{CodeKeyRow, ReferenceChange, ReferenceRows};
use store::{Store, StoreError};

/// The row of the code-key table that holds the root secret instead of a code key.
const ROOT_SECRET_EPOCH: u8 = 255;

/// Settings a deployment chooses.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Host name in printed links, without scheme.
    pub host: String,
    /// Chinese legal line for the footer, support telephone.
    pub hotline: String,
    /// Whether brands may sign up by themselves.
    pub sign_up: bool,
    /// Reference rows a brand may hold where they do: every process keeps all of them in memory.
    pub rows_max: usize,
    /// Whether this process brings to webhooks.
    pub webhooks: bool,
    /// Where webhooks may be sent.
    pub reach: Reach,
}

impl Default for Settings {
    fn default() -> Self {
        let host = "localhost".to_owned();
        let (hotline, reach) = (String::new(), Reach::default());
        Self { host, hotline, sign_up: false, rows_max: 20_000, webhooks: true, reach }
    }
}

/// Everything a flow needs.
pub struct House {
    /// What is recorded.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Where addresses are, and the divisions.
    pub geo: Arc<Geo>,
    /// Policies and holidays.
    pub rules: Arc<Rules>,
    /// Derived keys.
    pub secrets: Secrets,
    /// Settings.
    pub settings: Settings,
    /// Looks waiting to be written.
    pub scans: ScanQueue,
    /// When all that was recorded was last seen sealed.
    pub sealing: Sealing,
    /// How many reports wait for their units.
    pub waiting: WaitingRoom,
    /// Sensitive reads waiting to be written.
    pub reads: ReadQueue,
    /// Uses of keys waiting to be written.
    pub key_uses: KeyUses,
    /// Walks over many units under way.
    pub walks: Turns,
    /// Files being taken over the network.
    pub imports: Turns,
    /// Messages to webhooks sent by hand.
    pub errands: Turns,
    /// What posts messages to others.
    pub outbound: Outbound,
    /// What this process delivered to webhooks.
    pub couriers: Couriers,
    ring: ArcSwap<KeyRing>,
    master: MasterKey,
    reference: ArcSwap<Reference>,
    reloading: tokio::sync::Mutex<()>,
    looking: tokio::sync::Mutex<()>,
    last_recorded: AtomicI64,
}

impl House {
    /// Opens the store, makes its secrets on the first start, and loads what is kept in memory.
    ///
    /// # Errors
    /// The store cannot be opened or read, or the master key does not fit.
    pub async fn open(
        target: &Target,
        master: MasterKey,
        clock: Clock,
        geo: Arc<Geo>,
        settings: Settings,
    ) -> Result<Self, FlowError> {
        let store = Store::open(target).await?;
        ensure_secrets(&store, &master, clock.now()).await?;
        let rows = store.reference_load().await?;
        Self::of_rows((store, rows), master, clock, geo, settings)
    }

    /// Opens a store of which some reference rows cannot be read, without them: to look at what is
    /// wrong with it and for nothing else.
    ///
    /// # Errors
    /// As [`House::open`].
    pub async fn open_damaged(
        target: &Target,
        master: MasterKey,
        clock: Clock,
        geo: Arc<Geo>,
        settings: Settings,
    ) -> Result<Self, FlowError> {
        let store = Store::open(target).await?;
        let (rows, _) = store.reference_salvage().await?;
        Self::of_rows((store, rows), master, clock, geo, settings)
    }

    fn of_rows(
        (store, rows): (Store, ReferenceRows),
        master: MasterKey,
        clock: Clock,
        geo: Arc<Geo>,
        settings: Settings,
    ) -> Result<Self, FlowError> {
        let ring = key_ring(&rows, &master)?;
        let root = rows.code_keys.iter().find(|k| k.epoch == ROOT_SECRET_EPOCH);
        let root = root.ok_or(SecretsError::Missing)?;
        let root = master.open(&code_key_label(ROOT_SECRET_EPOCH), &root.sealed)?;
        let root = <[u8; 32]>::try_from(root.as_slice()).map_err(|_| SecretsError::Form)?;
        let secrets = Secrets::new(root);
        let reference = Reference::new(rows, geo.divisions());
        Ok(Self {
            store: store.with_blind(&secrets.blind()),
            clock,
            geo,
            rules: Rules::shared(),
            secrets,
            outbound: Outbound::new(settings.reach.clone()),
            settings,
            couriers: Couriers::default(),
            scans: ScanQueue::default(),
            sealing: Sealing::default(),
            waiting: WaitingRoom::default(),
            reads: ReadQueue::default(),
            key_uses: KeyUses::default(),
            walks: Turns::new(WALKS_MAX),
            imports: Turns::new(IMPORTS_MAX).while_few_wait(IMPORTS_WAITING_MAX),
            errands: Turns::new(ERRANDS_MAX),
            ring: ArcSwap::from_pointee(ring),
            master,
            reference: ArcSwap::from_pointee(reference),
            reloading: tokio::sync::Mutex::default(),
            looking: tokio::sync::Mutex::default(),
            last_recorded: AtomicI64::new(0),
        })
    }

    /// The reference rows, fresh where that is cheap: on SQLite the version is looked at each time,
    /// on PostgreSQL it is polled, and a commit on stale rows conflicts and reloads.
    pub async fn reference(&self) -> Result<Arc<Reference>, FlowError> {
        let current = self.reference.load_full();
        let Some(version) = self.store.reference_version_inline() else { return Ok(current) };
        if version? == current.version { Ok(current) } else { self.reload().await }
    }

    /// Runs `reading` so that all of it sees one instant, where that makes it cheaper. Nothing in
    /// it may wait for a client or for a write.
    pub fn one_snapshot<T>(&self, reading: impl Future<Output = T>) -> impl Future<Output = T> {
        self.store.one_snapshot(reading)
    }

    /// The reference rows as a serving process last polled them, a tenth of a second old at most:
    /// for answers, which promise no more than that. What is decided on is read by
    /// [`House::reference`].
    pub fn reference_polled(&self) -> Arc<Reference> {
        self.reference.load_full()
    }

    /// Reads the version and reloads when it moved: before a code is called never issued, a key
    /// unknown, or rows are judged, since another process may just have recorded what they need.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn reference_now(&self) -> Result<Arc<Reference>, FlowError> {
        let current = self.reference.load_full();
        if self.store.reference_version().await? == current.version {
            return Ok(current);
        }
        self.reload().await
    }

    /// As [`House::reference_now`] where anybody may ask: one after the other, so that strangers
    /// hold one connection at most.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn reference_in_turn(&self) -> Result<Arc<Reference>, FlowError> {
        let _turn = self.looking.lock().await;
        self.reference_now().await
    }

    /// Loads the reference rows afresh, unless somebody just did: one at a time, since reading
    /// them all is dear, and since the code keys must be those of the rows. Who reads in an older
    /// snapshot takes nothing back.
    pub async fn reload(&self) -> Result<Arc<Reference>, FlowError> {
        let _turn = self.reloading.lock().await;
        let current = self.reference.load_full();
        if self.store.reference_version().await? <= current.version {
            return Ok(current);
        }
        let rows = self.store.reference_load().await?;
        let epochs = rows.code_keys.iter().filter(|k| k.epoch < 32).count();
        if epochs != self.ring_epochs() || *self.ring.load().starts() != epoch_starts(&rows) {
            self.ring.store(Arc::new(key_ring(&rows, &self.master)?));
        }
        let reference = Arc::new(Reference::after(&current, rows, self.geo.divisions()));
        self.reference.store(Arc::clone(&reference));
        Ok(reference)
    }

    fn ring_epochs(&self) -> usize {
        let ring = self.ring.load();
        (0..32).filter_map(domain::code::Epoch::new).filter(|e| ring.key(*e).is_some()).count()
    }

    /// The code keys.
    pub fn ring(&self) -> Arc<KeyRing> {
        self.ring.load_full()
    }

    /// The master key, for sealing further keys.
    pub fn master(&self) -> &MasterKey {
        &self.master
    }

    /// An instant to record under: now, later than any this process gave before, and later than
    /// `after`, so that the events of one unit are ordered whatever the clocks of its nodes say.
    pub fn record_time(&self, after: i64) -> i64 {
        let now = self.clock.now().as_microsecond().max(after + 1);
        let last = self.last_recorded.fetch_max(now, Ordering::Relaxed);
        if last < now {
            return now;
        }
        self.last_recorded.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A fresh event identity.
    pub fn event_id(&self) -> EventId {
        event_id_at(self.clock.now())
    }

    /// Refuses what lies too far ahead of the clock.
    pub fn not_ahead(&self, happened_at: Timestamp, field: &'static str) -> Result<(), Refused> {
        let limit = self.clock.now() + domain::activation::CLOCK_LEEWAY;
        if happened_at > limit {
            return Err(Refused::new(Refusal::FutureDated, field));
        }
        Ok(())
    }

    /// A full event about one home.
    pub fn event(&self, draft: EventDraft<'_>) -> Event {
        let EventDraft { caller, home, site, happened_at, offset_minutes, after, body, subjects } =
            draft;
        Event {
            home,
            id: self.event_id(),
            brand: caller.brand,
            party: Some(caller.party),
            site,
            actor: caller.actor.clone(),
            happened_at: happened_at.as_microsecond(),
            offset_minutes,
            recorded_at: self.record_time(after),
            body,
            subjects,
        }
    }
}

/// What goes into an event besides its identity and its record time.
pub struct EventDraft<'a> {
    /// Who says so.
    pub caller: &'a Caller,
    /// Where it is filed.
    pub home: i64,
    /// Where it happened.
    pub site: Option<SiteId>,
    /// When it happened.
    pub happened_at: Timestamp,
    /// The sender's offset from UTC.
    pub offset_minutes: i32,
    /// The record time of the last event of its subjects.
    pub after: i64,
    /// What happened.
    pub body: Body,
    /// Rows.
    pub subjects: Vec<Subject>,
}

impl<'a> EventDraft<'a> {
    /// An event about its home alone, in Beijing time.
    pub fn about(
        caller: &'a Caller,
        home: i64,
        happened_at: Timestamp,
        after: i64,
        body: Body,
    ) -> Self {
        Self {
            caller,
            home,
            site: None,
            happened_at,
            offset_minutes: 480,
            after,
            body,
            subjects: Vec::new(),
        }
    }

    /// The same, in the offset of the clock that it was told by.
    pub fn told(self, when: When) -> Self {
        Self { offset_minutes: when.offset_minutes(), ..self }
    }

    /// The same, said by another party than the caller.
    pub fn by(self, house: &House, party: PartyId) -> Event {
        let caller = Caller { party, ..self.caller.clone() };
        house.event(EventDraft { caller: &caller, ..self })
    }
}

/// A fresh event identity, which begins with the instant.
pub(super) fn event_id_at(now: Timestamp) -> EventId {
    EventId(*fresh_uuid(now).as_bytes())
}

fn fresh_uuid(now: Timestamp) -> uuid::Uuid {
    let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
    let random = secrets::random::<10>().unwrap_or_else(|_| {
        // Without randomness from the system, uniqueness still holds with overwhelming odds.
        let bits = uuid::Uuid::now_v7().into_bytes();
        let mut tail = [0; 10];
        tail.copy_from_slice(&bits[6..]);
        tail
    });
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

/// Makes the first code key and the root secret when the store has none. Two processes may start at
/// once: the version row lets one of them win, and both then read what it wrote.
async fn ensure_secrets(
    store: &Store,
    master: &MasterKey,
    now: Timestamp,
) -> Result<(), FlowError> {
    let rows = store.reference_load().await?;
    if !rows.code_keys.is_empty() {
        return Ok(());
    }
    let row = |epoch: u8| -> Result<ReferenceChange, SecretsError> {
        let secret = zeroize::Zeroizing::new(secrets::random::<32>()?);
        let sealed = master.seal(&code_key_label(epoch), secret.as_slice())?;
        let created_at = now.as_microsecond();
        Ok(ReferenceChange::CodeKey(CodeKeyRow { epoch, sealed, created_at }))
    };
    let mut commit =
        Commit { relies_on: vec![Relied::Reference(rows.version)], ..Commit::default() };
    let made = vec![row(0)?, row(ROOT_SECRET_EPOCH)?];
    changes::add_keys(&Author::system(), made, changes::stamps_from(now), &mut commit);
    match store.commit(&commit).await {
        Err(StoreError::Conflict(_) | StoreError::Duplicate(_)) => Ok(()),
        other => Ok(other?),
    }
}
