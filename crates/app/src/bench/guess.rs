//! Guessing: whether the time of an answer tells a made-up code that no key of ours made from one
//! that stands for a number not issued yet. Whoever could tell them apart would learn which codes
//! are going to be printed.

use super::{BenchError, Measured, brand, median, scratch};
use crate::clock::Stopwatch;
use crate::flows::House;
use crate::flows::find::unit_number;
use crate::flows::verify::{self, Depth, Reading};
use domain::code::TraceCode;
use domain::verdict::Verdict;
use std::path::Path;

const ROUNDS: usize = 11;
/// Codes asked about in each round.
const GUESSES: usize = 5_000;
/// Numbers from here on are never issued here.
const FAR: i64 = 1 << 39;
const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// Answers both kinds of guesses, in turn.
pub async fn measure(dir: &Path) -> Result<Measured, BenchError> {
    let dir = scratch(dir, "guess")?;
    let (house, _) = brand::open(&dir).await?;
    let forged: Vec<_> = (0..GUESSES as u64).filter_map(|n| made_up(&house, n)).collect();
    let numbers = (0..GUESSES as i64).map(|n| unit_number(FAR + 7_919 * n));
    let unissued: Vec<_> = numbers.map(|n| house.ring().encode(n).as_str().to_owned()).collect();
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        first.push(answer(&house, &forged, Verdict::Forged).await?);
        second.push(answer(&house, &unissued, Verdict::Forged).await?);
    }
    house.store.close().await;
    let (forged, unissued) = (median(first), median(second));
    Ok(Measured {
        path: "guess: a made-up code against one not issued yet",
        ours: format!("{forged:.1} µs"),
        baseline: format!("{unissued:.1} µs"),
        ratio: forged / unissued,
        wanted: "about 1",
    })
}

/// A text whose check character fits and that no key of ours made.
fn made_up(house: &House, seed: u64) -> Option<String> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut body = String::from("2");
    for _ in 0..11 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(seed | 1);
        body.push(char::from(ALPHABET[(state >> 59) as usize]));
    }
    let codes = ALPHABET.iter().map(|last| format!("{body}{}", char::from(*last)));
    let code = codes.filter_map(|text| TraceCode::parse(&text).ok()).next()?;
    house.ring().decode(&code).is_err().then(|| code.as_str().to_owned())
}

/// Microseconds for each answer.
async fn answer(house: &House, codes: &[String], wanted: Verdict) -> Result<f64, BenchError> {
    let mut reference = house.reference().await?;
    // As in a deployment of one brand, where nobody need say whose serial number a text could be.
    let brand = reference.sole_brand();
    let watch = Stopwatch::start();
    for code in codes {
        let reading = verify::read(house, &mut reference, brand, code, None).await?;
        let asked = match reading {
            Reading::Nothing(reading) => (reading, None),
            Reading::Number(number, reading) => (reading, Some(number)),
            Reading::Ambiguous(..) => return Err(BenchError::Machine(format!("{code} is two"))),
        };
        let verified = verify::verify(house, &reference, asked, Depth::Public).await?;
        let got = verified.decision.verdict;
        if got != wanted {
            return Err(BenchError::Machine(format!("{code} is {}", got.as_str())));
        }
    }
    Ok(watch.elapsed().as_secs_f64() * 1e6 / codes.len() as f64)
}
