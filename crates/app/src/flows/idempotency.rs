//! Idempotency: the same command under the same key is answered with the same reply; another
//! command under that key is refused. Only recorded commands are kept: what was not found, lost a
//! race or met a closed store is decided afresh when it comes again.

use super::house::House;
use super::outcome::FlowError;
use crate::rules::kept;
use domain::refusal::{Refusal, Refused};
use domain::retention::Kept;
use sha2::{Digest, Sha256};
use store::commit::Idempotency;

/// Longest key a client may send, in characters.
pub const KEY_CHARS_MAX: usize = 255;

/// A client's key with what it was sent for.
#[derive(Clone, Debug)]
pub struct Keyed {
    scope: [u8; 32],
    content: [u8; 32],
    /// What the content of an answer kept before may be instead.
    before: Option<[u8; 32]>,
}

/// The answer of a command, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Reply body.
    pub reply: String,
    /// The very same command came before, and this is what it was told.
    pub replayed: bool,
}

impl Answer {
    /// The answer of a command that was carried out just now.
    pub fn new(status: u16, reply: String) -> Self {
        Self { status, reply, replayed: false }
    }
}

impl Keyed {
    /// `owner` is the API key's public half, or identifier and fingerprint where there is none;
    /// `canonical` is the body by RFC 8785.
    ///
    /// # Errors
    /// The key is empty, too long or holds more than visible ASCII.
    pub fn new(owner: &str, route: &str, key: &str, canonical: &str) -> Result<Self, Refused> {
        let visible = key.bytes().all(|b| b.is_ascii_graphic());
        if key.is_empty() || key.len() > KEY_CHARS_MAX || !visible {
            let reason = format!("must be 1 to {KEY_CHARS_MAX} visible ASCII characters");
            return Err(Refused::invalid("Idempotency-Key", reason));
        }
        let mut scope = Sha256::new();
        for part in [owner, route, key] {
            scope.update((part.len() as u64).to_be_bytes());
            scope.update(part.as_bytes());
        }
        let content = Sha256::digest(canonical.as_bytes()).into();
        Ok(Self { scope: scope.finalize().into(), content, before: None })
    }

    /// The same for a body with personal data: an address or a telephone could be found again from
    /// its plain hash by trying all of them, so it is hashed under a key. Answers kept under the
    /// plain hash are repeated until their term is over.
    #[must_use]
    pub fn personal(self, house: &House) -> Self {
        let before = Some(self.content);
        let keyed = house.secrets.hash("answered body", &store::canonical::hex(&self.content));
        let mut content = [0; 32];
        content.copy_from_slice(&keyed[..32]);
        Self { content, before, ..self }
    }

    /// The answer given before, when the same command came under the same key within its term.
    ///
    /// # Errors
    /// [`Refusal::IdempotencyMismatch`] when another did.
    pub async fn replay(&self, house: &House) -> Result<Option<Answer>, FlowError> {
        let now = house.clock.now().as_microsecond();
        let found = house.store.replay_fetch(&self.scope, now).await?;
        let Some(found) = found else { return Ok(None) };
        let plain = self.before.is_some_and(|before| found.content == before);
        if found.content != self.content && !plain {
            return Err(Refused::new(Refusal::IdempotencyMismatch, "Idempotency-Key").into());
        }
        let status = u16::try_from(found.status).unwrap_or(200);
        Ok(Some(Answer { replayed: true, ..Answer::new(status, found.reply) }))
    }

    /// Where the answer of a command is filed that is about no unit alone, or whose key says
    /// nothing of its unit: by its scope, so that two under one key, whatever units they name, meet
    /// in one row.
    pub fn home(&self) -> i64 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.scope[..8]);
        i64::from_be_bytes(first) & i64::MAX
    }

    /// The row that repeats this answer.
    pub fn keep(&self, home: i64, answer: &Answer, now_micros: i64) -> Idempotency {
        Idempotency {
            home,
            scope: self.scope,
            content: self.content,
            status: answer.status.into(),
            reply: answer.reply.clone(),
            decided_at: now_micros,
            expires_at: now_micros + kept(Kept::Answer).as_micros() as i64,
        }
    }
}
