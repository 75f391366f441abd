//! Requests to Marathon: real answers and injected faults, from a local server.

use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::{RawServer, answer, server, server_by};
use cluster::NOON;
use jiff::SignedDuration;
use node_gather::marathon::client::{Cause, Client, ClientError, Failures};
use node_gather::marathon::definitions::Definitions;
use node_gather::marathon::queue::{QueueError, QueuedInstances};
use node_gather::marathon::{Answer, Queue};
use secrecy::SecretString;
use shared::config::Marathon;
use shared::error::Chain;

const QUEUE: &str = r#"{"queue":[
    {"count":2,"delay":{"timeLeftSeconds":0,"overdue":true},"app":{"id":"/shop/web","cpus":0.5,"mem":128,"disk":0,"gpus":0}},
    {"count":9,"delay":{"timeLeftSeconds":28,"overdue":false},"app":{"id":"/crashing","cpus":0.5,"mem":128,"disk":0,"gpus":0}}
]}"#;

fn settings(urls: &[&str]) -> Marathon {
    Marathon { urls: urls.iter().map(|url| url.parse().unwrap()).collect(), credentials: None }
}

fn client(url: &str) -> Client {
    Client::new(&settings(&[url]), None, None).unwrap()
}

fn client_with(urls: &[&str], credentials: &str) -> Client {
    Client::new(&settings(urls), Some(&SecretString::from(credentials)), None).unwrap()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// The queue, or the cause at the last URL.
fn fetch_with(client: &Client) -> Result<Vec<QueuedInstances>, Cause> {
    block_on(client.fetch_queue()).map_err(|Failures(mut failures)| failures.pop().unwrap().1)
}

fn cause_of(marathon: &RawServer) -> Cause {
    fetch_with(&client(&marathon.url())).unwrap_err()
}

/// A Marathon with one application that needs hosts of its own.
fn marathon_with_apps() -> RawServer {
    server_by(|request, stream| {
        let body = match request.split(' ').nth(1).unwrap() {
            "/v2/apps" => r#"{"apps":[{"id":"/db","instances":4,"constraints":[["hostname","UNIQUE"]]}]}"#,
            "/v2/pods" => "[]",
            _ => QUEUE,
        };
        drop(stream.write_all(&answer("200 OK", "", body)));
    })
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
        ("401 Unauthorized", "requires credentials (401); set marathon.credentials"),
        ("403 Forbidden", "the user must not read it (403)"),
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
    for body in ["", "<html>", "{}", r#"{"queue":{}}"#] {
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
    let endless = server_by(|_, stream| {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"queue\":["));
        let blanks = vec![b' '; 1 << 20];
        while stream.write_all(&blanks).is_ok() {}
    });
    let cause = cause_of(&endless);
    assert!(matches!(cause, Cause::Queue(QueueError::TooLarge)), "{cause:?}");
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
    let Queue::Unknown { reason } = block_on(client(&url).queue()) else { panic!("there is no Marathon") };
    assert!(reason.starts_with(&format!("{url}/v2/queue: cannot connect; nothing listens there")), "{reason}");
}

#[test]
fn authorities_are_loaded_only_for_https() {
    let no_pem = SecretString::from("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----");
    assert!(Client::new(&settings(&["http://10.0.0.5:8080"]), None, Some(&no_pem)).is_ok());
    let refused = Client::new(&settings(&["http://10.0.0.5:8080", "https://10.0.0.5:8443"]), None, Some(&no_pem));
    assert!(matches!(refused, Err(ClientError::CaBundle(_) | ClientError::Build(_))), "{refused:?}");
}

#[test]
fn another_url_answers_for_one_that_does_not() {
    let healthy = server(answer("200 OK", "", QUEUE));
    let nowhere = "http://127.0.0.1:1".to_owned();
    let mute = server_by(|_, _| thread::sleep(Duration::from_secs(30)));
    // Headers and a part of the body, and then nothing more.
    let stalling = server_by(|_, stream| {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"queue\":[{\"count\""));
        thread::sleep(Duration::from_secs(30));
    });
    let failing = server(answer("503 Service Unavailable", "", ""));
    for first in [&nowhere, &mute.url(), &stalling.url(), &failing.url()] {
        let several = client_with(&[first, &healthy.url()], "me:secret").with_timeout(Duration::from_secs(2));
        assert_eq!(fetch_with(&several).unwrap().len(), 2, "{first}");
    }
    // None answers: each is named.
    let none = client_with(&[&nowhere, &failing.url()], "me:secret");
    let Queue::Unknown { reason } = block_on(none.queue()) else { panic!("there is no Marathon") };
    assert!(
        reason.contains("http://127.0.0.1:1/v2/queue: cannot connect") && reason.contains("status 503"),
        "{reason}"
    );
    assert!(!reason.contains("secret"), "{reason}");
}

