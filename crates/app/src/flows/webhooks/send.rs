//! Signing a message and posting it, by the Standard Webhooks specification: the header
//! `webhook-signature` holds `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`, once for
//! each secret that is good.

use super::super::house::House;
use super::super::outcome::FlowError;
use crate::clock::Stopwatch;
use crate::outbound::Failure;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use domain::webhook::target::Target;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;
use store::canonical::{hex, unhex};
use store::webhook::{DeliveryRow, WebhookRow};

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The event, in hexadecimal digits, or another name of the message.
    pub event: String,
    /// Its kind.
    pub kind: String,
    /// Its place in the log; -1 where it is none of the log.
    pub position: i64,
    /// The text.
    pub body: String,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it was begun.
    pub at: Timestamp,
    /// The status of the answer, or why there was none.
    pub result: Result<u16, Failure>,
    /// How long it took.
    pub duration_ms: i64,
}

/// The status by which a receiver says that it wants no more.
const GONE: u16 = 410;

impl Attempt {
    /// Whether it was taken: any status of 200 to 299.
    pub fn is_delivered(&self) -> bool {
        self.result.is_ok_and(|status| (200..300).contains(&status))
    }

    /// Whether the receiver wants no more.
    pub fn is_gone(&self) -> bool {
        self.result == Ok(GONE)
    }

    /// The kind of failure, if it is one.
    pub fn error(&self) -> Option<&'static str> {
        match self.result {
            Err(failure) => Some(failure.as_str()),
            Ok(200..300) => None,
            Ok(300..400) => Some("redirect"),
            Ok(_) => Some("status"),
        }
    }

    /// The row that tells of it.
    pub fn row(&self, webhook: &str, message: &Message, attempt: i64) -> DeliveryRow {
        let outcome = if self.is_delivered() { "delivered" } else { "failed" };
        DeliveryRow {
            webhook: webhook.to_owned(),
            at: self.at.as_microsecond(),
            id: crate::secrets::random().unwrap_or_default(),
            event: message.event.clone(),
            kind: message.kind.clone(),
            position: message.position,
            attempt,
            outcome: outcome.to_owned(),
            status: self.result.ok().map(i64::from),
            error: self.error().map(str::to_owned),
            duration_ms: self.duration_ms,
        }
    }
}

/// Posts a message once.
///
/// # Errors
/// The secret cannot be opened. That nobody takes the message is no error.
pub(super) async fn send(
    house: &House,
    row: &WebhookRow,
    message: &Message,
) -> Result<Attempt, FlowError> {
    let at = house.clock.now();
    let id = format!("{}_{}", row.id, message.event);
    let stamp = at.as_second();
    let mut signatures = vec![sign(house, row, &row.sealed, (&id, stamp, &message.body))?];
    let before = row.previous.as_ref().filter(|p| at.as_microsecond() < p.until);
    if let Some(sealed) = before.and_then(|p| unhex(&p.sealed)) {
        signatures.push(sign(house, row, &sealed, (&id, stamp, &message.body))?);
    }
    let headers = [
        ("webhook-id", id),
        ("webhook-timestamp", stamp.to_string()),
        ("webhook-signature", signatures.join(" ")),
    ];
    let watch = Stopwatch::start();
    let result = match row.url.parse::<Target>() {
        Ok(target) => house.outbound.post(&target, &headers, message.body.clone()).await,
        Err(_) => Err(Failure::Address),
    };
    let duration_ms = i64::try_from(watch.elapsed().as_millis()).unwrap_or(i64::MAX);
    Ok(Attempt { at, result, duration_ms })
}

fn sign(
    house: &House,
    row: &WebhookRow,
    sealed: &[u8],
    (id, stamp, body): (&str, i64, &str),
) -> Result<String, FlowError> {
    let secret = house.secrets.open_webhook(&row.id, sealed)?;
    Ok(signature(&secret, id, stamp, body))
}

/// The signature of a message under one secret.
pub fn signature(secret: &[u8], id: &str, stamp: i64, body: &str) -> String {
    let mut mac = match Hmac::<Sha256>::new_from_slice(secret) {
        Ok(mac) => mac,
        Err(_) => unreachable!("HMAC takes a key of any length"),
    };
    mac.update(format!("{id}.{stamp}.").as_bytes());
    mac.update(body.as_bytes());
    format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()))
}

/// An event's name in messages.
pub(super) fn event_name(id: &[u8; 16]) -> String {
    hex(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_specification() {
        // The example of the Standard Webhooks specification and its libraries.
        let secret = BASE64.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = signature(
            &secret,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn only_what_was_taken_is_delivered() {
        let of = |result| Attempt { at: Timestamp::UNIX_EPOCH, result, duration_ms: 0 };
        let table = [
            (Ok(200), true, None),
            (Ok(204), true, None),
            (Ok(301), false, Some("redirect")),
            (Ok(404), false, Some("status")),
            (Ok(410), false, Some("status")),
            (Ok(199), false, Some("status")),
            (Err(Failure::Address), false, Some("address")),
        ];
        for (result, delivered, error) in table {
            assert_eq!((of(result).is_delivered(), of(result).error()), (delivered, error));
        }
        assert!(of(Ok(410)).is_gone() && !of(Ok(404)).is_gone());
    }
}
