#!/bin/sh
# deploy.sh check|go STACK BUCKET NAME=VALUE ...: creates or updates the stack in the account that the AWS command line is
# set up for. `check` only says what is missing, before anything is built.
set -eu

step=$1 stack=$2 bucket=$3
shift 3

usage() {
    cat >&2 <<END
$1

  make deploy PARAMETERS="Masters=http://10.0.0.5:5050,http://10.0.0.6:5050 GroupName=mesos-workers DryRun=true" \\
      [STACK=$stack] [BUCKET=a-bucket-of-yours] [ARCH=x86_64|arm64]

Needed: sam (the AWS SAM command line), or aws and a BUCKET to put the zips into, and credentials for the account.
PARAMETERS are those of template.yaml: the first deployment names at least GroupName and Masters, or PoolSource=cloudwatch for a
group without Mesos; later ones only what changes. DryRun=true decides and reports, but changes nothing.
Without either tool: give template.yaml and the zips in target/lambda/ to any other way of deploying SAM templates.
END
    exit 1
}

# The parameters that the stack has, where there is one and aws to ask for them: one NAME=VALUE a line.
previous() {
    aws cloudformation describe-stacks --stack-name "$stack" --output text \
        --query "Stacks[0].Parameters[].[join('=', [ParameterKey, ParameterValue])]" 2>/dev/null || true
}

parameters=$(previous && printf '%s\n' "$@")

value() {
    printf '%s\n' "$parameters" | sed -n "s/^$1=//p" | tail -n 1
}

# The rules of template.yaml, which would say the same only when the zips are built and uploaded.
[ -n "$(value GroupName)" ] || usage "Parameter GroupName is missing, and there is no stack $stack to take it from."
if [ "$(value PoolSource)" = cloudwatch ]; then
    for name in Masters MarathonUrl CredentialsParameter CaBundleParameter AgentAttributeName; do
        [ -z "$(value $name)" ] || usage "With PoolSource=cloudwatch no master is asked. Leave $name empty ($name= where the stack has it)."
    done
    [ "$(value ScaleDownStrategy)" != drain ] ||
        usage "With PoolSource=cloudwatch the group chooses the instance that leaves. ScaleDownStrategy cannot be drain."
elif [ -z "$(value Masters)$(value ConfigParameter)" ]; then
    usage "Parameter Masters is missing, and there is no stack $stack to take it from. Without Mesos: PoolSource=cloudwatch."
fi

if command -v sam >/dev/null; then
    tool=sam
elif command -v aws >/dev/null; then
    tool=aws
    [ -n "$bucket" ] || usage "BUCKET is missing: aws needs an S3 bucket to put the zips into (sam makes one itself)."
else
    usage "Neither sam nor aws is installed."
fi

if [ "$step" = check ]; then
    exit 0
elif [ $tool = sam ]; then
    export SAM_CLI_TELEMETRY=0
    exec sam deploy --template-file template.yaml --stack-name "$stack" --capabilities CAPABILITY_IAM \
        --no-confirm-changeset --no-fail-on-empty-changeset \
        ${bucket:+--s3-bucket "$bucket"} $([ -n "$bucket" ] || echo --resolve-s3) --parameter-overrides "$@"
else
    packaged=target/lambda/packaged.yaml
    aws cloudformation package --template-file template.yaml --s3-bucket "$bucket" --output-template-file "$packaged" >/dev/null
    # The template is larger than what may be sent without a bucket.
    exec aws cloudformation deploy --template-file "$packaged" --s3-bucket "$bucket" --stack-name "$stack" \
        --capabilities CAPABILITY_IAM \
        --no-fail-on-empty-changeset --parameter-overrides "$@"
fi
