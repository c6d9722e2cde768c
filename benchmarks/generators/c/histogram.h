/* Counts of latencies in nanoseconds, three significant digits, in the cells of an HdrHistogram(1, ..., 3). */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>

enum { HISTOGRAM_BUCKETS = 40, HISTOGRAM_HALF = 1024 }; /* up to 2^49 ns, six days */

typedef struct {
    uint64_t cells[(HISTOGRAM_BUCKETS + 1) * HISTOGRAM_HALF];
    uint64_t count, least, most;
    double sum;
} Histogram;

void histogram_record(Histogram *histogram, uint64_t nanoseconds);

/* Writes {"least_ns", "most_ns", "sum_ns", "cells": [[lowest value of the cell, count], ...]}. */
void histogram_print(const Histogram *histogram, FILE *out);

#endif
