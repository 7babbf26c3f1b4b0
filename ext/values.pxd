"""What calls were given and gave back: a table beside a track's columns, since few slices tell of it."""
from libc.stdint cimport SIZE_MAX, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memchr, memcpy, memmove

cdef enum:
    MOST_BYTES = 1 << 22     # of a track's table in one window

cdef struct Values:          # of one slice
    size_t row
    uint32_t arguments_size
    uint32_t result_size
    char *arguments          # as in a PT_ARGS; NULL = not told
    char *result             # as in a PT_RESULT; NULL = not told

cdef struct ValueTable:
    Values *entries          # in order of row
    size_t count
    size_t room
    size_t bytes
    uint64_t lost            # slices that told, and were folded, or found no room here


cdef inline size_t place_of(const ValueTable *table, size_t row) noexcept nogil:
    """Return where the entry of that row is, or would be."""
    cdef size_t low = 0, high = table.count, middle
    if high == 0 or table.entries[high - 1].row < row:
        return high
    while low < high:
        middle = (low + high) // 2
        if table.entries[middle].row < row:
            low = middle + 1
        else:
            high = middle
    return low


cdef inline const Values *find_values(const ValueTable *table, size_t row) noexcept nogil:
    """Return what the slice of that row tells, NULL for nothing."""
    cdef size_t at
    if table.count == 0:
        return NULL
    at = place_of(table, row)
    return &table.entries[at] if at < table.count and table.entries[at].row == row else NULL


cdef struct Pair:            # a parameter
    bint first
    const char *name
    const char *text
    size_t name_size
    size_t text_size


cdef inline bint next_pair(const Values *values, size_t *at, Pair *pair) noexcept nogil:
    """Get the next of the arguments; `at`, which begins at 0, is where. False = there is none, or it is damaged."""
    cdef const char *end = values.arguments + values.arguments_size
    cdef const char *name = values.arguments + at[0]
    cdef const char *text
    cdef const char *stop
    if values.arguments == NULL or at[0] >= values.arguments_size:
        return False
    text = <const char *> memchr(name, 0, end - name)
    stop = <const char *> memchr(text + 1, 0, end - text - 1) if text != NULL else NULL
    if stop == NULL:
        return False
    pair.first = at[0] == 0
    pair.name, pair.name_size = name, text - name
    pair.text, pair.text_size = text + 1, stop - text - 1
    at[0] = stop + 1 - values.arguments
    return True


cdef inline int add_text(ValueTable *table, size_t row, bint result, const char *text, uint32_t size) except -1 nogil:
    """Keep a copy of what the slice was called with, or of its `result`."""
    cdef size_t at = place_of(table, row)
    cdef bint fresh = at == table.count or table.entries[at].row != row
    cdef Values *entry
    cdef Values *grown
    cdef char *copy
    if table.bytes + size + sizeof(Values) > MOST_BYTES:
        table.lost += fresh
        return 0
    copy = <char *> malloc(size + 1)
    grown = table.entries
    if copy != NULL and table.count == table.room:
        grown = <Values *> realloc(table.entries, (2 * table.room + 16) * sizeof(Values))
        if grown != NULL:
            table.entries = grown
            table.room = 2 * table.room + 16
    if copy == NULL or grown == NULL:
        free(copy)
        with gil:
            raise MemoryError
    memcpy(copy, text, size)
    entry = &table.entries[at]
    if fresh:
        memmove(entry + 1, entry, (table.count - at) * sizeof(Values))
        entry[0] = Values(row, 0, 0, NULL, NULL)
        table.count += 1
        table.bytes += sizeof(Values)
    table.bytes += size
    if result:
        free(entry.result)
        entry.result, entry.result_size = copy, size
    else:
        free(entry.arguments)
        entry.arguments, entry.arguments_size = copy, size
    return 0


cdef inline int add_values(ValueTable *table, size_t row, const Values *values) except -1 nogil:
    """Keep a copy of `values`, which may be NULL, as those of another row."""
    if values != NULL and values.arguments != NULL:
        add_text(table, row, False, values.arguments, values.arguments_size)
    if values != NULL and values.result != NULL:
        add_text(table, row, True, values.result, values.result_size)
    return 0


cdef inline void free_texts(ValueTable *table, size_t at) noexcept nogil:
    cdef Values *entry = &table.entries[at]
    table.bytes -= entry.arguments_size + entry.result_size + sizeof(Values)
    free(entry.arguments)
    free(entry.result)


cdef inline void drop_values(ValueTable *table, size_t row) noexcept nogil:
    """The slices from that row on are folded."""
    while table.count and table.entries[table.count - 1].row >= row:
        table.count -= 1
        table.lost += 1
        free_texts(table, table.count)


cdef inline void move_values(ValueTable *table, size_t *read, size_t *kept, size_t row, size_t to) noexcept nogil:
    """Called for each row in turn: it is `to` from now on, SIZE_MAX = it is folded. `read` and `kept` begin at 0."""
    if read[0] < table.count and table.entries[read[0]].row == row:
        if to == SIZE_MAX:
            table.lost += 1
            free_texts(table, read[0])
        else:
            table.entries[kept[0]] = table.entries[read[0]]
            table.entries[kept[0]].row = to
            kept[0] += 1
        read[0] += 1


cdef inline int copy_values(const ValueTable *table, ValueTable *copy) except -1 nogil:
    """Fill `copy`, which is empty."""
    cdef size_t i
    for i in range(table.count):
        add_values(copy, table.entries[i].row, &table.entries[i])
    copy.lost = table.lost
    return 0


cdef inline void free_values(ValueTable *table) noexcept nogil:
    while table.count:
        table.count -= 1
        free_texts(table, table.count)
    free(table.entries)
