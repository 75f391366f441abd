//! Reads a task, an executor, or an agent in one step, in the form in which masters write it (the captured 1.4.3 and 1.11.0 masters
//! do).
//!
//! Nearly every token that is read belongs to a task, and nearly every task begins the same way: the fields that are
//! read, in one order, without blanks, escapes, or bytes beyond ASCII (`src/common/http.cpp`, the writer of `Task`). The
//! fast path compares this form literally. It leaves every other form, and a task whose beginning is not complete in the
//! chunk, to the state machine, from the task's first bracket on. It accepts nothing that the state machine refuses, and
//! passes on the same values.

mod agent;

use shared::resources::Kind;

use crate::mesos::state::{RUNNING, RawResources, RawTask};

pub(super) use self::agent::agent;
use super::kernel::Kernel;
use super::schema::{SeenFields, kind_of};
use super::skip::{Skip, Skipped};
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

/// What stood between the name of an earlier task and its agent's id, brackets and keys included: its framework, and that it has
/// no executor of its own. The same nearly always follows, and is compared as a whole.
#[derive(Debug, Default)]
pub(super) struct Between(Vec<u8>);

impl Between {
    /// What follows it, at the beginning of the agent's id.
    #[inline(always)]
    fn skip<'a, K: Kernel>(&mut self, kernel: K, bytes: &'a [u8]) -> Option<&'a [u8]> {
        if let Some(rest) = bytes.strip_prefix(self.0.as_slice())
            && !self.0.is_empty()
        {
            return Some(rest);
        }
        self.learn(kernel, bytes)
    }

    /// Reads it. Executors have ids of their own, which do not follow again.
    #[inline(always)]
    fn learn<'a, K: Kernel>(&mut self, kernel: K, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let (_, rest) = text(kernel, bytes, br#","framework_id":""#)?;
        let (executor, rest) = text(kernel, rest, br#","executor_id":""#)?;
        let rest = rest.strip_prefix(br#","slave_id":""#)?;
        if executor.is_empty() {
            self.0.clear();
            self.0.extend_from_slice(bytes.get(..bytes.len() - rest.len())?);
        }
        Some(rest)
    }
}

