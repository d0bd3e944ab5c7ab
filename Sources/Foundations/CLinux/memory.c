#include "clinux_memory.h"

#include <malloc.h>

int clinux_trim_memory(void) { return malloc_trim(0); }
