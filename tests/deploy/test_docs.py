"""The pages are correct: their links resolve, every page is in the book, and the cost table adds up."""

import re
import unittest
import xml.etree.ElementTree as ElementTree
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

from template import ROOT, Stack, source
from test_template import MINIMAL, dashboards, emitted_metrics, lines_of

# Emitted only for some considered resources, sources, and settings, and for faults.
USUAL_KINDS = {"CpusUtilization", "MemUtilization"}
LEARNED = {"Demand", "Growth", "GrowthSamples", "HistoryFailed"}
RARE = {"Expired"} | LEARNED | {name for name in emitted_metrics() if name.endswith("Utilization")} - USUAL_KINDS


def anchors(text):
    titles = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    explicit = re.findall(r'<a id="([\w-]+)"></a>', text)
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles} | set(explicit)


def alarmed_metrics(stack):
    """The number of metrics in its alarms, which AWS bills."""
    alarms = stack.of_type("AWS::CloudWatch::Alarm").values()
    return sum(sum("MetricStat" in part for part in alarm["Metrics"]) if "Metrics" in alarm else 1 for alarm in alarms)


class DocsTest(unittest.TestCase):
    def pages(self):
        yield from (path for path in (ROOT / "docs").rglob("*.md") if "book" not in path.relative_to(ROOT / "docs").parts)
        yield from (ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "terraform/README.md"))

    def test_links_resolve(self):
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

    def test_quoted_reasons_are_those_that_the_code_gives(self):
        code = "\n".join(path.read_text() for path in ROOT.glob("*/src/**/*.rs"))
        code = re.sub(r"\\\n\s*", "", code)
        page = (ROOT / "docs/troubleshooting.md").read_text()
        quoted = [quote for row in re.findall(r"^\| (.+?) \|", page, re.MULTILINE) for quote in re.findall(r"`([^`]+)`", row)]
        parts = [part.strip(" :;,") for quote in quoted for part in re.split(r"\.\.\.|\b[A-Z]\d+: ", quote)]
        sentences = [part for part in parts if " " in part]
        self.assertGreater(len(sentences), 10)
        for sentence in sentences:
            self.assertTrue(sentence in code, f"docs/troubleshooting.md quotes a reason that no code gives: {sentence}")

    def test_drawings_are_well_formed_and_have_a_title(self):
        drawings = sorted((ROOT / "docs/images").glob("*.svg"))
        self.assertGreater(len(drawings), 1)
        for drawing in drawings:
            root = ElementTree.parse(drawing).getroot()
            title = root.find("{http://www.w3.org/2000/svg}title")
            self.assertTrue(title is not None and len(title.text) > 20, drawing.name)
            self.assertIn("viewBox", root.attrib)

    def test_the_cost_table_adds_up(self):
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
        self.assertEqual(rows["metrics"][2], str(metrics), "the number of metrics changed; update docs/cost.md")
        self.assertEqual(amount("metrics"), cents(metrics * Decimal("0.30")))
        alarmed = alarmed_metrics(Stack(MINIMAL))
        self.assertEqual(rows["alarms"][2], str(alarmed), "the number of alarms changed; update docs/cost.md")
        self.assertEqual(amount("alarms"), cents(alarmed * Decimal("0.10")))
        self.assertEqual(amount("dashboard"), Decimal("3.00"))
        left = (metrics - 10) * Decimal("0.30") + (alarmed - 10) * Decimal("0.10")
        self.assertIn(f"${left} remain: {metrics - 10} metrics and {alarmed - 10} in alarms", page)
        self.assertIn(f"Ten pools cost ${10 * amount('metrics')} for them", page)
        [body] = dashboards(Stack(MINIMAL))
        self.assertIn(f"shows {len(lines_of(body))} metrics", page)
        self.assertLessEqual(len(lines_of(body)), 50, "the dashboard is no longer free; update docs/cost.md")
        further = alarmed_metrics(Stack({}, source("examples/pool-alarms.yaml")))
        self.assertIn(f"add {further} metrics: ${cents(further * Decimal('0.10'))}.", page)
        total = sum(amount(name) for name in ("requests", "time", "messages", "logs", "metrics", "alarms", "dashboard"))
        self.assertEqual(amount("total"), total)


if __name__ == "__main__":
    unittest.main()
