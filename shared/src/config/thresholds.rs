//! When the percent rules add and remove agents.

use serde::Serialize;
use toml::Value;

use super::reader::{Section, instead_of, one_of};
use super::shown::shown_word;
use super::values::Whole;
use crate::resources::Kind;

/// The thresholds of utilization (rules D and U), and what is compared with them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Thresholds {
    /// Agents are removed below this utilization. 1 to 99, below `scale_up_percent`.
    #[serde(rename = "scale_down_threshold_percent")]
    pub scale_down_percent: u32,
    /// Agents are added above this utilization. 2 to 100.
    #[serde(rename = "scale_up_threshold_percent")]
    pub scale_up_percent: u32,
    /// The considered resources. At least one, each once.
    #[serde(rename = "resources")]
    pub considered: Vec<Kind>,
}

/// Reads them. `learns` says, for a pool that learns, whether Marathon's queue is read. Without it demand stops at capacity, and
/// U alone adds agents; so it stays in force (H11).
pub(super) fn thresholds(section: &mut Section<'_>, learns: Option<bool>) -> Thresholds {
    let (default, most) = match learns {
        None => (80, 100),
        Some(true) => (90, 90),
        Some(false) => (80, 90),
    };
    let considered = considered(section);
    // What is suggested for one threshold fits the other.
    let high = section.table().get("scale_up_threshold_percent").map_or(Some(default.into()), Value::as_integer);
    let high = high.and_then(|high| u32::try_from(high).ok()).filter(|high| (1..=100).contains(high)).unwrap_or(100);
    let down = Whole::percent(0..=99, 50).suggest(0..=high - 1).read(section, "scale_down_threshold_percent");
    let down = down.unwrap_or(50);
    let up = Whole::percent(1..=most, default).suggest(down + 1..=most).read(section, "scale_up_threshold_percent");
    let is_wrong = up.is_none() && section.table().contains_key("scale_up_threshold_percent");
    let up = up.unwrap_or(default);
    if down >= up && !is_wrong {
        let expected = format!("less than scale_up_threshold_percent = {up}");
        section.wrong("scale_down_threshold_percent", &expected, &50.min(up - 1).to_string());
    }
    Thresholds { scale_down_percent: down, scale_up_percent: up, considered }
}

fn considered(section: &mut Section<'_>) -> Vec<Kind> {
    let all = Kind::ALL.map(Kind::name);
    // What is suggested is not there yet.
    let raw = section.table().get("resources").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let free: Vec<&str> = all.into_iter().filter(|name| !raw.iter().any(|item| item.as_str() == Some(name))).collect();
    let example = format!("{:?}", free.first().copied().unwrap_or("cpus"));
    let Some(names) = section.list("resources", &example) else { return vec![Kind::Cpus, Kind::Mem] };
    let mut kinds = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let item = format!("resources[{index}]");
        match Kind::from_name(name) {
            None => {
                let (expected, _) = one_of(&all, name);
                let (_, write) = one_of(&free, name);
                section.problem(&item, instead_of(&shown_word(&name.as_str().into(), &all), &expected, &write));
            }
            Some(kind) if kinds.contains(&kind) => {
                section.problem(&item, format!("got {name:?} again, expected each resource once; leave it out"));
            }
            Some(kind) => kinds.push(kind),
        }
    }
    if names.is_empty() {
        section.problem("resources", instead_of("an empty list", "at least one resource", r#"["cpus", "mem"]"#));
    }
    kinds
}
