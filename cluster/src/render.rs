//! The `/state` of a cluster, in the order of fields and the forms in which a master of Mesos 1.11.0 writes it; older ones lack
//! what they do not know.
//!
//! It is written one agent and task at a time, so that documents of any size need no memory.
//! Left out is what the model does not hold: history, offers, and kinds of resources that Lambda Scale does not look at.

use std::fmt;
use std::io::{self, Write};
use std::net::IpAddr;

use jiff::Timestamp;
use shared::resources::{Amount, Kind, Resources};
use uuid::Uuid;

use crate::model::{
    Agent, Attribute, Attributes, Cluster, Drain, Executor, Framework, Master, Mode, Ports, Presence, Roles, Task,
    TaskState,
};

impl Cluster {
    /// What `/state` answers.
    #[must_use]
    pub fn to_state_json(&self) -> Vec<u8> {
        // A little more than most agents and tasks take, so that it hardly ever grows.
        let mut json = Vec::with_capacity(2_048 * (1 + self.agents().count()) + 1_024 * self.tasks().count());
        // Memory takes all that is written.
        let _ = self.write_state(&mut json);
        json
    }

    /// Writes what `/state` answers.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write_state(&self, output: &mut impl Write) -> io::Result<()> {
        let active = self.registered().filter(|agent| agent.is_active()).count();
        let inactive = self.registered().count() - active;
        master(output, &self.master, [active, inactive, usize::try_from(self.unreachable).unwrap_or(usize::MAX)])?;
        output.write_all(br#","slaves":["#)?;
        list(output, self.registered(), |output, registered| {
            let ports = Ports::union(registered.tasks().iter().map(|task| &task.ports));
            agent(output, &self.master, registered, &registered.used(), &ports)
        })?;
        output.write_all(br#"],"recovered_slaves":["#)?;
        list(output, self.agents().filter(|agent| !agent.is_registered()), recovered_agent)?;
        output.write_all(br#"],"frameworks":["#)?;
        list(output, self.listed_frameworks(), |output, framework| self.write_framework(output, framework))?;
        end(output)
    }

    fn write_framework(&self, output: &mut impl Write, framework: &Framework) -> io::Result<()> {
        let tasks = self.tasks_of(framework).filter(|(_, task)| task.state.takes_resources());
        let tasks = tasks.map(|(_, task)| task.resources);
        let used = tasks.chain(self.executors_of(framework).map(|(_, executor)| executor.resources)).sum();
        framework_head(output, framework, &used)?;
        output.write_all(br#","tasks":["#)?;
        let mut tasks: Vec<(&Agent, &Task)> = self.tasks_of(framework).collect();
        tasks.sort_by_key(|(_, task)| task.number);
        list(output, tasks, |output, (agent, of)| {
            task(output, framework, Place { agent_id: &agent.id, ip: agent.ip() }, of, labels)
        })?;
        output.write_all(br#"],"unreachable_tasks":[],"completed_tasks":[],"offers":[],"executors":["#)?;
        list(output, self.executors_of(framework), |output, (agent, of)| executor(output, framework, &agent.id, of))?;
        output.write_all(if self.master.can_drain() { br#"],"offer_constraints":{}}"# } else { b"]}" })
    }
}

/// The document up to its list of agents. The numbers are those of agents that are active, registered but not active, and
/// marked unreachable.
pub(crate) fn master(
    output: &mut impl Write,
    master: &Master,
    [active, inactive, unreachable]: [usize; 3],
) -> io::Result<()> {
    let Master { version, build, id, pid, hostname, .. } = master;
    write!(output, r#"{{"version":{},"git_sha":{}"#, Text(version), Text(&build.git_sha))?;
    if let Some(tag) = &build.git_tag {
        write!(output, r#","git_tag":{}"#, Text(tag))?;
    }
    write!(output, r#","build_date":{},"build_time":{}"#, Text(&build.date), Seconds(build.time))?;
    write!(output, r#","build_user":{},"start_time":{}"#, Text(&build.user), Seconds(master.started_at))?;
    write!(output, r#","elected_time":{},"id":{}"#, Seconds(master.elected_at), Text(id))?;
    write!(output, r#","pid":{},"hostname":{}"#, Text(pid), Text(hostname))?;
    if !master.capabilities.is_empty() {
        output.write_all(br#","capabilities":"#)?;
        texts(output, &master.capabilities)?;
    }
    write!(output, r#","activated_slaves":{active}.0,"deactivated_slaves":{inactive}.0"#)?;
    write!(
        output,
        r#","unreachable_slaves":{unreachable}.0,"leader":{},"leader_info":{{"id":{}"#,
        Text(pid),
        Text(id)
    )?;
    let port = pid.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok()).unwrap_or(5050);
    write!(output, r#","pid":{},"port":{port},"hostname":{}}}"#, Text(pid), Text(hostname))?;
    if let Some(cluster) = &master.cluster {
        write!(output, r#","cluster":{}"#, Text(cluster))?;
    }
    output.write_all(br#","flags":{"#)?;
    list(output, &master.flags, |output, (name, value)| write!(output, "{}:{}", Text(name), Text(value)))?;
    output.write_all(b"}")
}

/// What follows the frameworks.
pub(crate) fn end(output: &mut impl Write) -> io::Result<()> {
    output.write_all(br#"],"completed_frameworks":[],"orphan_tasks":[],"unregistered_frameworks":[]}"#)
}

/// A registered agent, of which so much is used.
pub(crate) fn agent(
    output: &mut impl Write,
    master: &Master,
    agent: &Agent,
    used: &Resources,
    used_ports: &Ports,
) -> io::Result<()> {
    agent_head(output, agent)?;
    write!(output, r#","pid":{},"registered_time":{}"#, Text(&agent.pid), Seconds(agent.registered_at))?;
    if let Some(at) = agent.reregistered_at {
        write!(output, r#","reregistered_time":{}"#, Seconds(at))?;
    }
    let capacity = &agent.capacity;
    resources(output, r#","resources":"#, &capacity.total, &capacity.ports)?;
    resources(output, r#","used_resources":"#, used, used_ports)?;
    resources(output, r#","offered_resources":"#, &Resources::ZERO, &Ports::NONE)?;
    output.write_all(br#","reserved_resources":{"#)?;
    list(output, &capacity.reserved, |output, (role, reserved)| {
        write!(output, "{}", Text(role))?;
        resources(output, ":", reserved, &Ports::NONE)
    })?;
    output.write_all(b"}")?;
    resources(output, r#","unreserved_resources":"#, &capacity.unreserved(), &capacity.ports)?;
    write!(output, r#","active":{}"#, agent.is_active())?;
    if master.can_drain() {
        write!(output, r#","deactivated":{}"#, agent.is_deactivated())?;
    }
    write!(output, r#","version":{},"capabilities":"#, Text(&agent.version))?;
    texts(output, &agent.capabilities)?;
    match agent.mode {
        Mode::Active | Mode::Deactivated => {}
        Mode::Draining(drain) => drain_info(output, "DRAINING", drain)?,
        Mode::Drained(drain) => drain_info(output, "DRAINED", drain)?,
    }
    output.write_all(b"}")
}

/// The fields that an agent has in every state.
fn agent_head(output: &mut impl Write, agent: &Agent) -> io::Result<()> {
    write!(output, r#"{{"id":{},"hostname":{},"port":{}"#, Text(&agent.id), Text(&agent.hostname), agent.port)?;
    attributes(output, &agent.attributes)
}

fn attributes(output: &mut impl Write, attributes: &Attributes) -> io::Result<()> {
    output.write_all(br#","attributes":{"#)?;
    list(output, attributes.iter(), |output, (name, value)| match value {
        Attribute::Text(text) => write!(output, "{}:{}", Text(name), Text(text)),
        Attribute::Number(number) => write!(output, "{}:{number}", Text(name)),
    })?;
    output.write_all(b"}")
}

fn drain_info(output: &mut impl Write, state: &str, drain: Drain) -> io::Result<()> {
    write!(output, r#","drain_info":{{"state":"{state}","config":{{"#)?;
    if let Some(grace) = drain.max_grace_period {
        write!(output, r#""max_grace_period":{{"nanoseconds":{}}},"#, grace.as_nanos())?;
    }
    output.write_all(br#""mark_gone":false}}"#)?;
    match drain.since {
        Some(since) => write!(output, r#","estimated_drain_start_time_seconds":{}"#, Seconds(since)),
        None => Ok(()),
    }
}

/// An agent that has not come back to a new master, which knows it from its registry: without its resources.
fn recovered_agent(output: &mut impl Write, agent: &Agent) -> io::Result<()> {
    agent_head(output, agent)?;
    output.write_all(b"}")
}

/// A framework up to its lists.
pub(crate) fn framework_head(output: &mut impl Write, framework: &Framework, used: &Resources) -> io::Result<()> {
    write!(output, r#"{{"id":{},"name":{}"#, Text(&framework.id), Text(&framework.name))?;
    resources(output, r#","used_resources":"#, used, &Ports::NONE)?;
    resources(output, r#","offered_resources":"#, &Resources::ZERO, &Ports::NONE)?;
    output.write_all(br#","capabilities":"#)?;
    texts(output, &framework.capabilities)?;
    write!(output, r#","hostname":{},"webui_url":{}"#, Text(&framework.hostname), Text(&framework.webui_url))?;
    let is_connected = framework.presence == Presence::Connected;
    let is_recovered = framework.presence == Presence::Recovered;
    write!(output, r#","active":{is_connected},"connected":{is_connected},"recovered":{is_recovered}"#)?;
    let timeout = Decimal(framework.failover_timeout);
    write!(output, r#","user":{},"failover_timeout":{timeout}"#, Text(&framework.user))?;
    write!(output, r#","checkpoint":{}"#, framework.checkpoint)?;
    write!(output, r#","registered_time":{}"#, Seconds(framework.registered_at))?;
    match framework.presence {
        Presence::Disconnected { since } => write!(output, r#","unregistered_time":{}"#, Seconds(since))?,
        Presence::Connected | Presence::Recovered => output.write_all(br#","unregistered_time":0.0"#)?,
    }
    if let Some(principal) = &framework.principal {
        write!(output, r#","principal":{}"#, Text(principal))?;
    }
    resources(output, r#","resources":"#, used, &Ports::NONE)?;
    match &framework.roles {
        Roles::One(role) => write!(output, r#","role":{}"#, Text(role)),
        Roles::Many(roles) => {
            output.write_all(br#","roles":"#)?;
            texts(output, roles)
        }
    }
}

/// Where a task runs.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) agent_id: &'a str,
    pub(crate) ip: Option<IpAddr>,
}

/// A task. `more` writes what follows its statuses.
pub(crate) fn task<W: Write>(
    output: &mut W,
    framework: &Framework,
    place: Place<'_>,
    task: &Task,
    more: impl FnOnce(&mut W, &Task) -> io::Result<()>,
) -> io::Result<()> {
    // There are very many of them: no formatting where bytes do.
    for (before, value) in [
        (r#"{"id":"#, &*task.id),
        (r#","name":"#, &task.name),
        (r#","framework_id":"#, &framework.id),
        (r#","executor_id":"#, &task.executor_id),
        (r#","slave_id":"#, place.agent_id),
        (r#","state":"#, task.state.name()),
    ] {
        output.write_all(before.as_bytes())?;
        text(output, value)?;
    }
    resources(output, r#","resources":"#, &task.resources, &task.ports)?;
    output.write_all(br#","role":"#)?;
    text(output, &task.role)?;
    statuses(output, place, task)?;
    more(output, task)?;
    output.write_all(b"}")
}

fn statuses(output: &mut impl Write, place: Place<'_>, task: &Task) -> io::Result<()> {
    output.write_all(br#","statuses":["#)?;
    let states: &[TaskState] = match task.state {
        TaskState::Staging => &[],
        TaskState::Starting => &[TaskState::Starting],
        state => &[TaskState::Starting, state],
    };
    let mut buffer = Uuid::encode_buffer();
    let container: &str = task.container.hyphenated().encode_lower(&mut buffer);
    let micros = task.started_at.as_microsecond();
    for ((second, state), comma) in (0..).zip(states).zip(["", ","]) {
        let (seconds, fraction) = (micros.div_euclid(1_000_000) + second, micros.rem_euclid(1_000_000));
        output.write_all(comma.as_bytes())?;
        output.write_all(br#"{"state":"#)?;
        text(output, state.name())?;
        output.write_all(br#","timestamp":"#)?;
        digits(output, u64::try_from(seconds).unwrap_or_default(), 1)?;
        output.write_all(b".")?;
        digits(output, fraction.unsigned_abs(), 6)?;
        output.write_all(br#","container_status":{"container_id":{"value":""#)?;
        output.write_all(container.as_bytes())?;
        output.write_all(br#""},"network_infos":["#)?;
        if let Some(ip) = place.ip {
            output.write_all(br#"{"ip_addresses":[{"protocol":"IPv4","ip_address":""#)?;
            address(output, ip)?;
            output.write_all(br#""}]}"#)?;
        }
        let is_healthy = task.is_healthy && *state == TaskState::Running;
        output.write_all(if is_healthy { br#"]},"healthy":true}"# } else { b"]}}" })?;
    }
    output.write_all(b"]")
}

fn labels(output: &mut impl Write, task: &Task) -> io::Result<()> {
    if task.labels.is_empty() {
        return Ok(());
    }
    output.write_all(br#","labels":["#)?;
    list(output, &task.labels, |output, (key, value)| {
        write!(output, r#"{{"key":{},"value":{}}}"#, Text(key), Text(value))
    })?;
    output.write_all(b"]")
}

/// An executor that takes resources of its own.
pub(crate) fn executor(
    output: &mut impl Write,
    framework: &Framework,
    agent_id: &str,
    executor: &Executor,
) -> io::Result<()> {
    write!(output, r#"{{"executor_id":{},"name":"""#, Text(&executor.id))?;
    write!(output, r#","framework_id":{},"command":{{"argv":[],"uris":[]}}"#, Text(&framework.id))?;
    resources(output, r#","resources":"#, &executor.resources, &Ports::NONE)?;
    write!(output, r#","role":{},"type":"DEFAULT","slave_id":{}}}"#, Text(&executor.role), Text(agent_id))
}

fn resources(output: &mut impl Write, before: &str, resources: &Resources, ports: &Ports) -> io::Result<()> {
    output.write_all(before.as_bytes())?;
    output.write_all(b"{")?;
    list(output, Kind::IN_STATE, |output, kind| {
        text(output, kind.name())?;
        output.write_all(b":")?;
        decimal(output, resources.get(kind))
    })?;
    if !ports.is_empty() {
        write!(output, r#","ports":"{ports}""#)?;
    }
    output.write_all(b"}")
}

fn texts(output: &mut impl Write, texts: &[String]) -> io::Result<()> {
    output.write_all(b"[")?;
    list(output, texts, |output, text| write!(output, "{}", Text(text)))?;
    output.write_all(b"]")
}

/// Items with commas between them.
pub(crate) fn list<W: Write, T>(
    output: &mut W,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut W, T) -> io::Result<()>,
) -> io::Result<()> {
    for (place, item) in items.into_iter().enumerate() {
        if place > 0 {
            output.write_all(b",")?;
        }
        write(output, item)?;
    }
    Ok(())
}

/// A text as JSON; most need no escape.
fn text(output: &mut impl Write, text: &str) -> io::Result<()> {
    if !is_plain(text) {
        return write!(output, "{}", Text(text));
    }
    output.write_all(b"\"")?;
    output.write_all(text.as_bytes())?;
    output.write_all(b"\"")
}

/// Whether a text needs no escape. All bytes are looked at, many at a time.
fn is_plain(text: &str) -> bool {
    text.bytes().fold(true, |is_plain, byte| is_plain & (byte >= b' ') & (byte != b'"') & (byte != b'\\'))
}

/// A [`Decimal`].
fn decimal(output: &mut impl Write, amount: Amount) -> io::Result<()> {
    let (units, thousandths) = (amount.thousandths() / 1000, amount.thousandths() % 1000);
    digits(output, units, 1)?;
    output.write_all(b".")?;
    match thousandths {
        tenths if tenths.is_multiple_of(100) => digits(output, tenths / 100, 1),
        hundredths if hundredths.is_multiple_of(10) => digits(output, hundredths / 10, 2),
        thousandths => digits(output, thousandths, 3),
    }
}

fn address(output: &mut impl Write, ip: IpAddr) -> io::Result<()> {
    let IpAddr::V4(ip) = ip else { return write!(output, "{ip}") };
    for (octet, dot) in ip.octets().into_iter().zip(["", ".", ".", "."]) {
        output.write_all(dot.as_bytes())?;
        digits(output, octet.into(), 1)?;
    }
    Ok(())
}

/// A number of at least so many digits: each task has a dozen, and formatting them took half of the time of a document.
fn digits(output: &mut impl Write, number: u64, least: usize) -> io::Result<()> {
    let mut digits = [b'0'; 20];
    let (mut rest, mut count) = (number, 0);
    for digit in digits.iter_mut().rev() {
        *digit += u8::try_from(rest % 10).unwrap_or_default();
        (rest, count) = (rest / 10, count + 1);
        if rest == 0 {
            break;
        }
    }
    output.write_all(digits.get(digits.len() - count.max(least)..).unwrap_or_default())
}

/// A text as JSON.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        if is_plain(self.0) {
            f.write_str(self.0)?;
        } else {
            for c in self.0.chars() {
                match c {
                    '"' | '\\' => write!(f, "\\{c}")?,
                    c if c < ' ' => write!(f, "\\u{:04x}", u32::from(c))?,
                    c => write!(f, "{c}")?,
                }
            }
        }
        f.write_str("\"")
    }
}

/// An amount as Mesos writes it: always with a decimal point.
struct Decimal(Amount);

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.thousandths().is_multiple_of(1000) { write!(f, "{}.0", self.0) } else { write!(f, "{}", self.0) }
    }
}

/// A time as Mesos writes it: seconds since 1970, always with a decimal point.
struct Seconds(Timestamp);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_microsecond();
        let (seconds, fraction) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
        let decimals = format!("{fraction:06}");
        let decimals = decimals.trim_end_matches('0');
        write!(f, "{seconds}.{}", if decimals.is_empty() { "0" } else { decimals })
    }
}
