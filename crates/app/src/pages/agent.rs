//! What is kept of a browser (its family and its system, see `flows::sessions`), in the words
//! people know them by. A help for the eye: every browser says what it likes.

use super::i18n::Lang;

/// A family or a system as it is kept, and as people say it: the same word unless named here.
fn word(lang: Lang, kept: &str) -> &str {
    match (kept, lang) {
        ("MicroMessenger", Lang::Zh) => "微信",
        ("MicroMessenger", Lang::En) => "WeChat",
        ("Edg", _) => "Edge",
        ("HuaweiBrowser", Lang::Zh) => "华为浏览器",
        ("HuaweiBrowser", Lang::En) => "Huawei Browser",
        ("Mac OS X", _) => "macOS",
        (other, _) => other,
    }
}

/// A browser and its system: "Chrome，Windows".
#[must_use]
pub fn spoken(lang: Lang, kept: &str) -> String {
    let words = kept.split(" / ").map(|part| word(lang, part.trim()));
    let spoken = lang.join(words);
    if spoken.is_empty() { lang.t("people.session_unknown").to_owned() } else { spoken }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_called_what_people_call_them() {
        let check = |kept: &str, zh: &str, en: &str| {
            assert_eq!(spoken(Lang::Zh, kept), zh, "{kept}");
            assert_eq!(spoken(Lang::En, kept), en, "{kept}");
        };
        check("MicroMessenger / iPhone", "微信，iPhone", "WeChat, iPhone");
        check("Edg / Windows", "Edge，Windows", "Edge, Windows");
        check("Safari / Mac OS X", "Safari，macOS", "Safari, macOS");
        check("Linux", "Linux", "Linux");
        check("", "未知浏览器", "Unknown browser");
    }
}
