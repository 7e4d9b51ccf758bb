#!/usr/bin/env bash
# The store's crash tests at length: what `make torture` runs. Sizes are environment variables:
# ADIT_TORTURE_IMAGES (1000000), ADIT_TORTURE_KILLS (5000), ADIT_TORTURE_CUTS (50),
# ADIT_TORTURE_FOLLOWED (5000).
set -euo pipefail
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}
export ADIT_TORTURE_IMAGES=${ADIT_TORTURE_IMAGES:-1000000}
export ADIT_TORTURE_KILLS=${ADIT_TORTURE_KILLS:-5000}
export ADIT_TORTURE_CUTS=${ADIT_TORTURE_CUTS:-50}
export ADIT_TORTURE_FOLLOWED=${ADIT_TORTURE_FOLLOWED:-5000}

step() { printf '\n== %s\n' "$*"; }

run() {
    $cargo test --locked --release -p adit-core --all-features --test "$1" -- --nocapture "${@:2}"
}

step "stores against a model: $ADIT_TORTURE_IMAGES images"
run store_model

step "killed writers: $ADIT_TORTURE_KILLS"
run store_kill

step "readers in other processes: $ADIT_TORTURE_FOLLOWED batches a run"
run store_followers

step "locks and forks"
run store_locks
run store_forks

step "calls that fail on the real disk"
run store_real_faults

step "power cuts on ext4: $ADIT_TORTURE_CUTS"
run store_power --ignored power_cuts
