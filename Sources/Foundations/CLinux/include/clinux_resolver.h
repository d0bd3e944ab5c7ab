#ifndef CLINUX_RESOLVER_H
#define CLINUX_RESOLVER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// eventfd(2), not blocking, close-on-exec: readable from a signal on until it is cleared.
int clinux_event(void);
void clinux_event_signal(int event);
void clinux_event_clear(int event);

// socket(2) and connect(2), not blocking, close-on-exec, to an address of 4 or 16 bytes; the port in host order. The kernel chooses
// the own port, at random. A stream is connected once it is writable and has no error. `scope` is an interface's index, or 0.
int clinux_connect_datagram(const uint8_t *address, size_t count, uint16_t port, uint32_t scope);
int clinux_connect_stream(const uint8_t *address, size_t count, uint16_t port, uint32_t scope);

// SO_ERROR: what became of a connect(2); 0 when it is well.
int clinux_socket_error(int socket);

// send(2) and recv(2), without SIGPIPE, never blocking.
ssize_t clinux_send_now(int socket, const void *bytes, size_t count);
ssize_t clinux_receive_now(int socket, void *bytes, size_t count);

#endif
