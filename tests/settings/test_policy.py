"""
The policy as the settings have it: what it becomes, and how each mistake is told.
"""

import json
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from fulfillment.domain.approval_policy import Forced, Policy
from fulfillment.domain.approvals import Mode, PlannedLevel
from fulfillment.settings.approvals import Approvals
from tests.settings.policies import a_document, a_level

DAYS = timedelta(days=1)


def policy_of(document: Any) -> Policy:
    return Approvals.model_validate({"policy": document}).effective()


def mistake_in(document: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        policy_of(document)
    (error,) = refused.value.errors()
    assert error["loc"] == ("policy",)
    return error["msg"].removeprefix("Value error, ")


def test_without_a_policy_the_default_one_of_four_levels_is_in_force() -> None:
    policy = Approvals().effective()

    assert [(rule.level.role, rule.thresholds, rule.level.escalates_to) for rule in policy.levels] == [
        ("manager", {"USD": 100_000}, "director"),
        ("director", {"USD": 1_000_000}, "vp"),
        ("vp", {"USD": 10_000_000}, "ceo"),
        ("ceo", {"USD": 100_000_000}, None),
    ]
    assert (policy.plan.mode, policy.plan.deadline) == (Mode.SEQUENTIAL, 14 * DAYS)
    assert policy.levels[0].level.reminders == (3 * DAYS, 6 * DAYS)
    assert (policy.levels[0].level.escalate_after, policy.levels[0].level.expire_after) == (7 * DAYS, 3 * DAYS)
    assert policy.risk.forced == (Forced(score=50, role="manager"),)
    assert policy.risk.refuse_from is None


def test_a_document_without_levels_and_risk_has_none() -> None:
    policy = policy_of({"version": "1"})

    assert (policy.levels, policy.risk.forced, policy.risk.first_order) == ((), (), 0)


def test_a_level_has_the_times_of_all_levels_or_its_own() -> None:
    own = {"escalate_after": "PT8H", "expire_after": 3600, "reminders": ["PT2H"]}
    levels = [a_level(), a_level("director", **own)]
    policy = policy_of(a_document(levels=levels, risk={}, escalate_after="P5D", expire_after="P1D", reminders=["P2D"]))

    assert [rule.level for rule in policy.levels] == [
        PlannedLevel(
            role="manager",
            reminders=(2 * DAYS,),
            escalate_after=5 * DAYS,
            expire_after=DAYS,
            escalates_to="director",
        ),
        PlannedLevel(
            role="director",
            reminders=(timedelta(hours=2),),
            escalate_after=timedelta(hours=8),
            expire_after=timedelta(hours=1),
        ),
    ]


def test_a_level_can_have_no_reminders_though_the_others_do() -> None:
    policy = policy_of(a_document(levels=[a_level(reminders=[])], risk={}))

    assert policy.levels[0].level.reminders == ()


@pytest.mark.parametrize("rate", ["1.1", "1.10", 1.1], ids=repr)
def test_a_rate_is_exact_however_it_is_written(rate: object) -> None:
    assert policy_of(a_document(rates={"EUR": rate})).rates == {"EUR": Fraction(11, 10)}
    assert policy_of(json.dumps(a_document(rates={"EUR": rate}))).rates == {"EUR": Fraction(11, 10)}


def test_a_rate_with_more_digits_than_a_float_has_keeps_them_all(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text('version = "1"\n[rates]\nEUR = 1.000000000001\nGBP = 123456789012.000000000001\n')
    policy = policy_of(str(file))

    assert policy.rates["GBP"] == Fraction(123456789012000000000001, 10**12)
    assert policy.rates["EUR"] == Fraction(10**12 + 1, 10**12)


def test_a_file_and_the_same_inline_are_the_same_policy(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text('version = "1"\nmode = "parallel"\n[[levels]]\nrole = "boss"\nfrom = { USD = 5 }\n')
    inline = {"version": "1", "mode": "parallel", "levels": [{"role": "boss", "from": {"USD": 5}}]}

    assert policy_of(str(file)) == policy_of(json.dumps(inline)) == policy_of(inline)


def test_the_same_rules_have_the_same_version_whatever_is_spelt_out() -> None:
    spelt_out = a_document(mode="sequential", deadline="P14D", rates={"GBP": "1.250"})

    assert policy_of(spelt_out) == policy_of(a_document())
    assert policy_of(a_document()).version == policy_of(a_document()).plan.policy
    assert policy_of(a_document()).version.startswith("2026-11+")


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "parallel"},
        {"deadline": "P13D"},
        {"escalate_after": "P8D"},
        {"expire_after": "P4D"},
        {"reminders": ["P3D"]},
        {"rates": {"GBP": "1.251"}},
        {"rates": {}},
        {"levels": [*a_document()["levels"], {"role": "auditor"}]},
        {"levels": [{**level, "quorum": 3} for level in a_document()["levels"]]},
        {"risk": {**a_document()["risk"], "refuse_from": 90}},
        {"risk": {**a_document()["risk"], "countries": {"KP": 99}}},
    ],
)
def test_two_policies_that_differ_never_have_the_same_name(changes: dict[str, Any]) -> None:
    assert policy_of(a_document(**changes)).version != policy_of(a_document()).version


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no version": ({"version": ""}, "version: "),
    "a version with a space": ({"version": "a b"}, "version: "),
    "an unknown key": ({"level": []}, "level: Extra inputs are not permitted"),
    "an unknown mode": ({"mode": "both"}, "mode: "),
    "no deadline": ({"deadline": 0}, "deadline: "),
    "a deadline beyond all calendars": ({"deadline": "P366D"}, "deadline: "),
    "a deadline that is no duration": ({"deadline": "soon"}, "deadline: must be seconds"),
    "an escalation at once": ({"escalate_after": 0}, "escalate_after: "),
    "an expiry at once": ({"expire_after": 0}, "expire_after: "),
    "a base currency that is none": ({"base_currency": "usd"}, "base_currency: must be an ISO 4217 code"),
    "reminders that do not ascend": ({"reminders": ["P3D", "P3D"]}, "reminders: each must be later"),
    "a reminder at once": ({"reminders": [0]}, "reminders[0]: "),
    "a reminder at the escalation": ({"reminders": ["P7D"]}, "levels[0].reminders: each must be before escalate_after"),
    "a rate of nothing": ({"rates": {"GBP": 0}}, "rates.GBP: "),
    "a rate below nothing": ({"rates": {"GBP": "-1"}}, "rates.GBP: "),
    "a rate that is no number": ({"rates": {"GBP": "NaN"}}, "rates.GBP: "),
    "a rate for a currency that is none": ({"rates": {"XXX": 1}}, "rates.XXX: must be an ISO 4217 code"),
    "a rate for the base currency": ({"rates": {"USD": 1}}, "rates.USD: must be left out"),
    "a rate for a currency with thresholds": ({"rates": {"JPY": 1}}, "rates.JPY: must be left out"),
}
WRONG_LEVELS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "no role": ([{}], "levels[0].role: Field required"),
    "a role that can be nobody's": ([a_level("Boss")], "levels[0].role: a role has 1 to 63 of a-z"),
    "a role twice": ([a_level(), a_level()], "levels[1].role: manager has a level already"),
    "nobody's vote": ([a_level(quorum=0)], "levels[0].quorum: "),
    "too many votes": ([a_level(quorum=11)], "levels[0].quorum: "),
    "votes as text": ([a_level(quorum="2")], "levels[0].quorum: "),
    "a threshold below nothing": ([{**a_level(), "from": {"USD": -1}}], "levels[0].from.USD: "),
    "a threshold with a fraction": ([{**a_level(), "from": {"USD": 1.5}}], "levels[0].from.USD: "),
    "a threshold in no currency": ([{**a_level(), "from": {"usd": 1}}], "levels[0].from.usd: must be an ISO 4217 code"),
    "no base currency": ([{**a_level(), "from": {"EUR": 1}}], "levels[0].from: has no USD; add it, it is the base"),
    "a currency another level lacks": (
        [{**a_level(), "from": {"USD": 1, "EUR": 1}}, a_level("director")],
        "levels[1].from: has no EUR; add it, other levels have it",
    ),
    "thresholds that fall": (
        [a_level(), {"role": "desk"}, {**a_level("director"), "from": {"USD": 99_999}}],
        "levels[2].from.USD: must not be less than that of the level before",
    ),
    "eleven levels": ([a_level(f"role-{n}") for n in range(11)], "levels: "),
    "an own reminder after the escalation": (
        [a_level(reminders=["P1D"], escalate_after=60)],
        "levels[0].reminders: each must be before escalate_after",
    ),
    "eleven reminders": ([a_level(reminders=list(range(1, 12)))], "levels[0].reminders: "),
}
WRONG_RISKS: dict[str, tuple[dict[str, Any], str]] = {
    "points below nothing": ({"first_order": -1}, "risk.first_order: "),
    "a rule without a number": ({"orders_within_hour": {"points": 1}}, "risk.orders_within_hour.number: Field"),
    "a rule that always applies": ({"units_of_one_sku": {"number": 0, "points": 1}}, "risk.units_of_one_sku.number: "),
    "no country": ({"countries": {"XX": 1}}, "risk.countries.XX: must be an ISO 3166-1 alpha-2 code"),
    "a role without a level": ({"forced": [{"score": 1, "role": "ceo"}]}, "risk.forced[0].role: ceo has no level"),
    "a score of nothing": ({"forced": [{"score": 0, "role": "manager"}]}, "risk.forced[0].score: "),
    "everything refused": ({"refuse_from": 0}, "risk.refuse_from: "),
    "an unknown rule": ({"full_moon": 5}, "risk.full_moon: Extra inputs"),
}


