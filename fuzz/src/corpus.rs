//! The inputs to start from.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::Target;

/// Larger files would take most of the time.
const MAX_BYTES: u64 = 50_000;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The inputs of a target, its own and those that it borrows, by name.
///
/// # Errors
/// Where a folder or a file cannot be read.
pub fn load(target: &Target) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut paths = Vec::new();
    find(&Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name), "", &mut paths)?;
    for (folder, ending) in target.borrowed {
        find(&root().join(folder), ending, &mut paths)?;
    }
    paths.sort();
    paths.into_iter().map(|path| fs::read(&path).map(|bytes| (path, bytes))).collect()
}

fn find(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            find(&entry.path(), ending, found)?;
        } else if entry.file_name().to_string_lossy().ends_with(ending) && entry.metadata()?.len() <= MAX_BYTES {
            found.push(entry.path());
        }
    }
    Ok(())
}
