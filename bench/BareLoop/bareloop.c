// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "BareLoop.h"

#include <endian.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

// Object identifiers of Postgres' types, from its pg_type.dat.
enum {
    typeInt8 = 20, typeInt2 = 21, typeText = 25, typeUUID = 2950,
    arrayInt2 = 1005, arrayText = 1009, arrayInt8 = 1016, arrayUUID = 2951,
};
enum { parameterCount = 13, arrayHeaderBytes = 20 };

// A parameter that is written element by element, in the binary form of arrays (array_recv of Postgres).
struct column {
    char *bytes;
    int length;
};

struct worker {
    struct bareLoopSettings *settings;
    struct bareLoopConversation *conversations;
    PGconn *connection;
    struct column columns[parameterCount];
    int64_t rows;
    double begin;
    double end;
    uint64_t clientMessages;
    uint64_t salt;
    char error[512];
};

static double secondsNow(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int64_t millisecondsSince1970(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void put(struct column *column, const void *bytes, size_t count) {
    memcpy(column->bytes + column->length, bytes, count);
    column->length += (int)count;
}

static void put32(struct column *column, uint32_t value) {
    value = htobe32(value);
    put(column, &value, sizeof value);
}

static void beginArray(struct column *column, uint32_t type, int count) {
    column->length = 0;
    put32(column, 1);
    put32(column, 0);
    put32(column, type);
    put32(column, (uint32_t)count);
    put32(column, 1);
}

static void putElement(struct column *column, const void *bytes, size_t count) {
    put32(column, (uint32_t)count);
    put(column, bytes, count);
}

static void putInt8(struct column *column, int64_t value) {
    uint64_t big = htobe64((uint64_t)value);
    putElement(column, &big, sizeof big);
}

static void putInt2(struct column *column, int16_t value) {
    uint16_t big = htobe16((uint16_t)value);
    putElement(column, &big, sizeof big);
}

// A UUIDv7 (RFC 9562 §5.7): the time, then what tells it from all others.
static void putClientMessageID(struct worker *worker, struct column *column, int64_t now) {
    uint64_t high = htobe64((uint64_t)now << 16 | 0x7000 | (worker->salt & 0xFFF));
    uint64_t low = htobe64(0x8000000000000000 | (worker->salt >> 12 << 32 & 0x3FFFFFFF00000000) | worker->clientMessages);
    uint8_t id[16];
    memcpy(id, &high, 8);
    memcpy(id + 8, &low, 8);
    worker->clientMessages += 1;
    putElement(column, id, sizeof id);
}

static int fail(struct worker *worker, const char *what) {
    snprintf(worker->error, sizeof worker->error, "%s: %s", what, PQerrorMessage(worker->connection));
    return 0;
}

static int headsOfBatch(const struct bareLoopSettings *settings) {
    return settings->batch < settings->conversationsOfConnection ? settings->batch : settings->conversationsOfConnection;
}

// One message of each conversation in turn. `first` is where the last batch ended.
static void fill(struct worker *worker, int first) {
    const struct bareLoopSettings *settings = worker->settings;
    struct column *columns = worker->columns;
    int heads = headsOfBatch(settings), batch = settings->batch, all = settings->conversationsOfConnection;
    int64_t now = millisecondsSince1970();
    uint64_t epoch = htobe64((uint64_t)settings->epoch);
    columns[0].length = 0;
    put(&columns[0], &epoch, sizeof epoch);
    beginArray(&columns[1], typeUUID, heads);
    beginArray(&columns[2], typeInt8, heads);
    beginArray(&columns[3], typeInt8, heads);
    for (int number = 0; number < heads; number++) {
        struct bareLoopConversation *conversation = &worker->conversations[(first + number) % all];
        int own = batch / all + (number < batch % all ? 1 : 0);
        putElement(&columns[1], conversation->id, 16);
        putInt8(&columns[2], conversation->head);
        putInt8(&columns[3], conversation->head + own);
    }
    static const uint32_t types[] = {
        typeUUID, typeInt8, typeInt2, typeInt2, typeUUID, typeUUID, typeUUID, typeInt8, typeText,
    };
    for (int index = 4; index < parameterCount; index++) beginArray(&columns[index], types[index - 4], batch);
    size_t bodyBytes = strlen(settings->body);
    for (int number = 0; number < batch; number++) {
        struct bareLoopConversation *conversation = &worker->conversations[(first + number) % all];
        conversation->head += 1;
        putElement(&columns[4], conversation->id, 16);
        putInt8(&columns[5], conversation->head);
        putInt2(&columns[6], conversation->slot);
        putInt2(&columns[7], 1);
        putElement(&columns[8], conversation->sender, 16);
        putElement(&columns[9], conversation->sender, 16);
        putClientMessageID(worker, &columns[10], now);
        putInt8(&columns[11], now);
        putElement(&columns[12], settings->body, bodyBytes);
    }
}

static int store(struct worker *worker) {
    const char *values[parameterCount];
    int lengths[parameterCount], formats[parameterCount];
    for (int index = 0; index < parameterCount; index++) {
        values[index] = worker->columns[index].bytes;
        lengths[index] = worker->columns[index].length;
        formats[index] = 1;
    }
    PGresult *result = PQexecPrepared(worker->connection, "append", parameterCount, values, lengths, formats, 1);
    int isStored = 0;
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        fail(worker, "a batch was not stored");
    } else if (PQntuples(result) != 1 || PQgetvalue(result, 0, 0)[0] != 1) {
        fail(worker, "the epoch is not that of the view");
    } else {
        uint32_t heads = 0;
        if (PQgetlength(result, 0, 1) >= arrayHeaderBytes) memcpy(&heads, PQgetvalue(result, 0, 1) + 12, sizeof heads);
        isStored = (int)be32toh(heads) == headsOfBatch(worker->settings);
        if (!isStored) fail(worker, "a head was not the expected one");
    }
    PQclear(result);
    return isStored;
}

static int prepare(struct worker *worker) {
    const struct bareLoopSettings *settings = worker->settings;
    static const Oid types[parameterCount] = {
        typeInt8, arrayUUID, arrayInt8, arrayInt8, arrayUUID, arrayInt8, arrayInt2, arrayInt2, arrayUUID, arrayUUID,
        arrayUUID, arrayInt8, arrayText,
    };
    size_t elementBytes = 4 + (strlen(settings->body) > 16 ? strlen(settings->body) : 16);
    for (int index = 0; index < parameterCount; index++) {
        worker->columns[index].bytes = malloc(arrayHeaderBytes + (size_t)settings->batch * elementBytes);
        if (worker->columns[index].bytes == NULL) return fail(worker, "memory");
    }
    if (getrandom(&worker->salt, sizeof worker->salt, 0) != sizeof worker->salt) return fail(worker, "getrandom");
    worker->connection = PQconnectdb(settings->connection);
    if (PQstatus(worker->connection) != CONNECTION_OK) return fail(worker, "no connection");
    PGresult *result = PQexec(worker->connection, settings->session);
    int isDone = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    if (!isDone) return fail(worker, "the session's settings were refused");
    result = PQprepare(worker->connection, "append", settings->statement, parameterCount, types);
    isDone = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    return isDone ? 1 : fail(worker, "the statement was refused");
}

static void *work(void *argument) {
    struct worker *worker = argument;
    const struct bareLoopSettings *settings = worker->settings;
    if (!prepare(worker)) return NULL;
    double start = secondsNow();
    for (int first = 0;; first = (first + settings->batch) % settings->conversationsOfConnection) {
        fill(worker, first);
        if (!store(worker)) return NULL;
        worker->end = secondsNow();
        if (worker->begin > 0) worker->rows += settings->batch;
        if (worker->begin > 0 && worker->end >= worker->begin + settings->seconds) return NULL;
        if (worker->begin == 0 && worker->end >= start + settings->warmUpSeconds) worker->begin = worker->end;
    }
}

struct bareLoopResult runBareLoop(struct bareLoopSettings settings) {
    struct bareLoopResult result = {.rows = 0};
    struct worker *workers = calloc((size_t)settings.connections, sizeof *workers);
    pthread_t *threads = calloc((size_t)settings.connections, sizeof *threads);
    int started = 0;
    if (workers == NULL || threads == NULL) snprintf(result.error, sizeof result.error, "no memory");
    for (; workers != NULL && threads != NULL && started < settings.connections; started++) {
        workers[started].settings = &settings;
        workers[started].conversations = settings.conversations + started * settings.conversationsOfConnection;
        if (pthread_create(&threads[started], NULL, work, &workers[started]) != 0) {
            snprintf(result.error, sizeof result.error, "no thread");
            break;
        }
    }
    double rowsPerSecond = 0;
    for (int index = 0; index < started; index++) {
        struct worker *worker = &workers[index];
        pthread_join(threads[index], NULL);
        if (worker->error[0] != 0) memcpy(result.error, worker->error, sizeof result.error);
        double seconds = worker->end - worker->begin;
        if (seconds > 0) rowsPerSecond += (double)worker->rows / seconds;
        result.rows += worker->rows;
        PQfinish(worker->connection);
        for (int column = 0; column < parameterCount; column++) free(worker->columns[column].bytes);
    }
    // The threads do not begin and end at the same moment: each is divided by its own time.
    if (rowsPerSecond > 0) result.seconds = (double)result.rows / rowsPerSecond;
    free(workers);
    free(threads);
    return result;
}
