output "node_gather_function" {
  description = "The function that reads the cluster; invoke it to start a run now"
  value       = aws_lambda_function.stage["node_gather"].function_name
}

output "node_scale_log_group" {
  description = "Log of each action and its reason (aws logs tail --follow ...); those of the other two functions are next to it"
  value       = aws_cloudwatch_log_group.stage["node_scale"].name
}

output "snapshot_topic_arn" {
  description = "Topic of every snapshot; subscribe a custom check here"
  value       = aws_sns_topic.snapshots.arn
}

output "decision_topic_arn" {
  description = "Topic of every decision; a custom check publishes here"
  value       = aws_sns_topic.decisions.arn
}

output "outcome_topic_arn" {
  description = "Topic of every outcome"
  value       = one(aws_sns_topic.outcomes[*].arn)
}

output "snapshot_bucket" {
  description = "Bucket of the recorded snapshots and decisions, under recorded/"
  value       = one(values(aws_s3_bucket.records)[*].id)
}

output "alarm_topic" {
  description = "Topic of the alarms; subscribe to it"
  value       = one(local.alarm_topics)
}
