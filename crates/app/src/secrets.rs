//! Secrets: the master key that seals, the root secret that everything else is derived from, and
//! the code keys. Only sealed forms reach the store; a stolen database alone yields none of them.
//!
//! The root secret and the code keys never change once made; `keys rewrap` changes only the master
//! key that seals them, so no hash or code changes meaning.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use domain::log::checkpoint::LogKey;
use domain::scratch::ScratchKey;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::path::Path;
use zeroize::Zeroizing;

/// Bytes of every symmetric key.
pub const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

/// Why secrets could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// No master key was given where one must be.
    #[error(
        "a master key is needed: give --master-key FILE or DOSSIER_MASTER_KEY (64 hex digits); \
         make one with: head -c 32 /dev/urandom | xxd -p -c 64 > master.key"
    )]
    Missing,
    /// The master key's form is wrong.
    #[error("the master key must be 64 hexadecimal digits")]
    Form,
    /// The master key does not open what is stored.
    #[error("the master key does not open this store's keys; is it the right one?")]
    Wrong,
    /// The key file cannot be read or made.
    #[error("{path}: {cause}")]
    File {
        /// Which file.
        path: String,
        /// The system's words.
        cause: String,
    },
    /// The system gave no randomness.
    #[error("the system gave no randomness")]
    NoRandomness,
}

/// Fills an array with randomness from the system.
pub fn random<const N: usize>() -> Result<[u8; N], SecretsError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| SecretsError::NoRandomness)?;
    Ok(bytes)
}

/// The key that seals the other keys at rest.
pub struct MasterKey(Zeroizing<[u8; KEY_BYTES]>);

impl MasterKey {
    /// From 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Result<Self, SecretsError> {
        let bytes = store::canonical::unhex(text.trim()).ok_or(SecretsError::Form)?;
        let bytes = <[u8; KEY_BYTES]>::try_from(bytes).map_err(|_| SecretsError::Form)?;
        Ok(Self(Zeroizing::new(bytes)))
    }

    /// From a file of 64 hexadecimal digits.
    pub fn from_file(path: &Path) -> Result<Self, SecretsError> {
        let text = std::fs::read_to_string(path).map_err(|e| file_error(path, &e))?;
        Self::from_hex(&Zeroizing::new(text))
    }

    /// From a file, which is made with mode 0600 when it is not there.
    pub fn from_file_or_new(path: &Path) -> Result<Self, SecretsError> {
        if path.exists() {
            return Self::from_file(path);
        }
        let bytes = random::<KEY_BYTES>()?;
        let text = Zeroizing::new(store::canonical::hex(&bytes) + "\n");
        write_private(path, text.as_bytes()).map_err(|e| file_error(path, &e))?;
        // Another process may have made it first: what is in the file counts.
        Self::from_file(path)
    }

    /// Seals a secret under a label that it can only be opened with again.
    pub fn seal(&self, label: &str, secret: &[u8]) -> Result<Vec<u8>, SecretsError> {
        seal(&self.0, label, secret)
    }

    /// Opens what [`MasterKey::seal`] sealed.
    pub fn open(&self, label: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SecretsError> {
        open(&self.0, label, sealed)
    }
}

/// Puts a file that only its owner can read in place, whole or not at all; does nothing when it is
/// already there. Written beside first, so nobody ever reads half a key.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let fresh = path.with_extension(format!("{}.new", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&fresh, path);
    std::fs::remove_file(&fresh)?;
    match linked {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => Err(e),
        _ => Ok(()),
    }
}

fn file_error(path: &Path, cause: &std::io::Error) -> SecretsError {
    SecretsError::File { path: path.display().to_string(), cause: cause.to_string() }
}

fn seal(key: &[u8; KEY_BYTES], label: &str, secret: &[u8]) -> Result<Vec<u8>, SecretsError> {
    let nonce = random::<NONCE_BYTES>()?;
    let cipher = XChaCha20Poly1305::new(&Key::from(*key));
    let payload = Payload { msg: secret, aad: label.as_bytes() };
    let sealed = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| SecretsError::Wrong)?;
    Ok([nonce.as_slice(), &sealed].concat())
}

