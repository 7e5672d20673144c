//! The alphabet of trace codes and the check character over GF(32).
//!
//! Decides what a character is worth and which thirteenth character closes a code. The field is
//! GF(2)\[x\] / (x⁵ + x² + 1) with α = x; a code c₀…c₁₂ is well closed when Σ cᵢ αⁱ = 0. As α has
//! order 31, the thirteen weights differ and none is zero: every single wrong character and
//! every swap of two characters, at any distance, changes the sum. Nothing here is secret.

/// The 32 characters of a trace code, in order of value: no 0, 1, I or O, which people misread.
pub const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// Characters before the check character: the epoch and eleven numerals.
pub(super) const PAYLOAD: usize = 12;

/// `TERM[i][c]` is c·αⁱ⁻¹². Dividing the rule by α¹² leaves it the same rule and gives the check
/// character the weight 1, so that it is simply the sum of the other twelve terms.
const TERM: [[u8; 32]; PAYLOAD] = terms();

/// Stands in [`VALUE`] for bytes outside the alphabet.
const NO_VALUE: u8 = u8::MAX;

/// The value of every byte, upper case only.
const VALUE: [u8; 256] = values();

/// The value of a character, 0..32, or none outside the alphabet. Expects upper case.
pub(super) fn value(character: u8) -> Option<u8> {
    let value = VALUE[usize::from(character)];
    (value != NO_VALUE).then_some(value)
}

/// The character of the five lowest bits of `value`.
pub(super) fn character(value: u64) -> u8 {
    ALPHABET[(value & 31) as usize]
}

/// The term that the five lowest bits of `value` add to the check at place `place`, 0..12.
pub(super) fn term(place: usize, value: u64) -> u8 {
    TERM[place][(value & 31) as usize]
}

const fn terms() -> [[u8; 32]; PAYLOAD] {
    // α has order 31, so the first weight, α⁻¹², is α¹⁹.
    let mut weight = 1;
    let mut power = 0;
    while power < 31 - PAYLOAD {
        weight = times_alpha(weight);
        power += 1;
    }
    let mut table = [[0; 32]; PAYLOAD];
    let mut place = 0;
    while place < PAYLOAD {
        let mut value = 0;
        while value < 32 {
            table[place][value] = product(weight, value as u8);
            value += 1;
        }
        weight = times_alpha(weight);
        place += 1;
    }
    table
}

const fn values() -> [u8; 256] {
    let mut table = [NO_VALUE; 256];
    let mut value = 0;
    while value < ALPHABET.len() {
        table[ALPHABET[value] as usize] = value as u8;
        value += 1;
    }
    table
}

/// a·α: a shift, and x⁵ = x² + 1 when it carries out of five bits.
const fn times_alpha(a: u8) -> u8 {
    let shifted = a << 1;
    if shifted & 0b10_0000 == 0 { shifted } else { shifted ^ 0b10_0101 }
}

/// a·b, by the bits of b.
const fn product(a: u8, b: u8) -> u8 {
    let (mut sum, mut a, mut b) = (0, a, b);
    while b != 0 {
        if b & 1 == 1 {
            sum ^= a;
        }
        a = times_alpha(a);
        b >>= 1;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alpha_has_order_31() {
        let mut power = 1;
        for exponent in 1..31 {
            power = times_alpha(power);
            assert_ne!(power, 1, "α^{exponent} = 1");
        }
        assert_eq!(times_alpha(power), 1);
    }

    #[test]
    fn the_check_is_the_sum_of_the_stated_rule() {
        // Walks Σ cᵢ αⁱ by Horner from c₁₂ down, without the tables.
        let values: [u8; PAYLOAD] = [31, 7, 0, 4, 12, 30, 1, 19, 8, 25, 16, 3];
        let check = (0..PAYLOAD).fold(0, |sum, i| sum ^ term(i, u64::from(values[i])));
        let sum = values.iter().rev().fold(check, |sum, &value| times_alpha(sum) ^ value);
        assert_eq!(sum, 0);
    }

    #[test]
    fn the_alphabet_and_its_values_are_inverse() {
        for value in 0..32u8 {
            assert_eq!(super::value(character(value.into())), Some(value));
        }
        assert!(b"01IOab-\0\xFF".iter().all(|&byte| value(byte).is_none()));
    }
}
