//! The document: what a master of Mesos 1.11.0 writes, in its order of fields.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr};

use jiff::{SignedDuration, Timestamp};
use shared::resources::{Amount, Resources};
use uuid::Uuid;

use super::spec::{self, Application, Assignment, EXECUTOR, FRAMEWORKS, FrameworkSpec, Spec, below, concern};
use crate::model::{Agent, Attribute, Capacity, Executor, Framework, Master, Ports, Presence, Roles, Task, TaskState};
use crate::render::{self, Place};
use shared::random::SplitMix64;

/// When the generated master became the leader: 2026-01-01T00:00:00Z.
pub const ELECTED_AT: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// The name of the cluster.
const CLUSTER: &str = "generated";
/// How many ports of an agent tasks take, from the first on.
const PORTS: (u32, u32) = (31_000, 32_000);

/// What was generated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many bytes the document has.
    pub bytes: u64,
    /// How many tasks run.
    pub tasks: u32,
    /// How many executors run too.
    pub executors: u32,
    /// What the agents have.
    pub total: Resources,
    /// What of it no role has reserved.
    pub unreserved: Resources,
    /// What tasks take.
    pub tasks_use: Resources,
    /// What tasks and executors take.
    pub used: Resources,
}

/// Writes the document, one agent or task at a time. `on_item` is called after each of them.
///
/// # Errors
/// Where it cannot be written.
pub fn write(spec: &Spec, output: impl Write, on_item: impl FnMut()) -> io::Result<Totals> {
    let master = Master {
        cluster: Some(CLUSTER.to_owned()),
        flags: [("cluster".to_owned(), CLUSTER.to_owned())]
            .into_iter()
            .chain(Master::elected(ELECTED_AT).flags)
            .collect(),
        ..Master::elected(ELECTED_AT)
    };
    let output = Counting { output, bytes: 0 };
    let mut document = Document { spec, master, output, on_item, tasks: Vec::new(), used_by: [Resources::ZERO; 3] };
    let mut totals = Totals::default();
    document.head()?;
    document.agents(&mut totals)?;
    document.frameworks()?;
    render::end(&mut document.output)?;
    document.output.flush()?;
    Ok(Totals { bytes: document.output.bytes, ..totals })
}

struct Counting<W> {
    output: W,
    bytes: u64,
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.output.write(bytes)?;
        self.bytes += u64::try_from(written).unwrap_or_default();
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

struct Document<'a, W, F> {
    spec: &'a Spec,
    master: Master,
    output: Counting<W>,
    on_item: F,
    /// Of one agent, used again for the next.
    tasks: Vec<Assignment>,
    /// What each framework takes.
    used_by: [Resources; 3],
}

