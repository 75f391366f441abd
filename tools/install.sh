#!/bin/sh
# install.sh BINARY PREFIX: installs the command line with its manual pages and completions below PREFIX.
set -eu

binary=$1 prefix=$2

install -d "$prefix/bin" "$prefix/share/man/man1" "$prefix/share/bash-completion/completions" \
    "$prefix/share/zsh/site-functions" "$prefix/share/fish/vendor_completions.d" || {
    echo "cannot write to $prefix; choose another place, such as: make install PREFIX=\$HOME/.local" >&2
    exit 1
}
install -m 755 "$binary" "$prefix/bin/lambda-scale"
"$binary" man "$prefix/share/man/man1"
"$binary" completions bash > "$prefix/share/bash-completion/completions/lambda-scale"
"$binary" completions zsh > "$prefix/share/zsh/site-functions/_lambda-scale"
"$binary" completions fish > "$prefix/share/fish/vendor_completions.d/lambda-scale.fish"
echo "installed $prefix/bin/lambda-scale"
case ":$PATH:" in
    *":$prefix/bin:"*) ;;
    *) echo "$prefix/bin is not in your PATH; add it: export PATH=\"$prefix/bin:\$PATH\"" ;;
esac
