#!/usr/bin/env python3
"""`ringfence serve` in a large cluster: time to know it, memory, and what a relabel of a large namespace takes.

    tests/load/many.py BINARY [NAMESPACES] [PODS] [TEMPLATES]

A stand-in for an API server gives lists page by page and then silent watches. A tenth of the pods, at most 100,000, are
in one namespace; every hundred pods have one owner, and there are a hundred different templates if nothing else is said.
With more templates than owners, pods of one owner have different ones.
"""
import http.server, json, subprocess, sys, tempfile, threading, time, urllib.request

BINARY = sys.argv[1]
NAMESPACES = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
PODS = int(sys.argv[3]) if len(sys.argv) > 3 else 100_000
TEMPLATES = int(sys.argv[4]) if len(sys.argv) > 4 else 100
EACH = max(1, min(100, PODS // TEMPLATES))
LARGE = max(min(PODS // 10, 100_000), min(PODS, 100_000) if PODS <= 100_000 else 0)


def namespace(i):
    return {"metadata": {"name": f"n{i:05}", "uid": f"u{i}", "labels": {"team": f"t{i % 7}", "pod-security.kubernetes.io/enforce": "baseline"},
                         "managedFields": [{"manager": "kubectl", "operation": "Apply", "fieldsV1": {"f:metadata": {}}}]},
            "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}


def pod(i):
    at = "n00000" if i < LARGE else f"n{1 + i % (NAMESPACES - 1):05}"
    token = f"kube-api-access-{i:x}"
    return {"metadata": {"name": f"web-{i // 100}-{i:x}", "namespace": at, "uid": f"p{i}", "labels": {"app": "web"},
                         "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"web-{i // 100}", "uid": f"r{i // 100}", "controller": True}]},
            "spec": {"nodeName": f"node{i % 500}", "volumes": [{"name": token, "projected": {"sources": []}}],
                     "containers": [{"name": f"c{i // EACH % TEMPLATES}", "image": f"registry.example/web:{i // 100}",
                                     "volumeMounts": [{"name": token, "mountPath": "/var/run/secrets/x"}],
                                     "securityContext": {"runAsNonRoot": True}}]}, "status": {"phase": "Running"}}


class Api(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        path, _, query = self.path.partition("?")
        kinds = {"/api/v1/namespaces": ("NamespaceList", NAMESPACES, namespace), "/api/v1/pods": ("PodList", PODS, pod)}
        if path not in kinds:
            return self.answer(404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404, "message": "no"})
        if "watch" in query:
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            return time.sleep(3600)
        kind, total, make = kinds[path]
        first = next((int(part[9:]) for part in query.split("&") if part.startswith("continue=")), 0)
        last = min(first + 500, total)
        metadata = {"resourceVersion": "1", **({"continue": str(last)} if last < total else {})}
        self.answer(200, {"kind": kind, "apiVersion": "v1", "metadata": metadata, "items": [make(i) for i in range(first, last)]})

    def answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
with tempfile.NamedTemporaryFile("w", suffix=".yaml") as config:
    json.dump({"apiVersion": "v1", "kind": "Config", "current-context": "x", "users": [{"name": "x", "user": {}}],
               "clusters": [{"name": "x", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
               "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}]}, config)
    config.flush()
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
    print(json.dumps({"namespaces": NAMESPACES, "pods": PODS, "readyAfterSeconds": round(known, 1), "residentMb": resident, "podsOfTheNamespace": LARGE, "templates": TEMPLATES,
                      "relabelMs": {"median": round(sorted(took)[4], 1), "worst": round(max(took), 1)}, "warnings": warnings}, indent=2))
