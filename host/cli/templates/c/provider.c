/* The provider `{name}`: accounts are names, posts are texts in the host's storage. Replace both by a network; an example with
 * requests is examples/provider-c of Social Channel.
 *
 * An instance lives for one call, so nothing is freed: its memory goes with it. What is returned is freed by the bindings, so
 * every text of an answer is a copy (`said`). */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/provider.h"

/* In code points. */
#define LONGEST_TEXT 280
/* A value of the storage has at most 64 KiB. */
#define MOST_POSTS 50
#define LONGEST_NAME 100
/* A post is kept, and is the state of its publish, as its id, the length of its text in bytes, both in hexadecimal, and the
 * text. */
#define ID 16
#define HEAD (ID + 4)

typedef exports_social_channel_channel_error_t error_t;
typedef exports_social_channel_channel_account_t account_t;
typedef exports_social_channel_channel_post_t post_t;
typedef exports_social_channel_channel_list_own_item_t media_t;
typedef exports_social_channel_channel_publish_step_t step_t;
typedef exports_social_channel_channel_post_summary_t summary_t;

/* Bytes that belong to somebody else. */
typedef struct {
    const uint8_t *ptr;
    size_t len;
} span_t;

static provider_string_t copied(span_t bytes) {
    provider_string_t copy = {.ptr = malloc(bytes.len + 1), .len = bytes.len};
    if (bytes.len) memcpy(copy.ptr, bytes.ptr, bytes.len);
    return copy;
}

static span_t span(const char *text) {
    return (span_t){(const uint8_t *)text, strlen(text)};
}

static provider_string_t said(const char *text) {
    return copied(span(text));
}

static bool is(provider_string_t text, const char *other) {
    return text.len == strlen(other) && memcmp(text.ptr, other, text.len) == 0;
}

static bool same(span_t one, span_t other) {
    return one.len == other.len && memcmp(one.ptr, other.ptr, one.len) == 0;
}

static bool fail(error_t *error, uint8_t kind, const char *message, const char *field) {
    memset(error, 0, sizeof *error);
    error->kind = kind;
    error->message = said(message);
    error->field.is_some = field != NULL;
    if (field) error->field.val = said(field);
    return false;
}

static bool unsupported(error_t *error, const char *message) {
    return fail(error, SOCIAL_CHANNEL_TYPES_ERROR_KIND_UNSUPPORTED, message, NULL);
}

/* ---- posts in the host's storage -------------------------------------------------------------- */

/* The post at the beginning of `bytes`; one of no bytes if it is none. */
static span_t first_post(span_t bytes) {
    span_t none = {0};
    if (bytes.len < HEAD) return none;
    for (size_t i = 0; i < HEAD; i++)
        if (!strchr("0123456789abcdef", bytes.ptr[i]) || !bytes.ptr[i]) return none;
    char digits[HEAD - ID + 1] = {0};
    memcpy(digits, bytes.ptr + ID, HEAD - ID);
    size_t length = HEAD + strtoul(digits, NULL, 16);
    return length <= bytes.len ? (span_t){bytes.ptr, length} : none;
}

static span_t rest(span_t bytes, span_t taken) {
    return (span_t){bytes.ptr + taken.len, bytes.len - taken.len};
}

/* The posts of an account, oldest first, and the version of what was read. */
static bool read_posts(account_t *account, span_t *posts, size_t *count, uint64_t *version, error_t *error) {
    social_channel_storage_option_entry_t entry = {0};
    social_channel_storage_storage_error_t why;
    provider_string_t key = account->id;
    if (!social_channel_storage_get(&key, &entry, &why))
        return fail(error, SOCIAL_CHANNEL_TYPES_ERROR_KIND_UNAVAILABLE, "The posts cannot be read now.", NULL);
    span_t all = entry.is_some ? (span_t){entry.val.value.ptr, entry.val.value.len} : (span_t){0};
    *version = entry.is_some ? entry.val.version : 0;
    *count = 0;
    for (span_t post; (post = first_post(all)).len; all = rest(all, post)) posts[(*count)++ % MOST_POSTS] = post;
    if (*count > MOST_POSTS) *count = MOST_POSTS;
    return true;
}

