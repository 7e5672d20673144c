//! Languages: the two tables of sentences, and how dates and numbers are written in each.
//!
//! A *key* is `section.name` in `locales/*.toml`. A sentence may hold `{placeholders}`. The tables
//! are compiled in and read once; tests fail on a missing key, on one that nothing uses, and on
//! placeholders that differ between the languages. Choosing the language of a request
//! (`?lang=`, cookie, `Accept-Language`) is the handler's.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;

/// Beijing time: China has kept UTC+8 without summer time since 1991, before any device here.
const BEIJING: Offset = Offset::constant(8);

/// "Some minutes ago" is said for this long; after it the clock time is more useful.
const RECENT_MINUTES_MAX: i64 = 59;

/// A wait of at most so many seconds is over when its sentence has been read.
const MOMENT_SECONDS_MAX: u32 = 5;

/// A language the pages speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Lang {
    /// Simplified Chinese, the default.
    #[default]
    Zh,
    /// English.
    En,
}

type Table = HashMap<String, String>;

static ZH: LazyLock<Table> = LazyLock::new(|| table(include_str!("../../locales/zh-CN.toml")));
static EN: LazyLock<Table> = LazyLock::new(|| table(include_str!("../../locales/en.toml")));

/// Reads `[section] name = "sentence"` into `section.name`. What is not of that shape is left
/// out, and the test of missing keys then names it.
fn table(text: &str) -> Table {
    let sections: toml::Table = text.parse().unwrap_or_default();
    let mut sentences = Table::new();
    for (section, names) in &sections {
        for (name, sentence) in names.as_table().into_iter().flatten() {
            if let Some(sentence) = sentence.as_str() {
                sentences.insert(format!("{section}.{name}"), sentence.to_owned());
            }
        }
    }
    sentences
}

impl Lang {
    /// The BCP 47 tag: the `lang` attribute, and the value of `?lang=`.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::Zh => "zh-CN",
            Self::En => "en",
        }
    }

    /// The language of a tag (`zh`, `zh-Hans-CN`, `en-GB`), if it is one of ours.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Self> {
        match tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "zh" => Some(Self::Zh),
            "en" => Some(Self::En),
            _ => None,
        }
    }

    /// The language the switch in the header leads to.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Zh => Self::En,
            Self::En => Self::Zh,
        }
    }

    pub(super) fn sentences(self) -> &'static Table {
        match self {
            Self::Zh => &ZH,
            Self::En => &EN,
        }
    }

    /// The sentence of `key`; the key itself where there is none (a test keeps that from shipping).
    #[must_use]
    pub fn t(self, key: &'static str) -> &'static str {
        self.sentences().get(key).map_or(key, String::as_str)
    }

    /// The sentence of `key` with its placeholders filled. Each is filled once, in the order of
    /// the sentence, so a value that looks like a placeholder stays as it is.
    #[must_use]
    pub fn tf(self, key: &'static str, values: &[(&str, &dyn Display)]) -> String {
        let mut rest = self.t(key);
        let mut filled = String::with_capacity(rest.len() + 16);
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, tail)) = after.split_once('}') else { break };
            filled.push_str(before);
            if let Some((_, value)) = values.iter().find(|(known, _)| *known == name) {
                filled.push_str(&value.to_string());
            }
            rest = tail;
        }
        filled.push_str(rest);
        filled
    }

    /// [`tf`](Self::tf) with one placeholder, for templates.
    #[must_use]
    pub fn with(self, key: &'static str, name: &str, value: impl Display) -> String {
        self.tf(key, &[(name, &value)])
    }

    /// The sentence for one or that for more, filled with the number: English tells them apart.
    #[must_use]
    pub fn count(self, [one, more]: [&'static str; 2], n: u64) -> String {
        self.with(if n == 1 { one } else { more }, "n", self.number(n))
    }

    /// The sentence of `key` before and behind its placeholder, for what is no text.
    #[must_use]
    pub fn around(self, key: &'static str) -> (&'static str, &'static str) {
        let sentence = self.t(key);
        let Some((before, rest)) = sentence.split_once('{') else { return (sentence, "") };
        (before, rest.split_once('}').map_or("", |(_, behind)| behind))
    }

    /// 2027年5月14日, 14 May 2027.
    #[must_use]
    pub fn date(self, date: Date) -> String {
        match self {
            Self::Zh => format!("{}年{}月{}日", date.year(), date.month(), date.day()),
            Self::En => date.strftime("%-d %b %Y").to_string(),
        }
    }

    /// The date without its year where that is this year's: 5月14日, 14 May.
    #[must_use]
    pub fn day(self, date: Date, today: Date) -> String {
        match self {
            _ if date.year() != today.year() => self.date(date),
            Self::Zh => format!("{}月{}日", date.month(), date.day()),
            Self::En => date.strftime("%-d %b").to_string(),
        }
    }

    /// How long ago something was, as a person says it: "8 分钟前", "今天 14:56", "9月2日".
    #[must_use]
    pub fn ago(self, at: Timestamp, now: Timestamp) -> String {
        let (then, today) = (beijing(at), beijing(now).date());
        let minutes = (now.as_second() - at.as_second()) / 60;
        if then.date() != today {
            return self.day(then.date(), today);
        }
        match minutes {
            0 => self.t("time.just_now").to_owned(),
            1..=RECENT_MINUTES_MAX => self.with("time.minutes_ago", "n", minutes),
            _ => self.with("time.today", "time", then.strftime("%H:%M")),
        }
    }

    /// How long to wait, never less than is needed: a few seconds, 45 seconds, 2 minutes. Stands
    /// inside a sentence.
    #[must_use]
    pub fn wait(self, seconds: u32) -> String {
        match (seconds, seconds.div_ceil(60)) {
            (..=MOMENT_SECONDS_MAX, _) => self.t("time.moment").to_owned(),
            (..60, _) => self.with("time.seconds", "n", seconds),
            (_, 1) => self.t("time.one_minute").to_owned(),
            (_, minutes) => self.with("time.minutes", "n", minutes),
        }
    }

    /// Digits in groups of three: 1,680.
    #[must_use]
    pub fn number(self, number: u64) -> String {
        let digits = number.to_string();
        let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        grouped
    }

    /// Parts of a phrase, in the language's own comma. Empty parts are left out.
    #[must_use]
    pub fn join<'a>(self, parts: impl IntoIterator<Item = &'a str>) -> String {
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(self.t("time.comma"))
    }
}

