# AppArmor: which profile a container runs under, and what is refused.
. /tests/lib.sh
is "the kernel has AppArmor" Y "$(cat /sys/module/apparmor/parameters/enabled)"
current="cat /proc/self/attr/current"

pod '"appArmorProfile": {"type": "Localhost", "localhostProfile": "no-shell-data"}'
run $file sh -c "$current"
has "a Localhost profile that is not loaded is refused" "apparmorProfile" "$err"
is "and nothing is started" 1 "$([ $status -ne 0 ] && echo 1)"

apparmor_parser -Kr <<'P'
profile no-shell-data flags=(attach_disconnected,mediate_deleted) {
  file,
  capability,
  signal,
  ptrace,
  mount,
  deny /data/** w,
}
P
run $file sh -c "$current; touch /tmp/x && echo tmp; touch /data/x || echo denied"
has "a Localhost profile is the container's" "no-shell-data (enforce)" "$out"
has "what the profile allows works" tmp "$out"
has "what the profile denies is denied" denied "$out"

pod "" "" '"annotations": {"container.apparmor.security.beta.kubernetes.io/c": "localhost/no-shell-data"}'
run $file sh -c "$current"
has "the legacy annotation names the profile too" "no-shell-data (enforce)" "$out"

pod '"appArmorProfile": {"type": "Unconfined"}'
run $file sh -c "$current"
is "Unconfined is no profile" unconfined "$out"

pod '"appArmorProfile": {"type": "RuntimeDefault"}'
run $file sh -c "$current"
has "RuntimeDefault is refused while the runtime's profile is not loaded" "apparmorProfile" "$err"
apparmor_parser -Kr <<'P'
profile cri-containerd.apparmor.d flags=(attach_disconnected,mediate_deleted) {
  network,
  capability,
  file,
  umount,
  signal,
  deny /proc/sysrq-trigger rwklx,
  deny mount,
}
P
run $file sh -c "$current"
has "RuntimeDefault is the runtime's profile" "cri-containerd.apparmor.d (enforce)" "$out"
pod ""
run $file sh -c "$current"
has "and a container that says nothing has it too" "cri-containerd.apparmor.d (enforce)" "$out"
pod '"privileged": true'
run $file sh -c "$current"
is "a privileged container has none" unconfined "$out"
pod '"seLinuxOptions": {"level": "s0:c1,c2"}'
run $file echo started
is "an SELinux label is not applied here, and the container starts as on a node" started "$(echo "$out" | tail -1)"
