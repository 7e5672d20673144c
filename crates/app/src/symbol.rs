//! A link as a picture: QR or DataMatrix, one path of unit squares in SVG, which a label printer
//! takes at any size.

use datamatrix::{DataMatrix, SymbolList};
use fast_qr::{ECL, QRBuilder};
use std::fmt::Write as _;

/// Modules of quiet zone around a QR code (ISO/IEC 18004 §6.3.8).
const QUIET_QR: usize = 4;
/// Around a DataMatrix symbol: ISO/IEC 16022 §7.4 asks for one; two survive bad printers.
const QUIET_DATAMATRIX: usize = 2;

/// Which picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Symbol {
    /// QR code, error correction M
    Qr,
    /// DataMatrix ECC 200, square: smaller, for metal and cables
    Datamatrix,
}

impl Symbol {
    /// Reads its name: `qr` or `datamatrix`.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "qr" => Some(Self::Qr),
            "datamatrix" => Some(Self::Datamatrix),
            _ => None,
        }
    }

    /// Draws a text. `None` when it does not fit into any symbol.
    pub fn draw(self, text: &str) -> Option<String> {
        match self {
            Self::Qr => {
                let qr = QRBuilder::new(text).ecl(ECL::M).build().ok()?;
                Some(svg(qr.size, QUIET_QR, |x, y| qr[y][x].value()))
            }
            Self::Datamatrix => {
                let squares = SymbolList::default().enforce_square();
                let symbol = DataMatrix::encode(text.as_bytes(), squares).ok()?.bitmap();
                let width = symbol.width();
                Some(svg(width, QUIET_DATAMATRIX, |x, y| symbol.bits()[y * width + x]))
            }
        }
    }
}

/// A square of `width` modules and its quiet zone; neighbours in a row are one stroke.
fn svg(width: usize, quiet: usize, dark: impl Fn(usize, usize) -> bool) -> String {
    let mut path = String::new();
    for y in 0..width {
        let mut x = 0;
        while x < width {
            let run = (x..width).take_while(|x| dark(*x, y)).count();
            if run > 0 {
                // Writing into a String cannot fail.
                let _ = write!(path, "M{} {}h{run}v1h-{run}z", x + quiet, y + quiet);
            }
            x += run.max(1);
        }
    }
    let whole = width + 2 * quiet;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {whole} {whole}\" \
         shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0h{whole}v{whole}H0z\"/>\
         <path d=\"{path}\"/></svg>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The modules of a drawn symbol with its quiet zone, read back from the SVG itself.
    fn modules(svg: &str) -> (usize, Vec<bool>) {
        let after = |text: &'_ str, mark: &str| text.split(mark).nth(1).unwrap().to_owned();
        let box_of = after(svg, "viewBox=\"0 0 ");
        let whole: usize = box_of.split(' ').next().unwrap().parse().unwrap();
        let path = after(svg.rsplit("<path").next().unwrap(), "d=\"");
        let path = path.split('"').next().unwrap();
        let mut dark = vec![false; whole * whole];
        for stroke in path.split('M').filter(|s| !s.is_empty()) {
            let (at, rest) = stroke.split_once('h').unwrap();
            let (x, y) = at.split_once(' ').unwrap();
            let run: usize = rest.split('v').next().unwrap().parse().unwrap();
            let start = y.parse::<usize>().unwrap() * whole + x.parse::<usize>().unwrap();
            dark[start..start + run].fill(true);
        }
        (whole, dark)
    }

    fn read_qr(svg: &str) -> String {
        const SCALE: usize = 4;
        let (whole, dark) = modules(svg);
        let pixel = |x: usize, y: usize| {
            if dark[y / SCALE * whole + x / SCALE] { 0 } else { 255 }
        };
        let side = whole * SCALE;
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(side, side, pixel);
        let grids = image.detect_grids();
        grids.first().expect("a QR code is seen").decode().expect("it reads").1
    }

    fn read_datamatrix(svg: &str) -> String {
        let (whole, dark) = modules(svg);
        let inner = QUIET_DATAMATRIX..whole - QUIET_DATAMATRIX;
        let row = |y: usize| inner.clone().map(move |x| y * whole + x);
        let bits: Vec<bool> = inner.clone().flat_map(row).map(|i| dark[i]).collect();
        String::from_utf8(DataMatrix::decode(&bits, inner.len()).expect("it reads")).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_drawn_reads_back(
            host in "[a-z]{3,20}\\.(com|cn)",
            code in "[2-9A-HJ-NP-Z]{13}",
        ) {
            let links = [
                format!("https://{host}/01/06929141700010/21/{code}"),
                format!("HTTPS://{}/D/{code}", host.to_uppercase()),
            ];
            for link in links {
                prop_assert_eq!(&read_qr(&Symbol::Qr.draw(&link).unwrap()), &link);
                prop_assert_eq!(&read_datamatrix(&Symbol::Datamatrix.draw(&link).unwrap()), &link);
            }
        }
    }

    #[test]
    fn a_short_link_makes_a_small_code() {
        let qr = Symbol::Qr.draw("HTTPS://EXAMPLE.CN/D/X8K29M4PLQ7RW").unwrap();
        // Version 2 at level M: 25 modules and a quiet zone of four on each side.
        assert!(qr.contains("viewBox=\"0 0 33 33\""), "{qr}");
        assert!(Symbol::Qr.draw(&"x".repeat(5_000)).is_none());
    }
}
