#ifndef CLINUX_PACKET_H
#define CLINUX_PACKET_H

#include <sys/types.h>

#endif
