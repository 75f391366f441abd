//! Reads a task in one step, in the form in which masters write it (the captured 1.4.3 and 1.11.0 masters do).
//!
//! Nearly every token that is read belongs to a task, and nearly every task begins the same way: the fields that are
//! read, in one order, without blanks, escapes, or bytes beyond ASCII (`src/common/http.cpp`, the writer of `Task`). The
//! fast path compares this form literally. It leaves every other form, and a task whose beginning is not complete in the
//! chunk, to the state machine, from the task's first bracket on. It accepts nothing that the state machine refuses, and
//! passes on the same values.

use shared::resources::Amount;

use crate::mesos::state::{RawResources, RawTask};

use super::kernel::Kernel;
use super::schema::{SeenFields, kind_of};
use super::values::{MAX_TOKEN_BYTES, plain_amount};

/// The fields of a task that are read.
#[derive(Debug)]
pub(super) struct FastPathTask<'a> {
    id: &'a [u8],
    name: &'a [u8],
    agent_id: &'a [u8],
    state: &'a [u8],
    role: &'a [u8],
    resources: RawResources,
    /// How many bytes have been read: the closing bracket is not among them.
    pub(super) length: usize,
}

impl FastPathTask<'_> {
    #[inline(always)]
    pub(super) const fn raw(&self) -> RawTask<'_> {
        let Self { id, name, agent_id, state, role, resources, .. } = self;
        RawTask { id, name, agent_id, state, role, resources, odd: None }
    }
}

/// The task at the beginning of the bytes, if its fields up to `role` have the usual form.
#[inline(always)]
pub(super) fn task<K: Kernel>(kernel: K, bytes: &[u8]) -> Option<FastPathTask<'_>> {
    let (id, rest) = text(kernel, bytes, br#"{"id":""#)?;
    let (name, rest) = text(kernel, rest, br#","name":""#)?;
    let (_, rest) = text(kernel, rest, br#","framework_id":""#)?;
    let (_, rest) = text(kernel, rest, br#","executor_id":""#)?;
    let (agent_id, rest) = text(kernel, rest, br#","slave_id":""#)?;
    let (state, rest) = text(kernel, rest, br#","state":""#)?;
    let (resources, rest) = amounts(kernel, rest.strip_prefix(br#","resources":{"#)?)?;
    let (role, rest) = text(kernel, rest, br#","role":""#)?;
    Some(FastPathTask { id, name, agent_id, state, role, resources, length: bytes.len() - rest.len() })
}

/// The string after these bytes, and what follows the string.
#[inline(always)]
fn text<'a, K: Kernel>(kernel: K, bytes: &'a [u8], before: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let bytes = bytes.strip_prefix(before)?;
    let (text, rest) = bytes.split_at_checked(kernel.find_special(bytes))?;
    let rest = rest.strip_prefix(b"\"")?;
    (text.len() <= MAX_TOKEN_BYTES).then_some((text, rest))
}

/// The amount after a colon, and what follows it.
#[inline(always)]
fn amount(bytes: &[u8]) -> Option<(Amount, &[u8])> {
    let value = bytes.strip_prefix(b":")?;
    let (amount, length) = plain_amount(value)?;
    Some((amount, value.get(length..)?))
}

/// The resources within brackets, and what follows the closing one. Other resources must be a string, such as `ports`,
/// or an amount.
#[inline(always)]
fn amounts<K: Kernel>(kernel: K, bytes: &[u8]) -> Option<(RawResources, &[u8])> {
    let mut resources = RawResources::default();
    let mut seen = SeenFields::NONE;
    let mut rest = bytes;
    loop {
        let (key, value) = text(kernel, rest, b"\"")?;
        rest = match kind_of(key) {
            // The state machine refuses a repeated resource, and reports where it is.
            Some(kind) if seen.has_amount(kind) => return None,
            Some(kind) => {
                let (amount, rest) = amount(value)?;
                resources.amount(kind, amount);
                seen = seen.with_amount(kind);
                rest
            }
            None => match text(kernel, value, b":\"") {
                Some((_, rest)) => rest,
                None => amount(value)?.1,
            },
        };
        match rest.split_first()? {
            (b',', more) => rest = more,
            (b'}', more) => return Some((resources, more)),
            _ => return None,
        }
    }
}
