//! Requests to Marathon: real answers and injected faults, from a local server.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "what fails here fails the test")]

mod support;

use std::io::Write;
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use node_gather::marathon::Queue;
use node_gather::marathon::client::{Cause, Client, ClientError};
use node_gather::marathon::queue::{QueueError, QueuedInstances};
use secrecy::SecretString;
use shared::config::Marathon;
use shared::error::Chain;
use support::{RawServer, answer, server, server_by};

const QUEUE: &str = r#"{"queue":[
    {"count":2,"delay":{"timeLeftSeconds":0,"overdue":true},"app":{"id":"/shop/web","cpus":0.5,"mem":128,"disk":0,"gpus":0}},
    {"count":9,"delay":{"timeLeftSeconds":28,"overdue":false},"app":{"id":"/crashing","cpus":0.5,"mem":128,"disk":0,"gpus":0}}
]}"#;

fn client(url: &str) -> Client {
    Client::new(&Marathon { url: url.parse().unwrap() }, None).unwrap()
}

fn fetch_with(client: &Client) -> Result<Vec<QueuedInstances>, Cause> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(client.fetch())
}

fn cause_of(marathon: &RawServer) -> Cause {
    fetch_with(&client(&marathon.url())).unwrap_err()
}

#[test]
fn only_the_queue_is_requested() {
    let marathon = server(answer("200 OK", "Content-Type: application/json\r\n", QUEUE));
    for base in [marathon.url(), format!("{}/service/marathon/", marathon.url())] {
        let queued = fetch_with(&client(&base)).unwrap();
        let queued: Vec<_> = queued.iter().map(|queued| (&*queued.application, queued.backs_off)).collect();
        assert_eq!(queued, [("/shop/web", false), ("/crashing", true)]);
    }
    let requests = marathon.requests();
    assert!(requests[0].starts_with("GET /v2/queue HTTP/1.1\r\n"), "{}", requests[0]);
    assert!(requests[1].starts_with("GET /service/marathon/v2/queue HTTP/1.1\r\n"), "{}", requests[1]);
    assert_eq!(requests.len(), 2);
    assert!(requests.iter().all(|request| !request.to_lowercase().contains("authorization")), "{requests:?}");
}

#[test]
fn statuses_say_what_to_do() {
    let chain = |status: &str, headers: &str| Chain::new(&cause_of(&server(answer(status, headers, "")))).to_string();
    for (status, words) in [
        ("401 Unauthorized", "requires credentials (status 401)"),
        ("403 Forbidden", "requires credentials (status 403)"),
        ("404 Not Found", "check that marathon.url leads to Marathon"),
        ("500 Internal Server Error", "status 500"),
        ("503 Service Unavailable", "status 503"),
    ] {
        let text = chain(status, "");
        assert!(text.contains(words), "{status}: {text}");
    }
}

#[test]
fn no_redirect_is_followed() {
    let elsewhere = server(answer("200 OK", "", QUEUE));
    for location in
        [format!("{}/v2/queue", elsewhere.url()), "/elsewhere".to_owned(), "http://169.254.169.254/".to_owned()]
    {
        let marathon = server(answer("307 Temporary Redirect", &format!("Location: {location}\r\n"), ""));
        assert!(matches!(cause_of(&marathon), Cause::Redirect(307)), "{location}");
        assert_eq!(marathon.requests().len(), 1);
    }
    assert!(elsewhere.requests().is_empty());
}

#[test]
fn an_answer_that_is_not_a_queue_is_refused() {
    for body in ["", "<html>", "{}", r#"{"queue":[{}]}"#] {
        let cause = cause_of(&server(answer("200 OK", "", body)));
        assert!(matches!(cause, Cause::Queue(QueueError::Json(_))), "{body}: {cause:?}");
    }
    // An answer without a length ends with the connection.
    let cut = format!("HTTP/1.1 200 OK\r\n\r\n{}", &QUEUE[..QUEUE.len() - 3]);
    assert!(matches!(cause_of(&server(cut)), Cause::Queue(QueueError::Json(_))));
    let announced_longer = String::from_utf8(answer("200 OK", "", QUEUE)).unwrap().replacen("Length: ", "Length: 1", 1);
    assert!(matches!(cause_of(&server(announced_longer)), Cause::BrokenOff(_)));
    assert!(matches!(cause_of(&server("SSH-2.0-OpenSSH_9.6\r\n")), Cause::Request(_)));
}

#[test]
fn an_endless_answer_is_refused() {
    let announced = server("HTTP/1.1 200 OK\r\nContent-Length: 40000000\r\n\r\n");
    assert!(matches!(cause_of(&announced), Cause::TooLarge));
    let endless = server_by(|_, stream| {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"queue\":["));
        let blanks = vec![b' '; 1 << 20];
        while stream.write_all(&blanks).is_ok() {}
    });
    assert!(matches!(cause_of(&endless), Cause::TooLarge));
}

#[test]
fn slow_and_silent_answers_end_at_the_deadline() {
    let dripping = server_by(|_, stream| {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"queue\":["));
        while stream.write_all(b" ").is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    });
    let mute = server_by(|_, _| thread::sleep(Duration::from_secs(30)));
    for marathon in [dripping, mute] {
        let client = client(&marathon.url()).with_timeout(Duration::from_millis(300));
        assert!(matches!(fetch_with(&client), Err(Cause::Deadline(_))));
    }
}

#[test]
fn an_unreachable_marathon_is_an_unknown_queue_with_its_url() {
    let url =
        TcpListener::bind("127.0.0.1:0").map(|listener| format!("http://{}", listener.local_addr().unwrap())).unwrap();
    assert!(matches!(fetch_with(&client(&url)), Err(Cause::Connect(_))));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let Queue::Unknown { reason } = runtime.block_on(client(&url).queue()) else { panic!("there is no Marathon") };
    assert!(reason.starts_with(&format!("{url}/v2/queue: cannot connect; check marathon.url")), "{reason}");
}

#[test]
fn authorities_are_loaded_only_for_https() {
    let settings = |url: &str| Marathon { url: url.parse().unwrap() };
    let no_pem = SecretString::from("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----");
    assert!(Client::new(&settings("http://10.0.0.5:8080"), Some(&no_pem)).is_ok());
    let refused = Client::new(&settings("https://10.0.0.5:8443"), Some(&no_pem));
    assert!(matches!(refused, Err(ClientError::CaBundle(_) | ClientError::Build(_))), "{refused:?}");
}
