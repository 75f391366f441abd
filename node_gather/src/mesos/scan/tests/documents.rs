//! Generated documents: any order of keys, blanks, escapes, strings of all scripts, nested values that are not read,
//! numbers in all forms, and sometimes a fault.

use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;
use crate::mesos::state::OddField;
use crate::testing::{capture, captures};

/// Writes random documents.
struct Writer {
    chance: Shuffle,
    /// One in so many values is wrong; none if 0.
    fault_in: usize,
    /// One in so many strings has parts that are no text; none if 0.
    odd_text_in: usize,
    /// One in so many values of agents, tasks, and frameworks has another type, or occurs twice; none if 0.
    odd_in: usize,
}

const UUID: &str = "182f33d2-3650-4602-9e17-f36177a98192";

impl Writer {
    fn one_in(&mut self, count: usize) -> bool {
        self.chance.below(count) == 0
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.chance.below(from.len())]
    }

    fn is_fault(&mut self) -> bool {
        self.fault_in > 0 && self.one_in(self.fault_in)
    }

    fn is_odd(&mut self) -> bool {
        self.odd_in > 0 && self.one_in(self.odd_in)
    }

    /// A value, or one of another type.
    fn or_odd(&mut self, value: String) -> String {
        if !self.is_odd() {
            return value;
        }
        let odd = [
            "null",
            "true",
            "-1.5e3",
            "\"x\"",
            "\"\\u00e4 \\\"\"",
            "[]",
            "[{\"a\":[]},5]",
            "{}",
            "{\"cpus\":[],\"state\":{}}",
        ];
        self.pick(&odd).to_owned()
    }

    /// The members of an agent, a task, or a framework, of which any may be odd.
    fn members<'m>(&mut self, members: Vec<(&'m str, String)>) -> Vec<(&'m str, String)> {
        let mut odd: Vec<(&str, String)> = members.into_iter().map(|(key, value)| (key, self.or_odd(value))).collect();
        if self.is_odd() && !odd.is_empty() {
            odd.remove(self.chance.below(odd.len()));
        }
        odd
    }

    /// The same, of which one may occur twice.
    fn repeated<'m>(&mut self, members: Vec<(&'m str, String)>) -> Vec<(&'m str, String)> {
        let mut members = self.members(members);
        if self.is_odd() && !members.is_empty() {
            let (key, value) = members[self.chance.below(members.len())].clone();
            let value = self.or_odd(value);
            members.push((key, value));
        }
        members
    }

    fn blanks(&mut self) -> &'static str {
        if self.one_in(4) { self.pick(&[" ", "\n", "\t", "\r\n", "  \n    "]) } else { "" }
    }

    /// A string with some characters escaped.
    fn text(&mut self, text: &str) -> String {
        let escape_in = [0, 0, 2, 10][self.chance.below(4)];
        let mut written = String::from("\"");
        for character in text.chars() {
            if escape_in > 0 && self.one_in(escape_in) {
                let mut units = [0; 2];
                character.encode_utf16(&mut units).iter().for_each(|unit| written += &format!("\\u{unit:04x}"));
            } else {
                let plain = Json::from(character.to_string()).to_string();
                written += plain.strip_prefix('"').and_then(|plain| plain.strip_suffix('"')).unwrap();
            }
        }
        written + "\""
    }

    /// A string that may have parts that are no text.
    fn odd_text(&mut self, text: &str) -> String {
        let text = self.text(text);
        if self.odd_text_in == 0 || !self.one_in(self.odd_text_in) {
            return text;
        }
        let odd = ["\\ud800", "\\uDFFFx", "\\ud83e\\ud83e\\udd80", "\\ud83e\\n", NO_UTF8, "é\u{E000}\\ud800"];
        format!("\"{}{}", self.pick(&odd), text.strip_prefix('"').unwrap())
    }

    /// A string that is read, or a fault.
    fn string_or_fault(&mut self, text: &str) -> String {
        if self.is_fault() {
            return self.pick(&["null", "5", "[]", "{}", "true", "\"\\x\"", "\"\\ud800\"", "\"\u{1}\""]).to_owned();
        }
        self.odd_text(text)
    }

    fn object(&mut self, mut members: Vec<(&str, String)>) -> String {
        for _ in 0..self.chance.below(4) {
            let junk = self.pick(&["labels", "x", "statuses", "", "ключ", "limits", "resourcesx", "Id", "\\\"[{"]);
            members.push((junk, self.junk(3)));
        }
        if self.is_fault() && !members.is_empty() {
            members.remove(self.chance.below(members.len()));
        }
        self.chance.shuffle(&mut members);
        let mut written = String::from("{");
        for (place, (key, value)) in members.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            written += &[comma, self.blanks(), &self.text(key), self.blanks(), ":", self.blanks(), value].concat();
            written += self.blanks();
        }
        written + "}"
    }

    fn list(&mut self, items: &[String]) -> String {
        let mut written = String::from("[") + self.blanks();
        for (place, item) in items.iter().enumerate() {
            written += &[if place > 0 { "," } else { "" }, self.blanks(), item, self.blanks()].concat();
        }
        written + "]"
    }

    /// A value of any type that is not read.
    fn junk(&mut self, depth: usize) -> String {
        match self.chance.below(if depth > 0 { 8 } else { 5 }) {
            0 => self
                .pick(&["0", "-1.5e-7", "1E400", "true", "false", "null", "123456789012345678901234567890"])
                .to_owned(),
            1 => self.text("]}\"\\\\\"{[\\"),
            2 => {
                let run = "\\".repeat(self.chance.below(70));
                self.text(&run)
            }
            3 => self.text("kubernetes/χρόνος 🦀 \u{7f}\u{0}\n"),
            4 => {
                let long = "a long text of labels \"[{".repeat(self.chance.below(9));
                self.text(&long)
            }
            5 => {
                let items: Vec<String> = (0..self.chance.below(4)).map(|_| self.junk(depth - 1)).collect();
                self.list(&items)
            }
            _ => {
                let keys = ["id", "slaves", "tasks", "name", "cpus", "a\"}", "a\"}"];
                let members = (0..self.chance.below(4)).map(|place| (keys[place], self.junk(depth - 1))).collect();
                self.object(members)
            }
        }
    }

    fn number(&mut self) -> String {
        if self.is_fault() {
            return self.pick(&["-1", "1e10", "01", "1.", ".5", "1e300", "\"4\"", "null", "[4]", "{}", "-"]).to_owned();
        }
        let usual = ["0", "4", "4.0", "0.5", "1024.0", "0.001", "999.999", "1000000000", "0.10"];
        let unusual = ["1.25e1", "1E+2", "12.3456", "0.1000", "-0.0", "5e-1", "0.0005", "0.99949", "-0", "1e-400"];
        if self.one_in(4) { self.pick(&unusual).to_owned() } else { self.pick(&usual).to_owned() }
    }

    fn resources(&mut self) -> String {
        let mut members = vec![("cpus", self.number()), ("mem", self.number()), ("ports", "\"[1-5, 7-9]\"".to_owned())];
        if self.one_in(3) {
            members.push((self.pick(&["disk", "gpus"]), self.number()));
        }
        if self.is_fault() {
            members.push(("cpus", self.number()));
        }
        self.object(members)
    }

    fn attributes(&mut self) -> String {
        let values = ["\"workers\"", "1.50", "7", "true", "null", "[1,2]", "{\"a\":{}}", "1e3"];
        let members = (0..self.chance.below(4))
            .map(|_| (self.pick(&["pool", "zone", "é", "a\tb"]), self.pick(&values).to_owned()));
        let members = members.collect::<Vec<_>>();
        // Any key is an attribute: no other keys.
        let members = members.iter().map(|(key, value)| format!("{}:{value}", self.odd_text(key))).collect::<Vec<_>>();
        format!("{{{}}}", members.join(","))
    }

    fn drain_info(&mut self) -> String {
        let grace = self.pick(&["30000000000", "-1", "0.5", "1e300", "null", "[]"]);
        let grace = self.pick(&["null", "{}", "7", &format!("{{\"x\":{{}},\"nanoseconds\":{grace}}}")]).to_owned();
        let again = if self.one_in(6) { ",\"max_grace_period\":{\"nanoseconds\":1}" } else { "" };
        let config = format!("{{\"mark_gone\":false,\"max_grace_period\":{grace}{again}}}");
        let config = self.pick(&["null", "{}", "[{}]", &config, &config]).to_owned();
        let again = if self.one_in(6) { ",\"config\":{}" } else { "" };
        let state = self.pick(&["\"DRAINING\"", "\"DRAINED\"", "5"]).to_owned();
        self.pick(&["null", "{\"x\":[{}]}", &format!("{{\"state\":{state},\"config\":{config}{again}}}")]).to_owned()
    }

    fn agent(&mut self, id: &str) -> String {
        let mut members = vec![
            ("id", self.string_or_fault(id)),
            ("hostname", self.string_or_fault("höst-1")),
            ("active", if self.is_fault() { "1".to_owned() } else { self.pick(&["true", "false"]).to_owned() }),
        ];
        let optional = [
            ("pid", self.string_or_fault("slave(1)@10.0.0.7:5051")),
            ("attributes", self.attributes()),
            ("deactivated", "false".to_owned()),
            ("registered_time", self.pick(&["null", "1795270000.25", "1.79527e9", "-5"]).to_owned()),
            ("resources", self.resources()),
            ("used_resources", self.resources()),
            ("unreserved_resources", self.pick(&["null", "{}", "{\"cpus\":1}"]).to_owned()),
            ("reserved_resources", format!("{{\"role\":{},\"r\\u00f6le\":{{}},\"role\":{{}}}}", self.resources())),
            ("drain_info", self.drain_info()),
            (
                "estimated_drain_start_time_seconds",
                self.pick(&["null", "1795278464.77564", "-5", "1e300", "\"now\""]).to_owned(),
            ),
        ];
        members.extend(optional.into_iter().filter(|_| !self.one_in(4)).collect::<Vec<_>>());
        let members = self.repeated(members);
        let agent = self.object(members);
        self.or_odd(agent)
    }

    fn task(&mut self, place: usize) -> String {
        let id = self.pick(&["shop_web.instance-", "etl.", "plain"]).to_owned() + UUID;
        let state = self.pick(&["TASK_RUNNING", "TASK_STAGING", "TASK_FINISHED", "TASK_ÜNKNOWN"]);
        let mut members = vec![
            ("slave_id", self.string_or_fault(&format!("A{}", place % 4))),
            ("state", self.string_or_fault(state)),
            ("resources", self.resources()),
        ];
        if !self.one_in(5) {
            members.push(("id", self.string_or_fault(&id)));
        }
        if !self.one_in(5) {
            members.push(("name", self.string_or_fault("web.sh\"op🦀")));
        }
        if !self.one_in(3) {
            members.push(("role", self.pick(&["\"*\"", "\"eng/w\\u0065b\"", "null", "\"rôle\""]).to_owned()));
        }
        // The scanner does not see what follows all that it reads of a task.
        let members = self.members(members);
        let task = self.object(members);
        self.or_odd(task)
    }

    fn executor(&mut self) -> String {
        let mut members = vec![("executor_id", "\"e\"".to_owned())];
        let optional = [
            ("slave_id", self.pick(&["\"A1\"", "\"A9\"", "null"]).to_owned()),
            ("role", self.pick(&["\"*\"", "null", "\"eng\""]).to_owned()),
            ("resources", self.resources()),
        ];
        members.extend(optional.into_iter().filter(|_| !self.one_in(5)).collect::<Vec<_>>());
        let members = self.repeated(members);
        let executor = self.object(members);
        self.or_odd(executor)
    }

    fn tasks(&mut self) -> String {
        let tasks: Vec<String> = (0..self.chance.below(6)).map(|place| self.task(place)).collect();
        self.list(&tasks)
    }

    fn framework(&mut self) -> String {
        let name = self.pick(&["marathon", "chronos", "marathon-é", "a/b"]);
        let executors: Vec<String> = (0..self.chance.below(3)).map(|_| self.executor()).collect();
        // The scanner does not see faults in skipped values.
        let fault_in = std::mem::replace(&mut self.fault_in, 0);
        let completed = self.tasks();
        self.fault_in = fault_in;
        let mut members = vec![("name", self.string_or_fault(name)), ("tasks", self.tasks())];
        let optional = [
            ("executors", self.list(&executors)),
            (
                "capabilities",
                self.pick(&["[]", "[\"MULTI_ROLE\" , \"GPU_RESOURCES\"]", "[\"GPU\\u005fRESOURCES\"]"]).to_owned(),
            ),
            ("recovered", self.pick(&["true", "false"]).to_owned()),
            ("connected", self.pick(&["true", "false"]).to_owned()),
            ("completed_tasks", completed),
        ];
        members.extend(optional.into_iter().filter(|_| !self.one_in(4)).collect::<Vec<_>>());
        let members = self.repeated(members);
        let framework = self.object(members);
        self.or_odd(framework)
    }

    fn document(&mut self) -> String {
        let agents: Vec<String> = (0..self.chance.below(4)).map(|place| self.agent(&format!("A{place}"))).collect();
        let frameworks: Vec<String> = (0..self.chance.below(4)).map(|_| self.framework()).collect();
        let attributes = self.attributes();
        let members = vec![("id", "\"R\"".to_owned()), ("hostname", "\"r\"".to_owned()), ("attributes", attributes)];
        let members = self.repeated(members);
        let recovered = format!("[{}, {{}}]", self.object(members));
        let mut members = vec![("slaves", self.list(&agents)), ("frameworks", self.list(&frameworks))];
        let optional = [
            ("version", self.string_or_fault("1.11.0")),
            ("cluster", self.pick(&["null", "\"prod\""]).to_owned()),
            ("elected_time", self.pick(&["null", "1795270000.25", "1.79527e9", "-5"]).to_owned()),
            (
                "flags",
                self.pick(&[
                    "{}",
                    "{\"agent_reregister_timeout\":\"15mins\"}",
                    "{\"x\":{},\"slave_reregister_timeout\":\"1hrs\"}",
                    "{\"agent_ping_timeout\":\"1mins\",\"max_agent_ping_timeouts\":\"5\"}",
                    "{\"max_slave_ping_timeouts\":\"7\",\"agent_ping_timeout\":null,\"slave_ping_timeout\":\"1.5secs\"}",
                    "{\"agent_ping_timeout\":\"15secs\",\"max_agent_ping_timeouts\":\"x\"}",
                    "{\"filter_gpu_resources\":\"false\"}",
                    "{\"filter_gpu_resources\":\"true\",\"port\":\"5050\"}",
                ])
                .to_owned(),
            ),
            ("activated_slaves", self.number()),
            ("deactivated_slaves", "1.0".to_owned()),
            ("unreachable_slaves", "2".to_owned()),
            ("recovered_slaves", recovered),
            ("orphan_tasks", self.tasks()),
        ];
        members.extend(optional.into_iter().filter(|_| !self.one_in(4)).collect::<Vec<_>>());
        let (before, object, after) = (self.blanks(), self.object(members), self.blanks());
        [before, &object, after].concat()
    }
}

