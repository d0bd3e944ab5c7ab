#ifndef CLINUX_MEMORY_H
#define CLINUX_MEMORY_H

// malloc_trim(3): what the C library keeps of freed memory goes back to the kernel. 1: there was some.
int clinux_trim_memory(void);

#endif
