/* The physical ceiling: the least that a correct gRPC server can do. Answers Check from the digits in the question, by the vendor's plain rule.

   ceiling SOCKET: listens there and on a TCP port of the loopback interface, writes that port and a line end, serves until it is killed.
   One thread, one `poll` loop, libnghttp2; no deadlines, no compression, no other method. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { CLIENTS = 256, BODY = 2048, OUT = 1 << 16, FEATURES = 20, PLANS = 3 };
/* allowed = 1, code = 120; code = 83: the numbers of the contract. */
static const uint8_t allow[] = {0, 0, 0, 0, 4, 8, 1, 16, 120}, deny[] = {0, 0, 0, 0, 2, 16, 83};

typedef struct {
    size_t length;
    uint8_t body[BODY];
} Request;

typedef struct {
    int fd;
    nghttp2_session *session;
    size_t length, sent;
    uint8_t out[2 * OUT];
} Client;

static Client *clients[CLIENTS];
static int used; /* clients beyond were never there: polling them would be measured too */

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static nghttp2_nv header(const char *name, const char *value) {
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value),
                        NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

/* Returns the number that follows a word in the request; -1 when the word is not there. */
static long number_after(const Request *request, const char *word) {
    const uint8_t *at = memmem(request->body, request->length, word, strlen(word));
    long number = 0;
    if (at == NULL) return -1;
    for (at += strlen(word); at < request->body + request->length && *at >= '0' && *at <= '9'; at++) number = 10 * number + *at - '0';
    return number;
}

static int is_allowed(const Request *request) {
    long customer = number_after(request, "customer-"), feature = number_after(request, "feature-");
    return customer >= 0 && feature >= 0 && feature < FEATURES * (customer % PLANS + 1) / PLANS;
}

static ssize_t read_answer(nghttp2_session *session, int32_t stream, uint8_t *into, size_t room, uint32_t *flags,
                           nghttp2_data_source *source, void *user) {
    (void)user, (void)room; /* at least a frame's 16 KiB */
    const uint8_t *answer = source->ptr;
    size_t length = answer == allow ? sizeof allow : sizeof deny;
    nghttp2_nv trailer = header("grpc-status", "0");
    memcpy(into, answer, length);
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    nghttp2_submit_trailer(session, stream, &trailer, 1);
    return (ssize_t)length;
}

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    (void)user;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, calloc(1, sizeof(Request)));
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes, size_t length, void *user) {
    (void)flags, (void)user;
    Request *request = nghttp2_session_get_stream_user_data(session, stream);
    if (request == NULL || request->length + length > sizeof request->body) return NGHTTP2_ERR_CALLBACK_FAILURE;
    memcpy(request->body + request->length, bytes, length);
    request->length += length;
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    (void)user;
    if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
    Request *request = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (request == NULL) return 0;
    nghttp2_nv headers[] = {header(":status", "200"), header("content-type", "application/grpc")};
    const uint8_t *answer = is_allowed(request) ? allow : deny;
    nghttp2_data_provider body = {.source.ptr = (void *)(uintptr_t)answer, .read_callback = read_answer};
    return nghttp2_submit_response(session, frame->hd.stream_id, headers, 2, &body);
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t error, void *user) {
    (void)error, (void)user;
    free(nghttp2_session_get_stream_user_data(session, stream));
    return 0;
}

static void greet(int listener, const nghttp2_session_callbacks *callbacks) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), yes = 1;
    if (fd < 0) return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes); /* fails on a unix socket, which needs none */
    for (int index = 0; index < CLIENTS; index++) {
        if (clients[index] != NULL) continue;
        Client *client = clients[index] = calloc(1, sizeof *client);
        if (client == NULL) fail("memory");
        if (index >= used) used = index + 1;
        client->fd = fd;
        nghttp2_settings_entry settings = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1024};
        nghttp2_session_server_new(&client->session, callbacks, client);
        nghttp2_submit_settings(client->session, NGHTTP2_FLAG_NONE, &settings, 1);
        return;
    }
    close(fd);
}

/* Sends what the session has to say, many frames in one write; -1 when the client is gone. */
static int speak(Client *client) {
    const uint8_t *bytes;
    for (ssize_t length = 1; length > 0 || client->sent < client->length;) {
        length = 0;
        while (client->length < OUT && (length = nghttp2_session_mem_send(client->session, &bytes)) > 0) {
            memcpy(client->out + client->length, bytes, (size_t)length);
            client->length += (size_t)length;
        }
        if (length < 0) return -1;
        if (client->length == 0) break;
        ssize_t put = send(client->fd, client->out + client->sent, client->length - client->sent, MSG_NOSIGNAL);
        if (put < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
        client->sent += (size_t)put;
        if (client->sent == client->length) client->sent = client->length = 0;
    }
    return nghttp2_session_want_read(client->session) || nghttp2_session_want_write(client->session) ? 0 : -1;
}

static int listen_to(Client *client) {
    static uint8_t bytes[OUT];
    ssize_t got = read(client->fd, bytes, sizeof bytes);
    if (got < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
    return got == 0 || nghttp2_session_mem_recv(client->session, bytes, (size_t)got) < 0 ? -1 : 0;
}

static int listening(int family, const void *address, socklen_t length) {
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, address, length) < 0 || listen(fd, CLIENTS) < 0) fail("listen");
    return fd;
}

int main(int argc, char **argv) {
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    struct sockaddr_in port = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof port;
    if (argc != 2 || strlen(argv[1]) >= sizeof path.sun_path) return 2;
    strcpy(path.sun_path, argv[1]);
    struct pollfd watched[CLIENTS + 2] = {{listening(AF_UNIX, &path, sizeof path), POLLIN, 0}, {listening(AF_INET, &port, sizeof port), POLLIN, 0}};
    getsockname(watched[1].fd, (struct sockaddr *)&port, &length);
    nghttp2_session_callbacks *callbacks;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    printf("%d\n", ntohs(port.sin_port));
    fflush(stdout);
    for (;;) {
        for (int index = 0; index < used; index++) {
            Client *client = clients[index];
            watched[index + 2].fd = client == NULL ? -1 : client->fd;
            watched[index + 2].events = (short)(POLLIN | (client != NULL && client->sent < client->length ? POLLOUT : 0));
        }
        if (poll(watched, (nfds_t)used + 2, -1) < 0 && errno != EINTR) fail("poll");
        for (int index = 0; index < used; index++) {
            Client *client = clients[index];
            if (client == NULL || watched[index + 2].fd < 0 || watched[index + 2].revents == 0) continue;
            if ((watched[index + 2].revents & ~POLLOUT && listen_to(client) != 0) || speak(client) != 0) {
                nghttp2_session_del(client->session); /* streams that are open are not closed by a callback; their requests are lost */
                close(client->fd);
                free(client);
                clients[index] = NULL;
            }
        }
        for (int index = 0; index < 2; index++)
            if (watched[index].revents != 0) greet(watched[index].fd, callbacks);
    }
}
