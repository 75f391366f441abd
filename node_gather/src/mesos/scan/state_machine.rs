//! The scanner's states. Between two calls the [`StateMachine`] holds everything; within a call bytes are read in place.
//! Only a token that straddles the end of a chunk is copied.
//!
//! ```text
//!             ┌────────────────── , ──────────────────┐
//!             ▼                                       │
//!  Start ─{─▶ Key ─"…"─▶ Colon ─:─▶ Value ─┬─ scalar ─┴─▶ After ─ } or ] ─▶ After of the parent … ─▶ Done
//!                                    ▲     ├─ object that is read: its Key
//!                                    │     ├─ list that is read: Value of its first item
//!                                    , ────┴─ other: Skip to its end
//! ```

use shared::resources::Kind;

use crate::mesos::state::{Fault, Sink, StateError};

use super::builder::{Builder, Value};
use super::errors::{fault, invalid_key, too_deep, too_long};
use super::fast_path;
use super::input::Input;
use super::kernel::Kernel;
use super::schema::{Container, Field, SeenFields, ValueType, kind_of};
use super::skip::{Skip, Skipped};
use super::values::{self, MAX_TOKEN_BYTES};

mod odd;
mod open;

/// A result with a small error, because every step returns one.
pub(super) type Outcome<T = ()> = Result<T, Box<StateError>>;

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// The document; only blanks so far.
    Start,
    /// The first key of an object, or its end.
    FirstKey,
    /// A key.
    Key,
    /// The colon after a key.
    Colon,
    /// The first item of a list, or its end.
    FirstItem,
    /// A value.
    Value,
    /// A comma or the end of the object or list.
    After,
    /// More of a string.
    Text,
    /// More of a number, `true`, `false` or `null`.
    Scalar,
    /// More of a value that is skipped.
    Skip,
    /// Blanks.
    Done,
}

/// Within a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Text {
    role: Role,
    /// Whether the next byte is escaped.
    escaped: bool,
    /// Whether any byte was escaped.
    has_escapes: bool,
    /// Whether it exceeds [`MAX_TOKEN_BYTES`].
    is_too_long: bool,
    /// Whether all its bytes are known to be plain ASCII.
    is_plain: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Key,
    Value,
    Ignored,
}

/// An object or list that is being read.
#[derive(Clone, Copy, Debug)]
struct Frame {
    container: Container,
    /// What it means in its parent.
    field: Field,
    /// Its fields so far.
    seen: SeenFields,
}

/// The beginning of a token that ends in a later chunk.
#[derive(Debug, Default)]
struct Token {
    bytes: Vec<u8>,
    /// Its position in the document.
    start: u64,
}

/// The state between two chunks.
#[derive(Debug)]
pub(super) struct StateMachine<S> {
    mode: Mode,
    /// The state within a string.
    text: Text,
    /// The state within a skipped value.
    skip: Skip,
    /// What the current or next value means.
    field: Field,
    /// The kind of resource of the last key that named one.
    last_kind: Option<Kind>,
    /// The current object or list.
    here: Frame,
    /// Its parents, the outermost first.
    parents: Vec<Frame>,
    token: Token,
    between: fast_path::Between,
    builder: Builder<S>,
}

impl<S: Sink> StateMachine<S> {
    pub(super) fn new(sink: S) -> Self {
        Self {
            mode: Mode::Start,
            text: Text::START,
            skip: Skip::INSIDE,
            field: Field::Document,
            last_kind: None,
            here: Frame { container: Container::Document, field: Field::Document, seen: SeenFields::NONE },
            parents: Vec::new(),
            token: Token::default(),
            between: fast_path::Between::default(),
            builder: Builder::new(sink),
        }
    }

    /// Reads a chunk of the document, of any size.
    #[inline(always)]
    pub(super) fn feed<K: Kernel>(&mut self, kernel: K, input: &mut Input<'_>) -> Outcome {
        while let Some(byte) = input.peek() {
            // A value is read in one place, and so compiled once: it is most of the code.
            let mut value = None;
            match self.mode {
                Mode::Skip => self.skip(kernel, input)?,
                Mode::Text => self.text(input, self.text)?,
                Mode::Scalar => self.scalar(input)?,
                _ if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') => input.advance(1),
                Mode::Key | Mode::FirstKey if byte == b'"' => value = self.member(kernel, input)?,
                Mode::FirstKey if byte == b'}' => self.close(input)?,
                Mode::Colon if byte == b':' => {
                    input.advance(1);
                    self.mode = Mode::Value;
                }
                Mode::FirstItem if byte == b']' => self.close(input)?,
                Mode::Value | Mode::FirstItem => value = Some(byte),
                Mode::After => self.after(input, byte)?,
                Mode::Start => self.start(input, byte)?,
                Mode::Key | Mode::FirstKey | Mode::Colon | Mode::Done => return Err(self.unexpected(input)),
            }
            if let Some(byte) = value {
                self.value(kernel, input, byte)?;
            }
        }
        Ok(())
    }

