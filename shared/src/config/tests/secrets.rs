//! No error repeats a secret, at any place of the configuration and with any fault there.

use toml::{Table, Value};

use super::mutations::{at, bases, owner, places};
use super::{Config, Reference};

const CANARY: &str = "Zebra7-c4nary";

/// The error of a configuration, if there is one. It must not contain the secret.
fn refused(configuration: &str) -> bool {
    let Err(problems) = Config::parse(configuration) else { return false };
    for text in [problems.to_string(), format!("{problems:?}")] {
        assert!(!text.to_lowercase().contains(&CANARY.to_lowercase()), "{text}\n\n{configuration}");
    }
    true
}

/// Values with the secret in them, instead of what is right.
fn secrets(old: &Value) -> Vec<Value> {
    let mut secrets: Vec<Value> = [
        CANARY.to_owned(),
        format!("reader:{CANARY}"),
        format!("token:{CANARY}"),
        format!("ssm {CANARY}"),
        format!("file:{CANARY}"),
        format!("http://reader:{CANARY}@10.0.0.5:5050"),
        format!("http://reader:{CANARY}/10.0.0.5"),
        format!("http://{CANARY}@10.0.0.5:5050"),
        format!("reader:{CANARY}@10.0.0.5:5050"),
        format!("http://10.0.0.5:{CANARY}"),
        format!("http://10.0.0.5:5050/{CANARY}?{CANARY}#{CANARY}"),
        format!("ftp://10.0.0.5/{CANARY}"),
        format!("5 {CANARY}"),
        format!("{CANARY}\u{7}"),
        format!("{CANARY} größe"),
    ]
    .into_iter()
    .map(Value::from)
    .collect();
    if let Value::String(text) = old {
        secrets.extend(
            [format!("{text}{CANARY}"), format!("{CANARY}{text}"), format!("{text} {CANARY}")].map(Value::from),
        );
    }
    let table: Table = [(CANARY.to_owned(), CANARY.into())].into_iter().collect();
    secrets.extend([Value::Array(vec![CANARY.into()]), Value::Array(vec![table.clone().into()]), table.into()]);
    secrets
}

#[test]
fn no_wrong_value_is_repeated_at_any_place() {
    let mut count = 0;
    for base in bases() {
        for place in places(&base) {
            let old = at(&mut base.clone(), &place).unwrap().clone();
            for secret in secrets(&old) {
                let mut table = base.clone();
                *at(&mut table, &place).unwrap() = secret;
                count += usize::from(refused(&table.to_string()));
            }
        }
    }
    assert!(count > 1000, "{count}");
}

#[test]
fn no_wrong_key_is_repeated_at_any_place() {
    let mut count = 0;
    for base in bases() {
        for place in places(&base) {
            for name in [CANARY.to_owned(), format!("{CANARY} \"'\n"), format!("timeout{CANARY}")] {
                let secret = |value: Value| {
                    let mut table = base.clone();
                    match at(&mut table, &place).unwrap() {
                        Value::Table(found) => {
                            found.insert(name.clone(), value);
                        }
                        _ => {
                            let (owner, key) = owner(&mut table, &place)?;
                            let old = owner.remove(&key).unwrap();
                            owner.insert(name.clone(), old);
                        }
                    }
                    Some(table.to_string())
                };
                for value in [CANARY.into(), true.into(), Value::Array(Vec::new()), Table::new().into()] {
                    count += usize::from(secret(value).is_some_and(|text| refused(&text)));
                }
            }
        }
    }
    assert!(count > 500, "{count}");
}

