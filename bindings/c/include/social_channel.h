/* Social Channel: social networks as WebAssembly providers. This header is the manual of the C library.
 *
 * Made from bindings/c/src by cbindgen: change the comments there. Licence: MIT OR Apache-2.0.
 *
 *   socialchannel_host *host = NULL;
 *   socialchannel_error *error = NULL;
 *   char *profile = NULL;
 *   if (socialchannel_host_open("{\"data\": \"/var/lib/shop/social-channel\"}", &host, &error) == SOCIALCHANNEL_STATUS_OK &&
 *       socialchannel_host_get_profile(host, NULL, "ch_...", &profile, &error) == SOCIALCHANNEL_STATUS_OK) {
 *     puts(profile);
 *   } else {
 *     fprintf(stderr, "%s\n", socialchannel_error_message(error));
 *   }
 *   socialchannel_string_free(profile);
 *   socialchannel_error_free(error);
 *   socialchannel_host_free(host);
 *
 * examples/c/story.c is a complete program: load a provider, connect, read, publish with progress.
 * Compile and link: cc program.c $(pkg-config --cflags --libs socialchannel)
 * With the library linked statically: cc program.c $(pkg-config --cflags --libs socialchannel-static)
 *
 * TERMS. A provider is code: a component for one network. An app is a provider with one set of
 * settings, that is one registration at the network. A channel is one connected account. A tenant is one customer
 * of your program: channels and jobs belong to a tenant, and nothing of another tenant can be reached. Every
 * parameter `tenant` may be NULL: the tenant `default` of a program that has only one.
 *
 * RESULTS. Every function that can fail returns a status (what to do next) and takes `error_out` as its last
 * parameter. On failure, if `error_out` is not NULL, `*error_out` becomes an error to free with
 * socialchannel_error_free; all other outputs are left untouched. On success `*error_out` is left untouched.
 * There is no hidden "last error".
 *
 * DOCUMENTS. Structured data is JSON: UTF-8, NUL-terminated, members in snake_case, instants in seconds since
 * 1970-01-01T00:00:00Z, lengths of time in milliseconds, sizes in bytes. An absent member and `null` mean unknown.
 * Documents that you pass are strict (an unknown member is refused); in documents that you receive, ignore unknown
 * members, because newer libraries add some. The schemas named here are in social_channel.schema.json, below `$defs`.
 *
 * TEXT AND POINTERS. Text that you pass is UTF-8, NUL-terminated, borrowed for the call and copied. Pointers are checked:
 * NULL where it is not allowed gives SOCIALCHANNEL_STATUS_INVALID_ARGUMENT with code `null_pointer`, text that is not
 * UTF-8 the code `invalid_utf8`. Outputs must point to writable memory of their type.
 *
 * OWNERSHIP. Free each `char *` that the library returns with socialchannel_string_free, and bytes with
 * socialchannel_bytes_free, once; freeing one twice is undefined, as with free(). `const char *` is borrowed: it lives
 * as long as the object it came from. Freeing NULL does nothing. Hosts and errors are handles, which are looked up and
 * never dereferenced: freeing one twice does nothing, and using a freed one is refused with INVALID_ARGUMENT
 * (code `freed_handle`).
 *
 * THREADS. Every function may be called from any thread, and from several at the same time on the same host; calls
 * block only the calling thread. A host may be freed while other threads are inside calls on it: these calls still
 * finish. An open host has a few threads of its own, also with `"background": false`: calls run on them, and between calls
 * they sleep. Your signal handlers never run on them.
 *
 * CALLBACKS. They are optional. A program that wants to store the values of providers itself, or to send
 * the requests itself, passes tables of functions to socialchannel_host_open_with; socialchannel_storage and
 * socialchannel_http document what they cover, on which threads they are called, and what they must not do.
 * tests/c/own_storage.h and own_http.h are complete examples.
 *
 * LOG. What the library has to say besides its results is kept in memory, and read by socialchannel_log_read.
 *
 * FORK. A host cannot be used after fork(): in the child every call with it returns INVALID_ARGUMENT with code
 * `used_after_fork` at once, and freeing it does nothing. The parent's host is not affected. A child may open its own
 * hosts only if its parent had none open when it forked, because SQLite's locks belong to a process; otherwise opening fails
 * with the same code. So fork first and then open, or start another program in the child (exec).
 *
 * PANICS never leave the library: a bug in it is a status SOCIALCHANNEL_STATUS_INTERNAL.
 */


#ifndef SOCIAL_CHANNEL_H
#define SOCIAL_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * The result of a call, by what the caller does next. Numbers are grouped and never reused; a newer library
 * may return numbers that an older header does not have: treat those as SOCIALCHANNEL_STATUS_OTHER.
 */
