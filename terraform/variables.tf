# Named as the parameters of template.yaml. What there makes the configuration document is here the document itself.

variable "name" {
  description = "What everything is called; the stack's name in CloudFormation."
  type        = string
  default     = "lambda-scale"
}

variable "zips" {
  description = "Folder with node_gather.zip, node_process.zip and node_scale.zip, as `make package` packs them."
  type        = string
}

variable "architecture" {
  description = "What the zips were built for."
  type        = string
  default     = "x86_64"
  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "Must be x86_64 or arm64."
  }
}

# --- What it does ---------------------------------------------------------------------------------------------------------

variable "config" {
  description = "The configuration document, such as file(\"lambda-scale.toml\"). With config_parameter it stays empty."
  type        = string
  default     = ""
  validation {
    condition     = length(var.config) < 3500
    error_message = "Too long for an environment variable; put it into a parameter of Systems Manager and name that in config_parameter."
  }
}

variable "config_parameter" {
  description = "Name of the Systems Manager parameter (String) that has the document, such as /lambda-scale/config. Null - config is it."
  type        = string
  default     = null
}

variable "group_names" {
  description = "Names of the Auto Scaling groups, or patterns such as mesos-*. node_scale may change these groups and no other."
  type        = list(string)
  validation {
    condition     = length(var.group_names) > 0
    error_message = "Name at least one group."
  }
}

variable "pool_names" {
  description = "Names of the pools, as the document has them. Alarms look at each."
  type        = list(string)
  default     = ["workers"]
}

variable "pool_source" {
  description = "cloudwatch if that is the source of every pool of the document; then no master is asked, and permissions follow from it. Else mesos."
  type        = string
  default     = "mesos"
  validation {
    condition     = contains(["mesos", "cloudwatch"], var.pool_source)
    error_message = "Must be mesos or cloudwatch."
  }
}

variable "scale_down_strategy" {
  description = "What scale_down_strategy in the document says, where pool_source is mesos; permissions follow from it. With several pools the one that needs most."
  type        = string
  default     = "least_loaded"
  validation {
    condition     = contains(["least_loaded", "desired_capacity", "drain"], var.scale_down_strategy)
    error_message = "Must be least_loaded, desired_capacity or drain."
  }
}

variable "cpu_utilization" {
  description = "Whether a pool of the document looks at CPU utilization. With pool_source = \"cloudwatch\" each does."
  type        = bool
  default     = false
}

variable "credentials_parameter" {
  description = "Name of the Systems Manager parameter (SecureString) that mesos.credentials in the document names. Null - none."
  type        = string
  default     = null
}

variable "credentials_kms_key_arn" {
  description = "ARN of the KMS key that encrypts credentials_parameter. Null - the key that Systems Manager itself manages."
  type        = string
  default     = null
}

variable "ca_bundle_parameter" {
  description = "Name of the Systems Manager parameter that mesos.ca_bundle in the document names. Null - none."
  type        = string
  default     = null
}

variable "custom_check_role_arn" {
  description = "ARN of the role of a check of your own, which may then publish decisions too. Null - there is none."
  type        = string
  default     = null
}

variable "outcome_topic" {
  description = "Whether to make a topic on which node_scale tells what it did."
  type        = bool
  default     = false
}

# --- How it runs ----------------------------------------------------------------------------------------------------------

variable "schedule_period_minutes" {
  description = "Minutes between two looks at the cluster. schedule_period in the document must say the same."
  type        = number
  default     = 1
  validation {
    condition     = contains([1, 2, 3, 5, 10, 15, 20, 30, 60], var.schedule_period_minutes)
    error_message = "Must be 1, 2, 3, 5, 10, 15, 20, 30 or 60."
  }
}

variable "schedule_state" {
  description = "DISABLED stops Lambda Scale without taking it away, and the alarms tell nobody."
  type        = string
  default     = "ENABLED"
  validation {
    condition     = contains(["ENABLED", "DISABLED"], var.schedule_state)
    error_message = "Must be ENABLED or DISABLED."
  }
}

variable "schedule_kind" {
  description = "What starts node_gather: rule (EventBridge, CloudWatch Events) or scheduler (EventBridge Scheduler)."
  type        = string
  default     = "rule"
  validation {
    condition     = contains(["rule", "scheduler"], var.schedule_kind)
    error_message = "Must be rule or scheduler."
  }
}

variable "dry_run" {
  description = "Decide and report, but change nothing, whatever dry_run in the document says."
  type        = bool
  default     = false
}

variable "reserve_concurrency" {
  description = "At most one node_gather and one node_scale run at a time. Accounts with a concurrency limit of 10 cannot reserve any."
  type        = bool
  default     = true
}

variable "log_level" {
  description = "The least important log lines that are written."
  type        = string
  default     = "info"
  validation {
    condition     = contains(["error", "warn", "info", "debug"], var.log_level)
    error_message = "Must be error, warn, info or debug."
  }
}

variable "log_retention_days" {
  description = "How long logs are kept."
  type        = number
  default     = 30
}

# --- Being told -----------------------------------------------------------------------------------------------------------

variable "alarms" {
  description = "Whether to make the alarms."
  type        = bool
  default     = true
}

variable "alarm_email" {
  description = "Address that is told of alarms. Null - subscribe whatever you like to the output alarm_topic."
  type        = string
  default     = null
}

variable "alarm_topic_arn" {
  description = "ARN of a topic of yours that alarms are told to. Null - one is made."
  type        = string
  default     = null
}

variable "dashboard" {
  description = "Whether to make a CloudWatch dashboard."
  type        = bool
  default     = true
}

variable "metrics_namespace" {
  description = "CloudWatch namespace of the metrics. Two deployments in one account and region whose pools have the same name need two."
  type        = string
  default     = "LambdaScale"
}

# --- Network and permissions ----------------------------------------------------------------------------------------------

variable "subnet_ids" {
  description = "Subnets from which the masters are reached. Empty - outside of any VPC."
  type        = list(string)
  default     = []
}

variable "security_group_ids" {
  description = "Security groups in these subnets, open to the masters and to 443."
  type        = list(string)
  default     = []
}

variable "kms_key_arn" {
  description = "ARN of a KMS key that encrypts topics, dead letters, logs and the functions' environment. Null - AWS' own keys."
  type        = string
  default     = null
}

variable "require_group_tag" {
  description = "node_scale may change a group only while it has the tag lambda-scale/managed = true."
  type        = bool
  default     = false
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of the roles. Null - none."
  type        = string
  default     = null
}
