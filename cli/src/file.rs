//! Files that a user names: why one cannot be read, and what to do about it.

use std::error::Error;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use shared::text::nearest;

/// A file or directory that cannot be read.
#[derive(Debug)]
pub struct FileError {
    path: PathBuf,
    cause: io::Error,
}

impl FileError {
    /// Of the file at that path.
    pub fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        |cause| Self { path: path.into(), cause }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display().to_string();
        let path = if path.is_empty() { "a file without a name" } else { &path };
        match self.cause.kind() {
            io::ErrorKind::NotFound => write!(f, "cannot read {path}: no such file; {}", hint(&self.path)),
            io::ErrorKind::IsADirectory => write!(f, "cannot read {path}: it is a directory; name a file in it"),
            io::ErrorKind::PermissionDenied => {
                write!(f, "cannot read {path}: permission denied; check who may read it")
            }
            io::ErrorKind::InvalidData => write!(f, "cannot read {path}: it is no text in UTF-8; unpack or convert it"),
            _ => write!(f, "cannot read {path}: {}", self.cause),
        }
    }
}

impl Error for FileError {}

/// The files with the nearest names, where there are any.
fn hint(path: &Path) -> String {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let Ok(entries) = fs::read_dir(directory) else {
        return format!("there is no directory {}", directory.display());
    };
    let names: Vec<String> =
        entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match nearest(&name, names.iter().map(String::as_str)).as_slice() {
        [] => "check the path".to_owned(),
        near => format!("did you mean {}?", near.join(" or ")),
    }
}

/// More than any trace or configuration has: what is larger, or has no end, is another file.
pub const MAX_BYTES: u64 = 1 << 30;

/// The text of a file.
///
/// # Errors
/// Where it cannot be read.
pub fn read(path: &Path) -> Result<String, FileError> {
    File::open(path).and_then(|file| limited(file, MAX_BYTES)).map_err(FileError::at(path))
}

/// All of a text, if it has no more bytes than that.
///
/// # Errors
/// Where it cannot be read, or has more.
pub fn limited(input: impl Read, limit: u64) -> io::Result<String> {
    let mut text = String::new();
    // One byte more tells a text that is too large from one that ends there.
    let read = input.take(limit.saturating_add(1)).read_to_string(&mut text)?;
    if u64::try_from(read).is_ok_and(|read| read <= limit) {
        Ok(text)
    } else {
        Err(io::Error::other(format!("it has more than {limit} bytes; name another file")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_end_is_not_read_to_its_end() {
        assert_eq!(limited(&b"abc"[..], 3).unwrap(), "abc");
        let endless = limited(io::repeat(b'a'), 3).unwrap_err().to_string();
        assert_eq!(endless, "it has more than 3 bytes; name another file");
    }

    #[test]
    fn a_file_that_is_not_there_is_named_with_the_nearest() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let refused = |name: &str| read(&folder.join(name)).unwrap_err().to_string();
        assert!(
            refused("Cargo.tml").ends_with("/Cargo.tml: no such file; did you mean Cargo.toml?"),
            "{}",
            refused("Cargo.tml")
        );
        assert!(refused("zzz").ends_with("/zzz: no such file; check the path"), "{}", refused("zzz"));
        assert!(refused("no/x").contains("/no/x: no such file; there is no directory "), "{}", refused("no/x"));
        assert!(refused("src").ends_with("/src: it is a directory; name a file in it"), "{}", refused("src"));
        let packed = std::env::temp_dir().join("lambda-scale-packed.csv");
        fs::write(&packed, [0x1f, 0x8b, 8, 0, 0xff]).unwrap();
        let refused = read(&packed).unwrap_err().to_string();
        fs::remove_file(packed).unwrap();
        assert!(refused.ends_with(": it is no text in UTF-8; unpack or convert it"), "{refused}");
    }
}
