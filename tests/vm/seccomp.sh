# Seccomp filters in both of the system call interfaces that the machine has: its own, and that of 32-bit programs.
. /tests/lib.sh
mkdir -p /tmp/profiles
both=busybox
if [ -e /bin/busybox32 ]; then
  is "the machine runs 32-bit programs" yes "$(busybox32 echo yes)"
  cp /bin/busybox32 /image/bin/
  both="busybox busybox32"
fi
# each WORD…: the words, once for each interface.
each() { for b in $both; do echo "$@"; done; }

# What needs no capability, so that only a filter refuses it.
unshare="for b in $both; do \$b unshare -U true 2>/dev/null && echo made || echo refused; done; grep -m1 Seccomp: /proc/self/status"
pod '"seccompProfile": {"type": "Unconfined"}'
run $file sh -c "$unshare"
is "without a filter a user namespace is made" "$(echo $(each made) Seccomp: 0)" "$(echo $out)"
pod '"seccompProfile": {"type": "RuntimeDefault"}'
run $file sh -c "$unshare"
is "RuntimeDefault refuses it" "$(echo $(each refused) Seccomp: 2)" "$(echo $out)"
pod '"seccompProfile": {"type": "RuntimeDefault"}, "capabilities": {"add": ["SYS_ADMIN"]}'
run $file sh -c "$unshare"
is "and does not with the capability that it asks for" "$(echo $(each made) Seccomp: 2)" "$(echo $out)"

# localhost ARCHITECTURES: no directories are made, and all else may be done.
localhost() {
  echo '{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ['"$1"'],
    "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13}]}' >/tmp/profiles/no-mkdir.json
}
case $(uname -m) in
  aarch64) own=SCMP_ARCH_AARCH64 compat=SCMP_ARCH_ARM ;;
  *) own=SCMP_ARCH_X86_64 compat=SCMP_ARCH_X86 ;;
esac
pod '"seccompProfile": {"type": "Localhost", "localhostProfile": "no-mkdir.json"}'
mkdirs="for b in $both; do \$b mkdir /tmp/d 2>&1; echo \$?; done"
localhost "\"$own\", \"$compat\""
out=$(ringfence run --rootfs /image --seccomp-root /tmp/profiles $file -- sh -c "$mkdirs" 2>/tmp/err)
is "a profile for both refuses both, with the error that it names" \
  "$(echo $(each "mkdir: can't create directory '/tmp/d': Permission denied 1"))" "$(echo $out)"
if [ -e /bin/busybox32 ]; then
  localhost "\"$own\""
  out=$(ringfence run --rootfs /image --seccomp-root /tmp/profiles $file -- sh -c "$mkdirs" 2>/tmp/err)
  is "a profile for one kills the programs of the other" 159 "$(echo "$out" | tail -n 1)"
fi
