//! The table of contents.

use super::error::Problem;
use super::gate::{self, Gate};
use super::unasked::Unasked;
use super::{
    ServeOptions, account, activations, audit, batches, bulk, cases, catalogue, compliance, export,
    headers, keys, log, metrics, movements, openapi, packs, people, persons, proofs, recalls,
    reports, retention, rows, search, session, units, verify, webhooks,
};
use crate::flows::House;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use std::sync::Arc;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Largest JSON body.
pub const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Every route of version 1, with its description. Each says its whole path: a nested router copies
/// every request to cut the path.
fn version_1() -> OpenApiRouter<Arc<House>> {
    OpenApiRouter::new()
        .routes(routes!(activations::create_activation))
        .routes(routes!(verify::verify_unit))
        .routes(routes!(verify::verify_units))
        .routes(routes!(proofs::prove_unit))
        .routes(routes!(units::show_unit))
        .routes(routes!(units::change_units))
        .routes(routes!(units::bind_alias))
        .routes(routes!(units::move_identifier))
        .routes(routes!(rows::commission_units))
        .routes(routes!(rows::pack_children))
        .routes(routes!(packs::show_pack))
        .routes(routes!(movements::unpack_children))
        .routes(routes!(rows::ship_subjects))
        .routes(routes!(movements::void_shipment))
        .routes(routes!(movements::receive_subjects))
        .routes(routes!(rows::return_subjects))
        .routes(routes!(batches::list_batches, batches::mint_batch))
        .routes(routes!(batches::stream_codes))
        .routes(routes!(batches::draw_code))
        .routes(routes!(batches::deliver_batch))
        .routes(routes!(batches::void_codes))
        .routes(routes!(catalogue::list_products))
        .routes(routes!(catalogue::list_parties))
        .routes(routes!(catalogue::list_sites))
        .routes(routes!(catalogue::list_territories))
        .routes(routes!(catalogue::list_alerts))
        .routes(routes!(reports::list_reports))
        .merge(cases_1())
        .routes(routes!(search::find_anything))
        .routes(routes!(audit::list_audit))
        .routes(routes!(audit::export_audit))
        .routes(routes!(retention::show_retention))
        .routes(routes!(persons::find_person))
        .routes(routes!(persons::show_person, persons::correct_person))
        .routes(routes!(persons::export_person))
        .routes(routes!(persons::agree_person))
        .routes(routes!(persons::erase_person))
        .routes(routes!(persons::hold_person, persons::release_person))
        .routes(routes!(recalls::list_recalls, recalls::open_recall))
        .routes(routes!(recalls::show_recall))
        .routes(routes!(recalls::list_recalled_units))
        .routes(routes!(recalls::remedy_units))
        .routes(routes!(recalls::close_recall))
        .routes(routes!(compliance::list_compliance))
        .routes(routes!(compliance::show_compliance))
        .routes(routes!(compliance::list_uncoded))
        .routes(routes!(export::export_trace))
        .routes(routes!(keys::list_keys, keys::give_key))
        .routes(routes!(keys::rotate_key))
        .routes(routes!(keys::revoke_key))
        .merge(people_1())
        .merge(webhooks_1())
        .routes(routes!(log::prove_history))
        .routes(routes!(log::show_checkpoint))
        .routes(routes!(log::show_log_key))
        .routes(routes!(log::show_tile))
        .routes(routes!(log::prove_consistency))
}

/// Those of cases.
fn cases_1() -> OpenApiRouter<Arc<House>> {
    OpenApiRouter::new()
        .routes(routes!(cases::list_cases, cases::open_case))
        .routes(routes!(cases::show_case))
        .routes(routes!(cases::extend_case))
        .routes(routes!(cases::say_in_case))
        .routes(routes!(cases::close_case))
        .routes(routes!(cases::reopen_case))
}

