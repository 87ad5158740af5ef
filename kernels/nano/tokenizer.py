"""tokenizer.py -- byte-level BPE as GGUF's "gpt2" with the pre-tokenizer "qwen2": train, encode, decode.

Digits stand alone, so that numbers keep their places.  Special tokens exist by id only: no text is ever
encoded as one.
"""
from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

SPECIALS = ["<think>", "</think>", "<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def _class(kind: str) -> str:
    """All characters of a Unicode class as the inside of a [...]."""
    spans: list[list[int]] = []
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code))[0] == kind:
            if spans and spans[-1][1] == code - 1:
                spans[-1][1] = code
            else:
                spans.append([code, code])
    return "".join(f"\\U{a:08x}-\\U{b:08x}" for a, b in spans)


def _pattern() -> re.Pattern[str]:
    letter, digit = _class("L"), _class("N")
    return re.compile(rf"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n{letter}{digit}]?[{letter}]+|[{digit}]|"
                      rf" ?[^\s{letter}{digit}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def byte_letters() -> list[str]:
    """The printable character by which GGUF writes each byte."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = (b for b in range(256) if b not in shown)
    table = {b: chr(b) for b in shown} | {b: chr(256 + i) for i, b in enumerate(hidden)}
    return [table[b] for b in range(256)]


class Tokenizer:
    def __init__(self, merges: list[tuple[str, str]]) -> None:
        letters = byte_letters()
        self.merges = merges
        self.tokens = sorted(letters) + [a + b for a, b in merges] + SPECIALS
        self.ids = {token: i for i, token in enumerate(self.tokens)}
        self.ranks = {pair: i for i, pair in enumerate(merges)}
        self.think, self.thought, self.end, self.turn, self.turn_end = (self.ids[s] for s in SPECIALS)
        self._letters = letters
        self._bytes = {letter: b for b, letter in enumerate(letters)}
        self._words: dict[str, list[int]] = {}
        self._pattern = _pattern()

    @staticmethod
    def train(texts: Iterable[str], size: int) -> "Tokenizer":
        """The most frequent pair becomes a token, until there are `size`; ties by spelling."""
        letters, pattern = byte_letters(), _pattern()
        counts = Counter(word for text in texts for word in pattern.findall(text))
        words = [[letters[b] for b in word.encode()] for word in counts]
        weight = list(counts.values())
        pairs: Counter[tuple[str, str]] = Counter()
        where: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
        for i, word in enumerate(words):
            for pair in zip(word, word[1:]):
                pairs[pair] += weight[i]
                where[pair].add(i)
        merges: list[tuple[str, str]] = []
        while len(merges) < size - 256 - len(SPECIALS) and pairs:
            best = max(pairs, key=lambda p: (pairs[p], p))
            if pairs[best] < 2:
                break
            merges.append(best)
            for i in list(where[best]):
                word = words[i]
                for pair in zip(word, word[1:]):
                    pairs[pair] -= weight[i]
                    if pairs[pair] <= 0:
                        del pairs[pair]
                    where[pair].discard(i)
                words[i] = word = _merge(word, best)
                for pair in zip(word, word[1:]):
                    pairs[pair] += weight[i]
                    where[pair].add(i)
        return Tokenizer(merges)

    def encode(self, text: str) -> list[int]:
        out: list[int] = []
        for word in self._pattern.findall(text):
            found = self._words.get(word)
            if found is None:
                found = self._words[word] = self._encode_word(word)
            out += found
        return out

    def _encode_word(self, word: str) -> list[int]:
        parts = [self._letters[b] for b in word.encode()]
        while len(parts) > 1:
            best = min(zip(parts, parts[1:]), key=lambda p: self.ranks.get(p, 1 << 30))
            if best not in self.ranks:
                break
            parts = _merge(parts, best)
        return [self.ids[p] for p in parts]

    def decode(self, ids: Iterable[int]) -> str:
        raw = bytes(self._bytes[c] for i in ids if i < self.think for c in self.tokens[i])
        return raw.decode(errors="replace")

    def save(self, path: Path) -> None:
        path.write_text(json.dumps({"merges": [" ".join(m) for m in self.merges]}, ensure_ascii=False))

    @staticmethod
    def load(path: Path) -> "Tokenizer":
        merges = [tuple(m.split(" ")) for m in json.loads(path.read_text())["merges"]]
        return Tokenizer(merges)  # type: ignore[arg-type]

    # ---- chatml: what stands between two marks is encoded as one text ----

    def system(self, text: str) -> list[int]:
        """The system turn and the mark of the user's: the same in every prompt."""
        return [self.turn, *self.encode("system\n" + text), self.turn_end, *self.encode("\n"), self.turn]

    def user(self, text: str) -> list[int]:
        """The user's turn after its mark, and the beginning of the assistant's."""
        return [*self.encode("user\n" + text), self.turn_end, *self.encode("\n"), self.turn, *self.encode("assistant\n")]


def _merge(word: list[str], pair: tuple[str, str]) -> list[str]:
    out, i = [], 0
    while i < len(word):
        if i + 1 < len(word) and (word[i], word[i + 1]) == pair:
            out.append(word[i] + word[i + 1])
            i += 2
        else:
            out.append(word[i])
            i += 1
    return out
