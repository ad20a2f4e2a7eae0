/* Threads and fork: a host is used by many threads at once, freed while in use, and refused in a child. */
#include <signal.h>
#include <stdatomic.h>

#include "check.h"

enum { THREADS = 8, CALLS = 25 };

static socialchannel_host *host;
static char *channel;
static atomic_int handled_elsewhere;
static pthread_t main_thread;

static void *reads(void *unused) {
  (void)unused;
  for (int call = 0; call < CALLS; call++) {
    char *out = NULL;
    OK(socialchannel_host_get_profile(host, NULL, channel, &out, &error));
    CHECK(strstr(out, "\"display_name\":\"Test\"") != NULL);
    socialchannel_string_free(out);
    FAILS(SOCIALCHANNEL_STATUS_NOT_FOUND, NULL, socialchannel_host_get_profile(host, NULL, "none", &out, &error));
  }
  return NULL;
}

static void many_threads_use_one_host(void) {
  pthread_t threads[THREADS];
  for (int at = 0; at < THREADS; at++) CHECK(pthread_create(&threads[at], NULL, reads, NULL) == 0);
  for (int at = 0; at < THREADS; at++) pthread_join(threads[at], NULL);
}

static void *reads_until_freed(void *opened) {
  for (;;) {
    char *out = NULL;
    socialchannel_error *error = NULL;
    socialchannel_status status = socialchannel_host_list_apps(opened, &out, &error);
    if (status == SOCIALCHANNEL_STATUS_OK) {
      socialchannel_string_free(out);
      continue;
    }
    /* Freed between two calls, or closed during one. */
    int expected = status == SOCIALCHANNEL_STATUS_INVALID_ARGUMENT || status == SOCIALCHANNEL_STATUS_UNAVAILABLE;
    if (!expected) fprintf(stderr, "%s\n", socialchannel_error_json(error));
    CHECK(expected);
    socialchannel_error_free(error);
    return NULL;
  }
}

static void *works(void *opened) {
  char *out = NULL;
  socialchannel_error *error = NULL;
  if (socialchannel_host_work(opened, UINT64_MAX, &out, &error) == SOCIALCHANNEL_STATUS_OK) {
    CHECK(strstr(out, "\"jobs\":0") != NULL);
    socialchannel_string_free(out);
  }
  socialchannel_error_free(error);
  return NULL;
}

static void a_host_is_freed_while_others_use_it(void) {
  socialchannel_host *opened = open_host("freed-in-use", "");
  pthread_t threads[THREADS], worker;
  CHECK(pthread_create(&worker, NULL, works, opened) == 0);
  for (int at = 0; at < THREADS; at++) CHECK(pthread_create(&threads[at], NULL, reads_until_freed, opened) == 0);
  char *out = NULL;
  for (int call = 0; call < 20; call++) {
    OK(socialchannel_host_list_apps(opened, &out, &error));
    socialchannel_string_free(out);
  }
  socialchannel_host_free(opened);
  for (int at = 0; at < THREADS; at++) pthread_join(threads[at], NULL);
  pthread_join(worker, NULL);
}

static void handled(int signal) {
  (void)signal;
  if (!pthread_equal(pthread_self(), main_thread)) atomic_fetch_add(&handled_elsewhere, 1);
}

static void signals_stay_on_the_program_s_threads(void) {
  main_thread = pthread_self();
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = handled;
  action.sa_flags = SA_RESTART;
  CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
  for (int round = 0; round < 50; round++) {
    kill(getpid(), SIGUSR1);
    char *out = NULL;
    OK(socialchannel_host_list_apps(host, &out, &error));
    socialchannel_string_free(out);
  }
  CHECK(atomic_load(&handled_elsewhere) == 0);
}

/* Compiling in the child must not wait for the parent's threads, and nothing may wait for its locks. */
static void a_child_of_a_parent_without_a_host_opens_its_own(void) {
  socialchannel_host *own = NULL;
  OK(socialchannel_host_open("{}", &own, &error));
  load_test_provider(own);
  socialchannel_host_free(own);
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    alarm(120);
    char *out = NULL;
    FAILS(SOCIALCHANNEL_STATUS_INVALID_ARGUMENT, "used_after_fork", socialchannel_host_list_apps(own, &out, &error));
    OK(socialchannel_host_open("{}", &own, &error));
    load_test_provider(own);
    socialchannel_host_free(own);
    _exit(0);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void a_child_is_refused(void) {
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    alarm(120);
    char *out = NULL;
    FAILS(SOCIALCHANNEL_STATUS_INVALID_ARGUMENT, "used_after_fork", socialchannel_host_list_apps(host, &out, &error));
    FAILS(SOCIALCHANNEL_STATUS_INVALID_ARGUMENT, "used_after_fork", socialchannel_host_shutdown(host, 1000, &error));
    socialchannel_host_free(host);
    FAILS(SOCIALCHANNEL_STATUS_INVALID_ARGUMENT, "used_after_fork",
          socialchannel_host_get_profile(host, NULL, channel, &out, &error));
    socialchannel_host *own = NULL;
    FAILS(SOCIALCHANNEL_STATUS_INVALID_ARGUMENT, "used_after_fork", socialchannel_host_open("{}", &own, &error));
    _exit(0);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  char *out = NULL;
  OK(socialchannel_host_get_profile(host, NULL, channel, &out, &error));
  socialchannel_string_free(out);
}

int main(int argc, char **argv) {
  begin(argc, argv);
  if (getenv("NO_FORK") == NULL) a_child_of_a_parent_without_a_host_opens_its_own();
  host = open_host("threads", "");
  load_test_provider(host);
  behave(host, "");
  channel = connect_account(host, NULL);
  many_threads_use_one_host();
  a_host_is_freed_while_others_use_it();
  signals_stay_on_the_program_s_threads();
  if (getenv("NO_FORK") == NULL) a_child_is_refused();
  free(channel);
  socialchannel_host_free(host);
  return 0;
}