fn document(seed: u64, fault_in: usize) -> String {
    Writer { chance: Shuffle::of(seed), fault_in, odd_text_in: 0, odd_in: 0 }.document()
}

/// Stands for bytes that are not UTF-8 in a document that is a `String` until it is complete.
const NO_UTF8: &str = "\u{E000}";

/// A document with strings that are no text.
fn document_with_odd_texts(seed: u64) -> Vec<u8> {
    let mut writer = Writer { chance: Shuffle::of(seed), fault_in: 0, odd_text_in: 6, odd_in: 0 };
    let text = writer.document();
    let mut bytes = Vec::new();
    for (place, part) in text.split(NO_UTF8).enumerate() {
        let odd: [&[u8]; 5] = [b"\xff", b"\xe2\x82", b"\xed\xa0\x80", b"\xf0\x9f\xa6", b"\x80\xc0"];
        bytes.extend(if place > 0 { odd[writer.chance.below(odd.len())] } else { b"" });
        bytes.extend(part.as_bytes());
    }
    bytes
}

/// Damages a few bytes, with bytes that are likely to matter.
fn damage(bytes: &mut Vec<u8>, chance: &mut Shuffle) {
    for _ in 0..=chance.below(3) {
        let at = chance.below(bytes.len());
        let byte = b"\"\\{}[]:,0 ne\xff\n\0"[chance.below(15)];
        match chance.below(4) {
            0 => drop(bytes.remove(at)),
            1 => bytes.insert(at, byte),
            2 => bytes[at] = byte,
            _ => {
                let to = at + chance.below(bytes.len() - at);
                drop(bytes.drain(at..to));
            }
        }
        if bytes.is_empty() {
            return;
        }
    }
}

