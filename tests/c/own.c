/* A program with its own storage and its own HTTP: what goes through them, what does not, and how their failures
 * are reported. The last argument is the address of a simulator. */
#include "own_http.h"
#include "own_storage.h"

#define BAD SOCIALCHANNEL_STATUS_INVALID_ARGUMENT
#define CALLBACK "http://127.0.0.1:9123/callback"

static struct own_storage storage;
static struct own_http http;

static socialchannel_host *open_with(const char *name, const char *more) {
  memset(&storage, 0, sizeof storage);
  memset(&http, 0, sizeof http);
  socialchannel_storage storage_table = own_storage_table(&storage);
  socialchannel_http http_table = own_http_table(&http);
  char *config = said("{\"data\": \"%s\", \"cache\": \"%s\"", said("%s/%s", folder, name), said("%s/cache%s", folder, ""));
  config = said("%s%s}", config, more);
  socialchannel_host *host = NULL;
  OK(socialchannel_host_open_with(config, &storage_table, &http_table, &host, &error));
  http.host = host;
  return host;
}

/* The tables are finalized once, when they are no longer used. */
static void close_with(socialchannel_host *host) {
  CHECK(atomic_load(&storage.finalized) == 0 && atomic_load(&http.finalized) == 0);
  socialchannel_host_free(host);
  for (int tries = 0; atomic_load(&storage.finalized) + atomic_load(&http.finalized) < 2; tries++) {
    CHECK(tries < 30000);
    usleep(1000);
  }
  CHECK(atomic_load(&storage.finalized) == 1 && atomic_load(&http.finalized) == 1);
}

