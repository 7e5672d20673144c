//! Reads ip2region xdb files, held in memory as they are: of structure 2 (IPv4), and of structure
//! 3, which upstream writes since September 2025 (IPv4 or IPv6, as its header says).
//!
//! Layout: a 256-byte header (structure, index policy, second of making, first and last segment;
//! in structure 3 also the IP version and the bytes of a pointer); at 256 one pair of pointers for
//! each first two bytes of an address (first segment, end of the last); segments (first address,
//! last address, text length, text pointer), sorted and never crossing a pair's range: 14 bytes
//! for IPv4, 38 for IPv6; texts in UTF-8. All little-endian, but IPv6 addresses, which stand in
//! network order. Source: `maker/golang/xdb` of `lionsoul2014/ip2region`.

use std::net::IpAddr;
use std::ops::Range;

use super::GeoError;

const HEADER_BYTES: usize = 256;
const INDEX_BYTES: usize = 256 * 256 * 8;
/// Bytes of a pointer; structure 3 says how many, and no other number is written.
const POINTER_BYTES: u16 = 4;
/// Which field of a text is which, by name.
const FIELDS: [&str; 5] = ["country", "province", "city", "isp", "iso2"];
/// The fields of upstream's own files of each structure.
const LAYOUT_2: &str = "country|area|province|city|isp";
const LAYOUT_3: &str = "country|province|city|isp|iso2";

/// Which addresses a file is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpVersion {
    /// Four bytes.
    V4,
    /// Sixteen bytes.
    V6,
}

impl IpVersion {
    /// An address of this version as a number.
    fn number(self, address: IpAddr) -> Option<u128> {
        match (self, address) {
            (Self::V4, IpAddr::V4(address)) => Some(u32::from(address).into()),
            (Self::V6, IpAddr::V6(address)) => Some(address.into()),
            _ => None,
        }
    }

    /// The first two bytes of an address.
    fn prefix(self, number: u128) -> usize {
        match self {
            Self::V4 => (number >> 16) as usize,
            Self::V6 => (number >> 112) as usize,
        }
    }

    fn address_bytes(self) -> usize {
        match self {
            Self::V4 => 4,
            Self::V6 => 16,
        }
    }

    /// Two addresses, a length and a pointer.
    fn segment_bytes(self) -> usize {
        2 * self.address_bytes() + 6
    }
}

/// An xdb file.
pub struct Xdb {
    bytes: Vec<u8>,
    version: IpVersion,
    /// How many fields a text has.
    fields: usize,
    /// Place of country, province, city, ISP and country code in a text.
    layout: [Option<usize>; 5],
}

/// What an xdb says of an address; `0` and the empty text are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct XdbText<'a> {
    /// The whole text.
    pub raw: &'a str,
    /// Country name, in the language of the file.
    pub country: Option<&'a str>,
    /// Province name.
    pub province: Option<&'a str>,
    /// City name.
    pub city: Option<&'a str>,
    /// Name of the provider.
    pub isp: Option<&'a str>,
    /// Two letters: ISO 3166-1 alpha-2.
    pub iso2: Option<&'a str>,
}

/// A stretch of addresses, both ends in it, and where its text begins and ends.
struct Segment {
    first: u128,
    last: u128,
    text: (usize, usize),
}

fn wrong(what: impl std::fmt::Display) -> GeoError {
    GeoError::Format(format!("xdb: {what}"))
}

