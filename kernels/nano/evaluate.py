"""evaluate.py -- measures the shipped file on cases it was never trained on.

    evaluate.py --model kernels/nano/nano.gguf --render .../reeve-render --count 1000 --out figures.json

The model thinks first, greedily, as the engine lets it.  The decision is the most probable option after
that: the product of its tokens' probabilities, over all options, as the engine measures it.  Its stated probability
counts the thought as well where the file says that thoughts are canonical (kernels/kernel.h, "How probable an option
is"); --canonical and --temperature say otherwise than the file, and the calibration error of the options alone stands
beside it.  Two baselines: the most frequent answer of each kind of question, and a small decision tree over the facts.
--expected FILE writes a few cases with tokens, logits and probabilities, which the engine's tests compare with.
"""
from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

import export
import generate
import invented
import shipped
from model import Nano
from tokenizer import Tokenizer

SEEDS, SEEDS_CALIBRATION = 10_000_000, 20_000_000  # far below those of training
ANSWER_MAX, THOUGHT_MAX = 80, 128
BINS = 10
TEMPERATURES = [round(0.25 * 1.05 ** i, 3) for i in range(57)]  # to 3.84
UNSURE = 0.20  # margin under which the shipped agents take advice for none


class Judge:
    def __init__(self, model: Path, render: str, canonical: bool | None = None, temperature: float | None = None) -> None:
        """`canonical`, `temperature`: None is what the file says."""
        self.net, self.tok = export.load(model)
        meta, _ = export.read(model)
        self.says = bool(meta.get(export.CANONICAL, False)), float(meta.get(export.TEMPERATURE, 1.0))
        self.canonical = self.says[0] if canonical is None else canonical
        self.temperature = self.says[1] if temperature is None else temperature
        self.render = render
        self.cache: list | None = None
        self.system = ""

    def _further(self, cache: list, tokens: list[int]) -> tuple[list, torch.Tensor]:
        """The cache with more tokens, and the logits after each of them."""
        states, own = self.net.states(torch.tensor([tokens]), cache)
        return [(torch.cat((a[0], b[0]), 2), torch.cat((a[1], b[1]), 2)) for a, b in zip(cache, own)], self.net.logits(states)[0]

    def _next(self, logits: torch.Tensor) -> int:
        """The most probable token of a thought: text, or its end."""
        logits = logits.clone()
        logits[self.tok.think] = -torch.inf
        logits[self.tok.end:] = -torch.inf
        return int(logits.argmax())

    @torch.no_grad()
    def think(self, line: dict) -> tuple[list, list[int], torch.Tensor, torch.Tensor]:
        """Keys and values of the prompt and of the thought, its tokens, the logits after it, and those that its
        tokens were taken from: a row each, without the end mark where that was forced.

        The thought of the case is tried as a guess: as far as each of its tokens is what would have been written, it
        is what would have been written; from there on the model goes on alone.  This only saves time."""
        if line["system"] != self.system:
            self.system = line["system"]
            _, self.cache = self.net.states(torch.tensor([self.tok.system(self.system)]))
        user = [*self.tok.user(line["user"]), self.tok.think]
        guess = [*self.tok.encode(line["thought"]), self.tok.thought]
        cache, logits = self._further(self.cache, user + guess)
        logits, thought, steps = logits[len(user) - 1:], [], []
        for row, token in zip(logits, guess):
            thought.append(self._next(row))
            steps.append(row)
            if thought[-1] != token:
                break
        else:
            return cache, thought, logits[-1], torch.stack(steps)
        known = cache[0][0].shape[2] - len(guess) + len(thought) - 1
        cache = [(a[:, :, :known], b[:, :, :known]) for a, b in cache]
        while True:
            cache, logits = self._further(cache, thought[-1:])
            if thought[-1] == self.tok.thought:
                return cache, thought, logits[-1], torch.stack(steps)
            if len(thought) + 1 < THOUGHT_MAX:
                thought.append(self._next(logits[-1]))
                steps.append(logits[-1])
            else:
                thought.append(self.tok.thought)

    def told(self, scores: np.ndarray, thought: list[int], steps: torch.Tensor, canonical: bool,
             temperature: float) -> np.ndarray:
        """The probability of each option as kernels/serve/decide.c states it."""
        p = np.exp((scores - scores.max()) / temperature)
        p /= p.sum()
        if canonical:
            tokens = torch.tensor(thought[:len(steps)])[:, None]
            right = float(torch.log_softmax(steps.double() / temperature, -1).gather(1, tokens).sum().exp())
            p = right * p + (1 - right) / len(p)
        return p

    @torch.no_grad()
    def scores(self, line: dict, cache: list) -> np.ndarray:
        """log p of each option, written out after the thought."""
        rows = []
        for option in line["options"]:
            whole = json.dumps({"choice": option, "reason": ""}, ensure_ascii=False, separators=(",", ":"))
            rows.append(self.tok.encode(whole[:whole.index('"}')]))  # as kernels/serve writes an option out
        longest = max(map(len, rows))
        tokens = torch.tensor([row + [self.tok.end] * (longest - len(row)) for row in rows])
        states, _ = self.net.states(tokens[:, :-1], cache)
        logp = torch.log_softmax(self.net.logits(states), -1)
        return np.array([float(logp[i, :len(row) - 1].gather(1, torch.tensor(row[1:])[:, None]).sum())
                         for i, row in enumerate(rows)])

    @torch.no_grad()
    def write(self, line: dict) -> str:
        """Greedy, without any constraint."""
        cache, _, last, _ = self.think(line)
        out: list[int] = []
        while len(out) < ANSWER_MAX:
            out.append(int(last.argmax()))
            if out[-1] == self.tok.turn_end:
                return self.tok.decode(out[:-1])
            cache, logits = self._further(cache, out[-1:])
            last = logits[-1]
        return self.tok.decode(out)


