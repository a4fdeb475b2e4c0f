# SPDX-License-Identifier: Apache-2.0
"""The table of studies in flight: bounds, urgent ones, those that are forgotten, and many processes at once."""

import subprocess
import sys
import time

import pytest

pytest.importorskip("tritonclient.grpc")
from tests import fake_stub as stub  # noqa: F401 - what the module imports
from vcf_contract.errors import Overloaded
from vcf_runtime.deadline import key_of
from vcf_runtime.studies import Studies, key_at

MINUTE_US = 60_000_000


@pytest.fixture
def shown():
    return []


@pytest.fixture
def studies(tmp_path, shown):
    table = Studies(tmp_path / "studies", shown.append)
    table.limit(3, 5)
    return table


def fill(studies, count, urgent=False, start=0):
    for number in range(start, start + count):
        studies.take(key_of(f"study {number}"), MINUTE_US, urgent=urgent)


def test_one_more_than_fits_is_refused_until_one_is_answered(studies, shown):
    fill(studies, 3)
    with pytest.raises(Overloaded, match=r"^OVERLOADED: 3 studies .* in about 0\.1 s, or to another server$"):
        studies.take(key_of("more"), MINUTE_US)
    studies.answered(key_of("study 1"))
    assert studies.take(key_of("more"), MINUTE_US) == 3
    assert shown == [1, 2, 3, 2, 3]


def test_urgent_studies_have_room_of_their_own(studies):
    fill(studies, 3)
    fill(studies, 2, urgent=True, start=10)
    for urgent in (False, True):
        with pytest.raises(Overloaded, match="5 studies"):
            studies.take(key_of("more"), MINUTE_US, urgent=urgent)


def test_urgent_studies_take_no_room_from_routine_ones(studies):
    fill(studies, 2, urgent=True, start=10)
    fill(studies, 3)
    with pytest.raises(Overloaded, match="5 studies"):
        studies.take(key_of("more"), MINUTE_US)


def test_a_study_that_is_known_is_not_counted_again(studies):
    for _ in range(5):
        assert studies.take(key_of("one"), MINUTE_US) == 1


@pytest.mark.parametrize("end", ["answered", "failed", "leave"])
def test_every_end_makes_room(studies, end):
    fill(studies, 3)
    assert getattr(studies, end)(key_of("study 0")) == 2
    assert studies.take(key_of("more"), MINUTE_US) == 3


def test_one_that_is_given_up_is_known_and_one_that_is_answered_is_not(studies):
    fill(studies, 2)
    studies.leave(key_of("study 0"))
    studies.answered(key_of("study 1"))
    assert [studies.has_left(key_of(f"study {n}")) for n in range(2)] == [True, False]
    assert [studies.knows(key_of(f"study {n}")) for n in range(2)] == [True, False]


def test_what_is_forgotten_goes_with_its_deadline(studies):
    for number in range(3):
        studies.take(key_of(f"study {number}"), 50_000)
    time.sleep(0.06)
    assert studies.take(key_of("more"), MINUTE_US) == 1


def test_without_a_limit_all_are_taken(tmp_path):
    table = Studies(tmp_path / "studies")
    fill(table, 5000)
    assert table.answered(key_of("study 0")) > 0


def test_without_shared_memory_all_are_taken(tmp_path):
    table = Studies(tmp_path / "missing" / "studies")
    table.limit(1, 1)
    fill(table, 9)
    assert table.answered(key_of("study 0")) == 0


def test_advice_is_the_time_that_half_of_them_take(tmp_path, monkeypatch):
    now = [10**12]
    monkeypatch.setattr(time, "monotonic_ns", lambda: now[0])
    table = Studies(tmp_path / "studies")
    table.limit(16, 16)
    fill(table, 16)
    for number in range(10):
        now[0] += 2 * 10**9
        table.answered(key_of(f"study {number}"))
        fill(table, 1, start=100 + number)
    with pytest.raises(Overloaded) as full:
        table.take(key_of("more"), MINUTE_US)
    assert full.value.after_s == pytest.approx(16)
    assert Overloaded.find(f"in ensemble 'vcf': {full.value}").after_s == full.value.after_s
    assert Overloaded.find("Exceeds maximum queue size") is None


@pytest.mark.parametrize("limits", [(0, 5), (6, 5), (5, 100_000)])
def test_limits_that_make_no_sense(tmp_path, limits):
    with pytest.raises(ValueError, match="limits"):
        Studies(tmp_path / "studies").limit(*limits)


def test_keys_with_and_without_an_id_never_meet():
    assert key_of("one") % 2 == 1 and key_at(2**63 + 5) % 2 == 0
    assert key_of("one") != key_of("two") and key_at(5) != key_at(6)


HAMMER = """
import sys
from pathlib import Path
from tests import fake_stub
from vcf_contract.errors import Overloaded
from vcf_runtime.studies import Studies
from vcf_runtime.deadline import key_of
table, most = Studies(Path(sys.argv[1])), 0
for turn in range(300):
    key = key_of(f"{sys.argv[2]} {turn}")
    try:
        most = max(most, table.take(key, 60_000_000))
        table.answered(key)
    except Overloaded:
        pass
print(most)
"""


def test_processes_share_it_and_never_take_more(studies, tmp_path):
    running = [
        subprocess.Popen(
            [sys.executable, "-c", HAMMER, str(tmp_path / "studies"), str(number)], stdout=subprocess.PIPE, text=True
        )
        for number in range(5)
    ]
    most = [int(process.communicate(timeout=120)[0]) for process in running]
    assert all(process.returncode == 0 for process in running)
    assert max(most) <= 3
    assert studies.take(key_of("last"), MINUTE_US) == 1  # every other one is out


def test_file_is_for_this_user_alone(studies, tmp_path):
    assert (tmp_path / "studies").stat().st_mode & 0o777 == 0o600


def test_those_whose_time_is_over_are_shown_as_gone(studies, shown):
    studies.take(key_of("one"), 1)
    studies.take(key_of("two"), MINUTE_US)
    time.sleep(0.01)
    studies.show()
    assert shown == [1, 1, 1]
    studies.answered(key_of("two"))
    studies.show()
    assert shown[-2:] == [0, 0]


def test_a_study_keeps_its_place_under_another_key(studies):
    fill(studies, 3)
    studies.rename(key_of("study 1"), key_at(7), MINUTE_US)
    with pytest.raises(Overloaded):
        studies.take(key_of("more"), MINUTE_US)
    assert studies.answered(key_of("study 1")) == 3
    assert studies.answered(key_at(7)) == 2
