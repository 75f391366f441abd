//! The messages between the stages, how they are written and how they are read.
//!
//! Every message is a JSON object that starts with its `schema` and `version`. A reader looks at these two first, so
//! that a newer message is refused with the name of the stage to deploy, and not with the name of a field. Fields that a
//! reader does not know are ignored.

mod group;
mod growth;
mod latest_agent;
mod lenient;
#[cfg(feature = "schema")]
pub mod schema;
mod v1;

use std::io::{self, ErrorKind, Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use crate::text::clip;

pub use group::GroupMembers;
pub use growth::Growth;
pub use latest_agent::LatestAgent;
pub use v1::*;

/// The namespace of every id that Lambda Scale derives (UUID version 5 of `lambda-scale` in the OID namespace).
pub const NAMESPACE: Uuid = Uuid::from_u128(0x6c36_1f52_8d0e_5d0e_9a4c_5a0f_6e1b_2c77);

/// The most bytes a message may have on the wire. SNS's default limit is 256 KiB with the attributes; what is below it
/// is left for them.
pub const WIRE_BUDGET_BYTES: usize = 240 * 1024;

/// The most bytes a compressed message may unpack to: far more than any snapshot, far less than a Lambda's memory.
const MAX_UNPACKED_BYTES: u64 = 32 * 1024 * 1024;

/// The most characters that an error repeats of what a message says of itself.
const MAX_NAME_CHARS: usize = 100;

/// The attribute that says how the body is packed, and its one value.
pub const CONTENT_ENCODING: &str = "content_encoding";
/// gzip, then base64: SNS carries text only.
pub const GZIP_BASE64: &str = "gzip+base64";

/// A message between two stages.
pub trait Message: Serialize + DeserializeOwned {
    /// Its name.
    const SCHEMA: &'static str;
    /// The version this build writes, and the newest one it reads.
    const VERSION: u32;
    /// Who reads it: what to deploy first when the version rises.
    const READERS: &'static str;

    /// The SNS message attributes that subscriptions may filter by.
    fn attributes(&self) -> Vec<(&'static str, String)>;
}

/// A message ready to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The message's text.
    pub body: String,
    /// The message's attributes, `content_encoding` among them where the body is packed.
    pub attributes: Vec<(&'static str, String)>,
}

impl Encoded {
    /// Whether the body is packed.
    #[must_use]
    pub fn is_packed(&self) -> bool {
        self.attributes.iter().any(|(name, _)| *name == CONTENT_ENCODING)
    }
}

/// Why a message was not written.
#[derive(Debug, Error)]
pub enum EncodeError {
    /// It has a value that JSON has no form for.
    #[error("cannot write the {schema} as JSON")]
    Json {
        /// The message.
        schema: &'static str,
        /// What could not be written.
        source: serde_json::Error,
    },
    /// It is too large even when packed.
    #[error(
        "the {schema} has {packed_bytes} bytes packed ({plain_bytes} plain), more than the {WIRE_BUDGET_BYTES} that SNS surely carries; split the pool by attributes"
    )]
    TooLarge {
        /// The message.
        schema: &'static str,
        /// Its size as JSON.
        plain_bytes: usize,
        /// Its size as gzip + base64.
        packed_bytes: usize,
    },
}

/// Why a message was not read. None of these is mended by trying again.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// It is packed in a way this build does not know.
    #[error("the message is packed as {0:?}; this build reads plain JSON and {GZIP_BASE64:?}")]
    UnknownEncoding(String),
    /// It is not base64.
    #[error("the message says it is {GZIP_BASE64} but is not base64")]
    Base64(#[source] base64::DecodeError),
    /// It is not gzip, is cut short, or unpacks to too much.
    #[error("the message says it is {GZIP_BASE64} but does not unpack")]
    Gzip(#[source] io::Error),
    /// It unpacks to too much.
    #[error("the message unpacks to more than {MAX_UNPACKED_BYTES} bytes")]
    TooLarge,
    /// It is not a message of ours.
    #[error("the message has no schema and version")]
    NoHeader(#[source] serde_json::Error),
    /// It is another message.
    #[error("the message is a {got:?}, not a {expected}; look at the subscriptions of the topics")]
    WrongSchema {
        /// What was expected.
        expected: &'static str,
        /// What came.
        got: String,
    },
    /// It is of a version that this build does not know.
    #[error(
        "the {schema} has version {got}, this build reads versions 1 to {newest}; deploy {readers} first, then the stage before it"
    )]
    UnknownVersion {
        /// The message.
        schema: &'static str,
        /// Its version.
        got: u32,
        /// The newest version this build reads.
        newest: u32,
        /// The stage to deploy.
        readers: &'static str,
    },
    /// A field is missing or wrong.
    #[error("the {schema} of version {version} cannot be read")]
    Invalid {
        /// The message.
        schema: &'static str,
        /// Its version.
        version: u32,
        /// Which field.
        source: serde_json::Error,
    },
}

#[derive(Deserialize)]
struct Header {
    schema: String,
    version: u32,
}

