"""What to call a wait: after the innermost frame that yielded, as a person would.

`asyncio.sleep`, `Queue.get`, `StreamReader.read`: a method by its qualified name, a library's function with its
package, and a library's private helper (`StreamReader._wait_for_data`) by the one that awaits it. All waits in trio end
in the same few functions of its core: they are called after what the program awaits of trio.
"""
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memchr, memcmp, memcpy

from columns cimport CODE, MADE, WAIT, Name, NameTable, define_name, find_name
from table cimport Table, find, free_table, make_room, put

cdef enum:
    LONGEST_NAME = 250

cdef struct Wait:
    uint32_t id              # of its name
    uint32_t package_size    # 0 = of no library
    const char *package
    bint private
    bint core                # where all waits of its library end

cdef struct Waits:
    Table by_code            # to Wait


cdef inline const char *after(const char *text, const char *end, const char *word, size_t size) noexcept nogil:
    """Return what follows the last `word` in the text, NULL when it is not there."""
    cdef const char *found = NULL
    while text + size <= end:
        if memcmp(text, word, size) == 0:
            found = text + size
        text += 1
    return found


cdef inline const char *package_of(const Name *file, uint32_t *size) noexcept nogil:
    """Return the top-level package of a library's file, NULL when it is of none."""
    cdef const char *end = file.text + file.length
    cdef const char *at
    cdef const char *last
    at = after(file.text, end, b"-packages/", 10)
    if at == NULL:
        at = after(file.text, end, b"-packages\\", 10)
    if at == NULL:
        at = after(file.text, end, b"\\Lib\\", 5)
    if at == NULL:
        at = after(file.text, end, b"/lib/python3.", 13)
        if at == NULL:
            at = after(file.text, end, b"/lib64/python3.", 15)
        at = <const char *> memchr(at, c"/", end - at) if at != NULL else NULL
        at = at + 1 if at != NULL else NULL
    if at == NULL:
        return NULL
    last = at
    while last < end and last[0] not in (c"/", c"\\", c"."):
        last += 1
    size[0] = <uint32_t> (last - at)
    return at if size[0] else NULL


cdef inline bint is_private(const Name *name) noexcept nogil:
    """Whether the last part of a qualified name is; `__aenter__` is not."""
    cdef const char *end = name.text + name.length
    cdef const char *at = after(name.text, end, b".", 1)
    cdef size_t size
    at = name.text if at == NULL else at
    size = end - at
    return size > 0 and at[0] == c"_" and not (size > 4 and at[1] == c"_" and end[-1] == c"_" and end[-2] == c"_")


cdef inline Wait *wait_of(Waits *w, NameTable *names, uint32_t code, uint32_t *made) except? NULL nogil:
    """Return how to call a wait in a frame of that code, NULL as long as its name is not known."""
    cdef Wait *wait = <Wait *> find(&w.by_code, code)
    cdef const Name *name
    cdef const Name *file
    cdef Name text
    cdef char buffer[600]
    cdef size_t size = 6
    if wait != NULL:
        return wait
    name = find_name(names, code)
    if name == NULL or name.kind != CODE:
        return NULL
    make_room(&w.by_code)
    wait = <Wait *> calloc(1, sizeof(Wait))
    if wait == NULL:
        with gil:
            raise MemoryError
    put(&w.by_code, code, wait)
    file = find_name(names, name.file)
    if file != NULL:
        wait.package = package_of(file, &wait.package_size)
        wait.core = after(file.text, file.text + file.length, b"-packages/trio/_core/", 21) != NULL or after(
            file.text, file.text + file.length, b"-packages\\trio\\_core\\", 21) != NULL
    wait.private = is_private(name)
    memcpy(buffer, b"await ", 6)
    if wait.package != NULL and memchr(name.text, c".", name.length) == NULL:
        memcpy(buffer + size, wait.package, min(wait.package_size, <uint32_t> LONGEST_NAME))
        size += min(wait.package_size, <uint32_t> LONGEST_NAME)
        buffer[size] = c"."
        size += 1
    memcpy(buffer + size, name.text, min(name.length, <uint32_t> LONGEST_NAME))
    size += min(name.length, <uint32_t> LONGEST_NAME)
    text = Name(&buffer[0], <uint32_t> size, WAIT, name.file, name.line, 0)
    wait.id = MADE | made[0]
    made[0] += 1
    define_name(names, wait.id, &text)
    return wait


cdef inline bint is_of_one_library(const Wait *one, const Wait *other) noexcept nogil:
    return (one.package != NULL and other.package != NULL and one.package_size == other.package_size
            and memcmp(one.package, other.package, one.package_size) == 0)


cdef inline void free_waits(Waits *w) noexcept nogil:
    cdef uint32_t i
    for i in range(w.by_code.room):
        free(w.by_code.entries[i].value)
    free_table(&w.by_code)
