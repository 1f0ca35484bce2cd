# The pods of the Kubernetes walk-through, computed and read back from the kernel: as root, as a user with subordinate
# IDs, and as a user without.
. /tests/lib.sh

proved() { # NAME
  is "$1: every container runs as computed" "0 4 0" "$? $(grep -c '"agreement":true' /tmp/proof) $(grep -c '"agreement":false' /tmp/proof)"
}
ringfence prove --rootfs /image -o jsonl /walkthrough >/tmp/proof 2>/tmp/err
proved "as root"

printf 'user:x:1000:1000::/:/bin/sh\nother:x:1001:1001::/:/bin/sh\n' >>/etc/passwd
printf 'user:x:1000:\nother:x:1001:\n' >/etc/group
echo user:100000:65536 | tee /etc/subuid >/etc/subgid
mkdir -p /tmp/user /tmp/other
chown 1000:1000 /tmp/user
chown 1001:1001 /tmp/other
as() { # USER COMMAND…
  user=$1
  shift
  su "$user" -c "export PATH=$PATH:/usr/bin XDG_RUNTIME_DIR=/tmp/$user HOME=/tmp/$user; $*" 2>/tmp/err
}
as user ringfence prove --rootfs /image -o jsonl /walkthrough >/tmp/proof
proved "as a user with subordinate IDs"
as user ringfence run --rootfs /image /walkthrough/1-pod-level.yaml -- id >/tmp/out
is "which are those of the container" "uid=1000 gid=3000 groups=2000,3000" "$(cat /tmp/out)"
as other ringfence prove --rootfs /image -o jsonl /walkthrough >/tmp/proof
proved "as a user without"
