//! Headers that every answer carries, whoever made it.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

/// For what is no page: nothing may be loaded or run from it, and nobody may frame it.
const NO_PAGE: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";
/// A year. Subdomains are the operator's affair.
const HTTPS_ONLY: &str = "max-age=31536000";
/// Seconds after which to ask again for what cannot be answered now.
const AGAIN_AFTER: &str = "5";

/// Puts them on. What an answer says of itself stands; `secure`: the client came by TLS.
pub fn dress(response: &mut Response, secure: bool) {
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        again_later(response);
    }
    let headers = response.headers_mut();
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

/// Says when to ask again for what could not be answered, where nothing was said of that.
pub fn again_later(response: &mut Response) {
    let usual = HeaderValue::from_static(AGAIN_AFTER);
    response.headers_mut().entry(header::RETRY_AFTER).or_insert(usual);
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;

    #[test]
    fn what_cannot_be_answered_now_says_when_to_ask_again() {
        let check = |status: StatusCode, said: Option<&'static str>, expected: Option<&str>| {
            let mut response = status.into_response();
            if let Some(said) = said {
                let said = HeaderValue::from_static(said);
                response.headers_mut().insert(header::RETRY_AFTER, said);
            }
            dress(&mut response, false);
            let told = response.headers().get(header::RETRY_AFTER);
            assert_eq!(told.map(|told| told.to_str().unwrap()), expected, "{status} {said:?}");
        };
        check(StatusCode::SERVICE_UNAVAILABLE, None, Some(AGAIN_AFTER));
        check(StatusCode::SERVICE_UNAVAILABLE, Some("30"), Some("30"));
        check(StatusCode::TOO_MANY_REQUESTS, Some("1"), Some("1"));
        check(StatusCode::INTERNAL_SERVER_ERROR, None, None);
        check(StatusCode::OK, None, None);
    }

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
