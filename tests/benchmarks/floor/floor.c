/* The floor: the least that a recorder of calls can do. A callback that reads the clock and stores 16 bytes.
 *
 * On 3.12+ an instance of a type with its own vectorcall slot, for sys.monitoring; on 3.11 a C profile function. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#if defined(_MSC_VER)
#include <intrin.h>
#endif

typedef struct {
    uint64_t tick;
    uint64_t what;
} Record;

#define RECORDS 2048 /* 32 KiB, written over and over: warm, as a recycled chunk is */
static Record records[RECORDS];
static Record *next_record = records;

static inline uint64_t tick(void)
{
#if defined(__x86_64__) || defined(_M_X64)
#if defined(_MSC_VER)
    return __rdtsc();
#else
    return __builtin_ia32_rdtsc();
#endif
#elif defined(__aarch64__) && !defined(_MSC_VER)
    uint64_t value;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(value));
    return value;
#else
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
#endif
}

static inline void store(uint64_t what)
{
    Record *record = next_record;
    record->what = what;
    record->tick = tick();
    next_record = record + 1 == records + RECORDS ? records : record + 1;
}

#if PY_VERSION_HEX >= 0x030C0000

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    uint64_t what;
} Callback;

static PyObject *callback_call(PyObject *self, PyObject *const *args, size_t nargs, PyObject *names)
{
    (void)args, (void)nargs, (void)names;
    store(((Callback *)self)->what);
    Py_RETURN_NONE;
}

static PyObject *callback_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    (void)keywords;
    unsigned long long what;
    if (!PyArg_ParseTuple(args, "K", &what))
        return NULL;
    Callback *self = (Callback *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->call = callback_call;
        self->what = what;
    }
    return (PyObject *)self;
}

static PyTypeObject CallbackType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "floor.Callback",
    .tp_basicsize = sizeof(Callback),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_vectorcall_offset = offsetof(Callback, call),
    .tp_call = PyVectorcall_Call,
    .tp_new = callback_new,
};

static PyObject *start(PyObject *module, PyObject *unused)
{
    (void)unused;
    return PyRun_String(
        "import sys\n"
        "m = sys.monitoring\n"
        "m.use_tool_id(4, 'floor')\n"
        "m.register_callback(4, m.events.PY_START, Callback(1))\n"
        "m.register_callback(4, m.events.PY_RETURN, Callback(2))\n"
        "m.set_events(4, m.events.PY_START | m.events.PY_RETURN)\n",
        Py_file_input, PyModule_GetDict(module), PyModule_GetDict(module));
}

#else

static int profile(PyObject *object, PyFrameObject *frame, int what, PyObject *argument)
{
    (void)object, (void)frame, (void)argument;
    store((uint64_t)what);
    return 0;
}

static PyObject *start(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    PyEval_SetProfile(profile, NULL);
    Py_RETURN_NONE;
}

#endif

static PyMethodDef methods[] = {
    {"start", start, METH_NOARGS, "Record every call of this process from here on."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "floor", .m_size = -1, .m_methods = methods};

PyMODINIT_FUNC PyInit_floor(void)
{
    PyObject *self = PyModule_Create(&module);
#if PY_VERSION_HEX >= 0x030C0000
    if (self != NULL && PyModule_AddType(self, &CallbackType) < 0)
        Py_CLEAR(self);
    if (self != NULL && PyDict_SetItemString(PyModule_GetDict(self), "__builtins__", PyEval_GetBuiltins()) < 0)
        Py_CLEAR(self);
#endif
    return self;
}
