/* Public profiles of Bluesky, as a provider in C: connect by handle, read the profile.
 *
 *     ./build.sh bluesky-c.wasm
 *     social-channel providers inspect bluesky-c.wasm
 *
 * An instance lives for one call, so nothing is freed: its memory goes with it. What is returned is freed by the bindings, so
 * every text of an answer is a copy (`said`). */

#include <stdlib.h>
#include <string.h>

#include "provider.h"

#define HOST "public.api.bsky.app"
#define PATH "/xrpc/app.bsky.actor.getProfile?actor="
/* Bytes of an answer; a profile has some hundred. */
#define LONGEST_ANSWER (1 << 20)
/* Bytes of a handle or an id, by the network's rules. */
#define LONGEST_NAME 253

typedef exports_social_channel_channel_error_t error_t;
typedef exports_social_channel_channel_account_t account_t;

static provider_string_t said(const char *text) {
    provider_string_t copy;
    provider_string_dup(&copy, text);
    return copy;
}

static bool fail(error_t *error, uint8_t kind, const char *message) {
    memset(error, 0, sizeof *error);
    error->kind = kind;
    error->message = said(message);
    return false;
}

static bool unsupported(error_t *error) {
    return fail(error, SOCIAL_CHANNEL_TYPES_ERROR_KIND_UNSUPPORTED, "This provider reads profiles only.");
}

/* ---- requests --------------------------------------------------------------------------------- */

/* Waits until an operation on a stream or a future has ended. */
static provider_waitable_status_t ended(uint32_t waitable, provider_waitable_status_t status) {
    if (status != PROVIDER_WAITABLE_STATUS_BLOCKED) return status;
    provider_waitable_set_t set = provider_waitable_set_new();
    provider_event_t event;
    provider_waitable_join(waitable, set);
    provider_waitable_set_wait(set, &event);
    provider_waitable_join(waitable, 0);
    provider_waitable_set_drop(set);
    return event.code;
}

/* Reads a body; NULL if it is too long. */
static char *read_body(wasi_http_types_own_response_t response) {
    wasi_http_types_future_result_void_error_code_writer_t done;
    wasi_http_types_future_result_void_error_code_t result = wasi_http_types_future_result_void_error_code_new(&done);
    static const wasi_http_types_result_void_error_code_t ok = {0};
    wasi_http_types_tuple2_stream_u8_future_result_option_own_trailers_error_code_t body;
    wasi_http_types_static_response_consume_body(response, result, &body);
    provider_waitable_status_t told = wasi_http_types_future_result_void_error_code_write(done, &ok);
    char *text = malloc(LONGEST_ANSWER + 1);
    size_t length = 0;
    for (;;) {
        provider_waitable_status_t status =
            wasi_http_types_stream_u8_read(body.f0, (uint8_t *)text + length, LONGEST_ANSWER - length);
        status = ended(body.f0, status);
        length += PROVIDER_WAITABLE_COUNT(status);
        if (PROVIDER_WAITABLE_STATE(status) != PROVIDER_WAITABLE_COMPLETED || length == LONGEST_ANSWER) break;
    }
    wasi_http_types_stream_u8_drop_readable(body.f0);
    wasi_http_types_future_result_option_own_trailers_error_code_drop_readable(body.f1);
    ended(done, told);
    wasi_http_types_future_result_void_error_code_drop_writable(done);
    text[length] = 0;
    return length == LONGEST_ANSWER ? NULL : text;
}

/* GET of a path; the status, or 0 if nobody answered. */
static int get(const char *path, char **text) {
    wasi_http_types_future_result_option_own_trailers_error_code_writer_t no_trailers;
    wasi_http_types_future_result_option_own_trailers_error_code_t trailers =
        wasi_http_types_future_result_option_own_trailers_error_code_new(&no_trailers);
    static const wasi_http_types_result_option_own_trailers_error_code_t none = {0};
    wasi_http_types_tuple2_own_request_future_result_void_error_code_t made;
    wasi_http_types_static_request_new(wasi_http_types_constructor_fields(), NULL, trailers, NULL, &made);
    wasi_http_types_future_result_void_error_code_drop_readable(made.f1);
    wasi_http_types_borrow_request_t request = wasi_http_types_borrow_request(made.f0);
    wasi_http_types_scheme_t https = {.tag = WASI_HTTP_TYPES_SCHEME_HTTPS};
    provider_string_t host, target;
    provider_string_set(&host, HOST);
    provider_string_set(&target, path);
    wasi_http_types_method_request_set_scheme(request, &https);
    wasi_http_types_method_request_set_authority(request, &host);
    wasi_http_types_method_request_set_path_with_query(request, &target);
    /* Begun before the request is sent, which would wait for it. */
    provider_waitable_status_t told =
        wasi_http_types_future_result_option_own_trailers_error_code_write(no_trailers, &none);
    wasi_http_client_own_response_t response;
    wasi_http_client_error_code_t error;
    bool sent = wasi_http_client_send(made.f0, &response, &error);
    ended(no_trailers, told);
    wasi_http_types_future_result_option_own_trailers_error_code_drop_writable(no_trailers);
    if (!sent) return 0;
    int status = wasi_http_types_method_response_get_status_code(wasi_http_types_borrow_response(response));
    *text = read_body(response);
    return status;
}

