"""@pytest.mark.timeline: what it asks for, merged, and what is said of one that makes no sense."""

from __future__ import annotations

import pytest

from pytest_timeline.session.marker import MarkerError, Wanted, wanted


def asked(pytester: pytest.Pytester, source: str) -> dict[str, Wanted]:
    return {item.name: wanted(item) for item in pytester.getitems(source)}


def test_the_closest_word_holds_for_each_keyword(pytester: pytest.Pytester) -> None:
    found = asked(
        pytester,
        """
        import pytest

        pytestmark = pytest.mark.timeline(keep=True, c_calls="all", args=["a.*"])

        @pytest.mark.timeline(c_calls="none", max_slices=7)
        class TestIt:
            def test_inner(self): pass

            @pytest.mark.timeline(keep=False, args=())
            @pytest.mark.timeline(max_slices=0)
            def test_own(self): pass

        @pytest.mark.timeline
        def test_outer(): pass

        @pytest.mark.timeline(off=True)
        def test_off(): pass
        """,
    )
    assert found == {
        "test_inner": Wanted(keep=True, c_calls="none", args=("a.*",), max_slices=7),
        "test_own": Wanted(keep=False, c_calls="none", args=(), max_slices=0),
        "test_outer": Wanted(keep=True, c_calls="all", args=("a.*",)),
        "test_off": Wanted(off=True, keep=True, c_calls="all", args=("a.*",)),
    }
    assert found["test_own"].marks == {"max_slices": 0}
    assert found["test_outer"].marks == {"keep": True}


def test_a_test_without_a_marker_asks_for_nothing(pytester: pytest.Pytester) -> None:
    made = asked(pytester, "def test_it(): pass")["test_it"]
    assert (made, made.marks, made.adjusts) == (Wanted(), {}, False)


def test_a_test_that_asks_its_timeline_has_every_call_in_it(pytester: pytest.Pytester) -> None:
    found = asked(
        pytester,
        """
        import pytest

        def test_asks(timeline): pass

        @pytest.mark.timeline(full=False)
        def test_does_not_care(timeline): pass
        """,
    )
    assert [each.full for each in found.values()] == [each.adjusts for each in found.values()] == [True, False]


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ("'x'", "'x' has no keyword"),
        ("kepp=True", "there is no 'kepp'; choose from off, keep, args, c_calls, full, max_slices"),
        ("keep=1", "keep=1 makes no sense; write keep=True or keep=False"),
        ("full=None", "write full=True or full=False"),
        ("off='yes'", "write off=True or off=False"),
        ("c_calls='some'", 'write c_calls="auto" or c_calls="all" or c_calls="none"'),
        ("c_calls=None", "c_calls=None makes no sense"),
        ("c_calls=[]", "c_calls=[] makes no sense"),
        ("args='x'", "a list of patterns"),
        ("args=['']", "a list of patterns"),
        ("args=[1]", "a list of patterns"),
        ("max_slices=True", "0 for no limit"),
        ("max_slices=-1", "0 for no limit"),
        ("max_slices='7'", "0 for no limit"),
        ("off=True, keep=True", "off=True records nothing, so keep must go"),
    ],
)
def test_what_makes_no_sense(pytester: pytest.Pytester, marker: str, said: str) -> None:
    item = pytester.getitem(f"import pytest\n@pytest.mark.timeline({marker})\ndef test_func(): pass")
    with pytest.raises(MarkerError) as raised:
        wanted(item)
    assert str(raised.value).startswith("@pytest.mark.timeline: ")
    assert said in str(raised.value)
