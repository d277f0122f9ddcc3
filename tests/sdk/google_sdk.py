"""Drives the fake Google with the official clients: what they take for real answers and errors must be such.

Usage: google_sdk.py FAKE, where FAKE is the example program `fake_google`.
"""

import contextlib
import importlib
import io
import json
import math
import os
import sys
import warnings

import google.auth.exceptions
import requests
from google import genai
from google.api_core import exceptions
from google.auth import compute_engine
from google.auth.compute_engine import _metadata
from google.auth.credentials import AnonymousCredentials
from google.auth.transport.requests import Request
from google.cloud import storage
from google.genai import errors, types
from google.oauth2.credentials import Credentials

import harness
from harness import check, jsonl

KEY = "AIza-sdk-test"
PROJECT, NUMBER, BUCKET = "fake-project", "123456789012", "fake-bucket"
LITE = "gemini-2.5-flash-lite"
SYSTEM = (
    "Classify the item.\n\n<categories>\nrefund\ncard arrival\nexchange rate\n</categories>\n\n"
    "Answer with one of the categories, inside <output></output>."
)
LABELS = ["refund", "card arrival", "exchange rate"]
ENUM = {"type": "STRING", "enum": LABELS}


class Fake(harness.Fake):
    """The program under test, and clients for it."""

    def __init__(self, program):
        super().__init__(program, "--api-key", KEY, lines=2)
        self.user = json.loads(self.printed[1])
        # A client that nobody holds closes its connections, and a new one takes its time.
        self.clients = {}

    def credentials(self, **more):
        user = {**self.user, **more}
        fields = ("refresh_token", "client_id", "client_secret", "token_uri", "quota_project_id")
        return Credentials(None, **{field: user[field] for field in fields})

    def gemini(self, version="v1beta", **options):
        http = types.HttpOptions(base_url=f"{self.base_url}/generativelanguage", api_version=version, **local())
        name = ("gemini", version, *options.values())
        if name not in self.clients:
            self.clients[name] = genai.Client(**{"api_key": KEY, "vertexai": False, "http_options": http, **options})
        return self.clients[name]

    def vertex(self, location="us-central1", credentials=None, host=None):
        name = ("vertex", location, credentials, host)
        if name not in self.clients:
            base_url = f"{self.base_url}/aiplatform/{host or location}"
            http = types.HttpOptions(base_url=base_url, api_version="v1", **local())
            credentials = credentials or self.credentials()
            self.clients[name] = genai.Client(
                vertexai=True, project=PROJECT, location=location, credentials=credentials, http_options=http
            )
        return self.clients[name]

    def storage(self, credentials=None):
        options = {"api_endpoint": self.base_url}
        return storage.Client(PROJECT, credentials=credentials or self.credentials(), client_options=options)


def local():
    """No proxy stands between a client and this machine."""
    return {"client_args": {"trust_env": False}, "timeout": 20_000}


def ask(client, item, model=LITE, system=SYSTEM, **config):
    config = types.GenerateContentConfig(system_instruction=system, **config)
    return client.models.generate_content(model=model, contents=f"<item>\n{item}\n</item>", config=config)


def rows(count):
    texts = {"refund": "give my money back", "card arrival": "where is the plastic", "exchange rate": "dollars for euros"}
    for number in range(count):
        label = LABELS[number % 3]
        yield {
            "systemInstruction": {"parts": [{"text": SYSTEM}]},
            "contents": [
                {"role": "user", "parts": [{"text": f"<item>\n{texts[label]} {number}\n</item>"}]},
                {"role": "model", "parts": [{"text": f"<output>{label}</output>"}]},
            ],
        }


def upload(fake, name, lines):
    fake.storage().bucket(BUCKET).blob(name).upload_from_string(jsonl(lines), "application/jsonl")
    return f"gs://{BUCKET}/{name}"


def tune(client, uri, base=LITE, **config):
    config = types.CreateTuningJobConfig(tuned_model_display_name="bench", **config)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return client.tunings.tune(base_model=base, training_dataset=types.TuningDataset(gcs_uri=uri), config=config)


def ended(client, job):
    for _ in range(20):
        job = client.tunings.get(name=job.name)
        if job.has_ended:
            return job
    raise AssertionError(f"the job does not end: {job.state}")


