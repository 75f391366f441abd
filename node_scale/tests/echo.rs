//! A master behind a proxy that answers with the request: no outcome and no error repeats its credentials.

use node_scale::masters::{Masters, OperatorError};
use node_scale::plan::{AgentCall, AgentStep};
use secrecy::SecretString;
use shared::config::Config;
use shared::error::Chain;
use testbed::raw::{ECHOES, RawServer};

/// What one call about an agent comes to.
async fn call(master: &RawServer, credentials: Option<&str>) -> Result<(), OperatorError> {
    let config = format!(
        "[mesos]\nmasters = [\"{}\"]\ntimeout = \"5s\"\n[[pools]]\nname = \"a\"\ngroup = \"b\"\n",
        master.url()
    );
    let mesos = Config::parse(&config).unwrap().mesos.unwrap();
    let credentials = credentials.map(SecretString::from);
    let masters = Masters::new(mesos, credentials.as_ref(), None).unwrap();
    let (agent_id, hostname, instance_id) = ("S1".to_owned(), "host-1".to_owned(), "i-1".to_owned());
    masters.call(&AgentStep { call: AgentCall::Deactivate, agent_id, hostname, instance_id }).await
}

#[tokio::test]
async fn no_error_of_a_call_repeats_credentials() {
    for (credentials, secrets) in [
        ("reader:canary-5ecret", ["canary-5ecret", "cmvhzgvyomnhbmfyes01zwnyzxq"]),
        ("token:canary-5ecret", ["canary-5ecret"; 2]),
    ] {
        let mut failures = 0;
        for echo in ECHOES {
            let master = RawServer::echoing(echo).unwrap();
            // What answers with 200 has made the call.
            let Err(error) = call(&master, Some(credentials)).await else { continue };
            failures += 1;
            for text in [format!("{error:?}").to_lowercase(), Chain::new(&error).to_string().to_lowercase()] {
                assert!(secrets.iter().all(|secret| !text.contains(secret)), "{echo:?}: {text}");
            }
            assert!(master.requests()[0].to_lowercase().contains(secrets[1]), "{:?}", master.requests());
        }
        assert!(failures >= 11, "{failures}");
    }
}

#[tokio::test]
async fn a_refusal_without_credentials_says_what_the_master_says() {
    let master = RawServer::with(&b"HTTP/1.1 400 Bad Request\r\n\r\nUnknown agent\x1b[31m S1"[..]).unwrap();
    let error = call(&master, None).await.unwrap_err();
    assert!(!error.concerns_every_agent());
    let told = "the agent may be gone, or in a state that allows no such call): Unknown agent[31m S1";
    assert!(error.to_string().ends_with(told), "{error}");
}
