//! Clusters beyond all measure: each is read within the memory of the smallest function, and its snapshot fits a message.
//!
//! Memory is the peak of a process of its own, so each cluster is read by an ignored test that another one starts.

use std::io::{self, Read};
use std::process::Command;

use jiff::Timestamp;
use node_gather::fit::{Fitted, fit};
use node_gather::marathon::Observed;
use node_gather::summarize::{ClusterState, summarize};
use shared::config::Config;
use shared::contract::WIRE_BUDGET_BYTES;

/// The memory of the smallest function, less a little more than its runtime and clients take.
const MAX_KIB: u64 = 116 * 1024;

const CONFIG: &str = "mesos.masters = [\"http://10.0.0.5:5050\"]\n[[pools]]\nname = \"all\"\ngroup = \"all\"\n\
    applications.\"/job-999999\" = { application_headroom_percent = 50 }\n";

/// A document that is made while it is read.
struct Parts<I> {
    parts: I,
    rest: Vec<u8>,
    at: usize,
}

impl<I: Iterator<Item = String>> Read for Parts<I> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.rest.len() {
            let Some(part) = self.parts.next() else { return Ok(0) };
            (self.rest, self.at) = (part.into_bytes(), 0);
        }
        let count = buffer.len().min(self.rest.len() - self.at);
        buffer[..count].copy_from_slice(&self.rest[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

fn agent(number: u32, cpus: f64, mem: f64, more: &str) -> String {
    let resources = format!(r#"{{"cpus":{cpus},"mem":{mem}}}"#);
    format!(
        r#"{{"id":"S{number}","hostname":"h{number}","active":true,"attributes":{{}},"resources":{resources},"used_resources":{{"cpus":0.0,"mem":0.0}},"unreserved_resources":{resources}{more}}}"#
    )
}

fn task(number: u32, name: &str, cpus: f64, mem: f64) -> String {
    format!(
        r#"{{"id":"{number}","name":"{name}","framework_id":"F","executor_id":"","slave_id":"S{}","state":"TASK_RUNNING","resources":{{"cpus":{cpus:.3},"mem":{mem:.3}}},"role":"*"}}"#,
        number % 10
    )
}

type Items = Box<dyn Iterator<Item = String>>;

fn listed(items: Items) -> impl Iterator<Item = String> {
    items.enumerate().map(|(place, item)| if place > 0 { format!(",{item}") } else { item })
}

/// Reads a cluster of these agents and tasks to its message.
fn read(agents: Items, tasks: Items) -> Fitted {
    let parts = std::iter::once("{\"elected_time\":1700000000,\"slaves\":[".to_owned())
        .chain(listed(agents))
        .chain(["],\"frameworks\":[{\"name\":\"spark\",\"tasks\":[".to_owned()])
        .chain(listed(tasks))
        .chain(["]}]}".to_owned()]);
    let config = Config::parse(CONFIG).unwrap();
    let mut source = Parts { parts, rest: Vec::new(), at: 0 };
    let state = ClusterState::new(&config.pools).read(&mut source, u64::MAX).unwrap();
    let now: Timestamp = "2026-11-21T18:00:00Z".parse().unwrap();
    let snapshot = summarize(state, &Observed::default(), "http://10.0.0.5:5050", now).snapshots.remove(0);
    let fitted = fit(&snapshot).unwrap();
    assert!(fitted.encoded.body.len() <= WIRE_BUDGET_BYTES);
    fitted
}

fn ten_agents() -> Items {
    Box::new((0..10).map(|number| agent(number, 64.0, 256_000.0, "")))
}

fn no_tasks() -> Items {
    Box::new(std::iter::empty())
}

/// The peak of the memory of a process that runs that test alone.
fn is_within_the_memory(test: &str) {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("bounds::{test}"), "--ignored", "--nocapture", "--test-threads", "1"])
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{output}{}", String::from_utf8_lossy(&child.stderr));
    let (_, peak) = output.split_once("peak ").unwrap_or_else(|| panic!("{output}"));
    let kib: u64 = peak.split_whitespace().next().unwrap().parse().unwrap();
    assert!(kib <= MAX_KIB, "{test}: {kib} KiB");
}

fn print_peak() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    println!("peak {}", peak.trim());
}

#[test]
fn a_million_names_are_read_within_the_memory() {
    is_within_the_memory("a_million_names");
}

#[test]
#[ignore = "started by another test, in a process of its own"]
fn a_million_names() {
    let tasks = (0..1_000_000).map(|number| task(number, &format!("/job-{number}"), 0.25, 512.0));
    let snapshot = read(ten_agents(), Box::new(tasks)).snapshot;
    assert_eq!(snapshot.applications.iter().map(|application| application.task_count).sum::<u32>(), 1_000_000);
    let names = || snapshot.applications.iter().map(|application| &*application.name);
    assert!(names().any(|name| name == "(other)"), "{:?}", names().take(3).collect::<Vec<_>>());
    assert!(names().count() <= 2001);
    print_peak();
}

#[test]
fn a_million_sizes_are_read_within_the_memory() {
    is_within_the_memory("a_million_sizes");
}

