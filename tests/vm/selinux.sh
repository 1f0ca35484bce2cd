# SELinux: which label a container runs under, and that the kernel keeps its categories apart.
. /tests/lib.sh
mount -t selinuxfs selinux /sys/fs/selinux
cat /etc/policy >/sys/fs/selinux/load
is "a policy is loaded" kernel_t "$(cut -d: -f3 /proc/self/attr/current)"
# Labels can be written to what was mounted after the policy was loaded.
mount -t tmpfs -o mode=755 volumes /home
mkdir -p /home/a/deep
echo content >/home/a/deep/file
ln -s /etc/policy /home/a/link
echo 1 >/sys/fs/selinux/enforce
is "the policy is enforced" 1 "$(cat /sys/fs/selinux/enforce)"
current="cat /proc/self/attr/current"


pod '"seLinuxOptions": {"level": "s0:c1,c2"}'
run $file sh -c "$current | tr -d '\000'"
is "a level is completed for a container" "system_u:system_r:container_t:s0:c1,c2" "$out"
pod '"seLinuxOptions": {"user": "system_u", "role": "system_r", "type": "other_t", "level": "s0:c7"}'
run $file sh -c "$current | tr -d '\000'"
is "a type of the pod's is taken" "system_u:system_r:other_t:s0:c7" "$out"
pod '"seLinuxOptions": {"type": "no_such_type_t"}'
run $file echo started
is "a type that the policy lacks is refused" 1 "$([ $status -ne 0 ] && echo 1)"
pod '"privileged": true'
run $file sh -c "$current | tr -d '\000'"
is "a privileged container keeps the caller's label" kernel_t "$(echo "$out" | cut -d: -f3)"

ringfence volume relabel --level s0:c1,c2 /home/a >/tmp/out 2>&1
is "a volume is labelled" "/home/a: 4 labelled system_u:object_r:container_file_t:s0:c1,c2, of 4 entries" "$(cat /tmp/out)"
ringfence volume relabel --level s0:c1,c2 /home/a >/tmp/out 2>&1
is "and left alone when it is right" "/home/a: 0 labelled system_u:object_r:container_file_t:s0:c1,c2, of 4 entries" "$(cat /tmp/out)"
volume() {
  cat >/tmp/volume.json <<EOF
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
 "spec": {"restartPolicy": "Never", "securityContext": {"seLinuxOptions": {"level": "$1"}},
          "volumes": [{"name": "v", "hostPath": {"path": "/home/a"}}],
          "containers": [{"name": "c", "image": "busybox", "volumeMounts": [{"name": "v", "mountPath": "/data"}]}]}}
EOF
  run /tmp/volume.json cat /data/deep/file
}
volume s0:c1,c2
is "a pod of the volume's categories reads it" content "$(echo "$out" | tail -1)"
volume s0:c3,c4
has "a pod of other categories does not" "ermission denied" "$err"
# Whether everything at a path has a label.
labelled() { # LABEL PATH
  ringfence volume relabel --dry-run --label "$1" "$2" 2>&1 | grep -c ": 0 would be labelled"
}
files=system_u:object_r:container_file_t

# A pod that says nothing gets a pair of categories of its own.
pod ""
run $file sh -c "$current | tr -d '\000'; echo; cat /proc/self/mountinfo; touch /tmp/x /dev/shm/x && echo written"
own=$(echo "$out" | head -1)
is "a container that asks for nothing is confined, with two categories" 1 \
  "$(echo "$own" | grep -c '^system_u:system_r:container_t:s0:c[0-9]*,c[0-9]*$')"
level=${own#*container_t:}
# Its own, that is: what is mounted from the state directory is labelled file by file.
is "every file system that is made for it has its files' label" "" \
  "$(echo "$out" | grep -E ' - (tmpfs|overlay|devpts) ' | grep -v ' /run/ringfence/' | grep -v "context=\"\?$files:$level")"
is "its root, /dev and terminals among them" "overlay tmpfs devpts" \
  "$(for at in /bin /dev /dev/pts; do echo "$out" | grep " $at .*context=" | sed 's/.* - \([a-z]*\) .*/\1/'; done | tr '\n' ' ' | sed 's/ $//')"
has "and it writes there" written "$out"
run $file sh -c "$current | tr -d '\000'"
is "the next pod has others" 1 "$([ "$own" != "$out" ] && [ -n "$out" ] && echo 1)"
pod '"privileged": true'
run $file sh -c "cat /proc/self/mountinfo"
has "a privileged container's files are labelled all the same" "context=\"$files:s0:c" "$(echo "$out" | grep tmpfs | sed 's/context=sys/context="sys/')"

