//! What is fed with hostile input, and what must hold whatever it is fed. One function for each
//! target of cargo-fuzz; `crates/app/tests/fuzz.rs` runs the same functions over the seeds and over
//! damaged copies of them, so that they are tried in every run of the tests.

use axum::http::HeaderMap;
use axum::http::header::HeaderValue;
use domain::code::{CodeKey, Epoch, KeyRing, TraceCode};
use domain::gs1::{self, Gtin, short_link};
use domain::identifier::{Identifier, Scheme, guess_kinds};
use domain::log::checkpoint::PublicKey;
use dossier::api::client_of;
use dossier::bundle::Bundle;
use dossier::files::{ErrorFile, Format, Kind, Table, parse_row};
use dossier::geo::Xdb;
use std::collections::HashSet;
use std::io::Cursor;
use std::net::{IpAddr, Ipv4Addr};

/// Entries of a chain that are looked at, counted from the right.
const HOPS_MAX: usize = 16;
/// Rows of a file that are looked at.
const ROWS_MAX: usize = 1_000;

/// A trace code that is read is written and read again as itself, and is ours only when the ring
/// makes the very same one from the number it stands for.
pub fn code(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(code) = TraceCode::parse(&text) else { return };
    for form in [code.as_str().to_owned(), code.printed(), code.as_str().to_lowercase()] {
        assert_eq!(TraceCode::parse(&form).as_ref(), Ok(&code), "{form}");
    }
    let epoch = Epoch::new(0).expect("an epoch");
    let ring = KeyRing::new(CodeKey::new(epoch, [7; 32]));
    if let Ok(number) = ring.decode(&code) {
        assert_eq!(ring.encode(number), code);
    }
}

/// An identifier that is read is read again as itself from what is stored and from what is shown,
/// and holds nothing that a page, a log or a spreadsheet would run.
pub fn identifier(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let of_each = Scheme::ALL.into_iter().filter_map(|s| Identifier::parse(s, &text).ok());
    for read in of_each.chain(guess_kinds(&text)) {
        for form in [read.value(), read.shown()] {
            let again = Identifier::parse(read.scheme(), form);
            let again = again.unwrap_or_else(|why| panic!("{read:?} as {form}: {why}"));
            assert_eq!(again.value(), read.value(), "{read:?} as {form}");
        }
        let stored = read.value();
        assert!(!stored.is_empty() && !stored.contains(char::is_control), "{read:?}");
        assert!(!stored.starts_with(['=', '+', '@', '\t']), "{read:?}");
    }
}

/// Which kind of rows the first byte asks for, and the file behind it.
fn asked(data: &[u8]) -> Option<(Kind, Vec<u8>)> {
    let (first, rest) = data.split_first()?;
    Some((Kind::ALL[usize::from(*first) % Kind::ALL.len()], rest.to_vec()))
}

/// Reads every row as an import would, and writes all of them as an error file, which no
/// spreadsheet runs and which is read again with as many rows.
fn read_through(kind: Kind, format: Format, file: Vec<u8>) {
    let Ok(mut table) = Table::from_reader(kind, format, Box::new(Cursor::new(file))) else {
        return;
    };
    let zone = jiff::tz::TimeZone::UTC;
    let mut errors = ErrorFile::new(Vec::new(), table.header()).expect("memory is written");
    let mut written = 0;
    for row in table.rows().take(ROWS_MAX) {
        let Ok(row) = row else { break };
        let problems = parse_row(&row, &zone).err().unwrap_or_default();
        for problem in &problems {
            assert!(!problem.reason.contains(char::is_control), "{problem:?}");
        }
        errors.write(&row, &problems).expect("memory is written");
        written += 1;
    }
    let text = errors.finish().expect("memory is written");
    let mut reader = csv_records(&text);
    for cell in reader.iter().flatten() {
        // A sign alone computes nothing.
        let alone = ["=", "@"].contains(&cell.as_str());
        let begins = cell.starts_with(['=', '@', '\t', '\r', '\n']);
        assert!(alone || !begins, "{cell:?} would be run");
    }
    // The header alone names columns; each row has at least one line.
    reader.pop();
    assert!(reader.len() >= written, "{} of {written}", reader.len());
}

/// The records of a CSV text, cell by cell, as a spreadsheet splits them.
fn csv_records(text: &[u8]) -> Vec<Vec<String>> {
    let text = String::from_utf8_lossy(text);
    let (mut records, mut record, mut cell, mut quoted) = (vec![], vec![], String::new(), false);
    let mut chars = text.trim_start_matches('\u{feff}').chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut cell)),
            '\r' if !quoted && chars.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                record.push(std::mem::take(&mut cell));
                records.push(std::mem::take(&mut record));
            }
            c => cell.push(c),
        }
    }
    if !record.is_empty() || !cell.is_empty() {
        record.push(cell);
        records.push(record);
    }
    records
}

/// A table as text: CSV or JSON lines, by its first bytes.
pub fn csv(data: &[u8]) {
    if let Some((kind, file)) = asked(data) {
        read_through(kind, Format::Auto, file);
    }
}

/// A workbook. Only what begins as one reaches its reader.
pub fn xlsx(data: &[u8]) {
    if let Some((kind, file)) = asked(data) {
        read_through(kind, Format::Auto, file);
    }
}