/* ---- answers ---------------------------------------------------------------------------------- */

/* A code point as UTF-8; the number of bytes. */
static int utf8(unsigned point, char *to) {
    if (point < 0x80) return to[0] = (char)point, 1;
    if (point < 0x800) return to[0] = (char)(0xC0 | point >> 6), to[1] = (char)(0x80 | (point & 63)), 2;
    to[0] = (char)(0xE0 | point >> 12);
    to[1] = (char)(0x80 | (point >> 6 & 63));
    to[2] = (char)(0x80 | (point & 63));
    return 3;
}

/* The text of a member of the outermost object; NULL if it has none. Enough for this one answer: a surrogate pair, which
 * servers write as plain UTF-8, is left as two marks for what cannot be read. */
static char *member(const char *json, const char *name) {
    size_t length = strlen(name);
    int depth = 0;
    for (const char *at = json; *at; at++) {
        if (*at == '{' || *at == '[') depth++;
        if (*at == '}' || *at == ']') depth--;
        if (*at != '"') continue;
        const char *start = ++at;
        for (; *at && *at != '"'; at++) if (*at == '\\' && at[1]) at++;
        if (!*at) return NULL;
        if (depth != 1 || (size_t)(at - start) != length || memcmp(start, name, length) != 0) continue;
        const char *value = at + 1;
        while (*value == ' ' || *value == ':') value++;
        if (*value != '"') continue;
        char *text = malloc(strlen(value) + 1), *to = text;
        for (value++; *value && *value != '"'; value++) {
            if (*value != '\\') { *to++ = *value; continue; }
            switch (*++value) {
            case 'n': *to++ = '\n'; break;
            case 't': *to++ = '\t'; break;
            case 'b': case 'f': case 'r': break;
            case 'u': {
                char digits[5] = {0};
                strncpy(digits, value + 1, 4);
                unsigned point = (unsigned)strtoul(digits, NULL, 16);
                to += utf8(point >= 0xD800 && point < 0xE000 ? 0xFFFD : point, to);
                value += strlen(digits);
                break;
            }
            case 0: return NULL;
            default: *to++ = *value;
            }
        }
        *to = 0;
        return text;
    }
    return NULL;
}

/* The profile of a handle or an id, as the network's JSON. */
static bool profile_of(const uint8_t *name, size_t length, char **json, error_t *error) {
    if (length == 0 || length > LONGEST_NAME)
        return fail(error, SOCIAL_CHANNEL_TYPES_ERROR_KIND_INVALID_REQUEST, "A handle such as alice.bsky.social is needed.");
    char path[sizeof PATH + LONGEST_NAME] = PATH;
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = name[i];
        bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
                     byte == '.' || byte == '-' || byte == ':';
        if (!plain)
            return fail(error, SOCIAL_CHANNEL_TYPES_ERROR_KIND_INVALID_REQUEST, "The handle has characters that no handle has.");
        path[sizeof PATH - 1 + i] = (char)byte;
    }
    int status = get(path, json);
    if (status == 0 || status >= 500)
        return fail(error, SOCIAL_CHANNEL_TYPES_ERROR_KIND_UNAVAILABLE, "Bluesky cannot be reached now.");
    if (status == 429) return fail(error, SOCIAL_CHANNEL_TYPES_ERROR_KIND_RATE_LIMITED, "Bluesky wants a pause.");
    if (status >= 400) return fail(error, SOCIAL_CHANNEL_TYPES_ERROR_KIND_NOT_FOUND, "Bluesky knows no such account.");
    if (!*json || !member(*json, "did"))
        return fail(error, SOCIAL_CHANNEL_TYPES_ERROR_KIND_UNAVAILABLE, "Bluesky's answer has another form.");
    return true;
}

static provider_option_string_t maybe(char *text) {
    provider_option_string_t option = {.is_some = text != NULL};
    if (text) option.val = said(text);
    return option;
}

