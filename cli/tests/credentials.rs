//! Where credentials come from, and what a command says and still shows without them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Account, told};
use testbed::account::Account as Credentials;
use testbed::secrets::{AWS_SECRET_KEY, AWS_SESSION_TOKEN};
use tokio::process::Command;

const ATTRIBUTES: &str = r#"asg = "workers""#;
/// The names of the files in which `aws sso login` and `aws login` keep what they got: digests of the session.
const SSO_CACHE: &str = ".aws/sso/cache/939bb46a04c3640c8c427e92b1b557e882e2d2a0.json";
const LOGIN_CACHE: &str = ".aws/login/cache/05d4293b920f9332873333ef86001c397e826748e69c2ddcd0f661ed93f13355.json";
const USER: &str = "arn:aws:iam::123456789012:user/operator";

/// A home of one test with these files.
fn home(test: &str, files: &[(&str, &str)]) -> PathBuf {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("home-{test}"));
    drop(fs::remove_dir_all(&home));
    fs::create_dir_all(&home).unwrap();
    for (name, content) in files {
        let path = home.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    home
}

/// The command without the keys of its surroundings, but with that home.
fn without_keys(account: &Account, arguments: &[&str], home: &Path) -> Command {
    let mut command = account.command(arguments);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").env_remove("AWS_REGION");
    command.env_remove("AWS_SESSION_TOKEN");
    command.env("HOME", home).env("AWS_EC2_METADATA_DISABLED", "true").env("PATH", "/usr/bin:/bin");
    command
}

#[tokio::test]
async fn credentials_come_from_wherever_aws_tools_take_them() {
    let account = Account::start("sources").await;
    let sources = Credentials::start(&account.faults).await.unwrap();
    let config = account.config("", ATTRIBUTES, "");
    let process = format!(r#"{{"Version": 1, "AccessKeyId": "process", "SecretAccessKey": "{AWS_SECRET_KEY}"}}"#);
    let keys = format!(
        r#""accessKeyId": "login", "secretAccessKey": "{AWS_SECRET_KEY}", "sessionToken": "{AWS_SESSION_TOKEN}""#
    );
    let login = format!(
        r#"{{"accessToken": {{{keys}, "accountId": "123456789012", "expiresAt": "2099-01-01T00:00:00Z"}}, "tokenType": "aws_sigv4",
        "refreshToken": "r", "clientId": "arn:aws:signin:::devtools/same-device", "dpopKey": "none"}}"#
    );
    let token = r#"{"accessToken": "t", "expiresAt": "2099-01-01T00:00:00Z", "region": "us-east-1", "startUrl": "https://a.example"}"#;
    let home = home("sources", &[("process.json", &process), (SSO_CACHE, token), (LOGIN_CACHE, &login)]);
    let profiles = format!(
        "[profile keys]\nregion = us-east-1\naws_access_key_id = keys\naws_secret_access_key = {AWS_SECRET_KEY}\n\
         [profile process]\nregion = us-east-1\ncredential_process = cat {home}/process.json\n\
         [profile assumed]\nregion = us-east-1\nrole_arn = arn:aws:iam::123456789012:role/operator\nsource_profile = keys\n\
         [profile sso]\nregion = us-east-1\nsso_session = local\nsso_account_id = 123456789012\nsso_role_name = operator\n\
         [sso-session local]\nsso_region = us-east-1\nsso_start_url = https://a.example\n\
         [profile login]\nregion = us-east-1\nlogin_session = {USER}\n",
        home = home.display()
    );
    fs::write(home.join(".aws/config"), profiles).unwrap();
    let from = |name: &str| ("AWS_PROFILE", name.to_owned());
    let container = format!("{}/container", sources.url());
    for (key, variable) in [
        ("keys", from("keys")),
        ("process", from("process")),
        ("assumed", from("assumed")),
        ("sso", from("sso")),
        ("login", from("login")),
        ("imds", ("AWS_EC2_METADATA_DISABLED", "false".to_owned())),
        ("container", ("AWS_CONTAINER_CREDENTIALS_FULL_URI", container)),
    ] {
        let before = account.auto_scaling.call_count();
        let mut command = without_keys(&account, &["run", "--output", "json", "--config"], &home);
        command.arg(&config).env(variable.0, &variable.1);
        if variable.0 != "AWS_PROFILE" {
            command.env("AWS_REGION", "us-east-1");
        }
        for service in ["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_SSO", "AWS_EC2_METADATA_SERVICE_ENDPOINT"] {
            command.env(service, sources.url());
        }
        let output = command.output().await.unwrap();
        assert_eq!(output.status.code(), Some(0), "{key}: {}", String::from_utf8_lossy(&output.stderr));
        let calls = account.auto_scaling.calls();
        assert!(calls.len() > before, "{key}");
        let signed =
            |call: &testbed::Call| call.authorization.as_ref().unwrap().contains(&format!("Credential={key}/"));
        assert!(calls[before..].iter().all(signed), "{key}: {:?}", calls.last());
    }
}

