"""Text of plans that nobody has seen yet: it costs lineage or a whole refresh, and never a run or a row."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse_assets.engine.modes.refresh.group_routes import find_routes
from lakehouse_assets.engine.query.column_lineage import Lineage, column_lineage
from lakehouse_assets.engine.query.query_plan import if_understood, parse
from lakehouse_assets_tests.engine.query.plan_cases import PlanCase, cases, told

CASES = cases()
Routes = dict[tuple[str, ...], list[str] | None]


def read(case: PlanCase, plan: str) -> tuple[Lineage | None, Routes]:
    """What a run reads off another text than that of the case; None for what isn't understood."""
    tree = if_understood(lambda: parse(case.explained.replace(case.sections["plan"], plan)).children[0])
    if tree is None:
        return None, dict.fromkeys(case.routes)
    answers = case.answers

    def routes(by: tuple[str, ...]) -> list[str]:
        return told(find_routes(tree, by, case.keys, lambda key, sql: answers.get((key, sql))))

    found = {by: if_understood(lambda by=by: routes(by)) for by in case.routes}  # type: ignore[misc]
    return if_understood(lambda: column_lineage(tree, case.keys)), found


def of_key(lines: list[str], key: str) -> set[str]:
    return {line for line in lines if line.startswith(f"{key}: ")}


def is_whole(lines: set[str]) -> bool:
    return any(": whole, because " in line for line in lines)


def assert_no_row_is_lost(case: PlanCase, found: Routes) -> None:
    """Every table either has all of its routes, or a change of it has all rows computed anew."""
    for by, lines in found.items():
        for key in case.keys if lines is not None else ():
            now, right = of_key(lines or [], key), of_key(case.routes[by], key)
            assert is_whole(now) or (not is_whole(right) and now >= right), f"{key} by {by}"


def assert_lineage_is_no_other(case: PlanCase, found: Lineage | None) -> None:
    """What is told of a column is a part of what is right."""
    for column, origins in (found or {}).items():
        assert set(origins) <= set((case.lineage or {}).get(column, [])), column


def operators(plan: str) -> list[str]:
    return sorted({line.lstrip(" :+-").split(" ", 1)[0] for line in plan.splitlines()[1:]})


def renamed(plan: str, operator: str) -> str:
    return re.sub(rf"(?m)^([ :+-]*){operator}\b", rf"\1Some{operator}", plan)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_operator_of_another_name_loses_no_row(case: PlanCase) -> None:
    for operator in operators(case.sections["plan"]):
        lineage, routes = read(case, renamed(case.sections["plan"], operator))
        assert_no_row_is_lost(case, routes)
        assert_lineage_is_no_other(case, lineage)


def dropped_ids(plan: str) -> str:
    return re.sub(r"#\d+L?", "", plan)


def longer_ids(plan: str) -> str:
    return re.sub(r"#(\d+)L?", r"#x\1", plan)


def indented_by_four(plan: str) -> str:
    return re.sub(r"(?m)^[ :+-]+", lambda m: " " * (len(m[0]) // 3 * 4), plan)


def not_indented(plan: str) -> str:
    return re.sub(r"(?m)^[ :+-]+", "", plan)


def in_angle_brackets(plan: str) -> str:
    return plan.replace("[", "<").replace("]", ">")


def cut_to(length: int) -> Callable[[str], str]:
    def cut(plan: str) -> str:
        return "\n".join(line if len(line) <= length else f"{line[:length]}..." for line in plan.splitlines())

    return cut


OTHER_WORDS = [dropped_ids, longer_ids, indented_by_four, not_indented, in_angle_brackets, *map(cut_to, (20, 40, 80))]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_another_way_of_writing_loses_no_row(case: PlanCase) -> None:
    for words in OTHER_WORDS:
        lineage, routes = read(case, words(case.sections["plan"]))
        assert_no_row_is_lost(case, routes)
        assert_lineage_is_no_other(case, lineage)


@pytest.mark.parametrize(
    "text",
    ["", " ", "\n\n", "?", "AnalysisException: no", "== Analyzed Logical Plan ==", "== Physical Plan ==\nProject [a#1]",
     "== Analyzed Logical Plan ==\n\n", "== Analyzed Logical Plan ==\nday: date\nFilter false\n"],
)  # fmt: skip
def test_a_text_that_is_no_plan_is_not_understood(text: str) -> None:
    assert if_understood(lambda: parse(text).children[0]) is None


def test_a_named_query_that_reads_itself_is_not_understood() -> None:
    named = "CTERelationDef 1, false\n:  +- CTERelationRef 1, true, [day#1], false"
    plan = f"WithCTE\n:- {named}\n+- CTERelationRef 1, true, [day#1], false"
    tree = parse(f"== Analyzed Logical Plan ==\nday: date\n{plan}")
    assert if_understood(lambda: find_routes(tree, ["day"], ["k"], lambda *_: None)) is None


def damaged(plan: str) -> Iterator[st.SearchStrategy[str]]:
    """Ways to spoil a plan: lines that are gone, come twice or in another order, and letters that are others."""
    lines = plan.splitlines()
    yield st.lists(st.sampled_from(lines), max_size=len(lines) + 3).map("\n".join)
    yield st.sets(st.integers(0, len(lines) - 1), max_size=4).map(
        lambda gone: "\n".join(line for i, line in enumerate(lines) if i not in gone)
    )
    yield st.tuples(st.integers(0, len(plan)), st.integers(0, 30), st.text("[](),#:+- 1aL\n\u2028", max_size=6)).map(
        lambda at: plan[: at[0]] + at[2] + plan[at[0] + at[1] :]
    )


@settings(max_examples=1500, deadline=None)
@given(st.data())
def test_a_damaged_plan_raises_nothing_that_would_end_a_run(data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(CASES))
    read(case, data.draw(st.one_of(*damaged(case.sections["plan"]))))
