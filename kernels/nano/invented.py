"""invented.py -- questions of other agents: the rule stands in the question, the limits in the facts.

A family is a topic with its labels in three languages and its options.  A shape is a form of rule: one
limit or two, a flag, a state, a date, two values that must agree, or two conditions joined.  As in shipped
questions, options are named in parentheses; so are facts: then they are the same tokens there and in the
record.  Whatever is missing, contradictory, only claimed by a stranger, or asked without
any rule is for the option that asks for information or escalates.
"""
from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from random import Random

from shipped import Case
from words import (CURRENCIES, NOTES, Pool, agreeing, amount, around, asides, day, decimal, fresh_word, invented, money, sign, tagged,
                   tagged_day)


@dataclass(frozen=True)
class Family:
    topic: str
    kind: str  # money, days, percent, quantity, count
    value: tuple[str, str, str]  # the fact's label in English, German, French
    limit: tuple[str, str, str]
    options: tuple[str, ...]  # from the mildest to the strictest


def _families(text: str) -> list[Family]:
    rows = [[part.strip() for part in line.split("|")] for line in text.strip().splitlines()]
    return [Family(t, k, tuple(v.split()), tuple(m.split()), tuple(o.split())) for t, k, v, m, o in rows]


TRAIN = _families("""
The freight of this invoice is not on the order. | money | freight fracht fret | freight_limit frachtgrenze limite_fret | invoice.accept_variance credit_note.request invoice.reject
The invoice has a line that was not ordered. | money | extra_line zusatzposition ligne_extra | limit grenze limite | order.add_line invoice.hold invoice.reject
More was invoiced than ordered. | quantity | quantity_over mehrmenge quantite_en_trop | allowed_over erlaubte_mehrmenge exces_permis | order.change credit_note.request invoice.reject
Goods came, but no invoice. | days | days_since_receipt tage_seit_eingang jours_depuis_reception | accrual_after_days abgrenzung_nach_tagen jours_provision | supplier.ask_invoice accrual.post receipt.reverse
The exchange rate differs from the reference. | percent | rate_difference kursabweichung ecart_de_cours | max_difference max_abweichung ecart_max | invoice.accept invoice.revalue invoice.reject
A discount is about to be lost. | days | days_left resttage jours_restants | days_needed tage_noetig jours_requis | payment.wait payment.propose
The invoice has been held for a while. | days | days_held tage_gesperrt jours_bloques | hold_limit sperrfrist limite_blocage | exception.snooze exception.escalate_owner
The customer is overdue. | days | days_overdue tage_ueberfaellig jours_de_retard | grace_days kulanztage jours_de_grace | dunning.wait dunning.send credit.block
The customer's orders are above the credit limit. | money | exposure engagement encours | credit_limit kreditlimit plafond | order.release order.hold
The customer paid less than invoiced. | money | short_paid unterzahlung sous_paiement | write_off_limit ausbuchungsgrenze limite_abandon | ar.write_off ar.dispute ar.legal
The stock will not last. | days | days_of_cover reichweite couverture | lead_time lieferzeit delai_livraison | replenish.wait replenish.propose
The delivery is late. | days | days_late verzug retard | tolerance_days toleranztage tolerance_jours | delivery.wait order.expedite order.cancel
The stock count differs from the books. | quantity | count_difference zaehldifferenz ecart_inventaire | class_limit klassengrenze limite_classe | inventory.adjust inventory.recount inventory.audit
A return is offered. | days | days_since_sale tage_seit_verkauf jours_depuis_vente | return_days rueckgabefrist delai_retour | return.accept return.refuse
A warranty repair is claimed. | money | repair_cost reparaturkosten cout_reparation | warranty_cap garantiegrenze plafond_garantie | warranty.pay warranty.share warranty.refuse
A travel expense was handed in. | money | claimed betrag_spesen montant_frais | daily_limit tagessatz forfait_jour | expense.pay expense.reduce expense.refuse
A subscription is up for renewal. | percent | price_increase preiserhoehung hausse_prix | accepted_increase erlaubte_erhoehung hausse_admise | contract.renew contract.negotiate contract.end
A deposit was asked for. | percent | deposit_share anzahlung_anteil part_acompte | deposit_max anzahlung_max acompte_max | deposit.pay deposit.refuse
A customs bill came. | money | duty zoll droits_douane | duty_estimate zoll_geschaetzt droits_prevus | duty.pay duty.object
Scrap was reported in production. | percent | scrap_rate ausschussquote taux_rebut | scrap_limit ausschussgrenze limite_rebut | scrap.book scrap.review line.stop
The machine reports running hours. | count | running_hours betriebsstunden heures_marche | service_hours wartung_stunden heures_entretien | service.wait service.plan
A rebate is claimed. | quantity | bought gekauft achete | rebate_from bonus_ab remise_des | rebate.refuse rebate.grant
The bank charged a fee. | money | fee gebuehr frais | fee_limit gebuehrengrenze limite_frais | fee.post fee.dispute
The budget of the project is used. | percent | budget_used budget_verbraucht budget_consomme | warn_at warnung_ab alerte_a | project.continue project.warn project.stop
The sensor of the cold store reports. | count | temperature_minutes minuten_warm minutes_chaud | allowed_minutes erlaubte_minuten minutes_admises | goods.release goods.inspect goods.destroy
Money came from an unknown payer. | days | days_open tage_offen jours_ouverts | park_days parkfrist delai_attente | bank_line.park refund.propose
""")
# never trained on: people and their pay
HELD = _families("""
The net pay of this employee moved. | percent | net_change netto_aenderung variation_net | change_limit aenderungsgrenze limite_variation | payroll.confirm payroll.hold
Overtime was recorded. | count | overtime_hours ueberstunden heures_supp | overtime_limit ueberstundengrenze limite_heures_supp | time.accept time.escalate_manager
Leave was asked for. | days | leave_days urlaubstage jours_de_conge | leave_balance urlaubskonto solde_conges | leave.approve leave.reject
Retro pay is due. | money | retro_pay nachzahlung rappel_salaire | retro_limit nachzahlungsgrenze limite_rappel | payroll.confirm payroll.hold
The employee's bank account changed before the run. | days | days_before_run tage_vor_lauf jours_avant_paie | safe_days sicherheitsfrist delai_securite | payroll.confirm bankdata.call_back
""")