/// Those of the people who work here.
fn people_1() -> OpenApiRouter<Arc<House>> {
    OpenApiRouter::new()
        .routes(routes!(session::show_session, session::sign_in, session::sign_out))
        .routes(routes!(session::choose_membership))
        .routes(routes!(session::list_sessions))
        .routes(routes!(session::end_session))
        .routes(routes!(session::set_up))
        .routes(routes!(session::sign_up_brand))
        .routes(routes!(people::list_invitations, people::invite_person))
        .routes(routes!(people::withdraw_invitation))
        .routes(routes!(session::accept_invitation))
        .routes(routes!(people::list_people))
        .routes(routes!(people::change_person, people::remove_person))
        .routes(routes!(account::change_password))
        .routes(routes!(account::begin_totp))
        .routes(routes!(account::confirm_totp))
        .routes(routes!(account::remove_totp))
        .routes(routes!(account::renew_recovery_codes))
}

/// Those of webhooks.
fn webhooks_1() -> OpenApiRouter<Arc<House>> {
    OpenApiRouter::new()
        .routes(routes!(webhooks::list_webhooks, webhooks::make_webhook))
        .routes(routes!(webhooks::change_webhook, webhooks::remove_webhook))
        .routes(routes!(webhooks::rotate_webhook))
        .routes(routes!(webhooks::ping_webhook))
        .routes(routes!(webhooks::list_deliveries))
        .routes(routes!(webhooks::resend_delivery))
}

/// Bulk routes: their bodies are read as they come, so no limit holds for the whole of them; each
/// row, cell and file has its own.
fn bulk_1() -> OpenApiRouter<Arc<House>> {
    OpenApiRouter::new().routes(routes!(bulk::import_file)).layer(DefaultBodyLimit::disable())
}

/// Everything a process answers.
pub fn router(house: Arc<House>, options: ServeOptions) -> Router {
    let described = openapi::Described::openapi();
    let (api, document) = OpenApiRouter::with_openapi(described)
        .merge(version_1().layer(DefaultBodyLimit::max(BODY_BYTES_MAX)))
        .merge(bulk_1())
        .split_for_parts();
    let gate = Arc::new(Gate::new(Arc::clone(&house), &options, Unasked::of(&document)));
    let rendered = openapi::Rendered::of(document);
    let meta = Router::new()
        .route("/api/openapi.json", get(openapi::show_openapi))
        .route("/api/docs", get(openapi::show_docs))
        .layer(Extension(rendered));
    let meta = meta.route("/metrics", get(metrics::show_metrics));
    let watching = Arc::clone(&gate);
    let routes = api.merge(meta).merge(options.extra.unwrap_or_default());
    let routes = routes
        .method_not_allowed_fallback(|| async { Problem::transport("method_not_allowed") })
        .fallback(lost)
        .layer(tower::layer::layer_fn(move |routes| gate::Gated::new(&gate, routes)));
    // Whether the process lives must be answered to anyone, at any rate.
    let health =
        Router::new().route("/healthz", get(show_health)).route("/readyz", get(show_ready));
    let plain = middleware::from_fn(move |request: Request, next: Next| {
        let secure = watching.is_secure(&request);
        async move {
            let mut response = next.run(request).await;
            headers::dress(&mut response, secure);
            response
        }
    });
    routes.merge(health.layer(plain)).with_state(house)
}

/// Nothing is here: a problem for machines, a page for people.
pub(super) async fn lost(State(house): State<Arc<House>>, request: Request) -> Response {
    if request.uri().path().starts_with("/api") {
        return Problem::transport("no_such_route").into_response();
    }
    Handler::call(crate::pages::handlers::not_found, request, house).await
}

/// The process lives.
async fn show_health() -> &'static str {
    "ok\n"
}

/// The store answers.
async fn show_ready(State(house): State<Arc<House>>) -> Response {
    match house.reference_now().await {
        Ok(_) => "ready\n".into_response(),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n").into_response()
        }
    }
}
