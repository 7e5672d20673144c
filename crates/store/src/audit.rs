//! The audit trail in the store. A change of reference data is an event ([`Body::Changed`]) in the
//! very commit that makes it, which [`unrecorded`] sees to at the one write door; its row in
//! `audit_change` is a projection of the event. A sensitive read is a row of `audit_read` and no
//! event: there are many, and nothing is decided on them. Both are only ever added.
//!
//! Where a request came from is in neither: it is a sealed side row with a term.

use crate::case::CaseChange;
use crate::commit::{Commit, OBSERVATION_ADD, Observation};
use crate::engine::{DecodeError, Plan, Row, Step, Value};
use crate::event::{Body, Event};
use crate::people::PeopleChange;
use crate::reference::ReferenceChange;
use crate::{Store, StoreError};
use std::collections::HashSet;

const READ_COLUMNS: &[&str] =
    &["home", "at", "id", "actor", "party_id", "verb", "object_kind", "object", "count", "reason"];

/// `$1` home, `$2` since, `$3` the latest, `$4` of these only those before this identity, `$5`
/// actor, `$6` kind, `$7` now, `$8` how many, `$9` the object, where one is asked for.
macro_rules! changes {
    ($object:literal) => {
        concat!(
            "SELECT e.canonical, s.position, o.sealed FROM audit_change c \
             JOIN event e ON e.home = c.home AND e.id = c.event_id \
             LEFT JOIN sealed s ON s.event_id = c.event_id AND s.home = c.home \
             LEFT JOIN observation o ON o.id = c.observation AND o.home = c.home \
                AND o.expires_at > $7 \
             WHERE c.home = $1 AND c.at >= $2 AND c.at <= $3 AND (c.at < $3 OR c.event_id < $4) \
             AND ($5 = '' OR c.actor = $5) AND ($6 = '' OR c.object_kind = $6)",
            $object,
            " ORDER BY c.at DESC, c.event_id DESC LIMIT $8"
        )
    };
}
macro_rules! reads {
    ($object:literal) => {
        concat!(
            "SELECT c.at, c.id, c.actor, c.party_id, c.verb, c.object_kind, c.object, c.count, \
             o.sealed, c.reason FROM audit_read c \
             LEFT JOIN observation o ON o.id = c.id AND o.home = c.home AND o.expires_at > $7 \
             WHERE c.home = $1 AND c.at >= $2 AND c.at <= $3 AND (c.at < $3 OR c.id < $4) \
             AND ($5 = '' OR c.actor = $5) AND ($6 = '' OR c.object_kind = $6)",
            $object,
            " ORDER BY c.at DESC, c.id DESC LIMIT $8"
        )
    };
}
const CHANGES: &str = changes!("");
const CHANGES_OF: &str = changes!(" AND c.object = $9");
const READS: &str = reads!("");
const READS_OF: &str = reads!(" AND c.object = $9");
const DROPPED: &str = "SELECT CAST(COALESCE(SUM(count), 0) AS BIGINT) FROM audit_read \
    WHERE home = $1 AND verb = $2";

/// The statements of this file, for the test that prepares every one on both engines.
pub(crate) const STATEMENTS: &[&str] = &[CHANGES, CHANGES_OF, READS, READS_OF, DROPPED];

/// The verb of the record that says how many reads left none.
pub const DROPPED_VERB: &str = "dropped";

/// A sensitive read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadRow {
    /// The brand's home of audit records.
    pub home: i64,
    /// When, microseconds.
    pub at: i64,
    /// Row identity; the address it came from is the observation of the same identity.
    pub id: [u8; 16],
    /// Who: an API key, `cli`, `system`.
    pub actor: String,
    /// For which party.
    pub party: Option<i64>,
    /// `read`, or `dropped`.
    pub verb: &'static str,
    /// What kind of thing was read.
    pub object_kind: &'static str,
    /// Which.
    pub object: String,
    /// How many rows were given, where that says something; else 1.
    pub count: i64,
    /// Why, sealed, where a reason is asked for.
    pub reason: Option<Vec<u8>>,
}

/// A change as it stands in the ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeRecord {
    /// The event; its body is [`Body::Changed`].
    pub event: Event,
    /// Which entry of the log it is, once it was sealed.
    pub position: Option<u64>,
    /// The sealed address, while it is kept.
    pub address: Option<Vec<u8>>,
}

/// A read as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadRecord {
    /// When, microseconds.
    pub at: i64,
    /// Row identity.
    pub id: [u8; 16],
    /// Who.
    pub actor: String,
    /// For which party.
    pub party: Option<i64>,
    /// `read`, or `dropped`.
    pub verb: String,
    /// What kind of thing was read.
    pub object_kind: String,
    /// Which.
    pub object: String,
    /// How many.
    pub count: i64,
    /// The sealed address, while it is kept.
    pub address: Option<Vec<u8>>,
    /// Why, sealed, where a reason was asked for.
    pub reason: Option<Vec<u8>>,
}

