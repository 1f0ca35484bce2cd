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
label() { ls -Zd "$1" 2>/dev/null | head -1; }

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
pod '"appArmorProfile": {"type": "Localhost", "localhostProfile": "some"}'
run $file echo started
is "an AppArmor profile is refused on a kernel without it" 1 "$([ $status -ne 0 ] && echo 1)"
