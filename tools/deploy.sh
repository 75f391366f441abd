#!/bin/sh
# deploy.sh check|go STACK BUCKET NAME=VALUE ...: creates or updates the stack in the account of the AWS command line.
# `check` only reports what is missing, before anything is built.
set -eu

step=$1 stack=$2 bucket=$3
shift 3
cd "$(dirname "$0")/.."

usage() {
    cat >&2 <<END
$1

  make deploy PARAMETERS="Masters=http://10.0.0.5:5050,http://10.0.0.6:5050 GroupName=mesos-workers" \\
      [STACK=$stack] [BUCKET=your-bucket] [ARCH=x86_64|arm64]

Needed: sam (the AWS SAM command line), or aws and a BUCKET for the zips, and credentials for the account.
PARAMETERS are those of template.yaml. The first deployment needs GroupName and Masters, or GroupName and PoolSource=cloudwatch for a
group without Mesos; later ones only what changes. A new stack decides and reports, but changes nothing until you deploy DryRun=false.
Without these tools, deploy template.yaml and the zips in target/lambda/ with any other tool for SAM templates.
END
    exit 1
}

# Unknown names and wrong values, which the clients drop or report late.
"${PYTHON:-python3}" tools/parameters.py template.yaml "$@" || exit 1

# The parameters of the stack, if it exists and aws is installed: one NAME=VALUE a line.
previous() {
    aws cloudformation describe-stacks --stack-name "$stack" --output text \
        --query "Stacks[0].Parameters[].[join('=', [ParameterKey, ParameterValue])]" 2>/dev/null || true
}

parameters=$(previous && printf '%s\n' "$@")

value() {
    printf '%s\n' "$parameters" | sed -n "s/^$1=//p" | tail -n 1
}

# The rules of template.yaml, which report the same only after the zips are built and uploaded.
[ -n "$(value GroupName)" ] || usage "Parameter GroupName is missing, and there is no stack $stack that has it."
if [ "$(value PoolSource)" = cloudwatch ]; then
    for name in Masters MarathonUrl CredentialsParameter MarathonCredentialsParameter CaBundleParameter AgentAttributeName; do
        [ -z "$(value $name)" ] || usage "PoolSource=cloudwatch reads no master. Leave $name empty ($name= if the stack has it)."
    done
    [ "$(value ScaleDownStrategy)" != drain ] ||
        usage "With PoolSource=cloudwatch the group chooses the instance to terminate. ScaleDownStrategy cannot be drain."
elif [ -z "$(value Masters)$(value ConfigParameter)" ]; then
    usage "Parameter Masters is missing, and there is no stack $stack that has it. Without Mesos: PoolSource=cloudwatch."
fi

if command -v sam >/dev/null; then
    tool=sam
elif command -v aws >/dev/null; then
    tool=aws
    [ -n "$bucket" ] || usage "BUCKET is missing: aws needs an S3 bucket for the zips (sam creates one)."
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
    # The template is too large to be sent without a bucket.
    exec aws cloudformation deploy --template-file "$packaged" --s3-bucket "$bucket" --stack-name "$stack" \
        --capabilities CAPABILITY_IAM \
        --no-fail-on-empty-changeset --parameter-overrides "$@"
fi
