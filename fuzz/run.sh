#!/bin/bash
# Runs every fuzz target for FUZZ_SECONDS (60) from the fixtures; fails where one finds something.
# Usage: fuzz/run.sh [target...]
set -euo pipefail
cd "$(dirname "$0")"
cargo=${CARGO:-cargo}

if ! $cargo +nightly --version >/dev/null 2>&1; then
    echo "SKIPPED: fuzzing needs Rust's nightly toolchain (rustup toolchain install nightly)"
    exit 0
fi
if ! $cargo fuzz --version >/dev/null 2>&1; then
    $cargo install cargo-fuzz --locked
fi

data=../tests/data
seconds="${FUZZ_SECONDS:-60}"

seed() {
    local target="$1" file number=0
    local corpus="corpus/$target"
    mkdir -p "$corpus"
    case "$target" in
        inflate)
            # An empty frame, a raw block, a skippable frame before it.
            printf '\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00' >"$corpus/seed-empty.zst"
            printf '\x28\xb5\x2f\xfd\x20\x03\x19\x00\x00abc' >"$corpus/seed-raw.zst"
            printf '\x50\x2a\x4d\x18\x02\x00\x00\x00--\x28\xb5\x2f\xfd\x20\x03\x19\x00\x00abc' \
                >"$corpus/seed-skip.zst"
            for file in "$data"/npy/f*.npy; do
                number=$((number + 1))
                gzip -9nc "$file" >"$corpus/seed-$number.gz"
                if command -v zstd >/dev/null; then
                    zstd -19qc "$file" >"$corpus/seed-$number.zst"
                fi
            done
            ;;
        index)
            printf '{"metadata":{"total_size":3,"f":0.5,"x":[null]},"weight_map":{"a":"one","b":"two"}}' \
                >"$corpus/seed-two.json"
            printf '{"weight_map":{"c":"three","d":"../secret"}}' >"$corpus/seed-outside.json"
            ;;
        manifest)
            printf '%s' '{"adit_record_set":1,"records":3,"fields":[' \
                '{"name":"a","dtype":"u8","kind":"fixed","shape":[2,3]},' \
                '{"name":"b","dtype":"f32","kind":"ragged","shape":[null]},' \
                '{"name":"c","dtype":"u8","kind":"bytes","shape":[null]}],"shards":[' \
                '{"file":"one.arec","uuid":"00112233445566778899aabbccddeeff","records":1,' \
                '"bytes":8,"footer":"0123456789abcdef"},' \
                '{"file":"two.arec","uuid":"00112233445566778899aabbccddeef0","records":2,' \
                '"bytes":8,"footer":"0123456789abcdef"}],"metadata":[' \
                '{"key":"x","text":"y"},{"key":"z","hex":"00ff"}]}' >"$corpus/seed-two.json"
            printf '%s' '{"adit_record_set":1,"records":0,"fields":[],"shards":[' \
                '{"file":"../one.arec"}]}' >"$corpus/seed-outside.json"
            ;;
        store_foreign)
            for file in "$data"/store010/*.bin "$data"/store017/*.bin; do
                number=$((number + 1))
                # A store's search looks at each byte: short ones reach as much.
                if [ "$(wc -c <"$file")" -le 2048 ]; then
                    cp "$file" "$corpus/seed-$number.bin"
                fi
            done
            ;;
        store_log)
            # Golden stores as they are, then each with a byte of a slot or a record changed.
            printf '\x00' >"$corpus/seed-golden"
            printf '\x05' >"$corpus/seed-index"
            printf '\x00\x10\x10\x00\x01\x90\x41\x00\x01' >"$corpus/seed-slot"
            printf '\x04\xc0\x41\x00\x02\x00\x50\x00\xee' >"$corpus/seed-cut"
            (printf '\x02' && cat "$data/store/golden4096.adit") >"$corpus/seed-bytes"
            ;;
        arec)
            # Golden files as they are, one with a column's row changed, one as the bytes it is.
            for number in 0 1 2 3 4; do
                printf "\\x0$number" >"$corpus/seed-golden-$number"
            done
            printf '\x01\x04\x40\x00\x02\xff\xff' >"$corpus/seed-column"
            printf '\x03\x05\x40\x00\x01\x07' >"$corpus/seed-trailer"
            printf '\x01\x01\x50\x00\x01\x02' >"$corpus/seed-field"
            (printf '\x07' && cat "$data/arec/small.arec") >"$corpus/seed-bytes"
            ;;
        store_index)
            # How it is mended comes first.
            for number in 0 1 3 7; do
                { printf "\\x0$number"; cat "$data/store/golden.adit.idx"; } \
                    >"$corpus/seed-$number.idx"
            done
            ;;
        *)
            local format="${target/recover/rrec}"
            for file in "$data/$format"/*."$format"; do
                # Large seeds slow every run down and reach nothing that small ones don't.
                if [ "$(wc -c <"$file")" -le 65536 ]; then
                    cp "$file" "$corpus/seed-$(basename "$file")"
                fi
            done
            ;;
    esac
}

targets=("$@")
if [ "${#targets[@]}" -eq 0 ]; then
    for file in fuzz_targets/*.rs; do
        targets+=("$(basename "$file" .rs)")
    done
fi
for target in "${targets[@]}"; do
    seed "$target"
    echo "== $target, $seconds s"
    $cargo +nightly fuzz run "$target" -- \
        -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10 -print_final_stats=1
done
echo "OK: ${targets[*]}"
