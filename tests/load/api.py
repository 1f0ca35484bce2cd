"""A stand-in for an API server: large lists page by page, and then watches in which as much happens as is asked for."""
import http.server, json, tempfile, threading, time

RANGES = {"openshift.io/sa.scc.uid-range": "1000660000/10000", "openshift.io/sa.scc.mcs": "s0:c26,c15",
          "openshift.io/sa.scc.supplemental-groups": "1000660000/10000"}
SCC = {"allowPrivilegeEscalation": True, "fsGroup": {"type": "MustRunAs"}, "runAsUser": {"type": "MustRunAsRange"},
       "seLinuxContext": {"type": "MustRunAs"}, "supplementalGroups": {"type": "RunAsAny"}, "groups": ["system:authenticated"],
       "seccompProfiles": ["*"], "allowedCapabilities": None, "defaultAddCapabilities": None, "requiredDropCapabilities": ["KILL"],
       "volumes": ["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"]}


class Stand:
    """So many namespaces and pods. A tenth of the pods, at most 100,000, are in one namespace (all of them if there are
    no more than that); every hundred pods have one owner. With more templates than owners, pods of one owner have different
    ones."""

    def __init__(self, namespaces, pods, templates=100, constraints=False, churn=0):
        self.namespaces, self.pods, self.churn = namespaces, pods, churn
        self.templates, self.alike = templates, max(1, min(100, pods // templates))
        self.constraints = constraints
        self.large = max(min(pods // 10, 100_000), min(pods, 100_000) if pods <= 100_000 else 0)
        stand = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                stand.answer(self)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def kubeconfig(self, file):
        """Writes how to reach it, as kubectl would be told."""
        server = {"server": f"http://127.0.0.1:{self.server.server_port}"}
        json.dump({"apiVersion": "v1", "kind": "Config", "current-context": "x", "users": [{"name": "x", "user": {}}],
                   "clusters": [{"name": "x", "cluster": server}],
                   "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}]}, file)
        file.flush()

    def namespace(self, i):
        labels = {"team": f"t{i % 7}", "pod-security.kubernetes.io/enforce": "baseline"}
        return {"metadata": {"name": f"n{i:05}", "uid": f"u{i}", "labels": labels,
                             **({"annotations": RANGES} if self.constraints else {}),
                             "managedFields": [{"manager": "kubectl", "operation": "Apply", "fieldsV1": {"f:metadata": {}}}]},
                "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}

    def pod(self, i, user=None):
        at = "n00000" if i < self.large else f"n{1 + i % (self.namespaces - 1):05}"
        token = f"kube-api-access-{i:x}"
        context = {"runAsNonRoot": True, **({"runAsUser": user} if user else {})}
        return {"metadata": {"name": f"web-{i // 100}-{i:x}", "namespace": at, "uid": f"p{i}", "labels": {"app": "web"},
                             **({"annotations": {"openshift.io/scc": "restricted"}} if self.constraints else {}),
                             "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"web-{i // 100}",
                                                  "uid": f"r{i // 100}", "controller": True}]},
                "spec": {"nodeName": f"node{i % 500}", "volumes": [{"name": token, "projected": {"sources": []}}],
                         "serviceAccountName": f"sa{i // 100 % 10}",
                         "containers": [{"name": f"c{i // self.alike % self.templates}", "image": f"registry.example/web:{i // 100}",
                                         "volumeMounts": [{"name": token, "mountPath": "/var/run/secrets/x"}],
                                         "securityContext": context}]}, "status": {"phase": "Running"}}

    def scc(self, i):
        return {"metadata": {"name": ["anyuid", "restricted", "zz-spare"][i]}, **SCC, **([
            {"runAsUser": {"type": "RunAsAny"}, "groups": [], "users": ["system:serviceaccount:n00000:sa3"], "priority": 10},
            {}, {"groups": []}][i])}

    def answer(self, to):
        path, _, query = to.path.partition("?")
        kinds = {"/api/v1/namespaces": ("NamespaceList", self.namespaces, self.namespace), "/api/v1/pods": ("PodList", self.pods, self.pod)}
        if self.constraints:
            kinds["/apis/security.openshift.io/v1/securitycontextconstraints"] = ("SecurityContextConstraintsList", 3, self.scc)
            for kind in ["Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"]:
                kinds[f"/apis/rbac.authorization.k8s.io/v1/{kind.lower()}s"] = (f"{kind}List", 0, None)
        if path not in kinds:
            return self.send(to, 404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404, "message": "no"})
        if "watch" in query:
            return self.watch(to, path)
        kind, total, make = kinds[path]
        first = next((int(part[9:]) for part in query.split("&") if part.startswith("continue=")), 0)
        last = min(first + 500, total)
        metadata = {"resourceVersion": "1", **({"continue": str(last)} if last < total else {})}
        self.send(to, 200, {"kind": kind, "apiVersion": "v1", "metadata": metadata, "items": [make(i) for i in range(first, last)]})

    def watch(self, to, path):
        to.send_response(200)
        to.send_header("Transfer-Encoding", "chunked")
        to.end_headers()
        if path != "/api/v1/pods" or not self.churn:
            return time.sleep(3600)
        # Pods are changed all over the cluster, every second one in the large namespace.
        tick = 0
        while True:
            tick += 1
            i = tick * 7919 % self.large if tick % 2 else tick * 7919 % self.pods
            pod = self.pod(i, 1000660000 + tick % 2000)
            pod["metadata"]["resourceVersion"] = str(tick + 1)
            line = json.dumps({"type": "MODIFIED", "object": {"kind": "Pod", "apiVersion": "v1", **pod}}).encode() + b"\n"
            try:
                to.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            except OSError:
                return
            time.sleep(1 / self.churn)

    @staticmethod
    def send(to, status, document):
        body = json.dumps(document).encode()
        to.send_response(status)
        to.send_header("Content-Type", "application/json")
        to.send_header("Content-Length", str(len(body)))
        to.end_headers()
        to.wfile.write(body)
