//! Which application a task belongs to.

use std::borrow::Cow;

/// What stands before an application's uuid in a Marathon task id, newest form first.
const MARKERS: [&str; 4] = [".instance-", ".marathon-", ".", "_"];

/// The length of a uuid in its usual form: 8-4-4-4-12 hexadecimal digits.
const UUID_LENGTH: usize = 36;

/// Whether the tasks of a framework of that name carry Marathon's ids.
#[must_use]
pub fn is_marathon(framework: &str) -> bool {
    framework.starts_with("marathon")
}

/// The name of the application of a task: for Marathon what its task id says, else the task's own name.
#[must_use]
pub fn application<'a>(framework: &str, task_id: &'a str, task_name: &'a str) -> Cow<'a, str> {
    let from_id = if is_marathon(framework) { marathon_application(task_id) } else { None };
    from_id.map_or(Cow::Borrowed(task_name), Cow::Owned)
}

/// The application id in a Marathon task id, or `None` where the task id has no form of Marathon's.
///
/// The task's name will not do: it is the id reversed, and since the parts of an id may contain dots themselves, the
/// reversal cannot be undone.
///
/// ```
/// use node_gather::mesos::names::marathon_application;
/// let id = "shop_web.instance-182f33d2-3650-4602-9e17-f36177a98192._app.1";
/// assert_eq!(marathon_application(id).as_deref(), Some("/shop/web"));
/// assert_eq!(marathon_application("shop.web-1"), None);
/// ```
#[must_use]
pub fn marathon_application(task_id: &str) -> Option<String> {
    let path = before_uuid(task_id)?;
    let mut application = String::with_capacity(1 + path.len());
    for part in path.split('_') {
        application.push('/');
        application.push_str(part);
    }
    Some(application)
}

/// What stands before the first of the markers that a uuid follows somewhere, and before the last such place, since a
/// path may contain a uuid itself.
///
/// Every task comes by here, so uuids are looked for first, from the end: nearly always the first one found decides.
fn before_uuid(task_id: &str) -> Option<&str> {
    let mut best: Option<(usize, &str)> = None;
    for start in (1..=task_id.len().checked_sub(UUID_LENGTH)?).rev() {
        let best_rank = best.map_or(MARKERS.len(), |(rank, _)| rank);
        if best_rank == 0 {
            break;
        }
        if is_uuid_at(task_id.as_bytes(), start)
            && let Some(before) = task_id.get(..start)
        {
            let better = MARKERS.iter().take(best_rank).enumerate();
            let mut paths = better.filter_map(|(rank, marker)| Some((rank, before.strip_suffix(marker)?)));
            best = paths.find(|(_, path)| !path.is_empty()).or(best);
        }
    }
    best.map(|(_, path)| path)
}

/// Whether a uuid is there, and ends there.
fn is_uuid_at(bytes: &[u8], start: usize) -> bool {
    let Some((uuid, rest)) = bytes.get(start..).and_then(|bytes| bytes.split_first_chunk::<UUID_LENGTH>()) else {
        return false;
    };
    // The dashes first, which hardly any other place has.
    let dashes = [8, 13, 18, 23];
    dashes.iter().all(|at| uuid.get(*at) == Some(&b'-'))
        // Counting them all takes less than stopping at the first that is none.
        && uuid.iter().map(|byte| u8::from(byte.is_ascii_hexdigit())).sum::<u8>() == 32
        && matches!(rest.first(), None | Some(b'.' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "182f33d2-3650-4602-9e17-f36177a98192";

    #[test]
    fn every_form_of_marathon_task_id_gives_the_application_id() {
        for (id, expected) in [
            (format!("shop_web.instance-{UUID}._app.1"), "/shop/web"),
            (format!("shop_web.marathon-{UUID}.nginx"), "/shop/web"),
            (format!("shop_web.{UUID}"), "/shop/web"),
            (format!("shop_web_{UUID}"), "/shop/web"),
            (format!("a.b_c.instance-{UUID}.side.car"), "/a.b/c"),
            (format!("jobs_{UUID}.instance-{UUID}._app.3"), &*format!("/jobs/{UUID}")),
            (format!("web.{}", UUID.to_uppercase()), "/web"),
        ] {
            assert_eq!(marathon_application(&id).as_deref(), Some(expected), "{id}");
        }
    }

    #[test]
    fn an_id_without_marathons_form_gives_nothing() {
        for id in
            ["", ".", "web", "web.1234", &format!(".{UUID}"), &format!("web.{UUID}a"), &format!("web.{UUID}é"), UUID]
        {
            assert_eq!(marathon_application(id), None, "{id}");
        }
    }

    #[test]
    fn other_frameworks_go_by_the_task_name() {
        let id = format!("etl_hourly.{UUID}");
        assert_eq!(application("chronos-3.0", &id, "hourly.etl"), "hourly.etl");
        assert_eq!(application("marathon-user", &id, "hourly.etl"), "/etl/hourly");
        assert_eq!(application("marathon", "odd", "hourly.etl"), "hourly.etl");
    }
}