@pytest.mark.parametrize(
    ("document", "told"),
    [
        *((a_document(**changes), told) for changes, told in WRONG.values()),
        *((a_document(levels=levels, risk={}), told) for levels, told in WRONG_LEVELS.values()),
        *((a_document(risk=risk), told) for risk, told in WRONG_RISKS.values()),
    ],
    ids=[*WRONG, *WRONG_LEVELS, *WRONG_RISKS],
)
def test_what_is_wrong_is_told_by_the_name_of_its_field(document: dict[str, Any], told: str) -> None:
    assert mistake_in(document).startswith(told)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    told = mistake_in(a_document(mode="both", levels=[a_level(quorum=0), a_level("B")]))

    assert [part.split(":")[0] for part in told.split("; ")] == ["mode", "levels[0].quorum", "levels[1].role"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"version = ", "is no TOML in UTF-8"),
        (b'version = "\xff"', "is no TOML in UTF-8"),
        (b'version = "1"\nquorum = 1\n', "quorum: Extra inputs are not permitted"),
        (b'version = "1"\n' + b"#" * 1_000_000, "longer than 1000000 bytes"),
    ],
    ids=["no TOML", "no UTF-8", "an unknown key", "too long"],
)
def test_a_file_that_is_no_policy_is_named_with_what_is_wrong(tmp_path: Path, content: bytes, told: str) -> None:
    file = tmp_path / "policy.toml"
    file.write_bytes(content)
    message = mistake_in(str(file))

    assert message.startswith(f"{file}: ")
    assert told in message


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"

    assert mistake_in(str(missing)).startswith(f"{missing}: cannot be read (No such file or directory); give the path")
    assert mistake_in(str(tmp_path)).startswith(f"{tmp_path}: cannot be read (Is a directory)")


@pytest.mark.parametrize("value", ["", " ", "{", '{"version": "1"', "{]", "[" * 10], ids=repr)
def test_what_is_neither_json_nor_a_file_is_refused(value: str) -> None:
    assert mistake_in(value)