fn open(
    key: &[u8; KEY_BYTES],
    label: &str,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, SecretsError> {
    let (nonce, rest) = sealed.split_first_chunk().ok_or(SecretsError::Wrong)?;
    let cipher = XChaCha20Poly1305::new(&Key::from(*key));
    let payload = Payload { msg: rest, aad: label.as_bytes() };
    let secret = cipher.decrypt(&XNonce::from(*nonce), payload);
    secret.map(Zeroizing::new).map_err(|_| SecretsError::Wrong)
}

/// One person's own key: everything said of them is sealed under it, and is gone with it.
pub struct PersonKey(Zeroizing<[u8; KEY_BYTES]>);

impl PersonKey {
    /// Seals under a label that it can only be opened with again.
    pub fn seal(&self, label: &str, text: &[u8]) -> Result<Vec<u8>, SecretsError> {
        seal(&self.0, label, text)
    }

    /// Opens what [`PersonKey::seal`] sealed.
    pub fn open(&self, label: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SecretsError> {
        open(&self.0, label, sealed)
    }
}

/// The keys derived from the deployment's root secret.
pub struct Secrets {
    root: Zeroizing<[u8; KEY_BYTES]>,
    persons: Zeroizing<[u8; KEY_BYTES]>,
    observations: Zeroizing<[u8; KEY_BYTES]>,
    fingerprints: Hmac<Sha256>,
}

impl Secrets {
    /// Derives every key from the root secret.
    pub fn new(root: [u8; KEY_BYTES]) -> Self {
        let root = Zeroizing::new(root);
        let fingerprints = derive(&root, "dossier fingerprints v1");
        Self {
            observations: derive(&root, "dossier observations v1"),
            persons: derive(&root, "dossier persons v1"),
            fingerprints: keyed(fingerprints.as_slice()),
            root,
        }
    }

    /// The keyed function behind scratch codes.
    pub fn scratch_key(&self) -> ScratchKey {
        ScratchKey::new(*derive(&self.root, "dossier scratch v1"))
    }

    /// The secret that blinds bulk rows.
    pub fn blind(&self) -> Zeroizing<[u8; KEY_BYTES]> {
        derive(&self.root, "dossier blinds v1")
    }

    /// The key that signs the heads of the log.
    pub fn log_key(&self) -> LogKey {
        LogKey::from_bytes(&derive(&self.root, "dossier log v1"))
    }

    /// Keyed hash of a device fingerprint, visitor address or session: equal inputs of one domain
    /// give equal hashes, and nobody without the key can try inputs.
    pub fn hash(&self, domain: &str, input: &str) -> Vec<u8> {
        let mut mac = self.fingerprints.clone();
        mac.update(domain.as_bytes());
        mac.update(&[0]);
        mac.update(input.as_bytes());
        mac.finalize().into_bytes().to_vec()
    }

    /// Keyed hash of a brand's customer's telephone (E.164). The key has a number, so that it can
    /// be changed; the brand goes in, so that nobody sees that two brands have one customer.
    pub fn phone_hash(&self, key: i64, brand: i64, phone: &str) -> Vec<u8> {
        let mut mac = keyed(derive(&self.root, &format!("dossier phone v{key}")).as_slice());
        mac.update(&brand.to_be_bytes());
        mac.update(phone.as_bytes());
        mac.finalize().into_bytes().to_vec()
    }

    /// A fresh key for a person, and the same sealed for them alone.
    pub fn new_person_key(&self, person: &[u8]) -> Result<(PersonKey, Vec<u8>), SecretsError> {
        let key = Zeroizing::new(random::<KEY_BYTES>()?);
        let sealed = seal(&self.persons, &person_label(person), key.as_slice())?;
        Ok((PersonKey(key), sealed))
    }

    /// A person's key.
    pub fn person_key(&self, person: &[u8], sealed: &[u8]) -> Result<PersonKey, SecretsError> {
        let key = open(&self.persons, &person_label(person), sealed)?;
        let key = <[u8; KEY_BYTES]>::try_from(key.as_slice()).map_err(|_| SecretsError::Form)?;
        Ok(PersonKey(Zeroizing::new(key)))
    }

    /// Seals what a webhook signs with, for that webhook alone.
    pub fn seal_webhook(&self, id: &str, secret: &[u8]) -> Result<Vec<u8>, SecretsError> {
        seal(&self.webhooks(), id, secret)
    }

    /// Opens what [`Secrets::seal_webhook`] sealed.
    pub fn open_webhook(
        &self,
        id: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SecretsError> {
        open(&self.webhooks(), id, sealed)
    }

    fn webhooks(&self) -> Zeroizing<[u8; KEY_BYTES]> {
        derive(&self.root, "dossier webhooks v1")
    }

    /// Encrypts a side row that is erasable.
    pub fn seal(&self, label: &str, text: &[u8]) -> Result<Vec<u8>, SecretsError> {
        seal(&self.observations, label, text)
    }

    /// Decrypts a side row.
    pub fn open(&self, label: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SecretsError> {
        open(&self.observations, label, sealed)
    }
}

fn person_label(person: &[u8]) -> String {
    format!("person key v1 {}", store::canonical::hex(person))
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    match Hmac::new_from_slice(key) {
        Ok(mac) => mac,
        Err(_) => unreachable!("HMAC takes a key of any length"),
    }
}

fn derive(root: &[u8; KEY_BYTES], label: &str) -> Zeroizing<[u8; KEY_BYTES]> {
    let mut mac = keyed(root);
    mac.update(label.as_bytes());
    Zeroizing::new(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_only_with_key_and_label() {
        let key = MasterKey::from_hex(&"ab".repeat(32)).unwrap();
        let other = MasterKey::from_hex(&"ac".repeat(32)).unwrap();
        let sealed = key.seal("a", b"secret").unwrap();
        assert_eq!(*key.open("a", &sealed).unwrap(), b"secret");
        assert!(key.open("b", &sealed).is_err());
        assert!(other.open("a", &sealed).is_err());
        assert!(key.open("a", &sealed[..10]).is_err());
    }

    #[test]
    fn a_persons_key_is_theirs_alone() {
        let secrets = Secrets::new([7; KEY_BYTES]);
        let (key, sealed) = secrets.new_person_key(&[1; 16]).unwrap();
        let text = key.seal("a", b"secret").unwrap();
        let again = secrets.person_key(&[1; 16], &sealed).unwrap();
        assert_eq!(*again.open("a", &text).unwrap(), b"secret");
        assert!(secrets.person_key(&[2; 16], &sealed).is_err(), "it opens for nobody else");
        assert!(Secrets::new([8; KEY_BYTES]).person_key(&[1; 16], &sealed).is_err());
        let (other, _) = secrets.new_person_key(&[1; 16]).unwrap();
        assert!(other.open("a", &text).is_err());
    }

    #[test]
    fn a_telephones_hash_depends_on_key_brand_and_number() {
        let secrets = Secrets::new([7; KEY_BYTES]);
        let hash = |key, brand, phone| secrets.phone_hash(key, brand, phone);
        let one = hash(1, 1, "+8613800138000");
        assert_eq!(one, hash(1, 1, "+8613800138000"));
        for other in [hash(2, 1, "+8613800138000"), hash(1, 2, "+8613800138000")] {
            assert_ne!(one, other);
        }
        assert_ne!(one, hash(1, 1, "+8613800138001"));
    }

    #[test]
    fn a_key_file_is_private_and_kept() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        let first = MasterKey::from_file_or_new(&path).unwrap();
        let second = MasterKey::from_file_or_new(&path).unwrap();
        assert_eq!(first.0, second.0);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn bad_master_keys_are_refused() {
        for bad in ["", "zz", &"a".repeat(63), &"g".repeat(64)] {
            assert!(MasterKey::from_hex(bad).is_err());
        }
    }
}
