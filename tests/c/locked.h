/* Memory that is kept from being swapped. */
#ifndef LOCKED_H
#define LOCKED_H

#include "check.h"

/* What the kernel counts as locked, in bytes. */
static inline uint64_t locked_bytes(void) {
    char line[256];
    unsigned long long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "VmLck: %llu", &kib) == 1) break;
    }
    fclose(file);
    return kib * 1024;
}

#endif
