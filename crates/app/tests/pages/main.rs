//! The public pages, asked for as a browser asks, over a store filled through the flows.

mod centres;
mod filled;
mod forms;
mod states;
mod world;
