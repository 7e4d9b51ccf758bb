/* A machine without a graphics card: no driver, or no loader of Vulkan's. */
#include "check.h"

int main(int argc, char **argv) {
    check_start(argc, argv);
    for (int round = 0; round < 2; round++) {
        size_t count = 77;
        adit_gpu_info info = ADIT_GPU_INFO_INIT;
        const adit_gpu_info none = ADIT_GPU_INFO_INIT;
        EXPECT_OK(adit_gpu_count(&count, &err));
        CHECK_EQ(count, 0);
        EXPECT_ERROR(adit_gpu_enumerate(0, &info, &err), ADIT_ERR_OUT_OF_RANGE, "adapter 0 ");
        CHECK_BYTES(&info, &none, sizeof info);

        adit_gpu *gpu = (adit_gpu *)(void *)CHECK_GARBAGE;
        const char *why = "there is no Vulkan driver with an adapter here";
        EXPECT_ERROR(adit_gpu_open(NULL, &gpu, &err), ADIT_ERR_NO_GPU, why);
        CHECK(gpu == NULL);
        const int32_t selects[] = { ADIT_GPU_SELECT_BEST, ADIT_GPU_SELECT_INDEX,
                                    ADIT_GPU_SELECT_KIND, ADIT_GPU_SELECT_ENVIRONMENT };
        for (size_t i = 0; i < sizeof selects / sizeof *selects; i++) {
            adit_gpu_options options = ADIT_GPU_OPTIONS_INIT;
            options.select = selects[i];
            if (selects[i] == ADIT_GPU_SELECT_KIND) options.kind = ADIT_GPU_KIND_SOFTWARE;
            gpu = (adit_gpu *)(void *)CHECK_GARBAGE;
            EXPECT_ERROR(adit_gpu_open(&options, &gpu, &err), ADIT_ERR_NO_GPU, why);
            CHECK(gpu == NULL);
        }
    }
    return check_end();
}
