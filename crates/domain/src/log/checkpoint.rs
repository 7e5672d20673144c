//! The signed head of the tree (C2SP tlog-checkpoint): who, how many entries, which root. The
//! signature is that of a signed note, Ed25519.

use super::tree::Hash;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// The secret key of a log; wiped from memory when dropped.
pub type LogKey = SigningKey;

/// Longest name of a log.
pub const ORIGIN_CHARS_MAX: usize = 128;
/// Longest checkpoint that is read, in bytes: room for cosignatures of others.
pub const CHECKPOINT_BYTES_MAX: usize = 16 * 1024;
/// The signature type of Ed25519 in a signed note.
const ED25519: u8 = 1;

/// What is wrong with a checkpoint or a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsigned {
    /// The text has not the form of a checkpoint.
    #[error("this is no checkpoint")]
    Form,
    /// It is another log's.
    #[error("this checkpoint is another log's")]
    Origin,
    /// The key did not sign it.
    #[error("no signature of this key")]
    Missing,
    /// The signature is not good.
    #[error("the signature is wrong")]
    Wrong,
    /// The text is no public key of a log.
    #[error("this is no public key of a log: <name>+<8 hex digits>+<base64>")]
    Key,
}

/// The head of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name: the address it is served at, without scheme and final slash.
    pub origin: String,
    /// How many entries.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

impl fmt::Display for Checkpoint {
    /// The text that is signed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(self.root))
    }
}

impl Checkpoint {
    /// The checkpoint with its signature, as it is served.
    pub fn sign(&self, key: &LogKey) -> String {
        let text = self.to_string();
        let public = PublicKey::of(&self.origin, key);
        let mut bytes = public.hash().to_vec();
        bytes.extend_from_slice(&key.sign(text.as_bytes()).to_bytes());
        format!("{text}\n\u{2014} {} {}\n", self.origin, BASE64.encode(bytes))
    }

    /// Reads a checkpoint that this key signed. Signatures of others are passed over.
    ///
    /// # Errors
    /// It is none, or this key did not sign it.
    pub fn open(note: &str, public: &PublicKey) -> Result<Self, Unsigned> {
        if note.len() > CHECKPOINT_BYTES_MAX {
            return Err(Unsigned::Form);
        }
        let (text, signatures) = note.rsplit_once("\n\n").ok_or(Unsigned::Form)?;
        let text = &note[..text.len() + 1];
        if !signatures.ends_with('\n') {
            return Err(Unsigned::Form);
        }
        let mut signed = false;
        for line in signatures.lines() {
            let rest = line.strip_prefix("\u{2014} ").ok_or(Unsigned::Form)?;
            let (name, bytes) = rest.split_once(' ').ok_or(Unsigned::Form)?;
            let bytes = BASE64.decode(bytes).map_err(|_| Unsigned::Form)?;
            let (hash, signature) = bytes.split_at_checked(4).ok_or(Unsigned::Form)?;
            if name != public.origin || hash != public.hash() {
                continue;
            }
            let signature = Signature::from_slice(signature).map_err(|_| Unsigned::Wrong)?;
            let good = public.key.verify_strict(text.as_bytes(), &signature);
            good.map_err(|_| Unsigned::Wrong)?;
            signed = true;
        }
        let checkpoint: Self = text.parse()?;
        match (checkpoint.origin == public.origin, signed) {
            (true, true) => Ok(checkpoint),
            (true, false) => Err(Unsigned::Missing),
            (false, _) => Err(Unsigned::Origin),
        }
    }
}

impl FromStr for Checkpoint {
    type Err = Unsigned;

    /// Reads the signed text; lines of extensions are passed over.
    fn from_str(text: &str) -> Result<Self, Unsigned> {
        let mut lines = text.strip_suffix('\n').ok_or(Unsigned::Form)?.split('\n');
        let mut next = || lines.next().filter(|line| !line.is_empty()).ok_or(Unsigned::Form);
        let (origin, size, root) = (next()?, next()?, next()?);
        let plain = size.bytes().all(|b| b.is_ascii_digit());
        if !plain || (size.starts_with('0') && size != "0") {
            return Err(Unsigned::Form);
        }
        let root = BASE64.decode(root).ok().and_then(|bytes| bytes.try_into().ok());
        Ok(Self {
            origin: origin.to_owned(),
            size: size.parse().map_err(|_| Unsigned::Form)?,
            root: root.ok_or(Unsigned::Form)?,
        })
    }
}

/// The key that opens a log's checkpoints, written `<name>+<8 hex digits>+<base64>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// The log's name.
    pub origin: String,
    /// The key.
    pub key: VerifyingKey,
}

