//! An agent: all fields that an active or deactivated one has, in the order of the writer of `Slave` (`src/common/http.cpp`). One that
//! drains has more of them.

use crate::mesos::forms::{ip_of_pid, to_time};
use crate::mesos::scan::kernel::Kernel;
use crate::mesos::scan::values;
use crate::mesos::state::RawAgent;

use super::{ignored, resources, text};

/// Reads the agent at the beginning of the bytes, if it has the usual form and is complete, into a cleared one. Returns its length,
/// brackets included. Without a length, what is filled in means nothing.
#[inline(never)]
pub(in crate::mesos::scan) fn agent<K: Kernel>(kernel: K, bytes: &[u8], raw: &mut RawAgent) -> Option<usize> {
    kernel.apart(
        #[inline(always)]
        || agent_here(kernel, bytes, raw),
    )
}

#[inline(always)]
fn agent_here<K: Kernel>(kernel: K, bytes: &[u8], raw: &mut RawAgent) -> Option<usize> {
    let RawAgent { agent, total, used, unreserved, reserved, .. } = raw;
    let (id, rest) = string(kernel, bytes, br#"{"id":""#)?;
    agent.id.push_str(id);
    let (hostname, rest) = string(kernel, rest, br#","hostname":""#)?;
    agent.hostname.push_str(hostname);
    let (_, rest) = number(rest, br#","port":"#)?;
    let rest = members(rest, br#","attributes":{"#, |member| {
        let (name, rest) = string(kernel, member, b"\"")?;
        let (value, rest) = string(kernel, rest, b":\"")?;
        agent.attributes.push(name, value);
        Some(rest)
    })?;
    let rest = ignored(kernel, rest, br#","domain":{"#).unwrap_or(rest);
    let (pid, rest) = string(kernel, rest, br#","pid":""#)?;
    agent.ip = ip_of_pid(pid);
    let (registered, rest) = number(rest, br#","registered_time":"#)?;
    agent.registered_at = to_time(Some(values::number(registered)?));
    let rest = number(rest, br#","reregistered_time":"#).map_or(rest, |(_, rest)| rest);
    let (amounts, rest) = resources(kernel, rest.strip_prefix(br#","resources":"#)?)?;
    *total = Some(amounts);
    let (amounts, rest) = resources(kernel, rest.strip_prefix(br#","used_resources":"#)?)?;
    *used = Some(amounts);
    let rest = ignored(kernel, rest, br#","offered_resources":{"#)?;
    let rest = members(rest, br#","reserved_resources":{"#, |member| {
        let (role, rest) = string(kernel, member, b"\"")?;
        let (amounts, rest) = resources(kernel, rest.strip_prefix(b":")?)?;
        reserved.push((role.to_owned(), amounts));
        Some(rest)
    })?;
    // The state machine sorts them, and keeps one of each role.
    if !reserved.is_sorted_by(|(role, _), (next, _)| role < next) {
        return None;
    }
    let (amounts, rest) = resources(kernel, rest.strip_prefix(br#","unreserved_resources":"#)?)?;
    *unreserved = Some(amounts);
    let rest = boolean(rest, br#","active":"#, &mut agent.active)?;
    let rest = boolean(rest, br#","deactivated":"#, &mut agent.deactivated).unwrap_or(rest);
    let (_, rest) = string(kernel, rest, br#","version":""#)?;
    let rest = ignored(kernel, rest, br#","capabilities":["#)?.strip_prefix(b"}")?;
    Some(bytes.len() - rest.len())
}

/// The string after these bytes, and what follows it.
#[inline(always)]
fn string<'a, K: Kernel>(kernel: K, bytes: &'a [u8], before: &[u8]) -> Option<(&'a str, &'a [u8])> {
    let (text, rest) = text(kernel, bytes, before)?;
    Some((str::from_utf8(text).ok()?, rest))
}

/// The bytes of a number after these bytes, and what follows it.
#[inline(always)]
fn number<'a>(bytes: &'a [u8], before: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let bytes = bytes.strip_prefix(before)?;
    let end = bytes.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b'.'))?;
    bytes.split_at_checked(end).filter(|(number, _)| !number.is_empty())
}

/// What follows `true` or `false` after these bytes.
#[inline(always)]
fn boolean<'a>(bytes: &'a [u8], before: &[u8], value: &mut bool) -> Option<&'a [u8]> {
    let bytes = bytes.strip_prefix(before)?;
    *value = bytes.starts_with(b"true");
    bytes.strip_prefix(if *value { &b"true"[..] } else { b"false" })
}

/// What follows an object that begins with these bytes, of which each member is read in that way.
#[inline(always)]
fn members<'a>(bytes: &'a [u8], before: &[u8], mut read: impl FnMut(&'a [u8]) -> Option<&'a [u8]>) -> Option<&'a [u8]> {
    let mut rest = bytes.strip_prefix(before)?;
    if let Some(rest) = rest.strip_prefix(b"}") {
        return Some(rest);
    }
    loop {
        match read(rest)?.split_first()? {
            (b',', more) => rest = more,
            (b'}', more) => return Some(more),
            _ => return None,
        }
    }
}
