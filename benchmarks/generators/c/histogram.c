#include "histogram.h"

void histogram_record(Histogram *histogram, uint64_t nanoseconds) {
    unsigned bits = 64U - (unsigned)__builtin_clzll(nanoseconds | 1);
    unsigned bucket = bits > 11 ? bits - 11 : 0; /* 2048 values fit the first bucket as they are */
    if (bucket >= HISTOGRAM_BUCKETS) {
        bucket = HISTOGRAM_BUCKETS - 1;
        nanoseconds = (uint64_t)(2 * HISTOGRAM_HALF - 1) << bucket;
    }
    histogram->cells[bucket * HISTOGRAM_HALF + (nanoseconds >> bucket)]++;
    if (histogram->count == 0 || nanoseconds < histogram->least) histogram->least = nanoseconds;
    if (nanoseconds > histogram->most) histogram->most = nanoseconds;
    histogram->sum += (double)nanoseconds;
    histogram->count++;
}

void histogram_print(const Histogram *histogram, FILE *out) {
    fprintf(out, "{\"least_ns\": %llu, \"most_ns\": %llu, \"sum_ns\": %.0f, \"cells\": [",
            (unsigned long long)histogram->least, (unsigned long long)histogram->most, histogram->sum);
    const char *between = "";
    for (uint64_t cell = 0; cell < sizeof histogram->cells / sizeof *histogram->cells; cell++) {
        if (histogram->cells[cell] == 0) continue;
        uint64_t bucket = cell < 2 * HISTOGRAM_HALF ? 0 : cell / HISTOGRAM_HALF - 1;
        uint64_t value = (cell - bucket * HISTOGRAM_HALF) << bucket;
        fprintf(out, "%s[%llu, %llu]", between, (unsigned long long)value, (unsigned long long)histogram->cells[cell]);
        between = ", ";
    }
    fputs("]}", out);
}
