//! The scanner's states. Between two calls everything is in the [`StateMachine`]; within one, bytes are looked at where they
//! are. Only what straddles the end of a chunk is copied.
//!
//! ```text
//!             ┌────────────────── , ──────────────────┐
//!             ▼                                       │
//!  Start ─{─▶ Key ─"…"─▶ Colon ─:─▶ Value ─┬─ scalar ─┴─▶ After ─ } or ] ─▶ After of what is around it … ─▶ Done
//!                                    ▲     ├─ wanted object: its Key
//!                                    │     ├─ wanted list: Value of its first item
//!                                    , ────┴─ unwanted: Skip to its end
//! ```

use crate::mesos::state::{Fault, Sink, StateError};

use super::builder::{Builder, Value};
use super::fast_path;
use super::input::Input;
use super::kernel::Kernel;
use super::schema::{Container, Field, SeenFields, Shape};
use super::skip::{Skip, Skipped};
use super::values::{self, MAX_TOKEN_BYTES};

/// A result whose error is small, since every step has one.
pub(super) type Outcome<T = ()> = Result<T, Box<StateError>>;

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// The document; nothing but blanks has come.
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
    /// More of a text.
    Text,
    /// More of a number, `true`, `false` or `null`.
    Scalar,
    /// More of what is not wanted.
    Skip,
    /// Blanks.
    Done,
}

/// Within a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Text {
    role: Role,
    /// Whether the next byte follows a backslash that counts.
    escaped: bool,
    /// Whether there was one.
    has_escapes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Key,
    Value,
    Unwanted,
}

/// An object or list that is looked into.
#[derive(Clone, Copy, Debug)]
struct Frame {
    container: Container,
    /// What it is for in what is around it.
    field: Field,
    /// Its keys so far that are looked at.
    seen: SeenFields,
}

/// The beginning of a token whose end is in a chunk to come.
#[derive(Debug, Default)]
struct Token {
    bytes: Vec<u8>,
    /// Where it began.
    start: u64,
}

/// Everything that is known of the document so far.
#[derive(Debug)]
pub(super) struct StateMachine<S> {
    mode: Mode,
    /// Where in a text, if in one.
    text: Text,
    /// Where in what is skipped, if anything is.
    skip: Skip,
    /// What the value to come, or at hand, is for.
    field: Field,
    /// The object or list at hand.
    here: Frame,
    /// What is around it.
    around: Vec<Frame>,
    token: Token,
    builder: Builder<S>,
}

impl<S: Sink> StateMachine<S> {
    pub(super) fn new(sink: S) -> Self {
        Self {
            mode: Mode::Start,
            text: Text::START,
            skip: Skip::INSIDE,
            field: Field::Document,
            here: Frame { container: Container::Document, field: Field::Document, seen: SeenFields::NONE },
            around: Vec::new(),
            token: Token::default(),
            builder: Builder::new(sink),
        }
    }

    /// Takes in a chunk of the document, whatever its size.
    #[inline(always)]
    pub(super) fn feed<K: Kernel>(&mut self, kernel: K, input: &mut Input<'_>) -> Outcome {
        while let Some(byte) = input.peek() {
            match self.mode {
                Mode::Skip => self.skip(kernel, input)?,
                Mode::Text => self.text(input, self.text)?,
                Mode::Scalar => self.scalar(input)?,
                _ if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') => input.advance(1),
                Mode::Key | Mode::FirstKey if byte == b'"' => self.member(kernel, input)?,
                Mode::FirstKey if byte == b'}' => self.close(input)?,
                Mode::Colon if byte == b':' => {
                    input.advance(1);
                    self.mode = Mode::Value;
                }
                Mode::FirstItem if byte == b']' => self.close(input)?,
                Mode::Value | Mode::FirstItem => self.value(kernel, input, byte)?,
                Mode::After => self.after(input, byte)?,
                Mode::Start => self.start(input, byte)?,
                Mode::Key | Mode::FirstKey | Mode::Colon | Mode::Done => return Err(self.unexpected(input)),
            }
        }
        Ok(())
    }

    /// The end of the document, after so many bytes.
    pub(super) fn finish(self, bytes: u64) -> Result<S, StateError> {
        match self.mode {
            Mode::Done => Ok(self.builder.finish()),
            Mode::Start => Err(StateError::Empty),
            _ => Err(StateError::Truncated(Fault::new(format!("there is nothing after byte {bytes}")))),
        }
    }

    /// Tells what is certainly not a master's answer by its first byte, for the sake of a better message.
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

    /// At the quote that begins a key. The value is nearly always there already, without a blank: it saves a step.
    #[inline(always)]
    fn member<K: Kernel>(&mut self, kernel: K, input: &mut Input<'_>) -> Outcome {
        self.begin_text(kernel, input, Role::Key)?;
        match input.peek() {
            Some(byte) if self.mode == Mode::Value && byte > b' ' => self.value(kernel, input, byte),
            _ => Ok(()),
        }
    }

