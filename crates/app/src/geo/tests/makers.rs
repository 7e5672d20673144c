//! Makes small geodata files as their formats are published: xdb by `maker/golang/xdb` of
//! `lionsoul2014/ip2region`, mmdb by the specification of the MaxMind DB format 2.0.

use std::net::IpAddr;

/// Second at which an xdb was made: 2025-09-06.
pub const BUILT: u32 = 1_757_116_800;

/// An address as a number, and whether it is of IPv6.
fn number(text: &str) -> (u128, bool) {
    match text.parse().expect("an address in a test") {
        IpAddr::V4(address) => (u32::from(address).into(), false),
        IpAddr::V6(address) => (address.into(), true),
    }
}

/// An xdb of segments in order: first address, last address, text. Each is split by the first two
/// bytes of its addresses, as upstream does.
pub fn xdb(structure: u16, segments: &[(&str, &str, &str)]) -> Vec<u8> {
    let is_v6 = segments.iter().any(|segment| number(segment.0).1);
    let (shift, size): (u32, u32) = if is_v6 { (112, 38) } else { (16, 14) };
    let mut file = vec![0; 256 + 256 * 256 * 8];
    file[..2].copy_from_slice(&structure.to_le_bytes());
    file[2] = 1;
    file[4..8].copy_from_slice(&BUILT.to_le_bytes());
    if structure == 3 {
        file[16] = if is_v6 { 6 } else { 4 };
        file[18] = 4;
    }
    let mut texts = Vec::new();
    for (_, _, text) in segments {
        texts.push((file.len() as u32, text.len() as u16));
        file.extend_from_slice(text.as_bytes());
    }
    let start = file.len() as u32;
    for ((first, last, _), (pointer, length)) in segments.iter().zip(texts) {
        let (first, last) = (number(first).0, number(last).0);
        for prefix in (first >> shift)..=(last >> shift) {
            let begin = prefix << shift;
            let piece = [first.max(begin), last.min(begin | ((1u128 << shift) - 1))];
            let (at, pair) = (file.len() as u32, 256 + prefix as usize * 8);
            if file[pair..pair + 4] == [0; 4] {
                file[pair..pair + 4].copy_from_slice(&at.to_le_bytes());
            }
            file[pair + 4..pair + 8].copy_from_slice(&(at + size).to_le_bytes());
            for address in piece {
                if is_v6 {
                    file.extend_from_slice(&address.to_be_bytes());
                } else {
                    file.extend_from_slice(&(address as u32).to_le_bytes());
                }
            }
            file.extend_from_slice(&length.to_le_bytes());
            file.extend_from_slice(&pointer.to_le_bytes());
        }
    }
    let end = file.len() as u32 - size;
    file[8..12].copy_from_slice(&start.to_le_bytes());
    file[12..16].copy_from_slice(&end.to_le_bytes());
    file
}

/// A value of an mmdb.
#[derive(Clone, Debug)]
pub enum Value {
    /// UTF-8.
    Text(&'static str),
    /// Names and values.
    Map(Vec<(&'static str, Self)>),
    /// Values.
    List(Vec<Self>),
    /// Its type in the format, and the number.
    Number(u8, u64),
}

const UINT16: u8 = 5;
const UINT32: u8 = 6;
const UINT64: u8 = 9;

impl Value {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => {
                control(2, text.len(), out);
                out.extend_from_slice(text.as_bytes());
            }
            Self::Map(fields) => {
                control(7, fields.len(), out);
                for (name, value) in fields {
                    Self::Text(name).write(out);
                    value.write(out);
                }
            }
            Self::List(values) => {
                control(11, values.len(), out);
                values.iter().for_each(|value| value.write(out));
            }
            Self::Number(kind, number) => {
                let bytes = number.to_be_bytes();
                let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
                control(*kind, bytes.len() - zeros, out);
                out.extend_from_slice(&bytes[zeros..]);
            }
        }
    }
}

/// The bytes before a value: its type and how long it is.
fn control(kind: u8, length: usize, out: &mut Vec<u8>) {
    let (short, longer) = match length {
        0..29 => (length as u8, None),
        _ => (29, Some((length - 29) as u8)),
    };
    match kind {
        0..8 => out.push((kind << 5) | short),
        _ => out.extend_from_slice(&[short, kind - 7]),
    }
    out.extend(longer);
}

/// Where a branch of the tree leads.
#[derive(Clone, Copy)]
enum Branch {
    Nowhere,
    Node(usize),
    Data(usize),
}

/// An mmdb of this type with records of this many bits, of networks that do not overlap. Of IPv6
/// if one of them is; IPv4 then stands below `::/96`.
pub fn mmdb(kind: &'static str, bits: u16, networks: &[(&str, usize, Value)]) -> Vec<u8> {
    mmdb_told((kind, ""), bits, networks)
}

/// The same with a description of itself, unless that is empty.
pub fn mmdb_told(
    (kind, told): (&'static str, &'static str),
    bits: u16,
    networks: &[(&str, usize, Value)],
) -> Vec<u8> {
    let is_v6 = networks.iter().any(|network| number(network.0).1);
    let (mut nodes, mut data) = (vec![[Branch::Nowhere; 2]], Vec::new());
    for (address, length, value) in networks {
        let (address, of_v6) = number(address);
        let (path, length) = match (of_v6, is_v6) {
            (true, _) => (address, *length),
            (false, true) => (address, 96 + *length),
            (false, false) => (address << 96, *length),
        };
        let mut node = 0;
        for depth in 0..length {
            let side = ((path >> (127 - depth)) & 1) as usize;
            if depth + 1 == length {
                nodes[node][side] = Branch::Data(data.len());
            } else if let Branch::Node(next) = nodes[node][side] {
                node = next;
            } else {
                nodes.push([Branch::Nowhere; 2]);
                nodes[node][side] = Branch::Node(nodes.len() - 1);
                node = nodes.len() - 1;
            }
        }
        value.write(&mut data);
    }
    let mut file = Vec::new();
    for sides in &nodes {
        let [left, right] = sides.map(|side| match side {
            Branch::Nowhere => nodes.len() as u32,
            Branch::Node(node) => node as u32,
            Branch::Data(at) => (nodes.len() + 16 + at) as u32,
        });
        let ([a, left @ ..], [b, right @ ..]) = (left.to_be_bytes(), right.to_be_bytes());
        match bits {
            24 => file.extend([left, right].concat()),
            28 => file.extend([&left[..], &[(a << 4) | b], &right[..]].concat()),
            _ => file.extend([&[a][..], &left[..], &[b], &right[..]].concat()),
        }
    }
    file.extend([0; 16]);
    file.append(&mut data);
    file.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    let number = |kind, number: usize| Value::Number(kind, number as u64);
    let told = Some(("en", Value::Text(told))).filter(|_| !told.is_empty());
    let metadata = Value::Map(vec![
        ("binary_format_major_version", number(UINT16, 2)),
        ("binary_format_minor_version", number(UINT16, 0)),
        ("build_epoch", number(UINT64, BUILT as usize)),
        ("database_type", Value::Text(kind)),
        ("description", Value::Map(told.into_iter().collect())),
        ("ip_version", number(UINT16, if is_v6 { 6 } else { 4 })),
        ("languages", Value::List(vec![])),
        ("node_count", number(UINT32, nodes.len())),
        ("record_size", number(UINT16, bits.into())),
    ]);
    metadata.write(&mut file);
    file
}
