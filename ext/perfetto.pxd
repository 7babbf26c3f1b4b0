# cython: cdivision=True
"""One track's slices as Perfetto packets of one sequence.

A begin packet is 17 to 22 bytes and an end packet 10 or 11, because all that can be said once is said once: the
clock and the track in the sequence's defaults; names, categories, places and texts as interned ids.
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

cdef enum Wire:
    VARINT = 0
    FIXED64 = 1
    BYTES = 2

cdef enum:
    INCREMENTAL_CLOCK = 64
    BOOTTIME = 6             # trace_processor's own clock
    PYTHON = 1               # interned categories
    C = 2
    AWAIT = 3
    PACKET_BYTES = 64        # more than any plain packet

cdef enum Annotation:        # interned names of debug annotations
    EXCEPTION = 1
    FOLDED
    FOLDED_MS
    CUT
    IS_DIED
    IS_HEALED
    IS_RESUMED
    IS_YIELDED
    ARGUMENTS
    RETURNED
    ANNOTATIONS              # one more than there are

cdef struct Template:        # the part of a packet that is the same for each slice of a name
    uint8_t length
    uint8_t bytes[31]

cdef struct Sequence:
    Buffer *out
    const Window *window
    uint32_t id
    uint64_t last            # ns of the newest packet
    uint32_t *name_iids      # by index_of(id), 0 = not interned yet
    uint32_t *string_iids
    uint32_t strings
    Buffer begins            # a Template for each interned name, the one with iid 1 first
    Template ends[4]         # by RESUMED | YIELDED
    const FlowEnd *flow      # the next


cdef inline uint8_t *put_varint(uint8_t *to, uint64_t value) noexcept nogil:
    while value > 127:
        to[0] = <uint8_t> (value | 128)
        to += 1
        value >>= 7
    to[0] = <uint8_t> value
    return to + 1


cdef inline int append_tag(Buffer *out, uint32_t field, Wire wire) except -1 nogil:
    reserve(out, 5)
    out.size = put_varint(out.bytes + out.size, field << 3 | wire) - out.bytes
    return 0


cdef inline int append_uint(Buffer *out, uint32_t field, uint64_t value) except -1 nogil:
    append_tag(out, field, VARINT)
    reserve(out, 10)
    out.size = put_varint(out.bytes + out.size, value) - out.bytes
    return 0


cdef inline int append_double(Buffer *out, uint32_t field, double value) except -1 nogil:
    append_tag(out, field, FIXED64)
    append(out, &value, 8)
    return 0


cdef inline size_t open_message(Buffer *out, uint32_t field) except? 0 nogil:
    """Begin a message whose length is not known yet; return where it begins, for `close_message`."""
    append_tag(out, field, BYTES)
    reserve(out, 4)
    out.size += 4
    return out.size


cdef inline void close_message(Buffer *out, size_t start) noexcept nogil:
    cdef size_t length = out.size - start
    cdef uint8_t *to = out.bytes + start - 4  # a varint may be padded
    to[0] = length & 127 | 128
    to[1] = length >> 7 & 127 | 128
    to[2] = length >> 14 & 127 | 128
    to[3] = length >> 21 & 127


cdef inline int append_string(Buffer *out, uint32_t field, const char *text, size_t length) except -1 nogil:
    cdef size_t message = open_message(out, field)
    append_text(out, text, length, False)
    close_message(out, message)
    return 0


cdef inline int intern(Buffer *out, uint32_t field, uint32_t iid, const char *text, size_t length) except -1 nogil:
    """Append one entry of InternedData, whose field 1 is its iid and field 2 its text."""
    cdef size_t message = open_message(out, field)
    append_uint(out, 1, iid)
    append_string(out, 2, text, length)
    close_message(out, message)
    return 0


cdef inline int begin_sequence(Sequence *s, uint64_t track, uint64_t start) except -1 nogil:
    """Write the first packet: the incremental clock, the defaults, and what every sequence interns."""
    cdef Buffer *out = s.out
    cdef const char **annotation = [
        "exception", "folded", "folded_ms", "cut", "died", "healed", "resumed", "yielded", "arguments", "returned"]
    cdef const char **text = ["start", "end", "both"]
    cdef size_t packet = open_message(out, 1)
    cdef size_t outer, inner
    cdef uint32_t i
    append_uint(out, 10, s.id)                       # trusted_packet_sequence_id
    append_uint(out, 13, 1)                          # sequence_flags: incremental state cleared
    outer = open_message(out, 6)                     # clock_snapshot
    for i in range(2):
        inner = open_message(out, 1)
        append_uint(out, 1, INCREMENTAL_CLOCK if i else BOOTTIME)
        append_uint(out, 2, start)
        append_uint(out, 3, i)                       # is_incremental
        close_message(out, inner)
    close_message(out, outer)
    outer = open_message(out, 59)                    # trace_packet_defaults
    append_uint(out, 58, INCREMENTAL_CLOCK)          # timestamp_clock_id
    inner = open_message(out, 11)                    # track_event_defaults
    append_uint(out, 11, track)
    close_message(out, inner)
    close_message(out, outer)
    outer = open_message(out, 12)                    # interned_data
    intern(out, 1, PYTHON, "python", 6)
    intern(out, 1, C, "c", 1)
    intern(out, 1, AWAIT, "await", 5)
    for i in range(1, ANNOTATIONS):
        intern(out, 3, i, annotation[i - 1], strlen(annotation[i - 1]))
    for i in range(3):
        intern(out, 29, i + 1, text[i], strlen(text[i]))
    close_message(out, outer)
    close_message(out, packet)
    s.last = start
    s.strings = 3
    return 0


cdef inline int define(Sequence *s, uint32_t id) except -1 nogil:
    """Intern a name and its place, and make its begin packets' template. Returns nothing; see `name_iids`."""
    cdef const Name *name = find(s.window, id)
    cdef const Name *file
    cdef uint32_t iid = <uint32_t> (s.begins.size / sizeof(Template)) + 1
    cdef Template begin
    cdef uint8_t *to
    cdef size_t packet = open_message(s.out, 1)
    cdef size_t outer, inner
    append_uint(s.out, 10, s.id)
    outer = open_message(s.out, 12)
    intern(s.out, 2, iid, name.text, name.length)
    if has_place(name):
        file = find(s.window, name.file)
        inner = open_message(s.out, 4)               # source_locations
        append_uint(s.out, 1, iid)
        append_string(s.out, 2, file.text, file.length)
        append_string(s.out, 3, name.text, name.length)
        append_uint(s.out, 4, name.line)
        close_message(s.out, inner)
    close_message(s.out, outer)
    close_message(s.out, packet)

    begin.bytes[0] = 11 << 3 | BYTES                 # track_event
    begin.bytes[2] = 9 << 3                          # type: slice begin
    begin.bytes[3] = 1
    begin.bytes[4] = 10 << 3                         # name_iid
    to = put_varint(&begin.bytes[5], iid)
    to[0] = 3 << 3                                   # category_iids
    to[1] = C if name.kind == CALLABLE else AWAIT if name.kind == WAIT else PYTHON
    to += 2
    if has_place(name):
        to = put_varint(to, 34 << 3)                 # source_location_iid
        to = put_varint(to, iid)
    begin.bytes[1] = <uint8_t> (to - &begin.bytes[2])
    to[0] = 10 << 3                                  # trusted_packet_sequence_id
    to = put_varint(to + 1, s.id)
    begin.length = <uint8_t> (to - &begin.bytes[0])
    append(&s.begins, &begin, sizeof(Template))
    s.name_iids[index_of(id)] = iid
    return 0


