/* Shared code of the C tests. Each test program is a list of checks of the library; the first that fails ends
 * it. Arguments of every program: the folder of the components, a working folder, the address of a simulator. */
#ifndef CHECK_H
#define CHECK_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <social_channel.h>

#define OWNER "browser-1"

#define CHECK(holds)                                                                  \
  do {                                                                                \
    if (!(holds)) {                                                                   \
      fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #holds);      \
      _exit(1);                                                                       \
    }                                                                                 \
  } while (0)

/* The call succeeds. */
#define OK(call)                                                                      \
  do {                                                                                \
    socialchannel_error *error = NULL;                                                \
    socialchannel_status status_ = (call);                                            \
    if (status_ != SOCIALCHANNEL_STATUS_OK) {                                         \
      fprintf(stderr, "%s:%d: %s failed: %s\n", __FILE__, __LINE__, #call,            \
              error ? socialchannel_error_json(error) : "(no error)");                \
      _exit(1);                                                                       \
    }                                                                                 \
    CHECK(error == NULL);                                                             \
  } while (0)

/* The call fails with this status and, if `code_` is not NULL, this code; the error agrees with what was returned. */
#define FAILS(status_wanted, code_, call)                                             \
  do {                                                                                \
    socialchannel_error *error = NULL;                                                \
    socialchannel_status status_ = (call);                                            \
    const char *code_wanted = (code_);                                                \
    if (status_ != (status_wanted)) {                                                 \
      fprintf(stderr, "%s:%d: %s: status %d, %s\n", __FILE__, __LINE__, #call,        \
              (int)status_, error ? socialchannel_error_json(error) : "no error");    \
      _exit(1);                                                                       \
    }                                                                                 \
    CHECK(error != NULL);                                                             \
    CHECK(socialchannel_error_status(error) == status_);                              \
    CHECK(strlen(socialchannel_error_message(error)) > 0);                            \
    CHECK(strcmp(socialchannel_error_kind(error), socialchannel_status_name(status_)) == 0); \
    if (code_wanted) {                                                                \
      CHECK(socialchannel_error_code(error) != NULL);                                 \
      CHECK(strcmp(socialchannel_error_code(error), code_wanted) == 0);               \
    }                                                                                 \
    socialchannel_error_free(error);                                                  \
  } while (0)

static char *components;
static char *folder;

static inline void begin(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: %s COMPONENTS FOLDER\n", argv[0]);
    exit(2);
  }
  components = argv[1];
  folder = argv[2];
}

/* A text of at most 2 KiB that is never freed, but stored so that it does not count as a leak: there are few. */
static inline char *said(const char *format, const char *one, const char *two) {
  /* Volatile, because they are never read but must exist. */
  static char *volatile kept[1024];
  static size_t count;
  CHECK(count < sizeof kept / sizeof *kept);
  char *text = kept[count++] = malloc(2048);
  CHECK(text != NULL);
  CHECK(snprintf(text, 2048, format, one, two) < 2048);
  return text;
}

static inline unsigned char *component(const char *name, size_t *size) {
  FILE *file = fopen(said("%s/%s.wasm", components, name), "rb");
  CHECK(file != NULL);
  fseek(file, 0, SEEK_END);
  *size = (size_t)ftell(file);
  rewind(file);
  unsigned char *bytes = malloc(*size);
  CHECK(bytes != NULL && fread(bytes, 1, *size, file) == *size);
  fclose(file);
  return bytes;
}

/* A video of zeros behind its index; sparse. */
static inline void write_video(const char *path, long size) {
  unsigned char head[4096];
  FILE *kept = fopen("examples/head.mp4", "rb"), *file = fopen(path, "wb");
  CHECK(kept != NULL && file != NULL);
  size_t length = fread(head, 1, sizeof head, kept);
  CHECK(length > 0 && fwrite(head, 1, length, file) == length && fflush(file) == 0);
  CHECK(ftruncate(fileno(file), size) == 0 && fclose(file) == 0 && fclose(kept) == 0);
}

/* The text after the first `"name":"` of a document; must be freed. */
static inline char *text_of(const char *json, const char *name) {
  char pattern[64];
  snprintf(pattern, sizeof pattern, "\"%s\":\"", name);
  const char *start = strstr(json, pattern);
  CHECK(start != NULL);
  start += strlen(pattern);
  return strndup(start, strcspn(start, "\""));
}

/* A host in a separate folder below the working folder; compiled components are shared. */
static inline socialchannel_host *open_host(const char *name, const char *more) {
  socialchannel_host *host = NULL;
  char *config = said("{\"data\": \"%s\", \"cache\": \"%s\"", said("%s/%s", folder, name), said("%s/cache%s", folder, ""));
  config = said("%s%s}", config, more);
  OK(socialchannel_host_open(config, &host, &error));
  CHECK(host != NULL);
  return host;
}

/* Loads the test provider, whose setting `behaviour` selects what it does. */
static inline void load_test_provider(socialchannel_host *host) {
  size_t size = 0;
  unsigned char *bytes = component("test_provider", &size);
  char *out = NULL;
  OK(socialchannel_host_load_provider(host, bytes, size, &out, &error));
  CHECK(strstr(out, "test-provider") != NULL);
  socialchannel_string_free(out);
  free(bytes);
}

static inline void behave(socialchannel_host *host, const char *behaviour) {
  char *out = NULL;
  char *config = said("{\"provider\": \"test-provider\", \"redirect_uri\": \"http://127.0.0.1:9123/callback\", "
                      "\"settings\": {\"behaviour\": \"%s\", \"url\": \"%s\"}}", behaviour, "https://127.0.0.1/");
  OK(socialchannel_host_put_app(host, "app", config, &out, &error));
  socialchannel_string_free(out);
}

/* Connects an account of the test provider, which needs no network; returns its channel's id, which must be freed. */
static inline char *connect_account(socialchannel_host *host, const char *tenant) {
  char *out = NULL;
  OK(socialchannel_host_begin_connect(host, tenant, "app", "{\"owner\": \"" OWNER "\"}", &out, &error));
  char *state = text_of(out, "state");
  socialchannel_string_free(out);
  char *callback = said("http://127.0.0.1:9123/callback?code=x%%2Fy&state=%s%s", state, "#here");
  OK(socialchannel_host_complete_connect(host, tenant, OWNER, callback, &out, &error));
  char *channel = text_of(out, "id");
  socialchannel_string_free(out);
  free(state);
  return channel;
}

#endif
