/*
 * The load: many WebSocket clients in one process that is not the bottleneck.
 *
 *     load PORT
 *
 * It is told what to do by lines on its standard input, and says on its standard output what came of it:
 *
 *     open COUNT AT_ONCE STALL_EVERY GREETED TARGET   open COUNT more connections, at most AT_ONCE under way;
 *         -> opened OPEN FAILED LOST NS MEDIAN SLOWEST    every STALL_EVERY-th (0: none) never reads once it is
 *                                                     open; GREETED: open only after a first frame has come
 *     arm -> armed READERS                            begin to wait for one update for every reader
 *         -> done READERS FIRST MEDIAN P99 LAST BYTES when everybody has it: nanoseconds of CLOCK_MONOTONIC
 *                                                     (the caller knows when the update was made)
 *     drop COUNT -> dropped COUNT                     reset the connections that were opened last
 *     stats -> stats OPEN FRAMES BYTES PINGS ENDED    all frames and bytes; how many the server ended
 *
 * FAILED counts failed attempts (each is made again), LOST those that failed for good. A frame is an update if
 * it looks like one; greetings and heartbeats are counted as frames only. The end of the input is the end.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST_CLIENTS 32768
#define MOST_ATTEMPTS 5
#define GIVE_UP_NS 20000000000ULL
#define BUFFER 65536
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
#define UPDATE "{\"type\":\"update\""

enum state { NOBODY, DIALLING, ASKING, WAITING, OPEN, GONE };

struct client {
    int fd;
    enum state state;
    uint8_t attempts;
    uint8_t stalled;
    uint8_t has_it;
    uint32_t rest_size;
    unsigned char *rest; /* bytes of a frame that is not whole yet */
    uint64_t began;
    uint64_t frames, bytes;
};

static struct client clients[MOST_CLIENTS];
static int known; /* clients that were ever asked for; those in front of it may be dialled again */
static int port, poller;

/* The order that is carried out. */
static int under_way, at_once, stall_every, greeted, wanted_up_to, next_to_dial, opening;
static uint64_t order_began, failed, lost, opened, shakes[MOST_CLIENTS];
static char target[512];

/* The update that is waited for. */
static int armed, readers, arrived;
static uint64_t arrivals[MOST_CLIENTS];
static size_t update_bytes;

static uint64_t pings, ended;

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

static int by_size(const void *one, const void *other) {
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
    return (a > b) - (a < b);
}

static void watch(struct client *client, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = client};
    if (epoll_ctl(poller, operation, client->fd, &event) != 0) die("epoll_ctl");
}

static void hang_up(struct client *client) {
    /* By a reset, so that no port is kept waiting. */
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(client->fd);
    free(client->rest);
    client->rest = NULL;
    client->rest_size = 0;
}

static void report_if_arrived(void) {
    if (!armed || arrived < readers) return;
    armed = 0;
    qsort(arrivals, (size_t)arrived, sizeof *arrivals, by_size);
    uint64_t none = 0, *at = arrived ? arrivals : &none;
    int last = arrived ? arrived - 1 : 0;
    printf("done %d %llu %llu %llu %llu %zu\n", arrived, (unsigned long long)at[0],
           (unsigned long long)at[last / 2], (unsigned long long)at[(int)(last * 0.99)],
           (unsigned long long)at[last], update_bytes);
}

static void dial(struct client *client) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int on = 1, small = 4096;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->fd < 0) die("socket");
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (client->stalled) setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    if (connect(client->fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS)
        die("connect"); /* no port left or the like: nothing that the server did */
    client->state = DIALLING;
    client->began = now_ns();
    client->attempts++;
    under_way++;
    watch(client, EPOLL_CTL_ADD, EPOLLOUT);
}

static void dial_more(void) {
    while (opening && under_way < at_once && next_to_dial < wanted_up_to) {
        struct client *client = &clients[next_to_dial++];
        if (client->state == NOBODY) dial(client);
    }
}

static void finish_order_if_done(void) {
    if (!opening || under_way || next_to_dial < wanted_up_to) return;
    opening = 0;
    qsort(shakes, opened, sizeof *shakes, by_size);
    printf("opened %llu %llu %llu %llu %llu %llu\n", (unsigned long long)opened, (unsigned long long)failed,
           (unsigned long long)lost, (unsigned long long)(now_ns() - order_began),
           (unsigned long long)(opened ? shakes[opened / 2] : 0),
           (unsigned long long)(opened ? shakes[opened - 1] : 0));
}

