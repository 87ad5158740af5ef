"""export.py -- a checkpoint as a GGUF file that every engine reads; and back, for verification.

    export.py --work build/nano --checkpoint last.pt --temperature 1.05 --out kernels/nano/nano.gguf

Matrices as Q8_0 (blocks of 32: a float16 scale and 32 signed bytes), norms as float32, tokenizer and chat
template as metadata.  Two keys of our own say how probabilities are told (kernels/kernel.h): that thoughts are canonical,
and the temperature at which probabilities came true (evaluate.py --calibrate).  The file is read again, dequantised,
run in plain NumPy and compared with PyTorch before it counts as written.
"""
from __future__ import annotations

import argparse
import struct
from pathlib import Path

import numpy as np
import torch

from model import Nano, Shape
from tokenizer import Tokenizer
from train import network

NAME = "reeve-nano"
ALIGNMENT = 32
F32, Q8_0 = 0, 8
U32, I32, FLOAT, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
NORMAL, CONTROL = 1, 3
CANONICAL, TEMPERATURE = "reeve.thought.canonical", "reeve.probability.temperature"
# the model thinks before it answers; what it thought before is no part of a later prompt
CHATML = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'].split('</think>')[-1] "
          "+ '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")


# ---- quantisation ----

def quantise(x: np.ndarray) -> bytes:
    blocks = x.astype(np.float32).reshape(-1, 32)
    scale = (np.abs(blocks).max(axis=1) / 127).astype(np.float16)
    wide = scale.astype(np.float32)[:, None]
    q = np.rint(np.divide(blocks, wide, out=np.zeros_like(blocks), where=wide > 0)).clip(-127, 127).astype(np.int8)
    out = np.empty(len(blocks), dtype=[("d", "<f2"), ("q", "i1", 32)])
    out["d"], out["q"] = scale, q
    return out.tobytes()


def dequantise(raw: bytes, count: int) -> np.ndarray:
    blocks = np.frombuffer(raw, dtype=[("d", "<f2"), ("q", "i1", 32)], count=count // 32)
    return (blocks["q"].astype(np.float32) * blocks["d"].astype(np.float32)[:, None]).reshape(-1)


def neighbours(weight: np.ndarray, heads: int, back: bool = False) -> np.ndarray:
    """Rows of q or k: from halves (i, i + head / 2) to pairs (2i, 2i + 1); `back` undoes it."""
    wide = weight.shape[1]
    form, order = ((heads, -1, 2, wide), (0, 2, 1, 3)) if back else ((heads, 2, -1, wide), (0, 2, 1, 3))
    return np.ascontiguousarray(weight.reshape(form).transpose(order).reshape(weight.shape))


# ---- writing ----

def _string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _value(kind: int, value: object) -> bytes:
    if kind == STRING:
        return _string(str(value))
    if kind == ARRAY:
        inner, items = value  # type: ignore[misc]
        return struct.pack("<IQ", inner, len(items)) + b"".join(_value(inner, item) for item in items)
    return struct.pack({U32: "<I", I32: "<i", FLOAT: "<f", BOOL: "<?"}[kind], value)


def write(path: Path, net: Nano, tok: Tokenizer, temperature: float) -> None:
    s = net.shape
    heads = {"attn_q": s.heads, "attn_k": s.kv_heads}
    meta: list[tuple[str, int, object]] = [
        ("general.architecture", STRING, "llama"), ("general.name", STRING, NAME), ("general.alignment", U32, ALIGNMENT),
        ("general.file_type", U32, 7), ("general.quantization_version", U32, 2),
        ("general.description", STRING, "chooses among the options of a finance question; see kernels/nano/README.md"),
        ("llama.context_length", U32, s.context), ("llama.embedding_length", U32, s.width), ("llama.block_count", U32, s.layers),
        ("llama.feed_forward_length", U32, s.hidden), ("llama.attention.head_count", U32, s.heads),
        ("llama.attention.head_count_kv", U32, s.kv_heads), ("llama.attention.layer_norm_rms_epsilon", FLOAT, s.epsilon),
        ("llama.rope.dimension_count", U32, s.head), ("llama.rope.freq_base", FLOAT, s.rope_base),
        ("llama.vocab_size", U32, s.vocab),
        ("tokenizer.ggml.model", STRING, "gpt2"), ("tokenizer.ggml.pre", STRING, "qwen2"),
        ("tokenizer.ggml.tokens", ARRAY, (STRING, tok.tokens)),
        ("tokenizer.ggml.token_type", ARRAY, (I32, [CONTROL if i >= tok.think else NORMAL for i in range(len(tok.tokens))])),
        ("tokenizer.ggml.merges", ARRAY, (STRING, [" ".join(m) for m in tok.merges])),
        ("tokenizer.ggml.bos_token_id", U32, tok.end), ("tokenizer.ggml.eos_token_id", U32, tok.turn_end),
        ("tokenizer.ggml.padding_token_id", U32, tok.end), ("tokenizer.ggml.add_bos_token", BOOL, False),
        ("tokenizer.chat_template", STRING, CHATML),
        (CANONICAL, BOOL, True), (TEMPERATURE, FLOAT, temperature),
    ]
    if len(tok.tokens) != s.vocab:
        raise SystemExit(f"the tokenizer has {len(tok.tokens)} tokens and the network {s.vocab}")
    table, data = [], b""
    for name, weight in net.named_parameters():
        x = weight.detach().float().numpy()
        for part, count in heads.items():
            if f".{part}." in name:
                x = neighbours(x, count)
        kind = Q8_0 if x.ndim == 2 else F32
        table.append((name, x.shape[::-1], kind, len(data)))
        data += quantise(x) if kind == Q8_0 else x.astype("<f4").tobytes()
        data += bytes(-len(data) % ALIGNMENT)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(table), len(meta))
    head += b"".join(_string(key) + struct.pack("<I", kind) + _value(kind, value) for key, kind, value in meta)
    for name, dims, kind, offset in table:
        head += _string(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset)
    path.write_bytes(head + bytes(-len(head) % ALIGNMENT) + data)


