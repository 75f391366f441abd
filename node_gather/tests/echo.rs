//! Servers that answer with the request, its credentials included: no error and no reason repeats them.

use std::fmt::Debug;
use std::time::Duration;

use crate::support::{RawServer, settings};
use cluster::NOON;
use node_gather::marathon;
use node_gather::mesos::client::Client;
use node_gather::summarize::ClusterState;
use secrecy::SecretString;
use shared::config::{Marathon, Mesos};
use shared::error::Chain;
use testbed::raw::ECHOES;

/// Credentials, and what none of the texts may contain: the secret, and the secret as it is sent.
const CREDENTIALS: [(&str, [&str; 2]); 2] = [
    ("reader:canary-5ecret", ["canary-5ecret", "cmvhzgvyomnhbmfyes01zwnyzxq"]),
    ("token:canary-5ecret", ["canary-5ecret"; 2]),
];

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn has_no(secrets: [&str; 2], echo: &str, texts: &[&dyn Debug]) {
    for text in texts.iter().map(|text| format!("{text:?}").to_lowercase()) {
        assert!(secrets.iter().all(|secret| !text.contains(secret)), "{echo:?}: {text}");
    }
}

#[test]
fn no_error_of_a_master_repeats_credentials() {
    for (credentials, secrets) in CREDENTIALS {
        for echo in ECHOES {
            let master = RawServer::echoing(echo).unwrap();
            let settings = Mesos { timeout: Duration::from_secs(5), ..settings(&[master.url()]) };
            let client = Client::new(settings, Some(&SecretString::from(credentials)), None).unwrap();
            let error = block_on(client.fetch(|| ClusterState::new(&[]))).unwrap_err();
            has_no(secrets, echo, &[&error, &Chain::new(&error).to_string()]);
            assert!(master.requests()[0].to_lowercase().contains(secrets[1]), "{:?}", master.requests());
        }
    }
}

#[test]
fn no_reason_of_marathon_repeats_credentials() {
    for (credentials, secrets) in CREDENTIALS {
        for echo in ECHOES {
            let server = RawServer::echoing(echo).unwrap();
            let settings = Marathon { urls: vec![server.url().parse().unwrap()], credentials: None };
            let secret = SecretString::from(credentials);
            let client = marathon::client::Client::new(&settings, Some(&secret), None).unwrap();
            let (queue, limits) = block_on(async { (client.queue().await, client.definitions(NOON).await) });
            has_no(secrets, echo, &[&queue, &limits]);
            assert!(server.requests()[0].to_lowercase().contains(secrets[1]), "{:?}", server.requests());
        }
    }
}
