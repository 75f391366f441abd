# The roles and their permissions: the same statements as in template.yaml, by the same names.

resource "aws_iam_role" "stage" {
  for_each = toset(["node_gather", "node_process", "node_scale"])

  name                 = "${var.name}-${each.key}"
  description          = "Permissions of ${each.key} of ${var.name}"
  assume_role_policy   = data.aws_iam_policy_document.lambda.json
  permissions_boundary = var.permissions_boundary_arn
}

resource "aws_iam_role_policy" "stage" {
  for_each = {
    node_gather  = data.aws_iam_policy_document.node_gather.json
    node_process = data.aws_iam_policy_document.node_process.json
    node_scale   = data.aws_iam_policy_document.node_scale.json
  }

  name   = each.key
  role   = aws_iam_role.stage[each.key].id
  policy = each.value
}

data "aws_iam_policy_document" "lambda" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

locals {
  groups = [
    for name in var.group_names :
    "arn:${local.partition}:autoscaling:${local.region}:${local.account}:autoScalingGroup:*:autoScalingGroupName/${name}"
  ]
  parameters = "arn:${local.partition}:ssm:${local.region}:${local.account}:parameter"
}

# The permissions of every function: its log, its dead-letter queue, the key, the configuration.
data "aws_iam_policy_document" "common" {
  for_each = toset(["node_gather", "node_process", "node_scale"])

  statement {
    sid       = "Log"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.stage[each.key].arn}:*"]
  }
  statement {
    sid       = "SendToDeadLetterQueue"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.dead_letters[each.key].arn]
  }
  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]
    content {
      sid       = "Encrypt"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]
    }
  }
  dynamic "statement" {
    for_each = var.config_parameter == null ? [] : [var.config_parameter]
    content {
      sid       = "ReadConfig"
      actions   = ["ssm:GetParameter"]
      resources = ["${local.parameters}${statement.value}"]
    }
  }
}

# The permissions to call the masters, for node_gather and, with drain or learn, for node_scale.
data "aws_iam_policy_document" "masters" {
  dynamic "statement" {
    for_each = var.credentials_parameter == null ? [] : [var.credentials_parameter]
    content {
      sid       = "ReadCredentials"
      actions   = ["ssm:GetParameter"]
      resources = ["${local.parameters}${statement.value}"]
    }
  }
  dynamic "statement" {
    for_each = var.credentials_kms_key_arn == null ? [] : [var.credentials_kms_key_arn]
    content {
      sid       = "DecryptCredentials"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]
      # Through Systems Manager only, and for this one parameter.
      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["ssm.${local.region}.${data.aws_partition.current.dns_suffix}"]
      }
      condition {
        test     = "StringEquals"
        variable = "kms:EncryptionContext:PARAMETER_ARN"
        values   = ["${local.parameters}${coalesce(var.credentials_parameter, "/")}"]
      }
    }
  }
  dynamic "statement" {
    for_each = var.ca_bundle_parameter == null ? [] : [var.ca_bundle_parameter]
    content {
      sid       = "ReadCaBundle"
      actions   = ["ssm:GetParameter"]
      resources = ["${local.parameters}${statement.value}"]
    }
  }
  # Lambda attaches the function to the subnets with the role of the function ...
  dynamic "statement" {
    for_each = local.in_vpc ? [true] : []
    content {
      sid = "JoinVpc"
      actions = [
        "ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
      ]
      resources = ["*"]
    }
  }
  # ... but the code of the function must not use these permissions.
  dynamic "statement" {
    for_each = local.in_vpc ? [true] : []
    content {
      sid    = "DenyVpcCallsOfCode"
      effect = "Deny"
      actions = [
        "ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
      ]
      resources = ["*"]
      condition {
        test     = "ArnLike"
        variable = "lambda:SourceFunctionArn"
        values   = ["arn:${local.partition}:lambda:${local.region}:${local.account}:function:*"]
      }
    }
  }
}