def details(error, kind):
    found = [detail for detail in error.details["error"].get("details", []) if detail["@type"].endswith(kind)]
    return found[0] if found else None


@contextlib.contextmanager
def raises(code, status, kind=errors.ClientError):
    caught = []
    try:
        yield caught
    except errors.APIError as error:
        assert isinstance(error, kind), f"{type(error)} is not {kind}"
        assert (error.code, error.status) == (code, status), f"{error.code} {error.status} is not {code} {status}"
        caught.append(error)
    else:
        raise AssertionError(f"no {code} {status}")


@check
def a_key_is_let_in_and_models_answer(fake):
    answer = ask(fake.gemini(), "what is the exchange rate")
    assert answer.text == "<output>exchange rate</output>"
    candidate, usage = answer.candidates[0], answer.usage_metadata
    assert candidate.finish_reason == types.FinishReason.STOP and candidate.content.role == "model"
    assert answer.model_version == LITE and answer.response_id
    assert usage.total_token_count == usage.prompt_token_count + usage.candidates_token_count
    assert usage.thoughts_token_count is None, "what is nothing is not said"
    counted = fake.gemini().models.count_tokens(model=LITE, contents="how many are these")
    assert counted.total_tokens > 0


@check
def models_are_listed_and_routed(fake):
    models = list(fake.gemini().models.list(config={"page_size": 3}))
    assert f"models/{LITE}" in [model.name for model in models] and len(models) == 10, "on several pages"
    model = fake.gemini().models.get(model=LITE)
    assert model.input_token_limit > 1_000_000 and "generateContent" in model.supported_actions
    assert not any("createTunedModel" in model.supported_actions for model in models), "none can be tuned by key"
    config = {"thinking_config": {"thinking_level": "LOW"}}
    assert ask(fake.gemini(), "x", "gemini-3.7-flash", **config).model_version == "gemini-3.8-flash"
    assert ask(fake.gemini(), "x", "gemini-flash-latest", **config).model_version == "gemini-3.8-flash"
    with raises(404, "NOT_FOUND"):
        ask(fake.gemini("v1"), "x", "gemini-flash-latest")
    with raises(404, "NOT_FOUND"):
        ask(fake.gemini(), "x", "gemini-2.0-flash")


@check
def schemas_shape_answers(fake):
    as_json = {"response_mime_type": "application/json"}
    answer = ask(fake.gemini(), "my refund please", response_schema=ENUM, **as_json)
    assert (answer.text, answer.parsed) == ('"refund"', "refund")
    schema = {"type": "object", "properties": {"label": {"type": "string", "enum": LABELS}}, "required": ["label"]}
    answer = ask(fake.vertex(), "the card arrival", response_json_schema=schema, **as_json)
    assert json.loads(answer.text) == {"label": "card arrival"}
    answer = ask(fake.gemini(), "my refund please", response_mime_type="text/x.enum", response_schema=ENUM)
    assert answer.text == "refund"
    with raises(400, "INVALID_ARGUMENT"):
        ask(fake.gemini(), "x", response_schema=ENUM)
    with raises(400, "INVALID_ARGUMENT"):
        ask(fake.gemini(), "x", response_schema=ENUM, response_json_schema=schema, **as_json)


@check
def thinking_counts_against_the_cap(fake):
    def capped(**thinking):
        config = {"thinking_config": thinking} if thinking else {}
        return ask(fake.gemini(), "my refund", "gemini-3.5-flash", max_output_tokens=32, **config)

    eaten = capped()
    assert eaten.text is None and eaten.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS
    assert eaten.usage_metadata.thoughts_token_count == 32 and eaten.usage_metadata.candidates_token_count is None
    assert capped(thinking_level="MINIMAL").text == "<output>refund</output>"
    short = ask(fake.gemini(), "my refund", max_output_tokens=2)
    assert short.text == "<output"[:5] and short.usage_metadata.candidates_token_count == 2