/// The task at the beginning of the bytes, if its fields up to `role` have the usual form.
#[inline(always)]
pub(super) fn task<'a, K: Kernel>(kernel: K, bytes: &'a [u8], between: &mut Between) -> Option<FastPathTask<'a>> {
    // An id of Marathon has 60 to 80 bytes.
    let bytes_of_id = bytes.strip_prefix(br#"{"id":""#)?;
    let (id, rest) = until_quote(bytes_of_id, kernel.find_special_far(bytes_of_id))?;
    let (name, rest) = text(kernel, rest, br#","name":""#)?;
    let rest = between.skip(kernel, rest)?;
    let (agent_id, rest) = until_quote(rest, kernel.find_special(rest))?;
    // What nearly all tasks have is compared as a whole: that is faster than to look for the end of each text.
    let (state, rest) = match rest.strip_prefix(br#","state":"TASK_RUNNING""#) {
        Some(rest) => (RUNNING.as_bytes(), rest),
        None => text(kernel, rest, br#","state":""#)?,
    };
    let (resources, rest) = resources_here(kernel, rest.strip_prefix(br#","resources":"#)?)?;
    let (role, rest) = role(kernel, rest)?;
    Some(FastPathTask { id, name, agent_id, state, role, resources, length: bytes.len() - rest.len() })
}

#[inline(always)]
fn role<K: Kernel>(kernel: K, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    match bytes.strip_prefix(br#","role":"*""#) {
        Some(rest) => Some((b"*", rest)),
        None => text(kernel, bytes, br#","role":""#),
    }
}

/// The fields of an executor that are read.
#[derive(Debug)]
pub(super) struct FastPathExecutor<'a> {
    pub(super) id: &'a [u8],
    pub(super) agent_id: &'a [u8],
    pub(super) role: &'a [u8],
    pub(super) resources: RawResources,
    /// How many bytes it has, brackets included.
    pub(super) length: usize,
}

/// The executor at the beginning of the bytes, if it has the usual form and is complete.
#[inline(never)]
pub(super) fn executor<K: Kernel>(kernel: K, bytes: &[u8]) -> Option<FastPathExecutor<'_>> {
    kernel.apart(
        #[inline(always)]
        || executor_here(kernel, bytes),
    )
}

#[inline(always)]
fn executor_here<K: Kernel>(kernel: K, bytes: &[u8]) -> Option<FastPathExecutor<'_>> {
    let (id, rest) = text(kernel, bytes, br#"{"executor_id":""#)?;
    let (_, rest) = text(kernel, rest, br#","name":""#)?;
    let (_, rest) = text(kernel, rest, br#","framework_id":""#)?;
    let rest = ignored(kernel, rest, br#","command":{"#)?;
    let (resources, rest) = resources(kernel, rest.strip_prefix(br#","resources":"#)?)?;
    let (role, rest) = role(kernel, rest)?;
    let rest = text(kernel, rest, br#","type":""#).map_or(rest, |(_, rest)| rest);
    let (agent_id, rest) = text(kernel, rest, br#","slave_id":""#)?;
    let rest = rest.strip_prefix(b"}")?;
    Some(FastPathExecutor { id, agent_id, role, resources, length: bytes.len() - rest.len() })
}

/// What follows an object or a list that is not read, which begins with these bytes.
#[inline(always)]
fn ignored<'a, K: Kernel>(kernel: K, bytes: &'a [u8], before: &[u8]) -> Option<&'a [u8]> {
    skipped(kernel, bytes.strip_prefix(before)?)
}

#[inline(never)]
fn skipped<K: Kernel>(kernel: K, contents: &[u8]) -> Option<&[u8]> {
    kernel.apart(
        #[inline(always)]
        || {
            let mut inside = Skip::INSIDE;
            match inside.skip(kernel, contents) {
                Skipped::Closed(length) => contents.get(length..),
                _ => None,
            }
        },
    )
}

/// The string after these bytes, and what follows the string.
#[inline(always)]
fn text<'a, K: Kernel>(kernel: K, bytes: &'a [u8], before: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let bytes = bytes.strip_prefix(before)?;
    until_quote(bytes, kernel.find_special(bytes))
}

/// The string that ends there, if that is a quote, and what follows it.
#[inline(always)]
fn until_quote(bytes: &[u8], end: usize) -> Option<(&[u8], &[u8])> {
    let (text, rest) = bytes.split_at_checked(end)?;
    let rest = rest.strip_prefix(b"\"")?;
    (text.len() <= MAX_TOKEN_BYTES).then_some((text, rest))
}

/// The resources at the beginning of the bytes, brackets included, and what follows them. Other resources must be a string, such
/// as `ports`, or an amount.
#[inline(never)]
pub(super) fn resources<K: Kernel>(kernel: K, bytes: &[u8]) -> Option<(RawResources, &[u8])> {
    kernel.apart(
        #[inline(always)]
        || resources_here(kernel, bytes),
    )
}

#[inline(always)]
fn resources_here<K: Kernel>(kernel: K, bytes: &[u8]) -> Option<(RawResources, &[u8])> {
    let mut amounts = Amounts::default();
    let mut rest = match bytes.strip_prefix(br#"{"disk":"#) {
        // Masters write these in this order.
        Some(disk) => {
            let rest = amounts.set(Kind::Disk, disk)?;
            let rest = amounts.set_after(br#","mem":"#, Kind::Mem, rest)?;
            let rest = amounts.set_gpus(rest)?;
            amounts.set_after(br#","cpus":"#, Kind::Cpus, rest)?
        }
        None => amounts.set_any(kernel, bytes.strip_prefix(b"{")?)?,
    };
    loop {
        match rest.split_first()? {
            (b',', more) => rest = amounts.set_any(kernel, more)?,
            (b'}', more) => return Some((amounts.resources, more)),
            _ => return None,
        }
    }
}

/// Resources that are being read. Each method returns what follows.
#[derive(Debug, Default)]
struct Amounts {
    resources: RawResources,
    seen: SeenFields,
}

impl Amounts {
    /// The amount at the beginning of the bytes.
    #[inline(always)]
    fn set<'a>(&mut self, kind: Kind, bytes: &'a [u8]) -> Option<&'a [u8]> {
        // The state machine refuses a repeated resource, and reports where it is.
        if self.seen.has_amount(kind) {
            return None;
        }
        let (amount, length) = plain_amount(bytes)?;
        self.resources.amount(kind, amount);
        self.seen = self.seen.with_amount(kind);
        bytes.get(length..)
    }

    /// The amount after these bytes, if they come next.
    #[inline(always)]
    fn set_after<'a>(&mut self, before: &[u8], kind: Kind, bytes: &'a [u8]) -> Option<&'a [u8]> {
        match bytes.strip_prefix(before) {
            Some(amount) => self.set(kind, amount),
            None => Some(bytes),
        }
    }

    /// The same for gpus. Nearly all have none.
    #[inline(always)]
    fn set_gpus<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        const NONE: &[u8] = br#","gpus":0.0"#;
        match bytes.strip_prefix(NONE) {
            Some(rest @ [b',', ..]) => {
                self.seen = self.seen.with_amount(Kind::Gpus);
                Some(rest)
            }
            _ => self.set_after(br#","gpus":"#, Kind::Gpus, bytes),
        }
    }

    /// Any resource, from its key on.
    #[inline(always)]
    fn set_any<'a, K: Kernel>(&mut self, kernel: K, bytes: &'a [u8]) -> Option<&'a [u8]> {
        if let Some((_, rest)) = text(kernel, bytes, br#""ports":""#) {
            return Some(rest);
        }
        let (key, value) = text(kernel, bytes, b"\"")?;
        match kind_of(key) {
            Some(kind) => self.set(kind, value.strip_prefix(b":")?),
            None => match text(kernel, value, b":\"") {
                Some((_, rest)) => Some(rest),
                None => {
                    let value = value.strip_prefix(b":")?;
                    value.get(plain_amount(value)?.1..)
                }
            },
        }
    }
}
