//! The terminal: columns that stay aligned with Chinese in them, colour where it is wanted, a
//! progress bar where somebody watches, words that are typed unseen.

use crate::config;
use indicatif::{
    HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle,
};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Redraws of a progress bar per second.
const REDRAW_HZ: u8 = 8;
/// Columns of a terminal that does not say how many it has.
const COLUMNS: u16 = 80;
/// Work that has gone on for so long tells how much longer it takes.
const FORESEEN_AFTER: Duration = Duration::from_secs(1);

/// Whether standard error is watched by a person.
pub fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Whether standard input is typed by a person.
pub fn is_typed() -> bool {
    io::stdin().is_terminal()
}

/// Asks on standard error for one line after the other, and reads each from the terminal unseen:
/// shown, it would stay on the screen and in whatever records it.
pub fn unseen(prompts: &[&str]) -> io::Result<Vec<String>> {
    let silence = Silence::begin()?;
    let mut lines = Vec::with_capacity(prompts.len());
    for prompt in prompts {
        eprint!("{prompt}: ");
        let mut line = String::new();
        let read = io::stdin().read_line(&mut line);
        // The key that ended the line did not show either.
        eprintln!();
        read?;
        line.truncate(line.trim_end_matches(['\r', '\n']).len());
        lines.push(line);
    }
    drop(silence);
    Ok(lines)
}

/// The terminal shows nothing that is typed until this is dropped.
struct Silence(Termios);

impl Silence {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        // What was typed ahead was seen: it is thrown away.
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // Without it there is no terminal any more.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
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
    let template = bar_form(columns(), unit);
    styled(ProgressBar::with_draw_target(Some(total), target()), &template)
}

/// What fits beside a bar, or in its place: a line that is cut by the terminal is drawn again and
/// again below itself.
fn bar_form(columns: u16, unit: &str) -> String {
    let count = format!("{{human_pos}}/{{human_len}} {unit}  {{rate}}  {{left}}");
    match columns {
        100.. => format!("{{bar:32}} {{percent:>3}} %  {count}"),
        72.. => format!("{{wide_bar}} {{percent:>3}} %  {count}"),
        40.. => format!("{{percent:>3}} %  {{human_pos}} {unit}  {{left}}"),
        _ => "{percent:>3} %  {left}".to_owned(),
    }
}

/// The same where nobody knows how much there is, or where nothing is counted.
fn spinner_form(columns: u16, unit: &str, is_counted: bool) -> String {
    match (is_counted, columns) {
        (true, 72..) => format!("{{spinner}} {{human_pos}} {unit}  {{rate}}  {{elapsed}}"),
        (true, 40..) => format!("{{spinner}} {{human_pos}} {unit}  {{elapsed}}"),
        _ => format!("{{spinner}} {unit}  {{elapsed}}"),
    }
}

/// The same of a file of known or unknown length.
fn file_form(columns: u16, is_known: bool) -> &'static str {
    match (is_known, columns) {
        (true, 100..) => "{bar:32} {percent:>3} %  {msg}  {left}",
        (true, 72..) => "{wide_bar} {percent:>3} %  {msg}  {left}",
        (true, _) => "{percent:>3} %  {wide_msg}",
        (false, 72..) => "{spinner} {msg}  {elapsed}",
        (false, _) => "{spinner} {wide_msg}",
    }
}

/// Columns of the terminal that progress is drawn on.
fn columns() -> u16 {
    let size = tcgetwinsize(io::stderr()).map(|size| size.ws_col);
    size.ok().filter(|columns| *columns > 0).unwrap_or(COLUMNS)
}

/// A spinner in the place of a bar. It turns by itself: some work is done in one piece.
fn spinner(unit: &str, is_counted: bool) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, target());
    let bar = styled(bar, &spinner_form(columns(), unit, is_counted));
    if !bar.is_hidden() {
        bar.tick();
        bar.enable_steady_tick(Duration::from_secs(1) / u32::from(REDRAW_HZ));
    }
    bar
}

/// Shows how far long work is that tells it (see [`store::rebuild::Told`]): a bar where it is known
/// how much there is, else a spinner. Where no terminal watches it shows nothing.
#[derive(Debug, Default)]
pub struct Meter(Mutex<Option<Shown>>);

#[derive(Debug)]
struct Shown {
    unit: &'static str,
    total: Option<u64>,
    is_counted: bool,
    bar: ProgressBar,
}

