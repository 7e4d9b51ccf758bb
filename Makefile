# adit: what a user or developer runs. `make help` lists it.
#
# Needs a C compiler, make and cargo.

CARGO ?= cargo
CC ?= cc
PREFIX ?= /usr/local
DESTDIR ?=
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
export CARGO_TARGET_DIR ?= $(CURDIR)/target

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
ABI := $(shell sed -n 's/^pub const ADIT_ABI_VERSION: u32 = \(.*\);/\1/p' src/version.rs)
DOCDIR ?= $(PREFIX)/share/doc/adit
LIB := build/lib
EXAMPLE_FLAGS := -std=c99 -O2 -Wall -Wextra -Wpedantic -Werror -Iinclude -L$(LIB) \
	-Wl,-rpath,'$$ORIGIN/../lib'

# Paths from outside may be relative to here and have spaces in them: quote them.

.PHONY: help demo test test-exhaustive test-large torture release lib examples header lint docs bench peer-test fuzz install clean

help:
	@sed -n 's/^## //p' Makefile

## make demo     build the library, train on handwritten digits, stop and go on, list a model, upload it
demo: examples
	@mkdir -p build/demo
	@rm -rf build/demo/train
	@mkdir -p build/demo/train
	build/examples/train_digits tests/data/digits build/demo/train 12
	build/examples/train_digits tests/data/digits build/demo/train 30
	build/examples/inspect build/demo/train/test.arec tests/data/digits/labels_u8.npy
	build/examples/edit_array tests/data/digits/images_u8.npy build/demo/edited.npy 0 100
	build/examples/weights -m -c tests/data/gguf/all_kv_types.gguf
	build/examples/sink tests/data/safetensors/model_small.safetensors
	build/examples/upload tests/data/safetensors/model_small.safetensors

## make test     everything the project checks
test:
	@tests/run.sh

## make test-exhaustive conversions of every f32 there is, on every path: a minute
test-exhaustive:
	$(CARGO) test --locked --release -p adit-core --test convert_exhaustive -- --ignored

## make test-large a set of ADIT_LARGE_MIB (1024) under a limit on memory, killed and resumed
test-large:
	$(CARGO) test --locked --release --test large -- --ignored --nocapture

## make torture  the store's crash tests at length: killed writers, power cuts, faults; an hour
torture:
	@tests/torture.sh

release:
	$(CARGO) build --locked --release --lib

## make lib      build/lib: the shared library with its SONAME link, the static one
lib: release
	@mkdir -p $(LIB)
	@# Removed first: a program that runs with the library keeps what it has mapped.
	@rm -f $(LIB)/libadit.so.$(ABI) $(LIB)/libadit.a
	@cp -fp "$$CARGO_TARGET_DIR/release/libadit.so" $(LIB)/libadit.so.$(ABI)
	@ln -sf libadit.so.$(ABI) $(LIB)/libadit.so
	@cp -fp "$$CARGO_TARGET_DIR/release/libadit.a" $(LIB)/libadit.a

## make examples build/examples: the programs of examples-c
examples: lib
	@mkdir -p build/examples
	$(CC) $(EXAMPLE_FLAGS) examples-c/train_digits.c examples-c/digits.c \
		-o build/examples/train_digits -ladit -lm
	$(CC) $(EXAMPLE_FLAGS) examples-c/inspect.c -o build/examples/inspect -ladit
	$(CC) $(EXAMPLE_FLAGS) examples-c/edit_array.c -o build/examples/edit_array -ladit
	$(CC) $(EXAMPLE_FLAGS) examples-c/weights.c -o build/examples/weights -ladit
	$(CC) $(EXAMPLE_FLAGS) examples-c/embed.c -o build/examples/embed -ladit -lm
	$(CC) $(EXAMPLE_FLAGS) -pthread examples-c/train_tokens.c -o build/examples/train_tokens -ladit -lm
	$(CC) $(EXAMPLE_FLAGS) -pthread examples-c/sink.c -o build/examples/sink -ladit
	$(CC) $(EXAMPLE_FLAGS) examples-c/upload.c -o build/examples/upload -ladit
	@if command -v mpicc > /dev/null; then set -x; mpicc $(EXAMPLE_FLAGS) \
		examples-c/train_digits_mpi.c examples-c/adit_mpi.c examples-c/digits.c \
		-o build/examples/train_digits_mpi -ladit -lm; fi

## make header   generate include/adit.h from src
header:
	$(CARGO) run --locked -q -p adit-header

## make lint     formatting and lints, warnings as errors
lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets --all-features -- -D warnings
	$(CARGO) clippy --locked -p adit-core --lib --no-default-features -- -D warnings

## make docs     the Rust documentation, warnings as errors
docs:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --all-features

## make bench    side by side with the peers: lines of RATIO, name, ours, peer, ratio, peer
bench: lib
	ADIT_LIB_DIR="$$PWD/$(LIB)" \
		$(CARGO) run --locked --release --manifest-path benches/Cargo.toml \
		--features heavy-peers

## make peer-test our files read by the peers, and theirs by us
peer-test: lib
	ADIT_LIB_DIR="$$PWD/$(LIB)" \
		$(CARGO) test --locked --release --manifest-path benches/Cargo.toml

## make fuzz     each fuzz target for FUZZ_SECONDS (60); needs a nightly toolchain
fuzz:
	fuzz/run.sh

## make install  PREFIX (/usr/local), DESTDIR: library, header, pkg-config file, licences
install: release
	install -d "$(DESTDIR)$(LIBDIR)/pkgconfig" "$(DESTDIR)$(INCLUDEDIR)" "$(DESTDIR)$(DOCDIR)"
	install -m 755 "$$CARGO_TARGET_DIR/release/libadit.so" \
		"$(DESTDIR)$(LIBDIR)/libadit.so.$(VERSION)"
	ln -sf libadit.so.$(VERSION) "$(DESTDIR)$(LIBDIR)/libadit.so.$(ABI)"
	ln -sf libadit.so.$(ABI) "$(DESTDIR)$(LIBDIR)/libadit.so"
	install -m 644 "$$CARGO_TARGET_DIR/release/libadit.a" "$(DESTDIR)$(LIBDIR)/libadit.a"
	install -m 644 include/adit.h "$(DESTDIR)$(INCLUDEDIR)/adit.h"
	sed -e 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@INCLUDEDIR@|$(INCLUDEDIR)|' \
		-e 's|@VERSION@|$(VERSION)|' adit.pc.in > "$(DESTDIR)$(LIBDIR)/pkgconfig/adit.pc"
	install -m 644 LICENSE-MIT LICENSE-APACHE "$(DESTDIR)$(DOCDIR)"

clean:
	rm -rf build
	$(CARGO) clean
