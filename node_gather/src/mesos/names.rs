//! Determines the application of a task.
//!
//! Marathon is known by the form of its task ids: its framework may have any name.

/// The newest marker before the UUID in a Marathon task id.
const NEWEST: &[u8] = b".instance-";

/// The one of the first releases with pods.
const OLDER: &[u8] = b".marathon-";

/// The older ones, the newest first.
const MARKERS: [&[u8]; 3] = [OLDER, b".", b"_"];

/// How many of them only Marathon writes. Other frameworks put a name before a UUID, too, such as `kafka-0-broker__<UUID>`.
const UNMISTAKABLE: usize = 1;

/// The length of a UUID in its usual form: 8-4-4-4-12 hexadecimal digits.
const UUID_LENGTH: usize = 36;

/// The position of the last dash of a UUID.
const LAST_DASH: usize = 23;

/// What identifies the application of a task within its framework.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mark<'a> {
    /// The part of a Marathon task id before the UUID.
    Path(&'a [u8]),
    /// The task's own name.
    Name(&'a [u8]),
}

impl<'a> Mark<'a> {
    /// The path in an id of Marathon's form; otherwise the task's name.
    ///
    /// Marathon's task names do not identify the application: they are the application's id with its parts reversed, and
    /// parts may contain dots, so the reversal is ambiguous.
    #[must_use]
    pub fn of(task_id: &'a [u8], task_name: &'a [u8]) -> Self {
        marathon_path(task_id, task_name).map_or(Self::Name(task_name), Self::Path)
    }

    /// What identifies the application.
    #[must_use]
    #[inline]
    pub const fn as_bytes(&self) -> &'a [u8] {
        match self {
            Self::Path(bytes) | Self::Name(bytes) => bytes,
        }
    }

    /// The instance of a pod that the task is a container of, by the UUID in its id: `pod.instance-<UUID>.container`. The task of an
    /// application has `_app` (once `$anon`) in that place, which is the name of no container.
    #[must_use]
    #[inline]
    pub fn pod_instance(&self, task_id: &[u8]) -> Option<u128> {
        let Self::Path(path) = self else { return None };
        let after = task_id.get(path.len() + NEWEST.len() + UUID_LENGTH..)?;
        match after {
            [b'.', first, ..] if first.is_ascii_alphanumeric() => instance_of_task(task_id.get(path.len()..)?),
            _ => None,
        }
    }

    /// Whether Marathon runs the task.
    #[must_use]
    pub const fn is_marathon(&self) -> bool {
        matches!(self, Self::Path(_))
    }

    /// The name of the application.
    ///
    /// ```
    /// use node_gather::mesos::names::Mark;
    /// let id = b"shop_web.instance-182f33d2-3650-4602-9e17-f36177a98192._app.1";
    /// assert_eq!(Mark::of(id, b"web.shop").application(), "/shop/web");
    /// assert_eq!(Mark::of(b"odd", b"web.shop").application(), "web.shop");
    /// ```
    #[must_use]
    pub fn application(&self) -> String {
        match self {
            Self::Path(path) => format!("/{}", String::from_utf8_lossy(path).replace('_', "/")),
            Self::Name(name) => String::from_utf8_lossy(name).into_owned(),
        }
    }
}

/// The part of a Marathon task id before the newest marker that precedes a UUID, at its last occurrence, because a path
/// may contain a UUID, too. `None` if the task id does not have Marathon's form. An old marker counts only if the task's name
/// is the path reversed, as Marathon writes it.
///
/// This runs for every task, so it searches for UUIDs from the end, by their last dash: nearly always the first one
/// decides.
#[must_use]
pub fn marathon_path<'a>(task_id: &'a [u8], task_name: &[u8]) -> Option<&'a [u8]> {
    let mut best: Option<(usize, &'a [u8])> = None;
    let mut rest = task_id;
    while let Some(dash) = last_dash(rest)
        && let Some(start) = dash.checked_sub(LAST_DASH)
        && let Some(before) = task_id.get(..start)
    {
        rest = rest.get(..dash)?;
        if !is_uuid_at(task_id, start) {
            continue;
        }
        if let Some(path) = before.strip_suffix(NEWEST)
            && !path.is_empty()
        {
            return Some(path);
        }
        let best_rank = best.map_or(MARKERS.len(), |(rank, _)| rank);
        let better = MARKERS.iter().take(best_rank).enumerate();
        let mut paths = better.filter_map(|(rank, marker)| Some((rank, before.strip_suffix(*marker)?)));
        let is_path =
            |(rank, path): &(usize, &[u8])| !path.is_empty() && (*rank < UNMISTAKABLE || is_reversed(path, task_name));
        best = paths.find(is_path).or(best);
    }
    best.map(|(_, path)| path)
}