impl Xdb {
    /// Takes a file of which each text has the fields `layout` names, as in
    /// `country|area|province|city|isp`; without it those of upstream's own files of that
    /// structure. The field count alone never tells the layout.
    ///
    /// # Errors
    /// [`GeoError::Format`] when it is no such file, a pointer of its index leads out of it, or the
    /// layout has neither `country` nor `iso2`.
    pub fn new(bytes: Vec<u8>, layout: Option<&str>) -> Result<Self, GeoError> {
        let number = |at: usize| Some(u16::from_le_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
        let (structure, ip, pointer) = (number(0), number(16), number(18));
        let version = match (structure, ip) {
            (Some(2), _) | (Some(3), Some(4)) => IpVersion::V4,
            (Some(3), Some(6)) => IpVersion::V6,
            _ => return Err(wrong("not a file of structure 2 or 3")),
        };
        if bytes.len() < HEADER_BYTES + INDEX_BYTES {
            return Err(wrong("shorter than its index"));
        }
        if structure == Some(3) && pointer != Some(POINTER_BYTES) {
            return Err(wrong("its pointers are not of 4 bytes"));
        }
        let usual = if structure == Some(2) { LAYOUT_2 } else { LAYOUT_3 };
        let names: Vec<&str> = layout.unwrap_or(usual).split('|').map(str::trim).collect();
        let layout = FIELDS.map(|field| names.iter().position(|n| *n == field));
        if layout[0].or(layout[4]).is_none() {
            return Err(wrong("the layout names neither country nor iso2"));
        }
        let xdb = Self { version, fields: names.len(), layout, bytes };
        let sound = |prefix: &usize| xdb.pair(*prefix).is_some_and(|pair| xdb.is_sound(pair));
        match (0..=usize::from(u16::MAX)).find(|prefix| !sound(prefix)) {
            Some(prefix) => Err(wrong(format!("its index at {prefix:#06x} leads out of the file"))),
            None => Ok(xdb),
        }
    }

    /// Looks at every segment, which [`Self::new`] does not: whether it lies in its place, and has
    /// a text with the fields of the layout. What ships is known by its digest; a file of another
    /// origin may be damaged, or have other fields.
    ///
    /// # Errors
    /// [`GeoError::Format`] with the first segment that is unsound.
    pub fn verify(&self) -> Result<(), GeoError> {
        for prefix in 0..=usize::from(u16::MAX) {
            let mut before = None;
            for at in self.block(prefix).step_by(self.version.segment_bytes()) {
                let segment = self.segment(at).ok_or_else(|| wrong("a segment is cut off"))?;
                let ends = [segment.first, segment.last];
                let here = ends.iter().all(|number| self.version.prefix(*number) == prefix);
                if !here || segment.first > segment.last || before >= Some(segment.first) {
                    return Err(wrong(format!("the segment at {at} is out of order")));
                }
                before = Some(segment.last);
                self.verify_text(&segment)?;
            }
        }
        Ok(())
    }

    fn verify_text(&self, segment: &Segment) -> Result<(), GeoError> {
        let raw = self.raw(segment).ok_or_else(|| wrong("a text is cut off or not UTF-8"))?;
        let count = raw.split('|').count();
        if count != self.fields {
            let wanted = self.fields;
            return Err(wrong(format!("`{raw}` has {count} fields, the layout names {wanted}")));
        }
        // Two layouts have five fields; a code of a country tells them apart.
        let code = self.layout[4].and_then(|place| raw.split('|').nth(place));
        match code.filter(|code| !code.is_ascii()) {
            Some(other) => Err(wrong(format!("`{other}` stands where the layout names iso2"))),
            None => Ok(()),
        }
    }

    /// Which addresses it is of.
    pub fn version(&self) -> IpVersion {
        self.version
    }

    /// Seconds since 1970 at which the file was made, as its header says.
    pub fn built_epoch(&self) -> u32 {
        self.u32_at(4).unwrap_or_default()
    }

    /// What the file says of an address; none when no segment holds it.
    pub fn lookup(&self, address: IpAddr) -> Option<XdbText<'_>> {
        let number = self.version.number(address)?;
        let block = self.block(self.version.prefix(number));
        let size = self.version.segment_bytes();
        let (mut low, mut high) = (0, block.len() / size);
        while low < high {
            let middle = low.midpoint(high);
            let segment = self.segment(block.start + middle * size)?;
            if number < segment.first {
                high = middle;
            } else if number > segment.last {
                low = middle + 1;
            } else {
                return self.raw(&segment).map(|raw| self.text(raw));
            }
        }
        None
    }

