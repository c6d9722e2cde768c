/* Asks a question file of one server, closed or open loop, checks every answer, and prints what it saw as one line of JSON.

   In an open loop each question is due at an instant of its own, and its latency counts from there: a server (or a connection, or this
   client) that stalls is seen by every question that was due meanwhile. Nothing is ever left out because an earlier answer is late. */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "client.h"
#include "options.h"

enum { PER_READ = 1 << 16, READS_PER_TURN = 8 };
static const uint64_t SECOND = 1000000000, GRACE = 2000000000, RETRY = 100000000;

static Questions questions;
static Counts counts;
static Connection *connections;
static Call *spare, *refused;
static uint64_t measured_from, sending_until;
static uint32_t next_question;
static const Question *first_wrong;
static Buffer wrong_answer;

uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

static void unlink_call(Connection *connection, Call *call) {
    *(call->before != NULL ? &call->before->after : &connection->first) = call->after;
    *(call->after != NULL ? &call->after->before : &connection->last) = call->before;
    connection->in_flight--;
}

/* The server did not even look at the call, because it had said goodbye: every gRPC client asks again without a word, and so does this one. */
void call_refused(Connection *connection, Call *call) {
    unlink_call(connection, call);
    call->after = refused;
    refused = call;
}

static void send_call(Connection *connection, Call *call) {
    call->body_sent = call->answer.start = call->answer.length = 0;
    call->grpc_status = call->http_status = -1;
    call->before = connection->last;
    call->after = NULL;
    *(connection->last != NULL ? &connection->last->after : &connection->first) = call;
    connection->last = call;
    connection->in_flight++;
    if (connection->wire->submit(connection, call) != 0) {
        connection->draining = 1;
        call_refused(connection, call);
    }
}

static void ask(Connection *connection, uint64_t due, uint64_t now) {
    Call *call = spare;
    if (call != NULL) spare = call->after;
    else if ((call = calloc(1, sizeof *call)) == NULL) abort();
    call->question = &questions.all[next_question];
    if (++next_question == questions.count) next_question = 0;
    call->due = due;
    call->sent = now;
    if (due >= measured_from) counts.asked++;
    send_call(connection, call);
}

/* In a closed loop what ends in the measured part counts, in an open one what was due in it. */
static int is_measured(const Call *call, uint64_t now) {
    return options.rate > 0 ? call->due >= measured_from : now >= measured_from && now < sending_until;
}

static void forget(Connection *connection, Call *call) {
    unlink_call(connection, call);
    call->after = spare;
    spare = call;
}

static void count_answer(const Call *call, uint64_t now) {
    const Question *question = call->question;
    if (!question_is_met(question, call->answer.bytes + call->answer.start, call->answer.length - call->answer.start)) {
        counts.wrong++;
        if (first_wrong == NULL) {
            first_wrong = question;
            buffer_add(&wrong_answer, call->answer.bytes + call->answer.start, call->answer.length - call->answer.start);
        }
    }
    counts.calls++;
    counts.decisions += question->decisions;
    histogram_record(&counts.due, now - call->due);
    histogram_record(&counts.sent, now - call->sent);
}

void call_ended(Connection *connection, Call *call, int reset) {
    uint64_t now = connection->received_at;
    int http = call->http_status, grpc = call->grpc_status, is_grpc = connection->wire == &http2_wire;
    counts.all_calls++;
    if (is_measured(call, now)) {
        if (reset) counts.reset++;
        else if (http >= 0 && http != (is_grpc ? 200 : call->question->status)) {
            counts.http[http < HTTP_STATUSES ? http : 0]++;
            counts.wrong++;
        } else if (is_grpc && grpc < 0) counts.no_status++;
        else if (is_grpc && grpc != call->question->status) {
            counts.grpc[grpc < GRPC_STATUSES ? grpc : GRPC_STATUSES]++;
            counts.wrong++;
        } else count_answer(call, now);
    }
    forget(connection, call);
    if (options.rate <= 0 && now < sending_until && !connection->draining) ask(connection, now, now);
}

static void lose(Connection *connection, uint64_t now) {
    int was_open = connection->fd >= 0;
    if (was_open && connection->wire->end != NULL) connection->wire->end(connection);
    while (connection->first != NULL) {
        if (is_measured(connection->first, now)) counts.connection++;
        forget(connection, connection->first);
    }
    socket_close(connection);
    connection->retry_at = now + (was_open && connection->draining ? 0 : RETRY);
}