/// The instance in an id of Marathon's form, from the marker on.
#[cold]
fn instance_of_task(id: &[u8]) -> Option<u128> {
    uuid_at_start(id.strip_prefix(NEWEST).or_else(|| id.strip_prefix(OLDER))?)
}

/// The instance of a pod that an executor runs. Marathon writes the marker first: `instance-<path>.<UUID>`.
#[must_use]
pub fn pod_instance_of_executor(executor_id: &[u8]) -> Option<u128> {
    let is_of_marathon =
        [NEWEST, OLDER].iter().any(|marker| marker.get(1..).is_some_and(|own| executor_id.starts_with(own)));
    let (before, uuid) = executor_id.split_at_checked(executor_id.len().checked_sub(UUID_LENGTH)?)?;
    (is_of_marathon && before.ends_with(b".")).then(|| uuid_at_start(uuid)).flatten()
}

/// The number that a UUID is, at the beginning.
fn uuid_at_start(bytes: &[u8]) -> Option<u128> {
    let digits = bytes.iter().take(UUID_LENGTH).filter_map(|byte| char::from(*byte).to_digit(16));
    is_uuid_at(bytes, 0).then(|| digits.fold(0, |number, digit| number << 4 | u128::from(digit)))
}

/// Whether the name has the parts of the path in reverse order.
fn is_reversed(path: &[u8], name: &[u8]) -> bool {
    let mut rest = Some(name);
    for (place, part) in path.rsplit(|byte| *byte == b'_').enumerate() {
        let after_dot = if place == 0 { rest } else { rest.and_then(|rest| rest.strip_prefix(b".")) };
        rest = after_dot.and_then(|rest| rest.strip_prefix(part));
    }
    rest.is_some_and(<[u8]>::is_empty)
}

/// The position of the last dash, eight bytes at a time.
#[inline]
fn last_dash(bytes: &[u8]) -> Option<usize> {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const LOW_BITS: u64 = 0x7F * EACH;
    let mut rest = bytes;
    while let Some((before, word)) = rest.split_last_chunk() {
        let others = u64::from_le_bytes(*word) ^ (u64::from(b'-') * EACH);
        // The highest bit of each byte that is zero: adding sets it in the others, unless they have it.
        let dashes = !(((others & LOW_BITS) + LOW_BITS) | others | LOW_BITS);
        if dashes != 0 {
            // At most 7.
            return Some(before.len() + 7 - dashes.leading_zeros() as usize / 8);
        }
        rest = before;
    }
    rest.iter().rposition(|byte| *byte == b'-')
}

/// Whether a UUID begins there and is not continued.
#[inline]
fn is_uuid_at(bytes: &[u8], start: usize) -> bool {
    let Some((uuid, rest)) = bytes.get(start..).and_then(|bytes| bytes.split_first_chunk::<UUID_LENGTH>()) else {
        return false;
    };
    matches!(rest.first(), None | Some(b'.' | b'_'))
        && [8, 13, 18, LAST_DASH].iter().all(|at| uuid.get(*at) == Some(&b'-'))
        && uuid.as_chunks().0.iter().zip(DIGITS_OF_UUID).all(|(word, digits)| hex_digits(*word) == digits)
        && uuid.last_chunk().is_some_and(|word| hex_digits(*word) == HIGHEST)
}

/// The highest bit of each byte of a word.
const HIGHEST: u64 = 0x8080_8080_8080_8080;

/// Which bytes of the first words of a UUID are digits. The others are its dashes.
const DIGITS_OF_UUID: [u64; UUID_LENGTH / 8] = [HIGHEST, 0x8080_0080_8080_8000, 0x0080_8080_8000_8080, HIGHEST];