/// The wall clock in Beijing.
#[must_use]
pub fn beijing(at: Timestamp) -> DateTime {
    BEIJING.to_datetime(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_each_language_writes_them() {
        let date = Date::constant(2027, 5, 14);
        assert_eq!(Lang::Zh.date(date), "2027年5月14日");
        assert_eq!(Lang::En.date(date), "14 May 2027");
        assert_eq!(Lang::Zh.day(date, Date::constant(2027, 1, 1)), "5月14日");
        assert_eq!(Lang::En.day(date, Date::constant(2026, 1, 1)), "14 May 2027");
    }

    #[test]
    fn recent_instants_are_relative_and_old_ones_are_dates() {
        let now: Timestamp = "2026-11-23T06:56:08Z".parse().expect("an instant");
        let at = |text: &str| text.parse::<Timestamp>().expect("an instant");
        assert_eq!(Lang::Zh.ago(at("2026-11-23T06:48:08Z"), now), "8 分钟前");
        assert_eq!(Lang::En.ago(at("2026-11-23T06:56:00Z"), now), "just now");
        assert_eq!(Lang::Zh.ago(at("2026-11-22T17:00:00Z"), now), "今天 01:00");
        assert_eq!(Lang::Zh.ago(at("2026-11-22T15:00:00Z"), now), "11月22日");
    }

    #[test]
    fn a_wait_is_said_in_the_unit_that_fits_it() {
        for (seconds, zh, en) in [
            (0, "几秒", "a few seconds"),
            (1, "几秒", "a few seconds"),
            (45, " 45 秒", "45 seconds"),
            (60, " 1 分钟", "a minute"),
            (61, " 2 分钟", "2 minutes"),
            (3_600, " 60 分钟", "60 minutes"),
        ] {
            assert_eq!((&*Lang::Zh.wait(seconds), &*Lang::En.wait(seconds)), (zh, en));
        }
    }

    #[test]
    fn one_is_no_plural_and_a_sentence_has_two_sides() {
        let past = ["warranty.one_day_past", "warranty.days_past"];
        assert_eq!(Lang::En.count(past, 1), "1 day ago");
        assert_eq!(Lang::En.count(past, 2), "2 days ago");
        assert_eq!(Lang::En.count(past, 1_095), "1,095 days ago");
        assert_eq!(Lang::Zh.count(past, 1), "已过 1 天");
        assert_eq!(Lang::En.around("privacy.rights_call"), (" Please call ", "."));
        assert_eq!(Lang::En.around("shell.skip"), ("Skip to content", ""));
    }

    #[test]
    fn a_value_that_looks_like_a_placeholder_is_not_filled_again() {
        let text = Lang::Zh.with("time.today", "time", "{time}{n}");
        assert!(text.ends_with("{time}{n}"), "{text}");
    }

    #[test]
    fn numbers_are_grouped_by_three() {
        assert_eq!(Lang::En.number(0), "0");
        assert_eq!(Lang::En.number(999), "999");
        assert_eq!(Lang::En.number(1_234_567), "1,234,567");
    }

    #[test]
    fn tags_are_read_by_their_first_part() {
        assert_eq!(Lang::from_tag("zh-Hans-CN"), Some(Lang::Zh));
        assert_eq!(Lang::from_tag("EN_us"), Some(Lang::En));
        assert_eq!(Lang::from_tag("fr"), None);
    }
}
