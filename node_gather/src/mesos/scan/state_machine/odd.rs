//! Fields of one agent, task, executor, or framework that cannot be read: they make that one odd, and nothing else.

use std::iter;

use crate::mesos::state::{Oddity, Sink, StateError};

use super::super::errors::{fault, missing_key, repeated_key};
use super::super::schema::{Container, Field};
use super::super::values;
use super::{Outcome, StateMachine};

impl<S: Sink> StateMachine<S> {
    /// At a value of another type than its field has; the value is skipped.
    #[cold]
    pub(super) fn odd_value(&mut self, at: u64, found: &'static str) -> Outcome {
        let expected = self.field.value_type().expected();
        let oddity = Oddity::Type { found, expected };
        match self.field.item() {
            Some(item) => {
                self.builder.open(self.field);
                self.builder.odd(item, self.field, oddity);
                self.builder.close(self.field)?;
            }
            None => match self.owner() {
                Some(owner) => self.builder.odd(owner, self.field, oddity),
                None => return Err(self.wrong_type(at)),
            },
        }
        Ok(())
    }

    /// After a number, `true`, `false`, or `null` in place of another type.
    #[cold]
    pub(super) fn odd_scalar(&mut self, bytes: &[u8]) -> Outcome {
        let found = match bytes {
            b"null" => "null",
            b"true" | b"false" => "true or false",
            _ if values::number(bytes).is_some() => "a number",
            _ if values::any_number(bytes).is_some() => "a number beyond all measure",
            // No value at all.
            _ => return Err(self.wrong_type(self.token.start)),
        };
        self.odd_value(self.token.start, found)
    }

    /// After a key that occurred before; its value is skipped.
    #[cold]
    pub(super) fn odd_key(&mut self, field: Field) -> Outcome {
        let owner = self.owner().ok_or_else(|| repeated_key(self.here.container, field, self.token.start))?;
        self.builder.odd(owner, field, Oddity::Repeated);
        Ok(())
    }

    /// At the end of an object without fields that it must have.
    #[cold]
    pub(super) fn odd_end(&mut self) -> Outcome {
        let super::Frame { container, seen, .. } = self.here;
        for missing in container.required().iter().filter(|field| !seen.has(**field)) {
            if !container.is_item() {
                return Err(missing_key(*missing));
            }
            self.builder.odd(container, *missing, Oddity::Missing);
        }
        Ok(())
    }

    /// The agent, task, executor, or framework that is being read; none in other parts of the document.
    fn owner(&self) -> Option<Container> {
        let inside_out = iter::once(&self.here).chain(self.parents.iter().rev());
        inside_out.map(|frame| frame.container).find(|container| container.is_item())
    }

    #[cold]
    fn wrong_type(&self, at: u64) -> Box<StateError> {
        self.fault(at, &format!("expected {}", self.field.value_type().expected()))
    }

    #[cold]
    pub(super) fn fault(&self, at: u64, what: &str) -> Box<StateError> {
        match self.kind() {
            Some(kind) => fault(at, &format!("{}.{kind}: {what}", self.field.name())),
            None => fault(at, &format!("{}: {what}", self.field.name())),
        }
    }
}