impl Meter {
    /// So many of these are done, out of so many; another unit or total begins another bar. Work
    /// that counts nothing is at 0 of no total, and `unit` says what it does.
    pub fn tell(&self, unit: &'static str, done: u64, total: Option<u64>) {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_counted = total.is_some() || done > 0;
        let goes_on = |s: &Shown| (s.unit, s.total, s.is_counted) == (unit, total, is_counted);
        if !shown.as_ref().is_some_and(goes_on) {
            if let Some(before) = shown.take() {
                before.bar.finish_and_clear();
            }
            let bar = match total {
                Some(total) => bar(total, unit),
                None => spinner(unit, is_counted),
            };
            *shown = Some(Shown { unit, total, is_counted, bar });
        }
        if let Some(shown) = &*shown {
            shown.bar.set_position(done);
        }
    }

    /// Prints a line to standard error above what is shown.
    pub fn line(&self, text: &str) {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(shown) => shown.bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }

    /// Takes away what is shown: the work is done, or an answer is printed.
    pub fn clear(&self) {
        let shown = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(shown) = shown {
            shown.bar.finish_and_clear();
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.clear();
    }
}

/// How many a second, as people read it: `12,663/s`.
pub fn per_second(rate: f64) -> String {
    format!("{}/s", HumanCount(rate.round() as u64))
}

/// How long the rest takes, where that can be told: not of what has only just begun, nor where all
/// is counted and something goes on all the same.
fn time_left((done, total, elapsed): (u64, Option<u64>, Duration), estimate: Duration) -> String {
    let goes_on = done > 0 && total.is_some_and(|total| done < total);
    if goes_on && elapsed >= FORESEEN_AFTER && estimate > Duration::ZERO {
        format!("{:#} left", HumanDuration(estimate))
    } else {
        String::new()
    }
}

/// A bar over the bytes of a file whose rows are counted in the message.
pub fn file_bar(bytes: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(bytes, target());
    styled(bar, file_form(columns(), bytes.is_some()))
}

fn target() -> ProgressDrawTarget {
    ProgressDrawTarget::stderr_with_hz(REDRAW_HZ)
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    let rate = |state: &ProgressState, out: &mut dyn fmt::Write| {
        // A bar that cannot be drawn is no fault of the work.
        let _ = out.write_str(&per_second(state.per_sec()));
    };
    let left = |state: &ProgressState, out: &mut dyn fmt::Write| {
        let done = (state.pos(), state.len(), state.elapsed());
        let _ = out.write_str(&time_left(done, state.eta()));
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.with_key("rate", rate).with_key("left", left)),
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
    /// Colour on a terminal that has some, unless `NO_COLOR` is set.
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
    fn progress_fits_the_terminal() {
        // Each word at its longest; what is wide takes what is left.
        let drawn = [
            ("{bar:32}", "################################"),
            ("{wide_bar}", ""),
            ("{wide_msg}", ""),
            ("{percent:>3}", "100"),
            ("{human_pos}", "1,000,000,000"),
            ("{human_len}", "1,000,000,000"),
            ("{msg}", "100,000,000 rows, 1,000,000 refused, 1,973,063/s"),
            ("{rate}", "1,973,063/s"),
            ("{left}", "59s left"),
            ("{elapsed}", "59s"),
            ("{spinner}", "x"),
        ];
        let longest = "rows compared";
        let length = |form: &str| {
            let text =
                drawn.iter().fold(form.to_owned(), |text, (key, word)| text.replace(key, word));
            assert!(!text.contains('{'), "{text}");
            text.chars().count()
        };
        for columns in 20..200 {
            let room = usize::from(columns);
            for form in [
                &*bar_form(columns, "codes"),
                file_form(columns, true),
                file_form(columns, false),
                &*spinner_form(columns, longest, true),
                &*spinner_form(columns, longest, false),
            ] {
                assert!(length(form) <= room, "{columns}: {form}");
            }
        }
        assert_eq!(per_second(1_973_062.765_3), "1,973,063/s");
    }

    #[test]
    fn how_long_it_still_takes_is_told_once_that_is_known() {
        let seconds = Duration::from_secs;
        for (done, total, elapsed, estimate, told) in [
            (500, Some(1_000), 10, 10, "10s left"),
            (999, Some(1_000), 600, 90, "2m left"),
            // Nothing is done, it has just begun, nobody knows how much there is, all is counted.
            (0, Some(1_000), 10, 0, ""),
            (500, Some(1_000), 0, 10, ""),
            (500, None, 10, 0, ""),
            (1_000, Some(1_000), 10, 0, ""),
            (500, Some(1_000), 10, 0, ""),
        ] {
            let left = time_left((done, total, seconds(elapsed)), seconds(estimate));
            assert_eq!(left, told, "{done} of {total:?} after {elapsed} s");
        }
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
