"""Drives the fake OpenAI with the official client: what the client takes for real answers and errors must be such.

Usage: openai_sdk.py FAKE, where FAKE is the example program `fake_openai`.
"""

import base64
import contextlib
import json
import sys

import openai
from openai import OpenAI

import harness
from harness import check, jsonl

KEY = "sk-sdk-test"
BASE = "gpt-4.1-mini-2025-04-14"
SYSTEM = (
    "Classify the item.\n\n<categories>\nrefund\ncard arrival\nexchange rate\n</categories>\n\n"
    "Answer with one of the categories, inside <output></output>."
)
LABELS = ["refund", "card arrival", "exchange rate"]
SCHEMA = {
    "type": "object",
    "properties": {"label": {"type": "string", "enum": LABELS}},
    "required": ["label"],
    "additionalProperties": False,
}

def chat(item):
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": f"<item>\n{item}\n</item>"}]


def rows(count):
    texts = {"refund": "give my money back", "card arrival": "where is the plastic", "exchange rate": "dollars for euros"}
    for number in range(count):
        label = LABELS[number % 3]
        answer = {"role": "assistant", "content": f"<output>{label}</output>"}
        yield {"messages": [*chat(f"{texts[label]} {number}"), answer]}


def ended(client, job):
    for _ in range(20):
        job = client.fine_tuning.jobs.retrieve(job.id)
        if job.status in ("succeeded", "failed", "cancelled"):
            return job
    raise AssertionError(f"the job does not end: {job.status}")


@contextlib.contextmanager
def raises(kind, code=None):
    try:
        yield
    except kind as error:
        assert type(error) is kind, f"{type(error)} is not quite {kind}"
        assert code is None or error.code == code, f"{error.code} is not {code}"
    else:
        raise AssertionError(f"no {kind}")


class Fake(harness.Fake):
    def client(self, **options):
        http = openai.DefaultHttpxClient(trust_env=False)
        return OpenAI(**{"api_key": KEY, "base_url": self.base_url, "max_retries": 0, "http_client": http, **options})


