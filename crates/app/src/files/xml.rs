//! How large the pieces of an XML part are, found out without holding one: whoever reads cells
//! holds each whole text several times, so that one of 200 MB would fill the memory.
//!
//! A *piece* is what the reader of workbooks gathers at a time: a tag, a run of text, or all of the
//! text of one cell with the tags in it. What ends a piece here ends it there: were the two to
//! differ, a crafted file would look like many small pieces. So tags are cut as that reader cuts
//! them, in broken XML too.

use super::ROW_BYTES_MAX;
use super::table::FileError;
use std::io::{self, Write};

/// Longest name of a tag, in bytes.
const NAME_MAX: usize = 64;
/// Tags within tags; those of a sheet stand a dozen deep. The reader keeps the name of each.
const DEPTH_MAX: usize = 256;
/// Bytes before the end of the shortest comment.
const COMMENT_MIN: usize = "<!----".len();

/// Takes a part as it is unpacked.
#[derive(Default)]
pub(super) struct Pieces {
    mark: Mark,
    /// Bytes of the piece so far.
    size: usize,
    /// Bytes of the mark so far, and its last two.
    length: usize,
    last: [u8; 2],
    /// The name of the tag that is read, with the slash of one that closes.
    name: Vec<u8>,
    /// The tag whose text is gathered whole, and in it the one that holds some of it.
    gathered: Option<Vec<u8>>,
    held: Option<Vec<u8>>,
    depth: usize,
    fault: Option<Fault>,
}

/// Where a byte stands.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Mark {
    /// Outside of every mark.
    #[default]
    Text,
    /// Behind the `<` of one.
    Begun,
    /// Behind the `<!` of one.
    Banged,
    /// In a tag.
    Tag,
    /// In a value of a tag, which ends with this quotation mark.
    Value(u8),
    Comment,
    Cdata,
    Instruction,
}

#[derive(Clone, Copy)]
enum Fault {
    TooLong,
    Broken(&'static str),
}

impl Pieces {
    /// Whether every piece can be held.
    ///
    /// # Errors
    /// [`FileError::CellTooLong`]; [`FileError::Xlsx`] where tags are none of a workbook's.
    pub(super) fn fit(self) -> Result<(), FileError> {
        match self.fault {
            None => Ok(()),
            Some(Fault::TooLong) => Err(FileError::CellTooLong),
            Some(Fault::Broken(why)) => Err(FileError::Xlsx(why.to_owned())),
        }
    }

    fn grow(&mut self, bytes: usize) {
        self.size += bytes;
        if self.size > ROW_BYTES_MAX {
            self.fault = Some(Fault::TooLong);
        }
    }

    fn take(&mut self, byte: u8) {
        self.grow(1);
        self.mark = match (self.mark, byte) {
            (Mark::Text, b'<') => {
                self.length = 0;
                self.name.clear();
                Mark::Begun
            }
            (Mark::Text, _) => Mark::Text,
            (Mark::Begun, b'!') => Mark::Banged,
            (Mark::Begun, b'?') => Mark::Instruction,
            (Mark::Banged, b'-') => Mark::Comment,
            (Mark::Banged, b'[') => Mark::Cdata,
            (Mark::Banged, _) => {
                self.fault = Some(Fault::Broken("it defines a type of document"));
                Mark::Text
            }
            (Mark::Begun | Mark::Tag, _) => self.in_tag(byte),
            (Mark::Value(quote), _) => {
                self.named(byte);
                if byte == quote { Mark::Tag } else { Mark::Value(quote) }
            }
            (Mark::Comment, b'>') if self.last == *b"--" && self.length >= COMMENT_MIN => {
                self.ended()
            }
            (Mark::Cdata, b'>') if self.last == *b"]]" => self.ended(),
            (Mark::Instruction, b'>') if self.last[1] == b'?' => self.ended(),
            (mark, _) => mark,
        };
        self.length += 1;
        self.last = [self.last[1], byte];
    }

    /// A byte of a tag, outside of its values.
    fn in_tag(&mut self, byte: u8) -> Mark {
        if byte == b'>' {
            self.tagged();
            return self.ended();
        }
        self.named(byte);
        if matches!(byte, b'"' | b'\'') { Mark::Value(byte) } else { Mark::Tag }
    }

    /// The name of a tag that opens ends at a space, that of one that closes at its end.
    fn named(&mut self, byte: u8) {
        let closes = self.name.first() == Some(&b'/');
        let done = !closes && self.name.last().is_some_and(is_space);
        if !done && self.name.len() <= NAME_MAX {
            self.name.push(byte);
        }
    }

