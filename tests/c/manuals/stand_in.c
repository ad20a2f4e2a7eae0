/* Runs the snippets of the manuals unchanged: wraps the library and maps production names to those of the test.
 *
 *   gcc -shared -fPIC -o stand-in.so stand_in.c -Wl,--no-as-needed .../libsocialchannel.so -Wl,-rpath,... -ldl
 *
 * In the library's place (SOCIAL_CHANNEL_LIBRARY, LD_PRELOAD) it hands everything on to the one that it is linked with, and changes
 * what it is given by the environment: STAND_IN_LIBRARY is that library's file; STAND_IN_POLICY, a JSON document, becomes the
 * policy of every host; of the lines "FROM=TO" of STAND_IN_MAP each FROM in a text becomes TO; STAND_IN_WORK_MS is the longest
 * that work() takes. Preloaded (LD_PRELOAD) it leads connections to Unix sockets by STAND_IN_MAP, and those to the port 8080
 * of this machine to STAND_IN_PORT.
 */
#define _GNU_SOURCE
#include "social_channel.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static void *real(const char *name) {
  static void *library = NULL;
  if (library == NULL) library = dlopen(getenv("STAND_IN_LIBRARY"), RTLD_NOW);
  void *found = library == NULL ? NULL : dlsym(library, name);
  if (found == NULL) {
    fprintf(stderr, "stand-in: %s\n", dlerror());
    abort();
  }
  return found;
}

/* The text with every FROM replaced; to be freed. */
static char *mapped(const char *text) {
  if (text == NULL) return NULL;
  char *now = strdup(text);
  const char *map = getenv("STAND_IN_MAP");
  char *lines = strdup(map == NULL ? "" : map), *rest = lines, *line;
  while ((line = strsep(&rest, "\n")) != NULL) {
    char *to = strchr(line, '=');
    if (to == NULL) continue;
    *to++ = '\0';
    char *out = NULL, *from = now, *at;
    size_t length = 0;
    FILE *stream = open_memstream(&out, &length);
    while ((at = strstr(from, line)) != NULL) {
      fprintf(stream, "%.*s%s", (int)(at - from), from, to);
      from = at + strlen(line);
    }
    fputs(from, stream);
    fclose(stream);
    free(now);
    now = out;
  }
  free(lines);
  return now;
}

socialchannel_status socialchannel_host_open(const char *config, socialchannel_host **host_out,
                                             socialchannel_error **error_out) {
  char *given = mapped(config), *with = NULL;
  const char *policy = getenv("STAND_IN_POLICY");
  const char *brace = given == NULL ? NULL : strchr(given, '{');
  if (policy != NULL && brace != NULL) {
    const char *more = strchr(brace, '"') == NULL ? "" : ",";
    if (asprintf(&with, "{\"policy\":%s%s%s", policy, more, brace + 1) < 0) abort();
  }
  socialchannel_status (*open)(const char *, socialchannel_host **, socialchannel_error **) = real("socialchannel_host_open");
  socialchannel_status status = open(with == NULL ? given : with, host_out, error_out);
  free(given);
  free(with);
  return status;
}

socialchannel_status socialchannel_host_work(const socialchannel_host *host, uint64_t longest_ms, char **worked_out,
                                             socialchannel_error **error_out) {
  const char *longest = getenv("STAND_IN_WORK_MS");
  uint64_t most = longest == NULL ? UINT64_MAX : strtoull(longest, NULL, 10);
  socialchannel_status (*work)(const socialchannel_host *, uint64_t, char **, socialchannel_error **) =
    real("socialchannel_host_work");
  return work(host, longest_ms < most ? longest_ms : most, worked_out, error_out);
}

socialchannel_status socialchannel_host_get_profile(const socialchannel_host *host, const char *tenant, const char *channel,
                                                    char **profile_out, socialchannel_error **error_out) {
  socialchannel_status (*get)(const socialchannel_host *, const char *, const char *, char **, socialchannel_error **) =
    real("socialchannel_host_get_profile");
  char *led = mapped(channel);
  socialchannel_status status = get(host, tenant, led, profile_out, error_out);
  free(led);
  return status;
}

/* publish and check_post have the same parameters. */
static socialchannel_status requested(const char *name, const socialchannel_host *host, const char *tenant, const char *channel,
                                      const char *request, char **out, socialchannel_error **error_out) {
  socialchannel_status (*call)(const socialchannel_host *, const char *, const char *, const char *, char **,
                               socialchannel_error **) = real(name);
  char *led = mapped(request);
  socialchannel_status status = call(host, tenant, channel, led, out, error_out);
  free(led);
  return status;
}

socialchannel_status socialchannel_host_publish(const socialchannel_host *host, const char *tenant, const char *channel,
                                                const char *request, char **job_out, socialchannel_error **error_out) {
  return requested("socialchannel_host_publish", host, tenant, channel, request, job_out, error_out);
}

socialchannel_status socialchannel_host_check_post(const socialchannel_host *host, const char *tenant, const char *channel,
                                                   const char *request, char **findings_out, socialchannel_error **error_out) {
  return requested("socialchannel_host_check_post", host, tenant, channel, request, findings_out, error_out);
}

int connect(int socket, const struct sockaddr *address, socklen_t length) {
  int (*next)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "connect");
  const char *port = getenv("STAND_IN_PORT");
  if (address->sa_family == AF_UNIX) {
    struct sockaddr_un led = {.sun_family = AF_UNIX};
    const struct sockaddr_un *asked = (const struct sockaddr_un *)address;
    if (length > sizeof(sa_family_t) && asked->sun_path[0] == '/') {
      char *path = mapped(asked->sun_path);
      snprintf(led.sun_path, sizeof(led.sun_path), "%s", path);
      free(path);
      return next(socket, (const struct sockaddr *)&led, sizeof(led));
    }
  } else if (address->sa_family == AF_INET && port != NULL) {
    struct sockaddr_in led = *(const struct sockaddr_in *)address;
    if (led.sin_port == htons(8080) && led.sin_addr.s_addr == htonl(INADDR_LOOPBACK)) {
      led.sin_port = htons((uint16_t)atoi(port));
      return next(socket, (const struct sockaddr *)&led, sizeof(led));
    }
  }
  return next(socket, address, length);
}
