"""`make install` puts everything where shells and man look for it; a release has the version of its tag and a dated changelog."""

import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import yaml
from template import ROOT

CLI = ROOT / "target/debug/lambda-scale"
CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n- Later.\n\n## [1.2.3] - 2026-12-01\n\n- Now.\n\n## [1.2.2] - 2026-11-01\n\n- Before.\n"


def install(prefix, path="/usr/bin:/bin"):
    return subprocess.run([ROOT / "tools/install.sh", CLI, prefix], capture_output=True, text=True, env={"PATH": path})


class InstallTest(unittest.TestCase):
    def test_the_command_its_manual_and_its_completions_are_installed(self):
        with tempfile.TemporaryDirectory() as directory:
            prefix = Path(directory) / "a prefix"
            done = install(prefix)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            # Where the shell does not find it, the last line says how.
            self.assertIn(f'export PATH="{prefix}/bin:$PATH"', done.stdout)
            self.assertNotIn("export PATH", install(prefix, f"{prefix}/bin:/usr/bin:/bin").stdout)
            command = prefix / "bin/lambda-scale"
            version = subprocess.run([command, "--version"], check=True, capture_output=True, text=True).stdout
            self.assertRegex(version, r"^lambda-scale \d+\.\d+\.\d+")
            commands = re.findall(r"(?m)^  ([a-z]+)  ", subprocess.run([command, "--help"], capture_output=True, text=True).stdout)
            self.assertGreater(len(commands), 10)
            manual = {path.name for path in (prefix / "share/man/man1").iterdir()}
            self.assertIn("lambda-scale.1", manual)
            self.assertLessEqual({f"lambda-scale-{name}.1" for name in commands if name != "help"}, manual)
            for place, text in (
                ("bash-completion/completions/lambda-scale", "complete"),
                ("zsh/site-functions/_lambda-scale", "#compdef lambda-scale"),
                ("fish/vendor_completions.d/lambda-scale.fish", "complete -c lambda-scale"),
            ):
                self.assertIn(text, (prefix / "share" / place).read_text(), place)

    def test_a_place_that_cannot_be_written_is_answered_with_another(self):
        with tempfile.NamedTemporaryFile() as file:
            done = install(f"{file.name}/prefix")
            self.assertEqual(done.returncode, 1)
            self.assertIn("make install PREFIX=$HOME/.local", done.stderr)


class ReleaseTest(unittest.TestCase):
    def release(self, tag, version="1.2.3", changelog=CHANGELOG):
        with tempfile.TemporaryDirectory() as directory:
            (Path(directory) / "tools").mkdir()
            shutil.copy(ROOT / "tools/release.sh", Path(directory) / "tools/release.sh")
            (Path(directory) / "Cargo.toml").write_text(f'[workspace.package]\nversion = "{version}"\n\n[workspace.dependencies]\na = "9"\n')
            (Path(directory) / "CHANGELOG.md").write_text(changelog)
            return subprocess.run([Path(directory) / "tools/release.sh", tag], capture_output=True, text=True)

    def test_the_notes_are_the_section_of_the_version(self):
        done = self.release("v1.2.3")
        self.assertEqual((done.returncode, done.stdout.strip()), (0, "- Now."))

    def test_a_tag_of_another_version_or_without_a_dated_section_is_refused(self):
        for done, expected in (
            (self.release("v1.2.4"), "the tag must be v1.2.3"),
            (self.release("1.2.3"), "the tag must be v1.2.3"),
            (self.release("v2.0.0", version="2.0.0"), 'no section "## [2.0.0] - YYYY-MM-DD"'),
            (self.release("v1.2.3", changelog=CHANGELOG.replace(" - 2026-12-01", "")), "rename Unreleased and date it"),
        ):
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn(expected, done.stderr)

    def test_the_changelog_has_its_form(self):
        sections = re.findall(r"(?m)^## (.*)$", (ROOT / "CHANGELOG.md").read_text())
        self.assertEqual(sections[0], "[Unreleased]")
        for section in sections[1:]:
            self.assertRegex(section, r"^\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}$")

    def test_the_workflow_builds_both_architectures_and_publishes_what_the_docs_say(self):
        workflow = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())
        # YAML reads the key "on" as true.
        self.assertEqual(workflow[True], {"push": {"tags": ["v*"]}})
        package, draft = workflow["jobs"]["package"], workflow["jobs"]["draft"]
        self.assertEqual({entry["arch"] for entry in package["strategy"]["matrix"]["include"]}, {"x86_64", "arm64"})
        scripts = "\n".join(step.get("run", "") for job in (package, draft) for step in job["steps"])
        for expected in (
            'tools/release.sh "$GITHUB_REF_NAME"', "make test", "make package ARCH=", "sha256sum -- * > SHA256SUMS", "sbom.cdx.json",
            "bin/lambda-scale", "$stage.zip", "--draft", "--verify-tag",
        ):
            self.assertIn(expected, scripts)
        # Only the job that drafts the release may write.
        self.assertEqual((workflow["permissions"], draft["permissions"]), ({"contents": "read"}, {"contents": "write"}))
        targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))
        self.assertLessEqual(set(re.findall(r"\bmake ([a-z-]+)", scripts)), targets)


if __name__ == "__main__":
    unittest.main()