    /// A whole tag: whether a text begins or ends with it.
    fn tagged(&mut self) {
        if self.name.len() > NAME_MAX {
            self.fault = Some(Fault::Broken("the name of a tag is too long"));
            return;
        }
        while self.name.last().is_some_and(is_space) {
            self.name.pop();
        }
        if let Some(name) = self.name.strip_prefix(b"/") {
            self.depth = self.depth.saturating_sub(1);
            // Other tags that close there are passed over, as the reader does.
            let open = if self.held.is_some() { &mut self.held } else { &mut self.gathered };
            if open.as_deref() == Some(name) {
                *open = None;
            }
            return;
        }
        if self.last[1] == b'/' {
            return;
        }
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            self.fault = Some(Fault::Broken("its tags are nested too deep"));
        }
        let colon = self.name.iter().position(|byte| *byte == b':');
        let local = self.name.get(colon.map_or(0, |at| at + 1)..).unwrap_or_default();
        match &self.gathered {
            None if matches!(local, b"is" | b"si" | b"v" | b"f") => {
                self.gathered = Some(self.name.clone());
            }
            Some(_) if self.held.is_none() && local == b"t" => {
                self.held = Some(self.name.clone());
            }
            _ => {}
        }
    }

    /// Behind a mark: where no text is gathered, a piece ends with it.
    fn ended(&mut self) -> Mark {
        if self.gathered.is_none() {
            self.size = 0;
        }
        Mark::Text
    }
}

fn is_space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while let (Some((byte, after)), None) = (rest.split_first(), self.fault) {
            if self.mark == Mark::Text && *byte != b'<' {
                let run = rest.iter().position(|byte| *byte == b'<').unwrap_or(rest.len());
                self.grow(run);
                rest = rest.get(run..).unwrap_or_default();
            } else {
                self.take(*byte);
                rest = after;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of a part, handed over so many bytes at a time.
    fn fits(part: &str, step: usize) -> Result<(), String> {
        let mut pieces = Pieces::default();
        for bytes in part.as_bytes().chunks(step) {
            pieces.write_all(bytes).unwrap();
        }
        pieces.fit().map_err(|error| error.to_string())
    }

    #[test]
    fn pieces_are_small_however_many_there_are() {
        let half = "x".repeat(ROW_BYTES_MAX / 2 - 100);
        let cell = |text: &str| format!("<c t=\"inlineStr\"><is><t>{text}</t></is></c>");
        for part in [
            cell(&half).repeat(5),
            format!("<si><r><t>{half}</t></r></si>").repeat(5),
            format!("<a b=\"{half}\"/><!--{half}--><c><f>{half}</f><v>{half}</v></c>").repeat(3),
            format!("<c><v/><is/><x:v a='>'/></c>{half}").repeat(3),
        ] {
            for step in [7, 1 << 20] {
                assert_eq!(fits(&part, step), Ok(()), "{:.60}", part);
            }
        }
    }

    #[test]
    fn nothing_that_is_gathered_passes_in_pieces() {
        let half = "x".repeat(ROW_BYTES_MAX / 2 + 100);
        for part in [
            format!("<c><is><t>{half}{half}</t></is></c>"),
            format!("<is><r><t>{half}</t></r><r><t>{half}</t></r></is>"),
            format!("<is><t>{half}</is><is>{half}</t></is>"),
            format!("<is><t>{half}</t></x:is><c/><t>{half}</t></is>"),
            format!("<is><t>{half}</t></is x><t>{half}</t></is>"),
            format!("<is><t>{half}</t></is/><t>{half}</t></is>"),
            format!("<is><t>{half}<![CDATA[</t></is>]]>{half}</t></is>"),
            format!("<is><t>{half}<!--></t></is>-->{half}</t></is>"),
            format!("<is><t>{half}<a b='</t></is>'/>{half}</t></is>"),
            format!("<x:v t=\"a>\">{half}</v><v>{half}</v></x:v>"),
            format!("<a b=\"{half}{half}\"/>"),
            format!("<!--{half}<a>{half}-->"),
            format!("<?{half}?{half}?>"),
        ] {
            let error = fits(&part, 100_000).unwrap_err();
            assert!(error.contains("a cell of the workbook"), "{:.60} {error}", part);
        }
        for part in ["<!DOCTYPE a>", &"<a>".repeat(300), &format!("</{}>", "i".repeat(99))] {
            let error = fits(part, 3).unwrap_err();
            assert!(error.contains("cannot be read"), "{part}: {error}");
        }
    }
}
