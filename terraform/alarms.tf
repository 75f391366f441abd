# The alarms and the dashboard of template.yaml, by the same names. docs/operations.md says what to do about each.

locals {
  # What alarms look at as one is never less than a run.
  period = 60 * var.schedule_period_minutes
  window = max(300, local.period)

  alarm_topics = !var.alarms ? [] : [var.alarm_topic_arn == null ? aws_sns_topic.alarms[0].arn : var.alarm_topic_arn]
  is_scheduled = var.schedule_state == "ENABLED"

  # One failure is no news, the next tick makes it good; two in three windows are.
  function_alarms = {
    "errors"       = { metric = "Errors", statistic = "Sum", threshold = 1, windows = 3, of_them = 2 }
    "throttles"    = { metric = "Throttles", statistic = "Sum", threshold = 5, windows = 3, of_them = 3 }
    "duration"     = { metric = "Duration", statistic = "Maximum", threshold = 0, windows = 3, of_them = 2 }
    "dead-letters" = { metric = "NumberOfMessagesSent", statistic = "Sum", threshold = 1, windows = 3, of_them = 2 }
  }
  function_alarm_words = {
    "errors"       = "keeps failing; its log says why"
    "throttles"    = "keeps being throttled; look at the concurrency of the account"
    "duration"     = "takes more than 80 % of its timeout"
    "dead-letters" = "has dead letters coming in; read one of them"
  }

  pool_alarms = {
    "partial-view"      = { metric = "CompletenessLevel", statistic = "Minimum", windows = 6 }
    "unplaceable"       = { metric = "UnplaceableApplications", statistic = "Minimum", windows = 3 }
    "waiting-instances" = { metric = "WaitingInstances", statistic = "Minimum", windows = 6 }
    "at-max"            = { metric = "AtMax", statistic = "Minimum", windows = 3 }
    "launch-failures"   = { metric = "LaunchFailures", statistic = "Minimum", windows = 2 }
    "not-joining"       = { metric = "NeverJoined", statistic = "Minimum", windows = 3 }
    "refused"           = { metric = "Refused", statistic = "Sum", windows = 3 }
  }
  pool_alarm_words = {
    "partial-view"      = "The view of the cluster has long not been complete, so no agent goes; the log of node_gather says why"
    "unplaceable"       = "Some tasks can be placed on no agent, however many there are; the decision names them"
    "waiting-instances" = "Instances have long waited for room; the decision says why"
    "at-max"            = "More agents are wanted than max, or the group's own maximum, allows"
    "launch-failures"   = "The group's launches fail; the outcome has Auto Scaling's reason"
    "not-joining"       = "Instances of the group are older than join_timeout and still no agents; look at one of them"
    "refused"           = "node_scale keeps refusing decisions; the outcome in its log says why"
  }

  watched_functions = var.alarms ? { for pair in setproduct(["node_gather", "node_process", "node_scale"], keys(local.function_alarms)) : "${pair[0]}-${pair[1]}" => { stage = pair[0], alarm = pair[1] } } : {}
  watched_pools     = var.alarms ? { for pair in setproduct(var.pool_names, keys(local.pool_alarms)) : "${pair[0]}-${pair[1]}" => { pool = pair[0], alarm = pair[1] } } : {}
}

resource "aws_cloudwatch_metric_alarm" "function" {
  for_each = local.watched_functions

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.value.stage} ${local.function_alarm_words[each.value.alarm]}"
  namespace           = each.value.alarm == "dead-letters" ? "AWS/SQS" : "AWS/Lambda"
  metric_name         = local.function_alarms[each.value.alarm].metric
  dimensions          = each.value.alarm == "dead-letters" ? { QueueName = aws_sqs_queue.dead_letters[each.value.stage].name } : { FunctionName = aws_lambda_function.stage[each.value.stage].function_name }
  statistic           = local.function_alarms[each.value.alarm].statistic
  period              = local.window
  evaluation_periods  = local.function_alarms[each.value.alarm].windows
  datapoints_to_alarm = local.function_alarms[each.value.alarm].of_them
  comparison_operator = "GreaterThanOrEqualToThreshold"
  # 80 % of the timeout, in milliseconds.
  threshold          = each.value.alarm == "duration" ? local.stages[each.value.stage].timeout * 800 : local.function_alarms[each.value.alarm].threshold
  treat_missing_data = "notBreaching"
  actions_enabled    = local.is_scheduled
  alarm_actions      = local.alarm_topics
  ok_actions         = local.alarm_topics
}

# Silence means trouble: every run ends in one outcome, also when nothing is to be done.
resource "aws_cloudwatch_metric_alarm" "no_decision" {
  for_each = var.alarms ? toset(var.pool_names) : []

  alarm_name          = "${var.name}-${each.key}-no-decision"
  alarm_description   = "No decision has come through for five periods of the schedule; the group is not scaled. Read the logs from node_gather on"
  namespace           = var.metrics_namespace
  metric_name         = "Outcomes"
  dimensions          = { Pool = each.key }
  statistic           = "Sum"
  period              = local.period
  evaluation_periods  = 5
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  actions_enabled     = local.is_scheduled
  alarm_actions       = local.alarm_topics
  ok_actions          = local.alarm_topics
}