ASK = ["exception.escalate", "ask.information", "need_information", "ask a person"]
MISSING = ["", None, "unknown", "?", "n/a"]


def fresh_family(r: Random) -> Family:
    """A topic of no real business, in words of any letters."""
    def label() -> str:
        return "_".join(fresh_word(r) for _ in range(r.choice([1, 1, 2, 2, 3])))

    thing, key = fresh_word(r), label()
    bound = r.choice([label(), label(), f"{key}_limit", f"max_{key}", f"{fresh_word(r)}_{r.choice(['limit', 'max', 'cap', 'grenze', 'days'])}",
                      f"{r.choice(['limite', 'seuil', 'allowed', 'grenze'])}_{fresh_word(r)}"])
    start = r.choice([f"The {fresh_word(r)} of this {thing} {fresh_word(r)}.", f"{thing.capitalize()} {fresh_word(r)}.",
                      f"The {thing} is {fresh_word(r)}.", f"A {thing} was {fresh_word(r)} by the {fresh_word(r)}."])
    kind = r.choice(["money", "days", "percent", "quantity", "count"])
    return Family(start, kind, (key,) * 3, (bound,) * 3, tuple(f"{thing}.{label()}" for _ in range(r.choice([2, 3, 3]))))


def new_family(r: Random) -> Family:
    """A topic of no real business."""
    thing, key, bound = invented(r), invented(r), invented(r)
    verbs = r.sample("accept hold reject send keep stop open close pay return book skip mark lift turn".split(), 3)
    start = r.choice([f"A {thing} was found.", f"The {thing} {key} is unusual.", f"There is a {key} in this {thing}.",
                      f"This {thing} needs a decision."])
    return Family(start, r.choice(["money", "days", "percent", "quantity", "count"]), (key,) * 3, (bound,) * 3,
                  tuple(f"{thing}.{verb}" for verb in verbs))


