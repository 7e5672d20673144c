//! Headers that every answer carries, whoever made it.

use axum::http::{HeaderMap, HeaderValue, header};

/// For what is no page: nothing may be loaded or run from it, and nobody may frame it.
const NO_PAGE: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";
/// A year. Subdomains are the operator's affair.
const HTTPS_ONLY: &str = "max-age=31536000";

/// Puts them on. What a page says of itself stands; `secure`: the client came by TLS.
pub fn dress(headers: &mut HeaderMap, secure: bool) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    for (name, usual) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, NO_PAGE),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(usual));
    }
    if secure {
        let value = HeaderValue::from_static(HTTPS_ONLY);
        headers.insert(header::STRICT_TRANSPORT_SECURITY, value);
    }
}

/// Whether the nearest proxy says that the client came by TLS: the last word of the last line.
pub fn say_https(headers: &HeaderMap) -> bool {
    let last = headers.get_all("x-forwarded-proto").iter().next_back();
    let word = last.and_then(|line| line.to_str().ok()).and_then(|line| line.rsplit(',').next());
    word.is_some_and(|word| word.trim().eq_ignore_ascii_case("https"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_proxy_has_the_last_word() {
        let check = |lines: &[&str], expected: bool| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-proto", line.parse().unwrap());
            }
            assert_eq!(say_https(&headers), expected, "{lines:?}");
        };
        check(&[], false);
        check(&["https"], true);
        check(&["HTTPS"], true);
        check(&["http"], false);
        check(&["https, http"], false);
        check(&["http", "http, https"], true);
        check(&["https", "http"], false);
    }
}