resource "aws_cloudwatch_metric_alarm" "pool" {
  for_each = local.watched_pools

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = local.pool_alarm_words[each.value.alarm]
  namespace           = var.metrics_namespace
  metric_name         = local.pool_alarms[each.value.alarm].metric
  dimensions          = { Pool = each.value.pool }
  statistic           = local.pool_alarms[each.value.alarm].statistic
  period              = local.window
  evaluation_periods  = local.pool_alarms[each.value.alarm].windows
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "notBreaching"
  # In a dry run every wish is refused, as it should be.
  actions_enabled = local.is_scheduled && !(each.value.alarm == "refused" && var.dry_run)
  alarm_actions   = local.alarm_topics
  ok_actions      = local.alarm_topics
}

resource "aws_cloudwatch_metric_alarm" "flapping" {
  for_each = var.alarms ? toset(var.pool_names) : []

  alarm_name          = "${var.name}-${each.key}-flapping"
  alarm_description   = "In each of three hours the group went both up and down; the thresholds are too near to each other, or the load is like that"
  evaluation_periods  = 3
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "notBreaching"
  actions_enabled     = local.is_scheduled
  alarm_actions       = local.alarm_topics
  ok_actions          = local.alarm_topics

  metric_query {
    id          = "both"
    label       = "hours with both directions"
    expression  = "IF(most > 0 AND least < 0, 1, 0)"
    return_data = true
  }
  metric_query {
    id = "most"
    metric {
      namespace   = var.metrics_namespace
      metric_name = "CapacityChange"
      dimensions  = { Pool = each.key }
      stat        = "Maximum"
      period      = 3600
    }
  }
  metric_query {
    id = "least"
    metric {
      namespace   = var.metrics_namespace
      metric_name = "CapacityChange"
      dimensions  = { Pool = each.key }
      stat        = "Minimum"
      period      = 3600
    }
  }
}

# --- Whom alarms tell -----------------------------------------------------------------------------------------------------------

resource "aws_sns_topic" "alarms" {
  count = var.alarms && var.alarm_topic_arn == null ? 1 : 0

  name              = "${var.name}-alarms"
  display_name      = "Lambda Scale alarms"
  kms_master_key_id = var.kms_key_arn
}

resource "aws_sns_topic_policy" "alarms" {
  count = length(aws_sns_topic.alarms)

  arn    = aws_sns_topic.alarms[0].arn
  policy = data.aws_iam_policy_document.alarms[0].json
}

data "aws_iam_policy_document" "alarms" {
  count = length(aws_sns_topic.alarms)

  statement {
    sid       = "OnlyAlarmsPublish"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alarms[0].arn]
    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
  statement {
    sid       = "OnlyEncrypted"
    effect    = "Deny"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alarms[0].arn]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_sns_topic_subscription" "alarms" {
  count = var.alarm_email == null ? 0 : length(aws_sns_topic.alarms)

  topic_arn = aws_sns_topic.alarms[0].arn
  protocol  = "email"
  endpoint  = var.alarm_email
}

# --- The dashboard --------------------------------------------------------------------------------------------------------------

locals {
  # Title, then metric, label and statistic of each line.
  charts = [
    ["Load: used of what the usable agents have, percent", [["CpusUtilization", "cpus", "Maximum"], ["MemUtilization", "mem", "Maximum"], ["GpusUtilization", "gpus", "Maximum"]]],
    ["Capacity: desired, in service, agents", [["DesiredCapacity", "desired", "Maximum"], ["Instances", "in service", "Maximum"], ["UsableAgents", "usable agents", "Maximum"], ["Coming", "coming", "Maximum"]]],
    ["Decisions: target and change", [["Target", "target", "Maximum"], ["CapacityChange", "change", "Sum"]]],
    ["What came of them", [["BackedOff", "backed off", "Sum"], ["Refused", "refused", "Sum"], ["Failed", "failed", "Sum"], ["LaunchFailures", "launch failures", "Maximum"]]],
    ["Waiting and unplaceable", [["WaitingInstances", "waiting instances", "Maximum"], ["UnplaceableApplications", "unplaceable applications", "Maximum"], ["AtMax", "at max", "Maximum"]]],
    ["How old and how complete the view is (0 complete, 1 partial, 2 blind)", [["SnapshotAge", "age at the decision, s", "Maximum"], ["FetchTime", "reading /state, s", "Maximum"], ["CompletenessLevel", "completeness", "Maximum"]]],
  ]
}

resource "aws_cloudwatch_dashboard" "overview" {
  count = var.dashboard ? 1 : 0

  dashboard_name = "${var.name}-${local.region}"
  dashboard_body = jsonencode({
    widgets = [
      for index, chart in local.charts : {
        type   = "metric"
        x      = 12 * (index % 2)
        y      = 6 * floor(index / 2)
        width  = 12
        height = 6
        properties = {
          title  = chart[0]
          region = local.region
          view   = "timeSeries"
          period = local.period
          metrics = [
            for line in chart[1] : [{
              expression = "SEARCH('{${var.metrics_namespace},Pool} MetricName=\"${line[0]}\"', '${line[2]}', ${local.period})"
              label      = "$${PROP('Dim.Pool')} ${line[1]}"
            }]
          ]
        }
      }
    ]
  })
}