/* Adds a post, or takes it away, unless another call has changed them meanwhile: then it is asked to come again. */
static bool change(account_t *account, span_t post, bool add, error_t *error) {
    span_t posts[MOST_POSTS];
    size_t count;
    uint64_t version;
    if (!read_posts(account, posts, &count, &version, error)) return false;
    size_t length = post.len;
    for (size_t i = 0; i < count; i++) length += posts[i].len;
    provider_list_u8_t value = {.ptr = malloc(length + 1), .len = 0};
    for (size_t i = add && count == MOST_POSTS ? 1 : 0; i < count; i++) {
        /* One that is there already is no second one. */
        if (same(posts[i], post)) continue;
        memcpy(value.ptr + value.len, posts[i].ptr, posts[i].len);
        value.len += posts[i].len;
    }
    if (add) {
        memcpy(value.ptr + value.len, post.ptr, post.len);
        value.len += post.len;
    }
    social_channel_storage_set_options_t options = {.if_version = {.is_some = true, .val = version}};
    social_channel_storage_storage_error_t why;
    provider_string_t key = account->id;
    uint64_t written;
    if (!social_channel_storage_set(&key, &value, &options, &written, &why))
        return fail(error, SOCIAL_CHANNEL_TYPES_ERROR_KIND_UNAVAILABLE, "The posts cannot be written now.", NULL);
    return true;
}

static summary_t summary(span_t post) {
    summary_t made = {0};
    made.id = copied((span_t){post.ptr, ID});
    made.kind = said("text");
    made.text.is_some = true;
    made.text.val = copied((span_t){post.ptr + HEAD, post.len - HEAD});
    return made;
}

/* ---- about the provider and its accounts ------------------------------------------------------ */

void exports_social_channel_channel_describe(exports_social_channel_channel_descriptor_t *ret) {
    static const char *abilities[] = {"profile", "list", "publish"};
    memset(ret, 0, sizeof *ret);
    ret->id = said("{name}");
    ret->name = said("{name}");
    ret->version = said("0.1.0");
    ret->abilities.ptr = calloc(3, sizeof *ret->abilities.ptr);
    ret->abilities.len = 3;
    for (size_t i = 0; i < 3; i++) ret->abilities.ptr[i] = said(abilities[i]);
    /* `origins` are those that requests go to, such as `https://api.example.com`, and `settings` the operator's. */
    ret->connect_inputs.ptr = calloc(1, sizeof *ret->connect_inputs.ptr);
    ret->connect_inputs.len = 1;
    ret->connect_inputs.ptr[0].name = said("name");
    ret->connect_inputs.ptr[0].label = said("Your name");
    ret->connect_inputs.ptr[0].kind = said("text");
    ret->connect_inputs.ptr[0].required = true;
}

bool exports_social_channel_channel_begin_connect(exports_social_channel_channel_connect_request_t *request,
                                                  exports_social_channel_channel_connect_step_t *ret, error_t *err) {
    span_t name = {0};
    for (size_t i = 0; i < request->inputs.len; i++)
        if (is(request->inputs.ptr[i].f0, "name"))
            name = (span_t){request->inputs.ptr[i].f1.ptr, request->inputs.ptr[i].f1.len};
    if (name.len == 0 || name.len > LONGEST_NAME)
        return fail(err, SOCIAL_CHANNEL_TYPES_ERROR_KIND_INVALID_REQUEST, "A name of at most 100 bytes is needed.", "name");
    exports_social_channel_channel_connection_t *connection = calloc(1, sizeof *connection);
    connection->account.id = copied(name);
    connection->display_name = copied(name);
    ret->tag = EXPORTS_SOCIAL_CHANNEL_CHANNEL_CONNECT_STEP_CONNECTED;
    ret->val.connected.ptr = connection;
    ret->val.connected.len = 1;
    return true;
}

bool exports_social_channel_channel_complete_connect(provider_list_u8_t *session,
                                                     provider_list_tuple2_string_string_t *callback,
                                                     exports_social_channel_channel_connect_step_t *ret, error_t *err) {
    (void)session, (void)callback, (void)ret;
    return unsupported(err, "Connecting needs no browser.");
}

bool exports_social_channel_channel_refresh_credentials(account_t *account,
                                                        exports_social_channel_channel_connection_t *ret, error_t *err) {
    (void)account, (void)ret;
    return unsupported(err, "The credentials never expire.");
}

bool exports_social_channel_channel_disconnect(account_t *account, error_t *err) {
    (void)account, (void)err;
    return true;
}

bool exports_social_channel_channel_get_profile(account_t *account, exports_social_channel_channel_profile_t *ret,
                                                error_t *err) {
    (void)err;
    span_t name = {account->id.ptr, account->id.len};
    memset(ret, 0, sizeof *ret);
    ret->id = copied(name);
    ret->display_name = copied(name);
    return true;
}

