/* A complete program in C: load a provider, configure it, connect an account, read its profile, statistics and posts,
 * publish a 70 MB video with progress, and replace the provider meanwhile.
 *
 * It uses the simulator, so no account and no network is needed. From the root of the repository:
 *
 *   cargo xtask install --prefix /tmp/socialchannel
 *   export PATH=/tmp/socialchannel/bin:$PATH PKG_CONFIG_PATH=/tmp/socialchannel/lib/pkgconfig
 *   cc -Wall -o story examples/c/story.c $(pkg-config --cflags --libs socialchannel)
 *   tiktok-simulator --port 0 --auto-consent --describe > simulator.json &
 *   until [ -s simulator.json ]; do sleep 0.1; done
 *   LD_LIBRARY_PATH=/tmp/socialchannel/lib ./story \
 *       /tmp/socialchannel/share/social-channel/providers/plugin_tiktok.wasm simulator.json
 *   kill %1
 *
 * curl acts as the person's browser, since the simulator consents automatically. A real program redirects
 * the browser to the URL and receives it at its callback. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <social_channel.h>

#define OWNER "session-of-this-browser"
#define CALLBACK "http://127.0.0.1:9123/callback"
#define VIDEO_SIZE 70000000L

/* The raw value of a member of a JSON object; a text without its quotes. NULL: there is none.
 * A real program uses a JSON library; this example has none, so that it needs only a compiler. */
static char *member(const char *json, const char *name) {
  int depth = 0;
  for (const char *at = json; at && *at; at++) {
    if (*at == '{' || *at == '[') depth++;
    if (*at == '}' || *at == ']') depth--;
    if (*at != '"') continue;
    const char *text = at + 1;
    for (at = text; *at && *at != '"'; at++)
      if (*at == '\\' && at[1]) at++;
    size_t length = (size_t)(at - text);
    const char *value = at + (*at == '"') + strspn(at + (*at == '"'), " \n");
    if (depth != 1 || *value != ':' || length != strlen(name) || strncmp(text, name, length) != 0) continue;
    value += 1 + strspn(value + 1, " \n");
    const char *end = value;
    int inner = 0, quoted = 0;
    for (; *end; end++) {
      if (quoted && *end == '\\' && end[1]) { end++; continue; }
      if (*end == '"') quoted = !quoted;
      if (quoted) continue;
      if (*end == '{' || *end == '[') inner++;
      if (*end == '}' || *end == ']') { if (inner == 0) break; inner--; }
      if (*end == ',' && inner == 0) break;
    }
    if (*value == '"') return strndup(value + 1, (size_t)(end - value) - 2);
    return strndup(value, (size_t)(end - value));
  }
  return NULL;
}

/* A member of a member. */
static char *member2(const char *json, const char *outer, const char *inner) {
  char *object = member(json, outer);
  char *value = object ? member(object, inner) : NULL;
  free(object);
  return value;
}

static char *formatted(const char *format, const char *one, const char *two) {
  size_t size = strlen(format) + strlen(one) + strlen(two) + 1;
  char *text = malloc(size);
  if (text) snprintf(text, size, format, one, two);
  return text;
}

static unsigned char *read_file(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (!file) { perror(path); return NULL; }
  size_t room = 1 << 20;
  unsigned char *bytes = malloc(room);
  *size = 0;
  for (size_t got; bytes && (got = fread(bytes + *size, 1, room - *size - 16, file)) > 0;) {
    *size += got;
    if (room - *size <= 16) bytes = realloc(bytes, room *= 2);
  }
  fclose(file);
  if (bytes) bytes[*size] = 0;
  return bytes;
}

/* A video of zeros behind its index: 70 MB that take no room. Run it from the folder above `examples`. */
static int make_video(const char *path) {
  size_t size;
  unsigned char *head = read_file("examples/head.mp4", &size);
  FILE *file = head ? fopen(path, "wb") : NULL;
  if (!file) { perror(path); free(head); return 0; }
  int made = fwrite(head, 1, size, file) == size && fflush(file) == 0 && ftruncate(fileno(file), VIDEO_SIZE) == 0;
  free(head);
  return fclose(file) == 0 && made;
}

/* The browser, which is sent to the platform's page and redirected back to the callback. */
static char *browse(const char *url) {
  char line[4096] = "";
  char *command = formatted("curl -s -o /dev/null -w '%%{redirect_url}' '%s'%s", url, "");
  FILE *curl = command ? popen(command, "r") : NULL;
  if (curl) {
    if (!fgets(line, sizeof line, curl)) line[0] = 0;
    pclose(curl);
  }
  free(command);
  return *line ? strdup(line) : NULL;
}

