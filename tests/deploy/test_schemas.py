"""schemas/: every configuration and message of the project is valid by them, and what is wrong is not."""

import copy
import json
import re
import unittest

from jsonschema import Draft202012Validator
from template import ROOT

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib

CONFIGURATION = ROOT / "examples/lambda-scale.toml"


def validator(name):
    schema = json.loads((ROOT / "schemas" / name).read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def blocks(kind):
    """(page, block) of every fenced block of that kind in the docs."""
    for page in sorted((ROOT / "docs").rglob("*.md")):
        for block in re.findall(rf"(?ms)^```{kind}[^\n]*\n(.*?)^```", page.read_text()):
            yield page.name, block


def messages():
    """(place, message) of every message in the tests and the docs."""
    for path in sorted((ROOT / "node_process/tests/scenarios").glob("*.json")):
        yield path.name, json.loads(path.read_text())["snapshot"]
    goldens = [*sorted((ROOT / "cli/tests").rglob("*.snap")), *sorted((ROOT / "fuzz/corpus/message").iterdir())]
    for path in goldens:
        yield from ((path.name, found) for found in embedded(path.read_text()))
    for page, block in blocks("json"):
        yield from ((page, found) for found in embedded(block))


def embedded(text):
    """Every whole JSON object in a text that says by its schema that it is a message. An id that means nothing is a placeholder."""
    text = text.replace("<uuid>", "00000000-0000-0000-0000-000000000000")
    for found in re.finditer(r'\{\s*"schema":\s*"lambda-scale/', text):
        try:
            message, _ = json.JSONDecoder().raw_decode(text, found.start())
        except ValueError:
            continue
        yield message


class SchemaTest(unittest.TestCase):
    def test_every_message_is_valid(self):
        validators, count = {}, {}
        for place, message in messages():
            name = f"{message['schema'].removeprefix('lambda-scale/')}-{message['version']}.json"
            check = validators.setdefault(name, validator(name))
            self.assertEqual([f"{error.json_path}: {error.message[:200]}" for error in check.iter_errors(message)], [], place)
            count[name] = count.get(name, 0) + 1
        self.assertEqual(set(count), {path.name for path in (ROOT / "schemas").glob("*-[0-9]*.json")})
        # Those of 85 scenarios, and of some fifty captured states.
        self.assertGreater(count["cluster-snapshot-1.json"], 150)
        self.assertGreater(count["scaling-decision-1.json"], 80)
        self.assertGreater(count["scaling-outcome-1.json"], 1)

    def test_a_decision_needs_what_the_docs_say(self):
        page = (ROOT / "docs/custom-checks.md").read_text()
        [sentence] = re.findall(r"(?s)A decision needs (.*?)\. Without", page)
        schema = json.loads((ROOT / "schemas/scaling-decision-1.json").read_text())
        self.assertEqual(set(schema["required"]), set(re.findall(r"`(\w+)`", sentence)))

    def test_fields_have_a_meaning(self):
        for path in (ROOT / "schemas").glob("*-[0-9]*.json"):
            schema = json.loads(path.read_text())
            for name, field in schema["properties"].items():
                self.assertTrue("description" in field or "const" in field, f"{path.name}: {name}")

    def test_every_configuration_is_valid(self):
        check, count = validator("configuration.json"), 0
        texts = [("examples/lambda-scale.toml", CONFIGURATION.read_text()), *blocks("toml")]
        # What stands commented out is valid too.
        texts.append(("all settings", re.sub(r"(?m)^# (\w+ = )", r"\1", CONFIGURATION.read_text())))
        for place, text in texts:
            document = tomllib.loads(text)
            if "pools" not in document:
                continue
            self.assertEqual([f"{error.json_path}: {error.message[:200]}" for error in check.iter_errors(document)], [], place)
            count += 1
        self.assertGreater(count, 3)

    def test_what_is_wrong_is_refused(self):
        check = validator("configuration.json")
        valid = tomllib.loads(CONFIGURATION.read_text())

        def errors(change):
            document = copy.deepcopy(valid)
            change(document)
            return list(check.iter_errors(document))

        self.assertFalse(errors(lambda document: None))
        wrong = {
            "min": "10", "max": -1, "scale_up_threshold_percent": 101, "scale_down_threshold_percent": "50 %", "max_scale_up_step": 0,
            "scale_down_window": 15, "resources": ["cpu"], "scale_down_strategy": "fast", "new_agent": {"cpus": 4},
            "applications": {"shop/web": {"daemon": True}}, "attributes": {"asg": True}, "protected": {"frameworks": "kafka"},
            "scale_down_treshold_percent": 50, "group": "a:b", "pause_until": "tomorrow noon",
        }
        for name, value in wrong.items():
            self.assertTrue(errors(lambda document: document["pools"][0].update({name: value})), name)
        for name, value in {"masters": ["10.0.0.5:5050"], "credentials": "admin:hunter2", "timeout": 20}.items():
            self.assertTrue(errors(lambda document: document["mesos"].update({name: value})), name)
        self.assertTrue(errors(lambda document: document.pop("pools")))


if __name__ == "__main__":
    unittest.main()