static void open_connection(Connection *connection, uint64_t now) {
    connection->draining = 0;
    counts.connects++;
    if (socket_open(connection) != 0) {
        if (now >= measured_from && options.rate <= 0) counts.connection++;
        connection->retry_at = now + RETRY;
        return;
    }
    if (connection->wire->start(connection) != 0) {
        lose(connection, now);
        return;
    }
    if (options.rate > 0) return;
    for (unsigned stream = 0; stream < options.streams && !connection->draining; stream++) {
        Call *again = refused;
        if (again == NULL) {
            ask(connection, now, now);
        } else {
            refused = again->after;
            send_call(connection, again);
        }
    }
}

/* Returns the next connection that can take a call, or NULL. Where answers come in the order of asking, an idle one is taken first, so that no call
   waits behind another without need; HTTP/1.1 carries one call at a time. */
static Connection *free_connection(void) {
    static unsigned turn;
    Connection *busy = NULL;
    for (unsigned tried = 0; tried < options.connections; tried++) {
        Connection *each = &connections[turn++ % options.connections];
        if (each->fd < 0 || each->draining) continue;
        if (each->wire == &http2_wire || each->in_flight == 0) return each;
        if (each->wire == &resp_wire) busy = each;
    }
    return busy;
}

/* Asks what is due by now and returns when the next question is due. A question that no connection can take waits, its due instant unchanged. */
static uint64_t ask_due(uint64_t due, uint64_t now) {
    Connection *free_one;
    while ((refused != NULL || (due <= now && due < sending_until)) && (free_one = free_connection()) != NULL) {
        if (refused != NULL) { /* the oldest ones first: they were due before */
            Call *again = refused;
            refused = again->after;
            send_call(free_one, again);
            continue;
        }
        ask(free_one, due, now);
        double share = options.poisson ? -log((double)(random() + 1) / ((double)RAND_MAX + 2)) : 1;
        due += (uint64_t)(share * (double)SECOND / options.rate);
    }
    return due;
}

static int read_all(Connection *connection) {
    static uint8_t bytes[PER_READ];
    for (int turn = 0; turn < READS_PER_TURN || (connection->ssl != NULL && SSL_pending(connection->ssl) > 0); turn++) {
        long got = socket_read(connection, bytes, sizeof bytes);
        if (got < 0) return -1;
        if (got == 0) return 0;
        connection->received_at = now_ns();
        if (connection->wire->receive(connection, bytes, (size_t)got) != 0) return -1;
        if (got < PER_READ && connection->ssl == NULL) return 0; /* nothing more is there: one system call saved */
    }
    return 0;
}

static void wait_for(struct pollfd *watched, uint64_t until, uint64_t now) {
    for (unsigned index = 0; index < options.connections; index++) {
        Connection *each = &connections[index];
        watched[index].fd = each->fd; /* a negative one is ignored */
        watched[index].events = (short)(POLLIN | (each->out.start < each->out.length ? POLLOUT : 0));
        watched[index].revents = 0;
    }
    uint64_t left = until > now ? until - now : 0;
    struct timespec patience = {.tv_sec = (time_t)(left / SECOND), .tv_nsec = (long)(left % SECOND)};
    if (ppoll(watched, options.connections, &patience, NULL) < 0 && errno != EINTR) {
        perror("ppoll");
        exit(2);
    }
}

