# What is remembered of a recording: its patterns, and which names are already in its spool.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

import os
import sys

from spool cimport PT_BLOCKING, PT_CALLABLE, PT_CODE, PT_STRING, PT_THREAD, pt_callable, pt_code, pt_thread
from writer cimport (
    PT_MAX_TEXT, PT_NAMED, PT_UNKNOWN, PT_UNNAMED, PyCodeObject, PyDict_CheckExact, PyDict_GetItemString,
    PyDict_GetItemWithError, PyEval_GetGlobals, PyModule_GetDict, PyObject_GenericGetDict, PyThread_get_thread_ident,
    PyUnicode_CheckExact, Py_DECREF,
    pt_callable_name, pt_current_code, pt_glob_matches, pt_loaded_module, pt_native_thread_id, pt_new_id, pt_process_id,
    pt_put_payload, pt_thread_state, pt_trace_thread, pt_watched_function,
)

# Calls that wait, by the name that we write. A slow call of any other kind keeps its site on too, until four quick
# ones in a row.
cdef frozenset BLOCKING = frozenset("""
time.sleep threading.lock.acquire threading.lock.__enter__ threading.lock.acquire_lock threading.RLock.acquire
threading.RLock.__enter__ threading.start_joinable_thread threading._ThreadHandle.join threading._shutdown
select.select select.poll.poll select.epoll.poll select.devpoll.poll select.kqueue.control
socket.socket.accept socket.socket._accept socket.socket.connect socket.socket.connect_ex socket.socket.recv
socket.socket.recv_into socket.socket.recvfrom socket.socket.recvfrom_into socket.socket.recvmsg
socket.socket.recvmsg_into socket.socket.send socket.socket.sendall socket.socket.sendto socket.socket.sendmsg
socket.getaddrinfo socket.gethostbyname
ssl._SSLSocket.read ssl._SSLSocket.write ssl._SSLSocket.do_handshake ssl._SSLSocket.shutdown
os.read os.readv os.pread os.write os.writev os.pwrite os.sendfile os.splice os.wait os.wait3 os.wait4 os.waitid
os.waitpid os.system os.fsync os.fdatasync os.lockf os.posix_spawn os.posix_spawnp os.fork os.forkpty os.execv os.execve
fcntl.flock fcntl.lockf fcntl.fcntl signal.pause signal.sigwait signal.sigwaitinfo signal.sigtimedwait
queue.SimpleQueue.get multiprocessing.SemLock.acquire multiprocessing.SemLock.__enter__ subprocess.fork_exec
io.FileIO.read io.FileIO.readinto io.FileIO.readall io.FileIO.write io.BufferedReader.read io.BufferedReader.read1
io.BufferedReader.readinto io.BufferedReader.readline input
winapi.WaitForSingleObject winapi.WaitForMultipleObjects winapi.ReadFile winapi.WriteFile winapi.CreateProcess
winapi.ConnectNamedPipe _overlapped.GetQueuedCompletionStatus
""".split())


cdef tuple OWN = ("pytest_timeline._recorder.", "TimelineSpan")


cdef struct Callable:
    uint64_t key
    uint64_t check
    uint32_t id
    uint32_t flags

cdef enum:
    CALLABLES = 4096       # direct-mapped: a collision costs a look-up by name


