//! A server that answers with any bytes: for answers that no HTTP library would send.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::service::lock;

/// A server that answers every request by a function, until the process ends.
#[derive(Debug)]
pub struct RawServer {
    /// Its host and port.
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

/// How a server gets stuck, so that its answer never ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stuck {
    /// It accepts the request and answers nothing.
    Mute,
    /// It announces a long body, sends so many bytes of it, and nothing more.
    Stalls {
        /// How many bytes of the body arrive.
        after: usize,
    },
    /// It sends a body of unknown length, one byte after each pause.
    Trickles {
        /// The pause.
        pause: Duration,
    },
    /// It sends a body of unknown length without a pause.
    Endless,
    /// It sends an error page, one byte after each pause.
    ErrorPage {
        /// The status.
        status: u16,
        /// The pause.
        pause: Duration,
    },
    /// It answers with that status and the head of the request, as a proxy for debugging does.
    Echoes {
        /// The status.
        status: u16,
    },
}

/// Answers that repeat the credentials of a request wherever an answer has text. `{}` stands for the value of its header
/// `Authorization`.
pub const ECHOES: [&str; 16] = [
    "HTTP/1.1 400 Bad Request\r\n\r\nauthorization: {}",
    "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: {}\r\n\r\nauthorization: {}",
    "HTTP/1.1 403 Forbidden\r\n\r\nauthorization: {}",
    "HTTP/1.1 404 Not Found\r\n\r\nauthorization: {}",
    "HTTP/1.1 429 Too Many Requests\r\n\r\nauthorization: {}",
    "HTTP/1.1 500 Internal Server Error\r\n\r\nauthorization: {}",
    "HTTP/1.1 503 {}\r\n\r\nNo leader elected: {}",
    "HTTP/1.1 307 Temporary Redirect\r\nLocation: //{}/\r\n\r\n",
    "HTTP/1.1 307 Temporary Redirect\r\nLocation: {}\r\n\r\n",
    "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://{}@10.0.0.6/{}\r\n\r\n",
    "HTTP/1.1 200 OK\r\n{}\r\n\r\n",
    "HTTP/1.1 200 OK\r\n\r\nauthorization: {}",
    "HTTP/1.1 200 OK\r\n\r\n{\"{}\":\"{}\"}",
    "HTTP/1.1 200 OK\r\n\r\n{\"slaves\":\"{}\",\"queue\":\"{}\",\"apps\":\"{}\"}",
    "HTTP/1.1 200 OK\r\n\r\n{\"slaves\":[\"{}\"],\"queue\":[\"{}\"],\"apps\":[{\"id\":[\"{}\"]}]}",
    "{}\r\n\r\n",
];

impl Stuck {
    /// The answer, until the other side closes the connection.
    fn answer(self, request: &str, stream: &mut TcpStream) -> io::Result<()> {
        match self {
            Self::Echoes { status } => {
                return write!(stream, "HTTP/1.1 {status} Echo\r\nConnection: close\r\n\r\n{request}");
            }
            Self::Mute => {}
            Self::Stalls { after } => {
                let body: String = "{\"other\":\"".chars().chain(std::iter::repeat('x')).take(after).collect();
                write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{body}")?;
            }
            Self::Trickles { pause } => {
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"other\":\"")?;
                drip(stream, pause)?;
            }
            Self::Endless => {
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"other\":\"")?;
                loop {
                    stream.write_all(&[b'x'; 16 * 1024])?;
                    // As fast as a network, so that no limit of bytes is reached first.
                    thread::sleep(Duration::from_millis(1));
                }
            }
            Self::ErrorPage { status, pause } => {
                write!(stream, "HTTP/1.1 {status} Error\r\n\r\n<html>")?;
                drip(stream, pause)?;
            }
        }
        stream.flush()?;
        // It ends where the other side gives up.
        stream.read(&mut [0]).map(drop)
    }
}

fn drip(stream: &mut TcpStream, pause: Duration) -> io::Result<()> {
    loop {
        stream.write_all(b"x")?;
        thread::sleep(pause);
    }
}

impl RawServer {
    /// Gets stuck with every answer.
    ///
    /// # Errors
    /// Where no port is free.
    pub fn stuck(how: Stuck) -> io::Result<Self> {
        Self::start(move |request, stream| drop(how.answer(request, stream)))
    }

    /// Answers with what the function writes; each connection is closed after one answer.
    ///
    /// # Errors
    /// Where no port is free.
    pub fn start(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (answer, seen) = (Arc::new(answer), Arc::clone(&requests));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
                thread::spawn(move || {
                    let request = read_request(&mut stream);
                    lock(&seen).push(request.clone());
                    answer(&request, &mut stream);
                    // What happens to the connection is part of the fault.
                    drop(stream.flush());
                });
            }
        });
        Ok(Self { address, requests })
    }

    /// Answers always with the same bytes.
    ///
    /// # Errors
    /// Where no port is free.
    pub fn with(answer: impl Into<Vec<u8>>) -> io::Result<Self> {
        let answer = answer.into();
        Self::start(move |_, stream| drop(stream.write_all(&answer)))
    }

    /// Answers with one of the [`ECHOES`].
    ///
    /// # Errors
    /// Where no port is free.
    pub fn echoing(answer: &'static str) -> io::Result<Self> {
        Self::start(move |request, stream| {
            let header = request.lines().find_map(|line| line.strip_prefix("authorization: "));
            drop(stream.write_all(answer.replace("{}", header.unwrap_or_default()).as_bytes()));
        })
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The heads of all requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        lock(&self.requests).clone()
    }
}

/// Reads one request and gives one answer.
///
/// # Errors
/// Where the connection breaks.
pub fn serve(stream: &mut (impl Read + Write), answer: &[u8]) -> io::Result<()> {
    read_request(stream);
    stream.write_all(answer)?;
    stream.flush()
}

/// An answer with that status line, further headers, each with its end of line, and body.
#[must_use]
pub fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}", body.len())
        .into_bytes()
}

/// The head of a request.
fn read_request(stream: &mut impl Read) -> String {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
        request.extend(byte);
    }
    String::from_utf8_lossy(&request).into_owned()
}