    /// Where the segments of the addresses with these first two bytes are.
    fn block(&self, prefix: usize) -> Range<usize> {
        let (first, end) = self.pair(prefix).unwrap_or_default();
        // Some makers wrote where the last segment begins in place of where it ends.
        let is_ours = |segment: Segment| self.version.prefix(segment.first) == prefix;
        let more = first != 0 && self.segment(end).is_some_and(is_ours);
        first..end + if more { self.version.segment_bytes() } else { 0 }
    }

    fn pair(&self, prefix: usize) -> Option<(usize, usize)> {
        let at = HEADER_BYTES + prefix * 8;
        Some((self.u32_at(at)? as usize, self.u32_at(at + 4)? as usize))
    }

    fn is_sound(&self, (first, end): (usize, usize)) -> bool {
        let size = self.version.segment_bytes();
        let inside = first >= HEADER_BYTES + INDEX_BYTES && end <= self.bytes.len();
        let whole = end.checked_sub(first).is_some_and(|bytes| bytes.is_multiple_of(size));
        (first, end) == (0, 0) || (inside && whole)
    }

    fn segment(&self, at: usize) -> Option<Segment> {
        let size = self.version.address_bytes();
        let bytes = self.bytes.get(at..at.checked_add(self.version.segment_bytes())?)?;
        let number = |bytes: &[u8]| match self.version {
            IpVersion::V4 => Some(u32::from_le_bytes(bytes.try_into().ok()?).into()),
            IpVersion::V6 => Some(u128::from_be_bytes(bytes.try_into().ok()?)),
        };
        let (first, last) = (number(&bytes[..size])?, number(&bytes[size..2 * size])?);
        let rest = &bytes[2 * size..];
        let start = u32::from_le_bytes(rest[2..].try_into().ok()?) as usize;
        let length = usize::from(u16::from_le_bytes([rest[0], rest[1]]));
        Some(Segment { first, last, text: (start, start.checked_add(length)?) })
    }

    fn raw(&self, segment: &Segment) -> Option<&str> {
        std::str::from_utf8(self.bytes.get(segment.text.0..segment.text.1)?).ok()
    }

