/* Rows and columns of tensors, each to the caller's memory. */
#include "load_files.h"

/* How the halves are shared out. */
#define RANKS 4
#define ROWS (HALVES_ROWS / RANKS)
#define COLUMNS (HALVES_COLUMNS / RANKS)

/* The weights of one layer for each of some ranks: rows of it, or columns, as f32. */
static void tensor_parallelism(void) {
    adit_data *data = open_data(load_file("parallel"));
    static float by_rows[RANKS][ROWS * HALVES_COLUMNS + 1];
    static float by_columns[RANKS][HALVES_ROWS * COLUMNS + 1];
    static float corner[6];
    adit_load_items *items = new_items();
    adit_load_item_options part = ADIT_LOAD_ITEM_OPTIONS_INIT;
    adit_tensor tensor;
    part.dtype = ADIT_DTYPE_F32;
    for (int rank = 0; rank < RANKS; rank++) {
        by_rows[rank][ROWS * HALVES_COLUMNS] = by_columns[rank][HALVES_ROWS * COLUMNS] = -1;
        adit_load_item_options_init(&part, sizeof part);
        part.dtype = ADIT_DTYPE_F32;
        part.row_start = (uint64_t)rank * ROWS;
        part.row_count = ROWS;
        part.dst = by_rows[rank];
        part.dst_bytes = sizeof by_rows[rank];
        add_halves(items, data, &part);
        part.row_start = part.row_count = 0;
        part.column_start = (uint64_t)rank * COLUMNS;
        part.column_count = rank == RANKS - 1 ? 0 : COLUMNS;
        part.dst = by_columns[rank];
        part.dst_bytes = sizeof by_columns[rank];
        add_halves(items, data, &part);
    }
    part.row_start = HALVES_ROWS - 2;
    part.column_start = HALVES_COLUMNS - 3;
    part.column_count = 0;
    part.dst = corner;
    part.dst_bytes = sizeof corner;
    add_halves(items, data, &part);
    EXPECT_OK(adit_load_items_tensor(items, 3, &tensor, &err));
    CHECK(tensor.data == by_columns[1]);
    CHECK_INT(tensor.shape[0], HALVES_ROWS);
    CHECK_INT(tensor.shape[1], COLUMNS);
    CHECK_EQ(tensor.nbytes, HALVES_ROWS * COLUMNS * 4);
    for (int way = 0; way < 3; way++) {
        adit_load_options options = ADIT_LOAD_OPTIONS_INIT;
        options.io = way == 1 ? ADIT_IO_MAP : ADIT_IO_READ;
        options.flags = way == 2 ? ADIT_LOAD_DIRECT : 0;
        EXPECT_OK(adit_load(items, &options, NULL, NULL, &err));
        for (int64_t row = 0; row < HALVES_ROWS; row++) {
            for (int64_t column = 0; column < HALVES_COLUMNS; column++) {
                const float wanted = (float)half_value(row, column);
                float *rows = by_rows[row / ROWS], *columns = by_columns[column / COLUMNS];
                CHECK(rows[row % ROWS * HALVES_COLUMNS + column] == wanted);
                CHECK(columns[row * COLUMNS + column % COLUMNS] == wanted);
            }
        }
        for (int rank = 0; rank < RANKS; rank++) {
            CHECK(by_rows[rank][ROWS * HALVES_COLUMNS] == -1);
            CHECK(by_columns[rank][HALVES_ROWS * COLUMNS] == -1);
            memset(by_rows[rank], 0, ROWS * HALVES_COLUMNS * 4);
            memset(by_columns[rank], 0, HALVES_ROWS * COLUMNS * 4);
        }
        for (int64_t at = 0; at < 6; at++)
            CHECK(corner[at] == (float)half_value(HALVES_ROWS - 2 + at / 3,
                                                  HALVES_COLUMNS - 3 + at % 3));
        memset(corner, 0, sizeof corner);
    }

    /* With an arena for nothing. */
    adit_arena *arena = NULL;
    EXPECT_OK(adit_load(items, NULL, &arena, NULL, &err));
    CHECK(arena != NULL);
    CHECK_EQ(adit_arena_len(arena), 0);
    CHECK(adit_arena_bytes(arena) == NULL);
    EXPECT_ERROR(adit_arena_tensor(arena, 1, &tensor, &err), ADIT_ERR_INVALID_ARGUMENT,
                 "item 1 isn't in the arena: it has a dst");
    adit_arena_free(arena);
    adit_load_items_free(items);
    adit_data_close(data);
}

/* A share of no rows, or columns, starts at the end: a count of 0 would be all that is left. */
static void no_share(void) {
    adit_data *data = open_data(load_file("none"));
    adit_load_items *items = new_items();
    adit_load_item_options part = ADIT_LOAD_ITEM_OPTIONS_INIT;
    adit_arena *arena = NULL;
    adit_tensor tensor;
    part.row_start = HALVES_ROWS;
    add_halves(items, data, &part);
    part.row_start = 0;
    part.column_start = HALVES_COLUMNS;
    add_halves(items, data, &part);
    part.column_start = 0;
    part.row_start = HALVES_ROWS - 1;
    add_halves(items, data, &part);
    /* No byte of nothing is looked at. */
    const int64_t empty[] = { 0 };
    EXPECT_OK(adit_load_items_add_data(items, data, UINT64_MAX, ADIT_DTYPE_F32, 1, empty, NULL,
                                       &err));
    EXPECT_OK(adit_load(items, NULL, &arena, NULL, &err));
    tensor = arena_tensor(arena, 0);
    CHECK_INT(tensor.shape[0], 0);
    CHECK_INT(tensor.shape[1], HALVES_COLUMNS);
    CHECK_EQ(tensor.nbytes, 0);
    tensor = arena_tensor(arena, 1);
    CHECK_INT(tensor.shape[0], HALVES_ROWS);
    CHECK_INT(tensor.shape[1], 0);
    CHECK_EQ(tensor.nbytes, 0);
    tensor = arena_tensor(arena, 2);
    CHECK_INT(tensor.shape[0], 1);
    CHECK_EQ(*(const uint16_t *)tensor.data, half_of(half_value(HALVES_ROWS - 1, 0)));
    tensor = arena_tensor(arena, 3);
    CHECK_EQ(tensor.nbytes, 0);
    adit_arena_free(arena);
    adit_load_items_free(items);
    adit_data_close(data);
}

int main(int argc, char **argv) {
    check_start(argc, argv);
    tensor_parallelism();
    no_share();
    return check_end();
}
