# cython: cdivision=True
"""One track's slices as Chrome Trace Event JSON objects, each followed by a comma and a line break.

A slice is one "X" object; one that is cut into several windows is written in the window where it ends. Readers sort
by time, and take parents before children where both begin and end together because they come first in the file.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset, strlen

from buffer cimport DRAIN_BYTES, Buffer, append, append_text, drain, reserve
from columns cimport (CALLABLE, CUT_END, CUT_START, DIED, HEALED, RESUMED, THROWN, WAIT, YIELDED, Columns, Name,
                      index_of)
from values cimport Pair, Values, find_values, next_pair
from walk cimport (FlowEnd, Folded, MAX_DEPTH, Walk, Window, cut, enter, find, folded_into, has_place, is_over,
                   is_plain, leave, left_open, nanoseconds)

cdef struct Heads:           # the part of an object that is the same for each slice of a name
    Buffer text
    size_t *start            # by index_of(id): where in `text`, plus one; 0 = not made yet
    uint32_t *length

cdef struct Times:           # ns
    uint64_t start
    uint64_t end

cdef struct Objects:
    Buffer *out
    const Window *window
    Heads heads
    const char *lane         # '"pid":1,"tid":2'
    size_t lane_length
    bint comma               # whether the open "args" has an entry


cdef inline int append_literal(Buffer *out, const char *text) except -1 nogil:
    return append(out, text, strlen(text))


cdef inline uint8_t *put_decimal(uint8_t *to, uint64_t value) noexcept nogil:
    cdef uint8_t digits[20]
    cdef size_t at = 20
    while True:
        at -= 1
        digits[at] = <uint8_t> (c'0' + value % 10)
        value /= 10
        if not value:
            break
    memcpy(to, digits + at, 20 - at)
    return to + 20 - at


cdef inline uint8_t *put_thousandths(uint8_t *to, uint64_t value) noexcept nogil:
    """Write value / 1000 with three decimals."""
    cdef uint32_t rest = <uint32_t> (value % 1000)
    to = put_decimal(to, value / 1000)
    to[0] = c'.'
    to[1] = <uint8_t> (c'0' + rest / 100)
    to[2] = <uint8_t> (c'0' + rest / 10 % 10)
    to[3] = <uint8_t> (c'0' + rest % 10)
    return to + 4


cdef inline int append_decimal(Buffer *out, uint64_t value) except -1 nogil:
    reserve(out, 20)
    out.size = put_decimal(out.bytes + out.size, value) - out.bytes
    return 0


cdef inline int append_time(Buffer *out, const char *key, uint64_t ns) except -1 nogil:
    append_literal(out, key)
    reserve(out, 24)
    out.size = put_thousandths(out.bytes + out.size, ns) - out.bytes
    return 0


cdef inline int append_string(Buffer *out, const char *text, size_t length) except -1 nogil:
    append(out, <const char *> '"', 1)
    append_text(out, text, length, True)
    return append(out, <const char *> '"', 1)


cdef inline int append_quoted(Buffer *out, const Name *name) except -1 nogil:
    return append_string(out, name.text, name.length)


cdef inline int define(Objects *o, uint32_t id) except -1 nogil:
    """Make a name's head, up to and with its first arguments."""
    cdef const Name *name = find(o.window, id)
    cdef Buffer *text = &o.heads.text
    cdef size_t start = text.size
    append_literal(text, '{"name":')
    append_quoted(text, name)
    if name.kind == CALLABLE:
        append_literal(text, ',"cat":"c","ph":"X",')
    elif name.kind == WAIT:
        append_literal(text, ',"cat":"await","ph":"X",')
    else:
        append_literal(text, ',"cat":"python","ph":"X",')
    append(text, o.lane, o.lane_length)
    append_literal(text, ',"args":{')
    if has_place(name):
        append_literal(text, '"file":')
        append_quoted(text, find(o.window, name.file))
        append_literal(text, ',"line":')
        append_decimal(text, name.line)
    o.heads.start[index_of(id)] = start + 1
    o.heads.length[index_of(id)] = <uint32_t> (text.size - start)
    return 0


cdef inline int append_key(Objects *o, const char *key) except -1 nogil:
    if o.comma:
        append(o.out, <const char *> ",", 1)
    o.comma = True
    return append_literal(o.out, key)


cdef inline int append_values(Objects *o, const Values *values) except -1 nogil:
    """Append what the slice was called with and what it returned."""
    cdef Pair pair
    cdef size_t at = 0
    if values == NULL:
        return 0
    while next_pair(values, &at, &pair):
        if pair.first:
            append_key(o, '"arguments":{')
        else:
            append(o.out, <const char *> ",", 1)
        append_string(o.out, pair.name, pair.name_size)
        append(o.out, <const char *> ":", 1)
        append_string(o.out, pair.text, pair.text_size)
    if at:
        append(o.out, <const char *> "}", 1)
    if values.result != NULL:
        append_key(o, '"returned":')
        append_string(o.out, values.result, values.result_size)
    return 0