# ---- values ----

def number(r: Random, kind: str, high: int) -> int:
    if kind == "money":
        return amount(r, 500, high)
    if kind == "quantity":
        return r.choice([r.randint(1, 30) * 100, r.randint(1, 900) * 100, r.randint(50, 99999)])
    if kind == "percent":
        return r.choice([r.randint(1, 30) * 100, r.randint(20, 4000)])
    return r.choice([r.randint(1, 14), r.randint(2, 90), r.randint(10, 900)])


def show(kind: str, value: int, currency: str) -> object:
    if kind == "money":
        return money(value, currency)
    if kind == "quantity":
        return decimal(value)
    if kind == "percent":
        return decimal(value) + " %"
    return value


def plain(value: object) -> str:
    return str(value)


class Frame:
    """What all shapes share: the family, the language of its labels, the options and who is asked."""

    def __init__(self, r: Random, pool: Pool, family: Family) -> None:
        self.r, self.pool, self.family = r, pool, family
        self.language = r.choice([0, 0, 1, 2])
        self.value, self.limit = family.value[self.language], family.limit[self.language]
        self.currency = r.choice(CURRENCIES)
        self.ask = r.choice(ASK)
        options = list(family.options)
        r.shuffle(options)
        self.a, self.b = options[0], options[1]
        self.c = options[2] if len(options) > 2 else options[1]
        self.facts: dict[str, object] = {}
        self.untrusted: dict[str, object] = {}
        self.gone = ""  # the fact that is not there
        self.agrees = ""  # the line of thought about the records agreeing, where there is such a fact
        self.contradicts = False
        self.thought = ""

    def label(self, known: str) -> str:
        """A fact's label; in training often one of no language."""
        return f"{fresh_word(self.r)}_{fresh_word(self.r)}" if self.pool.makes_up(self.r) else known

    def otherwise(self) -> str:
        """What the question says of missing facts; often nothing."""
        return self.r.choice(["", f" If a fact is missing: ({self.ask})."])

    def missing(self, key: str) -> tuple[str, str]:
        """One fact is not there, whatever a stranger says of it."""
        self.gone = key
        if key in self.facts:
            value = self.facts.pop(key)
            if self.r.random() < 0.4:
                self.facts[key] = self.r.choice(MISSING)
            elif self.r.random() < 0.4:
                self.untrusted["note"] = self.r.choice([f"The {key} is {plain(value)}.", f"{key}: {plain(value)}",
                                                        f"{key} = {plain(value)}, as agreed."])
        return self.ask, f"The {key} is not known."

    def conflict(self) -> tuple[str, str]:
        key, value = self.r.choice([("records_agree", False), ("data_conflict", True), ("sources_contradict", True),
                                    ("widerspruch", True), ("donnees_coherentes", False)])
        self.facts[key] = value
        self.agrees, self.contradicts = f"{key}: {str(value).lower()}", True
        return self.ask, "The records contradict each other."

    def no_conflict(self) -> None:
        key, value = self.r.choice([("records_agree", True), ("data_conflict", False), ("sources_contradict", False),
                                    ("widerspruch", False), ("donnees_coherentes", True)])
        self.facts[key] = value
        self.agrees = f"{key}: {str(value).lower()}"

    def think(self, lines: dict[str, str], end: str, choice: str) -> None:
        """Writes down facts one under the other, up to the first that is not there; and what follows."""
        out = [self.agrees] if self.agrees else []
        if self.contradicts:
            end = "!"
        else:
            for key, line in lines.items():
                if key == self.gone:
                    out.append(f"{key}=?")
                    end = "?"
                    break
                out.append(line)
        self.thought = "\n".join([*out, f"{end} ({choice})"])


