"""Drives the fake Anthropic with the official client: what the client takes for real answers and errors must be such.

Usage: anthropic_sdk.py FAKE, where FAKE is the example program `fake_anthropic`.
"""

import contextlib
import json
import sys

import anthropic
from anthropic import Anthropic

import harness
from harness import check

KEY = "sk-ant-sdk-test"
MODEL = "claude-haiku-5-5"
LABELS = ["refund", "card arrival", "exchange rate"]
SYSTEM = (
    "Classify the item.\n\n<categories>\nrefund\ncard arrival\nexchange rate\n</categories>\n\n"
    "Answer with one of the categories, inside <output></output>."
)
SCHEMA = {
    "type": "object",
    "properties": {"label": {"type": "string", "enum": LABELS}},
    "required": ["label"],
    "additionalProperties": False,
}


class Fake(harness.Fake):
    def client(self, **options):
        http = anthropic.DefaultHttpxClient(trust_env=False)
        return Anthropic(**{"api_key": KEY, "base_url": self.base_url, "max_retries": 0, "http_client": http, **options})


@contextlib.contextmanager
def raises(kind, error_type=None, code=None):
    try:
        yield
    except kind as error:
        assert type(error) is kind, f"{type(error)} is not quite {kind}"
        said = error.body["error"] if isinstance(error.body, dict) else {}
        assert error_type is None or said["type"] == error_type, said
        assert code is None or said["details"]["error_code"] == code, said
    else:
        raise AssertionError(f"no {kind}")


def ask(client, text, **more):
    turn = {"role": "user", "content": f"<item>\n{text}\n</item>"}
    options = {"model": MODEL, "max_tokens": 64, "system": SYSTEM, "messages": [turn], "thinking": {"type": "disabled"}}
    options.update(more)
    return client.messages.create(**{name: value for name, value in options.items() if value is not None})


@check
def answers_in_a_tag(fake, client):
    raw = client.messages.with_raw_response.create(
        model=MODEL, max_tokens=64, system=SYSTEM, stop_sequences=["</output>"], thinking={"type": "disabled"},
        messages=[{"role": "user", "content": "<item>\nwhat is the exchange rate\n</item>"}],
    )
    answer = raw.parse()
    assert [block.type for block in answer.content] == ["text"]
    assert (answer.content[0].text, answer.stop_reason) == ("<output>exchange rate", "stop_sequence")
    assert (answer.stop_sequence, answer.model, answer.role) == ("</output>", MODEL, "assistant")
    assert answer.usage.input_tokens > 0 and answer.usage.output_tokens_details.thinking_tokens == 0
    assert raw.headers["request-id"].startswith("req_") and answer._request_id == raw.headers["request-id"]


@check
def answers_in_a_schema(fake, client):
    config = {"format": {"type": "json_schema", "schema": SCHEMA}}
    answer = ask(client, "my refund please", output_config=config)
    assert json.loads(answer.content[0].text) == {"label": "refund"} and answer.stop_reason == "end_turn"
    open_schema = {"type": "object", "properties": {}}
    with raises(anthropic.BadRequestError, "invalid_request_error"):
        ask(client, "x", output_config={"format": {"type": "json_schema", "schema": open_schema}})


@check
def thinking_comes_first_and_is_paid(fake, client):
    answer = ask(client, "refund", model="claude-opus-5-5", thinking=None, max_tokens=2000)
    assert [block.type for block in answer.content] == ["thinking", "text"]
    assert answer.usage.output_tokens_details.thinking_tokens > 0
    short = ask(client, "refund", model="claude-opus-5-5", thinking=None, max_tokens=10)
    assert short.stop_reason == "max_tokens" and short.usage.output_tokens == 10
    for model, kind in [("claude-opus-5-5", "disabled"), ("claude-sonnet-5-5", "disabled"), (MODEL, "between_tools")]:
        with raises(anthropic.BadRequestError):
            ask(client, "x", model=model, thinking={"type": kind})
    ask(client, "x", model="claude-sonnet-5-5", thinking={"type": "between_tools"})


@check
def what_is_gone_is_refused(fake, client):
    with raises(anthropic.BadRequestError):
        ask(client, "x", extra_body={"temperature": 0})
    with raises(anthropic.BadRequestError):
        ask(client, "x", messages=[{"role": "user", "content": "x"}, {"role": "assistant", "content": "<output>"}])
    with raises(anthropic.BadRequestError):
        ask(client, "x", messages=[{"role": "user", "content": ""}])
    with raises(anthropic.NotFoundError, "not_found_error"):
        ask(client, "x", model="claude-opus-4-1-20250805")


@check
def a_long_task_is_cached(fake, client):
    task = [{"type": "text", "text": SYSTEM + "\n" + "word " * 1000, "cache_control": {"type": "ephemeral"}}]
    first = ask(client, "refund", system=task).usage
    second = ask(client, "another", system=task).usage
    assert first.cache_creation_input_tokens > 512 and first.cache_read_input_tokens == 0
    assert first.cache_creation.ephemeral_5m_input_tokens == first.cache_creation_input_tokens
    assert second.cache_read_input_tokens == first.cache_creation_input_tokens and second.input_tokens > 0
    marked = [{"type": "text", "text": str(number), "cache_control": {"type": "ephemeral"}} for number in range(5)]
    with raises(anthropic.BadRequestError):
        ask(client, "x", system=marked)


