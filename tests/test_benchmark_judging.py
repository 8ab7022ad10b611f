"""The benchmark of judging judges a true inspection, and says what each size costs."""

import json

import pytest

from benchmarks import judging
from lanes.record import BrakeMeasured, canonical, parse


def test_every_size_is_judged_alike(capsys: pytest.CaptureFixture[str]) -> None:
    assert judging.main(["--rounds", "1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["benchmark"], told["items"], told["samples"]) == ("judging", 60, 2000)
    once, *more = told["sizes"]
    assert once["growth"] == {"judged": 1.0, "json": 1.0}
    assert [each["records"] - 1 for each in more] == [(once["records"] - 1) * n for n in (2, 4, 8)]
    assert {(each["findings"], each["verdict"]) for each in told["sizes"]} == {(once["findings"], "pass")}
    assert all(cost > 0 for each in told["sizes"] for cost in (*each["ms"].values(), each["ratio"]))


def test_the_rows_are_canonical_and_hold_five_curves() -> None:
    data = judging.rows(judging.rulebook(), 1)
    records = [parse(row) for row in data]
    assert [canonical(record) for record in records] == data
    assert [record.seq for record in records] == list(range(1, len(data) + 1))
    curves = [record.body.curve for record in records if isinstance(record.body, BrakeMeasured)]
    assert [len(curve.left_dan) for curve in curves] == [2000] * 5
    assert judging.verdict(data, judging.rulebook())[0] >= judging.ITEMS


def test_no_round_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        judging.main(["--rounds", "0"])
    assert ended.value.code == 2 and "at least 1" in capsys.readouterr().err