static void run(void) {
    struct pollfd *watched = calloc(options.connections, sizeof *watched);
    if (watched == NULL) abort();
    uint64_t now = now_ns(), due = now;
    measured_from = now + (uint64_t)(options.warm_up * (double)SECOND);
    sending_until = measured_from + (uint64_t)(options.seconds * (double)SECOND);
    uint64_t give_up = sending_until + GRACE;
    for (;;) {
        unsigned in_flight = 0;
        uint64_t until = now < sending_until ? sending_until : give_up;
        for (unsigned index = 0; index < options.connections; index++) {
            Connection *each = &connections[index];
            if (each->fd >= 0 && each->draining && each->in_flight == 0) lose(each, now);
            if (each->fd < 0 && now < sending_until && now >= each->retry_at) open_connection(each, now);
            if (each->fd < 0 && each->retry_at > now && each->retry_at < until) until = each->retry_at;
        }
        if (options.rate > 0) {
            due = ask_due(due, now);
            if (due < sending_until && due > now && due < until) until = due;
        }
        for (unsigned index = 0; index < options.connections; index++) {
            Connection *each = &connections[index];
            if (each->fd >= 0 && (each->wire->collect(each) != 0 || socket_flush(each) != 0)) lose(each, now);
            if (each->fd < 0 && now < sending_until && each->retry_at <= now) until = now; /* lost just now: open it again */
            in_flight += each->in_flight;
        }
        if (now >= sending_until && (in_flight == 0 || now >= give_up)) break;
        wait_for(watched, until, now_ns());
        for (unsigned index = 0; index < options.connections; index++)
            if (watched[index].revents & (POLLIN | POLLHUP | POLLERR) && read_all(&connections[index]) != 0)
                lose(&connections[index], now_ns());
        now = now_ns();
    }
    for (; options.rate > 0 && due < sending_until; due += (uint64_t)((double)SECOND / options.rate))
        if (due >= measured_from) counts.asked++, counts.unanswered++; /* due, and never taken by any connection */
    for (; refused != NULL; refused = refused->after) counts.unanswered++;
    for (unsigned index = 0; index < options.connections; index++)
        for (Call *call = connections[index].first; call != NULL; call = call->after)
            if (options.rate <= 0 || call->due >= measured_from) counts.unanswered++; /* however long it has hung */
    free(watched);
}

static void print_counts(void) {
    printf("{\"seconds\": %.6f, \"calls\": %llu, \"decisions\": %llu, \"wrong\": %llu, \"all_calls\": %llu, \"asked\": %llu, \"connects\": %llu, ",
           options.seconds, (unsigned long long)counts.calls, (unsigned long long)counts.decisions, (unsigned long long)counts.wrong,
           (unsigned long long)counts.all_calls, (unsigned long long)counts.asked, (unsigned long long)counts.connects);
    printf("\"errors\": {\"RESET\": %llu, \"CONNECTION\": %llu, \"UNANSWERED\": %llu, \"NO_STATUS\": %llu",
           (unsigned long long)counts.reset, (unsigned long long)counts.connection, (unsigned long long)counts.unanswered,
           (unsigned long long)counts.no_status);
    for (int status = 0; status < HTTP_STATUSES; status++)
        if (counts.http[status] != 0) printf(", \"HTTP_%d\": %llu", status, (unsigned long long)counts.http[status]);
    for (int status = 0; status <= GRPC_STATUSES; status++)
        if (counts.grpc[status] != 0) printf(", \"GRPC_%d\": %llu", status, (unsigned long long)counts.grpc[status]);
    printf("}, \"first_wrong\": \"");
    if (first_wrong != NULL) {
        printf("question %ld answered ", (long)(first_wrong - questions.all));
        for (size_t index = 0; index < wrong_answer.length && index < 256; index++) printf("%02x", wrong_answer.bytes[index]);
    }
    printf("\", \"due\": ");
    histogram_print(&counts.due, stdout);
    printf(", \"sent\": ");
    histogram_print(&counts.sent, stdout);
    puts("}");
}

int main(int argc, char **argv) {
    options_read(argc, argv);
    if (options.cpu >= 0) {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET((size_t)options.cpu, &one);
        if (sched_setaffinity(0, sizeof one, &one) != 0) perror("cannot keep to the processor");
    }
    signal(SIGPIPE, SIG_IGN); /* a connection that the server has closed is counted, not died of */
    prctl(PR_SET_TIMERSLACK, 1UL); /* wake when a question is due, not up to 50 microseconds later */
    questions = questions_read(options.questions);
    socket_prepare();
    connections = calloc(options.connections, sizeof *connections);
    if (connections == NULL) abort();
    const Wire *wire = options.wire[0] == 'g' ? &http2_wire : options.wire[0] == 'h' ? &http1_wire : &resp_wire;
    for (unsigned index = 0; index < options.connections; index++) {
        connections[index].fd = -1;
        connections[index].wire = wire;
    }
    run();
    print_counts();
    return 0;
}
