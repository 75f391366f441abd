//! Requests to the masters: real answers and injected faults, from a local server.
//!
//! Every test searches its errors for the secret: no error may contain it.

use std::io::Write;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::support::{RawServer, answer, capture, server, server_by, settings, state_answer};
use node_gather::mesos::client::{Cause, Client, ClientError, FetchError, Fetched};
use node_gather::mesos::redirect::RedirectError;
use node_gather::mesos::state::StateError;
use node_gather::summarize::ClusterState;
use secrecy::SecretString;
use shared::config::Mesos;
use tokio::time::Instant;

/// A secret that no error may contain.
const SECRET: &str = "canary-5ecret";

/// A captured answer with the right length: names in the captures were replaced by shorter ones.
fn captured_answer(path: &str) -> Vec<u8> {
    let bytes = capture(path);
    let end_of_head = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let (head, body) = bytes.split_at(end_of_head);
    let lines = String::from_utf8(head.to_vec()).unwrap();
    let lines = lines.trim_end().lines().map(|line| {
        if line.starts_with("Content-Length") {
            format!("Content-Length: {}\r\n", body.len())
        } else {
            format!("{line}\r\n")
        }
    });
    let head: String = lines.collect();
    [head.as_bytes(), b"Connection: close\r\n\r\n", body].concat()
}

fn redirect(location: &str) -> Vec<u8> {
    answer("307 Temporary Redirect", &format!("Location: {location}\r\n"), "")
}

fn client(settings: Mesos, credentials: &str) -> Client {
    Client::new(settings, Some(&SecretString::from(credentials)), None).unwrap()
}

fn fetch_with(client: &Client) -> Result<Fetched<ClusterState>, FetchError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let fetched = runtime.block_on(client.fetch(|| ClusterState::new(&[])));
    if let Err(error) = &fetched {
        for text in [error.to_string(), format!("{error:?}"), format!("{client:?}")] {
            assert!(!text.contains(SECRET) && !text.contains("Y2FuYXJ5"), "{text}");
        }
    }
    fetched
}

/// Asks the masters with credentials, so that a leak is visible.
fn fetch(settings: Mesos) -> Result<Fetched<ClusterState>, FetchError> {
    fetch_with(&client(settings, &format!("reader:{SECRET}")))
}

/// Why the only master returned no state.
fn cause(settings: Mesos) -> Cause {
    let mut error = fetch(settings).unwrap_err();
    assert_eq!(error.0.len(), 1, "{error}");
    error.0.remove(0).cause
}

fn cause_of(master: &RawServer) -> Cause {
    cause(settings(&[master.url()]))
}

#[test]
fn the_state_of_a_leading_master_is_read_in_one_request() {
    let master = server(state_answer());
    let fetched = fetch(settings(&[master.url()])).unwrap();
    assert_eq!(fetched.master, master.url());
    assert_eq!((fetched.state.registered_agents(), fetched.bytes), (1, 5424));
    let requests = master.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].starts_with("GET /state HTTP/1.1\r\n"), "{}", requests[0]);
    assert!(!requests[0].to_lowercase().contains("accept-encoding"), "{}", requests[0]);
}

#[test]
fn the_path_of_an_admin_router_is_kept() {
    let master = server(state_answer());
    let url = format!("{}/mesos/", master.url());
    assert_eq!(fetch(settings(&[url])).unwrap().master, format!("{}/mesos", master.url()));
    assert!(master.requests()[0].starts_with("GET /mesos/state "));
}

#[test]
fn a_real_redirect_leads_to_the_leader_which_gets_the_credentials() {
    for version in ["1.4.3", "1.11.0"] {
        let leader = server(state_answer());
        let port = leader.address.port();
        let real =
            String::from_utf8(captured_answer(&format!("{version}/20-non-leading-master/master-state.http"))).unwrap();
        assert!(real.contains("Location: //localhost:5050/master/state\r\n"), "{real}");
        let follower = server(real.replace("localhost:5050", &format!("localhost:{port}")));
        let leader_url = format!("http://localhost:{port}");
        let fetched = fetch(settings(&[follower.url(), leader_url.clone()])).unwrap();
        assert_eq!(fetched.master, leader_url);
        let request = &leader.requests()[0];
        assert!(request.starts_with("GET /master/state HTTP/1.1\r\n"), "{request}");
        // reader:canary-5ecret
        assert!(request.contains("authorization: Basic cmVhZGVyOmNhbmFyeS01ZWNyZXQ="), "{request}");
    }
}

