"""tools/tables/settings.yaml: the parameters and the configuration of the template, Terraform's variables, and the tables of
docs/configuration.md, and examples/lambda-scale.toml."""

import re
import textwrap

from . import text
from .text import aligned, apart, quoted, scalar


def groups():
    """Label -> rows, each with the properties of its parameter whole."""
    settings = text.table("settings")

    def whole(row):
        properties = {"Type": "String"} | row.get("is", {})
        if "pattern" in properties:
            pattern, constraint = settings["patterns"][properties.pop("pattern")]
            properties |= {"AllowedPattern": pattern, "ConstraintDescription": constraint}
        return row | {"is": properties, "description": row.get("description", row.get("meaning"))}

    return {label: [whole(row) for row in rows] for label, rows in settings["groups"].items()}


def parameters():
    """Label -> rows that are a parameter of the template."""
    return {label: [row for row in found if "parameter" in row] for label, found in groups().items()}


def rows():
    return [row for found in groups().values() for row in found]


def section_of(row):
    """The section of the configuration that has the setting; none for a parameter that is no setting."""
    return "setting" in row and (row["setting"].rpartition(".")[0] or "top")


def is_flag(row):
    return row["is"].get("AllowedValues") == ["true", "false"]


def wrapped(words, indent):
    return textwrap.wrap(words, 124, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def parameter_groups():
    lines = []
    for label, found in parameters().items():
        names = wrapped("[" + ", ".join(row["parameter"] for row in found) + "]", " " * 11)
        lines += [f"      - Label: {{ default: {label} }}", "        Parameters:", names[0][1:], *names[1:]]
    return lines


def parameter_sections():
    def section(row):
        properties = [f"    {key}: {scalar(value)}" for key, value in row["is"].items()]
        return [f"  {row['parameter']}:", *properties, "    Description: >-", *wrapped(row["description"], " " * 6)]

    return apart([line for row in found for line in section(row)] for found in parameters().values())


def conditions():
    """One for each optional parameter: whether it is set; one for each source: whether it is read."""
    optional = [row for row in rows() if row.get("when") == "set"]
    is_set = [f"  {condition(row)}: !Not [!Equals [!Ref {row['parameter']}, {scalar(row['is']['Default'])}]]" for row in optional]
    return is_set + [f"  {source['when']}: {source['condition']}" for source in sources() if "when" in source]


def sources():
    return text.table("settings")["sources"]


def statements_of_template():
    """What node_gather may read, each statement under the condition of its source, if it has one."""

    def statement(source):
        lines = f"- Sid: {source['permission']}\n  Effect: Allow\n  Action: {source['action']}\n  Resource: \"*\"\n"
        if "when" not in source:
            return lines
        return f"- !If\n  - {source['when']}\n{textwrap.indent(lines, '  ')}  - !Ref AWS::NoValue\n"

    return textwrap.indent("".join(map(statement, sources())), " " * 14).splitlines()


def statements_of_terraform():
    def statement(source):
        content = f'  sid       = {quoted(source["permission"])}\n  actions   = [{quoted(source["action"])}]\n  resources = ["*"]\n'
        if "terraform" not in source:
            return f"statement {{\n{content}}}\n"
        content = f"  content {{\n{textwrap.indent(content, '  ')}  }}\n"
        return f'dynamic "statement" {{\n  for_each = {source["terraform"]} ? [true] : []\n{content}}}\n'

    return textwrap.indent("".join(map(statement, sources())), "  ").splitlines()


def condition(row):
    return f"Has{row['parameter']}" if row["when"] == "set" else row["when"]


def configuration_line(row):
    """The line of the configuration that the template makes of a setting; empty: none."""
    if "line" in row or not {"value", "parameter"} & set(row):
        return row.get("line", "")
    bare = is_flag(row) or row["is"]["Type"] == "Number"
    value = row.get("value") or ("${%s}" if bare else '"${%s}"') % row["parameter"]
    line = f"'{row['setting'].split('.')[-1]} = {value}'"
    line = f"!Sub {line}" if "${" in line else line
    return f'!If [{condition(row)}, {line}, ""]' if "when" in row else line


def configuration():
    """The configuration made of parameters: the sections of Mesos, and the settings of its pools, only where it is the source."""

    def lines(section, only=None):
        found = [row for row in rows() if section_of(row) == section and row.get("only") == only]
        return list(filter(None, map(configuration_line, found)))

    def listed(items, indent):
        return [textwrap.indent(f"- {item}", " " * indent) for item in items]

    def with_mesos(items, otherwise):
        return ["- !If", "  - IsCloudWatch", f"  - {otherwise}", "  - !Join", '    - "\\n"', "    -", *listed(items, 6)]

    mesos = ['"[mesos]"', *lines("mesos"), '!If [HasMarathonUrl, "[marathon]", ""]', *lines("marathon")]
    whole = [
        *listed(lines("top"), 0), *with_mesos(mesos, '""'),
        '- "[[pools]]"', *listed(lines("pools"), 0), *with_mesos(lines("pools", only="mesos"), 'source = "cloudwatch"'),
    ]
    return [" " * 12 + "-", *(textwrap.indent(line, " " * 14) for line in whole)]


def variable(row):
    """A variable of Terraform."""
    kind = "bool" if is_flag(row) else {"Number": "number", "CommaDelimitedList": "list(string)"}.get(row["is"]["Type"], "string")
    default = row["is"]["Default"]
    if kind == "list(string)":
        default = f"[{', '.join(map(quoted, filter(None, default.split(','))))}]"
    elif kind == "string":
        default = quoted(default) if default else "null"
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", row["parameter"]).lower()
    body = [("description", quoted(row.get("variable", row["description"]))), ("type", kind), ("default", default)]
    lines = [f"variable {quoted(name)} {{", *aligned(body, "  ")]
    values = [] if is_flag(row) else row["is"].get("AllowedValues", [])
    if values:
        listed = ", ".join(quoted(value) if kind == "string" else str(value) for value in values)
        expected = f"{', '.join(map(str, values[:-1]))}{',' if len(values) > 2 else ''} or {values[-1]}"
        check = [("condition", f"contains([{listed}], var.{name})"), ("error_message", quoted(f"Must be {expected}."))]
        lines += ["  validation {", *aligned(check, "    "), "  }"]
    return [*lines, "}"]


def has_variable(row):
    return row.get("variable") != "none" and ("setting" not in row or "variable" in row)


def variables():
    blocks = []
    for label, found in parameters().items():
        if block := [variable(row) for row in found if has_variable(row)]:
            blocks += [[f"# --- {label} {'-' * (120 - len(label))}"], *block]
    return apart(blocks)


def default(row):
    """The default of a setting as the docs have it."""
    if "default" in row:
        return row["default"]
    value = row["is"]["Default"]
    return f"`{value}`" if is_flag(row) or row["is"]["Type"] == "Number" else f'`"{value}"`'


def example(section):
    """The lines of one section of examples/lambda-scale.toml."""

    def line(name, value):
        return f"# {name} = {value[2:]}" if value.startswith("# ") else f"{name} = {value}"

    def lines():
        found = [row for row in rows() if row.get("example") != "none" and section_of(row) == section]
        return [line(row["setting"].split(".")[-1], row.get("example", "# " + default(row).strip("`"))) for row in found]

    return lines


def docs_table(name):
    """The lines of one table in docs/configuration.md."""

    def lines():
        found = [row for row in rows() if "setting" in row and row.get("table", section_of(row)) == name]
        found.sort(key=lambda row: row.get("default") != "required")
        cells = [f"| `{row['setting'].split('.')[-1]}` | {default(row)} | {row['meaning']} {row.get('docs', '')}".rstrip() + " |" for row in found]
        return ["| setting | default | meaning |", "|---|---|---|", *cells]

    return lines
