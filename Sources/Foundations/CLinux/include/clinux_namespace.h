#ifndef CLINUX_NAMESPACE_H
#define CLINUX_NAMESPACE_H

#include <sys/types.h>

// setns(2), unshare(2) and the clone flags that Glibc's module hides behind _GNU_SOURCE.
int clinux_setns(int descriptor, int flags);
int clinux_unshare(int flags);
pid_t clinux_gettid(void);
// Names the calling thread; longer names are cut to 15 bytes.
void clinux_name_thread(const char *name);

extern const int CLINUX_CLONE_NEWNET;
extern const int CLINUX_CLONE_NEWNS;
extern const int CLINUX_CLONE_NEWUTS;
extern const int CLINUX_CLONE_NEWPID;
extern const int CLINUX_CLONE_NEWIPC;

#endif
