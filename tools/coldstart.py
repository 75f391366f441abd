#!/usr/bin/env python3
"""Measures a Lambda binary from its start to its first request for an event.

    coldstart.py [-n RUNS] [--masters URL] BINARY...

Each run starts the binary against a Runtime API on 127.0.0.1 and stops it at the first GET .../invocation/next. CPU time is what
matters: at 128 MB a Lambda has about a fourteenth of a core, so 1 ms here is about 14 ms there. While a function starts, Lambda
gives it a whole core.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

CONFIG = """
[mesos]
masters = ["{masters}"]
[[pools]]
name = "workers"
group = "mesos-workers"
"""


# Amazon Linux has its certificate authorities in one file. Other systems also have a directory with a link to each, which the SDK
# reads as well unless SSL_CERT_FILE names the file; that would double the measured time.
BUNDLES = ("/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem")


def environment(port, masters):
    topic = "arn:aws:sns:us-east-1:000000000000:"
    bundle = next((path for path in BUNDLES if os.path.exists(path)), None)
    return {
        **({"SSL_CERT_FILE": bundle} if bundle else {}),
        "PATH": os.environ.get("PATH", ""),
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
        "AWS_LAMBDA_FUNCTION_NAME": "coldstart",
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/coldstart",
        "AWS_LAMBDA_LOG_STREAM_NAME": "coldstart",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "LAMBDA_SCALE_CONFIG": CONFIG.format(masters=masters),
        "SNAPSHOT_TOPIC_ARN": topic + "snapshots",
        "DECISION_TOPIC_ARN": topic + "decisions",
        "OUTCOME_TOPIC_ARN": topic + "outcomes",
    }


def cpu_ms(pid):
    """The CPU time of all threads, from the clock of the process: /proc/PID/stat counts in steps of 10 ms."""
    return time.clock_gettime((~pid << 3) | 2) * 1000


def peak_mib(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def run(binary, masters):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        variables = environment(server.getsockname()[1], masters)
        start = time.perf_counter()
        process = subprocess.Popen([binary], env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        requested = False
        try:
            while not requested and time.perf_counter() - start < 30:
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    if process.poll() is not None:
                        break
                    continue
                with connection:
                    connection.settimeout(5)
                    requested = b"/runtime/invocation/next" in connection.recv(4096).split(b"\r\n")[0]
                    wall = (time.perf_counter() - start) * 1000
                    cpu, rss = cpu_ms(process.pid), peak_mib(process.pid)
        finally:
            process.kill()
            output = process.stdout.read().decode(errors="replace")
            process.stdout.close()
            process.wait()
    if not requested:
        sys.exit(f"{binary} requested no event; its output:\n{output.strip()}")
    return cpu, wall, rss


def main():
    parser = argparse.ArgumentParser(description="Measure a Lambda binary from its start to its first request for an event")
    parser.add_argument("-n", type=int, default=20, help="runs of each binary")
    parser.add_argument("--masters", default="http://10.0.0.5:5050", help="the master in the configuration; https costs TLS")
    parser.add_argument("binaries", nargs="+")
    options = parser.parse_args()
    print(f"{'start, ' + options.masters.split(':')[0] + ' masters':<28}{'CPU min':>10}{'median':>10}{'wall min':>11}{'median':>10}{'memory':>11}")
    for binary in options.binaries:
        path = Path(binary).resolve()
        cpu, wall, rss = zip(*(run(str(path), options.masters) for _ in range(options.n)))
        name = path.parent.name if path.name == "bootstrap" else path.name
        print(
            f"{name:<28}{min(cpu):>7.1f} ms{statistics.median(cpu):>7.1f} ms"
            f"{min(wall):>8.1f} ms{statistics.median(wall):>7.1f} ms{max(rss):>7.1f} MiB"
        )


if __name__ == "__main__":
    main()