data "aws_iam_policy_document" "node_gather" {
  source_policy_documents = [
    data.aws_iam_policy_document.common["node_gather"].json,
    data.aws_iam_policy_document.masters.json,
  ]

  dynamic "statement" {
    for_each = var.marathon_credentials_parameter == null ? [] : [var.marathon_credentials_parameter]
    content {
      sid       = "ReadMarathonCredentials"
      actions   = ["ssm:GetParameter"]
      resources = ["${local.parameters}${statement.value}"]
    }
  }
  dynamic "statement" {
    for_each = var.marathon_credentials_parameter == null || var.credentials_kms_key_arn == null ? [] : [var.credentials_kms_key_arn]
    content {
      sid       = "DecryptMarathonCredentials"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]
      # Through Systems Manager only, and for this one parameter.
      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["ssm.${local.region}.${data.aws_partition.current.dns_suffix}"]
      }
      condition {
        test     = "StringEquals"
        variable = "kms:EncryptionContext:PARAMETER_ARN"
        values   = ["${local.parameters}${var.marathon_credentials_parameter}"]
      }
    }
  }
  statement {
    sid       = "PublishSnapshots"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.snapshots.arn]
  }
  # What each pool has learned, in a parameter of its own.
  dynamic "statement" {
    for_each = local.learns ? [true] : []
    content {
      sid       = "KeepHistories"
      actions   = ["ssm:GetParameters", "ssm:PutParameter"]
      resources = ["${local.parameters}/lambda-scale/${var.name}/*"]
    }
  }
  # generated by make generate: sources (tools/tables/settings.yaml)
  dynamic "statement" {
    for_each = local.asks_cloudwatch ? [true] : []
    content {
      sid       = "ReadCpuUtilization"
      actions   = ["cloudwatch:GetMetricData"]
      resources = ["*"]
    }
  }
  statement {
    sid       = "DescribeGroups"
    actions   = ["autoscaling:DescribeAutoScalingGroups"]
    resources = ["*"]
  }
  dynamic "statement" {
    for_each = !local.is_cloudwatch ? [true] : []
    content {
      sid       = "FindInstancesOfAgents"
      actions   = ["ec2:DescribeInstances"]
      resources = ["*"]
    }
  }
  # end: sources
}

data "aws_iam_policy_document" "node_process" {
  source_policy_documents = [data.aws_iam_policy_document.common["node_process"].json]

  statement {
    sid       = "PublishDecisions"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.decisions.arn]
  }
}

data "aws_iam_policy_document" "node_scale" {
  source_policy_documents = concat(
    [data.aws_iam_policy_document.common["node_scale"].json],
    local.drains ? [data.aws_iam_policy_document.masters.json] : [],
  )

  # AWS cannot limit these three to a group.
  statement {
    sid = "DescribeGroups"
    actions = [
      "autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeInstanceRefreshes",
      "autoscaling:DescribeScalingActivities",
    ]
    resources = ["*"]
  }
  statement {
    sid       = "SetDesiredCapacity"
    actions   = ["autoscaling:SetDesiredCapacity"]
    resources = local.groups
    dynamic "condition" {
      for_each = var.require_group_tag ? [true] : []
      content {
        test     = "StringEquals"
        variable = "autoscaling:ResourceTag/lambda-scale/managed"
        values   = ["true"]
      }
    }
  }
  dynamic "statement" {
    for_each = local.terminates_by_name ? [true] : []
    content {
      sid       = "TerminateItsInstances"
      actions   = ["autoscaling:TerminateInstanceInAutoScalingGroup"]
      resources = local.groups
      dynamic "condition" {
        for_each = var.require_group_tag ? [true] : []
        content {
          test     = "StringEquals"
          variable = "autoscaling:ResourceTag/lambda-scale/managed"
          values   = ["true"]
        }
      }
    }
  }
  # Finds the instance of a private address, for agents that do not name theirs. AWS cannot limit it to a group.
  dynamic "statement" {
    for_each = local.terminates_by_name ? [true] : []
    content {
      sid       = "FindInstances"
      actions   = ["ec2:DescribeInstances"]
      resources = ["*"]
    }
  }
  statement {
    sid       = "TagTheGroup"
    actions   = ["autoscaling:CreateOrUpdateTags", "autoscaling:DeleteTags"]
    resources = local.groups
    condition {
      test     = "ForAllValues:StringLike"
      variable = "aws:TagKeys"
      values   = ["lambda-scale/*"]
    }
    dynamic "condition" {
      for_each = var.require_group_tag ? [true] : []
      content {
        test     = "StringEquals"
        variable = "autoscaling:ResourceTag/lambda-scale/managed"
        values   = ["true"]
      }
    }
  }
  dynamic "statement" {
    for_each = var.outcome_topic ? [aws_sns_topic.outcomes[0].arn] : []
    content {
      sid       = "PublishOutcomes"
      actions   = ["sns:Publish"]
      resources = [statement.value]
    }
  }
}

