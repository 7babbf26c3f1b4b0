"""deflate.py: whoever compresses, it is one gzip member that any reader reads."""

from __future__ import annotations

import gzip
import importlib
import random
import sys
import zlib
from collections.abc import Iterator
from types import ModuleType

import pytest

from pytest_timeline.export import deflate

TEXT = b"".join(b"%d;" % random.Random(1).randrange(1 << n % 20) for n in range(50_000))


@pytest.fixture(params=["installed", "without isal"])
def module(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    if request.param == "installed":
        yield deflate
        return
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "isal", None)
        importlib.reload(deflate)
        assert isinstance(deflate.compressor(1), type(zlib.compressobj()))
        yield deflate
    importlib.reload(deflate)


@pytest.mark.parametrize("data", [b"", b"x", TEXT, bytes(1 << 20)], ids=["nothing", "a byte", "text", "zeros"])
def test_it_is_a_gzip_member(module: ModuleType, data: bytes) -> None:
    packed = module.compress(memoryview(data), 1)
    assert gzip.decompress(packed) == data
    assert packed[:4] == b"\x1f\x8b\x08\x00" and packed[4:8] == bytes(4)  # no name, no time in it
    assert len(packed) < len(data) // 2 + 100
    member = module.compressor(2)
    parts = [member.compress(data[at : at + 1000]) for at in range(0, len(data), 1000)]
    assert gzip.decompress(packed + b"".join(parts) + member.flush()) == data + data
