# Recipes for people; `.ci/run` calls the same commands.

# What the README says: one command runs the main job.
demo:
    cargo run --release -- prove examples/walkthrough

# One command passes the tests.
test:
    cargo test --workspace

# Formatting, lints, dependencies and documentation.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo deny check bans licenses sources
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Benchmarks, with their figures on standard output.
bench:
    cargo bench --workspace

# Fuzz one target for a minute: just fuzz read
fuzz target seconds="60":
    cd fuzz && cargo fuzz run {{target}} -- -max_total_time={{seconds}}

# Refresh the generated pages under docs/.
docs:
    UPDATE_DOCS=1 cargo test --workspace docs

# A thousand runs one after another, fifty at once and fifty killed: nothing may be left behind.
many:
    RINGFENCE_RUNS=1000 RINGFENCE_AT_ONCE=50 cargo test --release -p ringfence --test many

# Random pods under the built-in launcher and under runc: just pods 500 1
pods number="500" seed="1":
    RINGFENCE_PODS={{number}} RINGFENCE_SEED={{seed}} cargo test -p ringfence --test random_pods -- --nocapture

# The container image for every architecture that has a binary under target/: just image registry.example.com/ringfence:0.1.0
image name:
    deploy/image/build {{name}} target/*-unknown-linux-gnu/dist/ringfence

# Boot a machine of the binary's architecture and run its tests: just vm target/release/ringfence
vm binary *tests:
    tests/vm/run {{binary}} {{tests}}
