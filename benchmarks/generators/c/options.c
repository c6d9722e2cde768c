#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

Options options = {.wire = "grpc", .connections = 1, .streams = 1, .seconds = 2, .warm_up = 0.5, .cpu = -1};

static const char usage[] =
    "usage: asker --questions FILE (--unix PATH | --tcp HOST:PORT) [--wire grpc|http1|resp] [--connections N] [--streams N]\n"
    "       [--rate PER_SECOND] [--poisson] [--seconds S] [--warm-up S] [--cpu N] [--header NAME:VALUE]...\n"
    "       [--tls] [--ca FILE] [--certificate FILE --key FILE]\n";

static void refuse(const char *why) {
    fprintf(stderr, "%s\n%s", why, usage);
    exit(2);
}

static double number(const char *text, double least) {
    char *rest;
    double value = strtod(text, &rest);
    if (*text == '\0' || *rest != '\0' || !(value >= least)) refuse("a number is malformed or too small");
    return value;
}

static void split(char *text, const char **left, const char **right) {
    char *middle = strrchr(text, ':');
    if (middle == NULL) refuse("HOST:PORT or NAME:VALUE needs a colon");
    *middle = '\0';
    *left = text;
    *right = middle + 1;
}

void options_read(int argc, char **argv) {
    static const struct option known[] = {
        {"questions", 1, NULL, 'q'}, {"unix", 1, NULL, 'u'}, {"tcp", 1, NULL, 't'}, {"wire", 1, NULL, 'w'},
        {"connections", 1, NULL, 'c'}, {"streams", 1, NULL, 'm'}, {"rate", 1, NULL, 'r'}, {"poisson", 0, NULL, 'p'},
        {"seconds", 1, NULL, 's'}, {"warm-up", 1, NULL, 'x'}, {"cpu", 1, NULL, 'n'}, {"header", 1, NULL, 'h'},
        {"tls", 0, NULL, 'T'}, {"ca", 1, NULL, 'a'}, {"certificate", 1, NULL, 'e'}, {"key", 1, NULL, 'k'}, {NULL, 0, NULL, 0}};
    for (int each; (each = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (each) {
        case 'q': options.questions = optarg; break;
        case 'u': options.unix_path = optarg; break;
        case 't': split(optarg, &options.host, &options.port); break;
        case 'w': options.wire = optarg; break;
        case 'c': options.connections = (unsigned)number(optarg, 1); break;
        case 'm': options.streams = (unsigned)number(optarg, 1); break;
        case 'r': options.rate = number(optarg, 0.01); break;
        case 'p': options.poisson = 1; break;
        case 's': options.seconds = number(optarg, 0.01); break;
        case 'x': options.warm_up = number(optarg, 0); break;
        case 'n': options.cpu = (int)number(optarg, 0); break;
        case 'h':
            if (options.header_count == sizeof options.headers / sizeof *options.headers) refuse("too many headers");
            split(optarg, &options.headers[options.header_count][0], &options.headers[options.header_count][1]);
            options.header_count++;
            break;
        case 'T': options.tls = 1; break;
        case 'a': options.ca = optarg; break;
        case 'e': options.certificate = optarg; break;
        case 'k': options.key = optarg; break;
        default: refuse("unknown option");
        }
    }
    if (optind != argc || options.questions == NULL) refuse("a question file is needed, and nothing but options");
    if ((options.unix_path == NULL) == (options.host == NULL)) refuse("either --unix or --tcp is needed");
    if ((options.certificate == NULL) != (options.key == NULL)) refuse("--certificate and --key go together");
    if (strcmp(options.wire, "grpc") != 0 && strcmp(options.wire, "http1") != 0 && strcmp(options.wire, "resp") != 0)
        refuse("the wire is grpc, http1 or resp");
}