typedef enum {
  /**
   * Done.
   */
  SOCIALCHANNEL_STATUS_OK = 0,
  /**
   * Fix the call: a pointer is NULL, text is not UTF-8, a document is malformed, a handle was freed or was
   * opened before a fork.
   */
  SOCIALCHANNEL_STATUS_INVALID_ARGUMENT = 100,
  /**
   * Fix the request: a value is missing, too long, not offered or of the wrong form.
   */
  SOCIALCHANNEL_STATUS_INVALID_REQUEST = 200,
  /**
   * Connect the account again.
   */
  SOCIALCHANNEL_STATUS_UNAUTHORIZED = 201,
  /**
   * Ask the person for one more permission; the error's field names it.
   */
  SOCIALCHANNEL_STATUS_FORBIDDEN = 202,
  /**
   * Look elsewhere.
   */
  SOCIALCHANNEL_STATUS_NOT_FOUND = 203,
  /**
   * Change the content or the account; repeating it unchanged cannot help.
   */
  SOCIALCHANNEL_STATUS_REJECTED = 204,
  /**
   * Wait, then retry.
   */
  SOCIALCHANNEL_STATUS_RATE_LIMITED = 205,
  /**
   * Retry with growing pauses.
   */
  SOCIALCHANNEL_STATUS_UNAVAILABLE = 206,
  /**
   * Find out what happened; never retry blindly.
   */
  SOCIALCHANNEL_STATUS_OUTCOME_UNKNOWN = 207,
  /**
   * Use another provider.
   */
  SOCIALCHANNEL_STATUS_UNSUPPORTED = 208,
  /**
   * Let the operator fix the settings.
   */
  SOCIALCHANNEL_STATUS_MISCONFIGURED = 209,
  /**
   * The person declined, or the platform did not let this person connect.
   */
  SOCIALCHANNEL_STATUS_AUTHORIZATION_DENIED = 210,
  /**
   * Wait for a new day or a raised allowance.
   */
  SOCIALCHANNEL_STATUS_QUOTA_EXCEEDED = 211,
  /**
   * Read the message.
   */
  SOCIALCHANNEL_STATUS_OTHER = 299,
  /**
   * Ask the operator for the grant.
   */
  SOCIALCHANNEL_STATUS_DENIED_BY_POLICY = 300,
  /**
   * Raise a limit or shrink the work.
   */
  SOCIALCHANNEL_STATUS_LIMIT_EXCEEDED = 301,
  /**
   * Replace the provider: it trapped or broke the contract.
   */
  SOCIALCHANNEL_STATUS_PROVIDER_FAULT = 302,
  /**
   * Install a provider that was built for this version of the contract.
   */
  SOCIALCHANNEL_STATUS_INCOMPATIBLE = 310,
  /**
   * The file is not a provider.
   */
  SOCIALCHANNEL_STATUS_LOAD_FAILED = 311,
  /**
   * Report a bug.
   */
  SOCIALCHANNEL_STATUS_INTERNAL = 900,
} socialchannel_status;

/**
 * The version of this header.
 */
typedef enum {
  /**
   * Major.
   */
  SOCIALCHANNEL_VERSION_MAJOR = 0,
  /**
   * Minor.
   */
  SOCIALCHANNEL_VERSION_MINOR = 1,
  /**
   * Combined: major * 1000000 + minor * 1000 + patch, as socialchannel_version_number returns it.
   */
  SOCIALCHANNEL_VERSION_NUMBER = 1000,
} socialchannel_version;

/**
 * The result of a function of socialchannel_storage.
 */
typedef enum {
  /**
   * Done.
   */
  SOCIALCHANNEL_STORAGE_RESULT_DONE = 0,
  /**
   * get_value: there is no such key.
   */
  SOCIALCHANNEL_STORAGE_RESULT_ABSENT = 1,
  /**
   * set_value: the key does not have the required version. Nothing was written.
   */
  SOCIALCHANNEL_STORAGE_RESULT_CONFLICT = 2,
  /**
   * set_value: the storage is full. Nothing was written.
   */
  SOCIALCHANNEL_STORAGE_RESULT_FULL = 3,
  /**
   * The storage is not available now; socialchannel_explain says why. Any other number means the same.
   */
  SOCIALCHANNEL_STORAGE_RESULT_UNAVAILABLE = 4,
} socialchannel_storage_result;

/**
 * Constants for socialchannel_storage.
 */
typedef enum {
  /**
   * The longest value in bytes: 64 KiB and the overhead of encryption.
   */
  SOCIALCHANNEL_STORAGE_VALUE_CAPACITY = 65792,
} socialchannel_storage_value;

/**
 * The result of the function of socialchannel_http.
 */
typedef enum {
  /**
   * The complete response was passed on.
   */
  SOCIALCHANNEL_HTTP_RESULT_DONE = 0,
  /**
   * The program refuses this request. Nothing was sent. The call fails with DENIED_BY_POLICY.
   */
  SOCIALCHANNEL_HTTP_RESULT_REFUSED = 1,
  /**
   * The server could not be reached. Nothing was sent, so the request can be repeated safely.
   */
  SOCIALCHANNEL_HTTP_RESULT_NOT_SENT = 2,
  /**
   * No response in time. The request may have been sent.
   */
  SOCIALCHANNEL_HTTP_RESULT_TIMED_OUT = 3,
  /**
   * The connection was lost, or socialchannel_exchange_read or _write failed. The request may have been sent. Any
   * other number means the same.
   */
  SOCIALCHANNEL_HTTP_RESULT_BROKEN = 4,
} socialchannel_http_result;

/**
 * Why a call failed. Created by a failing call; free it with socialchannel_error_free.
 */
typedef struct socialchannel_error socialchannel_error;

/**
 * One request of the library that a program's own HTTP sends; see socialchannel_http. It is valid while the
 * function that received it runs.
 */
typedef struct socialchannel_exchange socialchannel_exchange;

/**
 * A host: an open library. Create it with socialchannel_host_open and free it with socialchannel_host_free.
 */
typedef struct socialchannel_host socialchannel_host;

/**
 * A header: both texts end with a NUL.
 */
typedef struct {
  /**
   * For example `content-type`; the case does not matter.
   */
  const char *name;
  /**
   * The value as transmitted.
   */
  const char *value;
} socialchannel_header;

/**
 * A program's own storage, for socialchannel_host_open_with.
 *
 * WHAT IT STORES: values that providers keep between calls, a few small ones per app (counters, tokens of an app, names
 * of servers). WHAT IT DOES NOT STORE: apps, channels with their credentials, publish jobs, leases, webhooks and
 * uploads stay in the host's database, because publishing at most once needs transactions over several rows, which a
 * key-value store cannot provide. So `data` (or `database`) is still needed.
 *
 * Values arrive encrypted with the host's master key, bound to app and key, and are at most
 * SOCIALCHANNEL_STORAGE_VALUE_CAPACITY bytes long. All processes that open the same database must use the same storage.
 *
 * THREADS. The functions are called on threads of the library, several at the same time, and may block; meanwhile one
 * call of a provider waits (its time limits still apply). They must not call the library, except socialchannel_explain
 * and the functions for errors; a call with a host is refused with code `called_from_callback`. They must return
 * normally: no longjmp, no C++ exception, no thread exit. Text is borrowed for the call. A key is UTF-8 of `key_len`
 * bytes (at most 512), which may contain a NUL; a terminating NUL follows it. A non-NULL pointer may be used as its
 * comment says.
 */