cdef class Recording:
    """What the slow paths remember of one recording: patterns, and the ids of what was already written."""

    cdef uint32_t serial
    cdef uint32_t epoch    # this recording's as it is adjusted
    cdef uint32_t asked_epoch
    cdef uint32_t asked_sample
    cdef uint32_t call_mode
    cdef uint32_t asked_call_mode
    cdef bint suspended
    cdef list args         # Functions whose arguments are kept
    cdef list asked_args
    cdef set matched       # the places of those in `asked_args` that are known to mean anything
    cdef uint32_t sample   # calls of a function that are recorded in each test before it may be muted, 0 = all
    cdef list included     # globs, as bytes
    cdef list excluded
    cdef list machinery
    cdef dict texts        # text -> id
    cdef dict callables    # name -> id
    cdef Callable *table
    cdef Recording outer
    cdef bint collections          # runs of the garbage collector are recorded
    cdef uint64_t places           # how many of them, 0 = no limit
    cdef uint64_t placed
    cdef uint64_t placed_long
    cdef uint64_t unplaced

    def __cinit__(self):
        self.table = <Callable *> calloc(CALLABLES, sizeof(Callable))
        if self.table == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.table)

    cdef Callable *slot(self, uint64_t key, uint64_t check) noexcept:
        return &self.table[((key >> 4) * <uint64_t> 0x9e3779b97f4a7c15 ^ check) >> 20 & (CALLABLES - 1)]

    cdef bint has_place(self, uint64_t ns) noexcept:
        """Whether another run of the collector is to be told: long ones have half of the places for themselves."""
        cdef uint64_t long_places = self.places // 2
        if self.places == 0:
            return True
        if ns >= LONG_NS and self.placed_long < long_places:
            self.placed_long += 1
            return True
        if self.placed < self.places - long_places:
            self.placed += 1
            return True
        self.unplaced += 1
        return False

    cdef bint admit(self, PyCodeObject *code, CodeState *state) except -1:
        """Judge the code object; if it is wanted, see to it that its name is written."""
        cdef str file = exact(<object> code.co_filename)
        cdef bytes path = utf8(file)
        cdef bytes name
        cdef bytes shown
        cdef pt_code head
        if state.named == self.serial:
            self.look_again(code, state)
            return True
        if state.judged != self.serial:
            state.excluded = self.excludes(path)
            state.judged = self.serial
        if state.excluded:
            return False
        head.file = self.text_id(file)
        head.line = <uint32_t> max(code.co_firstlineno, 0)
        head.flags = <uint32_t> code.co_flags
        if head.file == 0:
            return False
        if state.id == 0:
            state.id = pt_new_id()
        name = utf8(exact(<object> code.co_qualname))[:PT_MAX_TEXT]
        shown = body_name(code, file) if name == b"<module>" else name
        if not put(PT_CODE, state.id, &head, sizeof(head), shown):
            return False
        state.named = self.serial
        state.coroutine = (code.co_flags & COROUTINE) != 0
        state.watched = pt_watched_function(<const char *> name, <const char *> path)
        self.look_again(code, state)
        remember(state)
        return True

    cdef int look_again(self, PyCodeObject *code, CodeState *state) except -1:
        """Judge again what an adjustment may change."""
        state.kept = is_meant(self, code)
        state.epoch = self.epoch | (SPECIAL if state.coroutine or state.watched or state.kept else 0)
        return 0

    cdef bint excludes(self, bytes file) noexcept:
        cdef bint chosen = matches(self.included, file)
        if self.included and not chosen:
            return True
        return matches(self.excluded, file) or (not chosen and matches(self.machinery, file))

    cdef uint32_t text_id(self, text) except? 0:
        """The id of a PT_STRING, written now if it is new; 0 when there was no room for it."""
        cdef uint32_t id
        known = self.texts.get(text)
        if known is not None:
            return known
        id = pt_new_id()
        if not put(PT_STRING, id, NULL, 0, utf8(text)[:PT_MAX_TEXT]):
            return 0
        self.texts[text] = id
        return id

    cdef uint32_t name_callable(self, PyObject *callable, uint64_t key, uint64_t check, uint32_t *flags) except? 0:
        cdef pt_callable head
        cdef Callable *place
        cdef uint32_t id
        name = pt_callable_name(callable)
        if (<str> name).startswith(OWN):
            flags[0] = OURS
            return 0
        head.flags = PT_BLOCKING if name in BLOCKING else 0
        known = self.callables.get(name)
        if known is not None:
            id = known
        else:
            id = pt_new_id()
            if not put(PT_CALLABLE, id, &head, sizeof(head), utf8(name)[:PT_MAX_TEXT]):
                return 0
            self.callables[name] = id
        if key:
            place = self.slot(key, check)
            place.key = key
            place.check = check
            place.id = id
            place.flags = head.flags
        flags[0] = head.flags
        return id


