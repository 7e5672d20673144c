//! UTF-8 from bytes of either encoding people's spreadsheets write.
//!
//! UTF-8 and GB18030 agree on ASCII, so the choice waits for the first byte beyond it, however
//! far into the file, and is made on the window that starts there. Bytes that make no sense in
//! the chosen encoding become U+FFFD, which refuses the row they are in. GB18030 makes sense of
//! nearly anything, UTF-8 included: a line that is plainly UTF-8 among others becomes U+FFFD, too.

use encoding_rs::{Decoder, GB18030, UTF_8};
use std::io::{self, Read};

/// Bytes looked at to choose, and read at a time.
const WINDOW: usize = 64 * 1024;

/// A byte that begins no character of GB18030.
const NONSENSE: u8 = 0xff;

/// Reads UTF-8 out of UTF-8 or GB18030. A byte order mark is passed on; the header drops it.
pub(super) struct Decoded<R> {
    source: R,
    raw: Box<[u8]>,
    /// The part of `raw` not decoded yet.
    start: usize,
    end: usize,
    text: Box<[u8]>,
    /// The part of `text` not handed out yet.
    given: usize,
    ready: usize,
    decoder: Option<Decoder>,
    /// Whether lines are looked at before they are decoded, and how far in `raw` they were.
    by_lines: bool,
    looked_at: usize,
    /// Whether that is amid a line: one longer than a window is not looked at.
    torn: bool,
    source_ended: bool,
    flushed: bool,
}

