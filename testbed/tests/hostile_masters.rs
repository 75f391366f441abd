//! Masters that answer with anything, against the real binaries: every answer is read, or refused with a typed error, within the
//! deadline and the memory of the smallest function. What is refused publishes nothing, and the pool beside it is served.

use std::fs;
use std::io::{self, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::start_faulty;
use flate2::Compression;
use flate2::write::GzEncoder;
use shared::contract::ClusterSnapshot;
use testbed::faults::{Faults, Mode};
use testbed::raw::RawServer;
use testbed::stack::decode;
use testbed::{CAPTURE, CONFIGURATION, Stack, StackError, stage};
use tokio::time::Instant;

/// The memory of the smallest function.
const MAX_KIB: u64 = 128 * 1024;
/// `mesos.timeout` of these tests, which is the deadline of the masters.
const TIMEOUT: Duration = Duration::from_secs(4);
/// How much later a run may end on a busy machine.
const GRACE: Duration = Duration::from_secs(5);

/// The password at the masters, with characters that URLs encode.
const SECRET: &str = "c4nary/of+the=Master~%3";

/// A pool without a master beside the one of the cluster.
const WEB: &str = "[[pools]]\nname = \"web\"\ngroup = \"web-asg\"\nsource = \"cloudwatch\"\nmax = 6\n";

type Answer = Arc<dyn Fn(&mut TcpStream) -> io::Result<()> + Send + Sync>;

/// What must come of an answer.
enum Expected {
    /// A snapshot with so many usable agents.
    Usable(u32),
    /// An error with one of these texts.
    Refused(&'static [&'static str]),
    /// Either, as fast as this machine is.
    UsableOrRefused(u32, &'static [&'static str]),
}

use Expected::{Refused, Usable, UsableOrRefused};

/// A master whose answer changes from case to case, before the one that leads.
struct Hostile {
    answer: Arc<Mutex<Answer>>,
    stack: Stack,
}

impl Hostile {
    async fn start(test: &'static str, settings: &str) -> Self {
        let answer: Arc<Mutex<Answer>> = Arc::new(Mutex::new(Arc::new(|_: &mut TcpStream| Ok(()))));
        let current = Arc::clone(&answer);
        let server = RawServer::start(move |_, stream| {
            let answer = Arc::clone(&current.lock().unwrap());
            // Whoever has read enough closes the connection.
            drop(answer(stream));
        });
        let mesos =
            format!("[mesos]\ntimeout = \"{}s\"\nmax_state_bytes = \"256MiB\"\n{settings}\n", TIMEOUT.as_secs());
        let configuration = format!("{}\n{WEB}", CONFIGURATION.replacen("[mesos]\n", &mesos, 1));
        let faults = Faults {
            own_masters: vec![server.unwrap().url()],
            master_credentials: Some(format!("reader:{SECRET}")),
            // The other master is no help, and says so at once.
            master: Mode::Following("127.0.0.1:1".to_owned()),
            ..Faults::default()
        };
        let directory = logs(test);
        drop(fs::remove_dir_all(directory));
        let stack = start_faulty(test, stage::binaries().unwrap(), configuration, faults).await;
        Self { answer, stack }
    }

    async fn check(&self, what: &str, answer: Answer, expected: Expected) {
        *self.answer.lock().unwrap() = answer;
        let (mark, start) = (self.stack.sns.mark(), Instant::now());
        let gathered = self.stack.gather().await;
        assert!(start.elapsed() < TIMEOUT + GRACE, "{what}: {:?}", start.elapsed());
        let published: Vec<ClusterSnapshot> =
            self.stack.sns.published(&self.stack.topics.snapshots, mark).iter().filter_map(decode).collect();
        let of = |pool: &str| published.iter().find(|snapshot| snapshot.pool == pool);
        assert!(of("web").is_some(), "{what}: the pool beside it is not served");
        match (gathered, of("workers"), expected) {
            (Ok(()), Some(snapshot), Usable(usable) | UsableOrRefused(usable, _)) => {
                assert_eq!(snapshot.agents.usable, usable, "{what}");
            }
            (Err(StackError::Function(error)), None, Refused(texts) | UsableOrRefused(_, texts)) => {
                assert_ne!(error.error_type, "Runtime.ExitError", "{what}: {error}");
                assert!(texts.iter().any(|text| error.message.contains(text)), "{what}: {error}");
                assert!(error.to_string().len() < 4000, "{what}: {error}");
            }
            (gathered, snapshot, _) => panic!("{what}: {gathered:?}, {snapshot:?}"),
        }
        let peak = self.stack.peak_memory_kib("node_gather").unwrap();
        assert!(peak <= MAX_KIB, "{what}: {peak} KiB");
        assert_eq!(self.stack.leaks().unwrap(), [], "{what}");
    }