cdef inline void make_end(Sequence *s, uint8_t flags) noexcept nogil:
    cdef Template *end = &s.ends[flags]
    cdef uint8_t *to = &end.bytes[4]
    end.bytes[0] = 11 << 3 | BYTES                   # track_event
    end.bytes[2] = 9 << 3                            # type: slice end
    end.bytes[3] = 2
    if flags & RESUMED:
        memcpy(to, <const char *> "\x22\x04\x08\x07\x10\x01", 6)  # debug_annotations: name_iid 7, bool_value true
        to += 6
    if flags & YIELDED:
        memcpy(to, <const char *> "\x22\x04\x08\x08\x10\x01", 6)
        to += 6
    end.bytes[1] = <uint8_t> (to - &end.bytes[2])
    to[0] = 10 << 3
    to = put_varint(to + 1, s.id)
    end.length = <uint8_t> (to - &end.bytes[0])


cdef inline int write_plain(Sequence *s, uint64_t now, const Template *template) except -1 nogil:
    """Write a packet with nothing of its own but the time, which comes last: gzip then finds the longest matches."""
    cdef uint8_t *packet
    cdef uint8_t *to
    reserve(s.out, PACKET_BYTES)
    packet = s.out.bytes + s.out.size
    packet[0] = 1 << 3 | BYTES
    memcpy(packet + 2, template.bytes, sizeof(template.bytes))
    to = packet + 2 + template.length
    to[0] = 8 << 3                                   # timestamp
    to = put_varint(to + 1, now - s.last)
    packet[1] = <uint8_t> (to - packet - 2)
    s.out.size = to - s.out.bytes
    s.last = now
    return 0