# --- The role of the schedule, with EventBridge Scheduler ---------------------------------------------------------------------

resource "aws_iam_role" "schedule" {
  count = var.schedule_kind == "scheduler" ? 1 : 0

  name                 = "${var.name}-schedule"
  description          = "Permissions of the schedule of ${var.name}"
  assume_role_policy   = data.aws_iam_policy_document.scheduler.json
  permissions_boundary = var.permissions_boundary_arn
}

resource "aws_iam_role_policy" "schedule" {
  count = var.schedule_kind == "scheduler" ? 1 : 0

  name   = "schedule"
  role   = aws_iam_role.schedule[0].id
  policy = data.aws_iam_policy_document.schedule.json
}

data "aws_iam_policy_document" "scheduler" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

data "aws_iam_policy_document" "schedule" {
  statement {
    sid       = "StartNodeGather"
    actions   = ["lambda:InvokeFunction"]
    resources = [aws_lambda_function.stage["node_gather"].arn]
  }
  statement {
    sid       = "SendToDeadLetterQueue"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.dead_letters["node_gather"].arn]
  }
  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]
    content {
      sid       = "Encrypt"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]
    }
  }
}

# --- Topics and queues --------------------------------------------------------------------------------------------------------

data "aws_iam_policy_document" "topic" {
  for_each = local.topics

  statement {
    sid       = "TheWriterMayPublish"
    actions   = ["sns:Publish"]
    resources = [each.value.arn]
    principals {
      type        = "AWS"
      identifiers = each.value.writers
    }
  }
  statement {
    # An Allow alone does not keep out identities of the same account.
    sid       = "OnlyTheWriterPublishes"
    effect    = "Deny"
    actions   = ["sns:Publish"]
    resources = [each.value.arn]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "ArnNotEquals"
      variable = "aws:PrincipalArn"
      values   = each.value.writers
    }
  }
  statement {
    sid       = "OnlyEncrypted"
    effect    = "Deny"
    actions   = ["sns:Publish"]
    resources = [each.value.arn]
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

locals {
  # The service that may write to each dead-letter queue, in addition to the function.
  undelivered = {
    node_gather  = { service = "events.amazonaws.com", arns = aws_cloudwatch_event_rule.schedule[*].arn }
    node_process = { service = "sns.amazonaws.com", arns = [aws_sns_topic.snapshots.arn] }
    node_scale   = { service = "sns.amazonaws.com", arns = [aws_sns_topic.decisions.arn] }
  }
}

data "aws_iam_policy_document" "dead_letters" {
  for_each = aws_sqs_queue.dead_letters

  dynamic "statement" {
    for_each = local.undelivered[each.key].arns
    content {
      sid       = "FromItsSource"
      actions   = ["sqs:SendMessage"]
      resources = [each.value.arn]
      principals {
        type        = "Service"
        identifiers = [local.undelivered[each.key].service]
      }
      condition {
        test     = "ArnEquals"
        variable = "aws:SourceArn"
        values   = [statement.value]
      }
    }
  }
  statement {
    sid       = "OnlyEncrypted"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [each.value.arn]
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
