//! The document as a whole: which settings there are, their defaults, and which values fit each other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use toml::{Table, Value};
use url::Url;

use super::cpu::{cooldowns, needs_mesos, source};
use super::reader::{Report, Section, shorten};
use super::settings::{BaseUrl, Bytes, Percent};
use super::{
    CheckKind, Config, Headroom, HeadroomPlacement, Limits, Marathon, Mesos, Policy, Problem, Problems, Protected,
    Reference, ScaleDown, ScaleDownStrategy, Thresholds, Timing,
};
use crate::resources::{Amount, Kind, Resources};

const MINUTE: Duration = Duration::from_secs(60);

pub(super) fn parse(document: &str) -> Result<Config, Problems> {
    let table: Table = toml::from_str(document).map_err(|error| {
        let text = format!("not a TOML document: {}", error.to_string().trim());
        Problems(vec![Problem { path: String::new(), text }])
    })?;
    let report = Report::default();
    let mut top = Section::new("", &table, &report);

    let schedule_period: Duration = top.or("schedule_period", MINUTE);
    if schedule_period < MINUTE || schedule_period > 60 * MINUTE {
        top.problem("schedule_period", r#"must lie between "1m" (what a schedule can do) and "1h""#);
    }
    let dry_run = top.or("dry_run", false);
    let mesos = needed_by_a_pool(&mut top, "mesos", mesos);
    let marathon = needed_by_a_pool(&mut top, "marathon", marathon);
    let pools = pools(&mut top, schedule_period);
    top.finish();

    let problems = report.into_problems();
    if problems.is_empty() {
        Ok(Config { schedule_period, dry_run, mesos, marathon, pools })
    } else {
        Err(Problems(problems))
    }
}

/// Reads a section that is there for pools of a Mesos cluster; without any it would be read by nobody, and is refused.
fn needed_by_a_pool<T>(
    top: &mut Section<'_>,
    key: &'static str,
    read: impl Fn(&mut Section<'_>) -> Option<T>,
) -> Option<T> {
    if needs_mesos(top.table()) {
        return read(top);
    }
    if top.value(key).is_some() {
        top.problem(key, r#"no pool asks it: all have source = "cloudwatch"; leave it out"#);
    }
    None
}

fn mesos(top: &mut Section<'_>) -> Option<Mesos> {
    let Some(mut section) = top.section("mesos") else {
        if !top.table().contains_key("mesos") {
            top.problem("mesos.masters", format!("missing; expected a list with {}", BaseUrl::MASTER.expected));
        }
        return None;
    };
    let masters = masters(&mut section);
    let credentials = section.optional("credentials");
    if matches!(credentials, Some(Reference::File(_))) {
        section.problem(
            "credentials",
            r#"a secret does not belong into the zip; write "ssm:/name", "secretsmanager:name" or "env:NAME""#,
        );
    }
    let ca_bundle = section.optional("ca_bundle");
    let timeout = section.or("timeout", Duration::from_secs(20));
    if timeout < Duration::from_secs(1) || timeout > 15 * MINUTE {
        section.problem("timeout", r#"must lie between "1s" and "15m" (the longest that a Lambda runs)"#);
    }
    let Bytes(max_state_bytes) = section.or("max_state_bytes", Bytes(4 << 30));
    if max_state_bytes == 0 {
        section.problem("max_state_bytes", r#"must be more than 0; write "4GiB""#);
    }
    let gzip = section.or("gzip", false);
    section.finish();
    Some(Mesos { masters, credentials, ca_bundle, timeout, max_state_bytes, gzip })
}

fn masters(section: &mut Section<'_>) -> Vec<Url> {
    let texts: Vec<String> = section.required("masters").unwrap_or_default();
    if texts.is_empty() && section.table().get("masters").is_some_and(Value::is_array) {
        section.problem("masters", format!("is empty; expected a list with {}", BaseUrl::MASTER.expected));
    }
    let mut masters = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        match BaseUrl::MASTER.parse(text) {
            Ok(url) => masters.push(url),
            Err(problem) => section.problem(&format!("masters[{index}]"), problem),
        }
    }
    masters
}

fn marathon(top: &mut Section<'_>) -> Option<Marathon> {
    let mut section = top.section("marathon")?;
    let text: Option<String> = section.required("url");
    let url = text.and_then(|text| match BaseUrl::MARATHON.parse(&text) {
        Ok(url) => Some(url),
        Err(problem) => {
            section.problem("url", problem);
            None
        }
    });
    section.finish();
    url.map(|url| Marathon { url })
}

fn pools(top: &mut Section<'_>, schedule_period: Duration) -> Vec<Policy> {
    let tables = match top.value("pools") {
        Some(Value::Array(tables)) if !tables.is_empty() => tables.as_slice(),
        Some(other) if !other.is_array() => {
            top.problem("pools", format!("{} is not a list of tables; write [[pools]]", shorten(other)));
            return Vec::new();
        }
        _ => {
            top.problem("pools", "missing; expected at least one [[pools]] with name and group");
            return Vec::new();
        }
    };
    let mut pools = Vec::new();
    for (index, table) in tables.iter().enumerate() {
        let path = format!("pools[{index}]");
        match table.as_table() {
            Some(table) => pools.extend(pool(Section::new(&path, table, top.report()), schedule_period)),
            None => top.report().add(path, format!("{} is not a table; write [[pools]]", shorten(table))),
        }
    }
    distinct(top, &pools, "name", |policy| &policy.pool);
    distinct(top, &pools, "group", |policy| &policy.group);
    // An agent with all of one pool's attributes has a part of them too.
    for policy in pools.iter().filter(|policy| policy.source.is_mesos()) {
        let covers = |other: &&Policy| {
            other.source.is_mesos()
                && other.pool != policy.pool
                && policy.attributes.iter().all(|(name, value)| other.attributes.get(name) == Some(value))
        };
        if let Some(other) = pools.iter().find(covers) {
            top.problem(
                "pools",
                format!(
                    "every agent of {:?} is one of {:?} too; give each pool attributes of its own",
                    other.pool, policy.pool
                ),
            );
        }
    }
    pools
}

/// Reports values that two pools have in common.
fn distinct(top: &Section<'_>, pools: &[Policy], key: &str, value: impl Fn(&Policy) -> &String) {
    let mut seen = BTreeSet::new();
    for policy in pools {
        if !seen.insert(value(policy)) {
            top.problem("pools", format!("two pools have the {key} {:?}; each needs its own", value(policy)));
        }
    }
}

fn pool(mut section: Section<'_>, schedule_period: Duration) -> Option<Policy> {
    let pool: Option<String> = section.required("name");
    let group: Option<String> = section.required("group");
    let source = source(&mut section);
    let attributes = attributes(&mut section);
    let check = check(&mut section);
    let (min, max) = bounds(&mut section);
    let thresholds = thresholds(&mut section);
    let Percent(percent) = section.or("application_headroom_percent", Percent(10));
    let placement = headroom_placement(&mut section);
    let applications = applications(&mut section);
    let new_agent = new_agent(&mut section);
    let max_scale_up_step = step(&mut section, "max_scale_up_step", 10);
    let max_scale_down_step = step(&mut section, "max_scale_down_step", 1);
    let Percent(max_missing_agents_percent) = section.or("max_missing_agents_percent", Percent(10));
    if max_missing_agents_percent > 100 {
        section.problem("max_missing_agents_percent", "must lie between 0 and 100");
    }
    let max_scale_down_tasks = section.optional("max_scale_down_tasks");
    let strategy = scale_down_strategy(&mut section, check);
    let protected = protected(&mut section, strategy);
    let cooldowns = cooldowns(&mut section, source);
    let stable_for = section.or("scale_down_stable_for", Duration::ZERO);
    let max_back_off = section.or("max_back_off", 3 * MINUTE);
    let join_timeout = section.or("join_timeout", 15 * MINUTE);
    if join_timeout < 2 * schedule_period {
        section.problem(
            "join_timeout",
            "must be at least two schedule periods, the life of a decision: else one delivered twice would no longer \
             find the instances it asked for coming",
        );
    }
    let pause_until: Option<Timestamp> = section.optional("pause_until");
    section.finish();
    Some(Policy {
        pool: pool?,
        group: group?,
        source,
        attributes,
        check,
        new_agent,
        max_missing_agents_percent,
        limits: Limits { min, max, max_scale_up_step, max_scale_down_step, max_scale_down_tasks },
        thresholds,
        headroom: Headroom { percent, placement, applications },
        scale_down: ScaleDown {
            // Of a group nothing but its size is known, so no instance can be named to it.
            strategy: if source.is_mesos() { strategy } else { ScaleDownStrategy::DesiredCapacity },
            protected,
            stable_for,
        },
        timing: Timing {
            schedule_period,
            scale_up_cooldown: cooldowns.up,
            scale_down_cooldown: cooldowns.down,
            max_back_off,
            join_timeout,
            pause_until,
        },
    })
}

/// One of a few words; what is none of them is reported with all of them.
pub(super) fn word<T: Copy>(section: &mut Section<'_>, key: &'static str, words: &[(&str, T)]) -> Option<T> {
    let text: String = section.optional(key)?;
    let found = words.iter().find(|(word, _)| *word == text);
    if found.is_none() {
        let known: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        section.problem(key, format!("{text:?} is not one of {}", known.join(", ")));
    }
    found.map(|(_, value)| *value)
}

fn check(section: &mut Section<'_>) -> CheckKind {
    word(section, "check", &[("standard", CheckKind::Standard), ("custom", CheckKind::Custom)])
        .unwrap_or(CheckKind::Standard)
}

fn attributes(section: &mut Section<'_>) -> BTreeMap<String, String> {
    let Some(section) = section.section("attributes") else { return BTreeMap::new() };
    let mut attributes = BTreeMap::new();
    for (name, value) in section.table() {
        match value {
            Value::String(text) => {
                attributes.insert(name.clone(), text.clone());
            }
            Value::Integer(number) => {
                attributes.insert(name.clone(), number.to_string());
            }
            Value::Float(number) => {
                attributes.insert(name.clone(), number.to_string());
            }
            other => section.problem(name, format!("{} is not a text or number; write \"workers\"", shorten(other))),
        }
    }
    attributes
}

fn bounds(section: &mut Section<'_>) -> (u32, Option<u32>) {
    let min = section.or("min", 1);
    let max: Option<u32> = section.optional("max");
    if let Some(max) = max
        && max < min
    {
        section.problem("max", format!("{max} is less than min, which is {min}; raise max or lower min"));
    }
    (min, max)
}

fn considered(section: &mut Section<'_>) -> Vec<Kind> {
    let Some(names) = section.optional::<Vec<String>>("resources") else { return vec![Kind::Cpus, Kind::Mem] };
    let mut kinds = Vec::new();
    for name in &names {
        match Kind::from_name(name) {
            None => section.problem("resources", format!("{name:?} is not one of cpus, mem, disk, gpus")),
            Some(kind) if kinds.contains(&kind) => section.problem("resources", format!("{name:?} is there twice")),
            Some(kind) => kinds.push(kind),
        }
    }
    if names.is_empty() {
        section.problem("resources", r#"is empty; write ["cpus", "mem"]"#);
    }
    kinds
}

fn thresholds(section: &mut Section<'_>) -> Thresholds {
    let considered = considered(section);
    let Percent(down) = section.or("scale_down_threshold_percent", Percent(50));
    let Percent(up) = section.or("scale_up_threshold_percent", Percent(80));
    if !(1..=100).contains(&up) {
        section.problem("scale_up_threshold_percent", format!("{up} must lie between 1 and 100"));
    } else if down >= up {
        section.problem(
            "scale_down_threshold_percent",
            format!(
                "{down} must be less than scale_up_threshold_percent, which is {up}; agents would come and go for ever"
            ),
        );
    }
    Thresholds { scale_down_percent: down, scale_up_percent: up, considered }
}

fn headroom_placement(section: &mut Section<'_>) -> HeadroomPlacement {
    word(section, "headroom_placement", &[("pack", HeadroomPlacement::Pack), ("sum", HeadroomPlacement::Sum)])
        .unwrap_or(HeadroomPlacement::Pack)
}

/// Whoever decides by the state alone names no agent, so the group chooses unless the document says otherwise.
fn scale_down_strategy(section: &mut Section<'_>, check: CheckKind) -> ScaleDownStrategy {
    let default = match check {
        CheckKind::Standard => ScaleDownStrategy::LeastLoaded,
        CheckKind::Custom => ScaleDownStrategy::DesiredCapacity,
    };
    let after = section.optional("drain_after");
    let grace = section.optional("drain_grace");
    let drain = ScaleDownStrategy::Drain { after: after.unwrap_or(5 * MINUTE), grace: grace.unwrap_or(2 * MINUTE) };
    let strategies = [
        ("least_loaded", ScaleDownStrategy::LeastLoaded),
        ("desired_capacity", ScaleDownStrategy::DesiredCapacity),
        ("drain", drain),
    ];
    let strategy = word(section, "scale_down_strategy", &strategies).unwrap_or(default);
    for (key, is_there) in [("drain_after", after.is_some()), ("drain_grace", grace.is_some())] {
        if is_there && strategy != drain {
            section
                .problem(key, "has a meaning with scale_down_strategy = \"drain\" alone; write that, or leave it out");
        }
    }
    strategy
}

fn protected(section: &mut Section<'_>, strategy: ScaleDownStrategy) -> Protected {
    let Some(mut inner) = section.section("protected") else { return Protected::default() };
    let frameworks = inner.optional("frameworks").unwrap_or_default();
    let applications = inner.optional("applications").unwrap_or_default();
    inner.finish();
    if strategy == ScaleDownStrategy::DesiredCapacity {
        section.problem(
            "protected",
            "cannot be kept with scale_down_strategy = \"desired_capacity\": the group chooses the instance, whatever runs on it; \
             write \"least_loaded\", or leave this out and set scale-in protection on the instances",
        );
    }
    Protected { frameworks, applications }
}

fn applications(section: &mut Section<'_>) -> BTreeMap<String, u32> {
    let Some(section) = section.section("applications") else { return BTreeMap::new() };
    let mut applications = BTreeMap::new();
    for (name, value) in section.table() {
        let path = section.path_of(&format!("{name:?}"));
        let Some(table) = value.as_table() else {
            section
                .report()
                .add(path, format!("{} is not a table; write {{ application_headroom_percent = 50 }}", shorten(value)));
            continue;
        };
        let mut inner = Section::new(&path, table, section.report());
        if let Some(Percent(percent)) = inner.required("application_headroom_percent") {
            applications.insert(name.clone(), percent);
        }
        inner.finish();
    }
    applications
}

fn new_agent(section: &mut Section<'_>) -> Option<Resources> {
    let mut inner = section.section("new_agent")?;
    let mut resources = Resources::ZERO;
    for kind in Kind::ALL {
        let Some(value) = inner.value(kind.name()) else { continue };
        #[expect(clippy::cast_precision_loss, reason = "an amount that large is refused")]
        let units = value.as_float().or_else(|| value.as_integer().map(|units| units as f64));
        match units.and_then(Amount::from_units) {
            Some(amount) => *resources.get_mut(kind) = amount,
            None => inner.problem(kind.name(), format!("{} is not an amount; write 4 or 0.5", shorten(value))),
        }
    }
    if resources.cpus.is_zero() || resources.mem.is_zero() {
        inner.report().add(inner.path_of("cpus"), "a new agent needs cpus and mem; write { cpus = 4, mem = 14000 }");
    }
    inner.finish();
    Some(resources)
}

fn step(section: &mut Section<'_>, key: &'static str, default: u32) -> u32 {
    let step = section.or(key, default);
    if step == 0 {
        section.problem(key, "must be at least 1; to stop scaling set pause_until");
    }
    step
}
