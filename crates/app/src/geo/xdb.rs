//! Reads ip2region xdb files of structure 2 (IPv4), held in memory as they are.
//!
//! Layout: a 256-byte header; at 256 one pair of pointers for each first two bytes of an address
//! (first segment, last segment); 14-byte segments (first address, last address, text length,
//! text pointer), sorted and never crossing a pair's range; texts in UTF-8. All little-endian.

use std::net::Ipv4Addr;

use super::GeoError;

const HEADER_BYTES: usize = 256;
const SEGMENT_BYTES: usize = 14;
const INDEX_BYTES: usize = 256 * 256 * 8;
/// Which field of a text is which, by name.
const FIELDS: [&str; 4] = ["country", "province", "city", "isp"];

/// An xdb file.
pub struct Xdb {
    bytes: Vec<u8>,
    /// Place of country, province, city and ISP in a text.
    layout: [Option<usize>; 4],
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
}

impl Xdb {
    /// Takes a file of which each text has the fields `layout` names, as in
    /// `country|area|province|city|isp`. The field count alone never tells the layout.
    ///
    /// # Errors
    /// [`GeoError::Format`] when it is no such file or the layout has no `country`.
    pub fn new(bytes: Vec<u8>, layout: &str) -> Result<Self, GeoError> {
        let wrong = |what: &str| GeoError::Format(format!("xdb: {what}"));
        let names: Vec<&str> = layout.split('|').map(str::trim).collect();
        let layout = FIELDS.map(|field| names.iter().position(|n| *n == field));
        if layout[0].is_none() {
            return Err(wrong("the layout names no country"));
        }
        let version = bytes.get(..2).map(|v| u16::from_le_bytes([v[0], v[1]]));
        if version != Some(2) || bytes.len() < HEADER_BYTES + INDEX_BYTES {
            return Err(wrong("not a file of structure 2"));
        }
        Ok(Self { bytes, layout })
    }

    /// Seconds since 1970 at which the file was made, as its header says.
    pub fn built_epoch(&self) -> u32 {
        self.u32_at(4).unwrap_or_default()
    }

