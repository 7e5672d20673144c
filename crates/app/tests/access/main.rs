//! Who may do and see what, completely: every route and every flow that acts for somebody has a
//! case in which it serves whom it is for, refuses whom it is not for, and gives another brand
//! nothing. The lists are read from the program itself, so a new route or flow without its cases
//! fails here. Beside them: what those try who are somebody already.

#[path = "../common/mod.rs"]
mod common;
#[path = "../support/mod.rs"]
mod support;

mod boundaries;
mod flow_cases;
mod flows;
mod rights;
mod route_cases;
mod routes;
mod session_cases;
mod stage;
mod tenants;
mod views;

use common::World;

on_both! {
    every_route_serves_its_own_refuses_others_and_tells_strangers_nothing,
    every_flow_serves_its_own_refuses_others_and_tells_strangers_nothing,
    what_is_a_persons_own_is_theirs_alone,
}

async fn every_route_serves_its_own_refuses_others_and_tells_strangers_nothing(world: &World) {
    routes::run(world).await;
}

async fn every_flow_serves_its_own_refuses_others_and_tells_strangers_nothing(world: &World) {
    flows::run(world).await;
}

async fn what_is_a_persons_own_is_theirs_alone(world: &World) {
    let first = common::browser::owner(world).await;
    let stage = stage::Stage::new(world).await;
    session_cases::run(world, &stage, &first).await;
}
