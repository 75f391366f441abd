//! Which applications a load series drives.

use shared::resources::{Amount, Resources};

use super::rows::rows;
use super::{Application, TraceError};

const HEADER: &str = "application,share,cpus,mem";

/// An application that takes a share of the load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The application.
    pub application: Application,
    /// How many percent of the load it takes, in cpus.
    pub percent: u32,
}

/// Five applications, small and large.
#[must_use]
pub fn default_applications() -> Vec<Share> {
    let shapes = [(35, 500, 2000), (25, 1000, 3500), (20, 1000, 6000), (10, 2000, 6000), (10, 4000, 12_000)];
    let shares = shapes.iter().enumerate().map(|(number, (percent, cpus, mem))| {
        let cpus = Amount::from_thousandths(*cpus);
        let resources = Resources { cpus, mem: Amount::from_thousandths(mem * 1000), ..Resources::ZERO };
        Share { application: Application::new(format!("/load/{number}"), resources), percent: *percent }
    });
    shares.collect()
}

/// Reads a list of applications.
///
/// # Errors
/// The first problem.
pub fn read_applications(text: &str) -> Result<Vec<Share>, TraceError> {
    let first = text.lines().next().unwrap_or_default().trim();
    if first != HEADER {
        let got: String = first.chars().take(60).collect();
        return Err(TraceError::Row { line: 1, problem: format!("got {got:?}, expected {HEADER:?}") });
    }
    let mut shares = Vec::new();
    for row in rows(text, HEADER)? {
        let name = row.text(0);
        if !name.starts_with('/') || name.len() < 2 {
            let problem = format!("application: got {name:?}, expected the id of an application; write \"/shop/web\"");
            return Err(row.problem(problem));
        }
        let (cpus, mem) = (row.amount(2, "cpus")?, row.amount(3, "mem")?);
        if cpus.is_zero() {
            return Err(row.problem("cpus: got 0, expected more: the load is in cpus".to_owned()));
        }
        let resources = Resources { cpus, mem, ..Resources::ZERO };
        let application = Application::new(name, resources);
        shares.push(Share { application, percent: row.whole(1, "share")? });
    }
    let sum: u64 = shares.iter().map(|share| u64::from(share.percent)).sum();
    if sum == 100 {
        return Ok(shares);
    }
    Err(TraceError::TooShort {
        got: format!("shares that sum up to {sum}%"),
        least: "applications with 100% of the load",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_applications_take_all_of_the_load() {
        let shares = default_applications();
        assert_eq!(shares.iter().map(|share| share.percent).sum::<u32>(), 100);
        assert_eq!(shares[4].application.resources.to_string(), "4 cpus, 12000 MB");
    }

    #[test]
    fn a_list_of_applications_is_read_or_refused_with_its_line() {
        let read = |rows: &str| read_applications(&format!("{HEADER}\n{rows}"));
        let shares = read("/shop/web,60,0.5,512\n\n/shop/db,40,2,4000\n").unwrap();
        assert_eq!(
            (shares.len(), shares[1].percent, shares[0].application.resources.to_string()),
            (2, 40, "0.5 cpus, 512 MB".to_owned())
        );
        for (rows, expected) in [
            ("web,100,1,1", "line 2: application: got \"web\""),
            ("/web,100,0,1", "line 2: cpus: got 0"),
            ("/web,half,1,1", "line 2: share: got \"half\", expected a whole number"),
            ("/web,60,1,1", "the trace has shares that sum up to 60%"),
        ] {
            let error = read(rows).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