/// Which records. Instants are microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditAsked {
    /// The home of audit records they are filed under.
    pub home: i64,
    /// From this instant on.
    pub since: i64,
    /// Older than this one: its instant and identity.
    pub before: (i64, [u8; 16]),
    /// By this actor alone.
    pub actor: Option<String>,
    /// About this kind of object alone.
    pub object_kind: Option<String>,
    /// About this object alone.
    pub object: Option<String>,
    /// What has no address any more by then.
    pub now: i64,
    /// How many.
    pub most: i64,
}

/// What an audit record calls the row a change writes: kind of object and code. The rest follows
/// from other rows and events: where a batch hands out, that a serial number looks like a code.
pub fn named(change: &ReferenceChange) -> Option<&'static str> {
    match change {
        ReferenceChange::Brand(_) => Some("brand"),
        ReferenceChange::Party(_) => Some("party"),
        ReferenceChange::Site(..) => Some("site"),
        ReferenceChange::Product(_) => Some("product"),
        ReferenceChange::Territory(_) => Some("territory"),
        ReferenceChange::Batch(_) | ReferenceChange::Void(_) => Some("batch"),
        ReferenceChange::ApiKey(_) => Some("api_key"),
        ReferenceChange::Recall(_) => Some("recall"),
        ReferenceChange::Webhook(_) | ReferenceChange::WebhookRemoved(_) => Some("webhook"),
        ReferenceChange::CodeKey(_) | ReferenceChange::CodeKeyRewrapped(_) => Some("code_key"),
        ReferenceChange::DrawStart(..) | ReferenceChange::CodeLikeSn => None,
    }
}

/// The code of the row in its kind, where the row itself says it.
fn code(change: &ReferenceChange) -> Option<String> {
    match change {
        ReferenceChange::Brand(b) => Some(b.code.clone()),
        ReferenceChange::Party(p) => Some(p.code.clone()),
        ReferenceChange::Site(_, s) => Some(s.code.clone()),
        ReferenceChange::Product(p) => Some(p.gtin.clone()),
        ReferenceChange::Batch(b) => Some(b.id.to_string()),
        ReferenceChange::ApiKey(k) => Some(k.id.clone()),
        ReferenceChange::Recall(r) => Some(r.id.to_string()),
        ReferenceChange::Webhook(w) | ReferenceChange::WebhookRemoved(w) => Some(w.id.clone()),
        ReferenceChange::CodeKey(k) | ReferenceChange::CodeKeyRewrapped(k) => {
            Some(k.epoch.to_string())
        }
        _ => None,
    }
}

/// A change of reference data, of who works here or of a case that no event of the same commit
/// tells of.
pub(crate) fn unrecorded(commit: &Commit) -> Option<String> {
    if commit.reference.is_empty() && commit.people.is_empty() && commit.cases.is_empty() {
        return None;
    }
    let told = commit.events.iter().filter_map(|event| match &event.body {
        Body::Changed { code, object, .. } => Some((object.as_str(), code.as_str())),
        _ => None,
    });
    let told: HashSet<(&str, &str)> = told.collect();
    let is_told = |kind: &str, code: Option<&str>| match code {
        Some(code) => told.contains(&(kind, code)),
        None => told.iter().any(|(of, _)| *of == kind),
    };
    let reference =
        commit.reference.iter().filter_map(|change| Some((named(change)?, code(change))));
    let people = commit.people.iter().filter_map(PeopleChange::recorded_as);
    let cases = commit.cases.iter().map(CaseChange::recorded_as);
    let mut changed = reference.chain(people.chain(cases).map(|(kind, code)| (kind, Some(code))));
    let missing = changed.find(|(kind, code)| !is_told(kind, code.as_deref()));
    missing.map(|(kind, code)| format!("{kind} {}", code.unwrap_or_default()))
}

impl Store {
    /// Adds reads with the addresses they came from, all or none.
    ///
    /// # Errors
    /// The store cannot be written; nothing was added.
    pub async fn reads_add(
        &self,
        reads: &[ReadRow],
        addresses: &[Observation],
    ) -> Result<(), StoreError> {
        let values = reads.iter().flat_map(|r| -> [Value; 10] {
            [
                r.home.into(),
                r.at.into(),
                r.id.into(),
                (&r.actor).into(),
                r.party.into(),
                r.verb.into(),
                r.object_kind.into(),
                (&r.object).into(),
                r.count.into(),
                r.reason.clone().into(),
            ]
        });
        let values = values.collect();
        let mut steps = vec![Step::Bulk { table: "audit_read", columns: READ_COLUMNS, values }];
        steps.extend(addresses.iter().map(|o| {
            let params: [Value; 4] =
                [o.home.into(), o.id.into(), o.sealed.clone().into(), o.expires_at.into()];
            Step::run(OBSERVATION_ADD, params.to_vec())
        }));
        self.engine.write(Plan::new(steps)).await.map_err(StoreError::Write)
    }

