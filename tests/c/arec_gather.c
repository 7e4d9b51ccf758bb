/* Gathers of arec files and sets: converted, packed, padded, several fields, every way of reading. */
#include "arec.h"

static const uint64_t indices[] = { 199, 3, 3, 0, 57, 120 };
enum { N = 6 };

static adit_gather_options by(int32_t io) {
    adit_gather_options options = ADIT_GATHER_OPTIONS_INIT;
    options.io = io;
    return options;
}

static void dense(const adit_record_reader *reader) {
    for (int way = 0; way < ALL_WAYS; way++) {
        adit_gather_options options = by(all_ways[way]);
        uint8_t images[12 * N];
        float labels[N];
        adit_tensor tensor;
        sample own;
        EXPECT_OK(adit_record_reader_gather(reader, IMAGE, indices, N, images, sizeof images,
                                            &options, &tensor, &err));
        CHECK_INT(tensor.dtype, ADIT_DTYPE_U8);
        CHECK_INT(tensor.ndim, 3);
        CHECK_INT(tensor.shape[0], N);
        CHECK_INT(tensor.shape[1], 3);
        CHECK_INT(tensor.shape[2], 4);
        CHECK(tensor.data == images);
        options.dtype = ADIT_DTYPE_F32;
        EXPECT_OK(adit_record_reader_gather(reader, LABEL, indices, N, labels, sizeof labels,
                                            &options, &tensor, &err));
        CHECK_INT(tensor.ndim, 1);
        CHECK_EQ(tensor.nbytes, sizeof labels);
        for (int at = 0; at < N; at++) {
            make_sample(&own, indices[at]);
            CHECK_BYTES(images + 12 * at, own.image, 12);
            CHECK(labels[at] == (float)own.label);
        }
    }
}

static void packed(const adit_record_reader *reader) {
    for (int way = 0; way < ALL_WAYS; way++) {
        adit_gather_options options = by(all_ways[way]);
        uint64_t offsets[N + 1];
        uint16_t tokens[40 * N];
        int32_t wide[40 * N];
        adit_tensor tensor;
        sample own;
        EXPECT_OK(adit_record_reader_gather_ragged(reader, TOKENS, indices, N, offsets, tokens,
                                                   sizeof tokens, &options, &tensor, &err));
        uint64_t at = 0;
        for (int row = 0; row < N; row++) {
            make_sample(&own, indices[row]);
            CHECK_EQ(offsets[row], at);
            CHECK_BYTES(tokens + at, own.tokens, 2 * (size_t)tokens_of(indices[row]));
            at += (uint64_t)tokens_of(indices[row]);
        }
        CHECK_EQ(offsets[N], at);
        CHECK_INT(tensor.ndim, 1);
        CHECK_INT(tensor.shape[0], (int64_t)at);
        CHECK_EQ(tensor.nbytes, 2 * at);
        options.dtype = ADIT_DTYPE_I32;
        EXPECT_OK(adit_record_reader_gather_ragged(reader, TOKENS, indices, N, offsets, wide,
                                                   sizeof wide, &options, &tensor, &err));
        for (uint64_t each = 0; each < at; each++) CHECK_INT(wide[each], tokens[each]);

        /* Too small: what is needed is told. */
        memset(offsets, 0xa5, sizeof offsets);
        EXPECT_ERROR(adit_record_reader_gather_ragged(reader, TOKENS, indices, N, offsets, wide,
                                                      4 * at - 1, &options, &tensor, &err),
                     ADIT_ERR_OUT_OF_RANGE, "bytes");
        CHECK_EQ(offsets[N], at);
        CHECK(tensor.data == NULL);
        EXPECT_OK(adit_record_reader_gather_ragged(reader, TOKENS, indices, N, offsets, wide, 4 * at,
                                                   &options, &tensor, &err));
        CHECK_EQ(offsets[N], at);
        options.dtype = 0;
        char texts[32 * N];
        EXPECT_OK(adit_record_reader_gather_ragged(reader, TEXT, indices, 1, offsets, texts,
                                                   sizeof texts, &options, NULL, &err));
        CHECK_EQ(offsets[1], 10);
        CHECK_BYTES(texts, "record 199", 10);
    }
    uint64_t offsets[2] = { 7, 7 };
    adit_gather_options options = by(ADIT_IO_AUTO);
    EXPECT_OK(adit_record_reader_gather_ragged(reader, TOKENS, NULL, 0, offsets, NULL, 0, NULL, NULL,
                                               &err));
    CHECK_EQ(offsets[0], 0);
    options.pad = 3;
    EXPECT_ERROR(adit_record_reader_gather_ragged(reader, TOKENS, indices, 1, offsets, NULL, 0,
                                                  &options, NULL, &err),
                 ADIT_ERR_INVALID_ARGUMENT, "options->pad");
}

