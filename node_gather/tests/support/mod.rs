//! A master that the tests make up: a raw server on this machine, so that every fault can be sent.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use shared::config::Mesos;

/// A server that answers every request by a function, until the test ends.
pub struct Master {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Master {
    /// Answers with what the function makes of the request; each connection is closed after one answer.
    pub fn start(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (answer, seen) = (Arc::new(answer), requests.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let (answer, seen) = (answer.clone(), seen.clone());
                thread::spawn(move || {
                    let request = read_request(&mut stream);
                    seen.lock().unwrap().push(request.clone());
                    answer(&request, &mut stream);
                    // Whatever happens to the connection is part of the fault.
                    let _ = stream.flush();
                });
            }
        });
        Self { address, requests }
    }

    /// Always the same bytes.
    pub fn with(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |_, stream| drop(stream.write_all(&answer)))
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// Reads one request and gives one answer.
pub fn serve(stream: &mut (impl Read + Write), answer: &[u8]) -> std::io::Result<()> {
    read_request(stream);
    stream.write_all(answer)?;
    stream.flush()
}

fn read_request(stream: &mut impl Read) -> String {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
        request.push(byte[0]);
    }
    String::from_utf8(request).unwrap()
}

pub fn capture(path: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/captures").join(path)).unwrap()
}

pub fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}", body.len())
        .into_bytes()
}

pub fn state_answer() -> Vec<u8> {
    let state = String::from_utf8(capture("1.11.0/24-v0-driver-framework/state.json")).unwrap();
    answer("200 OK", "Content-Type: application/json\r\n", &state)
}

pub fn settings(masters: &[String]) -> Mesos {
    Mesos {
        masters: masters.iter().map(|url| url.parse().unwrap()).collect(),
        credentials: None,
        ca_bundle: None,
        timeout: Duration::from_secs(20),
        max_state_bytes: 1 << 20,
        gzip: false,
    }
}
