//! Masters that get stuck: each leaves time for the others, and the errors name all of them.

use std::thread;
use std::time::Duration;

use crate::support::{RawServer, answer, server, settings, state_answer};
use node_gather::mesos::client::{Cause, Client, FetchError, Fetched, Slow};
use node_gather::summarize::ClusterState;
use shared::config::Mesos;
use testbed::raw::Stuck;
use tokio::time::Instant;

const PAUSE: Duration = Duration::from_millis(20);

/// Every way to get stuck.
const WAYS: [Stuck; 10] = [
    Stuck::Mute,
    Stuck::Stalls { after: 0 },
    Stuck::Stalls { after: 200 },
    Stuck::Stalls { after: 100_000 },
    Stuck::Trickles { pause: Duration::from_millis(1) },
    Stuck::Trickles { pause: PAUSE },
    Stuck::Endless,
    Stuck::ErrorPage { status: 503, pause: PAUSE },
    Stuck::ErrorPage { status: 500, pause: PAUSE },
    Stuck::ErrorPage { status: 403, pause: PAUSE },
];

fn fetch(masters: &[String], timeout: Duration) -> Result<Fetched<ClusterState>, FetchError> {
    let settings = Mesos { timeout, max_state_bytes: 4 << 30, ..settings(masters) };
    let client = Client::new(settings, None, None).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(client.fetch(|| ClusterState::new(&[])))
}

fn stuck(how: Stuck) -> RawServer {
    RawServer::stuck(how).unwrap()
}

#[test]
fn after_a_master_that_is_stuck_in_any_way_the_next_is_asked() {
    let check = |how: Stuck| {
        let (first, leader) = (stuck(how), server(state_answer()));
        let fetched = fetch(&[first.url(), leader.url()], Duration::from_secs(6));
        assert_eq!(fetched.unwrap_or_else(|error| panic!("{how:?}: {error}")).master, leader.url(), "{how:?}");
    };
    thread::scope(|scope| WAYS.iter().for_each(|how| drop(scope.spawn(move || check(*how)))));
}

#[test]
fn after_several_masters_that_are_stuck_the_last_is_asked() {
    let check = |ways: &[Stuck]| {
        let (others, leader) = (ways.iter().map(|how| stuck(*how)).collect::<Vec<_>>(), server(state_answer()));
        let masters: Vec<String> = others.iter().map(RawServer::url).chain([leader.url()]).collect();
        let fetched = fetch(&masters, Duration::from_secs(10));
        assert_eq!(fetched.unwrap_or_else(|error| panic!("{ways:?}: {error}")).master, leader.url(), "{ways:?}");
    };
    thread::scope(|scope| WAYS.windows(4).for_each(|ways| drop(scope.spawn(move || check(ways)))));
}

#[test]
fn masters_that_are_all_stuck_are_all_named_and_the_deadline_holds() {
    let masters: Vec<RawServer> = WAYS[..6].iter().map(|how| stuck(*how)).collect();
    let urls: Vec<String> = masters.iter().map(RawServer::url).collect();
    let start = Instant::now();
    let error = fetch(&urls, Duration::from_secs(3)).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let text = error.to_string();
    assert!(urls.iter().all(|url| text.contains(url.as_str())), "{text}");
}

#[test]
fn a_stalled_master_that_is_alone_is_asked_again() {
    let master = stuck(Stuck::Stalls { after: 200 });
    let mut error = fetch(&[master.url()], Duration::from_secs(3)).unwrap_err();
    let cause = error.0.remove(0).cause;
    assert!(matches!(cause, Cause::Slow(Slow::Stalled { bytes: 200, .. })), "{cause:?}");
    assert_eq!(master.requests().len(), 3);
}

#[test]
fn a_leader_that_is_stuck_is_named_with_the_master_that_advertised_it() {
    let leader = stuck(Stuck::Stalls { after: 200 });
    let location = format!("Location: //{}/master/state\r\n", leader.address);
    let followers = [(); 2].map(|()| server(answer("307 Temporary Redirect", &location, "")));
    let masters = [followers[0].url(), followers[1].url(), leader.url()];
    let text = fetch(&masters, Duration::from_secs(2)).unwrap_err().to_string();
    let by_redirect =
        format!("{}, redirected to {}: the answer stalled after 200 bytes", followers[0].url(), leader.address);
    assert!(text.contains(&by_redirect), "{text}");
}

#[test]
fn an_advertised_leader_that_does_not_resolve_is_named() {
    let location = "Location: //no-such-leader.invalid:5050/master/state\r\n";
    let follower = server(answer("307 Temporary Redirect", location, ""));
    let text = fetch(&[follower.url()], Duration::from_secs(5)).unwrap_err().to_string();
    let named = format!("{}, redirected to no-such-leader.invalid:5050: cannot connect", follower.url());
    assert!(text.contains(&named), "{text}");
    assert!(text.contains("cannot resolve no-such-leader.invalid: "), "{text}");
}

#[test]
fn an_error_has_no_path_of_a_url() {
    let master = server(answer("418 I'm a teapot", "", ""));
    let text = fetch(&[format!("{}/hunter2", master.url())], Duration::from_secs(5)).unwrap_err().to_string();
    assert!(text.contains(&master.url()) && !text.contains("hunter2"), "{text}");
}