# Two pods that stay: containers share their pod's level, and so do their volumes.
stay() { # NAME CONTEXT
  cat >/tmp/$1.json <<J
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "$1"},
 "spec": {"terminationGracePeriodSeconds": 0, "securityContext": {$2},
          "volumes": [{"name": "v", "emptyDir": {}},
                      {"name": "host", "hostPath": {"path": "/home/a"}}],
          "containers": [
            {"name": "one", "image": "busybox", "command": ["sh", "-c", "echo secret >/v/file; sleep 1000"],
             "volumeMounts": [{"name": "v", "mountPath": "/v"}, {"name": "host", "mountPath": "/host"}]},
            {"name": "two", "image": "busybox", "command": ["sleep", "1000"],
             "securityContext": {"seLinuxOptions": {"type": "other_t"}},
             "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]}}
J
  ringfence run -d --rootfs /image /tmp/$1.json >/tmp/out 2>/tmp/err || cat /tmp/err
}
in_pod() { # POD CONTAINER COMMAND
  ringfence exec -c $2 $1 -- sh -c "$3" 2>&1
}
stay red ''
stay blue ''
red=$(in_pod red one "$current" | tr -d '\000')
two=$(in_pod red two "$current" | tr -d '\000')
blue=$(in_pod blue one "$current" | tr -d '\000')
level=${red#*container_t:}
is "exec has the container's label" 1 "$(echo "$red" | grep -c '^system_u:system_r:container_t:s0:c[0-9]*,c[0-9]*$')"
is "a container that names a type has its pod's level" "system_u:system_r:other_t:$level" "$two"
is "another pod has another" 1 "$([ "$red" != "$blue" ] && echo 1)"
for _ in $(seq 60); do
  in_pod red two "cat /v/file" | grep -q secret && break
  sleep 1
done
is "the pod's containers share its volumes" secret "$(in_pod red two "cat /v/file")"
state=$(dirname "$(grep -l '"name": *"red"' /run/ringfence/*/pod.json)")
is "an emptyDir has the pod's label" 1 "$(labelled $files:$level $state/volumes/v)"
for name in hosts hostname resolv.conf; do
  is "/etc/$name, too" 1 "$(labelled $files:$level $state/etc/$name)"
done
is "a path of the node keeps its own" 1 "$(labelled $files:s0:c1,c2 /home/a)"
# The same file, from the other pod.
cat >/tmp/thief.json <<J
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "thief"},
 "spec": {"restartPolicy": "Never", "volumes": [{"name": "v", "hostPath": {"path": "$state/volumes/v"}}],
          "containers": [{"name": "c", "image": "busybox", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]}}
J
run /tmp/thief.json cat /v/file
has "another pod cannot read them, wherever it finds them" "ermission denied" "$err"
stay green "\"seLinuxOptions\": {\"level\": \"$level\"}"
has "a level that another pod has is warned about" "another pod runs with the SELinux level $level" "$(cat /tmp/err)"
for name in red blue green; do ringfence rm -f $name >/dev/null 2>&1; done
stay green "\"seLinuxOptions\": {\"level\": \"$level\"}"
is "and not when that one is gone" "" "$(grep 'another pod' /tmp/err)"
ringfence rm -f green >/dev/null 2>&1

# docker's.
docker() { out=$(ringfence run --rootfs /image "$@" 2>/tmp/err </dev/null); status=$?; err=$(cat /tmp/err); }
docker busybox sh -c "$current | tr -d '\000'"
is "docker's container has two categories" 1 "$(echo "$out" | grep -c '^system_u:system_r:container_t:s0:c[0-9]*,c[0-9]*$')"
for flag in --privileged --pid=host --ipc=host --security-opt=label=disable; do
  docker $flag busybox sh -c "$current | tr -d '\000'"
  is "and none with $flag" kernel_t "$(echo "$out" | cut -d: -f3)"
done
docker --security-opt label=type:other_t --security-opt label=level:s0:c5 busybox sh -c "$current | tr -d '\000'"
is "label options name its parts" system_u:system_r:other_t:s0:c5 "$out"
docker -v /home/a:/data busybox cat /data/deep/file
has "a volume is not for every container" "ermission denied" "$err"
docker -v /home/a:/data:Z --security-opt label=level:s0:c5,c6 busybox cat /data/deep/file
is "with Z it is for this one" content "$out"
is "which has its label then" 1 "$(labelled $files:s0:c5,c6 /home/a)"
docker -v /home/a:/data busybox cat /data/deep/file
has "and no other" "ermission denied" "$err"
docker -v /home/a:/data:z busybox cat /data/deep/file
is "with z for all" "content 1" "$out $(labelled $files:s0 /home/a)"
docker -v /etc:/data:Z busybox true
has "never a directory that the machine depends on" "SELinux relabeling of /etc is not allowed" "$err"

# The policy's own labels, where it names some, are the runtimes'.
mkdir -p /etc/selinux/targeted/contexts
printf 'process = "system_u:system_r:other_t:s0"\nfile = "system_u:object_r:object_t:s0"\n' >/etc/selinux/targeted/contexts/lxc_contexts
pod ""
run $file sh -c "$current | tr -d '\000'; echo; cat /proc/self/mountinfo"
has "the policy's type for containers is taken" "system_u:system_r:other_t:s0:c" "$out"
has "and that of their files" "system_u:object_r:object_t:s0:c" "$out"
rm /etc/selinux/targeted/contexts/lxc_contexts

pod '"appArmorProfile": {"type": "Localhost", "localhostProfile": "some"}'
run $file echo started
is "an AppArmor profile is refused on a kernel without it" 1 "$([ $status -ne 0 ] && echo 1)"
