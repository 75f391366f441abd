//! What pools have learned, in Parameter Store: everything that can be wrong with it, and nothing that depends on it.

use cluster::{Cluster, NOON, resources};
use jiff::{SignedDuration, Timestamp};
use node_gather::growth::{History, Observation};
use node_gather::histories::{Histories, parameter_name, parse};
use shared::aws::ssm;
use shared::config::Config;
use shared::contract::Growth;
use testbed::faults::{Fault, FaultPlan, Trouble};
use testbed::moto::Moto;
use testbed::ssm::Ssm;
use testbed::{AwsError, now, sdk_config};

const STACK: &str = "lambda-scale";

/// So many pools that learn, with a horizon of three runs.
fn config(pools: usize) -> Config {
    let pool = |number| {
        format!(
            "[[pools]]\nname = \"pool {number}\"\ngroup = \"asg-{number}\"\nattributes = {{ pool = \"{number}\" }}\nlearn = 98\n"
        )
    };
    let pools: String = (0..pools).map(pool).collect();
    Config::parse(&format!("[mesos]\nmasters = [\"http://10.0.0.5:5050\"]\n{pools}")).unwrap()
}

fn name(number: usize) -> String {
    parameter_name(STACK, &format!("pool {number}"))
}

fn at(run: i64) -> Timestamp {
    NOON + SignedDuration::from_mins(run)
}

/// A function, and the store behind it.
struct World {
    ssm: Ssm,
    faults: FaultPlan,
    config: Config,
    histories: Histories,
    run: i64,
}

impl World {
    async fn new(pools: usize) -> Self {
        let faults = FaultPlan::default();
        let ssm = Ssm::start(&faults).await.unwrap();
        let config = config(pools);
        let histories = Histories::new(&config, &sdk_config(&ssm.url()), Some(STACK.to_owned())).unwrap();
        Self { ssm, faults, config, histories, run: 0 }
    }

    /// Another process takes over.
    fn start_cold(&mut self) {
        self.histories = Histories::new(&self.config, &sdk_config(&self.ssm.url()), Some(STACK.to_owned())).unwrap();
    }

    /// One run: what the snapshot of the first pool says.
    async fn run(&mut self) -> Growth {
        let now = at(self.run);
        self.run += 1;
        self.histories.read(&self.config, now).await;
        let cluster = Cluster::of(20, resources(4, 14_000)).running("/a", 20, resources(1, 1_000));
        let learn = |policy| {
            let seen = Observation::of(&cluster.snapshot(), policy, &[]).unwrap();
            self.histories.learn(policy, &seen, now).unwrap()
        };
        let growths: Vec<Growth> = self.config.pools.iter().map(learn).collect();
        self.histories.write(&self.config, now).await;
        growths[0]
    }

    async fn runs(&mut self, count: usize) -> Growth {
        let mut growth = Growth::default();
        for _ in 0..count {
            growth = self.run().await;
        }
        growth
    }

    fn problem(&self) -> Option<String> {
        self.histories.problem("pool 0")
    }

    fn calls(&self, action: &str) -> usize {
        self.ssm.calls().iter().filter(|call| call.action == action).count()
    }

    fn stored(&self) -> Option<History> {
        self.ssm.value(&name(0)).map(|text| parse(&text).unwrap())
    }

    fn refuse(&self, action: &str, code: &str, times: u32) {
        self.faults.refuse(action, AwsError::new(400, code, "no"), times);
    }
}

#[tokio::test]
async fn a_history_is_read_once_and_written_every_fifth_run() {
    let mut world = World::new(25).await;
    // A row has 4 values, so the first three runs are no samples.
    let growth = world.runs(63).await;
    assert_eq!((growth.grow, growth.samples), (Some(0), 60));
    assert_eq!(growth.demand, 40, "20 of 4 cpus, in eighths");
    // Ten names in a call.
    assert_eq!(world.calls("GetParameters"), 3);
    let written = world.ssm.names();
    assert_eq!(written.len(), 25);
    assert_eq!(written[0], "/lambda-scale/lambda-scale/pool_200");
    let writes = world.calls("PutParameter");
    assert!((25 * 12..=25 * 13).contains(&writes), "{writes}");
    // In no run all at once.
    let names: Vec<String> =
        world.ssm.calls().iter().filter_map(|call| Some(call.json["Name"].as_str()?.to_owned())).collect();
    assert!(
        names.windows(13).all(|some| some.iter().collect::<std::collections::BTreeSet<_>>().len() == 13),
        "{names:?}"
    );
    let call = world.ssm.calls().into_iter().rfind(|call| call.action == "PutParameter").unwrap();
    assert_eq!((call.json["Type"].as_str(), call.json["Overwrite"].as_bool()), (Some("String"), Some(true)));
    assert!(world.problem().is_none());
}

