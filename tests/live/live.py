"""What tests/live/run does: see there."""

import argparse
import contextlib
import csv
import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile

# A cheap model of each provider, where the cheapest one that is known would be no good. A tunable one, where there is one.
MODELS = {
    "anthropic": "claude-haiku-5-5",
    "gemini": "gemini-3.5-flash-lite",
    "openai": "gpt-4.1-mini-2025-04-14",
    "vertex": "gemini-3.5-flash",
}
TEXTS = {"card": "my card has not arrived", "rate": "what is the exchange rate", "refund": "i want my money back"}
TRAIN = [(f"{text}, number {row}", label) for row in range(4) for label, text in TEXTS.items()]


class Program:
    """The program, in a folder of its own."""

    def __init__(self, path, folder, settings, environment):
        self.path, self.folder, self.settings, self.environment = path, folder, settings, environment

    def project(self, name, model, evaluation, tune=False):
        folder = self.folder / name.replace("/", "-").replace(":", "-")
        folder.mkdir(exist_ok=True)
        table(folder / "test.csv", list((text, label) for label, text in TEXTS.items()))
        table(folder / "train.csv", TRAIN)
        config = ["[data]", 'train = "train.csv"', 'test = "test.csv"', "[evaluation]", *evaluation, self.settings]
        config += ["[[model]]", f"base = {json.dumps(model)}", *(["tune = {}"] if tune else [])]
        (folder / "tunebench.toml").write_text("\n".join(config) + "\n")
        return folder

    def run(self, folder, *arguments, **options):
        return subprocess.run(
            [self.path, *arguments], cwd=folder, env=self.environment, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, **options,
        )

    def json(self, *arguments, folder=None):
        done = self.run(folder or self.folder, *arguments, "--json")
        if done.returncode != 0:
            raise SystemExit(f"live: `tunebench {' '.join(arguments)}` failed:\n{done.stderr}")
        return json.loads(done.stdout)


def table(path, rows):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])


def why(done):
    """The line that says what went wrong."""
    lines = [line for line in done.stderr.splitlines() if line.startswith(("error:", "warning:", "hint:"))]
    return (lines or done.stderr.splitlines() or ["nothing was said"])[0].removeprefix("error: ")


def cheapest(program, provider):
    """Of the models that are known there, the one whose input costs least."""
    known = program.json("models", "--provider", provider)
    today = datetime.date.today().isoformat()
    answering = [model for model in known if not model["retires"] or model["retires"] > today]
    priced = [model for model in answering if model["usd_per_million"]["input"] and model["usd_per_million"]["output"]]
    priced.sort(key=lambda model: model["usd_per_million"]["input"])
    return priced[0]["model"] if priced else None


def chosen(program, named):
    """The models to ask, and the providers for which none was found."""
    if named:
        return named, []
    ready = [one["provider"] for one in program.json("providers") if one["access"] == "set"]
    # A login may be on the machine without anybody meaning to use it; a project is named by who does.
    if "project" not in program.settings and not program.environment.get("GOOGLE_CLOUD_PROJECT"):
        ready = [provider for provider in ready if provider != "vertex"]
    models, without = [], []
    for provider in ready:
        model = f"{provider}/{MODELS[provider]}" if provider in MODELS else cheapest(program, provider)
        models.append(model) if model else without.append(provider)
    return models, without


def cost(program, folder):
    """The most that a project may cost; none where a price is not known."""
    done = program.run(folder, "plan", "--json")
    if done.returncode not in (0, 3, 4):
        return None
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return sum(step["cost_usd"]["high"] for step in json.loads(done.stdout)["steps"])
    return None


def answers(folder):
    """The rows that were answered, and what the run paid."""
    rows = []
    for path in (folder / "results" / "predictions").glob("*.csv"):
        with open(path, newline="") as file:
            rows += csv.DictReader(file)
    return rows


def asked(program, folder):
    """One evaluation: how many labels are right of how many, whether each has a probability, and what went wrong."""
    done = program.run(folder, "eval", "--yes", timeout=600)
    rows = answers(folder)
    answered = [row for row in rows if row["outcome"] != "unanswered"]
    if not answered:
        return f"**no**: {why(done)}", False, 0.0
    named = [row for row in answered if row["outcome"] != "invalid"]
    right = sum(row["outcome"] == "correct" for row in answered)
    paid = sum(float(row["cost_usd"] or 0) for row in answered)
    said = f"yes, {right} of {len(answered)} right" if len(named) == len(answered) else f"**{len(named)} of {len(answered)}**"
    return said, bool(named) and all(row["probability"] for row in named), paid


def tuned(program, folder):
    """A fine-tuning job from file to model."""
    done = program.run(folder, "tune", "--yes", timeout=6 * 3600)
    return f"yes: `{done.stdout.split()[-1]}`" if done.returncode == 0 and done.stdout.strip() else f"**no**: {why(done)}"


