//! The records in a recorded file, and the messages in a record.
//!
//! A record is what SNS delivered: an object of JSON, the envelope around a message or a raw message itself, or the base64 of a packed
//! one. Records follow each other with or without a line break.

use std::collections::BTreeMap;
use std::io::{self, BufRead, ErrorKind};

use serde::Deserialize;
use serde::de::IgnoredAny;
use shared::contract::{self, CONTENT_ENCODING, DecodeError, GZIP_BASE64, Message};
use thiserror::Error;

/// The most bytes of a record: 16 times what Firehose accepts. A longer one comes from another file, such as a saved /state, and
/// would fill the memory.
const MAX_RECORD_BYTES: usize = 16_000 * 1024;

/// What base64 makes of the first bytes of gzip.
const PACKED: &str = "H4sI";

/// Why a record has no message.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The input cannot be read or unpacked.
    #[error("the file cannot be read to its end; download it again")]
    Read(#[source] io::Error),
    /// The input ends within a record.
    #[error("the file ends within the record; download it again")]
    Cut,
    /// It starts like no record.
    #[error("starts with {0:?}, expected the {{ of a JSON object; is the file a recording?")]
    NoRecord(char),
    /// It is longer than any recorded message.
    #[error("has more than {MAX_RECORD_BYTES} bytes; is the file a recording?")]
    TooLarge,
    /// It is no JSON.
    #[error("is not JSON; download the file again")]
    Json(#[source] serde_json::Error),
    /// It is JSON, but neither a message nor an envelope.
    #[error("has neither a schema nor the Message of SNS; copy only the objects under recorded/")]
    NoMessage,
    /// The message in it cannot be read.
    #[error("its message cannot be used; remove the record, or use the release that wrote it")]
    Message(#[source] DecodeError),
}

/// The records of one input.
#[derive(Debug)]
pub struct Records<R> {
    input: R,
    record: Vec<u8>,
    number: u64,
}

/// Where a record ends.
enum Scan {
    /// An object ends with the brace that closes it.
    Object { depth: u32, in_string: bool, is_escaped: bool },
    /// A packed message ends with its padding, with white space, or before an object.
    Packed { is_padded: bool },
}

/// What a byte is to the record.
enum Part {
    Inner,
    Last,
    /// The first byte after it.
    After,
}

impl<R: BufRead> Records<R> {
    /// Reads them from there.
    pub const fn new(input: R) -> Self {
        Self { input, record: Vec::new(), number: 0 }
    }

    /// Which record the last call of [`Records::next`] was about, from 1.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The next record; `None` at the end of the input.
    ///
    /// # Errors
    /// Where the input cannot be read or has something else.
    #[expect(clippy::should_implement_trait, reason = "a record borrows the buffer, which no iterator can express")]
    pub fn next(&mut self) -> Result<Option<&[u8]>, RecordError> {
        self.record.clear();
        self.number += 1;
        let Some(first) = self.skip_space()? else { return Ok(None) };
        let mut scan = match first {
            b'{' => Scan::Object { depth: 0, in_string: false, is_escaped: false },
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' => Scan::Packed { is_padded: false },
            other => return Err(RecordError::NoRecord(char::from(other))),
        };
        loop {
            let chunk = fill(&mut self.input)?;
            if chunk.is_empty() {
                return if matches!(scan, Scan::Packed { .. }) {
                    Ok(Some(&self.record))
                } else {
                    Err(endless(&self.record, RecordError::Cut))
                };
            }
            let (used, is_whole) = scan.split(chunk);
            self.record.extend_from_slice(chunk.get(..used).unwrap_or(chunk));
            self.input.consume(used);
            if is_whole {
                return Ok(Some(&self.record));
            }
            if self.record.len() > MAX_RECORD_BYTES {
                return Err(endless(&self.record, RecordError::TooLarge));
            }
        }
    }

    /// Skips white space and returns the byte after it, which remains.
    fn skip_space(&mut self) -> Result<Option<u8>, RecordError> {
        loop {
            let chunk = fill(&mut self.input)?;
            if chunk.is_empty() {
                return Ok(None);
            }
            let space = chunk.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let next = chunk.get(space).copied();
            self.input.consume(space);
            if next.is_some() {
                return Ok(next);
            }
        }
    }
}

/// Why a record has no end where it would be: that, or it is broken long before and has swallowed those after it.
fn endless(record: &[u8], otherwise: RecordError) -> RecordError {
    match serde_json::from_slice::<IgnoredAny>(record) {
        Err(error) if !error.is_eof() => RecordError::Json(error),
        _ => otherwise,
    }
}

/// What can be read at once.
fn fill(input: &mut impl BufRead) -> Result<&[u8], RecordError> {
    // A retry inside a loop that returns the borrow is more than the compiler follows, so the retry comes first.
    while let Err(error) = input.fill_buf() {
        if error.kind() != ErrorKind::Interrupted {
            return Err(RecordError::Read(error));
        }
    }
    input.fill_buf().map_err(RecordError::Read)
}

impl Scan {
    /// How many bytes of the chunk belong to the record, and whether it ends with them.
    fn split(&mut self, chunk: &[u8]) -> (usize, bool) {
        for (index, byte) in chunk.iter().enumerate() {
            match self.step(*byte) {
                Part::Inner => {}
                Part::Last => return (index + 1, true),
                Part::After => return (index, true),
            }
        }
        (chunk.len(), false)
    }

    const fn step(&mut self, byte: u8) -> Part {
        match self {
            Self::Object { is_escaped: is_escaped @ true, .. } => *is_escaped = false,
            Self::Object { in_string: in_string @ true, is_escaped, .. } => match byte {
                b'\\' => *is_escaped = true,
                b'"' => *in_string = false,
                _ => {}
            },
            Self::Object { depth, in_string, .. } => match byte {
                b'"' => *in_string = true,
                b'{' => *depth = depth.saturating_add(1),
                b'}' => {
                    *depth = depth.saturating_sub(1);
                    if *depth == 0 {
                        return Part::Last;
                    }
                }
                _ => {}
            },
            Self::Packed { is_padded } => match byte {
                b'=' => *is_padded = true,
                b'{' | b'\n' | b'\r' | b' ' | b'\t' => return Part::After,
                _ if *is_padded => return Part::After,
                _ => {}
            },
        }
        Part::Inner
    }
}

/// What tells an envelope of SNS from a raw message. A message has a schema; what SNS writes has a type.
#[derive(Deserialize)]
struct Outer {
    schema: Option<String>,
    #[serde(rename = "Type")]
    kind: Option<String>,
    #[serde(rename = "Message")]
    message: Option<String>,
    #[serde(rename = "MessageAttributes", default)]
    attributes: Option<BTreeMap<String, Attribute>>,
}

#[derive(Deserialize)]
struct Attribute {
    #[serde(rename = "Value")]
    value: Option<String>,
}

/// The messages of one kind in a record: mostly one. A message of another kind is none.
///
/// # Errors
/// Where the record is broken, or its message is of a newer version than this build reads.
pub fn messages<M: Message>(record: &[u8]) -> Result<Vec<M>, RecordError> {
    let text = str::from_utf8(record).map_err(|_| RecordError::Json(serde::de::Error::custom("it is not UTF-8")))?;
    if !text.starts_with('{') {
        return packed(text);
    }
    let outer: Outer = serde_json::from_str(text).map_err(RecordError::Json)?;
    if outer.schema.is_some() {
        return message(text, None);
    }
    match (outer.kind.as_deref(), &outer.message) {
        (Some("Notification"), Some(body)) => {
            let encoding =
                outer.attributes.as_ref().and_then(|attributes| attributes.get(CONTENT_ENCODING)?.value.as_deref());
            // An attribute that a copy has lost.
            let looks_packed = body.starts_with(PACKED).then_some(GZIP_BASE64);
            message(body, encoding.or(looks_packed))
        }
        // SNS confirms subscriptions with messages of its own.
        (Some("SubscriptionConfirmation" | "UnsubscribeConfirmation"), _) => Ok(Vec::new()),
        _ => Err(RecordError::NoMessage),
    }
}

/// Those of packed messages that follow each other.
fn packed<M: Message>(text: &str) -> Result<Vec<M>, RecordError> {
    let mut found = Vec::new();
    for plain in contract::unpack_all(text).map_err(RecordError::Message)? {
        found.extend(message(&plain, None)?);
    }
    Ok(found)
}

fn message<M: Message>(body: &str, encoding: Option<&str>) -> Result<Vec<M>, RecordError> {
    match contract::decode(body, encoding) {
        Ok(message) => Ok(vec![message]),
        Err(DecodeError::WrongSchema { .. }) => Ok(Vec::new()),
        Err(error) => Err(RecordError::Message(error)),
    }
}

#[cfg(test)]
mod tests;
