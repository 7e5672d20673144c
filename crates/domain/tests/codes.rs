//! Trace codes, identifiers and scratch codes against independent judges: the general FF1 of the
//! `fpe` crate (itself held against NIST's samples), naive walks over every error a person can
//! make, and frozen answers that no version may change.

use aes::Aes256;
use domain::code::{
    ALPHABET, CodeKey, CodeProblem, Epoch, EpochTaken, Forged, KeyRing, PastLastNumber, TraceCode,
    UnitNumber, guess_odds,
};
use domain::identifier::{Identifier, IdentifierProblem, Scheme, guess_kinds, imei15};
use domain::scratch::ScratchKey;
use fpe::ff1::{FF1, FlexibleNumeralString};
use proptest::prelude::*;

const KEY: [u8; 32] = [
    0x2B, 0x7E, 0x15, 0x16, 0x28, 0xAE, 0xD2, 0xA6, 0xAB, 0xF7, 0x15, 0x88, 0x09, 0xCF, 0x4F, 0x3C,
    0xEF, 0x43, 0x59, 0xD8, 0xD5, 0x80, 0xAA, 0x4F, 0x7F, 0x03, 0x6D, 0x6F, 0x04, 0xFC, 0x6A, 0x94,
];

const LAST: u64 = UnitNumber::COUNT - 1;

fn number(number: u64) -> UnitNumber {
    UnitNumber::new(number).unwrap()
}

fn key(epoch: u8) -> CodeKey {
    CodeKey::new(Epoch::new(epoch).unwrap(), KEY)
}

fn value(character: u8) -> u16 {
    ALPHABET.iter().position(|&c| c == character).unwrap() as u16
}

/// Closes twelve numerals by the stated rule, Σ cᵢ αⁱ = 0, by trying all 32 check characters.
fn closed(numerals: &[u16]) -> TraceCode {
    let text: String = numerals.iter().map(|&n| char::from(ALPHABET[usize::from(n)])).collect();
    let mut fitting =
        ALPHABET.iter().filter_map(|&c| TraceCode::parse(&format!("{text}{}", char::from(c))).ok());
    let code = fitting.next().unwrap();
    assert_eq!(fitting.next(), None, "two check characters fit {text}");
    code
}

// --- FF1 -----------------------------------------------------------------------------------

fn oracle(key: &[u8; 32], radix: u32, tweak: &[u8], numerals: &[u16]) -> Vec<u16> {
    let text = FlexibleNumeralString::from(numerals.to_vec());
    FF1::<Aes256>::new(key, radix).unwrap().encrypt(tweak, &text).unwrap().into()
}

/// NIST, "FF1 Samples", numbers 7 to 9: the AES-256 ones.
#[test]
fn the_oracle_gives_the_published_samples() {
    let sample = |radix, tweak: &[u8], plain: &str, cipher: &str| {
        let numerals = |text: &str| -> Vec<u16> {
            text.chars().map(|c| c.to_digit(36).unwrap() as u16).collect()
        };
        assert_eq!(oracle(&KEY, radix, tweak, &numerals(plain)), numerals(cipher));
    };
    sample(10, b"", "0123456789", "6657667009");
    sample(10, b"9876543210", "0123456789", "1001623463");
    sample(36, b"7777pqrs777", "0123456789abcdefghi", "xs8a0azh2avyalyzuwd");
}

