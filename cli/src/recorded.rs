//! Recorded messages: what `RecordSnapshots` writes to a bucket, after `aws s3 sync` (docs/operations.md, Recording).
//!
//! [`read`] yields the messages of one kind in a directory, such as every [`ClusterSnapshot`], one at a time. What is in a file is
//! [`records`]' to say, which does no IO of its own.

pub mod records;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use shared::contract::{ClusterSnapshot, Message, ScalingDecision};
use thiserror::Error;
use uuid::Uuid;

use crate::file::FileError;
use crate::saved::unzipped;
use records::{RecordError, Records};

/// A message that says which one it is: SNS delivers some twice.
pub trait Identified: Message {
    /// The same for every delivery of the message.
    fn id(&self) -> Uuid;
}

impl Identified for ClusterSnapshot {
    fn id(&self) -> Uuid {
        self.id
    }
}

impl Identified for ScalingDecision {
    fn id(&self) -> Uuid {
        self.id
    }
}

/// Why a recording cannot be read.
#[derive(Debug, Error)]
pub enum RecordedError {
    /// A file or directory cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A record in it cannot be read.
    #[error("{}, record {number}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Which record of the file, from 1.
        number: u64,
        /// Why.
        source: RecordError,
    },
}

/// Visits every message of one kind in the files of a directory and those below it, or in one file: each message once, in the
/// order of the names of the files. Messages of other kinds are passed over. Memory holds one record at a time, and the ids.
///
/// # Errors
/// Where a file cannot be read, or has a record that is broken.
pub fn read<M: Identified>(path: &Path, mut visit: impl FnMut(M)) -> Result<(), RecordedError> {
    let mut seen = HashSet::new();
    for path in files(path)? {
        let input = File::open(&path).and_then(unzipped).map_err(FileError::at(&path))?;
        let mut records = Records::new(input);
        loop {
            let messages = records.next().and_then(|record| record.map(records::messages).transpose());
            let broken = |source| RecordedError::Record { path: path.clone(), number: records.number(), source };
            let Some(messages) = messages.map_err(broken)? else { break };
            for message in messages {
                if seen.insert(M::id(&message)) {
                    visit(message);
                }
            }
        }
    }
    Ok(())
}

/// The files below a directory in the order of their names, which is that of time; hidden ones are no recordings.
fn files(path: &Path) -> Result<Vec<PathBuf>, RecordedError> {
    if !fs::metadata(path).map_err(FileError::at(path))?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries: Result<Vec<_>, io::Error> = fs::read_dir(path).and_then(Iterator::collect);
    let mut entries = entries.map_err(FileError::at(path))?;
    entries.retain(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."));
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut found = Vec::new();
    for entry in entries {
        found.extend(files(&entry.path())?);
    }
    Ok(found)
}
