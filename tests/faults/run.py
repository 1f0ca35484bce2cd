#!/usr/bin/env python3
"""What can go wrong around `ringfence serve`, all at once: is any answer wrong, is any request lost, does memory grow?

    tests/faults/run.py BINARY [SECONDS]

Two replicas watch a stand-in for an API server and share a certificate that is exchanged every second, now and then for
one that is of no use or only half written. The log of the first is a disk that is full, that of the second a pipe that
nobody reads. Honest clients ask, now and then over connections of their own, and check every answer; slow clients hold
connections without asking anything; rude ones send garbage to every path, over HTTP/1.1, HTTP/2 and neither, and floods of
HTTP/2: streams reset at once, headers without an end, settings and pings. The second replica is killed and started again, and stopped for a while as a machine that is suspended is, after which its clocks
have jumped. The API server is away for a minute (a third of the time, if that is less); what was known counts until it is
back, and what changed meanwhile counts then.

Exit status 0 only when no answer was wrong, every request was answered at the first attempt, or after its connection
died with the replica at a later one, a change after the outage was seen, and memory did not grow. Needs openssl and
Python 3.9.
"""
import collections, http.client, http.server, json, os, random, signal, socket, ssl, struct, subprocess, sys, tempfile, threading, time

BINARY, SECONDS = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 60
PAUSE = 0.01
PATHS = ["/", "/validate", "/mutate-scc", "/validate-scc", "/metrics", "/readyz", "/livez", "/nowhere", "/%00", "*"]
# POST /validate, in HPACK.
HEADER, FLOOD = b"\x83\x87\x04\x09/validate\x01\x01x", 200 << 20
METRICS = b"\x82\x87\x04\x08/metrics\x01\x01x"
end = time.time() + SECONDS
counts, lock = collections.Counter(), threading.Lock()


def count(what, n=1):
    with lock:
        counts[what] += n


def issue(directory, name):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-keyout", f"{directory}/tls.key", "-out", f"{directory}/tls.crt"], check=True, stderr=subprocess.DEVNULL)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Cluster:
    """The lists and watches of an API server with few namespaces and no pods, which can go away and come back."""

    def __init__(self):
        self.port, self.version, self.server = free_port(), 1, None
        self.levels = {"shop": "baseline", "later": "privileged"}
        self.changed = threading.Condition()
        self.come()

    def namespace(self, name):
        metadata = {"name": name, "resourceVersion": str(self.version),
                    "labels": {"pod-security.kubernetes.io/enforce": self.levels[name]}}
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}

    def relabel(self, name, level):
        with self.changed:
            self.version += 1
            self.levels[name] = level
            self.changed.notify_all()

    def come(self):
        cluster = self

        class Api(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def setup(self):
                super().setup()
                cluster.open.add(self.connection)

            def answer(self, status, document):
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                path, _, query = self.path.partition("?")
                kind = {"/api/v1/namespaces": "NamespaceList", "/api/v1/pods": "PodList"}.get(path)
                if kind is None:
                    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404, "message": "no"}
                    return self.answer(404, status)
                seen = cluster.version
                if "watch=" not in query:
                    items = [cluster.namespace(name) for name in cluster.levels] if kind == "NamespaceList" else []
                    return self.answer(200, {"kind": kind, "apiVersion": "v1", "metadata": {"resourceVersion": str(seen)}, "items": items})
                fields = dict(part.split("=", 1) for part in query.split("&") if "=" in part)
                seen = int(fields.get("resourceVersion") or seen)
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                while True:
                    with cluster.changed:
                        cluster.changed.wait_for(lambda: cluster.version > seen, 5)
                        new, seen = cluster.version > seen, cluster.version
                    for name in cluster.levels if new and kind == "NamespaceList" else []:
                        line = json.dumps({"type": "MODIFIED", "object": cluster.namespace(name)}).encode() + b"\n"
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.open = set()
        self.server = Server(("127.0.0.1", self.port), Api)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def go(self):
        self.server.shutdown()
        self.server.server_close()
        for connection in list(self.open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Replica:
    def __init__(self, directory, log):
        self.directory, self.port, self.log = directory, free_port(), log
        self.start()

    def spawn(self):
        self.process = subprocess.Popen(
            [BINARY, "serve", "--listen", f"127.0.0.1:{self.port}", "--tls-cert", f"{self.directory}/live/tls.crt",
             "--tls-key", f"{self.directory}/live/tls.key", "--kubeconfig", f"{self.directory}/kubeconfig",
             "--drain-delay", "0", "--max-connections", "600", "--log-level", "debug"], stderr=self.log())

    def start(self):
        self.spawn()
        for _ in range(1200):
            # It does not begin with a certificate that is of no use; whoever runs it tries again.
            if self.process.poll() is not None:
                count("starts refused for a useless certificate")
                self.spawn()
            try:
                connection = client(self.port)
                connection.request("GET", "/readyz")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        sys.exit("a replica does not get ready")

    def ask(self, namespace, uid, privileged):
        connection = client(self.port)
        connection.request("POST", "/validate", review(namespace, uid, privileged), {"Content-Type": "application/json"})
        return json.loads(connection.getresponse().read())["response"]

    def resident(self):
        with open(f"/proc/{self.process.pid}/statm") as f:
            return int(f.read().split()[1]) * 4


def context():
    c = ssl.create_default_context()
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    return c


def client(port):
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=context())


