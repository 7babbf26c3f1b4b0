# Protocol Buffers, as much as descriptors and spans need: a field at a time, for the packets that are made in Python.

cdef extern from "Python.h":
    object PyBytes_FromStringAndSize(const char *text, Py_ssize_t size)
    char *PyBytes_AS_STRING(object text)

cdef enum FieldType:
    VARINT_FIELD = 0
    FIXED64_FIELD = 1
    BYTES_FIELD = 2


cdef inline uint8_t *put_key(uint8_t *to, uint32_t field, FieldType type) noexcept:
    return html.put_varint(to, field << 3 | type)


def uint(uint32_t field, value):
    """Return an integer, boolean or enumeration field; see the stub."""
    cdef uint8_t encoded[15]
    cdef uint64_t number = <uint64_t> <int64_t> value if value < 0 else value
    cdef uint8_t *end = html.put_varint(put_key(encoded, field, VARINT_FIELD), number)
    return PyBytes_FromStringAndSize(<const char *> encoded, end - encoded)


cdef bytes eight_bytes(uint32_t field, const void *value):
    cdef uint8_t encoded[13]
    cdef uint8_t *end = put_key(encoded, field, FIXED64_FIELD)
    memcpy(end, value, 8)
    return PyBytes_FromStringAndSize(<const char *> encoded, end + 8 - encoded)


def double(uint32_t field, double value):
    """Return a field of that type."""
    return eight_bytes(field, &value)


def fixed64(uint32_t field, uint64_t value):
    """Return a field of that type."""
    return eight_bytes(field, &value)


def message(uint32_t field, *parts):
    """Return a field that holds a message, of which `parts` are the fields."""
    cdef uint8_t head[15]
    cdef Py_ssize_t size = 0
    cdef bytes part
    for part in parts:
        size += len(part)
    cdef uint8_t *end = html.put_varint(put_key(head, field, BYTES_FIELD), size)
    encoded = PyBytes_FromStringAndSize(NULL, end - head + size)
    cdef char *to = PyBytes_AS_STRING(encoded)
    memcpy(to, head, end - head)
    to += end - head
    for part in parts:
        memcpy(to, PyBytes_AS_STRING(part), len(part))
        to += len(part)
    return encoded


def text(uint32_t field, str value not None):
    """Return a string field. Raises UnicodeEncodeError for a lone surrogate."""
    return message(field, value.encode())
