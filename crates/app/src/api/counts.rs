//! What a process counts about its answers: by route and class of status, and how long they took.
//!
//! Counting must cost nothing: a route finds its place by the hash of its template, and from then
//! on there are only atomic additions. No lock, and no allocation but one at the first request of
//! each route. Templates are the router's own, so a stranger cannot make their number grow.

use crate::clock::Stopwatch;
use axum::http::StatusCode;
use std::fmt::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Places for routes, about twice as many as there are. What finds none is counted as `other`.
const PLACES: usize = 128;
/// Upper ends of the classes of duration, in microseconds.
const WITHIN_MICROS: [u64; 12] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000,
    30_000_000,
];
/// Classes of status: 1xx to 5xx.
const CLASSES: usize = 5;

/// A limit that refused somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    /// Too many requests of one address.
    Address,
    /// Too many requests of one key.
    Key,
    /// Too many public looks at one unit, or starts of it.
    Unit,
}

impl Limited {
    const ALL: [Self; 3] = [Self::Address, Self::Key, Self::Unit];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Key => "key",
            Self::Unit => "unit",
        }
    }
}

/// The counters of one route.
pub struct Route {
    template: Box<str>,
    classes: [AtomicU64; CLASSES],
    /// How many ended within each class of duration and not within the one before; the last place
    /// holds those that took longer than all.
    within: [AtomicU64; WITHIN_MICROS.len() + 1],
    micros: AtomicU64,
}

impl Route {
    fn new(template: &str) -> Self {
        Self {
            template: template.into(),
            classes: Default::default(),
            within: Default::default(),
            micros: AtomicU64::new(0),
        }
    }

    /// The route as the router writes it: `/d/{code}`.
    pub fn template(&self) -> &str {
        &self.template
    }

    /// Counts an answer whose head was ready after so long.
    pub fn answered(&self, status: StatusCode, took: Duration) {
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES) - 1;
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let place = WITHIN_MICROS.partition_point(|end| *end < micros);
        self.classes[class].fetch_add(1, Ordering::Relaxed);
        self.within[place].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }
}

/// Everything counted since the start.
pub struct Counts {
    since: Stopwatch,
    routes: Box<[OnceLock<Route>]>,
    other: Route,
    limited: [AtomicU64; 3],
}

impl Counts {
    /// Nothing counted yet.
    pub fn new() -> Self {
        Self {
            since: Stopwatch::start(),
            routes: (0..PLACES).map(|_| OnceLock::new()).collect(),
            other: Route::new("other"),
            limited: Default::default(),
        }
    }

    /// The counters of a route; those of `other` where the router knew none.
    pub fn route(&self, template: Option<&str>) -> &Route {
        let Some(template) = template else { return &self.other };
        let first = hash(template);
        for step in 0..PLACES {
            let place = &self.routes[(first + step) % PLACES];
            let route = place.get_or_init(|| Route::new(template));
            if route.template() == template {
                return route;
            }
        }
        &self.other
    }

    /// Counts a refusal.
    pub fn limited(&self, limit: Limited) {
        self.limited[limit as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// All of it in Prometheus' text format.
    pub fn write(&self, text: &mut String) {
        let mut routes: Vec<_> = self.routes.iter().filter_map(OnceLock::get).collect();
        routes.push(&self.other);
        routes.sort_by(|a, b| a.template.cmp(&b.template));
        head(text, "dossier_requests_total", "counter", "Answers by route and class of status");
        for route in &routes {
            for (class, count) in route.classes.iter().enumerate() {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    let route = route.template();
                    let class = class + 1;
                    line(
                        text,
                        format_args!(
                            "dossier_requests_total{{route=\"{route}\",status=\"{class}xx\"}}"
                        ),
                        count,
                    );
                }
            }
        }
        let name = "dossier_request_duration_seconds";
        head(text, name, "histogram", "Time until the head of the answer");
        for route in routes.iter().filter(|route| route.seen()) {
            route.write_durations(name, text);
        }
        head(text, "dossier_requests_limited_total", "counter", "Requests refused as too many");
        for limit in Limited::ALL {
            let count = self.limited[limit as usize].load(Ordering::Relaxed);
            let limit = limit.as_str();
            line(text, format_args!("dossier_requests_limited_total{{by=\"{limit}\"}}"), count);
        }
        head(text, "dossier_uptime_seconds", "gauge", "Since this process began to serve");
        line(text, format_args!("dossier_uptime_seconds"), self.since.elapsed().as_secs());
    }
}

impl Route {
    fn seen(&self) -> bool {
        self.within.iter().any(|count| count.load(Ordering::Relaxed) > 0)
    }

