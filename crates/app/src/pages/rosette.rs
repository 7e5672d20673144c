//! The dossier rosette: a line ornament computed from a 32-byte digest of the unit.
//!
//! The same digest gives the same figure on the label and on the page, so a person can compare
//! them. It is an ornament and a weak check, never the proof. The digest is the caller's (a keyed
//! function of the unit number); this file only draws.

use std::fmt;

use askama::filters::HtmlSafe;

/// One ring of equal ellipses, turned around the centre.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ring {
    count: u16,
    /// Distance of each ellipse from the centre; zero makes a star, more makes a woven band.
    offset: u16,
    radius_x: u16,
    radius_y: u16,
    /// Where the first one stands, in tenths of a degree.
    phase: u16,
}

/// A figure of three rings, at home in a box of 200 × 200 around the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rosette {
    rings: [Ring; 3],
}

/// A number of `low..=high` from one byte.
fn pick(byte: u8, low: u16, high: u16) -> u16 {
    low + u16::from(byte) % (high - low + 1)
}

/// The figure of a digest. Counts differ by eye (13 petals are not 17), so the count, the shape
/// and the turn of each ring come from bytes of their own.
#[must_use]
pub fn rosette(digest: &[u8; 32]) -> Rosette {
    let outer = Ring {
        count: pick(digest[0], 7, 12) * 2 + 1,
        offset: 0,
        radius_x: 96,
        radius_y: pick(digest[1], 8, 22),
        phase: pick(digest[2], 0, 119),
    };
    let band_radius = pick(digest[4], 16, 26);
    let band = Ring {
        count: pick(digest[3], 6, 10) * 2,
        offset: 62 - band_radius,
        radius_x: band_radius,
        radius_y: pick(digest[5], 10, 26),
        phase: pick(digest[6], 0, 179),
    };
    let heart = Ring {
        count: pick(digest[7], 3, 6) * 2 + 1,
        offset: 0,
        radius_x: pick(digest[8], 24, 32),
        radius_y: pick(digest[9], 5, 12),
        phase: pick(digest[10], 0, 239),
    };
    Rosette { rings: [outer, band, heart] }
}

impl fmt::Display for Rosette {
    /// An SVG element without colour: `.rosette` of the sheet gives line and strength.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(r#"<svg class="rosette" viewBox="-100 -100 200 200" aria-hidden="true">"#)?;
        for ring in &self.rings {
            // A star repeats after half a turn, a woven band only after a whole one.
            let turn: u32 = if ring.offset == 0 { 1800 } else { 3600 };
            for index in 0..ring.count {
                let step = turn * u32::from(index) / u32::from(ring.count);
                let angle = (u32::from(ring.phase) + step) / 10;
                write!(out, r#"<ellipse rx="{}" ry="{}""#, ring.radius_x, ring.radius_y)?;
                if ring.offset > 0 {
                    write!(out, r#" cx="{}""#, ring.offset)?;
                }
                write!(out, r#" transform="rotate({angle})"/>"#)?;
            }
        }
        out.write_str("</svg>")
    }
}

/// Numbers only.
impl HtmlSafe for Rosette {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_digest_one_figure_and_another_digest_another() {
        assert_eq!(rosette(&[7; 32]), rosette(&[7; 32]));
        let mut other = [7; 32];
        other[3] = 8;
        assert_ne!(rosette(&[7; 32]).to_string(), rosette(&other).to_string());
    }

    #[test]
    fn every_figure_stays_inside_its_box() {
        for byte in 0..=255 {
            for ring in rosette(&[byte; 32]).rings {
                assert!(ring.offset + ring.radius_x <= 100, "{ring:?}");
                assert!(ring.radius_y <= 100 && ring.count <= 25, "{ring:?}");
            }
        }
    }
}