typedef struct {
  /**
   * sizeof(socialchannel_storage), so that later versions can add members.
   */
  size_t size;
  /**
   * Passed to every function; may be NULL.
   */
  void *userdata;
  /**
   * Reads a value: writes at most `value_capacity` bytes to `value`, their number to `*value_len_out`, the version to
   * `*version_out` and the stored expiry to `*expires_at_out`. Returns DONE, ABSENT (also for a value that
   * has expired) or UNAVAILABLE.
   */
  uint32_t (*get_value)(void *userdata,
                        const char *app,
                        const char *key,
                        size_t key_len,
                        uint8_t *value,
                        size_t value_capacity,
                        size_t *value_len_out,
                        uint64_t *version_out,
                        int64_t *expires_at_out);
  /**
   * Stores a value, so that it outlives the process, and writes its new version to `*version_out`: never 0, and greater
   * than every earlier version of this key, also of deleted values. If `if_version` is not NULL, it stores the value
   * only if the key has the version `*if_version` now (0: only if it does not exist or has expired), atomically;
   * otherwise CONFLICT. `expires_at`: milliseconds since 1970, after which the key no longer exists; 0: never.
   * Returns DONE, CONFLICT, FULL or UNAVAILABLE.
   */
  uint32_t (*set_value)(void *userdata,
                        const char *app,
                        const char *key,
                        size_t key_len,
                        const uint8_t *value,
                        size_t value_len,
                        const uint64_t *if_version,
                        int64_t expires_at,
                        uint64_t *version_out);
  /**
   * Deletes a key. Returns DONE (also if it does not exist) or UNAVAILABLE.
   */
  uint32_t (*delete_value)(void *userdata, const char *app, const char *key, size_t key_len);
  /**
   * Lists the app's keys that begin with `prefix` and come after `after` (NULL: all), in byte order, at most
   * `limit`: calls `found(keys, key, key_len)` for each. Returns DONE or UNAVAILABLE.
   */
  uint32_t (*list_keys)(void *userdata,
                        const char *app,
                        const char *prefix,
                        size_t prefix_len,
                        const char *after,
                        size_t after_len,
                        uint32_t limit,
                        void (*found)(void *keys, const char *key, size_t key_len),
                        void *keys);
  /**
   * Called once, when the library no longer uses the table; may be NULL. This is when the host is freed and every
   * function has returned: possibly shortly after socialchannel_host_free, on any thread. Not called if opening
   * failed.
   */
  void (*finalize)(void *userdata);
} socialchannel_storage;

/**
 * A request to send. Everything it points to is borrowed until the function returns.
 */
typedef struct {
  /**
   * `GET`, `POST`, `PUT` ...
   */
  const char *method;
  /**
   * The complete URL. Its query may contain credentials: keep it out of logs.
   */
  const char *url;
  /**
   * All headers to send, except `Host` (included only if it differs from the URL's host), `Connection` and
   * `Transfer-Encoding`. They contain credentials.
   */
  const socialchannel_header *headers;
  /**
   * The number of headers.
   */
  size_t headers_len;
  /**
   * The length of the body in bytes, as in `content-length`; 0: no body; -1: unknown, use chunked encoding.
   */
  int64_t body_len;
} socialchannel_http_request;

/**
 * A program's own HTTP, for socialchannel_host_open_with: it sends every request, those of providers and those of the
 * library itself (media at a URL).
 *
 * WHAT THE LIBRARY HAS CHECKED: the origin is granted to the app (or it is the URL of a person's media), the URL
 * contains no private IP address, mapped origins are mapped. WHAT YOU MUST CHECK: a host name may resolve to a private
 * address. You resolve it, so you must refuse it (REFUSED), unless the policy allows private networks; the library's
 * own HTTP does this. Otherwise anyone who may publish from a URL could read your private network.
 *
 * HOW TO SEND: exactly once, whatever fails (publishing at most once depends on it); follow no redirects, store no
 * cookies, decode no content (`content-length` counts the bytes that you pass on), and check certificates. The library
 * stops waiting at its own time limits, but cannot stop your function: use timeouts (30 seconds without a byte is
 * usual). When socialchannel_exchange_read or socialchannel_exchange_write fails, abort the connection and return
 * BROKEN: a server must not take a partial body for a complete one.
 *
 * THREADS. `exchange` is called on threads of the library, up to 256 at the same time, and may block. Inside it, and
 * only with its own exchange, call socialchannel_exchange_read, _respond and _write, and socialchannel_explain. Of the
 * library's other functions, it may call only those for errors (a call with a host is refused with code
 * `called_from_callback`). It must return normally: no longjmp, no C++ exception, no thread exit.
 */
typedef struct {
  /**
   * sizeof(socialchannel_http), so that later versions can add members.
   */
  size_t size;
  /**
   * Passed to every function; may be NULL.
   */
  void *userdata;
  /**
   * Performs one exchange: sends `request`, reading its body with socialchannel_exchange_read; passes on the
   * response head with socialchannel_exchange_respond, then the response body with socialchannel_exchange_write;
   * returns a socialchannel_http_result. The exchange is over when it returns.
   */
  uint32_t (*exchange)(void *userdata,
                       const socialchannel_http_request *request,
                       socialchannel_exchange *exchange);
  /**
   * Called once, when the library no longer uses the table; may be NULL. This is when the host is freed and every
   * function has returned: possibly shortly after socialchannel_host_free, on any thread. Not called if opening
   * failed.
   */
  void (*finalize)(void *userdata);
} socialchannel_http;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The combined number of the loaded library. A program should check that it is not less than
 * SOCIALCHANNEL_VERSION_NUMBER of the header it was compiled with, and that the major version (before 1.0: the
 * minor version) is the same.
 */
uint32_t socialchannel_version_number(void);

/**
 * The version of the loaded library, for example `0.1.0`. Valid until the process ends; not to be freed.
 */
const char *socialchannel_version_text(void);

/**
 * The name of a status, as in JSON (`rate_limited`); `ok` for SOCIALCHANNEL_STATUS_OK, `other` for
 * a number this library does not know. Never NULL; valid until the process ends; not to be freed.
 */
