#!/bin/sh
# deploy.sh check|go STACK BUCKET NAME=VALUE ...: creates or updates the stack in the account of the AWS command line.
# `check` only reports what is missing in the parameters and in the account, within seconds, before anything is built.
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

has_parameters=
for parameter in "$@"; do
    case $parameter in
    Architecture=*) ;;
    *) has_parameters=yes ;;
    esac
done

# Unknown names and wrong values, which the clients drop or report late.
"${PYTHON:-python3}" tools/parameters.py template.yaml "$@" || exit 1

if command -v sam >/dev/null; then
    tool=sam
elif command -v aws >/dev/null; then
    tool=aws
    [ -n "$bucket" ] || usage "BUCKET is missing: aws needs an S3 bucket for the zips (sam creates one)."
else
    usage "Neither sam nor aws is installed."
fi

# refuse ERROR: says in one sentence what is wrong with the account. Without PARAMETERS, it also lists what is needed.
refuse() {
    # The cause stands last, below the names of exceptions.
    cause=$(printf '%s\n' "$1" | sed -n '/./p' | tail -n 1)
    case $1 in
    *"locate credentials"*) cause="No AWS credentials; set AWS_PROFILE or run \`aws sso login\`." ;;
    *"specify a region"* | *"No region information"*) cause="No AWS region; set AWS_DEFAULT_REGION, or the region of your profile." ;;
    *xpired* | *"SSO Token"*) cause="The AWS credentials have expired; run \`aws sso login\`, or renew them." ;;
    *"could not be found"*) cause="$cause; \`aws configure list-profiles\` lists those that exist." ;;
    esac
    [ -n "$has_parameters" ] || usage "$cause"
    printf '%s\n' "$cause" >&2
    exit 1
}

# An account that does not answer is reported within seconds.
in_account() {
    AWS_MAX_ATTEMPTS=2 aws --cli-connect-timeout 5 --cli-read-timeout 10 "$@" 2>&1
}

# The parameters of the stack, if it exists, one NAME=VALUE a line. Asking for them shows that there are credentials and a region.
previous() {
    if answer=$(in_account cloudformation describe-stacks --stack-name "$stack" --output text \
        --query "Stacks[0].Parameters[].[join('=', [ParameterKey, ParameterValue])]"); then
        printf '%s\n' "$answer"
    else
        case $answer in
        *"Stack with id"*"does not exist"*) ;;
        *) refuse "$answer" ;;
        esac
    fi
}

# Whether the stack exists: all that sam can say of it.
exists() {
    if answer=$(SAM_CLI_TELEMETRY=0 sam list stack-outputs --stack-name "$stack" --output json 2>&1); then
        return 0
    fi
    case $answer in
    *"input stack"*"does not exist"*) return 1 ;;
    *"Outputs do not exist"*) return 0 ;;
    *) refuse "$answer" ;;
    esac
}

are_known=yes stored=
if command -v aws >/dev/null; then
    stored=$(previous)
    [ -z "$bucket" ] || answer=$(in_account s3api head-bucket --bucket "$bucket") || case $answer in
    *"(404)"*) refuse "The bucket $bucket does not exist; create it with \`aws s3 mb s3://$bucket\`." ;;
    *"(403)"*) refuse "You may not use the bucket $bucket; name one of your account in BUCKET." ;;
    *) refuse "$answer" ;;
    esac
elif exists; then
    # Its parameters then stay, and the rules of the template check them.
    are_known=no
fi
parameters=$(printf '%s\n' "$stored" "$@")

value() {
    printf '%s\n' "$parameters" | sed -n "s/^$1=//p" | tail -n 1
}

# The rules of template.yaml, which report the same only after the zips are built and uploaded.
check_rules() {
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
}
[ $are_known = no ] || check_rules

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
