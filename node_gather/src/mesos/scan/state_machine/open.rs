//! Objects and lists begin: in one step where the fast path knows their form, else token by token.

use crate::mesos::state::Sink;

use super::super::builder::Value;
use super::super::fast_path;
use super::super::input::Input;
use super::super::kernel::Kernel;
use super::super::schema::{Container, Field, SeenFields, ValueType};
use super::super::skip::Skip;
use super::{Frame, Mode, Outcome, StateMachine};

impl<S: Sink> StateMachine<S> {
    /// At the bracket that begins an object or a list.
    #[inline(always)]
    pub(super) fn open<K: Kernel>(&mut self, kernel: K, input: &mut Input<'_>, bracket: u8) -> Outcome {
        if self.field == Field::Task
            && let Some(task) = fast_path::task(kernel, input.rest(), &mut self.between)
        {
            self.builder.fast_path_task(&task.raw());
            input.advance(task.length);
            self.skip = Skip::INSIDE;
            self.mode = Mode::Skip;
            return Ok(());
        }
        if self.field == Field::Executor
            && let Some(executor) = fast_path::executor(kernel, input.rest())
            && self.builder.fast_path_executor(&executor)
        {
            input.advance(executor.length);
            self.end_value(input);
            return Ok(());
        }
        if self.field == Field::Agent
            && let Some(length) = fast_path::agent(kernel, input.rest(), self.builder.next_agent())
        {
            self.builder.fast_path_agent()?;
            input.advance(length);
            self.end_value(input);
            return Ok(());
        }
        if self.field.value_type() == ValueType::Object(Container::Amounts)
            && let Some((resources, rest)) = fast_path::resources(kernel, input.rest())
        {
            self.builder.resources(self.field, resources);
            input.advance(input.rest().len() - rest.len());
            self.end_value(input);
            return Ok(());
        }
        self.enter(input, bracket)
    }

    /// At a bracket: reads the contents, or skips them.
    fn enter(&mut self, input: &mut Input<'_>, bracket: u8) -> Outcome {
        let (container, mode) = match (self.field.value_type(), bracket) {
            (ValueType::Object(container), b'{') => (container, Mode::FirstKey),
            (ValueType::List(container), b'[') => (container, Mode::FirstItem),
            (ValueType::Any, _) => {
                self.builder.any(self.kind(), Value::Other(if bracket == b'[' { "a list" } else { "an object" }));
                self.begin_skip(input);
                return Ok(());
            }
            (ValueType::Ignored, _) => {
                self.begin_skip(input);
                return Ok(());
            }
            _ => {
                self.odd_value(input.position(), if bracket == b'[' { "a list" } else { "an object" })?;
                self.begin_skip(input);
                return Ok(());
            }
        };
        input.advance(1);
        self.builder.open(self.field);
        self.parents
            .push(std::mem::replace(&mut self.here, Frame { container, field: self.field, seen: SeenFields::NONE }));
        self.field = container.item();
        self.mode = mode;
        Ok(())
    }
}
