# Clocks that jump: the workspace's test program `clock`, which sets the machine's, and asks the program meanwhile.
. /tests/lib.sh
export RUST_BACKTRACE=0 TMPDIR=/tmp RINGFENCE_SETS_CLOCK=1 RINGFENCE_UNDER_TEST=/bin/ringfence
(/programs/clock --test-threads 1 2>&1; echo "ended with $?") | tee /tmp/said
echo
sed -n 's/^test \(.*\) \.\.\. ok$/TEST ok \1/p' /tmp/said
is "no test was skipped and none failed" "1 0" "$(grep -c '^ended with 0$' /tmp/said) $(grep -c '^skipped' /tmp/said)"
