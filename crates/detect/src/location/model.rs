//! The numbers of the model. Starting assumptions, to be calibrated on confirmed cases. They come
//! with the program: no file of the operator replaces them yet. Whoever keeps an assessment keeps
//! [`METHOD`] and a digest of the numbers with it, so that a change of either shows.

/// Which way of weighing the program has. It is raised with every change by which the same
/// observations, weighed with the same numbers, could come out otherwise.
pub const METHOD: u32 = 1;

/// Error chances, caps and thresholds. Chances are 0…1, scores natural log-odds, distances km.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Model {
    /// Share of units believed diverted before anything is seen.
    pub prior: f64,
    /// Of the errors of a family, the share that lands inside the territory by chance.
    pub errors_inside: f64,

    /// Address of a fixed line, or databases that agree on a foreign country.
    pub ip_agreed_e: f64,
    /// Address of unknown class, or known to one database only.
    pub ip_class_unknown_e: f64,
    /// Address of a mobile carrier.
    pub ip_mobile_e: f64,
    /// Address on which the databases disagree, or abroad with one database only.
    pub ip_disagree_e: f64,
    /// Most the address can say, either way.
    pub ip_cap: f64,
    /// Uncertainty of a fixed line's place.
    pub ip_fixed_radius_km: f64,
    /// Uncertainty where the class is unknown.
    pub ip_class_unknown_radius_km: f64,
    /// Uncertainty of a mobile carrier's place.
    pub ip_mobile_radius_km: f64,

    /// Satellite position.
    pub gps_e: f64,
    /// Country of the serving mobile network.
    pub serving_mcc_e: f64,
    /// Most position and network together can say, either way.
    pub device_cap: f64,
    /// Most that anything the client could fake may say for "inside": a position that nobody
    /// vouches for, networks, the time zone, a store that the device or the public named.
    pub spoofable_inside_cap: f64,
    /// Weight of SIM home country and of the time zone, either way.
    pub tie_breaker: f64,
    /// Nearer than this to the edge of a fence, a position says nothing about it.
    pub fence_margin_km: f64,

    /// Code of a store or cashier.
    pub retail_e: f64,
    /// Most the store can say, either way; for "inside" only where a server named it, else
    /// `spoofable_inside_cap`.
    pub retail_cap: f64,

    /// Shipping region of the sale: gifts and relatives make it weak, so only the cap acts.
    pub order_e: f64,
    /// Most the order can say, either way.
    pub order_cap: f64,

    /// Posterior from which the grade is `Observe`.
    pub observe_from: f64,
    /// Posterior from which it is `Suspect`, given enough families.
    pub suspect_from: f64,
    /// Posterior from which it is `Likely`, given enough families.
    pub likely_from: f64,
    /// Independent families that must say outside for more than `Observe`.
    pub families_for_suspect: usize,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            prior: 0.02,
            errors_inside: 0.05,
            ip_agreed_e: 0.05,
            ip_class_unknown_e: 0.15,
            ip_mobile_e: 0.25,
            ip_disagree_e: 0.45,
            ip_cap: 3.0,
            ip_fixed_radius_km: 50.0,
            ip_class_unknown_radius_km: 100.0,
            ip_mobile_radius_km: 200.0,
            gps_e: 0.005,
            serving_mcc_e: 0.01,
            device_cap: 4.0,
            spoofable_inside_cap: 1.5,
            tie_breaker: 0.5,
            fence_margin_km: 1.0,
            retail_e: 0.03,
            retail_cap: 3.5,
            order_e: 0.15,
            order_cap: 1.5,
            observe_from: 0.10,
            suspect_from: 0.6,
            likely_from: 0.9,
            families_for_suspect: 2,
        }
    }
}

impl Model {
    /// Log-likelihood ratio of outside against inside for a reading that errs with chance `e`,
    /// q being the share of errors that land inside: ln((1 − e·q) / e) when it says outside,
    /// ln(e·q / (1 − e)) when it says inside.
    pub fn score(&self, inside: bool, e: f64) -> f64 {
        let e = e.clamp(1e-6, 0.5);
        let q = self.errors_inside.clamp(1e-6, 1.0);
        if inside { (e * q / (1.0 - e)).ln() } else { ((1.0 - e * q) / e).ln() }
    }
}