@check
def a_batch_is_answered(fake, client):
    def row(number, **more):
        body = {"model": BASE, "messages": chat(f"give my money back {number}"), "max_completion_tokens": 20}
        return {"custom_id": f"row-{number}", "method": "POST", "url": "/v1/chat/completions", "body": body, **more}

    file = client.files.create(file=("rows.jsonl", jsonl(row(number) for number in range(5))), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={"tunebench_scope": "a" * 32},
    )
    assert (batch.object, batch.status, batch.errors, batch.output_file_id) == ("batch", "validating", None, None)
    assert [listed.id for listed in client.batches.list(limit=1)][0] == batch.id
    seen = set()
    while batch.status not in ("completed", "failed"):
        batch = client.batches.retrieve(batch.id)
        seen.add(batch.status)
    assert "in_progress" in seen and batch.request_counts.completed == batch.request_counts.total == 5
    assert batch.metadata["tunebench_scope"] == "a" * 32
    lines = [json.loads(line) for line in client.files.content(batch.output_file_id).text.splitlines()]
    answer = openai.types.chat.ChatCompletion.model_validate(lines[0]["response"]["body"])
    assert lines[0]["custom_id"] == "row-0" and "refund" in answer.choices[0].message.content
    with raises(openai.ConflictError):
        client.batches.cancel(batch.id)
    wrong = client.files.create(file=("rows.jsonl", jsonl([row(1), row(1)])), purpose="batch")
    batch = client.batches.create(
        input_file_id=wrong.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    while batch.status != "failed":
        batch = client.batches.retrieve(batch.id)
    assert (batch.errors.data[0].code, batch.errors.data[0].line) == ("duplicate_custom_id", 2)
    running = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    assert client.batches.cancel(running.id).status == "cancelling"


@check
def files_come_and_go(fake, client):
    content = jsonl(rows(3))
    file = client.files.create(file=("rows.jsonl", content), purpose="fine-tune")
    assert (file.object, file.bytes, file.purpose, file.filename) == ("file", len(content), "fine-tune", "rows.jsonl")
    assert client.files.wait_for_processing(file.id, poll_interval=0.01).status == "processed"
    assert client.files.content(file.id).read() == content
    assert file.id in [listed.id for listed in client.files.list(purpose="fine-tune", limit=1)]
    assert client.files.delete(file.id).deleted
    with raises(openai.NotFoundError):
        client.files.retrieve(file.id)


@check
def a_job_runs_to_a_model(fake, client):
    file = client.files.create(file=("train.jsonl", jsonl(rows(12))), purpose="fine-tune")
    method = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 4, "batch_size": 3}}}
    metadata = {"tunebench_mark": "ab12", "tool": "tunebench"}
    job = client.fine_tuning.jobs.create(
        model=BASE, training_file=file.id, method=method, suffix="bank", seed=7, metadata=metadata
    )
    assert (job.status, job.fine_tuned_model, job.seed, job.error) == ("validating_files", None, 7, None)
    assert client.fine_tuning.jobs.retrieve(job.id).status == "queued"
    assert client.fine_tuning.jobs.retrieve(job.id).status == "running"
    job = ended(client, job)
    assert job.status == "succeeded" and job.fine_tuned_model.startswith(f"ft:{BASE}:")
    assert (job.hyperparameters.n_epochs, job.hyperparameters.batch_size) == (4, 3)
    assert job.trained_tokens > 0 and job.metadata == metadata
    assert job.method.supervised.hyperparameters.n_epochs == 4

    events = list(client.fine_tuning.jobs.list_events(job.id, limit=5))
    assert len(events) > 10 and "successfully" in events[0].message, "the newest comes first, on several pages"
    metrics = [event.data for event in events if event.type == "metrics"]
    assert {metric["total_steps"] for metric in metrics} == {16}

    checkpoints = list(client.fine_tuning.jobs.checkpoints.list(job.id, limit=2))
    assert [checkpoint.step_number for checkpoint in checkpoints] == [16, 12, 8]
    assert checkpoints[0].metrics.train_loss < checkpoints[2].metrics.train_loss

    losses = base64.b64decode(client.files.content(job.result_files[0]).read()).decode()
    assert losses.splitlines()[0].startswith("step,train_loss,") and len(losses.splitlines()) == 17

    for model in (job.fine_tuned_model, checkpoints[1].fine_tuned_model_checkpoint):
        answer = client.chat.completions.create(model=model, messages=chat("the plastic is missing"))
        assert answer.choices[0].message.content == "<output>card arrival</output>"
    found = client.fine_tuning.jobs.list(metadata={"tunebench_mark": "ab12"})
    assert [listed.id for listed in found] == [job.id]
    assert not list(client.fine_tuning.jobs.list(metadata={"tunebench_mark": "other"}))
    assert client.models.retrieve(job.fine_tuned_model).owned_by == "fake-org"
    assert client.models.delete(job.fine_tuned_model).deleted
    with raises(openai.NotFoundError, "model_not_found"):
        client.models.retrieve(job.fine_tuned_model)
    with raises(openai.BadRequestError):
        client.fine_tuning.jobs.cancel(job.id)


@check
def jobs_stop_when_told(fake, client):
    file = client.files.create(file=("train.jsonl", jsonl(rows(12))), purpose="fine-tune")
    job = client.fine_tuning.jobs.create(model=BASE, training_file=file.id)
    assert client.fine_tuning.jobs.pause(job.id).status == "paused"
    assert client.fine_tuning.jobs.retrieve(job.id).status == "paused"
    assert client.fine_tuning.jobs.resume(job.id).status == "queued"
    assert client.fine_tuning.jobs.cancel(job.id).status == "cancelled"


