//! Measures the time and memory that reading a /state takes, compared with only reading its bytes and with serde_json:
//! from a file, over HTTP, and compressed.
//!
//! ```text
//! cargo run --release -p node_gather --no-default-features --features reference --example scan_bench -- FILE [ROUNDS]
//! cargo run --release ... --example scan_bench -- FILE WAY     one way, once: for its memory, and for callgrind
//! ```
//!
//! The ways take turns, and the best round of each counts, because other load on the computer only adds time. CPU time is
//! that of the reading thread; another thread serves the document over HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement that fails may as well stop"
)]

use std::fs::File;
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use node_gather::fit::fit;
use node_gather::marathon::Observed;
use node_gather::mesos::json;
use node_gather::mesos::scan::{self, Scanner};
use node_gather::summarize::{ClusterState, summarize};
use shared::config::Config;
use testbed::raw::RawServer;

/// How much is read from a file at once.
const BUFFER_BYTES: usize = 64 * 1024;

type Way = (&'static str, &'static str, fn(&Path));

/// The name of a way, what it is compared with, and the way.
const WAYS: [Way; 11] = [
    ("read", "read", |path| drain(open(path))),
    ("scan", "read", |path| drop(black_box(scan::read(open(path), cluster_state(), u64::MAX).unwrap()))),
    // The bound: the whole document as one value that is not read, found by its brackets alone.
    ("skip", "scan", |path| {
        let parts = [&br#"{"slaves":[],"frameworks":[],"all":"#[..], b"}"];
        let source = parts[0].chain(open(path)).chain(parts[1]);
        drop(black_box(scan::read(source, cluster_state(), u64::MAX).unwrap()));
    }),
    ("scan-sse2", "read", |path| {
        let (mut file, mut buffer) = (open(path), vec![0; BUFFER_BYTES]);
        let mut scanner = Scanner::without_avx(cluster_state(), u64::MAX);
        while let count @ 1.. = file.read(&mut buffer).unwrap() {
            scanner.feed(&buffer[..count]).unwrap();
        }
        drop(black_box(scanner.finish().unwrap()));
    }),
    ("gather", "scan", |path| drop(black_box(gather(path)))),
    ("serde-slice", "scan", |path| {
        let bytes = std::fs::read(path).unwrap();
        drop(black_box(json::read_slice(&bytes, cluster_state()).unwrap()));
    }),
    ("serde-reader", "scan", |path| drop(black_box(json::read(open(path), cluster_state()).unwrap()))),
    ("gunzip", "gunzip", |path| drain(GzDecoder::new(open(&packed(path))))),
    ("gunzip+scan", "gunzip", |path| {
        let source = GzDecoder::new(open(&packed(path)));
        drop(black_box(scan::read(source, cluster_state(), u64::MAX).unwrap()));
    }),
    ("http", "http", |path| http(path, |_| {})),
    ("http+scan", "http", |path| {
        let mut scanner = Scanner::new(cluster_state(), u64::MAX);
        http(path, |chunk| scanner.feed(chunk).unwrap());
        drop(black_box(scanner.finish().unwrap()));
    }),
];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = PathBuf::from(arguments.next().expect("the file to read"));
    let rounds = arguments.next().unwrap_or_else(|| "5".to_owned());
    let Ok(rounds) = rounds.parse::<u32>() else {
        let (_, _, way) = WAYS.into_iter().find(|(name, _, _)| *name == rounds).expect("the name of a way");
        way(&path);
        println!("{rounds:13} peak memory {:6.1} MB", peak_memory_kb() as f64 / 1e3);
        return;
    };
    pack(&path);
    let mut best = [f64::MAX; WAYS.len()];
    for _ in 0..rounds {
        for ((_, _, way), best) in WAYS.into_iter().zip(&mut best) {
            *best = best.min(measure(way, &path));
        }
    }
    let bytes = path.metadata().unwrap().len() as f64;
    println!("{} of {:.0} MB, {:.0} MB packed", path.display(), bytes / 1e6, size(&packed(&path)) / 1e6);
    for ((name, other, _), seconds) in WAYS.iter().zip(best) {
        let against = WAYS.iter().zip(best).find(|((own, _, _), _)| own == other).map_or(seconds, |(_, best)| best);
        println!(
            "{name:13} {seconds:8.4} CPU s {:7.0} MB/s {:7.2} x the CPU of {other}",
            bytes / seconds / 1e6,
            seconds / against
        );
    }
    if let Some(seconds) = python(&path) {
        println!(
            "{:13} {seconds:8.4} CPU s {:7.0} MB/s {:7.2} x the CPU of scan",
            "python",
            bytes / seconds / 1e6,
            seconds / best[1]
        );
    }
    println!("message: {}", gather(&path));
}