def valid(text: str, options: list[str]) -> bool:
    try:
        value = json.loads(text)
    except ValueError:
        return False
    return isinstance(value, dict) and list(value) == ["choice", "reason"] and value["choice"] in options and \
        isinstance(value["reason"], str)


def calibration(sure: np.ndarray, right: np.ndarray) -> float:
    """Expected calibration error over ten bins of the stated probability."""
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    return float(sum(abs(sure[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean() for b in set(bins)))


def temperature(judge: Judge, count: int) -> float:
    """At which the stated probabilities of other cases come true: where the right options are the most likely."""
    lines = generate.rendered((generate.case_of("same", SEEDS_CALIBRATION + i) for i in range(count)), judge.render, 0)
    right = []
    for line in lines:
        cache, thought, _, steps = judge.think(line)
        scores = judge.scores(line, cache)
        right.append([judge.told(scores, thought, steps, judge.canonical, t)[line["choice"]] for t in TEMPERATURES])
    return TEMPERATURES[int(np.log(np.array(right) + 1e-9).mean(0).argmax())]


# ---- baselines ----

def role(case: shipped.Case, option: str) -> str:
    """What an option is, whatever it is called: by name where the question is a shipped one."""
    if not case.family.startswith("invented"):
        return option.split()[0] if case.family == "bank_line" and option != shipped.NONE else option
    if option in invented.ASK:
        return "ask"
    order = sorted((o for o in case.options if o not in invented.ASK), key=lambda o: case.question.find(o))
    return f"mentioned {order.index(option)}"


def features(case: shipped.Case) -> list[float]:
    numbers, flags = [], 0
    for value in case.facts.values():
        digits = "".join(c for c in str(value).split(" ")[0] if c.isdigit() or c == ".")
        if isinstance(value, bool):
            flags += value
        elif digits.count(".") <= 1 and digits.strip("."):
            numbers.append(float(digits))
    note = json.dumps(case.untrusted)
    kinds = [f.__name__ for f in shipped.FAMILIES] + ["invented:" + s.__name__ for s in invented.SHAPES]
    first, second = (numbers + [0, 0])[:2]
    return [kinds.index(case.family), first, second, first - second, flags, len(case.facts), len(case.options), len(numbers),
            len(note), note.count("!"), sum(v in (None, "", "?", "unknown", "n/a") for v in case.facts.values()),
            min(numbers, default=-1)]


class Tree:
    """A decision tree by Gini impurity."""

    def __init__(self, x: np.ndarray, y: np.ndarray, depth: int) -> None:
        self.answer, self.test = Counter(y).most_common(1)[0][0], None
        best = 0.0
        for column in range(x.shape[1]) if depth and len(set(y)) > 1 else ():
            for bound in np.unique(np.quantile(x[:, column], np.linspace(0.05, 0.95, 16))):
                left = x[:, column] <= bound
                if 10 < left.sum() < len(y) - 10:
                    gain = gini(y) - left.mean() * gini(y[left]) - (~left).mean() * gini(y[~left])
                    if gain > best:
                        best, self.test = gain, (column, bound)
        if self.test:
            left = x[:, self.test[0]] <= self.test[1]
            self.low, self.high = Tree(x[left], y[left], depth - 1), Tree(x[~left], y[~left], depth - 1)

    def say(self, x: list[float]) -> str:
        if self.test is None:
            return self.answer
        return (self.low if x[self.test[0]] <= self.test[1] else self.high).say(x)


def gini(y: np.ndarray) -> float:
    return 1 - sum((n / len(y)) ** 2 for n in Counter(y).values())


class Baselines:
    def __init__(self, count: int = 4000) -> None:
        cases = [generate.case_of("train", 500_000_000 + i) for i in range(count)]
        said = [role(c, c.choice) for c in cases]
        by_family: defaultdict[str, Counter] = defaultdict(Counter)
        for case, what in zip(cases, said):
            by_family[case.family][what] += 1
        self.majority = {family: found.most_common(1)[0][0] for family, found in by_family.items()}
        self.tree = Tree(np.array([features(c) for c in cases], dtype=float), np.array(said), 10)

    def right(self, cases: list[shipped.Case]) -> dict[str, float]:
        def part(says) -> float:  # noqa: ANN001
            hits = 0.0
            for case in cases:
                fits = [o for o in case.options if role(case, o) == says(case)]
                hits += (case.choice in fits) / max(1, len(fits))  # one of several alike: by chance
            return round(hits / len(cases), 4)
        return {"majority": part(lambda c: self.majority[c.family]), "tree": part(lambda c: self.tree.say(features(c)))}


# ---- the measurement ----

@dataclass(frozen=True)
class Measured:
    """What is measured; a process of its own may do it."""
    model: Path
    render: str
    canonical: bool | None
    temperature: float | None

    def judge(self) -> Judge:
        torch.set_num_threads(1)
        return Judge(self.model, self.render, self.canonical, self.temperature)


def measure(what: Measured, split: str, count: int) -> tuple[dict, list[int]]:
    """The figures of a split, and what was chosen in each case."""
    judge, baselines = what.judge(), Baselines()
    cases = [generate.case_of(split, SEEDS + i) for i in range(count)]
    lines = list(generate.rendered(cases, judge.render, SEEDS))
    sure, alone, right, chosen, margins, exact, lengths = [], [], [], [], [], [], []
    families: defaultdict[str, list[bool]] = defaultdict(list)
    for line in lines:
        cache, thought, _, steps = judge.think(line)
        exact.append(judge.tok.decode(thought) == line["thought"])
        lengths.append(len(thought))
        scores = judge.scores(line, cache)
        p = judge.told(scores, thought, steps, judge.canonical, judge.temperature)
        chosen.append(int(scores.argmax()))
        sure.append(float(p.max()))
        alone.append(float(judge.told(scores, thought, steps, False, 1.0).max()))
        margins.append(float(p.max() - np.sort(p)[-2]))
        right.append(chosen[-1] == line["choice"])
        families[line["family"]].append(right[-1])
    sure, alone, right = np.array(sure), np.array(alone), np.array(right)
    ours = np.array([not line["family"].startswith("invented") for line in lines])
    parts = {name: round(float(right[which].mean()), 4) for name, which in (("shipped", ours), ("invented", ~ours)) if which.any()}
    margin = np.array(margins)
    sure_enough = margin >= UNSURE  # those that an agent follows
    parts["thoughts_exact"] = round(float(np.mean(exact)), 4)
    parts["thought_tokens"] = round(float(np.mean(lengths)), 1)
    parts["followed"] = round(float(sure_enough.mean()), 4)
    parts["right_of_followed"] = round(float(right[sure_enough].mean()), 4) if sure_enough.any() else None
    figures = {"cases": count, "accuracy": round(float(right.mean()), 4), **parts, "ece": round(calibration(sure, right), 4),
               "ece_of_options_alone": round(calibration(alone, right), 4), **baselines.right(cases),
               "families": {k: [round(float(np.mean(v)), 3), len(v)] for k, v in sorted(families.items())}}
    return figures, chosen


def expected(judge: Judge, out: Path, model: Path) -> None:
    """One case of each shipped agent for the engine's tests."""
    cases, seed = {}, SEEDS + 77_000
    while len(cases) < len(shipped.FAMILIES):
        case = generate.case_of("limits", seed)
        if not case.family.startswith("invented"):
            cases.setdefault(case.family, case)
        seed += 1
    meta, tensors = export.read(model)
    rows = []
    for line in generate.rendered(cases.values(), judge.render, SEEDS):
        ids = [*judge.tok.system(line["system"]), *judge.tok.user(line["user"]), judge.tok.think]
        last = export.numpy_logits(meta, tensors, ids)[-1]
        top = np.argsort(-last)[:16]
        cache, thought, _, steps = judge.think(line)
        scores = judge.scores(line, cache)
        rows.append({**line, "thought": judge.tok.decode(thought), "tokens": ids,
                     "top": [[int(i), round(float(last[i]), 5)] for i in top],
                     "sum": round(float(last.sum()), 3), "l2": round(float(np.sqrt((last * last).sum())), 4),
                     **{name: [round(float(p), 5) for p in judge.told(scores, thought, steps, canonical, temperature)]
                        for name, canonical, temperature in (("after_thought", False, judge.says[1]),
                                                             ("with_thought", True, judge.temperature))}})
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    head = json.dumps({"model": model.name, "sha256": digest, "canonical": judge.says[0], "temperature": judge.temperature})
    out.write_text(f'{head[:-1]}, "cases": [\n{lines}\n]}}\n')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--render", required=True)
    parser.add_argument("--count", type=int, default=1000, help="cases of a split")
    parser.add_argument("--splits", nargs="*", default=["same", "limits", "names", "longer", "family", "family_rule"])
    parser.add_argument("--no-hidden", action="store_true")
    parser.add_argument("--written", type=int, default=200, help="answers written out without constraint")
    parser.add_argument("--calibrate", type=int, metavar="CASES", help="print the temperature that calibrates, nothing else")
    parser.add_argument("--canonical", action=argparse.BooleanOptionalAction, help="whether thoughts count; default: as the file says")
    parser.add_argument("--temperature", type=float, help="of stated probabilities; default: as the file says")
    parser.add_argument("--expected", type=Path)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    what = Measured(given.model, given.render, given.canonical, given.temperature)
    judge = what.judge()
    if given.calibrate:
        print(temperature(judge, given.calibrate))
        return
    if given.expected:
        expected(judge, given.expected, given.model)
        return
    figures: dict = {}
    hidden = [] if given.no_hidden else ["plain", "hidden"]
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        running = {split: pool.submit(measure, what, split, given.count) for split in [*given.splits, *hidden]}
        for split in given.splits:
            figures[split], _ = running[split].result()
            print(split, json.dumps(figures[split]), flush=True)
        if hidden:
            (plain, one), (moved, two) = (running[split].result() for split in hidden)
            by_family: Counter = Counter()
            for i, (a, b) in enumerate(zip(one, two)):
                by_family[generate.case_of("plain", SEEDS + i).family] += a != b
            figures["hidden"] = {"cases": given.count, "without": plain["accuracy"], "with": moved["accuracy"],
                                 "changed": sum(by_family.values()), "changed_by_family": dict(sorted(by_family.items()))}
            print("hidden", json.dumps(figures["hidden"]), flush=True)
    if given.written:
        cases = [generate.case_of("same", SEEDS + i) for i in range(given.written)]
        good = sum(valid(judge.write(line), line["options"]) for line in generate.rendered(cases, judge.render, SEEDS))
        figures["valid_unconstrained"] = round(good / given.written, 4)
        print("valid without constraint", figures["valid_unconstrained"])
    if given.out:
        given.out.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
