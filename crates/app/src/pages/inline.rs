//! What every public page carries inside itself: one style sheet, one script, the icons.
//!
//! The sheet and the script are the same bytes on each page, so the content security policy can
//! name them by hash ([`style_source`], [`script_source`]) and needs no `unsafe-inline`. There are
//! no `style` attributes anywhere.

use std::fmt;
use std::sync::LazyLock;

use askama::filters::HtmlSafe;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest, Sha256};

static CSS: LazyLock<String> = LazyLock::new(|| squeeze(include_str!("../../assets/public.css")));
static SCRIPT: LazyLock<String> = LazyLock::new(|| squeeze(include_str!("../../assets/copy.js")));

static PROOF: LazyLock<String> = LazyLock::new(|| squeeze(include_str!("../../assets/proof.js")));

/// The style sheet, exactly as it stands between the `<style>` tags.
#[must_use]
pub fn css() -> &'static str {
    &CSS
}

/// The script, exactly as it stands between the `<script>` tags.
#[must_use]
pub fn script() -> &'static str {
    &SCRIPT
}

/// The script of the page that checks proofs, exactly as it stands between its tags.
#[must_use]
pub fn proof_script() -> &'static str {
    &PROOF
}

/// The `style-src` source of the sheet: `'sha256-…'`.
#[must_use]
pub fn style_source() -> String {
    source(css())
}

/// The `script-src` sources of the scripts, every page's and that of the page that checks proofs.
#[must_use]
pub fn script_source() -> String {
    format!("{} {}", source(script()), source(proof_script()))
}

fn source(text: &str) -> String {
    format!("'sha256-{}'", BASE64.encode(Sha256::digest(text)))
}

/// Drops whole-line comments, indentation and line ends. The source files keep to what this
/// small rule can take: a comment has lines of its own, and no line needs its end.
fn squeeze(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !(line.starts_with("/*") && line.ends_with("*/"))).collect()
}

/// Icons by name, each a file of `assets/vendor/lucide`.
macro_rules! icons {
    ($($name:ident $file:literal $doc:literal;)*) => {
        /// An outline icon. It is decoration: the word beside it carries the meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Icon { $(#[doc = $doc] $name,)* }

        impl Icon {
            #[cfg(test)]
            pub(super) const ALL: &[Self] = &[$(Self::$name,)*];

            /// The vendored file as it came.
            #[must_use]
            pub fn file(self) -> &'static str {
                match self {
                    $(Self::$name =>
                        include_str!(concat!("../../assets/vendor/lucide/", $file, ".svg")),)*
                }
            }
        }
    };
}

icons! {
    Genuine "shield-check" "A verified shield.";
    Look "shield-alert" "A shield that asks for a look.";
    Refused "shield-x" "A crossed shield.";
    Banned "shield-ban" "A barred shield.";
    Off "shield-off" "A shield switched off.";
    Offline "cloud-off" "No answer from behind.";
    Good "circle-check" "A passed check.";
    Warn "triangle-alert" "A check to look at.";
    Bad "circle-x" "A failed check.";
    Note "circle-alert" "An error beside a field.";
    Copy "copy" "Copy to the clipboard.";
    Phone "phone" "Call.";
    Navigate "navigation" "Show the way.";
    Report "flag" "Report a suspicion.";
    Place "map-pin" "A place.";
    Register "clipboard-check" "Register for warranty.";
    Down "chevron-down" "Show more.";
    Scan "scan-line" "A scan.";
    Activated "zap" "First activation.";
    Factory "factory" "Production.";
    Box "package" "Packing.";
    Truck "truck" "A shipment.";
    Shop "store" "A shop.";
    Repair "wrench" "A repair.";
    Inspected "badge-check" "An inspection passed.";
    Person "user-check" "A consumer bound.";
    Return "rotate-ccw" "A return or a new life.";
    Ban "ban" "Taken out of use.";
    Clock "clock" "Wait.";
    Again "refresh-cw" "Try again.";
    Back "arrow-left" "Back.";
}

impl fmt::Display for Icon {
    /// Only the drawing: the outer element of each file is the same and is written short.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner =
            self.file().split_once("stroke-linejoin=\"round\"\n>").map_or("", |file| file.1);
        out.write_str(r#"<svg class="i" viewBox="0 0 24 24" aria-hidden="true">"#)?;
        for line in inner.trim_end().trim_end_matches("</svg>").lines() {
            out.write_str(line.trim())?;
        }
        out.write_str("</svg>")
    }
}

/// Icons are our own files, never input.
impl HtmlSafe for Icon {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_icon_draws_something() {
        for icon in Icon::ALL {
            let drawn = icon.to_string();
            let shapes = ["<path", "<polygon", "<circle", "<rect", "<line"];
            assert!(shapes.iter().any(|shape| drawn.contains(shape)), "{icon:?}: {drawn}");
            assert_eq!(drawn.matches("<svg").count(), drawn.matches("</svg>").count());
        }
    }

    #[test]
    fn the_vendored_icons_are_the_files_the_manifest_names() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/vendor/lucide");
        let read = |name: &str| std::fs::read(format!("{folder}/{name}")).expect(name);
        let manifest = String::from_utf8(read("SHA256SUMS")).expect("text");
        let mut named = Vec::new();
        for line in manifest.lines() {
            let (sum, name) = line.split_once("  ").expect("a sum and a name");
            let digest = Sha256::digest(read(name));
            let found: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(sum, found, "{name} is not the file that was vendored");
            named.push(name.to_owned());
        }
        for entry in std::fs::read_dir(folder).expect("the folder") {
            let name = entry.expect("an entry").file_name().into_string().expect("a name");
            assert!(name == "SHA256SUMS" || named.contains(&name), "{name} is in no manifest");
        }
        assert!(named.iter().any(|name| name == "LICENSE"));
        let icons: Vec<_> = Icon::ALL.iter().map(|icon| icon.file().as_bytes()).collect();
        for name in named.iter().filter(|name| name.ends_with(".svg")) {
            assert!(icons.contains(&read(name).as_slice()), "{name} is used by no icon");
        }
    }

    #[test]
    fn the_inline_blocks_cannot_end_their_own_element() {
        assert!(!css().contains('<') && !css().contains("/*"));
        assert!(!script().contains("</") && !script().contains("//"));
    }
}
