/* What happened, for a program that does not ask for each job. */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>

static void events_are_read_in_their_order(socialchannel_host *host) {
  char *out = NULL;
  OK(socialchannel_host_list_events(host, NULL, NULL, 0, &out, &error));
  CHECK(strcmp(out, "{\"events\":[],\"next\":0,\"last\":0,\"missed\":0}") == 0);
  socialchannel_string_free(out);
  char *channel = connect_account(host, NULL);
  OK(socialchannel_host_list_events(host, NULL, "{\"after\": 0, \"limit\": 5}", UINT64_MAX, &out, &error));
  CHECK(strstr(out, "\"type\":\"channel.connected\"") != NULL && strstr(out, channel) != NULL);
  CHECK(strstr(out, "\"next\":1") != NULL);
  socialchannel_string_free(out);
  /* Without any, the time is waited for. */
  OK(socialchannel_host_list_events(host, NULL, "{\"after\": 1}", 20, &out, &error));
  CHECK(strstr(out, "\"events\":[]") != NULL);
  socialchannel_string_free(out);
  OK(socialchannel_host_list_events(host, "other", NULL, 0, &out, &error));
  CHECK(strstr(out, "\"last\":0") != NULL);
  socialchannel_string_free(out);
  free(channel);
}

static void what_is_wrong_is_named(socialchannel_host *host) {
  char *out = NULL;
  FAILS(SOCIALCHANNEL_STATUS_INVALID_REQUEST, NULL,
        socialchannel_host_list_events(host, NULL, "{\"limit\": 0}", 0, &out, &error));
  FAILS(SOCIALCHANNEL_STATUS_INVALID_REQUEST, "unknown_event",
        socialchannel_host_list_events(host, NULL, "{\"after\": 99}", UINT64_MAX, &out, &error));
  FAILS(SOCIALCHANNEL_STATUS_INVALID_ARGUMENT, NULL,
        socialchannel_host_list_events(host, NULL, "{\"since\": 1}", 0, &out, &error));
  CHECK(out == NULL);
}

static atomic_int waits;

static void *wait_for_one(void *host) {
  char *out = NULL;
  socialchannel_error *error = NULL;
  atomic_store(&waits, 1);
  CHECK(socialchannel_host_list_events(host, NULL, "{\"after\": 1}", UINT64_MAX, &out, &error) ==
        SOCIALCHANNEL_STATUS_OK);
  CHECK(strstr(out, "\"type\":\"channel.disconnected\"") != NULL);
  socialchannel_string_free(out);
  return NULL;
}

static void who_waits_is_woken(socialchannel_host *host) {
  pthread_t waiting;
  CHECK(pthread_create(&waiting, NULL, wait_for_one, host) == 0);
  while (atomic_load(&waits) == 0) {}
  char *out = NULL;
  OK(socialchannel_host_list_channels(host, NULL, &out, &error));
  char *channel = text_of(out, "id");
  socialchannel_string_free(out);
  OK(socialchannel_host_disconnect(host, NULL, channel, &out, &error));
  socialchannel_string_free(out);
  free(channel);
  CHECK(pthread_join(waiting, NULL) == 0);
}

int main(int argc, char **argv) {
  begin(argc, argv);
  socialchannel_host *host = open_host("events", "");
  load_test_provider(host);
  behave(host, "");
  events_are_read_in_their_order(host);
  what_is_wrong_is_named(host);
  who_waits_is_woken(host);
  socialchannel_host_free(host);
  return 0;
}
