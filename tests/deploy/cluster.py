"""A Mesos master: serves a capture of a real one as of today, and executes the calls of operators."""

import base64
import contextlib
import http.server
import json
import threading
import time
from collections import Counter
from decimal import Decimal
from math import ceil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / "tests/captures/1.11.0/30-big-60-agents/state.json"

# In the capture, 37.7% of the CPUs and 8.9% of the memory are allocated. With these settings, only rule U adds agents.
UP_PERCENT, DOWN_PERCENT, HEADROOM_PERCENT = 35, 20, 10
NEW_AGENT = {"cpus": 4, "mem": 14000}


def state_of_today():
    """The capture, as if its master had been elected yesterday: a recent election blocks decisions."""
    state = json.loads(STATE.read_text(), parse_float=Decimal)
    shift = Decimal(int(time.time()) - 24 * 3600) - state["elected_time"]

    def moved(value, key=""):
        if isinstance(value, dict):
            return {name: moved(inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [moved(inner, key) for inner in value]
        if isinstance(value, Decimal) and key.endswith(("_time", "timestamp")) and key != "build_time":
            return value + shift
        return value

    return moved(state)


class Cluster:
    """The leading master of a cluster. `credentials`: `principal:secret` that it requires."""

    def __init__(self, credentials=None):
        self.state = state_of_today()
        self.credentials = credentials
        self.requests, self.calls = [], []

    @property
    def agents(self):
        return self.state["slaves"]

    @property
    def tasks(self):
        return [task for framework in self.state["frameworks"] for task in framework["tasks"]]

    def idle(self):
        """The instances of the agents without tasks."""
        tasks = Counter(task["slave_id"] for task in self.tasks)
        return {agent["attributes"]["instance_id"] for agent in self.agents if not tasks[agent["id"]]}

    def run_on(self, instances):
        """Sets the instances of its agents."""
        for agent, instance in zip(self.agents, instances, strict=True):
            agent["attributes"]["instance_id"] = instance

    def remove(self, instances):
        """Removes the agents on these instances."""
        self.state["slaves"] = [agent for agent in self.agents if agent["attributes"]["instance_id"] not in instances]

    def remove_idle(self):
        self.remove(self.idle())
        return self

    def agents_to_add(self):
        """The result of rule U in closed form; checks that D and H change nothing (docs/algorithm.md)."""
        added = 0
        for kind in ("cpus", "mem"):
            total = sum(agent["resources"][kind] for agent in self.agents)
            used = sum(task["resources"][kind] for task in self.tasks)
            missing = Decimal(100) * used / UP_PERCENT - total
            added = max(added, ceil(missing / NEW_AGENT[kind]))
            if kind == "cpus":
                assert 100 * used >= DOWN_PERCENT * total, "D would remove agents"
            assert total - used >= used * HEADROOM_PERCENT / 100, "H would add agents"
        assert 0 < added <= 10, "the step limit would hide the result of U"
        return added

    def execute(self, call):
        """Executes the call of an operator. Draining ends at once here, and its tasks run on other agents at once."""
        kind = call["type"]
        body = call[kind.lower()]
        agent = next(agent for agent in self.agents if agent["id"] == body["agent_id"]["value"])
        self.calls.append((kind, agent["attributes"]["instance_id"]))
        agent["deactivated"], agent["active"] = True, False
        if kind == "DRAIN_AGENT":
            agent["drain_info"] = {"state": "DRAINED", "config": {"max_grace_period": body["max_grace_period"], "mark_gone": False}}
            self.move_tasks(agent)
        else:
            assert kind == "DEACTIVATE_AGENT", kind

    def move_tasks(self, drained):
        def free(agent):
            return agent["resources"]["cpus"] - agent["used_resources"]["cpus"]

        for task in self.tasks:
            if task["slave_id"] == drained["id"]:
                other = max((agent for agent in self.agents if agent["active"]), key=free)
                task["slave_id"] = other["id"]
                for kind in ("cpus", "mem", "disk"):
                    drained["used_resources"][kind] -= task["resources"][kind]
                    other["used_resources"][kind] += task["resources"][kind]

    def answer(self):
        active = sum(agent["active"] for agent in self.agents)
        counts = {"activated_slaves": active, "deactivated_slaves": len(self.agents) - active}
        return json.dumps(self.state | counts, default=float).encode()

    @contextlib.contextmanager
    def served(self):
        """Serves the master. Yields its URL."""
        handler = type("BoundMaster", (Master,), {"cluster": self})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.server_close()


class Master(http.server.BaseHTTPRequestHandler):
    cluster: Cluster

    def do_GET(self):
        known = self.path.partition("?")[0] in ("/state", "/master/state")
        self.respond(known, self.cluster.answer)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.respond(self.path in ("/api/v1", "/master/api/v1"), lambda: self.cluster.execute(json.loads(body)) or b"")

    def respond(self, known, answer):
        cluster = self.cluster
        cluster.requests.append(self.path)
        required = cluster.credentials and "Basic " + base64.b64encode(cluster.credentials.encode()).decode()
        status, body = 404, b""
        if required and self.headers["Authorization"] != required:
            status = 401
        elif known:
            status, body = 200, answer()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass
