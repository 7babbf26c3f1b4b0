/* Learns which processes this one starts, and how they end: PT_CHILD and PT_REAPED.
 *
 * A builtin function object points to a PyMethodDef. While recording, those of os.fork, os.waitpid and the like point to
 * copies whose C function calls the original and then appends a record. The function objects stay what they are, with
 * their names, signatures and results; profiling hooks and audit hooks would not tell results. What C code starts by itself is
 * not seen here: the collector looks for it.
 */
#ifndef PT_PROCESSES_H
#define PT_PROCESSES_H

#include "writer.h"

#define PT_MAX_COMMAND 8000u

typedef void (*pt_learn)(uint64_t tick, PyObject *const *args, Py_ssize_t count, PyObject *result);

typedef struct {
    const char *module, *name;
    pt_learn before, after; /* either may be NULL */
    PyCFunction plain;
    pt_fast_function fast;
    pt_keywords_function keywords;
    PyObject *function;
    PyMethodDef *theirs;
    PyMethodDef ours;
} pt_tap;

/* ---- children not reaped yet ---- */

typedef struct {
    uint32_t pid;
    uint64_t tick;
} pt_living;

static pt_living *pt_children;
static size_t pt_children_count, pt_children_room;
static uint32_t pt_children_pid; /* the process whose children they are */

static PT_COLD void pt_child_started(uint32_t pid, uint64_t tick)
{
    if (pt_children_pid != pt_process_id()) {
        pt_children_pid = pt_process_id();
        pt_children_count = 0;
    }
    if (pt_children_count == pt_children_room) {
        size_t room = pt_children_room ? 2 * pt_children_room : 16;
        pt_living *children = realloc(pt_children, room * sizeof *children);
        if (!children)
            return;
        pt_children = children;
        pt_children_room = room;
    }
    pt_children[pt_children_count++] = (pt_living){pid, tick};
}

static PT_COLD void pt_child_ended(uint32_t pid)
{
    for (size_t i = 0; i < pt_children_count; i++)
        if (pt_children[i].pid == pid)
            pt_children[i--] = pt_children[--pt_children_count];
}

/* Forget the children that somebody else has reaped, and put those that still run first; return how many do. */
static PT_COLD size_t pt_children_alive(void)
{
    size_t alive = 0;
    if (pt_children_pid != pt_process_id())
        return 0;
    for (size_t i = 0; i < pt_children_count;) {
        int state = pt_child_state(pt_children[i].pid);
        if (state == PT_CHILD_GONE) {
            pt_children[i] = pt_children[--pt_children_count];
            continue;
        }
        if (state == PT_CHILD_RUNS) {
            pt_living child = pt_children[alive];
            pt_children[alive++] = pt_children[i];
            pt_children[i] = child;
        }
        i++;
    }
    return alive;
}

/* ---- what is told ---- */

static PT_COLD void pt_tell_child(uint32_t pid, uint64_t tick, const char *command, size_t size)
{
    pt_child head = {tick};
    pt_put_payload(PT_CHILD, pid, &head, sizeof head, command, size);
    if (pid)
        pt_child_started(pid, tick);
}

static PT_COLD void pt_tell_reaped(uint32_t pid, int status)
{
    pt_reaped head = {status, 1};
    pt_put_payload(PT_REAPED, pid, &head, sizeof head, "", 0);
    pt_child_ended(pid);
}

/* Append the words of a command line, each with a NUL; a word that is neither str nor bytes would run code of its own. */
static PT_COLD size_t pt_command_words(PyObject *words, char *command)
{
    size_t size = 0;
    if (!PyList_CheckExact(words) && !PyTuple_CheckExact(words))
        return 0;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(words); i++) {
        PyObject *word = PySequence_Fast_GET_ITEM(words, i);
        PyObject *bytes = NULL;
        if (PyUnicode_CheckExact(word))
            bytes = PyUnicode_EncodeFSDefault(word);
        else if (PyBytes_CheckExact(word))
            bytes = Py_NewRef(word);
        const char *text = bytes ? PyBytes_AS_STRING(bytes) : "?";
        size_t length = bytes ? (size_t)PyBytes_GET_SIZE(bytes) : 1;
        int fits = size + length + 1 <= PT_MAX_COMMAND;
        if (fits) {
            memcpy(command + size, text, length);
            command[size + length] = 0;
            size += length + 1;
        }
        Py_XDECREF(bytes);
        PyErr_Clear();
        if (!fits) {
            memcpy(command + size, "...", 4);
            return size + 4;
        }
    }
    return size;
}

