//! Jobs: when each was submitted, how long it ran, and what it took.

use std::collections::BTreeMap;

use jiff::Timestamp;
use shared::resources::{Amount, Kind, Resources};

use super::rows::rows;
use super::{Application, Job, Options, TraceError, Workload};

pub(super) const HEADER: &str = "id,submit_s,duration_s,cpus,mem";

/// The start of traces whose times are relative: a Thursday at midnight.
pub(super) const START: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// How many of the largest job an agent holds.
const JOBS_PER_AGENT: u64 = 4;

/// 8 cpus and 28,000 MB.
pub(super) fn standard_agent() -> Resources {
    let (cpus, mem) = (Amount::from_thousandths(8000), Amount::from_thousandths(28_000_000));
    Resources { cpus, mem, ..Resources::ZERO }
}

pub(super) fn read(text: &str, options: &Options) -> Result<Workload, TraceError> {
    let mut applications: Vec<Application> = Vec::new();
    let mut places: BTreeMap<Resources, usize> = BTreeMap::new();
    let mut jobs = Vec::new();
    for row in rows(text, HEADER)? {
        let submitted = row.within(row.thousandths(1, "submit_s")?, 1, "submit_s")?;
        let duration = row.thousandths(2, "duration_s")?;
        let resources = Resources { cpus: row.amount(3, "cpus")?, mem: row.amount(4, "mem")?, ..Resources::ZERO };
        if resources.is_zero() {
            return Err(row.problem("cpus and mem are 0, expected a job that takes something".to_owned()));
        }
        let application = *places.entry(resources).or_insert_with(|| {
            // Marathon's ids have letters, digits, and hyphens.
            let size = format!("{}-{}", resources.cpus, resources.mem).replace('.', "-");
            let name = if options.own_framework { format!("jobs-{size}") } else { format!("/jobs/{size}") };
            applications.push(Application::new(name, resources));
            applications.len() - 1
        });
        jobs.push(Job { submitted, duration, application });
    }
    if jobs.is_empty() {
        return Err(TraceError::TooShort { got: "no rows".to_owned(), least: "1 job" });
    }
    jobs.sort();
    let duration = jobs.iter().map(|job| job.submitted.saturating_add(job.duration)).max().unwrap_or_default();
    // The long tail of the last jobs says nothing about a policy: the trace ends with its last submission, and an hour.
    let last = jobs.iter().map(|job| job.submitted).max().unwrap_or_default();
    let largest = Resources::from_fn(|kind: Kind| {
        applications.iter().map(|application| application.resources.get(kind)).max().unwrap_or_default()
    });
    let agent = options.agent.unwrap_or_else(|| largest.times(JOBS_PER_AGENT));
    let duration = duration.min(last.saturating_add(crate::HOUR));
    Ok(Workload { start: START, duration, applications, changes: Vec::new(), jobs, agent })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::read;

    #[test]
    fn an_agent_holds_four_of_the_largest_job() {
        let text = format!("{HEADER}\n7,60,30,0.5,1000\n8,5.5,120,2,500\n9,61,30,0.5,1000\n");
        let workload = read(&text, &Options::default()).unwrap();
        assert_eq!(workload.agent.to_string(), "8 cpus, 4000 MB");
        let names: Vec<&str> = workload.applications.iter().map(|application| application.name.as_str()).collect();
        assert_eq!(names, ["/jobs/0-5-1000", "/jobs/2-500"]);
        assert_eq!(workload.jobs[0], Job { submitted: 5500, duration: 120_000, application: 1 });
        assert_eq!(workload.duration, 125_500, "until the last job has ended");
    }

    #[test]
    fn a_wrong_job_is_named_by_its_line() {
        for (row, expected) in [
            ("1,2,3,4", "line 2: got 4 values, expected 5"),
            ("1,soon,3,4,5", "line 2: submit_s: got \"soon\""),
            ("1,100000000,3,4,5", "line 2: submit_s: got \"100000000\", expected a time within 400 days of the start"),
            ("1,2,3,0,0", "line 2: cpus and mem are 0"),
            ("", "the trace has no rows, expected at least 1 job"),
        ] {
            let error = read(&format!("{HEADER}\n{row}\n"), &Options::default()).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