/// The path of a GS1 Digital Link, `GTIN/21/CODE`: what is read is written as a link that is read
/// again as the same.
pub fn digital_link(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Some((gtin, code)) = text.split_once("/21/") else { return };
    let (Ok(gtin), Ok(code)) = (Gtin::parse(gtin), TraceCode::parse(code)) else { return };
    let link = gs1::digital_link("id.example.cn", &gtin, &code);
    let path = link.strip_prefix("https://id.example.cn/01/").expect("our own form");
    let (again, last) = path.split_once("/21/").expect("our own form");
    assert_eq!(Gtin::parse(again).as_ref(), Ok(&gtin));
    assert_eq!(TraceCode::parse(last).as_ref(), Ok(&code));
    let short = short_link("id.example.cn", &code);
    assert_eq!(TraceCode::parse(short.rsplit('/').next().expect("a path")).as_ref(), Ok(&code));
}

/// A chain of `X-Forwarded-For`, one line of the input for each header: the client is the other end
/// of the connection, unless that is a trusted proxy; then an address that stands in the chain with
/// nothing but trusted proxies to its right.
pub fn forwarded(data: &[u8]) {
    let proxies = ["10.0.0.0/8".parse().expect("a range"), "127.0.0.1".parse().expect("a range")];
    let trusted = |ip: IpAddr| proxies.iter().any(|p: &domain::address::Prefix| p.contains(ip));
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(32) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append("x-forwarded-for", value);
        }
    }
    let stranger: IpAddr = Ipv4Addr::new(203, 0, 113, 9).into();
    assert_eq!(client_of(&proxies, stranger, &headers), stranger, "a stranger is believed");
    let proxy: IpAddr = Ipv4Addr::LOCALHOST.into();
    let client = client_of(&proxies, proxy, &headers);
    let mut right = proxy;
    let texts: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
    let lines = texts.iter().rev().map(|value| value.as_bytes());
    let hops = lines.flat_map(|line| line.rsplit(|byte| *byte == b','));
    let said_something = |hop: &&[u8]| !hop.trim_ascii().is_empty();
    for hop in hops.filter(said_something).take(HOPS_MAX) {
        if client == right {
            return;
        }
        assert!(trusted(right), "{right} is no proxy, yet what it says is believed: {client}");
        let Some(said) = named(hop) else { break };
        right = said.to_canonical();
    }
    assert_eq!(client, right, "an address that nobody trusted named");
}

/// The address that an entry names: bare, in brackets, with a port, any of them in quotes.
fn named(entry: &[u8]) -> Option<IpAddr> {
    let between = |text: &'static str, entry: &str| {
        let (open, close) = text.split_at(1);
        entry.strip_prefix(open)?.strip_suffix(close).map(str::to_owned)
    };
    let entry = std::str::from_utf8(entry).ok()?.trim();
    let entry = between("\"\"", entry).unwrap_or(entry.to_owned());
    match entry.parse::<std::net::SocketAddr>() {
        Ok(with_port) => Some(with_port.ip()),
        Err(_) => between("[]", &entry).unwrap_or(entry).parse().ok(),
    }
}

/// The bundle that all others are measured against, as `dossier prove` wrote it.
const SEED: &[u8] = include_bytes!("corpus/bundle/unit.json");

/// A proof bundle against the key of a log that signed one head in its life: whatever is believed
/// was recorded there.
pub fn bundle(data: &[u8]) {
    let seed = Bundle::read(SEED).expect("the seed");
    let key: PublicKey = seed.public_key.parse().expect("its key");
    let Ok(read) = Bundle::read(data) else { return };
    // With the key it brings along it agrees with itself at most.
    let _ = read.check(None);
    let Ok(believed) = read.check(Some(&key)) else { return };
    let known: HashSet<_> = seed.events.iter().map(|event| event.text.as_str()).collect();
    assert!(read.events.iter().all(|event| known.contains(event.text.as_str())), "{read:?}");
    let rows: HashSet<_> = seed.events.iter().map(|e| e.row.as_ref().map(|r| &r.text)).collect();
    assert!(read.events.iter().all(|e| rows.contains(&e.row.as_ref().map(|r| &r.text))));
    assert_eq!(believed.events.len(), read.events.len());
}

/// An operator's xdb, without the index, which is half a megabyte: the first 20 bytes of the header,
/// then the two bytes of the only block in use, two that say nothing, and where that block begins
/// and ends; behind them what stands behind the index. Whatever file is taken answers, and a
/// verified one with texts of as many fields as its layout has.
pub fn xdb(data: &[u8]) {
    let Some((head, behind)) = data.split_at_checked(32) else { return };
    let (block, index) = (u16::from_le_bytes([head[20], head[21]]), 256);
    let mut file = vec![0; index + 256 * 256 * 8];
    file[..20].copy_from_slice(&head[..20]);
    let pair = index + usize::from(block) * 8;
    file[pair..pair + 8].copy_from_slice(&head[24..]);
    file.extend_from_slice(behind);
    let Ok(xdb) = Xdb::new(file, None) else { return };
    let verified = xdb.verify().is_ok();
    let [a, b] = block.to_be_bytes();
    for byte in [0, 1, 4, 0x7f, 0xff] {
        let mut long = [byte; 16];
        [long[0], long[1]] = [a, b];
        for address in [IpAddr::from([a, b, byte, byte]), IpAddr::from(long)] {
            let Some(text) = xdb.lookup(address) else { continue };
            assert!(!verified || text.raw.split('|').count() == 5, "{text:?}");
            assert!(text.iso2.is_none_or(|code| code.len() == 2 && code.is_ascii()), "{text:?}");
        }
    }
}
