# Records: every snapshot and decision in a bucket, for lambda-scale replay. The same resources as in template.yaml.

locals {
  records = var.record_snapshots ? toset(["records"]) : toset([])
  # The topics whose messages are recorded.
  recorded_topics = var.record_snapshots ? {
    snapshots = aws_sns_topic.snapshots.arn
    decisions = aws_sns_topic.decisions.arn
  } : {}
}

# Without force_destroy: the records are worth more than the module, and Terraform destroys no bucket that has any.
resource "aws_s3_bucket" "records" {
  for_each = local.records

  bucket_prefix = "${lower(substr(var.name, 0, 28))}-records-"
}

resource "aws_s3_bucket_server_side_encryption_configuration" "records" {
  for_each = aws_s3_bucket.records

  bucket = each.value.id

  rule {
    bucket_key_enabled = var.kms_key_arn != null
    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key_arn == null ? "AES256" : "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "records" {
  for_each = aws_s3_bucket.records

  bucket = each.value.id

  rule {
    id     = "expire"
    status = "Enabled"
    filter {}
    expiration {
      days = var.record_days
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}

resource "aws_s3_bucket_ownership_controls" "records" {
  for_each = aws_s3_bucket.records

  bucket = each.value.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "records" {
  for_each = aws_s3_bucket.records

  bucket                  = each.value.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_policy" "records" {
  for_each = aws_s3_bucket.records

  bucket = each.value.id
  policy = data.aws_iam_policy_document.records_bucket[each.key].json

  depends_on = [aws_s3_bucket_public_access_block.records]
}

data "aws_iam_policy_document" "records_bucket" {
  for_each = aws_s3_bucket.records

  statement {
    sid       = "OnlyEncrypted"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [each.value.arn, "${each.value.arn}/*"]
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

resource "aws_kinesis_firehose_delivery_stream" "records" {
  for_each = local.records

  name        = "${var.name}-records"
  destination = "extended_s3"

  server_side_encryption {
    enabled  = true
    key_type = var.kms_key_arn == null ? "AWS_OWNED_CMK" : "CUSTOMER_MANAGED_CMK"
    key_arn  = var.kms_key_arn
  }

  extended_s3_configuration {
    bucket_arn = aws_s3_bucket.records[each.key].arn
    role_arn   = aws_iam_role.record_stream[each.key].arn
    # One object for every 15 minutes, the longest that Firehose collects. replay reads gzip.
    buffering_interval  = 900
    buffering_size      = 64
    compression_format  = "GZIP"
    prefix              = "recorded/!{timestamp:yyyy/MM/dd}/"
    error_output_prefix = "failed/!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd}/"

    cloudwatch_logging_options {
      enabled         = true
      log_group_name  = aws_cloudwatch_log_group.records[each.key].name
      log_stream_name = aws_cloudwatch_log_stream.records[each.key].name
    }
  }

  depends_on = [aws_iam_role_policy.record_stream]
}

resource "aws_cloudwatch_log_group" "records" {
  for_each = local.records

  name              = "/aws/kinesisfirehose/${var.name}/records"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_cloudwatch_log_stream" "records" {
  for_each = local.records

  name           = "S3Delivery"
  log_group_name = aws_cloudwatch_log_group.records[each.key].name
}

# Not raw: that would lose the attribute content_encoding.
resource "aws_sns_topic_subscription" "records" {
  for_each = local.recorded_topics

  topic_arn             = each.value
  protocol              = "firehose"
  endpoint              = aws_kinesis_firehose_delivery_stream.records["records"].arn
  subscription_role_arn = aws_iam_role.record_subscription["records"].arn

  depends_on = [aws_iam_role_policy.record_subscription]
}

# --- Its roles ----------------------------------------------------------------------------------------------------------------

resource "aws_iam_role" "record_stream" {
  for_each = local.records

  name                 = "${var.name}-record-stream"
  description          = "Permissions of the stream of records of ${var.name}"
  assume_role_policy   = data.aws_iam_policy_document.firehose.json
  permissions_boundary = var.permissions_boundary_arn
}

resource "aws_iam_role_policy" "record_stream" {
  for_each = local.records

  name   = "record"
  role   = aws_iam_role.record_stream[each.key].id
  policy = data.aws_iam_policy_document.record_stream[each.key].json
}

data "aws_iam_policy_document" "firehose" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["firehose.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "sts:ExternalId"
      values   = [local.account]
    }
  }
}

data "aws_iam_policy_document" "record_stream" {
  for_each = local.records

  # What Firehose documents for a bucket, on the two prefixes that it writes.
  statement {
    sid     = "WriteRecords"
    actions = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
    resources = [
      "${aws_s3_bucket.records[each.key].arn}/recorded/*",
      "${aws_s3_bucket.records[each.key].arn}/failed/*",
    ]
  }
  statement {
    sid       = "FindTheBucket"
    actions   = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"]
    resources = [aws_s3_bucket.records[each.key].arn]
  }
  statement {
    sid       = "Log"
    actions   = ["logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.records[each.key].arn}:*"]
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

resource "aws_iam_role" "record_subscription" {
  for_each = local.records

  name                 = "${var.name}-record-subscription"
  description          = "Permissions of the subscriptions of the stream of records of ${var.name}"
  assume_role_policy   = data.aws_iam_policy_document.sns.json
  permissions_boundary = var.permissions_boundary_arn
}

resource "aws_iam_role_policy" "record_subscription" {
  for_each = local.records

  name   = "record"
  role   = aws_iam_role.record_subscription[each.key].id
  policy = data.aws_iam_policy_document.record_subscription[each.key].json
}

data "aws_iam_policy_document" "sns" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["sns.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "record_subscription" {
  for_each = local.records

  statement {
    sid       = "PutRecords"
    actions   = ["firehose:PutRecord", "firehose:PutRecordBatch"]
    resources = [aws_kinesis_firehose_delivery_stream.records[each.key].arn]
  }
}
