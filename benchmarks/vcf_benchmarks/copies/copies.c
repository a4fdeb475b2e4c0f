// SPDX-License-Identifier: Apache-2.0
// Preloaded into client, server and stubs, counts what they copy: bytes of memcpy and memmove calls of at least
// LEAST bytes, and bytes that went through sockets. Loops that the compiler or a library writes out are not seen.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LEAST = 4096, COPIED = 0, SENT = 1, RECEIVED = 2, COUNTERS = 3 };

typedef void *(*copier)(void *, const void *, size_t);

static copier real_memcpy, real_memmove;
static ssize_t (*real_sendmsg)(int, const struct msghdr *, int);
static ssize_t (*real_recvmsg)(int, struct msghdr *, int);
static uint64_t nowhere[COUNTERS];
static uint64_t *counters = nowhere;

// One file a process, shared, so that whoever started it can read while it runs. A forked child gets its own.
static void open_counters(void) {
  char path[512];
  const char *folder = getenv("VCF_COPIES");
  counters = nowhere;
  if (!folder || snprintf(path, sizeof path, "%s/%d", folder, (int)getpid()) >= (int)sizeof path) return;
  int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return;
  if (ftruncate(file, sizeof nowhere) == 0) {
    void *memory = mmap(NULL, sizeof nowhere, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory != MAP_FAILED) counters = memory;
  }
  close(file);
}

__attribute__((constructor)) static void start(void) {
  real_memcpy = (copier)dlsym(RTLD_NEXT, "memcpy");
  real_memmove = (copier)dlsym(RTLD_NEXT, "memmove");
  real_sendmsg = (ssize_t(*)(int, const struct msghdr *, int))dlsym(RTLD_NEXT, "sendmsg");
  real_recvmsg = (ssize_t(*)(int, struct msghdr *, int))dlsym(RTLD_NEXT, "recvmsg");
  open_counters();
}

static void count(int what, size_t n) { __atomic_fetch_add(&counters[what], n, __ATOMIC_RELAXED); }

// Before the constructor has run, and there is no other way yet.
static void *slow_copy(void *to, const void *from, size_t n) {
  unsigned char *d = to;
  const unsigned char *s = from;
  if (d < s) {
    for (size_t i = 0; i < n; i++) { d[i] = s[i]; __asm__ volatile("" ::: "memory"); }
  } else {
    while (n--) { d[n] = s[n]; __asm__ volatile("" ::: "memory"); }
  }
  return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n) {
  if (n >= LEAST) count(COPIED, n);
  return real_memcpy ? real_memcpy(to, from, n) : slow_copy(to, from, n);
}

void *memmove(void *to, const void *from, size_t n) {
  if (n >= LEAST) count(COPIED, n);
  return real_memmove ? real_memmove(to, from, n) : slow_copy(to, from, n);
}

void *__memcpy_chk(void *restrict to, const void *restrict from, size_t n, size_t room) {
  if (n > room) abort();
  return memcpy(to, from, n);
}

void *__memmove_chk(void *to, const void *from, size_t n, size_t room) {
  if (n > room) abort();
  return memmove(to, from, n);
}

ssize_t sendmsg(int socket, const struct msghdr *message, int flags) {
  ssize_t n = real_sendmsg(socket, message, flags);
  if (n > 0) count(SENT, (size_t)n);
  return n;
}

ssize_t recvmsg(int socket, struct msghdr *message, int flags) {
  ssize_t n = real_recvmsg(socket, message, flags);
  if (n > 0) count(RECEIVED, (size_t)n);
  return n;
}
