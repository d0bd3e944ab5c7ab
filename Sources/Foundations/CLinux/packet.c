#define _GNU_SOURCE
#include "clinux_packet.h"