/* Wraps every call: on failure it prints what happened, why, and what to do now. */
static int done(const char *what, socialchannel_status status, socialchannel_error **error) {
  if (status == SOCIALCHANNEL_STATUS_OK) return 1;
  const char *remedy = socialchannel_error_remedy(*error);
  fprintf(stderr, "%s: %s (%s)\n%s%s\n", what, socialchannel_error_message(*error), socialchannel_error_kind(*error),
          remedy ? "hint: " : "", remedy ? remedy : "");
  return 0;
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: %s COMPONENT.wasm SIMULATOR.json [VIDEO.mp4]\n", argv[0]);
    return 2;
  }
  int result = 1;
  socialchannel_host *host = NULL;
  socialchannel_error *error = NULL;
  char *out = NULL, *config = NULL, *url = NULL, *callback = NULL, *channel = NULL, *job = NULL, *status = NULL;
  char folder[] = "/tmp/socialchannel-story-XXXXXX";
  size_t component_size = 0, description_size = 0;
  unsigned char *component = read_file(argv[1], &component_size);
  char *description = (char *)read_file(argv[2], &description_size);
  char *origins = description ? member(description, "connect_to") : NULL;
  char *app = description ? member(description, "app") : NULL;
  char *video = argc > 3 ? strdup(argv[3]) : NULL;
  if (!component || !origins || !app || !mkdtemp(folder)) goto end;

  /* Open. A real program has no "policy", which sends the provider's requests to the simulator. */
  config = formatted("{\"data\": \"%s\", \"policy\": {\"connect_to\": %s}}", folder, origins);
  if (!done("open", socialchannel_host_open(config, &host, &error), &error)) goto end;

  /* Load, settings. */
  if (!done("load", socialchannel_host_load_provider(host, component, component_size, &out, &error), &error)) goto end;
  socialchannel_string_free(out), out = NULL;
  if (!done("settings", socialchannel_host_put_app(host, "demo", app, &out, &error), &error)) goto end;
  socialchannel_string_free(out), out = NULL;

  /* Connect. */
  if (!done("connect",
            socialchannel_host_begin_connect(host, NULL, "demo",
                                             "{\"owner\": \"" OWNER "\", \"redirect_uri\": \"" CALLBACK "\"}", &out,
                                             &error),
            &error))
    goto end;
  url = member2(out, "redirect", "url");
  socialchannel_string_free(out), out = NULL;
  callback = url ? browse(url) : NULL;
  if (!callback) { fprintf(stderr, "the browser did not come back\n"); goto end; }
  if (!done("connect", socialchannel_host_complete_connect(host, NULL, OWNER, callback, &out, &error), &error))
    goto end;
  channel = member2(out, "channel", "id");
  if (!channel) { fprintf(stderr, "one account was expected: %s\n", out); goto end; }
  socialchannel_string_free(out), out = NULL;

  /* Profile, stats, list. */
  if (!done("profile", socialchannel_host_get_profile(host, NULL, channel, &out, &error), &error)) goto end;
  printf("profile: %s\n", out);
  socialchannel_string_free(out), out = NULL;
  if (!done("stats", socialchannel_host_get_stats(host, NULL, channel, &out, &error), &error)) goto end;
  printf("stats: %s\n", out);
  socialchannel_string_free(out), out = NULL;
  if (!done("list", socialchannel_host_list_posts(host, NULL, channel, "{\"limit\": 3}", &out, &error), &error))
    goto end;
  printf("posts: %s\n", out);
  socialchannel_string_free(out), out = NULL;

  /* Publish, with progress; when half is sent the provider is replaced with one that differs in a mark at its end. The
   * job continues with the component that started it. */
  if (!video) {
    video = formatted("%s/video.mp4%s", folder, "");
    if (!video || !make_video(video)) goto end;
  }
  free(config);
  config = formatted("{\"post\": {\"kind\": \"video\", \"text\": \"From C\", \"visibility\": \"PUBLIC_TO_EVERYONE\"}, "
                     "\"media\": [{\"file\": \"%s\", \"content_type\": \"video/mp4\"}], \"idempotency_key\": \"%s\"}",
                     video, folder);
  if (!done("publish", socialchannel_host_publish(host, NULL, channel, config, &out, &error), &error)) goto end;
  job = member(out, "id");
  for (int swapped = 0;;) {
    char *sent = member(out, "bytes_sent"), *total = member(out, "bytes_total");
    double part = sent && total && atof(total) > 0 ? atof(sent) / atof(total) : 0;
    free(sent), free(total), free(status);
    status = member(out, "status");
    socialchannel_string_free(out), out = NULL;
    printf("\r%-9s %3.0f %%", status, part * 100), fflush(stdout);
    if (part >= 0.5 && !swapped) {
      memcpy(component + component_size, "\0\x08\x07swapped", 10);
      if (!done("swap", socialchannel_host_load_provider(host, component, component_size + 10, &out, &error), &error))
        goto end;
      socialchannel_string_free(out), out = NULL;
      printf("  the provider was swapped\n");
      swapped = 1;
    }
    if (!status || strcmp(status, "active") != 0) break;
    if (!done("wait", socialchannel_host_wait_for_job(host, NULL, job, 50, &out, &error), &error)) goto end;
  }
  printf("\n");
  if (!status || strcmp(status, "published") != 0) {
    fprintf(stderr, "the job ended as %s\n", status ? status : "nothing");
    goto end;
  }

  if (!done("disconnect", socialchannel_host_disconnect(host, NULL, channel, &out, &error), &error)) goto end;
  printf("disconnected: %s\n", out);
  result = 0;

end:
  free(component), free(description), free(origins), free(app), free(video), free(config);
  free(url), free(callback), free(channel), free(job), free(status);
  socialchannel_string_free(out);
  socialchannel_error_free(error);
  socialchannel_host_free(host);
  return result;
}
