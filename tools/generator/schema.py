"""tools/tables/settings.yaml: the JSON Schema of the configuration, which editors check it by."""

import json
import re

from . import settings, text

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def plain(markdown):
    """Markdown as editors show it: links by their text."""
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", markdown)


def limits(row):
    """The limits of a number, which its parameter has too. Where the parameter means by its default that the setting is absent,
    its least value is no limit of the setting."""
    properties = row["is"]
    if properties.get("Type") != "Number" or row.get("type") != "count":
        return {}
    bounds = {"minimum": properties.get("MinValue"), "maximum": properties.get("MaxValue")}
    return {key: value for key, value in bounds.items() if value is not None}


def setting(row):
    description = " ".join(filter(None, [plain(row["meaning"]), plain(row.get("docs", ""))]))
    default = settings.default(row).strip("`")
    ending = "" if default == "required" else f" Default: {default}."
    return {"description": description + ending} | text.table("settings")["types"][row["type"]] | limits(row)


def table(section):
    """A section of the configuration: its settings, and no others."""
    rows = [row for row in settings.rows() if settings.section_of(row) == section]
    required = [row["setting"].split(".")[-1] for row in rows if row.get("default") == "required"]
    properties = {row["setting"].split(".")[-1]: setting(row) for row in rows}
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def configuration():
    top = table("top")
    top["properties"] |= {
        "mesos": table("mesos"), "marathon": table("marathon"),
        "pools": {"type": "array", "minItems": 1, "items": table("pools")},
    }
    top["required"] = ["pools"]
    return {"$schema": DIALECT, "title": "Configuration of Lambda Scale", "description": "docs/configuration.md"} | top


def whole():
    return json.dumps(configuration(), indent=2, ensure_ascii=False) + "\n"
