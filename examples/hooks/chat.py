"""Posts what Lambda Scale does to a chat: one AWS Lambda function (python3.12) on the outcome topic.

WEBHOOK_URL is an incoming webhook that takes {"text": ...}, as those of Slack, Mattermost, and Microsoft Teams do. Keep it
secret: whoever has it can post. Every change and failure is posted; a back-off only while it is new, since it repeats with
every run. To filter more, give the subscription a filter policy, such as {"pool": ["workers"]}.
"""

import json
import os
import urllib.request

VERBS = {
    "scaled_up": "scaled up", "scaled_down": "scaled down", "draining": "decommissions agents", "failed": "FAILED",
    "backed_off": "backs off", "refused": "refused", "dry_run": "would scale (dry run)",
}

# What was posted last for each pool, while the function stays warm: a cold start may repeat a message, and no more.
LAST = {}


def text_of(outcome):
    """One line for people: what, from how many to how many, and why."""
    verb = VERBS.get(outcome["action"])
    if verb is None:
        return None
    size = f" {outcome['from']} -> {outcome['to']}" if outcome.get("from") != outcome.get("to") else ""
    clause = f"{outcome['clause']}: " if outcome.get("clause") else ""
    notes = "".join(f"\n> {note}" for note in outcome.get("notes", ()))
    return f"*{outcome['pool']}* ({outcome.get('group', 'no group')}) {verb}{size}: {clause}{outcome['reason']}{notes}"


def is_news(outcome):
    """Whether it differs from what was posted last for the pool. Durations in a reason change with every run; the clause does not."""
    return outcome["action"] in ("scaled_up", "scaled_down") or LAST.get(outcome["pool"]) != key(outcome)


def key(outcome):
    return outcome["action"], outcome.get("clause"), outcome.get("to")


def post(text, url):
    """Sends one message. An error fails the invocation, so SNS delivers it again."""
    body = json.dumps({"text": text}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=5):
        pass


def handler(event, _context=None, send=post):
    """Posts the outcomes of the event, and returns how many were posted."""
    posted = 0
    for record in event.get("Records", ()):
        outcome = json.loads(record["Sns"]["Message"])
        if outcome.get("schema") != "lambda-scale/scaling-outcome":
            continue
        text = text_of(outcome)
        if is_news(outcome) and text:
            send(text, os.environ["WEBHOOK_URL"])
            posted += 1
        # Only now: what could not be sent is still news when SNS delivers it again.
        LAST[outcome["pool"]] = key(outcome)
    return posted
