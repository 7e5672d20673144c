//! Pages: everything a person sees in a browser.
//!
//! A page is a *view* (plain data, filled by a handler), a template (`templates/`) and a sentence
//! for each thing it may say (`locales/`). Views hold typed dates and numbers; wording, escaping
//! and layout are decided here. Nothing in this module reads a clock, a database or a request.

pub mod device;
pub mod i18n;
pub mod inline;
pub mod rosette;
pub mod shell;
