"""train.py -- trains the network for a given time; stops, resumes and exports at any moment.

    train.py --render .../reeve-render --work build/nano --minutes 90

On a CPU one process per core takes small batches from a shared counter until a step is full, so that a
core that is busy elsewhere delays nobody; where the processor has AMX they call step.c instead of PyTorch.
With CUDA one process does it all with a larger shape.  Weights are kept in float32 and used in bfloat16.  Matrices are updated by Muon (momentum, orthogonalised), the
embedding and the norms by Adam.  The rate stays constant and falls to nothing in the last fifth of the
time; `stable.pt` is the state before the fall, from which --resume continues with a new time.

The loss looks at the thought and the choice; in some cases also at the reason, in the others the row ends
before it.  The last layer is computed only from where the loss looks.
"""
from __future__ import annotations

import argparse
import os
import time
from collections import deque
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

import torch
import torch.multiprocessing as mp
from torch import Tensor

import generate
import shipped
from model import Losses, Nano, Shape
from step import Step, built
from tokenizer import Tokenizer

BLOCK = 1000            # cases rendered at a time
TOKENIZER_CASES = 20000  # seeds from SEED_TOKENIZER on
SEED_TOKENIZER, SEED_TRAIN = 900_000_000, 1_000_000_000
SEED_MODEL = 10_000    # the first block of cases after --resume of a model
FALL = 0.2              # share of the time in which the rate falls
WEIGHT_THOUGHT, WEIGHT_CHOICE, WEIGHT_REASON = 1.0, 1.0, 0.2
REASONS = 0.1          # share of cases whose reason is learned
DRILLS, DRILLS_UNTIL = 0.4, 0.85  # share of drills at first, and the part of the time from which on it is DRILLS_LAST
DRILLS_LAST = 0.05
BARE_FIRST, BARE_UNTIL = 0.9, 0.6  # share of bare cases, and the part of the time at which none is left
CPU_SHAPE = Shape()
CUDA_SHAPE = Shape(width=384, layers=8, heads=6, kv_heads=2, hidden=1024)


@dataclass
class Row:
    tokens: list[int]
    weights: list[float]  # of predicting the token at the same place


def row_of_case(tok: Tokenizer, line: dict, reason: bool) -> Row:
    user, thought = tok.user(line["user"]), [tok.think, *tok.encode(line["thought"]), tok.thought]
    cut = line["answer"].index('","reason"')
    choice = tok.encode(line["answer"][:cut] + '","')
    said = tok.encode(line["answer"]) if reason else choice[:-1]
    weights = [0.0] * len(user) + [WEIGHT_THOUGHT] * len(thought)
    weights += [WEIGHT_CHOICE if i < len(choice) - 1 else WEIGHT_REASON for i in range(len(said))]
    tokens = user + thought + said
    if reason:
        tokens, weights = [*tokens, tok.turn_end], [*weights, WEIGHT_REASON]
    return Row(tokens, weights)


def row_of_drill(tok: Tokenizer, seed: int) -> Row:
    text, statements = generate.drill(seed)
    tokens = [*tok.user(text), tok.think]
    weights = [0.0] * len(tokens)
    for parts in statements:
        for i, part in enumerate(parts):
            piece = tok.encode(part)
            tokens += piece
            weights += [0.5 * (i % 2)] * len(piece)  # labels are free
    return Row(tokens, weights)


@cache
def tokenizer(path: Path) -> Tokenizer:
    return Tokenizer.load(path)


def batches(merges: Path, render: str, block: int, bare: float, drills: float, rows: int) -> list[list[Row]]:
    """One block of cases and drills, in batches of rows of about one length, in random order."""
    tok, r, seed = tokenizer(merges), Random(block), SEED_TRAIN + block * BLOCK
    count = int(BLOCK * (1 - drills))
    cases = (generate.case_of("train", seed + i, r.random() < bare) for i in range(count))
    found = [row_of_case(tok, line, r.random() < REASONS) for line in generate.rendered(cases, render, seed)]
    found += [row for row in (row_of_drill(tok, seed + i) for i in range(count, BLOCK)) if any(row.weights)]
    found.sort(key=lambda row: len(row.tokens) + r.random() * 16)
    out = [found[i:i + rows] for i in range(0, len(found), rows)]
    r.shuffle(out)
    return out


def loss_of(net: Nano, cache: list, rows: list[Row], end: int) -> Tensor:
    """Weighted sum of the losses of a batch (not divided); `cache` is the system turn's."""
    device, longest = cache[0][0].device, max(len(row.tokens) for row in rows)
    tokens = torch.tensor([row.tokens + [end] * (longest - len(row.tokens)) for row in rows], device=device)
    weights = torch.tensor([row.weights + [0.0] * (longest - len(row.tokens)) for row in rows], device=device)
    first = int(weights.any(0).nonzero()[0])  # nothing before is asked for
    states, _ = net.states(tokens[:, :-1], cache, longest - first)
    tokens, weights = tokens[:, first - 1:], weights[:, first - 1:]
    wanted = weights[:, 1:].reshape(-1)
    at = wanted.nonzero().squeeze(1)
    logits = net.logits(states.reshape(-1, net.shape.width)[at])
    losses = Losses.apply(logits, tokens[:, 1:].reshape(-1)[at])
    return (losses * wanted[at]).sum()