/* A connection has ended, or could not be had. */
static void over(struct client *client) {
    enum state before = client->state;
    hang_up(client);
    client->state = GONE;
    if (before == OPEN) {
        ended++;
        if (armed && !client->stalled && !client->has_it) {
            readers--;
            report_if_arrived();
        }
        return;
    }
    under_way--;
    failed++;
    if (client->attempts < MOST_ATTEMPTS)
        dial(client);
    else
        lost++;
    dial_more();
    finish_order_if_done();
}

static void is_open(struct client *client) {
    client->state = OPEN;
    shakes[opened++] = now_ns() - client->began;
    under_way--;
    if (client->stalled) watch(client, EPOLL_CTL_DEL, 0);
    dial_more();
    finish_order_if_done();
}

static void ask(struct client *client) {
    char request[1024];
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    int length = snprintf(request, sizeof request,
                          "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Version: 13\r\n\r\n",
                          target, port);
    if (error || send(client->fd, request, (size_t)length, MSG_NOSIGNAL) != length) {
        over(client);
        return;
    }
    client->state = ASKING;
    watch(client, EPOLL_CTL_MOD, EPOLLIN);
}

static void answer_ping(struct client *client, const unsigned char *payload, size_t length) {
    unsigned char pong[6 + 125] = {0x8a, (unsigned char)(0x80 | length), 0, 0, 0, 0};
    memcpy(pong + 6, payload, length);
    pings++;
    if (send(client->fd, pong, 6 + length, MSG_NOSIGNAL) < 0) return; /* its end is seen when it is read */
}

static void take(struct client *client, int opcode, const unsigned char *payload, size_t length, uint64_t now) {
    client->frames++;
    if (opcode == 9 && length <= 125) answer_ping(client, payload, length);
    if (opcode != 1) return;
    if (client->state == WAITING) {
        is_open(client);
        return;
    }
    if (!armed || client->has_it) return;
    if (length < sizeof UPDATE || memcmp(payload, UPDATE, sizeof UPDATE - 1) != 0) return;
    client->has_it = 1;
    update_bytes = length;
    arrivals[arrived++] = now;
    report_if_arrived();
}

/* Take every whole frame; return how many bytes they had. */
static size_t take_frames(struct client *client, const unsigned char *data, size_t size, uint64_t now) {
    size_t at = 0;
    while (size - at >= 2) {
        size_t length = data[at + 1] & 0x7f, head = 2;
        if (length == 126) {
            if (size - at < 4) break;
            length = (size_t)data[at + 2] << 8 | data[at + 3];
            head = 4;
        } else if (length == 127) {
            fprintf(stderr, "load: a frame of 64 KiB or more\n");
            exit(1);
        }
        if (size - at < head + length) break;
        take(client, data[at] & 0x0f, data + at + head, length, now);
        at += head + length;
        if (client->state == GONE) return size;
    }
    return at;
}

/* The bytes behind the head of a good answer; NULL: it is not whole. Anything else ends the client. */
static const unsigned char *behind_head(struct client *client, unsigned char *data, size_t size) {
    unsigned char *end = memmem(data, size, "\r\n\r\n", 4);
    if (!end) return NULL;
    size_t head = (size_t)(end + 4 - data);
    if (head < 12 || memcmp(data, "HTTP/1.1 101", 12) != 0 || !memmem(data, head, ACCEPT, strlen(ACCEPT))) {
        if (failed < 3) fprintf(stderr, "load: refused: %.*s\n", (int)size, data);
        over(client);
        return NULL;
    }
    if (greeted)
        client->state = WAITING;
    else
        is_open(client);
    return end + 4;
}

static void receive(struct client *client) {
    static unsigned char buffer[BUFFER + 131072];
    size_t kept = client->rest_size;
    if (kept) {
        memcpy(buffer, client->rest, kept);
        free(client->rest);
        client->rest = NULL;
        client->rest_size = 0;
    }
    ssize_t got = recv(client->fd, buffer + kept, BUFFER, 0);
    if (got < 0 && errno == EAGAIN) got = 0;
    else if (got <= 0) {
        over(client);
        return;
    }
    uint64_t now = now_ns();
    client->bytes += (uint64_t)got;
    const unsigned char *data = buffer;
    size_t size = kept + (size_t)got, used = 0;
    if (client->state == ASKING) {
        const unsigned char *rest = behind_head(client, buffer, size);
        if (rest) {
            size -= (size_t)(rest - data);
            data = rest;
        } else if (client->state != ASKING)
            return; /* it was over, and may be dialled anew */
    }
    if (client->state == WAITING || client->state == OPEN) used = take_frames(client, data, size, now);
    if (used < size) {
        client->rest_size = (uint32_t)(size - used);
        client->rest = malloc(client->rest_size);
        if (!client->rest) die("malloc");
        memcpy(client->rest, data + used, client->rest_size);
    }
}

