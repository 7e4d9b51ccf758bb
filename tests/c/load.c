/* A host that loads the library at run time, as plugins and languages with an FFI do. */
#include "check.h"

#include <dlfcn.h>
#include <pthread.h>

/* This program isn't linked with the library; check.h calls these only where a check fails. */
const char *adit_status_name(int32_t status) {
    return status == ADIT_OK ? "ADIT_OK" : "another";
}

adit_status adit_error_status(const adit_error *error) {
    return error == NULL ? ADIT_OK : ADIT_ERR_INTERNAL;
}

const char *adit_error_message(const adit_error *error) {
    return error == NULL ? "" : "(not looked into)";
}

const char *adit_error_path(const adit_error *error) {
    (void)error;
    return NULL;
}

int32_t adit_error_os_code(const adit_error *error) {
    (void)error;
    return 0;
}

bool adit_error_offset(const adit_error *error, uint64_t *offset) {
    (void)offset;
    return error != NULL;
}

bool adit_error_index(const adit_error *error, uint64_t *index) {
    (void)index;
    return error != NULL;
}

void adit_error_free(adit_error *error) {
    (void)error;
}

typedef struct api {
    void *handle;
    uint32_t (*abi_version)(void);
    adit_status (*data_open)(const char *, const adit_data_options *, adit_data **, adit_error **);
    adit_status (*reader_from_data)(const adit_data *, const adit_record_reader_options *,
                                    adit_record_reader **, adit_error **);
    adit_status (*get)(const adit_record_reader *, uint64_t, adit_tensor *, size_t, adit_error **);
    void (*reader_close)(adit_record_reader *);
    void (*data_close)(adit_data *);
    const char *(*message)(const adit_error *);
    void (*error_free)(adit_error *);
    adit_status (*log_set)(adit_log_fn, void *, int32_t, adit_error **);
} api;

static void load_symbol(const api *own, const char *name, void *to) {
    void *symbol = dlsym(own->handle, name);
    if (symbol == NULL) CHECK_FAIL("no %s", name);
    memcpy(to, &symbol, sizeof symbol);
}

static api load(void) {
    api own;
    memset(&own, 0, sizeof own);
    own.handle = dlopen(check_library, RTLD_NOW | RTLD_LOCAL);
    if (own.handle == NULL) CHECK_FAIL("%s", dlerror());
    load_symbol(&own, "adit_abi_version", &own.abi_version);
    load_symbol(&own, "adit_data_open", &own.data_open);
    load_symbol(&own, "adit_record_reader_from_data", &own.reader_from_data);
    load_symbol(&own, "adit_record_reader_get", &own.get);
    load_symbol(&own, "adit_record_reader_close", &own.reader_close);
    load_symbol(&own, "adit_data_close", &own.data_close);
    load_symbol(&own, "adit_error_message", &own.message);
    load_symbol(&own, "adit_error_free", &own.error_free);
    load_symbol(&own, "adit_log_set", &own.log_set);
    CHECK_EQ(own.abi_version(), ADIT_ABI_VERSION);
    return own;
}

/* Everything that could leave something of the library with this thread. */
static void use(const api *own) {
    adit_data *data = NULL;
    adit_record_reader *reader = NULL;
    adit_tensor tensors[2];
    adit_error *error = NULL;
    CHECK_INT(own->data_open(data_path("rrec/basic_3x4.rrec"), NULL, &data, &error), ADIT_OK);
    CHECK_INT(own->reader_from_data(data, NULL, &reader, &error), ADIT_OK);
    CHECK_INT(own->get(reader, 3, tensors, 2, &error), ADIT_OK);
    const float *target = (const float *)tensors[1].data;
    CHECK(*target == 3.0f);
    CHECK_INT(own->get(reader, 8, tensors, 2, &error), ADIT_ERR_OUT_OF_RANGE);
    CHECK_IN(own->message(error), "record 8");
    own->error_free(error);
    own->reader_close(reader);
    own->data_close(data);
    adit_data_options options = ADIT_DATA_OPTIONS_INIT;
    options.flags = ADIT_DATA_DECOMPRESS;
    const char *path = data_path("compressed/basic_3x4.rrec.zst");
    CHECK_INT(own->data_open(path, &options, &data, NULL), ADIT_OK);
    own->data_close(data);
}

typedef struct turns {
    api own;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int used, unloaded;
} turns;

/* Uses the library, and ends after it was unloaded: what was left with the thread is run then. */
static void *outlive(void *argument) {
    turns *shared = (turns *)argument;
    use(&shared->own);
    pthread_mutex_lock(&shared->mutex);
    shared->used++;
    pthread_cond_broadcast(&shared->changed);
    while (!shared->unloaded) pthread_cond_wait(&shared->changed, &shared->mutex);
    pthread_mutex_unlock(&shared->mutex);
    return NULL;
}

static int lines;

static void ADIT_CALL count_line(void *ctx, int32_t level, const char *message) {
    (void)ctx;
    (void)level;
    (void)message;
    lines++;
}

static void load_and_unload(void) {
    turns shared;
    pthread_t threads[3];
    memset(&shared, 0, sizeof shared);
    pthread_mutex_init(&shared.mutex, NULL);
    pthread_cond_init(&shared.changed, NULL);
    shared.own = load();
    use(&shared.own);
    CHECK_INT(shared.own.log_set(count_line, NULL, ADIT_LOG_DEBUG, NULL), ADIT_OK);
    for (int at = 0; at < 3; at++)
        CHECK_INT(pthread_create(&threads[at], NULL, outlive, &shared), 0);
    pthread_mutex_lock(&shared.mutex);
    while (shared.used < 3) pthread_cond_wait(&shared.changed, &shared.mutex);
    pthread_mutex_unlock(&shared.mutex);
    CHECK_INT(shared.own.log_set(NULL, NULL, ADIT_LOG_OFF, NULL), ADIT_OK);
    CHECK_INT(dlclose(shared.own.handle), 0);
    pthread_mutex_lock(&shared.mutex);
    shared.unloaded = 1;
    pthread_cond_broadcast(&shared.changed);
    pthread_mutex_unlock(&shared.mutex);
    for (int at = 0; at < 3; at++) CHECK_INT(pthread_join(threads[at], NULL), 0);
    pthread_cond_destroy(&shared.changed);
    pthread_mutex_destroy(&shared.mutex);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    for (int turn = 0; turn < 3; turn++) load_and_unload();
    return check_end();
}
