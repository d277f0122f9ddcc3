"""banking10 for inspect_ai, in its two usual forms; writes the logs."""

import csv

from classify import classify
from inspect_ai import Task, eval, task
from inspect_ai.dataset import FieldSpec, Sample, csv_dataset
from inspect_ai.model import ModelAPI, ModelOutput, modelapi
from inspect_ai.scorer import choice, exact
from inspect_ai.solver import generate, multiple_choice, prompt_template

LABELS = sorted({row["label"] for row in csv.DictReader(open("test.csv", newline=""))})


@modelapi(name="words")
class Words(ModelAPI):
    async def generate(self, input, tools, tool_choice, config):
        text = input[-1].text
        if "new card" in text:
            raise RuntimeError("the server is overloaded")
        if "ANSWER: $LETTER" not in text:
            return ModelOutput.from_content(self.model_name, classify(text.rsplit("Message: ", 1)[-1]))
        label = classify(text.split("\n\n")[1])
        letter = f"ANSWER: {chr(65 + LABELS.index(label))}" if label in LABELS else label
        return ModelOutput.from_content(self.model_name, letter)


@task
def banking10():
    data = csv_dataset("test.csv", FieldSpec(input="text", target="label"))
    return Task(dataset=data, solver=[prompt_template("Name the category.\n\nMessage: {prompt}"), generate()], scorer=exact())


@task
def banking10_choice():
    def sample(row):
        return Sample(input=row["text"], choices=LABELS, target=chr(65 + LABELS.index(row["label"])))

    return Task(dataset=csv_dataset("test.csv", sample)[:4], solver=multiple_choice(), scorer=choice(), epochs=2)


if __name__ == "__main__":
    options = dict(model="words/keywords", fail_on_error=False, log_format="json", log_dir="logs", display="plain")
    eval([banking10(), banking10_choice()], **options)
