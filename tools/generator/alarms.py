"""tools/tables/alarms.yaml: the alarms of both templates, of the Terraform module, and of docs/operations.md."""

import re

from . import text
from .text import ROOT, STAGES, aligned, apart, flag, quoted


def camel(name):
    """never-joined -> NeverJoined"""
    return "".join(word.capitalize() for word in re.split("[-_]", name))


def alarms():
    """(functions, pools): both by name, with the defaults filled in."""
    defaults = {"threshold": 1, "comparison": "GreaterThanOrEqualToThreshold", "missing_data": "notBreaching", "period": "Window"}
    functions, pools = (
        {name: defaults | {"of_them": alarm["windows"]} | alarm for name, alarm in kind.items()} for kind in text.table("alarms").values()
    )
    return functions, pools


def timeouts():
    """The timeout of each function in seconds, which stands in template.yaml."""
    template = (ROOT / "template.yaml").read_text()
    return {stage: int(re.search(rf"(?s)\n  {logical}:\n.*?\n      Timeout: (\d+)\n", template)[1]) for stage, logical in STAGES.items()}


def alarm_resource(name, alarm, topic, condition, watched):
    """An alarm of CloudFormation. `watched`: its lines with metric, dimension, and period."""
    return [
        f"  {camel(name)}Alarm:",
        "    Type: AWS::CloudWatch::Alarm",
        *condition,
        "    Properties:",
        f"      AlarmName: !Sub ${{AWS::StackName}}-{name}",
        "      AlarmDescription: >-",
        f"        {alarm['description']}",
        "      ActionsEnabled: !If [IsScheduled, true, false]",
        f"      AlarmActions: [{topic}]",
        f"      OKActions: [{topic}]",
        *watched,
        f"      EvaluationPeriods: {alarm['windows']}",
        f"      DatapointsToAlarm: {alarm['of_them']}",
        f"      ComparisonOperator: {alarm['comparison']}",
        f"      Threshold: {alarm['threshold']}",
        f"      TreatMissingData: {alarm['missing_data']}",
    ]


def one_metric(alarm, namespace, dimension, value):
    of_schedule = f"!FindInMap [Schedule, !Ref SchedulePeriodMinutes, {alarm['period']}]"
    return [
        f"      Namespace: {namespace}",
        f"      MetricName: {alarm['metric']}",
        f"      Dimensions: [{{ Name: {dimension}, Value: {value} }}]",
        f"      Statistic: {alarm['statistic']}",
        f"      Period: {alarm.get('seconds', of_schedule)}",
    ]


def metric_math(alarm):
    lines = ["      Metrics:", "        - Id: result", f"          Label: {alarm['label']}", f"          Expression: {alarm['expression']}"]
    for name, part in alarm["metrics"].items():
        dimensions = "[{ Name: Pool, Value: !Ref PoolName }]"
        lines += [
            f"        - Id: {name}",
            "          ReturnData: false",
            "          MetricStat:",
            f"            Metric: {{ Namespace: !Ref MetricsNamespace, MetricName: {part['metric']}, Dimensions: {dimensions} }}",
            f"            Stat: {part['statistic']}",
            f"            Period: {alarm['seconds']}",
        ]
    return lines


def function_alarms():
    seconds = timeouts()
    for stage, logical in STAGES.items():
        for name, alarm in alarms()[0].items():
            alarm = alarm | {"description": alarm["description"].format(function=stage)}
            if "threshold_percent_of_timeout" in alarm:
                alarm["threshold"] = seconds[stage] * 10 * alarm["threshold_percent_of_timeout"]
            if alarm.get("of_queue"):
                watched = one_metric(alarm, "AWS/SQS", "QueueName", f"!GetAtt {logical}DeadLetters.QueueName")
            else:
                watched = one_metric(alarm, "AWS/Lambda", "FunctionName", f"!Ref {logical}")
            yield f"{stage}-{name}", alarm, watched


def pool_alarms():
    for name, alarm in alarms()[1].items():
        single = "expression" not in alarm
        yield name, alarm, one_metric(alarm, "!Ref MetricsNamespace", "Pool", "!Ref PoolName") if single else metric_math(alarm)


def of_template():
    topic, condition = "!If [HasAlarmTopic, !Ref AlarmTopic, !Ref AlarmTopicArn]", ["    Condition: HasAlarms"]
    return apart(alarm_resource(name, alarm, topic, condition, watched) for name, alarm, watched in (*function_alarms(), *pool_alarms()))


def of_pool_template():
    return apart(alarm_resource(name, alarm, "!Ref AlarmTopicArn", [], watched) for name, alarm, watched in pool_alarms())


def of_terraform():
    functions, pools = alarms()
    lines = ["  function_alarms = {"]
    for name, alarm in functions.items():
        lines += [f"    {quoted(name)} = {{", *aligned([
            ("description", quoted(alarm["description"])),
            ("of_queue", flag(alarm.get("of_queue"))),
            ("metric", quoted(alarm["metric"])),
            ("statistic", quoted(alarm["statistic"])),
            ("threshold", alarm["threshold"]),
            ("percent_of_timeout", alarm.get("threshold_percent_of_timeout", 0)),
            ("windows", alarm["windows"]),
            ("of_them", alarm["of_them"]),
        ], "      "), "    }"]
    lines += ["  }", "", "  pool_alarms = {"]
    for name, alarm in pools.items():
        metrics = alarm.get("metrics", {})
        lines += [f"    {quoted(name)} = {{", *aligned([
            ("description", quoted(alarm["description"])),
            ("metric", quoted(alarm["metric"]) if "metric" in alarm else "null"),
            ("statistic", quoted(alarm["statistic"]) if "statistic" in alarm else "null"),
            ("period", "null" if metrics else alarm.get("seconds") or ("local.period" if alarm["period"] == "Seconds" else "local.window")),
            ("expression", quoted(alarm["expression"]) if metrics else "null"),
            ("label", quoted(alarm["label"]) if metrics else "null"),
            ("metrics", "{ " + ", ".join(
                f"{key} = {{ metric = {quoted(part['metric'])}, statistic = {quoted(part['statistic'])}, period = {alarm['seconds']} }}"
                for key, part in metrics.items()
            ) + " }" if metrics else "{}"),
            ("windows", alarm["windows"]),
            ("of_them", alarm["of_them"]),
            ("threshold", alarm["threshold"]),
            ("comparison", quoted(alarm["comparison"])),
            ("missing_data", quoted(alarm["missing_data"])),
        ], "      "), "    }"]
    return [*lines, "  }"]


def of_docs():
    functions, pools = alarms()
    rows = [(f"node_...-{name}", alarm) for name, alarm in functions.items()] + list(pools.items())
    # The one to read first stands first.
    rows.sort(key=lambda row: row[0] != "no-decision")
    return ["| alarm | when | what to do |", "|---|---|---|", *(f"| `{name}` | {alarm['when']} | {alarm['remedy']} |" for name, alarm in rows)]
