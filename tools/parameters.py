#!/usr/bin/env python3
"""parameters.py TEMPLATE NAME=VALUE ...: reports what is wrong with the parameters of a deployment, before anything is built.

`aws cloudformation deploy` drops a name that the template lacks: a typing error would deploy the default. CloudFormation reports a
wrong value only after the zips are uploaded.
"""

import difflib
import json
import re
import sys
from pathlib import Path


def scalar(text):
    """A value as the template writes it: bare, or in quotes."""
    if text.startswith("["):
        return [scalar(item.strip()) for item in text[1:-1].split(",")]
    if text.startswith('"'):
        return json.loads(text)
    return text[1:-1].replace("''", "'") if text.startswith("'") else text


def parameters(template):
    """Name -> properties, all as strings. Python has no reader of YAML; `make generate` writes this section in one form."""
    section = re.search(r"(?ms)^Parameters:\n(.*?)^\S", template)[1]
    found = {}
    for line in section.splitlines():
        if name := re.fullmatch(r"  (\w+):", line):
            found[name[1]] = {}
        elif field := re.fullmatch(r"    (\w+): (.+)", line):
            found[list(found)[-1]][field[1]] = scalar(field[2])
    return found


def nearest(word, known):
    lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), lower, n=1, cutoff=0.6)
    return lower[near[0]] if near else None


def listed(values):
    return " or ".join(filter(None, [", ".join(values[:-1]), values[-1]]))


def wrong_number(value, properties):
    """The range that a number must have; None: it has it."""
    low, high = properties.get("MinValue"), properties.get("MaxValue")
    wanted = " ".join(filter(None, ["must be a number", low and f"from {low}", high and f"to {high}"]))
    if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value):
        return wanted
    is_inside = (not low or float(value) >= float(low)) and (not high or float(value) <= float(high))
    return None if is_inside else wanted


def wrong_value(name, value, properties):
    """What is wrong with the value; None: nothing. A value that may be a secret is not repeated."""
    if allowed := properties.get("AllowedValues"):
        if value in allowed:
            return None
        near = nearest(value, allowed)
        return f'got "{value}", expected {listed(allowed)}' + (f"; write {name}={near}" if near else "")
    if properties["Type"] == "Number":
        return wrong_number(value, properties)
    if len(value) > int(properties.get("MaxLength", len(value))):
        return f"must have at most {properties['MaxLength']} characters"
    pattern = properties.get("AllowedPattern", "")
    items = value.split(",") if properties["Type"] == "CommaDelimitedList" else [value]
    if all(re.search(pattern, item) for item in items):
        return None
    return properties.get("ConstraintDescription", f"must match {pattern}")


def problems(known, arguments):
    """A sentence for each argument that cannot be what was meant."""
    seen = set()
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals:
            yield f'"{argument}" is not NAME=VALUE. A value has no spaces: write a list with commas only.'
        elif name not in known:
            near = nearest(name, known)
            yield f"Parameter {name} does not exist" + (f"; did you mean {near}?" if near else ". template.yaml lists all.")
        elif name in seen:
            yield f"Parameter {name} is there twice; leave one out."
        elif wrong := wrong_value(name, value, known[name]):
            yield f"Parameter {name}: {wrong}."
        seen.add(name)


def main():
    template, *arguments = sys.argv[1:]
    found = list(problems(parameters(Path(template).read_text()), arguments))
    print("\n".join(found), end="\n" if found else "", file=sys.stderr)
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
