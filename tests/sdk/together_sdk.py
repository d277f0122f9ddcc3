"""Drives the fake of Together's fine-tuning and deployments with the official client.

Usage: together_sdk.py FAKE, where FAKE is the example program `fake_openai`.
"""

import importlib.metadata
import pathlib
import sys
import tempfile

import together

import harness
from harness import check, jsonl

KEY = "tg-sdk-test"
BASE = "Qwen/Qwen3.5-0.8B"
PROJECT = "proj_fake"


def rows(count):
    for number in range(count):
        user = {"role": "user", "content": f"<item>\nwhere is the plastic {number}\n</item>"}
        yield {"messages": [user, {"role": "assistant", "content": "<output>card arrival</output>"}]}


def uploaded(client, lines):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "train.jsonl"
        path.write_bytes(jsonl(lines))
        file = client.files.upload(path, purpose="fine-tune")
    for _ in range(5):
        file = client.files.retrieve(file.id)
        if file.processing_status not in ("PENDING", "QUEUED", "RUNNING"):
            return file
    raise AssertionError(file)


def refused(call, status):
    try:
        call()
    except together.APIStatusError as error:
        assert error.status_code == status, error
    else:
        raise AssertionError("nothing was refused")


def trained(client):
    file = uploaded(client, rows(12))
    job = client.fine_tuning.create(
        training_file=file.id, model=BASE, n_epochs=2, learning_rate=1e-3, suffix="tb-" + "0a" * 16, lora=True
    )
    for _ in range(10):
        job = client.fine_tuning.retrieve(job.id)
        if job.status == "completed":
            return job
    raise AssertionError(job)


@check
def a_file_goes_to_the_store_and_is_looked_through(fake, client):
    file = uploaded(client, rows(11))
    assert file.processing_status == "COMPLETED" and file.validation_report.nlines == 11
    again = uploaded(client, rows(11))
    assert again.id == file.id
    bad = uploaded(client, [{"messages": [{"role": "user", "content": "no answer"}]}])
    assert bad.processing_status == "INVALID_FORMAT" and "Example 1" in bad.validation_report.error
    client.files.delete(file.id)
    refused(lambda: client.files.retrieve(file.id), 404)


@check
def a_job_runs_to_a_model(fake, client):
    limits = client.fine_tuning.model_limits(model_name=BASE)
    assert limits.max_num_epochs == 20 and limits.lora_training.max_rank == 64
    job = trained(client)
    assert job.api_model_object_id.startswith("ml_") and job.token_count > 0
    listed = [one for one in client.fine_tuning.list().data if one.id == job.id]
    assert listed[0].suffix == "tb-" + "0a" * 16 and listed[0].status == "completed"
    events = client.fine_tuning.list_events(job.id).data
    assert events and events[-1].message == "The job has successfully completed"
    checkpoints = client.fine_tuning.list_checkpoints(job.id).data
    assert checkpoints[-1].object_id == job.api_model_object_id
    assert client.fine_tuning.list_metrics(job.id).metrics[0]["train/loss"] > 0
    estimate = client.fine_tuning.estimate_price(training_file=job.training_file, model=BASE, n_epochs=2)
    assert estimate.estimation_available and estimate.estimated_total_price > 0
    refused(lambda: client.fine_tuning.cancel(job.id), 400)
    refused(lambda: client.fine_tuning.model_limits(model_name="none"), 400)
    client.fine_tuning.delete(job.id)
    refused(lambda: client.fine_tuning.retrieve(job.id), 404)


@check
def a_model_answers_while_it_is_deployed(fake, client):
    model = trained(client).api_model_object_id
    assert client.whoami().project.id == PROJECT
    reference = f"projects/{PROJECT}/models/{model}"
    config = client.models.configs.list(project_id=PROJECT, reference_model=reference).data[0]
    machines = client.endpoints.hardware.list().data
    assert {one.value for one in config.selectors} >= {"1"} and machines[0].price_cents_per_hour == 399
    endpoint = client.endpoints.create(project_id=PROJECT, name="tunebench-0123456789ab")
    order = {
        "project_id": PROJECT, "name": "main", "model": reference, "inactive_timeout": 30,
        "config": f"projects/{config.project_id}/configs/{config.id}",
        "autoscaling": {"min_replicas": 1, "max_replicas": 1},
    }
    deployments = client.endpoints.deployments
    deployments.create(endpoint.id, validate_only=True, **order)
    refused(lambda: deployments.create(endpoint.id, **{**order, "inactive_timeout": 5}), 400)
    made = deployments.create(endpoint.id, **order)
    assert made.inactive_timeout == 30 and made.status.state == "DEPLOYMENT_STATE_PROVISIONING"
    here = {"project_id": PROJECT, "endpoint_id": endpoint.id}
    for _ in range(3):
        ready = deployments.retrieve(made.id, **here)
    assert ready.status.state == "DEPLOYMENT_STATE_READY" and ready.status.ready_replicas == 1
    task = "<labels>\ncard arrival\nrefund\n</labels>\nAnswer inside <output></output>."
    item = "<item>\nwhere is the plastic\n</item>"
    messages = [{"role": "system", "content": task}, {"role": "user", "content": item}]
    answer = client.chat.completions.create(model=ready.name, messages=messages, max_tokens=16)
    assert "card arrival" in answer.choices[0].message.content
    listed = client.endpoints.list(project_id=PROJECT, filter="name:tunebench-*").data
    assert [one.id for one in listed] == [endpoint.id] and listed[0].deployments[0].id == made.id
    refused(lambda: deployments.delete(made.id, **here), 400)
    refused(lambda: client.endpoints.delete(endpoint.id, project_id=PROJECT), 400)
    scaled = deployments.update(
        made.id, update_mask="autoscaling", autoscaling={"min_replicas": 0, "max_replicas": 0}, **here
    )
    assert scaled.status.state == "DEPLOYMENT_STATE_STOPPING"
    for _ in range(3):
        stopped = deployments.retrieve(made.id, **here)
    assert stopped.status.state == "DEPLOYMENT_STATE_STOPPED"
    deployments.delete(made.id, **here)
    client.endpoints.delete(endpoint.id, project_id=PROJECT)
    refused(lambda: client.endpoints.retrieve(endpoint.id, project_id=PROJECT), 404)


def main():
    fake = harness.Fake(sys.argv[1], "--key", KEY, "--model", BASE)
    base_url = fake.base_url.removesuffix("/v1") + "/together"
    client = together.Together(api_key=KEY, base_url=base_url, max_retries=0)
    return harness.run(fake, f"together {importlib.metadata.version('together')}", client)


if __name__ == "__main__":
    sys.exit(main())
