"""Needs only Python: `python3 -m unittest discover examples/custom-check-python`."""

import base64
import gzip
import json
import unittest

import custom_check

SNAPSHOT = {
    "schema": "lambda-scale/cluster-snapshot",
    "version": 1,
    "id": "7d444840-9dc0-51d1-b245-5ffdce74fad2",
    "taken_at": "2026-11-21T12:00:00.000Z",
    "pool": "batch",
    "completeness": {"level": "complete", "reasons": []},
    "agents": {"registered": 4, "usable": 4},
}


def event(*snapshots, compressed=False):
    def record(snapshot):
        text = json.dumps(snapshot)
        if not compressed:
            return {"Sns": {"Message": text, "MessageAttributes": {}}}
        attributes = {"content_encoding": {"Type": "String", "Value": "gzip+base64"}}
        return {"Sns": {"Message": base64.b64encode(gzip.compress(text.encode())).decode(), "MessageAttributes": attributes}}

    return {"Records": [record(snapshot) for snapshot in snapshots]}


def published(event, messages):
    decisions = []
    custom_check.answer(event, lambda: messages, decisions.append)
    return decisions


class Test(unittest.TestCase):
    def test_the_pool_follows_the_queue(self):
        for messages, state in [(201, "scale_up"), (200, "normal"), (40, "normal"), (39, "scale_down")]:
            self.assertEqual(published(event(SNAPSHOT), messages)[0]["state"], state, messages)

    def test_an_incomplete_snapshot_removes_nothing(self):
        for level, messages, state in [("partial", 0, "normal"), ("partial", 999, "scale_up"), ("blind", 999, "normal")]:
            doubtful = {**SNAPSHOT, "completeness": {"level": level, "reasons": ["?"]}}
            self.assertEqual(published(event(doubtful), messages)[0]["state"], state, level)

    def test_a_decision_has_what_node_scale_needs(self):
        [decision] = published(event(SNAPSHOT), 999)
        self.assertEqual(decision["expires_at"], "2026-11-21T12:02:00Z")
        self.assertEqual((decision["pool"], decision["agents"]["usable"]), ("batch", 4))
        self.assertEqual(published(event(SNAPSHOT), 999), [decision])

    def test_compressed_messages_are_read_and_other_pools_ignored(self):
        both = event({**SNAPSHOT, "pool": "workers"}, SNAPSHOT, compressed=True)
        self.assertEqual(len(published(both, 0)), 1)

    def test_other_messages_are_refused(self):
        with self.assertRaises(ValueError):
            published(event({**SNAPSHOT, "version": 2}), 0)


if __name__ == "__main__":
    unittest.main()