# ---- reading ----

def read(path: Path) -> tuple[dict[str, object], dict[str, np.ndarray]]:
    """Metadata, and all tensors in float32 as the file orders them."""
    raw, at = path.read_bytes(), 24
    magic, version, tensors, pairs = struct.unpack_from("<4sIQQ", raw)
    if magic != b"GGUF" or version != 3:
        raise SystemExit(f"{path}: no GGUF version 3")

    def take(form: str) -> object:
        nonlocal at
        value, = struct.unpack_from("<" + form, raw, at)
        at += struct.calcsize("<" + form)
        return value

    def text() -> str:
        nonlocal at
        length = take("Q")
        at += length
        return raw[at - length:at].decode()

    def value(kind: int) -> object:
        if kind == STRING:
            return text()
        if kind == ARRAY:
            inner, count = take("I"), take("Q")
            return [value(inner) for _ in range(count)]
        return take({U32: "I", I32: "i", FLOAT: "f", BOOL: "?"}[kind])

    meta = {}
    for _ in range(pairs):
        key = text()
        meta[key] = value(take("I"))
    table = []
    for _ in range(tensors):
        name = text()
        dims = [take("Q") for _ in range(take("I"))]
        table.append((name, dims, take("I"), take("Q")))
    start = at + -at % ALIGNMENT
    out = {}
    for name, dims, kind, offset in table:
        count = int(np.prod(dims))
        part = raw[start + offset:]
        flat = dequantise(part, count) if kind == Q8_0 else np.frombuffer(part, "<f4", count)
        out[name] = flat.reshape(dims[::-1])
    return meta, out