bool exports_social_channel_channel_get_stats(account_t *account, exports_social_channel_channel_stats_t *ret,
                                              error_t *err) {
    (void)account, (void)ret;
    return unsupported(err, "There are no numbers.");
}

/* ---- posts ------------------------------------------------------------------------------------ */

bool exports_social_channel_channel_list_posts(account_t *account, exports_social_channel_channel_list_query_t *query,
                                               exports_social_channel_channel_post_page_t *ret, error_t *err) {
    span_t posts[MOST_POSTS];
    size_t count;
    uint64_t version;
    if (!read_posts(account, posts, &count, &version, err)) return false;
    /* Newest first; a cursor is the id of the last post of the page before. */
    size_t left = count;
    if (query->cursor.is_some) {
        left = 0;
        for (size_t i = 0; i < count; i++)
            if (query->cursor.val.len == ID && memcmp(posts[i].ptr, query->cursor.val.ptr, ID) == 0) left = i;
    }
    size_t limit = query->limit < 1 ? 1 : query->limit > MOST_POSTS ? MOST_POSTS : query->limit;
    size_t most = left < limit ? left : limit;
    memset(ret, 0, sizeof *ret);
    ret->posts.ptr = calloc(most + 1, sizeof *ret->posts.ptr);
    for (ret->posts.len = 0; ret->posts.len < most; ret->posts.len++) ret->posts.ptr[ret->posts.len] = summary(posts[--left]);
    ret->next_cursor.is_some = left > 0;
    if (left > 0) ret->next_cursor.val = copied((span_t){posts[left].ptr, ID});
    return true;
}

bool exports_social_channel_channel_get_posts(account_t *account, provider_list_string_t *ids,
                                              exports_social_channel_channel_list_post_summary_t *ret, error_t *err) {
    span_t posts[MOST_POSTS];
    size_t count;
    uint64_t version;
    if (!read_posts(account, posts, &count, &version, err)) return false;
    ret->ptr = calloc(count + 1, sizeof *ret->ptr);
    ret->len = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t wanted = 0; wanted < ids->len; wanted++)
            if (ids->ptr[wanted].len == ID && memcmp(posts[i].ptr, ids->ptr[wanted].ptr, ID) == 0) {
                ret->ptr[ret->len++] = summary(posts[i]);
                break;
            }
    return true;
}

/* ---- publishing ------------------------------------------------------------------------------- */

bool exports_social_channel_channel_get_publish_form(account_t *account,
                                                     exports_social_channel_channel_publish_form_t *ret, error_t *err) {
    (void)err;
    memset(ret, 0, sizeof *ret);
    ret->account_name = copied((span_t){account->id.ptr, account->id.len});
    ret->kinds.ptr = calloc(1, sizeof *ret->kinds.ptr);
    ret->kinds.len = 1;
    ret->kinds.ptr[0].name = said("text");
    ret->kinds.ptr[0].label = said("Text");
    ret->fields.ptr = calloc(1, sizeof *ret->fields.ptr);
    ret->fields.len = 1;
    ret->fields.ptr[0].name = said("text");
    ret->fields.ptr[0].label = said("Text");
    ret->fields.ptr[0].kind = said("multiline");
    ret->fields.ptr[0].required = true;
    ret->fields.ptr[0].limits.ptr = calloc(1, sizeof *ret->fields.ptr[0].limits.ptr);
    ret->fields.ptr[0].limits.len = 1;
    ret->fields.ptr[0].limits.ptr[0].maximum = (provider_option_u32_t){.is_some = true, .val = LONGEST_TEXT};
    ret->fields.ptr[0].limits.ptr[0].unit = said("code-points");
    return true;
}

static size_t code_points(provider_string_t text) {
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) count += (text.ptr[i] & 0xC0) != 0x80;
    return count;
}

