#!/usr/bin/env python3
"""pictures.py CLI: simulates, and cuts the two pictures of docs/learned-headroom.md out of the reports.

CLI is the path of `lambda-scale`. What is simulated stands under each picture in the page.
"""

import csv
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONFIDENCES = (90, 92, 95, 98, 100)
SUGGESTED = 95

CONFIGURATION = """\
marathon.url = "http://10.0.0.5:8080"
mesos.masters = ["http://10.0.0.5:5050"]

[[pools]]
name = "workers"
group = "workers"
max = 400
"""

COLORS = {
    "back": "#fff", "raised": "#f5f7f9", "rule": "#d5dbe1", "text": "#1b222a", "quiet": "#56616c", "accent": "#1f5fbf",
    "blue": "#1f5fbf", "orange": "#b04a00", "green": "#14795a", "purple": "#8a3ab9", "red": "#c3261f",
}

# What a report's style sheet says of its pictures, in light colors: a picture stands alone.
STYLE = (
    f"svg{{{''.join(f'--{name}:{color};' for name, color in COLORS.items())}background:var(--back);font-family:system-ui,sans-serif}}"
    ".grid{stroke:var(--rule);fill:none;vector-effect:non-scaling-stroke}"
    ".tick{fill:var(--quiet);font-size:12px}"
    ".title{fill:var(--text);font-size:14px;font-weight:600}"
    ".label{fill:var(--text);font-size:12px;paint-order:stroke;stroke:var(--back);stroke-width:3px;stroke-linejoin:round}"
    ".label.ours{fill:var(--accent);font-weight:650}"
    ".dial{stroke:var(--accent);stroke-width:1.6;fill:none;opacity:.75}"
    ".point{stroke:var(--text);stroke-width:1.8;fill:var(--back)}.point.best{fill:var(--text)}"
    ".point.ours{stroke:var(--accent)}.point.ours.best{fill:var(--accent)}.point.bound{stroke:var(--quiet)}"
    ".line{stroke-width:1.4;vector-effect:non-scaling-stroke;stroke-linejoin:round;fill:none}.area{fill-opacity:.6}"
    + "".join(f".line.{color}{{stroke:var(--{color})}}.area.{color}{{fill:var(--{color})}}" for color in ("blue", "orange", "green", "purple", "red"))
    + ".level{stroke:var(--text);stroke-dasharray:5 4;fill:none;opacity:.65;vector-effect:non-scaling-stroke}"
)


def simulate(cli, directory, trace, configurations, *options):
    """The report of a simulation, and the agent-hours of its first configuration."""
    first, *others = configurations
    compare = [argument for other in others for argument in ("--compare", other)]
    command = [cli, "simulate", "--trace", trace, "--config", first, *compare, "--report", "report.html", "--output", "json", *options]
    printed = json.loads(subprocess.run(command, check=True, cwd=directory, stdout=subprocess.PIPE).stdout)
    hours = printed["policies"][0]["measurements"]["agent_hours"]["mean"]
    return (directory / "report.html").read_text(), round(hours)


def picture(width, height, label, body):
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{label}"><style>{STYLE}</style>'
        f'<rect width="{width}" height="{height}" fill="#fff"/>{body}</svg>\n'
    )


def text(kind, x, y, words, anchor="start"):
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{words}</text>'


def plot(report, top, title):
    """The agents of a report's timeline, with its scale and the hours of the day."""
    main = report[report.index('class="plot main"'):]
    inner = re.search(r"<svg [^>]*>(.*?)</svg>", main, re.DOTALL)[1]
    values = re.findall(r'<span style="bottom:([\d.]+)%">(\d+)</span>', main[:main.index("<svg")])
    scale = (text("tick", 32, top + 4 + 240 * (1 - float(share) / 100), value, "end") for share, value in values)
    hours = (text("tick", 40 + 940 * hour / 24, top + 256, f"{hour:02}:00", "middle") for hour in range(0, 25, 6))
    box = f'<svg x="40" y="{top}" width="940" height="240" viewBox="0 0 1000 1000" preserveAspectRatio="none">{inner}</svg>'
    return text("title", 40, top - 12, title) + "".join(scale) + "".join(hours) + box


def day(cli, directory):
    """A smooth day with X% of headroom, and learned."""
    trace = ROOT / "examples/traces/taxi-day.csv"
    today, hours = simulate(cli, directory, trace, ["today.toml"], "--peak-cpus", "200")
    learned, learned_hours = simulate(cli, directory, trace, [f"learn-{SUGGESTED}.toml"], "--peak-cpus", "200")
    legend = "".join(
        f'<rect x="{x}" y="18" width="10" height="10" style="fill:var(--{color})"/>{text("tick", x + 14, 28, words)}'
        for x, color, words in ((560, "blue", "usable agents"), (670, "orange", "demand"), (780, "green", "in flight"), (890, "purple", "closing"))
    )
    body = plot(today, 40, f"application_headroom_percent = 10: {hours} agent-hours")
    body += plot(learned, 340, f"learn = {SUGGESTED}: {learned_hours} agent-hours") + legend
    return picture(1000, 620, f"A day with 10% of headroom takes {hours} agent-hours; learned it takes {learned_hours}", body)


def three_days(trace, directory):
    """Its rows from the fourth day on, three days of them."""
    cut = directory / trace.name
    with trace.open(newline="") as source, cut.open("w", newline="") as out:
        rows = list(csv.reader(source))
        head, rows = rows[0], rows[1:]
        csv.writer(out).writerows([head, *rows[3 * 288:6 * 288]])
    return cut


def frontier(cli, directory):
    """What each confidence costs where load jumps, beside two other policies."""
    trace = three_days(ROOT / "traces/nab_elb_request_count_8c0756.csv", directory)
    configurations = ["today.toml", *(f"learn-{confidence}.toml" for confidence in CONFIDENCES)]
    baselines = ("--baseline", "target-tracking=65", "--baseline", "karpenter-buffer=10")
    report, _ = simulate(cli, directory, trace, configurations, *baselines)
    wide = re.search(r'<svg class="wide" viewBox="0 0 (\d+) (\d+)" role="img" aria-label="([^"]*)">(.*?)</svg>', report, re.DOTALL)
    width, height, label, body = wide.groups()
    return picture(width, height, label, body)


def main():
    cli = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "today.toml").write_text(CONFIGURATION)
        for confidence in CONFIDENCES:
            (directory / f"learn-{confidence}.toml").write_text(f"{CONFIGURATION}learn = {confidence}\n")
        for picture_of in (day, frontier):
            path = ROOT / f"docs/learned-headroom-{picture_of.__name__}.svg"
            path.write_text(picture_of(cli, directory))
            print(f"{path.relative_to(ROOT)} written")


main()
