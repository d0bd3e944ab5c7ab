#ifndef CLINUX_LAUNCH_H
#define CLINUX_LAUNCH_H

#include <sys/types.h>

#endif
