"""What the checks of the fakes share: a fake that runs, and checks that are run against it."""

import json
import subprocess
import urllib.request

CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def jsonl(lines):
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


class Fake:
    """The program under test, and its controls."""

    def __init__(self, program, *options, lines=1):
        self.process = subprocess.Popen([program, "--port", "0", *options], stdout=subprocess.PIPE, text=True)
        self.printed = [self.process.stdout.readline().strip() for _ in range(lines)]
        self.base_url = self.printed[0]
        self.control = self.base_url.removesuffix("/v1") + "/_fake/"

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.control + path, data=data, method=method)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            return json.load(answer)

    def fail(self, fault, **more):
        self.call("POST", "faults", {"fault": fault, "times": 1, **more})


def run(fake, name, *arguments):
    """Makes all checks, and gives the exit code."""
    passed, failed = 0, 0
    try:
        for function in CHECKS:
            try:
                function(fake, *arguments)
                passed += 1
            except Exception as error:  # a check that breaks in any way has failed
                failed += 1
                line = error.__traceback__.tb_next.tb_lineno if error.__traceback__.tb_next else 0
                print(f"FAILED {function.__name__}, line {line}: {type(error).__name__}: {str(error)[:500]}")
            fake.call("DELETE", "faults")
    finally:
        fake.process.terminate()
        fake.process.wait()
    print(f"{name}: {passed} passed, {failed} failed")
    return 1 if failed else 0