/* The name that people see: the handle, where there is none. */
static char *display_name(const char *json) {
    char *name = member(json, "displayName");
    if (name && *name) return name;
    name = member(json, "handle");
    return name ? name : member(json, "did");
}

/* ---- the provider ----------------------------------------------------------------------------- */

static provider_list_string_t list_of(const char *text) {
    provider_list_string_t list = {.ptr = malloc(sizeof *list.ptr), .len = 1};
    list.ptr[0] = said(text);
    return list;
}

void exports_social_channel_channel_describe(exports_social_channel_channel_descriptor_t *ret) {
    memset(ret, 0, sizeof *ret);
    ret->id = said("bluesky-c");
    ret->name = said("Bluesky (C, public profiles)");
    ret->version = said("0.1.0");
    ret->abilities = list_of("profile");
    ret->origins = list_of("https://" HOST);
    ret->connect_inputs.ptr = calloc(1, sizeof *ret->connect_inputs.ptr);
    ret->connect_inputs.len = 1;
    ret->connect_inputs.ptr[0].name = said("handle");
    ret->connect_inputs.ptr[0].label = said("Handle");
    ret->connect_inputs.ptr[0].kind = said("text");
    ret->connect_inputs.ptr[0].required = true;
}

bool exports_social_channel_channel_begin_connect(exports_social_channel_channel_connect_request_t *request,
                                                  exports_social_channel_channel_connect_step_t *ret, error_t *err) {
    provider_string_t handle = {0};
    for (size_t i = 0; i < request->inputs.len; i++) {
        provider_string_t name = request->inputs.ptr[i].f0;
        if (name.len == 6 && memcmp(name.ptr, "handle", 6) == 0) handle = request->inputs.ptr[i].f1;
    }
    char *json = NULL;
    if (!profile_of(handle.ptr, handle.len, &json, err)) return false;
    exports_social_channel_channel_connection_t *connection = calloc(1, sizeof *connection);
    connection->account.id = said(member(json, "did"));
    connection->display_name = said(display_name(json));
    connection->username = maybe(member(json, "handle"));
    ret->tag = EXPORTS_SOCIAL_CHANNEL_CHANNEL_CONNECT_STEP_CONNECTED;
    ret->val.connected.ptr = connection;
    ret->val.connected.len = 1;
    return true;
}

bool exports_social_channel_channel_get_profile(account_t *account, exports_social_channel_channel_profile_t *ret,
                                                error_t *err) {
    char *json = NULL;
    if (!profile_of(account->id.ptr, account->id.len, &json, err)) return false;
    memset(ret, 0, sizeof *ret);
    ret->id = said(member(json, "did"));
    ret->display_name = said(display_name(json));
    ret->username = maybe(member(json, "handle"));
    ret->bio = maybe(member(json, "description"));
    ret->avatar_url = maybe(member(json, "avatar"));
    return true;
}

bool exports_social_channel_channel_disconnect(account_t *account, error_t *err) {
    (void)account, (void)err;
    return true; /* There is no grant. */
}

/* What this provider does not do: every parameter but the error is left alone. */
#define NOT_HERE(name, ...) \
    bool exports_social_channel_channel_##name(__VA_ARGS__, error_t *err) { return unsupported(err); }
#define A account_t *a
#define P exports_social_channel_channel_post_t *p
#define M exports_social_channel_channel_list_own_item_t *m
#define S provider_list_u8_t *s
#define R exports_social_channel_channel_resume_t *r
#define STEP exports_social_channel_channel_publish_step_t *ret

NOT_HERE(complete_connect, S, provider_list_tuple2_string_string_t *c, exports_social_channel_channel_connect_step_t *ret)
NOT_HERE(refresh_credentials, A, exports_social_channel_channel_connection_t *ret)
NOT_HERE(get_stats, A, exports_social_channel_channel_stats_t *ret)
NOT_HERE(list_posts, A, exports_social_channel_channel_list_query_t *q, exports_social_channel_channel_post_page_t *ret)
NOT_HERE(get_posts, A, provider_list_string_t *ids, exports_social_channel_channel_list_post_summary_t *ret)
NOT_HERE(get_publish_form, A, exports_social_channel_channel_publish_form_t *ret)
NOT_HERE(check_post, A, P, M, exports_social_channel_channel_list_finding_t *ret)
NOT_HERE(begin_publish, A, P, M, STEP)
NOT_HERE(continue_publish, A, P, S, M, R, STEP)
NOT_HERE(cancel_publish, A, P, S, R, STEP)