/* What is not supported is refused by name, never ignored. Of the post's own fields at most six are wrong. */
static exports_social_channel_channel_list_finding_t findings(post_t *post, media_t *media) {
    exports_social_channel_channel_list_finding_t found = {
        .ptr = calloc(6 + post->options.len, sizeof *found.ptr), .len = 0};
    size_t length = post->text.is_some ? code_points(post->text.val) : 0;
    struct {
        const char *field;
        bool wrong;
    } fields[] = {
        {"kind", !is(post->kind, "text")},     {"text", length == 0 || length > LONGEST_TEXT},
        {"media", media->len > 0},             {"title", post->title.is_some},
        {"visibility", post->visibility.is_some}, {"parts", post->parts.len > 0},
    };
    for (size_t i = 0; i < 6 + post->options.len; i++) {
        if (i < 6 && !fields[i].wrong) continue;
        provider_string_t field = i < 6 ? said(fields[i].field) : post->options.ptr[i - 6].name;
        exports_social_channel_channel_finding_t *one = &found.ptr[found.len++];
        one->severity = SOCIAL_CHANNEL_TYPES_SEVERITY_ERROR;
        one->subject = copied((span_t){field.ptr, field.len});
        one->message = said("This cannot be posted.");
    }
    return found;
}

bool exports_social_channel_channel_check_post(account_t *account, post_t *post, media_t *media,
                                               exports_social_channel_channel_list_finding_t *ret, error_t *err) {
    (void)account, (void)err;
    *ret = findings(post, media);
    return true;
}

static bool step(step_t *ret, span_t state, const char *phase, uint8_t next) {
    memset(ret, 0, sizeof *ret);
    provider_string_t copy = copied(state);
    ret->state = (provider_list_u8_t){.ptr = copy.ptr, .len = copy.len};
    ret->phase = said(phase);
    ret->next.tag = next;
    return true;
}

/* The post of a state, which another version may have written. */
static bool decoded(provider_list_u8_t *state, span_t *post, error_t *err) {
    *post = first_post((span_t){state->ptr, state->len});
    if (post->len == state->len && post->len > HEAD) return true;
    return unsupported(err, "This publish was begun by another version.");
}

bool exports_social_channel_channel_begin_publish(account_t *account, post_t *post, media_t *media, step_t *ret,
                                                  error_t *err) {
    (void)account;
    exports_social_channel_channel_list_finding_t wrong = findings(post, media);
    if (wrong.len > 0) {
        char field[128] = {0};
        provider_string_t subject = wrong.ptr[0].subject;
        memcpy(field, subject.ptr, subject.len < sizeof field ? subject.len : sizeof field - 1);
        return fail(err, SOCIAL_CHANNEL_TYPES_ERROR_KIND_INVALID_REQUEST, "This cannot be posted.", field);
    }
    /* The id is chosen before the post is made, so that making it again makes no second one. */
    provider_string_t text = post->text.val;
    char *state = malloc(HEAD + text.len + 1);
    snprintf(state, HEAD + 1, "%016llx%04zx", (unsigned long long)wasi_random_random_get_random_u64(), text.len);
    memcpy(state + HEAD, text.ptr, text.len);
    step(ret, (span_t){(uint8_t *)state, HEAD + text.len}, "publishing", EXPORTS_SOCIAL_CHANNEL_CHANNEL_NEXT_STEP_PROCEED);
    ret->next.val.proceed = EXPORTS_SOCIAL_CHANNEL_CHANNEL_EFFECT_IDEMPOTENT;
    return true;
}

bool exports_social_channel_channel_continue_publish(account_t *account, post_t *post, provider_list_u8_t *state,
                                                     media_t *media,
                                                     exports_social_channel_channel_resume_t *resume, step_t *ret,
                                                     error_t *err) {
    (void)post, (void)media, (void)resume;
    span_t made;
    if (!decoded(state, &made, err) || !change(account, made, true, err)) return false;
    step(ret, made, "published", EXPORTS_SOCIAL_CHANNEL_CHANNEL_NEXT_STEP_PUBLISHED);
    ret->publication.posts.ptr = calloc(1, sizeof *ret->publication.posts.ptr);
    ret->publication.posts.len = 1;
    ret->publication.posts.ptr[0].id.is_some = true;
    ret->publication.posts.ptr[0].id.val = copied((span_t){made.ptr, ID});
    ret->publication.posts.ptr[0].role = said("post");
    ret->publication.posts.ptr[0].state = said("public");
    return true;
}

bool exports_social_channel_channel_cancel_publish(account_t *account, post_t *post, provider_list_u8_t *state,
                                                   exports_social_channel_channel_resume_t *resume, step_t *ret,
                                                   error_t *err) {
    (void)post, (void)resume;
    span_t made;
    if (!decoded(state, &made, err) || !change(account, made, false, err)) return false;
    return step(ret, made, "cancelled", EXPORTS_SOCIAL_CHANNEL_CHANNEL_NEXT_STEP_CANCELLED);
}
