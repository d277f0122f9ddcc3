"""Make a tunebench provider of a Python class.

    from tunebench import provider

    class Mine(provider.Classifier):
        def fit(self, texts, labels, *, C=10.0, seed=1): ...
        def predict_proba(self, texts, labels): ...      # a row for each text, a column for each label

    provider.serve(Mine())

and in ``tunebench.toml``::

    [providers.mine]
    kind = "command"
    command = ["python3", "mine.py"]

The protocol is described in ``docs/plugin-protocol.md``. What the class prints goes to the log, not into the protocol.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import pickle
import queue
import shutil
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

__all__ = ["Cancelled", "Classifier", "Completer", "Error", "serve"]

PROTOCOL = 1

#: An object of JSON.
Json = dict[str, Any]


class Error(Exception):
    """What went wrong, as tunebench classifies it.

    ``cause`` is one of network, rate_limit, quota, access, not_found, invalid, server, unsupported. ``scope`` (request,
    model, provider), ``retry`` and ``retry_after`` (seconds) are what is usual for the cause unless given.
    """

    def __init__(self, message: str, cause: str = "server", **more: Any) -> None:
        super().__init__(message)
        self.failure = {"message": message, "cause": cause, **more}


class Cancelled(Exception):
    """Raised by ``report`` when the training is to end."""


class Completer:
    """Answers one text at a time: a language model, or a service."""

    #: What the models are called that a user can ask; each may be ``id`` or ``(id, description)``.
    models: Sequence[Any] = ()
    #: How many texts are asked about at once.
    concurrency = 16

    def complete(self, request: Json) -> Json | str:
        """The answer to ``request``: a text, or a dict with ``text`` or ``label`` and more (see the protocol).

        ``request`` has ``model``, ``text``, ``messages``, ``labels``, ``parameters`` and perhaps ``shots``.
        """
        raise NotImplementedError


class Classifier:
    """Answers many texts at a time with a probability for each label, and may be trained."""

    #: What the untrained model is called.
    name = "classifier"
    description = ""
    #: How many texts are handed over at once.
    batch_size = 64
    #: Set by tunebench before ``fit``: call it with (step, total_steps, loss) as training goes on.
    report: Callable[..., None] = staticmethod(lambda step, total=None, loss=None: None)

    def predict_proba(self, texts: list[str], labels: list[str]) -> Any:
        """A row for each text with a probability for each of ``labels``, in their order."""
        raise NotImplementedError

    def predict(self, texts: list[str], labels: list[str]) -> Sequence[str]:
        """A label for each text; needed only without ``predict_proba``."""
        raise NotImplementedError

    # fit(self, texts, labels, *, hyperparameter=default, ...) makes a class trainable.

    def save(self, folder: Path) -> None:
        """Keeps a trained model. Without an own way, by pickle."""
        state = {name: value for name, value in vars(self).items() if name != "report"}
        (folder / "model.pickle").write_bytes(pickle.dumps(state))

    def load(self, folder: Path) -> None:
        """The other way round."""
        vars(self).update(pickle.loads((folder / "model.pickle").read_bytes()))


def serve(provider: Completer | Classifier) -> None:
    """Speaks the protocol on stdin and stdout until stdin ends."""
    # What is printed by accident must not stand among the answers.
    out, sys.stdout = os.fdopen(os.dup(sys.stdout.fileno()), "wb"), sys.stderr
    lock = threading.Lock()

    def answer(id: int, body: Json) -> None:
        line = json.dumps({"id": id, **body}, allow_nan=False).encode() + b"\n"
        with lock, contextlib.suppress(BrokenPipeError):
            out.write(line)
            out.flush()

    session = _Session(provider)
    # One thread after the other for what changes something; many for what only answers.
    width = getattr(provider, "concurrency", 1)
    with ThreadPoolExecutor(max(1, width)) as answering, ThreadPoolExecutor(1) as in_order:
        for line in sys.stdin.buffer:
            try:
                request = json.loads(line)
                id, method, params = request["id"], request["method"], request.get("params") or {}
            except (ValueError, KeyError, TypeError) as error:
                print(f"not a request: {error}", file=sys.stderr)
                continue
            pool = answering if method.startswith("complete") else in_order
            pool.submit(_answer, session, id, method, params, answer)
        session.end()


def _answer(session: _Session, id: int, method: str, params: Json, answer: Callable[[int, Json], None]) -> None:
    try:
        answer(id, {"result": session.handle(method, params)})
    except Error as error:
        answer(id, {"error": error.failure})
    except Exception as error:  # noqa: BLE001: a row fails, not the program
        traceback.print_exc()
        answer(id, {"error": {"cause": "server", "message": f"{type(error).__name__}: {error}", "retry": False}})


class _Session:
    def __init__(self, provider: Completer | Classifier) -> None:
        # One of two kinds, and `do_…` is only asked of what is of its kind.
        self.provider: Any = provider
        self.folder = Path(".")
        self.jobs = _Jobs(self)
        self.loaded: dict[str, Classifier] = {}
        self.loading = threading.Lock()

    def handle(self, method: str, params: Json) -> Any:
        found = getattr(self, f"do_{method}", None)
        if found is None:
            raise Error(f"there is no method {method}", "unsupported")
        return found(params)

    def end(self) -> None:
        self.jobs.end()

    # what there is

    def do_hello(self, params: Json) -> Json:
        self.folder = Path(params.get("state_dir") or ".")
        for name, value in (params.get("settings") or {}).items():
            setattr(self.provider, name, value)
        return {"protocol": PROTOCOL}

    def do_abilities(self, _: Json) -> Json:
        hello: dict[str, Any] = {"protocol": PROTOCOL, "models": [self.model(name) for name, _ in self.bases()]}
        if isinstance(self.provider, Classifier):
            hello["batch_size"] = self.provider.batch_size
            if self.tunable():
                hello["fine_tuning"] = {"hyperparameters": sorted(_hyperparameters(self.provider)), "min_rows": 2}
        return hello

    def bases(self) -> list[tuple[str, str]]:
        if isinstance(self.provider, Classifier):
            return [(self.provider.name, self.provider.description)]
        return [model if isinstance(model, tuple) else (model, "") for model in self.provider.models]

    def tunable(self) -> bool:
        return isinstance(self.provider, Classifier) and hasattr(self.provider, "fit")

    def model(self, name: str) -> Json:
        gives = isinstance(self.provider, Classifier) and _overrides(self.provider, "predict_proba")
        for base, description in self.bases():
            if base == name:
                model = {"id": name, "tunable": self.tunable(), "probabilities": gives}
                return {**model, "description": description} if description else model
        tuned_from = self.jobs.base_of(name)
        if tuned_from is None:
            raise Error(f"there is no model {name}", "not_found")
        return {"id": name, "tuned_from": tuned_from, "probabilities": gives}

    def do_model_info(self, params: Json) -> Json:
        return self.model(params["model"])

    # answers

    def do_complete(self, params: Json) -> Json:
        self.model(params["model"])
        if isinstance(self.provider, Classifier):
            return _unwrap(self.classify(params, [params["text"]])[0])
        return _said(self.provider.complete(params))

    def do_complete_batch(self, params: Json) -> Json:
        self.model(params["model"])
        return {"results": self.classify(params, [item["text"] for item in params["items"]])}

    def classify(self, params: Json, texts: list[str]) -> list[Json]:
        model, labels = self.classifier(params["model"]), params["labels"]
        if model is None:
            return [{"result": {"text": "", "note": "this model answers only once it is trained"}} for _ in texts]
        if not _overrides(model, "predict_proba"):
            return [{"result": {"label": str(label)}} for label in model.predict(texts, labels)]
        results = []
        for row in model.predict_proba(texts, labels):
            row = [float(p) for p in row]
            best = max(range(len(row)), key=row.__getitem__)
            results.append({"result": {"label": labels[best], "probabilities": row}})
        return results

    def classifier(self, name: str) -> Classifier | None:
        """The model of this name; none for a base that knows nothing without training."""
        if name == self.provider.name:
            untrained = self.tunable() and not getattr(self.provider, "answers_untrained", False)
            return None if untrained else self.provider
        with self.loading:
            if name not in self.loaded:
                model = type(self.provider)()
                model.load(self.jobs.folder(name))
                self.loaded[name] = model
            return self.loaded[name]

    # jobs

    def do_create_job(self, params: Json) -> Json:
        return self.jobs.create(params)

    def do_find_job(self, params: Json) -> Json:
        dead = {"failed", "cancelled"}
        found = [job for job in self.jobs.all() if job["mark"] == params["mark"] and job["status"] not in dead]
        return {"job": found[0] if found else None}

    def do_job(self, params: Json) -> Json:
        return self.jobs.one(params["job"])

    def do_jobs(self, _: Json) -> Json:
        return {"jobs": self.jobs.all()}

    def do_events(self, params: Json) -> Json:
        return {"events": self.jobs.events(params["job"])[params.get("skip", 0):]}

    def do_cancel_job(self, params: Json) -> Json:
        self.jobs.cancel(params["job"])
        return {}

    def do_delete_model(self, params: Json) -> Json:
        self.loaded.pop(params["model"], None)
        self.jobs.delete(params["model"])
        return {}


class _Jobs:
    """Jobs as folders: ``jobs/ID/job.json``, its events, its model. One is trained at a time."""

    def __init__(self, session: _Session) -> None:
        self.session = session
        self.waiting: queue.Queue[str | None] = queue.Queue()
        self.cancelled: set[str] = set()
        self.ours: set[str] = set()
        self.worker: threading.Thread | None = None
        self.lock = threading.RLock()

    @property
    def root(self) -> Path:
        return self.session.folder / "jobs"

    def folder(self, id: str) -> Path:
        return self.root / id

    def all(self) -> list[Json]:
        jobs = [self.one(path.parent.name) for path in self.root.glob("*/job.json")]
        return sorted(jobs, key=lambda job: job["created"], reverse=True)

    def one(self, id: str) -> Json:
        # An id is a name here, never a path.
        path = self.folder(id) / "job.json"
        if id != Path(id).name or not path.exists():
            raise Error(f"there is no job {id}", "not_found")
        with self.lock:
            job: Json = json.loads(path.read_text())
        if job["status"] in {"queued", "running"} and id not in self.ours:
            job = {**job, "status": "failed", "error": "the program that trained it has ended"}
        return job

    def put(self, job: Json) -> None:
        with self.lock:
            path = self.folder(job["id"]) / "job.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            part.write_text(json.dumps(job))
            os.replace(part, path)

    def base_of(self, model: str) -> str | None:
        with contextlib.suppress(Error):
            job = self.one(model)
            return job["base"] if job["status"] == "succeeded" else None
        return None

    def create(self, params: Json) -> Json:
        if not self.session.tunable():
            raise Error("this provider can't be trained", "unsupported")
        number = sum(1 for _ in self.root.glob("*/job.json"))
        keep = ("base", "hyperparameters", "seed", "training_file", "validation_file", "mark")
        job: Json = {name: params.get(name) for name in keep}
        job |= {"id": f"{params['base']}-{params['mark'][:12]}", "status": "queued", "created": number}
        with self.lock:
            shutil.rmtree(self.folder(job["id"]), ignore_errors=True)
            self.ours.add(job["id"])
            self.cancelled.discard(job["id"])
            self.put(job)
            if self.worker is None:
                self.worker = threading.Thread(target=self.work, daemon=True)
                self.worker.start()
        self.waiting.put(job["id"])
        return job

    def work(self) -> None:
        while (id := self.waiting.get()) is not None:
            job = self.one(id)
            if job["status"] != "queued":
                continue
            self.put({**job, "status": "running"})
            try:
                self.train(job)
                ended = {"status": "succeeded", "model": id}
            except Cancelled:
                ended = {"status": "cancelled"}
            except Exception as error:  # noqa: BLE001: the job fails, not the program
                traceback.print_exc()
                ended = {"status": "failed", "error": f"{type(error).__name__}: {error}"}
            self.put({**job, **ended})

    def train(self, job: Json) -> None:
        rows = list(_rows(job["training_file"]))
        model = type(self.session.provider)()
        for name, value in vars(self.session.provider).items():
            setattr(model, name, value)

        def report(step: int, total: int | None = None, loss: float | None = None) -> None:
            message = f"step {step}" + (f" of {total}" if total else "")
            message += "" if loss is None else f": loss {loss:.4f}"
            self.say(job["id"], {"message": message, "step": step, "total_steps": total, "loss": loss})
            if job["id"] in self.cancelled:
                raise Cancelled

        model.report = report
        self.say(job["id"], {"message": f"training on {len(rows)} rows"})
        wanted = dict(job["hyperparameters"] or {})
        if "seed" in _hyperparameters(model):
            wanted.setdefault("seed", job["seed"])
        model.fit([row["text"] for row in rows], [row["label"] for row in rows], **wanted)
        if job["id"] in self.cancelled:
            raise Cancelled
        model.save(self.folder(job["id"]))
        self.say(job["id"], {"message": f"model {job['id']} is ready"})

    def say(self, id: str, event: Json) -> None:
        with self.lock, (self.folder(id) / "events.jsonl").open("a") as file:
            file.write(json.dumps(event) + "\n")

    def events(self, id: str) -> list[Json]:
        self.one(id)
        path = self.folder(id) / "events.jsonl"
        with self.lock:
            return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def cancel(self, id: str) -> None:
        with self.lock:
            job = self.one(id)
            if job["status"] in {"succeeded", "failed", "cancelled"}:
                return
            self.cancelled.add(id)
            if job["status"] == "queued":
                self.put({**job, "status": "cancelled"})

    def delete(self, model: str) -> None:
        self.one(model)
        shutil.rmtree(self.folder(model), ignore_errors=True)

    def end(self) -> None:
        """What is in training ends with the program."""
        with self.lock:
            self.cancelled |= self.ours
        self.waiting.put(None)


def _rows(path: str) -> Iterator[Json]:
    with open(path, encoding="utf-8") as file:
        yield from (json.loads(line) for line in file)


def _hyperparameters(provider: Any) -> set[str]:
    parameters = inspect.signature(provider.fit).parameters.values()
    return {p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


def _overrides(provider: Classifier, name: str) -> bool:
    return getattr(type(provider), name) is not getattr(Classifier, name)


def _said(answer: Json | str) -> Json:
    return {"text": answer} if isinstance(answer, str) else answer


def _unwrap(one: Json) -> Json:
    return dict(one["result"])
