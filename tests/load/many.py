#!/usr/bin/env python3
"""`ringfence serve` in a large cluster: time to know it, memory, and what a relabel of a large namespace takes.

    tests/load/many.py BINARY [NAMESPACES] [PODS] [TEMPLATES]

The cluster is the stand-in of api.py: a tenth of the pods, at most 100,000, are in one namespace, every hundred pods have
one owner, and there are a hundred different templates if nothing else is said.
"""
import json, subprocess, sys, tempfile, threading, time, urllib.request
from api import Stand

BINARY = sys.argv[1]
NAMESPACES, PODS, TEMPLATES = map(int, (sys.argv[2:] + ["10000", "100000", "100"][len(sys.argv) - 2:])[:3])
stand = Stand(NAMESPACES, PODS, TEMPLATES)
with tempfile.NamedTemporaryFile("w", suffix=".yaml") as config:
    stand.kubeconfig(config)
    began = time.time()
    p = subprocess.Popen([BINARY, "serve", "--listen", "127.0.0.1:0", "--insecure-http", "--kubeconfig", config.name,
                          "--max-existing-pods", "all", "--drain-delay", "0"], stderr=subprocess.PIPE, text=True)
    lines = map(json.loads, p.stderr)
    url = "http://" + next(line["address"] for line in lines if line["message"] == "listening")
    threading.Thread(target=lambda: [None for _ in p.stderr], daemon=True).start()
    while True:
        try:
            urllib.request.urlopen(url + "/readyz").read()
            break
        except OSError:
            time.sleep(0.1)
    known = time.time() - began
    resident = int(open(f"/proc/{p.pid}/statm").read().split()[1]) * 4 // 1024
    gvk, gvr = {"group": "", "version": "v1", "kind": "Namespace"}, {"group": "", "version": "v1", "resource": "namespaces"}
    label = lambda level: {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n00000", "labels": {"pod-security.kubernetes.io/enforce": level}}}
    body = json.dumps({"request": {"uid": "u", "kind": gvk, "resource": gvr, "name": "n00000", "namespace": "n00000", "operation": "UPDATE",
                                   "userInfo": {"username": "u"}, "object": label("restricted"), "oldObject": label("baseline")}}).encode()
    took = []
    for _ in range(9):
        began = time.time()
        request = urllib.request.Request(url + "/validate", body, {"Content-Type": "application/json"})
        warnings = json.load(urllib.request.urlopen(request))["response"]["warnings"]
        took.append((time.time() - began) * 1000)
    p.terminate()
    p.wait(30)
    print(json.dumps({"namespaces": NAMESPACES, "pods": PODS, "readyAfterSeconds": round(known, 1), "residentMb": resident, "podsOfTheNamespace": stand.large, "templates": TEMPLATES,
                      "relabelMs": {"median": round(sorted(took)[4], 1), "worst": round(max(took), 1)}, "warnings": warnings}, indent=2))