static void give_up_on_the_late(void) {
    uint64_t now = now_ns();
    for (int i = 0; i < known; i++) {
        enum state state = clients[i].state;
        if (state != NOBODY && state < OPEN && now - clients[i].began > GIVE_UP_NS) over(&clients[i]);
    }
}

static void order_open(int count) {
    if (opening || known + count > MOST_CLIENTS) {
        fprintf(stderr, "load: too many clients, or two orders at once\n");
        exit(1);
    }
    for (int i = known; i < known + count; i++) {
        memset(&clients[i], 0, sizeof clients[i]);
        clients[i].stalled = stall_every && i % stall_every == stall_every - 1;
    }
    failed = lost = opened = 0;
    next_to_dial = known;
    wanted_up_to = known += count;
    opening = 1;
    order_began = now_ns();
    dial_more();
    finish_order_if_done();
}

static void order_arm(void) {
    readers = arrived = 0;
    for (int i = 0; i < known; i++) {
        clients[i].has_it = 0;
        if (clients[i].state == OPEN && !clients[i].stalled) readers++;
    }
    armed = 1;
    printf("armed %d\n", readers);
    report_if_arrived();
}

static void order_drop(int count) {
    int dropped = 0;
    for (; dropped < count && known; dropped++)
        if (clients[--known].state == OPEN) hang_up(&clients[known]);
    printf("dropped %d\n", dropped);
}

static void order_stats(void) {
    uint64_t frames = 0, bytes = 0;
    int open = 0;
    for (int i = 0; i < known; i++) {
        frames += clients[i].frames;
        bytes += clients[i].bytes;
        open += clients[i].state == OPEN;
    }
    printf("stats %d %llu %llu %llu %llu\n", open, (unsigned long long)frames, (unsigned long long)bytes,
           (unsigned long long)pings, (unsigned long long)ended);
}

static void obey(const char *line) {
    int count;
    if (sscanf(line, "open %d %d %d %d %511s", &count, &at_once, &stall_every, &greeted, target) == 5)
        order_open(count);
    else if (strcmp(line, "arm") == 0)
        order_arm();
    else if (sscanf(line, "drop %d", &count) == 1)
        order_drop(count);
    else if (strcmp(line, "stats") == 0)
        order_stats();
    else {
        fprintf(stderr, "load: what is '%s'?\n", line);
        exit(1);
    }
}

static void listen_to_caller(void) {
    static char text[2048];
    static size_t size;
    ssize_t got = read(0, text + size, sizeof text - 1 - size);
    if (got <= 0) exit(0);
    size += (size_t)got;
    text[size] = 0;
    for (char *end; (end = memchr(text, '\n', size));) {
        size_t length = (size_t)(end + 1 - text);
        *end = 0;
        obey(text);
        memmove(text, text + length, size - length + 1);
        size -= length;
    }
}

static void serve(struct client *client) {
    if (client->state == DIALLING)
        ask(client);
    else if (client->state == ASKING || client->state == WAITING || client->state == OPEN)
        receive(client);
}

int main(int argc, char **argv) {
    static struct epoll_event events[1024];
    struct rlimit files;
    if (argc != 2) return 2;
    port = atoi(argv[1]);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    setvbuf(stdout, NULL, _IOLBF, 0);
    poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poller, EPOLL_CTL_ADD, 0, &input);
    for (uint64_t looked = now_ns();;) {
        int count = epoll_wait(poller, events, 1024, opening ? 500 : -1);
        for (int i = 0; i < count; i++)
            if (events[i].data.ptr) serve(events[i].data.ptr);
        /* Last, as an order may forget clients that an event of this round is about. */
        for (int i = 0; i < count; i++)
            if (!events[i].data.ptr) listen_to_caller();
        if (opening && now_ns() - looked > 1000000000ULL) {
            looked = now_ns();
            give_up_on_the_late();
        }
    }
}
