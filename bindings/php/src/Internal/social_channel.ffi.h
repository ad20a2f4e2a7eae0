typedef enum {
  SOCIALCHANNEL_STATUS_OK = 0,
  SOCIALCHANNEL_STATUS_INVALID_ARGUMENT = 100,
  SOCIALCHANNEL_STATUS_INVALID_REQUEST = 200,
  SOCIALCHANNEL_STATUS_UNAUTHORIZED = 201,
  SOCIALCHANNEL_STATUS_FORBIDDEN = 202,
  SOCIALCHANNEL_STATUS_NOT_FOUND = 203,
  SOCIALCHANNEL_STATUS_REJECTED = 204,
  SOCIALCHANNEL_STATUS_RATE_LIMITED = 205,
  SOCIALCHANNEL_STATUS_UNAVAILABLE = 206,
  SOCIALCHANNEL_STATUS_OUTCOME_UNKNOWN = 207,
  SOCIALCHANNEL_STATUS_UNSUPPORTED = 208,
  SOCIALCHANNEL_STATUS_MISCONFIGURED = 209,
  SOCIALCHANNEL_STATUS_AUTHORIZATION_DENIED = 210,
  SOCIALCHANNEL_STATUS_QUOTA_EXCEEDED = 211,
  SOCIALCHANNEL_STATUS_OTHER = 299,
  SOCIALCHANNEL_STATUS_DENIED_BY_POLICY = 300,
  SOCIALCHANNEL_STATUS_LIMIT_EXCEEDED = 301,
  SOCIALCHANNEL_STATUS_PROVIDER_FAULT = 302,
  SOCIALCHANNEL_STATUS_INCOMPATIBLE = 310,
  SOCIALCHANNEL_STATUS_LOAD_FAILED = 311,
  SOCIALCHANNEL_STATUS_INTERNAL = 900,
} socialchannel_status;
typedef enum {
  SOCIALCHANNEL_VERSION_MAJOR = 0,
  SOCIALCHANNEL_VERSION_MINOR = 1,
  SOCIALCHANNEL_VERSION_NUMBER = 1000,
} socialchannel_version;
typedef enum {
  SOCIALCHANNEL_STORAGE_RESULT_DONE = 0,
  SOCIALCHANNEL_STORAGE_RESULT_ABSENT = 1,
  SOCIALCHANNEL_STORAGE_RESULT_CONFLICT = 2,
  SOCIALCHANNEL_STORAGE_RESULT_FULL = 3,
  SOCIALCHANNEL_STORAGE_RESULT_UNAVAILABLE = 4,
} socialchannel_storage_result;
typedef enum {
  SOCIALCHANNEL_STORAGE_VALUE_CAPACITY = 65792,
} socialchannel_storage_value;
typedef enum {
  SOCIALCHANNEL_HTTP_RESULT_DONE = 0,
  SOCIALCHANNEL_HTTP_RESULT_REFUSED = 1,
  SOCIALCHANNEL_HTTP_RESULT_NOT_SENT = 2,
  SOCIALCHANNEL_HTTP_RESULT_TIMED_OUT = 3,
  SOCIALCHANNEL_HTTP_RESULT_BROKEN = 4,
} socialchannel_http_result;
typedef struct socialchannel_error socialchannel_error;
typedef struct socialchannel_exchange socialchannel_exchange;
typedef struct socialchannel_host socialchannel_host;
typedef struct {
  const char *name;
  const char *value;
} socialchannel_header;
typedef struct {
  size_t size;
  void *userdata;
  uint32_t (*get_value)(void *userdata,
                        const char *app,
                        const char *key,
                        size_t key_len,
                        uint8_t *value,
                        size_t value_capacity,
                        size_t *value_len_out,
                        uint64_t *version_out,
                        int64_t *expires_at_out);
  uint32_t (*set_value)(void *userdata,
                        const char *app,
                        const char *key,
                        size_t key_len,
                        const uint8_t *value,
                        size_t value_len,
                        const uint64_t *if_version,
                        int64_t expires_at,
                        uint64_t *version_out);
  uint32_t (*delete_value)(void *userdata, const char *app, const char *key, size_t key_len);
  uint32_t (*list_keys)(void *userdata,
                        const char *app,
                        const char *prefix,
                        size_t prefix_len,
                        const char *after,
                        size_t after_len,
                        uint32_t limit,
                        void (*found)(void *keys, const char *key, size_t key_len),
                        void *keys);
  void (*finalize)(void *userdata);
} socialchannel_storage;
typedef struct {
  const char *method;
  const char *url;
  const socialchannel_header *headers;
  size_t headers_len;
  int64_t body_len;
} socialchannel_http_request;
typedef struct {
  size_t size;
  void *userdata;
  uint32_t (*exchange)(void *userdata,
                       const socialchannel_http_request *request,
                       socialchannel_exchange *exchange);
  void (*finalize)(void *userdata);
} socialchannel_http;
uint32_t socialchannel_version_number(void);
const char *socialchannel_version_text(void);
const char *socialchannel_status_name(uint32_t status);
socialchannel_status socialchannel_error_status(const socialchannel_error *error);
const char *socialchannel_error_kind(const socialchannel_error *error);
const char *socialchannel_error_message(const socialchannel_error *error);
const char *socialchannel_error_remedy(const socialchannel_error *error);
const char *socialchannel_error_code(const socialchannel_error *error);
const char *socialchannel_error_field(const socialchannel_error *error);
const char *socialchannel_error_trace_id(const socialchannel_error *error);
const char *socialchannel_error_provider(const socialchannel_error *error);
const char *socialchannel_error_operation(const socialchannel_error *error);
const char *socialchannel_error_outcome(const socialchannel_error *error);
int64_t socialchannel_error_retry_after_ms(const socialchannel_error *error);
const char *socialchannel_error_json(const socialchannel_error *error);
void socialchannel_error_free(socialchannel_error *error);
void socialchannel_string_free(char *string);
void socialchannel_bytes_free(uint8_t *bytes, size_t bytes_len);
socialchannel_status socialchannel_log_level(const char *level,
                                             socialchannel_error **error_out);