impl PublicKey {
    /// The public half of a log's key, under the log's name.
    pub fn of(origin: &str, key: &LogKey) -> Self {
        Self { origin: origin.to_owned(), key: key.verifying_key() }
    }

    /// The first four bytes of the key's hash under its name.
    pub fn hash(&self) -> [u8; 4] {
        let digest = Sha256::new()
            .chain_update(self.origin.as_bytes())
            .chain_update([b'\n', ED25519])
            .chain_update(self.key.as_bytes())
            .finalize();
        [digest[0], digest[1], digest[2], digest[3]]
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![ED25519];
        bytes.extend_from_slice(self.key.as_bytes());
        let hash = u32::from_be_bytes(self.hash());
        write!(f, "{}+{hash:08x}+{}", self.origin, BASE64.encode(bytes))
    }
}

impl FromStr for PublicKey {
    type Err = Unsigned;

    fn from_str(text: &str) -> Result<Self, Unsigned> {
        let mut parts = text.trim().splitn(3, '+');
        let mut next = || parts.next().ok_or(Unsigned::Key);
        let (origin, hash, bytes) = (next()?, next()?, next()?);
        let bytes = BASE64.decode(bytes).map_err(|_| Unsigned::Key)?;
        let Some((&ED25519, bytes)) = bytes.split_first() else { return Err(Unsigned::Key) };
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| Unsigned::Key)?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| Unsigned::Key)?;
        let named = is_origin(origin);
        let public = Self { origin: origin.to_owned(), key };
        let same = format!("{:08x}", u32::from_be_bytes(public.hash())) == hash;
        if named && same { Ok(public) } else { Err(Unsigned::Key) }
    }
}

/// Whether a text can name a log: no space, no plus, printable.
pub fn is_origin(text: &str) -> bool {
    let fits = |c: char| !c.is_whitespace() && !c.is_control() && c != '+';
    (1..=ORIGIN_CHARS_MAX).contains(&text.chars().count()) && text.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn public(seed: u8) -> PublicKey {
        PublicKey { origin: "example.com/log".into(), key: key(seed).verifying_key() }
    }

    fn checkpoint() -> Checkpoint {
        Checkpoint { origin: "example.com/log".into(), size: 70_000, root: [7; 32] }
    }

    #[test]
    fn a_signed_checkpoint_opens_with_its_key_only() {
        let note = checkpoint().sign(&key(1));
        assert_eq!(Checkpoint::open(&note, &public(1)), Ok(checkpoint()));
        assert_eq!(Checkpoint::open(&note, &public(2)), Err(Unsigned::Missing));
        let other = PublicKey { origin: "example.com/other".into(), ..public(1) };
        assert_eq!(Checkpoint::open(&note, &other), Err(Unsigned::Origin));
        // Others may sign beside.
        let stranger = checkpoint().sign(&key(3));
        let (_, line) = stranger.rsplit_once("\n\n").unwrap();
        assert_eq!(Checkpoint::open(&format!("{note}{line}"), &public(1)), Ok(checkpoint()));
    }

    #[test]
    fn the_text_is_that_of_the_specification() {
        let note = checkpoint().sign(&key(1));
        let lines: Vec<_> = note.lines().collect();
        assert_eq!(lines[..2], ["example.com/log", "70000"]);
        assert_eq!(lines[2], "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
        assert_eq!(lines[3], "");
        assert!(lines[4].starts_with("\u{2014} example.com/log "), "{note}");
        assert_eq!(lines.len(), 5);
    }

    #[test]
    fn any_changed_byte_is_noticed() {
        let note = checkpoint().sign(&key(1));
        for at in 0..note.len() {
            let mut bytes = note.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            assert!(Checkpoint::open(&changed, &public(1)).is_err(), "byte {at}: {changed}");
        }
    }

    #[test]
    fn a_key_reads_back_and_nothing_else_does() {
        let text = public(1).to_string();
        assert_eq!(text.parse(), Ok(public(1)));
        let swapped = text.replacen("example", "exbmple", 1);
        for bad in ["", "a", "a+b+c", "example.com/log+00000000+AQ==", &swapped] {
            assert_eq!(bad.parse::<PublicKey>(), Err(Unsigned::Key), "{bad}");
        }
    }

    #[test]
    fn sizes_have_one_spelling() {
        let root = BASE64.encode([7; 32]);
        for size in ["007", "-1", "+1", "1e3", "", " 1", "18446744073709551616"] {
            let text = format!("example.com/log\n{size}\n{root}\n");
            assert_eq!(text.parse::<Checkpoint>(), Err(Unsigned::Form), "{size}");
        }
        assert!(format!("o\n0\n{root}\nextension\n").parse::<Checkpoint>().is_ok());
    }
}
