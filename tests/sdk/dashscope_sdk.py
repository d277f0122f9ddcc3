"""Drives the fake of Alibaba's fine-tuning with the official client.

Usage: dashscope_sdk.py FAKE, where FAKE is the example program `fake_openai`.
"""

import importlib.metadata
import pathlib
import sys
import tempfile

import dashscope

import harness
from harness import check, jsonl

KEY = "sk-sdk-test"
BASE = "qwen3-14b"
NUMBERS = {"n_epochs": 2, "batch_size": 4, "max_length": 2048, "learning_rate": "1.6e-5"}


def rows():
    for number in range(12):
        user = {"role": "user", "content": f"<item>\nwhere is the plastic {number}\n</item>"}
        yield {"messages": [user, {"role": "assistant", "content": "<output>card arrival</output>"}]}


def uploaded(client):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "train.jsonl"
        path.write_bytes(jsonl(rows()))
        return client.files.upload(file_path=str(path)).file_id


def refused(call, *words):
    try:
        call()
    except dashscope.v2.errors.DashScopeError as error:
        assert all(word in str(error) + str(error.code) for word in words), error
    else:
        raise AssertionError("nothing was refused")


@check
def a_job_runs_to_a_deployment(fake, client):
    file = uploaded(client)
    job = client.fine_tunes.create(
        model=BASE, training_file_ids=file, mode="efficient_sft", hyper_parameters=NUMBERS, finetuned_model="tb-1"
    )
    assert job.status == "PENDING" and job.finetuned_model is None and job.training_file_ids == [file]
    done = client.fine_tunes.wait(job, poll_interval=0.01, max_interval=0.01)
    assert done.succeeded and done.usage.total_tokens > 0 and done.hyper_parameters == NUMBERS
    assert job.job_id in [listed.job_id for listed in client.fine_tunes.list().jobs]
    lines = client.fine_tunes.logs(job.job_id, lines=2).content.splitlines()
    assert len(lines) == 2 and lines[1] == client.fine_tunes.logs(job.job_id, offset=2, lines=1).content

    deployment = client.deployments.create(model=done.finetuned_model, capacity=1, plan="lora")
    assert deployment.status == "DEPLOYING" and deployment.model == done.finetuned_model
    for _ in range(3):
        listed = client.deployments.list(page_size=50)
    assert [one.status for one in listed.deployments if one.deployed_model == deployment.deployed_model] == ["RUNNING"]
    assert client.deployments.get(deployment.deployed_model).status == "RUNNING"
    client.deployments.delete(deployment.deployed_model)
    refused(lambda: client.deployments.get(deployment.deployed_model), "NotFound")
    client.fine_tunes.delete(job.job_id)
    refused(lambda: client.fine_tunes.get(job.job_id), "NotFound")
    assert client.files.delete(file).deleted
    refused(lambda: client.files.delete(file), "not found")


@check
def bad_orders_are_refused(fake, client):
    file = uploaded(client)
    order = {"training_file_ids": file, "hyper_parameters": NUMBERS}
    refused(lambda: client.fine_tunes.create(model="qwen-none", **order), "Model")
    for numbers in ({**NUMBERS, "learning_rate": 1e-5}, {"n_epochs": 2}):
        refused(lambda: client.fine_tunes.create(model=BASE, **{**order, "hyper_parameters": numbers}), "InvalidParameter")
    refused(lambda: client.deployments.create(model="none", capacity=1, plan="lora"), "Model")
    refused(lambda: client.fine_tunes.list(api_key="sk-wrong"), "InvalidApiKey")


@check
def an_error_with_status_200_is_one(fake, client):
    fake.fail("answer", status=200, body={"code": "Throttling.RateQuota", "message": "Slower.", "request_id": "r"}, on="/fine-tunes")
    refused(lambda: client.fine_tunes.list(), "Throttling")


def main():
    fake = harness.Fake(sys.argv[1], "--key", KEY, "--model", BASE)
    client = dashscope.Client(api_key=KEY, base_url=fake.base_url.removesuffix("/v1") + "/api/v1", max_retries=0)
    return harness.run(fake, f"dashscope {importlib.metadata.version('dashscope')}", client)


if __name__ == "__main__":
    sys.exit(main())
