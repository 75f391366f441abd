//! Intent: how many instances of each application are wanted, by minute. It says nothing about where they run.

use std::collections::BTreeMap;

use shared::resources::Resources;

use super::jobs::{START, standard_agent};
use super::rows::rows;
use super::{Application, Change, Options, TraceError, Workload};
use crate::MINUTE;

pub(super) const HEADER: &str = "minute,application,instances,cpus,mem";

pub(super) fn read(text: &str, options: &Options) -> Result<Workload, TraceError> {
    let mut applications: Vec<Application> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut changes: Vec<Change> = Vec::new();
    for row in rows(text, HEADER)? {
        let at = row.within(u64::from(row.whole(0, "minute")?) * MINUTE, 0, "minute")?;
        if changes.last().is_some_and(|last| last.at > at) {
            return Err(row.problem(format!("minute: {} is before that of the row before", row.short(0))));
        }
        let name = row.text(1);
        let resources = Resources { cpus: row.amount(3, "cpus")?, mem: row.amount(4, "mem")?, ..Resources::ZERO };
        if !name.starts_with('/') || name.len() < 2 || resources.is_zero() {
            let problem = "expected the id of an application and what an instance takes; write 0,/shop/web,3,0.5,512";
            return Err(row.problem(problem.to_owned()));
        }
        let application = *places.entry(name).or_insert_with(|| {
            applications.push(Application::new(name, resources));
            applications.len() - 1
        });
        if applications.get(application).is_some_and(|known| known.resources != resources) {
            let problem = format!("{} takes another amount than in its first row; give it another name", row.short(1));
            return Err(row.problem(problem));
        }
        changes.push(Change { at, application, instances: row.instances(2, "instances")? });
    }
    let Some(last) = changes.last() else {
        return Err(TraceError::TooShort { got: "no rows".to_owned(), least: "1 row" });
    };
    let duration = last.at + MINUTE;
    let agent = options.agent.unwrap_or_else(standard_agent);
    let workload = Workload { start: START, duration, applications, changes, jobs: Vec::new(), agent };
    workload.bounded("lower the instances, or cut the trace")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::read;

    #[test]
    fn intent_is_read_as_it_is() {
        let text = format!("{HEADER}\n0,/web,3,0.5,512\n0,/db,1,2,4000\n90,/web,0,0.5,512\n");
        let workload = read(&text, &Options::default()).unwrap();
        assert_eq!(workload.duration, 91 * MINUTE);
        assert_eq!(workload.changes[2], Change { at: 90 * MINUTE, application: 0, instances: 0 });
        assert_eq!(workload.demand()[0].to_string(), "3.5 cpus, 5536 MB");
        assert_eq!(workload.demand()[90].to_string(), "2 cpus, 4000 MB");
    }

    #[test]
    fn more_instances_than_a_simulation_can_hold_are_refused_together() {
        let read = |rows: &str| read(&format!("{HEADER}\n{rows}\n"), &Options::default());
        let error = read("0,/web,600000,1,1\n0,/db,600000,1,1").unwrap_err().to_string();
        assert!(error.starts_with("1200000 instances are wanted at once, expected at most 1000000"), "{error}");
        // What is exchanged in one minute is not there twice.
        assert!(read("0,/web,600000,1,1\n5,/db,600000,1,1\n5,/web,0,1,1").is_ok());
    }

    #[test]
    fn a_wrong_row_is_named_by_its_line() {
        for (rows, expected) in [
            ("5,/web,1,1,1\n4,/web,1,1,1", "line 3: minute: 4 is before that of the row before"),
            ("0,web,1,1,1", "line 2: expected the id of an application"),
            ("0,/web,1,0,0", "line 2: expected the id of an application"),
            ("800000,/web,1,1,1", "line 2: minute: got \"800000\", expected a time within 400 days of the start"),
            ("0,/web,1,1,1\n1,/web,1,2,1", "line 3: /web takes another amount"),
            ("0,/web,-1,1,1", "line 2: instances: got \"-1\", expected a whole number"),
            ("0,/web,1000001,1,1", "line 2: instances: got \"1000001\", expected at most 1000000"),
        ] {
            let error = read(&format!("{HEADER}\n{rows}\n"), &Options::default()).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
