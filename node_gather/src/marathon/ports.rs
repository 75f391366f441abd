//! Whether an instance needs a fixed port of its host, which another instance cannot have.
//!
//! Marathon decides it so: where an application has port mappings, their host ports count, else its port definitions, which are
//! ports of the host with `requirePorts`, and otherwise of a service. The mode of the network only decides which of the two
//! Marathon accepts.

use serde::de::{MapAccess, SeqAccess};

use super::json::{Loose, Once, Partly, fields, items, only};

/// The host ports of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ports {
    /// The list is empty, or there is none.
    #[default]
    None,
    /// Any ports of the host, or none of it.
    Any,
    /// One of them is a certain port.
    Fixed,
}

/// The fields of an application that say which ports of its host it needs.
pub(super) struct AppPorts {
    pub(super) require_ports: Once<bool>,
    pub(super) definitions: Once<Partly<Ports>>,
    /// What old releases have instead, and some later ones beside them.
    pub(super) numbers: Once<Partly<Ports>>,
    pub(super) container: Once<Container>,
}

impl AppPorts {
    pub(super) const fn new() -> Self {
        Self {
            require_ports: Once::new("requirePorts"),
            definitions: Once::new("portDefinitions"),
            numbers: Once::new("ports"),
            container: Once::new("container"),
        }
    }

    /// Whether one of its ports is fixed.
    pub(super) fn fixed(self) -> Partly<bool> {
        let Self { require_ports, definitions, numbers, container } = self;
        let mapped = Partly::in_field(container.map(|Container(mapped)| mapped));
        let defined = Partly::in_field(definitions).and(Partly::in_field(numbers), Ports::max);
        let required = Partly::in_field(require_ports.map(Partly::from));
        let defined = defined.and(required, |ports, is_required| if is_required { ports } else { Ports::None });
        mapped.and(defined, |mapped, defined| {
            let counts = if mapped == Ports::None { defined } else { mapped };
            counts == Ports::Fixed
        })
    }
}

/// The container of an application.
pub(super) struct Container(Partly<Ports>);

impl Loose for Container {
    const EXPECTED: &'static str = "an object";
    fn of_object<'de, M: MapAccess<'de>>(object: M) -> Result<Result<Self, String>, M::Error> {
        let (mut mappings, mut docker) = (Once::new("portMappings"), Once::new("docker"));
        fields(object, &mut [&mut mappings, &mut docker])?;
        let of_docker = Partly::in_field(docker.map(|Docker(mappings)| mappings));
        Ok(Ok(Self(Partly::in_field(mappings).and(of_docker, Ports::max))))
    }
}

/// Where releases before 1.5 have the port mappings.
struct Docker(Partly<Ports>);

impl Loose for Docker {
    const EXPECTED: &'static str = "an object";
    fn of_object<'de, M: MapAccess<'de>>(object: M) -> Result<Result<Self, String>, M::Error> {
        Ok(Ok(Self(Partly::in_field(only("portMappings", object)?))))
    }
}

impl Loose for Partly<Ports> {
    const EXPECTED: &'static str = "a list of ports";
    fn of_list<'de, S: SeqAccess<'de>>(list: S) -> Result<Result<Self, String>, S::Error> {
        let mut ports = Ports::None;
        let all = items(list, |Port(port)| ports = ports.max(if port == 0 { Ports::Any } else { Ports::Fixed }))?;
        Ok(Ok(Self { value: ports, problem: all.err() }))
    }
}

/// One of a list; 0 where any will do, or none. A number (`ports`), or the `port` (`portDefinitions`) or `hostPort` (`portMappings`,
/// `endpoints`) of an object.
struct Port(u16);

impl Loose for Port {
    const EXPECTED: &'static str = "a port";

    fn of_number(number: String) -> Option<Self> {
        u16::of_number(number).map(Self)
    }

    fn of_object<'de, M: MapAccess<'de>>(object: M) -> Result<Result<Self, String>, M::Error> {
        let (mut port, mut host_port) = (Once::new("port"), Once::new("hostPort"));
        fields(object, &mut [&mut port, &mut host_port])?;
        Ok(port.optional().and_then(|port| Ok(Self(port.or(host_port.optional()?).unwrap_or_default()))))
    }
}

impl Loose for u16 {
    const EXPECTED: &'static str = "a port from 0 to 65535";
    fn of_number(number: String) -> Option<Self> {
        number.parse().ok()
    }
}

#[cfg(test)]
mod tests;