/// A message with its header in front, as it is published.
#[derive(Debug, Serialize)]
pub struct WithHeader<'a, M> {
    schema: &'static str,
    version: u32,
    #[serde(flatten)]
    message: &'a M,
}

/// The message as plain JSON, header first.
///
/// # Errors
/// [`EncodeError::Json`] where a value has no JSON form.
pub fn to_json<M: Message>(message: &M) -> Result<String, EncodeError> {
    serde_json::to_string(&with_header(message)).map_err(|source| EncodeError::Json { schema: M::SCHEMA, source })
}

/// The message with its header, for those who print it among other things.
#[must_use]
pub const fn with_header<M: Message>(message: &M) -> WithHeader<'_, M> {
    WithHeader { schema: M::SCHEMA, version: M::VERSION, message }
}

/// The message as a JSON value, header included.
///
/// # Errors
/// [`EncodeError::Json`] where a value has no JSON form.
pub fn to_value<M: Message>(message: &M) -> Result<serde_json::Value, EncodeError> {
    serde_json::to_value(with_header(message)).map_err(|source| EncodeError::Json { schema: M::SCHEMA, source })
}

/// Writes a message: plain where that fits [`WIRE_BUDGET_BYTES`], so that people can read it, else packed.
///
/// # Errors
/// Where it is too large even packed, or has no JSON form.
pub fn encode<M: Message>(message: &M) -> Result<Encoded, EncodeError> {
    let plain = to_json(message)?;
    let mut attributes = message.attributes();
    if plain.len() <= WIRE_BUDGET_BYTES {
        return Ok(Encoded { body: plain, attributes });
    }
    let packed = pack(plain.as_bytes());
    if packed.len() > WIRE_BUDGET_BYTES {
        return Err(EncodeError::TooLarge { schema: M::SCHEMA, plain_bytes: plain.len(), packed_bytes: packed.len() });
    }
    attributes.push((CONTENT_ENCODING, GZIP_BASE64.to_owned()));
    Ok(Encoded { body: packed, attributes })
}

/// Reads a message: how it is packed, then its header, then the rest.
///
/// # Errors
/// [`DecodeError`]; none of them is mended by trying again.
pub fn decode<M: Message>(body: &str, content_encoding: Option<&str>) -> Result<M, DecodeError> {
    match content_encoding {
        None => decode_json(body.as_bytes()),
        Some(GZIP_BASE64) => decode_json(&unpack(body)?),
        Some(other) => Err(DecodeError::UnknownEncoding(clip(other, MAX_NAME_CHARS))),
    }
}

fn decode_json<M: Message>(json: &[u8]) -> Result<M, DecodeError> {
    let Header { schema, version } = serde_json::from_slice(json).map_err(DecodeError::NoHeader)?;
    if schema != M::SCHEMA {
        return Err(DecodeError::WrongSchema { expected: M::SCHEMA, got: clip(&schema, MAX_NAME_CHARS) });
    }
    if !(1..=M::VERSION).contains(&version) {
        return Err(DecodeError::UnknownVersion {
            schema: M::SCHEMA,
            got: version,
            newest: M::VERSION,
            readers: M::READERS,
        });
    }
    serde_json::from_slice(json).map_err(|source| DecodeError::Invalid { schema: M::SCHEMA, version, source })
}

fn pack(plain: &[u8]) -> String {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to a Vec cannot fail; were it to, what is cut short would be refused by the reader.
    let packed = gzip.write_all(plain).and_then(|()| gzip.finish()).unwrap_or_default();
    BASE64.encode(packed)
}

fn unpack(packed: &str) -> Result<Vec<u8>, DecodeError> {
    let packed = BASE64.decode(packed).map_err(DecodeError::Base64)?;
    unzip(&mut packed.as_slice())
}

/// The messages of a text of packed messages without a separator, each as JSON: raw delivery writes them so. Base64 does not
/// show where one ends, unless it is padded; gzip does.
///
/// # Errors
/// Where one of them does not unpack.
pub fn unpack_all(packed: &str) -> Result<Vec<String>, DecodeError> {
    let packed = BASE64.decode(packed).map_err(DecodeError::Base64)?;
    let (mut rest, mut messages) = (packed.as_slice(), Vec::new());
    loop {
        let message = String::from_utf8(unzip(&mut rest)?);
        messages.push(message.map_err(|error| DecodeError::Gzip(io::Error::new(ErrorKind::InvalidData, error)))?);
        if rest.is_empty() {
            return Ok(messages);
        }
    }
}

/// Unpacks one member of gzip, and leaves what follows.
fn unzip(packed: &mut &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut plain = Vec::new();
    GzDecoder::new(packed).take(MAX_UNPACKED_BYTES + 1).read_to_end(&mut plain).map_err(DecodeError::Gzip)?;
    if plain.len() as u64 > MAX_UNPACKED_BYTES { Err(DecodeError::TooLarge) } else { Ok(plain) }
}

#[cfg(test)]
mod tests;
