// SPDX-License-Identifier: Apache-2.0

// The floor: what this kernel asks for one delivery, with nothing around it. A frame that is ready is written to every
// socket from one thread, with epoll for those that are full; another process reads and throws away. What an edge needs
// for the same deliveries is told as a multiple of this, so that figures of different machines can be compared.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { eventsMax = 1024, readBytes = 64 * 1024, listenBacklog = 4096 };

struct settings {
    long sockets;
    // Messages per second to every socket; 0 for as many as go through.
    double rate;
    // Of one frame, its header included.
    long frameBytes;
    // Messages that are joined into one write.
    long joined;
    double seconds;
};

struct receiver {
    int descriptor;
    // Of what was to be written, this much is not: a whole number of writes and the rest of one.
    long unsentBytes;
};

static void fail(const char *what) {
    fprintf(stderr, "trunkline-floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double secondsNow(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double processorSeconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
        + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void allowDescriptors(long count) {
    struct rlimit limit = {.rlim_cur = (rlim_t)count + 64, .rlim_max = (rlim_t)count + 64};
    struct rlimit current;
    getrlimit(RLIMIT_NOFILE, &current);
    if (current.rlim_cur >= limit.rlim_cur) return;
    if (limit.rlim_max < current.rlim_max) limit.rlim_max = current.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) fail("more open files are needed (ulimit -n)");
}

static int listener(struct sockaddr_in *address) {
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) fail("socket");
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(descriptor, (struct sockaddr *)address, sizeof *address) != 0) fail("bind");
    if (listen(descriptor, listenBacklog) != 0) fail("listen");
    socklen_t length = sizeof *address;
    if (getsockname(descriptor, (struct sockaddr *)address, &length) != 0) fail("getsockname");
    return descriptor;
}

