#!/usr/bin/env python3
"""performance.py [PART ...]: measures, and writes the tables of docs/performance.md. Without parts: all of them.

A table stands between two comments, "measured: PART" and "end: PART"; the rest of the page is written by hand. A part whose
command fails leaves its table as it is.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/performance.md"
STAGES = ("node_gather", "node_process", "node_scale")


def make(target):
    """What `make` prints, which is shown while it comes."""
    lines = []
    with subprocess.Popen(["make", "--silent", target], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line.rstrip("\n"))
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, f"make {target}")
    return lines


def short(value):
    """Two digits that count, or all of a large number."""
    value = float(value)
    for digits, least in ((0, 9.95), (1, 0.995), (2, 0.0995), (3, 0.00995)):
        if value >= least:
            return f"{value:,.{digits}f}"
    return f"{value:.4f}".rstrip("0").rstrip(".")


def table(head, rows):
    return [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"] + [f"| {' | '.join(row)} |" for row in rows]


def cells(line):
    """The fields of a line of a table with `|` between its parts."""
    return line.replace("|", " ").split()


def start(lines):
    sizes = {match[2]: match[3] for match in (re.match(r"(\S*/(\w+)/bootstrap\.zip) +([\d.]+) MB", line) for line in lines) if match}
    starts = [match for match in (re.match(r"(node_\w+) +([\d.]+) ms .* ([\d.]+) MiB", line) for line in lines) if match]
    # First with plain http masters, then with https.
    http, https = starts[:len(STAGES)], starts[len(STAGES):]
    own = lambda matches, group: {match[1]: match[group] for match in matches}
    cpu, memory, tls = own(http, 2), own(http, 3), own(https, 2)
    return table(("", *STAGES), [
        ("zip", *(f"{sizes[stage]} MB" for stage in STAGES)),
        ("CPU from process start to the first request for an event, clients built", *(f"{cpu[stage]} ms" for stage in STAGES)),
        ("the same with https masters", *(f"{tls[stage]} ms" for stage in STAGES)),
        ("peak memory at that time", *(f"{memory[stage]} MiB" for stage in STAGES)),
    ])


# The rows of the table, and the way of each with what it is divided by.
READERS = [
    ("the scanner", "scan", None),
    ("the same with the vectors of every x86-64", "scan-sse2", None),
    ("scanner, snapshot and message", "gather", None),
    ("bare read() of the file, 64 KiB at a time", "read", None),
    ("**the scanner, relative to bare read()**", "scan", "read"),
    ("serde_json from a slice, to the same result, relative to the scanner", "serde-slice", "scan"),
    ("serde_json from a reader, relative to the scanner", "serde-reader", "scan"),
    ("Python: `json.load` and a counting loop, relative to the scanner", "python", "scan"),
    ("over HTTP by reqwest, relative to reading and discarding the answer", "http+scan", "http"),
    ("gunzip and scanner, relative to gunzip alone", "gunzip+scan", "gunzip"),
    ("gunzip and scanner, relative to the scanner", "gunzip+scan", "scan"),
]


def scan(lines):
    columns = []
    for line in lines:
        if match := re.match(r"\S*?(\d+)\.(\d+)\.json of (\d+) MB", line):
            agents, tasks, size = map(int, match.groups())
            size = f"{size / 1000:.1f} GB" if size >= 1000 else f"{size} MB"
            columns.append({"head": f"{agents:,} agents, {tasks:,} tasks, {size}", "seconds": {}, "memory": {}, "message": ""})
        elif match := re.match(r"(\S+) +([\d.]+) CPU s +([\d.]+) MB/s", line):
            columns[-1]["seconds"][match[1]] = float(match[2])
        elif match := re.match(r"(\S+) +peak memory +([\d.]+) MB", line):
            columns[-1]["memory"].setdefault(match[1], match[2])
        elif match := re.match(r"message: .* in (\d+) bytes \((.*)\)", line):
            columns[-1]["message"] = f"{int(match[1]):,} bytes, {match[2]}"

    def cell(column, way, other):
        seconds = column["seconds"]
        if way not in seconds:
            return "not run"
        return f"{seconds[way]:.4f} s" if other is None else f"{short(seconds[way] / seconds[other])} x"

    rows = [(label, *(cell(column, way, other) for column in columns)) for label, way, other in READERS]
    rows += [
        (label, *(f"{column['memory'][way]} MB" for column in columns))
        for label, way in (
            ("**peak memory of the process**, from a file", "scan"), ("over HTTP", "http+scan"), ("with snapshot and message", "gather"),
        )
    ]
    rows.append(("message", *(column["message"] for column in columns)))
    return table(("", *(column["head"] for column in columns)), rows)


def decide(lines):
    rows = []
    for line in lines:
        fields = cells(line)
        if len(fields) == 12 and fields[0].isdigit():
            agents, sizes, tasks, shapes, total, *packed, memory = fields
            counts = [f"{int(count):,}" for count in (agents, sizes, tasks, shapes)]
            rows.append((*counts, *map(short, packed), short(total), f"{memory} MB"))
    return table((
        "agents", "sizes", "tasks", "different free parts", "X = 10%", "25%", "100%", "all full, 100%", "200 candidates", "of them some go",
        "`sum`", "memory",
    ), rows)


WORKLOADS = {
    "services": "50 sizes typical of services",
    "services, few": "12 such sizes (one agent is 9%)",
    "independent": "2,000 sizes, cpus and mem independent",
    "independent, large": "the same, four to eight times as large",
    "correlated": "2,000 sizes, mem in proportion to cpus",
    "opposite": "either much cpu or much mem",
    "halves": "a third to more than half of an agent each",
    "two sizes": "two sizes",
    "hourglass": "hourglass: much of one kind, or little of both",
    "anti-correlated": "12 sizes, the more cpu the less mem: half an agent",
    "anti-correlated, small": "the same, a quarter of an agent",
}


def quality(lines):
    rows = []
    for line in lines:
        name, agents = line[:22].strip(), line[22:29].strip()
        if name in WORKLOADS and agents.isdigit():
            ranks = [" / ".join(ranks.split()) for ranks in line.split("|")[1:6]]
            first_fit, closest, product, _best_order, packed = ranks
            rows.append((WORKLOADS[name], f"{int(agents):,}", first_fit, closest, product, f"**{packed}**"))
    head = ("filling new agents of 16 cpus and 62 GB", "agents", "first fit decreasing", "closest fit", "largest product", "`pack`")
    return table(head, rows)


def tick(lines):
    rows = []
    for line in lines:
        fields = line.replace("|", " ").split()
        if len(fields) == 8 and fields[0].isdigit():
            agents, tasks, size, *times = fields
            gather, process, scale, total, learning = map(short, times)
            rows.append((f"{int(agents):,}", f"{int(tasks):,}", f"{float(size):,.0f} MB", gather, learning, process, scale, f"**{total}**"))
    return table(("agents", "tasks", "/state", "node_gather", "of it learning", "node_process", "node_scale", "all"), rows)


def simulate(lines):
    rows = []
    for line in lines:
        if match := re.match(r"(.+?) {2,}([\d.]+) agents +(\d+) runs +([\d.]+) s +(\d+) runs/s +([\d.]+) MB", line):
            policy, agents, _runs, seconds, rate, memory = match.groups()
            rows.append((policy, agents, f"{short(seconds)} s", f"{int(rate):,}", f"{memory} MB"))
    return table(("a week in runs of a minute", "agents, on average", "processor time", "runs in a second of it", "memory"), rows)


def load(lines):
    rows = []
    for line in lines:
        if match := re.match(r" *(\d+) agents +(\d+) tasks +([\d.]+) MB (.*)  \(", line):
            agents, tasks, size, rest = match.groups()
            cost = re.findall(r"(node_\w+) ([\d.]+) s ([\d.]+) MB", rest)
            rows.append((f"{int(agents):,}", f"{int(tasks):,}", f"{float(size):,.0f} MB",
                         *(f"{short(seconds)} s, {memory} MB" for _stage, seconds, memory in cost)))
    return table(("agents", "tasks", "/state", *STAGES), rows)


def endurance(lines):
    rows = []
    for line in lines:
        if match := re.match(
            r"(node_\w+) +(\d+) invocations +(\d+) failed  p50 +([\d.]+) ms  p99 +([\d.]+) ms  memory +([\d.]+) MB first, +([\d.]+) MB last", line
        ):
            stage, runs, failed, median, slow, first, last = match.groups()
            rows.append((stage, f"{int(runs):,}", f"{int(failed):,}", f"{median} ms", f"{slow} ms", f"{first} MB", f"{last} MB"))
    return table(("", "invocations", "of them failed", "median", "99th percentile", "memory in the first quarter", "in the last"), rows)


PARTS = {
    "start": ("bench-start", start), "scan": ("bench-scan", scan), "decide": ("bench-decide", decide), "quality": ("quality", quality),
    "tick": ("bench-tick", tick), "simulate": ("bench-simulate", simulate),
    "load": ("bench-load", load), "endurance": ("endurance", endurance),
}


def replaced(text, part, lines):
    """The page with these lines in the table of that part."""
    region = re.compile(rf"(?ms)^(<!-- measured: {part} [^\n]*\n).*?(^<!-- end: {part} -->$)")
    text, count = region.subn(lambda found: found[1] + "\n" + "".join(f"{line}\n" for line in lines) + "\n" + found[2], text)
    if count != 1:
        raise ValueError(f"{count} tables {part} in {PAGE}, expected 1")
    return text


def main():
    parts = sys.argv[1:] or list(PARTS)
    if unknown := set(parts) - set(PARTS):
        sys.exit(f"got {', '.join(sorted(unknown))}, expected {', '.join(PARTS)}")
    failed = []
    for part in parts:
        target, lines_of = PARTS[part]
        try:
            lines = lines_of(make(target))
            if len(lines) < 3:
                raise ValueError("no row was measured")
        except (subprocess.CalledProcessError, ValueError, KeyError, IndexError) as error:
            print(f"{part}: {error}; its table stays as it is", file=sys.stderr)
            failed.append(part)
            continue
        # Read again: a part takes minutes.
        new = PAGE.with_suffix(".md.new")
        new.write_text(replaced(PAGE.read_text(), part, lines))
        os.replace(new, PAGE)
    sys.exit(f"not measured: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
