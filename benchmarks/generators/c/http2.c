/* gRPC over HTTP/2, by libnghttp2. */
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

#define FIXED (NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE)
enum { WINDOW = 1 << 20, FRAME = 5 };

static nghttp2_nv header(const char *name, const void *value, size_t length) {
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), length, FIXED};
}

/* Sends the five bytes of a gRPC frame and then the message. */
static ssize_t read_body(nghttp2_session *session, int32_t stream, uint8_t *into, size_t room, uint32_t *flags,
                         nghttp2_data_source *source, void *user) {
    (void)session, (void)stream, (void)user;
    Call *call = source->ptr;
    uint32_t length = call->question->body_length;
    uint8_t frame[FRAME] = {0, (uint8_t)(length >> 24), (uint8_t)(length >> 16), (uint8_t)(length >> 8), (uint8_t)length};
    size_t put = 0;
    while (put < room && call->body_sent < FRAME) into[put++] = frame[call->body_sent++];
    size_t from = call->body_sent - FRAME, left = length - from;
    if (call->body_sent >= FRAME) {
        size_t more = left < room - put ? left : room - put;
        memcpy(into + put, call->question->body + from, more);
        call->body_sent += more;
        put += more;
    }
    if (call->body_sent == FRAME + (size_t)length) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)put;
}

static int whole_number(const uint8_t *text, size_t length) {
    int number = 0;
    for (size_t index = 0; index < length && index < 4; index++) {
        if (text[index] < '0' || text[index] > '9') return GRPC_STATUSES;
        number = 10 * number + text[index] - '0';
    }
    return number;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_length,
                     const uint8_t *value, size_t length, uint8_t flags, void *user) {
    (void)flags, (void)user;
    Call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (call == NULL) return 0;
    if (name_length == 11 && memcmp(name, "grpc-status", 11) == 0) call->grpc_status = whole_number(value, length);
    if (name_length == 7 && memcmp(name, ":status", 7) == 0) call->http_status = whole_number(value, length);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes, size_t length, void *user) {
    (void)flags, (void)user;
    Call *call = nghttp2_session_get_stream_user_data(session, stream);
    if (call != NULL) buffer_add(&call->answer, bytes, length);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t error, void *user) {
    Call *call = nghttp2_session_get_stream_user_data(session, stream);
    if (call == NULL) return 0;
    nghttp2_session_set_stream_user_data(session, stream, NULL);
    if (error == NGHTTP2_REFUSED_STREAM && ((Connection *)user)->draining) {
        call_refused(user, call);
        return 0;
    }
    if (call->answer.length >= FRAME) { /* one message; a compressed or second one would fail the check, as it should */
        call->answer.start = call->answer.bytes[0] == 0 ? FRAME : 0;
    }
    call_ended(user, call, error != NGHTTP2_NO_ERROR && call->grpc_status < 0);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    (void)session;
    if (frame->hd.type == NGHTTP2_GOAWAY) ((Connection *)user)->draining = 1;
    return 0;
}

static int start(Connection *connection) {
    static nghttp2_session_callbacks *callbacks;
    if (callbacks == NULL) {
        nghttp2_session_callbacks_new(&callbacks);
        nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    }
    nghttp2_session *session;
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}, {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW}};
    if (nghttp2_session_client_new(&session, callbacks, connection) != 0) return -1;
    connection->session = session;
    if (nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, 2) != 0) return -1;
    return nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, 16 * WINDOW) == 0 ? 0 : -1;
}

static int submit(Connection *connection, Call *call) {
    static const char text[] = "application/grpc";
    const char *scheme = options.tls ? "https" : "http", *authority = options.host ? options.host : "localhost";
    nghttp2_nv headers[6 + sizeof options.headers / sizeof *options.headers] = {
        header(":method", "POST", 4),
        header(":scheme", scheme, strlen(scheme)),
        header(":path", call->question->path, call->question->path_length),
        header(":authority", authority, strlen(authority)),
        header("te", "trailers", 8),
        header("content-type", text, sizeof text - 1),
    };
    size_t count = 6;
    for (unsigned index = 0; index < options.header_count; index++) {
        const char *value = options.headers[index][1];
        headers[count++] = header(options.headers[index][0], value, strlen(value));
    }
    nghttp2_data_provider body = {.source.ptr = call, .read_callback = read_body};
    return nghttp2_submit_request(connection->session, NULL, headers, count, &body, call) < 0 ? -1 : 0;
}

static int receive(Connection *connection, const uint8_t *bytes, size_t length) {
    return nghttp2_session_mem_recv(connection->session, bytes, length) < 0 ? -1 : 0;
}

static int collect(Connection *connection) {
    const uint8_t *bytes;
    ssize_t length;
    while ((length = nghttp2_session_mem_send(connection->session, &bytes)) > 0) buffer_add(&connection->out, bytes, (size_t)length);
    if (length < 0) return -1;
    return nghttp2_session_want_read(connection->session) || nghttp2_session_want_write(connection->session) ? 0 : -1;
}

static void end(Connection *connection) {
    /* Deleting a session closes its streams without a callback: whoever ends a connection ends its calls. */
    nghttp2_session_del(connection->session);
    connection->session = NULL;
}

const Wire http2_wire = {start, submit, receive, collect, end};