    /// Ends the document after so many bytes.
    pub(super) fn finish(self, bytes: u64) -> Result<S, StateError> {
        match self.mode {
            Mode::Done => Ok(self.builder.finish()),
            Mode::Start => Err(StateError::Empty),
            _ => Err(StateError::Truncated(Fault::new(format!("it ends after byte {bytes}")))),
        }
    }

    /// Recognizes by the first byte what is not a master's answer, for a better message.
    fn start(&mut self, input: &mut Input<'_>, byte: u8) -> Outcome {
        match byte {
            b'{' => {
                input.advance(1);
                self.mode = Mode::FirstKey;
                Ok(())
            }
            b'<' => Err(Box::new(StateError::Html)),
            _ => Err(Box::new(StateError::NotAnObject)),
        }
    }

    /// At the quote that begins a key. The first byte of its value, which nearly always follows without a blank: reading it next
    /// saves a step.
    #[inline(always)]
    fn member<K: Kernel>(&mut self, kernel: K, input: &mut Input<'_>) -> Outcome<Option<u8>> {
        self.begin_text(kernel, input, Role::Key)?;
        Ok(input.peek().filter(|byte| self.mode == Mode::Value && *byte > b' '))
    }

    #[inline(always)]
    fn value<K: Kernel>(&mut self, kernel: K, input: &mut Input<'_>, byte: u8) -> Outcome {
        match byte {
            b'"' => {
                let role = match self.field.value_type() {
                    ValueType::String | ValueType::Any => Role::Value,
                    ValueType::Ignored => Role::Ignored,
                    _ => {
                        self.odd_value(input.position(), "a string")?;
                        Role::Ignored
                    }
                };
                self.begin_text(kernel, input, role)
            }
            b'{' | b'[' => self.open(kernel, input, byte),
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => {
                if let Some(kind) = self.kind()
                    && let Some((amount, length)) = values::plain_amount(input.rest())
                {
                    input.advance(length);
                    self.builder.amount(kind, amount);
                    self.end_value(input);
                    return Ok(());
                }
                self.token.start = input.position();
                self.scalar(input)
            }
            _ => Err(self.unexpected(input)),
        }
    }

    /// After a value.
    #[inline(always)]
    fn after(&mut self, input: &mut Input<'_>, byte: u8) -> Outcome {
        let is_list = self.here.container.is_list();
        match byte {
            b',' => {
                self.comma(input);
                Ok(())
            }
            b'}' if !is_list => self.close(input),
            b']' if is_list => self.close(input),
            _ => Err(self.unexpected(input)),
        }
    }

    /// At the bracket that ends the current object or list.
    fn close(&mut self, input: &mut Input<'_>) -> Outcome {
        let Frame { container, field, seen } = self.here;
        if !container.required().iter().all(|field| seen.has(*field)) {
            self.odd_end()?;
        }
        input.advance(1);
        if container != Container::Document {
            self.builder.close(field)?;
        }
        match self.parents.pop() {
            Some(frame) => {
                self.here = frame;
                self.end_value(input);
                self.end_task_early();
                Ok(())
            }
            None => {
                self.mode = Mode::Done;
                Ok(())
            }
        }
    }

    /// After every value. A comma nearly always follows: reading it here saves a step.
    #[inline(always)]
    fn end_value(&mut self, input: &mut Input<'_>) {
        self.mode = Mode::After;
        if input.peek() == Some(b',') {
            self.comma(input);
        }
    }

    #[inline(always)]
    fn comma(&mut self, input: &mut Input<'_>) {
        input.advance(1);
        let is_list = self.here.container.is_list();
        self.mode = if is_list { Mode::Value } else { Mode::Key };
        self.field = self.here.container.item();
    }

    /// Skips the rest of a task, most of the document, once all its fields are known. Masters write these first; where
    /// they come later, the task ends later.
    #[inline(always)]
    fn end_task_early(&mut self) {
        if self.here.seen != SeenFields::WHOLE_TASK || self.here.container != Container::Task {
            return;
        }
        self.builder.task();
        if let Some(list) = self.parents.pop() {
            self.here = list;
        }
        self.skip = Skip::INSIDE;
        self.mode = Mode::Skip;
    }

