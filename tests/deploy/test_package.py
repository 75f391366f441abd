"""The package of `make package`: the same bytes for the same input, and everything that a deployment needs."""

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import unittest
import zipfile
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import package  # noqa: E402
import third_party  # noqa: E402

STAGES = ("node_gather", "node_process", "node_scale")
CLI = ROOT / "target/debug/lambda-scale"
TARGET = "x86_64-unknown-linux-gnu"


class ZipTest(unittest.TestCase):
    def test_the_same_binary_gives_the_same_zip(self):
        zips = []
        for time, mode in ((1_000_000_000, 0o755), (1_700_000_000, 0o644)):
            with tempfile.TemporaryDirectory() as directory:
                binary = Path(directory) / "bootstrap"
                binary.write_bytes(b"\x7fELF" + bytes(range(256)) * 100)
                binary.chmod(mode)
                os.utime(binary, (time, time))
                subprocess.run([sys.executable, ROOT / "tools/zip.py", binary], check=True)
                zips.append(binary.with_name("bootstrap.zip").read_bytes())
        self.assertEqual(zips[0], zips[1])
        [entry] = zipfile.ZipFile(io.BytesIO(zips[0])).infolist()
        self.assertEqual((entry.filename, entry.external_attr >> 16), ("bootstrap", 0o100755))


class PackageTest(unittest.TestCase):
    """With the zips of `make all`."""

    @classmethod
    def setUpClass(cls):
        cls.files = package.contents("x86_64", CLI)

    def test_the_same_input_gives_the_same_bytes(self):
        again = dict(reversed(package.contents("x86_64", CLI).items()))
        self.assertEqual(package.archive(self.files, "x"), package.archive(again, "x"))

    def test_its_files_have_the_checksums_of_sha256sums(self):
        with tarfile.open(fileobj=io.BytesIO(package.archive(self.files, "lambda-scale"))) as archive:
            found = {entry.name: archive.extractfile(entry).read() for entry in archive}
        sums = found.pop("lambda-scale/SHA256SUMS").decode().splitlines()
        self.assertEqual(len(sums), len(found))
        for line in sums:
            digest, name = line.split("  ")
            self.assertEqual(hashlib.sha256(found[f"lambda-scale/{name}"]).hexdigest(), digest)

    def test_the_links_of_its_pages_lead_to_files_of_the_package(self):
        pages = [name for name in self.files if name.endswith(".md")]
        self.assertLessEqual({"README.md", "SECURITY.md", "docs/deployment.md", "terraform/README.md"}, set(pages))
        for page in pages:
            text = re.sub(r"(?s)```.*?```", "", self.files[page].decode())
            for target in re.findall(r"\]\(([^)#\s]+)", text):
                if not target.startswith("http"):
                    found = os.path.normpath(os.path.join(os.path.dirname(page), target))
                    self.assertTrue(found in self.files or any(name.startswith(f"{found}/") for name in self.files), f"{page}: {target}")

    def test_it_has_the_command_line_with_manual_and_completions(self):
        manual = {name for name in self.files if name.startswith("share/man/man1/")}
        self.assertLessEqual({"share/man/man1/lambda-scale.1", "share/man/man1/lambda-scale-explain.1"}, manual)
        self.assertIn(b"complete", self.files["share/completions/bash/lambda-scale"])
        with tarfile.open(fileobj=io.BytesIO(package.archive(self.files, "x"))) as archive:
            modes = {entry.name: entry.mode for entry in archive}
        self.assertEqual((modes["x/bin/lambda-scale"], modes["x/README.md"]), (0o755, 0o644))

    def test_it_has_every_example(self):
        listed = subprocess.run(["git", "-C", ROOT, "ls-files", "examples"], check=True, capture_output=True, text=True).stdout.split()
        self.assertGreater(len(listed), 8)
        self.assertEqual({name for name in self.files if name.startswith("examples/")}, set(listed))

    def test_it_has_every_schema_where_the_example_names_it(self):
        listed = {f"schemas/{path.name}" for path in (ROOT / "schemas").glob("*.json")}
        self.assertLessEqual({"schemas/configuration.json", "schemas/cluster-snapshot-1.json"}, listed)
        self.assertEqual({name for name in self.files if name.startswith("schemas/") and name.endswith(".json")}, listed)
        [schema] = re.findall(r"(?m)^#:schema (\S+)$", self.files["examples/lambda-scale.toml"].decode())
        self.assertIn(os.path.normpath(os.path.join("examples", schema)), self.files)

    def test_the_template_names_the_zips_of_the_package(self):
        for stage in STAGES:
            self.assertIn(f"CodeUri: {stage}.zip\n", self.files["template.yaml"].decode())
            self.assertEqual(zipfile.ZipFile(io.BytesIO(self.files[f"{stage}.zip"])).namelist(), ["bootstrap"])
        self.assertIn("examples/pool-alarms.yaml", self.files)
        arm = (ROOT / "template.yaml").read_text()
        self.assertIn("  Architecture:\n    Type: String\n    Default: x86_64\n", arm)

    def test_the_binaries_contain_no_path_of_the_machine(self):
        # The same sources can then give the same bytes on another machine.
        cargo = os.environ.get("CARGO_HOME", str(Path.home() / ".cargo"))
        for stage in STAGES:
            [binary] = zipfile.ZipFile(io.BytesIO(self.files[f"{stage}.zip"])).infolist()
            text = zipfile.ZipFile(io.BytesIO(self.files[f"{stage}.zip"])).read(binary)
            for place in (cargo, str(ROOT) + "/"):
                self.assertNotIn(place.encode(), text, stage)

    def test_the_sbom_is_valid_and_complete(self):
        text = self.files["sbom.cdx.json"].decode()
        self.assertIsNone(JsonStrictValidator(SchemaVersion.V1_6).validate_str(text))
        document = json.loads(text)
        names = {component["name"] for component in document["components"]}
        self.assertLessEqual({"aws-sdk-autoscaling", "lambda_runtime", "rustls", "serde_json"}, names)
        # Crates of the build or the tests are in no binary.
        self.assertFalse({"serde_derive", "proptest", "insta", "shared"} & names)
        for component in document["components"]:
            self.assertTrue(component["hashes"], component["name"])

    def test_every_crate_has_a_license_in_the_package(self):
        crates = third_party.linked((*STAGES, "lambda-scale"), TARGET)
        text = self.files["THIRD-PARTY.txt"].decode()
        self.assertGreater(len(crates), 100)
        for name, version in crates:
            self.assertIn(f"\n{name} {version}: ", text)
        self.assertNotIn(": see its text\n", text)
        self.assertIn("Permission is hereby granted", text)


if __name__ == "__main__":
    unittest.main()
