"""tools/tables/queries.yaml: the saved queries of the template and of the Terraform module."""

from . import text
from .text import STAGES, aligned, apart, quoted


def of_template():
    logs = ", ".join(f"!Ref {logical}Logs" for logical in STAGES.values())
    return apart(
        [
            f"  {''.join(word.capitalize() for word in row['name'].split())}Query:",
            "    Type: AWS::Logs::QueryDefinition",
            "    Properties:",
            f"      Name: !Sub ${{AWS::StackName}}/{row['name']}",
            f"      LogGroupNames: [{logs}]",
            "      QueryString: |-",
            *(f"        {line}" for line in row["query"].splitlines()),
        ]
        for row in text.table("queries")
    )


def of_terraform():
    return ["  queries = {", *aligned([(quoted(row["name"]), quoted(row["query"].strip())) for row in text.table("queries")], "    "), "  }"]
