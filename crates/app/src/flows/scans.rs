//! Scans: a bounded queue for each audience, gathered per unit, flushed in batches, dropped and
//! counted before they delay anybody. Whoever has a key looks at thousands of units at once: they
//! take no room from consumers, whose looks are written first.

use super::house::House;
use super::outcome::FlowError;
use crate::clock::Stopwatch;
use crate::geo::VisitorPlace;
use detect::location::Network;
use detect::travel::{Sighting, impossible_travel};
use domain::region::{Divisions, RegionCode};
use domain::verdict::scan::{Journey, ScanPolicy, ScanSummary};
use jiff::Timestamp;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use store::scan::{Look, ScanDelta, looks};
use store::unit::ScanRecord;

/// Units whose looks by one audience wait to be written; more are dropped and counted.
pub const WAITING_MAX: usize = 50_000;
/// Looks wait in so many parts, each behind a lock of its own: a flush looks through a part for the
/// next in its round, and behind one lock that kept all answers waiting (`docs/performance.md`).
const PARTS: usize = 64;
/// Units whose numbers lie so near share a part, as what is written together should share pages.
const NEIGHBOURS: i64 = 4_096;
/// Units written in one commit, neighbours if there are any. So few that an answer does not wait
/// long for the processor that writes them.
const FLUSH_MAX: usize = 200;
/// Writing looks may take one part in so many of the time, and folding the log costs about as much
/// again: well below one part in a hundred, so that an answer slower than ninety-nine others is not
/// slow because of it. What does not fit meanwhile waits, and what does not fit into the queue is
/// dropped and counted.
const FLUSH_SHARE: u32 = 300;

/// However long a flush took, perhaps behind others: another process knows only what is written.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Who looks. Counted apart, so a warehouse never spoils the consumer's first scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Audience {
    /// Anyone without a key.
    Consumer,
    /// Distributors, shops, platforms.
    Trade,
    /// The brand, its factories, its service centres.
    Staff,
    /// Regulators.
    Official,
}

impl Audience {
    /// Every audience, in the order in which their looks are written: verdicts rest on those of
    /// consumers.
    const ALL: [Self; 4] = [Self::Consumer, Self::Official, Self::Staff, Self::Trade];

    /// The word in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::Trade => "trade",
            Self::Staff => "staff",
            Self::Official => "official",
        }
    }

    /// The audience a party belongs to.
    pub fn of(kind: domain::party::PartyKind) -> Self {
        use domain::party::PartyKind as Kind;
        match kind {
            Kind::Tier1 | Kind::Tier2 | Kind::Shop | Kind::Platform => Self::Trade,
            Kind::Regulator => Self::Official,
            _ => Self::Staff,
        }
    }
}

/// Where a look came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The city it is counted under.
    pub city: RegionCode,
    /// Whether the network is known to end where its users are: a fixed line. Of most addresses
    /// nobody says, and carriers that have both kinds let mobile users out in other provinces.
    pub is_steady: bool,
}

impl Spot {
    /// A city behind a fixed line.
    pub const fn steady(city: RegionCode) -> Self {
        Self { city, is_steady: true }
    }

    /// The city of a visitor, where one is known.
    pub fn of(place: &VisitorPlace) -> Option<Self> {
        Some(Self { city: place.city()?, is_steady: place.network == Network::Fixed })
    }
}

/// Looks waiting to be written by unit, a part of them. Every answer looks into them twice and a
/// flush once in seconds, so they lie where they are found at once, and a flush puts them in order.
#[derive(Default)]
struct Part(HashMap<i64, ScanDelta>);

impl Part {
    /// Takes the next behind a unit, neighbours first, and says which was the last of them.
    fn take(&mut self, behind: Option<i64>, most: usize, into: &mut Vec<ScanDelta>) -> Option<i64> {
        let mut units: Vec<_> =
            self.0.keys().copied().filter(|unit| Some(*unit) > behind).collect();
        if most < units.len() {
            units.select_nth_unstable(most);
            units.truncate(most);
        }
        units.sort_unstable();
        into.extend(units.iter().filter_map(|unit| self.0.remove(unit)));
        units.last().copied().or(behind)
    }
}

/// Where flushes are in their round over all that waits: whoever waits is reached within one.
#[derive(Default)]
struct Round {
    part: usize,
    /// The last that was taken from it.
    taken: Option<i64>,
}