const char *socialchannel_status_name(uint32_t status);

/**
 * The status that the failing call returned; SOCIALCHANNEL_STATUS_INVALID_ARGUMENT for NULL and for an error
 * that was freed.
 */
socialchannel_status socialchannel_error_status(const socialchannel_error *error);

/**
 * The kind's name, as in JSON: `rate_limited`. NULL only if `error` is NULL or was freed.
 */
const char *socialchannel_error_kind(const socialchannel_error *error);

/**
 * What happened and why: one plain sentence. NULL only if `error` is NULL or was freed.
 */
const char *socialchannel_error_message(const socialchannel_error *error);

/**
 * What the person or the operator can do now. NULL if unknown.
 */
const char *socialchannel_error_remedy(const socialchannel_error *error);

/**
 * The platform's own code, unchanged. With SOCIALCHANNEL_STATUS_INVALID_ARGUMENT, the library's own code:
 * `null_pointer`, `invalid_utf8`, `malformed_json`, `too_long`, `freed_handle`, `wrong_handle`,
 * `used_after_fork`, `called_from_callback`, `unbounded_wait`; for a program's own storage and HTTP also `wrong_size`,
 * `not_in_callback`, `answered_already`, `not_answered`, `no_status`, `no_header`, `no_room`. NULL if there is none.
 */
const char *socialchannel_error_code(const socialchannel_error *error);

/**
 * The parameter, setting, post field, option or permission that caused the failure. NULL if there is none.
 */
const char *socialchannel_error_field(const socialchannel_error *error);

/**
 * The platform's own reference for its support, for example a log id. NULL if there is none.
 */
const char *socialchannel_error_trace_id(const socialchannel_error *error);

/**
 * The provider that was called. NULL if none was.
 */
const char *socialchannel_error_provider(const socialchannel_error *error);

/**
 * The provider's call that failed, by its name in the contract (`get-profile`). NULL if none was made.
 */
const char *socialchannel_error_operation(const socialchannel_error *error);

/**
 * What is known about the effect of the call: `not_done` (it changed nothing) or `unknown` (check before
 * trying again). NULL for calls without effects.
 */
const char *socialchannel_error_outcome(const socialchannel_error *error);

/**
 * Milliseconds to wait before the next try; -1 if unknown.
 */
int64_t socialchannel_error_retry_after_ms(const socialchannel_error *error);

/**
 * The whole error as JSON (schema: Error); absent members are left out. NULL only if `error` is NULL or was freed.
 */
const char *socialchannel_error_json(const socialchannel_error *error);

/**
 * Frees an error and its texts. It does nothing for NULL, for an error that was already freed, and for an
 * error from before a fork.
 */
void socialchannel_error_free(socialchannel_error *error);

/**
 * Frees text that a function of this library returned as `char *`. NULL does nothing. Free each text once;
 * freeing it twice, or freeing another pointer, is undefined, as with free().
 */
void socialchannel_string_free(char *string);

/**
 * Frees bytes that a function of this library returned, with their returned length. NULL does nothing. Free
 * bytes once; freeing them twice, or with another length, is undefined.
 */
void socialchannel_bytes_free(uint8_t *bytes, size_t bytes_len);

/**
 * Says how much of its work the library notes in its log, from now on, for all hosts of the process: `off`, `error`,
 * `warn`, `info` (as it begins), `debug` or `trace`. The log is kept from the first host that is opened, or from this
 * call if it comes earlier.
 */
socialchannel_status socialchannel_log_level(const char *level,
                                             socialchannel_error **error_out);

/**
 * Reads the library's log: what it has to say besides results and errors, such as why a database refused or what a
 * provider wrote to its standard error. `after` is the number of the last entry that was read, at first 0; at most
 * `limit` entries come, and never more than 1,000. On success `*entries_out` is an array, oldest first (schema of an
 * item: LogEntry); empty: there is nothing new.
 *
 * The newest entries are kept in memory, about 1 MiB, whether anybody reads them or not, and for any number of readers.
 * Call it now and then, from any thread; it waits for nothing.
 */
socialchannel_status socialchannel_log_read(uint64_t after,
                                            uint32_t limit,
                                            char **entries_out,
                                            socialchannel_error **error_out);

/**
 * Waits for the next bytes of the request body, copies at most `capacity` of them to `buffer`, and writes their
 * number to `*read_out`; 0: end of the body.
 *
 * UNAVAILABLE: the body was interrupted, or its call has ended: abort the connection and return BROKEN.
 * INVALID_ARGUMENT: the exchange is over (code `freed_handle`), `capacity` is 0.
 */
socialchannel_status socialchannel_exchange_read(socialchannel_exchange *exchange,
                                                 uint8_t *buffer,
                                                 size_t capacity,
                                                 size_t *read_out,
                                                 socialchannel_error **error_out);

/**
 * Passes on the response head: its final status (200 to 999) and its headers, without those of the connection
 * itself (`connection`, `transfer-encoding`). Call it once per exchange.
 *
 * UNAVAILABLE: its call has ended. INVALID_ARGUMENT: the exchange is over (code `freed_handle`), already has a response
 * (`answered_already`), or the head is invalid.
 */
socialchannel_status socialchannel_exchange_respond(socialchannel_exchange *exchange,
                                                    uint16_t status,
                                                    const socialchannel_header *headers,
                                                    size_t headers_len,
                                                    socialchannel_error **error_out);

/**
 * Passes on bytes of the response body, in order; waits while the library's buffer is full. The bytes are copied.
 *
 * UNAVAILABLE: the response is no longer needed: abort the connection and return BROKEN. INVALID_ARGUMENT: the exchange
 * is over (code `freed_handle`), or has no response head yet (`not_answered`).
 */
socialchannel_status socialchannel_exchange_write(socialchannel_exchange *exchange,
                                                  const uint8_t *buffer,
                                                  size_t buffer_len,
                                                  socialchannel_error **error_out);

/**
 * Explains why a function of socialchannel_storage or socialchannel_http is about to return a failure: one sentence
 * for the operator, which becomes part of the error's message. It must not contain a token or a URL with its query.
 * The last explanation counts.
 *
 * INVALID_ARGUMENT with code `not_in_callback`: this thread is not inside such a function.
 */
