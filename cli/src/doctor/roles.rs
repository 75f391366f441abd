//! What the roles of the deployed functions may do, as IAM simulates it. What the caller may do says nothing of them.

use std::collections::{BTreeMap, BTreeSet};

use aws_config::{Region, SdkConfig};
use aws_sdk_autoscaling::error::ProvideErrorMetadata as _;
use shared::aws::call::{Call, Protocol, Service};
use shared::config::{Config, Policy, Reference, ScaleDownStrategy};
use shared::error::Chain;

use super::finding::{Finding, Section};
use crate::deployed::{Deployed, Function, Stage, element, form};

const SIMULATE: Service =
    Service { name: "iam", host: "iam", operation: "SimulatePrincipalPolicy", protocol: Protocol::Query };

/// Asks IAM for each function. `groups` are the ARNs of the pools' groups.
pub(super) async fn section(sdk: &SdkConfig, config: &Config, deployed: &Deployed, groups: &[String]) -> Section {
    let mut findings = Vec::new();
    if !deployed.is_same {
        findings.push(Finding::problem("the three functions have different settings; deploy the same to all"));
    }
    let iam = global(sdk);
    let region = sdk.region().map_or("*", |region| region.as_ref());
    for (stage, function) in &deployed.functions {
        let name = stage.name();
        match denied(&iam, &function.role, &needs(*stage, function, config, groups, region)).await {
            Ok(denied) if denied.is_empty() => findings.push(Finding::ok(format!("{name} may do what it needs"))),
            Ok(denied) => findings.extend(denied.into_iter().map(|(action, resource)| {
                Finding::problem(format!(
                    "{name} may not {action} on {resource}; allow it to the role {}",
                    function.role
                ))
            })),
            Err(unknown) => findings.push(Finding::warning(format!("what {name} may do is not known: {unknown}"))),
        }
    }
    Section::new("functions", findings)
}

/// What a function needs, by resource (docs/deployment.md, Permissions).
type Needs = BTreeMap<String, BTreeSet<&'static str>>;

fn needs(stage: Stage, function: &Function, config: &Config, groups: &[String], region: &str) -> Needs {
    let mut needs = Needs::new();
    let mut add = |resources: &[String], actions: &[&'static str]| {
        for resource in resources {
            needs.entry(resource.clone()).or_default().extend(actions);
        }
    };
    let anywhere = ["*".to_owned()];
    let topics = |variable: &str| function.variable(variable).map(str::to_owned).into_iter().collect::<Vec<_>>();
    let pools = |wanted: fn(&Policy) -> bool| config.pools.iter().any(wanted);
    let finds = pools(|policy| policy.source.needs_masters());
    let terminates = pools(|policy| {
        policy.source.needs_masters() && policy.scale_down.strategy != ScaleDownStrategy::DesiredCapacity
    });
    let drains = pools(|policy| matches!(policy.scale_down.strategy, ScaleDownStrategy::Drain { .. }));
    let secrets = parameters(config, &function.role, region);
    match stage {
        Stage::Gather => {
            add(&topics("SNAPSHOT_TOPIC_ARN"), &["sns:Publish"]);
            add(&anywhere, &["autoscaling:DescribeAutoScalingGroups"]);
            if finds {
                add(&anywhere, &["ec2:DescribeInstances"]);
            }
            if pools(|policy| policy.source.cpu().is_some()) {
                add(&anywhere, &["cloudwatch:GetMetricData"]);
            }
            add(&secrets, &["ssm:GetParameter"]);
        }
        Stage::Process => add(&topics("DECISION_TOPIC_ARN"), &["sns:Publish"]),
        Stage::Scale => {
            add(&anywhere, &["autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeScalingActivities"]);
            add(&anywhere, &["autoscaling:DescribeInstanceRefreshes"]);
            add(groups, &["autoscaling:SetDesiredCapacity"]);
            add(groups, &["autoscaling:CreateOrUpdateTags", "autoscaling:DeleteTags"]);
            if terminates {
                add(&anywhere, &["ec2:DescribeInstances"]);
                add(groups, &["autoscaling:TerminateInstanceInAutoScalingGroup"]);
            }
            if drains {
                add(&secrets, &["ssm:GetParameter"]);
            }
            add(&topics("OUTCOME_TOPIC_ARN"), &["sns:Publish"]);
        }
    }
    needs
}

/// The ARNs of the parameters that the configuration refers to, in the account of a role.
fn parameters(config: &Config, role: &str, region: &str) -> Vec<String> {
    let mut parts = role.split(':').skip(1);
    let (partition, account) = (parts.next().unwrap_or("aws"), parts.nth(2).unwrap_or("*"));
    let of_mesos = config.mesos.iter().flat_map(|mesos| [&mesos.credentials, &mesos.ca_bundle]);
    let references = of_mesos.chain(config.marathon.iter().map(|marathon| &marathon.credentials)).flatten();
    let names = references.filter_map(|reference| match reference {
        Reference::Ssm(name) => Some(name.trim_start_matches('/')),
        Reference::SecretsManager(_) | Reference::Env(_) | Reference::File(_) => None,
    });
    names.map(|name| format!("arn:{partition}:ssm:{region}:{account}:parameter/{name}")).collect()
}

/// The actions that a role may not do on these resources. One that depends on tags of a request, which a simulation does not have, counts
/// as allowed.
async fn denied(sdk: &SdkConfig, role: &str, needs: &Needs) -> Result<Vec<(String, String)>, String> {
    let call = Call::new(sdk, SIMULATE).map_err(|error| error.to_string())?;
    let mut denied = Vec::new();
    for (resource, actions) in needs {
        let names: Vec<String> = (1..=actions.len()).map(|index| format!("ActionNames.member.{index}")).collect();
        let mut parameters = vec![("PolicySourceArn", role), ("ResourceArns.member.1", resource.as_str())];
        parameters.extend(names.iter().map(String::as_str).zip(actions.iter().copied()));
        let request = form("SimulatePrincipalPolicy", "2010-05-08", &parameters);
        let answer = call.send(request).await.map_err(|error| match error.code() {
            Some(code) if code.starts_with("AccessDenied") => {
                "you need the permission iam:SimulatePrincipalPolicy".to_owned()
            }
            _ => Chain::new(&error).to_string(),
        })?;
        let refused = answer.split("<EvalActionName>").skip(1).filter_map(|result| {
            let (action, rest) = result.split_once("</EvalActionName>")?;
            let is_conditional = rest.contains("<MissingContextValues><member>");
            let decision = element(rest, "EvalDecision")?;
            (decision != "allowed" && !is_conditional).then(|| (action.to_owned(), resource.clone()))
        });
        denied.extend(refused);
    }
    Ok(denied)
}

/// IAM has one endpoint in each partition, which takes signatures for one region.
fn global(sdk: &SdkConfig) -> SdkConfig {
    let region = sdk.region().map_or("", |region| region.as_ref());
    let (endpoint, home) = match region {
        region if region.starts_with("cn-") => ("https://iam.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        region if region.starts_with("us-gov-") => ("https://iam.us-gov.amazonaws.com", "us-gov-west-1"),
        _ => ("https://iam.amazonaws.com", "us-east-1"),
    };
    let builder = sdk.clone().into_builder().region(Region::from_static(home));
    if sdk.endpoint_url().is_some() { builder.build() } else { builder.endpoint_url(endpoint).build() }
}
