#!/usr/bin/env python3
"""Reads a /state as a short Python function would: loads it and counts. Prints the CPU seconds."""

import collections
import json
import sys
import time

start = time.process_time()
with open(sys.argv[1], encoding="utf-8") as file:
    state = json.load(file)
applications = collections.Counter()
for framework in state["frameworks"]:
    for task in framework["tasks"]:
        if task["state"] == "TASK_RUNNING":
            applications[framework["name"], task["name"]] += 1
cpus = sum(agent["resources"]["cpus"] - agent["used_resources"]["cpus"] for agent in state["slaves"])
print(time.process_time() - start, len(applications), cpus)
