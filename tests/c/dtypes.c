/* Every dtype: its number, name and block, against a table of its own. */
#include "check.h"

static const struct {
    int32_t dtype, number;
    const char *name;
    uint32_t bytes, elements;
} dtypes[] = {
    { ADIT_DTYPE_BOOL, 1, "bool", 1, 1 },
    { ADIT_DTYPE_I8, 2, "i8", 1, 1 },
    { ADIT_DTYPE_I16, 3, "i16", 2, 1 },
    { ADIT_DTYPE_I32, 4, "i32", 4, 1 },
    { ADIT_DTYPE_I64, 5, "i64", 8, 1 },
    { ADIT_DTYPE_U8, 6, "u8", 1, 1 },
    { ADIT_DTYPE_U16, 7, "u16", 2, 1 },
    { ADIT_DTYPE_U32, 8, "u32", 4, 1 },
    { ADIT_DTYPE_U64, 9, "u64", 8, 1 },
    { ADIT_DTYPE_F16, 10, "f16", 2, 1 },
    { ADIT_DTYPE_BF16, 11, "bf16", 2, 1 },
    { ADIT_DTYPE_F32, 12, "f32", 4, 1 },
    { ADIT_DTYPE_F64, 13, "f64", 8, 1 },
    { ADIT_DTYPE_F8_E4M3FN, 14, "f8_e4m3fn", 1, 1 },
    { ADIT_DTYPE_F8_E5M2, 15, "f8_e5m2", 1, 1 },
    { ADIT_DTYPE_F8_E8M0, 16, "f8_e8m0", 1, 1 },
    { ADIT_DTYPE_COMPLEX64, 17, "complex64", 8, 1 },
    { ADIT_DTYPE_COMPLEX128, 18, "complex128", 16, 1 },
    { ADIT_DTYPE_F8_E4M3FNUZ, 19, "f8_e4m3fnuz", 1, 1 },
    { ADIT_DTYPE_F8_E5M2FNUZ, 20, "f8_e5m2fnuz", 1, 1 },
    { ADIT_DTYPE_F6_E2M3, 21, "f6_e2m3", 3, 4 },
    { ADIT_DTYPE_F6_E3M2, 22, "f6_e3m2", 3, 4 },
    { ADIT_DTYPE_F4_E2M1, 23, "f4_e2m1", 1, 2 },
    { ADIT_DTYPE_Q4_0, 102, "q4_0", 18, 32 },
    { ADIT_DTYPE_Q4_1, 103, "q4_1", 20, 32 },
    { ADIT_DTYPE_Q5_0, 106, "q5_0", 22, 32 },
    { ADIT_DTYPE_Q5_1, 107, "q5_1", 24, 32 },
    { ADIT_DTYPE_Q8_0, 108, "q8_0", 34, 32 },
    { ADIT_DTYPE_Q8_1, 109, "q8_1", 40, 32 },
    { ADIT_DTYPE_Q2_K, 110, "q2_k", 84, 256 },
    { ADIT_DTYPE_Q3_K, 111, "q3_k", 110, 256 },
    { ADIT_DTYPE_Q4_K, 112, "q4_k", 144, 256 },
    { ADIT_DTYPE_Q5_K, 113, "q5_k", 176, 256 },
    { ADIT_DTYPE_Q6_K, 114, "q6_k", 210, 256 },
    { ADIT_DTYPE_Q8_K, 115, "q8_k", 292, 256 },
    { ADIT_DTYPE_IQ2_XXS, 116, "iq2_xxs", 66, 256 },
    { ADIT_DTYPE_IQ2_XS, 117, "iq2_xs", 74, 256 },
    { ADIT_DTYPE_IQ3_XXS, 118, "iq3_xxs", 98, 256 },
    { ADIT_DTYPE_IQ1_S, 119, "iq1_s", 50, 256 },
    { ADIT_DTYPE_IQ4_NL, 120, "iq4_nl", 18, 32 },
    { ADIT_DTYPE_IQ3_S, 121, "iq3_s", 110, 256 },
    { ADIT_DTYPE_IQ2_S, 122, "iq2_s", 82, 256 },
    { ADIT_DTYPE_IQ4_XS, 123, "iq4_xs", 136, 256 },
    { ADIT_DTYPE_IQ1_M, 129, "iq1_m", 56, 256 },
    { ADIT_DTYPE_TQ1_0, 134, "tq1_0", 54, 256 },
    { ADIT_DTYPE_TQ2_0, 135, "tq2_0", 66, 256 },
    { ADIT_DTYPE_MXFP4, 139, "mxfp4", 17, 32 },
    { ADIT_DTYPE_NVFP4, 140, "nvfp4", 36, 64 },
    { ADIT_DTYPE_Q1_0, 141, "q1_0", 18, 128 },
};

static const size_t count = sizeof dtypes / sizeof dtypes[0];

static void every_dtype(void) {
    for (size_t at = 0; at < count; at++) {
        int32_t dtype = dtypes[at].dtype;
        CHECK_INT(dtype, dtypes[at].number);
        CHECK_STR(adit_dtype_name(dtype), dtypes[at].name);
        CHECK(adit_dtype_name(dtype) == adit_dtype_name(dtype));
        CHECK_INT(adit_dtype_from_name(dtypes[at].name), dtype);
        CHECK_EQ(adit_dtype_block_bytes(dtype), dtypes[at].bytes);
        CHECK_EQ(adit_dtype_block_elems(dtype), dtypes[at].elements);
    }
}

/* No other number is a dtype, so that a new one is seen to be missing above. */
static void no_dtype(int32_t dtype) {
    for (size_t at = 0; at < count; at++)
        if (dtypes[at].dtype == dtype) return;
    CHECK(adit_dtype_name(dtype) == NULL);
    CHECK_EQ(adit_dtype_block_bytes(dtype), 0);
    CHECK_EQ(adit_dtype_block_elems(dtype), 0);
}

static void other_numbers(void) {
    CHECK_INT(ADIT_DTYPE_NONE, 0);
    for (int32_t number = -1000; number <= 1000; number++) no_dtype(number);
    no_dtype(INT32_MAX);
    no_dtype(INT32_MIN);
}

static void other_names(void) {
    const char *names[] = { "", "F32", "f32 ", " f32", "f3", "f322", "none", "float", "\xff", "Q4_0" };
    CHECK_INT(adit_dtype_from_name(NULL), ADIT_DTYPE_NONE);
    for (size_t at = 0; at < sizeof names / sizeof names[0]; at++)
        CHECK_INT(adit_dtype_from_name(names[at]), ADIT_DTYPE_NONE);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    CHECK_EQ(sizeof(adit_dtype), 4);
    every_dtype();
    other_numbers();
    other_names();
    return check_end();
}