socialchannel_status socialchannel_explain(const char *why,
                                           socialchannel_error **error_out);

/**
 * Opens a host.
 *
 * `config` is a JSON document (schema: HostConfig). `{"data": "/var/lib/shop/social-channel"}` stores everything
 * in that folder; with `{}` nothing outlives the process. Several processes may open the same folder at the same
 * time; they share accounts and jobs, and each job is run by one of them at a time. Paths must be absolute.
 *
 * On success `*host_out` is a host to free with socialchannel_host_free. On failure it is left untouched.
 *
 * INVALID_ARGUMENT: a NULL `config` or `host_out`, a malformed document. INVALID_REQUEST: an empty or relative path
 * (`data: ""` is a variable that was not set), or two keys. MISCONFIGURED: a wrong or unreadable
 * master key, a folder that cannot be used. UNAVAILABLE: the database cannot be opened now.
 */
socialchannel_status socialchannel_host_open(const char *config,
                                             socialchannel_host **host_out,
                                             socialchannel_error **error_out);

/**
 * Opens a host, as socialchannel_host_open does, with the program's own storage for providers, its own HTTP, or both.
 * NULL: the library's. The tables are copied; the object of `userdata` must live until `finalize` is called.
 *
 * INVALID_ARGUMENT also for a table without its size (code `wrong_size`) or without one of its functions.
 */
socialchannel_status socialchannel_host_open_with(const char *config,
                                                  const socialchannel_storage *storage,
                                                  const socialchannel_http *http,
                                                  socialchannel_host **host_out,
                                                  socialchannel_error **error_out);

/**
 * Stops the work of the host: requests that may be repeated are dropped, others are waited for, for at most
 * `longest_ms`. Unfinished jobs continue when a host is next opened on the same data. A worker
 * (socialchannel_host_work) returns soon. Afterwards the host still accepts calls, but runs no jobs.
 */
socialchannel_status socialchannel_host_shutdown(const socialchannel_host *host,
                                                 uint64_t longest_ms,
                                                 socialchannel_error **error_out);

/**
 * Frees a host. Its work is stopped first, as by socialchannel_host_shutdown with 30 seconds, which is usually
 * immediate; then its database is closed, so that another process or a child may open it. Running calls of other
 * threads finish; new ones are refused.
 *
 * It does nothing for NULL, for a host that was already freed, and for a host opened before a fork.
 */
void socialchannel_host_free(socialchannel_host *host);

/**
 * Runs all tenants' due jobs and refreshes idle accounts, for `longest_ms`: for cron, queue workers, and
 * hosts opened with `"background": false`. 0 does what is due now and returns when nothing more is due;
 * UINT64_MAX continues until socialchannel_host_shutdown is called on another thread.
 *
 * It returns early if a signal handler of the program runs on the calling thread, as sleep() does; the member
 * `interrupted` is then true. Its jobs continue until the host is shut down or freed, or the time is up.
 *
 * On success `*worked_out` is the result (schema: Worked).
 */
socialchannel_status socialchannel_host_work(const socialchannel_host *host,
                                             uint64_t longest_ms,
                                             char **worked_out,
                                             socialchannel_error **error_out);

/**
 * Encrypts everything again with the first of several master keys; the others can then be removed. On success
 * `*changed_out` is the number of changed values.
 */
socialchannel_status socialchannel_host_rotate_keys(const socialchannel_host *host,
                                                    uint64_t *changed_out,
                                                    socialchannel_error **error_out);

/**
 * Generates a new master key: 64 hexadecimal digits, for the member `key` of a configuration.
 */
socialchannel_status socialchannel_new_key(char **key_out, socialchannel_error **error_out);

/**
 * Installs a provider from the bytes of its component (a `.wasm` file), or replaces the one of the same id while
 * the host runs: new apps run it, and existing apps too, unless it requests origins that they were not granted.
 * Running calls and open jobs continue with the component that started them; other processes on the same data
 * see the change at their next call. On failure nothing changes.
 *
 * On success `*loaded_out` names the installed component and the apps that wait for a grant (schema: Loaded).
 *
 * LOAD_FAILED: the bytes are not a provider. INCOMPATIBLE: it was built for another version of the contract.
 */
socialchannel_status socialchannel_host_load_provider(const socialchannel_host *host,
                                                      const uint8_t *component,
                                                      size_t component_len,
                                                      char **loaded_out,
                                                      socialchannel_error **error_out);

/**
 * Like socialchannel_host_load_provider, from a file. NOT_FOUND: there is no such file; UNAVAILABLE: it cannot
 * be read.
 */
socialchannel_status socialchannel_host_load_provider_file(const socialchannel_host *host,
                                                           const char *path,
                                                           char **loaded_out,
                                                           socialchannel_error **error_out);

/**
 * Fetches a provider from a registry or an https address and installs it as socialchannel_host_load_provider does. `source`
 * is a JSON document (schema: ProviderSource) with a `reference`, for example
 * `{"reference": "ghcr.io/acme/bluesky:1.2"}`. Where it came from and who signed it are kept; nothing asks there again
 * before the program does.
 *
 * On success `*loaded_out` is as that of socialchannel_host_load_provider.
 *
 * DENIED_BY_POLICY: it is not signed by somebody who may (code `signer_changed`: by somebody else than the installed one), or
 * its tag points to another image than when it was installed (code `tag_moved`).
 */
socialchannel_status socialchannel_host_add_provider(const socialchannel_host *host,
                                                     const char *source,
                                                     char **loaded_out,
                                                     socialchannel_error **error_out);

/**
 * Looks for an update where a provider came from, or at another `reference` of `source` (NULL: none). Nothing is installed.
 * On success `*report_out` says what replacing the installed component would change (schema: UpgradeReport).
 *
 * NOT_FOUND: the provider is not installed, or nothing is there.
 */
socialchannel_status socialchannel_host_check_provider(const socialchannel_host *host,
                                                       const char *provider,
                                                       const char *source,
                                                       char **report_out,
                                                       socialchannel_error **error_out);