cdef inline int write_begin(Sequence *s, uint64_t now, const Template *template) except -1 nogil:
    """Write the begin packet of a slice that the next flows are on."""
    cdef Buffer *out = s.out
    cdef size_t row = s.flow.row
    cdef size_t packet = open_message(out, 1)
    cdef size_t message
    append_uint(out, 8, now - s.last)
    append_uint(out, 10, s.id)
    message = open_message(out, 11)
    append(out, template.bytes + 2, template.bytes[1])
    while s.flow.row == row:
        append_tag(out, 48 if s.flow.enters else 47, FIXED64)  # terminating_flow_ids, flow_ids
        append(out, &s.flow.id, 8)
        s.flow += 1
    close_message(out, message)
    close_message(out, packet)
    s.last = now
    return 0


cdef inline int annotate_text(Buffer *out, Annotation name, uint32_t iid) except -1 nogil:
    cdef size_t message = open_message(out, 4)
    append_uint(out, 1, name)
    append_uint(out, 17, iid)                        # string_value_iid
    close_message(out, message)
    return 0


cdef inline int annotate_true(Buffer *out, Annotation name) except -1 nogil:
    cdef size_t message = open_message(out, 4)
    append_uint(out, 1, name)
    append_uint(out, 2, 1)
    close_message(out, message)
    return 0


cdef inline int annotate_values(Buffer *out, const Values *values) except -1 nogil:
    cdef Pair pair
    cdef size_t at = 0, message = 0, entry
    if values == NULL:
        return 0
    while next_pair(values, &at, &pair):
        if pair.first:
            message = open_message(out, 4)
            append_uint(out, 1, ARGUMENTS)
        entry = open_message(out, 11)                # dict_entries
        append_string(out, 10, pair.name, pair.name_size)
        append_string(out, 6, pair.text, pair.text_size)
        close_message(out, entry)
    if at:
        close_message(out, message)
    if values.result != NULL:
        message = open_message(out, 4)
        append_uint(out, 1, RETURNED)
        append_string(out, 6, values.result, values.result_size)
        close_message(out, message)
    return 0


cdef inline int annotate_folded(Buffer *out, const Window *window, size_t row) except -1 nogil:
    cdef Folded folded = folded_into(window, row)
    cdef size_t message
    if folded.count:
        message = open_message(out, 4)
        append_uint(out, 1, FOLDED)
        append_uint(out, 4, folded.count)            # int_value
        close_message(out, message)
        message = open_message(out, 4)
        append_uint(out, 1, FOLDED_MS)
        append_double(out, 5, nanoseconds(window, window.origin + folded.ticks) / 1e6)
        close_message(out, message)
    return 0


