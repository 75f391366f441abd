//! The calls of node_scale against moto, an AWS that other people wrote.

use std::net::IpAddr;

use node_scale::group_tags::TagChange;
use node_scale::{ec2, group};
use testbed::moto::{Moto, element};
use testbed::now;

const GROUP: &str = "mesos-workers";

#[tokio::test]
async fn an_independent_aws_takes_the_calls_of_node_scale() {
    let Some(moto) = Moto::start().await.unwrap() else { return };
    moto.create_group(GROUP, 3).await.unwrap();
    let sdk = testbed::sdk_config(&moto.url());
    let client = aws_sdk_autoscaling::Client::new(&sdk);

    let tag = TagChange::decommission("i-0123456789abcdef0", now());
    let TagChange::Set { key, value } = &tag else { panic!() };
    group::write_tags(&client, GROUP, std::slice::from_ref(&tag)).await.unwrap();
    let described = group::group(&client, GROUP).await.unwrap().unwrap();
    assert!(described.tags.iter().any(|tag| tag.key == *key && tag.value == *value), "{:?}", described.tags);
    group::write_tags(&client, GROUP, &[TagChange::end_decommission("i-0123456789abcdef0")]).await.unwrap();
    let described = group::group(&client, GROUP).await.unwrap().unwrap();
    assert!(!described.tags.iter().any(|tag| tag.key == *key));

    let victim = described.instances[1].instance_id.clone();
    let ec2 = ec2::Client::new(&sdk);
    let ip: IpAddr = element(
        &moto.call("ec2", "DescribeInstances", &[("InstanceId.1", victim.as_str())]).await.unwrap(),
        "privateIpAddress",
    )
    .unwrap()
    .parse()
    .unwrap();
    let other = IpAddr::from([192, 0, 2, 1]);
    let found = ec2.addresses(GROUP, &[ip, other]).await.unwrap();
    assert_eq!(found[&ip], [victim.clone()].into());
    assert!(found[&other].is_empty());

    group::terminate(&client, GROUP, &victim).await.unwrap();
    let described = group::group(&client, GROUP).await.unwrap().unwrap();
    assert_eq!(described.desired_capacity, 2);
    assert!(described.instances.iter().all(|instance| instance.instance_id != victim));
    assert!(group::group(&client, "another").await.unwrap().is_none());
}
