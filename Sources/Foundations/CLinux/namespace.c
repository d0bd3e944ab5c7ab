#define _GNU_SOURCE
#include "clinux_namespace.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

const int CLINUX_CLONE_NEWNET = CLONE_NEWNET;
const int CLINUX_CLONE_NEWNS = CLONE_NEWNS;
const int CLINUX_CLONE_NEWUTS = CLONE_NEWUTS;
const int CLINUX_CLONE_NEWPID = CLONE_NEWPID;
const int CLINUX_CLONE_NEWIPC = CLONE_NEWIPC;

int clinux_setns(int descriptor, int flags) { return setns(descriptor, flags); }
int clinux_unshare(int flags) { return unshare(flags); }
pid_t clinux_gettid(void) { return gettid(); }

void clinux_name_thread(const char *name) {
    char cut[16];
    snprintf(cut, sizeof cut, "%s", name);
    pthread_setname_np(pthread_self(), cut);
}
