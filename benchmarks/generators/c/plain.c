/* HTTP/1.1 and Redis: questions are whole requests, answers come in the order of asking. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client.h"

static int start(Connection *connection) {
    (void)connection;
    return 0;
}

static int submit(Connection *connection, Call *call) {
    buffer_add(&connection->out, call->question->body, call->question->body_length);
    return 0;
}

static int collect(Connection *connection) {
    (void)connection;
    return 0;
}

static void end(Connection *connection) { (void)connection; }

/* Returns the bytes of the line that starts here with its CRLF; 0 while it is incomplete. */
static size_t line(const uint8_t *from, size_t length) {
    const uint8_t *found = memmem(from, length, "\r\n", 2);
    return found == NULL ? 0 : (size_t)(found - from) + 2;
}

/* Each returns how many bytes one answer takes, 0 while it is incomplete, -1 when it is none. They fill in `call`. */

static long resp_value(const uint8_t *from, size_t length, int depth) {
    size_t taken = line(from, length);
    if (taken == 0 || depth > 4) return depth > 4 ? -1 : 0;
    long number = strtol((const char *)from + 1, NULL, 10); /* ends at the CRLF that is known to be there */
    switch (from[0]) {
    case '+': case '-': case ':': case '_': case '#': case ',': return (long)taken;
    case '$':
        if (number < 0) return (long)taken;
        return taken + (size_t)number + 2 <= length ? (long)taken + number + 2 : 0;
    case '*':
        for (long index = 0; index < number; index++) {
            long more = resp_value(from + taken, length - taken, depth + 1);
            if (more <= 0) return more;
            taken += (size_t)more;
        }
        return (long)taken;
    default: return -1;
    }
}

static long resp_answer(Call *call, const uint8_t *from, size_t length) {
    long taken = resp_value(from, length, 0);
    if (taken > 0) buffer_add(&call->answer, from, (size_t)taken);
    call->grpc_status = call->question->status; /* an error reply fails the expectations instead */
    return taken;
}

static long chunks(Call *call, const uint8_t *from, size_t length) {
    size_t taken = 0;
    for (;;) {
        size_t head = line(from + taken, length - taken);
        if (head == 0) return 0;
        size_t size = strtoul((const char *)from + taken, NULL, 16);
        if (size > length || taken + head + size + 2 > length) return 0;
        buffer_add(&call->answer, from + taken + head, size);
        taken += head + size + 2;
        if (size == 0) return (long)taken; /* trailers are not expected */
    }
}

static long http1_answer(Call *call, const uint8_t *from, size_t length) {
    const uint8_t *blank = memmem(from, length, "\r\n\r\n", 4);
    if (blank == NULL) return 0;
    if (length < 12 || memcmp(from, "HTTP/1.1 ", 9) != 0) return -1;
    size_t head = (size_t)(blank - from) + 4, size = 0;
    int chunked = 0;
    for (size_t at = line(from, length); at < head - 2; at += line(from + at, length - at)) {
        const char *text = (const char *)from + at;
        if (strncasecmp(text, "content-length:", 15) == 0) size = strtoul(text + 15, NULL, 10);
        if (strncasecmp(text, "transfer-encoding: chunked", 26) == 0) chunked = 1;
    }
    if (chunked) {
        call->answer.start = call->answer.length = 0;
        long taken = chunks(call, from + head, length - head);
        if (taken <= 0) return taken;
        size = (size_t)taken;
    } else {
        if (head + size > length) return 0;
        buffer_add(&call->answer, from + head, size);
    }
    call->http_status = (int)strtol((const char *)from + 9, NULL, 10);
    return (long)(head + size);
}

static int receive(Connection *connection, const uint8_t *bytes, size_t length,
                   long (*answer)(Call *, const uint8_t *, size_t)) {
    Buffer *in = &connection->in;
    buffer_add(in, bytes, length);
    buffer_add(in, "", 1); /* numbers are read by functions that stop at a NUL at the latest */
    in->length--;
    while (in->start < in->length) {
        if (connection->first == NULL) return -1; /* an answer that nobody asked for */
        long taken = answer(connection->first, in->bytes + in->start, in->length - in->start);
        if (taken < 0) return -1;
        if (taken == 0) break;
        in->start += (size_t)taken;
        call_ended(connection, connection->first, 0);
    }
    if (in->start > 0) { /* what is left, mostly nothing, moves to the front: the buffer never grows */
        memmove(in->bytes, in->bytes + in->start, in->length - in->start);
        in->length -= in->start;
        in->start = 0;
    }
    return 0;
}

static int http1_receive(Connection *connection, const uint8_t *bytes, size_t length) {
    return receive(connection, bytes, length, http1_answer);
}

static int resp_receive(Connection *connection, const uint8_t *bytes, size_t length) {
    return receive(connection, bytes, length, resp_answer);
}

const Wire http1_wire = {start, submit, http1_receive, collect, end};
const Wire resp_wire = {start, submit, resp_receive, collect, end};