#[test]
fn a_redirect_to_an_unlisted_local_address_is_refused() {
    let unlisted = server(state_answer());
    for location in [
        format!("//127.0.0.1:{}/state", unlisted.address.port()),
        format!("http://localhost:{}/state", unlisted.address.port()),
        "http://169.254.169.254/latest/meta-data/iam".to_owned(),
    ] {
        let master = server(redirect(&location));
        let cause = cause_of(&master);
        assert!(matches!(&cause, Cause::Redirect(RedirectError::Local(_))), "{location}: {cause:?}");
    }
    assert!(unlisted.requests().is_empty());
}

#[test]
fn redirects_that_lead_nowhere_are_refused() {
    for (location, expected) in [
        ("file:///etc/passwd", "scheme"),
        ("gopher://10.0.0.1/", "scheme"),
        ("https://10.0.0.1:5050/state", "from http to https"),
        ("http://", "no URL"),
        ("//me:canary-5ecret@10.0.0.1/state", "credentials in the URL"),
    ] {
        let master = server(redirect(location));
        let error = fetch(settings(&[master.url()])).unwrap_err().to_string();
        assert!(error.contains(expected), "{location}: {error}");
        assert_eq!(master.requests().len(), 1, "not tried again");
    }
    let silent = server(answer("302 Found", "", ""));
    assert!(matches!(cause_of(&silent), Cause::Redirect(RedirectError::NoLocation)));
}

#[test]
fn masters_that_redirect_to_each_other_have_too_many_redirects() {
    let second_url = Arc::new(Mutex::new(String::new()));
    let location_url = second_url.clone();
    let first = server_by(move |_, stream| {
        let location = format!("{}/state", location_url.lock().unwrap());
        drop(stream.write_all(&redirect(&location)));
    });
    let back = first.url();
    let second = server_by(move |_, stream| drop(stream.write_all(&redirect(&format!("{back}/state")))));
    *second_url.lock().unwrap() = second.url();
    let error = fetch(settings(&[first.url(), second.url()])).unwrap_err();
    assert!(error.0.iter().all(|failure| matches!(failure.cause, Cause::TooManyRedirects)), "{error}");
    assert_eq!(first.requests().len() + second.requests().len(), 6);
}

#[test]
fn a_master_without_a_leader_is_asked_again() {
    for version in ["1.4.3", "1.11.0"] {
        let no_leader = captured_answer(&format!("{version}/21-no-leader/master-state.http"));
        let asked = Mutex::new(0);
        let recovering = server_by({
            let no_leader = no_leader.clone();
            move |_, stream| {
                let mut asked = asked.lock().unwrap();
                *asked += 1;
                drop(stream.write_all(&if *asked < 3 { no_leader.clone() } else { state_answer() }));
            }
        });
        assert!(fetch(settings(&[recovering.url()])).is_ok());
        assert_eq!(recovering.requests().len(), 3);

        let lasting = server(no_leader);
        assert!(matches!(cause_of(&lasting), Cause::NoLeader));
        assert_eq!(lasting.requests().len(), 3);
    }
}

#[test]
fn missing_and_wrong_credentials_are_different_errors() {
    for version in ["1.4.3", "1.11.0"] {
        let file = |name: &str| captured_answer(&format!("{version}/22-http-auth/{name}.http"));
        let (anon, wrong, ok) = (file("state-anon"), file("state-wrong"), file("state-ok"));
        let master = server_by(move |request, stream| {
            let answer = match request.lines().find_map(|line| line.strip_prefix("authorization: ")) {
                None => &anon,
                Some("Basic cmVhZGVyOmNhbmFyeS01ZWNyZXQ=" | "token=canary-5ecret") => &ok,
                Some(_) => &wrong,
            };
            drop(stream.write_all(answer));
        });
        let anonymous = Client::new(settings(&[master.url()]), None, None).unwrap();
        let causes = [
            fetch_with(&anonymous).unwrap_err().0.remove(0).cause,
            fetch_with(&client(settings(&[master.url()]), &format!("other:{SECRET}"))).unwrap_err().0.remove(0).cause,
        ];
        assert!(matches!(causes, [Cause::CredentialsMissing, Cause::CredentialsRefused]), "{causes:?}");
        assert_eq!(master.requests().len(), 2, "refused credentials are not sent again");
        assert!(fetch(settings(&[master.url()])).is_ok());
        assert!(fetch_with(&client(settings(&[master.url()]), &format!("token:{SECRET}"))).is_ok());
    }
}