Answer = tuple[str, str, str]  # question, choice, reason


def spoil(f: Frame, keys: list[str], answer: tuple[str, str]) -> tuple[str, str]:
    """Now and then a fact is missing or the records contradict each other: then somebody is asked."""
    way = f.r.random()
    if way < 0.13:
        return f.missing(f.r.choice(keys))
    if way < 0.19:
        return f.conflict()
    if way < 0.25:
        f.no_conflict()
    return answer


def one_limit(f: Frame, high: int) -> Answer:
    r, kind = f.r, f.family.kind
    limit = number(r, kind, high)
    value = around(r, limit, 0)
    shown, bound = show(kind, value, f.currency), show(kind, limit, f.currency)
    f.facts[f.value] = shown
    name, inside = f.limit, r.random() < 0.2
    if inside:  # the limit stands in the question itself
        name = plain(bound)
    else:
        f.facts[f.limit] = bound
    over = value > limit
    text = r.choice([f"({f.value}) up to ({name}): ({f.a}), above: ({f.b}).", f"({f.value}) above ({name}): ({f.b}), else ({f.a})."])
    word = "is above" if over else "is not above"
    answer = (f.b if over else f.a, f"{plain(shown)} {word} {plain(bound)}.")
    choice, reason = spoil(f, [f.value] if inside else [f.value, f.limit], answer)
    f.think({f.value: f"{f.value}={tagged(shown)}", name: f"{name}={tagged(bound)} {sign(value, limit)}"},
            "above" if over else "up to" if "above:" in text else "else", choice)
    return text + f.otherwise(), choice, reason


def two_limits(f: Frame, high: int) -> Answer:
    r, kind = f.r, f.family.kind
    if f.c == f.b:
        return one_limit(f, high)
    low = number(r, kind, high)
    top = low + max(1, int(low * r.uniform(0.3, 4)))
    value = around(r, r.choice([low, top]), 0)
    shown, first, second = (show(kind, v, f.currency) for v in (value, low, top))
    one, two = r.choice([("lower_limit", "upper_limit"), ("untergrenze", "obergrenze"), ("limite_basse", "limite_haute"),
                         ("limit_1", "limit_2")])
    f.facts.update({f.value: shown, one: first, two: second})
    text = f"({f.value}) up to ({one}): ({f.a}), up to ({two}): ({f.b}), above: ({f.c})."
    if value > top:
        answer = (f.c, f"{plain(shown)} is above {plain(second)}.")
    elif value > low:
        answer = (f.b, f"{plain(shown)} is above {plain(first)}, not above {plain(second)}.")
    else:
        answer = (f.a, f"{plain(shown)} is not above {plain(first)}.")
    choice, reason = spoil(f, [f.value, one, two], answer)
    said = f"{f.value}={tagged(shown)}"  # again before the second: what is compared stands one under the other
    f.think({f.value: said, one: f"{one}={tagged(first)} {sign(value, low)}",
             two: f"{said}\n{two}={tagged(second)} {sign(value, top)}"},
            "above" if value > top else f"up to ({two})" if value > low else f"up to ({one})", choice)
    return text + f.otherwise(), choice, reason


FLAGS = ["approved", "goods_received", "contract_signed", "photo_attached", "genehmigt", "ware_erhalten", "unterschrieben",
         "approuve", "recu", "signe", "first_time", "insured"]


def flag(f: Frame, high: int) -> Answer:
    r, key = f.r, f.label(f.r.choice(FLAGS))
    value = r.random() < 0.5
    f.facts[key] = value
    text = r.choice([f"With ({key}): ({f.a}), else ({f.b}).", f"Without ({key}): ({f.b}), else ({f.a})."])
    answer = (f.a if value else f.b, f"{key} is {'true' if value else 'false'}.")
    choice, reason = spoil(f, [key], answer)
    f.think({key: f"{key}: {str(value).lower()}"},
            "else" if value == text.startswith("Without") else text.split(" ")[0], choice)
    return text + f.otherwise(), choice, reason