    #[inline(always)]
    fn value<K: Kernel>(&mut self, kernel: K, input: &mut Input<'_>, byte: u8) -> Outcome {
        match byte {
            b'"' => match self.field.shape() {
                Shape::Text | Shape::Any => self.begin_text(kernel, input, Role::Value),
                Shape::Unwanted => self.begin_text(kernel, input, Role::Unwanted),
                _ => Err(self.wrong_type(input.position())),
            },
            b'{' | b'[' => self.open(kernel, input, byte),
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => {
                if let Some(kind) = self.field.kind()
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

    /// At the bracket that begins an object or a list.
    #[inline(always)]
    fn open<K: Kernel>(&mut self, kernel: K, input: &mut Input<'_>, bracket: u8) -> Outcome {
        if self.field == Field::Task
            && let Some(task) = fast_path::task(kernel, input.rest())
        {
            self.builder.fast_path_task(&task.raw())?;
            input.advance(task.length);
            self.skip = Skip::INSIDE;
            self.mode = Mode::Skip;
            return Ok(());
        }
        self.look_into(input, bracket)
    }

    /// At a bracket: looks into what it begins, or skips it.
    fn look_into(&mut self, input: &mut Input<'_>, bracket: u8) -> Outcome {
        let (container, mode) = match (self.field.shape(), bracket) {
            (Shape::Object(container), b'{') => (container, Mode::FirstKey),
            (Shape::List(container), b'[') => (container, Mode::FirstItem),
            (Shape::Any, _) => {
                self.builder.any(self.field, Value::Other(if bracket == b'[' { "a list" } else { "an object" }));
                self.begin_skip(input);
                return Ok(());
            }
            (Shape::Unwanted, _) => {
                self.begin_skip(input);
                return Ok(());
            }
            _ => return Err(self.wrong_type(input.position())),
        };
        input.advance(1);
        self.builder.open(self.field);
        self.around
            .push(std::mem::replace(&mut self.here, Frame { container, field: self.field, seen: SeenFields::NONE }));
        self.field = container.item();
        self.mode = mode;
        Ok(())
    }

    /// At what follows a value.
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

    /// At the bracket that ends the object or list at hand.
    fn close(&mut self, input: &mut Input<'_>) -> Outcome {
        let Frame { container, field, seen } = self.here;
        if let Some(missing) = container.required().iter().find(|field| !seen.has(**field)) {
            return Err(missing_key(container, *missing, input.position()));
        }
        input.advance(1);
        if container != Container::Document {
            self.builder.close(field)?;
        }
        match self.around.pop() {
            Some(frame) => {
                self.here = frame;
                self.end_value(input);
                self.end_task_early()
            }
            None => {
                self.mode = Mode::Done;
                Ok(())
            }
        }
    }

    /// After every value. The comma is nearly always there already: it saves a step.
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

    /// A task of which everything wanted is known is done: the rest of it, most of the document, is skipped. Masters
    /// write what is wanted first; where it comes later the task is done later, and that is all.
    #[inline(always)]
    fn end_task_early(&mut self) -> Outcome {
        if self.here.seen != SeenFields::WHOLE_TASK || self.here.container != Container::Task {
            return Ok(());
        }
        self.builder.task()?;
        if let Some(list) = self.around.pop() {
            self.here = list;
        }
        self.skip = Skip::INSIDE;
        self.mode = Mode::Skip;
        Ok(())
    }

    /// At the bracket that begins an object or a list that is not looked into.
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

    /// At the quote that begins a text. Nearly all end in the same chunk and are plain; the others go on by
    /// [`Self::text`].
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
            return self.end_text(input, bytes, Text { role, ..Text::START });
        }
        self.text(input, Text { role, ..Text::START })
    }

    /// Goes on within a text, to its end if that is here. There are so few of them that bytes are looked at one by one.
    #[inline(never)]
    fn text(&mut self, input: &mut Input<'_>, mut text: Text) -> Outcome {
        let rest = input.rest();
        let end = text.find_end(rest);
        let part = end.map_or(rest, |end| rest.get(..end).unwrap_or_default());
        if text.role != Role::Unwanted && self.token.bytes.len() + part.len() > MAX_TOKEN_BYTES {
            return Err(too_long(self.token.start));
        }
        if end.is_some() {
            input.advance(part.len() + 1);
        } else {
            input.advance_to_end();
        }
        match (text.role, end) {
            (Role::Unwanted, Some(_)) => self.end_text(input, &[], text),
            (Role::Unwanted, None) => {
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
            Role::Unwanted => {
                self.end_value(input);
                return Ok(());
            }
        }
        if self.field == Field::TaskState && !text.has_escapes && self.builder.has_task_state(bytes) {
            self.end_value(input);
            return self.end_task_early();
        }
        let Some(value) = values::text(bytes, text.has_escapes) else {
            return Err(self.fault(self.token.start, "is no valid text"));
        };
        if self.field.shape() == Shape::Any {
            self.builder.any(self.field, Value::Text(&value));
        } else {
            self.builder.text(self.field, &value);
        }
        self.end_value(input);
        self.end_task_early()
    }

    /// A key is there: what is its value for?
    #[inline(always)]
    fn key(&mut self, input: &mut Input<'_>, bytes: &[u8], has_escapes: bool) -> Outcome {
        let unescaped;
        let mut key = bytes;
        if has_escapes {
            unescaped = values::text(bytes, true).ok_or_else(|| invalid_key(self.token.start))?;
            key = unescaped.as_bytes();
        }
        let field = self.here.container.field(key);
        self.field = field;
        self.mode = Mode::Colon;
        // The colon is nearly always there already: it saves a step.
        if input.peek() == Some(b':') {
            input.advance(1);
            self.mode = Mode::Value;
        }
        if !field.may_repeat() {
            if self.here.seen.has(field) {
                return Err(repeated_key(self.here.container, field, self.token.start));
            }
            self.here.seen = self.here.seen.with(field);
        } else if field != Field::Unwanted {
            let key = values::text(key, false).ok_or_else(|| invalid_key(self.token.start))?;
            self.builder.key(&key);
        }
        Ok(())
    }

    /// Goes on within a number, `true`, `false` or `null`, to its end if that is here.
    fn scalar(&mut self, input: &mut Input<'_>) -> Outcome {
        let rest = input.rest();
        let end = rest.iter().position(|byte| !values::is_of_scalar(*byte));
        let part = end.map_or(rest, |end| rest.get(..end).unwrap_or_default());
        let is_wanted = self.field != Field::Unwanted;
        if is_wanted && self.token.bytes.len() + part.len() > MAX_TOKEN_BYTES {
            return Err(too_long(self.token.start));
        }
        input.advance(part.len());
        if end.is_none() {
            self.mode = Mode::Scalar;
            if is_wanted {
                self.token.bytes.extend_from_slice(part);
            }
            return Ok(());
        }
        if is_wanted && self.token.bytes.is_empty() {
            self.end_scalar(part)?;
        } else if is_wanted {
            self.end_straddling(part, Self::end_scalar)?;
        }
        self.end_value(input);
        Ok(())
    }

    fn end_scalar(&mut self, bytes: &[u8]) -> Outcome {
        let (field, shape) = (self.field, self.field.shape());
        match (bytes, shape) {
            (b"null", Shape::Any) => self.builder.any(field, Value::Other("null")),
            (b"true", Shape::Any) => self.builder.any(field, Value::Other("true")),
            (b"false", Shape::Any) => self.builder.any(field, Value::Other("false")),
            (b"true", Shape::Boolean) => self.builder.boolean(field, true),
            (b"false", Shape::Boolean) => self.builder.boolean(field, false),
            (b"null", _) if field.may_be_null() => {}
            (_, Shape::Number | Shape::Any) => {
                let number = values::number(bytes).map_err(|_| self.wrong_type(self.token.start))?;
                if shape == Shape::Any {
                    self.builder.any(field, Value::Number(number));
                } else {
                    self.builder.number(field, number);
                }
            }
            _ => return Err(self.wrong_type(self.token.start)),
        }
        Ok(())
    }

    #[cold]
    fn wrong_type(&self, at: u64) -> Box<StateError> {
        self.fault(at, &format!("is not {}", self.field.shape().expected()))
    }

    #[cold]
    fn fault(&self, at: u64, what: &str) -> Box<StateError> {
        fault(at, &format!("{} {what}", self.field.name()))
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
        fault(input.position(), &format!("{expected} is expected"))
    }
}

impl Text {
    const START: Self = Self { role: Role::Unwanted, escaped: false, has_escapes: false };

    /// Where the quote is that ends the text, if it is among these bytes.
    fn find_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            if self.escaped {
                // Whatever it is, it ends no text; a missing byte comes with the next chunk.
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

#[cold]
fn fault(at: u64, what: &str) -> Box<StateError> {
    Box::new(StateError::Json(Fault::new(format!("at byte {at}: {what}"))))
}

#[cold]
fn too_long(at: u64) -> Box<StateError> {
    fault(at, &format!("a key, text or number has more than {MAX_TOKEN_BYTES} bytes"))
}

#[cold]
fn too_deep(at: u64) -> Box<StateError> {
    fault(at, &format!("brackets are nested more than {} deep", super::skip::MAX_DEPTH))
}

#[cold]
fn invalid_key(at: u64) -> Box<StateError> {
    fault(at, "a key is no valid text")
}

/// What a list has to be there for, or must not be there twice for, has an error of its own.
#[cold]
fn repeated_key(container: Container, field: Field, at: u64) -> Box<StateError> {
    match container {
        Container::Document | Container::Framework => Box::new(StateError::Twice(field.name())),
        _ => fault(at, &format!("{} is there twice", field.name())),
    }
}

#[cold]
fn missing_key(container: Container, field: Field, at: u64) -> Box<StateError> {
    match container {
        Container::Document | Container::Framework => Box::new(StateError::Missing(field.name())),
        _ => fault(at, &format!("{} is missing", field.name())),
    }
}
