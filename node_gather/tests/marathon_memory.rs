//! The memory that answers of Marathon take. Alone in its process, because the peak is the process's.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "what fails here fails the test")]

use std::io::{self, Read};

use node_gather::marathon::definitions::{Definitions, add_apps};
use node_gather::marathon::queue::{MAX_BYTES, QueueError, parse};

/// A text, another one until so many bytes are read, and an end; nothing of it is in memory.
struct Document {
    start: Vec<u8>,
    part: &'static str,
    bytes: usize,
    read: usize,
}

impl Document {
    fn whole(start: &str, part: &'static str, end: &'static str, bytes: usize) -> impl Read {
        let start = start.as_bytes().to_vec();
        let bytes = (bytes - start.len() - end.len()) / part.len() * part.len() + start.len();
        Self { start, part, bytes, read: 0 }.chain(end.as_bytes())
    }
}

impl Read for Document {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let at = self.read;
        let rest = match at.checked_sub(self.start.len()) {
            None => &self.start[at..],
            Some(_) if at >= self.bytes => return Ok(0),
            Some(beyond) => &self.part.as_bytes()[beyond % self.part.len()..],
        };
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.read += count;
        Ok(count)
    }
}

/// The most memory that the process has had.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Definitions with nothing to keep, of any number, and one of any size, whether or not it can be read. Of one, 32 constraints are kept.
fn definitions_take_less() {
    let app = r#"{"id":"/a","cmd":"sleep 1000","constraints":[["rack","GROUP_BY"]],"labels":{"a":"b"}},"#;
    let one = r#"{"apps":[{"id":"/a","constraints":"#;
    for (start, part, end, (kept, odd)) in [
        (r#"{"apps":["#.to_owned(), app, r#"{"id":"/z"}]}"#, (0, 0)),
        (format!("{one}["), r#"["rack","LIKE","a"],"#, r#"[]]}]}"#, (1, 0)),
        (format!("{one}["), r#"{"k":[1]},"#, r#"5]}]}"#, (0, 1)),
        (format!("{one}{{\"k\":["), r#""text","#, r#"5]}}]}"#, (0, 1)),
        (format!("{one}[[\"rack\",["), r#"[1],"#, r#"5]]]}]}"#, (0, 1)),
        (format!("{one}null,\"x\":\""), "text", r#""}]}"#, (0, 0)),
        (format!("{one}[],\"portDefinitions\":["), r#"{"port":80},"#, r#"{"port":0}]}]}"#, (0, 0)),
        (format!("{one}[],\"container\":{{\"portMappings\":["), r#"{"hostPort":-1},"#, r#"{}]}}]}"#, (0, 1)),
    ] {
        let mut read = Definitions::default();
        add_apps(Document::whole(&start, part, end, 16 << 20), &mut read).unwrap();
        assert_eq!((read.constraints.len(), read.odd.len()), (kept, odd), "{start}");
    }
}

const APP: &str = r#"{"queue":[{"count":1,"delay":{"timeLeftSeconds":0},"app":{"id":"/a","cpus":1,"mem":1"#;

#[test]
fn a_queue_takes_little_memory() {
    let before = peak_kib();
    definitions_take_less();
    let definitions = peak_kib() - before;
    assert!(definitions < 4 * 1024, "{definitions} KiB");

    // Many small parts of one application, unknown, known, and nested.
    for (start, part, end) in [
        (format!("{APP},\"x\":["), r#"{"k":1},"#, r#"0]}}]}"#),
        (format!("{APP},\"constraints\":["), r#"["a","LIKE","b"],"#, r#"["a"]]}}]}"#),
        (format!("{APP},\"acceptedResourceRoles\":["), r#""a","#, r#""b"]}}]}"#),
        (format!("{APP},\"x\":\""), "text", r#""}}]}"#),
        (format!("{APP},\"ports\":["), "8080,", r#"0]}}]}"#),
        (format!("{APP},\"container\":{{\"portMappings\":["), r#"{"hostPort":80},"#, r#"{}]}}}]}"#),
        (
            r#"{"queue":[{"count":1,"delay":{"timeLeftSeconds":0},"pod":{"id":"/p","containers":["#.to_owned(),
            r#"{"resources":{"cpus":1,"mem":1}},"#,
            r#"{"resources":{"cpus":1,"mem":1}}]}}]}"#,
        ),
    ] {
        let queued = parse(Document::whole(&start, part, end, MAX_BYTES)).unwrap();
        assert_eq!(queued.len(), 1, "{start}");
    }
    // The same beyond the limit: 31 MB took more than a gigabyte once.
    let refused = parse(Document::whole(&format!("{APP},\"x\":["), r#"{"k":1},"#, "0]}}]}", 31_000_000));
    assert!(matches!(refused, Err(QueueError::TooLarge)), "{refused:?}");
    let small = peak_kib() - before;
    assert!(small < 4 * 1024, "{small} KiB");

    // As many applications as there can be. What is kept of one takes some two hundred bytes.
    let entry = r#"{"count":1,"delay":{"timeLeftSeconds":0},"app":{"id":"/a","cpus":1,"mem":1}},"#;
    let last = r#"{"count":1,"delay":{"timeLeftSeconds":0},"app":{"id":"/a","cpus":1,"mem":1}}]}"#;
    let queued = parse(Document::whole(r#"{"queue":["#, entry, last, MAX_BYTES)).unwrap();
    assert!(queued.len() > 100_000);
    let many = peak_kib() - before;
    assert!(many < 64 * 1024, "{many} KiB for {} entries", queued.len());
    drop(queued);
}
