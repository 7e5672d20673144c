//! Finding what a string names: a trace code, a unit's identifier, a pack.

use super::house::House;
use super::outcome::FlowError;
use super::reference::Reference;
use domain::code::{CodeProblem, TraceCode, UnitNumber};
use domain::id::BrandId;
use domain::identifier::{Identifier, Scheme};
use domain::party::Party;
use domain::refusal::{Refusal, Refused};
use domain::text;
use std::sync::Arc;
use store::commit::Commit;
use store::reference::ReferenceChange;
use store::unit::Named;

/// What a trace code turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeFound {
    /// Not in the form of a code.
    NotACode,
    /// In the form of a code, but its check character is wrong or no key of ours made it.
    Forged,
    /// Ours, but outside every issued range.
    Unissued,
    /// Issued.
    Issued(i64),
    /// Issued and voided.
    Void(i64),
}

/// Reads a trace code: three checks before any table is searched. "Outside every range" is said
/// only after the version row was read again.
///
/// # Errors
/// The version row cannot be read.
pub async fn code(house: &House, raw: &str) -> Result<CodeFound, FlowError> {
    code_renewing(house, &mut house.reference().await?, raw).await
}

/// As [`code`], on reference rows already at hand; they are renewed when the version was read
/// again.
///
/// # Errors
/// As [`code`].
pub async fn code_renewing(
    house: &House,
    reference: &mut Arc<Reference>,
    raw: &str,
) -> Result<CodeFound, FlowError> {
    let code = match TraceCode::parse(raw) {
        Ok(code) => code,
        // The shape of a code with a check character that does not fit: nobody printed that.
        Err(CodeProblem::CheckCharacter) => return Ok(CodeFound::Forged),
        Err(_) => return Ok(CodeFound::NotACode),
    };
    let found = issued(house, reference, &code);
    if !matches!(found, CodeFound::Unissued | CodeFound::Forged) {
        return Ok(found);
    }
    *reference = house.reference_now().await?;
    Ok(issued(house, reference, &code))
}

fn issued(house: &House, reference: &Reference, code: &TraceCode) -> CodeFound {
    let Ok(number) = house.ring().decode(code) else { return CodeFound::Forged };
    let number = number.get() as i64;
    match reference.batch_of(number) {
        Some(batch) if batch.product.is_some() => match reference.void_reason(number) {
            Some(_) => CodeFound::Void(number),
            None => CodeFound::Issued(number),
        },
        _ => CodeFound::Unissued,
    }
}

/// Notes with a commit that a serial number has the form of a trace code, when it is the first.
pub fn note_code_like<'a>(
    reference: &Reference,
    mut sns: impl Iterator<Item = &'a str>,
    commit: &mut Commit,
) {
    if !reference.code_like_sn && sns.any(|sn| TraceCode::parse(sn).is_ok()) {
        commit.reference.push(ReferenceChange::CodeLikeSn);
    }
}

/// The scope an identifier is unique in: SNs and part serials within the brand, the rest within the
/// deployment.
pub fn scope_of(scheme: Scheme, brand: BrandId) -> i64 {
    match scheme.is_worldwide() || scheme == Scheme::Code {
        true => 0,
        false => brand.0,
    }
}

/// The unit or pack an identifier names.
///
/// # Errors
/// The store cannot be read.
pub async fn identifier(
    house: &House,
    brand: BrandId,
    identifier: &Identifier,
) -> Result<Option<i64>, FlowError> {
    let scope = scope_of(identifier.scheme(), brand);
    let scheme = identifier.scheme().as_str();
    Ok(house.store.identifier_fetch(scheme, scope, identifier.value()).await?)
}

