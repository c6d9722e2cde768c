#ifndef OPTIONS_H
#define OPTIONS_H

/* Fills `options` from the command line; an unusable one is explained and ends the process with code 2. */
void options_read(int argc, char **argv);

#endif
