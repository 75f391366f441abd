//! Secrets that are planted wherever a function or a command can read one, and the search for them in all that it writes.

use std::fmt;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};

/// The secret key of the functions' role. Like all of them it has characters that URLs encode.
pub const AWS_SECRET_KEY: &str = "c4nary/of+the=secret~Key%1";
/// The token of their session.
pub const AWS_SESSION_TOKEN: &str = "c4nary/of+the=Session~token%2";

/// Secrets in each form in which a text may hold them: as they are, URL-encoded, or anywhere within base64.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    forms: Vec<Form>,
}

/// One form of a secret, in lower case: headers and hosts are written so.
#[derive(Clone, Debug)]
struct Form {
    of: &'static str,
    kind: &'static str,
    text: String,
}

/// A secret where none belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// Where it was found.
    pub place: String,
    /// Which secret, and in which form.
    pub what: String,
    /// What stands around it.
    pub context: String,
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} holds {}: ...{}...", self.place, self.what, self.context)
    }
}

impl Secrets {
    /// The credentials that each stage and each command of a test has.
    #[must_use]
    pub fn of_aws() -> Self {
        Self::default().with("the AWS secret key", AWS_SECRET_KEY).with("the AWS session token", AWS_SESSION_TOKEN)
    }

    /// One more. Without a colon it is one secret; of `principal:secret` the secret is looked for, and the whole as it is sent.
    #[must_use]
    pub fn with(mut self, of: &'static str, secret: &str) -> Self {
        let mut add = |kind, text: &str| self.forms.push(Form { of, kind, text: text.to_lowercase() });
        let password = secret.split_once(':').map(|(_, password)| password);
        if password.is_some() {
            add("base64, as it is sent", &BASE64_STANDARD_NO_PAD.encode(secret));
        }
        let secret = password.unwrap_or(secret);
        add("as it is", secret);
        within_base64(secret).iter().for_each(|text| add("base64", text));
        self
    }

    /// The first of them that a text has.
    #[must_use]
    pub fn find(&self, place: &str, text: &str) -> Option<Leak> {
        let plain = text.to_lowercase();
        let decoded = url_decoded(&plain);
        let of = |(kind, text): (&'static str, &str)| {
            self.forms.iter().find_map(|form| {
                let at = text.find(&form.text)?;
                let before = text.get(..at).unwrap_or_default().chars().rev().take(80).collect::<String>();
                let context: String = before.chars().rev().chain(text.get(at..)?.chars().take(120)).collect();
                Some(Leak { place: place.to_owned(), what: format!("{}, {}{kind}", form.of, form.kind), context })
            })
        };
        [("", plain.as_str()), (", URL-encoded", &decoded)].into_iter().find_map(of)
    }
}

/// What base64 shows of a secret wherever it stands in what is encoded: each of its three alignments, in both alphabets.
fn within_base64(secret: &str) -> Vec<String> {
    let cut = |encoded: String, before: usize| -> String {
        // A character has six bits: those that share bits with what stands before or after are left out.
        let (from, to) = ((before * 8).div_ceil(6), (before + secret.len()) * 8 / 6);
        encoded.chars().take(to).skip(from).collect()
    };
    let aligned = |before: usize| {
        let bytes = [vec![0; before].as_slice(), secret.as_bytes()].concat();
        [BASE64_STANDARD_NO_PAD.encode(&bytes), BASE64_URL_SAFE_NO_PAD.encode(&bytes)]
            .map(|encoded| cut(encoded, before))
    };
    (0..3).flat_map(aligned).collect()
}

/// The text with `%2F` and the like as what they stand for.
fn url_decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let byte = part.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (byte, part.get(2..)) {
            (Some(byte), Some(rest)) => {
                decoded.push(byte);
                decoded.extend(rest.as_bytes());
            }
            _ => {
                decoded.push(b'%');
                decoded.extend(part.as_bytes());
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};

    use super::*;

    const SECRET: &str = "c4nary/of+a~Test=%3";

    #[test]
    fn a_secret_is_found_in_every_form_and_alignment() {
        let secrets = Secrets::of_aws().with("the password", &format!("reader:{SECRET}"));
        let encoded: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
        let mut url = url::Url::parse("http://10.0.0.5").unwrap();
        url.set_password(Some(SECRET)).unwrap();
        url.set_query(Some(SECRET));
        let mut texts =
            vec![SECRET.to_owned(), SECRET.to_uppercase(), encoded.to_lowercase(), encoded, url.to_string()];
        for before in ["", "a", "ab", "abc", "reader:", "{\"a\":\""] {
            for after in ["", "\"", "\"}", " and more"] {
                let text = format!("{before}{SECRET}{after}");
                texts.extend([BASE64_STANDARD.encode(&text), BASE64_URL_SAFE.encode(&text)]);
            }
        }
        for text in &texts {
            let leak =
                secrets.find("here", &format!("a failure: {text}, try again")).unwrap_or_else(|| panic!("{text}"));
            assert!(leak.what.starts_with("the password, "), "{leak}");
        }
        for text in ["", "c4nary", "%", "%2", "100%", "%zz", "größe %C3%A4", "the secret key"] {
            assert_eq!(secrets.find("here", text), None);
        }
        assert_eq!(secrets.find("log", AWS_SESSION_TOKEN).unwrap().what, "the AWS session token, as it is");
    }
}