/// Asserts that damaged bytes are read alike. The scanner overlooks some faults, but reports no other ones and no other values, except of a
/// task of which a field occurs twice: it skips the rest once it has read six.
fn has_one_outcome(bytes: &[u8], seed: u64) {
    let scanned = scan_every_way(bytes, seed);
    let Ok(reference) = json::read_mended(bytes, Record::default()) else { return };
    let Ok(scanned) = scanned else { panic!("{scanned:?} instead of {reference:?}:\n{}", shown(bytes)) };
    let is_overlooked = |(_, odd): &&(String, OddField)| {
        let odd = odd.to_string();
        odd.starts_with("tasks[]") && odd.ends_with("occurs twice")
    };
    let unseen = reference.odd.iter().filter(|odd| !scanned.odd.contains(odd)).filter(is_overlooked);
    let tasks: Vec<String> = unseen.map(|(task, _)| task.clone()).collect();
    assert_eq!(scanned.without(&tasks), reference.without(&tasks), "{}", shown(bytes));
}

/// The damage merges two tasks after the sixth field of the first.
#[test]
fn a_task_within_another_one_is_skipped_with_its_rest() {
    let seed = 5_051_783_455_330_818_439;
    let mut bytes = capture("1.11.0/24-v0-driver-framework");
    damage(&mut bytes, &mut Shuffle::of(seed));
    has_one_outcome(&bytes, seed);
    let odd = |read: Result<Record, StateError>| read.unwrap().odd.len();
    assert_eq!((odd(scan_every_way(&bytes, seed)), odd(json::read_mended(&bytes, Record::default()))), (0, 1));
}

