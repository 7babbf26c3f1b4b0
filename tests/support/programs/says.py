# ruff: noqa: B028, PT009, PT015, PT030, PT031 - it says what people say
"""Tests that say things in every way there is, with outcomes and output that must not depend on who listens."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import threading
import traceback
import unittest
import warnings

import pytest

log = logging.getLogger("shop.cart")


class Rude:
    def __str__(self):
        raise RuntimeError("no text")


def test_log(caplog):
    log.warning("price %s", 12)
    log.debug("quiet")
    assert [record.getMessage() for record in caplog.records] == ["price 12"]


def test_bad_logs():
    log.error("bad %s %s", 1)
    log.error("rude %s", Rude())
    assert 0


def test_log_alone():
    alone = logging.getLogger("alone")
    alone.propagate = False
    alone.error("nobody hears")
    handler = logging.StreamHandler(sys.stderr)
    alone.addHandler(handler)
    alone.error("one hears")
    alone.removeHandler(handler)
    assert 0


def test_handler_raises():
    class Raises(logging.Handler):
        def emit(self, record):
            raise ValueError("handler")

    logger = logging.getLogger("raising")
    logger.addHandler(Raises())
    try:
        logger.error("x")
    finally:
        print(traceback.format_exc())


def test_what_is_there():
    print([type(handler).__name__ for handler in logging.root.handlers], logging.raiseExceptions)
    print(type(sys.stdout).__mro__, sys.stdout is sys.__stdout__, warnings.showwarning)
    assert 0


def test_warn():
    warnings.warn("old", DeprecationWarning)


def test_warns():
    with pytest.warns(UserWarning) as seen:
        warnings.warn("a")
        warnings.warn("b")
    assert len(seen) == 2


def test_warns_of_something_else():
    with pytest.warns(DeprecationWarning):
        warnings.warn("a")


def test_prints():
    print("out")
    print("err", file=sys.stderr)
    sys.stdout.write("part")
    with contextlib.redirect_stdout(io.StringIO()) as elsewhere:
        print("elsewhere")
    assert elsewhere.getvalue() == "part"


def test_writes_a_number():
    sys.stdout.write(1)


def test_prints_a_surrogate():
    print("\udc80")


def test_capsys(capsys):
    print("x")
    print("y", file=sys.stderr)
    assert capsys.readouterr() == ("x\n", "y\n")
    with capsys.disabled():
        print("disabled")


def test_capfd(capfd):
    print("x")
    assert capfd.readouterr().out == "x\n"


def test_thread():
    thread = threading.Thread(target=lambda: (log.error("in thread"), print("in thread")))
    thread.start()
    thread.join()
    assert 0


def test_subtests(request):
    if "subtests" not in str(request.config.pluginmanager.list_name_plugin()):
        pytest.skip("this pytest has none")
    subtests = request.getfixturevalue("subtests")
    for i in range(3):
        with subtests.test("m", i=i):
            print("in", i)
            assert i != 1


class Case(unittest.TestCase):
    def test_subtests(self):
        for i in range(3):
            with self.subTest("mm", i=i):
                print("u", i)
                self.assertNotEqual(i, 2)

    def test_raises(self):
        with self.assertWarns(UserWarning):
            warnings.warn("x")
        with self.assertLogs("shop", "INFO") as caught:
            log.info("caught")
        self.assertEqual(caught.output, ["INFO:shop.cart:caught"])
