#!/bin/sh
# state.sh AGENTS:TASKS: prints the path of a /state of that size, which is generated once.
set -eu

agents=${1%:*}
tasks=${1#*:}
state=target/bench/$agents.$tasks.json
mkdir -p target/bench
test -e "$state" || target/debug/lambda-scale generate --agents "$agents" --tasks "$tasks" --output "$state"
echo "$state"
