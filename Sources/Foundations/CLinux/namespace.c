#define _GNU_SOURCE
#include "clinux_namespace.h"
