//! Addresses that take no parameters: there each is refused by its name, as an unknown one is where
//! some are taken. Which they are is read from what the handlers say of themselves, so that what is
//! described is what is taken.

use super::error::Problem;
use super::input::nothing_asked;
use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use std::collections::HashMap;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn, PathItem};
use utoipa::openapi::{OpenApi, RefOr};

/// What all of these begin with. Pages are none of them: whoever passes a link on may put something
/// of their own behind it.
const VERSION_1: &str = "/api/v1/";
/// A report of a first start may say more than is read, in its address too: firmware outlives
/// interfaces.
const ACTIVATIONS: &str = "/api/v1/activations";

/// The operations that take none, by the template of their path.
pub struct Unasked(HashMap<String, Vec<Method>>);

impl Unasked {
    /// Those of a description.
    pub fn of(document: &OpenApi) -> Self {
        let is_strict = |path: &str| path.starts_with(VERSION_1) && path != ACTIVATIONS;
        let ours = document.paths.paths.iter().filter(|(path, _)| is_strict(path));
        Self(ours.map(|(path, item)| (path.clone(), methods(item))).collect())
    }

    /// Refuses the parameters of a request to one of these.
    ///
    /// # Errors
    /// It has some; the first is named.
    pub(super) fn check(&self, request: &Request) -> Result<(), Problem> {
        if request.uri().query().is_none() {
            return Ok(());
        }
        let path = request.extensions().get::<MatchedPath>();
        let methods = path.and_then(|path| self.0.get(path.as_str()));
        // Whoever answers GET answers HEAD.
        let head = *request.method() == Method::HEAD;
        let method = if head { Method::GET } else { request.method().clone() };
        match methods.is_some_and(|methods| methods.contains(&method)) {
            true => nothing_asked(request.uri()),
            false => Ok(()),
        }
    }
}

/// The methods of a path of which no parameter is described.
fn methods(item: &PathItem) -> Vec<Method> {
    let operations = [
        (Method::GET, &item.get),
        (Method::POST, &item.post),
        (Method::PUT, &item.put),
        (Method::PATCH, &item.patch),
        (Method::DELETE, &item.delete),
    ];
    let takes_none = |operation: &Operation| !operation.parameters.iter().flatten().any(is_asked);
    let found = operations.into_iter().filter(|(_, o)| o.as_ref().is_some_and(takes_none));
    found.map(|(method, _)| method).collect()
}

/// Whether a parameter stands behind the path; one that is described elsewhere may.
fn is_asked(parameter: &RefOr<Parameter>) -> bool {
    match parameter {
        RefOr::T(it) => matches!(it.parameter_in, ParameterIn::Query | ParameterIn::QueryString),
        RefOr::Ref(_) => true,
    }
}