    fn write_durations(&self, name: &str, text: &mut String) {
        let route = self.template();
        let mut sum = 0;
        for (place, count) in self.within.iter().enumerate() {
            sum += count.load(Ordering::Relaxed);
            let end = WITHIN_MICROS.get(place).map(|end| seconds(*end));
            let end = end.unwrap_or_else(|| "+Inf".to_owned());
            line(text, format_args!("{name}_bucket{{route=\"{route}\",le=\"{end}\"}}"), sum);
        }
        let micros = seconds(self.micros.load(Ordering::Relaxed));
        line(text, format_args!("{name}_sum{{route=\"{route}\"}}"), micros);
        line(text, format_args!("{name}_count{{route=\"{route}\"}}"), sum);
    }
}

/// Microseconds as seconds.
fn seconds(micros: u64) -> String {
    format!("{}", Duration::from_micros(micros).as_secs_f64())
}

/// What a name means, once before its lines.
pub fn head(text: &mut String, name: &str, kind: &str, about: &str) {
    // Writing into a String cannot fail.
    let _ = write!(text, "# HELP {name} {about}\n# TYPE {name} {kind}\n");
}

/// One number.
pub fn line(text: &mut String, name: std::fmt::Arguments<'_>, value: impl std::fmt::Display) {
    let _ = writeln!(text, "{name} {value}");
}

/// FNV-1a.
fn hash(text: &str) -> usize {
    let step = |sum: u64, byte: u8| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let sum = text.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    usize::try_from(sum % PLACES as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(counts: &Counts) -> String {
        let mut text = String::new();
        counts.write(&mut text);
        text
    }

    #[test]
    fn answers_are_counted_by_route_class_and_duration() {
        let counts = Counts::new();
        let route = counts.route(Some("/d/{code}"));
        route.answered(StatusCode::OK, Duration::from_micros(500));
        route.answered(StatusCode::OK, Duration::from_micros(501));
        route.answered(StatusCode::NOT_FOUND, Duration::from_secs(31));
        counts.route(None).answered(StatusCode::NOT_FOUND, Duration::ZERO);
        counts.limited(Limited::Key);
        let text = text_of(&counts);
        let name = "dossier_request_duration_seconds";
        for line in [
            "dossier_requests_total{route=\"/d/{code}\",status=\"2xx\"} 2",
            "dossier_requests_total{route=\"/d/{code}\",status=\"4xx\"} 1",
            "dossier_requests_total{route=\"other\",status=\"4xx\"} 1",
            &format!("{name}_bucket{{route=\"/d/{{code}}\",le=\"0.0005\"}} 1"),
            &format!("{name}_bucket{{route=\"/d/{{code}}\",le=\"0.001\"}} 2"),
            &format!("{name}_bucket{{route=\"/d/{{code}}\",le=\"30\"}} 2"),
            &format!("{name}_bucket{{route=\"/d/{{code}}\",le=\"+Inf\"}} 3"),
            &format!("{name}_sum{{route=\"/d/{{code}}\"}} 31.001001"),
            &format!("{name}_count{{route=\"/d/{{code}}\"}} 3"),
            "dossier_requests_limited_total{by=\"key\"} 1",
            "dossier_requests_limited_total{by=\"unit\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn every_route_finds_its_own_place_and_a_full_table_counts_the_rest() {
        let counts = Counts::new();
        let names: Vec<_> = (0..PLACES + 5).map(|n| format!("/{n}")).collect();
        for name in &names {
            counts.route(Some(name)).answered(StatusCode::OK, Duration::ZERO);
        }
        for name in &names[..PLACES] {
            assert_eq!(counts.route(Some(name)).template(), name);
        }
        let rest = "dossier_requests_total{route=\"other\",status=\"2xx\"} 5";
        assert!(text_of(&counts).lines().any(|line| line == rest));
    }

    #[test]
    fn strange_statuses_fall_into_the_outer_classes() {
        let route = Route::new("x");
        for status in [100, 599, 999] {
            route.answered(StatusCode::from_u16(status).unwrap(), Duration::ZERO);
        }
        assert_eq!(route.classes[0].load(Ordering::Relaxed), 1);
        assert_eq!(route.classes[4].load(Ordering::Relaxed), 2);
    }
}
