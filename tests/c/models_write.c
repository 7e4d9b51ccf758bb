/* Models written: byte for byte, in pieces of any order, in shards, over the file that is mapped. */
#include "files.h"
#include "models.h"

#define COUNT(array) (sizeof array / sizeof array[0])

typedef struct weights {
    const char *name;
    int32_t dtype, ndim;
    int64_t shape[9];
    size_t nbytes;
} weights;

static const weights small[] = {
    { "odd", ADIT_DTYPE_U8, 1, { 3 }, 3 },
    { "w.weight", ADIT_DTYPE_F32, 2, { 2, 8 }, 64 },
    { "none", ADIT_DTYPE_I64, 2, { 4, 0 }, 0 },
    { "\"\\\n\x01 \xc3\xa9", ADIT_DTYPE_BF16, 1, { 5 }, 10 },
    { "scalar", ADIT_DTYPE_F64, 0, { 0 }, 8 },
    { "nine", ADIT_DTYPE_F4_E2M1, 9, { 1, 1, 1, 1, 1, 1, 1, 1, 2 }, 1 },
};

/* No zeros, and no two tensors alike. */
static void fill(unsigned char *bytes, size_t len, unsigned seed) {
    for (size_t at = 0; at < len; at++) bytes[at] = (unsigned char)((at * 37 + seed * 11) | 1);
}

static adit_model_writer *create(const char *path, uint64_t shard_bytes, uint32_t flags) {
    adit_model_writer *writer = NULL;
    adit_model_writer_options options = ADIT_MODEL_WRITER_OPTIONS_INIT;
    options.shard_bytes = shard_bytes;
    options.flags = flags;
    EXPECT_OK(adit_model_writer_create(path, &options, &writer, &err));
    CHECK(writer != NULL);
    CHECK_EQ(adit_model_writer_count(writer), 0);
    return writer;
}

static void declare(adit_model_writer *writer, const weights *all, size_t count) {
    for (size_t at = 0; at < count; at++) {
        size_t index = 77;
        EXPECT_OK(adit_model_writer_declare(writer, all[at].name, all[at].dtype, all[at].ndim,
                                            all[at].shape, at % 2 ? NULL : &index, &err));
        CHECK_EQ(index, at % 2 ? 77 : at);
        CHECK_EQ(adit_model_writer_count(writer), at + 1);
    }
}

/* Everything, from the last piece to the first. */
static void write_all(adit_model_writer *writer, const weights *all, size_t count, size_t piece,
                      unsigned seed) {
    unsigned char bytes[2048];
    for (size_t at = count; at-- > 0;) {
        const size_t len = all[at].nbytes;
        CHECK(len <= sizeof bytes);
        fill(bytes, len, seed + (unsigned)at);
        for (size_t start = (len + piece - 1) / piece * piece; start > 0;) {
            start -= piece;
            const size_t own = len - start < piece ? len - start : piece;
            EXPECT_OK(adit_model_writer_write(writer, at, start, bytes + start, own, &err));
        }
    }
}

static void finish(adit_model_writer *writer) {
    EXPECT_OK(adit_model_writer_finish(writer, &err));
    adit_model_writer_close(writer);
    CHECK_INT(count_names(".adit-tmp", NULL, 0), 0);
}

/* What adit_model_open finds is what was written. */
static void same_model(const char *path, const weights *all, size_t count, unsigned seed) {
    unsigned char bytes[2048];
    adit_model *model = open_model(path);
    CHECK_EQ(adit_model_len(model), count);
    for (size_t at = 0; at < count; at++) {
        const size_t index = find_tensor(model, all[at].name);
        const adit_model_tensor_info info = tensor_info(model, index);
        int64_t shape[9];
        size_t ndim = 0;
        adit_data *data = NULL;
        CHECK_INT(info.dtype, all[at].dtype);
        CHECK_EQ(info.nbytes, all[at].nbytes);
        EXPECT_OK(adit_model_shape(model, index, shape, 9, &ndim, &err));
        CHECK_EQ(ndim, all[at].ndim);
        CHECK_BYTES(shape, all[at].shape, ndim * sizeof shape[0]);
        EXPECT_OK(adit_model_file(model, info.file, &data, &err));
        fill(bytes, all[at].nbytes, seed + (unsigned)at);
        const unsigned char *found = (const unsigned char *)adit_data_bytes(data) + info.offset;
        CHECK_BYTES(found, bytes, all[at].nbytes);
        adit_data_close(data);
    }
    adit_model_close(model);
}

