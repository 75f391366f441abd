#!/bin/sh
# release.sh TAG: prints the changelog of a release. Fails where the tag is not the version of Cargo.toml, or the changelog has no
# dated section for it.
set -eu

cd "$(dirname "$0")/.."
tag=$1
version=$(sed -n 's/^version = "\([^"]*\)".*/\1/p' Cargo.toml | head -n 1)
if [ "$tag" != "v$version" ]; then
    echo "the tag is $tag, but Cargo.toml has version $version; the tag must be v$version" >&2
    exit 1
fi
if ! grep -qE "^## \[$version\] - [0-9]{4}-[0-9]{2}-[0-9]{2}$" CHANGELOG.md; then
    echo "CHANGELOG.md has no section \"## [$version] - YYYY-MM-DD\"; rename Unreleased and date it" >&2
    exit 1
fi
awk -v heading="## [$version]" 'index($0, heading) == 1 { inside = 1; next } /^## \[/ { inside = 0 } inside' CHANGELOG.md