@check
def tokens_are_counted(fake, client):
    counted = client.messages.count_tokens(model=MODEL, system=SYSTEM, messages=[{"role": "user", "content": "x"}])
    assert counted.input_tokens > 20


@check
def models_are_listed_with_what_they_can(fake, client):
    models = {model.id: model for model in client.models.list()}
    assert MODEL in models and "claude-opus-4-1-20250805" not in models
    model = client.models.retrieve(MODEL)
    assert model.capabilities.thinking.types.disabled.supported and model.capabilities.structured_outputs.supported
    assert not client.models.retrieve("claude-opus-5-5").capabilities.thinking.types.disabled.supported
    assert client.models.retrieve("claude-opus-4-1-20250805").lifecycle == "retired"
    with raises(anthropic.NotFoundError, "not_found_error"):
        client.models.retrieve("claude-none")


@check
def a_batch_is_answered(fake, client):
    def row(number, **more):
        turn = {"role": "user", "content": f"<item>\ngive my money back {number}\n</item>"}
        params = {"model": MODEL, "max_tokens": 64, "system": SYSTEM, "messages": [turn], "thinking": {"type": "disabled"}}
        return {"custom_id": f"row-{number}", "params": {**params, **more}}

    batch = client.messages.batches.create(requests=[row(0), row(1), row(2, max_tokens=1_000_000)])
    assert (batch.type, batch.processing_status, batch.results_url) == ("message_batch", "in_progress", None)
    assert batch.request_counts.processing == 3 and batch.expires_at > batch.created_at
    with raises(anthropic.NotFoundError, "not_found_error"):
        client.messages.batches.retrieve("msgbatch_none")
    while batch.processing_status != "ended":
        assert batch.request_counts.succeeded == 0, "nothing is told before the end"
        batch = client.messages.batches.retrieve(batch.id)
    assert (batch.request_counts.succeeded, batch.request_counts.errored) == (2, 1)
    results = {line.custom_id: line.result for line in client.messages.batches.results(batch.id)}
    assert results["row-0"].message.content[0].text == "<output>refund</output>"
    assert results["row-0"].message.usage.service_tier == "batch"
    assert results["row-2"].error.error.type == "invalid_request_error", "a row is checked while the batch runs"
    for wrong in ([row(1), row(1)], [{**row(1), "custom_id": "a b"}], []):
        with raises(anthropic.BadRequestError, "invalid_request_error"):
            client.messages.batches.create(requests=wrong)
    running = client.messages.batches.create(requests=[row(7)])
    listed = [listed.id for listed in client.messages.batches.list(limit=1)]
    assert listed == [running.id, batch.id], "the newest comes first, page by page"
    assert client.messages.batches.cancel(running.id).processing_status == "canceling"
    with raises(anthropic.BadRequestError):
        client.messages.batches.delete(running.id)
    assert client.messages.batches.delete(batch.id).type == "message_batch_deleted"


@check
def errors_have_their_classes(fake, client):
    with raises(anthropic.AuthenticationError, "authentication_error"):
        ask(fake.client(api_key="sk-wrong"), "x")
    for fault, more, kind, error_type, code in [
        ("billing", {}, anthropic.RateLimitError, "rate_limit_error", "enforced_spend_limit_reached"),
        ("rate_limited", {"seconds": 1}, anthropic.RateLimitError, "rate_limit_error", None),
        ("daily_limit", {}, anthropic.BadRequestError, "invalid_request_error", None),
        ("status", {"status": 403}, anthropic.PermissionDeniedError, "permission_error", None),
        ("status", {"status": 500}, anthropic.InternalServerError, "api_error", None),
        ("status", {"status": 529}, None, "overloaded_error", None),
        ("html", {"status": 413}, None, None, None),
        ("reset", {}, anthropic.APIConnectionError, None, None),
    ]:
        fake.fail(fault, on="/v1/messages", **more)
        try:
            ask(client, "x")
        except anthropic.APIError as error:
            assert kind is None or isinstance(error, kind), f"{fault}: {type(error)}"
            said = error.body["error"] if isinstance(error.body, dict) else {}
            assert error_type is None or said["type"] == error_type, f"{fault}: {said}"
            assert code is None or said["details"]["error_code"] == code, f"{fault}: {said}"
        else:
            raise AssertionError(f"{fault}: no error")


@check
def hints_on_waiting_are_obeyed(fake, client):
    patient = fake.client(max_retries=1)
    for hint in ({"ms": 10}, {"seconds": 0.01}):
        fake.fail("rate_limited", on="/v1/messages", **hint)
        assert ask(patient, "x").content


def main():
    fake = Fake(sys.argv[1], "--key", KEY)
    return harness.run(fake, f"anthropic {anthropic.__version__}", fake.client())


if __name__ == "__main__":
    sys.exit(main())
