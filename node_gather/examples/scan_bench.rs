//! Measures how fast a /state is read, against the bare reading of its bytes and against serde_json.
//!
//! ```text
//! cargo run --release -p node_gather --no-default-features --features reference --example scan_bench -- FILE [ROUNDS]
//! valgrind --tool=callgrind target/release/examples/scan_bench FILE scan
//! ```
//!
//! The ways take turns, and of each the best round counts: what else the machine does only ever adds. The CPU time, of
//! user and system, is counted in ticks of some milliseconds: the document should have a hundred MB. With the name of a way instead of a number of rounds, that
//! one runs once, for callgrind and for its memory.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that fails may as well stop")]

use std::fs::File;
use std::hint::black_box;
use std::io::Read;
use std::path::Path;
use std::sync::LazyLock;

use node_gather::mesos::{json, scan};
use node_gather::summarize::View;
use shared::config::Config;

/// What is read at once from a socket or a file.
const BUFFER_BYTES: usize = 64 * 1024;

type Way = (&'static str, fn(&Path));

const WAYS: [Way; 4] = [
    ("read", |path| {
        let (mut file, mut buffer) = (File::open(path).unwrap(), vec![0; BUFFER_BYTES]);
        while file.read(&mut buffer).unwrap() > 0 {
            black_box(&buffer);
        }
    }),
    ("scan", |path| drop(black_box(scan::read(File::open(path).unwrap(), view(), u64::MAX).unwrap()))),
    ("serde_slice", |path| {
        let bytes = std::fs::read(path).unwrap();
        drop(black_box(json::read_slice(&bytes, view()).unwrap()));
    }),
    ("serde_reader", |path| drop(black_box(json::read(File::open(path).unwrap(), view()).unwrap()))),
];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().expect("the file to read");
    let path = Path::new(&path);
    let rounds = arguments.next().unwrap_or_else(|| "5".to_owned());
    let Ok(rounds) = rounds.parse::<u32>() else {
        let (_, way) = WAYS.into_iter().find(|(name, _)| *name == rounds).expect("the name of a way");
        way(path);
        println!("peak memory {} kB", peak_memory_kb());
        return;
    };
    let mut best = [f64::MAX; WAYS.len()];
    for _ in 0..rounds {
        for ((_, way), best) in WAYS.iter().zip(&mut best) {
            let before = cpu_seconds();
            way(path);
            *best = best.min(cpu_seconds() - before);
        }
    }
    let bytes = path.metadata().unwrap().len() as f64;
    for ((name, _), seconds) in WAYS.iter().zip(best) {
        println!("{name:13} {seconds:8.4} CPU s  {:7.0} MB/s  {:6.2} x scan", bytes / seconds / 1e6, seconds / best[1]);
    }
}

/// A view with one pool of all agents.
fn view() -> View<'static> {
    static CONFIG: LazyLock<Config> = LazyLock::new(|| {
        let document = "mesos.masters = [\"http://10.0.0.5:5050\"]\n[[pools]]\nname = \"all\"\ngroup = \"all\"\n";
        Config::parse(document).unwrap()
    });
    View::new(&CONFIG.pools)
}

/// The CPU time of this one thread so far.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    text.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e9
}

fn peak_memory_kb() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim().trim_end_matches(" kB").parse().unwrap()
}
