/* Globs over file names, for the include and exclude patterns: `*` any run of characters, separators too, `?` one. */
#ifndef PT_GLOB_H
#define PT_GLOB_H

static inline int pt_same_character(char a, char b)
{
#if defined(_WIN32)
    a = a == '\\' ? '/' : a >= 'A' && a <= 'Z' ? (char)(a + 32) : a;
    b = b == '\\' ? '/' : b >= 'A' && b <= 'Z' ? (char)(b + 32) : b;
#endif
    return a == b;
}

static int pt_glob_matches(const char *glob, const char *name)
{
    const char *star = NULL, *retry = NULL;
    while (*name) {
        if (*glob == '*') {
            star = glob++;
            retry = name;
        } else if (*glob && (*glob == '?' || pt_same_character(*glob, *name))) {
            glob++;
            name++;
        } else if (star) { /* let the last star take one more */
            glob = star + 1;
            name = ++retry;
        } else
            return 0;
    }
    while (*glob == '*')
        glob++;
    return !*glob;
}

#endif
