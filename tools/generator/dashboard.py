"""tools/tables/dashboard.yaml: the dashboard of the template and of the Terraform module."""

from . import text
from .text import STAGES, quoted


def widget(index, title, lines, from_zero):
    axis = '"yAxis":{"left":{"min":0}},' if from_zero else ""
    return (
        f'{{"type":"metric","x":{12 * (index % 2)},"y":{6 * (index // 2)},"width":12,"height":6,"properties":{{"title":"{title}",\n'
        f'  "region":"${{AWS::Region}}","stat":"Maximum","period":${{Seconds}},"view":"timeSeries",{axis}"metrics":[\n   '
        + ",\n   ".join(lines) + "]}}"
    )


def searched(line):
    """A line for every pool: a search finds its metrics."""
    right = ',"yAxis":"right"' if line.get("axis") == "right" else ""
    search = f"SEARCH('{{${{MetricsNamespace}},Pool}} MetricName=\\\"{line['metric']}\\\"', '{line.get('statistic', 'Maximum')}', ${{Seconds}})"
    return f"""[{{"expression":"{search}","label":"${{!PROP('Dim.Pool')}} {line['label']}"{right}}}]"""


def of_functions(metric, statistic, label=""):
    """A line for each function."""
    return [
        f'["AWS/Lambda","{metric}","FunctionName","${{{logical}}}",{{"stat":"{statistic}","label":"{stage}{label}"}}]'
        for stage, logical in STAGES.items()
    ]


def of_template():
    charts = [(chart["title"], [searched(line) for line in chart["lines"]], chart.get("from") == 0) for chart in text.table("dashboard")]
    charts.append(("Duration, ms", of_functions("Duration", "Maximum"), True))
    charts.append(("Errors and throttles", of_functions("Errors", "Sum", " errors") + of_functions("Throttles", "Sum", " throttles"), True))
    body = '{"widgets":[\n ' + ",\n ".join(widget(index, *chart) for index, chart in enumerate(charts)) + "]}"
    return ["      DashboardBody: !Sub", "        - |-", *(f"          {line}" for line in body.splitlines())]


def of_terraform():
    rows = []
    for chart in text.table("dashboard"):
        lines = ", ".join(f"[{quoted(line['metric'])}, {quoted(line['label'])}, {quoted(line.get('statistic', 'Maximum'))}]" for line in chart["lines"])
        rows.append(f"    [{quoted(chart['title'])}, [{lines}]],")
    return ["  charts = [", *rows, "  ]"]
