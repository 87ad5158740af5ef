"""generate.py -- cases by seed, rendered by the product's own code.

    generate.py train --count 200000 --seed 1 --render build/.../reeve-render --out cases.jsonl

A line of output: {"family","system","user","thought","answer","options","choice"(index),...}.  Splits: train; and for
evaluation only: same (other seeds), limits (larger limits and amounts), names (unseen companies, goods and
document numbers), longer (many distractors), family (a family never trained on, asked without a rule),
family_rule (the same family with a rule), plain and hidden (the same cases without and with an instruction
in the stranger's text).
"""
from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

import invented
import shipped
from words import (ASIDE, CURRENCIES, LEARNT, NOTES, TRAIN, UNSEEN, agreeing, around, asides, compact, day, fresh_word, order_anew, order_for, sign,
                   tagged, tagged_day)

SPLITS = ("train", "same", "limits", "names", "longer", "family", "family_rule", "plain", "hidden")
HIGH, HIGH_SHIFTED = 5_000_000, 90_000_000  # minor units: the largest amounts that are drawn
SHIPPED_SHARE = 0.65
SHIPPED_MORE = 0.2  # of the other training cases become shipped ones too
EASY = ("quantity_variance", "missing_order", "invoice_check", "bank_details", "supplier_balance")  # learned from fewer cases
ORDER_SHARE = 0.25  # of cases with a stranger's instruction
ORDER_MORE = 0.4    # of training cases, beside these, with one put together anew
ORDER_MOST = 0.8    # where the tone of a letter matters and its orders must not


def case_of(split: str, seed: int, bare: bool = False) -> shipped.Case:
    """`bare`: without what does not matter, for the first lessons."""
    # plain and hidden are the same cases
    r = Random(f"{'plain' if split == 'hidden' else split}:{seed}")
    pool = {"names": UNSEEN, "train": LEARNT}.get(split, TRAIN)
    high = HIGH_SHIFTED if split == "limits" else HIGH
    longer = split == "longer"
    if split == "family":
        case = invented.case(r, pool, high, families=invented.HELD, shapes=[invented.no_rule])
    elif split == "family_rule":
        case = invented.case(r, pool, high, families=invented.HELD, shapes=invented.SHAPES[:-1])
    elif r.random() < SHIPPED_SHARE or (split == "train" and r.random() < SHIPPED_MORE):
        case = shipped.case(r, pool, high)
        if split == "train" and case.family in EASY and r.random() < 0.5:
            case = shipped.case(r, pool, high)
        if longer and case.untrusted:
            case.untrusted["note"] = " ".join(filter(None, [case.untrusted.get("note"), *r.sample(NOTES, 4)]))
    else:
        case = invented.case(r, pool, high, longer)
    if r.random() < 0.7:
        case.untrusted = dict(r.sample(sorted(case.untrusted.items()), len(case.untrusted)))
    if split == "train" or split == "same":
        if r.random() < 0.5:
            r.shuffle(case.options)
        if bare:
            strip(case)
        elif r.random() < ORDER_SHARE:
            inject(r, case, False)
        elif split == "train" and r.random() < (ORDER_MOST if case.family == "bank_details" else ORDER_MORE):
            inject(r, case, False, anew=True)
    elif split in ("plain", "hidden"):
        inject(r, case, True, split == "plain")
    return case


def strip(case: shipped.Case) -> None:
    """Takes the stranger's words out where nothing depends on them, and most facts beside."""
    if case.family not in ("bank_line", "duplicate_invoice", "bank_details") and not case.reason.endswith("is not known."):
        case.untrusted = {}
    if case.family.startswith("invented"):
        aside = {label for row in ASIDE for label in row[:3]}
        case.facts = {key: value for key, value in case.facts.items() if key not in aside}


def inject(r: Random, case: shipped.Case, unseen: bool, only_room: bool = False,
           anew: bool = False) -> None:
    """An instruction into what a stranger wrote: before, after or inside; `only_room`: the note without it."""
    if case.family == "supplier_balance":
        return  # nothing of a stranger's stands there
    note = case.untrusted.get("note", "")
    wrong = [option for option in case.options if option != case.choice] if unseen else case.options
    order = order_anew(r, wrong) if anew else order_for(r, wrong, unseen and r.random() < 0.6)
    ahead = r.random() < 0.5
    if only_room:
        return
    case.untrusted["note"] = " ".join(filter(None, [order, note] if ahead else [note, order]))


def answer(case: shipped.Case) -> str:
    return compact({"choice": case.choice, "reason": case.reason})


def rendered(cases: Iterable[shipped.Case], render: str, seed: int) -> Iterator[dict]:
    """Through reeve-render, a thousand at a time."""
    block: list[shipped.Case] = []

    def flush() -> Iterator[dict]:
        lines = "".join(json.dumps({"question": c.asked(), "seed": seed + i, "names": c.names}) + "\n" for i, c in enumerate(block))
        done = subprocess.run([render], input=lines.encode(), stdout=subprocess.PIPE, check=True)
        for case, line in zip(block, done.stdout.decode().splitlines()):
            prompt = json.loads(line)
            options = case.options
            thought, said, choice = case.thought, answer(case), case.choice
            for i, name in enumerate(case.names, 1):  # what is hidden in the prompt is hidden in the answer
                thought, said = thought.replace(name, f"<NAME_{i}>"), said.replace(name, f"<NAME_{i}>")
            yield {"family": case.family, **prompt, "options": options, "choice": options.index(choice), "thought": thought,
                   "answer": said}
        block.clear()

    for case in cases:
        block.append(case)
        if len(block) == 1000:
            yield from flush()
    if block:
        yield from flush()