impl<W: Write, F: FnMut()> Document<'_, W, F> {
    fn head(&mut self) -> io::Result<()> {
        let agents = usize::try_from(self.spec.agents).unwrap_or(usize::MAX);
        render::master(&mut self.output, &self.master, [agents, 0, 0])
    }

    fn agents(&mut self, totals: &mut Totals) -> io::Result<()> {
        self.output.write_all(br#","slaves":["#)?;
        for number in 0..self.spec.agents {
            let shape = self.spec.shape(number);
            let used = self.spec.tasks_on(number, &shape.total, &mut self.tasks);
            for task in &self.tasks {
                totals.tasks += 1;
                totals.executors += u32::from(task.application.has_executor);
                totals.tasks_use += task.application.resources;
                let framework = usize::try_from(task.application.framework).ok();
                if let Some(sum) = framework.and_then(|framework| self.used_by.get_mut(framework)) {
                    *sum += task.application.footprint();
                }
            }
            let agent = self.agent(number, &shape);
            totals.total += shape.total;
            totals.unreserved += agent.capacity.unreserved();
            totals.used += used;
            let last_port = self.tasks.iter().filter_map(port).max();
            let used_ports = last_port.map_or(Ports::NONE, |last| Ports::range(PORTS.0, last));
            self.comma(number == 0)?;
            render::agent(&mut self.output, &self.master, &agent, &used, &used_ports)?;
            (self.on_item)();
        }
        self.output.write_all(br#"],"recovered_slaves":[]"#)
    }

    fn agent(&self, number: u32, shape: &spec::Shape) -> Agent {
        let mut random = SplitMix64::stream(self.spec.seed, concern::AGENT, number.into());
        let (instance, zone) = (random.next_u64(), random.pick(["a", "b", "c"]));
        let mut capacity = Capacity { ports: Ports::range(PORTS.0, PORTS.1), ..Capacity::of(shape.total) };
        if !shape.reserved.is_zero() {
            capacity.reserved.insert("batch".to_owned(), shape.reserved);
        }
        let ip = ip(number).to_string();
        let hostname = format!("ip-{}.ec2.internal", ip.replace('.', "-"));
        let registered_at = ELECTED_AT + SignedDuration::from_millis(i64::from(number % 60) * 1000 + 250);
        let mut agent = Agent::new(number, self.agent_id(number), hostname, &ip, capacity, registered_at);
        for (name, value) in [
            ("asg", "workers".to_owned()),
            ("instance_id", format!("i-0{instance:016x}")),
            ("availability_zone", format!("us-east-1{zone}")),
            ("shape", shape.name.to_owned()),
        ] {
            agent.attributes.push(name, Attribute::Text(value));
        }
        agent
    }

    fn agent_id(&self, number: u32) -> String {
        format!("{}-S{number}", self.master.id)
    }

    fn frameworks(&mut self) -> io::Result<()> {
        self.output.write_all(br#","frameworks":["#)?;
        for (spec, used) in FRAMEWORKS.into_iter().zip(self.used_by) {
            self.comma(spec.number == 0)?;
            self.framework(&spec, &used)?;
        }
        Ok(())
    }

    fn framework(&mut self, spec: &FrameworkSpec, used: &Resources) -> io::Result<()> {
        let framework = framework(spec, &self.master);
        render::framework_head(&mut self.output, &framework, used)?;
        self.output.write_all(br#","tasks":["#)?;
        self.each_task(spec, |document, task, is_first| {
            document.comma(is_first)?;
            document.task(spec, &framework, task, TaskState::Running)?;
            (document.on_item)();
            Ok(())
        })?;
        self.output.write_all(br#"],"unreachable_tasks":[],"completed_tasks":["#)?;
        self.completed_tasks(spec, &framework)?;
        self.output.write_all(br#"],"offers":[],"executors":["#)?;
        self.each_task(spec, |document, task, is_first| {
            if !task.application.has_executor {
                return Ok(());
            }
            document.comma(is_first)?;
            document.executor(spec, &framework, task)
        })?;
        self.output.write_all(br#"],"offer_constraints":{}}"#)
    }

    /// Calls the function with each task of the framework, and with whether nothing has been written since the call.
    fn each_task(
        &mut self,
        framework: &FrameworkSpec,
        mut write: impl FnMut(&mut Self, &Assignment, bool) -> io::Result<()>,
    ) -> io::Result<()> {
        let start = self.output.bytes;
        for agent in 0..self.spec.agents {
            let mut tasks = std::mem::take(&mut self.tasks);
            self.spec.tasks_on(agent, &self.spec.shape(agent).total, &mut tasks);
            for task in tasks.iter().filter(|task| task.application.framework == framework.number) {
                let is_first = self.output.bytes == start;
                write(self, task, is_first)?;
            }
            self.tasks = tasks;
        }
        Ok(())
    }

    /// History, which no one may count: each of them belongs to one framework.
    fn completed_tasks(&mut self, spec: &FrameworkSpec, framework: &Framework) -> io::Result<()> {
        let start = self.output.bytes;
        for number in 0..self.spec.completed {
            let mut random = SplitMix64::stream(self.spec.seed, concern::COMPLETED, number.into());
            let application = self.spec.application(below(&mut random, self.spec.applications));
            if application.framework != spec.number {
                continue;
            }
            let state = random.pick([TaskState::Finished, TaskState::Failed, TaskState::Killed, TaskState::Lost]);
            let agent = below(&mut random, self.spec.agents);
            // Numbers from the end, so that no running task has the same id.
            let task = Assignment { number: u32::MAX - number, slot: number, agent, application };
            let is_first = self.output.bytes == start;
            self.comma(is_first)?;
            self.task(spec, framework, &task, state)?;
        }
        Ok(())
    }

    fn task(
        &mut self,
        spec: &FrameworkSpec,
        framework: &Framework,
        assignment: &Assignment,
        state: TaskState,
    ) -> io::Result<()> {
        let TaskId { id, uuid, container } = TaskId::of(self.spec, spec, assignment);
        let Assignment { number, agent, application, .. } = assignment;
        let port = port(assignment);
        let second = SignedDuration::from_secs(i64::from(number % 86_400));
        let micros = i64::try_from(uuid.as_u64_pair().1 % 999_999 + 1).unwrap_or_default();
        let task = Task {
            number: u64::from(*number),
            name: format!("{}-{:04}.{}", application.part, application.number, application.group),
            framework: framework.number,
            executor_id: if application.has_executor { format!("instance-{id}") } else { String::new() },
            id,
            state,
            resources: application.resources,
            ports: port.map_or(Ports::NONE, |port| Ports::range(port, port)),
            role: spec.role.to_owned(),
            started_at: ELECTED_AT + second + SignedDuration::from_micros(micros),
            container,
            is_healthy: true,
            labels: Vec::new(),
        };
        let agent_id = self.agent_id(*agent);
        let place = Place { agent_id: &agent_id, ip: Some(ip(*agent)) };
        render::task(&mut self.output, framework, place, &task, |output, _| details(output, application, &uuid, port))
    }

    fn executor(&mut self, spec: &FrameworkSpec, framework: &Framework, task: &Assignment) -> io::Result<()> {
        let executor = Executor {
            id: format!("instance-{}", TaskId::of(self.spec, spec, task).id),
            framework: framework.number,
            resources: EXECUTOR,
            role: spec.role.to_owned(),
        };
        let agent_id = self.agent_id(task.agent);
        render::executor(&mut self.output, framework, &agent_id, &executor)
    }

    fn comma(&mut self, is_first: bool) -> io::Result<()> {
        if is_first { Ok(()) } else { self.output.write_all(b",") }
    }
}

fn framework(spec: &FrameworkSpec, master: &Master) -> Framework {
    let role = spec.role.to_owned();
    Framework {
        number: spec.number,
        id: format!("{}-{:04}", master.id, spec.number),
        name: spec.name.to_owned(),
        capabilities: spec.capabilities.iter().map(|capability| (*capability).to_owned()).collect(),
        hostname: master.hostname.clone(),
        webui_url: "http://10.0.0.5:8080".to_owned(),
        presence: Presence::Connected,
        user: "root".to_owned(),
        failover_timeout: Amount::from_thousandths(604_800_000),
        checkpoint: true,
        registered_at: ELECTED_AT + SignedDuration::from_millis(500),
        principal: Some(spec.name.to_owned()),
        roles: if spec.is_marathon { Roles::One(role) } else { Roles::Many(vec![role]) },
        applications: BTreeSet::new(),
    }
}

/// The fields of a task that the model does not hold: most of its bytes. `node_gather` reads none of them.
fn details(output: &mut impl Write, application: &Application, uuid: &Uuid, port: Option<u32>) -> io::Result<()> {
    let Application { number, group, part, .. } = application;
    write!(
        output,
        r#","user":"root","labels":[{{"key":"HAPROXY_GROUP","value":"external"}},{{"key":"HAPROXY_0_VHOST","value":"{part}-{number:04}.{group}.example.com"}},"#,
    )?;
    write!(
        output,
        r#"{{"key":"team","value":"{group}"}},{{"key":"alerts","value":"https://runbooks.example.com/{group}/{part}"}},{{"key":"git_sha","value":"{:016x}"}},{{"key":"config","value":"s3://deployments/{group}/{part}-{number:04}/config.json"}}]"#,
        uuid.as_u64_pair().0
    )?;
    let port = port.unwrap_or(0);
    write!(
        output,
        r#","discovery":{{"visibility":"FRAMEWORK","name":"{part}-{number:04}.{group}","ports":{{"ports":[{{"number":{port},"name":"http","protocol":"tcp","labels":{{"labels":[{{"key":"network-scope","value":"host"}}]}}}}]}}}}"#,
    )?;
    write!(
        output,
        r#","container":{{"type":"DOCKER","docker":{{"image":"registry.example.com/{group}/{part}:2026.11.{}","network":"BRIDGE","port_mappings":[{{"host_port":{port},"container_port":8080,"protocol":"tcp"}}],"#,
        number % 28 + 1
    )?;
    write!(
        output,
        r#""privileged":false,"parameters":[{{"key":"label","value":"application=/{group}/{part}-{number:04}"}},{{"key":"log-driver","value":"journald"}}],"force_pull_image":false}},"volumes":[{{"container_path":"/var/log/{part}","host_path":"/mnt/log/{group}","mode":"RW"}}]}}"#,
    )?;
    output.write_all(
        br#","health_check":{"delay_seconds":15.0,"interval_seconds":10.0,"timeout_seconds":20.0,"consecutive_failures":3,"grace_period_seconds":300.0,"type":"HTTP","#,
    )?;
    write!(output, r#""http":{{"protocol":"IPv4","scheme":"http","port":{port},"path":"/health"}}}}"#)
}

/// The id of a task, and what follows from the same numbers.
struct TaskId {
    id: String,
    uuid: Uuid,
    /// Of its container.
    container: Uuid,
}

impl TaskId {
    fn of(spec: &Spec, framework: &FrameworkSpec, task: &Assignment) -> Self {
        let mut random = SplitMix64::stream(spec.seed, concern::TASK, task.number.into());
        let mut uuid = || Uuid::from_u64_pair(random.next_u64(), random.next_u64());
        let (uuid, container) = (uuid(), uuid());
        let Application { number, group, part, .. } = task.application;
        let id = if framework.is_marathon {
            format!("{group}_{part}-{number:04}.instance-{uuid}._app.1")
        } else {
            format!("{part}-{number:04}:{uuid}")
        };
        Self { id, uuid, container }
    }
}

/// The port of a task: each has one, as long as its agent has some.
fn port(task: &Assignment) -> Option<u32> {
    PORTS.0.checked_add(task.slot).filter(|port| *port <= PORTS.1)
}

/// The address of an agent: with at most 2^20 of them, from 10.16.0.0 to 10.31.255.255.
fn ip(agent: u32) -> IpAddr {
    let [_, high, middle, low] = agent.to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(10, high.wrapping_add(16), middle, low))
}
