# The deployment of template.yaml as plain resources: three functions, chained by two topics, started by a schedule.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.name

  is_cloudwatch      = var.pool_source == "cloudwatch"
  asks_cloudwatch    = local.is_cloudwatch || var.cpu_utilization
  learns             = var.learn != null
  drains             = var.scale_down_strategy == "drain" || local.learns
  terminates_by_name = !local.is_cloudwatch && var.scale_down_strategy != "desired_capacity"
  in_vpc             = length(var.subnet_ids) > 0

  # Timeouts in seconds. A message lives for two minutes at least, which limits retries and the age of an event.
  stages = {
    node_gather = {
      description = "Reads the Mesos master's /state and publishes a snapshot of the cluster"
      timeout     = 60
      retries     = 0
      event_age   = 60
      exclusive   = true
      vpc         = local.in_vpc
      # What pools learn is kept under this name.
      environment = { SNAPSHOT_TOPIC_ARN = aws_sns_topic.snapshots.arn, LAMBDA_SCALE_STACK = var.name }
    }
    node_process = {
      description = "Turns a snapshot of the cluster into a scaling decision"
      timeout     = 30
      retries     = 1
      event_age   = 120
      exclusive   = false
      vpc         = false
      environment = {
        SNAPSHOT_TOPIC_ARN = aws_sns_topic.snapshots.arn
        DECISION_TOPIC_ARN = aws_sns_topic.decisions.arn
      }
    }
    node_scale = {
      description = "Applies a scaling decision to the Auto Scaling group"
      timeout     = 60
      retries     = 1
      event_age   = 120
      exclusive   = true
      vpc         = local.in_vpc && local.drains
      environment = merge(
        { DECISION_TOPIC_ARN = aws_sns_topic.decisions.arn },
        var.outcome_topic ? { OUTCOME_TOPIC_ARN = aws_sns_topic.outcomes[0].arn } : {},
      )
    }
  }
}

resource "aws_lambda_function" "stage" {
  for_each = local.stages

  function_name                  = "${var.name}-${each.key}"
  description                    = each.value.description
  filename                       = "${var.zips}/${each.key}.zip"
  source_code_hash               = filebase64sha256("${var.zips}/${each.key}.zip")
  role                           = aws_iam_role.stage[each.key].arn
  runtime                        = "provided.al2023"
  handler                        = "bootstrap"
  architectures                  = [var.architecture]
  memory_size                    = 128
  timeout                        = each.value.timeout
  reserved_concurrent_executions = each.value.exclusive && var.reserve_concurrency ? 1 : -1
  kms_key_arn                    = var.kms_key_arn

  environment {
    variables = merge(each.value.environment, {
      RUST_LOG             = var.log_level
      METRICS_NAMESPACE    = var.metrics_namespace
      LAMBDA_SCALE_DRY_RUN = tostring(var.dry_run)
      LAMBDA_SCALE_CONFIG  = var.config_parameter == null ? var.config : "ssm:${var.config_parameter}"
    })
  }

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.stage[each.key].name
  }

  dynamic "vpc_config" {
    for_each = each.value.vpc ? [true] : []
    content {
      subnet_ids         = var.subnet_ids
      security_group_ids = var.security_group_ids
    }
  }

  lifecycle {
    precondition {
      condition     = (var.config == "") != (var.config_parameter == null)
      error_message = "Give either config or config_parameter."
    }
    precondition {
      condition     = !local.is_cloudwatch || (var.credentials_parameter == null && var.marathon_credentials_parameter == null && var.ca_bundle_parameter == null && !local.drains)
      error_message = "pool_source = \"cloudwatch\" reads no master, and there is no agent to drain: omit credentials_parameter, marathon_credentials_parameter, ca_bundle_parameter, scale_down_strategy, and learn."
    }
    # The reverse is not an error: a configuration with pools of both sources has masters, and pool_source = "mesos".
    precondition {
      condition     = !local.is_cloudwatch || !can(regex("(?m)^\\s*(\\[mesos\\]|mesos\\s*[.=])", var.config))
      error_message = "pool_source = \"cloudwatch\" reads no master, but the configuration has a section [mesos]."
    }
  }

  depends_on = [aws_iam_role_policy.stage]
}

resource "aws_lambda_function_event_invoke_config" "stage" {
  for_each = local.stages

  function_name                = aws_lambda_function.stage[each.key].function_name
  maximum_retry_attempts       = each.value.retries
  maximum_event_age_in_seconds = each.value.event_age

  destination_config {
    on_failure {
      destination = aws_sqs_queue.dead_letters[each.key].arn
    }
  }
}