    /// At the bracket that begins a skipped object or list.
    fn begin_skip(&mut self, input: &mut Input<'_>) {
        input.advance(1);
        self.skip = Skip::INSIDE;
        self.mode = Mode::Skip;
    }

    #[inline(always)]
    fn skip<K: Kernel>(&mut self, kernel: K, input: &mut Input<'_>) -> Outcome {
        match self.skip.skip(kernel, input.rest()) {
            Skipped::All => input.advance_to_end(),
            Skipped::Closed(length) => {
                input.advance(length);
                self.end_value(input);
            }
            Skipped::TooDeep(at) => return Err(too_deep(input.position_after(at))),
        }
        Ok(())
    }

    /// At the quote that begins a string. Nearly all are plain and end in the same chunk; [`Self::text`] reads the
    /// others.
    #[inline(always)]
    fn begin_text<K: Kernel>(&mut self, kernel: K, input: &mut Input<'_>, role: Role) -> Outcome {
        self.token.start = input.position();
        input.advance(1);
        let rest = input.rest();
        let end = kernel.find_special(rest);
        if let Some((bytes, [b'"', ..])) = rest.split_at_checked(end)
            && end <= MAX_TOKEN_BYTES
        {
            input.advance(end + 1);
            return self.end_text(input, bytes, Text { role, is_plain: true, ..Text::START });
        }
        self.text(input, Text { role, ..Text::START })
    }

    /// Continues within a string, to its end if the chunk has it. This is rare, so bytes are read one by one.
    #[inline(never)]
    fn text(&mut self, input: &mut Input<'_>, mut text: Text) -> Outcome {
        let rest = input.rest();
        let end = text.find_end(rest);
        let part = end.map_or(rest, |end| rest.get(..end).unwrap_or_default());
        if text.role != Role::Ignored && self.token.bytes.len() + part.len() > MAX_TOKEN_BYTES {
            text.is_too_long = true;
            self.token.bytes.clear();
        }
        if end.is_some() {
            input.advance(part.len() + 1);
        } else {
            input.advance_to_end();
        }
        match (text.role, end) {
            (Role::Ignored, Some(_)) => self.end_text(input, &[], text),
            (_, Some(_)) if text.is_too_long => {
                self.end_text(input, values::REPLACEMENT.as_bytes(), Text { role: text.role, ..Text::START })
            }
            (_, None) if text.is_too_long || text.role == Role::Ignored => {
                self.text = text;
                self.mode = Mode::Text;
                Ok(())
            }
            (_, None) => {
                self.token.bytes.extend_from_slice(part);
                self.text = text;
                self.mode = Mode::Text;
                Ok(())
            }
            (_, Some(_)) if self.token.bytes.is_empty() => self.end_text(input, part, text),
            (_, Some(_)) => self.end_straddling(part, |machine, bytes| machine.end_text(input, bytes, text)),
        }
    }

    /// Ends a token that began in an earlier chunk.
    #[cold]
    fn end_straddling(&mut self, part: &[u8], end: impl FnOnce(&mut Self, &[u8]) -> Outcome) -> Outcome {
        let mut bytes = std::mem::take(&mut self.token.bytes);
        bytes.extend_from_slice(part);
        let outcome = end(self, &bytes);
        bytes.clear();
        self.token.bytes = bytes;
        outcome
    }

    #[inline(always)]
    fn end_text(&mut self, input: &mut Input<'_>, bytes: &[u8], text: Text) -> Outcome {
        match text.role {
            Role::Key => return self.key(input, bytes, text.has_escapes),
            Role::Value => {}
            Role::Ignored => {
                self.end_value(input);
                return Ok(());
            }
        }
        if self.field == Field::TaskState && !text.has_escapes && self.builder.has_task_state(bytes) {
            self.end_value(input);
            self.end_task_early();
            return Ok(());
        }
        let value = if text.is_plain { values::plain_text(bytes) } else { values::text(bytes, text.has_escapes) };
        let Some(value) = value else { return Err(self.fault(self.token.start, "not a valid string")) };
        if self.field.value_type() == ValueType::Any {
            self.builder.any(self.kind(), Value::String(&value));
        } else {
            self.builder.string(self.field, &value);
        }
        self.end_value(input);
        self.end_task_early();
        Ok(())
    }

