#!/usr/bin/env bash
# Builds what is released: an archive, a Debian package, an SBOM and checksums, in target/release-files/TARGET.
#
#   packaging/build.sh [TARGET]    for example x86_64-unknown-linux-musl, which makes a static program
#
# Needs a Rust toolchain with the target, a C compiler for it, GNU tar and sha256sum; cargo-deb for the Debian package
# and cargo-cyclonedx for the SBOM, which are left out, with a message, if they are not installed. So that a build is
# reproducible byte for byte, times are those of the commit (or SOURCE_DATE_EPOCH), and local paths are replaced.
set -euo pipefail
cd "$(dirname "$0")/.."

host=$(rustc -vV | sed -n 's/^host: //p')
target=${1:-$host}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
name=portcullis-$version-$target
out=target/release-files/$target
# Cargo.toml names this directory, too.
stage=target/package-files
for tool in sha256sum tar; do
    command -v "$tool" >/dev/null || { printf '%s is not installed\n' "$tool" >&2 && exit 1; }
done
tar --version | grep -q 'GNU tar' || { printf 'tar is not GNU tar\n' >&2 && exit 1; }

SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
built=$(cargo metadata --locked --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')

# Messages of panics contain the paths of sources. The flags are encoded, because a path may contain a blank.
flags=(--remap-path-prefix="$PWD"=portcullis --remap-path-prefix="${CARGO_HOME:-$HOME/.cargo}"=cargo)
separated=$(printf '\x1f%s' "${flags[@]}")
CARGO_ENCODED_RUSTFLAGS=${separated:1} cargo build --locked --profile dist --target "$target" --bin portcullis
program=$built/$target/dist/portcullis

rm -rf "$stage" "$out"
mkdir -p "$stage/man" "$stage/completions" "$out"
cp "$program" "$stage/portcullis"

# The manual and the completions come from the program. If it is for another machine, one for this machine prints them.
if "$program" --version >/dev/null 2>&1; then
    maker=$program
else
    cargo build --locked --bin portcullis
    maker=$built/debug/portcullis
fi
"$maker" man --dir "$stage/man"
for shell in bash zsh fish; do
    "$maker" completions "$shell" >"$stage/completions/portcullis.$shell"
done

# The archive.
root=$stage/$name
mkdir -p "$root"
cp -r "$stage/portcullis" "$stage/man" "$stage/completions" "$root"
cp README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE assets/portcullis.example.toml assets/policy.toml packaging/portcullis.service "$root"
# What README links to.
cp -r docs SECURITY.md CONTRIBUTING.md "$root"
mkdir "$root/assets"
cp -r assets/screens "$root/assets/"
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
    # Without the local path, like the program.
    sed 's|path+file://[^#"]*#|path+file:///portcullis#|' "$name.cdx.json" >"$out/$name.cdx.json"
    rm "$name.cdx.json"
else
    printf 'cargo-cyclonedx is not installed: no SBOM (cargo install --locked cargo-cyclonedx)\n'
fi

(cd "$out" && sha256sum -- * >../SHA256SUMS && mv ../SHA256SUMS . && cat SHA256SUMS)