/**
 * Installs what there is now where a provider came from, or at another `reference` of `source` (NULL: none). What it replaces
 * is kept for socialchannel_host_roll_back_provider. Fails like socialchannel_host_add_provider.
 */
socialchannel_status socialchannel_host_update_provider(const socialchannel_host *host,
                                                        const char *provider,
                                                        const char *source,
                                                        char **loaded_out,
                                                        socialchannel_error **error_out);

/**
 * Installs the component again that the installed one of a provider replaced last, from the database; no registry is asked.
 * A second time undoes the first. NOT_FOUND: no earlier one is kept.
 */
socialchannel_status socialchannel_host_roll_back_provider(const socialchannel_host *host,
                                                           const char *provider,
                                                           char **loaded_out,
                                                           socialchannel_error **error_out);

/**
 * Inspects a component without installing it. On success `*provider_out` describes it (schema: ProviderInfo).
 * Fails like socialchannel_host_load_provider.
 */
socialchannel_status socialchannel_host_inspect_provider(const socialchannel_host *host,
                                                         const uint8_t *component,
                                                         size_t component_len,
                                                         char **provider_out,
                                                         socialchannel_error **error_out);

/**
 * Lists the installed providers, and components that open jobs still need. On success `*providers_out` is an
 * array (schema of an item: ProviderInfo).
 */
socialchannel_status socialchannel_host_list_providers(const socialchannel_host *host,
                                                       char **providers_out,
                                                       socialchannel_error **error_out);

/**
 * Deletes a provider by its id. NOT_FOUND: it is not installed. INVALID_REQUEST: apps or open jobs still need it;
 * the message names them.
 */
socialchannel_status socialchannel_host_unload_provider(const socialchannel_host *host,
                                                        const char *provider,
                                                        socialchannel_error **error_out);

/**
 * Creates an app (a provider with one set of settings, that is one registration at the network), or changes the
 * members of an existing app that `config` has. `app` is its name: 1 to 64 of letters, digits, `.`, `_` and `-`.
 * `config` is a JSON document (schema: AppConfig), for example
 * `{"provider": "...", "redirect_uri": "https://shop.example/callback", "settings": {"client-key": "..."}}`.
 *
 * On success `*app_out` is the app with secrets masked; its `missing_settings` lists what is still needed
 * (schema: App).
 */
socialchannel_status socialchannel_host_put_app(const socialchannel_host *host,
                                                const char *app,
                                                const char *config,
                                                char **app_out,
                                                socialchannel_error **error_out);

/**
 * Lists all apps; secrets are masked. On success `*apps_out` is an array (schema of an item: App).
 */
socialchannel_status socialchannel_host_list_apps(const socialchannel_host *host,
                                                  char **apps_out,
                                                  socialchannel_error **error_out);

/**
 * Reads one app; secrets are masked (schema: App). NOT_FOUND: there is no app with that name.
 */
socialchannel_status socialchannel_host_get_app(const socialchannel_host *host,
                                                const char *app,
                                                char **app_out,
                                                socialchannel_error **error_out);

/**
 * Deletes an app. INVALID_REQUEST: it still has channels; disconnect them first.
 */
socialchannel_status socialchannel_host_delete_app(const socialchannel_host *host,
                                                   const char *app,
                                                   socialchannel_error **error_out);

/**
 * Why what this host stores may not be safe, as found when it was opened: a key in a folder that a web server seems to
 * serve (subject `key`), a disk or a database server that may lose what was stored (`database`). On success
 * `*doubts_out` is an array (schema of an item: Finding), empty if there are none. socialchannel_host_check_app names
 * them, too.
 */
socialchannel_status socialchannel_host_get_doubts(const socialchannel_host *host,
                                                   char **doubts_out,
                                                   socialchannel_error **error_out);

/**
 * Checks an app's settings, also by calling the platform. On success `*findings_out`
 * is an array (schema of an item: Finding).
 */
socialchannel_status socialchannel_host_check_app(const socialchannel_host *host,
                                                  const char *app,
                                                  char **findings_out,
                                                  socialchannel_error **error_out);

/**
 * Reads the steps through the platform's portal to a working app, with the values to copy there. On success
 * `*guide_out` is an array (schema of an item: GuideStep). UNSUPPORTED: the provider has no guide.
 */
socialchannel_status socialchannel_host_get_app_guide(const socialchannel_host *host,
                                                      const char *app,
                                                      char **guide_out,
                                                      socialchannel_error **error_out);

/**
 * Begins to connect an account. `options` is a JSON document (schema: ConnectOptions); its `owner` identifies who
 * begins, such as a hash of the browser's session, and must be given again to complete; any other value
 * is refused.
 *
 * On success `*connect_out` is the next step (schema: Connect): `{"redirect": {"url": ...}}`: send the
 * person's browser there; `{"ask": {"state": ..., "text": ..., "fields": [...]}}`: ask the person, and complete with
 * the answers; `{"done": ...}`: no browser was needed.
 */
socialchannel_status socialchannel_host_begin_connect(const socialchannel_host *host,
                                                      const char *tenant,
                                                      const char *app,
                                                      const char *options,
                                                      char **connect_out,
                                                      socialchannel_error **error_out);

/**
 * Connects accounts without a browser, of which the caller holds what replaces it, such as refresh tokens. `import` is a JSON
 * document (schema: Import). Returns when all rows are done; on success `*report_out` says what became of each (schema:
 * ImportReport), so look at its rows. Rows that are done are left alone when the same ones are given again.
 */
socialchannel_status socialchannel_host_import_channels(const socialchannel_host *host,
                                                        const char *tenant,
                                                        const char *app,
                                                        const char *import,
                                                        char **report_out,
                                                        socialchannel_error **error_out);

