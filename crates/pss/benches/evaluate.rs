//! How long a pod takes to judge.

fn main() {
    divan::main();
}
