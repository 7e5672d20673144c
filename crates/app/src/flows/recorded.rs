//! What the store knows of the rows of a chunk, asked for all at once before any row is judged: on
//! SQLite in the order of the index, so that each of its pages is met once; on PostgreSQL side by
//! side, so that a chunk costs a few journeys and not several for each row.

use super::find::{CodeFound, code_renewing, scope_of};
use super::house::House;
use super::outcome::FlowError;
use super::reference::Reference;
use crate::files::ProductionDraft;
use domain::code::TraceCode;
use domain::id::BrandId;
use domain::identifier::{Identifier, Scheme};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use store::unit::{Named, UnitRecord};

/// Questions on their way to the store at the same time.
const ASKED_AT_ONCE: usize = 256;

/// What is recorded under the names in a chunk of production rows.
#[derive(Default)]
pub(super) struct Recorded {
    named: HashMap<(Scheme, String), Named>,
    codes: HashMap<TraceCode, CodeFound>,
    units: HashMap<i64, UnitRecord>,
    aliases: BTreeSet<i64>,
}

impl Recorded {
    /// Asks for every identifier and code of the rows, then for the units they name.
    pub async fn of(
        house: &House,
        reference: &mut Arc<Reference>,
        brand: BrandId,
        drafts: &[ProductionDraft],
    ) -> Result<Self, FlowError> {
        let mut recorded = Self::default();
        let mut names = BTreeSet::new();
        for draft in drafts {
            let others = draft.numbers().map(|(_, identifier)| identifier);
            let all = std::iter::once(&draft.sn).chain(others);
            names.extend(all.map(|i| (i.value(), i.scheme())));
            if let Some(raw) = &draft.code {
                let found = code_renewing(house, reference, raw.as_str()).await?;
                recorded.codes.insert(*raw, found);
            }
        }
        let ask = |(value, scheme): (&str, Scheme)| {
            let (key, scope) = ((scheme, value.to_owned()), scope_of(scheme, brand));
            async move {
                let named = house.store.named_fetch(scheme.as_str(), scope, &key.1).await?;
                Ok::<_, FlowError>(named.map(|named| (key, named)))
            }
        };
        let found: Vec<_> =
            stream::iter(names).map(ask).buffered(ASKED_AT_ONCE).try_collect().await?;
        recorded.named = found.into_iter().flatten().collect();
        recorded.units = units(house, recorded.numbers()).await?;
        recorded.aliases = aliases(house, recorded.coded().collect()).await?;
        Ok(recorded)
    }

    fn numbers(&self) -> BTreeSet<i64> {
        let by_sn = self.named.iter().filter(|((scheme, _), _)| *scheme == Scheme::Sn);
        by_sn.map(|(_, named)| named.number()).chain(self.coded()).collect()
    }

    /// The numbers that codes of the chunk name.
    fn coded(&self) -> impl Iterator<Item = i64> {
        self.codes.values().filter_map(|found| match found {
            CodeFound::Issued(number) | CodeFound::Void(number) => Some(*number),
            _ => None,
        })
    }

    /// Whether a number is that of a label which replaced another.
    pub fn is_alias(&self, number: i64) -> bool {
        self.aliases.contains(&number)
    }

    /// What answers, or once answered, to an identifier.
    pub fn named(&self, identifier: &Identifier) -> Option<Named> {
        let key = (identifier.scheme(), identifier.value().to_owned());
        self.named.get(&key).copied()
    }

    /// What a code of the chunk turned out to be.
    pub fn code(&self, raw: &TraceCode) -> CodeFound {
        self.codes.get(raw).copied().unwrap_or(CodeFound::NotACode)
    }

    /// A unit that a serial number or a code of the chunk names, or a serial number once did.
    pub fn unit(&self, number: i64) -> Option<&UnitRecord> {
        self.units.get(&number)
    }
}

async fn aliases(house: &House, numbers: BTreeSet<i64>) -> Result<BTreeSet<i64>, FlowError> {
    let ask = |number: i64| async move {
        let worn = house.store.identifier_fetch("code", 0, &number.to_string()).await?;
        Ok::<_, FlowError>(worn.map(|_| number))
    };
    let found: Vec<_> =
        stream::iter(numbers).map(ask).buffered(ASKED_AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

async fn units(
    house: &House,
    numbers: BTreeSet<i64>,
) -> Result<HashMap<i64, UnitRecord>, FlowError> {
    let ask = |number: i64| house.store.unit_fetch(number);
    let found: Vec<_> =
        stream::iter(numbers).map(ask).buffered(ASKED_AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().map(|unit| (unit.number, unit)).collect())
}
