//! The machine-readable description, made from the handlers themselves, and a page of it that
//! loads nothing from elsewhere.

use super::error::{TRANSPORT_CODES, status_of};
use super::responses;
use crate::files::{Json, Kind};
use axum::Extension;
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use domain::refusal::Refusal;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};

/// What the document says besides its paths.
#[derive(OpenApi)]
#[openapi(info(
    title = "Dossier",
    description = "From factory to hand, every device has a dossier (一机一档)."
))]
pub struct Described;

/// The finished document and its page, made when somebody first asks: no process waits for them
/// before it answers.
#[derive(Clone)]
pub struct Rendered(Arc<LazyLock<Texts, Box<dyn FnOnce() -> Texts + Send>>>);

struct Texts {
    json: String,
    page: String,
}

impl Rendered {
    /// Of the document that the routes gave.
    pub fn of(document: Document) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(|| render(document)))))
    }
}

fn render(mut document: Document) -> Texts {
    let mut key = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    key.description = Some("A key made with `dossier key new`: dos_…".to_owned());
    let components = document.components.get_or_insert_default();
    components.security_schemes.insert("key".to_owned(), SecurityScheme::Http(key).into());
    let session = ApiKey::Cookie(ApiKeyValue::with_description(
        "__Host-dossier",
        "A session of somebody who signed in. It stands wherever a key does: its scopes are those \
         of the role. In the clear on the machine itself the cookie is called dossier.",
    ));
    components
        .security_schemes
        .insert("session".to_owned(), SecurityScheme::ApiKey(session).into());
    let mut value = serde_json::to_value(&document).unwrap_or_default();
    responses::declare(&mut value);
    if let Some(paths) = value.get_mut("paths").and_then(Value::as_object_mut) {
        plain_parameters(paths);
    }
    if let Some(schemas) = value.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        rows(schemas);
    }
    Texts { page: page(&value), json: value.to_string() }
}

/// A parameter that takes the rest of a path has a star for our router; in a description it has a
/// name like any other.
fn plain_parameters(paths: &mut Map<String, Value>) {
    let starred: Vec<_> = paths.keys().filter(|path| path.contains("{*")).cloned().collect();
    for path in starred {
        if let Some(item) = paths.remove(&path) {
            paths.insert(path.replace("{*", "{"), item);
        }
    }
}

/// The rows of bulk commands, from the same table the reader of files uses.
fn rows(schemas: &mut Map<String, Value>) {
    for kind in Kind::ALL {
        let property = |column: &crate::files::Column| {
            let kind = match column.json {
                Json::Text => json!("string"),
                Json::Number => json!(["string", "number"]),
                Json::Truth => json!(["string", "boolean"]),
                Json::Object => json!(["string", "object"]),
            };
            let text = json!({"type": kind, "description": column.about});
            let many = json!({"type": "array", "items": {"type": "string"}, "maxItems": 100,
                "description": column.about});
            (column.name.to_owned(), if column.list { many } else { text })
        };
        let properties: Map<_, _> = kind.columns().iter().map(property).collect();
        let required: Vec<_> = kind.required().collect();
        let schema = json!({"type": "object", "properties": properties, "required": required,
            "additionalProperties": false});
        schemas.insert(format!("row_{kind}"), schema);
    }
}

/// The OpenAPI document.
pub async fn show_openapi(Extension(rendered): Extension<Rendered>) -> Response {
    let json = [(header::CONTENT_TYPE, "application/json")];
    (json, rendered.0.json.clone()).into_response()
}

/// The same for people.
pub async fn show_docs(Extension(rendered): Extension<Rendered>) -> Response {
    let policy = [(header::CONTENT_SECURITY_POLICY, DOCS_POLICY.clone())];
    (policy, Html(rendered.0.page.clone())).into_response()
}

/// The page loads nothing, and of style only what stands in it.
static DOCS_POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = crate::pages::inline::source(STYLE);
    let rest = "form-action 'none'; base-uri 'none'; frame-ancestors 'none'";
    let policy = format!("default-src 'none'; style-src {style}; {rest}");
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;\
    padding:0 1rem;color:#1a1a1a;background:#fff}h2{margin-top:2.5rem}code,pre{font:14px/1.4 \
    ui-monospace,monospace;background:#f4f4f2;padding:.1em .3em}pre{padding:1em;overflow:auto}\
    table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;\
    border-bottom:1px solid #ddd;padding:.3em .6em .3em 0}";

fn page(document: &Value) -> String {
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>Dossier API</title><style>{STYLE}</style>\
         <h1>Dossier API</h1><p>The same for machines: <a href=\"/api/openapi.json\">\
         openapi.json</a>.</p>"
    );
    operations(document, &mut html);
    html.push_str("<h2 id=\"problems\">Problems</h2><table><tr><th>code<th>status<th>meaning");
    let refusals = Refusal::ALL.iter().map(|r| (r.code(), status_of(*r), r.sentence()));
    for (code, status, sentence) in refusals.chain(TRANSPORT_CODES) {
        let sentence = escaped(sentence);
        // Writing into a String cannot fail.
        let _ = write!(html, "<tr id=\"{code}\"><td><code>{code}</code><td>{status}<td>{sentence}");
    }
    html.push_str("</table><h2 id=\"schemas\">Bodies and replies</h2>");
    let schemas = document.pointer("/components/schemas").and_then(Value::as_object);
    for (name, schema) in schemas.into_iter().flatten() {
        let text = serde_json::to_string_pretty(schema).unwrap_or_default();
        let text = escaped(&text);
        let _ = write!(html, "<h3 id=\"schema-{name}\">{name}</h3><pre>{text}</pre>");
    }
    html
}

fn operations(document: &Value, html: &mut String) {
    let paths = document.get("paths").and_then(Value::as_object);
    for (path, item) in paths.into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            let text = |field: &str| {
                escaped(operation.get(field).and_then(Value::as_str).unwrap_or_default())
            };
            let _ = write!(
                html,
                "<h2 id=\"{}\">{} <code>{}</code></h2><p>{} {}</p><table>",
                text("operationId"),
                escaped(&method.to_uppercase()),
                escaped(path),
                text("summary"),
                text("description"),
            );
            let body = operation.pointer("/requestBody/content");
            let replies = operation.get("responses").and_then(Value::as_object);
            let said = replies.into_iter().flatten().map(|(status, r)| (status.as_str(), r));
            let asked = body.map(|b| ("body", b)).into_iter();
            for (what, value) in asked.chain(said) {
                let about = value.get("description").and_then(Value::as_str).unwrap_or_default();
                let schema = reference_in(value)
                    .map_or(String::new(), |name| format!("<a href=\"#schema-{name}\">{name}</a>"));
                let about = escaped(about);
                let _ = write!(html, "<tr><td>{what}<td>{about}<td>{schema}");
            }
            html.push_str("</table>");
        }
    }
}

/// The first schema a value points at.
fn reference_in(value: &Value) -> Option<&str> {
    match value {
        Value::Object(map) => map.iter().find_map(|(key, value)| match value {
            Value::String(text) if key == "$ref" => text.rsplit('/').next(),
            other => reference_in(other),
        }),
        Value::Array(items) => items.iter().find_map(reference_in),
        _ => None,
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