STATES = [("status", ["active", "blocked", "closed", "new"]), ("zustand", ["offen", "gesperrt", "erledigt", "neu"]),
          ("etat", ["ouvert", "bloque", "clos", "nouveau"]), ("class", ["A", "B", "C", "D"]),
          ("risk", ["low", "medium", "high", "severe"]), ("type", ["goods", "service", "rent", "license"])]


def state(f: Frame, high: int) -> Answer:
    r = f.r
    key, values = r.choice(STATES)
    one, two, *rest = r.sample(values, len(values))
    value = r.choice([one, one, two, two, rest[0]])
    f.facts[key] = value
    text = f"({key}) is ({one}): ({f.a}), ({two}): ({f.b}), other: ({f.ask})."
    answer = {one: f.a, two: f.b}.get(value, f.ask), f"{key} is {value}."
    choice, reason = spoil(f, [key], answer)
    f.think({key: f"{key}={value}"}, f"({value})" if value in (one, two) else "other", choice)
    return text, choice, reason


DATES = [("due_on", "today"), ("faellig_am", "heute"), ("echeance", "aujourd_hui"), ("valid_until", "invoice_date"),
         ("gueltig_bis", "rechnungsdatum"), ("valable_jusqu_au", "date_facture"), ("delivered_on", "promised_on")]


def dates(f: Frame, high: int) -> Answer:
    r = f.r
    first, second = r.choice(DATES)
    first, second = f.label(first), f.label(second)
    one = day(r)
    two = one + timedelta(days=r.choice([0, r.randint(-20, 20), r.randint(-20, 20), r.randint(-400, 400)]))
    f.facts.update({first: one.isoformat(), second: two.isoformat()})
    late = two > one
    text = f"({second}) after ({first}): ({f.b}), else ({f.a})."
    answer = (f.b if late else f.a, f"{two.isoformat()} is {'after' if late else 'not after'} {one.isoformat()}.")
    choice, reason = spoil(f, [first, second], answer)
    f.think({second: f"{second}={tagged_day(two.isoformat())}", first: f"{first}={tagged_day(one.isoformat(), two.isoformat())}"},
            "after" if late else "else", choice)
    return text + f.otherwise(), choice, reason


def agree(f: Frame, high: int) -> Answer:
    """Two values that must be the same."""
    r, pool = f.r, f.pool
    first, second = r.choice([("order_currency", "invoice_currency"), ("ordered_by", "received_by"), ("code_1", "code_2"),
                              ("reference", "reference_on_invoice"), ("bestellnummer", "nummer_auf_rechnung"),
                              ("numero", "numero_facture")])
    if pool.makes_up(r):
        one = r.choice([pool.number(r), pool.number(r), fresh_word(r).upper(), fresh_word(r) + str(r.randint(1, 9999))])
        places = [i for i, c in enumerate(one) if c.isalnum()]
        at = r.choice(places[1:] or places)
        others = "0123456789" if one[at].isdigit() else "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        two = one if r.random() < 0.5 else one[:at] + r.choice([d for d in others if d != one[at]]) + one[at + 1:]
        if r.random() < 0.5:
            first, second = r.choice([(fresh_word(r), fresh_word(r)), (f"{first}_{fresh_word(r)}", second)])
    elif "currency" in first:
        one = r.choice(CURRENCIES)
        two = one if r.random() < 0.5 else r.choice([c for c in sorted(set(CURRENCIES)) if c != one])
    else:
        one = f"{r.choice('ABKPRZ')}{r.randint(10, 99999)}"
        at = r.randrange(1, len(one))
        two = one if r.random() < 0.5 else one[:at] + r.choice([d for d in "0123456789" if d != one[at]]) + one[at + 1:]
    f.facts.update({first: one, second: two})
    text = r.choice([f"({first}) is ({second}): ({f.a}), else ({f.b}).", f"({first}) is not ({second}): ({f.b}), else ({f.a})."])
    answer = (f.a, f"Both are {one}.") if one == two else (f.b, f"{one} is not {two}.")
    choice, reason = spoil(f, [first, second], answer)
    f.think({first: f"{first}={one}", second: f"{second}={agreeing(two, [one])}"},
            "else" if (one == two) == ("is not" in text) else "is", choice)
    return text + f.otherwise(), choice, reason