    /// What the file says of an address; none when no segment holds it.
    pub fn lookup(&self, address: Ipv4Addr) -> Option<XdbText<'_>> {
        let ip = u32::from(address);
        let pair = HEADER_BYTES + (ip >> 16) as usize * 8;
        let first = self.u32_at(pair)? as usize;
        let last = self.u32_at(pair + 4)? as usize;
        if first == 0 {
            return None;
        }
        // The bounds are both inclusive: a loop on `low < high` would never look at the last one.
        let mut low = 0usize;
        let mut high = last.checked_sub(first)? / SEGMENT_BYTES;
        while low <= high {
            let middle = (low + high) / 2;
            let at = first + middle * SEGMENT_BYTES;
            if ip < self.u32_at(at)? {
                high = middle.checked_sub(1)?;
            } else if ip > self.u32_at(at + 4)? {
                low = middle + 1;
            } else {
                return self.text(at);
            }
        }
        None
    }

    fn text(&self, segment: usize) -> Option<XdbText<'_>> {
        let length = self.bytes.get(segment + 8..segment + 10)?;
        let length = usize::from(u16::from_le_bytes([length[0], length[1]]));
        let start = self.u32_at(segment + 10)? as usize;
        let raw = std::str::from_utf8(self.bytes.get(start..start.checked_add(length)?)?).ok()?;
        let [country, province, city, isp] = self.layout.map(|place| {
            let field = raw.split('|').nth(place?)?.trim();
            (!field.is_empty() && field != "0").then_some(field)
        });
        Some(XdbText { raw, country, province, city, isp })
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

    const LAYOUT: &str = "country|area|province|city|isp";

    /// An xdb of the given segments; each stays within one /16.
    fn build(segments: &[(&str, &str, &str)]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES + INDEX_BYTES];
        bytes[0] = 2;
        let mut texts = Vec::new();
        for (_, _, text) in segments {
            texts.push((bytes.len() as u32, text.len() as u16));
            bytes.extend_from_slice(text.as_bytes());
        }
        for ((from, to, _), (pointer, length)) in segments.iter().zip(texts) {
            let [from, to] = [from, to].map(|a| u32::from(a.parse::<Ipv4Addr>().expect("valid")));
            let at = bytes.len() as u32;
            let pair = HEADER_BYTES + (from >> 16) as usize * 8;
            if bytes[pair..pair + 4] == [0; 4] {
                bytes[pair..pair + 4].copy_from_slice(&at.to_le_bytes());
            }
            bytes[pair + 4..pair + 8].copy_from_slice(&at.to_le_bytes());
            bytes.extend_from_slice(&from.to_le_bytes());
            bytes.extend_from_slice(&to.to_le_bytes());
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(&pointer.to_le_bytes());
        }
        bytes
    }

    fn tiny() -> Xdb {
        let file = build(&[
            ("1.0.0.0", "1.0.0.255", "美国|0|0|0|0"),
            ("1.0.1.0", "1.0.3.255", "中国|0|福建省|福州市|电信"),
            ("1.0.4.0", "1.0.4.0", "澳大利亚|0|维多利亚|墨尔本|0"),
            ("1.0.4.1", "1.0.255.255", "中国|0|广东|0|移动"),
            ("1.2.0.0", "1.2.0.1", "0|0|0|内网IP|内网IP"),
        ]);
        Xdb::new(file, LAYOUT).expect("a sound file")
    }

    #[test]
    fn both_ends_of_every_segment_are_found() {
        let xdb = tiny();
        for (address, country) in [
            ("1.0.0.0", Some("美国")),
            ("1.0.0.255", Some("美国")),
            ("1.0.1.0", Some("中国")),
            ("1.0.3.255", Some("中国")),
            ("1.0.4.0", Some("澳大利亚")),
            ("1.0.4.1", Some("中国")),
            ("1.0.255.255", Some("中国")),
            ("1.2.0.1", None),
            ("1.2.0.2", None),
            ("1.1.0.0", None),
            ("0.0.0.0", None),
            ("255.255.255.255", None),
        ] {
            let found = xdb.lookup(address.parse().expect("valid"));
            assert_eq!(found.and_then(|t| t.country), country, "{address}");
        }
    }

    #[test]
    fn the_layout_says_which_field_is_which() {
        let found = tiny().lookup(Ipv4Addr::new(1, 0, 2, 3)).map(|t| t.raw.to_owned());
        assert_eq!(found.as_deref(), Some("中国|0|福建省|福州市|电信"));
        let newer = build(&[("1.0.0.0", "1.0.0.255", "中国|福建省|福州市|电信|CN")]);
        let newer = Xdb::new(newer, "country|province|city|isp|iso2").expect("a sound file");
        let text = newer.lookup(Ipv4Addr::new(1, 0, 0, 9)).expect("found");
        assert_eq!((text.province, text.isp), (Some("福建省"), Some("电信")));
        assert!(Xdb::new(build(&[]), "province|city").is_err());
    }

    #[test]
    fn a_broken_file_is_refused() {
        assert!(Xdb::new(vec![], LAYOUT).is_err());
        assert!(Xdb::new(vec![3; 600_000], LAYOUT).is_err());
        assert!(Xdb::new(build(&[])[..1000].to_vec(), LAYOUT).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_answer_without_panic(
            noise in prop::collection::vec(any::<u8>(), 8..64),
            ip: u32,
        ) {
            let mut bytes = build(&[("1.0.0.0", "1.0.0.255", "美国|0|0|0|0")]);
            let pair = HEADER_BYTES + (ip >> 16) as usize * 8;
            bytes[pair..pair + 8].copy_from_slice(&noise[..8]);
            bytes.extend_from_slice(&noise);
            let _ = Xdb::new(bytes, LAYOUT).expect("the header is sound").lookup(ip.into());
        }
    }
}
