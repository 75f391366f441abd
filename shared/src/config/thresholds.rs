//! When the percent rules add and remove agents.

use serde::Serialize;

use super::reader::Section;
use super::values::Percent;
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

pub(super) fn thresholds(section: &mut Section<'_>) -> Thresholds {
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
