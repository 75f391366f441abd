"""tools/tables/dashboard.yaml: the dashboard of the template and of the Terraform module.

Its JSON is CloudWatch's: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

import json

from . import alarms, text
from .text import STAGES, quoted

# Heights of the rows above the charts.
ALARMS, OUTCOMES, RUNBOOK = 4, 7, 9

OUTCOME_QUERY = (
    'fields @timestamp, pool, action, from, to, clause, reason | filter message = "outcome" | sort @timestamp desc | limit 20'
)


def body(**properties):
    """JSON on one line, for a string that `Fn::Sub` reads."""
    return json.dumps(properties, separators=(",", ":"), ensure_ascii=False)


def chart(index, title, lines, from_zero, levels):
    """`levels`: a variable of the `Fn::Sub` with the horizontal lines, or nothing."""
    axis = '"yAxis":{"left":{"min":0}},' if from_zero else ""
    y = ALARMS + OUTCOMES + 6 * (index // 2)
    return (
        f'{{"type":"metric","x":{12 * (index % 2)},"y":{y},"width":12,"height":6,"properties":{{"title":"{title}",\n'
        f'  "region":"${{AWS::Region}}","stat":"Maximum","period":${{Seconds}},"view":"timeSeries",{axis}{levels}"metrics":[\n   '
        + ",\n   ".join(lines) + "]}}"
    )


def of_pool(line):
    """A line of the pool that the dashboard's variable chooses."""
    right = ',"yAxis":"right"' if line.get("axis") == "right" else ""
    return f'["${{MetricsNamespace}}","{line["metric"]}","Pool","${{PoolName}}",{{"stat":"{line.get("statistic", "Maximum")}","label":"{line["label"]}"{right}}}]'


def of_functions(metric, statistic, label=""):
    """A line for each function."""
    return [
        f'["AWS/Lambda","{metric}","FunctionName","${{{logical}}}",{{"stat":"{statistic}","label":"{stage}{label}"}}]'
        for stage, logical in STAGES.items()
    ]


def dead_letters():
    return [
        f'["AWS/SQS","ApproximateNumberOfMessagesVisible","QueueName","${{{logical}DeadLetters.QueueName}}",{{"stat":"Maximum","label":"{stage} dead-letter queue"}}]'
        for stage, logical in STAGES.items()
    ]


def runbook():
    """The alarms of the pool and what to do, for whom the alarm woke."""
    rows = [f"| {name} | {alarm['remedy'].replace('`', '')} |" for name, alarm in alarms.alarms()[1].items()]
    return "\n".join(["## What to do", "docs/troubleshooting.md leads from a symptom to its cause.", "", "| alarm | what to do |", "|---|---|", *rows])


def alarm_names():
    return [name for name, _, _ in (*alarms.function_alarms(), *alarms.pool_alarms())]


def levels_of(chart):
    """(name of the variable, its value): the horizontal lines of a chart."""
    parts = []
    for index, level in enumerate(chart["levels"]):
        comma = "," if index else ""
        line = f"!Sub '{comma}{{\"label\":\"{level['label']}\",\"value\":${{{level['parameter']}}}}}'"
        parts.append(f'!If [{level["condition"]}, {line}, ""]' if "condition" in level else line)
    value = f"""!If [HasConfigParameter, "", !Join ["", ['"annotations":{{"horizontal":[', {", ".join(parts)}, ']}},']]]"""
    return f"{chart['lines'][0]['metric']}Levels", value


def of_template():
    table = text.table("dashboard")
    levels = dict(levels_of(row) for row in table if "levels" in row)
    charts = [
        (row["title"], [of_pool(line) for line in row["lines"]], row.get("from") == 0, f"${{{levels_of(row)[0]}}}" if "levels" in row else "")
        for row in table
    ]
    charts.append(("Duration, ms", of_functions("Duration", "Maximum"), True, ""))
    charts.append(("Errors, throttles, and dead-letter queues", of_functions("Errors", "Sum", " errors") + of_functions("Throttles", "Sum", " throttles") + dead_letters(), True, ""))
    variable = body(
        type="property", property="Pool", inputType="select", id="pool", label="Pool", defaultValue="${PoolName}", visible=True,
        search='{${MetricsNamespace},Pool} MetricName="Target"', populateFrom="Pool",
    )
    outcomes = body(
        type="log", x=0, y=ALARMS, width=24, height=OUTCOMES,
        properties={"title": "The last 20 outcomes", "region": "${AWS::Region}", "view": "table", "query": f"SOURCE '${{NodeScaleLogs}}' | {OUTCOME_QUERY}"},
    )
    below = ALARMS + OUTCOMES + 6 * ((len(charts) + 1) // 2)
    text_widget = body(type="text", x=0, y=below, width=24, height=RUNBOOK, properties={"markdown": runbook()})
    widgets = ["${States}", outcomes, *(chart(index, *row) for index, row in enumerate(charts)), text_widget]
    whole = f'{{"variables":[{variable}],"widgets":[\n ' + ",\n ".join(widgets) + "]}"
    arn = "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:${AWS::StackName}"
    states = f'{{"type":"alarm","x":0,"y":0,"width":24,"height":{ALARMS},"properties":{{"title":"Alarms","alarms":['
    names = alarm_names()
    return [
        "      DashboardBody: !Sub", "        - |-", *(f"          {line}" for line in whole.splitlines()),
        "        - Seconds: !FindInMap [Schedule, !Ref SchedulePeriodMinutes, Seconds]",
        *(f"          {name}: {value}" for name, value in levels.items()),
        "          States: !If",
        "            - HasAlarms",
        "            - !Sub |-",
        f"              {states}",
        *(f'              "{arn}-{name}"{"," if name != names[-1] else ""}' for name in names),
        "              ]}}",
        f"""            - '{body(type="text", x=0, y=0, width=24, height=ALARMS, properties={"markdown": "Alarms=false: this stack has no alarms."})}'""",
    ]


def of_terraform():
    rows = []
    for row in text.table("dashboard"):
        lines = ", ".join(f"[{quoted(line['metric'])}, {quoted(line['label'])}, {quoted(line.get('statistic', 'Maximum'))}]" for line in row["lines"])
        rows.append(f"    [{quoted(row['title'])}, [{lines}]],")
    return ["  charts = [", *rows, "  ]", "", f"  outcome_query = {quoted(OUTCOME_QUERY)}", "", f"  runbook = {quoted(runbook())}"]