#[test]
fn an_error_about_credentials_does_not_contain_them() {
    for text in [SECRET, ":canary-5ecret", "token:canary-5ecret\nx"] {
        let refused =
            Client::new(settings(&["http://10.0.0.5:5050".to_owned()]), Some(&SecretString::from(text)), None);
        let error = refused.unwrap_err();
        assert!(matches!(error, ClientError::Credentials) && !error.to_string().contains(SECRET), "{error}");
    }
    let bundle = SecretString::from("no certificate");
    let refused = Client::new(settings(&["https://10.0.0.5:5050".to_owned()]), None, Some(&bundle));
    assert!(matches!(refused, Err(ClientError::NoCertificates | ClientError::CaBundle(_))));
}

#[test]
fn only_transient_statuses_are_asked_again() {
    // In one thread each, because retries pause.
    let cases = [
        ("403 Forbidden", "(403)", 1),
        ("404 Not Found", "(404)", 1),
        ("429 Too Many Requests", "(429)", 3),
        ("500 Internal Server Error", "status 500", 3),
        ("503 Service Unavailable", "status 503", 3),
        ("418 I'm a teapot", "status 418", 1),
        ("204 No Content", "status 204", 1),
    ];
    let check = |(status, expected, requests): (&str, &str, usize)| {
        let master = server(answer(status, "", ""));
        let error = fetch(settings(&[master.url()])).unwrap_err().to_string();
        assert!(error.contains(expected), "{status}: {error}");
        assert_eq!(master.requests().len(), requests, "{status}");
    };
    thread::scope(|scope| cases.into_iter().for_each(|case| drop(scope.spawn(move || check(case)))));
}

#[test]
fn a_final_error_ends_without_a_pause() {
    let start = Instant::now();
    for _ in 0..10 {
        let master = server(answer("403 Forbidden", "", ""));
        assert!(matches!(cause_of(&master), Cause::Forbidden));
    }
    // With two pauses each it would take nine seconds.
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

#[test]
fn each_answer_that_is_no_state_has_its_error() {
    let state = |answer: Vec<u8>| match cause_of(&server(answer)) {
        Cause::State(error) => error,
        other => panic!("{other:?}"),
    };
    assert!(matches!(state(answer("200 OK", "Content-Type: text/html\r\n", "<html>log in</html>")), StateError::Html));
    assert!(matches!(state(answer("200 OK", "", "")), StateError::Empty));
    assert!(matches!(state(answer("200 OK", "", "{}")), StateError::Missing("slaves")));
    assert!(matches!(state(answer("200 OK", "", "{\"slaves\":[")), StateError::Truncated(_)));
    // An answer without a length ends with the connection; only the parser notices.
    assert!(matches!(state(b"HTTP/1.1 200 OK\r\n\r\n{\"slaves\":[]".to_vec()), StateError::Truncated(_)));
}

#[test]
fn an_incomplete_answer_is_no_state() {
    let whole = state_answer();
    let length_too_long =
        String::from_utf8(whole.clone()).unwrap().replacen("Content-Length: ", "Content-Length: 1", 1);
    for (what, bytes) in [
        ("cut in the middle", whole[..whole.len() - 2000].to_vec()),
        ("whole but announced longer", length_too_long.into_bytes()),
    ] {
        let cause = cause_of(&server(bytes));
        assert!(matches!(cause, Cause::BrokenOff { bytes, .. } if bytes > 3000), "{what}: {cause:?}");
    }
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n";
    assert!(matches!(cause_of(&server(&chunked[..])), Cause::BrokenOff { bytes: 5, .. }));
    // Unread data makes the system reset the connection.
    let reset = server_by(|_, stream| {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{\"slaves\":["));
        thread::sleep(Duration::from_millis(50));
        drop(stream.shutdown(std::net::Shutdown::Both));
    });
    assert!(matches!(cause_of(&reset), Cause::BrokenOff { .. }));
}

#[test]
fn an_answer_that_is_not_http_is_a_failed_request() {
    assert!(matches!(cause_of(&server("SSH-2.0-OpenSSH_9.6\r\n")), Cause::Request(_)));
    assert!(matches!(cause_of(&server("")), Cause::Request(_)));
}

#[test]
fn a_slow_drip_ends_at_the_deadline() {
    let dripping = server_by(|_, stream| {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"other\":\""));
        while stream.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    });
    let start = Instant::now();
    let cause = cause(Mesos { timeout: Duration::from_millis(1000), ..settings(&[dripping.url()]) });
    assert!(matches!(cause, Cause::Deadline { bytes, .. } if bytes > 10), "{cause:?}");
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

