"""A program that misbehaves as it is told: the text says how."""

import json
import os
import sys
import time


def say(line):
    sys.stdout.write(line)
    sys.stdout.flush()


def answer(id, result):
    say(json.dumps({"id": id, "result": result}) + "\n")


held = []
for line in sys.stdin:
    request = json.loads(line)
    id, method, params = request["id"], request["method"], request["params"]
    if method == "hello":
        answer(id, {"protocol": 1})
    elif method == "abilities":
        answer(id, {"protocol": int(os.environ.get("FAULTY_PROTOCOL", "1")), "models": [{"id": "m"}], "new": [1]})
    elif method == "model_info":
        answer(id, {"id": params["model"]})
    else:
        text, label = params["text"], {"label": "b"}
        if text == "die":
            print("no memory left, key", os.environ.get("FAULTY_KEY"), file=sys.stderr, flush=True)
            os._exit(3)
        elif text == "half":
            say('{"id": %d, "res' % id)
            os._exit(0)
        elif text == "hang":
            time.sleep(1_000)
        elif text == "flood":
            while True:
                say("x" * 65536)
        elif text == "stray":
            say("loading ...\n[1, 2]\n\n")
            answer(999_999, label)
            answer(id, label)
            answer(id, {"label": "a"})
        elif text == "empty":
            answer(id, {})
        elif text == "number":
            answer(id, 7)
        elif text == "short":
            answer(id, {"label": "a", "probabilities": [1.0]})
        elif text == "busy":
            error = {"cause": "rate_limit", "message": "slow\ndown, " + os.environ.get("FAULTY_KEY", ""), "retry_after": 2.5}
            say(json.dumps({"id": id, "error": error}) + "\n")
        elif text.startswith("hold"):
            held.append((id, text[-1]))
            if len(held) == 3:
                for one, name in reversed(held):
                    answer(one, {"label": name})
                held.clear()
        elif text == "environment":
            answer(id, {"text": " ".join(sorted(os.environ))})
        else:
            answer(id, label)