/// Where the looks of one audience wait.
struct Room {
    parts: [Mutex<Part>; PARTS],
    /// Units in all parts. Threads that note looks at the same time may each see the last free
    /// place.
    count: AtomicUsize,
    round: Mutex<Round>,
    dropped: AtomicU64,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            parts: std::array::from_fn(|_| Mutex::default()),
            count: AtomicUsize::default(),
            round: Mutex::default(),
            dropped: AtomicU64::default(),
        }
    }
}

impl Room {
    /// Where looks at a unit wait.
    fn part(&self, unit: i64) -> &Mutex<Part> {
        &self.parts[(unit / NEIGHBOURS).unsigned_abs() as usize % PARTS]
    }

    /// Takes the next of the round until there are `FLUSH_MAX` of all audiences.
    fn take(&self, taken: &mut Vec<ScanDelta>) {
        let Ok(mut round) = self.round.lock() else { return };
        // The part that this begins in comes once more at the end: what lies before it there.
        for _ in 0..=PARTS {
            if taken.len() == FLUSH_MAX {
                return;
            }
            let Ok(mut part) = self.parts[round.part].lock() else { return };
            let before = taken.len();
            round.taken = part.take(round.taken, FLUSH_MAX - before, taken);
            self.count.fetch_sub(taken.len() - before, Ordering::Relaxed);
            if taken.len() < FLUSH_MAX {
                *round = Round { part: (round.part + 1) % PARTS, taken: None };
            }
        }
    }
}

/// Looks between the answer they were part of and the store.
#[derive(Default)]
pub struct ScanQueue {
    rooms: [Room; Audience::ALL.len()],
    /// The last flush: since its end, and how long it took.
    last: Mutex<Option<(Stopwatch, Duration)>>,
}

impl ScanQueue {
    fn room(&self, audience: Audience) -> &Room {
        &self.rooms[audience as usize]
    }

    /// Notes a look. Never waits for the store and never fails: what does not fit is counted.
    pub fn note(&self, unit: i64, audience: Audience, at: i64, spot: Option<Spot>) {
        let place = spot.map(|spot| spot.city.to_string());
        let room = self.room(audience);
        let Ok(mut part) = room.part(unit).lock() else { return };
        let delta = match part.0.entry(unit) {
            Entry::Occupied(waiting) => waiting.into_mut(),
            Entry::Vacant(_) if room.count.load(Ordering::Relaxed) >= WAITING_MAX => {
                room.dropped.fetch_add(1, Ordering::Relaxed);
                return;
            }
            Entry::Vacant(free) => {
                room.count.fetch_add(1, Ordering::Relaxed);
                free.insert(ScanDelta {
                    unit,
                    audience: audience.as_str(),
                    count: 0,
                    first_at: at,
                    last_at: at,
                    first_place: place.clone(),
                    last_place: None,
                    recent: String::new(),
                })
            }
        };
        delta.count += 1;
        delta.last_at = at;
        if delta.recent.len() < store::scan::RECENT_CHARS_MAX as usize {
            let is_steady = spot.is_some_and(|spot| spot.is_steady);
            let _ = writeln!(delta.recent, "{}", Look { at, city: place.as_deref(), is_steady });
        }
        delta.last_place = place;
    }

    /// Looks dropped since the start, of whatever audience.
    pub fn dropped(&self) -> u64 {
        Audience::ALL.into_iter().map(|audience| self.dropped_of(audience)).sum()
    }

    /// Looks of an audience dropped since the start.
    pub fn dropped_of(&self, audience: Audience) -> u64 {
        self.room(audience).dropped.load(Ordering::Relaxed)
    }

    /// Units whose looks wait to be written; one for each audience that looked at it.
    pub fn waiting_count(&self) -> usize {
        self.rooms.iter().map(|room| room.count.load(Ordering::Relaxed)).sum()
    }

    /// The looks at a unit that are not written yet.
    pub fn pending(&self, unit: i64, audience: Audience) -> Option<ScanDelta> {
        self.of_pending(unit, audience, ScanDelta::clone)
    }

    /// Something of the looks at a unit that are not written yet, without copying them. Others who
    /// look at the same part wait meanwhile.
    pub fn of_pending<T>(
        &self,
        unit: i64,
        audience: Audience,
        read: impl FnOnce(&ScanDelta) -> T,
    ) -> Option<T> {
        self.room(audience).part(unit).lock().ok()?.0.get(&unit).map(read)
    }