#[test]
fn credentials_go_to_the_configured_urls_only() {
    let elsewhere = server(answer("200 OK", "", QUEUE));
    let location = format!("Location: {}/v2/queue\r\n", elsewhere.url());
    let redirecting = server(answer("302 Found", &location, ""));
    let marathon = server(answer("200 OK", "", QUEUE));
    for (credentials, header) in [
        ("me:secret:with:colons", "authorization: Basic bWU6c2VjcmV0OndpdGg6Y29sb25z"),
        ("token: abc.def", "authorization: token=abc.def"),
    ] {
        let client = client_with(&[&redirecting.url(), &marathon.url()], credentials);
        assert!(fetch_with(&client).is_ok());
        let request = marathon.requests().pop().unwrap();
        assert!(request.contains(header), "{request}");
        assert!(!format!("{client:?}").contains("abc.def") && !format!("{client:?}").contains("with:colons"));
    }
    assert!(elsewhere.requests().is_empty());
    for invalid in ["secret", "", ":secret", "token:\u{7}"] {
        let refused =
            Client::new(&settings(&["http://10.0.0.5"]), Some(&SecretString::from(invalid)), None).unwrap_err();
        let text = Chain::new(&refused).to_string();
        assert!(matches!(refused, ClientError::Credentials(_)) && !text.contains("secret:"), "{text}");
    }
    let refusing = server(answer("401 Unauthorized", "", "authorization: Basic bWU6c2VjcmV0"));
    let cause = fetch_with(&client_with(&[&refusing.url()], "me:secret")).unwrap_err();
    assert!(matches!(cause, Cause::CredentialsRefused), "{cause:?}");
    assert!(matches!(cause_of(&refusing), Cause::CredentialsMissing));
}

#[test]
fn constraints_are_asked_for_every_ten_minutes() {
    let marathon = marathon_with_apps();
    let client = client(&marathon.url());
    let at = |minutes: i64| NOON + SignedDuration::from_mins(minutes);
    for minutes in [0, 1, 9, 10, 11] {
        let Answer::Known(Definitions { constraints, .. }) = block_on(client.definitions(at(minutes))) else {
            panic!("Marathon answers")
        };
        assert_eq!(constraints["/db"].most_per_agent(9), Some(1));
    }
    let asked: Vec<String> =
        marathon.requests().iter().map(|request| request.split(' ').nth(1).unwrap().to_owned()).collect();
    assert_eq!(asked, ["/v2/apps", "/v2/pods", "/v2/apps", "/v2/pods"]);
}

#[test]
fn known_constraints_hold_for_an_hour_without_marathon() {
    let answers = AtomicBool::new(true);
    let answers = Arc::new(answers);
    let is_up = Arc::clone(&answers);
    let marathon = server_by(move |request, stream| {
        let status = if is_up.load(Ordering::SeqCst) { "200 OK" } else { "503 Service Unavailable" };
        let body = if request.starts_with("GET /v2/pods") { "[]" } else { r#"{"apps":[]}"# };
        drop(stream.write_all(&answer(status, "", body)));
    });
    let client = client(&marathon.url());
    let limits = |minutes: i64| block_on(client.definitions(NOON + SignedDuration::from_mins(minutes)));
    assert!(matches!(limits(0), Answer::Known(_)));
    answers.store(false, Ordering::SeqCst);
    assert!(matches!(limits(59), Answer::Known(_)));
    let Answer::Unknown { reason } = limits(60) else { panic!("it was an hour ago") };
    assert!(reason.contains("/v2/apps: status 503"), "{reason}");
    answers.store(true, Ordering::SeqCst);
    assert!(matches!(limits(61), Answer::Known(_)));
}

#[test]
fn a_definition_that_becomes_odd_keeps_the_limit_that_was_known() {
    let is_odd = Arc::new(AtomicBool::new(false));
    let becomes_odd = Arc::clone(&is_odd);
    let marathon = server_by(move |request, stream| {
        let constraints = if is_odd.load(Ordering::SeqCst) { "{}" } else { r#"[["hostname","UNIQUE"]]"# };
        let apps = format!(r#"{{"apps":[{{"id":"/db","constraints":{constraints}}},{{"id":"/web"}}]}}"#);
        let body = if request.starts_with("GET /v2/pods") { "[]" } else { &apps };
        drop(stream.write_all(&answer("200 OK", "", body)));
    });
    let client = client(&marathon.url());
    let read = |minutes: i64| match block_on(client.definitions(NOON + SignedDuration::from_mins(minutes))) {
        Answer::Known(Definitions { constraints, odd }) => {
            (constraints.get("/db").and_then(|own| own.most_per_agent(9)), odd.len())
        }
        answer => panic!("{answer:?}"),
    };
    assert_eq!(read(0), (Some(1), 0));
    becomes_odd.store(true, Ordering::SeqCst);
    assert_eq!([10, 20, 100].map(read), [(Some(1), 1); 3]);
    becomes_odd.store(false, Ordering::SeqCst);
    assert_eq!(read(120), (Some(1), 0));
}

#[test]
fn releases_without_pods_have_constraints() {
    let old = server_by(|request, stream| {
        let is_apps = request.starts_with("GET /v2/apps");
        let (status, body) = if is_apps { ("200 OK", r#"{"apps":[{"id":"/a"}]}"#) } else { ("404 Not Found", "") };
        drop(stream.write_all(&answer(status, "", body)));
    });
    assert_eq!(block_on(client(&old.url()).definitions(NOON)), Answer::Known(Definitions::default()));
}
