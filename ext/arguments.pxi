# The functions whose arguments and return values are kept: which they are, and the records of what they were.

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t

from spool cimport PT_ARGS, PT_MATCHED, PT_RESULT
from writer cimport (
    CO_VARARGS, CO_VARKEYWORDS, PyCodeObject, PyFrameObject, Py_DECREF, pt_count_parameters, pt_frame_of,
    pt_glob_matches, pt_module_of, pt_parameter, pt_parameter_name,
)

cdef enum:
    MOST_NAME = 100        # characters
    MOST_ARGUMENTS = 1024  # bytes of all arguments of a call, with their names


cdef class Functions:
    """A pattern: functions by file and qualified name, or by name alone; spool-format.md has its text."""

    cdef bytes file        # a glob over co_filename, b"" = any
    cdef bytes below
    cdef bytes name        # a glob

    def __cinit__(self, str text):
        file, _, name = text.rpartition("::")
        self.file = utf8(file)
        self.below = self.file + utf8(os.sep) + b"*"
        self.name = utf8(name)

    cdef bint has(self, bytes file, bytes name, bytes module):
        """Whether the function of that qualified name is meant; `module` may not be known (b"")."""
        cdef Py_ssize_t at
        if self.file:
            return (self.matches(self.file, file) or self.matches(self.below, file)) and self.matches(self.name, name)
        if self.matches(self.name, name):
            return True
        if not module:
            return False
        if self.matches(self.name, module + b"." + name) or self.matches(self.name, module + b":" + name):
            return True
        at = len(module)
        while at > 0:              # the module, or a package that it is in
            if self.matches(self.name, module[:at]):
                return True
            at = module.rfind(b".", 0, at)
        return False

    cdef bint matches(self, bytes glob, bytes name):
        return pt_glob_matches(<const char *> glob, <const char *> name)


cdef bint is_meant(Recording recording, PyCodeObject *code) except -1:
    """Whether the arguments of this function are kept. Patterns of the run that match for the first time are told."""
    cdef Functions functions
    cdef PyFrameObject *frame
    cdef PyObject *module
    cdef bint meant = False
    cdef bytes module_name = b""
    cdef Py_ssize_t i
    if not recording.args:
        return False
    file, name = utf8(exact(<object> code.co_filename)), utf8(exact(<object> code.co_qualname))
    frame = pt_frame_of(<PyObject *> code)
    module = pt_module_of(frame) if frame != NULL else NULL
    if module != NULL:
        module_name = utf8(exact(<object> module))
        Py_DECREF(module)
    for i, functions in enumerate(recording.args):
        if functions.has(file, name, module_name):
            meant = True
            if i < len(recording.asked_args) and i not in recording.matched:
                recording.matched.add(i)
                put(PT_MATCHED, <uint32_t> i, NULL, 0, b"")
    return meant


cdef void tell_arguments(PyObject *code, uint32_t id) noexcept:
    """Write what the function that was entered is called with."""
    cdef PyCodeObject *of = <PyCodeObject *> code
    cdef PyFrameObject *frame = pt_frame_of(code)
    cdef PyObject *value
    cdef int place, count = pt_count_parameters(of), named = count
    cdef Py_ssize_t size = 0
    cdef bytes entry
    cdef list entries = []
    if frame == NULL:
        return
    named -= (of.co_flags & CO_VARARGS != 0) + (of.co_flags & CO_VARKEYWORDS != 0)
    try:
        making = exact(<object> of.co_qualname).endswith("__init__")
        for place in range(count):
            value = pt_parameter(frame, of, place)
            if value == NULL:
                continue
            try:
                text = plain_repr(value) if making and place == 0 else bounded_repr(value)
            finally:
                Py_DECREF(value)
            stars = "" if place < named else "*" if place == named and of.co_flags & CO_VARARGS else "**"
            name = stars + exact(<object> pt_parameter_name(of, place))[:MOST_NAME]
            entry = utf8(name) + b"\0" + without_nul(text) + b"\0"
            if size + len(entry) > MOST_ARGUMENTS:
                entries.append(b"...\0%d more\0" % (count - place))
                break
            size += len(entry)
            entries.append(entry)
        put(PT_ARGS, id, NULL, 0, b"".join(entries))
    except BaseException:
        switch_off()


cdef void tell_result(PyObject *value, uint32_t id) noexcept:
    """Write what the function returns."""
    try:
        put(PT_RESULT, id, NULL, 0, without_nul(bounded_repr(value)))
    except BaseException:
        switch_off()


cdef bytes without_nul(str text):
    return utf8(text).replace(b"\0", b"\\x00")
