"""model.py -- the network: a llama decoder in a page, trained with one shared prefix.

Architecture as GGUF's "llama": RMSNorm, rotary positions, grouped query attention, SwiGLU, no biases,
input and output embedding tied.  Here the halves of a head are turned against each other, which is
quicker; GGUF wants neighbours (2i, 2i+1), so export.py reorders the rows of q and k.

Every prompt begins with the same tokens (the system turn with the product's instructions).  Their keys
and values are computed once a batch and shared by all its rows: the same numbers as if each row began
with them, at a fraction of the cost.
"""
from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Cache = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Shape:
    vocab: int = 2048
    width: int = 192
    layers: int = 5
    heads: int = 3
    kv_heads: int = 3
    hidden: int = 512
    context: int = 1024
    rope_base: float = 10000.0
    epsilon: float = 1e-5

    @property
    def head(self) -> int:
        return self.width // self.heads

    def as_dict(self) -> dict:
        return asdict(self)


class Norm(nn.Module):
    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        scale = torch.rsqrt(x.square().mean(-1, keepdim=True, dtype=torch.float32) + self.epsilon)
        return x * scale.to(x.dtype) * self.weight


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x [rows, heads, tokens, head]; pairs (i, i + head / 2) turned by their position."""
    one, two = x.chunk(2, dim=-1)
    return torch.cat((one * cos - two * sin, one * sin + two * cos), dim=-1)


class Gate(torch.autograd.Function):
    """silu(a) * b; PyTorch's own way back is many times slower in bfloat16 on a CPU."""

    @staticmethod
    def forward(ctx, a: Tensor, b: Tensor) -> Tensor:  # type: ignore[override]  # noqa: ANN001
        s = torch.sigmoid(a)
        ctx.save_for_backward(a, b, s)
        return a * s * b

    @staticmethod
    def backward(ctx, g: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]  # noqa: ANN001
        a, b, s = ctx.saved_tensors
        silu = a * s
        return g * b * (s + silu - silu * s), g * silu


class Losses(torch.autograd.Function):
    """-log of the wanted token's probability, a row each; quicker than cross_entropy for the same reason."""

    @staticmethod
    def forward(ctx, logits: Tensor, wanted: Tensor) -> Tensor:  # type: ignore[override]  # noqa: ANN001
        e = logits - logits.amax(1, keepdim=True)
        chosen = e.gather(1, wanted[:, None])
        total = e.exp_().sum(1, keepdim=True)
        ctx.save_for_backward(e.div_(total), wanted)
        return (total.log() - chosen)[:, 0]

    @staticmethod
    def backward(ctx, g: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]  # noqa: ANN001
        p, wanted = ctx.saved_tensors
        back = p.clone()
        back[torch.arange(len(wanted), device=p.device), wanted] -= 1
        return back.mul_(g[:, None]), None


class Block(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        wide, head = shape.width, shape.head
        self.attn_norm = Norm(wide, shape.epsilon)
        self.attn_q = nn.Linear(wide, shape.heads * head, bias=False)
        self.attn_k = nn.Linear(wide, shape.kv_heads * head, bias=False)
        self.attn_v = nn.Linear(wide, shape.kv_heads * head, bias=False)
        self.attn_output = nn.Linear(shape.heads * head, wide, bias=False)
        self.ffn_norm = Norm(wide, shape.epsilon)
        self.ffn_gate = nn.Linear(wide, shape.hidden, bias=False)
        self.ffn_up = nn.Linear(wide, shape.hidden, bias=False)
        self.ffn_down = nn.Linear(shape.hidden, wide, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor, before: Cache | None,
                last: int) -> tuple[Tensor, Cache]:
        """Keys and values of all tokens; the stream of the `last` ones goes on."""
        shape, (rows, tokens, _) = self.shape, x.shape
        group = shape.heads // shape.kv_heads
        y = self.attn_norm(x)
        k = self.attn_k(y).view(rows, tokens, shape.kv_heads, shape.head).transpose(1, 2)
        v = self.attn_v(y).view(rows, tokens, shape.kv_heads, shape.head).transpose(1, 2)
        k = rotate(k, cos, sin)
        here = (k, v)
        if last < tokens:
            x, y, cos, sin, mask = x[:, -last:], y[:, -last:], cos[-last:], sin[-last:], mask[-last:]
            tokens = last
        q = rotate(self.attn_q(y).view(rows, tokens, shape.heads, shape.head).transpose(1, 2), cos, sin)
        if before is not None:
            k = torch.cat((before[0].expand(rows, -1, -1, -1), k), dim=2)
            v = torch.cat((before[1].expand(rows, -1, -1, -1), v), dim=2)
        # heads of a group share keys: they are extra query rows of one product
        q = q.reshape(rows, shape.kv_heads, group * tokens, shape.head) * shape.head ** -0.5
        scores = torch.matmul(q, k.transpose(-1, -2)).view(rows, shape.kv_heads, group, tokens, -1)
        weights = torch.softmax(scores.add_(mask), dim=-1).view(rows, shape.kv_heads, group * tokens, -1)
        y = torch.matmul(weights, v).view(rows, shape.heads, tokens, shape.head)
        x = x + self.attn_output(y.transpose(1, 2).reshape(rows, tokens, -1))
        y = self.ffn_norm(x)
        return x + self.ffn_down(Gate.apply(self.ffn_gate(y), self.ffn_up(y))), here


class Nano(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.token_embd = nn.Embedding(shape.vocab, shape.width)
        self.blk = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.output_norm = Norm(shape.width, shape.epsilon)
        angle = shape.rope_base ** (-torch.arange(0, shape.head, 2).float() / shape.head)
        turns = torch.outer(torch.arange(shape.context).float(), angle)
        self.register_buffer("cos", turns.cos(), persistent=False)
        self.register_buffer("sin", turns.sin(), persistent=False)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                deep = name.endswith(("attn_output.weight", "ffn_down.weight"))
                nn.init.normal_(weight, std=0.02 / (2 * shape.layers) ** 0.5 if deep else 0.02)

    def states(self, tokens: Tensor, before: list[Cache] | None = None,
               last: int | None = None) -> tuple[Tensor, list[Cache]]:
        """tokens [rows, n] -> normed states [rows, n or the last so many, width], and keys and values."""
        start = 0 if before is None else before[0][0].shape[2]
        count = tokens.shape[1]
        x, caches = self.token_embd(tokens), []
        cos, sin = (table[start:start + count].to(x.dtype) for table in (self.cos, self.sin))
        mask = torch.full((count, start + count), float("-inf"), device=x.device).triu(start + 1).to(x.dtype)
        for index, block in enumerate(self.blk):
            top = index == len(self.blk) - 1
            x, cache = block(x, cos, sin, mask, None if before is None else before[index], last if top and last else count)
            caches.append(cache)
        return self.output_norm(x), caches

    def logits(self, states: Tensor) -> Tensor:
        return F.linear(states, self.token_embd.weight).float()