def load(path: Path) -> tuple[Nano, Tokenizer]:
    """The network and tokenizer of a file: what evaluate.py measures is what is shipped."""
    meta, tensors = read(path)
    key = lambda name: meta["llama." + name]  # noqa: E731
    shape = Shape(vocab=len(meta["tokenizer.ggml.tokens"]), width=key("embedding_length"), layers=key("block_count"),
                  heads=key("attention.head_count"), kv_heads=key("attention.head_count_kv"), hidden=key("feed_forward_length"),
                  context=key("context_length"), rope_base=key("rope.freq_base"), epsilon=key("attention.layer_norm_rms_epsilon"))
    net = Nano(shape)
    for name, weight in net.named_parameters():
        x = tensors[name]
        x = neighbours(x, shape.heads, True) if ".attn_q." in name else neighbours(x, shape.kv_heads, True) if ".attn_k." in name else x
        weight.data.copy_(torch.from_numpy(x.copy()))
    merges = [tuple(m.split(" ")) for m in meta["tokenizer.ggml.merges"]]
    return net.eval(), Tokenizer(merges)


def numpy_logits(meta: dict, tensors: dict[str, np.ndarray], ids: list[int]) -> np.ndarray:
    """The forward pass from the file alone, in float64: [tokens, vocabulary]."""
    t = {name: x.astype(np.float64) for name, x in tensors.items()}
    heads, kv = meta["llama.attention.head_count"], meta["llama.attention.head_count_kv"]
    head, epsilon = meta["llama.rope.dimension_count"], meta["llama.attention.layer_norm_rms_epsilon"]
    n = len(ids)
    turn = np.outer(np.arange(n), meta["llama.rope.freq_base"] ** (-np.arange(0, head, 2) / head))
    cos, sin = np.cos(turn)[:, None], np.sin(turn)[:, None]

    def norm(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + epsilon) * weight

    def rope(x: np.ndarray) -> np.ndarray:
        out = np.empty_like(x)
        out[..., 0::2] = x[..., 0::2] * cos - x[..., 1::2] * sin
        out[..., 1::2] = x[..., 0::2] * sin + x[..., 1::2] * cos
        return out

    x = t["token_embd.weight"][ids]
    for layer in range(meta["llama.block_count"]):
        w = {part: t[f"blk.{layer}.{part}.weight"] for part in
             ("attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up", "ffn_down")}
        y = norm(x, w["attn_norm"])
        q, k = rope((y @ w["attn_q"].T).reshape(n, heads, head)), rope((y @ w["attn_k"].T).reshape(n, kv, head))
        v = np.repeat((y @ w["attn_v"].T).reshape(n, kv, head), heads // kv, axis=1)
        scores = np.einsum("qhd,khd->hqk", q, np.repeat(k, heads // kv, axis=1)) / np.sqrt(head)
        scores += np.triu(np.full((n, n), -np.inf), 1)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        x = x + np.einsum("hqk,khd->qhd", scores, v).reshape(n, heads * head) @ w["attn_output"].T
        y = norm(x, w["ffn_norm"])
        gate = y @ w["ffn_gate"].T
        x = x + (gate / (1 + np.exp(-gate)) * (y @ w["ffn_up"].T)) @ w["ffn_down"].T
    return norm(x, t["output_norm.weight"]) @ t["token_embd.weight"].T


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--checkpoint", default="last.pt")
    parser.add_argument("--temperature", type=float, default=1.0, help="of probabilities: evaluate.py --calibrate")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    net, tok = network(given.work / given.checkpoint), Tokenizer.load(given.work / "tokenizer.json")
    write(given.out, net, tok, given.temperature)
    again, words = load(given.out)
    ids = words.system("Choose.") + words.user("\n## Question\n\"Is 12.50 above 9.75 EUR?\"\n")
    with torch.no_grad():
        mine = again.logits(again.states(torch.tensor([ids]))[0])[0].double().numpy()
        full = net.logits(net.states(torch.tensor([ids]))[0])[0].double().numpy()
    true = numpy_logits(*read(given.out), ids)
    error = ((mine - true) ** 2).sum() / (true ** 2).sum()
    loss = ((full - true) ** 2).sum() / (full ** 2).sum()
    print(f"{given.out}: {given.out.stat().st_size} bytes; PyTorch against NumPy: NMSE {error:.1e}; Q8_0 against float32: {loss:.1e}")
    if words.tokens != tok.tokens or not error < 1e-9:
        raise SystemExit("the file does not compute what the network computes")


if __name__ == "__main__":
    main()
