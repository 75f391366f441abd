//! Where a redirect may lead. A master that is not the leader answers with `Location: //leader:5050/master/state`.
//!
//! Credentials follow a redirect, so one may only lead to a master of the configuration, or to the leader that such a
//! master names; never from https to http, and never to this very machine unless the configuration says so.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;
use url::{Host, Url};

use crate::config::{Mesos, is_local_host};
use crate::text::authority;

/// Why a redirect is not followed.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum RedirectError {
    /// It does not say where to.
    #[error("it redirects without saying where to")]
    NoLocation,
    /// Its target is no URL.
    #[error("it redirects to what is no URL")]
    NotAUrl,
    /// Its target holds credentials.
    #[error("it redirects to {0} with credentials in the URL")]
    Credentials(String),
    /// Its target is not spoken to by HTTP.
    #[error("it redirects to a scheme that is not followed; only http and https are")]
    Scheme,
    /// Its target is not encrypted, and it is.
    #[error("it redirects from https to http at {0}; set up https on every master")]
    Downgrade(String),
    /// Its target is encrypted, and no master of the configuration is.
    #[error("it redirects from http to https at {0}; write the masters with https in mesos.masters")]
    Upgrade(String),
    /// Its target is this very machine, or its metadata service.
    #[error("it redirects to {0}, an address of this very machine; if it is a master, add it to mesos.masters")]
    Local(String),
    /// Its target is named by a host that is no master of the configuration.
    #[error("it is not in mesos.masters and redirects to {0}, which is not either; add it there if it is a master")]
    NotListed(String),
}

/// The URL to ask next; `path` where the redirect names none.
///
/// # Errors
/// Where the redirect may not be followed.
pub fn target(settings: &Mesos, from: &Url, location: Option<&str>, path: &str) -> Result<Url, RedirectError> {
    let location = location.ok_or(RedirectError::NoLocation)?;
    let mut to = from.join(location).map_err(|_| RedirectError::NotAUrl)?;
    if !matches!(to.scheme(), "http" | "https") {
        return Err(RedirectError::Scheme);
    }
    let host = to.host().filter(is_plain).ok_or(RedirectError::NotAUrl)?;
    let name = authority(&to);
    if !to.username().is_empty() || to.password().is_some() {
        return Err(RedirectError::Credentials(name));
    }
    match (from.scheme(), to.scheme()) {
        ("https", "http") => return Err(RedirectError::Downgrade(name)),
        // Certificate authorities are loaded only where a master is spoken to by https.
        ("http", "https") if !needs_tls(settings) => return Err(RedirectError::Upgrade(name)),
        _ => {}
    }
    if !settings.lists(&to) {
        if is_local_host(&host) {
            return Err(RedirectError::Local(name));
        }
        // The word of a leader that is not listed itself does not count.
        if !settings.lists(from) {
            return Err(RedirectError::NotListed(name));
        }
    }
    if to.path() == "/" {
        to.set_path(path);
    }
    to.set_fragment(None);
    Ok(to)
}

/// Whether a host has a name that masters can have. Another one may repeat the request with its credentials.
fn is_plain(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')),
        Host::Ipv4(_) | Host::Ipv6(_) => true,
    }
}

/// Whether a master is to be spoken to by https.
#[must_use]
pub fn needs_tls(settings: &Mesos) -> bool {
    settings.masters.iter().any(|master| master.scheme() == "https")
}

/// Looks names up, and leaves out the addresses of this very machine for names that are not in the configuration: a
/// redirect to a name must not reach what a redirect to its address may not.
#[derive(Debug)]
pub struct GuardedResolver {
    listed: Arc<[String]>,
}

impl GuardedResolver {
    /// A resolver that trusts the names of the masters.
    #[must_use]
    pub fn new(settings: &Mesos) -> Self {
        let names = settings.masters.iter().filter_map(|master| master.host_str().map(str::to_owned));
        Self { listed: names.collect() }
    }
}

