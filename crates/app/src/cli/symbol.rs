//! A link as a symbol: QR or DataMatrix, as SVG that a label printer takes at any size.

use clap::ValueEnum;
use datamatrix::{DataMatrix, SymbolList};
use fast_qr::{ECL, QRBuilder};

/// Which symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Symbology {
    /// QR code, error correction M
    Qr,
    /// DataMatrix ECC 200: smaller, for metal and cables
    Datamatrix,
}

/// Draws a text; none when it does not fit.
pub fn draw(symbology: Symbology, text: &str) -> Option<String> {
    match symbology {
        Symbology::Qr => {
            let qr = QRBuilder::new(text).ecl(ECL::M).build().ok()?;
            // ISO/IEC 18004: four modules of quiet zone.
            let dark = |x: usize, y: usize| qr.data[y * qr.size + x].value();
            Some(svg(qr.size, qr.size, 4, dark))
        }
        Symbology::Datamatrix => {
            let list = SymbolList::default().enforce_square();
            let symbol = DataMatrix::encode(text.as_bytes(), list).ok()?.bitmap();
            // ISO/IEC 16022: one module of quiet zone.
            let (width, height) = (symbol.width(), symbol.height());
            Some(svg(width, height, 1, |x, y| symbol.bits()[y * width + x]))
        }
    }
}

fn svg(width: usize, height: usize, quiet: usize, dark: impl Fn(usize, usize) -> bool) -> String {
    let mut path = String::new();
    for y in 0..height {
        let mut x = 0;
        while x < width {
            let run = (x..width).take_while(|x| dark(*x, y)).count();
            if run > 0 {
                path += &format!("M{} {}h{run}v1h-{run}z", x + quiet, y + quiet);
            }
            x += run.max(1);
        }
    }
    let (whole_width, whole_height) = (width + 2 * quiet, height + 2 * quiet);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {whole_width} {whole_height}\" \
         shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0h{whole_width}v{whole_height}\
         H0z\"/><path d=\"{path}\"/></svg>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_symbols_are_drawn() {
        for symbology in [Symbology::Qr, Symbology::Datamatrix] {
            let drawn = draw(symbology, "HTTPS://ID.EXAMPLE.COM/D/23456789ABCDE").unwrap();
            assert!(drawn.starts_with("<svg ") && drawn.contains("d=\"M"), "{drawn}");
        }
        assert_eq!(draw(Symbology::Qr, &"x".repeat(5_000)), None);
    }

    #[test]
    fn a_datamatrix_reads_back() {
        let text = "https://id.example.com/01/06929141700010/21/23456789ABCDE";
        let list = SymbolList::default().enforce_square();
        let symbol = DataMatrix::encode(text.as_bytes(), list).unwrap().bitmap();
        let read = DataMatrix::decode(symbol.bits(), symbol.width()).unwrap();
        assert_eq!(read, text.as_bytes());
    }
}
