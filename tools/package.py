#!/usr/bin/env python3
"""package.py ARCH [CLI]: packs everything that a deployment needs into target/package/lambda-scale-VERSION-ARCH.tar.gz.

It contains the three zips, the command line with its manual and completions, the template, the Terraform module, the examples, the
schemas, the docs, the licenses, and an SBOM. CLI is the binary of the command line; without it the package has none. The same input gives the same bytes.
"""

import gzip
import hashlib
import io
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import third_party

ROOT = Path(__file__).resolve().parents[1]
STAGES = ("node_gather", "node_process", "node_scale")
TARGETS = {"x86_64": "x86_64-unknown-linux-gnu", "arm64": "aarch64-unknown-linux-gnu"}


def version():
    return re.search(r'(?m)^version = "([^"]+)"', (ROOT / "Cargo.toml").read_text())[1]


PAGES = ("LICENSE", "README.md", "CHANGELOG.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md")
DIRECTORIES = ("docs", "examples", "schemas", "terraform")
SHELLS = {"bash": "lambda-scale", "zsh": "_lambda-scale", "fish": "lambda-scale.fish"}
# What tests and the book leave behind.
LEFT_OUT = {"__pycache__", "book", ".terraform", "target"}


def command_line(binary):
    """The command line, its manual pages, and its completions, by their places below a prefix."""
    files = {"bin/lambda-scale": binary.read_bytes()}
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([binary, "man", directory], check=True)
        for page in sorted(Path(directory).iterdir()):
            files[f"share/man/man1/{page.name}"] = page.read_bytes()
    for shell, name in SHELLS.items():
        script = subprocess.run([binary, "completions", shell], check=True, capture_output=True).stdout
        files[f"share/completions/{shell}/{name}"] = script
    return files


def tree(directory):
    """Every file below a directory of the repository."""
    for path in sorted((ROOT / directory).rglob("*")):
        if path.is_file() and not LEFT_OUT & set(path.relative_to(ROOT).parts):
            yield str(path.relative_to(ROOT)), path.read_bytes()


def contents(arch, binary=None):
    """Every file of the package: path and content."""
    files = {f"{stage}.zip": (ROOT / f"target/lambda/{stage}/bootstrap.zip").read_bytes() for stage in STAGES}
    template = (ROOT / "template.yaml").read_text()
    for stage in STAGES:
        template = template.replace(f"CodeUri: target/lambda/{stage}/bootstrap.zip", f"CodeUri: {stage}.zip")
    assert "target/lambda" not in template
    # The zips run on this architecture only.
    template, count = re.subn(r"(?m)^(  Architecture:\n    Type: String\n    Default: )\w+$", rf"\g<1>{arch}", template)
    assert count == 1, "template.yaml has no parameter Architecture"
    files["template.yaml"] = template.encode()
    files |= {name: (ROOT / name).read_bytes() for name in PAGES}
    files |= {name: content for directory in DIRECTORIES for name, content in tree(directory)}
    programs = STAGES
    if binary:
        files |= command_line(binary)
        programs = (*STAGES, "lambda-scale")
    crates, packages = third_party.linked(programs, TARGETS[arch]), third_party.described(TARGETS[arch])
    lock = (ROOT / "Cargo.lock").read_text()
    files["THIRD-PARTY.txt"] = third_party.licenses(crates, packages).encode()
    files["sbom.cdx.json"] = third_party.sbom("lambda-scale", version(), crates, packages, lock).encode()
    sums = [f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files)]
    return files | {"SHA256SUMS": "".join(sums).encode()}


def archive(files, directory):
    """A tar.gz without timestamps and owners."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, filename="") as compressed:
        with tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for name in sorted(files):
                entry = tarfile.TarInfo(f"{directory}/{name}")
                entry.size, entry.mode = len(files[name]), 0o755 if name.startswith("bin/") else 0o644
                tar.addfile(entry, io.BytesIO(files[name]))
    return packed.getvalue()


def main():
    arch, *binaries = sys.argv[1:]
    binary = Path(binaries[0]) if binaries else None
    name = f"lambda-scale-{version()}-{arch}"
    files = contents(arch, binary)
    path = ROOT / f"target/package/{name}.tar.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(archive(files, name))
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1e6:.1f} MB, {len(files)} files")
    if not binary:
        print("without the command line: it is built on a machine of the same architecture")
    print(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}")


if __name__ == "__main__":
    main()
