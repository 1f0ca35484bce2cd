# Test programs of the workspace, as they are. What the environment cannot do they say themselves.
. /tests/lib.sh
export RUST_BACKTRACE=0 TMPDIR=/tmp
for program in /programs/*; do
  [ -e "$program" ] || continue
  $program --test-threads 1 >/tmp/said 2>&1
  status=$?
  [ $status = 0 ] || tail -n 60 /tmp/said
  echo "${program##*/}: $(grep '^test result' /tmp/said)"
  is "${program##*/}" 0 $status
done