#[test]
fn a_silent_master_leaves_time_for_the_next() {
    let mute = server_by(|_, _| thread::sleep(Duration::from_secs(30)));
    let leader = server(state_answer());
    let both = Mesos { timeout: Duration::from_secs(2), ..settings(&[mute.url(), leader.url()]) };
    assert_eq!(fetch(both).unwrap().master, leader.url());
    let alone = Mesos { timeout: Duration::from_millis(500), ..settings(&[mute.url()]) };
    assert!(matches!(cause(alone), Cause::NoAnswer(_) | Cause::Deadline { bytes: 0, .. }));
}

#[test]
fn a_state_beyond_the_limit_is_refused() {
    let announced = server("HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n");
    assert!(matches!(cause_of(&announced), Cause::TooLarge { limit: 1_048_576 }));
    let endless = server_by(|_, stream| {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"other\":["));
        while stream.write_all(b"0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,").is_ok() {}
    });
    assert!(matches!(cause_of(&endless), Cause::TooLarge { limit: 1_048_576 }));
    let enough = Mesos { max_state_bytes: 5424, ..settings(&[server(state_answer()).url()]) };
    assert!(fetch(enough).is_ok());
    let short = Mesos { max_state_bytes: 5423, ..settings(&[server(state_answer()).url()]) };
    assert!(matches!(cause(short), Cause::TooLarge { .. }));
}

fn gzipped(body: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(body).unwrap();
    let packed = gzip.finish().unwrap();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        packed.len()
    );
    [head.as_bytes(), &packed].concat()
}

#[test]
fn gzip_is_accepted_if_requested_and_its_size_counts_decoded() {
    let state = capture("1.11.0/24-v0-driver-framework/state.json");
    let master = server(gzipped(&state));
    let fetched = fetch(Mesos { gzip: true, ..settings(&[master.url()]) }).unwrap();
    assert_eq!(fetched.bytes, 5424);
    assert!(master.requests()[0].to_lowercase().contains("accept-encoding: gzip"), "{}", master.requests()[0]);
    // If not requested, it is no state.
    assert!(matches!(cause_of(&master), Cause::State(StateError::NotAnObject)));

    let mut bomb = b"{\"other\":\"".to_vec();
    bomb.resize(16 << 20, b'x');
    let master = server(gzipped(&bomb));
    let cause = cause(Mesos { gzip: true, ..settings(&[master.url()]) });
    assert!(matches!(cause, Cause::TooLarge { limit: 1_048_576 }), "{cause:?}");
}

#[test]
fn the_error_names_every_master_with_its_cause() {
    let unused = || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let teapot = server(answer("418 I'm a teapot", "", ""));
    let masters = [unused(), teapot.url(), "http://no-such-host.invalid:5050".to_owned()];
    let error = fetch(settings(&masters)).unwrap_err();
    assert_eq!(error.0.len(), 3);
    let text = error.to_string();
    for master in &masters {
        assert!(text.contains(master.as_str()), "{master}: {text}");
    }
    assert!(text.contains("cannot connect") && text.contains("status 418"), "{text}");
    let connect = error.0.iter().filter(|failure| matches!(failure.cause, Cause::Connect(_))).count();
    assert_eq!(connect, 2, "{text}");
    assert_eq!(teapot.requests().len(), 1);
}

#[test]
fn after_an_unreachable_master_the_next_is_asked() {
    let down =
        TcpListener::bind("127.0.0.1:0").map(|listener| format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let leader = server(state_answer());
    assert_eq!(fetch(settings(&[down, leader.url()])).unwrap().master, leader.url());
}

#[test]
fn an_endless_run_of_informational_responses_ends_at_the_deadline() {
    for kind in ["100 Continue", "103 Early Hints"] {
        let line = format!("HTTP/1.1 {kind}\r\n\r\n").repeat(100);
        let server = server_by(move |_, stream| while stream.write_all(line.as_bytes()).is_ok() {});
        let alone = Mesos { timeout: Duration::from_millis(500), ..settings(&[server.url()]) };
        let start = Instant::now();
        assert!(matches!(cause(alone), Cause::NoAnswer(_) | Cause::Deadline { bytes: 0, .. }), "{kind}");
        // Far more than the deadline, because other tests run at the same time.
        assert!(start.elapsed() < Duration::from_secs(60), "{kind}");
    }
}