@check
def thinking_is_set_by_the_rules_of_each_model(fake):
    for model, thinking, fits in [
        ("gemini-2.5-flash", {"thinking_budget": 0}, True),
        ("gemini-2.5-pro", {"thinking_budget": 0}, False),
        ("gemini-2.5-pro", {"thinking_budget": 128}, True),
        ("gemini-2.5-flash-lite", {"thinking_budget": 100}, False),
        ("gemini-2.5-flash", {"thinking_level": "LOW"}, False),
        ("gemini-3.5-flash-lite", {"thinking_level": "MINIMAL"}, True),
        ("gemini-3.8-flash", {"thinking_level": "MINIMAL"}, False),
        ("gemini-3.1-pro-preview", {"thinking_level": "LOW"}, True),
        ("gemini-3.5-flash", {"thinking_level": "LOW", "thinking_budget": 9}, False),
    ]:
        with contextlib.nullcontext() if fits else raises(400, "INVALID_ARGUMENT"):
            assert ask(fake.gemini(), "x", model, thinking_config=thinking).candidates


@check
def parameters_are_refused_as_by_the_real_models(fake):
    for model, config in [
        (LITE, {"temperature": 2.5}),
        (LITE, {"max_output_tokens": 0}),
        (LITE, {"stop_sequences": list("abcdef")}),
        (LITE, {"logprobs": 3}),
        (LITE, {"response_logprobs": True}),
        ("gemini-3.8-flash", {"candidate_count": 2}),
        ("gemini-3.8-flash", {"presence_penalty": 0.5}),
    ]:
        with raises(400, "INVALID_ARGUMENT"):
            ask(fake.gemini(), "x", model, **config)
    extra = types.HttpOptions(extra_body={"generationConfig": {"noSuch": 1}})
    with raises(400, "INVALID_ARGUMENT") as caught:
        ask(fake.gemini(), "x", http_options=extra)
    violation = details(caught[0], "BadRequest")["fieldViolations"][0]
    assert violation["field"] == "generation_config" and 'Unknown name "noSuch"' in violation["description"]
    with raises(400, "INVALID_ARGUMENT"):
        fake.gemini().models.generate_content(model=LITE, contents=[{"role": "assistant", "parts": [{"text": "x"}]}])


@check
def log_probabilities_come_where_they_are_offered(fake):
    answer = ask(fake.vertex(), "my refund", response_logprobs=True, logprobs=3)
    result = answer.candidates[0].logprobs_result
    assert "".join(chosen.token for chosen in result.chosen_candidates) == answer.text
    assert all(0 < math.exp(chosen.log_probability) <= 1 for chosen in result.chosen_candidates)
    assert [len(top.candidates) for top in result.top_candidates] == [3] * len(result.chosen_candidates)
    assert answer.candidates[0].avg_logprobs < 0
    with raises(400, "INVALID_ARGUMENT"):
        ask(fake.vertex("global"), "x", "gemini-3.5-flash", response_logprobs=True)