/// The brand's unit that bore an identifier at an instant, microseconds: an IMEI may have moved to
/// another since. Where none did, or no time was told, the one that bears it now.
///
/// # Errors
/// The store cannot be read.
pub async fn bearer(
    house: &House,
    brand: BrandId,
    named: &Identifier,
    told: Option<i64>,
) -> Result<Option<i64>, FlowError> {
    if let Some(at) = told {
        let scope = scope_of(named.scheme(), brand);
        let scheme = named.scheme().as_str();
        let then = house.store.bearer_fetch(scheme, scope, named.value(), at).await?;
        match then {
            Some(Named::Now(number)) => return Ok(Some(number)),
            Some(Named::Once(number)) => {
                let unit = house.store.unit_fetch(number).await?;
                if unit.is_some_and(|unit| unit.brand == brand.0) {
                    return Ok(Some(number));
                }
            }
            None => {}
        }
    }
    identifier(house, brand, named).await
}

/// The number behind a code: the unit itself, or the unit the code is an alias of.
///
/// # Errors
/// The store cannot be read.
pub async fn unit_of_code(house: &House, number: i64) -> Result<i64, FlowError> {
    if house.store.unit_fetch(number).await?.is_some() {
        return Ok(number);
    }
    let alias = house.store.identifier_fetch("code", 0, &number.to_string()).await?;
    Ok(alias.unwrap_or(number))
}

/// What the subject of a shipment or the child of a pack names: a trace code if it is one of ours,
/// else an SSCC, else an SN of the brand.
///
/// # Errors
/// [`Refusal::UnknownSubject`] when nothing answers; [`Refusal::InvalidField`] when it cannot be
/// any of them.
pub async fn subject(
    house: &House,
    brand: BrandId,
    raw: &str,
    field: &'static str,
) -> Result<i64, FlowError> {
    let unknown = || FlowError::Refused(Refused::new(Refusal::UnknownSubject, field));
    if let CodeFound::Issued(number) | CodeFound::Void(number) = code(house, raw).await? {
        let number = unit_of_code(house, number).await?;
        let unit = house.store.unit_fetch(number).await?.filter(|u| u.brand == brand.0);
        return unit.map(|u| u.number).ok_or_else(unknown);
    }
    let looks_like_sscc = raw.len() == 18 && raw.bytes().all(|b| b.is_ascii_digit());
    let sscc = Identifier::parse(Scheme::Sscc, raw);
    if let Ok(sscc) = &sscc
        && let Some(number) = identifier(house, brand, sscc).await?
    {
        let pack = house.store.pack_fetch(number).await?.filter(|p| p.brand == brand.0);
        // Another brand's pack is none of theirs: the digits may be a serial number here.
        if let Some(pack) = pack {
            return Ok(pack.number);
        }
    }
    match Identifier::parse(Scheme::Sn, raw) {
        Ok(sn) => match identifier(house, brand, &sn).await? {
            Some(number) => Ok(number),
            None if looks_like_sscc && sscc.is_err() => {
                Err(Refused::invalid(field, "SSCC check digit is wrong").into())
            }
            None => Err(unknown()),
        },
        Err(problem) => Err(Refused::invalid(field, problem).into()),
    }
}

/// The party of a brand that a field names by its code.
///
/// # Errors
/// [`Refusal::InvalidField`] where no party can have such a code; [`Refusal::UnknownParty`].
pub(super) fn party<'a>(
    reference: &'a Reference,
    brand: BrandId,
    (field, raw): (&'static str, &str),
) -> Result<&'a Party, Refused> {
    let code = text::code(raw, text::CODE_CHARS_MAX).map_err(|why| Refused::invalid(field, why))?;
    let unknown = || Refused::because(Refusal::UnknownParty, field, &code);
    reference.party(brand, &code).ok_or_else(unknown)
}

/// A unit number as the domain's type.
pub fn unit_number(number: i64) -> UnitNumber {
    // Numbers come from the store, which holds only numbers of issued ranges.
    u64::try_from(number).ok().and_then(UnitNumber::new).unwrap_or(LAST)
}

const LAST: UnitNumber = match UnitNumber::new((1 << 40) - 1) {
    Some(last) => last,
    None => panic!("2^40 - 1 is a unit number"),
};
