# cython: cdivision=True
"""A byte buffer that is drained when it is large, and text made valid on its way into it."""
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.object cimport PyObject
from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport realloc
from libc.string cimport memcpy

cdef struct Buffer:
    uint8_t *bytes
    size_t size
    size_t capacity
    PyObject *write          # called with bytes

cdef enum:
    DRAIN_BYTES = 1 << 18    # so it stays in the processor's cache, and memory does not grow with the slices


cdef inline int reserve(Buffer *buffer, size_t extra) except -1 nogil:
    """Make room for `extra` more bytes."""
    cdef size_t capacity
    cdef uint8_t *grown
    if buffer.capacity - buffer.size >= extra:
        return 0
    capacity = buffer.capacity * 2 if buffer.capacity else 4096
    while capacity - buffer.size < extra:
        capacity *= 2
    grown = <uint8_t *> realloc(buffer.bytes, capacity)
    if grown == NULL:
        with gil:
            raise MemoryError
    buffer.bytes = grown
    buffer.capacity = capacity
    return 0


cdef inline int append(Buffer *buffer, const void *data, size_t size) except -1 nogil:
    reserve(buffer, size)
    memcpy(buffer.bytes + buffer.size, data, size)
    buffer.size += size
    return 0


cdef inline int drain(Buffer *buffer) except -1 nogil:
    """Hand what is there to `write`."""
    if buffer.size:
        with gil:
            (<object> buffer.write)(PyBytes_FromStringAndSize(<char *> buffer.bytes, buffer.size))
        buffer.size = 0
    return 0


cdef inline size_t character(const uint8_t *text, size_t length, bint *valid) noexcept nogil:
    """Return how many bytes the UTF-8 character at `text` takes; of an invalid one, the part to replace."""
    cdef uint8_t first = text[0]
    cdef uint8_t low = 0x80
    cdef uint8_t high = 0xBF
    cdef size_t size, i
    valid[0] = True
    if first < 0x80:
        return 1
    valid[0] = False
    if first < 0xC2 or first > 0xF4:
        return 1
    size = 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    if first == 0xE0:
        low = 0xA0
    elif first == 0xED:
        high = 0x9F  # no surrogates
    elif first == 0xF0:
        low = 0x90
    elif first == 0xF4:
        high = 0x8F
    for i in range(1, size):
        if i == length or text[i] < low or text[i] > high:
            return i
        low = 0x80
        high = 0xBF
    valid[0] = True
    return size


cdef inline int append_text(Buffer *buffer, const char *text, size_t length, bint json) except -1 nogil:
    """Append `text` as UTF-8, what is not UTF-8 as U+FFFD; for `json`, escaped."""
    cdef const uint8_t *at = <const uint8_t *> text
    cdef const uint8_t *end = at + length
    cdef const char *digits = "0123456789abcdef"
    cdef uint8_t *to
    cdef size_t size, i
    cdef bint valid
    reserve(buffer, 6 * length)  # \u001f for one byte is the worst
    to = buffer.bytes + buffer.size
    while at < end:
        size = character(at, end - at, &valid)
        if not valid or at[0] == 0:  # SQL ends a text at NUL
            to[0], to[1], to[2] = 0xEF, 0xBF, 0xBD
            to += 3
        elif json and at[0] < 0x20:
            memcpy(to, <const char *> "\\u00", 4)
            to[4] = digits[at[0] >> 4]
            to[5] = digits[at[0] & 15]
            to += 6
        else:
            if json and (at[0] == c'"' or at[0] == c'\\'):
                to[0] = c'\\'
                to += 1
            for i in range(size):
                to[i] = at[i]
            to += size
        at += size
    buffer.size = to - buffer.bytes
    return 0
