//! The public device page and the pages one tap behind it.
//!
//! [`view`] is the contract with the handlers: plain data. [`render`] turns a device into its page;
//! [`forms`] holds registration, report and the physical proof; [`plain`] the rest. Which action
//! is the filled one, what a state says and which blocks appear is decided here, so that two
//! handlers cannot answer the same state in two ways. [`present`] fills the device's view from what
//! the flows know, with [`history`] for the dossier's lines and [`nearby`] for the service centres.

pub mod forms;
pub mod history;
pub mod my_data;
pub mod nearby;
pub mod parts;
pub mod plain;
pub mod present;
mod register_words;
pub mod render;
pub mod view;

#[cfg(test)]
mod fakes;
#[cfg(test)]
mod language_tests;
#[cfg(test)]
mod plain_test_views;
#[cfg(test)]
mod said_tests;
#[cfg(test)]
mod tests;

pub use forms::{render_proof, render_register, render_report};
pub use plain::{
    render_centres, render_done, render_error, render_history, render_home, render_privacy,
};
pub use render::render_device;
