#ifndef CLINUX_NAMESPACE_H
#define CLINUX_NAMESPACE_H

#include <sys/types.h>

#endif