static void byte_for_byte(void) {
    static const char header[] =
        "{\"__metadata__\":{\"format\":\"pt\",\"\xe6\xbc\xa2\":\"\\t\"},"
        "\"w.weight\":{\"dtype\":\"F32\",\"shape\":[2,8],\"data_offsets\":[0,64]},"
        "\"none\":{\"dtype\":\"I64\",\"shape\":[4,0],\"data_offsets\":[64,64]},"
        "\"scalar\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[64,72]},"
        "\"\\\"\\\\\\n\\u0001 \xc3\xa9\":{\"dtype\":\"BF16\",\"shape\":[5],\"data_offsets\":[72,82]},"
        "\"odd\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[82,85]},"
        "\"nine\":{\"dtype\":\"F4\",\"shape\":[1,1,1,1,1,1,1,1,2],\"data_offsets\":[85,86]}}";
    static const size_t order[] = { 1, 2, 4, 3, 0, 5 };
    static const uint64_t places[] = { 82, 0, 64, 72, 64, 85 };
    static const size_t alignments[] = { 2, 64, 64, 8, 64, 1 };
    unsigned char data[86], *at = data;
    const uint64_t start = (strlen(header) + 8 + 63) / 64 * 64;
    const char *path = scratch_path("small.safetensors");
    for (size_t number = 0; number < COUNT(small); number++) {
        const size_t index = order[number];
        fill(at, small[index].nbytes, (unsigned)index);
        at += small[index].nbytes;
    }
    CHECK(at == data + sizeof data);
    const char *wanted = write_safetensors("wanted.safetensors", header, 64, data, sizeof data);

    for (size_t piece = 1; piece < 70; piece += 22) {
        adit_model_writer *writer = create(path, 0, 0);
        declare(writer, small, COUNT(small));
        EXPECT_OK(adit_model_writer_set_metadata(writer, "format", "np", &err));
        EXPECT_OK(adit_model_writer_set_metadata(writer, "\xe6\xbc\xa2", "\t", &err));
        EXPECT_OK(adit_model_writer_set_metadata(writer, "format", "pt", &err));
        CHECK_EQ(adit_model_writer_files(writer), 0);
        EXPECT_OK(adit_model_writer_begin(writer, &err));
        CHECK_EQ(adit_model_writer_files(writer), 1);
        for (size_t index = 0; index < COUNT(small); index++) {
            size_t file = 77, alignment = 77;
            uint64_t offset = 77;
            EXPECT_OK(adit_model_writer_location(writer, index, &file, &offset, &alignment, &err));
            CHECK_EQ(file, 0);
            CHECK_EQ(offset, start + places[index]);
            CHECK_EQ(alignment, alignments[index]);
            EXPECT_OK(adit_model_writer_location(writer, index, NULL, NULL, NULL, &err));
        }
        write_all(writer, small, COUNT(small), piece, 0);
        finish(writer);
        same_file(path, wanted);
        same_model(path, small, COUNT(small), 0);
    }
    /* Elements that are lent are aligned. */
    adit_model *model = open_model(path);
    adit_tensor tensor;
    EXPECT_OK(adit_model_tensor(model, find_tensor(model, "w.weight"), 64, &tensor, &err));
    CHECK_EQ((uintptr_t)tensor.data % 64, 0);
    CHECK_EQ(tensor.nbytes, 64);
    adit_model_close(model);

    /* Nothing at all is a model too. */
    adit_model_writer *writer = create(path, 0, 0);
    EXPECT_OK(adit_model_writer_begin(writer, &err));
    finish(writer);
    same_file(path, write_safetensors("wanted.safetensors", "{}", 64, NULL, 0));
    same_model(path, NULL, 0, 0);
}

