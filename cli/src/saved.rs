//! Saved input: files as `curl` and the AWS command line save them, compressed or not, and a `/state` from anywhere.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use flate2::bufread::MultiGzDecoder;
use jiff::Timestamp;
use node_gather::ReadError;
use node_gather::marathon::Observed;
use node_gather::members::Descriptions;
use node_gather::mesos::client::{Client, ClientError, FetchError};
use node_gather::summarize::{ClusterState, Summary, summarize};
use shared::config::{Config, Mesos};
use thiserror::Error;

use crate::command::{self, RuntimeError};
use crate::file::FileError;

/// The first bytes of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// How much of a file is read at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// How long a master has to send its state, where the configuration does not say.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The paths of `/state`, which a user may have copied with the URL of a master; the longest first.
const STATE_PATHS: [&str; 4] = ["/master/state.json", "/master/state", "/state.json", "/state"];

/// Where the `/state` of the leading master is.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// In a file.
    File(PathBuf),
    /// On standard input: `-`.
    Input,
    /// At a master, which may redirect to the leading one.
    Master(Box<Mesos>),
}

impl FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "-" {
            return Ok(Self::Input);
        }
        if !text.starts_with("http://") && !text.starts_with("https://") {
            return if is_host(text) { Err(wrong()) } else { Ok(Self::File(text.into())) };
        }
        let text = text.trim_end_matches('/');
        let base = STATE_PATHS.into_iter().find_map(|path| text.strip_suffix(path)).unwrap_or(text);
        let master = base.parse().map_err(|_| wrong())?;
        Ok(Self::Master(Box::new(Mesos {
            masters: vec![master],
            credentials: None,
            ca_bundle: None,
            timeout: TIMEOUT,
            max_state_bytes: u64::MAX,
            gzip: true,
        })))
    }
}

fn wrong() -> String {
    "expected a file, a URL, or -; write http://10.0.0.5:5050".to_owned()
}

/// Whether that is no file, but most likely a URL of another scheme, or host and port without one.
fn is_host(text: &str) -> bool {
    let has_port = text.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    (has_port || text.contains("://")) && !Path::new(text).exists()
}

/// Why saved input cannot be used.
#[derive(Debug, Error)]
pub enum SavedError {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is not a state.
    #[error("{shown} is not a master's /state, as `curl http://MASTER:5050/state > state.json` saves it")]
    State {
        /// Where it was read.
        shown: String,
        /// Why.
        source: ReadError,
    },
    /// Standard input cannot be read.
    #[error("cannot read standard input")]
    Input(#[source] io::Error),
    /// No request can be sent.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The master did not send its state.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The command could not start.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

/// Opens a saved file.
///
/// # Errors
/// Where it cannot be read.
pub fn open(path: &Path) -> Result<Box<dyn BufRead>, SavedError> {
    Ok(File::open(path).and_then(unzipped).map_err(FileError::at(path))?)
}

/// What is compressed, or is not. A file may have several members of gzip.
///
/// # Errors
/// Where it cannot be read.
pub fn unzipped(source: impl Read + 'static) -> io::Result<Box<dyn BufRead>> {
    let mut source = BufReader::with_capacity(BUFFER_BYTES, source);
    if source.fill_buf()?.starts_with(&GZIP) {
        return Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(source))));
    }
    Ok(Box::new(source))
}

impl State {
    /// Reads the state, and makes the snapshots of the pools of the Mesos cluster. `asked` is the name of an agent to tell about.
    ///
    /// # Errors
    /// Where it cannot be read, or is not a state.
    pub fn summary(
        &self,
        marathon: &Observed,
        described: Descriptions,
        config: &Config,
        asked: Option<&str>,
        now: Timestamp,
    ) -> Result<Summary, SavedError> {
        let pools = config.mesos_pools();
        let empty = || ClusterState::new(&pools).asking(asked.map(str::to_owned));
        let (mut source, shown) = match self {
            Self::File(path) => (open(path)?, path.display().to_string()),
            Self::Input => (unzipped(io::stdin()).map_err(SavedError::Input)?, "standard input".to_owned()),
            Self::Master(settings) => {
                let client = Client::new(settings.as_ref().clone(), None, None)?;
                let fetched = command::block_on(async { client.fetch(empty).await.map_err(SavedError::Fetch) })?;
                let state = fetched.state.with_descriptions(described);
                return Ok(summarize(state, marathon, &fetched.master, now));
            }
        };
        let first = config.mesos.as_ref().and_then(|mesos| mesos.masters.first());
        let master = first.map_or("", |url| url.as_str().trim_end_matches('/'));
        let limit = config.mesos.as_ref().map_or(u64::MAX, |mesos| mesos.max_state_bytes);
        let state = empty()
            .read(&mut source, limit)
            .map_err(|source| SavedError::State { shown, source: ReadError::from(source) })?;
        Ok(summarize(state.with_descriptions(described), marathon, master, now))
    }

    /// When its file was last changed, where it is one: the time of what is in it.
    #[must_use]
    pub fn saved_at(&self) -> Option<Timestamp> {
        let Self::File(path) = self else { return None };
        let changed = fs::metadata(path).and_then(|metadata| metadata.modified()).ok()?;
        Timestamp::try_from(changed).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_in_a_file_on_standard_input_or_at_a_master() {
        assert_eq!("-".parse(), Ok(State::Input));
        for file in ["state.json", "./-", "https", "dir/state.json.gz"] {
            assert_eq!(file.parse(), Ok(State::File(file.into())));
        }
        for (url, base) in [
            ("http://10.0.0.5:5050", "http://10.0.0.5:5050/"),
            ("http://10.0.0.5:5050/state", "http://10.0.0.5:5050/"),
            ("https://mesos.example.com/mesos/master/state.json/", "https://mesos.example.com/mesos"),
        ] {
            let Ok(State::Master(settings)) = url.parse() else { panic!("{url}") };
            assert_eq!(settings.masters[0].as_str(), base);
        }
        for wrong in ["http://[::1", "10.0.0.5:5050", "zk://10.0.0.5:2181/mesos"] {
            assert!(wrong.parse::<State>().is_err(), "{wrong}");
        }
    }
}
