#!/usr/bin/env python3
"""What can go wrong around `ringfence serve`, all at once: is any answer wrong, is any request lost, does memory grow?

    tests/faults/run.py BINARY [SECONDS]

Two replicas share a certificate that is exchanged every second, now and then for one that is of no use or only half
written. Meanwhile honest clients ask and check every answer, slow clients hold connections without asking anything,
rude ones send garbage to every path, and one replica is killed and started again. Exit status 0 only when no answer was
wrong and every request was answered at the first attempt, or after its connection died with the replica at the second.
Needs openssl and Python 3.9.
"""
import collections, http.client, json, os, random, signal, socket, ssl, subprocess, sys, tempfile, threading, time

BINARY, SECONDS = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 30
PATHS = ["/", "/validate", "/mutate-scc", "/validate-scc", "/metrics", "/readyz", "/livez", "/nowhere", "/%00", "*"]
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


class Replica:
    def __init__(self, directory):
        self.directory, self.port = directory, free_port()
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [BINARY, "serve", "--listen", f"127.0.0.1:{self.port}", "--tls-cert", f"{self.directory}/live/tls.crt",
             "--tls-key", f"{self.directory}/live/tls.key", "--cluster", f"{self.directory}/cluster.json",
             "--platform", "kubernetes", "--drain-delay", "0", "--max-connections", "600"],
            stderr=open(f"{self.directory}/log-{self.port}", "ab"))
        for _ in range(200):
            try:
                connection = client(self.port)
                connection.request("GET", "/readyz")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                time.sleep(0.05)
        sys.exit("a replica does not get ready")

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
        for attempt in range(3):
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
            if random.random() < 0.3:
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
    while time.time() < end - 8:
        time.sleep(7)
        replicas[1].process.send_signal(signal.SIGKILL)
        replicas[1].process.wait()
        count("replicas killed")
        time.sleep(1)
        replicas[1].start()


with tempfile.TemporaryDirectory() as directory:
    os.mkdir(f"{directory}/first")
    issue(f"{directory}/first", "replica")
    os.symlink(f"{directory}/first", f"{directory}/live")
    labels = {"pod-security.kubernetes.io/enforce": "baseline"}
    with open(f"{directory}/cluster.json", "w") as f:
        json.dump({"apiVersion": "v1", "kind": "NamespaceList", "items": [{"metadata": {"name": "shop", "labels": labels}}]}, f)
    replicas = [Replica(directory), Replica(directory)]
    jobs = [(honest, replicas)] * 6 + [(slow, replicas), (rude, replicas), (rude, replicas), (rotate, directory), (kill, replicas)]
    threads = [threading.Thread(target=job, args=(on,), daemon=True) for job, on in jobs]
    for thread in threads:
        thread.start()
    memory = []
    while time.time() < end:
        memory.append(replicas[0].resident())
        time.sleep(0.5)
    for thread in threads:
        thread.join(30)
    third = len(memory) // 3
    memory_kb = {"after a third": max(memory[:third] or [0]), "at the end": max(memory[-third:] or [0])}
    alive = replicas[0].process.poll() is None
    for replica in replicas:
        replica.process.terminate()
    ended = [replica.process.wait(40) for replica in replicas]
print(json.dumps({"seconds": SECONDS, "counts": dict(sorted(counts.items())), "residentKb": memory_kb, "exit": ended}, indent=2))
grown = memory_kb["at the end"] > memory_kb["after a third"] * 1.25 + 2048
bad = counts["answers wrong"] or counts["requests lost"] or not counts["answers right"] or not alive or any(ended) or grown
sys.exit(1 if bad else 0)
