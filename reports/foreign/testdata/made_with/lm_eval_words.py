"""classify.py as a model of lm-eval."""

import sys

from classify import classify
from lm_eval.__main__ import cli_evaluate
from lm_eval.api.model import LM
from lm_eval.api.registry import register_model


def answer(context):
    return classify(context.rsplit("Message: ", 1)[-1])


@register_model("words")
class Words(LM):
    def __init__(self, **_):
        super().__init__()

    def loglikelihood(self, requests, **_):
        return [(-0.5 - (answer(r.args[0]) != r.args[1].strip()) - len(r.args[1]) / 64, False) for r in requests]

    def generate_until(self, requests, **_):
        return [answer(r.args[0]) for r in requests]

    def loglikelihood_rolling(self, requests, **_):
        raise NotImplementedError


if __name__ == "__main__":
    sys.exit(cli_evaluate())