@check
def bad_files_fail_their_jobs(fake, client):
    extra = [{**row, "weight": 1} for row in rows(12)]
    special = [*rows(11), {"messages": [*chat("<|fim_suffix|>"), {"role": "assistant", "content": "x"}]}]
    for lines, code in [
        (list(rows(9)), "invalid_n_examples"),
        (extra, "invalid_file_format"),
        (special, "invalid_training_file"),
    ]:
        file = client.files.create(file=("train.jsonl", jsonl(lines)), purpose="fine-tune")
        job = ended(client, client.fine_tuning.jobs.create(model=BASE, training_file=file.id))
        assert (job.status, job.error.code, job.error.param) == ("failed", code, "training_file")
        assert job.fine_tuned_model is None


@check
def bad_orders_are_refused(fake, client):
    file = client.files.create(file=("train.jsonl", jsonl(rows(12))), purpose="fine-tune")
    with raises(openai.BadRequestError):
        client.fine_tuning.jobs.create(model="gpt-6-luna", training_file=file.id)
    with raises(openai.BadRequestError):
        client.fine_tuning.jobs.create(model=BASE, training_file="file-none")
    with raises(openai.BadRequestError):
        client.fine_tuning.jobs.create(model=BASE, training_file=file.id, suffix="x" * 65)
    with raises(openai.BadRequestError):
        client.files.create(file=("train.csv", b"a,b"), purpose="fine-tune")
    with raises(openai.NotFoundError):
        client.fine_tuning.jobs.retrieve("ftjob-none")
    fake.fail("training_not_available", on="POST /v1/fine_tuning/jobs")
    with raises(openai.PermissionDeniedError, "training_not_available"):
        client.fine_tuning.jobs.create(model=BASE, training_file=file.id)


@check
def models_are_listed_with_their_last_day(fake, client):
    models = {model.id: model for model in client.models.list()}
    assert BASE in models and models["gpt-3.5-turbo"].shutdown_date == "2026-10-23"


@check
def chat_answers_in_a_tag(fake, client):
    raw = client.chat.completions.with_raw_response.create(
        model="gpt-4.1", messages=chat("what is the exchange rate"), stop=["</output>"], logprobs=True,
        max_completion_tokens=50, temperature=0, store=False,
    )
    answer, choice = raw.parse(), raw.parse().choices[0]
    assert (choice.message.content, choice.finish_reason) == ("<output>exchange rate", "stop")
    assert "".join(token.token for token in choice.logprobs.content) == choice.message.content
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert raw.headers["x-request-id"].startswith("req_") and "openai-processing-ms" in raw.headers
    short = client.chat.completions.create(model="gpt-4.1", messages=chat("x"), max_tokens=2)
    assert short.choices[0].finish_reason == "length" and short.usage.completion_tokens == 2


@check
def chat_answers_in_a_schema(fake, client):
    answer = client.chat.completions.create(
        model="gpt-6-luna", messages=chat("my refund please"), reasoning_effort="low",
        response_format={"type": "json_schema", "json_schema": {"name": "label", "strict": True, "schema": SCHEMA}},
    )
    assert json.loads(answer.choices[0].message.content) == {"label": "refund"}
    loose = {"type": "json_schema", "json_schema": {"name": "label", "strict": True, "schema": {"type": "object"}}}
    with raises(openai.BadRequestError, "invalid_json_schema"):
        client.chat.completions.create(model="gpt-4.1", messages=chat("x"), response_format=loose)


@check
def responses_answer(fake, client):
    text = {"format": {"type": "json_schema", "name": "label", "strict": True, "schema": SCHEMA}}
    answer = client.responses.create(
        model="gpt-6-luna", input=chat("my refund please"), text=text, reasoning={"effort": "low"}, store=False
    )
    assert answer.status == "completed" and json.loads(answer.output_text) == {"label": "refund"}
    assert answer.output[0].type == "reasoning" and answer.usage.total_tokens > 0
    include = ["message.output_text.logprobs"]
    answer = client.responses.create(model="gpt-4.1", input=chat("exchange rate"), include=include, temperature=0)
    assert answer.output_text == "<output>exchange rate</output>" and answer.output[0].content[0].logprobs
    short = client.responses.create(model="gpt-4.1", input=chat("x" * 9), max_output_tokens=16)
    assert short.status == "completed"