static PT_COLD void pt_tell_started(uint64_t tick, PyObject *result, PyObject *words)
{
    char command[PT_MAX_COMMAND + 4];
    long pid = PyLong_CheckExact(result) ? PyLong_AsLong(result) : 0;
    size_t size = words ? pt_command_words(words, command) : 0;
    if (pid > 0)
        pt_tell_child((uint32_t)pid, tick, command, size ? size - 1 : 0);
    PyErr_Clear();
}

#if defined(_WIN32)

static void pt_after_create(uint64_t tick, PyObject *const *args, Py_ssize_t count, PyObject *result)
{
    if (count > 1 && PyTuple_CheckExact(result) && PyTuple_GET_SIZE(result) > 2) {
        PyObject *line = args[1] != Py_None ? args[1] : args[0]; /* its words are the program's own affair here */
        PyObject *words = PyTuple_Pack(1, line);
        if (words)
            pt_tell_started(tick, PyTuple_GET_ITEM(result, 2), words);
        Py_XDECREF(words);
        PyErr_Clear();
    }
}

static void pt_after_exit_code(uint64_t tick, PyObject *const *args, Py_ssize_t count, PyObject *result)
{
    void *handle = count ? PyLong_AsVoidPtr(args[0]) : NULL;
    unsigned long code = PyLong_AsUnsignedLongMask(result);
    DWORD pid = handle ? GetProcessId(handle) : 0;
    (void)tick;
    if (pid && code != STILL_ACTIVE)
        pt_tell_reaped(pid, (int)code);
    PyErr_Clear();
}

#define PT_EACH_TAP(TAP)                                                                                              \
    TAP(0, "_winapi", "CreateProcess", NULL, pt_after_create)                                                         \
    TAP(1, "_winapi", "GetExitCodeProcess", NULL, pt_after_exit_code)
#define PT_TAPS 2

#else

/* In the child, where the result is 0, this puts the frames that go on there first, if nothing has yet. */
static void pt_after_fork(uint64_t tick, PyObject *const *args, Py_ssize_t count, PyObject *result)
{
    PyObject *pid = PyTuple_CheckExact(result) && PyTuple_GET_SIZE(result) ? PyTuple_GET_ITEM(result, 0) : result;
    (void)args, (void)count;
    if (pt_inherited_pid == pt_process_id())
        pt_tell_started(tick, pid, NULL);
    else if (pt_inherit)
        pt_refill();
    pt_inherit = NULL;
}

static void pt_before_fork(uint64_t tick, PyObject *const *args, Py_ssize_t count, PyObject *result)
{
    pt_thread_state *t = pt_me;
    (void)tick, (void)args, (void)count, (void)result;
    pt_inherited_pid = pt_process_id();
    pt_inherit = t->open;
    pt_inherited_depths = t->open ? pt_depth(t) + 1 : 0;
    if (pt_inherited_depths > t->depths)
        pt_inherited_depths = t->depths;
}

static void pt_after_spawn(uint64_t tick, PyObject *const *args, Py_ssize_t count, PyObject *result)
{
    pt_tell_started(tick, result, count > 1 ? args[1] : NULL);
}

static void pt_after_fork_exec(uint64_t tick, PyObject *const *args, Py_ssize_t count, PyObject *result)
{
    pt_tell_started(tick, result, count > 0 ? args[0] : NULL);
}

/* Which process it is remains unknown; what this thread is told to have reaped next is it. */
static void pt_before_system(uint64_t tick, PyObject *const *args, Py_ssize_t count, PyObject *result)
{
    (void)result;
    PyObject *words = count ? Py_BuildValue("(ssO)", "sh", "-c", args[0]) : NULL;
    char command[PT_MAX_COMMAND + 4];
    size_t size = words ? pt_command_words(words, command) : 0;
    pt_tell_child(0, tick, command, size ? size - 1 : 0);
    Py_XDECREF(words);
    PyErr_Clear();
}