/**
 * Completes a connect. `callback` is the query of the callback URL, exactly as received (not decoded), or the
 * whole URL; for a question, `state=...` and the answers by the names of its fields, encoded as a query. `owner` is the one given to socialchannel_host_begin_connect.
 *
 * On success `*connected_out` is the result (schema: Connected): `{"channel": {"id": ...}}`, or
 * `{"choose": {"choice": ..., "candidates": [...]}}`: let the person pick one of several accounts and call
 * socialchannel_host_choose_account. `{"ask": ...}` and `{"redirect": ...}` are one more step, as when beginning.
 *
 * AUTHORIZATION_DENIED: the person declined. INVALID_REQUEST: the callback is unknown, was used already, or has
 * another owner.
 */
socialchannel_status socialchannel_host_complete_connect(const socialchannel_host *host,
                                                         const char *tenant,
                                                         const char *owner,
                                                         const char *callback,
                                                         char **connected_out,
                                                         socialchannel_error **error_out);

/**
 * Connects one of several accounts that a consent returned. `choice` and `account_id` come from the document
 * of socialchannel_host_complete_connect. On success `*channel_out` is the channel (schema: Channel).
 */
socialchannel_status socialchannel_host_choose_account(const socialchannel_host *host,
                                                       const char *tenant,
                                                       const char *owner,
                                                       const char *choice,
                                                       const char *account_id,
                                                       char **channel_out,
                                                       socialchannel_error **error_out);

/**
 * Lists the tenant's channels (connected accounts). On success `*channels_out` is an array (schema of an item:
 * Channel).
 */
socialchannel_status socialchannel_host_list_channels(const socialchannel_host *host,
                                                      const char *tenant,
                                                      char **channels_out,
                                                      socialchannel_error **error_out);

/**
 * Reads one channel (schema: Channel). NOT_FOUND: the tenant has no channel with that id.
 */
socialchannel_status socialchannel_host_get_channel(const socialchannel_host *host,
                                                    const char *tenant,
                                                    const char *channel,
                                                    char **channel_out,
                                                    socialchannel_error **error_out);

/**
 * Cancels the channel's jobs, tells the platform, and deletes the access. Jobs, consents and numbers are kept: the same
 * account connected to the same app again is the same channel, with the same id. On success `*disconnected_out` says
 * whether the platform was told (schema: Disconnected).
 */
socialchannel_status socialchannel_host_disconnect(const socialchannel_host *host,
                                                   const char *tenant,
                                                   const char *channel,
                                                   char **disconnected_out,
                                                   socialchannel_error **error_out);

/**
 * Reads the account's profile from the platform. On success `*profile_out` is a document (schema: Profile).
 */
socialchannel_status socialchannel_host_get_profile(const socialchannel_host *host,
                                                    const char *tenant,
                                                    const char *channel,
                                                    char **profile_out,
                                                    socialchannel_error **error_out);

/**
 * Reads the account's statistics from the platform. On success `*stats_out` is a document (schema: Stats); an
 * absent number is unknown, never zero.
 */
socialchannel_status socialchannel_host_get_stats(const socialchannel_host *host,
                                                  const char *tenant,
                                                  const char *channel,
                                                  char **stats_out,
                                                  socialchannel_error **error_out);

/**
 * Lists one page of the account's posts, newest first. `query` is a JSON document (schema: ListQuery), for example
 * `{"limit": 20}`; for the next page add `"cursor"` with the `next_cursor` of the page before.
 *
 * On success `*page_out` is the page (schema: PostPage); without `next_cursor` it is the last.
 */
socialchannel_status socialchannel_host_list_posts(const socialchannel_host *host,
                                                   const char *tenant,
                                                   const char *channel,
                                                   const char *query,
                                                   char **page_out,
                                                   socialchannel_error **error_out);

/**
 * Reads posts by id, with current statistics and covers. `ids` is a JSON array of texts. Posts that are deleted,
 * private or of another account are left out. On success `*posts_out` is an array (schema of an item:
 * PostSummary).
 */
socialchannel_status socialchannel_host_get_posts(const socialchannel_host *host,
                                                  const char *tenant,
                                                  const char *channel,
                                                  const char *ids,
                                                  char **posts_out,
                                                  socialchannel_error **error_out);

/**
 * Reads what the account may post now: kinds, fields, choices, rules, quotas, notices. Call it again for every
 * form shown. On success `*form_out` is a document (schema: PublishForm).
 */
socialchannel_status socialchannel_host_get_publish_form(const socialchannel_host *host,
                                                         const char *tenant,
                                                         const char *channel,
                                                         char **form_out,
                                                         socialchannel_error **error_out);

/**
 * Checks a post as far as possible without posting it. `request` as for socialchannel_host_publish; only `post`,
 * `media`, `publish_at` and `deadline_at` are used. On success `*findings_out` is an array (schema of an
 * item: Finding); only findings of severity `error` prevent a post.
 */
socialchannel_status socialchannel_host_check_post(const socialchannel_host *host,
                                                   const char *tenant,
                                                   const char *channel,
                                                   const char *request,
                                                   char **findings_out,
                                                   socialchannel_error **error_out);

/**
 * Stores a publish job. `request` is a JSON document (schema: PublishRequest), for example
 * `{"post": {"kind": "video", "text": "Hello", "visibility": "PUBLIC_TO_EVERYONE"}, "media": [{"file": "/videos/a.mp4"}],
 * "idempotency_key": "order-7"}`. The account's options, such as the choices of `visibility`, are in its form. The job
 * is on disk when this returns; in a host with background work it starts at once. Repeating the same `idempotency_key`
 * and request returns the same job, so a call whose result was lost may be repeated.
 * INVALID_REQUEST: the account's form does not take this kind, option, text or visibility, or a time is over or more
 * than two years ahead; the error's field says which. Nothing was stored.
 *
 * On success `*job_out` is the job (schema: Job). Follow it with socialchannel_host_get_job or
 * socialchannel_host_wait_for_job: `bytes_sent` of `bytes_total` is the progress.
 */
socialchannel_status socialchannel_host_publish(const socialchannel_host *host,
                                                const char *tenant,
                                                const char *channel,
                                                const char *request,
                                                char **job_out,
                                                socialchannel_error **error_out);

/**
 * Lists jobs, newest first. `query` is NULL or a JSON document (schema: JobQuery). On success `*jobs_out` is an
 * array (schema of an item: Job).
 */