    /// Ends a key, and determines what its value means.
    #[inline(always)]
    fn key(&mut self, input: &mut Input<'_>, bytes: &[u8], has_escapes: bool) -> Outcome {
        let unescaped;
        let mut key = bytes;
        if has_escapes {
            unescaped = values::text(bytes, true).ok_or_else(|| invalid_key(self.token.start))?;
            key = unescaped.as_bytes();
        }
        let mut field = self.here.container.field(key);
        self.mode = Mode::Colon;
        // A colon nearly always follows: reading it here saves a step.
        if input.peek() == Some(b':') {
            input.advance(1);
            self.mode = Mode::Value;
        }
        if !field.may_repeat() {
            if self.here.seen.has(field) {
                self.odd_key(field)?;
                field = Field::Ignored;
            }
            self.here.seen = self.here.seen.with(field);
        } else if field == Field::Amount {
            self.amount_key(key);
        } else if field != Field::Ignored {
            let key = values::text(bytes, has_escapes).ok_or_else(|| invalid_key(self.token.start))?;
            self.builder.key(&key);
        }
        self.field = field;
        Ok(())
    }

    /// At the name of a resource.
    #[inline(always)]
    fn amount_key(&mut self, key: &[u8]) {
        self.last_kind = kind_of(key);
        let Some(kind) = self.last_kind else { return };
        if self.here.seen.has_amount(kind) {
            self.builder.repeat_amount(kind);
        }
        self.here.seen = self.here.seen.with_amount(kind);
    }

    /// The kind of resource whose amount the current or next value is.
    #[inline(always)]
    fn kind(&self) -> Option<Kind> {
        self.last_kind.filter(|_| self.field == Field::Amount)
    }

    /// Continues within a number, `true`, `false`, or `null`, to its end if the chunk has it.
    fn scalar(&mut self, input: &mut Input<'_>) -> Outcome {
        let rest = input.rest();
        let end = rest.iter().position(|byte| !values::is_of_scalar(*byte));
        let part = end.map_or(rest, |end| rest.get(..end).unwrap_or_default());
        let is_read = self.field != Field::Ignored;
        if is_read && self.token.bytes.len() + part.len() > MAX_TOKEN_BYTES {
            return Err(too_long(self.token.start));
        }
        input.advance(part.len());
        if end.is_none() {
            self.mode = Mode::Scalar;
            if is_read {
                self.token.bytes.extend_from_slice(part);
            }
            return Ok(());
        }
        if is_read && self.token.bytes.is_empty() {
            self.end_scalar(part)?;
        } else if is_read {
            self.end_straddling(part, Self::end_scalar)?;
        }
        self.end_value(input);
        Ok(())
    }

    fn end_scalar(&mut self, bytes: &[u8]) -> Outcome {
        let (field, kind, value_type) = (self.field, self.kind(), self.field.value_type());
        match (bytes, value_type) {
            (b"null", ValueType::Any) => self.builder.any(kind, Value::Other("null")),
            (b"true", ValueType::Any) => self.builder.any(kind, Value::Other("true")),
            (b"false", ValueType::Any) => self.builder.any(kind, Value::Other("false")),
            (b"true", ValueType::Boolean) => self.builder.boolean(field, true),
            (b"false", ValueType::Boolean) => self.builder.boolean(field, false),
            (b"null", _) if field.may_be_null() => {}
            (_, ValueType::Any) => {
                let Some(number) = values::any_number(bytes) else { return self.odd_scalar(bytes) };
                self.builder.any(kind, Value::Number(number));
            }
            (_, ValueType::Number) => {
                let Some(number) = values::number(bytes) else { return self.odd_scalar(bytes) };
                self.builder.number(field, number);
            }
            _ => return self.odd_scalar(bytes),
        }
        Ok(())
    }

    #[cold]
    fn unexpected(&self, input: &Input<'_>) -> Box<StateError> {
        let expected = match self.mode {
            Mode::FirstKey => "a key or the end of the object",
            Mode::Key => "a key",
            Mode::Colon => "a colon",
            Mode::FirstItem => "a value or the end of the list",
            Mode::After if self.here.container.is_list() => "a comma or the end of the list",
            Mode::After => "a comma or the end of the object",
            Mode::Done => "nothing more",
            _ => "a value",
        };
        fault(input.position(), &format!("expected {expected}"))
    }
}

impl Text {
    const START: Self =
        Self { role: Role::Ignored, escaped: false, has_escapes: false, is_too_long: false, is_plain: false };

    /// The position of the quote that ends the string, if these bytes have it.
    fn find_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            if self.escaped {
                // An escaped byte never ends a string; it may be in the next chunk.
                bytes.get(at)?;
                self.escaped = false;
                at += 1;
            }
            at += bytes.get(at..)?.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
            if *bytes.get(at)? == b'"' {
                return Some(at);
            }
            self.escaped = true;
            self.has_escapes = true;
            at += 1;
        }
    }
}