/* What is missing is told, and can be written then. */
static void in_pieces(void) {
    const char *path = scratch_path("pieces.safetensors");
    unsigned char bytes[64];
    uint64_t offset = 0;
    adit_model_writer *writer = create(path, 0, ADIT_MODEL_WRITER_NO_REPLACE);
    declare(writer, small, 2);
    EXPECT_OK(adit_model_writer_begin(writer, &err));
    fill(bytes, 3, 0);
    EXPECT_OK(adit_model_writer_write(writer, 0, 0, bytes, 3, &err));
    fill(bytes, 64, 1);
    EXPECT_OK(adit_model_writer_write(writer, 1, 40, bytes + 40, 24, &err));
    EXPECT_OK(adit_model_writer_write(writer, 1, 0, bytes + 9, 9, &err));
    EXPECT_OK(adit_model_writer_write(writer, 1, 64, NULL, 0, &err));
    EXPECT_ERROR(adit_model_writer_finish(writer, &err), ADIT_ERR_UNFINISHED,
                 "of tensor 'w.weight' bytes 9 to 40 of 64 were never written");
    EXPECT_OK(adit_model_writer_location(writer, 1, NULL, &offset, NULL, &err));
    CHECK_LAST_PATH(path);
    CHECK_LAST_INDEX(1);
    CHECK_LAST_OFFSET(offset + 9);
    CHECK(!exists(path));
    CHECK_INT(count_names(".adit-tmp", NULL, 0), 1);
    EXPECT_OK(adit_model_writer_write(writer, 1, 0, bytes, 40, &err));
    finish(writer);
    same_model(path, small, 2, 0);
}

/* Over the file that the bytes are mapped from, and that somebody else has open. */
static void over_itself(void) {
    const char *path = scratch_path("itself.safetensors");
    unsigned char bytes[64];
    adit_tensor tensor;
    adit_model_writer *writer = create(path, 0, 0);
    declare(writer, small, 2);
    EXPECT_OK(adit_model_writer_begin(writer, &err));
    write_all(writer, small, 2, 64, 5);
    finish(writer);

    adit_model *model = open_model(path);
    const size_t odd = find_tensor(model, "odd"), weight = find_tensor(model, "w.weight");
    writer = create(path, 0, 0);
    declare(writer, small, 2);
    EXPECT_OK(adit_model_writer_begin(writer, &err));
    EXPECT_OK(adit_model_tensor(model, odd, 1, &tensor, &err));
    EXPECT_OK(adit_model_writer_write(writer, 0, 0, tensor.data, tensor.nbytes, &err));
    EXPECT_OK(adit_model_tensor(model, weight, 4, &tensor, &err));
    EXPECT_OK(adit_model_writer_write(writer, 1, 0, tensor.data, tensor.nbytes, &err));
    EXPECT_OK(adit_model_writer_write(writer, 1, 4, "abcd", 4, &err));
    finish(writer);
    /* The old bytes are there for who has them. */
    fill(bytes, 64, 6);
    CHECK_BYTES(tensor.data, bytes, 64);
    adit_model *changed = open_model(path);
    EXPECT_OK(adit_model_tensor(changed, find_tensor(changed, "w.weight"), 4, &tensor, &err));
    memcpy(bytes + 4, "abcd", 4);
    CHECK_BYTES(tensor.data, bytes, 64);
    adit_model_close(changed);
    adit_model_close(model);
}

static const weights many[] = {
    { "b", ADIT_DTYPE_U8, 1, { 60 }, 60 },  { "a", ADIT_DTYPE_U8, 1, { 40 }, 40 },
    { "c", ADIT_DTYPE_I8, 1, { 1000 }, 1000 }, { "e", ADIT_DTYPE_U8, 1, { 1 }, 1 },
    { "d", ADIT_DTYPE_U16, 1, { 49 }, 98 },
};
static const char *const shards[] = {
    "set-00001-of-00003.safetensors",
    "set-00002-of-00003.safetensors",
    "set-00003-of-00003.safetensors",
};

