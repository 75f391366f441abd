#!/usr/bin/env python3
"""package.py ARCH: packs everything that a deployment needs into target/package/lambda-scale-VERSION-ARCH.tar.gz.

It contains the three zips, the template, the Terraform module, the examples, the schemas, the licenses, and an SBOM. The same input gives the same bytes.
"""

import gzip
import hashlib
import io
import re
import sys
import tarfile
from pathlib import Path

import third_party

ROOT = Path(__file__).resolve().parents[1]
STAGES = ("node_gather", "node_process", "node_scale")
TARGETS = {"x86_64": "x86_64-unknown-linux-gnu", "arm64": "aarch64-unknown-linux-gnu"}


def version():
    return re.search(r'(?m)^version = "([^"]+)"', (ROOT / "Cargo.toml").read_text())[1]


def contents(arch):
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
    for name in ("LICENSE", "README.md", "CHANGELOG.md"):
        files[name] = (ROOT / name).read_bytes()
    for directory in ("terraform", "examples", "schemas"):
        for path in sorted((ROOT / directory).glob("*")):
            if path.is_file():
                files[f"{directory}/{path.name}"] = path.read_bytes()
    crates, packages = third_party.linked(STAGES, TARGETS[arch]), third_party.described(TARGETS[arch])
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
                entry.size, entry.mode = len(files[name]), 0o644
                tar.addfile(entry, io.BytesIO(files[name]))
    return packed.getvalue()


def main():
    arch = sys.argv[1]
    name = f"lambda-scale-{version()}-{arch}"
    files = contents(arch)
    path = ROOT / f"target/package/{name}.tar.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(archive(files, name))
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1e6:.1f} MB, {len(files)} files")
    print(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}")


if __name__ == "__main__":
    main()
