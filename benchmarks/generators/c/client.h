/* The parts of the client and what they share. One thread, one `ppoll` loop, no globals but the run itself. */
#ifndef CLIENT_H
#define CLIENT_H

#include <openssl/ssl.h>
#include <stddef.h>
#include <stdint.h>

#include "histogram.h"
#include "questions.h"

typedef struct {
    uint8_t *bytes;
    size_t start, length, capacity; /* what is in use: bytes[start .. length) */
} Buffer;

void buffer_add(Buffer *buffer, const void *bytes, size_t length);

/* One question on its way. A call belongs to the list of its connection, in the order of sending, until it ends. */
typedef struct Call {
    uint64_t due, sent;
    const Question *question;
    size_t body_sent;
    int http_status, grpc_status; /* -1: not seen */
    Buffer answer;
    struct Call *before, *after;
} Call;

typedef struct Connection Connection;

/* How one protocol is spoken over a connection. Each returns 0, or -1 when the connection is of no more use. */
typedef struct {
    int (*start)(Connection *connection);
    int (*submit)(Connection *connection, Call *call);
    int (*receive)(Connection *connection, const uint8_t *bytes, size_t length);
    int (*collect)(Connection *connection); /* puts what has to be sent into `out` */
    void (*end)(Connection *connection);
} Wire;

extern const Wire http2_wire, http1_wire, resp_wire;

struct Connection {
    int fd; /* -1: closed */
    int draining; /* the server said goodbye: no new calls */
    SSL *ssl;
    const Wire *wire;
    void *session; /* the wire's own */
    Buffer in, out;
    Call *first, *last;
    unsigned in_flight;
    uint64_t retry_at, received_at;
};

typedef struct {
    const char *unix_path, *host, *port, *ca, *certificate, *key, *wire, *questions;
    int tls, poisson, cpu;
    unsigned connections, streams;
    double rate, seconds, warm_up;
    const char *headers[8][2];
    unsigned header_count;
} Options;

enum { HTTP_STATUSES = 600, GRPC_STATUSES = 17 };

/* What is counted in the measured part. */
typedef struct {
    uint64_t calls, decisions, wrong, all_calls, asked;
    uint64_t reset, connection, unanswered, no_status, connects;
    uint64_t http[HTTP_STATUSES], grpc[GRPC_STATUSES + 1];
    Histogram due, sent;
} Counts;

extern Options options;

uint64_t now_ns(void);

/* socket.c: opens (blocking, handshake included), reads, writes. -1: the connection is gone; reading returns 0 when nothing is there yet. */
void socket_prepare(void);
int socket_open(Connection *connection);
long socket_read(Connection *connection, uint8_t *into, size_t length);
int socket_flush(Connection *connection);
void socket_close(Connection *connection);

/* main.c: what becomes of a call. `reset`: the stream was ended without a proper answer. */
void call_ended(Connection *connection, Call *call, int reset);
void call_refused(Connection *connection, Call *call);

#endif