proptest! {
    #[test]
    fn a_code_is_what_general_ff1_says(
        secret: [u8; 32],
        epoch in 0..Epoch::COUNT,
        unit in 0..=LAST,
    ) {
        // Eleven numerals, most significant first: [15 zero bits | 40-bit unit number].
        let plain: Vec<u16> = (0..11).rev().map(|i| (unit >> (5 * i) & 31) as u16).collect();
        let mut numerals = vec![u16::from(epoch)];
        numerals.extend(oracle(&secret, 32, b"", &plain));
        let code = CodeKey::new(Epoch::new(epoch).unwrap(), secret).encode(number(unit));
        prop_assert_eq!(code, closed(&numerals));
    }

    #[test]
    fn decoding_undoes_encoding(secret: [u8; 32], epoch in 0..Epoch::COUNT, unit in 0..=LAST) {
        let key = CodeKey::new(Epoch::new(epoch).unwrap(), secret);
        let code = key.encode(number(unit));
        prop_assert_eq!(key.decode(&code), Ok(number(unit)));
        prop_assert_eq!(code.epoch(), key.epoch());
    }

    #[test]
    fn a_run_is_its_codes_one_by_one(first in 0..=LAST, len in 0usize..150) {
        let first = first.min(UnitNumber::COUNT - len as u64 - 1);
        let (key, mut run) = (key(9), vec![TraceCode::BLANK; len]);
        key.encode_run(number(first), &mut run).unwrap();
        for (unit, code) in (first..).zip(run) {
            prop_assert_eq!(code, key.encode(number(unit)));
        }
    }

    #[test]
    fn every_spelling_reads_as_the_same_code(unit in 0..=LAST) {
        let code = key(30).encode(number(unit));
        let lower = code.printed().to_lowercase();
        let spaced = format!(" {}\r\n", code.printed().replace('-', " "));
        for text in [code.as_str(), &code.printed(), &lower, &spaced, &code.to_string()] {
            prop_assert_eq!(TraceCode::parse(text), Ok(code));
        }
    }

    #[test]
    fn no_text_makes_parsing_panic(text in any::<String>()) {
        let _ = TraceCode::parse(&text);
        let _ = guess_kinds(&text);
        let _ = imei15(&text);
        let _ = domain::gs1::Gtin::parse(&text);
        let _ = domain::scratch::ScratchCode::parse(&text);
    }
}

#[test]
fn runs_reach_the_last_number_and_not_beyond() {
    let mut run = [TraceCode::BLANK; 65];
    key(0).encode_run(number(LAST - 64), &mut run).unwrap();
    assert_eq!(run[64], key(0).encode(number(LAST)));
    let before = run;
    assert_eq!(key(0).encode_run(number(LAST - 63), &mut run), Err(PastLastNumber));
    assert_eq!(run, before);
    assert_eq!(key(0).encode_run(number(LAST), &mut []), Ok(()));
}

/// Printed labels outlive versions: these codes may never change.
#[test]
fn frozen_codes() {
    for (epoch, unit, printed) in [
        (0, 0, "2RC5-WH65-YJ5Z-H"),
        (0, 1, "2D44-BYTE-8DUE-2"),
        (1, 1, "3D44-BYTE-8DUE-8"),
        (0, 1_000_000, "2RK2-6UZG-MESE-4"),
        (7, 123_456_789_012, "9KK4-VQQ7-2KKV-B"),
        (31, LAST, "Z243-752R-EG39-S"),
    ] {
        let code = key(epoch).encode(number(unit));
        assert_eq!(code.printed(), printed, "epoch {epoch}, unit {unit}");
        assert_eq!(key(epoch).decode(&code), Ok(number(unit)));
    }
}

#[test]
fn the_ring_reads_every_epoch_and_writes_the_current_one() {
    let epoch = |epoch| Epoch::new(epoch).unwrap();
    let starts = [(number(0), epoch(2)), (number(100), epoch(4))].into_iter().collect();
    let ring = KeyRing::new(key(4)).with_retired(key(2)).unwrap().with_starts(starts);
    let (old, new) = (ring.encode(number(77)), ring.encode(number(100)));
    assert_eq!((old, new), (key(2).encode(number(77)), key(4).encode(number(100))));
    assert_eq!((ring.decode(&old), ring.decode(&new)), (Ok(number(77)), Ok(number(100))));
    assert_eq!(new.epoch(), ring.current().epoch());
    assert_eq!(ring.decode(&key(3).encode(number(77))), Err(Forged));
    assert_eq!(key(2).decode(&new), Err(Forged));
    // Who has a key of old makes no codes of numbers issued since; nor has a number two codes.
    assert_eq!(ring.decode(&key(2).encode(number(100))), Err(Forged));
    assert_eq!(ring.decode(&key(4).encode(number(99))), Err(Forged));
    let taken = Epoch::new(4).unwrap();
    assert_eq!(ring.with_retired(key(4)).unwrap_err(), EpochTaken(taken));
}

