# AppArmor: which profile a container runs under, what is loaded for it, and what is refused.
. /tests/lib.sh
is "the kernel has AppArmor" Y "$(cat /sys/module/apparmor/parameters/enabled)"
current="cat /proc/self/attr/current"
loaded() { grep -c "^$1 (enforce)" /sys/kernel/security/apparmor/profiles; }

pod '"appArmorProfile": {"type": "Localhost", "localhostProfile": "no-shell-data"}'
run $file sh -c "$current"
has "a Localhost profile that is not loaded is refused" "apparmor profile not found no-shell-data" "$err"
is "and nothing is started" 125 $status

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

annotated() { pod "" "" "\"annotations\": {\"container.apparmor.security.beta.kubernetes.io/c\": \"$1\"}"; }
annotated localhost/no-shell-data
run $file sh -c "$current"
has "the legacy annotation names the profile too" "no-shell-data (enforce)" "$out"
annotated unconfined
run $file sh -c "$current"
is "and unconfined, too" unconfined "$out"
annotated localhost/no-such-profile
run $file sh -c "$current"
has "and a profile that is not loaded is refused there, too" "apparmor profile not found no-such-profile" "$err"

pod '"appArmorProfile": {"type": "Unconfined"}'
run $file sh -c "$current; mount -t tmpfs none /data && echo mounted"
is "Unconfined is no profile" unconfined "$(echo "$out" | head -1)"
pod '"privileged": true'
run $file sh -c "$current"
is "a privileged container has none" unconfined "$out"
is "for none of them the runtime's profile was needed" 0 "$(loaded cri-containerd.apparmor.d)"

# Whoever cannot load it starts nothing without it.
mv /sbin/apparmor_parser /sbin/hidden
for context in '"appArmorProfile": {"type": "RuntimeDefault"}' ''; do
  pod "$context"
  run $file echo started
  has "without a parser RuntimeDefault is refused, asked for or not ($context)" "apparmor_parser" "$err"
  is "and nothing runs ($context)" "125 " "$status $out"
done
cat >/sbin/apparmor_parser <<'P'
#!/bin/sh
echo "no space left" >&2
exit 1
P
chmod 755 /sbin/apparmor_parser
run $file echo started
has "what the parser says is told" "apparmor_parser does not load it: no space left" "$err"
is "and nothing runs after its failure" "125 " "$status $out"
cat >/sbin/apparmor_parser <<'P'
#!/bin/sh
cat >/dev/null
P
run $file echo started
has "a parser that loads nothing is found out" "the kernel does not have the profile" "$err"
mv /sbin/hidden /sbin/apparmor_parser

confined='"appArmorProfile": {"type": "RuntimeDefault"}'
pod "$confined"
run $file sh -c "$current"
has "RuntimeDefault is the runtime's profile" "cri-containerd.apparmor.d (enforce)" "$out"
has "which is loaded for it, and that is said" 'profile "cri-containerd.apparmor.d" was not loaded, and is now' "$err"
is "and stays" 1 "$(loaded cri-containerd.apparmor.d)"
run $file sh -c "$current"
is "a second run finds it, and has nothing to say" "" "$(echo "$err" | grep AppArmor)"
pod ""
run $file sh -c "$current"
has "a container that says nothing has it too" "cri-containerd.apparmor.d (enforce)" "$out"

# The same command, with and without the profile: it is the profile that denies.
try() { # CONFINEMENT COMMAND
  cat >/tmp/try.json <<J
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
 "spec": {"restartPolicy": "Never", "hostPID": true,
          "containers": [{"name": "c", "image": "busybox",
                          "securityContext": {"capabilities": {"add": ["SYS_ADMIN", "SYS_PTRACE"]}, "procMount": "Unmasked",
                                              "seccompProfile": {"type": "Unconfined"}, "appArmorProfile": {"type": "$1"}}}]}}
