//! Codes as pictures: QR and DataMatrix, drawn as one path of unit squares in SVG.

use std::fmt::Write as _;

/// Modules of quiet zone around a QR code (ISO/IEC 18004 §6.3.8) and a DataMatrix symbol
/// (ISO/IEC 16022 §7.4 asks for one; two survive bad printers).
const QUIET_QR: usize = 4;
const QUIET_DATAMATRIX: usize = 2;

/// Which picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symbol {
    /// QR code, error correction M.
    Qr,
    /// DataMatrix ECC 200.
    DataMatrix,
}

impl Symbol {
    /// Reads its name.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "qr" => Some(Self::Qr),
            "datamatrix" => Some(Self::DataMatrix),
            _ => None,
        }
    }

    /// Draws a text. `None` when it does not fit into any symbol.
    pub fn draw(self, text: &str) -> Option<String> {
        match self {
            Self::Qr => {
                let qr = fast_qr::QRBuilder::new(text).ecl(fast_qr::ECL::M).build().ok()?;
                let dark = |x: usize, y: usize| qr[y][x].value();
                Some(svg(qr.size, qr.size, QUIET_QR, dark))
            }
            Self::DataMatrix => {
                let sizes = datamatrix::SymbolList::default();
                let symbol = datamatrix::DataMatrix::encode(text.as_bytes(), sizes).ok()?;
                let bitmap = symbol.bitmap();
                let (width, height) = (bitmap.width(), bitmap.height());
                let dark: std::collections::HashSet<_> = bitmap.pixels().collect();
                let dark = |x, y| dark.contains(&(x, y));
                Some(svg(width, height, QUIET_DATAMATRIX, dark))
            }
        }
    }
}

fn svg(width: usize, height: usize, quiet: usize, dark: impl Fn(usize, usize) -> bool) -> String {
    let (w, h) = (width + 2 * quiet, height + 2 * quiet);
    let mut path = String::new();
    for y in 0..height {
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
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" \
         shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0h{w}v{h}H0z\"/>\
         <path d=\"{path}\"/></svg>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_squares_of_their_kind() {
        let qr = Symbol::Qr.draw("HTTPS://EXAMPLE.CN/D/X8K29M4PLQ7RW").unwrap();
        // Version 2 at level M: 25 modules and a quiet zone of four on each side.
        assert!(qr.contains("viewBox=\"0 0 33 33\""), "{qr}");
        let matrix = Symbol::DataMatrix.draw("X8K29M4PLQ7RW").unwrap();
        assert!(matrix.starts_with("<svg") && matrix.contains("h1v1"), "{matrix}");
        assert!(Symbol::Qr.draw(&"x".repeat(5_000)).is_none());
    }
}