static void padded(const adit_record_reader *reader) {
    for (int way = 0; way < ALL_WAYS; way++) {
        adit_gather_options options = by(all_ways[way]);
        uint16_t tokens[40 * N], short_ones[5 * N];
        float pairs[12 * N];
        adit_tensor tensor;
        sample own;
        options.pad = 40;
        EXPECT_OK(adit_record_reader_gather(reader, TOKENS, indices, N, tokens, sizeof tokens,
                                            &options, &tensor, &err));
        CHECK_INT(tensor.shape[0], N);
        CHECK_INT(tensor.shape[1], 40);
        options.pad = 4;
        EXPECT_OK(adit_record_reader_gather(reader, PAIRS, indices, N, pairs, sizeof pairs, &options,
                                            &tensor, &err));
        CHECK_INT(tensor.ndim, 3);
        CHECK_INT(tensor.shape[1], 4);
        CHECK_INT(tensor.shape[2], 3);
        for (size_t row = 0; row < N; row++) {
            const size_t len = (size_t)tokens_of(indices[row]);
            make_sample(&own, indices[row]);
            CHECK_BYTES(tokens + 40 * row, own.tokens, 2 * len);
            for (size_t at = len; at < 40; at++) CHECK_EQ(tokens[40 * row + at], 0);
            const size_t floats = 3 * (size_t)pairs_of(indices[row]);
            CHECK_BYTES(pairs + 12 * row, own.pairs, 4 * floats);
            for (size_t at = floats; at < 12; at++) CHECK(pairs[12 * row + at] == 0);
        }
        options.pad = 5;
        EXPECT_ERROR(adit_record_reader_gather(reader, TOKENS, indices, N, short_ones,
                                               sizeof short_ones, &options, &tensor, &err),
                     ADIT_ERR_SHAPE, "the 5 to pad to");
        CHECK(last.has_index);
        options.flags = ADIT_GATHER_CUT;
        EXPECT_OK(adit_record_reader_gather(reader, TOKENS, indices, N, short_ones,
                                            sizeof short_ones, &options, &tensor, &err));
        make_sample(&own, 199);
        CHECK_BYTES(short_ones, own.tokens, 10);
    }
    /* Of different lengths, and nobody said what to do. */
    uint16_t tokens[40 * N];
    EXPECT_ERROR(adit_record_reader_gather(reader, TOKENS, indices, N, tokens, sizeof tokens, NULL,
                                           NULL, &err),
                 ADIT_ERR_SHAPE, "");
    CHECK(last.has_index);
}

