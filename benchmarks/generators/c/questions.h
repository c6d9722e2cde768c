/* The question file (its form is described in ../question.py) and the check of an answer against it. */
#ifndef QUESTIONS_H
#define QUESTIONS_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint8_t kind;
    uint32_t length;
    const uint8_t *data;
} Expectation;

typedef struct {
    uint16_t status, decisions, path_length, expectation_count;
    uint32_t body_length;
    const uint8_t *path, *body;
    Expectation *expectations;
} Question;

typedef struct {
    uint32_t count;
    Question *all;
} Questions;

/* Reads the file; on failure prints why and ends the process with code 2. */
Questions questions_read(const char *path);

/* Tells whether the bytes of an answer fulfil every expectation. */
int question_is_met(const Question *question, const uint8_t *answer, size_t length);

#endif