impl<R: Read> Decoded<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source,
            raw: vec![0; WINDOW].into_boxed_slice(),
            start: 0,
            end: 0,
            text: vec![0; WINDOW].into_boxed_slice(),
            given: 0,
            ready: 0,
            decoder: None,
            by_lines: false,
            looked_at: 0,
            torn: false,
            source_ended: false,
            flushed: false,
        }
    }

    /// One read behind what is there; moves the rest to the front first.
    fn read_more(&mut self) -> io::Result<()> {
        self.raw.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.looked_at = self.looked_at.saturating_sub(self.start);
        self.start = 0;
        loop {
            match self.source.read(&mut self.raw[self.end..]) {
                Ok(0) => self.source_ended = true,
                Ok(count) => self.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            return Ok(());
        }
    }

    /// Looks at whole lines, as many as the window holds, and makes nonsense of those in UTF-8, so
    /// that they are refused and not taken for other characters.
    fn look_at_lines(&mut self) -> io::Result<()> {
        let newline = |rest: &[u8]| rest.iter().rposition(|byte| *byte == b'\n');
        let mut found = newline(&self.raw[self.start..self.end]);
        while found.is_none() && !self.source_ended && self.end - self.start < WINDOW {
            self.read_more()?;
            found = newline(&self.raw[self.start..self.end]);
        }
        self.looked_at = match found {
            Some(at) if !self.source_ended => self.start + at + 1,
            _ => self.end,
        };
        let lines = &mut self.raw[self.start..self.looked_at];
        for line in lines.split_inclusive_mut(|byte| *byte == b'\n') {
            if !self.torn && is_utf8_line(line) {
                line.iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = NONSENSE);
            }
            self.torn = line.last() != Some(&b'\n');
        }
        Ok(())
    }

    /// Fills `text` with what can be decoded now.
    fn refill(&mut self) -> io::Result<()> {
        (self.given, self.ready) = (0, 0);
        if self.start == self.end && !self.source_ended {
            self.read_more()?;
        }
        if self.decoder.is_none() {
            let rest = &self.raw[self.start..self.end];
            let ascii = rest.iter().position(|byte| !byte.is_ascii()).unwrap_or(rest.len());
            if ascii > 0 || rest.is_empty() {
                self.text[..ascii].copy_from_slice(&rest[..ascii]);
                (self.start, self.ready) = (self.start + ascii, ascii);
                self.flushed = self.source_ended && self.start == self.end;
                return Ok(());
            }
            while !self.source_ended && self.end - self.start < WINDOW {
                self.read_more()?;
            }
            let window = &self.raw[self.start..self.end];
            let encoding = if is_utf8(window, self.source_ended) { UTF_8 } else { GB18030 };
            self.decoder = Some(encoding.new_decoder_without_bom_handling());
            (self.by_lines, self.looked_at) = (encoding == GB18030, self.start);
        }
        if !self.by_lines {
            self.looked_at = self.end;
        } else if self.looked_at <= self.start {
            self.look_at_lines()?;
        }
        if let Some(decoder) = &mut self.decoder {
            let last = self.source_ended && self.looked_at == self.end;
            let source = &self.raw[self.start..self.looked_at];
            let (state, read, written, _) = decoder.decode_to_utf8(source, &mut self.text, last);
            (self.start, self.ready) = (self.start + read, written);
            self.flushed = last && state == encoding_rs::CoderResult::InputEmpty;
        }
        Ok(())
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.given == self.ready && !self.flushed {
            self.refill()?;
        }
        let count = out.len().min(self.ready - self.given);
        out[..count].copy_from_slice(&self.text[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

/// Whether bytes that start beyond ASCII are UTF-8. A stray bad byte does not make them GB18030,
/// which would turn every name into others: Chinese in GB18030 breaks the rules of UTF-8 nearly
/// every other character, so up to one broken place in four characters still is UTF-8.
fn is_utf8(window: &[u8], whole: bool) -> bool {
    let (mut sound, mut broken) = (0, 0);
    for chunk in window.utf8_chunks() {
        sound += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        broken += usize::from(!chunk.invalid().is_empty());
    }
    // A character cut in half by the end of the window is no fault.
    let cut = !whole && std::str::from_utf8(window).is_err_and(|e| e.error_len().is_none());
    (broken - usize::from(cut && broken > 0)) * 4 <= sound
}

/// Whether a line of a file in GB18030 is UTF-8 all the same. Some characters of GB18030 next to
/// each other are sound UTF-8 by chance: so it takes two of three bytes, as all Chinese has in
/// UTF-8, and a byte that the characters of everyday, those of GB 2312, have none of in GB18030.
fn is_utf8_line(line: &[u8]) -> bool {
    if !line.iter().any(|byte| (0x80..=0xa0).contains(byte)) {
        return false;
    }
    let Ok(text) = std::str::from_utf8(line) else { return false };
    text.chars().filter(|c| c.len_utf8() == 3).take(2).count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Hands out a few bytes at a time.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(out.len()).min(self.0.len());
            out[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn decoded(bytes: &[u8], step: usize) -> String {
        let mut text = String::new();
        Decoded::new(Drip(bytes, step)).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn both_encodings_read_alike_wherever_chinese_begins() {
        for lead in [0, 3, WINDOW - 1, WINDOW, 3 * WINDOW + 1] {
            let text = format!("{}澄野电子，𠮷 end", "a,b\n".repeat(lead / 4 + 1));
            let gb = GB18030.encode(&text).0;
            for step in [1, 7, 10_000_000] {
                assert_eq!(decoded(text.as_bytes(), step), text);
                assert_eq!(decoded(&gb, step), text);
            }
        }
    }

    #[test]
    fn utf8_among_gb18030_is_refused_and_not_read_as_other_characters() {
        let name = "澄野电子（深圳）有限公司";
        let gb = |text: &str| GB18030.encode(text).0.into_owned();
        let mut bytes = Vec::new();
        for number in 0..4_000 {
            bytes.extend(gb(&format!("{number},{name}\n")));
            bytes.extend(format!("{number},{name},x\n").bytes());
        }
        for step in [7, 1_000, 10_000_000] {
            let text = decoded(&bytes, step);
            for (at, line) in text.lines().enumerate() {
                let number = at / 2;
                let good = line == format!("{number},{name}");
                let nonsense = line.starts_with(&format!("{number},\u{fffd}"))
                    && line.ends_with(",x")
                    && !line.contains(|c: char| !c.is_ascii() && c != '\u{fffd}');
                assert!(if at % 2 == 0 { good } else { nonsense }, "{at}: {line}");
            }
            assert_eq!(text.lines().count(), 8_000);
        }
        // Characters whose bytes are sound UTF-8 by chance, and a line longer than a window.
        for text in ["联通", "联通，联通\n", "镕基，堃\n"] {
            assert_eq!(decoded(&gb(&text.repeat(3)), 5), text.repeat(3));
        }
        let long = "深圳市南山区".repeat(WINDOW / 8) + "\n" + name;
        assert_eq!(decoded(&gb(&long), 999), long);
    }

    #[test]
    fn a_stray_byte_stays_in_its_row() {
        let mut bytes = "澄野电子\n深圳工厂\n".as_bytes().to_vec();
        bytes.insert(12, 0xff);
        assert_eq!(decoded(&bytes, 5), "澄野电子\u{fffd}\n深圳工厂\n");
    }

    proptest! {
        #[test]
        fn any_text_survives_utf8(text in "\\PC{0,300}", step in 1usize..40) {
            prop_assert_eq!(decoded(text.as_bytes(), step), text);
        }

        #[test]
        fn any_bytes_become_text(bytes: Vec<u8>, step in 1usize..40) {
            decoded(&bytes, step);
        }

        #[test]
        fn chinese_survives_gb18030(
            // A few characters may happen to be sound UTF-8 as well: only a text can be told.
            text in "[\u{4e00}-\u{9fa5}]{40,120}[a-z,]{0,80}",
            step in 1usize..40,
        ) {
            let gb = GB18030.encode(&text).0.into_owned();
            prop_assert_eq!(decoded(&gb, step), text);
        }
    }
}