// The other process: connects, then reads until the writer closes.
static void readEverything(struct sockaddr_in address, long count) {
    // It ends with its parent, whatever becomes of that.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int poll = epoll_create1(EPOLL_CLOEXEC);
    if (poll < 0) fail("epoll_create1");
    for (long number = 0; number < count; number++) {
        int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (descriptor < 0) fail("socket");
        if (connect(descriptor, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
        struct epoll_event event = {.events = EPOLLIN, .data.fd = descriptor};
        if (epoll_ctl(poll, EPOLL_CTL_ADD, descriptor, &event) != 0) fail("epoll_ctl");
    }
    static char bytes[readBytes];
    struct epoll_event events[eventsMax];
    for (long open = count; open > 0;) {
        int ready = epoll_wait(poll, events, eventsMax, -1);
        for (int index = 0; index < ready; index++) {
            ssize_t got = read(events[index].data.fd, bytes, sizeof bytes);
            if (got > 0 || (got < 0 && errno == EINTR)) continue;
            close(events[index].data.fd);
            open -= 1;
        }
    }
    exit(0);
}

static struct receiver *acceptAll(int listening, int poll, long count) {
    struct receiver *receivers = calloc((size_t)count, sizeof *receivers);
    if (receivers == NULL) fail("memory");
    for (long number = 0; number < count; number++) {
        int descriptor = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (descriptor < 0) fail("accept4");
        int on = 1;
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        receivers[number].descriptor = descriptor;
        struct epoll_event event = {.events = EPOLLOUT | EPOLLET, .data.ptr = &receivers[number]};
        if (epoll_ctl(poll, EPOLL_CTL_ADD, descriptor, &event) != 0) fail("epoll_ctl");
    }
    return receivers;
}

// Writes what the socket takes. All bytes are the same to the reader, so where a frame begins does not matter.
static void drain(struct receiver *receiver, const char *bytes, long writeBytes) {
    while (receiver->unsentBytes > 0) {
        long rest = receiver->unsentBytes % writeBytes;
        long length = rest > 0 ? rest : writeBytes;
        ssize_t taken = write(receiver->descriptor, bytes + (writeBytes - length), (size_t)length);
        if (taken < 0) {
            if (errno == EINTR) continue;
            if (errno == EAGAIN) return;
            fail("write");
        }
        receiver->unsentBytes -= taken;
    }
}

// Lets sockets that were full go on; waits no longer than until `deadline`.
static void drainReady(int poll, double deadline, const char *bytes, long writeBytes) {
    struct epoll_event events[eventsMax];
    do {
        double left = deadline - secondsNow();
        int milliseconds = left > 0 ? (int)(left * 1000) : 0;
        int ready = epoll_wait(poll, events, eventsMax, milliseconds);
        for (int index = 0; index < ready; index++) drain(events[index].data.ptr, bytes, writeBytes);
    } while (secondsNow() + 0.001 < deadline);
}

// Returns how many rounds were written, one write to each socket in each.
static long deliver(struct settings settings, int poll, struct receiver *receivers, double begin) {
    long writeBytes = settings.frameBytes * settings.joined;
    char *bytes = malloc((size_t)writeBytes);
    if (bytes == NULL) fail("memory");
    memset(bytes, 'x', (size_t)writeBytes);
    double interval = settings.rate > 0 ? (double)settings.joined / settings.rate : 0;
    long rounds = 0;
    while (secondsNow() < begin + settings.seconds) {
        drainReady(poll, begin + (double)rounds * interval, bytes, writeBytes);
        while (secondsNow() < begin + (double)rounds * interval) usleep(20);
        for (long number = 0; number < settings.sockets; number++) {
            receivers[number].unsentBytes += writeBytes;
            drain(&receivers[number], bytes, writeBytes);
        }
        rounds += 1;
        // Without a rate: not more under way than one round, as nothing else would hold it back.
        for (long number = 0; settings.rate <= 0 && number < settings.sockets; number++) {
            while (receivers[number].unsentBytes > 0) drainReady(poll, secondsNow() + 0.001, bytes, writeBytes);
        }
    }
    free(bytes);
    return rounds;
}

static void run(struct settings settings) {
    allowDescriptors(settings.sockets);
    struct sockaddr_in address;
    int listening = listener(&address);
    pid_t reader = fork();
    if (reader < 0) fail("fork");
    if (reader == 0) {
        close(listening);
        readEverything(address, settings.sockets);
    }
    int poll = epoll_create1(EPOLL_CLOEXEC);
    if (poll < 0) fail("epoll_create1");
    struct receiver *receivers = acceptAll(listening, poll, settings.sockets);

    double begin = secondsNow();
    double processorBegin = processorSeconds();
    long rounds = deliver(settings, poll, receivers, begin);
    double processor = processorSeconds() - processorBegin;
    double elapsed = secondsNow() - begin;

    long deliveries = 0;
    for (long number = 0; number < settings.sockets; number++) {
        long unsent = (receivers[number].unsentBytes + settings.frameBytes - 1) / settings.frameBytes;
        deliveries += rounds * settings.joined - unsent;
        close(receivers[number].descriptor);
    }
    free(receivers);
    waitpid(reader, NULL, 0);
    printf(
        "{\"sockets\": %ld, \"frame_bytes\": %ld, \"joined\": %ld, \"deliveries\": %ld, \"seconds\": %.3f, "
        "\"deliveries_per_second\": %.0f, \"cpu_microseconds_per_delivery\": %.3f}\n",
        settings.sockets, settings.frameBytes, settings.joined, deliveries, elapsed, (double)deliveries / elapsed,
        processor * 1e6 / (double)(deliveries > 0 ? deliveries : 1)
    );
}

static void usage(FILE *to) {
    fprintf(
        to,
        "Usage: trunkline-floor [--sockets N] [--rate PER-SECOND] [--frame-bytes B] [--joined K] [--seconds S]\n\n"
        "Writes a frame that is ready to every one of N sockets on loopback, again and again, from one thread with epoll,\n"
        "and prints the processor time of one delivery as one line of JSON: what the kernel asks for, and no program\n"
        "can go below. Another process reads.\n\n"
        "  --sockets N         1000 by default\n"
        "  --rate PER-SECOND   messages to every socket; 50 by default, 0 for as many as go through\n"
        "  --frame-bytes B     of one message; 400 by default\n"
        "  --joined K          messages in one write; 1 by default\n"
        "  --seconds S         5 by default\n"
    );
}

static double number(const char *text, double least, double most) {
    char *end = NULL;
    double value = strtod(text, &end);
    if (end != text && *end == 0 && value >= least && value <= most) return value;
    fprintf(stderr, "trunkline-floor: %s is not a number from %g to %g.\n", text, least, most);
    exit(2);
}

int main(int count, char **arguments) {
    struct settings settings = {.sockets = 1000, .rate = 50, .frameBytes = 400, .joined = 1, .seconds = 5};
    static const struct option options[] = {
        {"sockets", required_argument, NULL, 's'}, {"rate", required_argument, NULL, 'r'},
        {"frame-bytes", required_argument, NULL, 'b'}, {"joined", required_argument, NULL, 'j'},
        {"seconds", required_argument, NULL, 't'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(count, arguments, "h", options, NULL)) != -1) {
        switch (option) {
        case 's': settings.sockets = (long)number(optarg, 1, 28000); break;
        case 'r': settings.rate = number(optarg, 0, 1e7); break;
        case 'b': settings.frameBytes = (long)number(optarg, 1, 65536); break;
        case 'j': settings.joined = (long)number(optarg, 1, 1000); break;
        case 't': settings.seconds = number(optarg, 0.1, 3600); break;
        case 'h': usage(stdout); return 0;
        default: usage(stderr); return 2;
        }
    }
    if (optind < count) {
        usage(stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    run(settings);
    return 0;
}
