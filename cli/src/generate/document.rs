//! The document: what a master of Mesos 1.11.0 writes, in its order of fields.

use std::io::{self, Write};

use shared::resources::{Amount, Resources};
use uuid::Uuid;

use super::model::{Application, Chance, EXECUTOR, FRAMEWORKS, Framework, Spec, Task, kind};

/// When the generated master became the leader, in seconds since 1970: 2026-01-01T00:00:00Z.
pub const ELECTED_AT: i64 = 1_767_225_600;

/// The id of the master; those of agents and frameworks begin with it.
const MASTER_ID: &str = "3c1f0a52-7d1b-4f6e-9a27-5f0c7a9be4d1";
/// How many ports of an agent tasks take, from the first on.
const PORTS: (u32, u32) = (31_000, 32_000);

/// What was generated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many bytes the document has.
    pub bytes: u64,
    /// How many tasks run.
    pub tasks: u32,
    /// How many executors run besides.
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
    let output = Counting { output, bytes: 0 };
    let mut document = Document { spec, output, on_item, tasks: Vec::new(), used_by: [Resources::ZERO; 3] };
    let mut totals = Totals::default();
    document.master()?;
    document.agents(&mut totals)?;
    document.frameworks()?;
    document.output.write_all(br#","completed_frameworks":[],"orphan_tasks":[],"unregistered_frameworks":[]}"#)?;
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
    output: Counting<W>,
    on_item: F,
    /// Of one agent, used again for the next.
    tasks: Vec<Task>,
    /// What each framework takes.
    used_by: [Resources; 3],
}

