//! Texts that are none: what is not UTF-8, and halves of surrogate pairs.

use super::super::values::text;
use super::*;

#[test]
fn what_is_no_text_is_replaced() {
    let cases: [(&[u8], &str); 14] = [
        (b"caf\xe9", "caf\u{FFFD}"),
        (b"\xff\xfe", "\u{FFFD}\u{FFFD}"),
        (b"\xe2\x82", "\u{FFFD}"),
        (br"\ud800", "\u{FFFD}"),
        (br"a\udc00b", "a\u{FFFD}b"),
        (br"\ud83e\udd80", "\u{1F980}"),
        (br"\udd80\ud83e", "\u{FFFD}\u{FFFD}"),
        (br"\ud83e\ud83e\udd80", "\u{FFFD}\u{1F980}"),
        (br"\ud83e\n", "\u{FFFD}\n"),
        (br"\ud83eu", "\u{FFFD}u"),
        // The backslash is escaped: no surrogate.
        (br"\\ud800", r"\ud800"),
        (br"\\\ud800", "\\\u{FFFD}"),
        (b"\\ud800\xff", "\u{FFFD}\u{FFFD}"),
        ("é\\ud800é".as_bytes(), "é\u{FFFD}é"),
    ];
    for (bytes, expected) in cases {
        let has_escapes = bytes.contains(&b'\\');
        assert_eq!(text(bytes, has_escapes).as_deref(), Some(expected), "{}", bytes.escape_ascii());
        let document = [br#"{"version":""#, bytes, br#"","slaves":[],"frameworks":[]}"#].concat();
        assert_eq!(scan_every_way(&document, 3).unwrap().master.version, expected);
        agrees_with_the_reference(&document, 5);
    }
}

#[test]
fn a_broken_escape_is_refused() {
    for escape in ["\\x", "\\u12", "\\u12g4", "\\ud800\\x", "\\é", "\\u+123"] {
        assert_eq!(text(escape.as_bytes(), true), None, "{escape}");
    }
    assert_eq!(text(b"a\x01\xff", false), None);
}

#[test]
fn an_agent_with_invalid_texts_is_read_like_any_other() {
    let agent = b"{\"id\":\"A\xff\",\"hostname\":\"\\ud800\",\"active\":true,\"attributes\":{\"\xfe\":\"\xe9\",\"pool\":\"w\"}}";
    let task = br#"{"id":"t\udfff","name":"caf\u00e9 \ud800","slave_id":"A\ud800","state":"TASK_RUNNING","resources":{"cpus":1}}"#;
    let document =
        [br#"{"slaves":["#, &agent[..], br#"],"frameworks":[{"name":"\udead","tasks":["#, task, b"]}]}"].concat();
    let state = scan_every_way(&document, 1).unwrap();
    let (agent, _) = &state.agents[0];
    assert_eq!((&*agent.id, &*agent.hostname), ("A\u{FFFD}", "\u{FFFD}"));
    assert!(agent.attributes.has("\u{FFFD}", "\u{FFFD}") && agent.attributes.has("pool", "w"));
    assert_eq!(state.tasks[0].1.agent_id, agent.id);
    assert_eq!(state.applications(), [("\u{FFFD}", "café \u{FFFD}".to_owned())]);
    agrees_with_the_reference(&document, 9);
}