def review(namespace, uid, privileged):
    spec = {"containers": [{"name": "a", "image": "x", "securityContext": {"privileged": privileged}}]}
    return json.dumps({"request": {
        "uid": uid, "operation": "CREATE", "namespace": namespace, "name": "p", "userInfo": {"username": "u"},
        "kind": {"group": "", "version": "v1", "kind": "Pod"}, "resource": {"group": "", "version": "v1", "resource": "pods"},
        "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}}})


def honest(replicas):
    """Asks, and checks each answer. When a connection dies, asks the next replica once more."""
    turn, connection, asked = random.randrange(2), None, 0
    while time.time() < end:
        uid, privileged = str(random.random()), random.random() < 0.5
        body = review("shop", uid, privileged)
        for attempt in range(8):
            if attempt > 2:
                time.sleep(0.5)
            try:
                if connection is None:
                    connection = client(replicas[turn % 2].port)
                connection.request("POST", "/validate", body, {"Content-Type": "application/json"})
                response = connection.getresponse()
                answer = json.loads(response.read())["response"]
                good = response.status == 200 and answer["uid"] == uid and answer["allowed"] is not privileged
                count("answers right" if good else "answers wrong")
                if attempt:
                    count("answered at another attempt")
                break
            except (OSError, http.client.HTTPException):
                connection, turn = None, turn + 1
                count("connections that died")
        else:
            count("requests lost")
        asked += 1
        time.sleep(PAUSE)
        if connection is not None and asked % 50 == 0:
            connection.close()
            connection = None


def slow(replicas):
    """Connections that say nothing, or a byte a second."""
    held = []
    while time.time() < end:
        if len(held) < 120:
            try:
                raw = socket.create_connection(("127.0.0.1", random.choice(replicas).port), timeout=5)
                if random.random() < 0.5:
                    raw = context().wrap_socket(raw)
                held.append(raw)
                count("slow connections")
            except OSError:
                pass
        for s in list(held):
            try:
                s.send(random.choice([b"P", b"POST /validate HTTP/1.1\r\n", b"x: y\r\n", b"\x16"]))
            except OSError:
                held.remove(s)
                count("slow connections hung up on")
        time.sleep(0.3)


def rude(replicas):
    """Garbage, to every path and to none."""
    while time.time() < end:
        port = random.choice(replicas).port
        try:
            kind = random.random()
            if kind < 0.15:
                secure = context()
                secure.set_alpn_protocols(["h2"])
                raw = socket.create_connection(("127.0.0.1", port), timeout=5)
                with secure.wrap_socket(raw) as s:
                    s.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0" + os.urandom(random.randrange(1, 3000)))
                    while s.recv(4096):
                        pass
                count("garbage of HTTP/2 hung up on")
            elif kind < 0.4:
                raw = socket.create_connection(("127.0.0.1", port), timeout=5)
                with context().wrap_socket(raw) if random.random() < 0.5 else raw as s:
                    s.send(os.urandom(random.randrange(1, 5000)))
            else:
                connection = client(port)
                body = random.choice([b"", b"{", b"null", os.urandom(1000), b"[" * 100000, b'{"request":{}}', b" " * (4 << 20)])
                method = random.choice(["POST", "GET", "PUT", "OPTIONS", "X"])
                connection.request(method, random.choice(PATHS), body, {"Content-Type": "application/json"})
                status = connection.getresponse().status
                count(f"garbage answered with {status}")
                if status >= 500 and status != 503:
                    count("answers wrong")
                connection.close()
        except (OSError, http.client.HTTPException):
            count("garbage hung up on")
        time.sleep(PAUSE)


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def resets():
    """Streams that are opened and reset at once (CVE-2023-44487)."""
    for stream in range(1, 2000000, 2):
        yield frame(1, 4, stream, HEADER) + frame(3, 0, stream, struct.pack(">I", 8))


def continuations():
    """A header without an end (CVE-2024-27316)."""
    yield frame(1, 0, 1, HEADER)
    while True:
        yield random.choice([frame(9, 0, 1, b"a" * 16000), frame(9, 0, 1) * 1000])


def settings():
    while True:
        yield frame(4, 0, 0, struct.pack(">HI", 3, 100)) * 500


def pings():
    while True:
        yield frame(6, 0, 0, b"12345678") * 500


def stalls():
    """Answers for which there is no room, or room for one byte of each (CVE-2019-9517), on a connection that goes on."""
    yield frame(4, 0, 0, struct.pack(">HI", 4, random.randint(0, 1)))
    for stream in range(1, 201, 2):
        yield frame(1, 5, stream, METRICS)
    for stream in range(201, 281, 2):
        time.sleep(1)
        yield frame(1, 5, stream, METRICS) + frame(3, 0, stream, struct.pack(">I", 8))
    # That is four times as long as anybody is waited for.
    raise TimeoutError


def flood(replicas):
    """HTTP/2 as nobody means it, whose answers nobody reads. The server hangs up; in any case before this much is sent."""
    while time.time() < end:
        kind = random.choice([resets, continuations, settings, pings, stalls])
        try:
            secure = context()
            secure.set_alpn_protocols(["h2"])
            raw = socket.create_connection(("127.0.0.1", random.choice(replicas).port), timeout=20)
            with secure.wrap_socket(raw) as s:
                sent = s.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0))
                for some in kind():
                    s.sendall(some)
                    sent += len(some)
                    if sent > FLOOD:
                        count("floods that nobody stopped")
                        break
        except TimeoutError:
            count("floods that nobody stopped")
        except OSError:
            count(f"floods of {kind.__name__} hung up on")
        time.sleep(0.5)


def rotate(directory):
    """A new pair every second; one in five is of no use at first."""
    while time.time() < end:
        new = f"{directory}/pair-{random.random()}"
        os.mkdir(new)
        issue(new, "replica")
        if random.random() < 0.2:
            with open(f"{directory}/live/tls.crt", "w") as f:
                f.write("-----BEGIN CERTIFICATE-----\nhalf")
            count("useless certificates")
            time.sleep(0.6)
        os.symlink(new, f"{directory}/next")
        os.replace(f"{directory}/next", f"{directory}/live")
        count("certificates exchanged")
        time.sleep(1)


def kill(replicas):
    while time.time() < end - 20:
        time.sleep(7)
        with away:
            replicas[1].process.send_signal(signal.SIGKILL)
            replicas[1].process.wait()
            count("replicas killed")
            time.sleep(1)
            replicas[1].start()
        time.sleep(3)
        replicas[1].process.send_signal(signal.SIGSTOP)
        time.sleep(6)
        replicas[1].process.send_signal(signal.SIGCONT)
        count("replicas stopped for six seconds")


def outage(cluster, replicas):
    """Nobody can get ready while the API server is away, so that no replica is killed meanwhile."""
    time.sleep(SECONDS / 4)
    with away:
        cluster.go()
        cluster.relabel("later", "baseline")
        until, checked = time.time() + min(60, SECONDS / 3), 0
        while time.time() < until:
            known = replicas[0].ask("later", "1", True)
            unknown = replicas[0].ask("made-meanwhile", "2", False)
            # What is not known is refused, and said to be so.
            good = known["allowed"] and not unknown["allowed"] and unknown["status"]["code"] == 500
            count("answers right" if good else "answers wrong", 2)
            checked += 2
            time.sleep(0.5)
        count("answers during the outage that were checked for it", checked)
        cluster.come()
    # Pauses grow to 15 s.
    until = time.time() + 60
    while replicas[0].ask("later", "3", True)["allowed"]:
        if time.time() > until:
            return count("changes not seen after the outage")
        time.sleep(0.1)
    count("changes seen after the outage")


with tempfile.TemporaryDirectory() as directory:
    os.mkdir(f"{directory}/first")
    issue(f"{directory}/first", "replica")
    os.symlink(f"{directory}/first", f"{directory}/live")
    cluster, away = Cluster(), threading.Lock()
    with open(f"{directory}/kubeconfig", "w") as f:
        json.dump({"apiVersion": "v1", "kind": "Config", "current-context": "x", "users": [{"name": "x", "user": {}}],
                   "clusters": [{"name": "x", "cluster": {"server": f"http://127.0.0.1:{cluster.port}"}}],
                   "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}]}, f)
    replicas = [Replica(directory, lambda: open("/dev/full", "wb")), Replica(directory, lambda: os.pipe()[1])]
    end = time.time() + SECONDS
    jobs = [(honest, replicas)] * 6 + [(slow, replicas), (rude, replicas), (rude, replicas), (flood, replicas), (rotate, directory), (kill, replicas)]
    threads = [threading.Thread(target=job, args=(on,), daemon=True) for job, on in jobs]
    threads.append(threading.Thread(target=outage, args=(cluster, replicas), daemon=True))
    for thread in threads:
        thread.start()
    memory = []
    while time.time() < end:
        memory.append(replicas[0].resident())
        if len(memory) % 120 == 0:
            with lock:
                print(f"{round(end - time.time())} s to go, {memory[-1]} kB resident, {json.dumps(counts)}", file=sys.stderr)
        time.sleep(0.5)
    for thread in threads:
        thread.join(max(0, end + 90 - time.time()))
    third = len(memory) // 3
    memory_kb = {"after a third": max(memory[:third] or [0]), "at the end": max(memory[-third:] or [0])}
    alive = replicas[0].process.poll() is None
    for replica in replicas:
        replica.process.terminate()
    ended = [replica.process.wait(40) for replica in replicas]
print(json.dumps({"seconds": SECONDS, "counts": dict(sorted(counts.items())), "residentKb": memory_kb, "exit": ended}, indent=2))
grown = memory_kb["at the end"] > memory_kb["after a third"] * 1.25 + 2048
seen = counts["changes seen after the outage"] and not counts["changes not seen after the outage"]
bad = counts["answers wrong"] or counts["requests lost"] or not counts["answers right"] or counts["floods that nobody stopped"] or not alive or any(ended) or grown or not seen
sys.exit(1 if bad else 0)