socialchannel_status socialchannel_log_read(uint64_t after,
                                            uint32_t limit,
                                            char **entries_out,
                                            socialchannel_error **error_out);
socialchannel_status socialchannel_exchange_read(socialchannel_exchange *exchange,
                                                 uint8_t *buffer,
                                                 size_t capacity,
                                                 size_t *read_out,
                                                 socialchannel_error **error_out);
socialchannel_status socialchannel_exchange_respond(socialchannel_exchange *exchange,
                                                    uint16_t status,
                                                    const socialchannel_header *headers,
                                                    size_t headers_len,
                                                    socialchannel_error **error_out);
socialchannel_status socialchannel_exchange_write(socialchannel_exchange *exchange,
                                                  const uint8_t *buffer,
                                                  size_t buffer_len,
                                                  socialchannel_error **error_out);
socialchannel_status socialchannel_explain(const char *why,
                                           socialchannel_error **error_out);
socialchannel_status socialchannel_host_open(const char *config,
                                             socialchannel_host **host_out,
                                             socialchannel_error **error_out);
socialchannel_status socialchannel_host_open_with(const char *config,
                                                  const socialchannel_storage *storage,
                                                  const socialchannel_http *http,
                                                  socialchannel_host **host_out,
                                                  socialchannel_error **error_out);
socialchannel_status socialchannel_host_shutdown(const socialchannel_host *host,
                                                 uint64_t longest_ms,
                                                 socialchannel_error **error_out);
void socialchannel_host_free(socialchannel_host *host);
socialchannel_status socialchannel_host_work(const socialchannel_host *host,
                                             uint64_t longest_ms,
                                             char **worked_out,
                                             socialchannel_error **error_out);
socialchannel_status socialchannel_host_rotate_keys(const socialchannel_host *host,
                                                    uint64_t *changed_out,
                                                    socialchannel_error **error_out);
socialchannel_status socialchannel_new_key(char **key_out, socialchannel_error **error_out);
socialchannel_status socialchannel_host_load_provider(const socialchannel_host *host,
                                                      const uint8_t *component,
                                                      size_t component_len,
                                                      char **loaded_out,
                                                      socialchannel_error **error_out);
