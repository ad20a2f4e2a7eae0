/* A call that may last for minutes returns when a signal handler of the program ran on its thread, as sleep() does. */
#include "check.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <time.h>

static atomic_int handled;

static void on_alarm(int signal) {
  (void)signal;
  atomic_fetch_add(&handled, 1);
}

/* Sends SIGALRM at this interval in milliseconds. */
static void alarm_in(long milliseconds) {
  struct itimerval timer = {.it_value = {.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000}};
  CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

static double now(void) {
  struct timespec time;
  CHECK(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void work_returns_when_a_handler_ran(uint64_t longest_ms) {
  socialchannel_host *host = open_host(longest_ms == UINT64_MAX ? "work-for-ever" : "work", ", \"background\": false");
  char *out = NULL;
  double begun = now();
  atomic_store(&handled, 0);
  alarm_in(300);
  OK(socialchannel_host_work(host, longest_ms, &out, &error));
  CHECK(atomic_load(&handled) == 1);
  CHECK(now() - begun < 20);
  CHECK(strstr(out, "\"interrupted\":true") != NULL);
  socialchannel_string_free(out);
  /* Continued work is joined: the next call keeps its own time limit, and is not reported as interrupted. */
  begun = now();
  OK(socialchannel_host_work(host, 300, &out, &error));
  CHECK(now() - begun >= 0.3 && now() - begun < 20);
  CHECK(strstr(out, "\"interrupted\":false") != NULL);
  socialchannel_string_free(out);
  OK(socialchannel_host_work(host, 0, &out, &error));
  socialchannel_string_free(out);
  begun = now();
  socialchannel_host_free(host);
  CHECK(now() - begun < 20);
}

static void a_wait_returns_when_a_handler_ran(void) {
  socialchannel_host *host = open_host("wait", ", \"background\": false");
  load_test_provider(host);
  behave(host, "");
  char *channel = connect_account(host, NULL), *out = NULL;
  char *path = said("%s/%s", folder, "wait.mp4");
  write_video(path, 4096);
  char later[32];
  snprintf(later, sizeof later, "%ld", (long)time(NULL) + 3600);
  char *request = said("{\"post\": {\"kind\": \"video\"}, \"media\": [{\"file\": \"%s\"}], \"publish_at\": %s}", path, later);
  OK(socialchannel_host_publish(host, NULL, channel, request, &out, &error));
  char *job = text_of(out, "id");
  socialchannel_string_free(out);
  double begun = now();
  atomic_store(&handled, 0);
  alarm_in(300);
  OK(socialchannel_host_wait_for_job(host, NULL, job, 600000, &out, &error));
  CHECK(atomic_load(&handled) == 1 && now() - begun < 20);
  CHECK(strstr(out, "\"status\":\"active\"") != NULL);
  socialchannel_string_free(out);
  FAILS(SOCIALCHANNEL_STATUS_NOT_FOUND, NULL, socialchannel_host_wait_for_job(host, NULL, "none", 600000, &out, &error));
  free(job);
  free(channel);
  socialchannel_host_free(host);
}

static void *fork_a_sleeper(void *child) {
  usleep(200000);
  *(pid_t *)child = fork();
  if (*(pid_t *)child == 0) {
    for (;;) pause();
  }
  return NULL;
}

/* A child forked during a call inherits the file descriptors on which the call waits, and lives longer. */
static void a_child_that_lives_on_holds_no_call_up(void) {
  if (getenv("NO_FORK") != NULL) return;
  socialchannel_host *host = open_host("sleeper", ", \"background\": false");
  pthread_t thread;
  pid_t child = 0;
  CHECK(pthread_create(&thread, NULL, fork_a_sleeper, &child) == 0);
  char *out = NULL;
  double begun = now();
  OK(socialchannel_host_work(host, 1000, &out, &error));
  CHECK(now() - begun < 20);
  socialchannel_string_free(out);
  CHECK(pthread_join(thread, NULL) == 0 && child > 0);
  CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
  socialchannel_host_free(host);
}

/* A signal without a handler does not interrupt. */
static void an_ignored_signal_ends_nothing(void) {
  socialchannel_host *host = open_host("ignored", ", \"background\": false");
  struct sigaction ignored = {.sa_handler = SIG_IGN}, before;
  CHECK(sigaction(SIGALRM, &ignored, &before) == 0);
  char *out = NULL;
  double begun = now();
  alarm_in(100);
  OK(socialchannel_host_work(host, 600, &out, &error));
  CHECK(now() - begun >= 0.6 && strstr(out, "\"interrupted\":false") != NULL);
  CHECK(sigaction(SIGALRM, &before, NULL) == 0);
  socialchannel_string_free(out);
  socialchannel_host_free(host);
}

int main(int argc, char **argv) {
  begin(argc, argv);
  /* Also with SA_RESTART, as PHP and many programs set it. */
  struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
  CHECK(sigaction(SIGALRM, &action, NULL) == 0);
  work_returns_when_a_handler_ran(60000);
  work_returns_when_a_handler_ran(UINT64_MAX);
  a_wait_returns_when_a_handler_ran();
  an_ignored_signal_ends_nothing();
  a_child_that_lives_on_holds_no_call_up();
  return 0;
}