/// Lines that are not TOML, with the secret in them.
fn broken_lines() -> Vec<String> {
    let value = [
        CANARY.to_owned(),
        format!("\"{CANARY}"),
        format!("'{CANARY}"),
        format!("\"\"\"{CANARY}"),
        format!("\"{CANARY}\\q\""),
        format!("\"{CANARY}\\u12\""),
        format!("\"{CANARY}\u{1}\""),
        format!("\"{CANARY}\" {CANARY}"),
        format!("[\"{CANARY}\""),
        format!("[\"{CANARY}\" \"{CANARY}\"]"),
        format!("{{ {CANARY} = 1, {CANARY} = 2 }}"),
        format!("{{ {CANARY} }}"),
        format!("{{ a = \"{CANARY}\""),
        format!("0x{CANARY}"),
        format!("1{CANARY}"),
        format!("1_{CANARY}"),
        format!("2026-13-45T{CANARY}"),
        format!("truE{CANARY}"),
        format!("= \"{CANARY}\""),
        format!("99999999999999999999999 # {CANARY}"),
    ];
    let mut lines: Vec<String> = value.iter().map(|value| format!("min = {value}")).collect();
    lines.extend([
        CANARY.to_owned(),
        format!("= {CANARY}"),
        format!("{CANARY} ="),
        format!("{CANARY} = 1\n{CANARY} = 2"),
        format!("{CANARY}.a = 1\n{CANARY} = 2"),
        format!("[{CANARY}"),
        format!("[[{CANARY}]"),
        format!("[{CANARY}]]"),
        format!("[{CANARY}]\n[{CANARY}]"),
        format!("[{CANARY}]\n[[{CANARY}]]"),
        format!("[[{CANARY}]]\n[{CANARY}]"),
        format!("[{CANARY}.a]\n[{CANARY}]\na = 1"),
        format!("[mesos.masters.{CANARY}]"),
        format!("[mesos.\"{CANARY}\"]\n[mesos.\"{CANARY}\"]"),
        format!("\"{CANARY} = 1"),
        format!("a.{CANARY}. = 1"),
        format!("a {CANARY} = 1"),
        format!("{CANARY}\u{0} = 1"),
        format!("# {CANARY}\u{1}\n="),
        format!("\u{feff}{CANARY}"),
    ]);
    lines
}

#[test]
fn no_line_that_is_not_toml_is_repeated() {
    let mut count = 0;
    let text = bases()[0].to_string();
    let lines: Vec<&str> = text.lines().collect();
    for at in 0..lines.len() {
        for broken in broken_lines() {
            let (before, after) = lines.split_at(at);
            // In place of every other line, and before the others.
            let all = [before, &[broken.as_str()], &after[at % 2..]].concat();
            count += usize::from(refused(&all.join("\n")));
        }
    }
    assert!(count > 1000, "{count}");
}

#[test]
fn no_prefix_of_a_configuration_is_repeated() {
    for base in bases() {
        let mut table = base.clone();
        for place in places(&base) {
            if let Some(Value::String(text)) = at(&mut table, &place) {
                *text = CANARY.to_owned();
            }
        }
        let text = table.to_string();
        for (end, _) in text.char_indices() {
            refused(&text[..end]);
        }
    }
}

#[test]
fn a_reference_shows_only_where_it_leads_to() {
    for (kind, reference) in [
        ("ssm:", Reference::Ssm(CANARY.to_owned())),
        ("secretsmanager:", Reference::SecretsManager(CANARY.to_owned())),
        ("env:", Reference::Env(CANARY.to_owned())),
        ("file:", Reference::File(CANARY.to_owned())),
    ] {
        assert_eq!((reference.to_string(), format!("{reference:?}")), (kind.to_owned(), format!("{kind}...")));
    }
    let configuration = super::SMALLEST.replace("[mesos]", &format!("[mesos]\ncredentials = \"env:{CANARY}\""));
    assert!(!format!("{:?}", Config::parse(&configuration).unwrap()).contains(CANARY));
}

#[test]
fn a_syntax_error_has_line_column_and_message() {
    let problems = super::problems(&format!("{}min = \"{CANARY}", super::SMALLEST));
    let [problem] = &problems[..] else { panic!("{problems:?}") };
    assert!(problem.starts_with("line 7, column "), "{problem}");
    assert!(problem.contains(": not valid TOML: "), "{problem}");
}

#[test]
fn an_unknown_setting_far_from_all_known_ones_has_its_line() {
    let problems = super::problems(&super::with_pool_settings(&format!("min = 1\n{CANARY} = 5")));
    assert!(problems[0].starts_with("pools[0], line 8: unknown setting; leave it out; known here: "), "{problems:?}");
}
