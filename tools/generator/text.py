"""The tables, and how to write YAML and HCL."""

import json
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
# Their names in code and in CloudFormation.
STAGES = {"node_gather": "NodeGather", "node_process": "NodeProcess", "node_scale": "NodeScale"}


def table(name):
    return yaml.safe_load((ROOT / f"tools/tables/{name}.yaml").read_text())


def apart(blocks):
    """The lines of all blocks, with an empty line between two."""
    return [line for number, block in enumerate(blocks) for line in ([""] if number else []) + block]


def scalar(value):
    """A value on one line of YAML."""
    if isinstance(value, list):
        return f"[{', '.join(map(scalar, value))}]"
    plain = yaml.safe_dump(value, width=10**6, allow_unicode=True).removesuffix("\n").removesuffix("\n...")
    return json.dumps(value, ensure_ascii=False) if plain.startswith(("'", '"')) else plain


def quoted(text):
    """A string of HCL."""
    return '"' + str(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def flag(value):
    return "true" if value else "false"


def aligned(rows, indent):
    """`key = value` lines of HCL as `terraform fmt` aligns them."""
    width = max(len(key) for key, _ in rows)
    return [f"{indent}{key:<{width}} = {value}" for key, value in rows]
