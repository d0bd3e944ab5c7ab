// The only C in the house: constants and tiny wrappers for what Glibc's Swift module hides. One header per subject; each
// wrapper does one system call, returns what it returned and leaves errno alone.
#ifndef CLINUX_H
#define CLINUX_H

#include "clinux_container.h"    // memfd, bind mounts, pivot_root: what containers need
#include "clinux_datagrams.h"    // recvmmsg, sendmmsg: what a name server needs
#include "clinux_descriptors.h"  // SCM_RIGHTS, unix sockets
#include "clinux_launch.h"       // clone, mounts, exec: what tulle-pod needs
#include "clinux_memory.h"       // malloc_trim
#include "clinux_namespace.h"    // setns, unshare
#include "clinux_netlink.h"      // netlink, rtnetlink, nfnetlink constants
#include "clinux_packet.h"       // AF_PACKET, recvmmsg
#include "clinux_resolver.h"     // connected sockets that never block, eventfd

#endif