    /// The same process still works.
    async fn end(self) {
        self.stack.faults.master(Mode::Leading);
        self.check("a leading master after all", bytes(b"HTTP/1.1 500 Error\r\n\r\n".to_vec()), Usable(60)).await;
        self.stack.stop().await;
    }
}

fn logs(test: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(env!("CARGO_CRATE_NAME")).join(test)
}

fn bytes(bytes: impl Into<Vec<u8>>) -> Answer {
    let bytes = bytes.into();
    Arc::new(move |stream| stream.write_all(&bytes))
}

fn answer(head: &str, body: &[u8]) -> Answer {
    bytes([head.as_bytes(), b"\r\n\r\n", body].concat())
}

/// With a length, as a master answers.
fn whole(body: &[u8]) -> Answer {
    answer(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close", body.len()), body)
}

/// A body that is written part by part, and ends with the connection.
fn streamed(write: impl Fn(&mut TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Answer {
    Arc::new(move |stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
        write(stream)
    })
}

/// The captured state, with more members before all others.
fn with_members(members: &str) -> Vec<u8> {
    [b"{", members.as_bytes(), &CAPTURE[1..]].concat()
}

/// The captured state, with the first occurrence of a text replaced.
fn with(old: &str, new: &str) -> Vec<u8> {
    let text = str::from_utf8(CAPTURE).unwrap();
    assert!(text.contains(old), "{old} is not in the capture");
    text.replacen(old, new, 1).into_bytes()
}

fn repeat(stream: &mut TcpStream, part: &[u8], bytes: usize) -> io::Result<()> {
    let block = part.repeat((64 * 1024 / part.len()).max(1));
    (0..bytes / block.len()).try_for_each(|_| stream.write_all(&block))
}

fn gzipped(parts: &[(&[u8], usize)]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    for (part, times) in parts {
        (0..*times).try_for_each(|_| gzip.write_all(part)).unwrap();
    }
    gzip.finish().unwrap()
}

/// What is said where the time is not enough for so much.
const SLOW: [&str; 3] = ["has passed", "stalled", "slow"];

#[tokio::test]
async fn any_http_is_read_or_refused() {
    let hostile = Hostile::start("http", "").await;
    let length = CAPTURE.len();
    let check = async |what: &str, answer: Answer, expected: Expected| hostile.check(what, answer, expected).await;

    check("HTTP/1.0", answer("HTTP/1.0 200 OK", CAPTURE), Usable(60)).await;
    let head = format!("HTTP/1.0 200 OK\r\nContent-Length: {length}");
    check("HTTP/1.0 with a length", answer(&head, CAPTURE), Usable(60)).await;
    let head = format!(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: {length}"
    );
    check("informational responses before", answer(&head, CAPTURE), Usable(60)).await;
    let chunks: Vec<u8> = CAPTURE
        .chunks(997)
        .flat_map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat())
        .collect();
    let chunked = [&chunks[..], b"0\r\n\r\n"].concat();
    check("chunks", answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", &chunked), Usable(60)).await;
    check(
        "chunks without an end",
        answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", &chunks),
        Refused(&["the answer ended after"]),
    )
    .await;

    for size in ["ffffffffffffffff", "fffffffffffffffffffffff", "-1", "zz"] {
        let body = format!("{size}\r\n{{\"slaves\":[");
        let texts = &["the answer ended after", "the request failed"];
        check(size, answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", body.as_bytes()), Refused(texts)).await;
    }
    for (what, lengths) in [
        ("negative", "Content-Length: -5"),
        ("no number", "Content-Length: many"),
        ("two lengths", "Content-Length: 5\r\nContent-Length: 500000"),
        ("beyond all measure", "Content-Length: 99999999999999999999999"),
    ] {
        check(what, answer(&format!("HTTP/1.1 200 OK\r\n{lengths}"), CAPTURE), Refused(&["the request failed"])).await;
    }
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close", length + 1);
    check("a length beyond the end", answer(&head, CAPTURE), Refused(&["the answer ended after"])).await;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close", length - 9);
    check("a length within the state", answer(&head, CAPTURE), Refused(&["cannot read the answer"])).await;
    check(
        "a huge length",
        answer("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551614", b""),
        Refused(&["max_state_bytes", "the request failed"]),
    )
    .await;

    for head in [
        "HTTP/9.9 200 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1",
        "",
        "\0\0\0\0",
        "PRI * HTTP/2.0",
        "\x16\x03\x01\x02\x00\x01",
        "SSH-2.0-a",
    ] {
        check(head, answer(head, CAPTURE), Refused(&["the request failed"])).await;
    }
    let headers = "X-A: b\r\n".repeat(100_000);
    check("many headers", bytes(format!("HTTP/1.1 200 OK\r\n{headers}\r\n")), Refused(&["the request failed"])).await;
    let header = format!("X-A: {}", "b".repeat(8 << 20));
    check("a long header", answer(&format!("HTTP/1.1 200 OK\r\n{header}"), CAPTURE), Refused(&["the request failed"]))
        .await;

    for (status, text) in [
        ("101 Switching Protocols", "the request failed"),
        ("204 No Content", "status 204"),
        ("206 Partial Content", "status 206"),
        ("300 Multiple Choices", "status 300"),
        ("304 Not Modified", "status 304"),
        ("418 I'm a teapot", "status 418"),
        ("999 Odd", "status 999"),
    ] {
        let texts: &'static [&'static str] = Box::leak(Box::new([text, "redirect not followed", "status 101"]));
        check(status, answer(&format!("HTTP/1.1 {status}\r\nContent-Length: 0"), b""), Refused(texts)).await;
    }
    hostile.end().await;
}

#[tokio::test]
async fn no_redirect_leads_astray() {
    let hostile = Hostile::start("redirects", "").await;
    let long = format!("http://10.0.0.5/{}", "a".repeat(60_000));
    let with_credentials = format!("http://reader:{SECRET}@127.0.0.1:5050/{SECRET}?{SECRET}");
    for status in
        ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"]
    {
        for location in [
            "file:///etc/passwd",
            "ftp://10.0.0.5/state",
            "javascript:alert(1)",
            "http://169.254.169.254/latest/meta-data/iam",
            "http://[::ffff:127.0.0.1]:5050/state",
            "http://[fd00:ec2::254]/",
            "http://localhost:5050/state",
            &with_credentials,
            "//127.0.0.1:2/state",
            "http://",
            "::::",
            "\u{e9}\u{1f980}",
            "",
            &long,
        ] {
            let head = format!("HTTP/1.1 {status}\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close");
            // Nothing listens on that port, so following the redirect fails as well.
            let texts = &["redirect not followed", "cannot connect", "status 30", "the request failed"];
            hostile.check(&format!("{status} to {location:.80}"), answer(&head, b""), Refused(texts)).await;
        }
    }
    let head = "HTTP/1.1 307 Temporary Redirect\r\nContent-Length: 0\r\nConnection: close";
    hostile.check("no location", answer(head, b""), Refused(&["redirect not followed", "status 307"])).await;
    hostile.end().await;
}

#[tokio::test]
async fn any_state_is_read_or_refused_within_the_memory() {
    let hostile = Hostile::start("states", "").await;
    let check = async |what: &str, answer: Answer, expected: Expected| hostile.check(what, answer, expected).await;

    for (depth, expected) in [(100, Usable(60)), (10_000, Refused(&["nested more than 128 deep"]))] {
        let deep = format!("\"x\":{}{},", "[".repeat(depth), "]".repeat(depth));
        check("deep lists", whole(&with_members(&deep)), expected).await;
    }
    let deep = format!("\"x\":{}{},", "{\"a\":".repeat(10_000) + "1", "}".repeat(10_000));
    check("deep objects", whole(&with_members(&deep)), Refused(&["nested more than 128 deep"])).await;
    check("deep without an end", whole("[".repeat(1 << 20).as_bytes()), Refused(&["cannot read the answer"])).await;
    check(
        "agents deep without an end",
        whole(&[b"{\"slaves\":".as_slice(), &b"[{\"a\":".repeat(200_000)].concat()),
        Refused(&["cannot read the answer"]),
    )
    .await;

    check(
        "a text of 100 MB that is not read",
        streamed(|stream| {
            stream.write_all(b"{\"x\":\"")?;
            repeat(stream, b"x", 100_000_000)?;
            stream.write_all(b"\",")?;
            stream.write_all(&CAPTURE[1..])
        }),
        UsableOrRefused(60, &SLOW),
    )
    .await;
    for member in [
        "\"version\":\"",
        "\"cluster\":\"",
        "\"slaves\":[{\"hostname\":\"",
        "\"frameworks\":[{\"name\":\"",
        "\"slaves\":[{\"attributes\":{\"",
        "\"",
    ] {
        check(
            &format!("a text of 100 MB: {member}"),
            streamed(move |stream| {
                stream.write_all(b"{")?;
                stream.write_all(member.as_bytes())?;
                repeat(stream, b"x", 100_000_000)
            }),
            Refused(&["cannot read the answer", "has passed", "stalled", "slow"]),
        )
        .await;
    }
    check(
        "a number of 100 MB",
        streamed(|stream| {
            stream.write_all(b"{\"elected_time\":1")?;
            repeat(stream, b"0", 100_000_000)
        }),
        Refused(&["cannot read the answer", "has passed", "stalled", "slow"]),
    )
    .await;
    check(
        "blanks without an end",
        streamed(|stream| repeat(stream, b" \n", 200_000_000)),
        Refused(&["cannot read the answer", "has passed", "stalled", "slow"]),
    )
    .await;
    for (what, start, part) in [
        ("a million attributes", "{\"slaves\":[{\"attributes\":{\"z\":1", ",\"abcdefgh\":\"b\""),
        ("a million agents without an id", "{\"slaves\":[{}", ",{}"),
        ("a million recovered agents", "{\"recovered_slaves\":[{}", ",{\"hostname\":\"a\"}"),
        ("a million frameworks", "{\"frameworks\":[{}", ",{\"name\":\"a\",\"tasks\":[]}"),
        ("a million capabilities", "{\"frameworks\":[{\"capabilities\":[1", ",\"MULTI_ROLE\""),
        ("a million roles", "{\"slaves\":[{\"reserved_resources\":{\"a\":{}", ",\"abc\":{\"cpus\":1}"),
    ] {
        check(
            what,
            streamed(move |stream| {
                stream.write_all(start.as_bytes())?;
                repeat(stream, part.as_bytes(), part.len() * 1_000_000)
            }),
            Refused(&[
                "cannot read the answer",
                "has passed",
                "stalled",
                "slow",
                "have no id",
                "more than 100000 frameworks",
            ]),
        )
        .await;
    }

    check(
        "a host name that is not UTF-8",
        whole(&replaced(b"\"hostname\":\"", b"\"hostname\":\"\xff\xfe\x80")),
        Usable(60),
    )
    .await;
    check("half of a surrogate pair", whole(&with("\"hostname\":\"", "\"hostname\":\"\\ud800")), Usable(60)).await;
    check(
        "an amount of 1e999",
        whole(&with("\"unreserved_resources\":{", "\"unreserved_resources\":{\"gpus\":1e999,")),
        Usable(59),
    )
    .await;
    check(
        "an address that occurs twice",
        whole(&with("\"pid\":\"slave", "\"pid\":\"slave(1)@10.0.0.1:5051\",\"pid\":\"slave")),
        Usable(59),
    )
    .await;
    check("a list that occurs twice", whole(&with_members("\"slaves\":[],")), Refused(&["cannot read the answer"]))
        .await;
    check("an end too many", whole(&[CAPTURE, b"}"].concat()), Refused(&["cannot read the answer"])).await;
    check(
        "a mark of the byte order",
        whole(&[b"\xef\xbb\xbf", CAPTURE].concat()),
        Refused(&["cannot read the answer"]),
    )
    .await;
    check("zeros", whole(&vec![0; 100_000]), Refused(&["cannot read the answer"])).await;
    hostile.end().await;
}

/// The capture with bytes replaced that need not be text.
fn replaced(old: &[u8], new: &[u8]) -> Vec<u8> {
    let at = CAPTURE.windows(old.len()).position(|window| window == old).unwrap();
    [&CAPTURE[..at], new, &CAPTURE[at + old.len()..]].concat()
}

#[tokio::test]
async fn no_gzip_takes_more_than_the_memory() {
    let hostile = Hostile::start("gzip", "gzip = true").await;
    let check = async |what: &str, body: &[u8], expected: Expected| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}", body.len());
        hostile.check(what, answer(&head, body), expected).await;
    };
    let usual = gzipped(&[(CAPTURE, 1)]);
    check("as a master packs", &usual, Usable(60)).await;
    let block = vec![b'x'; 1 << 20];
    let bomb = gzipped(&[(b"{\"x\":\"", 1), (&block, 1024)]);
    check(
        "a gigabyte of text in a megabyte or so",
        &bomb,
        Refused(&["max_state_bytes", "has passed", "stalled", "slow"]),
    )
    .await;
    let bomb = gzipped(&[(&b"[{\"a\":".repeat(100_000), 200)]);
    check("brackets without an end", &bomb, Refused(&["cannot read the answer", "has passed", "stalled", "slow"]))
        .await;
    check("packed twice", &gzipped(&[(&usual, 1)]), Refused(&["cannot read the answer"])).await;
    check("cut", &usual[..usual.len() - 9], Refused(&["the answer ended after"])).await;
    check("cut within the checksum", &usual[..usual.len() - 1], Refused(&["the answer ended after"])).await;
    let mut wrong = usual.clone();
    let at = wrong.len() - 6;
    wrong[at] ^= 1;
    check("another checksum", &wrong, Refused(&["the answer ended after"])).await;
    check("not gzip", CAPTURE, Refused(&["the answer ended after"])).await;
    check("empty", b"", Refused(&["cannot read the answer", "the answer ended after"])).await;
    let members = gzipped(&[(b"", 1)]).repeat(50_000);
    check(
        "members without an end",
        &[&members[..], &usual].concat(),
        UsableOrRefused(60, &["cannot read the answer", "the answer ended after"]),
    )
    .await;
    hostile.end().await;
}
