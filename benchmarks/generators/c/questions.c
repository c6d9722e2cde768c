#define _GNU_SOURCE
#include "questions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <fcntl.h>

static const uint8_t *at, *end;

static const uint8_t *take(size_t length) {
    if (length > (size_t)(end - at)) {
        fprintf(stderr, "the question file ends inside a question\n");
        exit(2);
    }
    at += length;
    return at - length;
}

static uint64_t take_number(size_t bytes) { /* little-endian, like every machine this is measured on */
    uint64_t number = 0;
    memcpy(&number, take(bytes), bytes);
    return number;
}

static void *zeroed(size_t count, size_t size) {
    void *made = calloc(count ? count : 1, size);
    if (made == NULL) {
        perror("questions");
        exit(2);
    }
    return made;
}

Questions questions_read(const char *path) {
    struct stat facts;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &facts) < 0) {
        perror(path);
        exit(2);
    }
    /* Mapped for the life of the process: questions point into it. */
    at = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
    if (at == MAP_FAILED) {
        perror(path);
        exit(2);
    }
    end = at + facts.st_size;
    if (memcmp(take(8), "ENTQ0001", 8) != 0) {
        fprintf(stderr, "%s is not a question file of this version\n", path);
        exit(2);
    }
    Questions read = {.count = (uint32_t)take_number(4)};
    read.all = zeroed(read.count, sizeof(Question));
    for (uint32_t number = 0; number < read.count; number++) {
        Question *each = &read.all[number];
        each->status = (uint16_t)take_number(2);
        each->decisions = (uint16_t)take_number(2);
        each->path_length = (uint16_t)take_number(2);
        each->expectation_count = (uint16_t)take_number(2);
        each->body_length = (uint32_t)take_number(4);
        each->path = take(each->path_length);
        each->body = take(each->body_length);
        each->expectations = zeroed(each->expectation_count, sizeof(Expectation));
        for (int index = 0; index < each->expectation_count; index++) {
            Expectation *expected = &each->expectations[index];
            expected->kind = (uint8_t)take_number(1);
            expected->length = (uint32_t)take_number(4);
            expected->data = take(expected->length);
        }
    }
    if (read.count == 0) {
        fprintf(stderr, "%s holds no question\n", path);
        exit(2);
    }
    return read;
}

/* Reads a varint and moves on; 0 when the bytes end first. */
static int varint(const uint8_t **from, const uint8_t *until, uint64_t *number) {
    *number = 0;
    for (int shift = 0; shift < 64 && *from < until; shift += 7) {
        uint8_t byte = *(*from)++;
        *number |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return 1;
    }
    return 0;
}

typedef struct {
    const uint8_t *path, *expected;
    size_t depth, count, met;
    uint8_t leaf;
} Walk;

/* Follows the path below one message and compares the leaf of each message at its end; 0 for a difference or for bytes that are no message. */
static int walk(Walk *walked, size_t level, const uint8_t *from, const uint8_t *until) {
    uint64_t key, number, found = 0;
    while (from < until) {
        if (!varint(&from, until, &key)) return 0;
        uint64_t field = key >> 3, wire = key & 7;
        if (wire == 0) {
            if (!varint(&from, until, &number)) return 0;
            if (level == walked->depth && field == walked->leaf) found = number;
            continue;
        }
        if (wire == 1 || wire == 5) {
            number = wire == 1 ? 8 : 4;
        } else if (wire != 2 || !varint(&from, until, &number)) {
            return 0;
        }
        if (number > (uint64_t)(until - from)) return 0;
        if (wire == 2 && level < walked->depth && field == walked->path[level] &&
            !walk(walked, level + 1, from, from + number)) return 0;
        from += number;
    }
    if (level < walked->depth) return 1;
    return walked->met < walked->count && walked->expected[walked->met++] == found;
}

static int numbers_match(const Expectation *expected, const uint8_t *answer, size_t length) {
    if (expected->length < 2 || expected->data[0] > 8 || expected->length < expected->data[0] + 2U) return 0;
    size_t depth = expected->data[0];
    Walk walked = {.path = expected->data + 1, .depth = depth, .leaf = expected->data[depth + 1],
                   .expected = expected->data + depth + 2, .count = expected->length - depth - 2};
    return walk(&walked, 0, answer, answer + length) && walked.met == walked.count;
}

int question_is_met(const Question *question, const uint8_t *answer, size_t length) {
    for (int index = 0; index < question->expectation_count; index++) {
        const Expectation *each = &question->expectations[index];
        int met = 0;
        switch (each->kind) {
        case 0: met = memmem(answer, length, each->data, each->length) != NULL; break;
        case 1: met = memmem(answer, length, each->data, each->length) == NULL; break;
        case 2: met = length >= each->length && memcmp(answer, each->data, each->length) == 0; break;
        case 3: met = length == each->length && memcmp(answer, each->data, each->length) == 0; break;
        case 4: met = numbers_match(each, answer, length); break;
        default: break; /* an unknown kind is never met: better a failure than a check left out */
        }
        if (!met) return 0;
    }
    return 1;
}