cdef inline int append_args(Objects *o, size_t row) except -1 nogil:
    """Append what there is to tell about a slice at its end."""
    cdef const Window *window = o.window
    cdef uint8_t flags = window.columns.flags[row]
    cdef const char *where = cut(window, row)
    cdef Folded folded = folded_into(window, row)
    cdef uint64_t ns
    append_values(o, find_values(&window.columns.values, row))
    if flags & THROWN:
        append_key(o, '"exception":')
        append_quoted(o.out, find(window, window.columns.raised[row]))
    if folded.count:
        append_key(o, '"folded":')
        append_decimal(o.out, folded.count)
        ns = nanoseconds(window, window.origin + folded.ticks)
        append_key(o, '"folded_ms":')
        append_decimal(o.out, ns / 1000000)
        reserve(o.out, 24)
        put_decimal(o.out.bytes + o.out.size, 1000000 + ns % 1000000)  # a leading 1 for the zeros' sake
        o.out.bytes[o.out.size] = c'.'
        o.out.size += 7
    if where != NULL:
        append_key(o, '"cut":"')
        append_literal(o.out, where)
        append(o.out, <const char *> '"', 1)
    if flags & DIED:
        append_key(o, '"died":true')
    if flags & HEALED:
        append_key(o, '"healed":true')
    if flags & RESUMED:
        append_key(o, '"resumed":true')
    if flags & YIELDED:
        append_key(o, '"yielded":true')
    return 0


cdef inline int write_slice(Objects *o, size_t row, uint64_t start, uint64_t end) except -1 nogil:
    cdef uint32_t id = o.window.columns.name[row]
    cdef uint32_t at = index_of(id)
    if not o.heads.start[at]:
        define(o, id)
    append(o.out, o.heads.text.bytes + o.heads.start[at] - 1, o.heads.length[at])
    if not is_plain(o.window, row, THROWN | CUT_START | CUT_END | HEALED | DIED | RESUMED | YIELDED):
        o.comma = o.out.bytes[o.out.size - 1] != c'{'
        append_args(o, row)
    append_time(o.out, '},"ts":', start)
    append_time(o.out, ',"dur":', end - start)
    return append(o.out, <const char *> "},\n", 3)


cdef inline int append_hex(Buffer *out, uint64_t value) except -1 nogil:
    cdef const char *digits = "0123456789abcdef"
    cdef int shift = 0
    while shift < 60 and value >> (shift + 4):
        shift += 4
    while shift >= 0:
        append(out, &digits[value >> shift & 15], 1)
        shift -= 4
    return 0


cdef inline int write_flow(Objects *o, const FlowEnd *flow, uint64_t ns) except -1 nogil:
    """Write one end of an arrow. `ns` is the start of its slice: later, readers would take what began last."""
    append_literal(o.out, '{"name":"flow","cat":"flow","ph":"f","bp":"e",' if flow.enters else
                   '{"name":"flow","cat":"flow","ph":"s",')
    append(o.out, o.lane, o.lane_length)
    append_literal(o.out, ',"id":"0x')
    append_hex(o.out, flow.id)
    append_time(o.out, '","ts":', ns)
    return append(o.out, <const char *> "},\n", 3)


cdef inline void end_slice(Walk *walk, Times *times) noexcept nogil:
    cdef size_t row = leave(walk)
    times[row].start = walk.stack[walk.top].start
    times[row].end = walk.now


cdef inline void time_slices(const Window *window, Walk *walk, Times *times) noexcept nogil:
    """Fill in when each slice begins and ends; it ends at 0 if it is not written."""
    cdef const Columns *c = window.columns
    cdef const FlowEnd *flow = window.flows
    cdef size_t row, kept
    for row in range(c.count):
        if c.depth[row] >= MAX_DEPTH:
            continue
        while is_over(walk, window, c.depth[row]):
            end_slice(walk, times)
        enter(walk, window, row)
        if row == flow.row:
            walk.now += 1
            while flow.row == row:
                flow += 1
    kept = left_open(walk, window)
    while walk.top > kept:
        end_slice(walk, times)
    for row in range(kept):
        times[walk.stack[row].row].start = walk.stack[row].start


cdef inline int encode(Buffer *out, const Window *window, Walk *walk, const char *lane,
                       size_t lane_length) except -1 nogil:
    """Write the track's slices; `lane` is the JSON of their "pid" and "tid".

    What goes on in the next window stays open in `walk`.
    """
    cdef const Columns *c = window.columns
    cdef Times *times = <Times *> calloc(c.count + 1, sizeof(Times))
    cdef size_t names = 0
    cdef const FlowEnd *flow = window.flows
    cdef size_t row
    cdef Objects o
    memset(&o, 0, sizeof(o))
    o.out = out
    o.window = window
    o.lane = lane
    o.lane_length = lane_length
    for row in range(c.count):
        names = max(names, <size_t> index_of(c.name[row]))
    o.heads.start = <size_t *> calloc(names + 1, sizeof(size_t))
    o.heads.length = <uint32_t *> calloc(names + 1, sizeof(uint32_t))
    try:
        if times == NULL or o.heads.start == NULL or o.heads.length == NULL:
            with gil:
                raise MemoryError
        time_slices(window, walk, times)
        for row in range(c.count):
            if times[row].end:
                write_slice(&o, row, times[row].start, times[row].end)
            while flow.row == row:
                write_flow(&o, flow, times[row].start)
                flow += 1
            if out.size >= DRAIN_BYTES:
                drain(out)
        drain(out)
    finally:
        free(times)
        free(o.heads.text.bytes)
        free(o.heads.start)
        free(o.heads.length)
    return 0
