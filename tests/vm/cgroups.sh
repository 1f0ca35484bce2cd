# Limits where the only hierarchy is cgroup v2: as root, and as a user to whom a group was handed.
. /tests/lib.sh
for name in tail cut sed; do ln -s busybox /image/bin/$name; done

# limited NAME RESOURCES: the file of a pod of one container with limits.
limited() {
  cat >/tmp/$1.json <<EOF
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "$1"},
 "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
          "containers": [{"name": "c", "image": "busybox", "command": ["sleep", "600"], "resources": $2}]}}
EOF
  file=/tmp/$1.json
}
left() { find /sys/fs/cgroup -type d -name 'ringfence-*' | grep -c .; }
grow='x=xxxxxxxx; while :; do x=$x$x; done'

limited small '{"limits": {"memory": "32Mi", "cpu": "250m"}, "requests": {"cpu": "100m"}}'
run $file sh -c 'cd /sys/fs/cgroup; cat memory.max cpu.max cpu.weight; cat /proc/self/cgroup'
is "limits are what the container sees of its own group" "33554432 25000 100000 17 0::/ 0" "$(echo $out) $status"
is "and nothing of the group stays" 0 "$(left)"
run $file sh -c 'cat /sys/fs/cgroup/memory.swap.max 2>/dev/null || echo 0'
is "there is no swap beside the memory" 0 "$out"
run $file sh -c "$grow"
is "a container that wants more memory is killed" 137 "$status"
has "and it is said why" "OOMKilled" "$err"

limited whole '{"requests": {"memory": "8Mi"}}'
sed -i 's/"restartPolicy"/"resources": {"limits": {"memory": "24Mi"}}, "restartPolicy"/' $file
run $file sh -c 'cat /sys/fs/cgroup/memory.max'
is "the pod's own limit holds for a container without one" 25165824 "$out"

limited stay '{"limits": {"memory": "32Mi"}}'
ringfence run -d --rootfs /image $file >/dev/null 2>/tmp/err
is "exec is in the container's group" "$(ringfence exec stay -- cat /sys/fs/cgroup/cgroup.procs | grep -c .)" 2
ringfence exec stay -- sh -c "$grow" 2>/tmp/err
is "and what it starts counts" 137 $?
supervisor=$(ringfence ps -o json | sed -n 's/.*"supervisorPid": \([0-9]*\).*/\1/p')
kill -KILL $supervisor
tries=0
while [ "$(left)" != 0 ] && [ $tries -lt 300 ]; do sleep 0.1; tries=$((tries + 1)); done
is "a supervisor that is killed leaves no group" 0 "$(left)"

docker() { ringfence run --rootfs /image "$@" 2>/tmp/err; }
out=$(docker --pids-limit 5 --cpus 0.5 --memory 64m x sh -c 'cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/cpu.max /sys/fs/cgroup/memory.max')
is "docker's limits are written" "5 50000 100000 67108864" "$(echo $out)"
out=$(docker --pids-limit 5 x sh -c 'i=0; while [ $i -lt 32 ]; do sleep 60 & i=$((i+1)); echo $i; done')
is "a container starts no more processes than its limit" 4 "$(echo "$out" | tail -n 1)"
# What can mount is kept from devices by a program of the same group.
out=$(docker --cap-add SYS_ADMIN --memory 64m x sh -c 'cat /sys/fs/cgroup/memory.max; mkdir /tmp/d; mount -t tmpfs x /tmp/d; echo mounted')
is "limits and guarded devices go together" "67108864 mounted" "$(echo $out)"

# A user to whom a group was handed, as systemd does it.
echo 'user:x:1000:1000::/:/bin/sh' >>/etc/passwd
mkdir -p /sys/fs/cgroup/handed/session /tmp/user
chown 1000:1000 /tmp/user /sys/fs/cgroup/handed /sys/fs/cgroup/handed/cgroup.procs /sys/fs/cgroup/handed/cgroup.subtree_control \
  /sys/fs/cgroup/handed/session /sys/fs/cgroup/handed/session/cgroup.procs
limited own '{"limits": {"memory": "32Mi"}}'
chmod 644 $file
echo "$grow" >/image/tmp/grow.sh
cat >/tmp/as_user.sh <<EOF
export XDG_RUNTIME_DIR=/tmp/user HOME=/tmp/user
exec ringfence run --rootfs /image $file -- sh /tmp/grow.sh
EOF
# as_user GROUP: the pod as this user, who begins in that group.
as_user() { sh -c "echo \$\$ >/sys/fs/cgroup/$1/cgroup.procs; exec su user -c 'sh /tmp/as_user.sh'" 2>/tmp/err </dev/null; }
as_user handed/session
is "a user's limits hold in the group that was handed to him" 137 $?
has "and it is said why" "OOMKilled" "$(cat /tmp/err)"
is "and no warning says otherwise" 0 "$(grep -c 'not applied: ' /tmp/err)"
is "and nothing stays" 0 "$(left)"
echo true >/image/tmp/grow.sh
as_user .
has "without one it is said that there is no limit" "limits of memory (resources) are not applied" "$(cat /tmp/err)"
