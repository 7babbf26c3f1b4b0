# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""What the codec wrote, back into columns: a page's varints, and Perfetto's packets.

Nothing that is read is trusted: a damaged file is a ValueError, or gives wrong slices, not wrong memory accesses.
"""
from array import array

from cpython cimport array as c_array
from libc.stdint cimport UINT32_MAX, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from columns cimport Columns, free_columns, grown, reserve

cdef enum:
    MAX_DEPTH = 512          # as many as the exporters draw
    MOST_NAMES = 1 << 24     # ids beyond it are damage

cdef enum Wire:
    VARINT = 0
    FIXED64 = 1
    BYTES = 2
    FIXED32 = 5

cdef enum EventType:
    BEGIN = 1
    END = 2

cdef array_of_times = array("Q")
cdef array_of_numbers = array("I")


cdef inline bint get_varint(const uint8_t **at, const uint8_t *end, uint64_t *value) noexcept nogil:
    """Read one and go beyond it; False where there is none."""
    cdef const uint8_t *byte = at[0]
    cdef int shift = 0
    value[0] = 0
    while byte < end and shift < 64:
        value[0] |= <uint64_t> (byte[0] & 127) << shift
        if byte[0] < 128:
            at[0] = byte + 1
            return True
        byte += 1
        shift += 7
    return False


cdef object times(const uint64_t *values, size_t count):
    cdef c_array.array made = c_array.clone(array_of_times, count, False)
    if count:
        memcpy(made.data.as_voidptr, values, count * sizeof(uint64_t))
    return made


cdef object numbers(const uint32_t *values, size_t count):
    cdef c_array.array made = c_array.clone(array_of_numbers, count, False)
    if count:
        memcpy(made.data.as_voidptr, values, count * sizeof(uint32_t))
    return made


cdef class Rows:
    """The slices of one track, as they begin and end."""

    cdef Columns columns
    cdef size_t open[MAX_DEPTH]
    cdef uint32_t top
    cdef uint64_t last       # ns, of what came last
    cdef readonly dict args  # of slices that have any, by row

    def __cinit__(self):
        memset(&self.columns, 0, sizeof(Columns))
        self.args = {}

    def __dealloc__(self):
        free_columns(&self.columns)

    def __len__(self):
        return self.columns.count

    cpdef size_t begin(self, uint64_t ns, uint32_t name) except? 0:
        """Begin a slice in those that are open; return its row."""
        cdef size_t row = self.columns.count
        if self.top == MAX_DEPTH:
            raise ValueError(f"more than {MAX_DEPTH} levels")
        reserve(&self.columns, row + 1)
        self.columns.start[row] = ns
        self.columns.end[row] = ns
        self.columns.name[row] = name
        self.columns.depth[row] = self.top
        self.columns.count = row + 1
        self.open[self.top] = row
        self.top += 1
        self.last = max(self.last, ns)
        return row

    cpdef object end(self, uint64_t ns):
        """End the innermost one; return its row, None if there is none."""
        cdef size_t row
        self.last = max(self.last, ns)
        if self.top == 0:
            return None
        self.top -= 1
        row = self.open[self.top]
        self.columns.end[row] = max(ns, self.columns.start[row])
        return row

    def finish(self):
        """Return (starts, ends, depths, names); what is still open ends where the track does."""
        cdef Columns *c = &self.columns
        while self.top:
            self.end(self.last)
        return (times(c.start, c.count), times(c.end, c.count), numbers(c.depth, c.count), numbers(c.name, c.count))


cdef bint get_column(const uint8_t *at, size_t length, uint64_t *wide, uint32_t *narrow, size_t count) noexcept nogil:
    """Read `count` varints into one of both; False if they are not exactly what is there."""
    cdef const uint8_t *end = at + length
    cdef uint64_t value
    cdef size_t i
    for i in range(count):
        if not get_varint(&at, end, &value) or (narrow != NULL and value > UINT32_MAX):
            return False
        if narrow != NULL:
            narrow[i] = <uint32_t> value
        else:
            wide[i] = value
    return at == end


cdef bint place(uint64_t *start, uint64_t *end, uint32_t *depth, size_t count) noexcept nogil:
    """Turn columns `gap`, `tail` and `up` into what they stand for, in place; False if they are none."""
    cdef size_t open[MAX_DEPTH]
    cdef uint64_t last[MAX_DEPTH + 1]
    cdef size_t row
    cdef uint32_t top = 0
    cdef uint32_t kept
    last[0] = 0
    for row in range(count + 1):
        if row < count and depth[row] > top:
            return False
        kept = top - depth[row] if row < count else 0
        while top > kept:
            top -= 1
            last[top] = end[open[top]] = last[top + 1] + end[open[top]]
        if row < count:
            if top == MAX_DEPTH:
                return False
            depth[row] = top
            start[row] += last[top]
            open[top] = row
            top += 1
            last[top] = start[row]
    return True


def page_rows(const uint8_t[::1] block not None, size_t at, list lengths not None, size_t count):
    """Return the slices of a track of a page; see the stub."""
    cdef size_t size = len(block)
    cdef size_t offsets[7]
    cdef size_t length
    cdef int i
    offsets[0] = at
    for i in range(6):
        length = lengths[i]
        if offsets[i] > size or length > size - offsets[i]:
            raise ValueError("columns are missing")
        offsets[i + 1] = offsets[i] + length
    if count > offsets[1] - at:
        raise ValueError("slices are missing")
    cdef c_array.array starts = c_array.clone(array_of_times, count, False)
    cdef c_array.array ends = c_array.clone(array_of_times, count, False)
    cdef c_array.array depths = c_array.clone(array_of_numbers, count, False)
    cdef c_array.array names = c_array.clone(array_of_numbers, count, False)
    cdef uint64_t *start = <uint64_t *> starts.data.as_voidptr
    cdef uint64_t *end = <uint64_t *> ends.data.as_voidptr
    cdef uint32_t *depth = <uint32_t *> depths.data.as_voidptr
    cdef uint32_t *name = <uint32_t *> names.data.as_voidptr
    cdef const uint8_t *bytes = &block[0] if size else NULL
    cdef bint good
    with nogil:
        good = (get_column(bytes + offsets[0], offsets[1] - offsets[0], start, NULL, count)
                and get_column(bytes + offsets[1], offsets[2] - offsets[1], end, NULL, count)
                and get_column(bytes + offsets[2], offsets[3] - offsets[2], NULL, depth, count)
                and get_column(bytes + offsets[3], offsets[4] - offsets[3], NULL, name, count)
                and place(start, end, depth, count))
    if not good:
        raise ValueError("slices are missing")
    return starts, ends, depths, names, varints(bytes, offsets[4], offsets[5]), varints(bytes, offsets[5], offsets[6])


cdef list varints(const uint8_t *bytes, size_t start, size_t stop):
    cdef const uint8_t *at = bytes + start
    cdef const uint8_t *end = bytes + stop
    cdef uint64_t value
    cdef list found = []
    while at < end:
        if not get_varint(&at, end, &value):
            raise ValueError("a number is cut off")
        found.append(value)
    return found


cdef struct Field:
    uint64_t number
    uint64_t value           # of a varint
    const uint8_t *bytes     # of the others
    size_t length


cdef bint next_field(const uint8_t **at, const uint8_t *end, Field *field) except -1 nogil:
    """Read a field and go beyond it; False at the end. Raises ValueError where it is cut off."""
    cdef uint64_t key, length
    if at[0] >= end:
        return False
    if get_varint(at, end, &key):
        field.number = key >> 3
        field.value = 0
        length = 0
        if key & 7 == VARINT and get_varint(at, end, &field.value):
            field.length = 0
            return True
        if (key & 7 == BYTES and get_varint(at, end, &length)) or key & 7 == FIXED64 or key & 7 == FIXED32:
            if key & 7 != BYTES:
                length = 8 if key & 7 == FIXED64 else 4
            if length <= <uint64_t> (end - at[0]):
                field.bytes = at[0]
                field.length = <size_t> length
                at[0] += length
                return True
    with gil:
        raise ValueError("a packet is damaged")


cdef class Sequence:
    """What one sequence of packets has said of those that follow."""

    cdef uint64_t now        # ns
    cdef bint incremental    # its times count from the packet before
    cdef Rows rows           # of the track that its slices are on
    cdef uint32_t *names     # by iid: the index of the name, plus one
    cdef size_t room
    cdef readonly dict texts, files, annotations, strings  # what is interned, by iid

    def __init__(self):
        self.texts, self.files, self.annotations, self.strings = {}, {}, {}, {}

    def __dealloc__(self):
        free(self.names)

    def start(self, uint64_t now, Rows rows):
        """Begin anew: its times count from `now`, its slices are on the track of these `rows`."""
        self.__init__()
        self.now = now
        self.incremental = True
        self.rows = rows
        if self.room:
            memset(self.names, 0, self.room * sizeof(uint32_t))


cdef class Packets:
    """Reads a trace's packets as they come: plain slices itself, and gives all else to a listener.

    The listener has `about(sequence, packet)` for packets that say something of others, `told(ns, event)` for
    events that name their track, `name(sequence, iid, category, location)`, which returns an index for a name, and
    `arguments(sequence, [annotation, ...])`, which returns a dict.
    """

    cdef object listener
    cdef dict sequences
    cdef Sequence sequence   # the newest packet's
    cdef uint64_t id         # its number

    def __init__(self, listener):
        self.listener = listener
        self.sequences = {}

    def feed(self, const uint8_t[::1] data not None):
        """Read all whole packets; return how many bytes that were. Raises ValueError when it is no trace."""
        cdef size_t size = len(data)
        if not size:
            return 0
        cdef const uint8_t *at = &data[0]
        cdef const uint8_t *end = at + size
        cdef const uint8_t *packet
        cdef uint64_t length
        while at < end:
            if at[0] != (1 << 3 | BYTES):
                raise ValueError("this is no packet")
            packet = at + 1
            if not get_varint(&packet, end, &length):
                if end - packet > 10:
                    raise ValueError("this is no packet")
                break
            if length > <uint64_t> (end - packet):
                break
            at = packet + length
            self.read(packet, at)
        return at - &data[0]

    cdef int read(self, const uint8_t *at, const uint8_t *end) except -1:
        cdef const uint8_t *packet = at
        cdef uint64_t time = 0, id = 0
        cdef Field field, event
        cdef bint about = False
        event.bytes, event.length = NULL, 0
        while next_field(&at, end, &field):
            if field.number == 8:
                time = field.value
            elif field.number == 10:
                id = field.value
            elif field.number == 11:
                event = field
            elif field.number in (6, 12, 59, 60):  # clock_snapshot, interned_data, trace_packet_defaults, descriptor
                about = True
        if self.sequence is None or id != self.id:
            self.sequence = self.sequences.get(id)
            if self.sequence is None:
                self.sequence = self.sequences[id] = Sequence()
            self.id = id
        if about:
            self.listener.about(self.sequence, packet[:end - packet])
        if event.bytes != NULL:
            if self.sequence.incremental:
                self.sequence.now += time
            else:
                self.sequence.now = time
            self.event(event.bytes, event.bytes + event.length)
        return 0

    cdef int event(self, const uint8_t *at, const uint8_t *end) except -1:
        cdef const uint8_t *event = at
        cdef Sequence sequence = self.sequence
        cdef uint64_t type = 0, name = 0, category = 0, location = 0
        cdef Field field
        cdef list annotations = None
        cdef object row = None
        while next_field(&at, end, &field):
            if field.number == 9:
                type = field.value
            elif field.number == 10:
                name = field.value
            elif field.number == 3:
                category = field.value
            elif field.number == 34:
                location = field.value
            elif field.number == 4:
                if annotations is None:
                    annotations = []
                annotations.append(field.bytes[:field.length])
            elif field.number in (11, 22, 23):  # it says its track, its category or its name in full
                self.listener.told(sequence, sequence.now, event[:end - event])
                return 0
        if sequence.rows is None:
            raise ValueError("a packet is on no track")
        if type == BEGIN:
            row = sequence.rows.begin(sequence.now, self.index(name, category, location))
        elif type == END:
            row = sequence.rows.end(sequence.now)
        if annotations is not None and row is not None:
            sequence.rows.args.setdefault(row, {}).update(self.listener.arguments(sequence, annotations))
        return 0

    cdef uint32_t index(self, uint64_t iid, uint64_t category, uint64_t location) except? 0:
        cdef Sequence sequence = self.sequence
        cdef size_t room
        if iid >= sequence.room:
            if iid >= MOST_NAMES:
                raise ValueError("a packet is damaged")
            room = max(2 * sequence.room, <size_t> iid + 1, <size_t> 64)
            sequence.names = <uint32_t *> grown(sequence.names, room * sizeof(uint32_t))
            memset(sequence.names + sequence.room, 0, (room - sequence.room) * sizeof(uint32_t))
            sequence.room = room
        if not sequence.names[iid]:
            sequence.names[iid] = self.listener.name(sequence, iid, category, location) + 1
        return sequence.names[iid] - 1