static void pt_after_system(uint64_t tick, PyObject *const *args, Py_ssize_t count, PyObject *result)
{
    (void)tick, (void)args, (void)count;
    pt_tell_reaped(0, PyLong_CheckExact(result) ? (int)PyLong_AsLong(result) : 0);
    PyErr_Clear();
}

/* wait, waitpid, wait3, wait4: (pid, status, ...) */
static void pt_after_wait(uint64_t tick, PyObject *const *args, Py_ssize_t count, PyObject *result)
{
    (void)tick, (void)args, (void)count;
    if (PyTuple_Check(result) && PyTuple_GET_SIZE(result) > 1) {
        long pid = PyLong_AsLong(PyTuple_GET_ITEM(result, 0));
        int status = (int)PyLong_AsLong(PyTuple_GET_ITEM(result, 1));
        if (pid > 0 && (WIFEXITED(status) || WIFSIGNALED(status)))
            pt_tell_reaped((uint32_t)pid, status);
    }
    PyErr_Clear();
}

/* None, or si_pid, si_uid, si_signo, si_status, si_code */
static void pt_after_waitid(uint64_t tick, PyObject *const *args, Py_ssize_t count, PyObject *result)
{
    (void)tick, (void)args, (void)count;
    if (PyTuple_Check(result) && PyTuple_GET_SIZE(result) > 4) {
        long pid = PyLong_AsLong(PyTuple_GET_ITEM(result, 0));
        long status = PyLong_AsLong(PyTuple_GET_ITEM(result, 3)), code = PyLong_AsLong(PyTuple_GET_ITEM(result, 4));
        if (pid > 0 && code == CLD_EXITED)
            pt_tell_reaped((uint32_t)pid, (int)(status & 0xff) << 8);
        else if (pid > 0 && (code == CLD_KILLED || code == CLD_DUMPED))
            pt_tell_reaped((uint32_t)pid, (int)(status & 0x7f));
    }
    PyErr_Clear();
}

#define PT_EACH_TAP(TAP)                                                                                              \
    TAP(0, "posix", "fork", pt_before_fork, pt_after_fork)                                                            \
    TAP(1, "posix", "forkpty", pt_before_fork, pt_after_fork)                                                         \
    TAP(2, "posix", "posix_spawn", NULL, pt_after_spawn)                                                              \
    TAP(3, "posix", "posix_spawnp", NULL, pt_after_spawn)                                                             \
    TAP(4, "posix", "system", pt_before_system, pt_after_system)                                                      \
    TAP(5, "posix", "wait", NULL, pt_after_wait)                                                                      \
    TAP(6, "posix", "waitpid", NULL, pt_after_wait)                                                                   \
    TAP(7, "posix", "wait3", NULL, pt_after_wait)                                                                     \
    TAP(8, "posix", "wait4", NULL, pt_after_wait)                                                                     \
    TAP(9, "posix", "waitid", NULL, pt_after_waitid)                                                                  \
    TAP(10, "_posixsubprocess", "fork_exec", NULL, pt_after_fork_exec)
#define PT_TAPS 11

#endif

/* ---- standing in between ---- */

static pt_tap pt_taps[PT_TAPS];

static inline uint64_t pt_tap_before(pt_tap *tap, PyObject *const *args, Py_ssize_t count)
{
    if (!pt_current)
        return 0;
    uint64_t tick = pt_now(pt_tick_source);
    if (tap->before)
        tap->before(tick, args, count, NULL);
    return tick;
}

static inline PyObject *pt_tap_after(pt_tap *tap, uint64_t tick, PyObject *const *args, Py_ssize_t count,
                                     PyObject *result)
{
    if (tick && pt_current && tap->after && result)
        tap->after(tick, args, count, result);
    pt_inherit = NULL;
    return result;
}