def report(program, models, tunes):
    """Asks all of it, and gives the lines of the table."""
    yield ["model", "is there", "label", "schema", "probability", *(["fine-tuning"] if tunes else []), "paid"]
    for model in models:
        print(f"asking {model}", file=sys.stderr)
        folder = program.folder / model.replace("/", "-").replace(":", "-")
        label, probable, paid = asked(program, pathlib.Path(f"{folder}-tag"))
        schema, _, more = asked(program, pathlib.Path(f"{folder}-schema"))
        unknown = label.startswith("**no") and any(words in label for words in ("no model", "does not hold", "not found"))
        there = "**no**" if unknown else "yes"
        line = [f"`{model}`", there, label, schema, "yes" if probable else "none given"]
        if tunes:
            project = pathlib.Path(f"{folder}-tune")
            line.append(tuned(program, project) if project.exists() else "not offered")
        yield [*line, f"${paid + more:.6f}"]


def agreed(program, models, arguments):
    """Says what it costs, and asks."""
    total, unknown = 0.0, []
    tuning = {one["provider"] for one in program.json("providers") if one["fine_tuning"] and arguments.tune}
    for model in models:
        projects = [program.project(f"{model}-{answer}", model, [f'answer = "{answer}"']) for answer in ("tag", "schema")]
        if model.split("/")[0] in tuning:
            projects.append(program.project(f"{model}-tune", model, [], tune=True))
        costs = [cost(program, folder) for folder in projects]
        total += sum(price or 0 for price in costs)
        unknown += [model] if None in costs else []
    print(f"{len(models)} models, 6 requests each: at most ${total:.4f}", file=sys.stderr)
    if unknown:
        print(f"without what {', '.join(unknown)} cost: these prices are not known (some thousand tokens each)", file=sys.stderr)
    if arguments.yes:
        return True
    if not sys.stdin.isatty():
        raise SystemExit("live: needs --yes where nobody can be asked")
    return input("Go on? [y/N] ").strip().lower() in ("y", "yes")


@contextlib.contextmanager
def fakes(examples):
    """The fake services: settings that lead to them, and an environment with their keys and no other."""
    processes = []

    def start(name, *options, lines=1):
        process = subprocess.Popen([f"{examples}/{name}", "--port", "0", *options], stdout=subprocess.PIPE, text=True)
        processes.append(process)
        return [process.stdout.readline().strip() for _ in range(lines)]

    try:
        (anthropic,) = start("fake_anthropic")
        (openai,) = start("fake_openai")
        google, _ = start("fake_google", "--token", "ya29.live", lines=2)
        settings = f"""
[tuning]
poll_seconds = 0.05
[providers.anthropic]
base_url = "{anthropic}"
[providers.openai]
base_url = "{openai}"
fine_tuning = true
logprobs = true
[providers.gemini]
base_url = "{google}/generativelanguage"
[providers.vertex]
base_url = "{google}/aiplatform/{{location}}"
storage_url = "{google}"
bucket = "gs://fake-bucket"
project = "fake-project"
access_token_env = "LIVE_TOKEN"
"""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        keys = dict.fromkeys(("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY"), "live-fake-key")
        yield settings, {**kept, **keys, "LIVE_TOKEN": "ya29.live"}
    finally:
        for process in processes:
            process.terminate()
            process.wait()


def main():
    parser = argparse.ArgumentParser(prog="tests/live/run", description="Asks live services whether all of it works.")
    parser.add_argument("program"), parser.add_argument("examples")
    parser.add_argument("models", nargs="*", metavar="PROVIDER/MODEL")
    parser.add_argument("--tune", action="store_true", help="start a smallest fine-tuning job where there is such a thing")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--fakes", action="store_true", help="ask the fake services, for nothing")
    arguments = parser.parse_args()
    service = fakes(arguments.examples) if arguments.fakes else contextlib.nullcontext(("", dict(os.environ)))
    with tempfile.TemporaryDirectory() as folder, service as (settings, environment):
        folder = pathlib.Path(folder)
        (folder / "tunebench.toml").write_text(f'[data]\ntest = "test.csv"\n{settings}\n[[model]]\nbase = "local/lexical"\n')
        table(folder / "test.csv", [])
        program = Program(arguments.program, folder, settings, environment)
        if arguments.fakes:
            arguments.tune = arguments.yes = True
        models, without = chosen(program, arguments.models)
        for provider in without:
            print(f"{provider}: no model is known; name one as {provider}/MODEL", file=sys.stderr)
        if not models:
            print("live: no key is set, so nobody was asked (`tunebench providers` names the variables)", file=sys.stderr)
            return 0
        if not agreed(program, models, arguments):
            return 0
        lines = list(report(program, models, arguments.tune))
        version = program.run(folder, "--version").stdout.strip()
        print(f"{version}, {datetime.date.today()}{', the fake services' if arguments.fakes else ''}\n")
        lines.insert(1, ["---"] * len(lines[0]))
        print("\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines))
        failed = [line[0] for line in lines[2:] if any("**" in cell for cell in line)]
        missing = {"anthropic", "gemini", "openai", "vertex"} - {model.split("/")[0] for model in models}
        if arguments.fakes and missing:
            print(f"live: not asked: {', '.join(sorted(missing))}", file=sys.stderr)
        return 1 if failed or (arguments.fakes and missing) else 0


if __name__ == "__main__":
    sys.exit(main())
