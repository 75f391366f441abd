//! What the tests of this stage ask masters for. The masters are raw servers, so that every fault can be sent.

use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use shared::config::Mesos;
pub(crate) use testbed::raw::{RawServer, answer, serve};

/// A server that always answers with the same bytes.
pub(crate) fn server(answer: impl Into<Vec<u8>>) -> RawServer {
    RawServer::with(answer).unwrap()
}

/// A server that answers with what the function writes.
pub(crate) fn server_by(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> RawServer {
    RawServer::start(answer).unwrap()
}

pub(crate) fn capture(path: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/captures").join(path)).unwrap()
}

pub(crate) fn state_answer() -> Vec<u8> {
    let state = String::from_utf8(capture("1.11.0/24-v0-driver-framework/state.json")).unwrap();
    answer("200 OK", "Content-Type: application/json\r\n", &state)
}

pub(crate) fn settings(masters: &[String]) -> Mesos {
    Mesos {
        masters: masters.iter().map(|url| url.parse().unwrap()).collect(),
        credentials: None,
        ca_bundle: None,
        timeout: Duration::from_secs(20),
        max_state_bytes: 1 << 20,
        gzip: false,
    }
}
