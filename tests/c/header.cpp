// The header works in C++ too, and may be included twice.
#include <social_channel.h>
#include <social_channel.h>

#include <cstring>

int main() {
  static_assert(SOCIALCHANNEL_STATUS_RATE_LIMITED == 205, "numbers are never changed");
  socialchannel_error *error = nullptr;
  socialchannel_host *host = nullptr;
  socialchannel_status status = socialchannel_host_open("{}", &host, &error);
  if (status != SOCIALCHANNEL_STATUS_OK || host == nullptr) return 1;
  char *providers = nullptr;
  if (socialchannel_host_list_providers(host, &providers, &error) != SOCIALCHANNEL_STATUS_OK) return 1;
  bool good = std::strcmp(providers, "[]") == 0;
  socialchannel_string_free(providers);
  socialchannel_host_free(host);
  return good ? 0 : 1;
}