/// The highest bit of each byte that is a hexadecimal digit, for eight at a time: every task has a UUID to check.
#[inline]
const fn hex_digits(word: [u8; 8]) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let word = u64::from_le_bytes(word);
    let (low, lower) = (word & !HIGHEST, (word | (0x20 * EACH)) & !HIGHEST);
    // Adding sets the highest bit of each byte that is not below the first one, and of each that is above the last one.
    let digits = (low + (0x80 - b'0' as u64) * EACH) & !(low + (0x7F - b'9' as u64) * EACH);
    let letters = (lower + (0x80 - b'a' as u64) * EACH) & !(lower + (0x7F - b'f' as u64) * EACH);
    (digits | letters) & !word & HIGHEST
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "182f33d2-3650-4602-9e17-f36177a98192";

    fn application(task_id: &str, task_name: &str) -> String {
        Mark::of(task_id.as_bytes(), task_name.as_bytes()).application()
    }

    #[test]
    fn every_form_of_marathon_task_id_has_an_application() {
        for (id, name, expected) in [
            (format!("shop_web.instance-{UUID}._app.1"), "x", "/shop/web"),
            (format!("shop_web.marathon-{UUID}.nginx"), "nginx", "/shop/web"),
            (format!("shop_web.{UUID}"), "web.shop", "/shop/web"),
            (format!("shop_web_{UUID}"), "web.shop", "/shop/web"),
            (format!("a.b_c.instance-{UUID}.side.car"), "side.car", "/a.b/c"),
            (format!("a.b_c.{UUID}"), "c.a.b", "/a.b/c"),
            (format!("jobs_{UUID}.instance-{UUID}._app.3"), "x", &*format!("/jobs/{UUID}")),
            (format!("web.{}", UUID.to_uppercase()), "web", "/web"),
            (format!("säge_web.{UUID}"), "web.säge", "/säge/web"),
        ] {
            assert_eq!(application(&id, name), expected, "{id}");
        }
    }

    #[test]
    fn a_container_is_one_of_the_instance_of_its_pod() {
        let number = Some(0x182f_33d2_3650_4602_9e17_f361_77a9_8192);
        for (id, expected) in [
            (format!("shop_web.instance-{UUID}.nginx"), number),
            (format!("shop_web.instance-{UUID}.nginx.3"), number),
            (format!("shop_web.marathon-{}.nginx", UUID.to_uppercase()), number),
            (format!("shop_web.instance-{UUID}._app.1"), None),
            (format!("shop_web.instance-{UUID}.$anon"), None),
            (format!("shop_web.instance-{UUID}"), None),
            (format!("shop_web.{UUID}"), None),
            (format!("shop_web.{UUID}.a.b.c.d.e.f.g"), None),
            ("nginx".to_owned(), None),
        ] {
            assert_eq!(Mark::of(id.as_bytes(), b"web.shop").pod_instance(id.as_bytes()), expected, "{id}");
        }
        for (id, expected) in [
            (format!("instance-shop_web.{UUID}"), number),
            (format!("marathon-shop_web.{UUID}"), number),
            (format!("instance-shop_web{UUID}"), None),
            (format!("pod.{UUID}"), None),
            (format!("instance-shop_web.{}", UUID.replace('-', "+")), None),
            ("instance-".to_owned(), None),
        ] {
            assert_eq!(pod_instance_of_executor(id.as_bytes()), expected, "{id}");
        }
    }

    #[test]
    fn every_hexadecimal_digit_is_one_wherever_it_is() {
        for byte in 0..=u8::MAX {
            for at in 0..8 {
                let mut word = [b'-'; 8];
                word[at] = byte;
                assert_eq!(hex_digits(word), u64::from(byte.is_ascii_hexdigit()) << (8 * at + 7), "{byte} at {at}");
            }
        }
    }

    #[test]
    fn an_id_without_marathons_form_has_no_path() {
        for id in
            ["", ".", "web", "web.1234", &format!(".{UUID}"), &format!("web.{UUID}a"), &format!("web.{UUID}é"), UUID]
        {
            assert_eq!(marathon_path(id.as_bytes(), b"web"), None, "{id}");
        }
    }

    #[test]
    fn the_last_dash_is_found_wherever_it_is() {
        for length in 0..40 {
            for dash in 0..length {
                for (byte, before) in [(b'x', b'-'), (0xAD, 0), (b',', b'.'), (b'.', b',')] {
                    let mut bytes = vec![byte; length];
                    bytes[..dash].fill(before);
                    assert_eq!(last_dash(&bytes), bytes.iter().rposition(|byte| *byte == b'-'), "{bytes:?}");
                    bytes[dash] = b'-';
                    assert_eq!(last_dash(&bytes), Some(dash), "{bytes:?}");
                }
            }
        }
    }

    #[test]
    fn applications_of_other_frameworks_are_task_names() {
        for (id, name) in [
            ("ct:1795262400000:0:hourly.etl:".to_owned(), "hourly.etl"),
            (format!("kafka-0-broker__{UUID}"), "kafka-0-broker"),
            (format!("node-0_{UUID}"), "node"),
            (format!("etl_hourly.{UUID}"), "etl_hourly"),
            (format!("etl_hourly.{UUID}"), "hourly.etl.more"),
            (format!("etl_hourly.{UUID}"), "hourly"),
            (UUID.to_owned(), "hourly"),
            ("odd".to_owned(), "hourly.etl"),
        ] {
            assert_eq!(application(&id, name), name, "{id}");
        }
    }
}
