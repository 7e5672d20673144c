//! Hashing passwords: argon2id in the PHC string form, so that a later choice of parameters can be
//! told from this one. Costs some 20 MiB and tens of milliseconds: callers bound how many run.

use crate::secrets::{self, SecretsError};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// 19 MiB, two passes, one lane: the first choice of OWASP's Password Storage Cheat Sheet.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const HASH_BYTES: usize = 32;
const SALT_BYTES: usize = 16;
/// A string that costs more than this was not written here.
const MEMORY_KIB_MAX: u32 = 1 << 20;
const PASSES_MAX: u32 = 16;

/// The hash of no password: what an unknown name is tried against, at the cost of a known one.
pub const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA\
    $AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Hashes a password under a fresh salt.
///
/// # Errors
/// The system gave no randomness or no memory.
pub fn hash(password: &str) -> Result<String, SecretsError> {
    let salt = secrets::random::<SALT_BYTES>()?;
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(HASH_BYTES));
    let params = params.map_err(|_| SecretsError::Wrong)?;
    let hash = derived(params, password, &salt).ok_or(SecretsError::Wrong)?;
    let (salt, hash) = (BASE64.encode(salt), BASE64.encode(hash.as_slice()));
    Ok(format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${salt}${hash}"))
}

/// Whether a password is the one hashed. What is no such string fits none.
pub fn is_hashed(password: &str, phc: &str) -> bool {
    let Some((params, salt, kept)) = read(phc) else { return false };
    let found = derived(params, password, &salt);
    found.is_some_and(|found| bool::from(found.as_slice().ct_eq(&kept)))
}

fn derived(params: Params, password: &str, salt: &[u8]) -> Option<Zeroizing<[u8; HASH_BYTES]>> {
    let mut hash = Zeroizing::new([0; HASH_BYTES]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt, hash.as_mut_slice())
        .ok()?;
    Some(hash)
}

fn read(phc: &str) -> Option<(Params, Vec<u8>, Vec<u8>)> {
    let rest = phc.strip_prefix("$argon2id$v=19$")?;
    let mut parts = rest.split('$');
    let (costs, salt, hash) = (parts.next()?, parts.next()?, parts.next()?);
    let mut costs = costs.split(',');
    let mut cost = |name: &str| costs.next()?.strip_prefix(name)?.parse::<u32>().ok();
    let (memory, passes, lanes) = (cost("m=")?, cost("t=")?, cost("p=")?);
    if memory > MEMORY_KIB_MAX || passes > PASSES_MAX {
        return None;
    }
    let params = Params::new(memory, passes, lanes, Some(HASH_BYTES)).ok()?;
    Some((params, BASE64.decode(salt).ok()?, BASE64.decode(hash).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_its_own_hash_alone() {
        let phc = hash("a few words in a row").unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert!(is_hashed("a few words in a row", &phc));
        assert!(!is_hashed("a few words in a roW", &phc));
        assert_ne!(phc, hash("a few words in a row").unwrap());
    }

    #[test]
    fn nobody_has_a_password_and_reads_like_anybody() {
        assert!(read(NOBODY).is_some());
        assert!(!is_hashed("", NOBODY));
        for broken in ["", "$argon2id$v=19$m=1", "$argon2id$v=19$m=9999999,t=2,p=1$AAAA$AAAA"] {
            assert!(read(broken).is_none(), "{broken}");
        }
    }

    #[test]
    fn the_form_is_that_of_phc_strings() {
        let phc = hash("x").unwrap();
        let parts: Vec<_> = phc.split('$').collect();
        assert_eq!((parts.len(), parts[4].len(), parts[5].len()), (6, 22, 43));
    }
}
