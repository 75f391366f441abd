#!/bin/sh
# The feature fence: without the feature `lambda` the stages are pure, so a user of their libraries, or a test of the algorithm,
# compiles no runtime, no SDK, and no TLS.
set -eu

OUTSIDE='tokio|lambda_runtime|aws[-_].*|reqwest|hyper|rustls'
failed=0

for crate in shared node_gather node_process node_scale cluster simulator; do
    found=$(cargo tree --locked -p "$crate" --no-default-features -e normal --prefix none --format '{p}' |
        cut -d ' ' -f 1 | sort -u | grep -E -x "$OUTSIDE" || true)
    if [ -n "$found" ]; then
        echo "fence: $crate without its default features depends on:" $found
        failed=1
    fi
    cargo check --quiet --locked -p "$crate" --no-default-features --lib || failed=1
done

# One TLS stack; see deny.toml. (cargo prints "nothing to print" on stderr, and fails if Cargo.lock contains no ring at all.)
ring=$(cargo tree --locked --workspace -e normal -i ring 2>/dev/null || true)
if [ -n "$ring" ]; then
    echo "fence: the dependencies contain ring:"
    echo "$ring"
    failed=1
fi

# How people sign in to AWS (single sign-on, `aws login`) is part of the command line. The functions get credentials from their
# environment, and their zips stay small.
sign_in=$(cargo tree --locked -p node_gather -p node_process -p node_scale -e normal --prefix none --format '{p}' |
    cut -d ' ' -f 1 | sort -u | grep -E -x 'aws-sdk-(sso|ssooidc|signin)|p256|sha1' || true)
if [ -n "$sign_in" ]; then
    echo "fence: the zips contain what only the command line needs:" $sign_in
    failed=1
fi

exit $failed
