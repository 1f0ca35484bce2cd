#!/usr/bin/env python3
"""The page of `serve --ui` in a large cluster: how long each view takes, what memory it costs, and whether reviews wait.

    tests/load/page.py BINARY [NAMESPACES] [PODS] [CHANGES]

The cluster is the stand-in of api.py, with security context constraints; CHANGES pods change each second (50 otherwise).
Prints JSON: for each view the time of the first look and the median and worst of nine more, milliseconds; resident memory
with and without the page; and the latency of reviews, 200 a second, while nobody looks and while two look all the time.
"""
import http.client, json, multiprocessing, os, re, statistics, subprocess, sys, tempfile, threading, time
from api import Stand

BINARY = os.path.abspath(sys.argv[1])
NAMESPACES, PODS, CHANGES = map(int, (sys.argv[2:] + ["10000", "1000000", "50"][len(sys.argv) - 2:])[:3])
SECONDS = 10
VIEWS = {
    "overview": "/ui/",
    "namespaces": "/ui/namespaces",
    "namespaces, filtered": "/ui/namespaces?q=n09&level=baseline&state=raise",
    "namespaces, last page": "/ui/namespaces?page=4294967295",
    "the large namespace": "/ui/namespaces/n00000?level=restricted",
    "workloads": "/ui/workloads?break=restricted",
    "workloads, sought": "/ui/workloads?break=restricted&q=web-99",
    "pods": "/ui/pods",
    "pods, none fits": "/ui/pods?q=no-such-pod",
    "pods, with constraint": "/ui/pods?scc=anyuid",
    "pods, would get another": "/ui/pods?now=other",
    "constraints": "/ui/constraints",
    "one constraint": "/ui/constraints/restricted",
    "search, finds": "/ui/search?q=web-7777",
    "search, finds nothing": "/ui/search?q=no-such-thing",
}


def wait_for(address, path):
    while True:
        try:
            asked = http.client.HTTPConnection(address, timeout=600)
            asked.request("GET", path)
            if asked.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.05)


def look(connection, path):
    began = time.time()
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    return (time.time() - began) * 1000, answer.status, len(body)


def look_forever(address, paths):
    connection = http.client.HTTPConnection(address, timeout=600)
    while True:
        for path in paths:
            look(connection, path)


def memory(pid):
    status = open(f"/proc/{pid}/status").read()
    return {name: int(re.search(rf"{key}:\s+(\d+)", status)[1]) // 1024 for name, key in (("nowMb", "VmRSS"), ("atMostMb", "VmHWM"))}


def reviews(address):
    """Latencies in milliseconds, at a steady pace, whether or not the last answer was late."""
    body = subprocess.run([sys.executable, os.path.join(os.path.dirname(__file__), "review.py")], check=True, capture_output=True).stdout
    body = body.replace(b'"namespace":"shop"', b'"namespace":"n00001"')
    connection = http.client.HTTPConnection(address, timeout=60)
    latencies, began = [], time.time()
    for i in range(SECONDS * 200):
        due = began + i / 200
        time.sleep(max(0, due - time.time()))
        sent = time.time()
        connection.request("POST", "/validate", body, {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        assert "allowed" in answer["response"], answer
        latencies.append((time.time() - max(due, sent)) * 1000)
    latencies.sort()
    at = lambda share: round(latencies[min(int(len(latencies) * share), len(latencies) - 1)], 2)
    return {"p50": at(0.5), "p99": at(0.99), "max": at(1)}


def serve(kubeconfig, *more):
    process = subprocess.Popen([BINARY, "serve", "--listen", "127.0.0.1:0", "--insecure-http", "--kubeconfig", kubeconfig,
                                "--drain-delay", "0", *more], stderr=subprocess.PIPE, text=True)
    addresses = {}
    for line in map(json.loads, process.stderr):
        if line["message"] == "listening":
            addresses["webhook"] = line["address"]
        if line["message"] == "showing a page":
            addresses["page"] = re.search(r"//([^/]+)/", line["page"])[1]
        if len(addresses) == (2 if more else 1):
            break
    threading.Thread(target=lambda: [None for _ in process.stderr], daemon=True).start()
    return process, addresses


def main():
    stand = Stand(NAMESPACES, PODS, constraints=True, churn=CHANGES)
    found = {"namespaces": NAMESPACES, "pods": PODS, "podsOfTheLargeNamespace": stand.large, "changesEachSecond": CHANGES}
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as config:
        stand.kubeconfig(config)
        process, addresses = serve(config.name)
        wait_for(addresses["webhook"], "/readyz")
        found["memoryWithoutPage"] = memory(process.pid)
        process.terminate()
        process.wait(60)
        began = time.time()
        process, addresses = serve(config.name, "--ui", "--ui-listen", "127.0.0.1:0")
        try:
            wait_for(addresses["webhook"], "/readyz")
            found["readyAfterSeconds"] = round(time.time() - began, 1)
            wait_for(addresses["page"], "/ui/")
            found["firstViewAfterSeconds"] = round(time.time() - began, 1)
            found["memoryAtFirst"] = memory(process.pid)
            connection = http.client.HTTPConnection(addresses["page"], timeout=600)
            found["viewsMs"] = {}
            for name, path in VIEWS.items():
                times = [look(connection, path) for _ in range(10)]
                first, status, size = times[0]
                again = sorted(took for took, _, _ in times[1:])
                found["viewsMs"][name] = {"first": round(first, 1), "median": round(statistics.median(again), 1),
                                          "worst": round(again[-1], 1), "kB": size // 1024, "status": status}
                print(name, found["viewsMs"][name], file=sys.stderr)
            found["memoryAfterViews"] = memory(process.pid)
            found["reviewsMsAlone"] = reviews(addresses["webhook"])
            lookers = [multiprocessing.Process(target=look_forever, args=(addresses["page"], list(VIEWS.values())), daemon=True) for _ in range(2)]
            for looker in lookers:
                looker.start()
            found["reviewsMsWhileLookedAt"] = reviews(addresses["webhook"])
            for looker in lookers:
                looker.terminate()
            found["memoryInTheEnd"] = memory(process.pid)
        finally:
            process.terminate()
            process.wait(60)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    main()
