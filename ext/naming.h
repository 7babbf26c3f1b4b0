/* The name that a person would write for a C callable, found without running any user code.
 *
 * Only exact types are looked into, and only by the slots of their C types: a class may lie about its name, its module
 * and its attributes, and a test must not see that somebody asked.
 */
#ifndef PT_NAMING_H
#define PT_NAMING_H

#include <Python.h>
#include <stdint.h>
#include <string.h>

/* Public names of the private modules whose contents people know by another one. */
static const char *const pt_public_modules[][2] = {
    {"posix", "os"}, {"nt", "os"}, {"_io", "io"}, {"_thread", "threading"}, {"_socket", "socket"},
    {"builtins", ""}, {"_queue", "queue"}, {"_ssl", "ssl"}, {"_asyncio", "asyncio"}, {"_struct", "struct"},
    {"_multiprocessing", "multiprocessing"}, {"_posixsubprocess", "subprocess"}, {"_winapi", "winapi"},
    {"_sqlite3", "sqlite3"}, {"sqlite3", "sqlite3"}, {NULL, NULL}};

static PyObject *pt_type_name(PyTypeObject *type, const char **module)
{
    /* New reference: the qualified name; *module is borrowed from the type, or "". */
    *module = "";
    if (!(type->tp_flags & Py_TPFLAGS_HEAPTYPE)) {
        const char *dot = strrchr(type->tp_name, '.');
        static char buffer[128];
        if (!dot)
            return PyUnicode_FromString(type->tp_name);
        size_t length = (size_t)(dot - type->tp_name);
        if (length < sizeof buffer) {
            memcpy(buffer, type->tp_name, length);
            buffer[length] = 0;
            *module = buffer;
        }
        return PyUnicode_FromString(dot + 1);
    }
    PyObject *name = type->tp_dict ? PyDict_GetItemString(type->tp_dict, "__module__") : NULL;
    if (name && PyUnicode_CheckExact(name)) {
        *module = PyUnicode_AsUTF8(name);
        if (!*module) {
            PyErr_Clear();
            *module = "";
        }
    }
    PyObject *qualname = ((PyHeapTypeObject *)type)->ht_qualname;
    if (qualname && PyUnicode_CheckExact(qualname))
        return Py_NewRef(qualname);
    return PyUnicode_FromString(type->tp_name);
}

/* A module that is loaded, borrowed, or NULL. Late in the interpreter's end there is no sys.modules, and
 * PyImport_GetModuleDict aborts. */
static PyObject *pt_loaded_module(const char *name)
{
    PyObject *modules = PySys_GetObject("modules");
    PyObject *module = modules && PyDict_CheckExact(modules) ? PyDict_GetItemString(modules, name) : NULL;
    return module && PyModule_CheckExact(module) ? module : NULL;
}

static PyObject *pt_public_name(const char *module, PyObject *name)
{
    /* Steals `name`: module.name, with the module's public name. NULL with an exception. */
    if (!name)
        return NULL;
    for (int i = 0; pt_public_modules[i][0]; i++)
        if (strcmp(module, pt_public_modules[i][0]) == 0) {
            module = pt_public_modules[i][1];
            break;
        }
    if (module[0] == '_' && module[1] != '_') {
        /* _foo.bar is written foo.bar where foo is loaded and has a bar. */
        PyObject *loaded = pt_loaded_module(module + 1);
        if (loaded && PyDict_GetItem(PyModule_GetDict(loaded), name))
            module++;
    }
    if (!*module)
        return name;
    PyObject *full = PyUnicode_FromFormat("%s.%U", module, name);
    Py_DECREF(name);
    return full;
}

static PyObject *pt_member_name(PyTypeObject *type, const char *member)
{
    const char *module;
    PyObject *name = pt_type_name(type, &module), *full;
    if (!name)
        return NULL;
    full = PyUnicode_FromFormat("%U.%s", name, member);
    Py_DECREF(name);
    return pt_public_name(module, full);
}

static PyObject *pt_type_public_name(PyTypeObject *type)
{
    const char *module;
    PyObject *name = pt_type_name(type, &module);
    return pt_public_name(module, name);
}

/* The type in `type`'s mro that has the method: an instance's own class may have another one of that name. */
static PyTypeObject *pt_defining_type(PyTypeObject *type, const PyMethodDef *method)
{
    PyObject *mro = type->tp_mro;
    for (Py_ssize_t i = 0; mro && i < PyTuple_GET_SIZE(mro); i++) {
        PyTypeObject *base = (PyTypeObject *)PyTuple_GET_ITEM(mro, i);
#if PY_VERSION_HEX >= 0x030c0000
        PyObject *dict = PyType_GetDict(base);
#else
        PyObject *dict = Py_XNewRef(base->tp_dict);
#endif
        PyObject *member = dict ? PyDict_GetItemString(dict, method->ml_name) : NULL;
        PyTypeObject *kind = member ? Py_TYPE(member) : NULL;
        int found = (kind == &PyMethodDescr_Type || kind == &PyClassMethodDescr_Type) &&
                    ((PyMethodDescrObject *)member)->d_method == method;
        Py_XDECREF(dict);
        if (found)
            return base;
    }
    return type;
}