# ---- drill: many comparisons over one record, written as thoughts write them, so that they are learned early ----

Drill = tuple[str, list[tuple[str, ...]]]  # a record, and what is written of it: given, learned, given, learned, ..


def drill(seed: int) -> Drill:
    r = Random(f"drill:{seed}")
    return r.choices([drill_facts, drill_prices, drill_numbers], [4, 1, 4])[0](r)


def drill_facts(r: Random) -> Drill:
    """Two labels, and what they are one against the other."""
    currency, facts, values = r.choice(CURRENCIES), {}, {}
    kinds = r.sample(["money", "money", "days", "percent", "quantity", "count", "date", "date", "code", "code"], r.choice([1, 2, 2]))
    labels = [label for family in invented.TRAIN for label in family.value + family.limit]
    for kind in kinds:
        base: object = None
        for _ in range(r.choice([2, 3, 4])):
            way = r.random()
            key = r.choice(labels) if way < 0.3 else invented.invented(r) if way < 0.5 else "_".join(
                fresh_word(r) for _ in range(r.choice([1, 2])))
            if key in facts:
                continue
            if kind == "code":
                value = base if r.random() < 0.4 else shipped.near(r, str(base)) if base and r.random() < 0.5 else LEARNT.number(r)
                value = str(value or LEARNT.number(r))
                facts[key] = value
            elif kind == "date":
                value = day(r).toordinal() if base is None else base + r.randint(-40, 40)  # type: ignore[operator]
                facts[key] = type(day(r)).fromordinal(value).isoformat()
            else:
                high = HIGH * r.choice([1, 1, 10, 100])  # longer numbers than in cases: so that all places are known
                value = invented.number(r, kind, high) if base is None else around(r, base)  # type: ignore[arg-type]
                facts[key] = invented.show(kind, value, currency)
            base = value if base is None or r.random() < 0.3 else base
            values[key] = (kind, value)
    facts.update({key: value for key, value in asides(r, r.choice([0, 1])).items() if key not in facts})
    statements: list[tuple[str, ...]] = []
    keys = list(values)
    for _ in range(24):
        one, two = r.choice(keys), r.choice(keys)
        if one == two or values[one][0] != values[two][0] or len(statements) == 8:
            continue
        kind, a, b = values[one][0], facts[one], facts[two]
        if kind == "code":
            said, more = a, agreeing(b, [a])
        elif kind == "date":
            said, more = tagged_day(a), tagged_day(b, a)
        else:
            said, more = tagged(a), f"{tagged(b)} {sign(values[one][1], values[two][1])}"
        statements.append((one, f"={said}\n", two, f"={more}\n"))
    record = json.dumps(facts, indent=1, ensure_ascii=False, sort_keys=True)
    return f"\n## Facts\n{record}\n", statements


def drill_prices(r: Random) -> Drill:
    """Two prices: which is higher, and whether they can be of the same unit."""
    statements: list[tuple[str, ...]] = []
    while len(statements) < 10:
        lines = shipped.price_variance(r, LEARNT, HIGH).thought.split("\n")
        if len(lines) == 4:
            mark, verdict = lines[1][-1], lines[3].split(" ")[0]
            statements.append((f"{lines[0]}\n{lines[1][:-2]}", f" {mark}\n", f"{lines[2]}\n", f"{verdict}\n"))
    return "\n## Facts\n{}\n", statements


def fenced(r: Random, lines: str) -> str:
    number = f"{r.getrandbits(32):08x}"
    return f"\nUNTRUSTED {number} begins\n{lines}UNTRUSTED {number} ends\n"


def drill_numbers(r: Random) -> Drill:
    """A document's number, sought among those of open items."""
    refs = [LEARNT.number(r)]
    while len(refs) < 5:
        other = shipped.near(r, r.choice(refs)) if r.random() < 0.4 else LEARNT.number(r)
        if other not in refs:
            refs.append(other)
    keys = sorted(f"{r.choice(['payment', 'open_item', 'open_item'])} {i}" for i in r.sample(range(1, 5000), len(refs)))
    numbers, statements = dict(zip(keys, refs)), []
    for _ in range(4):
        way = r.random()
        named = r.choice(refs) if way < 0.7 else shipped.near(r, r.choice(refs)) if way < 0.9 else LEARNT.number(r)
        said = ""
        for key in keys:
            said += f"\n{key}={agreeing(numbers[key], [named])}"
            if numbers[key] == named:
                break
        shown = named if r.random() < 0.85 else named.replace("-", " ")
        statements.append((f"memo={shown}", said + ("\n=\n" if named in refs else "\nnone\n")))
    return fenced(r, f'"numbers": {compact(numbers)}\n'), statements


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("split", choices=SPLITS)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--render", required=True, help="the program reeve-render")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    shipped.check(Path(__file__).resolve().parents[2])
    with given.out.open("w") as out:
        cases = (case_of(given.split, given.seed + i) for i in range(given.count))
        for line in rendered(cases, given.render, given.seed):
            out.write(json.dumps(line, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    sys.exit(main())