socialchannel_status socialchannel_host_load_provider_file(const socialchannel_host *host,
                                                           const char *path,
                                                           char **loaded_out,
                                                           socialchannel_error **error_out);
socialchannel_status socialchannel_host_add_provider(const socialchannel_host *host,
                                                     const char *source,
                                                     char **loaded_out,
                                                     socialchannel_error **error_out);
socialchannel_status socialchannel_host_check_provider(const socialchannel_host *host,
                                                       const char *provider,
                                                       const char *source,
                                                       char **report_out,
                                                       socialchannel_error **error_out);
socialchannel_status socialchannel_host_update_provider(const socialchannel_host *host,
                                                        const char *provider,
                                                        const char *source,
                                                        char **loaded_out,
                                                        socialchannel_error **error_out);
socialchannel_status socialchannel_host_roll_back_provider(const socialchannel_host *host,
                                                           const char *provider,
                                                           char **loaded_out,
                                                           socialchannel_error **error_out);
socialchannel_status socialchannel_host_inspect_provider(const socialchannel_host *host,
                                                         const uint8_t *component,
                                                         size_t component_len,
                                                         char **provider_out,
                                                         socialchannel_error **error_out);
socialchannel_status socialchannel_host_list_providers(const socialchannel_host *host,
                                                       char **providers_out,
                                                       socialchannel_error **error_out);
socialchannel_status socialchannel_host_unload_provider(const socialchannel_host *host,
                                                        const char *provider,
                                                        socialchannel_error **error_out);
socialchannel_status socialchannel_host_put_app(const socialchannel_host *host,
                                                const char *app,
                                                const char *config,
                                                char **app_out,
                                                socialchannel_error **error_out);
socialchannel_status socialchannel_host_list_apps(const socialchannel_host *host,
                                                  char **apps_out,
                                                  socialchannel_error **error_out);
socialchannel_status socialchannel_host_get_app(const socialchannel_host *host,
                                                const char *app,
                                                char **app_out,
                                                socialchannel_error **error_out);
socialchannel_status socialchannel_host_delete_app(const socialchannel_host *host,
                                                   const char *app,
                                                   socialchannel_error **error_out);
socialchannel_status socialchannel_host_get_doubts(const socialchannel_host *host,
                                                   char **doubts_out,
                                                   socialchannel_error **error_out);
socialchannel_status socialchannel_host_check_app(const socialchannel_host *host,
                                                  const char *app,
                                                  char **findings_out,
                                                  socialchannel_error **error_out);
socialchannel_status socialchannel_host_get_app_guide(const socialchannel_host *host,
                                                      const char *app,
                                                      char **guide_out,
                                                      socialchannel_error **error_out);
socialchannel_status socialchannel_host_begin_connect(const socialchannel_host *host,
                                                      const char *tenant,
                                                      const char *app,
                                                      const char *options,
                                                      char **connect_out,
                                                      socialchannel_error **error_out);
socialchannel_status socialchannel_host_import_channels(const socialchannel_host *host,
                                                        const char *tenant,
                                                        const char *app,
                                                        const char *import,
                                                        char **report_out,
                                                        socialchannel_error **error_out);
socialchannel_status socialchannel_host_complete_connect(const socialchannel_host *host,
                                                         const char *tenant,
                                                         const char *owner,
                                                         const char *callback,
                                                         char **connected_out,
                                                         socialchannel_error **error_out);
socialchannel_status socialchannel_host_choose_account(const socialchannel_host *host,
                                                       const char *tenant,
                                                       const char *owner,
                                                       const char *choice,
                                                       const char *account_id,
                                                       char **channel_out,
                                                       socialchannel_error **error_out);
socialchannel_status socialchannel_host_list_channels(const socialchannel_host *host,
                                                      const char *tenant,
                                                      char **channels_out,
                                                      socialchannel_error **error_out);
socialchannel_status socialchannel_host_get_channel(const socialchannel_host *host,
                                                    const char *tenant,
                                                    const char *channel,
                                                    char **channel_out,
                                                    socialchannel_error **error_out);
socialchannel_status socialchannel_host_disconnect(const socialchannel_host *host,
                                                   const char *tenant,
                                                   const char *channel,
                                                   char **disconnected_out,
                                                   socialchannel_error **error_out);
