"""What the pages say is so: their links lead somewhere, and the table of costs is worked out right."""

import re
import unittest
import xml.etree.ElementTree as ElementTree
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

from template import ROOT, Stack, source
from test_template import MINIMAL, emitted_metrics

# Emitted only for resources that are judged, or where something is wrong.
RARE = {"DiskUtilization", "GpusUtilization", "GroupCpuUtilization"}


def anchors(text):
    titles = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}


def looked_at_by(stack):
    """How many metrics its alarms look at, which is what they cost."""
    alarms = stack.of_type("AWS::CloudWatch::Alarm").values()
    return sum(sum("MetricStat" in part for part in alarm["Metrics"]) if "Metrics" in alarm else 1 for alarm in alarms)


class DocsTest(unittest.TestCase):
    def pages(self):
        yield from (path for path in (ROOT / "docs").rglob("*.md") if "book" not in path.relative_to(ROOT / "docs").parts)
        yield from (ROOT / name for name in ("README.md", "ARCHITECTURE.md", "terraform/README.md"))

    def test_links_lead_somewhere(self):
        for page in self.pages():
            text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
            for target in re.findall(r"\]\(([^)\s]+)\)", text):
                if target.startswith("http"):
                    continue
                file, _, anchor = target.partition("#")
                found = (page.parent / file).resolve() if file else page
                self.assertTrue(found.exists(), f"{page.relative_to(ROOT)}: {target}")
                if anchor and found.suffix == ".md":
                    self.assertIn(anchor, anchors(found.read_text()), f"{page.relative_to(ROOT)}: {target}")

    def test_every_page_is_in_the_book(self):
        summary = (ROOT / "docs/SUMMARY.md").read_text()
        for page in (ROOT / "docs").rglob("*.md"):
            name = str(page.relative_to(ROOT / "docs"))
            if name != "SUMMARY.md" and not name.startswith("book/"):
                self.assertIn(f"({name})", summary)

    def test_drawings_are_well_formed_and_say_what_they_show(self):
        drawings = sorted((ROOT / "docs/images").glob("*.svg"))
        self.assertGreater(len(drawings), 1)
        for drawing in drawings:
            root = ElementTree.parse(drawing).getroot()
            title = root.find("{http://www.w3.org/2000/svg}title")
            self.assertTrue(title is not None and len(title.text) > 20, drawing.name)
            self.assertIn("viewBox", root.attrib)

    def test_the_costs_are_worked_out_right(self):
        page = (ROOT / "docs/cost.md").read_text()
        rows = {cells[1].strip(" *"): [cell.strip() for cell in cells] for cells in (line.split("|") for line in page.splitlines() if line.startswith("| "))}

        def amount(name):
            return Decimal(rows[name][-2].strip(" *$"))

        def cents(value):
            return value.quantize(Decimal("0.01"), ROUND_HALF_UP)

        runs = 3 * 43_200
        seconds = runs * Decimal("0.2") * Decimal("0.125")
        self.assertEqual(rows["requests"][2], f"{runs:,}")
        self.assertEqual(rows["time"][2], f"{seconds.normalize():,f} GB-s")
        self.assertEqual(amount("requests"), cents(runs * Decimal("0.20") / 10**6))
        self.assertEqual(amount("time"), cents(seconds * Decimal("0.0000166667")))
        self.assertEqual(amount("messages"), cents(runs * Decimal("0.50") / 10**6))
        gigabytes = Decimal(43_200 * 4800) / 10**9
        self.assertEqual(rows["logs"][2], f"{cents(gigabytes)} GB")
        self.assertEqual(amount("logs"), cents(cents(gigabytes) * Decimal("0.50")))
        metrics = len(emitted_metrics() - RARE)
        self.assertEqual(rows["metrics"][2], str(metrics), "metrics came or went; docs/cost.md counts them")
        self.assertEqual(amount("metrics"), cents(metrics * Decimal("0.30")))
        looked_at = looked_at_by(Stack(MINIMAL))
        self.assertEqual(rows["alarms"][2], str(looked_at), "alarms came or went; docs/cost.md counts them")
        self.assertEqual(amount("alarms"), cents(looked_at * Decimal("0.10")))
        self.assertEqual(amount("dashboard"), Decimal("3.00"))
        left = (metrics - 10) * Decimal("0.30") + (looked_at - 10) * Decimal("0.10")
        self.assertIn(f"${left} are left: {metrics - 10} metrics and {looked_at - 10} under alarms", page)
        self.assertIn(f"Ten pools cost ${10 * amount('metrics')} for them", page)
        body = (ROOT / "template.yaml").read_text()
        searched, fixed = body.count("SEARCH(") - body.count('=\\"GpusUtilization'), body.count('["AWS/Lambda",')
        self.assertLessEqual(2 * searched + fixed, 50)
        self.assertGreater(3 * searched + fixed, 50, "docs/cost.md says from how many pools on the dashboard is not a free one")
        further = looked_at_by(Stack({}, source("examples/pool-alarms.yaml")))
        self.assertIn(f"look at {further} metrics more: ${cents(further * Decimal('0.10'))}.", page)
        together = sum(amount(name) for name in ("requests", "time", "messages", "logs", "metrics", "alarms", "dashboard"))
        self.assertEqual(amount("together"), together)


if __name__ == "__main__":
    unittest.main()