#[tokio::test]
async fn a_cold_start_loses_the_row_and_at_most_four_samples() {
    let mut world = World::new(1).await;
    let mut samples = 0;
    for warm in 60..70 {
        let before = world.runs(warm).await.samples;
        world.start_cold();
        samples = world.run().await.samples;
        assert!(samples + 4 >= before, "{before} {samples}");
        assert!(world.problem().is_none());
    }
    assert!(samples > 500);
}

#[tokio::test]
async fn a_lost_history_starts_anew() {
    let mut world = World::new(1).await;
    world.runs(70).await;
    world.ssm.delete(&name(0));
    // A function that runs writes it again; a cold start knows nothing.
    assert_eq!(world.runs(5).await.grow, Some(0));
    assert!(world.stored().is_some());
    world.ssm.delete(&name(0));
    world.start_cold();
    let growth = world.run().await;
    assert_eq!((growth.grow, growth.samples, growth.demand), (None, 0, 40));
    assert_eq!(world.runs(63).await.grow, Some(0));
}

#[tokio::test]
async fn a_corrupt_or_large_history_is_reported_and_overwritten() {
    for text in ["{", "", "[1,2]", "{\"version\":1,\"row\":[]}", &"0".repeat(4096)] {
        let mut world = World::new(1).await;
        world.ssm.put_text(&name(0), text);
        let growth = world.run().await;
        assert_eq!((growth.grow, growth.samples), (None, 0));
        let was_written = world.calls("PutParameter") > 0;
        assert!(was_written || world.problem().unwrap().contains("starts anew"), "{:?}", world.problem());
        world.runs(5).await;
        assert!(world.problem().is_none());
        assert!(world.stored().is_some(), "{text:?} is overwritten");
        assert_eq!(world.calls("GetParameters"), 1);
    }
}

#[tokio::test]
async fn a_history_that_may_not_be_read_is_unknown_and_not_overwritten() {
    let mut world = World::new(1).await;
    world.runs(80).await;
    let stored = world.ssm.value(&name(0)).unwrap();
    world.start_cold();
    world.refuse("GetParameters", "AccessDeniedException", 12);
    let growth = world.runs(12).await;
    assert_eq!((growth.grow, growth.samples, growth.demand), (None, 0, 40), "each run tries again");
    let problem = world.problem().unwrap();
    assert!(problem.contains("AccessDeniedException") && problem.contains("ssm:GetParameters"), "{problem}");
    assert_eq!(world.ssm.value(&name(0)).unwrap(), stored);
    // It is allowed again: nothing was lost.
    let growth = world.run().await;
    assert!(growth.samples >= 70 && growth.grow == Some(0), "{growth:?}");
    assert!(world.problem().is_none());
}

#[tokio::test]
async fn a_history_that_is_out_of_reach_is_unknown_for_now() {
    let mut world = World::new(1).await;
    world.runs(80).await;
    world.start_cold();
    // No answer: a run waits for three seconds, and goes on.
    world.faults.add(Fault::of("GetParameters", Trouble::HangsBefore));
    let begun = now();
    assert_eq!(world.run().await.grow, None);
    assert!(now().duration_since(begun).as_secs() < 5);
    assert!(world.problem().unwrap().contains("did not answer within 3000 ms"));
    assert_eq!(world.run().await.grow, Some(0));
    // No connection.
    world.start_cold();
    world.ssm.stop();
    assert_eq!(world.run().await.grow, None);
    assert!(world.problem().unwrap().contains("GetParameters failed"));
}

#[tokio::test]
async fn half_an_answer_is_none() {
    let mut world = World::new(1).await;
    world.runs(80).await;
    let stored = world.ssm.value(&name(0)).unwrap();
    world.start_cold();
    world.faults.add(Fault::of("GetParameters", Trouble::AnswerCut(60)));
    assert_eq!(world.run().await.grow, None);
    assert!(world.problem().is_some());
    assert_eq!(world.ssm.value(&name(0)).unwrap(), stored);
    assert_eq!(world.run().await.grow, Some(0));
}

#[tokio::test]
async fn a_history_of_days_ago_holds_its_counters() {
    let mut world = World::new(1).await;
    let before = world.runs(200).await;
    world.start_cold();
    world.run += 3 * 24 * 60;
    let after = world.run().await;
    assert_eq!(after.grow, Some(0));
    assert!(before.samples - after.samples <= 4);
    // Its row does not: the next three runs are no samples.
    assert_eq!(world.runs(2).await.samples, after.samples);
    assert_eq!(world.run().await.samples, after.samples + 1);
}

