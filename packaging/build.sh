#!/usr/bin/env bash
# Builds what is released: an archive, a Debian package, an SBOM and checksums, in target/release-files.
#
#   packaging/build.sh [TARGET]    for example x86_64-unknown-linux-musl, which makes a static program
#
# Needs a Rust toolchain with the target, and a C compiler for it; cargo-deb for the Debian package and cargo-cyclonedx
# for the SBOM, which are left out, with a message, where they are not installed. So that a build can be repeated byte by
# byte, times are those of the commit, and paths of this machine are replaced.
set -euo pipefail
cd "$(dirname "$0")/.."

host=$(rustc -vV | sed -n 's/^host: //p')
target=${1:-$host}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
name=portcullis-$version-$target
out=target/release-files
stage=target/package-files

SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
# Messages of panics contain the paths of sources.
RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix=$PWD=portcullis --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo"
export RUSTFLAGS

cargo build --locked --profile dist --target "$target" --bin portcullis
program=${CARGO_TARGET_DIR:-target}/$target/dist/portcullis

rm -rf "$stage"
mkdir -p "$stage/man" "$stage/completions" "$out"
cp "$program" "$stage/portcullis"

# The manual and the completions come from the program. If it is for another machine, one for this machine prints them.
if "$program" --version >/dev/null 2>&1; then
    maker=$program
else
    RUSTFLAGS='' cargo build --locked --bin portcullis
    maker=${CARGO_TARGET_DIR:-target}/debug/portcullis
fi
"$maker" man --dir "$stage/man" 2>/dev/null
for shell in bash zsh fish; do
    "$maker" completions "$shell" >"$stage/completions/portcullis.$shell" 2>/dev/null
done

# The archive.
root=$stage/$name
mkdir -p "$root"
cp -r "$stage/portcullis" "$stage/man" "$stage/completions" "$root"
cp README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE assets/portcullis.example.toml assets/policy.toml packaging/portcullis.service "$root"
tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=u+rwX,go+rX,go-w \
    -C "$stage" -cf - "$name" | gzip -n9 >"$out/$name.tar.gz"

# The Debian package.
case $target in
*-linux-*)
    if command -v cargo-deb >/dev/null; then
        gzip -n9 "$stage"/man/*.1
        cargo deb --no-build --no-strip --target "$target" --profile dist --output "$out/"
    else
        printf 'cargo-deb is not installed: no Debian package (cargo install --locked cargo-deb)\n'
    fi
    ;;
esac

# What is in the program.
if command -v cargo-cyclonedx >/dev/null; then
    cargo cyclonedx --format json --target "$target" --override-filename "$name.cdx" --quiet
    mv "$name.cdx.json" "$out/"
else
    printf 'cargo-cyclonedx is not installed: no SBOM (cargo install --locked cargo-cyclonedx)\n'
fi

(cd "$out" && sha256sum -- *"$version"* >SHA256SUMS.new && mv SHA256SUMS.new SHA256SUMS && cat SHA256SUMS)
