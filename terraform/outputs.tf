output "node_gather_function" {
  description = "Invoke it to look at the cluster now"
  value       = aws_lambda_function.stage["node_gather"].function_name
}

output "node_scale_log_group" {
  description = "What was done and why (aws logs tail --follow ...); those of the other two are beside it"
  value       = aws_cloudwatch_log_group.stage["node_scale"].name
}

output "snapshot_topic_arn" {
  description = "Every snapshot of the cluster; subscribe a check of your own here"
  value       = aws_sns_topic.snapshots.arn
}

output "decision_topic_arn" {
  description = "Every decision; a check of your own publishes here"
  value       = aws_sns_topic.decisions.arn
}

output "outcome_topic_arn" {
  description = "What was done about every decision"
  value       = one(aws_sns_topic.outcomes[*].arn)
}

output "alarm_topic" {
  description = "Where alarms are told; subscribe to it"
  value       = one(local.alarm_topics)
}
