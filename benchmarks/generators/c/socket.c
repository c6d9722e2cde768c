#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"

static SSL_CTX *tls;

void buffer_add(Buffer *buffer, const void *bytes, size_t length) {
    if (buffer->start == buffer->length) buffer->start = buffer->length = 0;
    if (buffer->length + length > buffer->capacity) {
        buffer->capacity = 2 * (buffer->length + length);
        buffer->bytes = realloc(buffer->bytes, buffer->capacity);
        if (buffer->bytes == NULL) {
            perror("buffer");
            exit(2);
        }
    }
    if (length != 0) memcpy(buffer->bytes + buffer->length, bytes, length);
    buffer->length += length;
}

static void tls_failed(const char *what) {
    fprintf(stderr, "%s: ", what);
    ERR_print_errors_fp(stderr);
    exit(2);
}

void socket_prepare(void) {
    if (!options.tls) return;
    tls = SSL_CTX_new(TLS_client_method());
    if (tls == NULL || !SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION)) tls_failed("TLS");
    if (options.ca == NULL ? !SSL_CTX_set_default_verify_paths(tls) : !SSL_CTX_load_verify_locations(tls, options.ca, NULL))
        tls_failed("the authorities");
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    if (options.certificate != NULL && (SSL_CTX_use_certificate_chain_file(tls, options.certificate) != 1 ||
                                        SSL_CTX_use_PrivateKey_file(tls, options.key, SSL_FILETYPE_PEM) != 1))
        tls_failed("the client's certificate");
    if (options.wire[0] == 'g') SSL_CTX_set_alpn_protos(tls, (const unsigned char *)"\x02h2", 3); /* grpc */
}

static int connect_unix(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

static int connect_tcp(const char *host, const char *port) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    if (getaddrinfo(host, port, &hints, &found) != 0) return -1;
    int fd = -1, yes = 1;
    struct timeval patience = {.tv_sec = 1};
    for (struct addrinfo *each = found; each != NULL && fd < 0; each = each->ai_next) {
        fd = socket(each->ai_family, each->ai_socktype | SOCK_CLOEXEC, each->ai_protocol);
        if (fd < 0) continue;
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        if (connect(fd, each->ai_addr, each->ai_addrlen) == 0) break;
        close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    if (fd >= 0) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    return fd;
}

int socket_open(Connection *connection) {
    connection->fd = options.unix_path ? connect_unix(options.unix_path) : connect_tcp(options.host, options.port);
    if (connection->fd < 0) return -1;
    if (options.tls) {
        connection->ssl = SSL_new(tls);
        const char *name = options.host ? options.host : "localhost";
        unsigned char ignored[sizeof(struct in6_addr)];
        int is_address = inet_pton(AF_INET, name, ignored) == 1 || inet_pton(AF_INET6, name, ignored) == 1;
        if (is_address) {
            X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(connection->ssl), name);
        } else {
            SSL_set1_host(connection->ssl, name);
            SSL_set_tlsext_host_name(connection->ssl, name);
        }
        if (SSL_set_fd(connection->ssl, connection->fd) != 1 || SSL_connect(connection->ssl) != 1) {
            ERR_print_errors_fp(stderr);
            socket_close(connection);
            return -1;
        }
    }
    fcntl(connection->fd, F_SETFL, fcntl(connection->fd, F_GETFL) | O_NONBLOCK);
    return 0;
}

long socket_read(Connection *connection, uint8_t *into, size_t length) {
    if (connection->ssl != NULL) {
        int got = SSL_read(connection->ssl, into, (int)length);
        if (got > 0) return got;
        int why = SSL_get_error(connection->ssl, got);
        return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
    }
    ssize_t got = read(connection->fd, into, length);
    if (got > 0) return got;
    return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

int socket_flush(Connection *connection) {
    Buffer *out = &connection->out;
    while (out->start < out->length) {
        size_t left = out->length - out->start;
        ssize_t put;
        if (connection->ssl != NULL) {
            int done = SSL_write(connection->ssl, out->bytes + out->start, (int)left);
            int why = done > 0 ? 0 : SSL_get_error(connection->ssl, done);
            if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return 0;
            put = done;
        } else {
            put = send(connection->fd, out->bytes + out->start, left, MSG_NOSIGNAL);
            if (put < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
        }
        if (put <= 0) return -1;
        out->start += (size_t)put;
    }
    return 0;
}

void socket_close(Connection *connection) {
    if (connection->ssl != NULL) SSL_free(connection->ssl);
    connection->ssl = NULL;
    if (connection->fd >= 0) close(connection->fd);
    connection->fd = -1;
    connection->in.start = connection->in.length = connection->out.start = connection->out.length = 0;
}
