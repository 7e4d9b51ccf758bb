/*
 * An unwinder that no panic survives: preloaded, it stands before every other one. A library that
 * takes its unwinder from the process ends here; one that brings its own doesn't notice.
 */
#include <stdlib.h>

int _Unwind_RaiseException(void *exception);
void _Unwind_Resume(void *exception);

int _Unwind_RaiseException(void *exception)
{
    (void)exception;
    abort();
}

void _Unwind_Resume(void *exception)
{
    (void)exception;
    abort();
}
