/* Options of loaders and of sets: structs with their size in the first field. */
#include "loaders.h"
#include "option_kinds.h"

#include <stddef.h>

static void loader_init(void *options, size_t size) {
    adit_loader_options_init((adit_loader_options *)options, size);
}

/* The same options with a batch, which has no default. */
static const void *with_batch(const void *options, space *room) {
    const adit_loader_options none = ADIT_LOADER_OPTIONS_INIT;
    const uint64_t batch = 10;
    size_t size = sizeof none;
    if (options == NULL) options = &none;
    if ((uintptr_t)options % 8 != 0) return options;
    memcpy(&size, options, sizeof size);
    if (size < sizeof size || size > sizeof *room) return options;
    memset(room, 0, sizeof *room);
    memcpy(room, options, size);
    if (size < 16) room->size = 16;
    memcpy(room->bytes + 8, &batch, 8);
    return room;
}

static adit_status loader_use(const void *options) {
    static space room;
    adit_record_reader *reader = open_records(scratch_path("numbers.arec"));
    adit_loader *loader = NULL;
    const adit_loader_options *own = (const adit_loader_options *)with_batch(options, &room);
    adit_status status = adit_loader_open(reader, own, &loader, &err);
    CHECK((status == ADIT_OK) == (loader != NULL));
    if (loader != NULL) CHECK_EQ(adit_loader_steps(loader), 2);
    adit_loader_close(loader);
    adit_record_reader_close(reader);
    return status;
}

static adit_status append_use(const void *options) {
    adit_record_writer *writer = NULL;
    const adit_record_writer_options *own = (const adit_record_writer_options *)options;
    adit_status status = adit_record_writer_append_to(scratch_path("set.json"), own, &writer, &err);
    CHECK((status == ADIT_OK) == (writer != NULL));
    adit_record_writer_close(writer);
    return status;
}

static adit_status convert_use(const void *options) {
    const adit_record_writer_options *own = (const adit_record_writer_options *)options;
    return adit_record_convert(scratch_path("numbers.arec"), scratch_path("to.arec"), own, NULL,
                               NULL, &err);
}

static adit_status files_use(const void *options) {
    const char *const paths[] = { scratch_path("numbers.arec") };
    adit_record_reader *reader = NULL;
    const adit_record_reader_options *own = (const adit_record_reader_options *)options;
    adit_status status = adit_record_reader_open_files(paths, 1, own, &reader, &err);
    CHECK((status == ADIT_OK) == (reader != NULL));
    adit_record_reader_close(reader);
    return status;
}

static void writer_init(void *options, size_t size) {
    adit_record_writer_options_init((adit_record_writer_options *)options, size);
}

static void reader_init(void *options, size_t size) {
    adit_record_reader_options_init((adit_record_reader_options *)options, size);
}

static adit_status fill_prefetched(void *to) {
    adit_record_reader *reader = open_records(scratch_path("numbers.arec"));
    const uint64_t index = 3;
    adit_record_prefetched *told = (adit_record_prefetched *)to;
    adit_status status = adit_record_reader_prefetch(reader, &index, 1, NULL, 0, told, &err);
    adit_record_reader_close(reader);
    return status;
}

static adit_status fill_info(void *to) {
    const adit_loader_options options = batches_of(10);
    adit_loader *loader = open_loader(scratch_path("numbers.arec"), &options);
    adit_batch *batch = next_batch(loader);
    adit_status status = adit_batch_get_info(batch, (adit_batch_info *)to, &err);
    adit_batch_release(batch);
    adit_loader_close(loader);
    return status;
}

static adit_status fill_stats(void *to) {
    const adit_loader_options options = batches_of(10);
    adit_loader *loader = open_loader(scratch_path("numbers.arec"), &options);
    adit_status status = adit_loader_get_stats(loader, (adit_loader_stats *)to, &err);
    adit_loader_close(loader);
    return status;
}

/* As much is written as the size says, and never the size. */
static void filled(const char *name, size_t size, adit_status (*call)(void *to)) {
    space part;
    printf("%s\n", name);
    for (size_t some = 8; some <= size + 8; some += 8) {
        memset(&part, 0xa5, sizeof part);
        part.size = some;
        EXPECT_OK(call(&part));
        CHECK_EQ(part.size, some);
        const size_t known = some < size ? some : size;
        for (size_t at = known; at < sizeof part; at++) CHECK(part.bytes[at] == 0xa5);
    }
    memset(&part, 0xa5, sizeof part);
    part.size = 7;
    EXPECT_ERROR(call(&part), ADIT_ERR_INVALID_ARGUMENT, "->struct_size");
    CHECK_EQ(part.bytes[8], 0xa5);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    const adit_loader_options loader = ADIT_LOADER_OPTIONS_INIT;
    const adit_record_writer_options writer = ADIT_RECORD_WRITER_OPTIONS_INIT;
    const adit_record_reader_options reader = ADIT_RECORD_READER_OPTIONS_INIT;
    const size_t ours = offsetof(adit_loader_options, reserved);
    const kind kinds[] = {
        { "loader", sizeof loader, &loader, loader_init, loader_use, ours },
        { "shards appended", sizeof writer, &writer, writer_init, append_use, 48 },
        { "conversion", sizeof writer, &writer, writer_init, convert_use, 48 },
        { "several files", sizeof reader, &reader, reader_init, files_use, 24 },
    };
    const char *const numbers[] = { write_numbers("numbers.arec", 20) };
    EXPECT_OK(adit_record_manifest_create(scratch_path("set.json"), numbers, 1, 0, &err));
    CHECK_EQ(sizeof loader, 208);
    CHECK_EQ(ours, 144);
    check_kinds(kinds, sizeof kinds / sizeof kinds[0]);
    const adit_record_prefetched prefetched = ADIT_RECORD_PREFETCHED_INIT;
    const adit_batch_info info = ADIT_BATCH_INFO_INIT;
    const adit_loader_stats stats = ADIT_LOADER_STATS_INIT;
    CHECK_EQ(prefetched.struct_size, 40);
    CHECK_EQ(info.struct_size, 48);
    CHECK_EQ(stats.struct_size, 112);
    filled("prefetched", sizeof prefetched, fill_prefetched);
    filled("batch", sizeof info, fill_info);
    filled("loader's statistics", sizeof stats, fill_stats);
    return check_end();
}