#[tokio::test]
async fn without_credentials_one_sentence_follows_what_the_masters_say() {
    let account = Account::start("none").await;
    let config = account.config("", ATTRIBUTES, "");
    let home = home("none", &[]);
    let sentence = "no AWS credentials; set AWS_PROFILE or run `aws sso login`";
    for arguments in [["run", "--config"], ["status", "--config"]] {
        let output = without_keys(&account, &arguments, &home).arg(&config).output().await.unwrap();
        let words = told(&output);
        assert_eq!(output.status.code(), Some(1), "{words}");
        assert!(
            words.contains("60 agents, all usable; 282 tasks") && words.contains("scale_down, -6, to 54 agents"),
            "{words}"
        );
        assert_eq!(words.matches("credentials").count(), 1, "{words}");
        assert!(words.contains(sentence), "{words}");
    }
    // What would change something has nothing to show.
    for arguments in [vec!["run", "--apply"], vec!["pause", "--for", "1h"], vec!["status", "--group", "mesos-workers"]]
    {
        let mut command = without_keys(&account, &arguments, &home);
        if !arguments.contains(&"--group") {
            command.arg("--config").arg(&config);
        }
        let output = command.output().await.unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", told(&output));
        assert_eq!(told(&output), format!("lambda-scale {}: {sentence}", arguments[0]));
    }
    assert_eq!(account.auto_scaling.call_count(), 0);
    let mut command = account.command(&["run", "--config"]);
    let output = command.arg(&config).env_remove("AWS_REGION").env("HOME", &home).output().await.unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(told(&output).contains("no AWS region; set AWS_REGION"), "{}", told(&output));
}

#[tokio::test]
async fn a_profile_that_does_not_exist_is_named_with_the_nearest() {
    let account = Account::start("profile").await;
    let config = account.config("", ATTRIBUTES, "");
    let profiles = "[profile production]\nregion = us-east-1\naws_access_key_id = a\naws_secret_access_key = b\n";
    let home = home("profile", &[(".aws/config", profiles)]);
    for (profile, hint) in [("prodution", "did you mean production?"), ("zzz", "`aws configure list-profiles`")] {
        let mut command = without_keys(&account, &["run", "--config"], &home);
        let output = command.arg(&config).env("AWS_PROFILE", profile).output().await.unwrap();
        let words = told(&output);
        assert_eq!(output.status.code(), Some(1), "{words}");
        assert!(
            words.contains(&format!("AWS_PROFILE is {profile:?}, and there is no such profile; {hint}")),
            "{words}"
        );
        assert!(words.contains("60 agents, all usable"), "{words}");
    }
    // A process that fails, and a session that has ended, are no reason to name another profile.
    let profiles = "[profile broken]\nregion = us-east-1\ncredential_process = false\n";
    fs::write(home.join(".aws/config"), profiles).unwrap();
    let mut command = without_keys(&account, &["run", "--apply", "--config"], &home);
    let output = command.arg(&config).env("AWS_PROFILE", "broken").output().await.unwrap();
    assert!(told(&output).contains("cannot get AWS credentials; where a session has ended"), "{}", told(&output));
}