#[test]
#[ignore = "started by another test, in a process of its own"]
fn a_million_sizes() {
    let tasks = (0..1_000_000_u32).map(|number| {
        let (cpus, mem) = (f64::from(number % 1000) / 1000.0 + 0.001, f64::from(number / 1000) + 32.0);
        task(number, "job", cpus, mem)
    });
    let snapshot = read(ten_agents(), Box::new(tasks)).snapshot;
    assert_eq!(snapshot.applications[0].task_count, 1_000_000);
    assert!(snapshot.applications[0].tasks.len() <= 4096, "{}", snapshot.applications[0].tasks.len());
    print_peak();
}

#[test]
fn agents_of_distinct_totals_are_read_within_the_memory() {
    is_within_the_memory("agents_of_distinct_totals");
}

#[test]
#[ignore = "started by another test, in a process of its own"]
fn agents_of_distinct_totals() {
    let agents = (0..200_000).map(|number| agent(number, 4.0 + f64::from(number) / 1000.0, 1000.0, ""));
    let snapshot = read(Box::new(agents), no_tasks()).snapshot;
    assert_eq!(snapshot.agent_shapes.iter().map(|shape| shape.count).sum::<u32>(), 200_000);
    print_peak();
}

#[test]
fn fifteen_thousand_sizes_give_a_snapshot() {
    let tasks =
        (0..15_000_u32).map(|number| task(number, &format!("job-{}", number % 50), 0.1, 32.0 + f64::from(number)));
    let snapshot = read(ten_agents(), Box::new(tasks)).snapshot;
    let groups: usize = snapshot.applications.iter().map(|application| application.tasks.len()).sum();
    assert!(groups <= 50 * 64, "{groups}");
    assert_eq!(snapshot.applications.iter().map(|application| application.task_count).sum::<u32>(), 15_000);
}

#[test]
fn ten_thousand_deactivated_agents_give_a_snapshot() {
    let agents = (0..10_000).map(|number| {
        let agent = agent(number, 4.0, 1000.0, ",\"deactivated\":true");
        agent.replace("\"active\":true", "\"active\":false")
    });
    let snapshot = read(Box::new(agents), no_tasks()).snapshot;
    assert_eq!((snapshot.agents.deactivated, snapshot.decommissioning_omitted), (10_000, 9500));
}

#[test]
fn odd_agents_are_read_within_the_memory() {
    is_within_the_memory("odd_agents");
}

#[test]
#[ignore = "started by another test, in a process of its own"]
fn odd_agents() {
    let agents = (0..200_000).map(|number| agent(number, 4.0, 1000.0, ",\"drain_info\":7"));
    let snapshot = read(Box::new(agents), no_tasks()).snapshot;
    assert_eq!((snapshot.agents.registered, snapshot.agents.usable), (200_000, 0));
    print_peak();
}

#[test]
fn agents_with_odd_tasks_are_read_within_the_memory() {
    is_within_the_memory("agents_with_odd_tasks");
}

#[test]
#[ignore = "started by another test, in a process of its own"]
fn agents_with_odd_tasks() {
    let agents = (0..200_000).map(|number| agent(number, 4.0, 1000.0, ""));
    let tasks = (0..200_000).map(|number| {
        format!(
            r#"{{"id":"{number:0200}","name":7,"slave_id":"S{number}","state":"TASK_RUNNING","resources":{{"cpus":1,"mem":1}},"role":"*"}}"#
        )
    });
    let snapshot = read(Box::new(agents), Box::new(tasks)).snapshot;
    assert_eq!((snapshot.agents.registered, snapshot.agents.usable), (200_000, 0));
    print_peak();
}

#[test]
fn odd_tasks_on_unknown_agents_are_read_within_the_memory() {
    is_within_the_memory("odd_tasks_on_unknown_agents");
}

#[test]
#[ignore = "started by another test, in a process of its own"]
fn odd_tasks_on_unknown_agents() {
    let tasks = (0..200_000).map(|number| {
        format!(
            r#"{{"id":"{number:0200}","name":7,"slave_id":"X{number}","state":"TASK_RUNNING","resources":{{"cpus":1,"mem":1}},"role":"*"}}"#
        )
    });
    let snapshot = read(ten_agents(), Box::new(tasks)).snapshot;
    assert_eq!((snapshot.agents.registered, snapshot.agents.usable), (10, 10));
    print_peak();
}

#[test]
fn a_million_containers_are_read_within_the_memory() {
    is_within_the_memory("a_million_containers");
}

/// Two of each pod, far apart from each other.
#[test]
#[ignore = "started by another test, in a process of its own"]
fn a_million_containers() {
    let tasks = (0..1_000_000_u32).map(|number| {
        format!(
            r#"{{"id":"pod.instance-182f33d2-3650-4602-9e17-f36100{:06}.c{}","name":"c","slave_id":"S{}","state":"TASK_RUNNING","resources":{{"cpus":0.001,"mem":1}},"role":"*"}}"#,
            number % 500_000,
            number / 500_000,
            number % 10
        )
    });
    let snapshot = read(ten_agents(), Box::new(tasks)).snapshot;
    let [pods] = &*snapshot.applications else { panic!("{:?}", snapshot.applications.len()) };
    assert_eq!((&*pods.name, pods.resources.cpus.thousandths()), ("/pod", 1_000_000));
    print_peak();
}