/// The CPU seconds of one reading. A short document is read again and again until the grain of the clock, some milliseconds, does
/// not show.
fn measure(way: fn(&Path), path: &Path) -> f64 {
    const LONG_ENOUGH: f64 = 0.1;
    let (start, mut readings) = (cpu_seconds(), 0.0);
    while readings == 0.0 || cpu_seconds() - start < LONG_ENOUGH {
        way(path);
        readings += 1.0;
    }
    (cpu_seconds() - start) / readings
}

/// The time of `json.load` and a loop. It needs seven times the memory of the document, so it runs only if that much is
/// likely to be available.
fn python(path: &Path) -> Option<f64> {
    const MOST_BYTES: f64 = 1e9;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tools/json_load.py");
    if size(path) > MOST_BYTES {
        return None;
    }
    let output = Command::new("python3").arg(script).arg(path).output().ok()?;
    String::from_utf8(output.stdout).ok()?.split_whitespace().next()?.parse().ok()
}

fn open(path: &Path) -> File {
    File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn size(path: &Path) -> f64 {
    path.metadata().unwrap().len() as f64
}

fn drain(mut source: impl Read) {
    let mut buffer = vec![0; BUFFER_BYTES];
    while source.read(&mut buffer).unwrap() > 0 {
        black_box(&buffer);
    }
}

/// Everything that the function does with a document: prints the size of the message and the step that made it fit.
fn gather(path: &Path) -> String {
    let state = scan::read(open(path), cluster_state(), u64::MAX).unwrap();
    let now = "2026-11-21T18:00:00Z".parse().unwrap();
    let snapshot = summarize(state, &Observed::default(), "http://10.0.0.5:5050", now).snapshots.remove(0);
    let fitted = fit(&snapshot).unwrap();
    let (agents, applications) = (snapshot.agents.registered, fitted.snapshot.applications.len());
    format!("{agents} agents, {applications} applications in {} bytes ({})", fitted.encoded.body.len(), fitted.step)
}

/// Reads the document over HTTP from this computer, like the client of the function.
fn http(path: &Path, mut take: impl FnMut(&[u8])) {
    let master = serve(path);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().no_gzip().build().unwrap();
        let mut response = client.get(format!("{}/state", master.url())).send().await.unwrap();
        while let Some(chunk) = response.chunk().await.unwrap() {
            take(&chunk);
        }
    });
}

/// Answers with the document, with its length and at once, like a master.
fn serve(path: &Path) -> RawServer {
    let path = path.to_owned();
    let answer = move |_: &str, stream: &mut TcpStream| {
        let mut file = open(&path);
        let length = file.metadata().unwrap().len();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n")
            .unwrap();
        io::copy(&mut file, stream).unwrap();
    };
    RawServer::start(answer).unwrap()
}

fn packed(path: &Path) -> PathBuf {
    path.with_extension("json.gz")
}

/// Compresses the document like a master (zlib's default level), unless the result exists.
fn pack(path: &Path) {
    let packed = packed(path);
    if !packed.exists() {
        let mut encoder = GzEncoder::new(File::create(&packed).unwrap(), Compression::default());
        io::copy(&mut open(path), &mut encoder).unwrap();
        encoder.finish().unwrap();
    }
}

/// A state with one pool of all agents.
fn cluster_state() -> ClusterState {
    static CONFIG: LazyLock<Config> = LazyLock::new(|| {
        let document = "mesos.masters = [\"http://10.0.0.5:5050\"]\n[[pools]]\nname = \"all\"\ngroup = \"all\"\n";
        Config::parse(document).unwrap()
    });
    ClusterState::new(&CONFIG.pools)
}

/// The CPU time of this thread.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e9
}

fn peak_memory_kb() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim().trim_end_matches(" kB").parse().unwrap()
}
