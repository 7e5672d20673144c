//! What a row calls the thing it moves: a serial number, a trace code or an SSCC, in one column.

use domain::code::TraceCode;
use domain::gs1::{Gs1Problem, Sscc};
use domain::identifier::{Identifier, Scheme};

/// One way to read a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A unit, by its trace code; the check character holds.
    Code(TraceCode),
    /// A pack.
    Sscc(Sscc),
    /// A unit, by the brand's serial number.
    Sn(Identifier),
}

/// A subject as given, with every reading of it, the most particular first. A serial number may
/// happen to be a well-formed code or SSCC, so which reading holds only the store can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectRef {
    /// The text, without surrounding space.
    pub raw: String,
    /// Never empty: trace code, then SSCC, then serial number.
    pub readings: Vec<Subject>,
}

impl SubjectRef {
    /// Reads a subject.
    ///
    /// Eighteen digits of a prefix of GS1 China (690–699 behind the extension digit) are taken for
    /// an SSCC even when their check digit fails: then one was mistyped, and calling it an unknown
    /// serial number would send people looking in the wrong place.
    ///
    /// # Errors
    /// A sentence: why it is none of the three.
    pub fn parse(text: &str) -> Result<Self, String> {
        let raw = text.trim();
        let mut readings = Vec::new();
        if let Ok(code) = TraceCode::parse(raw) {
            readings.push(Subject::Code(code));
        }
        match Sscc::parse(raw) {
            Ok(sscc) => readings.push(Subject::Sscc(sscc)),
            Err(problem @ Gs1Problem::CheckDigit { .. }) if looks_like_sscc(raw) => {
                return Err(format!("SSCC check digit: {problem}"));
            }
            Err(_) => {}
        }
        match Identifier::parse(Scheme::Sn, raw) {
            Ok(sn) => readings.push(Subject::Sn(sn)),
            Err(problem) if readings.is_empty() => return Err(problem.to_string()),
            Err(_) => {}
        }
        Ok(Self { raw: raw.to_owned(), readings })
    }
}

fn looks_like_sscc(text: &str) -> bool {
    text.chars().filter(char::is_ascii_digit).skip(1).take(2).eq(['6', '9'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<&'static str> {
        let readings = SubjectRef::parse(text).unwrap().readings;
        let name = |reading: &Subject| match reading {
            Subject::Code(_) => "code",
            Subject::Sscc(_) => "sscc",
            Subject::Sn(_) => "sn",
        };
        readings.iter().map(name).collect()
    }

    #[test]
    fn readings_come_in_order() {
        assert_eq!(names("2222222222222"), ["code", "sn"]);
        assert_eq!(names("2222-2222-2222-2"), ["code", "sn"]);
        assert_eq!(names("069291417000000003"), ["sscc", "sn"]);
        assert_eq!(names("(00) 069".trim_start_matches("(00) ")), ["sn"]);
        assert_eq!(names("0 6929141 700000000 3"), ["sscc"]);
        assert_eq!(names(" CY261812000000 "), ["sn"]);
        // Eighteen digits that are no key of a Chinese company stay a serial number.
        assert_eq!(names("123456789012345678"), ["sn"]);
    }

    #[test]
    fn a_mistyped_sscc_is_no_serial_number() {
        let reason = SubjectRef::parse("069291417000000004").unwrap_err();
        assert!(reason.starts_with("SSCC check digit"), "{reason}");
        assert!(SubjectRef::parse("=1+1").is_err());
        assert!(SubjectRef::parse("").is_err());
        assert!(SubjectRef::parse(&"9".repeat(100)).is_err());
    }
}