socialchannel_status socialchannel_host_get_profile(const socialchannel_host *host,
                                                    const char *tenant,
                                                    const char *channel,
                                                    char **profile_out,
                                                    socialchannel_error **error_out);
socialchannel_status socialchannel_host_get_stats(const socialchannel_host *host,
                                                  const char *tenant,
                                                  const char *channel,
                                                  char **stats_out,
                                                  socialchannel_error **error_out);
socialchannel_status socialchannel_host_list_posts(const socialchannel_host *host,
                                                   const char *tenant,
                                                   const char *channel,
                                                   const char *query,
                                                   char **page_out,
                                                   socialchannel_error **error_out);
socialchannel_status socialchannel_host_get_posts(const socialchannel_host *host,
                                                  const char *tenant,
                                                  const char *channel,
                                                  const char *ids,
                                                  char **posts_out,
                                                  socialchannel_error **error_out);
socialchannel_status socialchannel_host_get_publish_form(const socialchannel_host *host,
                                                         const char *tenant,
                                                         const char *channel,
                                                         char **form_out,
                                                         socialchannel_error **error_out);
socialchannel_status socialchannel_host_check_post(const socialchannel_host *host,
                                                   const char *tenant,
                                                   const char *channel,
                                                   const char *request,
                                                   char **findings_out,
                                                   socialchannel_error **error_out);
socialchannel_status socialchannel_host_publish(const socialchannel_host *host,
                                                const char *tenant,
                                                const char *channel,
                                                const char *request,
                                                char **job_out,
                                                socialchannel_error **error_out);
socialchannel_status socialchannel_host_list_jobs(const socialchannel_host *host,
                                                  const char *tenant,
                                                  const char *query,
                                                  char **jobs_out,
                                                  socialchannel_error **error_out);
socialchannel_status socialchannel_host_get_job(const socialchannel_host *host,
                                                const char *tenant,
                                                const char *job,
                                                char **job_out,
                                                socialchannel_error **error_out);
socialchannel_status socialchannel_host_wait_for_job(const socialchannel_host *host,
                                                     const char *tenant,
                                                     const char *job,
                                                     uint64_t longest_ms,
                                                     char **job_out,
                                                     socialchannel_error **error_out);
socialchannel_status socialchannel_host_cancel_job(const socialchannel_host *host,
                                                   const char *tenant,
                                                   const char *job,
                                                   char **job_out,
                                                   socialchannel_error **error_out);
socialchannel_status socialchannel_host_resume_job(const socialchannel_host *host,
                                                   const char *tenant,
                                                   const char *job,
                                                   char **job_out,
                                                   socialchannel_error **error_out);
socialchannel_status socialchannel_host_change_job(const socialchannel_host *host,
                                                   const char *tenant,
                                                   const char *job,
                                                   const char *change,
                                                   char **job_out,
                                                   socialchannel_error **error_out);
socialchannel_status socialchannel_host_retry_job(const socialchannel_host *host,
                                                  const char *tenant,
                                                  const char *job,
                                                  bool looked,
                                                  char **job_out,
                                                  socialchannel_error **error_out);
socialchannel_status socialchannel_host_resolve_job(const socialchannel_host *host,
                                                    const char *tenant,
                                                    const char *job,
                                                    const char *found,
                                                    char **job_out,
                                                    socialchannel_error **error_out);
socialchannel_status socialchannel_host_get_job_history(const socialchannel_host *host,
                                                        const char *tenant,
                                                        const char *job,
                                                        char **history_out,
                                                        socialchannel_error **error_out);
socialchannel_status socialchannel_host_list_events(const socialchannel_host *host,
                                                    const char *tenant,
                                                    const char *query,
                                                    uint64_t longest_ms,
                                                    char **page_out,
                                                    socialchannel_error **error_out);
socialchannel_status socialchannel_host_receive_webhook(const socialchannel_host *host,
                                                        const char *app,
                                                        const char *request,
                                                        const uint8_t *body,
                                                        size_t body_len,
                                                        char **reply_out,
                                                        uint8_t **answer_out,
                                                        size_t *answer_len_out,
                                                        socialchannel_error **error_out);