    fn has_turn(&self) -> bool {
        let Ok(last) = self.last.lock() else { return true };
        let pause = |took: Duration| (took * (FLUSH_SHARE - 1)).min(PAUSE_MAX);
        last.as_ref().is_none_or(|(since, took)| since.elapsed() >= pause(*took))
    }

    fn take(&self) -> Vec<ScanDelta> {
        let mut taken = Vec::new();
        for audience in Audience::ALL {
            self.room(audience).take(&mut taken);
        }
        taken
    }
}

/// Writes those whose turn it is, unless writing would take more than its share of the time.
///
/// # Errors
/// The store cannot be written; these looks are lost, which harms nobody.
pub async fn flush_in_turn(house: &House) -> Result<(), FlowError> {
    if !house.scans.has_turn() {
        return Ok(());
    }
    let watch = Stopwatch::start();
    let written = flush_some(house).await;
    if let Ok(mut last) = house.scans.last.lock() {
        *last = Some((Stopwatch::start(), watch.elapsed()));
    }
    written.map(|_| ())
}

/// Writes all that waits.
///
/// # Errors
/// The store cannot be written; the looks of one commit are lost, which harms nobody.
pub async fn flush(house: &House) -> Result<usize, FlowError> {
    let mut count = 0;
    loop {
        match flush_some(house).await? {
            0 => return Ok(count),
            some => count += some,
        }
    }
}

async fn flush_some(house: &House) -> Result<usize, FlowError> {
    let some = house.scans.take();
    let count = some.len();
    if count > 0 {
        house.store.scans_add(some).await?;
    }
    Ok(count)
}

/// What is written and what waits, together.
pub fn merged(stored: Option<ScanRecord>, waiting: Option<ScanDelta>) -> Option<ScanRecord> {
    let Some(delta) = waiting else { return stored };
    let Some(mut record) = stored else {
        return Some(ScanRecord {
            count: delta.count,
            first_at: delta.first_at,
            last_at: delta.last_at,
            first_place: delta.first_place,
            last_place: delta.last_place,
            recent: delta.recent,
        });
    };
    record.count += delta.count;
    if delta.last_at > record.last_at {
        record.last_at = delta.last_at;
        record.last_place = delta.last_place;
    }
    record.recent.push_str(&delta.recent);
    Some(record)
}

/// The looks at a code as the scan rule reads them; those after an instant if one is given. Whether
/// journeys join them is found out only where the answer can matter.
pub fn summary(
    (policy, divisions): (&ScanPolicy, &Divisions),
    record: &ScanRecord,
    after: Option<i64>,
) -> ScanSummary {
    const DAY: i64 = 24 * 3_600 * 1_000_000;
    let since = after.map_or(record.last_at - DAY, |at| at.max(record.last_at - DAY));
    let instant = |at| Timestamp::from_microsecond(at).ok();
    let mut summary = ScanSummary {
        consumer_count: u64::try_from(record.count).unwrap_or(0),
        first_at: instant(record.first_at),
        last_at: instant(record.last_at),
        ..ScanSummary::default()
    };
    let (mut cities, mut steady) = (Vec::new(), Vec::new());
    for look in looks(&record.recent).filter(|look| look.at > since) {
        summary.day_count += 1;
        if let Some(city) = look.city {
            add(&mut cities, city);
        }
        if look.is_steady {
            steady.push(look);
        }
    }
    summary.day_city_count = u32::try_from(cities.len()).unwrap_or(u32::MAX);
    let may_matter = policy.apart_city_count_min..policy.day_city_count_min;
    if may_matter.contains(&summary.day_city_count) {
        (summary.apart_city_count, summary.journey) = apart(divisions, &steady);
    }
    summary
}

/// How many cities of steady looks no journey joins to the next, and the fastest of such journeys.
fn apart(divisions: &Divisions, steady: &[Look<'_>]) -> (u32, Option<Journey>) {
    let (mut apart, mut fastest) = (Vec::new(), None);
    for pair in steady.windows(2) {
        let Some(journey) = journey(divisions, &pair[0], &pair[1]) else { continue };
        pair.iter().filter_map(|look| look.city).for_each(|city| add(&mut apart, city));
        if fastest.as_ref().is_none_or(|known| is_faster(&journey, known)) {
            fastest = Some(journey);
        }
    }
    (u32::try_from(apart.len()).unwrap_or(u32::MAX), fastest)
}

fn add<'a>(cities: &mut Vec<&'a str>, city: &'a str) {
    if !cities.contains(&city) {
        cities.push(city);
    }
}