J
  run /tmp/try.json sh -c "$2"
}
sleep 1000 &
sleeper=$!
denies() { # WHAT COMMAND
  try Unconfined "$2"
  is "$1: possible without the profile" done "$(echo "$out" | tail -1)"
  try RuntimeDefault "$2"
  is "$1: denied by the profile" denied "$(echo "$out" | tail -1)"
}
denies "writing to a setting of the kernel" \
  '(cat /proc/sys/kernel/panic >/proc/sys/kernel/panic) 2>/dev/null && echo done || echo denied'
denies "mounting" 'mount -t tmpfs none /data 2>/dev/null && echo done || echo denied'
denies "reading the memory map of a process outside" "cat /proc/$sleeper/maps >/dev/null 2>&1 && echo done || echo denied"
denies "a signal to a process outside" "kill -CONT $sleeper 2>/dev/null && echo done || echo denied"
kill $sleeper
try RuntimeDefault 'sleep 100 & kill $! && wait; (cat /proc/sys/kernel/shmmni >/proc/sys/kernel/shmmni) && echo shm; ls /proc/sys >/dev/null && echo read; touch /tmp/x && echo file'
is "what it allows works: its own processes, shm settings, reading, files" "shm read file" "$(echo $out)"

# A profile of the same name is the administrator's.
apparmor_parser -R <<'P'
profile cri-containerd.apparmor.d {
}
P
apparmor_parser -Ka <<'P'
profile cri-containerd.apparmor.d flags=(attach_disconnected,mediate_deleted,complain) {
  file,
  capability,
}
P
pod "$confined"
run $file sh -c "$current"
has "a profile that is loaded is not replaced" "cri-containerd.apparmor.d (complain)" "$out"
has "and one that enforces nothing is said to" 'is loaded in complain mode, in which it denies nothing' "$err"

# docker's own.
out=$(ringfence run --rootfs /image busybox sh -c "$current; mount -t tmpfs none /data" 2>/tmp/err)
has "docker's profile is loaded for docker's flags" "docker-default (enforce)" "$out"
has "and it is said" 'profile "docker-default" was not loaded, and is now' "$(cat /tmp/err)"
out=$(ringfence run --rootfs /image --privileged busybox sh -c "$current" 2>/tmp/err)
is "--privileged is none" unconfined "$out"
out=$(ringfence run --rootfs /image --security-opt apparmor=no-shell-data busybox sh -c "$current" 2>/tmp/err)
has "--security-opt apparmor names one" "no-shell-data (enforce)" "$out"

# exec gets what the container has.
cat >/tmp/stay.json <<'J'
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "stay"},
 "spec": {"terminationGracePeriodSeconds": 0,
          "containers": [{"name": "c", "image": "busybox", "command": ["sleep", "1000"],
                          "securityContext": {"appArmorProfile": {"type": "Localhost", "localhostProfile": "no-shell-data"}}}]}}
J
ringfence run -d --rootfs /image /tmp/stay.json >/dev/null 2>/tmp/err
has "exec runs under the container's profile" "no-shell-data (enforce)" "$(ringfence exec stay -- sh -c "$current" 2>&1)"
ringfence rm -f stay >/dev/null 2>&1

# A list of profiles that cannot be seen: the kernel decides.
umount /sys/kernel/security
pod '"appArmorProfile": {"type": "Localhost", "localhostProfile": "no-such-profile"}'
run $file echo started
has "what cannot be seen is refused by the kernel, and why it could not be seen is said" "which may not be loaded" "$err"
pod '"appArmorProfile": {"type": "Localhost", "localhostProfile": "no-shell-data"}'
run $file sh -c "$current"
has "and granted by it" "no-shell-data (enforce)" "$out"

pod '"seLinuxOptions": {"level": "s0:c1,c2"}, "appArmorProfile": {"type": "Unconfined"}'
run $file echo started
is "an SELinux label is not applied here, and the container starts as on a node" started "$(echo "$out" | tail -1)"