def both(f: Frame, high: int) -> Answer:
    """A limit and a flag, joined by and / or."""
    r, kind, key = f.r, f.family.kind, f.label(f.r.choice(FLAGS))
    limit = number(r, kind, high)
    value, yes = around(r, limit, 0), r.random() < 0.6
    shown, bound = show(kind, value, f.currency), show(kind, limit, f.currency)
    f.facts.update({f.value: shown, f.limit: bound, key: yes})
    under, joined = value <= limit, r.random() < 0.5
    if joined:
        text, good = f"With ({key}) and ({f.value}) up to ({f.limit}): ({f.a}), else ({f.b}).", yes and under
    else:
        text, good = f"With ({key}) or ({f.value}) up to ({f.limit}): ({f.a}), else ({f.b}).", yes or under
    answer = (f.a if good else f.b, f"{key} is {'true' if yes else 'false'} and {plain(shown)} is "
                                    f"{'not above' if under else 'above'} {plain(bound)}.")
    choice, reason = spoil(f, [f.value, f.limit, key], answer)
    f.think({key: f"{key}: {str(yes).lower()}", f.value: f"{f.value}={tagged(shown)}",
             f.limit: f"{f.limit}={tagged(bound)} {sign(value, limit)}"}, "With" if good else "else", choice)
    return text + f.otherwise(), choice, reason


def no_rule(f: Frame, high: int) -> Answer:
    """Nothing in the question says which facts lead where: not ours to guess."""
    r = f.r
    if r.random() < 0.8:
        f.facts[f.value] = show(f.family.kind, number(r, f.family.kind, high), f.currency)
    if r.random() < 0.5:
        f.facts[f.limit] = show(f.family.kind, number(r, f.family.kind, high), f.currency)
    text = r.choice(["Which resolution fits?", "What should be done?", f"({f.a}) or ({f.b})?", "Decide."])
    f.think({}, "none", f.ask)
    return text, f.ask, "No rule for this is given; a person must decide."


SHAPES = [one_limit, two_limits, flag, state, dates, agree, both, no_rule]
WEIGHTS = [6, 3, 4, 5, 3, 4, 2, 3]
WEIGHTS_LEARNT = [8, 6, 3, 4, 6, 8, 4, 2]  # in training: more of those that compare


def case(r: Random, pool: Pool, high: int, longer: bool = False, families: list[Family] | None = None,
         shapes: list | None = None) -> Case:
    if families:
        family = r.choice(families)
    elif pool.makes_up(r):
        family = fresh_family(r)
    else:
        family = new_family(r) if r.random() < 0.35 else r.choice(TRAIN)
    frame = Frame(r, pool, family)
    shape = r.choice(shapes) if shapes else r.choices(SHAPES, WEIGHTS_LEARNT if pool.fresh else WEIGHTS)[0]
    text, choice, reason = shape(frame, high)
    used = [o for o in (frame.a, frame.b, frame.c) if o in text or shape is no_rule]
    options = list(dict.fromkeys(used + [frame.ask, choice]))
    r.shuffle(options)
    start = family.topic + " " if r.random() < 0.85 else ""
    beside = asides(r, r.choice([5, 6, 7, 8, 9]) if longer else r.choice([0, 0, 1, 1, 2, 3]))
    facts = {**{k: v for k, v in beside.items() if k not in frame.facts}, **frame.facts}
    if "note" not in frame.untrusted and r.random() < 0.3:
        frame.untrusted["note"] = " ".join(r.sample(NOTES, r.choice([3, 4]) if longer else r.choice([1, 1, 2])))
    return Case("invented:" + shape.__name__, start + text, options, facts, frame.untrusted, choice, reason, thought=frame.thought)
