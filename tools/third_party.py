"""The third-party crates in the zips: an SBOM (CycloneDX 1.6, JSON) and the licenses with their texts.

Both come from cargo: `cargo tree` lists the crates linked into the functions, with the features of the build; `cargo metadata`
gives the source directory and the license of each. Cargo downloads what is missing, for the target alone: nothing has to be
fetched before. The same Cargo.lock gives the same bytes.
"""

import hashlib
import json
import re
import subprocess
import uuid
from pathlib import Path

LICENSE_FILES = re.compile(r"(LICEN[CS]E|COPYING|COPYRIGHT|NOTICE|UNLICENSE)[^/]*", re.IGNORECASE)


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments], check=True, capture_output=True, text=True).stdout


def linked(packages, target):
    """The third-party crates linked into the binaries: (name, version), sorted."""
    selected = [argument for package in packages for argument in ("--package", package)]
    lines = cargo(
        "tree", "--locked", *selected, "--target", target, "--edges", "normal,no-proc-macro",
        "--prefix", "none", "--format", "{p}",
    ).splitlines()
    found = set()
    for line in lines:
        if not line:
            continue
        name, version = line.split()[:2]
        # A path in brackets marks a crate of this workspace.
        if not re.search(r"\(/", line):
            found.add((name, version.removeprefix("v")))
    return sorted(found)


def described(target):
    """Every crate that the workspace needs for the target, by (name, version)."""
    metadata = json.loads(cargo("metadata", "--locked", "--format-version", "1", "--filter-platform", target))
    return {(package["name"], package["version"]): package for package in metadata["packages"]}


def checksums(lock):
    """The SHA-256 of each crate in Cargo.lock."""
    entries = re.findall(r'name = "([^"]+)"\nversion = "([^"]+)"\nsource = "[^"]+"\nchecksum = "([0-9a-f]{64})"', lock)
    return {(name, version): checksum for name, version, checksum in entries}


def sbom(name, version, crates, packages, lock):
    """A CycloneDX document. It has no timestamp, and its serial number is a hash of its content, so two can be compared."""
    known = checksums(lock)
    components = []
    for crate in crates:
        package = packages[crate]
        purl = f"pkg:cargo/{crate[0]}@{crate[1]}"
        component = {"type": "library", "bom-ref": purl, "name": crate[0], "version": crate[1], "purl": purl}
        if crate in known:
            component["hashes"] = [{"alg": "SHA-256", "content": known[crate]}]
        if package.get("license"):
            # Old packages write MIT/Apache-2.0.
            component["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
        if package.get("repository"):
            component["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
        components.append(component)
    reference = f"pkg:generic/{name}@{version}"
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "bom-ref": reference, "name": name, "version": version}},
        "components": components,
        "dependencies": [{"ref": reference, "dependsOn": [component["bom-ref"] for component in components]}],
    }
    content = json.dumps(document, sort_keys=True)
    serial = uuid.uuid5(uuid.NAMESPACE_URL, hashlib.sha256(content.encode()).hexdigest())
    return json.dumps(document | {"serialNumber": f"urn:uuid:{serial}"}, indent=1, sort_keys=True) + "\n"


def licenses(crates, packages):
    """Each crate with its license, then every license text once with the crates that ship it."""
    texts, silent = {}, []
    table = []
    for crate in crates:
        package = packages[crate]
        table.append(f"{crate[0]} {crate[1]}: {package.get('license') or 'see its text'}")
        root = Path(package["manifest_path"]).parent
        files = sorted(path for path in root.iterdir() if path.is_file() and LICENSE_FILES.fullmatch(path.name))
        for path in files:
            text = path.read_text(errors="replace").replace("\r\n", "\n").strip()
            texts.setdefault(text, []).append(f"{crate[0]} {crate[1]}")
        if not files:
            authors = ", ".join(package.get("authors") or []) or "its authors"
            silent.append(f"{crate[0]} {crate[1]}: {package.get('license')}, by {authors} ({package.get('repository')})")
    parts = ["The functions contain these third-party crates.", "\n".join(table)]
    if silent:
        parts.append("These crates ship no license text:\n" + "\n".join(silent))
    rule = "=" * 100
    for text, names in sorted(texts.items(), key=lambda entry: entry[1]):
        parts.append(f"{rule}\n{', '.join(names)}\n{rule}\n\n{text}")
    return "\n\n".join(parts) + "\n"