@check
def decisions_decide(fake, client):
    choices = [{"value": label} for label in LABELS]
    question = {"type": "choice", "name": "label", "instructions": "What is it about?", "choices": choices}
    decision = client.decisions.create(model="gpt-6-luna", input="my card arrival", questions=[question])
    answer = decision.answers[0]
    assert (answer.type, answer.name, answer.choice) == ("choice", "label", "card arrival")
    assert [item.value for item in answer.probabilities] == LABELS
    assert abs(sum(item.probability for item in answer.probabilities) - 1) < 1e-9
    assert decision.usage.input_tokens > 0
    many = {**question, "choices": [{"value": str(number)} for number in range(256)]}
    with raises(openai.BadRequestError):
        client.decisions.create(model="gpt-6-luna", input="x", questions=[many])


@check
def parameters_are_refused_as_by_the_real_models(fake, client):
    ask = client.chat.completions.create
    with raises(openai.BadRequestError, "unsupported_parameter"):
        ask(model="gpt-6-luna", messages=chat("x"), max_tokens=9)
    with raises(openai.BadRequestError, "unsupported_value"):
        ask(model="gpt-6-luna", messages=chat("x"), temperature=0)
    with raises(openai.BadRequestError, "unsupported_value"):
        ask(model="gpt-6-astra", messages=chat("x"), reasoning_effort="none")
    with raises(openai.BadRequestError, "unknown_parameter"):
        ask(model="gpt-4.1", messages=chat("x"), extra_body={"no_such": 1})
    with raises(openai.BadRequestError):
        ask(model="gpt-4.1", messages=[])
    with raises(openai.BadRequestError):
        ask(model="gpt-4.1", messages=chat("x"), temperature=3)


@check
def errors_have_their_classes(fake, client):
    def ask():
        client.chat.completions.create(model="gpt-4.1", messages=chat("x"))

    with raises(openai.NotFoundError, "model_not_found"):
        client.chat.completions.create(model="gpt-9", messages=chat("x"))
    with raises(openai.AuthenticationError, "invalid_api_key"):
        fake.client(api_key="sk-wrong").models.list()
    for fault, more, kind, code in [
        ("billing", {}, openai.RateLimitError, "insufficient_quota"),
        ("rate_limited", {"seconds": 1}, openai.RateLimitError, "rate_limit_exceeded"),
        ("status", {"status": 500}, openai.InternalServerError, None),
        ("status", {"status": 503}, openai.InternalServerError, "server_is_overloaded"),
        ("html", {"status": 502}, openai.InternalServerError, None),
        ("reset", {}, openai.APIConnectionError, None),
        ("cut", {}, openai.APIConnectionError, None),
    ]:
        fake.fail(fault, on="/chat/", **more)
        if code is None:
            try:
                ask()
            except openai.APIError as error:
                assert isinstance(error, kind), f"{fault}: {type(error)}"
            else:
                raise AssertionError(f"{fault}: no error")
        else:
            with raises(kind, code):
                ask()
    fake.fail("stall", on="/chat/", ms=2_000)
    with raises(openai.APITimeoutError):
        fake.client(timeout=0.2).chat.completions.create(model="gpt-4.1", messages=chat("x"))


@check
def hints_on_waiting_are_obeyed(fake, client):
    patient = fake.client(max_retries=1)
    for hint in ({"ms": 10}, {"seconds": 0.01}):
        fake.fail("rate_limited", on="/chat/", **hint)
        assert patient.chat.completions.create(model="gpt-4.1", messages=chat("x")).choices
    before = fake.call("GET", "stats")
    assert before["statuses"]["429"] >= 2 and before["duplicates"] >= 2


def main():
    fake = Fake(sys.argv[1], "--key", KEY)
    return harness.run(fake, f"openai {openai.__version__}", fake.client())


if __name__ == "__main__":
    sys.exit(main())