#[test]
fn keys_do_not_show() {
    let ring = KeyRing::new(key(4));
    assert_eq!(format!("{:?}", ring.current()), "CodeKey { epoch: Epoch(4), .. }");
}

// --- What a person can get wrong -------------------------------------------------------------

#[test]
fn every_wrong_character_and_every_swap_is_caught() {
    for unit in (0..300).map(|i| i * 3_665_038_759) {
        let code = key((unit % 32) as u8).encode(number(unit));
        let mut text = *code.as_bytes();
        let is_caught = |changed: &[u8; 13]| {
            let parsed = TraceCode::parse(str::from_utf8(changed).unwrap());
            assert_eq!(parsed, Err(CodeProblem::CheckCharacter), "{changed:?} for {code}");
        };
        for place in 0..13 {
            for &wrong in ALPHABET.iter().filter(|&&c| c != code.as_bytes()[place]) {
                text[place] = wrong;
                is_caught(&text);
            }
            text = *code.as_bytes();
            for other in place + 1..13 {
                text.swap(place, other);
                if text != *code.as_bytes() {
                    is_caught(&text);
                }
                text = *code.as_bytes();
            }
        }
    }
}

#[test]
fn code_problems_name_the_place() {
    let problem = |text: &str| TraceCode::parse(text).unwrap_err();
    assert_eq!(problem(""), CodeProblem::Length { found: 0 });
    assert_eq!(problem("X8K2-9M4P-LQ7R"), CodeProblem::Length { found: 12 });
    assert_eq!(problem("X8K2-9M4O-LQ7R-W"), CodeProblem::Alphabet { at: 8, found: 'O' });
    assert_eq!(problem("x8k2 9m4i lq7r w"), CodeProblem::Alphabet { at: 8, found: 'i' });
    assert_eq!(problem("X8K2-9M4P-LQ7R-Ｗ"), CodeProblem::Alphabet { at: 13, found: 'Ｗ' });
    assert_eq!(problem("X8K2-9M4P-LQ7R-W"), CodeProblem::CheckCharacter);
}

/// A well-closed code of the right epoch passes the redundancy with odds 2⁻¹⁵, and then hits one
/// of a million issued numbers with odds 2⁻²⁰: of 50,000 made-up codes 1.5 are expected to
/// decode, and none to a number that was issued.
#[test]
fn made_up_codes_are_forged() {
    let key = key(5);
    let mut decoded = Vec::new();
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    for _ in 0..50_000 {
        // Knuth's MMIX generator; the high bits are good enough to make up codes.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut numerals = [0; 13];
        numerals[0] = 5;
        for (i, numeral) in numerals[1..12].iter_mut().enumerate() {
            *numeral = (state >> (59 - 5 * i) & 31) as u16;
        }
        numerals[12] = check_of(&numerals[..12]);
        let text: String = numerals.map(|n| char::from(ALPHABET[usize::from(n)])).iter().collect();
        decoded.extend(key.decode(&TraceCode::parse(&text).unwrap()));
    }
    assert!(decoded.len() <= 6, "{} of 50,000 decode", decoded.len());
    assert!(decoded.iter().all(|unit| unit.get() >= 1_000_000));
    assert_eq!(guess_odds(1_000_000), 1_000_000.0 / 36_028_797_018_963_968.0);
    assert_eq!((guess_odds(0), guess_odds(1 << 55)), (0.0, 1.0));
}

