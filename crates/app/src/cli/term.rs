//! The terminal: columns that stay aligned with Chinese in them, colour where it is wanted, a
//! progress bar where somebody watches.

use crate::config;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

/// Redraws of a progress bar per second.
const REDRAW_HZ: u8 = 8;

/// Whether standard error is watched by a person.
pub fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Standard output without the line buffer of the library: every write goes out whole.
pub fn raw_stdout() -> io::Result<File> {
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
}

/// Writes a finished text to standard output in one go.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// A bar towards `total`, hidden unless standard error is a terminal. `unit` names what is counted.
pub fn bar(total: u64, unit: &str) -> ProgressBar {
    let template = format!(
        "{{bar:32}} {{percent:>3}} %  {{human_pos}}/{{human_len}} {unit}  \
         {{per_sec}}  {{eta}} left"
    );
    styled(ProgressBar::with_draw_target(Some(total), target()), &template)
}

/// A bar over the bytes of a file whose rows are counted in the message.
pub fn file_bar(bytes: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(bytes, target());
    match bytes {
        Some(_) => styled(bar, "{bar:32} {percent:>3} %  {msg}  {eta} left"),
        None => styled(bar, "{spinner} {msg}  {elapsed}"),
    }
}

fn target() -> ProgressDrawTarget {
    ProgressDrawTarget::stderr_with_hz(REDRAW_HZ)
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Columns a text takes on a terminal: two for Chinese, Japanese, Korean and full-width signs.
pub fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

fn char_width(c: char) -> usize {
    match u32::from(c) {
        0..0x20 | 0x7f..0xa0 | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// A text filled with spaces to a number of columns.
pub fn pad(text: &str, columns: usize) -> String {
    let missing = columns.saturating_sub(width(text));
    format!("{text}{:missing$}", "")
}

/// A text cut to a number of columns, with an ellipsis where it was cut.
pub fn clip(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut taken = 0;
    let mut kept: String = text
        .chars()
        .take_while(|c| {
            taken += char_width(*c);
            taken < columns
        })
        .collect();
    kept.push('…');
    kept
}

/// Text from records, made safe to show: what steers a terminal is left out.
pub fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// How a piece of text is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// In order.
    Good,
    /// Look at it.
    Warn,
    /// Bad.
    Bad,
    /// Beside the point.
    Dim,
    /// A heading.
    Bold,
}

/// Colours text, or leaves it.
#[derive(Clone, Copy, Debug)]
pub struct Paint(bool);

impl Paint {
    /// Colour on a terminal, unless `NO_COLOR` is set.
    pub fn for_stdout() -> Self {
        Self(io::stdout().is_terminal() && !config::no_color())
    }

    /// The text in its tone.
    pub fn tone(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => "1;32",
            Tone::Warn => "1;33",
            Tone::Bad => "1;31",
            Tone::Dim => "2",
            Tone::Bold => "1",
        };
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Rows under a header, each column as wide as its widest cell; the last is not filled.
pub fn table(header: &[&str], rows: &[Vec<String>], paint: Paint) -> String {
    let cell = |row: &[String], at: usize| row.get(at).cloned().unwrap_or_default();
    let widest = |at: usize| {
        let cells = rows.iter().map(|row| width(&cell(row, at)));
        cells.max().unwrap_or(0).max(width(header[at]))
    };
    let widths: Vec<_> = (0..header.len()).map(widest).collect();
    let line = |cells: Vec<String>| {
        let padded: Vec<_> = cells.iter().zip(&widths).map(|(c, w)| pad(c, *w)).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let head = line(header.iter().map(|h| (*h).to_owned()).collect());
    let mut text = paint.tone(Tone::Dim, &head) + "\n";
    for row in rows {
        text += &line((0..header.len()).map(|at| cell(row, at)).collect());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_takes_two_columns() {
        assert_eq!(width("追溯码 A1"), 9);
        assert_eq!(width("（）：，"), 8);
        assert_eq!(pad("设备", 6), "设备  ");
        assert_eq!(clip("深圳工厂一号线", 8), "深圳工…");
        assert_eq!(clip("abc", 8), "abc");
    }

    #[test]
    fn nothing_in_a_record_steers_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\r\n"), "a[2Jb");
    }

    #[test]
    fn tables_align_by_columns_not_by_characters() {
        let rows = vec![vec!["深圳".into(), "x".into()], vec!["a".into(), "y".into()]];
        let text = table(&["名", "b"], &rows, Paint(false));
        assert_eq!(text, "名    b\n深圳  x\na     y\n");
    }
}
