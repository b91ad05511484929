"""What an order waits for on top of many studies: the reuse check, and the pages that people open.

    cargo run --release -p indexer --example many_studies -- FOLDER 1000000
    PACS_BIN=target/release/pacs-server python3 bench/reuse.py FOLDER [QUESTIONS]

The server is a process of its own; every question is about another order, in a random order, one after the other over
one connection. Times are milliseconds as the client sees them.
"""
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.parse

SETTLE_SECONDS = 5
STUDIES = "/dicom-web/studies?limit=25&"
SEARCHES = [
    ("QIDO-RS, name NGUYEN VAN*", STUDIES + "PatientName=NGUYEN%20VAN*"),
    ("QIDO-RS, name nguyen va q, fuzzy", STUDIES + "PatientName=nguyen%20va%20q&fuzzymatching=true"),
    ("QIDO-RS, name of two common words, nobody", STUDIES + "PatientName=KHOA%20QUYEN&fuzzymatching=true"),
    ("QIDO-RS, name, days of years ago", STUDIES + "PatientName=HUYNH*%20LAN&StudyDate=-20221231"),
    ("QIDO-RS, code 18.149", STUDIES + "ProcedureCodeSequence.CodeValue=18.149"),
    ("QIDO-RS, code 18.149, name, modality", STUDIES + "ProcedureCodeSequence.CodeValue=18.149&PatientName=DO%20XUAN*&ModalitiesInStudy=CT"),
    ("QIDO-RS, code, 5,000 passed over", STUDIES + "offset=5000&ProcedureCodeSequence.CodeValue=18.149"),
    ("QIDO-RS, PatientID by its beginning", STUDIES + "PatientID=P00*"),
    ("QIDO-RS, modality and description", STUDIES + "ModalitiesInStudy=MR&StudyDescription=*TIEM*"),
]
TYPED = ["nguyen van", "nguyễn văn an", "n", "quyen huynh xuan", "khoa quyen", "do ct", "A0000012345", "P0000"]
PAGES = [
    ("study list", "/"),
    ("study list, last page of many", "/dicom-web/studies?limit=101&offset=5000"),
    ("/review", "/review"),
    ("/review, proposed", "/review?list=proposed"),
    ("codes to review", "/api/v1/codes/review?limit=100"),
    ("codes to review, far", "/api/v1/codes/review?limit=100&offset=20000"),
    ("/reconciliation", "/reconciliation"),
    ("/reconciliation, since 2020", "/reconciliation?since=2020-01-01"),
    ("/collisions", "/collisions"),
    ("/ledger", "/ledger"),
    ("ledger summary", "/api/v1/ledger/summary?by=code"),
    ("ledger entries", "/api/v1/ledger/entries?limit=1000"),
    ("ledger export", "/api/v1/ledger/export.csv"),
    ("decisions", "/api/v1/reuse/decisions"),
    ("orders", "/api/v1/orders"),
    ("state", "/state"),
    ("/metrics", "/metrics"),
]
SEARCHED_TIMES, PAGE_TIMES = 25, 5


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(port, method, path, body=None, connection=None):
    """Status, answer and milliseconds of one request."""
    own = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    headers = {"Accept": "text/html" if not path.startswith(("/api", "/dicom-web")) else "application/json"}
    if path.startswith("/dicom-web"):
        headers["Accept"] = "application/dicom+json"
    if body is not None:
        headers["Content-Type"] = "application/json"
    begin = time.perf_counter()
    own.request(method, path, body=None if body is None else json.dumps(body), headers=headers)
    answer = own.getresponse()
    read = answer.read()
    took = (time.perf_counter() - begin) * 1000
    if connection is None:
        own.close()
    return answer.status, read, took


def typed(port, text):
    """Where the study list of a typed text is: searches are posted."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": "http://127.0.0.1:%d" % port}
    connection.request("POST", "/search", body=urllib.parse.urlencode({"q": text}), headers=headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.getheader("Location")


def at(times, share):
    return sorted(times)[min(len(times) - 1, int(len(times) * share))]


def show(what, times):
    print("%-48s median %8.1f ms   p95 %8.1f   p99 %8.1f   worst %8.1f   (%d)" % (
        what, at(times, 0.5), at(times, 0.95), at(times, 0.99), max(times), len(times)), flush=True)


def start(folder):
    port = free_port()
    env = {name: value for name, value in os.environ.items() if not name.startswith("PACS_")}
    env.update(
        PACS_DATA_DIR=folder, PACS_HTTP__LISTEN="127.0.0.1:%d" % port, PACS_DIMSE__LISTEN="127.0.0.1:0", PACS_LOG="warn",
        PACS_STORE__LIMITS__MIN_FREE_PERCENT="0", PACS_VERIFY__EVERY_DAYS="0")
    log = open(os.path.join(folder, "server.log"), "ab")
    begin = time.perf_counter()
    server = subprocess.Popen([os.path.abspath(os.environ["PACS_BIN"]), "serve"], env=env, cwd=folder, stdout=log, stderr=log)
    while True:
        try:
            if ask(port, "GET", "/readyz")[0] == 200:
                print("ready after %.2f s" % (time.perf_counter() - begin))
                return server, port
        except OSError:
            pass
        if server.poll() is not None:
            sys.exit("the server ended; see server.log")
        time.sleep(0.02)


def main():
    folder = os.path.abspath(sys.argv[1])
    questions = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    server, port = start(folder)
    try:
        time.sleep(SETTLE_SECONDS)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        # How many orders there are is found by halves.
        low, high = 0, 1
        exists = lambda n: ask(port, "GET", "/api/v1/orders/order-%d" % n, connection=connection)[0] == 200
        while exists(high):
            low, high = high, high * 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if exists(middle) else (low, middle)
        chosen = random.Random(7).sample(range(low + 1), min(questions, low + 1))
        by_priors, times = {}, []
        for order in chosen:
            status, read, took = ask(port, "POST", "/api/v1/reuse/check", {"order": "order-%d" % order}, connection)
            if status != 200:
                sys.exit("order-%d: %d %s" % (order, status, read[:300]))
            seen = len(json.loads(read)["studies"])
            times.append(took)
            by_priors.setdefault("1 to 5" if seen <= 5 else "6 to 12" if seen <= 12 else "13 and more", []).append(took)
        show("reuse/check", times)
        for name, some in sorted(by_priors.items()):
            show("  studies seen: " + name, some)
        page = [ask(port, "GET", "/reuse?order=order-%d" % order, connection=connection)[2] for order in chosen[:200]]
        show("/reuse", page)
        asked = [(name, path, SEARCHED_TIMES) for name, path in SEARCHES]
        asked += [("study list, typed: " + text, typed(port, text), SEARCHED_TIMES) for text in TYPED]
        asked += [(name, path, PAGE_TIMES) for name, path in PAGES]
        for name, path, times in asked:
            answers = [ask(port, "GET", path) for _ in range(times)]
            if any(status not in (200, 204) for status, _, _ in answers):
                print("%-48s %s" % (name, answers[0][:2]))
                continue
            show(name, [took for _, _, took in answers])
        rss = [line for line in open("/proc/%d/status" % server.pid) if line.startswith("VmRSS")]
        print("resident: " + rss[0].split(":")[1].strip())
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()


if __name__ == "__main__":
    main()
