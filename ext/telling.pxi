# What programs tell by themselves: spans, instants and counters, as marks of whichever thread says so. Free while
# nothing is recorded; what is told then is bounded, and no value that is told can do harm.

from cpython.object cimport PyObject, PyTypeObject
from libc.math cimport isfinite
from libc.stdint cimport uint64_t

from spool cimport PT_COUNTER, PT_INSTANT, PT_USER_BEGIN, PT_USER_END
from writer cimport pt_type_public_name

cdef enum:
    NAME_CHARACTERS = 200
    TEXT_CHARACTERS = 1000  # of a text, or of another value's repr
    ITEMS = 50             # of a container
    LEVELS = 4             # of containers in containers
    PAYLOAD_CHARACTERS = 16000
    UNTOLD = 0             # a span that began while nothing was recorded

cdef tuple SIZED = (list, tuple, dict, set, frozenset, bytes, bytearray)  # whose repr is as long as they are
cdef uint64_t spans_begun = 0      # in this process and those that it was forked from
cdef dict ESCAPES = {34: '\\"', 92: "\\\\"} | {code: f"\\u{code:04x}" for code in [*range(32), 127]}


cdef class TimelineSpan:
    """pytest_timeline.span: free where nothing is recorded. It may be entered again, also while it is open."""

    cdef readonly str name
    cdef dict args
    cdef dict added        # to the innermost that is open
    cdef list opened       # ids, or UNTOLD

    def __init__(self, name, /, **args):
        self.name = checked(name, "span")
        self.args = args

    def __repr__(self):
        return f"span({self.name!r})"

    def __call__(self, function, /):
        """Return the function with a span around each of its calls."""
        from pytest_timeline.api import decorated
        return decorated(self, function)

    def __enter__(self):
        if recording is not None and not suspended:
            self.begin()
        elif self.opened:
            self.opened.append(UNTOLD)
        return self

    def __exit__(self, kind, error, traceback):
        if self.opened:
            self.end(kind)

    def add(self, /, **args):
        """Add arguments to the span that is open."""
        if self.opened:
            self.added = args if self.added is None else self.added | args

    def again(self):
        """Return a fresh one."""
        return TimelineSpan(self.name, **self.args)

    cdef int begin(self) except -1:
        global spans_begun
        spans_begun += 1
        id = spans_begun
        if self.opened is None:
            self.opened = []
        self.opened.append(id)
        tell(PT_USER_BEGIN, f'"id":{id},"name":{quoted(self.name)}', self.args)
        return 0

    cdef int end(self, kind) except -1:
        id, added = self.opened.pop(), self.added or {}
        self.added = None
        if id == UNTOLD:
            return 0
        if kind is not None:
            added["exception"] = pt_type_public_name(<PyTypeObject *> <PyObject *> kind)
        tell(PT_USER_END, f'"id":{id}', added)
        return 0


def instant(name, /, **args):
    """Mark this moment; see pytest_timeline.api."""
    name = checked(name, "instant")
    if recording is not None and not suspended:
        tell(PT_INSTANT, f'"name":{quoted(name)},"cat":"user"', args)


def counter(name, /, value, unit=""):
    """Tell a value at this moment; see pytest_timeline.api."""
    name = checked(name, "counter")
    if type(value) is not int and type(value) is not float:
        value = number(value)
    if not isinstance(unit, str):
        raise TypeError(f"counter: the unit must be a str, not {type(unit).__name__}")
    if recording is None or suspended:
        return
    try:
        value = float(value) if type(value) is float or not -(1 << 63) <= value < 1 << 63 else value
    except OverflowError:
        return
    if type(value) is int or isfinite(value):
        said = f',"unit":{quoted(shortened(exact(unit), NAME_CHARACTERS))}' if unit else ""
        tell(PT_COUNTER, f'"name":{quoted(name)},"value":{value!r}{said}', None)


cdef str checked(name, str what):
    if not isinstance(name, str):
        raise TypeError(f"{what}: the name must be a str, not {type(name).__name__}")
    if not name:
        raise ValueError(f"{what}: the name is empty")
    return shortened(exact(name), NAME_CHARACTERS)


cdef object number(value):
    """Return it as an int or a float."""
    if isinstance(value, int):
        return int.__index__(value)
    if not isinstance(value, (str, bytes, bytearray)):
        try:
            return float(value)
        except TypeError:
            pass
    raise TypeError(f"counter: the value must be a number, not {type(value).__name__}")


cdef int tell(uint32_t code, str said, dict args) except -1:
    """Write the mark. A value that cannot be told costs the mark; what interrupts a program meanwhile reaches it."""
    try:
        if args:
            told = json_of(args, 0)
            if len(told) > PAYLOAD_CHARACTERS:
                told = f'{{"left_out":"{len(told)} characters of arguments"}}'
            said = f'{said},"args":{told}'
        mark(code, f"{{{said}}}".encode("utf-8", "replace"))
    except Exception:
        pass
    return 0


cdef str json_of(value, int level):
    """The value as JSON: plain types as they are, others by their repr."""
    kind = type(value)
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if kind is int and -(1 << 63) <= value < 1 << 63:
        return int.__repr__(value)
    if kind is float and isfinite(value):
        return float.__repr__(value)
    if kind is str:
        return quoted(shortened(value, TEXT_CHARACTERS))
    if level < LEVELS and (kind is list or kind is tuple):
        items = [json_of(item, level + 1) for item in value[:ITEMS]]
        if len(value) > ITEMS:
            items.append(f'"... {len(value) - ITEMS} more"')
        return f"[{','.join(items)}]"
    if level < LEVELS and kind is dict:
        pairs = [pair for _, pair in zip(range(ITEMS), value.items())]
        items = [f"{quoted(key_of(key))}:{json_of(item, level + 1)}" for key, item in pairs]
        if len(value) > ITEMS:
            items.append(f'"...":"{len(value) - ITEMS} more"')
        return f"{{{','.join(items)}}}"
    return quoted(described(value))


cdef str key_of(key):
    return shortened(key, NAME_CHARACTERS) if type(key) is str else described(key)


cdef str described(value):
    """The value's repr, cut; if that fails, what it is."""
    try:
        if type(value) is int and int.bit_length(value) > TEXT_CHARACTERS:
            return f"<int of {int.bit_length(value)} bits>"
        if type(value) in SIZED and len(value) > TEXT_CHARACTERS:
            return f"<{type(value).__name__} of {len(value)} items>"
        return shortened(exact(repr(value)), TEXT_CHARACTERS)
    except Exception as error:
        return f"<{type(value).__name__} object, its repr raised {type(error).__name__}>"


cdef str shortened(str text, Py_ssize_t characters):
    return text if len(text) <= characters else f"{text[:characters]}... {len(text) - characters} more"


cdef str quoted(str text):
    return f'"{text.translate(ESCAPES)}"'
