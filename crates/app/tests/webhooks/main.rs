//! Webhooks: delivered once each and in order, signed, tried again, given up; never sent where
//! nobody on the internet could go; and nobody is told what is none of their business. A real
//! receiver listens on a port of the system's; the clock stands until a test moves it.

#[path = "../common/mod.rs"]
mod common;

mod delivery;
mod guard;
mod place;
mod serving;
mod strangers;
mod turns;

use common::World;

on_both! {
    every_event_comes_once_in_the_order_of_the_log_and_signed,
    what_failed_comes_again_and_holds_up_what_follows,
    an_event_that_nobody_takes_is_given_up_and_sent_by_hand,
    nothing_taken_for_days_switches_off_and_nothing_is_lost,
    gone_switches_off_at_once,
    two_processes_bring_each_event_once,
    a_lease_of_the_dead_ends,
    told_again_from_an_earlier_index,
    two_secrets_sign_while_they_overlap,
    a_serving_process_brings_and_one_that_hangs_holds_up_no_other,
    deliveries_are_kept_so_many_and_so_long,
    many_subjects_are_counted_and_numbers_of_ours_stay_here,
    a_redirect_is_not_followed_and_a_long_answer_not_read,
    a_target_that_is_not_on_the_internet_is_refused,
    an_address_is_looked_at_when_it_is_connected_to,
    a_certificate_must_be_vouched_for,
    a_party_hears_of_its_own_goods_alone,
    others_webhooks_are_not_there,
    the_trail_is_told_to_who_may_read_it,
    regions_and_numbers_bound_who_makes_one,
    a_slow_brand_keeps_no_other_waiting,
    what_is_no_longer_asked_for_is_not_told,
    quiet_days_and_another_address_begin_anew,
    one_far_behind_comes_after,
    what_is_sent_by_hand_is_kept_so_long_too,
}

async fn every_event_comes_once_in_the_order_of_the_log_and_signed(world: &World) {
    delivery::once_and_in_order(world).await;
}

async fn what_failed_comes_again_and_holds_up_what_follows(world: &World) {
    delivery::failed_comes_again(world).await;
}

async fn an_event_that_nobody_takes_is_given_up_and_sent_by_hand(world: &World) {
    delivery::given_up(world).await;
}

async fn nothing_taken_for_days_switches_off_and_nothing_is_lost(world: &World) {
    delivery::switched_off(world).await;
}

async fn gone_switches_off_at_once(world: &World) {
    delivery::gone(world).await;
}

async fn two_processes_bring_each_event_once(world: &World) {
    delivery::two_processes(world).await;
}

async fn a_lease_of_the_dead_ends(world: &World) {
    delivery::lease_ends(world).await;
}

async fn told_again_from_an_earlier_index(world: &World) {
    delivery::told_again(world).await;
}

async fn two_secrets_sign_while_they_overlap(world: &World) {
    delivery::rotation(world).await;
}

async fn a_serving_process_brings_and_one_that_hangs_holds_up_no_other(world: &World) {
    serving::brings(world).await;
}

async fn deliveries_are_kept_so_many_and_so_long(world: &World) {
    serving::bounded(world).await;
}

async fn many_subjects_are_counted_and_numbers_of_ours_stay_here(world: &World) {
    delivery::thin(world).await;
}

async fn a_redirect_is_not_followed_and_a_long_answer_not_read(world: &World) {
    guard::answers(world).await;
}

async fn a_target_that_is_not_on_the_internet_is_refused(world: &World) {
    guard::refused_when_saved(world).await;
}

async fn an_address_is_looked_at_when_it_is_connected_to(world: &World) {
    guard::refused_when_connected(world).await;
}

async fn a_certificate_must_be_vouched_for(world: &World) {
    guard::certificates(world).await;
}

async fn a_party_hears_of_its_own_goods_alone(world: &World) {
    strangers::own_goods(world).await;
}

async fn others_webhooks_are_not_there(world: &World) {
    strangers::not_there(world).await;
}

async fn the_trail_is_told_to_who_may_read_it(world: &World) {
    strangers::trail(world).await;
}

async fn regions_and_numbers_bound_who_makes_one(world: &World) {
    strangers::bounds(world).await;
}

async fn a_slow_brand_keeps_no_other_waiting(world: &World) {
    turns::slow_brand(world).await;
}

async fn what_is_no_longer_asked_for_is_not_told(world: &World) {
    turns::narrowed(world).await;
}

async fn quiet_days_and_another_address_begin_anew(world: &World) {
    turns::quiet(world).await;
}

async fn one_far_behind_comes_after(world: &World) {
    turns::far_behind(world).await;
}

async fn what_is_sent_by_hand_is_kept_so_long_too(world: &World) {
    turns::by_hand_too(world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_store_sends_nothing_until_it_is_told_to() {
    delivery::restored(&World::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_makes_tries_and_removes_one() {
    serving::by_hand(&World::sqlite().await).await;
}

#[test]
fn every_kind_of_the_ledger_is_in_the_table() {
    let text = include_str!("../../../store/src/event.rs");
    let of_kind = text.split("pub fn kind(&self)").nth(1).expect("the words");
    let of_kind = of_kind.split("\n    }\n").next().expect("its end");
    let words: Vec<_> =
        of_kind.split("=> \"").skip(1).filter_map(|w| w.split('"').next()).collect();
    assert!(words.len() > 20, "{words:?}");
    for word in &words {
        assert!(domain::webhook::audience(word).is_some(), "{word} is told nobody");
    }
    assert_eq!(words.len(), domain::webhook::KINDS.len());
}