resource "aws_cloudwatch_log_group" "stage" {
  for_each = local.stages

  name              = "/aws/lambda/${var.name}/${each.key}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

# --- The schedule: one of two kinds -----------------------------------------------------------------------------------------

locals {
  schedule = "rate(${var.schedule_period_minutes} ${var.schedule_period_minutes == 1 ? "minute" : "minutes"})"
}

resource "aws_cloudwatch_event_rule" "schedule" {
  count = var.schedule_kind == "rule" ? 1 : 0

  name                = "${var.name}-schedule"
  description         = "Starts node_gather of Lambda Scale"
  schedule_expression = local.schedule
  state               = var.schedule_state
}

resource "aws_cloudwatch_event_target" "schedule" {
  count = var.schedule_kind == "rule" ? 1 : 0

  rule = aws_cloudwatch_event_rule.schedule[0].name
  arn  = aws_lambda_function.stage["node_gather"].arn

  retry_policy {
    maximum_retry_attempts       = 1
    maximum_event_age_in_seconds = 60
  }

  dead_letter_config {
    arn = aws_sqs_queue.dead_letters["node_gather"].arn
  }
}

resource "aws_lambda_permission" "schedule" {
  count = var.schedule_kind == "rule" ? 1 : 0

  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.stage["node_gather"].function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.schedule[0].arn
}

resource "aws_scheduler_schedule" "schedule" {
  count = var.schedule_kind == "scheduler" ? 1 : 0

  name                = "${var.name}-schedule"
  description         = "Starts node_gather of Lambda Scale"
  schedule_expression = local.schedule
  state               = var.schedule_state

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_lambda_function.stage["node_gather"].arn
    role_arn = aws_iam_role.schedule[0].arn

    retry_policy {
      maximum_retry_attempts       = 1
      maximum_event_age_in_seconds = 60
    }

    dead_letter_config {
      arn = aws_sqs_queue.dead_letters["node_gather"].arn
    }
  }
}

# --- Topics and their subscriptions -------------------------------------------------------------------------------------------

resource "aws_sns_topic" "snapshots" {
  name              = "${var.name}-snapshots"
  display_name      = "Lambda Scale snapshots"
  kms_master_key_id = var.kms_key_arn
}

resource "aws_sns_topic" "decisions" {
  name              = "${var.name}-decisions"
  display_name      = "Lambda Scale decisions"
  kms_master_key_id = var.kms_key_arn
}

resource "aws_sns_topic" "outcomes" {
  count = var.outcome_topic ? 1 : 0

  name              = "${var.name}-outcomes"
  display_name      = "Lambda Scale outcomes"
  kms_master_key_id = var.kms_key_arn
}

locals {
  # The roles that may publish.
  topics = merge(
    {
      snapshots = { arn = aws_sns_topic.snapshots.arn, writers = [aws_iam_role.stage["node_gather"].arn] }
      decisions = {
        arn     = aws_sns_topic.decisions.arn
        writers = compact([aws_iam_role.stage["node_process"].arn, var.custom_check_role_arn])
      }
    },
    var.outcome_topic ? {
      outcomes = { arn = aws_sns_topic.outcomes[0].arn, writers = [aws_iam_role.stage["node_scale"].arn] }
    } : {},
  )
  readers = {
    node_process = aws_sns_topic.snapshots.arn
    node_scale   = aws_sns_topic.decisions.arn
  }
}

resource "aws_sns_topic_policy" "topic" {
  for_each = local.topics

  arn    = each.value.arn
  policy = data.aws_iam_policy_document.topic[each.key].json
}

resource "aws_sns_topic_subscription" "stage" {
  for_each = local.readers

  topic_arn      = each.value
  protocol       = "lambda"
  endpoint       = aws_lambda_function.stage[each.key].arn
  redrive_policy = jsonencode({ deadLetterTargetArn = aws_sqs_queue.dead_letters[each.key].arn })
}

resource "aws_lambda_permission" "topic" {
  for_each = local.readers

  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.stage[each.key].function_name
  principal     = "sns.amazonaws.com"
  source_arn    = each.value
}

# --- Dead-letter queues -------------------------------------------------------------------------------------------------------

resource "aws_sqs_queue" "dead_letters" {
  for_each = toset(["node_gather", "node_process", "node_scale"])

  name                      = "${var.name}-${each.key}-dead-letters"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = var.kms_key_arn == null ? true : null
  kms_master_key_id         = var.kms_key_arn
}

resource "aws_sqs_queue_policy" "dead_letters" {
  for_each = aws_sqs_queue.dead_letters

  queue_url = each.value.id
  policy    = data.aws_iam_policy_document.dead_letters[each.key].json
}
