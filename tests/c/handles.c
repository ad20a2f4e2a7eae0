/* Pointers and handles: for any argument, the library returns a status. */
#include "check.h"

#define BAD SOCIALCHANNEL_STATUS_INVALID_ARGUMENT

static void null_is_refused_by_name(socialchannel_host *host) {
  char *out = (char *)"untouched";
  socialchannel_host *other = NULL;
  FAILS(BAD, "null_pointer", socialchannel_host_open(NULL, &other, &error));
  CHECK(other == NULL);
  FAILS(BAD, "null_pointer", socialchannel_host_open("{}", NULL, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_get_profile(NULL, NULL, "x", &out, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_get_profile(host, NULL, NULL, &out, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_get_profile(host, NULL, "x", NULL, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_load_provider(host, NULL, 3, &out, &error));
  FAILS(BAD, "too_long", socialchannel_host_load_provider(host, (const uint8_t *)"x", SIZE_MAX, &out, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_load_provider_file(host, NULL, &out, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_inspect_provider(host, NULL, 3, &out, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_list_providers(host, NULL, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_unload_provider(host, NULL, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_put_app(host, NULL, "{}", &out, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_put_app(host, "app", NULL, &out, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_list_apps(NULL, &out, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_get_app(host, NULL, &out, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_delete_app(host, NULL, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_check_app(host, NULL, &out, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_get_app_guide(host, NULL, &out, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_get_doubts(host, NULL, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_begin_connect(host, NULL, "app", NULL, &out, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_complete_connect(host, NULL, NULL, "state=x", &out, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_complete_connect(host, NULL, "me", NULL, &out, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_choose_account(host, NULL, "me", NULL, "x", &out, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_list_channels(host, NULL, NULL, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_get_channel(host, NULL, NULL, &out, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_disconnect(host, NULL, NULL, &out, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_get_stats(host, NULL, NULL, &out, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_list_posts(host, NULL, "x", NULL, &out, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_get_posts(host, NULL, "x", NULL, &out, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_get_publish_form(host, NULL, NULL, &out, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_check_post(host, NULL, "x", NULL, &out, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_publish(host, NULL, "x", NULL, &out, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_list_jobs(host, NULL, NULL, NULL, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_get_job(host, NULL, NULL, &out, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_wait_for_job(host, NULL, NULL, 1, &out, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_cancel_job(host, NULL, NULL, &out, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_resume_job(host, NULL, NULL, &out, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_change_job(host, NULL, "x", NULL, &out, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_retry_job(host, NULL, NULL, false, &out, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_resolve_job(host, NULL, "x", NULL, &out, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_get_job_history(host, NULL, NULL, &out, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_list_events(NULL, NULL, NULL, 0, &out, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_list_events(host, NULL, NULL, 0, NULL, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_work(host, 0, NULL, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_rotate_keys(host, NULL, &error));
  FAILS(BAD, "null_pointer", socialchannel_new_key(NULL, &error));
  FAILS(BAD, "null_pointer", socialchannel_host_shutdown(NULL, 0, &error));
  uint8_t *answer = NULL;
  size_t answer_len = 7;
  FAILS(BAD, "null_pointer",
        socialchannel_host_receive_webhook(host, "app", NULL, NULL, 0, &out, &answer, &answer_len, &error));
  FAILS(BAD, "null_pointer",
        socialchannel_host_receive_webhook(host, "app", "{\"method\": \"POST\"}", NULL, 9, &out, &answer, &answer_len,
                                           &error));
  FAILS(BAD, "null_pointer",
        socialchannel_host_receive_webhook(host, "app", "{}", NULL, 0, &out, NULL, &answer_len, &error));
  CHECK(answer == NULL && answer_len == 7);
  CHECK(strcmp(out, "untouched") == 0);
  /* Without an error output only the status is returned. */
  CHECK(socialchannel_host_get_profile(NULL, NULL, "x", &out, NULL) == BAD);
}

static void text_that_is_not_utf8_is_refused(socialchannel_host *host) {
  char *out = NULL;
  FAILS(BAD, "invalid_utf8", socialchannel_host_get_profile(host, NULL, "\xff\xfe", &out, &error));
  FAILS(BAD, "invalid_utf8", socialchannel_host_get_profile(host, "\xc3(", "x", &out, &error));
  FAILS(BAD, "invalid_utf8", socialchannel_host_list_posts(host, NULL, "x", "{\"limit\": 1}\x80", &out, &error));
  FAILS(BAD, NULL, socialchannel_host_get_profile(host, "no tenant!", "x", &out, &error));
}

static void a_path_that_depends_on_the_folder_of_the_process_is_refused(void) {
  socialchannel_host *host = NULL;
  const char *members[] = {"data", "database", "cache", "key_file", "media_folder"};
  const char *paths[] = {"", ".", "data", "./data", "../data"};
  for (size_t member = 0; member < sizeof members / sizeof *members; member++) {
    for (size_t path = 0; path < sizeof paths / sizeof *paths; path++) {
      char *config = said("{\"%s\": \"%s\"}", members[member], paths[path]);
      FAILS(SOCIALCHANNEL_STATUS_INVALID_REQUEST, "relative_path", socialchannel_host_open(config, &host, &error));
    }
  }
  CHECK(host == NULL);
}

/* Whether the library doubts the place of its key. */
static bool key_is_doubted(const char *name) {
  char *out = NULL;
  socialchannel_host *host = open_host(name, "");
  OK(socialchannel_host_get_doubts(host, &out, &error));
  CHECK(out[0] == '[');
  bool doubted = strstr(out, "\"subject\":\"key\"") != NULL && strstr(out, "index.php") != NULL;
  socialchannel_string_free(out);
  socialchannel_host_free(host);
  return doubted;
}

static void a_key_below_a_served_folder_is_doubted(void) {
  CHECK(!key_is_doubted("site"));
  fclose(fopen(said("%s/%s", folder, "site/index.php"), "w"));
  CHECK(key_is_doubted("site/data"));
}

static void a_wait_without_an_end_wants_somebody_who_runs_jobs(void) {
  char *out = NULL;
  socialchannel_host *host = open_host("waits", ", \"background\": false");
  FAILS(BAD, "unbounded_wait", socialchannel_host_wait_for_job(host, NULL, "none", UINT64_MAX, &out, &error));
  FAILS(SOCIALCHANNEL_STATUS_NOT_FOUND, NULL,
        socialchannel_host_wait_for_job(host, NULL, "none", UINT64_MAX - 1, &out, &error));
  socialchannel_host_free(host);
  host = open_host("waits", "");
  FAILS(SOCIALCHANNEL_STATUS_NOT_FOUND, NULL, socialchannel_host_wait_for_job(host, NULL, "none", UINT64_MAX, &out, &error));
  socialchannel_host_free(host);
  CHECK(out == NULL);
}

static void nothing_that_is_freed_or_made_up_is_followed(void) {
  char *out = NULL;
  socialchannel_host *host = open_host("freed", "");
  socialchannel_host_free(host);
  FAILS(BAD, "freed_handle", socialchannel_host_list_apps(host, &out, &error));
  socialchannel_host_free(host);
  FAILS(BAD, "freed_handle", socialchannel_host_list_apps((socialchannel_host *)(size_t)0x7ffff7abcde0, &out, &error));
  FAILS(BAD, "freed_handle", socialchannel_host_list_apps((socialchannel_host *)&out, &out, &error));

  socialchannel_error *kept = NULL;
  CHECK(socialchannel_host_open(NULL, NULL, &kept) == BAD);
  CHECK(socialchannel_error_retry_after_ms(kept) == -1);
  CHECK(socialchannel_error_provider(kept) == NULL && socialchannel_error_outcome(kept) == NULL);
  FAILS(BAD, "wrong_handle", socialchannel_host_list_apps((socialchannel_host *)kept, &out, &error));
  host = open_host("freed", "");
  socialchannel_error_free((socialchannel_error *)host);
  OK(socialchannel_host_list_apps(host, &out, &error));
  socialchannel_string_free(out);
  socialchannel_host_free(host);
  socialchannel_host_free((socialchannel_host *)kept);
  CHECK(socialchannel_error_status(kept) == BAD);
  socialchannel_error_free(kept);
  socialchannel_error_free(kept);
  CHECK(socialchannel_error_message(kept) == NULL && socialchannel_error_json(kept) == NULL);
  CHECK(socialchannel_error_status(kept) == BAD);
}

static void freeing_null_does_nothing(void) {
  socialchannel_host_free(NULL);
  socialchannel_error_free(NULL);
  socialchannel_string_free(NULL);
  socialchannel_bytes_free(NULL, 0);
  CHECK(socialchannel_error_message(NULL) == NULL);
  CHECK(socialchannel_error_status(NULL) == BAD);
  CHECK(socialchannel_error_retry_after_ms(NULL) == -1);
}

static void library_and_header_match(void) {
  CHECK(socialchannel_version_number() == SOCIALCHANNEL_VERSION_NUMBER);
  char text[32];
  snprintf(text, sizeof text, "%d.%d.", SOCIALCHANNEL_VERSION_MAJOR, SOCIALCHANNEL_VERSION_MINOR);
  CHECK(strncmp(socialchannel_version_text(), text, strlen(text)) == 0);
  CHECK(strcmp(socialchannel_status_name(0), "ok") == 0 && strcmp(socialchannel_status_name(12345), "other") == 0);
  char *key = NULL;
  OK(socialchannel_new_key(&key, &error));
  CHECK(strlen(key) == 64);
  socialchannel_string_free(key);
}

/* Every invalid document is refused, and none crashes: texts truncated and changed at every
 * position, from a generator with a fixed seed. */
static void broken_documents_are_refused(socialchannel_host *host) {
  static const char *const whole[] = {
      "{\"data\": \"/tmp\", \"policy\": {\"connect_to\": [{\"from\": \"https://a.test\", \"to\": \"http://127.0.0.1:1\"}]}, "
      "\"limits\": {\"calls\": 1}, \"background\": false, \"key\": \"00\"}",
      "{\"post\": {\"kind\": \"video\", \"text\": \"a\\u0000b\", \"options\": {\"x\": [\"y\"], \"z\": 1}}, "
      "\"media\": [{\"file\": \"/nowhere\"}], \"publish_at\": 9223372036854775807, \"priority\": -2147483648}",
      "{\"limit\": 4294967295, \"cursor\": \"\xf0\x9f\x8d\xb2\"}",
      "{\"owner\": \"x\", \"inputs\": {\"a\": \"b\"}, \"choose_account\": true, \"reconnect\": \"ch_1\"}",
      "{\"method\": \"POST\", \"query\": \"a=%00&b\", \"headers\": [[\"a\", \"b\"]]}",
      "{\"provider\": \"p\", \"settings\": {\"a\": \"b\"}, \"origins\": [\"https://*\"], \"tenant\": \"t\"}",
  };
  unsigned random = 12345;
  for (size_t which = 0; which < sizeof whole / sizeof *whole; which++) {
    size_t length = strlen(whole[which]);
    for (int round = 0; round < 400; round++) {
      char text[1024];
      memcpy(text, whole[which], length + 1);
      for (int change = 0; change <= round % 3; change++) {
        random = random * 1103515245u + 12345u;
        size_t at = (random >> 8) % length;
        text[at] = round % 5 == 0 ? '\0' : (char)(1 + (random >> 20) % 255);
      }
      char *out = NULL;
      uint8_t *answer = NULL;
      size_t answer_len = 0;
      socialchannel_host *opened = NULL;
      socialchannel_error *errors[8] = {NULL};
      /* A changed document may still be valid; it only matters that each call returns. */
      if (which == 0) {
        if (strstr(text, "\"data\"") == NULL)
          socialchannel_host_open(text, &opened, &errors[0]);
      }
      CHECK(socialchannel_host_publish(host, NULL, "none", text, &out, &errors[1]) != SOCIALCHANNEL_STATUS_OK);
      CHECK(socialchannel_host_list_posts(host, NULL, "none", text, &out, &errors[2]) != SOCIALCHANNEL_STATUS_OK);
      CHECK(socialchannel_host_begin_connect(host, NULL, "none", text, &out, &errors[3]) != SOCIALCHANNEL_STATUS_OK);
      CHECK(socialchannel_host_put_app(host, "none", text, &out, &errors[4]) != SOCIALCHANNEL_STATUS_OK);
      CHECK(socialchannel_host_receive_webhook(host, "none", text, (const uint8_t *)text, length, &out, &answer,
                                               &answer_len, &errors[5]) != SOCIALCHANNEL_STATUS_OK);
      CHECK(socialchannel_host_resolve_job(host, NULL, "none", text, &out, &errors[6]) != SOCIALCHANNEL_STATUS_OK);
      CHECK(socialchannel_host_complete_connect(host, NULL, "me", text, &out, &errors[7]) != SOCIALCHANNEL_STATUS_OK);
      for (int at = 0; at < 8; at++) {
        CHECK(errors[at] == NULL || socialchannel_error_status(errors[at]) != SOCIALCHANNEL_STATUS_INTERNAL);
        socialchannel_error_free(errors[at]);
      }
      socialchannel_host_free(opened);
    }
  }
  char deep[4096];
  memset(deep, '[', sizeof deep);
  deep[sizeof deep - 1] = 0;
  char *out = NULL;
  FAILS(BAD, "malformed_json", socialchannel_host_get_posts(host, NULL, "none", deep, &out, &error));
  FAILS(BAD, "malformed_json", socialchannel_host_list_posts(host, NULL, "none", "{\"limit\": 1, \"x\": 2}", &out, &error));
}

int main(int argc, char **argv) {
  begin(argc, argv);
  library_and_header_match();
  freeing_null_does_nothing();
  a_path_that_depends_on_the_folder_of_the_process_is_refused();
  a_key_below_a_served_folder_is_doubted();
  a_wait_without_an_end_wants_somebody_who_runs_jobs();
  nothing_that_is_freed_or_made_up_is_followed();
  socialchannel_host *host = open_host("handles", "");
  null_is_refused_by_name(host);
  text_that_is_not_utf8_is_refused(host);
  broken_documents_are_refused(host);
  socialchannel_host_free(host);
  return 0;
}