/// c₁₂ from Σ cᵢ αⁱ = 0 by Horner, dividing by α at every step instead of multiplying.
fn check_of(numerals: &[u16]) -> u16 {
    let halve = |a: u16| if a & 1 == 0 { a >> 1 } else { (a ^ 0b10_0101) >> 1 };
    numerals.iter().fold(0, |sum, &numeral| halve(sum ^ numeral))
}

#[test]
fn the_check_characters_agree() {
    for unit in 0..100 {
        let code = key(11).encode(number(unit));
        let numerals: Vec<u16> = code.as_bytes().iter().map(|&c| value(c)).collect();
        assert_eq!(check_of(&numerals[..12]), numerals[12], "{code}");
    }
}

// --- Identifiers -----------------------------------------------------------------------------

fn problem(scheme: Scheme, text: &str) -> &'static str {
    match Identifier::parse(scheme, text) {
        Ok(found) => panic!("{scheme} {text:?} reads as {found:?}"),
        Err(problem) => problem.code(),
    }
}

#[test]
fn forms_that_name_the_same_thing() {
    use Scheme::*;
    for (scheme, value, forms) in [
        (Sn, "AB-12/3_4.5", &["AB-12/3_4.5", "ab-12/3_4.5", " Ab-12/3_4.5\n"][..]),
        (Sn, "8", &["8"]),
        (Imei, "26053179311383", &["26053179311383", "260531793113837", "2605317931138301"]),
        (Imei, "49015420323751", &["49-015420-323751-8", "49 015420 323751", "4901542032375199"]),
        (Meid, "AF0123450ABCDE", &["AF0123450ABCDE", "af0123450abcdec", "AF 012345 0ABCDE C"]),
        (Eid, "89049032001008882600012345678915", &["8904 9032 0010 0888 2600 0123 4567 8915"]),
        (Mac, "001B638445E6", &["00:1b:63:84:45:e6", "00-1B-63-84-45-E6", "001b.6384.45e6"]),
        (Mac, "001B638445E6", &["001B638445E6"]),
        (Part, "LI-ION.4500", &["Li-ion.4500"]),
        (Sscc, "340123451111111111", &["3 4012345 111111111 1", "340123451111111111"]),
        (Code, "2222222222222", &["2222-2222-2222-2"]),
    ] {
        for form in forms {
            let read = Identifier::parse(scheme, form).unwrap();
            assert_eq!((read.scheme(), read.value()), (scheme, value), "{form}");
            assert_eq!(read.shown(), form.trim());
            assert_eq!(read, Identifier::parse(scheme, value).unwrap());
        }
    }
}

#[test]
fn what_every_scheme_refuses() {
    for scheme in Scheme::ALL {
        for (text, code) in [
            ("", "identifier_empty"),
            (" \t\r\n", "identifier_empty"),
            ("12\u{0}34", "identifier_control_character"),
            ("12\n34", "identifier_control_character"),
            ("１２３４", "identifier_full_width"),
            ("ABC１23", "identifier_full_width"),
            ("=HYPERLINK(\"http://x\")", "identifier_formula"),
            ("+1", "identifier_formula"),
            ("-1", "identifier_formula"),
            ("@SUM(A1)", "identifier_formula"),
            (&"9".repeat(65), "identifier_too_long"),
            (&"9".repeat(1 << 20), "identifier_too_long"),
        ] {
            assert_eq!(problem(scheme, text), code, "{scheme} {:?}", &text[..text.len().min(20)]);
        }
    }
}

