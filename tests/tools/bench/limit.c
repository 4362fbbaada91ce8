/*
 * The limit: what a delivery costs if a server does nothing else than to call send() once a connection.
 *
 *     limit PAYLOAD
 *
 * It prints `ready PORT`, accepts, answers every request head by the same upgrade (right for one key only) and
 * reads no frames. Each byte on its standard input sends PAYLOAD, framed once at the start, to everybody.
 * Who does not take it whole misses the rest: a limit is no server.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST 32768
#define INPUT -1
#define ANSWER \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"

static int poller, listener, crowd[MOST], place[MOST], size;
static unsigned char frame[65536];
static size_t frame_size;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void watch(int descriptor, int what) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = what};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, descriptor, &event) != 0) die("epoll_ctl");
}

static void listen_on_any_port(void) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    int on = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0) die("bind");
    if (listen(listener, 4096) != 0) die("listen");
    getsockname(listener, (struct sockaddr *)&address, &length);
    printf("ready %d\n", ntohs(address.sin_port));
}

static void make_frame(const char *payload) {
    size_t length = strlen(payload), head = length < 126 ? 2 : 4;
    if (length + head > sizeof frame) exit(2);
    frame[0] = 0x81;
    frame[1] = (unsigned char)(length < 126 ? length : 126);
    if (head == 4) {
        frame[2] = (unsigned char)(length >> 8);
        frame[3] = (unsigned char)length;
    }
    memcpy(frame + head, payload, length);
    frame_size = head + length;
}

static void accept_some(void) {
    for (int i = 0; i < 64; i++) {
        int descriptor = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (descriptor < 0) return;
        if (descriptor >= MOST) exit(2);
        place[descriptor] = -1;
        watch(descriptor, descriptor);
    }
}

static void leave(int descriptor) {
    if (place[descriptor] >= 0 && place[descriptor] < MOST) {
        int last = crowd[--size];
        crowd[place[descriptor]] = last;
        place[last] = place[descriptor];
    }
    close(descriptor);
}

/* Who asks for other symbols does not get the updates. */
static void join(int descriptor, const char *head, size_t length) {
    if (memmem(head, length, "symbols=", 8)) {
        place[descriptor] = MOST;
        return;
    }
    place[descriptor] = size;
    crowd[size++] = descriptor;
}

static void hear(int descriptor) {
    char bytes[4096];
    ssize_t got = recv(descriptor, bytes, sizeof bytes, 0);
    if (got <= 0) {
        leave(descriptor);
    } else if (place[descriptor] < 0) {
        join(descriptor, bytes, (size_t)got);
        send(descriptor, ANSWER, sizeof ANSWER - 1, MSG_NOSIGNAL);
    }
}

static void tell_everybody(void) {
    char orders[64];
    ssize_t count = read(0, orders, sizeof orders);
    if (count <= 0) exit(0);
    while (count--)
        for (int i = 0; i < size; i++) send(crowd[i], frame, frame_size, MSG_NOSIGNAL);
}

int main(int argc, char **argv) {
    static struct epoll_event events[1024];
    struct rlimit files;
    if (argc != 2) return 2;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    setvbuf(stdout, NULL, _IOLBF, 0);
    make_frame(argv[1]);
    poller = epoll_create1(0);
    listen_on_any_port();
    watch(listener, listener);
    watch(0, INPUT);
    for (;;) {
        int count = epoll_wait(poller, events, 1024, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == INPUT)
                tell_everybody();
            else if (events[i].data.fd == listener)
                accept_some();
            else
                hear(events[i].data.fd);
        }
    }
}