/* METH_NOARGS, METH_O and METH_VARARGS */
static PyObject *pt_tapped(pt_tap *tap, PyObject *self, PyObject *given)
{
    PyObject *const *args = &given;
    Py_ssize_t count = given != NULL;
    if (tap->theirs->ml_flags & METH_VARARGS) {
        args = ((PyTupleObject *)given)->ob_item;
        count = PyTuple_GET_SIZE(given);
    }
    uint64_t tick = pt_tap_before(tap, args, count);
    return pt_tap_after(tap, tick, args, count, tap->theirs->ml_meth(self, given));
}

static PyObject *pt_tapped_fast(pt_tap *tap, PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    uint64_t tick = pt_tap_before(tap, args, count);
    pt_fast_function original = (pt_fast_function)(void (*)(void))tap->theirs->ml_meth;
    return pt_tap_after(tap, tick, args, count, original(self, args, count));
}

/* What is given by name comes after the rest, and is read as if it were given by place. */
static PyObject *pt_tapped_keywords(pt_tap *tap, PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    Py_ssize_t all = count + (names ? PyTuple_GET_SIZE(names) : 0);
    uint64_t tick = pt_tap_before(tap, args, all);
    pt_keywords_function original = (pt_keywords_function)(void (*)(void))tap->theirs->ml_meth;
    return pt_tap_after(tap, tick, args, all, original(self, args, count, names));
}

#define PT_TAP_FUNCTIONS(i, module, name, before, after)                                                              \
    static PyObject *pt_plain_##i(PyObject *self, PyObject *args) { return pt_tapped(&pt_taps[i], self, args); }      \
    static PyObject *pt_fast_##i(PyObject *self, PyObject *const *args, Py_ssize_t count)                             \
    {                                                                                                                 \
        return pt_tapped_fast(&pt_taps[i], self, args, count);                                                        \
    }                                                                                                                 \
    static PyObject *pt_keywords_##i(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names)        \
    {                                                                                                                 \
        return pt_tapped_keywords(&pt_taps[i], self, args, count, names);                                             \
    }
#define PT_TAP_ENTRY(i, module, name, before, after)                                                                  \
    {module, name, before, after, pt_plain_##i, pt_fast_##i, pt_keywords_##i, NULL, NULL, {NULL, NULL, 0, NULL}},

PT_EACH_TAP(PT_TAP_FUNCTIONS)
static pt_tap pt_taps[PT_TAPS] = {PT_EACH_TAP(PT_TAP_ENTRY)};

static PT_COLD void pt_insert_tap(pt_tap *tap)
{
    PyObject *module = PyImport_ImportModule(tap->module);
    PyObject *function = module ? PyObject_GetAttrString(module, tap->name) : NULL;
    PyErr_Clear();
    Py_XDECREF(module);
    if (!function)
        return; /* not on this system */
    if (PyCFunction_CheckExact(function)) {
        PyMethodDef *theirs = ((PyCFunctionObject *)function)->m_ml;
        tap->ours = *theirs;
        switch (theirs->ml_flags & (METH_VARARGS | METH_KEYWORDS | METH_NOARGS | METH_O | METH_FASTCALL | METH_METHOD)) {
        case METH_NOARGS:
        case METH_O:
        case METH_VARARGS:
            tap->ours.ml_meth = tap->plain;
            break;
        case METH_FASTCALL:
            tap->ours.ml_meth = (PyCFunction)(void (*)(void))tap->fast;
            break;
        case METH_FASTCALL | METH_KEYWORDS:
            tap->ours.ml_meth = (PyCFunction)(void (*)(void))tap->keywords;
            break;
        default:
            Py_DECREF(function);
            return;
        }
        tap->theirs = theirs;
        tap->function = function; /* keeps the reference */
        ((PyCFunctionObject *)function)->m_ml = &tap->ours;
    } else
        Py_DECREF(function);
}

/* Stand in between, or step back. The functions' own definitions stay known: a call may be under way. */
static PT_COLD void pt_tap_processes(int on)
{
    for (pt_tap *tap = pt_taps; tap < pt_taps + PT_TAPS; tap++) {
        if (on && !tap->function)
            pt_insert_tap(tap);
        else if (!on && tap->function) {
            PyCFunctionObject *function = (PyCFunctionObject *)tap->function;
            if (function->m_ml == &tap->ours)
                function->m_ml = tap->theirs;
            Py_CLEAR(tap->function);
        }
    }
}

#endif
