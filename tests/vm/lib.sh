# What the tests share.

# A root file system for the containers.
mkdir -p /image/bin /image/etc /image/tmp /image/proc /image/sys /image/dev /image/data
cp /bin/busybox /image/bin/
for name in cat echo grep head ls sh touch mkdir mount id sleep kill; do ln -s busybox /image/bin/$name; done
echo 'root:x:0:0::/:/bin/sh' >/image/etc/passwd

# run POD COMMAND…: the container's output, what was said on standard error, and the status.
run() {
  pod=$1
  shift
  out=$(ringfence run --rootfs /image "$pod" -- "$@" 2>/tmp/err </dev/null)
  status=$?
  err=$(cat /tmp/err)
}

# is NAME WANTED FOUND
is() {
  if [ "$2" = "$3" ]; then echo "TEST ok $1"; else echo "TEST not ok $1: wanted '$2', found '$3'"; fi
}

# has NAME PART TEXT
has() {
  case $3 in
    *"$2"*) echo "TEST ok $1" ;;
    *) echo "TEST not ok $1: no '$2' in '$(echo "$3" | tr '\n' ' ')'" ;;
  esac
}

# pod SECURITY_CONTEXT [POD_FIELDS]: the file of a pod of one container.
pod() {
  n=$((n + 1))
  cat >/tmp/pod$n.json <<EOF
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"${3:+, $3}},
 "spec": {${2:+$2,} "restartPolicy": "Never",
          "containers": [{"name": "c", "image": "busybox", "securityContext": {$1}}]}}
EOF
  file=/tmp/pod$n.json
}