# ---- the update ----

def orthogonal(g: Tensor) -> Tensor:
    """Newton-Schulz: the nearest matrix with equal singular values (Muon, Jordan 2024)."""
    x = g.bfloat16()
    turned = x.shape[0] > x.shape[1]
    x = x.t() if turned else x
    x = x / (x.float().norm() + 1e-7).to(x.dtype)
    for _ in range(5):
        a = x @ x.t()
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return (x.t() if turned else x).to(g.dtype)


class Update:
    """Moves a flat float32 vector of all weights by a flat vector of gradients.

    `first` and `second` are its memory, as long as the weights; several processes share them, and each moves every
    `workers`th part from `rank` on."""

    def __init__(self, net: Nano, first: Tensor, second: Tensor, rank: int = 0, workers: int = 1) -> None:
        self.parts, start = [], 0
        for name, weight in net.named_parameters():
            self.parts.append((name.startswith("blk") and weight.dim() == 2, weight.shape, slice(start, start + weight.numel())))
            start += weight.numel()
        self.parts.sort(key=lambda part: (part[0], part[1]))  # those of one size go to different processes
        self.parts = self.parts[rank::workers]
        self.first, self.second = first, second

    def step(self, flat: Tensor, grad: Tensor, rate: float, steps: int) -> None:
        """`rate` 1 is the full speed of both ways; `steps` counts from 1."""
        grad.mul_(min(1.0, 1.0 / (grad.norm().item() + 1e-6)))
        for matrix, shape, at in self.parts:
            w, g, m = flat[at], grad[at], self.first[at]
            if matrix:
                m.mul_(0.95).add_(g)
                turn = orthogonal((g + 0.95 * m).view(shape)).reshape(-1)
                w.mul_(1 - rate * 0.02 * 0.02).add_(turn, alpha=-rate * 0.02 * max(1.0, shape[0] / shape[1]) ** 0.5)
            else:
                v = self.second[at]
                m.mul_(0.9).add_(g, alpha=0.1)
                v.mul_(0.98).add_(g * g, alpha=0.02)
                up = m / (1 - 0.9 ** steps) / ((v / (1 - 0.98 ** steps)).sqrt() + 1e-8)
                w.add_(up, alpha=-rate * 0.003)


# ---- processes ----

def fill(net: Nano, flat: Tensor) -> None:
    start = 0
    for weight in net.parameters():
        weight.data.copy_(flat[start:start + weight.numel()].view_as(weight))
        start += weight.numel()


class Source:
    """Batches without end.  With `makers` other processes render ahead: one cannot feed a GPU."""

    def __init__(self, shared: "Shared", merges: Path, render: str, rows: int, makers: int) -> None:
        self.shared, self.merges, self.render, self.rows = shared, merges, render, rows
        self.pool = mp.get_context("spawn").Pool(makers) if makers else None
        self.asked: deque = deque()
        self.ahead = 2 * makers
        self.waiting: list[list[Row]] = []

    def _block(self) -> tuple:
        with self.shared.lock:
            block = int(self.shared.counts[1])
            self.shared.counts[1] += 1
        return self.merges, self.render, block, float(self.shared.shares[0]), float(self.shared.shares[1]), self.rows

    def next(self) -> list[Row]:
        if not self.waiting and self.pool is None:
            self.waiting = batches(*self._block())
        elif not self.waiting:
            while len(self.asked) <= self.ahead:
                self.asked.append(self.pool.apply_async(batches, self._block()))
            self.waiting = self.asked.popleft().get()
        return self.waiting.pop()


@dataclass
class Shared:
    flat: Tensor          # weights
    grads: Tensor         # [workers, weights]
    counts: Tensor        # int64: 0 steps, 1 next block, 2 batches taken of this step, 3 tokens, 4 stop, 5 cases
    first: Tensor         # the update's memory
    second: Tensor
    shares: Tensor        # of bare cases and of drills, now, and the rate
    losses: Tensor        # [workers, 2]: sum, weight
    lock: object
    barrier: object


