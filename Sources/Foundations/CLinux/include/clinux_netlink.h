#ifndef CLINUX_NETLINK_H
#define CLINUX_NETLINK_H

#include <sys/types.h>

#endif