impl<W: Write, F: FnMut()> Document<'_, W, F> {
    fn master(&mut self) -> io::Result<()> {
        let agents = self.spec.agents;
        write!(
            self.output,
            r#"{{"version":"1.11.0","git_sha":"04bc7ee1984d86fbb0bd782ccc69ce44c13ae4b9","git_tag":"1.11.0","#,
        )?;
        write!(
            self.output,
            r#""build_date":"2020-11-24 15:38:37","build_time":1606232317.0,"build_user":"ubuntu","start_time":{ELECTED_AT}.0,"#,
        )?;
        write!(
            self.output,
            r#""elected_time":{ELECTED_AT}.0,"id":"{MASTER_ID}","pid":"master@10.0.0.5:5050","hostname":"ip-10-0-0-5.ec2.internal","#,
        )?;
        write!(
            self.output,
            r#""capabilities":["AGENT_UPDATE","AGENT_DRAINING","QUOTA_V2"],"activated_slaves":{agents}.0,"deactivated_slaves":0.0,"#,
        )?;
        write!(
            self.output,
            r#""unreachable_slaves":0.0,"leader":"master@10.0.0.5:5050","leader_info":{{"id":"{MASTER_ID}","#,
        )?;
        write!(
            self.output,
            r#""pid":"master@10.0.0.5:5050","port":5050,"hostname":"ip-10-0-0-5.ec2.internal"}},"cluster":"generated","#,
        )?;
        self.output.write_all(
            br#""flags":{"agent_ping_timeout":"15secs","agent_reregister_timeout":"10mins","allocation_interval":"1secs","#,
        )?;
        self.output.write_all(
            br#""authenticate_agents":"false","cluster":"generated","filter_gpu_resources":"true","port":"5050","quorum":"2","#,
        )?;
        self.output.write_all(
            br#""recovery_agent_removal_limit":"100%","registry":"replicated_log","work_dir":"/var/lib/mesos/master"}"#,
        )
    }

    fn agents(&mut self, totals: &mut Totals) -> io::Result<()> {
        self.output.write_all(br#","slaves":["#)?;
        for agent in 0..self.spec.agents {
            let shape = self.spec.shape(agent);
            let used = self.spec.tasks_on(agent, &shape.total, &mut self.tasks);
            for task in &self.tasks {
                totals.tasks += 1;
                totals.executors += u32::from(task.application.has_executor);
                totals.tasks_use += task.application.resources;
                let framework = usize::try_from(task.application.framework).ok();
                if let Some(sum) = framework.and_then(|framework| self.used_by.get_mut(framework)) {
                    *sum += task.application.footprint();
                }
            }
            let unreserved = shape.total.saturating_sub(&shape.reserved);
            totals.total += shape.total;
            totals.unreserved += unreserved;
            totals.used += used;

            let mut chance = Chance::of(self.spec.seed, kind::AGENT, agent);
            let (instance, zone) = (chance.next(), chance.pick(["a", "b", "c"]));
            let (ip, comma) = (ip(agent), if agent == 0 { "" } else { "," });
            let hostname = ip.replace('.', "-");
            write!(
                self.output,
                r#"{comma}{{"id":"{MASTER_ID}-S{agent}","hostname":"ip-{hostname}.ec2.internal","port":5051,"attributes":{{"asg":"workers","#,
            )?;
            write!(
                self.output,
                r#""instance_id":"i-0{instance:016x}","availability_zone":"us-east-1{zone}","shape":"{}"}},"#,
                shape.name
            )?;
            write!(
                self.output,
                r#""pid":"slave(1)@{ip}:5051","registered_time":{}.25"#,
                ELECTED_AT + i64::from(agent % 60)
            )?;
            let all_ports = Some(PORTS);
            let used_ports = self.tasks.iter().filter_map(port).max().map(|last| (PORTS.0, last));
            self.resources(r#","resources":"#, &shape.total, all_ports)?;
            self.resources(r#","used_resources":"#, &used, used_ports)?;
            self.resources(r#","offered_resources":"#, &Resources::ZERO, None)?;
            self.output.write_all(br#","reserved_resources":{"#)?;
            if !shape.reserved.is_zero() {
                self.resources(r#""batch":"#, &shape.reserved, None)?;
            }
            self.resources(r#"},"unreserved_resources":"#, &unreserved, all_ports)?;
            self.output.write_all(br#","active":true,"deactivated":false,"version":"1.11.0","capabilities":["#)?;
            self.output.write_all(
                br#""MULTI_ROLE","HIERARCHICAL_ROLE","RESERVATION_REFINEMENT","RESOURCE_PROVIDER","RESIZE_VOLUME","#,
            )?;
            self.output.write_all(br#""AGENT_OPERATION_FEEDBACK","AGENT_DRAINING","TASK_RESOURCE_LIMITS"]}"#)?;
            (self.on_item)();
        }
        self.output.write_all(br#"],"recovered_slaves":[]"#)
    }

    fn frameworks(&mut self) -> io::Result<()> {
        self.output.write_all(br#","frameworks":["#)?;
        for (framework, used) in FRAMEWORKS.into_iter().zip(self.used_by) {
            self.framework(&framework, &used)?;
        }
        self.output.write_all(b"]")
    }

    fn framework(&mut self, framework: &Framework, used: &Resources) -> io::Result<()> {
        let Framework { number, name, is_marathon, capabilities, role } = framework;
        let comma = if *number == 0 { "" } else { "," };
        write!(self.output, r#"{comma}{{"id":"{MASTER_ID}-{number:04}","name":"{name}""#)?;
        self.resources(r#","used_resources":"#, used, None)?;
        self.resources(r#","offered_resources":"#, &Resources::ZERO, None)?;
        write!(
            self.output,
            r#","capabilities":{capabilities},"hostname":"ip-10-0-0-5.ec2.internal","webui_url":"http://10.0.0.5:8080","active":true,"#,
        )?;
        write!(
            self.output,
            r#""connected":true,"recovered":false,"user":"root","failover_timeout":604800.0,"checkpoint":true,"registered_time":{ELECTED_AT}.5,"#,
        )?;
        write!(self.output, r#""unregistered_time":0.0,"principal":"{name}""#)?;
        self.resources(r#","resources":"#, used, None)?;
        // A framework of one role names it, one of several lists them.
        if *is_marathon {
            write!(self.output, r#","role":"{role}""#)?;
        } else {
            write!(self.output, r#","roles":["{role}"]"#)?;
        }
        self.output.write_all(br#","tasks":["#)?;
        self.each_task(framework, |document, task, is_first| {
            document.comma(is_first)?;
            document.task(framework, task, "TASK_RUNNING")?;
            (document.on_item)();
            Ok(())
        })?;
        self.output.write_all(br#"],"unreachable_tasks":[],"completed_tasks":["#)?;
        self.completed_tasks(framework)?;
        self.output.write_all(br#"],"offers":[],"executors":["#)?;
        self.each_task(framework, |document, task, is_first| {
            if !task.application.has_executor {
                return Ok(());
            }
            document.comma(is_first)?;
            document.executor(framework, task)
        })?;
        self.output.write_all(br#"],"offer_constraints":{}}"#)
    }

    /// Calls the function with each task of the framework, and with whether nothing has been written since the call.
    fn each_task(
        &mut self,
        framework: &Framework,
        mut write: impl FnMut(&mut Self, &Task, bool) -> io::Result<()>,
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
    fn completed_tasks(&mut self, framework: &Framework) -> io::Result<()> {
        let start = self.output.bytes;
        for number in 0..self.spec.completed {
            let mut chance = Chance::of(self.spec.seed, kind::COMPLETED, u64::from(number));
            let application = self.spec.application(chance.below(self.spec.applications));
            if application.framework != framework.number {
                continue;
            }
            let state = chance.pick(["TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_LOST"]);
            let agent = chance.below(self.spec.agents);
            // Numbers from the end, so that no running task has the same id.
            let task = Task { number: u32::MAX - number, slot: number, agent, application };
            let is_first = self.output.bytes == start;
            self.comma(is_first)?;
            self.task(framework, &task, state)?;
        }
        Ok(())
    }

    fn task(&mut self, framework: &Framework, task: &Task, state: &str) -> io::Result<()> {
        let Task { agent, application, .. } = task;
        let Application { number, group, part, .. } = application;
        let id = TaskId::of(self.spec, framework, task);
        write!(
            self.output,
            r#"{{"id":"{id}","name":"{part}-{number:04}.{group}","framework_id":"{MASTER_ID}-{:04}","#,
            framework.number
        )?;
        if application.has_executor {
            write!(self.output, r#""executor_id":"instance-{id}","#)?;
        } else {
            self.output.write_all(br#""executor_id":"","#)?;
        }
        write!(self.output, r#""slave_id":"{MASTER_ID}-S{agent}","state":"{state}""#)?;
        let port = port(task);
        self.resources(r#","resources":"#, &application.resources, port.map(|port| (port, port)))?;
        write!(self.output, r#","role":"{}""#, framework.role)?;
        self.statuses(&id, task, state)?;
        write!(
            self.output,
            r#","user":"root","labels":[{{"key":"HAPROXY_GROUP","value":"external"}},{{"key":"HAPROXY_0_VHOST","value":"{part}-{number:04}.{group}.example.com"}},"#,
        )?;
        write!(
            self.output,
            r#"{{"key":"team","value":"{group}"}},{{"key":"alerts","value":"https://runbooks.example.com/{group}/{part}"}},{{"key":"git_sha","value":"{:016x}"}},{{"key":"config","value":"s3://deployments/{group}/{part}-{number:04}/config.json"}}]"#,
            id.uuid.as_u64_pair().0
        )?;
        let port = port.unwrap_or(0);
        write!(
            self.output,
            r#","discovery":{{"visibility":"FRAMEWORK","name":"{part}-{number:04}.{group}","ports":{{"ports":[{{"number":{port},"name":"http","protocol":"tcp","labels":{{"labels":[{{"key":"network-scope","value":"host"}}]}}}}]}}}}"#,
        )?;
        write!(
            self.output,
            r#","container":{{"type":"DOCKER","docker":{{"image":"registry.example.com/{group}/{part}:2026.11.{}","network":"BRIDGE","port_mappings":[{{"host_port":{port},"container_port":8080,"protocol":"tcp"}}],"#,
            number % 28 + 1
        )?;
        write!(
            self.output,
            r#""privileged":false,"parameters":[{{"key":"label","value":"application=/{group}/{part}-{number:04}"}},{{"key":"log-driver","value":"journald"}}],"force_pull_image":false}},"volumes":[{{"container_path":"/var/log/{part}","host_path":"/mnt/log/{group}","mode":"RW"}}]}}"#,
        )?;
        self.output.write_all(
            br#","health_check":{"delay_seconds":15.0,"interval_seconds":10.0,"timeout_seconds":20.0,"consecutive_failures":3,"grace_period_seconds":300.0,"type":"HTTP","#,
        )?;
        write!(self.output, r#""http":{{"protocol":"IPv4","scheme":"http","port":{port},"path":"/health"}}}}}}"#)
    }

    fn statuses(&mut self, id: &TaskId<'_>, task: &Task, state: &str) -> io::Result<()> {
        let started = ELECTED_AT + i64::from(task.number % 86_400);
        let (container, ip) = (id.container, ip(task.agent));
        self.output.write_all(br#","statuses":["#)?;
        for (place, status) in ["TASK_STARTING", state].into_iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            let health = if status == "TASK_RUNNING" { r#","healthy":true"# } else { "" };
            write!(
                self.output,
                r#"{comma}{{"state":"{status}","timestamp":{}.{:06},"container_status":{{"container_id":{{"value":"{container}"}},"#,
                started + i64::try_from(place).unwrap_or_default(),
                id.uuid.as_u64_pair().1 % 999_999 + 1
            )?;
            write!(
                self.output,
                r#""network_infos":[{{"ip_addresses":[{{"protocol":"IPv4","ip_address":"{ip}"}}]}}]}}{health}}}"#
            )?;
        }
        self.output.write_all(b"]")
    }

    fn executor(&mut self, framework: &Framework, task: &Task) -> io::Result<()> {
        let id = TaskId::of(self.spec, framework, task);
        write!(
            self.output,
            r#"{{"executor_id":"instance-{id}","name":"","framework_id":"{MASTER_ID}-{:04}","command":{{"argv":[],"uris":[]}}"#,
            framework.number
        )?;
        self.resources(r#","resources":"#, &EXECUTOR, None)?;
        write!(
            self.output,
            r#","role":"{}","type":"DEFAULT","slave_id":"{MASTER_ID}-S{}"}}"#,
            framework.role, task.agent
        )
    }

    fn resources(&mut self, before: &str, resources: &Resources, ports: Option<(u32, u32)>) -> io::Result<()> {
        let [disk, mem, gpus, cpus] = [resources.disk, resources.mem, resources.gpus, resources.cpus].map(Decimal);
        write!(self.output, r#"{before}{{"disk":{disk},"mem":{mem},"gpus":{gpus},"cpus":{cpus}"#)?;
        if let Some((first, last)) = ports {
            write!(self.output, r#","ports":"[{first}-{last}]""#)?;
        }
        self.output.write_all(b"}")
    }

    fn comma(&mut self, is_first: bool) -> io::Result<()> {
        if is_first { Ok(()) } else { self.output.write_all(b",") }
    }
}

/// The id of a task, by which it is known in several places.
struct TaskId<'a> {
    framework: &'a Framework,
    application: &'a Application,
    uuid: Uuid,
    /// Of its container.
    container: Uuid,
}

impl<'a> TaskId<'a> {
    fn of(spec: &Spec, framework: &'a Framework, task: &'a Task) -> Self {
        let mut chance = Chance::of(spec.seed, kind::TASK, task.number);
        let mut uuid = || Uuid::from_u64_pair(chance.next(), chance.next());
        Self { framework, application: &task.application, uuid: uuid(), container: uuid() }
    }
}

impl std::fmt::Display for TaskId<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { uuid, application: Application { number, group, part, .. }, .. } = self;
        if self.framework.is_marathon {
            write!(f, "{group}_{part}-{number:04}.instance-{uuid}._app.1")
        } else {
            write!(f, "{part}-{number:04}:{uuid}")
        }
    }
}

/// The port of a task: each has one, as long as its agent has some.
fn port(task: &Task) -> Option<u32> {
    PORTS.0.checked_add(task.slot).filter(|port| *port <= PORTS.1)
}

/// The address of an agent: with at most 2^20 of them, from 10.16.0.0 to 10.31.255.255.
fn ip(agent: u32) -> String {
    let [_, high, middle, low] = agent.to_be_bytes();
    format!("10.{}.{middle}.{low}", high.wrapping_add(16))
}

/// An amount as Mesos writes it: always with a decimal point.
struct Decimal(Amount);

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.thousandths().is_multiple_of(1000) { write!(f, "{}.0", self.0) } else { write!(f, "{}", self.0) }
    }
}
