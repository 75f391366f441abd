//! Several runs of one policy, one for each seed, as mean, least, and largest.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use shared::clause::Clause;

use crate::measure::{Measurement, Measurements};

/// What several runs measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The least.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// Of these values; all 0 where there is none.
    pub fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let count = u32::try_from(values.clone().count()).unwrap_or(u32::MAX);
        if count == 0 {
            return Self::default();
        }
        let (min, max) =
            (values.clone().fold(f64::INFINITY, f64::min), values.clone().fold(f64::NEG_INFINITY, f64::max));
        Self { mean: rounded(values.sum::<f64>() / f64::from(count)), min: rounded(min), max: rounded(max) }
    }
}

/// To a millionth: what is below is no measurement, and 46.080000000000005 is hard to read.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

/// The measurements of the runs of one policy. As JSON an object with the names of the measurements.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Those that are one number, in the order of [`Measurement::ALL`].
    values: Vec<Spread>,
    /// For how many minutes a change was put off, by clause.
    pub back_off_minutes: BTreeMap<Clause, Spread>,
}

impl Summary {
    /// Of these runs.
    #[must_use]
    pub fn of(runs: &[&Measurements]) -> Self {
        let spread = |measurement: &Measurement| Spread::of(runs.iter().map(|run| run.get(*measurement)));
        let clauses: BTreeMap<Clause, Spread> = runs
            .iter()
            .flat_map(|run| run.back_off_minutes.keys())
            .map(|clause| {
                let minutes = |run: &&Measurements| run.back_off_minutes.get(clause).copied().unwrap_or(0);
                let minutes =
                    runs.iter().map(minutes).map(|minutes| f64::from(u32::try_from(minutes).unwrap_or(u32::MAX)));
                (*clause, Spread::of(minutes))
            })
            .collect();
        Self { values: Measurement::ALL.iter().map(spread).collect(), back_off_minutes: clauses }
    }

    /// One of the measurements.
    #[must_use]
    pub fn get(&self, measurement: Measurement) -> Spread {
        let place = Measurement::ALL.iter().position(|other| *other == measurement);
        place.and_then(|place| self.values.get(place)).copied().unwrap_or_default()
    }
}

impl Serialize for Summary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let mut map = serializer.serialize_map(Some(self.values.len() + 1))?;
        for (measurement, spread) in Measurement::ALL.iter().zip(&self.values) {
            map.serialize_entry(measurement.name(), spread)?;
        }
        map.serialize_entry("back_off_minutes", &self.back_off_minutes)?;
        map.end()
    }
}

/// How much more than a base that is, in percent; `None` where the base is 0.
///
/// ```
/// use simulator::summary::impact_percent;
/// assert_eq!(impact_percent(90.0, 120.0), Some(-25.0));
/// assert_eq!(impact_percent(90.0, 0.0), None);
/// ```
#[must_use]
pub fn impact_percent(value: f64, base: f64) -> Option<f64> {
    (base > 0.0).then(|| 100.0 * (value - base) / base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_has_every_measurement_and_clause_with_its_spread() {
        let runs = [(1.0, 3), (2.0, 0), (46.08, 6)].map(|(agent_hours, minutes)| Measurements {
            agent_hours,
            back_off_minutes: [(Clause::B2, minutes)].into_iter().filter(|(_, minutes)| *minutes > 0).collect(),
            ..Measurements::default()
        });
        let summary = serde_json::to_value(Summary::of(&runs.each_ref())).unwrap();
        assert_eq!(summary["agent_hours"], serde_json::json!({ "mean": 16.36, "min": 1.0, "max": 46.08 }));
        assert_eq!(summary["back_off_minutes"], serde_json::json!({ "B2": { "mean": 3.0, "min": 0.0, "max": 6.0 } }));
        let names: Vec<&String> = summary.as_object().unwrap().keys().collect();
        assert_eq!(names.len(), Measurement::ALL.len() + 1);
    }
}
