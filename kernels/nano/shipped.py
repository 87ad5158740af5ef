"""shipped.py -- the questions that the shipped agents ask, and what is right.

Question texts, options and facts are those of agents/*/agent.lua (`check` compares them).  The truth is
written here once, as the careful clerk's rule of each question; where a fact is missing or contradicts
another, the option that waits for a person is right.  What outsiders wrote decides only where reading
it is the point: two documents compared, a memo, a letter that presses for money.
"""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random

from words import CURRENCIES, NOTES, PRESSING, Pool, agreeing, amount, calm_letter, day, decimal, money, pressing_letter, sign, tagged

HOLD, REJECT, CREDIT, CHANGE = "invoice.hold", "invoice.reject", "credit_note.request", "order.change"
DISTINCT, NONE = "invoice.confirm_distinct", "none of them"


@dataclass
class Case:
    family: str
    question: str
    options: list[str]
    facts: dict
    untrusted: dict
    choice: str
    reason: str
    names: list[str] = field(default_factory=list)  # that the product hides
    thought: str = ""  # what is written down before the choice: copied facts and verdicts, then the option

    def asked(self) -> dict:
        return {"question": self.question, "options": self.options, "facts": self.facts, "untrusted": self.untrusted}


QUESTIONS = {
    "price_variance": "The price invoiced differs from the price ordered. Which resolution fits the facts?",
    "quantity_variance": "More was invoiced than received. Wait for the rest of the delivery (invoice.hold), or claim "
                         "its value now (credit_note.request)?",
    "missing_order": "No open order fits this invoice. Keep it and ask a buyer (invoice.hold), or send it back to "
                     "the supplier (invoice.reject)?",
    "duplicate_invoice": "Are these two invoices one and the same delivery (invoice.reject) or two (invoice.confirm_distinct)?",
    "invoice_check": "The tax of this invoice is not what we expect. Send it back (invoice.reject), or keep it and "
                     "ask the controller whether our expectation is wrong (invoice.hold)?",
    "bank_details": "The bank account on this invoice is not the supplier's. Hold it until a call-back "
                    "(invoice.hold), or does it look like fraud and should be refused (invoice.reject)?",
    "supplier_balance": "An invoice was paid twice. Ask the supplier for a credit note (credit_note.request), or let the "
                        "treasurer ask for the money (invoice.hold)?",
    "bank_line": "Which of these does the bank line settle?",
}


def check(root: Path) -> None:
    """Every question stands in its agent as it stands here."""
    for name, text in QUESTIONS.items():
        source = (root / "agents" / name / "agent.lua").read_text()
        if text not in re.sub(r'"\s*\.\.\s*"', "", source):
            raise SystemExit(f"agents/{name}/agent.lua asks another question than kernels/nano/shipped.py")


def note(r: Random) -> dict:
    return {"note": " ".join(r.sample(NOTES, r.choice([1, 1, 2])))} if r.random() < 0.6 else {}


def drop(r: Random, facts: dict, keys: list[str], chance: float = 0.06) -> str | None:
    """Sometimes one fact is not there; its name."""
    if r.random() >= chance:
        return None
    key = r.choice([k for k in keys if k in facts])
    del facts[key]
    return key


def thought(lines: list[str], end: str, choice: str) -> str:
    return "\n".join([*lines, f"{end} ({choice})"])