#[test]
fn what_single_schemes_refuse() {
    use Scheme::*;
    for (scheme, text, code) in [
        (Sn, "123456789012345678901234567890123", "identifier_too_long"),
        (Sn, "AB 12", "identifier_character"),
        (Sn, "AB\u{202e}12", "identifier_character"),
        (Sn, "序列号1", "identifier_character"),
        (Sn, ".12", "identifier_first_character"),
        (Imei, "260531793113838", "identifier_check_digit"),
        (Imei, "2605317931138", "identifier_length"),
        (Imei, "26053179311383012", "identifier_length"),
        (Imei, "2605317931138A", "identifier_character"),
        (Imei, "00440015202000", "imei_test"),
        (Imei, "00000000000000", "identifier_repeated_digit"),
        (Imei, "11111111111111", "identifier_repeated_digit"),
        (Meid, "AF0123450ABCDED", "identifier_check_digit"),
        (Meid, "9F0123450ABCDE", "meid_region"),
        (Meid, "AAAAAAAAAAAAAA", "identifier_repeated_digit"),
        (Meid, "AF0123450ABCD", "identifier_length"),
        (Eid, "89049032001008882600012345678916", "identifier_check_digit"),
        (Eid, "8904903200100888260001234567891", "identifier_length"),
        (Mac, "01:1b:63:84:45:e6", "mac_multicast"),
        (Mac, "ff:ff:ff:ff:ff:ff", "identifier_repeated_digit"),
        (Mac, "02:1b:63:84:45:e6", "mac_local"),
        (Mac, "00:1b:63:84:45", "mac_groups"),
        (Mac, "00:1b-63:84-45:e6", "mac_groups"),
        (Mac, "0:01b:63:84:45:e6", "mac_groups"),
        (Mac, "0:1b.6:38.4:45.e:64", "mac_groups"),
        (Mac, "00:1b:63:84:45:g6", "identifier_character"),
        (Sscc, "340123451111111112", "gs1_check_digit"),
        (Sscc, "34012345111111111", "sscc_length"),
        (Code, "2222-2222-2222", "code_length"),
        (Code, "2222-2222-2222-3", "code_check_character"),
        (Code, "2222-2222-2222-O", "code_alphabet"),
    ] {
        assert_eq!(problem(scheme, text), code, "{scheme} {text}");
    }
}

#[test]
fn problems_say_what_is_allowed() {
    let sentence = |scheme, text| Identifier::parse(scheme, text).unwrap_err().to_string();
    assert_eq!(
        sentence(Scheme::Sn, "AB*"),
        "a serial number has only A-Z, a-z, 0-9 and . / _ -, not '*' (character 3)"
    );
    assert_eq!(sentence(Scheme::Imei, "1"), "an IMEI has 14, 15 or 16 digits, this has 1");
    assert_eq!(
        Identifier::parse(Scheme::Imei, "1"),
        Err(IdentifierProblem::Length { scheme: Scheme::Imei, allowed: "14, 15 or 16", found: 1 })
    );
}

#[test]
fn schemes_are_named() {
    for scheme in Scheme::ALL {
        // A pack is no unit: nobody asks for one by a scheme.
        let wanted = Some(scheme).filter(|scheme| *scheme != Scheme::Sscc);
        assert_eq!(scheme.as_str().parse().ok(), wanted);
        assert_eq!(Scheme::OF_UNIT.contains(&scheme), wanted.is_some());
    }
    let told = "IMEI".parse::<Scheme>().unwrap_err().to_string();
    assert!(Scheme::OF_UNIT.iter().all(|scheme| told.contains(scheme.as_str())), "{told}");
    assert!(!told.contains("sscc"), "{told}");
}

#[test]
fn bare_texts_have_readings() {
    let kinds = |text: &str| -> Vec<_> { guess_kinds(text).iter().map(|i| i.scheme()).collect() };
    use Scheme::*;
    assert_eq!(kinds("260531793113837"), [Imei, Sn, Part]);
    assert_eq!(kinds("AF0123450ABCDE"), [Meid, Sn, Part]);
    assert_eq!(kinds("00:1b:63:84:45:e6"), [Mac]);
    assert_eq!(kinds("2222-2222-2222-2"), [Code, Sn, Part]);
    assert_eq!(kinds("89049032001008882600012345678915"), [Eid, Sn, Part]);
    assert_eq!(kinds("340123451111111111"), [Sscc, Sn, Part]);
    assert_eq!(kinds("R58M123ABCD"), [Sn, Part]);
    assert_eq!(kinds("=1+1"), []);
    assert_eq!(guess_kinds("490154203237518")[0].value(), "49015420323751");
}