cdef bytes body_name(PyCodeObject *code, str file):
    """What a person calls the module's body that runs: "import shop.cart", or "run tool.py" where it is the program.
    What exec, eval and -c run is no module's: it stays "<module>"."""
    cdef PyObject *current = pt_current_code()
    cdef PyObject *variables = PyEval_GetGlobals() if current == <PyObject *> code else NULL
    if current != NULL:
        Py_DECREF(current)
    if variables == NULL or not PyDict_CheckExact(variables):
        return b"<module>"
    name, origin = text_of(variables, "__name__"), text_of(variables, "__file__")
    if name is None or not (origin == file or file.startswith("<frozen ")):
        return b"<module>"
    if name == "__main__":
        return utf8("run " + file.replace("\\", "/").rpartition("/")[2])[:PT_MAX_TEXT]
    return utf8("import " + name)[:PT_MAX_TEXT]


cdef str text_of(PyObject *variables, const char *key):
    """The variable's value if it is a str and no subclass, else None."""
    cdef PyObject *value = PyDict_GetItemString(variables, key)
    return <object> value if value != NULL and PyUnicode_CheckExact(value) else None


cdef str exact(text):
    """A str, not a subclass whose methods are somebody's code."""
    return text if type(text) is str else str.__str__(text)


cdef bytes fsencoded(str text):
    """Like os.fsencode, which is a Python function: the outer recording would show it."""
    return text.encode(sys.getfilesystemencoding(), sys.getfilesystemencodeerrors())


cdef bytes utf8(text):
    return (<str> text).encode("utf-8", "backslashreplace")


cdef bint matches(list globs, bytes name) noexcept:
    for glob in globs:
        if pt_glob_matches(<const char *> <bytes> glob, <const char *> name):
            return True
    return False


cdef bint put(uint32_t kind, uint32_t id, const void *head, size_t size, bytes text) noexcept:
    return pt_put_payload(kind, id, head, size, PyBytes_AS_STRING(text), <size_t> PyBytes_GET_SIZE(text))


# ---- thread names ----

cdef void introduce(pt_thread_state *t) noexcept:
    """Write who this thread is. `threading` knows its name from Thread.run on, so it is asked when that or the first
    frame outside that module shows; asking current_thread() would make up a dummy."""
    cdef pt_thread head
    cdef int64_t name_hash
    pt_trace_thread(t)
    tell_muted()
    try:
        head.native_id = pt_native_thread_id()
        head.ident = PyThread_get_thread_ident()
        early = t.name_hash == 0 and before_run()
        name = "" if early else thread_name(head.ident, head.native_id)
        name_hash = hash(name) or 1
        if t.seat.naming == PT_UNKNOWN or (name and name_hash != t.name_hash):
            if not put(PT_THREAD, 0, &head, sizeof(head), utf8(name)[:PT_MAX_TEXT]):
                return
            if name:
                t.name_hash = name_hash
        t.seat.naming = PT_UNNAMED if early else PT_NAMED
    except BaseException:
        switch_off()


cdef bint before_run() except -1:
    """Whether this is `threading`'s own code that comes before a thread's `run`."""
    cdef PyObject *code = pt_current_code()
    if code == NULL:
        return False
    file = exact(<object> (<PyCodeObject *> code).co_filename)
    name = exact(<object> (<PyCodeObject *> code).co_qualname)
    Py_DECREF(code)
    return file.endswith("threading.py") and not name.endswith(".run")


cdef str thread_name(unsigned long ident, uint64_t native_id):
    """The name that `threading` has for the thread, "" if none; read without running any user code."""
    cdef PyObject *module = pt_loaded_module("threading")
    cdef PyObject *active
    cdef PyObject *thread
    cdef object number = ident
    if module != NULL:
        active = PyDict_GetItemString(PyModule_GetDict(module), "_active")
        if active != NULL and PyDict_CheckExact(active):
            thread = PyDict_GetItemWithError(active, <PyObject *> number)
            if thread != NULL:
                attributes = PyObject_GenericGetDict(thread, NULL)
                name = attributes.get("_name") if type(attributes) is dict else None
                if type(name) is str:
                    return name
    return "MainThread" if native_id == pt_process_id() else ""