def price_variance(r: Random, pool: Pool, high: int) -> Case:
    currency, ordered = r.choice(CURRENCIES), amount(r, 20, high // (20 if pool.makes_up(r) else 100))
    ratio = r.choice([10, 12, 100, 1000]) * r.uniform(0.95, 1.05) if r.random() < 0.25 else 1 + r.uniform(0.02, 0.7)
    invoiced = max(ordered + 1, int(ordered * ratio))
    dearer = r.random() < 0.7
    if not dearer:
        ordered, invoiced = invoiced, ordered
    quantity = r.choice([r.randint(1, 20), r.randint(1, 500)])
    contradicts = r.random() < 0.08
    facts = {"difference": money(max(501, abs(invoiced - ordered) * quantity), currency), "invoiced": decimal(invoiced),
             "ordered": decimal(ordered), "quantity": str(quantity), "dearer": dearer != contradicts}
    options = [CHANGE] * (r.random() < 0.85) + [CREDIT] * facts["dearer"] + [HOLD]
    if len(options) < 2:
        options = [CHANGE, HOLD]
    missing = drop(r, facts, ["invoiced", "ordered"])
    far = max(ordered, invoiced) >= 5 * min(ordered, invoiced)
    a, b = decimal(invoiced), decimal(ordered)
    if missing:
        choice, reason = HOLD, f"The price {missing} is not known; ask the buyer."
    elif contradicts:
        choice, reason = HOLD, f"{a} against {b} contradicts what is said of dearer."
    elif far:
        choice, reason = HOLD, f"{a} against {b} looks like another unit; ask the buyer."
    elif dearer:
        choice, reason = CREDIT, f"{a} is above the {b} ordered; the supplier owes the difference."
    elif CHANGE in options:
        choice, reason = CHANGE, f"{a} is below the {b} ordered; the order seems outdated."
    else:
        choice, reason = HOLD, f"{a} is below the {b} ordered; nothing to claim."
    if missing:
        lines, end = [f"{missing}=?"], "?"
    else:
        lines = [f"invoiced={tagged(a)}", f"ordered={tagged(b)} {sign(invoiced, ordered)}",
                 f"dearer: {'true' if facts['dearer'] else 'false'}"]
        end = "!" if contradicts else "far" if far else "near" if dearer or CHANGE in options else "none"
    return Case("price_variance", QUESTIONS["price_variance"], options, facts,
                {"line": pool.item(r), **note(r)}, choice, reason, thought=thought(lines, end, choice))


def quantity_variance(r: Random, pool: Pool, high: int) -> Case:
    scale = r.choice([1, 1, 1, 100])
    invoiced = r.choice([r.randint(2, 40), r.randint(2, 2000)]) * scale
    received = 0 if r.random() < 0.2 else r.randint(1, invoiced - 1)
    announced = r.choice([0, 0, 0, 1, 1, 2, 3])
    contradicts = r.random() < 0.07
    if contradicts:
        received = invoiced + r.randint(0, invoiced)
    show = (lambda n: decimal(n)) if scale == 100 else str
    facts = {"invoiced": show(invoiced), "received": show(received), "missing": show(max(1, invoiced - received)),
             "value": money(amount(r, 100, high), r.choice(CURRENCIES)), "announced_deliveries": announced,
             "invoice_date": day(r).isoformat()}
    missing = drop(r, facts, ["invoiced", "received", "announced_deliveries"])
    if missing:
        choice, reason = HOLD, f"It is not known what was {missing.split('_')[0]}; wait."
    elif contradicts:
        choice, reason = HOLD, f"{show(received)} received is not less than {show(invoiced)} invoiced; check first."
    elif announced > 0:
        choice, reason = HOLD, f"{announced} announced: the rest seems to be on its way."
    elif received == 0:
        choice, reason = HOLD, "Nothing was received yet; the whole delivery may be on its way."
    else:
        choice, reason = CREDIT, f"{show(received)} of {show(invoiced)} received and nothing announced."
    options = [HOLD, CREDIT]
    if missing:
        lines, end = [f"{missing}=?"], "?"
    else:
        lines = [f"invoiced={tagged(show(invoiced))}", f"received={tagged(show(received))} {sign(invoiced, received)}",
                 f"announced_deliveries={announced}"]
        end = "!" if contradicts else "near" if announced > 0 or received == 0 else "none"
    return Case("quantity_variance", QUESTIONS["quantity_variance"], options, facts, note(r), choice, reason,
                thought=thought(lines, end, choice))


def missing_order(r: Random, pool: Pool, high: int) -> Case:
    status = r.choice(["active"] * 5 + ["unverified"] * 2 + ["blocked"] * 2)
    orders = r.choice([0, 0, 0, 1, 1, 2, 3])
    facts = {"open_orders": orders, "supplier_status": status, "total": money(amount(r, 100, high), r.choice(CURRENCIES))}
    missing = drop(r, facts, ["open_orders"])
    if status == "blocked":
        choice, reason = REJECT, "The supplier is blocked; nothing is ordered from it."
    elif missing:
        choice, reason = HOLD, "It is not known which orders are open; ask a buyer."
    elif orders > 0:
        choice, reason = HOLD, f"{orders} open: a buyer can say whether it belongs there."
    else:
        choice, reason = REJECT, "No order is open; the supplier should name one."
    untrusted = {"lines": [pool.item(r) for _ in range(r.randint(1, 4))], **note(r)}
    if r.random() < 0.7:
        untrusted["order_named"] = pool.number(r)
    lines = [f"open_orders={'?' if missing else orders}", f"supplier_status={status}"]
    return Case("missing_order", QUESTIONS["missing_order"], [HOLD, REJECT], facts, untrusted, choice, reason,
                thought=thought(lines, "", choice))


def other_thing(r: Random, pool: Pool, line: str) -> str:
    if pool.makes_up(r):
        return pool.thing(r) + " " + pool.thing(r)
    return r.choice([i for i in pool.items if i not in line])


def duplicate_invoice(r: Random, pool: Pool, high: int) -> Case:
    first = [pool.line(r) for _ in range(r.choice([1, 1, 2, 2, 3, 4]))]
    second, way = list(first), r.random()
    if way < 0.4:
        choice, reason = REJECT, "Both list the same goods in the same quantities."
        if r.random() < 0.4:
            r.shuffle(second)
    else:
        choice, reason = DISTINCT, "They list other goods or quantities."
        at = r.randrange(len(second))
        if way < 0.55:  # another quantity
            number, name = second[at].split(" x ", 1)
            second[at] = f"{decimal(int(float(number) * 100) + r.randint(1, 40) * 100)} x {name}"
        elif way < 0.75:  # another thing
            second[at] = second[at].split(" x ")[0] + " x " + other_thing(r, pool, second[at])
        elif way < 0.85:
            second = [pool.line(r) for _ in second]
        elif way < 0.93:
            second.append(pool.line(r))
        else:
            second, reason = [], "One of them shows no lines; a person must compare."
    if r.random() < 0.5:
        first, second = second, first
    one = day(r)
    same = r.sample(["number", "order", "date"], r.choice([1, 1, 2, 3]))
    same.sort(key=["number", "order", "date"].index)
    two = one if "date" in same else one + timedelta(days=r.randint(1, 30))
    facts = {"same": same, "first_date": one.isoformat(), "second_date": two.isoformat(), "same_order": "order" in same}
    lines, end = [], "="
    for line in first:
        lines.append(agreeing(line, second))
        if line not in second:
            end = "!"
            break
    else:
        lines.append(f"{len(first)} {len(second)}")
        end = "=" if len(first) == len(second) else "!"
    return Case("duplicate_invoice", QUESTIONS["duplicate_invoice"], [REJECT, DISTINCT], facts,
                {"first": first or {}, "second": second or {}}, choice, reason, thought=thought(lines, end, choice))


def invoice_check(r: Random, pool: Pool, high: int) -> Case:
    rate, net = r.choice([1900, 700, 2000, 2100, 2500, 550, 770, 1000]), amount(r, 1000, high)
    expected, way = net * rate // 10000, r.random()
    if way < 0.25:
        tax = 0
    elif way < 0.45:
        tax = expected + r.choice([-1, 1]) * r.randint(1, 99)
    else:
        tax = max(1, int(expected * r.uniform(0.2, 1.9)))
    tax = max(0, tax if abs(tax - expected) != 100 else tax + 1)
    gap = abs(tax - expected)
    facts = {"tax": tax, "expected": expected, "rate": decimal(rate), "net": net,
             "country": r.choice(["DE", "DE", "AT", "FR", "NL", "IT", "PL", "CH", "US"]),
             "difference": money(gap, r.choice(CURRENCIES))}
    missing = drop(r, facts, ["expected", "rate", "country"], 0.1)
    if missing:
        choice, reason = HOLD, f"The {missing} is not known; the controller should look."
    elif tax == 0:
        choice, reason = HOLD, "No tax at all may be an exemption; ask the controller."
    elif gap < 100:
        choice, reason = HOLD, f"{facts['difference']} may be a matter of rounding; ask the controller."
    else:
        choice, reason = REJECT, f"{facts['difference']} is too much for rounding; the supplier must correct it."
    if missing:
        lines, end = [f"{missing}=?"], "?"
    elif tax == 0:
        lines, end = ["tax=0"], "none"
    else:
        lines, end = [f"difference={tagged(facts['difference'])}"], "near" if gap < 100 else "far"
    return Case("invoice_check", QUESTIONS["invoice_check"], [REJECT, HOLD], facts, note(r), choice, reason,
                thought=thought(lines, end, choice))


def bank_details(r: Random, pool: Pool, high: int) -> Case:
    before, invoices = r.random() < 0.25, 0 if r.random() < 0.25 else r.choice([r.randint(1, 9), r.randint(1, 300)])
    facts = {"invoices_so_far": invoices, "is_account_before_last_change": before}
    if before or r.random() < 0.5:
        facts["account_changed_on"] = day(r).isoformat()
    untrusted = note(r)
    if pool.fresh and r.random() < 0.6:  # training has letters beside those of the lists
        untrusted["note"] = " ".join([calm_letter(r) for _ in range(r.choice([1, 1, 2]))] + list(untrusted.values())[:r.randint(0, 1)])
    presses = r.random() < 0.35
    if presses:
        press = pressing_letter(r) if pool.fresh and r.random() < 0.4 else r.choice(PRESSING)
        words = [press] + ([untrusted["note"]] if "note" in untrusted else [])
        r.shuffle(words)
        untrusted["note"] = " ".join(words)
    if r.random() < 0.6:
        untrusted["payment_reference"] = pool.number(r)
    if presses:
        choice, reason = REJECT, "The letter presses for payment to another account."
    elif before:
        choice, reason = HOLD, "It is the account before the last change; call back."
    elif invoices == 0:
        choice, reason = REJECT, "The first invoice already names another account."
    else:
        choice, reason = HOLD, f"{invoices} invoices so far; call back before anything is paid."
    lines, end = [f"is_account_before_last_change: {'true' if before else 'false'}", f"invoices_so_far={invoices}"], "near"
    if presses:
        end = "!"
    elif not before and invoices == 0:
        end = "none"
    return Case("bank_details", QUESTIONS["bank_details"], [HOLD, REJECT], facts, untrusted, choice, reason,
                thought=thought(lines, end, choice))


NETTABLE = 100_000  # minor units: up to here a credit note is simpler than a claim


def supplier_balance(r: Random, pool: Pool, high: int) -> Case:
    minor = amount(r, 500, 20_000_000) if r.random() < 0.6 else int(NETTABLE * r.uniform(0.5, 1.6))
    facts = {"amount": money(minor, r.choice(CURRENCIES)), "paid_on": day(r).isoformat()}
    if r.random() < 0.3:
        del facts["paid_on"]
    if drop(r, facts, ["amount"]):
        choice, reason = HOLD, "The amount is not known; the treasurer should look."
    elif minor <= NETTABLE:
        choice, reason = CREDIT, f"{facts['amount']} can be netted with the next payment."
    else:
        choice, reason = HOLD, f"{facts['amount']} is too much to wait for; the treasurer asks for it."
    if "amount" not in facts:
        lines, end = ["amount=?"], "?"
    else:
        lines, end = [f"amount={tagged(facts['amount'])}"], "near" if minor <= NETTABLE else "far"
    return Case("supplier_balance", QUESTIONS["supplier_balance"], [HOLD, CREDIT], facts, {}, choice, reason,
                thought=thought(lines, end, choice))


def near(r: Random, number: str) -> str:
    """Another number that looks like it."""
    places = [i for i, c in enumerate(number) if c.isdigit()]
    at = r.choice(places)
    return number[:at] + r.choice([d for d in "0123456789" if d != number[at]]) + number[at + 1:]


def bank_line(r: Random, pool: Pool, high: int) -> Case:
    count, company = r.choice([1, 2, 2, 2, 3, 3, 4]), pool.company(r)
    refs = [pool.number(r)]
    while len(refs) < count:
        other = near(r, r.choice(refs)) if r.random() < 0.3 else pool.number(r)
        if other not in refs:
            refs.append(other)
    ids = r.sample(range(1, 5000), count)
    options = [f"{r.choice(['payment', 'open_item', 'open_item'])} {i}" for i in ids]
    numbers = dict(zip(options, refs))
    way = r.random()
    if way < 0.62:
        at = r.randrange(count)
        named, choice, reason = [refs[at]], options[at], f"The memo names {refs[at]}."
    elif way < 0.7 and count > 1:
        named, choice, reason = r.sample(refs, 2), NONE, "The memo names more than one of them."
    elif way < 0.85:
        other = near(r, r.choice(refs)) if r.random() < 0.3 else pool.number(r)
        named, choice, reason = [other], NONE, "The memo names another number."
        if other in refs:
            choice, reason = options[refs.index(other)], f"The memo names {other}."
    else:
        named, choice, reason = [], NONE, "The memo names none of them."
    words = [r.choice(["Rechnung", "invoice", "facture", "Rg.", "Inv.", "paiement", "Zahlung", "Ref", "no."])] if r.random() < 0.7 else []
    shown = [x if r.random() < 0.85 else x.replace("-", " ") for x in named]
    memo = " ".join(words + shown)
    if r.random() < 0.4:
        memo += r.choice([" ", ", ", " / "]) + r.choice(["thank you", "Danke", "merci", "EREF NOTPROVIDED", "SEPA", company, "March", "Maerz"])
    untrusted = {"counterparty": company, "numbers": numbers}
    if memo.strip():
        untrusted["memo"] = memo.strip()
    facts = {"amount": money(-amount(r, 100, high), r.choice(CURRENCIES)), "booked": day(r).isoformat()}
    lines, end = [f"memo={', '.join(shown) or 'none'}"], "none"
    if len(named) == 1:
        for key in sorted(numbers):  # as the prompt lists them
            lines.append(f"{key}={agreeing(numbers[key], named)}")
            if numbers[key] == named[0]:
                end = "="
                break
    return Case("bank_line", QUESTIONS["bank_line"], options + [NONE], facts, untrusted, choice, reason,
                [company] if r.random() < 0.3 else [], thought(lines, end, choice))


FAMILIES = [price_variance, quantity_variance, missing_order, duplicate_invoice, invoice_check, bank_details,
            supplier_balance, bank_line]
WEIGHTS = [4, 3, 2, 4, 3, 3, 2, 5]  # those that need more looking get more cases


def case(r: Random, pool: Pool, high: int, longer: bool = False) -> Case:
    return r.choices(FAMILIES, WEIGHTS)[0](r, pool, high)