class Network:
    """The way forward and back by PyTorch."""

    def __init__(self, shape: Shape, system: list[int], end: int, device: str) -> None:
        self.net, self.end_token = Nano(shape).to(device).bfloat16(), end
        self.parts, self.prefix = list(self.net.parameters()), torch.tensor([system], device=device)
        self.cache: list = []

    def begin(self, flat: Tensor) -> None:
        fill(self.net, flat)
        for weight in self.parts:
            weight.grad = None
        with torch.no_grad():  # it is the same everywhere: what it is worth is learned by those who read it
            _, self.cache = self.net.states(self.prefix)

    def add(self, batch: list[Row], scale: float) -> float:
        loss = loss_of(self.net, self.cache, batch, self.end_token)
        (loss * scale).backward()
        return loss.item()

    def end(self, grad: Tensor) -> None:
        if self.parts[0].grad is None:
            grad.zero_()
        else:
            torch.cat([weight.grad.reshape(-1).float() for weight in self.parts], out=grad)


class Native:
    """The same by step.c, which is compared with it first."""

    def __init__(self, library: Path, shape: Shape, system: list[int], source: Source) -> None:
        self.step, self.flat, self.grad = Step(library, shape, system), None, None
        net, batch = Nano(shape), source.next()
        with torch.no_grad():
            _, cache = net.states(torch.tensor([system]))
        self.step.check(net, batch, loss_of(net, cache, batch, 0))

    def begin(self, flat: Tensor) -> None:
        self.flat, self.grad = flat.clone(), torch.zeros_like(flat)
        self.step.weights(self.flat)

    def add(self, batch: list[Row], scale: float) -> float:
        return self.step.add([row.tokens for row in batch], [row.weights for row in batch], scale, self.grad)

    def end(self, grad: Tensor) -> None:
        grad.copy_(self.grad)


def work(rank: int, shared: Shared, shape: Shape, merges: Path, render: str, rows: int, per_step: int,
         device: str, makers: int, library: Path | None, lead: object = None) -> None:
    """Takes batches, adds up gradients; the first worker leads: `lead()` after every step."""
    if device == "cpu":
        torch.set_num_threads(1)
    torch.manual_seed(rank)
    tok = tokenizer(merges)
    system = tok.system(next(generate.rendered([generate.case_of("train", 0)], render, 0))["system"])
    source = Source(shared, merges, render, rows, makers)
    ways = Native(library, shape, system, source) if library else Network(shape, system, tok.end, device)
    update = Update(Nano(shape), shared.first, shared.second, rank, len(shared.grads))
    while not shared.counts[4]:
        ways.begin(shared.flat)
        total = taken = cases = 0
        loss_sum = 0.0
        while True:
            with shared.lock:
                if shared.counts[2] >= per_step:
                    break
                shared.counts[2] += 1
            batch = source.next()
            loss_sum += ways.add(batch, 1 / (rows * per_step))
            total, taken, cases = total + sum(len(row.tokens) for row in batch), taken + 1, cases + len(batch)
        ways.end(shared.grads[rank])
        with shared.lock:
            shared.counts[3] += total
            shared.counts[5] += cases
        shared.losses[rank, 0] = loss_sum
        shared.barrier.wait()
        if lead is not None:
            lead()
        shared.barrier.wait()
        update.step(shared.flat, shared.grads.sum(0), float(shared.shares[2]), int(shared.counts[0]))
        shared.barrier.wait()


def lessons(part: float) -> tuple[float, float]:
    """Shares of bare cases and of drills after a part of the time."""
    return max(0.0, BARE_FIRST * (1 - part / BARE_UNTIL)), max(DRILLS_LAST, DRILLS * (1 - part / DRILLS_UNTIL))


class Leader:
    def __init__(self, shared: Shared, net: Nano, given: argparse.Namespace, rows: int) -> None:
        self.shared, self.net, self.given, self.rows = shared, net, given, rows
        self.begun = self.saved = time.monotonic()
        self.shown, self.fallen, self.mean = 0, False, None

    def __call__(self) -> None:
        shared, given = self.shared, self.given
        part = min(1.0, given.from_part + (1 - given.from_part) * (time.monotonic() - self.begun) / (60 * given.minutes))
        rate = min(1.0, (int(shared.counts[0]) + 1) / 100) * min(1.0, (1 - part) / FALL) * given.rate
        for i, share in enumerate((*lessons(part), rate)):
            shared.shares[i] = share
        if part >= 1 - FALL and not self.fallen:
            self.fallen = True
            self.save("stable.pt")
        loss = float(shared.losses[:, 0].sum()) / (self.rows * given.per_step)
        self.mean = loss if self.mean is None else 0.98 * self.mean + 0.02 * loss
        shared.counts[2] = 0
        shared.counts[0] += 1
        step, now = int(shared.counts[0]), time.monotonic()
        if step % given.show == 0:
            print(f"{time.strftime('%H:%M:%S')} step {step} loss {self.mean:.4f} tokens {int(shared.counts[3]) / 1e6:.2f}M "
                  f"cases {int(shared.counts[5])} rate {rate:.2f} part {part:.2f}", flush=True)
        if now - self.saved > 120 or part >= 1:
            self.saved = now
            self.save("last.pt")
        if part >= 1:
            shared.counts[4] = 1

    def save(self, name: str) -> None:
        path = self.given.work / name
        shared = self.shared
        torch.save({"shape": self.net.shape.as_dict(), "flat": shared.flat.clone(), "counts": shared.counts.clone(),
                    "update": {"first": shared.first.clone(), "second": shared.second.clone()}}, path.with_suffix(".new"))
        os.replace(path.with_suffix(".new"), path)