/// Whether changing any one of these digits to any other of the base is refused.
fn every_digit_error_is_refused(scheme: Scheme, whole: &str, base: u32) -> bool {
    (0..whole.len()).all(|place| {
        let given = whole[place..=place].chars().next().and_then(|c| c.to_digit(base));
        (0..base).filter(|&digit| Some(digit) != given).all(|digit| {
            let mut wrong = whole.to_owned();
            let digit = char::from_digit(digit, base).unwrap().to_string();
            wrong.replace_range(place..=place, &digit);
            Identifier::parse(scheme, &wrong).is_err()
        })
    })
}

proptest! {
    #[test]
    fn an_imei_survives_no_wrong_digit(device in "[1-9][0-9]{13}") {
        let whole = imei15(&device).unwrap();
        if let Ok(read) = Identifier::parse(Scheme::Imei, &whole) {
            prop_assert_eq!(read.value(), device);
            prop_assert!(every_digit_error_is_refused(Scheme::Imei, &whole, 10));
        }
    }

    #[test]
    fn a_meid_survives_no_wrong_digit(device in "[A-F][0-9A-F]{13}") {
        let fits = |check: &char| {
            Identifier::parse(Scheme::Meid, &format!("{device}{check}")).is_ok()
        };
        let checks: Vec<char> = "0123456789ABCDEF".chars().filter(fits).collect();
        prop_assert_eq!(checks.len(), 1);
        let whole = format!("{device}{}", checks[0]);
        prop_assert!(every_digit_error_is_refused(Scheme::Meid, &whole, 16));
    }

    #[test]
    fn an_eid_survives_no_wrong_digit(body in "[0-9]{30}") {
        // Check = 98 − (body with 00) mod 97.
        let rest = body.bytes().chain(*b"00").fold(0, |r, d| (r * 10 + u32::from(d - b'0')) % 97);
        let whole = format!("{body}{:02}", 98 - rest);
        prop_assert!(Identifier::parse(Scheme::Eid, &whole).is_ok());
        prop_assert!(every_digit_error_is_refused(Scheme::Eid, &whole, 10));
    }

    #[test]
    fn an_sscc_survives_no_wrong_digit(extension in 0u8..10, serial in 1u64..1_000_000_000) {
        let sscc = domain::gs1::Sscc::build(extension, "6901234", serial).unwrap();
        prop_assert!(every_digit_error_is_refused(Scheme::Sscc, sscc.as_str(), 10));
    }

    #[test]
    fn a_serial_number_is_kept_as_given(text in "[A-Za-z0-9][A-Za-z0-9./_-]{0,31}") {
        let read = Identifier::parse(Scheme::Sn, &text).unwrap();
        prop_assert_eq!(read.shown(), &text);
        prop_assert_eq!(read.value(), text.to_ascii_uppercase());
        prop_assert_eq!(Identifier::parse(Scheme::Sn, read.value()), Ok(read.clone()));
    }

    #[test]
    fn a_value_reads_as_itself(text in any::<String>(), digits in "[0-9A-F]{12,16}") {
        for read in guess_kinds(&text).into_iter().chain(guess_kinds(&digits)) {
            prop_assert_eq!(Identifier::parse(read.scheme(), read.value()), Ok(read.clone()));
        }
    }
}

#[test]
fn imei15_wants_fourteen_digits() {
    assert_eq!(imei15("26053179311383").unwrap(), "260531793113837");
    assert_eq!(imei15("49015420323751").unwrap(), "490154203237518");
    assert_eq!((imei15("2605317931138"), imei15("2605317931138x")), (None, None));
}

// --- Scratch codes ---------------------------------------------------------------------------

/// Printed under a coating: these may never change either.
#[test]
fn frozen_scratch_codes() {
    let key = ScratchKey::new(KEY);
    let codes = [0, 1, 1_000_000, LAST].map(|unit| key.code(number(unit)).to_string());
    assert_eq!(codes, ["090303", "826146", "012510", "404589"]);
}
