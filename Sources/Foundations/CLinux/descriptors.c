#define _GNU_SOURCE
#include "clinux_descriptors.h"
