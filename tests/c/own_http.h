/* A program's own HTTP: HTTP/1.1 over a new socket for every request, with faults that a test selects. */
#ifndef OWN_HTTP_H
#define OWN_HTTP_H

#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <strings.h>
#include <sys/socket.h>

#include "check.h"

enum fault {
  NONE,
  CANNED,        /* answers by itself */
  REFUSE,        /* does not let the request out */
  NOT_SENT,      /* reaches nobody */
  TIME_OUT,      /* gets no answer */
  NO_ANSWER,     /* returns as if all were well */
  SHORT_BODY,    /* says ten bytes, gives four */
  LONG_BODY,     /* says two bytes, gives four */
  BREAK_OFF,     /* gives up in the middle of the body */
  CALL_LIBRARY,  /* does what the header forbids */
  UNKNOWN_RESULT /* returns a number that the header does not have */
};

struct own_http {
  socialchannel_host *host;
  atomic_int fault, calls, finalized;
  atomic_long sent;
};

static inline int send_all(int to, const void *bytes, size_t length) {
  for (const char *at = bytes; length > 0;) {
    ssize_t sent = send(to, at, length, MSG_NOSIGNAL);
    if (sent <= 0) return 0;
    at += sent;
    length -= (size_t)sent;
  }
  return 1;
}

/* Streams the body. 0: the socket failed, and the server may already have responded. -1: the library gave up. */
static inline int send_body(struct own_http *own, int to, const socialchannel_http_request *request,
                            socialchannel_exchange *exchange) {
  static const size_t room = 64 << 10;
  char *buffer = malloc(room);
  CHECK(buffer != NULL);
  int result = 1;
  for (size_t length = 1; result == 1 && length > 0;) {
    if (socialchannel_exchange_read(exchange, (uint8_t *)buffer, room, &length, NULL) != SOCIALCHANNEL_STATUS_OK) {
      result = -1;
      break;
    }
    char size[32];
    snprintf(size, sizeof size, "%zx\r\n", length);
    int chunked = request->body_len < 0;
    result = (!chunked || send_all(to, size, strlen(size))) && send_all(to, buffer, length) &&
             (!chunked || send_all(to, "\r\n", 2));
    atomic_fetch_add(&own->sent, (long)length);
  }
  free(buffer);
  return result;
}

static inline uint32_t receive(FILE *from, socialchannel_exchange *exchange) {
  static const uint32_t broken = SOCIALCHANNEL_HTTP_RESULT_BROKEN;
  char lines[64][4096];
  socialchannel_header headers[64];
  size_t count = 0;
  int status = 0, chunked = 0;
  long length = -1;
  if (!fgets(lines[0], sizeof lines[0], from) || sscanf(lines[0], "HTTP/1.1 %d", &status) != 1) return broken;
  while (fgets(lines[count], sizeof lines[count], from) && strcmp(lines[count], "\r\n") != 0) {
    char *colon = strchr(lines[count], ':');
    if (!colon) return broken;
    *colon = 0;
    char *value = colon + 1 + strspn(colon + 1, " ");
    value[strcspn(value, "\r\n")] = 0;
    if (strcasecmp(lines[count], "transfer-encoding") == 0) { chunked = 1; continue; }
    if (strcasecmp(lines[count], "connection") == 0) continue;
    if (strcasecmp(lines[count], "content-length") == 0) length = atol(value);
    headers[count].name = lines[count];
    headers[count].value = value;
    if (++count == 64) return broken;
  }
  if (socialchannel_exchange_respond(exchange, (uint16_t)status, headers, count, NULL) != SOCIALCHANNEL_STATUS_OK)
    return broken;
  if (status == 204 || status == 304) return SOCIALCHANNEL_HTTP_RESULT_DONE;
  for (;;) {
    char buffer[8192];
    if (chunked) {
      if (!fgets(buffer, sizeof buffer, from)) return broken;
      length = strtol(buffer, NULL, 16);
    }
    for (long left = length; left != 0;) {
      size_t wanted = left > 0 && left < (long)sizeof buffer ? (size_t)left : sizeof buffer;
      size_t got = fread(buffer, 1, wanted, from);
      if (got == 0) return left < 0 ? SOCIALCHANNEL_HTTP_RESULT_DONE : broken;
      if (left > 0) left -= (long)got;
      if (socialchannel_exchange_write(exchange, (uint8_t *)buffer, got, NULL) != SOCIALCHANNEL_STATUS_OK) return broken;
    }
    if (!chunked) return SOCIALCHANNEL_HTTP_RESULT_DONE;
    if (!fgets(buffer, sizeof buffer, from)) return broken;
    if (length == 0) return SOCIALCHANNEL_HTTP_RESULT_DONE;
  }
}