cdef inline int write_end(Sequence *s, uint64_t now, size_t row) except -1 nogil:
    """Write an end packet that has something to tell."""
    cdef Buffer *out = s.out
    cdef uint32_t raised = s.window.columns.raised[row]
    cdef uint8_t flags = s.window.columns.flags[row]
    cdef const char *where = cut(s.window, row)
    cdef const Name *name
    cdef size_t packet = open_message(out, 1)
    cdef size_t message
    append_uint(out, 8, now - s.last)
    append_uint(out, 10, s.id)
    if flags & THROWN and not s.string_iids[index_of(raised)]:
        s.strings += 1
        s.string_iids[index_of(raised)] = s.strings
        name = find(s.window, raised)
        message = open_message(out, 12)
        intern(out, 29, s.strings, name.text, name.length)
        close_message(out, message)
    message = open_message(out, 11)
    append_uint(out, 9, 2)
    annotate_values(out, find_values(&s.window.columns.values, row))
    if flags & THROWN:
        annotate_text(out, EXCEPTION, s.string_iids[index_of(raised)])
    annotate_folded(out, s.window, row)
    if where != NULL:
        annotate_text(out, CUT, 1 if where[0] == c's' else 2 if where[0] == c'e' else 3)
    if flags & DIED:
        annotate_true(out, IS_DIED)
    if flags & HEALED:
        annotate_true(out, IS_HEALED)
    if flags & RESUMED:
        annotate_true(out, IS_RESUMED)
    if flags & YIELDED:
        annotate_true(out, IS_YIELDED)
    close_message(out, message)
    close_message(out, packet)
    s.last = now
    return 0


cdef inline int end_slice(Sequence *s, Walk *walk) except -1 nogil:
    cdef size_t row = leave(walk)
    if is_plain(s.window, row, THROWN | CUT_START | CUT_END | HEALED | DIED):
        return write_plain(s, walk.now, &s.ends[s.window.columns.flags[row] & 3])
    return write_end(s, walk.now, row)


cdef inline int encode_rows(Sequence *s, Walk *walk) except -1 nogil:
    cdef const Columns *c = s.window.columns
    cdef const Template *begin
    cdef uint32_t name
    cdef size_t row, kept
    for row in range(c.count):
        if c.depth[row] >= MAX_DEPTH:
            continue
        if s.out.size >= DRAIN_BYTES:
            drain(s.out)
        while is_over(walk, s.window, c.depth[row]):
            end_slice(s, walk)
        name = c.name[row]
        if not s.name_iids[index_of(name)]:
            define(s, name)
        enter(walk, s.window, row)
        if row >= s.window.continued:
            begin = &(<Template *> s.begins.bytes)[s.name_iids[index_of(name)] - 1]
            if row == s.flow.row:
                write_begin(s, walk.now, begin)
                walk.now += 1
            else:
                write_plain(s, walk.now, begin)
    kept = left_open(walk, s.window)
    while walk.top > kept:
        end_slice(s, walk)
    return 0


cdef inline int encode(Buffer *out, const Window *window, Walk *walk, uint64_t track, uint32_t id) except -1 nogil:
    """Write the track's slices as the packets of sequence `id`, to the track with the uuid `track`.

    What goes on in the next window stays open in `walk`.
    """
    cdef const Columns *c = window.columns
    cdef uint32_t names = 0
    cdef uint32_t strings = 0
    cdef uint8_t flags
    cdef size_t row
    cdef Sequence s
    memset(&s, 0, sizeof(s))
    s.out = out
    s.window = window
    s.id = id
    s.flow = window.flows
    for row in range(c.count):
        names = max(names, index_of(c.name[row]))
        strings = max(strings, index_of(c.raised[row]))
    if not c.count:
        return 0
    walk.now = max(walk.now, nanoseconds(window, c.start[0]))
    for flags in range(4):
        make_end(&s, flags)
    s.name_iids = <uint32_t *> calloc(<size_t> names + 1, sizeof(uint32_t))
    s.string_iids = <uint32_t *> calloc(<size_t> strings + 1, sizeof(uint32_t))
    try:
        if s.name_iids == NULL or s.string_iids == NULL:
            with gil:
                raise MemoryError
        begin_sequence(&s, track, walk.now)
        encode_rows(&s, walk)
        drain(out)
    finally:
        free(s.name_iids)
        free(s.string_iids)
        free(s.begins.bytes)
    return 0
