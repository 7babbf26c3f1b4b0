# What a value looks like, in few words, whatever it is. What is made of a builtin type is walked with bounds; any other
# object is asked for its repr, which may be long, wrong, slow or hostile. Nothing of that is recorded: this is a hook.

from cpython.object cimport PyObject, PyTypeObject
from libc.stdint cimport uint64_t

from spool cimport pt_monotonic_ns
from writer cimport (
    PyDict_Next, PyErr_Clear, PyErr_Fetch, PyErr_SetInterruptEx, PyFunction_Check, PyObject_Repr, PyObject_Size,
    PyObject_TypeCheck, Py_DECREF, Py_TYPE, Py_XDECREF, pt_type_public_name,
)

cdef enum:
    MOST_CHARACTERS = 200  # of a repr
    MOST_TEXT = 100        # of a str or bytes
    MOST_ITEMS = 10        # of a container
    MOST_LEVELS = 3        # of containers in containers
    MOST_OWN = 400         # items, characters, bits: what has more is not asked for a repr of its own
    SLOW_NS = 50000000
    MOST_SLOW = 3          # a type whose repr was so slow that often is not asked again

cdef tuple BUILTIN = (str, int, dict, list, tuple, bytes, set, frozenset, bytearray)
cdef frozenset C_CONTAINERS = frozenset("""
collections.deque array.array dict_keys dict_values dict_items odict_keys odict_values odict_items mappingproxy
""".split())               # whose own repr has no bounds
cdef dict slow = {}        # address of a type -> how often it was slow


cdef str bounded_repr(PyObject *value):
    return cut(shown(value, 0))


cdef str plain_repr(PyObject *value):
    """What `object` would say of it."""
    return cut(f"<{name_of(value)} object at {hex(<size_t> value)}>")


cdef str shown(PyObject *value, int level):
    cdef object base
    for base in BUILTIN:
        if PyObject_TypeCheck(value, <PyTypeObject *> <PyObject *> base):
            break
    else:
        if (<bytes> Py_TYPE(value).tp_name).decode() in C_CONTAINERS:
            size = PyObject_Size(value)
            PyErr_Clear()
            if size > MOST_OWN:
                return f"<{name_of(value)} of {size} items>"
        return own_repr(value)
    size = int.bit_length(<object> value) if base is int else base.__len__(<object> value)
    if Py_TYPE(value).tp_repr != (<PyTypeObject *> <PyObject *> base).tp_repr and size <= MOST_OWN:
        return own_repr(value)
    text = walked(value, base, size, level)
    return text if Py_TYPE(value) == <PyTypeObject *> <PyObject *> base and base is not frozenset else (
        f"{name_of(value)}({text})")


cdef str walked(PyObject *value, object base, Py_ssize_t size, int level):
    """The repr of what is made of a builtin type, by that type's own functions."""
    cdef list pairs
    cdef PyObject *key
    cdef PyObject *item
    cdef Py_ssize_t at = 0
    if base is int:
        return int.__repr__(<object> value) if size <= MOST_OWN else f"<int of {size} bits>"
    if base is str or base is bytes or base is bytearray:
        text = base.__repr__(base.__getitem__(<object> value, slice(MOST_TEXT)))
        return text if size <= MOST_TEXT else f"{text}... {size - MOST_TEXT} more"
    if size and level == MOST_LEVELS:
        return "[...]" if base is list else "(...)" if base is tuple else "{...}"
    if base is dict:
        pairs = []
        while len(pairs) < MOST_ITEMS and PyDict_Next(value, &at, &key, &item):
            pairs.append((<object> key, <object> item))
        texts = [f"{shown(<PyObject *> k, level + 1)}: {shown(<PyObject *> v, level + 1)}" for k, v in pairs]
        return "{" + joined(texts, size) + "}"
    if base is list or base is tuple:
        found = base.__getitem__(<object> value, slice(MOST_ITEMS))
    else:
        found = [each for _, each in zip(range(MOST_ITEMS), base.__iter__(<object> value))]
    texts = [shown(<PyObject *> each, level + 1) for each in found]
    text = joined(texts, size)
    if base is list:
        return f"[{text}]"
    if base is tuple:
        return f"({text},)" if size == 1 else f"({text})"
    return "{" + text + "}" if size else "" if base is frozenset else "set()"


cdef str joined(list texts, Py_ssize_t size):
    return ", ".join(texts if size <= len(texts) else [*texts, f"... {size - len(texts)} more"])


cdef str cut(str text):
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "..."


cdef str name_of(PyObject *value):
    return pt_type_public_name(Py_TYPE(value))


cdef str own_repr(PyObject *value):
    """What the object says of itself, cut; if it fails, that."""
    cdef PyObject *text
    cdef size_t type = <size_t> Py_TYPE(value)
    cdef uint64_t ns
    if slow and slow.get(type, 0) >= MOST_SLOW:
        return f"<{name_of(value)} object, its repr is slow>"
    name = name_of(value)          # it may change its class
    ns = pt_monotonic_ns()
    text = PyObject_Repr(value)
    if pt_monotonic_ns() - ns > SLOW_NS:
        slow[type] = slow.get(type, 0) + 1
    if text == NULL:
        return f"<{name} object, its repr raised {what_was_raised()}>"
    try:
        return cut(exact(<object> text))
    finally:
        Py_DECREF(text)


cdef str what_was_raised():
    """Clear the error and return its type's name."""
    cdef PyObject *type = NULL
    cdef PyObject *value = NULL
    cdef PyObject *traceback = NULL
    PyErr_Fetch(&type, &value, &traceback)
    try:
        name = pt_type_public_name(<PyTypeObject *> type)
        if traceback != NULL:
            pass_signal_on(<object> type, <object> traceback)
        return name
    finally:
        Py_XDECREF(type)
        Py_XDECREF(value)
        Py_XDECREF(traceback)


cdef int pass_signal_on(object type, object traceback) except -1:
    """What a signal's handler raised while a repr ran is meant for the program: have the signal handled once more."""
    import _signal
    codes = []
    while traceback is not None:
        code, last = traceback.tb_frame.f_code, traceback.tb_lasti
        codes.append(<size_t> <PyObject *> code)
        traceback = traceback.tb_next
    for number in range(1, _signal.NSIG):
        handler = _signal.getsignal(number)
        if handler is _signal.default_int_handler:
            if type is KeyboardInterrupt and not is_raise(code, last):
                PyErr_SetInterruptEx(number)
        elif PyFunction_Check(<PyObject *> handler) and <size_t> <PyObject *> handler.__code__ in codes:
            PyErr_SetInterruptEx(number)
    return 0


cdef bint is_raise(object code, int last) except -1:
    """Whether that instruction of the code is a `raise`: what it raises is no signal's."""
    import opcode
    return code.co_code[last] == opcode.opmap["RAISE_VARARGS"]
