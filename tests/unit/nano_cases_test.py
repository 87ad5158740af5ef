"""nano_cases_test.py -- the cases of kernels/nano: asked as the agents ask, true, repeatable, kept apart.

usage: nano_cases_test.py REEVE-RENDER      (from the repository root)
"""
from __future__ import annotations

import json
import sys
from pathlib import Path
from random import Random

sys.dont_write_bytecode = True
sys.path.insert(0, "kernels/nano")
import generate  # noqa: E402
import invented  # noqa: E402
import shipped  # noqa: E402
import words  # noqa: E402

COUNT = 300


def test_questions_are_those_of_the_agents() -> None:
    shipped.check(Path("."))


def test_the_same_seed_is_the_same_case() -> None:
    for split in generate.SPLITS:
        assert [generate.case_of(split, i).asked() for i in range(50)] == [generate.case_of(split, i).asked() for i in range(50)], split


def test_answers_are_valid_and_prompts_whole() -> None:
    for split in generate.SPLITS:
        cases = [generate.case_of(split, i) for i in range(COUNT)]
        lines = list(generate.rendered(cases, sys.argv[1], 0))
        assert len(lines) == COUNT, split
        for case, line in zip(cases, lines):
            answer = json.loads(line["answer"])
            assert list(answer) == ["choice", "reason"], line
            assert line["options"][line["choice"]] == answer["choice"] == case.choice, line
            assert len(set(line["options"])) == len(line["options"]) >= 2, line
            assert line["thought"].endswith(f"({answer['choice']})"), line
            assert len(line["thought"]) < 400, line
            assert f"## Question\n{json.dumps(case.question, ensure_ascii=False)}" in line["user"], line


def test_orders_change_the_text_and_nothing_else() -> None:
    changed = 0
    for i in range(COUNT):
        plain, hidden = generate.case_of("plain", i), generate.case_of("hidden", i)
        assert (plain.choice, plain.options, plain.facts, plain.thought) == (hidden.choice, hidden.options, hidden.facts,
                                                                             hidden.thought), i
        changed += plain.untrusted != hidden.untrusted
    assert changed > COUNT * 0.9, changed


def test_what_is_held_back_is_not_learned() -> None:
    labels = {label for family in invented.HELD for label in (family.topic, *family.value, *family.limit)}
    for i in range(2000):
        text = json.dumps(generate.case_of("train", i).asked(), ensure_ascii=False)
        assert not any(f'"{label}"' in text or f"({label})" in text for label in labels), text
    for i in range(COUNT):
        assert generate.case_of("family", i).choice in invented.ASK, i


def test_bare_cases_have_the_same_truth() -> None:
    for i in range(COUNT):
        whole, bare = generate.case_of("train", i), generate.case_of("train", i, True)
        assert (whole.question, whole.choice, whole.thought) == (bare.question, bare.choice, bare.thought), i


def test_numbers_are_written_with_their_places() -> None:
    assert words.tagged("320.50 EUR") == "a3b2c0.y5z0"
    assert words.tagged(7) == "a7." and words.tagged("4.2 %") == "a4.y2" and words.tagged("B17") == "Ba1b7."
    assert words.tagged_day("2026-11-05") == "a6b1c1d0e5" and words.tagged_day("2026-12-05", "2026-11-05") == "a6b1 <"
    assert words.agreeing("RE-1234", ["RE-1244", "R-1"]) == "RE-12 !" and words.agreeing("A 1", ["A 1"]) == "A 1 ="
    assert words.agreeing("3 x hose", ["3 x hose B4"]) == "3 x hose !" and words.agreeing("x", []) == " !"


def test_drills_are_true() -> None:
    for i in range(100):
        text, statements = generate.drill_facts(Random(i))
        facts = json.loads(text[text.index("{"):])
        for one, said, two, more in statements:
            assert one in facts and two in facts, (i, one, two)
            mark = more.split()[-1]
            assert (said.strip() == more.split(" ")[0]) == (mark == "="), (i, said, more)
        for drill in (generate.drill_prices, generate.drill_numbers):
            assert all(len(parts) % 2 == 0 for parts in drill(Random(i))[1]), i


for name, test in list(globals().items()):
    if name.startswith("test_"):
        test()
print("ok")
