//! The check digits of mobile identifiers.

/// The Luhn check digit in an even base (ISO/IEC 7812-1 Annex B for base 10; 3GPP2 S.R0048 uses
/// it in base 16): from the right every other digit is doubled and its digits summed, and the
/// check digit brings the sum to a multiple of the base. Digits and result are 0..base.
pub(super) fn luhn(digits: &[u32], base: u32) -> u32 {
    let factors = [2, 1].into_iter().cycle();
    let products = digits.iter().rev().zip(factors).map(|(digit, factor)| digit * factor);
    let sum: u32 = products.map(|product| product / base + product % base).sum();
    (base - sum % base) % base
}

/// A decimal number of any length modulo 97 (ISO/IEC 7064, MOD 97-10).
pub(super) fn modulo_97(digits: &[u32]) -> u32 {
    digits.iter().fold(0, |rest, digit| (rest * 10 + digit) % 97)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str, base: u32) -> Vec<u32> {
        text.chars().map(|c| c.to_digit(base).unwrap()).collect()
    }

    #[test]
    fn published_vectors() {
        assert_eq!(luhn(&values("26053179311383", 10), 10), 7, "3GPP TS 23.003 Annex B");
        assert_eq!(luhn(&values("49015420323751", 10), 10), 8);
        assert_eq!(luhn(&values("AF0123450ABCDE", 16), 16), 0xC);
        assert_eq!(modulo_97(&values("89049032001008882600012345678915", 10)), 1);
    }
}
