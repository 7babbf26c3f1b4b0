"""What the recorder uses of its C headers and of CPython's."""
from cpython.object cimport PyObject, PyTypeObject
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from spool cimport pt_header, pt_record

cdef extern from "Python.h":
    ctypedef struct PyCodeObject:
        PyObject *co_filename
        PyObject *co_qualname
        int co_firstlineno
        int co_flags
    ctypedef struct PyFrameObject:
        pass
    const int CO_VARARGS, CO_VARKEYWORDS
    PyObject *Py_None
    PyTypeObject *Py_TYPE(PyObject *)
    Py_ssize_t Py_SIZE(PyObject *) nogil
    bint PyUnicode_CheckExact(PyObject *)
    const char *PyUnicode_AsUTF8AndSize(object, Py_ssize_t *) except NULL
    size_t PyLong_AsSize_t(PyObject *) nogil
    PyObject *PyDict_GetItemString(PyObject *, const char *)
    PyObject *PyDict_GetItemWithError(PyObject *, PyObject *) except? NULL
    PyObject *PyModule_GetDict(PyObject *)
    bint PyDict_CheckExact(PyObject *)
    PyObject *PyEval_GetGlobals()
    object PyObject_GenericGetDict(PyObject *, void *)
    unsigned long PyThread_get_thread_ident()
    long PyLong_AsLong(PyObject *)
    int PyUnicode_CompareWithASCIIString(PyObject *, const char *)
    void *PyThreadState_Get()
    void PyThreadState_EnterTracing(void *)
    void PyThreadState_LeaveTracing(void *)
    bint PyDict_Next(PyObject *, Py_ssize_t *, PyObject **, PyObject **)
    bint PyFunction_Check(PyObject *)
    PyObject *PyObject_Repr(PyObject *)
    Py_ssize_t PyObject_Size(PyObject *)
    bint PyObject_TypeCheck(PyObject *, PyTypeObject *)
    void PyErr_Clear()
    PyObject *PyErr_Occurred()
    void PyErr_Fetch(PyObject **, PyObject **, PyObject **)
    int PyErr_SetInterruptEx(int)
    void Py_DECREF(PyObject *)
    void Py_XDECREF(PyObject *)
    bint PyExceptionInstance_Check(PyObject *)

cdef extern from "compat.h" nogil:
    int PT_HAS_MONITORING
    int PT_FREE_THREADED
    int pt_request_extra(void (*free_function)(void *) noexcept nogil)
    void pt_try_plain_extra(PyObject *code, Py_ssize_t index, void *expected)
    void *pt_extra_of(PyObject *code, Py_ssize_t index)
    int pt_set_extra(PyObject *code, Py_ssize_t index, void *extra)
    PyObject *pt_current_code()
    bint PT_UNLIKELY(bint)

cdef extern from "platform.h" nogil:
    int PT_CAN_DETACH
    int pt_spawn_detached(char **argv, int *pid)

cdef extern from "writer.h" nogil:
    enum:
        PT_UNKNOWN
        PT_UNNAMED
        PT_NAMED
        PT_MAX_PAYLOAD
        PT_MAX_TEXT
    ctypedef struct pt_open:
        uint32_t frame
        uint32_t call
    ctypedef struct pt_open_call:
        uint64_t site
        uint64_t tick
    ctypedef struct pt_seat:
        uint32_t naming
    ctypedef struct pt_thread_state:
        pt_record *cursor
        pt_record *end
        pt_record *paused
        pt_open *open
        uint32_t depths
        pt_open_call *calls
        pt_record *paused
        pt_seat *seat
        int64_t name_hash
        uint32_t alive
    ctypedef struct pt_file:
        pt_header *header
        uint32_t serial
        uint32_t alive
        uint32_t off
    ctypedef struct pt_writer:
        pt_file *file
        uint32_t serial
        uint32_t clock
        uint64_t lost
        int error
    pt_thread_state *pt_me
    pt_writer *pt_current
    uint32_t pt_new_id()
    pt_thread_state **pt_states
    uint32_t pt_states_used
    pt_thread_state *pt_room()
    uint32_t pt_depth(const pt_thread_state *t)
    uint32_t pt_tick_source
    void pt_put(pt_thread_state *t, uint64_t tick, uint64_t word)
    pt_thread_state *pt_refill()
    int pt_put_payload(uint32_t kind, uint32_t id, const void *head, size_t head_size, const void *text, size_t size)
    int pt_deepen(pt_thread_state *t, uint32_t depth)
    int pt_begin(const char *directory, uint32_t clock)
    void pt_finish()
    void pt_pause()
    void pt_go_on(pt_thread_state *t)
    uint64_t pt_native_thread_id()
    uint32_t pt_process_id()

cdef extern from "writer.h":
    void (*pt_introduce)(pt_thread_state *) noexcept
    void (*pt_look_back)(const pt_record *) noexcept

cdef extern from "exits.h":
    bint pt_exit_is_behind(PyObject *code, uint32_t exit, uint32_t count) noexcept

cdef extern from "tasks.h":
    uint32_t pt_count_open(uint32_t frame) nogil

cdef extern from "naming.h":
    object pt_callable_name(PyObject *callable)
    object pt_type_public_name(PyTypeObject *type)
    PyObject *pt_loaded_module(const char *name)
    bint pt_is_python(PyObject *callable) nogil
    uint64_t pt_callable_key(PyObject *callable, uint64_t *check) nogil

cdef extern from "watch.h":
    uint8_t pt_watched_function(const char *name, const char *file)
    void pt_enter_coroutine(pt_thread_state *t, uint32_t depth, uint32_t frame, uint32_t kind) noexcept
    bint pt_is_outermost(const pt_thread_state *t, uint32_t depth) noexcept
    void pt_watch_entry(uint8_t watched, uint32_t depth) noexcept
    void pt_watch_return(uint8_t watched, uint32_t depth, PyObject *value) noexcept
    void pt_watch_yield(uint8_t watched, uint32_t depth, PyObject *value) noexcept

cdef extern from "greenlets.h":
    void pt_trace_thread(pt_thread_state *t) noexcept
    void pt_leave_greenlets() noexcept

cdef extern from "glob.h" nogil:
    bint pt_glob_matches(const char *glob, const char *name)

cdef extern from "processes.h":
    ctypedef struct pt_living:
        uint32_t pid
        uint64_t tick
    pt_living *pt_children
    size_t pt_children_alive()
    void pt_tap_processes(int on)

cdef extern from "callback.h":
    ctypedef PyObject *(*pt_vectorcall "vectorcallfunc")(PyObject *, PyObject *const *, size_t, PyObject *) noexcept
    object pt_new_callback(pt_vectorcall call)
    void pt_set_call(PyObject *callback, pt_vectorcall call)

cdef extern from "profile311.h":
    void (*pt_profile_enter)(PyObject *code, uint32_t kind) noexcept
    void (*pt_profile_leave)(PyObject *code, uint32_t kind, PyObject *value) noexcept
    void (*pt_profile_call)(PyObject *code, uint32_t unit, PyObject *callable) noexcept
    void (*pt_profile_call_end)(PyObject *code, uint32_t unit, uint32_t kind) noexcept
    void pt_set_profiler(int on)
    bint pt_profiler_is_set()

cdef extern from "arguments.h":
    PyFrameObject *pt_frame_of(PyObject *code)
    PyObject *pt_module_of(PyFrameObject *frame)
    int pt_count_parameters(const PyCodeObject *code)
    PyObject *pt_parameter_name(const PyCodeObject *code, int place)
    PyObject *pt_parameter(PyFrameObject *frame, const PyCodeObject *code, int place)
