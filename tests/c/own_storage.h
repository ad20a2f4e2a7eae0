/* A program's own storage: values in memory, compare-and-set under one lock. */
#ifndef OWN_STORAGE_H
#define OWN_STORAGE_H

#include <stdatomic.h>
#include <time.h>

#include "check.h"

struct value {
  struct value *next;
  char app[65], key[513];
  size_t key_len, length;
  unsigned char *bytes;
  uint64_t version;
  int64_t expires_at;
};

struct own_storage {
  pthread_mutex_t lock;
  struct value *first;
  uint64_t newest;
  atomic_int calls, finalized, broken;
};

static inline int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline int is(const struct value *value, const char *app, const char *key, size_t key_len) {
  return strcmp(value->app, app) == 0 && value->key_len == key_len && memcmp(value->key, key, key_len) == 0;
}

static inline int lives(const struct value *value) { return value->expires_at == 0 || value->expires_at > now_ms(); }

static inline struct value *find(struct own_storage *own, const char *app, const char *key, size_t key_len) {
  for (struct value *at = own->first; at; at = at->next)
    if (is(at, app, key, key_len) && lives(at)) return at;
  return NULL;
}

static inline void forget(struct own_storage *own, const char *app, const char *key, size_t key_len) {
  for (struct value **at = &own->first; *at;) {
    struct value *value = *at;
    if (is(value, app, key, key_len)) {
      *at = value->next;
      free(value->bytes);
      free(value);
    } else {
      at = &value->next;
    }
  }
}

/* Common start of every function. */
static inline uint32_t enter_storage(struct own_storage *own) {
  atomic_fetch_add(&own->calls, 1);
  if (!atomic_load(&own->broken)) return SOCIALCHANNEL_STORAGE_RESULT_DONE;
  CHECK(socialchannel_explain("the shelf fell over", NULL) == SOCIALCHANNEL_STATUS_OK);
  return SOCIALCHANNEL_STORAGE_RESULT_UNAVAILABLE;
}

static inline uint32_t own_get(void *userdata, const char *app, const char *key, size_t key_len, uint8_t *value,
                               size_t value_capacity, size_t *value_len_out, uint64_t *version_out,
                               int64_t *expires_at_out) {
  struct own_storage *own = userdata;
  uint32_t result = enter_storage(own);
  if (result != SOCIALCHANNEL_STORAGE_RESULT_DONE) return result;
  CHECK(value_capacity == SOCIALCHANNEL_STORAGE_VALUE_CAPACITY && key[key_len] == 0);
  pthread_mutex_lock(&own->lock);
  struct value *found = find(own, app, key, key_len);
  if (found) {
    memcpy(value, found->bytes, found->length);
    *value_len_out = found->length;
    *version_out = found->version;
    *expires_at_out = found->expires_at;
  }
  pthread_mutex_unlock(&own->lock);
  return found ? SOCIALCHANNEL_STORAGE_RESULT_DONE : SOCIALCHANNEL_STORAGE_RESULT_ABSENT;
}

static inline uint32_t own_set(void *userdata, const char *app, const char *key, size_t key_len, const uint8_t *value,
                               size_t value_len, const uint64_t *if_version, int64_t expires_at, uint64_t *version_out) {
  struct own_storage *own = userdata;
  uint32_t result = enter_storage(own);
  if (result != SOCIALCHANNEL_STORAGE_RESULT_DONE) return result;
  CHECK(strlen(app) < 65 && key_len < 513 && value_len <= SOCIALCHANNEL_STORAGE_VALUE_CAPACITY);
  pthread_mutex_lock(&own->lock);
  struct value *found = find(own, app, key, key_len);
  if (if_version && *if_version != (found ? found->version : 0)) {
    result = SOCIALCHANNEL_STORAGE_RESULT_CONFLICT;
  } else {
    forget(own, app, key, key_len);
    struct value *fresh = calloc(1, sizeof *fresh);
    CHECK(fresh != NULL);
    strcpy(fresh->app, app);
    memcpy(fresh->key, key, key_len);
    fresh->key_len = key_len;
    fresh->bytes = malloc(value_len + 1);
    CHECK(fresh->bytes != NULL);
    memcpy(fresh->bytes, value, value_len);
    fresh->length = value_len;
    fresh->expires_at = expires_at;
    *version_out = fresh->version = ++own->newest;
    fresh->next = own->first;
    own->first = fresh;
  }
  pthread_mutex_unlock(&own->lock);
  return result;
}

static inline uint32_t own_delete(void *userdata, const char *app, const char *key, size_t key_len) {
  struct own_storage *own = userdata;
  uint32_t result = enter_storage(own);
  if (result != SOCIALCHANNEL_STORAGE_RESULT_DONE) return result;
  pthread_mutex_lock(&own->lock);
  forget(own, app, key, key_len);
  pthread_mutex_unlock(&own->lock);
  return result;
}

static inline int by_bytes(const void *left, const void *right) {
  const struct value *one = *(struct value *const *)left, *two = *(struct value *const *)right;
  return memcmp(one->key, two->key, sizeof one->key);
}

static inline uint32_t own_list(void *userdata, const char *app, const char *prefix, size_t prefix_len, const char *after,
                                size_t after_len, uint32_t limit,
                                void (*found)(void *keys, const char *key, size_t key_len), void *keys) {
  struct own_storage *own = userdata;
  uint32_t result = enter_storage(own);
  if (result != SOCIALCHANNEL_STORAGE_RESULT_DONE) return result;
  char beyond[513] = "";
  if (after) memcpy(beyond, after, after_len);
  pthread_mutex_lock(&own->lock);
  struct value *all[256];
  size_t count = 0;
  for (struct value *at = own->first; at; at = at->next)
    if (strcmp(at->app, app) == 0 && lives(at) && at->key_len >= prefix_len && memcmp(at->key, prefix, prefix_len) == 0 &&
        (!after || memcmp(at->key, beyond, sizeof beyond) > 0)) {
      CHECK(count < 256);
      all[count++] = at;
    }
  qsort(all, count, sizeof *all, by_bytes);
  for (size_t at = 0; at < count && at < limit; at++) found(keys, all[at]->key, all[at]->key_len);
  pthread_mutex_unlock(&own->lock);
  return result;
}

/* Statistics of the stored values for tests. */
static inline size_t kept(struct own_storage *own, const char *app, const char *key, size_t *zeros) {
  size_t length = 0;
  pthread_mutex_lock(&own->lock);
  struct value *found = find(own, app, key, strlen(key));
  *zeros = 0;
  for (; found && length < found->length; length++) *zeros += found->bytes[length] == 0;
  pthread_mutex_unlock(&own->lock);
  return length;
}

static inline int count_of(struct own_storage *own, const char *app) {
  int count = 0;
  pthread_mutex_lock(&own->lock);
  for (struct value *at = own->first; at; at = at->next) count += strcmp(at->app, app) == 0;
  pthread_mutex_unlock(&own->lock);
  return count;
}

static inline void own_storage_finalize(void *userdata) {
  struct own_storage *own = userdata;
  for (struct value *at = own->first, *next; at; at = next) {
    next = at->next;
    free(at->bytes);
    free(at);
  }
  own->first = NULL;
  atomic_fetch_add(&own->finalized, 1);
}

static inline socialchannel_storage own_storage_table(struct own_storage *own) {
  pthread_mutex_init(&own->lock, NULL);
  socialchannel_storage table = {
      sizeof table, own, own_get, own_set, own_delete, own_list, own_storage_finalize,
  };
  return table;
}

#endif
