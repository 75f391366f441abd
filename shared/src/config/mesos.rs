//! Where the state of the cluster is read: the masters, and Marathon.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use toml::Value;
use url::{Host, Url};

use super::reader::{Section, Setting, instead_of};
use super::reference::{Reference, Secret};
use super::values::{BaseUrl, Bytes, MINUTE, Span};

/// Where and how the cluster's state is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Mesos {
    /// The masters, also the allow-list for redirects. At least one; http or https, with a host, without credentials.
    pub masters: Vec<Url>,
    /// Where the credentials are kept.
    pub credentials: Option<Reference>,
    /// A PEM file with the certificate authorities that vouch for the masters.
    pub ca_bundle: Option<Reference>,
    /// For the whole read of /state, all masters and redirects included.
    pub timeout: Duration,
    /// The most decoded bytes that are read.
    pub max_state_bytes: u64,
    /// Whether to ask the master to compress.
    pub gzip: bool,
}

impl Mesos {
    /// Whether one of the masters has this host and port.
    #[must_use]
    pub fn lists(&self, url: &Url) -> bool {
        self.masters
            .iter()
            .any(|master| master.host() == url.host() && master.port_or_known_default() == url.port_or_known_default())
    }
}

/// Marathon, the second source: it knows of instances that wait for room, which no master does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marathon {
    /// Where it answers, at least one URL: http or https, with a host, without credentials. Several are of the same Marathon.
    pub urls: Vec<Url>,
    /// Where its credentials are kept.
    pub credentials: Option<Reference>,
}

/// Whether an address of that host leads to this very machine or to its metadata service, or may do so: an IPv6 address that
/// embeds one of IPv4 is translated by the network, who knows where to.
#[must_use]
pub fn is_local_host(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost")
        }
        Host::Ipv4(ip) => is_local_v4(*ip),
        Host::Ipv6(ip) => is_local_v6(*ip),
    }
}

/// Loopback, link-local (metadata, credentials of containers), and this network: 0.0.0.0/8.
const fn is_local_v4(ip: Ipv4Addr) -> bool {
    ip.is_loopback() || ip.is_link_local() || ip.octets()[0] == 0
}

/// Loopback, link-local, AWS's own services on instances (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html>),
/// and all forms that embed an IPv4 address (RFC 4291, 6052, 8215, 3056, 4380).
const fn is_local_v6(ip: Ipv6Addr) -> bool {
    match ip.segments() {
        // ::, ::1, ::a.b.c.d, ::ffff:a.b.c.d, ::ffff:0:a.b.c.d
        [0, 0, 0, 0, 0, 0 | 0xffff, _, _] | [0, 0, 0, 0, 0xffff, 0, _, _] => true,
        // fd00:ec2::254
        [0xfd00, 0x0ec2, ..] => true,
        // 64:ff9b::/96, 64:ff9b:1::/48
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] | [0x64, 0xff9b, 1, ..] => true,
        // 6to4, Teredo
        [0x2002, ..] | [0x2001, 0, ..] => true,
        _ => ip.is_unicast_link_local(),
    }
}

pub(super) fn mesos(top: &mut Section<'_>) -> Option<Mesos> {
    let Some(mut section) = top.section("mesos", r#"{ masters = ["http://10.0.0.5:5050"] }"#) else {
        if !top.table().contains_key("mesos") {
            top.missing("mesos.masters", "a list", &format!("[{}]", BaseUrl::MASTER.example));
        }
        return None;
    };
    if !section.table().contains_key("masters") {
        section.missing("masters", "a list", &format!("[{}]", BaseUrl::MASTER.example));
    }
    let masters = urls(&mut section, "masters", BaseUrl::MASTER);
    let credentials = section.optional("credentials").map(|Secret(reference)| reference);
    let ca_bundle = section.optional("ca_bundle");
    // A Lambda function runs for at most 15 minutes.
    let default = Duration::from_secs(20);
    let timeout = Span::between(Duration::from_secs(1), 15 * MINUTE, default);
    let timeout = timeout.read(&mut section, "timeout").unwrap_or(default);
    let Bytes(max_state_bytes) = section.or("max_state_bytes", Bytes(4 << 30));
    if max_state_bytes == 0 {
        section.wrong("max_state_bytes", "more than 0", r#""4GiB""#);
    }
    let gzip = section.or("gzip", false);
    section.finish();
    Some(Mesos { masters, credentials, ca_bundle, timeout, max_state_bytes, gzip })
}

pub(super) fn marathon(top: &mut Section<'_>) -> Option<Marathon> {
    let mut section = top.section("marathon", r#"{ url = "http://10.0.0.5:8080" }"#)?;
    let BaseUrl { expected, example, .. } = BaseUrl::MARATHON;
    let urls = match section.table().get("url") {
        None => {
            section.missing("url", expected, example);
            // Known also where it is missing.
            section.value("url");
            Vec::new()
        }
        Some(Value::Array(_)) => urls(&mut section, "url", BaseUrl::MARATHON),
        Some(_) => {
            let text = section.read("url", String::read, |_| (expected.to_owned(), example.to_owned()));
            let parsed = text.map(|text| BaseUrl::MARATHON.parse(&text));
            if let Some(Err(problem)) = &parsed {
                section.problem("url", problem.as_str());
            }
            parsed.and_then(Result::ok).into_iter().collect()
        }
    };
    let credentials = section.optional("credentials").map(|Secret(reference)| reference);
    section.finish();
    (!urls.is_empty()).then_some(Marathon { urls, credentials })
}

/// The URLs of a list, of which there must be one at least.
fn urls(section: &mut Section<'_>, key: &'static str, kind: BaseUrl) -> Vec<Url> {
    let texts = section.list(key, kind.example).unwrap_or_default();
    if matches!(section.table().get(key), Some(Value::Array(list)) if list.is_empty()) {
        section.problem(key, instead_of("an empty list", "at least one URL", &format!("[{}]", kind.example)));
    }
    let mut urls = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        match kind.parse(text) {
            Ok(url) => urls.push(url),
            Err(problem) => section.problem(&format!("{key}[{index}]"), problem),
        }
    }
    urls
}
