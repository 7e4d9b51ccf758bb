#!/usr/bin/env bash
# Everything the project checks: what `make test` runs.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
cargo=${CARGO:-cargo}
mkdir -p target
skipped=target/skipped.txt
rm -f "$skipped"

step() { printf '\n== %s\n' "$*"; }

skip() {
    echo "SKIPPED: $*"
    echo "SKIPPED: $*" >> "$skipped"
}

step "what the tests need"
tests/install-deps.sh

step "formatting and lints"
if $cargo clippy --version > /dev/null 2>&1 && $cargo fmt --version > /dev/null 2>&1; then
    make --no-print-directory lint
else
    skip "formatting and lints (clippy, rustfmt)"
fi

# Where there is the software driver of Vulkan it is the only one: no card is used by chance.
for driver in "/usr/share/vulkan/icd.d/lvp_icd.$(uname -m).json" /usr/share/vulkan/icd.d/lvp_icd.json; do
    if [ -f "$driver" ]; then
        export VK_ICD_FILENAMES=$driver VK_DRIVER_FILES=$driver NODEVICE_SELECT=1
        break
    fi
done

step "tests of the engine, the header tool and the C programs"
$cargo test --locked --workspace --all-features

step "the code paths of other systems, as far as they compile here"
RUSTFLAGS="--cfg adit_portable -D warnings" CARGO_TARGET_DIR="$target/portable" \
    $cargo check --locked -p adit-core --all-features

neon=aarch64-unknown-linux-gnu
if [ -d "$(rustc --print sysroot)/lib/rustlib/$neon" ]; then
    # Without the GPU, whose dependencies would be most of it and which has no loops of its own.
    RUSTFLAGS="-D warnings" $cargo check --locked -p adit-core --features sim,test-hooks --tests \
        --target "$neon"
else
    skip "whether the NEON loops compile (rustup target add $neon)"
fi

step "whether the fuzz targets compile"
if said=$($cargo fetch --locked --manifest-path fuzz/Cargo.toml 2>&1); then
    $cargo check --locked --manifest-path fuzz/Cargo.toml
elif [[ $said == *--locked* ]]; then
    echo "$said"
    exit 1
else
    skip "whether the fuzz targets compile (their crates, which can't be fetched)"
fi

step "all ways in which threads can meet in the store's index"
if said=$($cargo fetch --locked --manifest-path loom/Cargo.toml 2>&1); then
    CARGO_TARGET_DIR="$target/loom" $cargo test --locked --release --manifest-path loom/Cargo.toml
elif [[ $said == *--locked* ]]; then
    echo "$said"
    exit 1
else
    skip "all ways in which threads can meet in the store's index (loom, which can't be fetched)"
fi

step "documentation"
make --no-print-directory docs

step "the same files as the peer"
if said=$($cargo fetch --locked --manifest-path benches/Cargo.toml 2>&1); then
    # The library is built there already, by the tests of the C programs.
    CARGO_TARGET_DIR="$target/tmp/library" make --no-print-directory peer-test
elif [[ $said == *--locked* ]]; then
    echo "$said"
    exit 1
else
    skip "the same files as the peer (the peer's crates, which can't be fetched)"
fi

step "skipped"
if [ -s "$skipped" ]; then
    sort -u "$skipped"
    echo "$(sort -u "$skipped" | wc -l) checks skipped, all others passed"
else
    echo "nothing skipped, all checks passed"
fi
