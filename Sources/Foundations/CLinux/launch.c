#define _GNU_SOURCE
#include "clinux_launch.h"
