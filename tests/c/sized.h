/* Room for structs that have their size in the first field, and for more than they have. */
#ifndef SIZED_H
#define SIZED_H

#include "check.h"

/* Any such struct with room behind it for the fields of later versions, aligned as they are. */
typedef union space {
    size_t size;
    uint64_t words[512];
    unsigned char bytes[4096];
} space;

#endif