    /// Changes, the newest first.
    ///
    /// # Errors
    /// The store cannot be read, or an event makes no sense.
    pub async fn changes_fetch(&self, asked: &AuditAsked) -> Result<Vec<ChangeRecord>, StoreError> {
        let sql = if asked.object.is_some() { CHANGES_OF } else { CHANGES };
        let map = |r: &Row<'_>| {
            let text = r.text(0)?;
            let event = crate::canonical::unseal(&text, &[]);
            Ok(ChangeRecord {
                event: event.map_err(|e| DecodeError::new(0, "an event", e))?,
                position: r.opt_int(1)?.and_then(|p| u64::try_from(p).ok()),
                address: r.opt_bytes(2)?,
            })
        };
        Ok(self.engine.query(sql, &asked.params(), map).await?)
    }

    /// Sensitive reads, the newest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn reads_fetch(&self, asked: &AuditAsked) -> Result<Vec<ReadRecord>, StoreError> {
        let sql = if asked.object.is_some() { READS_OF } else { READS };
        let map = |r: &Row<'_>| {
            let id = <[u8; 16]>::try_from(r.bytes(1)?);
            Ok(ReadRecord {
                at: r.int(0)?,
                id: id.map_err(|_| DecodeError::new(1, "an identity", "other bytes"))?,
                actor: r.text(2)?,
                party: r.opt_int(3)?,
                verb: r.text(4)?,
                object_kind: r.text(5)?,
                object: r.text(6)?,
                count: r.int(7)?,
                address: r.opt_bytes(8)?,
                reason: r.opt_bytes(9)?,
            })
        };
        Ok(self.engine.query(sql, &asked.params(), map).await?)
    }

    /// How many sensitive reads left no record, over all time and every process.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn reads_dropped(&self) -> Result<i64, StoreError> {
        let home = domain::audit::home(domain::id::BrandId(0));
        let params = [home.into(), DROPPED_VERB.into()];
        Ok(self.engine.query_first(DROPPED, &params, |r| r.int(0)).await?.unwrap_or(0))
    }
}

impl AuditAsked {
    fn params(&self) -> Vec<Value> {
        let (at, id) = self.before;
        let mut params: Vec<Value> = vec![
            self.home.into(),
            self.since.into(),
            at.into(),
            id.into(),
            self.actor.clone().unwrap_or_default().into(),
            self.object_kind.clone().unwrap_or_default().into(),
            self.now.into(),
            self.most.into(),
        ];
        params.extend(self.object.clone().map(Value::from));
        params
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::BrandRow;
    use domain::id::{BrandId, EventId};

    fn commit(told: &[(&str, &str)]) -> Commit {
        let row = BrandRow {
            id: 1,
            code: "B".into(),
            name: "Brand".into(),
            time_zone: "Asia/Shanghai".into(),
            vouched: true,
        };
        let event = |(object, code): &(&str, &str)| Event {
            home: -2,
            id: EventId([0; 16]),
            brand: BrandId(1),
            party: None,
            site: None,
            actor: "cli".into(),
            happened_at: 0,
            offset_minutes: 480,
            recorded_at: 0,
            body: Body::Changed {
                code: (*code).into(),
                fields: Vec::new(),
                object: (*object).into(),
                observation: None,
                verb: "created".into(),
            },
            subjects: Vec::new(),
        };
        Commit {
            reference: vec![ReferenceChange::Brand(row), ReferenceChange::CodeLikeSn],
            events: told.iter().map(event).collect(),
            ..Commit::default()
        }
    }

    #[test]
    fn a_change_without_its_record_is_found() {
        assert_eq!(unrecorded(&commit(&[("brand", "B")])), None);
        let missing = Some("brand B".to_owned());
        assert_eq!(unrecorded(&commit(&[])), missing);
        assert_eq!(unrecorded(&commit(&[("brand", "C"), ("party", "B")])), missing);
    }

    #[test]
    fn nobody_becomes_a_member_without_a_record() {
        let ended = PeopleChange::MembershipEnded([0xab; 16], 1);
        let code = "ab".repeat(16);
        let of = |told: &[(&str, &str)]| Commit {
            reference: Vec::new(),
            people: vec![ended.clone(), PeopleChange::SessionsEnded([1; 16])],
            ..commit(told)
        };
        assert_eq!(unrecorded(&of(&[("membership", &code)])), None);
        assert_eq!(unrecorded(&of(&[("account", &code)])), Some(format!("membership {code}")));
    }

    #[test]
    fn no_case_changes_without_a_record() {
        let code = "ab".repeat(8);
        let of = |told: &[(&str, &str)]| Commit {
            reference: Vec::new(),
            cases: vec![CaseChange::Freed([0xab; 8])],
            ..commit(told)
        };
        assert_eq!(unrecorded(&of(&[("case", &code)])), None);
        assert_eq!(unrecorded(&of(&[("recall", &code)])), Some(format!("case {code}")));
    }
}