#[tokio::test]
async fn a_history_of_a_newer_release_is_kept() {
    let mut world = World::new(1).await;
    let newer = "{\"version\":2,\"what\":\"ever\"}";
    world.ssm.put_text(&name(0), newer);
    assert_eq!(world.runs(70).await.grow, None);
    let problem = world.problem().unwrap();
    assert!(problem.contains("version 2") && problem.contains("delete the parameter"), "{problem}");
    assert_eq!((world.ssm.value(&name(0)).unwrap().as_str(), world.calls("PutParameter")), (newer, 0));
    // What the advice says ends it.
    world.ssm.delete(&name(0));
    assert_eq!(world.runs(64).await.grow, Some(0));
    assert!(world.problem().is_none() && world.stored().is_some());
}

#[tokio::test]
async fn a_label_on_the_oldest_version_is_named() {
    let mut world = World::new(1).await;
    world.runs(70).await;
    world.ssm.label_oldest(&name(0));
    let growth = world.runs(10).await;
    assert_eq!((growth.grow, growth.samples), (Some(0), 77), "learning goes on");
    let problem = world.problem().unwrap();
    assert!(problem.contains("ParameterMaxVersionLimitExceeded") && problem.contains("delete the label"), "{problem}");
    assert!(problem.contains(&name(0)), "{problem}");
    world.ssm.delete(&name(0));
    world.runs(5).await;
    assert!(world.problem().is_none());
}

#[tokio::test]
async fn a_write_is_tried_once_and_made_up_for() {
    for code in ["InternalServerError", "ThrottlingException", "AccessDeniedException", "TooManyUpdates"] {
        let mut world = World::new(1).await;
        world.runs(10).await;
        let before = world.calls("PutParameter");
        world.refuse("PutParameter", code, 1);
        let mut run = 0;
        while world.calls("PutParameter") == before {
            world.run().await;
            run += 1;
        }
        assert_eq!(world.calls("PutParameter"), before + 1, "{code}");
        assert!(run <= 6 && world.problem().unwrap().contains(code), "{:?}", world.problem());
        world.runs(5).await;
        assert!(world.problem().is_none() && world.calls("PutParameter") > before + 1);
    }
}

#[tokio::test]
async fn without_the_name_of_the_stack_a_pool_learns_until_the_next_cold_start() {
    let config = config(1);
    let histories = Histories::default();
    histories.read(&config, NOON).await;
    assert!(histories.problem("pool 0").unwrap().contains("LAMBDA_SCALE_STACK"));
    let cluster = Cluster::of(20, resources(4, 14_000)).running("/a", 20, resources(1, 1_000));
    let seen = Observation::of(&cluster.snapshot(), &config.pools[0], &[]).unwrap();
    let learned = |run| histories.learn(&config.pools[0], &seen, at(run)).unwrap();
    assert_eq!((0..63).map(learned).last().unwrap().grow, Some(0));
    histories.write(&config, at(63)).await;
}

#[tokio::test]
async fn a_pool_that_does_not_learn_asks_for_nothing() {
    let ssm = Ssm::start(&FaultPlan::default()).await.unwrap();
    let config = "[mesos]\nmasters = [\"http://10.0.0.5:5050\"]\n[[pools]]\nname = \"a\"\ngroup = \"b\"\n";
    let config = Config::parse(config).unwrap();
    let histories = Histories::new(&config, &sdk_config(&ssm.url()), Some(STACK.to_owned())).unwrap();
    histories.read(&config, NOON).await;
    histories.write(&config, NOON).await;
    assert_eq!((ssm.call_count(), histories.problem("a")), (0, None));
}

#[tokio::test]
async fn an_independent_store_takes_the_calls_about_histories() {
    let Some(moto) = Moto::start().await.unwrap() else { return };
    let client = ssm::Client::new(&sdk_config(&moto.url())).unwrap();
    let names = [parameter_name(STACK, "a pool/with: odd_name"), parameter_name(STACK, "none")];
    assert!(client.get(&names).await.unwrap().is_empty());
    for value in [History::default().to_json(), "{}".to_owned()] {
        client.put(&names[0], &value).await.unwrap();
        let found = client.get(&names).await.unwrap();
        assert_eq!((found.len(), &found[&names[0]]), (1, &value));
    }
    let eleven: Vec<String> = (0..11).map(|number| parameter_name(STACK, &number.to_string())).collect();
    assert!(client.get(&eleven).await.is_err(), "ten at most");
}