socialchannel_status socialchannel_host_list_jobs(const socialchannel_host *host,
                                                  const char *tenant,
                                                  const char *query,
                                                  char **jobs_out,
                                                  socialchannel_error **error_out);

/**
 * Reads one job without waiting (schema: Job), with live progress if this process runs it.
 */
socialchannel_status socialchannel_host_get_job(const socialchannel_host *host,
                                                const char *tenant,
                                                const char *job,
                                                char **job_out,
                                                socialchannel_error **error_out);

/**
 * Waits until the job has ended (`published`, `failed`, `unknown`, `cancelled`) or pauses (`paused`: a person must
 * do something), at most `longest_ms`, and reads it (schema: Job). When the time is up the job is still `active`;
 * this is not an error. It also returns early, without an error, if a signal handler of the program ran on the calling
 * thread. Call it in a loop with a short time to draw progress.
 *
 * UINT64_MAX waits without an end. INVALID_ARGUMENT, `unbounded_wait`: with `"background": false` this host runs no jobs,
 * and without a worker that wait would never end.
 */
socialchannel_status socialchannel_host_wait_for_job(const socialchannel_host *host,
                                                     const char *tenant,
                                                     const char *job,
                                                     uint64_t longest_ms,
                                                     char **job_out,
                                                     socialchannel_error **error_out);

/**
 * Requests the cancellation of a job and reads it (schema: Job). What was already sent may still be posted; the job's
 * final status says so. A job that has ended does not change.
 */
socialchannel_status socialchannel_host_cancel_job(const socialchannel_host *host,
                                                   const char *tenant,
                                                   const char *job,
                                                   char **job_out,
                                                   socialchannel_error **error_out);

/**
 * Continues a job now: after a crash, a pause, or a change that a person made (schema: Job). INVALID_REQUEST:
 * it has ended.
 */
socialchannel_status socialchannel_host_resume_job(const socialchannel_host *host,
                                                   const char *tenant,
                                                   const char *job,
                                                   char **job_out,
                                                   socialchannel_error **error_out);

/**
 * Changes a job of which nothing can have been posted yet, and continues it. `change` is a JSON document
 * (schema: JobChange). On success `*job_out` is the job (schema: Job). INVALID_REQUEST: it has ended, or a request
 * that may make the post was started.
 */
socialchannel_status socialchannel_host_change_job(const socialchannel_host *host,
                                                   const char *tenant,
                                                   const char *job,
                                                   const char *change,
                                                   char **job_out,
                                                   socialchannel_error **error_out);

/**
 * Makes a new job for what an ended one did not publish (schema: Job). After `unknown`, `looked` must say that the
 * person has looked and found nothing; better say what was found with socialchannel_host_resolve_job. Asked for again
 * it is the same new job, as long as that has not ended without a post.
 * INVALID_REQUEST: it has not ended, has published, or nobody looked.
 */
socialchannel_status socialchannel_host_retry_job(const socialchannel_host *host,
                                                  const char *tenant,
                                                  const char *job,
                                                  bool looked,
                                                  char **job_out,
                                                  socialchannel_error **error_out);

/**
 * Records what a person found after a job ended `unknown`. `found` is a JSON document (schema: Resolution), for
 * example `{"posted": false}`. If it was posted, the job becomes `published`; if not, it becomes `failed` and
 * may be retried (schema: Job). INVALID_REQUEST: it is not `unknown`.
 */
socialchannel_status socialchannel_host_resolve_job(const socialchannel_host *host,
                                                    const char *tenant,
                                                    const char *job,
                                                    const char *found,
                                                    char **job_out,
                                                    socialchannel_error **error_out);

/**
 * Reads every attempt of a job. On success `*history_out` is an array (schema of an item: HistoryRow).
 */
socialchannel_status socialchannel_host_get_job_history(const socialchannel_host *host,
                                                        const char *tenant,
                                                        const char *job,
                                                        char **history_out,
                                                        socialchannel_error **error_out);

/**
 * Reads what happened to a tenant's jobs and channels, oldest first. `query` is NULL or a JSON document (schema:
 * EventQuery). On success `*page_out` is a document (schema: EventPage); pass its `next` as `after` to the next call, and
 * store it with what you do about the events: then none is missed, and none comes again. Events are kept for a week.
 *
 * Without any event it waits for one, at most `longest_ms`; UINT64_MAX waits without an end, which is for programs that
 * do nothing else. When the time is up, or if a signal handler of the program ran on the calling thread, the page is
 * empty; this is not an error.
 *
 * INVALID_REQUEST with the code `unknown_event`: `after` is yet to come, as after an older backup was restored.
 */
socialchannel_status socialchannel_host_list_events(const socialchannel_host *host,
                                                    const char *tenant,
                                                    const char *query,
                                                    uint64_t longest_ms,
                                                    char **page_out,
                                                    socialchannel_error **error_out);

/**
 * Receives a webhook that a platform sent to an app's address. Anyone may call that address; the provider
 * verifies from the raw bytes that the platform did. When this returns, its events are stored.
 *
 * `request` is a JSON document (schema: WebhookHead): `{"method": "POST", "query": "", "headers": [["name",
 * "value"]]}`. `body` is the received body, byte for byte; NULL if `body_len` is 0.
 *
 * On success respond with the status and the content type in `*reply_out` (schema: WebhookReply), if there is one, and
 * the `*answer_len_out` bytes at `*answer_out`, which are freed with socialchannel_bytes_free.
 *
 * FORBIDDEN: the platform did not send this; respond with 403. UNSUPPORTED: the provider has no webhooks; respond
 * with 404. LIMIT_EXCEEDED: more than 1 MiB; respond with 413. Any other error is a failure of the host: respond
 * with 503, so that the platform sends it again.
 */
socialchannel_status socialchannel_host_receive_webhook(const socialchannel_host *host,
                                                        const char *app,
                                                        const char *request,
                                                        const uint8_t *body,
                                                        size_t body_len,
                                                        char **reply_out,
                                                        uint8_t **answer_out,
                                                        size_t *answer_len_out,
                                                        socialchannel_error **error_out);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SOCIAL_CHANNEL_H */
