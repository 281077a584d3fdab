// SPDX-License-Identifier: Apache-2.0

// The floor of the storage path: the router's statement in a loop over libpq, with nothing around it.

#ifndef BARE_LOOP_H
#define BARE_LOOP_H

#include <stdint.h>

struct bareLoopConversation {
    // In network order.
    uint8_t id[16];
    uint8_t sender[16];
    // The number of its last message; counted up.
    int64_t head;
    int16_t slot;
};

struct bareLoopSettings {
    const char *connection;
    // Run once on each connection.
    const char *session;
    // The statement that stores a batch, with its thirteen parameters.
    const char *statement;
    const char *body;
    int64_t epoch;
    int connections;
    // Messages of one statement.
    int batch;
    double warmUpSeconds;
    double seconds;
    // Of all connections, each of which has the same number; a batch goes through them in turn.
    struct bareLoopConversation *conversations;
    int conversationsOfConnection;
};

struct bareLoopResult {
    // Stored after the time to warm up, and the time that took.
    int64_t rows;
    double seconds;
    // Empty when all went well.
    char error[512];
};

// Blocks until it is done; each connection has a thread of its own.
struct bareLoopResult runBareLoop(struct bareLoopSettings settings);

#endif