static void a_table_that_is_not_whole_is_refused(void) {
  socialchannel_host *host = NULL;
  socialchannel_storage storage_table = own_storage_table(&storage);
  socialchannel_http http_table = own_http_table(&http);
  storage_table.size = 0;
  FAILS(BAD, "wrong_size", socialchannel_host_open_with("{}", &storage_table, NULL, &host, &error));
  storage_table.size = sizeof storage_table;
  storage_table.set_value = NULL;
  FAILS(BAD, "null_pointer", socialchannel_host_open_with("{}", &storage_table, NULL, &host, &error));
  http_table.exchange = NULL;
  FAILS(BAD, "null_pointer", socialchannel_host_open_with("{}", NULL, &http_table, &host, &error));
  http_table = own_http_table(&http);
  FAILS(BAD, "malformed_json", socialchannel_host_open_with("{", NULL, &http_table, &host, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_open_with("{}", NULL, &http_table, NULL, &error));
  FAILS(BAD, "not_in_callback", socialchannel_explain("nothing", &error));
  FAILS(BAD, "null_pointer", socialchannel_explain(NULL, &error));
  FAILS(BAD, "null_pointer", socialchannel_exchange_respond(NULL, 200, NULL, 0, &error));
  CHECK(host == NULL && atomic_load(&http.finalized) == 0 && atomic_load(&storage.finalized) == 0);
  /* Without tables it is an ordinary host. */
  OK(socialchannel_host_open_with("{}", NULL, NULL, &host, &error));
  socialchannel_host_free(host);
}

static void ask_for(socialchannel_host *host, const char *behaviour, const char *url) {
  char *out = NULL;
  char *config = said("{\"provider\": \"test-provider\", \"redirect_uri\": \"" CALLBACK "\", \"origins\": "
                      "[\"https://api.example.com\", \"https://127.0.0.1\"], \"settings\": {\"behaviour\": \"%s\", "
                      "\"url\": \"%s\"}}", behaviour, url);
  OK(socialchannel_host_put_app(host, "app", config, &out, &error));
  socialchannel_string_free(out);
}

static void what_a_provider_remembers_lies_with_the_program(socialchannel_host *host, const char *channel) {
  char *out = NULL;
  ask_for(host, "storage", "");
  OK(socialchannel_host_get_profile(host, NULL, channel, &out, &error));
  /* Made only once, compared and set, read back, bounded, listed in order, forgotten: the provider saw all of it. */
  CHECK(strstr(out, "true true true true true a+b true") != NULL);
  socialchannel_string_free(out);
  /* 64 KiB of zeros, which are stored encrypted. */
  size_t zeros = 0, length = kept(&storage, "app", "b", &zeros);
  CHECK(length > 65536 && zeros < length / 64);
  CHECK(kept(&storage, "app", "a", &zeros) == 0);

  atomic_store(&storage.broken, 1);
  socialchannel_error *error = NULL;
  ask_for(host, "storage-read", "");
  CHECK(socialchannel_host_get_profile(host, NULL, channel, &out, &error) == SOCIALCHANNEL_STATUS_UNAVAILABLE);
  CHECK(strstr(socialchannel_error_message(error), "get_value: the shelf fell over") != NULL);
  socialchannel_error_free(error);
  atomic_store(&storage.broken, 0);
}

/* Reads a profile under a fault; checks the status and a text in the error's message. */
static void fails_with(socialchannel_host *host, const char *channel, int fault, int status, const char *text) {
  char *out = NULL;
  socialchannel_error *error = NULL;
  atomic_store(&http.fault, fault);
  int calls = atomic_load(&http.calls);
  int got = (int)socialchannel_host_get_profile(host, NULL, channel, &out, &error);
  if (got != status || strstr(socialchannel_error_message(error), text) == NULL) {
    fprintf(stderr, "fault %d: status %d, %s\n", fault, got, error ? socialchannel_error_json(error) : out);
    _exit(1);
  }
  CHECK(atomic_load(&http.calls) == calls + 1);
  socialchannel_error_free(error);
}

static void failures_of_the_program_s_http_are_told(socialchannel_host *host, const char *channel) {
  char *out = NULL;
  ask_for(host, "get", "https://api.example.com/");
  atomic_store(&http.fault, CANNED);
  OK(socialchannel_host_get_profile(host, NULL, channel, &out, &error));
  CHECK(strstr(out, "\"bio\":\"200 hello\"") != NULL);
  socialchannel_string_free(out);
  atomic_store(&http.fault, CALL_LIBRARY);
  OK(socialchannel_host_get_profile(host, NULL, channel, &out, &error));
  socialchannel_string_free(out);

  fails_with(host, channel, REFUSE, SOCIALCHANNEL_STATUS_DENIED_BY_POLICY, "the office is closed");
  fails_with(host, channel, NOT_SENT, SOCIALCHANNEL_STATUS_UNAVAILABLE, "no route");
  fails_with(host, channel, TIME_OUT, SOCIALCHANNEL_STATUS_UNAVAILABLE, "ConnectionReadTimeout");
  fails_with(host, channel, NO_ANSWER, SOCIALCHANNEL_STATUS_UNAVAILABLE, "returned without a response");
  fails_with(host, channel, SHORT_BODY, SOCIALCHANNEL_STATUS_UNAVAILABLE, "before its Content-Length");
  fails_with(host, channel, LONG_BODY, SOCIALCHANNEL_STATUS_UNAVAILABLE, "longer than its Content-Length");
  fails_with(host, channel, BREAK_OFF, SOCIALCHANNEL_STATUS_UNAVAILABLE, "the cable was cut");
  fails_with(host, channel, UNKNOWN_RESULT, SOCIALCHANNEL_STATUS_UNAVAILABLE, "the connection broke off");

  /* Requests that the policy forbids do not reach the program's HTTP. */
  int calls = atomic_load(&http.calls);
  ask_for(host, "get", "https://evil.test/");
  FAILS(SOCIALCHANNEL_STATUS_DENIED_BY_POLICY, NULL, socialchannel_host_get_profile(host, NULL, channel, &out, &error));
  ask_for(host, "get", "https://127.0.0.1/");
  FAILS(SOCIALCHANNEL_STATUS_DENIED_BY_POLICY, NULL, socialchannel_host_get_profile(host, NULL, channel, &out, &error));
  CHECK(atomic_load(&http.calls) == calls);
  atomic_store(&http.fault, NONE);
}

static void a_deleted_app_leaves_nothing_behind(socialchannel_host *host, const char *channel) {
  char *out = NULL;
  OK(socialchannel_host_disconnect(host, NULL, channel, &out, &error));
  socialchannel_string_free(out);
  CHECK(count_of(&storage, "app") > 0);
  OK(socialchannel_host_delete_app(host, "app", &error));
  CHECK(count_of(&storage, "app") == 0);
}

/* The complete workflow over both, with the simulator. */
static void a_video_is_published_over_both(const char *origin) {
  char *mapped = said(", \"policy\": {\"connect_to\": [{\"from\": \"https://open.tiktokapis.com\", \"to\": \"%s\"}, "
                      "{\"from\": \"https://*.tiktokapis.com\", \"to\": \"%s\"}, ", origin, origin);
  mapped = said("%s{\"from\": \"https://www.tiktok.com\", \"to\": \"%s\"}]}", mapped, origin);
  socialchannel_host *host = open_with("own-story", mapped);
  size_t size = 0;
  unsigned char *bytes = component("plugin_tiktok", &size);
  char *out = NULL;
  OK(socialchannel_host_load_provider(host, bytes, size, &out, &error));
  socialchannel_string_free(out);
  free(bytes);
  OK(socialchannel_host_put_app(host, "demo",
                                "{\"provider\": \"tiktok\", \"redirect_uri\": \"http://127.0.0.1:*/callback\", \"settings\": "
                                "{\"client-key\": \"simkey-desktop\", \"client-secret\": \"simsecret-desktop-0001\", "
                                "\"kind\": \"desktop\"}}",
                                &out, &error));
  socialchannel_string_free(out);

  OK(socialchannel_host_begin_connect(host, NULL, "demo",
                                      "{\"owner\": \"" OWNER "\", \"redirect_uri\": \"" CALLBACK "\"}", &out, &error));
  char *url = text_of(out, "url");
  socialchannel_string_free(out);
  FILE *browser = popen(said("curl -s -o /dev/null -w '%%{redirect_url}' '%s'%s", url, ""), "r");
  char line[1024] = "";
  CHECK(browser != NULL && fgets(line, sizeof line, browser) != NULL && pclose(browser) == 0);
  OK(socialchannel_host_complete_connect(host, NULL, OWNER, line, &out, &error));
  char *channel = text_of(out, "id");
  socialchannel_string_free(out);
  free(url);

  OK(socialchannel_host_get_profile(host, NULL, channel, &out, &error));
  CHECK(strstr(out, "\"display_name\":") != NULL);
  socialchannel_string_free(out);
  CHECK(atomic_load(&http.calls) >= 2);

  enum { VIDEO = 12000000 };
  char *path = said("%s/own.mp4%s", folder, "");
  write_video(path, VIDEO);
  atomic_store(&http.sent, 0);
  char *request = said("{\"post\": {\"kind\": \"video\", \"text\": \"By our own means\", \"visibility\": "
                       "\"PUBLIC_TO_EVERYONE\"}, \"media\": [{\"file\": \"%s\", \"content_type\": \"video/mp4\"}]%s}", path, "");
  OK(socialchannel_host_publish(host, NULL, channel, request, &out, &error));
  char *job = text_of(out, "id");
  socialchannel_string_free(out);
  OK(socialchannel_host_wait_for_job(host, NULL, job, 300000, &out, &error));
  if (strstr(out, "\"status\":\"published\"") == NULL) fprintf(stderr, "%s\n", out);
  CHECK(strstr(out, "\"status\":\"published\"") != NULL);
  socialchannel_string_free(out);
  CHECK(atomic_load(&http.sent) >= VIDEO);
  FAILS(SOCIALCHANNEL_STATUS_INVALID_REQUEST, NULL, socialchannel_host_resume_job(host, NULL, job, &out, &error));
  OK(socialchannel_host_cancel_job(host, NULL, job, &out, &error));
  CHECK(strstr(out, "\"status\":\"published\"") != NULL);
  socialchannel_string_free(out);
  /* The provider counts its requests over all processes, in the program's storage. */
  CHECK(count_of(&storage, "demo") > 0);
  free(channel);
  free(job);
  close_with(host);
}

int main(int argc, char **argv) {
  begin(argc, argv);
  CHECK(argc > 3);
  a_table_that_is_not_whole_is_refused();
  socialchannel_host *host = open_with("own", "");
  load_test_provider(host);
  ask_for(host, "", "");
  char *channel = connect_account(host, NULL);
  what_a_provider_remembers_lies_with_the_program(host, channel);
  failures_of_the_program_s_http_are_told(host, channel);
  a_deleted_app_leaves_nothing_behind(host, channel);
  free(channel);
  close_with(host);
  a_video_is_published_over_both(argv[3]);
  return 0;
}