#[test]
fn every_capture_is_read_like_the_reference() {
    for (place, (name, bytes)) in captures().iter().enumerate() {
        let scanned = scan_every_way(bytes, 7 * place as u64);
        assert!(scanned.is_ok(), "{name}: {scanned:?}");
        assert_eq!(outcome(&scanned), outcome(&json::read(bytes.as_slice(), Record::default())), "{name}");
    }
}

#[test]
fn no_prefix_of_a_capture_is_a_state() {
    let refuses = |name: &str, bytes: &[u8], step: usize| {
        let end = bytes.iter().rposition(|byte| *byte == b'}').unwrap();
        for cut in (1..=end).step_by(step) {
            let scanned = read(&bytes[..cut], Record::default(), u64::MAX);
            assert!(matches!(scanned, Err(StateError::Truncated(_))), "{name} cut at {cut}: {scanned:?}");
        }
    };
    for name in ["1.11.0/24-v0-driver-framework", "1.4.3/01-empty-3-agents"] {
        refuses(name, &capture(name), 1);
    }
    for (name, bytes) in captures() {
        refuses(&name, &bytes, 1 + bytes.len() / 50);
    }
}

#[test]
fn most_generated_documents_are_states() {
    let good = (0..200).filter(|seed| json::read(document(*seed, 0).as_bytes(), Record::default()).is_ok()).count();
    let faulty = (0..200).filter(|seed| json::read(document(*seed, 60).as_bytes(), Record::default()).is_err()).count();
    assert!(good > 190 && faulty > 50, "{good} good, {faulty} faulty");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn generated_documents_are_read_like_the_reference(seed in any::<u64>()) {
        agrees_with_the_reference(document(seed, 0).as_bytes(), seed);
    }

    #[test]
    fn odd_texts_are_replaced_like_the_reference(seed in any::<u64>()) {
        let bytes = document_with_odd_texts(seed);
        prop_assert!(agrees_with_the_reference(&bytes, seed));
    }

    /// One odd agent, task, or framework never refuses a state.
    #[test]
    fn odd_types_are_read_like_the_reference(seed in any::<u64>(), odd_in in 2_usize..40) {
        let text = Writer { chance: Shuffle::of(seed), fault_in: 0, odd_text_in: 0, odd_in }.document();
        prop_assert!(agrees_with_the_reference(text.as_bytes(), seed));
    }

    #[test]
    fn faults_are_refused_like_the_reference(seed in any::<u64>()) {
        agrees_with_the_reference(document(seed, 60).as_bytes(), seed);
    }

    #[test]
    fn damaged_documents_have_one_outcome_in_every_chunking(seed in any::<u64>()) {
        let mut bytes = document(seed, 0).into_bytes();
        damage(&mut bytes, &mut Shuffle::of(seed ^ 1));
        has_one_outcome(&bytes, seed);
    }

    #[test]
    fn damaged_captures_have_one_outcome_in_every_chunking(seed in any::<u64>()) {
        let mut bytes = capture("1.11.0/24-v0-driver-framework");
        damage(&mut bytes, &mut Shuffle::of(seed));
        has_one_outcome(&bytes, seed);
    }

    #[test]
    fn a_prefix_of_a_generated_document_is_truncated(seed in any::<u64>(), at in any::<prop::sample::Index>()) {
        let text = document(seed, 0);
        let cut = &text.as_bytes()[..at.index(text.trim_end().len())];
        let scanned = scan_every_way(cut, seed);
        prop_assert!(matches!(scanned, Err(StateError::Truncated(_) | StateError::Empty)), "{:?}", scanned);
    }

    #[test]
    fn no_bytes_make_the_scanner_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), seed in any::<u64>()) {
        prop_assert!(scan_every_way(&bytes, seed).is_err());
        let inside = [b"{\"slaves\":[],\"frameworks\":[],\"x\":[", &*bytes].concat();
        let _ = scan_every_way(&inside, seed);
    }
}