static inline uint32_t over_a_socket(struct own_http *own, const socialchannel_http_request *request,
                                     socialchannel_exchange *exchange) {
  char host[256], port[16] = "80", head[16384];
  const char *rest = strstr(request->url, "://");
  CHECK(rest != NULL && strncmp(request->url, "http://", 7) == 0);
  rest += 3;
  size_t authority = strcspn(rest, "/?");
  snprintf(host, sizeof host, "%.*s", (int)authority, rest);
  char *colon = strrchr(host, ':');
  if (colon) {
    *colon = 0;
    snprintf(port, sizeof port, "%s", colon + 1);
  }
  struct addrinfo hints, *found = NULL;
  memset(&hints, 0, sizeof hints);
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  if (getaddrinfo(host, port, &hints, &found) != 0) return SOCIALCHANNEL_HTTP_RESULT_NOT_SENT;
  int to = socket(found->ai_family, found->ai_socktype, 0);
  int connected = to >= 0 && connect(to, found->ai_addr, found->ai_addrlen) == 0;
  freeaddrinfo(found);
  if (!connected) {
    if (to >= 0) close(to);
    return SOCIALCHANNEL_HTTP_RESULT_NOT_SENT;
  }
  size_t length = (size_t)snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nconnection: close\r\n", request->method,
                                   rest[authority] ? rest + authority : "/");
  int named = 0;
  for (size_t at = 0; at < request->headers_len; at++) {
    named |= strcasecmp(request->headers[at].name, "host") == 0;
    length += (size_t)snprintf(head + length, sizeof head - length, "%s: %s\r\n", request->headers[at].name,
                               request->headers[at].value);
    CHECK(length < sizeof head);
  }
  if (!named) length += (size_t)snprintf(head + length, sizeof head - length, "host: %s:%s\r\n", host, port);
  length += (size_t)snprintf(head + length, sizeof head - length, "%s\r\n",
                             request->body_len < 0 ? "transfer-encoding: chunked\r\n" : "");
  CHECK(length < sizeof head);
  uint32_t result = SOCIALCHANNEL_HTTP_RESULT_BROKEN;
  int sent = send_all(to, head, length);
  if (sent && request->body_len != 0) sent = send_body(own, to, request, exchange);
  FILE *from = sent < 0 ? NULL : fdopen(to, "rb");
  if (from) {
    result = receive(from, exchange);
    fclose(from);
  } else {
    close(to);
  }
  return result;
}

static inline uint32_t answer(socialchannel_exchange *exchange, const char *length, const char *body) {
  socialchannel_header headers[] = {{"content-type", "text/plain"}, {"Content-Length", length}};
  FAILS(SOCIALCHANNEL_STATUS_INVALID_ARGUMENT, "not_answered",
        socialchannel_exchange_write(exchange, (const uint8_t *)body, 1, &error));
  FAILS(SOCIALCHANNEL_STATUS_INVALID_ARGUMENT, "no_status",
        socialchannel_exchange_respond(exchange, 100, headers, 2, &error));
  OK(socialchannel_exchange_respond(exchange, 200, headers, 2, &error));
  FAILS(SOCIALCHANNEL_STATUS_INVALID_ARGUMENT, "answered_already",
        socialchannel_exchange_respond(exchange, 200, headers, 2, &error));
  /* Data after the response's end is refused or ignored, depending on when it is noticed. */
  socialchannel_exchange_write(exchange, (const uint8_t *)body, strlen(body), NULL);
  return SOCIALCHANNEL_HTTP_RESULT_DONE;
}

static inline uint32_t own_exchange(void *userdata, const socialchannel_http_request *request,
                                    socialchannel_exchange *exchange) {
  struct own_http *own = userdata;
  atomic_fetch_add(&own->calls, 1);
  switch (atomic_load(&own->fault)) {
    case NONE: return over_a_socket(own, request, exchange);
    case CANNED: return answer(exchange, "5", "hello");
    case REFUSE:
      CHECK(socialchannel_explain("the office is closed", NULL) == SOCIALCHANNEL_STATUS_OK);
      return SOCIALCHANNEL_HTTP_RESULT_REFUSED;
    case NOT_SENT:
      CHECK(socialchannel_explain("no route", NULL) == SOCIALCHANNEL_STATUS_OK);
      return SOCIALCHANNEL_HTTP_RESULT_NOT_SENT;
    case TIME_OUT: return SOCIALCHANNEL_HTTP_RESULT_TIMED_OUT;
    case NO_ANSWER: return SOCIALCHANNEL_HTTP_RESULT_DONE;
    case SHORT_BODY: return answer(exchange, "10", "half");
    case LONG_BODY: return answer(exchange, "2", "half");
    case BREAK_OFF:
      answer(exchange, "10", "half");
      CHECK(socialchannel_explain("the cable was cut", NULL) == SOCIALCHANNEL_STATUS_OK);
      return SOCIALCHANNEL_HTTP_RESULT_BROKEN;
    case CALL_LIBRARY: {
      char *out = NULL;
      FAILS(SOCIALCHANNEL_STATUS_INVALID_ARGUMENT, "called_from_callback",
            socialchannel_host_list_apps(own->host, &out, &error));
      FAILS(SOCIALCHANNEL_STATUS_INVALID_ARGUMENT, "wrong_handle",
            socialchannel_exchange_write((socialchannel_exchange *)own->host, (const uint8_t *)"x", 1, &error));
      return answer(exchange, "5", "hello");
    }
    default: return 4711;
  }
}

static inline void own_http_finalize(void *userdata) {
  struct own_http *own = userdata;
  atomic_fetch_add(&own->finalized, 1);
}

static inline socialchannel_http own_http_table(struct own_http *own) {
  socialchannel_http table = {sizeof table, own, own_exchange, own_http_finalize};
  return table;
}

#endif