/// Why a name leads to no address.
#[derive(Debug, Error)]
enum ResolveError {
    /// It does not resolve.
    #[error("cannot resolve {host}")]
    Unknown {
        /// The name.
        host: String,
        /// What the system says.
        source: io::Error,
    },
    /// All its addresses are refused.
    #[error("{0} resolves to addresses of this very machine only; if it is a master, add it to mesos.masters")]
    Local(String),
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let listed = self.listed.iter().any(|own| own.eq_ignore_ascii_case(name.as_str()));
        Box::pin(async move {
            let host = name.as_str();
            let found = tokio::net::lookup_host((host, 0)).await;
            let found = found.map_err(|source| ResolveError::Unknown { host: host.to_owned(), source })?;
            let allowed: Vec<SocketAddr> = found.filter(|address| listed || !is_local(*address)).collect();
            if allowed.is_empty() {
                return Err(ResolveError::Local(host.to_owned()).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

fn is_local(address: SocketAddr) -> bool {
    match address {
        SocketAddr::V4(address) => is_local_host(&Host::Ipv4(*address.ip())),
        SocketAddr::V6(address) => is_local_host(&Host::Ipv6(*address.ip())),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn follow(masters: &[&str], from: &str, location: &str) -> Result<String, RedirectError> {
        let settings = Mesos {
            masters: masters.iter().map(|url| Url::parse(url).unwrap()).collect(),
            credentials: None,
            ca_bundle: None,
            timeout: Duration::from_secs(1),
            max_state_bytes: 1,
            gzip: false,
        };
        target(&settings, &Url::parse(from).unwrap(), Some(location), "/state").map(String::from)
    }

    const MASTER: &str = "http://10.0.0.5:5050/state";

    #[test]
    fn a_listed_master_may_name_the_leader_in_every_form() {
        let masters = ["http://10.0.0.5:5050"];
        for (location, expected) in [
            ("//leader.example:5050/master/state", "http://leader.example:5050/master/state"),
            ("//leader.example:5050", "http://leader.example:5050/state"),
            ("http://10.0.0.6:5050/master/state", "http://10.0.0.6:5050/master/state"),
            ("/master/state", "http://10.0.0.5:5050/master/state"),
            ("master/state#x", "http://10.0.0.5:5050/master/state"),
        ] {
            assert_eq!(follow(&masters, MASTER, location).as_deref(), Ok(expected), "{location}");
        }
    }

    #[test]
    fn a_leader_that_is_not_listed_may_lead_back_to_a_listed_master_only() {
        let masters = ["http://10.0.0.5:5050"];
        let from = "http://10.0.0.9:5050/master/state";
        assert!(follow(&masters, from, "//10.0.0.5:5050/master/state").is_ok());
        assert_eq!(follow(&masters, from, "//10.0.0.6:5050/"), Err(RedirectError::NotListed("10.0.0.6:5050".into())));
        // Another port is another host.
        assert_eq!(follow(&masters, from, "//10.0.0.5:15050/"), Err(RedirectError::NotListed("10.0.0.5:15050".into())));
    }

    #[test]
    fn no_redirect_reaches_this_machine_unless_it_is_listed() {
        for location in [
            "http://169.254.169.254/latest/meta-data",
            "//127.0.0.1:5050/state",
            "//2130706433/state",
            "//[::1]:5050/state",
            "//[::ffff:169.254.169.254]/",
            "//[::ffff:10.0.0.6]:5050/",
            "//[::169.254.169.254]/",
            "//[fd00:ec2::254]/latest/meta-data",
            "//[64:ff9b::169.254.169.254]/",
            "//[64:ff9b::10.0.0.6]:5050/",
            "//[64:ff9b:1::a9fe:a9fe]/",
            "//[2002:a9fe:a9fe::]/",
            "//0.0.0.1/",
            "//localhost:5050/master/state",
            "//0.0.0.0:5050/",
        ] {
            let refused = follow(&["http://10.0.0.5:5050"], MASTER, location);
            assert!(matches!(refused, Err(RedirectError::Local(_))), "{location}: {refused:?}");
        }
        assert!(follow(&["http://10.0.0.5:5050", "http://localhost:5050"], MASTER, "//localhost:5050/state").is_ok());
    }

    #[test]
    fn schemes_are_kept() {
        let https = ["https://10.0.0.5:5050"];
        let from = "https://10.0.0.5:5050/state";
        assert_eq!(
            follow(&https, from, "http://10.0.0.5:5050/state"),
            Err(RedirectError::Downgrade("10.0.0.5:5050".into()))
        );
        assert!(follow(&https, from, "//10.0.0.6:5050/state").is_ok_and(|url| url.starts_with("https:")));
        let http = ["http://10.0.0.5:5050"];
        assert_eq!(follow(&http, MASTER, "https://10.0.0.6/"), Err(RedirectError::Upgrade("10.0.0.6".into())));
        for location in ["file:///etc/passwd", "gopher://10.0.0.5:70/", "data:,x"] {
            assert!(matches!(follow(&http, MASTER, location), Err(RedirectError::Scheme)), "{location}");
        }
    }

    #[test]
    fn a_target_that_repeats_credentials_is_no_url() {
        for location in ["//token=abc.def/", "//Basic%20bWU6c2VjcmV0/", "//bWU6c2VjcmV0Cg==:5050/master/state"] {
            assert_eq!(follow(&["http://10.0.0.5:5050"], MASTER, location), Err(RedirectError::NotAUrl), "{location}");
        }
    }

    #[test]
    fn a_target_with_credentials_is_refused_without_naming_them() {
        let refused = follow(&["http://10.0.0.5:5050"], MASTER, "//me:hunter2@10.0.0.6:5050/state").unwrap_err();
        assert_eq!(refused, RedirectError::Credentials("10.0.0.6:5050".into()));
    }
}
