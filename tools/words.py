#!/usr/bin/env python3
"""words.py: fails if a file contains a word that tools/retired-words.txt retires, and prints each place."""

import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIST = ROOT / "tools/retired-words.txt"
# Build results, and files whose words are not ours: captures of real masters, lock files, the license.
SKIPPED_DIRECTORIES = {".git", ".tools", "target", "__pycache__", "tests/captures", "docs/book"}
SKIPPED_FILES = {"Cargo.lock", "LICENSE", "tools/build.txt", "tools/check.txt", "tools/docs.txt", "tools/test.txt", "tools/retired-words.txt"}


def files(root):
    """Every file that people write, as a path relative to the root."""
    for directory, directories, names in os.walk(root):
        place = Path(directory).relative_to(root)
        directories[:] = [name for name in directories if name not in SKIPPED_DIRECTORIES and str(place / name) not in SKIPPED_DIRECTORIES]
        yield from (path for path in (place / name for name in sorted(names)) if str(path) not in SKIPPED_FILES)


def retired():
    lines = (line for line in LIST.read_text().splitlines() if line and not line.startswith("#"))
    return re.compile("|".join(f"(?:{line})" for line in lines))


def found(root):
    """(path, line number, line) of each place with a retired word."""
    pattern = retired()
    for path in files(root):
        try:
            lines = (root / path).read_text().splitlines()
        except UnicodeDecodeError:
            continue
        yield from ((path, number, line) for number, line in enumerate(lines, 1) if pattern.search(line))


def main():
    places = list(found(ROOT))
    for path, number, line in places:
        print(f"{path}:{number}: {line.strip()[:160]}", file=sys.stderr)
    if places:
        sys.exit(f"words: {len(places)} lines contain retired words; docs/glossary.md has the words to use instead")


if __name__ == "__main__":
    main()
