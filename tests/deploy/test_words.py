"""tools/words.py finds retired words, and nothing else."""

import sys
import tempfile
import unittest
from pathlib import Path

from template import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import words  # noqa: E402


class WordsTest(unittest.TestCase):
    def found(self, files):
        with tempfile.TemporaryDirectory() as directory:
            for name, content in files.items():
                path = Path(directory) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            return [(str(path), number) for path, number, _ in words.found(Path(directory))]

    def test_it_names_the_line_of_a_retired_word(self):
        retired = "an agent is " + "com" + "ing"
        self.assertEqual(self.found({"src/lib.rs": f"//! Fine.\n// {retired}\n".encode()}), [("src/lib.rs", 2)])
        self.assertEqual(self.found({"a.md": f"It was {'told'}.\n".encode(), "b.md": b"It was published.\n"}), [("a.md", 1)])

    def test_the_text_of_aws_is_no_retired_word(self):
        self.assertEqual(self.found({"a.rs": b'"an instance was taken out of service"\n'}), [])

    def test_build_results_captures_and_binaries_are_skipped(self):
        text = ("some" + "body\n").encode()
        self.assertEqual(self.found({"target/x.txt": text, "tests/captures/state.json": text, "Cargo.lock": text, "image.bin": b"\xff" + text}), [])


if __name__ == "__main__":
    unittest.main()