static void write_set(const char *path, uint32_t flags, unsigned seed) {
    static const size_t files[] = { 0, 0, 1, 2, 2 };
    adit_model_writer *writer = create(path, 100, flags);
    declare(writer, many, COUNT(many));
    EXPECT_OK(adit_model_writer_begin(writer, &err));
    CHECK_EQ(adit_model_writer_files(writer), 3);
    for (size_t at = 0; at < COUNT(many); at++) {
        size_t file = 77;
        EXPECT_OK(adit_model_writer_location(writer, at, &file, NULL, NULL, &err));
        CHECK_EQ(file, files[at]);
    }
    CHECK_INT(count_names(".adit-tmp", NULL, 0), 4);
    write_all(writer, many, COUNT(many), 64, seed);
    finish(writer);
}

static void in_shards(void) {
    static const char index[] =
        "{\n  \"metadata\": {\n    \"total_size\": 1199\n  },\n  \"weight_map\": {\n"
        "    \"a\": \"set-00001-of-00003.safetensors\",\n"
        "    \"b\": \"set-00001-of-00003.safetensors\",\n"
        "    \"c\": \"set-00002-of-00003.safetensors\",\n"
        "    \"d\": \"set-00003-of-00003.safetensors\",\n"
        "    \"e\": \"set-00003-of-00003.safetensors\"\n  }\n}\n";
    const char *path = scratch_path("set.safetensors");
    const char *set = scratch_path("set.safetensors.index.json");
    size_t len = 0;
    write_set(path, ADIT_MODEL_WRITER_NO_REPLACE, 3);
    CHECK(!exists(path));
    CHECK_INT(count_names("set", NULL, 0), 4);
    unsigned char *text = read_file(set, &len);
    CHECK_STR((const char *)text, index);
    free(text);
    same_model(set, many, COUNT(many), 3);
    /* Replaced under somebody who has it open. */
    adit_model *old = open_model(set);
    write_set(path, 0, 9);
    same_model(set, many, COUNT(many), 9);
    adit_tensor tensor;
    unsigned char bytes[60];
    fill(bytes, sizeof bytes, 3);
    EXPECT_OK(adit_model_tensor(old, find_tensor(old, "b"), 1, &tensor, &err));
    CHECK_BYTES(tensor.data, bytes, sizeof bytes);
    adit_model_close(old);

    /* Each file that stands there is left alone if asked for. */
    for (size_t at = 0; at < 4; at++) {
        const char *there = at < 3 ? scratch_path(shards[at]) : set;
        for (size_t other = 0; other < 4; other++)
            if (other != at) remove(other < 3 ? scratch_path(shards[other]) : set);
        adit_model_writer *writer = create(path, 100, ADIT_MODEL_WRITER_NO_REPLACE);
        declare(writer, many, COUNT(many));
        EXPECT_ERROR(adit_model_writer_begin(writer, &err), ADIT_ERR_EXISTS, "exists already");
        CHECK_LAST_PATH(there);
        CHECK_EQ(adit_model_writer_files(writer), 0);
        adit_model_writer_close(writer);
        CHECK_INT(count_names("set", NULL, 0), 1);
        write_set(path, 0, 9);
    }
    /* A file at the path itself, whatever is asked for. */
    write_file(path, "x", 1);
    adit_model_writer *writer = create(path, 100, 0);
    declare(writer, many, COUNT(many));
    EXPECT_ERROR(adit_model_writer_begin(writer, &err), ADIT_ERR_EXISTS, "before the index");
    CHECK_LAST_PATH(path);
    CHECK_INT(remove(path), 0);
    EXPECT_OK(adit_model_writer_begin(writer, &err));
    adit_model_writer_close(writer);
    same_model(set, many, COUNT(many), 9);
    CHECK_INT(count_names(".adit-tmp", NULL, 0), 0);
    /* All fit into one file. */
    writer = create(path, 1199, ADIT_MODEL_WRITER_NO_REPLACE);
    declare(writer, many, COUNT(many));
    EXPECT_OK(adit_model_writer_begin(writer, &err));
    CHECK_EQ(adit_model_writer_files(writer), 1);
    write_all(writer, many, COUNT(many), 64, 1);
    finish(writer);
    same_model(path, many, COUNT(many), 1);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    byte_for_byte();
    in_pieces();
    over_itself();
    in_shards();
    return check_end();
}
