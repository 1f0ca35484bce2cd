# SYS_RESOURCE at work: a process raises its own limit of open files with the capability, and is refused without it.
. /tests/lib.sh
ulimit -n 65535

# shown NAME WANTED: whether `prove` shows the capability of the pod in $file at work, and in $said how.
shown() {
  ringfence prove --rootfs /image -o jsonl $file >/tmp/proof 2>/tmp/err
  status=$?
  is "$1" "$2 0" "$(grep -o '"shown":[a-z]*' /tmp/proof | cut -d: -f2) $status"
  said=$(grep -o '"statement":"[^"]*"' /tmp/proof)
  has "$1: it runs as computed" '"agreement":true' "$(cat /tmp/proof /tmp/err)"
}
add='"capabilities": {"add": ["SYS_RESOURCE"]}'

pod "$add"
shown "root with SYS_RESOURCE raises its limit" true
has "and from which to which is said" "the process raised its RLIMIT_NOFILE from 65535 to " "$said"
has "and that it is refused without" "without the capability that is refused (Operation not permitted" "$said"

# Redis Enterprise's node container in privileged mode.
pod "$add, \"runAsUser\": 1001, \"runAsGroup\": 1001, \"allowPrivilegeEscalation\": true"
shown "a user with SYS_RESOURCE raises it through a file capability" true
has "and not without such a file" "the process itself does not have it and is refused" "$said"

pod "$add, \"runAsUser\": 1001, \"allowPrivilegeEscalation\": false"
shown "no_new_privs keeps a user from it" false
has "and is named as the reason" "no_new_privs" "$said"

pod '"capabilities": {"add": ["NET_ADMIN"]}'
ringfence prove --rootfs /image -o jsonl $file >/tmp/proof
is "a container that does not ask for it is asked nothing" 0 "$(grep -c demonstrations /tmp/proof)"

pod "$add"
has "people are told in a line" "SYS_RESOURCE at work: the process raised" "$(ringfence prove --rootfs /image $file)"
ulimit -n "$(cat /proc/sys/fs/nr_open)"
shown "a limit that is the highest already is lowered first" true
