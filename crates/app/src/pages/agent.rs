//! What a browser calls itself, in the words people know it by. A help for the eye: every browser
//! says what it likes, and nothing is decided on it.

use super::i18n::Lang;

/// Longest text shown of a browser nobody knows, in characters.
const UNKNOWN_CHARS_MAX: usize = 40;

/// Marks of browsers, the narrower first: most of them also claim to be another one.
const BROWSERS: [(&str, &str); 17] = [
    ("MicroMessenger", "WeChat"),
    ("DingTalk", "DingTalk"),
    ("Lark/", "Feishu"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("HuaweiBrowser/", "Huawei Browser"),
    ("MiuiBrowser/", "Mi Browser"),
    ("MQQBrowser/", "QQ Browser"),
    ("QQBrowser/", "QQ Browser"),
    ("UCBrowser/", "UC Browser"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

/// Marks of systems, the narrower first.
const SYSTEMS: [(&str, &str); 9] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("HarmonyOS", "HarmonyOS"),
    ("OpenHarmony", "HarmonyOS"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
];

/// A browser and its system: "Chrome，Windows". A text that names none is shown by its beginning.
#[must_use]
pub fn spoken(lang: Lang, agent: &str) -> String {
    let find = |marks: &[(&str, &'static str)]| {
        marks.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, word)| *word)
    };
    let browser = match find(&BROWSERS) {
        Some("WeChat") if lang == Lang::Zh => Some("微信"),
        Some("DingTalk") if lang == Lang::Zh => Some("钉钉"),
        Some("Feishu") if lang == Lang::Zh => Some("飞书"),
        found => found,
    };
    let known = lang.join([browser, find(&SYSTEMS)].into_iter().flatten());
    match (known.is_empty(), agent.trim()) {
        (false, _) => known,
        (true, "") => lang.t("people.session_unknown").to_owned(),
        (true, text) => text.chars().take(UNKNOWN_CHARS_MAX).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_told_by_their_own_mark() {
        let check = |agent: &str, zh: &str, en: &str| {
            assert_eq!(spoken(Lang::Zh, agent), zh, "{agent}");
            assert_eq!(spoken(Lang::En, agent), en, "{agent}");
        };
        let mozilla = |system: &str, rest: &str| format!("Mozilla/5.0 ({system}) {rest}");
        let safari = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15";
        let chrome = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36";
        let mac = "Macintosh; Intel Mac OS X 10_15_7";
        check(&mozilla(mac, safari), "Safari，macOS", "Safari, macOS");
        let windows = "Windows NT 10.0; Win64; x64";
        check(&mozilla(windows, chrome), "Chrome，Windows", "Chrome, Windows");
        let edge = format!("{chrome} Edg/130.0.0.0");
        check(&mozilla(windows, &edge), "Edge，Windows", "Edge, Windows");
        let phone = "iPhone; CPU iPhone OS 17_5 like Mac OS X";
        let wechat = format!("{safari} MicroMessenger/8.0.50(0x1800323d) NetType/WIFI");
        check(&mozilla(phone, &wechat), "微信，iPhone", "WeChat, iPhone");
        let android = "Linux; Android 14; Pixel 8";
        check(&mozilla(android, chrome), "Chrome，Android", "Chrome, Android");
        let firefox = "Gecko/20100101 Firefox/132.0";
        check(&mozilla("X11; Linux x86_64", firefox), "Firefox，Linux", "Firefox, Linux");
    }

    #[test]
    fn what_nobody_knows_is_shown_by_its_beginning() {
        assert_eq!(spoken(Lang::Zh, " "), "未知浏览器");
        assert_eq!(spoken(Lang::En, "curl/8.5.0"), "curl/8.5.0");
        assert_eq!(spoken(Lang::En, &"界".repeat(500)).chars().count(), UNKNOWN_CHARS_MAX);
    }
}