static PyObject *pt_callable_name(PyObject *callable)
{
    /* New reference, NULL with an exception. */
    PyTypeObject *type = Py_TYPE(callable);
    if (type == &PyMethod_Type)
        return pt_callable_name(PyMethod_GET_FUNCTION(callable));
    if (PyCFunction_Check(callable)) {
        const PyMethodDef *method = ((PyCFunctionObject *)callable)->m_ml;
        PyObject *self = ((PyCFunctionObject *)callable)->m_self;
        PyObject *module = ((PyCFunctionObject *)callable)->m_module;
        if (!self || PyModule_Check(self)) {
            const char *text = module && PyUnicode_CheckExact(module) ? PyUnicode_AsUTF8(module) : NULL;
            if (!text)
                PyErr_Clear();
            return pt_public_name(text ? text : "", PyUnicode_FromString(method->ml_name));
        }
        PyTypeObject *owner = PyType_Check(self) ? (PyTypeObject *)self : Py_TYPE(self);
        return pt_member_name(pt_defining_type(owner, method), method->ml_name);
    }
    if (type == &PyMethodDescr_Type || type == &PyClassMethodDescr_Type || type == &PyWrapperDescr_Type) {
        const char *name = PyUnicode_AsUTF8(((PyDescrObject *)callable)->d_name);
        if (!name)
            return NULL;
        return pt_member_name(((PyDescrObject *)callable)->d_type, name);
    }
    if (!(type->tp_flags & Py_TPFLAGS_HEAPTYPE) && strcmp(type->tp_name, "method-wrapper") == 0) {
        PyObject *name = PyObject_GetAttrString(callable, "__name__");
        PyObject *owner = PyObject_GetAttrString(callable, "__objclass__");
        const char *text = name && PyUnicode_CheckExact(name) ? PyUnicode_AsUTF8(name) : NULL;
        PyObject *full = text && owner && PyType_Check(owner) ? pt_member_name((PyTypeObject *)owner, text) : NULL;
        Py_XDECREF(name);
        Py_XDECREF(owner);
        return full;
    }
    if (PyType_Check(callable))
        return pt_type_public_name((PyTypeObject *)callable);
    if (strcmp(type->tp_name, "functools._lru_cache_wrapper") == 0 ||
        strcmp(type->tp_name, "cython_function_or_method") == 0) {
        /* Their own dictionaries say what they wrap; no attribute look-up that a subclass could answer. */
        PyObject *dict = PyObject_GenericGetDict(callable, NULL);
        PyObject *name = dict ? PyDict_GetItemString(dict, "__qualname__") : NULL;
        PyObject *full = name && PyUnicode_CheckExact(name) ? Py_NewRef(name) : NULL;
        Py_XDECREF(dict);
        if (full)
            return full;
        PyErr_Clear();
    }
    const char *module;
    PyObject *name = pt_type_name(type, &module), *full;
    if (!name)
        return NULL;
    full = PyUnicode_FromFormat("%U.__call__", name);
    Py_DECREF(name);
    return pt_public_name(module, full);
}

/* Whether calling it runs Python code at once, so that the frame's own slice shows it. */
static inline int pt_is_python(PyObject *callable)
{
    return PyFunction_Check(callable) ||
           (PyMethod_Check(callable) && PyFunction_Check(PyMethod_GET_FUNCTION(callable)));
}

/* What tells a callable's name apart cheaply: two words, 0 when there is nothing that lasts. */
static inline uint64_t pt_callable_key(PyObject *callable, uint64_t *check)
{
    PyTypeObject *type = Py_TYPE(callable);
    *check = 0;
    if (type == &PyMethod_Type) {
        callable = PyMethod_GET_FUNCTION(callable);
        type = Py_TYPE(callable);
    }
    if (PyCFunction_Check(callable)) {
        PyMethodDef *definition = ((PyCFunctionObject *)callable)->m_ml;
        PyObject *self = ((PyCFunctionObject *)callable)->m_self;
        /* All types share one definition of __new__. */
        *check = (uint64_t)(uintptr_t)(self && PyType_Check(self) ? (void *)self : (void *)definition->ml_name);
        return (uint64_t)(uintptr_t)definition;
    }
    if (type == &PyMethodDescr_Type || type == &PyClassMethodDescr_Type) {
        PyMethodDef *definition = ((PyMethodDescrObject *)callable)->d_method;
        *check = (uint64_t)(uintptr_t)definition->ml_name;
        return (uint64_t)(uintptr_t)definition;
    }
    if (type == &PyWrapperDescr_Type) {
        *check = (uint64_t)(uintptr_t)((PyDescrObject *)callable)->d_type;
        return (uint64_t)(uintptr_t)((PyWrapperDescrObject *)callable)->d_base;
    }
    if (PyType_Check(callable)) {
        PyTypeObject *made = (PyTypeObject *)callable;
        /* An address may be used again by another class; its name's hash tells. */
        if (made->tp_flags & Py_TPFLAGS_HEAPTYPE) {
            PyObject *name = ((PyHeapTypeObject *)made)->ht_qualname;
            if (!name || !PyUnicode_CheckExact(name))
                return 0;
            *check = (uint64_t)PyObject_Hash(name);
        }
        return (uint64_t)(uintptr_t)made;
    }
    return 0;
}

#endif