static void several(const adit_record_reader *reader) {
    const size_t fields[] = { LABEL, IMAGE };
    for (int way = 0; way < ALL_WAYS; way++) {
        const adit_gather_options options = by(all_ways[way]);
        int32_t labels[N];
        uint8_t images[12 * N];
        void *const buffers[] = { labels, images };
        uint64_t lens[] = { sizeof labels, sizeof images };
        adit_tensor tensors[2];
        sample own;
        EXPECT_OK(adit_record_reader_gather_fields(reader, fields, 2, indices, N, buffers, lens,
                                                   &options, tensors, &err));
        CHECK_INT(tensors[0].dtype, ADIT_DTYPE_I32);
        CHECK_INT(tensors[1].ndim, 3);
        for (int row = 0; row < N; row++) {
            make_sample(&own, indices[row]);
            CHECK_INT(labels[row], own.label);
            CHECK_BYTES(images + 12 * row, own.image, 12);
        }
        lens[1]--;
        EXPECT_ERROR(adit_record_reader_gather_fields(reader, fields, 2, indices, N, buffers, lens,
                                                      &options, tensors, &err),
                     ADIT_ERR_OUT_OF_RANGE, "72 are needed");
        CHECK(tensors[0].data == NULL && tensors[1].data == NULL);
    }
    EXPECT_ERROR(adit_record_reader_gather_fields(reader, NULL, 0, indices, N, NULL, NULL, NULL, NULL,
                                                  &err),
                 ADIT_ERR_INVALID_ARGUMENT, "n_fields is 0");
}

static void ahead(const adit_record_reader *reader) {
    adit_record_prefetched told = ADIT_RECORD_PREFETCHED_INIT;
    const size_t fields[] = { IMAGE }, wrong[] = { FIELDS };
    EXPECT_OK(adit_record_reader_prefetch(reader, indices, N, fields, 1, &told, &err));
    CHECK_EQ(told.bytes, 12 * N);
    CHECK(told.pages >= 1 && told.ranges <= told.pages && told.cold_pages <= told.pages);
    EXPECT_OK(adit_record_reader_prefetch(reader, indices, N, NULL, 0, &told, &err));
    CHECK(told.bytes > 12 * N);
    EXPECT_OK(adit_record_reader_prefetch(reader, indices, N, NULL, 0, NULL, &err));
    EXPECT_ERROR(adit_record_reader_prefetch(reader, indices, N, wrong, 1, &told, &err),
                 ADIT_ERR_OUT_OF_RANGE, "5 fields");
    CHECK_EQ(told.bytes, 0);
}

static void refused(const adit_record_reader *reader) {
    const uint64_t beyond[] = { 0, 200 };
    uint8_t images[24];
    adit_gather_options options = by(ADIT_IO_AUTO);
    EXPECT_ERROR(adit_record_reader_gather(reader, IMAGE, beyond, 2, images, 24, NULL, NULL, &err),
                 ADIT_ERR_OUT_OF_RANGE, "record 200");
    CHECK_LAST_INDEX(200);
    EXPECT_ERROR(adit_record_reader_gather(reader, FIELDS, indices, 2, images, 24, NULL, NULL, &err),
                 ADIT_ERR_OUT_OF_RANGE, "field 5");
    options.flags = 2;
    EXPECT_ERROR(adit_record_reader_gather(reader, IMAGE, indices, 2, images, 24, &options, NULL,
                                           &err),
                 ADIT_ERR_UNSUPPORTED, "options->flags");
    options = by(4);
    EXPECT_ERROR(adit_record_reader_gather(reader, IMAGE, indices, 2, images, 24, &options, NULL,
                                           &err),
                 ADIT_ERR_INVALID_ARGUMENT, "adit_io");
}

static void all(const char *path) {
    adit_record_reader *reader = open_records(path);
    dense(reader);
    packed(reader);
    padded(reader);
    several(reader);
    ahead(reader);
    refused(reader);
    adit_record_reader_close(reader);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    adit_record_writer_options options = ADIT_RECORD_WRITER_OPTIONS_INIT;
    write_samples(scratch_path("one.arec"), NULL, 0, 200);
    all(scratch_path("one.arec"));
    options.flags = ADIT_RECORD_WRITER_PAGES;
    options.block_bytes = 16384;
    options.shard_bytes = 65536;
    write_samples(scratch_path("many.json"), &options, 0, 200);
    all(scratch_path("many.json"));
    return check_end();
}