@check
def what_has_no_text_is_read_as_such(fake):
    fake.fail("answer", status=200, body={"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}, on=":generate")
    blocked = ask(fake.gemini(), "x")
    assert blocked.candidates is None and blocked.prompt_feedback.block_reason == "PROHIBITED_CONTENT"
    fake.fail("answer", status=200, body={"candidates": [{"finishReason": "SAFETY"}]}, on=":generate")
    assert ask(fake.gemini(), "x").candidates[0].finish_reason == types.FinishReason.SAFETY
    fake.fail("answer", status=200, body={}, on=":generate")
    assert ask(fake.gemini(), "x").text is None


@check
def keys_and_tokens_are_wanted(fake):
    with raises(400, "INVALID_ARGUMENT") as caught:
        ask(fake.gemini(api_key="AIza-wrong"), "x")
    assert details(caught[0], "ErrorInfo")["reason"] == "API_KEY_INVALID"
    session = requests.Session()
    session.trust_env = False
    answer = session.get(f"{fake.base_url}/generativelanguage/v1beta/models")
    assert (answer.status_code, answer.json()["error"]["status"]) == (403, "PERMISSION_DENIED")
    answer = session.get(f"{fake.base_url}/aiplatform/global/v1/publishers/google/models/{LITE}")
    assert (answer.status_code, answer.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
    with raises(401, "UNAUTHENTICATED"):
        # A token that was never given, of a client that can't refresh it.
        ask(fake.vertex(credentials=Credentials("ya29.wrong")), "x")
    for more in ({"refresh_token": "1//revoked"}, {"client_secret": "wrong"}):
        try:
            fake.credentials(**more).refresh(Request(session))
        except google.auth.exceptions.RefreshError:
            continue
        raise AssertionError(f"refreshed with {more}")
    before = fake.call("GET", "stats")["requests"]["POST /token"]
    client = fake.vertex(credentials=fake.credentials())
    ask(client, "x"), ask(client, "x")
    assert fake.call("GET", "stats")["requests"]["POST /token"] == before + 1, "a token is good for an hour"


@check
def a_machine_of_googles_knows_its_token(fake):
    host = fake.base_url.removeprefix("http://")
    session = requests.Session()
    session.trust_env = False
    with environment(GCE_METADATA_HOST=host, GCE_METADATA_ROOT=host, GCE_METADATA_IP=host):
        importlib.reload(_metadata)
        assert _metadata.get_project_id(Request(session)) == PROJECT
        credentials = compute_engine.Credentials()
        credentials.refresh(Request(session))
        assert credentials.token.startswith("ya29.") and credentials.valid
    bare = session.get(f"{fake.base_url}/computeMetadata/v1/instance/service-accounts/default/token")
    assert bare.status_code == 403


@contextlib.contextmanager
def environment(**values):
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@check
def models_answer_where_they_are_served(fake):
    minimal = {"thinking_config": {"thinking_level": "MINIMAL"}}
    for location in ("global", "us", "eu"):
        assert ask(fake.vertex(location), "x", "gemini-3.5-flash", **minimal).create_time
    with raises(404, "NOT_FOUND"):
        ask(fake.vertex("us-central1"), "x", "gemini-3.5-flash", **minimal)
    assert ask(fake.vertex("us-central1"), "my refund").text == "<output>refund</output>"
    real = "us-central1-aiplatform.googleapis.com"
    assert ask(fake.vertex("us-central1", host=real), "my refund").text == "<output>refund</output>"
    with raises(404, "NOT_FOUND"):
        ask(fake.vertex("us-central1", host="aiplatform.googleapis.com"), "x")
    model = fake.vertex("global").models.get(model=LITE)
    assert model.name == f"publishers/google/models/{LITE}"
    assert fake.vertex().models.count_tokens(model=LITE, contents="x y").total_tokens > 0


@check
def objects_are_stored_in_every_way(fake):
    client = fake.storage()
    bucket = client.get_bucket(BUCKET)
    assert bucket.location == "US-CENTRAL1" and bucket.test_iam_permissions(["storage.objects.create"])
    content = jsonl(rows(4_000))
    assert len(content) > 4 * 262_144
    # A small file of known size goes in one request, any other in chunks.
    for name, chunk_size, size in (("plain/train.jsonl", None, len(content)), ("chunks/train.jsonl", 262_144, None)):
        blob = bucket.blob(name, chunk_size=chunk_size)
        blob.upload_from_file(io.BytesIO(content), size=size, if_generation_match=0, checksum="md5")
        assert blob.size == len(content) and blob.md5_hash and blob.crc32c and blob.generation
        again = bucket.get_blob(name)
        assert again.md5_hash == blob.md5_hash and again.download_as_bytes() == content
        try:
            bucket.blob(name, chunk_size=chunk_size).upload_from_string(b"other", if_generation_match=0)
        except exceptions.PreconditionFailed as error:
            assert error.code == 412
        else:
            raise AssertionError("overwritten")
        assert [listed.name for listed in client.list_blobs(BUCKET, prefix=name)] == [name]
        blob.delete()
        assert bucket.get_blob(name) is None
    assert fake.call("GET", "stats")["statuses"]["308"] >= 4
    for broken in (lambda: client.get_bucket("none"), lambda: bucket.blob("none").download_as_bytes()):
        try:
            broken()
        except exceptions.NotFound:
            continue
        raise AssertionError("found")
    try:
        fake.storage(AnonymousCredentials()).get_bucket(BUCKET, retry=None)
    except google.auth.exceptions.InvalidOperation:
        # The client is refused and asks for a new token, and there is none.
        return
    raise AssertionError("let in")


@check
def uploads_survive_lost_chunks(fake):
    content = jsonl(rows(4_000))
    bucket = fake.storage().bucket(BUCKET)
    fake.fail("status", status=503, on="PUT /upload/", every=2)
    blob = bucket.blob("lost.jsonl", chunk_size=262_144)
    blob.upload_from_file(io.BytesIO(content), if_generation_match=0)
    assert blob.download_as_bytes() == content
    session = requests.Session()
    session.trust_env = False
    fake_credentials = fake.credentials()
    fake_credentials.refresh(Request(session))
    headers = {"Authorization": f"Bearer {fake_credentials.token}"}
    url = f"{fake.base_url}/upload/storage/v1/b/{BUCKET}/o?uploadType="
    plain = session.post(f"{url}media&name=a%2Fb.jsonl&ifGenerationMatch=0", data=content, headers=headers)
    assert plain.status_code == 200 and int(plain.json()["size"]) == len(content)
    begun = session.post(f"{url}resumable&name=c.jsonl", headers=headers)
    address = begun.headers["Location"]

    def put(span, data=b""):
        return session.put(address, data=data, headers={"Content-Range": f"bytes {span}"}, allow_redirects=False)

    nothing = put(f"*/{len(content)}")
    assert nothing.status_code == 308 and "Range" not in nothing.headers, "nothing is stored"
    assert put("0-99/*", content[:100]).status_code == 400, "no multiple of 256 KiB"
    half = put(f"0-262143/{len(content)}", content[:262_144])
    assert (half.status_code, half.headers["Range"]) == (308, "bytes=0-262143")
    assert put("524288-524289/524290", b"xx").status_code == 400, "a gap"
    rest = put(f"262144-{len(content) - 1}/{len(content)}", content[262_144:])
    assert rest.status_code == 200 and rest.json()["md5Hash"] == plain.json()["md5Hash"]


@check
def a_job_runs_to_a_model_that_answers_at_its_own_place_only(fake):
    uri = upload(fake, "train.jsonl", rows(12))
    client = fake.vertex("us-central1")
    labels = {"tool": "tunebench", "mark": "ab12"}
    job = tune(
        client, uri, "gemini-3.5-flash", epoch_count=4, learning_rate_multiplier=0.5,
        adapter_size=types.AdapterSize.ADAPTER_SIZE_FOUR, labels=labels,
    )
    assert job.state == types.JobState.JOB_STATE_PENDING and job.labels == labels
    assert job.name.startswith(f"projects/{NUMBER}/locations/us-central1/tuningJobs/")
    assert client.tunings.get(name=job.name).state == types.JobState.JOB_STATE_RUNNING
    job = ended(client, job)
    assert job.state == types.JobState.JOB_STATE_SUCCEEDED and job.error is None and job.end_time
    hyper = job.supervised_tuning_spec.hyper_parameters
    assert (hyper.epoch_count, hyper.adapter_size) == (4, types.AdapterSize.ADAPTER_SIZE_FOUR)
    stats = job.tuning_data_stats.supervised_tuning_data_stats
    assert (stats.tuning_dataset_example_count, stats.tuning_step_count) == (12, 8)
    assert stats.user_input_token_distribution.max > 0 and stats.total_billable_token_count > 0
    checkpoints = job.tuned_model.checkpoints
    assert [(point.checkpoint_id, point.epoch, point.step) for point in checkpoints][-1] == ("4", 4, 8)
    assert checkpoints[-1].endpoint == job.tuned_model.endpoint and "/locations/us/" in job.tuned_model.endpoint

    plain = {"thinking_config": {"thinking_level": "MINIMAL"}}
    for endpoint in (job.tuned_model.endpoint, checkpoints[0].endpoint):
        assert ask(fake.vertex("us"), "the plastic is missing", endpoint, **plain).text == "<output>card arrival</output>"
    for elsewhere in ("us-central1", "global"):
        # The path names the right location, the host serves another.
        with raises(404, "NOT_FOUND"):
            ask(fake.vertex(elsewhere), "x", job.tuned_model.endpoint, **plain)
        with raises(404, "NOT_FOUND"):
            ask(fake.vertex(elsewhere), "x", job.tuned_model.endpoint.replace("/us/", f"/{elsewhere}/"), **plain)
    with raises(400, "INVALID_ARGUMENT"):
        ask(fake.vertex("us"), "x", job.tuned_model.model.split("@")[0], **plain)
    model = fake.vertex("us").models.get(model=job.tuned_model.model)
    assert model.display_name == "bench" and model.labels == labels

    found = list(client.tunings.list(config={"page_size": 1, "filter": 'labels.mark="ab12"'}))
    assert [listed.name for listed in found] == [job.name]
    assert not list(client.tunings.list(config={"filter": 'labels.mark="other"'}))
    assert not list(fake.vertex("europe-west4").tunings.list()), "jobs of another location are not shown"
    with raises(400, "INVALID_ARGUMENT"):
        list(client.tunings.list(config={"filter": "colour=blue"}))
    with raises(400, "FAILED_PRECONDITION"):
        client.tunings.cancel(name=job.name)
    deleted(fake, job)


def deleted(fake, job):
    """What the client has no calls for: endpoints are emptied and deleted, then the model."""
    session = requests.Session()
    session.trust_env = False
    credentials = fake.credentials()
    credentials.refresh(Request(session))
    session.headers["Authorization"] = f"Bearer {credentials.token}"
    url = f"{fake.base_url}/aiplatform/us/v1/"
    model = job.tuned_model.model.split("@")[0]
    assert session.delete(url + model).json()["error"]["status"] == "FAILED_PRECONDITION"

    def done(answer):
        operation = answer.json()
        assert answer.status_code == 200 and "done" not in operation, operation
        for _ in range(5):
            operation = session.get(url + operation["name"]).json()
            if operation.get("done"):
                return
        raise AssertionError("the operation does not end")

    for endpoint in [point.endpoint for point in job.tuned_model.checkpoints]:
        assert session.delete(url + endpoint).json()["error"]["status"] == "FAILED_PRECONDITION"
        assert session.delete(url + endpoint + "?force=true").json()["error"]["status"] == "INVALID_ARGUMENT"
        there = session.get(url + endpoint).json()["deployedModels"][0]["id"]
        done(session.post(url + endpoint + ":undeployModel", json={"deployedModelId": there}))
        done(session.delete(url + endpoint))
        assert session.get(url + endpoint).status_code == 404
    done(session.delete(url + model))
    assert session.get(url + model).status_code == 404


@check
def jobs_stop_when_told(fake):
    client = fake.vertex()
    job = tune(client, upload(fake, "stop.jsonl", rows(12)))
    client.tunings.cancel(name=job.name)
    job = client.tunings.get(name=job.name)
    assert job.state == types.JobState.JOB_STATE_CANCELLED and job.error.code == 1 and job.tuned_model is None
    listed = list(client.tunings.list(config={"page_size": 1}))
    assert job.name in [listed.name for listed in listed] and len(listed) >= 1


@check
def a_tuned_model_can_be_tuned_again(fake):
    client = fake.vertex()
    uri = upload(fake, "again.jsonl", rows(12))
    first = ended(client, tune(client, uri, export_last_checkpoint_only=True))
    assert first.tuned_model.checkpoints is None and "/locations/us-central1/" in first.tuned_model.endpoint
    second = tune(client, uri, first.tuned_model.model)
    assert second.base_model is None and second.pre_tuned_model.tuned_model_name == first.tuned_model.model
    second = ended(client, second)
    assert ask(client, "the plastic is missing", second.tuned_model.endpoint).text == "<output>card arrival</output>"


@check
def bad_files_fail_their_jobs_later(fake):
    client = fake.vertex()
    openai = [{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}]
    assistant = [json.loads(json.dumps(row).replace('"model"', '"assistant"')) for row in rows(3)]
    unanswered = [{**row, "contents": row["contents"][:1]} for row in rows(3)]
    for name, lines in (("messages", openai), ("assistant", assistant), ("unanswered", unanswered)):
        job = ended(client, tune(client, upload(fake, f"{name}.jsonl", lines)))
        assert job.state == types.JobState.JOB_STATE_FAILED and job.error.code == 3 and "1" in job.error.message
    job = ended(client, tune(client, f"gs://{BUCKET}/none.jsonl"))
    assert job.state == types.JobState.JOB_STATE_FAILED
    empty = list(rows(12))
    empty[4]["contents"][1]["parts"][0]["text"] = " "
    empty[7]["contents"][0]["parts"][0]["text"] = "word " * 120_000
    stats = ended(client, tune(client, upload(fake, "empty.jsonl", empty))).tuning_data_stats.supervised_tuning_data_stats
    assert stats.tuning_dataset_example_count == 11 and "5" in stats.dropped_example_reasons[0]
    assert (stats.total_truncated_example_count, stats.truncated_example_indices) == (1, [8])


@check
def bad_orders_are_refused(fake):
    uri = upload(fake, "order.jsonl", rows(12))
    client = fake.vertex()
    for base, config in [
        ("gemini-2.5-pro", {"adapter_size": "ADAPTER_SIZE_SIXTEEN"}),
        ("gemini-3.8-flash", {}),
        ("gemini-9", {}),
        (LITE, {"epoch_count": 0, "learning_rate_multiplier": -1}),
        (LITE, {"labels": {"mark": "Not Lower"}}),
    ]:
        with raises(400, "INVALID_ARGUMENT"):
            tune(client, uri, base, **config)
    with raises(400, "INVALID_ARGUMENT"):
        tune(client, "train.jsonl")
    for location in ("global", "us-east1"):
        with raises(400, "FAILED_PRECONDITION"):
            tune(fake.vertex(location), uri, "gemini-3.5-flash")
    with raises(404, "NOT_FOUND"):
        client.tunings.get(name=f"projects/{PROJECT}/locations/us-central1/tuningJobs/1")
    fake.fail("training_not_available", on="/tuningJobs")
    with raises(403, "PERMISSION_DENIED"):
        tune(client, uri)


@check
def a_size_by_number_is_not_that_size(fake):
    session = requests.Session()
    session.trust_env = False
    credentials = fake.credentials()
    credentials.refresh(Request(session))
    order = {
        "baseModel": LITE,
        "supervisedTuningSpec": {
            "trainingDatasetUri": f"gs://{BUCKET}/train.jsonl", "hyperParameters": {"adapterSize": 4, "epochCount": 2}
        },
    }
    url = f"{fake.base_url}/aiplatform/us-central1/v1/projects/{PROJECT}/locations/us-central1/tuningJobs"
    job = session.post(url, json=order, headers={"Authorization": f"Bearer {credentials.token}"}).json()
    hyper = job["supervisedTuningSpec"]["hyperParameters"]
    assert hyper == {"adapterSize": "ADAPTER_SIZE_SIXTEEN", "epochCount": "2"}, "and 64 bits are a string"


def batch_request(number):
    turn = {"role": "user", "parts": [{"text": f"<item>\ngive my money back {number}\n</item>"}]}
    return {"contents": [turn], "systemInstruction": {"parts": [{"text": SYSTEM}]}}


def batch_ended(client, job):
    seen = set()
    while job.state.name not in ("JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED"):
        job = client.batches.get(name=job.name)
        seen.add(job.state.name)
    assert seen & {"JOB_STATE_RUNNING", "JOB_STATE_CANCELLING"}, seen
    return job


@check
def a_file_of_requests_is_answered_by_gemini(fake):
    client = fake.gemini()
    rows = jsonl({"key": f"row-{number}", "request": batch_request(number)} for number in range(3))
    config = types.UploadFileConfig(display_name="rows", mime_type="jsonl")
    file = client.files.upload(file=io.BytesIO(rows), config=config)
    shown = (file.display_name, file.size_bytes, file.state.name)
    assert shown == ("rows", len(rows), "ACTIVE"), shown
    job = client.batches.create(model=LITE, src=file.name, config={"display_name": "part 1"})
    assert (job.display_name, job.state.name) == ("part 1", "JOB_STATE_PENDING")
    assert job.name in [listed.name for listed in client.batches.list()]
    job = batch_ended(client, job)
    lines = [json.loads(line) for line in client.files.download(file=job.dest.file_name).splitlines()]
    answer = types.GenerateContentResponse.model_validate(lines[0]["response"])
    assert lines[0]["key"] == "row-0" and answer.text == "<output>refund</output>"
    assert answer.usage_metadata.prompt_token_count > 0
    running = client.batches.create(model=LITE, src=file.name, config={"display_name": "part 2"})
    client.batches.cancel(name=running.name)
    assert batch_ended(client, running).state.name == "JOB_STATE_CANCELLED"
    client.files.delete(name=file.name)
    with raises(404, "NOT_FOUND"):
        client.files.get(name=file.name)


@check
def a_bucket_of_requests_is_answered_by_vertex(fake):
    client, bucket = fake.vertex("us-central1"), fake.storage().bucket(BUCKET)
    rows = jsonl({"request": {**batch_request(number), "labels": {"row": str(number)}}} for number in range(3))
    bucket.blob("batch/in.jsonl").upload_from_string(rows)
    config = {"display_name": "part 1", "dest": f"gs://{BUCKET}/batch/out/"}
    job = client.batches.create(model=LITE, src=f"gs://{BUCKET}/batch/in.jsonl", config=config)
    assert job.state.name == "JOB_STATE_QUEUED" and job.name.startswith(f"projects/{NUMBER}/locations/us-central1/")
    assert job.name in [listed.name for listed in client.batches.list()]
    job = batch_ended(client, job)
    written = [blob for blob in bucket.list_blobs(prefix="batch/out/") if blob.name.endswith(".jsonl")]
    lines = [json.loads(line) for blob in written for line in blob.download_as_bytes().splitlines()]
    assert sorted(line["request"]["labels"]["row"] for line in lines) == ["0", "1", "2"]
    answer = types.GenerateContentResponse.model_validate(lines[0]["response"])
    assert lines[0]["status"] == "" and answer.text == "<output>refund</output>"
    running = client.batches.create(model=LITE, src=f"gs://{BUCKET}/batch/in.jsonl", config=config)
    client.batches.cancel(name=running.name)
    assert batch_ended(client, running).state.name == "JOB_STATE_CANCELLED"


@check
def errors_have_their_classes(fake):
    server = errors.ServerError
    for fault, more, code, status, kind in [
        ("daily_limit", {}, 429, "RESOURCE_EXHAUSTED", errors.ClientError),
        ("rate_limited", {"seconds": 1.5}, 429, "RESOURCE_EXHAUSTED", errors.ClientError),
        ("rate_limited", {}, 429, "RESOURCE_EXHAUSTED", errors.ClientError),
        ("billing", {}, 429, "RESOURCE_EXHAUSTED", errors.ClientError),
        ("bad_key", {}, 400, "INVALID_ARGUMENT", errors.ClientError),
        ("status", {"status": 500}, 500, "INTERNAL", server),
        ("status", {"status": 503}, 503, "UNAVAILABLE", server),
        ("status", {"status": 504}, 504, "DEADLINE_EXCEEDED", server),
    ]:
        fake.fail(fault, on=":generateContent", **more)
        with raises(code, status, kind) as caught:
            ask(fake.gemini(), "x")
        if fault == "daily_limit":
            assert "PerDay" in details(caught[0], "QuotaFailure")["violations"][0]["quotaId"]
            assert details(caught[0], "RetryInfo")["retryDelay"] == "34.074824224s"
        if more == {"seconds": 1.5}:
            assert details(caught[0], "RetryInfo")["retryDelay"] == "1.500000000s"
    for fault, more in [("html", {"status": 502}), ("reset", {}), ("cut", {}), ("half", {})]:
        fake.fail(fault, on=":generateContent", **more)
        try:
            ask(fake.gemini(), "x")
        except Exception:  # each client has its own way with what is no answer
            continue
        raise AssertionError(f"{fault}: no error")


@check
def the_client_tries_again_when_told_to(fake):
    http = types.HttpOptions(
        base_url=f"{fake.base_url}/generativelanguage", api_version="v1beta", **local(),
        retry_options=types.HttpRetryOptions(attempts=2, initial_delay=0.01, jitter=0.01),
    )
    client = genai.Client(api_key=KEY, vertexai=False, http_options=http)
    fake.fail("status", status=503, on=":generateContent")
    assert ask(client, "my refund").text == "<output>refund</output>"
    assert fake.call("GET", "stats")["duplicates"] >= 1


def main():
    return harness.run(Fake(sys.argv[1]), f"google-genai {genai.__version__}, google-cloud-storage {storage.__version__}")


if __name__ == "__main__":
    sys.exit(main())
