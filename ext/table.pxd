"""A hash table from ids to pointers."""
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free

cdef struct Entry:
    uint32_t id              # 0 = free
    void *value

cdef struct Table:
    Entry *entries
    uint32_t room            # 0, or a power of two
    uint32_t count


cdef inline uint32_t place_in(const Table *table, uint32_t id) noexcept nogil:
    """Return where `id` is, or the free entry where it would be."""
    cdef uint32_t at = id * <uint32_t> 2654435769 & (table.room - 1)
    while table.entries[at].id and table.entries[at].id != id:
        at = (at + 1) & (table.room - 1)
    return at


cdef inline void *find(const Table *table, uint32_t id) noexcept nogil:
    """Return the value of `id`, NULL for none."""
    if table.count == 0 or id == 0:
        return NULL
    return table.entries[place_in(table, id)].value


cdef inline int make_room(Table *table) except -1 nogil:
    """See that there is room for one more."""
    cdef uint32_t i
    cdef Table larger
    if 4 * <uint64_t> (table.count + 1) > 3 * <uint64_t> table.room:
        larger.room = max(2 * table.room, <uint32_t> 64)
        larger.count = table.count
        larger.entries = <Entry *> calloc(larger.room, sizeof(Entry))
        if larger.entries == NULL:
            with gil:
                raise MemoryError
        for i in range(table.room):
            if table.entries[i].id:
                larger.entries[place_in(&larger, table.entries[i].id)] = table.entries[i]
        free(table.entries)
        table[0] = larger
    return 0


cdef inline void put(Table *table, uint32_t id, void *value) noexcept nogil:
    """Set the value of `id`, which is not 0, where there is room."""
    cdef uint32_t at = place_in(table, id)
    table.count += table.entries[at].id == 0
    table.entries[at] = Entry(id, value)


cdef inline void drop(Table *table, uint32_t id) noexcept nogil:
    """Forget `id`, which may not be there."""
    cdef uint32_t at, next, home
    if table.count == 0 or id == 0:
        return
    at = place_in(table, id)
    if table.entries[at].id == 0:
        return
    table.count -= 1
    next = at
    while True:  # what follows moves up, lest a search end at the gap
        table.entries[at] = Entry(0, NULL)
        while True:
            next = (next + 1) & (table.room - 1)
            if table.entries[next].id == 0:
                return
            home = table.entries[next].id * <uint32_t> 2654435769 & (table.room - 1)
            if (next - home & (table.room - 1)) >= (next - at & (table.room - 1)):
                break
        table.entries[at] = table.entries[next]
        at = next


cdef inline void free_table(Table *table) noexcept nogil:
    free(table.entries)
