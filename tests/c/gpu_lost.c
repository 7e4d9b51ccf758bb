/* A device that is lost: every call says so with the driver's text, no wait hangs, and all of it can be
 * freed. Linked with a build that can lose a device on purpose. */
#include "gpus.h"
#include "load_files.h"

#ifdef __cplusplus
extern "C" {
#endif
adit_status adit_test_gpu_lose(const adit_gpu *gpu, adit_error **error);
#ifdef __cplusplus
}
#endif

#define LOST(call) \
    do { \
        EXPECT_ERROR(call, ADIT_ERR_GPU_LOST, "llvmpipe"); \
        CHECK_IN(last.message, "was lost: "); \
    } while (0)

static adit_load_items *items_into(const adit_gpu_buffer *buffer, const char *path) {
    adit_load_items *items = new_items();
    adit_data *data = open_data(path);
    adit_load_item_options options = ADIT_LOAD_ITEM_OPTIONS_INIT;
    options.gpu_buffer = buffer;
    add_bulk(items, data, &options);
    options.gpu_offset = BULK_BYTES;
    options.dtype = ADIT_DTYPE_F32;
    add_halves(items, data, &options);
    adit_data_close(data);
    return items;
}

enum { SIZE = BULK_BYTES + HALVES_ROWS * HALVES_COLUMNS * 4 };

static void check_all_lost(const adit_gpu *gpu, const adit_gpu_buffer *buffer,
                           const adit_gpu_buffer *other, const adit_load_items *items) {
    char bytes[8] = "1234567";
    adit_gpu_buffer *another = (adit_gpu_buffer *)(void *)CHECK_GARBAGE;
    adit_gpu_ticket *ticket = (adit_gpu_ticket *)(void *)CHECK_GARBAGE;
    adit_load_stats stats = ADIT_LOAD_STATS_INIT;
    LOST(adit_gpu_status(gpu, &err));
    LOST(adit_gpu_wait(gpu, &err));
    LOST(adit_gpu_buffer_create(gpu, 100, &another, &err));
    CHECK(another == NULL);
    LOST(adit_gpu_upload(buffer, 0, bytes, 8, &ticket, &err));
    CHECK(ticket == NULL);
    LOST(adit_gpu_upload(buffer, 0, bytes, 8, NULL, &err));
    LOST(adit_gpu_upload(buffer, 0, NULL, 0, NULL, &err));
    LOST(adit_gpu_upload_items(items, NULL, &stats, &ticket, &err));
    CHECK(ticket == NULL);
    CHECK_EQ(stats.bytes, 0);
    LOST(adit_gpu_convert(buffer, 0, ADIT_DTYPE_F16, other, 0, ADIT_DTYPE_F32, 4, NULL, &err));
    LOST(adit_gpu_download(buffer, 0, bytes, 8, &err));
    CHECK_STR(bytes, "1234567");
    CHECK_EQ(adit_gpu_buffer_size(buffer), SIZE);
    adit_gpu_info info = ADIT_GPU_INFO_INIT;
    EXPECT_OK(adit_gpu_get_info(gpu, &info, &err));
    CHECK_IN(info.name, "llvmpipe");
}

/* Lost while nothing happens, with a ticket open. */
static void idle(int32_t path) {
    adit_gpu *gpu = open_gpu(path);
    adit_gpu_buffer *buffer = new_buffer(gpu, SIZE), *other = new_buffer(gpu, SIZE);
    adit_load_items *items = items_into(buffer, load_file("idle"));
    adit_gpu_ticket *ticket = NULL;
    bool done = true;
    EXPECT_OK(adit_gpu_upload_items(items, NULL, NULL, &ticket, &err));
    EXPECT_OK(adit_test_gpu_lose(gpu, &err));
    check_all_lost(gpu, buffer, other, items);
    LOST(adit_gpu_ticket_wait(ticket, ADIT_GPU_FOREVER, &err));
    LOST(adit_gpu_ticket_wait(ticket, 0, &err));
    LOST(adit_gpu_ticket_poll(ticket, &done, &err));
    CHECK(!done);
    /* It stays so, and all of it can be freed. */
    check_all_lost(gpu, buffer, other, items);
    adit_load_items_free(items);
    adit_gpu_close(gpu);
    adit_gpu_buffer_free(buffer);
    adit_gpu_ticket_free(ticket);
    adit_gpu_buffer_free(other);
}

typedef struct loser {
    const adit_gpu *gpu;
    int patience;
} loser;

static int ADIT_CALL lose(void *ctx, uint64_t done, uint64_t total) {
    loser *own = (loser *)ctx;
    CHECK(done <= total);
    if (own->patience > 0 && --own->patience == 0)
        CHECK_INT(adit_test_gpu_lose(own->gpu, NULL), ADIT_OK);
    return 0;
}

/* Lost in the middle of an upload: that is what the upload says. */
static void in_the_middle(int32_t path) {
    const char *file = load_file("middle");
    for (int patience = 1; patience < 4; patience++) {
        adit_gpu *gpu = open_gpu(path);
        adit_gpu_buffer *buffer = new_buffer(gpu, SIZE), *other = new_buffer(gpu, SIZE);
        adit_load_items *items = items_into(buffer, file);
        adit_load_options options = ADIT_LOAD_OPTIONS_INIT;
        adit_gpu_ticket *ticket = (adit_gpu_ticket *)(void *)CHECK_GARBAGE;
        loser own = { gpu, patience };
        options.progress = lose;
        options.progress_ctx = &own;
        options.threads = 1 + (uint32_t)patience % 2;
        LOST(adit_gpu_upload_items(items, &options, NULL, &ticket, &err));
        CHECK_INT(own.patience, 0);
        CHECK(ticket == NULL);
        check_all_lost(gpu, buffer, other, items);
        adit_gpu_buffer_free(buffer);
        adit_gpu_buffer_free(other);
        adit_gpu_close(gpu);
        adit_load_items_free(items);
    }
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    for (size_t at = 0; at < 2; at++) {
        adit_gpu *sound = open_gpu(memory_paths[at]);
        idle(memory_paths[at]);
        in_the_middle(memory_paths[at]);
        /* Others are none the worse, and new ones open. */
        adit_gpu_buffer *buffer = new_buffer(sound, 8);
        EXPECT_OK(adit_gpu_upload(buffer, 0, "sound", 6, NULL, &err));
        check_buffer(buffer, 0, "sound", 6);
        EXPECT_OK(adit_gpu_status(sound, &err));
        adit_gpu_buffer_free(buffer);
        adit_gpu_close(sound);
    }
    return check_end();
}