    fn text<'a>(&self, raw: &'a str) -> XdbText<'a> {
        let [country, province, city, isp, iso2] = self.layout.map(|place| {
            let field = raw.split('|').nth(place?)?.trim();
            (!field.is_empty() && field != "0").then_some(field)
        });
        let letters =
            |code: &&str| code.len() == 2 && code.bytes().all(|b| b.is_ascii_alphabetic());
        XdbText { raw, country, province, city, isp, iso2: iso2.filter(letters) }
    }

    fn u32_at(&self, at: usize) -> Option<u32> {
        let bytes = self.bytes.get(at..at.checked_add(4)?)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::geo::tests::makers;

    /// First and last address of a segment, and its text.
    type Lines = &'static [(&'static str, &'static str, &'static str)];

    const OLD: Lines = &[
        ("1.0.0.0", "1.0.0.255", "美国|0|0|0|0"),
        ("1.0.1.0", "1.0.3.255", "中国|0|福建省|福州市|电信"),
        ("1.0.4.0", "1.0.4.0", "澳大利亚|0|维多利亚|墨尔本|0"),
        ("1.0.4.1", "1.0.255.255", "中国|0|广东|0|移动"),
        ("1.2.0.0", "1.2.0.1", "0|0|0|内网IP|内网IP"),
    ];
    const V4: Lines = &[
        ("1.0.0.0", "1.0.0.255", "Australia|Queensland|Brisbane|0|AU"),
        ("1.0.1.0", "1.0.3.255", "中国|福建省|福州市|电信|CN"),
        ("1.0.4.0", "1.2.0.0", "Reserved|Reserved|Reserved|0|0"),
        ("255.255.0.0", "255.255.255.255", "0|0|Reserved|Reserved|Reserved"),
    ];
    const V6: Lines = &[
        ("::", "::ffff", "0|0|Reserved|Reserved|Reserved"),
        ("2001:268::", "2001:268:ffff:ffff:ffff:ffff:ffff:ffff", "Japan|Aichi|Nagoya|KDDI|JP"),
        ("240e:3b7::", "240e:3b7:3271:ffff:ffff:ffff:ffff:ffff", "中国|上海市|上海市|电信|CN"),
        ("240e:3b7:3272::", "2410:ffff::", "中国|广东省|深圳市|移动|CN"),
        ("ffff::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "0|0|0|0|0"),
    ];

    fn read(structure: u16, lines: Lines) -> Xdb {
        let xdb = Xdb::new(makers::xdb(structure, lines), None).expect("a sound file");
        xdb.verify().expect("sound segments");
        xdb
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address in a test")
    }

    #[test]
    fn both_ends_of_every_segment_are_found() {
        for (structure, lines) in [(2, OLD), (3, V4), (3, V6)] {
            let xdb = read(structure, lines);
            for (first, last, text) in lines {
                for end in [first, last] {
                    let found = xdb.lookup(ip(end)).map(|found| found.raw);
                    assert_eq!(found, Some(*text), "{structure} {end}");
                }
            }
        }
    }

    #[test]
    fn between_and_beyond_the_segments_nothing_is_found() {
        for (structure, lines, known, unknown) in [
            (2, OLD, &["1.0.2.3"][..], &["0.0.0.0", "1.1.0.0", "1.2.0.2", "255.255.255.255"][..]),
            (3, V4, &["1.0.1.1", "1.1.77.1"], &["1.2.0.1", "0.255.255.255", "254.0.0.0"]),
            (
                3,
                V6,
                &["240e:3b7:3271:ff::", "240e:3b7:3272:0:1::", "240f::1", "2410::"],
                &["::1:0", "2001:267::", "2001:269::", "240e:3b6::", "2410:ffff::1", "fffe::1"],
            ),
        ] {
            let xdb = read(structure, lines);
            for address in known {
                assert!(xdb.lookup(ip(address)).is_some(), "{structure} {address}");
            }
            for address in unknown {
                assert_eq!(xdb.lookup(ip(address)), None, "{structure} {address}");
            }
        }
        assert_eq!(read(2, OLD).lookup(ip("240e:3b7::")), None, "a file of the other addresses");
        assert_eq!(read(3, V6).lookup(ip("1.0.1.0")), None);
    }

    #[test]
    fn the_header_says_which_addresses_and_when() {
        for (structure, lines, version) in
            [(2, OLD, IpVersion::V4), (3, V4, IpVersion::V4), (3, V6, IpVersion::V6)]
        {
            let xdb = read(structure, lines);
            assert_eq!((xdb.version(), xdb.built_epoch()), (version, makers::BUILT));
        }
        for (at, byte) in [(0, 1), (0, 4), (1, 1), (16, 0), (16, 5), (17, 1), (18, 8), (19, 1)] {
            let mut file = makers::xdb(3, V4);
            file[at] = byte;
            assert!(Xdb::new(file, None).is_err(), "{byte} at {at}");
        }
    }

    #[test]
    fn the_layout_says_which_field_is_which() {
        let old = read(2, OLD);
        let text = old.lookup(ip("1.0.2.3")).expect("found");
        assert_eq!((text.country, text.province), (Some("中国"), Some("福建省")));
        assert_eq!((text.city, text.isp, text.iso2), (Some("福州市"), Some("电信"), None));
        let new = read(3, V6);
        let text = new.lookup(ip("240f::")).expect("found");
        assert_eq!((text.province, text.city), (Some("广东省"), Some("深圳市")));
        assert_eq!((text.isp, text.iso2), (Some("移动"), Some("CN")));
        let reserved = new.lookup(ip("::1")).expect("found");
        assert_eq!((reserved.country, reserved.iso2), (None, None), "no code of a country");
        let own = &[("1.0.0.0", "1.0.0.255", "电信|CN|福州市|福建省")];
        let own = Xdb::new(makers::xdb(2, own), Some("isp|iso2|city|province")).expect("sound");
        own.verify().expect("sound");
        let text = own.lookup(ip("1.0.0.9")).expect("found");
        assert_eq!((text.iso2, text.province), (Some("CN"), Some("福建省")));
        assert_eq!((text.isp, text.country), (Some("电信"), None));
        assert!(Xdb::new(makers::xdb(2, OLD), Some("province|city")).is_err());
    }

    #[test]
    fn a_layout_that_does_not_fit_is_refused() {
        let told = |structure, lines, layout| {
            let xdb = Xdb::new(makers::xdb(structure, lines), Some(layout)).expect("a sound file");
            xdb.verify().expect_err("another layout").to_string()
        };
        let four = told(3, V4, "country|province|city|isp");
        assert!(four.contains("has 5 fields, the layout names 4"), "{four}");
        let isp = told(2, OLD, LAYOUT_3);
        assert!(isp.contains("`电信` stands where the layout names iso2"), "{isp}");
    }

    #[test]
    fn a_file_that_is_cut_off_is_refused() {
        for (structure, lines) in [(2, OLD), (3, V4), (3, V6)] {
            let whole = makers::xdb(structure, lines);
            let inside = (HEADER_BYTES + INDEX_BYTES..whole.len()).step_by(7);
            let edges = [0, 1, 4, 19, 20, 255, 256, 257, 1_000, HEADER_BYTES + INDEX_BYTES - 1];
            for length in edges.into_iter().chain(inside).chain([whole.len() - 1]) {
                let cut = Xdb::new(whole[..length].to_vec(), None);
                assert!(cut.is_err(), "{structure}: {length} of {} bytes", whole.len());
            }
        }
    }

    #[test]
    fn a_segment_out_of_its_place_is_found() {
        let sound = makers::xdb(3, V4);
        let at = HEADER_BYTES + 0x0100 * 8;
        let first = u32::from_le_bytes(sound[at..at + 4].try_into().expect("four")) as usize;
        let damaged = |at: usize, bytes: &[u8]| {
            let mut file = sound.clone();
            file[at..at + bytes.len()].copy_from_slice(bytes);
            Xdb::new(file, None).expect("a sound index").verify().is_err()
        };
        assert!(damaged(first, &[0, 0, 0, 2]), "it begins in another block");
        assert!(damaged(first + 4, &[0, 2, 0, 1]), "it ends where the next one lies");
        assert!(damaged(first + 14, &[0, 4, 0, 1]), "it begins after its end");
        assert!(damaged(first + 8, &[255, 255]), "its text is longer than the file");
        assert!(damaged(first + 10, &[255, 255, 255, 255]), "its text lies behind the file");
        let text = u32::from_le_bytes(sound[first + 10..first + 14].try_into().expect("four"));
        assert!(damaged(text as usize, &[0xff]), "its text is no text");
        assert!(!damaged(first, &[]), "as it was made");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_damaged_file_answers_or_is_refused(
            which in 0usize..3,
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            asked: (u32, u128),
        ) {
            let (structure, lines) = [(2, OLD), (3, V4), (3, V6)][which];
            let mut file = makers::xdb(structure, lines);
            // The places that say something: the header, the pairs in use, texts and segments.
            let version = [IpVersion::V4, IpVersion::V4, IpVersion::V6][which];
            let pairs = lines.iter().flat_map(|line| {
                let number = version.number(ip(line.0)).expect("of this version");
                let at = HEADER_BYTES + version.prefix(number) * 8;
                at..at + 8
            });
            let telling: Vec<usize> =
                (0..20).chain(pairs).chain(HEADER_BYTES + INDEX_BYTES..file.len()).collect();
            for (at, byte) in &damage {
                file[telling[at.index(telling.len())]] = *byte;
            }
            let Ok(xdb) = Xdb::new(file, None) else { return Ok(()) };
            let _ = xdb.verify();
            let ends = lines.iter().flat_map(|line| [ip(line.0), ip(line.1)]);
            for address in ends.chain([IpAddr::V4(asked.0.into()), IpAddr::V6(asked.1.into())]) {
                let _ = xdb.lookup(address);
            }
        }
    }
}
