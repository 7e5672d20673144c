//! Rows as JSON objects, one per line, under the same names as the columns: for the streaming
//! bulk API. Lists may be arrays. A member that is none of ours is refused under its own name: a
//! sender that misspells an optional field would never learn that it is not recorded. So is a value
//! of another type than its column's, and a member given twice.

use super::kind::{Column, Json, Kind};
use super::row::{Header, RawRow};
use super::{LIST_ITEMS_MAX, ROW_BYTES_MAX};
use csv::StringRecord;
use domain::refusal::Refused;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;
use std::io::{self, BufRead, Read};
use std::sync::Arc;

/// Numbers from 10^15 on: more digits than a double carries safely.
const NUMBER_END: u64 = 1_000_000_000_000_000;

/// Unknown members of one row that are told, and characters of each name.
const FAULTS_MAX: usize = 16;
const NAME_CHARS_MAX: usize = 64;

/// Makes rows of lines that somebody else has cut, such as the chunks of a request body.
#[derive(Clone, Debug)]
pub struct JsonLines {
    header: Arc<Header>,
}

impl JsonLines {
    /// For one kind of row.
    pub fn new(kind: Kind) -> Self {
        Self { header: Arc::new(Header::whole(kind)) }
    }

    /// The header the rows get: all columns of the kind, in order.
    pub fn header(&self) -> &Arc<Header> {
        &self.header
    }

    /// One line as a row; what is no object becomes a row whose only content is its fault.
    pub fn row(&self, record: usize, line: &[u8]) -> RawRow {
        if line.len() > ROW_BYTES_MAX {
            return self.broken(record, format!("the line is longer than {ROW_BYTES_MAX} bytes"));
        }
        let mut input = serde_json::Deserializer::from_slice(line);
        let read = input
            .deserialize_map(Object(self.header.kind()))
            .and_then(|object| input.end().map(|()| object));
        match read {
            Ok((cells, absent, faults)) => {
                RawRow::new(record, &self.header, cells, faults).without(absent)
            }
            Err(error) if error.is_data() => self.broken(record, "must be an object".to_owned()),
            Err(error) => self.broken(record, format!("not a JSON object on one line: {error}")),
        }
    }

    fn broken(&self, record: usize, reason: String) -> RawRow {
        RawRow::unreadable(record, &self.header, Refused::invalid("line", reason))
    }
}

/// Reads one object into the cells of its kind.
struct Object(Kind);

impl<'de> Visitor<'de> for Object {
    type Value = (StringRecord, Vec<&'static str>, Vec<Refused>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with the fields of {}", self.0)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let columns = self.0.columns();
        let mut cells: Vec<Option<String>> = vec![None; columns.len()];
        let mut faults = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            let Some(place) = self.0.place(&name) else {
                map.next_value::<IgnoredAny>()?;
                if faults.len() < FAULTS_MAX {
                    let word: String = name.chars().take(NAME_CHARS_MAX).collect();
                    let why = format!("is no field of {}", self.0);
                    faults.push(Refused::invalid(word, why));
                }
                continue;
            };
            let field = columns[place].name;
            if cells[place].is_some() {
                faults.push(Refused::invalid(field, "is given twice"));
            }
            let text = match text_of(map.next_value()?, &columns[place]) {
                Ok(text) => text,
                Err(reason) => {
                    faults.push(Refused::invalid(field, reason));
                    String::new()
                }
            };
            cells[place] = Some(text);
        }
        let places = columns.iter().zip(&cells);
        let absent = places.filter_map(|(it, cell)| cell.is_none().then_some(it.name)).collect();
        Ok((cells.into_iter().map(Option::unwrap_or_default).collect(), absent, faults))
    }
}

/// A field's name, borrowed from the line where it holds no escape.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        input.deserialize_str(Text)
    }
}

/// The cell a JSON value would have been in a table.
fn text_of(value: Value, column: &Column) -> Result<String, &'static str> {
    match (value, column.json) {
        (Value::Null, _) => Ok(String::new()),
        (Value::String(text), _) => Ok(text),
        (Value::Bool(yes), Json::Truth) => Ok(if yes { "yes" } else { "no" }.to_owned()),
        (Value::Number(number), Json::Number) => {
            let whole = number.as_u64().or(number.as_i64().map(i64::unsigned_abs));
            let large = whole.map_or_else(
                || number.as_f64().is_none_or(|n| n.abs() >= NUMBER_END as f64),
                |n| n >= NUMBER_END,
            );
            if large {
                return Err("is a number of more than 15 digits: send it as a string");
            }
            Ok(number.to_string())
        }
        // A fence: GeoJSON may come as itself.
        (value @ Value::Object(_), Json::Object) => {
            serde_json::to_string(&value).map_err(|_| "cannot be read")
        }
        (Value::Array(items), _) if column.list => joined(&items),
        (Value::Array(_), _) => Err("takes one value, not an array"),
        (_, Json::Text) if column.list => Err("must be a string or an array of strings"),
        (_, Json::Text) => Err("must be a string"),
        (_, Json::Number) => Err("must be a number or a string"),
        (_, Json::Truth) => Err("must be true, false or a string"),
        (_, Json::Object) => Err("must be an object or a string"),
    }
}

/// The values of a list as one cell.
fn joined(items: &[Value]) -> Result<String, &'static str> {
    if items.len() > LIST_ITEMS_MAX {
        return Err("has too many values");
    }
    let texts: Option<Vec<_>> = items.iter().map(Value::as_str).collect();
    let texts = texts.ok_or("must be a string or an array of strings")?;
    if texts.iter().any(|text| text.contains('|')) {
        return Err("has a value with | in it, which separates values");
    }
    Ok(texts.join("|"))
}

/// Cuts input into lines, each at most [`ROW_BYTES_MAX`] long; of a longer one the rest is skipped
/// and its row says so.
pub(super) struct LineSource {
    input: io::BufReader<Box<dyn Read + Send>>,
    lines: JsonLines,
    number: usize,
    line: Vec<u8>,
}

impl LineSource {
    pub(super) fn new(kind: Kind, input: Box<dyn Read + Send>) -> Self {
        let input = io::BufReader::with_capacity(64 * 1024, input);
        Self { input, lines: JsonLines::new(kind), number: 0, line: Vec::new() }
    }

    pub(super) fn header(&self) -> &Arc<Header> {
        self.lines.header()
    }

    /// The next row that is not an empty line, by the number of its line.
    pub(super) fn next_row(&mut self) -> io::Result<Option<RawRow>> {
        loop {
            self.line.clear();
            let bound = ROW_BYTES_MAX as u64 + 1;
            if self.input.by_ref().take(bound).read_until(b'\n', &mut self.line)? == 0 {
                return Ok(None);
            }
            self.number += 1;
            if self.line.len() > ROW_BYTES_MAX && self.line.last() != Some(&b'\n') {
                self.input.skip_until(b'\n')?;
            }
            let mut line = self.line.as_slice();
            if self.number == 1 {
                line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
            }
            let line = line.trim_ascii();
            if !line.is_empty() {
                return Ok(Some(self.lines.row(self.number, line)));
            }
        }
    }
}