def resumed(path: Path, merges: Path) -> dict:
    """What a checkpoint holds.  A model has weights and tokens alone: the update begins without memory, on cases
    that were not in its training."""
    if path.suffix != ".gguf":
        return torch.load(path, map_location="cpu")
    from export import load  # which reads checkpoints by this file

    net, tok = load(path)
    tok.save(merges)
    flat = torch.cat([weight.detach().reshape(-1) for weight in net.parameters()])
    counts = torch.zeros(8, dtype=torch.int64)
    counts[1] = SEED_MODEL
    return {"shape": net.shape.as_dict(), "flat": flat, "counts": counts,
            "update": {"first": torch.zeros_like(flat), "second": torch.zeros_like(flat)}}


def network(checkpoint: Path) -> Nano:
    """The float32 network of a checkpoint."""
    state = torch.load(checkpoint, map_location="cpu")
    net = Nano(Shape(**state["shape"]))
    fill(net, state["flat"])
    return net.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--render", required=True, help="the program reeve-render")
    parser.add_argument("--work", type=Path, required=True, help="folder of tokenizer and checkpoints")
    parser.add_argument("--minutes", type=float, default=90)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rows", type=int, default=6, help="cases of a batch")
    parser.add_argument("--per-step", type=int, default=3, help="batches of a step")
    parser.add_argument("--makers", type=int, default=0, help="processes that only make cases")
    parser.add_argument("--rate", type=float, default=0.12, help="1: Muon 0.02, Adam 0.003")
    parser.add_argument("--from-part", type=float, default=0, help="begin the lessons after this part of the time: after --resume")
    parser.add_argument("--show", type=int, default=50, help="steps between two lines of figures")
    parser.add_argument("--resume", type=Path, help="a checkpoint, usually stable.pt, or a model: nano.gguf")
    given = parser.parse_args()
    shipped.check(Path(__file__).resolve().parents[2])
    given.work.mkdir(parents=True, exist_ok=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda":
        given.workers, given.rows, given.per_step, given.makers = 1, 128, 1, given.makers or (os.cpu_count() or 2) - 1
    torch.manual_seed(1)

    merges = given.work / "tokenizer.json"
    shape = CUDA_SHAPE if device == "cuda" else CPU_SHAPE
    state = resumed(given.resume, merges) if given.resume else None
    if not merges.exists():
        lines = generate.rendered((generate.case_of("train", SEED_TOKENIZER + i) for i in range(TOKENIZER_CASES)), given.render, 0)
        texts = [text for line in lines for text in (line["user"], line["answer"])]
        texts += ["system\n" + next(generate.rendered([generate.case_of("train", 0)], given.render, 0))["system"]] * 50
        Tokenizer.train(texts, shape.vocab).save(merges)
    if state is not None:
        shape = Shape(**state["shape"])
    net = Nano(shape)
    flat = torch.cat([weight.detach().reshape(-1) for weight in net.parameters()]).to(device)
    context = mp.get_context("spawn")
    shared = Shared(flat, torch.zeros(given.workers, flat.numel(), device=device), torch.zeros(8, dtype=torch.int64),
                    torch.zeros_like(flat), torch.zeros_like(flat), torch.tensor([BARE_FIRST, DRILLS, 0.0]), torch.zeros(given.workers, 2), context.Lock(), context.Barrier(given.workers))
    leader = Leader(shared, net, given, given.rows)
    if state is not None:
        shared.flat.copy_(state["flat"])
        shared.first.copy_(state["update"]["first"])
        shared.second.copy_(state["update"]["second"])
        shared.counts.copy_(state["counts"])
        shared.counts[2] = shared.counts[4] = 0
    print(f"{device}: {flat.numel()} weights, {given.workers} processes", flush=True)
    if device == "cpu":
        for part in (shared.flat, shared.grads, shared.counts, shared.first, shared.second, shared.shares, shared.losses):
            part.share_memory_()
    library = built(given.work) if device == "cpu" else None
    common = (shape, merges, given.render, given.rows, given.per_step, device, given.makers, library)
    others = [context.Process(target=work, args=(rank, shared, *common)) for rank in range(1, given.workers)]
    for other in others:
        other.start()
    work(0, shared, *common, lead=leader)
    for other in others:
        other.join()


if __name__ == "__main__":
    main()
