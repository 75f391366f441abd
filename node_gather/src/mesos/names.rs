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
    let path = MARKERS.into_iter().find_map(|marker| before_uuid(task_id, marker))?;
    Some(format!("/{}", path.replace('_', "/")))
}

/// What stands before the last `marker` that a uuid follows. The last one, since a path may contain a uuid itself.
fn before_uuid<'a>(task_id: &'a str, marker: &str) -> Option<&'a str> {
    task_id.rmatch_indices(marker).find_map(|(at, _)| {
        let (before, rest) = (task_id.get(..at)?, task_id.get(at + marker.len()..)?);
        (!before.is_empty() && starts_with_uuid(rest)).then_some(before)
    })
}

fn starts_with_uuid(text: &str) -> bool {
    let is_uuid = text.get(..UUID_LENGTH).is_some_and(|uuid| {
        uuid.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
    });
    is_uuid && matches!(text.as_bytes().get(UUID_LENGTH), None | Some(b'.' | b'_'))
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