fn is_faster(one: &Journey, other: &Journey) -> bool {
    let cross = |km: u32, minutes: u32| u64::from(km) * u64::from(minutes);
    cross(one.km, other.minutes) > cross(other.km, one.minutes)
}

/// The way between two looks, where nobody can have gone it.
fn journey(divisions: &Divisions, one: &Look<'_>, other: &Look<'_>) -> Option<Journey> {
    if one.city == other.city {
        return None;
    }
    let (from, to) = (sighting(divisions, one)?, sighting(divisions, other)?);
    impossible_travel(&from, &to)?;
    let seconds = from.at.duration_since(to.at).abs().as_secs();
    let minutes = u32::try_from(seconds.unsigned_abs().div_ceil(60).max(1)).ok()?;
    Some(Journey { km: from.point.distance_km(to.point) as u32, minutes })
}

/// Where a look was, as far as its city tells.
fn sighting(divisions: &Divisions, look: &Look<'_>) -> Option<Sighting> {
    let city = RegionCode::parse(look.city?).ok()?;
    Sighting::in_city(divisions, city, Timestamp::from_microsecond(look.at).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(city: &str) -> Option<Spot> {
        Some(Spot::steady(RegionCode::parse(city).unwrap()))
    }

    #[test]
    fn looks_are_gathered_per_audience() {
        let queue = ScanQueue::default();
        queue.note(1, Audience::Consumer, 10, spot("31"));
        queue.note(1, Audience::Consumer, 20, spot("4401"));
        queue.note(1, Audience::Staff, 30, None);
        let consumer = queue.pending(1, Audience::Consumer).unwrap();
        assert_eq!((consumer.count, consumer.first_at, consumer.last_at), (2, 10, 20));
        assert_eq!(queue.take().len(), 2);
        assert!(queue.take().is_empty());
        assert!(queue.pending(1, Audience::Consumer).is_none());
    }

    #[test]
    fn the_last_day_counts_places_once() {
        let geo = crate::geo::Geo::tables_only().unwrap();
        let hour = 3_600_000_000_i64;
        let record = ScanRecord {
            last_at: 30 * hour,
            recent: format!("{} 31\n{} 44\n{} 44=\n{} -\n", hour, 10 * hour, 20 * hour, 30 * hour),
            ..ScanRecord::default()
        };
        let day_of = |record: &ScanRecord, after| {
            let it = summary((&ScanPolicy::SHIPPED, geo.divisions()), record, after);
            (it.day_count, it.day_city_count)
        };
        assert_eq!(day_of(&record, None), (3, 1));
        assert_eq!(day_of(&record, Some(10 * hour)), (2, 1));
        // Of the oldest line there may be only the end.
        for cut in ["\n", "44\n", " 44\n", "4 44\n", "US\n", "=\n"] {
            let record = ScanRecord { recent: format!("{cut}{}", record.recent), ..record.clone() };
            assert_eq!(day_of(&record, None), (3, 1), "{cut:?}");
        }
    }

    #[test]
    fn cities_are_apart_where_no_journey_leads_from_one_to_the_next() {
        let geo = crate::geo::Geo::tables_only().unwrap();
        let minute = 60_000_000_i64;
        let of = |looks: &[(i64, &str)]| {
            let recent = looks.iter().map(|(at, city)| format!("{} {city}\n", at * minute));
            let last_at = looks.iter().map(|(at, _)| at * minute).max().unwrap();
            let record = ScanRecord { last_at, recent: recent.collect(), ..ScanRecord::default() };
            let it = summary((&ScanPolicy::SHIPPED, geo.divisions()), &record, None);
            (it.apart_city_count, it.journey)
        };
        // Kunming, Shanghai, Harbin.
        let (three, journey) = of(&[(1, "5301="), (41, "31="), (81, "2301=")]);
        let journey = journey.unwrap();
        assert_eq!((three, journey.minutes), (3, 40));
        assert!((1_900..2_000).contains(&journey.km), "the fastest is told: {journey:?}");
        // Two cities are a picture sent to a friend, and five are too many anyway. By air; next
        // door; abroad, where no centre is known; through lines of which nobody knows the end.
        for looks in [
            &[(1, "5301="), (41, "31=")][..],
            &[(1, "5301="), (2, "31="), (3, "2301="), (4, "4401="), (5, "6501=")],
            &[(1, "5301="), (301, "31="), (601, "2301=")],
            &[(1, "3205="), (2, "31="), (3, "3206=")],
            &[(1, "US="), (2, "JP="), (3, "DE=")],
            &[(1, "5301"), (41, "31"), (42, "2301")],
            &[(1, "5301="), (41, "31"), (42, "2301")],
            &[(1, "5301="), (41, "-"), (42, "-")],
        ] {
            assert_eq!(of(looks), (0, None), "{looks:?}");
        }
    }

    #[test]
    fn everybody_is_reached_within_one_round() {
        let queue = ScanQueue::default();
        let far = 3 * FLUSH_MAX as i64;
        for unit in (0..far).rev() {
            queue.note(unit, Audience::Consumer, unit, None);
        }
        let first = queue.take();
        assert_eq!((first[0].unit, first.len()), (0, FLUSH_MAX));
        // What comes behind the round waits for the next one; what comes before it is in it.
        queue.note(0, Audience::Consumer, 9_999, None);
        queue.note(far, Audience::Consumer, 9_999, None);
        let rest: Vec<_> = (0..3).flat_map(|_| queue.take()).map(|look| look.unit).collect();
        let expected: Vec<_> = (FLUSH_MAX as i64..=far).chain([0]).collect();
        assert_eq!(rest, expected);
        assert!(queue.take().is_empty());
    }

    #[test]
    fn the_round_goes_through_all_parts_neighbours_together() {
        let queue = ScanQueue::default();
        // Three units of each of as many stretches as there are parts, and one stretch more.
        let stretches = 0..=PARTS as i64;
        let units: Vec<_> =
            stretches.flat_map(|at| (0..3).map(move |n| at * NEIGHBOURS + n)).collect();
        for unit in units.iter().rev() {
            queue.note(*unit, Audience::Consumer, 1, None);
        }
        let taken: Vec<_> = queue.take().iter().map(|look| look.unit).collect();
        // The last stretch shares the part of the first.
        let (first, rest) = units.split_at(3);
        let (middle, last) = rest.split_at(rest.len() - 3);
        assert_eq!(taken, [first, last, middle].concat());
        assert_eq!(queue.waiting_count(), 0);
    }

    #[test]
    fn looks_noted_while_others_are_taken_are_all_taken_once() {
        let (queue, looks, threads) = (ScanQueue::default(), 20_000_i64, 3);
        let note_all = || {
            (0..looks).for_each(|n| queue.note(n * 37 % 9_000, Audience::Consumer, n, None));
        };
        let taken = std::thread::scope(|scope| {
            let noting: Vec<_> = (0..threads).map(|_| scope.spawn(note_all)).collect();
            let mut taken = Vec::new();
            while noting.iter().any(|thread| !thread.is_finished()) {
                taken.extend(queue.take());
            }
            taken
        });
        let rest = std::iter::from_fn(|| Some(queue.take()).filter(|some| !some.is_empty()));
        let taken: Vec<_> = taken.into_iter().chain(rest.flatten()).collect();
        assert_eq!(taken.iter().map(|look| look.count).sum::<i64>(), looks * threads);
        assert_eq!((queue.waiting_count(), queue.dropped()), (0, 0));
    }

    #[test]
    fn a_full_room_drops_and_counts_and_takes_none_from_another() {
        for full in Audience::ALL {
            let queue = ScanQueue::default();
            for unit in 0..WAITING_MAX as i64 + 5 {
                queue.note(unit, full, 1, None);
            }
            for audience in Audience::ALL {
                queue.note(WAITING_MAX as i64 + 9, audience, 2, None);
                assert_eq!(queue.dropped_of(audience), if audience == full { 6 } else { 0 });
            }
            assert_eq!((queue.dropped(), queue.waiting_count()), (6, WAITING_MAX + 3));
        }
    }

    #[test]
    fn consumers_are_written_first() {
        let queue = ScanQueue::default();
        for unit in 0..3 * FLUSH_MAX as i64 {
            queue.note(unit, Audience::Trade, 1, None);
        }
        for (unit, audience) in [(7, Audience::Official), (9, Audience::Consumer)] {
            queue.note(unit, audience, 2, None);
        }
        let first = queue.take();
        let told = first[..3].iter().map(|look| (look.audience, look.unit));
        assert!(told.eq([("consumer", 9), ("official", 7), ("trade", 0)]));
        // The round over the others goes on behind those that were taken with them.
        assert_eq!((first.len(), queue.take()[0].unit), (FLUSH_MAX, FLUSH_MAX as i64 - 2));
    }
}
