//! Pages worth a visit, and how they are printed in a terminal.

use super::World;
use domain::code::TraceCode;
use domain::verdict::Verdict;
use std::fmt::Write as _;

/// What a page of the demo shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Genuine and in use.
    Genuine,
    /// In a shop, not started yet.
    NotActivated,
    /// Genuine, started where its distributor may not sell. Consumers are not told.
    OutsideTerritory,
    /// Its code was copied.
    Copied,
    /// Under recall.
    Recalled,
    /// No code of the brand.
    Forged,
    /// Reported stolen.
    Stolen,
    /// Taken out of use.
    Retired,
    /// Printed, worn by no unit.
    NotReleased,
    /// On a reel that was lost.
    Voided,
}

impl State {
    /// Every state, in the order they are shown.
    pub const ALL: [Self; 10] = [
        Self::Genuine,
        Self::NotActivated,
        Self::OutsideTerritory,
        Self::Copied,
        Self::Recalled,
        Self::Forged,
        Self::Stolen,
        Self::Retired,
        Self::NotReleased,
        Self::Voided,
    ];

    /// The word machines know it by.
    pub fn key(self) -> &'static str {
        match self {
            Self::Genuine => "genuine",
            Self::NotActivated => "not_activated",
            Self::OutsideTerritory => "outside_territory",
            Self::Copied => "check",
            Self::Recalled => "recalled",
            Self::Forged => "forged",
            Self::Stolen => "stolen",
            Self::Retired => "retired",
            Self::NotReleased => "not_released",
            Self::Voided => "voided",
        }
    }

    /// What it is called: in Chinese, in English.
    pub fn titles(self) -> (&'static str, &'static str) {
        match self {
            Self::Genuine => ("正品，使用中", "genuine, in use"),
            Self::NotActivated => ("正品，待激活", "not yet activated"),
            Self::OutsideTerritory => ("区域外激活", "activated outside its territory"),
            Self::Copied => ("码被复制", "copied code"),
            Self::Recalled => ("召回", "recalled"),
            Self::Forged => ("伪造码", "forged code"),
            Self::Stolen => ("已挂失", "reported stolen"),
            Self::Retired => ("已停用", "taken out of use"),
            Self::NotReleased => ("尚未出厂", "not released"),
            Self::Voided => ("标签作废", "label voided"),
        }
    }

    /// The verdict its page gives.
    pub fn verdict(self) -> Verdict {
        match self {
            Self::Genuine | Self::OutsideTerritory => Verdict::Genuine,
            Self::NotActivated => Verdict::NotActivated,
            Self::Copied => Verdict::Check,
            Self::Recalled => Verdict::Recalled,
            Self::Forged => Verdict::Forged,
            Self::Stolen => Verdict::Stolen,
            Self::Retired | Self::Voided => Verdict::Retired,
            Self::NotReleased => Verdict::NotReleased,
        }
    }
}

/// A page to look at.
#[derive(Clone, Debug, PartialEq)]
pub struct DemoLink {
    /// What it shows.
    pub state: State,
    /// Its code, without hyphens.
    pub code: String,
}

impl DemoLink {
    /// A link to the page of a code.
    pub fn new(state: State, code: &TraceCode) -> Self {
        Self { state, code: code.as_str().to_owned() }
    }

    /// `/d/CODE`.
    pub fn path(&self) -> String {
        format!("/d/{}", self.code)
    }
}

/// The links in Chinese and English, one a line, aligned for a terminal in which a Chinese
/// character is two columns wide. `base_url` is without a slash at its end.
pub fn demo_links_text(world: &World, base_url: &str) -> String {
    let base_url = base_url.trim_end_matches('/');
    let shown = |state: &State| world.link(*state).map(|link| (state.titles(), link.path()));
    let rows: Vec<_> = State::ALL.iter().filter_map(shown).collect();
    let widest = |pick: fn(&(&'static str, &'static str)) -> &'static str| {
        rows.iter().map(|(titles, _)| columns(pick(titles))).max().unwrap_or(0)
    };
    let (zh, en) = (widest(|t| t.0), widest(|t| t.1));
    let mut text = String::new();
    for ((title_zh, title_en), path) in &rows {
        let gap_zh = " ".repeat(zh - columns(title_zh) + 2);
        let gap_en = " ".repeat(en - columns(title_en) + 2);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {title_zh}{gap_zh}{title_en}{gap_en}{base_url}{path}");
    }
    text
}

/// Columns of a text in a terminal: two for ideographs and full-width forms, else one.
fn columns(text: &str) -> usize {
    let wide = |c: char| {
        matches!(c, '\u{1100}'..='\u{115F}' | '\u{2E80}'..='\u{A4CF}' | '\u{AC00}'..='\u{D7A3}'
            | '\u{F900}'..='\u{FAFF}' | '\u{FE30}'..='\u{FE6F}' | '\u{FF00}'..='\u{FF60}'
            | '\u{FFE0}'..='\u{FFE6}' | '\u{20000}'..='\u{3FFFD}')
    };
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn links_stand_in_columns() {
        let code = TraceCode::BLANK;
        let world = World {
            brand_code: "X".to_owned(),
            links: State::ALL.map(|state| DemoLink::new(state, &code)).to_vec(),
            diverters: Vec::new(),
            party_count: 0,
            unit_count: 0,
            activated_count: 0,
            outside: BTreeMap::new(),
            started: BTreeMap::new(),
            spent: BTreeMap::new(),
        };
        let text = demo_links_text(&world, "http://localhost:8080/");
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), State::ALL.len());
        let before = |line: &&str| columns(line.split("http").next().unwrap_or_default());
        assert!(lines.iter().map(before).all(|c| c == before(&lines[0])), "{text}");
        assert!(lines[0].ends_with(&format!("http://localhost:8080/d/{}", code.as_str())));
    }
}
