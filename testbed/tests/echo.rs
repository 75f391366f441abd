//! The real binaries, and a proxy before the masters that answers with the request: no log, no message, and no error of a function
//! repeats the credentials.

use crate::support::start_faulty;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use shared::contract::OutcomeAction;
use testbed::faults::Faults;
use testbed::raw::Stuck;
use testbed::{CONFIGURATION, stage};

const CREDENTIALS: &str = "reader:c4nary/of+the=Master~%3";

#[tokio::test]
async fn a_proxy_that_echoes_the_request_leaks_no_credentials() {
    for status in [400, 403, 500] {
        let drain = "scale_down_strategy = \"drain\"\nmax_scale_down_step = 1\nscale_down_window = \"0s\"";
        let configuration = CONFIGURATION
            .replace("scale_down_strategy = \"least_loaded\"", drain)
            .replace("scale_down_threshold_percent = 30", "scale_down_threshold_percent = 60");
        let faults = Faults {
            stuck_masters: vec![Stuck::Echoes { status }],
            master_credentials: Some(CREDENTIALS.to_owned()),
            ..Faults::default()
        };
        let test = format!("echo-{status}");
        let stack = start_faulty(&test, stage::binaries().unwrap(), configuration, faults).await;
        let run = stack.run().await.unwrap().remove(0);
        let sent = BASE64_STANDARD.encode(CREDENTIALS);
        let (outcome, requests) = (run.outcome, stack.stuck_masters[0].requests());
        assert!(requests.iter().any(|request| request.contains("/api/v1") && request.contains(&sent)), "{requests:?}");
        // A master that fails is not the one to ask; what one refuses is refused.
        let expected = if status < 500 { OutcomeAction::Failed } else { OutcomeAction::Draining };
        assert_eq!(outcome.action, expected, "{outcome:?}");
        assert_eq!(outcome.reason.contains(&format!("(status {status}")), status < 500, "{outcome:?}");

        assert_eq!(stack.leaks().unwrap(), []);
        stack.stop().await;
    }
}
