/* Files compared and looked for. */
#ifndef FILES_H
#define FILES_H

#include "check.h"

#include <dirent.h>

static inline void same_file(const char *found, const char *wanted) {
    size_t found_len = 0, wanted_len = 0;
    unsigned char *left = read_file(found, &found_len);
    unsigned char *right = read_file(wanted, &wanted_len);
    CHECK_EQ(found_len, wanted_len);
    CHECK_BYTES(left, right, wanted_len);
    free(left);
    free(right);
}

/* The names in the scratch folder that contain `part`, and the last of them. */
static inline int count_names(const char *part, char *name, size_t size) {
    int found = 0;
    DIR *folder = opendir(check_scratch_folder);
    CHECK(folder != NULL);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (strstr(entry->d_name, part) == NULL) continue;
        found++;
        if (name != NULL) snprintf(name, size, "%s", entry->d_name);
    }
    closedir(folder);
    return found;
}

#endif
