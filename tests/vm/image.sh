# The container image in this machine's runtime, with the context that the chart asks for.
. /tests/lib.sh
pod '"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "runAsNonRoot": true, "capabilities": {"drop": ["ALL"]},
     "seccompProfile": {"type": "RuntimeDefault"}'
inside() { out=$(ringfence run --image /image.tar "$file" -- /ringfence "$@" 2>/tmp/err </dev/null); status=$?; err=$(cat /tmp/err); }
inside --version
is "the image's program starts in a restricted container" "0 ringfence" "$status ${out%% *}"
ringfence prove --image /image.tar -o jsonl "$file" >/tmp/proof 2>/tmp/err
is "and its context is as computed" "0 1" "$? $(grep -c '"agreement":true' /tmp/proof)"
is "with the user that the image names" 1 "$(grep -c 65532 /tmp/proof)"
