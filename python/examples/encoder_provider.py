"""An encoder of the Hugging Face hub, all layers trained by transformers; the same lines serve a large model on a GPU.

    pip install torch transformers
"""

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, get_linear_schedule_with_warmup

from tunebench import provider

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


class Encoder(provider.Classifier):
    name, description = "encoder", "an encoder with all layers trained, by transformers"
    #: A name at the hub or a folder; `settings = { checkpoint = "…" }` under the provider sets it.
    checkpoint = "sentence-transformers/all-MiniLM-L6-v2"

    def fit(self, texts, labels, *, epochs=3, learning_rate=5e-5, batch_size=32, seed=1):
        torch.manual_seed(seed)
        self.labels = sorted(set(labels))
        self.open(self.checkpoint, num_labels=len(self.labels))
        steps = epochs * -(-len(texts) // batch_size)
        optimizer = torch.optim.AdamW(self.model.parameters(), lr=learning_rate)
        schedule = get_linear_schedule_with_warmup(optimizer, steps // 10, steps)
        gold = torch.tensor([self.labels.index(label) for label in labels])
        self.model.train()
        for epoch in range(epochs):
            total = 0.0
            for rows in torch.randperm(len(texts)).split(batch_size):
                inputs = self.tokens([texts[row] for row in rows])
                loss = self.model(**inputs, labels=gold[rows].to(DEVICE)).loss
                loss.backward()
                torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
                optimizer.step(), schedule.step(), optimizer.zero_grad()
                total += loss.item() * len(rows)
            self.report(epoch + 1, epochs, total / len(texts))

    def predict_proba(self, texts, labels):
        self.model.eval()
        with torch.inference_mode():
            rows = self.model(**self.tokens(texts)).logits.softmax(-1).tolist()
        known = {label: column for column, label in enumerate(self.labels)}
        return [[row[known[label]] if label in known else 0.0 for label in labels] for row in rows]

    def open(self, checkpoint, **more):
        self.tokenizer = AutoTokenizer.from_pretrained(checkpoint)
        self.model = AutoModelForSequenceClassification.from_pretrained(checkpoint, **more).to(DEVICE)

    def tokens(self, texts):
        return self.tokenizer(texts, padding=True, truncation=True, max_length=256, return_tensors="pt").to(DEVICE)

    def save(self, folder):
        self.model.config.id2label = dict(enumerate(self.labels))
        self.model.save_pretrained(folder), self.tokenizer.save_pretrained(folder)

    def load(self, folder):
        self.open(folder)
        self.labels = [self.model.config.id2label[i] for i in range(self.model.config.num_labels)]


if __name__ == "__main__":
    provider.serve(Encoder())
