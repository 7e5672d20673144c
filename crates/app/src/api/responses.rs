//! The problems every operation of the document may answer with, said in one place because they
//! come from one place: the gate, the reader of bodies and the check of a key, not the handler.
//!
//! Here belong statuses that follow from an operation's security, parameters and body. What only a
//! handler knows (404, 409) stands at the handler, except of rows: those are answered with the
//! status of the first refusal whatever it is.

use super::error::TRANSPORT_CODES;
use domain::refusal::Refusal;
use serde_json::{Map, Value, json};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// Declares them, and the media type of every problem.
pub fn declare(document: &mut Value) {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for item in paths.into_iter().flat_map(Map::values_mut) {
        let Some(item) = item.as_object_mut() else { continue };
        for (_, operation) in item.iter_mut().filter(|(m, _)| METHODS.contains(&m.as_str())) {
            declare_of(operation);
        }
    }
}

fn declare_of(operation: &mut Value) {
    let statuses = statuses_of(operation);
    let reply = reply_of_each(operation);
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else {
        return;
    };
    for (status, description) in statuses {
        responses.entry(status).or_insert_with(|| {
            json!({"description": description, "content": {"application/json":
                {"schema": {"$ref": "#/components/schemas/Problem"}}}})
        });
    }
    for response in responses.values_mut() {
        as_problem(response);
    }
    if let Some(reply) = reply {
        declare_each(responses, reply);
    }
}

/// What may be answered before the handler begins.
fn statuses_of(operation: &Value) -> Vec<(&'static str, &'static str)> {
    let transport = |code: &str| {
        let row = TRANSPORT_CODES.iter().find(|(known, ..)| *known == code);
        row.map_or("", |(_, _, sentence)| *sentence)
    };
    // The gate looks at the key of every request, at its parameters where none are taken, and
    // counts every request.
    let mut statuses = vec![
        ("400", Refusal::InvalidField.sentence()),
        ("401", transport("unauthenticated")),
        ("429", transport("too_many_requests")),
    ];
    if needs_scope(operation) {
        statuses.push(("403", Refusal::NotAllowed.sentence()));
    }
    let takes_json = operation.pointer("/requestBody/content/application~1json").is_some();
    if takes_json {
        statuses.push(("413", transport("too_large")));
        statuses.push(("415", transport("unsupported_media_type")));
    }
    statuses
}

/// Whether some key would not do.
fn needs_scope(operation: &Value) -> bool {
    let ways = operation.get("security").and_then(Value::as_array);
    let scopes = |way: &Value| {
        let scopes = way.get("key").and_then(Value::as_array);
        scopes.is_some_and(|scopes| !scopes.is_empty())
    };
    ways.is_some_and(|ways| ways.iter().any(scopes))
}

/// What is answered where each row or subject of a command has its own outcome.
fn reply_of_each(operation: &Value) -> Option<&'static str> {
    let schema = operation.pointer("/requestBody/content/application~1json/schema/$ref")?;
    match schema.as_str()?.rsplit('/').next()? {
        "RowsBody" => Some("RowsReply"),
        "ReceiptBody" => Some("ReceiptReply"),
        _ => None,
    }
}

/// A problem is sent as `application/problem+json`.
fn as_problem(response: &mut Value) {
    let content = response.get_mut("content").and_then(Value::as_object_mut);
    let Some(content) = content else { return };
    let is_problem = |media: &Value| {
        let name = media.pointer("/schema/$ref").and_then(Value::as_str);
        name.is_some_and(|name| name.ends_with("/Problem"))
    };
    if content.get("application/json").is_some_and(is_problem)
        && let Some(media) = content.remove("application/json")
    {
        content.insert("application/problem+json".to_owned(), media);
    }
}

/// When nothing was recorded the status is that of the first refusal, and each is answered.
fn declare_each(responses: &mut Map<String, Value>, reply: &str) {
    for status in ["400", "403", "404", "409"] {
        let response = responses.entry(status).or_insert_with(|| json!({"content": {}}));
        let before = response.get("description").and_then(Value::as_str);
        let before = before.map_or(String::new(), |text| format!("{text}; or: "));
        let said = format!("{before}nothing was recorded, the status is that of the first refusal");
        response["description"] = said.into();
        response["content"]["application/json"] =
            json!({"schema": {"$ref": format!("#/components/schemas/{reply}")}});
    }
}
