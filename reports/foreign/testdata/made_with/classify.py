"""Some words, as a stand-in for a model: mostly right, sometimes sloppy, once out of reach."""

WORDS = [
    ("statement", "refund_not_showing_up"),
    ("refund", "request_refund"),
    ("purchase", "Request_Refund"),
    ("declined", "declined_card_payment"),
    ("exchange", "exchange_rate"),
    ("withdraw", "cash_withdrawal_charge"),
    ("arrived", "card_arrival"),
    ("transfer", "transfer_timing"),
    ("money", "declined_card_payment"),
]


def classify(text):
    return next((label for word, label in WORDS if word in text.lower()), "I cannot say.")


def call_api(prompt, options, context):
    text = prompt.rsplit("Message: ", 1)[-1]
    if "new card" in text:
        return {"error": "the server is overloaded"}
    return {"output": classify(text), "tokenUsage": {"total": 12, "prompt": 10, "completion": 2}}
