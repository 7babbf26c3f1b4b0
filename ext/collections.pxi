# Runs of the garbage collector. Each is told when it is over, in a mark of its thread: they may be thousands a second,
# so the callable in gc.callbacks is one of C, which makes no frame and no object that the collector would track.

from cpython.object cimport PyObject
from libc.stdint cimport uint64_t
from libc.stdio cimport snprintf

import gc

from spool cimport PT_COLLECTED, PT_MARK, pt_monotonic_ns
from writer cimport (
    PyDict_CheckExact, PyDict_GetItemString, PyErr_Clear, PyErr_Occurred, PyLong_AsLong,
    PyUnicode_CompareWithASCIIString, pt_current, pt_me, pt_new_callback, pt_put_payload,
)

cdef enum:
    LONG_NS = 1_000_000    # half of the places are kept for runs that took so long

cdef object collections_callback = None
cdef uint64_t collection_began = 0      # ns


cdef PyObject *on_collection(PyObject *self, PyObject *const *args, size_t count, PyObject *names) noexcept:
    global collection_began
    cdef uint64_t began = collection_began
    if recording is None or suspended or not recording.collections or pt_me.paused != NULL or pt_current.file.off:
        collection_began = 0
    elif PyUnicode_CompareWithASCIIString(args[0], b"start") == 0:
        collection_began = pt_monotonic_ns()
    elif began:
        collection_began = 0
        began = pt_monotonic_ns() - began
        if recording.has_place(began):
            tell_collection(args[1], began)
    return none()


cdef void tell_collection(PyObject *info, uint64_t ns) noexcept:
    cdef char text[160]
    cdef int size
    if PyDict_CheckExact(info):
        size = snprintf(
            text, sizeof(text), b'{"ns":%llu,"generation":%ld,"collected":%ld,"uncollectable":%ld}',
            <unsigned long long> ns, number_of(info, b"generation"), number_of(info, b"collected"),
            number_of(info, b"uncollectable"),
        )
        pt_put_payload(PT_MARK, PT_COLLECTED, NULL, 0, text, <size_t> size)


cdef long number_of(PyObject *info, const char *key) noexcept:
    cdef PyObject *value = PyDict_GetItemString(info, key)
    cdef long number = PyLong_AsLong(value) if value != NULL else 0
    if PyErr_Occurred() != NULL:
        PyErr_Clear()
    return number


cdef int hear_collections() except -1:
    """Have the callable called; a test may have emptied the list."""
    global collections_callback
    if collections_callback is None:
        collections_callback = pt_new_callback(on_collection)
    if collections_callback not in gc.callbacks:
        gc.callbacks.append(collections_callback)
    return 0


cdef int leave_collections() except -1:
    if collections_callback in gc.callbacks:
        gc.callbacks.remove(collections_callback)
    return 0
