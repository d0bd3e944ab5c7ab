#define _GNU_SOURCE
#include "clinux_netlink.h"
