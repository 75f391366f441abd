"""`make test` runs these tests. Alone: python3 -m unittest discover examples/hooks"""

import http.server
import json
import os
import pathlib
import threading
import unittest

import chat


def event(*outcomes):
    return {"Records": [{"Sns": {"Message": json.dumps(outcome)}} for outcome in outcomes]}


def outcome(action, **fields):
    return {
        "schema": "lambda-scale/scaling-outcome", "version": 1, "pool": "workers", "group": "mesos-workers", "action": action,
        "from": 10, "to": 10, "reason": "as many agents as needed", "notes": [],
    } | fields


class Chat(unittest.TestCase):
    def setUp(self):
        chat.LAST.clear()
        os.environ["WEBHOOK_URL"] = "http://127.0.0.1:1/"
        self.sent = []

    def handle(self, *outcomes):
        return chat.handler(event(*outcomes), send=lambda text, url: self.sent.append(text))

    def test_a_change_says_what_and_why(self):
        self.handle(outcome("scaled_up", to=12, reason="increases desired capacity 10 -> 12"))
        self.assertEqual(self.sent, ["*workers* (mesos-workers) scaled up 10 -> 12: increases desired capacity 10 -> 12"])

    def test_a_back_off_is_posted_once_while_it_lasts(self):
        waits = [outcome("backed_off", clause="B2", reason=f"last activity ended {minutes}m ago") for minutes in (1, 2, 3)]
        self.assertEqual(self.handle(*waits), 1)
        self.assertEqual(self.handle(outcome("backed_off", clause="B3", reason="2 instances in flight")), 1)
        self.assertIn("B2: last activity ended 1m ago", self.sent[0])

    def test_what_is_normal_is_not_posted_and_ends_what_was(self):
        self.assertEqual(self.handle(outcome("backed_off", clause="B2"), outcome("none"), outcome("backed_off", clause="B2")), 2)

    def test_what_could_not_be_sent_is_posted_when_it_is_delivered_again(self):
        def unreachable(_text, _url):
            raise OSError("no route")

        with self.assertRaises(OSError):
            chat.handler(event(outcome("backed_off", clause="B2")), send=unreachable)
        self.assertEqual(self.handle(outcome("backed_off", clause="B2")), 1)

    def test_every_action_but_none_has_a_verb(self):
        schema = json.loads((pathlib.Path(__file__).parents[2] / "schemas/scaling-outcome-1.json").read_text())
        actions = {action["const"] for action in schema["$defs"]["OutcomeAction"]["oneOf"]}
        self.assertEqual(set(chat.VERBS), actions - {"none"})

    def test_notes_are_quoted(self):
        self.handle(outcome("failed", reason="the masters refused", notes=["2 instances never joined: i-1, i-2"]))
        self.assertTrue(self.sent[0].endswith("FAILED: the masters refused\n> 2 instances never joined: i-1, i-2"))

    def test_other_messages_are_ignored(self):
        self.assertEqual(self.handle({"schema": "other"}), 0)

    def test_it_posts_json_to_the_webhook(self):
        bodies = []

        class Webhook(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                bodies.append((self.headers["Content-Type"], self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_arguments):
                pass

        with http.server.HTTPServer(("127.0.0.1", 0), Webhook) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            os.environ["WEBHOOK_URL"] = f"http://127.0.0.1:{server.server_address[1]}/"
            self.assertEqual(chat.handler(event(outcome("scaled_down", to=9))), 1)
            server.shutdown()
        [(kind, body)] = bodies
        self.assertEqual(kind, "application/json")
        self.assertIn("scaled down 10 -> 9", json.loads(body)["text"])


if __name__ == "__main__":
    unittest.main()
